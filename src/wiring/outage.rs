//! When a lane had no connection: since when, for how long, and why. Reads no clock.

use crate::base::{Nanos, Span};

/// The times without a connection. A lane begins without one, which is an outage only if it never
/// gets one.
///
/// Invariant: `longest <= total`; without a loss there is no time without a connection:
/// `times == 0` means `total == 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    /// Since when there is none; unset while there is one. Zero: since the beginning.
    since: Nanos,
    why: &'static str,
    times: u64,
    total: Span,
    longest: Span,
}

/// What there is to say at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Downtime {
    /// Since when there is no connection; `None` if there is one.
    pub(crate) since: Option<Nanos>,
    /// Why the last connection ended, or was not made.
    pub(crate) why: &'static str,
    /// How often a connection was lost.
    pub(crate) times: u64,
    /// The longest time without one, the present one included.
    pub(crate) longest: Span,
    /// All of them together.
    pub(crate) total: Span,
}

impl Outage {
    /// Not connected yet.
    pub(crate) const fn new() -> Self {
        Self {
            since: Nanos::ZERO,
            why: "not connected yet",
            times: 0,
            total: Span::ZERO,
            longest: Span::ZERO,
        }
    }

    /// There is no connection, for this reason. The first word of an outage begins it; later ones
    /// say why it lasts.
    pub(crate) fn down(&mut self, now: Nanos, why: &'static str) {
        self.why = why;
        if !self.is_down() {
            self.since = now;
            self.times += 1;
        }
        debug_assert!(self.is_down());
        self.check();
    }

    /// There is a connection.
    pub(crate) fn up(&mut self, now: Nanos) {
        if !self.is_down() {
            return;
        }
        if self.times > 0 {
            self.add(now.since(self.since));
        }
        self.since = Nanos::NEVER;
        debug_assert!(!self.is_down());
        self.check();
    }

    /// All of it, at the end of a run that began then.
    pub(crate) fn at(mut self, began: Nanos, now: Nanos) -> Downtime {
        let since = self.is_down().then_some(self.since.max(began));
        if let Some(since) = since {
            self.add(now.since(since));
            debug_assert!(began <= since);
        }
        debug_assert!(self.longest <= self.total);
        Downtime {
            since,
            why: self.why,
            times: self.times,
            longest: self.longest,
            total: self.total,
        }
    }

    fn add(&mut self, span: Span) {
        self.total = self.total + span;
        self.longest = self.longest.max(span);
        debug_assert!(span <= self.longest);
    }

    pub(super) fn is_down(&self) -> bool {
        self.since != Nanos::NEVER
    }

    fn check(&self) {
        debug_assert!(self.longest <= self.total);
        debug_assert!(self.times > 0 || self.total == Span::ZERO);
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Nanos = Nanos::from_secs(100);

    fn s(s: u64) -> Nanos {
        BEGAN + Span::from_secs(s)
    }

    #[test]
    fn an_outage_lasts_from_the_loss_to_the_next_connection_whatever_is_tried_meanwhile() {
        let mut outage = Outage::new();
        outage.up(s(0));
        outage.down(s(3), "eof");
        outage.down(s(4), "refused");
        outage.up(s(7));
        outage.down(s(20), "reset");
        outage.up(s(21));
        let told = outage.at(BEGAN, s(30));
        let expected = Downtime {
            since: None,
            why: "reset",
            times: 2,
            longest: Span::from_secs(4),
            total: Span::from_secs(5),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_down_at_the_end_says_since_when_and_why_it_lasts() {
        let mut outage = Outage::new();
        outage.up(s(0));
        outage.down(s(3), "eof");
        outage.down(s(5), "refused");
        let told = outage.at(BEGAN, s(9));
        assert_eq!(
            (told.since, told.why, told.times),
            (Some(s(3)), "refused", 1)
        );
        assert_eq!(
            (told.longest, told.total),
            (Span::from_secs(6), Span::from_secs(6))
        );
    }

    #[test]
    fn one_that_never_was_up_is_down_since_the_beginning_and_connecting_is_no_outage() {
        let mut outage = Outage::new();
        outage.down(s(1), "refused");
        let told = outage.at(BEGAN, s(9));
        assert_eq!(
            (told.since, told.times, told.longest),
            (Some(BEGAN), 0, Span::from_secs(9))
        );
        outage.up(s(2));
        let told = outage.at(BEGAN, s(9));
        assert_eq!((told.since, told.total), (None, Span::ZERO));
    }
}
