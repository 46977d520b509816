//! The REST half: what is listed, books, prints, tickers, the time. Holds nothing. The words of
//! refusals are not verified against the exchange, but those of its limit are documented.

use super::data;
use crate::base::instrument::Kind;
use crate::base::{Instrument, Level, Qty, Side, Trade};
use crate::exchange::bybit::Category;
use crate::exchange::kit::listing;
use crate::exchange::mirror::{Call, Listing, Market, Method, Pace, Refusal, Reply};
use serde_json::{Value, json};
use std::time::UNIX_EPOCH;

/// Instruments of one page, and the most that may be asked for.
const PAGE: usize = 500;
const PAGE_MAX: usize = 1_000;
/// The exchange's code for parameters that it does not take.
const BAD_PARAMETERS: i64 = 10_001;
/// The path of a book.
const BOOK: &str = "/v5/market/orderbook";
/// All that may be asked about; each exchange of the registry lists one of them.
const CATEGORIES: [&str; 4] = ["spot", "linear", "inverse", "option"];

/// What an endpoint answers: a result, or why there is none.
type Answer = Result<Value, Why>;
/// Words of a refusal.
type Why = &'static str;
/// A listing and its place.
type Listed<'a> = (usize, &'a Listing);

/// Answers a request.
pub(crate) fn reply(category: &Category, call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    if call.path() == BOOK
        && let Some(n) = call.value("symbol").and_then(|symbol| market.find(&symbol))
    {
        market.flush(n, Pace::Fast); // Two different books must not have the same number.
    }
    let asked = Asked {
        category,
        call,
        market,
    };
    let result = match call.path() {
        "/v5/market/time" => Ok(asked.time()),
        "/v5/market/instruments-info" => asked.instruments(),
        "/v5/market/tickers" => asked.tickers(),
        BOOK => asked.book(),
        "/v5/market/recent-trade" => asked.prints(),
        _ => return refuse(Refusal::NoPath),
    };
    let (code, message, result) = match result {
        Ok(result) => (0, "OK", result),
        Err(why) => (BAD_PARAMETERS, why, json!({})),
    };
    let body = json!({
        "retCode": code,
        "retMsg": message,
        "result": result,
        "retExtInfo": {},
        "time": market.now().as_millis(),
    });
    Reply::json(200, body.to_string(), 1)
}

/// Refuses a request without looking at it.
pub(crate) fn refuse(why: Refusal) -> Reply {
    match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            Reply::text(403, "403, access too frequent", 0)
        }
        Refusal::NoPath => Reply::text(404, "404 page not found", 1),
        Refusal::NoMethod => Reply::text(405, "405 method not allowed", 1),
    }
}

/// One request.
struct Asked<'a> {
    category: &'a Category,
    call: Call<'a>,
    market: &'a dyn Market,
}

impl Asked<'_> {
    /// The documents show whole seconds and nanoseconds as text.
    fn time(&self) -> Value {
        let now = self.market.now();
        let second = now.0.div_euclid(1_000_000_000);
        json!({"timeSecond": second.to_string(), "timeNano": now.0.to_string()})
    }

    /// What is listed in the category that was asked about: nothing in those that this market is
    /// not.
    fn listed(&self) -> Result<(&str, Vec<Listed<'_>>), Why> {
        let asked = self.call.value("category").unwrap_or_default();
        let known = CATEGORIES.into_iter().find(|word| *word == asked);
        let word = known.ok_or("params error: Category is invalid")?;
        let all = self.market.listings().iter().enumerate();
        let own = word == self.category.word;
        Ok((word, all.filter(|_| own).collect()))
    }

    /// The one instrument that must be named.
    fn one(&self) -> Result<Listed<'_>, Why> {
        let (word, listed) = self.listed()?;
        let symbol = self.call.value("symbol").unwrap_or_default();
        let found = listed
            .into_iter()
            .find(|(_, one)| one.instrument.symbol.as_str() == symbol);
        found.ok_or(unknown(word))
    }

    /// Those that have the symbol and the base asset that were asked for, if any were.
    fn filtered(&self) -> Result<(&str, Vec<Listed<'_>>), Why> {
        let (word, mut listed) = self.listed()?;
        if let Some(symbol) = self.call.value("symbol") {
            listed.retain(|(_, one)| one.instrument.symbol.as_str() == symbol);
            if listed.is_empty() && word == self.category.word {
                return Err(unknown(word));
            }
        }
        if let Some(base) = self.call.value("baseCoin") {
            listed.retain(|(_, one)| one.instrument.base.as_str() == base);
        }
        Ok((word, listed))
    }

    /// A number of things, at most so many of them.
    fn limit(&self, default: usize, most: usize) -> Result<usize, Why> {
        match self.call.value("limit") {
            None => Ok(default),
            Some(text) => {
                let number = text.parse::<usize>();
                number
                    .map(|number| number.clamp(1, most))
                    .map_err(|_| "params error: limit is invalid")
            }
        }
    }

    /// Contracts come in pages; spot comes whole.
    fn instruments(&self) -> Answer {
        let (word, mut listed) = self.filtered()?;
        if let Some(status) = self.call.value("status") {
            listed.retain(|(_, one)| state(&one.instrument) == status);
        }
        let all = listed.len();
        let (mut from, mut to) = (0, all);
        if self.category.kind != Kind::Spot {
            let cursor = self.call.value("cursor").unwrap_or_default();
            // The cursor is percent-encoded already where it is given out.
            let cursor = cursor.replace("%3D", "=");
            if let Some(number) = cursor.strip_prefix("from=") {
                let number = number.parse::<usize>();
                from = number
                    .map_err(|_| "params error: cursor is invalid")?
                    .min(all);
            }
            to = all.min(from + self.limit(PAGE, PAGE_MAX)?);
        }
        let list: Vec<Value> = listed[from..to]
            .iter()
            .map(|(_, one)| details(&one.instrument))
            .collect();
        let next = if to < all {
            format!("from%3D{to}")
        } else {
            String::new()
        };
        Ok(json!({"category": word, "list": list, "nextPageCursor": next}))
    }

    fn tickers(&self) -> Answer {
        let (word, listed) = self.filtered()?;
        let list = listed.iter().map(|(n, _)| data::ticker(*n, self.market));
        let list: Vec<Value> = list.map(Value::Object).collect();
        Ok(json!({"category": word, "list": list}))
    }

    fn book(&self) -> Answer {
        let (n, listed) = self.one()?;
        let count = match listed.instrument.kind {
            Kind::Spot | Kind::Option => self.limit(1, 200)?,
            Kind::Perpetual | Kind::Future => self.limit(25, 500)?,
        };
        let side = |side| -> Vec<Level> { self.market.levels(n, side).take(count).collect() };
        let (seq, number) = self.market.stands_at(n, Pace::Fast);
        let (bids, asks) = (side(Side::Buy), side(Side::Sell));
        let book = data::book(&listed.instrument, &bids, &asks, number, seq);
        let mut book: Value = serde_json::from_str(&book).unwrap_or_default();
        for key in ["ts", "cts"] {
            book[key] = self.market.now().as_millis().into();
        }
        Ok(book)
    }

    /// The newest prints, newest first.
    fn prints(&self) -> Answer {
        let (n, listed) = self.one()?;
        let instrument = &listed.instrument;
        let count = match instrument.kind {
            Kind::Spot | Kind::Option => self.limit(60, 60)?,
            Kind::Perpetual | Kind::Future => self.limit(500, 1_000)?,
        };
        let print = |trade: Trade| {
            json!({
                "execId": data::print_id(instrument, &trade),
                "symbol": instrument.symbol.as_str(),
                "price": data::px(instrument, trade.px.0),
                "size": data::qty(instrument, trade.qty.0),
                "side": data::side(trade.taker),
                "time": trade.exch_time.as_millis().to_string(),
                "isBlockTrade": false, "isRPITrade": false,
                "seq": trade.id.to_string(),
            })
        };
        let prints = self.market.prints(n).rev().take(count);
        let list: Vec<Value> = prints.map(print).collect();
        Ok(json!({"category": self.category.word, "list": list}))
    }
}

fn unknown(word: &str) -> Why {
    match word {
        "spot" => "Not supported symbols",
        _ => "params error: symbol invalid",
    }
}

const fn state(instrument: &Instrument) -> &'static str {
    match instrument.trading {
        true => "Trading",
        false => "Closed",
    }
}

fn details(instrument: &Instrument) -> Value {
    let px = |units: i64| plain(units as u128, instrument.px_scale);
    let qty = |qty: Qty| plain(u128::from(qty.0), instrument.qty_scale);
    let (tick, step) = (px(instrument.tick.0), qty(instrument.lot));
    let (least, most) = (qty(instrument.qty_min), qty(instrument.qty_max));
    let scale = instrument.px_scale + instrument.qty_scale;
    let notional = plain(instrument.notional_min, scale);
    let (symbol, base) = (instrument.symbol.as_str(), instrument.base.as_str());
    let (quote, settle) = (instrument.quote.as_str(), instrument.settle.as_str());
    let contract_type = match instrument.kind {
        Kind::Future => "LinearFutures",
        Kind::Perpetual | Kind::Spot | Kind::Option => "LinearPerpetual",
    };
    let risk = json!({"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.05"});
    match instrument.kind {
        Kind::Spot | Kind::Option => json!({
            "symbol": symbol, "baseCoin": base, "quoteCoin": quote,
            "innovation": "0", "status": state(instrument), "marginTrading": "none", "stTag": "0",
            "lotSizeFilter": {
                "basePrecision": step, "quotePrecision": "0.00000001",
                "minOrderQty": least, "minOrderAmt": notional,
                "maxLimitOrderQty": most, "maxMarketOrderQty": most,
                "postOnlyMaxLimitOrderSize": most,
            },
            "priceFilter": {"tickSize": tick},
            "riskParameters": risk,
        }),
        Kind::Perpetual | Kind::Future => json!({
            "symbol": symbol, "contractType": contract_type, "status": state(instrument),
            "baseCoin": base, "quoteCoin": quote, "settleCoin": settle,
            "symbolType": "", "displayName": "",
            "launchTime": "1750000000000", "deliveryTime": delivery_ms(symbol).to_string(),
            "deliveryFeeRate": "",
            "priceScale": instrument.px_scale.to_string(),
            "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
            "priceFilter": {"minPrice": tick, "maxPrice": "1000000", "tickSize": tick},
            "lotSizeFilter": {
                "maxOrderQty": most, "minOrderQty": least, "qtyStep": step,
                "postOnlyMaxOrderQty": most, "maxMktOrderQty": most,
                "minNotionalValue": notional,
            },
            "unifiedMarginTrade": true, "fundingInterval": 480, "copyTrading": "none",
            "upperFundingRate": "0.005", "lowerFundingRate": "-0.005",
            "isPreListing": false, "preListingInfo": null,
            "riskParameters": risk,
        }),
    }
}

/// When a contract is delivered, at eight of the day that its name ends with (`BTC-26DEC25`); zero
/// for one without an end.
pub(crate) fn delivery_ms(symbol: &str) -> i64 {
    let day = symbol
        .rsplit_once('-')
        .and_then(|(_, day)| listing::day(day));
    let time = day.and_then(|[year, month, day]| {
        let text = format!("20{year:02}-{month:02}-{day:02}T08:00:00Z");
        humantime::parse_rfc3339(&text).ok()
    });
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_millis() as i64)
}

/// Units of 10^-`scale` as text, without zeros at the end.
fn plain(units: u128, scale: u8) -> String {
    let one = 10u128.pow(u32::from(scale));
    let (whole, part, width) = (units / one, units % one, usize::from(scale));
    let text = format!("{whole}.{part:0width$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
