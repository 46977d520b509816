//! Market frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

mod news;

use crate::base::{Channel, Diff, Instrument, InstrumentId, Level, Side, Trade, UnixNanos};
use crate::exchange::hyperliquid::channel;
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, node, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Words};
use DecodeError::Shape;
use news::News;

/// Objects of the message that buffers are warmed with: a burst of trades, far more than two sides of a book.
const WARM_ITEMS: usize = 256;
/// The code of a refusal: the exchange gives words only.
const REFUSED: i64 = -1;

/// Decodes books, trades and quotes, and the answers to subscriptions.
pub struct HyperliquidDecoder {
    scratch: Scratch,
    symbols: Symbols,
    news: News,
}

impl HyperliquidDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let trade = r#"{"coin":"BTC","hash":"0x0000000000000000000000000000000000000000000000000000000000000000","px":"105056.0","side":"B","sz":"0.00219","tid":121451470284048,"time":1737918794873,"users":["0x0000000000000000000000000000000000000000","0x0000000000000000000000000000000000000000"]}"#;
        let sample = format!("[{}]", vec![trade; WARM_ITEMS].join(","));
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
            news: News::new(instruments),
        }
    }
}

impl Decoder for HyperliquidDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self {
            scratch,
            symbols,
            news,
        } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, symbols, news, words)?;
            words.end()
        })
    }
}

/// One whole frame: `{"channel":…,"data":…}`.
#[inline]
fn message(
    nodes: &[Node<'_>],
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (mut name, mut data) = (0, 0);
    for (key, value) in read::entries(nodes, 0) {
        match key {
            b"channel" => name = value,
            b"data" => data = value,
            _ => {}
        }
    }
    if name == 0 {
        return Ok(());
    }
    let name = text(nodes, name)?;
    match channel(name) {
        Some(Channel::Depth) => words.one(Channel::Depth, |words| {
            book(nodes, data, symbols, news, words)
        }),
        Some(Channel::Trades) => trades(nodes, data, symbols, news, words),
        Some(Channel::Quotes) => {
            words.one(Channel::Quotes, |words| quote(nodes, data, symbols, words))
        }
        None if name == "subscriptionResponse" => answer(nodes, data, symbols, news, words),
        None if name == "error" => error(text(nodes, data)?, symbols, words),
        None => Ok(()), // `pong` too.
    }
}

/// Where the values of a book or of a quote stand; zero where the key is absent.
#[derive(Default)]
struct Keys {
    coin: usize,
    time: usize,
    levels: usize,
    bbo: usize,
}

impl Keys {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Result<Self, DecodeError> {
        let Node::Object { .. } = node(nodes, at)? else {
            return Err(Shape);
        };
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"coin" => keys.coin = value,
                b"time" => keys.time = value,
                b"levels" => keys.levels = value,
                b"bbo" => keys.bbo = value,
                _ => {}
            }
        }
        Ok(keys)
    }
}

/// Two elements: of the bids and of the asks.
#[inline]
fn sides(nodes: &[Node<'_>], at: usize) -> Result<(usize, usize), DecodeError> {
    let Node::Array { len: 2, .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    let mut both = read::items(nodes, at);
    Ok((both.next().ok_or(Shape)?, both.next().ok_or(Shape)?))
}

#[inline]
fn book(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Keys::of(nodes, at)?;
    let listed = read::listed(nodes, keys.coin, symbols)?;
    let (time_ms, time) = (unsigned(nodes, keys.time)?, read::millis(nodes, keys.time)?);
    let (bids, asks) = sides(nodes, keys.levels)?;
    levels(nodes, bids, listed, Side::Buy, words)?;
    levels(nodes, asks, listed, Side::Sell, words)?;
    words.book(Diff {
        instrument: listed.id,
        first_id: time_ms,
        last_id: time_ms,
        prev_id: None,
        checksum: None,
        exch_time: time,
    })?;
    news.start(listed.id, time);
    Ok(())
}

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
        words.push(side, level(nodes, item, listed)?)?;
    }
    Ok(())
}

/// `{"px":"…","sz":"…","n":…}`.
#[inline]
fn level(nodes: &[Node<'_>], at: usize, listed: &Listed) -> Result<Level, DecodeError> {
    let (mut px, mut sz) = (0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"px" => px = value,
            b"sz" => sz = value,
            _ => {}
        }
    }
    read::level(text(nodes, px)?, text(nodes, sz)?, listed)
}

/// The best levels; a side without any is null.
fn quote(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Keys::of(nodes, at)?;
    let listed = read::listed(nodes, keys.coin, symbols)?;
    let update_id = unsigned(nodes, keys.time)?;
    let (bid, ask) = sides(nodes, keys.bbo)?;
    let side = |at| match read::is_null(node(nodes, at)?) {
        true => Ok(None),
        false => level(nodes, at, listed).map(Some),
    };
    words.quote(listed.id, update_id, side(bid)?, side(ask)?)
}

/// Prints of one coin, oldest first. What is no news is read, too: it must be of the documented shape.
fn trades(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let Node::Array { .. } = node(nodes, at)? else {
        return Err(Shape);
    };
    let mut last: Option<(InstrumentId, UnixNanos)> = None;
    for item in read::items(nodes, at) {
        words.one(Channel::Trades, |words| {
            let trade = trade(nodes, item, symbols)?;
            let before = last.map_or(UnixNanos(0), |(_, time)| time);
            last = Some((trade.instrument, trade.exch_time.max(before)));
            match news.is_new(trade.instrument, trade.exch_time) {
                true => words.trade(trade),
                false => Ok(()),
            }
        })?;
    }
    if let Some((id, time)) = last {
        news.start(id, UnixNanos(time.0 + 1));
    }
    Ok(())
}

fn trade(nodes: &[Node<'_>], at: usize, symbols: &Symbols) -> Result<Trade, DecodeError> {
    let (mut coin, mut side, mut px, mut sz, mut time, mut tid) = (0, 0, 0, 0, 0, 0);
    for (key, value) in read::entries(nodes, at) {
        match key {
            b"coin" => coin = value,
            b"side" => side = value,
            b"px" => px = value,
            b"sz" => sz = value,
            b"time" => time = value,
            b"tid" => tid = value,
            _ => {}
        }
    }
    let listed = read::listed(nodes, coin, symbols)?;
    let Level { px, qty } = read::level(text(nodes, px)?, text(nodes, sz)?, listed)?;
    let taker = match text(nodes, side)? {
        "B" => Side::Buy,
        "A" => Side::Sell,
        _ => return Err(Shape),
    };
    Ok(Trade {
        instrument: listed.id,
        id: read::identity(nodes, tid)?,
        px,
        qty,
        taker,
        exch_time: read::millis(nodes, time)?,
    })
}

/// `{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}`.
fn answer(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &Symbols,
    news: &mut News,
    words: &mut Words,
) -> Result<(), DecodeError> {
    node(nodes, at)?;
    let subscription = read::find(nodes, at, b"subscription").ok_or(Shape)?;
    let kind = read::find(nodes, subscription, b"type").ok_or(Shape)?;
    let Some(channel) = channel(text(nodes, kind)?) else {
        return Ok(());
    };
    let coin = read::find(nodes, subscription, b"coin").ok_or(Shape)?;
    let listed = read::listed(nodes, coin, symbols)?;
    if channel == Channel::Trades {
        news.forget(listed.id);
    }
    words.subscribed(listed.id, channel, None)
}

/// `Already subscribed: {"type":"l2Book","coin":"BTC"}` or `Invalid subscription {…}`: a text with the subscription
/// that it is about. The first one is as good as an acceptance.
fn error(text: &str, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let refused = (!text.starts_with("Already ")).then_some(REFUSED);
    let kind = quoted(text, r#""type":""#).and_then(channel);
    let listed = quoted(text, r#""coin":""#).and_then(|coin| symbols.find(coin));
    match (kind, listed) {
        (Some(channel), Some(listed)) => words.subscribed(listed.id, channel, refused),
        // About nothing that was asked for: zero is none of our requests.
        (None, _) | (_, None) => words.answer(0, Some(REFUSED)),
    }
}

/// What stands between `before` and the next quotation mark.
fn quoted<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once('"').map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests;
