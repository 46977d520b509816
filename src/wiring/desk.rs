//! The desk lane: every event in, strategies, risk, admitted orders out. There is one in a run.
//! Never sends anything itself.

use super::ring::{Receiver, Sender};
use super::turn::Turn;
use crate::base::{
    Body, ClientId, Event, Flags, Intent, Nanos, Note, Outcome, Report, Severity, Stamps,
    UnixNanos, Value,
};
use crate::strategy::{Intents, Strategy};
use crate::trading::paper::{Paper, Reports};
pub use crate::trading::refusal::Refusals;
use crate::trading::refusal::{Compared, Refusal};
use crate::trading::risk::{Admitted, Risk};
use crate::watch::stage::Stage;
use std::collections::VecDeque;

/// Events that one turn takes from each ring.
const EVENTS_PER_TURN: usize = 64;
/// Room for reports that were made here, before their queue must grow.
const OWN_REPORTS: usize = 256;
/// A refusal by the same gate is logged once in this time; the counters have them all.
const REFUSAL_SAMPLE: Nanos = Nanos::from_secs(1);

/// The stamps of an order from the frame that caused it to its admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Of the frame that caused it.
    pub stamps: Stamps,
    /// The desk took the event off its ring.
    pub popped: Nanos,
    /// The strategy had decided.
    pub decided: Nanos,
    /// Risk had admitted it.
    pub admitted: Nanos,
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

/// What the desk counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeskCounters {
    /// Events taken off the rings.
    pub events: u64,
    /// What strategies wanted.
    pub intents: u64,
    /// What risk let through.
    pub admitted: u64,
    /// Taken by the exchange.
    pub acked: u64,
    /// Refused by the exchange.
    pub rejected: u64,
    /// Never left.
    pub not_sent: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// Fills, on paper.
    pub filled: u64,
}

/// The strategies of a run, and the one gate before the market.
pub struct Desk {
    inputs: Vec<Receiver<Event>>,
    strategies: Vec<Box<dyn Strategy>>,
    risk: Risk,
    exit: Exit,
    /// Reports that were made here. Risk has them; strategies see them at the next turn, so that one that
    /// answers a fill with an order cannot keep the desk from its rings.
    own: VecDeque<Event>,
    counters: DeskCounters,
    refusal_logged: [Nanos; Refusal::ALL.len()],
}

impl Desk {
    /// Every strategy sees every event of `inputs`. With [`Exit::Paper`] risk is told at once that
    /// orders can be taken.
    pub fn new(
        inputs: Vec<Receiver<Event>>,
        strategies: Vec<Box<dyn Strategy>>,
        risk: Risk,
        exit: Exit,
    ) -> Self {
        let refusal_logged = [Nanos::ZERO; Refusal::ALL.len()];
        let mut desk = Self {
            inputs,
            strategies,
            risk,
            exit,
            own: VecDeque::with_capacity(OWN_REPORTS),
            counters: DeskCounters::default(),
            refusal_logged,
        };
        if let Exit::Paper(_) = desk.exit {
            // Paper is always ready; risk hears of it as it would of a gateway.
            desk.risk
                .handle_event(Nanos::ZERO, &own_event(Nanos::ZERO, Body::Gateway(true)));
        }
        desk
    }

    /// There is an event to take.
    pub fn has_input(&self) -> bool {
        !self.own.is_empty() || self.inputs.iter().any(|ring| !ring.is_empty())
    }

    /// Takes events from every ring in turn. Returns how many.
    pub fn handle_turn(&mut self, turn: &mut Turn) -> usize {
        let mut taken = self.own.len().min(EVENTS_PER_TURN);
        for _ in 0..taken {
            if let Some(event) = self.own.pop_front() {
                let now = turn.clock.now();
                self.show(turn, now, &event);
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
        taken
    }

    /// One event, to its end: whatever it causes is on the gateway's ring when this returns.
    pub fn handle_event(&mut self, turn: &mut Turn, event: &Event) {
        let popped = turn.clock.now();
        self.counters.events += 1;
        self.risk.handle_event(popped, event);
        match event.body {
            Body::Book(_) => turn
                .latency
                .record(Stage::Queue, popped.since(event.stamps.book)),
            Body::Report(report) => self.handle_report(turn, popped, report),
            Body::Instrument(_) => {
                if let Exit::Gateway(_) = self.exit {
                    // The gateway encodes at the scales that the run began with.
                    self.risk.halt_rescaled(event.instrument);
                }
            }
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Status(_)
            | Body::Trading(_)
            | Body::Gateway(_) => {}
        }
        if let Exit::Paper(paper) = &mut self.exit {
            paper.handle_event(event);
        }
        self.show(turn, popped, event);
    }

    /// The run is ending: nothing is decided any more; news of open orders is still taken in.
    pub fn close(&mut self) {
        self.strategies.clear();
    }

    /// What was counted so far.
    pub fn counters(&self) -> DeskCounters {
        self.counters
    }

    /// Refused intents by gate, and what each gate compared.
    pub fn refusals(&self) -> &Refusals {
        self.risk.refusals()
    }

    /// Lets every strategy see an event, and takes what each wants to risk.
    fn show(&mut self, turn: &mut Turn, popped: Nanos, event: &Event) {
        for strategy in 0..self.strategies.len() {
            let mut intents = Intents::new();
            self.strategies[strategy].handle_event(popped, event, &mut intents);
            if intents.is_empty() {
                continue;
            }
            let decided = turn.clock.now();
            turn.latency.record(Stage::Decide, decided.since(popped));
            for intent in intents {
                let receipt = Receipt {
                    stamps: event.stamps,
                    popped,
                    decided,
                    ..Receipt::default()
                };
                self.handle_intent(turn, receipt, intent);
            }
        }
    }

    fn handle_intent(&mut self, turn: &mut Turn, mut receipt: Receipt, intent: Intent) {
        self.counters.intents += 1;
        self.risk.set_recorded(turn.notes.takes_orders());
        match self.risk.admit(receipt.decided, intent) {
            Ok(order) => {
                receipt.admitted = turn.clock.now();
                turn.latency
                    .record(Stage::Admit, receipt.admitted.since(receipt.decided));
                self.counters.admitted += 1;
                let note = decision(receipt.admitted, Severity::Info, "order.admitted", &intent)
                    .with("order", Value::Int(order.order().client_id.0 as i64));
                let reports = self.dispatch(Ticket { order, receipt });
                turn.notes.record(note); // After the order left: it can wait, and its place is kept.
                for report in reports {
                    self.handle_own(turn, report);
                }
            }
            Err(refused) => {
                let gate = refused.gate;
                let report = Report {
                    client_id: ClientId::default(),
                    instrument: intent.instrument,
                    outcome: Outcome::Refused,
                };
                let event = own_event(receipt.decided, Body::Report(report));
                self.own.push_back(event);
                let last = &mut self.refusal_logged[gate as usize];
                if *last == Nanos::ZERO || receipt.decided.since(*last) >= REFUSAL_SAMPLE.0 {
                    *last = receipt.decided;
                    let note = decision(receipt.decided, Severity::Info, "order.refused", &intent)
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
                    reports.push(Report {
                        client_id: order.client_id,
                        instrument: order.instrument,
                        outcome: Outcome::NotSent,
                    });
                }
                reports
            }
            Exit::Paper(paper) => paper.handle_order(ticket.order.order()),
        }
    }

    /// A report that was made here, and so passes risk and the counters without a ring.
    fn handle_own(&mut self, turn: &mut Turn, report: Report) {
        let now = turn.clock.now();
        let event = own_event(now, Body::Report(report));
        self.risk.handle_event(now, &event);
        self.handle_report(turn, now, report);
        self.own.push_back(event);
    }

    fn handle_report(&mut self, turn: &mut Turn, now: Nanos, report: Report) {
        let note = |severity, event| {
            Note::new(now, severity, event)
                .instrument(report.instrument)
                .with("order", Value::Int(report.client_id.0 as i64))
        };
        let (counter, note) = match report.outcome {
            Outcome::Acked { exchange_id } => (
                &mut self.counters.acked,
                note(Severity::Info, "order.acked")
                    .with("exchange_id", Value::Int(exchange_id as i64)),
            ),
            Outcome::Rejected { code } => (
                &mut self.counters.rejected,
                note(Severity::Warn, "order.rejected").with("code", Value::Int(code.into())),
            ),
            Outcome::NotSent => (
                &mut self.counters.not_sent,
                note(Severity::Warn, "order.not_sent"),
            ),
            Outcome::Unknown => (
                &mut self.counters.unknown,
                note(Severity::Error, "order.unknown"),
            ),
            Outcome::Filled { px, qty } => (
                &mut self.counters.filled,
                note(Severity::Info, "order.filled")
                    .with("px", Value::Px(px))
                    .with("qty", Value::Qty(qty)),
            ),
            Outcome::Refused => return, // Made below, for strategies only.
            Outcome::Expired => return turn.notes.record(note(Severity::Info, "order.expired")),
        };
        *counter += 1;
        turn.notes.record(note);
    }
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

/// A line of the decision log: what was wanted, and the inputs that it was wanted for.
fn decision(at: Nanos, severity: Severity, event: &'static str, intent: &Intent) -> Note {
    Note::new(at, severity, event)
        .instrument(intent.instrument)
        .epoch(intent.why.epoch)
        .with("side", Value::Word(intent.side.name()))
        .with("px", Value::Px(intent.px))
        .with("qty", Value::Qty(intent.qty))
        .with("signal", Value::Word(intent.why.signal))
        .with("value", Value::Ratio(intent.why.value))
        .with("threshold", Value::Ratio(intent.why.threshold))
        .with("update_id", Value::Int(intent.why.update_id as i64))
        .with("best_bid", Value::Px(intent.why.bid.px))
        .with("best_ask", Value::Px(intent.why.ask.px))
        .text(intent.why.signal)
}
