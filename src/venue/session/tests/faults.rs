//! What goes wrong with requests and reports when it is planned.

use super::*;
use crate::venue::faults::{Asks, Fault, Planned, Refuses};

/// A client that is logged on and follows its account.
fn follower() -> Client {
    let mut client = Client::new();
    client.ask(r#"{"id":"u","method":"userDataStream.subscribe"}"#);
    client
}

impl Client {
    fn plan(&mut self, asks: Asks, fault: Fault) {
        self.venue.faults.get_mut().plan(Planned::next(asks, fault));
    }

    /// All that comes because of a request, in a word each; and how the connection ends.
    fn told(&mut self, request: &str) -> (Vec<String>, Result<(), Broken>) {
        let mut out = Vec::new();
        let (session, venue) = (&mut self.session, &mut self.venue);
        let done = session.handle_text(Nanos::ZERO, request, venue, &mut out);
        (out.iter().map(|text| word(text)).collect(), done)
    }

    /// What comes by itself at this time.
    fn later(&mut self, now: Nanos) -> Vec<String> {
        let mut out = Vec::new();
        self.session
            .handle_timeout(now, &self.venue, &mut out)
            .unwrap();
        out.iter().map(|text| word(text)).collect()
    }

    fn status(&mut self, client_id: &str) -> Value {
        let params = symbol(json!({"origClientOrderId": client_id}));
        let answer = self.call("order.status", params);
        match answer["result"]["status"].clone() {
            Value::Null => answer["error"]["code"].clone(),
            status => status,
        }
    }
}

fn word(text: &str) -> String {
    let message: Value = serde_json::from_str(text).unwrap();
    match (&message["event"]["x"], &message["event"]["e"]) {
        (Value::String(change), _) => change.clone(),
        (_, Value::String(kind)) => kind.clone(),
        _ => message["status"].to_string(),
    }
}

const REPORTS: [&str; 2] = ["NEW", "outboundAccountPosition"];

#[test]
fn a_request_may_be_swallowed_and_only_a_query_tells() {
    let mut client = follower();
    client.plan(Asks::Place, Fault::Swallowed);
    assert_eq!(client.told(&resting("x")), (vec![], Ok(())));
    assert_eq!(client.status("x"), -2013);
    assert_eq!(client.told(&resting("x")).0.len(), 3, "once");
}

#[test]
fn an_answer_may_be_lost_or_late_or_come_twice_while_the_order_rests() {
    let mut client = follower();
    client.plan(Asks::Place, Fault::AnswerLost);
    assert_eq!(client.told(&resting("x")).0, REPORTS);
    assert_eq!(client.status("x"), "NEW");
    let by = Span::from_secs(12);
    client.plan(Asks::Place, Fault::AnswerLate(by));
    assert_eq!(client.told(&resting("y")).0, REPORTS);
    assert_eq!(client.status("y"), "NEW");
    let due = Nanos::ZERO + by;
    assert_eq!(client.session.poll_timeout(true, &client.venue), due);
    assert_eq!(client.later(Nanos(due.0 - 1)), [""; 0]);
    assert_eq!(client.later(due), ["200"]);
    assert_eq!(client.later(due), [""; 0]);
    client.plan(Asks::Cancel, Fault::AnswerTwice);
    let cancel = call("order.cancel", symbol(json!({"origClientOrderId": "x"})));
    let told = client.told(&cancel).0;
    assert_eq!(
        told.iter().filter(|word| *word == "200").count(),
        2,
        "{told:?}"
    );
}

#[test]
fn reports_may_come_first_or_not_or_late_or_twice_or_again() {
    let mut client = follower();
    client.plan(Asks::Place, Fault::ReportsFirst);
    let told = client.told(&resting("a")).0;
    assert_eq!(told, ["NEW", "outboundAccountPosition", "200"]);
    client.plan(Asks::Place, Fault::ReportsLost);
    assert_eq!(client.told(&resting("b")).0, ["200"]);
    assert_eq!(client.status("b"), "NEW");
    client.plan(Asks::Place, Fault::ReportsLate(Span::from_secs(1)));
    assert_eq!(client.told(&resting("c")).0, ["200"]);
    assert_eq!(client.later(Nanos::from_secs(1)), REPORTS);
    client.plan(Asks::Place, Fault::ReportsTwice);
    let told = client.told(&resting("d")).0;
    assert_eq!(
        told.iter().filter(|word| *word == "NEW").count(),
        2,
        "{told:?}"
    );
    client.plan(Asks::Query, Fault::Replayed(3));
    let query = call("openOrders.status", json!({}));
    let told = client.told(&query).0;
    assert_eq!(
        told,
        [
            "200",
            "outboundAccountPosition",
            "NEW",
            "outboundAccountPosition"
        ]
    );
}

#[test]
fn a_cancel_may_lose_against_a_fill() {
    let mut client = follower();
    client.rests("x");
    let cancel = |id: &str| call("order.cancel", symbol(json!({"origClientOrderId": id})));
    client.plan(Asks::Cancel, Fault::FilledFirst);
    let answer = client.ask(&cancel("x"));
    assert_eq!(answer["error"]["code"], -2011);
    assert_eq!(client.status("x"), "FILLED");
    client.rests("y");
    client.plan(Asks::Cancel, Fault::HalfFilledFirst);
    let answer = client.ask(&cancel("y"));
    let said = &answer["result"];
    let said = ["status", "executedQty"].map(|key| said[key].clone());
    assert_eq!(said, ["CANCELED", "0.00500000"], "{answer}");
    let trades = client.said("myTrades", symbol(json!({})));
    let maker = |trade: &Value| trade["isMaker"] == true && trade["price"] == "30000.01000000";
    assert!(trades.as_array().unwrap().iter().all(maker), "{trades}");
}

#[test]
fn a_good_request_may_be_refused_for_every_reason_and_nothing_is_done() {
    for (why, status, code) in [
        (Refuses::Clock, 400, -1021),
        (Refuses::Weight, 429, -1003),
        (Refuses::Orders, 429, -1015),
        (Refuses::Rejected, 400, -2010),
        (Refuses::Unknown, 504, -1007),
        (Refuses::Strange, 400, -9999),
    ] {
        let mut client = follower();
        client.plan(Asks::Place, Fault::Refused(why));
        let answer = client.ask(&resting("x"));
        assert_eq!(answer["id"], 5);
        assert_eq!(
            (&answer["status"], &answer["error"]["code"]),
            (&json!(status), &json!(code))
        );
        let retry = answer["error"]["data"]["retryAfter"].as_i64();
        assert_eq!(retry.is_some(), status == 429);
        assert!(retry.is_none_or(|retry| retry > NOW_MS && retry <= NOW_MS + 60_000));
        assert_eq!(client.status("x"), -2013);
        // The market may have done what it asks, too.
        client.plan(Asks::Place, Fault::Answered(why));
        assert_eq!(client.ask(&resting("x"))["error"]["code"], code);
        assert_eq!(client.status("x"), "NEW");
    }
}

#[test]
fn a_connection_may_be_cut_or_half_open_after_the_market_did_what_was_asked_or_before() {
    let mut client = follower();
    client.plan(Asks::Place, Fault::Cut(17));
    let (told, end) = client.told(&resting("x"));
    assert_eq!((told.len(), end), (3, Err(Broken::Cut(17))));
    assert_eq!(client.status("x"), "NEW");
    client.plan(Asks::Place, Fault::HalfOpen);
    assert_eq!(client.told(&resting("y")), (vec![], Err(Broken::HalfOpen)));
    assert_eq!(client.status("y"), -2013);
}

#[test]
fn what_others_cause_may_be_lost_or_end_the_stream() {
    let place = |client: &mut Client, id: &str| {
        let order = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
            "timeInForce": "GTC", "price": "30000.01", "quantity": "0.01",
            "newClientOrderId": id, "timestamp": NOW_MS});
        let request = signed_by(&api_key(), "order.place", &order);
        let venue = &client.venue;
        let mut other = Session::new(Nanos::ZERO, HERE, venue, "/ws-api/v3").unwrap();
        other
            .handle_text(Nanos::ZERO, &request, &mut client.venue, &mut Vec::new())
            .unwrap();
        let (mut out, news) = (Vec::new(), client.venue.take_news());
        client.session.handle_news(&client.venue, &news, &mut out);
        out.iter().map(|text| word(text)).collect::<Vec<_>>()
    };
    let mut client = follower();
    assert_eq!(place(&mut client, "a"), REPORTS);
    client.plan(Asks::Report, Fault::ReportsLost);
    assert_eq!(place(&mut client, "b"), [""; 0]);
    client.plan(Asks::Report, Fault::ReportsTwice);
    assert_eq!(place(&mut client, "c").len(), 4);
    client.plan(Asks::Report, Fault::Cut(0));
    assert_eq!(place(&mut client, "d"), [""; 0]);
    assert_eq!(
        client.session.poll_timeout(true, &client.venue),
        Nanos::ZERO
    );
    let end = client
        .session
        .handle_timeout(Nanos::ZERO, &client.venue, &mut Vec::new());
    assert_eq!(end, Err(Broken::Cut(0)));
}
