//! Asks a program for a secret: a password manager, or a cloud's store of secrets. What it prints
//! is the secret, and is shown to nobody; what it says on standard error is shown only if it fails.

use super::read_text;
use crate::base::Secret;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a helper may take: a person may have to unlock a store.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How often its end is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes of its complaint that are read, and characters that are shown.
const COMPLAINT_BYTES_MAX: u64 = 16 * 1024;
const COMPLAINT_CHARS_MAX: usize = 300;

/// What the program prints. It gets no standard input, and there is no shell between.
pub(super) fn ask(
    program: &Path,
    arguments: &[String],
    patience: Duration,
) -> Result<Secret, String> {
    let name = program.display();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|error| format!("{name} cannot be started: {error}"))?;
    answer(child, Instant::now() + patience).map_err(|why| match why {
        Why::Io(error) => format!("{name}: {error}"),
        Why::Late => {
            let patience_s = patience.as_secs();
            format!("{name} did not end within {patience_s} s: try it in a shell")
        }
        Why::Failed(status, complaint) => format!("{name} ended with {status}: {complaint}"),
        Why::Unfit(what) => format!("what {name} printed {what}"),
    })
}

enum Why {
    Io(io::Error),
    Late,
    Failed(ExitStatus, String),
    Unfit(&'static str),
}

/// Waits until the program has ended and closed both its outputs.
fn answer(mut child: Child, latest: Instant) -> Result<Secret, Why> {
    // A program of its own may outlive it with the pipes: their readers then end with the process.
    let secret = child
        .stdout
        .take()
        .map(|out| reading(move || all_text(out)));
    let complaint = child
        .stderr
        .take()
        .map(|err| reading(move || complaint(err)));
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < latest => thread::sleep(LOOK),
            Ok(None) => break Err(Why::Late),
            Err(error) => break Err(Why::Io(error)),
        }
    };
    let status = match ended {
        Ok(status) => status,
        Err(why) => {
            let _ = child.kill(); // It has ended, or it ends now.
            let _ = child.wait();
            return Err(why);
        }
    };
    if !status.success() {
        let said = received(complaint, latest).unwrap_or_default();
        return Err(Why::Failed(status, said));
    }
    received(secret, latest)?.map_err(Why::Unfit)
}

type Reading<T> = io::Result<Receiver<T>>;

fn reading<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> Reading<T> {
    let (give, take) = crossbeam_channel::bounded(1);
    let named = thread::Builder::new().name("tickwire-helper".into());
    // Whoever no longer waits does not take it.
    named.spawn(move || drop(give.send(read())))?;
    Ok(take)
}

fn received<T>(reading: Option<Reading<T>>, latest: Instant) -> Result<T, Why> {
    let lost = || Why::Io(io::ErrorKind::BrokenPipe.into());
    let reading = reading.ok_or_else(lost)?.map_err(Why::Io)?;
    reading.recv_deadline(latest).map_err(|error| match error {
        RecvTimeoutError::Timeout => Why::Late,
        RecvTimeoutError::Disconnected => lost(),
    })
}

/// What is too much is read, too: otherwise the program dies of that, which says less.
fn all_text(mut from: impl Read) -> Result<Secret, &'static str> {
    let text = read_text(from.by_ref());
    let _ = io::copy(&mut from, &mut io::sink());
    text
}

/// The beginning of what it complains about, on one line; the rest is read and forgotten.
fn complaint(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from
        .by_ref()
        .take(COMPLAINT_BYTES_MAX)
        .read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join("; ");
    let cut: String = text.chars().take(COMPLAINT_CHARS_MAX).collect();
    match cut.is_empty() {
        true => "it says nothing".to_owned(),
        false => cut.escape_debug().to_string().replace("\\\"", "\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_the_secret() {
        assert_eq!(
            shell("echo Cb9xkQ2mVn; echo noise >&2").unwrap().expose(),
            "Cb9xkQ2mVn\n"
        );
        // There is no shell unless one is named: the words arrive as they are.
        let words = ["$HOME; rm".to_owned(), "`id`".to_owned()];
        let said = ask(Path::new("echo"), &words, PATIENCE).unwrap();
        assert_eq!(said.expose(), "$HOME; rm `id`\n");
    }

    #[test]
    fn one_that_fails_is_quoted_from_standard_error_and_never_from_standard_output() {
        let error =
            refused("echo Cb9xkQ2mVn; printf 'locked:\\033[2J\\n\\n not signed in\\n' >&2; exit 3");
        assert_eq!(
            error,
            "sh ended with exit status: 3: locked:\\u{1b}[2J; not signed in"
        );
        assert_eq!(
            refused("exit 1"),
            "sh ended with exit status: 1: it says nothing"
        );
        assert!(refused("kill -9 $$").starts_with("sh ended with signal: 9"));
        let long = refused("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1");
        assert!(long.len() < 400, "{}", long.len());
        let missing = ask(Path::new("no-such-helper"), &[], PATIENCE)
            .err()
            .unwrap();
        assert!(
            missing.starts_with("no-such-helper cannot be started: "),
            "{missing}"
        );
    }

    #[test]
    fn one_that_prints_too_much_or_no_text_is_refused() {
        let long = refused("head -c 1000000 /dev/zero");
        assert_eq!(long, "what sh printed is longer than a key can be");
        assert_eq!(
            refused("printf '\\377'"),
            "what sh printed is not text: keys are text (PEM)"
        );
    }

    #[test]
    fn one_that_hangs_is_ended_and_one_that_leaves_its_output_open_is_not_waited_for() {
        let soon = Duration::from_millis(200);
        for script in ["exec sleep 60", "sleep 3 & echo Cb9xkQ2mVn"] {
            let words = ["-c".to_owned(), script.to_owned()];
            let began = Instant::now();
            let error = ask(Path::new("sh"), &words, soon).err().unwrap();
            assert_eq!(
                error, "sh did not end within 0 s: try it in a shell",
                "{script}"
            );
            assert!(began.elapsed() < Duration::from_secs(30));
        }
    }

    fn shell(script: &str) -> Result<Secret, String> {
        ask(
            Path::new("sh"),
            &["-c".to_owned(), script.to_owned()],
            PATIENCE,
        )
    }

    fn refused(script: &str) -> String {
        shell(script).err().unwrap()
    }
}
