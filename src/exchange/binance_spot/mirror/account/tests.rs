use super::*;
use crate::base::{Level, Symbol};
use crate::exchange::mirror::{Market, Pace};
use ed25519_dalek::Signer;
use ed25519_dalek::pkcs8::DecodePrivateKey;

const NOW: UnixNanos = UnixNanos(1_750_000_000_000_000_000);
const NOW_MS: i64 = NOW.as_millis();

fn listings() -> Vec<Listing> {
    let instrument = Instrument {
        tick: Px(1_000_000),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(900_000_000_000),
        notional_min: 5 * 10u128.pow(16),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (8, 8))
    };
    vec![Listing {
        instrument,
        volume: 0,
    }]
}

/// A market where nothing rests but what it was told to: account and client id.
struct Still {
    listings: Vec<Listing>,
    resting: Vec<(String, String)>,
}

impl Still {
    fn new() -> Self {
        Self {
            listings: listings(),
            resting: Vec::new(),
        }
    }
}

impl Market for Still {
    fn now(&self) -> UnixNanos {
        NOW
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (0, 0)
    }

    fn levels(&self, _listing: usize, _side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        Box::new(std::iter::empty())
    }
}

impl Matcher for Still {
    fn resting(&self, account: &str, _listing: usize) -> Vec<&str> {
        let mine = self.resting.iter().filter(|(owner, _)| owner == account);
        mine.map(|(_, client_id)| client_id.as_str()).collect()
    }

    /// Number 42: a quarter of it at its own price, and as much a tick below.
    fn place(&mut self, account: &str, order: &Place) -> Placed {
        if order.life == Life::GoodTillCancel {
            self.resting
                .push((account.to_owned(), order.client_id.clone()));
        }
        let quarter = Qty(order.qty.0 / 4);
        let below = Px(order.px.0 - 1_000_000);
        Placed {
            order_id: 42,
            fills: vec![(order.px, quarter, 7), (below, quarter, 8)],
        }
    }
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

fn ask(session: &mut ApiSession, request: &str) -> Value {
    ask_at(session, request, &mut Still::new())
}

fn ask_at(session: &mut ApiSession, request: &str, market: &mut Still) -> Value {
    let mut out = Vec::new();
    session.handle_text(request, market, &mut out);
    assert_eq!(out.len(), 1);
    serde_json::from_str(&out[0]).unwrap()
}

fn session() -> ApiSession {
    let mirror = SpotMirror::whole("binance");
    ApiSession::new(mirror, TimeUnit::Millis, false, UnixNanos(0))
}

fn logged_on() -> ApiSession {
    let mut session = session();
    assert_eq!(ask(&mut session, &logon(NOW_MS, &key()))["status"], 200);
    session
}

fn order(change: impl FnOnce(&mut Value)) -> String {
    let mut params = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
        "timeInForce": "IOC", "price": "30000.01", "quantity": "0.01", "timestamp": NOW_MS,
        "newClientOrderId": "tw1", "newOrderRespType": "ACK"});
    change(&mut params);
    json!({"id": 5, "method": "order.place", "params": params}).to_string()
}

#[test]
fn a_signature_by_the_keys_own_owner_logs_on() {
    let answer = ask(&mut session(), &logon(NOW_MS, &key()));
    assert_eq!(answer["result"]["apiKey"], api_key());
    assert!(answer.get("rateLimits").is_none());
}

#[test]
fn a_signature_by_another_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]);
    let mut session = session();
    assert_eq!(
        ask(&mut session, &logon(NOW_MS, &other))["error"]["code"],
        -1022
    );
    assert_eq!(ask(&mut session, &order(|_| ()))["status"], 401);
}

#[test]
fn an_order_without_logon_is_unauthorised() {
    let answer = ask(&mut session(), &order(|_| ()));
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(401), &json!(-2015))
    );
}

#[test]
fn a_good_order_is_acked_with_id_and_client_id() {
    let answer = ask(&mut logged_on(), &order(|_| ()));
    assert_eq!(answer["status"], 200);
    assert_eq!(
        answer["result"],
        json!({"symbol": "BTCUSDT", "orderId": 42, "orderListId": -1,
        "clientOrderId": "tw1", "transactTime": NOW_MS})
    );
}

#[test]
fn the_answer_says_as_much_as_was_asked_for_and_all_of_it_unasked() {
    let answered = |kind: Value| {
        let request = order(|params| match kind {
            Value::Null => drop(params.as_object_mut().unwrap().remove("newOrderRespType")),
            kind => params["newOrderRespType"] = kind,
        });
        ask(&mut logged_on(), &request)["result"].clone()
    };
    let mut expected = json!({"symbol": "BTCUSDT", "orderId": 42, "orderListId": -1,
        "clientOrderId": "tw1", "transactTime": NOW_MS, "price": "30000.01000000",
        "origQty": "0.01000000", "executedQty": "0.00500000", "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "150.00002500", "status": "EXPIRED", "timeInForce": "IOC",
        "type": "LIMIT", "side": "BUY", "workingTime": NOW_MS,
        "selfTradePreventionMode": "EXPIRE_MAKER"});
    assert_eq!(answered(json!("RESULT")), expected);
    let fill = |price: &str, id: u64| {
        json!({"price": price, "qty": "0.00250000", "commission": "0.00000000",
            "commissionAsset": "BNB", "tradeId": id})
    };
    expected["fills"] = json!([fill("30000.01000000", 7), fill("30000.00000000", 8)]);
    assert_eq!(answered(json!("FULL")), expected);
    assert_eq!(answered(Value::Null), expected);
    let wrong = ask(
        &mut logged_on(),
        &order(|params| params["newOrderRespType"] = json!("ALL")),
    );
    assert_eq!(wrong["error"]["code"], -1100);
}

#[test]
fn each_broken_rule_has_its_code() {
    let cases = [
        ("symbol", json!("NOPE"), -1121),
        ("side", json!("HOLD"), -1117),
        ("type", json!("MARKET"), -1116),
        ("timeInForce", json!("FOK"), -1115),
        ("price", json!("30000.015"), -1013),
        ("price", json!("0"), -1013),
        ("price", json!("3e4"), -1100),
        ("price", json!("-1"), -1100),
        ("price", json!(30000), -1102),
        ("price", json!("1.000000001"), -1111),
        ("quantity", json!("0.000011"), -1013),
        ("quantity", json!("0"), -1013),
        ("quantity", json!("0.0001"), -1013), // 3 USDT are under the minimum of 5
        ("quantity", json!("300"), -1013),    // and 9,000,003 are over the maximum
        ("quantity", json!(""), -1102),
        ("newClientOrderId", json!("no blanks"), -1100),
        ("timestamp", json!(NOW_MS - 5001), -1021),
        ("timestamp", json!(NOW_MS + 1000), -1021),
    ];
    let mut session = logged_on();
    for (name, value, code) in cases {
        let answer = ask(&mut session, &order(|params| params[name] = value.clone()));
        assert_eq!(answer["error"]["code"], code, "{name}={value}: {answer}");
    }
}

#[test]
fn timestamps_hold_to_the_very_edge_of_the_window_in_both_units() {
    let mut session = logged_on();
    for edge in [NOW_MS - 5000, NOW_MS + 999, NOW_MS * 1000] {
        let answer = ask(
            &mut session,
            &order(|params| params["timestamp"] = json!(edge)),
        );
        assert_eq!(answer["status"], 200, "{edge}");
    }
}

/// An order that rests, under this client id.
fn resting(client_id: &str) -> String {
    order(|params| {
        params["timeInForce"] = json!("GTC");
        params["newClientOrderId"] = json!(client_id);
    })
}

#[test]
fn a_client_id_is_unique_among_the_accounts_open_orders_only() {
    let (mut session, mut market) = (logged_on(), Still::new());
    let mut status = |request: &str| {
        let answer = ask_at(&mut session, request, &mut market);
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
    market.resting = vec![("another".to_owned(), "x".to_owned())];
    let answer = ask_at(&mut session, &resting("x"), &mut market);
    assert_eq!(answer["status"], 200);
}

#[test]
fn an_account_may_not_have_more_open_orders_than_the_filter_says() {
    let (mut session, mut market) = (logged_on(), Still::new());
    for n in 0..OPEN_ORDERS_MAX {
        let answer = ask_at(&mut session, &resting(&format!("c{n}")), &mut market);
        assert_eq!(answer["status"], 200);
    }
    let answer = ask_at(&mut session, &resting("more"), &mut market);
    assert_eq!(answer["error"]["code"], -1013);
    let one_more = ask_at(&mut session, &order(|_| ()), &mut market);
    assert_eq!(one_more["status"], 200, "it does not rest");
}

#[test]
fn an_account_is_a_key_pair_and_its_api_key_the_hex_of_the_public_key() {
    let seed = Zeroizing::new([7; 32]);
    let account = SpotMirror::whole("binance").account(&seed).unwrap();
    let key = SigningKey::from_pkcs8_pem(account.key.expose()).unwrap();
    assert_eq!(key.to_bytes(), *seed);
    assert_eq!(account.api_key.expose(), api_key());
}

#[test]
fn order_entry_has_a_path_of_its_own_where_it_is_simulated() {
    let listens = |path: &str| {
        let mirror = SpotMirror::whole("binance");
        let session = Accounts::session(&mirror, path, NOW);
        session.is_some()
    };
    assert!(listens("/ws-api/v3") && listens("/ws-api/v3?timeUnit=MICROSECOND"));
    assert!(!listens("/ws-api") && !listens("/stream") && !listens("/ws"));
    use crate::exchange::Mirror;
    assert!(SpotMirror::market("binance-us").accounts().is_none());
}

#[test]
fn what_is_not_simulated_says_so() {
    let mut session = ApiSession {
        rate_limits: true,
        ..session()
    };
    let answer = ask(&mut session, r#"{"id":1,"method":"order.test"}"#);
    assert_eq!(answer["error"]["code"], -1);
    assert!(answer["rateLimits"].is_array());
    assert_eq!(ask(&mut session, "{")["status"], 400);
    assert_eq!(
        ask(&mut session, r#"{"id":2,"method":"ping"}"#)["result"],
        json!({})
    );
}

#[test]
fn market_data_are_the_same_as_by_rest() {
    let mut session = session();
    let depth = r#"{"id":"a-1","method":"depth","params":{"symbol":"BTCUSDT","limit":5}}"#;
    let answer = ask(&mut session, depth);
    assert_eq!(
        (&answer["id"], &answer["status"]),
        (&json!("a-1"), &json!(200))
    );
    assert!(answer["result"]["lastUpdateId"].is_u64(), "{answer}");
    let several = r#"{"id":2,"method":"ticker.price","params":{"symbols":["BTCUSDT"]}}"#;
    assert_eq!(ask(&mut session, several)["result"][0]["symbol"], "BTCUSDT");
    let unknown = r#"{"id":3,"method":"v3/ticker.book","params":{"symbol":"NOBODY"}}"#;
    let answer = ask(&mut session, unknown);
    assert_eq!(
        (&answer["status"], &answer["error"]["code"]),
        (&json!(400), &json!(-1121))
    );
}
