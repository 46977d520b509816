//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use super::{request, v1};
use crate::base::{Channel, Diff, Instrument, InstrumentId, Side, Trade, UnixNanos};
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Words, kit::text as texts};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: the largest window, whole.
const WARM_LEVELS: usize = 1_000;

/// The code of a refusal: the exchange gives words, no number.
pub const REFUSED: i64 = -1;

/// Decodes books, trades, tickers, states of the exchange and answers, of both versions of the
/// protocol.
pub struct KrakenDecoder {
    scratch: Scratch,
    market: Listing,
}

/// What is known of the instruments of a connection.
pub struct Listing {
    /// By name.
    pub symbols: Symbols,
    /// Those that can be traded as far as they are concerned: a halt of the exchange concerns all
    /// of them.
    pub open: Box<[InstrumentId]>,
}

impl KrakenDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        // Both sides, three times over: quoted numbers are given three times the room of a frame.
        let level = r#"{"price":12345678.9,"qty":123456.12345678}"#;
        let sample = format!("[{}]", vec![level; 6 * WARM_LEVELS].join(","));
        let open = instruments.iter().filter(|instrument| instrument.trading);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            market: Listing {
                symbols: Symbols::new(instruments),
                open: open.map(|instrument| instrument.id).collect(),
            },
        }
    }
}

impl Decoder for KrakenDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, market } = self;
        scratch.read_exact(frame, |nodes| {
            words.clear();
            match nodes.first() {
                Some(Node::Object { .. }) => message(nodes, market, words),
                Some(Node::Array { .. }) => v1::message(nodes, &market.symbols, words),
                _ => Err(Shape),
            }?;
            words.end()
        })
    }
}

/// Where the values of a root object stand; zero, the root's own place, where the key is absent.
#[derive(Default)]
struct Envelope {
    channel: usize,
    kind: usize,
    data: usize,
    method: usize,
    event: usize,
    error: usize,
    success: usize,
    result: usize,
    req_id: usize,
}

#[inline]
fn message(nodes: &[Node<'_>], market: &Listing, words: &mut Words) -> Result<(), DecodeError> {
    let mut at = Envelope::default();
    for (key, value) in read::entries(nodes, 0) {
        match key {
            b"channel" => at.channel = value,
            b"type" => at.kind = value,
            b"data" => at.data = value,
            b"method" => at.method = value,
            b"event" => at.event = value,
            b"error" => at.error = value,
            b"success" => at.success = value,
            b"result" => at.result = value,
            b"req_id" => at.req_id = value,
            _ => {}
        }
    }
    if at.channel == 0 {
        return match at.event {
            0 => answer(nodes, &at, &market.symbols, words),
            event => v1::event(nodes, event, market, words),
        };
    }
    let symbols = &market.symbols;
    match text(nodes, at.channel)? {
        "book" => {
            let whole = is_snapshot(nodes, at.kind)?;
            each(nodes, at.data, |item| {
                words.one(Channel::Depth, |words| {
                    book(nodes, item, whole, symbols, words)
                })
            })
        }
        // The trades of the past that a subscription begins with are no news.
        "trade" if is_snapshot(nodes, at.kind)? => Ok(()),
        "trade" => each(nodes, at.data, |item| {
            words.one(Channel::Trades, |words| trade(nodes, item, symbols, words))
        }),
        "ticker" => each(nodes, at.data, |item| {
            words.one(Channel::Quotes, |words| quote(nodes, item, symbols, words))
        }),
        "status" => each(nodes, at.data, |item| {
            state(nodes, find(nodes, item, b"system")?, market, words)
        }),
        _ => Ok(()),
    }
}

fn is_snapshot(nodes: &[Node<'_>], kind: usize) -> Result<bool, DecodeError> {
    match text(nodes, kind)? {
        "snapshot" => Ok(true),
        "update" => Ok(false),
        _ => Err(Shape),
    }
}

/// Does something with every object of the array at `data`.
#[inline]
fn each(
    nodes: &[Node<'_>],
    data: usize,
    mut what: impl FnMut(usize) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let Node::Array { .. } = node(nodes, data)? else {
        return Err(Shape);
    };
    read::items(nodes, data).try_for_each(&mut what)
}

fn find(nodes: &[Node<'_>], at: usize, key: &[u8]) -> Result<usize, DecodeError> {
    read::find(nodes, at, key).ok_or(Shape)
}

/// `{"symbol":…,"bids":[{"price":…,"qty":…}],"asks":[…],"checksum":…,"timestamp":"…"}`; older
/// snapshots come without a time.
fn book(
    nodes: &[Node<'_>],
    at: usize,
    whole: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut symbol, mut bids, mut asks, mut checksum, mut time) = (0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"symbol" => symbol = value,
            b"bids" => bids = value,
            b"asks" => asks = value,
            b"checksum" => checksum = value,
            b"timestamp" => time = value,
            _ => {}
        }
    }
    let listed = read::listed(nodes, symbol, symbols)?;
    levels(nodes, bids, listed, Side::Buy, words)?;
    levels(nodes, asks, listed, Side::Sell, words)?;
    let checksum = u32::try_from(unsigned(nodes, checksum)?).map_err(|_| Shape)?;
    let exch_time = match time {
        0 => UnixNanos(0),
        time => rfc3339(nodes, time)?,
    };
    let diff = Diff {
        instrument: listed.id,
        first_id: 0,
        last_id: 0,
        prev_id: None,
        checksum: Some(checksum),
        exch_time,
    };
    if whole {
        words.book(diff)
    } else {
        words.diff(diff)
    }
}

#[inline]
fn levels(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    side: Side,
    words: &mut Words,
) -> Result<(), DecodeError> {
    each(nodes, at, |item| {
        let (px_text, qty_text) = price_and_qty(nodes, item)?;
        words.push(side, read::level(px_text, qty_text, listed)?)
    })
}

/// `{"price":…,"qty":…}`: as the exchange orders them, else by name.
#[inline]
pub fn price_and_qty<'i>(nodes: &[Node<'i>], at: usize) -> Result<(&'i str, &'i str), DecodeError> {
    if let Some(
        [
            Node::Object { len: 2, .. },
            Node::String("price"),
            Node::String(px),
            Node::String("qty"),
            Node::String(qty),
        ],
    ) = nodes.get(at..at + 5)
    {
        return Ok((px, qty));
    }
    let value = |key: &[u8]| text(nodes, find(nodes, at, key)?);
    Ok((value(b"price")?, value(b"qty")?))
}

fn trade(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, find(nodes, at, b"symbol")?, symbols)?;
    let (px, qty) = price_and_qty(nodes, at)?;
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, find(nodes, at, b"trade_id")?)?,
        px: read::px(px, listed)?,
        qty: read::qty(qty, listed)?,
        taker: match text(nodes, find(nodes, at, b"side")?)? {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: rfc3339(nodes, find(nodes, at, b"timestamp")?)?,
    })
}

fn quote(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, find(nodes, at, b"symbol")?, symbols)?;
    let level = |px: &[u8], qty: &[u8]| {
        let (px, qty) = (find(nodes, at, px)?, find(nodes, at, qty)?);
        if read::is_null(node(nodes, px)?) || read::is_null(node(nodes, qty)?) {
            return Ok(None);
        }
        read::level(text(nodes, px)?, text(nodes, qty)?, listed).map(Some)
    };
    let (bid, ask) = (level(b"bid", b"bid_qty")?, level(b"ask", b"ask_qty")?);
    words.quote(listed.id, 0, bid, ask)
}

/// The state of the whole exchange: `online`, `cancel_only`, `post_only`, `limit_only`,
/// `maintenance`. Only the first one takes every order.
pub fn state(
    nodes: &[Node<'_>],
    at: usize,
    market: &Listing,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let on = text(nodes, at)? == "online";
    market.open.iter().try_for_each(|id| words.trading(*id, on))
}

/// `{"method":"subscribe","result":{"channel":…,"symbol":…},"success":true,"req_id":1}`, one a
/// symbol. A refusal names the symbol and not the channel, so that only the request's id tells what
/// was refused. What is followed already is no refusal.
fn answer(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let refused = match (at.success, at.error) {
        (0, 0) => return Ok(()), // A pong.
        (0, _) => true,
        (success, _) => !read::boolean(node(nodes, success)?).ok_or(Shape)?,
    };
    let subscribing = at.method != 0 && text(nodes, at.method)? == "subscribe";
    if subscribing && !refused {
        let channel = text(nodes, find(nodes, at.result, b"channel")?)?;
        return match request::channel_of(channel) {
            None => Ok(()),
            Some(channel) => {
                let listed = read::listed(nodes, find(nodes, at.result, b"symbol")?, symbols)?;
                words.subscribed(listed.id, channel, None)
            }
        };
    }
    let why = nodes.get(at.error).and_then(read::string);
    let refused = refused && why != Some("Already subscribed");
    match at.req_id {
        0 if refused => words.answer(0, Some(REFUSED)),
        0 => Ok(()),
        id => words.answer(unsigned(nodes, id)?, refused.then_some(REFUSED)),
    }
}

fn rfc3339(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    texts::rfc3339(text(nodes, at)?).ok_or(Shape)
}

#[cfg(test)]
mod tests;
