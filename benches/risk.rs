//! An admission with every limit on: `risk admit N` runs N of them, for callgrind, and without
//! arguments it prints nanoseconds.
//!
//! The difference between two runs of `risk admit` and `risk prepare` has neither start nor rig in
//! it.

#[path = "support/risk.rs"]
mod rig;

use rig::Rig;
use std::hint::black_box;
use std::time::Instant;

const PASSES: usize = 200;
/// Fewer than a second's rate, so that time need not go on within a pass.
const PER_PASS: usize = 500;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let mut rig = Rig::new();
    if let Some(rounds) = arguments.next().and_then(|text| text.parse::<u32>().ok()) {
        for _ in 0..rounds {
            rig.tick();
            match what.as_str() {
                "admit" => rig.admit(),
                "prepare" => rig.prepare(),
                "book" => rig.book(7),
                "trade" => rig.trade(),
                other => panic!("{other}: admit, prepare, book or trade"),
            }
        }
        black_box(rig.working());
        return;
    }
    let admit = pass(&mut rig, Rig::admit) - pass(&mut rig, Rig::prepare);
    let book = pass(&mut rig, |rig| rig.book(7));
    let trade = pass(&mut rig, Rig::trade);
    println!(
        "risk, {} instruments, {} working orders: an admission {admit:.0} ns, a book of an \
         instrument that is held {book:.0} ns, an order with its fill {trade:.0} ns (medians of \
         {PASSES} passes of {PER_PASS})",
        rig::INSTRUMENTS,
        rig.working()
    );
}

/// The median of nanoseconds per call.
fn pass(rig: &mut Rig, mut act: impl FnMut(&mut Rig)) -> f64 {
    let mut passes: Vec<f64> = (0..PASSES)
        .map(|_| {
            (0..2_000).for_each(|_| rig.tick());
            let begin = Instant::now();
            (0..PER_PASS).for_each(|_| act(rig));
            begin.elapsed().as_nanos() as f64 / PER_PASS as f64
        })
        .collect();
    passes.sort_by(f64::total_cmp);
    passes[PASSES / 2]
}
