//! The server half of one stream connection. Never sees a socket: frames in, frames out.

use super::data::{self, Grain};
use super::rest;
use crate::base::{Kind, UnixNanos};
use crate::exchange::hyperliquid::{BOOK, DEPTHS, FAST, FAST_WINDOW, QUOTES, TRADES, WINDOW};
use crate::exchange::kit::survey;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace, Played};
use serde_json::{Value, json};

/// A connection to which nothing was sent for so long is cut.
const SILENCE_MAX_NS: i64 = 60_000_000_000;
/// Subscriptions of one address: here all of them are of one connection.
const TOPICS_MAX: usize = 1_000;
/// Prints that whoever subscribes to them is told of first.
const PAST_MAX: usize = 30;
/// All middles come this often.
const MIDS_NS: i64 = 2_000_000_000;

/// What can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kinds {
    /// A book: few levels and often, or many and seldom.
    Book(bool, Grain),
    Trades,
    Quotes,
    Context,
    /// The middle of every book.
    Mids,
}

/// One subscription. A fast and a slow book of one coin are two.
struct Topic {
    kind: Kinds,
    /// Of all coins if it is none.
    listing: Option<usize>,
    /// When the last message was sent.
    sent: UnixNanos,
    /// A message that came too early after that one and waits.
    waiting: Option<String>,
    /// What was said last, of what is sent only if it changed.
    last: Value,
}

impl Topic {
    /// The shortest time between two messages.
    fn pause_ns(&self) -> i64 {
        match self.kind {
            Kinds::Book(fast, _) => {
                let depth = DEPTHS.iter().find(|depth| (depth.name == FAST) == fast);
                let every_ms = depth.and_then(|depth| depth.every_ms);
                i64::from(every_ms.unwrap_or_default()) * 1_000_000
            }
            Kinds::Mids => MIDS_NS,
            Kinds::Trades | Kinds::Quotes | Kinds::Context => 0,
        }
    }

    /// What it says now of where things stand.
    fn now(&self, market: &dyn Market) -> Value {
        match (self.kind, self.listing) {
            (Kinds::Book(fast, grain), Some(listing)) => {
                let window = usize::from(if fast { FAST_WINDOW } else { WINDOW });
                let mut data = data::book(market, listing, window, grain);
                if fast {
                    data["fast"] = true.into();
                }
                json!({"channel": BOOK, "data": data})
            }
            (Kinds::Quotes, Some(listing)) => {
                json!({"channel": QUOTES, "data": data::touch(market, listing)})
            }
            (Kinds::Context, Some(listing)) => {
                let listed = &market.listings()[listing];
                let ctx = data::context(market, listing);
                let channel = match listed.instrument.kind {
                    Kind::Spot => "activeSpotAssetCtx",
                    Kind::Perpetual | Kind::Future | Kind::Option => "activeAssetCtx",
                };
                let coin = listed.instrument.symbol.as_str();
                json!({"channel": channel, "data": {"coin": coin, "ctx": ctx}})
            }
            (Kinds::Trades, Some(listing)) => {
                let instrument = &market.listings()[listing].instrument;
                let mut past: Vec<_> = market.prints(listing).rev().take(PAST_MAX).collect();
                past.reverse();
                let data = data::trades(past.into_iter(), instrument);
                json!({"channel": TRADES, "data": data})
            }
            (_, None) | (Kinds::Mids, Some(_)) => {
                json!({"channel": "allMids", "data": {"mids": data::mids(market)}})
            }
        }
    }

    /// Sends what it says now, or keeps it until it may. All middles are not worth keeping: some
    /// other book moves soon.
    fn say(&mut self, market: &dyn Market, out: &mut Vec<String>) {
        let early = market.now().0 - self.sent.0 < self.pause_ns();
        if early && self.kind == Kinds::Mids {
            return;
        }
        let now = self.now(market);
        if self.kind == Kinds::Context {
            if now == self.last {
                return;
            }
            self.last = now.clone();
        }
        let text = now.to_string();
        if early {
            self.waiting = Some(text);
            return;
        }
        (self.sent, self.waiting) = (market.now(), None);
        out.push(text);
    }

    /// When what waits may be sent.
    fn due(&self) -> Option<UnixNanos> {
        let due = UnixNanos(self.sent.0 + self.pause_ns());
        self.waiting.as_ref().map(|_| due)
    }
}

/// One connection's subscriptions.
#[derive(Default)]
pub(crate) struct HyperliquidSession {
    topics: Vec<Topic>,
    /// When the last frame was sent.
    sent: UnixNanos,
    played: Played,
}

impl MirrorSession for HyperliquidSession {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        (self.sent, self.played) = (market.now(), Played::of(market));
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        self.sent = market.now();
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        match request["method"].as_str() {
            Some("ping") => out.push(json!({"channel": "pong"}).to_string()),
            Some(method @ ("subscribe" | "unsubscribe")) => {
                self.about(method, &request["subscription"], market, out);
            }
            Some("post") => out.push(post(&request, market)),
            _ => out.push(error(&format!(
                "Error parsing JSON into valid websocket request: {text}"
            ))),
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let before = out.len();
        match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                ..
            } => {
                let listing = diff.instrument.index();
                for topic in &mut self.topics {
                    let of_it = topic.listing.is_none_or(|at| at == listing);
                    let moves = match topic.kind {
                        Kinds::Book(..) | Kinds::Context | Kinds::Mids => of_it,
                        Kinds::Trades | Kinds::Quotes => false,
                    };
                    if moves {
                        topic.say(market, out);
                    }
                }
            }
            Happened::Depth {
                pace: Pace::Slow, ..
            } => {}
            Happened::Trade(trade) => {
                let listing = trade.instrument.index();
                let Some(listed) = market.listings().get(listing) else {
                    return;
                };
                if self.follows(Kinds::Trades, Some(listing)) {
                    let data = data::trades(std::iter::once(*trade), &listed.instrument);
                    out.push(json!({"channel": TRADES, "data": data}).to_string());
                }
            }
            Happened::Quote(quote) => {
                let listing = quote.instrument.index();
                let wanted = |topic: &&mut Topic| {
                    (topic.kind, topic.listing) == (Kinds::Quotes, Some(listing))
                };
                if let Some(topic) = self.topics.iter_mut().find(wanted) {
                    topic.say(market, out);
                }
            }
        }
        if out.len() > before {
            self.sent = market.now();
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let cut = UnixNanos(self.sent.0 + SILENCE_MAX_NS);
        let due = self.topics.iter().filter_map(Topic::due);
        due.chain([cut]).min()
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        for topic in &mut self.topics {
            if topic.due().is_some_and(|due| due <= now) {
                topic.sent = now;
                out.extend(topic.waiting.take());
                self.sent = now;
            }
        }
        if now.0 - self.sent.0 < SILENCE_MAX_NS {
            return Ok(());
        }
        Err(Offence {
            code: 1000,
            reason: "Inactive".to_owned(),
        })
    }

    fn streams(&self) -> usize {
        self.topics.len()
    }

    /// Books did not say that they are fast in all years, so that one which does not say it is of
    /// either kind.
    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let (channel, data) = (root.find(b"channel").string()?, root.find(b"data"));
            let one = data.items().next().unwrap_or(data);
            let coin = one.find(b"coin").string();
            let listing = coin.and_then(|coin| self.played.find(coin));
            let follows = |kind| self.follows(kind, listing);
            let book = |fast| follows(Kinds::Book(fast, Grain::WHOLE));
            Some(match (channel, listing) {
                ("allMids", _) => follows(Kinds::Mids),
                (_, None) => false,
                (BOOK, _) => book(true) || (one.find(b"fast").boolean() != Ok(true) && book(false)),
                (TRADES, _) => follows(Kinds::Trades),
                (QUOTES, _) => follows(Kinds::Quotes),
                ("activeAssetCtx" | "activeSpotAssetCtx", _) => follows(Kinds::Context),
                _ => false,
            })
        })
    }
}

impl HyperliquidSession {
    /// Whether it is subscribed to this of a coin, or of all if there is none.
    fn follows(&self, kind: Kinds, listing: Option<usize>) -> bool {
        let mut topics = self.topics.iter();
        topics.any(|topic| (topic.kind, topic.listing) == (kind, listing))
    }

    /// Begins or ends a subscription.
    fn about(
        &mut self,
        method: &str,
        asked: &Value,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let Some((kind, listing)) = known(asked, market) else {
            out.push(error(&format!("Invalid subscription {asked}")));
            return;
        };
        let is_it = |topic: &Topic| (topic.kind, topic.listing) == (kind, listing);
        let more = method == "subscribe";
        if more == self.topics.iter().any(is_it) {
            out.push(error(&format!("Already {method}d: {asked}")));
            return;
        }
        if more && self.topics.len() == TOPICS_MAX {
            let why = format!("Cannot track more than {TOPICS_MAX} subscriptions: {asked}");
            out.push(error(&why));
            return;
        }
        let mut echo = asked.clone();
        if let Kinds::Book(_, grain) = kind {
            grain.echo(&mut echo);
        }
        let data = json!({"method": method, "subscription": echo});
        out.push(json!({"channel": "subscriptionResponse", "data": data}).to_string());
        if !more {
            self.topics.retain(|topic| !is_it(topic));
            return;
        }
        let mut topic = Topic {
            kind,
            listing,
            sent: UnixNanos(i64::MIN / 2),
            waiting: None,
            last: Value::Null,
        };
        if let (Kinds::Book(..), Some(listing)) = (kind, listing) {
            market.flush(listing, Pace::Fast);
        }
        let silent = kind == Kinds::Trades
            && listing.is_none_or(|listing| market.prints(listing).next().is_none());
        if !silent && !market.is_played() {
            topic.say(market, out);
        }
        self.topics.push(topic);
    }
}

/// What a subscription is to; nothing if there is no such thing.
fn known(asked: &Value, market: &dyn Market) -> Option<(Kinds, Option<usize>)> {
    let kind = match asked["type"].as_str()? {
        BOOK => Kinds::Book(asked["fast"] == true, Grain::asked(asked)?),
        TRADES => Kinds::Trades,
        QUOTES => Kinds::Quotes,
        "activeAssetCtx" => Kinds::Context,
        "allMids" => {
            let own = asked["dex"].as_str().unwrap_or_default().is_empty();
            return own.then_some((Kinds::Mids, None));
        }
        _ => return None,
    };
    let coin = asked["coin"].as_str()?;
    Some((kind, Some(market.find(coin)?)))
}

/// A question of the REST service, asked over the connection.
fn post(request: &Value, market: &dyn Market) -> String {
    let (asked, id) = (&request["request"], &request["id"]);
    let answer = match asked["type"].as_str() {
        Some("info") => rest::info(&asked["payload"], market),
        _ => None,
    };
    let response = match answer {
        Some(data) => {
            let kind = &asked["payload"]["type"];
            json!({"type": "info", "payload": {"type": kind, "data": data}})
        }
        None => {
            let why = format!("422 Unprocessable Entity: {}", rest::NOT_UNDERSTOOD);
            json!({"type": "error", "payload": why})
        }
    };
    json!({"channel": "post", "data": {"id": id, "response": response}}).to_string()
}

fn error(why: &str) -> String {
    json!({"channel": "error", "data": why}).to_string()
}
