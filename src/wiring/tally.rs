//! What lanes count, and how it is added up over a worker. Data only.

use super::feed::{BookTally, Delays, FeedCounters, Late};
use super::outage::Outage;
use super::publisher::PublisherCounters;
use crate::base::Nanos;

/// What lanes counted, added up over a worker.
///
/// Invariant: `feed` is the sum of `exchanges`, and of nothing else.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// When it was taken: the run's end.
    pub at: Nanos,
    /// Of all feed lanes.
    pub feed: FeedCounters,
    /// Of all rings from feeds to the desk.
    pub published: PublisherCounters,
    /// Of all gateway lanes.
    pub gateway: GatewayCounters,
    /// Connections that went live.
    pub connects: u64,
    /// What became of each book.
    pub books: Vec<BookTally>,
    /// What each exchange's feed lanes counted; an exchange may be there more than once.
    pub exchanges: Vec<ExchangeTally>,
    /// Of each lane.
    pub outages: Vec<LaneOutage>,
}

impl Tally {
    /// To be called when a lane has added its own.
    pub(super) fn check(&self) {
        let sum = |of: fn(&ExchangeTally) -> u64| self.exchanges.iter().map(of).sum::<u64>();
        debug_assert_eq!(self.feed.frames, sum(|lane| lane.frames));
        debug_assert_eq!(self.feed.bad_frames, sum(|lane| lane.bad_frames));
        debug_assert!(self.feed.bad_frames <= self.feed.frames);
        debug_assert!(self.gateway.bad_frames <= self.gateway.frames);
    }
}

/// When a lane had no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOutage {
    /// Its exchange.
    pub(crate) exchange: &'static str,
    /// What the connection is for: `market data` or `orders`.
    pub(crate) of: &'static str,
    /// The times without one.
    pub(crate) outage: Outage,
}

/// What a feed lane counted, for its exchange.
///
/// Invariant: `bad_frames <= frames`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeTally {
    /// Its name.
    pub(crate) exchange: &'static str,
    /// Text frames that came in.
    pub(crate) frames: u64,
    /// Frames that were refused whole.
    pub(crate) bad_frames: u64,
    /// Those that were read where they lay, without a tape.
    pub(crate) scanned: u64,
    /// Books, prints and quotes with a number that does not fit their instrument.
    pub(crate) unfit: u64,
    /// Levels without a price or, in a whole book, without a quantity.
    pub(crate) levels_dropped: u64,
    /// Prints without a price or a quantity.
    pub(crate) trades_dropped: u64,
    /// Quotes of one side.
    pub(crate) quotes_dropped: u64,
    /// Connections that went live.
    pub(crate) connects: u64,
    /// Books that strategies could read when the run ended.
    pub(crate) books_live: usize,
    /// How late its data came.
    pub delays: Delays,
    /// Why its connections end again and again without a healthy time in between, and how often in
    /// a row; `None` if none does.
    pub keeps_closing: Option<(&'static str, u32)>,
}

/// What is shown of a lane while it works; nothing if it has no market data.
#[derive(Debug, Clone, Copy, Default)]
pub struct LanePulse {
    /// Frames of market data so far.
    pub(crate) frames: u64,
    /// Books that are live now.
    pub(crate) live_books: usize,
    /// The book that has been dark for the longest time.
    pub(crate) darkest: Option<BookTally>,
    /// Its data comes late.
    pub late: Option<Late>,
}

/// What the gateway counted.
///
/// Invariant: `bad_frames <= frames`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GatewayCounters {
    /// Orders handed to the connection.
    pub sent: u64,
    /// Text frames that came in.
    pub(crate) frames: u64,
    /// Frames that were refused whole.
    pub bad_frames: u64,
}
