//! The public REST service of the simulated Exchange: products with their books, prints, tickers
//! and statistics, currencies, and the clock.

use super::{px, qty, rest, rfc3339};
use crate::base::{Asset, Decimal, Level, Px, Side, Trade};
use crate::exchange::coinbase::mirror::{
    answer as reply, asset_name, asset_step, assets, is_money, notional, number, px_step, qty_step,
};
use crate::exchange::mirror::{Call, Market, Method, Pace, Refusal, Reply};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What each product's price did lately.
const SPARK_LINES: &str = "/products/spark-lines";
/// Prints that one answer has: unless another number is asked for, and at most.
const PRINTS: usize = 100;
const PRINTS_MAX: usize = 1_000;

/// Answers one request.
pub(super) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let every = 0..market.listings().len();
    let by_symbol = |of: &dyn Fn(usize) -> Value| -> Value {
        let symbol = |n: usize| market.listings()[n].instrument.symbol.to_string();
        let all: Map<String, Value> = every.clone().map(|n| (symbol(n), of(n))).collect();
        all.into()
    };
    let parts: Vec<&str> = call.path().split('/').skip(1).collect();
    match (call.path(), &parts[..]) {
        (rest::PRODUCTS, _) => reply(&every.map(|n| product(n, market)).collect()),
        (rest::STATS, _) => reply(&by_symbol(&|n| json!({"stats_24hour": stats(n, market)}))),
        (SPARK_LINES, _) => reply(&by_symbol(&|n| lines(n, market))),
        ("/time", _) => {
            let epoch = market.now().as_millis() as f64 / 1e3;
            reply(&json!({"iso": rfc3339(market.now()), "epoch": epoch}))
        }
        ("/currencies", _) => reply(&currencies(market)),
        (_, ["currencies", id]) => {
            let all = currencies(market);
            let mut all = all.as_array().into_iter().flatten();
            let found = all.find(|one| one["id"] == *id);
            found.map_or_else(|| refuse(Refusal::NoPath), reply)
        }
        (_, ["products", symbol, service @ ..]) => {
            let Some(n) = market.find(symbol) else {
                return refuse(Refusal::NoPath);
            };
            match service {
                [] => reply(&product(n, market)),
                ["ticker"] => reply(&ticker(n, market)),
                ["stats"] => reply(&stats(n, market)),
                ["trades"] => reply(&prints(call, n, market)),
                ["book"] => {
                    market.flush(n, Pace::Fast);
                    reply(&book(call, n, market))
                }
                _ => refuse(Refusal::NoPath),
            }
        }
        _ => refuse(Refusal::NoPath),
    }
}

/// Refuses a request.
pub(super) fn refuse(why: Refusal) -> Reply {
    let (status, message) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "Public rate limit exceeded"),
        Refusal::NoPath => (404, "NotFound"),
        Refusal::NoMethod => (405, "MethodNotAllowed"),
    };
    Reply::json(status, json!({"message": message}).to_string(), 1)
}

/// All that is listed, as the stream tells of it.
pub(super) fn status(market: &dyn Market) -> Value {
    let products: Value = (0..market.listings().len())
        .map(|n| {
            let mut one = product(n, market);
            one["type"] = "spot".into();
            one
        })
        .collect();
    json!({"type": "status", "products": products, "currencies": currencies(market)})
}

fn product(n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    json!({
        "id": found.symbol.as_str(),
        "base_currency": found.base.as_str(),
        "quote_currency": found.quote.as_str(),
        "display_name": format!("{}/{}", found.base, found.quote),
        "quote_increment": px_step(found),
        "base_increment": qty_step(found),
        "min_market_funds": notional(found),
        "status": if found.trading { "online" } else { "offline" },
        "status_message": "",
        "trading_disabled": !found.trading,
        "margin_enabled": false,
        "post_only": false,
        "limit_only": false,
        "cancel_only": false,
        "auction_mode": false,
        "fx_stablecoin": false,
        "max_slippage_percentage": "0.02000000",
        "high_bid_limit_percentage": "",
    })
}

fn stats(n: usize, market: &dyn Market) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let volume = day.base(found);
    let month = Decimal {
        units: volume.units * 30,
        ..volume
    };
    json!({
        "open": px(day.open, found),
        "high": px(day.high, found),
        "low": px(day.low, found),
        "last": px(day.last, found),
        "volume": volume.to_string(),
        "volume_30day": month.to_string(),
    })
}

fn ticker(n: usize, market: &dyn Market) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let last = market.prints(n).next_back();
    let time = last.map_or(market.now(), |print| print.exch_time);
    let mut said = json!({
        "price": px(day.last, found),
        "volume": day.base(found).to_string(),
        "rfq_volume": "0",
        "trade_id": last.map_or(0, |print| print.id),
        "size": last.map_or("0".to_owned(), |print| qty(print.qty, found)),
        "time": rfc3339(time),
    });
    if let Some(best) = market.best(n) {
        said["bid"] = px(best.bid.px, found).into();
        said["ask"] = px(best.ask.px, found).into();
    }
    said
}

/// Level 1 is the best of each side, 2 all levels, 3 each order of them: here one per level.
fn book(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let level = number(call, "level").unwrap_or(1u8);
    let count = if level == 1 { 1 } else { usize::MAX };
    let side = |side: Side| -> Vec<Value> {
        let one = |at: Level| {
            let order = match level {
                3 => json!(format!("00000000-0000-4000-9000-{:012x}", at.px.0)),
                _ => json!(1),
            };
            json!([px(at.px, found), qty(at.qty, found), order])
        };
        market.levels(n, side).take(count).map(one).collect()
    };
    json!({
        "bids": side(Side::Buy),
        "asks": side(Side::Sell),
        "sequence": market.stands_at(n, Pace::Fast).0,
        "auction_mode": false,
        "auction": null,
        "time": rfc3339(market.now()),
    })
}

/// The newest prints, newest first: older than `after`, newer than `before`, by their ids.
fn prints(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let (after, before) = (number(call, "after"), number(call, "before"));
    let wanted = |print: &Trade| {
        after.is_none_or(|after: u64| print.id < after)
            && before.is_none_or(|before: u64| print.id > before)
    };
    let count = number(call, "limit").unwrap_or(PRINTS).min(PRINTS_MAX);
    let one = |print: Trade| {
        json!({
            "trade_id": print.id,
            "side": print.taker.opposite().name(),
            "size": qty(print.qty, found),
            "price": px(print.px, found),
            "time": rfc3339(print.exch_time),
        })
    };
    market
        .prints(n)
        .rev()
        .filter(wanted)
        .take(count)
        .map(one)
        .collect()
}

/// Lowest, highest, first and last price of each hour, newest first; of the day before the first
/// print, if there is none.
fn lines(n: usize, market: &dyn Market) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let mut hours: BTreeMap<i64, [Px; 4]> = BTreeMap::new();
    for print in market.prints(n) {
        let hour = print.exch_time.as_millis() / 3_600_000 * 3_600;
        let [low, high, _, close] = hours.entry(hour).or_insert([print.px; 4]);
        (*low, *high, *close) = ((*low).min(print.px), (*high).max(print.px), print.px);
    }
    if hours.is_empty() {
        let hour = market.now().as_millis() / 3_600_000 * 3_600;
        hours.insert(hour, [day.low, day.high, day.open, day.last]);
    }
    let float = |price: Px| px(price, found).parse::<f64>().unwrap_or_default();
    let line = |(hour, prices): (i64, [Px; 4])| {
        let [low, high, open, close] = prices.map(float);
        json!([hour, low, high, open, close])
    };
    hours.into_iter().rev().map(line).collect()
}

fn currencies(market: &dyn Market) -> Value {
    let one = |asset: Asset| {
        let least = asset_step(&asset).1;
        json!({
            "id": asset.as_str(),
            "name": asset_name(&asset),
            "display_name": asset.as_str(),
            "min_size": least,
            "max_precision": least,
            "status": "online",
            "message": "",
            "convertible_to": [],
            "details": {
                "type": if is_money(&asset) { "fiat" } else { "crypto" },
                "symbol": null,
                "network_confirmations": 0,
                "sort_order": 0,
                "crypto_address_link": "",
                "crypto_transaction_link": "",
                "push_payment_methods": [],
                "group_types": [],
                "display_name": null,
                "processing_time_seconds": null,
                "min_withdrawal_amount": 0,
                "max_withdrawal_amount": 0,
            },
            "default_network": "",
            "supported_networks": [],
        })
    };
    assets(market).into_iter().map(one).collect()
}
