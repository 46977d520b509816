//! Recordings of a simulated exchange in another process: whole, cut, damaged, and replayed.

use crate::support::{Process, Ran, Sim, finished, folder, json_lines, summary, tickwire};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[test]
fn what_was_recorded_replays_to_the_digests_of_the_live_books() {
    let world = World::new(&["BTCUSDT", "ETHUSDT"], "");
    let ran = finished(tickwire(
        world.path(),
        &["record", "c.toml", "--out", "r", "--for", "5s"],
    ));
    let ran = ran.expect(0);
    assert!(
        ran.out.contains("recorded: ") && ran.out.contains(" 0 lost"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("orders: none"), "{}", ran.out);
    assert!(ran.err.contains("books 2/2"), "{}", ran.err);

    let live = summary(&world.path().join("r"));
    assert_eq!(live["orders"]["sent"], 0);
    let books = live["books"].as_array().unwrap();
    let live: BTreeMap<String, (u64, String)> =
        books.iter().map(|b| book(b, "symbol", "updates")).collect();
    assert!(
        live.values()
            .all(|(updates, sha256)| *updates > 20 && sha256.len() == 64),
        "{live:?}"
    );
    for name in ["r", "r/binance"] {
        assert_eq!(world.replayed(name), live, "{name}");
    }

    let verified = world.verify("r").expect(0);
    assert!(
        verified.out.contains("whole    binance-00001.jsonl.gz"),
        "{}",
        verified.out
    );
    assert!(verified.out.contains("ended in order"), "{}", verified.out);
    // Metadata and snapshots are in it as they came, under the exchange's own names.
    let text = unpacked(&world.path().join("r/binance-00001.jsonl.gz"));
    let lines = json_lines(&text);
    let rest: Vec<&str> = lines
        .iter()
        .filter(|line| line["kind"] == "rest")
        .map(|line| line["conn"].as_str().unwrap())
        .collect();
    assert!(
        rest[0].starts_with("https://api.binance.com/api/v3/exchangeInfo"),
        "{rest:?}"
    );
    assert_eq!(
        rest.iter()
            .filter(|url| url.contains("/depth?symbol="))
            .count(),
        2,
        "{rest:?}"
    );
    assert!(lines.is_sorted_by_key(|line| line["ts_ns"].as_u64()));

    let again = finished(tickwire(
        world.path(),
        &["record", "-v", "c.toml", "--out", "r"],
    ))
    .expect(2);
    assert!(
        again.err.contains("holds a recording already"),
        "{}",
        again.err
    );
}

#[test]
fn two_lines_and_several_connections_make_one_recording() {
    let world = World::new(
        &["BTCUSDT", "ETHUSDT"],
        "lines = 2\ninstruments_per_connection = 1\n",
    );
    let mut recorder = world.start(&[]);
    recorder.until("live", |_, err| err.contains("books 2/2").then_some(()));
    std::thread::sleep(std::time::Duration::from_secs(3));
    recorder.signal("INT");
    recorder.wait().expect(0);
    let live = summary(&world.path().join("r"));
    let books = live["books"].as_array().unwrap();
    let live: BTreeMap<_, _> = books.iter().map(|b| book(b, "symbol", "updates")).collect();
    assert_eq!(world.replayed("r"), live);
    let text = unpacked(&world.path().join("r/binance-00001.jsonl.gz"));
    assert!(text.contains("#1.1."), "the second line is marked");
    world.verify("r").expect(0);
}

#[test]
fn a_recorder_that_is_killed_leaves_what_can_be_verified_and_replayed() {
    killed_leaves_a_recording(&[], "binance-00001.jsonl.gz");
}

#[test]
fn so_does_one_that_packs_with_zstd() {
    killed_leaves_a_recording(&["--zstd"], "binance-00001.jsonl.zst");
}

fn killed_leaves_a_recording(more: &[&str], name: &str) {
    let world = World::new(&["BTCUSDT"], "");
    let mut recorder = world.start(more);
    // A member of the file is a second long: some are on the disk by then.
    recorder.until("live for some seconds", |_, err| {
        (err.matches("books 1/1").count() > 4).then_some(())
    });
    recorder.signal("KILL");
    recorder.wait();
    let verified = world.verify("r").expect(0);
    let cut = format!("cut      {name}");
    assert!(verified.out.contains(&cut), "{}", verified.out);
    assert!(
        verified.out.contains("did not end in order"),
        "{}",
        verified.out
    );
    let books = world.replayed("r");
    assert!(books["BTCUSDT"].0 > 20, "{books:?}");

    // Also when the kernel had taken only a part of the last write.
    let path = world.path().join("r").join(name);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    let verified = world.verify("r").expect(0);
    assert!(verified.out.contains("are of no use"), "{}", verified.out);
    let fewer = world.replayed("r");
    assert!(fewer["BTCUSDT"].0 < books["BTCUSDT"].0, "{fewer:?}");
}

#[test]
fn a_byte_that_was_changed_is_found() {
    let world = World::new(&["BTCUSDT"], "");
    finished(tickwire(
        world.path(),
        &["record", "c.toml", "--out", "r", "--for", "8s"],
    ))
    .expect(0);
    let path = world.path().join("r/binance-00001.jsonl.gz");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let verified = world.verify("r").expect(1);
    assert!(
        verified.out.contains("DAMAGED  binance-00001.jsonl.gz"),
        "{}",
        verified.out
    );
    assert!(
        verified.err.contains("the recording is damaged"),
        "{}",
        verified.err
    );
}

#[test]
fn a_disk_without_room_ends_the_recording_with_what_is_on_it() {
    let world = World::new(&["BTCUSDT"], "");
    // Files of more than 24 KiB are refused, as a full disk would refuse them.
    let mut command = std::process::Command::new("bash");
    let line = "trap '' XFSZ; ulimit -f 24; exec \"$0\" record c.toml --out r --for 50s";
    command.args(["-c", line, env!("CARGO_BIN_EXE_tickwire")]);
    command.current_dir(world.path());
    let ran = finished(command).expect(1);
    let why = "the recording ended early: binance-00001.jsonl.gz: ";
    assert!(ran.err.contains(why), "{}", ran.err);
    let verified = world.verify("r").expect(0);
    assert!(
        verified.out.contains("cut      binance-00001.jsonl.gz"),
        "{}",
        verified.out
    );
    assert!(!world.replayed("r").is_empty());
}

#[test]
fn folders_that_hold_no_recording_or_cannot_hold_one_are_said_to() {
    let folder = folder();
    let run = |arguments: &[&str]| finished(tickwire(folder.path(), arguments));
    fs::create_dir(folder.path().join("empty")).unwrap();
    let said = run(&["record", "--verify", "empty"]).expect(1);
    assert!(
        said.err.contains("empty: holds no recording"),
        "{}",
        said.err
    );
    let said = run(&["record", "--verify", "nowhere"]).expect(1);
    assert!(said.err.contains("nowhere: "), "{}", said.err);
    let said = run(&["replay", "empty", "--digest"]).expect(1);
    assert!(said.err.contains("empty: "), "{}", said.err);
    run(&["record"]).expect(2);
    run(&["record", "--verify", "empty", "--out", "r"]).expect(2);

    fs::write(folder.path().join("file"), "").unwrap();
    let feed = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n";
    fs::write(folder.path().join("c.toml"), feed).unwrap();
    let said = run(&["record", "c.toml", "--out", "file"]).expect(2);
    assert!(said.err.contains("file: is not a folder"), "{}", said.err);
}

/// A simulated exchange, and a configuration that records it.
struct World {
    folder: tempfile::TempDir,
    _sim: Sim,
}

impl World {
    fn new(instruments: &[&str], more: &str) -> Self {
        let folder = folder();
        let sim = Sim::start(folder.path(), "127.0.0.1:0", "ca.pem", &["--seed", "1"]);
        fs::write(folder.path().join("c.toml"), sim.feed(instruments) + more).unwrap();
        Self { folder, _sim: sim }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self, more: &[&str]) -> Process {
        let arguments = ["record", "-v", "c.toml", "--out", "r"];
        Process::start(tickwire(self.path(), &[&arguments, more].concat()))
    }

    fn verify(&self, dir: &str) -> Ran {
        finished(tickwire(self.path(), &["record", "--verify", dir]))
    }

    /// Updates and digest of each book.
    fn replayed(&self, name: &str) -> BTreeMap<String, (u64, String)> {
        let ran = finished(tickwire(self.path(), &["replay", name, "--digest"])).expect(0);
        let books = json_lines(&ran.out);
        books.iter().map(|b| book(b, "symbol", "applied")).collect()
    }
}

fn book(book: &Value, name: &str, updates: &str) -> (String, (u64, String)) {
    let text = |key: &str| book[key].as_str().unwrap().to_owned();
    (
        text(name),
        (book[updates].as_u64().unwrap(), text("sha256")),
    )
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let mut gz = flate2::read::MultiGzDecoder::new(fs::File::open(path).unwrap());
    std::io::Read::read_to_string(&mut gz, &mut text).unwrap();
    text
}
