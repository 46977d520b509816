//! What queries say of orders, trades, balances and limits.

use super::*;

#[test]
fn an_order_is_found_by_number_or_name_and_both_must_fit() {
    let mut client = Client::new();
    let id = client.rests("x");
    let found = client.said("order.status", symbol(json!({"origClientOrderId": "x"})));
    assert_eq!(
        found,
        json!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1, "clientOrderId": "x",
            "price": "30000.01000000", "origQty": "0.01000000", "executedQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC",
            "type": "LIMIT", "side": "BUY", "stopPrice": "0.00000000",
            "icebergQty": "0.00000000", "time": NOW_MS, "updateTime": NOW_MS, "isWorking": true,
            "workingTime": NOW_MS, "origQuoteOrderQty": "0.00000000",
            "selfTradePreventionMode": "EXPIRE_MAKER"})
    );
    assert_eq!(
        client.said("openOrders.status", symbol(json!({}))),
        json!([found])
    );
    for (params, code) in [
        (json!({"origClientOrderId": "nobody"}), -2013),
        (json!({"orderId": 1}), -2013),
        (json!({"orderId": id, "origClientOrderId": "nobody"}), -2039),
        (json!({"orderId": "many"}), -1100),
        (json!({}), -1102),
    ] {
        assert_eq!(
            client.code("order.status", symbol(params.clone())),
            code,
            "{params}"
        );
    }
    client.said("order.cancel", symbol(json!({"orderId": id})));
    let found = client.said("order.status", symbol(json!({"origClientOrderId": "x"})));
    assert_eq!(found["status"], "CANCELED");
    // The name is free again, and means the newer order then.
    let newer = client.rests("x");
    let found = client.said("order.status", symbol(json!({"origClientOrderId": "x"})));
    assert_eq!(found["orderId"], newer);
}

#[test]
fn own_trades_are_the_newest_or_begin_where_the_client_says() {
    let mut client = Client::new();
    let orders: Vec<u64> = (0..3)
        .map(|_| client.buys("0.001")["orderId"].as_u64().unwrap())
        .collect();
    let all = client.said("myTrades", symbol(json!({})));
    let ids: Vec<u64> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|trade| trade["id"].as_u64().unwrap())
        .collect();
    assert!(ids.is_sorted() && ids.len() == 3, "{ids:?}");
    let first = &all[0];
    assert_eq!(
        *first,
        json!({"symbol": "BTCUSDT", "id": ids[0], "orderId": orders[0], "orderListId": -1,
            "price": first["price"], "qty": "0.00100000", "quoteQty": first["quoteQty"],
            "commission": "0.00000100", "commissionAsset": "BTC", "time": NOW_MS,
            "isBuyer": true, "isMaker": false, "isBestMatch": true})
    );
    for (params, count) in [
        (json!({"fromId": ids[1]}), 2),
        (json!({"fromId": ids[2] + 1}), 0),
        (json!({"limit": 2}), 2),
        (json!({"orderId": orders[1]}), 1),
        (json!({"startTime": NOW_MS, "endTime": NOW_MS}), 3),
        (json!({"startTime": NOW_MS + 1}), 0),
        (json!({"endTime": NOW_MS * 1000}), 3),
    ] {
        let said = client.said("myTrades", symbol(params.clone()));
        assert_eq!(said.as_array().unwrap().len(), count, "{params}");
    }
    let newest = client.said("myTrades", symbol(json!({"limit": 1})));
    assert_eq!(newest[0]["id"], ids[2]);
    let oldest = client.said("myTrades", symbol(json!({"limit": 1, "fromId": 0})));
    assert_eq!(oldest[0]["id"], ids[0]);
    for (params, code) in [
        (json!({"fromId": 1, "startTime": NOW_MS}), -1128),
        (json!({"startTime": 0, "endTime": 86_400_001}), -1127),
    ] {
        assert_eq!(
            client.code("myTrades", symbol(params.clone())),
            code,
            "{params}"
        );
    }
}

#[test]
fn all_orders_are_the_newest_or_begin_at_a_number() {
    let mut client = Client::new();
    let ids = ["x", "y", "z"].map(|name| client.rests(name));
    client.said("order.cancel", symbol(json!({"orderId": ids[0]})));
    let of = |said: Value| -> Vec<u64> {
        let all = said.as_array().unwrap().iter();
        all.map(|order| order["orderId"].as_u64().unwrap())
            .collect()
    };
    let mut all = |params: Value| of(client.said("allOrders", symbol(params)));
    assert_eq!(all(json!({})), ids);
    assert_eq!(all(json!({"limit": 1})), [ids[2]]);
    assert_eq!(all(json!({"orderId": ids[1]})), ids[1..]);
    assert_eq!(all(json!({"orderId": ids[0], "limit": 2})), ids[..2]);
    assert_eq!(all(json!({"endTime": NOW_MS - 1})), [0; 0]);
}

#[test]
fn balances_follow_orders_and_trades() {
    let mut client = Client::new();
    let has = |client: &mut Client, asset: &str| {
        let said = client.said("account.status", json!({"omitZeroBalances": true}));
        assert_eq!(said["canTrade"], true);
        let balances = said["balances"].as_array().unwrap().clone();
        let found = balances.iter().find(|balance| balance["asset"] == asset);
        let found = found.unwrap().clone();
        let text = |name: &str| found[name].as_str().unwrap().to_owned();
        (text("free"), text("locked"))
    };
    assert_eq!(
        has(&mut client, "USDT"),
        ("100000000.00000000".into(), "0.00000000".into())
    );
    client.rests("x");
    assert_eq!(
        has(&mut client, "USDT"),
        ("99999699.99990000".into(), "300.00010000".into())
    );
    client.said("order.cancel", symbol(json!({"origClientOrderId": "x"})));
    client.buys("0.01");
    assert_eq!(
        has(&mut client, "BTC"),
        ("1000.00999000".into(), "0.00000000".into())
    );
    let much = json!({"side": "SELL", "type": "LIMIT", "timeInForce": "GTC",
        "price": "1000.00", "quantity": "1000.01"});
    let answer = client.call("order.place", symbol(much));
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["msg"]),
        (
            &json!(-2010),
            &json!("Account has insufficient balance for requested action.")
        )
    );
}

#[test]
fn answers_say_what_was_spent_and_successful_orders_cost_no_weight() {
    let mut client = Client::at("/ws-api/v3");
    client.ask(&logon(NOW_MS, &key()));
    let limits = |answer: &Value, kind: &str| -> Vec<u64> {
        let all = answer["rateLimits"].as_array().unwrap().iter();
        let of = all.filter(|limit| limit["rateLimitType"] == kind);
        of.map(|limit| limit["count"].as_u64().unwrap()).collect()
    };
    let answer = client.ask(&resting("x"));
    assert_eq!(limits(&answer, "ORDERS"), [1, 1]);
    assert_eq!(limits(&answer, "REQUEST_WEIGHT"), [2], "the logon's");
    let answer = client.ask(&resting("x"));
    assert_eq!(limits(&answer, "ORDERS"), [2, 2], "the engine refused it");
    assert_eq!(
        limits(&answer, "REQUEST_WEIGHT"),
        [3],
        "a failure costs something"
    );
    let answer = client.call("order.status", symbol(json!({"origClientOrderId": "x"})));
    assert_eq!(limits(&answer, "ORDERS"), [0; 0]);
    assert_eq!(limits(&answer, "REQUEST_WEIGHT"), [7]);
    let quiet = call("account.status", json!({"returnRateLimits": false}));
    assert!(client.ask(&quiet).get("rateLimits").is_none());
    let counted = client.said("account.rateLimits.orders", json!({}));
    assert_eq!(
        counted,
        json!([{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100,
                "count": 2},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000,
                "count": 2}])
    );
}

#[test]
fn whoever_asks_too_much_is_told_when_to_come_back_and_orders_still_pass() {
    let mut client = Client::new();
    let heavy = call("openOrders.status", json!({}));
    let answer = loop {
        let answer = client.ask(&heavy);
        if answer["status"] != 200 {
            break answer;
        }
    };
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(429), &json!(-1003))
    );
    let data = &answer["error"]["data"];
    assert_eq!(
        data,
        &json!({"serverTime": NOW_MS, "retryAfter": NOW_MS + 60_000})
    );
    assert_eq!(client.ask(&resting("x"))["status"], 200);
    for _ in 0..11 {
        client.ask(&heavy);
    }
    let answer = client.ask(&heavy);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(418), &json!(-1003))
    );
    assert_eq!(client.ask(&resting("y"))["status"], 418);
}
