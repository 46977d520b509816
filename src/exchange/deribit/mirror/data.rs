//! What calls and channels both show: numbers, books, prints, tickers. Holds nothing.

use crate::base::{Decimal, Instrument, Level, Px, Qty, Side, Trade};
use crate::exchange::kit::text;
use crate::exchange::mirror::{Day, Market, Pace};
use serde_json::{Value, json};
use std::fmt::Write;

/// A number as the exchange writes it: with a point, as `10.0` or `0.25`.
pub(crate) fn number(units: u64, scale: u8) -> String {
    let mut out = String::new();
    text::push_plain(&mut out, units, scale);
    if !out.contains('.') {
        out.push_str(".0");
    }
    out
}

/// The same number as a part of JSON. The exchange's numbers are floats, too.
pub(crate) fn float(units: u64, scale: u8) -> Value {
    number(units, scale)
        .parse::<f64>()
        .unwrap_or_default()
        .into()
}

pub(crate) fn px(instrument: &Instrument, Px(units): Px) -> Value {
    float(units.unsigned_abs(), instrument.px_scale)
}

pub(crate) fn qty(instrument: &Instrument, Qty(units): Qty) -> Value {
    float(units, instrument.qty_scale)
}

/// `[["new",104250.5,12500.0],…]`; a level without quantity is deleted.
pub(crate) fn tuples(levels: &[Level], action: &str, found: &Instrument) -> String {
    let mut out = String::from("[");
    for (n, level) in levels.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let action = if level.qty == Qty(0) {
            "delete"
        } else {
            action
        };
        let px = number(level.px.0 as u64, found.px_scale);
        let qty = number(level.qty.0, found.qty_scale);
        let _ = write!(out, r#"{comma}["{action}",{px},{qty}]"#); // Into a String: it cannot fail.
    }
    out.push(']');
    out
}

/// The best levels of both sides: `[[104250.5,12500.0],…]`.
pub(crate) fn best(market: &dyn Market, n: usize, count: usize) -> [Value; 2] {
    let found = &market.listings()[n].instrument;
    [Side::Buy, Side::Sell].map(|side| {
        let levels = market.levels(n, side).take(count);
        let pair = |level: Level| json!([px(found, level.px), qty(found, level.qty)]);
        levels.map(pair).collect()
    })
}

/// What a channel and a call say of a book without the actions of its levels.
pub(crate) fn top(market: &dyn Market, n: usize, count: usize) -> Value {
    let [bids, asks] = best(market, n, count);
    let (id, _) = market.stands_at(n, Pace::Fast);
    json!({
        "timestamp": market.now().as_millis(),
        "instrument_name": market.listings()[n].instrument.symbol.as_str(),
        "change_id": id, "bids": bids, "asks": asks,
    })
}

/// A print. The direction of the tick is not told apart.
pub(crate) fn print(trade: &Trade, found: &Instrument) -> Value {
    let lots = trade.qty.0.checked_div(found.lot.0).unwrap_or_default();
    json!({
        "timestamp": trade.exch_time.as_millis(),
        "price": px(found, trade.px), "amount": qty(found, trade.qty),
        "contracts": float(lots, 0),
        "direction": trade.taker.name(),
        "instrument_name": found.symbol.as_str(),
        "trade_id": trade.id.to_string(), "trade_seq": trade.id,
        "index_price": px(found, trade.px), "mark_price": px(found, trade.px),
        "tick_direction": 0,
    })
}

/// The best price and quantity of a side; nothing is null and zero.
fn touch(market: &dyn Market, n: usize, side: Side) -> (Value, Value) {
    let found = &market.listings()[n].instrument;
    let level = market.levels(n, side).next();
    level.map_or((Value::Null, 0.0.into()), |level| {
        (px(found, level.px), qty(found, level.qty))
    })
}

/// The best bid and ask.
pub(crate) fn quote(market: &dyn Market, n: usize, bid: Level, ask: Level) -> Value {
    let found = &market.listings()[n].instrument;
    json!({
        "timestamp": market.now().as_millis(),
        "instrument_name": found.symbol.as_str(),
        "best_bid_price": px(found, bid.px), "best_bid_amount": qty(found, bid.qty),
        "best_ask_price": px(found, ask.px), "best_ask_amount": qty(found, ask.qty),
    })
}

/// What was traded in a day: in the base asset, in dollars, and in the quote asset.
fn volumes(found: &Instrument, day: &Day) -> [Value; 3] {
    let of = |volume: Decimal| volume.to_string().parse::<f64>().unwrap_or_default().into();
    let (base, worth): (Value, Value) = (of(day.base(found)), of(day.quote(found)));
    [base, worth.clone(), worth]
}

fn change(day: &Day) -> Value {
    ((day.percent() * 10_000.0).round() / 10_000.0).into()
}

/// What `public/ticker` and its channel say. The mark price and the index stand at the last price,
/// and nobody holds a position.
pub(crate) fn ticker(market: &dyn Market, n: usize) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let last = px(found, day.last);
    let (bid, ask) = (touch(market, n, Side::Buy), touch(market, n, Side::Sell));
    let [volume, usd, notional] = volumes(found, &day);
    json!({
        "timestamp": market.now().as_millis(),
        "instrument_name": found.symbol.as_str(),
        "state": if found.trading { "open" } else { "closed" },
        "stats": {
            "high": px(found, day.high), "low": px(found, day.low),
            "price_change": change(&day),
            "volume": volume, "volume_usd": usd, "volume_notional": notional,
        },
        "best_bid_price": bid.0, "best_bid_amount": bid.1,
        "best_ask_price": ask.0, "best_ask_amount": ask.1,
        "last_price": last, "mark_price": last, "index_price": last,
        "settlement_price": last, "estimated_delivery_price": last,
        "min_price": px(found, Px(day.last.0 - day.last.0 / 20)),
        "max_price": px(found, Px(day.last.0 + day.last.0 / 20)),
        "open_interest": 0.0, "interest_value": 0.0,
        "current_funding": 0.0, "funding_8h": 0.0,
    })
}

/// What `public/get_book_summary_by_…` says.
pub(crate) fn summary(market: &dyn Market, n: usize) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let last = px(found, day.last);
    let (bid, ask) = (touch(market, n, Side::Buy), touch(market, n, Side::Sell));
    let middle = match (bid.0.as_f64(), ask.0.as_f64()) {
        (Some(bid), Some(ask)) => Value::from((bid + ask) / 2.0),
        _ => Value::Null,
    };
    let [volume, usd, notional] = volumes(found, &day);
    json!({
        "instrument_name": found.symbol.as_str(),
        "base_currency": found.base.as_str(), "quote_currency": found.quote.as_str(),
        "creation_timestamp": market.now().as_millis(),
        "high": px(found, day.high), "low": px(found, day.low), "last": last,
        "price_change": change(&day),
        "volume": volume, "volume_usd": usd, "volume_notional": notional,
        "bid_price": bid.0, "ask_price": ask.0, "mid_price": middle,
        "mark_price": last, "estimated_delivery_price": last,
        "open_interest": 0.0, "current_funding": 0.0, "funding_8h": 0.0,
    })
}
