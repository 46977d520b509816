//! Random books of which a stream tells the best levels only: what is held must be that window, and
//! what is claimed must be true, whether the exchange says what leaves the window or not.

use super::book_tests::Twin;
use super::checksum;
use super::stream_tests::Bench;
use super::sync::DiffOutcome;
use super::sync_tests::diff;
use crate::base::feed::{Chain, Checksum, SeqRule};
use crate::base::{Diff, Level, Px, Qty, Side};
use std::collections::HashSet;

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// Failure mode 9: levels beyond the window are no part of the book.
#[test]
fn a_windowed_book_equals_the_best_levels_of_the_exchange_after_every_message() {
    for truncates in [false, true] {
        for window in [1, 10, 25, 200] {
            for seed in 0..5 {
                let mut world = World::new(window, truncates, seed);
                for step in 0..200 {
                    world.step();
                    world.check(step, true);
                }
                assert_eq!(world.bench.builder.counters().gaps, 0);
            }
        }
    }
}

#[test]
fn a_window_that_does_not_fit_claims_nothing_that_is_not_so() {
    for truncates in [false, true] {
        for window in [250, 256, 300, 1_000] {
            for seed in 0..3 {
                let mut world = World::new(window, truncates, seed);
                for step in 0..120 {
                    world.step();
                    world.check(step, false);
                }
                assert!(world.claimed > 120 * 60, "{window} {}", world.claimed);
            }
        }
    }
}

#[test]
fn checksums_of_a_window_agree_with_the_exchanges() {
    for kind in [Checksum::Digits10, Checksum::Decimals25] {
        let mut world = World::new(25, true, 5);
        world.checksum = Some(kind);
        world.bench = Bench::connected(SeqRule {
            checksum: Some(kind),
            ..rule(25, true)
        });
        for step in 0..400 {
            world.step();
            world.check(step, true);
        }
        let counters = world.bench.builder.counters();
        assert_eq!((counters.checksum_ok, counters.checksum_bad), (400, 0));
    }
}

fn rule(window: u16, truncates: bool) -> SeqRule {
    SeqRule {
        chain: Chain::Counted,
        window: Some(window),
        truncates,
        ..SeqRule::STREAM
    }
}

struct World {
    window: usize,
    truncates: bool,
    dice: fastrand::Rng,
    truth: Twin,
    /// What the exchange has sent, bids and asks.
    view: [Vec<Level>; 2],
    checksum: Option<Checksum>,
    bench: Bench,
    claimed: usize,
}

impl World {
    fn new(window: u16, truncates: bool, seed: u64) -> Self {
        let mut world = Self {
            window: usize::from(window),
            truncates,
            dice: fastrand::Rng::with_seed(seed),
            truth: Twin::default(),
            view: Default::default(),
            checksum: None,
            bench: Bench::connected(rule(window, truncates)),
            claimed: 0,
        };
        // Sometimes fewer levels than the window has room for.
        let levels = world.dice.usize(0..2 * world.window + 20);
        for _ in 0..levels {
            world.change(5);
        }
        world
    }

    /// One change at the exchange; one in this many removes a level.
    fn change(&mut self, removes: u8) {
        let side = SIDES[self.dice.usize(..2)];
        let span = 2 * self.window as i64 + 10;
        let near = self.dice.i64(0..span).min(self.dice.i64(0..span));
        let px = match side {
            Side::Buy => 10_000 - near,
            Side::Sell => 10_001 + near,
        };
        let qty = match self.dice.u8(..removes) {
            0 => 0,
            _ => self.dice.u64(1..1_000),
        };
        let level = Level {
            px: Px(px),
            qty: Qty(qty),
        };
        self.truth.set(side, level);
    }

    /// Some changes, and the message about them.
    fn step(&mut self) {
        let removes = self.dice.u8(2..5);
        for _ in 0..self.dice.usize(..12) {
            self.change(removes);
        }
        let best = |side| self.truth.best(side).take(self.window).collect();
        let view: [Vec<Level>; 2] = SIDES.map(best);
        let live = self.bench.builder.live().is_some();
        let said = match live {
            true => [0, 1].map(|n| self.changes(SIDES[n], &self.view[n], &view[n])),
            false => view.clone(),
        };
        let head = Diff {
            checksum: self.checksum.and_then(|kind| {
                let mut book = super::Book::<1024>::new();
                book.load(&view[0], true, &view[1], true);
                checksum::of(kind, &book, (0, 0))
            }),
            ..diff(0, 0, None)
        };
        self.view = view;
        if !live && self.view.iter().any(Vec::is_empty) {
            // An empty side is believed when the exchange says it a second time.
            self.bench.take(0, true, &head, &said[0], &said[1]);
        }
        let outcome = self.bench.take(0, !live, &head, &said[0], &said[1]);
        assert_eq!(outcome, DiffOutcome::Applied);
    }

    fn changes(&self, side: Side, old: &[Level], new: &[Level]) -> Vec<Level> {
        let has = |levels: &[Level], px| levels.iter().any(|level| level.px == px);
        let all: HashSet<Px> = self.truth.best(side).map(|level| level.px).collect();
        let gone = old
            .iter()
            // If the reader truncates, only what is gone from the exchange is said to be.
            .filter(|level| !(has(new, level.px) || self.truncates && all.contains(&level.px)))
            .map(|level| Level {
                qty: Qty(0),
                ..*level
            });
        let mut said: Vec<Level> = gone.collect();
        said.extend(new.iter().filter(|level| !old.contains(level)));
        said
    }

    fn check(&mut self, step: usize, exact: bool) {
        let Some(book) = self.bench.builder.live() else {
            assert!(!exact);
            return;
        };
        book.check_all();
        for (side, view) in SIDES.into_iter().zip(&self.view) {
            let (held, done): (Vec<Level>, usize) =
                (book.levels(side).collect(), book.complete_depth(side));
            assert_eq!(held[..done], view[..done.min(view.len())], "step={step}");
            if book.whole(side) {
                assert_eq!(held, self.truth.levels(side), "step={step}");
            }
            if exact {
                assert_eq!(done, view.len());
                assert_eq!(book.whole(side), view.len() < self.window);
            }
            self.claimed += done;
        }
    }
}
