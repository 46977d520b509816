//! Kraken's half of its protocol, for the simulated exchange: acks one a symbol, books in windows
//! without deletes for what leaves them, checksums. Holds no market; it is lent.
//!
//! The wording of refusals is the exchange's own for an unknown pair, and ours for all else.

mod rest;

use super::request;
use crate::base::instrument::name;
use crate::base::{Asset, Channel, Instrument, Level, Px, Qty, Quote, Side, Symbol, Trade};
use crate::base::{UnixNanos, decimal};
use crate::exchange::kit::text::push_fixed;
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Pace, Refusal, Reply, Window,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

/// The server half.
pub(crate) struct KrakenMirror;

impl Mirror for KrakenMirror {
    /// Books have no ids.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        let symbol = Symbol::from(&format!("{base}/{quote}")).unwrap_or_default();
        let half = match px_decimals + qty_decimals {
            0 => 0,
            decimals => 5 * 10u128.pow(u32::from(decimals) - 1), // 0.5, as of most pairs.
        };
        Instrument {
            name: name("kraken", &[base, quote]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            qty_min: Qty(10u64.pow(u32::from(qty_decimals.min(decimal::SCALE_MAX) / 2))),
            notional_min: half,
            ..Instrument::bare("kraken", symbol, (px_decimals, qty_decimals))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (target == "/v2").then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

/// The exchange says `heartbeat` this often, once anything is subscribed to.
const HEARTBEAT_NS: i64 = 1_000_000_000;

/// One connection.
#[derive(Default)]
struct Session {
    /// Depth and what was shown, by listing.
    books: BTreeMap<usize, (u16, Window)>,
    trades: BTreeSet<usize>,
    quotes: BTreeSet<usize>,
    heartbeat_at: Option<UnixNanos>,
}

impl MirrorSession for Session {
    fn handle_open(&mut self, _market: &mut dyn Market, out: &mut Vec<String>) {
        out.push(
            r#"{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online","api_version":"v2","connection_id":1}]}"#.to_owned(),
        );
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let mut answer = Answer {
            method: asked["method"].as_str().unwrap_or_default(),
            req_id: asked["req_id"].as_u64(),
            at: rfc3339(market.now()),
            out,
        };
        let params = &asked["params"];
        match (answer.method, params["symbol"].as_array()) {
            ("ping", _) => answer.pong(),
            ("subscribe" | "unsubscribe", Some(symbols)) => {
                for symbol in symbols {
                    self.one(
                        symbol.as_str().unwrap_or_default(),
                        params,
                        market,
                        &mut answer,
                    );
                }
            }
            _ => answer.refuse(None, "Malformed request"),
        }
        if self.streams() > 0 && self.heartbeat_at.is_none() {
            self.heartbeat_at = Some(UnixNanos(market.now().0 + HEARTBEAT_NS));
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Depth { pace, diff, .. } => {
                let listing = diff.instrument.index();
                if *pace == Pace::Fast
                    && let Some((depth, window)) = self.books.get_mut(&listing)
                {
                    let (bids, asks) = step(window, market, listing, *depth);
                    if !bids.is_empty() || !asks.is_empty() {
                        out.push(book("update", market, listing, &bids, &asks));
                    }
                }
            }
            Happened::Trade(trade) if self.trades.contains(&trade.instrument.index()) => {
                out.extend(print(trade, market));
            }
            Happened::Quote(quote) if self.quotes.contains(&quote.instrument.index()) => {
                out.extend(ticker("update", quote, market));
            }
            Happened::Trade(_) | Happened::Quote(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        self.heartbeat_at
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            out.push(r#"{"channel":"heartbeat"}"#.to_owned());
            self.heartbeat_at = Some(UnixNanos(now.0 + HEARTBEAT_NS));
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.books.len() + self.trades.len() + self.quotes.len()
    }
}

impl Session {
    /// One symbol of a request.
    fn one(
        &mut self,
        symbol: &str,
        params: &Value,
        market: &mut dyn Market,
        answer: &mut Answer<'_>,
    ) {
        let Some(listing) = market.find(symbol) else {
            return answer.refuse(
                Some(symbol),
                &format!("Currency pair not supported {symbol}"),
            );
        };
        let Some(channel) = params["channel"].as_str().and_then(request::channel_of) else {
            return answer.refuse(Some(symbol), "Subscription name invalid");
        };
        let depth = params["depth"].as_u64().unwrap_or(10) as u16;
        if channel == Channel::Depth && ![10, 25, 100, 500, 1_000].contains(&depth) {
            return answer.refuse(Some(symbol), "Subscription depth not supported");
        }
        let there = match channel {
            Channel::Depth => self.books.contains_key(&listing),
            Channel::Trades => self.trades.contains(&listing),
            Channel::Quotes => self.quotes.contains(&listing),
        };
        if answer.method == "unsubscribe" {
            if !there {
                return answer.refuse(Some(symbol), "Subscription Not Found");
            }
            self.books
                .retain(|at, _| channel != Channel::Depth || *at != listing);
            self.trades
                .retain(|at| channel != Channel::Trades || *at != listing);
            self.quotes
                .retain(|at| channel != Channel::Quotes || *at != listing);
            return answer.accept(symbol, params);
        }
        if there {
            return answer.refuse(Some(symbol), "Already subscribed");
        }
        answer.accept(symbol, params);
        match channel {
            Channel::Depth => {
                market.flush(listing, Pace::Fast);
                let (window, bids, asks) = Window::open(market, listing, usize::from(depth));
                self.books.insert(listing, (depth, window));
                answer
                    .out
                    .push(book("snapshot", market, listing, &bids, &asks));
            }
            Channel::Trades => {
                self.trades.insert(listing);
            }
            Channel::Quotes => {
                self.quotes.insert(listing);
                let best = |side| market.levels(listing, side).next();
                if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
                    let quote = Quote {
                        instrument: market.listings()[listing].instrument.id,
                        update_id: 0,
                        bid,
                        ask,
                    };
                    answer.out.extend(ticker("snapshot", &quote, market));
                }
            }
        }
    }
}

/// The answer to a request.
struct Answer<'a> {
    method: &'a str,
    req_id: Option<u64>,
    at: String,
    out: &'a mut Vec<String>,
}

impl Answer<'_> {
    fn say(&mut self, mut answer: Value) {
        answer["time_in"] = json!(self.at);
        answer["time_out"] = json!(self.at);
        if let Some(id) = self.req_id {
            answer["req_id"] = json!(id);
        }
        self.out.push(answer.to_string());
    }

    fn pong(&mut self) {
        self.say(json!({"method": "pong"}));
    }

    /// The parameters come back, with one symbol in the place of all.
    fn accept(&mut self, symbol: &str, params: &Value) {
        let mut result = params.clone();
        result["symbol"] = json!(symbol);
        self.say(json!({"method": self.method, "result": result, "success": true}));
    }

    fn refuse(&mut self, symbol: Option<&str>, why: &str) {
        let mut answer = json!({"method": self.method, "error": why, "success": false});
        if let Some(symbol) = symbol {
            answer["symbol"] = json!(symbol);
        }
        self.say(answer);
    }
}

/// What changed in the window, without deletes for levels that are still in the book behind it.
///
/// Deletes come before all else: a client may cut its side to its depth after each level, and a
/// level that came before the deletes would push out one that is still in the window.
fn step(
    window: &mut Window,
    market: &dyn Market,
    listing: usize,
    depth: u16,
) -> (Vec<Level>, Vec<Level>) {
    let (mut bids, mut asks) = window.step(market, listing, usize::from(depth));
    for (side, changes) in [(Side::Buy, &mut bids), (Side::Sell, &mut asks)] {
        if changes.iter().any(|level| level.qty == Qty(0)) {
            let alive: BTreeSet<Px> = market.levels(listing, side).map(|level| level.px).collect();
            changes.retain(|level| level.qty != Qty(0) || !alive.contains(&level.px));
            changes.sort_by_key(|level| level.qty != Qty(0)); // Stable: prices keep their order.
        }
    }
    (bids, asks)
}

fn book(kind: &str, market: &dyn Market, listing: usize, bids: &[Level], asks: &[Level]) -> String {
    let instrument = &market.listings()[listing].instrument;
    let side = |levels: &[Level]| {
        let all: Vec<String> = levels
            .iter()
            .map(|level| priced(level, instrument))
            .collect();
        all.join("},{")
    };
    let side = |levels: &[Level]| match levels {
        [] => "[]".to_owned(),
        levels => format!("[{{{}}}]", side(levels)),
    };
    format!(
        r#"{{"channel":"book","type":"{kind}","data":[{{"symbol":{},"bids":{},"asks":{},"checksum":{},"timestamp":"{}"}}]}}"#,
        json!(instrument.symbol.as_str()),
        side(bids),
        side(asks),
        checksum(market, listing),
        rfc3339(market.now()),
    )
}

/// `"price":…,"qty":…` with all their decimals.
fn priced(level: &Level, instrument: &Instrument) -> String {
    let mut text = r#""price":"#.to_owned();
    push_fixed(&mut text, level.px.0.unsigned_abs(), instrument.px_scale);
    text.push_str(r#","qty":"#);
    push_fixed(&mut text, level.qty.0, instrument.qty_scale);
    text
}

/// The CRC-32 of the digits of each price and quantity: the ten lowest asks, then the ten highest
/// bids.
fn checksum(market: &dyn Market, listing: usize) -> u32 {
    let mut sum = flate2::Crc::new();
    for side in [Side::Sell, Side::Buy] {
        for level in market.levels(listing, side).take(10) {
            sum.update(format!("{}{}", level.px.0, level.qty.0).as_bytes());
        }
    }
    sum.sum()
}

fn print(trade: &Trade, market: &dyn Market) -> Option<String> {
    let instrument = &market.listings().get(trade.instrument.index())?.instrument;
    let side = match trade.taker {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    let level = Level {
        px: trade.px,
        qty: trade.qty,
    };
    Some(format!(
        r#"{{"channel":"trade","type":"update","data":[{{"symbol":{},"side":"{side}",{},"ord_type":"limit","trade_id":{},"timestamp":"{}"}}]}}"#,
        json!(instrument.symbol.as_str()),
        priced(&level, instrument),
        trade.id,
        rfc3339(trade.exch_time),
    ))
}

fn ticker(kind: &str, quote: &Quote, market: &dyn Market) -> Option<String> {
    let instrument = &market.listings().get(quote.instrument.index())?.instrument;
    let mut text = format!(
        r#"{{"channel":"ticker","type":"{kind}","data":[{{"symbol":{}"#,
        json!(instrument.symbol.as_str()),
    );
    for (name, level) in [("bid", quote.bid), ("ask", quote.ask)] {
        text.push_str(&format!(r#","{name}":"#));
        push_fixed(&mut text, level.px.0.unsigned_abs(), instrument.px_scale);
        text.push_str(&format!(r#","{name}_qty":"#));
        push_fixed(&mut text, level.qty.0, instrument.qty_scale);
    }
    text.push_str(&format!(r#","timestamp":"{}"}}]}}"#, rfc3339(market.now())));
    Some(text)
}

/// With microseconds, as the exchange writes times.
fn rfc3339(time: UnixNanos) -> String {
    let since = Duration::from_nanos(time.0.unsigned_abs());
    humantime::format_rfc3339_micros(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests;
