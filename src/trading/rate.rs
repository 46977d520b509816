//! How many orders were admitted within the last second, exactly. Never lets a burst straddle a
//! boundary, as counters by the calendar second and token buckets do.

use crate::base::{Nanos, Span};
use std::collections::VecDeque;

/// The window's length, in nanoseconds.
const WINDOW: Span = Span::from_secs(1);

/// Times of the newest admissions; at most `max` within any half-open second `[t, t + 1 s)`, unless
/// what always goes is counted too.
///
/// Invariant: `1 <= max`; `admitted.len() <= max <= admitted.capacity()`, so that it never grows;
/// each admission is a second or more after the one that came `max` before it.
#[derive(Debug)]
pub(crate) struct RateWindow {
    admitted: VecDeque<Nanos>,
    max: usize,
}

impl RateWindow {
    pub(crate) fn new(max: usize) -> Self {
        assert!(max > 0, "a rate of nothing is a kill switch");
        let window = Self {
            admitted: VecDeque::with_capacity(max),
            max,
        };
        window.check();
        window
    }

    /// The most within any second.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// Whether one more fits now. A clock that runs backwards is a full window.
    pub(crate) fn has_room(&self, now: Nanos) -> bool {
        match self.admitted.front() {
            Some(oldest) if self.admitted.len() == self.max => now.since(*oldest) >= WINDOW,
            Some(_) | None => true,
        }
    }

    /// Counts one admission. Asked only if there is room.
    pub(crate) fn record(&mut self, now: Nanos) {
        assert!(self.has_room(now), "an order beyond its rate");
        if self.admitted.len() == self.max {
            let before = self.admitted.pop_front();
            debug_assert!(before.is_some_and(|before| now.since(before) >= WINDOW));
        }
        self.admitted.push_back(now);
        debug_assert_eq!(self.admitted.back(), Some(&now));
        self.check();
    }

    /// Counts what goes whether there is room or not: the oldest leaves its place.
    pub(crate) fn force(&mut self, now: Nanos) {
        if self.admitted.len() == self.max {
            self.admitted.pop_front();
        }
        self.admitted.push_back(now);
        self.check();
    }

    fn check(&self) {
        debug_assert!(0 < self.max);
        assert!(self.admitted.len() <= self.max);
        assert!(self.max <= self.admitted.capacity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn the_second_is_over_at_its_last_nanosecond_and_not_before() {
        let mut window = RateWindow::new(2);
        window.record(Nanos(5));
        window.record(Nanos(6));
        assert!(!window.has_room(Nanos(WINDOW.0 + 4)));
        assert!(window.has_room(Nanos(WINDOW.0 + 5)));
        window.record(Nanos(WINDOW.0 + 5));
        assert!(!window.has_room(Nanos(WINDOW.0 + 5)));
        assert!(window.has_room(Nanos(WINDOW.0 + 6)));
    }

    #[test]
    fn a_clock_that_runs_backwards_opens_no_window() {
        let mut window = RateWindow::new(1);
        window.record(Nanos(2 * WINDOW.0));
        assert!(!window.has_room(Nanos(1)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all_admissions(
            max in 1usize..8,
            steps in collection::vec(0u64..WINDOW.0 / 2, 0..200),
        ) {
            let (mut window, mut all, mut now) = (RateWindow::new(max), Vec::new(), Nanos(0));
            let capacity = window.admitted.capacity();
            for step in steps {
                now = now + Span(step);
                let recent = all.iter().filter(|at| now.since(**at) < WINDOW).count();
                prop_assert_eq!(window.has_room(now), recent < max);
                if recent < max {
                    window.record(now);
                    all.push(now);
                }
            }
            prop_assert!(window.admitted.capacity() == capacity);
        }
    }
}
