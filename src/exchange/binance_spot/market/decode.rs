//! Market frames to words, and the body of a snapshot to a book, walked straight off the tape.
//! Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Side, Snapshot, Trade, UnixNanos};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::{Prices, Symbols, Value, cursor, decoder, keys, survey};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: some 256 KiB of text, far over what
/// the exchange sends in 100 ms. A larger message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// Decodes depth updates, trades and quotes, combined (`{"stream":…,"data":…}`) or raw.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    warm(instruments, 2 * WARM_LEVELS)
}

/// Decodes the texts of a connection whose events are binary.
pub(super) fn answers(instruments: &[Instrument]) -> Box<dyn Decoder> {
    warm(instruments, 256)
}

fn warm(instruments: &[Instrument], levels: usize) -> Box<dyn Decoder> {
    decoder::warm(
        instruments,
        Prices::Texts,
        (r#"["61737.63000000","0.02000000"]"#, levels),
        |root, symbols, words| message(root, words, |data, words| event(data, symbols, words)),
    )
}

keys! {
    /// A root object.
    struct Envelope { data, result, error, code, id }
    order ["stream", data]
}

/// One whole frame of any Binance market: an event in its envelope, a bare event, or an answer.
#[inline]
pub(in crate::exchange) fn message(
    root: Value<'_>,
    words: &mut Words,
    event: impl FnOnce(Value<'_>, &mut Words) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    if !at.data.is_absent() {
        return event(at.data, words);
    }
    if !(at.result.is_absent() && at.error.is_absent() && at.code.is_absent()) {
        return answer(&at, words);
    }
    event(root, words)
}

/// `{"result":null,"id":1}`, `{"code":2,"msg":"…","id":1}` or
/// `{"error":{"code":2,"msg":"…"},"id":1}`. A request that the exchange could not read is answered
/// with a null id: zero, which is none of ours.
fn answer(at: &Envelope<'_>, words: &mut Words) -> Result<(), DecodeError> {
    let id = if at.id.is_null() {
        0
    } else {
        at.id.unsigned()?
    };
    let code = match (at.error.is_absent(), at.code.is_absent()) {
        (true, true) => return words.answer(id, None),
        (true, false) => at.code,
        (false, _) => at.error.find(b"code"),
    };
    words.answer(id, Some(code.signed()?))
}

keys! {
    /// An event, by its one-letter keys.
    #[allow(non_snake_case)] // The exchange tells `b` from `B`.
    struct Keys { e, E, s, t, T, p, q, m, u, U, a, A, b, B }
    order [e = "depthUpdate", E, s, U, u, b, a]
    order [u, s, b, B, a, A]
    order [e = "trade", E, s, t, p, q, T, m, "M"]
}

#[inline]
fn event(data: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Keys::of(data);
    if keys.e.is_absent() {
        // Best bid and ask is the one event without a name.
        return words.one(Channel::Quotes, |words| quote(&keys, symbols, words));
    }
    match keys.e.text()? {
        "depthUpdate" => words.one(Channel::Depth, |words| depth(&keys, symbols, words)),
        "trade" => words.one(Channel::Trades, |words| trade(&keys, symbols, words)),
        "serverShutdown" => words.shutdown(),
        _ => Ok(()),
    }
}

#[inline]
fn depth(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let diff = Diff {
        first_id: keys.U.unsigned()?,
        ..listed.head(keys.u.unsigned()?, time(keys.E)?)
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    keys.b.levels(listed, Side::Buy, words)?;
    keys.a.levels(listed, Side::Sell, words)?;
    words.diff(diff)
}

fn trade(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let buyer_made = keys.m.boolean()?;
    words.trade(Trade {
        instrument: listed.id,
        id: keys.t.identity()?,
        px: keys.p.px(listed)?,
        qty: keys.q.qty(listed)?,
        taker: if buyer_made { Side::Sell } else { Side::Buy },
        exch_time: time(keys.T)?,
    })
}

fn quote(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let bid = cursor::level(keys.b, keys.B, listed)?;
    let ask = cursor::level(keys.a, keys.A, listed)?;
    words.quote(listed.id, keys.u.unsigned()?, Some(bid), Some(ask))
}

/// Decodes `{"lastUpdateId":…,"bids":[["price","quantity"],…],"asks":…}` of any Binance market. See
/// [`decoder::snapshot`].
pub(in crate::exchange) fn snapshot(
    body: &[u8],
    instrument: &Instrument,
    levels: u16,
) -> Result<Snapshot, DecodeError> {
    decoder::snapshot(
        body,
        instrument,
        usize::from(levels),
        |root, listed, words| {
            let last_id = root.find(b"lastUpdateId").unsigned()?;
            root.find(b"bids").levels(listed, Side::Buy, words)?;
            root.find(b"asks").levels(listed, Side::Sell, words)?;
            words.book(listed.head(last_id, UnixNanos(0)))
        },
    )
}

/// Every number of a recorded frame.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    survey::read(frame, |root| {
        let keys = Keys::of(root.find(b"data").or(root));
        let symbol = keys.s.text()?;
        survey.levels(symbol, keys.b);
        survey.levels(symbol, keys.a);
        for pair in [[keys.p, keys.q], [keys.b, keys.B], [keys.a, keys.A]] {
            survey.both(symbol, pair);
        }
        Ok(())
    });
}

#[inline]
fn time(at: Value<'_>) -> Result<UnixNanos, DecodeError> {
    unix_time(at.unsigned()?).ok_or(Shape)
}

#[cfg(test)]
mod tests;
