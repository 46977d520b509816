//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use super::unix_time;
use crate::base::{Diff, Instrument, Level, Quote, Side, Trade, UnixNanos};
use crate::exchange::read::{self, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: some 256 KiB of text, far over what
/// the exchange sends in 100 ms. A larger message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// Decodes depth updates, trades and quotes, combined (`{"stream":…,"data":…}`) or raw.
pub struct SpotDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl SpotDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["61737.63000000","0.02000000"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"b":[{levels}],"a":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for SpotDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, words, |at, words| event(nodes, at, symbols, words))
        })
    }
}

/// Where the values of a root object stand; zero, the root's own place, where the key is absent.
#[derive(Default)]
struct Envelope {
    data: usize,
    result: usize,
    error: usize,
    code: usize,
    id: usize,
}

/// One whole frame of any Binance market: an event in its envelope, a bare event, or an answer.
#[inline]
pub(in crate::exchange) fn message(
    nodes: &[Node<'_>],
    words: &mut Words,
    event: impl FnOnce(usize, &mut Words) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut at = Envelope::default();
    for (key, value) in read::entries(nodes, 0) {
        match key {
            b"data" => at.data = value,
            b"result" => at.result = value,
            b"error" => at.error = value,
            b"code" => at.code = value,
            b"id" => at.id = value,
            _ => {}
        }
    }
    if at.data != 0 {
        return event(at.data, words);
    }
    if at.result != 0 || at.error != 0 || at.code != 0 {
        return answer(nodes, &at, words);
    }
    event(0, words)
}

/// `{"result":null,"id":1}`, `{"code":2,"msg":"…","id":1}` or `{"error":{"code":2,"msg":"…"},"id":1}`.
/// A request that the exchange could not read is answered with a null id: zero, which is none of ours.
fn answer(nodes: &[Node<'_>], at: &Envelope, words: &mut Words) -> Result<(), DecodeError> {
    let id = if read::is_null(node(nodes, at.id)?) {
        0
    } else {
        unsigned(nodes, at.id)?
    };
    let code = match (at.error, at.code) {
        (0, 0) => return words.answer(id, None),
        (0, code) => code,
        (error, _) => read::find(nodes, error, b"code").ok_or(Shape)?,
    };
    words.answer(id, Some(read::signed(nodes, code)?))
}

/// Where the values of an event stand, by their one-letter keys; zero where the key is absent.
#[derive(Default)]
#[allow(non_snake_case)] // The exchange tells `b` from `B`.
struct Keys {
    e: usize,
    E: usize,
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
}

impl Keys {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            let &[letter] = key else { continue };
            match letter {
                b'e' => keys.e = value,
                b'E' => keys.E = value,
                b's' => keys.s = value,
                b't' => keys.t = value,
                b'T' => keys.T = value,
                b'p' => keys.p = value,
                b'q' => keys.q = value,
                b'm' => keys.m = value,
                b'u' => keys.u = value,
                b'U' => keys.U = value,
                b'a' => keys.a = value,
                b'A' => keys.A = value,
                b'b' => keys.b = value,
                b'B' => keys.B = value,
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
    let keys = Keys::of(nodes, at);
    if keys.e == 0 {
        // Best bid and ask is the one event without a name.
        return quote(nodes, &keys, symbols, words);
    }
    match text(nodes, keys.e)? {
        "depthUpdate" => depth(nodes, &keys, symbols, words),
        "trade" => trade(nodes, &keys, symbols, words),
        "serverShutdown" => words.shutdown(),
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
        prev_id: None,
        checksum: None,
        exch_time: time(nodes, keys.E)?,
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    read::levels(nodes, keys.b, listed, Side::Buy, words)?;
    read::levels(nodes, keys.a, listed, Side::Sell, words)?;
    words.diff(diff)
}

fn trade(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, keys.s, symbols)?;
    let buyer_made = read::boolean(node(nodes, keys.m)?).ok_or(Shape)?;
    words.trade(Trade {
        instrument: listed.id,
        id: unsigned(nodes, keys.t)?,
        px: read::px(text(nodes, keys.p)?, listed)?,
        qty: read::qty(text(nodes, keys.q)?, listed)?,
        taker: if buyer_made { Side::Sell } else { Side::Buy },
        exch_time: time(nodes, keys.T)?,
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
    words.quote(Quote {
        instrument: listed.id,
        update_id: unsigned(nodes, keys.u)?,
        bid: level(keys.b, keys.B)?,
        ask: level(keys.a, keys.A)?,
    })
}

#[inline]
fn time(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    unix_time(unsigned(nodes, at)?).ok_or(Shape)
}

#[cfg(test)]
mod tests;
