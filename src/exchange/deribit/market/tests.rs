use crate::base::instrument::Kind;
use crate::base::{InstrumentId, Px, Qty, Side, Word};
use crate::exchange::deribit::*;
use crate::exchange::{DecodeError, Words};

const SYMBOLS: [&str; 2] = ["BTC-PERPETUAL", "BTC_USDC-25DEC26-100000-C"];

fn decode(frame: &str) -> Result<Vec<String>, DecodeError> {
    let mut words = Words::new();
    read(frame, &mut words)?;
    Ok(words.iter().map(|word| format!("{word:?}")).collect())
}

fn read(frame: &str, words: &mut Words) -> Result<(), DecodeError> {
    let instrument = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("deribit", Symbol::from(symbol).unwrap(), (4, 1))
    };
    let instruments: Vec<Instrument> = (0..).zip(SYMBOLS).map(instrument).collect();
    let mut decoder = Deribit.decoder(&instruments, &DEPTHS[0]);
    decoder.decode(frame.as_bytes(), words)
}

/// A `change` with this in place of its bids.
fn change(bids: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"subscription","params":{{"channel":"book.BTC-PERPETUAL.100ms","data":{{"type":"change","timestamp":1767323045110,"prev_change_id":7,"instrument_name":"BTC-PERPETUAL","change_id":9,"bids":{bids},"asks":[]}}}}}}"#
    )
}

#[test]
fn a_change_names_its_predecessor_and_a_delete_leaves_nothing() {
    let mut words = Words::new();
    let frame = change(r#"[["new",5e-4,12.0],["change",104250.5,1.5e1],["delete",7,3]]"#);
    read(&frame, &mut words).unwrap();
    let said: Vec<Word<'_>> = words.iter().collect();
    let [Word::Diff(diff, bids, [])] = said[..] else {
        panic!("{said:?}");
    };
    let ids = (diff.first_id, diff.last_id, diff.prev_id);
    assert_eq!(ids, (9, 9, Some(7)));
    assert_eq!(diff.exch_time.0, 1_767_323_045_110_000_000);
    let bids: Vec<(Px, Qty)> = bids.iter().map(|level| (level.px, level.qty)).collect();
    let levels = [(5, 120), (1_042_505_000, 150), (70_000, 0)];
    assert_eq!(bids, levels.map(|(px, qty)| (Px(px), Qty(qty))));
}

#[test]
fn what_is_not_as_documented_is_refused() {
    use DecodeError::{Shape, UnknownSymbol};
    assert_eq!(decode(&change("[]")).map(|said| said.len()), Ok(1));
    for bids in [
        "null",
        "7",
        "[7]",
        r#"[["new",1]]"#,
        r#"[["old",1,1]]"#,
        r#"[[1,1,1]]"#,
        r#"[["new",[1],1]]"#,
    ] {
        assert_eq!(decode(&change(bids)), Err(Shape), "{bids}");
    }
    let plain = change("[]");
    for (part, with) in [
        (r#""prev_change_id":7"#, r#""prev_change_id":null"#),
        (r#""change""#, r#""part""#),
        (r#""timestamp":"#, r#""time":"#),
        (r#""data":"#, r#""date":"#),
    ] {
        assert_eq!(decode(&plain.replace(part, with)), Err(Shape), "{with}");
    }
    let other = plain.replace("BTC-PERPETUAL", "SOL-PERPETUAL");
    assert_eq!(decode(&other), Err(UnknownSymbol));
}

#[test]
fn an_answer_lists_what_was_accepted_and_an_error_names_its_request() {
    let said = decode(
        r#"{"id":3,"result":["quote.BTC-PERPETUAL","trades.BTC_USDC-25DEC26-100000-C.raw","quote.X"]}"#,
    );
    let said = said.unwrap();
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("InstrumentId(0), channel: Quotes"));
    assert!(said[1].contains("InstrumentId(1), channel: Trades"));
    let refused = decode(r#"{"id":"3","error":{"message":"x","code":-32602}}"#);
    assert_eq!(
        refused.unwrap(),
        ["Answer { id: 3, refused: Some(-32602) }"]
    );
    assert_eq!(decode(r#"{"id":0,"result":"ok"}"#), Ok(vec![]));
}

#[test]
fn a_test_request_is_answered_at_once() {
    let beat = |kind: &str| {
        decode(&format!(
            r#"{{"method":"heartbeat","params":{{"type":"{kind}"}}}}"#
        ))
    };
    assert!(beat("test_request").unwrap()[0].contains("public/test"));
    assert_eq!(beat("heartbeat"), Ok(vec![]));
}

#[test]
fn calls_name_their_channels_and_count_from_the_first_id() {
    let topic = |channel| Topic {
        symbol: SYMBOLS[0],
        channel,
    };
    let topics = Channel::ALL.map(topic);
    let asked = Deribit.subscribe(&topics, &DEPTHS[1], 7);
    assert_eq!(
        asked[0].text,
        r#"{"jsonrpc":"2.0","id":7,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.raw","trades.BTC-PERPETUAL.raw","quote.BTC-PERPETUAL"]}}"#
    );
    let many = vec![topics[0]; 201];
    let left = Deribit.unsubscribe(&many, &DEPTHS[0], 7);
    let counts: Vec<usize> = left.iter().map(|request| request.topics).collect();
    assert_eq!(counts, [100, 100, 1]);
    assert!(left[2].text.starts_with(r#"{"jsonrpc":"2.0","id":9,"#));
    assert!(left[2].text.contains("public/unsubscribe"));
}

#[test]
fn a_side_of_a_trade_is_the_takers() {
    let mut words = Words::new();
    let frame = r#"{"method":"subscription","params":{"channel":"trades.BTC-PERPETUAL.100ms","data":[{"timestamp":1767323045300,"price":104251.0,"amount":50.0,"direction":"sell","trade_id":"ETH-9","trade_seq":11}]}}"#;
    read(frame, &mut words).unwrap();
    let said: Vec<Word<'_>> = words.iter().collect();
    let [Word::Trade(trade)] = said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(trade.taker, Side::Sell);
    assert_eq!((trade.px, trade.qty), (Px(1_042_510_000), Qty(500)));
}

const INSTRUMENTS: &str = r#"{"jsonrpc":"2.0","result":[
    {"instrument_name":"BTC-PERPETUAL","kind":"future","settlement_period":"perpetual","instrument_type":"reversed","base_currency":"BTC","quote_currency":"USD","counter_currency":"USD","settlement_currency":"BTC","tick_size":0.5,"tick_size_steps":[],"block_trade_tick_size":0.01,"contract_size":10.0,"min_trade_amount":10.0,"expiration_timestamp":32503708800000,"is_active":true},
    {"instrument_name":"BTC-25DEC26","kind":"future","settlement_period":"month","instrument_type":"reversed","base_currency":"BTC","quote_currency":"USD","counter_currency":"USD","settlement_currency":"BTC","tick_size":2.5,"tick_size_steps":[],"contract_size":10.0,"min_trade_amount":10.0,"is_active":false},
    {"instrument_name":"BTC-5DEC26-100000-C","kind":"option","option_type":"call","strike":100000.0,"settlement_period":"day","instrument_type":"reversed","base_currency":"BTC","quote_currency":"BTC","counter_currency":"USD","settlement_currency":"BTC","tick_size":0.0001,"tick_size_steps":[{"above_price":0.005,"tick_size":0.0005}],"contract_size":1.0,"min_trade_amount":0.1,"is_active":true},
    {"instrument_name":"XRP_USDC-30JAN26-0d625-P","kind":"option","option_type":"put","strike":0.625,"settlement_period":"month","instrument_type":"linear","base_currency":"XRP","quote_currency":"USDC","counter_currency":"USDC","settlement_currency":"USDC","tick_size":1.0e-4,"tick_size_steps":[],"contract_size":1000.0,"min_trade_amount":1000.0,"is_active":true},
    {"instrument_name":"SOL_USDC-PERPETUAL","kind":"future","settlement_period":"perpetual","instrument_type":"linear","base_currency":"SOL","quote_currency":"USDC","counter_currency":"USDC","settlement_currency":"USDC","tick_size":0.01,"tick_size_steps":[],"contract_size":0.1,"min_trade_amount":0.1,"is_active":true},
    {"instrument_name":"ETH_BTC","kind":"spot","instrument_type":"linear","base_currency":"ETH","quote_currency":"BTC","counter_currency":"BTC","settlement_currency":"BTC","tick_size":0.000001,"contract_size":0.0001,"min_trade_amount":0.001,"is_active":true},
    {"instrument_name":"BTC-FS-25DEC26_PERP","kind":"future_combo","instrument_type":"reversed","base_currency":"BTC","quote_currency":"USD","tick_size":0.5,"contract_size":10.0,"min_trade_amount":10.0,"is_active":true},
    {"instrument_name":"BTC-99DEC26","kind":"future","settlement_period":"month","base_currency":"BTC","quote_currency":"USD","tick_size":0.5,"contract_size":10.0,"min_trade_amount":10.0,"is_active":true}]}"#;

#[test]
fn metadata_names_every_sort_of_instrument_and_leaves_combinations_out() {
    let found = Deribit
        .metadata(INSTRUMENTS.as_bytes())
        .unwrap()
        .instruments;
    let names: Vec<&str> = found.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "deribit:BTC-USD-PERP",
            "deribit:BTC-USD-261225",
            "deribit:BTC-USD-261205-100000-C",
            "deribit:XRP-USDC-260130-0.625-P",
            "deribit:SOL-USDC-PERP",
            "deribit:ETH-BTC",
        ]
    );
    use Kind::{Future, Option, Perpetual, Spot};
    let kinds: Vec<Kind> = found.iter().map(|i| i.kind).collect();
    assert_eq!(kinds, [Perpetual, Future, Option, Option, Perpetual, Spot]);
    let inverse: Vec<bool> = found.iter().map(|i| i.contract.inverse).collect();
    assert_eq!(inverse, [true, true, false, false, false, false]);
    let numbers: Vec<_> = found
        .iter()
        .map(|i| (i.px_scale, i.tick.0, i.qty_scale, i.lot.0, i.qty_min.0))
        .collect();
    assert_eq!(
        numbers,
        [
            (2, 50, 0, 10, 10), // Its block trades have a finer tick.
            (1, 25, 0, 10, 10),
            (4, 1, 1, 1, 1),
            (4, 1, 0, 1_000, 1_000),
            (2, 1, 1, 1, 1),
            (6, 1, 4, 1, 10),
        ]
    );
    let option = found[2];
    assert_eq!(
        (option.quote.as_str(), option.settle.as_str()),
        ("BTC", "BTC")
    );
    assert_eq!([found[0].trading, found[1].trading], [true, false]);
    let refused = r#"{"jsonrpc":"2.0","error":{"code":10028,"message":"x"}}"#;
    let why = Deribit.metadata(refused.as_bytes()).unwrap_err();
    assert!(why.contains("get_instruments"), "{why}");
}

#[test]
fn volumes_are_in_dollars() {
    let body = r#"{"result":[{"instrument_name":"BTC-PERPETUAL","volume":1.5,"volume_usd":150000.5},{"instrument_name":"BTC-25DEC26","volume_usd":null}]}"#;
    let volumes = Deribit.volumes(body.as_bytes()).unwrap();
    assert_eq!(volumes, [(Symbol::from(SYMBOLS[0]).unwrap(), 150_000.5)]);
    let asked = Deribit.volume_requests();
    assert!(asked[0].path.ends_with("?currency=BTC"));
}

#[test]
fn a_survey_takes_scales_and_the_interval_from_the_frames() {
    let mut survey = Survey::default();
    for frame in [
        r#"{"id":0,"result":["ticker.A.raw","book.B.raw"]}"#,
        &change(r#"[["new",0.0005,12.0]]"#),
        "{",
    ] {
        Deribit.survey(frame, &mut survey);
    }
    let found = survey.instruments("deribit");
    let found: Vec<_> = found
        .iter()
        .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
        .collect();
    assert_eq!(found, [("B", 0, 0), ("BTC-PERPETUAL", 4, 1)]);
    // B was answered, and never said anything.
    let depth = survey.recorded_depth(&Deribit).unwrap();
    assert_eq!(depth.name, "100ms");
    let mut answered = Survey::default();
    Deribit.survey(r#"{"id":0,"result":["book.B.raw"]}"#, &mut answered);
    assert_eq!(answered.recorded_depth(&Deribit), Some(&DEPTHS[1]));
}

#[test]
fn its_own_hosts_are_known() {
    assert!(Deribit.owns("wss://www.deribit.com/ws/api/v2"));
    assert!(Deribit.owns("https://test.deribit.com/api/v2/public/get_instruments"));
    assert!(!Deribit.owns("wss://deribit.com.example.org/ws/api/v2"));
}
