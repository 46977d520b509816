//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use super::request;
use crate::base::{Channel, Diff, Instrument, Side, Trade};
use crate::exchange::kit::read::{self, Node, Scratch, Symbols, millis, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;

/// Levels a side of the book that buffers are warmed with. A larger one makes them grow, once.
const WARM_LEVELS: usize = 1_000;

/// The code of a refusal: the exchange gives words, no number.
const REFUSED: i64 = -1;

/// Decodes books, trades, tickers and answers.
pub struct FuturesDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl FuturesDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        // Both sides, three times over: quoted numbers are given three times the room of a frame.
        let level = r#"{"price":123456.75,"qty":1234567.8901}"#;
        let sample = format!("[{}]", vec![level; 6 * WARM_LEVELS].join(","));
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for FuturesDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read_exact(frame, |nodes| {
            words.clear();
            message(nodes, symbols, words)?;
            words.end()
        })
    }
}

/// Where the values of a message stand; zero, the root's own place, where the key is absent.
#[derive(Default)]
struct Keys {
    event: usize,
    message: usize,
    feed: usize,
    product_id: usize,
    product_ids: usize,
    seq: usize,
    uid: usize,
    timestamp: usize,
    time: usize,
    side: usize,
    price: usize,
    qty: usize,
    bids: usize,
    asks: usize,
    bid: usize,
    bid_size: usize,
    ask: usize,
    ask_size: usize,
}

#[inline]
fn message(nodes: &[Node<'_>], symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let Some(Node::Object { .. }) = nodes.first() else {
        return Err(Shape);
    };
    let mut at = Keys::default();
    for (key, value) in read::entries(nodes, 0) {
        match key {
            b"event" => at.event = value,
            b"message" => at.message = value,
            b"feed" => at.feed = value,
            b"product_id" => at.product_id = value,
            b"product_ids" => at.product_ids = value,
            b"seq" => at.seq = value,
            b"uid" => at.uid = value,
            b"timestamp" => at.timestamp = value,
            b"time" => at.time = value,
            b"side" => at.side = value,
            b"price" => at.price = value,
            b"qty" => at.qty = value,
            b"bids" => at.bids = value,
            b"asks" => at.asks = value,
            b"bid" => at.bid = value,
            b"bid_size" => at.bid_size = value,
            b"ask" => at.ask = value,
            b"ask_size" => at.ask_size = value,
            _ => {}
        }
    }
    if at.event != 0 {
        return answer(nodes, &at, symbols, words);
    }
    if at.feed == 0 {
        return Ok(());
    }
    match text(nodes, at.feed)? {
        "book" => words.one(Channel::Depth, |words| change(nodes, &at, symbols, words)),
        "book_snapshot" => words.one(Channel::Depth, |words| book(nodes, &at, symbols, words)),
        "trade" => words.one(Channel::Trades, |words| trade(nodes, &at, symbols, words)),
        "ticker" => words.one(Channel::Quotes, |words| quote(nodes, &at, symbols, words)),
        // Among them `trade_snapshot`, trades of the past, and `ticker_lite`, prices without sizes.
        _ => Ok(()),
    }
}

/// `{"event":"subscribed","feed":"book","product_ids":["PI_XBTUSD"]}`. Errors (`alert`, `error`)
/// name neither feed nor product.
fn answer(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let refused = match text(nodes, at.event)? {
        "subscribed" => None,
        "subscribed_failed" => Some(REFUSED),
        "alert" | "error" => {
            let said = nodes.get(at.message).and_then(read::string).unwrap_or("");
            // What is followed already is no refusal.
            return match said.starts_with("Already subscribed") {
                true => Ok(()),
                false => words.answer(0, Some(REFUSED)),
            };
        }
        _ => return Ok(()),
    };
    let Some(channel) = request::channel_of(text(nodes, at.feed)?) else {
        return Ok(());
    };
    let Node::Array { .. } = node(nodes, at.product_ids)? else {
        return Err(Shape);
    };
    for item in read::items(nodes, at.product_ids) {
        let listed = read::listed(nodes, item, symbols)?;
        words.subscribed(listed.id, channel, refused)?;
    }
    Ok(())
}

fn head(nodes: &[Node<'_>], at: &Keys, listed: &read::Listed) -> Result<Diff, DecodeError> {
    let seq = unsigned(nodes, at.seq)?;
    Ok(Diff {
        instrument: listed.id,
        first_id: seq,
        last_id: seq,
        prev_id: None,
        checksum: None,
        exch_time: millis(nodes, at.timestamp)?,
    })
}

fn side(nodes: &[Node<'_>], at: usize) -> Result<Side, DecodeError> {
    match text(nodes, at)? {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(Shape),
    }
}

/// One level:
/// `{"feed":"book","product_id":…,"side":"buy","seq":…,"price":…,"qty":…,"timestamp":…}`.
#[inline]
fn change(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    let level = read::level(text(nodes, at.price)?, text(nodes, at.qty)?, listed)?;
    words.push(side(nodes, at.side)?, level)?;
    words.diff(head(nodes, at, listed)?)
}

/// `{"feed":"book_snapshot","bids":[{"price":…,"qty":…}],"asks":[…],…}`. Levels without a quantity
/// do occur in it; nothing rests there.
fn book(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    for (side, levels) in [(Side::Buy, at.bids), (Side::Sell, at.asks)] {
        let Node::Array { .. } = node(nodes, levels)? else {
            return Err(Shape);
        };
        for item in read::items(nodes, levels) {
            let (px, qty) = price_and_qty(nodes, item)?;
            words.push(side, read::level(px, qty, listed)?)?;
        }
    }
    words.book(head(nodes, at, listed)?)
}

/// The texts of `{"price":…,"qty":…}`.
pub fn price_and_qty<'i>(nodes: &[Node<'i>], at: usize) -> Result<(&'i str, &'i str), DecodeError> {
    let value = |key: &[u8]| text(nodes, read::find(nodes, at, key).ok_or(Shape)?);
    Ok((value(b"price")?, value(b"qty")?))
}

fn trade(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    words.trade(Trade {
        instrument: listed.id,
        id: match at.uid {
            0 => read::identity(nodes, at.seq)?, // Old recordings may lack it.
            uid => read::identity(nodes, uid)?,
        },
        px: read::px(text(nodes, at.price)?, listed)?,
        qty: read::qty(text(nodes, at.qty)?, listed)?,
        taker: side(nodes, at.side)?,
        exch_time: millis(nodes, at.time)?,
    })
}

/// The best levels are part of a ticker where there are any.
fn quote(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    let absent = |field| field == 0 || nodes.get(field).is_none_or(read::is_null);
    let level = |px, qty| match absent(px) || absent(qty) {
        true => Ok(None),
        false => read::level(text(nodes, px)?, text(nodes, qty)?, listed).map(Some),
    };
    let (bid, ask) = (level(at.bid, at.bid_size)?, level(at.ask, at.ask_size)?);
    words.quote(listed.id, 0, bid, ask)
}

#[cfg(test)]
mod tests;
