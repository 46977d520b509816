//! From an intent to the bytes of its order: risk with every limit on, the order's place among the
//! open ones, and a Binance spot order, on a session that is logged on (Ed25519) and with a
//! signature in each request (HMAC). Without arguments it prints nanoseconds.
//!
//! `order session N` and `order hmac N` run N of them for callgrind, each with its refusal by the
//! exchange; `order refusal N` does the same without the bytes.

#[path = "support/risk.rs"]
mod rig;

use rig::{BATCH, Rig, codec};
use std::hint::black_box;
use std::time::Instant;
use tickwire::exchange::OrderCodec;

const PASSES: usize = 400;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    if let Some(rounds) = arguments.next().and_then(|text| text.parse::<u32>().ok()) {
        return count(&what, rounds);
    }
    for (name, each) in [
        ("on a session", false),
        ("with a signature of its own", true),
    ] {
        let mut way = Way::new(each);
        (0..PASSES / 4).for_each(|_| way.pass());
        way.took = Default::default();
        (0..PASSES).for_each(|_| way.pass());
        let [prepared, admitted, opened, encoded, whole] = way.took.map(median);
        println!(
            "order, {} instruments, {} working orders: an intent is an encoded order {name} after \
             {:.0} ns: admitted {:.0}, opened {opened:.0}, encoded {encoded:.0} (medians of \
             {PASSES} passes of {BATCH})",
            rig::INSTRUMENTS,
            rig::WORKING,
            whole - prepared,
            admitted - prepared,
        );
    }
}

fn count(what: &str, rounds: u32) {
    let (mut rig, mut codec) = (Rig::new(), codec(what == "hmac"));
    for _ in 0..rounds {
        rig.tick();
        match what {
            "session" | "hmac" => rig.order(&mut *codec),
            "refusal" => {
                rig.admit_next();
                rig.open_next();
            }
            other => panic!("{other}: session, hmac or refusal"),
        }
        rig.refuse_all();
    }
    black_box(rig.working());
}

/// A rig with a key, and what its passes took.
struct Way {
    rig: Rig,
    codec: Box<dyn OrderCodec>,
    /// Nanoseconds per order: what is beside the rest, the admission, the opening, the bytes, and
    /// all of it without a look at the clock in between.
    took: [Vec<f64>; 5],
}

impl Way {
    fn new(signs_each: bool) -> Self {
        Self {
            rig: Rig::new(),
            codec: codec(signs_each),
            took: Default::default(),
        }
    }

    fn pass(&mut self) {
        let (rig, codec) = (&mut self.rig, &mut *self.codec);
        rig.rest();
        let prepared = timed(|| rig.prepare());
        let admitted = timed(|| rig.admit_next());
        let opened = timed(|| rig.open_next());
        let encoded = timed(|| rig.encode_next(codec));
        rig.refuse_all();
        rig.rest();
        let whole = timed(|| rig.order(codec));
        rig.refuse_all();
        let all = [prepared, admitted, opened, encoded, whole];
        self.took
            .iter_mut()
            .zip(all)
            .for_each(|(of, took)| of.push(took));
    }
}

/// Nanoseconds per call.
fn timed(mut act: impl FnMut()) -> f64 {
    let begin = Instant::now();
    (0..BATCH).for_each(|_| act());
    begin.elapsed().as_nanos() as f64 / BATCH as f64
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
