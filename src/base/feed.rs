//! Market data between `exchange`, which decodes it, and `market`, which makes a picture of it.

use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty, Side};
use super::time::UnixNanos;

/// One decoded frame. Levels are borrowed from the decoder's scratch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Word<'s> {
    /// Absolute quantities of changed levels; a zero quantity removes the level.
    Diff(Diff, &'s [Level], &'s [Level]),
    /// A print.
    Trade(Trade),
    /// The best bid and ask.
    Quote(Quote),
    /// The exchange's answer to a request with this id: accepted, or refused with its code.
    Answer {
        /// The request's number, counting from 1.
        id: u64,
        /// The exchange's code where it refused; `None` where it accepted.
        refused: Option<i64>,
    },
    /// The exchange is about to cut this connection.
    Shutdown,
    /// Well-formed, and nothing that this engine uses.
    Ignored,
}

/// The head of a depth update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diff {
    /// Whose book it changes.
    pub instrument: InstrumentId,
    /// First and last update id that this message covers; `first_id <= last_id`.
    pub first_id: u64,
    /// See `first_id`.
    pub last_id: u64,
    /// The last id of the message before it, where the exchange states one.
    pub prev_id: Option<u64>,
    /// The exchange's own time of it; zero where it states none.
    pub exch_time: UnixNanos,
}

/// A print on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// What was traded.
    pub instrument: InstrumentId,
    /// The exchange's number of it.
    pub id: u64,
    /// At which price.
    pub px: Px,
    /// How much, above zero.
    pub qty: Qty,
    /// The side of the order that took.
    pub taker: Side,
    /// The exchange's own time of it; zero where it states none.
    pub exch_time: UnixNanos,
}

/// Best bid and ask as the exchange pushes them, beside its book stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Whose best levels they are.
    pub instrument: InstrumentId,
    /// The id of the book update that it belongs to, where the exchange states one; else zero.
    pub update_id: u64,
    /// The highest bid and all that rests there.
    pub bid: Level,
    /// The lowest ask and all that rests there.
    pub ask: Level,
}

/// A whole book at one update id, best level first on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The update id that it stands at.
    pub last_id: u64,
    /// Highest price first.
    pub bids: Vec<Level>,
    /// Lowest price first.
    pub asks: Vec<Level>,
    /// Fewer levels came than were asked for, so that there are no more on that side.
    pub bids_whole: bool,
    /// As `bids_whole`, of the asks.
    pub asks_whole: bool,
}

/// Which snapshot a stream of diffs starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotFrom {
    /// Fetched beside the stream; diffs are buffered until it is there.
    Rest,
    /// The first message of the stream.
    Stream,
}

/// How one diff follows another. `L` is the id that the book stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Ids are dense: the next message has `first_id <= L + 1`.
    Dense,
    /// Each message names its predecessor: `prev_id == L`.
    Previous,
}

/// How the first diff joins the snapshot `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splice {
    /// `first_id <= S + 1 <= last_id`; messages with `last_id <= S` are dropped.
    After,
    /// `first_id <= S <= last_id`; messages with `last_id < S` are dropped.
    Around,
}

/// An exchange's sequencing rule, as data: the exchange names it, `market` runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeqRule {
    /// Where the first book comes from.
    pub snapshot: SnapshotFrom,
    /// How the first diff joins it.
    pub splice: Splice,
    /// How each further diff follows.
    pub chain: Chain,
}
