//! The first version of the stream: arrays, numbers as text, pairs under their old names. Tells of
//! no instruments.

use super::names::Names;
use super::session::{Asked, Sides, Spelling, Verb, checksum};
use super::{px, qty, rest};
use crate::base::{Level, Quote, Trade, UnixNanos};
use crate::exchange::kit;
use crate::exchange::kraken::market::v1::Frame;
use crate::exchange::mirror::Market;
use serde_json::{Value, json};

/// The first version.
pub(super) struct First;

impl Spelling for First {
    fn hello(&self) -> String {
        let event = "systemStatus";
        json!({"connectionID": 1, "event": event, "status": "online", "version": "1.9.6"})
            .to_string()
    }

    fn heartbeat(&self) -> String {
        r#"{"event":"heartbeat"}"#.to_owned()
    }

    fn read(&self, text: &str) -> Asked {
        let asked: Value = serde_json::from_str(text).unwrap_or_default();
        let how = &asked["subscription"];
        let pairs = asked["pair"].as_array().into_iter().flatten();
        Asked {
            verb: match asked["event"].as_str() {
                Some("ping") => Verb::Ping,
                Some("subscribe") => Verb::Subscribe,
                Some("unsubscribe") => Verb::Unsubscribe,
                _ => Verb::Unknown,
            },
            id: asked["reqid"].as_u64(),
            channel: how["name"].as_str().unwrap_or_default().to_owned(),
            pairs: pairs.filter_map(Value::as_str).map(str::to_owned).collect(),
            depth: how["depth"].as_u64().unwrap_or(10).try_into().unwrap_or(0),
            snapshot: true,
            on_quotes: false,
        }
    }

    fn pong(&self, asked: &Asked, _: UnixNanos) -> String {
        answer(json!({"event": "pong"}), asked)
    }

    fn accept(&self, asked: &Asked, of: Option<usize>, market: &dyn Market) -> String {
        let mut said = status(asked);
        said["status"] = match asked.verb {
            Verb::Unsubscribe => "unsubscribed".into(),
            Verb::Subscribe | Verb::Ping | Verb::Unknown => "subscribed".into(),
        };
        if let Some(of) = of {
            said["channelID"] = channel_id(asked.depth, of).into();
            said["channelName"] = channel(asked).into();
            said["pair"] = Names::of(&market.listings()[of].instrument).wsname.into();
        }
        answer(said, asked)
    }

    fn refuse(&self, asked: &Asked, pair: Option<&str>, why: &str, _: UnixNanos) -> String {
        let mut said = status(asked);
        said["status"] = "error".into();
        said["errorMessage"] = why.into();
        if let Some(pair) = pair {
            said["pair"] = pair.into();
        }
        answer(said, asked)
    }

    fn find(&self, pair: &str, market: &dyn Market) -> Option<usize> {
        let mut listings = market.listings().iter();
        let slashed = pair.contains('/');
        listings.position(|listing| slashed && Names::of(&listing.instrument).has(pair))
    }

    /// A change of both sides is two objects, of which the last has the checksum.
    fn book(&self, new: bool, depth: u16, sides: &Sides, of: usize, market: &dyn Market) -> String {
        let found = &market.listings()[of].instrument;
        let stamp = seconds(market.now());
        let side = |levels: &[Level]| -> Value {
            let one = |level: &Level| json!([px(level.px, found), qty(level.qty, found), stamp]);
            levels.iter().map(one).collect()
        };
        let (bids, asks) = (side(&sides.0), side(&sides.1));
        let mut bodies = match (new, sides.0.is_empty(), sides.1.is_empty()) {
            (true, _, _) => vec![json!({"as": asks, "bs": bids})],
            (false, false, false) => vec![json!({"a": asks}), json!({"b": bids})],
            (false, _, true) => vec![json!({"b": bids})],
            (false, true, false) => vec![json!({"a": asks})],
        };
        if let (false, Some(last)) = (new, bodies.last_mut()) {
            let digits = |level: Level| {
                let digits = [px(level.px, found), qty(level.qty, found)];
                let digits = digits.map(|text| text.replace('.', ""));
                digits
                    .map(|text| text.trim_start_matches('0').to_owned())
                    .concat()
            };
            last["c"] = checksum(market, of, digits).to_string().into();
        }
        frame(
            channel_id(depth, of),
            bodies,
            &format!("book-{depth}"),
            of,
            market,
        )
    }

    fn prints(&self, _: bool, prints: &[Trade], of: usize, market: &dyn Market) -> String {
        let found = &market.listings()[of].instrument;
        let one = |trade: &Trade| {
            let [px, qty, side, kind] = rest::print(trade, found);
            json!([px, qty, seconds(trade.exch_time), side, kind, ""])
        };
        let prints: Value = prints.iter().map(one).collect();
        frame(channel_id(0, of), vec![prints], "trade", of, market)
    }

    fn ticker(&self, _: bool, quote: &Quote, market: &dyn Market) -> Option<String> {
        let n = quote.instrument.index();
        market.listings().get(n)?;
        let day = rest::day(n, market);
        Some(frame(channel_id(1, n), vec![day], "ticker", n, market))
    }

    fn instruments(&self, _: &dyn Market) -> Option<String> {
        None
    }

    fn recorded<'f>(&self, root: kit::Value<'f>) -> Option<(&'f str, Vec<&'f str>)> {
        let frame = Frame::of(root).ok().filter(|_| root.is_array())?;
        Some((frame.channel, vec![frame.pair.string()?]))
    }
}

/// A number of its own for each stream.
fn channel_id(kind: u16, of: usize) -> u64 {
    of as u64 * 2_000 + u64::from(kind)
}

fn channel(asked: &Asked) -> String {
    match asked.channel.as_str() {
        "book" => format!("book-{}", asked.depth),
        other => other.to_owned(),
    }
}

fn status(asked: &Asked) -> Value {
    let mut how = json!({"name": asked.channel});
    if asked.channel == "book" {
        how["depth"] = asked.depth.into();
    }
    json!({"event": "subscriptionStatus", "subscription": how})
}

fn answer(mut said: Value, asked: &Asked) -> String {
    if let Some(id) = asked.id {
        said["reqid"] = id.into();
    }
    said.to_string()
}

fn frame(id: u64, bodies: Vec<Value>, channel: &str, of: usize, market: &dyn Market) -> String {
    let pair = Names::of(&market.listings()[of].instrument).wsname;
    let mut all = vec![Value::from(id)];
    all.extend(bodies);
    all.extend([channel.into(), pair.into()]);
    Value::from(all).to_string()
}

/// `1534614248.123678`.
fn seconds(time: UnixNanos) -> String {
    let micros = time.as_micros();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
