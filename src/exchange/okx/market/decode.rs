//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use crate::base::{Channel, Diff, Instrument, Level, Side, Trade, UnixNanos};
use crate::exchange::kit::{Listed, Prices, Symbols, Value, cursor, decoder, keys};
use crate::exchange::okx::{WHOLE, channel};
use crate::exchange::{DecodeError, Decoder, DepthStream, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: the largest window there is.
const WARM_LEVELS: usize = 400;
/// The answer to our text `ping`: the one frame that is not JSON.
const PONG: &[u8] = b"pong";
/// The notice that comes some 30 s before the exchange cuts the connection.
const CUT_SOON: i64 = 64_008;

/// Passes over the one frame that is not JSON.
struct ButPong(Box<dyn Decoder>);

/// Decodes book, trade and quote pushes, and the answers to requests.
pub(crate) fn decoder(instruments: &[Instrument], depth: &'static DepthStream) -> Box<dyn Decoder> {
    let levels = (
        r#"["0.00000061737","12345.02000000","0","123"]"#,
        2 * WARM_LEVELS,
    );
    let json = decoder::warm(
        instruments,
        Prices::Texts,
        levels,
        |root, symbols, words| message(root, symbols, depth, words),
    );
    Box::new(ButPong(json))
}

impl Decoder for ButPong {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        if frame == PONG {
            words.clear();
            return Ok(());
        }
        self.0.decode(frame, words)
    }
}

keys! {
    /// A root object.
    struct Envelope { event, arg, action, data, code, id }
    order [arg, action, data]
    order [arg, data]
}

/// One whole frame: a push of one channel, or an event.
#[inline]
fn message(
    root: Value<'_>,
    symbols: &Symbols,
    depth: &DepthStream,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    if !at.event.is_absent() {
        return event(&at, symbols, depth, words);
    }
    if at.arg.is_absent() {
        return Ok(());
    }
    let topic = Topic::of(at.arg);
    let Some(channel) = channel(topic.channel.text()?, depth) else {
        return Ok(());
    };
    let listed = topic.symbol.listed(symbols)?;
    at.data.array()?.try_for_each(|item| {
        words.one(channel, |words| match channel {
            Channel::Depth => book(item, is_whole(at.action, depth)?, listed, words),
            Channel::Trades => trade(item, listed, words),
            Channel::Quotes => quote(item, listed, words),
        })
    })
}

keys! {
    /// What an `arg` names.
    struct Topic { channel, symbol = "instId" }
    order [channel, symbol]
}

/// True if the message is the whole window.
#[inline]
fn is_whole(action: Value<'_>, depth: &DepthStream) -> Result<bool, DecodeError> {
    // The whole window names no action.
    Ok(depth.name == WHOLE || action.is_first(["snapshot", "update"])?)
}

keys! {
    /// A book.
    struct Book { asks, bids, ts, checksum, prev = "prevSeqId", seq = "seqId" }
    order [asks, bids, ts, ? checksum, ? prev, ? seq, ? prev]
}

/// The value, or an absent one for an empty string, which is how OKX writes that there is none.
#[inline]
fn present(value: Value<'_>) -> Value<'_> {
    match value.string() {
        Some("") => Value::default(),
        None if value.is_null() => Value::default(),
        Some(_) | None => value,
    }
}

#[inline]
fn book(
    item: Value<'_>,
    whole: bool,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(item);
    let ts = present(keys.ts);
    // Recordings of 2021 and 2022 number nothing: their messages stand at their time.
    let last_id = present(keys.seq).or(ts).unsigned()?;
    let diff = Diff {
        prev_id: prev_id(present(keys.prev))?,
        checksum: checksum(present(keys.checksum))?,
        ..listed.head(last_id, time(ts)?)
    };
    keys.bids.levels(listed, Side::Buy, words)?;
    keys.asks.levels(listed, Side::Sell, words)?;
    words.depth(whole, diff)
}

/// The number of the message before this one: zero is one, -1 says that there is none.
#[inline]
fn prev_id(value: Value<'_>) -> Result<Option<u64>, DecodeError> {
    let stated = value.some().map(Value::signed).transpose()?;
    Ok(stated.and_then(|id| u64::try_from(id).ok()))
}

/// The bits of a signed 32-bit number. The exchange no longer makes checksums, and writes zero.
#[inline]
fn checksum(value: Value<'_>) -> Result<Option<u32>, DecodeError> {
    if value.is_absent() {
        return Ok(None);
    }
    let signed = i32::try_from(value.signed()?).map_err(|_| Shape)?;
    Ok((signed != 0).then_some(signed.cast_unsigned()))
}

/// Zero if no time is stated.
#[inline]
fn time(value: Value<'_>) -> Result<UnixNanos, DecodeError> {
    value.some().map_or(Ok(UnixNanos(0)), Value::millis)
}

keys! {
    /// A trade.
    struct Print { id = "tradeId", px, sz, side, ts }
    order ["instId", id, px, sz, side, ts, ? "count", ? "source", ? "seqId"]
}

fn trade(item: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(item);
    let Level { px, qty } = cursor::level(keys.px, keys.sz, listed)?;
    words.trade(Trade {
        instrument: listed.id,
        taker: keys.side.side(["buy", "sell"])?,
        id: keys.id.identity()?,
        px,
        qty,
        exch_time: time(present(keys.ts))?,
    })
}

/// One level a side; none if a side is empty.
fn quote(item: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Book::of(item);
    let (bid, ask) = (best(keys.bids, listed)?, best(keys.asks, listed)?);
    let update_id = present(keys.seq).some().map_or(Ok(0), Value::unsigned)?;
    words.quote(listed.id, update_id, bid, ask)
}

fn best(levels: Value<'_>, listed: &Listed) -> Result<Option<Level>, DecodeError> {
    let mut best = None;
    for item in levels.array()? {
        let [px, qty] = item.texts()?;
        best = best.or(Some(cursor::level(px, qty, listed)?));
    }
    Ok(best)
}

/// An answer to a request, or a notice.
fn event(
    at: &Envelope<'_>,
    symbols: &Symbols,
    depth: &DepthStream,
    words: &mut Words,
) -> Result<(), DecodeError> {
    match at.event.text()? {
        "subscribe" | "unsubscribe" => about(at.arg, symbols, depth, None, words),
        "error" => {
            let (code, id) = (Some(at.code.signed()?), present(at.id));
            match (id.is_absent(), at.arg.is_absent()) {
                // A request that the exchange could not read has no id: zero is none of ours.
                (true, true) => words.answer(0, code),
                (true, false) => about(at.arg, symbols, depth, code, words),
                (false, _) => words.answer(id.unsigned()?, code),
            }
        }
        "notice" if at.code.signed()? == CUT_SOON => words.shutdown(),
        _ => Ok(()),
    }
}

/// The answer about the stream that `arg` names.
fn about(
    arg: Value<'_>,
    symbols: &Symbols,
    depth: &DepthStream,
    refused: Option<i64>,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let topic = Topic::of(arg);
    let Some(channel) = channel(topic.channel.text()?, depth) else {
        return Ok(());
    };
    words.subscribed(topic.symbol.listed(symbols)?.id, channel, refused)
}

#[cfg(test)]
mod tests;
