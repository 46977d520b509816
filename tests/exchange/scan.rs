//! A frame that is read where it lies says what it says over the tape: golden frames of every
//! exchange, as they are and damaged.

use crate::forms;
use crate::frames::Golden;
use crate::scan_support::{Pair, damaged};

/// Damaged frames of each golden one.
const DAMAGED: usize = 400;

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
