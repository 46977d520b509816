//! Market events in SBE, as the exchange writes them: schema 1, version 0 of the streams. Prices
//! and quantities go out at the instrument's own scales. Writes what it is given.

use crate::base::{Diff, Instrument, Level, Quote, Side, Trade, UnixNanos};
use crate::exchange::binance_spot::market::sbe::{BEST, CHANGES, SCHEMA, TRADES, WHOLE};

/// Changed levels, with their absolute quantities.
pub(super) fn changes(
    instrument: &Instrument,
    diff: &Diff,
    [bids, asks]: [&[Level]; 2],
) -> Vec<u8> {
    let mut frame = Frame::new(CHANGES, 26);
    frame.time(diff.exch_time);
    frame.number(diff.first_id);
    frame.number(diff.last_id);
    frame.exponents(instrument);
    frame.levels(bids);
    frame.levels(asks);
    frame.end(instrument)
}

/// The best levels, whole, of a book that stands at this diff.
pub(super) fn whole(instrument: &Instrument, diff: &Diff, [bids, asks]: [&[Level]; 2]) -> Vec<u8> {
    let mut frame = Frame::new(WHOLE, 18);
    frame.time(diff.exch_time);
    frame.number(diff.last_id);
    frame.exponents(instrument);
    frame.levels(bids);
    frame.levels(asks);
    frame.end(instrument)
}

/// One print. The exchange may put several of one order into a frame.
pub(super) fn trade(instrument: &Instrument, trade: &Trade) -> Vec<u8> {
    let mut frame = Frame::new(TRADES, 18);
    frame.time(trade.exch_time);
    frame.time(trade.exch_time);
    frame.exponents(instrument);
    frame.put(25u16.to_le_bytes());
    frame.put(1u32.to_le_bytes());
    frame.number(trade.id);
    frame.level(&Level {
        px: trade.px,
        qty: trade.qty,
    });
    frame.put([u8::from(trade.taker == Side::Sell)]);
    frame.end(instrument)
}

/// The best bid and ask.
pub(super) fn best(instrument: &Instrument, at: UnixNanos, quote: &Quote) -> Vec<u8> {
    let mut frame = Frame::new(BEST, 50);
    frame.time(at);
    frame.number(quote.update_id);
    frame.exponents(instrument);
    frame.level(&quote.bid);
    frame.level(&quote.ask);
    frame.end(instrument)
}

struct Frame(Vec<u8>);

impl Frame {
    fn new(template: u16, block_bytes: u16) -> Self {
        let mut frame = Self(Vec::with_capacity(256));
        for part in [block_bytes, template, SCHEMA.0, SCHEMA.1] {
            frame.put(part.to_le_bytes());
        }
        frame
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.0.extend(bytes);
    }

    fn number(&mut self, number: u64) {
        self.put(number.to_le_bytes());
    }

    fn time(&mut self, at: UnixNanos) {
        self.put(at.as_micros().to_le_bytes());
    }

    fn exponents(&mut self, instrument: &Instrument) {
        let exponents = [instrument.px_scale, instrument.qty_scale];
        self.put(exponents.map(u8::wrapping_neg));
    }

    fn level(&mut self, level: &Level) {
        self.put(level.px.0.to_le_bytes());
        self.number(level.qty.0);
    }

    /// A group of levels, as many as its two bytes can count.
    fn levels(&mut self, levels: &[Level]) {
        let levels = &levels[..levels.len().min(u16::MAX.into())];
        self.put(16u16.to_le_bytes());
        self.put((levels.len() as u16).to_le_bytes());
        levels.iter().for_each(|level| self.level(level));
    }

    fn end(mut self, instrument: &Instrument) -> Vec<u8> {
        self.0.push(instrument.symbol.len() as u8); // A symbol has 48 bytes at most.
        self.0.extend(instrument.symbol.bytes());
        self.0
    }
}
