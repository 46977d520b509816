//! The user data stream: what is told of an account, and to whom.

use super::*;
use crate::base::{Px, Qty};
use crate::exchange::mirror::orders::{Life, SelfTrade, Size, Sort};
use crate::exchange::mirror::{Matcher, Place};

/// Connections of one exchange, as its driver has them.
struct Town {
    venue: Venue,
    sessions: Vec<Session>,
}

impl Town {
    fn new(connections: usize) -> Self {
        let venue = venue();
        let path = "/ws-api/v3?returnRateLimits=false";
        let open = |_| Session::new(Nanos::ZERO, HERE, &venue, path).unwrap();
        let sessions = (0..connections).map(open).collect();
        Self { venue, sessions }
    }

    /// All that each connection is told because of this request on one of them.
    fn ask(&mut self, n: usize, request: &str) -> Vec<Vec<Value>> {
        let mut told = vec![Vec::new(); self.sessions.len()];
        let (session, venue) = (&mut self.sessions[n], &mut self.venue);
        session
            .handle_text(Nanos::ZERO, request, venue, &mut told[n])
            .unwrap();
        self.pass(told)
    }

    /// All that each connection is told besides.
    fn pass(&mut self, mut told: Vec<Vec<String>>) -> Vec<Vec<Value>> {
        let news: News = self.venue.take_news();
        for (session, told) in self.sessions.iter_mut().zip(&mut told) {
            session.handle_news(&self.venue, &news, told);
        }
        let parse = |text: &String| serde_json::from_str(text).unwrap();
        told.iter()
            .map(|all| all.iter().map(parse).collect())
            .collect()
    }

    fn logged_on(&mut self, n: usize) {
        let told = self.ask(n, &logon(NOW_MS, &key()));
        assert_eq!(told[n][0]["status"], 200);
        let told = self.ask(n, r#"{"id":"u","method":"userDataStream.subscribe"}"#);
        assert_eq!(told[n][0]["result"], json!({"subscriptionId": 0}));
    }
}

/// The events of these messages, without the answers.
fn events(told: &[Value]) -> Vec<&Value> {
    told.iter()
        .filter_map(|message| message.get("event"))
        .collect()
}

fn kinds(told: &[Value]) -> Vec<String> {
    let kind = |event: &&Value| {
        format!(
            "{} {}",
            event["e"].as_str().unwrap(),
            event["x"].as_str().unwrap_or("-")
        )
    };
    events(told).iter().map(kind).collect()
}

#[test]
fn an_order_is_reported_to_every_connection_that_follows_its_account() {
    let mut town = Town::new(3);
    town.logged_on(0);
    let follow = json!({"timestamp": NOW_MS});
    let request = signed_by(&api_key(), "userDataStream.subscribe.signature", &follow);
    let told = town.ask(1, &request);
    assert_eq!(told[1][0]["result"], json!({"subscriptionId": 0}));
    let request = signed_by("another", "userDataStream.subscribe.signature", &follow);
    town.ask(2, &request);

    let told = town.ask(0, &resting("x"));
    let both = ["executionReport NEW", "outboundAccountPosition -"];
    assert_eq!(kinds(&told[0]), both);
    assert_eq!(kinds(&told[1]), both);
    assert_eq!(kinds(&told[2]), [""; 0]);
    let answer = told[0]
        .iter()
        .find(|message| message.get("id").is_some())
        .unwrap();
    let id = answer["result"]["orderId"].as_u64().unwrap();
    let mine = events(&told[0]);
    let number = mine[0]["I"].as_u64().unwrap();
    assert_eq!(
        *mine[0],
        json!({"e": "executionReport", "E": NOW_MS, "s": "BTCUSDT", "c": "x", "S": "BUY",
            "o": "LIMIT", "f": "GTC", "q": "0.01000000", "p": "30000.01000000",
            "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW",
            "r": "NONE", "i": id, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000",
            "n": "0", "N": null, "T": NOW_MS, "t": -1, "I": number, "w": true, "m": false,
            "M": false, "O": NOW_MS, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000",
            "W": NOW_MS, "V": "EXPIRE_MAKER"})
    );
    assert_eq!(
        *mine[1],
        json!({"e": "outboundAccountPosition", "E": NOW_MS, "u": NOW_MS, "B": [
            {"a": "USDT", "f": "99999699.99990000", "l": "300.00010000"}]})
    );
}

#[test]
fn a_cancel_is_reported_under_its_own_id_and_an_amendment_under_the_new_one() {
    let mut town = Town::new(1);
    town.logged_on(0);
    town.ask(0, &resting("x"));
    let amend = json!({"symbol": "BTCUSDT", "origClientOrderId": "x", "newQty": "0.009",
        "newClientOrderId": "y"});
    let told = town.ask(0, &call("order.amend.keepPriority", amend));
    let event = events(&told[0])[0];
    let said = |event: &Value| ["x", "X", "c", "C", "q"].map(|key| event[key].clone());
    assert_eq!(said(event), ["REPLACED", "NEW", "y", "x", "0.00900000"]);
    let cancel = json!({"symbol": "BTCUSDT", "origClientOrderId": "y", "newClientOrderId": "z"});
    let told = town.ask(0, &call("order.cancel", cancel));
    let event = events(&told[0])[0];
    assert_eq!(
        said(event),
        ["CANCELED", "CANCELED", "z", "y", "0.00900000"]
    );
    assert_eq!(event["w"], false);
}

#[test]
fn a_trade_is_reported_with_its_fee_and_what_expires_with_the_reason() {
    let mut town = Town::new(1);
    town.logged_on(0);
    let price = best(&town.venue, Side::Sell);
    let told = town.ask(0, &order(|params| params["price"] = price.clone().into()));
    let trade = events(&told[0])[1];
    assert_eq!(kinds(&told[0])[1], "executionReport TRADE");
    let said = ["X", "l", "z", "n", "N"].map(|key| trade[key].as_str().unwrap());
    assert_eq!(
        said,
        ["FILLED", "0.01000000", "0.01000000", "0.00001000", "BTC"]
    );
    assert_eq!(
        (&trade["m"], trade["L"].as_str()),
        (&json!(false), trade["p"].as_str())
    );
    assert!(trade["t"].as_u64().unwrap() > 0);
    assert_eq!(trade["Y"], trade["Z"]);
    let told = town.ask(0, &order(|_| ()));
    let expired = events(&told[0])[1];
    assert_eq!(expired["eR"], "UNFILLED_IOC_QUANTITY_EXPIRED");
    assert_eq!(
        (&expired["x"], &expired["X"]),
        (&json!("EXPIRED"), &json!("EXPIRED"))
    );
}

#[test]
fn an_order_that_meets_its_own_account_is_reported_as_prevented() {
    let mut town = Town::new(1);
    town.logged_on(0);
    // Somebody takes the best price away, so that nothing else is met there.
    let ask = best(&town.venue, Side::Sell);
    let level = town.venue.levels(0, Side::Sell).next().unwrap();
    let scale = town.venue.listings()[0].instrument.qty_scale;
    let all = format!("{:.5}", level.qty.0 as f64 / 10f64.powi(scale.into()));
    let params = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC",
        "price": ask, "quantity": all, "timestamp": NOW_MS});
    let told = town.ask(0, &signed_by("another", "order.place", &params));
    assert_eq!(told[0][0]["result"]["status"], "FILLED", "{told:?}");
    let at = |request: String| request.replace("30000.01", &ask);
    town.ask(0, &at(resting("x").replace("BUY", "SELL")));
    let told = town.ask(0, &at(resting("y")));
    let prevented = events(&told[0])
        .into_iter()
        .find(|event| event["x"] == "TRADE_PREVENTION")
        .unwrap();
    let said = ["c", "X", "A", "B"].map(|key| prevented[key].as_str().unwrap());
    assert_eq!(said, ["x", "EXPIRED_IN_MATCH", "0.01000000", "0.01000000"]);
    assert!(prevented["v"].is_u64());
    let x = json!({"symbol": "BTCUSDT", "origClientOrderId": "x"});
    let found = &town.ask(0, &call("order.status", x))[0][0]["result"];
    assert_eq!(
        (&found["status"], &found["preventedQuantity"]),
        (&json!("EXPIRED_IN_MATCH"), &json!("0.01000000"))
    );
}

#[test]
fn a_report_may_come_before_the_answer_or_after_it() {
    let mut town = Town::new(1);
    town.logged_on(0);
    let first = |told: &[Value]| told[0].get("event").is_some();
    let firsts: Vec<bool> = (0..20)
        .map(|_| first(&town.ask(0, &order(|_| ()))[0]))
        .collect();
    assert!(
        firsts.contains(&true) && firsts.contains(&false),
        "{firsts:?}"
    );
    let mut again = Town::new(1);
    again.logged_on(0);
    for before in firsts {
        assert_eq!(
            first(&again.ask(0, &order(|_| ()))[0]),
            before,
            "the same seed"
        );
    }
}

#[test]
fn an_account_is_followed_once_and_the_end_of_that_is_told() {
    let mut town = Town::new(1);
    town.logged_on(0);
    let code = |told: &[Vec<Value>]| told[0][0]["error"]["code"].clone();
    let subscribe = r#"{"id":1,"method":"userDataStream.subscribe"}"#;
    assert_eq!(code(&town.ask(0, subscribe)), -2035);
    let follow = json!({"timestamp": NOW_MS});
    let request = signed_by("another", "userDataStream.subscribe.signature", &follow);
    assert_eq!(town.ask(0, &request)[0][0]["result"]["subscriptionId"], 1);
    let list = r#"{"id":1,"method":"session.subscriptions"}"#;
    let all = json!([{"subscriptionId": 0}, {"subscriptionId": 1}]);
    assert_eq!(town.ask(0, list)[0][0]["result"], all);
    // The logon's own ends with it.
    let told = &town.ask(0, r#"{"id":1,"method":"session.logout"}"#)[0];
    assert_eq!(
        (
            &told[0]["result"]["apiKey"],
            &told[0]["result"]["userDataStream"]
        ),
        (&Value::Null, &json!(true))
    );
    assert_eq!(
        told[1],
        json!({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": NOW_MS}})
    );
    assert_eq!(code(&town.ask(0, subscribe)), -2015);
    let end = r#"{"id":1,"method":"userDataStream.unsubscribe"}"#;
    let told = &town.ask(0, end)[0];
    assert_eq!(
        (&told[0]["result"], &told[1]["subscriptionId"]),
        (&json!({}), &json!(1))
    );
    assert_eq!(code(&town.ask(0, end)), -2036);
}

#[test]
fn reports_wait_for_nobody_and_are_told_once() {
    let mut town = Town::new(2);
    town.logged_on(0);
    town.logged_on(1);
    let best = town.venue.levels(0, Side::Sell).next().unwrap();
    let order = Place {
        listing: 0,
        side: Side::Buy,
        sort: Sort::Limit,
        px: Px(best.px.0),
        size: Size::Qty(Qty(1_000_000)),
        life: Life::ImmediateOrCancel,
        client_id: "w".to_owned(),
        meets: SelfTrade::Allowed,
    };
    // By another way than these connections.
    town.venue.place(&api_key(), &order).unwrap();
    let told = town.pass(vec![Vec::new(); 2]);
    let once = [
        "executionReport NEW",
        "executionReport TRADE",
        "outboundAccountPosition -",
    ];
    assert_eq!(
        (kinds(&told[0]), kinds(&told[1])),
        (
            once.map(String::from).to_vec(),
            once.map(String::from).to_vec()
        )
    );
    assert!(town.venue.take_news().reports.is_empty());
    let told = town.ask(0, &resting("x"));
    assert_eq!((events(&told[0]).len(), events(&told[1]).len()), (2, 2));
}
