//! What both mirrors refuse, and what they do at their time. The conversations themselves are tried
//! on every exchange alike.

use crate::base::{Level, Side, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::coinbase::{AdvancedTrade, ExchangeFeed};
use crate::exchange::mirror::{Call, Listing, Market, MirrorSession, Pace};

/// A market with one empty book, BTC-USD.
struct Quiet {
    now: UnixNanos,
    listings: Vec<Listing>,
}

impl Quiet {
    fn new(exchange: &dyn Exchange) -> Self {
        Self {
            now: UnixNanos(0),
            listings: vec![Listing {
                instrument: exchange.mirror().list("BTC", "USD", 2, 8),
                volume: 1,
            }],
        }
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

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
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
    for exchange in [&AdvancedTrade as &dyn Exchange, &ExchangeFeed] {
        let call = Call::get("/nowhere");
        assert_eq!(exchange.mirror().rest(call, &mut market).status, 404);
    }
}
