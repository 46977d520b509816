//! What goes wrong on an order connection when it is planned, over real sockets.

use super::sim::{Tls, ask, flow, logon, now_ms, websocket};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::time::Duration;
use tickwire::exchange;
use tickwire::venue::account::generate_account;
use tickwire::venue::faults::{Asks, Fault, Planned};
use tickwire::world::os::server::Sim;
use tungstenite::{Error, Message, WebSocket};

/// A connection that is logged on, and another one of the same account.
fn connected(sim: &Sim) -> [WebSocket<Tls>; 2] {
    let account = generate_account(exchange::unnamed()).unwrap();
    let key = SigningKey::from_pkcs8_pem(account.key.expose()).unwrap();
    [(); 2].map(|()| {
        let mut socket = websocket(sim, "/ws-api/v3?returnRateLimits=false");
        let answer = ask(&mut socket, logon(&key, account.api_key.expose()));
        assert_eq!(answer["status"], 200);
        socket
    })
}

fn order(client_id: &str) -> Value {
    json!({"id": 2, "method": "order.place", "params": {"symbol": "BTCUSDT", "side": "BUY",
        "type": "LIMIT", "timeInForce": "GTC", "price": "30000.00", "quantity": "0.00100",
        "newClientOrderId": client_id, "timestamp": now_ms()}})
}

/// How an order stands, as another connection is told.
fn status(socket: &mut WebSocket<Tls>, client_id: &str) -> Value {
    let params = json!({"symbol": "BTCUSDT", "origClientOrderId": client_id,
        "timestamp": now_ms()});
    let answer = ask(
        socket,
        json!({"id": 3, "method": "order.status", "params": params}),
    );
    match answer["result"]["status"].clone() {
        Value::Null => answer["error"]["code"].clone(),
        status => status,
    }
}

#[test]
fn an_answer_is_cut_at_any_byte_and_the_order_is_there() {
    let sim = flow(11);
    for bytes in [0, 1, 2, 3, 40, 200] {
        let [mut socket, mut other] = connected(&sim);
        let client_id = format!("cut-{bytes}");
        sim.plan("binance", Planned::next(Asks::Place, Fault::Cut(bytes)));
        socket
            .send(Message::text(order(&client_id).to_string()))
            .unwrap();
        let end = loop {
            match socket.read() {
                Ok(Message::Text(text)) => panic!("it came whole: {text}"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(
            !matches!(end, Error::ConnectionClosed),
            "no close frame came"
        );
        assert_eq!(status(&mut other, &client_id), "NEW");
    }
}

#[test]
fn a_half_open_connection_says_nothing_takes_everything_and_stays() {
    let sim = flow(12);
    let [mut socket, mut other] = connected(&sim);
    sim.plan("binance", Planned::next(Asks::Place, Fault::HalfOpen));
    socket.send(Message::text(order("x").to_string())).unwrap();
    socket
        .send(Message::Ping(b"are you there"[..].into()))
        .unwrap();
    let wait = Some(Duration::from_millis(300));
    socket.get_ref().sock.set_read_timeout(wait).unwrap();
    match socket.read() {
        Err(Error::Io(error)) => {
            assert!(matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut
            ));
        }
        said => panic!("{said:?}"),
    }
    assert_eq!(status(&mut other, "x"), -2013);
    assert_eq!(ask(&mut other, order("x"))["status"], 200);
}
