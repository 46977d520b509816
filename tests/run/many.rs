//! `configs/many.toml`: ten exchanges at once, with patterns and lines, in every way a person may
//! run it.

use crate::support::{Process, finished, folder, log, summary, tickwire};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The file with the calmer markets that it offers: a slow build on a shared host does not keep up
/// with several of these runs at once as they stand.
fn many(folder: &Path) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/many.toml");
    let text = fs::read_to_string(path).unwrap();
    let calmer = text.replace("# messages_per_s = 100\n", "messages_per_s = 100\n");
    assert_ne!(calmer, text);
    let path = folder.join("calm.toml");
    fs::write(&path, calmer).unwrap();
    path
}

fn run(folder: &Path, out: &str, more: &[&str]) -> Command {
    let path = many(folder);
    let arguments = ["run", "-v", path.to_str().unwrap(), "--out", out];
    tickwire(folder, &[&arguments[..], more].concat())
}

/// Each book was live and had no fault, and no exchange had to complain.
#[track_caller]
fn check(dir: &Path) -> Value {
    let told = summary(dir);
    assert_eq!(told["left_out"].as_array().unwrap().len(), 0, "{told}");
    let exchanges = told["exchanges"].as_array().unwrap();
    assert_eq!(exchanges.len(), 10);
    for one in exchanges {
        assert_eq!(one["books_live"], one["books"], "{one}");
        assert_eq!(one["bad_frames"], 0, "{one}");
        assert!(one["p50_ns"].as_u64().unwrap() > 0, "{one}");
    }
    let books = told["books"].as_array().unwrap();
    assert_eq!(books.len(), 29);
    for book in books {
        assert!(book["updates"].as_u64().unwrap() > 0, "{book}");
        assert_eq!(
            (&book["gaps"], &book["resyncs"]),
            (&0.into(), &0.into()),
            "{book}"
        );
        let name = format!("{}:", book["exchange"].as_str().unwrap());
        assert!(book["name"].as_str().unwrap().starts_with(&name), "{book}");
    }
    assert_eq!(told["limits_exceeded"], 0);
    told
}

#[test]
fn ten_exchanges_at_once_have_no_fault_and_two_such_runs_share_nothing() {
    let dir = folder();
    let [one, two] =
        ["one", "two"].map(|out| Process::start(run(dir.path(), out, &["--for", "8s"])));
    let (one, two) = (one.wait().expect(0), two.wait().expect(0));
    for (ran, out) in [(one, "one"), (two, "two")] {
        let told = check(&dir.path().join(out));
        let stages = told["stages"].as_array().unwrap();
        // Two feeds have two lines.
        assert!(stages.iter().any(|s| s["stage"] == "lead_0"), "{stages:?}");
        for what in [
            "most traded kept: binance:BTC-USDT",
            "hyperliquid:ETH-USDC-PERP",
            "tick p50",
        ] {
            assert!(ran.out.contains(what), "no {what:?} in\n{}", ran.out);
        }
    }
}

#[test]
fn an_interrupt_in_the_middle_ends_all_of_it_in_order() {
    let dir = folder();
    let mut process = Process::start(run(dir.path(), "o", &[]));
    // Each book is to have had updates by then: a calm one has a few in a second.
    process.until("all live for some seconds", |_, err| {
        (err.matches("books 29/29").count() >= 5).then_some(())
    });
    process.signal("INT");
    process.wait_within(Duration::from_secs(3)).expect(0);
    let told = check(&dir.path().join("o"));
    assert_eq!(told["disk_errors"], 0);
    log(&dir.path().join("o"));
}

#[test]
fn on_one_cpu_ten_exchanges_run_on_one_worker() {
    let dir = folder();
    let command = run(dir.path(), "o", &["--for", "8s"]);
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", "0"])
        .arg(command.get_program())
        .args(command.get_args());
    pinned.current_dir(dir.path());
    finished(pinned).expect(0);
    let told = check(&dir.path().join("o"));
    assert_eq!(told["placement"].as_array().unwrap().len(), 1);
}
