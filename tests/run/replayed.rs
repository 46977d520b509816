//! Strategies on a recording: `replay --config` as fast as it goes, and `run --play` at the
//! recording's own speed.

use crate::support::{finished, folder, log, summary, tickwire};
use serde_json::Value;
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
/// of day, and ids. A run is given a snapshot when it asks for it, and not when it was recorded: so
/// the first book of one instrument may come before another's that was first.
fn orders(dir: &Path) -> Vec<Value> {
    let of_order = |record: &Value| record["event"].as_str().unwrap().starts_with("order.");
    let records = log(dir).into_iter().filter(of_order);
    let bare = |mut record: Value| {
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| !["time", "order", "exchange_id"].contains(&name.as_str()));
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
    for file in ["log.jsonl", "summary.json"] {
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

#[test]
fn a_folder_of_several_exchanges_is_one_market_to_a_strategy() {
    let folder = folder();
    let dir = folder.path();
    config(dir, 0);
    let one = fs::read_to_string(dir.join("c.toml")).unwrap();
    let feed = "[[feed]]\nexchange = \"okx\"\ninstruments = [\"*\"]\n";
    let text = format!("[simulate]\nseed = 3\n{feed}{one}");
    fs::write(dir.join("c.toml"), text).unwrap();
    let arguments = ["record", "c.toml", "--out", "rec", "--for", "3s"];
    finished(tickwire(dir, &arguments)).expect(0);
    let arguments = ["replay", "rec", "--config", "c.toml", "--out", "o"];
    let ran = finished(tickwire(dir, &arguments)).expect(0);
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
    let traded = summary(&dir.join("o"))["orders"]["traded"].clone();
    for name in ["binance:BTC-USDT", "okx:BTC-USDT"] {
        let mut each = traded.as_array().unwrap().iter();
        assert!(each.any(|one| one["name"] == name), "{}", ran.out);
    }
}
