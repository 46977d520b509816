//! Market data between `exchange`, which decodes it, and `market`, which makes a picture of it.

use super::decimal::DecimalError;
use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty, Side};
use super::time::{Nanos, UnixNanos};

/// No exchange's messages may be larger: decoders and recordings have room for them.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// One thing that a frame said. Levels are borrowed from the scratch that it was decoded into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Word<'s> {
    /// Absolute quantities of changed levels; a zero quantity removes the level.
    Diff(Diff, &'s [Level], &'s [Level]),
    /// The whole book, or all of the stream's window of it: it replaces what was known.
    Book(Diff, &'s [Level], &'s [Level]),
    /// A print.
    Trade(Trade),
    /// The best bid and ask.
    Quote(Quote),
    /// A number of this stream does not fit the instrument. If the stream is a book, something is
    /// missing from it from here on; a print or a quote is dropped. The other words of the frame
    /// are good.
    Unfit {
        /// Whose stream.
        instrument: InstrumentId,
        /// Which stream.
        channel: Channel,
        /// What is wrong with the number.
        why: DecimalError,
    },
    /// The exchange halted trading of this instrument (false), or resumed it.
    Trading(InstrumentId, bool),
    /// The exchange's answer to a request with this id: accepted, or refused with its code.
    Answer {
        /// The request's number, counting from 1.
        id: u64,
        /// The exchange's code if it refused; `None` if it accepted.
        refused: Option<i64>,
    },
    /// The exchange's answer about one stream of one instrument.
    Subscribed {
        /// Whose stream.
        instrument: InstrumentId,
        /// Which stream.
        channel: Channel,
        /// The exchange's code if it refused; `None` if it accepted.
        refused: Option<i64>,
    },
    /// The exchange wants this text back at once, or it cuts the connection.
    Reply(&'static str),
    /// The exchange is about to cut this connection.
    Shutdown,
}

/// A sort of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Channel {
    /// Book updates.
    Depth,
    /// Prints.
    Trades,
    /// The best bid and ask.
    Quotes,
}

impl Channel {
    /// Every sort.
    pub const ALL: [Self; 3] = [Self::Depth, Self::Trades, Self::Quotes];

    /// A word for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::Trades => "trades",
            Self::Quotes => "quotes",
        }
    }
}

/// The head of a depth update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diff {
    /// Whose book it changes.
    pub instrument: InstrumentId,
    /// First and last update id that this message covers; `first_id <= last_id`. A [`Word::Book`]
    /// stands at `last_id`. Zero if the exchange numbers nothing ([`Chain::Counted`]).
    pub first_id: u64,
    /// See `first_id`.
    pub last_id: u64,
    /// The last id of the message before it, if the exchange states one.
    pub prev_id: Option<u64>,
    /// The checksum of the book after it, if the exchange sends one.
    pub checksum: Option<u32>,
    /// The exchange's own time of it; zero if it states none.
    pub exch_time: UnixNanos,
}

/// A print on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// What was traded.
    pub instrument: InstrumentId,
    /// The exchange's number of it, or a hash of the text that identifies it; zero if it has
    /// neither. Two prints of an instrument at one time have different ones.
    pub id: u64,
    /// At which price, above zero.
    pub px: Px,
    /// How much, above zero.
    pub qty: Qty,
    /// The side of the order that took.
    pub taker: Side,
    /// The exchange's own time of it; zero if it states none.
    pub exch_time: UnixNanos,
}

/// Best bid and ask as the exchange pushes them, beside its book stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Whose best levels they are.
    pub instrument: InstrumentId,
    /// The id of the book update that it belongs to; zero if the exchange states none.
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
    /// When we asked for it: its data is at least this recent. Zero if nobody knows.
    pub asked: Nanos,
    /// Highest price first.
    pub bids: Vec<Level>,
    /// Lowest price first.
    pub asks: Vec<Level>,
    /// Fewer levels came than were asked for, so that there are no more on that side.
    pub bids_whole: bool,
    /// The same for the asks.
    pub asks_whole: bool,
    /// Levels that came in it without a price or a quantity, and were left out.
    pub dropped: u32,
}

/// Which snapshot a stream of diffs starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotFrom {
    /// Fetched beside the stream; diffs are buffered until it is there.
    Rest,
    /// A [`Word::Book`] of the stream itself. It is the first message, and any later one replaces
    /// the book. To get another one, we subscribe again.
    Stream,
}

/// How one diff follows another. `L` is the id that the book stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Ids are dense: the next message has `first_id <= L + 1`.
    Dense,
    /// Each message names its predecessor: `prev_id == L`. Its own id may be anything: if it
    /// repeats `L`, nothing happened; if it is smaller, the exchange has begun to count again. A
    /// message that names no predecessor counts as the next one if its id is larger and a checksum
    /// proves it.
    Previous,
    /// Ids only rise: `last_id >= L`. They do not show a lost message; the connection's own numbers
    /// may (see [`SeqRule::numbered_line`]).
    Rising,
    /// There are no ids: every message is the next one, and the book counts its updates itself,
    /// from 0.
    Counted,
}

/// How the first diff joins the snapshot `S`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Splice {
    /// `first_id <= S + 1 <= last_id`; messages with `last_id <= S` are dropped.
    After,
    /// `first_id <= S <= last_id`; messages with `last_id < S` are dropped.
    Around,
    /// Any message with `last_id > S`; others are dropped.
    Newer,
}

/// What a book's checksum is made of. Each is the CRC-32 (IEEE) of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The ten lowest asks, then the ten highest bids, best first; for each level the digits of
    /// price and quantity at the instrument's own scales, without point and leading zeros.
    Digits10,
    /// The 25 best levels per side in turn, `bid_px:bid_qty:ask_px:ask_qty:…`, in plain decimals
    /// without trailing zeros. A level that a side lacks adds nothing.
    Decimals25,
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
    /// The stream carries this many of the best levels per side and none beyond; `None` if it
    /// carries all.
    pub window: Option<u16>,
    /// Whole books may also come with only this many levels per side. A side of exactly this many
    /// may have more beyond.
    pub short: Option<u16>,
    /// The exchange does not delete levels that leave the window: we truncate the book to it after
    /// each message.
    pub truncates: bool,
    /// The checksum of messages that carry one.
    pub checksum: Option<Checksum>,
    /// The exchange numbers the frames of a connection: a missing number is a gap in all its books.
    pub numbered_line: bool,
}

impl SeqRule {
    /// Whether messages of several connections can be merged into one book: they are numbered, and
    /// not by connection.
    pub fn merges(&self) -> bool {
        self.chain != Chain::Counted && !self.numbered_line
    }

    /// Whether a lost message shows: in ids, in the connection's own numbers, or in a checksum. If
    /// not, a message that was not understood must count as a gap, and a snapshot must prove its
    /// own age.
    pub(crate) fn shows_losses(&self) -> bool {
        let by_ids = match self.chain {
            Chain::Dense | Chain::Previous => true,
            Chain::Rising | Chain::Counted => false,
        };
        by_ids || self.numbered_line || self.checksum.is_some()
    }

    /// Whether every lost message shows. A checksum shows those of its own levels only.
    pub(crate) fn shows_all_losses(&self) -> bool {
        self.shows_losses() && (self.checksum.is_none() || self.chain != Chain::Counted)
    }

    /// In-band snapshots, dense ids, no window, nothing to verify: the start of most rules.
    pub const STREAM: Self = Self {
        snapshot: SnapshotFrom::Stream,
        splice: Splice::After,
        chain: Chain::Dense,
        window: None,
        short: None,
        truncates: false,
        checksum: None,
        numbered_line: false,
    };
}
