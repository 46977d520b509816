//! Exchange feed frames to words, walked straight off the tape. Never keeps a frame, and never applies half of one.

use crate::base::{Channel, Diff, Instrument, Level, Side, Trade};
use crate::exchange::coinbase::common::{level, list, refusal, time};
use crate::exchange::coinbase::feed::{channel_of, depth_of};
use crate::exchange::kit::read::{self, Listed, Node, Scratch, Symbols, text};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with. Only a first book is larger; it makes the buffers
/// grow, once.
const WARM_LEVELS: usize = 8_192;

/// Decodes `snapshot`, `l2update`, `match`, `ticker`, `subscriptions` and `error`.
pub struct FeedDecoder {
    scratch: Scratch,
    symbols: Symbols,
}

impl FeedDecoder {
    /// A warm decoder for the frames of a connection that carries these instruments.
    pub fn new(instruments: &[Instrument]) -> Self {
        let levels = vec![r#"["68900.00","1.50000000"]"#; WARM_LEVELS].join(",");
        let sample = format!(r#"{{"bids":[{levels}],"asks":[{levels}]}}"#);
        Self {
            scratch: Scratch::warmed(sample.as_bytes()),
            symbols: Symbols::new(instruments),
        }
    }
}

impl Decoder for FeedDecoder {
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self { scratch, symbols } = self;
        scratch.read(frame, |nodes| {
            words.clear();
            message(nodes, symbols, words)?;
            words.end()
        })
    }
}

/// Where the values of a message stand; zero where the key is absent.
#[derive(Default)]
struct Keys {
    kind: usize,
    product_id: usize,
    changes: usize,
    bids: usize,
    asks: usize,
    time: usize,
    trade_id: usize,
    price: usize,
    size: usize,
    side: usize,
    best_bid: (usize, usize),
    best_ask: (usize, usize),
    channels: usize,
    message: usize,
    reason: usize,
}

impl Keys {
    #[inline]
    fn of(nodes: &[Node<'_>]) -> Self {
        let mut at = Self::default();
        for (key, value) in read::entries(nodes, 0) {
            match key {
                b"type" => at.kind = value,
                b"product_id" => at.product_id = value,
                b"changes" => at.changes = value,
                b"bids" => at.bids = value,
                b"asks" => at.asks = value,
                b"time" => at.time = value,
                b"trade_id" => at.trade_id = value,
                b"price" => at.price = value,
                b"size" => at.size = value,
                b"side" => at.side = value,
                b"best_bid" => at.best_bid.0 = value,
                b"best_bid_size" => at.best_bid.1 = value,
                b"best_ask" => at.best_ask.0 = value,
                b"best_ask_size" => at.best_ask.1 = value,
                b"channels" => at.channels = value,
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
    let at = Keys::of(nodes);
    if at.kind == 0 {
        return Ok(());
    }
    match text(nodes, at.kind)? {
        "l2update" => words.one(Channel::Depth, |words| {
            let listed = read::listed(nodes, at.product_id, symbols)?;
            for item in list(nodes, at.changes)? {
                let (side, level) = change(nodes, item, listed)?;
                words.push(side, level)?;
            }
            words.diff(head(nodes, &at, listed)?)
        }),
        "snapshot" => words.one(Channel::Depth, |words| {
            let listed = read::listed(nodes, at.product_id, symbols)?;
            read::levels(nodes, at.bids, listed, Side::Buy, words)?;
            read::levels(nodes, at.asks, listed, Side::Sell, words)?;
            words.book(head(nodes, &at, listed)?)
        }),
        // A `last_match` is the one before the subscription: it says nothing new.
        "match" => words.one(Channel::Trades, |words| trade(nodes, &at, symbols, words)),
        "ticker" => words.one(Channel::Quotes, |words| quote(nodes, &at, symbols, words)),
        "subscriptions" => subscriptions(nodes, at.channels, symbols, words),
        "error" => refusal(nodes, [at.message, at.reason], symbols, words),
        _ => Ok(()),
    }
}

/// The exchange numbers nothing: the book counts its updates.
fn head(nodes: &[Node<'_>], at: &Keys, listed: &Listed) -> Result<Diff, DecodeError> {
    Ok(Diff {
        instrument: listed.id,
        first_id: 0,
        last_id: 0,
        prev_id: None,
        checksum: None,
        exch_time: time(nodes, at.time)?,
    })
}

/// `["buy","68900.00","1.5"]`.
#[inline]
fn change(nodes: &[Node<'_>], item: usize, listed: &Listed) -> Result<(Side, Level), DecodeError> {
    let Some(Node::Array { len: 3.., .. }) = nodes.get(item) else {
        return Err(Shape);
    };
    // The first three are texts, one node each, or an error: their places are known.
    let side = side(text(nodes, item + 1)?)?;
    let level = read::level(text(nodes, item + 2)?, text(nodes, item + 3)?, listed)?;
    Ok((side, level))
}

fn side(word: &str) -> Result<Side, DecodeError> {
    match word {
        "buy" => Ok(Side::Buy),
        "sell" => Ok(Side::Sell),
        _ => Err(Shape),
    }
}

fn trade(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    // The side is that of the order that was in the book.
    let maker = side(text(nodes, at.side)?)?;
    words.trade(Trade {
        instrument: listed.id,
        id: read::identity(nodes, at.trade_id)?,
        px: read::px(text(nodes, at.price)?, listed)?,
        qty: read::qty(text(nodes, at.size)?, listed)?,
        taker: maker.opposite(),
        exch_time: time(nodes, at.time)?,
    })
}

/// The best bid and ask at a trade. Without both sides and their sizes, which old messages lack, it is no quote.
fn quote(
    nodes: &[Node<'_>],
    at: &Keys,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let listed = read::listed(nodes, at.product_id, symbols)?;
    let bid = level(nodes, at.best_bid, listed)?;
    let ask = level(nodes, at.best_ask, listed)?;
    words.quote(listed.id, 0, bid, ask)
}

/// All that the connection is subscribed to: `[{"name":"level2","product_ids":["BTC-USD"]},…]`.
fn subscriptions(
    nodes: &[Node<'_>],
    channels: usize,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for item in list(nodes, channels)? {
        let name = read::find(nodes, item, b"name").ok_or(Shape)?;
        let products = read::find(nodes, item, b"product_ids").ok_or(Shape)?;
        let Some(channel) = channel_of(text(nodes, name)?) else {
            continue;
        };
        for product in list(nodes, products)? {
            if let Some(listed) = symbols.find(text(nodes, product)?) {
                words.subscribed(listed.id, channel, None)?;
            }
        }
    }
    Ok(())
}

/// Symbols of a recorded frame, with the texts of its levels and prints, and which depth channel was recorded.
pub fn survey(frame: &str, survey: &mut Survey) {
    let mut scratch = Scratch::warmed(b"[]");
    // What cannot be read tells nothing; the decoder says so when it is replayed.
    let _ = scratch.read_exact(frame.as_bytes(), |nodes| {
        let at = Keys::of(nodes);
        for item in read::items(nodes, at.channels) {
            let name = read::find(nodes, item, b"name");
            let name = name.map_or(Ok(""), |name| text(nodes, name))?;
            let depth = depth_of(name).filter(|_| channel_of(name) == Some(Channel::Depth));
            for product in read::find(nodes, item, b"product_ids")
                .into_iter()
                .flat_map(|products| read::items(nodes, products))
            {
                match depth {
                    Some(depth) => survey.subscribed(text(nodes, product)?, depth.name),
                    None => survey.symbol(text(nodes, product)?),
                }
            }
        }
        if at.product_id == 0 {
            return Ok(());
        }
        let symbol = text(nodes, at.product_id)?;
        match text(nodes, at.kind)? {
            "snapshot" | "l2update" => survey.book(symbol, None),
            "match" | "last_match" | "ticker" | "heartbeat" => survey.symbol(symbol),
            other => {
                survey.other(other);
                return Ok(());
            }
        }
        for (side, first) in [(at.bids, 1), (at.asks, 1), (at.changes, 2)] {
            for item in read::items(nodes, side) {
                let (px, qty) = (text(nodes, item + first)?, text(nodes, item + first + 1)?);
                survey.level(symbol, px, qty);
            }
        }
        for (px, qty) in [(at.price, at.size), at.best_bid, at.best_ask] {
            if px != 0 && qty != 0 {
                survey.level(symbol, text(nodes, px)?, text(nodes, qty)?);
            }
        }
        Ok(())
    });
}
