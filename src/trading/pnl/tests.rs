//! Beside a twin that keeps every fill, and adds all of them up each time.

use super::*;
use crate::base::{Decimal, Qty, Side, Symbol};
use std::collections::BTreeMap;

const SEEDS: u64 = 40;
const STEPS: usize = 200;
const STRATEGIES: usize = 2;
const MINE: StrategyId = StrategyId(0);

fn asset(code: &str) -> Asset {
    Asset::from(code).unwrap()
}

fn listed(id: u16, (base, quote): (&str, &str), scales: (u8, u8)) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        base: asset(base),
        quote: asset(quote),
        ..Instrument::bare("x", Symbol::from("X").unwrap(), scales)
    }
}

/// Two of spot, a contract of 0.03, and an inverse one of 100.
fn table() -> Vec<Instrument> {
    let mut linear = listed(2, ("ETH", "USDT"), (2, 0));
    (linear.contract.size, linear.contract.scale) = (3, 2);
    let mut inverse = listed(3, ("BTC", "USD"), (1, 0));
    (inverse.contract.size, inverse.contract.inverse) = (100, true);
    vec![
        listed(0, ("BTC", "USDT"), (2, 5)),
        listed(1, ("BNB", "USDT"), (3, 3)),
        linear,
        inverse,
    ]
}

struct World {
    dice: fastrand::Rng,
    table: Vec<Instrument>,
    pnl: Pnl,
    fills: Vec<(StrategyId, InstrumentId, Fill)>,
    touch: BTreeMap<InstrumentId, (Px, Px)>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            dice: fastrand::Rng::with_seed(seed),
            pnl: Pnl::new(&table(), STRATEGIES),
            table: table(),
            fills: Vec::new(),
            touch: BTreeMap::new(),
        }
    }

    fn step(&mut self) {
        let id = InstrumentId(self.dice.u16(..4));
        if self.dice.u8(..4) == 0 {
            let bid = self.dice.i64(9_000..11_000);
            let ask = bid + self.dice.i64(1..60);
            self.touch.insert(id, (Px(bid), Px(ask)));
            return;
        }
        let whose = [MINE, StrategyId(1), StrategyId::NONE][self.dice.usize(..3)];
        let side = [Side::Buy, Side::Sell][self.dice.usize(..2)];
        let (px, qty) = (self.dice.i64(9_000..11_000), self.dice.u64(1..2_000));
        let assets = ["BTC", "USDT", "BNB", "ETH"];
        let fee = Fee {
            asset: asset(assets[self.dice.usize(..4)]),
            amount: Decimal {
                units: self.dice.u32(..5_000).into(),
                scale: 8,
            },
            rebate: self.dice.u8(..8) == 0,
        };
        let fill = Fill {
            fee: self.dice.bool().then_some(fee),
            ..Fill::bare(1, side, Px(px), Qty(qty))
        };
        self.pnl.handle_fill(whose, id, &fill);
        self.fills.push((whose, id, fill));
    }

    fn rows(&self) -> Vec<Row> {
        let rows = self.pnl.rows(|id| self.touch.get(&id).copied());
        rows.collect()
    }

    fn of(&self, strategy: StrategyId, id: InstrumentId) -> impl Iterator<Item = &Fill> {
        let all = self.fills.iter();
        let own = all.filter(move |(whose, of, _)| (*whose, *of) == (strategy, id));
        own.map(|(_, _, fill)| fill)
    }

    fn compare(&self, when: &str) {
        let rows = self.rows();
        for whose in [MINE, StrategyId(1), StrategyId::NONE] {
            for of in &self.table {
                let row = |row: &&Row| (row.strategy, row.instrument) == (whose, of.id);
                let twin = Twin::of(of, self.of(whose, of.id));
                match rows.iter().find(row) {
                    Some(row) => twin.compare(of, row, self, when),
                    None => assert_eq!(twin.fills, 0, "{when}"),
                }
            }
        }
        for asset in ["BTC", "USDT", "BNB", "ETH", "USD"].map(asset) {
            let spot = |of: &InstrumentId| of.0 < 2;
            let fills = self.fills.iter().filter(|(_, of, _)| spot(of));
            let brought = fills.map(|(_, id, fill)| brought(&self.table[id.index()], fill, asset));
            let brought: i128 = brought.sum();
            let mut spots = Pnl::new(&self.table[..2], STRATEGIES);
            for (whose, of, fill) in self.fills.iter().filter(|(_, of, _)| spot(of)) {
                spots.handle_fill(*whose, *of, fill);
            }
            assert_eq!(
                spots.brought(None, None, asset),
                Some(brought),
                "{when} {asset}"
            );
            let whose = [MINE, StrategyId(1), StrategyId::NONE];
            let parts = whose.map(|whose| spots.brought(Some(whose), None, asset).unwrap());
            assert_eq!(parts.iter().sum::<i128>(), brought, "{when} {asset}");
        }
    }
}

/// What a fill of spot brought of an asset, in units of 10^-18.
fn brought(of: &Instrument, fill: &Fill, asset: Asset) -> i128 {
    let sign = if fill.side == Side::Buy { 1 } else { -1 };
    let mut sum = 0;
    if of.base == asset {
        sum += sign * i128::from(fill.qty.0) * 10i128.pow(18 - u32::from(of.qty_scale));
    }
    if of.quote == asset {
        let scale = u32::from(of.qty_scale + of.px_scale);
        sum -= sign * i128::from(fill.qty.0) * i128::from(fill.px.0) * 10i128.pow(18 - scale);
    }
    if let Some(fee) = fill.fee.filter(|fee| fee.asset == asset) {
        let units = fee.amount.units as i128 * 10i128.pow(10);
        sum += if fee.rebate { units } else { -units };
    }
    sum
}

/// All fills of a strategy and an instrument, added up from the first one.
#[derive(Default)]
struct Twin {
    fills: u64,
    qty: i128,
    /// What was taken in, less what was paid.
    cash: f64,
    average: f64,
    realised: f64,
    fees: BTreeMap<Asset, i128>,
}

impl Twin {
    fn of<'f>(of: &Instrument, fills: impl Iterator<Item = &'f Fill>) -> Self {
        let mut twin = Self::default();
        for fill in fills {
            twin.fills += 1;
            twin.trade(of, fill);
            if let Some(fee) = fill.fee {
                let units = fee.amount.units as i128 * 10i128.pow(10);
                let sum = twin.fees.entry(fee.asset).or_default();
                *sum += if fee.rebate { -units } else { units };
            }
        }
        twin
    }

    /// In quote per unit; of an inverse contract in base per contract, with the sign that a debt
    /// has.
    fn unit(of: &Instrument, px: f64) -> f64 {
        let px = px / 10f64.powi(of.px_scale.into());
        let size = of.contract.size as f64 / 10f64.powi(of.contract.scale.into());
        match of.contract.inverse {
            true => -size / px,
            false => size * px,
        }
    }

    fn trade(&mut self, of: &Instrument, fill: &Fill) {
        let lots = 10f64.powi(of.qty_scale.into());
        let traded = match fill.side {
            Side::Buy => i128::from(fill.qty.0),
            Side::Sell => -i128::from(fill.qty.0),
        };
        let unit = Self::unit(of, fill.px.0 as f64);
        self.cash -= traded as f64 / lots * unit;
        let after = self.qty + traded;
        if self.qty.signum() * traded.signum() >= 0 {
            let held = self.qty as f64 * self.average;
            self.average = (held + traded as f64 * unit) / after as f64;
        } else {
            let closed = traded.abs().min(self.qty.abs()) * self.qty.signum();
            self.realised += closed as f64 / lots * (unit - self.average);
            if after.signum() * self.qty.signum() < 0 {
                self.average = unit;
            }
        }
        self.qty = after;
    }

    fn compare(&self, of: &Instrument, row: &Row, world: &World, when: &str) {
        let money = |units: i128| units as f64 / 10f64.powi(row.scale.into());
        let near = |a: f64, b: f64, what: &str| {
            // Each part of a cost is rounded to a unit.
            let most = 1e-9 * (a.abs().max(b.abs()) + 1.0) + money(1 + i128::from(self.fills));
            assert!((a - b).abs() <= most, "{when} {what}: {a} is not {b}");
        };
        assert_eq!(
            (row.fills, row.position.qty),
            (self.fills, self.qty),
            "{when}"
        );
        near(money(row.position.cash), self.cash, "cash");
        near(money(row.realised), self.realised, "realised");
        let lots = 10f64.powi(of.qty_scale.into());
        if self.qty != 0 {
            near(
                money(row.position.cost),
                self.qty as f64 / lots * self.average,
                "cost",
            );
        }
        for charge in row.fees() {
            assert_eq!(Some(&charge.units), self.fees.get(&charge.asset), "{when}");
        }
        assert_eq!(row.fees().count(), self.fees.len(), "{when}");
        let Some((bid, ask)) = world.touch.get(&of.id) else {
            assert_eq!(row.unrealised.is_some(), self.qty == 0, "{when}");
            return;
        };
        let (bid, ask) = (bid.0 as f64, ask.0 as f64);
        let at = |px| self.qty as f64 / lots * (Self::unit(of, px) - self.average);
        let worst = at(if self.qty > 0 { bid } else { ask });
        near(
            money(row.unrealised.unwrap()),
            at((bid + ask) / 2.0),
            "unrealised",
        );
        near(money(row.unrealised_worst.unwrap()), worst, "at worst");
        // Nothing is between what is realised and what is not.
        let worth = of.worth_at(self.qty, (bid + ask) as i128, false).unwrap();
        let all = row.position.cash + worth;
        assert_eq!(row.realised + row.unrealised.unwrap(), all, "{when}");
    }
}

#[test]
fn what_follows_each_fill_is_what_all_fills_add_up_to() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            world.step();
            world.compare(&format!("seed={seed} step={step}"));
        }
    }
}

fn bought(fee: Option<(&str, u128)>) -> Fill {
    let fee = fee.map(|(code, units)| Fee {
        asset: asset(code),
        amount: Decimal { units, scale: 8 },
        rebate: false,
    });
    // One bitcoin at 100.00.
    Fill {
        fee,
        ..Fill::bare(1, Side::Buy, Px(10_000), Qty(100_000))
    }
}

fn row_of(
    fee: Option<(&str, u128)>,
    touch: impl Fn(InstrumentId) -> Option<(Px, Px)> + Copy,
) -> Row {
    let mut pnl = Pnl::new(&table(), STRATEGIES);
    pnl.handle_fill(MINE, InstrumentId(0), &bought(fee));
    let rows: Vec<Row> = pnl.rows(touch).collect();
    assert_eq!(rows.len(), 1);
    rows[0]
}

/// Bitcoin at 110, BNB at 5.
fn books(id: InstrumentId) -> Option<(Px, Px)> {
    match id.0 {
        0 => Some((Px(10_990), Px(11_010))),
        1 => Some((Px(4_990), Px(5_010))),
        _ => None,
    }
}

#[test]
fn a_fee_is_kept_in_its_own_asset_and_counts_at_todays_price() {
    let usdt = 10_000_000;
    // In USDT, in bitcoin, in BNB.
    for (fee, value, sellable) in [
        (None, 0, 100_000),
        (Some(("USDT", 10_000_000)), usdt / 10, 100_000),
        (Some(("BTC", 100_100)), 1_101_100, 99_899), // 0.001001 BTC.
        (Some(("BNB", 2_000_000)), usdt / 10, 100_000),
    ] {
        let row = row_of(fee, books);
        assert_eq!(row.fees_value(), Some(value), "{fee:?}");
        assert_eq!(row.sellable, sellable, "{fee:?}");
        assert_eq!(row.unrealised, Some(10 * usdt));
        assert_eq!(row.unrealised_worst, Some(99 * usdt / 10));
        assert_eq!(row.total(), Some(10 * usdt - value), "{fee:?}");
        let [total] = totals(&[row])[..] else {
            panic!("one asset");
        };
        assert_eq!(
            (total.all(), total.unvalued),
            (row.total().unwrap() * 10i128.pow(11), 0)
        );
    }
}

#[test]
fn what_nobody_prices_is_said_and_not_guessed() {
    let row = row_of(Some(("ETH", 1)), books);
    assert_eq!((row.fees_value(), row.total()), (None, None));
    assert_eq!(totals(&[row])[0].unvalued, 1);
    let row = row_of(None, |_| None);
    assert_eq!((row.unrealised, row.total()), (None, None));
    assert_eq!(row.realised, 0);
}

#[test]
fn an_earlier_run_leaves_its_position_and_its_cost_and_nothing_else() {
    let mut pnl = Pnl::new(&table(), STRATEGIES);
    let held = Position {
        qty: 100_000,
        cash: -900_000_000,
        cost: 1_000_000_000,
        taken: 0,
    };
    pnl.restore(MINE, InstrumentId(0), held);
    let sold = Fill::bare(2, Side::Sell, Px(11_000), Qty(50_000));
    pnl.handle_fill(MINE, InstrumentId(0), &sold);
    let row = pnl.rows(books).next().unwrap();
    // Half of it was bought at 100 and sold at 110; what was gained before is not in it.
    assert_eq!(row.realised, 50_000_000);
    assert_eq!(row.average.map(|px| px.to_string()).as_deref(), Some("100"));
    assert_eq!(
        pnl.brought(None, None, asset("BTC")),
        Some(-5 * 10i128.pow(17))
    );
    assert_eq!(
        pnl.brought(Some(MINE), None, asset("USDT")),
        Some(55 * 10i128.pow(18))
    );
}

#[test]
fn with_other_scales_a_position_is_what_it_was() {
    let mut pnl = Pnl::new(&table(), STRATEGIES);
    pnl.handle_fill(MINE, InstrumentId(0), &bought(None));
    let finer = listed(0, ("BTC", "USDT"), (3, 7));
    pnl.relist(InstrumentId(0), &finer);
    let held = pnl.positions(MINE)[0];
    assert_eq!((held.qty, held.cost), (10_000_000, 1_000_000_000_000));
    assert_eq!(
        held.average(&finer).map(|px| px.to_string()).as_deref(),
        Some("100")
    );
}

#[test]
fn a_fifth_asset_of_fees_is_not_lost_silently() {
    let mut pnl = Pnl::new(&table(), STRATEGIES);
    for code in ["A", "B", "C", "D"] {
        pnl.handle_fill(MINE, InstrumentId(0), &bought(Some((code, 1))));
    }
    assert!(!pnl.rows(books).next().unwrap().lost);
    pnl.handle_fill(MINE, InstrumentId(0), &bought(Some(("E", 1))));
    let row = pnl.rows(books).next().unwrap();
    assert!(row.lost && row.total().is_none());
}
