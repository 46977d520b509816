use super::*;
use crate::base::{Diff, Px, Qty, Quote, Symbol, Word};

fn instrument(id: u16, symbol: &str, scales: (u8, u8)) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        ..Instrument::bare("hyperliquid", Symbol::from(symbol).unwrap(), scales)
    }
}

/// A decoder and the words of its last frame. The run's table has other instruments in between.
struct Heard {
    decoder: Box<dyn Decoder>,
    words: Words,
}

fn heard() -> Heard {
    let listed = [
        instrument(3, "BTC", (1, 5)),
        instrument(9, "PURR/USDC", (8, 0)),
    ];
    Heard {
        decoder: super::decoder(&listed),
        words: Words::new(),
    }
}

impl Heard {
    fn take(&mut self, frame: &str) -> Result<(), DecodeError> {
        self.decoder.decode(frame.as_bytes(), &mut self.words)
    }

    /// The ids of the trades of a frame.
    fn trades(&mut self, frame: &str) -> Vec<u64> {
        assert_eq!(self.take(frame), Ok(()), "{frame}");
        let id = |word| match word {
            Word::Trade(trade) => Some(trade.id),
            Word::Diff(..)
            | Word::Book(..)
            | Word::Quote(_)
            | Word::Trading(..)
            | Word::Answer { .. }
            | Word::Subscribed { .. }
            | Word::Reply(_)
            | Word::Unfit { .. }
            | Word::Shutdown => None,
        };
        self.words.iter().filter_map(id).collect()
    }

    /// A frame's words as text.
    fn said(&mut self, frame: &str) -> Vec<String> {
        assert_eq!(self.take(frame), Ok(()), "{frame}");
        let words = self.words.iter();
        words.map(|word| format!("{word:?}")).collect()
    }
}

fn level(px: i64, qty: u64) -> Level {
    let (px, qty) = (Px(px), Qty(qty));
    Level { px, qty }
}

const BOOK: &str = r#"{"channel":"l2Book","data":{"coin":"BTC","time":1790000000100,"levels":[[{"px":"97001.0","sz":"1.25","n":4},{"n":1,"sz":"0.5","px":"97000.0"}],[{"px":"97002.0","sz":"0.00012","n":1}]]}}"#;
const NONE: [u64; 0] = [];
const ACK: &str = r#"{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}}}"#;

/// Trades of BTC with these ids, which are their times, too.
fn trades(times_ms: &[u64]) -> String {
    let trade = |ms: &u64| {
        format!(r#"{{"coin":"BTC","side":"A","px":"97000.0","sz":"0.5","time":{ms},"tid":{ms}}}"#)
    };
    let list: Vec<String> = times_ms.iter().map(trade).collect();
    format!(r#"{{"channel":"trades","data":[{}]}}"#, list.join(","))
}

#[test]
fn every_book_is_whole_and_stands_at_its_time() {
    let mut heard = heard();
    assert_eq!(heard.take(BOOK), Ok(()));
    let head = Diff {
        instrument: InstrumentId(3),
        first_id: 1_790_000_000_100,
        last_id: 1_790_000_000_100,
        prev_id: None,
        checksum: None,
        exch_time: UnixNanos(1_790_000_000_100_000_000),
    };
    let bids = [level(970_010, 125_000), level(970_000, 50_000)];
    let asks = [level(970_020, 12)];
    let words: Vec<Word<'_>> = heard.words.iter().collect();
    assert_eq!(words, [Word::Book(head, &bids, &asks)]);
}

#[test]
fn a_trade_names_the_side_that_took() {
    let mut heard = heard();
    heard.take(BOOK).unwrap();
    let time_ms = 1_790_000_000_100;
    heard.take(&trades(&[time_ms])).unwrap();
    let trade = Trade {
        instrument: InstrumentId(3),
        id: time_ms,
        px: Px(970_000),
        qty: Qty(50_000),
        taker: Side::Sell,
        exch_time: UnixNanos(1_790_000_000_100_000_000),
    };
    let words: Vec<Word<'_>> = heard.words.iter().collect();
    assert_eq!(words, [Word::Trade(trade)]);
    let bought = trades(&[time_ms]).replace(r#""A""#, r#""B""#);
    assert!(heard.said(&bought)[0].contains("taker: Buy"));
    assert!(
        heard
            .said(&trades(&[time_ms]).replace(r#""0.5""#, r#""0.0""#))
            .is_empty()
    );
    for (from, to) in [(r#""A""#, r#""C""#), ("tid", "x")] {
        let broken = heard.take(&trades(&[time_ms]).replace(from, to));
        assert_eq!(broken, Err(Shape), "{to}");
    }
}

#[test]
fn trades_of_the_past_are_no_news() {
    let at = 1_790_000_000_100;
    let mut after = heard();
    after.take(BOOK).unwrap();
    assert_eq!(after.trades(&trades(&[at - 50, at - 1])), NONE);
    let between = trades(&[at - 1, at + 200]);
    assert_eq!(after.trades(&between), [at + 200]);
    let mut before = heard();
    let past = trades(&[at - 50, at - 10]);
    assert_eq!(before.trades(&past), NONE);
    assert_eq!(before.trades(&past), NONE);
    before.take(BOOK).unwrap();
    let late = trades(&[at - 5]);
    assert_eq!(before.trades(&late), [at - 5]);
    // Another subscription gets the past again.
    before.take(ACK).unwrap();
    let past = trades(&[at - 5, at + 10]);
    assert_eq!(before.trades(&past), NONE);
    assert_eq!(before.trades(&trades(&[at + 11])), [at + 11]);
}

#[test]
fn a_quote_needs_both_sides() {
    let frame = r#"{"channel":"bbo","data":{"coin":"PURR/USDC","time":7,"bbo":[{"px":"0.1","sz":"5.0","n":1},{"px":"0.2","sz":"6.0","n":1}]}}"#;
    let mut heard = heard();
    heard.take(frame).unwrap();
    let quote = Quote {
        instrument: InstrumentId(9),
        update_id: 7,
        bid: level(10_000_000, 5),
        ask: level(20_000_000, 6),
    };
    let words: Vec<Word<'_>> = heard.words.iter().collect();
    assert_eq!(words, [Word::Quote(quote)]);
    let empty = frame.replace(r#"{"px":"0.1","sz":"5.0","n":1}"#, "null");
    assert_eq!(heard.said(&empty), Vec::<String>::new());
}

#[test]
fn answers_name_their_stream() {
    let mut heard = heard();
    let accepted = "Subscribed { instrument: InstrumentId(3), channel: Trades, refused: None }";
    assert_eq!(heard.said(ACK), [accepted]);
    let ended = ACK.replace(r#"method":"sub"#, r#"method":"unsub"#);
    assert_eq!(heard.said(&ended), [accepted]);
    let error = |why: &str, coin: &str| {
        let about = format!(r#"{{\"type\":\"trades\",\"coin\":\"{coin}\"}}"#);
        format!(r#"{{"channel":"error","data":"{why} {about}"}}"#)
    };
    let again = error("Already subscribed:", "BTC");
    assert_eq!(heard.said(&again), [accepted]);
    let refused = heard.said(&error("Invalid subscription", "BTC"));
    assert_eq!(refused, [accepted.replace("None", "Some(-1)")]);
    let nobody = "Answer { id: 0, refused: Some(-1) }";
    assert_eq!(heard.said(&error("Invalid subscription", "X")), [nobody]);
    let broken = r#"{"channel":"error","data":"Error parsing"}"#;
    assert_eq!(heard.said(broken), [nobody]);
    let candle = ACK.replace("trades", "candle");
    assert_eq!(heard.said(&candle), Vec::<String>::new());
    let pong = r#"{"channel":"pong"}"#;
    assert_eq!(heard.said(pong), Vec::<String>::new());
}

#[test]
fn what_is_not_of_the_documented_shape_is_refused() {
    for (from, to, why) in [
        (r#""BTC""#, r#""ETH""#, DecodeError::UnknownSymbol),
        ("1790000000100", "-1", Shape),
        (r#""levels":[["#, r#""levels":[[],["#, Shape),
        ("[[{", r#"[7,[{"#, Shape),
        (r#""px":"97002.0","#, "", Shape),
        (r#""data""#, r#""date""#, Shape),
    ] {
        let broken = BOOK.replace(from, to);
        assert_eq!(heard().take(&broken), Err(why), "{broken}");
    }
}
