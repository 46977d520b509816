//! `tickwire bench` as a process: this engine against itself, clients that fail, and the gate of a
//! baseline.

use crate::support::{Process, Ran, finished, folder, is_there, processes_below, tickwire};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The shortest bench of this engine against itself.
fn against_itself(folder: &Path, more: &[&str]) -> Ran {
    let short = ["bench", "--repetitions", "1", "--rate", "4000"];
    let arguments = [&short, more, &["--against", "other=tickwire"]].concat();
    finished(tickwire(folder, &arguments))
}

/// A baseline in which this engine takes so many times as long as itself.
fn baseline(folder: &Path, ratio: f64) {
    let figure = json!({"ratio": {"median": ratio}});
    let figures = json!({"spin_p50_ns": figure, "park_p50_ns": figure});
    let file = json!({"base": "other", "rows": [{"name": "tickwire", "figures": figures}]});
    fs::write(folder.join("baseline.json"), file.to_string()).unwrap();
}

#[test]
fn this_engine_answers_every_trigger_and_is_no_worse_than_a_lenient_baseline() {
    let folder = folder();
    baseline(folder.path(), 1e6);
    let files = [
        "--flood",
        "1000",
        "--json",
        "all.json",
        "--baseline",
        "baseline.json",
    ];
    let ran = against_itself(folder.path(), &files).expect(0);
    for head in [
        "spinning p50",
        "parked p99",
        "per flooded message",
        "/ other",
        "rank",
    ] {
        assert!(ran.out.contains(head), "no {head}:\n{}", ran.out);
    }
    assert!(!ran.out.contains("not answered"), "{}", ran.out);
    assert!(
        ran.err.contains("not worse than baseline.json: 2 ratios"),
        "{}",
        ran.err
    );
    let text = fs::read_to_string(folder.path().join("all.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let rows = all["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{all}");
    for row in rows {
        assert_eq!(
            (&row["answered"], &row["triggers"]),
            (&120.into(), &120.into()),
            "{row}"
        );
        assert_eq!(row["strays"], 0, "{row}");
        for key in ["spin_p50_ns", "park_p99_ns", "flood_cpu_ns_per_message"] {
            assert!(
                row["figures"][key]["median"].as_f64().unwrap() > 0.0,
                "{key}: {row}"
            );
        }
    }
}

#[test]
fn a_ratio_beyond_the_baseline_ends_it_with_code_1() {
    let folder = folder();
    baseline(folder.path(), 1e-6);
    let ran = against_itself(
        folder.path(),
        &["--flood", "0", "--baseline", "baseline.json"],
    );
    let ran = ran.expect(1);
    assert!(ran.err.contains("worse than the baseline"), "{}", ran.err);
    assert!(ran.out.contains("| tickwire"), "{}", ran.out);
}

#[test]
fn a_client_that_never_connects_answers_nothing_or_dies_is_an_error_that_says_so() {
    let folder = folder();
    for (client, said) in [
        ("quiet=sleep 100", "never followed the books"),
        ("gone=echo 'no such host' >&2; false", "no such host"),
    ] {
        let arguments = ["bench", "--client", client, "--patience", "1s"];
        let ran = finished(tickwire(folder.path(), &arguments)).expect(1);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

#[test]
fn wrong_words_and_files_that_cannot_be_used_are_refused_before_anything_runs() {
    let folder = folder();
    for (arguments, code, said) in [
        (&["--speed", "7"][..], 2, "unexpected argument"),
        (&["--pairs", "0"], 2, "1 to 1000"),
        (&["--baseline", "a.json"], 2, "--against"),
        (
            &["--against", "tickwire"],
            2,
            "two clients are called tickwire",
        ),
        (
            &["--against", "b=tickwire", "--baseline", "a.json"],
            2,
            "is no baseline",
        ),
        (&["--json", "no/such/folder/a.json"], 1, "cannot write"),
    ] {
        let arguments = [&["bench"], arguments].concat();
        let ran = finished(tickwire(folder.path(), &arguments)).expect(code);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
}

/// A bench of this client, and the processes below it once there are so many.
fn with_processes(folder: &Path, client: &str, count: usize) -> (Process, Vec<u32>) {
    let arguments = ["bench", "--client", client, "--patience", "60s"];
    let mut bench = Process::start(tickwire(folder, &arguments));
    let id = bench.id();
    let below = bench.until("its client's processes", |_, _| {
        let below = processes_below(id);
        (below.len() >= count).then_some(below)
    });
    (bench, below)
}

fn assert_gone(processes: &[u32]) {
    for id in processes {
        assert!(!is_there(*id), "{id} of {processes:?} is left");
    }
}

#[test]
fn an_interrupted_bench_leaves_no_process_behind() {
    // A live run of this engine has a guard.
    for (client, count) in [("quiet=sleep 100", 1), ("tickwire", 2)] {
        let folder = folder();
        let (bench, below) = with_processes(folder.path(), client, count);
        bench.signal("INT");
        let ran = bench.wait().expect(1);
        assert!(ran.err.contains("a signal ended the bench"), "{}", ran.err);
        assert_gone(&below);
    }
}

#[test]
fn a_client_that_is_killed_leaves_no_guard_behind() {
    let folder = folder();
    let (bench, below) = with_processes(folder.path(), "tickwire", 2);
    let engine = below[0].to_string();
    let killed = Command::new("kill").args(["-s", "KILL", &engine]).status();
    assert!(killed.unwrap().success());
    let ran = bench.wait().expect(1);
    assert!(ran.err.contains("it ended before"), "{}", ran.err);
    assert_gone(&below);
}
