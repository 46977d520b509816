//! Time as a value. Nothing here reads a clock: `world` does, and hands the reading in.

use std::ops::{Add, Div, Mul, Sub};

/// A reading of the host's monotonic clock (`CLOCK_BOOTTIME`: it counts suspends), in nanoseconds.
/// Zero means "never".
///
/// It is an instant; how long something takes is a [`Span`]. Two instants cannot be added:
///
/// ```compile_fail
/// use tickwire::base::Nanos;
/// let _ = Nanos::from_secs(1) + Nanos::from_secs(1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Nanos(pub u64);

impl Nanos {
    /// No reading yet.
    pub const ZERO: Self = Self(0);
    /// Later than any reading: a timer that is not set.
    pub const NEVER: Self = Self(u64::MAX);

    /// The reading this many milliseconds after zero.
    pub const fn from_millis(ms: u64) -> Self {
        Self(Span::from_millis(ms).0)
    }

    /// The reading this many seconds after zero.
    pub const fn from_secs(s: u64) -> Self {
        Self(Span::from_secs(s).0)
    }

    /// How long `earlier` is before `self`; zero if `earlier` is the later one, so that two stamps
    /// from different sources never make a span of centuries.
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// Moves a reading; stays at [`Nanos::NEVER`] instead of wrapping.
impl Add<Span> for Nanos {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// Moves a reading back; stays at [`Nanos::ZERO`] instead of wrapping.
impl Sub<Span> for Nanos {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

/// How long something takes, in nanoseconds. It has no sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Span(pub u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Longer than any run.
    pub const MAX: Self = Self(u64::MAX);

    /// Whole milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// Whole seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s * 1_000_000_000)
    }

    /// In whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// Stays at [`Span::MAX`] instead of wrapping.
impl Add for Span {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

/// Stays at [`Span::ZERO`] instead of wrapping.
impl Sub for Span {
    type Output = Self;
    fn sub(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}

/// Stays at [`Span::MAX`] instead of wrapping.
impl Mul<u64> for Span {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self(self.0.saturating_mul(times))
    }
}

impl Div<u64> for Span {
    type Output = Self;
    fn div(self, parts: u64) -> Self {
        Self(self.0 / parts)
    }
}

/// A day of UTC, in nanoseconds.
pub(crate) const DAY_NS: i64 = 86_400_000_000_000;

/// Wall-clock time (`CLOCK_REALTIME`), in nanoseconds since 1970-01-01T00:00Z. Zero means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// Whole milliseconds since 1970, rounded towards zero.
    pub const fn as_millis(self) -> i64 {
        self.0 / 1_000_000
    }

    /// Its day of UTC, counted from 1970-01-01.
    pub(crate) const fn day(self) -> i64 {
        self.0.div_euclid(DAY_NS)
    }

    /// Whole microseconds since 1970, rounded towards zero.
    pub const fn as_micros(self) -> i64 {
        self.0 / 1_000
    }
}

/// The clock from which a lane takes its stamps. In a live run it is the host's clock; in replay
/// and simulation the driver sets it.
pub trait Clock {
    /// The monotonic clock, now.
    fn now(&self) -> Nanos;
    /// The wall clock, now: for what leaves the process (request timestamps, logs).
    fn unix(&self) -> UnixNanos;
}

/// What a socket knows about the newest bytes that it handed over.
///
/// `kernel` belongs to the *newest* byte of the read, so the time since then is only a lower bound
/// of the waiting; the time since `empty` bounds it from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct RxStamps {
    /// The kernel's receive stamp of the newest byte, on the monotonic scale; zero if there is
    /// none.
    pub kernel: Nanos,
    /// The last time that the socket was seen with nothing to read.
    pub empty: Nanos,
    /// Just before the read call.
    pub call: Nanos,
    /// Just after the kernel returned the bytes.
    pub read: Nanos,
}

/// What a server's clock showed at some instant between our request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTime {
    /// The request left no earlier than this.
    pub(crate) sent: Nanos,
    /// The answer had arrived by then.
    pub(crate) received: Nanos,
    /// What the answer says.
    pub(crate) shown: UnixNanos,
    /// How far its clock may be ahead of what it says: one unit of the resolution in which it
    /// answers.
    pub(crate) unit_ns: i64,
}
