//! The host's clocks, for lanes that run live. Keeps no state: each reading is the kernel's own.

use super::sys;
use crate::base::{Clock, Nanos, UnixNanos};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::time::Duration;

/// Reads `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, through the vDSO: tens of nanoseconds each.
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

/// As TLS judges certificates. A clock before 1970 stands at 1970: then none is valid yet, which is
/// an error of that connection.
impl TimeProvider for OsClock {
    fn current_time(&self) -> Option<UnixTime> {
        let UnixNanos(now) = self.unix();
        let since = Duration::from_nanos(u64::try_from(now).unwrap_or(0));
        Some(UnixTime::since_unix_epoch(since))
    }
}
