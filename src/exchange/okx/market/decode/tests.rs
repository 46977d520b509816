use super::*;
use crate::base::{InstrumentId, Px, Qty, Symbol, Word};
use crate::exchange::okx::DEPTHS;

const GOLDEN: &str = include_str!("../../golden/okx.frames");

fn instrument(id: u16, symbol: &str, scales: (u8, u8)) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        ..Instrument::bare("okx", Symbol::from(symbol).unwrap(), scales)
    }
}

fn decoder(depth: &'static DepthStream) -> Box<dyn Decoder> {
    let listed = [
        instrument(0, "BTC-USDT-SWAP", (1, 2)),
        instrument(1, "ETH-USDT", (2, 6)),
    ];
    super::decoder(&listed, depth)
}

/// What a frame of this depth channel says, as text.
fn said(depth: &'static DepthStream, frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut words = Words::new();
    decoder(depth).decode(frame.as_bytes(), &mut words)?;
    Ok(words.iter().map(|word| format!("{word:?}")).collect())
}

/// The one word of a frame on `books`, shown to `check`.
fn one(frame: &str, check: impl Fn(Word<'_>)) {
    let mut words = Words::new();
    let decoded = decoder(&DEPTHS[0]).decode(frame.as_bytes(), &mut words);
    assert_eq!(decoded, Ok(()), "{frame}");
    assert_eq!(words.iter().count(), 1, "{frame}");
    words.iter().for_each(check);
}

fn book_frame(channel: &str, action: &str, ids: &str) -> String {
    format!(
        r#"{{"arg":{{"channel":"{channel}","instId":"BTC-USDT-SWAP"}},{action}"data":[{{"asks":[["97001.6","12.5","0","3"]],"bids":[["97001.5","0","0","0"],["97000","1","0","1"]],"ts":"1790000000100"{ids}}}]}}"#
    )
}

fn level(px: i64, qty: u64) -> Level {
    let (px, qty) = (Px(px), Qty(qty));
    Level { px, qty }
}

const SNAPSHOT: &str = r#""action":"snapshot","#;
const UPDATE: &str = r#""action":"update","#;

#[test]
fn a_first_message_is_the_window_and_the_next_ones_change_it() {
    let head = Diff {
        instrument: InstrumentId(0),
        first_id: 10,
        last_id: 10,
        prev_id: None,
        checksum: None,
        exch_time: UnixNanos(1_790_000_000_100_000_000),
    };
    let bids = [level(970_015, 0), level(970_000, 100)];
    let asks = [level(970_016, 1_250)];
    let first = book_frame("books", SNAPSHOT, r#","prevSeqId":-1,"seqId":10"#);
    one(&first, |word| {
        assert_eq!(word, Word::Book(head, &bids[1..], &asks))
    });
    let next = book_frame("books", UPDATE, r#","prevSeqId":9,"seqId":10"#);
    let prev_id = Some(9);
    one(&next, |word| {
        assert_eq!(word, Word::Diff(Diff { prev_id, ..head }, &bids, &asks))
    });
}

#[test]
fn a_number_before_of_zero_of_minus_one_and_none_are_three_things() {
    let heads = |ids: &str| {
        let seen = std::cell::Cell::new(None);
        one(&book_frame("books", UPDATE, ids), |word| {
            if let Word::Diff(diff, _, _) = word {
                seen.set(Some((diff.prev_id, diff.last_id, diff.checksum)));
            }
        });
        seen.get().unwrap()
    };
    assert_eq!(heads(r#","prevSeqId":0,"seqId":4"#), (Some(0), 4, None));
    assert_eq!(heads(r#","prevSeqId":-1,"seqId":4"#), (None, 4, None));
    assert_eq!(heads(r#","seqId":0"#), (None, 0, None));
    assert_eq!(heads(r#","seqId":"4","prevSeqId":"3""#), (Some(3), 4, None));
    let time_ms = 1_790_000_000_100;
    assert_eq!(heads(""), (None, time_ms, None));
    assert_eq!(
        heads(r#","seqId":"","prevSeqId":"""#),
        (None, time_ms, None)
    );
    let checksums = [("0", None), ("-1", Some(u32::MAX)), ("7", Some(7))];
    for (text, checksum) in checksums {
        let ids = format!(r#","checksum":{text}"#);
        assert_eq!(heads(&ids), (None, time_ms, checksum));
    }
    let large = book_frame("books", UPDATE, r#","checksum":4294967295"#);
    assert_eq!(said(&DEPTHS[0], &large), Err(Shape));
}

#[test]
fn five_levels_are_a_whole_book_each_time_and_other_depth_channels_are_nothing() {
    let frame = book_frame("books5", "", r#","seqId":10"#);
    let words = said(&DEPTHS[3], &frame).unwrap();
    assert!(words[0].starts_with("Book("), "{words:?}");
    assert_eq!(said(&DEPTHS[0], &frame), Ok(vec![]));
    let deep = book_frame("books-l2-tbt", UPDATE, r#","seqId":10"#);
    assert_eq!(said(&DEPTHS[1], &deep).unwrap().len(), 1);
    assert_eq!(said(&DEPTHS[0], &deep), Ok(vec![]));
}

#[test]
fn a_trade_names_the_side_that_took() {
    let frame = r#"{"arg":{"channel":"trades","instId":"ETH-USDT"},"data":[{"instId":"ETH-USDT","tradeId":"51","px":"3412.5","sz":"0.125","side":"sell","ts":"1790000000360","count":"3"}]}"#;
    let trade = Trade {
        instrument: InstrumentId(1),
        id: 51,
        px: Px(341_250),
        qty: Qty(125_000),
        taker: Side::Sell,
        exch_time: UnixNanos(1_790_000_000_360_000_000),
    };
    one(frame, |word| assert_eq!(word, Word::Trade(trade)));
    let bought = frame.replace("sell", "buy");
    let taker = Side::Buy;
    one(&bought, |word| {
        assert_eq!(word, Word::Trade(Trade { taker, ..trade }))
    });
    let with = |from, to| said(&DEPTHS[0], &frame.replace(from, to));
    assert_eq!(with("sell", "both"), Err(Shape));
    assert_eq!(with(r#""0.125""#, r#""0""#), Ok(vec![]));
    assert!(with(r#""3412.5""#, r#""""#).unwrap()[0].starts_with("Unfit"));
}

#[test]
fn answers_name_their_request_or_their_stream() {
    let words = |frame: &str| said(&DEPTHS[0], frame).unwrap().join(" ");
    let arg = r#""arg":{"channel":"bbo-tbt","instId":"ETH-USDT"}"#;
    let error = |rest: &str| words(&format!(r#"{{"event":"error","code":"60018"{rest}}}"#));
    assert_eq!(
        words(&format!(r#"{{"id":"3","event":"subscribe",{arg}}}"#)),
        "Subscribed { instrument: InstrumentId(1), channel: Quotes, refused: None }"
    );
    let answer = "Answer { id: 7, refused: Some(60018) }";
    assert_eq!(error(r#","id":"7""#), answer);
    assert_eq!(error(&format!(r#","id":"7",{arg}"#)), answer);
    assert_eq!(
        error(&format!(r#","id":"",{arg}"#)),
        "Subscribed { instrument: InstrumentId(1), channel: Quotes, refused: Some(60018) }"
    );
    assert_eq!(error(""), "Answer { id: 0, refused: Some(60018) }");
    assert_eq!(said(&DEPTHS[0], r#"{"event":"subscribe"}"#), Err(Shape));
    assert_eq!(words(r#"{"event":"notice","code":"64008"}"#), "Shutdown");
    assert_eq!(words(r#"{"event":"notice","code":"1"}"#), "");
    assert_eq!(words("pong"), "");
}

#[test]
fn what_is_not_of_the_documented_shape_is_refused() {
    let frame = book_frame("books", UPDATE, r#","prevSeqId":9,"seqId":10"#);
    for (from, to, why) in [
        ("BTC-USDT-SWAP", "NOT-LISTED", DecodeError::UnknownSymbol),
        ("update", "replace", Shape),
        (r#""asks""#, r#""tasks""#, Shape),
        (r#""data":[{"#, r#""data":1,"x":[{"#, Shape),
        (r#""97001.6","12.5","0","3""#, r#""97001.6""#, Shape),
    ] {
        let broken = frame.replace(from, to);
        assert_eq!(said(&DEPTHS[0], &broken), Err(why), "{broken}");
    }
}

#[test]
fn every_golden_frame_is_understood_and_none_that_is_cut_short() {
    let mut decoder = decoder(&DEPTHS[0]);
    let mut words = Words::new();
    let mut counts = [0; 4];
    for frame in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let whole = decoder.decode(frame.as_bytes(), &mut words);
        assert_eq!(whole, Ok(()), "{frame}");
        for word in words.iter() {
            let sort = match word {
                Word::Book(..) => 0,
                Word::Diff(..) => 1,
                Word::Trade(_) => 2,
                Word::Quote(_) => 3,
                Word::Trading(..)
                | Word::Answer { .. }
                | Word::Subscribed { .. }
                | Word::Reply(_)
                | Word::Unfit { .. }
                | Word::Shutdown => continue,
            };
            counts[sort] += 1;
        }
        for end in 0..frame.len() {
            let cut = decoder.decode(&frame.as_bytes()[..end], &mut words);
            assert_eq!(cut, Err(DecodeError::Json), "{}", &frame[..end]);
        }
    }
    assert_eq!(counts, [2, 9, 4, 1]);
}

#[test]
fn numbers_may_be_written_in_any_form() {
    let frame = book_frame(
        "books",
        UPDATE,
        r#","prevSeqId":9,"seqId":10,"checksum":-5"#,
    );
    let plain = said(&DEPTHS[0], &frame);
    let numbers = frame.replace(r#""97001.6","12.5","0","3""#, "97001.6,12.5,0,3");
    assert_eq!(said(&DEPTHS[0], &numbers), plain);
    let exponents = frame.replace("97001.6", "9.70016e4");
    assert_eq!(said(&DEPTHS[0], &exponents), plain);
    let texts = frame.replace("-5", r#""-5""#).replace(":10,", r#":"10","#);
    assert_eq!(said(&DEPTHS[0], &texts), plain);
}
