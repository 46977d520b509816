//! The exchange's half of Advanced Trade, for the simulated exchange. Holds one client's
//! subscriptions and its count of messages; no socket and no book.

use super::{channel_name, channel_of, rest};
use crate::base::{Channel, Instrument, Level, Qty, Side, UnixNanos};
use crate::exchange::coinbase::mirror::{
    FIRST_SUBSCRIPTION_NS, Followed, dropped, is_subscribe, list, notional, plain, px, qty, rfc3339,
};
use crate::exchange::kit::text;
use crate::exchange::mirror::{
    Call, Happened, Listing, Market, Method, Mirror, MirrorSession, Offence, Refusal, Reply,
};
use serde_json::{Value, json};

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

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let root = text::path(&format!("wss://x{target}")) == "/";
        root.then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        if call.method != Method::Get {
            return self.refuse(Refusal::NoMethod, call);
        }
        if call.path() != rest::PRODUCTS {
            return self.refuse(Refusal::NoPath, call);
        }
        let asked = call.values("product_ids");
        let wanted = |listing: &&Listing| {
            let symbol = listing.instrument.symbol;
            asked.is_empty() || asked.iter().any(|asked| *asked == symbol.as_str())
        };
        let listings = market.listings().iter().filter(wanted);
        let products: Vec<Value> = listings.map(product).collect();
        let body = json!({
            "num_products": products.len(),
            "products": products,
            "pagination": {"prev_cursor": "", "next_cursor": "",
                           "has_next": false, "has_prev": false},
        });
        Reply::json(200, body.to_string(), 1)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        let (status, error, message) = match why {
            Refusal::TooMany { .. } | Refusal::Banned { .. } => {
                let body = json!({"errors": [
                    {"id": "rate_limit_exceeded", "message": "Too many requests"}
                ]});
                return Reply::json(429, body.to_string(), 1);
            }
            Refusal::NoPath => (404, "NOT_FOUND", "not found"),
            Refusal::NoMethod => (405, "METHOD_NOT_ALLOWED", "method not allowed"),
        };
        let body = json!({"error": error, "message": message});
        Reply::json(status, body.to_string(), 1)
    }
}

fn product(listing: &Listing) -> Value {
    let found = &listing.instrument;
    json!({
        "product_id": found.symbol.as_str(),
        "base_currency_id": found.base.as_str(),
        "quote_currency_id": found.quote.as_str(),
        "price_increment": plain(found.tick.0 as u64, found.px_scale),
        "base_increment": plain(found.lot.0, found.qty_scale),
        "base_min_size": plain(found.qty_min.0, found.qty_scale),
        "base_max_size": plain(found.qty_max.0, found.qty_scale),
        "quote_min_size": notional(found),
        "approximate_quote_24h_volume": listing.volume.to_string(),
        "status": if found.trading { "online" } else { "offline" },
        "trading_disabled": !found.trading,
        "product_type": "SPOT",
        "alias": "",
        "alias_to": [],
    })
}

/// Heartbeats come so often.
const HEARTBEAT_NS: i64 = 1_000_000_000;
/// A connection that had nothing to say for so long is closed: 60 to 90 s.
const SILENCE_NS: i64 = 90_000_000_000;

/// One client.
#[derive(Default)]
struct Session {
    followed: Followed,
    heartbeats: bool,
    /// The number of the next message.
    sequence_num: u64,
    beats: u64,
    /// When the client connected, and whether it subscribed since.
    opened: Option<UnixNanos>,
    subscribed: bool,
    said: UnixNanos,
    beat_due: UnixNanos,
}

impl Session {
    fn say(&mut self, channel: &str, events: Value, now: UnixNanos, out: &mut Vec<String>) {
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
            // The mirror has no past trades to show.
            Channel::Trades => {
                let events = json!([{"type": "snapshot", "trades": []}]);
                self.say("market_trades", events, now, out);
            }
            Channel::Quotes => {}
        }
    }

    fn subscriptions(&mut self, market: &dyn Market, out: &mut Vec<String>) {
        let mut all = serde_json::Map::new();
        for (channel, symbols) in self.followed.all(market) {
            all.insert(channel_name(channel).to_owned(), json!(symbols));
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
            Happened::Trade(trade) => {
                let maker = match trade.taker {
                    Side::Buy => "SELL",
                    Side::Sell => "BUY",
                };
                let level = Level {
                    px: trade.px,
                    qty: trade.qty,
                };
                let trade = json!({
                    "trade_id": trade.id.to_string(),
                    "product_id": found.symbol.as_str(),
                    "price": px(level, &found),
                    "size": qty(level, &found),
                    "side": maker,
                    "time": rfc3339(trade.exch_time),
                });
                let events = json!([{"type": "update", "trades": [trade]}]);
                self.say("market_trades", events, now, out);
            }
            Happened::Quote(quote) => {
                let ticker = json!({
                    "type": "ticker",
                    "product_id": found.symbol.as_str(),
                    "best_bid": px(quote.bid, &found),
                    "best_bid_quantity": qty(quote.bid, &found),
                    "best_ask": px(quote.ask, &found),
                    "best_ask_quantity": qty(quote.ask, &found),
                });
                let events = json!([{"type": "update", "tickers": [ticker]}]);
                self.say("ticker", events, now, out);
            }
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let opened = self.opened?;
        if !self.subscribed {
            return Some(UnixNanos(opened.0 + FIRST_SUBSCRIPTION_NS));
        }
        if self.heartbeats {
            return Some(self.beat_due);
        }
        Some(UnixNanos(self.said.0 + SILENCE_NS))
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        if !self.subscribed {
            return dropped("no subscription in time");
        }
        if !self.heartbeats {
            return dropped("no updates");
        }
        self.beat_due = UnixNanos(now.0 + HEARTBEAT_NS);
        self.beats += 1;
        let beat = json!({"current_time": rfc3339(now), "heartbeat_counter": self.beats});
        self.say("heartbeats", json!([beat]), now, out);
        Ok(())
    }

    fn streams(&self) -> usize {
        self.followed.streams()
    }
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
        qty(level, found)
    };
    json!({
        "side": side,
        "event_time": rfc3339(time),
        "price_level": px(level, found),
        "new_quantity": left,
    })
}

fn refuse(why: &str) -> String {
    json!({"type": "error", "message": why}).to_string()
}
