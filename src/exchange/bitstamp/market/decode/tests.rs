use super::*;
use crate::base::{InstrumentId, Level, Px, Qty, Word};

fn instrument(n: u16, symbol: &str) -> Instrument {
    Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("bitstamp", symbol.try_into().unwrap(), (8, 8))
    }
}

/// What a frame says, in the debug form of its words.
fn said(frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut decoder = super::decoder(&[instrument(0, "abcusd"), instrument(1, "xyzbtc")]);
    let mut words = Words::new();
    decoder.decode(frame.as_bytes(), &mut words)?;
    Ok(words.iter().map(|word| format!("{word:?}")).collect())
}

const DIFF: &str = r#"{"data":{"timestamp":"1750000000","microtimestamp":"1750000000123456","bids":[["0.5","2.00000000"]],"asks":[["0.6","0.00000000"]]},"channel":"diff_order_book_xyzbtc","event":"data"}"#;
const TRADE: &str = r#"{"channel":"live_trades_abcusd","data":{"amount":0.1,"amount_str":"0.10000000","id":7,"microtimestamp":"1750000000123456","price":30.5,"price_str":"30.5","timestamp":"1750000000","type":1},"event":"trade"}"#;

#[test]
fn the_id_of_a_diff_is_its_time() {
    let mut decoder = super::decoder(&[instrument(0, "abcusd"), instrument(1, "xyzbtc")]);
    let mut words = Words::new();
    decoder.decode(DIFF.as_bytes(), &mut words).unwrap();
    let Some(Word::Diff(diff, bids, asks)) = words.iter().next() else {
        panic!()
    };
    assert_eq!(diff.instrument, InstrumentId(1));
    assert_eq!(
        (diff.first_id, diff.last_id),
        (1_750_000_000_123_456, 1_750_000_000_123_456)
    );
    assert_eq!(diff.exch_time.as_micros(), 1_750_000_000_123_456);
    let level = |px, qty| Level {
        px: Px(px),
        qty: Qty(qty),
    };
    assert_eq!(bids, [level(50_000_000, 200_000_000)]);
    assert_eq!(asks, [level(60_000_000, 0)]);
}

#[test]
fn a_trade_is_read_from_its_exact_texts() {
    let sold = &said(TRADE).unwrap()[0];
    assert!(sold.contains("id: 7, px: Px(3050000000), qty: Qty(10000000), taker: Sell"));
    let bought = TRADE.replace(r#""type":1"#, r#""type":0"#);
    assert!(said(&bought).unwrap()[0].contains("taker: Buy"));
    let neither = TRADE.replace(r#""type":1"#, r#""type":2"#);
    assert_eq!(said(&neither), Err(Shape));
    // The floats beside them may be anything.
    let drifted = TRADE.replace(r#""amount":0.1"#, r#""amount":0.10000000000000001"#);
    assert_eq!(said(&drifted).unwrap(), said(TRADE).unwrap());
}

#[test]
fn the_answer_about_diffs_is_one_about_quotes() {
    let of = |event: &str, channel: &str| {
        said(&format!(
            r#"{{"event":"bts:{event}","channel":"{channel}","data":{{"code":null}}}}"#
        ))
    };
    let both = of("subscription_succeeded", "diff_order_book_abcusd").unwrap();
    assert_eq!(both.len(), 2);
    assert!(both[0].contains("channel: Depth, refused: None"));
    assert!(both[1].contains("channel: Quotes, refused: None"));
    let one = of("unsubscription_succeeded", "live_trades_abcusd").unwrap();
    assert_eq!(one.len(), 1);
    assert!(one[0].contains("channel: Trades, refused: None"));
    let refused = of("error", "live_trades_abcusd").unwrap();
    assert!(refused[0].contains("channel: Trades, refused: Some(-1)"));
    let nobody = ["Answer { id: 0, refused: Some(-1) }"];
    assert_eq!(of("error", "").unwrap(), nobody);
    assert_eq!(of("error", "live_trades_none").unwrap(), nobody);
    let unknown = of("subscription_succeeded", "live_trades_none");
    assert_eq!(unknown, Err(DecodeError::UnknownSymbol));
    assert_eq!(of("request_reconnect", "").unwrap(), ["Shutdown"]);
    assert!(of("heartbeat", "").unwrap().is_empty());
}

#[test]
fn what_is_wrong_with_a_frame_is_told_by_kind() {
    let with = |from: &str, to: &str| said(&DIFF.replace(from, to)).unwrap_err();
    assert_eq!(with("xyzbtc", "none"), DecodeError::UnknownSymbol);
    assert_eq!(with("microtimestamp", "nanotimestamp"), Shape);
    assert_eq!(with(r#"[["0.5","2.00000000"]]"#, "null"), Shape);
    assert_eq!(with(r#""event""#, "event"), DecodeError::Json);
}

#[test]
fn a_snapshot_is_the_whole_book_and_must_be_in_order() {
    let read = |bids: &str| {
        let body = format!(
            r#"{{"timestamp": "1", "microtimestamp": "1000001", "bids": [{bids}], "asks": [["3", "1"], ["4", "1"]]}}"#
        );
        snapshot(body.as_bytes(), &instrument(0, "abcusd"))
    };
    let book = read(r#"["2", "1"], ["1", "1"]"#).unwrap();
    assert_eq!(
        (book.last_id, book.bids.len(), book.asks.len()),
        (1_000_001, 2, 2)
    );
    assert!(book.bids_whole && book.asks_whole);
    assert_eq!(read("").unwrap().bids, []);
    assert_eq!(read("[2.00, 1]").unwrap().bids[0].px, Px(200_000_000));
    assert_eq!(read(r#"["1", "1"], ["2", "1"]"#), Err(Shape));
    assert_eq!(read(r#"["1", "1"], ["1", "1"]"#), Err(Shape));
    let odd = read(r#"["2", "1"], ["1", "0.000"], ["0.00", "5000"], ["-1", "5"]"#).unwrap();
    assert_eq!(
        (odd.bids.len(), odd.dropped),
        (1, 3),
        "the rest of it counts"
    );
    assert_eq!(read("["), Err(DecodeError::Json));
    let error = snapshot(br#"{"code": "Not found"}"#, &instrument(0, "abcusd"));
    assert_eq!(error, Err(Shape));
}

#[test]
fn a_recording_tells_its_symbols_at_eight_decimals_or_more() {
    let mut seen = Survey::default();
    survey(
        r#"{"event":"bts:subscription_succeeded","channel":"live_trades_quiet","data":{}}"#,
        &mut seen,
    );
    survey(&DIFF.replace("0.5", "0.123456789"), &mut seen);
    survey(TRADE, &mut seen);
    survey(
        r#"{"event":"bts:error","channel":"live_trades_none","data":{}}"#,
        &mut seen,
    );
    survey(r#"{"event":"bts:heartbeat"}"#, &mut seen);
    let found = seen.instruments("bitstamp");
    let found: Vec<_> = found
        .iter()
        .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
        .collect();
    assert_eq!(found, [("quiet", 8, 8), ("xyzbtc", 9, 8), ("abcusd", 8, 8)]);
}
