//! Frames of the protocol's first version, which recordings hold: arrays
//! `[id,{…},"book-10","XBT/USD"]` and `{"event":…}` objects. Nothing here is ever asked for.

use super::decode::{Listing, REFUSED, state};
use super::request;
use crate::base::{Channel, Diff, Side, Trade, UnixNanos, decimal};
use crate::exchange::kit::read::{self, Listed, Node, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Words};
use DecodeError::Shape;

/// A frame of data, taken apart: all but the channel's number in front.
pub struct Frame<'i> {
    /// Where its one or two bodies stand; zero where there is none.
    pub bodies: [usize; 2],
    /// `book-10`, `trade`, …
    pub channel: &'i str,
    /// Where the pair's name stands.
    pub pair: usize,
}

impl<'i> Frame<'i> {
    /// Takes an array apart: `[id, body, channel, pair]` or `[id, body, body, channel, pair]`.
    pub fn of(nodes: &[Node<'i>]) -> Result<Self, DecodeError> {
        let mut items = read::items(nodes, 0).skip(1);
        let mut next = || items.next().unwrap_or(0);
        let (first, second, third, fourth) = (next(), next(), next(), next());
        let (bodies, channel, pair) = match fourth {
            0 => ([first, 0], second, third),
            pair => ([first, second], third, pair),
        };
        Ok(Self {
            bodies,
            channel: text(nodes, channel)?,
            pair,
        })
    }
}

/// A frame that is an array.
pub fn message(
    nodes: &[Node<'_>],
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let frame = Frame::of(nodes)?;
    let name = frame.channel.split('-').next().unwrap_or_default();
    let listed = || read::listed(nodes, frame.pair, symbols);
    match name {
        "book" => words.one(Channel::Depth, |words| {
            book(nodes, frame.bodies, listed()?, words)
        }),
        "trade" => trades(nodes, frame.bodies[0], listed, words),
        "ticker" => words.one(Channel::Quotes, |words| {
            ticker(nodes, frame.bodies, listed()?, words)
        }),
        _ => Ok(()),
    }
}

/// `{"as":[…],"bs":[…]}` is a whole book, without a checksum. A change is `{"a":[…],"c":"…"}`,
/// `{"b":[…],"c":"…"}` or both in two objects, of which the last has the checksum: one update in
/// any case.
fn book(
    nodes: &[Node<'_>],
    bodies: [usize; 2],
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut whole, mut checksum, mut exch_time) = (false, None, UnixNanos(0));
    for body in bodies.into_iter().filter(|body| *body != 0) {
        let Node::Object { .. } = node(nodes, body)? else {
            return Err(Shape);
        };
        for (key, value) in read::entries(nodes, body) {
            let side = match key {
                b"as" | b"a" => Side::Sell,
                b"bs" | b"b" => Side::Buy,
                b"c" => {
                    let sum = unsigned(nodes, value)?;
                    checksum = Some(u32::try_from(sum).map_err(|_| Shape)?);
                    continue;
                }
                _ => continue,
            };
            whole |= key.len() == 2;
            read::levels(nodes, value, listed, side, words)?;
            for level in read::items(nodes, value) {
                let stamp = read::items(nodes, level).nth(2).ok_or(Shape)?;
                exch_time = exch_time.max(seconds(nodes, stamp)?); // The newest change in it.
            }
        }
    }
    let diff = Diff {
        instrument: listed.id,
        first_id: 0,
        last_id: 0,
        prev_id: None,
        checksum,
        exch_time,
    };
    if whole {
        words.book(diff)
    } else {
        words.diff(diff)
    }
}

/// `[["price","volume","seconds","b"|"s","m"|"l",""],…]`. They have no ids.
fn trades<'l>(
    nodes: &[Node<'_>],
    body: usize,
    listed: impl Fn() -> Result<&'l Listed, DecodeError>,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let Node::Array { .. } = node(nodes, body)? else {
        return Err(Shape);
    };
    read::items(nodes, body).try_for_each(|item| {
        words.one(Channel::Trades, |words| {
            words.trade(trade(nodes, item, listed()?)?)
        })
    })
}

fn trade(nodes: &[Node<'_>], item: usize, listed: &Listed) -> Result<Trade, DecodeError> {
    let mut parts = read::items(nodes, item);
    let mut next = || parts.next().ok_or(Shape);
    let (px, qty, time, side) = (next()?, next()?, next()?, next()?);
    Ok(Trade {
        instrument: listed.id,
        id: 0,
        px: read::px(text(nodes, px)?, listed)?,
        qty: read::qty(text(nodes, qty)?, listed)?,
        taker: match text(nodes, side)? {
            "b" => Side::Buy,
            "s" => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: seconds(nodes, time)?,
    })
}

/// `{"a":["price",whole,"volume"],"b":[…],…}`: the best levels when a trade came.
fn ticker(
    nodes: &[Node<'_>],
    bodies: [usize; 2],
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let level = |key: &[u8]| {
        let (px, qty) = best(nodes, bodies[0], key)?;
        read::level(px, qty, listed)
    };
    let (bid, ask) = (level(b"b")?, level(b"a")?);
    words.quote(listed.id, 0, Some(bid), Some(ask))
}

/// Price and quantity of one side of a ticker.
pub fn best<'i>(
    nodes: &[Node<'i>],
    body: usize,
    key: &[u8],
) -> Result<(&'i str, &'i str), DecodeError> {
    node(nodes, body)?;
    let side = read::find(nodes, body, key).ok_or(Shape)?;
    let mut parts = read::items(nodes, side);
    let px = parts.next().ok_or(Shape)?;
    let qty = parts.nth(1).ok_or(Shape)?;
    Ok((text(nodes, px)?, text(nodes, qty)?))
}

/// A frame that is an object: states of the exchange and answers.
pub fn event(
    nodes: &[Node<'_>],
    event: usize,
    market: &Listing,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let find = |key: &[u8]| read::find(nodes, 0, key).ok_or(Shape);
    match text(nodes, event)? {
        "systemStatus" => state(nodes, find(b"status")?, market, words),
        "subscriptionStatus" => {
            let refused = match text(nodes, find(b"status")?)? {
                "subscribed" => None,
                "error" => Some(REFUSED),
                _ => return Ok(()),
            };
            let subscription = find(b"subscription")?;
            let name = read::find(nodes, subscription, b"name").ok_or(Shape)?;
            match request::channel_of(text(nodes, name)?) {
                None => Ok(()),
                Some(channel) => {
                    let listed = read::listed(nodes, find(b"pair")?, &market.symbols)?;
                    words.subscribed(listed.id, channel, refused)
                }
            }
        }
        _ => Ok(()),
    }
}

/// `1617666423.606671`: seconds since 1970. What is finer than a nanosecond is cut off.
fn seconds(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    let text = text(nodes, at)?;
    let end = text.find('.').map_or(text.len(), |point| point + 1 + 9);
    let (read, finer) = text.split_at_checked(end).unwrap_or((text, ""));
    if !finer.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Shape);
    }
    let nanos = decimal::parse(read.as_bytes(), 9).map_err(|_| Shape)?;
    i64::try_from(nanos).map(UnixNanos).map_err(|_| Shape)
}
