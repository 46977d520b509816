//! `tickwire run` on a host that is not kind: consoles that nobody reads, signals, disks that are
//! full, logs that are rotated, folders that are taken. Each run ends in order, with whole files
//! and a true exit code.

use crate::support::{Process, finished, folder, log, summary, tickwire};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A run that is told to end has ended by then, also on a machine that does other things.
const IN_ORDER: Duration = Duration::from_secs(20);
/// How long a test waits for what must come. A run whose console holds it up never ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// The folder's files as a run leaves them that ended in order.
#[track_caller]
fn whole(dir: &Path) -> Value {
    let told = summary(dir);
    assert_eq!(told["ended"], true, "{told}");
    assert_eq!(told["disk_errors"], 0, "{told}");
    log(dir); // Each line is JSON.
    assert!(!dir.join("run.lock").exists());
    told
}

fn trades(err: &str) -> Option<()> {
    err.contains("  imbalance ").then_some(())
}

#[test]
fn a_console_that_nobody_reads_holds_up_nothing() {
    let dir = folder();
    let (reader, mut full) = std::io::pipe().unwrap();
    let console = full.try_clone().unwrap();
    // Full before the run begins. If a pipe holds less than this, the thread stays in the write.
    let filled = thread::spawn(move || full.write_all(&[b'x'; 1 << 16]));
    thread::sleep(Duration::from_millis(100));
    let mut command = tickwire(dir.path(), &["run", "-v", "--for", "3s", "--out", "o"]);
    command.stdin(Stdio::null());
    command.stdout(console.try_clone().unwrap()).stderr(console);
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    drop(command); // It holds ends of the pipe.
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("still there after {:?}", began.elapsed());
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    let told = whole(&dir.path().join("o"));
    assert!(told["console_lost"].as_u64().unwrap() > 3, "{told}");
    assert_eq!(told["notes_lost"], 0);
    drop(reader);
    let _ = filled.join(); // A broken pipe ends it, too.
}

#[test]
fn a_console_that_is_gone_is_nobodys_error() {
    let dir = folder();
    let config = dir.path().join("left.toml");
    // One feed is simulated and one cannot be reached: that is said on a standard error without a
    // reader.
    let text = include_str!("../../configs/many.toml");
    let from = text.find("[strategy]").unwrap();
    let feeds = "[simulate]\nseed = 1\n[[feed]]\nexchange = \"binance\"\n\
                 instruments = [\"BTCUSDT\"]\n\
                 [[feed]]\nexchange = \"kraken\"\nvia = \"127.0.0.1:1\"\n\
                 instruments = [\"BTC/USD\"]\n";
    fs::write(&config, format!("{feeds}{}", &text[from..])).unwrap();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tickwire(
        dir.path(),
        &[
            "run",
            "left.toml",
            "--for",
            "1s",
            "--down-max",
            "60s",
            "--out",
            "o",
        ],
    );
    command
        .stdin(Stdio::null())
        .stdout(gone.try_clone().unwrap())
        .stderr(gone);
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(0));
    let told = whole(&dir.path().join("o"));
    assert_eq!(told["left_out"].as_array().unwrap().len(), 1);
}

#[test]
fn every_way_to_ask_for_the_end_ends_a_run_in_order() {
    for signals in [&["HUP"][..], &["TERM"], &["TERM", "TERM"], &["INT", "INT"]] {
        let dir = folder();
        let mut process = Process::start(tickwire(dir.path(), &["run", "--out", "o"]));
        process.until("traded", |_, err| trades(err));
        for signal in signals {
            process.signal(signal);
            thread::sleep(Duration::from_millis(30));
        }
        process.wait_within(IN_ORDER).expect(0);
        let told = whole(&dir.path().join("o"));
        assert!(told["orders"]["sent"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_hang_up_that_whoever_started_it_ignores_ends_nothing() {
    let dir = folder();
    let inner = tickwire(dir.path(), &["run", "--for", "3s", "--out", "o"]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(dir.path());
    let mut process = Process::start(command);
    process.until("began", |out, _| out.contains("files: o").then_some(()));
    process.signal("HUP");
    process.wait().expect(0);
    let told = whole(&dir.path().join("o"));
    assert!(told["duration_ns"].as_u64().unwrap() >= 2_900_000_000);
}

#[test]
fn a_start_that_hangs_ends_when_it_is_asked_to() {
    let dir = folder();
    // It lets connect, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let via = silent.local_addr().unwrap();
    let text = include_str!("../../configs/many.toml");
    let from = text.find("[strategy]").unwrap();
    let feed =
        format!("[[feed]]\nexchange = \"binance\"\nvia = \"{via}\"\ninstruments = [\"BTCUSDT\"]\n");
    fs::write(dir.path().join("hang.toml"), feed + &text[from..]).unwrap();
    let process = Process::start(tickwire(dir.path(), &["run", "hang.toml", "--out", "o"]));
    let (_connection, _) = silent.accept().unwrap();
    process.signal("TERM");
    // A request would have gone on for ten seconds.
    process.wait_within(Duration::from_secs(8)).expect(0);
    assert_eq!(summary(&dir.path().join("o"))["ended"], true);
}

/// A run whose files may not grow beyond this many blocks of 512 bytes.
fn limited(dir: &Path, blocks: u32, time: &str) -> Command {
    let inner = tickwire(dir, &["run", "--for", time, "--out", "o"]);
    let mut command = Command::new("sh");
    let script = format!("ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]);
    command.arg(inner.get_program()).args(inner.get_args());
    command.current_dir(dir);
    command
}

fn count(lines: &[Value], event: &str) -> u64 {
    lines.iter().filter(|line| line["event"] == event).count() as u64
}

#[test]
fn a_disk_that_is_full_costs_files_and_the_result_is_shown() {
    let dir = folder();
    // By pipes: a file that takes what is printed would be too long as well.
    let ran = limited(dir.path(), 8, "4s").output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert_eq!(ran.status.code(), Some(1), "{out}\n{err}");
    assert!(out.contains("stage "), "no table in\n{out}");
    assert!(
        err.contains("not whole") && !err.contains("panicked"),
        "{err}"
    );
    // What is there is whole, if it is not the last.
    if let Ok(text) = fs::read_to_string(dir.path().join("o/summary.json")) {
        serde_json::from_str::<Value>(&text).unwrap();
    }
}

#[test]
fn no_order_goes_out_whose_record_cannot_be_written_and_those_that_did_have_theirs_once_it_can() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return; // It is what makes room on the disk again.
    }
    let dir = folder();
    let mut process = Process::start(limited(dir.path(), 32, "20s"));
    let path = dir.path().join("o/log.jsonl");
    let size = || fs::metadata(&path).map_or(0, |log| log.len());
    process.until("full", |_, _| (size() >= 16 << 10).then_some(()));
    thread::sleep(Duration::from_secs(2));
    assert_eq!(size(), 16 << 10, "nothing more fits");
    let id = process.id().to_string();
    let made_room = Command::new("prlimit")
        .args(["--pid", &id, "--fsize=unlimited"])
        .status();
    assert!(made_room.unwrap().success());
    process.until("back", |_, err| {
        err.contains("scribe.disk_back").then_some(())
    });
    thread::sleep(Duration::from_secs(1));
    process.signal("TERM");
    let ran = process.wait().expect(1);
    assert!(ran.err.contains("not whole"), "{}", ran.err);
    let told = summary(&dir.path().join("o"));
    let lines = log(&dir.path().join("o"));
    let orders = &told["orders"];
    assert_eq!(told["notes_lost"], 0, "{told}");
    assert!(
        orders["refused"]["unrecorded"].as_u64().unwrap() > 0,
        "{orders}"
    );
    // Each order that left has its record, and its answer too.
    assert_eq!(
        count(&lines, "order.admitted"),
        orders["sent"].as_u64().unwrap()
    );
    assert_eq!(
        count(&lines, "order.acked"),
        orders["acked"].as_u64().unwrap()
    );
    let at = |event: &str| lines.iter().position(|line| line["event"] == event);
    let (full, back) = (at("scribe.disk").unwrap(), at("scribe.disk_back").unwrap());
    let between = count(&lines[full..back], "order.admitted");
    assert!(between <= 2, "{between} orders while the disk was full");
    assert!(count(&lines[back..], "order.admitted") > 0, "and then on");
}

#[test]
fn a_log_that_is_rotated_by_truncation_gets_no_hole() {
    let dir = folder();
    let mut process = Process::start(tickwire(dir.path(), &["run", "--out", "o"]));
    process.until("traded", |_, err| trades(err));
    let path = dir.path().join("o/log.jsonl");
    fs::File::options()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    let more = || fs::metadata(&path).unwrap().len() > 1_000;
    process.until("goes on", |_, _| more().then_some(()));
    process.signal("TERM");
    process.wait().expect(0);
    assert!(!fs::read(&path).unwrap().contains(&0));
    whole(&dir.path().join("o"));
}

#[test]
fn a_folder_belongs_to_one_run_and_one_that_was_killed_can_be_reported() {
    let dir = folder();
    let arguments = ["run", "--out", "o"];
    let mut first = Process::start(tickwire(dir.path(), &arguments));
    first.until("traded", |_, err| trades(err));
    let second = finished(tickwire(dir.path(), &arguments)).expect(2);
    assert!(second.err.contains("goes on"), "{}", second.err);
    let report = finished(tickwire(dir.path(), &["report", "o"])).expect(0);
    assert!(report.out.contains("this run goes on"), "{}", report.out);

    // Two seconds of intervals are on the disk by then, and the log up to the last moment.
    thread::sleep(Duration::from_millis(2_500));
    first.signal("KILL");
    assert_eq!(first.wait().code, None);
    let report = finished(tickwire(dir.path(), &["report", "o"])).expect(0);
    assert!(report.out.contains("this run was killed"), "{}", report.out);
    for stage in ["read", "tick_to_wire"] {
        let row = report.out.lines().find(|line| line.starts_with(stage));
        assert!(row.is_some(), "no {stage} in\n{}", report.out);
    }
    let third = finished(tickwire(dir.path(), &arguments)).expect(2);
    assert!(third.err.contains("holds another run"), "{}", third.err);
}
