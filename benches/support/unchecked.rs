//! The shortest way: a scanner that trusts every byte, and two sorted arrays. What a message costs
//! if nobody looks whether it is one, and no book knows how far it reaches.

use tickwire::base::{Level, Snapshot};

/// Two arrays of levels, best last.
#[derive(Default)]
pub struct Book {
    bids: Vec<(i64, u64)>,
    asks: Vec<(i64, u64)>,
    last_id: u64,
    levels: Vec<(i64, u64)>,
}

impl Book {
    pub fn load(&mut self, snapshot: &Snapshot) {
        let pair = |level: &Level| (level.px.0, level.qty.0);
        self.bids = snapshot.bids.iter().rev().map(pair).collect();
        self.asks = snapshot.asks.iter().rev().map(pair).collect();
        self.last_id = snapshot.last_id;
    }

    /// Decodes one message and applies it.
    #[inline(never)] // So that a profile has a name for it.
    pub fn handle(&mut self, frame: &[u8]) {
        // Up to `"U":` a message has this many bytes at least.
        let mut at = 60 + memchr::memmem::find(&frame[60..], b"\"U\":").unwrap() + 4;
        let first_id = number(frame, &mut at);
        assert!(first_id <= self.last_id + 1, "a gap");
        at += 5; // `,"u":`
        self.last_id = number(frame, &mut at);
        at += 5; // `,"b":`
        levels(frame, &mut at, &mut self.levels);
        for &(px, qty) in &self.levels {
            let place = self.bids.partition_point(|held| held.0 < px);
            change(&mut self.bids, place, px, qty);
        }
        at += 5; // `,"a":`
        levels(frame, &mut at, &mut self.levels);
        for &(px, qty) in &self.levels {
            let place = self.asks.partition_point(|held| held.0 > px);
            change(&mut self.asks, place, px, qty);
        }
    }

    pub fn best_bid(&self) -> Option<(i64, u64)> {
        self.bids.last().copied()
    }
}

fn change(side: &mut Vec<(i64, u64)>, place: usize, px: i64, qty: u64) {
    match (side.get_mut(place).filter(|held| held.0 == px), qty) {
        (Some(_), 0) => drop(side.remove(place)),
        (Some(held), _) => held.1 = qty,
        (None, 0) => {}
        (None, _) => side.insert(place, (px, qty)),
    }
}

/// `[["price","quantity"],…]`, each number with eight decimals.
fn levels(frame: &[u8], at: &mut usize, into: &mut Vec<(i64, u64)>) {
    into.clear();
    *at += 1;
    while frame[*at] != b']' {
        *at += 2 * usize::from(frame[*at] == b'[') + usize::from(frame[*at] == b',') * 3;
        let px = decimal(frame, at);
        *at += 3; // `","`
        let qty = decimal(frame, at);
        *at += 2; // `"]`
        into.push((px as i64, qty));
    }
    *at += 1;
}

/// Digits, a point, and eight digits in one word.
fn decimal(frame: &[u8], at: &mut usize) -> u64 {
    let whole = number(frame, at);
    let part = u64::from_le_bytes(*frame[*at + 1..].first_chunk().unwrap());
    *at += 9;
    let digits = part & 0x0f0f_0f0f_0f0f_0f0f;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let part = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    whole * 100_000_000 + part
}

fn number(frame: &[u8], at: &mut usize) -> u64 {
    let mut number = 0;
    loop {
        let digit = frame[*at].wrapping_sub(b'0');
        if digit > 9 {
            return number;
        }
        number = number * 10 + u64::from(digit);
        *at += 1;
    }
}
