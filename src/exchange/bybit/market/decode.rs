//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use crate::base::{Channel, Instrument, Level, Qty, Side, Trade};
use crate::exchange::bybit::BEST;
use crate::exchange::kit::{self, Listed, Prices, Symbols, Value, cursor, keys};
use crate::exchange::{DecodeError, Decoder, DepthStream, Survey, Words};

/// Levels a side of the message that buffers are warmed with: the deepest stream's snapshot. A
/// frame of 1,024 trades is longer and makes the buffers grow, once.
const WARM_LEVELS: usize = 1_000;

/// Decodes one depth stream, trades, quotes and answers.
pub(crate) fn decoder(instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
    let levels = (r#"["61737.63000000","0.02000000"]"#, 2 * WARM_LEVELS);
    kit::decoder::warm(
        instruments,
        Prices::Texts,
        levels,
        |root, symbols, words| message(root, symbols, depth.name, words),
    )
}

keys! {
    /// A root object.
    struct Envelope { topic, kind = "type", ts, cts, data, op, success, req_id, ret_msg }
    order [topic, kind, ts, data, cts]
    order [topic, ts, kind, data, cts]
    order [topic, kind, ts, data]
    order [topic, ts, kind, data]
}

/// One whole frame: data of a topic, or the answer to something that we sent.
#[inline]
fn message(
    root: Value<'_>,
    symbols: &Symbols,
    depth: &str,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let mut at = Envelope::of(root);
    if at.topic.is_absent() {
        return answer(&at, symbols, depth, words);
    }
    let Some((stream, _)) = at.topic.text()?.rsplit_once('.') else {
        return Ok(());
    };
    if stream == depth {
        words.one(Channel::Depth, |words| book(&at, symbols, words))?;
        if stream != BEST {
            return Ok(());
        }
        at.data = at.data.again();
    }
    match stream {
        BEST => words.one(Channel::Quotes, |words| quote(&at, symbols, words)),
        // Trades are always called a snapshot, and are always new.
        "publicTrade" => at
            .data
            .array()?
            .try_for_each(|item| words.one(Channel::Trades, |words| trade(item, symbols, words))),
        _ => Ok(()),
    }
}

/// `{"success":true,"ret_msg":"","conn_id":"…","req_id":"1","op":"subscribe"}`. An answer without
/// an id of ours has the id zero. The pong has the `op` of the ping. Refusals have no code. One for
/// a topic that is followed already (`error:already subscribed,topic:publicTrade.BTCUSDT`) confirms
/// that topic, and leaves the others of its request unanswered.
fn answer(
    at: &Envelope<'_>,
    symbols: &Symbols,
    depth: &str,
    words: &mut Words,
) -> Result<(), DecodeError> {
    if at.op.is_absent() {
        return match at.success.boolean() {
            Ok(false) => words.answer(0, Some(-1)),
            Ok(true) | Err(_) => Ok(()),
        };
    }
    match at.op.text()? {
        "subscribe" | "unsubscribe" | "" => {
            let accepted = at.success.boolean()?;
            let id = at.req_id.unsigned().unwrap_or(0);
            let why = at.ret_msg.string();
            let held = why.and_then(|why| why.strip_prefix("error:already subscribed,topic:"));
            let Some((stream, symbol)) = held.and_then(|topic| topic.rsplit_once('.')) else {
                return words.answer(id, (!accepted).then_some(-1));
            };
            let listed = symbols.listed(symbol)?;
            let channels = [
                (depth, Channel::Depth),
                (BEST, Channel::Quotes),
                ("publicTrade", Channel::Trades),
            ];
            let mut named = channels.iter().filter(|(name, _)| *name == stream);
            named.try_for_each(|(_, channel)| words.subscribed(listed.id, *channel, None))
        }
        _ => Ok(()),
    }
}

keys! {
    /// A book.
    struct Book { s, b, a, u }
    order [s, b, a, u, "seq"]
}

/// A snapshot replaces the book at any time, and so does `u` = 1, which says that the service was
/// restarted.
#[inline]
fn book(at: &Envelope<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Book::of(at.data);
    let listed = keys.s.listed(symbols)?;
    let id = keys.u.unsigned()?;
    let snapshot = at.kind.is_first(["snapshot", "delta"])?;
    // The matching engine's own time, as trades have it; if it is absent, the time of sending.
    let head = listed.head(id, at.cts.or(at.ts).millis()?);
    keys.b.levels(listed, Side::Buy, words)?;
    keys.a.levels(listed, Side::Sell, words)?;
    words.depth(snapshot || id == 1, head)
}

/// The best level of both sides. `u` counts the messages of this topic, and is no id of a deeper
/// book. A side that is empty, or that a change leaves out, makes no quote.
fn quote(at: &Envelope<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Book::of(at.data);
    let listed = keys.s.listed(symbols)?;
    let (bid, ask) = (best(keys.b, listed)?, best(keys.a, listed)?);
    words.quote(listed.id, 0, bid, ask)
}

fn best(levels: Value<'_>, listed: &Listed) -> Result<Option<Level>, DecodeError> {
    let mut best = None;
    for item in levels.array()? {
        let [px, qty] = item.texts()?;
        let level = cursor::level(px, qty, listed)?;
        if level.qty != Qty(0) {
            best = best.or(Some(level));
        }
    }
    Ok(best)
}

keys! {
    /// A trade.
    struct Print { time = "T", symbol = "s", side = "S", qty = "v", px = "p", id = "i" }
    order [time, symbol, side, qty, px, ? "L", id, "BT", ? "RPI", ? "seq"]
}

/// Spot numbers its trades, those of contracts have UUIDs. `seq` is no identity: trades of one
/// message share it.
fn trade(item: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(item);
    let listed = keys.symbol.listed(symbols)?;
    words.trade(Trade {
        instrument: listed.id,
        id: keys.id.identity()?,
        px: keys.px.px(listed)?,
        qty: keys.qty.qty(listed)?,
        taker: keys.side.side(["Buy", "Sell"])?,
        exch_time: keys.time.millis()?,
    })
}

/// Symbols of a recorded frame with its numbers, and the depth stream that it is of.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    kit::survey::read(frame, |root| {
        let at = Envelope::of(root);
        let Some((stream, symbol)) = at.topic.text()?.rsplit_once('.') else {
            return Ok(());
        };
        if stream == "publicTrade" {
            for item in at.data.items() {
                let keys = Print::of(item);
                survey.both(symbol, [keys.px, keys.qty]);
            }
        } else if stream.starts_with("orderbook.") {
            if stream == BEST {
                survey.best(symbol, stream);
            } else {
                survey.book(symbol, Some(stream));
            }
            let keys = Book::of(at.data);
            survey.levels(symbol, keys.b);
            survey.levels(symbol, keys.a);
        } else {
            survey.other(stream);
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests;
