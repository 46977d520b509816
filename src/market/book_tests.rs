//! The array book against a naive twin, and its horizon at every edge.

use super::book::Book;
use crate::base::{Level, Px, Qty, Side, Snapshot};
use std::collections::BTreeMap;

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

#[test]
fn a_million_random_updates_leave_it_equal_to_the_twin_wherever_it_claims_completeness() {
    // Prices spread wider than the array is long: levels are dropped, and the horizon moves.
    let claimed = [
        compare::<256>(1, 1_000, 400_000),
        compare::<1024>(2, 3_000, 300_000),
        compare::<4096>(3, 10_000, 300_000),
    ];
    // Were nothing claimed, nothing would be tested; were all of it, the horizon would not be.
    assert!(
        claimed
            .iter()
            .all(|&(claimed, held)| 0 < claimed && claimed < held)
    );
}

#[test]
fn a_book_that_was_never_full_is_exact() {
    for seed in 0..4 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut book, mut twin) = whole::<256>();
        for _ in 0..10_000 {
            change(&mut dice, 240, &mut book, &mut twin);
            for side in SIDES {
                assert!(book.whole(side));
            }
        }
        book.check_all();
        for side in SIDES {
            assert_eq!(book.levels(side).collect::<Vec<_>>(), twin.levels(side));
            assert_eq!(book.complete_depth(side), book.depth(side));
        }
    }
}

#[test]
fn a_new_book_knows_nothing_and_a_snapshot_makes_it_know_up_to_its_worst_price() {
    let mut book = Book::<256>::new();
    assert_eq!(book.horizon(Side::Buy), None);
    book.set(Side::Buy, level(5, 1));
    assert_eq!(
        (book.depth(Side::Buy), book.complete_depth(Side::Buy)),
        (1, 0)
    );
    assert!(!book.top::<4>().complete(1));

    load(&mut book, &snapshot(&[100, 98], &[101, 105]));
    assert_eq!(book.horizon(Side::Buy), Some(Px(98)));
    assert_eq!(book.horizon(Side::Sell), Some(Px(105)));
    book.set(Side::Buy, level(97, 1));
    book.set(Side::Sell, level(103, 1));
    assert_eq!(
        (book.depth(Side::Buy), book.complete_depth(Side::Buy)),
        (3, 2)
    );
    assert_eq!(book.complete_depth(Side::Sell), 3);
    let top = book.top::<4>();
    assert_eq!(top.bids().len(), 3);
    assert!(top.complete(2));
    assert!(!top.complete(3));

    book.clear();
    assert_eq!((book.depth(Side::Buy), book.horizon(Side::Sell)), (0, None));
}

#[test]
fn a_whole_side_is_complete_at_any_depth_and_an_empty_one_that_is_not_whole_at_none() {
    let mut book = Book::<256>::new();
    load(
        &mut book,
        &Snapshot {
            bids_whole: true,
            ..snapshot(&[100], &[])
        },
    );
    assert!(book.whole(Side::Buy));
    assert!(!book.whole(Side::Sell));
    assert!(!book.top::<4>().complete(1));
    load(
        &mut book,
        &Snapshot {
            bids_whole: true,
            asks_whole: true,
            ..snapshot(&[100], &[])
        },
    );
    assert!(book.top::<4>().complete(4));
    assert_eq!(book.horizon(Side::Sell), Some(Px(i64::MAX)));
}

#[test]
fn a_snapshot_longer_than_the_array_is_cut_and_complete_to_the_last_price_kept() {
    let prices: Vec<i64> = (1..=300).collect();
    let mut book = Book::<256>::new();
    load(
        &mut book,
        &Snapshot {
            asks_whole: true,
            ..snapshot(&[], &prices)
        },
    );
    assert_eq!(book.depth(Side::Sell), 256);
    assert_eq!(book.horizon(Side::Sell), Some(Px(256)));
    assert!(!book.whole(Side::Sell));
}

#[test]
fn a_dropped_level_pulls_the_horizon_in_to_just_before_it() {
    // Even prices 0 to 510: the array is full and all of it is known.
    let prices: Vec<i64> = (0..256).map(|n| 2 * n).collect();
    for side in SIDES {
        let mirrored = |px: i64| if side == Side::Sell { px } else { 1_000 - px };
        let full = || {
            let (mut book, _) = whole::<256>();
            for &px in &prices {
                book.set(side, level(mirrored(px), 1));
            }
            book
        };
        // One worse than all is dropped itself.
        let mut book = full();
        book.set(side, level(mirrored(600), 1));
        assert_eq!(book.horizon(side), Some(Px(mirrored(599))));
        assert_eq!(book.complete_depth(side), 256);
        // One better drops the worst sixteenth, from 480 on.
        let mut book = full();
        book.set(side, level(mirrored(301), 1));
        assert_eq!(book.horizon(side), Some(Px(mirrored(479))));
        assert_eq!((book.depth(side), book.complete_depth(side)), (241, 241));
        // Now there is room again, and what comes beyond the horizon is held, not claimed.
        book.set(side, level(mirrored(510), 1));
        assert_eq!((book.depth(side), book.complete_depth(side)), (242, 241));
        // It is the first to go when the side is full, and the horizon is pulled in behind the
        // others.
        for px in (1..=29).step_by(2) {
            book.set(side, level(mirrored(px), 1));
        }
        assert_eq!((book.depth(side), book.complete_depth(side)), (241, 241));
        assert_eq!(book.horizon(side), Some(Px(mirrored(449))));
        book.check_all();
    }
}

/// Failure mode 8: no level has a quantity of zero.
#[test]
fn a_zero_quantity_is_never_held_and_removing_what_is_not_there_is_nothing() {
    let mut book = Book::<256>::new();
    load(&mut book, &snapshot(&[100, 99], &[101]));
    book.set(Side::Buy, level(98, 0));
    book.set(Side::Buy, level(100, 0));
    book.set(Side::Sell, level(101, 7));
    assert_eq!(book.best_bid(), Some(level(99, 1)));
    assert_eq!(book.best_ask(), Some(level(101, 7)));
    assert_eq!(book.depth(Side::Buy), 1);
}

#[test]
fn a_snapshot_out_of_order_is_held_sorted_and_as_complete_as_one_in_order() {
    let mut book = Book::<256>::new();
    load(&mut book, &snapshot(&[98, 100, 100], &[101, 103]));
    book.check_all();
    assert_eq!(book.best_bid(), Some(level(100, 1)));
    assert_eq!(
        (book.depth(Side::Buy), book.complete_depth(Side::Buy)),
        (2, 2)
    );
    assert_eq!(book.horizon(Side::Buy), Some(Px(98)));
    assert_eq!(book.complete_depth(Side::Sell), 2);
}

#[test]
fn a_long_snapshot_in_any_order_is_cut_to_the_best_levels_and_claims_no_other() {
    for seed in 0..200 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut twin = Twin::default();
        for _ in 0..dice.usize(1..800) {
            let (side, level) = random(&mut dice, 1_500);
            twin.set(side, level);
        }
        let mut snapshot = twin.snapshot(1, dice.usize(1..600));
        dice.shuffle(&mut snapshot.bids);
        dice.shuffle(&mut snapshot.asks);
        let mut book = Book::<256>::new();
        load(&mut book, &snapshot);
        book.check_all();
        for (side, given, whole) in [
            (Side::Buy, &snapshot.bids, snapshot.bids_whole),
            (Side::Sell, &snapshot.asks, snapshot.asks_whole),
        ] {
            let done = book.complete_depth(side);
            assert!(book.levels(side).take(done).eq(twin.best(side).take(done)));
            assert!(done >= given.len().min(256 - 256 / 16), "seed={seed}");
            assert_eq!(book.whole(side), whole && given.len() <= 256);
        }
    }
}

#[test]
fn a_windowed_book_is_complete_to_its_window_and_whole_where_it_has_fewer() {
    let mut book = Book::<256>::windowed(Some(3), true);
    book.load(&levels(&[100, 99, 98]), false, &levels(&[101]), true);
    book.end_message();
    assert_eq!(book.complete_depth(Side::Buy), 3);
    assert!(!book.whole(Side::Buy));
    assert!(book.whole(Side::Sell));
    // A better level pushes the worst one out, and it is not told again.
    book.set(Side::Buy, level(105, 1));
    book.end_message();
    book.check_all();
    assert!(book.levels(Side::Buy).map(|l| l.px.0).eq([105, 100, 99]));
    book.set(Side::Buy, level(100, 0));
    book.end_message();
    assert!(book.whole(Side::Buy), "two of three");
    book.set(Side::Buy, level(98, 2));
    book.end_message();
    assert_eq!(
        (book.complete_depth(Side::Buy), book.whole(Side::Buy)),
        (3, false)
    );
}

#[test]
fn a_window_that_once_found_no_room_claims_only_what_it_kept_until_all_is_known_again() {
    // Room for 256, and the window is as large: a message that inserts before it removes loses
    // some.
    let prices: Vec<i64> = (0..256).map(|n| 10_000 - n).collect();
    let mut book = Book::<256>::windowed(Some(256), false);
    book.load(&levels(&prices), false, &[], true);
    book.end_message();
    assert_eq!(book.complete_depth(Side::Buy), 256);
    book.apply(&[level(10_001, 1), level(10_000 - 255, 0)], &[]);
    book.end_message();
    assert_eq!(
        (book.complete_depth(Side::Buy), book.whole(Side::Buy)),
        (241, false)
    );
    assert_eq!(book.horizon(Side::Buy), Some(Px(10_000 - 239)));
    // What comes better than all fills it up again.
    for px in 10_002..10_017 {
        book.set(Side::Buy, level(px, 1));
        book.end_message();
    }
    assert_eq!(book.complete_depth(Side::Buy), 256);
    book.set(Side::Buy, level(10_016, 0));
    book.end_message();
    assert!(book.whole(Side::Buy));
    book.check_all();
}

#[test]
fn prices_at_the_ends_of_the_scale_have_their_place() {
    let mut book = Book::<256>::new();
    load(&mut book, &snapshot(&[i64::MAX, 0], &[0, i64::MAX]));
    book.check_all();
    assert_eq!(book.best_bid(), Some(level(i64::MAX, 1)));
    assert_eq!(book.best_ask(), Some(level(0, 1)));
    assert!(book.crossed());
}

/// Random updates; returns how many levels were claimed and held at the comparisons.
fn compare<const N: usize>(seed: u64, width: i64, updates: usize) -> (usize, usize) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let (mut book, mut twin) = whole::<N>();
    let (mut claimed, mut held) = (0, 0);
    let mut changed = 0;
    for step in 0.. {
        changed += change(&mut dice, width, &mut book, &mut twin);
        if changed >= updates {
            break;
        }
        if step % 3_000 == 0 {
            twin.check_snapshot(&mut book, &mut dice);
        }
        let every = if step % 1_000 == 0 { N } else { 10 };
        for side in SIDES {
            let done = book.complete_depth(side);
            let got = book.levels(side).take(done.min(every));
            assert!(
                got.eq(twin.best(side).take(done.min(every))),
                "seed={seed} step={step}"
            );
            assert!(
                book.levels(side).all_held_by(&twin, side, every),
                "seed={seed} step={step}"
            );
            (claimed, held) = (claimed + done, held + twin.len(side));
        }
        if step % 1_000 == 0 {
            book.check_all();
        }
    }
    (claimed, held)
}

/// Changes the book and its twin: by one level, or by a message of up to 40 a side, whose levels
/// mostly come best first and sometimes not, or twice. Returns how many levels were changed.
fn change<const N: usize>(
    dice: &mut fastrand::Rng,
    width: i64,
    book: &mut Book<N>,
    twin: &mut Twin,
) -> usize {
    let (mut bids, mut asks) = (Vec::new(), Vec::new());
    let count = if dice.bool() { 1 } else { dice.usize(1..80) };
    for _ in 0..count {
        match random(dice, width) {
            (Side::Buy, level) => bids.push(level),
            (Side::Sell, level) => asks.push(level),
        }
    }
    if dice.u8(..8) > 0 {
        bids.sort_by_key(|level| -level.px.0);
        asks.sort_by_key(|level| level.px.0);
        if dice.u8(..8) > 0 {
            bids.dedup_by_key(|level| level.px);
            asks.dedup_by_key(|level| level.px);
        }
    }
    book.apply(&bids, &asks);
    for (side, levels) in [(Side::Buy, &bids), (Side::Sell, &asks)] {
        for &level in levels {
            twin.set(side, level);
        }
    }
    bids.len() + asks.len()
}

/// Mostly near a middle that wanders nowhere, one third removals: a book fills up slowly.
fn random(dice: &mut fastrand::Rng, width: i64) -> (Side, Level) {
    let side = SIDES[dice.usize(..2)];
    let near = dice.i64(0..width).min(dice.i64(0..width));
    let px = match side {
        Side::Buy => 1_000_000 - near,
        Side::Sell => 1_000_001 + near,
    };
    let qty = if dice.u8(..3) == 0 {
        0
    } else {
        dice.u64(1..1_000)
    };
    (side, level(px, qty))
}

fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

fn levels(prices: &[i64]) -> Vec<Level> {
    prices.iter().map(|&px| level(px, 1)).collect()
}

fn snapshot(bids: &[i64], asks: &[i64]) -> Snapshot {
    Snapshot {
        dropped: 0,
        last_id: 1,
        bids: bids.iter().map(|&px| level(px, 1)).collect(),
        asks: asks.iter().map(|&px| level(px, 1)).collect(),
        ..Snapshot::default()
    }
}

fn load<const N: usize>(book: &mut Book<N>, snapshot: &Snapshot) {
    let Snapshot {
        bids,
        bids_whole,
        asks,
        asks_whole,
        ..
    } = snapshot;
    book.load(bids, *bids_whole, asks, *asks_whole);
}

/// An empty market that is known to be empty, and its twin.
fn whole<const N: usize>() -> (Book<N>, Twin) {
    let mut book = Book::new();
    load(
        &mut book,
        &Snapshot {
            bids_whole: true,
            asks_whole: true,
            ..Snapshot::default()
        },
    );
    (book, Twin::default())
}

trait AllHeld {
    fn all_held_by(self, twin: &Twin, side: Side, count: usize) -> bool;
}

impl<I: Iterator<Item = Level>> AllHeld for I {
    fn all_held_by(self, twin: &Twin, side: Side, count: usize) -> bool {
        self.take(count)
            .all(|level| twin.side(side).get(&level.px.0) == Some(&level.qty.0))
    }
}

/// Everything there is, kept the ordinary way.
#[derive(Default)]
pub(super) struct Twin {
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
}

impl Twin {
    pub(crate) fn set(&mut self, side: Side, level: Level) {
        let levels = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        match level.qty.0 {
            0 => levels.remove(&level.px.0),
            qty => levels.insert(level.px.0, qty),
        };
    }

    fn side(&self, side: Side) -> &BTreeMap<i64, u64> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    pub(crate) fn len(&self, side: Side) -> usize {
        self.side(side).len()
    }

    pub(crate) fn best(&self, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let levels = self.side(side).iter().map(|(&px, &qty)| level(px, qty));
        match side {
            Side::Buy => Box::new(levels.rev()),
            Side::Sell => Box::new(levels),
        }
    }

    pub(crate) fn levels(&self, side: Side) -> Vec<Level> {
        self.best(side).collect()
    }

    /// A snapshot of the best `count` levels.
    pub(crate) fn snapshot(&self, last_id: u64, count: usize) -> Snapshot {
        Snapshot {
            dropped: 0,
            last_id,
            asked: crate::base::Nanos::ZERO,
            bids: self.best(Side::Buy).take(count).collect(),
            asks: self.best(Side::Sell).take(count).collect(),
            bids_whole: self.bids.len() < count,
            asks_whole: self.asks.len() < count,
        }
    }

    /// Loads a snapshot of random length, so that the book starts again from what it then knows.
    fn check_snapshot<const N: usize>(&self, book: &mut Book<N>, dice: &mut fastrand::Rng) {
        load(book, &self.snapshot(1, dice.usize(1..2 * N)));
        book.check_all();
    }
}
