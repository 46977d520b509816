//! The REST half: instruments and tickers. Holds nothing.

use super::plain;
use crate::base::{Contract, Instrument, Kind, Qty, Side};
use crate::exchange::kit::text;
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::{Value, json};

/// Answers a request.
pub(crate) fn reply(call: Call<'_>, market: &dyn Market) -> Reply {
    if call.method != Method::Get {
        return refuse(Refusal::NoMethod);
    }
    let wanted = text::query_value(call.target, "instType").unwrap_or_default();
    let listed = market.listings().iter().enumerate();
    let of_type = listed.filter(|(_, one)| type_of(one.instrument.kind) == wanted);
    let data: Vec<Value> = match call.path() {
        "/api/v5/public/instruments" | "/api/v5/market/tickers" if type_code(wanted).is_none() => {
            return refusal(400, "51000", "Parameter instType error");
        }
        "/api/v5/public/instruments" => of_type.map(|(_, one)| details(&one.instrument)).collect(),
        "/api/v5/market/tickers" => of_type.map(|(n, one)| ticker(n, one, market)).collect(),
        _ => return refuse(Refusal::NoPath),
    };
    let body = json!({"code": "0", "msg": "", "data": data}).to_string();
    Reply::json(200, body, 1)
}

/// Refuses a request.
pub(crate) fn refuse(why: Refusal) -> Reply {
    match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            refusal(429, "50011", "Too Many Requests")
        }
        Refusal::NoPath => refusal(404, "404", "Not Found"),
        Refusal::NoMethod => refusal(405, "50115", "Invalid request method"),
    }
}

fn refusal(status: u16, code: &str, msg: &str) -> Reply {
    let body = json!({"code": code, "msg": msg, "data": []});
    Reply::json(status, body.to_string(), 1)
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Spot => "SPOT",
        Kind::Perpetual => "SWAP",
        Kind::Future => "FUTURES",
        Kind::Option => "OPTION",
    }
}

/// The kind of this name.
fn type_code(name: &str) -> Option<Kind> {
    let kinds = [Kind::Spot, Kind::Perpetual, Kind::Future, Kind::Option];
    kinds.into_iter().find(|&kind| type_of(kind) == name)
}

fn details(instrument: &Instrument) -> Value {
    let px = |units| plain(units, instrument.px_scale);
    let qty = |Qty(units)| plain(units, instrument.qty_scale);
    let (base, quote) = (instrument.base.as_str(), instrument.quote.as_str());
    let spot = instrument.kind == Kind::Spot;
    let of_spot = |text| if spot { text } else { "" };
    let of_contract = |text: String| if spot { String::new() } else { text };
    let Contract {
        size,
        scale,
        inverse,
    } = instrument.contract;
    json!({
        "instType": type_of(instrument.kind),
        "instId": instrument.symbol.as_str(),
        "uly": of_contract(format!("{base}-{quote}")),
        "baseCcy": of_spot(base),
        "quoteCcy": of_spot(quote),
        "settleCcy": of_contract(instrument.settle.to_string()),
        "ctVal": of_contract(plain(size, scale)),
        "ctMult": of_contract("1".to_owned()),
        "ctValCcy": of_contract(if inverse { quote } else { base }.to_owned()),
        "ctType": of_contract(if inverse { "inverse" } else { "linear" }.to_owned()),
        "tickSz": px(instrument.tick.0.unsigned_abs()),
        "lotSz": qty(instrument.lot),
        "minSz": qty(instrument.qty_min),
        "maxLmtSz": qty(instrument.qty_max),
        "state": if instrument.trading { "live" } else { "suspend" },
    })
}

/// A contract's volume is counted in the base asset. The best bid stands for the last price.
fn ticker(n: usize, listing: &Listing, market: &dyn Market) -> Value {
    let Instrument {
        symbol,
        kind,
        px_scale,
        ..
    } = listing.instrument;
    let best = market.levels(n, Side::Buy).next();
    let last = best.map(|level| plain(level.px.0.unsigned_abs(), px_scale));
    let price = last.as_deref().and_then(|text| text.parse::<f64>().ok());
    let volume = match (kind, price) {
        (Kind::Spot, _) | (_, None) => listing.volume.to_string(),
        (_, Some(price)) => (listing.volume as f64 / price).to_string(),
    };
    json!({
        "instType": type_of(kind),
        "instId": symbol.as_str(),
        "last": last.unwrap_or_default(),
        "volCcy24h": volume,
        "ts": market.now().as_millis().to_string(),
    })
}
