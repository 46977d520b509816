//! Answers of the Advanced Trade REST interface. Cold: clarity before speed, and no request is made
//! here.

use crate::base::Symbol;
use crate::exchange::coinbase::common::Product;
use crate::exchange::kit::listing::{self, Listings};
use serde::Deserialize;
use serde_json::Value;

/// The public list of products.
pub(crate) const PRODUCTS: &str = "/api/v3/brokerage/market/products";

#[derive(Deserialize)]
struct Page {
    products: Vec<Value>,
    pagination: Option<Pagination>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pagination {
    has_next: bool,
    next_cursor: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    product_id: String,
    product_type: String,
    base_currency_id: String,
    quote_currency_id: String,
    price_increment: String,
    base_increment: String,
    base_min_size: String,
    base_max_size: String,
    quote_min_size: String,
    approximate_quote_24h_volume: Option<String>,
    status: String,
    alias: String,
    is_disabled: bool,
    trading_disabled: bool,
    cancel_only: bool,
    view_only: bool,
    auction_mode: bool,
}

impl Entry {
    /// A product with a book of its own: an alias (`BTC-USDC`) shares that of another, under the
    /// other's name.
    fn own(&self) -> bool {
        self.product_type == "SPOT" && self.alias.is_empty()
    }
}

fn page(body: &[u8]) -> Result<Page, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("products are not of the documented shape: {error}"))
}

/// Decodes the list of products: neither futures nor aliases.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let instrument = |entry: &Entry| {
        if !entry.own() {
            return Ok(None);
        }
        let stopped = entry.is_disabled
            || entry.trading_disabled
            || entry.cancel_only
            || entry.view_only
            || entry.auction_mode;
        Product {
            symbol: &entry.product_id,
            base: &entry.base_currency_id,
            quote: &entry.quote_currency_id,
            px_step: &entry.price_increment,
            qty_step: &entry.base_increment,
            qty_min: &entry.base_min_size,
            qty_max: &entry.base_max_size,
            notional_min: &entry.quote_min_size,
            trading: entry.status == "online" && !stopped,
        }
        .instrument(exchange)
        .map(Some)
    };
    let page = page(body)?;
    Ok(listing::each(&page.products, "product_id", instrument))
}

/// Where the next page begins.
pub(crate) fn next_cursor(body: &[u8]) -> Option<String> {
    let pagination = page(body).ok()?.pagination?;
    let more = pagination.has_next && !pagination.next_cursor.is_empty();
    more.then_some(pagination.next_cursor)
}

/// The volume in each product's quote currency: most are dollars, the others rank lower than they
/// should.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    let volume = |entry: Entry| {
        let volume = entry.approximate_quote_24h_volume.as_ref()?.parse().ok()?;
        Some((Symbol::from(&entry.product_id).ok()?, volume))
    };
    let page = page(body)?;
    let own = listing::shaped(&page.products).filter(Entry::own);
    Ok(own.filter_map(volume).collect())
}
