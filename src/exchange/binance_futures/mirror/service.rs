//! The REST service as the exchange answers it: snapshots, metadata, volumes, and refusals.

use super::frames::{FUNDING_RATE, Mark, Writer};
use crate::base::{Decimal, Instrument, Kind, Side, Trade};
use crate::exchange::binance_futures::{Facts, rest};
use crate::exchange::binance_spot::mirror::ticker::{Decimals, Ticker};
use crate::exchange::binance_spot::mirror::{Fault, TimeUnit, route};
use crate::exchange::kit::text;
use crate::exchange::mirror::{Call, Day, Listing, Market, Method, Pace, Refusal, Reply};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Answers a request.
pub(crate) fn answer(facts: &Facts, call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod, call);
    }
    // One path has a second version, of the same shape.
    let path = call.path().strip_prefix(facts.prefix);
    let second = call.path() == "/fapi/v2/ticker/price" && !facts.coin_margined;
    let path = if second { Some("/ticker/price") } else { path };
    let answer = match path {
        Some("/ping") => Ok((json!({}).to_string(), 1)),
        Some("/time") => Ok((
            json!({"serverTime": market.now().as_millis()}).to_string(),
            1,
        )),
        Some("/depth") => depth(facts, call, market),
        Some("/exchangeInfo") => Ok((info(facts, market).to_string(), rest::INFO_WEIGHT)),
        Some("/ticker/24hr") => each(facts, call, market, (1, rest::TICKERS_WEIGHT), day),
        Some("/ticker/price") => each(facts, call, market, (1, 2), price),
        Some("/ticker/bookTicker") => each(facts, call, market, (2, 5), best),
        Some("/premiumIndex") => each(facts, call, market, (1, 10), premium),
        Some("/trades") => prints(facts, call, market, (false, 5)),
        Some("/historicalTrades") => prints(facts, call, market, (false, 20)),
        Some("/klines") => candles(call, market),
        Some("/aggTrades") => prints(facts, call, market, (true, 20)),
        _ => return refuse(Refusal::NoPath, call),
    };
    match answer {
        Ok((body, weight)) => Reply::json(200, body, weight),
        Err(fault) => fail(&fault),
    }
}

/// Refuses a request that is not looked at.
pub(crate) fn refuse(why: Refusal, call: Call<'_>) -> Reply {
    let method = match call.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Other => "OTHER",
    };
    let invalid = format!("Path {}, Method {method} is invalid", call.path());
    match why {
        Refusal::TooMany { retry_after_s } | Refusal::Banned { retry_after_s } => {
            fail(&Fault::refusal(why)).retry_after(retry_after_s)
        }
        Refusal::NoPath => fail(&Fault::new(404, -5000, invalid)),
        Refusal::NoMethod => fail(&Fault::new(405, -5000, invalid)),
    }
}

fn fail(fault: &Fault) -> Reply {
    Reply::json(fault.status, fault.body(), 1)
}

/// The place of the listing that the request names.
fn named(call: Call<'_>, market: &dyn Market) -> Result<Option<usize>, Fault> {
    let symbol = call.value("symbol").filter(|symbol| !symbol.is_empty());
    let find = |symbol: Cow<'_, str>| market.find(&symbol).ok_or_else(Fault::invalid_symbol);
    symbol.map(find).transpose()
}

/// What `write` says of each instrument that is asked for, and what that weighs: `one` if one is
/// named, else `all`. USD-M answers one symbol with an object; COIN-M answers always with a list,
/// and may be asked for a pair.
fn each(
    facts: &Facts,
    call: Call<'_>,
    market: &dyn Market,
    (one, all): (u32, u32),
    write: fn(&Facts, &dyn Market, usize) -> Value,
) -> Result<(String, u32), Fault> {
    let found = named(call, market)?;
    let pair = call.value("pair").filter(|_| facts.coin_margined);
    let body = match (found, &pair) {
        (Some(_), Some(_)) => {
            let msg = "Combination of optional parameters invalid.";
            return Err(Fault::new(400, -1128, msg));
        }
        (Some(n), None) if !facts.coin_margined => write(facts, market, n),
        (found, pair) => {
            let wanted = |n: &usize| {
                let instrument = &market.listings()[*n].instrument;
                found.is_none_or(|found| found == *n)
                    && pair.as_ref().is_none_or(|pair| pair_of(instrument) == pair)
            };
            let listings = (0..market.listings().len()).filter(wanted);
            listings.map(|n| write(facts, market, n)).collect()
        }
    };
    let named = found.is_some() || pair.is_some();
    Ok((body.to_string(), if named { one } else { all }))
}

/// What is traded, without its term.
fn pair_of(instrument: &Instrument) -> &str {
    let symbol = instrument.symbol.as_str();
    symbol.split('_').next().unwrap_or(symbol)
}

fn ticker<'m>(market: &'m dyn Market, n: usize) -> Ticker<'m> {
    Ticker::of(market, n, Decimals::Own, TimeUnit::Millis)
}

fn day(facts: &Facts, market: &dyn Market, n: usize) -> Value {
    let ticker = ticker(market, n);
    let mut all = ticker.window();
    all["lastQty"] = ticker.last_qty().into();
    if facts.coin_margined {
        all["pair"] = pair_of(&market.listings()[n].instrument).into();
        // Contracts are the volume, and coins their worth.
        let coins = all["quoteVolume"].take();
        all["baseVolume"] = coins;
        if let Value::Object(fields) = &mut all {
            fields.remove("quoteVolume");
        }
    }
    all
}

fn price(facts: &Facts, market: &dyn Market, n: usize) -> Value {
    let mut price = ticker(market, n).price();
    price["time"] = market.now().as_millis().into();
    if facts.coin_margined {
        price["ps"] = pair_of(&market.listings()[n].instrument).into();
    }
    price
}

fn best(facts: &Facts, market: &dyn Market, n: usize) -> Value {
    let mut best = ticker(market, n).best();
    best["time"] = market.now().as_millis().into();
    best["lastUpdateId"] = market.stands_at(n, Pace::Fast).0.into();
    if facts.coin_margined {
        best["pair"] = pair_of(&market.listings()[n].instrument).into();
    }
    best
}

fn premium(facts: &Facts, market: &dyn Market, n: usize) -> Value {
    let mark = Mark::of(market, n);
    let instrument = &market.listings()[n].instrument;
    let mut premium = json!({
        "symbol": instrument.symbol.as_str(),
        "markPrice": mark.px,
        "indexPrice": mark.px,
        "estimatedSettlePrice": mark.px,
        "lastFundingRate": FUNDING_RATE,
        "interestRate": FUNDING_RATE,
        "nextFundingTime": mark.funding_ms,
        "time": mark.now_ms,
    });
    if facts.coin_margined {
        premium["pair"] = pair_of(instrument).into();
    }
    premium
}

/// Prints, `aggregated` or not, at this weight.
fn prints(
    facts: &Facts,
    call: Call<'_>,
    market: &dyn Market,
    (aggregated, weight): (bool, u32),
) -> Result<(String, u32), Fault> {
    let asked = route::prints(call, aggregated)?;
    let n = market
        .find(&asked.symbol)
        .ok_or_else(Fault::invalid_symbol)?;
    let ticker = ticker(market, n);
    let instrument = &market.listings()[n].instrument;
    let one = |trade: &Trade| {
        let (px, qty) = (ticker.px(trade.px), ticker.qty(trade.qty));
        let (at, maker) = (trade.exch_time.as_millis(), trade.taker == Side::Sell);
        if aggregated {
            let id = trade.id;
            let mut all =
                json!({"a": id, "p": px, "q": qty, "f": id, "l": id, "T": at, "m": maker});
            if !facts.coin_margined {
                all["nq"] = qty.into();
            }
            return all;
        }
        let alone = Day::of(trade);
        let mut all = json!({
            "id": trade.id, "price": px, "qty": qty, "time": at, "isBuyerMaker": maker,
        });
        match facts.coin_margined {
            true => all["baseQty"] = alone.base(instrument).to_string().into(),
            false => all["quoteQty"] = alone.quote(instrument).to_string().into(),
        }
        all
    };
    let all: Value = asked.pick(market.prints(n)).iter().map(one).collect();
    Ok((all.to_string(), weight))
}

fn candles(call: Call<'_>, market: &dyn Market) -> Result<(String, u32), Fault> {
    let asked = route::candles(call)?;
    let n = market
        .find(&asked.symbol)
        .ok_or_else(Fault::invalid_symbol)?;
    let weight = match asked.limit {
        0..100 => 1,
        100..500 => 2,
        _ => 5,
    };
    Ok((
        asked.write(market, n, &ticker(market, n)).to_string(),
        weight,
    ))
}

fn depth(facts: &Facts, call: Call<'_>, market: &mut dyn Market) -> Result<(String, u32), Fault> {
    let Some(symbol) = call.value("symbol").filter(|name| !name.is_empty()) else {
        let msg = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.";
        return Err(Fault::new(400, -1102, msg));
    };
    let limit = match call.value("limit") {
        None => rest::LEVELS_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| rest::DEPTH_LIMITS.contains(limit))
            .ok_or_else(|| Fault::new(400, -4021, format!("{text} is not valid depth limit")))?,
    };
    let at = market.find(&symbol).ok_or_else(Fault::invalid_symbol)?;
    match market.take_recorded(at) {
        None => {}
        Some(Some(body)) => return Ok((body, rest::depth_weight(limit))),
        Some(None) => {
            return Err(Fault::new(503, -1001, "no further snapshot was recorded"));
        }
    }
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
    let assets: BTreeSet<&str> = market
        .listings()
        .iter()
        .map(|listing| listing.instrument.settle.as_str())
        .collect();
    let asset = |asset| json!({"asset": asset, "marginAvailable": true, "autoAssetExchange": "0"});
    let mut info = json!({
        "timezone": "UTC",
        "serverTime": market.now().as_millis(),
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT",
             "interval": "MINUTE", "intervalNum": 1, "limit": 2_400},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
        ],
        "exchangeFilters": [],
        "symbols": symbols.collect::<Vec<_>>(),
    });
    if !facts.coin_margined {
        info["futuresType"] = "U_MARGINED".into();
        info["assets"] = assets.into_iter().map(asset).collect();
    }
    info
}

const ORDER_TYPES: [&str; 2] = ["LIMIT", "MARKET"];

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
    let mut symbol = json!({
        "symbol": instrument.symbol.as_str(),
        "pair": pair_of(instrument),
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
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "maxMoveOrderLimit": 10_000,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": filters(instrument),
        "orderTypes": ORDER_TYPES,
        "OrderType": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    });
    if facts.coin_margined {
        symbol["contractStatus"] = status.into();
        symbol["contractSize"] = instrument.contract.size.into();
        symbol["equalQtyPrecision"] = 4.into();
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
        json!({"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500",
               "multiplierDown": "0.9500", "multiplierDecimal": "4"}),
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

fn fixed(units: u64, scale: u8) -> String {
    let mut text = String::new();
    text::push_fixed(&mut text, units, scale);
    text
}
