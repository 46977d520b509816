//! The desk lane: every event in, strategies, risk, admitted orders out. There is one in a run.
//! Never sends anything itself.

mod counts;
mod notes;

use super::ring::{Receiver, Sender};
use super::turn::Turn;
use crate::base::{
    Body, ClientId, Event, Flags, Instrument, InstrumentId, Intent, Nanos, NewOrder, News, Outcome,
    Report, Severity, Span, Stamps, StrategyId, UnixNanos, Value,
};
use crate::market::Picture;
use crate::strategy::{Intents, Strategy};
use crate::trading::orders::Orders;
pub(crate) use crate::trading::refusal::Refusals;
use crate::trading::refusal::{Compared, Refusal};
use crate::trading::risk::{Admitted, Risk};
use crate::venue::paper::{Paper, Reports};
use crate::watch::stage::Stage;
pub use counts::{DeskCounters, Traded};
use notes::{decision, report_note};
use std::collections::VecDeque;

/// Events that one turn takes from each ring.
const EVENTS_PER_TURN: usize = 64;
/// Room for reports that were made here, before their queue must grow.
const OWN_REPORTS: usize = 256;
/// A refusal by the same gate is logged once in this time; the counters have them all.
const REFUSAL_SAMPLE: Span = Span::from_secs(1);

/// The stamps of an order from the frame that caused it to its admission.
///
/// Invariant: `popped <= decided <= admitted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Stamps of the frame that caused it.
    pub stamps: Stamps,
    /// The desk took the event off its ring.
    pub popped: Nanos,
    /// The strategy had decided.
    pub decided: Nanos,
    /// Risk had admitted it.
    pub admitted: Nanos,
}

impl Receipt {
    fn check(&self) {
        debug_assert!(self.popped <= self.decided);
        debug_assert!(self.decided <= self.admitted);
    }
}

/// An admitted order on its way to the gateway, with its receipt.
pub struct Ticket {
    /// What the gateway is to send.
    pub order: Admitted,
    /// The stamps that it carries along.
    pub receipt: Receipt,
}

/// Where admitted orders go.
pub enum Exit {
    /// To the exchange, by this gateway ring.
    Gateway(Sender<Ticket>),
    /// Nowhere: filled on paper against the books that the desk sees.
    Paper(Paper),
}

/// A strategy, and what it is there for.
pub struct Seated {
    /// What decides.
    pub strategy: Box<dyn Strategy>,
    /// Whether an instrument is one of its own, by instrument id; all are if this says nothing. It
    /// sees and trades no other.
    pub own: Option<Box<[bool]>>,
}

impl Seated {
    /// A strategy for every instrument of the run.
    pub fn everywhere(strategy: Box<dyn Strategy>) -> Self {
        Self {
            strategy,
            own: None,
        }
    }

    /// Whether it may see and trade this instrument. What is about no instrument is everybody's.
    pub(crate) fn owns(&self, id: InstrumentId) -> bool {
        let own = self.own.as_ref();
        id == InstrumentId::NONE || own.is_none_or(|own| own.get(id.index()) == Some(&true))
    }
}

/// What a desk leaves behind.
#[derive(Debug, Clone)]
pub struct DeskEnd {
    /// What it counted.
    pub counters: DeskCounters,
    /// Intents that risk refused.
    pub refusals: Refusals,
    /// The same of each strategy, by its id.
    pub strategies: Vec<StrategyEnd>,
    /// What was traded, by instrument id.
    pub traded: Vec<Traded>,
}

/// What a strategy leaves behind.
#[derive(Debug, Clone)]
pub struct StrategyEnd {
    /// What was counted of it.
    pub counters: DeskCounters,
    /// Its intents that risk refused.
    pub refusals: Refusals,
}

/// A strategy at the desk, and what is kept of it.
///
/// Invariant: each intent was admitted or refused: `intents == admitted + refusals`.
struct Chair {
    seated: Seated,
    counters: DeskCounters,
    refusals: Refusals,
    /// When a refusal by each gate was logged last: one strategy's refusals do not silence
    /// another's.
    refusal_logged: [Nanos; Refusal::ALL.len()],
}

impl Chair {
    fn new(seated: Seated) -> Self {
        Self {
            seated,
            counters: DeskCounters::default(),
            refusals: Refusals::default(),
            refusal_logged: [Nanos::ZERO; Refusal::ALL.len()],
        }
    }

    /// Whether a refusal by this gate is to be logged now.
    fn logs_refusal(&mut self, now: Nanos, gate: Refusal) -> bool {
        let last = &mut self.refusal_logged[gate as usize];
        let due = *last == Nanos::ZERO || now.since(*last) >= REFUSAL_SAMPLE;
        if due {
            *last = now;
        }
        due
    }

    fn check(&self) {
        self.counters.check();
        debug_assert_eq!(
            self.counters.intents,
            self.counters.admitted + self.refusals.total()
        );
    }
}

/// The strategies of a run, and the one gate before the market.
///
/// Invariant: each admitted order is open or has its end: `admitted == ends + orders`; risk has the
/// same orders open; strategies count what the desk counts, each its own part.
pub struct Desk {
    inputs: Vec<Receiver<Event>>,
    /// By strategy id.
    chairs: Vec<Chair>,
    /// What the books say: lent to strategies, risk and paper.
    picture: Picture,
    risk: Risk,
    exit: Exit,
    orders: Orders,
    /// By instrument id.
    traded: Vec<Traded>,
    /// The run is ending: strategies hear of their orders, and decide nothing.
    closed: bool,
    /// Reports that were made here, and for whom. Risk has them; strategies see them at the next
    /// turn, so that one that answers a fill with an order cannot keep the desk from its rings.
    own: VecDeque<(StrategyId, Event)>,
    counters: DeskCounters,
}

impl Desk {
    /// A strategy sees every event of `inputs` that is about its instruments, or about none; its
    /// place in the list is its id. `instruments` is the run's table, for which `risk` has its
    /// limits. With [`Exit::Paper`] risk is told at once that orders can be taken.
    pub fn new(
        instruments: &[Instrument],
        inputs: Vec<Receiver<Event>>,
        strategies: Vec<Seated>,
        mut risk: Risk,
        exit: Exit,
    ) -> Self {
        match exit {
            Exit::Gateway(_) => risk.keep_scales(),
            // Paper is always ready; risk hears of it as it would of a gateway.
            Exit::Paper(_) => risk.handle_event(&own_event(Nanos::ZERO, Body::Gateway(true))),
        }
        assert!(
            strategies.len() <= StrategyId::NONE.index(),
            "an id each, and one for none"
        );
        Self {
            inputs,
            chairs: strategies.into_iter().map(Chair::new).collect(),
            picture: Picture::new(instruments),
            orders: Orders::with_capacity(risk.open_orders_max()),
            traded: vec![Traded::default(); instruments.len()],
            closed: false,
            risk,
            exit,
            own: VecDeque::with_capacity(OWN_REPORTS),
            counters: DeskCounters::default(),
        }
    }

    /// There is an event to take.
    pub fn has_input(&self) -> bool {
        !self.own.is_empty() || self.inputs.iter().any(|ring| !ring.is_empty())
    }

    /// Takes events from every ring in turn. Returns how many.
    pub fn handle_turn(&mut self, turn: &mut Turn) -> usize {
        let mut taken = self.own.len().min(EVENTS_PER_TURN);
        for _ in 0..taken {
            if let Some((strategy, event)) = self.own.pop_front() {
                let now = turn.clock.now();
                self.show_to(turn, now, strategy, &event);
            }
        }
        for ring in 0..self.inputs.len() {
            for _ in 0..EVENTS_PER_TURN {
                let Ok(event) = self.inputs[ring].pop() else {
                    break;
                };
                self.handle_event(turn, &event);
                taken += 1;
            }
        }
        self.check();
        taken
    }

    /// One event, to its end: whatever it causes is on the gateway's ring when this returns.
    pub(crate) fn handle_event(&mut self, turn: &mut Turn, event: &Event) {
        let popped = turn.clock.now();
        self.counters.events += 1;
        if let Body::Book(_) = event.body {
            let queued = popped.since(event.stamps.book);
            turn.latency.record(Stage::Queue, queued);
        }
        if !self.picture.handle_event(popped, event) {
            return; // A late book of an earlier connection: nobody is to decide from it.
        }
        self.risk.handle_event(event);
        match event.body {
            Body::News(news) => self.handle_news(turn, popped, &news),
            Body::Book(_)
            | Body::Trade(..)
            | Body::Quote(_)
            | Body::Status(_)
            | Body::Trading(_)
            | Body::Instrument(_)
            | Body::Gateway(_)
            | Body::Report(_) => self.show(turn, popped, event),
        }
    }

    /// The run is ending: the desk decides nothing from here on. Strategies still hear of their
    /// orders.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The run is over: orders without an end get one, and every strategy hears of its own.
    pub fn finish(&mut self, turn: &mut Turn) -> DeskEnd {
        self.close();
        while let Some(report) = self.orders.give_up() {
            let now = turn.clock.now();
            let event = self.take_in(turn, now, &report);
            self.own.push_back((report.strategy, event));
        }
        while let Some((strategy, event)) = self.own.pop_front() {
            self.show_to(turn, event.stamps.book, strategy, &event);
        }
        assert!(self.orders.is_empty(), "an order without an end");
        self.check();
        let end = |chair: &Chair| StrategyEnd {
            counters: chair.counters,
            refusals: chair.refusals.clone(),
        };
        DeskEnd {
            counters: self.counters,
            refusals: self.risk.refusals().clone(),
            strategies: self.chairs.iter().map(end).collect(),
            traded: self.traded.clone(),
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
        chair.counters.events += 1;
        let decides = &mut chair.seated.strategy;
        decides.handle_event(popped, event, &self.picture, &mut intents);
        if intents.is_empty() || self.closed {
            return;
        }
        let decided = turn.clock.now();
        turn.latency.record(Stage::Decide, decided.since(popped));
        for mut intent in intents {
            intent.strategy = strategy;
            let receipt = Receipt {
                stamps: event.stamps,
                popped,
                decided,
                ..Receipt::default()
            };
            self.handle_intent(turn, receipt, intent);
        }
    }

    fn handle_intent(&mut self, turn: &mut Turn, mut receipt: Receipt, intent: Intent) {
        assert!(!self.closed, "an order after the run's end");
        let now = receipt.popped;
        let chair = &mut self.chairs[intent.strategy.index()];
        self.counters.intents += 1;
        chair.counters.intents += 1;
        self.risk.set_recorded(turn.notes.takes_orders());
        let admitted = match chair.seated.owns(intent.instrument) {
            true => self.risk.admit(now, intent, &self.picture),
            false => Err(self.risk.refuse(&intent, Refusal::NotItsInstrument)),
        };
        match admitted {
            Ok(order) => {
                receipt.admitted = turn.clock.now();
                turn.latency
                    .record(Stage::Admit, receipt.admitted.since(receipt.decided));
                receipt.check();
                check_admitted(&chair.seated, order.order(), &intent);
                self.counters.admitted += 1;
                chair.counters.admitted += 1;
                chair.check();
                let note = decision(now, Severity::Info, "order.admitted", &intent)
                    .with("order", Value::Int(order.order().client_id.0 as i64));
                self.orders.open(order.order(), intent.tag);
                let reports = self.dispatch(Ticket { order, receipt });
                // After the order left: it can wait, and its place is kept.
                turn.notes.record(note);
                for news in &reports {
                    self.handle_own(turn, now, news);
                }
            }
            Err(refused) => {
                let gate = refused.gate;
                chair.refusals.record(intent.instrument, &refused);
                chair.check();
                let report = Report {
                    client_id: ClientId::default(),
                    strategy: intent.strategy,
                    tag: intent.tag,
                    instrument: intent.instrument,
                    side: intent.side,
                    px: intent.px,
                    qty: intent.qty,
                    remaining: intent.qty,
                    outcome: Outcome::Refused { gate: gate.name() },
                };
                let event = own_event(now, Body::Report(report));
                self.own.push_back((intent.strategy, event));
                if chair.logs_refusal(now, gate) {
                    let note = decision(now, Severity::Info, "order.refused", &intent)
                        .with("gate", Value::Word(gate.name()))
                        .text(gate.name());
                    let compared = refused.compared.iter().flat_map(Compared::fields);
                    let note = compared.fold(note, |note, (name, value)| note.with(name, value));
                    turn.notes.send(note);
                }
            }
        }
    }

    /// Sends an order off; returns what is known of it at once.
    fn dispatch(&mut self, ticket: Ticket) -> Reports {
        match &mut self.exit {
            Exit::Gateway(ring) => {
                let mut reports = Reports::new();
                if let Err(ticket) = ring.push(ticket) {
                    // The gateway is stuck: the order never left, and risk hears so.
                    let order = ticket.order.order();
                    reports.push(News {
                        client_id: order.client_id,
                        instrument: order.instrument,
                        outcome: Outcome::NotSent,
                    });
                }
                reports
            }
            Exit::Paper(paper) => paper.handle_order(ticket.order.order(), &self.picture),
        }
    }

    /// News from the gateway: its strategy hears of it at once.
    fn handle_news(&mut self, turn: &mut Turn, now: Nanos, news: &News) {
        if let Some(report) = self.orders.hear(news) {
            let event = self.take_in(turn, now, &report);
            self.show_to(turn, now, report.strategy, &event);
        }
    }

    /// News that was made here: its strategy hears of it at the next turn.
    fn handle_own(&mut self, turn: &mut Turn, now: Nanos, news: &News) {
        if let Some(report) = self.orders.hear(news) {
            let event = self.take_in(turn, now, &report);
            self.own.push_back((report.strategy, event));
        }
    }

    /// Tells risk, the counters and the log of a report. Gives it back as the event that its
    /// strategy is to see.
    fn take_in(&mut self, turn: &mut Turn, now: Nanos, report: &Report) -> Event {
        let event = own_event(now, Body::Report(*report));
        self.risk.handle_event(&event);
        self.count(report);
        turn.notes.record(report_note(now, report));
        event
    }

    fn count(&mut self, report: &Report) {
        self.counters.count(report.outcome);
        let chair = &mut self.chairs[report.strategy.index()];
        chair.counters.count(report.outcome);
        let Outcome::Fill { px, qty } = report.outcome else {
            return;
        };
        let instrument = self.picture.instrument(report.instrument);
        let worth = instrument.and_then(|instrument| instrument.notional(px, qty));
        if let Some(traded) = self.traded.get_mut(report.instrument.index()) {
            traded.add(report.side, qty, worth);
        }
    }

    /// To be called when all that an event caused was taken in.
    fn check(&self) {
        let open = self.orders.len();
        assert!(self.counters.admitted == self.counters.ends() + open as u64);
        assert!(open == self.risk.open_orders(), "risk has others open");
        let of = |what: fn(&DeskCounters) -> u64| {
            let chairs = self.chairs.iter().map(|chair| what(&chair.counters));
            chairs.sum::<u64>() == what(&self.counters)
        };
        let judged = self.counters.admitted + self.risk.refusals().total();
        debug_assert_eq!(self.counters.intents, judged);
        debug_assert!(of(|counters| counters.intents));
        debug_assert!(of(|counters| counters.admitted));
        debug_assert!(of(DeskCounters::ends));
        debug_assert!(of(|counters| counters.fills));
    }
}

/// What leaves is what its strategy wanted, and of an instrument of its own.
fn check_admitted(seated: &Seated, order: &NewOrder, intent: &Intent) {
    assert!(seated.owns(order.instrument), "an order of another's");
    assert!(order.strategy == intent.strategy);
    assert!((order.instrument, order.side) == (intent.instrument, intent.side));
    assert!((order.px, order.qty) == (intent.px, intent.qty));
}

fn own_event(now: Nanos, body: Body) -> Event {
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
        };
        let limits = RiskLimits::parse(&params, &[]).unwrap();
        let exit = Exit::Paper(Paper::new());
        Self::new(&[], inputs, Vec::new(), Risk::new(limits, &[], 1), exit)
    }
}
