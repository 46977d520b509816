//! Clients of one exchange that trade: what each is told, by its own protocol.

mod faults;
mod orders;
mod played;
mod queries;
mod rest;
mod stream;

use super::*;
use crate::base::{Side, Span, UnixNanos};
use crate::exchange::by_name;
use crate::exchange::kit::hmac::{hmac_hex, sha256_hex};
use crate::exchange::mirror::Market;
use crate::venue::market::{coins, listed};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

const NOW: UnixNanos = UnixNanos(1_750_000_000_000_000_000);
const NOW_MS: i64 = NOW.as_millis();
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The exchange with one instrument, in whose market nothing happens by itself.
fn venue() -> Venue {
    let exchange = by_name("binance").unwrap();
    let market = listed(exchange.mirror(), &coins(1), Some(Span::from_secs(1 << 30)));
    Venue::flow(exchange, market, 1, NOW)
}

/// What is asked, and what is bid, best first: as an order may have it.
fn best(venue: &Venue, side: Side) -> String {
    let level = venue.levels(0, side).next().unwrap();
    format!(
        "{}.{:02}",
        level.px.0 / 100_000_000,
        level.px.0 / 1_000_000 % 100
    )
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn api_key() -> String {
    key()
        .verifying_key()
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn logon(timestamp: i64, signer: &SigningKey) -> String {
    let payload = format!("apiKey={}&recvWindow=5000&timestamp={timestamp}", api_key());
    let signature = STANDARD.encode(signer.sign(payload.as_bytes()).to_bytes());
    json!({"id": "l", "method": "session.logon", "params": {"apiKey": api_key(),
        "recvWindow": 5000, "timestamp": timestamp, "signature": signature}})
    .to_string()
}

/// What a request signs: its parameters, sorted by name.
fn payload(params: &Value) -> String {
    let pairs = params.as_object().unwrap().iter();
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    pairs.map(one).collect::<Vec<_>>().join("&")
}

/// What `key` makes of a text.
fn hmac(key: &str, text: &str) -> String {
    hmac_hex(sha256_hex(key).as_bytes(), text.as_bytes())
}

/// A request that this key signs by HMAC.
fn signed_by(key: &str, method: &str, params: &Value) -> String {
    let mut params = params.clone();
    params["apiKey"] = key.into();
    params["signature"] = hmac(key, &payload(&params)).into();
    json!({"id": 1, "method": method, "params": params}).to_string()
}

/// A request of whoever is logged on.
fn call(method: &str, params: Value) -> String {
    let mut params = params;
    params["timestamp"] = NOW_MS.into();
    json!({"id": 5, "method": method, "params": params}).to_string()
}

fn order(change: impl FnOnce(&mut Value)) -> String {
    let mut params = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
        "timeInForce": "IOC", "price": "30000.01", "quantity": "0.01",
        "newClientOrderId": "tw1", "newOrderRespType": "ACK"});
    change(&mut params);
    let timestamp = params["timestamp"].take();
    let mut request = call("order.place", params);
    if !timestamp.is_null() {
        request = request.replace(&NOW_MS.to_string(), &timestamp.to_string());
    }
    request
}

/// An order that rests, under this client id.
fn resting(client_id: &str) -> String {
    order(|params| {
        params["timeInForce"] = json!("GTC");
        params["newClientOrderId"] = json!(client_id);
    })
}

fn symbol(more: Value) -> Value {
    let mut params = json!({"symbol": "BTCUSDT"});
    let more = more.as_object().unwrap().clone();
    params.as_object_mut().unwrap().extend(more);
    params
}

/// A client, and the exchange.
struct Client {
    session: Session,
    venue: Venue,
}

impl Client {
    /// Who it is, is not said yet.
    fn connected() -> Self {
        Self::at("/ws-api/v3?returnRateLimits=false")
    }

    fn at(path: &str) -> Self {
        let venue = venue();
        let session = Session::new(Nanos::ZERO, HERE, &venue, path).unwrap();
        Self { session, venue }
    }

    /// It is logged on.
    fn new() -> Self {
        let mut client = Self::connected();
        assert_eq!(client.ask(&logon(NOW_MS, &key()))["status"], 200);
        client
    }

    /// The answer, without the events that came with it.
    fn ask(&mut self, request: &str) -> Value {
        let mut out = Vec::new();
        let (session, venue) = (&mut self.session, &mut self.venue);
        session
            .handle_text(Nanos::ZERO, request, venue, &mut out)
            .unwrap();
        let all = out
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap());
        let mut answers = all.filter(|message| message.get("event").is_none());
        answers.next().unwrap()
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.ask(&call(method, params))
    }

    /// What a request that is taken is answered with.
    fn said(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        assert_eq!(answer["status"], 200, "{answer}");
        answer["result"].clone()
    }

    /// How a request is refused.
    fn code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.call(method, params);
        let code = answer["error"]["code"].as_i64();
        code.unwrap_or_else(|| panic!("{answer}"))
    }

    /// Places an order that rests; gives its number.
    fn rests(&mut self, client_id: &str) -> u64 {
        let answer = self.ask(&resting(client_id));
        let id = answer["result"]["orderId"].as_u64();
        id.unwrap_or_else(|| panic!("{answer}"))
    }

    /// Buys at what is asked.
    fn buys(&mut self, quantity: &str) -> Value {
        let price = best(&self.venue, Side::Sell);
        let bought = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
            "timeInForce": "IOC", "price": price, "quantity": quantity});
        self.said("order.place", bought)
    }
}

#[test]
fn a_signature_by_the_keys_own_owner_logs_on() {
    let answer = Client::connected().ask(&logon(NOW_MS, &key()));
    assert_eq!(answer["result"]["apiKey"], api_key());
    assert!(answer.get("rateLimits").is_none());
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let mut client = Client::connected();
    assert_eq!(client.ask(&logon(NOW_MS, &other))["error"]["code"], -1022);
    assert_eq!(client.ask(&order(|_| ()))["status"], 401);
}

#[test]
fn a_shared_secret_signs_each_request_and_cannot_log_on() {
    let mut client = Client::connected();
    let params = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "price": "30000.01", "quantity": "0.01", "timestamp": NOW_MS});
    let answer = client.ask(&signed_by("alice", "order.place", &params));
    assert_eq!(answer["result"]["status"], "NEW", "{answer}");
    let answer = client.ask(&order(|_| ()));
    assert_eq!(answer["error"]["code"], -2015);
    let logon = signed_by("alice", "session.logon", &json!({"timestamp": NOW_MS}));
    assert_eq!(client.ask(&logon)["error"]["code"], -1022);
    // A key pair may sign by HMAC as well: its account is one.
    let placed = signed_by(&api_key(), "order.place", &params);
    assert_eq!(client.ask(&placed)["status"], 200);
    assert_eq!(client.ask(&self::logon(NOW_MS, &key()))["status"], 200);
    let open = client.said("openOrders.status", json!({}));
    assert_eq!(open.as_array().unwrap().len(), 1);
}

#[test]
fn a_key_that_may_only_read_places_nothing() {
    let mut client = Client::connected();
    let params = json!({"symbol": "BTCUSDT", "timestamp": NOW_MS});
    let read = signed_by("bob-readonly", "openOrders.status", &params);
    assert_eq!(client.ask(&read)["status"], 200);
    let cancel = signed_by("bob-readonly", "openOrders.cancelAll", &params);
    let answer = client.ask(&cancel);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(401), &json!(-2015))
    );
}

#[test]
fn an_order_without_logon_is_unauthorised() {
    let answer = Client::connected().ask(&order(|_| ()));
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(401), &json!(-2015))
    );
}

#[test]
fn each_broken_rule_has_its_code() {
    let cases = [
        ("symbol", json!("NOPE"), -1121),
        ("side", json!("HOLD"), -1117),
        ("type", json!("MARKET"), -1106), // It has no time in force.
        ("type", json!("LIMIT_MAKER"), -1106),
        ("type", json!("STOP_LOSS_LIMIT"), -2010),
        ("type", json!("ICEBERG"), -1116),
        ("timeInForce", json!("GTX"), -1115),
        ("timeInForce", Value::Null, -1102),
        ("price", json!("30000.015"), -1013),
        ("price", json!("0"), -1013),
        ("price", json!("3e4"), -1100),
        ("price", json!("-1"), -1100),
        ("price", json!(1e-7), -1100),
        ("price", json!("1.000000001"), -1111),
        ("quantity", json!("0.000011"), -1013),
        ("quantity", json!("0"), -1013),
        ("quantity", json!("0.0001"), -1013), // 3 USDT are under the minimum of 5
        ("quantity", json!("300.00001"), -1013), // and 9,000,003 are over the maximum
        ("quantity", json!(""), -1102),
        ("quoteOrderQty", json!("10"), -1106),
        ("stopPrice", json!("10"), -1106),
        ("icebergQty", json!("0.001"), -2010),
        ("pegPriceType", json!("PRIMARY_PEG"), -2010),
        ("strategyType", json!(1), -1134),
        ("selfTradePreventionMode", json!("DECREMENT"), -1013),
        ("selfTradePreventionMode", json!("SOMEHOW"), -1130),
        ("newClientOrderId", json!("no blanks"), -1100),
        ("newOrderRespType", json!("ALL"), -1100),
        ("recvWindow", json!(60_001), -1131),
        ("timestamp", json!(NOW_MS - 5001), -1021),
        ("timestamp", json!(NOW_MS + 1000), -1021),
    ];
    let mut client = Client::new();
    for (name, value, code) in cases {
        let answer = client.ask(&order(|params| params[name] = value.clone()));
        assert_eq!(answer["error"]["code"], code, "{name}={value}: {answer}");
    }
    // Others' clients send more than it reads, and the exchange's own send numbers as numbers.
    let more = client.ask(&order(|params| params["nonsense"] = json!("1")));
    assert_eq!(more["status"], 200, "{more}");
    let answer = client.ask(&order(|params| params["price"] = json!(30000)));
    assert_eq!(answer["status"], 200, "{answer}");
}

#[test]
fn timestamps_hold_to_the_very_edge_of_the_window_in_both_units() {
    let mut client = Client::new();
    for edge in [NOW_MS - 5000, NOW_MS + 999, NOW_MS * 1000] {
        let answer = client.ask(&order(|params| params["timestamp"] = json!(edge)));
        assert_eq!(answer["status"], 200, "{edge}");
    }
    for (window, code) in [("1000.5", Value::Null), ("1000.4", json!(-1021))] {
        let sent = NOW_MS * 1000 - 1_000_500;
        let answer = client.ask(&order(|params| {
            params["timestamp"] = json!(sent);
            params["recvWindow"] = json!(window);
        }));
        assert_eq!(answer["error"]["code"], code, "{window}");
    }
}

#[test]
fn what_is_not_simulated_says_so() {
    let mut client = Client::at("/ws-api/v3");
    let answer = client.ask(r#"{"id":1,"method":"orderList.place.oco"}"#);
    assert_eq!(answer["error"]["code"], -1);
    assert!(answer["rateLimits"].is_array());
    assert_eq!(client.ask("{")["status"], 400);
    assert_eq!(
        client.ask(r#"{"id":2,"method":"ping"}"#)["result"],
        json!({})
    );
}

#[test]
fn market_data_are_the_same_as_by_rest() {
    let mut client = Client::connected();
    let depth = r#"{"id":"a-1","method":"depth","params":{"symbol":"BTCUSDT","limit":5}}"#;
    let answer = client.ask(depth);
    assert_eq!(
        (&answer["id"], &answer["status"]),
        (&json!("a-1"), &json!(200))
    );
    assert!(answer["result"]["lastUpdateId"].is_u64(), "{answer}");
    let several = r#"{"id":2,"method":"ticker.price","params":{"symbols":["BTCUSDT"]}}"#;
    assert_eq!(client.ask(several)["result"][0]["symbol"], "BTCUSDT");
    let unknown = r#"{"id":3,"method":"v3/ticker.book","params":{"symbol":"NOBODY"}}"#;
    let answer = client.ask(unknown);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(400), &json!(-1121))
    );
}
