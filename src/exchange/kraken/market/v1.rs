//! Frames of the protocol's first version, which recordings hold: arrays
//! `[id,{…},"book-10","XBT/USD"]` and `{"event":…}` objects. Nothing here is ever asked for.

use super::decode::{Open, REFUSED};
use super::request;
use super::rest::pair_name;
use crate::base::{Channel, Diff, Side, Trade, UnixNanos, decimal};
use crate::exchange::kit::{Listed, Symbols, Value, cursor};
use crate::exchange::{DecodeError, Words};
use DecodeError::Shape;

/// A frame of data, taken apart: all but the channel's number in front.
pub(crate) struct Frame<'t> {
    /// Its one or two bodies; absent if there is none.
    pub(crate) bodies: [Value<'t>; 2],
    /// `book-10`, `trade`, …
    pub(crate) channel: &'t str,
    /// The pair's name.
    pub(crate) pair: Value<'t>,
}

impl<'t> Frame<'t> {
    /// Takes an array apart: `[id, body, channel, pair]` or `[id, body, body, channel, pair]`.
    pub(crate) fn of(root: Value<'t>) -> Result<Self, DecodeError> {
        let mut items = root.items().skip(1);
        let mut next = || items.next().unwrap_or_default();
        let (first, second, third, fourth) = (next(), next(), next(), next());
        let (bodies, channel, pair) = match fourth.is_absent() {
            true => ([first, fourth], second, third),
            false => ([first, second], third, fourth),
        };
        Ok(Self {
            bodies,
            channel: channel.text()?,
            pair,
        })
    }
}

/// A frame that is an array.
pub(crate) fn message(
    root: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let frame = Frame::of(root)?;
    let [body, _] = frame.bodies;
    let listed = || listed(frame.pair, symbols);
    match frame.channel.split('-').next().unwrap_or_default() {
        "book" => words.one(Channel::Depth, |words| book(frame.bodies, listed()?, words)),
        // They have no ids.
        "trade" => body.array()?.try_for_each(|item| {
            words.one(Channel::Trades, |words| {
                words.trade(trade(item, listed()?)?)
            })
        }),
        "ticker" => words.one(Channel::Quotes, |words| ticker(body, listed()?, words)),
        _ => Ok(()),
    }
}

/// An instrument is listed under its name of then, or of today.
fn listed<'s>(pair: Value<'_>, symbols: &'s Symbols) -> Result<&'s Listed, DecodeError> {
    let old = pair.text()?;
    let new = || symbols.find(&pair_name(old)?);
    symbols
        .find(old)
        .or_else(new)
        .ok_or(DecodeError::UnknownSymbol)
}

/// `{"as":[…],"bs":[…]}` is a whole book, without a checksum. A change is `{"a":[…],"c":"…"}`,
/// `{"b":[…],"c":"…"}` or both in two objects, of which the last has the checksum: one update in
/// any case.
fn book(bodies: [Value<'_>; 2], listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let (mut whole, mut checksum, mut exch_time) = (false, None, UnixNanos(0));
    for body in bodies.into_iter().filter_map(Value::some) {
        if !body.is_object() {
            return Err(Shape);
        }
        for (key, value) in body.entries() {
            let side = match key {
                b"as" | b"a" => Side::Sell,
                b"bs" | b"b" => Side::Buy,
                b"c" => {
                    checksum = Some(u32::try_from(value.unsigned()?).map_err(|_| Shape)?);
                    continue;
                }
                _ => continue,
            };
            whole |= key.len() == 2;
            value.levels(listed, side, words)?;
            for level in value.items() {
                let stamp = level.items().nth(2).unwrap_or_default();
                exch_time = exch_time.max(seconds(stamp)?); // The newest change in it.
            }
        }
    }
    let diff = Diff {
        checksum,
        ..listed.head(0, exch_time)
    };
    words.depth(whole, diff)
}

/// `["price","volume","seconds","b"|"s","m"|"l",""]`.
fn trade(item: Value<'_>, listed: &Listed) -> Result<Trade, DecodeError> {
    let [px, qty, time, side] = item.texts()?;
    Ok(Trade {
        instrument: listed.id,
        id: 0,
        px: px.px(listed)?,
        qty: qty.qty(listed)?,
        taker: side.side(["b", "s"])?,
        exch_time: seconds(time)?,
    })
}

/// `{"a":["price",whole,"volume"],"b":[…],…}`: the best levels when a trade came.
fn ticker(body: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let level = |key: &[u8]| {
        let [px, _, qty] = body.find(key).texts()?;
        cursor::level(px, qty, listed).map(Some)
    };
    let (bid, ask) = (level(b"b")?, level(b"a")?);
    words.quote(listed.id, 0, bid, ask)
}

/// A frame that is an object: states of the exchange and answers.
pub(crate) fn event(
    root: Value<'_>,
    symbols: &Symbols,
    open: &Open,
    words: &mut Words,
) -> Result<(), DecodeError> {
    match root.find(b"event").text()? {
        "systemStatus" => open.state(root.find(b"status"), words),
        "subscriptionStatus" => {
            let refused = match root.find(b"status").text()? {
                "subscribed" => None,
                "error" => Some(REFUSED),
                _ => return Ok(()),
            };
            match request::channel_of(root.find(b"subscription").find(b"name").text()?) {
                None => Ok(()),
                Some(channel) => {
                    let listed = listed(root.find(b"pair"), symbols)?;
                    words.subscribed(listed.id, channel, refused)
                }
            }
        }
        _ => Ok(()),
    }
}

/// `1617666423.606671`: seconds since 1970. What is finer than a nanosecond is cut off.
fn seconds(at: Value<'_>) -> Result<UnixNanos, DecodeError> {
    let text = at.text()?;
    let end = text.find('.').map_or(text.len(), |point| point + 1 + 9);
    let (read, finer) = text.split_at_checked(end).unwrap_or((text, ""));
    if !finer.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Shape);
    }
    let nanos = decimal::parse(read.as_bytes(), 9).map_err(|_| Shape)?;
    i64::try_from(nanos).map(UnixNanos).map_err(|_| Shape)
}
