//! Advanced Trade frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Side, Trade, UnixNanos};
use crate::exchange::coinbase::advanced::channel_of;
use crate::exchange::coinbase::common::{level, list, refusal, time};
use crate::exchange::kit::read::{self, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels of the message that buffers are warmed with: one MiB of text. Only a first book is larger; it makes the
/// buffers grow, once.
const WARM_LEVELS: usize = 8_192;

/// Decodes `l2_data`, `market_trades`, `ticker` and `subscriptions`.
pub struct AdvancedDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl AdvancedDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        const LEVEL: &str = r#"{"side":"offer","event_time":"2026-01-02T03:04:05.123456Z","price_level":"68900.00","new_quantity":"1.50000000"}"#;
        let sample = format!("[{}]", vec![LEVEL; WARM_LEVELS].join(","));
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for AdvancedDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, symbols, words)?;
            words.end()
        })
    }
}

/// Where the values of a root object stand; zero where the key is absent.
#[derive(Default)]
struct Envelope {
    channel: usize,
    kind: usize,
    timestamp: usize,
    sequence_num: usize,
    events: usize,
    message: usize,
    reason: usize,
}

impl Envelope {
    #[inline]
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut at = Self::default();
        for (key, value) in read::entries(nodes, 0) {
            match key {
                b"channel" => at.channel = value,
                b"type" => at.kind = value,
                b"timestamp" => at.timestamp = value,
                b"sequence_num" => at.sequence_num = value,
                b"events" => at.events = value,
                b"message" => at.message = value,
                b"reason" => at.reason = value,
                _ => {}
            }
        }
        at
    }
}

#[inline]
fn message(nodes: &[Node<'_>], symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Envelope::of(nodes);
    // Every message of a connection is counted, also of channels that are not read here.
    if at.sequence_num != 0 {
        words.set_line_seq(unsigned(nodes, at.sequence_num)?);
    }
    if at.channel == 0 {
        return match nodes.get(at.kind).and_then(read::string) {
            Some("error") => refusal(nodes, [at.message, at.reason], symbols, words),
            _ => Ok(()),
        };
    }
    match text(nodes, at.channel)? {
        "l2_data" => {
            let seq = unsigned(nodes, at.sequence_num)?;
            let time = time(nodes, at.timestamp)?;
            list(nodes, at.events)?.try_for_each(|event| {
                words.one(Channel::Depth, |words| {
                    depth(nodes, event, (seq, time), symbols, words)
                })
            })
        }
        "market_trades" => trades(nodes, at.events, symbols, words),
        "ticker" => tickers(nodes, at.events, symbols, words),
        "subscriptions" => subscriptions(nodes, at.events, symbols, words),
        _ => Ok(()),
    }
}

/// One element of `events`: the whole book of a product, or changes of it.
#[inline]
fn depth(
    nodes: &[Node<'_>],
    event: usize,
    (seq, exch_time): (u64, UnixNanos),
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut kind, mut product, mut updates) = (0, 0, 0);
    for (key, value) in read::entries(nodes, event) {
        match key {
            b"type" => kind = value,
            b"product_id" => product = value,
            b"updates" => updates = value,
            _ => {}
        }
    }
    let listed = read::listed(nodes, product, symbols)?;
    for update in list(nodes, updates)? {
        let (mut side, mut px, mut qty) = (0, 0, 0);
        for (key, value) in read::entries(nodes, update) {
            match key {
                b"side" => side = value,
                b"price_level" => px = value,
                b"new_quantity" => qty = value,
                _ => {}
            }
        }
        let side = match text(nodes, side)? {
            "bid" => Side::Buy,
            "offer" | "ask" => Side::Sell,
            _ => return Err(Shape),
        };
        let level = read::level(text(nodes, px)?, text(nodes, qty)?, listed)?;
        words.push(side, level)?;
    }
    let diff = Diff {
        instrument: listed.id,
        first_id: seq,
        last_id: seq,
        prev_id: None,
        checksum: None,
        exch_time,
    };
    match text(nodes, kind)? {
        "snapshot" => words.book(diff),
        "update" => words.diff(diff),
        _ => Err(Shape),
    }
}

/// New trades. A snapshot repeats some that are past: it says nothing new.
fn trades(
    nodes: &[Node<'_>],
    events: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for event in list(nodes, events)? {
        let kind = read::find(nodes, event, b"type").ok_or(Shape)?;
        let trades = read::find(nodes, event, b"trades").ok_or(Shape)?;
        match text(nodes, kind)? {
            "snapshot" => continue,
            "update" => {}
            _ => return Err(Shape),
        }
        for at in list(nodes, trades)? {
            words.one(Channel::Trades, |words| {
                words.trade(trade(nodes, at, symbols)?)
            })?;
        }
    }
    Ok(())
}

fn trade(nodes: &[Node<'_>], at: usize, symbols: &Symbols) -> Result<Trade, DecodeError> {
    let (mut id, mut product, mut px, mut qty, mut side, mut when) = (0, 0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"trade_id" => id = value,
            b"product_id" => product = value,
            b"price" => px = value,
            b"size" => qty = value,
            b"side" => side = value,
            b"time" => when = value,
            _ => {}
        }
    }
    let listed = read::listed(nodes, product, symbols)?;
    // The side is that of the order that was in the book.
    let maker = match text(nodes, side)? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(Shape),
    };
    Ok(Trade {
        instrument: listed.id,
        id: read::identity(nodes, id)?,
        px: read::px(text(nodes, px)?, listed)?,
        qty: read::qty(text(nodes, qty)?, listed)?,
        taker: maker.opposite(),
        exch_time: time(nodes, when)?,
    })
}

/// The best bid and ask at a trade. A side that is empty makes no quote.
fn tickers(
    nodes: &[Node<'_>],
    events: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for event in list(nodes, events)? {
        let tickers = read::find(nodes, event, b"tickers").ok_or(Shape)?;
        for at in list(nodes, tickers)? {
            words.one(Channel::Quotes, |words| quote(nodes, at, symbols, words))?;
        }
    }
    Ok(())
}

fn quote(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut product, mut bid, mut ask) = (0, (0, 0), (0, 0));
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"product_id" => product = value,
            b"best_bid" => bid.0 = value,
            b"best_bid_quantity" => bid.1 = value,
            b"best_ask" => ask.0 = value,
            b"best_ask_quantity" => ask.1 = value,
            _ => {}
        }
    }
    let listed = read::listed(nodes, product, symbols)?;
    let (bid, ask) = (level(nodes, bid, listed)?, level(nodes, ask, listed)?);
    words.quote(listed.id, 0, bid, ask)
}

/// All that the connection is subscribed to: `[{"subscriptions":{"level2":["BTC-USD"],…}}]`.
fn subscriptions(
    nodes: &[Node<'_>],
    events: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for event in list(nodes, events)? {
        let all = read::find(nodes, event, b"subscriptions").ok_or(Shape)?;
        for (name, products) in read::entries(nodes, all) {
            let Some(channel) = std::str::from_utf8(name).ok().and_then(channel_of) else {
                continue; // Heartbeats.
            };
            for product in list(nodes, products)? {
                if let Some(listed) = symbols.find(text(nodes, product)?) {
                    words.subscribed(listed.id, channel, None)?;
                }
            }
        }
    }
    Ok(())
}

/// Symbols of a recorded frame, with the texts of its levels and prints.
pub fn survey(frame: &str, survey: &mut Survey) {
    let mut scratch = Scratch::warmed(b"[]");
    // What cannot be read tells nothing; the decoder says so when it is replayed.
    let _ = scratch.read_exact(frame.as_bytes(), |nodes| {
        let at = Envelope::of(nodes);
        let name = nodes.get(at.channel).and_then(read::string);
        for event in read::items(nodes, at.events) {
            match name {
                Some("l2_data") => {
                    let product = read::find(nodes, event, b"product_id");
                    if let Some(symbol) = product.and_then(|at| read::string(nodes.get(at)?)) {
                        survey.book(symbol, Some("level2"));
                    }
                    tell(
                        nodes,
                        event,
                        b"updates",
                        (b"price_level", b"new_quantity"),
                        survey,
                    );
                }
                Some("market_trades") => {
                    tell(nodes, event, b"trades", (b"price", b"size"), survey);
                }
                Some("ticker") => {
                    tell(
                        nodes,
                        event,
                        b"tickers",
                        (b"best_bid", b"best_bid_quantity"),
                        survey,
                    );
                    tell(
                        nodes,
                        event,
                        b"tickers",
                        (b"best_ask", b"best_ask_quantity"),
                        survey,
                    );
                }
                Some("heartbeats" | "subscriptions") | None => {}
                Some(other) => survey.other(other),
            }
        }
        Ok(())
    });
}

/// Tells of each element of `event[key]` its two numbers. The product stands in the event or in the element.
fn tell(
    nodes: &[Node<'_>],
    event: usize,
    key: &[u8],
    (px, qty): (&[u8], &[u8]),
    survey: &mut Survey,
) {
    let value = |at, key: &[u8]| {
        let at = read::find(nodes, at, key)?;
        node(nodes, at).ok().and_then(read::string)
    };
    let Some(list) = read::find(nodes, event, key) else {
        return;
    };
    let named = value(event, b"product_id");
    if let Some(symbol) = named {
        survey.symbol(symbol);
    }
    for item in read::items(nodes, list) {
        let Some(symbol) = named.or(value(item, b"product_id")) else {
            continue;
        };
        if let (Some(px), Some(qty)) = (value(item, px), value(item, qty)) {
            survey.level(symbol, px, qty);
        }
    }
}
