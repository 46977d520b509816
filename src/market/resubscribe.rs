//! When to ask for a stream's own book again: paced, so that no exchange is flooded with
//! subscriptions. Never sends.

use crate::base::{Nanos, Span};

/// How long the builder waits for the stream's first book after a connection or a request.
pub(crate) const NO_BOOK: Span = Span::from_secs(10);
/// From one request to the next: the first wait and the longest one, doubled in between.
pub(crate) const RESUBSCRIBE_MIN: Span = Span::from_secs(5);
/// See [`RESUBSCRIBE_MIN`].
pub(crate) const RESUBSCRIBE_MAX: Span = Span::from_secs(60);
/// From one request for a book that is thin or silent, but not wrong, to the next.
pub(crate) const RENEW_EVERY: Span = Span::from_secs(60);

/// The state of the one request.
///
/// Invariant: `wait` is zero or within [`RESUBSCRIBE_MIN`] `..=` [`RESUBSCRIBE_MAX`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resubscribe {
    due: Nanos,
    wanted: bool,
    /// No request before this.
    from: Nanos,
    /// The wait after the next request; zero if none was needed lately.
    wait: Span,
    /// No request for a book that is merely thin or silent before this.
    renew_from: Nanos,
}

impl Resubscribe {
    pub(crate) fn new() -> Self {
        Self {
            due: Nanos::NEVER,
            wanted: false,
            from: Nanos::ZERO,
            wait: Span::ZERO,
            renew_from: Nanos::ZERO,
        }
    }

    /// A connection began, or will: its first book is to come by itself.
    pub(crate) fn begin(&mut self, now: Nanos) {
        (self.due, self.wanted) = (now + NO_BOOK, false);
    }

    /// The book became unusable within a connection: at once, unless requests have been of no use.
    pub(crate) fn restart(&mut self, now: Nanos) {
        if self.wanted {
            return; // It is about to be asked for.
        }
        if now >= self.from + RESUBSCRIBE_MAX {
            self.wait = Span::ZERO; // The last one did help, for a while.
        }
        (self.due, self.wanted) = (self.from.max(now), false);
        debug_assert!(now <= self.due);
        self.check();
    }

    /// True if a book that is thin or silent may be resubscribed now.
    pub(crate) fn may_renew(&mut self, now: Nanos) -> bool {
        let may = now >= self.renew_from && now >= self.from;
        if may {
            self.renew_from = now + RENEW_EVERY;
        }
        may
    }

    /// The stream is dead: asks at once. Its owner keeps a pace of its own.
    pub(crate) fn ask(&mut self) {
        self.wanted = true;
    }

    /// The book depends on a claim that a second snapshot must confirm: asks once as soon as it
    /// may, then at the pace of thin books.
    pub(crate) fn confirm(&mut self, now: Nanos) {
        if self.due == Nanos::NEVER && self.may_renew(now) {
            self.due = now;
        }
    }

    /// The book is silent and shown as stale: asks as soon as it may. In a quiet market nothing
    /// else would end that.
    pub(crate) fn renew(&mut self, now: Nanos) {
        (self.due, self.wanted) = (now.max(self.renew_from).max(self.from), false);
        self.renew_from = self.due + RENEW_EVERY;
        debug_assert!(self.due <= self.renew_from);
        self.check();
    }

    /// No connection, or a book: nothing to ask for.
    pub(crate) fn stop(&mut self) {
        (self.due, self.wanted) = (Nanos::NEVER, false);
    }

    /// When [`Self::handle_timeout`] asks.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.due
    }

    /// Asks when it is time.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) {
        if now < self.due {
            return;
        }
        self.wanted = true;
        self.wait = (self.wait * 2).clamp(RESUBSCRIBE_MIN, RESUBSCRIBE_MAX);
        self.from = now + self.wait;
        self.due = self.from;
        debug_assert!(now <= self.due);
        self.check();
    }

    /// Hands out the request, once.
    pub(crate) fn poll_output(&mut self) -> bool {
        std::mem::take(&mut self.wanted)
    }

    fn check(&self) {
        debug_assert!(self.wait == Span::ZERO || RESUBSCRIBE_MIN <= self.wait);
        debug_assert!(self.wait <= RESUBSCRIBE_MAX);
    }
}
