//! Answers of the REST interface: metadata and volumes. Cold: clarity before speed, and no request
//! is made here.

use super::{decode, sbe};
use crate::base::instrument::name;
use crate::base::{Instrument, Px, Qty, Symbol};
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::{Survey, kit::text};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;

/// `exchangeInfo` of any Binance market.
#[derive(Deserialize)]
pub(crate) struct Info {
    pub(crate) symbols: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    symbol: String,
    status: String,
    #[serde(default)]
    base_asset: String,
    #[serde(default)]
    quote_asset: String,
    base_asset_precision: u8,
    quote_asset_precision: Option<u8>,
    quote_precision: Option<u8>,
    #[serde(default)]
    filters: Vec<Filter>,
}

/// Any filter: the texts that are used, of whichever kind it is.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    filter_type: String,
    tick_size: Option<String>,
    step_size: Option<String>,
    min_qty: Option<String>,
    max_qty: Option<String>,
    min_notional: Option<String>,
}

/// Decodes `exchangeInfo`. Prices are kept at the quote asset's precision, eight decimals today,
/// and not at that of the tick: Binance keeps its own books so, and an order from before a tick
/// change still rests on them. See [`listing::qty_scale`] for quantities.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let info: Info = serde_json::from_slice(body)
        .map_err(|error| format!("exchangeInfo is not of the documented shape: {error}"))?;
    let read = |one: &Listing| instrument(one, exchange).map(Some);
    Ok(listing::each(&info.symbols, "symbol", read))
}

fn instrument(listing: &Listing, exchange: &'static str) -> Result<Instrument, String> {
    let px_scale = listing.quote_asset_precision.or(listing.quote_precision);
    let px_scale = listing::scale(px_scale.ok_or("it has no quoteAssetPrecision")?)?;
    let precision = listing::scale(listing.base_asset_precision)?;
    let units = |name: &str, text: &Option<String>, scale: u8| match text {
        None => Ok(0),
        Some(text) => listing::units(name, text, scale),
    };
    let none = Filter::default();
    let filter = |kind: &str| {
        let mut filters = listing.filters.iter();
        filters
            .find(|filter| filter.filter_type == kind)
            .unwrap_or(&none)
    };
    let (price, lot) = (filter("PRICE_FILTER"), filter("LOT_SIZE"));
    let tick = units("tickSize", &price.tick_size, px_scale)?.max(1);
    let lot_scale = match lot
        .step_size
        .as_deref()
        .map(|text| listing::step("stepSize", text))
    {
        Some(Ok((scale, _))) => scale,
        // Without a step, or with one of zero, every quantity is good.
        Some(Err(_)) | None => precision,
    };
    let qty_scale = listing::qty_scale(lot_scale, precision);
    let step = units("stepSize", &lot.step_size, qty_scale)?.max(1);
    let qty_min = units("minQty", &lot.min_qty, qty_scale)?.max(step);
    let mut notional_min = 0;
    for kind in ["NOTIONAL", "MIN_NOTIONAL"] {
        let least = units("minNotional", &filter(kind).min_notional, px_scale)?;
        notional_min = notional_min.max(u128::from(least) * 10u128.pow(u32::from(qty_scale)));
    }
    let symbol = listing::symbol(&listing.symbol)?;
    let base = listing::asset(&listing.base_asset)?;
    let quote = listing::asset(&listing.quote_asset)?;
    Ok(Instrument {
        name: name(exchange, &[&base, &quote]),
        base,
        quote,
        settle: quote,
        tick: Px(tick as i64), // `parse` gives at most `i64::MAX`.
        lot: Qty(step),
        qty_min: Qty(qty_min),
        qty_max: Qty(qty_max(lot, qty_scale)?),
        notional_min,
        trading: listing.status == "TRADING",
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    })
}

/// Decodes `ticker/24hr`: the volume in quote assets, which ranks symbols of one quote asset only.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ticker {
        symbol: String,
        quote_volume: String,
    }
    let tickers: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| format!("ticker/24hr: {error}"))?;
    let read = |ticker: Ticker| {
        let symbol = Symbol::from(&ticker.symbol).ok()?;
        Some((symbol, ticker.quote_volume.parse().ok()?))
    };
    Ok(listing::shaped(&tickers).filter_map(read).collect())
}

/// Symbols of a recorded frame, from its stream's name or its own. Binance pads every number to
/// eight decimals, so that one number tells the scale, unless some are too large for that.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    // Base64 has no brace.
    if !frame.trim_start().starts_with('{') {
        return sbe::survey(frame, survey);
    }
    if survey.is_exact() {
        decode::survey(frame, survey);
    }
    survey.glance(frame, 8);
    #[derive(Deserialize)]
    struct Event<'m> {
        #[serde(borrow)]
        e: Option<Cow<'m, str>>,
        #[serde(borrow)]
        s: Option<Cow<'m, str>>,
        #[serde(rename = "lastUpdateId")]
        last_update_id: Option<u64>,
    }
    #[derive(Deserialize)]
    struct Head<'m> {
        #[serde(borrow)]
        stream: Option<Cow<'m, str>>,
        #[serde(borrow)]
        data: Option<Event<'m>>,
        #[serde(borrow, flatten)]
        bare: Option<Event<'m>>,
    }
    // Binance writes the stream's name first; reading on would parse every frame twice. Other
    // letters than these have no one capital, or are escaped.
    let first = frame
        .strip_prefix(r#"{"stream":""#)
        .and_then(|rest| rest.split('"').next())
        .filter(|name| name.is_ascii() && !name.contains('\\'));
    if let Some((symbol, stream)) = first.and_then(|name| name.split_once('@')) {
        return tell(&symbol.to_uppercase(), stream, survey);
    }
    let Ok(head) = serde_json::from_str::<Head<'_>>(frame) else {
        return;
    };
    let event = head.data.or(head.bare);
    let own = event.as_ref().and_then(|event| event.s.as_deref());
    let stream = head.stream.as_deref();
    match (stream.and_then(|name| name.split_once('@')), event.as_ref()) {
        (Some((lower, stream)), _) => {
            tell(own.unwrap_or(&lower.to_uppercase()), stream, survey);
        }
        (None, Some(event)) if event.last_update_id.is_some() => survey.other("partial depth"),
        (None, Some(event)) => {
            let stream = match event.e.as_deref() {
                Some("depthUpdate") => "depth",
                Some(name) => name,
                None => "bookTicker", // The one event without a name.
            };
            if let Some(symbol) = own {
                tell(symbol, stream, survey);
            }
        }
        (None, None) => {}
    }
}

/// A frame of this symbol by this stream, named as after the `@`.
fn tell(symbol: &str, stream: &str, survey: &mut Survey) {
    const EIGHT: &str = "0.00000000";
    match stream.split('@').next().unwrap_or_default() {
        _ if symbol.starts_with('!') => survey.other(&format!("{symbol}@{stream}")),
        "depth" => {
            survey.level(symbol, EIGHT, EIGHT);
            survey.book(symbol, None);
        }
        "trade" | "bookTicker" => survey.level(symbol, EIGHT, EIGHT),
        _ => survey.other(stream),
    }
}

/// Levels a side of a snapshot that was asked for without a limit.
const LEVELS_DEFAULT: u16 = 100;

/// The symbol and the levels of a recorded `depth` request.
pub(crate) fn snapshot_asked(url: &str) -> Option<(String, u16)> {
    let asked = text::path(url).ends_with("/depth");
    let limit = text::query_value(url, "limit");
    let levels = limit.map_or(Some(LEVELS_DEFAULT), |limit| limit.parse().ok())?;
    let symbol = text::query_text(url, "symbol").filter(|_| asked)?;
    Some((symbol.into_owned(), levels))
}

/// No limit is the largest representable quantity.
fn qty_max(lot: &Filter, scale: u8) -> Result<u64, String> {
    match lot.max_qty.as_deref() {
        None => Ok(i64::MAX as u64),
        Some(text) => match listing::units("largest order", text, scale)? {
            0 => Ok(i64::MAX as u64),
            units => Ok(units),
        },
    }
}

/// An instrument at Binance's usual scales, for tests.
#[cfg(test)]
pub(crate) fn test_instrument(id: u16, symbol: &str) -> Instrument {
    Instrument {
        id: crate::base::InstrumentId(id),
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(900_000_000_000),
        notional_min: 5 * 10u128.pow(16),
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (8, 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1,"rateLimits":[],"exchangeFilters":[],"symbols":[
        {"symbol":"ETHUSDT","status":"BREAK","baseAsset":"ETH","baseAssetPrecision":8,"quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,"filters":[]},
        {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","baseAssetPrecision":8,"quoteAssetPrecision":8,"orderTypes":["LIMIT"],"filters":[
            {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
            {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
            {"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"90.00000000","stepSize":"0.00000000"},
            {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","avgPriceMins":5},
            {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}]}]}"#;

    #[test]
    fn metadata_names_assets_scales_and_filters() {
        let found = metadata(INFO.as_bytes(), "binance").unwrap().instruments;
        let of = |symbol: &str, base: &str| {
            let asset = |text: &str| listing::asset(text).unwrap();
            Instrument {
                name: name("binance", &[base, "USDT"]),
                base: asset(base),
                quote: asset("USDT"),
                settle: asset("USDT"),
                ..test_instrument(0, symbol)
            }
        };
        // Two decimals finer than the lot of 0.00001.
        let btc = Instrument {
            qty_scale: 7,
            lot: Qty(100),
            qty_min: Qty(100),
            qty_max: Qty(90_000_000_000),
            notional_min: 5 * 10u128.pow(15),
            ..of("BTCUSDT", "BTC")
        };
        assert_eq!(found[1], btc);
        let mut expected = of("ETHUSDT", "ETH");
        (expected.tick, expected.lot, expected.qty_min) = (Px(1), Qty(1), Qty(1));
        (expected.qty_max, expected.notional_min) = (Qty(i64::MAX as u64), 0);
        expected.trading = false;
        assert_eq!(found[0], expected);
    }

    #[test]
    fn a_listing_that_cannot_be_represented_is_named_and_costs_no_other() {
        let left = |from: &str, to: &str| {
            let found = metadata(INFO.replace(from, to).as_bytes(), "binance").unwrap();
            assert_eq!(found.instruments.len(), 1, "{found:?}");
            assert_eq!(found.left_out[0].symbol, "BTCUSDT");
            found.left_out[0].why.clone()
        };
        let fine = left(r#""tickSize":"0.01000000""#, r#""tickSize":"0.000000001""#);
        assert_eq!(
            fine,
            "its tickSize of 0.000000001 does not fit at 8 decimals"
        );
        let huge = left("9000.0000", "9000000000000000000.0000");
        assert!(
            huge.starts_with("its largest order of 9000000000000000000.0"),
            "{huge}"
        );
        let long = left(
            r#""baseAsset":"BTC""#,
            r#""baseAsset":"狗狗币的小弟狗狗币的小弟""#,
        );
        assert!(long.ends_with("is longer than 32 bytes"), "{long}");
        assert!(
            left(r#""quoteAsset":"USDT","baseA"#, r#""quoteAsset":7,"baseA"#).contains("shape")
        );
        let zero = INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"0.00000000""#);
        let zero = metadata(zero.as_bytes(), "binance").unwrap();
        assert_eq!(zero.instruments[1].tick, Px(1));
        assert!(metadata(b"{\"code\":-1121}", "binance").is_err());
    }
}
