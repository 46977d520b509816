//! The REST service as the exchange answers it: snapshots, metadata, volumes, and refusals.

use super::frames::Writer;
use crate::base::{Decimal, Instrument, Kind, Px, Side};
use crate::exchange::binance_futures::{Facts, rest};
use crate::exchange::kit::text;
use crate::exchange::mirror::{Call, Listing, Market, Method, Pace, Refusal, Reply};
use serde_json::{Value, json};

/// A refusal: HTTP status, Binance's code, and its message.
type Fault = (u16, i32, String);

/// Answers a request.
pub(crate) fn answer(facts: &Facts, call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod, call);
    }
    let answer = match call.path().strip_prefix(facts.prefix) {
        Some("/ping") => Ok((json!({}).to_string(), 1)),
        Some("/time") => Ok((
            json!({"serverTime": market.now().as_millis()}).to_string(),
            1,
        )),
        Some("/depth") => depth(facts, call, market),
        Some("/exchangeInfo") => Ok((info(facts, market).to_string(), rest::INFO_WEIGHT)),
        Some("/ticker/24hr") => Ok((tickers(facts, market).to_string(), rest::TICKERS_WEIGHT)),
        _ => return refuse(Refusal::NoPath, call),
    };
    match answer {
        Ok((body, weight)) => Reply::json(200, body, weight),
        Err(fault) => fail(fault),
    }
}

/// Refuses a request that is not looked at.
pub(crate) fn refuse(why: Refusal, call: Call<'_>) -> Reply {
    let invalid = || {
        let method = match call.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Other => "OTHER",
        };
        format!("Path {}, Method {method} is invalid", call.path())
    };
    match why {
        Refusal::TooMany { retry_after_s } => {
            fail((429, -1003, "Too many requests.".to_owned())).retry_after(retry_after_s)
        }
        Refusal::Banned { retry_after_s } => {
            let msg = "Way too many requests; IP banned.";
            fail((418, -1003, msg.to_owned())).retry_after(retry_after_s)
        }
        Refusal::NoPath => fail((404, -5000, invalid())),
        Refusal::NoMethod => fail((405, -5000, invalid())),
    }
}

fn fail((status, code, msg): Fault) -> Reply {
    let body = json!({"code": code, "msg": msg});
    Reply::json(status, body.to_string(), 1)
}

fn depth(facts: &Facts, call: Call<'_>, market: &mut dyn Market) -> Result<(String, u32), Fault> {
    let Some(symbol) = call.value("symbol").filter(|name| !name.is_empty()) else {
        let msg = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.";
        return Err((400, -1102, msg.to_owned()));
    };
    let limit = match call.value("limit") {
        None => rest::LEVELS_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| rest::DEPTH_LIMITS.contains(limit))
            .ok_or_else(|| (400, -4021, format!("{text} is not valid depth limit")))?,
    };
    let at = market
        .find(&symbol)
        .ok_or_else(|| (400, -1121, "Invalid symbol.".to_owned()))?;
    market.flush(at, Pace::Fast);
    let (last_id, _) = market.stands_at(at, Pace::Fast);
    let now = market.now().as_millis();
    let instrument = market.listings()[at].instrument; // `find` has just seen it.
    let write = Writer {
        instrument: &instrument,
        coin_margined: facts.coin_margined,
    };
    let mut out = format!(r#"{{"lastUpdateId":{last_id},"E":{now},"T":{now}"#);
    if facts.coin_margined {
        let (symbol, pair) = (instrument.symbol, write.pair());
        out += &format!(r#","symbol":"{symbol}","pair":"{pair}""#);
    }
    for (key, side) in [("bids", Side::Buy), ("asks", Side::Sell)] {
        out += &format!(r#","{key}":"#);
        write.push_levels(&mut out, market.levels(at, side).take(usize::from(limit)));
    }
    out.push('}');
    Ok((out, rest::depth_weight(limit)))
}

fn info(facts: &Facts, market: &dyn Market) -> Value {
    let symbols = market
        .listings()
        .iter()
        .map(|listing| symbol(facts, listing));
    json!({
        "timezone": "UTC",
        "serverTime": market.now().as_millis(),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT",
             "interval": "MINUTE", "intervalNum": 1, "limit": 2_400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
        ],
        "exchangeFilters": [],
        "symbols": symbols.collect::<Vec<_>>(),
    })
}

fn symbol(facts: &Facts, listing: &Listing) -> Value {
    let instrument = &listing.instrument;
    let contract_type = match instrument.kind {
        Kind::Perpetual => "PERPETUAL",
        Kind::Future => "CURRENT_QUARTER",
        Kind::Spot | Kind::Option => "",
    };
    let status = if instrument.trading {
        "TRADING"
    } else {
        "SETTLING"
    };
    let pair = instrument.symbol.split('_').next();
    let mut symbol = json!({
        "symbol": instrument.symbol.as_str(),
        "pair": pair,
        "contractType": contract_type,
        "deliveryDate": 4_133_404_800_000_u64,
        "onboardDate": 1_569_398_400_000_u64,
        "baseAsset": instrument.base.as_str(),
        "quoteAsset": instrument.quote.as_str(),
        "marginAsset": instrument.settle.as_str(),
        "pricePrecision": instrument.px_scale,
        "quantityPrecision": instrument.qty_scale,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": filters(instrument),
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    });
    if facts.coin_margined {
        symbol["contractStatus"] = status.into();
        symbol["contractSize"] = instrument.contract.size.into();
    } else {
        symbol["status"] = status.into();
    }
    symbol
}

fn filters(instrument: &Instrument) -> Value {
    let px = |units: u64| fixed(units, instrument.px_scale);
    let qty = |units: u64| fixed(units, instrument.qty_scale);
    let tick = instrument.tick.0.unsigned_abs();
    let (px_max, qty_max) = (
        px(tick.saturating_mul(1_000_000_000)),
        qty(instrument.qty_max.0),
    );
    let (qty_min, lot) = (qty(instrument.qty_min.0), qty(instrument.lot.0));
    let mut filters = vec![
        json!({"filterType": "PRICE_FILTER", "minPrice": px(tick),
               "maxPrice": px_max, "tickSize": px(tick)}),
        json!({"filterType": "LOT_SIZE", "minQty": qty_min, "maxQty": qty_max, "stepSize": lot}),
        json!({"filterType": "MARKET_LOT_SIZE",
               "minQty": qty_min, "maxQty": qty_max, "stepSize": lot}),
        json!({"filterType": "MAX_NUM_ORDERS", "limit": 200}),
    ];
    if instrument.notional_min > 0 {
        let least = Decimal {
            units: instrument.notional_min,
            scale: instrument.px_scale + instrument.qty_scale,
        };
        filters.push(json!({"filterType": "MIN_NOTIONAL", "notional": least.to_string()}));
    }
    Value::from(filters)
}

fn tickers(facts: &Facts, market: &dyn Market) -> Value {
    let ticker = |(at, listing): (usize, &Listing)| {
        let instrument = &listing.instrument;
        let day = market.day(at);
        let px = |px: Px| fixed(px.0.unsigned_abs(), instrument.px_scale);
        let (base, quote) = (day.base(instrument), day.quote(instrument));
        let mut ticker = json!({
            "symbol": instrument.symbol.as_str(),
            "weightedAvgPrice": px(day.mean()),
            "lastPrice": px(day.last),
        });
        if facts.coin_margined {
            ticker["volume"] = (quote.units
                / u128::from(instrument.contract.size.max(1))
                / 10u128.pow(quote.scale.into()))
            .to_string()
            .into();
            ticker["baseVolume"] = base.to_string().into();
        } else {
            ticker["volume"] = base.to_string().into();
            ticker["quoteVolume"] = quote.to_string().into();
        }
        ticker
    };
    market.listings().iter().enumerate().map(ticker).collect()
}

fn fixed(units: u64, scale: u8) -> String {
    let mut text = String::new();
    text::push_fixed(&mut text, units, scale);
    text
}
