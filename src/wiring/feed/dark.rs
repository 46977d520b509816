//! How long a book has been dark, and when the log says so: soon, and then ever less often. Decides
//! nothing about the book.

use crate::base::{Nanos, Span};

/// The log says that a book is dark after this long, again after twice the time, and so on.
pub(crate) const DARK_SAID: Span = Span::from_secs(5);
/// From one word about a dark book to the next, at most.
pub(crate) const DARK_SAID_MAX: Span = Span::from_secs(640);

/// Since when a book has been dark.
///
/// Invariant: while the book is live both times are [`Nanos::NEVER`]; while it is dark
/// `since <= say_at`; [`DARK_SAID`] `<= wait <=` [`DARK_SAID_MAX`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Darkness {
    since: Nanos,
    say_at: Nanos,
    wait: Span,
}

impl Darkness {
    /// Dark since the first time that it is asked.
    pub(crate) fn new() -> Self {
        Self {
            since: Nanos::NEVER,
            say_at: Nanos::ZERO,
            wait: DARK_SAID,
        }
    }

    /// The book is not live.
    pub(crate) fn begin(&mut self, now: Nanos) {
        if self.since == Nanos::NEVER {
            (self.since, self.say_at, self.wait) = (now, now + DARK_SAID, DARK_SAID);
        }
        self.check();
    }

    /// The book is live.
    pub(crate) fn end(&mut self) {
        (self.since, self.say_at) = (Nanos::NEVER, Nanos::NEVER);
        self.check();
    }

    /// Since when; [`Nanos::NEVER`] while the book is live.
    pub(crate) fn since(&self) -> Nanos {
        self.since
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.say_at
    }

    /// How long it has been dark, when it is time to say so.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> Option<u64> {
        if now < self.say_at {
            return None;
        }
        if self.since == Nanos::NEVER {
            self.begin(now);
            return None;
        }
        self.say_at = now + self.wait;
        self.wait = Span((self.wait.0 * 2).min(DARK_SAID_MAX.0));
        debug_assert!(now <= self.say_at);
        self.check();
        Some(now.since(self.since).0)
    }

    fn check(&self) {
        debug_assert!(self.since == Nanos::NEVER || self.since <= self.say_at);
        debug_assert!(DARK_SAID <= self.wait);
        debug_assert!(self.wait <= DARK_SAID_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dark_book_is_told_of_after_5_10_20_seconds_and_so_on_until_it_is_live() {
        let mut dark = Darkness::new();
        let begin = Nanos::from_secs(100);
        assert_eq!(dark.handle_timeout(begin), None);
        let mut told = Vec::new();
        for second in 0..3_000 {
            let now = begin + Span::from_secs(second);
            told.extend(dark.handle_timeout(now).map(|ns| ns / 1_000_000_000));
        }
        assert_eq!(
            told,
            [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 1_920, 2_560]
        );
        dark.end();
        assert_eq!(dark.poll_timeout(), Nanos::NEVER);
        dark.begin(begin);
        dark.begin(begin + DARK_SAID);
        assert_eq!(
            (dark.since(), dark.poll_timeout()),
            (begin, begin + DARK_SAID)
        );
    }
}
