//! Decode + apply of messages of one size, for callgrind: `counts LEVELS PASSES`. No timing, no
//! criterion.
//!
//! `scripts/counts` runs it with two numbers of passes: the difference has neither start nor
//! warm-up in it.

mod support;

use std::hint::black_box;
use support::{MESSAGES, Script, ours::Ours};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok());
    // `cargo bench` runs every bench with an argument of its own: nothing to count then.
    let (Some(levels), Some(passes)) = (number(), number()) else {
        return;
    };
    let script = Script::new(levels);
    let mut ours = Ours::new();
    // The first pass is counted in every run: it makes buffers warm.
    for _ in 0..passes {
        ours.load(&script.snapshot);
        for n in 0..MESSAGES {
            ours.handle(script.message(n).as_bytes());
        }
    }
    black_box(ours.book.best_bid());
}
