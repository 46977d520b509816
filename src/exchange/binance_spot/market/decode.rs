//! Market frames to words, and the body of a snapshot to a book, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Level, Side, Snapshot, Trade, UnixNanos};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::read::{self, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
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
            message(nodes, words, |at, words| event(nodes, at, symbols, words))?;
            words.end()
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
        return words.one(Channel::Quotes, |words| quote(nodes, &keys, symbols, words));
    }
    match text(nodes, keys.e)? {
        "depthUpdate" => words.one(Channel::Depth, |words| depth(nodes, &keys, symbols, words)),
        "trade" => words.one(Channel::Trades, |words| trade(nodes, &keys, symbols, words)),
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
        id: read::identity(nodes, keys.t)?,
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
    let (bid, ask) = (level(keys.b, keys.B)?, level(keys.a, keys.A)?);
    words.quote(listed.id, unsigned(nodes, keys.u)?, Some(bid), Some(ask))
}

/// Decodes `{"lastUpdateId":…,"bids":[["price","quantity"],…],"asks":…}` of any Binance market. See
/// [`read::snapshot`].
pub(in crate::exchange) fn snapshot(
    body: &[u8],
    instrument: &Instrument,
    levels: u16,
) -> Result<Snapshot, DecodeError> {
    let symbols = Symbols::new(std::slice::from_ref(instrument));
    let listed = symbols.find(&instrument.symbol);
    let listed = listed.ok_or(DecodeError::UnknownSymbol)?;
    let mut words = Words::new();
    Scratch::warmed(b"{}").read(body, |nodes| {
        words.clear();
        let at = |key: &[u8]| read::find(nodes, 0, key).unwrap_or(0);
        let last_id = unsigned(nodes, at(b"lastUpdateId"))?;
        read::levels(nodes, at(b"bids"), listed, Side::Buy, &mut words)?;
        read::levels(nodes, at(b"asks"), listed, Side::Sell, &mut words)?;
        words.book(Diff {
            instrument: listed.id,
            first_id: last_id,
            last_id,
            prev_id: None,
            checksum: None,
            exch_time: UnixNanos(0),
        })
    })?;
    read::snapshot(&words, usize::from(levels))
}

/// Every number of a recorded frame.
pub(super) fn survey(frame: &str, survey: &mut Survey) {
    // What cannot be read tells nothing; the decoder says so when it is replayed.
    let _ = Scratch::warmed(b"{}").read_exact(frame.as_bytes(), |nodes| {
        let at = read::find(nodes, 0, b"data").unwrap_or(0);
        let keys = Keys::of(nodes, at);
        let symbol = text(nodes, keys.s)?;
        let mut level = |px: usize, qty: usize| {
            if let (Ok(px), Ok(qty)) = (text(nodes, px), text(nodes, qty)) {
                survey.level(symbol, px, qty);
            }
        };
        for side in [keys.b, keys.a] {
            read::items(nodes, side).for_each(|item| level(item + 1, item + 2));
        }
        for (px, qty) in [(keys.p, keys.q), (keys.b, keys.B), (keys.a, keys.A)] {
            level(px, qty);
        }
        Ok(())
    });
}

#[inline]
fn time(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    unix_time(unsigned(nodes, at)?).ok_or(Shape)
}

#[cfg(test)]
mod tests;
