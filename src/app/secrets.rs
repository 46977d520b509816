//! Reads the keys of an account from where the configuration says they are. Never shows a key, in
//! an error or in `Debug`, and wipes what it read when that is dropped.

mod helper;

use super::config::{Account as Source, Config, KeySource, SecretSource};
use super::run::RunError;
use crate::base::Secret;
use crate::exchange::{Account, AccountKey};
use crate::world::os::sys;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Bytes of a secret, at most.
const SECRET_BYTES_MAX: usize = 16 * 1024;

/// Why a secret cannot be used. Names the place and what to do, never the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretError {
    /// The section that names it.
    pub(crate) section: &'static str,
    /// The name of the key there.
    pub(crate) key: String,
    /// What is wrong and what to do, on one line.
    pub(crate) what: String,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {}", self.key, self.section, self.what)
    }
}

impl std::error::Error for SecretError {}

/// The variables that accounts and feeds name, which are no longer in the environment of this
/// process.
#[derive(Default)]
pub(crate) struct Variables(Vec<(String, Result<Option<Secret>, String>)>);

impl Variables {
    /// If there are other threads already, every use of a variable is refused.
    fn take<'s>(sources: impl Iterator<Item = &'s SecretSource>) -> Self {
        let mut taken = Vec::<(String, _)>::new();
        for source in sources {
            if let SecretSource::Env(name) = source
                && !taken.iter().any(|(known, _)| known == name)
            {
                let value = sys::take_variable(name).map_err(|error| error.to_string());
                taken.push((name.clone(), value));
            }
        }
        Self(taken)
    }

    fn read(&self, name: &str) -> Result<Secret, String> {
        let found = self.0.iter().find(|(known, _)| known == name);
        match found.map(|(_, value)| value) {
            Some(Ok(Some(value))) => Ok(Secret::from(value.expose().to_owned())),
            Some(Ok(None)) | None => Err(format!(
                "the environment variable {name} is not set: export it, or use a file"
            )),
            Some(Err(why)) => Err(format!(
                "the environment variable {name} cannot be used: {why}: use a file"
            )),
        }
    }
}

/// Takes the variables that a configuration names out of the environment, before any other thread
/// begins. If keys are going to be read, too, the process leaves no core dump from now on: those of
/// feeds always are, those of accounts if `will_read` says so.
///
/// # Errors
/// If the system refuses that.
pub(crate) fn take(config: &Config, will_read: bool) -> Result<Variables, RunError> {
    let of_feeds = || config.feeds.iter().filter_map(|feed| feed.api_key.as_ref());
    if will_read || of_feeds().next().is_some() {
        sys::forbid_core_dumps().map_err(|error| {
            RunError::Failed(format!("cannot keep keys out of core dumps: {error}"))
        })?;
    }
    let accounts = config.accounts.iter();
    let of_accounts = accounts.flat_map(|account| [&account.api_key, account.key.source()]);
    Ok(Variables::take(of_accounts.chain(of_feeds())))
}

/// Reads the API key of a feed.
pub(crate) fn load_feed(
    source: &SecretSource,
    variables: &Variables,
) -> Result<Secret, SecretError> {
    let credentials = credentials();
    let from = (credentials.as_deref(), variables);
    read(from, ("[[feed]]", "api_key"), source, check_word)
}

fn credentials() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Reads both keys of an account.
pub(crate) fn load(source: &Source, variables: &Variables) -> Result<Account, SecretError> {
    load_from(source, credentials().as_deref(), variables)
}

fn load_from(
    source: &Source,
    credentials: Option<&Path>,
    variables: &Variables,
) -> Result<Account, SecretError> {
    let from = (credentials, variables);
    let read = |key, source, check| read(from, ("[account]", key), source, check);
    let api_key = read("api_key", &source.api_key, check_word)?;
    let key = match &source.key {
        KeySource::Private(source) => {
            AccountKey::Ed25519Pem(read("private_key", source, check_private_key)?)
        }
        KeySource::Secret(source) => AccountKey::Hmac(read("secret_key", source, check_word)?),
    };
    Ok(Account { api_key, key })
}

/// Reads the secret that a section names by this key, `_file` or `_command` left out.
fn read(
    (credentials, variables): (Option<&Path>, &Variables),
    (section, key): (&'static str, &str),
    source: &SecretSource,
    check: fn(&str) -> Result<(), String>,
) -> Result<Secret, SecretError> {
    let text = match source {
        SecretSource::File(path) => read_file(path),
        SecretSource::Credential(name) => read_credential(credentials, name),
        SecretSource::Env(name) => variables.read(name),
        SecretSource::Command { program, arguments } => {
            helper::ask(program, arguments, helper::PATIENCE)
        }
    };
    // The copy without the final newline is the one that stays; the other is wiped here.
    let trimmed = text.map(|text| Secret::from(text.expose().trim().to_owned()));
    let checked = trimmed.and_then(|text| check(text.expose()).map(|()| text));
    checked.map_err(|what| SecretError {
        section,
        key: match source {
            SecretSource::Command { .. } => format!("{key}_command"),
            _ => format!("{key}_file"),
        },
        what,
    })
}

fn read_file(path: &Path) -> Result<Secret, String> {
    let name = path.display();
    let file = open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            format!("{name} is a symbolic link: write the path of the file itself")
        }
        _ => format!("{name} cannot be opened: {error}"),
    })?;
    let facts = file
        .metadata()
        .map_err(|error| format!("{name}: {error}"))?;
    if !facts.is_file() {
        return Err(format!("{name} is not a regular file"));
    }
    if facts.mode() & 0o077 != 0 {
        let mode = facts.mode() & 0o7777;
        return Err(format!(
            "{name} has mode {mode:04o}, others may read it: chmod 600 {name}"
        ));
    }
    let ours = effective_uid().ok_or("the user of this process is unknown: mount /proc")?;
    if facts.uid() != ours {
        let owner = facts.uid();
        return Err(format!(
            "{name} belongs to uid {owner}, not to uid {ours}: chown {ours} {name}"
        ));
    }
    read_text(file).map_err(|what| format!("{name} {what}"))
}

/// systemd made the folder for this service alone, so its access list is not judged again.
fn read_credential(folder: Option<&Path>, name: &str) -> Result<Secret, String> {
    let hint = format!("start the engine as a systemd service with LoadCredential={name}:PATH");
    let folder = folder.ok_or_else(|| format!("CREDENTIALS_DIRECTORY is not set: {hint}"))?;
    let file = open(&folder.join(name))
        .map_err(|error| format!("credential {name} cannot be opened: {error}; {hint}"))?;
    read_text(file).map_err(|what| format!("credential {name} {what}"))
}

/// `O_NOFOLLOW`: nobody can swap the file for a link. `O_NONBLOCK`: a pipe does not hang the start.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

fn read_text(from: impl io::Read) -> Result<Secret, &'static str> {
    // Allocated once at full size: growing would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    from.take(SECRET_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| "cannot be read")?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err("is longer than a key can be");
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not text: keys are text (PEM)")?;
    Ok(Secret::from(text.to_owned()))
}

/// An API key, or a secret key.
fn check_word(key: &str) -> Result<(), String> {
    let what = if key.is_empty() {
        "it is empty"
    } else if key.starts_with("-----BEGIN ") {
        "it is PEM, and a word is needed here: a private key belongs into private_key_file"
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        "it holds blanks or other characters that no key has"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}

fn check_private_key(pem: &str) -> Result<(), String> {
    let what = if pem.contains("BEGIN ENCRYPTED") {
        "it is encrypted: write the decrypted key into a file of mode 0600"
    } else if !pem.starts_with("-----BEGIN PRIVATE KEY-----") {
        "it is not a PKCS#8 private key in PEM: openssl genpkey -algorithm ed25519 makes one"
    } else if ed25519_dalek::SigningKey::from_pkcs8_pem(pem).is_err() {
        "it is not an Ed25519 key: openssl genpkey -algorithm ed25519 makes one"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}

/// From `/proc`, because asking the C library takes `unsafe`, which this file may not.
fn effective_uid() -> Option<u32> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    use tempfile::TempDir;

    const API_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    /// The private key of RFC 8410, section 10.3.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn files_of_our_own_with_mode_0600_are_read_and_trimmed() {
        let folder = Folder::new();
        let account = load_from(&folder.source(), None, &none()).expect("both keys");
        assert_eq!(account.api_key.expose(), API_KEY);
        assert!(account.key.expose().ends_with("-----END PRIVATE KEY-----"));
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_helps() {
        let folder = Folder::new();
        for mode in [0o640, 0o604, 0o660, 0o601, 0o777] {
            folder.mode("api", mode);
            let error = refused(&folder.source());
            assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
            assert!(error.contains("chmod 600 "), "{error}");
        }
        for mode in [0o600, 0o400] {
            folder.mode("api", mode);
            assert!(
                load_from(&folder.source(), None, &none()).is_ok(),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_with_the_command_that_helps() {
        let folder = Folder::new();
        if chown(folder.path("api"), Some(65_534), None).is_err() {
            return println!("skipped: only root can give a file away");
        }
        let (error, ours) = (refused(&folder.source()), effective_uid().unwrap());
        let said = format!("belongs to uid 65534, not to uid {ours}: chown {ours} ");
        assert!(error.contains(&said), "{error}");
    }

    #[test]
    fn a_link_a_folder_and_a_missing_file_are_refused() {
        let folder = Folder::new();
        symlink(folder.path("api"), folder.path("link")).unwrap();
        let link = Source {
            api_key: SecretSource::File(folder.path("link")),
            ..folder.source()
        };
        assert!(refused(&link).contains("is a symbolic link"));
        let dir = folder.0.path().to_owned();
        let dir = Source {
            api_key: SecretSource::File(dir),
            ..folder.source()
        };
        assert!(refused(&dir).contains("is not a regular file"));
        let none = Source {
            api_key: SecretSource::File("no/such".into()),
            ..folder.source()
        };
        assert!(refused(&none).contains("no/such cannot be opened"));
    }

    #[test]
    fn a_credential_comes_from_the_folder_that_systemd_made() {
        let folder = Folder::new();
        folder.mode("api", 0o440); // What systemd sets for a service with a user of its own.
        let source = |name: &str| {
            let api_key = SecretSource::Credential(name.to_owned());
            Source {
                api_key,
                ..folder.source()
            }
        };
        let there = load_from(&source("api"), Some(folder.0.path()), &none());
        assert_eq!(there.expect("the credential").api_key.expose(), API_KEY);
        let missing = load_from(&source("other"), Some(folder.0.path()), &none())
            .err()
            .unwrap();
        assert!(
            missing.what.contains("LoadCredential=other:PATH"),
            "{missing}"
        );
        assert!(refused(&source("api")).contains("CREDENTIALS_DIRECTORY is not set"));
    }

    #[test]
    fn a_variable_is_read_or_named_when_it_is_missing() {
        let folder = Folder::new();
        let api_key = SecretSource::Env("TICKWIRE_KEY".to_owned());
        let source = Source {
            api_key,
            ..folder.source()
        };
        let taken = |value| Variables(vec![("TICKWIRE_KEY".to_owned(), value)]);
        let there = taken(Ok(Some(API_KEY.to_owned().into())));
        assert_eq!(
            load_from(&source, None, &there)
                .expect("the variable")
                .api_key
                .expose(),
            API_KEY
        );
        assert!(refused(&source).contains("TICKWIRE_KEY is not set"));
        for (value, what) in [
            (Ok(None), "is not set"),
            (Err("why".to_owned()), "cannot be used: why"),
        ] {
            let error = load_from(&source, None, &taken(value)).err().unwrap();
            assert!(error.what.contains(what), "{error}");
        }
        // The harness has threads already, any of which may be reading the variable.
        let error = load_from(
            &source,
            None,
            &Variables::take([&source.api_key].into_iter()),
        )
        .err()
        .unwrap();
        assert!(
            error
                .what
                .contains("other threads of this process run already: use a file"),
            "{error}"
        );
    }

    #[test]
    fn a_program_prints_a_key_and_a_secret_key_takes_the_place_of_a_private_one() {
        let folder = Folder::new();
        let prints = |word: &str| SecretSource::Command {
            program: "printf".into(),
            arguments: vec![word.to_owned()],
        };
        let source = Source {
            api_key: prints("name\n"),
            key: KeySource::Secret(prints("Cb9xkQ2mVn")),
            ..folder.source()
        };
        let account = load_from(&source, None, &none()).expect("both keys");
        assert_eq!(account.api_key.expose(), "name");
        assert!(matches!(&account.key, AccountKey::Hmac(key) if key.expose() == "Cb9xkQ2mVn"));
        let pem = Source {
            key: KeySource::Secret(SecretSource::File(folder.path("pem"))),
            ..folder.source()
        };
        let refusal = "secret_key_file of [account]: it is PEM, and a word is needed here";
        assert!(refused(&pem).starts_with(refusal), "{}", refused(&pem));
        let empty = Source {
            api_key: prints(""),
            ..folder.source()
        };
        assert_eq!(refused(&empty), "api_key_command of [account]: it is empty");
    }

    #[test]
    fn keys_of_another_kind_are_refused_and_never_repeated() {
        let folder = Folder::new();
        let canary = "Cb9xkQ2mVn";
        for (file, content, what) in [
            ("api", "", "it is empty"),
            ("api", "Cb9xkQ2mVn Cb9xkQ2mVn", "it holds blanks"),
            ("pem", "Cb9xkQ2mVn", "not a PKCS#8 private key"),
            (
                "pem",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nCb9xkQ2mVn",
                "it is encrypted",
            ),
            (
                "pem",
                "-----BEGIN PRIVATE KEY-----\nCb9xkQ2mVn",
                "not an Ed25519 key",
            ),
            (
                "pem",
                &"Cb9xkQ2mVn".repeat(5000),
                "longer than a key can be",
            ),
        ] {
            let folder_now = Folder::new();
            write(folder_now.path(file), content).unwrap();
            let error = load_from(&folder_now.source(), None, &none())
                .err()
                .expect(what);
            assert!(error.what.contains(what), "{error}");
            assert!(!format!("{error} {error:?}").contains(canary), "{what}");
        }
        write(folder.path("api"), [0xff, 0xfe]).unwrap();
        assert!(refused(&folder.source()).contains("is not text"));
    }

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, content) in [("api", format!("{API_KEY}\n")), ("pem", PEM.to_owned())] {
                write(folder.path(name), content).unwrap();
                folder.mode(name, 0o600);
            }
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn mode(&self, name: &str, mode: u32) {
            std::fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
        }

        fn source(&self) -> Source {
            Source {
                exchange: "binance".to_owned(),
                orders: None,
                via: None,
                ca_file: None,
                api_key: SecretSource::File(self.path("api")),
                key: KeySource::Private(SecretSource::File(self.path("pem"))),
                key_may_withdraw: false,
                journal: PathBuf::new(),
                durable: false,
                accept_differences: Vec::new(),
            }
        }
    }

    fn none() -> Variables {
        Variables::default()
    }

    fn refused(source: &Source) -> String {
        load_from(source, None, &none())
            .err()
            .expect("a refusal")
            .to_string()
    }
}
