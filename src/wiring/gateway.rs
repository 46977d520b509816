//! The gateway lane: one account's order connection. Admitted orders in, frames out, answers back
//! to the desk. Decides nothing about an order, and never sends one twice.

mod answers;
mod clock;
mod receipt;

use super::ask::{Answer, Ask};
use super::desk::{Receipt, Ticket};
use super::feed::REFUSAL_SAMPLE;
use super::lane::{Lane, Output};
use super::outage::Outage;
use super::ring::{Receiver, Sender};
use super::tally::{GatewayCounters, LaneOutage, LanePulse, Tally};
use super::their_clock::TheirClock;
use super::turn::Turn;
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, ClientId, Event, Flags, InstrumentId, Nanos, News, Note, Outcome, Severity, Span, Stamps,
    StrategyId, TimeInForce, UnixNanos, Value,
};
use crate::conn::{Close, Link, Output as LinkOutput, Read, SendError, Transport};
use crate::exchange::{Answer as OrderAnswer, DecodeError, End, OrderCodec};
use crate::watch::stage::Stage;
use std::collections::VecDeque;

/// An order that has no answer by then is in doubt. An exchange itself gives up sooner (10 s).
pub const ANSWER_DEADLINE: Span = Span::from_secs(12);
/// If a logon has no answer by then, the gateway replaces the connection.
pub const LOGON_DEADLINE: Span = Span::from_secs(5);
/// Orders without an answer, at most; risk's own limit on open orders is far below.
const IN_FLIGHT_MAX: usize = 256;
/// The one line of a gateway.
const LINE: u8 = 0;
/// In the place of a byte count: part of the order still waits for the socket.
const QUEUED: u64 = u64::MAX;

/// An order that was handed to the socket and has no answer yet.
///
/// Invariant: `receipt.admitted <= sent`.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    client_id: ClientId,
    strategy: StrategyId,
    instrument: InstrumentId,
    tif: TimeInForce,
    receipt: Receipt,
    /// Just before the write call; while the order is queued, before the first try.
    sent: Nanos,
    /// The connection's byte count behind the order's last byte, or [`QUEUED`].
    tx_bytes: u64,
    /// The kernel's send stamp; zero until it has come back.
    wired: Nanos,
    /// Its deadline has passed, and it was reported as in doubt. A late answer still ends it.
    overdue: bool,
}

/// The order connection of one account.
///
/// Invariant: `in_flight.len() <= IN_FLIGHT_MAX`; from its front to its back ids rise, `sent` and
/// `tx_bytes` do not fall, and what is overdue comes before what is not. Every id in it is below
/// `next_id`, so that no order is handed to the socket twice. While it is `ready` no logon is
/// awaited, and the exchange did not say that it leaves.
pub struct Gateway<S: Transport> {
    link: Link<S>,
    codec: Box<dyn OrderCodec>,
    exchange: &'static str,
    orders: Receiver<Ticket>,
    events: Sender<Event>,
    /// Events that found the ring full. Order reports are never lost.
    backlog: VecDeque<Event>,
    in_flight: VecDeque<InFlight>,
    /// Every id below it is used up: such an order is not handed to the socket.
    next_id: u64,
    ready: bool,
    /// The exchange will cut this connection: the gateway replaces it when no answer is
    /// outstanding.
    leaving: bool,
    logon_due: Nanos,
    /// The exchange's clock, as far as its answers tell: what our requests are dated by.
    clock: TheirClock,
    /// When the exchange was asked for its time, while it owes the answer.
    time_asked: Option<Nanos>,
    /// When a refused frame is logged again.
    refusal_from: Nanos,
    counters: GatewayCounters,
    /// When it could take no orders.
    outage: Outage,
    more: bool,
}

impl<S: Transport> Gateway<S> {
    /// A gateway that takes orders off `orders` and reports on `events`. Allocates its queues here.
    pub(crate) fn new(
        link: Link<S>,
        codec: Box<dyn OrderCodec>,
        exchange: &'static str,
        orders: Receiver<Ticket>,
        events: Sender<Event>,
    ) -> Self {
        Self {
            link,
            codec,
            exchange,
            orders,
            events,
            backlog: VecDeque::with_capacity(IN_FLIGHT_MAX),
            in_flight: VecDeque::with_capacity(IN_FLIGHT_MAX),
            next_id: 0,
            ready: false,
            leaving: false,
            logon_due: Nanos::NEVER,
            clock: TheirClock::default(),
            time_asked: None,
            refusal_from: Nanos::ZERO,
            counters: GatewayCounters::default(),
            outage: Outage::new(),
            more: false,
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> GatewayCounters {
        self.counters
    }

    fn handle_opened(&mut self, turn: &mut Turn, now: Nanos) {
        assert!(!self.ready, "ready before a logon");
        assert!(self.in_flight.is_empty(), "orders of a connection before");
        let note = self.note(now, Severity::Info, "gateway.open");
        turn.notes.send(note.text(&self.link.config().host));
        self.clock.look(now, turn.clock.unix());
        if let Some(time) = self.link.peer_time() {
            self.learn_time(turn, now, time);
        }
        self.logon_due = now + LOGON_DEADLINE;
        self.log_on(turn, now);
        self.more = true;
    }

    fn handle_closed(&mut self, turn: &mut Turn, now: Nanos, why: Close) {
        let note = self
            .note(now, Severity::Warn, "gateway.closed")
            .with("why", Value::Word(why.name()))
            .text(self.link.last_error());
        turn.notes.send(note);
        self.logon_due = Nanos::NEVER;
        (self.more, self.leaving) = (false, false);
        self.outage.down(now, why.name());
        self.time_asked = None;
        self.set_ready(now, false);
        while let Some(order) = self.in_flight.pop_front() {
            if !order.overdue {
                self.report(now, order.client_id, order.instrument, Outcome::InDoubt);
            }
        }
        self.check();
    }

    fn handle_order(&mut self, turn: &mut Turn, ticket: &Ticket) {
        let order = ticket.order.order();
        let now = turn.clock.now();
        let room = self.in_flight.len() < IN_FLIGHT_MAX;
        // Whoever was stopped in between sends nothing that was decided before.
        let late = now.since(ticket.receipt.admitted) > LATE_MAX;
        if !self.ready || !room || late {
            return self.report(now, order.client_id, order.instrument, Outcome::NotSent);
        }
        let theirs = self.clock.shows(now, turn.clock.unix());
        let frame = self.codec.encode(order, theirs);
        if frame.is_empty() {
            return self.report(now, order.client_id, order.instrument, Outcome::NotSent);
        }
        assert!(self.next_id <= order.client_id.0, "an order a second time");
        assert!(
            order.client_id.0 < u64::MAX,
            "risk keeps the largest id back"
        );
        self.next_id = order.client_id.0 + 1;
        // A socket that would block has queued the frame: it counts as sent, and is not sent again.
        match self.link.send(now, frame) {
            Ok(_) => self.counters.sent += 1,
            Err(SendError::Broken) => {
                return self.report(now, order.client_id, order.instrument, Outcome::InDoubt);
            }
            Err(SendError::NotLive | SendError::Limited { .. } | SendError::Full) => {
                return self.report(now, order.client_id, order.instrument, Outcome::NotSent);
            }
        }
        self.in_flight.push_back(InFlight {
            client_id: order.client_id,
            strategy: order.strategy,
            instrument: order.instrument,
            tif: order.tif,
            receipt: ticket.receipt,
            sent: now,
            tx_bytes: QUEUED,
            wired: Nanos::ZERO,
            overdue: false,
        });
        self.check();
        self.mark_flushed(turn);
        self.take_stamps(turn);
    }

    /// When nothing waits for the socket, its mark covers every order. Until then a send stamp is
    /// another's, and the order has not left.
    fn mark_flushed(&mut self, turn: &mut Turn) {
        if !self.link.is_flushed() {
            return;
        }
        let Some(mark) = self.link.tx() else { return };
        let newest_first = self.in_flight.iter_mut().rev();
        for order in newest_first.take_while(|order| order.tx_bytes == QUEUED) {
            order.tx_bytes = mark.bytes;
            order.sent = order.sent.max(mark.call);
            let took = order.sent.since(order.receipt.admitted);
            turn.latency.record(Stage::Send, took);
        }
        self.check();
    }

    /// Matches the kernel's send stamps with the orders that they belong to.
    fn take_stamps(&mut self, turn: &mut Turn) {
        let Some(stream) = self.link.stream_mut() else {
            return;
        };
        while let Some(stamp) = stream.poll_tx_stamp() {
            let covered = self
                .in_flight
                .iter_mut()
                .filter(|order| order.wired == Nanos::ZERO && order.tx_bytes <= stamp.bytes);
            for order in covered {
                order.wired = stamp.at;
                turn.latency.record(Stage::Wire, stamp.at.since(order.sent));
                record_tick_to_wire(turn, &order.receipt, stamp.at);
            }
        }
    }

    fn set_ready(&mut self, now: Nanos, ready: bool) {
        if self.ready != ready {
            self.ready = ready;
            self.emit(now, InstrumentId::NONE, Body::Gateway(ready));
        }
        assert!(!self.ready || self.logon_due == Nanos::NEVER);
    }

    fn report(&mut self, now: Nanos, client_id: ClientId, id: InstrumentId, outcome: Outcome) {
        self.emit(
            now,
            id,
            Body::News(News {
                client_id,
                instrument: id,
                outcome,
            }),
        );
    }

    fn emit(&mut self, now: Nanos, instrument: InstrumentId, body: Body) {
        let event = Event {
            stamps: Stamps {
                book: now,
                ..Stamps::default()
            },
            exch_time: UnixNanos(0),
            as_of: now,
            update_id: 0,
            epoch: self.link.epoch(),
            instrument,
            flags: Flags::default(),
            body,
        };
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(event) = self.events.push(event) {
            self.backlog.push_back(event);
        }
    }

    fn note(&self, now: Nanos, severity: Severity, event: &'static str) -> Note {
        Note::new(now, severity, event)
            .exchange(self.exchange)
            .epoch(self.link.epoch())
    }

    /// Looks at the newest order; in debug builds at all.
    fn check(&self) {
        assert!(self.in_flight.len() <= IN_FLIGHT_MAX);
        assert!(self.in_flight.len() as u64 <= self.counters.sent);
        let below = |order: &InFlight| order.client_id.0 < self.next_id;
        assert!(self.in_flight.back().is_none_or(below));
        assert!(!self.ready || !self.leaving, "orders for one that leaves");
        debug_assert!(self.counters.bad_frames <= self.counters.frames);
        debug_assert!(self.in_flight.iter().all(|o| o.receipt.admitted <= o.sent));
        let all = |holds: fn(&InFlight, &InFlight) -> bool| {
            let behind = self.in_flight.iter().skip(1);
            self.in_flight.iter().zip(behind).all(|(a, b)| holds(a, b))
        };
        debug_assert!(all(|a, b| a.client_id.0 < b.client_id.0));
        debug_assert!(all(|a, b| a.sent <= b.sent));
        debug_assert!(all(|a, b| a.tx_bytes <= b.tx_bytes));
        debug_assert!(all(|a, b| a.overdue || !b.overdue));
    }
}

impl<S: Transport> Gateway<S> {
    /// Counts an answer that was not understood: it says nothing of any order.
    fn refuse_frame(&mut self, turn: &mut Turn, at: Nanos, why: DecodeError) {
        self.counters.bad_frames += 1;
        self.check();
        if at >= self.refusal_from {
            self.refusal_from = at + REFUSAL_SAMPLE;
            let note = self.note(at, Severity::Warn, "frame.refused");
            turn.notes.send(note.with("why", Value::Word(why.name())));
        }
    }
}

impl<S: Transport> Lane<S> for Gateway<S> {
    /// The socket is readable or writable, or has a send stamp for us.
    fn handle_ready(&mut self, turn: &mut Turn, _: u8) {
        self.take_stamps(turn);
        self.more = true;
        loop {
            match self.link.read(turn.clock) {
                Read::Frame { text, rx: _, at } => {
                    self.counters.frames += 1;
                    match self.codec.decode(text) {
                        Ok(answer) => self.handle_order_answer(turn, at, answer),
                        Err(why) => self.refuse_frame(turn, at, why),
                    }
                }
                Read::TooLong { at, .. } => {
                    self.counters.frames += 1;
                    self.refuse_frame(turn, at, DecodeError::TooLong);
                }
                Read::Yielded => break, // `more` stays: the next turn goes on.
                Read::Blocked | Read::Closed => {
                    self.more = false;
                    break;
                }
            }
        }
        self.link.flush(turn.clock.now());
        self.mark_flushed(turn);
    }

    /// Sends the orders that wait. Returns how many there were.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(event) = self.events.push(event) {
                self.backlog.push_front(event);
                break;
            }
        }
        let mut taken = false;
        while let Ok(ticket) = self.orders.pop() {
            self.handle_order(turn, &ticket);
            taken = true;
        }
        taken
    }

    /// Frames are left that no readiness event will announce.
    fn wants_turn(&self) -> bool {
        !self.orders.is_empty() || self.more || !self.backlog.is_empty()
    }

    fn has_unread(&self) -> bool {
        self.more
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] if nothing waits.
    fn poll_timeout(&self) -> Nanos {
        let answer = self.in_flight.iter().find(|order| !order.overdue);
        let answer = answer.map_or(Nanos::NEVER, |order| order.sent + ANSWER_DEADLINE);
        self.link.poll_timeout().min(answer).min(self.logon_due)
    }

    /// Does what is due: the link's deadlines, orders without an answer, a logon without one.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        self.link.handle_timeout(now);
        while let Some(order) = self.in_flight.iter_mut().find(|order| !order.overdue)
            && now >= order.sent + ANSWER_DEADLINE
        {
            order.overdue = true;
            let order = *order;
            self.report(now, order.client_id, order.instrument, Outcome::InDoubt);
        }
        self.check();
        if now >= self.logon_due {
            self.logon_due = Nanos::NEVER;
            turn.notes
                .send(self.note(now, Severity::Warn, "gateway.logon_unanswered"));
            self.link.restart(now);
        }
    }

    fn poll_output(&mut self, turn: &mut Turn, now: Nanos) -> Option<Output> {
        if self.leaving && self.in_flight.iter().all(|order| order.overdue) {
            self.leaving = false;
            self.link.restart(now);
        }
        while let Some(output) = self.link.poll_output() {
            match output {
                LinkOutput::Resolve => return Some(Output::Ask(Ask::Addresses)),
                LinkOutput::Dial(address) => {
                    return Some(Output::Dial {
                        line: LINE,
                        address,
                    });
                }
                LinkOutput::Opened => self.handle_opened(turn, now),
                LinkOutput::Closed { reason: why } => self.handle_closed(turn, now, why),
            }
        }
        None
    }

    /// Its own answers tell it more of the exchange's time than this does.
    fn handle_answer(&mut self, _: &mut Turn, now: Nanos, answer: Answer) {
        match answer {
            Answer::Addresses(addresses) => self.link.handle_resolved(now, &addresses),
            Answer::Snapshot(..) | Answer::Instrument(_) | Answer::Time(_) => {}
        }
    }

    /// The answer to [`Output::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, _: u8, socket: Result<S, std::io::ErrorKind>) {
        self.link.handle_dialed(now, socket);
    }

    /// Another answer to [`Output::Dial`]: not before `until`.
    fn handle_postponed(&mut self, _: u8, until: Nanos) -> bool {
        self.link.handle_postponed(until)
    }

    /// The socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self, line: u8) -> Option<&mut S> {
        self.link.stream_mut().filter(|_| line == LINE)
    }

    /// Closes the connection for good.
    fn shut_down(&mut self, now: Nanos) {
        self.link.shutdown(now);
    }

    fn pulse(&self, _: Nanos) -> LanePulse {
        LanePulse::default()
    }

    fn tally(&self, into: &mut Tally) {
        let own = self.counters();
        into.gateway.sent += own.sent;
        into.gateway.frames += own.frames;
        into.gateway.bad_frames += own.bad_frames;
        into.connects += u64::from(self.link.epoch());
        into.outages.push(LaneOutage {
            exchange: self.exchange,
            of: "orders",
            outage: self.outage,
        });
        into.check();
    }
}

/// From the packet that caused the order to the packet that carries it.
fn record_tick_to_wire(turn: &mut Turn, receipt: &Receipt, wire: Nanos) {
    let rx = receipt.stamps.rx;
    if rx.read == Nanos::ZERO {
        return; // Caused by something that came in no packet.
    }
    let from = if rx.kernel == Nanos::ZERO {
        rx.call
    } else {
        rx.kernel
    };
    let safe_from = if rx.empty == Nanos::ZERO {
        from
    } else {
        from.min(rx.empty)
    };
    turn.latency.record(Stage::TickToWire, wire.since(from));
    turn.latency
        .record(Stage::TickToWireSafe, wire.since(safe_from));
}
