//! The public REST services of the simulated Advanced Trade: products with their tickers, books,
//! prints and candles, the clock, and what the older interface beside it lists of assets.

use super::{notional, px, px_step, qty, qty_step, rest, rfc3339, trade};
use crate::base::{Asset, Level, Px, Side, Trade};
use crate::exchange::coinbase::mirror::{
    answer as reply, asset_name, asset_step, assets, is_money, number,
};
use crate::exchange::kit::text::{fixed, plain};
use crate::exchange::mirror::{Call, Market, Method, Pace, Refusal, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// In front of all services of this interface.
const ROOT: &str = "/api/v3/brokerage/";
/// Prints that one answer has, unless another number is asked for.
const PRINTS: usize = 100;
/// Candles that one answer has, at most.
const CANDLES_MAX: usize = 350;

/// Answers one request.
pub(super) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    if let Some(of) = call
        .path()
        .strip_prefix(rest::PRODUCTS)
        .and_then(|of| of.strip_prefix('/'))
    {
        let (symbol, service) = of.split_once('/').unwrap_or((of, ""));
        let Some(n) = market.find(symbol) else {
            return error(404, "NOT_FOUND", "valid product_id is required");
        };
        return match service {
            "" => reply(&product(n, market)),
            "ticker" => reply(&prints(call, n, market)),
            "candles" => candles(call, n, market),
            _ => refuse(Refusal::NoPath),
        };
    }
    let now = market.now();
    match call.path() {
        rest::PRODUCTS => reply(&products(call, market)),
        "/api/v3/brokerage/market/product_book" => book(call, market),
        "/api/v3/brokerage/time" => reply(&json!({
            "iso": rfc3339(now),
            "epochSeconds": (now.as_millis() / 1_000).to_string(),
            "epochMillis": now.as_millis().to_string(),
        })),
        "/v2/time" => reply(&data(json!({
            "iso": rfc3339(now),
            "epoch": now.as_millis() / 1_000,
        }))),
        "/v2/currencies" => reply(&data(currencies(market))),
        "/v2/currencies/crypto" => reply(&data(coins(market))),
        "/v2/exchange-rates" => reply(&data(rates(call, market))),
        // Whatever else there is belongs to an account.
        path if path.starts_with(ROOT) => Reply::text(401, "Unauthorized\n", 1),
        _ => refuse(Refusal::NoPath),
    }
}

/// Refuses a request.
pub(super) fn refuse(why: Refusal) -> Reply {
    match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            let error = json!({"id": "rate_limit_exceeded", "message": "Too many requests"});
            Reply::json(429, json!({"errors": [error]}).to_string(), 1)
        }
        Refusal::NoPath => error(404, "NOT_FOUND", "not found"),
        Refusal::NoMethod => error(405, "METHOD_NOT_ALLOWED", "method not allowed"),
    }
}

fn error(status: u16, error: &str, message: &str) -> Reply {
    let body = json!({"error": error, "error_details": message, "message": message});
    Reply::json(status, body.to_string(), 1)
}

fn data(data: Value) -> Value {
    json!({"data": data})
}

/// Those that are asked for: by id, by kind, and of these a page.
fn products(call: Call<'_>, market: &dyn Market) -> Value {
    let asked = call.values("product_ids");
    let kind = call.value("product_type");
    let spot = kind.is_none_or(|kind| kind == "SPOT" || kind == "UNKNOWN_PRODUCT_TYPE");
    let listings = market.listings().iter().enumerate();
    let wanted = listings.filter(|(_, listing)| {
        let symbol = listing.instrument.symbol;
        spot && (asked.is_empty() || asked.iter().any(|asked| *asked == symbol.as_str()))
    });
    let wanted: Vec<usize> = wanted.map(|(n, _)| n).collect();
    let from = number(call, "cursor")
        .or(number(call, "offset"))
        .unwrap_or(0);
    let count = number(call, "limit").unwrap_or(usize::MAX);
    let page = wanted.iter().skip(from).take(count);
    let page: Vec<Value> = page.map(|n| product(*n, market)).collect();
    let next = from.saturating_add(page.len());
    let more = next < wanted.len();
    json!({
        "num_products": wanted.len(),
        "products": page,
        "pagination": {
            "prev_cursor": "",
            "next_cursor": if more { next.to_string() } else { String::new() },
            "has_next": more,
            "has_prev": from > 0,
        },
    })
}

fn product(n: usize, market: &dyn Market) -> Value {
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let (base, quote) = (found.base.as_str(), found.quote.as_str());
    json!({
        "product_id": found.symbol.as_str(),
        "price": px(day.last, found),
        "price_percentage_change_24h": day.percent().to_string(),
        "volume_24h": day.base(found).to_string(),
        "volume_percentage_change_24h": "0",
        "approximate_quote_24h_volume": day.quote(found).to_string(),
        "base_currency_id": base,
        "base_name": asset_name(base),
        "base_display_symbol": base,
        "quote_currency_id": quote,
        "quote_name": asset_name(quote),
        "quote_display_symbol": quote,
        "display_name": found.symbol.as_str(),
        "price_increment": px_step(found),
        "quote_increment": px_step(found),
        "quote_min_size": notional(found),
        "quote_max_size": "50000000",
        "base_increment": qty_step(found),
        "base_min_size": plain(found.qty_min.0, found.qty_scale),
        "base_max_size": plain(found.qty_max.0, found.qty_scale),
        "status": if found.trading { "online" } else { "offline" },
        "trading_disabled": !found.trading,
        "is_disabled": false,
        "new": false,
        "watched": false,
        "cancel_only": false,
        "limit_only": false,
        "post_only": false,
        "auction_mode": false,
        "view_only": false,
        "product_type": "SPOT",
        "product_venue": "CBE",
        "fcm_trading_session_details": null,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
    })
}

/// The newest prints, newest first, of a span of seconds if one is asked for, and the best prices.
fn prints(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let (start, end) = (number::<i64>(call, "start"), number::<i64>(call, "end"));
    let wanted = |trade: &Trade| {
        let at = trade.exch_time.as_millis() / 1_000;
        start.is_none_or(|start| at >= start) && end.is_none_or(|end| at <= end)
    };
    let newest = market.prints(n).rev().filter(wanted);
    let newest = newest.take(number(call, "limit").unwrap_or(PRINTS));
    let trades: Vec<Value> = newest
        .map(|print| {
            let mut one = trade(&print, found);
            for key in ["bid", "ask"] {
                one[key] = "".into();
            }
            one["exchange"] = "coinbase".into();
            one
        })
        .collect();
    let best = |level: Option<Level>| level.map(|level| px(level.px, found)).unwrap_or_default();
    json!({
        "trades": trades,
        "best_bid": best(market.best(n).map(|quote| quote.bid)),
        "best_ask": best(market.best(n).map(|quote| quote.ask)),
    })
}

fn book(call: Call<'_>, market: &mut dyn Market) -> Reply {
    let Some(symbol) = call.value("product_id") else {
        return error(400, "INVALID_ARGUMENT", "product_id is required");
    };
    let Some(n) = market.find(&symbol) else {
        return error(404, "NOT_FOUND", "valid product_id is required");
    };
    // The stream shows this very book: it has no number by which a client could place it.
    market.flush(n, Pace::Fast);
    let found = &market.listings()[n].instrument;
    let count = number(call, "limit").unwrap_or(usize::MAX);
    let side = |side| -> Vec<Value> {
        let level =
            |level: Level| json!({"price": px(level.px, found), "size": qty(level.qty, found)});
        market.levels(n, side).take(count).map(level).collect()
    };
    let mut body = json!({
        "pricebook": {
            "product_id": found.symbol.as_str(),
            "bids": side(Side::Buy),
            "asks": side(Side::Sell),
            "time": rfc3339(market.now()),
        },
        "last": px(market.day(n).last, found),
    });
    if let Some(best) = market.best(n) {
        let (bid, ask) = (best.bid.px.0.unsigned_abs(), best.ask.px.0.unsigned_abs());
        let spread = ask.saturating_sub(bid);
        let middle = (bid + ask).max(1) as f64 / 2.0;
        body["mid_market"] = plain((bid + ask) * 5, found.px_scale + 1).into();
        body["spread_absolute"] = plain(spread, found.px_scale).into();
        body["spread_bps"] = format!("{:.4}", spread as f64 / middle * 10_000.0).into();
    }
    reply(&body)
}

/// What the prints that are still known make of each span, newest first.
fn candles(call: Call<'_>, n: usize, market: &dyn Market) -> Reply {
    let seconds = match call.value("granularity").as_deref() {
        Some("ONE_MINUTE") => 60,
        Some("FIVE_MINUTE") => 300,
        Some("FIFTEEN_MINUTE") => 900,
        Some("THIRTY_MINUTE") => 1_800,
        Some("ONE_HOUR") => 3_600,
        Some("TWO_HOUR") => 7_200,
        Some("SIX_HOUR") => 21_600,
        Some("ONE_DAY") => 86_400,
        _ => return error(400, "INVALID_ARGUMENT", "granularity is required"),
    };
    let found = &market.listings()[n].instrument;
    let start = number(call, "start").unwrap_or(i64::MIN);
    let end = number(call, "end").unwrap_or(i64::MAX);
    let mut all: BTreeMap<i64, [Px; 4]> = BTreeMap::new();
    let mut volumes: BTreeMap<i64, u64> = BTreeMap::new();
    for print in market.prints(n) {
        let at = print.exch_time.as_millis() / 1_000 / seconds * seconds;
        let [low, high, _, close] = all.entry(at).or_insert([print.px; 4]);
        (*low, *high, *close) = ((*low).min(print.px), (*high).max(print.px), print.px);
        *volumes.entry(at).or_default() += print.qty.0;
    }
    let wanted = all
        .into_iter()
        .rev()
        .filter(|(at, _)| (start..=end).contains(at));
    let candle = |(at, prices): (i64, [Px; 4])| {
        let [low, high, open, close] = prices.map(|price| px(price, found));
        let volume = fixed(volumes.get(&at).copied().unwrap_or(0), found.qty_scale);
        let start = at.to_string();
        json!({"start": start, "low": low, "high": high, "open": open, "close": close,
               "volume": volume})
    };
    let all: Vec<Value> = wanted.take(CANDLES_MAX).map(candle).collect();
    reply(&json!({"candles": all}))
}

fn currencies(market: &dyn Market) -> Value {
    let money = assets(market).into_iter().filter(|asset| is_money(asset));
    let one = |asset: Asset| {
        let (id, least) = (asset.as_str(), asset_step(&asset).1);
        json!({"id": id, "name": asset_name(id), "min_size": least})
    };
    money.map(one).collect()
}

fn coins(market: &dyn Market) -> Value {
    let coins = assets(market).into_iter().filter(|asset| !is_money(asset));
    let one = |(n, asset): (usize, Asset)| {
        json!({
            "asset_id": format!("00000000-0000-4000-a000-{n:012x}"),
            "code": asset.as_str(),
            "name": asset_name(&asset),
            "color": "#0052FF",
            "sort_index": 100 + n,
            "exponent": asset_step(&asset).0,
            "type": "crypto",
            "address_regex": "",
        })
    };
    coins.enumerate().map(one).collect()
}

/// How much of each asset one unit of another is worth: the dollar, unless another is asked for.
fn rates(call: Call<'_>, market: &dyn Market) -> Value {
    let asked = call.value("currency").unwrap_or("USD".into());
    let mut dollars = BTreeMap::from([("USD".to_owned(), 1.0)]);
    for (n, listing) in market.listings().iter().enumerate() {
        let found = &listing.instrument;
        let last = market.day(n).last.0 as f64 / 10f64.powi(found.px_scale.into());
        if last > 0.0 {
            dollars.entry(found.base.to_string()).or_insert(last);
        }
    }
    let one = dollars.get(asked.as_ref()).copied().unwrap_or(1.0);
    let rate =
        |(asset, dollars): (&String, &f64)| (asset.clone(), (one / dollars).to_string().into());
    let rates: serde_json::Map<String, Value> = dollars.iter().map(rate).collect();
    json!({"currency": asked, "rates": rates})
}
