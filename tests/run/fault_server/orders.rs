//! Binance's WebSocket API, as far as orders need it: logon, the private stream, orders and what is
//! asked about them. An order that comes is written down with the time of its arrival, whatever
//! becomes of it.

use super::book::cents;
use super::connection::quiet;
use super::ledger::{Ledger, New, Refusal, Which};
use super::wire::{self, Tls};
use super::{Handling, Order, World, now_us};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};
use tungstenite::{Error, WebSocket};

pub fn serve(world: &World, socket: WebSocket<Tls>) -> Result<(), Error> {
    let (world, news, late) = (world, None, VecDeque::new());
    Session { world, news, late }.serve(socket)
}

struct Session<'w> {
    world: &'w World,
    /// Reports of the account, once they are subscribed to.
    news: Option<Receiver<String>>,
    /// Those that are to go out, and when.
    late: VecDeque<(i64, String)>,
}

impl Session<'_> {
    fn serve(mut self, mut socket: WebSocket<Tls>) -> Result<(), Error> {
        loop {
            match socket.read() {
                Ok(message) if message.is_text() => {
                    let request: Value = serde_json::from_str(message.to_text()?).unwrap();
                    self.handle(&request, &mut socket)?;
                }
                Ok(_) => {}
                Err(error) if quiet(&error) => {}
                Err(error) => return Err(error),
            }
            let due_us = now_us() + self.world.script.reports_late_ms() * 1_000;
            let news = self.news.iter().flat_map(Receiver::try_iter);
            self.late.extend(news.map(|text| (due_us, text)));
            while self
                .late
                .front()
                .is_some_and(|(due_us, _)| *due_us <= now_us())
            {
                let (_, text) = self.late.pop_front().unwrap();
                socket.send(text.into())?;
            }
        }
    }

    fn handle(&mut self, request: &Value, socket: &mut WebSocket<Tls>) -> Result<(), Error> {
        let method = request["method"].as_str().unwrap_or_default();
        let nth = self.world.nth(&format!("request {method}"));
        let handling = self.world.script.handle(method, nth);
        if handling == Handling::Swallowed {
            return Ok(());
        }
        let answer = self.answer(request, now_us()).to_string();
        match handling {
            Handling::Right => socket.send(answer.into()),
            Handling::AnswerLost | Handling::Swallowed => Ok(()),
            Handling::Cut => {
                wire::send_half(socket, &answer)?;
                Err(Error::ConnectionClosed)
            }
        }
    }

    fn answer(&mut self, request: &Value, at_us: i64) -> Value {
        let world = self.world;
        let (id, params) = (&request["id"], &request["params"]);
        let method = request["method"].as_str().unwrap_or_default();
        let ms = world.exchange_us(at_us) / 1000;
        let refuse = |(code, text): Refusal| {
            let error = json!({"code": code, "msg": text});
            json!({"id": id, "status": 400, "error": error})
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
                return refuse((
                    -1021,
                    "Timestamp for this request is outside of the recvWindow.",
                ));
            }
        }
        match method {
            "order.place" | "order.cancelReplace" => note(world, params, at_us),
            _ => {}
        }
        if method == "order.cancelReplace" {
            let mut answer = replace(&mut world.ledger.lock().unwrap(), params, ms);
            answer["id"] = id.clone();
            return answer;
        }
        let result = match method {
            "session.logon" => Ok(json!({"apiKey": params["apiKey"], "authorizedSince": ms,
                "connectedSince": ms, "returnRateLimits": false, "serverTime": ms,
                "userDataStream": false})),
            "time" => Ok(json!({"serverTime": ms})),
            "userDataStream.subscribe" => {
                let (sender, news) = mpsc::channel();
                world.ledger.lock().unwrap().follow(sender);
                self.news = Some(news);
                Ok(json!({"subscriptionId": 0}))
            }
            _ => account(&mut world.ledger.lock().unwrap(), method, params, ms),
        };
        match result {
            Ok(result) => json!({"id": id, "status": 200, "result": result}),
            Err(refusal) => refuse(refusal),
        }
    }
}

/// Writes an order down as it arrived.
fn note(world: &World, params: &Value, at_us: i64) {
    let new = new(params);
    world.orders.lock().unwrap().push(Order {
        at_us,
        symbol: new.symbol,
        buy: new.buy,
        px: new.px,
        id: new.name,
    });
}

fn account(ledger: &mut Ledger, method: &str, params: &Value, ms: i64) -> Result<Value, Refusal> {
    let symbol = params["symbol"].as_str();
    let which = || match params["orderId"].as_u64() {
        Some(number) => Which::Number(number),
        None => Which::Name(text(params, "origClientOrderId")),
    };
    match method {
        "order.place" => place(ledger, params, ms),
        "order.cancel" => cancel(ledger, symbol.unwrap(), &which(), params, ms),
        "order.amend.keepPriority" => {
            let number = ledger.resting(symbol.unwrap(), &which())?;
            ledger.amend(number, units(text(params, "newQty")), ms)?;
            let mut order = ledger.standing(number);
            order["qty"] = order["origQty"].clone();
            Ok(json!({"transactTime": ms, "executionId": 1, "amendedOrder": order}))
        }
        "order.status" => {
            let number = ledger.find(symbol.unwrap(), &which())?;
            Ok(ledger.standing(number))
        }
        "openOrders.status" => Ok(ledger.open(symbol).into()),
        "myTrades" => {
            let limit = params["limit"].as_u64().unwrap_or(500) as usize;
            let at_least = |key: &str, have: i64| params[key].as_i64().is_none_or(|n| have >= n);
            let of = params["orderId"].as_u64();
            Ok(ledger.trades(symbol.unwrap(), limit, |trade| {
                of.is_none_or(|number| number == trade.order)
                    && at_least("fromId", trade.id as i64)
                    && at_least("startTime", trade.at_ms())
            }))
        }
        "account.status" => {
            let balances = ledger.balances(["asset", "free", "locked"], |_| true);
            Ok(json!({"balances": balances}))
        }
        _ => Err((-1020, "This operation is not supported.")),
    }
}

fn new(params: &Value) -> New {
    New {
        name: text(params, "newClientOrderId").to_owned(),
        symbol: text(params, "symbol").to_owned(),
        buy: text(params, "side") == "BUY",
        px: cents(text(params, "price")),
        qty: units(text(params, "quantity")),
        kind: text(params, "type").to_owned(),
        life: params["timeInForce"].as_str().unwrap_or("GTC").to_owned(),
    }
}

fn place(ledger: &mut Ledger, params: &Value, ms: i64) -> Result<Value, Refusal> {
    let number = ledger.place(new(params), ms)?;
    let mut result = ledger.standing(number);
    if text(params, "newOrderRespType") == "ACK" {
        let kept = ["symbol", "orderId", "orderListId", "clientOrderId"];
        result
            .as_object_mut()
            .unwrap()
            .retain(|key, _| kept.contains(&&**key));
    } else {
        result["fills"] = ledger.fills(number).into();
    }
    result["transactTime"] = ms.into();
    Ok(result)
}

fn cancel(
    ledger: &mut Ledger,
    symbol: &str,
    which: &Which<'_>,
    params: &Value,
    ms: i64,
) -> Result<Value, Refusal> {
    let number = ledger.resting(symbol, which)?;
    let was = ledger.standing(number)["clientOrderId"].clone();
    let own = format!("web_{number}");
    let by = ["newClientOrderId", "cancelNewClientOrderId"].map(|key| params[key].as_str());
    // A replacement's new order has a name of its own.
    let by = if by[1].is_some() { by[1] } else { by[0] };
    ledger.cancel(number, by.unwrap_or(&own), ms);
    let mut result = ledger.standing(number);
    result["origClientOrderId"] = was;
    result["transactTime"] = ms.into();
    Ok(result)
}

/// Cancels one order and, if that was done, places another one.
fn replace(ledger: &mut Ledger, params: &Value, ms: i64) -> Value {
    let which = match params["cancelOrderId"].as_u64() {
        Some(number) => Which::Number(number),
        None => Which::Name(text(params, "cancelOrigClientOrderId")),
    };
    let failure = |(code, msg): Refusal| json!({"code": code, "msg": msg});
    let said = |status: i64, code: i64, msg: &str, data: Value| {
        let error = json!({"code": code, "msg": msg, "data": data});
        json!({"status": status, "error": error})
    };
    let cancelled = match cancel(ledger, text(params, "symbol"), &which, params, ms) {
        Ok(cancelled) => cancelled,
        Err(refusal) => {
            let data = json!({"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
                "cancelResponse": failure(refusal), "newOrderResponse": null});
            return said(400, -2022, "Order cancel-replace failed.", data);
        }
    };
    match place(ledger, params, ms) {
        Ok(placed) => json!({"status": 200, "result": {"cancelResult": "SUCCESS",
            "newOrderResult": "SUCCESS", "cancelResponse": cancelled,
            "newOrderResponse": placed}}),
        Err(refusal) => {
            let data = json!({"cancelResult": "SUCCESS", "newOrderResult": "FAILURE",
                "cancelResponse": cancelled, "newOrderResponse": failure(refusal)});
            said(409, -2021, "Order cancel-replace partially failed.", data)
        }
    }
}

fn text<'p>(params: &'p Value, key: &str) -> &'p str {
    let value = params[key].as_str();
    value.unwrap_or_else(|| panic!("no {key} in {params}"))
}

/// A decimal's text in units of 10^-8.
fn units(text: &str) -> i128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<8}").parse().unwrap()
}
