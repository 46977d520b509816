//! The REST answers of the simulated exchange: instruments, tickers, books and prints. Answers only
//! what is public.

use super::frames::{decimal, float, mark, number, open_interest, pair, px, qty, uid};
use crate::base::{Instrument, Level, Side, Span, Trade, UnixNanos};
use crate::exchange::Rate;
use crate::exchange::kit::text::{self, plain};
use crate::exchange::mirror::{Call, Market, Method, Quota, Refusal, Reply};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// In front of the names of most services.
const ROOT: &str = "/derivatives/api/v3/";
/// In front of a symbol whose prints are asked for as a history, in both versions.
const HISTORIES: [&str; 2] = ["/api/history/v2/market/", "/api/history/v3/market/"];
/// Prints that one answer has, at most.
const PRINTS_MAX: usize = 100;
const HISTORY_MAX: usize = 1_000;

/// What histories are taken from. All other public requests are free.
const POOL: Quota = Quota {
    name: "history",
    rate: Rate {
        count: 100,
        per: Span::from_secs(600),
    },
    burst: 0,
};

/// Answers one request.
pub(crate) fn answer(call: Call<'_>, market: &dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let now = market.now();
    let mut histories = HISTORIES.iter();
    if let Some(rest) = histories.find_map(|front| call.path().strip_prefix(front)) {
        let symbol = rest.strip_suffix("/executions").unwrap_or_default();
        return match find(symbol, market) {
            Some(n) => {
                let body = executions(call, n, market).to_string();
                Reply::json(200, body, 0).within(POOL)
            }
            None => refuse(Refusal::NoPath),
        };
    }
    let service = call.path().strip_prefix(ROOT).unwrap_or_default();
    let listings = 0..market.listings().len();
    let one = |of: &dyn Fn(usize) -> String| match call.value("symbol") {
        None => Err("requiredArgumentMissing"),
        Some(symbol) => find(&symbol, market)
            .map(of)
            .ok_or("invalidArgument: symbol"),
    };
    let said = match service {
        "instruments" => {
            let all: Vec<String> = listings.map(|n| instrument(n, market)).collect();
            Ok(format!(r#""instruments":[{}]"#, all.join(",")))
        }
        "instruments/status" => {
            let all: Value = listings.map(|n| status(n, market)).collect();
            Ok(format!(r#""instrumentStatus":{all}"#))
        }
        "tickers" => tickers(call, market),
        "orderbook" => one(&|n| book(n, market)),
        "history" => one(&|n| history(call, n, market)),
        _ => {
            let parts: Vec<&str> = service.split('/').collect();
            let found = |symbol| find(symbol, market);
            match parts[..] {
                ["tickers", symbol] => found(symbol)
                    .map(|n| format!(r#""ticker":{}"#, ticker(n, market)))
                    .ok_or("invalidArgument: symbol"),
                ["instruments", symbol, "status"] => found(symbol)
                    .map(|n| status(n, market).to_string())
                    .map(|object| object.trim_matches(['{', '}']).to_owned())
                    .ok_or("invalidArgument: symbol"),
                _ => return refuse(Refusal::NoPath),
            }
        }
    };
    let time = rfc3339(now);
    let body = match said {
        Ok(said) => format!(r#"{{"result":"success",{said},"serverTime":"{time}"}}"#),
        Err(error) => json!({"result": "error", "error": error, "serverTime": time}).to_string(),
    };
    Reply::json(200, body, 0)
}

/// Refuses a request.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, error) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "apiLimitExceeded"),
        Refusal::NoPath => (404, "notFound"),
        Refusal::NoMethod => (405, "methodNotAllowed"),
    };
    Reply::json(
        status,
        json!({"result": "error", "error": error}).to_string(),
        1,
    )
}

/// With milliseconds.
fn rfc3339(time: UnixNanos) -> String {
    let since = Duration::from_nanos(time.0.unsigned_abs());
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

/// Symbols are the same in small letters.
fn find(symbol: &str, market: &dyn Market) -> Option<usize> {
    let symbol = text::percent_decode(symbol);
    let named = |own: &str| own.eq_ignore_ascii_case(&symbol);
    let mut listings = market.listings().iter();
    listings.position(|listing| named(&listing.instrument.symbol))
}

/// Numbers are written as text, exactly.
fn instrument(n: usize, market: &dyn Market) -> String {
    let found = &market.listings()[n].instrument;
    format!(
        r#"{{"symbol":{},"pair":{},"base":{},"quote":{},"type":"{}","category":"","tags":[],"tickSize":{},"contractSize":{},"contractValueTradePrecision":{},"impactMidSize":1,"maxPositionSize":1000000,"marginLevels":[{{"numNonContractUnits":0,"initialMargin":0.02,"maintenanceMargin":0.01}}],"tradeable":{},"postOnly":false,"mtf":false,"openingDate":"2022-01-01T00:00:00.000Z"}}"#,
        json!(found.symbol.as_str()),
        json!(pair(found)),
        json!(found.base.as_str()),
        json!(found.quote.as_str()),
        if found.contract.inverse {
            "futures_inverse"
        } else {
            "flexible_futures"
        },
        plain(found.tick.0.unsigned_abs(), found.px_scale),
        plain(found.contract.size, found.contract.scale),
        precision(found),
        found.trading,
    )
}

/// The decimals of a lot, below zero if it is of many contracts.
fn precision(found: &Instrument) -> i64 {
    let zeros = found.lot.0.checked_ilog10().unwrap_or_default();
    i64::from(found.qty_scale) - i64::from(zeros)
}

fn status(n: usize, market: &dyn Market) -> Value {
    json!({
        "tradeable": market.listings()[n].instrument.symbol.as_str(),
        "experiencingDislocation": false,
        "priceDislocationDirection": null,
        "experiencingExtremeVolatility": false,
        "extremeVolatilityInitialMarginMultiplier": 1,
    })
}

/// Of the symbols that are asked for, of all if none is.
fn tickers(call: Call<'_>, market: &dyn Market) -> Result<String, &'static str> {
    let asked = call.values("symbol");
    let found: Option<Vec<usize>> = asked.iter().map(|symbol| find(symbol, market)).collect();
    let mut found = found.ok_or("invalidArgument: symbol")?;
    if asked.is_empty() {
        found.extend(0..market.listings().len());
    }
    let all: Value = found.into_iter().map(|n| ticker(n, market)).collect();
    Ok(format!(r#""tickers":{all}"#))
}

fn ticker(n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let day = market.day(n);
    let px = |px: crate::base::Px| float(px.0.unsigned_abs(), found.px_scale);
    let mut said = json!({
        "symbol": found.symbol.as_str(),
        "tag": "perpetual",
        "pair": pair(found),
        "last": px(day.last),
        "open24h": px(day.open),
        "high24h": px(day.high),
        "low24h": px(day.low),
        "change24h": day.percent(),
        "vol24h": decimal(day.base(found)),
        "volumeQuote": decimal(day.quote(found)),
        "openInterest": open_interest(&day, found),
        "fundingRate": 0.0,
        "fundingRatePrediction": 0.0,
        "suspended": false,
        "postOnly": false,
    });
    if let Some(trade) = market.prints(n).next_back() {
        said["lastTime"] = rfc3339(trade.exch_time).into();
        said["lastSize"] = float(trade.qty.0, found.qty_scale);
    }
    if let Some(best) = market.best(n) {
        for (name, level) in [("bid", best.bid), ("ask", best.ask)] {
            said[name] = px(level.px);
            said[format!("{name}Size")] = float(level.qty.0, found.qty_scale);
        }
        said["markPrice"] = mark(&best, found);
        said["indexPrice"] = mark(&best, found);
    }
    said
}

fn book(n: usize, market: &dyn Market) -> String {
    let found = &market.listings()[n].instrument;
    let side = |side| {
        let level = |level: Level| format!("[{},{}]", px(level.px, found), qty(level.qty, found));
        let levels: Vec<String> = market.levels(n, side).map(level).collect();
        levels.join(",")
    };
    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
    format!(r#""orderBook":{{"bids":[{bids}],"asks":[{asks}]}}"#)
}

/// The newest prints, before a time if one is asked for, newest first.
fn history(call: Call<'_>, n: usize, market: &dyn Market) -> String {
    let found = &market.listings()[n].instrument;
    let before = call.value("lastTime").and_then(|time| text::rfc3339(&time));
    let before = before.unwrap_or(UnixNanos(i64::MAX));
    let prints = market
        .prints(n)
        .rev()
        .filter(|trade| trade.exch_time < before);
    let one = |trade: Trade| {
        format!(
            r#"{{"time":"{}","trade_id":{},"price":{},"size":{},"side":"{}","type":"fill","uid":"{}"}}"#,
            rfc3339(trade.exch_time),
            trade.id,
            px(trade.px, found),
            qty(trade.qty, found),
            trade.taker.name(),
            uid(&trade),
        )
    };
    let all: Vec<String> = prints.take(PRINTS_MAX).map(one).collect();
    format!(r#""history":[{}]"#, all.join(","))
}

/// The prints from `since` on and before `before`, newest first unless `sort` is `asc`.
fn executions(call: Call<'_>, n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    let number = |name: &str| call.value(name).and_then(|text| text.parse::<i64>().ok());
    let (since, before) = (number("since"), number("before"));
    let count = number("count").and_then(|count| usize::try_from(count).ok());
    let wanted = |trade: &Trade| {
        let at = trade.exch_time.as_millis();
        since.is_none_or(|since| at >= since) && before.is_none_or(|before| at < before)
    };
    let mut prints: Vec<Trade> = market.prints(n).filter(wanted).collect();
    if call.value("sort").as_deref() != Some("asc") {
        prints.reverse();
    }
    prints.truncate(count.unwrap_or(HISTORY_MAX).min(HISTORY_MAX));
    let all: Vec<Value> = prints.iter().map(|trade| execution(trade, found)).collect();
    json!({"len": all.len(), "elements": all})
}

fn execution(trade: &Trade, found: &Instrument) -> Value {
    let at = trade.exch_time.as_millis();
    let (price, size) = (
        number(trade.px.0.unsigned_abs(), found.px_scale),
        number(trade.qty.0, found.qty_scale),
    );
    let order = |side: Side, number: u64| {
        let direction = match side {
            Side::Buy => "Buy",
            Side::Sell => "Sell",
        };
        json!({
            "uid": format!("00000000-0000-4000-9000-{number:012x}"),
            "tradeable": found.symbol.as_str(),
            "direction": direction,
            "quantity": size,
            "limitPrice": price,
            "orderType": "Limit",
            "reduceOnly": false,
            "timestamp": at,
            "lastUpdateTimestamp": at,
        })
    };
    let execution = json!({
        "uid": uid(trade),
        "makerOrder": order(trade.taker.opposite(), 2 * trade.id),
        "takerOrder": order(trade.taker, 2 * trade.id + 1),
        "timestamp": at,
        "quantity": size,
        "price": price,
        "markPrice": price,
        "limitFilled": true,
    });
    let event = json!({"Execution": {"execution": execution, "takerReducedQuantity": ""}});
    json!({"uid": uid(trade), "timestamp": at, "event": event})
}
