use super::*;
use crate::base::{DecimalError, InstrumentId, Level, Px, Qty, Quote, Word};
use crate::exchange::binance_spot::rest::test_instrument;
use proptest::prelude::*;

const DEPTH: &str = r#"{"e":"depthUpdate","E":1750000000123456,"s":"ETHUSDT","U":157,"u":160,"b":[["2500.10000000","1.20000000"],["2500.00000000","0.00000000"]],"a":[["2501","3"]]}"#;
const TRADE: &str = r#"{"e":"trade","E":1750000000123,"s":"BTCUSDT","t":5012345678,"p":"30000.01000000","q":"0.00250000","T":1750000000122,"m":true,"M":true}"#;
const QUOTE: &str = r#"{"u":400900217,"s":"币USDT","b":"25.35190000","B":"31.21000000","a":"25.36520000","A":"40.66000000"}"#;

fn decoder() -> Box<dyn Decoder> {
    super::decoder(&[
        test_instrument(0, "BTCUSDT"),
        test_instrument(1, "ETHUSDT"),
        test_instrument(2, "币USDT"),
    ])
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn combined(data: &str) -> String {
    format!(r#"{{"stream":"x@y","data":{data}}}"#)
}

std::thread_local! {
    /// Kept between cases: warming one takes longer than a case.
    static WARM: std::cell::RefCell<(Box<dyn Decoder>, Words)> = (decoder(), Words::new()).into();
}

/// The word of a frame without its levels, none if it says nothing of use, or why it was
/// refused.
fn decode(frame: &str) -> Result<Option<Word<'static>>, DecodeError> {
    WARM.with_borrow_mut(|(decoder, words)| {
        decoder.decode(frame.as_bytes(), words)?;
        assert!(words.iter().count() < 2);
        Ok(words.iter().next().map(without_levels))
    })
}

fn without_levels(word: Word<'_>) -> Word<'static> {
    match word {
        Word::Diff(diff, _, _) => Word::Diff(diff, &[], &[]),
        Word::Trade(trade) => Word::Trade(trade),
        Word::Quote(quote) => Word::Quote(quote),
        Word::Answer { id, refused } => Word::Answer { id, refused },
        Word::Shutdown => Word::Shutdown,
        Word::Unfit {
            instrument,
            channel,
            why,
        } => Word::Unfit {
            instrument,
            channel,
            why,
        },
        other => panic!("{other:?} is nothing that Binance says"),
    }
}

#[test]
fn a_depth_update_has_absolute_levels() {
    let mut decoder = decoder();
    let diff = Diff {
        instrument: InstrumentId(1),
        first_id: 157,
        last_id: 160,
        prev_id: None,
        checksum: None,
        exch_time: UnixNanos(1_750_000_000_123_456_000),
    };
    let bids = [
        level(250_010_000_000, 120_000_000),
        level(250_000_000_000, 0),
    ];
    let asks = [level(250_100_000_000, 300_000_000)];
    for frame in [DEPTH.to_owned(), combined(DEPTH)] {
        let mut words = Words::new();
        assert_eq!(decoder.decode(frame.as_bytes(), &mut words), Ok(()));
        let said: Vec<Word<'_>> = words.iter().collect();
        assert_eq!(said, [Word::Diff(diff, &bids, &asks)]);
    }
}

#[test]
fn a_trade_names_the_side_that_took() {
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 5_012_345_678,
        px: Px(3_000_001_000_000),
        qty: Qty(250_000),
        taker: Side::Sell,
        exch_time: UnixNanos(1_750_000_000_122_000_000),
    };
    assert_eq!(decode(TRADE), Ok(Some(Word::Trade(trade))));
    let bought = TRADE.replace(r#""m":true"#, r#""m":false"#);
    let taker = Side::Buy;
    assert_eq!(
        decode(&combined(&bought)),
        Ok(Some(Word::Trade(Trade { taker, ..trade })))
    );
}

#[test]
fn a_quote_has_no_name_and_its_symbol_need_not_be_ascii() {
    let quote = Word::Quote(Quote {
        instrument: InstrumentId(2),
        update_id: 400_900_217,
        bid: level(2_535_190_000, 3_121_000_000),
        ask: level(2_536_520_000, 4_066_000_000),
    });
    assert_eq!(decode(QUOTE), Ok(Some(quote)));
    assert_eq!(decode(&combined(QUOTE)), Ok(Some(quote)));
    let escaped = QUOTE.replace('币', "\\u5e01");
    assert_eq!(decode(&escaped), Ok(Some(quote)));
}

#[test]
fn answers_name_their_request() {
    let answer = |id, refused| Ok(Some(Word::Answer { id, refused }));
    assert_eq!(decode(r#"{"result":null,"id":1}"#), answer(1, None));
    assert_eq!(decode(r#"{"id":3,"result":["a@trade"]}"#), answer(3, None));
    assert_eq!(
        decode(r#"{"code":2,"msg":"Invalid request: x","id":7}"#),
        answer(7, Some(2))
    );
    assert_eq!(
        decode(r#"{"error":{"code":-1121,"msg":"x"},"id":8}"#),
        answer(8, Some(-1121))
    );
    assert_eq!(
        decode(r#"{"code":3,"msg":"Invalid JSON","id":null}"#),
        answer(0, Some(3))
    );
    for broken in [
        r#"{"result":null}"#,
        r#"{"result":null,"id":"a"}"#,
        r#"{"error":{},"id":1}"#,
        r#"{"error":5,"id":1}"#,
        r#"{"code":true,"id":1}"#,
    ] {
        assert_eq!(decode(broken), Err(Shape), "{broken}");
    }
}

#[test]
fn a_shutdown_is_told_and_what_is_not_used_is_ignored() {
    let shutdown = r#"{"e":"serverShutdown","E":1770000000000}"#;
    assert_eq!(decode(shutdown), Ok(Some(Word::Shutdown)));
    assert_eq!(decode(&combined(shutdown)), Ok(Some(Word::Shutdown)));
    for ignored in [
        r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1","q":"1"}"#,
        r#"{"e":"kline","E":1,"s":"NOBODYKNOWS","k":{"t":1,"e":"trade"}}"#,
        r#"{"e":"somethingNew"}"#,
    ] {
        assert_eq!(decode(ignored), Ok(None));
        assert_eq!(decode(&combined(ignored)), Ok(None));
    }
}

/// All entries of an object, one of them left out or replaced.
fn variations(
    object: &str,
    change: impl Fn(&mut serde_json::Map<String, serde_json::Value>, &str),
) -> Vec<(String, String)> {
    let json: serde_json::Map<_, _> = serde_json::from_str(object).unwrap();
    let keys = json
        .keys()
        .filter(|key| !["M", "k"].contains(&key.as_str()));
    let one = |key: &String| {
        let mut changed = json.clone();
        change(&mut changed, key);
        (key.clone(), serde_json::Value::from(changed).to_string())
    };
    keys.map(one).collect()
}

#[test]
fn an_absent_or_mistyped_field_is_an_error() {
    for object in [DEPTH, TRADE, QUOTE] {
        let absent = variations(object, |json, key| drop(json.remove(key)));
        let mistyped = variations(object, |json, key| {
            json[key] = if json[key].is_boolean() {
                5.into()
            } else {
                true.into()
            };
        });
        let nothing = variations(object, |json, key| json[key] = serde_json::Value::Null);
        for (key, frame) in absent.into_iter().chain(mistyped).chain(nothing) {
            // A trade has two times, of which the matching engine's is the one that counts.
            if object == TRADE && key == "E" {
                continue;
            }
            assert_eq!(decode(&frame), Err(Shape), "{key}: {frame}");
        }
    }
}

#[test]
fn the_order_of_keys_does_not_matter() {
    for object in [DEPTH, TRADE, QUOTE] {
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(object).unwrap();
        let entry = |(key, value): (&String, &serde_json::Value)| format!("{key:?}:{value}");
        let mut entries: Vec<String> = json.iter().map(entry).collect();
        for _ in 0..entries.len() {
            entries.rotate_left(1);
            let turned = format!("{{{}}}", entries.join(","));
            assert_eq!(decode(&turned), decode(object));
            let frame = format!(r#"{{"data":{turned},"stream":"x"}}"#);
            assert_eq!(decode(&frame), decode(object));
        }
    }
}

#[test]
fn bad_levels_and_numbers_change_nothing() {
    let with = |bids: &str| decode(&DEPTH.replace(r#"[["2501","3"]]"#, bids));
    assert!(with("[]").is_ok());
    for shape in [
        r#"[["1"]]"#,
        r#"[[true,"2"]]"#,
        r#"["1","2"]"#,
        r#"[["1","2"],[]]"#,
        r#"[[["1","2"]]]"#,
        r#"[["1",["2"]]]"#,
        r#"{"1":"2"}"#,
        r#"[[],["1","2","3","4"]]"#,
        r#"[["1"],["1","2","3"]]"#,
        r#"[{"1":"2"}]"#,
    ] {
        assert_eq!(with(shape), Err(Shape), "{shape}");
    }
    let number = |text: &str| with(&format!(r#"[["{text}","1"]]"#));
    for (text, why) in [
        ("1e", DecimalError::Malformed),
        ("-1.0000000x", DecimalError::Malformed),
        ("", DecimalError::Malformed),
        ("0.000000001", DecimalError::TooFine),
        ("92233720368.54775808", DecimalError::TooLarge),
    ] {
        let unfit = Word::Unfit {
            instrument: InstrumentId(1),
            channel: Channel::Depth,
            why,
        };
        assert_eq!(number(text), Ok(Some(unfit)), "{text}");
    }
    assert_eq!(decode(&DEPTH.replace("\"U\":157", "\"U\":161")), Err(Shape));
    assert_eq!(
        decode(&DEPTH.replace("ETHUSDT", "ETHUSD")),
        Err(DecodeError::UnknownSymbol)
    );
}

#[test]
fn a_message_of_half_a_million_levels_is_read() {
    let with = |count: usize| {
        let levels = vec![r#"["1.00000000","2.00000000"]"#; count].join(",");
        DEPTH.replace(r#"["2501","3"]"#, &levels)
    };
    let (mut decoder, mut words) = (decoder(), Words::new());
    let many = decoder.decode(with(500_000).as_bytes(), &mut words);
    assert_eq!(many, Ok(()));
    let levels = |word: Word<'_>| matches!(word, Word::Diff(_, _, asks) if asks.len() == 500_000);
    assert!(words.iter().all(levels));
    assert!(decoder.decode(DEPTH.as_bytes(), &mut words).is_ok());
}

#[test]
fn what_is_no_object_is_an_error() {
    for frame in [
        "[]",
        "7",
        "null",
        "\"x\"",
        "{}",
        r#"{"data":[]}"#,
        r#"{"data":1}"#,
    ] {
        assert_eq!(decode(frame), Err(Shape), "{frame}");
    }
    assert_eq!(decode("{\"e\":\"trade\""), Err(DecodeError::Json));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(frame in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = WARM.with_borrow_mut(|(decoder, words)| decoder.decode(&frame, words).is_ok());
    }

    #[test]
    fn no_damage_to_a_real_frame_makes_it_panic(
        frame in prop_oneof![Just(DEPTH), Just(TRADE), Just(QUOTE)],
        bare in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(b'['), Just(b']'), Just(b'{'), Just(b'}'), Just(b','), Just(b'"'), Just(b':'),
            any::<u8>()], 0u8..3), 1..6),
    ) {
        let mut frame = if bare { frame.to_owned() } else { combined(frame) }.into_bytes();
        for (at, byte, how) in damage {
            let at = at.index(frame.len());
            match how {
                0 => frame[at] = byte,
                1 => frame.insert(at, byte),
                _ => drop(frame.remove(at)),
            }
        }
        let _ = WARM.with_borrow_mut(|(decoder, words)| decoder.decode(&frame, words).is_ok());
    }
}
