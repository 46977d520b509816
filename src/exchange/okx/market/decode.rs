//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Level, Side, Trade, UnixNanos};
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::okx::{WHOLE, channel};
use crate::exchange::{DecodeError, Decoder, DepthStream, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: the largest window there is.
const WARM_LEVELS: usize = 400;
/// The answer to our text `ping`: the one frame that is not JSON.
const PONG: &[u8] = b"pong";
/// The notice that comes some 30 s before the exchange cuts the connection.
const CUT_SOON: i64 = 64_008;

/// Decodes book, trade and quote pushes, and the answers to requests.
pub struct OkxDecoder {
    scratch: Scratch,
    symbols: Symbols,
    depth: &'static DepthStream,
}

impl OkxDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument], depth: &'static DepthStream) -> Self {
        let levels = vec![r#"["0.00000061737","12345.02000000","0","123"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"asks":[{levels}],"bids":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
            depth,
        }
    }
}

impl Decoder for OkxDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self {
            scratch,
            symbols,
            depth,
        } = self;
        if frame == PONG {
            words.clear();
            return Ok(());
        }
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
    event: usize,
    arg: usize,
    action: usize,
    data: usize,
    code: usize,
    id: usize,
}

/// One whole frame: a push of one channel, or an event.
#[inline]
fn message(
    nodes: &[Node<'_>],
    symbols: &Symbols,
    depth: &DepthStream,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let mut at = Envelope::default();
    for (key, value) in read::entries(nodes, 0) {
        match key {
            b"event" => at.event = value,
            b"arg" => at.arg = value,
            b"action" => at.action = value,
            b"data" => at.data = value,
            b"code" => at.code = value,
            b"id" => at.id = value,
            _ => {}
        }
    }
    if at.event != 0 {
        return event(nodes, &at, symbols, depth, words);
    }
    if at.arg == 0 {
        return Ok(());
    }
    let (name, symbol) = topic(nodes, at.arg);
    let Some(channel) = channel(text(nodes, name)?, depth) else {
        return Ok(());
    };
    let listed = read::listed(nodes, symbol, symbols)?;
    let Node::Array { .. } = node(nodes, at.data)? else {
        return Err(Shape);
    };
    read::items(nodes, at.data).try_for_each(|item| {
        words.one(channel, |words| match channel {
            Channel::Depth => {
                let whole = is_whole(nodes, at.action, depth)?;
                book(nodes, item, whole, listed, words)
            }
            Channel::Trades => trade(nodes, item, listed, words),
            Channel::Quotes => quote(nodes, item, listed, words),
        })
    })
}

/// Where the channel's name and the symbol of an `arg` stand; zero where they are absent.
#[inline]
fn topic(nodes: &[Node<'_>], arg: usize) -> (usize, usize) {
    let (mut name, mut symbol) = (0, 0);
    if arg == 0 {
        return (name, symbol); // The root's own entries are not meant.
    }
    for (key, value) in read::entries(nodes, arg) {
        match key {
            b"channel" => name = value,
            b"instId" => symbol = value,
            _ => {}
        }
    }
    (name, symbol)
}

/// True where the message is the whole window.
#[inline]
fn is_whole(nodes: &[Node<'_>], action: usize, depth: &DepthStream) -> Result<bool, DecodeError> {
    if depth.name == WHOLE {
        return Ok(true); // It names no action.
    }
    match text(nodes, action)? {
        "snapshot" => Ok(true),
        "update" => Ok(false),
        _ => Err(Shape),
    }
}

/// Where the values of a book stand; zero where the key is absent.
#[derive(Default)]
struct Book {
    asks: usize,
    bids: usize,
    ts: usize,
    checksum: usize,
    prev: usize,
    seq: usize,
}

impl Book {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"asks" => keys.asks = value,
                b"bids" => keys.bids = value,
                b"ts" => keys.ts = present(nodes, value),
                b"checksum" => keys.checksum = present(nodes, value),
                b"prevSeqId" => keys.prev = present(nodes, value),
                b"seqId" => keys.seq = present(nodes, value),
                _ => {}
            }
        }
        keys
    }
}

/// `at`, or zero where nothing is said there: OKX writes an empty string for what there is not.
#[inline]
fn present(nodes: &[Node<'_>], at: usize) -> usize {
    match nodes.get(at) {
        Some(Node::String("")) | None => 0,
        Some(node) if read::is_null(node) => 0,
        Some(_) => at,
    }
}

#[inline]
fn book(
    nodes: &[Node<'_>],
    at: usize,
    whole: bool,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(nodes, at);
    // Recordings of 2021 and 2022 number nothing: their messages stand at their time.
    let last_id = unsigned(nodes, if keys.seq == 0 { keys.ts } else { keys.seq })?;
    let diff = Diff {
        instrument: listed.id,
        first_id: last_id,
        last_id,
        prev_id: prev_id(nodes, keys.prev)?,
        checksum: checksum(nodes, keys.checksum)?,
        exch_time: time(nodes, keys.ts)?,
    };
    read::levels(nodes, keys.bids, listed, Side::Buy, words)?;
    read::levels(nodes, keys.asks, listed, Side::Sell, words)?;
    if whole {
        words.book(diff)
    } else {
        words.diff(diff)
    }
}

/// The number of the message before this one: zero is one, -1 says that there is none.
#[inline]
fn prev_id(nodes: &[Node<'_>], at: usize) -> Result<Option<u64>, DecodeError> {
    if at == 0 {
        return Ok(None);
    }
    Ok(u64::try_from(read::signed(nodes, at)?).ok())
}

/// The bits of a signed 32-bit number; zero is what the exchange writes since it makes no checksums any more.
#[inline]
fn checksum(nodes: &[Node<'_>], at: usize) -> Result<Option<u32>, DecodeError> {
    if at == 0 {
        return Ok(None);
    }
    let signed = i32::try_from(read::signed(nodes, at)?).map_err(|_| Shape)?;
    Ok((signed != 0).then_some(signed.cast_unsigned()))
}

/// Zero where no time is stated.
#[inline]
fn time(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    if at == 0 {
        return Ok(UnixNanos(0));
    }
    read::millis(nodes, at)
}

fn trade(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut id, mut px, mut sz, mut side, mut ts) = (0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"tradeId" => id = value,
            b"px" => px = value,
            b"sz" => sz = value,
            b"side" => side = value,
            b"ts" => ts = present(nodes, value),
            _ => {}
        }
    }
    let Level { px, qty } = read::level(text(nodes, px)?, text(nodes, sz)?, listed)?;
    let taker = match text(nodes, side)? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(Shape),
    };
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, id)?,
        px,
        qty,
        taker,
        exch_time: time(nodes, ts)?,
    })
}

/// One level a side; none where a side is empty.
fn quote(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Book::of(nodes, at);
    let (bid, ask) = (
        best(nodes, keys.bids, listed)?,
        best(nodes, keys.asks, listed)?,
    );
    let update_id = match keys.seq {
        0 => 0,
        seq => unsigned(nodes, seq)?,
    };
    words.quote(listed.id, update_id, bid, ask)
}

fn best(nodes: &[Node<'_>], at: usize, listed: &Listed) -> Result<Option<Level>, DecodeError> {
    let Node::Array { .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    let Some(level) = read::items(nodes, at).next() else {
        return Ok(None);
    };
    let Node::Array { len: 2.., .. } = node(nodes, level)? else {
        return Err(Shape);
    };
    read::level(text(nodes, level + 1)?, text(nodes, level + 2)?, listed).map(Some)
}

/// An answer to a request, or a notice.
fn event(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    depth: &DepthStream,
    words: &mut Words,
) -> Result<(), DecodeError> {
    match text(nodes, at.event)? {
        "subscribe" | "unsubscribe" => about(nodes, at.arg, symbols, depth, None, words),
        "error" => {
            let code = Some(read::signed(nodes, at.code)?);
            match (present(nodes, at.id), at.arg) {
                // A request that the exchange could not read has no id: zero is none of ours.
                (0, 0) => words.answer(0, code),
                (0, arg) => about(nodes, arg, symbols, depth, code, words),
                (id, _) => words.answer(unsigned(nodes, id)?, code),
            }
        }
        "notice" if read::signed(nodes, at.code)? == CUT_SOON => words.shutdown(),
        _ => Ok(()),
    }
}

/// The answer about the stream that `arg` names.
fn about(
    nodes: &[Node<'_>],
    arg: usize,
    symbols: &Symbols,
    depth: &DepthStream,
    refused: Option<i64>,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (name, symbol) = topic(nodes, arg);
    let Some(channel) = channel(text(nodes, name)?, depth) else {
        return Ok(());
    };
    let listed = read::listed(nodes, symbol, symbols)?;
    words.subscribed(listed.id, channel, refused)
}

#[cfg(test)]
mod tests;
