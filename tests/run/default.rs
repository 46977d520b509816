//! `tickwire run` as a stranger starts it: what it prints, what it leaves behind, and how it ends.

use crate::support::write_gz;
use crate::support::{
    Process, Sim, finished, folder, json_lines, log, recording, summary, tickwire,
};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tickwire::watch::Stage;
use tickwire::watch::hdr::parse_hgrm;

#[test]
fn the_default_run_shows_and_leaves_what_was_promised() {
    let folder = folder();
    let out = folder.path().join("out");
    let arguments = ["run", "-v", "--for", "9s", "--out", "out"];
    let mut process = Process::start(tickwire(folder.path(), &arguments));
    process.until("traded", |_, err| err.contains("order.acked").then_some(()));
    let resident_kib = process.resident_kib_max();
    let ran = process.wait().expect(0);
    assert!(resident_kib < 64 * 1024, "{resident_kib} KiB");

    for what in [
        "placement: ",
        "worker 0",
        "feed 0",
        "desk",
        "gateway",
        "files: out",
    ] {
        assert!(ran.out.contains(what), "no {what:?} in\n{}", ran.out);
    }
    let table = ran.out.lines().find(|line| line.starts_with("stage "));
    for head in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        assert!(table.expect("a table").contains(head), "{table:?}");
    }
    let status = ran.err.lines().filter(|line| line.contains(" msg/s "));
    assert!(
        (7..=11).contains(&status.count()),
        "one a second:\n{}",
        ran.err
    );

    let summary = summary(&out);
    check_books(&summary);
    check_orders_and_workers(&summary);
    check_stages(&summary, &out);
    report_of(folder.path(), "out");
}

fn check_books(summary: &Value) {
    let books = summary["books"].as_array().unwrap();
    assert_eq!(books.len(), 3);
    for book in books {
        assert!(book["updates"].as_u64().unwrap() > 20, "{book}");
        for key in ["gaps", "resyncs", "wrong_ns", "incomplete", "unverified"] {
            assert_eq!(book[key], 0, "{key} of {book}");
        }
        assert!(book["symbol"].as_str().unwrap().ends_with("USDT"));
        assert_eq!(book["sha256"].as_str().unwrap().len(), 64);
    }
    for key in ["notes_lost", "audit_lost", "disk_errors"] {
        assert_eq!(summary[key], 0, "{key}");
    }
}

fn check_orders_and_workers(summary: &Value) {
    let orders = &summary["orders"];
    let [sent, acked, rejected] =
        ["sent", "acked", "rejected"].map(|k| orders[k].as_u64().unwrap());
    assert!(sent > 0 && acked > 0, "{orders}");
    assert!(
        acked + rejected <= sent && sent <= acked + rejected + 1,
        "{orders}"
    );
    let workers = summary["workers"].as_array().unwrap();
    assert_eq!(
        workers.len(),
        summary["placement"].as_array().unwrap().len()
    );
    for worker in workers {
        for key in [
            "gap_max_ns",
            "turns",
            "faults_minor",
            "faults_major",
            "switches_involuntary",
        ] {
            assert!(worker[key].is_u64(), "{key} of {worker}");
        }
        assert!(worker["turns"].as_u64().unwrap() > 0);
    }
}

/// The files of a stage hold the values that the summary counts.
fn check_stages(summary: &Value, out: &Path) {
    let stages = summary["stages"].as_array().unwrap();
    let names: Vec<&str> = stages
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    let single = |stage: &&Stage| !Stage::LEADS.contains(stage); // Of one line nothing leads.
    let all: Vec<&str> = Stage::ALL
        .iter()
        .filter(single)
        .map(|stage| stage.name())
        .collect();
    assert_eq!(names, all, "every stage, in the order of the road");
    for stage in stages {
        let name = stage["stage"].as_str().unwrap();
        let mut last = 0;
        for key in ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"] {
            let value = stage[key].as_u64().unwrap();
            assert!(value >= last, "{key} of {stage}");
            last = value;
        }
        let log = fs::read(out.join(format!("latency/{name}.hlog"))).unwrap();
        assert_eq!(stage["count"], values(&log), "{name}.hlog");
        let curve = fs::read_to_string(out.join(format!("latency/{name}.hgrm"))).unwrap();
        assert!(!parse_hgrm(&curve).unwrap().is_empty(), "{name}.hgrm");
    }
}

/// Values in an interval log, as the HdrHistogram library itself reads it.
fn values(log: &[u8]) -> u64 {
    use base64::Engine as _;
    let mut count = 0;
    for entry in IntervalLogIterator::new(log) {
        let LogEntry::Interval(interval) = entry.expect("an interval log") else {
            continue;
        };
        let base64 = base64::engine::general_purpose::STANDARD;
        let bytes = base64.decode(interval.encoded_histogram()).unwrap();
        let values: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        count += values.len();
    }
    count
}

/// The table again and a page, alone and beside itself, and into a pipe that nobody reads.
fn report_of(folder: &Path, run: &str) {
    let page = folder.join(run).join("report.html");
    for arguments in [&["report", run][..], &["report", run, "--against", run]] {
        let ran = finished(tickwire(folder, arguments)).expect(0);
        assert!(ran.out.contains("tick_to_wire_safe"), "{}", ran.out);
        let html = fs::read_to_string(&page).unwrap();
        assert!(html.contains("<svg") && html.contains("tick_to_wire"));
        assert!(
            !html.contains("http://") || html.contains("www.w3.org"),
            "self-contained"
        );
        fs::remove_file(&page).unwrap();
    }
    unread(tickwire(folder, &["report", run]));
    let again = finished(tickwire(folder, &["run", "--out", run])).expect(2);
    assert!(again.err.contains("holds another run"), "{}", again.err);
}

/// Nobody reads: the command ends quietly all the same.
fn unread(mut command: Command) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*err), (Some(0), ""), "{command:?}");
}

#[test]
fn commands_whose_reader_goes_away_end_quietly() {
    let folder = folder();
    let file = folder.path().join("r.jsonl.gz");
    write_gz(&file, &recording(&[1, 2, 3]));
    unread(tickwire(
        folder.path(),
        &["replay", "--digest", "r.jsonl.gz"],
    ));
    let configs = Path::new(env!("CARGO_MANIFEST_DIR"));
    unread(tickwire(configs, &["check", "configs/binance.toml"]));
}

#[test]
fn an_interrupt_ends_a_run_in_order_and_its_files_are_whole() {
    for (signal, after) in [
        ("INT", "books 3/3"),
        ("TERM", "link.open"),
        ("INT", "files: "),
    ] {
        let folder = folder();
        let mut process = Process::start(tickwire(
            folder.path(),
            &["run", "--for", "50s", "--out", "o"],
        ));
        process.until(after, |out, err| {
            (out.contains(after) || err.contains(after)).then_some(())
        });
        process.signal(signal);
        process.wait_within(Duration::from_secs(2)).expect(0);
        let out = folder.path().join("o");
        let summary = summary(&out);
        assert_eq!(summary["disk_errors"], 0);
        log(&out);
        for stage in summary["stages"].as_array().unwrap() {
            let name = stage["stage"].as_str().unwrap();
            let intervals = fs::read(out.join(format!("latency/{name}.hlog"))).unwrap();
            assert_eq!(stage["count"], values(&intervals), "{name}.hlog");
        }
    }
}

#[test]
fn two_runs_at_once_share_nothing() {
    let folder = folder();
    // Neither says where its files go, so both find a folder of their own under `runs/`.
    let start = || Process::start(tickwire(folder.path(), &["run", "--for", "8s"]));
    let runs = [start(), start()];
    for run in runs {
        run.wait().expect(0);
    }
    let dirs: Vec<_> = fs::read_dir(folder.path().join("runs")).unwrap().collect();
    assert_eq!(dirs.len(), 2);
    for dir in dirs {
        let summary = summary(&dir.unwrap().path());
        assert_eq!(summary["books"].as_array().unwrap().len(), 3);
        assert_eq!(summary["audit_lost"], 0);
    }
}

#[test]
fn on_one_cpu_everything_is_one_worker_and_says_so() {
    let folder = folder();
    let mut command = Command::new("taskset");
    command.args([
        "-c",
        "0",
        env!("CARGO_BIN_EXE_tickwire"),
        "run",
        "--for",
        "10s",
        "--out",
        "o",
    ]);
    command.current_dir(folder.path());
    let ran = finished(command).expect(0);
    let said = "park (auto: 1 CPU(s), and spinning takes 3: the whole road on one worker)";
    assert!(ran.out.contains(said), "{}", ran.out);
    let summary = summary(&folder.path().join("o"));
    let placement = summary["placement"].as_array().unwrap();
    assert_eq!(placement.len(), 1);
    assert_eq!(placement[0]["cpu"], 0, "pinned where it may run");
    assert_eq!(
        placement[0]["lanes"],
        serde_json::json!(["feed 0", "desk", "gateway"])
    );
    check_books_moved(&summary);
}

#[test]
fn the_way_of_waiting_is_chosen_and_said() {
    for wait in ["spin", "park"] {
        let folder = folder();
        let arguments = ["run", "--wait", wait, "--for", "8s", "--out", "o"];
        let ran = finished(tickwire(folder.path(), &arguments)).expect(0);
        let chosen = format!("placement: {wait} ({wait} was asked for");
        assert!(ran.out.contains(&chosen), "{}", ran.out);
        let summary = summary(&folder.path().join("o"));
        assert_eq!(summary["wait"], wait);
        let placement = summary["placement"].as_array().unwrap();
        for worker in placement {
            assert_eq!(worker["wait"], wait);
        }
        if wait == "park" {
            let lanes = serde_json::json!(["feed 0", "desk", "gateway"]);
            assert_eq!(placement.len(), 1, "whatever the CPUs");
            assert_eq!(placement[0]["lanes"], lanes);
        }
        check_books_moved(&summary);
    }
}

fn check_books_moved(summary: &Value) {
    for book in summary["books"].as_array().unwrap() {
        assert!(book["updates"].as_u64().unwrap() > 3, "{book}");
        assert_eq!(
            (&book["gaps"], &book["wrong_ns"]),
            (&0.into(), &0.into()),
            "{book}"
        );
    }
}

#[test]
fn with_json_logs_every_line_is_a_record() {
    let folder = folder();
    let arguments = ["run", "--for", "8s", "--log", "json", "--out", "o"];
    let ran = finished(tickwire(folder.path(), &arguments)).expect(0);
    let records = json_lines(&ran.err);
    let of = |event: &'static str| {
        records
            .iter()
            .filter(move |record| record["event"] == event)
    };
    for record in &records {
        let time = record["time"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).is_ok(), "{record}");
        assert!(
            record["level"].is_string() && record["event"].is_string(),
            "{record}"
        );
    }
    let open = of("link.open").next().expect("a connection");
    assert_eq!(
        (&open["exchange"], &open["epoch"]),
        (&"binance".into(), &1.into())
    );
    assert!(of("book.status").all(|record| record["instrument"].is_string()));
    // One a second, as far as the host lets it.
    let lasted_s = summary(&folder.path().join("o"))["duration_ns"]
        .as_u64()
        .unwrap()
        / 1_000_000_000;
    assert!((1..=lasted_s + 1).contains(&(of("run.status").count() as u64)));
    assert!(of("run.status").all(|record| record["books"] == 3));
}

#[test]
fn idle_in_park_the_engine_uses_under_a_twentieth_of_a_core() {
    let folder = folder();
    // Two diffs, then silence for longer than the test takes.
    write_gz(
        &folder.path().join("r.gz"),
        &recording(&[1, 100_000_000, 60_000_000_000]),
    );
    let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &["--play", "r.gz"]);
    let config = format!("[engine]\nwait = \"park\"\n{}", sim.feed(&["BTCUSDT"]));
    fs::write(folder.path().join("c.toml"), config).unwrap();
    let mut engine = Process::start(tickwire(folder.path(), &["run", "c.toml", "--out", "o"]));
    engine.until("live", |_, err| err.contains("books 1/1").then_some(()));

    let (before, began) = (engine.cpu_s(), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let share = (engine.cpu_s() - before) / began.elapsed().as_secs_f64();
    engine.signal("INT");
    let ran = engine.wait().expect(0);
    assert!(
        share < 0.05,
        "{:.1} % of a core\n{}",
        share * 100.0,
        ran.err
    );
    println!("idle in park: {:.2} % of a core", share * 100.0);
}
