//! One public connection as the exchange serves it: subscriptions, snapshots, changes, trades,
//! pongs. The words of its refusals are not verified against the exchange; clients must not read
//! them.

use super::super::ARGS_TEXT_MAX;
use super::data::{self, book};
use crate::base::instrument::Kind;
use crate::base::{Diff, Instrument, Quote, Side, Trade, UnixNanos};
use crate::exchange::kit::survey;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace, Played, Window};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A connection that says nothing and is told nothing is cut after ten minutes.
const IDLE_MAX_NS: i64 = 600_000_000_000;
/// The best levels are sent again after three seconds without a change, with the `u` that they had.
const REPEAT_NS: i64 = 3_000_000_000;
/// What a ticker's stream of spot does not tell, other than REST.
const NOT_OF_SPOT: [&str; 4] = ["bid1Price", "bid1Size", "ask1Price", "ask1Size"];

/// A stream of one instrument, by the place of its listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    /// So many levels per side.
    Depth(u16),
    Best,
    Trades,
    Ticker,
}

/// What a stream must remember of what it told.
enum Told {
    /// The window, and the number of the last message.
    Depth(Window, u64),
    /// The last message: `data`, `cts`, and when it was sent; `None` before the first one.
    Best(Option<(String, i64, UnixNanos)>),
    Trades,
    /// All fields.
    Ticker(Map<String, Value>),
}

/// The server half of one connection.
pub(crate) struct Session {
    args_max: usize,
    kind: Kind,
    streams: BTreeMap<(usize, Stream), (String, Told)>,
    /// When either side last spoke.
    heard: UnixNanos,
    played: Played,
}

#[derive(Deserialize)]
struct Asked {
    op: String,
    #[serde(default)]
    args: Vec<String>,
    /// Text or a number: it comes back as it is.
    #[serde(default)]
    req_id: Option<Value>,
}

impl Session {
    /// A connection that takes `args_max` topics a request.
    pub(crate) fn new(args_max: usize, kind: Kind) -> Self {
        Self {
            args_max,
            kind,
            streams: BTreeMap::new(),
            heard: UnixNanos(0),
            played: Played::default(),
        }
    }

    /// The streams that are asked for, all of them or none; the error is for the client.
    fn wanted(
        &self,
        asked: &Asked,
        market: &dyn Market,
    ) -> Result<Vec<(usize, Stream, String)>, String> {
        if self.kind == Kind::Spot && asked.args.len() > self.args_max {
            return Err("error:args size >10".to_owned());
        }
        let mut wanted = Vec::new();
        for topic in &asked.args {
            let (listing, stream) = find(topic, |symbol| market.find(symbol))
                .ok_or_else(|| format!("error:handler not found,topic:{topic}"))?;
            let is_held = self.streams.contains_key(&(listing, stream));
            if asked.op == "subscribe" && is_held {
                return Err(format!("error:already subscribed,topic:{topic}"));
            }
            wanted.push((listing, stream, topic.clone()));
        }
        let held = self.streams.values().map(|(topic, _)| topic.len() + 3);
        let more = asked.args.iter().map(|topic| topic.len() + 3);
        if asked.op == "subscribe" && held.chain(more).sum::<usize>() > ARGS_TEXT_MAX {
            return Err("error:args are too long".to_owned());
        }
        Ok(wanted)
    }

    /// A stream begins, with a snapshot if it has one.
    fn open(
        &mut self,
        (listing, stream, topic): (usize, Stream, String),
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let told = match stream {
            Stream::Depth(_) if market.is_played() => Told::Depth(Window::default(), 0),
            Stream::Best if market.is_played() => Told::Best(None),
            Stream::Ticker if market.is_played() => Told::Ticker(Map::new()),
            Stream::Trades => Told::Trades,
            Stream::Ticker => {
                let fields = self.ticker(listing, market);
                let data = Value::Object(fields.clone()).to_string();
                let (seq, _) = market.stands_at(listing, Pace::Fast);
                let body = (data.as_str(), seq as i64);
                out.push(self.frame(&topic, stream, "snapshot", market.now(), body));
                Told::Ticker(fields)
            }
            Stream::Best => {
                let (id, _) = market.stands_at(listing, Pace::Fast);
                let [bids, asks] =
                    [Side::Buy, Side::Sell].map(|side| market.levels(listing, side).next());
                let instrument = &market.listings()[listing].instrument;
                let data = book(instrument, bids.as_slice(), asks.as_slice(), id, id);
                let now = market.now();
                out.push(self.frame(&topic, stream, "snapshot", now, (&data, now.as_millis())));
                Told::Best(Some((data, now.as_millis(), now)))
            }
            Stream::Depth(levels) => {
                market.flush(listing, Pace::Fast);
                let (id, number) = market.stands_at(listing, Pace::Fast);
                let (window, bids, asks) = Window::open(market, listing, usize::from(levels));
                let instrument = &market.listings()[listing].instrument;
                let data = book(instrument, &bids, &asks, number, id);
                let now = market.now();
                out.push(self.frame(&topic, stream, "snapshot", now, (&data, now.as_millis())));
                Told::Depth(window, number)
            }
        };
        self.streams.insert((listing, stream), (topic, told));
    }

    /// Spot and the best levels have `ts` in front of `type`, the others behind it. The number is
    /// `cts` of a book and `cs` of a ticker.
    fn frame(
        &self,
        topic: &str,
        stream: Stream,
        kind: &str,
        now: UnixNanos,
        (data, number): (&str, i64),
    ) -> String {
        let (topic, ts) = (Value::from(topic), now.as_millis());
        let head = if self.kind == Kind::Spot || stream == Stream::Best {
            format!(r#""ts":{ts},"type":"{kind}""#)
        } else {
            format!(r#""type":"{kind}","ts":{ts}"#)
        };
        match stream {
            Stream::Trades => format!(r#"{{"topic":{topic},{head},"data":[{data}]}}"#),
            Stream::Ticker => {
                format!(r#"{{"topic":{topic},{head},"cs":{number},"data":{data}}}"#)
            }
            Stream::Best | Stream::Depth(_) => {
                format!(r#"{{"topic":{topic},{head},"data":{data},"cts":{number}}}"#)
            }
        }
    }

    fn handle_depth(
        &mut self,
        (diff, number): (&Diff, u64),
        market: &dyn Market,
        out: &mut Vec<String>,
    ) {
        let listing = diff.instrument.index();
        let Some(listed) = market.listings().get(listing) else {
            return;
        };
        for levels in [50, 200, 1_000] {
            let stream = Stream::Depth(levels);
            let Some((topic, Told::Depth(window, last))) = self.streams.get_mut(&(listing, stream))
            else {
                continue;
            };
            if number <= *last {
                continue; // The snapshot had it already.
            }
            *last = number;
            // Also if nothing changed inside the window: numbers have no holes.
            let (bids, asks) = window.step(market, listing, usize::from(levels));
            let data = book(&listed.instrument, &bids, &asks, number, diff.last_id);
            let (topic, cts) = (topic.clone(), diff.exch_time.as_millis());
            out.push(self.frame(&topic, stream, "delta", market.now(), (&data, cts)));
        }
    }

    /// A contract's ticker is told once and then what changed in it; spot's comes whole.
    fn handle_ticker(&mut self, diff: &Diff, market: &dyn Market, out: &mut Vec<String>) {
        let (listing, stream) = (diff.instrument.index(), Stream::Ticker);
        if !self.streams.contains_key(&(listing, stream)) {
            return;
        }
        let now = self.ticker(listing, market);
        let Some((topic, Told::Ticker(before))) = self.streams.get_mut(&(listing, stream)) else {
            return;
        };
        if now == *before {
            return;
        }
        let (kind, data) = if self.kind == Kind::Spot {
            ("snapshot", now.clone())
        } else {
            let new = |(key, value): &(&String, &Value)| {
                *key == "symbol" || before.get(*key) != Some(value)
            };
            let changed = now.iter().filter(new);
            let changed = changed.map(|(key, value)| (key.clone(), value.clone()));
            ("delta", changed.collect())
        };
        *before = now;
        let (topic, data) = (topic.clone(), Value::Object(data).to_string());
        let body = (data.as_str(), diff.last_id as i64);
        out.push(self.frame(&topic, stream, kind, market.now(), body));
    }

    fn ticker(&self, listing: usize, market: &dyn Market) -> Map<String, Value> {
        let mut fields = data::ticker(listing, market);
        if self.kind == Kind::Spot {
            fields.retain(|key, _| !NOT_OF_SPOT.contains(&key.as_str()));
        }
        fields
    }

    fn handle_quote(&mut self, quote: &Quote, market: &dyn Market, out: &mut Vec<String>) {
        let (listing, now) = (quote.instrument.index(), market.now());
        let Some(listed) = market.listings().get(listing) else {
            return;
        };
        let Some((topic, Told::Best(last))) = self.streams.get_mut(&(listing, Stream::Best)) else {
            return;
        };
        let id = quote.update_id;
        let data = book(&listed.instrument, &[quote.bid], &[quote.ask], id, id);
        *last = Some((data.clone(), now.as_millis(), now));
        let topic = topic.clone();
        let body = (data.as_str(), now.as_millis());
        out.push(self.frame(&topic, Stream::Best, "snapshot", now, body));
    }

    fn handle_trade(&mut self, trade: &Trade, market: &dyn Market, out: &mut Vec<String>) {
        let (listing, now) = (trade.instrument.index(), market.now());
        let Some(listed) = market.listings().get(listing) else {
            return;
        };
        if let Some((topic, Told::Trades)) = self.streams.get(&(listing, Stream::Trades)) {
            let data = print(&listed.instrument, trade);
            out.push(self.frame(topic, Stream::Trades, "snapshot", now, (&data, 0)));
        }
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        (self.heard, self.played) = (market.now(), Played::of(market));
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        self.heard = market.now();
        let Ok(asked) = serde_json::from_str::<Asked>(text) else {
            out.push(answer("", &None, Some("error:request is not valid")));
            return Ok(());
        };
        match asked.op.as_str() {
            "ping" => out.push(answer("ping", &asked.req_id, None)),
            "subscribe" | "unsubscribe" => match self.wanted(&asked, market) {
                Err(why) => out.push(answer(&asked.op, &asked.req_id, Some(&why))),
                Ok(wanted) => {
                    out.push(answer(&asked.op, &asked.req_id, None));
                    for one in wanted {
                        if asked.op == "subscribe" {
                            self.open(one, market, out);
                        } else {
                            self.streams.remove(&(one.0, one.1));
                        }
                    }
                }
            },
            op => out.push(answer(op, &asked.req_id, Some("error:op is not known"))),
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let before = out.len();
        match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                number,
                ..
            } => {
                self.handle_depth((diff, *number), market, out);
                self.handle_ticker(diff, market, out);
            }
            Happened::Depth {
                pace: Pace::Slow, ..
            } => {}
            Happened::Quote(quote) => self.handle_quote(quote, market, out),
            Happened::Trade(trade) => self.handle_trade(trade, market, out),
        }
        if out.len() > before {
            self.heard = market.now();
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let repeats = self.streams.values().filter_map(|(_, told)| match told {
            Told::Best(Some((_, _, sent))) => Some(sent.0 + REPEAT_NS),
            Told::Best(None) | Told::Depth(..) | Told::Trades | Told::Ticker(_) => None,
        });
        let idle = self.heard.0 + IDLE_MAX_NS;
        repeats.chain([idle]).min().map(UnixNanos)
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if now.0 >= self.heard.0 + IDLE_MAX_NS {
            return Err(Offence {
                code: 1000,
                reason: "idle for ten minutes".to_owned(),
            });
        }
        let mut due = Vec::new();
        for (topic, told) in self.streams.values_mut() {
            if let Told::Best(Some((data, cts, sent))) = told
                && now.0 >= sent.0 + REPEAT_NS
            {
                *sent = now;
                due.push((topic.clone(), data.clone(), *cts));
            }
        }
        for (topic, data, cts) in due {
            out.push(self.frame(&topic, Stream::Best, "snapshot", now, (&data, cts)));
            self.heard = now;
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }

    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let topic = root.find(b"topic").string()?;
            let stream = find(topic, |symbol| self.played.find(symbol))?;
            Some(self.streams.contains_key(&stream))
        })
    }
}

/// The listing and the stream that a topic names.
fn find(topic: &str, listing: impl Fn(&str) -> Option<usize>) -> Option<(usize, Stream)> {
    let (stream, symbol) = topic.rsplit_once('.')?;
    let stream = match stream {
        "orderbook.1" => Stream::Best,
        "orderbook.50" => Stream::Depth(50),
        "orderbook.200" => Stream::Depth(200),
        "orderbook.1000" => Stream::Depth(1_000),
        "publicTrade" => Stream::Trades,
        "tickers" => Stream::Ticker,
        _ => return None,
    };
    Some((listing(symbol)?, stream))
}

/// The answer to a request, and the pong. Who sent no id gets an empty one.
fn answer(op: &str, req_id: &Option<Value>, refused: Option<&str>) -> String {
    let said = if op == "ping" { "pong" } else { "" };
    json!({
        "success": refused.is_none(),
        "ret_msg": refused.unwrap_or(said),
        "conn_id": "00000000-0000-4000-8000-000000000001",
        "req_id": req_id.as_ref().unwrap_or(&Value::from("")),
        "op": op,
    })
    .to_string()
}

/// One trade.
fn print(instrument: &Instrument, trade: &Trade) -> String {
    json!({
        "T": trade.exch_time.as_millis(), "s": instrument.symbol.as_str(),
        "S": data::side(trade.taker),
        "v": data::qty(instrument, trade.qty.0), "p": data::px(instrument, trade.px.0),
        "i": data::print_id(instrument, trade),
        "BT": false, "RPI": false, "seq": trade.id,
    })
    .to_string()
}

#[cfg(test)]
mod tests;
