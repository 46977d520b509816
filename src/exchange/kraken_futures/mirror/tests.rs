use super::*;
use crate::base::{Diff, Px, Qty, Word};
use crate::exchange::kraken_futures::KrakenFutures;
use crate::exchange::mirror::Listing;
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
        bids: vec![level(500_000, 0), level(499_990, 7)],
        asks: vec![ask],
    };
    let mut out = vec![];
    session.handle_event(&event(30, 40), &market, &mut out);
    assert!(out.is_empty(), "{out:?}");
    session.handle_event(&event(41, 49), &market, &mut out);
    let expected = [
        format!("diff 41 {:?} []", [level(500_000, 0)]),
        format!("diff 42 {:?} []", [level(499_990, 7)]),
        format!("diff 43 [] {:?}", [ask]),
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
