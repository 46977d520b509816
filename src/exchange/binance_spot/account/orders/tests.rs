use super::*;
use crate::base::instrument::SYMBOL_MAX;
use crate::base::{Px, Qty, StrategyId};
use crate::exchange::AccountKey;
use crate::exchange::binance_spot::rest::test_instrument;
use base64::Engine as _;
use proptest::prelude::*;

/// Seed 00 01 … 1f, as PKCS#8.
fn pem() -> Secret {
    let mut der = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    der.extend(0..32u8);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    Secret::from(format!(
        "-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"
    ))
}

fn account() -> Account {
    Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Ed25519Pem(pem()),
    }
}

fn codec() -> SpotOrders {
    let instruments = [test_instrument(3, "ETHUSDT"), test_instrument(0, "BTCUSDT")];
    SpotOrders::new(account(), &instruments).unwrap()
}

fn order() -> NewOrder {
    NewOrder {
        client_id: ClientId(1_306),
        strategy: StrategyId(0),
        instrument: InstrumentId(3),
        side: Side::Buy,
        px: Px(250_012_000_000),
        qty: Qty(5_000),
        tif: TimeInForce::ImmediateOrCancel,
    }
}

#[test]
fn signatures_equal_the_published_vector() {
    let payload = b"apiKey=test-key-0001&recvWindow=5000&timestamp=1750000000123";
    let expected =
        "ndW03Q7kq7sGU/kqptp6o/At71urtD56lwys0aWz/dGWW6s5EWH3tXiDJm7W4zwe+8YOXHLXLMhOZ/N+x8ecBA==";
    assert_eq!(codec().sign(payload), expected);
}

#[test]
fn the_logon_signs_its_parameters_sorted_and_raw() {
    let mut codec = codec();
    let json: serde_json::Value =
        serde_json::from_str(&codec.logon(UnixNanos(1_750_000_000_123_456_789))).unwrap();
    assert_eq!(json["id"], "logon");
    assert_eq!(json["method"], "session.logon");
    let params = &json["params"];
    assert_eq!(params["timestamp"], 1_750_000_000_123_456i64);
    let payload = "apiKey=test-key-0001&recvWindow=5000&timestamp=1750000000123456";
    assert_eq!(params["signature"], codec.sign(payload.as_bytes()));
}

#[test]
fn bad_keys_are_refused_with_advice_and_not_shown() {
    let refused = |api_key: &str, pem: &str| {
        let account = Account {
            api_key: api_key.to_owned().into(),
            key: AccountKey::Ed25519Pem(pem.to_owned().into()),
        };
        SpotOrders::new(account, &[]).err().unwrap()
    };
    let why = refused(
        "key",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----",
    );
    assert!(why.contains("openssl genpkey -algorithm ed25519"), "{why}");
    assert!(!why.contains("c2VjcmV0"), "{why}");
    assert!(refused("key", "").contains("PKCS#8"));
    assert!(refused("", pem().expose()).contains("API key"));
    assert!(refused("a\"b", pem().expose()).contains("API key"));
    let secret = Account {
        key: AccountKey::Hmac("c2VjcmV0".to_owned().into()),
        ..account()
    };
    let why = SpotOrders::new(secret, &[]).err().unwrap();
    assert!(
        why.contains("write private_key_file instead") && !why.contains("c2VjcmV0"),
        "{why}"
    );
}

#[test]
fn an_order_is_a_limit_that_fills_at_once_or_not() {
    let mut codec = codec();
    let frame = codec.encode(&order(), UnixNanos(1_750_000_000_123_456_789));
    let golden = concat!(
        r#"{"id":"tw00000000000000001306","method":"order.place","params":{"newClientOrderId":"tw00000000000000001306","#,
        r#""newOrderRespType":"FULL","price":"2500.12","quantity":"0.00005","recvWindow":1000,"type":"LIMIT","#,
        r#""timeInForce":"IOC","side":"BUY","symbol":"ETHUSDT","timestamp":1750000000123456}}"#,
    );
    assert_eq!(std::str::from_utf8(frame).unwrap(), golden);
    assert!(frame.len() <= FRAME_BYTES);
    let sell = NewOrder {
        side: Side::Sell,
        instrument: InstrumentId(0),
        ..order()
    };
    let json: serde_json::Value =
        serde_json::from_slice(codec.encode(&sell, UnixNanos(1_000))).unwrap();
    assert_eq!(json["params"]["side"], "SELL");
    assert_eq!(json["params"]["symbol"], "BTCUSDT");
}

#[test]
fn an_order_of_an_unknown_instrument_or_below_zero_is_not_encoded() {
    let mut codec = codec();
    let now = UnixNanos(1);
    assert!(!codec.encode(&order(), now).is_empty());
    assert!(
        codec
            .encode(
                &NewOrder {
                    instrument: InstrumentId(1),
                    ..order()
                },
                now
            )
            .is_empty()
    );
    assert!(
        codec
            .encode(
                &NewOrder {
                    px: Px(-1),
                    ..order()
                },
                now
            )
            .is_empty()
    );
}

#[test]
fn symbols_are_escaped_and_the_longest_frame_fits() {
    for symbol in ["币安人生USDT".to_owned(), "\u{1}".repeat(SYMBOL_MAX)] {
        let mut codec = SpotOrders::new(account(), &[test_instrument(0, &symbol)]).unwrap();
        let largest = NewOrder {
            client_id: ClientId(u64::MAX),
            instrument: InstrumentId(0),
            px: Px(i64::MAX),
            qty: Qty(u64::MAX),
            ..order()
        };
        let frame = codec.encode(&largest, UnixNanos(i64::MAX));
        assert!(frame.len() <= FRAME_BYTES);
        let json: serde_json::Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(json["params"]["symbol"], symbol);
    }
}

/// Decodes an answer to order 7 with this status and rest.
fn answered(status: u16, rest: &str) -> Answer {
    let frame = format!(r#"{{"id":"tw00000000000000000007","status":{status},{rest}}}"#);
    codec().decode(frame.as_bytes()).unwrap()
}

fn refused(status: u16, code: i32, message: &str) -> Answer {
    answered(
        status,
        &format!(r#""error":{{"code":{code},"msg":"{message}"}}"#),
    )
}

const TAKEN: &str = r#""symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"tw00000000000000000007","transactTime":1750000000123456"#;

/// What an answer with this beside the ack says of the end, and of what was traded.
fn ended(more: &str) -> (Option<End>, Vec<(Px, Qty)>) {
    let result = format!(
        r#"{{"id":"tw00000000000000000007","status":200,"result":{{{TAKEN}{more}}},"rateLimits":[{{"count":1}}]}}"#
    );
    let mut codec = codec();
    let answer = codec.decode(result.as_bytes()).unwrap();
    let Answer::Acked {
        client_id,
        exchange_id,
        exch_time,
        end,
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert_eq!((client_id, exchange_id), (ClientId(7), 12_569_099_453));
    assert_eq!(exch_time, UnixNanos(1_750_000_000_123_456_000));
    (end, codec.fills().to_vec())
}

#[test]
fn an_answer_says_how_the_order_ended_and_what_it_traded_one_fill_a_price() {
    let fills = r#""fills":[{"price":"100.50000000","qty":"0.20000000","commission":"0","commissionAsset":"BNB","tradeId":1},{"price":"100.50000000","qty":"0.30000000","tradeId":2},{"price":"100.49000000","qty":"0.10000000","tradeId":3}]"#;
    let traded = vec![
        (Px(10_050_000_000), Qty(50_000_000)),
        (Px(10_049_000_000), Qty(10_000_000)),
    ];
    for (status, end) in [
        ("FILLED", End::Filled),
        ("EXPIRED", End::Expired),
        ("EXPIRED_IN_MATCH", End::Expired),
        ("CANCELED", End::Cancelled),
    ] {
        let said = ended(&format!(
            r#","status":"{status}","executedQty":"0.60000000",{fills}"#
        ));
        assert_eq!(said, (Some(end), traded.clone()), "{status}");
    }
    let nothing = r#","status":"EXPIRED","executedQty":"0.00000000","fills":[]"#;
    assert_eq!(ended(nothing), (Some(End::Expired), vec![]));
}

#[test]
fn an_answer_that_says_less_or_contradicts_itself_leaves_the_end_open() {
    let fill = r#""fills":[{"price":"100.5","qty":"0.2"}]"#;
    for more in [
        "",                                           // The short answer, which was not asked for.
        r#","status":"EXPIRED","executedQty":"0.2""#, // Without fills.
        &format!(r#","status":"FILLED","executedQty":"0.3",{fill}"#), // Of another sum.
        &format!(r#","status":"NEW","executedQty":"0.2",{fill}"#), // It cannot rest.
        &format!(r#","status":"EXPIRED",{fill}"#),
        r#","status":"EXPIRED","executedQty":"0.2","fills":[{"price":"x","qty":"0.2"}]"#,
        r#","status":"EXPIRED","executedQty":"0.2","fills":[{"price":"1.000000001","qty":"0.2"}]"#,
    ] {
        assert_eq!(ended(more), (None, vec![]), "{more}");
    }
}

#[test]
fn fills_are_of_the_frame_decoded_last() {
    let mut codec = codec();
    let full = format!(
        r#"{{"id":"tw00000000000000000007","status":200,"result":{{{TAKEN},"status":"FILLED","executedQty":"0.2","fills":[{{"price":"100.5","qty":"0.2"}}]}}}}"#
    );
    codec.decode(full.as_bytes()).unwrap();
    assert_eq!(codec.fills().len(), 1);
    codec
        .decode(br#"{"id":"tw00000000000000000008","status":400,"error":{"code":-2010}}"#)
        .unwrap();
    assert!(codec.fills().is_empty());
}

#[test]
fn refusals_are_rejections() {
    let client_id = ClientId(7);
    for (status, code, message) in [
        (
            400,
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        (400, -1013, "Filter failure: LOT_SIZE"),
        (
            400,
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        ),
        (
            401,
            -2015,
            "Invalid API-key, IP, or permissions for action.",
        ),
        (403, 0, ""),
        (409, -2021, "Order cancel-replace partially failed."),
        (
            418,
            -1003,
            "Way too much request weight used; IP banned until 1.",
        ),
        (429, -1015, "Too many new orders."),
    ] {
        assert_eq!(
            refused(status, code, message),
            Answer::Rejected { client_id, code }
        );
    }
}

#[test]
fn what_is_neither_yes_nor_no_is_unknown() {
    let client_id = ClientId(7);
    for (status, code, message) in [
        (
            400,
            -1006,
            "An unexpected response was received from the message bus.",
        ),
        (
            408,
            -1007,
            "Timeout waiting for response from backend server.",
        ),
        (500, -1000, "Internal error."),
        (
            400,
            -1000,
            "An unknown error occurred while processing the request.",
        ),
        (503, -1008, "Server is currently overloaded."),
        (400, -2010, "Duplicate order sent."),
    ] {
        assert_eq!(
            refused(status, code, message),
            Answer::Unknown { client_id, code }
        );
    }
    let unreadable = Answer::Unknown { client_id, code: 0 };
    assert_eq!(answered(200, r#""result":{}"#), unreadable);
    assert_eq!(answered(200, r#""rateLimits":[]"#), unreadable);
    assert_eq!(answered(302, r#""result":{}"#), unreadable);
}

#[test]
fn sessions_begin_and_end() {
    let mut codec = codec();
    let mut decode = |frame: &str| codec.decode(frame.as_bytes());
    let code = -2015;
    assert_eq!(
        decode(r#"{"id":"logon","status":200,"result":{"apiKey":"k","authorizedSince":1}}"#),
        Ok(Answer::LoggedOn)
    );
    assert_eq!(
        decode(r#"{"id":"logon","status":401,"error":{"code":-2015,"msg":"Invalid"}}"#),
        Ok(Answer::LogonRefused { code })
    );
    assert_eq!(
        decode(r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid"}}"#),
        Ok(Answer::LoggedOff { code })
    );
    assert_eq!(
        decode(r#"{"event":{"e":"serverShutdown","E":1770000000000}}"#),
        Ok(Answer::Shutdown)
    );
    for ignored in [
        r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1}}"#,
        r#"{"id":"other","status":200,"result":{}}"#,
        r#"{"id":3,"status":400,"error":{"code":-1100}}"#,
        r#"{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON."}}"#,
    ] {
        assert_eq!(decode(ignored), Ok(Answer::Ignored), "{ignored}");
    }
    for broken in [
        "{}",
        "[]",
        "7",
        r#"{"id":"logon"}"#,
        r#"{"id":"logon","status":true}"#,
    ] {
        assert_eq!(decode(broken), Err(DecodeError::Shape), "{broken}");
    }
    assert_eq!(decode("{"), Err(DecodeError::Json));
}

#[test]
fn the_exchanges_words_are_kept_until_the_next_frame() {
    let mut codec = codec();
    let long = "é".repeat(200);
    let frame = format!(
        r#"{{"id":"tw00000000000000000007","status":400,"error":{{"code":-1013,"msg":"{long}"}}}}"#
    );
    codec.decode(frame.as_bytes()).unwrap();
    assert_eq!(codec.last_error(), "é".repeat(80));
    codec.decode(br#"{"id":"logon","status":200}"#).unwrap();
    assert_eq!(codec.last_error(), "");
}

#[test]
fn an_id_is_digits_that_spell_nothing_and_the_largest_fits() {
    let text = wire_id(ClientId(u64::MAX));
    assert_eq!(&text, b"tw18446744073709551615");
    assert!(text.len() <= 36, "the exchange's own limit");
    for other in [
        "tw18446744073709551616",
        "tw+0000000000000000007",
        "tw0000000000000000007",
        "TW00000000000000000007",
        "tw0000000000007",
    ] {
        assert_eq!(parse_wire_id(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn ids_come_back_as_they_went(number in prop_oneof![any::<u64>(), Just(u64::MAX)]) {
        let text = wire_id(ClientId(number));
        prop_assert_eq!(parse_wire_id(std::str::from_utf8(&text).unwrap()), Some(ClientId(number)));
    }

    #[test]
    fn only_our_own_ids_are_read(
        text in prop_oneof!["tw[0-9]{19,21}", "tw[01][0-9]{19}", "tw[+0-9a-z]{20}", ".{0,25}"],
    ) {
        if let Some(id) = parse_wire_id(&text) {
            prop_assert_eq!(&wire_id(id)[..], text.as_bytes());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = codec().decode(&frame);
    }
}
