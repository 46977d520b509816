//! Late data: each order is judged by how old the book was that it was made from, when it arrived
//! at a fault server.

use crate::fault_server::book::{Book, Snapshot};
use crate::fault_server::engine::{EAGER, Engine, account, feed};
use crate::fault_server::wire::Http;
use crate::fault_server::{Dialect, Script, Server, Setup, is_book, now_us};
use std::thread;
use std::time::Duration;

/// How old a book may be that an order is made from: twice what the engine takes for late, and what
/// a busy machine adds on the order's way.
const AGE_MS_MAX: i64 = 1500;

/// Market data is late by a time that changes.
struct Late {
    delay_ms: fn(i64) -> i64,
    /// How old whole books are.
    snapshot_ms: i64,
}

impl Script for Late {
    fn delay_ms(&self, elapsed_ms: i64) -> i64 {
        (self.delay_ms)(elapsed_ms)
    }
    /// The stream is heard first: a whole book of Binance's says nothing of its time.
    fn rest(&self, path: &str, _nth: u64) -> Option<Http> {
        if is_book(path) {
            thread::sleep(Duration::from_millis(300));
        }
        None
    }
    fn snapshot(&self, _nth: u64, book: &Book) -> Snapshot {
        book.snapshot_at(now_us() - self.snapshot_ms * 1000)
    }
}

const IN_TIME: Late = Late {
    delay_ms: |_| 0,
    snapshot_ms: 0,
};

fn start(script: impl Script) -> (Server, String) {
    let setup = Setup::new(Dialect::Binance, &["BTCUSDT", "ETHUSDT"]);
    let server = Server::start(setup, script);
    let config = feed(&server, "") + &account(&server) + EAGER;
    (server, config)
}

/// Judges the orders that arrived; how many there were, and how many of them on old books.
fn judge(what: &str, server: &Server, engine: &mut Engine) -> usize {
    let code = engine.wait(Duration::from_secs(90));
    let (orders, _) = server.world.orders();
    let tally = server.world.tally(&orders, AGE_MS_MAX);
    println!(
        "{what}: exit {code:?}, {tally:?}, {}",
        engine.summary()["orders"]["refused"]
    );
    assert_eq!((code, tally.wrong), (Some(0), 0));
    tally.orders
}

/// The delays that the log tells of.
fn said(engine: &Engine) -> usize {
    let log = engine.log();
    let said: Vec<_> = log
        .iter()
        .filter(|record| record["event"] == "data.late")
        .collect();
    println!("  {} words about it", said.len());
    said.len()
}

fn congested() {
    // From the fourth second on, a second of data needs four.
    let delay_ms = |elapsed_ms: i64| ((elapsed_ms - 4000).max(0) * 3 / 4).min(9000);
    let (server, config) = start(Late {
        delay_ms,
        snapshot_ms: 0,
    });
    let mut engine = Engine::start(&server, &config, &["--live", "--for", "20s"]);
    let orders = judge("C1 congested", &server, &mut engine);
    assert!(orders > 40 && said(&engine) > 0);
}

fn late_from_the_start() {
    let delay_ms = |_| 10_000;
    let (server, config) = start(Late {
        delay_ms,
        snapshot_ms: 10_000,
    });
    thread::sleep(Duration::from_secs(11)); // Such a past must be there.
    let mut engine = Engine::start(&server, &config, &["--live", "--for", "12s"]);
    let orders = judge("C1 late from the start", &server, &mut engine);
    assert!(orders == 0 && said(&engine) > 0);
}

fn late_from_a_moment_on() {
    // A tenth of its speed for some seconds: no silence, and ten seconds late at the end.
    let delay_ms = |elapsed_ms: i64| ((elapsed_ms - 4000).max(0) * 9 / 10).min(10_000);
    let (server, config) = start(Late {
        delay_ms,
        snapshot_ms: 0,
    });
    let mut engine = Engine::start(&server, &config, &["--live", "--for", "24s"]);
    let orders = judge("C1 late from a moment on", &server, &mut engine);
    assert!(orders > 40 && said(&engine) > 0);
}

fn stopped() {
    let (server, config) = start(IN_TIME);
    let mut engine = Engine::start(&server, &config, &["--live", "--for", "14s"]);
    thread::sleep(Duration::from_secs(4));
    engine.signal("STOP");
    thread::sleep(Duration::from_secs(5));
    engine.signal("CONT");
    let orders = judge("C1 stopped", &server, &mut engine);
    let summary = engine.summary();
    let stages = summary["stages"].as_array().unwrap();
    let safe = stages.iter().find(|stage| stage["stage"] == "kernel_safe");
    let safe_ms = safe.unwrap()["max_ns"].as_u64().unwrap() / 1_000_000;
    println!("C12: kernel_safe max {safe_ms} ms");
    assert!(orders > 40);
    assert!(safe_ms >= 4900, "the bytes lay in the kernel for up to 5 s");
}

/// Failure mode 15: old data is of its own age, whenever it comes.
#[test]
fn no_order_is_made_from_data_that_is_late_whatever_held_it_up() {
    thread::scope(|scope| {
        for case in [
            congested,
            late_from_the_start,
            late_from_a_moment_on,
            stopped,
        ] {
            scope.spawn(case);
        }
    });
}

/// The exchange's clock is wrong, or ours.
struct Clock {
    ms: i64,
}

impl Script for Clock {
    fn clock_ms(&self) -> i64 {
        self.ms
    }
}

/// Failure mode 34: no clock that is wrong or steps makes data look newer, or an order look old.
#[test]
fn an_exchange_whose_clock_differs_takes_orders_soon() {
    let run = |ms| {
        let (server, config) = start(Clock { ms });
        let config = config.replace("cooldown_ms = 0", "cooldown_ms = 200");
        let mut engine = Engine::start(&server, &config, &["--live", "--for", "12s"]);
        let taken = judge(&format!("C17 {ms} ms"), &server, &mut engine);
        let (_, refused) = server.world.orders();
        println!("C17 {ms} ms: {refused} orders refused for their time, {taken} taken");
        assert!(refused <= 10 && taken > 20);
    };
    thread::scope(|scope| {
        scope.spawn(|| run(5000));
        scope.spawn(|| run(-5000));
    });
}
