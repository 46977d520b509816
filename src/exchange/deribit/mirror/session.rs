//! One client's connection: its calls, its channels, its heartbeat. Holds its subscriptions; no
//! socket and no book.

use super::data;
use super::methods::{self, Failure, Params};
use crate::base::{Instrument, InstrumentId, Level, Side, UnixNanos};
use crate::exchange::kit::survey;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Channels that one call may name.
const CHANNELS_MAX: usize = 500;
/// Half an interval: the client is asked, and has as long to answer.
const NS_PER_HALF_S: i64 = 500_000_000;
/// Levels that a book without actions may have.
const DEPTHS: [&str; 3] = ["1", "10", "20"];

/// What a channel tells of one instrument.
enum Told {
    /// The whole book and its changes, and the id at which it was shown last.
    Book(Pace, u64),
    /// So many levels, whole each time, and the id at which they were shown last.
    Top(Pace, usize, u64),
    Trades,
    Quote,
    /// What was said last, without its time.
    Ticker(Pace, Value),
}

/// A channel as it tells of one instrument.
struct Channel {
    name: String,
    told: Told,
}

/// One client.
#[derive(Default)]
pub(crate) struct Session {
    /// The names of all channels that are followed.
    names: BTreeSet<String>,
    /// What they tell, by the instrument's place in the listings.
    followed: BTreeMap<usize, Vec<Channel>>,
    /// The half of the heartbeat's interval; none is sent before it is asked for.
    half: Option<i64>,
    /// When the next heartbeat, or the answer to the last one, is due.
    due: UnixNanos,
    /// A test request waits for its answer.
    asked: bool,
}

/// How often a channel of this interval speaks. Only a recording has all changes at once.
fn pace(interval: &str, market: &dyn Market) -> Option<Pace> {
    match interval {
        "100ms" => Some(Pace::Fast),
        "raw" if market.is_played() => Some(Pace::Fast),
        "agg2" => Some(Pace::Slow),
        _ => None,
    }
}

/// What a channel tells, and of which instruments; nothing if there is no such channel.
fn find(name: &str, market: &dyn Market) -> Option<Vec<(usize, Told)>> {
    let parts: Vec<&str> = name.split('.').collect();
    let one = |symbol: &str, told: Told| Some(vec![(market.find(symbol)?, told)]);
    match parts[..] {
        ["book", symbol, interval] => one(symbol, Told::Book(pace(interval, market)?, 0)),
        ["book", symbol, "none", depth, interval] if DEPTHS.contains(&depth) => {
            let pace = pace(interval, market)?;
            one(symbol, Told::Top(pace, depth.parse().ok()?, 0))
        }
        ["trades", symbol, interval] => pace(interval, market).and(one(symbol, Told::Trades)),
        ["trades", kind, currency, interval] => {
            pace(interval, market)?;
            let listings = market.listings().iter().enumerate();
            let of = |one: &Instrument| methods::is_of(one, kind, currency);
            let found = listings.filter(|(_, one)| of(&one.instrument));
            let found: Vec<_> = found.map(|(n, _)| (n, Told::Trades)).collect();
            (!found.is_empty()).then_some(found)
        }
        ["quote", symbol] => one(symbol, Told::Quote),
        ["ticker", symbol, interval] => {
            one(symbol, Told::Ticker(pace(interval, market)?, Value::Null))
        }
        _ => None,
    }
}

impl Session {
    /// Follows or leaves the channels of one call, and answers it.
    fn change(
        &mut self,
        on: bool,
        request: &Value,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let id = &request["id"];
        let names = request["params"]["channels"].as_array();
        let names = names.map(Vec::as_slice).unwrap_or_default();
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        let refused = if names.is_empty() || names.len() > CHANNELS_MAX {
            Some(Failure::param("channels"))
        } else if names.iter().any(|name| name.ends_with(".raw")) && !market.is_played() {
            let why = "raw_subscriptions_not_available_for_unauthorized";
            Some(Failure::new(13_778, why))
        } else {
            None
        };
        if let Some(why) = refused {
            out.push(methods::answer(id, Err(why), market));
            return;
        }
        // What is not known is missing from the answer.
        let known = names
            .iter()
            .filter_map(|name| Some((*name, find(name, market)?)));
        let known: Vec<_> = known.collect();
        let accepted: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        out.push(methods::answer(id, Ok(json!(accepted)), market));
        for (name, all) in known {
            self.leave(name);
            if !on {
                continue;
            }
            self.names.insert(name.to_owned());
            for (listing, told) in all {
                let name = name.to_owned();
                let mut channel = Channel { name, told };
                if !market.is_played() {
                    channel.open(listing, market, out);
                }
                self.followed.entry(listing).or_default().push(channel);
            }
        }
    }

    fn leave(&mut self, name: &str) {
        if self.names.remove(name) {
            for channels in self.followed.values_mut() {
                channels.retain(|channel| channel.name != name);
            }
        }
    }

    /// Asks for heartbeats, or for none.
    fn beat(&mut self, request: &Value, market: &dyn Market) -> Result<Value, Failure> {
        let interval = request["params"]["interval"].as_i64();
        let seconds = interval.filter(|seconds| (10..=3_600).contains(seconds));
        let half = seconds.ok_or(Failure::param("interval"))? * NS_PER_HALF_S;
        (self.half, self.asked) = (Some(half), false);
        self.due = UnixNanos(market.now().0 + half);
        Ok("ok".into())
    }
}

impl Channel {
    /// What is said as soon as the channel is followed.
    fn open(&mut self, listing: usize, market: &mut dyn Market, out: &mut Vec<String>) {
        match &mut self.told {
            Told::Book(pace, shown) => {
                market.flush(listing, *pace);
                (*shown, _) = market.stands_at(listing, *pace);
                out.push(notification(&self.name, &book(listing, *shown, market)));
            }
            Told::Top(pace, count, shown) => {
                market.flush(listing, *pace);
                (*shown, _) = market.stands_at(listing, *pace);
                let data = data::top(market, listing, *count).to_string();
                out.push(notification(&self.name, &data));
            }
            Told::Ticker(_, last) => {
                if let Some(data) = ticker(last, listing, market) {
                    out.push(notification(&self.name, &data));
                }
            }
            Told::Quote => {
                let best = [Side::Buy, Side::Sell].map(|side| market.levels(listing, side).next());
                if let [Some(bid), Some(ask)] = best {
                    let data = data::quote(market, listing, bid, ask).to_string();
                    out.push(notification(&self.name, &data));
                }
            }
            Told::Trades => {}
        }
    }

    /// What it says of something that happened to its instrument.
    fn tell(
        &mut self,
        event: &Happened,
        found: &Instrument,
        market: &dyn Market,
    ) -> Option<String> {
        let listing = found.id.index();
        let data = match (&mut self.told, event) {
            (
                Told::Book(pace, shown),
                Happened::Depth {
                    pace: spoke,
                    diff,
                    bids,
                    asks,
                    ..
                },
            ) => {
                if pace != spoke || diff.last_id <= *shown {
                    return None; // Another channel's, or the snapshot had it.
                }
                let (time, last) = (diff.exch_time.as_millis(), diff.last_id);
                let prev = diff.prev_id.unwrap_or(*shown);
                let side = |levels: &[Level]| data::tuples(levels, "change", found);
                let (symbol, bids, asks) = (found.symbol, side(bids), side(asks));
                *shown = last;
                format!(
                    r#"{{"type":"change","timestamp":{time},"prev_change_id":{prev},"instrument_name":"{symbol}","change_id":{last},"bids":{bids},"asks":{asks}}}"#
                )
            }
            (
                Told::Top(pace, count, shown),
                Happened::Depth {
                    pace: spoke, diff, ..
                },
            ) => {
                if pace != spoke || diff.last_id <= *shown {
                    return None;
                }
                *shown = diff.last_id;
                data::top(market, listing, *count).to_string()
            }
            (Told::Ticker(pace, last), Happened::Depth { pace: spoke, .. }) if pace == spoke => {
                ticker(last, listing, market)?
            }
            (Told::Trades, Happened::Trade(trade)) => {
                json!([data::print(trade, found)]).to_string()
            }
            (Told::Quote, Happened::Quote(quote)) => {
                data::quote(market, listing, quote.bid, quote.ask).to_string()
            }
            _ => return None, // It tells of something else.
        };
        Some(notification(&self.name, &data))
    }
}

/// The whole book, as the first message of its channel.
fn book(listing: usize, id: u64, market: &dyn Market) -> String {
    let found = market.listings()[listing].instrument;
    let side = |side| {
        let levels: Vec<Level> = market.levels(listing, side).collect();
        data::tuples(&levels, "new", &found)
    };
    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
    let (symbol, time) = (found.symbol, market.now().as_millis());
    format!(
        r#"{{"type":"snapshot","timestamp":{time},"instrument_name":"{symbol}","change_id":{id},"bids":{bids},"asks":{asks}}}"#
    )
}

/// A ticker in which more than the time changed.
fn ticker(last: &mut Value, listing: usize, market: &dyn Market) -> Option<String> {
    let data = data::ticker(market, listing);
    let mut now = data.clone();
    now["timestamp"] = Value::Null;
    if now == *last {
        return None;
    }
    *last = now;
    Some(data.to_string())
}

impl MirrorSession for Session {
    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let Ok(request) = serde_json::from_str::<Value>(text) else {
            let why = Failure::new(-32_700, "Parse error");
            out.push(methods::answer(&Value::Null, Err(why), market));
            return Ok(());
        };
        let result = match request["method"].as_str().unwrap_or_default() {
            "public/subscribe" => {
                self.change(true, &request, market, out);
                return Ok(());
            }
            "public/unsubscribe" => {
                self.change(false, &request, market, out);
                return Ok(());
            }
            "public/unsubscribe_all" => {
                self.names.clear();
                self.followed.clear();
                Ok("ok".into())
            }
            "public/set_heartbeat" => self.beat(&request, market),
            "public/disable_heartbeat" => {
                (self.half, self.asked) = (None, false);
                Ok("ok".into())
            }
            // In a recording nobody has an account.
            "public/auth" => Err(Failure::new(13_004, "invalid_credentials")),
            method if method.starts_with("private/") => Err(methods::UNAUTHORISED),
            method => {
                self.asked &= method != "public/test";
                methods::call(method, &Params::Json(&request["params"]), market)
            }
        };
        out.push(methods::answer(&request["id"], result, market));
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let id: InstrumentId = match event {
            Happened::Depth { diff, .. } => diff.instrument,
            Happened::Trade(trade) => trade.instrument,
            Happened::Quote(quote) => quote.instrument,
        };
        let Some(channels) = self.followed.get_mut(&id.index()) else {
            return;
        };
        let Some(listing) = market.listings().get(id.index()) else {
            return;
        };
        let found = Instrument {
            id,
            ..listing.instrument
        };
        out.extend(
            channels
                .iter_mut()
                .filter_map(|one| one.tell(event, &found, market)),
        );
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        self.half.map(|_| self.due)
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        let Some(half) = self.half.filter(|_| now >= self.due) else {
            return Ok(());
        };
        if self.asked {
            return Err(Offence {
                code: 1000,
                reason: "test_request was not answered".to_owned(),
            });
        }
        (self.asked, self.due) = (true, UnixNanos(now.0 + half));
        for kind in ["heartbeat", "test_request"] {
            let params = json!({"type": kind});
            let beat = json!({"jsonrpc": "2.0", "method": "heartbeat", "params": params});
            out.push(beat.to_string());
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.names.len()
    }

    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let channel = root.find(b"params").find(b"channel").string()?;
            Some(self.names.contains(channel))
        })
    }
}

pub(crate) fn notification(channel: &str, data: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"{channel}","data":{data}}}}}"#
    )
}
