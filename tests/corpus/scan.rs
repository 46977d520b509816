//! Recorded frames that are read where they lie: how many are, which are not and why, and that they
//! say what they say over the tape. `docs/scanned.md` has what this prints.

use crate::scan_support::{Pair, damaged};
use crate::support::corpus::{Corpus, On, Recording, Test, name};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use tickwire::base::Instrument;
use tickwire::exchange::ALL;

/// Every how many frames some are damaged.
const DAMAGED_EVERY: usize = 5;
/// Percent of a recording's book messages that are scanned, at least.
const SCANNED_MIN: usize = 95;
/// How much of the first frame of a sort is shown.
const EXAMPLE_CHARS: usize = 72;
/// Protocols that no order of keys is known of; and exchanges whose simulated half writes other
/// orders than they do.
const TAPE_ONLY: [&str; 4] = [
    "kraken-spotv1-multi10-20210405",
    "okx-sim",
    "coinbase-exchange-sim",
    "coinbase-advtrade-sim",
];

pub const TESTS: &[Test] = &[(
    "recorded_frames_are_scanned_and_say_the_same_over_the_tape",
    On::Both,
    recorded_frames_are_scanned_and_say_the_same_over_the_tape,
)];

/// What became of a recording's frames.
#[derive(Default)]
struct Count {
    frames: usize,
    scanned: usize,
    /// Those that say something of a book, a print or the best prices; and those of them that are
    /// scanned.
    told: usize,
    told_scanned: usize,
    /// Messages about a book, and those that are scanned.
    books: usize,
    books_scanned: usize,
    /// Those that are not scanned, by kind, what they say, and why.
    declined: BTreeMap<[String; 3], Declined>,
}

#[derive(Default)]
struct Declined {
    frames: usize,
    first: String,
}

fn recorded_frames_are_scanned_and_say_the_same_over_the_tape(corpus: &Corpus) {
    let mut all = String::from(
        "| recording | frames | scanned | of books, prints and best prices | scanned |\n\
         |---|--:|--:|--:|--:|\n",
    );
    let mut kinds = String::from(
        "| recording | kind | frames | says | why the tape | the first |\n\
         |---|---|--:|---|---|---|\n",
    );
    for path in &corpus.books {
        let (name, count) = (name(path), counted(path));
        let Count {
            frames,
            scanned,
            told,
            told_scanned,
            books,
            books_scanned,
            ..
        } = count;
        let _ = writeln!(
            all,
            "| {name} | {frames} | {scanned} | {told} | {told_scanned} |"
        );
        for ([kind, says, why], Declined { frames, first }) in &count.declined {
            let _ = writeln!(
                kinds,
                "| {name} | {kind} | {frames} | {says} | {why} | `{first}` |"
            );
        }
        assert!(
            TAPE_ONLY.contains(&name) || books_scanned * 100 >= SCANNED_MIN * books,
            "{name}: {books_scanned} of {books} messages of books are scanned"
        );
    }
    println!("{all}\n{kinds}");
}

fn counted(path: &Path) -> Count {
    let recording = Recording::read(path, usize::MAX);
    let of_books: BTreeSet<usize> = recording.messages.iter().map(|at| at.line).collect();
    let mut pair: Option<Pair> = None;
    let mut dice = fastrand::Rng::with_seed(12);
    let mut count = Count::default();
    for (n, line) in recording.lines.iter().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (conn, raw) = (
            line["conn"].as_str().unwrap(),
            line["raw"].as_str().unwrap(),
        );
        if line["kind"] == "rest" {
            continue;
        }
        let pair = pair.get_or_insert_with(|| {
            let exchange = ALL.iter().find(|known| known.owns(conn)).unwrap();
            Pair::new(*exchange, recording.depth, &recording.instruments)
        });
        let fast = pair.check(raw.as_bytes());
        let said: Vec<&str> = pair.said().into_iter().collect();
        let tells = ["diff", "book", "trade", "quote", "unfit"];
        let tells = said.iter().any(|sort| tells.contains(sort));
        let book = of_books.contains(&n);
        count.frames += 1;
        count.scanned += usize::from(fast);
        count.told += usize::from(tells);
        count.told_scanned += usize::from(tells && fast);
        count.books += usize::from(book);
        count.books_scanned += usize::from(book && fast);
        if !fast {
            let says = match said.as_slice() {
                [] => "nothing".to_owned(),
                said => said.join(", "),
            };
            let kind = kind(raw, &recording.instruments);
            let declined = count
                .declined
                .entry([kind, says, why(raw).to_owned()])
                .or_default();
            if declined.frames == 0 {
                declined.first = raw.chars().take(EXAMPLE_CHARS).collect();
            }
            declined.frames += 1;
        }
        if n % DAMAGED_EVERY == 0 {
            pair.check(&damaged(raw.as_bytes(), &mut dice));
        }
    }
    count
}

/// The words by which exchanges tell kinds of messages apart, without the instrument's name.
pub fn kind(raw: &str, instruments: &[Instrument]) -> String {
    const KEYS: [&str; 10] = [
        "op", "method", "event", "e", "feed", "channel", "topic", "type", "action", "stream",
    ];
    let Ok(frame) = serde_json::from_str::<Value>(raw) else {
        return "a word".to_owned();
    };
    let inner = ["params", "arg", "data", "result"].map(|key| &frame[key]);
    let mut words = Vec::new();
    for object in [&frame].into_iter().chain(inner) {
        let listed = object.as_array().into_iter().flatten();
        words.extend(listed.filter_map(Value::as_str));
        let named = KEYS.iter().filter_map(|key| object[*key].as_str());
        words.extend(named.map(|text| text.split('@').next_back().unwrap_or_default()));
    }
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    for word in &mut words {
        for symbol in instruments.iter().map(|found| found.symbol.as_str()) {
            *word = word
                .replace(symbol, "…")
                .replace(&symbol.to_lowercase(), "…");
        }
    }
    words.dedup();
    words.truncate(3);
    words.join(" ").replace('|', "/")
}

/// What of a frame nobody scans.
fn why(raw: &str) -> &'static str {
    if !raw.starts_with(['{', '[']) {
        "no JSON object"
    } else if raw.contains('\\') {
        "an escape"
    } else if raw.contains("\": ") || raw.contains(", \"") {
        "blanks"
    } else {
        "order of keys"
    }
}
