//! Bitstamp's half of the protocol, for the simulated exchange.
//!
//! Ids are the matching engine's clock. A snapshot is stamped a microsecond early: the changes of
//! its own microsecond come after it once more, which does no harm, and none is missing.

use super::request::{DIFFS, TRADES};
use super::{CHANNELS_MAX, SCALE};
use crate::base::instrument::name;
use crate::base::{
    Asset, Channel, Diff, Instrument, Level, Px, Qty, Side, Symbol, Trade, UnixNanos,
};
use crate::exchange::kit::listing;
use crate::exchange::kit::text::{push_fixed, push_plain};
use crate::exchange::mirror::{
    Call, Happened, Listing, Market, Method, Mirror, MirrorSession, Offence, Pace, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The server half.
pub(crate) struct BitstampMirror;

/// The smallest order, in whole units of the counter currency.
const NOTIONAL_MIN: u128 = 10;

impl Mirror for BitstampMirror {
    /// Books stand at a time.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let symbol = Symbol::from(&format!("{base}{quote}").to_lowercase()).unwrap_or_default();
        let asset = |text| Asset::from(text).unwrap_or_default();
        let px_scale = SCALE.max(px_decimals);
        let qty_scale = listing::qty_scale(qty_decimals, SCALE);
        let lot = Qty(10u64.pow(u32::from(qty_scale - qty_decimals)));
        Instrument {
            name: name("bitstamp", &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            tick: Px(10i64.pow(u32::from(px_scale - px_decimals))),
            lot,
            qty_min: lot,
            notional_min: NOTIONAL_MIN * 10u128.pow(u32::from(px_scale + qty_scale)),
            ..Instrument::bare("bitstamp", symbol, (px_scale, qty_scale))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let session = || Box::new(Session::default()) as Box<dyn MirrorSession>;
        (target.split('?').next() == Some("/")).then(session)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        if call.method != Method::Get {
            return self.refuse(Refusal::NoMethod, call);
        }
        let path = call.path();
        let answer = |status, body: String| Reply::json(status, body, 1);
        let all = |show: fn(&Listing) -> Value| -> String {
            let list: Vec<Value> = market.listings().iter().map(show).collect();
            Value::from(list).to_string()
        };
        match path {
            "/api/v2/markets/" => answer(200, all(listed)),
            "/api/v2/ticker/" => answer(200, all(ticker)),
            _ => {
                let symbol = path.strip_prefix("/api/v2/order_book/");
                let symbol = symbol.map(|symbol| symbol.trim_end_matches('/'));
                match symbol.and_then(|symbol| market.find(symbol)) {
                    Some(listing) => answer(200, book(listing, market)),
                    None => self.refuse(Refusal::NoPath, call),
                }
            }
        }
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        let (status, code, reason) = match why {
            Refusal::TooMany { .. } | Refusal::Banned { .. } => {
                (400, "400.002", "Request rate limit exceeded.")
            }
            Refusal::NoPath => (404, "404.001", "Not found."),
            Refusal::NoMethod => (405, "405.001", "Method not allowed."),
        };
        let body = json!({"status": "error", "reason": reason, "code": code});
        Reply::json(status, body.to_string(), 1)
    }
}

/// How many decimals of `scale` a multiple of `step` needs.
fn decimals(step: u64, scale: u8) -> u8 {
    (0..scale)
        .find(|decimals| step >= 10u64.pow(u32::from(scale - decimals)))
        .unwrap_or(scale)
}

fn listed(listing: &Listing) -> Value {
    let instrument = &listing.instrument;
    let one = 10u128.pow(u32::from(instrument.px_scale + instrument.qty_scale));
    let tick = instrument.tick.0.unsigned_abs();
    json!({
        "name": format!("{}/{}", instrument.base, instrument.quote),
        "market_symbol": instrument.symbol.as_str(),
        "base_currency": instrument.base.as_str(),
        "base_decimals": decimals(instrument.lot.0, instrument.qty_scale),
        "counter_currency": instrument.quote.as_str(),
        "counter_decimals": decimals(tick, instrument.px_scale),
        "minimum_order_value": (instrument.notional_min / one).to_string(),
        "trading": if instrument.trading { "Enabled" } else { "Disabled" },
        "market_type": "SPOT",
    })
}

fn ticker(listing: &Listing) -> Value {
    let instrument = &listing.instrument;
    json!({
        "pair": format!("{}/{}", instrument.base, instrument.quote),
        "market_type": "SPOT",
        "volume": listing.volume.to_string(),
        "vwap": "1",
    })
}

fn book(listing: usize, market: &mut dyn Market) -> String {
    market.flush(listing, Pace::Fast);
    let instrument = &market.listings()[listing].instrument;
    let [bids, asks] =
        [Side::Buy, Side::Sell].map(|side| levels(instrument, market.levels(listing, side)));
    let us = market.now().as_micros() - 1;
    let seconds = us / 1_000_000;
    format!(
        r#"{{"timestamp": "{seconds}", "microtimestamp": "{us}", "bids": [{bids}], "asks": [{asks}]}}"#
    )
}

fn levels(instrument: &Instrument, levels: impl Iterator<Item = Level>) -> String {
    let mut text = String::new();
    for level in levels {
        text.push_str(if text.is_empty() { "[\"" } else { ",[\"" });
        push_plain(&mut text, level.px.0.unsigned_abs(), instrument.px_scale);
        text.push_str("\",\"");
        push_fixed(&mut text, level.qty.0, instrument.qty_scale);
        text.push_str("\"]");
    }
    text
}

/// The server half of one connection.
#[derive(Default)]
struct Session {
    streams: BTreeMap<(usize, Channel), String>,
}

impl Session {
    fn follow(&mut self, on: bool, channel: &str, market: &dyn Market) -> Result<String, Offence> {
        let Some(key) = find(channel, market) else {
            return Ok(error("Bad subscription string."));
        };
        let event = if on {
            // Asked for once more it is confirmed once more.
            self.streams.insert(key, channel.to_owned());
            "bts:subscription_succeeded"
        } else {
            self.streams.remove(&key);
            "bts:unsubscription_succeeded"
        };
        if self.streams.len() > CHANNELS_MAX {
            return Err(Offence {
                code: 1000,
                reason: "too many channels".to_owned(),
            });
        }
        Ok(json!({"event": event, "channel": channel, "data": {}}).to_string())
    }

    /// The channel of this instrument, if the client follows it, and what is listed.
    fn followed<'s>(
        &'s self,
        listing: usize,
        channel: Channel,
        market: &'s dyn Market,
    ) -> Option<(&'s str, &'s Instrument)> {
        let name = self.streams.get(&(listing, channel))?;
        Some((name, &market.listings().get(listing)?.instrument))
    }
}

impl MirrorSession for Session {
    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let channel = asked["data"]["channel"].as_str().unwrap_or_default();
        let answer = match asked["event"].as_str() {
            Some("bts:subscribe") => self.follow(true, channel, market)?,
            Some("bts:unsubscribe") => self.follow(false, channel, market)?,
            Some("bts:heartbeat") => {
                let data = json!({"status": "success"});
                json!({"event": "bts:heartbeat", "channel": "", "data": data}).to_string()
            }
            Some(_) => error("Bad event."),
            None => error("Incorrect JSON format."),
        };
        out.push(answer);
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                bids,
                asks,
                ..
            } => {
                let listing = diff.instrument.index();
                if let Some((name, listed)) = self.followed(listing, Channel::Depth, market) {
                    out.push(change(name, listed, diff, [bids, asks]));
                }
            }
            Happened::Trade(trade) => {
                let listing = trade.instrument.index();
                if let Some((name, listed)) = self.followed(listing, Channel::Trades, market) {
                    out.push(print(name, listed, trade));
                }
            }
            Happened::Depth {
                pace: Pace::Slow, ..
            }
            | Happened::Quote(_) => {}
        }
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }
}

/// The listing and the stream that a channel names.
fn find(channel: &str, market: &dyn Market) -> Option<(usize, Channel)> {
    let (kind, symbol) = match channel.strip_prefix(DIFFS) {
        Some(symbol) => (Channel::Depth, symbol),
        None => (Channel::Trades, channel.strip_prefix(TRADES)?),
    };
    Some((market.find(symbol)?, kind))
}

fn error(message: &str) -> String {
    let data = json!({"code": null, "message": message});
    json!({"event": "bts:error", "channel": "", "data": data}).to_string()
}

/// Seconds and microseconds since 1970.
fn stamps(time: UnixNanos) -> (i64, i64) {
    (time.as_micros() / 1_000_000, time.as_micros())
}

fn change(channel: &str, listed: &Instrument, diff: &Diff, sides: [&Vec<Level>; 2]) -> String {
    let [bids, asks] = sides.map(|side| levels(listed, side.iter().copied()));
    let (seconds, us) = stamps(diff.exch_time);
    let channel = Value::from(channel);
    format!(
        r#"{{"data":{{"timestamp":"{seconds}","microtimestamp":"{us}","bids":[{bids}],"asks":[{asks}]}},"channel":{channel},"event":"data"}}"#
    )
}

fn print(channel: &str, listed: &Instrument, trade: &Trade) -> String {
    let (mut px, mut qty) = (String::new(), String::new());
    push_plain(&mut px, trade.px.0.unsigned_abs(), listed.px_scale);
    push_fixed(&mut qty, trade.qty.0, listed.qty_scale);
    let (seconds, us) = stamps(trade.exch_time);
    let (channel, id) = (Value::from(channel), trade.id);
    let side = match trade.taker {
        Side::Buy => 0,
        Side::Sell => 1,
    };
    format!(
        r#"{{"channel":{channel},"data":{{"amount":{qty},"amount_str":"{qty}","buy_order_id":1,"id":{id},"microtimestamp":"{us}","price":{px},"price_str":"{px}","sell_order_id":2,"timestamp":"{seconds}","type":{side}}},"event":"trade"}}"#
    )
}

#[cfg(test)]
mod tests;
