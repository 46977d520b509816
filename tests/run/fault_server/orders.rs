//! Binance's WebSocket API, as far as orders need it: logon, the private stream (which says
//! nothing), `order.place`, the time, and an account in which nothing rests. An order that comes is
//! written down with the time of its arrival; one at the best price or better is filled at once,
//! another one expires.

use super::book::{cents, px_text};
use super::connection::quiet;
use super::wire::Tls;
use super::{Order, World, now_us};
use serde_json::{Value, json};
use tungstenite::{Error, WebSocket};

pub fn serve(world: &World, mut socket: WebSocket<Tls>) -> Result<(), Error> {
    loop {
        match socket.read() {
            Ok(message) if message.is_text() => {
                let at_us = now_us();
                let request: Value = serde_json::from_str(message.to_text()?).unwrap();
                socket.send(answer(world, &request, at_us).to_string().into())?;
            }
            Ok(_) => {}
            Err(error) if quiet(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn answer(world: &World, request: &Value, at_us: i64) -> Value {
    let (id, params) = (&request["id"], &request["params"]);
    let method = request["method"].as_str().unwrap_or_default();
    let ms = world.exchange_us(at_us) / 1000;
    let refuse = |code: i64, text: &str| {
        json!({"id": id, "status": 400, "error": {"code": code,
        "msg": text}})
    };
    if let Some(time) = params["timestamp"].as_i64() {
        let time_ms = if time > 100_000_000_000_000 {
            time / 1000
        } else {
            time
        };
        let window_ms = params["recvWindow"].as_i64().unwrap_or(5000);
        if time_ms >= ms + 1000 || ms - time_ms > window_ms {
            *world.refused.lock().unwrap() += u64::from(method == "order.place");
            return refuse(
                -1021,
                "Timestamp for this request is outside of the recvWindow.",
            );
        }
    }
    match method {
        "session.logon" => json!({"id": id, "status": 200, "result": {"apiKey": params["apiKey"],
            "authorizedSince": ms, "connectedSince": ms, "returnRateLimits": false,
                "serverTime": ms,
            "userDataStream": false}}),
        "time" => json!({"id": id, "status": 200, "result": {"serverTime": ms}}),
        "userDataStream.subscribe" => {
            json!({"id": id, "status": 200, "result": {"subscriptionId": 0}})
        }
        "openOrders.status" | "myTrades" => json!({"id": id, "status": 200, "result": []}),
        "account.status" => json!({"id": id, "status": 200, "result": {"balances": []}}),
        "order.cancel" => refuse(-2011, "Unknown order sent."),
        "order.status" => refuse(-2013, "Order does not exist."),
        "order.place" => json!({"id": id, "status": 200, "result": place(world, params, at_us)}),
        _ => refuse(-1020, "This operation is not supported."),
    }
}

fn place(world: &World, params: &Value, at_us: i64) -> Value {
    let text = |key: &str| params[key].as_str().unwrap();
    let (symbol, px, buy) = (text("symbol"), cents(text("price")), text("side") == "BUY");
    let order = Order {
        at_us,
        symbol: symbol.to_owned(),
        buy,
        px,
        id: text("newClientOrderId").to_owned(),
    };
    let us = world.exchange_us(at_us);
    let mut orders = world.orders.lock().unwrap();
    orders.push(order);
    let number = orders.len();
    drop(orders);
    let books = world.books.lock().unwrap();
    let book = books.iter().find(|book| book.symbol == symbol).unwrap();
    let best = if buy {
        book.asks.first_key_value()
    } else {
        book.bids.last_key_value()
    };
    let best = *best.unwrap().0;
    let filled = if buy { px >= best } else { px <= best };
    let (status, executed) = if filled {
        ("FILLED", text("quantity"))
    } else {
        ("EXPIRED", "0.00000000")
    };
    let mut result = json!({"symbol": symbol, "orderId": number, "orderListId": -1,
        "clientOrderId": text("newClientOrderId"), "transactTime": us / 1000});
    if text("newOrderRespType") != "ACK" {
        for (key, value) in [
            ("price", json!(px_text(px))),
            ("origQty", json!(text("quantity"))),
            ("executedQty", json!(executed)),
            ("status", json!(status)),
            ("timeInForce", json!("IOC")),
            ("type", json!("LIMIT")),
            ("side", json!(text("side"))),
        ] {
            result[key] = value;
        }
        let fill = json!({"price": px_text(best), "qty": executed, "commission": "0",
            "commissionAsset": "USDT", "tradeId": number});
        result["fills"] = if filled { json!([fill]) } else { json!([]) };
    }
    result
}
