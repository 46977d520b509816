use super::*;
use crate::base::{Channel, InstrumentId, Level, Px, Qty, Quote, Symbol, UnixNanos, Word};

fn decoder() -> Box<dyn Decoder> {
    let symbol = Symbol::from("PI_XBTUSD").unwrap();
    super::decoder(&[Instrument::bare("kraken-futures", symbol, (1, 0))])
}

fn said(frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut words = Words::new();
    decoder().decode(frame.as_bytes(), &mut words)?;
    Ok(words.iter().map(|word| format!("{word:?}")).collect())
}

fn one(frame: &str, expected: Word<'_>) {
    assert_eq!(said(frame), Ok(vec![format!("{expected:?}")]), "{frame}");
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn head(seq: u64) -> Diff {
    Diff {
        instrument: InstrumentId(0),
        first_id: seq,
        last_id: seq,
        prev_id: None,
        checksum: None,
        exch_time: UnixNanos(1_700_000_000_123_000_000),
    }
}

#[test]
fn a_change_is_one_level_with_its_number() {
    let frame = r#"{"feed":"book","product_id":"PI_XBTUSD","side":"sell","seq":7,"price":59445.5,"qty":52.0,"timestamp":1700000000123}"#;
    one(frame, Word::Diff(head(7), &[], &[level(594_455, 52)]));
    let gone = frame.replace("52.0", "0.0").replace("sell", "buy");
    one(&gone, Word::Diff(head(7), &[level(594_455, 0)], &[]));
    let same = frame
        .replace("59445.5", "5.94455E4")
        .replace(":7,", r#":"7","#);
    assert_eq!(said(&same), said(frame));
    assert_eq!(said(&frame.replace("sell", "none")), Err(Shape));
    assert_eq!(said(&frame.replace(r#""seq":7,"#, "")), Err(Shape));
    let strange = frame.replace("PI_XBTUSD", "PI_NILUSD");
    assert_eq!(said(&strange), Err(DecodeError::UnknownSymbol));
}

#[test]
fn a_whole_book_has_no_levels_without_a_quantity() {
    let frame = r#"{"feed":"book_snapshot","product_id":"PI_XBTUSD","timestamp":1700000000123,"seq":6,"tickSize":null,"bids":[{"price":100.5,"qty":2.0},{"price":100.0,"qty":0.0},{"qty":1,"price":99}],"asks":[]}"#;
    let bids = [level(1_005, 2), level(990, 1)];
    one(frame, Word::Book(head(6), &bids, &[]));
    assert_eq!(said(&frame.replace("bids", "x")), Err(Shape));
}

#[test]
fn trades_name_the_taker_and_those_of_the_past_are_no_news() {
    let frame = r#"{"feed":"trade","product_id":"PI_XBTUSD","uid":"d7cae895-0000-4000-8000-000000000001","side":"sell","type":"fill","seq":74724,"time":1700000000123,"qty":1831.0,"price":63927.0}"#;
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 74_724,
        px: Px(639_270),
        qty: Qty(1_831),
        taker: Side::Sell,
        exch_time: UnixNanos(1_700_000_000_123_000_000),
    };
    // `seq` counts what a subscription says; the print itself is known by its `uid`.
    one(&frame.replace("\"uid\":", "\"x\":"), Word::Trade(trade));
    assert_eq!(said(frame), said(&frame.replace("74724", "1")));
    assert_ne!(said(frame), said(&frame.replace("0001\"", "0002\"")));
    let past =
        format!(r#"{{"feed":"trade_snapshot","product_id":"PI_XBTUSD","trades":[{frame}]}}"#);
    assert_eq!(said(&past), Ok(vec![]));
}

#[test]
fn a_ticker_is_a_quote_where_it_has_sizes_on_both_sides() {
    let frame = r#"{"time":1,"feed":"ticker","product_id":"PI_XBTUSD","bid":21978.5,"ask":21987.0,"bid_size":2536.0,"ask_size":13948.0,"funding_rate":-6.2e-11}"#;
    let quote = Quote {
        instrument: InstrumentId(0),
        update_id: 0,
        bid: level(219_785, 2_536),
        ask: level(219_870, 13_948),
    };
    one(frame, Word::Quote(quote));
    assert_eq!(said(&frame.replace("21978.5", "null")), Ok(vec![]));
    assert_eq!(said(&frame.replace("ask_size", "x")), Ok(vec![]));
    let lite = r#"{"feed":"ticker_lite","product_id":"PI_XBTUSD","bid":1060.4,"ask":1062.6}"#;
    assert_eq!(said(lite), Ok(vec![]));
}

#[test]
fn an_answer_names_its_topics() {
    let frame = r#"{"event":"subscribed","feed":"ticker","product_ids":["PI_XBTUSD"]}"#;
    let word = |refused| Word::Subscribed {
        instrument: InstrumentId(0),
        channel: Channel::Quotes,
        refused,
    };
    one(frame, word(None));
    one(
        &frame.replace("subscribed", "subscribed_failed"),
        word(Some(REFUSED)),
    );
    for silent in [
        r#"{"event":"info","version":1}"#,
        r#"{"event":"subscribed","feed":"heartbeat"}"#,
        r#"{"event":"subscribed","feed":"ticker_lite","product_ids":["PI_XBTUSD"]}"#,
        r#"{"event":"unsubscribed","feed":"book","product_ids":["PI_XBTUSD"]}"#,
        r#"{"event":"alert","message":"Already subscribed to feed, re-requesting"}"#,
        r#"{"feed":"heartbeat","time":1}"#,
        r#"{"feed":"new"}"#,
        "{}",
    ] {
        assert_eq!(said(silent), Ok(vec![]), "{silent}");
    }
    for nameless in [
        r#"{"event":"error","message":"Invalid product id"}"#,
        r#"{"event":"alert","message":"Too many subscriptions"}"#,
    ] {
        let refused = format!("Answer {{ id: 0, refused: Some({REFUSED}) }}");
        assert_eq!(said(nameless), Ok(vec![refused]), "{nameless}");
    }
    assert_eq!(said("[]"), Err(Shape));
}
