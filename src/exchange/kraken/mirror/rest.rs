//! The REST answers of the simulated exchange: pairs and volumes.

use crate::base::Decimal;
use crate::exchange::kit::text::{push_fixed, push_plain};
use crate::exchange::mirror::{Call, Listing, Market, Reply};
use serde_json::{Map, Value, json};

/// Answers one request.
pub(crate) fn answer(call: Call<'_>, market: &mut dyn Market) -> Reply {
    let path = call.target.split('?').next().unwrap_or_default();
    let of: fn(&Listing) -> (String, Value) = match path {
        "/0/public/AssetPairs" => pair,
        "/0/public/Ticker" => ticker,
        _ => {
            return Reply {
                status: 404,
                body: r#"{"error":["EGeneral:Unknown method"]}"#.to_owned(),
                weight: 1,
            };
        }
    };
    let result: Map<String, Value> = market.listings().iter().map(of).collect();
    Reply {
        status: 200,
        body: json!({"error": [], "result": result}).to_string(),
        weight: 1,
    }
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
