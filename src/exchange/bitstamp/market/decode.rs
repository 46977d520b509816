//! Market frames to words, and the body of a snapshot to a book, walked straight off the tape. Never keeps a
//! frame, and never applies half of one.

use super::request::{DIFFS, TRADES};
use crate::base::{Channel, Diff, Instrument, Side, Snapshot, Trade, UnixNanos};
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, text, unsigned};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: far over what one diff has.
const WARM_LEVELS: usize = 1_024;

/// Decodes diffs, trades and answers.
pub struct BitstampDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl BitstampDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["61737.63000000","0.02000000"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"bids":[{levels}],"asks":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for BitstampDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, symbols, words)?;
            words.end()
        })
    }
}

/// Where the values of a root object stand; zero, the root's own place, where the key is absent.
#[derive(Default)]
struct Envelope {
    event: usize,
    channel: usize,
    data: usize,
}

impl Envelope {
    #[inline]
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut at = Self::default();
        for (key, value) in read::entries(nodes, 0) {
            match key {
                b"event" => at.event = value,
                b"channel" => at.channel = value,
                b"data" => at.data = value,
                _ => {}
            }
        }
        at
    }
}

/// One whole frame: data of a channel, or something about one.
#[inline]
fn message(nodes: &[Node<'_>], symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Envelope::of(nodes);
    if at.event == 0 {
        return Ok(());
    }
    match text(nodes, at.event)? {
        "data" => match split(text(nodes, at.channel)?) {
            Some((Channel::Depth, symbol)) => words.one(Channel::Depth, |words| {
                let head = depth(nodes, at.data, find(symbol, symbols)?, words)?;
                words.diff(head)
            }),
            Some((Channel::Trades | Channel::Quotes, _)) | None => Ok(()),
        },
        "trade" => match split(text(nodes, at.channel)?) {
            Some((Channel::Trades, symbol)) => words.one(Channel::Trades, |words| {
                trade(nodes, at.data, find(symbol, symbols)?, words)
            }),
            Some((Channel::Depth | Channel::Quotes, _)) | None => Ok(()),
        },
        "bts:subscription_succeeded" | "bts:unsubscription_succeeded" => {
            match split(text(nodes, at.channel)?) {
                Some((channel, symbol)) => subscribed(find(symbol, symbols)?, channel, None, words),
                None => Ok(()),
            }
        }
        "bts:error" => refused(nodes, &at, symbols, words),
        "bts:request_reconnect" => words.shutdown(),
        _ => Ok(()),
    }
}

/// `diff_order_book_btcusd` into its two halves; `None` for channels that nobody follows.
#[inline]
fn split(channel: &str) -> Option<(Channel, &str)> {
    if let Some(symbol) = channel.strip_prefix(DIFFS) {
        Some((Channel::Depth, symbol))
    } else {
        let symbol = channel.strip_prefix(TRADES)?;
        Some((Channel::Trades, symbol))
    }
}

#[inline]
fn find<'l>(symbol: &str, symbols: &'l Symbols) -> Result<&'l Listed, DecodeError> {
    symbols.find(symbol).ok_or(DecodeError::UnknownSymbol)
}

/// The answer about a channel. There is none for quotes: what is said of diffs is said of them, too.
fn subscribed(
    listed: &Listed,
    channel: Channel,
    refused: Option<i64>,
    words: &mut Words,
) -> Result<(), DecodeError> {
    words.subscribed(listed.id, channel, refused)?;
    if channel == Channel::Depth {
        words.subscribed(listed.id, Channel::Quotes, refused)?;
    }
    Ok(())
}

/// `{"event":"bts:error","channel":"","data":{"code":null,"message":"Bad subscription string."}}`. Where it does not
/// say which channel it is about it answers nobody's request: the id zero. A code that is no number is -1.
fn refused(
    nodes: &[Node<'_>],
    at: &Envelope,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let code = read::find(nodes, at.data, b"code").unwrap_or(0);
    let code = Some(read::signed(nodes, code).unwrap_or(-1));
    let channel = text(nodes, at.channel).unwrap_or("");
    match split(channel).map(|(channel, symbol)| (channel, symbols.find(symbol))) {
        Some((channel, Some(listed))) => subscribed(listed, channel, code, words),
        Some((_, None)) | None => words.answer(0, code),
    }
}

/// Where the values of a diff or of a snapshot stand.
#[derive(Default)]
struct Book {
    time: usize,
    bids: usize,
    asks: usize,
}

impl Book {
    #[inline]
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"microtimestamp" => keys.time = value,
                b"bids" => keys.bids = value,
                b"asks" => keys.asks = value,
                _ => {}
            }
        }
        keys
    }
}

/// The levels of a diff or of a snapshot, and its head: its id is its time.
#[inline]
fn depth(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<Diff, DecodeError> {
    let keys = Book::of(nodes, at);
    let id = unsigned(nodes, keys.time)?;
    read::levels(nodes, keys.bids, listed, Side::Buy, words)?;
    read::levels(nodes, keys.asks, listed, Side::Sell, words)?;
    Ok(Diff {
        instrument: listed.id,
        first_id: id,
        last_id: id,
        prev_id: None,
        checksum: None,
        exch_time: micros(nodes, keys.time)?,
    })
}

/// `microtimestamp` is the time in microseconds since 1970, as a string.
#[inline]
fn micros(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    let us = i64::try_from(unsigned(nodes, at)?).map_err(|_| Shape)?;
    us.checked_mul(1_000).map(UnixNanos).ok_or(Shape)
}

/// Where the values of a trade stand.
#[derive(Default)]
struct Print {
    id: usize,
    time: usize,
    side: usize,
    px: usize,
    qty: usize,
}

impl Print {
    /// `price` and `amount` are the same numbers after a detour over binary floats.
    fn of(nodes: &[Node<'_>], at: usize) -> Self {
        let mut keys = Self::default();
        for (key, value) in read::entries(nodes, at) {
            match key {
                b"id" => keys.id = value,
                b"microtimestamp" => keys.time = value,
                b"type" => keys.side = value,
                b"price_str" => keys.px = value,
                b"amount_str" => keys.qty = value,
                _ => {}
            }
        }
        keys
    }
}

/// `type` is the side of the order that took: 0 bought, 1 sold.
fn trade(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let keys = Print::of(nodes, at);
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, keys.id)?,
        px: read::px(text(nodes, keys.px)?, listed)?,
        qty: read::qty(text(nodes, keys.qty)?, listed)?,
        taker: match unsigned(nodes, keys.side)? {
            0 => Side::Buy,
            1 => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: micros(nodes, keys.time)?,
    })
}

/// Decodes `{"timestamp":"…","microtimestamp":"…","bids":[["price","quantity"],…],"asks":…}`, which is always the
/// whole book. See [`read::snapshot`].
pub fn snapshot(body: &[u8], instrument: &Instrument) -> Result<Snapshot, DecodeError> {
    let symbols = Symbols::new(std::slice::from_ref(instrument));
    let listed = find(instrument.symbol.as_str(), &symbols)?;
    let (mut scratch, mut words) = (Scratch::warmed(b"[]"), Words::new());
    scratch.read(body, |nodes| {
        words.clear();
        let head = depth(nodes, 0, listed, &mut words)?;
        words.book(head)
    })?;
    read::snapshot(&words, usize::MAX)
}

/// Symbols of a recorded frame with its numbers. A snapshot names no symbol and may have finer numbers than the
/// diffs: every instrument has the decimals that metadata would give it, at least.
pub fn survey(frame: &str, survey: &mut Survey) {
    const EIGHT: &str = "0.00000000";
    let mut scratch = Scratch::warmed(b"[]");
    // What is no JSON tells nothing.
    let _ = scratch.read_exact(frame.as_bytes(), |nodes| {
        let at = Envelope::of(nodes);
        let (name, event) = (text(nodes, at.channel)?, text(nodes, at.event)?);
        let Some((channel, symbol)) = split(name) else {
            if !event.starts_with("bts:") {
                survey.other(name.rsplit_once('_').map_or(name, |(kind, _)| kind));
            }
            return Ok(());
        };
        if event == "bts:error" {
            return Ok(());
        }
        survey.level(symbol, EIGHT, EIGHT);
        if channel == Channel::Depth {
            match event.starts_with("bts:") {
                true => survey.subscribed(symbol, super::super::DEPTHS[0].name),
                false => survey.book(symbol, Some(super::super::DEPTHS[0].name)),
            }
            let keys = Book::of(nodes, at.data);
            for item in read::items(nodes, keys.bids).chain(read::items(nodes, keys.asks)) {
                survey.level(symbol, text(nodes, item + 1)?, text(nodes, item + 2)?);
            }
        } else {
            let keys = Print::of(nodes, at.data);
            survey.level(symbol, text(nodes, keys.px)?, text(nodes, keys.qty)?);
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests;
