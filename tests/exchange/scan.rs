//! A frame that is read where it lies says what it says over the tape: golden frames of every
//! exchange, as they are and damaged.

use crate::forms;
use crate::frames::Golden;
use crate::scan_support::{Pair, damaged, fuzzed};
use std::collections::BTreeSet;
use std::path::Path;

/// Damaged frames of each golden one.
const DAMAGED: usize = 400;
/// Words that most frames are about.
const FREQUENT: [&str; 4] = ["diff", "book", "trade", "quote"];

#[test]
fn golden_frames_say_the_same_by_either_path() {
    for golden in Golden::all() {
        let mut pair = Pair::new(golden.exchange, golden.depth, &golden.instruments);
        for frame in &golden.frames {
            pair.check(frame.as_bytes());
            let others = forms::of_numbers(frame)
                .into_iter()
                .map(|(_, changed)| changed);
            for changed in others.chain(forms::with_unknown_fields(frame)) {
                pair.check(changed.as_bytes());
            }
        }
    }
}

#[test]
fn damaged_frames_say_the_same_by_either_path() {
    for golden in Golden::all() {
        let mut pair = Pair::new(golden.exchange, golden.depth, &golden.instruments);
        let mut dice = fastrand::Rng::with_seed(12);
        for frame in &golden.frames {
            for _ in 0..DAMAGED {
                pair.check(&damaged(frame.as_bytes(), &mut dice));
            }
        }
        let scanned = pair.scanned;
        assert!(
            scanned * 100 > golden.frames.len(),
            "{}: {scanned} damaged frames were still scanned: the damage is no test",
            golden.exchange.name()
        );
    }
}

#[test]
fn seeds_of_the_fuzzer_are_scanned_and_say_the_same_by_either_path_when_damaged() {
    let mut pairs = fuzzed();
    let mut dice = fastrand::Rng::with_seed(12);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/decode");
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let seed = std::fs::read(&path).unwrap();
        let (first, frame) = seed.split_first().unwrap();
        let pair = &mut pairs[usize::from(*first)];
        assert!(pair.check(frame), "{} is not scanned", path.display());
        for _ in 0..DAMAGED {
            pair.check(&damaged(frame, &mut dice));
        }
        seeds += 1;
    }
    assert!(seeds > pairs.len(), "{seeds} seeds");
}

#[test]
fn frequent_words_of_every_exchange_are_read_where_they_lie() {
    let mut missing = Vec::new();
    for golden in Golden::all() {
        let mut pair = Pair::new(golden.exchange, golden.depth, &golden.instruments);
        let (mut said, mut scanned) = (BTreeSet::new(), BTreeSet::new());
        for frame in &golden.frames {
            let fast = pair.check(frame.as_bytes());
            let frequent = pair
                .said()
                .into_iter()
                .filter(|sort| FREQUENT.contains(sort));
            frequent.for_each(|sort| {
                said.insert(sort);
                if fast {
                    scanned.insert(sort);
                }
            });
        }
        if said.contains("diff") {
            // Whole books are rare beside changes.
            said.remove("book");
        }
        let name = golden.exchange.name();
        missing.extend(said.difference(&scanned).map(|sort| (name, *sort)));
    }
    assert!(missing.is_empty(), "none of these is scanned: {missing:?}");
}
