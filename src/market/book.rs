//! A bounded order book that knows how deep it is true. Never grows, never claims a level that it
//! cannot prove, and knows nothing of sequence numbers.

mod sweep;

use crate::base::{Level, Px, Qty, Side, Top};
use std::cell::RefCell;

/// Changes of a side from which on one sweep is faster than a search and a move for each.
const SWEEP_MIN: usize = 3;

/// Bids and asks of one instrument, at most `N` levels per side.
///
/// Each side has a **completeness horizon**: the worst price up to which every level of the
/// exchange is held. A snapshot sets it, a level dropped for want of room pulls it in. Levels
/// beyond it are real, but there may be others between them.
#[derive(Debug, Clone)]
pub struct Book<const N: usize> {
    bids: Half<N>,
    asks: Half<N>,
}

impl<const N: usize> Book<N> {
    /// An empty book that knows nothing. It allocates all that it ever uses.
    #[expect(clippy::new_without_default, reason = "it allocates: say so")]
    pub fn new() -> Self {
        Self::windowed(None, false)
    }

    /// As [`Self::new`], of a stream that tells of the best `window` levels per side and of none
    /// beyond. With `truncates` the stream does not say that a level left the window: it is dropped
    /// here.
    pub(crate) fn windowed(window: Option<u16>, truncates: bool) -> Self {
        Self {
            bids: Half::new(Side::Buy, window, truncates),
            asks: Half::new(Side::Sell, window, truncates),
        }
    }

    /// As [`Self::windowed`], in the memory of a book that was given back if there is one.
    pub(crate) fn lent(window: Option<u16>, truncates: bool) -> Self {
        Self {
            bids: Half::lent(Side::Buy, window, truncates),
            asks: Half::lent(Side::Sell, window, truncates),
        }
    }

    /// Is over: its memory is for whoever needs a book next on this thread.
    pub(crate) fn give_back(self) {
        for half in [self.bids, self.asks] {
            SPARES.with_borrow_mut(|spares| {
                if spares.len() < SPARES_MAX {
                    spares.push(half.levels);
                }
            });
        }
    }

    /// Becomes equal to `other`. Allocates nothing.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.bids.copy_from(&other.bids);
        self.asks.copy_from(&other.asks);
    }

    /// A message is over. With a window the book is truncated to it, and what it holds of it is all
    /// that there is. A window larger than `N` changes nothing.
    #[inline]
    pub(crate) fn end_message(&mut self) {
        self.bids.end_message();
        self.asks.end_message();
    }

    /// Forgets every level, and that anything was known.
    pub(crate) fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    /// Becomes these levels, at most the best `N` per side. `whole` says that the exchange has no
    /// others on that side. Best level first is fast; any other order is as good.
    pub fn load(&mut self, bids: &[Level], bids_whole: bool, asks: &[Level], asks_whole: bool) {
        self.bids.load(bids, bids_whole);
        self.asks.load(asks, asks_whole);
    }

    /// Forgets that this side, which has no level, has none at the exchange either.
    pub(crate) fn doubt(&mut self, side: Side) {
        let half = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        debug_assert_eq!(half.len, 0);
        (half.horizon, half.short) = (UNKNOWN, true);
        half.check(0);
    }

    /// Sets what rests at a price; a zero quantity removes it, and removing what is not there is
    /// nothing.
    #[inline]
    pub(crate) fn set(&mut self, side: Side, level: Level) {
        match side {
            Side::Buy => self.bids.set(level),
            Side::Sell => self.asks.set(level),
        }
    }

    /// Applies the changed bids and asks of one message: the same as `set` for each in
    /// turn, and faster if a side's changes come best level first.
    #[inline]
    pub fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        self.bids.apply(bids);
        self.asks.apply(asks);
    }

    /// The highest bid.
    pub fn best_bid(&self) -> Option<Level> {
        self.bids.iter().next()
    }

    /// The lowest ask.
    pub(crate) fn best_ask(&self) -> Option<Level> {
        self.asks.iter().next()
    }

    /// Best bid at or above best ask.
    pub(crate) fn crossed(&self) -> bool {
        matches!((self.best_bid(), self.best_ask()), (Some(bid), Some(ask)) if bid.px >= ask.px)
    }

    /// All levels that are held, best first, also those beyond the horizon.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.half(side).iter()
    }

    /// Levels held, also those beyond the horizon; at most `N`.
    pub(crate) fn depth(&self, side: Side) -> usize {
        self.half(side).len
    }

    /// Levels held inside the horizon: the exchange's own best ones, none missing between them.
    pub(crate) fn complete_depth(&self, side: Side) -> usize {
        self.half(side).complete()
    }

    /// True when the horizon is infinite: there is no level on this side that is not held.
    pub(crate) fn whole(&self, side: Side) -> bool {
        self.half(side).whole()
    }

    /// The best `k` levels of both sides, or all that there are, are provably the exchange's own.
    pub(crate) fn is_complete(&self, k: usize) -> bool {
        [&self.bids, &self.asks]
            .iter()
            .all(|half| half.whole() || half.complete() >= k)
    }

    /// The worst price up to which this side is provably complete; `None` if nothing is known. For
    /// a [`whole`](Self::whole) side it is the end of the price scale.
    #[cfg(test)]
    pub(crate) fn horizon(&self, side: Side) -> Option<Px> {
        let half = self.half(side);
        (half.horizon != UNKNOWN).then(|| half.level(half.horizon, Qty(0)).px)
    }

    /// The best `K` levels of each side by value, saying how many of them are provably complete.
    pub fn top<const K: usize>(&self) -> Top<K> {
        let mut top = Top::EMPTY;
        self.copy_top(&mut top);
        top
    }

    /// As [`Self::top`], to where it is wanted.
    pub(crate) fn copy_top<const K: usize>(&self, top: &mut Top<K>) {
        for (side, half) in [(Side::Buy, &self.bids), (Side::Sell, &self.asks)] {
            top.set(side, half.iter(), half.complete(), half.whole());
        }
    }

    #[cfg(any(test, fuzzing))]
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

/// A price by rank: the better, the larger. For bids it is the price, for asks the price with its
/// bits flipped, which turns the order round, fits every `i64`, and is its own inverse.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Ranked {
    rank: i64,
    qty: Qty,
}

/// Sides of books that were given back, which a thread keeps at most.
const SPARES_MAX: usize = 16;

std::thread_local! {
    /// What [`Book::give_back`] left.
    static SPARES: RefCell<Vec<Box<[Ranked]>>> = const { RefCell::new(Vec::new()) };
}

/// One side. The best level is the last one, so that the common change moves little memory.
///
/// Invariant: `outside <= len <= N`; ranks of `levels[..len]` rise strictly and no quantity is
/// zero; exactly the levels `[..outside]` rank below `horizon`.
#[derive(Debug, Clone)]
struct Half<const N: usize> {
    levels: Box<[Ranked; N]>,
    len: usize,
    outside: usize,
    /// Complete for every rank at or above this.
    horizon: i64,
    /// Levels that the stream tells of; more than `N` if it tells of all, or of more than fit.
    window: usize,
    /// Levels beyond the window are dropped at the end of a message.
    truncates: bool,
    /// Levels of the window were dropped for want of room, or never came, and are not known yet.
    short: bool,
    /// 0 for bids, -1 for asks: `px ^ flip` is the rank.
    flip: i64,
}

/// Changes that take a level away.
fn removals(changes: &[Level]) -> usize {
    changes.iter().filter(|change| change.qty == Qty(0)).count()
}

impl<const N: usize> Half<N> {
    fn new(side: Side, window: Option<u16>, truncates: bool) -> Self {
        let levels = vec![Ranked::default(); N].into_boxed_slice();
        #[expect(clippy::expect_used, reason = "made with N levels one line above")]
        let levels = levels.try_into().expect("N levels");
        Self::in_memory(levels, side, window, truncates)
    }

    /// As [`Self::new`], in memory that was given back if there is any of this size.
    fn lent(side: Side, window: Option<u16>, truncates: bool) -> Self {
        let fits = SPARES.with_borrow_mut(|spares| {
            let at = spares.iter().position(|levels| levels.len() == N)?;
            spares.swap_remove(at).try_into().ok()
        });
        match fits {
            Some(levels) => Self::in_memory(levels, side, window, truncates),
            None => Self::new(side, window, truncates),
        }
    }

    /// Whatever `levels` are, they are not taken for any.
    fn in_memory(
        levels: Box<[Ranked; N]>,
        side: Side,
        window: Option<u16>,
        truncates: bool,
    ) -> Self {
        const { assert!(N > 1) };
        let flip = match side {
            Side::Buy => 0,
            Side::Sell => -1,
        };
        Self {
            levels,
            len: 0,
            outside: 0,
            horizon: UNKNOWN,
            window: window.map_or(usize::MAX, usize::from),
            truncates,
            short: false,
            flip,
        }
    }

    fn clear(&mut self) {
        (self.len, self.outside, self.horizon) = (0, 0, UNKNOWN);
        self.short = false;
    }

    fn copy_from(&mut self, other: &Self) {
        self.levels[..other.len].copy_from_slice(&other.levels[..other.len]);
        (self.len, self.outside) = (other.len, other.outside);
        (self.horizon, self.short) = (other.horizon, other.short);
        debug_assert_eq!(self.flip, other.flip);
        debug_assert_eq!(self.window, other.window);
        self.check(0);
    }

    fn end_message(&mut self) {
        if self.window > N {
            return; // Some of it never had room: the horizon says how much has.
        }
        self.short &= self.complete() < self.window;
        let beyond = self.len.saturating_sub(self.window);
        if self.truncates && beyond > 0 {
            self.levels.copy_within(beyond..self.len, 0);
            self.len -= beyond;
            self.outside = self.outside.saturating_sub(beyond);
        }
        if !self.short {
            self.outside = self.len.saturating_sub(self.window);
            self.horizon = match self.len < self.window {
                true => WHOLE,
                false => self.levels[self.outside].rank,
            };
        }
        debug_assert!(!self.truncates || self.len <= self.window);
        debug_assert!(self.short || self.complete() == self.len.min(self.window));
        self.check(0);
    }

    fn load(&mut self, levels: &[Level], whole: bool) {
        self.clear();
        let flip = self.flip;
        if !levels.is_sorted_by(|better, worse| better.px.0 ^ flip > worse.px.0 ^ flip) {
            return self.load_unsorted(levels, whole);
        }
        let kept = &levels[..levels.len().min(N)];
        // Worst first, so that each one goes to the end of the array.
        for &level in kept.iter().rev() {
            self.set(level);
        }
        self.horizon = match kept.last() {
            _ if whole && kept.len() == levels.len() => WHOLE,
            Some(worst) => worst.px.0 ^ flip,
            None => UNKNOWN,
        };
        self.outside = self.search(self.horizon);
        self.short = !whole && self.len < self.window;
        debug_assert_eq!(
            self.len,
            kept.iter().filter(|level| level.qty != Qty(0)).count()
        );
        self.check(0);
    }

    /// One by one into a side that is known to be empty: what finds no room pulls the horizon in.
    fn load_unsorted(&mut self, levels: &[Level], whole: bool) {
        self.horizon = WHOLE;
        for &level in levels {
            self.set(level);
        }
        let worst = levels.iter().map(|level| level.px.0 ^ self.flip).min();
        if let (false, Some(worst)) = (whole, worst) {
            self.horizon = self.horizon.max(worst);
        }
        self.outside = self.search(self.horizon);
        self.short |= !whole && self.len < self.window;
        self.check(0);
    }

    #[inline]
    fn set(&mut self, level: Level) {
        let rank = level.px.0 ^ self.flip;
        let at = self.search(rank);
        let found = self.holds(at, rank);
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
    /// Halving without branches beats a look at the nearest levels first, whose every end is a
    /// branch mispredicted: `benches/book.rs` compares.
    #[inline]
    fn search(&self, rank: i64) -> usize {
        self.levels[..self.len].partition_point(|level| level.rank < rank)
    }

    fn remove(&mut self, at: usize) {
        debug_assert!(at < self.len);
        self.levels.copy_within(at + 1..self.len, at);
        self.len -= 1;
        self.outside -= usize::from(at < self.outside);
        self.check(at);
    }

    fn insert(&mut self, at: usize, entry: Ranked) {
        debug_assert!(at <= self.len);
        debug_assert!(entry.qty != Qty(0));
        let mut at = at;
        if self.len == N {
            if at == 0 {
                // It is the worst of all, and is not kept itself.
                self.horizon = self.horizon.max(entry.rank + 1);
                self.short = true;
                return self.check(at);
            }
            let dropped = self.drop_worst(Self::SPARE.min(at));
            at -= dropped;
        }
        self.levels.copy_within(at..self.len, at + 1);
        self.len += 1;
        self.levels[at] = entry;
        self.outside += usize::from(entry.rank < self.horizon);
        self.check(at);
    }

    /// Levels that a full side gives up at once. One at a time, every insert into a full side would
    /// move all that is worse than it.
    const SPARE: usize = N / 16;

    /// Gives up the `count` worst levels, which the exchange has: the side is complete only above
    /// them.
    fn drop_worst(&mut self, count: usize) -> usize {
        debug_assert!(0 < count);
        debug_assert!(count <= self.len);
        // The others rank above the best of them, so that it is not the largest rank.
        self.horizon = self.horizon.max(self.levels[count - 1].rank + 1);
        self.levels.copy_within(count..self.len, 0);
        self.len -= count;
        self.outside = self.outside.saturating_sub(count);
        self.short = true;
        self.check(0);
        count
    }

    fn apply(&mut self, changes: &[Level]) {
        let flip = self.flip;
        let full = match (self.len + changes.len()).checked_sub(N) {
            None => 0,
            Some(over) => over.saturating_sub(removals(changes)),
        };
        let sorted =
            || changes.is_sorted_by(|better, worse| better.px.0 ^ flip > worse.px.0 ^ flip);
        // A window that just fits must not lose levels to changes that only might need their room.
        let tight = full >= Self::SPARE || (full > 0 && self.window <= N);
        if changes.len() < SWEEP_MIN || tight || !sorted() {
            for &change in changes {
                self.set(change);
            }
            return;
        }
        if full > 0 {
            self.drop_worst(Self::SPARE);
        }
        debug_assert!(self.len + changes.len() - removals(changes) <= N);
        self.sweep_all(changes);
    }

    #[inline]
    fn holds(&self, at: usize, rank: i64) -> bool {
        at < self.len && self.levels[at].rank == rank
    }

    fn iter(&self) -> impl Iterator<Item = Level> {
        let held = self.levels[..self.len].iter().rev();
        held.map(|entry| self.level(entry.rank, entry.qty))
    }

    fn level(&self, rank: i64, qty: Qty) -> Level {
        Level {
            px: Px(rank ^ self.flip),
            qty,
        }
    }

    fn complete(&self) -> usize {
        self.len - self.outside
    }

    fn whole(&self) -> bool {
        self.horizon == WHOLE
    }

    /// Looks at the neighbourhood of a change and of the horizon; the others held before and did
    /// not move.
    #[inline]
    fn check(&self, at: usize) {
        debug_assert!(self.outside <= self.len);
        debug_assert!(self.len <= N);
        if cfg!(debug_assertions) {
            let near = &self.levels[at.saturating_sub(1)..self.len.min(at + 2)];
            debug_assert!(near.is_sorted_by(|worse, better| worse.rank < better.rank));
            debug_assert!(near.iter().all(|level| level.qty != Qty(0)));
            let (outside, inside) = self.levels[..self.len].split_at(self.outside);
            debug_assert!(outside.last().is_none_or(|level| level.rank < self.horizon));
            debug_assert!(
                inside
                    .first()
                    .is_none_or(|level| self.horizon <= level.rank)
            );
        }
    }

    /// The whole invariant.
    #[cfg(any(test, fuzzing))]
    fn check_all(&self) {
        let held = &self.levels[..self.len];
        assert!(held.is_sorted_by(|worse, better| worse.rank < better.rank));
        assert!(held.iter().all(|level| level.qty != Qty(0)));
        let outside = held.iter().filter(|level| level.rank < self.horizon);
        assert_eq!(outside.count(), self.outside);
    }
}
