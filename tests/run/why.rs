//! What a run leaves for `why` and `why-not`, when orders fill, are replaced, held back by a gate,
//! and when nobody answers for a while.

use crate::support::proxy::{Health, Proxy};
use crate::support::{
    Process, Sim, finished, folder, json_lines, log, recording, summary, tickwire, wide_limits,
    write_gz, write_keys,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tickwire::app::why::{WhyArgs, why};

const QUOTES: &str = concat!(
    "[strategy]\nname = \"quote\"\nticks = 1\nquantity = \"0.01\"\n[risk]\n\
    quantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 500\n\
    orders_per_s = 5\nopen_orders_max = 64\n",
    wide_limits!()
);

fn lines(dir: &Path) -> Vec<Value> {
    json_lines(&fs::read_to_string(dir.join("decisions.jsonl")).unwrap())
}

/// Records of the log of a run that goes on.
fn records(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join("log.jsonl")).unwrap_or_default();
    json_lines(text.rsplit_once('\n').map_or("", |(whole, _)| whole))
}

fn of(records: &[Value], event: &str) -> BTreeSet<u64> {
    let of = records.iter().filter(|record| record["event"] == event);
    of.filter_map(|record| record["order"].as_u64()).collect()
}

#[track_caller]
fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = seen() {
            return seen;
        }
        let late = began.elapsed() > Duration::from_secs(120);
        assert!(!late, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A live run of the example that rests orders, whose road to the exchange was silent for a time.
fn troubled(dir: &Path) -> PathBuf {
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &[]);
    write_keys(dir);
    let proxy = Proxy::start(&sim.addr, Health::Well);
    let orders = format!("orders = \"{}\"", sim.addr);
    let account = sim.account();
    assert!(account.contains(&orders));
    let account = account.replace(&orders, &format!("orders = \"{}\"", proxy.addr));
    let feed = sim.feed(&["BTCUSDT", "ETHUSDT"]);
    fs::write(dir.join("c.toml"), format!("{feed}{account}{QUOTES}")).unwrap();

    let here = std::env::current_exe().unwrap();
    let built = here.parent().unwrap().parent().unwrap();
    let mut command = Command::new(built.join("examples/quote"));
    let arguments = ["run", "c.toml", "--live", "--log", "json", "--out", "out"];
    command.args(arguments).current_dir(dir);
    let engine = Process::start(command);
    let out = dir.join("out");
    let enough = |events: &[&str]| {
        let records = records(&out);
        let all = events
            .iter()
            .all(|event| records.iter().any(|r| r["event"] == **event));
        all.then_some(())
    };
    until("fills, ends and refusals", || {
        enough(&["order.done", "order.cancelled", "order.refused"])
    });
    proxy.turn(Health::Silent);
    until("a doubt", || enough(&["order.in_doubt"]));
    // Whoever came meanwhile is to come again.
    proxy.turn(Health::Cut);
    proxy.turn(Health::Well);
    let doubted = of(&records(&out), "order.in_doubt");
    until("the ends of what was in doubt", || {
        let ended = records(&out);
        let ended = ended.iter().filter(|record| record["end"].is_string());
        let ended: BTreeSet<u64> = ended
            .filter_map(|record| record["order"].as_u64())
            .collect();
        doubted.is_subset(&ended).then_some(())
    });
    let before = of(&records(&out), "order.acked").len();
    until("orders after it", || {
        (of(&records(&out), "order.acked").len() > before).then_some(())
    });
    engine.signal("INT");
    engine.wait();
    out
}

/// Reads the run back in another language, and adds it up.
#[track_caller]
fn check_by_python(run: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/decisions");
    let mut command = Command::new("python3");
    command.arg(script).arg(run);
    finished(command).expect(0).out
}

#[test]
fn why_tells_the_story_of_every_order_and_why_not_adds_up() {
    let folder = folder();
    let run = troubled(folder.path());
    let told = check_by_python(&run);
    println!("{told}");

    let lines = lines(&run);
    let orders: Vec<&Value> = lines
        .iter()
        .filter(|line| line["kind"] == "order")
        .collect();
    let numbers = orders.iter().map(|line| line["order"].as_u64().unwrap());
    let numbers: BTreeSet<u64> = numbers.collect();
    assert_eq!(
        numbers,
        of(&log(&run), "order.admitted"),
        "each has one line"
    );
    let with = |what: &str| {
        let has = |line: &&&Value| {
            let events = line["events"].as_array().unwrap();
            events.iter().any(|event| event["what"] == what)
        };
        orders
            .iter()
            .find(has)
            .unwrap_or_else(|| panic!("none with {what}"))["order"]
            .clone()
    };
    for what in ["filled", "cancelled", "in_doubt", "replace", "acked"] {
        with(what);
    }
    for line in &orders {
        let order = line["order"].as_u64().unwrap();
        let story = why(&WhyArgs {
            order,
            run: Some(run.clone()),
            json: false,
        });
        let story = story.unwrap();
        let events = line["events"].as_array().unwrap();
        let whats = events.iter().map(|event| event["what"].as_str().unwrap());
        for part in whats.chain([
            "strategy   quote",
            "risk       admitted",
            "picture",
            "decided",
        ]) {
            assert!(story.contains(part), "no {part}:\n{story}");
        }
        let trades = events.iter().filter(|event| event["what"] == "fill");
        for trade in trades {
            let part = format!("trade {}", trade["trade_id"]);
            assert!(story.contains(&part), "no {part}:\n{story}");
            assert!(
                trade["fee"].is_string() && trade["fee_asset"].is_string(),
                "{trade}"
            );
        }
    }
    let doubted = with("in_doubt").to_string();
    let out = run.to_str().unwrap();
    let ask = |arguments: &[&str]| finished(tickwire(folder.path(), arguments));
    println!("{}", ask(&["why", &doubted, out]).expect(0).out);

    let summary = summary(&run);
    let judged = summary["strategies"][0]["judged"]
        .as_array()
        .unwrap()
        .clone();
    let number = |value: &Value| value.as_u64().unwrap();
    for instrument in ["BTCUSDT", "ETHUSDT"] {
        let text = ask(&["why-not", instrument, out]).expect(0).out;
        println!("{text}");
        let found = judged.iter().find(|of| {
            let name = of["name"].as_str().unwrap();
            name.replace('-', "").ends_with(instrument)
        });
        let of = found.expect("intents");
        let refused = of["refused"].as_object().unwrap().values().map(number);
        let sum = format!(
            "quote: {} intents = {} orders + {} changes + {} held back",
            of["intents"],
            of["orders"],
            of["changes"],
            refused.sum::<u64>()
        );
        assert!(text.contains(&sum), "no {sum}:\n{text}");
        let json = ask(&["why-not", instrument, out, "--json"]).expect(0).out;
        let json: Value = serde_json::from_str(&json).unwrap();
        let told = &json["instruments"][0]["strategies"][0];
        for held in told["held_back"].as_array().unwrap() {
            let count = &of["refused"][held["gate"].as_str().unwrap()];
            assert_eq!(
                (&held["at_least"], &held["at_most"]),
                (count, count),
                "{held}"
            );
        }
        // A part of the run: what the examples say holds the exact count of all parts together.
        let part = |more: &[&str]| {
            let all = [&["why-not", instrument, out, "--json"], more].concat();
            let json: Value = serde_json::from_str(&ask(&all).expect(0).out).unwrap();
            let held = json["instruments"][0]["strategies"][0]["held_back"].clone();
            let held = held.as_array().unwrap().iter();
            let held = held.map(|held| (number(&held["at_least"]), number(&held["at_most"])));
            held.fold((0, 0), |sum, held| (sum.0 + held.0, sum.1 + held.1))
        };
        let (first, then) = (part(&["--to", "3s"]), part(&["--from", "3s"]));
        let all: u64 = of["refused"]
            .as_object()
            .unwrap()
            .values()
            .map(number)
            .sum();
        assert!(
            first.0 + then.0 <= all && all <= first.1 + then.1,
            "{first:?} {then:?} {all}"
        );
    }
}

#[test]
fn an_order_an_instrument_or_a_run_that_there_is_not_is_wrong_use() {
    let folder = folder();
    let ask = |arguments: &[&str]| finished(tickwire(folder.path(), arguments)).expect(2).err;
    for arguments in [["why", "7"], ["why-not", "BTCUSDT"]] {
        let said = ask(&arguments);
        assert!(said.contains("no run under runs/"), "{said}");
        let said = ask(&[arguments[0], arguments[1], "nowhere"]);
        assert!(said.contains("nowhere is no run's directory"), "{said}");
    }
    finished(tickwire(folder.path(), &["run", "--for", "2s"])).expect(0);
    // Without a name it is the newest one.
    let said = ask(&["why", "7"]);
    assert!(said.contains("no order 7 in runs/"), "{said}");
    let said = ask(&["why-not", "DOGEUSDT"]);
    assert!(said.contains("no instrument DOGEUSDT in runs/"), "{said}");
    assert!(said.contains("it has binance:BTC-USDT"), "{said}");
    let said = ask(&["why-not", "BTCUSDT", "--from", "yesterday"]);
    assert!(said.contains("--from yesterday: write a time"), "{said}");
    let said = ask(&["why-not", "BTCUSDT", "--from", "9s", "--to", "3s"]);
    assert!(said.contains("--from is later than --to"), "{said}");
    let out = finished(tickwire(folder.path(), &["why-not", "binance:btc-usdt"]))
        .expect(0)
        .out;
    assert!(out.starts_with("binance:BTC-USDT  runs/"), "{out}");
}

#[test]
fn a_replay_leaves_the_decisions_of_its_paper_orders() {
    let folder = folder();
    let dir = folder.path();
    let times: Vec<u64> = (0..200)
        .map(|n| 1_700_000_000_000_000_000 + n * 100_000_000)
        .collect();
    write_gz(&dir.join("day.jsonl.gz"), &recording(&times));
    let config = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n[strategy]\n\
                  name = \"imbalance\"\ndepth = 1\nthreshold = 0.3\ncooldown_ms = 100\n\
                  quantity = \"0.5\"\n[risk]\nquantity_max = \"1\"\nnotional_max = \"1000\"\n\
                  price_collar_bps = 500\norders_per_s = 2\nopen_orders_max = 4\n";
    fs::write(dir.join("c.toml"), config).unwrap();
    let arguments = [
        "replay",
        "day.jsonl.gz",
        "--config",
        "c.toml",
        "--out",
        "out",
    ];
    finished(tickwire(dir, &arguments)).expect(0);
    let run = dir.join("out");
    println!("{}", check_by_python(&run));
    let lines = lines(&run);
    let orders: Vec<&Value> = lines
        .iter()
        .filter(|line| line["kind"] == "order")
        .collect();
    assert!(orders.len() > 5, "{} orders", orders.len());
    for line in &orders {
        assert_eq!(line["stamps"]["sent_ns"], Value::Null, "on paper: {line}");
        assert!(line["stamps"]["admitted_ns"].is_u64(), "{line}");
        assert!(
            line["time"]
                .as_str()
                .unwrap()
                .starts_with("2023-11-14T22:13:"),
            "{line}"
        );
    }
    let order = orders[0]["order"].to_string();
    let text = finished(tickwire(dir, &["why", &order, "out"]))
        .expect(0)
        .out;
    assert!(text.contains("because    imbalance"), "{text}");
}
