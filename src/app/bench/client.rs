//! The client of one run: a process on a CPU of its own, with what it needs to know in a folder of
//! its own. Measures nothing.

use super::Failure;
use crate::base::UnixNanos;
use crate::exchange::{self, Account, AccountKey};
use crate::venue::account::generate_account;
use crate::world::os::bench::{Stage, Trouble, process};
use crate::world::os::sys;
use signal_hook::consts::{SIGINT, SIGKILL, SIGTERM};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The word for this program itself.
pub(super) const OURSELVES: &str = "tickwire";
const OUR_STRATEGY: &str = include_str!("client.toml");
/// Also if nobody ends it, it ends after this.
const OUR_LIFE: &str = "10m";
/// How long a client has to end in order.
const END_MAX: Duration = Duration::from_secs(15);
/// And how long if nobody serves it any more.
const KILL_AFTER: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);
/// Lines of a client's last words that are shown.
const WORDS: usize = 6;

/// How a client waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wait {
    /// It spins, and never sleeps.
    Spin,
    /// It sleeps until the kernel wakes it.
    Park,
}

impl Wait {
    pub(super) const ALL: [Self; 2] = [Self::Spin, Self::Park];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Park => "park",
        }
    }
}

/// A client as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) name: String,
    command: String,
}

impl Contender {
    /// `NAME=COMMAND` or `COMMAND`, whose first word then names it.
    pub(super) fn of(text: &str) -> Self {
        let plain = |name: &str| {
            let legal = |c: char| c.is_alphanumeric() || "-_+. ".contains(c);
            !name.is_empty() && name.chars().all(legal)
        };
        let (name, command) = match text.split_once('=').filter(|(name, _)| plain(name)) {
            Some((name, command)) => (name.to_owned(), command.to_owned()),
            None => {
                let first = text.split_whitespace().next().unwrap_or_default();
                let name = Path::new(first).file_name();
                let name = name.map_or("client".into(), |name| name.to_string_lossy());
                (name.into_owned(), text.to_owned())
            }
        };
        Self { name, command }
    }

    fn is_ourselves(&self) -> bool {
        self.command.trim() == OURSELVES
    }

    /// Whether it is told how to wait: if it is not, it runs once, as it waits by itself.
    pub(super) fn waits_as_told(&self) -> bool {
        self.is_ourselves() || self.command.contains("{wait}")
    }

    /// Starts it for this exchange, on this CPU.
    pub(super) fn start(
        &self,
        stage: &Stage,
        wait: Wait,
        (client_cpu, own_cpu): (usize, usize),
        dir: &Path,
    ) -> Result<Running, Failure> {
        let at = |what: &Path| {
            let what = what.display().to_string();
            move |error: io::Error| Failure::File(what.clone(), error)
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        let mut command = match self.is_ourselves() {
            true => ourselves(stage, wait, dir)?,
            false => self.other(stage, wait, dir)?,
        };
        let output = |name: &str| {
            let path = dir.join(name);
            File::create(&path).map_err(at(&path))
        };
        let (out, err) = (output("stdout")?, output("stderr")?);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        command.process_group(0);
        sys::end_with_us(&mut command);
        let adopts = sys::adopt_orphans();
        adopts.map_err(|error| Failure::Start(self.name.clone(), error))?;
        // A child has the CPUs of the thread that starts it.
        let pin = |cpu| sys::pin(cpu).map_err(|error| Failure::Cpu(cpu, error));
        pin(client_cpu)?;
        let child = command.spawn();
        pin(own_cpu)?;
        Ok(Running {
            child: child.map_err(|error| Failure::Start(self.name.clone(), error))?,
            dir: dir.to_owned(),
        })
    }

    /// Any other client: its command, with what stands in braces filled in.
    fn other(&self, stage: &Stage, wait: Wait, dir: &Path) -> Result<Command, Failure> {
        let ca = dir.join("ca.pem");
        write(&ca, stage.ca_pem())?;
        let logon = dir.join("logon.json");
        if self.command.contains("{logon}") {
            let (account, exchange) = (account()?, exchange::unnamed());
            let codec = exchange.order_codec(account, &stage.instruments());
            let mut codec = codec.map_err(Failure::Account)?;
            let frame = codec.logon(UnixNanos(sys::realtime().0)).to_vec();
            write(&logon, &String::from_utf8_lossy(&frame))?;
        }
        let text = self
            .command
            .replace("{addr}", &stage.addr().to_string())
            .replace("{ca}", &ca.display().to_string())
            .replace("{logon}", &logon.display().to_string())
            .replace("{pairs}", &stage.symbols().join(","))
            .replace("{wait}", wait.name());
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec {text}"));
        Ok(command)
    }
}

/// This program: a live run with an account, a journal of its orders, and limits.
fn ourselves(stage: &Stage, wait: Wait, dir: &Path) -> Result<Command, Failure> {
    let (name, addr, account) = (exchange::unnamed().name(), stage.addr(), account()?);
    write(&dir.join("ca.pem"), stage.ca_pem())?;
    write(&dir.join("api.key"), account.api_key.expose())?;
    let (key, secret) = match &account.key {
        AccountKey::Ed25519Pem(pem) => ("private_key_file", pem),
        AccountKey::Hmac(secret) => ("secret_key_file", secret),
    };
    write(&dir.join("sign.key"), secret.expose())?;
    let symbols = stage.symbols();
    let config = format!(
        "[[feed]]\nexchange = \"{name}\"\nstream = \"{addr}\"\nrest = \"{addr}\"\n\
         ca_file = \"ca.pem\"\nsnapshot_levels = 100\ninstruments = {symbols:?}\n\
         [account]\nexchange = \"{name}\"\norders = \"{addr}\"\nca_file = \"ca.pem\"\n\
         api_key_file = \"api.key\"\n{key} = \"sign.key\"\n{OUR_STRATEGY}"
    );
    write(&dir.join("bench.toml"), &config)?;
    let own = std::env::current_exe().map_err(|error| Failure::Start(OURSELVES.into(), error))?;
    let mut command = Command::new(own);
    let words = ["run", "bench.toml", "--live", "--out", "out", "--quiet"];
    command
        .args(words)
        .args(["--for", OUR_LIFE, "--wait", wait.name()]);
    command.current_dir(dir);
    Ok(command)
}

fn account() -> Result<Account, Failure> {
    generate_account(exchange::unnamed()).map_err(Failure::Account)
}

/// Writes a file that nobody else may read.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut open = OpenOptions::new();
    let file = open
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::File(path.display().to_string(), error))
}

/// A client that runs. When it is dropped it ends, with all that it started: whatever does not end
/// by itself is killed.
pub(super) struct Running {
    child: Child,
    dir: PathBuf,
}

impl Running {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error if it ended.
    pub(super) fn look(&mut self) -> Result<(), Trouble> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Trouble::Died(status.to_string())),
            Err(error) => Err(Trouble::Io(error)),
        }
    }

    /// Asks it to end, and serves it meanwhile. One that does not is killed.
    pub(super) fn end(mut self, stage: &mut Stage) {
        if let Ok(id) = i32::try_from(self.child.id())
            && self.look().is_ok()
        {
            sys::send_signal(id, SIGINT);
        }
        let _ = stage.serve_until(END_MAX, || self.look().is_err());
    }

    /// The last of what it wrote.
    pub(super) fn words(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        let said = [read("stdout"), read("stderr")].concat();
        let lines: Vec<&str> = said.lines().collect();
        let from = lines.len().saturating_sub(WORDS);
        lines[from..].join("\n  ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(id) = i32::try_from(self.child.id()) else {
            return;
        };
        // After an end in order there is nobody left, or what the client started.
        sys::send_signal(-id, SIGTERM);
        let asked = Instant::now();
        while self.look().is_ok() && asked.elapsed() < KILL_AFTER {
            std::thread::sleep(LOOK);
        }
        sys::send_signal(-id, SIGKILL);
        let _ = self.child.wait();
        // What left its group, as the guard of a live run does. If the run was killed, its guard
        // would try for an hour to reach an exchange that ends now.
        process::end_children();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_what_stands_before_its_command_or_by_its_first_word() {
        for (text, name, command) in [
            ("floor=./a/b {wait}", "floor", "./a/b {wait}"),
            ("/x/floor {addr} --a=b", "floor", "/x/floor {addr} --a=b"),
            ("python3 a.py", "python3", "python3 a.py"),
            ("tickwire", "tickwire", "tickwire"),
            ("ours before=tickwire", "ours before", "tickwire"),
        ] {
            let one = Contender::of(text);
            assert_eq!((one.name.as_str(), one.command.as_str()), (name, command));
        }
        assert!(Contender::of("ours=tickwire").waits_as_told());
        assert!(!Contender::of("python3 a.py").waits_as_told());
    }
}
