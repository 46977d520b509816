use super::*;
use crate::base::{DecimalError, InstrumentId, Level, Px, Qty, Symbol, UnixNanos, Word};

const DEPTH: &str = r#"{"e":"depthUpdate","E":1750000000125,"T":1750000000123,"s":"ETHUSDT","U":157,"u":160,"pu":149,"b":[["2500.10","1.20"],["2500.00","0.00"]],"a":[["2501","3"]]}"#;
const TRADE: &str = r#"{"e":"aggTrade","E":1750000000123,"a":77,"s":"BTCUSDT","p":"30000.10","q":"0.25","f":100,"l":105,"T":1750000000120,"m":true}"#;
const QUOTE: &str = r#"{"e":"bookTicker","u":400,"E":1750000000123,"T":1750000000121,"s":"BTCUSDT","b":"30000.10","B":"1.25","a":"30000.20","A":"0.80"}"#;

fn decoder() -> Box<dyn Decoder> {
    let instrument = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("binance-usdm", Symbol::from(symbol).unwrap(), (2, 2))
    };
    let all: Vec<_> = (0..).zip(["BTCUSDT", "ETHUSDT"]).map(instrument).collect();
    super::decoder(&all)
}

/// The first word of a frame as a person would read it; empty if there is none.
fn said(decoder: &mut Box<dyn Decoder>, frame: &str) -> Result<String, DecodeError> {
    let mut words = Words::new();
    decoder.decode(frame.as_bytes(), &mut words)?;
    let word = words.iter().next();
    Ok(word.map_or(String::new(), |word| format!("{word:?}")))
}

#[test]
fn a_depth_update_names_its_predecessor_and_the_engines_time() {
    let level = |px, qty| Level {
        px: Px(px),
        qty: Qty(qty),
    };
    let head = Diff {
        instrument: InstrumentId(1),
        first_id: 157,
        last_id: 160,
        prev_id: Some(149),
        checksum: None,
        exch_time: UnixNanos(1_750_000_000_123_000_000),
    };
    let (bids, asks) = (
        [level(250_010, 120), level(250_000, 0)],
        [level(250_100, 300)],
    );
    let want = Word::Diff(head, &bids, &asks);
    let (mut decoder, mut words) = (decoder(), Words::new());
    for frame in [
        DEPTH.to_owned(),
        format!(r#"{{"stream":"x@y","data":{DEPTH}}}"#),
    ] {
        assert_eq!(decoder.decode(frame.as_bytes(), &mut words), Ok(()));
        assert_eq!(words.iter().collect::<Vec<_>>(), [want]);
    }
}

#[test]
fn a_trade_names_the_side_that_took_and_its_aggregates_number() {
    let trade = Trade {
        instrument: InstrumentId(0),
        id: 77,
        px: Px(3_000_010),
        qty: Qty(25),
        taker: Side::Sell,
        exch_time: UnixNanos(1_750_000_000_120_000_000),
    };
    let mut decoder = decoder();
    let want = |trade| Ok(format!("{:?}", Word::Trade(trade)));
    assert_eq!(said(&mut decoder, TRADE), want(trade));
    let bought = TRADE.replace("true", "false");
    let taker = Side::Buy;
    assert_eq!(said(&mut decoder, &bought), want(Trade { taker, ..trade }));
    let single = TRADE
        .replace("aggTrade", "trade")
        .replace(r#""a":77"#, r#""t":78,"X":"MARKET""#);
    assert_eq!(said(&mut decoder, &single), want(Trade { id: 78, ..trade }));
    for sort in ["NA", "INSURANCE_FUND"] {
        assert_eq!(
            said(&mut decoder, &single.replace("MARKET", sort)),
            Ok(String::new())
        );
    }
    assert_eq!(
        said(&mut decoder, &TRADE.replace("0.25", "0.00")),
        Ok(String::new())
    );
}

#[test]
fn a_quote_stands_at_an_update_of_the_book() {
    let said = said(&mut decoder(), QUOTE).unwrap();
    assert!(said.starts_with("Quote(Quote { instrument: InstrumentId(0), update_id: 400,"));
}

#[test]
fn contract_states_halt_and_resume_what_is_followed() {
    let mut decoder = decoder();
    let info = |symbol: &str, state: &str| {
        format!(r#"{{"e":"contractInfo","E":1,"s":"{symbol}","ct":"PERPETUAL","cs":"{state}"}}"#)
    };
    let mut said = |symbol, state| said(&mut decoder, &info(symbol, state));
    let trading = |on| Ok(format!("{:?}", Word::Trading(InstrumentId(1), on)));
    assert_eq!(said("ETHUSDT", "TRADING"), trading(true));
    for state in [
        "PENDING_TRADING",
        "PRE_SETTLE",
        "SETTLING",
        "CLOSE",
        "DELIVERED",
    ] {
        assert_eq!(said("ETHUSDT", state), trading(false));
    }
    assert_eq!(said("XYZUSDT", "TRADING"), Ok(String::new()));
}

#[test]
fn an_absent_field_is_an_error_and_so_is_a_chain_that_runs_backwards() {
    let mut decoder = decoder();
    for (event, needed) in [
        (DEPTH, &["T", "s", "U", "u", "pu", "b", "a"][..]),
        (TRADE, &["a", "s", "p", "q", "T", "m"]),
        (QUOTE, &["u", "s", "b", "B", "a", "A"]),
    ] {
        for key in needed {
            let mut json: serde_json::Value = serde_json::from_str(event).unwrap();
            json.as_object_mut().unwrap().remove(*key);
            let frame = json.to_string();
            assert_eq!(said(&mut decoder, &frame), Err(Shape), "{key}: {frame}");
        }
    }
    let backwards = DEPTH.replace(r#""U":157"#, r#""U":161"#);
    assert_eq!(said(&mut decoder, &backwards), Err(Shape));
    let unknown = DEPTH.replace("ETHUSDT", "XYZUSDT");
    assert_eq!(
        said(&mut decoder, &unknown),
        Err(DecodeError::UnknownSymbol)
    );
    let fine = DEPTH.replace("2501", "2501.001");
    let too_fine = Word::Unfit {
        instrument: InstrumentId(1),
        channel: Channel::Depth,
        why: DecimalError::TooFine,
    };
    assert_eq!(said(&mut decoder, &fine), Ok(format!("{too_fine:?}")));
    for frame in ["7", "null", "{}", r#"{"data":{}}"#, r#"{"data":1}"#] {
        assert_eq!(said(&mut decoder, frame), Err(Shape), "{frame}");
    }
}

#[test]
fn a_recording_tells_its_symbols_scales_and_depth_stream() {
    let mut found = Survey::default();
    for frame in [
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"1.5","q":"0.001"}}"#,
        r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","s":"BTCUSDT","b":[["1.25","2"]],"a":[]}}"#,
        r#"{"stream":"a@bookTicker","data":{"e":"bookTicker","s":"A","b":"1","B":"2","a":"1.001","A":"3.5"}}"#,
        r#"{"stream":"b@depth@100ms","data":{"e":"depthUpdate","s":"B","b":[],"a":[]}}"#,
        r#"{"result":null,"id":1}"#,
        "no JSON",
    ] {
        survey(frame, &mut found);
    }
    let market = &crate::exchange::binance_futures::USDM;
    assert_eq!(found.recorded_depth(market).unwrap().name, "0ms");
    let scales: Vec<_> = found
        .instruments("binance-usdm")
        .iter()
        .map(|i| (i.symbol.to_string(), i.px_scale, i.qty_scale))
        .collect();
    let want = [("BTCUSDT", 2, 3), ("A", 3, 1), ("B", 0, 0)];
    assert_eq!(
        scales,
        want.map(|(symbol, px, qty)| (symbol.to_owned(), px, qty))
    );
}

#[test]
fn a_survey_is_told_the_same_of_a_frame_where_it_lies_and_over_a_tape() {
    let told = |frame: &str, tell: fn(&str, &mut Survey)| {
        let mut told = Survey::default();
        tell(frame, &mut told);
        // A second frame shows what the first one left behind.
        tell(SURVEYED[0], &mut told);
        let said = told.take_said();
        let all = (told.instruments("x"), told.streams(), told.others());
        format!("{all:?} {said:?} {}", told.again())
    };
    let in_place = |frame: &str| survey_scanned(frame, &mut Survey::default()).is_some();
    assert!(SURVEYED.iter().all(|frame| in_place(frame)));
    let mut dice = fastrand::Rng::with_seed(12);
    let mut read = 0;
    for n in 0..20_000 {
        let mut frame = SURVEYED[n % SURVEYED.len()].as_bytes().to_vec();
        for _ in 0..dice.usize(0..3) {
            let at = dice.usize(..frame.len());
            let byte = dice.choice(*b"0123456789.-e\"[]{},: a\\").unwrap_or(b'0');
            match dice.u8(..3) {
                0 => frame[at] = byte,
                1 => frame.insert(at, byte),
                _ => drop(frame.remove(at)),
            }
        }
        let frame = String::from_utf8(frame).unwrap();
        read += usize::from(in_place(&frame));
        assert_eq!(told(&frame, survey), told(&frame, survey_any), "{frame}");
    }
    assert!(read > 7_000, "{read}");
}

/// Frames of each order that is read where it lies.
const SURVEYED: [&str; 4] = [
    r#"{"stream":"ab@depth@0ms","data":{"e":"depthUpdate","E":7,"T":7,"s":"AB","U":1,"u":2,"pu":0,"b":[["58710.20","0.014"],["0","007"]],"a":[["1.5","0.00"]]}}"#,
    r#"{"stream":"ab@bookTicker","data":{"e":"bookTicker","u":5,"s":"AB","b":"61800.20","B":"2.507","a":"61800.30","A":"1e-5","T":7,"E":7}}"#,
    r#"{"stream":"ab@trade","data":{"e":"trade","E":7,"T":7,"s":"AB","t":9,"p":"61809.50","q":"123456789012345.001","X":"MARKET","m":false}}"#,
    r#"{"stream":"ab@aggTrade","data":{"e":"aggTrade","E":7,"a":3,"s":"AB","p":"0.1","q":"5","f":1,"l":2,"T":7,"m":true}}"#,
];
