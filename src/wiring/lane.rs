//! What a worker may ask of any lane that has a connection. A lane never knows which worker runs it.

use super::gateway::GatewayCounters;
use super::outage::Outage;
use super::publisher::PublisherCounters;
use super::turn::{Ask, Turn};
use crate::base::{Instrument, InstrumentId, Nanos, ServerTime, Snapshot};
use crate::market::LINES_MAX;
use crate::wiring::feed::{BookTally, Delays, FeedCounters, Late};
use std::net::SocketAddr;

/// Lines that one lane has at most: three that carry the same, one that takes the place of another,
/// and four for what does not fit on one of them.
pub const LINES: usize = LINES_MAX;

/// What lanes counted, added up over a worker.
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
    /// Of the feed lanes of each exchange; one may be there more than once.
    pub exchanges: Vec<ExchangeTally>,
    /// Of each lane.
    pub outages: Vec<LaneOutage>,
}

/// When a lane had no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneOutage {
    /// Its exchange.
    pub exchange: &'static str,
    /// What the connection is for: `market data` or `orders`.
    pub of: &'static str,
    /// The times without one.
    pub outage: Outage,
}

/// What a feed lane counted, for its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeTally {
    /// Its name.
    pub exchange: &'static str,
    /// Text frames that came in.
    pub frames: u64,
    /// Frames that were refused whole.
    pub bad_frames: u64,
    /// Books, prints and quotes with a number that does not fit their instrument.
    pub unfit: u64,
    /// Levels without a price or, in a whole book, without a quantity.
    pub levels_dropped: u64,
    /// Prints without a price or a quantity.
    pub trades_dropped: u64,
    /// Quotes of one side.
    pub quotes_dropped: u64,
    /// Connections that went live.
    pub connects: u64,
    /// Books that strategies could read when the run ended.
    pub books_live: usize,
    /// How late its data came.
    pub delays: Delays,
    /// Why its connections end again and again without a healthy time in between, and how often in a row; `None`
    /// where none does.
    pub keeps_closing: Option<(&'static str, u32)>,
}

/// What is shown of a lane while it works; nothing where it has no market data.
#[derive(Debug, Clone, Copy, Default)]
pub struct LanePulse {
    /// Frames of market data so far.
    pub frames: u64,
    /// Books that are live now.
    pub live_books: usize,
    /// The book that has been dark for the longest time.
    pub darkest: Option<BookTally>,
    /// Its data comes late.
    pub late: Option<Late>,
}

/// A lane with connections of its own: its lines, which count from 0 and stay below [`LINES`].
pub trait Lane<S>: Send {
    /// A line's socket is readable, writable, or has a send stamp.
    fn handle_ready(&mut self, turn: &mut Turn, line: u8);
    /// Work of every turn. True when there was some.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool;
    /// True when the worker must not wait: there is work that nothing will announce.
    fn wants_turn(&self) -> bool;
    /// A socket may hold bytes that no readiness event will announce.
    fn has_unread(&self) -> bool;
    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] where nothing waits.
    fn poll_timeout(&self) -> Nanos;
    /// Does what is due at `now`.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos);
    /// What it asks of the world, and for which line; to be polled after every other call.
    fn poll_ask(&mut self, turn: &mut Turn, now: Nanos) -> Option<(u8, Ask)>;
    /// The answer to [`Ask::Resolve`], for every line that waits for it; `Err` where it failed.
    fn handle_resolved(&mut self, now: Nanos, addresses: Result<&[SocketAddr], ()>);
    /// The answer to [`Ask::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, line: u8, socket: Result<S, std::io::ErrorKind>);
    /// Another answer to [`Ask::Dial`]: as many connections were tried as the exchange takes; ask again at `until`.
    /// True if this attempt was not put off before.
    fn handle_postponed(&mut self, line: u8, until: Nanos) -> bool;
    /// The answer to [`Ask::Snapshot`]; `None` where it cannot be had.
    fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: Option<&Snapshot>,
    );
    /// The answer to [`Ask::Metadata`]: the instrument as it is listed now. What cannot be had is asked for again.
    fn handle_instrument(&mut self, turn: &mut Turn, now: Nanos, instrument: Instrument);
    /// The exchange told its time, beside its connections.
    fn handle_time(&mut self, turn: &mut Turn, now: Nanos, time: ServerTime);
    /// A line's socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self, line: u8) -> Option<&mut S>;
    /// The run is over: closes the connections, so that the exchange need not find out.
    fn shut_down(&mut self, now: Nanos);
    /// What is shown of it while it works.
    fn pulse(&self, now: Nanos) -> LanePulse;
    /// Adds its counters at the run's end.
    fn tally(&self, into: &mut Tally);
}
