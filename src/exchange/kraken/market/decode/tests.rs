use super::*;
use crate::base::{Channel, Level, Px, Qty, Quote, Symbol, Word};
use crate::exchange::Exchange;
use crate::exchange::kit::survey::Survey;
use crate::exchange::kraken::Kraken;
use std::collections::BTreeMap;

fn instrument(id: u16, symbol: &str, scales: (u8, u8)) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        ..Instrument::bare("kraken", Symbol::from(symbol).unwrap(), scales)
    }
}

/// `BTC/USD` is 0, `XBT/EUR` of the old names is 1, and 2 is not open to trading.
fn decoder() -> Box<dyn Decoder> {
    let closed = Instrument {
        trading: false,
        ..instrument(2, "OLD/USD", (1, 8))
    };
    super::decoder(&[
        instrument(0, "BTC/USD", (1, 8)),
        instrument(1, "XBT/EUR", (5, 8)),
        closed,
    ])
}

fn said(frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut words = Words::new();
    decoder().decode(frame.as_bytes(), &mut words)?;
    Ok(words.iter().map(|word| format!("{word:?}")).collect())
}

fn one<R>(frame: &str, read: impl FnOnce(Word<'_>) -> R) -> R {
    let mut words = Words::new();
    decoder().decode(frame.as_bytes(), &mut words).unwrap();
    assert_eq!(words.iter().count(), 1, "{frame}");
    read(words.iter().next().unwrap())
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn diff(instrument: u16, checksum: Option<u32>, exch_time: i64) -> Diff {
    Diff {
        instrument: InstrumentId(instrument),
        first_id: 0,
        last_id: 0,
        prev_id: None,
        checksum,
        exch_time: UnixNanos(exch_time),
    }
}

#[test]
fn a_book_is_whole_or_changes_and_has_its_checksum() {
    let frame = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":63000.0,"qty":0.00000000},{"price":62999.9,"qty":1.5}],"asks":[],"checksum":4294967295,"timestamp":"2026-08-01T02:53:53.646219Z"}]}"#;
    let time = 1_785_552_833_646_219_000;
    let bids = [level(630_000, 0), level(629_999, 150_000_000)];
    one(frame, |word| {
        assert_eq!(word, Word::Diff(diff(0, Some(u32::MAX), time), &bids, &[]));
    });
    let whole = frame
        .replace("update", "snapshot")
        .replace("bids", "x")
        .replace("asks", "bids");
    let whole = whole.replace(r#""x":"#, r#""asks":"#);
    let whole = whole.replace(r#","timestamp":"2026-08-01T02:53:53.646219Z""#, "");
    one(&whole, |word| {
        // Nothing rests if there is no quantity.
        assert_eq!(
            word,
            Word::Book(diff(0, Some(u32::MAX), 0), &[], &bids[1..])
        );
    });
    let large = frame.replace("4294967295", "4294967296");
    assert_eq!(said(&large), Err(Shape));
    let other = frame.replace(r#""update""#, r#""other""#);
    assert_eq!(said(&other), Err(Shape));
    let strange = frame.replace("BTC/USD", "NIL/USD");
    assert_eq!(said(&strange), Err(DecodeError::UnknownSymbol));
}

#[test]
fn order_of_keys_strings_and_exponents_change_nothing() {
    let plain = r#"{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":63000.0,"qty":0.00001000}],"asks":[],"checksum":7,"timestamp":"2026-08-01T02:53:53.646219Z"}]}"#;
    for other in [
        r#"{"data":[{"timestamp":"2026-08-01T02:53:53.646219Z","checksum":"7","asks":[],"bids":[{"qty":1e-5,"price":6.3E4}],"symbol":"BTC/USD"}],"type":"update","channel":"book"}"#,
        r#"{"new":1,"channel":"book","type":"update","data":[{"new":[{}],"symbol":"BTC/USD","bids":[{"price":"63000","qty":"0.00001","n":1}],"asks":[],"checksum":7,"timestamp":"2026-08-01T02:53:53.646219Z"}]}"#,
    ] {
        assert_eq!(said(other), said(plain));
    }
}

#[test]
fn trades_name_the_taker_and_those_of_the_past_are_no_news() {
    let frame = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":70000.1,"qty":0.00012345,"ord_type":"market","trade_id":101,"timestamp":"1970-01-01T00:00:01.000001Z"}]}"#;
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 101,
        px: Px(700_001),
        qty: Qty(12_345),
        taker: Side::Sell,
        exch_time: UnixNanos(1_000_001_000),
    };
    one(frame, |word| assert_eq!(word, Word::Trade(trade)));
    assert_eq!(said(&frame.replace("update", "snapshot")), Ok(vec![]));
    assert_eq!(said(&frame.replace("sell", "none")), Err(Shape));
}

#[test]
fn a_ticker_is_the_best_bid_and_ask() {
    let frame = r#"{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":70000.0,"bid_qty":0.2,"ask":70000.2,"ask_qty":3,"last":1.23456789,"change":-1.5}]}"#;
    let quote = Quote {
        instrument: InstrumentId(0),
        update_id: 0,
        bid: level(700_000, 20_000_000),
        ask: level(700_002, 300_000_000),
    };
    one(frame, |word| assert_eq!(word, Word::Quote(quote)));
}

#[test]
fn an_ack_names_its_topic_and_a_refusal_its_request() {
    let ack = r#"{"method":"subscribe","result":{"channel":"ticker","symbol":"BTC/USD"},"success":true,"req_id":3}"#;
    let subscribed = Word::Subscribed {
        instrument: InstrumentId(0),
        channel: Channel::Quotes,
        refused: None,
    };
    one(ack, |word| assert_eq!(word, subscribed));
    let refusal = r#"{"error":"Currency pair not supported A/B","method":"subscribe","symbol":"A/B","success":false,"req_id":3}"#;
    let refused = Word::Answer {
        id: 3,
        refused: Some(REFUSED),
    };
    one(refusal, |word| assert_eq!(word, refused));
    let end = r#"{"method":"unsubscribe","result":{"channel":"book","depth":10,"symbol":"BTC/USD"},"success":true,"req_id":4}"#;
    let accepted = Word::Answer {
        id: 4,
        refused: None,
    };
    one(end, |word| assert_eq!(word, accepted));
    let held = r#"{"error":"Already subscribed","method":"subscribe","symbol":"BTC/USD","success":false,"req_id":4}"#;
    one(held, |word| assert_eq!(word, accepted));
    for silent in [
        r#"{"method":"pong"}"#,
        r#"{"channel":"heartbeat"}"#,
        r#"{"channel":"new","data":7}"#,
        r#"{"method":"subscribe","result":{"channel":"ohlc","symbol":"A/B"},"success":true}"#,
        "{}",
    ] {
        assert_eq!(said(silent), Ok(vec![]), "{silent}");
    }
    let nameless = Word::Answer {
        id: 0,
        refused: Some(REFUSED),
    };
    one(r#"{"error":"Exceeded msg rate"}"#, |word| {
        assert_eq!(word, nameless)
    });
}

#[test]
fn a_halt_of_the_exchange_is_one_of_all_instruments_that_were_open() {
    let halt = r#"{"channel":"status","type":"update","data":[{"system":"cancel_only"}]}"#;
    let off = [
        "Trading(InstrumentId(0), false)",
        "Trading(InstrumentId(1), false)",
    ];
    assert_eq!(said(halt).unwrap(), off);
    let old = r#"{"event":"systemStatus","status":"online"}"#;
    assert_eq!(
        said(old).unwrap(),
        off.map(|word| word.replace("false", "true"))
    );
}

#[test]
fn two_objects_of_the_old_version_are_one_update() {
    let frame = r#"[336,{"a":[["60001.00000","0.00000000","1700000000.000002","r"]]},{"b":[["60000.50000","0.10000000","1700000000.000001"]],"c":"77"},"book-10","XBT/EUR"]"#;
    let (bids, asks) = (
        [level(6_000_050_000, 10_000_000)],
        [level(6_000_100_000, 0)],
    );
    let head = diff(1, Some(77), 1_700_000_000_000_002_000);
    one(frame, |word| {
        assert_eq!(word, Word::Diff(head, &bids, &asks));
    });
    let whole = r#"[336,{"as":[],"bs":[["60000.50000","0.10000000","1700000000.000001"]]},"book-10","XBT/EUR"]"#;
    let head = diff(1, None, 1_700_000_000_000_001_000);
    one(whole, |word| assert_eq!(word, Word::Book(head, &bids, &[])));
    for bad in ["[]", "[1]", r#"[1,7,"book-10","XBT/EUR"]"#] {
        assert_eq!(said(bad), Err(Shape), "{bad}");
    }
}

fn golden() -> impl Iterator<Item = &'static str> {
    let all = include_str!("../../golden/kraken.frames");
    all.lines().filter(|line| !line.starts_with('#'))
}

/// A naive book: what `market` does, the slow way.
#[derive(Default)]
struct Book {
    sides: [BTreeMap<Px, Qty>; 2],
}

impl Book {
    fn apply(&mut self, whole: bool, bids: &[Level], asks: &[Level], window: usize) {
        for (side, levels) in self.sides.iter_mut().zip([bids, asks]) {
            if whole {
                side.clear();
            }
            for level in levels {
                side.insert(level.px, level.qty);
            }
            side.retain(|_, qty| *qty != Qty(0));
        }
        while self.sides[0].len() > window {
            self.sides[0].pop_first();
        }
        while self.sides[1].len() > window {
            self.sides[1].pop_last();
        }
    }

    fn checksum(&self) -> u32 {
        let mut sum = flate2::Crc::new();
        let asks = self.sides[1].iter().take(10);
        for (px, qty) in asks.chain(self.sides[0].iter().rev().take(10)) {
            sum.update(format!("{}{}", px.0, qty.0).as_bytes());
        }
        sum.sum()
    }
}

#[test]
fn the_checksums_of_the_golden_frames_are_those_of_a_naive_book() {
    let mut survey = Survey::default();
    golden().for_each(|frame| Kraken.survey(frame, &mut survey));
    let depth = survey.recorded_depth(&Kraken).unwrap();
    let instruments = survey.instruments("kraken");
    let names: Vec<_> = instruments.iter().map(|i| i.symbol.as_str()).collect();
    assert_eq!(names, ["BTC/USD", "DOGE/USDT", "XBT/EUR"]);
    let window = usize::from(depth.rule.window.unwrap());
    let mut decoder = Kraken.decoder(&instruments, depth);
    let (mut books, mut words, mut proved) = (BTreeMap::new(), Words::new(), 0);
    for frame in golden() {
        decoder.decode(frame.as_bytes(), &mut words).unwrap();
        for word in words.iter() {
            let (whole, diff, bids, asks) = match word {
                Word::Book(diff, bids, asks) => (true, diff, bids, asks),
                Word::Diff(diff, bids, asks) => (false, diff, bids, asks),
                _ => continue,
            };
            let book: &mut Book = books.entry(diff.instrument).or_default();
            book.apply(whole, bids, asks, window);
            if let Some(sum) = diff.checksum {
                assert_eq!(sum, book.checksum(), "{frame}");
                proved += 1;
            }
        }
    }
    assert_eq!(proved, 12);
}
