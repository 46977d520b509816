//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use super::request;
use crate::base::{Channel, Diff, Instrument, Side, Symbol, Trade};
use crate::exchange::binance_spot::market::decode::message;
use crate::exchange::kit::scan::Scan;
use crate::exchange::kit::survey::{Numbers, read_texts, scanned};
use crate::exchange::kit::{self, Prices, Symbols, Value, cursor, keys};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: some 256 KiB of text, far over what
/// the exchange sends in 100 ms. A larger message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// Decodes depth updates, trades, quotes and contract states, combined (`{"stream":…,"data":…}`) or
/// raw.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let levels = (r#"["61737.60","0.020"]"#, 2 * WARM_LEVELS);
    kit::decoder::warm(
        instruments,
        Prices::Texts,
        levels,
        |root, symbols, words| message(root, words, |data, words| event(data, symbols, words)),
    )
}

keys! {
    /// An event.
    #[allow(non_snake_case)] // The exchange tells `b` from `B`.
    struct Keys { e, s, t, T, p, q, m, u, U, a, A, b, B, X, pu, cs }
    order [e = "depthUpdate", "E", T, s, ? "ps", U, u, pu, b, a, "st"]
    order [e = "depthUpdate", "E", T, s, ? "ps", ? "st", U, u, pu, b, a]
    order [e = "bookTicker", u, s, ? "ps", b, B, a, A, T, "E", ? "st"]
    order [e = "trade", "E", T, s, t, p, q, X, m, ? "st"]
    order [e = "aggTrade", "E", a, s, p, q, ? "nq", "f", "l", T, m, ? "st"]
    order [u, e = "bookTicker", s, "ps", b, B, a, A, T, "E", ? "st"]
    order [e = "bookTicker", "E", T, s, ? "ps", ? "st", u, b, B, a, A]
    order [e = "bookTicker", u, "E", T, s, ? "ps", b, B, a, A, ? "st"]
    order [e = "aggTrade", "E", T, s, ? "ps", ? "st", a, p, q, "f", "l", ? "nq", m]
}

#[inline]
fn event(data: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    if data.is_array() {
        // Streams of the whole market (`!ticker@arr`) are lists, and none of them is used.
        return Ok(());
    }
    let keys = Keys::of(data);
    match keys.e.text()? {
        "depthUpdate" => words.one(Channel::Depth, |words| depth(&keys, symbols, words)),
        "bookTicker" => words.one(Channel::Quotes, |words| quote(&keys, symbols, words)),
        "aggTrade" => words.one(Channel::Trades, |words| {
            trade(&keys, keys.a, symbols, words)
        }),
        "trade" => words.one(Channel::Trades, |words| single_trade(&keys, symbols, words)),
        "contractInfo" => contract_info(&keys, symbols, words),
        _ => Ok(()),
    }
}

#[inline]
fn depth(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let diff = Diff {
        first_id: keys.U.unsigned()?,
        prev_id: Some(keys.pu.unsigned()?),
        ..listed.head(keys.u.unsigned()?, keys.T.millis()?)
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    keys.b.levels(listed, Side::Buy, words)?;
    keys.a.levels(listed, Side::Sell, words)?;
    words.diff(diff)
}

/// A match of the book. Rows of another sort (`INSURANCE_FUND`, `NA`) come in the same stream.
fn single_trade(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    if !keys.X.is_absent() && keys.X.text()? != "MARKET" {
        return Ok(());
    }
    trade(keys, keys.t, symbols, words)
}

/// A print with this number.
fn trade(
    keys: &Keys<'_>,
    id: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let buyer_made = keys.m.boolean()?;
    words.trade(Trade {
        instrument: listed.id,
        id: id.identity()?,
        px: keys.p.px(listed)?,
        qty: keys.q.qty(listed)?,
        taker: if buyer_made { Side::Sell } else { Side::Buy },
        exch_time: keys.T.millis()?,
    })
}

fn quote(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = keys.s.listed(symbols)?;
    let bid = cursor::level(keys.b, keys.B, listed)?;
    let ask = cursor::level(keys.a, keys.A, listed)?;
    words.quote(listed.id, keys.u.unsigned()?, Some(bid), Some(ask))
}

/// A contract was listed, halted, settled, or got other margin brackets. It comes for all contracts
/// of both markets: those that nobody follows are no error.
fn contract_info(keys: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let (symbol, state) = (keys.s.text()?, keys.cs.text()?);
    match symbols.find(symbol) {
        Some(listed) => words.trading(listed.id, state == "TRADING"),
        None => Ok(()),
    }
}

keys! {
    /// An envelope.
    struct Named { stream, data }
    order [stream, data]
}

/// The symbol of a recorded frame with the texts of its prices and quantities, and its depth
/// stream.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    if survey_scanned(frame, survey).is_none() {
        survey_any(frame, survey);
    }
}

/// As [`survey_any`], of the frequent messages.
fn survey_scanned(frame: &str, survey: &mut Survey) -> Option<()> {
    let scan = Scan::of_text(frame, false);
    let (symbol, wide, depth) = scanned(&scan, |root| {
        let Named { stream, data } = Named::of(root);
        let keys = Keys::of(data.some()?);
        let (symbol, stream) = (keys.s.string()?, stream.string()?);
        let mut wide = survey.known(symbol);
        let depth = match keys.e.string()? {
            "depthUpdate" => {
                wide.levels(keys.b)?;
                wide.levels(keys.a)?;
                Some(request::depth_of(stream)?)
            }
            "bookTicker" => {
                wide.both([keys.b, keys.B])?;
                wide.both([keys.a, keys.A])?;
                None
            }
            "aggTrade" | "trade" => {
                wide.both([keys.p, keys.q])?;
                None
            }
            _ => return None,
        };
        Some((Symbol::from(symbol).ok()?, wide, depth))
    })?;
    survey.wide(&symbol, &wide);
    if depth.is_some() {
        survey.book(&symbol, depth);
    }
    Some(())
}

/// As [`survey`], over a tape.
fn survey_any(frame: &str, survey: &mut Survey) {
    read_texts(frame, |root, numbers| {
        let keys = Keys::of(root.find(b"data").or(root));
        let stream = root.find(b"stream").string();
        let kind = stream.and_then(|name| name.split_once('@'));
        // Once all numbers are texts, whatever else is no text is left out.
        let told = |told: Option<()>| {
            told.or((numbers == Numbers::Texts).then_some(()))
                .ok_or(Shape)
        };
        let (Ok(event), Ok(symbol)) = (keys.e.text(), keys.s.text()) else {
            told(None)?;
            if let Some((_, kind)) = kind {
                survey.other(kind);
            }
            return Ok(());
        };
        match event {
            "depthUpdate" => {
                told(survey.levels(symbol, keys.b))?;
                told(survey.levels(symbol, keys.a))?;
                match (kind, stream.and_then(request::depth_of)) {
                    // A few levels in the shape of a diff.
                    (Some((_, kind)), None) => survey.other(kind),
                    (_, named) => survey.book(symbol, named),
                }
            }
            "bookTicker" => {
                told(survey.both(symbol, [keys.b, keys.B]))?;
                told(survey.both(symbol, [keys.a, keys.A]))?;
            }
            "aggTrade" | "trade" => told(survey.both(symbol, [keys.p, keys.q]))?,
            name => survey.other(kind.map_or(name, |(_, kind)| kind)),
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests;
