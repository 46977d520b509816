//! A bounded order book that knows how deep it is true. Never grows, never claims a level that it cannot prove,
//! and knows nothing of sequence numbers.

use crate::base::{Level, Px, Qty, Side, Snapshot, Top};

/// Bids and asks of one instrument, at most `N` levels a side.
///
/// Each side has a **completeness horizon**: the worst price up to which every level of the exchange is
/// held. A snapshot sets it, a level dropped for want of room pulls it in. Levels beyond it are real, but
/// there may be others between them.
#[derive(Debug, Clone)]
pub struct Book<const N: usize> {
    bids: Half<N>,
    asks: Half<N>,
}

impl<const N: usize> Book<N> {
    /// An empty book that knows nothing. The only call that allocates.
    #[expect(clippy::new_without_default, reason = "it allocates: say so")]
    pub fn new() -> Self {
        Self {
            bids: Half::new(Side::Buy),
            asks: Half::new(Side::Sell),
        }
    }

    /// Forgets every level, and that anything was known.
    pub fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Becomes `snapshot`, cut to the best `N` levels a side.
    pub fn load(&mut self, snapshot: &Snapshot) {
        self.bids.load(&snapshot.bids, snapshot.bids_whole);
        self.asks.load(&snapshot.asks, snapshot.asks_whole);
    }

    /// Sets what rests at a price; a zero quantity removes it, and removing what is not there is nothing.
    #[inline]
    pub fn set(&mut self, side: Side, level: Level) {
        match side {
            Side::Buy => self.bids.set(level),
            Side::Sell => self.asks.set(level),
        }
    }

    /// The highest bid.
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.iter().next()
    }

    /// The lowest ask.
    pub fn best_ask(&self) -> Option<Level> {
        self.asks.iter().next()
    }

    /// Best bid at or above best ask.
    pub fn crossed(&self) -> bool {
        matches!((self.best_bid(), self.best_ask()), (Some(bid), Some(ask)) if bid.px >= ask.px)
    }

    /// All levels that are held, best first, also those beyond the horizon.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.half(side).iter()
    }

    /// Levels held, also those beyond the horizon; at most `N`.
    pub fn depth(&self, side: Side) -> usize {
        self.half(side).len
    }

    /// Levels held inside the horizon: the exchange's own best ones, none missing between them.
    pub fn complete_depth(&self, side: Side) -> usize {
        self.half(side).complete()
    }

    /// True when the horizon is infinite: there is no level on this side that is not held.
    pub fn whole(&self, side: Side) -> bool {
        self.half(side).whole()
    }

    /// The worst price up to which this side is provably complete; `None` where nothing is known.
    /// Of a [`whole`](Self::whole) side it is the end of the price scale.
    pub fn horizon(&self, side: Side) -> Option<Px> {
        let half = self.half(side);
        (half.horizon != UNKNOWN).then(|| half.level(half.horizon, Qty(0)).px)
    }

    /// The best `K` levels of each side by value, saying how many of them are provably complete.
    pub fn top<const K: usize>(&self) -> Top<K> {
        let mut top = Top::EMPTY;
        for (side, half) in [(Side::Buy, &self.bids), (Side::Sell, &self.asks)] {
            top.set(side, half.iter(), half.complete(), half.whole());
        }
        top
    }

    #[cfg(test)]
    pub(super) fn check_all(&self) {
        self.bids.check_all();
        self.asks.check_all();
    }

    fn half(&self, side: Side) -> &Half<N> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}

/// The horizon of a side whose every level is held, and of one that knows nothing.
const WHOLE: i64 = i64::MIN;
const UNKNOWN: i64 = i64::MAX;

/// A price by rank: the better, the larger. For bids it is the price, for asks the price with its bits
/// turned, which turns the order, fits every `i64`, and is its own inverse.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Ranked {
    rank: i64,
    qty: Qty,
}

/// One side. The best level is the last one, so that the common change moves little memory.
///
/// Invariant: `outside <= len <= N`; ranks of `levels[..len]` rise strictly and no quantity is zero;
/// exactly the levels `[..outside]` rank below `horizon`.
#[derive(Debug, Clone)]
struct Half<const N: usize> {
    levels: Box<[Ranked; N]>,
    len: usize,
    outside: usize,
    /// Complete for every rank at or above this.
    horizon: i64,
    /// 0 for bids, -1 for asks: `px ^ turn` is the rank.
    turn: i64,
}

impl<const N: usize> Half<N> {
    fn new(side: Side) -> Self {
        const { assert!(N > 1) };
        let turn = match side {
            Side::Buy => 0,
            Side::Sell => -1,
        };
        let levels = vec![Ranked::default(); N].into_boxed_slice();
        Self {
            levels: levels
                .try_into()
                .expect("made with N levels one line above"),
            len: 0,
            outside: 0,
            horizon: UNKNOWN,
            turn,
        }
    }

    fn clear(&mut self) {
        (self.len, self.outside, self.horizon) = (0, 0, UNKNOWN);
    }

    fn load(&mut self, levels: &[Level], whole: bool) {
        self.clear();
        let kept = &levels[..levels.len().min(N)];
        // Worst first, so that each one goes to the end of the array.
        for &level in kept.iter().rev() {
            self.set(level);
        }
        let turn = self.turn;
        let sorted = levels.is_sorted_by(|better, worse| better.px.0 ^ turn > worse.px.0 ^ turn);
        self.horizon = match kept.last() {
            _ if !sorted => UNKNOWN, // What was cut off may be better than what was kept.
            _ if whole && kept.len() == levels.len() => WHOLE,
            Some(worst) => worst.px.0 ^ turn,
            None => UNKNOWN,
        };
        self.outside = self.search(self.horizon);
    }

    #[inline]
    fn set(&mut self, level: Level) {
        let rank = level.px.0 ^ self.turn;
        let at = self.search(rank);
        let found = at < self.len && self.levels[at].rank == rank;
        let entry = Ranked {
            rank,
            qty: level.qty,
        };
        match (found, level.qty) {
            (true, Qty(0)) => self.remove(at),
            (true, _) => self.levels[at] = entry,
            (false, Qty(0)) => {}
            (false, _) => self.insert(at, entry),
        }
    }

    /// How many levels rank below `rank`: the place where it is, or belongs.
    ///
    /// Halving without branches beats a look at the nearest levels first, whose every end is a branch
    /// mispredicted: `benches/book.rs` compares.
    #[inline]
    fn search(&self, rank: i64) -> usize {
        self.levels[..self.len].partition_point(|level| level.rank < rank)
    }

    fn remove(&mut self, at: usize) {
        self.levels.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.outside -= usize::from(at < self.outside);
        self.check(at);
    }

    fn insert(&mut self, at: usize, entry: Ranked) {
        let mut at = at;
        if self.len == N {
            let dropped = if at == 0 {
                entry.rank
            } else {
                self.levels[0].rank
            };
            self.pull_in(dropped);
            if at == 0 {
                return;
            }
            // The worst level gives its place: those between it and the new one move down.
            at -= 1;
            self.levels.copy_within(1..at + 1, 0);
        } else {
            self.levels.copy_within(at..self.len, at + 1);
            self.len += 1;
        }
        self.levels[at] = entry;
        self.outside += usize::from(entry.rank < self.horizon);
        self.check(at);
    }

    /// A level that the exchange has is not kept: the book is complete only above it. It is the worst of
    /// all, so that where it was inside the horizon, every other level was and is.
    fn pull_in(&mut self, dropped: i64) {
        if dropped >= self.horizon {
            self.horizon = dropped + 1; // The others rank above it: it is not the largest rank.
        } else if self.levels[0].rank == dropped {
            self.outside -= 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = Level> {
        let held = self.levels[..self.len].iter().rev();
        held.map(|entry| self.level(entry.rank, entry.qty))
    }

    fn level(&self, rank: i64, qty: Qty) -> Level {
        Level {
            px: Px(rank ^ self.turn),
            qty,
        }
    }

    fn complete(&self) -> usize {
        self.len - self.outside
    }

    fn whole(&self) -> bool {
        self.horizon == WHOLE
    }

    /// Looks at the neighbourhood of a change; the rest held before and did not move.
    #[inline]
    fn check(&self, at: usize) {
        debug_assert!(self.outside <= self.len);
        debug_assert!(self.len <= N);
        if cfg!(debug_assertions) {
            let near = &self.levels[at.saturating_sub(1)..self.len.min(at + 2)];
            debug_assert!(near.is_sorted_by(|worse, better| worse.rank < better.rank));
            debug_assert!(near.iter().all(|level| level.qty != Qty(0)));
        }
    }

    /// The whole invariant.
    #[cfg(test)]
    fn check_all(&self) {
        let held = &self.levels[..self.len];
        assert!(held.is_sorted_by(|worse, better| worse.rank < better.rank));
        assert!(held.iter().all(|level| level.qty != Qty(0)));
        let outside = held.iter().filter(|level| level.rank < self.horizon);
        assert_eq!(outside.count(), self.outside);
    }
}
