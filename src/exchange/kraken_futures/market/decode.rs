//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use super::request;
use crate::base::{Channel, Diff, Instrument, Side, Trade};
use crate::exchange::kit::{Listed, Prices, Symbols, Value, cursor, decoder, keys};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;

/// Levels a side of the book that buffers are warmed with. A larger one makes them grow, once.
const WARM_LEVELS: usize = 1_000;

/// The keys of a level, in the exchange's order.
pub(crate) const PRICE_AND_QTY: [&str; 2] = ["price", "qty"];
/// The code of a refusal: the exchange gives words, no number.
const REFUSED: i64 = -1;

/// Decodes books, trades, tickers and answers.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let levels = (r#"{"price":123456.75,"qty":1234567.8901}"#, 2 * WARM_LEVELS);
    decoder::warm(instruments, Prices::Numbers, levels, message)
}

keys! {
    /// A message of any kind.
    struct Keys {
        event, message, feed, product_id, product_ids, seq, uid, timestamp, time, side, price, qty,
        bids, asks, bid, bid_size, ask, ask_size,
    }
    order [feed = "book", product_id, side, seq, price, qty, timestamp]
    order [feed = "book_snapshot", product_id, timestamp, seq, "tickSize", bids, asks]
    order [feed = "trade", product_id, uid, side, "type", seq, time, qty, price]
    order [
        time, product_id, ? "funding_rate", ? "funding_rate_prediction",
        ? "relative_funding_rate", ? "relative_funding_rate_prediction",
        ? "next_funding_rate_time", ? "leverage", ? "premium", feed = "ticker", bid, ask, bid_size,
        ask_size, ? "volume", ? "dtm", ? "index", ? "last", ? "change", ? "suspended", ? "tag",
        ? "pair", ? "openInterest", ? "markPrice", ? "maturityTime", ? "post_only",
        ? "volumeQuote", ? "open", ? "high", ? "low"
    ]
    order [feed = "heartbeat", time]
}

#[inline]
fn message(root: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    if !root.is_object() {
        return Err(Shape);
    }
    let at = Keys::of(root);
    if !at.event.is_absent() {
        return answer(&at, symbols, words);
    }
    if at.feed.is_absent() {
        return Ok(());
    }
    match at.feed.text()? {
        "book" => words.one(Channel::Depth, |words| change(&at, symbols, words)),
        "book_snapshot" => words.one(Channel::Depth, |words| book(&at, symbols, words)),
        "trade" => words.one(Channel::Trades, |words| trade(&at, symbols, words)),
        "ticker" => words.one(Channel::Quotes, |words| quote(&at, symbols, words)),
        // Among them `trade_snapshot`, trades of the past, and `ticker_lite`, prices without sizes.
        _ => Ok(()),
    }
}

/// `{"event":"subscribed","feed":"book","product_ids":["PI_XBTUSD"]}`. Errors (`alert`, `error`)
/// name neither feed nor product.
fn answer(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let refused = match at.event.text()? {
        "subscribed" => None,
        "subscribed_failed" => Some(REFUSED),
        "alert" | "error" => {
            let said = at.message.string().unwrap_or_default();
            // What is followed already is no refusal.
            return match said.starts_with("Already subscribed") {
                true => Ok(()),
                false => words.answer(0, Some(REFUSED)),
            };
        }
        _ => return Ok(()),
    };
    let Some(channel) = request::channel_of(at.feed.text()?) else {
        return Ok(());
    };
    at.product_ids
        .array()?
        .try_for_each(|item| words.subscribed(item.listed(symbols)?.id, channel, refused))
}

fn head(at: &Keys<'_>, listed: &Listed) -> Result<Diff, DecodeError> {
    Ok(listed.head(at.seq.unsigned()?, at.timestamp.millis()?))
}

fn side(at: &Keys<'_>) -> Result<Side, DecodeError> {
    at.side.side(["buy", "sell"])
}

/// One level:
/// `{"feed":"book","product_id":…,"side":"buy","seq":…,"price":…,"qty":…,"timestamp":…}`.
#[inline]
fn change(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    let level = cursor::level(at.price, at.qty, listed)?;
    words.push(side(at)?, level)?;
    words.diff(head(at, listed)?)
}

/// `{"feed":"book_snapshot","bids":[{"price":…,"qty":…}],"asks":[…],…}`. Levels without a quantity
/// do occur in it; nothing rests there.
fn book(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    at.bids
        .named_levels(PRICE_AND_QTY, listed, Side::Buy, words)?;
    at.asks
        .named_levels(PRICE_AND_QTY, listed, Side::Sell, words)?;
    words.book(head(at, listed)?)
}

fn trade(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    words.trade(Trade {
        instrument: listed.id,
        id: at.uid.or(at.seq).identity()?, // Old recordings may lack the first.
        px: at.price.px(listed)?,
        qty: at.qty.qty(listed)?,
        taker: side(at)?,
        exch_time: at.time.millis()?,
    })
}

/// The best levels are part of a ticker if there are any.
fn quote(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    let level = |px: Value<'_>, qty: Value<'_>| match px.is_absent() || qty.is_absent() {
        true => Ok(None),
        false => cursor::best([px, qty], listed),
    };
    let (bid, ask) = (level(at.bid, at.bid_size)?, level(at.ask, at.ask_size)?);
    words.quote(listed.id, 0, bid, ask)
}

#[cfg(test)]
mod tests;
