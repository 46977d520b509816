//! The exchange's half of the Exchange feed, for the simulated exchange. Holds one client's
//! subscriptions; no socket and no book.

mod service;

use super::rest;
use crate::base::{Channel, Decimal, Instrument, Level, Quote, Side, Trade, UnixNanos};
use crate::exchange::coinbase::mirror::{
    FIRST_SUBSCRIPTION_NS, Followed, dropped, is_subscribe, list, px, qty, recorded, rfc3339,
};
use crate::exchange::kit::{survey, text};
use crate::exchange::mirror::{
    Call, Happened, Market, Mirror, MirrorSession, Offence, Refusal, Reply,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The simulated Exchange feed and its REST service.
pub(crate) struct FeedMirror;

impl Mirror for FeedMirror {
    /// Books have no ids.
    fn shows_ids(&self) -> bool {
        false
    }

    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument {
        list(
            "coinbase-exchange",
            base,
            quote,
            (px_decimals, qty_decimals),
        )
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

/// One client.
#[derive(Default)]
struct Session {
    followed: Followed,
    opened: Option<UnixNanos>,
    /// The newest print of each product that sends heartbeats, by listing.
    heartbeats: BTreeMap<usize, (String, u64)>,
    beat_due: UnixNanos,
    /// Whose tickers come in batches, and those that changed since the last one.
    batch: BTreeSet<usize>,
    waiting: BTreeMap<usize, String>,
    batch_due: UnixNanos,
    /// Whether it is told of what is listed.
    status: bool,
    /// Whether it asked for books as `level2`, and not as `level2_batch`.
    level2: bool,
}

/// What a client adds to a request to be known. Nobody registers at the simulated exchange, so that
/// none of it can be wrong.
const SIGNED: [&str; 4] = ["key", "passphrase", "timestamp", "signature"];

/// The name of each channel that is served. Books are `level2` to a client that signs.
const SERVED: [(&str, Channel); 3] = [
    ("level2_batch", Channel::Depth),
    ("matches", Channel::Trades),
    ("ticker", Channel::Quotes),
];

impl Session {
    fn subscriptions(&self, market: &dyn Market) -> String {
        let channel = |(channel, symbols): (Channel, Vec<String>)| {
            let name = SERVED.iter().find(|(_, served)| *served == channel);
            let name = match name.map(|(name, _)| *name) {
                Some("level2_batch") if self.level2 => Some("level2"),
                name => name,
            };
            json!({"name": name, "product_ids": symbols})
        };
        let mut channels: Vec<Value> = self.followed.all(market).into_iter().map(channel).collect();
        let symbol = |n: &usize| market.listings()[*n].instrument.symbol.to_string();
        let beside: [(&str, Vec<String>); 2] = [
            ("heartbeat", self.heartbeats.keys().map(symbol).collect()),
            ("ticker_batch", self.batch.iter().map(symbol).collect()),
        ];
        for (name, symbols) in beside {
            if !symbols.is_empty() {
                channels.push(json!({"name": name, "product_ids": symbols}));
            }
        }
        if self.status {
            channels.push(json!({"name": "status", "product_ids": []}));
        }
        json!({"type": "subscriptions", "channels": channels}).to_string()
    }

    /// Follows or leaves one channel of these products; gives what is new to the client.
    fn change(
        &mut self,
        on: bool,
        name: &str,
        products: &Value,
        market: &dyn Market,
        out: &mut Vec<String>,
    ) -> Vec<(usize, Channel)> {
        if self.beside(on, name, products, market, out) {
            return Vec::new();
        }
        let Some((_, channel)) = SERVED.into_iter().find(|(served, _)| *served == name) else {
            out.push(refuse(&match name {
                "level2" | "level3" | "full" => {
                    "level2, level3, and full channels now require authentication.".to_owned()
                }
                _ => format!("{name} is not a valid channel"),
            }));
            return Vec::new();
        };
        let refuse = |why: &str| out.push(refuse(why));
        let begun = self.followed.change(on, channel, products, market, refuse);
        let new = begun.into_iter().filter(|(_, new)| *new);
        new.map(|(listing, _)| (listing, channel)).collect()
    }

    /// A channel that our own client never asks for; false if it is none.
    fn beside(
        &mut self,
        on: bool,
        name: &str,
        products: &Value,
        market: &dyn Market,
        out: &mut Vec<String>,
    ) -> bool {
        if name == "status" {
            self.status = on;
            return true;
        }
        if name != "heartbeat" && name != "ticker_batch" {
            return false;
        }
        let now = market.now();
        for product in products.as_array().into_iter().flatten() {
            let product = product.as_str().unwrap_or_default();
            let Some(n) = market.find(product) else {
                out.push(refuse(&format!("{product} is not a valid product")));
                continue;
            };
            match (name, on) {
                ("heartbeat", true) => {
                    let last = market.prints(n).next_back().map_or(0, |print| print.id);
                    self.heartbeats.insert(n, (product.to_owned(), last));
                    self.beat_due = UnixNanos(now.0 + HEARTBEAT_NS);
                }
                ("heartbeat", false) => drop(self.heartbeats.remove(&n)),
                (_, true) => {
                    self.batch.insert(n);
                    self.batch_due = UnixNanos(now.0 + BATCH_NS);
                    let quote = market.best(n).filter(|_| !market.is_played());
                    self.waiting
                        .extend(quote.map(|quote| (n, ticker(&quote, market))));
                }
                (_, false) => drop(self.batch.remove(&n)),
            }
        }
        true
    }

    /// What the exchange sends of a channel before anything happens.
    fn begin(
        &mut self,
        (listing, channel): (usize, Channel),
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        match channel {
            Channel::Depth => {
                let found = self.followed.show(listing, market);
                let side = |side| -> Vec<Value> {
                    let levels = market.levels(listing, side);
                    levels
                        .map(|level| json!([px(level.px, &found), qty(level.qty, &found)]))
                        .collect()
                };
                let book = json!({
                    "type": "snapshot",
                    "product_id": found.symbol.as_str(),
                    "bids": side(Side::Buy),
                    "asks": side(Side::Sell),
                    "time": rfc3339(market.now()),
                });
                out.push(book.to_string());
            }
            Channel::Trades => {
                let found = market.listings()[listing].instrument;
                let last = market.prints(listing).next_back();
                out.extend(last.map(|print| print_of("last_match", &print, &found)));
            }
            Channel::Quotes => {
                out.extend(market.best(listing).map(|quote| ticker(&quote, market)));
            }
        }
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        (self.opened, self.followed) = (Some(market.now()), Followed::open(market));
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let Some(on) = is_subscribe(&request) else {
            out.push(refuse("Malformed JSON"));
            return Ok(());
        };
        self.opened = None;
        let (mut begun, shown) = (Vec::new(), self.status);
        for channel in request["channels"].as_array().into_iter().flatten() {
            // A channel is an object with its own products, or a name for the request's.
            let (name, products) = match channel.as_str() {
                Some(name) => (name, &request["product_ids"]),
                None => (
                    channel["name"].as_str().unwrap_or_default(),
                    &channel["product_ids"],
                ),
            };
            // A recording may have been made by a client that signed.
            let signed = market.is_played() || SIGNED.iter().all(|key| !request[key].is_null());
            self.level2 = match name {
                "level2" => signed,
                "level2_batch" => false,
                _ => self.level2,
            };
            let name = match self.level2 && name == "level2" {
                true => "level2_batch",
                false => name,
            };
            begun.extend(self.change(on, name, products, market, out));
        }
        out.push(self.subscriptions(market));
        begun.retain(|_| !market.is_played());
        for new in begun {
            self.begin(new, market, out);
        }
        if self.status && !shown {
            out.push(service::status(market).to_string());
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        match event {
            Happened::Trade(trade) => {
                if let Some((_, last)) = self.heartbeats.get_mut(&trade.instrument.index()) {
                    *last = trade.id;
                }
            }
            Happened::Quote(quote) if self.batch.contains(&quote.instrument.index()) => {
                let ticker = ticker(quote, market);
                self.waiting.insert(quote.instrument.index(), ticker);
            }
            Happened::Quote(_) | Happened::Depth { .. } => {}
        }
        let Some(found) = self.followed.news(event, market) else {
            return;
        };
        match event {
            Happened::Depth {
                diff, bids, asks, ..
            } => {
                let of = |side: Side, levels: &[Level]| -> Vec<Value> {
                    let one = |level: &Level| {
                        json!([side.name(), px(level.px, &found), qty(level.qty, &found)])
                    };
                    levels.iter().map(one).collect()
                };
                let changes = [of(Side::Buy, bids), of(Side::Sell, asks)].concat();
                let update = json!({
                    "type": "l2update",
                    "product_id": found.symbol.as_str(),
                    "changes": changes,
                    "time": rfc3339(diff.exch_time),
                });
                out.push(update.to_string());
            }
            Happened::Trade(trade) => out.push(print_of("match", trade, &found)),
            Happened::Quote(quote) => out.push(ticker(quote, market)),
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let opened = self
            .opened
            .map(|at| UnixNanos(at.0 + FIRST_SUBSCRIPTION_NS));
        let beat = (!self.heartbeats.is_empty()).then_some(self.beat_due);
        let batch = (!self.batch.is_empty()).then_some(self.batch_due);
        [opened, beat, batch].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        if self.opened.is_some() {
            return dropped("no subscription in time");
        }
        if now >= self.beat_due {
            self.beat_due = UnixNanos(now.0 + HEARTBEAT_NS);
            for (product, last) in self.heartbeats.values() {
                let beat = json!({
                    "type": "heartbeat",
                    "product_id": product,
                    "sequence": last,
                    "last_trade_id": last,
                    "time": rfc3339(now),
                });
                out.push(beat.to_string());
            }
        }
        if now >= self.batch_due {
            self.batch_due = UnixNanos(now.0 + BATCH_NS);
            out.extend(std::mem::take(&mut self.waiting).into_values());
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.followed.streams() + self.heartbeats.len() + self.batch.len()
    }

    /// Books do not say whether they came in batches.
    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let channel = match root.find(b"type").string()? {
                "snapshot" | "l2update" => Channel::Depth,
                "match" | "last_match" => Channel::Trades,
                "ticker" => Channel::Quotes,
                _ => return None,
            };
            let product = root.find(b"product_id").string()?;
            Some(self.followed.carries(channel, product))
        })
    }
}

/// A print. Its side is that of the order that was in the book.
fn print_of(kind: &str, trade: &Trade, found: &Instrument) -> String {
    let message = json!({
        "type": kind,
        "trade_id": trade.id,
        "maker_order_id": format!("00000000-0000-4000-9000-{:012x}", 2 * trade.id),
        "taker_order_id": format!("00000000-0000-4000-9000-{:012x}", 2 * trade.id + 1),
        "side": trade.taker.opposite().name(),
        "size": qty(trade.qty, found),
        "price": px(trade.px, found),
        "product_id": found.symbol.as_str(),
        "sequence": trade.id,
        "time": rfc3339(trade.exch_time),
    });
    message.to_string()
}

/// The top of the book, the newest print and the day; a month had thirty days like it.
fn ticker(quote: &Quote, market: &dyn Market) -> String {
    let n = quote.instrument.index();
    let (found, day) = (&market.listings()[n].instrument, market.day(n));
    let month = Decimal {
        units: day.base(found).units * 30,
        ..day.base(found)
    };
    let mut message = json!({
        "type": "ticker",
        "sequence": quote.update_id,
        "product_id": found.symbol.as_str(),
        "price": px(day.last, found),
        "open_24h": px(day.open, found),
        "volume_24h": day.base(found).to_string(),
        "low_24h": px(day.low, found),
        "high_24h": px(day.high, found),
        "volume_30d": month.to_string(),
        "best_bid": px(quote.bid.px, found),
        "best_bid_size": qty(quote.bid.qty, found),
        "best_ask": px(quote.ask.px, found),
        "best_ask_size": qty(quote.ask.qty, found),
        "time": rfc3339(market.now()),
    });
    if let Some(last) = market.prints(n).next_back() {
        message["side"] = last.taker.name().into();
        message["trade_id"] = last.id.into();
        message["last_size"] = qty(last.qty, found).into();
    }
    message.to_string()
}

fn refuse(reason: &str) -> String {
    json!({"type": "error", "message": "Failed to subscribe", "reason": reason}).to_string()
}
