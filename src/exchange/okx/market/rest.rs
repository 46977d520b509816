//! Answers of the REST interface, and what recordings tell. Cold: clarity before speed, and no
//! request is made here.

use crate::base::instrument::name;
use crate::base::{Contract, Instrument, Kind, Px, Qty, Symbol, decimal};
use crate::exchange::kit::listing::{self, Listings};
use crate::exchange::okx::{DEPTHS, QUOTES, TRADES};
use crate::exchange::{RestRequest, Survey, kit::text};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Types whose instruments are asked for in one request each. Options are listed a family at a
/// time.
const TYPES: [&str; 3] = ["SPOT", "SWAP", "FUTURES"];

/// A request at `path` for each type.
pub(crate) fn requests(path: &str) -> Vec<RestRequest> {
    let request = |kind| RestRequest::get(format!("{path}?instType={kind}"), 1);
    TYPES.into_iter().map(request).collect()
}

/// Requests for the metadata of these symbols, of all but options if there is none. Names tell
/// the type: `BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USD-260327`, `BTC-USD-260327-90000-C`.
pub(crate) fn metadata_requests(symbols: &[&str]) -> Vec<RestRequest> {
    const PATH: &str = "/api/v5/public/instruments";
    if symbols.is_empty() {
        return requests(PATH);
    }
    let query = |symbol: &&str| {
        let parts: Vec<&str> = symbol.split('-').collect();
        match parts[..] {
            [_, _, "SWAP"] => "SWAP".to_owned(),
            [_, _, _] => "FUTURES".to_owned(),
            [base, quote, _, _, _] => {
                let family = text::percent_encode(&format!("{base}-{quote}"));
                format!("OPTION&instFamily={family}")
            }
            _ => "SPOT".to_owned(),
        }
    };
    let queries: BTreeSet<String> = symbols.iter().map(query).collect();
    let request = |query| RestRequest::get(format!("{PATH}?instType={query}"), 1);
    queries.into_iter().map(request).collect()
}

/// What every answer is wrapped in.
#[derive(Deserialize)]
struct Answer<T> {
    code: String,
    #[serde(default)]
    msg: String,
    #[serde(default = "Vec::new")]
    data: Vec<T>,
}

fn answer<'b, T: Deserialize<'b>>(body: &'b [u8], what: &str) -> Result<Vec<T>, String> {
    let answer: Answer<T> = serde_json::from_slice(body)
        .map_err(|error| format!("{what} is not of the documented shape: {error}"))?;
    match answer.code.as_str() {
        "0" => Ok(answer.data),
        code => Err(format!("{what}: {code} {}", answer.msg)),
    }
}

/// What is used of an instrument; an empty text says that there is none.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Listing {
    inst_type: String,
    inst_id: String,
    uly: String,
    base_ccy: String,
    quote_ccy: String,
    settle_ccy: String,
    ct_val: String,
    ct_mult: String,
    ct_val_ccy: String,
    ct_type: String,
    tick_sz: String,
    lot_sz: String,
    min_sz: String,
    max_lmt_sz: String,
    state: String,
}

/// Decodes `public/instruments`.
pub(crate) fn metadata(body: &[u8], exchange: &'static str) -> Result<Listings, String> {
    let list: Vec<Value> = answer(body, "instruments")?;
    let read = |one: &Listing| instrument(one, exchange);
    Ok(listing::each(&list, "instId", read))
}

/// Nothing for a type that is not followed, nor for what has no tick, which is not open yet.
fn instrument(listing: &Listing, exchange: &'static str) -> Result<Option<Instrument>, String> {
    let followed = matches!(
        listing.inst_type.as_str(),
        "SPOT" | "SWAP" | "FUTURES" | "OPTION"
    );
    if !followed || listing.tick_sz.is_empty() {
        return Ok(None);
    }
    let (px_scale, tick) = listing::step("tickSz", &listing.tick_sz)?;
    let (qty_scale, lot) = listing::step("lotSz", &listing.lot_sz)?;
    let symbol = listing::symbol(&listing.inst_id)?;
    let (pair_base, pair_quote) = pair(listing).ok_or("it names no two assets")?;
    let settle = match listing.settle_ccy.as_str() {
        "" => pair_quote,
        settle => settle,
    };
    let (kind, quote) = match listing.inst_type.as_str() {
        "SPOT" => (Kind::Spot, pair_quote),
        "SWAP" => (Kind::Perpetual, pair_quote),
        "FUTURES" => (Kind::Future, pair_quote),
        _ => (Kind::Option, settle), // Priced in what it settles in.
    };
    let contract = match kind {
        Kind::Spot => Contract::ONE,
        Kind::Perpetual | Kind::Future | Kind::Option => {
            contract(listing, pair_base, pair_quote)
                .ok_or("its contract is of another asset than its own, or of no size")?
        }
    };
    let size = |what, text: &str| match text {
        "" => Ok(None),
        text => listing::units(what, text, qty_scale).map(|size| Some(size).filter(|&s| s > 0)),
    };
    let qty_max = size("largest order", &listing.max_lmt_sz)?;
    let qty_min = size("smallest order", &listing.min_sz)?;
    Ok(Some(Instrument {
        name: name(exchange, &[&symbol]),
        base: listing::asset(pair_base)?,
        quote: listing::asset(quote)?,
        settle: listing::asset(settle)?,
        kind,
        contract,
        tick: Px(tick as i64), // At most `i64::MAX`.
        lot: Qty(lot),
        qty_min: Qty(qty_min.unwrap_or(0).max(lot)),
        qty_max: Qty(qty_max.unwrap_or(i64::MAX as u64)),
        trading: listing.state == "live",
        ..Instrument::bare(exchange, symbol, (px_scale, qty_scale))
    }))
}

/// The assets of a spot pair, or of a contract's underlying, `BTC-USD`.
fn pair(listing: &Listing) -> Option<(&str, &str)> {
    if !listing.base_ccy.is_empty() && !listing.quote_ccy.is_empty() {
        return Some((&listing.base_ccy, &listing.quote_ccy));
    }
    let name = match listing.uly.as_str() {
        "" => &listing.inst_id,
        uly => uly,
    };
    let mut parts = name.split('-');
    Some((parts.next()?, parts.next()?))
}

/// `ctVal * ctMult`, of the base asset, or of the quote asset if it is inverse.
fn contract(listing: &Listing, base: &str, quote: &str) -> Option<Contract> {
    let inverse = listing.ct_type == "inverse";
    if listing.ct_val_ccy != if inverse { quote } else { base } {
        return None;
    }
    let (value_scale, value) = number(&listing.ct_val)?;
    let (times_scale, times) = match listing.ct_mult.as_str() {
        "" => (0, 1),
        text => number(text)?,
    };
    let (mut size, mut scale) = (value.checked_mul(times)?, value_scale + times_scale);
    while scale > 0 && size.is_multiple_of(10) {
        (size, scale) = (size / 10, scale - 1);
    }
    (scale <= decimal::SCALE_MAX).then_some(Contract {
        size,
        scale,
        inverse,
    })
}

/// The decimals that a number needs, and the number at them; `None` for anything that is not above
/// zero.
fn number(text: &str) -> Option<(u8, u64)> {
    let units = |scale| Some((scale, decimal::parse(text.as_bytes(), scale).ok()?));
    let (scale, units) = (0..=decimal::SCALE_MAX).find_map(units)?;
    (units > 0).then_some((scale, units))
}

/// Decodes `market/tickers`: volume in the quote asset. Spot says it so; contracts count it in the
/// base asset.
pub(crate) fn volumes(body: &[u8]) -> Result<Vec<(Symbol, f64)>, String> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Ticker {
        inst_type: String,
        inst_id: String,
        last: String,
        vol_ccy24h: String,
    }
    let read = |ticker: Ticker| {
        let symbol = Symbol::from(&ticker.inst_id).ok()?;
        let volume: f64 = ticker.vol_ccy24h.parse().ok()?;
        let last = match ticker.inst_type.as_str() {
            "SPOT" => 1.0,
            _ => ticker.last.parse().ok()?,
        };
        Some((symbol, volume * last))
    };
    let tickers: Vec<Value> = answer(body, "tickers")?;
    Ok(listing::shaped(&tickers).filter_map(read).collect())
}

/// Symbol, depth stream and numbers of a recorded frame.
pub(crate) fn survey(frame: &str, survey: &mut Survey) {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return;
    };
    let (arg, data) = (&frame["arg"], &frame["data"]);
    let (Some(channel), Some(symbol)) = (arg["channel"].as_str(), arg["instId"].as_str()) else {
        return;
    };
    let depth = DEPTHS.iter().find(|stream| stream.name == channel);
    if depth.is_none() && channel != TRADES && channel != QUOTES {
        if !data.is_null() {
            survey.other(channel);
        }
        return;
    }
    survey.symbol(symbol);
    if let Some(depth) = depth {
        match data.is_null() {
            true => survey.subscribed(symbol, depth.name),
            false => survey.book(symbol, Some(depth.name)),
        }
    }
    for item in data.as_array().into_iter().flatten() {
        let mut level = |px: &Value, qty: &Value| {
            if let (Some(px), Some(qty)) = (px.as_str(), qty.as_str()) {
                survey.level(symbol, px, qty);
            }
        };
        level(&item["px"], &item["sz"]);
        for side in ["asks", "bids"] {
            for entry in item[side].as_array().into_iter().flatten() {
                level(&entry[0], &entry[1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::okx::Okx;
    use crate::exchange::{Exchange, Survey};

    const LISTED: &str = r#"{"code":"0","msg":"","data":[
        {"instType":"SPOT","instId":"ETH-USDT","uly":"","baseCcy":"ETH","quoteCcy":"USDT","settleCcy":"","ctVal":"","ctMult":"","ctValCcy":"","ctType":"","tickSz":"0.01","lotSz":"0.000001","minSz":"0.001","maxLmtSz":"5000","state":"live"},
        {"instType":"SWAP","instId":"ETH-USDT-SWAP","uly":"ETH-USDT","baseCcy":"","quoteCcy":"","settleCcy":"USDT","ctVal":"0.1","ctMult":"1","ctValCcy":"ETH","ctType":"linear","tickSz":"0.05","lotSz":"0.1","minSz":"0.1","maxLmtSz":"100000","state":"suspend"},
        {"instType":"FUTURES","instId":"BTC-USD-260327","uly":"BTC-USD","baseCcy":"","quoteCcy":"","settleCcy":"BTC","ctVal":"100","ctMult":"1","ctValCcy":"USD","ctType":"inverse","tickSz":"0.1","lotSz":"1","minSz":"1","maxLmtSz":"","state":"live"},
        {"instType":"OPTION","instId":"BTC-USD-260327-90000-C","uly":"BTC-USD","settleCcy":"BTC","ctVal":"1","ctMult":"0.01","ctValCcy":"BTC","ctType":"","tickSz":"0.0001","lotSz":"1","minSz":"1","maxLmtSz":"10","state":"live"},
        {"instType":"SWAP","instId":"ODD-USDT-SWAP","uly":"ODD-USDT","settleCcy":"USDT","ctVal":"1","ctMult":"1","ctValCcy":"USDT","ctType":"linear","tickSz":"0.1","lotSz":"1","state":"live"},
        {"instType":"SPOT","instId":"NEW-USDT","baseCcy":"NEW","quoteCcy":"USDT","tickSz":"","lotSz":"","state":"preopen"},
        {"instType":"EVENTS","instId":"X-Y","tickSz":"1","lotSz":"1"}]}"#;

    #[test]
    fn each_type_of_instrument_is_read_and_what_cannot_be_represented_is_left_out() {
        let listed = metadata(LISTED.as_bytes(), "okx").unwrap();
        let left: Vec<&str> = listed
            .left_out
            .iter()
            .map(|one| one.symbol.as_str())
            .collect();
        assert_eq!(left, ["ODD-USDT-SWAP"]);
        let found = listed.instruments;
        let facts: Vec<_> = found
            .iter()
            .map(|i| (i.name.as_str(), i.kind, i.quote.as_str(), i.settle.as_str()))
            .collect();
        let expected = [
            ("okx:ETH-USDT", Kind::Spot, "USDT", "USDT"),
            ("okx:ETH-USDT-SWAP", Kind::Perpetual, "USDT", "USDT"),
            ("okx:BTC-USD-260327", Kind::Future, "USD", "BTC"),
            ("okx:BTC-USD-260327-90000-C", Kind::Option, "BTC", "BTC"),
        ];
        assert_eq!(facts, expected);
        let spot = &found[0];
        assert_eq!((spot.px_scale, spot.qty_scale), (2, 6));
        assert_eq!((spot.tick, spot.lot), (Px(1), Qty(1)));
        assert_eq!(
            (spot.qty_min, spot.qty_max),
            (Qty(1_000), Qty(5_000_000_000))
        );
        assert_eq!(spot.contract, Contract::ONE);
        let swap = &found[1];
        assert_eq!((swap.tick, swap.lot, swap.trading), (Px(5), Qty(1), false));
        let contracts = [1, 2, 3].map(|n| {
            let contract = found[n].contract;
            (contract.size, contract.scale, contract.inverse)
        });
        assert_eq!(contracts, [(1, 1, false), (100, 0, true), (1, 2, false)]);
        assert_eq!(found[2].qty_max, Qty(i64::MAX as u64));
    }

    #[test]
    fn a_refusal_of_the_rest_service_is_told() {
        let body = br#"{"code":"50011","msg":"Too Many Requests","data":[]}"#;
        let why = metadata(body, "okx").unwrap_err();
        assert_eq!(why, "instruments: 50011 Too Many Requests");
        assert!(metadata(b"<html>", "okx").is_err());
    }

    #[test]
    fn only_the_types_of_the_symbols_are_asked_for() {
        let paths = |symbols: &[&str]| -> Vec<String> {
            let requests = Okx.metadata_requests(symbols).into_iter();
            requests.map(|request| request.path).collect()
        };
        assert_eq!(paths(&[]).len(), 3);
        let asked = [
            "BTC-USDT",
            "ETH-USDT",
            "BTC-USD-SWAP",
            "BTC-USD-260327",
            "BTC-USD-260327-90000-C",
        ];
        let expected = [
            "/api/v5/public/instruments?instType=FUTURES",
            "/api/v5/public/instruments?instType=OPTION&instFamily=BTC-USD",
            "/api/v5/public/instruments?instType=SPOT",
            "/api/v5/public/instruments?instType=SWAP",
        ];
        assert_eq!(paths(&asked), expected);
    }

    #[test]
    fn volumes_are_in_the_quote_asset() {
        let body = br#"{"code":"0","msg":"","data":[
            {"instType":"SPOT","instId":"ETH-USDT","last":"2000","volCcy24h":"5000"},
            {"instType":"SWAP","instId":"ETH-USDT-SWAP","last":"2000","volCcy24h":"4"},
            {"instType":"SWAP","instId":"NEW-USDT-SWAP","last":"","volCcy24h":"0"}]}"#;
        let found = volumes(body).unwrap();
        let found: Vec<_> = found.iter().map(|(s, v)| (s.as_str(), *v)).collect();
        assert_eq!(found, [("ETH-USDT", 5_000.0), ("ETH-USDT-SWAP", 8_000.0)]);
    }

    #[test]
    fn a_survey_finds_symbols_scales_and_the_depth_stream() {
        let mut found = Survey::default();
        for frame in [
            r#"{"event":"subscribe","arg":{"channel":"tickers","instId":"OTHER-USDT"}}"#,
            r#"{"event":"subscribe","arg":{"channel":"trades","instId":"QUIET-USDT"}}"#,
            r#"{"arg":{"channel":"books50-l2-tbt","instId":"A-B"},"action":"update","data":[{"asks":[["1.25","3","0","1"]],"bids":[["1.2","0.5","0","1"]],"ts":"1"}]}"#,
            r#"{"arg":{"channel":"trades","instId":"A-B"},"data":[{"px":"1.125","sz":"7"}]}"#,
            "pong",
        ] {
            Okx.survey(frame, &mut found);
        }
        let instruments = found.instruments("okx");
        let facts: Vec<_> = instruments
            .iter()
            .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
            .collect();
        assert_eq!(facts, [("QUIET-USDT", 0, 0), ("A-B", 3, 1)]);
        let depth = found.recorded_depth(&Okx).unwrap();
        assert_eq!(depth.name, "books50-l2-tbt");
    }
}
