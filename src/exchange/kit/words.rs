//! What one frame said, in buffers that are kept. Holds no protocol: decoders put words in, the
//! feed takes them out.

use crate::base::feed::Channel;
use crate::base::{DecimalError, Diff, InstrumentId, Level, Px, Qty, Quote, Side, Trade, Word};
use crate::exchange::{self, DecodeError};
use std::ops::Range;

/// Levels a side of all books of one frame, at most. What bounds them is
/// [`Limits::message_bytes_max`]: a level takes more than this many bytes of JSON.
///
/// [`Limits::message_bytes_max`]: exchange::Limits::message_bytes_max
pub(crate) const LEVELS_MAX: usize = exchange::MESSAGE_BYTES_MAX / LEVEL_BYTES_MIN;
/// `["1","2"],`
const LEVEL_BYTES_MIN: usize = 10;
/// Words of one frame, at most. Bybit sends up to 1,024 trades in one.
pub const WORDS_MAX: usize = 4_096;
/// Levels a side and words that there is room for from the start: a larger frame makes it grow.
const WARM_LEVELS: usize = 8_192;
const WARM_WORDS: usize = 1_024;

/// What a frame said that no word may say: nothing trades at a price of zero or below, and nothing
/// without a quantity is a print, a quote or a level of a whole book. The rest of the frame counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Levels, of both sides.
    pub levels: u32,
    /// Prints.
    pub trades: u32,
    /// Quotes, those of one side only among them.
    pub quotes: u32,
}

/// What a frame has that this build does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strange {
    /// It is a message of this template, and says nothing.
    Template(u16),
    /// It is of this later version of its schema. What this build knows of it was read.
    Version(u16),
}

/// The words of one frame.
///
/// A decoder puts levels in with `push` or `room`, and closes them with
/// `diff` or `book`, which take all levels since the one before.
///
/// Invariant: no word has a price of zero or below, and only a level of a diff has a quantity of
/// zero.
pub struct Words {
    entries: Vec<Entry>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Where the levels begin that no entry has yet.
    open: (usize, usize),
    line_seq: Option<u64>,
    dropped: Dropped,
    strangers: u32,
    scanned: bool,
    strange: Option<Strange>,
}

#[derive(Clone)]
enum Entry {
    Depth {
        whole: bool,
        diff: Diff,
        bids: Range<usize>,
        asks: Range<usize>,
    },
    Plain(Word<'static>),
}

impl Words {
    /// Empty, and warm.
    #[expect(clippy::new_without_default, reason = "it allocates: say so")]
    pub fn new() -> Self {
        Self {
            entries: Vec::with_capacity(WARM_WORDS),
            bids: Vec::with_capacity(WARM_LEVELS),
            asks: Vec::with_capacity(WARM_LEVELS),
            open: (0, 0),
            line_seq: None,
            dropped: Dropped::default(),
            strangers: 0,
            scanned: false,
            strange: None,
        }
    }

    /// Gives back what a large frame made it grow by.
    pub fn shrink(&mut self) {
        self.clear();
        self.entries.shrink_to(WARM_WORDS);
        self.bids.shrink_to(WARM_LEVELS);
        self.asks.shrink_to(WARM_LEVELS);
    }

    /// Forgets the last frame.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bids.clear();
        self.asks.clear();
        self.open = (0, 0);
        self.line_seq = None;
        self.dropped = Dropped::default();
        self.strangers = 0;
        self.scanned = false;
        self.strange = None;
    }

    /// Reads one word of the frame. What is wrong with it alone costs it alone: a number that does
    /// not fit is said as [`Word::Unfit`], and an instrument that nobody follows is passed over.
    #[inline]
    pub(crate) fn one(
        &mut self,
        channel: Channel,
        read: impl FnOnce(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        match read(self) {
            Err(DecodeError::Number(id, why)) => self.unfit(id, channel, why),
            Err(DecodeError::UnknownSymbol) => {
                self.close();
                self.strangers += 1;
                Ok(())
            }
            done => done,
        }
    }

    /// The end of the frame: one that is only about instruments that nobody follows is refused.
    #[inline]
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.strangers > 0 && self.entries.is_empty() {
            true => Err(DecodeError::UnknownSymbol),
            false => Ok(()),
        }
    }

    /// What the frame said that no word may say.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Adds one level to those that the next [`Self::diff`] or [`Self::book`] takes.
    #[inline]
    pub(crate) fn push(&mut self, side: Side, level: Level) -> Result<(), DecodeError> {
        let levels = self.side(side);
        if levels.len() == LEVELS_MAX {
            return Err(DecodeError::TooManyLevels);
        }
        levels.push(level);
        Ok(())
    }

    /// `count` more levels, to be written over: the fast way if their number is known.
    #[inline]
    pub(crate) fn room(&mut self, side: Side, count: usize) -> Result<&mut [Level], DecodeError> {
        let levels = self.side(side);
        let from = levels.len();
        if count > LEVELS_MAX - from {
            return Err(DecodeError::TooManyLevels);
        }
        levels.resize(from + count, Level::default());
        Ok(&mut levels[from..])
    }

    /// Changed levels: all that were added since the last depth word.
    pub(crate) fn diff(&mut self, diff: Diff) -> Result<(), DecodeError> {
        self.depth(false, diff)
    }

    /// A whole book: all levels that were added since the last depth word.
    pub(crate) fn book(&mut self, diff: Diff) -> Result<(), DecodeError> {
        self.depth(true, diff)
    }

    /// A print; nothing if its price or its quantity is none.
    pub(crate) fn trade(&mut self, trade: Trade) -> Result<(), DecodeError> {
        if trade.px <= Px(0) || trade.qty == Qty(0) {
            self.dropped.trades += 1;
            return Ok(());
        }
        self.plain(Word::Trade(trade))
    }

    /// The best bid and ask. There is no quote of one side: a side that is absent, or empty in the
    /// exchange's way (a price or a quantity of zero), leaves nothing to say.
    pub(crate) fn quote(
        &mut self,
        instrument: InstrumentId,
        update_id: u64,
        bid: Option<Level>,
        ask: Option<Level>,
    ) -> Result<(), DecodeError> {
        let there = |side: Option<Level>| side.filter(|at| at.px > Px(0) && at.qty > Qty(0));
        let (Some(bid), Some(ask)) = (there(bid), there(ask)) else {
            self.dropped.quotes += 1;
            return Ok(());
        };
        self.plain(Word::Quote(Quote {
            instrument,
            update_id,
            bid,
            ask,
        }))
    }

    /// Trading was halted (false) or resumed.
    pub(crate) fn trading(
        &mut self,
        instrument: InstrumentId,
        on: bool,
    ) -> Result<(), DecodeError> {
        self.plain(Word::Trading(instrument, on))
    }

    /// The answer to the request `id`.
    pub fn answer(&mut self, id: u64, refused: Option<i64>) -> Result<(), DecodeError> {
        self.plain(Word::Answer { id, refused })
    }

    /// The answer about one stream.
    pub fn subscribed(
        &mut self,
        instrument: InstrumentId,
        channel: Channel,
        refused: Option<i64>,
    ) -> Result<(), DecodeError> {
        self.plain(Word::Subscribed {
            instrument,
            channel,
            refused,
        })
    }

    /// What must be sent back at once.
    pub fn reply(&mut self, text: &'static str) -> Result<(), DecodeError> {
        self.plain(Word::Reply(text))
    }

    /// The connection is about to be cut.
    pub(crate) fn shutdown(&mut self) -> Result<(), DecodeError> {
        self.plain(Word::Shutdown)
    }

    /// The frame's number on its connection, if the exchange gives one.
    pub(crate) fn set_line_seq(&mut self, number: u64) {
        self.line_seq = Some(number);
    }

    /// See `set_line_seq`.
    pub fn line_seq(&self) -> Option<u64> {
        self.line_seq
    }

    /// The frame was read where it lay: see [`super::scan`].
    #[inline]
    pub(crate) fn set_scanned(&mut self) {
        self.scanned = true;
    }

    /// The frame was read where it lay, by the order of keys that its exchange is known to write;
    /// otherwise it went over a tape.
    pub fn scanned(&self) -> bool {
        self.scanned
    }

    /// What the frame has that this build does not read.
    #[cold]
    pub(crate) fn set_strange(&mut self, strange: Strange) {
        self.strange = Some(strange);
    }

    /// See `set_strange`.
    #[inline]
    pub fn strange(&self) -> Option<Strange> {
        self.strange
    }

    /// What the frame said, in its order; nothing if it concerns nobody.
    pub fn iter(&self) -> impl Iterator<Item = Word<'_>> {
        self.entries.iter().map(|entry| match entry {
            Entry::Depth {
                whole,
                diff,
                bids,
                asks,
            } => {
                let (bids, asks) = (&self.bids[bids.clone()], &self.asks[asks.clone()]);
                if *whole {
                    Word::Book(*diff, bids, asks)
                } else {
                    Word::Diff(*diff, bids, asks)
                }
            }
            Entry::Plain(word) => *word,
        })
    }

    #[inline]
    fn side(&mut self, side: Side) -> &mut Vec<Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// What was said of this stream does not fit. The levels that came with it are forgotten.
    #[cold]
    fn unfit(
        &mut self,
        instrument: InstrumentId,
        channel: Channel,
        why: DecimalError,
    ) -> Result<(), DecodeError> {
        self.close();
        self.plain(Word::Unfit {
            instrument,
            channel,
            why,
        })
    }

    /// Forgets the levels that no word has.
    fn close(&mut self) {
        self.bids.truncate(self.open.0);
        self.asks.truncate(self.open.1);
    }

    /// A whole book, or changed levels: all that were added since the last depth word.
    #[inline]
    pub(crate) fn depth(&mut self, whole: bool, diff: Diff) -> Result<(), DecodeError> {
        let (bids, asks) = (&self.bids[self.open.0..], &self.asks[self.open.1..]);
        let empty = |levels: &[Level]| whole && levels.iter().any(|at| at.qty == Qty(0));
        if priceless(bids) || priceless(asks) || empty(bids) || empty(asks) {
            self.drop_levels(|at| at.px <= Px(0) || (whole && at.qty == Qty(0)));
        }
        let (bids, asks) = (self.bids.len(), self.asks.len());
        let entry = Entry::Depth {
            whole,
            diff,
            bids: self.open.0..bids,
            asks: self.open.1..asks,
        };
        self.open = (bids, asks);
        self.add(entry)
    }

    /// Leaves levels at which nothing rests out of the word that is being made.
    #[cold]
    fn drop_levels(&mut self, nothing: impl Fn(&Level) -> bool) {
        for (levels, from) in [(&mut self.bids, self.open.0), (&mut self.asks, self.open.1)] {
            let mut kept = from;
            for at in from..levels.len() {
                if !nothing(&levels[at]) {
                    levels[kept] = levels[at];
                    kept += 1;
                }
            }
            self.dropped.levels += (levels.len() - kept) as u32;
            levels.truncate(kept);
        }
    }

    #[inline]
    fn plain(&mut self, word: Word<'static>) -> Result<(), DecodeError> {
        self.add(Entry::Plain(word))
    }

    #[inline]
    fn add(&mut self, entry: Entry) -> Result<(), DecodeError> {
        if self.entries.len() == WORDS_MAX {
            return Err(DecodeError::TooManyLevels);
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// Some of these levels have a price of zero or below. Signs are joined rather than looked at one
/// by one: it runs over every level of every message.
#[inline]
fn priceless(levels: &[Level]) -> bool {
    let join = |signs: i64, at: &Level| signs | at.px.0.wrapping_sub(1);
    levels.iter().fold(0, join) < 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::UnixNanos;

    fn level(px: i64) -> Level {
        Level {
            px: Px(px),
            qty: Qty(1),
        }
    }

    fn print(px: i64, qty: u64) -> Trade {
        Trade {
            instrument: InstrumentId(0),
            id: 1,
            px: Px(px),
            qty: Qty(qty),
            taker: Side::Buy,
            exch_time: UnixNanos(0),
        }
    }

    fn head(last_id: u64) -> Diff {
        Diff {
            instrument: InstrumentId(0),
            first_id: last_id,
            last_id,
            prev_id: None,
            checksum: None,
            exch_time: UnixNanos(0),
        }
    }

    #[test]
    fn each_depth_word_has_the_levels_that_were_added_before_it() {
        let mut words = Words::new();
        words.push(Side::Buy, level(1)).unwrap();
        words.room(Side::Sell, 2).unwrap().fill(level(2));
        words.book(head(1)).unwrap();
        words.shutdown().unwrap();
        words.push(Side::Sell, level(3)).unwrap();
        words.diff(head(2)).unwrap();
        let said: Vec<Word<'_>> = words.iter().collect();
        assert_eq!(
            said,
            [
                Word::Book(head(1), &[level(1)], &[level(2), level(2)]),
                Word::Shutdown,
                Word::Diff(head(2), &[], &[level(3)]),
            ]
        );
        words.clear();
        assert_eq!(words.iter().count(), 0);
    }

    #[test]
    fn what_has_no_price_or_no_quantity_is_left_out_and_counted() {
        let mut words = Words::new();
        let at = |px, qty| Level {
            px: Px(px),
            qty: Qty(qty),
        };
        for (px, qty) in [(2, 1), (0, 9), (1, 0), (-1, 9)] {
            words.push(Side::Buy, at(px, qty)).unwrap();
        }
        words.push(Side::Sell, at(3, 0)).unwrap();
        words.book(head(1)).unwrap();
        for (px, qty) in [(2, 0), (0, 0)] {
            words.push(Side::Buy, at(px, qty)).unwrap();
        }
        words.diff(head(2)).unwrap();
        for (bid, ask) in [
            (Some(at(0, 0)), Some(at(2, 1))),
            (Some(at(1, 1)), Some(at(2, 0))),
            (Some(at(0, 1)), Some(at(2, 1))),
            (Some(at(1, 1)), None),
        ] {
            words.quote(InstrumentId(0), 7, bid, ask).unwrap();
        }
        for (px, qty) in [(1, 0), (0, 1), (-1, 1)] {
            words.trade(print(px, qty)).unwrap();
        }
        let said: Vec<Word<'_>> = words.iter().collect();
        let expected = [
            Word::Book(head(1), &[at(2, 1)], &[]),
            Word::Diff(head(2), &[at(2, 0)], &[]), // A level is taken away.
        ];
        assert_eq!(said, expected);
        let dropped = Dropped {
            levels: 5,
            trades: 3,
            quotes: 4,
        };
        assert_eq!(words.dropped(), dropped);
        words.clear();
        assert_eq!(words.dropped(), Dropped::default());
    }

    #[test]
    fn a_word_that_does_not_fit_or_is_a_strangers_takes_no_other_along() {
        let mut words = Words::new();
        words.trade(print(1, 1)).unwrap();
        let unfit = words.one(Channel::Depth, |words| {
            words.push(Side::Buy, level(1))?;
            Err(DecodeError::Number(InstrumentId(3), DecimalError::TooFine))
        });
        assert_eq!(unfit, Ok(()));
        let stranger = words.one(Channel::Depth, |words| {
            words.push(Side::Sell, level(1))?;
            Err(DecodeError::UnknownSymbol)
        });
        assert_eq!((stranger, words.end()), (Ok(()), Ok(())));
        let shape = words.one(Channel::Depth, |_| Err(DecodeError::Shape));
        assert_eq!(shape, Err(DecodeError::Shape));
        words.push(Side::Buy, level(2)).unwrap();
        words.diff(head(2)).unwrap();
        let said: Vec<Word<'_>> = words.iter().collect();
        let unfit = Word::Unfit {
            instrument: InstrumentId(3),
            channel: Channel::Depth,
            why: DecimalError::TooFine,
        };
        let expected = [
            Word::Trade(print(1, 1)),
            unfit,
            Word::Diff(head(2), &[level(2)], &[]),
        ];
        assert_eq!(said, expected);
        words.clear();
        let only = words.one(Channel::Trades, |_| Err(DecodeError::UnknownSymbol));
        assert_eq!(
            (only, words.end()),
            (Ok(()), Err(DecodeError::UnknownSymbol))
        );
    }

    #[test]
    fn a_frame_with_too_much_in_it_is_refused() {
        let mut words = Words::new();
        let full = words.room(Side::Buy, LEVELS_MAX).map(|room| room.len());
        assert_eq!(full, Ok(LEVELS_MAX));
        let more = words.push(Side::Buy, level(1));
        assert_eq!(more, Err(DecodeError::TooManyLevels));
        for _ in 0..WORDS_MAX {
            words.shutdown().unwrap();
        }
        assert_eq!(words.shutdown(), Err(DecodeError::TooManyLevels));
    }
}
