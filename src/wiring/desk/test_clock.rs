//! The clock of the desk's tests: it stands where it is put.

use crate::base::{Clock, Nanos, UnixNanos};
use std::cell::Cell;

/// Its monotonic clock shows the time since 1970.
pub(super) struct TestClock(pub(super) Cell<Nanos>);

impl TestClock {
    pub(super) fn at(now: Nanos) -> Self {
        Self(Cell::new(now))
    }
}

impl Clock for TestClock {
    fn now(&self) -> Nanos {
        self.0.get()
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(self.0.get().0 as i64)
    }
}
