//! Whatever comes, in whatever order: intents of every sort, words of three sources that are late,
//! double, odd or of orders that nobody knows, changes, timeouts and lists of trades, books and
//! listings that change in between, clocks that stand or go back. No check of an invariant may
//! fail, and risk and the orders agree with a twin that keeps all that was ever said and computes
//! everything from that.

mod ends;
mod truth;

use super::abuse_twin::{Positions, Twin, VISIBILITY, signed};
use super::limits::{RiskLimits, RiskParams};
use super::orders::{ASK_AGAIN_MAX, Orders, Output};
use super::refusal::Refusal;
use super::risk::tests::{buy, event, instrument, params, top};
use super::risk::{Risk, Whose};
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, ClientId, Contract, End, Event, Fill, InstrumentId, Mode, Nanos, NewOrder, News,
    OrderType, Outcome, Place, Px, Qty, Question, Report, Said, Side, Source, Span, Status,
    StrategyId, Working,
};
use crate::market::Picture;
use ends::BY_LIMITS;
use std::collections::{BTreeMap, BTreeSet};
use truth::Truth;

const SEEDS: u64 = 150;
const STEPS: usize = 4_000;
const INSTRUMENTS: u16 = 3;
const SECOND: u64 = 1_000_000_000;

#[test]
fn nothing_that_comes_breaks_an_invariant_or_parts_the_orders_from_their_twin() {
    let (mut refused, mut ends) = ([0; Refusal::ALL.len()], BTreeMap::new());
    let mut asked = 0;
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
        asked += world.asked;
        for order in &world.twin.orders {
            *ends.entry(order.end.map(Outcome::name)).or_insert(0) += 1;
        }
    }
    // Were a gate never shut, or did no order ever end in one way, it would not be tested.
    for gate in Refusal::ALL {
        let shut = refused[*gate as usize] > 0;
        assert!(shut || BY_LIMITS.contains(gate), "{gate:?} {refused:?}");
    }
    assert_eq!(ends.len(), 6, "{ends:?}");
    assert!(ends.values().all(|orders| *orders > SEEDS / 3), "{ends:?}");
    assert!(asked > 10 * SEEDS, "{asked}");
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
    /// What really became of the orders that are open.
    truths: BTreeMap<ClientId, Truth>,
    trade_id: u64,
    /// The latest that it ever was.
    high: Nanos,
    /// Since when something is to be asked of an order, and when that was done last.
    asks: BTreeMap<ClientId, Nanos>,
    asked: u64,
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
            let at: Vec<_> = table.iter().map(|of| of.exchange == "binance").collect();
            let at: Vec<_> = at.into_iter().map(|at| at.then_some(0)).collect();
            risk.trade_at(1, &at);
        }
        Self {
            now: Nanos(dice.u64(..100 * SECOND)),
            orders: Orders::new(risk.open_orders_max(), table.len(), VISIBILITY),
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
                reduce_only: vec![false; INSTRUMENTS.into()],
                settled: vec![(2, 5); INSTRUMENTS.into()],
                seen: BTreeSet::new(),
            },
            truths: BTreeMap::new(),
            trade_id: 0,
            high: Nanos::ZERO,
            asks: BTreeMap::new(),
            asked: 0,
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
            self.risk.set_mode(Whose::All, Mode::Halted, "killed");
            self.twin.killed = true;
        }
        let spans = [0, 1, 1_000_000, 30_000_000, 400_000_000, SECOND];
        match self.dice.u16(..1_000) {
            0..200 => self.want(),
            200..460 => self.say(),
            460..490 => self.change(),
            490..493 => self.miss(),
            493..510 => self.list_trades(),
            510..575 => self.time_out(),
            575..580 => self.give_up(),
            580..740 => self.show_book(),
            740..752 => self.show_status(),
            752..766 => self.list(),
            766..782 => self.set_ready(),
            782..794 => {
                self.twin.recorded = self.dice.u8(..8) > 0;
                self.risk.set_recorded(self.twin.recorded);
            }
            794 => self.set_reduce_only(),
            795 => self.now = self.now + Span(5 * SECOND),
            796..800 => self.now = Nanos(self.now.0.saturating_sub(self.dice.u64(..SECOND))),
            _ => self.now = self.now + Span(*pick(&mut self.dice, &spans)),
        }
        self.follow();
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
        self.risk.set_ready(0, self.twin.ready);
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
        let mut intent = Place {
            strategy: StrategyId(dice.u8(..2)),
            instrument,
            side,
            px: Px(px),
            qty: Qty(*pick(dice, qtys)),
            order_type: *pick(dice, &OrderType::ALL),
            tag: dice.u64(..),
            ..buy()
        };
        intent.why.epoch = epoch;
        if dice.u8(..50) == 0 {
            let gates = [
                Refusal::NotItsInstrument,
                Refusal::OrderOver,
                Refusal::OrderBusy,
            ];
            let refused = self.risk.refuse(instrument, *pick(dice, &gates));
            self.twin.refused[refused.gate as usize] += 1;
            return;
        }
        let reach = self.risk.told_reach(&intent);
        let expected = self.twin.verdict(self.now, &intent, &self.view, reach);
        match self.risk.admit(self.now, intent, &self.view, &self.orders) {
            Err(refused) => {
                assert_eq!(Some(refused.gate), expected, "{refused:?} {intent:?}");
                self.twin.refused[refused.gate as usize] += 1;
            }
            Ok(admitted) => {
                assert_eq!(expected, None, "{intent:?}");
                let order = *admitted.order();
                let whose = (order.strategy, order.instrument, order.qty);
                assert_eq!(self.left.insert(order.client_id, whose), None);
                self.orders.open(self.now, &order, intent.tag);
                self.twin.admit(self.now, &intent, order);
                self.truths.insert(order.client_id, Truth::of(&order));
            }
        }
    }

    /// Somebody says something, mostly of an order that is open, and mostly true.
    fn say(&mut self) {
        if let Some(said) = self.said.filter(|_| self.dice.u8(..8) == 0) {
            return self.hear(&said); // Again.
        }
        let client_id = match (self.dice.u8(..20), self.twin.orders.len()) {
            (0, _) | (_, 0) => ClientId(self.dice.u64(..)),
            (1, orders) => ClientId(self.twin.first_id + self.dice.usize(..orders) as u64),
            _ => match self.an_open_one() {
                Some(client_id) => client_id,
                None => return,
            },
        };
        let left = self.left.get(&client_id).map_or(7, |(_, _, left)| left.0);
        let own = self
            .left
            .get(&client_id)
            .map(|(_, instrument, _)| *instrument);
        let instrument = own.filter(|_| self.dice.u8(..8) > 0);
        let instrument = instrument.unwrap_or_else(|| self.id());
        let source = self.source();
        let honest = self.dice.u8(..16) > 0;
        let truth = self.truths.get_mut(&client_id).filter(|_| honest);
        let said = match truth {
            Some(truth) => {
                truth.goes_on(&mut self.dice, &mut self.trade_id);
                truth.word(&mut self.dice, source)
            }
            None => self.lie(client_id, left),
        };
        let news = News {
            client_id,
            instrument,
            source,
            said,
        };
        self.said = Some(news);
        self.hear(&news);
    }

    fn source(&mut self) -> Source {
        match self.dice.u8(..3) {
            0 => Source::Answer,
            1 => Source::Stream,
            _ => Source::Query {
                asked: self.a_while_ago(),
            },
        }
    }

    fn a_while_ago(&mut self) -> Nanos {
        let ago = [0, 0, 0, 1, 400_000_000, SECOND, 6 * SECOND];
        Nanos(self.now.0.saturating_sub(*pick(&mut self.dice, &ago)))
    }

    fn an_open_one(&mut self) -> Option<ClientId> {
        let open: Vec<ClientId> = self.left.keys().copied().collect();
        (!open.is_empty()).then(|| *pick(&mut self.dice, &open))
    }

    fn lie(&mut self, client_id: ClientId, left: u64) -> Said {
        let fill = self.fill(client_id, left);
        let dice = &mut self.dice;
        let amounts = [
            0,
            1,
            left,
            left.saturating_add(1),
            u64::MAX,
            dice.u64(..1_000),
        ];
        let qty = Qty(*pick(dice, &amounts));
        let end = *pick(dice, &[End::Filled, End::Cancelled, End::Expired]);
        match dice.u8(..10) {
            0 => Said::Taken {
                exchange_id: dice.u64(..),
            },
            1..4 => Said::Fill(fill),
            4 => Said::Traded(qty),
            5 => Said::Reduced(qty),
            6 => Said::Ended(end, (dice.u8(..4) > 0).then_some(qty)),
            7 => Said::Rejected { code: -2_010 },
            8 => Said::NotSent,
            _ => Said::Absent,
        }
    }

    /// A trade that may or may not be one of this order, of which so much is left.
    fn fill(&mut self, client_id: ClientId, left: u64) -> Fill {
        let side = self.twin.side_of(client_id);
        let dice = &mut self.dice;
        let px = Px(*pick(dice, &[10_000, 9_900, 0, -1, i64::MIN, i64::MAX]));
        let qty = match dice.u8(..12) {
            0 => *pick(dice, &[0, left.saturating_add(1), u64::MAX]),
            1..5 => left,
            _ => dice.u64(1..=left.max(1)),
        };
        let side = match dice.u8(..20) {
            0 => side.opposite(),
            _ => side,
        };
        let known = self.trade_id;
        self.trade_id += 1;
        let trade_id = match dice.u8(..8) {
            0 => dice.u64(..=known),
            _ => self.trade_id,
        };
        Fill::bare(trade_id, side, px, Qty(qty))
    }

    fn hear(&mut self, news: &News) {
        let expected = self.twin.hear(self.now, news);
        self.orders.hear(self.now, news);
        self.take(expected, &format!("{news:?}"));
    }

    /// A cancel or a change goes out.
    fn change(&mut self) {
        if let Some(client_id) = self.an_open_one() {
            self.orders.change(self.now, client_id);
            self.twin.change(self.now, client_id);
            self.truths.entry(client_id).and_modify(Truth::change);
        }
    }

    /// An order is missing where it should be listed.
    fn miss(&mut self) {
        if let Some(client_id) = self.an_open_one() {
            self.orders.doubt(self.now, client_id);
            let expected = self.twin.doubt(self.now, client_id);
            self.take(expected, "it is missing");
        }
    }

    /// The account's trades in an instrument, or the end of such a list.
    fn list_trades(&mut self) {
        let (asked, instrument) = (self.a_while_ago(), self.id());
        if self.dice.bool() {
            self.orders.hear_trades_listed(instrument, asked);
            let expected = self.twin.hear_trades_listed(instrument, asked);
            return self.take(expected, "trades were listed");
        }
        let Some(client_id) = self.an_open_one() else {
            return;
        };
        let (_, own, left) = self.left[&client_id];
        let instrument = if self.dice.u8(..8) > 0 {
            own
        } else {
            instrument
        };
        let truth = self.truths.get(&client_id);
        let of = (instrument, truth.map_or(7, |truth| truth.exchange_id));
        let traded = truth.and_then(|truth| truth.trades.last().copied());
        let fill = match traded.filter(|_| self.dice.u8(..8) > 0) {
            Some(fill) => fill,
            None => self.fill(client_id, left.0),
        };
        self.orders.hear_trade(self.now, of, asked, fill);
        let expected = self.twin.hear_trade(self.now, of, asked, fill);
        self.take(expected, &format!("{fill:?}"));
    }

    /// Whatever is to be asked is asked in time, and nothing else is.
    fn time_out(&mut self) {
        self.orders.handle_timeout(self.now);
        let expected = self.twin.handle_timeout(self.now);
        let mut asked = Vec::new();
        let mut told: Vec<Output> = Vec::new();
        while let Some(output) = self.orders.poll_output() {
            match output {
                Output::Ask(question) => asked.push(question),
                told_of => told.push(told_of),
            }
        }
        self.compare_told(told, expected, "a timeout");
        let mut open = self.open_questions();
        self.asked += asked.len() as u64;
        for question in asked {
            let of = open.iter().find(|(_, open)| **open == question);
            let of = of.map(|(client_id, _)| *client_id);
            let of = of.unwrap_or_else(|| panic!("{question:?} is not open: {open:?}"));
            open.remove(&of);
            self.asks.insert(of, self.high);
        }
        for (client_id, question) in open {
            let since = self.asks[&client_id];
            assert!(self.now < since + ASK_AGAIN_MAX, "nobody asks {question:?}");
        }
    }

    fn set_reduce_only(&mut self) {
        let at = self.dice.u16(..INSTRUMENTS);
        let on = self.dice.u8(..4) == 0;
        self.risk.set_reduce_only(InstrumentId(at), on);
        self.twin.reduce_only[usize::from(at)] = on;
    }

    /// Nobody waits for the end of an order.
    fn give_up(&mut self) {
        if let Some(report) = self.orders.give_up() {
            assert_eq!(self.twin.give_up(report.client_id), Some(report));
            self.take_in(&report);
        }
    }

    /// Takes in what the orders tell, which is what the twin says.
    fn take(&mut self, expected: Vec<Output>, when: &str) {
        let told: Vec<Output> = std::iter::from_fn(|| self.orders.poll_output()).collect();
        self.compare_told(told, expected, when);
        self.open_questions();
    }

    /// What is to be asked now. Keeps since when.
    fn open_questions(&mut self) -> BTreeMap<ClientId, Question> {
        self.high = self.high.max(self.now);
        let open = self.twin.questions(self.now);
        let asks = &mut self.asks;
        asks.retain(|client_id, _| open.contains_key(client_id));
        for client_id in open.keys() {
            asks.entry(*client_id).or_insert(self.high);
        }
        open
    }

    fn compare_told(&mut self, mut told: Vec<Output>, expected: Vec<Output>, when: &str) {
        let whose = |output: &Output| match output {
            Output::Report(report) => report.client_id,
            Output::Ask(_) | Output::Stray(..) => ClientId(u64::MAX),
        };
        told.sort_by_key(whose); // One order's news keep their order.
        assert_eq!(told, expected, "{when}");
        for output in told {
            match output {
                Output::Report(report) => self.take_in(&report),
                Output::Stray(instrument, fill) if fill.qty.0 < 10_000 => {
                    self.risk.handle_stray(instrument, &fill);
                }
                // A position larger than any limit would shut the same gate for good.
                Output::Stray(..) | Output::Ask(_) => {}
            }
        }
    }

    fn take_in(&mut self, report: &Report) {
        let whose = (report.strategy, report.instrument);
        if let Outcome::Fill(fill) = report.outcome {
            *self.filled.entry(whose).or_default() += signed(report.side, fill.qty);
        }
        match report.outcome.is_end() {
            true => {
                self.truths.remove(&report.client_id);
                self.asks.remove(&report.client_id);
                self.left.remove(&report.client_id)
            }
            false => {
                let left = (report.strategy, report.instrument, report.remaining);
                self.left.insert(report.client_id, left)
            }
        };
        self.show(&event(0, Body::Report(*report)));
    }
}

fn pick<'a, T>(dice: &mut fastrand::Rng, all: &'a [T]) -> &'a T {
    &all[dice.usize(..all.len())]
}
