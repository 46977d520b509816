//! The exchange's half of the protocol, for the simulated exchange. Holds one client's
//! subscriptions; no socket and no book.

use super::{CALL_WEIGHT, channel_of, rest};
use crate::base::instrument::{Asset, Contract, Kind, name};
use crate::base::{Channel, Instrument, InstrumentId, Level, Qty, Side, Span, Symbol, UnixNanos};
use crate::exchange::Rate;
use crate::exchange::kit::text;
use crate::exchange::mirror::{
    Call, Happened, Listing, Market, Method, Mirror, MirrorSession, Offence, Pace, Quota, Refusal,
    Reply,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The simulated service.
pub(crate) struct DeribitMirror;

impl Mirror for DeribitMirror {
    /// Against dollars an inverse perpetual, against anything else one that counts in the base
    /// asset.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let inverse = quote == "USD";
        let symbol = if inverse {
            format!("{base}-PERPETUAL")
        } else {
            format!("{base}_{quote}-PERPETUAL")
        };
        let asset = |code: &str| Asset::from(code).unwrap_or_default();
        let (qty_scale, lot) = match (inverse, base) {
            (true, "BTC") => (0, Qty(10)),
            (true, _) => (0, Qty(1)),
            (false, _) => (qty_decimals, Qty(1)),
        };
        let symbol = Symbol::from(&symbol).unwrap_or_default();
        Instrument {
            name: name("deribit", &[base, quote, "PERP"]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(if inverse { base } else { quote }),
            kind: Kind::Perpetual,
            contract: Contract {
                inverse,
                ..Contract::ONE
            },
            lot,
            qty_min: lot,
            ..Instrument::bare("deribit", symbol, (px_decimals, qty_scale))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (text::path(&format!("wss://x{target}")) == "/ws/api/v2")
            .then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        if !matches!(call.method, Method::Get | Method::Post) {
            return self.refuse(Refusal::NoMethod, call);
        }
        let currency = text::query_value(call.target, "currency").unwrap_or_default();
        let settled = |listing: &&Listing| {
            currency == "any" || listing.instrument.settle.as_str() == currency
        };
        let listings = market.listings().iter().filter(settled);
        let (quota, result): (_, Vec<String>) = match call.path() {
            rest::INSTRUMENTS => (Some(INSTRUMENTS_QUOTA), listings.map(listed).collect()),
            rest::SUMMARIES => (None, listings.map(summary).collect()),
            _ => return self.refuse(Refusal::NoPath, call),
        };
        let body = format!(r#"{{"jsonrpc":"2.0","result":[{}]}}"#, result.join(","));
        let reply = Reply::json(200, body, CALL_WEIGHT);
        match quota {
            Some(quota) => reply.within(quota),
            None => reply,
        }
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        let (status, code, message) = match why {
            Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, 10_028, "too_many_requests"),
            Refusal::NoPath => (404, -32_601, "Method not found"),
            Refusal::NoMethod => (405, -32_600, "Invalid Request"),
        };
        Reply::json(status, error(&Value::Null, code, message), CALL_WEIGHT)
    }
}

/// What `public/get_instruments` takes, beside the pool of credits (its own page).
const INSTRUMENTS_QUOTA: Quota = Quota {
    name: "get_instruments",
    rate: Rate {
        count: 1,
        per: Span::from_secs(1),
    },
    burst: 50,
};

/// A number as the exchange writes it: with a point, as `10.0` or `0.25`.
fn number(units: u64, scale: u8) -> String {
    let mut out = String::new();
    text::push_plain(&mut out, units, scale);
    if !out.contains('.') {
        out.push_str(".0");
    }
    out
}

fn listed(listing: &Listing) -> String {
    let found = &listing.instrument;
    let tick = number(found.tick.0 as u64, found.px_scale);
    let lot = number(found.lot.0, found.qty_scale);
    let least = number(found.qty_min.0, found.qty_scale);
    let sort = if found.contract.inverse {
        "reversed"
    } else {
        "linear"
    };
    format!(
        r#"{{"instrument_name":"{}","kind":"future","settlement_period":"perpetual","instrument_type":"{sort}","base_currency":"{}","quote_currency":"{}","counter_currency":"{}","settlement_currency":"{}","tick_size":{tick},"tick_size_steps":[],"contract_size":{lot},"min_trade_amount":{least},"expiration_timestamp":32503708800000,"is_active":{}}}"#,
        found.symbol, found.base, found.quote, found.quote, found.settle, found.trading
    )
}

fn summary(listing: &Listing) -> String {
    let (symbol, volume) = (listing.instrument.symbol, listing.volume);
    format!(r#"{{"instrument_name":"{symbol}","volume_usd":{volume}.0}}"#)
}

/// Channels that one call may name.
const CHANNELS_MAX: usize = 500;
/// Half an interval: the client is asked, and has as long to answer.
const NS_PER_HALF_S: i64 = 500_000_000;

/// One client.
#[derive(Default)]
struct Session {
    /// Listings that are followed, by the sort of channel and its interval.
    followed: BTreeMap<(Channel, String), BTreeSet<usize>>,
    /// The id that each book of each interval was last shown at.
    shown: BTreeMap<(usize, String), u64>,
    /// The half of the heartbeat's interval; none is sent before it is asked for.
    half: Option<i64>,
    /// When the next heartbeat, or the answer to the last one, is due.
    due: UnixNanos,
    /// A test request waits for its answer.
    asked: bool,
}

/// How often a book's stream of this interval speaks.
fn pace(interval: &str) -> Option<Pace> {
    match interval {
        "100ms" => Some(Pace::Fast),
        "agg2" => Some(Pace::Slow),
        _ => None,
    }
}

impl Session {
    /// Intervals at which this channel of this instrument is followed.
    fn intervals(&self, channel: Channel, id: InstrumentId) -> Vec<String> {
        let all = self.followed.iter();
        all.filter(|((sort, _), listings)| *sort == channel && listings.contains(&id.index()))
            .map(|((_, interval), _)| interval.clone())
            .collect()
    }

    /// Follows or leaves the channels of one call, and answers it.
    fn change(
        &mut self,
        on: bool,
        id: &Value,
        request: &Value,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let names = request["params"]["channels"].as_array();
        let names = names.map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        if names.is_empty() || names.len() > CHANNELS_MAX {
            out.push(error(id, -32_602, "Invalid params"));
            return;
        }
        if names.iter().any(|name| name.ends_with(".raw")) {
            let why = "raw_subscriptions_not_available_for_unauthorized";
            out.push(error(id, 13_778, why));
            return;
        }
        // What is not known is missing from the answer.
        let mut accepted = Vec::new();
        for name in names {
            let Some((channel, symbol, interval)) = channel_of(name) else {
                continue;
            };
            let known = channel == Channel::Quotes || pace(interval).is_some();
            let Some(listing) = market.find(symbol).filter(|_| known) else {
                continue;
            };
            let key = (channel, interval.to_owned());
            let listings = self.followed.entry(key).or_default();
            if on {
                listings.insert(listing);
            } else {
                listings.remove(&listing);
            }
            accepted.push((name, channel, interval, listing));
        }
        let result: Vec<&str> = accepted.iter().map(|(name, ..)| *name).collect();
        out.push(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
        for (name, channel, interval, listing) in accepted {
            if let (true, Channel::Depth, Some(pace)) = (on, channel, pace(interval)) {
                out.push(self.book(name, interval, pace, listing, market));
            }
        }
    }

    /// The whole book, as the first message of its channel.
    fn book(
        &mut self,
        name: &str,
        interval: &str,
        pace: Pace,
        listing: usize,
        market: &mut dyn Market,
    ) -> String {
        market.flush(listing, pace);
        let (id, _) = market.stands_at(listing, pace);
        self.shown.insert((listing, interval.to_owned()), id);
        let found = market.listings()[listing].instrument;
        let side = |side| {
            let levels: Vec<Level> = market.levels(listing, side).collect();
            tuples(&levels, "new", &found)
        };
        let (bids, asks) = (side(Side::Buy), side(Side::Sell));
        let (symbol, time) = (found.symbol, market.now().as_millis());
        notification(
            name,
            &format!(
                r#"{{"type":"snapshot","timestamp":{time},"instrument_name":"{symbol}","change_id":{id},"bids":{bids},"asks":{asks}}}"#
            ),
        )
    }
}

impl MirrorSession for Session {
    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            out.push(error(&Value::Null, -32_700, "Parse error"));
            return Ok(());
        };
        let id = &request["id"];
        match request["method"].as_str() {
            Some("public/subscribe") => self.change(true, id, &request, market, out),
            Some("public/unsubscribe") => self.change(false, id, &request, market, out),
            Some("public/set_heartbeat") => match request["params"]["interval"].as_i64() {
                Some(seconds @ 10..=3_600) => {
                    let half = seconds * NS_PER_HALF_S;
                    (self.half, self.asked) = (Some(half), false);
                    self.due = UnixNanos(market.now().0 + half);
                    out.push(json!({"jsonrpc": "2.0", "id": id, "result": "ok"}).to_string());
                }
                _ => out.push(error(id, -32_602, "Invalid params")),
            },
            Some("public/test") => {
                self.asked = false;
                let result = json!({"version": "1.2.26"});
                out.push(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
            }
            _ => out.push(error(id, -32_601, "Method not found")),
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let id = match event {
            Happened::Depth { diff, .. } => diff.instrument,
            Happened::Trade(trade) => trade.instrument,
            Happened::Quote(quote) => quote.instrument,
        };
        let Some(found) = market.listings().get(id.index()).map(|l| l.instrument) else {
            return;
        };
        let symbol = found.symbol;
        match event {
            Happened::Depth {
                pace: spoke,
                diff,
                bids,
                asks,
                ..
            } => {
                for interval in self.intervals(Channel::Depth, id) {
                    let key = (id.index(), interval);
                    let shown = self.shown.get(&key).copied().unwrap_or_default();
                    if pace(&key.1) != Some(*spoke) || diff.last_id <= shown {
                        continue; // Another stream's, or the snapshot had it.
                    }
                    let (time, last) = (diff.exch_time.as_millis(), diff.last_id);
                    let prev = diff.prev_id.unwrap_or(shown);
                    let side = |levels: &[Level]| tuples(levels, "change", &found);
                    let (bids, asks) = (side(bids), side(asks));
                    let data = format!(
                        r#"{{"type":"change","timestamp":{time},"prev_change_id":{prev},"instrument_name":"{symbol}","change_id":{last},"bids":{bids},"asks":{asks}}}"#
                    );
                    out.push(notification(&format!("book.{symbol}.{}", key.1), &data));
                    self.shown.insert(key, last);
                }
            }
            Happened::Trade(trade) => {
                let px = number(trade.px.0 as u64, found.px_scale);
                let qty = number(trade.qty.0, found.qty_scale);
                let (time, seq, side) = (trade.exch_time.as_millis(), trade.id, trade.taker.name());
                let data = format!(
                    r#"[{{"timestamp":{time},"price":{px},"amount":{qty},"direction":"{side}","instrument_name":"{symbol}","trade_id":"{seq}","trade_seq":{seq},"tick_direction":0}}]"#
                );
                for interval in self.intervals(Channel::Trades, id) {
                    out.push(notification(&format!("trades.{symbol}.{interval}"), &data));
                }
            }
            Happened::Quote(quote) => {
                if self.intervals(Channel::Quotes, id).is_empty() {
                    return;
                }
                let px = |level: Level| number(level.px.0 as u64, found.px_scale);
                let qty = |level: Level| number(level.qty.0, found.qty_scale);
                let (bid, ask) = (quote.bid, quote.ask);
                let data = format!(
                    r#"{{"timestamp":{},"instrument_name":"{symbol}","best_bid_price":{},"best_bid_amount":{},"best_ask_price":{},"best_ask_amount":{}}}"#,
                    market.now().as_millis(),
                    px(bid),
                    qty(bid),
                    px(ask),
                    qty(ask)
                );
                out.push(notification(&format!("quote.{symbol}"), &data));
            }
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        self.half.map(|_| self.due)
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        let Some(half) = self.half.filter(|_| now >= self.due) else {
            return Ok(());
        };
        if self.asked {
            return Err(Offence {
                code: 1000,
                reason: "test_request was not answered".to_owned(),
            });
        }
        (self.asked, self.due) = (true, UnixNanos(now.0 + half));
        for kind in ["heartbeat", "test_request"] {
            let params = json!({"type": kind});
            let beat = json!({"jsonrpc": "2.0", "method": "heartbeat", "params": params});
            out.push(beat.to_string());
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.followed.values().map(BTreeSet::len).sum()
    }
}

fn notification(channel: &str, data: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{channel}","data":{data}}}}}"#
    )
}

/// `[["new",104250.5,12500.0],…]`; a level without quantity is deleted.
fn tuples(levels: &[Level], action: &str, found: &Instrument) -> String {
    let mut out = String::from("[");
    for (n, level) in levels.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let action = if level.qty == Qty(0) {
            "delete"
        } else {
            action
        };
        let px = number(level.px.0 as u64, found.px_scale);
        let qty = number(level.qty.0, found.qty_scale);
        let _ = write!(out, r#"{comma}["{action}",{px},{qty}]"#); // Into a String: it cannot fail.
    }
    out.push(']');
    out
}

fn error(id: &Value, code: i64, message: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}).to_string()
}

#[cfg(test)]
mod tests;
