//! What a feed counts, and what became of its books. Decides nothing.

use crate::base::{InstrumentId, Nanos};
use crate::exchange::Dropped;
use crate::market::{Counters, Dark};

/// What a feed counted over its life.
///
/// Invariant: `bad_frames + scanned <= frames`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCounters {
    /// Text frames that came in.
    pub frames: u64,
    /// Frames that were refused whole; they changed nothing.
    pub bad_frames: u64,
    /// Frames that were read where they lay: the others went over a tape.
    pub scanned: u64,
    /// Shown books that found no room on the audit ring: digests are void.
    pub audit_lost: u64,
    /// Times that a connection's own numbers showed that frames are missing.
    pub(crate) line_gaps: u64,
    /// Trades and quotes that another line had brought before.
    pub(crate) repeats: u64,
    /// Books, prints and quotes with a number that does not fit their instrument.
    pub unfit: u64,
    /// Levels without a price or, in a whole book, without a quantity.
    pub(crate) levels_dropped: u64,
    /// Prints without a price or a quantity.
    pub(crate) trades_dropped: u64,
    /// Quotes of one side.
    pub(crate) quotes_dropped: u64,
    /// Frames with something that this build does not read.
    pub strange: u64,
}

impl FeedCounters {
    /// A frame was read; `dropped` is what it said that no word may say.
    pub(super) fn count(&mut self, scanned: bool, dropped: Dropped) {
        self.scanned += u64::from(scanned);
        self.levels_dropped += u64::from(dropped.levels);
        self.trades_dropped += u64::from(dropped.trades);
        self.quotes_dropped += u64::from(dropped.quotes);
        self.check();
    }

    /// A frame was refused whole.
    pub(super) fn count_bad(&mut self) {
        self.bad_frames += 1;
        self.check();
    }

    fn check(&self) {
        debug_assert!(self.bad_frames <= self.frames);
        debug_assert!(self.scanned <= self.frames - self.bad_frames);
    }
}

/// What became of one instrument's book, as the run's end and its status line tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookTally {
    /// Whose book.
    pub(crate) instrument: InstrumentId,
    /// The last epoch.
    pub(crate) epoch: u32,
    /// What was counted.
    pub counters: Counters,
    /// Why it is not live; `None` if it is, or if the feed keeps no book.
    pub(crate) dark: Option<Dark>,
    /// Since when it is not; [`Nanos::NEVER`] if it is, or nobody has looked yet.
    pub(crate) dark_since: Nanos,
}
