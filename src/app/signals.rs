//! How a person, a shell or a service manager ends a command: in order, at any moment. Ends nothing
//! itself, unless a person asks a second time.

use crossbeam_channel::RecvTimeoutError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use signal_hook::iterator::{Handle, Signals};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A second Ctrl-C that comes sooner than this is the first one again: a terminal and a shell both
/// sent it, or a finger bounced.
const TWICE: Duration = Duration::from_millis(250);
/// The exit code of a process that SIGINT ended.
const INTERRUPTED: i32 = 128 + SIGINT;
/// How often a waiting thread checks whether it was asked to stop.
const LOOK: Duration = Duration::from_millis(10);

/// A flag that SIGHUP, SIGTERM and SIGINT raise, from the moment it is made until it is dropped,
/// and another one that SIGUSR1 raises.
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    killed: Arc<AtomicBool>,
    handle: Handle,
}

impl Stop {
    /// Takes the signals from now on, on a thread of its own. If our parent ignores SIGHUP
    /// (`nohup`), it stays ignored.
    ///
    /// # Errors
    /// If the system does not allow it.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut taken = vec![SIGINT, SIGTERM, SIGUSR1];
        if !is_ignored(SIGHUP) {
            taken.push(SIGHUP);
        }
        let mut signals = Signals::new(taken)?;
        let handle = signals.handle();
        let asked = Arc::new(AtomicBool::new(false));
        let killed = Arc::new(AtomicBool::new(false));
        let (flag, kill) = (asked.clone(), killed.clone());
        let work = move || {
            let mut first: Option<Instant> = None;
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    kill.store(true, Ordering::Relaxed);
                    continue;
                }
                flag.store(true, Ordering::Relaxed);
                if signal != SIGINT {
                    continue;
                }
                match first {
                    Some(first) if first.elapsed() >= TWICE => {
                        signal_hook::low_level::exit(INTERRUPTED)
                    }
                    Some(_) => {}
                    None => first = Some(Instant::now()),
                }
            }
        };
        let named = thread::Builder::new().name("tickwire-signals".to_owned());
        named.spawn(work)?;
        Ok(Self {
            asked,
            killed,
            handle,
        })
    }

    /// Whether it is time to end.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether SIGUSR1 came since this was asked last: the kill switch.
    pub(crate) fn takes_kill(&self) -> bool {
        self.killed.swap(false, Ordering::Relaxed)
    }

    /// Does work that may take long or hang, on a thread of its own. Returns `None` if it is time
    /// to end: the work is left to end with the process.
    ///
    /// # Errors
    /// If the system gives no thread, or the work panicked.
    pub(crate) fn unless_asked<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (give, take) = crossbeam_channel::bounded(1);
        let named = thread::Builder::new().name(name.to_owned());
        // Whoever no longer waits does not take it.
        named.spawn(move || drop(give.send(work())))?;
        loop {
            match take.recv_timeout(LOOK) {
                Ok(done) => return Ok(Some(done)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other(format!("{name} panicked")));
                }
                Err(RecvTimeoutError::Timeout) if self.is_asked() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// If a file may not grow further, the write fails and the process goes on. (It also goes on if a
/// reader closes its pipe: the standard library sees to that.)
pub(crate) fn survive_limits() {
    // Without it the process ends as it always did.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
}

/// Whether our parent set this signal to be ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_left_behind_when_it_is_time_to_end() {
        let stop = Stop::listen().unwrap();
        assert_eq!(stop.unless_asked("a", || 7).unwrap(), Some(7));
        let died = stop
            .unless_asked("b", || panic!("of a test"))
            .map(|_: Option<()>| ());
        assert!(died.unwrap_err().to_string().contains("b panicked"));
        stop.asked.store(true, Ordering::Relaxed);
        let hangs = || loop {
            thread::park();
        };
        assert_eq!(stop.unless_asked::<()>("c", hangs).unwrap(), None);
    }
}
