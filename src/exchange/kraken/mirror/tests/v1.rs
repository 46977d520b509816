//! The first version of the stream, read back by the decoder for recordings of it.

use super::*;

fn open(market: &mut Fake) -> Box<dyn MirrorSession> {
    let mut session = KrakenMirror.session("/").unwrap();
    let mut out = vec![];
    session.handle_open(market, &mut out);
    assert_eq!(said(&out[0])["event"], "systemStatus");
    session
}

fn subscribe(market: &mut Fake, session: &mut dyn MirrorSession, how: Value) -> Vec<String> {
    let text = json!({"event": "subscribe", "pair": ["XBT/USD"], "subscription": how, "reqid": 7});
    ask(session, market, &text.to_string())
}

/// What the decoder makes of frames, in a recording whose pair has its old name.
fn words(market: &Fake, frames: &[String]) -> Vec<String> {
    let instruments = [Instrument {
        symbol: Symbol::from("XBT/USD").unwrap(),
        ..market.listings[0].instrument
    }];
    let mut decoder = Kraken.decoder(&instruments, &Kraken.depth_streams()[1]);
    let (mut words, mut all) = (Words::new(), vec![]);
    for frame in frames {
        decoder.decode(frame.as_bytes(), &mut words).unwrap();
        all.extend(words.iter().map(|word| format!("{word:?}")));
    }
    all
}

#[test]
fn a_book_is_followed_with_right_checksums_under_its_old_name() {
    let mut market = Fake::new(20);
    let mut session = open(&mut market);
    let how = json!({"name": "book", "depth": 10});
    let out = subscribe(&mut market, session.as_mut(), how);
    let status = said(&out[0]);
    assert_eq!(
        (&status["status"], &status["reqid"]),
        (&json!("subscribed"), &json!(7))
    );
    assert_eq!(status["channelName"], "book-10");
    let book = said(&out[1]);
    assert_eq!((&book[2], &book[3]), (&json!("book-10"), &json!("XBT/USD")));
    let best = json!(["69999.90000", "0.00000001", "1.000001"]);
    assert_eq!(book[1]["bs"].as_array().unwrap().len(), 10);
    assert_eq!(book[1]["bs"][0], best);

    market.sides[0].insert(700_000, 5);
    market.sides[1].remove(&700_001);
    let mut out = vec![];
    session.handle_event(&changed(), &market, &mut out);
    let frame = said(&out[0]);
    let asks = json!([
        ["70000.10000", "0.00000000", "1.000001"],
        ["70001.10000", "0.00000011", "1.000001"],
    ]);
    assert_eq!(frame[1], json!({"a": asks}));
    assert_eq!(
        frame[2]["b"],
        json!([["70000.00000", "0.00000005", "1.000001"]])
    );
    // The digits of ten asks, then of ten bids.
    let mut sum = flate2::Crc::new();
    for n in 2..=11 {
        sum.update(format!("{}0000{n}", 700_000 + n).as_bytes());
    }
    sum.update(b"70000000005");
    for n in 1..=9 {
        sum.update(format!("{}0000{n}", 700_000 - n).as_bytes());
    }
    assert_eq!(frame[2]["c"], sum.sum().to_string());
    assert_eq!(words(&market, &out).len(), 1);

    market.sides[1].remove(&700_002);
    out.clear();
    session.handle_event(&changed(), &market, &mut out);
    let frame = said(&out[0]);
    assert!(
        frame[1]["c"].is_string() && frame[2] == "book-10",
        "{frame}"
    );
}

#[test]
fn past_prints_come_unasked_and_a_ticker_at_every_trade() {
    let mut market = Fake::new(3);
    let mut session = open(&mut market);
    let out = subscribe(&mut market, session.as_mut(), json!({"name": "trade"}));
    let past = said(&out[1]);
    assert_eq!(past[1].as_array().unwrap().len(), 50);
    let newest = json!(["70006.00000", "0.00000060", "60.000000", "s", "l", ""]);
    assert_eq!(past[1][49], newest);
    assert_eq!(words(&market, &out[1..]).len(), 50);
    let out = subscribe(&mut market, session.as_mut(), json!({"name": "ticker"}));
    let ticker = said(&out[1]);
    assert_eq!(ticker[1]["a"], json!(["70000.10000", 1, "0.00000001"]));
    assert_eq!(ticker[1]["o"], json!(["70010.00000", "70010.00000"]));
    assert_eq!(words(&market, &out[1..]).len(), 1);
    let mut out = vec![];
    session.handle_event(&Happened::Trade(print(61)), &market, &mut out);
    assert_eq!(out.len(), 2);
    let prints = format!("{:?}", Word::Trade(Trade { id: 0, ..print(61) }));
    assert_eq!(words(&market, &out[..1]), [prints]);
}

#[test]
fn requests_are_refused_and_ended_in_its_own_words() {
    let mut market = Fake::new(3);
    let mut session = open(&mut market);
    for (text, why) in [
        ("x", "Malformed request"),
        (
            r#"{"event":"subscribe","pair":["A/B"],"subscription":{"name":"book"}}"#,
            "Currency pair not supported A/B",
        ),
        (
            r#"{"event":"subscribe","pair":["XBTUSD"],"subscription":{"name":"book"}}"#,
            "Currency pair not supported XBTUSD",
        ),
        (
            r#"{"event":"subscribe","subscription":{"name":"instrument"}}"#,
            "Subscription name invalid",
        ),
    ] {
        let out = ask(session.as_mut(), &mut market, text);
        let answer = said(&out[0]);
        assert_eq!(
            (&answer["status"], &answer["errorMessage"]),
            (&json!("error"), &json!(why))
        );
    }
    let out = ask(
        session.as_mut(),
        &mut market,
        r#"{"event":"ping","reqid":3}"#,
    );
    assert_eq!(said(&out[0]), json!({"event": "pong", "reqid": 3}));
    subscribe(&mut market, session.as_mut(), json!({"name": "trade"}));
    assert_eq!(session.streams(), 1);
    let at = session.poll_timeout().unwrap();
    let mut out = vec![];
    session.handle_timeout(at, &mut out).unwrap();
    assert_eq!(out, [r#"{"event":"heartbeat"}"#]);
    let end = r#"{"event":"unsubscribe","pair":["XBT/USD"],"subscription":{"name":"trade"}}"#;
    let out = ask(session.as_mut(), &mut market, end);
    assert_eq!(said(&out[0])["status"], "unsubscribed");
    assert_eq!(session.streams(), 0);
}
