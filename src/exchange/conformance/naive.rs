//! A book as simple as can be, which checks each message against its exchange's rule as the
//! documents word it.

use crate::base::feed::{Chain, Checksum, SeqRule, SnapshotFrom, Splice};
use crate::base::{Diff, Instrument, Level, Qty, Side, Snapshot};
use std::collections::BTreeMap;

pub(crate) struct Naive {
    rule: SeqRule,
    instrument: Instrument,
    sides: [BTreeMap<i64, u64>; 2],
    id: Option<u64>,
    first: bool,
    waiting: Vec<(Diff, Vec<Level>, Vec<Level>)>,
}

impl Naive {
    pub(crate) fn new(rule: SeqRule, instrument: Instrument) -> Self {
        let (sides, waiting) = (Default::default(), Vec::new());
        Self {
            rule,
            instrument,
            sides,
            id: None,
            first: true,
            waiting,
        }
    }

    pub(crate) fn load(&mut self, snapshot: &Snapshot) {
        self.set(Side::Buy, &snapshot.bids);
        self.set(Side::Sell, &snapshot.asks);
        (self.id, self.first) = (Some(snapshot.last_id), true);
        for (diff, bids, asks) in std::mem::take(&mut self.waiting) {
            self.apply(false, &diff, &bids, &asks, "a diff that waited");
        }
    }

    pub(crate) fn apply(
        &mut self,
        whole: bool,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
        what: &str,
    ) {
        if whole {
            assert_eq!(self.rule.snapshot, SnapshotFrom::Stream, "{what}");
            self.sides = Default::default();
            self.id = Some(diff.last_id);
            self.first = false;
        } else {
            let Some(id) = self.id else {
                assert_eq!(
                    self.rule.snapshot,
                    SnapshotFrom::Rest,
                    "a diff before the book: {what}"
                );
                self.waiting.push((*diff, bids.to_vec(), asks.to_vec()));
                return;
            };
            if !self.follows(id, diff, what) {
                return;
            }
            (self.id, self.first) = (Some(diff.last_id), false);
        }
        self.set(Side::Buy, bids);
        self.set(Side::Sell, asks);
        if let Some(window) = self.rule.window.filter(|_| self.rule.truncates) {
            while self.sides[0].len() > usize::from(window) {
                self.sides[0].pop_first();
            }
            while self.sides[1].len() > usize::from(window) {
                self.sides[1].pop_last();
            }
        }
        if let (Some(kind), Some(sent)) = (self.rule.checksum, diff.checksum) {
            assert_eq!(crc32(self.checked_text(kind).as_bytes()), sent, "{what}");
        }
    }

    /// Whether the diff is the next one; false for one that the book has already.
    fn follows(&self, id: u64, diff: &Diff, what: &str) -> bool {
        let place = format!("at {id}: {what}");
        match (self.first, self.rule.splice, self.rule.chain) {
            (_, _, Chain::Counted) => true,
            (true, Splice::Around, _) => {
                assert!(
                    diff.last_id < id || diff.first_id <= id || diff.prev_id <= Some(id),
                    "{place}"
                );
                diff.last_id >= id
            }
            (_, _, Chain::Rising) => diff.last_id > id,
            (_, _, Chain::Dense) => {
                assert!(diff.first_id <= id + 1, "{place}");
                diff.last_id > id
            }
            (_, _, Chain::Previous) => {
                let next = diff.prev_id.is_none_or(|prev| prev == id);
                assert!(next || diff.last_id <= id, "{place}");
                next
            }
        }
    }

    fn set(&mut self, side: Side, levels: &[Level]) {
        for level in levels {
            match level.qty {
                Qty(0) => drop(self.sides[side as usize].remove(&level.px.0)),
                Qty(qty) => drop(self.sides[side as usize].insert(level.px.0, qty)),
            }
        }
    }

    fn best(&self, side: Side) -> Vec<(i64, u64)> {
        let levels = self.sides[side as usize]
            .iter()
            .map(|(px, qty)| (*px, *qty));
        match side {
            Side::Buy => levels.rev().collect(),
            Side::Sell => levels.collect(),
        }
    }

    /// Holds exactly the best levels of `truth`, as many as its stream tells of.
    pub(crate) fn check(&self, side: Side, truth: &[Level], what: &str) {
        let ours = self.best(side);
        let short = self.rule.short.map(usize::from);
        let window = match short == Some(ours.len()) {
            true => short,
            false => self.rule.window.map(usize::from),
        };
        let window = window.unwrap_or(usize::MAX);
        let truth: Vec<_> = truth
            .iter()
            .take(window)
            .map(|l| (l.px.0, l.qty.0))
            .collect();
        assert_eq!(&ours[..ours.len().min(window)], truth, "{side:?}, {what}");
    }

    fn checked_text(&self, kind: Checksum) -> String {
        let (px_scale, qty_scale) = (self.instrument.px_scale, self.instrument.qty_scale);
        let (bids, asks) = (self.best(Side::Buy), self.best(Side::Sell));
        match kind {
            Checksum::Digits10 => {
                let all = asks.iter().take(10).chain(bids.iter().take(10));
                all.map(|(px, qty)| format!("{px}{qty}")).collect()
            }
            Checksum::Decimals25 => {
                let plain = |units: u64, scale: u8| {
                    crate::base::Decimal {
                        units: u128::from(units),
                        scale,
                    }
                    .to_string()
                };
                let text = |(px, qty): &(i64, u64)| {
                    format!("{}:{}", plain(*px as u64, px_scale), plain(*qty, qty_scale))
                };
                let mut parts = Vec::new();
                for n in 0..25 {
                    parts.extend(bids.get(n).map(text));
                    parts.extend(asks.get(n).map(text));
                }
                parts.join(":")
            }
        }
    }
}

/// CRC-32 (IEEE), a bit at a time.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let byte = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    };
    !bytes.iter().fold(!0, byte)
}
