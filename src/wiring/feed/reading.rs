//! What the words of one frame do to the books of a feed. Decodes nothing.

use super::age::{Age, Arrived};
use super::lines::Heard;
use super::pace::Pace;
use super::slot::{Depth, Outlet, Slot};
use super::touched::Touched;
use crate::base::{
    Channel, DecimalError, InstrumentId, Nanos, Quote, Stamps, Trade, UnixNanos, Word,
};
use crate::market::Update;
use crate::wiring::turn::Turn;

/// A number that does not fit its instrument: whose, of which stream, and why.
pub(super) type Misfit = (InstrumentId, Channel, DecimalError);

/// One frame as it is read: where it came from, and what of the feed it may change.
pub(super) struct Reading<'r, const N: usize> {
    pub(super) out: Outlet<'r>,
    pub(super) slots: &'r mut [Slot<N>],
    pub(super) places: &'r [u16],
    pub(super) touched: &'r mut Touched,
    pub(super) age: &'r mut Age,
    pub(super) pace: &'r mut Pace,
    pub(super) line: u8,
    pub(super) frame: &'r [u8],
    pub(super) arrived: Arrived,
    pub(super) stamps: Stamps,
    /// Several lines carry the same streams; this is the first one that does.
    pub(super) many: bool,
    pub(super) first: bool,
    /// The next message of a stream shows if one is missing.
    pub(super) shows_losses: bool,
    /// The newest number that did not fit.
    pub(super) misfit: Option<Misfit>,
}

impl<const N: usize> Reading<'_, N> {
    #[inline]
    pub(super) fn handle_word(&mut self, turn: &mut Turn, word: Word<'_>) {
        match word {
            Word::Diff(ref diff, bids, asks) | Word::Book(ref diff, bids, asks) => {
                let update = Update {
                    now: self.stamps.decode,
                    line: self.line,
                    diff,
                    bids,
                    asks,
                };
                self.depth(turn, matches!(word, Word::Book(..)), update);
            }
            Word::Trade(trade) => self.trade(turn, trade),
            Word::Quote(quote) => self.quote(turn, quote),
            Word::Unfit {
                instrument,
                channel,
                why,
            } => self.unfit(turn, (instrument, channel, why)),
            Word::Trading(instrument, on) => {
                let place = self.place(instrument);
                self.slots[place].trading(&mut self.out, turn, self.stamps, on);
            }
            Word::Answer { id, refused } => self.answer(refused, Heard::Answer { id, refused }),
            Word::Subscribed {
                instrument,
                channel,
                refused,
            } => {
                let heard = Heard::Subscribed {
                    instrument,
                    channel,
                    refused,
                };
                self.answer(refused, heard);
            }
            Word::Reply(text) => self.out.lines.hear(self.line, Heard::Reply(text)),
            Word::Shutdown => self.out.lines.hear(self.line, Heard::Shutdown),
        }
    }

    /// The place of an instrument whose slot is about to change.
    fn place(&mut self, id: InstrumentId) -> usize {
        let place = usize::from(self.places[id.index()]);
        self.touched.touch(place);
        place
    }

    fn now(&self) -> Nanos {
        self.stamps.decode
    }

    /// The instrument's slot has heard its stream. Returns its place.
    #[inline]
    fn hear(&mut self, id: InstrumentId, channel: Channel) -> usize {
        let (place, now) = (self.place(id), self.now());
        self.slots[place].hear(&mut self.out, now, self.line, channel);
        place
    }

    #[inline]
    fn depth(&mut self, turn: &mut Turn, whole: bool, update: Update<'_>) {
        let (place, now) = (self.place(update.diff.instrument), self.now());
        let depth = Depth {
            whole,
            as_of: self.age.as_of(self.arrived, update.diff.exch_time),
            update,
        };
        if self.slots[place].dates(&depth) {
            self.age.note(now, depth.as_of);
        }
        if self.first
            && let Some(slow) = self.pace.beat(place, &depth)
        {
            turn.notes
                .send(slow.note(now, depth.update.diff.instrument));
        }
        self.hear(depth.update.diff.instrument, Channel::Depth);
        self.slots[place].depth(&mut self.out, turn, self.stamps, &depth);
    }

    fn trade(&mut self, turn: &mut Turn, trade: Trade) {
        let place = self.hear(trade.instrument, Channel::Trades);
        let slot = &mut self.slots[place];
        if !slot.prints.is_new_trade(&trade, self.many, self.first) {
            self.out.counters.repeats += 1;
            return;
        }
        let as_of = self.age.as_of(self.arrived, trade.exch_time);
        slot.trade(&mut self.out, turn, self.stamps, as_of, trade);
    }

    fn quote(&mut self, turn: &mut Turn, quote: Quote) {
        let place = self.hear(quote.instrument, Channel::Quotes);
        let slot = &mut self.slots[place];
        if !slot.prints.is_new_quote(&quote, self.many, self.first) {
            self.out.counters.repeats += 1;
            return;
        }
        let as_of = self.age.as_of(self.arrived, UnixNanos(0));
        slot.quote(&mut self.out, turn, self.stamps, as_of, quote);
    }

    fn unfit(&mut self, turn: &mut Turn, misfit: Misfit) {
        let (instrument, channel, why) = misfit;
        let (place, now) = (self.place(instrument), self.now());
        self.out.counters.unfit += 1;
        // If the next message shows what is missing, a number that is none is as a lost message.
        let shown = why == DecimalError::Malformed && self.shows_losses;
        let slot = &mut self.slots[place];
        let carried = slot.is_in(channel, self.out.lines.part(self.line));
        let lost = channel == Channel::Depth && !shown && carried;
        slot.unfit(&mut self.out, turn, now, lost);
        self.misfit = Some(misfit);
    }

    fn answer(&mut self, refused: Option<i64>, heard: Heard) {
        if refused.is_some() {
            self.out.lines.refuse(self.frame);
        }
        self.out.lines.hear(self.line, heard);
    }
}
