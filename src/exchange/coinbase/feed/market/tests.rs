use crate::base::{InstrumentId, Px, Qty, Side, Word};
use crate::exchange::coinbase::feed::*;
use crate::exchange::{DecodeError, Words};

fn decode(frame: &str) -> Result<Words, DecodeError> {
    let instrument = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("coinbase-exchange", Symbol::from(symbol).unwrap(), (2, 8))
    };
    let symbols = ["BTC-USD", "ETH-USD"];
    let instruments: Vec<Instrument> = (0..).zip(symbols).map(instrument).collect();
    let mut words = Words::new();
    let mut decoder = ExchangeFeed.decoder(&instruments, &DEPTHS[0]);
    decoder.decode(frame.as_bytes(), &mut words)?;
    Ok(words)
}

#[test]
fn a_book_and_its_changes_have_no_ids() {
    let book = r#"{"type":"snapshot","product_id":"ETH-USD","bids":[["7.00","1.5"]],"asks":[]}"#;
    let said = decode(book).unwrap();
    let said: Vec<Word<'_>> = said.iter().collect();
    let [Word::Book(head, [bid], [])] = said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((bid.px, bid.qty), (Px(700), Qty(150_000_000)));
    assert_eq!(
        (head.first_id, head.last_id, head.exch_time.0, head.prev_id),
        (0, 0, 0, None)
    );
    let update = r#"{"type":"l2update","product_id":"ETH-USD","changes":[["sell","8","0.00000000"],["buy","7","2"]],"time":"2026-01-02T03:04:05Z"}"#;
    let said = decode(update).unwrap();
    let said: Vec<Word<'_>> = said.iter().collect();
    let [Word::Diff(head, [bid], [ask])] = said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((bid.px, ask.px, ask.qty), (Px(700), Px(800), Qty(0)));
    assert_eq!(head.exch_time.0, 1_767_323_045_000_000_000);
    for (part, with) in [
        ("sell", "hold"),
        (r#","0.00000000"]"#, "]"),
        ("changes", "more"),
        ("05Z", "5"),
    ] {
        let frame = update.replace(part, with);
        assert_eq!(decode(&frame).err(), Some(DecodeError::Shape), "{frame}");
    }
    let other = update.replace("ETH", "SOL");
    assert_eq!(decode(&other).err(), Some(DecodeError::UnknownSymbol));
}

#[test]
fn the_side_of_a_match_is_the_makers_and_the_last_match_says_nothing() {
    let frame = r#"{"type":"match","trade_id":9,"side":"sell","size":"2","price":"7","product_id":"BTC-USD","time":"2026-01-02T03:04:05Z"}"#;
    let said = decode(frame).unwrap();
    let said: Vec<Word<'_>> = said.iter().collect();
    assert!(matches!(said[..], [Word::Trade(trade)] if trade.taker == Side::Buy && trade.id == 9));
    let last = decode(&frame.replace("match", "last_match")).unwrap();
    assert_eq!(last.iter().count(), 0);
}

#[test]
fn a_refusal_is_told_to_the_products_that_it_names() {
    let refusal = |reason: &str| {
        let frame =
            format!(r#"{{"type":"error","message":"Failed to subscribe","reason":"{reason}"}}"#);
        let said = decode(&frame).unwrap();
        said.iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
    };
    let named = refusal("ETH-USD is not a valid product");
    assert_eq!(named.len(), 3);
    assert!(named[0].contains("InstrumentId(1)") && named[0].contains("Some(-1)"));
    let nobody = refusal("level2, level3, and full channels now require authentication.");
    assert_eq!(nobody, ["Answer { id: 0, refused: Some(-1) }"]);
}

#[test]
fn one_message_asks_for_several_channels() {
    let topic = |symbol, channel| Topic { symbol, channel };
    let topics = [
        topic("BTC-USD", Channel::Depth),
        topic("BTC-USD", Channel::Trades),
        topic("ETH-USD", Channel::Depth),
    ];
    let asked = ExchangeFeed.subscribe(&topics, &DEPTHS[1], 1);
    assert_eq!(
        asked[0].text,
        r#"{"type":"subscribe","channels":[{"name":"level2","product_ids":["BTC-USD","ETH-USD"]},{"name":"matches","product_ids":["BTC-USD"]}]}"#
    );
    assert_eq!((asked.len(), asked[0].topics), (1, 3));
    let left = ExchangeFeed.unsubscribe(&topics[..1], &DEPTHS[0], 1);
    assert_eq!(
        left[0].text,
        r#"{"type":"unsubscribe","channels":[{"name":"level2_batch","product_ids":["BTC-USD"]}]}"#
    );
}

#[test]
fn metadata_and_volumes_are_read() {
    let products = r#"[{"id":"BTC-USD","base_currency":"BTC","quote_currency":"USD","quote_increment":"0.01","base_increment":"0.00000001","display_name":"BTC/USD","min_market_funds":"1","margin_enabled":false,"post_only":false,"limit_only":false,"cancel_only":false,"status":"online","status_message":"","trading_disabled":false,"auction_mode":false},
        {"id":"OLD-GBP","base_currency":"OLD","quote_currency":"GBP","quote_increment":"0.0001","base_increment":"0.1","min_market_funds":"0.72","status":"delisted"}]"#;
    let found = ExchangeFeed
        .metadata(products.as_bytes())
        .unwrap()
        .instruments;
    let names: Vec<&str> = found.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(
        names,
        ["coinbase-exchange:BTC-USD", "coinbase-exchange:OLD-GBP"]
    );
    assert_eq!([found[0].trading, found[1].trading], [true, false]);
    assert_eq!((found[1].px_scale, found[1].qty_scale), (4, 1));
    assert_eq!(found[1].notional_min, 72_000);
    let stats = r#"{"BTC-USD":{"stats_30day":{"volume":"9"},"stats_24hour":{"open":"1","high":"4","low":"1","last":"2.5","volume":"4"}},"OLD-GBP":{}}"#;
    let volumes = ExchangeFeed.volumes(stats.as_bytes()).unwrap();
    assert_eq!(volumes, [(found[0].symbol, 10.0)]);
    assert!(ExchangeFeed.metadata(b"{\"message\":\"x\"}").is_err());
}

#[test]
fn a_survey_knows_which_depth_channel_was_recorded() {
    let mut survey = Survey::default();
    let frames = [
        r#"{"type":"subscriptions","channels":[{"name":"level2","product_ids":["A-B"]}]}"#,
        r#"{"type":"l2update","product_id":"A-B","changes":[["buy","0.0001","1.5"]]}"#,
        r#"{"type":"match","product_id":"A-B","price":"1.00002","size":"2"}"#,
        r#"{"type":"ticker","product_id":"C-D","price":"1.00002","best_bid":"1"}"#,
    ];
    for frame in frames {
        ExchangeFeed.survey(frame, &mut survey);
    }
    let found = survey.instruments("coinbase-exchange");
    let found: Vec<_> = found
        .iter()
        .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
        .collect();
    assert_eq!(found, [("A-B", 5, 1), ("C-D", 0, 0)]);
    assert_eq!(survey.recorded_depth(&ExchangeFeed), Some(&DEPTHS[1]));
}

#[test]
fn its_own_hosts_are_known_by_their_old_name_too() {
    for (url, own) in [
        ("wss://ws-feed.exchange.coinbase.com", true),
        ("wss://ws-feed.pro.coinbase.com", true),
        ("https://api.exchange.coinbase.com/products", true),
        ("wss://advanced-trade-ws.coinbase.com", false),
        ("https://api.coinbase.com/api", false),
    ] {
        assert_eq!(ExchangeFeed.owns(url), own, "{url}");
    }
}
