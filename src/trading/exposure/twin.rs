//! The book beside one that keeps every fill and every order, and adds all of it up each time.

use super::tests::{complete, linear, listed, spot};
use super::{Exposure, Scope, Sums};
use crate::base::{Fill, Instrument, InstrumentId, Place, Px, Qty, Side, StrategyId};
use crate::trading::orders::Moved;
use crate::trading::risk::tests::buy;
use std::collections::BTreeMap;

const SEEDS: u64 = 60;
const STEPS: usize = 400;
const STRATEGIES: usize = 2;

#[test]
fn sums_that_follow_each_change_are_those_that_are_added_up_from_the_beginning() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            world.step();
            world.compare(&format!("seed={seed} step={step}"));
        }
    }
}

struct Order {
    strategy: StrategyId,
    instrument: InstrumentId,
    side: Side,
    px: Px,
    pending: u64,
}

struct World {
    dice: fastrand::Rng,
    table: Vec<Instrument>,
    book: Exposure,
    orders: BTreeMap<u64, Order>,
    fills: Vec<(StrategyId, InstrumentId, Fill)>,
    touch: BTreeMap<InstrumentId, (i128, i128)>,
    /// Prices of orders and fills before the first book.
    before: BTreeMap<InstrumentId, Vec<i128>>,
    ids: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut inverse = listed(3, "okx", ("BTC", "USD"), (1, 0));
        inverse.contract.size = 100;
        inverse.contract.inverse = true;
        let table = vec![
            spot(0),
            listed(1, "okx", ("BTC", "USDT"), (8, 8)),
            linear(2),
            inverse,
        ];
        Self {
            dice: fastrand::Rng::with_seed(seed),
            book: Exposure::new(&table, STRATEGIES),
            table,
            orders: BTreeMap::new(),
            fills: Vec::new(),
            touch: BTreeMap::new(),
            before: BTreeMap::new(),
            ids: 0,
        }
    }

    fn step(&mut self) {
        let id = InstrumentId(self.dice.u16(..4));
        match self.dice.u8(..10) {
            0..3 => self.open(id),
            3..7 => self.change(),
            7 => {
                let fill = self.fill(Side::Buy, 1_000);
                self.note_px(id, fill.px);
                self.book.handle_stray(id, &fill);
                self.fills.push((StrategyId::NONE, id, fill));
            }
            _ => {
                let bid = self.dice.i64(9_000..10_000);
                let ask = bid + self.dice.i64(-1..50);
                self.book.handle_book(id, &complete(bid, ask));
                if bid < ask {
                    self.touch.insert(id, (bid.into(), ask.into()));
                }
            }
        }
    }

    fn note_px(&mut self, id: InstrumentId, px: Px) {
        if !self.touch.contains_key(&id) {
            self.before.entry(id).or_default().push(px.0.into());
        }
    }

    fn open(&mut self, instrument: InstrumentId) {
        let order = Order {
            strategy: StrategyId(self.dice.u8(..4)),
            instrument,
            side: [Side::Buy, Side::Sell][usize::from(self.dice.bool())],
            px: Px(self.dice.i64(9_000..10_000)),
            pending: self.dice.u64(1..100_000),
        };
        // What it would make of the sums is what it then makes of them.
        let place = Place {
            strategy: order.strategy,
            instrument,
            side: order.side,
            px: order.px,
            qty: Qty(order.pending),
            ..buy()
        };
        let then = self.book.with(&place).unwrap();
        self.note_px(instrument, order.px);
        self.book
            .handle_moved(&moved(&order, 0, order.pending, None));
        let scopes = scopes(order.strategy, instrument);
        for (scope, then) in scopes.into_iter().zip(then) {
            let now = self.book.sums(scope, instrument);
            let exposed = |sums: Sums| (sums.high, sums.low, sums.gross);
            assert_eq!(exposed(now), exposed(then));
        }
        self.ids += 1;
        self.orders.insert(self.ids, order);
    }

    /// An order is filled in part or whole, is reduced, or ends.
    fn change(&mut self) {
        let Some(&id) = self
            .orders
            .keys()
            .nth(self.dice.usize(..=self.orders.len()))
        else {
            return;
        };
        let order = &self.orders[&id];
        let (side, instrument, strategy) = (order.side, order.instrument, order.strategy);
        let part = self.dice.u64(1..=order.pending);
        let fill = self.dice.bool().then(|| self.fill(side, part));
        let order = self.orders.get_mut(&id).unwrap();
        let (before, after) = (order.pending, order.pending - part);
        order.pending = after;
        let change = moved(order, before, after, fill);
        if after == 0 {
            self.orders.remove(&id);
        }
        if let Some(fill) = fill {
            self.note_px(instrument, fill.px);
            self.fills.push((strategy, instrument, fill));
        }
        self.book.handle_moved(&change);
    }

    fn fill(&mut self, side: Side, qty: u64) -> Fill {
        self.ids += 1;
        let px = Px(self.dice.i64(9_000..10_000));
        Fill::bare(self.ids, side, px, Qty(qty))
    }

    fn compare(&self, when: &str) {
        for instrument in &self.table {
            for strategy in [StrategyId(0), StrategyId(1), StrategyId::NONE] {
                for scope in scopes(strategy, instrument.id) {
                    let Sums {
                        high,
                        low,
                        gross,
                        gain,
                        uncounted,
                        ..
                    } = self.book.sums(scope, instrument.id);
                    assert_eq!(uncounted, 0, "{when}");
                    let sums = [high, low, gross, gain];
                    assert_eq!(sums, self.sums(scope, instrument), "{when} {scope:?}");
                }
            }
        }
    }

    fn sums(&self, scope: Scope, of: &Instrument) -> [i128; 4] {
        let within = |other: &&Instrument| {
            let at = match scope {
                Scope::Exchange(_) => other.exchange == of.exchange,
                Scope::Strategy(_) | Scope::All => true,
            };
            at && other.quote == of.quote
        };
        let mut sums = [0; 4];
        for instrument in self.table.iter().filter(within) {
            let worth = self.worth(scope, instrument);
            (0..4).for_each(|at| sums[at] += worth[at]);
        }
        sums
    }

    fn worth(&self, scope: Scope, of: &Instrument) -> [i128; 4] {
        let its = |strategy: StrategyId| match scope {
            Scope::Strategy(other) => seat(other) == seat(strategy),
            Scope::Exchange(_) | Scope::All => true,
        };
        let orders = self.orders.values();
        let orders = orders.filter(|order| order.instrument == of.id && its(order.strategy));
        let (mut buy, mut sell) = (0, 0);
        for order in orders {
            match order.side {
                Side::Buy => buy += i128::from(order.pending),
                Side::Sell => sell += i128::from(order.pending),
            }
        }
        let fills = self.fills.iter();
        let fills = fills.filter(|(whose, id, _)| *id == of.id && its(*whose));
        let (mut qty, mut cash) = (0, 0);
        for (_, _, fill) in fills {
            let (px, units) = (i128::from(fill.px.0), i128::from(fill.qty.0));
            let sign = if fill.side == Side::Buy { 1 } else { -1 };
            qty += sign * units;
            cash += match of.contract.inverse {
                // In 10^-12 of the base asset, rounded down whatever its sign.
                true => {
                    let base = 100 * units * 10i128.pow(12) * 10;
                    (sign * base).div_euclid(px)
                }
                false => worth(of, -sign * units, px, false),
            };
        }
        let seen = self.touch.get(&of.id);
        let before = self.before.get(&of.id);
        let (bid, ask) = match (seen, before) {
            (Some(touch), _) => *touch,
            (None, None) => return [0; 4],
            (None, Some(all)) => (*all.iter().min().unwrap(), *all.iter().max().unwrap()),
        };
        // Twice the middle, or the highest price.
        let doubled = if seen.is_some() { bid + ask } else { 2 * ask };
        let exit = if qty > 0 || qty == 0 && cash > 0 {
            bid
        } else {
            ask
        };
        let (high, low) = (qty + buy, qty - sell);
        let (high, low, gain) = match of.contract.inverse {
            true => {
                let size = |units: i128| units * 100 * 10i128.pow(8);
                // A price has one decimal.
                let gain = (cash * exit).div_euclid(10i128.pow(5)) - size(qty);
                (size(high), size(low), gain)
            }
            false => (
                doubled_worth(of, high, doubled, true),
                doubled_worth(of, low, doubled, false),
                cash + worth(of, qty, exit, false),
            ),
        };
        [high, low, high.abs().max(low.abs()), gain]
    }
}

fn worth(of: &Instrument, units: i128, px: i128, up: bool) -> i128 {
    doubled_worth(of, units, 2 * px, up)
}

fn doubled_worth(of: &Instrument, units: i128, px_doubled: i128, up: bool) -> i128 {
    let product = units * px_doubled * i128::from(of.contract.size) * 10i128.pow(8);
    let by = 2 * 10i128.pow(of.notional_scale().into());
    match up {
        true => -(-product).div_euclid(by),
        false => product.div_euclid(by),
    }
}

fn seat(strategy: StrategyId) -> usize {
    strategy.index().min(STRATEGIES)
}

fn scopes(strategy: StrategyId, id: InstrumentId) -> [Scope; 3] {
    [Scope::Strategy(strategy), Scope::Exchange(id), Scope::All]
}

fn moved(order: &Order, before: u64, after: u64, fill: Option<Fill>) -> Moved {
    Moved {
        strategy: order.strategy,
        instrument: order.instrument,
        side: order.side,
        px: order.px,
        before: Qty(before),
        after: Qty(after),
        fill,
    }
}
