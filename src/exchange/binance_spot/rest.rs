//! Answers of the REST interface: snapshots and metadata. Cold: clarity before speed, and no request is made here.

use crate::base::{
    DecimalError, Instrument, InstrumentId, Level, Px, Qty, Snapshot, Symbol, decimal,
};
use crate::exchange::DecodeError;
use serde::Deserialize;

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
    levels.map_err(DecodeError::Number)
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
pub fn metadata(body: &[u8], symbols: &[&str]) -> Result<Vec<Instrument>, String> {
    let info: Info = serde_json::from_slice(body)
        .map_err(|error| format!("exchangeInfo is not of the documented shape: {error}"))?;
    let find = |(id, symbol): (usize, &&str)| {
        let listing = info
            .symbols
            .iter()
            .find(|listing| listing.symbol == *symbol);
        let listing = listing.ok_or_else(|| format!("{symbol}: the exchange does not list it"))?;
        let id = u16::try_from(id).ok().filter(|id| *id < u16::MAX);
        let id = id.ok_or_else(|| format!("{symbol}: too many instruments"))?;
        instrument(InstrumentId(id), listing).map_err(|why| format!("{symbol}: {why}"))
    };
    symbols.iter().enumerate().map(find).collect()
}

fn instrument(id: InstrumentId, listing: &Listing) -> Result<Instrument, String> {
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
    Ok(Instrument {
        exchange: "binance-spot",
        id,
        symbol: Symbol::from(&listing.symbol).map_err(|_| "its name is too long")?,
        px_scale,
        qty_scale,
        tick: Px(tick as i64), // `parse` gives at most `i64::MAX`.
        lot: Qty(step),
        qty_min: Qty(qty_min),
        qty_max: Qty(qty_max(lot, qty_scale)?),
        notional_min,
        trading: listing.status == "TRADING",
    })
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
        exchange: "binance-spot",
        id: InstrumentId(id),
        symbol: Symbol::from(symbol).unwrap(),
        px_scale: 8,
        qty_scale: 8,
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(900_000_000_000),
        notional_min: 5 * 10u128.pow(16),
        trading: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1,"rateLimits":[],"exchangeFilters":[],"symbols":[
        {"symbol":"ETHUSDT","status":"BREAK","baseAsset":"ETH","baseAssetPrecision":8,"quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,"filters":[]},
        {"symbol":"BTCUSDT","status":"TRADING","baseAssetPrecision":8,"quoteAssetPrecision":8,"orderTypes":["LIMIT"],"filters":[
            {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
            {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
            {"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"90.00000000","stepSize":"0.00000000"},
            {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","avgPriceMins":5},
            {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}]}]}"#;

    #[test]
    fn metadata_comes_in_the_order_that_was_asked_for() {
        let found = metadata(INFO.as_bytes(), &["BTCUSDT", "ETHUSDT"]).unwrap();
        let mut expected = test_instrument(0, "BTCUSDT");
        assert_eq!(found[0], expected);
        expected = test_instrument(1, "ETHUSDT");
        (expected.tick, expected.lot, expected.qty_min) = (Px(1), Qty(1), Qty(1));
        (expected.qty_max, expected.notional_min) = (Qty(i64::MAX as u64), 0);
        expected.trading = false;
        assert_eq!(found[1], expected);
    }

    #[test]
    fn a_bad_symbol_is_named() {
        let why = metadata(INFO.as_bytes(), &["BTCUSDT", "BTCUSD"]).unwrap_err();
        assert!(
            why.contains("BTCUSD: the exchange does not list it"),
            "{why}"
        );
        let fine = INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"0.000000001""#);
        let why = metadata(fine.as_bytes(), &["BTCUSDT"]).unwrap_err();
        assert!(why.starts_with("BTCUSDT: tickSize"), "{why}");
        let zero = INFO.replace(r#""tickSize":"0.01000000""#, r#""tickSize":"0.00000000""#);
        assert_eq!(
            metadata(zero.as_bytes(), &["BTCUSDT"]).unwrap()[0].tick,
            Px(1)
        );
        let huge = INFO.replace("9000.0000", "900000000000000.0000");
        let huge = metadata(huge.as_bytes(), &["BTCUSDT"]).unwrap();
        assert_eq!(huge[0].qty_max, Qty(i64::MAX as u64));
        assert!(metadata(b"{\"code\":-1121}", &["BTCUSDT"]).is_err());
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
            DecodeError::Number(DecimalError::TooFine)
        );
        assert_eq!(
            refused(r#"{"code":-1121,"msg":"Invalid symbol."}"#),
            DecodeError::Shape
        );
        assert_eq!(refused(r#"{"lastUpdateId":1,"bids":["#), DecodeError::Json);
        assert_eq!(refused("<html>"), DecodeError::Json);
    }
}
