//! When to ask for a snapshot: one at a time, and less often when they are of no use. Never fetches.

use crate::base::Nanos;

/// The first and the longest wait after an answer that was of no use; doubled in between.
pub const BACKOFF_MIN_NS: u64 = 1_000_000_000;
pub const BACKOFF_MAX_NS: u64 = 30_000_000_000;
/// From one request for a start to the next, also when the first one went well.
pub const START_EVERY_NS: u64 = 1_000_000_000;
/// From one request for a refresh of a live book to the next.
pub const REFRESH_EVERY_NS: u64 = 5_000_000_000;
/// How long the first diff of a connection is waited for: a quiet instrument has none for minutes.
pub const FIRST_DIFF_NS: u64 = 3_000_000_000;

/// The state of the one request.
///
/// Invariant: at most one of `wanted` and `in_flight` holds, and the timer waits for both.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    due: Nanos,
    wanted: bool,
    in_flight: bool,
    /// The connection that it was asked on is gone: an answer that is too old is no failure.
    outlived: bool,
    /// The wait after the next useless answer; zero as long as there was none.
    backoff_ns: u64,
    /// When the last request was made.
    asked: Nanos,
    /// The earliest time of another request for a start, and for a refresh.
    start_from: Nanos,
    refresh_from: Nanos,
}

impl Fetch {
    pub fn new() -> Self {
        Self {
            due: Nanos::NEVER,
            wanted: false,
            in_flight: false,
            outlived: false,
            backoff_ns: 0,
            asked: Nanos::ZERO,
            start_from: Nanos::ZERO,
            refresh_from: Nanos::ZERO,
        }
    }

    /// A connection began: one request, at the first diff or a little later.
    pub fn begin(&mut self, now: Nanos) {
        *self = Self {
            due: now + Nanos(FIRST_DIFF_NS),
            in_flight: self.in_flight,
            outlived: self.in_flight,
            ..Self::new()
        };
    }

    /// No connection: nothing to ask for. A request that is in flight stays so.
    pub fn stop(&mut self) {
        (self.due, self.wanted, self.outlived) = (Nanos::NEVER, false, self.in_flight);
    }

    /// The book became unusable within a connection.
    pub fn restart(&mut self, now: Nanos) {
        self.due = now + Nanos(FIRST_DIFF_NS);
        (self.wanted, self.outlived, self.backoff_ns) = (false, self.in_flight, 0);
    }

    /// A diff waits in the buffer: ask at once, unless answers have been of no use.
    pub fn hurry(&mut self, now: Nanos) {
        if self.backoff_ns == 0 {
            self.due = self.due.min(self.start_from.max(now));
        }
    }

    /// The live book is getting thin.
    pub fn refresh(&mut self, now: Nanos) {
        if self.due == Nanos::NEVER {
            self.due = self.refresh_from.max(now);
        }
    }

    /// Nothing is needed.
    pub fn rest(&mut self) {
        (self.due, self.wanted, self.backoff_ns) = (Nanos::NEVER, false, 0);
    }

    /// A request was answered, usefully or not.
    pub fn answered(&mut self) {
        self.in_flight = false;
    }

    /// The answer was of no use, or there was none. `live` says that it was asked for as a refresh.
    pub fn failed(&mut self, now: Nanos, live: bool) {
        if std::mem::take(&mut self.outlived) {
            self.due = now;
            return;
        }
        self.backoff_ns = (self.backoff_ns * 2).clamp(BACKOFF_MIN_NS, BACKOFF_MAX_NS);
        self.due = now + Nanos(self.backoff_ns);
        if live {
            self.due = self.due.max(self.refresh_from);
        }
    }

    /// When the last request was made: its answer knows nothing of what came later.
    pub fn asked(&self) -> Nanos {
        self.asked
    }

    /// The next time at which [`Self::tick`] does something.
    pub fn due(&self) -> Nanos {
        if self.wanted || self.in_flight {
            Nanos::NEVER
        } else {
            self.due
        }
    }

    /// True once, when it is time to ask.
    pub fn tick(&mut self, now: Nanos) -> bool {
        if now < self.due() || self.due() == Nanos::NEVER {
            return false;
        }
        (self.due, self.wanted, self.outlived) = (Nanos::NEVER, true, false);
        self.asked = now;
        self.start_from = now + Nanos(START_EVERY_NS);
        self.refresh_from = now + Nanos(REFRESH_EVERY_NS);
        true
    }

    /// Hands out the request, once.
    pub fn take(&mut self) -> bool {
        let wanted = std::mem::take(&mut self.wanted);
        self.in_flight |= wanted;
        wanted
    }
}
