//! When to ask for a snapshot: one at a time, and less often when they are of no use, or when the
//! book that they made did not last. Never fetches.

use crate::base::{Nanos, Span};

/// The first and the longest wait after an answer that was of no use, or a book that did not last;
/// doubled in between.
pub(crate) const BACKOFF_MIN: Span = Span::from_secs(1);
pub(crate) const BACKOFF_MAX: Span = Span::from_secs(30);
/// A book that was live for this long without being lost is healthy: the next one that is lost is
/// asked for at once.
pub(crate) const HEALTHY: Span = Span::from_secs(20);
/// From one request for a start to the next, also when the first one went well.
pub(crate) const START_EVERY: Span = Span::from_secs(1);
/// From one request for a refresh of a live book to the next.
pub(crate) const REFRESH_EVERY: Span = Span::from_secs(5);
/// How long the builder waits for the first diff of a confirmed stream: a quiet instrument has none
/// for minutes.
pub(crate) const FIRST_DIFF: Span = Span::from_secs(3);

/// The state of the one request.
///
/// Invariant: at most one of `wanted` and `in_flight` holds, and the timer waits for both;
/// `asked <= start_from <= refresh_from`; `wait` is zero or within [`BACKOFF_MIN`] `..=`
/// [`BACKOFF_MAX`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetch {
    due: Nanos,
    wanted: bool,
    in_flight: bool,
    /// The connection that it was asked on is gone: an answer that is too old is no failure.
    outlived: bool,
    /// The wait after the next useless answer or lost book; it outlives connections, and only
    /// health ends it.
    wait: Span,
    /// No request for a start before this: the wait in force.
    from: Nanos,
    /// The next request is one more since the book was healthy last: no healthy book waits for it.
    repeat: bool,
    /// Since when the book has been live; [`Nanos::NEVER`] while it is not.
    live_since: Nanos,
    /// When the last request was made.
    asked: Nanos,
    /// When messages were lost last: an answer to an older request does not have what they said.
    lost_at: Nanos,
    /// When the exchange was seen to count again from a smaller id: an answer to an older request
    /// belongs to the old count.
    recounted_at: Nanos,
    /// The earliest time of another request for a start, and for a refresh.
    start_from: Nanos,
    refresh_from: Nanos,
}

impl Fetch {
    pub(crate) fn new() -> Self {
        Self {
            due: Nanos::NEVER,
            wanted: false,
            in_flight: false,
            outlived: false,
            wait: Span::ZERO,
            from: Nanos::ZERO,
            repeat: false,
            live_since: Nanos::NEVER,
            asked: Nanos::ZERO,
            lost_at: Nanos::ZERO,
            recounted_at: Nanos::ZERO,
            start_from: Nanos::ZERO,
            refresh_from: Nanos::ZERO,
        }
    }

    /// No connection, or one whose stream has not begun: nothing to ask for. A request that is in
    /// flight stays so.
    pub(crate) fn stop(&mut self, now: Nanos) {
        self.judge_health(now);
        (self.due, self.wanted, self.outlived) = (Nanos::NEVER, false, self.in_flight);
        self.check();
    }

    /// The stream has begun, and may be quiet: one request, at its first diff or a little later.
    pub(crate) fn begin(&mut self, now: Nanos) {
        self.due = self.due.min((now + FIRST_DIFF).max(self.from));
    }

    /// The book became unusable within a connection.
    pub(crate) fn restart(&mut self, now: Nanos) {
        self.judge_health(now);
        self.from = now + self.wait;
        self.lengthen();
        (self.wanted, self.outlived) = (false, self.in_flight);
        self.due = (now + FIRST_DIFF).max(self.from);
        debug_assert!(now <= self.from);
        self.check();
    }

    /// A diff waits in the buffer: ask as soon as may be.
    pub(crate) fn hurry(&mut self, now: Nanos) {
        self.due = self.due.min(self.start_from.max(self.from).max(now));
    }

    /// The live book is getting thin.
    pub(crate) fn refresh(&mut self, now: Nanos) {
        if self.due == Nanos::NEVER {
            self.due = self.refresh_from.max(now);
            self.repeat |= self.due < self.asked + HEALTHY;
        }
    }

    /// The live book rests on a claim that a second snapshot must confirm.
    pub(crate) fn confirm(&mut self, now: Nanos) {
        if self.due == Nanos::NEVER {
            self.due = self.start_from.max(now);
        }
    }

    /// The book is live, and nothing is needed.
    pub(crate) fn handle_live(&mut self, now: Nanos) {
        if self.live_since == Nanos::NEVER {
            self.live_since = now;
        } else if self.is_healthy(now) {
            (self.wait, self.repeat) = (Span::ZERO, false);
        }
        (self.due, self.wanted) = (Nanos::NEVER, false);
        self.check();
    }

    /// Messages of the stream were lost.
    pub(crate) fn handle_lost(&mut self, now: Nanos) {
        self.lost_at = now;
    }

    /// The exchange counts again from a smaller id.
    pub(crate) fn handle_recount(&mut self, now: Nanos) {
        self.recounted_at = now;
    }

    /// A request was answered, usefully or not.
    pub(crate) fn handle_answer(&mut self) {
        self.in_flight = false;
    }

    /// The answer was of no use, or there was none. `live` says that it was asked for as a refresh.
    pub(crate) fn handle_useless(&mut self, now: Nanos, live: bool) {
        if std::mem::take(&mut self.outlived) {
            self.due = self.from.max(now);
            return;
        }
        self.lengthen();
        self.from = now + self.wait;
        self.due = self.from;
        if live {
            self.due = self.due.max(self.refresh_from);
        }
        debug_assert!(self.from <= self.due);
        self.check();
    }

    /// When the last request was made: its answer knows nothing of what came later.
    pub(crate) fn asked(&self) -> Nanos {
        self.asked
    }

    /// The last request was made before messages were lost: its answer does not have them.
    pub(crate) fn is_outdated(&self) -> bool {
        self.asked < self.lost_at
    }

    /// The last request was made before the exchange counted again: its answer belongs to the old
    /// count.
    pub(crate) fn is_of_another_count(&self) -> bool {
        self.asked < self.recounted_at
    }

    /// The request that is handed out next is one more since the book was healthy last.
    pub(crate) fn is_repeat(&self) -> bool {
        self.repeat
    }

    /// A request is under way, or waits to be handed out.
    pub(crate) fn is_open(&self) -> bool {
        self.wanted || self.in_flight
    }

    /// When [`Self::handle_timeout`] asks.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        if self.is_open() {
            Nanos::NEVER
        } else {
            self.due
        }
    }

    /// True once, when it is time to ask.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> bool {
        let due = self.poll_timeout();
        if now < due || due == Nanos::NEVER {
            return false;
        }
        (self.due, self.wanted, self.outlived) = (Nanos::NEVER, true, false);
        self.asked = now;
        self.start_from = now + START_EVERY;
        self.refresh_from = now + REFRESH_EVERY;
        self.check();
        true
    }

    /// Hands out the request, once.
    pub(crate) fn poll_output(&mut self) -> bool {
        let wanted = std::mem::take(&mut self.wanted);
        self.in_flight |= wanted;
        self.check();
        wanted
    }

    fn is_healthy(&self, now: Nanos) -> bool {
        self.live_since != Nanos::NEVER && now.since(self.live_since) >= HEALTHY
    }

    /// The book ends: was it healthy?
    fn judge_health(&mut self, now: Nanos) {
        if self.is_healthy(now) {
            (self.wait, self.repeat) = (Span::ZERO, false);
        }
        self.live_since = Nanos::NEVER;
    }

    /// Another trouble: the wait doubles, and from the second trouble on each request is a repeat.
    fn lengthen(&mut self) {
        self.repeat |= self.wait > Span::ZERO;
        self.wait = (self.wait * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
    }

    fn check(&self) {
        debug_assert!(!(self.wanted && self.in_flight));
        debug_assert!(self.asked <= self.start_from);
        debug_assert!(self.start_from <= self.refresh_from);
        debug_assert!(self.wait == Span::ZERO || BACKOFF_MIN <= self.wait);
        debug_assert!(self.wait <= BACKOFF_MAX);
    }
}
