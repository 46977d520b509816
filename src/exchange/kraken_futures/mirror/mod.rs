//! The exchange's half of its protocol, for the simulated exchange: books one level a message,
//! tickers once a second. Holds no market; it is lent.

mod rest;

use super::request;
use crate::base::instrument::name;
use crate::base::{
    Asset, Channel, Instrument, InstrumentId, Kind, Level, Quote, Side, Symbol, Trade, UnixNanos,
};
use crate::exchange::kit::text::push_plain;
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Pace, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The server half.
pub(crate) struct FuturesMirror;

impl Mirror for FuturesMirror {
    /// Each message changes one level and has a number of its own.
    fn shows_ids(&self) -> bool {
        false
    }

    /// Linear perpetuals: what trades most.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        let asset = |text: &str| Asset::from(text).unwrap_or_default();
        let symbol = format!("PF_{}{quote}", old_name(base));
        let symbol = Symbol::from(&symbol).unwrap_or_default();
        Instrument {
            name: name("kraken-futures", &[base, quote, "PERP"]),
            base: asset(base),
            quote: asset(quote),
            settle: asset(quote),
            kind: Kind::Perpetual,
            ..Instrument::bare("kraken-futures", symbol, (px_decimals, qty_decimals))
        }
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        (target == "/ws/v1").then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        rest::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        rest::refuse(why)
    }
}

/// As symbols name an asset that is named otherwise elsewhere.
fn old_name(asset: &str) -> &str {
    match asset {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    }
}

/// Tickers come this often at most, and heartbeats so often.
const SECOND_NS: i64 = 1_000_000_000;

/// One connection. Sets are of listings.
#[derive(Default)]
struct Session {
    books: BTreeMap<usize, Followed>,
    trades: BTreeSet<usize>,
    tickers: BTreeMap<usize, Throttled>,
    heartbeat_at: Option<UnixNanos>,
}

/// Up to which change a client knows a book.
struct Followed {
    /// The market's id of the snapshot: what stands in it is not told again.
    from: u64,
    /// The number of the last message.
    seq: u64,
}

/// A ticker that may not be sent before its time.
struct Throttled {
    next_at: UnixNanos,
    waiting: Option<String>,
}

impl MirrorSession for Session {
    fn handle_open(&mut self, _market: &mut dyn Market, out: &mut Vec<String>) {
        out.push(r#"{"event":"info","version":1}"#.to_owned());
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let error = |why: &str| json!({"event": "error", "message": why}).to_string();
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let feed = asked["feed"].as_str().unwrap_or_default();
        let begin = match asked["event"].as_str() {
            Some("subscribe") => true,
            Some("unsubscribe") => false,
            _ => {
                out.push(error("Json Error"));
                return Ok(());
            }
        };
        let event = if begin { "subscribed" } else { "unsubscribed" };
        if feed == "heartbeat" {
            let next = UnixNanos(market.now().0 + SECOND_NS);
            self.heartbeat_at = begin.then(|| self.heartbeat_at.unwrap_or(next));
            out.push(json!({"event": event, "feed": feed}).to_string());
            return Ok(());
        }
        let Some(channel) = request::channel_of(feed) else {
            out.push(error("Invalid feed"));
            return Ok(());
        };
        let products: Vec<&str> = match asked["product_ids"].as_array() {
            Some(list) => list.iter().filter_map(Value::as_str).collect(),
            None => Vec::new(),
        };
        let found: Option<Vec<usize>> = products.iter().map(|p| market.find(p)).collect();
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            out.push(error("Invalid product id"));
            return Ok(());
        };
        out.push(json!({"event": event, "feed": feed, "product_ids": products}).to_string());
        for listing in found {
            if begin {
                self.begin(listing, channel, market, out);
            } else {
                self.end(listing, channel);
            }
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Depth {
                pace,
                diff,
                bids,
                asks,
                ..
            } => {
                let listing = diff.instrument.index();
                let Some(book) = self.books.get_mut(&listing) else {
                    return;
                };
                if *pace != Pace::Fast || diff.last_id <= book.from {
                    return;
                }
                for (side, levels) in [("buy", bids), ("sell", asks)] {
                    for level in levels {
                        book.seq += 1;
                        out.extend(change(level, side, book.seq, listing, market));
                    }
                }
            }
            Happened::Trade(trade) if self.trades.contains(&trade.instrument.index()) => {
                out.extend(print(trade, market));
            }
            Happened::Quote(quote) => {
                let Some(ticker) = self.tickers.get_mut(&quote.instrument.index()) else {
                    return;
                };
                let text = tick(quote, market);
                if market.now() < ticker.next_at {
                    ticker.waiting = text;
                } else {
                    ticker.next_at = UnixNanos(market.now().0 + SECOND_NS);
                    ticker.waiting = None;
                    out.extend(text);
                }
            }
            Happened::Trade(_) => {}
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let tickers = self.tickers.values();
        let waiting = tickers.filter(|ticker| ticker.waiting.is_some());
        waiting
            .map(|ticker| ticker.next_at)
            .chain(self.heartbeat_at)
            .min()
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        let next = UnixNanos(now.0 + SECOND_NS);
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            out.push(json!({"feed": "heartbeat", "time": now.as_millis()}).to_string());
            self.heartbeat_at = Some(next);
        }
        for ticker in self.tickers.values_mut() {
            if ticker.next_at <= now
                && let Some(text) = ticker.waiting.take()
            {
                out.push(text);
                ticker.next_at = next;
            }
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.books.len() + self.trades.len() + self.tickers.len()
    }
}

impl Session {
    fn begin(
        &mut self,
        listing: usize,
        channel: Channel,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        match channel {
            Channel::Depth => {
                market.flush(listing, Pace::Fast);
                let (from, _) = market.stands_at(listing, Pace::Fast);
                self.books.insert(listing, Followed { from, seq: from });
                out.push(snapshot(from, listing, market));
            }
            Channel::Trades => {
                self.trades.insert(listing);
                let product = market.listings()[listing].instrument.symbol;
                let product = product.as_str();
                let past = json!({"feed": "trade_snapshot", "product_id": product, "trades": []});
                out.push(past.to_string());
            }
            Channel::Quotes => {
                let now = market.now();
                let best = |side| market.levels(listing, side).next();
                let mut throttled = Throttled {
                    next_at: now,
                    waiting: None,
                };
                if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
                    let quote = Quote {
                        instrument: InstrumentId(listing as u16),
                        update_id: 0,
                        bid,
                        ask,
                    };
                    out.extend(tick(&quote, market));
                    throttled.next_at = UnixNanos(now.0 + SECOND_NS);
                }
                self.tickers.insert(listing, throttled);
            }
        }
    }

    fn end(&mut self, listing: usize, channel: Channel) {
        match channel {
            Channel::Depth => drop(self.books.remove(&listing)),
            Channel::Trades => drop(self.trades.remove(&listing)),
            Channel::Quotes => drop(self.tickers.remove(&listing)),
        }
    }
}

/// As the exchange writes numbers: with at least one decimal.
fn number(units: u64, scale: u8) -> String {
    let mut text = String::new();
    push_plain(&mut text, units, scale);
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

fn px(level: &Level, instrument: &Instrument) -> String {
    number(level.px.0.unsigned_abs(), instrument.px_scale)
}

fn qty(level: &Level, instrument: &Instrument) -> String {
    number(level.qty.0, instrument.qty_scale)
}

fn snapshot(seq: u64, listing: usize, market: &dyn Market) -> String {
    let instrument = &market.listings()[listing].instrument;
    let side = |side| {
        let level = |level: Level| {
            let (px, qty) = (px(&level, instrument), qty(&level, instrument));
            format!(r#"{{"price":{px},"qty":{qty}}}"#)
        };
        let levels: Vec<String> = market.levels(listing, side).map(level).collect();
        levels.join(",")
    };
    format!(
        r#"{{"feed":"book_snapshot","product_id":{},"timestamp":{},"seq":{seq},"tickSize":null,"bids":[{}],"asks":[{}]}}"#,
        json!(instrument.symbol.as_str()),
        market.now().as_millis(),
        side(Side::Buy),
        side(Side::Sell),
    )
}

fn change(
    level: &Level,
    side: &str,
    seq: u64,
    listing: usize,
    market: &dyn Market,
) -> Option<String> {
    let instrument = &market.listings().get(listing)?.instrument;
    Some(format!(
        r#"{{"feed":"book","product_id":{},"side":"{side}","seq":{seq},"price":{},"qty":{},"timestamp":{}}}"#,
        json!(instrument.symbol.as_str()),
        px(level, instrument),
        qty(level, instrument),
        market.now().as_millis(),
    ))
}

fn print(trade: &Trade, market: &dyn Market) -> Option<String> {
    let instrument = &market.listings().get(trade.instrument.index())?.instrument;
    let level = Level {
        px: trade.px,
        qty: trade.qty,
    };
    let side = match trade.taker {
        Side::Buy => "buy",
        Side::Sell => "sell",
    };
    Some(format!(
        r#"{{"feed":"trade","product_id":{},"uid":"00000000-0000-4000-8000-{:012x}","side":"{side}","type":"fill","seq":{},"time":{},"qty":{},"price":{}}}"#,
        json!(instrument.symbol.as_str()),
        trade.id,
        trade.id,
        trade.exch_time.as_millis(),
        qty(&level, instrument),
        px(&level, instrument),
    ))
}

fn tick(quote: &Quote, market: &dyn Market) -> Option<String> {
    let instrument = &market.listings().get(quote.instrument.index())?.instrument;
    Some(format!(
        r#"{{"time":{},"product_id":{},"feed":"ticker","bid":{},"ask":{},"bid_size":{},"ask_size":{},"suspended":false,"tag":"perpetual","post_only":false}}"#,
        market.now().as_millis(),
        json!(instrument.symbol.as_str()),
        px(&quote.bid, instrument),
        px(&quote.ask, instrument),
        qty(&quote.bid, instrument),
        qty(&quote.ask, instrument),
    ))
}

#[cfg(test)]
mod tests;
