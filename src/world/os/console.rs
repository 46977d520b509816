//! Text for a person, written by a thread of its own: whoever has something to say never waits for
//! whoever reads. What finds no room is counted as lost, and a reader that takes nothing costs the
//! end of a run a moment.

use super::sys;
use crate::watch::fold::fold;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::borrow::Cow;
use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that may wait for the reader.
pub(crate) const LINES: usize = 8_192;
/// Bytes of one write: what a pipe takes whole once it has room.
const CHUNK_BYTES: usize = 4_096;
/// How long the end waits for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the end waits for a reader that is slow.
const PATIENCE_MAX: Duration = Duration::from_millis(700);

/// The way to one console.
///
/// Invariant: `written <= accepted`, and `accepted + refused` lines were said.
pub(crate) struct Outlet {
    lines: Sender<String>,
    /// Lines that found room, and those that did not.
    accepted: u64,
    refused: u64,
    progress: Arc<Progress>,
    /// Disconnected once the thread has written all.
    done: Receiver<()>,
}

/// What the thread shows of itself.
#[derive(Debug, Default)]
struct Progress {
    /// Lines that the reader's side took.
    written: AtomicU64,
    bytes: AtomicU64,
}

impl Outlet {
    /// Starts the thread. It ends when the outlet is dropped and all is written.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(name: &str, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, inbox) = crossbeam_channel::bounded(LINES);
        let (told, done) = crossbeam_channel::bounded(0);
        let progress = Arc::new(Progress::default());
        let shown = progress.clone();
        let work = move || {
            sys::step_back();
            write_all(out, &inbox, &shown);
            drop(told);
        };
        thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self {
            lines,
            accepted: 0,
            refused: 0,
            progress,
            done,
        })
    }

    /// Says something; counts it as lost if there is no room. Never waits.
    pub(crate) fn say(&mut self, text: &str) {
        match self.lines.try_send(text.to_owned()) {
            Ok(()) => self.accepted += 1,
            Err(_) => self.refused += 1,
        }
    }

    /// Lines that found no room so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Waits a moment for the reader, and says how many lines it never got.
    pub(crate) fn finish(self) -> u64 {
        let Self {
            lines,
            accepted,
            refused,
            progress,
            done,
        } = self;
        drop(lines);
        let latest = Instant::now() + PATIENCE_MAX;
        loop {
            let before = progress.bytes.load(Ordering::Relaxed);
            match done.recv_timeout(PATIENCE) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let stuck = progress.bytes.load(Ordering::Relaxed) == before;
            if stuck || Instant::now() >= latest {
                break; // The thread ends with the process.
            }
        }
        let written = progress.written.load(Ordering::Relaxed);
        debug_assert!(written <= accepted);
        refused + (accepted - written)
    }
}

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// Text as standard output takes it: a terminal gets no line that is wider than itself.
pub(crate) fn fit_out(text: &str) -> Cow<'_, str> {
    let out = io::stdout();
    match out.is_terminal() {
        true => fold(text, columns(out.as_fd())).into(),
        false => text.into(),
    }
}

/// How wide the terminal is that standard error goes to.
pub(crate) fn err_columns() -> usize {
    columns(io::stderr().as_fd())
}

fn columns(fd: BorrowedFd<'_>) -> usize {
    sys::terminal_columns(fd).unwrap_or(COLUMNS)
}

/// Whether standard error is a terminal on which a line can be redrawn.
pub(crate) fn err_can_redraw() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether standard error may be coloured: on a terminal that can, unless `NO_COLOR` says no; and
/// anywhere if `CLICOLOR_FORCE` says so.
pub(crate) fn err_may_be_coloured() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = set("CLICOLOR_FORCE") && env::var_os("CLICOLOR_FORCE") != Some("0".into());
    match (set("NO_COLOR"), forced) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => err_can_redraw(),
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == *"dumb")
}

/// Says the last word of a command on standard error.
pub(crate) fn complain(what: &dyn Display) {
    let text = format!("tickwire: {what}\n");
    let text = match io::stderr().is_terminal() {
        true => fold(&text, err_columns()),
        false => text,
    };
    match Outlet::start("tickwire-says", io::stderr()) {
        Ok(mut outlet) => {
            outlet.say(&text);
            outlet.finish();
        }
        // Nobody is left to tell when standard error is closed, too.
        Err(_) => drop(io::stderr().write_all(text.as_bytes())),
    }
}

fn write_all(mut out: impl Write, inbox: &Receiver<String>, progress: &Progress) {
    for line in inbox {
        let taken = line.as_bytes().chunks(CHUNK_BYTES).all(|chunk| {
            let taken = out.write_all(chunk).is_ok();
            progress
                .bytes
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            taken
        });
        // A console that is gone is nobody's error, and may be there again for the next line.
        if taken && out.flush().is_ok() {
            progress.written.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A reader that takes `room` bytes and then nothing, for ever.
    #[derive(Clone)]
    struct Stuck {
        room: usize,
        text: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut text = self.text.lock().unwrap();
            if text.len() + bytes.len() > self.room {
                drop(text);
                loop {
                    thread::park();
                }
            }
            text.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stops_costs_a_moment_and_what_it_missed_is_counted() {
        let text = Arc::new(Mutex::new(Vec::new()));
        let stuck = Stuck {
            room: 100,
            text: text.clone(),
        };
        let mut outlet = Outlet::start("test", stuck).unwrap();
        let began = Instant::now();
        let lines = 2 * LINES as u64;
        (0..lines).for_each(|_| outlet.say("nine byte\n"));
        assert!(
            outlet.refused() >= lines - LINES as u64 - 11,
            "{}",
            outlet.refused()
        );
        let lost = outlet.finish();
        assert_eq!(text.lock().unwrap().len(), 100);
        assert_eq!(lost, lines - 10);
        assert!(began.elapsed() < Duration::from_secs(30), "it ended at all");
    }

    #[test]
    fn a_reader_that_reads_gets_all_of_it() {
        let text = Arc::new(Mutex::new(Vec::new()));
        let reads = Stuck {
            room: usize::MAX,
            text: text.clone(),
        };
        let mut outlet = Outlet::start("test", reads).unwrap();
        outlet.say("one\n");
        outlet.say(&"x".repeat(3 * CHUNK_BYTES));
        assert_eq!(outlet.finish(), 0);
        assert_eq!(text.lock().unwrap().len(), 4 + 3 * CHUNK_BYTES);
    }

    #[test]
    fn a_console_that_is_gone_loses_lines_and_nothing_else() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut outlet = Outlet::start("test", Gone).unwrap();
        outlet.say("one\n");
        outlet.say("two\n");
        assert_eq!(outlet.finish(), 2);
    }
}
