use super::super::rest::decimals;
use super::*;
use crate::exchange::mirror::Method;

fn get(target: &str) -> Value {
    let reply = BitstampMirror.rest(Call::get(target), &mut shown());
    assert_eq!(reply.status, 200, "{target}");
    value(&reply.body)
}

/// Each of these fields is as expected.
fn assert_fields(said: &Value, expected: Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(said[key], *value, "{key}");
    }
}

#[test]
fn a_market_has_the_documented_fields_in_both_lists() {
    let both = json!({
        "name": "BTC/USD",
        "description": "Bitcoin / U.S. dollar",
        "base_decimals": 8,
        "counter_decimals": 2,
        "instant_order_counter_decimals": 2,
        "trading": "Enabled",
        "instant_and_market_orders": "Enabled",
    });
    let market = &get("/api/v2/markets/")[0];
    assert_fields(market, both.clone());
    assert_fields(
        market,
        json!({
            "market_symbol": "btcusd", "base_currency": "BTC", "counter_currency": "USD",
            "minimum_order_value": "10", "market_type": "SPOT",
        }),
    );
    let pair = &get("/api/v2/trading-pairs-info/")[0];
    assert_fields(pair, both);
    assert_fields(
        pair,
        json!({"url_symbol": "btcusd", "minimum_order": "10.0 USD"}),
    );
    let currencies = get("/api/v2/currencies/");
    let named: Vec<_> = currencies.as_array().unwrap().iter().collect();
    let codes: Vec<_> = named.iter().map(|one| &one["currency"]).collect();
    assert_eq!(codes, ["BTC", "SOL", "USD"]);
    assert_fields(
        named[2],
        json!({"name": "U.S. dollar", "type": "fiat", "decimals": 2}),
    );
}

#[test]
fn a_ticker_is_of_the_market_that_is_asked_for() {
    let all = get("/api/v2/ticker/");
    assert_eq!(
        (&all[0]["pair"], &all[1]["pair"]),
        (&json!("BTC/USD"), &json!("SOL/USD"))
    );
    let expected = json!({
        "pair": "BTC/USD", "market": "BTC/USD", "market_type": "SPOT", "timestamp": "7200",
        "open": "101", "open_24": "101", "high": "102", "low": "99", "last": "101.2",
        "volume": "1.5", "vwap": "100.5", "percent_change_24": "0.20",
        "bid": "99.99", "ask": "100.01", "side": "1",
    });
    assert_eq!(get("/api/v2/ticker/btcusd/"), expected);
    assert_eq!(get("/api/v2/ticker/solusd")["bid"], "199.99");
}

#[test]
fn prints_are_of_the_span_that_is_asked_for_newest_first() {
    let ids = |query: &str| -> Vec<u64> {
        let answer = get(&format!("/api/v2/transactions/btcusd/{query}"));
        let all = answer.as_array().unwrap().iter();
        all.map(|one| one["tid"].as_str().unwrap().parse().unwrap())
            .collect()
    };
    assert_eq!(ids("?time=minute"), [120]);
    assert_eq!(ids(""), (61..=120).rev().collect::<Vec<_>>());
    assert_eq!(ids("?time=day").len(), 120);
    let expected = json!({
        "date": "7200", "tid": "120", "type": "1", "price": "101.2", "amount": "120.00000000",
    });
    assert_eq!(
        get("/api/v2/transactions/btcusd/?time=minute"),
        json!([expected])
    );
    assert_eq!(get("/api/v2/transactions/solusd/"), json!([]));
}

#[test]
fn a_book_is_of_the_market_that_is_asked_for_with_or_without_a_slash() {
    for target in [
        "/api/v2/order_book/solusd/",
        "/api/v2/order_book/solusd?group=1",
    ] {
        let book = get(target);
        assert_eq!(book["asks"].as_array().unwrap().len(), 150);
        assert_eq!(book["bids"][0], json!(["199.99", "1.00000000"]));
    }
}

#[test]
fn what_is_not_served_is_refused_in_the_exchange_s_shape() {
    let get = Method::Get;
    for (method, target, status, code) in [
        (get, "/api/v2/none/", 404, "404.001"),
        (get, "/api/v2/ticker/none/", 404, "404.001"),
        (get, "/api/v2/transactions/", 404, "404.001"),
        (Method::Post, "/api/v2/ticker/", 405, "405.001"),
    ] {
        let call = Call {
            method,
            ..Call::get(target)
        };
        let reply = BitstampMirror.rest(call, &mut shown());
        let body = value(&reply.body);
        assert_eq!(
            (reply.status, &body["code"]),
            (status, &json!(code)),
            "{target}"
        );
        assert_eq!(body["status"], "error");
    }
    let many = Refusal::TooMany { retry_after_s: 1 };
    let reply = BitstampMirror.refuse(many, Call::get("/api/v2/ticker/"));
    assert_eq!(
        (reply.status, &value(&reply.body)["code"]),
        (400, &json!("400.002"))
    );
}

#[test]
fn four_hundred_requests_are_taken_in_a_second() {
    let reply = BitstampMirror.rest(Call::get("/api/v2/ticker/"), &mut shown());
    let rate = reply.quota.unwrap().rate;
    assert_eq!((rate.count, rate.per.0), (400, 1_000_000_000));
}

#[test]
fn decimals_are_those_of_the_step() {
    assert_eq!(
        [1, 10, 1_000_000, 100_000_000].map(|step| decimals(step, 8)),
        [8, 7, 2, 0]
    );
    assert_eq!(decimals(1, 0), 0);
}
