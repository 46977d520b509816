//! Two strategies of one desk, one of which panics: what becomes of the other one's turns.

use crate::quoting::{example, lines, until};
use crate::support::{Process, folder, summary};
use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// The one that panics is asked first, for every event.
const TWO: &str = r#"
[engine]
wait = "park"

[simulate]
seed = 5
instruments = 3
messages_per_s = 600

[[feed]]
exchange = "binance"
instruments = ["*"]

[[strategy]]
name = "broken"
ticks = 40
quantity = "0.01"

[[strategy]]
name = "imbalance"
threshold = 0.05
cooldown_ms = 20
quantity = "0.01"

[risk]
quantity_max = "1"
notional_max = "1000000"
price_collar_bps = 500
orders_per_s = 1000
open_orders_max = 64
"#;

/// Orders of the survivor before the panic, and as many after it.
fn orders() -> usize {
    let asked = std::env::var("TICKWIRE_SURVIVES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(40)
}

/// Nanoseconds from the ring to the survivor's decision, of each of its orders.
fn turns(log: &[Value]) -> Vec<u64> {
    let receipts = log.iter().filter(|one| one["event"] == "order.receipt");
    let own = receipts.filter(|one| one["strategy"] == "imbalance");
    let ns = |one: &Value, name: &str| one[name].as_u64().unwrap();
    own.map(|one| ns(one, "queue_ns") + ns(one, "decide_ns"))
        .collect()
}

/// The seconds of the run before and after this moment, less the one that it is in: of each, how
/// many books the desk took, and how long they had waited for it.
fn seconds(run: &Path, at: Duration) -> [Vec<Histogram<u64>>; 2] {
    let log = fs::read(run.join("latency/queue.hlog")).unwrap();
    let mut both = [Vec::new(), Vec::new()];
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.unwrap() else {
            continue;
        };
        let base64 = base64::engine::general_purpose::STANDARD;
        let bytes = base64.decode(interval.encoded_histogram()).unwrap();
        let values = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        let begin = interval.start_timestamp();
        match (begin + interval.duration() < at, begin > at) {
            (true, _) => both[0].push(values),
            (_, true) => both[1].push(values),
            (false, false) => {}
        }
    }
    both
}

fn p99(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all[(all.len() * 99 / 100).min(all.len() - 1)]
}

fn p99_of(seconds: &[Histogram<u64>]) -> u64 {
    let mut all = Histogram::new(3).unwrap();
    seconds.iter().for_each(|one| all.add(one).unwrap());
    all.value_at_quantile(0.99)
}

#[test]
fn when_one_strategy_panics_the_other_one_goes_on_deciding_and_misses_no_book() {
    let folder = folder();
    let dir = folder.path();
    fs::write(dir.join("c.toml"), TWO).unwrap();
    let mut command = Command::new(example().with_file_name("broken"));
    let arguments = ["run", "c.toml", "--log", "json", "--out", "o"];
    command.args(arguments).current_dir(dir);
    let engine = Process::start(command);
    let log = || lines(&dir.join("o/log.jsonl"));
    let decided =
        |least: usize| until("decisions", || (turns(&log()).len() >= least).then_some(()));
    decided(orders());
    fs::write(dir.join("panic"), "").unwrap();
    let at = until("its name", || {
        let log = log();
        let at = log
            .iter()
            .position(|one| one["event"] == "strategy.panicked")?;
        assert_eq!(log[at]["strategy"], "broken");
        Some(at)
    });
    let moment = UNIX_EPOCH.elapsed().unwrap();
    decided(turns(&log()[..at]).len() + orders());
    // Two whole seconds after it, at least, in the histograms.
    let seconds_after = || seconds(&dir.join("o"), moment)[1].len();
    until("histograms", || (seconds_after() >= 2).then_some(()));
    engine.signal("INT");
    assert_eq!(engine.wait().code, Some(0));

    let log = log();
    let (before, after) = log.split_at(at);
    let broken = |one: &&Value| one["event"] == "order.admitted" && one["strategy"] == "broken";
    assert!(before.iter().filter(broken).count() >= 2);
    assert_eq!(after.iter().filter(broken).count(), 0, "it decides nothing");
    let cancelled = |one: &&Value| one["strategy"] == "broken" && one["end"] == "cancelled";
    assert!(
        after.iter().filter(cancelled).count() >= 2,
        "what it had rests no more"
    );
    let [before, after] = [turns(before), turns(after)];
    assert!(before.len() >= orders() && after.len() >= orders());
    // Every second has its books: nothing stood still.
    let seconds = seconds(&dir.join("o"), moment);
    for second in seconds.iter().flatten() {
        assert!(!second.is_empty(), "a second without a book");
    }
    let summary = summary(&dir.join("o"));
    assert_eq!(
        (&summary["notes_lost"], &summary["audit_lost"]),
        (&0.into(), &0.into())
    );
    // The desk took every book that there was.
    let stages = summary["stages"].as_array().unwrap();
    let queue = stages.iter().find(|stage| stage["stage"] == "queue");
    let updates = |book: &Value| book["updates"].as_u64().unwrap();
    let all: u64 = summary["books"]
        .as_array()
        .unwrap()
        .iter()
        .map(updates)
        .sum();
    assert_eq!(queue.unwrap()["count"], all);
    let told = &summary["strategies"][1];
    assert_eq!(told["orders"]["sent"], before.len() + after.len());
    let books = |of: &[Histogram<u64>]| of.iter().map(Histogram::len).sum::<u64>();
    let [first, second] = &seconds;
    println!(
        "before the panic: {} orders, p99 from ring to decision {} ns; {} books in {} s, p99 on \
         the ring {} ns\nafter it: {} orders, p99 from ring to decision {} ns; {} books in {} s, \
         p99 on the ring {} ns",
        before.len(),
        p99(before.clone()),
        books(first),
        first.len(),
        p99_of(first),
        after.len(),
        p99(after.clone()),
        books(second),
        second.len(),
        p99_of(second),
    );
}
