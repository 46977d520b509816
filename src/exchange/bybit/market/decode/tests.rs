use super::*;
use crate::base::{InstrumentId, Px, Word};
use crate::exchange::bybit::DEPTHS;
use DecodeError::Shape;

fn instruments() -> Vec<Instrument> {
    let one = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("bybit", symbol.try_into().unwrap(), (2, 3))
    };
    [(0, "ABCUSDT"), (1, "XYZUSDT")].map(one).into()
}

/// What a frame says to a decoder of this depth stream, levels left out.
fn said(depth: usize, frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut decoder = super::decoder(&instruments(), &DEPTHS[depth]);
    let mut words = Words::new();
    decoder.decode(frame.as_bytes(), &mut words)?;
    let short = |word: Word<'_>| match word {
        Word::Book(diff, bids, asks) => {
            format!("book {} {} {}", diff.last_id, bids.len(), asks.len())
        }
        Word::Diff(diff, bids, asks) => {
            format!("diff {} {} {}", diff.last_id, bids.len(), asks.len())
        }
        Word::Quote(quote) => format!("quote {} {}", quote.bid.px.0, quote.ask.px.0),
        Word::Trade(trade) => format!("trade {} {:?}", trade.id, trade.taker),
        Word::Answer { id, refused } => format!("answer {id} {refused:?}"),
        Word::Trading(..)
        | Word::Subscribed { .. }
        | Word::Reply(_)
        | Word::Unfit { .. }
        | Word::Shutdown => {
            format!("{word:?}")
        }
    };
    Ok(words.iter().map(short).collect())
}

fn depth(stream: &str, kind: &str, u: u64) -> String {
    format!(
        r#"{{"topic":"{stream}.XYZUSDT","type":"{kind}","ts":1750000000123,"data":{{"s":"XYZUSDT","b":[["10.25","1.5"]],"a":[["10.50","2"]],"u":{u},"seq":9}},"cts":1750000000121}}"#
    )
}

fn trade(id: &str, side: &str, seq: &str) -> String {
    format!(
        r#"{{"topic":"publicTrade.ABCUSDT","type":"snapshot","ts":1,"data":[{{"T":2,"s":"ABCUSDT","S":"{side}","v":"0.001","p":"30.5","i":"{id}","BT":false{seq}}}]}}"#
    )
}

#[test]
fn a_snapshot_or_the_first_message_of_a_new_service_is_a_whole_book() {
    let of = |kind, u| said(0, &depth("orderbook.50", kind, u)).unwrap();
    assert_eq!(of("snapshot", 7), ["book 7 1 1"]);
    assert_eq!(of("delta", 8), ["diff 8 1 1"]);
    assert_eq!(of("delta", 1), ["book 1 1 1"]);
    let other = said(0, &depth("orderbook.50", "other", 8));
    assert_eq!(other, Err(Shape));
}

#[test]
fn a_book_has_the_time_of_the_matching_engine() {
    let time = |frame: &str| {
        let mut words = Words::new();
        let mut decoder = super::decoder(&instruments(), &DEPTHS[0]);
        decoder.decode(frame.as_bytes(), &mut words).unwrap();
        let Some(Word::Diff(diff, ..)) = words.iter().next() else {
            panic!("{frame}")
        };
        diff.exch_time.as_millis()
    };
    let frame = depth("orderbook.50", "delta", 8);
    assert_eq!(time(&frame), 1_750_000_000_121);
    let without = frame.replace(r#","cts":1750000000121"#, "");
    assert_eq!(time(&without), 1_750_000_000_123);
}

#[test]
fn best_levels_are_quotes_and_a_book_where_they_are_the_depth_stream() {
    let frame = depth("orderbook.1", "snapshot", 7);
    assert_eq!(said(0, &frame).unwrap(), ["quote 1025 1050"]);
    assert_eq!(said(1, &frame).unwrap(), ["book 7 1 1", "quote 1025 1050"]);
    let one_sided = frame.replace(r#"[["10.25","1.5"]]"#, "[]");
    assert!(said(0, &one_sided).unwrap().is_empty());
    assert_eq!(said(1, &one_sided).unwrap(), ["book 7 0 1"]);
    let foreign = depth("orderbook.200", "delta", 7);
    assert!(said(0, &foreign).unwrap().is_empty());
}

#[test]
fn a_trade_goes_by_its_number_or_by_its_uuid_and_never_by_the_engines_number() {
    let seq = r#","seq":1783284617"#;
    assert_eq!(
        said(0, &trade("229007", "Buy", seq)).unwrap(),
        ["trade 229007 Buy"]
    );
    let uuid = |last: &str| format!("20f43950-d8dd-5b31-9112-a178eb6023a{last}");
    let of = |uuid: &str, seq: &str| said(0, &trade(uuid, "Sell", seq)).unwrap();
    assert_eq!(of(&uuid("f"), seq), of(&uuid("f"), ""));
    assert_ne!(of(&uuid("f"), seq), of(&uuid("e"), seq));
    assert_eq!(
        said(0, &trade("1", "Sell", seq).replace(r#""i":"#, r#""j":"#)),
        Err(Shape)
    );
    assert_eq!(said(0, &trade("1", "None", seq)), Err(Shape));
}

#[test]
fn answers_carry_the_id_of_the_request_and_a_pong_says_nothing() {
    let of = |op: &str, success: bool, id: &str| {
        let frame = format!(
            r#"{{"success":{success},"ret_msg":"","conn_id":"c","req_id":{id},"op":"{op}"}}"#
        );
        said(0, &frame).unwrap()
    };
    assert_eq!(of("subscribe", true, r#""12""#), ["answer 12 None"]);
    assert_eq!(of("unsubscribe", false, "3"), ["answer 3 Some(-1)"]);
    assert_eq!(of("subscribe", true, r#""""#), ["answer 0 None"]);
    assert!(of("ping", true, r#""12""#).is_empty());
}

#[test]
fn a_topic_that_is_followed_already_is_confirmed() {
    let of = |topic: &str| {
        let why = format!("error:already subscribed,topic:{topic}");
        said(
            0,
            &format!(r#"{{"success":false,"ret_msg":"{why}","req_id":"3","op":"subscribe"}}"#),
        )
    };
    for (stream, channel) in [("orderbook.50", "Depth"), ("publicTrade", "Trades")] {
        let told = of(&format!("{stream}.XYZUSDT")).unwrap();
        assert_eq!(told.len(), 1);
        let word = format!("InstrumentId(1), channel: {channel}, refused: None");
        assert!(told[0].contains(&word), "{told:?}");
    }
    assert_eq!(of("publicTrade.NONE"), Err(DecodeError::UnknownSymbol));
}

#[test]
fn what_is_wrong_with_a_frame_is_told_by_kind() {
    let frame = depth("orderbook.50", "delta", 8);
    let with = |from: &str, to: &str| said(0, &frame.replace(from, to)).unwrap_err();
    assert_eq!(with("XYZUSDT", "NONE"), DecodeError::UnknownSymbol);
    assert_eq!(with(r#""u":8"#, r#""v":8"#), Shape);
    assert_eq!(with(r#"[["10.25","1.5"]]"#, "7"), Shape);
    assert_eq!(with(r#"[["10.25","1.5"]]"#, r#"[["10.25"]]"#), Shape);
    assert_eq!(with(r#""a":"#, "a:"), DecodeError::Json);
}

#[test]
fn levels_are_kept_as_they_were_sent() {
    let mut words = Words::new();
    let mut decoder = super::decoder(&instruments(), &DEPTHS[0]);
    let frame = depth("orderbook.50", "delta", 8).replace(r#""1.5""#, r#""0""#);
    decoder.decode(frame.as_bytes(), &mut words).unwrap();
    let Some(Word::Diff(_, bids, asks)) = words.iter().next() else {
        panic!()
    };
    let level = |px, qty| Level {
        px: Px(px),
        qty: Qty(qty),
    };
    assert_eq!(bids, [level(1_025, 0)]);
    assert_eq!(asks, [level(1_050, 2_000)]);
}

#[test]
fn a_recording_tells_its_symbols_its_decimals_and_its_depth_stream() {
    let mut seen = Survey::default();
    let best = depth("orderbook.1", "snapshot", 7);
    survey(&best, &mut seen);
    let exchange = &crate::exchange::bybit::SPOT;
    assert_eq!(seen.recorded_depth(exchange), Some(&DEPTHS[1]));
    survey(&depth("orderbook.200", "delta", 7), &mut seen);
    assert_eq!(seen.recorded_depth(exchange), Some(&DEPTHS[2]));
    survey(&trade("1", "Buy", ""), &mut seen);
    survey(r#"{"op":"subscribe","success":true}"#, &mut seen);
    survey("pong", &mut seen);
    let found = seen.instruments("bybit");
    let found: Vec<_> = found
        .iter()
        .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
        .collect();
    assert_eq!(found, [("XYZUSDT", 2, 1), ("ABCUSDT", 1, 3)]);
}
