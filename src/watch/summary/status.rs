//! The state of a run while it goes on.

use crate::base::{Asset, Nanos, Span, Symbol};

/// A book that strategies cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DarkBook {
    /// Its exchange.
    pub(crate) exchange: &'static str,
    /// Its instrument, as that exchange calls it.
    pub(crate) symbol: Symbol,
    /// For how long.
    pub(crate) span: Span,
    /// Why.
    pub(crate) why: &'static str,
}

/// An exchange whose data comes late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateData {
    /// Its name.
    pub exchange: &'static str,
    /// By how much, in the last second in which data came.
    pub delay: Span,
}

/// Assets of which a status line says what was gained, at most.
pub(crate) const GAINS_MAX: usize = 4;

/// The state of a run, for its status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Since the run began.
    pub elapsed: Span,
    /// Books that strategies can read now.
    pub books_live: usize,
    /// All books of the run.
    pub books: usize,
    /// The book that has been dark for the longest time, if that is worth a word.
    pub dark: Option<DarkBook>,
    /// The exchange whose data comes latest now; `None` while all of it comes in time.
    pub late: Option<LateData>,
    /// How long from now the last snapshot that waits for an exchange's budget will be asked for;
    /// `None` if none waits.
    pub snapshots_in: Option<Nanos>,
    /// Frames of market data in the second before.
    pub messages_per_s: u64,
    /// Orders that risk admitted so far.
    pub orders_sent: u64,
    /// What the run gained or lost so far, in units of 10^-8 of each asset; nothing if it did not
    /// trade.
    pub gains: [Option<(Asset, i64)>; GAINS_MAX],
    /// p50 and p99 of tick-to-wire over the run so far, in nanoseconds.
    pub tick_to_wire_ns: Option<(u64, u64)>,
}
