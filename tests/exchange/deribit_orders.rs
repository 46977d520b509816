//! Orders at the simulated Deribit, over real sockets: who may trade, what becomes of an order,
//! what is told of it, and in which words it is refused.

use super::sim::{Tls, get_as, next_json, now_ms, websocket};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tickwire::world::os::server::{self, Sim, SimOptions};
use tungstenite::{Message, WebSocket};

fn sim() -> Sim {
    server::start(SimOptions {
        exchanges: vec!["deribit".to_owned()],
        ..SimOptions::default()
    })
    .unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(client_id: &str, text: &str) -> String {
    let secret = hex(&Sha256::digest(client_id));
    let mut hmac: Hmac<Sha256> = Hmac::new_from_slice(secret.as_bytes()).unwrap();
    hmac.update(text.as_bytes());
    hex(&hmac.finalize().into_bytes())
}

fn logon(client_id: &str, timestamp: i64) -> Value {
    let signature = sign(client_id, &format!("{timestamp}\nabcd\n"));
    json!({"grant_type": "client_signature", "client_id": client_id, "timestamp": timestamp,
        "nonce": "abcd", "data": "", "signature": signature, "scope": "connection"})
}

/// A connection, and what was told on it that answered nothing.
struct Client {
    socket: WebSocket<Tls>,
    told: Vec<Value>,
    id: u64,
}

impl Client {
    fn stranger(sim: &Sim) -> Self {
        Self {
            socket: websocket(sim, "/ws/api/v2"),
            told: Vec::new(),
            id: 0,
        }
    }

    fn of(sim: &Sim, client_id: &str) -> Self {
        let mut client = Self::stranger(sim);
        let granted = client.ok("public/auth", logon(client_id, now_ms()));
        assert_eq!(granted["token_type"], "bearer");
        client
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.socket
            .send(Message::text(request.to_string()))
            .unwrap();
        loop {
            let frame = next_json(&mut self.socket);
            if frame["id"] == id {
                return frame;
            }
            self.told.push(frame);
        }
    }

    fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    fn code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.ask(method, params);
        answer["error"]["code"].as_i64().unwrap_or(0)
    }

    /// What this channel told, once it has told so much.
    fn told(&mut self, channel: &str, count: usize) -> Vec<Value> {
        loop {
            let of = |frame: &&Value| frame["params"]["channel"] == channel;
            let told: Vec<Value> = self.told.iter().filter(of).cloned().collect();
            if told.len() >= count {
                let data = |frame: Value| frame["params"]["data"].clone();
                return told.into_iter().map(data).collect();
            }
            let frame = next_json(&mut self.socket);
            self.told.push(frame);
        }
    }

    fn best(&mut self, side: &str) -> f64 {
        let book = self.ok(
            "public/get_order_book",
            json!({"instrument_name": "BTC_USDT"}),
        );
        book[side][0][0].as_f64().unwrap()
    }
}

/// One that rests far below the market.
fn resting(label: &str) -> Value {
    json!({"instrument_name": "BTC_USDT", "amount": 0.01, "type": "limit", "price": 30000.5,
        "label": label, "post_only": true, "reject_post_only": true})
}

fn with(mut params: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        params[key] = value.clone();
    }
    params
}

#[test]
fn whoever_signs_is_logged_on_and_nobody_else_is_answered() {
    let sim = sim();
    let mut client = Client::stranger(&sim);
    assert_eq!(client.code("private/buy", resting("a")), 13_009);
    let good = logon("alice", now_ms());
    let wrong = with(good.clone(), json!({"client_id": "bob"}));
    assert_eq!(client.code("public/auth", wrong), 13_004);
    assert_eq!(
        client.code("public/auth", logon("alice", now_ms() - 120_000)),
        13_004
    );
    assert_eq!(client.code("private/buy", resting("a")), 13_009);
    let granted = client.ok("public/auth", good);
    assert_eq!(
        granted["scope"],
        "account:read connection trade:read_write wallet:read"
    );
    assert_eq!(
        client.ok("private/buy", resting("a"))["order"]["order_state"],
        "open"
    );
    // The token is good elsewhere, and a secret logs on as well.
    let token = granted["access_token"].clone();
    let mut other = Client::stranger(&sim);
    let open = other.ok("private/get_open_orders", json!({"access_token": token}));
    assert_eq!(open.as_array().unwrap().len(), 1);
    assert_eq!(other.code("private/get_open_orders", json!({})), 13_009);
    let secret = hex(&Sha256::digest("alice"));
    let credentials = json!({"grant_type": "client_credentials", "client_id": "alice",
        "client_secret": secret});
    other.ok("public/auth", credentials);
    assert_eq!(
        other.ok("private/get_open_orders", json!({}))[0]["label"],
        "a"
    );
    other.ok("private/logout", json!({}));
    assert_eq!(other.code("private/get_open_orders", json!({})), 13_009);
}

#[test]
fn streams_that_a_connection_follows_go_on_when_it_logs_on() {
    let sim = sim();
    let mut client = Client::stranger(&sim);
    let channels = json!({"channels": ["quote.BTC_USDT"]});
    client.ok("public/subscribe", channels);
    client.ok("public/set_heartbeat", json!({"interval": 10}));
    client.ok("public/auth", logon("alice", now_ms()));
    client.told.clear();
    assert!(!client.told("quote.BTC_USDT", 2).is_empty());
    let both = json!({"channels": ["user.orders.BTC_USDT.raw", "quote.ETH_USDT", "user.x"]});
    let taken = client.ok("private/subscribe", both);
    assert_eq!(taken, json!(["user.orders.BTC_USDT.raw", "quote.ETH_USDT"]));
    assert!(!client.told("quote.ETH_USDT", 1).is_empty());
    assert!(client.ok("public/test", json!({})).get("version").is_some());
}

#[test]
fn an_order_rests_is_told_of_and_is_cancelled_by_either_name() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    let channel = "user.changes.BTC_USDT.raw";
    client.ok("private/subscribe", json!({"channels": [channel]}));
    let placed = client.ok("private/buy", resting("first"));
    let order = placed["order"].clone();
    let id = order["order_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("BTC_USDT-"), "{id}");
    for (key, value) in [
        ("order_state", json!("open")),
        ("order_type", json!("limit")),
        ("direction", json!("buy")),
        ("price", json!(30000.5)),
        ("amount", json!(0.01)),
        ("filled_amount", json!(0.0)),
        ("label", json!("first")),
        ("post_only", json!(true)),
        ("replaced", json!(false)),
    ] {
        assert_eq!(order[key], value, "{key}");
    }
    assert_eq!(placed["trades"], json!([]));
    let told = client.told(channel, 1);
    assert_eq!(told[0]["orders"][0]["order_id"], id.as_str());
    assert_eq!(told[0]["trades"], json!([]));
    let state = client.ok("private/get_order_state", json!({"order_id": id}));
    assert_eq!(state["order_state"], "open");
    for currency in ["USDT", "BTC"] {
        let label = json!({"currency": currency, "label": "first"});
        let found = client.ok("private/get_order_state_by_label", label);
        assert_eq!(found[0]["order_id"], id.as_str(), "{currency}");
    }
    let nothing = json!({"currency": "ETH", "label": "first"});
    assert_eq!(
        client.ok("private/get_order_state_by_label", nothing),
        json!([])
    );
    let cancelled = client.ok("private/cancel", json!({"order_id": id}));
    assert_eq!(cancelled["order_state"], "cancelled");
    assert_eq!(cancelled["cancel_reason"], "user_request");
    let told = client.told(channel, 2);
    assert_eq!(told[1]["orders"][0]["order_state"], "cancelled");
    assert_eq!(
        client.code("private/cancel", json!({"order_id": id})),
        11_044
    );
    let unknown = json!({"order_id": "BTC_USDT-1"});
    assert_eq!(client.code("private/cancel", unknown.clone()), 10_004);
    assert_eq!(client.code("private/get_order_state", unknown), 10_004);
    // Labels need not be unique.
    client.ok("private/buy", resting("same"));
    client.ok("private/buy", resting("same"));
    client.ok("private/buy", resting("other"));
    let label = json!({"label": "same"});
    assert_eq!(
        client.ok("private/cancel_by_label", label.clone()),
        json!(2)
    );
    assert_eq!(client.ok("private/cancel_by_label", label), json!(0));
    assert_eq!(client.ok("private/cancel_all", json!({})), json!(1));
}

#[test]
fn an_order_that_trades_pays_its_fee_and_the_balances_show_it_to_the_last_unit() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    let channels = ["user.trades.spot.any.raw", "user.portfolio.usdt"];
    client.ok("private/subscribe", json!({"channels": channels}));
    let before = client.ok("private/get_account_summary", json!({"currency": "BTC"}));
    let price = client.best("asks") * 1.01;
    let order = json!({"instrument_name": "BTC_USDT", "amount": 0.01, "type": "limit",
        "price": format!("{price:.1}").parse::<f64>().unwrap(), "label": "take",
        "time_in_force": "immediate_or_cancel", "post_only": false});
    let placed = client.ok("private/buy", order);
    assert_eq!(placed["order"]["order_state"], "filled", "{placed}");
    let trades = placed["trades"].as_array().unwrap();
    let sum = |key: &str| -> f64 { trades.iter().map(|t| t[key].as_f64().unwrap()).sum() };
    assert!((sum("amount") - 0.01).abs() < 1e-12);
    assert!((sum("fee") - 0.01 * 0.0005).abs() < 1e-12, "{trades:?}");
    let trade = &trades[0];
    for (key, value) in [
        ("direction", json!("buy")),
        ("liquidity", json!("T")),
        ("fee_currency", json!("BTC")),
        ("label", json!("take")),
        ("order_id", placed["order"]["order_id"].clone()),
    ] {
        assert_eq!(trade[key], value, "{key}");
    }
    let after = client.ok("private/get_account_summary", json!({"currency": "BTC"}));
    let balance = |summary: &Value| (summary["balance"].as_f64().unwrap() * 1e8).round();
    assert_eq!(balance(&after) - balance(&before), 999_500.0);
    let told = client.told("user.trades.spot.any.raw", trades.len());
    assert_eq!(told[0][0]["trade_seq"], trade["trade_seq"]);
    assert_eq!(client.told("user.portfolio.usdt", 1)[0]["currency"], "USDT");
    // Trades are listed from a number on, oldest first.
    let seq = trade["trade_seq"].as_u64().unwrap();
    let from = |seq| json!({"instrument_name": "BTC_USDT", "start_seq": seq, "sorting": "asc"});
    let method = "private/get_user_trades_by_instrument";
    let listed = client.ok(method, from(seq));
    assert_eq!(listed["trades"].as_array().unwrap().len(), trades.len());
    assert_eq!(listed["has_more"], false);
    let one = with(from(seq), json!({"end_seq": seq}));
    assert_eq!(client.ok(method, one)["trades"][0]["trade_seq"], seq);
    let order_id = json!({"order_id": placed["order"]["order_id"]});
    let of_order = client.ok("private/get_user_trades_by_order", order_id);
    assert_eq!(of_order.as_array().unwrap().len(), trades.len());
    // What an order holds is in the balance, and apart.
    client.ok("private/buy", resting("holds"));
    let summaries = client.ok("private/get_account_summaries", json!({}));
    let usdt = summaries["summaries"].as_array().unwrap();
    let usdt = usdt.iter().find(|one| one["currency"] == "USDT").unwrap();
    assert_eq!(usdt["spot_reserve"], json!(300.005));
    let free = usdt["available_funds"].as_f64().unwrap();
    assert!((usdt["balance"].as_f64().unwrap() - free - 300.005).abs() < 1e-6);
}

#[test]
fn a_post_only_order_is_refused_or_put_beside_the_market() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    let crossing = client.best("asks") * 1.01;
    let crossing = json!({"price": format!("{crossing:.1}").parse::<f64>().unwrap()});
    let order = with(resting("x"), crossing);
    assert_eq!(client.code("private/buy", order.clone()), 11_054);
    let moved = with(order, json!({"reject_post_only": false}));
    let placed = client.ok("private/buy", moved);
    assert_eq!(placed["order"]["order_state"], "open");
    assert_eq!(placed["trades"], json!([]));
}

#[test]
fn an_order_becomes_smaller_where_it_rests_and_nothing_else() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    let placed = client.ok("private/buy", resting("x"));
    let id = placed["order"]["order_id"].clone();
    let edited = client.ok("private/edit", json!({"order_id": id, "amount": 0.006}));
    assert_eq!(
        (&edited["order"]["amount"], &edited["order"]["replaced"]),
        (&json!(0.006), &json!(true))
    );
    assert_eq!(edited["order"]["label"], "x");
    let by_label = json!({"label": "x", "instrument_name": "BTC_USDT", "amount": 0.004});
    let edited = client.ok("private/edit_by_label", by_label.clone());
    assert_eq!(edited["order"]["order_id"], id);
    assert_eq!(
        client.code("private/edit", json!({"order_id": id, "amount": 0.01})),
        11_030
    );
    let dearer = json!({"order_id": id, "amount": 0.004, "price": 30001.0});
    assert_eq!(client.code("private/edit", dearer), 11_030);
    client.ok("private/buy", resting("x"));
    assert_eq!(
        client.code("private/edit_by_label", by_label.clone()),
        13_032
    );
    let nobody = with(by_label, json!({"label": "nobody"}));
    assert_eq!(client.code("private/edit_by_label", nobody), 10_004);
}

#[test]
fn what_is_wrong_with_an_order_is_said_by_its_code() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    for (changes, code) in [
        (json!({"instrument_name": "XYZ_USDT"}), -32_602),
        (json!({"instrument_name": "BTC-PERPETUAL"}), 10_020),
        (json!({"amount": 0.0}), 10_002),
        (json!({"amount": 0.000001}), -32_602),
        (json!({"amount": null}), -32_602),
        (json!({"price": 30000.123}), 10_043),
        (json!({"price": null}), -32_602),
        (json!({"type": "stop_limit"}), -32_602),
        (json!({"time_in_force": "forever"}), -32_602),
        (json!({"label": "x".repeat(65)}), -32_602),
        (json!({"valid_until": now_ms() - 1_000}), 13_888),
        (json!({"amount": 90_000_000.0}), 10_009),
    ] {
        let order = with(resting("x"), changes.clone());
        assert_eq!(client.code("private/buy", order), code, "{changes}");
    }
    assert_eq!(client.code("private/no_such_method", json!({})), -32_601);
    let mut reader = Client::of(&sim, "alice-readonly");
    assert_eq!(reader.code("private/buy", resting("x")), 13_021);
    assert_eq!(reader.ok("private/get_open_orders", json!({})), json!([]));
}

#[test]
fn an_account_that_asks_the_engine_for_too_much_is_refused() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice");
    let codes: Vec<i64> = (0..60)
        .map(|n| client.code("private/buy", resting(&format!("n{n}"))))
        .collect();
    assert!(codes.contains(&10_028), "{codes:?}");
    assert!(codes[..20].iter().all(|code| *code == 0), "{codes:?}");
}

#[test]
fn rest_takes_a_token_and_a_signature() {
    let sim = sim();
    let mut client = Client::of(&sim, "alice-withdraw");
    client.ok("private/buy", resting("x"));
    let now = now_ms();
    let signature = sign("alice-withdraw", &format!("{now}\nabcd\n"));
    let target = format!(
        "/api/v2/public/auth?grant_type=client_signature&client_id=alice-withdraw&timestamp={now}\
         &nonce=abcd&data=&signature={signature}"
    );
    let (status, granted) = get_as(&sim, &target, None);
    assert_eq!(status, 200);
    let scope = granted["result"]["scope"].as_str().unwrap();
    assert!(scope.contains("wallet:read_write"), "{scope}");
    let open = "/api/v2/private/get_open_orders?kind=spot";
    assert_eq!(get_as(&sim, open, None).1["error"]["code"], 13_009);
    let token = format!(
        "Bearer {}",
        granted["result"]["access_token"].as_str().unwrap()
    );
    let signed = format!("{now}\nabcd\nGET\n{open}\n\n");
    let signature = sign("alice-withdraw", &signed);
    let hmac = format!("deri-hmac-sha256 id=alice-withdraw,ts={now},sig={signature},nonce=abcd");
    for header in [token, hmac] {
        let (status, open) = get_as(&sim, open, Some(&header));
        assert_eq!((status, &open["result"][0]["label"]), (200, &json!("x")));
    }
}
