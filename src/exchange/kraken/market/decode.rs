//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use super::{request, v1};
use crate::base::{Channel, Diff, Instrument, InstrumentId, Side, Trade, UnixNanos};
use crate::exchange::kit::{Prices, Symbols, Value, cursor, decoder, keys};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: the largest window, whole.
const WARM_LEVELS: usize = 1_000;

/// The keys of a level, in the exchange's order.
pub(crate) const PRICE_AND_QTY: [&str; 2] = ["price", "qty"];
/// The code of a refusal: the exchange gives words, no number.
pub(crate) const REFUSED: i64 = -1;

/// Decodes books, trades, tickers, states of the exchange and answers, of both versions of the
/// protocol.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let open = instruments.iter().filter(|instrument| instrument.trading);
    let open = Open(open.map(|instrument| instrument.id).collect());
    let levels = (
        r#"{"price":12345678.9,"qty":123456.12345678}"#,
        2 * WARM_LEVELS,
    );
    decoder::warm(
        instruments,
        Prices::Numbers,
        levels,
        move |root, symbols, words| {
            if root.is_object() {
                message(root, symbols, &open, words)
            } else {
                v1::message(root, symbols, words)
            }
        },
    )
}

/// Instruments that can be traded as far as they are concerned: a halt of the exchange concerns all
/// of them.
pub(crate) struct Open(Box<[InstrumentId]>);

impl Open {
    /// The state of the whole exchange: `online`, `cancel_only`, `post_only`, `limit_only`,
    /// `maintenance`. Only the first one takes every order.
    pub(crate) fn state(&self, state: Value<'_>, words: &mut Words) -> Result<(), DecodeError> {
        let on = state.text()? == "online";
        self.0.iter().try_for_each(|id| words.trading(*id, on))
    }
}

keys! {
    /// A root object.
    struct Envelope {
        channel, kind = "type", data, method, event, error, success, result, req_id,
    }
    order [channel, kind, data]
    order [channel = "heartbeat"]
}

#[inline]
fn message(
    root: Value<'_>,
    symbols: &Symbols,
    open: &Open,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    if at.channel.is_absent() {
        return match at.event.is_absent() {
            true => answer(&at, symbols, words),
            false => v1::event(root, symbols, open, words),
        };
    }
    match at.channel.text()? {
        "book" => {
            let whole = is_snapshot(at.kind)?;
            at.data.array()?.try_for_each(|item| {
                words.one(Channel::Depth, |words| book(item, whole, symbols, words))
            })
        }
        // The trades of the past that a subscription begins with are no news.
        "trade" if is_snapshot(at.kind)? => Ok(()),
        "trade" => at
            .data
            .array()?
            .try_for_each(|item| words.one(Channel::Trades, |words| trade(item, symbols, words))),
        "ticker" => at
            .data
            .array()?
            .try_for_each(|item| words.one(Channel::Quotes, |words| quote(item, symbols, words))),
        "status" => {
            let mut all = at.data.array()?;
            all.try_for_each(|item| open.state(item.find(b"system"), words))
        }
        _ => Ok(()),
    }
}

fn is_snapshot(kind: Value<'_>) -> Result<bool, DecodeError> {
    kind.is_first(["snapshot", "update"])
}

keys! {
    /// `{"symbol":…,"bids":[{"price":…,"qty":…}],"asks":[…],"checksum":…,"timestamp":"…"}`; older
    /// snapshots come without a time.
    struct Book { symbol, bids, asks, checksum, timestamp }
    order [symbol, bids, asks, checksum, ? timestamp]
}

fn book(
    item: Value<'_>,
    whole: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(item);
    let listed = keys.symbol.listed(symbols)?;
    keys.bids
        .named_levels(PRICE_AND_QTY, listed, Side::Buy, words)?;
    keys.asks
        .named_levels(PRICE_AND_QTY, listed, Side::Sell, words)?;
    let checksum = u32::try_from(keys.checksum.unsigned()?).map_err(|_| Shape)?;
    let time = keys
        .timestamp
        .some()
        .map_or(Ok(UnixNanos(0)), Value::rfc3339)?;
    let diff = Diff {
        checksum: Some(checksum),
        ..listed.head(0, time)
    };
    words.depth(whole, diff)
}

keys! {
    /// A trade.
    struct Print { symbol, trade_id, price, qty, side, timestamp }
    order [symbol, side, price, qty, "ord_type", trade_id, timestamp]
}

fn trade(item: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(item);
    let listed = keys.symbol.listed(symbols)?;
    words.trade(Trade {
        instrument: listed.id,
        id: keys.trade_id.identity()?,
        px: keys.price.px(listed)?,
        qty: keys.qty.qty(listed)?,
        taker: keys.side.side(["buy", "sell"])?,
        exch_time: keys.timestamp.rfc3339()?,
    })
}

keys! {
    /// The best bid and ask.
    struct Ticker { symbol, bid, bid_qty, ask, ask_qty }
    order [
        symbol, bid, bid_qty, ask, ask_qty, ? "last", ? "volume", ? "vwap", ? "low", ? "high",
        ? "change", ? "change_pct", ? "timestamp"
    ]
}

fn quote(item: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Ticker::of(item);
    let listed = keys.symbol.listed(symbols)?;
    let bid = cursor::best([keys.bid, keys.bid_qty], listed)?;
    let ask = cursor::best([keys.ask, keys.ask_qty], listed)?;
    words.quote(listed.id, 0, bid, ask)
}

/// `{"method":"subscribe","result":{"channel":…,"symbol":…},"success":true,"req_id":1}`, one a
/// symbol. A refusal names the symbol and not the channel, so that only the request's id tells what
/// was refused. What is followed already is no refusal.
fn answer(at: &Envelope<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let refused = match (at.success.is_absent(), at.error.is_absent()) {
        (true, true) => return Ok(()), // A pong.
        (true, false) => true,
        (false, _) => !at.success.boolean()?,
    };
    let subscribing = !at.method.is_absent() && at.method.text()? == "subscribe";
    if subscribing && !refused {
        return match request::channel_of(at.result.find(b"channel").text()?) {
            None => Ok(()),
            Some(channel) => {
                let listed = at.result.find(b"symbol").listed(symbols)?;
                words.subscribed(listed.id, channel, None)
            }
        };
    }
    let refused = refused && at.error.string() != Some("Already subscribed");
    match at.req_id.is_absent() {
        true if refused => words.answer(0, Some(REFUSED)),
        true => Ok(()),
        false => words.answer(at.req_id.unsigned()?, refused.then_some(REFUSED)),
    }
}

#[cfg(test)]
mod tests;
