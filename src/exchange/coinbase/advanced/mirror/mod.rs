//! The exchange's half of Advanced Trade, for the simulated exchange. Holds one client's
//! subscriptions and its count of messages; no socket and no book.

mod service;

use super::{channel_name, channel_of, rest};
use crate::base::{Channel, Instrument, Level, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::coinbase::mirror::{
    FIRST_SUBSCRIPTION_NS, Followed, dropped, is_subscribe, list, newest, notional, px, px_step,
    qty, qty_step, recorded, rfc3339,
};
use crate::exchange::kit::text;
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The simulated Advanced Trade service.
pub(crate) struct AdvancedMirror;

impl Mirror for AdvancedMirror {
    /// Books have no ids.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        list("coinbase", base, quote, (px_decimals, qty_decimals))
    }

    fn quote(&self) -> &'static str {
        "USD"
    }

    fn recorded(&self, seen: &Instrument) -> Instrument {
        recorded(seen)
    }

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let root = text::path(&format!("wss://x{target}")) == "/";
        root.then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        service::answer(call, market)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        service::refuse(why)
    }
}

/// Heartbeats come so often.
const HEARTBEAT_NS: i64 = 1_000_000_000;
/// Tickers in batches come so often.
const BATCH_NS: i64 = 5_000_000_000;
/// A subscription to prints begins with so many, at most.
const PRINTS_MAX: usize = 100;
/// The channel of tickers that come in batches.
const TICKER_BATCH: &str = "ticker_batch";
/// The channel of what is listed.
const STATUS: &str = "status";
/// A connection that had nothing to say for so long is closed: 60 to 90 s.
const SILENCE_NS: i64 = 90_000_000_000;

/// One client.
#[derive(Default)]
struct Session {
    followed: Followed,
    /// Whose tickers come in batches, and those that changed since the last one.
    batch: Followed,
    waiting: BTreeMap<usize, Value>,
    batch_due: UnixNanos,
    status: Followed,
    heartbeats: bool,
    /// The number of the next message.
    sequence_num: u64,
    beats: u64,
    /// When the client connected, and whether it subscribed since.
    opened: Option<UnixNanos>,
    subscribed: bool,
    said: UnixNanos,
    beat_due: UnixNanos,
    /// A recording is played: its messages have the numbers, and nothing else is said.
    played: bool,
}

impl Session {
    fn say(&mut self, channel: &str, events: Value, now: UnixNanos, out: &mut Vec<String>) {
        if self.played {
            return;
        }
        let message = json!({
            "channel": channel,
            "client_id": "",
            "timestamp": rfc3339(now),
            "sequence_num": self.sequence_num,
            "events": events,
        });
        self.sequence_num += 1;
        self.said = now;
        out.push(message.to_string());
    }

    /// What the exchange sends of a channel before anything happens.
    fn begin(
        &mut self,
        channel: Channel,
        listing: usize,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let now = market.now();
        match channel {
            Channel::Depth => {
                let found = self.followed.show(listing, market);
                let sides = [Side::Buy, Side::Sell];
                let updates: Vec<Value> = sides
                    .into_iter()
                    .flat_map(|side| market.levels(listing, side).map(move |l| (side, l)))
                    .map(|(side, level)| update(side, level, &found, now))
                    .collect();
                let event = book_event("snapshot", &found, updates);
                self.say("l2_data", json!([event]), now, out);
            }
            // A market without a print has none to show.
            Channel::Trades => {
                let found = market.listings()[listing].instrument;
                let past = newest(market, listing, PRINTS_MAX);
                let past: Vec<Value> = past.iter().map(|one| trade(one, &found)).collect();
                if !past.is_empty() {
                    let events = json!([{"type": "snapshot", "trades": past}]);
                    self.say("market_trades", events, now, out);
                }
            }
            Channel::Quotes => {
                let quote = market.best(listing);
                let tickers: Vec<Value> = quote.iter().map(|q| ticker(q, market)).collect();
                let events = json!([{"type": "snapshot", "tickers": tickers}]);
                self.say("ticker", events, now, out);
            }
        }
    }

    /// Follows or leaves a channel that our own client never asks for; says what there is.
    fn beside(
        &mut self,
        name: &str,
        on: bool,
        products: &Value,
        market: &dyn Market,
        out: &mut Vec<String>,
    ) {
        let followed = match name {
            STATUS => &mut self.status,
            _ => &mut self.batch,
        };
        let refuse = |why: &str| out.push(refuse(why));
        let begun = followed.change(on, Channel::Quotes, products, market, refuse);
        let now = market.now();
        let all: Vec<Value> = match name {
            STATUS => begun.iter().map(|(n, _)| status(*n, market)).collect(),
            _ => {
                self.batch_due = UnixNanos(now.0 + BATCH_NS);
                let quotes = begun.iter().filter_map(|(n, _)| market.best(*n));
                quotes.map(|quote| ticker(&quote, market)).collect()
            }
        };
        if !all.is_empty() {
            let of = if name == STATUS {
                "products"
            } else {
                "tickers"
            };
            self.say(name, json!([{"type": "snapshot", of: all}]), now, out);
        }
    }

    fn subscriptions(&mut self, market: &dyn Market, out: &mut Vec<String>) {
        let mut all = serde_json::Map::new();
        for (channel, symbols) in self.followed.all(market) {
            all.insert(channel_name(channel).to_owned(), json!(symbols));
        }
        for (name, followed) in [(TICKER_BATCH, &self.batch), (STATUS, &self.status)] {
            for (_, symbols) in followed.all(market) {
                all.insert(name.to_owned(), json!(symbols));
            }
        }
        if self.heartbeats {
            all.insert("heartbeats".to_owned(), json!(["heartbeats"]));
        }
        self.say(
            "subscriptions",
            json!([{"subscriptions": all}]),
            market.now(),
            out,
        );
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        (self.opened, self.said) = (Some(market.now()), market.now());
        self.played = market.is_played();
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            out.push(refuse("invalid JSON"));
            return Ok(());
        };
        let Some(on) = is_subscribe(&request) else {
            out.push(refuse("unknown message type"));
            return Ok(());
        };
        self.subscribed |= on;
        let name = request["channel"].as_str().unwrap_or_default();
        if name == "heartbeats" {
            self.heartbeats = on;
            self.beat_due = UnixNanos(market.now().0 + HEARTBEAT_NS);
            self.subscriptions(market, out);
            return Ok(());
        }
        if name == TICKER_BATCH || name == STATUS {
            self.beside(name, on, &request["product_ids"], market, out);
            self.subscriptions(market, out);
            return Ok(());
        }
        let Some(channel) = channel_of(name) else {
            out.push(refuse(&format!("{name} is not a valid channel")));
            return Ok(());
        };
        let (products, refuse) = (&request["product_ids"], |why: &str| out.push(refuse(why)));
        let begun = self.followed.change(on, channel, products, market, refuse);
        for (listing, _) in begun {
            self.begin(channel, listing, market, out);
        }
        self.subscriptions(market, out);
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let now = market.now();
        if let Happened::Quote(quote) = event
            && self.batch.news(event, market).is_some()
        {
            let ticker = ticker(quote, market);
            self.waiting.insert(quote.instrument.index(), ticker);
        }
        let Some(found) = self.followed.news(event, market) else {
            return;
        };
        match event {
            Happened::Depth {
                diff, bids, asks, ..
            } => {
                let of = |side, levels: &[Level]| -> Vec<Value> {
                    let time = diff.exch_time;
                    let one = |level: &Level| update(side, *level, &found, time);
                    levels.iter().map(one).collect()
                };
                let updates = [of(Side::Buy, bids), of(Side::Sell, asks)].concat();
                let event = book_event("update", &found, updates);
                self.say("l2_data", json!([event]), now, out);
            }
            Happened::Trade(print) => {
                let events = json!([{"type": "update", "trades": [trade(print, &found)]}]);
                self.say("market_trades", events, now, out);
            }
            Happened::Quote(quote) => {
                let events = json!([{"type": "update", "tickers": [ticker(quote, market)]}]);
                self.say("ticker", events, now, out);
            }
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let opened = self.opened?;
        if !self.subscribed {
            return Some(UnixNanos(opened.0 + FIRST_SUBSCRIPTION_NS));
        }
        if self.played {
            return None;
        }
        let batch = (self.batch.streams() > 0).then_some(self.batch_due);
        let beat = match self.heartbeats {
            true => self.beat_due,
            false => UnixNanos(self.said.0 + SILENCE_NS),
        };
        Some(batch.map_or(beat, |due| due.min(beat)))
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        if !self.subscribed {
            return dropped("no subscription in time");
        }
        if !self.heartbeats && now.0 >= self.said.0 + SILENCE_NS {
            return dropped("no updates");
        }
        if self.heartbeats && now >= self.beat_due {
            self.beat_due = UnixNanos(now.0 + HEARTBEAT_NS);
            self.beats += 1;
            let beat = json!({"current_time": rfc3339(now), "heartbeat_counter": self.beats});
            self.say("heartbeats", json!([beat]), now, out);
        }
        if now >= self.batch_due {
            self.batch_due = UnixNanos(now.0 + BATCH_NS);
            let tickers: Vec<Value> = std::mem::take(&mut self.waiting).into_values().collect();
            if !tickers.is_empty() {
                let events = json!([{"type": "update", "tickers": tickers}]);
                self.say(TICKER_BATCH, events, now, out);
            }
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.followed.streams() + self.batch.streams() + self.status.streams()
    }

    /// All messages of a connection are numbered together.
    fn carries(&self, _frame: &str) -> bool {
        self.played && self.streams() > 0
    }
}

/// A print. Its side is that of the order that was in the book.
fn trade(trade: &Trade, found: &Instrument) -> Value {
    let maker = match trade.taker {
        Side::Buy => "SELL",
        Side::Sell => "BUY",
    };
    json!({
        "trade_id": trade.id.to_string(),
        "product_id": found.symbol.as_str(),
        "price": px(trade.px, found),
        "size": qty(trade.qty, found),
        "side": maker,
        "time": rfc3339(trade.exch_time),
    })
}

/// The top of the book and the day; the year was as the day here.
fn ticker(quote: &Quote, market: &dyn Market) -> Value {
    let n = quote.instrument.index();
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    json!({
        "type": "ticker",
        "product_id": found.symbol.as_str(),
        "price": px(day.last, found),
        "volume_24_h": day.base(found).to_string(),
        "low_24_h": px(day.low, found),
        "high_24_h": px(day.high, found),
        "low_52_w": px(day.low, found),
        "high_52_w": px(day.high, found),
        "price_percent_chg_24_h": day.percent().to_string(),
        "best_bid": px(quote.bid.px, found),
        "best_bid_quantity": qty(quote.bid.qty, found),
        "best_ask": px(quote.ask.px, found),
        "best_ask_quantity": qty(quote.ask.qty, found),
    })
}

/// A product as the stream lists it.
fn status(n: usize, market: &dyn Market) -> Value {
    let found = &market.listings()[n].instrument;
    json!({
        "product_type": "SPOT",
        "id": found.symbol.as_str(),
        "base_currency": found.base.as_str(),
        "quote_currency": found.quote.as_str(),
        "base_increment": qty_step(found),
        "quote_increment": px_step(found),
        "display_name": format!("{}/{}", found.base, found.quote),
        "status": if found.trading { "online" } else { "offline" },
        "status_message": "",
        "min_market_funds": notional(found),
    })
}

fn book_event(kind: &str, found: &Instrument, updates: Vec<Value>) -> Value {
    json!({"type": kind, "product_id": found.symbol.as_str(), "updates": updates})
}

fn update(side: Side, level: Level, found: &Instrument, time: UnixNanos) -> Value {
    let side = match side {
        Side::Buy => "bid",
        Side::Sell => "offer",
    };
    let left = if level.qty == Qty(0) {
        "0".to_owned()
    } else {
        qty(level.qty, found)
    };
    json!({
        "side": side,
        "event_time": rfc3339(time),
        "price_level": px(level.px, found),
        "new_quantity": left,
    })
}

fn refuse(why: &str) -> String {
    json!({"type": "error", "message": why}).to_string()
}
