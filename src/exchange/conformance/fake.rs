//! A market of two instruments that moves by dice: what mirrors are shown in the conformance tests.

use crate::base::{Diff, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::mirror::{Happened, Listing, Market, Mirror, Pace};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Fake {
    listings: Vec<Listing>,
    books: Vec<Book>,
    dice: fastrand::Rng,
    steps: i64,
    /// Published by [`Market::flush`], not yet handed to the sessions.
    pub(crate) pending: Vec<Happened>,
}

#[derive(Default)]
struct Book {
    sides: [BTreeMap<i64, u64>; 2],
    changed: [BTreeSet<i64>; 2],
    id: u64,
    /// The id and the number of the last message.
    sent: (u64, u64),
}

/// A price in the middle of each book, in ticks.
const MIDDLE: i64 = 50_000;

impl Fake {
    pub(crate) fn new(mirror: &dyn Mirror) -> Self {
        let listing = |(n, base): (u16, &str)| {
            let mut instrument = mirror.list(base, mirror.quote(), 2, 4);
            instrument.id = InstrumentId(n);
            Listing {
                instrument,
                volume: 1_000_000 >> n,
            }
        };
        let listings: Vec<Listing> = [(0, "BTC"), (1, "ETH")].into_iter().map(listing).collect();
        let mut fake = Self {
            books: listings.iter().map(|_| Book::default()).collect(),
            listings,
            dice: fastrand::Rng::with_seed(7),
            steps: 0,
            pending: Vec::new(),
        };
        for n in 0..fake.books.len() {
            for _ in 0..900 {
                fake.change(n);
            }
            let id = 1_000_000 * (n as u64 + 1);
            fake.books[n].id = id;
            fake.books[n].sent = (id, 17);
            fake.books[n].changed = Default::default();
        }
        fake
    }

    /// Some changes, and at every third step what is published of them.
    pub(crate) fn step(&mut self, step: usize) -> Vec<Happened> {
        self.steps += 1;
        let mut events = Vec::new();
        for n in 0..self.books.len() {
            for _ in 0..self.dice.usize(0..6) {
                self.change(n);
            }
            let (id, now) = (InstrumentId(n as u16), self.now());
            let best = [Side::Buy, Side::Sell].map(|side| self.levels(n, side).next());
            if let [Some(bid), Some(ask)] = best {
                events.push(Happened::Quote(Quote {
                    instrument: id,
                    update_id: self.books[n].id,
                    bid,
                    ask,
                }));
                if step.is_multiple_of(7) {
                    events.push(Happened::Trade(Trade {
                        instrument: id,
                        id: 500 + step as u64,
                        px: ask.px,
                        qty: ask.qty,
                        taker: Side::Buy,
                        exch_time: now,
                    }));
                }
            }
            if step % 3 == 2 {
                events.extend(self.publish(n));
            }
        }
        events
    }

    fn change(&mut self, n: usize) {
        let instrument = &self.listings[n].instrument;
        let side = self.dice.usize(0..2);
        let far = self.dice.i64(1..600);
        let ticks = if side == 0 {
            MIDDLE - far
        } else {
            MIDDLE + far
        };
        let px = ticks * instrument.tick.0;
        let qty = self.dice.u64(0..40).saturating_sub(12) * instrument.lot.0;
        let book = &mut self.books[n];
        match qty {
            0 => drop(book.sides[side].remove(&px)),
            _ => drop(book.sides[side].insert(px, qty)),
        }
        book.changed[side].insert(px);
        book.id += 1;
    }

    fn publish(&mut self, n: usize) -> Option<Happened> {
        let exch_time = self.now();
        let book = &mut self.books[n];
        if book.id == book.sent.0 {
            return None;
        }
        let changed = std::mem::take(&mut book.changed);
        let level = |side: usize| {
            let held = &book.sides[side];
            move |px: &i64| Level {
                px: Px(*px),
                qty: Qty(held.get(px).copied().unwrap_or(0)),
            }
        };
        let bids = changed[0].iter().rev().map(level(0)).collect();
        let asks = changed[1].iter().map(level(1)).collect();
        let (sent, number) = book.sent;
        book.sent = (book.id, number + 1);
        Some(Happened::Depth {
            pace: Pace::Fast,
            diff: Diff {
                instrument: InstrumentId(n as u16),
                first_id: sent + 1,
                last_id: book.id,
                prev_id: Some(sent),
                checksum: None,
                exch_time,
            },
            number: number + 1,
            bids,
            asks,
        })
    }
}

impl Market for Fake {
    fn now(&self) -> UnixNanos {
        UnixNanos(1_767_323_045_000_000_000 + self.steps * 33_000_000)
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    fn flush(&mut self, listing: usize, _pace: Pace) {
        let published = self.publish(listing);
        self.pending.extend(published);
    }

    fn stands_at(&self, listing: usize, _pace: Pace) -> (u64, u64) {
        (self.books[listing].id, self.books[listing].sent.1)
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let levels = self.books[listing].sides[side as usize]
            .iter()
            .map(|(px, qty)| Level {
                px: Px(*px),
                qty: Qty(*qty),
            });
        match side {
            Side::Buy => Box::new(levels.rev()),
            Side::Sell => Box::new(levels),
        }
    }
}
