//! The second version of the stream: objects, numbers with all their decimals, one answer per
//! symbol.
//!
//! The wording of refusals is the exchange's own for an unknown pair, and ours for all else.

use super::rest::{ASSET_DECIMALS, cost_min};
use super::session::{Asked, Sides, Spelling, Verb, checksum};
use super::v1::First;
use super::{rfc3339, session};
use crate::base::{Instrument, Level, Px, Qty, Quote, Trade, UnixNanos};
use crate::exchange::kit::{
    self,
    text::{fixed, plain},
};
use crate::exchange::mirror::{Listing, Market};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The second version.
pub(super) struct Second;

impl Spelling for Second {
    fn hello(&self) -> String {
        r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":1}]}"#.to_owned()
    }

    fn heartbeat(&self) -> String {
        r#"{"channel":"heartbeat"}"#.to_owned()
    }

    fn read(&self, text: &str) -> Asked {
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let params = &asked["params"];
        let symbols = params["symbol"].as_array().into_iter().flatten();
        let channel = params["channel"].as_str().unwrap_or_default();
        Asked {
            verb: match asked["method"].as_str() {
                Some("ping") => Verb::Ping,
                Some("subscribe") => Verb::Subscribe,
                Some("unsubscribe") => Verb::Unsubscribe,
                _ => Verb::Unknown,
            },
            id: asked["req_id"].as_u64(),
            pairs: symbols
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            depth: params["depth"]
                .as_u64()
                .unwrap_or(10)
                .try_into()
                .unwrap_or(0),
            // As documented, past prints are sent to who asks for them only.
            snapshot: params["snapshot"].as_bool().unwrap_or(channel != "trade"),
            on_quotes: params["event_trigger"] == "bbo",
            channel: channel.to_owned(),
        }
    }

    fn pong(&self, asked: &Asked, now: UnixNanos) -> String {
        answer(json!({"method": "pong"}), asked, now)
    }

    /// The parameters come back, with one symbol in the place of all.
    fn accept(&self, asked: &Asked, of: Option<usize>, market: &dyn Market) -> String {
        let mut result = json!({"channel": asked.channel, "snapshot": asked.snapshot});
        if let Some(of) = of {
            result["symbol"] = market.listings()[of].instrument.symbol.as_str().into();
        }
        match asked.channel.as_str() {
            "book" => result["depth"] = asked.depth.into(),
            "ticker" => {
                let trigger = if asked.on_quotes { "bbo" } else { "trades" };
                result["event_trigger"] = trigger.into();
            }
            _ => {}
        }
        let said = json!({"method": method(asked), "result": result, "success": true});
        answer(said, asked, market.now())
    }

    fn refuse(&self, asked: &Asked, pair: Option<&str>, why: &str, now: UnixNanos) -> String {
        let mut said = json!({"method": method(asked), "error": why, "success": false});
        if let Some(pair) = pair {
            said["symbol"] = pair.into();
        }
        answer(said, asked, now)
    }

    fn find(&self, pair: &str, market: &dyn Market) -> Option<usize> {
        market.find(pair)
    }

    fn book(&self, new: bool, _: u16, sides: &Sides, of: usize, market: &dyn Market) -> String {
        let found = &market.listings()[of].instrument;
        let side = |levels: &[Level]| {
            let one = |level: &Level| format!("{{{}}}", priced(*level, found));
            levels.iter().map(one).collect::<Vec<_>>().join(",")
        };
        // A price and a quantity without point and leading zeros are their units.
        let sum = checksum(market, of, |level| format!("{}{}", level.px.0, level.qty.0));
        let body = format!(
            r#""bids":[{}],"asks":[{}],"checksum":{sum},"timestamp":"{}""#,
            side(&sides.0),
            side(&sides.1),
            rfc3339(market.now()),
        );
        data("book", new, &[symboled(found, &body)])
    }

    fn prints(&self, new: bool, prints: &[Trade], of: usize, market: &dyn Market) -> String {
        let found = &market.listings()[of].instrument;
        let one = |trade: &Trade| {
            let level = Level {
                px: trade.px,
                qty: trade.qty,
            };
            let body = format!(
                r#""side":"{}",{},"ord_type":"limit","trade_id":{},"timestamp":"{}""#,
                trade.taker.name(),
                priced(level, found),
                trade.id,
                rfc3339(trade.exch_time),
            );
            symboled(found, &body)
        };
        data("trade", new, &prints.iter().map(one).collect::<Vec<_>>())
    }

    fn ticker(&self, new: bool, quote: &Quote, market: &dyn Market) -> Option<String> {
        let n = quote.instrument.index();
        let found = &market.listings().get(n)?.instrument;
        let day = market.day(n);
        let px = |px: Px| fixed(px.0.unsigned_abs(), found.px_scale);
        let qty = |qty: Qty| fixed(qty.0, found.qty_scale);
        let volume = day.base(found);
        let change = Px(day.last.0 - day.open.0);
        let minus = if change < Px(0) { "-" } else { "" };
        let body = format!(
            r#""bid":{},"bid_qty":{},"ask":{},"ask_qty":{},"last":{},"volume":{volume},"vwap":{},"low":{},"high":{},"change":{minus}{},"change_pct":{:.2},"timestamp":"{}""#,
            px(quote.bid.px),
            qty(quote.bid.qty),
            px(quote.ask.px),
            qty(quote.ask.qty),
            px(day.last),
            px(day.mean()),
            px(day.low),
            px(day.high),
            px(change),
            day.percent(),
            rfc3339(market.now()),
        );
        Some(data("ticker", new, &[symboled(found, &body)]))
    }

    /// Our own client reads frames of the first version, too.
    fn recorded<'f>(&self, root: kit::Value<'f>) -> Option<(&'f str, Vec<&'f str>)> {
        if root.is_array() {
            return First.recorded(root);
        }
        let items = root.find(b"data").items();
        let pairs = items.filter_map(|item| item.find(b"symbol").string());
        Some((root.find(b"channel").string()?, pairs.collect()))
    }

    fn instruments(&self, market: &dyn Market) -> Option<String> {
        let listings = market.listings();
        let both = |listing: &Listing| [listing.instrument.base, listing.instrument.quote];
        let assets: BTreeSet<_> = listings.iter().flat_map(both).collect();
        let asset = |asset: &crate::base::Asset| {
            json!({
                "id": asset.as_str(),
                "status": "enabled",
                "class": "currency",
                "precision": ASSET_DECIMALS,
                "precision_display": 5,
                "borrowable": false,
                "collateral_value": 1.0,
                "multiplier": 1,
            })
        };
        let assets: Vec<Value> = assets.iter().map(asset).collect();
        let pairs: Vec<String> = listings.iter().map(pair).collect();
        Some(format!(
            r#"{{"channel":"instrument","type":"snapshot","data":{{"assets":{},"pairs":[{}]}}}}"#,
            Value::from(assets),
            pairs.join(","),
        ))
    }
}

fn method(asked: &Asked) -> &'static str {
    match asked.verb {
        session::Verb::Ping => "ping",
        session::Verb::Subscribe => "subscribe",
        session::Verb::Unsubscribe => "unsubscribe",
        session::Verb::Unknown => "",
    }
}

fn answer(mut said: Value, asked: &Asked, now: UnixNanos) -> String {
    let at = rfc3339(now);
    said["time_in"] = at.as_str().into();
    said["time_out"] = at.into();
    if let Some(id) = asked.id {
        said["req_id"] = id.into();
    }
    said.to_string()
}

fn data(channel: &str, new: bool, items: &[String]) -> String {
    let kind = if new { "snapshot" } else { "update" };
    let items = items.join(",");
    format!(r#"{{"channel":"{channel}","type":"{kind}","data":[{items}]}}"#)
}

fn symboled(found: &Instrument, body: &str) -> String {
    format!(r#"{{"symbol":{},{body}}}"#, json!(found.symbol.as_str()))
}

/// `"price":…,"qty":…` with all their decimals.
fn priced(level: Level, found: &Instrument) -> String {
    let px = fixed(level.px.0.unsigned_abs(), found.px_scale);
    let qty = fixed(level.qty.0, found.qty_scale);
    format!(r#""price":{px},"qty":{qty}"#)
}

fn pair(listing: &Listing) -> String {
    let found = &listing.instrument;
    let tick = plain(found.tick.0.unsigned_abs(), found.px_scale);
    let body = format!(
        r#""base":{},"quote":{},"status":"{}","qty_precision":{},"qty_increment":{},"qty_min":{},"price_precision":{},"price_increment":{tick},"tick_size":{tick},"cost_precision":5,"cost_min":"{}","marginable":false,"has_index":false,"execution_venue":"international""#,
        json!(found.base.as_str()),
        json!(found.quote.as_str()),
        if found.trading {
            "online"
        } else {
            "cancel_only"
        },
        found.qty_scale,
        plain(found.lot.0, found.qty_scale),
        plain(found.qty_min.0, found.qty_scale),
        found.px_scale,
        cost_min(listing),
    );
    symboled(found, &body)
}
