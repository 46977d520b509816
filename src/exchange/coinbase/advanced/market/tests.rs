use crate::base::{InstrumentId, Level, Px, Qty, Side, Trade, UnixNanos, Word};
use crate::exchange::coinbase::advanced::*;
use crate::exchange::{DecodeError, Words};

fn decoder() -> Box<dyn Decoder> {
    let symbols = ["BTC-USD", "ETH-USD"];
    let instrument = |(n, symbol): (u16, &str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("coinbase", Symbol::from(symbol).unwrap(), (2, 8))
    };
    let instruments: Vec<Instrument> = (0..).zip(symbols).map(instrument).collect();
    AdvancedTrade.decoder(&instruments, &DEPTHS[0])
}

fn decode(frame: &str) -> Result<Words, DecodeError> {
    let mut words = Words::new();
    decoder().decode(frame.as_bytes(), &mut words)?;
    Ok(words)
}

/// A `market_trades` message with one trade of this side.
fn trades(kind: &str, side: &str) -> String {
    format!(
        r#"{{"channel":"market_trades","timestamp":"2026-01-02T03:04:05Z","sequence_num":3,"events":[{{"type":"{kind}","trades":[{{"trade_id":"9","product_id":"BTC-USD","price":"68900.50","size":"0.5","side":"{side}","time":"2026-01-02T03:04:05Z"}}]}}]}}"#
    )
}

#[test]
fn the_side_of_a_trade_is_the_makers_and_a_snapshot_of_trades_says_nothing() {
    for (side, taker) in [("BUY", Side::Sell), ("SELL", Side::Buy)] {
        let said = decode(&trades("update", side)).unwrap();
        let trade = Trade {
            instrument: InstrumentId(0),
            id: 9,
            px: Px(6_890_050),
            qty: Qty(50_000_000),
            taker,
            exch_time: UnixNanos(1_767_323_045_000_000_000),
        };
        assert_eq!(said.iter().collect::<Vec<_>>(), [Word::Trade(trade)]);
        assert_eq!(said.line_seq(), Some(3));
    }
    let past = decode(&trades("snapshot", "BUY")).unwrap();
    assert_eq!((past.iter().count(), past.line_seq()), (0, Some(3)));
    assert_eq!(
        decode(&trades("update", "HOLD")).err(),
        Some(DecodeError::Shape)
    );
}

#[test]
fn each_event_is_a_word_at_the_number_of_its_frame() {
    let level = r#"{"side":"offer","event_time":"1970-01-01T00:00:00Z","price_level":"7","new_quantity":"1"}"#;
    let frame = format!(
        r#"{{"channel":"l2_data","timestamp":"2026-01-02T03:04:05Z","sequence_num":12,"events":[{{"type":"snapshot","product_id":"ETH-USD","updates":[{level}]}},{{"type":"update","product_id":"ETH-USD","updates":null}}]}}"#
    );
    let said = decode(&frame).unwrap();
    let said: Vec<Word<'_>> = said.iter().collect();
    let [Word::Book(book, [], asks), Word::Diff(diff, [], [])] = said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((book, book.last_id), (diff, 12));
    let (px, qty) = (Px(700), Qty(100_000_000));
    assert_eq!(asks, [Level { px, qty }]);
    let other = frame.replace("ETH-USD", "SOL-USD");
    assert_eq!(decode(&other).err(), Some(DecodeError::UnknownSymbol));
    for (part, with) in [
        (r#""offer""#, r#""left""#),
        (r#""snapshot""#, r#""part""#),
        (r#""updates":null"#, r#""more":1"#),
        (r#""sequence_num":12"#, r#""n":12"#),
    ] {
        let frame = frame.replace(part, with);
        assert_eq!(decode(&frame).err(), Some(DecodeError::Shape), "{frame}");
    }
}

#[test]
fn one_message_asks_for_one_channel_and_keeps_the_order() {
    let topic = |symbol, channel| Topic { symbol, channel };
    let topics = [
        topic("BTC-USD", Channel::Depth),
        topic("ETH-USD", Channel::Depth),
        topic("ETH-USD", Channel::Trades),
        topic("BTC-USD", Channel::Quotes),
    ];
    let asked = AdvancedTrade.subscribe(&topics, &DEPTHS[0], 1);
    let asked: Vec<_> = asked.iter().map(|r| (r.text.as_str(), r.topics)).collect();
    assert_eq!(
        asked,
        [
            (
                r#"{"type":"subscribe","product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#,
                2
            ),
            (
                r#"{"type":"subscribe","product_ids":["ETH-USD"],"channel":"market_trades"}"#,
                1
            ),
            (
                r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"ticker"}"#,
                1
            ),
        ]
    );
    let left = AdvancedTrade.unsubscribe(&topics[..1], &DEPTHS[0], 1);
    assert!(left[0].text.starts_with(r#"{"type":"unsubscribe","#));
    let many = vec![topics[0]; 120];
    let counts: Vec<usize> = AdvancedTrade
        .subscribe(&many, &DEPTHS[0], 1)
        .iter()
        .map(|request| request.topics)
        .collect();
    assert_eq!(counts, [50, 50, 20]);
}

const PRODUCTS: &str = r#"{"products":[
    {"product_id":"BTC-USD","product_type":"SPOT","price":"1","base_currency_id":"BTC","quote_currency_id":"USD","price_increment":"0.01","quote_increment":"0.01","base_increment":"0.00000001","base_min_size":"0.00000001","base_max_size":"3400","quote_min_size":"1","approximate_quote_24h_volume":"1908432","status":"online","alias":"","trading_disabled":false},
    {"product_id":"BTC-USDC","product_type":"SPOT","base_currency_id":"BTC","quote_currency_id":"USDC","price_increment":"0.01","base_increment":"0.00000001","status":"online","alias":"BTC-USD"},
    {"product_id":"BIP-20DEC30-CDE","product_type":"FUTURE","base_currency_id":"","quote_currency_id":"USD","price_increment":"5","base_increment":"1","status":"","alias":""},
    {"product_id":"ADA-EUR","product_type":"SPOT","base_currency_id":"ADA","quote_currency_id":"EUR","price_increment":"0.0001","base_increment":"0.1","status":"online","alias":"","cancel_only":true}],
    "pagination":{"prev_cursor":"","next_cursor":"a+b=","has_next":true,"has_prev":false}}"#;

#[test]
fn metadata_lists_spot_products_with_a_book_of_their_own() {
    let found = AdvancedTrade
        .metadata(PRODUCTS.as_bytes())
        .unwrap()
        .instruments;
    let names: Vec<&str> = found.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["coinbase:BTC-USD", "coinbase:ADA-EUR"]);
    let bitcoin = found[0];
    assert_eq!((bitcoin.px_scale, bitcoin.qty_scale), (2, 8));
    assert_eq!((bitcoin.tick, bitcoin.lot), (Px(1), Qty(1)));
    assert_eq!(bitcoin.qty_max, Qty(340_000_000_000));
    assert_eq!(bitcoin.notional_min, 10_000_000_000);
    assert_eq!([bitcoin.trading, found[1].trading], [true, false]);
    let next = AdvancedTrade.metadata_next(PRODUCTS.as_bytes()).unwrap();
    assert!(next.path.ends_with("?product_type=SPOT&cursor=a%2Bb%3D"));
    let volumes = AdvancedTrade.volumes(PRODUCTS.as_bytes()).unwrap();
    assert_eq!(volumes, [(bitcoin.symbol, 1_908_432.0)]);
    assert!(AdvancedTrade.metadata(b"{\"error\":\"x\"}").is_err());
    assert_eq!(AdvancedTrade.metadata_next(b"{\"products\":[]}"), None);
}

#[test]
fn named_symbols_are_asked_for_in_requests_of_a_hundred() {
    let symbols = vec!["BTC-USD"; 101];
    let asked = AdvancedTrade.metadata_requests(&symbols);
    assert_eq!(asked.len(), 2);
    let path = "/api/v3/brokerage/market/products?product_type=SPOT&product_ids=BTC-USD";
    assert_eq!(asked[1].path, path);
    let all = AdvancedTrade.metadata_requests(&[]);
    assert_eq!(
        all[0].path,
        "/api/v3/brokerage/market/products?product_type=SPOT"
    );
}

#[test]
fn a_survey_takes_scales_from_the_tokens() {
    let mut survey = Survey::default();
    AdvancedTrade.survey(&trades("update", "BUY"), &mut survey);
    let level = r#"{"side":"bid","price_level":"7.125","new_quantity":1.5e-3}"#;
    let frame = format!(
        r#"{{"channel":"l2_data","events":[{{"product_id":"ETH-USD","updates":[{level}]}}]}}"#
    );
    AdvancedTrade.survey(&frame, &mut survey);
    AdvancedTrade.survey("{", &mut survey);
    let found = survey.instruments("coinbase");
    let found: Vec<_> = found
        .iter()
        .map(|i| (i.symbol.as_str(), i.px_scale, i.qty_scale))
        .collect();
    assert_eq!(found, [("BTC-USD", 2, 1), ("ETH-USD", 3, 4)]);
    assert_eq!(survey.recorded_depth(&AdvancedTrade), Some(&DEPTHS[0]));
}

#[test]
fn its_own_hosts_are_known() {
    for (url, own) in [
        ("wss://advanced-trade-ws.coinbase.com", true),
        ("wss://advanced-trade-ws-user.coinbase.com", true),
        (
            "https://api.coinbase.com/api/v3/brokerage/market/products",
            true,
        ),
        ("wss://ws-feed.exchange.coinbase.com", false),
        ("https://api.exchange.coinbase.com/products", false),
        ("wss://advanced-trade-ws.coinbase.com.example.org", false),
    ] {
        assert_eq!(AdvancedTrade.owns(url), own, "{url}");
    }
}
