//! Advanced Trade frames to words, walked straight off the tape. Never keeps a frame, and never
//! applies half of one.

use crate::base::{Channel, Instrument, Side, Trade, UnixNanos};
use crate::exchange::coinbase::advanced::channel_of;
use crate::exchange::coinbase::common::{level, list, refusal, subscribed, time};
use crate::exchange::kit::{self, Prices, Symbols, Value, cursor, keys};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels of the message that buffers are warmed with: one MiB of text. Only a first book is
/// larger; it makes the buffers grow, once.
const WARM_LEVELS: usize = 8_192;

/// Decodes `l2_data`, `market_trades`, `ticker` and `subscriptions`.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    const LEVEL: &str = r#"{"side":"offer","event_time":"2026-01-02T03:04:05.123456Z","price_level":"68900.00","new_quantity":"1.50000000"}"#;
    kit::decoder::warm(instruments, Prices::Texts, (LEVEL, WARM_LEVELS), message)
}

keys! {
    /// A root object.
    struct Envelope { channel, kind = "type", timestamp, sequence_num, events, message, reason }
    order [channel, ? "client_id", timestamp, sequence_num, events]
}

#[inline]
fn message(root: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    // Every message of a connection is counted, also of channels that are not read here.
    if !at.sequence_num.is_absent() {
        words.set_line_seq(at.sequence_num.unsigned()?);
    }
    if at.channel.is_absent() {
        return match at.kind.string() {
            Some("error") => refusal([at.message, at.reason], symbols, words),
            _ => Ok(()),
        };
    }
    match at.channel.text()? {
        "l2_data" => {
            let (seq, time) = (at.sequence_num.unsigned()?, time(at.timestamp)?);
            list(at.events)?.try_for_each(|event| {
                words.one(Channel::Depth, |words| {
                    depth(event, (seq, time), symbols, words)
                })
            })
        }
        "market_trades" => trades(at.events, symbols, words),
        "ticker" => tickers(at.events, symbols, words),
        "subscriptions" => subscriptions(at.events, symbols, words),
        _ => Ok(()),
    }
}

keys! {
    /// The whole book of a product, or changes of it.
    struct Book { kind = "type", product_id, updates }
    order [kind, product_id, updates]
}

keys! {
    /// A level.
    struct Update { side, px = "price_level", qty = "new_quantity" }
    order [side, "event_time", px, qty]
}

/// One element of `events`.
#[inline]
fn depth(
    event: Value<'_>,
    (seq, exch_time): (u64, UnixNanos),
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(event);
    let listed = keys.product_id.listed(symbols)?;
    for update in list(keys.updates)? {
        let keys = Update::of(update);
        let side = match keys.side.text()? {
            "bid" => Side::Buy,
            "offer" | "ask" => Side::Sell,
            _ => return Err(Shape),
        };
        words.push(side, cursor::level(keys.px, keys.qty, listed)?)?;
    }
    let whole = keys.kind.is_first(["snapshot", "update"])?;
    words.depth(whole, listed.head(seq, exch_time))
}

keys! {
    /// Trades, or tickers.
    struct Event { kind = "type", trades, tickers }
    order [kind, trades]
    order [kind, tickers]
}

/// New trades. A snapshot repeats some that are past: it says nothing new.
fn trades(events: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    for event in list(events)? {
        let keys = Event::of(event);
        let trades = keys.trades.some().ok_or(Shape)?;
        if keys.kind.is_first(["snapshot", "update"])? {
            continue;
        }
        for item in list(trades)? {
            words.one(Channel::Trades, |words| trade(item, symbols, words))?;
        }
    }
    Ok(())
}

keys! {
    /// A trade.
    struct Print { trade_id, product_id, price, size, side, time }
    order [product_id, trade_id, price, size, time, side]
}

fn trade(item: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(item);
    let listed = keys.product_id.listed(symbols)?;
    // The side is that of the order that was in the book.
    let maker = keys.side.side(["BUY", "SELL"])?;
    words.trade(Trade {
        instrument: listed.id,
        id: keys.trade_id.identity()?,
        px: keys.price.px(listed)?,
        qty: keys.size.qty(listed)?,
        taker: maker.opposite(),
        exch_time: time(keys.time)?,
    })
}

/// The best bid and ask at a trade. A side that is empty makes no quote.
fn tickers(events: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    for event in list(events)? {
        for item in list(Event::of(event).tickers)? {
            words.one(Channel::Quotes, |words| quote(item, symbols, words))?;
        }
    }
    Ok(())
}

keys! {
    /// A ticker.
    struct Ticker { product_id, best_bid, best_bid_quantity, best_ask, best_ask_quantity }
    order [
        "type", product_id, "price", "volume_24_h", "low_24_h", "high_24_h", "low_52_w",
        "high_52_w", "price_percent_chg_24_h", best_bid, best_ask, best_bid_quantity,
        best_ask_quantity
    ]
}

fn quote(item: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Ticker::of(item);
    let listed = keys.product_id.listed(symbols)?;
    let bid = level([keys.best_bid, keys.best_bid_quantity], listed)?;
    let ask = level([keys.best_ask, keys.best_ask_quantity], listed)?;
    words.quote(listed.id, 0, bid, ask)
}

/// All that the connection is subscribed to: `[{"subscriptions":{"level2":["BTC-USD"],…}}]`.
fn subscriptions(
    events: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for event in list(events)? {
        let all = event.find(b"subscriptions").some().ok_or(Shape)?;
        for (name, products) in all.entries() {
            // Heartbeats are no channel.
            if let Some(channel) = std::str::from_utf8(name).ok().and_then(channel_of) {
                subscribed(channel, products, symbols, words)?;
            }
        }
    }
    Ok(())
}

/// Symbols of a recorded frame, with the texts of its levels and prints.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    kit::survey::read(frame, |root| {
        let at = Envelope::of(root);
        for event in at.events.items() {
            match at.channel.string() {
                Some("l2_data") => {
                    if let Some(symbol) = event.find(b"product_id").string() {
                        survey.book(symbol, Some("level2"));
                    }
                    tell(event, b"updates", ["price_level", "new_quantity"], survey);
                }
                Some("market_trades") => tell(event, b"trades", ["price", "size"], survey),
                Some("ticker") => {
                    tell(event, b"tickers", ["best_bid", "best_bid_quantity"], survey);
                    tell(event, b"tickers", ["best_ask", "best_ask_quantity"], survey);
                }
                Some("heartbeats" | "subscriptions") | None => {}
                Some(other) => survey.other(other),
            }
        }
        Ok(())
    });
}

/// Tells of each element of `event[key]` its two numbers. The product stands in the event or in the
/// element.
fn tell(event: Value<'_>, key: &[u8], px_and_qty: [&str; 2], survey: &mut Survey) {
    let Some(list) = event.find(key).some() else {
        return;
    };
    let named = event.find(b"product_id").string();
    if let Some(symbol) = named {
        survey.symbol(symbol);
    }
    for item in list.items() {
        if let Some(symbol) = named.or(item.find(b"product_id").string()) {
            survey.both(symbol, item.two(px_and_qty));
        }
    }
}
