//! A small market that the test moves by hand: every change is published at once, to streams of
//! either pace.

use std::collections::BTreeMap;
use tickwire::base::{Diff, InstrumentId, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use tickwire::exchange::mirror::{Happened, Listing, Market, Mirror, Pace};

/// The best ask, in ticks; the best bid is one below.
const MIDDLE: i64 = 50_000;
/// Levels a side at the start: every stream's window is smaller or holds all of them.
const LEVELS: i64 = 40;

#[derive(Default)]
struct Book {
    sides: [BTreeMap<i64, u64>; 2],
    id: u64,
    number: u64,
    trades: u64,
}

/// The market of one exchange.
pub struct Town {
    pub now: UnixNanos,
    pub happened: Vec<Happened>,
    listings: Vec<Listing>,
    books: Vec<Book>,
    dice: fastrand::Rng,
}

impl Town {
    /// These assets, in the exchange's own terms.
    pub fn new(mirror: &dyn Mirror, bases: &[&str], seed: u64) -> Self {
        let listings: Vec<Listing> = bases
            .iter()
            .zip(0..)
            .map(|(base, n)| {
                let mut instrument = mirror.list(base, mirror.quote(), 2, 4);
                instrument.id = InstrumentId(n);
                let volume = 1_000_000 >> n;
                Listing { instrument, volume }
            })
            .collect();
        let mut town = Self {
            now: UnixNanos(0),
            happened: Vec::new(),
            books: listings.iter().map(|_| Book::default()).collect(),
            listings,
            dice: fastrand::Rng::with_seed(seed),
        };
        for n in 0..town.books.len() {
            for place in 0..LEVELS {
                town.set(n, Side::Buy, MIDDLE - 1 - place, 50 + place as u64);
                town.set(n, Side::Sell, MIDDLE + place, 60 + place as u64);
            }
            let id = 1_000_000 * (n as u64 + 1);
            (town.books[n].id, town.books[n].number) = (id, 17);
        }
        town.happened.clear();
        town
    }

    /// One level of this book changes, comes or goes; now and then there is a print.
    pub fn move_one(&mut self, n: usize) {
        let side = if self.dice.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        let far = self.dice.i64(0..LEVELS);
        let qty = if far > 2 && self.dice.u8(0..4) == 0 {
            0
        } else {
            self.dice.u64(1..1_000)
        };
        self.set(n, side, tick(side, far), qty);
        self.show_touch(n);
    }

    /// The level that is `place` ticks from the best one gets another quantity.
    pub fn touch(&mut self, n: usize, side: Side, place: i64) {
        let qty = self.dice.u64(1_000..2_000);
        self.set(n, side, tick(side, place), qty);
        self.show_touch(n);
    }

    /// The book's best levels, as many as there are.
    pub fn best(&self, n: usize, side: Side, count: usize) -> Vec<Level> {
        self.levels(n, side).take(count).collect()
    }

    fn set(&mut self, n: usize, side: Side, tick: i64, qty: u64) {
        let instrument = &self.listings[n].instrument;
        let (px, qty) = (tick * instrument.tick.0, qty * instrument.lot.0);
        let book = &mut self.books[n];
        let was = match qty {
            0 => book.sides[side as usize].remove(&px),
            _ => book.sides[side as usize].insert(px, qty),
        };
        if was.unwrap_or(0) == qty {
            return;
        }
        book.id += 1;
        book.number += 1;
        let level = Level {
            px: Px(px),
            qty: Qty(qty),
        };
        let diff = Diff {
            instrument: InstrumentId(n as u16),
            first_id: book.id,
            last_id: book.id,
            prev_id: Some(book.id - 1),
            checksum: None,
            exch_time: self.now,
        };
        let (bids, asks) = match side {
            Side::Buy => (vec![level], vec![]),
            Side::Sell => (vec![], vec![level]),
        };
        for pace in [Pace::Fast, Pace::Slow] {
            self.happened.push(Happened::Depth {
                pace,
                diff,
                number: book.number,
                bids: bids.clone(),
                asks: asks.clone(),
            });
        }
    }

    fn show_touch(&mut self, n: usize) {
        let (bid, ask) = (
            self.best(n, Side::Buy, 1)[0],
            self.best(n, Side::Sell, 1)[0],
        );
        let book = &mut self.books[n];
        book.trades += 1;
        self.happened.push(Happened::Quote(Quote {
            instrument: InstrumentId(n as u16),
            update_id: book.id,
            bid,
            ask,
        }));
        self.happened.push(Happened::Trade(Trade {
            instrument: InstrumentId(n as u16),
            id: 500 + book.trades,
            px: ask.px,
            qty: Qty(self.listings[n].instrument.lot.0),
            taker: Side::Buy,
            exch_time: self.now,
        }));
    }
}

fn tick(side: Side, place: i64) -> i64 {
    match side {
        Side::Buy => MIDDLE - 1 - place,
        Side::Sell => MIDDLE + place,
    }
}

impl Market for Town {
    fn now(&self) -> UnixNanos {
        self.now
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Everything is published already.
    fn flush(&mut self, _: usize, _: Pace) {}

    fn stands_at(&self, n: usize, _: Pace) -> (u64, u64) {
        (self.books[n].id, self.books[n].number)
    }

    fn levels(&self, n: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let held = self.books[n].sides[side as usize].iter();
        let levels = held.map(|(px, qty)| Level {
            px: Px(*px),
            qty: Qty(*qty),
        });
        match side {
            Side::Buy => Box::new(levels.rev()),
            Side::Sell => Box::new(levels),
        }
    }
}
