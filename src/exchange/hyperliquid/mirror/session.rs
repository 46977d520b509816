//! The server half of one stream connection. Never sees a socket: frames in, frames out.

use super::number;
use crate::base::{Channel, Instrument, Level, Side, Trade, UnixNanos};
use crate::exchange::hyperliquid::{FAST_WINDOW, WINDOW, channel};
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// A connection to which nothing was sent for so long is cut.
const SILENCE_MAX_NS: i64 = 60_000_000_000;
/// Subscriptions of one address: here all of them are of one connection.
const TOPICS_MAX: usize = 1_000;
/// Prints of all coins that are kept for those who subscribe later.
const PAST_MAX: usize = 64;

/// What can be subscribed to, by listing. A fast and a slow book of one coin are two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Topic {
    listing: usize,
    channel: Channel,
    /// Of books only: few levels, often.
    fast: bool,
}

/// One connection's subscriptions.
#[derive(Default)]
pub(crate) struct HyperliquidSession {
    topics: Vec<Topic>,
    past: VecDeque<Trade>,
    /// When the last frame was sent.
    sent: UnixNanos,
}

impl MirrorSession for HyperliquidSession {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        self.sent = market.now();
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
            _ => out.push(error(&format!(
                "Error parsing JSON into valid websocket request: {text}"
            ))),
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let (listing, channel) = match event {
            Happened::Depth { pace, diff, .. } => match pace {
                Pace::Fast => (diff.instrument.index(), Channel::Depth),
                Pace::Slow => return,
            },
            Happened::Trade(trade) => {
                self.past.push_back(*trade);
                if self.past.len() > PAST_MAX {
                    self.past.pop_front();
                }
                (trade.instrument.index(), Channel::Trades)
            }
            Happened::Quote(quote) => (quote.instrument.index(), Channel::Quotes),
        };
        let Some(listed) = market.listings().get(listing) else {
            return;
        };
        let instrument = &listed.instrument;
        let wanted = |topic: &&Topic| (topic.listing, topic.channel) == (listing, channel);
        for topic in self.topics.iter().filter(wanted) {
            self.sent = market.now();
            out.push(match event {
                Happened::Depth { .. } => book(listing, topic.fast, market),
                Happened::Trade(trade) => trades(&[*trade], instrument),
                Happened::Quote(quote) => {
                    let both = [quote.bid, quote.ask].map(|one| level(&one, instrument));
                    let data = head(instrument, market, ("bbo", json!(both)));
                    json!({"channel": "bbo", "data": data}).to_string()
                }
            });
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        Some(UnixNanos(self.sent.0 + SILENCE_MAX_NS))
    }

    fn handle_timeout(&mut self, now: UnixNanos, _out: &mut Vec<String>) -> Result<(), Offence> {
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
}

impl HyperliquidSession {
    /// Begins or ends a subscription.
    fn about(
        &mut self,
        method: &str,
        asked: &Value,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let known = asked["type"].as_str().and_then(channel);
        let coin = asked["coin"].as_str().unwrap_or_default();
        let (Some(channel), Some(listing)) = (known, market.find(coin)) else {
            out.push(error(&format!("Invalid subscription {asked}")));
            return;
        };
        let fast = channel == Channel::Depth && asked["fast"] == true;
        let topic = Topic {
            listing,
            channel,
            fast,
        };
        let held = self.topics.contains(&topic);
        let more = method == "subscribe";
        if more == held {
            out.push(error(&format!("Already {method}d: {asked}")));
            return;
        }
        if more && self.topics.len() == TOPICS_MAX {
            let why = format!("Cannot track more than {TOPICS_MAX} subscriptions: {asked}");
            out.push(error(&why));
            return;
        }
        let mut echo = asked.clone();
        if channel == Channel::Depth {
            echo["nSigFigs"] = Value::Null;
            echo["mantissa"] = Value::Null;
        }
        let data = json!({"method": method, "subscription": echo});
        out.push(json!({"channel": "subscriptionResponse", "data": data}).to_string());
        if !more {
            self.topics.retain(|held| *held != topic);
            return;
        }
        self.topics.push(topic);
        match channel {
            Channel::Depth => {
                market.flush(listing, Pace::Fast);
                out.push(book(listing, fast, market));
            }
            Channel::Trades => {
                let past = self.past.iter().filter(|t| t.instrument.index() == listing);
                let past: Vec<Trade> = past.copied().collect();
                if !past.is_empty() {
                    out.push(trades(&past, &market.listings()[listing].instrument));
                }
            }
            Channel::Quotes => {}
        }
    }
}

/// The whole window now.
fn book(listing: usize, fast: bool, market: &dyn Market) -> String {
    let window = usize::from(if fast { FAST_WINDOW } else { WINDOW });
    let instrument = &market.listings()[listing].instrument;
    let levels = [Side::Buy, Side::Sell].map(|side| -> Vec<Value> {
        let best = market.levels(listing, side).take(window);
        best.map(|one| level(&one, instrument)).collect()
    });
    let mut data = head(instrument, market, ("levels", json!(levels)));
    if fast {
        data["fast"] = true.into();
    }
    json!({"channel": "l2Book", "data": data}).to_string()
}

fn head(instrument: &Instrument, market: &dyn Market, (key, value): (&str, Value)) -> Value {
    let time_ms = market.now().as_millis();
    let mut data = json!({"coin": instrument.symbol.as_str(), "time": time_ms});
    data[key] = value;
    data
}

fn level(level: &Level, instrument: &Instrument) -> Value {
    let px = number(level.px.0.unsigned_abs(), instrument.px_scale);
    json!({"px": px, "sz": number(level.qty.0, instrument.qty_scale), "n": 1})
}

fn trades(trades: &[Trade], instrument: &Instrument) -> String {
    let one = |trade: &Trade| {
        json!({
            "coin": instrument.symbol.as_str(),
            "side": match trade.taker {
                Side::Buy => "B",
                Side::Sell => "A",
            },
            "px": number(trade.px.0.unsigned_abs(), instrument.px_scale),
            "sz": number(trade.qty.0, instrument.qty_scale),
            "time": trade.exch_time.as_millis(),
            "hash": format!("0x{:064x}", trade.id),
            "tid": trade.id,
            "users": ["0x0000000000000000000000000000000000000001",
                      "0x0000000000000000000000000000000000000002"],
        })
    };
    let data: Vec<Value> = trades.iter().map(one).collect();
    json!({"channel": "trades", "data": data}).to_string()
}

fn error(why: &str) -> String {
    json!({"channel": "error", "data": why}).to_string()
}
