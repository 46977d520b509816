//! Orders: placed, cancelled, replaced, made smaller.

use super::*;

#[test]
fn a_good_order_is_acked_with_id_and_client_id() {
    let answer = Client::new().ask(&order(|_| ()));
    assert_eq!(answer["status"], 200);
    let id = answer["result"]["orderId"].as_u64().unwrap();
    assert_eq!(
        answer["result"],
        json!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1,
        "clientOrderId": "tw1", "transactTime": NOW_MS})
    );
}

#[test]
fn the_answer_says_as_much_as_was_asked_for_and_all_of_it_unasked() {
    let answered = |kind: Value| {
        let mut client = Client::new();
        let request = order(|params| {
            params["price"] = best(&client.venue, Side::Sell).into();
            match kind {
                Value::Null => drop(params.as_object_mut().unwrap().remove("newOrderRespType")),
                kind => params["newOrderRespType"] = kind,
            }
        });
        client.ask(&request)["result"].clone()
    };
    let full = answered(Value::Null);
    let (price, paid) = (full["price"].clone(), full["cummulativeQuoteQty"].clone());
    let id = full["orderId"].clone();
    let mut expected = json!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1,
        "clientOrderId": "tw1", "transactTime": NOW_MS, "price": price,
        "origQty": "0.01000000", "executedQty": "0.01000000", "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": paid, "status": "FILLED", "timeInForce": "IOC",
        "type": "LIMIT", "side": "BUY", "workingTime": NOW_MS,
        "selfTradePreventionMode": "EXPIRE_MAKER"});
    assert_eq!(answered(json!("RESULT")), expected);
    let trade = full["fills"][0]["tradeId"].as_u64().unwrap();
    expected["fills"] = json!([{"price": price, "qty": "0.01000000",
        "commission": "0.00001000", "commissionAsset": "BTC", "tradeId": trade}]);
    assert_eq!(full, expected);
    assert_eq!(answered(json!("FULL")), expected);
    assert!(answered(json!("ACK")).get("status").is_none());
    let cents = price
        .as_str()
        .unwrap()
        .replace('.', "")
        .parse::<u64>()
        .unwrap()
        / 1_000_000;
    assert_eq!(
        paid,
        format!("{}.{:04}0000", cents / 10_000, cents % 10_000)
    );
}

#[test]
fn an_order_that_does_not_say_how_much_is_answered_as_its_type_is() {
    let mut client = Client::new();
    let order = |kind: &str, side| symbol(json!({"side": side, "type": kind, "quantity": "0.01"}));
    let mut maker = order("LIMIT_MAKER", "BUY");
    maker["price"] = "30000.00".into();
    let said = client.said("order.place", maker);
    assert!(said.get("status").is_none() && said["clientOrderId"].as_str().unwrap().len() == 22);
    let said = client.said("order.place", order("MARKET", "SELL"));
    assert_eq!(
        (&said["status"], &said["fills"][0]["commissionAsset"]),
        (&json!("FILLED"), &json!("USDT"))
    );
    assert_eq!(
        (&said["type"], &said["price"]),
        (&json!("MARKET"), &json!("0.00000000"))
    );
    let worth = json!({"side": "BUY", "type": "MARKET", "quoteOrderQty": "1000"});
    let said = client.said("order.place", symbol(worth));
    assert_eq!(said["origQuoteOrderQty"], "1000.00000000");
    let paid: f64 = said["cummulativeQuoteQty"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((999.0..=1000.0).contains(&paid), "{said}");
}

#[test]
fn what_expires_says_why() {
    let mut client = Client::new();
    for (life, why) in [
        ("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("FOK", "UNFILLED_FOK_ORDER_EXPIRED"),
    ] {
        let answer = client.ask(&order(|params| {
            params["timeInForce"] = life.into();
            params["newOrderRespType"] = "RESULT".into();
        }));
        let said = &answer["result"];
        assert_eq!(
            (&said["status"], &said["expiryReason"]),
            (&json!("EXPIRED"), &json!(why))
        );
    }
}

#[test]
fn a_client_id_is_unique_among_the_accounts_open_orders_only() {
    let mut client = Client::new();
    let mut status = |request: &str| {
        let answer = client.ask(request);
        (answer["status"].clone(), answer["error"]["msg"].clone())
    };
    let taken = (json!(200), Value::Null);
    let refused = (json!(400), json!("Duplicate order sent."));
    let once = order(|params| params["newClientOrderId"] = json!("x"));
    assert_eq!(status(&once), taken);
    assert_eq!(status(&resting("x")), taken);
    assert_eq!(status(&resting("x")), refused);
    assert_eq!(status(&once), refused);
    assert_eq!(status(&resting("y")), taken);
    let another = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "price": "30000.01", "quantity": "0.01", "newClientOrderId": "x", "timestamp": NOW_MS});
    let answer = client.ask(&signed_by("another", "order.place", &another));
    assert_eq!(answer["status"], 200);
}

#[test]
fn an_account_may_not_have_more_open_orders_than_the_filter_says() {
    let mut client = Client::new();
    for n in 0..200 {
        // So many in one moment would be too many for another limit.
        while client.venue.step(Nanos::from_secs(n as u64 / 50 * 10)) {}
        let now = client.venue.now().as_millis();
        let request = resting(&format!("c{n}")).replace(&NOW_MS.to_string(), &now.to_string());
        let answer = client.ask(&request);
        assert_eq!(answer["status"], 200, "{answer}");
    }
    let now = client.venue.now().as_millis().to_string();
    let answer = client.ask(&resting("more").replace(&NOW_MS.to_string(), &now));
    assert_eq!(answer["error"]["code"], -1013);
    let one_more = client.ask(&order(|_| ()).replace(&NOW_MS.to_string(), &now));
    assert_eq!(one_more["status"], 200, "it does not rest");
}

#[test]
fn a_test_order_is_checked_and_not_placed() {
    let mut client = Client::new();
    let mut tested = order(|params| params["timeInForce"] = "GTC".into());
    tested = tested.replace("order.place", "order.test");
    assert_eq!(client.ask(&tested)["result"], json!({}));
    assert_eq!(client.said("openOrders.status", json!({})), json!([]));
    let wrong = tested.replace("30000.01", "30000.015");
    assert_eq!(client.ask(&wrong)["error"]["code"], -1013);
    let counted = client.said("account.rateLimits.orders", json!({}));
    assert_eq!(counted[0]["count"], 0);
}

#[test]
fn a_cancel_names_both_orders_and_only_an_open_one_can_be_cancelled() {
    let mut client = Client::new();
    let id = client.rests("x");
    let cancelled = client.said(
        "order.cancel",
        symbol(json!({"origClientOrderId": "x",
        "newClientOrderId": "the-cancel"})),
    );
    assert_eq!(
        cancelled,
        json!({"symbol": "BTCUSDT", "origClientOrderId": "x", "orderId": id, "orderListId": -1,
            "clientOrderId": "the-cancel", "transactTime": NOW_MS, "price": "30000.01000000",
            "origQty": "0.01000000", "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000", "cummulativeQuoteQty": "0.00000000",
            "status": "CANCELED", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY",
            "selfTradePreventionMode": "EXPIRE_MAKER"})
    );
    let again = symbol(json!({"origClientOrderId": "x"}));
    assert_eq!(client.code("order.cancel", again), -2011);
    let y = client.rests("y");
    for (params, code) in [
        (json!({"orderId": 1}), -2011),
        (json!({"orderId": y, "origClientOrderId": "x"}), -2011),
        (
            json!({"orderId": y, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}),
            -2011,
        ),
        (json!({"orderId": y, "cancelRestrictions": "SOME"}), -1145),
        (json!({}), -1102),
    ] {
        assert_eq!(
            client.code("order.cancel", symbol(params.clone())),
            code,
            "{params}"
        );
    }
    let only = json!({"orderId": y, "cancelRestrictions": "ONLY_NEW"});
    assert_eq!(
        client.said("order.cancel", symbol(only))["status"],
        "CANCELED"
    );
}

#[test]
fn all_open_orders_of_a_symbol_are_cancelled_at_once_and_none_is_an_error() {
    let mut client = Client::new();
    client.rests("x");
    client.rests("y");
    let cancelled = client.said("openOrders.cancelAll", symbol(json!({})));
    let ids: Vec<&str> = cancelled
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["origClientOrderId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["x", "y"]);
    assert_eq!(
        client.code("openOrders.cancelAll", symbol(json!({}))),
        -2011
    );
    assert_eq!(client.code("openOrders.cancelAll", json!({})), -1102);
}

#[test]
fn a_cancel_and_a_new_order_may_fail_one_by_one() {
    let mut client = Client::new();
    let x = client.rests("x");
    let replace = |mode: &str, cancel: Value, price: &str| {
        let kind = json!({"side": "BUY", "type": "LIMIT_MAKER", "price": price,
            "quantity": "0.01", "cancelReplaceMode": mode});
        let mut params = symbol(kind);
        params
            .as_object_mut()
            .unwrap()
            .extend(cancel.as_object().unwrap().clone());
        params
    };
    let by_name = |name: &str| json!({"cancelOrigClientOrderId": name});
    let good = replace("STOP_ON_FAILURE", json!({"cancelOrderId": x}), "30000.00");
    let said = client.said("order.cancelReplace", good);
    assert_eq!(said["cancelResponse"]["origClientOrderId"], "x");
    assert_eq!(
        (&said["cancelResult"], &said["newOrderResult"]),
        (&json!("SUCCESS"), &json!("SUCCESS"))
    );

    // The cancel fails.
    let stopped = replace("STOP_ON_FAILURE", by_name("x"), "30000.00");
    let answer = client.call("order.cancelReplace", stopped);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(400), &json!(-2022))
    );
    assert_eq!(
        answer["error"]["data"],
        json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
            "cancelResponse": {"code": -2011, "msg": "Unknown order sent."},
            "newOrderResponse": null})
    );
    let allowed = replace("ALLOW_FAILURE", by_name("x"), "30000.00");
    let answer = client.call("order.cancelReplace", allowed);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(409), &json!(-2021))
    );
    let data = &answer["error"]["data"];
    assert_eq!(
        (&data["cancelResult"], &data["newOrderResult"]),
        (&json!("FAILURE"), &json!("SUCCESS"))
    );

    // The new order fails: the old one is gone all the same.
    client.rests("y");
    let crossing = best(&client.venue, Side::Sell);
    let partial = replace("STOP_ON_FAILURE", by_name("y"), &crossing);
    let answer = client.call("order.cancelReplace", partial);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(409), &json!(-2021))
    );
    let data = &answer["error"]["data"];
    assert_eq!(
        data["newOrderResponse"]["msg"],
        "Order would immediately match and take."
    );
    assert_eq!(data["cancelResponse"]["status"], "CANCELED");
    let neither = replace("ALLOW_FAILURE", by_name("y"), &crossing);
    let answer = client.call("order.cancelReplace", neither);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(400), &json!(-2022))
    );
    assert_eq!(answer["error"]["data"]["newOrderResult"], "FAILURE");

    // What a filter refuses does nothing at all.
    client.rests("z");
    let filtered = replace("ALLOW_FAILURE", by_name("z"), "30000.001");
    assert_eq!(client.code("order.cancelReplace", filtered), -1013);
    let z = client.said("order.status", symbol(json!({"origClientOrderId": "z"})));
    assert_eq!(z["status"], "NEW");
}

#[test]
fn a_replacement_over_the_count_of_orders_cancels_only_if_it_may() {
    let mut client = Client::new();
    client.rests("x");
    for _ in 1..100 {
        assert_eq!(client.ask(&order(|_| ()))["status"], 200);
    }
    let answer = client.ask(&order(|_| ()));
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(429), &json!(-1015))
    );
    assert_eq!(
        answer["error"]["msg"],
        "Too many new orders; current limit is 100 orders per 10 SECOND."
    );
    assert_eq!(answer["error"]["data"]["retryAfter"], NOW_MS + 10_000);
    let mut params = symbol(json!({"side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "price": "30000.00", "quantity": "0.01", "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrigClientOrderId": "x"}));
    assert_eq!(client.code("order.cancelReplace", params.clone()), -1015);
    params["orderRateLimitExceededMode"] = "CANCEL_ONLY".into();
    let answer = client.call("order.cancelReplace", params);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(409), &json!(-2021))
    );
    let data = &answer["error"]["data"];
    assert_eq!(data["cancelResponse"]["status"], "CANCELED");
    assert_eq!(data["newOrderResponse"]["code"], -1015);
}

#[test]
fn an_order_is_made_smaller_in_its_place_ten_times_at_most() {
    let mut client = Client::new();
    let id = client.rests("x");
    let amend = |qty: &str, name: &str| {
        symbol(json!({"orderId": id, "newQty": qty, "newClientOrderId": name}))
    };
    let said = client.said("order.amend.keepPriority", amend("0.009", "y"));
    let amended = &said["amendedOrder"];
    assert_eq!(said["transactTime"], NOW_MS);
    assert!(said["executionId"].is_u64());
    assert_eq!(
        *amended,
        json!({"symbol": "BTCUSDT", "orderId": id, "orderListId": -1, "origClientOrderId": "x",
            "clientOrderId": "y", "price": "30000.01000000", "qty": "0.00900000",
            "executedQty": "0.00000000", "preventedQty": "0.00000000",
            "quoteOrderQty": "0.00000000", "cumulativeQuoteQty": "0.00000000", "status": "NEW",
            "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "workingTime": NOW_MS,
            "selfTradePreventionMode": "EXPIRE_MAKER"})
    );
    for (qty, msg) in [
        (
            "0.009",
            "The requested action would change no state; rejecting",
        ),
        ("0.01", "Order amend (quantity increase) is not supported."),
    ] {
        let answer = client.call("order.amend.keepPriority", amend(qty, "y"));
        assert_eq!(
            (&answer["error"]["code"], &answer["error"]["msg"]),
            (&json!(-2038), &json!(msg))
        );
    }
    let small = amend("0.0001", "y");
    assert_eq!(client.code("order.amend.keepPriority", small), -1013);
    for n in 1..10 {
        let qty = format!("0.00{}", 899 - n);
        client.said("order.amend.keepPriority", amend(&qty, "y"));
    }
    assert_eq!(
        client.code("order.amend.keepPriority", amend("0.005", "y")),
        -2038
    );
    let mut other = amend("0.005", "y");
    other["orderId"] = 1.into();
    assert_eq!(client.code("order.amend.keepPriority", other), -2038);
    // Its new name is the one that counts.
    client.rests("x");
    assert_eq!(client.ask(&resting("y"))["error"]["code"], -2010);
}
