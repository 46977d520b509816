//! The one stream that strategies read: books, trades, status, order reports and timers.

use super::account::AccountNews;
use super::feed::{Quote, Trade};
use super::instrument::{Instrument, InstrumentId};
use super::level::Top;
use super::order::{News, Report};
use super::time::{Nanos, RxStamps, Span, UnixNanos};

/// Levels per side that a book event carries by value.
pub const EVENT_LEVELS: usize = 10;

/// Data that is older than this when it is taken in is late: newer data is already on its way.
pub(crate) const LATE_MAX: Span = Span::from_millis(500);

/// When a frame passed each point of the road: the beginning of an order's receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Stamps {
    /// The stamps of the socket read that completed the frame.
    pub rx: RxStamps,
    /// TLS and WebSocket gave up the frame.
    pub frame: Nanos,
    /// It was decoded whole.
    pub decode: Nanos,
    /// The book was changed and the event handed to the ring.
    pub book: Nanos,
}

/// What a strategy must know beside the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Earlier states of this book were left out because the ring was full.
    pub conflated: bool,
    /// The first book of an epoch or after a resync: it cannot be compared with earlier ones.
    pub fresh: bool,
}

/// Whether an instrument's book, or a gateway, can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is no connection, and no book.
    Connecting,
    /// Connected: diffs wait for a snapshot.
    Buffering,
    /// Contiguous with the exchange and arriving in its rhythm: the only state in which strategies
    /// see it.
    Live,
    /// Contiguous, but its stream has been silent for longer than its own rhythm allows.
    Stale,
    /// Updates are missing, or the book stayed crossed: diffs wait for another snapshot.
    Resyncing,
}

/// What happened. A book is by far the largest, and by far the most frequent: it travels by value.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::large_enum_variant)]
pub enum Body {
    /// A live book, complete or saying that it is not.
    Book(Top<EVENT_LEVELS>),
    /// A print, with how many prints before it were lost to a full ring.
    Trade(Trade, u32),
    /// The best bid and ask of the quote stream. It runs beside the book and may be ahead of it or
    /// behind.
    Quote(Quote),
    /// The book's state changed. Anything but `Live` makes the last book unusable.
    Status(Status),
    /// The exchange halted trading of the instrument (false), or resumed it.
    Trading(bool),
    /// The exchange changed the instrument's listing: scales, tick, lot or limits. From here on
    /// every price and quantity is at the new scales; the last book is unusable.
    Instrument(Instrument),
    /// The gateway became ready for orders (true) or unready. On its way to the desk it says that
    /// the gateway is connected; strategies see it once the desk knows how the account stands.
    Gateway(bool),
    /// What the exit says of one of our orders, on its way to the desk. Strategies do not see it.
    News(News),
    /// What the account says beside that, on its way to the desk. Strategies do not see it.
    Account(AccountNews),
    /// News of one of our own orders, for the strategy that wanted it.
    Report(Report),
}

/// A market or order event: `Copy`, and a whole number of cache lines.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Event {
    /// The stamps of the frame that caused it; if there was none, only `book` is set.
    pub stamps: Stamps,
    /// The exchange's own time of the event; zero if it states none.
    pub exch_time: UnixNanos,
    /// The data was true at this time and may have changed since: its age counts from here. This is
    /// never later than the arrival of the bytes, nor than the exchange's own time of them. If
    /// neither is known, the data counts as infinitely old.
    pub as_of: Nanos,
    /// The id that the instrument's book stands at, also beside a trade or a quote; zero if there
    /// is no book.
    pub update_id: u64,
    /// Counts connections: a new epoch starts with an empty book.
    pub epoch: u32,
    /// [`InstrumentId::NONE`] if no instrument is meant.
    pub instrument: InstrumentId,
    /// How the body relates to the events before it.
    pub flags: Flags,
    /// What happened.
    pub body: Body,
}

const _: () = assert!(size_of::<Event>() == 448 && align_of::<Event>() == 64);
