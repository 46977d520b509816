//! Recorded frames that are read where they lie: how many are, and that they say what they say over
//! the tape.

use crate::scan_support::{Pair, damaged};
use crate::support::corpus::{Corpus, On, Recording, Test, name};
use std::collections::BTreeSet;
use tickwire::exchange::ALL;

/// Lines of a recording that are looked at: a debug build takes minutes for all of them.
const LINES_MAX: usize = if cfg!(debug_assertions) {
    12_000
} else {
    100_000
};
/// Every how many frames some are damaged.
const DAMAGED_EVERY: usize = 5;
/// Percent of a recording's book messages that are scanned, at least.
const SCANNED_MIN: usize = 95;
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

fn recorded_frames_are_scanned_and_say_the_same_over_the_tape(corpus: &Corpus) {
    for path in &corpus.books {
        let recording = Recording::read(path, LINES_MAX);
        let of_books: BTreeSet<usize> = recording.messages.iter().map(|at| at.line).collect();
        let mut pair: Option<Pair> = None;
        let mut dice = fastrand::Rng::with_seed(12);
        let (mut frames, mut scanned, mut books) = (0, 0, 0);
        let mut declined = BTreeSet::new();
        for (n, line) in recording.lines.iter().enumerate() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
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
            frames += 1;
            let fast = pair.check(raw.as_bytes());
            scanned += usize::from(fast);
            if of_books.contains(&n) {
                books += usize::from(fast);
            }
            if !fast {
                declined.insert(raw.chars().take(48).collect::<String>());
            }
            if n % DAMAGED_EVERY == 0 {
                pair.check(&damaged(raw.as_bytes(), &mut dice));
            }
        }
        let (name, of_books) = (name(path), of_books.len());
        println!(
            "{name}: {scanned} of {frames} frames are scanned, {books} of {of_books} of books"
        );
        for head in declined.iter().take(6) {
            println!("    not scanned: {head}");
        }
        assert!(
            TAPE_ONLY.contains(&name) || books * 100 >= SCANNED_MIN * of_books,
            "{name}: {books} of {of_books} messages of books are scanned"
        );
    }
}
