use super::super::form::FRAME_BYTES;
use super::super::sign::Signer;
use super::*;
use crate::base::instrument::SYMBOL_MAX;
use crate::base::{Question, Span, TradesOf};
use crate::exchange::{Account, AccountKey};
use serde_json::Value;

fn text(frame: &[u8]) -> &str {
    std::str::from_utf8(frame).unwrap()
}

#[test]
fn signatures_equal_the_published_vectors() {
    let sign = |signer: Signer, payload: &str| text(&signer.sign(payload.as_bytes())).to_owned();
    let ed25519 = sign(
        Signer::of_private_key(&pem()).unwrap(),
        "apiKey=test-key-0001&recvWindow=5000&timestamp=1750000000123",
    );
    assert_eq!(
        ed25519,
        "ndW03Q7kq7sGU/kqptp6o/At71urtD56lwys0aWz/dGWW6s5EWH3tXiDJm7W4zwe+8YOXHLXLMhOZ/N+x8ecBA=="
    );
    for (payload, signature) in [
        (
            "apiKey=test-key-0001&price=30000.50&quantity=0.01000000&recvWindow=250&side=BUY\
             &symbol=BTCUSDT&timeInForce=GTC&timestamp=1750000000123&type=LIMIT",
            "152375b053d69c359092c48bc21e6ed472c934eed5ff4a83f3ae761db8cd745f",
        ),
        (
            "apiKey=test-key-0001&origClientOrderId=n17&symbol=BTCUSDT&timestamp=1750000000123",
            "f528a3fe7c61cfcc7698b5c4d6eac5bc512b08016902b79c8bec057d1c53a8e6",
        ),
    ] {
        assert_eq!(sign(Signer::of_secret(SECRET).unwrap(), payload), signature);
    }
}

#[test]
fn an_ed25519_key_logs_on_and_signs_nothing_after_that() {
    let mut codec = codec();
    let logon = codec.logon(NOW).to_vec();
    let signature = "apiKey=test-key-0001&recvWindow=5000&timestamp=1750000000123456";
    let signature = Signer::of_private_key(&pem())
        .unwrap()
        .sign(signature.as_bytes());
    let golden = format!(
        r#"{{"id":"l","method":"session.logon","params":{{"apiKey":"test-key-0001","recvWindow":5000,"timestamp":1750000000123456,"signature":"{}"}}}}"#,
        text(&signature)
    );
    assert_eq!(text(&logon), golden);
    let follow = r#"{"id":"f","method":"userDataStream.subscribe","params":{}}"#;
    assert_eq!(text(codec.follow(NOW)), follow);
    let frame = text(codec.place(&order(OrderType::Limit), NOW)).to_owned();
    assert!(
        !frame.contains("apiKey") && !frame.contains("signature"),
        "{frame}"
    );
}

#[test]
fn an_hmac_key_signs_every_request_over_its_sorted_parameters() {
    let signer = Signer::of_secret(SECRET).unwrap();
    let check = |frame: &[u8]| {
        let request = json(frame);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in request["params"].as_object().unwrap() {
            let plain = value.as_str().map_or(value.to_string(), str::to_owned);
            pairs.push((name.clone(), plain));
        }
        pairs.sort();
        let place = pairs
            .iter()
            .position(|(name, _)| name == "signature")
            .unwrap();
        let (_, signature) = pairs.remove(place);
        let joined: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let expected = signer.sign(joined.join("&").as_bytes());
        assert_eq!(signature, text(&expected), "{request}");
        assert_eq!(request["params"]["apiKey"], API_KEY);
    };
    let mut codec = signing_codec();
    assert!(codec.logon(NOW).is_empty(), "there is no session");
    check(codec.follow(NOW));
    assert_eq!(
        json(codec.follow(NOW))["method"],
        "userDataStream.subscribe.signature"
    );
    for order_type in OrderType::ALL {
        check(codec.place(&order(order_type), NOW));
        check(codec.replace(&seven(None), &order(order_type), NOW));
        check(codec.replace(&seven(Some(42)), &order(order_type), NOW));
    }
    for order in [seven(None), seven(Some(42))] {
        check(codec.cancel(&order, NOW));
        check(codec.reduce(&order, Qty(1), NOW));
        check(codec.ask(&Question::Order(order), NOW));
    }
    for of in [
        TradesOf::Order(42),
        TradesOf::After(7),
        TradesOf::Last(Span::from_secs(60)),
    ] {
        check(codec.ask(&Question::Trades(ETH, of), NOW));
    }
    check(codec.ask(&Question::OpenOrders, NOW));
    check(codec.ask(&Question::Balances, NOW));
}

#[test]
fn what_an_hmac_key_signs_has_the_symbol_as_it_is() {
    let instruments = [test_instrument(3, "币安\"USDT")];
    let signer = Signer::of_secret(SECRET).unwrap();
    let mut codec = SpotOrders::with(API_KEY, signer, &instruments).unwrap();
    let frame = text(codec.cancel(&seven(Some(42)), NOW)).to_owned();
    assert!(frame.contains(r#""symbol":"币安\"USDT""#), "{frame}");
    let payload = "apiKey=test-key-0001&newClientOrderId=tc00000000000000000007&orderId=42\
                   &recvWindow=5000&symbol=币安\"USDT&timestamp=1750000000123456";
    let signature = Signer::of_secret(SECRET).unwrap().sign(payload.as_bytes());
    assert_eq!(
        json(frame.as_bytes())["params"]["signature"],
        text(&signature)
    );
}

#[test]
fn bad_keys_are_refused_with_advice_and_not_shown() {
    let refused = |api_key: &str, key: AccountKey| {
        let account = Account {
            api_key: api_key.to_owned().into(),
            key,
        };
        SpotOrders::new(account, &[]).err().unwrap()
    };
    let private = |pem: &str| AccountKey::Ed25519Pem(pem.to_owned().into());
    let secret = |secret: &str| AccountKey::Hmac(secret.to_owned().into());
    let bad = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----";
    let why = refused("key", private(bad));
    assert!(why.contains("openssl genpkey -algorithm ed25519"), "{why}");
    assert!(!why.contains("c2VjcmV0"), "{why}");
    assert!(refused("key", private("")).contains("PKCS#8"));
    assert!(refused("key", secret(" ")).contains("secret key is empty"));
    for api_key in ["", "a\"b"] {
        for key in [private(&pem()), secret(SECRET)] {
            assert!(refused(api_key, key).contains("API key"));
        }
    }
}

#[test]
fn an_order_is_what_its_type_says() {
    let mut codec = codec();
    let golden = concat!(
        r#"{"id":"p0000300000000000000001306","method":"order.place","params":{"#,
        r#""newClientOrderId":"tw00000000000000001306","newOrderRespType":"FULL","#,
        r#""price":"2500.12","quantity":"0.00005","recvWindow":1000,"side":"BUY","#,
        r#""symbol":"ETHUSDT","timeInForce":"IOC","timestamp":1750000000123456,"type":"LIMIT"}}"#,
    );
    let frame = codec.place(&order(OrderType::ImmediateOrCancel), NOW);
    assert_eq!(text(frame), golden);
    for (order_type, name, lasts, price, answer) in [
        (OrderType::Limit, "LIMIT", Some("GTC"), true, "FULL"),
        (OrderType::PostOnly, "LIMIT_MAKER", None, true, "ACK"),
        (
            OrderType::ImmediateOrCancel,
            "LIMIT",
            Some("IOC"),
            true,
            "FULL",
        ),
        (OrderType::FillOrKill, "LIMIT", Some("FOK"), true, "FULL"),
        (OrderType::Market, "MARKET", None, false, "FULL"),
    ] {
        for (side, word) in [(Side::Buy, "BUY"), (Side::Sell, "SELL")] {
            let order = NewOrder {
                side,
                instrument: InstrumentId(0),
                ..order(order_type)
            };
            let params = json(codec.place(&order, NOW))["params"].take();
            assert_eq!(params["type"], name);
            assert_eq!(params["timeInForce"].as_str(), lasts, "{name}");
            assert_eq!(
                params["price"].as_str(),
                price.then_some("2500.12"),
                "{name}"
            );
            assert_eq!(params["newOrderRespType"], answer);
            assert_eq!(params["side"], word);
            assert_eq!(params["symbol"], "BTCUSDT");
        }
    }
}

#[test]
fn an_order_is_cancelled_by_its_number_if_that_is_known() {
    let mut codec = codec();
    let golden = concat!(
        r#"{"id":"c0000300000000000000000007","method":"order.cancel","params":{"#,
        r#""newClientOrderId":"tc00000000000000000007","orderId":12569099453,"recvWindow":5000,"#,
        r#""symbol":"ETHUSDT","timestamp":1750000000123456}}"#,
    );
    assert_eq!(
        text(codec.cancel(&seven(Some(12_569_099_453)), NOW)),
        golden
    );
    // Else under the name that it keeps, so that it can be asked about.
    let params = json(codec.cancel(&seven(None), NOW))["params"].take();
    assert_eq!(params["origClientOrderId"], "tw00000000000000000007");
    assert_eq!(params["newClientOrderId"], "tw00000000000000000007");
    assert_eq!(params.get("orderId"), None);
}

/// Failure mode 40: the exchange places nothing in the place of what it could not cancel.
#[test]
fn an_order_is_replaced_only_if_it_could_be_cancelled() {
    let mut codec = codec();
    let frame = codec.replace(&seven(Some(42)), &order(OrderType::PostOnly), NOW);
    let golden = concat!(
        r#"{"id":"r000030000000000000000130600000000000000000007","#,
        r#""method":"order.cancelReplace","params":{"cancelNewClientOrderId":"#,
        r#""tc00000000000000000007","cancelOrderId":42,"cancelReplaceMode":"STOP_ON_FAILURE","#,
        r#""newClientOrderId":"tw00000000000000001306","newOrderRespType":"ACK","#,
        r#""price":"2500.12","quantity":"0.00005","recvWindow":1000,"side":"BUY","#,
        r#""symbol":"ETHUSDT","timestamp":1750000000123456,"type":"LIMIT_MAKER"}}"#,
    );
    assert_eq!(text(frame), golden);
    let frame = codec.replace(&seven(None), &order(OrderType::Limit), NOW);
    let params = json(frame)["params"].take();
    for name in ["cancelOrigClientOrderId", "cancelNewClientOrderId"] {
        assert_eq!(params[name], "tw00000000000000000007", "{name}");
    }
    assert_eq!(params["cancelReplaceMode"], "STOP_ON_FAILURE");
    assert_eq!(params["timeInForce"], "GTC");
    let other = OrderRef {
        instrument: InstrumentId(0),
        ..seven(None)
    };
    let frame = codec.replace(&other, &order(OrderType::Limit), NOW);
    assert!(frame.is_empty(), "of another instrument");
}

#[test]
fn an_amended_order_keeps_its_name() {
    let mut codec = codec();
    for exchange_id in [None, Some(42)] {
        let request = json(codec.reduce(&seven(exchange_id), Qty(123_450_000), NOW));
        let params = &request["params"];
        assert_eq!(request["method"], "order.amend.keepPriority");
        assert_eq!(params["newClientOrderId"], "tw00000000000000000007");
        assert_eq!(params["newQty"], "1.2345");
        assert_eq!(params["orderId"].as_u64(), exchange_id);
        let named = exchange_id.is_none().then_some("tw00000000000000000007");
        assert_eq!(params["origClientOrderId"].as_str(), named);
    }
}

#[test]
fn questions_are_what_the_exchange_documents() {
    let mut codec = codec();
    let mut ask = |question: Question| json(codec.ask(&question, NOW));
    let by_name = ask(Question::Order(seven(None)));
    assert_eq!(by_name["method"], "order.status");
    assert_eq!(
        by_name["params"]["origClientOrderId"],
        "tw00000000000000000007"
    );
    let by_number = ask(Question::Order(seven(Some(42))));
    assert_eq!(by_number["params"]["orderId"], 42);
    assert_eq!(by_number["params"].get("origClientOrderId"), None);
    for (of, name, value) in [
        (TradesOf::Order(42), "orderId", 42u64),
        (TradesOf::After(99), "fromId", 100),
        (
            TradesOf::Last(Span::from_secs(60)),
            "startTime",
            1_749_999_940_123_456,
        ),
        (TradesOf::Last(Span::MAX), "startTime", 0),
    ] {
        let trades = ask(Question::Trades(ETH, of));
        assert_eq!(trades["id"], "m00003");
        assert_eq!(trades["method"], "myTrades");
        let expected = serde_json::json!({"symbol": "ETHUSDT", "limit": 1000, "recvWindow": 5000,
            "timestamp": 1_750_000_000_123_456u64, name: value});
        assert_eq!(trades["params"], expected);
    }
    let open = ask(Question::OpenOrders);
    assert_eq!(open["method"], "openOrders.status");
    assert_eq!(open["params"].get("symbol"), None);
    let balances = ask(Question::Balances);
    assert_eq!(balances["method"], "account.status");
    assert_eq!(balances["params"]["omitZeroBalances"], true);
    assert_eq!(json(codec.time().as_bytes())["method"], "time");
}

#[test]
fn what_is_of_an_unknown_instrument_or_below_zero_is_not_sent() {
    let mut codec = codec();
    let limit = order(OrderType::Limit);
    let unknown = InstrumentId(1);
    assert!(!codec.place(&limit, NOW).is_empty());
    let other = NewOrder {
        instrument: unknown,
        ..limit
    };
    assert!(codec.place(&other, NOW).is_empty());
    let below = NewOrder {
        px: Px(-1),
        ..limit
    };
    assert!(codec.place(&below, NOW).is_empty());
    let stranger = OrderRef {
        instrument: unknown,
        ..seven(Some(42))
    };
    assert!(codec.cancel(&stranger, NOW).is_empty());
    assert!(codec.reduce(&stranger, Qty(1), NOW).is_empty());
    assert!(codec.replace(&stranger, &limit, NOW).is_empty());
    assert!(codec.ask(&Question::Order(stranger), NOW).is_empty());
    let trades = Question::Trades(unknown, TradesOf::After(1));
    assert!(codec.ask(&trades, NOW).is_empty());
}

#[test]
fn symbols_are_escaped_and_the_longest_frame_fits() {
    for symbol in ["币安人生USDT".to_owned(), "\u{1}".repeat(SYMBOL_MAX)] {
        for signer in [
            Signer::of_private_key(&pem()).unwrap(),
            Signer::of_secret(SECRET).unwrap(),
        ] {
            let api_key = "k".repeat(64);
            let instruments = [test_instrument(3, &symbol)];
            let mut codec = SpotOrders::with(&api_key, signer, &instruments).unwrap();
            let largest = NewOrder {
                client_id: ClientId(u64::MAX),
                px: Px(i64::MAX),
                qty: Qty(u64::MAX),
                ..order(OrderType::Limit)
            };
            let frame = codec.replace(&seven(Some(u64::MAX)), &largest, UnixNanos(i64::MAX));
            assert!(frame.len() <= FRAME_BYTES, "{}", frame.len());
            assert_eq!(json(frame)["params"]["symbol"], symbol);
        }
    }
}

/// Every request that there is, of order 8, and of 7 before it.
fn all(codec: &mut SpotOrders) -> Vec<(Value, RequestKey)> {
    let (seven, id) = (seven(None), ClientId(7));
    let new = NewOrder {
        client_id: ClientId(8),
        ..order(OrderType::Limit)
    };
    let trades = Question::Trades(ETH, TradesOf::After(1));
    vec![
        (json(codec.follow(NOW)), RequestKey::Follow),
        (json(codec.time().as_bytes()), RequestKey::Time),
        (json(codec.place(&new, NOW)), RequestKey::Place(ClientId(8))),
        (
            json(codec.replace(&seven, &new, NOW)),
            RequestKey::Place(ClientId(8)),
        ),
        (json(codec.cancel(&seven, NOW)), RequestKey::Cancel(id)),
        (
            json(codec.reduce(&seven, Qty(1), NOW)),
            RequestKey::Reduce(id),
        ),
        (
            json(codec.ask(&Question::Order(seven), NOW)),
            RequestKey::Order(id),
        ),
        (json(codec.ask(&trades, NOW)), RequestKey::Trades(ETH)),
        (
            json(codec.ask(&Question::OpenOrders, NOW)),
            RequestKey::OpenOrders,
        ),
        (
            json(codec.ask(&Question::Balances, NOW)),
            RequestKey::Balances,
        ),
    ]
}

#[test]
fn every_requests_answer_is_known_by_its_id() {
    for mut codec in [codec(), signing_codec()] {
        for (request, key) in all(&mut codec) {
            let mut words = Vec::new();
            let answer = serde_json::json!({"id": request["id"], "status": 500});
            codec
                .decode(answer.to_string().as_bytes(), &mut words)
                .unwrap();
            let refused = Some(0);
            assert_eq!(
                words[0],
                AccountWord::Answered { key, refused },
                "{request}"
            );
        }
    }
}

#[test]
fn a_request_costs_what_the_exchange_says() {
    let codec = codec();
    let names: Vec<&str> = codec.budgets().iter().map(|budget| budget.name).collect();
    assert_eq!(names, ["REQUEST_WEIGHT", "ORDERS 10 s", "ORDERS day"]);
    let id = ClientId(7);
    for (key, cost) in [
        (RequestKey::Logon, [2, 0, 0]),
        (RequestKey::Time, [1, 0, 0]),
        (RequestKey::Follow, [2, 0, 0]),
        (RequestKey::Place(id), [0, 1, 1]),
        (RequestKey::Cancel(id), [0, 0, 0]),
        (RequestKey::Reduce(id), [4, 0, 0]),
        (RequestKey::Order(id), [4, 0, 0]),
        (RequestKey::Trades(ETH), [20, 0, 0]),
        (RequestKey::OpenOrders, [80, 0, 0]),
        (RequestKey::Balances, [20, 0, 0]),
    ] {
        assert_eq!(
            [0, 1, 2].map(|budget| codec.cost(key, budget)),
            cost,
            "{key:?}"
        );
        assert_eq!(codec.cost(key, 3), 0);
    }
    assert!(codec.blames_clock(-1021) && !codec.blames_clock(-1022));
}
