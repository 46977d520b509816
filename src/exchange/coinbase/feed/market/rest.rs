//! Answers of the Exchange REST interface. Cold: clarity before speed, and no request is made here.

use crate::base::Symbol;
use crate::exchange::coinbase::common::Product;
use crate::exchange::kit::listing::{self, Listings};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The list of products.
pub(crate) const PRODUCTS: &str = "/products";
/// What each product did in 24 hours. Not documented, but public for years; the documented
/// `/products/volume-summary` counts in base currency, which ranks nothing.
pub(crate) const STATS: &str = "/products/stats";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    id: String,
    base_currency: String,
    quote_currency: String,
    quote_increment: String,
    base_increment: String,
    base_min_size: Option<String>,
    base_max_size: Option<String>,
    min_market_funds: Option<String>,
    status: String,
    trading_disabled: bool,
    cancel_only: bool,
    auction_mode: bool,
}

/// Decodes the list of products. `quote_increment` is the step of prices here.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let entries: Vec<Value> = serde_json::from_slice(body)
        .map_err(|error| format!("products are not of the documented shape: {error}"))?;
    let instrument = |entry: &Entry| {
        let stopped = entry.trading_disabled || entry.cancel_only || entry.auction_mode;
        Product {
            symbol: &entry.id,
            base: &entry.base_currency,
            quote: &entry.quote_currency,
            px_step: &entry.quote_increment,
            qty_step: &entry.base_increment,
            qty_min: entry.base_min_size.as_deref().unwrap_or_default(),
            qty_max: entry.base_max_size.as_deref().unwrap_or_default(),
            notional_min: entry.min_market_funds.as_deref().unwrap_or_default(),
            trading: entry.status == "online" && !stopped,
        }
        .instrument(exchange)
        .map(Some)
    };
    Ok(listing::each(&entries, "id", instrument))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stats {
    stats_24hour: Day,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Day {
    last: String,
    volume: String,
}

/// Base volume at the last price, in each product's quote currency: most are dollars, the others
/// rank lower than they should.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    let stats: BTreeMap<String, Value> = serde_json::from_slice(body)
        .map_err(|error| format!("products/stats is not of the known shape: {error}"))?;
    let volume = |(symbol, stats): (&String, &Value)| {
        let stats = Stats::deserialize(stats).ok()?;
        let (last, volume) = (&stats.stats_24hour.last, &stats.stats_24hour.volume);
        let (last, volume) = (last.parse::<f64>().ok()?, volume.parse::<f64>().ok()?);
        Some((Symbol::from(symbol).ok()?, last * volume))
    };
    Ok(stats.iter().filter_map(volume).collect())
}
