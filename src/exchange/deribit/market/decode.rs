//! Deribit frames to words, walked straight off the tape. Never keeps a frame, and never applies
//! half of one.

use crate::base::{Channel, DecimalError, Diff, Instrument, Level, Px, Qty, Side, Trade};
use crate::exchange::deribit::channel_of;
use crate::exchange::kit::{self, Listed, Prices, Symbols, Value, cursor, keys};
use crate::exchange::{DecodeError, Decoder, Survey, Words};
use DecodeError::Shape;

/// Levels a side of the message that buffers are warmed with: some 200 KiB of text. A larger
/// message makes the buffers grow, once.
const WARM_LEVELS: usize = 4_096;

/// What a `test_request` must be answered with, or the connection is closed.
const TEST: &str = r#"{"jsonrpc":"2.0","id":0,"method":"public/test","params":{}}"#;

/// Decodes notifications of `book`, `trades` and `quote`, heartbeats and answers.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    let levels = (r#"["change",104250.5,12500.0]"#, 2 * WARM_LEVELS);
    kit::decoder::warm(instruments, Prices::Numbers, levels, message)
}

keys! {
    /// A JSON-RPC object.
    struct Rpc { id, method, params, result, error }
    order ["jsonrpc", method, params]
}

#[inline]
fn message(root: Value<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let at = Rpc::of(root);
    if at.method.is_absent() {
        return answer(&at, symbols, words);
    }
    match at.method.text()? {
        "subscription" => notification(at.params, symbols, words),
        "heartbeat" => match at.params.find(b"type").text()? {
            "test_request" => words.reply(TEST),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `{"id":7,"result":["book.BTC-PERPETUAL.100ms"]}`: the channels that were accepted; one that is
/// missing was not. `{"id":7,"error":{"code":13778,"message":"…"}}`: none was. An error without an
/// id is about nothing of ours: zero.
fn answer(at: &Rpc<'_>, symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    if !at.error.is_absent() {
        let nobody = at.id.is_absent() || at.id.is_null();
        let id = if nobody { 0 } else { at.id.unsigned()? };
        return words.answer(id, Some(at.error.find(b"code").signed()?));
    }
    // Other results (`"ok"`, an object) are of the greeting and of the answers to test requests.
    for item in at.result.items() {
        let Some(name) = item.string() else {
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

keys! {
    /// `{"channel":"book.BTC-PERPETUAL.100ms","data":…}`.
    struct Params { channel, data }
    order [channel, data]
}

#[inline]
fn notification(
    params: Value<'_>,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let Params { channel, data } = Params::of(params);
    let Some((channel, symbol, _)) = channel_of(channel.text()?) else {
        return Ok(());
    };
    let listed = symbols.listed(symbol)?;
    if data.is_absent() {
        return Err(Shape);
    }
    match channel {
        Channel::Depth => words.one(channel, |words| depth(data, listed, words)),
        Channel::Trades => data
            .array()?
            .try_for_each(|item| words.one(channel, |words| trade(item, listed, words))),
        Channel::Quotes => words.one(channel, |words| quote(data, listed, words)),
    }
}

keys! {
    /// A book, or changes of it.
    struct Book {
        kind = "type", time = "timestamp", id = "change_id", prev = "prev_change_id", bids, asks,
    }
    order [time, kind, id, "instrument_name", bids, asks, prev]
    order [time, kind, id, "instrument_name", bids, asks]
    order [kind, time, ? prev, "instrument_name", id, bids, asks]
}

#[inline]
fn depth(data: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Book::of(data);
    levels(keys.bids, listed, Side::Buy, words)?;
    levels(keys.asks, listed, Side::Sell, words)?;
    let head = listed.head(keys.id.unsigned()?, keys.time.millis()?);
    match keys.kind.text()? {
        "snapshot" => words.book(head),
        "change" => words.diff(Diff {
            prev_id: Some(keys.prev.unsigned()?),
            ..head
        }),
        _ => Err(Shape),
    }
}

/// `[["new",104250.5,12500.0],…]` into `words`. A deleted level has nothing left, whatever is
/// written there.
#[inline]
fn levels(
    list: Value<'_>,
    listed: &Listed,
    side: Side,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for item in list.array()? {
        let [action, px, qty] = item.texts()?;
        let px = px.px(listed)?;
        if px <= Px(0) && is_combo(&listed.symbol) {
            return Err(DecodeError::Number(listed.id, DecimalError::Negative));
        }
        let qty = match action.text()? {
            "new" | "change" => qty.qty(listed)?,
            "delete" => Qty(0),
            _ => return Err(Shape),
        };
        words.push(side, Level { px, qty })?;
    }
    Ok(())
}

/// Combinations of instruments, like `BTC-FS-25SEP26_PERP`, may cost nothing or less than that:
/// then their book has prices that this engine does not know.
#[cold]
fn is_combo(symbol: &str) -> bool {
    symbol.split('-').skip(1).any(|part| part.contains('_'))
}

keys! {
    /// A trade.
    struct Print {
        time = "timestamp", px = "price", qty = "amount", side = "direction", id = "trade_id",
    }
    order [
        time, px, qty, side, "index_price", "instrument_name", "trade_seq", "mark_price",
        "tick_direction", ? "contracts", id, ? "contracts"
    ]
    order [
        "trade_seq", id, time, "tick_direction", px, "mark_price", ? "iv", "instrument_name",
        "index_price", side, qty
    ]
}

fn trade(item: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Print::of(item);
    words.trade(Trade {
        instrument: listed.id,
        id: keys.id.identity()?,
        px: keys.px.px(listed)?,
        qty: keys.qty.qty(listed)?,
        taker: keys.side.side(["buy", "sell"])?,
        exch_time: keys.time.millis()?,
    })
}

keys! {
    /// The best bid and ask.
    struct Best {
        bid_px = "best_bid_price", bid_qty = "best_bid_amount",
        ask_px = "best_ask_price", ask_qty = "best_ask_amount",
    }
    order ["timestamp", "instrument_name", bid_px, bid_qty, ask_px, ask_qty]
}

/// The best bid and ask. A side that is empty has no price, or an amount of zero.
fn quote(data: Value<'_>, listed: &Listed, words: &mut Words) -> Result<(), DecodeError> {
    let keys = Best::of(data);
    let bid = cursor::best([keys.bid_px, keys.bid_qty], listed)?;
    let ask = cursor::best([keys.ask_px, keys.ask_qty], listed)?;
    words.quote(listed.id, 0, bid, ask)
}

/// Symbols of a recorded frame, with the texts of its levels and prints, and at which interval
/// books were recorded.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    kit::survey::read(frame, |root| {
        let at = Rpc::of(root);
        for item in at.result.items() {
            match channel_of(item.string().unwrap_or_default()) {
                Some((Channel::Depth, symbol, interval)) => survey.subscribed(symbol, interval),
                Some((_, symbol, _)) => survey.symbol(symbol),
                None => {}
            }
        }
        let Params { channel, data } = Params::of(at.params);
        if channel.is_absent() {
            return Ok(());
        }
        let name = channel.text()?;
        let Some((channel, symbol, interval)) = channel_of(name) else {
            survey.other(&kind_of(name));
            return Ok(());
        };
        match channel {
            Channel::Depth => survey.book(symbol, Some(interval)),
            Channel::Trades | Channel::Quotes => survey.symbol(symbol),
        }
        match channel {
            Channel::Depth => {
                let keys = Book::of(data);
                for item in keys.bids.items().chain(keys.asks.items()) {
                    let [_, px, qty] = item.texts()?;
                    survey.both(symbol, [px, qty]);
                }
            }
            Channel::Trades => {
                for item in data.items() {
                    let keys = Print::of(item);
                    survey.both(symbol, [keys.px, keys.qty]);
                }
            }
            Channel::Quotes => {
                let keys = Best::of(data);
                survey.both(symbol, [keys.bid_px, keys.bid_qty]);
                survey.both(symbol, [keys.ask_px, keys.ask_qty]);
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
