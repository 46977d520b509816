//! An engine that is killed, or that stands still, with orders in the book: its guard cancels them.

use crate::kills::{ids, journal};
use crate::support::{Process, Sim, folder, json_lines, wide_limits, write_keys};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How often the engine is killed; `TICKWIRE_KILLS=200` takes a quarter of an hour.
fn kills() -> u32 {
    let asked = std::env::var("TICKWIRE_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(2)
}

const QUOTES: &str = concat!(
    "[strategy]\nname = \"quote\"\nticks = 40\nquantity = \"0.01\"\n[risk]\n\
    quantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
    orders_per_s = 50\nopen_orders_max = 64\n",
    wide_limits!()
);

/// The example that rests orders on both sides, which cargo builds beside the tests.
fn quote(dir: &Path, out: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let program = here
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/quote");
    let mut command = Command::new(&program);
    let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", out];
    command.args(arguments).current_dir(dir);
    command
}

fn records(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("log.jsonl")).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    json_lines(whole)
}

fn count(records: &[Value], event: &str) -> usize {
    records
        .iter()
        .filter(|record| record["event"] == event)
        .count()
}

#[track_caller]
fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{what} never came"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Starts the engine, and waits until orders of it rest.
fn quoting(dir: &Path, out: &str) -> (Process, Vec<Value>) {
    let engine = Process::start(quote(dir, out));
    let seen = until("orders that rest", || {
        let records = records(&dir.join(out));
        (count(&records, "order.acked") >= 4).then_some(records)
    });
    (engine, seen)
}

fn swept(dir: &Path) -> Value {
    until("the guard\u{2019}s report", || {
        let text = fs::read_to_string(dir.join("guard.json")).ok()?;
        serde_json::from_str(&text).ok()
    })
}

/// T12, failure mode 44: no order outlives its engine for longer than the stated time.
#[test]
fn orders_of_an_engine_that_is_killed_are_cancelled_and_the_next_run_finds_none() {
    let folder = folder();
    let dir = folder.path();
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
    write_keys(dir);
    let text = format!(
        "{}{}{QUOTES}",
        sim.feed(&["BTCUSDT", "ETHUSDT"]),
        sim.account()
    );
    fs::write(dir.join("c.toml"), text).unwrap();
    let mut took = Vec::new();
    for kill in 0..kills() {
        let out = format!("o{kill}");
        let (engine, seen) = quoting(dir, &out);
        // What the run before left behind this one knows from its journal.
        assert_eq!(count(&seen, "order.unknown_found"), 0);
        assert_eq!(count(&seen, "account.difference"), 0);
        // What the run before had open is over, by the exchange's own word.
        let left = ids(&journal(dir), |line| line["kind"] == "open");
        assert_eq!(left.is_empty(), kill == 0);
        until("the ends of orders of the run before", || {
            let over = |record: &Value| record["end"] == "cancelled" || record["end"] == "filled";
            let over = ids(&records(&dir.join(&out)), over);
            left.is_subset(&over).then_some(())
        });
        engine.signal("KILL");
        let swept = swept(&dir.join(&out));
        assert!(swept["cancelled"].as_u64().unwrap() >= 1, "{swept}");
        assert_eq!(swept["still_resting"], 0, "{swept}");
        took.push(swept["took_ms"].as_u64().unwrap());
    }
    took.sort_unstable();
    println!("{} kills; none rests after {took:?} ms", took.len());
    // Two seconds of silence, a list, cancels, another list a second later.
    assert!(*took.last().unwrap() < 20_000, "{took:?}");
}

#[test]
fn orders_of_an_engine_that_stands_still_are_cancelled_and_it_goes_on_afterwards() {
    let folder = folder();
    let dir = folder.path();
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
    write_keys(dir);
    let text = format!("{}{}{QUOTES}", sim.feed(&["BTCUSDT"]), sim.account());
    fs::write(dir.join("c.toml"), text).unwrap();
    let (engine, _) = quoting(dir, "o");
    engine.signal("STOP");
    let swept = swept(&dir.join("o"));
    assert!(swept["cancelled"].as_u64().unwrap() >= 1, "{swept}");
    let before = count(&records(&dir.join("o")), "order.acked");
    engine.signal("CONT");
    until("orders after the stop", || {
        let records = records(&dir.join("o"));
        let cancelled = count(&records, "order.cancelled") >= 1;
        (cancelled && count(&records, "order.acked") >= before + 2).then_some(())
    });
    engine.signal("INT");
    engine.wait();
}
