//! An engine that trades live at an exchange that shares no code with it: what it says of its
//! orders, trades and positions is what stands in the exchange's own ledger.

use crate::client::units;
use crate::fault_server::book::cents;
use crate::fault_server::engine::{Engine, account, feed, time_us};
use crate::fault_server::ledger::Ledger;
use crate::fault_server::{Dialect, Handling, Honest, Script, Server, Setup, now_us};
use crate::journal::{number, text, told};
use crate::quoting::{QUOTES, count, example, lines, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const SYMBOLS: [&str; 2] = ["BTCUSDT", "ETHUSDT"];
/// A best level of the market stays for this many steps.
const HOLD: i64 = 20;

#[test]
fn an_engine_at_an_exchange_of_somebody_elses_has_the_orders_trades_and_positions_that_it_says() {
    trade(Honest);
}

/// Until so many requests of a sort have come, some are not taken, some are not answered, and some
/// answers end in the middle.
const FAULTS: u64 = 26;
/// How long after a doubt the exchange's word has come for sure.
const SETTLED_US: i64 = 12_000_000;

struct Faulty;

impl Script for Faulty {
    fn handle(&self, method: &str, nth: u64) -> Handling {
        match (method, nth) {
            (_, FAULTS..) => Handling::Right,
            ("order.place" | "order.cancelReplace" | "order.cancel", _) => match nth % 13 {
                2 => Handling::AnswerLost,
                6 => Handling::Cut,
                10 => Handling::Swallowed,
                _ => Handling::Right,
            },
            ("order.status", _) if nth % 3 == 1 => Handling::AnswerLost,
            _ => Handling::Right,
        }
    }

    fn reports_late_ms(&self) -> i64 {
        700
    }
}

#[test]
fn it_has_them_too_if_answers_are_lost_or_cut_and_reports_come_late() {
    let doubts = trade(Faulty);
    assert!(doubts >= 4, "{doubts}");
}

/// Trades until there were orders of every fate, ends in order, and compares. Gives how many orders
/// nobody knew for a while.
fn trade(script: impl Script) -> usize {
    let mut setup = Setup::new(Dialect::Binance, &SYMBOLS);
    setup.hold = HOLD;
    let server = Server::start(setup, script);
    let config = feed(&server, "") + &account(&server) + QUOTES;
    let more = ["--live"];
    let mut engine = Engine::start_program(&example(), &server, &config, &more, |_| {});
    until("orders of every fate", || {
        let ended = engine.child.try_wait().unwrap();
        assert!(ended.is_none(), "{ended:?}: {}", engine.text("stderr"));
        let fates = Fates::of(&server.world.ledger.lock().unwrap());
        // A run that ends does not wait as long as it may take to know that there is no order.
        let log = engine.log();
        let mut doubts = log.iter().rev();
        let doubt = doubts.find(|record| record["event"] == "order.in_doubt");
        let settled = doubt.is_none_or(|doubt| now_us() - time_us(doubt) > SETTLED_US);
        (fates.are_enough() && settled).then_some(())
    });
    engine.signal("INT");
    let code = engine.wait(Duration::from_secs(60));
    let said = engine.text("stderr");
    assert_eq!(code, Some(0), "{said}");
    let ledger = server.world.ledger.lock().unwrap();
    println!("{:?}", Fates::of(&ledger));
    compare(&engine.log(), &ledger);
    let journal = lines(&engine.path().join("orders/binance/orders.jsonl"));
    let standing = told(&journal);
    assert!(standing.orders.is_empty(), "{standing:?}");
    for symbol in SYMBOLS {
        let position = standing.positions.get(symbol).copied();
        assert_eq!(position.unwrap_or(0), ledger.position(symbol), "{symbol}");
    }
    count(&engine.log(), "order.in_doubt")
}

/// How many orders had which fate.
#[derive(Debug, Default)]
struct Fates {
    orders: usize,
    filled: usize,
    cancelled: usize,
    /// Cancelled after a part of it had traded.
    partly: usize,
    /// Filled by more than one trade.
    in_parts: usize,
}

impl Fates {
    fn of(ledger: &Ledger) -> Self {
        let mut fates = Self {
            orders: ledger.orders.len(),
            ..Self::default()
        };
        for (held, order) in ledger.orders.iter().zip(1..) {
            let trades = ledger.trades.iter().filter(|trade| trade.order == order);
            match held.status {
                "FILLED" => {
                    fates.filled += 1;
                    fates.in_parts += usize::from(trades.count() > 1);
                }
                "CANCELED" => {
                    fates.cancelled += 1;
                    fates.partly += usize::from(held.filled > 0);
                }
                _ => {}
            }
        }
        fates
    }

    fn are_enough(&self) -> bool {
        let each = [self.filled, self.cancelled, self.partly, self.in_parts];
        self.orders >= 60 && each.iter().all(|count| *count >= 4)
    }
}

/// An order: symbol, side, price, quantity, how it ended, and how much of it traded.
type Order = (String, String, i64, i128, String, i128);
/// A trade: of which order, at which price, and how much.
type Trade = (u64, i64, i128);

/// What the log tells, against what the exchange has.
fn compare(log: &[Value], ledger: &Ledger) {
    let mut orders: BTreeMap<u64, Order> = BTreeMap::new();
    let mut trades: BTreeMap<u64, Trade> = BTreeMap::new();
    for record in log {
        let id = record["order"].as_u64().unwrap_or(0);
        let px = || cents(record["px"].as_str().unwrap());
        if record["event"] == "order.admitted" {
            let side = text(&record["side"]).to_uppercase();
            let qty = units(&record["qty"]);
            let order = (
                text(&record["instrument"]),
                side,
                px(),
                qty,
                String::new(),
                0,
            );
            orders.insert(id, order);
        }
        if record["event"] == "order.filled" {
            let trade = (id, px(), units(&record["qty"]));
            let twice = trades.insert(record["trade_id"].as_u64().unwrap(), trade);
            assert!(twice.is_none(), "{record}");
            orders.get_mut(&id).unwrap().5 += trade.2;
        }
        if let Some(end) = record["end"].as_str() {
            end.clone_into(&mut orders.get_mut(&id).unwrap().4);
        }
    }
    for event in [
        "account.difference",
        "order.unknown_found",
        "order.stray_fill",
    ] {
        assert_eq!(count(log, event), 0, "{event}");
    }
    // The exchange has never heard of these.
    orders.retain(|_, order| !["rejected", "not_sent"].contains(&&*order.4));
    let held = ledger.orders.iter().map(|held| {
        let end = match held.status {
            "CANCELED" => "cancelled".to_owned(),
            status => status.to_lowercase(),
        };
        let (new, side) = (&held.new, if held.new.buy { "BUY" } else { "SELL" });
        let symbol = new.symbol.clone();
        let order = (symbol, side.to_owned(), new.px, new.qty, end, held.filled);
        (number(&new.name, "tw").unwrap(), order)
    });
    let held: BTreeMap<u64, Order> = held.collect();
    for (id, order) in &held {
        assert_eq!(orders.get(id), Some(order), "{id}");
    }
    orders.retain(|id, _| !held.contains_key(id));
    assert!(orders.is_empty(), "the exchange does not have {orders:?}");
    let made = ledger.trades.iter().map(|trade| {
        let name = &ledger.held(trade.order).new.name;
        (trade.id, (number(name, "tw").unwrap(), trade.px, trade.qty))
    });
    assert_eq!(trades, made.collect());
}
