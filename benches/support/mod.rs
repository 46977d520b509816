//! What benches share: the messages, the ordinary way, the unchecked one, and ours.
#![allow(dead_code)] // Each bench uses a part.

pub mod messages;
pub mod ordinary;
pub mod ours;
pub mod sbe;
pub mod unchecked;

pub use messages::{MESSAGES, Script};
use std::time::{Duration, Instant};

/// Runs `rounds` messages of a script in turn and gives the time that `handle` took. Before each
/// pass over the script `reset` puts the book back, on time that is not counted.
pub fn timed<W>(
    script: &Script,
    rounds: u64,
    way: &mut W,
    reset: impl Fn(&mut W),
    mut handle: impl FnMut(&mut W, &str),
) -> Duration {
    let (mut left, mut spent) = (rounds as usize, Duration::ZERO);
    while left > 0 {
        reset(way);
        let now = left.min(MESSAGES);
        let begin = Instant::now();
        for n in 0..now {
            handle(way, script.message(n));
        }
        spent += begin.elapsed();
        left -= now;
    }
    spent
}
