//! An engine that is killed together with its guard, with orders in the book: the next run knows
//! them from the order journal, and the exchange says how they stand.

use crate::support::{Process, Sim, folder, json_lines, wide_limits, write_keys};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const QUOTES: &str = concat!(
    "[strategy]\nname = \"quote\"\nticks = 40\nquantity = \"0.01\"\n[risk]\n\
    quantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
    orders_per_s = 50\nopen_orders_max = 64\n",
    wide_limits!()
);

/// The example that rests orders on both sides, which cargo builds beside the tests.
fn quote(dir: &Path, out: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let built = here.parent().unwrap().parent().unwrap();
    let mut command = Command::new(built.join("examples/quote"));
    let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", out];
    command.args(arguments).current_dir(dir);
    command
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    json_lines(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
}

fn log(dir: &Path, out: &str) -> Vec<Value> {
    lines(&dir.join(out).join("log.jsonl"))
}

fn count(records: &[Value], event: &str) -> usize {
    let same = |record: &&Value| record["event"] == event;
    records.iter().filter(same).count()
}

#[track_caller]
fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        let late = began.elapsed() > Duration::from_secs(60);
        assert!(!late, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Kills a process and its children at once.
fn kill_all(engine: &Process) {
    let threads = fs::read_dir(format!("/proc/{}/task", engine.id())).unwrap();
    let children = threads.map(|thread| {
        let children = thread.unwrap().path().join("children");
        fs::read_to_string(children).unwrap_or_default()
    });
    let children: String = children.collect();
    let guard: Vec<&str> = children.split_whitespace().collect();
    assert_eq!(guard.len(), 1, "{guard:?}");
    // First whoever would clean up.
    let engine = engine.id().to_string();
    let killed = Command::new("kill")
        .args(["-s", "KILL", guard[0], &engine])
        .status();
    assert!(killed.unwrap().success());
}

fn world(extra: &str) -> (tempfile::TempDir, Sim) {
    let folder = folder();
    let dir = folder.path();
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
    write_keys(dir);
    let (feed, account) = (sim.feed(&["BTCUSDT", "ETHUSDT"]), sim.account());
    let text = format!("{feed}{account}{extra}{QUOTES}");
    fs::write(dir.join("c.toml"), text).unwrap();
    (folder, sim)
}

/// The account's order journal.
pub fn journal(dir: &Path) -> Vec<Value> {
    lines(&dir.join("orders/binance/orders.jsonl"))
}

/// The orders that such records are about.
pub fn ids(records: &[Value], of: impl Fn(&Value) -> bool) -> BTreeSet<u64> {
    let meant = records.iter().filter(|record| of(record));
    meant
        .map(|record| record["order"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_run_after_one_that_was_killed_with_its_guard_takes_over_every_order_and_none_is_left() {
    for (extra, out) in [("", "soon"), ("durable = true\n", "durable")] {
        let (folder, _sim) = world(extra);
        let dir = folder.path();
        let first = format!("{out}-1");
        let engine = Process::start(quote(dir, &first));
        until("orders that rest", || {
            (count(&log(dir, &first), "order.acked") >= 4).then_some(())
        });
        kill_all(&engine);
        drop(engine);
        let second = format!("{out}-2");
        let engine = Process::start(quote(dir, &second));
        let found = until("orders of the run before", || {
            let log = log(dir, &second);
            log.iter()
                .find(|record| record["event"] == "orders.recovered")
                .cloned()
        });
        assert_eq!(found["last_run"], "killed", "{found}");
        assert!(found["open_orders"].as_u64().unwrap() >= 1, "{found}");
        let left = ids(&journal(dir), |line| line["kind"] == "open");
        assert_eq!(left.len() as u64, found["open_orders"].as_u64().unwrap());
        // The exchange says how each of them stands, and doubts end by that.
        until("the account", || {
            (count(&log(dir, &second), "account.ready") >= 1).then_some(())
        });
        until("orders after it", || {
            (count(&log(dir, &second), "order.acked") >= 2).then_some(())
        });
        engine.signal("INT");
        engine.wait();
        let log = log(dir, &second);
        if out == "durable" {
            // Nothing left before it was on the disk.
            assert_eq!(count(&log, "order.unknown_found"), 0, "{out}");
        }
        assert_eq!(count(&log, "account.difference"), 0);
        let ended = |record: &Value| record["end"].is_string() && record["end"] != "unknown";
        let ended = ids(&log, ended);
        assert!(left.is_subset(&ended), "{left:?} {ended:?}");
        // Nothing is left for a third one.
        let third = format!("{out}-3");
        let engine = Process::start(quote(dir, &third));
        let found = until("a third run", || {
            let log = lines(&dir.join(&third).join("log.jsonl"));
            log.iter()
                .find(|record| record["event"] == "orders.recovered")
                .cloned()
        });
        assert_eq!(found["last_run"], "in_order", "{found}");
        assert_eq!(found["open_orders"], 0, "{found}");
        // While it trades, no other engine does.
        let said = Process::start(quote(dir, "other")).wait();
        assert_ne!(said.code, Some(0));
        let expected = format!(
            "another tickwire (pid {}) trades with this account",
            engine.id()
        );
        assert!(said.err.contains(&expected), "{}", said.err);
        engine.signal("INT");
        engine.wait();
    }
}
