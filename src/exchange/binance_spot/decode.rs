//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use super::symbols::{Listed, Symbols};
use super::tape::{self, Node, Scratch};
use super::unix_time;
use crate::base::{Diff, Instrument, Level, Px, Qty, Quote, Side, Trade, UnixNanos, Word, decimal};
use crate::exchange::{DecodeError, Decoder};
use DecodeError::Shape;

/// Changed levels that one message may have on a side.
pub const LEVELS_MAX: usize = 8_192;
/// Levels a side of the message that buffers are warmed with: some 256 KiB of text, far over what
/// the exchange sends in 100 ms. A larger message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// Decodes depth updates, trades and quotes, combined (`{"stream":…,"data":…}`) or raw.
pub struct SpotDecoder {
    scratch: Scratch,
    symbols: Symbols,
    sides: Sides,
}

/// Room for the levels of one message.
struct Sides {
    bids: Box<[Level]>,
    asks: Box<[Level]>,
}

impl SpotDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["61737.63000000","0.02000000"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"b":[{levels}],"a":[{levels}]}}"#);
        let side = || vec![Level::default(); LEVELS_MAX].into_boxed_slice();
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
            sides: Sides {
                bids: side(),
                asks: side(),
            },
        }
    }
}

impl Decoder for SpotDecoder {
    fn decode<'s>(&'s mut self, frame: &[u8]) -> Result<Word<'s>, DecodeError> {
        let Self {
            scratch,
            symbols,
            sides,
        } = self;
        scratch.read(frame, move |nodes| message(nodes, symbols, sides))
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

/// One whole frame: an event in its envelope, a bare event, or an answer.
#[inline]
fn message<'s>(
    nodes: &[Node<'_>],
    symbols: &Symbols,
    sides: &'s mut Sides,
) -> Result<Word<'s>, DecodeError> {
    let mut at = Envelope::default();
    for (key, value) in tape::entries(nodes, 0) {
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
        return event(nodes, at.data, symbols, sides);
    }
    if at.result != 0 || at.error != 0 || at.code != 0 {
        return answer(nodes, &at);
    }
    event(nodes, 0, symbols, sides)
}

/// `{"result":null,"id":1}`, `{"code":2,"msg":"…","id":1}` or `{"error":{"code":2,"msg":"…"},"id":1}`.
/// A request that the exchange could not read is answered with a null id: zero, which is none of ours.
fn answer(nodes: &[Node<'_>], at: &Envelope) -> Result<Word<'static>, DecodeError> {
    let id = node(nodes, at.id)?;
    let id = if tape::is_null(id) {
        0
    } else {
        tape::unsigned(id).ok_or(Shape)?
    };
    let code = match (at.error, at.code) {
        (0, 0) => return Ok(Word::Answer { id, refused: None }),
        (0, code) => code,
        (error, _) => tape::find(nodes, error, b"code").ok_or(Shape)?,
    };
    let refused = Some(tape::signed(&nodes[code]).ok_or(Shape)?);
    Ok(Word::Answer { id, refused })
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
        for (key, value) in tape::entries(nodes, at) {
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
fn event<'s>(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    sides: &'s mut Sides,
) -> Result<Word<'s>, DecodeError> {
    let keys = Keys::of(nodes, at);
    if keys.e == 0 {
        // Best bid and ask is the one event without a name.
        return quote(nodes, &keys, symbols);
    }
    match tape::string(&nodes[keys.e]).ok_or(Shape)? {
        "depthUpdate" => depth(nodes, &keys, symbols, sides),
        "trade" => trade(nodes, &keys, symbols),
        "serverShutdown" => Ok(Word::Shutdown),
        _ => Ok(Word::Ignored),
    }
}

#[inline]
fn depth<'s>(
    nodes: &[Node<'_>],
    keys: &Keys,
    symbols: &Symbols,
    sides: &'s mut Sides,
) -> Result<Word<'s>, DecodeError> {
    let listed = listed(nodes, keys.s, symbols)?;
    let diff = Diff {
        instrument: listed.id,
        first_id: unsigned(nodes, keys.U)?,
        last_id: unsigned(nodes, keys.u)?,
        prev_id: None,
        exch_time: time(nodes, keys.E)?,
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    let bids = levels(nodes, keys.b, listed, &mut sides.bids)?;
    let asks = levels(nodes, keys.a, listed, &mut sides.asks)?;
    Ok(Word::Diff(diff, bids, asks))
}

fn trade(nodes: &[Node<'_>], keys: &Keys, symbols: &Symbols) -> Result<Word<'static>, DecodeError> {
    let listed = listed(nodes, keys.s, symbols)?;
    let buyer_made = tape::boolean(node(nodes, keys.m)?).ok_or(Shape)?;
    Ok(Word::Trade(Trade {
        instrument: listed.id,
        id: unsigned(nodes, keys.t)?,
        px: px(text(nodes, keys.p)?, listed)?,
        qty: qty(text(nodes, keys.q)?, listed)?,
        taker: if buyer_made { Side::Sell } else { Side::Buy },
        exch_time: time(nodes, keys.T)?,
    }))
}

fn quote(nodes: &[Node<'_>], keys: &Keys, symbols: &Symbols) -> Result<Word<'static>, DecodeError> {
    let listed = listed(nodes, keys.s, symbols)?;
    let level = |px_at, qty_at| -> Result<Level, DecodeError> {
        Ok(Level {
            px: px(text(nodes, px_at)?, listed)?,
            qty: qty(text(nodes, qty_at)?, listed)?,
        })
    };
    Ok(Word::Quote(Quote {
        instrument: listed.id,
        update_id: unsigned(nodes, keys.u)?,
        bid: level(keys.b, keys.B)?,
        ask: level(keys.a, keys.A)?,
    }))
}

/// `[["price","quantity"],…]` into `slots`. On the tape a level is three nodes in a row, and nothing
/// but pairs of strings can be.
#[inline]
fn levels<'s>(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    slots: &'s mut [Level],
) -> Result<&'s [Level], DecodeError> {
    let &Node::Array { len, count } = node(nodes, at)? else {
        return Err(Shape);
    };
    let slots = slots.get_mut(..len).ok_or(DecodeError::TooManyLevels)?;
    let body = nodes.get(at + 1..at + 1 + count).ok_or(Shape)?;
    let (pairs, rest) = body.as_chunks();
    if pairs.len() != len || !rest.is_empty() {
        return Err(Shape);
    }
    for (slot, pair) in slots.iter_mut().zip(pairs) {
        let [
            Node::Array { len: 2, .. },
            Node::String(px_text),
            Node::String(qty_text),
        ] = pair
        else {
            return Err(Shape);
        };
        *slot = Level {
            px: px(px_text, listed)?,
            qty: qty(qty_text, listed)?,
        };
    }
    Ok(slots)
}

#[inline(always)] // Twice a level: a call each is 3 % of a message's instructions.
fn px(text: &str, listed: &Listed) -> Result<Px, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.px_scale) {
        Ok(units) => Ok(Px(units as i64)), // `parse` gives at most `i64::MAX`.
        Err(error) => Err(DecodeError::Number(error)),
    }
}

#[inline(always)] // Twice a level: a call each is 3 % of a message's instructions.
fn qty(text: &str, listed: &Listed) -> Result<Qty, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.qty_scale) {
        Ok(units) => Ok(Qty(units)),
        Err(error) => Err(DecodeError::Number(error)),
    }
}

#[inline]
fn node<'t, 'i>(nodes: &'t [Node<'i>], at: usize) -> Result<&'t Node<'i>, DecodeError> {
    if at == 0 { Err(Shape) } else { Ok(&nodes[at]) }
}

#[inline]
fn text<'i>(nodes: &[Node<'i>], at: usize) -> Result<&'i str, DecodeError> {
    tape::string(node(nodes, at)?).ok_or(Shape)
}

#[inline]
fn unsigned(nodes: &[Node<'_>], at: usize) -> Result<u64, DecodeError> {
    tape::unsigned(node(nodes, at)?).ok_or(Shape)
}

#[inline]
fn time(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    unix_time(unsigned(nodes, at)?).ok_or(Shape)
}

#[inline]
fn listed<'l>(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &'l Symbols,
) -> Result<&'l Listed, DecodeError> {
    symbols
        .find(text(nodes, at)?)
        .ok_or(DecodeError::UnknownSymbol)
}

#[cfg(test)]
mod tests;
