//! Deribit frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, DecimalError, Diff, Instrument, Level, Px, Qty, Side, Trade};
use crate::exchange::deribit::channel_of;
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: some 200 KiB of text. A larger message makes the
/// buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// What a `test_request` must be answered with, or the connection is closed.
const TEST: &str = r#"{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}"#;

/// Decodes notifications of `book`, `trades` and `quote`, heartbeats and answers.
pub struct DeribitDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl DeribitDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["change",104250.5,12500.0]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"bids":[{levels}],"asks":[{levels}]}}"#);
        let mut scratch = Scratch::warmed(sample.as_bytes());
        // Numbers in quotes need more room.
        let warm = scratch.read_exact(sample.as_bytes(), |_| Ok(()));
        debug_assert!(warm.is_ok());
        Self {
            scratch,
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for DeribitDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read_exact(frame, |nodes| {
            words.clear();
            message(nodes, symbols, words)?;
            words.end()
        })
    }
}

/// Where the values of a JSON-RPC object stand; zero where the key is absent.
#[derive(Default)]
struct Rpc {
    id: usize,
    method: usize,
    params: usize,
    result: usize,
    error: usize,
}

impl Rpc {
    #[inline]
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut at = Self::default();
        for (key, value) in read::entries(nodes, 0) {
            match key {
                b"id" => at.id = value,
                b"method" => at.method = value,
                b"params" => at.params = value,
                b"result" => at.result = value,
                b"error" => at.error = value,
                _ => {}
            }
        }
        at
    }
}

#[inline]
fn message(nodes: &[Node<'_>], symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Rpc::of(nodes);
    if at.method == 0 {
        return answer(nodes, &at, symbols, words);
    }
    match text(nodes, at.method)? {
        "subscription" => notification(nodes, at.params, symbols, words),
        "heartbeat" => {
            let kind = read::find(nodes, at.params, b"type").ok_or(Shape)?;
            match text(nodes, kind)? {
                "test_request" => words.reply(TEST),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// `{"id":7,"result":["book.BTC-PERPETUAL.100ms"]}`: the channels that were accepted; one that is missing was not.
/// `{"id":7,"error":{"code":13778,"message":"…"}}`: none was. An error without an id is about nothing of ours: zero.
fn answer(
    nodes: &[Node<'_>],
    at: &Rpc,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    if at.error != 0 {
        let code = read::find(nodes, at.error, b"code").ok_or(Shape)?;
        let known = at.id != 0 && !read::is_null(node(nodes, at.id)?);
        let id = if known { unsigned(nodes, at.id)? } else { 0 };
        return words.answer(id, Some(read::signed(nodes, code)?));
    }
    if at.result == 0 {
        return Ok(());
    }
    // Other results (`"ok"`, an object) are of the greeting and of the answers to test requests.
    for item in read::items(nodes, at.result) {
        let Some(name) = nodes.get(item).and_then(read::string) else {
            return Ok(());
        };
        let known = channel_of(name)
            .and_then(|(channel, symbol, _)| Some((channel, symbols.find(symbol)?)));
        if let Some((channel, listed)) = known {
            words.subscribed(listed.id, channel, None)?;
        }
    }
    Ok(())
}

/// `{"channel":"book.BTC-PERPETUAL.100ms","data":…}`.
#[inline]
fn notification(
    nodes: &[Node<'_>],
    params: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut channel, mut data) = (0, 0);
    for (key, value) in read::entries(nodes, params) {
        match key {
            b"channel" => channel = value,
            b"data" => data = value,
            _ => {}
        }
    }
    let Some((channel, symbol, _)) = channel_of(text(nodes, channel)?) else {
        return Ok(());
    };
    let listed = symbols.find(symbol).ok_or(DecodeError::UnknownSymbol)?;
    node(nodes, data)?;
    match channel {
        Channel::Depth => words.one(channel, |words| depth(nodes, data, listed, words)),
        Channel::Trades => {
            let Node::Array { .. } = node(nodes, data)? else {
                return Err(Shape);
            };
            read::items(nodes, data).try_for_each(|at| {
                words.one(channel, |words| words.trade(trade(nodes, at, listed)?))
            })
        }
        Channel::Quotes => words.one(channel, |words| quote(nodes, data, listed, words)),
    }
}

#[inline]
fn depth(
    nodes: &[Node<'_>],
    data: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut kind, mut time, mut id, mut prev, mut bids, mut asks) = (0, 0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, data) {
        match key {
            b"type" => kind = value,
            b"timestamp" => time = value,
            b"change_id" => id = value,
            b"prev_change_id" => prev = value,
            b"bids" => bids = value,
            b"asks" => asks = value,
            _ => {}
        }
    }
    levels(nodes, bids, listed, Side::Buy, words)?;
    levels(nodes, asks, listed, Side::Sell, words)?;
    let last_id = unsigned(nodes, id)?;
    let mut diff = Diff {
        instrument: listed.id,
        first_id: last_id,
        last_id,
        prev_id: None,
        checksum: None,
        exch_time: read::millis(nodes, time)?,
    };
    match text(nodes, kind)? {
        "snapshot" => words.book(diff),
        "change" => {
            diff.prev_id = Some(unsigned(nodes, prev)?);
            words.diff(diff)
        }
        _ => Err(Shape),
    }
}

/// `[["new",104250.5,12500.0],…]` at `at` into `words`. A deleted level has nothing left, whatever is written there.
#[inline]
fn levels(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    side: Side,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let Node::Array { .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    for item in read::items(nodes, at) {
        let Some(Node::Array { len: 3.., .. }) = nodes.get(item) else {
            return Err(Shape);
        };
        // The first three are texts, one node each, or an error: their places are known.
        let px = read::px(text(nodes, item + 2)?, listed)?;
        if px <= Px(0) && is_combo(&listed.symbol) {
            return Err(DecodeError::Number(listed.id, DecimalError::Negative));
        }
        let qty = match text(nodes, item + 1)? {
            "new" | "change" => read::qty(text(nodes, item + 3)?, listed)?,
            "delete" => Qty(0),
            _ => return Err(Shape),
        };
        words.push(side, Level { px, qty })?;
    }
    Ok(())
}

/// Combinations of instruments, like `BTC-FS-25SEP26_PERP`, may cost nothing or less than that: then their book has
/// prices that this engine does not know.
#[cold]
fn is_combo(symbol: &str) -> bool {
    symbol.split('-').skip(1).any(|part| part.contains('_'))
}

fn trade(nodes: &[Node<'_>], at: usize, listed: &Listed) -> Result<Trade, DecodeError> {
    let (mut time, mut px, mut qty, mut side, mut id) = (0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"timestamp" => time = value,
            b"price" => px = value,
            b"amount" => qty = value,
            b"direction" => side = value,
            b"trade_id" => id = value,
            _ => {}
        }
    }
    Ok(Trade {
        instrument: listed.id,
        id: read::identity(nodes, id)?,
        px: read::px(text(nodes, px)?, listed)?,
        qty: read::qty(text(nodes, qty)?, listed)?,
        taker: match text(nodes, side)? {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: read::millis(nodes, time)?,
    })
}

/// The best bid and ask. A side that is empty has no price, or an amount of zero.
fn quote(
    nodes: &[Node<'_>],
    data: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut bid, mut ask) = ((0, 0), (0, 0));
    for (key, value) in read::entries(nodes, data) {
        match key {
            b"best_bid_price" => bid.0 = value,
            b"best_bid_amount" => bid.1 = value,
            b"best_ask_price" => ask.0 = value,
            b"best_ask_amount" => ask.1 = value,
            _ => {}
        }
    }
    let level = |(px, qty): (usize, usize)| -> Result<Option<Level>, DecodeError> {
        if read::is_null(node(nodes, px)?) || read::is_null(node(nodes, qty)?) {
            return Ok(None);
        }
        read::level(text(nodes, px)?, text(nodes, qty)?, listed).map(Some)
    };
    words.quote(listed.id, 0, level(bid)?, level(ask)?)
}

/// Symbols of a recorded frame, with the texts of its levels and prints, and at which interval books were recorded.
pub fn survey(frame: &str, survey: &mut Survey) {
    let mut scratch = Scratch::warmed(b"[]");
    // What cannot be read tells nothing; the decoder says so when it is replayed.
    let _ = scratch.read_exact(frame.as_bytes(), |nodes| {
        let at = Rpc::of(nodes);
        for item in read::items(nodes, at.result) {
            let name = nodes.get(item).and_then(read::string);
            match channel_of(name.unwrap_or_default()) {
                Some((Channel::Depth, symbol, interval)) => survey.subscribed(symbol, interval),
                Some((_, symbol, _)) => survey.symbol(symbol),
                None => {}
            }
        }
        let Some(name) = read::find(nodes, at.params, b"channel") else {
            return Ok(());
        };
        let name = text(nodes, name)?;
        let Some((channel, symbol, interval)) = channel_of(name) else {
            survey.other(&kind_of(name));
            return Ok(());
        };
        match channel {
            Channel::Depth => survey.book(symbol, Some(interval)),
            Channel::Trades | Channel::Quotes => survey.symbol(symbol),
        }
        let data = read::find(nodes, at.params, b"data").ok_or(Shape)?;
        let mut tell = |px: Option<usize>, qty: Option<usize>| {
            let said = |at: Option<usize>| at.and_then(|at| read::string(nodes.get(at)?));
            if let (Some(px), Some(qty)) = (said(px), said(qty)) {
                survey.level(symbol, px, qty);
            }
        };
        match channel {
            Channel::Depth => {
                for side in [b"bids", b"asks"] {
                    let side = read::find(nodes, data, side).ok_or(Shape)?;
                    for item in read::items(nodes, side) {
                        tell(Some(item + 2), Some(item + 3));
                    }
                }
            }
            Channel::Trades => {
                for item in read::items(nodes, data) {
                    let value = |key: &[u8]| read::find(nodes, item, key);
                    tell(value(b"price"), value(b"amount"));
                }
            }
            Channel::Quotes => {
                let value = |key: &[u8]| read::find(nodes, data, key);
                tell(value(b"best_bid_price"), value(b"best_bid_amount"));
                tell(value(b"best_ask_price"), value(b"best_ask_amount"));
            }
        }
        Ok(())
    });
}

/// A channel's name without its instrument: `book.none.10.100ms`, `ticker.100ms`.
fn kind_of(name: &str) -> String {
    let parts = name.split('.').enumerate().filter(|(at, _)| *at != 1);
    parts.map(|(_, part)| part).collect::<Vec<_>>().join(".")
}
