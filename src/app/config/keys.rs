//! Where an account's keys are: a file, a credential, a variable, or what a program prints. Reads
//! none of them, and repeats no value that looks like a key.

use super::read::{Reader, Section, Text};
use super::values::beside;
use super::{KeySource, SecretSource};
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

/// Words of a helper's command, at most.
const WORDS_MAX: usize = 64;
const IS_A_KEY: &str = "this looks like the key itself: put it into a file of mode 0600, write the \
                        file's path here, and have the exchange replace the key if others saw it";

/// The two keys of a section that say where one secret is.
#[derive(Debug, Clone, Copy)]
struct Named {
    /// Takes a path, `credential:NAME` or `env:NAME`.
    file: &'static str,
    /// Takes a program and its arguments.
    command: &'static str,
}

const API_KEY: Named = Named {
    file: "api_key_file",
    command: "api_key_command",
};
const PRIVATE_KEY: Named = Named {
    file: "private_key_file",
    command: "private_key_command",
};
const SECRET_KEY: Named = Named {
    file: "secret_key_file",
    command: "secret_key_command",
};

impl Named {
    fn is_in(self, section: &Section) -> bool {
        section.has(self.file) || section.has(self.command)
    }

    /// Nobody complains that these keys are unknown: there is one too many of them.
    fn pass(self, section: &mut Section) {
        let _ = (section.get(self.file), section.get(self.command));
    }
}

/// Where the name of the key is.
pub(super) fn api_key(reader: &mut Reader, section: &mut Section) -> Option<SecretSource> {
    secret(reader, section, API_KEY)
}

/// Where the name of a feed's key is. Without `needed`, which says for which stream and what sort
/// of key, there must be none; `simulated` exchanges make one.
pub(super) fn feed_key(
    reader: &mut Reader,
    section: &mut Section,
    needed: Option<(&str, &str)>,
    simulated: bool,
) -> Option<SecretSource> {
    match (needed, API_KEY.is_in(section)) {
        (None, false) => None,
        (None, true) => {
            API_KEY.pass(section);
            let what = "this depth_stream needs no API key: leave api_key_file and \
                        api_key_command out";
            reader.refuse(section.span.clone(), what.to_owned());
            None
        }
        (Some(_), false) if simulated => None,
        (Some((stream, sort)), false) => {
            let what = format!(
                "depth_stream = \"{stream}\" is for holders of an API key: write api_key_file = a \
                 path, \"credential:NAME\" or \"env:NAME\" of an {sort} one; it needs no rights, \
                 and signs nothing"
            );
            reader.refuse(section.span.clone(), what);
            None
        }
        (Some(_), true) => section.discreetly(|section| secret(reader, section, API_KEY)),
    }
}

/// Where the key is that signs.
pub(super) fn signing_key(reader: &mut Reader, section: &mut Section) -> Option<KeySource> {
    match (PRIVATE_KEY.is_in(section), SECRET_KEY.is_in(section)) {
        (true, true) => {
            PRIVATE_KEY.pass(section);
            SECRET_KEY.pass(section);
            let what = "[account] signs with one key: write private_key_file (Ed25519) or \
                        secret_key_file (HMAC), and leave the other out";
            reader.refuse(section.span.clone(), what.to_owned());
            None
        }
        (false, true) => secret(reader, section, SECRET_KEY).map(KeySource::Secret),
        (_, false) => secret(reader, section, PRIVATE_KEY).map(KeySource::Private),
    }
}

fn secret(reader: &mut Reader, section: &mut Section, named: Named) -> Option<SecretSource> {
    let Named { file, command } = named;
    match (section.has(file), section.has(command)) {
        (true, true) => {
            named.pass(section);
            let what = format!("{file} and {command}: leave one of them out");
            reader.refuse(section.span.clone(), what);
            None
        }
        (false, true) => {
            let value = section.get(command)?;
            helper(value)
                .map_err(|instead| section.wrong(reader, command, value, &instead))
                .map(|(program, arguments)| SecretSource::Command {
                    // One with a slash is a path, and starts at the file's own folder like others.
                    program: match program.contains('/') {
                        true => beside(reader, program),
                        false => PathBuf::from(program),
                    },
                    arguments,
                })
                .ok()
        }
        (_, false) => place(reader, section, file),
    }
}

fn place(reader: &mut Reader, section: &mut Section, key: &'static str) -> Option<SecretSource> {
    let Text { value, span } =
        section.required(reader, key, "a path, \"credential:NAME\" or \"env:NAME\"")?;
    if looks_like_a_key(value) {
        section.wrong_at(reader, key, span, IS_A_KEY);
        return None;
    }
    let (scheme, name) = value.split_once(':').unwrap_or(("", value));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let named = !name.is_empty() && name.chars().all(plain) && !name.starts_with('.');
    match scheme {
        "credential" if named => Some(SecretSource::Credential(name.to_owned())),
        "env" if named => Some(SecretSource::Env(name.to_owned())),
        "credential" | "env" => {
            let instead =
                format!("after \"{scheme}:\" write a plain name, without blanks or slashes");
            section.wrong_at(reader, key, span, &instead);
            None
        }
        _ => Some(SecretSource::File(beside(reader, value))),
    }
}

/// A program that prints a secret, and its arguments. The error says what to write instead.
fn helper<'a>(value: &'a Spanned<DeValue<'a>>) -> Result<(&'a str, Vec<String>), String> {
    let how = "write the program and its arguments, like [\"op\", \"read\", \"op://…\"]";
    let items = value.get_ref().as_array().ok_or(how)?;
    let words = items.iter().map(|item| item.get_ref().as_str());
    let words: Vec<&str> = words.collect::<Option<_>>().ok_or(how)?;
    // Names in a store may be as long as keys, and have slashes.
    let is_key = |word: &&str| looks_like_a_key(word) && !word.contains('/');
    if words.iter().any(is_key) {
        return Err(IS_A_KEY.to_owned());
    }
    if words.len() > WORDS_MAX || words.iter().any(|word| word.contains('\0')) {
        return Err(format!(
            "write at most {WORDS_MAX} words of text; a script takes more"
        ));
    }
    match words.split_first() {
        Some((program, arguments)) if !program.trim().is_empty() => Ok((
            program,
            arguments.iter().map(|&word| word.to_owned()).collect(),
        )),
        _ => Err(how.to_owned()),
    }
}

/// PEM text, or a long word without any mark of a path.
fn looks_like_a_key(value: &str) -> bool {
    let wordy = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let path_like = value.starts_with('/') || value.contains(['.', ':']);
    value.contains("-----")
        || value.contains('\n')
        || (value.len() >= 40 && !path_like && value.chars().all(wordy))
}
