//! Answers of the REST interface: instruments and their volumes. Cold: clarity before speed, and no
//! request is made here.

use crate::base::instrument::name;
use crate::base::{Contract, Instrument, Kind, Px, Qty, Symbol};
use crate::exchange::kit::cursor;
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::kit::tape::Scratch;
use serde::Deserialize;
use serde_json::Value;

/// What the letters in front of a symbol say of it.
pub(crate) struct Family {
    pub(crate) inverse: bool,
    /// What stands between pair and `PERP` or date in names, if another family has that already.
    pub(crate) word: Option<&'static str>,
}

/// The family that a symbol of these first letters is of.
pub(crate) fn family(prefix: &str) -> Option<Family> {
    let (inverse, word) = match prefix {
        "PF" | "PV" | "FV" => (false, None),
        "FF" => (false, Some("LINEAR")),
        "PI" => (true, Some("INVERSE")),
        "FI" => (true, None),
        _ => return None, // Indices and reference rates.
    };
    Some(Family { inverse, word })
}

/// As other exchanges name an asset; this one has names of its own for two of them.
pub(crate) fn asset_name(old: &str) -> &str {
    match old {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

/// Decodes `instruments`. Numbers are read as text: a tick may be 1e-10.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let read = Scratch::warmed(b"[]").read_exact(body, |root| {
        let list = root.find(b"instruments").some();
        let list = list.ok_or(crate::exchange::DecodeError::Shape)?;
        let mut listings = Listings::default();
        for item in list.items() {
            let symbol = item.find(b"symbol").string().unwrap_or_default();
            listings.add(symbol, instrument(item, symbol, exchange));
        }
        Ok(listings)
    });
    read.map_err(|why| format!("instruments is not of the documented shape: {}", why.name()))
}

/// Nothing for indices and reference rates.
fn instrument(
    item: cursor::Value<'_>,
    symbol: &str,
    exchange: &'static str,
) -> Result<Option<Instrument>, String> {
    let text = |key: &str| item.find(key.as_bytes()).string();
    let mut parts = symbol.split('_');
    let Some(family) = parts.next().and_then(family) else {
        return Ok(None);
    };
    let date = parts.nth(1);
    let pair = match (text("base"), text("quote")) {
        (Some(base), Some(quote)) => Some((base, quote)),
        _ => text("pair").and_then(|pair| pair.split_once(':')),
    };
    let (base, quote) = pair.ok_or("it names no two assets")?;
    let asset = |text: &str| listing::asset(&asset_name(text).to_uppercase());
    let (base, quote) = (asset(base)?, asset(quote)?);
    let (px_scale, tick) = listing::step("tickSize", text("tickSize").unwrap_or_default())?;
    let (size_scale, size) = listing::step("contractSize", text("contractSize").unwrap_or("1"))?;
    let precision = text("contractValueTradePrecision").unwrap_or("0");
    let bad = || format!("its contractValueTradePrecision of {precision} does not fit");
    let precision: i8 = precision.parse().map_err(|_| bad())?;
    let qty_scale = listing::scale(precision.max(0).unsigned_abs())?;
    let lot = 10u64.checked_pow(u32::from(precision.min(0).unsigned_abs()));
    let lot = lot.ok_or_else(bad)?;
    let end = date.unwrap_or("PERP");
    let named = match family.word {
        None => name(exchange, &[&base, &quote, end]),
        Some(word) => name(exchange, &[&base, &quote, word, end]),
    };
    let symbol = listing::symbol(symbol)?;
    Ok(Some(Instrument {
        name: named,
        base,
        quote,
        settle: if family.inverse { base } else { quote },
        kind: match date {
            None => Kind::Perpetual,
            Some(_) => Kind::Future,
        },
        contract: Contract {
            size,
            scale: size_scale,
            inverse: family.inverse,
        },
        tick: Px(tick as i64), // At most `i64::MAX`.
        lot: Qty(lot),
        qty_min: Qty(lot),
        trading: item.find(b"tradeable").boolean() == Ok(true),
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    }))
}

/// Decodes `tickers`: the volume in dollars. Inverse contracts are of one dollar, so that their
/// number is it.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize)]
    struct Answer {
        tickers: Vec<Value>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ticker {
        symbol: String,
        vol24h: Option<f64>,
        volume_quote: Option<f64>,
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| format!("tickers is not of the documented shape: {error}"))?;
    let read = |ticker: Ticker| {
        let family = family(ticker.symbol.split('_').next()?)?;
        let volume = match family.inverse {
            true => ticker.vol24h?,
            false => ticker.volume_quote?,
        };
        Some((Symbol::from(&ticker.symbol).ok()?, volume))
    };
    Ok(listing::shaped(&answer.tickers).filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTRUMENTS: &str = r#"{"result":"success","instruments":[
        {"symbol":"PF_XBTUSD","type":"flexible_futures","tickSize":0.5,"contractSize":1,"tradeable":true,"maxPositionSize":2000.0,
            "marginLevels":[{"numNonContractUnits":0.0,"initialMargin":0.02}],"contractValueTradePrecision":4,"base":"BTC","quote":"USD","pair":"BTC:USD"},
        {"symbol":"PI_XBTUSD","type":"futures_inverse","underlying":"rr_xbtusd","tickSize":0.5,"contractSize":1,"tradeable":true,
            "contractValueTradePrecision":0,"pair":"XBT:USD"},
        {"symbol":"FI_XBTUSD_210430","type":"futures_inverse","tickSize":0.5,"contractSize":1,"tradeable":false,"pair":"XBT:USD"},
        {"symbol":"FF_XBTUSD_210430","type":"flexible_futures","tickSize":1,"contractSize":0.25,"tradeable":true,"contractValueTradePrecision":2,"pair":"XBT:USD"},
        {"symbol":"PF_PEPEUSD","type":"flexible_futures","tickSize":1e-10,"contractSize":1,"tradeable":true,"contractValueTradePrecision":-3,"base":"PEPE","quote":"USD"},
        {"symbol":"in_xbtusd","type":"spot index","tradeable":false}],"serverTime":"2026-01-01T00:00:00.000Z"}"#;

    #[test]
    fn perpetuals_of_one_pair_have_names_of_their_own() {
        let found = metadata(INSTRUMENTS.as_bytes(), "kraken-futures")
            .unwrap()
            .instruments;
        let names: Vec<_> = found.iter().map(|i| i.name.as_str()).collect();
        let expected = [
            "kraken-futures:BTC-USD-PERP",
            "kraken-futures:BTC-USD-INVERSE-PERP",
            "kraken-futures:BTC-USD-210430",
            "kraken-futures:BTC-USD-LINEAR-210430",
            "kraken-futures:PEPE-USD-PERP",
        ];
        assert_eq!(names, expected);
        let settles: Vec<_> = found.iter().map(|i| i.settle.as_str()).collect();
        assert_eq!(settles, ["USD", "BTC", "BTC", "USD", "USD"]);
        let trading: Vec<_> = found.iter().map(|i| i.trading).collect();
        assert_eq!(trading, [true, true, false, true, true]);
        assert_eq!(found[1].kind, Kind::Perpetual);
        assert_eq!(found[2].kind, Kind::Future);
    }

    #[test]
    fn scales_are_those_of_tick_and_lot_also_where_they_are_very_small_or_large() {
        let found = metadata(INSTRUMENTS.as_bytes(), "kraken-futures")
            .unwrap()
            .instruments;
        let of = |i: &Instrument| (i.px_scale, i.tick.0, i.qty_scale, i.lot.0);
        let scales: Vec<_> = found.iter().map(of).collect();
        let expected = [
            (1, 5, 4, 1),
            (1, 5, 0, 1),
            (1, 5, 0, 1),
            (0, 1, 2, 1),
            (10, 1, 0, 1_000),
        ];
        assert_eq!(scales, expected);
        assert_eq!(found[0].contract, Contract::ONE);
        assert!(found[1].contract.inverse);
        let quarter = Contract {
            size: 25,
            scale: 2,
            inverse: false,
        };
        assert_eq!(found[3].contract, quarter);
        assert!(metadata(b"{}", "kraken-futures").is_err());
        assert!(metadata(b"<html>", "kraken-futures").is_err());
    }

    #[test]
    fn volumes_are_in_dollars() {
        let body = br#"{"result":"success","tickers":[{"symbol":"PI_XBTUSD","vol24h":500.0,"volumeQuote":7.5},
            {"symbol":"PF_XBTUSD","vol24h":2.5,"volumeQuote":100000.0},{"symbol":"in_xbtusd","last":1}]}"#;
        let found = volumes(body).unwrap();
        let found: Vec<_> = found.iter().map(|(s, v)| (s.as_str(), *v)).collect();
        assert_eq!(found, [("PI_XBTUSD", 500.0), ("PF_XBTUSD", 100_000.0)]);
        assert!(volumes(b"{}").is_err());
    }
}
