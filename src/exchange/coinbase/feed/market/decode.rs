//! Exchange feed frames to words, walked straight off the tape. Never keeps a frame, and never
//! applies half of one.

use crate::base::{Channel, Diff, Instrument, Side, Trade};
use crate::exchange::coinbase::common::{level, list, refusal, subscribed, time};
use crate::exchange::coinbase::feed::{channel_of, depth_of};
use crate::exchange::kit::{self, Listed, Prices, Symbols, Value, cursor, keys};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with. Only a first book is larger; it makes
/// the buffers grow, once.
const WARM_LEVELS: usize = 8_192;

/// Decodes `snapshot`, `l2update`, `match`, `ticker`, `subscriptions` and `error`.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let levels = (r#"["68900.00","1.50000000"]"#, 2 * WARM_LEVELS);
    kit::decoder::warm(instruments, Prices::Texts, levels, message)
}

keys! {
    /// A message of any kind.
    struct Keys {
        kind = "type", product_id, changes, bids, asks, time, trade_id, price, size, side,
        best_bid, best_bid_size, best_ask, best_ask_size, channels, message, reason,
    }
    order [kind = "l2update", product_id, changes, time]
    order [
        kind = "match", trade_id, "maker_order_id", "taker_order_id", side, size, price,
        product_id, "sequence", time
    ]
    order [
        kind = "ticker", "sequence", product_id, price, "open_24h", "volume_24h", "low_24h",
        "high_24h", "volume_30d", best_bid, ? best_bid_size, best_ask, ? best_ask_size, side,
        time, trade_id, "last_size"
    ]
}

impl<'t> Keys<'t> {
    fn bid(&self) -> [Value<'t>; 2] {
        [self.best_bid, self.best_bid_size]
    }

    fn ask(&self) -> [Value<'t>; 2] {
        [self.best_ask, self.best_ask_size]
    }
}

#[inline]
fn message(root: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Keys::of(root);
    if at.kind.is_absent() {
        return Ok(());
    }
    match at.kind.text()? {
        "l2update" => words.one(Channel::Depth, |words| {
            let listed = at.product_id.listed(symbols)?;
            for item in list(at.changes)? {
                let [side, px, qty] = item.texts()?;
                let side = side_of(side)?;
                words.push(side, cursor::level(px, qty, listed)?)?;
            }
            words.diff(head(&at, listed)?)
        }),
        "snapshot" => words.one(Channel::Depth, |words| {
            let listed = at.product_id.listed(symbols)?;
            at.bids.levels(listed, Side::Buy, words)?;
            at.asks.levels(listed, Side::Sell, words)?;
            words.book(head(&at, listed)?)
        }),
        // A `last_match` is the one before the subscription: it says nothing new.
        "match" => words.one(Channel::Trades, |words| trade(&at, symbols, words)),
        "ticker" => words.one(Channel::Quotes, |words| quote(&at, symbols, words)),
        "subscriptions" => subscriptions(at.channels, symbols, words),
        "error" => refusal([at.message, at.reason], symbols, words),
        _ => Ok(()),
    }
}

/// The exchange numbers nothing: the book counts its updates.
fn head(at: &Keys<'_>, listed: &Listed) -> Result<Diff, DecodeError> {
    Ok(listed.head(0, time(at.time)?))
}

fn side_of(word: Value<'_>) -> Result<Side, DecodeError> {
    word.side(["buy", "sell"])
}

fn trade(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    // The side is that of the order that was in the book.
    let maker = side_of(at.side)?;
    words.trade(Trade {
        instrument: listed.id,
        id: at.trade_id.identity()?,
        px: at.price.px(listed)?,
        qty: at.size.qty(listed)?,
        taker: maker.opposite(),
        exch_time: time(at.time)?,
    })
}

/// The best bid and ask at a trade. Without both sides and their sizes, which old messages lack, it
/// is no quote.
fn quote(at: &Keys<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let listed = at.product_id.listed(symbols)?;
    let (bid, ask) = (level(at.bid(), listed)?, level(at.ask(), listed)?);
    words.quote(listed.id, 0, bid, ask)
}

/// All that the connection is subscribed to: `[{"name":"level2","product_ids":["BTC-USD"]},…]`.
fn subscriptions(
    channels: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for item in list(channels)? {
        let products = item.find(b"product_ids").some().ok_or(Shape)?;
        if let Some(channel) = channel_of(item.find(b"name").text()?) {
            subscribed(channel, products, symbols, words)?;
        }
    }
    Ok(())
}

/// Symbols of a recorded frame, with the texts of its levels and prints, and which depth channel
/// was recorded.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    kit::survey::read(frame, |root| {
        let at = Keys::of(root);
        for item in at.channels.items() {
            let name = item.find(b"name").some().map_or(Ok(""), Value::text)?;
            let depth = depth_of(name).filter(|_| channel_of(name) == Some(Channel::Depth));
            for product in item.find(b"product_ids").items() {
                match depth {
                    Some(depth) => survey.subscribed(product.text()?, depth.name),
                    None => survey.symbol(product.text()?),
                }
            }
        }
        if at.product_id.is_absent() {
            return Ok(());
        }
        let symbol = at.product_id.text()?;
        match at.kind.text()? {
            "snapshot" | "l2update" => survey.book(symbol, None),
            "match" | "last_match" | "ticker" | "heartbeat" => survey.symbol(symbol),
            other => {
                survey.other(other);
                return Ok(());
            }
        }
        survey.levels(symbol, at.bids);
        survey.levels(symbol, at.asks);
        for [_, px, qty] in at.changes.items().flat_map(Value::texts) {
            survey.both(symbol, [px, qty]);
        }
        for pair in [[at.price, at.size], at.bid(), at.ask()] {
            survey.both(symbol, pair);
        }
        Ok(())
    });
}
