//! The desk lane: every event in, strategies, risk, admitted orders out. There is one in a run.
//! Never sends anything itself.

mod account;
mod changes;
pub(crate) mod command;
mod counts;
mod halt;
mod held;
mod judged;
mod kept;
mod notes;
mod place;
mod seats;
mod set;
mod turn;
mod ways;

use super::keep::Keep;
use super::kill::KillSwitch;
use super::ring::{Receiver, Sender};
use super::turn::Turn;
use crate::base::{
    AccountNews, Body, CancelAll, Change, ClientId, DayGain, Deed, Event, Fill, Flags, Instrument,
    InstrumentId, Intent, Nanos, NewOrder, News, Note, OrderRef, Outcome, Place, Qty, Question,
    Replace, Report, Said, Severity, Source, Span, Stamps, StrategyId, UnixNanos, Value, Working,
};
use crate::market::Picture;
use crate::strategy::{Intents, Strategy, View};
use crate::trading::orders::{Orders, Output};
use crate::trading::reconcile::{self, Reconcile};
pub(crate) use crate::trading::refusal::Refusals;
use crate::trading::refusal::{Compared, Refusal, Refused};
use crate::trading::risk::{Admitted, Risk, Whose};
use crate::trading::unexplained::{Ended, Unexplained};
use crate::venue::paper::{Paper, Wish};
use crate::watch::stage::Stage;
use account::Wanted;
use command::Commands;
pub use counts::{DeskCounters, Traded};
pub use judged::{Judged, Judgements};
use kept::asked;
use notes::{
    accepted_note, cancel_note, decision, difference_note, mode_note, ready_note, receipt_note,
    report_note, stray_note, unknown_note,
};
use place::{By, Left};
use seats::Chair;
pub use seats::{DeskEnd, Exit, ExitRules, Receipt, Request, Seated, StrategyEnd, Ticket};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
pub(crate) use ways::AccountBalances;
pub use ways::Way;

/// Room for reports that were made here, before their queue must grow.
const OWN_REPORTS: usize = 256;
/// A refusal by the same gate is logged once in this time; the counters have them all.
const REFUSAL_SAMPLE: Span = Span::from_secs(1);
/// A strategy that wants more in a second is out of order, and is stopped.
pub(crate) const INTENTS_PER_S_MAX: u32 = 20_000;

/// The strategies of a run, and the one gate before the market.
///
/// Invariant: each order that was admitted or adopted is open or has its end:
/// `admitted + adopted == ends + orders`; strategies count what the desk counts, each its own part.
pub struct Desk {
    /// What feeds say.
    feeds: Vec<Receiver<Event>>,
    /// Where orders go. There is at least one.
    ways: Vec<Way>,
    /// By instrument id, the place of its way.
    way_of: Box<[Option<usize>]>,
    /// By strategy id.
    chairs: Vec<Chair>,
    /// What the books say: lent to strategies, risk and paper.
    picture: Picture,
    risk: Risk,
    orders: Orders,
    /// By instrument id.
    traded: Vec<Traded>,
    /// The run is ending: strategies hear of their orders, and decide nothing.
    closed: bool,
    /// What all threads of the run look at, and whether it was thrown when this one looked.
    switch: Arc<KillSwitch>,
    killed: bool,
    /// What a person asks, if anybody can.
    commands: Option<Commands>,
    /// Reports that were made here, and for whom. Risk has them; strategies see them at the next
    /// turn, so that one that answers a fill with an order cannot keep the desk from its rings.
    own: VecDeque<(StrategyId, Event)>,
    /// The newest order, until the rest of it is seen to.
    left: Option<Left>,
    /// What was ordered last: it is rehearsed.
    rehearsed: Option<Place>,
    counters: DeskCounters,
}

impl Desk {
    /// A strategy sees every event of `feeds` and of the ways that is about its instruments, or
    /// about none; its place in the list is its id. `instruments` is the run's table, for which
    /// `risk` has its limits. What `feeds` say of an account is the first way's.
    ///
    /// # Panics
    /// If there is no way.
    pub fn new(
        instruments: &[Instrument],
        feeds: Vec<Receiver<Event>>,
        strategies: Vec<Seated>,
        mut risk: Risk,
        mut ways: Vec<Way>,
    ) -> Self {
        let mut picture = Picture::new(instruments);
        let by = |of: &Instrument| ways.iter().position(|way| way.takes(of.id));
        let way_of: Box<[Option<usize>]> = instruments.iter().map(by).collect();
        risk.trade_at(ways.len(), &way_of);
        let visibility = ways.iter().map(|way| way.rules.visibility).max();
        #[expect(
            clippy::expect_used,
            reason = "a desk without a way out is a mistake of ours"
        )]
        let visibility = visibility.expect("a way out");
        for (at, way) in ways.iter_mut().enumerate() {
            match way.is_account() {
                true => {
                    risk.keep_scales();
                    way.reconcile = Some(Reconcile::new(instruments, way.exchange));
                }
                false => risk.set_ready(at, true), // Paper is always ready.
            }
        }
        for instrument in instruments {
            let way = way_of[instrument.id.index()].map(|at| &ways[at]);
            let ready = way.is_some_and(|way| !way.is_account());
            picture.set_takes_orders(instrument.id, ready);
        }
        assert!(
            strategies.len() <= StrategyId::NONE.index(),
            "an id each, and one for none"
        );
        risk.open_positions(instruments, strategies.len());
        Self {
            feeds,
            ways,
            way_of,
            chairs: strategies
                .into_iter()
                .map(|seated| Chair::new(seated, instruments.len()))
                .collect(),
            picture,
            orders: Orders::new(risk.open_orders_max(), instruments.len(), visibility),
            traded: vec![Traded::default(); instruments.len()],
            closed: false,
            switch: Arc::default(),
            killed: false,
            commands: None,
            risk,
            own: VecDeque::with_capacity(OWN_REPORTS),
            left: None,
            rehearsed: None,
            counters: DeskCounters::default(),
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Nanos {
        let reconciles = self.ways.iter().filter_map(|way| way.reconcile.as_ref());
        let compares = reconciles.map(Reconcile::poll_timeout).min();
        self.orders
            .poll_timeout()
            .min(compares.unwrap_or(Nanos::NEVER))
            .min(self.closing_due())
    }

    /// Asks what became of orders that nobody said anything of in time, and goes on with what is
    /// being closed.
    pub fn handle_timeout(&mut self, turn: &mut Turn) {
        self.look_after(turn);
        let now = turn.clock.now();
        self.look_at_switch(turn, now);
        self.close_more(turn, now);
        self.orders.handle_timeout(now);
        for way in &mut self.ways {
            if let Some(reconcile) = &mut way.reconcile {
                reconcile.handle_timeout(now, &self.orders);
            }
        }
        self.drain(turn, now, true);
        self.check();
    }

    /// One event, to its end: whatever it causes is on the gateway's ring when this returns. What
    /// it says of an account is about the one at the end of this way.
    pub(crate) fn handle_event(&mut self, turn: &mut Turn, way: usize, event: &Event) {
        self.look_after(turn);
        let popped = turn.clock.now();
        self.look_at_switch(turn, popped);
        if self.risk.poll_timeout() <= popped {
            self.risk.handle_timeout(popped, turn.clock.unix());
            self.keep_day(popped);
        }
        self.counters.events += 1;
        if let Body::Book(_) = event.body {
            let queued = popped.since(event.stamps.book);
            turn.latency.record(Stage::Queue, queued);
        }
        if !self.picture.handle_event(popped, event) {
            return; // A late book of an earlier connection: nobody is to decide from it.
        }
        if let Body::Gateway(connected) = &event.body
            && let Some(reconcile) = &mut self.ways[way].reconcile
        {
            reconcile.handle_connected(popped, *connected, &self.orders);
            match connected {
                true => self.orders.ask_now(popped),
                false => self.set_ready(turn, popped, way, false),
            }
            return self.drain(turn, popped, true);
        }
        self.risk.handle_event(event);
        match event.body {
            Body::News(news) => {
                self.hear(popped, &news);
                self.drain(turn, popped, true);
            }
            Body::Account(news) => {
                self.handle_account(turn, popped, (way, event.instrument), &news);
            }
            Body::Book(_)
            | Body::Trade(..)
            | Body::Quote(_)
            | Body::Status(_)
            | Body::Trading(_)
            | Body::Instrument(_)
            | Body::Gateway(_)
            | Body::Report(_) => self.show(turn, popped, event),
        }
        self.note_modes(turn, popped);
        if let Exit::Paper(paper) = &mut self.ways[way].exit {
            match &event.body {
                Body::Book(_) => paper.handle_book(event.instrument, &self.picture),
                Body::Trade(print, _) => paper.handle_print(print, &self.picture),
                _ => return,
            }
            self.hear_paper(turn, popped);
        }
    }

    /// Does what the orders want. If `at_once`, strategies hear of their orders now, and at the
    /// next turn else.
    fn drain(&mut self, turn: &mut Turn, now: Nanos, at_once: bool) {
        while let Some(output) = self.next_output() {
            let output = match output {
                Wanted::ByOrders(output) => output,
                Wanted::ByReconcile(way, output) => {
                    self.handle_compared(turn, now, way, output);
                    continue;
                }
            };
            match output {
                Output::Report(report) => {
                    let event = self.take_in(turn, now, &report);
                    match (report.strategy, at_once) {
                        (StrategyId::NONE, _) => {}
                        (strategy, true) => self.show_to(turn, now, strategy, &event),
                        (strategy, false) => self.own.push_back((strategy, event)),
                    }
                }
                // The ring is full of requests: it is asked again.
                Output::Ask(question) => {
                    if let Some(way) = question.instrument().and_then(|id| self.way_of(id)) {
                        let _ = self.dispatch(way, Request::Ask(question));
                    }
                }
                Output::Stray(instrument, fill) => {
                    turn.notes.record(stray_note(now, instrument, &fill));
                    self.explain(instrument, &fill);
                    self.risk.handle_stray(instrument, &fill);
                    self.hold_stray(now, instrument);
                }
            }
        }
        self.note_modes(turn, now);
        self.look_last(turn, now);
    }

    /// Logs who may no longer order, or may again.
    fn note_modes(&mut self, turn: &mut Turn, now: Nanos) {
        while let Some(change) = self.risk.poll_mode() {
            turn.notes.record(mode_note(now, &change));
            let (strategy, mode) = match change.whose {
                Whose::All => (StrategyId::NONE, change.mode),
                Whose::Strategy(strategy) => (strategy, change.mode),
                Whose::Instrument(_) => continue, // Whoever holds it records why.
            };
            self.keep_everywhere(now, Deed::Mode { strategy, mode });
            self.keep_day(now); // What it was halted for is not forgotten, either.
        }
    }

    /// The run is ending: the desk decides nothing from here on, and cancels every order.
    /// Strategies still hear of theirs.
    pub fn close(&mut self, turn: &mut Turn) {
        self.look_after(turn);
        self.closed = true;
        let now = turn.clock.now();
        for at in (0..self.orders.len()).rev() {
            let order = self.orders.working().get(at);
            let order = order.filter(|order| !order.changing);
            if let Some(client_id) = order.map(|order| order.client_id) {
                self.cancel(turn, now, client_id, "run_end");
            }
        }
        self.look_last(turn, now);
    }

    /// The run is over: orders without an end get one, and every strategy hears of its own.
    pub fn finish(&mut self, turn: &mut Turn) -> DeskEnd {
        self.look_after(turn);
        if !self.closed {
            self.close(turn);
        }
        self.drain(turn, turn.clock.now(), false);
        while let Some(report) = self.orders.give_up() {
            let now = turn.clock.now();
            let event = self.take_in(turn, now, &report);
            if report.strategy != StrategyId::NONE {
                self.own.push_back((report.strategy, event));
            }
        }
        while let Some((strategy, event)) = self.own.pop_front() {
            self.show_to(turn, event.stamps.book, strategy, &event);
        }
        assert!(self.orders.is_empty(), "an order without an end");
        let now = turn.clock.now();
        self.risk.handle_timeout(now, turn.clock.unix());
        self.keep_day(now);
        self.check();
        let end = |chair: &Chair| {
            assert!(chair.judged.total() == chair.counters.intents);
            StrategyEnd {
                counters: chair.counters,
                refusals: chair.refusals.clone(),
                judged: chair.judged.clone(),
            }
        };
        DeskEnd {
            counters: self.counters,
            refusals: self.risk.refusals().clone(),
            strategies: self.chairs.iter().map(end).collect(),
            traded: self.traded.clone(),
            pnl: self.risk.pnl_rows().collect(),
            balances: self.balances(),
        }
    }

    /// The strategies, by their ids, as the run left them.
    pub(crate) fn into_seats(self) -> Vec<Seated> {
        self.chairs.into_iter().map(|chair| chair.seated).collect()
    }

    /// What was counted so far.
    pub fn counters(&self) -> DeskCounters {
        self.counters
    }

    /// Refused intents by gate, and what each gate compared.
    pub fn refusals(&self) -> &Refusals {
        self.risk.refusals()
    }

    /// Lets every strategy see an event of its instruments.
    fn show(&mut self, turn: &mut Turn, popped: Nanos, event: &Event) {
        if self.closed {
            return;
        }
        for at in 0..self.chairs.len() {
            if self.chairs[at].seated.owns(event.instrument) {
                self.show_to(turn, popped, StrategyId(at as u8), event);
            }
        }
    }

    /// Lets one strategy see an event, and takes what it wants to risk. All of it is decided at
    /// `popped`: what is read of the clock below is measured, and changes nothing.
    fn show_to(&mut self, turn: &mut Turn, popped: Nanos, strategy: StrategyId, event: &Event) {
        let mut intents = Intents::new();
        let chair = &mut self.chairs[strategy.index()];
        if chair.gone {
            return;
        }
        chair.counters.events += 1;
        let orders = self.orders.working();
        let positions = self.risk.pnl().positions(strategy);
        let view = View::new(&self.picture, positions, orders, strategy);
        let decides = &mut chair.seated.strategy;
        self.switch.enter(popped, strategy);
        let decided = catch_unwind(AssertUnwindSafe(|| {
            decides.handle_event(popped, event, &view, &mut intents);
        }));
        self.switch.leave();
        if let Err(words) = decided {
            return self.panicked(turn, popped, strategy, words);
        }
        if intents.is_empty() || self.closed {
            return;
        }
        let decided = turn.clock.now();
        turn.latency.record(Stage::Decide, decided.since(popped));
        let wanted = intents.len() as u32;
        for intent in intents {
            let receipt = Receipt {
                stamps: event.stamps,
                popped,
                decided,
                ..Receipt::default()
            };
            self.counters.intents += 1;
            let about = self.about(&intent);
            self.chairs[strategy.index()].wanted(about);
            match intent {
                Intent::Place(place) => {
                    let place = Place { strategy, ..place };
                    self.handle_place(turn, receipt, &place, None, By::Strategy);
                }
                Intent::Replace(replace) => self.handle_replace(turn, receipt, strategy, &replace),
                Intent::Cancel(cancel) => {
                    self.handle_cancel(turn, popped, strategy, cancel.order, cancel.why);
                }
                Intent::CancelAll(cancel) => {
                    self.handle_cancel_all(turn, popped, strategy, &cancel);
                }
            }
        }
        if self.chairs[strategy.index()].floods(popped, wanted) {
            let note = Note::new(popped, Severity::Error, "strategy.floods").strategy(strategy);
            turn.notes.record(note);
            self.stop(turn, popped, strategy, false, "floods");
        }
    }

    /// It decides nothing more, and what works of it is cancelled. The run goes on with the others,
    /// if there are any.
    fn panicked(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        strategy: StrategyId,
        words: Box<dyn std::any::Any + Send>,
    ) {
        self.chairs[strategy.index()].gone = true;
        if self.chairs.iter().all(|chair| chair.gone) {
            resume_unwind(words);
        }
        let said = words.downcast_ref::<&str>().copied();
        let said = said.or_else(|| words.downcast_ref::<String>().map(String::as_str));
        let note = Note::new(now, Severity::Error, "strategy.panicked").strategy(strategy);
        turn.notes.record(note.text(said.unwrap_or_default()));
        self.stop(turn, now, strategy, false, "panicked");
    }

    /// Tells risk, the counters and the log of a report. Gives it back as the event that its
    /// strategy is to see.
    fn take_in(&mut self, turn: &mut Turn, now: Nanos, report: &Report) -> Event {
        let event = own_event(now, Body::Report(*report));
        self.risk.handle_event(&event);
        self.count(now, report);
        self.look_sooner(now, report);
        turn.notes.record(report_note(now, report));
        event
    }

    fn count(&mut self, now: Nanos, report: &Report) {
        self.counters.count(report.outcome);
        if let Outcome::Fill(fill) = report.outcome {
            let instrument = self.picture.instrument(report.instrument);
            let worth = instrument.and_then(|instrument| instrument.notional(fill.px, fill.qty));
            if let Some(traded) = self.traded.get_mut(report.instrument.index()) {
                traded.add(report.side, fill.qty, worth);
            }
            self.explain(report.instrument, &fill);
            if self.ways.len() > 1 {
                // No journal but its own account's has the trade, and each has what was gained.
                self.keep_day(now);
            }
        }
        if let Some(chair) = self.chairs.get_mut(report.strategy.index()) {
            chair.counters.count(report.outcome);
        }
    }

    /// To be called when all that an event caused was taken in.
    fn check(&self) {
        let open = self.orders.len();
        let all = self.counters.admitted + self.counters.adopted + self.counters.resumed;
        assert!(all == self.counters.ends() + open as u64);
        // What was adopted passed no risk.
        let of = |what: fn(&DeskCounters) -> u64| {
            let chairs = self.chairs.iter().map(|chair| what(&chair.counters));
            chairs.sum::<u64>() == what(&self.counters)
        };
        let passed = self.counters.admitted + self.counters.changes;
        let judged = passed + self.risk.refusals().total();
        debug_assert_eq!(self.counters.intents, judged);
        debug_assert!(of(|counters| counters.intents));
        debug_assert!(of(|counters| counters.admitted));
        // What was adopted is no strategy's.
        debug_assert!(self.counters.adopted > 0 || of(DeskCounters::ends));
        debug_assert!(self.counters.adopted > 0 || of(|counters| counters.fills));
    }
}

pub(super) fn own_event(now: Nanos, body: Body) -> Event {
    let instrument = match body {
        Body::Report(report) => report.instrument,
        _ => crate::base::InstrumentId::NONE,
    };
    Event {
        stamps: Stamps {
            book: now,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: now,
        update_id: 0,
        epoch: 0,
        instrument,
        flags: Flags::default(),
        body,
    }
}

#[cfg(test)]
impl Desk {
    /// Takes events and wants nothing, for tests of what runs it.
    pub(crate) fn without_strategy(inputs: Vec<Receiver<Event>>) -> Self {
        use crate::trading::limits::{RiskLimits, RiskParams};
        let params = RiskParams {
            qty_max: "1".into(),
            notional_max: "1".into(),
            collar_bps: 1,
            orders_per_s: 1,
            open_orders_max: 1,
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &[]).unwrap();
        let exit = Exit::Paper(Paper::new());
        let risk = Risk::new(limits, &[], 1);
        let ways = vec![Way::only(exit, ExitRules::PAPER)];
        Self::new(&[], inputs, Vec::new(), risk, ways)
    }
}

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod halt_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod test_clock;
#[cfg(test)]
mod ways_tests;
