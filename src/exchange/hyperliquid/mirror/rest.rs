//! The REST half: what is listed, books, prints, prices. Holds nothing. `/info` answers over a
//! connection, too.

use super::data::{self, Grain};
use crate::base::Kind;
use crate::exchange::hyperliquid::WINDOW;
use crate::exchange::mirror::{Call, Listing, Market, Method, Refusal, Reply};
use serde_json::{Value, json};

/// What most questions cost, and what the light ones do.
const WEIGHT: u32 = 20;
const LIGHT: u32 = 2;

/// What is said of a question that is none.
pub(crate) const NOT_UNDERSTOOD: &str = "Failed to deserialize the JSON body into the target type";

/// Answers a request.
pub(crate) fn reply(call: Call<'_>, market: &dyn Market) -> Reply {
    match (call.path(), call.method) {
        ("/info", Method::Post) => {}
        ("/info", _) => return refuse(Refusal::NoMethod),
        _ => return refuse(Refusal::NoPath),
    }
    let asked = serde_json::from_str::<Value>(call.body).unwrap_or_default();
    let weight = match asked["type"].as_str() {
        Some(
            "l2Book"
            | "allMids"
            | "clearinghouseState"
            | "spotClearinghouseState"
            | "exchangeStatus",
        ) => LIGHT,
        _ => WEIGHT,
    };
    match info(&asked, market) {
        Some(body) => Reply::json(200, body.to_string(), weight),
        None => Reply::text(422, NOT_UNDERSTOOD, weight),
    }
}

/// Refuses a request without looking at it.
pub(crate) fn refuse(why: Refusal) -> Reply {
    match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => Reply::json(429, "null", 0),
        Refusal::NoPath => Reply::text(404, "", WEIGHT),
        Refusal::NoMethod => Reply::text(405, "", WEIGHT),
    }
}

/// The answer to a question; nothing if it is not understood. A book of what is not listed is null.
pub(crate) fn info(asked: &Value, market: &dyn Market) -> Option<Value> {
    // Nobody has listed markets of their own here.
    let own = asked["dex"].as_str().unwrap_or_default().is_empty();
    let listings = market.listings().iter().enumerate();
    let (perps, pairs): (Vec<Listed<'_>>, Vec<Listed<'_>>) = listings
        .filter(|_| own)
        .partition(|(_, listing)| listing.instrument.kind != Kind::Spot);
    let contexts = |listed: &[Listed<'_>]| -> Value {
        let contexts = listed.iter().map(|(n, _)| data::context(market, *n));
        contexts.collect()
    };
    let coin = || market.find(asked["coin"].as_str().unwrap_or_default());
    Some(match asked["type"].as_str()? {
        "meta" => meta(&perps),
        "spotMeta" => spot_meta(&pairs),
        "metaAndAssetCtxs" => json!([meta(&perps), contexts(&perps)]),
        "spotMetaAndAssetCtxs" => json!([spot_meta(&pairs), contexts(&pairs)]),
        "perpDexs" => json!([null]),
        "allMids" if own => data::mids(market),
        "allMids" => json!({}),
        "l2Book" => {
            let (coin, grain) = (coin(), Grain::asked(asked)?);
            let window = usize::from(WINDOW);
            coin.map_or(Value::Null, |n| data::book(market, n, window, grain))
        }
        "recentTrades" => coin().map_or(Value::Null, |n| {
            let instrument = &market.listings()[n].instrument;
            data::trades(market.prints(n).rev().take(10), instrument)
        }),
        "exchangeStatus" => {
            json!({"specialStatuses": null, "time": market.now().as_millis()})
        }
        // Nobody has traded.
        "userFills" | "userFillsByTime" | "openOrders" | "frontendOpenOrders" => json!([]),
        "spotClearinghouseState" => json!({"balances": []}),
        "clearinghouseState" => {
            let nothing = "0.0";
            let margin = json!({
                "accountValue": nothing, "totalNtlPos": nothing, "totalRawUsd": nothing,
                "totalMarginUsed": nothing,
            });
            json!({
                "marginSummary": margin, "crossMarginSummary": margin, "withdrawable": nothing,
                "crossMaintenanceMarginUsed": nothing, "assetPositions": [],
                "time": market.now().as_millis(),
            })
        }
        _ => return None,
    })
}

/// A listing and its place.
type Listed<'a> = (usize, &'a Listing);

fn meta(listings: &[Listed<'_>]) -> Value {
    let one = |(_, listing): &Listed<'_>| {
        json!({
            "name": listing.instrument.symbol.as_str(),
            "szDecimals": listing.instrument.qty_scale,
            "maxLeverage": 40,
            "marginTableId": 40,
            "isDelisted": !listing.instrument.trading,
        })
    };
    let universe: Vec<Value> = listings.iter().map(one).collect();
    json!({"universe": universe, "marginTables": [], "collateralToken": 0})
}

/// The first token is what perpetuals settle in. Each pair has tokens of its own: one token's size
/// has the same decimals in all its pairs, and listings need not.
fn spot_meta(listings: &[Listed<'_>]) -> Value {
    let token = |name: &str, decimals: u8, index: usize| {
        json!({
            "name": name, "szDecimals": decimals, "weiDecimals": decimals, "index": index,
            "tokenId": format!("0x{index:032x}"), "isCanonical": true,
            "evmContract": null, "fullName": null,
        })
    };
    let (mut universe, mut tokens) = (Vec::new(), vec![token("USDC", 8, 0)]);
    for (n, (_, listing)) in listings.iter().enumerate() {
        let instrument = &listing.instrument;
        let pair = [2 * n + 1, 2 * n + 2];
        let names = [instrument.base, instrument.quote];
        universe.push(json!({
            "name": instrument.symbol.as_str(), "tokens": pair, "index": n, "isCanonical": true,
        }));
        for (index, name) in pair.into_iter().zip(names) {
            tokens.push(token(name.as_str(), instrument.qty_scale, index));
        }
    }
    json!({"universe": universe, "tokens": tokens})
}
