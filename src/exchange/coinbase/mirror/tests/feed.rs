//! What the Exchange serves beside what our own client asks for.

use super::*;

fn asked(target: &str) -> Value {
    get(&ExchangeFeed, target)
}

#[test]
fn a_product_has_the_documented_fields() {
    assert_eq!(each(&asked("/products"), "id"), ["BTC-USD", "SOL-USD"]);
    let product = asked("/products/SOL-USD");
    assert_fields(
        &product,
        json!({
            "id": "SOL-USD", "base_currency": "SOL", "quote_currency": "USD",
            "display_name": "SOL/USD", "quote_increment": "0.01",
            "base_increment": "0.00000001", "min_market_funds": "1", "status": "online",
            "trading_disabled": false, "cancel_only": false, "post_only": false,
            "auction_mode": false, "margin_enabled": false,
        }),
    );
    assert_eq!(each(&asked("/currencies"), "id"), ["BTC", "SOL", "USD"]);
    let dollar = asked("/currencies/USD");
    assert_eq!(
        (&dollar["name"], &dollar["details"]["type"]),
        (&json!("US Dollar"), &json!("fiat"))
    );
}

#[test]
fn tickers_and_statistics_are_of_the_product_that_is_asked_for() {
    let ticker = asked("/products/BTC-USD/ticker");
    let expected = json!({
        "ask": "100.01", "bid": "99.99", "volume": "1.5", "rfq_volume": "0",
        "trade_id": 120, "price": "101.20", "size": "120.00000000",
        "time": "1970-01-01T00:02:00.000000Z",
    });
    assert_eq!(ticker, expected);
    assert_eq!(asked("/products/SOL-USD/ticker")["bid"], "199.99");
    let stats = asked("/products/BTC-USD/stats");
    let expected = json!({
        "open": "101.00", "high": "102.00", "low": "99.00", "last": "101.20",
        "volume": "1.5", "volume_30day": "45",
    });
    assert_eq!(stats, expected);
    assert_eq!(
        asked("/products/stats")["BTC-USD"]["stats_24hour"],
        expected
    );
    let lines = asked("/products/spark-lines");
    assert_eq!(lines["BTC-USD"], json!([[0, 100.01, 101.2, 100.01, 101.2]]));
    assert_eq!(lines["SOL-USD"], json!([[0, 99.0, 102.0, 101.0, 101.2]]));
}

#[test]
fn a_book_is_of_the_level_that_is_asked_for() {
    let best = asked("/products/BTC-USD/book");
    assert_eq!(best["bids"], json!([["99.99", "1.00000000", 1]]));
    let book = asked("/products/BTC-USD/book?level=2");
    assert_eq!(book["asks"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&book["sequence"], &book["auction_mode"]),
        (&json!(1), &json!(false))
    );
    let orders = asked("/products/BTC-USD/book?level=3");
    assert_eq!(orders["asks"][0][2].as_str().unwrap().len(), 36);
}

#[test]
fn prints_come_newest_first_and_only_those_that_are_asked_for() {
    let ids = |query: &str| -> Vec<u64> {
        let answer = asked(&format!("/products/BTC-USD/trades{query}"));
        let all = answer.as_array().unwrap().iter();
        all.map(|one| one["trade_id"].as_u64().unwrap()).collect()
    };
    assert_eq!(ids(""), (21..=120).rev().collect::<Vec<_>>());
    assert_eq!(ids("?limit=2"), [120, 119]);
    assert_eq!(ids("?after=4"), [3, 2, 1]);
    assert_eq!(ids("?before=118"), [120, 119]);
    let expected = json!({
        "trade_id": 120, "side": "buy", "size": "120.00000000", "price": "101.20",
        "time": "1970-01-01T00:02:00.000000Z",
    });
    assert_eq!(asked("/products/BTC-USD/trades?limit=1"), json!([expected]));
    assert_eq!(asked("/products/SOL-USD/trades"), json!([]));
    assert_eq!(
        asked("/time"),
        json!({"iso": "1970-01-01T00:00:00.000000Z", "epoch": 0.0})
    );
}

#[test]
fn what_is_not_served_is_refused_in_the_exchange_s_shape() {
    let mirror = ExchangeFeed.mirror();
    let mut market = Quiet::new(&ExchangeFeed);
    for target in [
        "/none",
        "/products/X-USD",
        "/products/BTC-USD/none",
        "/currencies/X",
    ] {
        let reply = mirror.rest(Call::get(target), &mut market);
        let body = json!({"message": "NotFound"});
        assert_eq!((reply.status, value(&reply.body)), (404, body), "{target}");
    }
    let call = Call {
        method: Method::Put,
        ..Call::get("/products")
    };
    assert_eq!(mirror.rest(call, &mut market).status, 405);
    let reply = mirror.refuse(
        Refusal::TooMany { retry_after_s: 1 },
        Call::get("/products"),
    );
    let body = json!({"message": "Public rate limit exceeded"});
    assert_eq!((reply.status, value(&reply.body)), (429, body));
}

fn subscribe(channel: &str) -> Value {
    json!({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": [channel]})
}

#[test]
fn prints_and_tickers_begin_with_the_newest() {
    let (mut session, market, said) = follow(&ExchangeFeed, subscribe("matches"));
    assert_eq!(said[0]["type"], "subscriptions");
    let last = json!({
        "type": "last_match", "trade_id": 120, "side": "buy", "size": "120.00000000",
        "price": "101.20", "product_id": "BTC-USD", "sequence": 120,
        "time": "1970-01-01T00:02:00.000000Z",
    });
    assert_fields(&said[1], last);
    let said = hear(&mut *session, &market, &Happened::Trade(print(121)));
    assert_fields(
        &said[0],
        json!({"type": "match", "trade_id": 121, "side": "sell"}),
    );
    assert_ne!(said[0]["maker_order_id"], said[0]["taker_order_id"]);

    let (mut session, market, said) = follow(&ExchangeFeed, subscribe("ticker"));
    let ticker = json!({
        "type": "ticker", "sequence": 0, "product_id": "BTC-USD", "price": "101.20",
        "open_24h": "101.00", "volume_24h": "1.5", "low_24h": "99.00", "high_24h": "102.00",
        "volume_30d": "45", "best_bid": "99.99", "best_bid_size": "1.00000000",
        "best_ask": "100.01", "best_ask_size": "1.00000000", "side": "sell",
        "time": "1970-01-01T00:00:00.000000Z", "trade_id": 120, "last_size": "120.00000000",
    });
    assert_eq!(said[1], ticker);
    let said = hear(&mut *session, &market, &Happened::Quote(quote(&market)));
    assert_eq!(said, [ticker]);
}

#[test]
fn a_heartbeat_comes_every_second_with_the_newest_print() {
    let (mut session, market, said) = follow(&ExchangeFeed, subscribe("heartbeat"));
    let channels = json!([{"name": "heartbeat", "product_ids": ["BTC-USD"]}]);
    assert_eq!(
        said,
        [json!({"type": "subscriptions", "channels": channels})]
    );
    let beat = |last: u64, time: &str| {
        json!({"type": "heartbeat", "product_id": "BTC-USD", "sequence": last,
               "last_trade_id": last, "time": time})
    };
    assert_eq!(
        wait(&mut *session, 1),
        [beat(120, "1970-01-01T00:00:01.000000Z")]
    );
    assert!(hear(&mut *session, &market, &Happened::Trade(print(121))).is_empty());
    assert_eq!(
        wait(&mut *session, 2),
        [beat(121, "1970-01-01T00:00:02.000000Z")]
    );
    assert_eq!(session.poll_timeout(), Some(UnixNanos(3 * SECOND)));
}

#[test]
fn tickers_in_batches_come_every_five_seconds_and_a_status_at_once() {
    let (mut session, market, _) = follow(&ExchangeFeed, subscribe("ticker_batch"));
    let said = wait(&mut *session, 5);
    assert_eq!((said.len(), &said[0]["type"]), (1, &json!("ticker")));
    assert!(wait(&mut *session, 10).is_empty());
    let event = Happened::Quote(quote(&market));
    assert!(hear(&mut *session, &market, &event).is_empty());
    assert_eq!(wait(&mut *session, 15).len(), 1);

    let text = json!({"type": "subscribe", "channels": ["status"]});
    let (_, _, said) = follow(&ExchangeFeed, text);
    assert_eq!(said[1]["type"], "status");
    assert_eq!(each(&said[1]["products"], "id"), ["BTC-USD", "SOL-USD"]);
    assert_eq!(each(&said[1]["currencies"], "id"), ["BTC", "SOL", "USD"]);
}
