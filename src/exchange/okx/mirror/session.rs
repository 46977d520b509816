//! The server half of one stream connection. Never sees a socket: frames in, frames out.

use super::data::{self, levels, scales};
use crate::base::{Channel, Instrument, Side, UnixNanos};
use crate::exchange::DepthStream;
use crate::exchange::kit::survey;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace, Window};
use crate::exchange::okx::{DEPTHS, QUOTES, TRADES, WHOLE, channel};
use serde_json::{Value, json};

/// A connection on which nothing was pushed for so long is cut.
const SILENCE_MAX_NS: i64 = 30_000_000_000;
/// A book that nothing happened in says so this often.
const QUIET_NS: i64 = 60_000_000_000;
/// Subscriptions, their ends and logins that a connection may ask for within an hour.
const REQUESTS_MAX: usize = 480;
const HOUR_NS: i64 = 3_600_000_000_000;
/// The channel of tickers, every 100 ms if something changed.
const TICKERS: &str = "tickers";
/// The largest `args` of one request, in bytes.
const ARGS_MAX: usize = 64 * 1024;

/// One connection's subscriptions.
#[derive(Default)]
pub(crate) struct OkxSession {
    topics: Vec<Followed>,
    /// When requests of the last hour came.
    requests: Vec<UnixNanos>,
    /// When the last frame was sent.
    sent: UnixNanos,
}

struct Followed {
    listing: usize,
    /// The exchange's name of the channel.
    channel: &'static str,
    symbol: String,
    book: Option<Book>,
    /// What the client of a ticker was told last.
    ticker: Value,
}

/// What the client of a depth channel knows.
struct Book {
    levels: usize,
    window: Window,
    /// The id of the last message.
    seq: u64,
    /// When that was sent.
    sent: UnixNanos,
}

impl MirrorSession for OkxSession {
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
        if text == "ping" {
            out.push("pong".to_owned());
            return Ok(());
        }
        let request = serde_json::from_str::<Value>(text).unwrap_or_default();
        let (id, op) = (&request["id"], request["op"].as_str());
        let args = request["args"].as_array().filter(|args| !args.is_empty());
        let (Some(op @ ("subscribe" | "unsubscribe")), Some(args)) = (op, args) else {
            let msg = format!("Invalid request: {text}");
            out.push(refusal(id, "60012", &msg));
            return Ok(());
        };
        if request["args"].to_string().len() > ARGS_MAX {
            out.push(refusal(id, "60013", "Invalid args"));
            return Ok(());
        }
        let now = market.now();
        self.requests.retain(|at| now.0 - at.0 < HOUR_NS);
        if self.requests.len() == REQUESTS_MAX {
            out.push(refusal(id, "60014", "Requests too frequent"));
            return Ok(());
        }
        self.requests.push(now);
        for arg in args {
            self.about(op, id, arg, market, out);
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let before = out.len();
        for topic in &mut self.topics {
            topic.tell(event, market, out);
        }
        if out.len() > before {
            self.sent = market.now();
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        let books = self.topics.iter().filter_map(|topic| topic.book.as_ref());
        let quiet = books.map(|book| UnixNanos(book.sent.0 + QUIET_NS)).min();
        let cut = UnixNanos(self.sent.0 + SILENCE_MAX_NS);
        Some(quiet.map_or(cut, |quiet| quiet.min(cut)))
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if now.0 - self.sent.0 >= SILENCE_MAX_NS {
            return Err(Offence {
                code: 4004,
                reason: "No data received in 30s.".to_owned(),
            });
        }
        for topic in &mut self.topics {
            if let Some(text) = topic.quiet(now) {
                self.sent = now;
                out.push(text);
            }
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.topics.len()
    }

    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let arg = root.find(b"arg");
            let of = (
                arg.find(b"channel").string()?,
                arg.find(b"instId").string()?,
            );
            let mut topics = self.topics.iter();
            let follows = topics.any(|topic| (topic.channel, topic.symbol.as_str()) == of);
            Some(follows && root.find(b"event").is_absent())
        })
    }
}

impl OkxSession {
    /// Something was sent at this time.
    #[cfg(test)]
    pub(crate) fn heard(&mut self, at: UnixNanos) {
        self.sent = at;
    }

    /// Does what one element of `args` asks for.
    fn about(
        &mut self,
        op: &str,
        id: &Value,
        arg: &Value,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let asked = arg["channel"].as_str().unwrap_or_default();
        let symbol = arg["instId"].as_str().unwrap_or_default();
        let (Some((name, depth)), Some(listing)) = (known(asked), market.find(symbol)) else {
            let msg = format!(
                "Wrong URL or channel:{asked},instId:{symbol} doesn't exist. \
                 Please use the correct URL, channel and parameters referring to API document."
            );
            out.push(refusal(id, "60018", &msg));
            return;
        };
        if asked.ends_with("-l2-tbt") && !market.is_played() {
            out.push(refusal(id, "60011", "Please log in"));
            return;
        }
        let mut ack = json!({"event": op, "arg": arg, "connId": "a1b2c3d4"});
        if !id.is_null() {
            ack["id"] = id.clone();
        }
        out.push(ack.to_string());
        self.topics
            .retain(|topic| (topic.listing, topic.channel) != (listing, name));
        if op == "unsubscribe" {
            return;
        }
        let mut topic = Followed {
            listing,
            channel: name,
            symbol: symbol.to_owned(),
            book: None,
            ticker: Value::Null,
        };
        if market.is_played() {
            self.topics.push(topic);
            return;
        }
        if let Some(depth) = depth {
            market.flush(listing, Pace::Fast);
            topic.open(depth, market, out);
        }
        topic.tick(market, out);
        self.topics.push(topic);
    }
}

/// The channel of this name, and which depth stream it is.
fn known(name: &str) -> Option<(&'static str, Option<&'static DepthStream>)> {
    if let Some(depth) = DEPTHS.iter().find(|depth| depth.name == name) {
        return Some((depth.name, Some(depth)));
    }
    if name == TICKERS {
        return Some((TICKERS, None));
    }
    match channel(name, &DEPTHS[0])? {
        Channel::Trades => Some((TRADES, None)),
        Channel::Quotes => Some((QUOTES, None)),
        Channel::Depth => None,
    }
}

impl Followed {
    /// The whole window, as the first message has it.
    fn open(&mut self, depth: &DepthStream, market: &dyn Market, out: &mut Vec<String>) {
        let count = usize::from(depth.rule.window.unwrap_or_default());
        let (window, bids, asks) = Window::open(market, self.listing, count);
        let (seq, _) = market.stands_at(self.listing, Pace::Fast);
        let scales = scales(self.instrument(market));
        let item = levels(&bids, &asks, scales, seq, market.now());
        out.push(if self.channel == WHOLE {
            self.push(item)
        } else {
            self.action("snapshot", item, -1)
        });
        self.book = Some(Book {
            levels: count,
            window,
            seq,
            sent: market.now(),
        });
    }

    fn tell(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let (now, scales) = (market.now(), scales(self.instrument(market)));
        match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                ..
            } if diff.instrument.index() == self.listing => {
                self.tick(market, out);
                let (listing, whole) = (self.listing, self.channel == WHOLE);
                let Some(book) = self.book.as_mut().filter(|book| diff.last_id > book.seq) else {
                    return;
                };
                let (mut bids, mut asks) = book.window.step(market, listing, book.levels);
                if bids.is_empty() && asks.is_empty() {
                    return; // It happened beyond the window.
                }
                if whole {
                    let side = |side| market.levels(listing, side).take(book.levels).collect();
                    (bids, asks) = (side(Side::Buy), side(Side::Sell));
                }
                let prev = book.seq as i64;
                (book.seq, book.sent) = (diff.last_id, now);
                let item = levels(&bids, &asks, scales, book.seq, now);
                out.push(if whole {
                    self.push(item)
                } else {
                    self.action("update", item, prev)
                });
            }
            Happened::Depth { .. } => {}
            Happened::Trade(trade) => {
                if self.channel == TRADES && trade.instrument.index() == self.listing {
                    out.push(self.push(data::print(trade, self.instrument(market))));
                }
            }
            Happened::Quote(quote) => {
                if self.channel == QUOTES && quote.instrument.index() == self.listing {
                    let (bids, asks) = (&[quote.bid], &[quote.ask]);
                    out.push(self.push(levels(bids, asks, scales, quote.update_id, now)));
                }
            }
        }
    }

    /// A ticker that changed, but for its time.
    fn tick(&mut self, market: &dyn Market, out: &mut Vec<String>) {
        if self.channel != TICKERS {
            return;
        }
        let now = data::ticker(self.listing, market);
        let mut at_last = now.clone();
        at_last["ts"] = self.ticker["ts"].clone();
        if at_last != self.ticker {
            out.push(self.push(now.clone()));
            self.ticker = now;
        }
    }

    /// That nothing happened: a message that follows itself. `books5` says nothing then.
    fn quiet(&mut self, now: UnixNanos) -> Option<String> {
        let book = self.book.as_mut()?;
        if now.0 - book.sent.0 < QUIET_NS {
            return None;
        }
        book.sent = now;
        let seq = book.seq;
        let item = levels(&[], &[], (0, 0), seq, now);
        (self.channel != WHOLE).then(|| self.action("update", item, seq as i64))
    }

    fn instrument<'m>(&self, market: &'m dyn Market) -> &'m Instrument {
        &market.listings()[self.listing].instrument
    }

    /// A message with one item.
    fn push(&self, item: Value) -> String {
        let arg = json!({"channel": self.channel, "instId": self.symbol});
        json!({"arg": arg, "data": [item]}).to_string()
    }

    fn action(&self, action: &str, mut item: Value, prev: i64) -> String {
        item["prevSeqId"] = prev.into();
        item["checksum"] = 0.into(); // What the exchange writes since 2026-06-23.
        let arg = json!({"channel": self.channel, "instId": self.symbol});
        json!({"arg": arg, "action": action, "data": [item]}).to_string()
    }
}

fn refusal(id: &Value, code: &str, msg: &str) -> String {
    let mut answer = json!({"event": "error", "code": code, "msg": msg, "connId": "a1b2c3d4"});
    if !id.is_null() {
        answer["id"] = id.clone();
    }
    answer.to_string()
}
