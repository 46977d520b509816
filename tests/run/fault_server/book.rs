//! The true book of one instrument, and every best price that it ever had. Prices are in cents,
//! quantities in thousandths. Knows no exchange and no text.
//!
//! Each step, or one step in a given number, replaces both best levels by others at prices that do
//! not come again for a thousand steps. So a client that lost one message keeps a level that is
//! gone, its book is not crossed by it, and the price of an order says from which moment the book
//! was that it was made from.

use super::Setup;
use std::collections::{BTreeMap, VecDeque};

/// Best prices move within this many cents of the middle; deeper levels lie beyond.
const TOUCH: i64 = 1000;
/// Whole books of the past that are kept: 25 s at a step of 50 ms.
const PAST: usize = 500;

/// Price in cents, quantity in thousandths; zero removes the level.
pub type Level = (i64, u64);

pub struct Book {
    pub symbol: &'static str,
    middle: i64,
    pub bids: BTreeMap<i64, u64>,
    pub asks: BTreeMap<i64, u64>,
    pub last_id: u64,
    steps: i64,
    /// Steps that a best level stays; the bids' and the asks' go in turn.
    hold: i64,
    dice: u64,
    /// What the best prices were from when on.
    tops: Vec<Top>,
    past: VecDeque<Snapshot>,
}

#[derive(Clone, Copy)]
struct Top {
    from_us: i64,
    bid: i64,
    ask: i64,
}

#[derive(Clone)]
pub struct Snapshot {
    pub at_us: i64,
    pub last_id: u64,
    /// Best first, both.
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

/// What one step changed.
#[derive(Clone)]
pub struct Diff {
    pub symbol: &'static str,
    pub at_us: i64,
    pub first_id: u64,
    pub last_id: u64,
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
    /// The best levels after it.
    pub bid: Level,
    pub ask: Level,
}

/// The moment of the book that an order's price is of.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Moment {
    /// Counts the steps of the book.
    pub step: usize,
    /// How long ago it was true for the last time; zero: it still is.
    pub age_ms: i64,
}

impl Book {
    /// `deep`: levels per side below the best one.
    pub fn new(symbol: &'static str, middle: i64, setup: &Setup, now_us: i64) -> Self {
        let level = |n: i64| (TOUCH + 1 + n * 7, 1000 + (n as u64 * 37) % 5000);
        let far = (0..setup.deep).map(level);
        let mut book = Self {
            symbol,
            middle,
            bids: far.clone().map(|(px, qty)| (middle - px, qty)).collect(),
            asks: far.map(|(px, qty)| (middle + px, qty)).collect(),
            last_id: 1_000_000,
            steps: 0,
            hold: setup.hold,
            dice: 0x9E37_79B9_7F4A_7C15 ^ middle as u64,
            tops: Vec::new(),
            past: VecDeque::new(),
        };
        book.step(now_us);
        book
    }

    pub fn step(&mut self, now_us: i64) -> Diff {
        let (old, new) = (self.steps, self.steps + 1);
        let [bids_were, bids_are] = [old, new].map(|steps| steps / self.hold);
        let [asks_were, asks_are] = [old, new].map(|steps| (steps + self.hold / 2) / self.hold);
        let (bid, ask) = (self.bid_at(bids_are), self.ask_at(asks_are));
        // Each turn leans to the other side: a strategy on imbalance has something to do.
        let (heavy, light) = (9000 + self.roll(900), 1000 + self.roll(100));
        let leans = new / self.hold % 2 == 0;
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        if old == 0 || bids_are > bids_were {
            bids.extend((old > 0).then(|| (self.bid_at(bids_were), 0)));
            bids.push((bid, if leans { heavy } else { light }));
        }
        if old == 0 || asks_are > asks_were {
            asks.extend((old > 0).then(|| (self.ask_at(asks_were), 0)));
            asks.push((ask, if leans { light } else { heavy }));
        }
        for _ in 0..2 {
            let far = TOUCH + 1 + self.roll(700) as i64;
            let gone = self.roll(2) == 0 && self.bids.contains_key(&(self.middle - far));
            let qty = if gone { 0 } else { 1 + self.roll(5000) };
            bids.push((self.middle - far, qty));
            asks.push((self.middle + far, qty));
        }
        let first_id = self.last_id + 1;
        self.last_id += 1 + self.roll(4);
        self.steps = new;
        set(&mut self.bids, &bids);
        set(&mut self.asks, &asks);
        self.tops.push(Top {
            from_us: now_us,
            bid,
            ask,
        });
        if self.past.len() == PAST {
            self.past.pop_front();
        }
        self.past.push_back(Snapshot {
            at_us: now_us,
            last_id: self.last_id,
            bids: self
                .bids
                .iter()
                .rev()
                .map(|(&px, &qty)| (px, qty))
                .collect(),
            asks: self.asks.iter().map(|(&px, &qty)| (px, qty)).collect(),
        });
        Diff {
            symbol: self.symbol,
            at_us: now_us,
            first_id,
            last_id: self.last_id,
            bids,
            asks,
            bid: (bid, self.bids[&bid]),
            ask: (ask, self.asks[&ask]),
        }
    }

    fn bid_at(&self, turn: i64) -> i64 {
        self.middle - 1 - (turn * 577) % TOUCH
    }

    fn ask_at(&self, turn: i64) -> i64 {
        self.middle + 1 + (turn * 389) % TOUCH
    }

    /// The book as it is.
    pub fn snapshot(&self) -> Snapshot {
        self.past.back().unwrap().clone()
    }

    /// The book as it was, or the oldest one that is kept.
    pub fn snapshot_at(&self, at_us: i64) -> Snapshot {
        let found = self.past.iter().rev().find(|past| past.at_us <= at_us);
        found.unwrap_or(&self.past[0]).clone()
    }

    /// An order to buy is made at the best ask, one to sell at the best bid. `None`: that price was
    /// never the best.
    pub fn moment(&self, buy: bool, px: i64, at_us: i64) -> Option<Moment> {
        let mut until = i64::MAX;
        for (step, top) in self.tops.iter().enumerate().rev() {
            if top.from_us <= at_us && px == if buy { top.ask } else { top.bid } {
                let age_ms = (at_us - until).max(0) / 1000;
                return Some(Moment { step, age_ms });
            }
            until = top.from_us;
        }
        None
    }

    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}

fn set(side: &mut BTreeMap<i64, u64>, changes: &[Level]) {
    for &(px, qty) in changes {
        match qty {
            0 => drop(side.remove(&px)),
            _ => drop(side.insert(px, qty)),
        }
    }
}

pub fn px_text(px: i64) -> String {
    format!("{}.{:02}", px / 100, px % 100)
}

pub fn qty_text(qty: u64) -> String {
    format!("{}.{:03}00000", qty / 1000, qty % 1000)
}

/// Cents of a price's text.
pub fn cents(text: &str) -> i64 {
    (text.parse::<f64>().unwrap() * 100.0).round() as i64
}
