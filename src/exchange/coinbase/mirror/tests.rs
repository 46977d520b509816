//! What both mirrors refuse, and what they do at their time. The conversations themselves are tried
//! on every exchange alike.

mod advanced;
mod feed;
mod played;

use crate::base::{Instrument, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::coinbase::{AdvancedTrade, ExchangeFeed};
use crate::exchange::mirror::{
    Call, Day, Happened, Listing, Market, Method, MirrorSession, Pace, Refusal,
};
use serde_json::{Value, json};

/// A market that does nothing: three levels on each side, BTC-USD from 100 and SOL-USD from 200
/// dollars on; only the first was traded.
struct Quiet {
    now: UnixNanos,
    listings: Vec<Listing>,
}

impl Quiet {
    fn new(exchange: &dyn Exchange) -> Self {
        Self {
            now: UnixNanos(0),
            listings: [(0, "BTC"), (1, "SOL")]
                .map(|(n, base)| Listing {
                    instrument: Instrument {
                        id: InstrumentId(n),
                        ..exchange.mirror().list(base, "USD", 2, 8)
                    },
                    volume: 1,
                })
                .into(),
        }
    }
}

/// The `n`th print, at second `n`: of `n` coins, by a buyer if `n` is odd.
fn print(n: u64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id: n,
        px: Px(10_000 + n as i64),
        qty: Qty(n * 100_000_000),
        taker: match n % 2 {
            0 => Side::Sell,
            _ => Side::Buy,
        },
        exch_time: UnixNanos(n as i64 * SECOND),
    }
}

impl Market for Quiet {
    fn now(&self) -> UnixNanos {
        self.now
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (1, 1)
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let middle = 10_000 * (listing as i64 + 1);
        let sign = if side == Side::Buy { -1 } else { 1 };
        Box::new((1..=3).map(move |n| Level {
            px: Px(middle + sign * n),
            qty: Qty(n as u64 * 100_000_000),
        }))
    }

    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new((1..=120).filter(move |_| listing == 0).map(print))
    }

    /// From 101 to 101.20 dollars; one and a half coins, at 100.50.
    fn day(&self, _listing: usize) -> Day {
        Day {
            since: UnixNanos(0),
            open: Px(10_100),
            high: Px(10_200),
            low: Px(9_900),
            last: Px(10_120),
            volume: 150_000_000,
            turnover: 150_000_000 * 10_050,
            count: 120,
        }
    }
}

fn connect(exchange: &dyn Exchange) -> (Box<dyn MirrorSession>, Quiet) {
    let mut market = Quiet::new(exchange);
    let mut session = exchange.mirror().session("/").unwrap();
    session.handle_open(&mut market, &mut Vec::new());
    assert!(exchange.mirror().session("/other").is_none());
    (session, market)
}

fn say(session: &mut dyn MirrorSession, market: &mut Quiet, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    session.handle_text(text, market, &mut out).unwrap();
    out
}

const SECOND: i64 = 1_000_000_000;

#[test]
fn a_client_that_asks_for_nothing_is_dropped_after_five_seconds() {
    for exchange in [&AdvancedTrade as &dyn Exchange, &ExchangeFeed] {
        let (mut session, _) = connect(exchange);
        let due = session.poll_timeout().unwrap();
        assert_eq!(due, UnixNanos(5 * SECOND));
        let mut out = Vec::new();
        let early = session.handle_timeout(UnixNanos(due.0 - 1), &mut out);
        assert_eq!((early, out.len()), (Ok(()), 0));
        assert!(session.handle_timeout(due, &mut out).is_err());
    }
}

#[test]
fn heartbeats_come_every_second_and_without_them_a_quiet_connection_is_closed() {
    let (mut session, mut market) = connect(&AdvancedTrade);
    let book = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    let said = say(&mut *session, &mut market, book);
    assert!(said[0].contains("l2_data") && said[0].contains(r#""sequence_num":0"#));
    assert!(said[1].contains("subscriptions") && said[1].contains(r#""sequence_num":1"#));
    assert_eq!(session.streams(), 1);
    assert_eq!(session.poll_timeout(), Some(UnixNanos(90 * SECOND)));
    say(&mut *session, &mut market, AdvancedTrade.greeting()[0]);
    for beat in 1..4 {
        assert_eq!(session.poll_timeout(), Some(UnixNanos(beat * SECOND)));
        let mut out = Vec::new();
        let done = session.handle_timeout(UnixNanos(beat * SECOND), &mut out);
        assert_eq!((done, out.len()), (Ok(()), 1));
        assert!(out[0].contains(&format!(r#""heartbeat_counter":{beat}"#)));
    }
    let stop = r#"{"type":"unsubscribe","channel":"heartbeats"}"#;
    say(&mut *session, &mut market, stop);
    let silent = session.handle_timeout(UnixNanos(200 * SECOND), &mut Vec::new());
    assert!(silent.is_err());
}

#[test]
fn what_is_not_served_is_refused_and_the_rest_is() {
    let (mut session, mut market) = connect(&AdvancedTrade);
    for (text, why) in [
        ("{", "invalid JSON"),
        (r#"{"type":"hello"}"#, "unknown message type"),
        (
            r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level9"}"#,
            "level9 is not a valid channel",
        ),
        (
            r#"{"type":"subscribe","product_ids":["X-USD","BTC-USD"],"channel":"ticker"}"#,
            "X-USD is not a valid product",
        ),
    ] {
        let said = say(&mut *session, &mut market, text);
        assert!(said[0].contains(why), "{said:?}");
    }
    assert_eq!(session.streams(), 1);

    let (mut session, mut market) = connect(&ExchangeFeed);
    for (text, why) in [
        ("{", "Malformed JSON"),
        (
            r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2"]}"#,
            "require authentication",
        ),
        (
            r#"{"type":"subscribe","channels":[{"name":"matches","product_ids":["X-USD","BTC-USD"]}]}"#,
            "X-USD is not a valid product",
        ),
    ] {
        let said = say(&mut *session, &mut market, text);
        assert!(said[0].contains(why), "{said:?}");
    }
    assert_eq!(session.streams(), 1);
    let signed = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2"],"key":"k",
        "passphrase":"p","timestamp":"1750000000","signature":"s"}"#;
    let said = say(&mut *session, &mut market, signed);
    assert!(said[0].contains(r#""name":"level2""#), "{said:?}");
    assert!(said[1].contains(r#""type":"snapshot""#), "{said:?}");
    for exchange in [&AdvancedTrade as &dyn Exchange, &ExchangeFeed] {
        let call = Call::get("/nowhere");
        assert_eq!(exchange.mirror().rest(call, &mut market).status, 404);
    }
}

/// The answer to a GET, in JSON.
fn get(exchange: &dyn Exchange, target: &str) -> Value {
    let reply = exchange
        .mirror()
        .rest(Call::get(target), &mut Quiet::new(exchange));
    assert_eq!(reply.status, 200, "{target}");
    value(&reply.body)
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What `key` says of each.
fn each<'v>(all: &'v Value, key: &str) -> Vec<&'v str> {
    let all = all.as_array().unwrap().iter();
    all.map(|one| one[key].as_str().unwrap()).collect()
}

/// Each of these fields is as expected.
fn assert_fields(said: &Value, expected: Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(said[key], *value, "{key}");
    }
}

/// Follows these channels of BTC-USD; gives what is said to it.
fn follow(exchange: &dyn Exchange, text: Value) -> (Box<dyn MirrorSession>, Quiet, Vec<Value>) {
    let (mut session, mut market) = connect(exchange);
    let said = say(&mut *session, &mut market, &text.to_string());
    (
        session,
        market,
        said.iter().map(|text| value(text)).collect(),
    )
}

/// What the client is told of this event.
fn hear(session: &mut dyn MirrorSession, market: &Quiet, event: &Happened) -> Vec<Value> {
    let mut out = Vec::new();
    session.handle_event(event, market, &mut out);
    out.iter().map(|text| value(text)).collect()
}

/// What the client is told at this second.
fn wait(session: &mut dyn MirrorSession, second: i64) -> Vec<Value> {
    let mut out = Vec::new();
    session
        .handle_timeout(UnixNanos(second * SECOND), &mut out)
        .unwrap();
    out.iter().map(|text| value(text)).collect()
}

fn quote(market: &Quiet) -> Quote {
    market.best(0).unwrap()
}
