//! What Advanced Trade serves beside what our own client asks for.

use super::*;

const PRODUCTS: &str = "/api/v3/brokerage/market/products";

fn asked(target: &str) -> Value {
    get(&AdvancedTrade, target)
}

#[test]
fn products_are_those_that_are_asked_for() {
    let ids = |query: &str| -> Vec<String> {
        let answer = asked(&format!("{PRODUCTS}{query}"));
        each(&answer["products"], "product_id")
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(ids(""), ["BTC-USD", "SOL-USD"]);
    assert_eq!(ids("?product_type=SPOT"), ["BTC-USD", "SOL-USD"]);
    assert_eq!(ids("?product_type=FUTURE"), [""; 0]);
    assert_eq!(ids("?product_ids=SOL-USD"), ["SOL-USD"]);
    assert_eq!(
        ids("?product_ids=SOL-USD&product_ids=BTC-USD"),
        ["BTC-USD", "SOL-USD"]
    );
    assert_eq!(ids("?limit=1&offset=1"), ["SOL-USD"]);
    let page = asked(&format!("{PRODUCTS}?limit=1"));
    assert_eq!(page["num_products"], 2);
    assert_eq!(page["pagination"]["has_next"], true);
    let next = page["pagination"]["next_cursor"].as_str().unwrap();
    assert_eq!(ids(&format!("?limit=1&cursor={next}")), ["SOL-USD"]);
}

#[test]
fn a_product_has_the_documented_fields() {
    let product = asked(&format!("{PRODUCTS}/BTC-USD"));
    assert_eq!(product, asked(PRODUCTS)["products"][0]);
    assert_fields(
        &product,
        json!({
            "product_id": "BTC-USD",
            "price": "101.20",
            "price_percentage_change_24h": (20.0 / 10_100.0 * 100.0).to_string(),
            "volume_24h": "1.5",
            "approximate_quote_24h_volume": "150.75",
            "base_name": "Bitcoin",
            "quote_name": "US Dollar",
            "base_increment": "0.00000001",
            "price_increment": "0.01",
            "quote_increment": "0.01",
            "status": "online",
            "is_disabled": false,
            "cancel_only": false,
            "view_only": false,
            "auction_mode": false,
            "product_type": "SPOT",
            "display_name": "BTC-USD",
            "alias_to": [],
        }),
    );
}

#[test]
fn a_book_has_as_many_levels_as_are_asked_for() {
    let book = asked("/api/v3/brokerage/market/product_book?product_id=SOL-USD&limit=1");
    let expected = json!({
        "product_id": "SOL-USD",
        "bids": [{"price": "199.99", "size": "1.00000000"}],
        "asks": [{"price": "200.01", "size": "1.00000000"}],
        "time": "1970-01-01T00:00:00.000000Z",
    });
    assert_eq!(book["pricebook"], expected);
    assert_fields(
        &book,
        json!({"mid_market": "200", "spread_absolute": "0.02", "spread_bps": "1.0000"}),
    );
    let book = asked("/api/v3/brokerage/market/product_book?product_id=SOL-USD");
    assert_eq!(book["pricebook"]["asks"].as_array().unwrap().len(), 3);
}

#[test]
fn prints_come_newest_first_with_the_best_prices() {
    let ids = |query: &str| -> Vec<u64> {
        let answer = asked(&format!("{PRODUCTS}/BTC-USD/ticker{query}"));
        let ids = each(&answer["trades"], "trade_id").into_iter();
        ids.map(|id| id.parse().unwrap()).collect()
    };
    assert_eq!(ids("?limit=2"), [120, 119]);
    assert_eq!(ids("?limit=1000"), (1..=120).rev().collect::<Vec<_>>());
    assert_eq!(ids("?start=3&end=5&limit=10"), [5, 4, 3]);
    let answer = asked(&format!("{PRODUCTS}/BTC-USD/ticker?limit=1"));
    assert_fields(&answer, json!({"best_bid": "99.99", "best_ask": "100.01"}));
    assert_fields(
        &answer["trades"][0],
        json!({
            "trade_id": "120", "product_id": "BTC-USD", "price": "101.20",
            "size": "120.00000000", "side": "BUY", "time": "1970-01-01T00:02:00.000000Z",
        }),
    );
    let none = asked(&format!("{PRODUCTS}/SOL-USD/ticker"));
    assert_eq!(none["trades"], json!([]));
}

#[test]
fn candles_are_what_the_known_prints_make() {
    let answer = asked(&format!(
        "{PRODUCTS}/BTC-USD/candles?granularity=ONE_MINUTE&end=60"
    ));
    let expected = json!([
        {"start": "60", "low": "100.60", "high": "101.19", "open": "100.60", "close": "101.19",
         "volume": "5370.00000000"},
        {"start": "0", "low": "100.01", "high": "100.59", "open": "100.01", "close": "100.59",
         "volume": "1770.00000000"},
    ]);
    assert_eq!(answer["candles"], expected);
}

#[test]
fn the_older_interface_tells_of_assets_and_both_of_the_time() {
    assert_eq!(each(&asked("/v2/currencies")["data"], "id"), ["USD"]);
    assert_eq!(
        each(&asked("/v2/currencies/crypto")["data"], "code"),
        ["BTC", "SOL"]
    );
    let rates = &asked("/v2/exchange-rates")["data"];
    let coin = (1.0 / 101.2).to_string();
    let expected = json!({"currency": "USD", "rates": {"USD": "1", "BTC": coin, "SOL": coin}});
    assert_eq!(*rates, expected);
    let rates = &asked("/v2/exchange-rates?currency=BTC")["data"];
    assert_eq!(rates["rates"]["USD"], "101.2");
    assert_eq!(asked("/v2/time")["data"]["epoch"], 0);
    let time = asked("/api/v3/brokerage/time");
    assert_fields(&time, json!({"epochSeconds": "0", "epochMillis": "0"}));
}

#[test]
fn what_is_not_served_is_refused_in_the_exchange_s_shape() {
    let mirror = AdvancedTrade.mirror();
    let mut market = Quiet::new(&AdvancedTrade);
    for (target, status, error) in [
        ("/api/v3/none", 404, "NOT_FOUND"),
        ("/api/v3/brokerage/market/products/X-USD", 404, "NOT_FOUND"),
        (
            "/api/v3/brokerage/market/product_book",
            400,
            "INVALID_ARGUMENT",
        ),
        (
            "/api/v3/brokerage/market/product_book?product_id=X-USD",
            404,
            "NOT_FOUND",
        ),
    ] {
        let reply = mirror.rest(Call::get(target), &mut market);
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(value(&reply.body)["error"], error, "{target}");
    }
    let reply = mirror.rest(Call::get("/api/v3/brokerage/accounts"), &mut market);
    assert_eq!((reply.status, reply.body.as_str()), (401, "Unauthorized\n"));
    let call = Call {
        method: Method::Delete,
        ..Call::get(PRODUCTS)
    };
    assert_eq!(mirror.rest(call, &mut market).status, 405);
    let reply = mirror.refuse(Refusal::TooMany { retry_after_s: 1 }, Call::get(PRODUCTS));
    let expected = json!([{"id": "rate_limit_exceeded", "message": "Too many requests"}]);
    assert_eq!(
        (reply.status, &value(&reply.body)["errors"]),
        (429, &expected)
    );
}

fn subscribe(channel: &str) -> Value {
    json!({"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel})
}

#[test]
fn a_subscription_to_prints_begins_with_the_newest_hundred_newest_first() {
    let (mut session, market, said) = follow(&AdvancedTrade, subscribe("market_trades"));
    let event = &said[0]["events"][0];
    assert_eq!(
        (&said[0]["channel"], &event["type"]),
        (&json!("market_trades"), &json!("snapshot"))
    );
    let ids: Vec<u64> = each(&event["trades"], "trade_id")
        .iter()
        .map(|id| id.parse().unwrap())
        .collect();
    assert_eq!(ids, (21..=120).rev().collect::<Vec<_>>());
    assert_fields(
        &event["trades"][0],
        json!({"product_id": "BTC-USD", "price": "101.20", "side": "BUY"}),
    );
    let said = hear(&mut *session, &market, &Happened::Trade(print(121)));
    assert_eq!(said[0]["events"][0]["type"], "update");
    // None to show is no message: others' clients look at the first of them.
    let sol = json!({"type": "subscribe", "product_ids": ["SOL-USD"], "channel": "market_trades"});
    let (_, _, said) = follow(&AdvancedTrade, sol);
    assert_eq!(
        (said.len(), &said[0]["channel"]),
        (1, &json!("subscriptions"))
    );
}

#[test]
fn a_ticker_has_the_documented_fields_at_once_and_at_every_quote() {
    let (mut session, market, said) = follow(&AdvancedTrade, subscribe("ticker"));
    let expected = json!({
        "type": "ticker", "product_id": "BTC-USD", "price": "101.20", "volume_24_h": "1.5",
        "low_24_h": "99.00", "high_24_h": "102.00", "low_52_w": "99.00", "high_52_w": "102.00",
        "price_percent_chg_24_h": market.day(0).percent().to_string(),
        "best_bid": "99.99", "best_bid_quantity": "1.00000000",
        "best_ask": "100.01", "best_ask_quantity": "1.00000000",
    });
    let event = &said[0]["events"][0];
    assert_eq!(
        (&event["type"], &event["tickers"]),
        (&json!("snapshot"), &json!([expected]))
    );
    let said = hear(&mut *session, &market, &Happened::Quote(quote(&market)));
    let event = &said[0]["events"][0];
    assert_eq!(
        (&event["type"], &event["tickers"]),
        (&json!("update"), &json!([expected]))
    );
}

#[test]
fn tickers_in_batches_come_every_five_seconds_if_anything_changed() {
    let (mut session, market, said) = follow(&AdvancedTrade, subscribe("ticker_batch"));
    assert_eq!(said[0]["channel"], "ticker_batch");
    assert_eq!(
        each(&said[0]["events"][0]["tickers"], "product_id"),
        ["BTC-USD"]
    );
    let followed = &said[1]["events"][0]["subscriptions"];
    assert_eq!(*followed, json!({"ticker_batch": ["BTC-USD"]}));
    assert_eq!(session.poll_timeout(), Some(UnixNanos(5 * SECOND)));
    assert!(wait(&mut *session, 5).is_empty());
    let event = Happened::Quote(quote(&market));
    assert!(hear(&mut *session, &market, &event).is_empty());
    let said = wait(&mut *session, 10);
    assert_eq!(
        (said.len(), &said[0]["events"][0]["type"]),
        (1, &json!("update"))
    );
    assert!(wait(&mut *session, 15).is_empty());
}

#[test]
fn a_status_lists_the_products_that_are_followed() {
    let (session, _, said) = follow(&AdvancedTrade, subscribe("status"));
    assert_eq!(
        (session.streams(), &said[0]["channel"]),
        (1, &json!("status"))
    );
    let products = &said[0]["events"][0]["products"];
    assert_eq!(each(products, "id"), ["BTC-USD"]);
    assert_fields(
        &products[0],
        json!({"base_currency": "BTC", "quote_increment": "0.01", "status": "online"}),
    );
}
