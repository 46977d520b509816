//! The order journal's thread: it writes what the desk records, before or soon after the orders
//! leave. What a line looks like is for `journal` to say.
//!
//! Records that wait are written together and synced once. If every order is to be on the disk
//! before it leaves, requests come this way as well, and go on to the gateway behind the records in
//! front of them, in their order. While the journal cannot be written, no new order goes on: the
//! desk hears that it was not sent. Cancels and questions always go on.

mod folder;

use crate::base::{
    Clock, Deed, Instrument, Mode, Nanos, Note, Severity, Span, StrategyId, UnixNanos, Value,
};
use crate::journal::orders::{Names, Writer};
use crate::watch::log::Anchor;
use crate::wiring::desk::Request;
use crate::wiring::keep::{KeepEnd, Kept};
use crate::wiring::ring::Bell;
use crate::wiring::turn::Notes;
pub(crate) use folder::{Folder, guard_seat};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// A record is on the disk this long after it was made, or the log says how long it took.
pub(crate) const KEPT_WITHIN: Span = Span::from_millis(5);
/// How long the thread sleeps at most if nobody wakes it.
const SLEEP: Duration = Duration::from_millis(100);
/// How long it waits before it tries a write again that failed.
const AGAIN: Duration = Duration::from_millis(20);
/// Records that are written together, at most.
const BATCH: usize = 1_024;
/// How often it is logged that records take long.
const SLOW_LOGGED_EVERY: Span = Span::from_secs(1);

/// A file that only grows.
pub(crate) trait Log {
    /// What is to be written; whole lines go to its end.
    fn waiting(&mut self) -> &mut Vec<u8>;
    /// Writes what waits. After an error the rest of it waits on.
    fn write(&mut self) -> io::Result<()>;
    /// Returns when what was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// What the thread writes, and with which words.
pub(crate) struct Kit {
    /// Where lines go.
    pub(crate) log: Box<dyn Log + Send>,
    /// The number of the next line.
    pub(crate) next: u64,
    /// The names of the run's strategies, by id.
    pub(crate) strategies: Vec<String>,
    /// What is to be said once there is a log.
    pub(crate) notes: Vec<Note>,
}

/// What a sleeping thread is woken by, before it is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sleeper(Arc<OnceLock<Thread>>);

impl Sleeper {
    /// Its bell.
    pub(crate) fn bell(&self) -> Arc<Bell> {
        let thread = self.0.clone();
        Bell::new(move || {
            if let Some(thread) = thread.get() {
                thread.unpark();
            }
        })
    }
}

/// The running thread. Dropped without [`KeeperHandle::stop`] it ends by itself, and nobody waits
/// for it.
pub(crate) struct KeeperHandle {
    stop: Arc<AtomicBool>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl KeeperHandle {
    /// True once it has ended although nobody stopped it: it panicked.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Writes what waits and ends the thread. Stop the workers first.
    pub(crate) fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
impl KeeperHandle {
    /// One whose thread ends at once.
    pub(crate) fn that_dies() -> Self {
        Self {
            stop: Arc::default(),
            bell: Bell::new(|| {}),
            thread: Some(thread::spawn(|| {})),
        }
    }
}

impl Drop for KeeperHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// What was written, and how long it took from the making of a record until it was on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    records: u64,
    /// Writes with their syncs.
    syncs: u64,
    worst: Span,
    /// Writes of which some record took longer than [`KEPT_WITHIN`].
    slow: u64,
}

/// The thread's state.
pub(crate) struct Keeper {
    end: KeepEnd,
    log: Box<dyn Log + Send>,
    writer: Writer,
    instruments: Arc<[Instrument]>,
    strategies: Vec<String>,
    clock: Box<dyn Clock + Send>,
    /// Read once: the time between two lines is what the monotonic clock says.
    anchor: Anchor,
    notes: Notes,
    /// Requests that wait for the records in front of them, or for room at the gateway.
    requests: VecDeque<Request>,
    /// The kill switch was thrown when this thread looked at it last.
    killed: bool,
    /// When the oldest record was made that waits.
    oldest: Option<Nanos>,
    /// The last write failed.
    failing: bool,
    /// A sync failed: what was written before it may be gone, and a later one would not say so.
    broken: bool,
    counts: Counts,
    slow_logged: Nanos,
    lost_logged: u64,
}

impl Keeper {
    /// Starts the thread `tickwire-orders`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        end: KeepEnd,
        kit: Kit,
        instruments: Arc<[Instrument]>,
        clock: Box<dyn Clock + Send>,
        notes: Notes,
        sleeper: &Sleeper,
    ) -> io::Result<KeeperHandle> {
        let mut keeper = Self::new(end, kit, instruments, clock, notes);
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, bell, cell) = (stop.clone(), keeper.end.bell.clone(), sleeper.0.clone());
        let thread = thread::Builder::new()
            .name("tickwire-orders".to_owned())
            .spawn(move || {
                let _ = cell.set(thread::current());
                while !asked.load(Ordering::Acquire) {
                    if keeper.round() == 0 {
                        keeper.wait();
                    }
                }
                keeper.finish();
            })?;
        Ok(KeeperHandle {
            stop,
            bell,
            thread: Some(thread),
        })
    }

    fn new(
        end: KeepEnd,
        kit: Kit,
        instruments: Arc<[Instrument]>,
        clock: Box<dyn Clock + Send>,
        notes: Notes,
    ) -> Self {
        kit.notes.into_iter().for_each(|note| notes.record(note));
        Self {
            end,
            log: kit.log,
            writer: Writer::new(kit.next),
            instruments,
            strategies: kit.strategies,
            anchor: Anchor {
                mono: clock.now(),
                unix: clock.unix(),
            },
            clock,
            notes,
            requests: VecDeque::new(),
            killed: false,
            oldest: None,
            failing: false,
            broken: false,
            counts: Counts::default(),
            slow_logged: Nanos::ZERO,
            lost_logged: 0,
        }
    }

    /// Takes what is there, writes it, and lets requests go on. Says how much it took.
    fn round(&mut self) -> usize {
        let taken = self.take() + usize::from(self.take_kill());
        if !self.log.waiting().is_empty() {
            let done = self.write();
            self.judge(done);
        }
        self.hand_on();
        self.tell_losses();
        taken
    }

    /// Waits for more, or before a write is tried again.
    fn wait(&self) {
        if self.failing || !self.requests.is_empty() {
            return thread::sleep(AGAIN);
        }
        self.end.bell.sleep();
        if self.end.kept.is_empty() && self.end.switch.is_killed() == self.killed {
            thread::park_timeout(SLEEP);
        }
        self.end.bell.awake();
    }

    fn take(&mut self) -> usize {
        let mut taken = 0;
        while taken < BATCH
            && let Ok(kept) = self.end.kept.pop()
        {
            taken += 1;
            match kept {
                Kept::Deed(at, deed) => self.record(at, &deed),
                Kept::Request(request) => self.requests.push_back(request),
            }
        }
        taken
    }

    /// Records that the run was killed, whether or not the desk still does. A later run stays
    /// halted until somebody resumes it.
    fn take_kill(&mut self) -> bool {
        let killed = self.end.switch.is_killed();
        let thrown = killed && !self.killed;
        self.killed = killed;
        if thrown {
            let (strategy, mode) = (StrategyId::NONE, Mode::Halted);
            self.record(self.clock.now(), &Deed::Mode { strategy, mode });
        }
        thrown
    }

    fn record(&mut self, at: Nanos, deed: &Deed) {
        let anchor = self.anchor;
        let unix = move |at: Nanos| -> UnixNanos { anchor.unix(at) };
        let names = Names {
            instruments: &self.instruments,
            strategies: &self.strategies,
        };
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.counts.records += 1;
        let out = self.log.waiting();
        self.writer.deed(names, (at, &unix), deed, out);
    }

    fn write(&mut self) -> io::Result<()> {
        self.log.write()?;
        self.log.sync().inspect_err(|_| self.broken = true)
    }

    fn judge(&mut self, done: io::Result<()>) {
        let now = self.clock.now();
        let was = self.failing;
        self.failing = done.is_err() || self.broken;
        if self.failing != was {
            self.end.state.set_failing(self.failing);
            let note = match &done {
                Err(error) => {
                    let note = Note::new(now, Severity::Error, "orders.disk");
                    note.text(&error.to_string())
                }
                Ok(()) => Note::new(now, Severity::Info, "orders.disk_back"),
            };
            self.notes.record(note);
        }
        if done.is_err() {
            return;
        }
        self.counts.syncs += 1;
        let took = now.since(self.oldest.take().unwrap_or(now));
        self.counts.worst = self.counts.worst.max(took);
        if took > KEPT_WITHIN {
            self.counts.slow += 1;
            if self.slow_logged == Nanos::ZERO || now.since(self.slow_logged) >= SLOW_LOGGED_EVERY {
                self.slow_logged = now;
                let note = Note::new(now, Severity::Info, "orders.slow");
                self.notes
                    .send(note.with("took_us", Value::Int((took.0 / 1_000) as i64)));
            }
        }
    }

    /// Lets requests go on to the gateway in their order, as long as it has room. If the journal
    /// cannot be written, new orders go back instead.
    fn hand_on(&mut self) {
        while let Some(request) = self.requests.pop_front() {
            let refused = match request {
                Request::Place(_) | Request::Replace(..) => self.failing,
                Request::Reduce(..) | Request::Cancel(_) | Request::Ask(_) => false,
            };
            let left = match (refused, &mut self.end.gateway) {
                (false, Some(gateway)) => gateway.push(request).err(),
                (true, _) | (_, None) => {
                    let now = self.clock.now();
                    let told = self.end.give_back(now, &request);
                    (!told).then_some(request)
                }
            };
            if let Some(request) = left {
                self.requests.push_front(request);
                return;
            }
        }
    }

    fn tell_losses(&mut self) {
        let lost = self.end.state.lost();
        if lost > self.lost_logged {
            self.lost_logged = lost;
            let note = Note::new(self.clock.now(), Severity::Error, "orders.lost");
            self.notes
                .record(note.with("records", Value::Int(lost as i64)));
        }
    }

    fn finish(mut self) {
        while self.round() > 0 {}
        let now = self.clock.now();
        if !self.failing {
            self.writer.ended(self.anchor.unix(now), self.log.waiting());
            let done = self.write();
            self.judge(done);
        }
        let Counts {
            records,
            syncs,
            worst,
            slow,
        } = self.counts;
        let int = |n: u64| Value::Int(n as i64);
        let note = Note::new(now, Severity::Info, "orders.kept")
            .with("records", int(records))
            .with("syncs", int(syncs))
            .with("worst_us", int(worst.0 / 1_000))
            .with("slow", int(slow));
        self.notes.record(note);
    }
}

#[cfg(test)]
mod tests;
