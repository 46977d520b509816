//! The host's clocks, for lanes that run live. Keeps no state: each reading is the kernel's own.

use super::sys;
use crate::base::{Clock, Nanos, UnixNanos};

/// Reads `CLOCK_MONOTONIC` and `CLOCK_REALTIME`, through the vDSO: tens of nanoseconds each.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsClock;

impl Clock for OsClock {
    fn now(&self) -> Nanos {
        sys::monotonic()
    }

    fn unix(&self) -> UnixNanos {
        sys::realtime()
    }
}
