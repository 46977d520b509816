//! Steps of the wall clock: what somebody set it to, apart from what passed. Corrects nothing.

use crate::base::{Clock, Nanos, Note, Severity, Span, Value};
use crate::watch::log::Anchor;

/// What passes as a step; the two clocks are slewed alike, so that they part by steps only.
const STEP_MIN_NS: u64 = 100_000_000;
/// A look that took longer says nothing: the thread was taken off its CPU between two clocks.
const LOOK_MAX: Span = Span::from_millis(20);

/// What the wall clock was last seen ahead of the monotonic one.
pub(crate) struct Steps {
    ahead_ns: i128,
}

impl Steps {
    pub(crate) fn new(anchor: Anchor) -> Self {
        Self {
            ahead_ns: i128::from(anchor.unix.0) - i128::from(anchor.mono.0),
        }
    }

    /// A note if the wall clock was set since the last look.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> Option<Note> {
        let (before, unix, after) = (clock.now(), clock.unix(), clock.now());
        if after.since(before) > LOOK_MAX {
            return None;
        }
        // A clock at the last time that there is stands still.
        let ahead_ns = match unix.0 {
            i64::MAX => i128::from(i64::MAX),
            unix => i128::from(unix) - i128::from(before.0),
        };
        let step_ns = ahead_ns - self.ahead_ns;
        if step_ns.unsigned_abs() < u128::from(STEP_MIN_NS) {
            return None;
        }
        self.ahead_ns = ahead_ns;
        let by_ms = i64::try_from(step_ns / 1_000_000).unwrap_or(i64::MAX);
        Some(note(after, by_ms))
    }
}

fn note(at: Nanos, by_ms: i64) -> Note {
    Note::new(at, Severity::Warn, "clock.stepped").with("by_ms", Value::Int(by_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::UnixNanos;
    use std::cell::Cell;

    /// Both clocks, each reading a second after the one before, and the wall clock as it is set.
    struct Set(Cell<u64>, Cell<i64>);

    impl Clock for Set {
        fn now(&self) -> Nanos {
            self.0.set(self.0.get() + 1_000);
            Nanos(self.0.get())
        }
        fn unix(&self) -> UnixNanos {
            UnixNanos(self.0.get() as i64 + self.1.get())
        }
    }

    #[test]
    fn a_step_either_way_is_told_once_with_its_amount() {
        let clock = Set(Cell::new(5), Cell::new(1_700_000_000_000_000_000));
        let mut steps = Steps::new(Anchor {
            mono: clock.now(),
            unix: clock.unix(),
        });
        assert_eq!(steps.look(&clock), None);
        for by_ms in [-3_600_000, 90_000, -150] {
            clock.1.set(clock.1.get() + by_ms * 1_000_000);
            let told = steps.look(&clock).expect("a step");
            assert_eq!(told.fields[0], ("by_ms", Value::Int(by_ms)));
            assert_eq!(steps.look(&clock), None, "told once");
        }
        clock.1.set(clock.1.get() + 50_000_000);
        assert_eq!(steps.look(&clock), None, "too little to be a step");
    }
}
