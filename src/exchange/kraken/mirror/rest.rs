//! The REST answers of the simulated exchange: pairs and volumes.

use crate::base::Decimal;
use crate::exchange::kit::text::{push_fixed, push_plain};
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::{Map, Value, json};

/// Answers one request.
pub(crate) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let of: fn(&Listing) -> (String, Value) = match call.path() {
        "/0/public/AssetPairs" => pair,
        "/0/public/Ticker" => ticker,
        _ => return refuse(Refusal::NoPath),
    };
    let result: Map<String, Value> = market.listings().iter().map(of).collect();
    let body = json!({"error": [], "result": result});
    Reply::json(200, body.to_string(), 1)
}

/// Refuses a request.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, error) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "EAPI:Rate limit exceeded"),
        Refusal::NoPath => (404, "EGeneral:Unknown method"),
        Refusal::NoMethod => (405, "EGeneral:Unknown method"),
    };
    Reply::json(status, json!({"error": [error]}).to_string(), 1)
}

/// As REST names an asset that the stream names otherwise.
fn old_name(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

fn pair(listing: &Listing) -> (String, Value) {
    let instrument = &listing.instrument;
    let symbol = instrument.symbol.as_str();
    let (base, quote) = symbol.split_once('/').unwrap_or((symbol, ""));
    let (base, quote) = (old_name(base), old_name(quote));
    let (mut tick, mut least) = (String::new(), String::new());
    push_fixed(
        &mut tick,
        instrument.tick.0.unsigned_abs(),
        instrument.px_scale,
    );
    push_plain(&mut least, instrument.qty_min.0, instrument.qty_scale);
    let cost = Decimal {
        units: instrument.notional_min,
        scale: instrument.px_scale + instrument.qty_scale,
    };
    let value = json!({
        "altname": format!("{base}{quote}"),
        "wsname": format!("{base}/{quote}"),
        "aclass_base": "currency",
        "base": base,
        "quote": quote,
        "pair_decimals": instrument.px_scale,
        "lot_decimals": instrument.qty_scale,
        "cost_decimals": 5,
        "tick_size": tick,
        "ordermin": least,
        "costmin": cost.to_string(),
        "status": if instrument.trading { "online" } else { "cancel_only" },
    });
    (format!("{base}{quote}"), value)
}

/// The average price is one, so that the volume is that in the quote asset.
fn ticker(listing: &Listing) -> (String, Value) {
    let volume = listing.volume.to_string();
    let value = json!({"v": [volume, volume], "p": ["1", "1"]});
    (listing.instrument.symbol.to_string(), value)
}
