//! A configuration with a section [simulate]: the run brings its exchanges along.

use crate::support::{Process, finished, tickwire};
use std::fs;
use std::path::Path;
use tickwire::exchange::ALL;

/// A feed of every exchange of this build, with these keys beside.
fn every_exchange(keys: &str) -> String {
    let feed = |name| format!("[[feed]]\nexchange = \"{name}\"\n{keys}\n");
    ALL.iter().map(|exchange| feed(exchange.name())).collect()
}

fn config(folder: &Path, feeds: &str, simulate: &str) {
    let text = format!("{feeds}[engine]\ndepth = 256\n{simulate}");
    fs::write(folder.join("c.toml"), text).unwrap();
}

#[test]
fn every_exchange_is_followed_under_its_own_name_without_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let feeds = every_exchange("instruments = [\"*\"]");
    config(
        dir.path(),
        &feeds,
        "[simulate]\nseed = 7\ninstruments = 2\n",
    );
    let mut process = Process::start(tickwire(dir.path(), &["run", "-v", "c.toml", "--out", "o"]));
    // Calm books change a few times a second, and a slow host is slower still.
    // Two assets at each, and spot beside contracts where an exchange has both.
    let all = 2 * ALL.len() + 2;
    let all_live = format!("books {all}/{all}");
    process.until("all live for some seconds", |_, err| {
        (err.matches(&all_live).count() >= 8).then_some(())
    });
    process.signal("INT");
    process.wait().expect(0);
    let summary = fs::read_to_string(dir.path().join("o/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(
        (&summary["mode"], &summary["seed"]),
        (&"paper".into(), &7.into())
    );
    assert_eq!(summary["limits_exceeded"], 0);
    let books = summary["books"].as_array().unwrap();
    assert_eq!(books.len(), all);
    for book in books {
        assert!(book["updates"].as_u64().unwrap() >= 10, "{book}");
        assert_eq!(
            (&book["gaps"], &book["wrong_ns"]),
            (&0.into(), &0.into()),
            "{book}"
        );
    }
}

#[test]
fn real_orders_never_follow_simulated_prices() {
    let dir = tempfile::tempdir().unwrap();
    config(
        dir.path(),
        &every_exchange("instruments = [\"*\"]"),
        "[simulate]\n",
    );
    let ran = finished(tickwire(dir.path(), &["run", "c.toml", "--live"])).expect(2);
    assert!(ran.err.contains("[simulate]"), "{}", ran.err);
}

#[test]
fn a_section_without_anything_to_simulate_is_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let feeds = every_exchange("instruments = [\"*\"]\nvia = \"127.0.0.1:9\"");
    config(dir.path(), &feeds, "[simulate]\n");
    let ran = finished(tickwire(dir.path(), &["check", "c.toml"])).expect(2);
    assert!(ran.err.contains("nothing to simulate"), "{}", ran.err);
}
