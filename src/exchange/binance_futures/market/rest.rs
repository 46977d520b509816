//! What the REST service says: metadata and volumes. Cold: allocates freely, and no request is made
//! here.

use crate::base::instrument::name;
use crate::base::{Contract, Instrument, Kind, Px, Qty, Symbol};
use crate::exchange::binance_futures::Facts;
use crate::exchange::binance_spot::Info;
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::kit::text;
use serde::Deserialize;
use serde_json::Value;

/// Levels a side of a snapshot, at most.
pub(crate) const LEVELS_MAX: u16 = 1_000;
/// Levels a side of a snapshot that was asked for without a limit.
pub(crate) const LEVELS_DEFAULT: u16 = 500;
/// The only limits that `depth` takes.
pub(crate) const DEPTH_LIMITS: [u16; 7] = [5, 10, 20, 50, 100, LEVELS_DEFAULT, LEVELS_MAX];
/// Weight of `exchangeInfo`.
pub(crate) const INFO_WEIGHT: u32 = 1;
/// Weight of `ticker/24hr` of all symbols.
pub(crate) const TICKERS_WEIGHT: u32 = 40;

/// The limit to ask for if this many levels are wanted.
pub(crate) fn depth_limit(levels: u16) -> u16 {
    let mut limits = DEPTH_LIMITS.into_iter();
    limits.find(|limit| *limit >= levels).unwrap_or(LEVELS_MAX)
}

/// What a `depth` request with this limit weighs ("Order Book").
pub(crate) fn depth_weight(limit: u16) -> u32 {
    match limit {
        0..=50 => 2,
        51..=100 => 5,
        101..=500 => 10,
        501.. => 20,
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Listing {
    symbol: String,
    contract_type: String,
    /// USD-M's word for it.
    status: Option<String>,
    /// COIN-M's word for it.
    contract_status: Option<String>,
    /// USD that a contract of COIN-M is worth.
    contract_size: Option<u64>,
    base_asset: String,
    quote_asset: String,
    margin_asset: String,
    price_precision: u8,
    quantity_precision: u8,
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
    notional: Option<String>,
}

/// Decodes `exchangeInfo`.
pub(crate) fn metadata(body: &[u8], facts: &Facts) -> Result<Listings, String> {
    let info: Info = serde_json::from_slice(body)
        .map_err(|error| format!("exchangeInfo is not of the documented shape: {error}"))?;
    let read = |one: &Listing| instrument(one, facts);
    Ok(listing::each(&info.symbols, "symbol", read))
}

/// Nothing for a contract of an unknown term.
fn instrument(listing: &Listing, facts: &Facts) -> Result<Option<Instrument>, String> {
    let Some((kind, term)) = term(listing) else {
        return Ok(None);
    };
    let none = Filter::default();
    let filter = |kind: &str| {
        let mut filters = listing.filters.iter();
        filters
            .find(|filter| filter.filter_type == kind)
            .unwrap_or(&none)
    };
    let (price, lot) = (filter("PRICE_FILTER"), filter("LOT_SIZE"));
    let tick = price.tick_size.as_deref().ok_or("it has no tickSize")?;
    let step = lot.step_size.as_deref().ok_or("it has no stepSize")?;
    // The tick is what new orders keep to. The precision is finer if the tick was made coarser,
    // and orders from before that still rest in the book.
    let px_scale = listing::scale(decimals(tick).max(listing.price_precision))?;
    let qty_scale = listing::scale(decimals(step).max(listing.quantity_precision))?;
    let lots = |what, text: &Option<String>| {
        listing::units(what, text.as_deref().unwrap_or("0"), qty_scale)
    };
    let lot_units = listing::units("stepSize", step, qty_scale)?.max(1);
    let qty_max = match lots("largest order", &lot.max_qty)? {
        0 => i64::MAX as u64,
        units => units,
    };
    let notional = filter("MIN_NOTIONAL").notional.as_deref().unwrap_or("0");
    let notional = listing::units("smallest worth", notional, px_scale)?;
    let notional_min = u128::from(notional) * 10u128.pow(u32::from(qty_scale));
    let contract = match facts.coin_margined {
        false => Contract::ONE,
        true => Contract {
            size: listing
                .contract_size
                .filter(|size| *size > 0)
                .ok_or("it has no contractSize")?,
            scale: 0,
            inverse: true,
        },
    };
    let symbol = listing::symbol(&listing.symbol)?;
    let (base, quote) = (&listing.base_asset, &listing.quote_asset);
    let status = listing.status.as_ref().or(listing.contract_status.as_ref());
    Ok(Some(Instrument {
        name: name(facts.name, &[base, quote, term]),
        base: listing::asset(base)?,
        quote: listing::asset(quote)?,
        settle: listing::asset(&listing.margin_asset)?,
        kind,
        contract,
        // At most `i64::MAX`.
        tick: Px(listing::units("tickSize", tick, px_scale)?.max(1) as i64),
        lot: Qty(lot_units),
        qty_min: Qty(lots("smallest order", &lot.min_qty)?.max(lot_units)),
        qty_max: Qty(qty_max),
        notional_min,
        trading: status.is_some_and(|status| status == "TRADING"),
        ..Instrument::bare(facts.name, symbol, (px_scale, qty_scale))
    }))
}

/// What sort of contract it is, and the last part of its name: `BTCUSDT_260327` ends on that day.
fn term(listing: &Listing) -> Option<(Kind, &str)> {
    let day = listing.symbol.rsplit_once('_').map_or("", |(_, day)| day);
    if day.len() == 6 && day.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((Kind::Future, day));
    }
    // `PERPETUAL`, `TRADIFI_PERPETUAL`, and `PERPETUAL DELIVERING` if one is taken off the list.
    let perpetual = listing.contract_type.contains("PERPETUAL");
    perpetual.then_some((Kind::Perpetual, "PERP"))
}

/// Decimals that a plain number needs: `0.10` has one.
fn decimals(text: &str) -> u8 {
    let part = text.split_once('.').map_or("", |(_, part)| part);
    u8::try_from(part.trim_end_matches('0').len()).unwrap_or(u8::MAX)
}

/// Decodes `ticker/24hr`: the volume in quote assets, which are all worth a dollar or close to it.
/// COIN-M tells contracts and coins only: coins at the average price are dollars, too.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ticker {
        symbol: String,
        quote_volume: Option<String>,
        base_volume: Option<String>,
        weighted_avg_price: Option<String>,
    }
    let tickers: Vec<Value> =
        serde_json::from_slice(body).map_err(|error| format!("ticker/24hr: {error}"))?;
    let read = |ticker: Ticker| {
        let number = |text: Option<String>| text?.parse::<f64>().ok();
        let volume = match number(ticker.quote_volume) {
            Some(volume) => volume,
            None => number(ticker.base_volume)? * number(ticker.weighted_avg_price)?,
        };
        Some((Symbol::from(&ticker.symbol).ok()?, volume))
    };
    Ok(listing::shaped(&tickers).filter_map(read).collect())
}

/// The symbol and the levels of a recorded `depth` request.
pub(crate) fn snapshot_asked(url: &str) -> Option<(String, u16)> {
    let asked = text::path(url).ends_with("/depth");
    let limit = text::query_value(url, "limit");
    let levels = limit.map_or(Some(LEVELS_DEFAULT), |limit| limit.parse().ok())?;
    let symbol = text::query_text(url, "symbol").filter(|_| asked)?;
    Some((symbol.into_owned(), levels))
}

#[cfg(test)]
mod tests;
