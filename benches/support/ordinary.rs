//! The ordinary way: serde_json into owned strings, `f64`, two `BTreeMap`s.
//! What most clients do, done without waste: no map of maps, no clone that is not needed.

use serde::Deserialize;
use std::collections::BTreeMap;
use tickwire::base::Snapshot;

#[derive(Deserialize)]
pub struct Combined {
    #[serde(rename = "stream")]
    pub _stream: String,
    pub data: Update,
}

/// A depth update with every string owned.
#[derive(Deserialize)]
pub struct Update {
    #[serde(rename = "e")]
    pub _kind: String,
    #[serde(rename = "E")]
    pub time: u64,
    #[serde(rename = "s")]
    pub symbol: String,
    #[serde(rename = "U")]
    pub first_id: u64,
    #[serde(rename = "u")]
    pub last_id: u64,
    #[serde(rename = "b")]
    pub bids: Vec<[String; 2]>,
    #[serde(rename = "a")]
    pub asks: Vec<[String; 2]>,
}

pub fn decode(frame: &str) -> Update {
    let Combined { data, .. } = serde_json::from_str(frame).unwrap();
    data
}

/// Prices by their bits: of positive floats these have the same order, and `f64` itself has none.
#[derive(Default)]
pub struct Book {
    bids: BTreeMap<u64, f64>,
    asks: BTreeMap<u64, f64>,
    last_id: u64,
}

impl Book {
    pub fn new(snapshot: &Snapshot) -> Self {
        let units = |units: i64| units as f64 / 1e8;
        let side = |levels: &[tickwire::base::Level]| {
            let level = |level: &tickwire::base::Level| {
                (units(level.px.0).to_bits(), units(level.qty.0 as i64))
            };
            levels.iter().map(level).collect()
        };
        Self {
            bids: side(&snapshot.bids),
            asks: side(&snapshot.asks),
            last_id: snapshot.last_id,
        }
    }

    pub fn apply(&mut self, update: &Update) {
        assert!(update.first_id <= self.last_id + 1, "a gap");
        apply(&mut self.bids, &update.bids);
        apply(&mut self.asks, &update.asks);
        self.last_id = update.last_id;
    }

    /// The best `K` levels per side; zeros if there are fewer.
    pub fn top<const K: usize>(&self) -> [[(f64, f64); K]; 2] {
        let mut top = [[(0.0, 0.0); K]; 2];
        let level = |(&px, &qty): (&u64, &f64)| (f64::from_bits(px), qty);
        let bids = self.bids.iter().rev().map(level);
        top[0]
            .iter_mut()
            .zip(bids)
            .for_each(|(slot, it)| *slot = it);
        let asks = self.asks.iter().map(level);
        top[1]
            .iter_mut()
            .zip(asks)
            .for_each(|(slot, it)| *slot = it);
        top
    }
}

fn apply(side: &mut BTreeMap<u64, f64>, levels: &[[String; 2]]) {
    for [px, qty] in levels {
        let (px, qty): (f64, f64) = (px.parse().unwrap(), qty.parse().unwrap());
        if qty == 0.0 {
            side.remove(&px.to_bits());
        } else {
            side.insert(px.to_bits(), qty);
        }
    }
}
