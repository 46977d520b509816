//! Signed requests by REST.

use super::*;
use crate::exchange::mirror::{Call, Method as Http, Reply};

/// A signed request, parameters in the query or in the body.
fn send(
    venue: &mut Venue,
    (method, path): (Http, &str),
    key: &str,
    params: &str,
    in_body: bool,
) -> Reply {
    let params = format!("{params}&timestamp={NOW_MS}");
    let params = params.trim_start_matches('&');
    let signature = hmac(key, params);
    let signed = format!("{params}&signature={signature}");
    let (target, body) = match in_body {
        true => (path.to_owned(), signed),
        false => (format!("{path}?{signed}"), String::new()),
    };
    let call = Call {
        method,
        target: &target,
        body: &body,
        headers: &[("host", "x"), ("x-mbx-apikey", key)],
    };
    venue.rest(Nanos::ZERO, HERE, call)
}

fn said(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

const ORDER: &str = "/api/v3/order";
const LIMIT: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01\
                     &price=30000.5&newClientOrderId=";

#[test]
fn an_order_lives_by_rest_as_it_does_by_websocket() {
    let mut venue = venue();
    let mut ask = |method, path, params: &str, in_body| {
        let reply = send(&mut venue, (method, path), "alice", params, in_body);
        assert_eq!(reply.status, 200, "{path} {params}: {}", reply.body);
        said(&reply)
    };
    let placed = ask(Http::Post, ORDER, &format!("{LIMIT}x"), true);
    assert_eq!(
        (&placed["status"], &placed["fills"]),
        (&json!("NEW"), &json!([]))
    );
    let id = placed["orderId"].as_u64().unwrap();
    assert_eq!(
        ask(
            Http::Post,
            "/api/v3/order/test",
            &format!("{LIMIT}t"),
            false
        ),
        json!({})
    );
    let by_id = format!("symbol=BTCUSDT&orderId={id}");
    assert_eq!(ask(Http::Get, ORDER, &by_id, false)["clientOrderId"], "x");
    let amended = ask(
        Http::Put,
        "/api/v3/order/amend/keepPriority",
        &format!("{by_id}&newQty=0.005&newClientOrderId=y"),
        true,
    );
    assert_eq!(amended["amendedOrder"]["qty"], "0.00500000");
    let replaced = ask(
        Http::Post,
        "/api/v3/order/cancelReplace",
        &format!("{LIMIT}z&cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId={id}"),
        false,
    );
    assert_eq!(replaced["newOrderResponse"]["clientOrderId"], "z");
    let open = ask(Http::Get, "/api/v3/openOrders", "symbol=BTCUSDT", false);
    assert_eq!(open.as_array().unwrap().len(), 1);
    let gone = ask(
        Http::Delete,
        ORDER,
        "symbol=BTCUSDT&origClientOrderId=z",
        false,
    );
    assert_eq!(
        (&gone["status"], &gone["origClientOrderId"]),
        (&json!("CANCELED"), &json!("z"))
    );
    ask(Http::Post, ORDER, &format!("{LIMIT}w"), false);
    let all = ask(Http::Delete, "/api/v3/openOrders", "symbol=BTCUSDT", true);
    assert_eq!(all[0]["origClientOrderId"], "w");
    let all = ask(Http::Get, "/api/v3/allOrders", "symbol=BTCUSDT", false);
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(
        ask(Http::Get, "/api/v3/myTrades", "symbol=BTCUSDT", false),
        json!([])
    );
    let account = ask(Http::Get, "/api/v3/account", "omitZeroBalances=true", false);
    assert_eq!(account["balances"].as_array().unwrap().len(), 2);
    assert_eq!(
        ask(Http::Get, "/api/v3/rateLimit/order", "", false)[0]["count"],
        3
    );
    let fees = ask(
        Http::Get,
        "/api/v3/account/commission",
        "symbol=BTCUSDT",
        false,
    );
    assert_eq!(fees["standardCommission"]["taker"], "0.00100000");
    let fees = ask(Http::Get, "/sapi/v1/asset/tradeFee", "", false);
    assert_eq!(fees[0]["makerCommission"], "0.001");
    let assets = ask(Http::Get, "/sapi/v1/capital/config/getall", "", false);
    assert_eq!(
        (&assets[0]["coin"], &assets[0]["free"]),
        (&json!("BTC"), &json!("1000.00000000"))
    );
    for path in [
        "/sapi/v1/margin/allPairs",
        "/sapi/v1/margin/isolated/allPairs",
    ] {
        assert_eq!(ask(Http::Get, path, "", false), json!([]));
    }
}

#[test]
fn a_key_is_asked_what_it_may_do() {
    let mut venue = venue();
    let path = (Http::Get, "/sapi/v1/account/apiRestrictions");
    for (key, trades, withdraws) in [
        ("alice", true, false),
        ("alice-withdraw", true, true),
        ("alice-readonly", false, false),
    ] {
        let rights = said(&send(&mut venue, path, key, "", false));
        assert_eq!(rights["enableSpotAndMarginTrading"], trades);
        assert_eq!(rights["enableWithdrawals"], withdraws);
        assert_eq!(rights["enableReading"], true);
        let account = said(&send(
            &mut venue,
            (Http::Get, "/api/v3/account"),
            key,
            "",
            false,
        ));
        assert_eq!(
            (&account["canTrade"], &account["canWithdraw"]),
            (&json!(trades), &json!(withdraws))
        );
    }
}

#[test]
fn headers_tell_what_was_spent() {
    let mut venue = venue();
    let header = |reply: &Reply, name: &str| {
        let found = reply.headers.iter().find(|(header, _)| *header == name);
        found.map(|(_, value)| value.clone())
    };
    let path = (Http::Get, "/api/v3/account");
    let reply = send(&mut venue, path, "alice", "", false);
    assert_eq!(header(&reply, "X-MBX-USED-WEIGHT-1M").unwrap(), "20");
    assert_eq!(header(&reply, "X-MBX-ORDER-COUNT-10S"), None);
    let reply = send(
        &mut venue,
        (Http::Post, ORDER),
        "alice",
        &format!("{LIMIT}x"),
        true,
    );
    assert_eq!(header(&reply, "X-MBX-ORDER-COUNT-10S").unwrap(), "1");
    assert_eq!(header(&reply, "X-MBX-ORDER-COUNT-1D").unwrap(), "1");
    assert_eq!(
        header(&reply, "X-MBX-USED-WEIGHT").unwrap(),
        "20",
        "it cost nothing"
    );
    let reply = venue.rest(Nanos::ZERO, HERE, Call::get("/api/v3/time"));
    assert_eq!(header(&reply, "X-MBX-USED-WEIGHT-1M").unwrap(), "21");
    let reply = loop {
        let reply = send(&mut venue, path, "alice", "", false);
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!((reply.status, reply.retry_after_s), (429, Some(60)));
    assert_eq!(said(&reply)["code"], -1003);
}

#[test]
fn a_request_that_is_not_signed_right_is_refused() {
    let mut venue = venue();
    let (method, path) = (Http::Get, "/api/v3/account");
    let mut code = |headers: &[(&str, &str)], query: &str| {
        let target = format!("{path}?{query}");
        let call = Call {
            method,
            target: &target,
            body: "",
            headers,
        };
        let reply = venue.rest(Nanos::ZERO, HERE, call);
        (reply.status, said(&reply)["code"].as_i64().unwrap())
    };
    let key = [("X-MBX-APIKEY", "alice")];
    let time = format!("timestamp={NOW_MS}");
    let good = hmac("alice", &time);
    assert_eq!(code(&[], &time), (401, -2014));
    assert_eq!(code(&key, ""), (400, -1102));
    assert_eq!(code(&key, &time), (400, -1102));
    assert_eq!(
        code(&key, &format!("{time}&signature={good}0")),
        (400, -1022)
    );
    assert_eq!(
        code(&key, &format!("{time}&recvWindow=1&signature={good}")),
        (400, -1022)
    );
    let late = NOW_MS - 5_001;
    assert_eq!(
        code(&key, &format!("timestamp={late}&signature={good}")),
        (400, -1021)
    );
    let more = format!("{time}&nonsense=1");
    let signature = hmac("alice", &more);
    assert_eq!(
        code(&key, &format!("{more}&signature={signature}")),
        (400, -1104)
    );
    let other = [("X-MBX-APIKEY", "bob")];
    assert_eq!(
        code(&other, &format!("{time}&signature={good}")),
        (400, -1022)
    );
}

#[test]
fn an_ed25519_signature_is_encoded_in_the_query() {
    let mut venue = venue();
    let query = format!("timestamp={NOW_MS}&omitZeroBalances=true");
    let signature = STANDARD.encode(key().sign(query.as_bytes()).to_bytes());
    let signature = crate::exchange::kit::text::percent_encode(&signature);
    let target = format!("/api/v3/account?{query}&signature={signature}");
    let key = api_key();
    let call = Call {
        headers: &[("X-MBX-APIKEY", &key)],
        ..Call::get(&target)
    };
    assert_eq!(venue.rest(Nanos::ZERO, HERE, call).status, 200);
}

#[test]
fn what_an_account_path_does_not_serve_is_refused() {
    let mut venue = venue();
    let put = send(&mut venue, (Http::Put, ORDER), "alice", "", false);
    assert_eq!(
        (put.status, said(&put)["code"].as_i64()),
        (405, Some(-1020))
    );
    let missing = send(
        &mut venue,
        (Http::Get, "/api/v3/orderList"),
        "alice",
        "",
        false,
    );
    assert_eq!(missing.status, 404);
}
