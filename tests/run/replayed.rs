//! Strategies on a recording: `replay --config` as fast as it goes, and `run --play` at the
//! recording's own speed.

use crate::support::{finished, folder, log, summary, tickwire};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

const RECORDING: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/corpus/binance-spot-sim.jsonl.gz"
);

/// What wants an order at nearly every book, and no limit that depends on the time of day.
fn config(dir: &Path, cooldown_ms: u64) {
    let text = format!(
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\n\
         [strategy]\nname = \"imbalance\"\ndepth = 1\nthreshold = 0.01\n\
         cooldown_ms = {cooldown_ms}\nquantity = \"0.01\"\n\
         [risk]\nquantity_max = \"1\"\nnotional_max = \"1000000\"\nprice_collar_bps = 50\n\
         orders_per_s = 1000\nopen_orders_max = 64\n"
    );
    fs::write(dir.join("c.toml"), text).unwrap();
}

/// Replays the recording, and gives what was printed.
fn replay(dir: &Path, out: &str) -> String {
    let arguments = ["replay", RECORDING, "--config", "c.toml", "--out", out];
    let ran = finished(tickwire(dir, &arguments)).expect(0);
    ran.out
}

/// The records of orders, instrument by instrument, without what every run has its own of: the time
/// of day, what was measured, and ids. A run is given a snapshot when it asks for it, and not when
/// it was recorded: so the first book of one instrument may come before another's that was first.
fn orders(dir: &Path) -> Vec<Value> {
    let of_order = |record: &Value| {
        let event = record["event"].as_str().unwrap();
        event.starts_with("order.") && event != "order.receipt"
    };
    let records = log(dir).into_iter().filter(of_order);
    let bare = |mut record: Value| {
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| {
            !["time", "order", "exchange_id", "trade_id", "age_ns"].contains(&name.as_str())
        });
        record
    };
    let mut records: Vec<Value> = records.map(bare).collect();
    records.sort_by_key(|record| record["instrument"].to_string());
    records
}

#[test]
fn two_replays_decide_the_same_to_the_bit_and_so_does_a_run_at_the_recordings_own_speed() {
    let folder = folder();
    let dir = folder.path();
    config(dir, 0);
    let printed = replay(dir, "a");
    assert_eq!(printed, replay(dir, "b"));
    assert!(printed.contains("decisions: sha256 "), "{printed}");
    for file in ["log.jsonl", "decisions.jsonl", "summary.json"] {
        let text = |out: &str| fs::read(dir.join(out).join(file)).unwrap();
        assert!(text("a") == text("b"), "{file}");
    }
    let arguments = ["run", "c.toml", "--play", RECORDING, "--speed", "recorded"];
    let ran = tickwire(dir, &[&arguments[..], &["--out", "run"]].concat());
    finished(ran).expect(0);
    let (replayed, live) = (orders(&dir.join("a")), orders(&dir.join("run")));
    assert!(replayed.len() > 60, "{}", replayed.len());
    assert_eq!(replayed, live);
    let counted = |out: &str| summary(&dir.join(out))["orders"].clone();
    assert_eq!(counted("a"), counted("run"));
}

#[test]
fn a_pause_of_a_strategy_is_the_recordings_time() {
    let folder = folder();
    let dir = folder.path();
    config(dir, 2_000);
    replay(dir, "o");
    let records = log(&dir.join("o"));
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let ours = records.iter().filter(|record| {
            (&record["event"], &record["instrument"]) == (&"order.admitted".into(), &symbol.into())
        });
        let times: Vec<_> = ours
            .map(|record| humantime::parse_rfc3339(record["time"].as_str().unwrap()).unwrap())
            .collect();
        // Thirteen seconds were recorded.
        assert!((4..=7).contains(&times.len()), "{times:?}");
        for pair in times.windows(2) {
            let apart = pair[1].duration_since(pair[0]).unwrap();
            assert!(apart >= Duration::from_secs(2), "{pair:?}");
        }
    }
}

#[test]
fn a_recording_of_nothing_that_the_configuration_follows_says_what_it_has() {
    let folder = folder();
    config(folder.path(), 0);
    let text = fs::read_to_string(folder.path().join("c.toml")).unwrap();
    let other = text.replace("[\"*\"]", "[\"DOGEUSDT\"]");
    fs::write(folder.path().join("c.toml"), other).unwrap();
    let arguments = ["replay", RECORDING, "--config", "c.toml"];
    let ran = finished(tickwire(folder.path(), &arguments)).expect(1);
    assert!(
        ran.err.contains("it has binance BTCUSDT, binance ETHUSDT"),
        "{}",
        ran.err
    );
}

/// Exchanges whose books begin in different ways: by REST, in the stream, whole each time, and in
/// frames that their connection numbers.
const EXCHANGES: [&str; 5] = ["binance", "bitstamp", "okx", "hyperliquid", "coinbase"];

#[test]
fn a_folder_of_several_exchanges_is_one_market_to_a_strategy_replayed_or_played() {
    let folder = folder();
    let dir = folder.path();
    config(dir, 0);
    let one = fs::read_to_string(dir.join("c.toml")).unwrap();
    let (feed, others) = one.split_once("[strategy]").unwrap();
    let feeds = EXCHANGES.map(|name| feed.replace("binance", name)).concat();
    // Worth enough for every exchange to take it: nothing is refused.
    let others = others.replace("quantity = \"0.01\"", "quantity = \"0.1\"");
    let text = format!("[simulate]\nseed = 3\n{feeds}[strategy]{others}");
    fs::write(dir.join("c.toml"), text).unwrap();
    let arguments = ["record", "c.toml", "--out", "rec", "--for", "4s"];
    finished(tickwire(dir, &arguments)).expect(0);
    let arguments = ["replay", "rec", "--config", "c.toml", "--out", "o"];
    let ran = finished(tickwire(dir, &arguments)).expect(0);
    let arguments = ["run", "c.toml", "--play", "rec", "--speed", "recorded"];
    let played = tickwire(dir, &[&arguments[..], &["--out", "run"]].concat());
    finished(played).expect(0);
    // Each book is what the recording run showed, under the name that its exchange's own list gave.
    let books = |out: &str| {
        let told = summary(&dir.join(out))["books"].clone();
        let told = told.as_array().unwrap().iter();
        let mut told: Vec<_> = told
            .map(|b| (b["name"].clone(), b["sha256"].clone()))
            .collect();
        told.sort_by_key(|(name, _)| name.to_string());
        told
    };
    assert_eq!(books("rec"), books("o"));
    assert_eq!(books("rec"), books("run"));
    let traded = summary(&dir.join("o"))["orders"]["traded"].clone();
    for name in EXCHANGES {
        let mut each = traded.as_array().unwrap().iter();
        let is_its = |one: &Value| {
            one["name"]
                .as_str()
                .unwrap()
                .starts_with(&format!("{name}:"))
        };
        assert!(each.any(is_its), "{name}: {}", ran.out);
    }
    let (replayed, live) = (
        by_instrument(&dir.join("o")),
        by_instrument(&dir.join("run")),
    );
    let names = |of: &BTreeMap<String, Vec<Value>>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&replayed), names(&live));
    assert!(
        replayed.len() >= 3 * EXCHANGES.len(),
        "{:?}",
        names(&replayed)
    );
    for (name, replayed) in &replayed {
        let live = &live[name];
        let begun = first_id(replayed).max(first_id(live));
        let [before, ours] = since(replayed, begun);
        let [earlier, theirs] = since(live, begun);
        assert!(
            before.len().max(earlier.len()) <= ORDER,
            "{name} {before:?} {earlier:?}"
        );
        assert!(ours.len() > ORDER, "{name}");
        assert_eq!(ours, theirs, "{name}");
    }
}

/// Records of an order that is filled at once.
const ORDER: usize = 4;

/// As [`orders`], of each instrument apart.
fn by_instrument(dir: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut each: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in orders(dir) {
        let name = format!("{} {}", record["exchange"], record["instrument"]);
        each.entry(name).or_default().push(record);
    }
    each
}

/// The first update that an order followed.
fn first_id(records: &[Value]) -> u64 {
    let mut ids = records
        .iter()
        .filter_map(|record| record["update_id"].as_u64());
    ids.next().unwrap()
}

/// Splits the records before the first order that followed this update. A book by REST may begin a
/// message earlier in the one than in the other: the snapshot of a run comes when it is asked for.
fn since(records: &[Value], id: u64) -> [&[Value]; 2] {
    let is_it = |record: &Value| record["update_id"].as_u64() >= Some(id);
    let at = records.iter().position(is_it).unwrap();
    let (before, after) = records.split_at(at);
    [before, after]
}
