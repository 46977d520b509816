//! Answers of the REST interface: snapshots and metadata. Cold: clarity before speed, and no request is made here.

use crate::base::instrument::name;
use crate::base::{Asset, DecimalError, Instrument, Level, Px, Qty, Snapshot, Symbol, decimal};
use crate::exchange::{DecodeError, Survey, text};
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Depth<'a> {
    #[serde(rename = "lastUpdateId")]
    last_id: u64,
    #[serde(borrow)]
    bids: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    asks: Vec<[&'a str; 2]>,
}

/// Decodes `{"lastUpdateId":…,"bids":[["price","quantity"],…],"asks":…}`. Sides that are not sorted
/// from the best level on, or hold an empty level, are refused: a book must not begin with a lie.
pub fn snapshot(
    body: &[u8],
    instrument: &Instrument,
    levels: u16,
) -> Result<Snapshot, DecodeError> {
    let depth: Depth<'_> =
        serde_json::from_slice(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => DecodeError::Shape,
            _ => DecodeError::Json,
        })?;
    let bids = side(&depth.bids, instrument)?;
    let asks = side(&depth.asks, instrument)?;
    let sorted = bids.is_sorted_by(|a, b| a.px > b.px) && asks.is_sorted_by(|a, b| a.px < b.px);
    if !sorted || bids.iter().chain(&asks).any(|level| level.qty == Qty(0)) {
        return Err(DecodeError::Shape);
    }
    Ok(Snapshot {
        last_id: depth.last_id,
        bids_whole: bids.len() < usize::from(levels),
        asks_whole: asks.len() < usize::from(levels),
        bids,
        asks,
        ..Snapshot::default()
    })
}

fn side(levels: &[[&str; 2]], instrument: &Instrument) -> Result<Vec<Level>, DecodeError> {
    let level = |[px, qty]: &[&str; 2]| -> Result<Level, DecimalError> {
        Ok(Level {
            px: units_px(px, instrument.px_scale)?,
            qty: Qty(decimal::parse(qty.as_bytes(), instrument.qty_scale)?),
        })
    };
    let levels: Result<_, _> = levels.iter().map(level).collect();
    levels.map_err(|error| DecodeError::Number(instrument.id, error))
}

/// `parse` gives at most `i64::MAX`.
fn units_px(text: &str, scale: u8) -> Result<Px, DecimalError> {
    decimal::parse(text.as_bytes(), scale).map(|units| Px(units as i64))
}

#[derive(Deserialize)]
struct Info {
    symbols: Vec<Listing>,
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

/// Decodes `exchangeInfo`. The scales are the assets' precisions, eight today, and not those of tick
/// and lot: Binance keeps its own books so, and an order from before a tick change still rests on them.
pub fn metadata(body: &[u8], exchange: &'static str) -> Result<Vec<Instrument>, String> {
    let info: Info = serde_json::from_slice(body)
        .map_err(|error| format!("exchangeInfo is not of the documented shape: {error}"))?;
    let read = |listing: &Listing| {
        instrument(listing, exchange).map_err(|why| format!("{}: {why}", listing.symbol))
    };
    info.symbols.iter().map(read).collect()
}

fn instrument(listing: &Listing, exchange: &'static str) -> Result<Instrument, String> {
    let px_scale = listing.quote_asset_precision.or(listing.quote_precision);
    let px_scale = px_scale.ok_or("it has no quoteAssetPrecision")?;
    let qty_scale = listing.base_asset_precision;
    if px_scale.max(qty_scale) > decimal::SCALE_MAX {
        return Err(format!("a precision over {} decimals", decimal::SCALE_MAX));
    }
    let units = |name: &str, text: &Option<String>, scale: u8| match text {
        None => Ok(0),
        Some(text) => decimal::parse(text.as_bytes(), scale).map_err(|error| {
            format!("{name} {text:?} is no number of {scale} decimals: {error:?}")
        }),
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
    let step = units("stepSize", &lot.step_size, qty_scale)?.max(1);
    let qty_min = units("minQty", &lot.min_qty, qty_scale)?.max(step);
    let mut notional_min = 0;
    for kind in ["NOTIONAL", "MIN_NOTIONAL"] {
        let least = units("minNotional", &filter(kind).min_notional, px_scale)?;
        notional_min = notional_min.max(u128::from(least) * 10u128.pow(u32::from(qty_scale)));
    }
    let symbol = Symbol::from(&listing.symbol).map_err(|_| "its name is too long")?;
    let asset = |text: &str| Asset::from(text).map_err(|_| format!("{text}: too long an asset"));
    let (base, quote) = (asset(&listing.base_asset)?, asset(&listing.quote_asset)?);
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
pub fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ticker {
        symbol: String,
        quote_volume: String,
    }
    let tickers: Vec<Ticker> =
        serde_json::from_slice(body).map_err(|error| format!("ticker/24hr: {error}"))?;
    let read = |ticker: Ticker| {
        let symbol = Symbol::from(&ticker.symbol).ok()?;
        Some((symbol, ticker.quote_volume.parse().ok()?))
    };
    Ok(tickers.into_iter().filter_map(read).collect())
}

/// Symbols of a recorded frame, from its stream's name or its own. Binance pads every number to eight
/// decimals, so that one number tells the scale.
pub fn survey(frame: &str, survey: &mut Survey) {
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
    // Binance writes the stream's name first; reading on would parse every frame twice. Other letters than these
    // have no one capital, or are escaped.
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
pub fn snapshot_asked(url: &str) -> Option<(String, u16)> {
    let asked = text::path(url).ends_with("/depth");
    let limit = text::query_value(url, "limit");
    let levels = limit.map_or(Some(LEVELS_DEFAULT), |limit| limit.parse().ok())?;
    let symbol = text::query_text(url, "symbol").filter(|_| asked)?;
    Some((symbol.into_owned(), levels))
}

/// No limit, or one beyond what is representable, is the largest representable quantity.
fn qty_max(lot: &Filter, scale: u8) -> Result<u64, String> {
    let Some(text) = &lot.max_qty else {
        return Ok(i64::MAX as u64);
    };
    match decimal::parse(text.as_bytes(), scale) {
        Ok(0) | Err(DecimalError::TooLarge) => Ok(i64::MAX as u64),
        Ok(units) => Ok(units),
        Err(error) => Err(format!("maxQty {text:?} is no number: {error:?}")),
    }
}

/// An instrument at Binance's usual scales, for tests.
#[cfg(test)]
pub fn test_instrument(id: u16, symbol: &str) -> Instrument {
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
    use crate::base::InstrumentId;

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
        let found = metadata(INFO.as_bytes(), "binance").unwrap();
        let of = |symbol: &str, base: &str| {
            let asset = |text: &str| Asset::from(text).unwrap();
            Instrument {
                name: name("binance", &[base, "USDT"]),
                base: asset(base),
                quote: asset("USDT"),
                settle: asset("USDT"),
                ..test_instrument(0, symbol)
            }
        };
        assert_eq!(found[1], of("BTCUSDT", "BTC"));
        let mut expected = of("ETHUSDT", "ETH");
        (expected.tick, expected.lot, expected.qty_min) = (Px(1), Qty(1), Qty(1));
        (expected.qty_max, expected.notional_min) = (Qty(i64::MAX as u64), 0);
        expected.trading = false;
        assert_eq!(found[0], expected);
    }

    #[test]
    fn a_bad_symbol_is_named() {
        let fine = INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"0.000000001""#);
        let why = metadata(fine.as_bytes(), "binance").unwrap_err();
        assert!(why.starts_with("BTCUSDT: tickSize"), "{why}");
        let zero = INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"0.00000000""#);
        assert_eq!(metadata(zero.as_bytes(), "binance").unwrap()[1].tick, Px(1));
        let huge = INFO.replace("9000.0000", "900000000000000.0000");
        let huge = metadata(huge.as_bytes(), "binance").unwrap();
        assert_eq!(huge[1].qty_max, Qty(i64::MAX as u64));
        assert!(metadata(b"{\"code\":-1121}", "binance").is_err());
    }

    #[test]
    fn a_snapshot_says_whether_a_side_is_whole() {
        let body = br#"{"lastUpdateId":160,"bids":[["2.50000000","10.00000000"],["2.4","1"]],"asks":[["2.6","100"]]}"#;
        let book = snapshot(body, &test_instrument(0, "X"), 2).unwrap();
        assert_eq!(book.last_id, 160);
        assert_eq!(book.bids.len(), 2);
        assert_eq!(
            book.asks,
            [Level {
                px: Px(260_000_000),
                qty: Qty(10_000_000_000)
            }]
        );
        assert!(!book.bids_whole);
        assert!(book.asks_whole);
    }

    #[test]
    fn a_bad_snapshot_is_refused() {
        let refused =
            |body: &str| snapshot(body.as_bytes(), &test_instrument(0, "X"), 5).unwrap_err();
        let with =
            |bids: &str| refused(&format!(r#"{{"lastUpdateId":1,"bids":{bids},"asks":[]}}"#));
        assert_eq!(with(r#"[["1","1"],["2","1"]]"#), DecodeError::Shape);
        assert_eq!(with(r#"[["1","1"],["1","1"]]"#), DecodeError::Shape);
        assert_eq!(with(r#"[["1","0.00000000"]]"#), DecodeError::Shape);
        let asks = refused(r#"{"lastUpdateId":1,"bids":[],"asks":[["2","1"],["1","1"]]}"#);
        assert_eq!(asks, DecodeError::Shape);
        assert_eq!(with(r#"[["1"]]"#), DecodeError::Shape);
        assert_eq!(with(r#"[[1,1]]"#), DecodeError::Shape);
        assert_eq!(
            with(r#"[["1.000000001","1"]]"#),
            DecodeError::Number(InstrumentId(0), DecimalError::TooFine)
        );
        assert_eq!(
            refused(r#"{"code":-1121,"msg":"Invalid symbol."}"#),
            DecodeError::Shape
        );
        assert_eq!(refused(r#"{"lastUpdateId":1,"bids":["#), DecodeError::Json);
        assert_eq!(refused("<html>"), DecodeError::Json);
    }
}
