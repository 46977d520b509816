//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use super::request;
use crate::base::{Channel, Diff, Instrument, Level, Side, Trade};
use crate::exchange::binance_spot::market::decode::message;
use crate::exchange::kit::read::{self, Node, Scratch, Symbols, millis, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;
use std::cell::RefCell;

/// Levels a side of the message that buffers are warmed with: some 256 KiB of text, far over what
/// the exchange sends in 100 ms. A larger message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// Decodes depth updates, trades, quotes and contract states, combined (`{"stream":…,"data":…}`) or raw.
pub struct FuturesDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl FuturesDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["61737.60","0.020"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"b":[{levels}],"a":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for FuturesDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, words, |at, words| event(nodes, at, symbols, words))?;
            words.end()
        })
    }
}

/// Where the values of an event stand; zero where the key is absent.
#[derive(Default)]
#[allow(non_snake_case)] // The exchange tells `b` from `B`.
struct Keys {
    e: usize,
    s: usize,
    t: usize,
    T: usize,
    p: usize,
    q: usize,
    m: usize,
    u: usize,
    U: usize,
    a: usize,
    A: usize,
    b: usize,
    B: usize,
    X: usize,
    pu: usize,
    cs: usize,
}

impl Keys {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"e" => keys.e = value,
                b"s" => keys.s = value,
                b"t" => keys.t = value,
                b"T" => keys.T = value,
                b"p" => keys.p = value,
                b"q" => keys.q = value,
                b"m" => keys.m = value,
                b"u" => keys.u = value,
                b"U" => keys.U = value,
                b"a" => keys.a = value,
                b"A" => keys.A = value,
                b"b" => keys.b = value,
                b"B" => keys.B = value,
                b"X" => keys.X = value,
                b"pu" => keys.pu = value,
                b"cs" => keys.cs = value,
                _ => {}
            }
        }
        keys
    }
}

#[inline]
fn event(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    if matches!(node(nodes, at), Ok(Node::Array { .. })) {
        // Streams of the whole market (`!ticker@arr`) are lists, and none of them is used.
        return Ok(());
    }
    let keys = Keys::of(nodes, at);
    match text(nodes, keys.e)? {
        "depthUpdate" => words.one(Channel::Depth, |words| depth(nodes, &keys, symbols, words)),
        "bookTicker" => words.one(Channel::Quotes, |words| quote(nodes, &keys, symbols, words)),
        "aggTrade" => words.one(Channel::Trades, |words| {
            trade(nodes, &keys, keys.a, symbols, words)
        }),
        "trade" => words.one(Channel::Trades, |words| {
            single_trade(nodes, &keys, symbols, words)
        }),
        "contractInfo" => contract_info(nodes, &keys, symbols, words),
        _ => Ok(()),
    }
}

#[inline]
fn depth(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, keys.s, symbols)?;
    let diff = Diff {
        instrument: listed.id,
        first_id: unsigned(nodes, keys.U)?,
        last_id: unsigned(nodes, keys.u)?,
        prev_id: Some(unsigned(nodes, keys.pu)?),
        checksum: None,
        exch_time: millis(nodes, keys.T)?,
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    read::levels(nodes, keys.b, listed, Side::Buy, words)?;
    read::levels(nodes, keys.a, listed, Side::Sell, words)?;
    words.diff(diff)
}

/// A match of the book. Rows of another sort (`INSURANCE_FUND`, `NA`) come in the same stream.
fn single_trade(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    if keys.X != 0 && text(nodes, keys.X)? != "MARKET" {
        return Ok(());
    }
    trade(nodes, keys, keys.t, symbols, words)
}

/// A print whose number stands at `id`.
fn trade(
    nodes: &[Node<'_>],
    keys: &Keys,
    id: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, keys.s, symbols)?;
    let buyer_made = read::boolean(node(nodes, keys.m)?).ok_or(Shape)?;
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, id)?,
        px: read::px(text(nodes, keys.p)?, listed)?,
        qty: read::qty(text(nodes, keys.q)?, listed)?,
        taker: if buyer_made { Side::Sell } else { Side::Buy },
        exch_time: millis(nodes, keys.T)?,
    })
}

fn quote(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, keys.s, symbols)?;
    let level = |px_at, qty_at| -> Result<Level, DecodeError> {
        read::level(text(nodes, px_at)?, text(nodes, qty_at)?, listed)
    };
    let (bid, ask) = (level(keys.b, keys.B)?, level(keys.a, keys.A)?);
    words.quote(listed.id, unsigned(nodes, keys.u)?, Some(bid), Some(ask))
}

/// A contract was listed, halted, settled, or got other margin brackets. It comes for all contracts of both
/// markets: those that nobody follows are no error.
fn contract_info(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (symbol, state) = (text(nodes, keys.s)?, text(nodes, keys.cs)?);
    match symbols.find(symbol) {
        Some(listed) => words.trading(listed.id, state == "TRADING"),
        None => Ok(()),
    }
}

std::thread_local! {
    /// Kept between the frames of a recording: making one takes longer than reading a frame.
    static SURVEYING: RefCell<Scratch> = Scratch::warmed(b"{}").into();
}

/// The symbol of a recorded frame with the texts of its prices and quantities, and its depth stream.
pub fn survey(frame: &str, survey: &mut Survey) {
    let read = |nodes: &[Node<'_>]| {
        survey_event(nodes, survey);
        Ok(())
    };
    // A frame that is no JSON tells nothing.
    let _ = SURVEYING.with_borrow_mut(|scratch| scratch.read_exact(frame.as_bytes(), read));
}

fn survey_event(nodes: &[Node<'_>], survey: &mut Survey) {
    let at = read::find(nodes, 0, b"data").unwrap_or(0);
    let keys = Keys::of(nodes, at);
    let stream = read::find(nodes, 0, b"stream").and_then(|at| text(nodes, at).ok());
    let kind = stream.and_then(|name| name.split_once('@'));
    let (Ok(event), Ok(symbol)) = (text(nodes, keys.e), text(nodes, keys.s)) else {
        if let Some((_, kind)) = kind {
            survey.other(kind);
        }
        return;
    };
    let mut level = |px: usize, qty: usize| {
        if let (Ok(px), Ok(qty)) = (text(nodes, px), text(nodes, qty)) {
            survey.level(symbol, px, qty);
        }
    };
    match event {
        "depthUpdate" => {
            for side in [keys.b, keys.a] {
                for item in read::items(nodes, side) {
                    level(item + 1, item + 2);
                }
            }
            match (kind, stream.and_then(request::depth_of)) {
                // A few levels in the shape of a diff.
                (Some((_, kind)), None) => survey.other(kind),
                (_, named) => survey.book(symbol, named),
            }
        }
        "bookTicker" => {
            level(keys.b, keys.B);
            level(keys.a, keys.A);
        }
        "aggTrade" | "trade" => level(keys.p, keys.q),
        name => survey.other(kind.map_or(name, |(_, kind)| kind)),
    }
}

#[cfg(test)]
mod tests;
