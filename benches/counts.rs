//! Decode + apply of messages of one size, for callgrind: `counts LEVELS PASSES`, or
//! `counts sbe-LEVELS PASSES` of the same messages in SBE. No timing, no criterion.
//!
//! `scripts/counts` runs it with two numbers of passes: the difference has neither start nor
//! warm-up in it.

mod support;

use std::hint::black_box;
use support::{MESSAGES, Script, ours::Ours, sbe};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let first = arguments.first().map_or("", |first| first);
    let (in_sbe, levels) = match first.strip_prefix("sbe-") {
        Some(levels) => (true, levels),
        None => (false, first),
    };
    let passes = arguments.get(1).map_or("", |passes| passes);
    // `cargo bench` runs every bench with an argument of its own: nothing to count then.
    let (Ok(levels), Ok(passes)) = (levels.parse(), passes.parse::<usize>()) else {
        return;
    };
    let script = Script::new(levels);
    let frame = |n| match in_sbe {
        true => sbe::of(script.message(n)),
        false => script.message(n).as_bytes().to_vec(),
    };
    let frames: Vec<Vec<u8>> = (0..MESSAGES).map(frame).collect();
    let mut ours = if in_sbe { Ours::of_sbe() } else { Ours::new() };
    // The first pass is counted in every run: it makes buffers warm.
    for _ in 0..passes {
        ours.load(&script.snapshot);
        for frame in &frames {
            ours.handle(frame);
        }
    }
    black_box(ours.book.best_bid());
}
