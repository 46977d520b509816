//! Two runs at once, each with two strategies: counters, log lines and the summary say which one,
//! and no strategy's refusals silence another's.

use crate::support::{Process, folder, log, summary, tickwire};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// A run in which risk refuses whatever the strategies want: their orders are worth more than one
/// unit of the quote asset.
const REFUSED: &str = r#"
[simulate]
seed = 2
instruments = 3

[[feed]]
exchange = "binance"
instruments = ["*"]

[[strategy]]
name = "heavy"
kind = "imbalance"
instruments = ["BTCUSDT"]
threshold = 0.1
cooldown_ms = 20
quantity = "0.05"

[[strategy]]
name = "eager"
kind = "imbalance"
instruments = ["SOLUSDT"]
threshold = 0.1
cooldown_ms = 20
quantity = "0.05"

[risk]
quantity_max = "1"
notional_max = "1"
price_collar_bps = 50
orders_per_s = 20
open_orders_max = 8
"#;

/// Logged records of this event, of the strategy.
fn of<'r>(records: &'r [Value], event: &str, strategy: &str) -> Vec<&'r Value> {
    let of = records.iter().filter(|r| r["event"] == event);
    of.filter(|r| r["strategy"] == strategy).collect()
}

/// Lines on the console of this event, of the strategy.
fn said(err: &str, event: &str, strategy: &str) -> usize {
    let whose = format!(" strategy={strategy} ");
    let lines = err.lines().filter(|line| line.contains(event));
    lines.filter(|line| line.contains(&whose)).count()
}

/// Waits until each of these strategies is named in so many lines about this event.
#[track_caller]
fn until_each(process: &mut Process, event: &str, strategies: [&str; 2], times: usize) {
    process.until(event, |_, err| {
        let enough = |strategy: &&str| said(err, event, strategy) >= times;
        strategies.iter().all(enough).then_some(())
    });
}

/// What the summary tells of this strategy.
fn told<'s>(summary: &'s Value, strategy: &str) -> &'s Value {
    let strategies = summary["strategies"].as_array().unwrap();
    assert_eq!(strategies.len(), 2);
    let mut named = strategies.iter().filter(|told| told["name"] == strategy);
    named.next().expect("its name")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The summary, the log and the counters agree on whose each order is; the parts are the whole.
#[track_caller]
fn check_parts(summary: &Value, records: &[Value], strategies: [(&str, &[&str]); 2]) {
    for (name, own) in strategies {
        let told = told(summary, name);
        let orders = &told["orders"];
        let refused = orders["refused"].as_object().unwrap();
        let refused: u64 = refused.values().map(number).sum();
        let admitted = number(&orders["sent"]);
        assert_eq!(number(&told["intents"]), admitted + refused, "{told}");
        for (event, key) in [
            ("order.admitted", "sent"),
            ("order.acked", "acked"),
            ("order.filled", "fills"),
            ("order.done", "filled"),
            ("order.expired", "expired"),
        ] {
            let logged = of(records, event, name);
            assert_eq!(logged.len() as u64, number(&orders[key]), "{event} {name}");
            for record in logged {
                let instrument = record["instrument"].as_str().unwrap();
                assert!(own.contains(&instrument), "{record}");
            }
        }
    }
    let whole = &summary["orders"];
    for key in ["acked", "fills", "filled", "expired", "rejected", "unknown"] {
        let parts = strategies.map(|(name, _)| number(&told(summary, name)["orders"][key]));
        assert_eq!(parts.iter().sum::<u64>(), number(&whole[key]), "{key}");
    }
    let names = strategies.map(|(name, _)| name);
    let of_orders = |r: &&Value| r["event"].as_str().unwrap().starts_with("order.");
    for record in records.iter().filter(of_orders) {
        let name = record["strategy"].as_str().expect("a strategy");
        assert!(names.contains(&name), "{record}");
    }
}

/// When a record was made.
fn at(record: &Value) -> SystemTime {
    humantime::parse_rfc3339(record["time"].as_str().unwrap()).unwrap()
}

/// Refusals by one gate are logged once a second for each strategy: those of one go on while the
/// other's are logged.
#[track_caller]
fn check_neither_is_silenced(records: &[Value], [one, other]: [&str; 2]) {
    let by_gate = |strategy| {
        let refused = of(records, "order.refused", strategy).into_iter();
        let refused = refused.filter(|r| r["gate"] == "notional_max");
        refused.map(at).collect::<Vec<_>>()
    };
    let (one, other) = (by_gate(one), by_gate(other));
    let apart_ms = |a: &SystemTime, b: &SystemTime| {
        let apart = b.duration_since(*a).or_else(|_| a.duration_since(*b));
        apart.unwrap().as_millis()
    };
    for own in [&one, &other] {
        let mut pairs = own.windows(2);
        assert!(pairs.all(|pair| apart_ms(&pair[0], &pair[1]) >= 999));
    }
    let mut pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    assert!(
        pairs.any(|(a, b)| apart_ms(a, b) < 900),
        "one a second of both together: {one:?} {other:?}"
    );
}

#[test]
fn two_runs_with_two_strategies_each_say_whose_everything_is() {
    let folder = folder();
    fs::write(folder.path().join("refused.toml"), REFUSED).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/strategies.toml");
    let start = |config: &str, out| {
        Process::start(tickwire(
            folder.path(),
            &["run", "-v", config, "--out", out],
        ))
    };
    let mut traded = start(shipped.to_str().unwrap(), "a");
    let mut refused = start("refused.toml", "b");
    until_each(&mut traded, "order.acked", ["weight", "flow"], 1);
    until_each(&mut refused, "order.refused", ["heavy", "eager"], 3);
    for process in [traded, refused] {
        process.signal("INT");
        process.wait().expect(0);
    }

    let (out, records) = (folder.path().join("a"), log(&folder.path().join("a")));
    let summary_a = summary(&out);
    let (btc, sol) = (["BTCUSDT", "ETHUSDT"], ["SOLUSDT", "ETHUSDT"]);
    check_parts(&summary_a, &records, [("weight", &btc), ("flow", &sol)]);
    assert_eq!(told(&summary_a, "weight")["kind"], "imbalance");
    assert_eq!(told(&summary_a, "flow")["kind"], "order_flow");
    for name in ["weight", "flow"] {
        assert!(number(&told(&summary_a, name)["orders"]["acked"]) > 0);
    }

    let (out, records) = (folder.path().join("b"), log(&folder.path().join("b")));
    let summary_b = summary(&out);
    let strategies: [(&str, &[&str]); 2] = [("heavy", &["BTCUSDT"]), ("eager", &["SOLUSDT"])];
    check_parts(&summary_b, &records, strategies);
    for (name, _) in strategies {
        let orders = &told(&summary_b, name)["orders"];
        assert_eq!(number(&orders["sent"]), 0, "{orders}");
        assert!(number(&orders["refused"]["notional_max"]) >= 3, "{orders}");
    }
    check_neither_is_silenced(&records, ["heavy", "eager"]);
}
