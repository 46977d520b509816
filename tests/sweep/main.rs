//! Worlds by chance: from one seed follow the exchanges, their markets, the faults and the orders.
//! What strategies were shown is compared with what the exchange had, by a judge that shares no
//! code with the books.
//!
//! `TICKWIRE_SEEDS=N`, `TICKWIRE_FROM=SEED`: other seeds than the usual ones. `TICKWIRE_SEED=SEED`:
//! one alone, and what happens in it; `TICKWIRE_STEPS=0,3` leaves out all but these of its steps.
//! `TICKWIRE_ON=1` goes on after a failure, and leaves out nothing.

mod case;
mod judge;
mod losses;
mod monkey;
mod ran;
mod shrink;

use case::Case;
use ran::{Ran, Trusted};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// How many seeds an ordinary test run takes.
const SEEDS: u64 = 60;
/// Between two words about how far a long sweep has come.
const WORD_EVERY_S: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text}: not a number")),
    )
}

/// What is said of a seed that fails, after its steps were left out one by one while it failed.
fn told(seed: u64, trusted: &Trusted) -> Option<String> {
    let case = Case::of(seed);
    let broken = ran::broken(&case, trusted)?;
    let all = case.steps.len();
    let (least, kept, broken_still) = shrink::least(case, broken.clone(), trusted);
    let kept: Vec<String> = kept.iter().map(usize::to_string).collect();
    let replay = "cargo test --test sweep seeds -- --nocapture";
    let mut text = format!(
        "seed {seed}: {broken}\n  {} of {all} steps are enough for: {broken_still}\n  {}\n",
        kept.len(),
        least.headline(),
    );
    for step in &least.steps {
        text += &format!("  {step:?}\n");
    }
    text += &format!("  all of it:  TICKWIRE_SEED={seed} {replay}\n");
    text += &format!(
        "  the least:  TICKWIRE_SEED={seed} TICKWIRE_STEPS={} {replay}",
        kept.join(",")
    );
    Some(text)
}

/// One seed alone, and what happens in it.
fn replay(seed: u64, trusted: &Trusted) {
    let mut case = Case::of(seed);
    if let Ok(steps) = std::env::var("TICKWIRE_STEPS") {
        let kept: Vec<usize> = steps.split(',').filter_map(|n| n.parse().ok()).collect();
        case = case.only(&kept);
    }
    println!("{}", case.headline());
    for step in &case.steps {
        println!("{step:?}");
    }
    let Ran { broken, story, .. } = ran::run(&case, trusted, true);
    for line in story {
        println!("{line}");
    }
    assert!(broken.is_none(), "seed {seed}: {}", broken.unwrap());
    println!("seed {seed} is fine");
}

#[test]
fn seeds_of_worlds_in_which_much_goes_wrong() {
    let trusted = Trusted::new();
    if let Some(seed) = number("TICKWIRE_SEED") {
        return replay(seed, &trusted);
    }
    let (from, seeds) = (number("TICKWIRE_FROM"), number("TICKWIRE_SEEDS"));
    let (from, seeds) = (from.unwrap_or(0), seeds.unwrap_or(SEEDS));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, over, done) = (
        AtomicU64::new(from),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let failed = Mutex::new(BTreeMap::new());
    let began = Instant::now();
    let sums = Mutex::new(ran::Sums::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = ran::Sums::default();
                while !over.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let ran = ran::guarded(&Case::of(seed), &trusted);
                    own.add(&ran);
                    if let Some(how) = &ran.broken {
                        let go_on = number("TICKWIRE_ON").is_some();
                        let told = (!go_on).then(|| told(seed, &trusted)).flatten();
                        let told = told.unwrap_or_else(|| format!("seed {seed}: {how}"));
                        failed.lock().unwrap().insert(seed, told);
                        over.store(!go_on, Ordering::Relaxed);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    let s = began.elapsed().as_secs();
                    if done.is_multiple_of(1_000) && s >= WORD_EVERY_S {
                        println!("{done} of {seeds} seeds in {s} s, {} a second", done / s);
                    }
                }
                sums.lock().unwrap().join(&own);
            });
        }
    });
    println!(
        "{} in {:.1} s",
        sums.into_inner().unwrap(),
        began.elapsed().as_secs_f64()
    );
    let failed = failed.into_inner().unwrap();
    let texts: Vec<String> = failed.into_values().collect();
    assert!(texts.is_empty(), "{}", texts.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_decisions_books_and_log() {
    let trusted = Trusted::new();
    let mut hashes = BTreeMap::new();
    for seed in 0..24 {
        let hash = || {
            let case = Case {
                hashed: true,
                ..Case::of(seed)
            };
            ran::run(&case, &trusted, false).hash
        };
        let first = hash();
        assert_eq!(first, hash(), "seed {seed}");
        hashes.insert(first, seed);
    }
    assert_eq!(hashes.len(), 24, "each seed is another world");
}

/// `TICKWIRE_LOSSES=N`: three of a million are lost, of about N messages.
#[test]
fn losses_of_messages_are_noticed_and_no_book_is_ever_wrong() {
    let trusted = Trusted::new();
    let (messages, ppm) = match number("TICKWIRE_LOSSES") {
        Some(messages) => (messages, 3),
        None => (20_000, 3_000),
    };
    println!("{}", losses::run(messages, ppm, &trusted));
}
