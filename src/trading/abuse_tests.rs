//! Whatever comes, in whatever order: intents of every sort, answers that are late, double, odd or
//! of orders that nobody knows, books and listings that change in between, clocks that stand or go
//! back. No check of an invariant may fail, and risk and the orders agree with a twin that keeps
//! all that was ever said and computes everything from that.

use super::abuse_twin::{Positions, Twin, signed};
use super::limits::{RiskLimits, RiskParams};
use super::orders::Orders;
use super::refusal::Refusal;
use super::risk::Risk;
use super::risk::tests::{buy, event, instrument, params, top};
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, ClientId, Contract, Event, InstrumentId, Intent, Nanos, News, Outcome, Px, Qty, Report,
    Side, Span, Status, StrategyId,
};
use crate::market::Picture;
use std::collections::BTreeMap;

const SEEDS: u64 = 150;
const STEPS: usize = 4_000;
const INSTRUMENTS: u16 = 3;
const SECOND: u64 = 1_000_000_000;

#[test]
fn nothing_that_comes_breaks_an_invariant_or_parts_the_orders_from_their_twin() {
    let (mut refused, mut ends) = ([0; Refusal::ALL.len()], BTreeMap::new());
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            world.step();
            world.compare(&format!("seed={seed} step={step}"));
        }
        world.finish();
        world.compare(&format!("seed={seed} at its end"));
        for gate in Refusal::ALL {
            refused[*gate as usize] += world.risk.refusals().count(*gate);
        }
        for order in &world.twin.orders {
            *ends.entry(order.end().map(Outcome::name)).or_insert(0) += 1;
        }
    }
    // Were a gate never shut, or did no order ever end in one way, it would not be tested.
    assert!(!refused.contains(&0), "{refused:?}");
    assert_eq!(ends.len(), 6, "{ends:?}");
    assert!(ends.values().all(|orders| *orders > SEEDS), "{ends:?}");
}

struct World {
    dice: fastrand::Rng,
    now: Nanos,
    risk: Risk,
    orders: Orders,
    view: Picture,
    twin: Twin,
    /// What reports say: fills, and what is left of each order that they do not end.
    filled: BTreeMap<(StrategyId, InstrumentId), i128>,
    left: BTreeMap<ClientId, (StrategyId, InstrumentId, Qty)>,
    said: Option<News>,
    kill_at: usize,
    steps: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let params = RiskParams {
            collar_bps: *pick(&mut dice, &[0, 100, 100, 10_000]),
            orders_per_s: dice.u32(1..30),
            open_orders_max: dice.u32(1..20),
            ..params()
        };
        let mut table: Vec<_> = (0..INSTRUMENTS).map(instrument).collect();
        table[2].exchange = "okx";
        let first_id = *pick(&mut dice, &[0, 0, 500, u64::MAX - 40]);
        let limits = RiskLimits::parse(&params, &table).unwrap();
        let mut risk = Risk::new(limits, &table, first_id);
        let (keeps_scales, account) = (dice.bool(), dice.bool());
        if keeps_scales {
            risk.keep_scales();
        }
        if account {
            risk.only_at("binance");
        }
        Self {
            now: Nanos(dice.u64(..100 * SECOND)),
            orders: Orders::with_capacity(risk.open_orders_max()),
            risk,
            view: Picture::new(&table),
            twin: Twin {
                killed: false,
                ready: false,
                recorded: true,
                params,
                keeps_scales,
                account: account.then_some("binance"),
                begun: table.clone(),
                listed: table,
                first_id,
                orders: Vec::new(),
                refused: [0; Refusal::ALL.len()],
            },
            filled: BTreeMap::new(),
            left: BTreeMap::new(),
            said: None,
            kill_at: dice.usize(..4 * STEPS),
            steps: 0,
            dice,
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.steps == self.kill_at {
            self.risk.kill();
            self.twin.killed = true;
        }
        let spans = [0, 1, 1_000_000, 30_000_000, 400_000_000, SECOND];
        match self.dice.u16(..1_000) {
            0..330 => self.want(),
            330..560 => self.say(),
            560..580 => self.stray(),
            580..740 => self.show_book(),
            740..752 => self.show_status(),
            752..766 => self.list(),
            766..782 => self.set_ready(),
            782..794 => {
                self.twin.recorded = self.dice.u8(..8) > 0;
                self.risk.set_recorded(self.twin.recorded);
            }
            794..796 => self.now = self.now + Span(5 * SECOND),
            796..800 => self.now = Nanos(self.now.0.saturating_sub(self.dice.u64(..SECOND))),
            _ => self.now = self.now + Span(*pick(&mut self.dice, &spans)),
        }
    }

    /// As a desk shows an event.
    fn show(&mut self, event: &Event) {
        if self.view.handle_event(self.now, event) {
            self.risk.handle_event(event);
        }
    }

    fn id(&mut self) -> InstrumentId {
        match self.dice.u16(..100) {
            0 => InstrumentId::NONE,
            1 => InstrumentId(INSTRUMENTS),
            n => InstrumentId(n % INSTRUMENTS),
        }
    }

    fn show_book(&mut self) {
        let bid = *pick(&mut self.dice, &[9_900, 9_900, 9_990, 9_999, 1, -5]);
        let wide = *pick(&mut self.dice, &[1, 1, 1, 100, 100, 0, -1]);
        let complete = usize::from(self.dice.u8(..20) > 0);
        let mut book = event(self.epoch(), Body::Book(top(bid, bid + wide, complete)));
        let ago = [0, 0, 0, 1_000, LATE_MAX.0, LATE_MAX.0 + 1, 4 * SECOND];
        book.as_of = Nanos(self.now.0.saturating_sub(*pick(&mut self.dice, &ago)));
        book.instrument = self.id();
        self.show(&book);
    }

    fn show_status(&mut self) {
        let all = [Status::Live, Status::Stale, Status::Resyncing];
        let body = match self.dice.u8(..4) {
            0 => Body::Trading(self.dice.u8(..8) > 0),
            _ => Body::Status(*pick(&mut self.dice, &all)),
        };
        let mut event = event(self.epoch(), body);
        event.instrument = self.id();
        self.show(&event);
        if let (Body::Trading(on), Some(listed)) = (body, self.twin.listed(event.instrument)) {
            listed.trading = on;
        }
    }

    /// Mostly the one that there is.
    fn epoch(&mut self) -> u32 {
        let epoch = self.steps as u32 / 500 + 2;
        match self.dice.u8(..30) {
            0 if self.dice.bool() => epoch + 1,
            1 => epoch - 1,
            _ => epoch,
        }
    }

    /// Listings that exchanges have, and some that none has.
    fn list(&mut self) {
        let id = self.id();
        let mut listed = instrument(id.0);
        let dice = &mut self.dice;
        if dice.u8(..3) == 0 {
            listed.px_scale = *pick(dice, &[0, 2, 8, 18]);
            listed.qty_scale = *pick(dice, &[0, 2, 5, 18]);
            listed.contract = Contract {
                size: *pick(dice, &[1, 1, 3, 1_000_000_000, 0]),
                scale: *pick(dice, &[0, 0, 2, 18]),
                inverse: dice.u8(..4) == 0,
            };
            listed.tick = Px(*pick(dice, &[1, 5, 50, 0]));
            listed.lot = Qty(*pick(dice, &[1, 5, 10, 0]));
            listed.qty_max = Qty(*pick(dice, &[0, 600, u64::MAX]));
            listed.notional_min = *pick(dice, &[0, 1, 9_000_000]);
            listed.trading = dice.u8(..4) > 0;
        }
        let mut event = event(0, Body::Instrument(listed));
        event.instrument = id;
        self.show(&event);
        if let Some(ours) = self.twin.listed(id) {
            *ours = listed;
        }
    }

    fn set_ready(&mut self) {
        self.twin.ready = self.dice.u8(..8) > 0;
        self.show(&event(0, Body::Gateway(self.twin.ready)));
    }

    fn want(&mut self) {
        let instrument = self.id();
        let dice = &mut self.dice;
        let side = *pick(dice, &[Side::Buy, Side::Sell]);
        let (mut px, mut epoch) = (*pick(dice, &[10_000, 9_900, -50, 0, i64::MAX]), 1);
        if let Some(shown) = self.view.live(instrument)
            && dice.u8(..20) > 0
        {
            epoch = shown.epoch + u32::from(dice.u8(..30) == 0);
            if let Some((bid, ask)) = shown.top.best() {
                let best = if side == Side::Buy { ask } else { bid };
                px = best.px.0 + dice.i64(-120..=120) * i64::from(dice.bool());
            }
        }
        let qtys: &[u64] = match dice.u8(..6) {
            0 => &[0, 19, 25, 1_001, 9_000, u64::MAX],
            _ => &[20, 100, 600, 990, 1_000],
        };
        let mut intent = Intent {
            strategy: StrategyId(dice.u8(..2)),
            instrument,
            side,
            px: Px(px),
            qty: Qty(*pick(dice, qtys)),
            tag: dice.u64(..),
            ..buy()
        };
        intent.why.epoch = epoch;
        if dice.u8(..50) == 0 {
            let refused = self.risk.refuse(&intent, Refusal::NotItsInstrument);
            self.twin.refused[refused.gate as usize] += 1;
            return;
        }
        let expected = self.twin.verdict(self.now, &intent, &self.view);
        match self.risk.admit(self.now, intent, &self.view) {
            Err(refused) => {
                assert_eq!(Some(refused.gate), expected, "{refused:?} {intent:?}");
                self.twin.refused[refused.gate as usize] += 1;
            }
            Ok(admitted) => {
                assert_eq!(expected, None, "{intent:?}");
                let order = *admitted.order();
                let whose = (order.strategy, order.instrument, order.qty);
                assert_eq!(self.left.insert(order.client_id, whose), None);
                self.orders.open(&order, intent.tag);
                self.twin.admit(self.now, &intent, order);
            }
        }
    }

    /// The exit says something, mostly of an order that is open.
    fn say(&mut self) {
        if let Some(said) = self.said.filter(|_| self.dice.u8(..8) == 0) {
            return self.hear(&said); // Again.
        }
        let open: Vec<ClientId> = self.left.keys().copied().collect();
        let client_id = match (self.dice.u8(..10), self.twin.orders.len()) {
            (0, _) | (_, 0) => ClientId(self.dice.u64(..)),
            (1, orders) => ClientId(self.twin.first_id + self.dice.usize(..orders) as u64),
            _ if open.is_empty() => return,
            _ => *pick(&mut self.dice, &open),
        };
        let left = self.left.get(&client_id).map_or(7, |(_, _, left)| left.0);
        let news = News {
            client_id,
            instrument: self.id(),
            outcome: self.outcome(left),
        };
        self.said = Some(news);
        self.hear(&news);
    }

    fn outcome(&mut self, left: u64) -> Outcome {
        let dice = &mut self.dice;
        let px = Px(*pick(dice, &[10_000, 9_900, 0, -1, i64::MIN, i64::MAX]));
        match dice.u8(..40) {
            0..8 => Outcome::Acked {
                exchange_id: dice.u64(..),
            },
            8..14 => {
                let qty = Qty(dice.u64(1..=left.max(1)));
                Outcome::Fill { px, qty }
            }
            14..20 => Outcome::Fill { px, qty: Qty(left) },
            20..22 => {
                let qty = Qty(*pick(dice, &[0, left.saturating_add(1), u64::MAX]));
                Outcome::Fill { px, qty }
            }
            22..26 => Outcome::Filled,
            26..28 => Outcome::Cancelled,
            28..31 => Outcome::Expired,
            31..33 => Outcome::Rejected { code: -2_010 },
            33..35 => Outcome::NotSent,
            35..37 => Outcome::InDoubt,
            37 => Outcome::Refused { gate: "odd" },
            _ => Outcome::Unknown,
        }
    }

    fn hear(&mut self, news: &News) {
        let expected = self.twin.hear(news);
        let told = self.orders.hear(news);
        assert_eq!(told, expected, "{news:?}");
        if let Some(report) = told {
            self.take_in(&report);
        }
    }

    fn take_in(&mut self, report: &Report) {
        let whose = (report.strategy, report.instrument);
        if let Outcome::Fill { qty, .. } = report.outcome {
            *self.filled.entry(whose).or_default() += signed(report.side, qty);
        }
        match report.outcome.is_end() {
            true => self.left.remove(&report.client_id),
            false => {
                let left = (report.strategy, report.instrument, report.remaining);
                self.left.insert(report.client_id, left)
            }
        };
        self.show(&event(0, Body::Report(*report)));
    }

    /// A report of an order that is not open reaches risk alone.
    fn stray(&mut self) {
        let client_id = ClientId(self.dice.u64(..));
        let outcome = self.outcome(1);
        self.show(&event(
            0,
            Body::Report(Report {
                client_id,
                strategy: StrategyId(0),
                tag: 0,
                instrument: InstrumentId(0),
                side: Side::Sell,
                px: Px(1),
                qty: Qty(1),
                remaining: Qty(1),
                outcome,
            }),
        ));
    }

    fn finish(&mut self) {
        while let Some(report) = self.orders.give_up() {
            assert_eq!(report.outcome, Outcome::Unknown);
            let end = self.twin.hear(&News {
                client_id: report.client_id,
                instrument: report.instrument,
                outcome: Outcome::Unknown,
            });
            assert_eq!(Some(report), end);
            self.take_in(&report);
        }
        assert!(self.orders.is_empty());
        assert_eq!(self.risk.open_orders(), 0);
        assert!(self.twin.orders.iter().all(|order| order.end().is_some()));
    }

    fn compare(&self, when: &str) {
        let open = self.twin.open().count();
        assert_eq!(self.risk.open_orders(), open, "{when}");
        assert_eq!(self.orders.len(), open, "{when}");
        let mut positions = Positions::new();
        for (whose, filled) in &self.filled {
            positions.entry(*whose).or_default().0 = *filled;
        }
        for (strategy, instrument, left) in self.left.values() {
            positions.entry((*strategy, *instrument)).or_default().1 += u128::from(left.0);
        }
        positions.retain(|_, position| *position != (0, 0));
        assert_eq!(positions, self.twin.positions(), "{when}");
        for gate in Refusal::ALL {
            let (counted, gate) = (self.risk.refusals().count(*gate), *gate as usize);
            assert_eq!(counted, self.twin.refused[gate], "{when}");
        }
    }
}

fn pick<'a, T>(dice: &mut fastrand::Rng, all: &'a [T]) -> &'a T {
    &all[dice.usize(..all.len())]
}
