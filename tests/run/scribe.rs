//! The scribe thread: everything that was sent is in the files, and a bad disk costs nothing but
//! them.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tickwire::base::{
    Clock, Instrument, InstrumentId, Level, Nanos, Note, Px, Qty, Severity, Side, Span, Symbol,
    Top, UnixNanos, Value,
};
use tickwire::watch::audit::{Shown, Truth};
use tickwire::watch::hdr::parse_hgrm;
use tickwire::watch::summary::{LateData, Status};
use tickwire::watch::{Histograms, Stage};
use tickwire::world::os::scribe::{
    Console, ConsoleStyle, Detail, Scribe, ScribeInputs, ScribeTotals,
};

const BTC: InstrumentId = InstrumentId(0);

#[test]
fn everything_that_was_sent_before_the_stop_is_in_the_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let (notes, inbox) = bounded(4_096);
    let (truth, truths) = bounded(64);
    let (mut shown, audit) = rtrb::RingBuffer::new(4_096);
    let (mut histograms, collector) = Histograms::new(0, &[Stage::Decode, Stage::TickToWire]);
    let console = Shared::default();
    let lost = Arc::new(AtomicU64::new(0));
    let handle = Scribe::start(ScribeInputs {
        notes_lost: Arc::clone(&lost),
        shown: vec![audit],
        truths: Some(truths),
        collectors: vec![collector],
        ..inputs(inbox, &console, Some(dir.path()))
    })
    .expect("starts");

    for id in 1..=3_000u64 {
        send(&notes, id);
        let at = Nanos(id * 1_000);
        let top = Some(book(100 + i64::from(id == 2_999)));
        shown.push(shown_at(at, id, top)).expect("there is room");
        histograms.record(Stage::Decode, Span(id));
        histograms.record(Stage::TickToWire, Span(id * 10));
        histograms.rotate(Nanos(id * 10_000_000));
    }
    truth.send(exchange_book(2_999)).expect("there is room");
    truth.send(exchange_book(3_000)).expect("there is room");
    histograms.finish(Nanos(30_000_000_001));
    lost.fetch_add(2, Ordering::Relaxed);
    let totals = handle.stop().expect("whole");

    assert_eq!((totals.notes_lost, totals.disk_errors), (2, 0));
    let [Some(audit)] = &totals.audits[..] else {
        panic!("one instrument");
    };
    assert_eq!((audit.updates, audit.wrong_ns), (3_000, Some(1_000)));
    // Three digits: 3,000 and 3,001 are one value.
    assert_eq!(stage(&totals, "decode"), (3_000, 3_001));
    assert_eq!(stage(&totals, "tick_to_wire"), (3_000, 30_015));

    let log = fs::read_to_string(dir.path().join("log.jsonl")).expect("a log");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON on every line"))
        .collect();
    assert_eq!(lines.len(), 3_000);
    assert_eq!(lines[2_999]["px"], "30");
    assert_eq!(console.text().lines().count(), 3_000);
    let curve = fs::read_to_string(dir.path().join("latency/decode.hgrm")).expect("a curve");
    assert!(parse_hgrm(&curve).expect("our own file").len() > 10);
    assert!(dir.path().join("latency/tick_to_wire.hlog").exists());
    assert!(
        !dir.path().join("latency/ack.hlog").exists(),
        "no values, no file"
    );
}

#[test]
fn the_intervals_in_the_log_add_up_to_the_distribution_of_the_run() {
    use base64::Engine as _;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let dir = tempfile::tempdir().expect("a directory");
    let (_notes, inbox) = bounded(1);
    let (mut histograms, collector) = Histograms::new(0, &[Stage::Queue]);
    let handle = Scribe::start(ScribeInputs {
        collectors: vec![collector],
        ..inputs(inbox, &Shared::default(), Some(dir.path()))
    })
    .expect("starts");
    let (mut recorded, mut taken) = (0, 0);
    while taken < 3 {
        assert!(recorded < 120_000, "the scribe takes no interval");
        histograms.record(Stage::Queue, Span(1_000));
        recorded += 1;
        taken += u64::from(histograms.rotate(Nanos::from_secs(recorded)));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    histograms.record(Stage::Queue, Span(1_000));
    recorded += 1;
    histograms.finish(Nanos::from_secs(recorded));
    let totals = handle.stop().expect("whole");

    let log = fs::read(dir.path().join("latency/queue.hlog")).expect("a log");
    let (mut sum, mut intervals) = (0, 0);
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.expect("our own log") {
            let engine = base64::engine::general_purpose::STANDARD;
            let bytes = engine.decode(interval.encoded_histogram()).expect("base64");
            let values: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut &bytes[..])
                .expect("V2");
            sum += values.len();
            intervals += 1;
        }
    }
    assert_eq!(sum, recorded);
    assert_eq!(stage(&totals, "queue").0, recorded);
    assert_eq!(intervals, taken + 1, "and what was left");
}

#[test]
fn a_full_disk_is_told_once_and_counted_and_the_run_goes_on() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return; // Not this system's device.
    }
    let dir = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(full, dir.path().join("log.jsonl")).expect("a link");
    let (notes, inbox) = bounded(4_096);
    let console = Shared::default();
    let handle = Scribe::start(inputs(inbox, &console, Some(dir.path()))).expect("starts");
    (1..=2_000).for_each(|id| send(&notes, id));
    let totals = handle.stop().expect("whole");
    assert!(totals.disk_errors > 1);
    let text = console.text();
    assert_eq!(text.matches("scribe.disk").count(), 1, "told once");
    assert!(text.contains("ERROR scribe.disk \"log.jsonl: No space left on device"));
    assert_eq!(text.matches("order.sent").count(), 2_000);
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("taken");
    fs::write(&file, "a file").expect("written");
    let (_notes, inbox) = bounded(1);
    let error = Scribe::start(inputs(inbox, &Shared::default(), Some(&file)))
        .err()
        .expect("refused");
    assert!(error.to_string().contains("taken"), "{error}");
}

#[test]
fn a_disk_that_does_not_answer_holds_up_the_end_of_a_run_for_a_bounded_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    if !made.is_ok_and(|made| made.success()) {
        return; // Nothing here that blocks a write.
    }
    // Open for both, so that neither side waits for the other; and nobody reads.
    let _reader = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("a pipe");
    let (notes, inbox) = bounded(4_096);
    let handle =
        Scribe::start(inputs(inbox, &Shared::default(), Some(dir.path()))).expect("starts");
    (1..=4_000).for_each(|id| send(&notes, id)); // More than a pipe holds.
    let asked = Instant::now();
    assert_eq!(handle.stop(), None);
    assert!(asked.elapsed() < std::time::Duration::from_secs(60));
}

#[test]
fn a_scribe_that_panics_is_seen_and_its_end_waits_for_nothing() {
    let (_notes, inbox) = bounded(1);
    let handle = Scribe::start(ScribeInputs {
        status: Some(Box::new(|_| panic!("of a test"))),
        ..inputs(inbox, &Shared::default(), None)
    })
    .expect("starts");
    while !handle.has_failed() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(handle.stop(), None);
}

#[test]
fn a_status_line_is_written_once_a_second() {
    let text = status_of_a_second(ConsoleStyle::Lines { colour: false });
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains("books 2/3  late: okx 4.20 s  0 msg/s  orders 0"),
        "{text}"
    );
}

#[test]
fn a_status_is_a_record_where_the_console_is_for_programs() {
    let text = status_of_a_second(ConsoleStyle::Json);
    let record: serde_json::Value = serde_json::from_str(&text).expect("one JSON line");
    assert_eq!(
        (&record["level"], &record["event"]),
        (&"info".into(), &"run.status".into())
    );
    assert_eq!(
        (&record["books_live"], &record["books"]),
        (&2.into(), &3.into())
    );
    assert_eq!(
        (&record["late"], &record["late_ms"]),
        (&"okx".into(), &4_200.into())
    );
}

fn status_of_a_second(style: ConsoleStyle) -> String {
    let (_notes, inbox) = bounded(1);
    let shared = Shared::default();
    let out = Box::new(shared.clone());
    let ns = Arc::new(AtomicU64::new(1));
    let handle = Scribe::start(ScribeInputs {
        clock: Box::new(Set(ns.clone())),
        status: Some(Box::new(|tick_to_wire_ns| Status {
            books_live: 2,
            books: 3,
            late: Some(LateData {
                exchange: "okx",
                delay: Span(4_200_000_000),
            }),
            tick_to_wire_ns,
            ..Status::default()
        })),
        console: Console {
            out,
            style,
            detail: Detail::Brief,
        },
        ..inputs(inbox, &shared, None)
    })
    .expect("starts");
    ns.store(1_200_000_000, Ordering::Relaxed);
    let end = Instant::now() + PATIENCE;
    while shared.text().is_empty() && Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    handle.stop().expect("whole");
    shared.text()
}

fn inputs(notes: Receiver<Note>, console: &Shared, dir: Option<&Path>) -> ScribeInputs {
    ScribeInputs {
        clock: Box::new(Host(Instant::now())),
        instruments: Arc::new([instrument()]),
        strategies: Arc::default(),
        notes,
        notes_lost: Arc::default(),
        unwritable: Arc::default(),
        shown: Vec::new(),
        truths: None,
        collectors: Vec::new(),
        console: Console {
            out: Box::new(console.clone()),
            style: ConsoleStyle::Lines { colour: false },
            detail: Detail::Full,
        },
        dir: dir.map(Path::to_path_buf),
        status: None,
        books: None,
        head: None,
    }
}

fn send(notes: &Sender<Note>, id: u64) {
    let note = Note::new(Nanos(id), Severity::Info, "order.sent")
        .instrument(BTC)
        .with("px", Value::Px(Px(id as i64)));
    notes.try_send(note).expect("there is room");
}

fn stage(totals: &ScribeTotals, name: &str) -> (u64, u64) {
    let stage = totals
        .stages
        .iter()
        .find(|stage| stage.stage == name)
        .expect("recorded");
    (stage.count, stage.max_ns)
}

fn book(px: i64) -> Top<20> {
    let mut top = Top::EMPTY;
    let level = |px| Level {
        px: Px(px),
        qty: Qty(1),
    };
    top.set(Side::Buy, std::iter::once(level(px)), 1, true);
    top.set(Side::Sell, std::iter::once(level(px + 1)), 1, true);
    top
}

fn shown_at(at: Nanos, update_id: u64, top: Option<Top<20>>) -> Shown {
    Shown {
        at,
        instrument: BTC,
        update_id,
        top,
        again: false,
    }
}

fn exchange_book(update_id: u64) -> Truth {
    Truth {
        exchange: "binance",
        symbol: tickwire::base::Symbol::from("BTCUSDT").unwrap(),
        update_id: Some(update_id),
        top: book(100),
    }
}

fn instrument() -> Instrument {
    Instrument {
        id: BTC,
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").expect("short"), (2, 3))
    }
}

/// The host's clocks, as far as a scribe needs them.
struct Host(Instant);

impl Clock for Host {
    fn now(&self) -> Nanos {
        Nanos(1 + self.0.elapsed().as_nanos() as u64)
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(1_700_000_000_000_000_000 + self.0.elapsed().as_nanos() as i64)
    }
}

/// A clock that a test sets, in nanoseconds.
struct Set(Arc<AtomicU64>);

impl Clock for Set {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::Relaxed))
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(1_700_000_000_000_000_000 + self.0.load(Ordering::Relaxed) as i64)
    }
}

/// How long a test waits for what must come: it may take long on a busy host, and that is no fault.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// A console that a test can read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
