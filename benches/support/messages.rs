//! Depth updates as `btcusdt@depth@100ms` sends them, from a seed. Keeps the book they belong to,
//! so that each one removes what is there and adds what is not.
//!
//! The shape follows 6,492 updates of a recording (August 2024, 298,078 changed levels): every side
//! comes best level first; 40 % of the changes add a level, 39 % remove one, 12 % change a
//! quantity, 9 % remove what the book does not have; ranks are as in [`RANKS`], and at the touch
//! quantities change more often. The recording's median update has 22 levels, and one in ten has
//! more than 104.

use std::collections::BTreeSet;
use tickwire::base::{Instrument, Level, Px, Qty, Snapshot, Symbol};

/// Levels a side of the book.
pub const DEPTH: usize = 1_000;
/// Different messages that are sent in turn, so that no branch predictor learns them by heart.
pub const MESSAGES: usize = 1_200;
/// Units of 10^-8 that make a cent, the price step.
const CENT: i64 = 1_000_000;
/// The highest bid that can be, in cents; the lowest ask is the next one.
const MIDDLE: i64 = 6_183_763;
/// How often a change is at rank 0, 1, 2..=3, 4..=7, … 512 and beyond, out of 298.
const RANKS: [u32; 11] = [9, 11, 10, 17, 23, 28, 35, 42, 44, 43, 36];

/// A snapshot, and the updates that follow it.
pub struct Script {
    pub snapshot: Snapshot,
    text: String,
    ends: Vec<usize>,
}

impl Script {
    /// [`MESSAGES`] updates of `levels` changed levels each, half of them a side.
    pub fn new(levels: usize) -> Self {
        let mut dice = fastrand::Rng::with_seed(levels as u64);
        let mut bids = HalfBook::new(-1, &mut dice);
        let mut asks = HalfBook::new(1, &mut dice);
        let snapshot = Snapshot {
            dropped: 0,
            last_id: 1_000,
            bids: bids.levels(),
            asks: asks.levels(),
            ..Snapshot::default()
        };
        let (mut text, mut ends, mut last_id) = (String::new(), Vec::new(), snapshot.last_id);
        for n in 0..MESSAGES {
            let first_id = last_id + 1;
            last_id += dice.u64(levels as u64..4 * levels as u64);
            let time = 1_723_161_255_208_123 + 100_000 * n as u64;
            let bids = bids.update(levels / 2, &mut dice);
            let asks = asks.update(levels / 2, &mut dice);
            text.push_str(&format!(
                r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{time},"s":"BTCUSDT","U":{first_id},"u":{last_id},"b":[{bids}],"a":[{asks}]}}}}"#
            ));
            ends.push(text.len());
        }
        Self {
            snapshot,
            text,
            ends,
        }
    }

    /// The update with this number; they begin again after [`MESSAGES`], at the snapshot.
    pub fn message(&self, n: usize) -> &str {
        let begin = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.text[begin..self.ends[n]]
    }
}

/// One side as the exchange has it: prices in cents, with the bids' turned, so that the best is the
/// smallest.
struct HalfBook {
    sign: i64,
    prices: Vec<i64>,
}

impl HalfBook {
    fn new(sign: i64, dice: &mut fastrand::Rng) -> Self {
        let mut price = Self::best(sign);
        let mut next = || {
            let this = price;
            // Most neighbours are a few cents apart, some a few units.
            price += 1 + dice.i64(0..20) * if dice.u8(..10) == 0 { 10 } else { 1 };
            this
        };
        let prices = (0..DEPTH).map(|_| next()).collect();
        Self { sign, prices }
    }

    fn best(sign: i64) -> i64 {
        if sign < 0 { -MIDDLE } else { MIDDLE + 1 }
    }

    fn levels(&self) -> Vec<Level> {
        let level = |price: &i64| Level {
            px: Px(self.sign * price * CENT),
            qty: Qty(150_000_000),
        };
        self.prices.iter().map(level).collect()
    }

    /// `count` different changed levels as JSON text, best first.
    fn update(&mut self, count: usize, dice: &mut fastrand::Rng) -> String {
        let (mut seen, mut changes) = (BTreeSet::new(), Vec::new());
        while changes.len() < count {
            let rank = rank(dice).min(self.prices.len() - 1);
            if let Some((price, lots)) = self.change(rank, &mut seen, dice) {
                changes.push((price, lots));
            }
        }
        changes.sort_unstable();
        let text = |&(price, lots): &(i64, u64)| {
            let cents = self.sign * price;
            let (whole, part) = (cents / 100, cents % 100);
            let (coins, rest) = (lots / 100_000, lots % 100_000);
            format!(r#"["{whole}.{part:02}000000","{coins}.{rest:05}000"]"#)
        };
        changes.iter().map(text).collect::<Vec<_>>().join(",")
    }

    /// A change near `rank`, as price and lots of 10^-5; `None` if this message had that price
    /// already.
    fn change(
        &mut self,
        rank: usize,
        seen: &mut BTreeSet<i64>,
        dice: &mut fastrand::Rng,
    ) -> Option<(i64, u64)> {
        let at_touch = rank < 2;
        let kind = match dice.u8(..100) {
            0..12 => Kind::Change,
            12..40 if at_touch => Kind::Change,
            12..21 => Kind::RemoveNothing,
            _ if self.prices.len() > DEPTH => Kind::Remove,
            _ if self.prices.len() < DEPTH => Kind::Add,
            n if n % 2 == 0 => Kind::Add,
            _ => Kind::Remove,
        };
        let (held, before) = (
            self.prices[rank],
            match rank {
                0 => Self::best(self.sign) - 1,
                _ => self.prices[rank - 1],
            },
        );
        let free = (held - before > 1).then(|| dice.i64(before + 1..held));
        let (kind, price) = match (kind, free) {
            (Kind::Add | Kind::RemoveNothing, Some(price)) => (kind, price),
            (Kind::Add | Kind::RemoveNothing, None) => (Kind::Change, held),
            (Kind::Change | Kind::Remove, _) => (kind, held),
        };
        if !seen.insert(price) {
            return None;
        }
        match kind {
            Kind::Add => self.prices.insert(rank, price),
            Kind::Remove => drop(self.prices.remove(rank)),
            Kind::Change | Kind::RemoveNothing => {}
        }
        let lots = match kind {
            Kind::Add | Kind::Change => dice.u64(1..10) * 10u64.pow(dice.u32(0..6)) + 7,
            Kind::Remove | Kind::RemoveNothing => 0,
        };
        Some((price, lots))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Add,
    Remove,
    RemoveNothing,
    Change,
}

fn rank(dice: &mut fastrand::Rng) -> usize {
    let mut point = dice.u32(..RANKS.iter().sum::<u32>());
    let mut bucket = 0;
    while point >= RANKS[bucket] {
        point -= RANKS[bucket];
        bucket += 1;
    }
    match bucket {
        0 => 0,
        _ => dice.usize(1 << (bucket - 1)..1 << bucket),
    }
}

/// The instrument of the script, scaled as the exchange writes its numbers.
pub fn instrument() -> Instrument {
    Instrument {
        tick: Px(CENT),
        lot: Qty(1_000),
        qty_min: Qty(1_000),
        qty_max: Qty(i64::MAX as u64),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (8, 8))
    }
}
