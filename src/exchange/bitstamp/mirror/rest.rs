//! The public REST service of the simulated exchange: markets, currencies, tickers, books and
//! prints.

use super::{levels, side, stamps};
use crate::base::{Asset, Instrument, Px, Side, Span, Trade};
use crate::exchange::Rate;
use crate::exchange::kit::text::{fixed, plain};
use crate::exchange::mirror::{Call, Listing, Market, Method, Pace, Quota, Refusal, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the exchange takes in a second, beside what it takes in ten minutes.
const A_SECOND: Quota = Quota {
    name: "second",
    rate: Rate {
        count: 400,
        per: Span::from_secs(1),
    },
    burst: 0,
};

/// Answers one request.
pub(super) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    find(call, market).within(A_SECOND)
}

/// The answer to a request. The slash at the end of a path may be missing.
fn find(call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let path = call.path().strip_prefix("/api/v2/").unwrap_or_default();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let reply = |body: Value| Reply::json(200, body.to_string(), 1);
    let listings = market.listings().iter();
    match parts[..] {
        ["markets"] => reply(listings.map(listed).collect()),
        ["trading-pairs-info"] => reply(listings.map(pair).collect()),
        ["currencies"] => reply(currencies(market)),
        ["ticker"] => reply((0..listings.len()).map(|n| ticker(n, market)).collect()),
        [service, symbol] => match (service, market.find(symbol)) {
            ("ticker" | "ticker_hour", Some(n)) => reply(ticker(n, market)),
            ("transactions", Some(n)) => reply(transactions(call, n, market)),
            ("order_book", Some(n)) => match market.take_recorded(n) {
                None => Reply::json(200, book(n, market), 1),
                Some(Some(body)) => Reply::json(200, body, 1),
                Some(None) => fail(503, "503.001", "No further snapshot was recorded."),
            },
            _ => refuse(Refusal::NoPath),
        },
        _ => refuse(Refusal::NoPath),
    }
}

/// Refuses a request.
pub(super) fn refuse(why: Refusal) -> Reply {
    let (status, code, reason) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            (400, "400.002", "Request rate limit exceeded.")
        }
        Refusal::NoPath => (404, "404.001", "Not found."),
        Refusal::NoMethod => (405, "405.001", "Method not allowed."),
    };
    fail(status, code, reason).within(A_SECOND)
}

fn fail(status: u16, code: &str, reason: &str) -> Reply {
    let body = json!({"status": "error", "reason": reason, "code": code});
    Reply::json(status, body.to_string(), 1)
}

/// How many decimals of `scale` a multiple of `step` needs.
pub(super) fn decimals(step: u64, scale: u8) -> u8 {
    (0..scale)
        .find(|decimals| step >= 10u64.pow(u32::from(scale - decimals)))
        .unwrap_or(scale)
}

/// What people call an asset.
fn long_name(asset: &str) -> &str {
    match asset {
        "BTC" => "Bitcoin",
        "ETH" => "Ether",
        "SOL" => "Solana",
        "USD" => "U.S. dollar",
        other => other,
    }
}

/// What both lists of markets say.
fn market_of(listing: &Listing) -> Value {
    let found = &listing.instrument;
    let tick = found.tick.0.unsigned_abs();
    json!({
        "name": format!("{}/{}", found.base, found.quote),
        "description": format!("{} / {}", long_name(&found.base), long_name(&found.quote)),
        "base_decimals": decimals(found.lot.0, found.qty_scale),
        "counter_decimals": decimals(tick, found.px_scale),
        "instant_order_counter_decimals": decimals(tick, found.px_scale),
        "trading": if found.trading { "Enabled" } else { "Disabled" },
        "instant_and_market_orders": if found.trading { "Enabled" } else { "Disabled" },
    })
}

/// The smallest order, in whole units of the counter currency.
fn least(found: &Instrument) -> u128 {
    found.notional_min / 10u128.pow(u32::from(found.px_scale + found.qty_scale))
}

fn listed(listing: &Listing) -> Value {
    let found = &listing.instrument;
    let mut said = market_of(listing);
    said["market_symbol"] = found.symbol.as_str().into();
    said["base_currency"] = found.base.as_str().into();
    said["counter_currency"] = found.quote.as_str().into();
    said["minimum_order_value"] = least(found).to_string().into();
    said["market_type"] = "SPOT".into();
    said
}

fn pair(listing: &Listing) -> Value {
    let found = &listing.instrument;
    let mut said = market_of(listing);
    said["url_symbol"] = found.symbol.as_str().into();
    said["minimum_order"] = format!("{}.0 {}", least(found), found.quote).into();
    said
}

/// All that is traded and paid with, each once.
fn currencies(market: &dyn Market) -> Value {
    let mut all = BTreeMap::new();
    for Listing { instrument, .. } in market.listings() {
        let tick = instrument.tick.0.unsigned_abs();
        let of_quote = decimals(tick, instrument.px_scale);
        all.entry(instrument.quote).or_insert(("fiat", of_quote));
        let of_base = decimals(instrument.lot.0, instrument.qty_scale);
        all.entry(instrument.base).or_insert(("crypto", of_base));
    }
    let one = |(asset, (kind, decimals)): (Asset, (&str, u8))| {
        json!({
            "name": long_name(&asset),
            "currency": asset.as_str(),
            "type": kind,
            "symbol": asset.as_str(),
            "decimals": decimals,
            "deposit": "Enabled",
            "withdrawal": "Enabled",
            "networks": [],
        })
    };
    all.into_iter().map(one).collect()
}

fn ticker(n: usize, market: &dyn Market) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let px = |px: Px| plain(px.0.unsigned_abs(), found.px_scale);
    let mut said = json!({
        "pair": format!("{}/{}", found.base, found.quote),
        "market": format!("{}/{}", found.base, found.quote),
        "market_type": "SPOT",
        "timestamp": stamps(market.now()).0.to_string(),
        "open": px(day.open),
        "open_24": px(day.open),
        "high": px(day.high),
        "low": px(day.low),
        "last": px(day.last),
        "volume": day.base(found).to_string(),
        "vwap": px(day.mean()),
        "percent_change_24": format!("{:.2}", day.percent()),
    });
    if let Some(best) = market.best(n) {
        said["bid"] = px(best.bid.px).into();
        said["ask"] = px(best.ask.px).into();
    }
    if let Some(last) = market.prints(n).next_back() {
        said["side"] = side(&last).to_string().into();
    }
    said
}

/// The prints of the last minute, hour or day, newest first; of an hour, unless another span is
/// asked for.
fn transactions(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let span_s = match call.value("time").as_deref() {
        Some("minute") => 60,
        Some("day") => 86_400,
        _ => 3_600,
    };
    let since = market.now().0 - span_s * 1_000_000_000;
    let one = |print: Trade| {
        json!({
            "date": stamps(print.exch_time).0.to_string(),
            "tid": print.id.to_string(),
            "type": side(&print).to_string(),
            "price": plain(print.px.0.unsigned_abs(), found.px_scale),
            "amount": fixed(print.qty.0, found.qty_scale),
        })
    };
    let newest = market.prints(n).rev();
    newest
        .take_while(|print| print.exch_time.0 > since)
        .map(one)
        .collect()
}

fn book(n: usize, market: &mut dyn Market) -> String {
    market.flush(n, Pace::Fast);
    let found = &market.listings()[n].instrument;
    let [bids, asks] =
        [Side::Buy, Side::Sell].map(|side| levels(found, market.levels(n, side), false));
    let us = market.now().as_micros() - 1;
    let seconds = us / 1_000_000;
    format!(
        r#"{{"timestamp": "{seconds}", "microtimestamp": "{us}", "bids": [{bids}], "asks": [{asks}]}}"#
    )
}
