//! Metadata and volumes. Cold: clarity before speed, and no request is made here.

use crate::base::instrument::name;
use crate::base::{Instrument, Px, Qty, Symbol};
use crate::exchange::bitstamp::SCALE;
use crate::exchange::kit::listing::{self, Listings};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Listing {
    market_symbol: String,
    base_currency: String,
    counter_currency: String,
    base_decimals: u8,
    counter_decimals: u8,
    /// In the counter currency.
    minimum_order_value: Option<Value>,
    trading: String,
    /// Absent if everything is spot.
    market_type: Option<String>,
}

/// Decodes `markets`.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let read = |one: &Listing| instrument(one, exchange);
    Ok(listing::each(&list(body)?, "market_symbol", read))
}

/// The scales: prices have been finer than today's ticks. See [`listing::qty_scale`] for
/// quantities. Nothing for a market that is not spot.
fn instrument(listing: &Listing, exchange: &'static str) -> Result<Option<Instrument>, String> {
    if listing
        .market_type
        .as_deref()
        .is_some_and(|kind| kind != "SPOT")
    {
        return Ok(None);
    }
    let px_scale = listing::scale(SCALE.max(listing.counter_decimals))?;
    let qty_scale = listing::qty_scale(listing::scale(listing.base_decimals)?, SCALE);
    let one = |decimals: u8| 10u64.pow(u32::from(decimals));
    let tick = one(px_scale - listing.counter_decimals);
    let lot = Qty(one(qty_scale - listing.base_decimals));
    let least = match &listing.minimum_order_value {
        None => "0".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(number) => number.to_string(),
    };
    let least = listing::units("smallest worth", &least, px_scale)?;
    let (base, quote) = (&listing.base_currency, &listing.counter_currency);
    let symbol = listing::symbol(&listing.market_symbol)?;
    Ok(Some(Instrument {
        name: name(exchange, &[base, quote]),
        base: listing::asset(base)?,
        quote: listing::asset(quote)?,
        settle: listing::asset(quote)?,
        tick: Px(tick as i64), // A power of ten that fits.
        lot,
        qty_min: lot,
        notional_min: u128::from(least) * u128::from(one(qty_scale)),
        trading: listing.trading == "Enabled",
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    }))
}

/// Decodes `ticker` of all markets: volume at its average price, in the counter currency, which
/// ranks markets of one currency, and of those of about the same worth.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    struct Ticker {
        pair: String,
        volume: String,
        vwap: String,
    }
    let read = |item| {
        let ticker = Ticker::deserialize(item).ok()?;
        let symbol = Symbol::from(&ticker.pair.replace('/', "").to_lowercase()).ok()?;
        let (volume, price): (f64, f64) = (ticker.volume.parse().ok()?, ticker.vwap.parse().ok()?);
        Some((symbol, volume * price))
    };
    Ok(list(body)?.iter().filter_map(read).collect())
}

fn list(body: &[u8]) -> Result<Vec<Value>, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("it is not of the documented shape: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::instrument::Kind;

    const MARKETS: &str = r#"[
        {"name":"ABC/USD","market_symbol":"abcusd","base_currency":"ABC","base_decimals":6,"counter_currency":"USD","counter_decimals":2,
         "minimum_order_value":"10.00","trading":"Enabled","instant_order_counter_decimals":2,"market_type":"SPOT"},
        {"market_symbol":"xyzbtc","base_currency":"XYZ","base_decimals":8,"counter_currency":"BTC","counter_decimals":9,"minimum_order_value":0.0005,"trading":"Disabled"},
        {"market_symbol":"abcusd-perp","base_currency":"ABC","base_decimals":8,"counter_currency":"USD","counter_decimals":0,"trading":"Enabled","market_type":"PERPETUAL"},
        {"market_symbol":"odd","base_currency":"A","base_decimals":30,"counter_currency":"B","counter_decimals":0,"trading":"Enabled"},
        {"market_symbol":"broken"}]"#;

    #[test]
    fn markets_have_their_own_tick_and_lot_and_finer_scales() {
        let listed = metadata(MARKETS.as_bytes(), "bitstamp").unwrap();
        let found = listed.instruments;
        assert_eq!((found.len(), listed.left_out.len()), (2, 2));
        let abc = &found[0];
        assert_eq!(abc.name.as_str(), "bitstamp:ABC-USD");
        assert_eq!((abc.symbol.as_str(), abc.kind), ("abcusd", Kind::Spot));
        assert_eq!((abc.px_scale, abc.qty_scale), (8, 8));
        assert_eq!((abc.tick, abc.lot), (Px(1_000_000), Qty(100)));
        assert_eq!(abc.notional_min, 10 * 10u128.pow(16));
        let xyz = &found[1];
        assert_eq!((xyz.px_scale, xyz.tick), (9, Px(1)));
        assert_eq!(xyz.notional_min, 5 * 10u128.pow(13));
        assert!(abc.trading && !xyz.trading);
        assert!(metadata(b"{}", "bitstamp").is_err());
    }

    #[test]
    fn volumes_are_worth_of_what_was_traded() {
        let body = br#"[{"pair":"ABC/USD","volume":"2.5","vwap":"10","last":"11"},{"pair":"ABC/USD-PERP","volume":"x"}]"#;
        let expected = vec![(Symbol::from("abcusd").unwrap(), 25.0)];
        assert_eq!(volumes(body), Ok(expected));
        assert!(volumes(b"<html>").is_err());
    }
}
