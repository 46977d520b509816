//! The REST answers of the simulated exchange: the clock, assets, pairs, books, prints and tickers.
//! Answers only what is public.

use super::names::{Names, altname, asset_id};
use super::{px, qty};
use crate::base::{Asset, Decimal, Level, Side, Trade, UnixNanos};
use crate::exchange::kit::text::{fixed, plain};
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Answers one request. A POST has its parameters in the body, as in a query.
pub(crate) fn answer(call: Call<'_>, market: &dyn Market) -> Reply {
    let form = format!("{}?{}", call.path(), call.body);
    let call = match call.method {
        Method::Get => call,
        Method::Post => Call::get(&form),
        Method::Put | Method::Delete | Method::Other => return refuse(Refusal::NoMethod),
    };
    let result = match call.path() {
        "/0/public/Time" => Ok(time(market.now())),
        "/0/public/SystemStatus" => {
            let time = super::rfc3339(market.now());
            Ok(json!({"status": "online", "timestamp": time}))
        }
        "/0/public/Assets" => assets(call, market),
        "/0/public/AssetPairs" => each(call, market, |n| pair(&market.listings()[n])),
        "/0/public/Ticker" => each(call, market, |n| ticker(n, market)),
        "/0/public/Depth" => one(call, market, |n| depth(call, n, market)),
        "/0/public/Trades" => trades(call, market),
        path if path.starts_with("/0/private/") => Err("EAPI:Invalid key"),
        _ => return refuse(Refusal::NoPath),
    };
    let body = match result {
        Ok(result) => json!({"error": [], "result": result}),
        Err(error) => json!({"error": [error]}),
    };
    Reply::json(200, body.to_string(), 1)
}

/// Refuses a request.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, error) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "EAPI:Rate limit exceeded"),
        Refusal::NoPath => (404, "EGeneral:Unknown method"),
        Refusal::NoMethod => (405, "EGeneral:Unknown method"),
    };
    Reply::json(status, json!({"error": [error]}).to_string(), 1)
}

/// What a result is, or the exchange's word for what is wrong.
type Answer = Result<Value, &'static str>;

/// The pairs that are asked for, each under the name that it goes by here: the one with a slash
/// that it was asked by, or its id. Names with slashes for all of them are another version.
fn asked(call: Call<'_>, market: &dyn Market) -> Result<Vec<(String, usize)>, &'static str> {
    let listings = market.listings().iter();
    let all: Vec<Names> = listings.map(|l| Names::of(&l.instrument)).collect();
    let slashed = call.value("assetVersion").as_deref() == Some("1");
    let named = |names: &Names, asked: &str| match (asked.contains('/'), slashed) {
        (true, _) => asked.to_owned(),
        (false, true) => names.symbol.clone(),
        (false, false) => names.id.clone(),
    };
    let wanted = call.values("pair");
    if wanted.is_empty() {
        let every = all.iter().enumerate();
        return Ok(every.map(|(n, names)| (named(names, ""), n)).collect());
    }
    let find = |asked: &String| {
        let n = all.iter().position(|names| names.has(asked))?;
        Some((named(&all[n], asked), n))
    };
    let found: Option<Vec<_>> = wanted.iter().map(find).collect();
    found.ok_or("EQuery:Unknown asset pair")
}

/// What `of` says of each pair that is asked for, of all if none is.
fn each(call: Call<'_>, market: &dyn Market, of: impl Fn(usize) -> Value) -> Answer {
    let found = asked(call, market)?.into_iter();
    let all: Map<String, Value> = found.map(|(name, n)| (name, of(n))).collect();
    Ok(Value::Object(all))
}

/// What `of` says of the one pair that is asked for.
fn one(call: Call<'_>, market: &dyn Market, of: impl Fn(usize) -> Value) -> Answer {
    match call.values("pair").len() {
        1 => each(call, market, of),
        _ => Err("EGeneral:Invalid arguments"),
    }
}

fn time(now: UnixNanos) -> Value {
    json!({"unixtime": now.as_millis() / 1_000, "rfc1123": rfc1123(now)})
}

/// `Sun, 21 Mar 21 14:23:14 +0000`.
fn rfc1123(now: UnixNanos) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = super::rfc3339(now);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let month = MONTHS.get(month.wrapping_sub(1)).unwrap_or(&MONTHS[0]);
    // The first day of 1970 was a Thursday.
    let day = DAYS[(now.as_millis() / 86_400_000).rem_euclid(7) as usize];
    let (date, year, clock) = (part(8, 10), part(2, 4), part(11, 19));
    format!("{day}, {date} {month} {year} {clock} +0000")
}

fn assets(call: Call<'_>, market: &dyn Market) -> Answer {
    let slashed = call.value("assetVersion").as_deref() == Some("1");
    let mut all = BTreeMap::new();
    for listing in market.listings() {
        for asset in [listing.instrument.base, listing.instrument.quote] {
            all.insert(asset, asset_info(&asset));
        }
    }
    let is = |asset: &Asset, name: &str| {
        let own = [asset.to_string(), asset_id(asset)];
        altname(asset) == name || own.iter().any(|own| own == name)
    };
    let wanted = call.values("asset");
    if wanted
        .iter()
        .any(|name| !all.keys().any(|asset| is(asset, name)))
    {
        return Err("EQuery:Unknown asset");
    }
    all.retain(|asset, _| wanted.is_empty() || wanted.iter().any(|name| is(asset, name)));
    let named = all.into_iter().map(|(asset, info)| match slashed {
        true => (asset.to_string(), info),
        false => (asset_id(&asset), info),
    });
    Ok(Value::Object(named.collect()))
}

fn asset_info(asset: &str) -> Value {
    json!({
        "aclass": "currency",
        "altname": altname(asset),
        "decimals": ASSET_DECIMALS,
        "display_decimals": 5,
        "status": "enabled",
    })
}

/// Decimals that the exchange keeps of an asset.
pub(crate) const ASSET_DECIMALS: u8 = 10;

/// The smallest order, as text.
pub(crate) fn cost_min(listing: &Listing) -> String {
    let found = &listing.instrument;
    let cost = Decimal {
        units: found.notional_min,
        scale: found.px_scale + found.qty_scale,
    };
    cost.to_string()
}

fn pair(listing: &Listing) -> Value {
    let found = &listing.instrument;
    let names = Names::of(found);
    json!({
        "altname": names.altname,
        "wsname": names.wsname,
        "aclass_base": "currency",
        "base": asset_id(&found.base),
        "aclass_quote": "currency",
        "quote": asset_id(&found.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": found.px_scale,
        "lot_decimals": found.qty_scale,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": plain(found.qty_min.0, found.qty_scale),
        "costmin": cost_min(listing),
        "tick_size": fixed(found.tick.0.unsigned_abs(), found.px_scale),
        "status": if found.trading { "online" } else { "cancel_only" },
        "execution_venue": "international",
    })
}

fn ticker(n: usize, market: &dyn Market) -> Value {
    let mut all = day(n, market);
    all["o"] = all["o"][1].take();
    all
}

/// The best levels and what was traded, today and in 24 hours, which are the same here.
pub(crate) fn day(n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let day = market.day(n);
    let twice = |text: String| json!([text, text]);
    let last = market.prints(n).next_back().map(|trade| trade.qty);
    let mut all = json!({
        "c": [px(day.last, found), qty(last.unwrap_or(found.lot), found)],
        "v": twice(day.base(found).to_string()),
        "p": twice(px(day.mean(), found)),
        "t": [day.count, day.count],
        "l": twice(px(day.low, found)),
        "h": twice(px(day.high, found)),
        "o": twice(px(day.open, found)),
    });
    if let Some(best) = market.best(n) {
        for (key, level) in [("a", best.ask), ("b", best.bid)] {
            let whole = level.qty.0 / 10u64.pow(u32::from(found.qty_scale));
            let shown = fixed(level.qty.0, found.qty_scale);
            all[key] = json!([px(level.px, found), whole.max(1), shown]);
        }
    }
    all
}

/// A number of the query that says how much of something is wanted.
fn count(call: Call<'_>, or: usize, max: usize) -> usize {
    let asked = call.value("count").and_then(|text| text.parse().ok());
    asked.unwrap_or(or).clamp(1, max)
}

fn depth(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let now = market.now().as_millis() / 1_000;
    let level = |level: Level| json!([px(level.px, found), qty(level.qty, found), now]);
    let side = |side| -> Vec<Value> {
        let levels = market.levels(n, side).take(count(call, 100, 500));
        levels.map(level).collect()
    };
    json!({"asks": side(Side::Sell), "bids": side(Side::Buy)})
}

fn trades(call: Call<'_>, market: &dyn Market) -> Answer {
    let since = call
        .value("since")
        .map_or(Some(0), |text| text.parse().ok());
    let mut since: i64 = since.ok_or("EGeneral:Invalid arguments:since")?;
    if since < 1_000_000_000_000 {
        since = since.saturating_mul(1_000_000_000); // It may be in seconds.
    }
    let count = count(call, 1_000, 1_000);
    let mut last = since;
    let mut newest = |n: usize| {
        let found = &market.listings()[n].instrument;
        let after = market.prints(n).filter(|trade| trade.exch_time.0 > since);
        let mut all: Vec<Trade> = after.collect();
        match since {
            0 => drop(all.drain(..all.len().saturating_sub(count))),
            _ => all.truncate(count),
        }
        last = all.last().map_or(last, |trade| trade.exch_time.0);
        let shown = |trade: &Trade| {
            let [px, qty, side, kind] = print(trade, found);
            let time = trade.exch_time.0 as f64 / 1e9;
            json!([px, qty, time, side, kind, "", trade.id])
        };
        all.iter().map(shown).collect()
    };
    let [(name, n)] = &asked(call, market)?[..] else {
        return Err("EGeneral:Invalid arguments");
    };
    let mut result = json!({});
    result[name] = newest(*n);
    result["last"] = last.to_string().into();
    Ok(result)
}

/// Price, quantity, side and sort of order of one print.
pub(crate) fn print(trade: &Trade, found: &crate::base::Instrument) -> [String; 4] {
    let side = match trade.taker {
        Side::Buy => "b",
        Side::Sell => "s",
    };
    [
        px(trade.px, found),
        qty(trade.qty, found),
        side.to_owned(),
        "l".to_owned(),
    ]
}
