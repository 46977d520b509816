//! Answers of the REST interface: pairs and their volumes. Cold: clarity before speed, and no
//! request is made here.

use crate::base::instrument::name;
use crate::base::{Instrument, Px, Qty, Symbol};
use crate::exchange::kit::listing::{self, Listings};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// `{"error":[…],"result":{…}}`, around every answer.
#[derive(Deserialize)]
struct Answer<T> {
    #[serde(default)]
    error: Vec<String>,
    result: Option<BTreeMap<String, T>>,
}

fn result<T: DeserializeOwned>(what: &str, body: &[u8]) -> Result<BTreeMap<String, T>, String> {
    let answer: Answer<T> = serde_json::from_slice(body)
        .map_err(|error| format!("{what} is not of the documented shape: {error}"))?;
    match (answer.error.as_slice(), answer.result) {
        ([], Some(result)) => Ok(result),
        (errors, _) => Err(format!("{what}: {}", errors.join(", "))),
    }
}

#[derive(Deserialize)]
struct Pair {
    wsname: Option<String>,
    pair_decimals: Option<u8>,
    lot_decimals: Option<u8>,
    tick_size: Option<String>,
    ordermin: Option<String>,
    costmin: Option<String>,
    status: Option<String>,
    /// Since 2026: where orders are executed. Other places list other products under the same
    /// names.
    execution_venue: Option<String>,
}

/// Decodes `AssetPairs`.
///
/// The scales are the pair's own decimals: the book's checksum is of exactly these digits.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let pairs = result::<Value>("AssetPairs", body)?;
    let read = |pair: &Pair| instrument(pair, exchange);
    Ok(listing::each(pairs.values(), "wsname", read))
}

/// Nothing for a pair that has no stream, or another place's.
fn instrument(pair: &Pair, exchange: &'static str) -> Result<Option<Instrument>, String> {
    let international =
        pair.execution_venue.as_deref().unwrap_or("international") == "international";
    let Some(wsname) = pair.wsname.as_deref().filter(|_| international) else {
        return Ok(None);
    };
    let (base, quote) = wsname.split_once('/').ok_or("its name is none of a pair")?;
    let (base, quote) = (asset_name(base), asset_name(quote));
    let symbol = listing::symbol(&format!("{base}/{quote}"))?;
    let base = listing::asset(&base.to_uppercase())?;
    let quote = listing::asset(&quote.to_uppercase())?;
    let px_scale = listing::scale(pair.pair_decimals.ok_or("it has no pair_decimals")?)?;
    let qty_scale = listing::scale(pair.lot_decimals.ok_or("it has no lot_decimals")?)?;
    let units = |what, text: &Option<String>, scale: u8| match text {
        None => Ok(0),
        Some(text) => listing::units(what, text, scale),
    };
    let tick = units("tick_size", &pair.tick_size, px_scale)?.max(1);
    let cost_scale = (px_scale + qty_scale).min(COST_SCALE_MAX);
    let cost_step = 10u128.pow(u32::from(px_scale + qty_scale - cost_scale));
    let cost = u128::from(units("costmin", &pair.costmin, cost_scale)?).checked_mul(cost_step);
    Ok(Some(Instrument {
        name: name(exchange, &[&base, &quote]),
        base,
        quote,
        settle: quote,
        tick: Px(tick as i64), // At most `i64::MAX`.
        qty_min: Qty(units("ordermin", &pair.ordermin, qty_scale)?.max(1)),
        notional_min: cost.ok_or("its costmin does not fit")?,
        trading: pair.status.as_deref() == Some("online"),
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    }))
}

/// Decimals that a smallest cost is read with: `cost_decimals` is ten at most.
const COST_SCALE_MAX: u8 = 10;

/// As the stream names an asset; REST and the first version have names of their own for two of
/// them.
pub(crate) fn asset_name(old: &str) -> &str {
    match old {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

/// A pair as the stream names it today, `BTC/USD` for `XBT/USD`; nothing if it is none.
pub(crate) fn pair_name(old: &str) -> Option<Symbol> {
    let (base, quote) = old.split_once('/')?;
    let mut name = Symbol::new_const();
    for part in [asset_name(base), "/", asset_name(quote)] {
        name.try_push_str(part).ok()?;
    }
    Some(name)
}

#[derive(Deserialize)]
struct Ticker {
    /// Of today and of the last 24 hours: volume in the base asset, and its average price.
    v: [String; 2],
    p: [String; 2],
}

/// Decodes `Ticker`: the volume of each pair in US dollars, as far as the exchange itself quotes
/// its quote asset in them.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    let tickers = result::<Value>("Ticker", body)?;
    let mut pairs = BTreeMap::new();
    for (pair, ticker) in &tickers {
        let number = |[_, day]: &[String; 2]| day.parse::<f64>().ok();
        if let Some((base, quote)) = pair.split_once('/')
            && let Ok(ticker) = Ticker::deserialize(ticker)
            && let (Some(volume), Some(price)) = (number(&ticker.v), number(&ticker.p))
        {
            pairs.insert((asset_name(base), asset_name(quote)), (volume, price));
        }
    }
    let dollars = |quote: &str| {
        let direct = pairs.get(&(quote, "USD")).map(|(_, price)| *price);
        let inverse = pairs.get(&("USD", quote)).map(|(_, price)| 1.0 / price);
        let rate = direct.or(inverse);
        rate.filter(|rate| rate.is_finite()).unwrap_or(1.0)
    };
    let volume = |(&(base, quote), &(volume, price)): (&(&str, &str), &(f64, f64))| {
        let symbol = Symbol::from(&format!("{base}/{quote}")).ok()?;
        Some((symbol, volume * price * dollars(quote)))
    };
    Ok(pairs.iter().filter_map(volume).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: &str = r#"{"error":[],"result":{
        "XDGEUR":{"altname":"XDGEUR","wsname":"XDG/EUR","pair_decimals":7,"lot_decimals":8,"cost_decimals":5,
            "tick_size":"0.0000001","ordermin":"25","costmin":"0.45","status":"cancel_only"},
        "XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","pair_decimals":2,"lot_decimals":8,
            "cost_decimals":5,"lot_multiplier":1,"fees":[[0,0.4]],"ordermin":"0.0001","costmin":"0.5","tick_size":"0.05","status":"online"},
        "XYZ":{"altname":"XYZ","pair_decimals":1,"lot_decimals":8,"status":"online"},
        "YYYUSD":{"wsname":"YYY/USD","pair_decimals":1,"lot_decimals":8,"tick_size":"0.01","status":"online"},
        "ZZZUSD":{"wsname":"ZZZ/USD","pair_decimals":1,"lot_decimals":8,"status":"online","execution_venue":"elsewhere"}}}"#;

    #[test]
    fn scales_are_the_pair_s_own_decimals_and_names_are_those_of_the_stream() {
        let listed = metadata(PAIRS.as_bytes(), "kraken").unwrap();
        assert_eq!(listed.left_out.len(), 1, "{:?}", listed.left_out);
        assert_eq!(listed.left_out[0].symbol, "YYY/USD");
        let found = listed.instruments;
        let [doge, btc] = found.as_slice() else {
            panic!("{found:?}");
        };
        let asset = |text| listing::asset(text).unwrap();
        let expected = Instrument {
            name: name("kraken", &["BTC", "USD"]),
            base: asset("BTC"),
            quote: asset("USD"),
            settle: asset("USD"),
            tick: Px(5),
            lot: Qty(1),
            qty_min: Qty(10_000),
            notional_min: 5 * 10u128.pow(9),
            ..Instrument::bare("kraken", Symbol::from("BTC/USD").unwrap(), (2, 8))
        };
        assert_eq!(*btc, expected);
        assert_eq!(doge.symbol.as_str(), "DOGE/EUR");
        assert_eq!(doge.name.as_str(), "kraken:DOGE-EUR");
        assert_eq!((doge.px_scale, doge.qty_scale), (7, 8));
        assert_eq!(doge.notional_min, 45 * 10u128.pow(13));
        assert!(!doge.trading);
    }

    #[test]
    fn an_error_is_told_in_the_exchange_s_words() {
        let body = br#"{"error":["EGeneral:Temporary lockout"]}"#;
        let why = metadata(body, "kraken").unwrap_err();
        assert!(why.contains("EGeneral:Temporary lockout"), "{why}");
        assert!(metadata(b"<html>", "kraken").is_err());
    }

    #[test]
    fn volumes_are_in_dollars() {
        let body = br#"{"error":[],"result":{
            "BTC/USD":{"v":["1","10.0"],"p":["1","50000.0"],"o":"1"},"ETH/BTC":{"v":["1","100"],"p":["1","0.05"]},
            "USD/JPY":{"v":["1","1000"],"p":["1","100"]},"BTC/JPY":{"v":["1","2"],"p":["1","5000000"]},
            "ADA/USDT":{"v":["1","8"],"p":["1","0.5"]},"odd":{"v":["1","8"],"p":["1","0.5"]}}}"#;
        let mut found = volumes(body).unwrap();
        found.sort_by_key(|(symbol, _)| *symbol);
        let found: Vec<_> = found
            .iter()
            .map(|(symbol, volume)| (symbol.as_str(), *volume as u64))
            .collect();
        let expected = [
            ("ADA/USDT", 4),
            ("BTC/JPY", 100_000),
            ("BTC/USD", 500_000),
            ("ETH/BTC", 250_000),
            ("USD/JPY", 1_000),
        ];
        assert_eq!(found, expected);
    }
}
