mod played;

use super::*;
use crate::base::{InstrumentId, Level, Px, Qty};
use crate::exchange::bybit::{LINEAR, SPOT};
use crate::exchange::mirror::still::Still as Moving;
use crate::exchange::mirror::{Listing, Mirror};

/// A market of one instrument with two bids and one ask.
struct Still(Vec<Listing>);

impl Market for Still {
    fn now(&self) -> UnixNanos {
        UnixNanos(1_000_000_000)
    }

    fn listings(&self) -> &[Listing] {
        &self.0
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (900, 0)
    }

    fn levels(&self, _listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let level = |px| Level {
            px: Px(px),
            qty: Qty(5),
        };
        let levels: &[i64] = match side {
            Side::Buy => &[1_000, 999],
            Side::Sell => &[1_001],
        };
        Box::new(levels.iter().map(move |px| level(*px)))
    }
}

fn still() -> Still {
    let instrument = super::super::super::SPOT.0.list("ABC", "USDT", 2, 1);
    Still(vec![Listing {
        instrument,
        volume: 1,
    }])
}

fn tell(session: &mut Session, text: &str) -> Vec<String> {
    let (mut market, mut out) = (still(), Vec::new());
    session.handle_text(text, &mut market, &mut out).unwrap();
    out
}

fn subscribe(session: &mut Session, topics: &[&str]) -> Vec<String> {
    let args = crate::exchange::kit::text::json_list(topics);
    let text = format!(r#"{{"req_id":"7","op":"subscribe","args":{args}}}"#);
    tell(session, &text)
}

fn session() -> Session {
    let mut session = Session::new(10, Kind::Spot);
    session.handle_open(&mut still(), &mut Vec::new());
    session
}

#[test]
fn a_book_is_answered_with_its_window_and_never_counts_from_one_later() {
    let mut session = session();
    let said = subscribe(&mut session, &["orderbook.50.ABCUSDT"]);
    assert_eq!(said.len(), 2);
    assert!(said[0].contains(r#""req_id":"7""#));
    let book = r#""data":{"s":"ABCUSDT","b":[["10.00","0.5"],["9.99","0.5"]],"a":[["10.01","0.5"]],"u":1,"seq":900}"#;
    assert!(said[1].contains(book), "{}", said[1]);
    let diff = Diff {
        instrument: InstrumentId(0),
        first_id: 901,
        last_id: 903,
        prev_id: None,
        checksum: None,
        exch_time: UnixNanos(5_000_000),
    };
    let event = Happened::Depth {
        pace: Pace::Fast,
        diff,
        number: 1,
        bids: Vec::new(),
        asks: Vec::new(),
    };
    let mut out = Vec::new();
    session.handle_event(&event, &still(), &mut out);
    session.handle_event(&event, &still(), &mut out);
    assert_eq!(out.len(), 1, "a message is told once");
    let change = r#""data":{"s":"ABCUSDT","b":[],"a":[],"u":2,"seq":903},"cts":5"#;
    assert!(out[0].contains(change), "{}", out[0]);
}

#[test]
fn requests_against_the_rules_are_refused_whole() {
    let mut session = session();
    let refused = |said: Vec<String>| said.len() == 1 && said[0].contains(r#""success":false"#);
    let unknown = ["publicTrade.ABCUSDT", "orderbook.50.NONE"];
    assert!(refused(subscribe(&mut session, &unknown)));
    assert!(refused(subscribe(&mut session, &["orderbook.7.ABCUSDT"])));
    assert!(refused(subscribe(
        &mut session,
        &["publicTrade.ABCUSDT"; 11]
    )));
    assert!(refused(tell(&mut session, "hello")));
    assert_eq!(session.streams(), 0);
    subscribe(&mut session, &["publicTrade.ABCUSDT"]);
    assert!(refused(subscribe(&mut session, &["publicTrade.ABCUSDT"])));
    tell(
        &mut session,
        r#"{"op":"unsubscribe","args":["publicTrade.ABCUSDT"]}"#,
    );
    assert_eq!(session.streams(), 0);
}

#[test]
fn best_levels_are_repeated_and_an_idle_connection_is_cut() {
    let mut session = session();
    let pong = tell(&mut session, r#"{"op":"ping"}"#);
    assert!(pong[0].contains(r#""ret_msg":"pong""#));
    let said = subscribe(&mut session, &["orderbook.1.ABCUSDT"]);
    let due = session.poll_timeout().unwrap();
    assert_eq!(due.0, 1_000_000_000 + REPEAT_NS);
    let mut out = Vec::new();
    session.handle_timeout(due, &mut out).unwrap();
    let data = |frame: &str| frame.split_once(r#""data""#).unwrap().1.to_owned();
    assert_eq!(data(&out[0]), data(&said[1]));
    assert_ne!(out[0], said[1]);
    let text = r#"{"op":"unsubscribe","args":["orderbook.1.ABCUSDT"]}"#;
    tell(&mut session, text);
    let due = session.poll_timeout().unwrap();
    assert_eq!(due.0, 1_000_000_000 + IDLE_MAX_NS);
    assert!(session.handle_timeout(due, &mut out).is_err());
}

#[test]
fn an_id_comes_back_as_it_came() {
    let mut session = session();
    for (sent, back) in [("7", "7"), (r#""a-1""#, r#""a-1""#), ("null", r#""""#)] {
        let text = format!(r#"{{"req_id":{sent},"op":"ping"}}"#);
        let pong: Value = serde_json::from_str(&tell(&mut session, &text)[0]).unwrap();
        assert_eq!(pong["req_id"].to_string(), back);
        assert_eq!(
            (&pong["success"], &pong["ret_msg"]),
            (&true.into(), &"pong".into())
        );
    }
    let refused = tell(
        &mut session,
        r#"{"req_id":3,"op":"subscribe","args":["x.y"]}"#,
    );
    assert!(refused[0].contains(r#""req_id":3"#), "{refused:?}");
}

/// The first message of a stream and the one after the market moved.
fn followed(mirror: &dyn Mirror, path: &str, topic: &str) -> [Value; 2] {
    let mut session = mirror.session(path).unwrap();
    let (mut market, mut out) = (Moving::of(mirror, &["BTC", "SOL"]), Vec::new());
    let text = format!(r#"{{"op":"subscribe","args":["{topic}"]}}"#);
    session.handle_text(&text, &mut market, &mut out).unwrap();
    session.handle_event(&market.step(0, 100), &market, &mut out);
    assert_eq!(
        out.len(),
        2,
        "another instrument's news is not told: {out:?}"
    );
    let event = market.step(1, 100);
    session.handle_event(&event, &market, &mut out);
    session.handle_event(&event, &market, &mut out);
    assert_eq!(
        out.len(),
        3,
        "a ticker that did not change is not told: {out:?}"
    );
    [1, 2].map(|n| serde_json::from_str(&out[n]).unwrap())
}

#[test]
fn the_ticker_of_spot_comes_whole_and_has_no_touch() {
    let [first, next] = followed(SPOT.0, "/v5/public/spot", "tickers.SOLUSDT");
    for (said, last) in [(&first, "20.00"), (&next, "20.02")] {
        assert_eq!(
            (&said["type"], &said["topic"]),
            (&"snapshot".into(), &"tickers.SOLUSDT".into())
        );
        let data = &said["data"];
        assert_eq!(
            (&data["symbol"], &data["lastPrice"]),
            (&"SOLUSDT".into(), &last.into())
        );
        assert!(data["highPrice24h"].is_string() && data["turnover24h"].is_string());
        assert_eq!(data["bid1Price"], Value::Null);
        assert!(said["cs"].is_u64() && said["ts"].is_i64());
    }
}

#[test]
fn the_ticker_of_a_contract_comes_whole_once_and_then_as_changes() {
    let [first, next] = followed(LINEAR.0, "/v5/public/linear", "tickers.SOLUSDT");
    assert_eq!(
        (&first["type"], &next["type"]),
        (&"snapshot".into(), &"delta".into())
    );
    let data = &first["data"];
    assert_eq!(
        (&data["bid1Price"], &data["ask1Price"]),
        (&"19.99".into(), &"20.01".into())
    );
    assert_eq!(
        (&data["markPrice"], &data["openInterestValue"]),
        (&"20.00".into(), &"0".into())
    );
    let data = &next["data"];
    assert_eq!(
        (&data["symbol"], &data["bid1Price"]),
        (&"SOLUSDT".into(), &"20.01".into())
    );
    assert_eq!(data["bid1Size"], Value::Null, "it is what it was");
}
