//! Binance's streams in SBE from a simulated exchange in another process: over real sockets, by an
//! API key, recorded, replayed and played.

use crate::support::{Process, Sim, finished, folder, json_lines, summary, tickwire, write_keys};
use crate::support::{log, write_secret};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const KEYED: &str = "depth_stream = \"sbe\"\napi_key_file = \"api.key\"\n";

/// A simulated exchange, and a configuration that follows two of its instruments.
fn world(dir: &Path, more: &str) -> Sim {
    let sim = Sim::start(dir, "127.0.0.1:0", "ca.pem", &["--seed", "1"]);
    let feed = sim.feed(&["BTCUSDT", "ETHUSDT"]);
    fs::write(dir.join("c.toml"), feed + more).unwrap();
    sim
}

/// Updates and digest of each book, by symbol.
fn books(all: &[Value], updates: &str) -> BTreeMap<String, (u64, String)> {
    let text = |book: &Value, key: &str| book[key].as_str().unwrap().to_owned();
    let one = |book: &Value| {
        let told = (book[updates].as_u64().unwrap(), text(book, "sha256"));
        (text(book, "symbol"), told)
    };
    all.iter().map(one).collect()
}

#[test]
fn books_of_sbe_are_the_exchanges_own() {
    follow("sbe");
}

#[test]
fn books_of_the_twenty_best_levels_in_sbe_are_the_exchanges_own() {
    follow("sbe-20");
}

/// Follows two instruments of a simulated exchange in the process by this stream.
fn follow(depth_stream: &str) {
    let dir = folder();
    let text = format!(
        "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\n\
         depth_stream = \"{depth_stream}\"\n\
         [engine]\ndepth = 256\n[simulate]\nseed = 7\ninstruments = 2\n"
    );
    fs::write(dir.path().join("c.toml"), text).unwrap();
    let mut process = Process::start(tickwire(dir.path(), &["run", "-v", "c.toml", "--out", "o"]));
    process.until("both live for some seconds", |_, err| {
        (err.matches("books 2/2").count() >= 5).then_some(())
    });
    process.signal("INT");
    process.wait().expect(0);
    let summary = summary(&dir.path().join("o"));
    let books = summary["books"].as_array().unwrap();
    assert_eq!(books.len(), 2);
    for book in books {
        assert!(book["updates"].as_u64().unwrap() >= 10, "{book}");
        let faults = (&book["gaps"], &book["wrong_ns"]);
        assert_eq!(faults, (&0.into(), &0.into()), "{book}");
    }
    assert_eq!(summary["limits_exceeded"], 0);
}

#[test]
fn a_recording_of_sbe_replays_to_the_live_digests_and_is_played_to_a_client_of_sbe() {
    let dir = folder();
    let sim = world(dir.path(), KEYED);
    write_keys(dir.path());
    let record = ["record", "c.toml", "--out", "r", "--for", "5s"];
    let ran = finished(tickwire(dir.path(), &record)).expect(0);
    assert!(ran.out.contains(" 0 lost"), "{}", ran.out);
    let live = summary(&dir.path().join("r"));
    let live = books(live["books"].as_array().unwrap(), "updates");
    assert!(live.values().all(|(updates, _)| *updates > 5), "{live:?}");
    let replayed = finished(tickwire(dir.path(), &["replay", "r", "--digest"])).expect(0);
    assert_eq!(books(&json_lines(&replayed.out), "applied"), live);
    let verified = finished(tickwire(dir.path(), &["record", "--verify", "r"])).expect(0);
    assert!(verified.out.contains("ended in order"), "{}", verified.out);
    drop(sim);
    // Its feed says nothing of SBE: the recording does.
    let text = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"*\"]\n";
    fs::write(dir.path().join("p.toml"), text).unwrap();
    let play = ["run", "p.toml", "--play", "r", "--out", "p"];
    finished(tickwire(dir.path(), &play)).expect(0);
    let played = summary(&dir.path().join("p"));
    for book in played["books"].as_array().unwrap() {
        assert!(book["updates"].as_u64().unwrap() > 5, "{book}");
        assert_eq!(book["gaps"], 0, "{book}");
    }
}

#[test]
fn a_key_that_is_missing_or_of_another_sort_is_told_of_and_never_shown() {
    let dir = folder();
    let _sim = world(dir.path(), "depth_stream = \"sbe\"\n");
    let ran = finished(tickwire(dir.path(), &["check", "c.toml"])).expect(2);
    for told in [
        "depth_stream = \"sbe\" is for holders of an API key",
        "Ed25519",
    ] {
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    let file = dir.path().join("c.toml");
    let feed = fs::read_to_string(&file).unwrap();
    let with = |more: &str| fs::write(&file, feed.clone() + more).unwrap();
    with("api_key_file = \"none.key\"\n");
    let ran = finished(tickwire(dir.path(), &["run", "c.toml", "--for", "1s"])).expect(2);
    let told = "api_key_file of [[feed]]: none.key cannot be opened";
    assert!(ran.err.contains(told), "{}", ran.err);
    let secret = "hmac0123456789012345678901234567890123456789";
    write_secret(&dir.path().join("api.key"), secret);
    with(
        "api_key_file = \"api.key\"\n[account]\nexchange = \"binance\"\n\
         api_key_file = \"api.key\"\nsecret_key_file = \"api.key\"\n",
    );
    let ran = finished(tickwire(dir.path(), &["check", "c.toml"])).expect(2);
    assert!(ran.err.contains("take Ed25519 keys only"), "{}", ran.err);
    with("api_key_file = \"api.key\"\n");
    let mut process = Process::start(tickwire(dir.path(), &["run", "-v", "c.toml", "--out", "o"]));
    process.until("a refusal", |_, err| err.contains("HTTP 401").then_some(()));
    process.signal("INT");
    let ran = process.wait();
    let closed = log(&dir.path().join("o"));
    let told = closed
        .iter()
        .any(|record| record.to_string().contains("-2015"));
    assert!(told, "{closed:?}");
    for text in [&ran.out, &ran.err, &format!("{closed:?}")] {
        assert!(!text.contains(secret), "{text}");
    }
}
