//! What one look at the best levels tells. Gives `None` if a side is missing; never divides by
//! zero, and never compares books that are not comparable.

use crate::base::{Level, Top};

/// Best ask minus best bid in price units; negative if the book is crossed. `None` if a side
/// is empty.
pub fn spread<const K: usize>(top: &Top<K>) -> Option<i64> {
    let (bid, ask) = top.best()?;
    ask.px.0.checked_sub(bid.px.0)
}

/// Twice the mid price in price units, exactly: half a unit is no integer. `None` if a side is
/// empty.
pub fn mid_doubled<const K: usize>(top: &Top<K>) -> Option<i128> {
    let (bid, ask) = top.best()?;
    Some(i128::from(bid.px.0) + i128::from(ask.px.0))
}

/// The weighted mid in price units: each best price weighted by the *other* side's quantity,
///
/// > (bid px · ask qty + ask px · bid qty) / (bid qty + ask qty),
///
/// so that it leans to the side that is about to give way. `None` if a side is empty. Stoikov's
/// *micro-price* is another one: the expected mid price, which he estimates from data.
pub fn weighted_mid<const K: usize>(top: &Top<K>) -> Option<f64> {
    let (bid, ask) = top.best()?;
    let (bid_qty, ask_qty) = (bid.qty.0 as f64, ask.qty.0 as f64);
    if bid_qty + ask_qty == 0.0 {
        return None; // No book holds such levels; a quote that comes beside it may.
    }
    // Measured from the bid: the spread is small, and a float keeps it exactly.
    let spread = i128::from(ask.px.0) - i128::from(bid.px.0);
    let px = bid.px.0 as f64 + spread as f64 * (bid_qty / (bid_qty + ask_qty));
    debug_assert!(px.is_finite());
    Some(px)
}

/// Queue imbalance over the best `k` levels of each side, in -1 ..= 1: (bids − asks) / (bids +
/// asks).
///
/// A side with fewer levels counts those that it has; `None` if one has none, or `k` is zero.
/// Ask [`Top::complete`] whether the levels are the exchange's own best ones.
pub fn imbalance<const K: usize>(top: &Top<K>, k: usize) -> Option<f64> {
    let (bids, asks) = (sum(top.bids(), k)?, sum(top.asks(), k)?);
    let all = bids + asks; // At most 2 * 255 * (2^63 - 1): far from the end of i128.
    debug_assert!(bids >= 0);
    debug_assert!(asks >= 0);
    (all > 0).then(|| float(bids - asks) / float(all))
}

/// `as f64` of a number that mostly fits into half as many bits, for which the processor has an
/// instruction.
fn float(number: i128) -> f64 {
    match i64::try_from(number) {
        Ok(number) => number as f64,
        Err(_) => number as f64,
    }
}

fn sum(levels: &[Level], k: usize) -> Option<i128> {
    let levels = &levels[..k.min(levels.len())];
    (!levels.is_empty()).then(|| levels.iter().map(|level| i128::from(level.qty.0)).sum())
}

/// Order-flow imbalance on the best `M` levels: how much was added to and taken from each, bids
/// minus asks.
///
/// From one book to the next, at level m with bid (P, q) and ask (R, r), and the former book's
/// marked ':
///
/// > e_m = [P ≥ P'] q − [P ≤ P'] q' − [R ≤ R'] r + [R ≥ R'] r'
///
/// in quantity units. For m = 1 that is Cont, Kukanov & Stoikov, *The Price Impact of Order Book
/// Events*, Journal of Financial Econometrics 12 (2014), eq. 3; each level by the same formula is
/// Xu, Gould & Howison,
/// *Multi-Level Order-Flow Imbalance in a Limit Order Book* (2018).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ofi<const M: usize> {
    before: Option<(u32, [Level; M], [Level; M])>,
}

impl<const M: usize> Ofi<M> {
    /// No former book: the first one gives nothing.
    pub const fn new() -> Self {
        Self { before: None }
    }

    /// Forgets the former book, because a book went stale or dark: the next one starts from
    /// nothing.
    pub fn reset(&mut self) {
        self.before = None;
    }

    /// The imbalance of each level from the former book to this one, best first.
    ///
    /// `None`, instead of a false impulse, for the first book, one that is `fresh` or of another
    /// epoch, and wherever one of the two has fewer than `M` levels on a side or cannot prove them
    /// complete: a level that comes into view is no order.
    pub fn update<const K: usize>(
        &mut self,
        top: &Top<K>,
        epoch: u32,
        fresh: bool,
    ) -> Option<[i128; M]> {
        const { assert!(M <= K) };
        let before = self.before.take();
        let (bids, asks) = (top.bids().first_chunk()?, top.asks().first_chunk()?);
        if !top.complete(M) {
            return None;
        }
        self.before = Some((epoch, *bids, *asks));
        let (epoch_before, bids_before, asks_before) = before?;
        if fresh || epoch != epoch_before {
            return None;
        }
        Some(std::array::from_fn(|m| {
            flow(bids[m], bids_before[m], bids[m].px.0, bids_before[m].px.0)
                - flow(asks[m], asks_before[m], asks_before[m].px.0, asks[m].px.0)
        }))
    }
}

impl<const M: usize> Default for Ofi<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// What one side gained: `rank` and `rank_before` are its prices, the better the larger.
fn flow(now: Level, before: Level, rank: i64, rank_before: i64) -> i128 {
    i128::from(rank >= rank_before) * i128::from(now.qty.0)
        - i128::from(rank <= rank_before) * i128::from(before.qty.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Px, Qty, Side};

    /// Failure mode 13: a halted instrument and an empty side are not traded, and divide nothing.
    #[test]
    fn an_empty_side_gives_no_signal_and_no_division_by_zero() {
        for top in [book(&[], &[]), book(&[(9, 1)], &[]), book(&[], &[(11, 1)])] {
            assert_eq!(spread(&top), None);
            assert_eq!(mid_doubled(&top), None);
            assert_eq!(weighted_mid(&top), None);
            assert_eq!(imbalance(&top, 3), None);
            assert_eq!(Ofi::<1>::new().update(&top, 1, false), None);
        }
        assert_eq!(imbalance(&book(&[(9, 1)], &[(11, 1)]), 0), None);
    }

    #[test]
    fn spread_mid_and_weighted_mid_are_those_of_the_best_levels() {
        let top = book(&[(100, 30), (99, 7)], &[(103, 10), (104, 1)]);
        assert_eq!(spread(&top), Some(3));
        assert_eq!(mid_doubled(&top), Some(203));
        // Three quarters rest at the bid: towards the ask.
        assert_eq!(weighted_mid(&top), Some(102.25));
    }

    #[test]
    fn imbalance_is_one_sided_at_the_ends_and_zero_in_the_middle() {
        let top = book(&[(100, 30), (99, 10)], &[(103, 10), (104, 30)]);
        assert_eq!(imbalance(&top, 1), Some(0.5));
        assert_eq!(imbalance(&top, 2), Some(0.0));
        assert_eq!(imbalance(&top, 9), Some(0.0));
        let top = book(&[(100, i64::MAX as u64)], &[(103, 1)]);
        assert_eq!(imbalance(&top, 1), Some(1.0));
    }

    #[test]
    fn order_flow_follows_the_paper_level_by_level() {
        let mut ofi = Ofi::<2>::new();
        let mut step = |bids: &[_], asks: &[_]| ofi.update(&book(bids, asks), 1, false);
        assert_eq!(step(&[(100, 5), (99, 5)], &[(102, 5), (103, 5)]), None);
        // Three are added at the bid, two taken from the second ask.
        assert_eq!(
            step(&[(100, 8), (99, 5)], &[(102, 5), (103, 3)]),
            Some([3, 2])
        );
        // The bid moves up: all of the new best counts, and the second level's as well.
        assert_eq!(
            step(&[(101, 4), (100, 8)], &[(102, 5), (103, 3)]),
            Some([4, 8])
        );
        // The ask is eaten: what was there is gone.
        assert_eq!(
            step(&[(101, 4), (100, 8)], &[(103, 3), (104, 9)]),
            Some([5, 3])
        );
    }

    #[test]
    fn order_flow_starts_anew_at_fresh_books_other_epochs_and_incomplete_ones() {
        let mut ofi = Ofi::<1>::new();
        let (small, large) = (book(&[(9, 1)], &[(11, 1)]), book(&[(9, 900)], &[(11, 1)]));
        assert_eq!(ofi.update(&small, 1, true), None);
        assert_eq!(ofi.update(&large, 1, true), None);
        assert_eq!(ofi.update(&small, 2, false), None);
        assert_eq!(ofi.update(&large, 2, false), Some([899]));
        let mut blind = large;
        blind.set(Side::Buy, large.bids().to_vec().into_iter(), 0, false);
        assert_eq!(ofi.update(&blind, 2, false), None);
        assert_eq!(ofi.update(&small, 2, false), None);
        assert_eq!(ofi.update(&large, 2, false), Some([899]));
        ofi.reset();
        assert_eq!(ofi.update(&small, 2, false), None);
    }

    fn book(bids: &[(i64, u64)], asks: &[(i64, u64)]) -> Top<4> {
        let mut top = Top::EMPTY;
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            let levels = levels.iter().map(|&(px, qty)| Level {
                px: Px(px),
                qty: Qty(qty),
            });
            top.set(side, levels, 4, true);
        }
        top
    }
}
