//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Level, Qty, Side, Trade, UnixNanos};
use crate::exchange::bybit::BEST;
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, DepthStream, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: the deepest stream's snapshot. A frame of 1,024
/// trades is longer and makes the buffers grow, once.
const WARM_LEVELS: usize = 1_000;

/// Decodes one depth stream, trades, quotes and answers.
pub struct BybitDecoder {
    scratch: Scratch,
    symbols: Symbols,
    depth: &'static str,
}

impl BybitDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument], depth: &'static DepthStream) -> Self {
        let levels = vec![r#"["61737.63000000","0.02000000"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"b":[{levels}],"a":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
            depth: depth.name,
        }
    }
}

impl Decoder for BybitDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self {
            scratch,
            symbols,
            depth,
        } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, symbols, depth, words)?;
            words.end()
        })
    }
}

/// Where the values of a root object stand; zero, the root's own place, where the key is absent.
#[derive(Default)]
struct Envelope {
    topic: usize,
    kind: usize,
    ts: usize,
    cts: usize,
    data: usize,
    op: usize,
    success: usize,
    req_id: usize,
    ret_msg: usize,
}

impl Envelope {
    #[inline]
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut at = Self::default();
        for (key, value) in read::entries(nodes, 0) {
            match key {
                b"topic" => at.topic = value,
                b"type" => at.kind = value,
                b"ts" => at.ts = value,
                b"cts" => at.cts = value,
                b"data" => at.data = value,
                b"op" => at.op = value,
                b"success" => at.success = value,
                b"req_id" => at.req_id = value,
                b"ret_msg" => at.ret_msg = value,
                _ => {}
            }
        }
        at
    }
}

/// One whole frame: data of a topic, or the answer to something that we sent.
#[inline]
fn message(
    nodes: &[Node<'_>],
    symbols: &Symbols,
    depth: &str,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let at = Envelope::of(nodes);
    if at.topic == 0 {
        return answer(nodes, &at, symbols, depth, words);
    }
    let Some((stream, _)) = text(nodes, at.topic)?.rsplit_once('.') else {
        return Ok(());
    };
    if stream == depth {
        words.one(Channel::Depth, |words| book(nodes, &at, symbols, words))?;
    }
    match stream {
        BEST => words.one(Channel::Quotes, |words| quote(nodes, &at, symbols, words)),
        "publicTrade" => trades(nodes, at.data, symbols, words),
        _ => Ok(()),
    }
}

/// `{"success":true,"ret_msg":"","conn_id":"…","req_id":"1","op":"subscribe"}`. An answer without an id of ours
/// has the id zero. The pong has the `op` of the ping. Refusals have no code. One for a topic that is followed already
/// (`error:already subscribed,topic:publicTrade.BTCUSDT`) confirms that topic, and leaves the others of its request
/// unanswered.
fn answer(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    depth: &str,
    words: &mut Words,
) -> Result<(), DecodeError> {
    if at.op == 0 {
        let refused = at.success != 0 && read::boolean(node(nodes, at.success)?) == Some(false);
        return if refused {
            words.answer(0, Some(-1))
        } else {
            Ok(())
        };
    }
    match text(nodes, at.op)? {
        "subscribe" | "unsubscribe" | "" => {
            let accepted = read::boolean(node(nodes, at.success)?).ok_or(Shape)?;
            let id = unsigned(nodes, at.req_id).unwrap_or(0);
            let why = nodes.get(at.ret_msg).and_then(read::string);
            let held = why.and_then(|why| why.strip_prefix("error:already subscribed,topic:"));
            let Some((stream, symbol)) = held.and_then(|topic| topic.rsplit_once('.')) else {
                return words.answer(id, (!accepted).then_some(-1));
            };
            let listed = symbols.find(symbol).ok_or(DecodeError::UnknownSymbol)?;
            let channels = [
                (depth, Channel::Depth),
                (BEST, Channel::Quotes),
                ("publicTrade", Channel::Trades),
            ];
            let mut named = channels.iter().filter(|(name, _)| *name == stream);
            named.try_for_each(|(_, channel)| words.subscribed(listed.id, *channel, None))
        }
        _ => Ok(()),
    }
}

/// Where the values of a book stand.
#[derive(Default)]
struct Book {
    s: usize,
    b: usize,
    a: usize,
    u: usize,
}

impl Book {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"s" => keys.s = value,
                b"b" => keys.b = value,
                b"a" => keys.a = value,
                b"u" => keys.u = value,
                _ => {}
            }
        }
        keys
    }
}

/// A snapshot replaces the book at any time, and so does `u` = 1, which says that the service began anew.
#[inline]
fn book(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(nodes, at.data);
    let listed = read::listed(nodes, keys.s, symbols)?;
    let id = unsigned(nodes, keys.u)?;
    let snapshot = match text(nodes, at.kind)? {
        "snapshot" => true,
        "delta" => false,
        _ => return Err(Shape),
    };
    let diff = Diff {
        instrument: listed.id,
        first_id: id,
        last_id: id,
        prev_id: None,
        checksum: None,
        exch_time: book_time(nodes, at)?,
    };
    read::levels(nodes, keys.b, listed, Side::Buy, words)?;
    read::levels(nodes, keys.a, listed, Side::Sell, words)?;
    if snapshot || id == 1 {
        words.book(diff)
    } else {
        words.diff(diff)
    }
}

/// The matching engine's own time, as trades have it; where it is absent, the time of sending.
#[inline]
fn book_time(nodes: &[Node<'_>], at: &Envelope) -> Result<UnixNanos, DecodeError> {
    read::millis(nodes, if at.cts == 0 { at.ts } else { at.cts })
}

/// The best level of both sides. `u` counts the messages of this topic, and is no id of a deeper book. A side that
/// is empty, or that a change leaves out, makes no quote.
fn quote(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(nodes, at.data);
    let listed = read::listed(nodes, keys.s, symbols)?;
    let (bid, ask) = (best(nodes, keys.b, listed)?, best(nodes, keys.a, listed)?);
    words.quote(listed.id, 0, bid, ask)
}

fn best(nodes: &[Node<'_>], at: usize, listed: &Listed) -> Result<Option<Level>, DecodeError> {
    let Node::Array { .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    for item in read::items(nodes, at) {
        let Some(Node::Array { len: 2.., .. }) = nodes.get(item) else {
            return Err(Shape);
        };
        let level = read::level(text(nodes, item + 1)?, text(nodes, item + 2)?, listed)?;
        if level.qty != Qty(0) {
            return Ok(Some(level));
        }
    }
    Ok(None)
}

/// Where the values of a trade stand.
#[derive(Default)]
struct Print {
    time: usize,
    symbol: usize,
    side: usize,
    qty: usize,
    px: usize,
    id: usize,
}

impl Print {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"T" => keys.time = value,
                b"s" => keys.symbol = value,
                b"S" => keys.side = value,
                b"v" => keys.qty = value,
                b"p" => keys.px = value,
                b"i" => keys.id = value,
                _ => {}
            }
        }
        keys
    }
}

/// Trades are always called a snapshot, and are always new.
fn trades(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let Node::Array { .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    read::items(nodes, at)
        .try_for_each(|item| words.one(Channel::Trades, |words| trade(nodes, item, symbols, words)))
}

/// Spot numbers its trades, those of contracts have UUIDs. `seq` is no identity: trades of one message share it.
fn trade(
    nodes: &[Node<'_>],
    item: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Print::of(nodes, item);
    let listed = read::listed(nodes, keys.symbol, symbols)?;
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, keys.id)?,
        px: read::px(text(nodes, keys.px)?, listed)?,
        qty: read::qty(text(nodes, keys.qty)?, listed)?,
        taker: match text(nodes, keys.side)? {
            "Buy" => Side::Buy,
            "Sell" => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: read::millis(nodes, keys.time)?,
    })
}

/// Symbols of a recorded frame with its numbers, and the depth stream that it is of.
pub fn survey(frame: &str, survey: &mut Survey) {
    let mut scratch = Scratch::warmed(b"[]");
    // What is no JSON tells nothing.
    let _ = scratch.read_exact(frame.as_bytes(), |nodes| {
        let at = Envelope::of(nodes);
        let Some((stream, symbol)) = text(nodes, at.topic)?.rsplit_once('.') else {
            return Ok(());
        };
        if stream == "publicTrade" {
            for item in read::items(nodes, at.data) {
                let keys = Print::of(nodes, item);
                survey.level(symbol, text(nodes, keys.px)?, text(nodes, keys.qty)?);
            }
        } else if stream.starts_with("orderbook.") {
            if stream == BEST {
                survey.best(symbol, stream);
            } else {
                survey.book(symbol, Some(stream));
            }
            let keys = Book::of(nodes, at.data);
            for item in read::items(nodes, keys.b).chain(read::items(nodes, keys.a)) {
                survey.level(symbol, text(nodes, item + 1)?, text(nodes, item + 2)?);
            }
        } else {
            survey.other(stream);
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests;
