//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

mod news;

use crate::base::{Channel, Instrument, InstrumentId, Level, Side, Trade, UnixNanos};
use crate::exchange::hyperliquid::channel;
use crate::exchange::kit::{Listed, Prices, Symbols, Value, cursor, decoder, keys};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;
use news::News;

/// Objects of the message that buffers are warmed with: a burst of trades, far more than two sides
/// of a book.
const WARM_ITEMS: usize = 256;
/// The code of a refusal: the exchange gives words only.
const REFUSED: i64 = -1;

/// Decodes books, trades and quotes, and the answers to subscriptions.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    const TRADE: &str = r#"{"coin":"BTC","hash":"0x0000000000000000000000000000000000000000000000000000000000000000","px":"105056.0","side":"B","sz":"0.00219","tid":121451470284048,"time":1737918794873,"users":["0x0000000000000000000000000000000000000000","0x0000000000000000000000000000000000000000"]}"#;
    let (trades, mut news) = ((TRADE, WARM_ITEMS), News::new(instruments));
    decoder::warm(
        instruments,
        Prices::Texts,
        trades,
        move |root, symbols, words| message(root, symbols, &mut news, words),
    )
}

keys! {
    /// A root object.
    struct Envelope { channel, data }
    order [channel, data]
}

/// One whole frame: `{"channel":…,"data":…}`.
#[inline]
fn message(
    root: Value<'_>,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    if at.channel.is_absent() {
        return Ok(());
    }
    let (name, data) = (at.channel.text()?, at.data);
    match channel(name) {
        Some(Channel::Depth) => words.one(Channel::Depth, |words| book(data, symbols, news, words)),
        Some(Channel::Trades) => trades(data, symbols, news, words),
        Some(Channel::Quotes) => words.one(Channel::Quotes, |words| quote(data, symbols, words)),
        None if name == "subscriptionResponse" => answer(data, symbols, news, words),
        None if name == "error" => error(data.text()?, symbols, words),
        None => Ok(()), // `pong` too.
    }
}

keys! {
    /// A book or a quote.
    struct Keys { coin, time, levels, bbo }
    order [coin, levels, time]
    order [coin, time, levels]
    order [bbo, coin, time]
    order [coin, time, bbo]
}

/// Two elements: of the bids and of the asks.
#[inline]
fn sides(pair: Value<'_>) -> Result<(Value<'_>, Value<'_>), DecodeError> {
    let mut both = pair.array()?;
    match (both.next(), both.next(), both.next()) {
        (Some(bids), Some(asks), None) => Ok((bids, asks)),
        _ => Err(Shape),
    }
}

#[inline]
fn book(
    data: Value<'_>,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Keys::of(data);
    let listed = keys.coin.listed(symbols)?;
    let (time_ms, time) = (keys.time.unsigned()?, keys.time.millis()?);
    let (bids, asks) = sides(keys.levels)?;
    for (side, list) in [(Side::Buy, bids), (Side::Sell, asks)] {
        for item in list.array()? {
            words.push(side, level(item, listed)?)?;
        }
    }
    words.book(listed.head(time_ms, time))?;
    news.start(listed.id, time);
    Ok(())
}

keys! {
    /// `{"px":"…","sz":"…","n":…}`.
    struct Rung { px, sz }
    order ["n", px, sz]
    order [px, sz, "n"]
}

#[inline]
fn level(item: Value<'_>, listed: &Listed) -> Result<Level, DecodeError> {
    let keys = Rung::of(item);
    cursor::level(keys.px, keys.sz, listed)
}

/// The best levels; a side without any is null.
fn quote(data: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Keys::of(data);
    let listed = keys.coin.listed(symbols)?;
    let update_id = keys.time.unsigned()?;
    let (bid, ask) = sides(keys.bbo)?;
    let side = |item: Value<'_>| match item.is_null() {
        true => Ok(None),
        false => level(item, listed).map(Some),
    };
    words.quote(listed.id, update_id, side(bid)?, side(ask)?)
}

/// Prints of one coin, oldest first. What is no news is read, too: it must be of the documented
/// shape.
fn trades(
    data: Value<'_>,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let mut last: Option<(InstrumentId, UnixNanos)> = None;
    for item in data.array()? {
        words.one(Channel::Trades, |words| {
            let trade = trade(item, symbols)?;
            let before = last.map_or(UnixNanos(0), |(_, time)| time);
            last = Some((trade.instrument, trade.exch_time.max(before)));
            match news.is_new(trade.instrument, trade.exch_time) {
                true => words.trade(trade),
                false => Ok(()),
            }
        })?;
    }
    if let Some((id, time)) = last {
        news.start(id, UnixNanos(time.0 + 1));
    }
    Ok(())
}

keys! {
    /// A trade.
    struct Print { coin, side, px, sz, time, tid }
    order [coin, "hash", px, side, sz, tid, time, "users"]
    order [coin, side, px, sz, time, "hash", tid, "users"]
}

fn trade(item: Value<'_>, symbols: &Symbols) -> Result<Trade, DecodeError> {
    let keys = Print::of(item);
    let listed = keys.coin.listed(symbols)?;
    let Level { px, qty } = cursor::level(keys.px, keys.sz, listed)?;
    Ok(Trade {
        instrument: listed.id,
        taker: keys.side.side(["B", "A"])?,
        id: keys.tid.identity()?,
        px,
        qty,
        exch_time: keys.time.millis()?,
    })
}

/// `{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}`.
fn answer(
    data: Value<'_>,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let subscription = data.find(b"subscription");
    let Some(channel) = channel(subscription.find(b"type").text()?) else {
        return Ok(());
    };
    let listed = subscription.find(b"coin").listed(symbols)?;
    if channel == Channel::Trades {
        news.forget(listed.id);
    }
    words.subscribed(listed.id, channel, None)
}

/// `Already subscribed: {"type":"l2Book","coin":"BTC"}` or `Invalid subscription {…}`: a text with
/// the subscription that it is about. The first one is as good as an acceptance.
fn error(text: &str, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let refused = (!text.starts_with("Already ")).then_some(REFUSED);
    let kind = quoted(text, r#""type":""#).and_then(channel);
    let listed = quoted(text, r#""coin":""#).and_then(|coin| symbols.find(coin));
    match (kind, listed) {
        (Some(channel), Some(listed)) => words.subscribed(listed.id, channel, refused),
        // About nothing that was asked for: zero is none of our requests.
        (None, _) | (_, None) => words.answer(0, Some(REFUSED)),
    }
}

/// What stands between `before` and the next quotation mark.
fn quoted<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once('"').map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests;
