//! The exchange's half of the Exchange feed, for the simulated exchange. Holds one client's
//! subscriptions; no socket and no book.

use super::rest;
use crate::base::{Channel, Instrument, Level, Side, UnixNanos};
use crate::exchange::coinbase::mirror::{
    FIRST_SUBSCRIPTION_NS, Followed, dropped, is_subscribe, list, notional, plain, px, qty, rfc3339,
};
use crate::exchange::kit::text;
use crate::exchange::mirror::{
    Call, Happened, Listing, Market, Method, Mirror, MirrorSession, Offence, Refusal, Reply,
};
use serde_json::{Value, json};

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

    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>> {
        let root = text::path(&format!("wss://x{target}")) == "/";
        root.then(|| Box::new(Session::default()) as Box<dyn MirrorSession>)
    }

    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply {
        if call.method != Method::Get {
            return self.refuse(Refusal::NoMethod, call);
        }
        let listings = market.listings();
        let body: Value = match call.path() {
            rest::PRODUCTS => listings.iter().map(product).collect(),
            rest::STATS => {
                let stats = listings
                    .iter()
                    .map(|listing| (listing.instrument.symbol.to_string(), stats(listing)));
                Value::Object(stats.collect())
            }
            _ => return self.refuse(Refusal::NoPath, call),
        };
        Reply::json(200, body.to_string(), 1)
    }

    fn refuse(&self, why: Refusal, _call: Call<'_>) -> Reply {
        let (status, message) = match why {
            Refusal::TooMany { .. } | Refusal::Banned { .. } => (429, "Public rate limit exceeded"),
            Refusal::NoPath => (404, "NotFound"),
            Refusal::NoMethod => (405, "MethodNotAllowed"),
        };
        Reply::json(status, json!({"message": message}).to_string(), 1)
    }
}

fn product(listing: &Listing) -> Value {
    let found = &listing.instrument;
    json!({
        "id": found.symbol.as_str(),
        "base_currency": found.base.as_str(),
        "quote_currency": found.quote.as_str(),
        "quote_increment": plain(found.tick.0 as u64, found.px_scale),
        "base_increment": plain(found.lot.0, found.qty_scale),
        "min_market_funds": notional(found),
        "status": if found.trading { "online" } else { "offline" },
        "trading_disabled": !found.trading,
    })
}

/// The simulated volume is known in quote currency only: a price of one makes it base volume.
fn stats(listing: &Listing) -> Value {
    json!({"stats_24hour": {"last": "1", "volume": listing.volume.to_string()}})
}

/// One client.
#[derive(Default)]
struct Session {
    followed: Followed,
    opened: Option<UnixNanos>,
}

/// The name of each channel that is served. `level2` needs an authenticated client: this service
/// knows none.
const SERVED: [(&str, Channel); 3] = [
    ("level2_batch", Channel::Depth),
    ("matches", Channel::Trades),
    ("ticker", Channel::Quotes),
];

impl Session {
    fn subscriptions(&self, market: &dyn Market) -> String {
        let channel = |(channel, symbols): (Channel, Vec<String>)| {
            let name = SERVED.iter().find(|(_, served)| *served == channel);
            json!({"name": name.map(|(name, _)| name), "product_ids": symbols})
        };
        let channels: Vec<Value> = self.followed.all(market).into_iter().map(channel).collect();
        json!({"type": "subscriptions", "channels": channels}).to_string()
    }

    /// Follows or leaves one channel of these products; gives the books that are new to the client.
    fn change(
        &mut self,
        on: bool,
        name: &str,
        products: &Value,
        market: &dyn Market,
        out: &mut Vec<String>,
    ) -> Vec<usize> {
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
        let books = begun
            .into_iter()
            .filter(|(_, new)| *new && channel == Channel::Depth);
        books.map(|(listing, _)| listing).collect()
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        self.opened = Some(market.now());
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
        let mut books = Vec::new();
        for channel in request["channels"].as_array().into_iter().flatten() {
            // A channel is an object with its own products, or a name for the request's.
            let (name, products) = match channel.as_str() {
                Some(name) => (name, &request["product_ids"]),
                None => (
                    channel["name"].as_str().unwrap_or_default(),
                    &channel["product_ids"],
                ),
            };
            books.extend(self.change(on, name, products, market, out));
        }
        out.push(self.subscriptions(market));
        for listing in books {
            let found = self.followed.show(listing, market);
            let side = |side| -> Vec<Value> {
                let levels = market.levels(listing, side);
                levels
                    .map(|level| json!([px(level, &found), qty(level, &found)]))
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
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let Some(found) = self.followed.news(event, market) else {
            return;
        };
        match event {
            Happened::Depth {
                diff, bids, asks, ..
            } => {
                let of = |side: Side, levels: &[Level]| -> Vec<Value> {
                    let one = |level: &Level| {
                        json!([side.name(), px(*level, &found), qty(*level, &found)])
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
            Happened::Trade(trade) => {
                let level = Level {
                    px: trade.px,
                    qty: trade.qty,
                };
                let message = json!({
                    "type": "match",
                    "trade_id": trade.id,
                    "side": trade.taker.opposite().name(),
                    "size": qty(level, &found),
                    "price": px(level, &found),
                    "product_id": found.symbol.as_str(),
                    "sequence": trade.id,
                    "time": rfc3339(trade.exch_time),
                });
                out.push(message.to_string());
            }
            Happened::Quote(quote) => {
                let message = json!({
                    "type": "ticker",
                    "sequence": quote.update_id,
                    "product_id": found.symbol.as_str(),
                    "best_bid": px(quote.bid, &found),
                    "best_bid_size": qty(quote.bid, &found),
                    "best_ask": px(quote.ask, &found),
                    "best_ask_size": qty(quote.ask, &found),
                    "time": rfc3339(market.now()),
                });
                out.push(message.to_string());
            }
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        Some(UnixNanos(self.opened?.0 + FIRST_SUBSCRIPTION_NS))
    }

    fn handle_timeout(&mut self, now: UnixNanos, _out: &mut Vec<String>) -> Result<(), Offence> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return Ok(());
        }
        dropped("no subscription in time")
    }

    fn streams(&self) -> usize {
        self.followed.streams()
    }
}

fn refuse(reason: &str) -> String {
    json!({"type": "error", "message": "Failed to subscribe", "reason": reason}).to_string()
}
