//! Answers of the REST interface: metadata and volumes. Cold: clarity before speed, and no request
//! is made here.

use crate::base::instrument::{Contract, Kind, Name, name};
use crate::base::{Instrument, Px, Qty, Symbol, decimal};
use crate::exchange::bybit::Category;
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::{RestRequest, kit::text};
use serde::Deserialize;
use serde_json::Value;

/// `{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[…],"nextPageCursor":""}}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    ret_code: i64,
    #[serde(default)]
    ret_msg: String,
    #[serde(default)]
    result: Page,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    list: Vec<Value>,
    next_page_cursor: String,
}

/// One page of instruments. Spot has one page only, and ignores how much is asked for.
pub(crate) fn metadata_request(category: &Category, cursor: Option<&str>) -> RestRequest {
    let word = category.word;
    let mut path = format!("/v5/market/instruments-info?category={word}&limit=1000");
    if let Some(cursor) = cursor {
        path.push_str("&cursor=");
        path.push_str(cursor);
    }
    RestRequest::get(path, 1)
}

/// The cursor of the next page, as a query takes it. The exchange gives it percent-encoded.
pub(crate) fn next_cursor(body: &[u8]) -> Option<String> {
    let cursor = answer(body).ok()?.next_page_cursor;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    if cursor.is_empty() {
        None
    } else if cursor.bytes().all(plain) {
        Some(cursor)
    } else {
        Some(text::percent_encode(&cursor))
    }
}

/// Decodes `instruments-info`.
pub(crate) fn metadata(body: &[u8], category: &'static Category) -> Result<Listings, String> {
    let read = |one: &Listing| instrument(one, category);
    Ok(listing::each(&answer(body)?.list, "symbol", read))
}

/// Decodes `tickers`: what was traded in 24 hours in the quote asset, which ranks symbols of one
/// quote asset only.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ticker {
        symbol: String,
        turnover24h: String,
    }
    let read = |ticker: Ticker| {
        let symbol = Symbol::from(&ticker.symbol).ok()?;
        Some((symbol, ticker.turnover24h.parse().ok()?))
    };
    let list = answer(body)?.list;
    Ok(listing::shaped(&list).filter_map(read).collect())
}

fn answer(body: &[u8]) -> Result<Page, String> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| format!("it is not of the documented shape: {error}"))?;
    match answer.ret_code {
        0 => Ok(answer.result),
        code => Err(format!("refused with {code}: {}", answer.ret_msg)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    symbol: String,
    status: String,
    base_coin: String,
    quote_coin: String,
    settle_coin: Option<String>,
    contract_type: Option<String>,
    /// Milliseconds since 1970 in digits; `0` for a contract without an end.
    delivery_time: Option<String>,
    price_filter: PriceFilter,
    lot_size_filter: LotFilter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceFilter {
    tick_size: String,
}

/// Spot and contracts name the same things differently.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LotFilter {
    qty_step: Option<String>,
    base_precision: Option<String>,
    min_order_qty: Option<String>,
    max_limit_order_qty: Option<String>,
    max_order_qty: Option<String>,
    min_order_amt: Option<String>,
    min_notional_value: Option<String>,
}

/// Nothing for a contract of an unknown sort.
fn instrument(
    listing: &Listing,
    category: &'static Category,
) -> Result<Option<Instrument>, String> {
    let kind = match listing.contract_type.as_deref() {
        None => category.kind,
        Some("LinearPerpetual") => Kind::Perpetual,
        Some("LinearFutures") => Kind::Future,
        Some(_) => return Ok(None),
    };
    let lot = &listing.lot_size_filter;
    let (px_scale, tick) = listing::step("tickSize", &listing.price_filter.tick_size)?;
    let step = lot.qty_step.as_ref().or(lot.base_precision.as_ref());
    let (qty_scale, step) = listing::step("lot", step.ok_or("it has no lot")?)?;
    let qty_max = lot.max_limit_order_qty.as_ref();
    let qty_max = qty_max.or(lot.max_order_qty.as_ref());
    let notional = lot.min_notional_value.as_ref();
    let notional = notional.or(lot.min_order_amt.as_ref());
    let qty_min = match &lot.min_order_qty {
        None => step,
        Some(text) => {
            let (_, up) = scaled("smallest order", text, qty_scale)?;
            orders("smallest order", text, up)?.max(step)
        }
    };
    let qty_max = match qty_max {
        None => QTY_MAX,
        Some(text) => {
            let (down, _) = scaled("largest order", text, qty_scale)?;
            orders("largest order", text, down)?
        }
    };
    let notional_min = match notional {
        None => 0,
        Some(text) => scaled("smallest worth", text, px_scale + qty_scale)?.1,
    };
    let (base, quote) = (&listing.base_coin, &listing.quote_coin);
    let settle = listing.settle_coin.as_ref().unwrap_or(quote);
    let delivery_ms = match &listing.delivery_time {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| format!("its deliveryTime {text:?} is no time"))?,
    };
    let symbol = listing::symbol(&listing.symbol)?;
    Ok(Some(Instrument {
        name: canonical(category, base, quote, kind, delivery_ms),
        base: listing::asset(base)?,
        quote: listing::asset(quote)?,
        settle: listing::asset(settle)?,
        kind,
        contract: Contract::ONE,
        tick: Px(tick as i64), // At most `i64::MAX`.
        lot: Qty(step),
        qty_min: Qty(qty_min.max(1)),
        qty_max: Qty(qty_max),
        notional_min,
        trading: listing.status == "Trading",
        ..Instrument::bare(category.name, symbol, (px_scale, qty_scale))
    }))
}

/// The quantity of an order in units, which must be representable.
fn orders(what: &str, text: &str, units: u128) -> Result<u64, String> {
    let units = u64::try_from(units).ok().filter(|units| *units <= QTY_MAX);
    units.ok_or_else(|| format!("its {what} of {text} does not fit"))
}

/// The largest quantity that is representable.
const QTY_MAX: u64 = i64::MAX as u64;

/// The engine's name of what is listed; `delivery_ms` counts for dated contracts only.
pub(crate) fn canonical(
    category: &Category,
    base: &str,
    quote: &str,
    kind: Kind,
    delivery_ms: i64,
) -> Name {
    match kind {
        Kind::Spot | Kind::Option => name(category.name, &[base, quote]),
        Kind::Perpetual => name(category.name, &[base, quote, "PERP"]),
        Kind::Future => name(category.name, &[base, quote, &yymmdd(delivery_ms)]),
    }
}

/// The day of a time in UTC, as names of dated contracts have it.
fn yymmdd(ms: i64) -> String {
    // Years begin in March here, so that the leap day is the last one; an era has 400 of them.
    let days = ms.div_euclid(86_400_000) + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year, month + 3),
        _ => (year + 1, month - 9),
    };
    format!("{:02}{month:02}{day:02}", (400 * era + year) % 100)
}

/// A decimal with the fewest places that hold it.
fn exact(text: &str) -> Option<(u64, u8)> {
    let at = |scale| {
        let units = decimal::parse(text.as_bytes(), scale).ok()?;
        Some((units, scale))
    };
    (0..=decimal::SCALE_MAX).find_map(at)
}

/// A decimal in units of 10^-`scale`: rounded down, and rounded up.
fn scaled(what: &str, text: &str, scale: u8) -> Result<(u128, u128), String> {
    let bad = || format!("its {what} {text:?} is no number of this size");
    let (units, places) = exact(text).ok_or_else(bad)?;
    let units = u128::from(units);
    if places <= scale {
        let one = 10u128.checked_pow(u32::from(scale - places));
        let units = one.and_then(|one| units.checked_mul(one)).ok_or_else(bad)?;
        return Ok((units, units));
    }
    let one = 10u128.pow(u32::from(places - scale));
    Ok((units / one, units.div_ceil(one)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::bybit::{LINEAR, SPOT};

    const SPOT_INFO: &str = r#"{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[
        {"symbol":"ABCUSDT","baseCoin":"ABC","quoteCoin":"USDT","innovation":"0","status":"Trading","marginTrading":"both",
         "lotSizeFilter":{"basePrecision":"0.00010","quotePrecision":"0.0000001","minOrderQty":"0.00015","maxOrderQty":"1","maxLimitOrderQty":"71.73956243","minOrderAmt":"5","maxOrderAmt":"2000000"},
         "priceFilter":{"tickSize":"0.05"}},
        {"symbol":"NEWUSDT","baseCoin":"NEW","quoteCoin":"USDT","status":"Trading","lotSizeFilter":{}}]},"retExtInfo":{},"time":1750000000123}"#;

    const LINEAR_INFO: &str = r#"{"retCode":0,"retMsg":"OK","result":{"category":"linear","nextPageCursor":"first%3DA%26last%3DB","list":[
        {"symbol":"ABCPERP","contractType":"LinearPerpetual","status":"PreLaunch","baseCoin":"ABC","quoteCoin":"USDC","settleCoin":"USDC","deliveryTime":"0","priceScale":"2",
         "priceFilter":{"minPrice":"0.1","maxPrice":"199999.8","tickSize":"0.10"},
         "lotSizeFilter":{"maxOrderQty":"1190.000","minOrderQty":"0.001","qtyStep":"0.001","postOnlyMaxOrderQty":"1190.000","minNotionalValue":"5"}},
        {"symbol":"ABCUSDT-26DEC25","contractType":"LinearFutures","status":"Trading","baseCoin":"ABC","quoteCoin":"USDT","settleCoin":"USDT","deliveryTime":"1766736000000",
         "priceFilter":{"tickSize":"5"},"lotSizeFilter":{"maxOrderQty":"10000","minOrderQty":"10","qtyStep":"10"}},
        {"symbol":"ABCUSD","contractType":"InversePerpetual","status":"Trading","baseCoin":"ABC","quoteCoin":"USD","settleCoin":"ABC","deliveryTime":"0",
         "priceFilter":{"tickSize":"0.5"},"lotSizeFilter":{"qtyStep":"1"}}]}}"#;

    #[test]
    fn a_spot_listing_has_the_scales_of_its_tick_and_its_precision() {
        let found = metadata(SPOT_INFO.as_bytes(), SPOT.0).unwrap().instruments;
        let [one] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(
            (one.name.as_str(), one.kind),
            ("bybit:ABC-USDT", Kind::Spot)
        );
        assert_eq!((one.px_scale, one.qty_scale), (2, 4));
        assert_eq!((one.tick, one.lot), (Px(5), Qty(1)));
        // What is finer than a lot is rounded to where an order is still good.
        assert_eq!((one.qty_min, one.qty_max), (Qty(2), Qty(717_395)));
        assert_eq!(one.notional_min, 5_000_000);
        assert_eq!((one.settle.as_str(), one.trading), ("USDT", true));
    }

    #[test]
    fn contracts_are_named_by_their_sort_and_unknown_sorts_are_left_out() {
        let found = metadata(LINEAR_INFO.as_bytes(), LINEAR.0)
            .unwrap()
            .instruments;
        let names: Vec<_> = found.iter().map(|i| (i.name.as_str(), i.trading)).collect();
        let expected = [
            ("bybit-linear:ABC-USDC-PERP", false),
            ("bybit-linear:ABC-USDT-251226", true),
        ];
        assert_eq!(names, expected);
        assert_eq!((found[0].px_scale, found[0].tick), (1, Px(1)));
        assert_eq!((found[1].px_scale, found[1].tick), (0, Px(5)));
        assert_eq!((found[1].lot, found[1].qty_min), (Qty(10), Qty(10)));
        assert_eq!(found[0].notional_min, 50_000);
    }

    #[test]
    fn pages_are_followed_to_the_last_one() {
        let next = next_cursor(LINEAR_INFO.as_bytes()).unwrap();
        let path = metadata_request(LINEAR.0, Some(&next)).path;
        assert!(path.ends_with("category=linear&limit=1000&cursor=first%3DA%26last%3DB"));
        assert_eq!(next_cursor(SPOT_INFO.as_bytes()), None);
        let raw = LINEAR_INFO.replace("first%3DA%26last%3DB", "first=A&last=B");
        assert_eq!(next_cursor(raw.as_bytes()), Some(next));
    }

    #[test]
    fn volumes_are_turnovers_and_refusals_are_told() {
        let body = br#"{"retCode":0,"result":{"list":[{"symbol":"A","turnover24h":"12.5","volume24h":"1"},{"symbol":"B"}]}}"#;
        let expected = vec![(Symbol::from("A").unwrap(), 12.5)];
        assert_eq!(volumes(body), Ok(expected));
        let refused = volumes(br#"{"retCode":10001,"retMsg":"bad category","result":{}}"#);
        assert_eq!(refused, Err("refused with 10001: bad category".to_owned()));
        assert!(metadata(b"<html>", SPOT.0).is_err());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(yymmdd(0), "700101");
        assert_eq!(yymmdd(1_709_164_800_000), "240229");
        assert_eq!(yymmdd(1_709_251_199_999), "240229");
        assert_eq!(yymmdd(1_709_251_200_000), "240301");
        assert_eq!(yymmdd(1_767_225_599_999), "251231");
    }
}
