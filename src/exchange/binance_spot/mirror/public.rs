//! Market data over the WebSocket API: what REST answers, asked for by name.

use super::{Fault, SpotMirror, TimeUnit};
use crate::exchange::kit::text::percent_encode;
use crate::exchange::mirror::{Call, Market};
use serde_json::{Map, Value};

/// What REST has at which path, under the names that the WebSocket API has for it.
const METHODS: [(&str, &str); 13] = [
    ("depth", "depth"),
    ("trades.recent", "trades"),
    ("trades.historical", "historicalTrades"),
    ("trades.aggregate", "aggTrades"),
    ("klines", "klines"),
    ("uiKlines", "uiKlines"),
    ("avgPrice", "avgPrice"),
    ("exchangeInfo", "exchangeInfo"),
    ("ticker.24hr", "ticker/24hr"),
    ("ticker.tradingDay", "ticker/tradingDay"),
    ("ticker", "ticker"),
    ("ticker.price", "ticker/price"),
    ("ticker.book", "ticker/bookTicker"),
];

/// Answers a method of this name, and says what that weighs; `None` if it is none of them.
pub(crate) fn answer(
    mirror: SpotMirror,
    unit: TimeUnit,
    method: &str,
    params: &Map<String, Value>,
    market: &mut dyn Market,
) -> Option<(Result<Value, Fault>, u32)> {
    let (_, path) = METHODS.iter().find(|(name, _)| *name == method)?;
    let one = |(name, value): (&String, &Value)| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={}", percent_encode(&text))
    };
    let asked = params
        .iter()
        .filter(|(name, _)| *name != "returnRateLimits");
    let query: Vec<String> = asked.map(one).collect();
    let target = format!("/api/v3/{path}?{}", query.join("&"));
    let reply = mirror.answer(unit, Call::get(&target), market);
    let weight = reply.as_ref().map_or(1, |reply| reply.weight);
    let said = reply.map(|reply| serde_json::from_str(&reply.body).unwrap_or_default());
    Some((said, weight))
}
