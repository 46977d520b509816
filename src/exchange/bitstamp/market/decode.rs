//! Market frames to words, and the body of a snapshot to a book, walked straight off the tape.
//! Never keeps a frame, and never applies half of one.

use super::request::{DIFFS, TRADES};
use crate::base::{Channel, Diff, Instrument, Side, Snapshot, Trade};
use crate::exchange::kit::{self, Listed, Prices, Symbols, Value, keys};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: far over what one diff has.
const WARM_LEVELS: usize = 1_024;

/// Decodes diffs, trades and answers.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let levels = (r#"["61737.63000000","0.02000000"]"#, 2 * WARM_LEVELS);
    kit::decoder::warm(instruments, Prices::Texts, levels, message)
}

keys! {
    /// A root object.
    struct Envelope { event, channel, data }
    order [data, channel, event]
}

/// One whole frame: data of a channel, or something about one.
#[inline]
fn message(root: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Envelope::of(root);
    if at.event.is_absent() {
        return Ok(());
    }
    match at.event.text()? {
        "data" => match split(at.channel.text()?) {
            Some((Channel::Depth, symbol)) => words.one(Channel::Depth, |words| {
                let head = depth(at.data, symbols.listed(symbol)?, words)?;
                words.diff(head)
            }),
            Some((Channel::Trades | Channel::Quotes, _)) | None => Ok(()),
        },
        "trade" => match split(at.channel.text()?) {
            Some((Channel::Trades, symbol)) => words.one(Channel::Trades, |words| {
                trade(at.data, symbols.listed(symbol)?, words)
            }),
            Some((Channel::Depth | Channel::Quotes, _)) | None => Ok(()),
        },
        "bts:subscription_succeeded" | "bts:unsubscription_succeeded" => {
            match split(at.channel.text()?) {
                Some((channel, symbol)) => {
                    subscribed(symbols.listed(symbol)?, channel, None, words)
                }
                None => Ok(()),
            }
        }
        "bts:error" => refused(&at, symbols, words),
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

/// The answer about a channel. There is none for quotes: what is said of diffs is said of them,
/// too.
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

/// `{"event":"bts:error","channel":"","data":{"code":null,"message":"Bad subscription string."}}`.
/// If it does not say which channel it is about it answers nobody's request: the id zero. A code
/// that is no number is -1.
fn refused(at: &Envelope<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let code = Some(at.data.find(b"code").signed().unwrap_or(-1));
    let channel = at.channel.string().unwrap_or_default();
    match split(channel).map(|(channel, symbol)| (channel, symbols.find(symbol))) {
        Some((channel, Some(listed))) => subscribed(listed, channel, code, words),
        Some((_, None)) | None => words.answer(0, code),
    }
}

keys! {
    /// A diff or a snapshot.
    struct Book { time = "microtimestamp", bids, asks }
    order ["timestamp", time, bids, asks]
}

/// The levels of a diff or of a snapshot, and its head: its id is its time.
#[inline]
fn depth(data: Value<'_>, listed: &Listed, words: &mut Words) -> Result<Diff, DecodeError> {
    let keys = Book::of(data);
    let id = keys.time.unsigned()?;
    keys.bids.levels(listed, Side::Buy, words)?;
    keys.asks.levels(listed, Side::Sell, words)?;
    Ok(listed.head(id, keys.time.micros()?))
}

keys! {
    /// A trade. `price` and `amount` are the same numbers after a detour over binary floats.
    struct Print {
        id, time = "microtimestamp", side = "type", px = "price_str", qty = "amount_str",
    }
    order [
        id, "timestamp", "amount", qty, "price", px, side, time, "buy_order_id", "sell_order_id"
    ]
}

/// `type` is the side of the order that took: 0 bought, 1 sold.
fn trade(data: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(data);
    words.trade(Trade {
        instrument: listed.id,
        id: keys.id.identity()?,
        px: keys.px.px(listed)?,
        qty: keys.qty.qty(listed)?,
        taker: match keys.side.unsigned()? {
            0 => Side::Buy,
            1 => Side::Sell,
            _ => return Err(Shape),
        },
        exch_time: keys.time.micros()?,
    })
}

/// Decodes `{"timestamp":"…","microtimestamp":"…","bids":[["price","quantity"],…],"asks":…}`, which
/// is always the whole book. See [`kit::decoder::snapshot`].
pub(crate) fn snapshot(body: &[u8], instrument: &Instrument) -> Result<Snapshot, DecodeError> {
    kit::decoder::snapshot(body, instrument, usize::MAX, |root, listed, words| {
        let head = depth(root, listed, words)?;
        words.book(head)
    })
}

/// Symbols of a recorded frame with its numbers. A snapshot names no symbol and may have finer
/// numbers than the diffs: every instrument has the decimals that metadata would give it, at least.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    const EIGHT: &str = "0.00000000";
    kit::survey::read(frame, |root| {
        let at = Envelope::of(root);
        let (name, event) = (at.channel.text()?, at.event.text()?);
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
            let keys = Book::of(at.data);
            survey.levels(symbol, keys.bids);
            survey.levels(symbol, keys.asks);
        } else {
            let keys = Print::of(at.data);
            survey.both(symbol, [keys.px, keys.qty]);
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests;
