//! The second version of the stream, and what both versions share.

mod played;
mod rest;
mod v1;

use super::*;
use crate::base::{Channel, Diff, InstrumentId, Level, Quote, Side, Trade, Word};
use crate::exchange::kraken::Kraken;
use crate::exchange::mirror::{Day, Happened, Listing, Pace};
use crate::exchange::{Exchange, Topic, Words};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A market of one listing, `BTC/USD` at one and eight decimals.
struct Fake {
    listings: Vec<Listing>,
    sides: [BTreeMap<i64, u64>; 2],
    flushed: usize,
    prints: Vec<Trade>,
}

impl Fake {
    fn new(levels: i64) -> Self {
        let instrument = KrakenMirror.list("BTC", "USD", 1, 8);
        let listing = Listing {
            instrument,
            volume: 77,
        };
        let side = |sign: i64| {
            (1..=levels)
                .map(|n| (700_000 + sign * n, n as u64))
                .collect()
        };
        Self {
            listings: vec![listing],
            sides: [side(-1), side(1)],
            flushed: 0,
            prints: (1..=60).map(print).collect(),
        }
    }
}

/// The `n`th print, at second `n`: of `n` units, by a buyer if `n` is odd.
fn print(n: u64) -> Trade {
    Trade {
        instrument: InstrumentId(0),
        id: n,
        px: Px(700_000 + n as i64),
        qty: Qty(n),
        taker: match n % 2 {
            0 => Side::Sell,
            _ => Side::Buy,
        },
        exch_time: UnixNanos(n as i64 * 1_000_000_000),
    }
}

impl Market for Fake {
    fn now(&self) -> UnixNanos {
        UnixNanos(1_000_001_000)
    }
    fn listings(&self) -> &[Listing] {
        &self.listings
    }
    fn flush(&mut self, _: usize, _: Pace) {
        self.flushed += 1;
    }
    fn stands_at(&self, _: usize, _: Pace) -> (u64, u64) {
        (1, 1)
    }
    fn levels(&self, _: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let level = |(px, qty): (&i64, &u64)| Level {
            px: Px(*px),
            qty: Qty(*qty),
        };
        match side {
            Side::Buy => Box::new(self.sides[0].iter().rev().map(level)),
            Side::Sell => Box::new(self.sides[1].iter().map(level)),
        }
    }
    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        let all = if listing == 0 { &self.prints[..] } else { &[] };
        Box::new(all.iter().copied())
    }
    /// From 70,010.0 to 70,006.0, at 70,002.5 in the mean; one and a half coins.
    fn day(&self, _: usize) -> Day {
        Day {
            since: UnixNanos(0),
            open: Px(700_100),
            high: Px(700_200),
            low: Px(699_990),
            last: Px(700_060),
            volume: 150_000_000,
            turnover: 150_000_000 * 700_025,
            count: 60,
        }
    }
}

fn changed() -> Happened {
    Happened::Depth {
        pace: Pace::Fast,
        diff: Diff {
            instrument: InstrumentId(0),
            first_id: 2,
            last_id: 2,
            prev_id: None,
            checksum: None,
            exch_time: UnixNanos(0),
        },
        number: 2,
        bids: vec![],
        asks: vec![],
    }
}

/// What a client makes of the frames: its window of the bids, cut as `market` cuts it.
fn follow(frames: &[String], bids: &mut BTreeMap<Px, Qty>, window: usize, market: &Fake) {
    let instruments = [market.listings[0].instrument];
    let mut decoder = Kraken.decoder(&instruments, &Kraken.depth_streams()[1]);
    let mut words = Words::new();
    for frame in frames {
        decoder.decode(frame.as_bytes(), &mut words).unwrap();
        for word in words.iter() {
            let (diff, changes) = match word {
                Word::Book(diff, changes, _) => {
                    bids.clear();
                    (diff, changes)
                }
                Word::Diff(diff, changes, _) => (diff, changes),
                _ => continue,
            };
            bids.extend(changes.iter().map(|level| (level.px, level.qty)));
            bids.retain(|_, qty| *qty != Qty(0));
            while bids.len() > window {
                bids.pop_first();
            }
            let digits = |level: Level| format!("{}{}", level.px.0, level.qty.0);
            let truth = session::checksum(market, 0, digits);
            assert_eq!(diff.checksum, Some(truth));
        }
    }
}

fn ask(session: &mut dyn MirrorSession, market: &mut Fake, text: &str) -> Vec<String> {
    let mut out = vec![];
    session.handle_text(text, market, &mut out).unwrap();
    out
}

#[test]
fn no_delete_is_sent_for_a_level_that_only_left_the_window() {
    let (mut market, mut bids) = (Fake::new(20), BTreeMap::new());
    let mut session = KrakenMirror.session("/v2").unwrap();
    let topic = Topic {
        symbol: "BTC/USD",
        channel: Channel::Depth,
    };
    let request = &Kraken.subscribe(&[topic], &Kraken.depth_streams()[1], 1)[0];
    let out = ask(session.as_mut(), &mut market, &request.text);
    assert_eq!((out.len(), market.flushed, session.streams()), (2, 1, 1));
    assert!(out[0].contains(r#""success":true"#), "{}", out[0]);
    follow(&out, &mut bids, 10, &market);

    let mut step = |market: &Fake| {
        let mut out = vec![];
        session.handle_event(&changed(), market, &mut out);
        follow(&out, &mut bids, 10, market);
        let shown: Vec<_> = bids.iter().rev().map(|(px, qty)| (px.0, qty.0)).collect();
        let best: Vec<_> = market.levels(0, Side::Buy).take(10).collect();
        let best: Vec<_> = best.iter().map(|level| (level.px.0, level.qty.0)).collect();
        assert_eq!(shown, best);
        out
    };
    market.sides[0].insert(700_000, 5); // Pushes 699_990 out.
    let out = step(&market);
    assert!(!out[0].contains("0.00000000"), "{}", out[0]);
    market.sides[0].remove(&700_000); // Brings it back.
    let out = step(&market);
    let back = r#""bids":[{"price":70000.0,"qty":0.00000000},{"price":69999.0,"qty":0.00000010}]"#;
    assert!(out[0].contains(back), "{}", out[0]);
    market.sides[0].remove(&699_980); // Far outside.
    assert!(step(&market).is_empty());
}

/// Takes one level of a side whose best price is the highest.
fn take(side: &mut BTreeMap<i64, u64>, level: &Value) {
    let units = |key: &str, scale: i32| {
        let number = level[key].as_f64().unwrap() * 10f64.powi(scale);
        number.round() as i64
    };
    match units("qty", 8) {
        0 => drop(side.remove(&units("price", 1))),
        qty => drop(side.insert(units("price", 1), qty as u64)),
    }
}

/// The checksum of a client's sides: asks by their negated prices, then bids.
fn sum(sides: &[BTreeMap<i64, u64>; 2]) -> u64 {
    let mut sum = flate2::Crc::new();
    for (px, qty) in sides.iter().flat_map(|side| side.iter().rev().take(10)) {
        sum.update(format!("{}{qty}", px.abs()).as_bytes());
    }
    sum.sum().into()
}

#[test]
fn the_checksum_is_right_whether_a_client_cuts_after_each_level_or_after_the_message() {
    let mut market = Fake::new(30);
    let mut session = KrakenMirror.session("/v2").unwrap();
    let text = r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"]}}"#;
    let mut frames = ask(session.as_mut(), &mut market, text).split_off(1);
    let mut dice = fastrand::Rng::with_seed(3);
    // A client that cuts after each level, and one that cuts after the message.
    let mut clients: [[BTreeMap<i64, u64>; 2]; 2] = Default::default();
    let (mut changes, mut right) = (0, [0, 0]);
    while changes < 500 {
        for frame in frames.drain(..) {
            let frame: Value = serde_json::from_str(&frame).unwrap();
            let book = &frame["data"][0];
            for (client, each) in clients.iter_mut().zip([true, false]) {
                for (side, key) in client.iter_mut().zip(["asks", "bids"]) {
                    for level in book[key].as_array().unwrap() {
                        let mut level = level.clone();
                        if key == "asks" {
                            level["price"] = json!(-level["price"].as_f64().unwrap());
                        }
                        take(side, &level);
                        while each && side.len() > 10 {
                            side.pop_first();
                        }
                    }
                    while side.len() > 10 {
                        side.pop_first();
                    }
                }
            }
            changes += 1;
            for (right, client) in right.iter_mut().zip(&clients) {
                *right += usize::from(Some(sum(client)) == book["checksum"].as_u64());
            }
        }
        for _ in 0..dice.usize(1..8) {
            let side = dice.usize(0..2);
            let far = dice.i64(1..25);
            let px = 700_000 + if side == 0 { -far } else { far };
            match dice.u64(0..3) {
                0 => drop(market.sides[side].remove(&px)),
                qty => drop(market.sides[side].insert(px, qty)),
            }
        }
        session.handle_event(&changed(), &market, &mut frames);
    }
    assert_eq!(right, [changes, changes]);
}

#[test]
fn prints_and_quotes_are_read_back_as_they_were() {
    let mut market = Fake::new(3);
    let mut session = KrakenMirror.session("/v2").unwrap();
    for channel in ["trade", "ticker"] {
        let text = format!(
            r#"{{"method":"subscribe","params":{{"channel":"{channel}","symbol":["BTC/USD"],"event_trigger":"bbo"}},"req_id":1}}"#
        );
        ask(session.as_mut(), &mut market, &text);
    }
    let level = |px, qty| Level {
        px: Px(px),
        qty: Qty(qty),
    };
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 9,
        px: Px(700_001),
        qty: Qty(12),
        taker: Side::Buy,
        exch_time: UnixNanos(5_000_000_000),
    };
    let quote = Quote {
        instrument: InstrumentId(0),
        update_id: 0,
        bid: level(700_000, 1),
        ask: level(700_001, 100_000_000),
    };
    let instruments = [market.listings[0].instrument];
    let mut decoder = Kraken.decoder(&instruments, &Kraken.depth_streams()[0]);
    for (event, word) in [
        (Happened::Trade(trade), Word::Trade(trade)),
        (Happened::Quote(quote), Word::Quote(quote)),
    ] {
        let (mut out, mut words) = (vec![], Words::new());
        session.handle_event(&event, &market, &mut out);
        decoder.decode(out[0].as_bytes(), &mut words).unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), [word]);
    }
}

#[test]
fn bad_requests_are_refused_and_a_ping_is_answered() {
    let mut market = Fake::new(3);
    let mut session = KrakenMirror.session("/v2").unwrap();
    assert!(KrakenMirror.session("/v3").is_none());
    let mut open = vec![];
    session.handle_open(&mut market, &mut open);
    assert_eq!(open.len(), 1);
    for (text, part) in [
        (r#"{"method":"ping"}"#, r#""method":"pong""#),
        (
            r#"{"method":"subscribe","params":{"channel":"book","symbol":["A/B"]},"req_id":2}"#,
            "Currency pair not supported A/B",
        ),
        (
            r#"{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":11},"req_id":2}"#,
            "depth not supported",
        ),
        (
            r#"{"method":"unsubscribe","params":{"channel":"trade","symbol":["BTC/USD"]},"req_id":2}"#,
            "Subscription Not Found",
        ),
        ("x", "Malformed request"),
        (
            r#"{"method":"subscribe","params":{"channel":"level3","symbol":["BTC/USD"]}}"#,
            "Subscription name invalid",
        ),
    ] {
        let out = ask(session.as_mut(), &mut market, text);
        assert_eq!(out.len(), 1);
        assert!(out[0].contains(part), "{}", out[0]);
    }
    assert_eq!((session.streams(), session.poll_timeout()), (0, None));
    let text = r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#;
    ask(session.as_mut(), &mut market, text);
    let at = session.poll_timeout().unwrap();
    let mut out = vec![];
    session.handle_timeout(at, &mut out).unwrap();
    assert_eq!(out, [r#"{"channel":"heartbeat"}"#]);
    assert!(session.poll_timeout().unwrap() > at);
    let text = text.replace("subscribe", "unsubscribe");
    ask(session.as_mut(), &mut market, &text);
    assert_eq!(session.streams(), 0);
}

#[test]
fn metadata_and_volumes_are_read_back_as_they_are_listed() {
    let mut market = Fake::new(1);
    let doge = Listing {
        instrument: Instrument {
            id: InstrumentId(1),
            ..KrakenMirror.list("DOGE", "BTC", 9, 8)
        },
        volume: 5,
    };
    market.listings.push(doge);
    let mut get = |request: &crate::exchange::RestRequest| {
        let call = Call::get(&request.path);
        KrakenMirror.rest(call, &mut market).body
    };
    let info = get(&Kraken.metadata_requests(&[])[0]);
    let ticker = get(&Kraken.volume_requests()[0]);
    let mut listed = Kraken.metadata(info.as_bytes()).unwrap().instruments;
    listed.sort_by_key(|instrument| instrument.symbol);
    for (n, instrument) in listed.iter_mut().enumerate() {
        instrument.id = InstrumentId(n as u16);
    }
    let expected: Vec<_> = market.listings.iter().map(|l| l.instrument).collect();
    assert_eq!(listed, expected);
    let volumes = Kraken.volumes(ticker.as_bytes()).unwrap();
    // One and a half coins, at 70,002.5 dollars each.
    assert_eq!(volumes[0], (Symbol::from("BTC/USD").unwrap(), 105_003.75));
}

fn said(frame: &str) -> Value {
    serde_json::from_str(frame).unwrap()
}

/// The frames that answer a subscription to this channel, as values.
fn subscribe(market: &mut Fake, session: &mut dyn MirrorSession, params: Value) -> Vec<Value> {
    let text = json!({"method": "subscribe", "params": params}).to_string();
    let out = ask(session, market, &text);
    out.iter().map(|frame| said(frame)).collect()
}

#[test]
fn past_prints_are_sent_to_who_asks_for_them_the_newest_fifty_oldest_first() {
    let mut market = Fake::new(3);
    let mut ask = |snapshot: Value| {
        let mut session = KrakenMirror.session("/v2").unwrap();
        let mut params = json!({"channel": "trade", "symbol": ["BTC/USD"]});
        if !snapshot.is_null() {
            params["snapshot"] = snapshot;
        }
        subscribe(&mut market, session.as_mut(), params)
    };
    for none in [Value::Null, json!(false)] {
        let out = ask(none);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0]["result"]["snapshot"], false);
    }
    let out = ask(json!(true));
    let (kind, past) = (&out[1]["type"], out[1]["data"].as_array().unwrap());
    assert_eq!((kind.as_str(), past.len()), (Some("snapshot"), 50));
    let ids: Vec<_> = past
        .iter()
        .map(|trade| trade["trade_id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (11..=60).collect::<Vec<u64>>());
    let newest = json!({
        "symbol": "BTC/USD",
        "side": "sell",
        "price": 70_006.0,
        "qty": 0.000_000_6,
        "ord_type": "limit",
        "trade_id": 60,
        "timestamp": "1970-01-01T00:01:00.000000Z",
    });
    assert_eq!(past[49], newest);
}

#[test]
fn a_ticker_tells_of_the_day_at_every_trade_or_at_every_quote() {
    let mut market = Fake::new(3);
    let quote = market.best(0).unwrap();
    for (trigger, at_quotes) in [("bbo", true), ("trades", false)] {
        let mut session = KrakenMirror.session("/v2").unwrap();
        let params = json!({"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": trigger});
        let out = subscribe(&mut market, session.as_mut(), params);
        let expected = json!({"channel": "ticker", "symbol": "BTC/USD", "snapshot": true,
            "event_trigger": trigger});
        assert_eq!(out[0]["result"], expected);
        let expected = json!({
            "symbol": "BTC/USD",
            "bid": 69_999.9, "bid_qty": 0.000_000_01,
            "ask": 70_000.1, "ask_qty": 0.000_000_01,
            "last": 70_006.0, "volume": 1.5, "vwap": 70_002.5,
            "low": 69_999.0, "high": 70_020.0,
            "change": -4.0, "change_pct": -0.01,
            "timestamp": "1970-01-01T00:00:01.000001Z",
        });
        assert_eq!(
            (&out[1]["type"], &out[1]["data"][0]),
            (&json!("snapshot"), &expected)
        );
        let mut frames = |event| {
            let mut out = vec![];
            session.handle_event(&event, &market, &mut out);
            out.len()
        };
        assert_eq!(frames(Happened::Quote(quote)), usize::from(at_quotes));
        assert_eq!(frames(Happened::Trade(print(1))), usize::from(!at_quotes));
    }
}

#[test]
fn instruments_and_heartbeats_are_asked_for_without_a_symbol() {
    let mut market = Fake::new(3);
    let mut session = KrakenMirror.session("/v2").unwrap();
    let out = subscribe(
        &mut market,
        session.as_mut(),
        json!({"channel": "instrument"}),
    );
    assert_eq!(out[0]["success"], true);
    let data = &out[1]["data"];
    let ids: Vec<_> = data["assets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["id"])
        .collect();
    assert_eq!(ids, ["BTC", "USD"]);
    let pair = &data["pairs"][0];
    for (key, value) in [
        ("symbol", json!("BTC/USD")),
        ("base", json!("BTC")),
        ("quote", json!("USD")),
        ("status", json!("online")),
        ("qty_precision", json!(8)),
        ("qty_increment", json!(0.000_000_01)),
        ("qty_min", json!(0.000_1)),
        ("price_precision", json!(1)),
        ("price_increment", json!(0.1)),
        ("cost_min", json!("0.5")),
    ] {
        assert_eq!(pair[key], value, "{key}");
    }
    assert_eq!((session.streams(), session.poll_timeout()), (0, None));
    let out = subscribe(
        &mut market,
        session.as_mut(),
        json!({"channel": "heartbeat"}),
    );
    assert_eq!((out.len(), &out[0]["success"]), (1, &json!(true)));
    assert!(session.poll_timeout().is_some());
}
