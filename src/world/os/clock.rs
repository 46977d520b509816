//! The host's clocks, for lanes that run live.

use super::sys;
use super::tsc::Carried;
use crate::base::{Clock, Nanos, UnixNanos};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

/// Reads `CLOCK_BOOTTIME` and `CLOCK_REALTIME`, the first by the processor's counter if it can.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsClock;

impl Clock for OsClock {
    fn now(&self) -> Nanos {
        monotonic()
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

/// A look at the kernel's clock that took more ticks than that was interrupted: half a microsecond,
/// and less on a faster processor.
const LOOK_TICKS_MAX: u64 = 1_000;
/// Looks of which the shortest counts.
const LOOKS: usize = 5;

thread_local! {
    static CARRIED: Cell<Carried> = const { Cell::new(Carried::NEW) };
}

/// `CLOCK_BOOTTIME`, now: carried on by the processor's counter, to 100 ns, if the kernel itself
/// goes by that counter; else the kernel's own.
#[inline]
pub(crate) fn monotonic() -> Nanos {
    CARRIED.with(|carried| match carried.get().at(sys::ticks()) {
        Some(ns) => Nanos(ns),
        None => look(carried),
    })
}

#[cold]
#[inline(never)]
fn look(carried: &Cell<Carried>) -> Nanos {
    let kernel = sys::boottime();
    if !is_counter_steady() {
        return kernel;
    }
    let mut best = (u64::MAX, 0, 0);
    for _ in 0..LOOKS {
        let (before, Nanos(ns), after) = (sys::ticks(), sys::boottime(), sys::ticks());
        let took = after.wrapping_sub(before);
        if took < best.0 {
            best = (took, before.wrapping_add(took / 2), ns);
        }
        if took <= LOOK_TICKS_MAX {
            break;
        }
    }
    let (_, ticks, ns) = best;
    let mut clock = carried.get();
    let now = Nanos(clock.set(ticks, ns));
    carried.set(clock);
    now
}

/// The kernel keeps its own time by the counter: it has checked that it runs at one rate, and alike
/// on all processors.
fn is_counter_steady() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    static STEADY: OnceLock<bool> = OnceLock::new();
    *STEADY.get_or_init(|| {
        let source = std::fs::read_to_string(SOURCE).unwrap_or_default();
        cfg!(target_arch = "x86_64") && source.trim() == "tsc"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_is_the_kernels() {
        let mut last = Nanos::ZERO;
        let end = sys::boottime() + crate::base::Span::from_millis(300);
        while last < end {
            let (before, now, after) = (sys::boottime(), monotonic(), sys::boottime());
            assert!(last <= now, "it went back");
            let off = before.since(now).0.max(now.since(after).0);
            assert!(off < 10_000, "{off} ns off");
            last = now;
        }
    }
}
