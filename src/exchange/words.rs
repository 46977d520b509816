//! What one frame said, in buffers that are kept. Holds no protocol: decoders put words in, the feed takes them out.

use super::DecodeError;
use crate::base::feed::Channel;
use crate::base::{Diff, InstrumentId, Level, Quote, Side, Trade, Word};
use std::ops::Range;

/// Levels a side of all books of one frame, at most. What bounds them is [`Limits::message_bytes_max`]: a level takes
/// more than this many bytes of JSON.
///
/// [`Limits::message_bytes_max`]: super::Limits::message_bytes_max
pub const LEVELS_MAX: usize = super::MESSAGE_BYTES_MAX / LEVEL_BYTES_MIN;
/// `["1","2"],`
const LEVEL_BYTES_MIN: usize = 10;
/// Words of one frame, at most. Bybit sends up to 1,024 trades in one.
pub const WORDS_MAX: usize = 4_096;
/// Levels a side and words that there is room for from the start: a larger frame makes it grow.
const WARM_LEVELS: usize = 8_192;
const WARM_WORDS: usize = 1_024;

/// The words of one frame.
///
/// A decoder puts levels in with [`Self::push`] or [`Self::room`], and closes them with [`Self::diff`] or
/// [`Self::book`], which take all levels since the one before.
pub struct Words {
    entries: Vec<Entry>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    /// Where the levels begin that no entry has yet.
    open: (usize, usize),
    line_seq: Option<u64>,
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
    }

    /// Adds one level to those that the next [`Self::diff`] or [`Self::book`] takes.
    #[inline]
    pub fn push(&mut self, side: Side, level: Level) -> Result<(), DecodeError> {
        let levels = self.side(side);
        if levels.len() == LEVELS_MAX {
            return Err(DecodeError::TooManyLevels);
        }
        levels.push(level);
        Ok(())
    }

    /// `count` more levels, to be written over: the fast way where their number is known.
    #[inline]
    pub fn room(&mut self, side: Side, count: usize) -> Result<&mut [Level], DecodeError> {
        let levels = self.side(side);
        let from = levels.len();
        if count > LEVELS_MAX - from {
            return Err(DecodeError::TooManyLevels);
        }
        levels.resize(from + count, Level::default());
        Ok(&mut levels[from..])
    }

    /// Changed levels: all that were added since the last depth word.
    pub fn diff(&mut self, diff: Diff) -> Result<(), DecodeError> {
        self.depth(false, diff)
    }

    /// A whole book: all levels that were added since the last depth word.
    pub fn book(&mut self, diff: Diff) -> Result<(), DecodeError> {
        self.depth(true, diff)
    }

    /// A print.
    pub fn trade(&mut self, trade: Trade) -> Result<(), DecodeError> {
        self.plain(Word::Trade(trade))
    }

    /// The best bid and ask.
    pub fn quote(&mut self, quote: Quote) -> Result<(), DecodeError> {
        self.plain(Word::Quote(quote))
    }

    /// Trading was halted (false) or resumed.
    pub fn trading(&mut self, instrument: InstrumentId, on: bool) -> Result<(), DecodeError> {
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
    pub fn shutdown(&mut self) -> Result<(), DecodeError> {
        self.plain(Word::Shutdown)
    }

    /// The frame's number on its connection, where the exchange gives one.
    pub fn set_line_seq(&mut self, number: u64) {
        self.line_seq = Some(number);
    }

    /// See [`Self::set_line_seq`].
    pub fn line_seq(&self) -> Option<u64> {
        self.line_seq
    }

    /// What the frame said, in its order; nothing where it concerns nobody.
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

    #[inline]
    fn depth(&mut self, whole: bool, diff: Diff) -> Result<(), DecodeError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Px, Qty, UnixNanos};

    fn level(px: i64) -> Level {
        Level {
            px: Px(px),
            qty: Qty(1),
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
