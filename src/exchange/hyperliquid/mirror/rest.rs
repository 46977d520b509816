//! The REST half: what is listed, and what was traded. Holds nothing.

use super::number;
use crate::base::Kind;
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::{Value, json};

/// What most requests cost.
const WEIGHT: u32 = 20;

/// Answers a request.
pub(crate) fn reply(call: Call<'_>, market: &dyn Market) -> Reply {
    match (call.path(), call.method) {
        ("/info", Method::Post) => {}
        ("/info", _) => return refuse(Refusal::NoMethod),
        _ => return refuse(Refusal::NoPath),
    }
    let asked = serde_json::from_str::<Value>(call.body).unwrap_or_default();
    let (perps, pairs): (Vec<&Listing>, Vec<&Listing>) = market
        .listings()
        .iter()
        .partition(|listing| listing.instrument.kind != Kind::Spot);
    let body = match asked["type"].as_str() {
        Some("meta") => meta(&perps),
        Some("spotMeta") => spot_meta(&pairs),
        Some("metaAndAssetCtxs") => json!([meta(&perps), contexts(&perps)]),
        Some("spotMetaAndAssetCtxs") => json!([spot_meta(&pairs), contexts(&pairs)]),
        _ => {
            let why = "Failed to deserialize the JSON body into the target type";
            return Reply::text(422, why, WEIGHT);
        }
    };
    Reply::json(200, body.to_string(), WEIGHT)
}

/// Refuses a request, in words.
pub(crate) fn refuse(why: Refusal) -> Reply {
    match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            Reply::text(429, "Too Many Requests", WEIGHT)
        }
        Refusal::NoPath => Reply::text(404, "", WEIGHT),
        Refusal::NoMethod => Reply::text(405, "", WEIGHT),
    }
}

fn meta(listings: &[&Listing]) -> Value {
    let one = |listing: &&Listing| {
        json!({
            "name": listing.instrument.symbol.as_str(),
            "szDecimals": listing.instrument.qty_scale,
            "maxLeverage": 40,
            "isDelisted": !listing.instrument.trading,
        })
    };
    json!({"universe": listings.iter().map(one).collect::<Vec<_>>()})
}

/// Each pair has tokens of its own: one token's size has the same decimals in all its pairs, and
/// listings need not.
fn spot_meta(listings: &[&Listing]) -> Value {
    let (mut universe, mut tokens) = (Vec::new(), Vec::new());
    for (n, listing) in listings.iter().enumerate() {
        let instrument = &listing.instrument;
        let pair = [2 * n, 2 * n + 1];
        let names = [instrument.base, instrument.quote];
        universe.push(json!({"name": instrument.symbol.as_str(), "tokens": pair, "index": n}));
        for (index, name) in pair.into_iter().zip(names) {
            let decimals = instrument.qty_scale;
            tokens.push(json!({"name": name.as_str(), "szDecimals": decimals, "index": index}));
        }
    }
    json!({"universe": universe, "tokens": tokens})
}

fn contexts(listings: &[&Listing]) -> Value {
    let one = |listing: &&Listing| {
        let mut context = json!({"dayNtlVlm": number(listing.volume, 0)});
        if listing.instrument.kind == Kind::Spot {
            context["coin"] = listing.instrument.symbol.as_str().into();
        }
        context
    };
    listings.iter().map(one).collect()
}
