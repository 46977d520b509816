mod played;
mod rest;

use super::*;
use crate::base::{Diff, InstrumentId, Level, Px, Qty, Quote, Side, Word};
use crate::exchange::kraken_futures::KrakenFutures;
use crate::exchange::mirror::{Day, Listing};
use crate::exchange::{Exchange, Words};

/// A market of one listing, `PF_XBTUSD` at one and four decimals, with one level a side.
struct Fake {
    listings: Vec<Listing>,
    now: i64,
}

impl Fake {
    fn new() -> Self {
        let instrument = FuturesMirror.list("BTC", "USD", 1, 4);
        let listings = vec![Listing {
            instrument,
            volume: 77,
        }];
        Self {
            listings,
            now: 5_000_000_000,
        }
    }
}

impl Market for Fake {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.now)
    }
    fn listings(&self) -> &[Listing] {
        &self.listings
    }
    fn flush(&mut self, _: usize, _: Pace) {}
    fn stands_at(&self, _: usize, _: Pace) -> (u64, u64) {
        (40, 3)
    }
    fn levels(&self, _: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let px = match side {
            Side::Buy => 500_000,
            Side::Sell => 500_005,
        };
        Box::new([level(px, 12_000)].into_iter())
    }
    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new((1..=120).filter(move |_| listing == 0).map(print))
    }
    /// From 50,010.0 to 50,012.0; one and a half coins at 50,002.0.
    fn day(&self, _: usize) -> Day {
        Day {
            since: UnixNanos(0),
            open: Px(500_100),
            high: Px(500_200),
            low: Px(499_990),
            last: Px(500_120),
            volume: 15_000,
            turnover: 15_000 * 500_020,
            count: 120,
        }
    }
}

/// The `n`th print, at second `n`: of `n` units, by a buyer if `n` is odd.
fn print(n: u64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id: n,
        px: Px(500_000 + n as i64),
        qty: Qty(n),
        taker: match n % 2 {
            0 => Side::Sell,
            _ => Side::Buy,
        },
        exch_time: UnixNanos(n as i64 * 1_000_000_000),
    }
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn ask(session: &mut dyn MirrorSession, market: &mut Fake, text: &str) -> Vec<String> {
    let mut out = vec![];
    session.handle_text(text, market, &mut out).unwrap();
    out
}

fn subscribe(feed: &str) -> String {
    format!(r#"{{"event":"subscribe","feed":"{feed}","product_ids":["PF_XBTUSD"]}}"#)
}

fn said(frames: &[String], market: &Fake) -> Vec<String> {
    let instruments = [market.listings[0].instrument];
    let mut decoder = KrakenFutures.decoder(&instruments, &KrakenFutures.depth_streams()[0]);
    let mut words = Words::new();
    let mut said = vec![];
    for frame in frames {
        decoder.decode(frame.as_bytes(), &mut words).unwrap();
        said.extend(words.iter().map(|word| match word {
            Word::Book(diff, bids, asks) => format!("book {} {bids:?} {asks:?}", diff.last_id),
            Word::Diff(diff, bids, asks) => format!("diff {} {bids:?} {asks:?}", diff.last_id),
            word => format!("{word:?}"),
        }));
    }
    said
}

#[test]
fn each_changed_level_has_a_number_of_its_own_from_the_snapshot_on() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    let out = ask(session.as_mut(), &mut market, &subscribe("book"));
    let (bid, ask) = (level(500_000, 12_000), level(500_005, 12_000));
    assert_eq!(
        said(&out, &market)[1],
        format!("book 40 {:?} {:?}", [bid], [ask])
    );
    let event = |first_id, last_id| Happened::Depth {
        pace: Pace::Fast,
        diff: Diff {
            instrument: InstrumentId(0),
            first_id,
            last_id,
            prev_id: None,
            checksum: None,
            exch_time: UnixNanos(0),
        },
        number: 4,
        bids: vec![level(499_990, 7), level(500_000, 0)],
        asks: vec![ask, level(500_010, 0)],
    };
    let mut out = vec![];
    session.handle_event(&event(30, 40), &market, &mut out);
    assert!(out.is_empty(), "{out:?}");
    session.handle_event(&event(41, 49), &market, &mut out);
    let expected = [
        format!("diff 41 {:?} []", [level(500_000, 0)]),
        format!("diff 42 [] {:?}", [level(500_010, 0)]),
        format!("diff 43 {:?} []", [level(499_990, 7)]),
        format!("diff 44 [] {:?}", [ask]),
    ];
    assert_eq!(said(&out, &market), expected);
}

#[test]
fn a_ticker_comes_once_a_second_and_tells_the_newest() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    assert_eq!(
        ask(session.as_mut(), &mut market, &subscribe("ticker")).len(),
        2
    );
    let quote = |px| Quote {
        instrument: InstrumentId(0),
        update_id: 0,
        bid: level(px, 1),
        ask: level(px + 5, 20_000),
    };
    let mut out = vec![];
    for px in [1, 2] {
        session.handle_event(&Happened::Quote(quote(px)), &market, &mut out);
    }
    assert!(out.is_empty(), "{out:?}");
    let at = session.poll_timeout().unwrap();
    assert_eq!(at, UnixNanos(6_000_000_000));
    session.handle_timeout(at, &mut out).unwrap();
    assert_eq!(
        said(&out, &market),
        [format!("{:?}", Word::Quote(quote(2)))]
    );
    market.now = 9_000_000_000;
    session.handle_event(&Happened::Quote(quote(3)), &market, &mut out);
    assert_eq!((out.len(), session.poll_timeout()), (2, None));
}

#[test]
fn a_print_is_read_back_as_it_was() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    ask(session.as_mut(), &mut market, &subscribe("trade"));
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 9,
        px: Px(500_005),
        qty: Qty(10_000),
        taker: Side::Sell,
        exch_time: UnixNanos(5_000_000_000),
    };
    let mut out = vec![];
    session.handle_event(&Happened::Trade(trade), &market, &mut out);
    let told = said(&out, &market).remove(0);
    let expected = format!("{:?}", Word::Trade(trade));
    // Its number is a hash of the `uid`.
    let from_price = |text: &str| text.split_once("px").map(|(_, rest)| rest.to_owned());
    assert_eq!(from_price(&told), from_price(&expected));
}

#[test]
fn bad_requests_are_refused_and_heartbeats_come_where_asked_for() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    assert!(FuturesMirror.session("/").is_none());
    for (text, part) in [
        ("x", "Json Error"),
        (&subscribe("none"), "Invalid feed"),
        (
            &subscribe("book").replace("PF_XBTUSD", "PF_NONE"),
            "Invalid product id",
        ),
        (
            r#"{"event":"subscribe","feed":"book"}"#,
            "Invalid product id",
        ),
    ] {
        let out = ask(session.as_mut(), &mut market, text);
        assert!(out[0].contains(part), "{}", out[0]);
    }
    assert_eq!((session.streams(), session.poll_timeout()), (0, None));
    ask(session.as_mut(), &mut market, KrakenFutures.greeting()[0]);
    let (at, mut out) = (session.poll_timeout().unwrap(), vec![]);
    session.handle_timeout(at, &mut out).unwrap();
    assert_eq!(out, [r#"{"feed":"heartbeat","time":6000}"#]);
    ask(session.as_mut(), &mut market, &subscribe("trade"));
    let end = subscribe("trade").replace("subscribe", "unsubscribe");
    let out = ask(session.as_mut(), &mut market, &end);
    assert!(out[0].contains(r#""unsubscribed""#), "{}", out[0]);
    assert_eq!(session.streams(), 0);
}

fn value(frame: &str) -> Value {
    serde_json::from_str(frame).unwrap()
}

#[test]
fn a_subscription_to_prints_begins_with_the_newest_hundred_newest_first() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    let out = ask(session.as_mut(), &mut market, &subscribe("trade"));
    let past = value(&out[1]);
    assert_eq!(
        (&past["feed"], &past["product_id"]),
        (&json!("trade_snapshot"), &json!("PF_XBTUSD"))
    );
    let trades = past["trades"].as_array().unwrap();
    let numbers: Vec<_> = trades
        .iter()
        .map(|trade| trade["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (21..=120).rev().collect::<Vec<u64>>());
    let expected = json!({
        "feed": "trade",
        "product_id": "PF_XBTUSD",
        "uid": "00000000-0000-4000-8000-000000000078",
        "side": "sell",
        "type": "fill",
        "seq": 120,
        "time": 120_000,
        "qty": 0.012,
        "price": 50_012.0,
    });
    assert_eq!(trades[0], expected);
    // They are no news to our own client.
    assert_eq!(said(&out[1..], &market), [""; 0]);
}

#[test]
fn a_ticker_says_what_is_documented_and_its_lite_form_less_of_it() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    let lite = json!({
        "feed": "ticker_lite", "product_id": "PF_XBTUSD", "pair": "XBT:USD", "tag": "perpetual",
        "bid": 50_000.0, "ask": 50_000.5, "change": market.day(0).percent(), "premium": 0.0,
        "volume": 1.5, "volumeQuote": 75_003.0, "dtm": 0, "maturityTime": 0,
    });
    let out = ask(session.as_mut(), &mut market, &subscribe("ticker_lite"));
    assert_eq!(value(&out[1]), lite);
    let out = ask(session.as_mut(), &mut market, &subscribe("ticker"));
    let ticker = value(&out[1]);
    for (key, expected) in lite.as_object().unwrap() {
        assert!(key == "feed" || ticker[key] == *expected, "{key}");
    }
    for (key, expected) in [
        ("time", json!(5_000)),
        ("bid_size", json!(1.2)),
        ("ask_size", json!(1.2)),
        ("last", json!(50_012.0)),
        ("index", json!(50_000.25)),
        ("markPrice", json!(50_000.25)),
        ("openInterest", json!(1.5)),
        ("funding_rate", json!(0.0)),
        ("next_funding_rate_time", json!(3_600_000)),
        ("suspended", json!(false)),
        ("post_only", json!(false)),
    ] {
        assert_eq!(ticker[key], expected, "{key}");
    }
    assert_eq!(session.streams(), 2);
    let end = subscribe("ticker_lite").replace("subscribe", "unsubscribe");
    ask(session.as_mut(), &mut market, &end);
    assert_eq!(session.streams(), 1);
}

#[test]
fn who_asks_for_a_challenge_gets_a_message_to_sign_each_time_another_one() {
    let mut market = Fake::new();
    let mut session = FuturesMirror.session("/ws/v1").unwrap();
    let text = r#"{"event":"challenge","api_key":"x"}"#;
    let mut challenge = |now| {
        market.now = now;
        let answer = value(&ask(session.as_mut(), &mut market, text)[0]);
        assert_eq!(answer["event"], "challenge");
        answer["message"].as_str().unwrap().to_owned()
    };
    let first = challenge(1_790_000_000_000_000_000);
    assert_eq!(
        first.split('-').map(str::len).collect::<Vec<_>>(),
        [8, 4, 4, 4, 12]
    );
    assert_ne!(first, challenge(1_790_000_000_000_001_000));
}
