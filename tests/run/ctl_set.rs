//! Values of a strategy's keys that a person sets while a run goes on, over the run's own socket:
//! what counts from then on, who may be told what, and what is left of it when the run is over.

use crate::quoting::{World, count, example, lines, until};
use crate::support::{Process, folder, summary};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const TWO: &str = r#"
[simulate]
seed = 3
instruments = 3

[[feed]]
exchange = "binance"
instruments = ["*"]

[[strategy]]
name = "first"
kind = "imbalance"
instruments = ["BTCUSDT"]
threshold = 0.1
cooldown_ms = 20
quantity = "0.05"

[[strategy]]
name = "second"
kind = "imbalance"
instruments = ["SOLUSDT"]
threshold = 0.1
cooldown_ms = 20
quantity = "0.05"

[risk]
quantity_max = "1"
notional_max = "1000000"
price_collar_bps = 50
orders_per_s = 1000
open_orders_max = 64
"#;

fn run(program: &Path, dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).output().unwrap()
}

fn tickwire(dir: &Path, args: &[&str]) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_tickwire")), dir, args)
}

#[track_caller]
fn said(dir: &Path, args: &[&str]) -> String {
    let out = tickwire(dir, args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {err}");
    String::from_utf8(out.stdout).unwrap()
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], words: &str) {
    let out = tickwire(dir, args);
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{args:?}: {err}");
    assert!(err.contains(words), "{args:?}: {err}");
}

/// Orders of this strategy in the log, and the threshold that each was decided by.
fn thresholds(log: &[Value], strategy: &str) -> Vec<f64> {
    let orders = log.iter().filter(|one| one["event"] == "order.admitted");
    let of = orders.filter(|one| one["strategy"] == strategy);
    of.map(|one| one["threshold"].as_f64().unwrap()).collect()
}

#[test]
fn a_value_that_is_set_while_a_run_goes_on_counts_at_once_and_is_told_wherever_the_run_is() {
    let folder = folder();
    let dir = folder.path();
    fs::write(dir.join("c.toml"), TWO).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickwire"));
    let arguments = ["run", "c.toml", "--log", "json", "--out", "o"];
    command.args(arguments).current_dir(dir);
    let engine = Process::start(command);
    let log = || lines(&dir.join("o/log.jsonl"));
    let orders = |strategy: &str, least: usize| {
        until("orders", || {
            (thresholds(&log(), strategy).len() >= least).then_some(())
        });
    };
    orders("first", 3);
    orders("second", 3);
    let set = ["ctl", "set", "--run", "o"];
    let of_first = |more: [&'static str; 2]| [&set[..], &more, &["--strategy", "first"]].concat();
    refused(
        dir,
        &[&set[..], &["threshold", "0.3"]].concat(),
        "write --strategy with one of first, second",
    );
    refused(
        dir,
        &of_first(["depth", "3"]),
        "depth of imbalance stays as it is while a run goes on; these may be changed: threshold, \
         cooldown_ms, quantity",
    );
    refused(
        dir,
        &of_first(["threshold", "-1"]),
        "threshold = -1: write a number above 0 and below 1",
    );
    refused(
        dir,
        &of_first(["quantity", "0.000000001"]),
        "not a plain decimal that BTCUSDT can hold",
    );
    refused(
        dir,
        &of_first(["quantity", "2"]),
        "above quantity_max \"1\" of [risk]",
    );
    let told = said(dir, &of_first(["threshold", "0.3"]));
    assert_eq!(told, "first: threshold = 0.3, was 0.1\n");
    let told = said(dir, &of_first(["quantity", "0.02"]));
    assert_eq!(told, "first: quantity = 0.02, was 0.05\n");
    let seen = [thresholds(&log(), "first"), thresholds(&log(), "second")];
    orders("first", seen[0].len() + 3);
    orders("second", seen[1].len() + 3);
    let status = said(dir, &["ctl", "status", "--run", "o"]);
    assert!(
        status.contains("threshold = 0.3, configured 0.1"),
        "{status}"
    );
    let status = said(dir, &["ctl", "status", "--json", "--run", "o"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let changed = |at: usize| status["strategies"][at]["changed"].clone();
    assert_eq!(changed(0)[1]["value"], "0.02", "{status}");
    assert_eq!(changed(1), Value::Null, "{status}");
    engine.signal("INT");
    assert_eq!(engine.wait().code, Some(0));

    // Whatever was decided after the record of it was decided by it, and before it by none.
    let log = log();
    let at = log.iter().position(|one| one["event"] == "strategy.set");
    let at = at.expect("a record");
    assert_eq!(
        (&log[at]["strategy"], &log[at]["key"], &log[at]["value"]),
        (&"first".into(), &"threshold".into(), &0.3.into())
    );
    let (before, after) = log.split_at(at);
    assert!(thresholds(before, "first").iter().all(|one| *one == 0.1));
    assert!(thresholds(after, "first").iter().all(|one| *one == 0.3));
    assert!(thresholds(after, "first").len() >= 3);
    assert!(thresholds(&log, "second").iter().all(|one| *one == 0.1));
    let summary = summary(&dir.join("o"));
    let sets = &summary["strategies"][0]["set"];
    let sets: Vec<_> = sets.as_array().unwrap().iter().collect();
    let of = |at: usize| ["key", "was", "value"].map(|name| sets[at][name].as_str().unwrap());
    assert_eq!(sets.len(), 2);
    assert_eq!(of(0), ["threshold", "0.1", "0.3"]);
    assert_eq!(of(1), ["quantity", "0.05", "0.02"]);
    let report = said(dir, &["report", "o"]);
    assert!(
        report.contains("first: set threshold = 0.3, was 0.1"),
        "{report}"
    );
}

/// How far behind the best bid the newest order to buy rests, in ticks of 0.01.
fn behind(log: &[Value]) -> Option<i64> {
    let mut orders = log.iter().rev();
    let buys = |one: &&Value| one["event"] == "order.admitted" && one["side"] == "buy";
    let order = orders.find(|one| buys(one) && one["instrument"] == "BTCUSDT")?;
    let cents = |name: &str| -> Option<i64> {
        let px: f64 = order[name].as_str()?.parse().ok()?;
        Some((px * 100.0).round() as i64)
    };
    Some(cents("best_bid")? - cents("px")?)
}

#[test]
fn a_value_that_was_set_ends_with_its_run_and_the_next_one_says_so() {
    let world = World::new("");
    let dir = world.dir();
    let engine = world.quoting("first");
    assert_eq!(behind(&world.log("first")), Some(40));
    // A program's own strategy; there is no other, so that none need be named.
    let told = said(dir, &["ctl", "set", "ticks", "400", "--run", "first"]);
    assert_eq!(told, "quote: ticks = 400, was 40\n");
    until("orders that rest further away", || {
        (behind(&world.log("first")) == Some(400)).then_some(())
    });
    let journal = until("its record", || {
        let journal = world.journal();
        let mut all = journal.into_iter();
        all.find(|record| record["kind"] == "set")
    });
    let of = ["strategy", "key", "value"].map(|name| journal[name].as_str().unwrap());
    assert_eq!(of, ["quote", "ticks", "400"]);
    engine.signal("KILL");
    drop(engine);
    until("the guard's end", || world.swept("first"));
    let listed = until("the account's folder", || {
        let out = run(&example(), dir, &["orders", "c.toml"]);
        out.status.success().then(|| String::from_utf8(out.stdout))
    });
    let listed = listed.unwrap();
    assert!(
        listed.contains("set until the run's end:\n  quote ticks = 400, at 20"),
        "{listed}"
    );
    let engine = world.quoting("second");
    let log = world.log("second");
    assert_eq!(behind(&log), Some(40));
    let ended: Vec<_> = log
        .iter()
        .filter(|one| one["event"] == "strategy.set_ended")
        .collect();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["reason"], "quote ticks = 400");
    engine.signal("INT");
    engine.wait();
    let engine = world.quoting("third");
    assert_eq!(count(&world.log("third"), "strategy.set_ended"), 0);
    engine.signal("INT");
    engine.wait();
}
