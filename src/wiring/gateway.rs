//! The gateway lane: an account's two connections. Requests in, frames out; what the exchange says
//! of orders and of the account back to the desk. Decides nothing about an order, and sends none
//! twice.
//!
//! Orders go by the trading line. Questions go by the account line, which also carries the private
//! stream: when the trading line is dead and does not show it, the other one knows what became of
//! the orders on it. It is connected when both lines are.

mod answers;
mod budget;
mod clock;
mod killed;
mod line;
mod receipt;
mod requests;

use super::ask::{Answer, Ask};
use super::desk::{Receipt, Request, Ticket};
use super::feed::{BookTally, REFUSAL_SAMPLE};
use super::kill::KillSwitch;
use super::lane::{Lane, Output};
use super::outage::Outage;
use super::ring::{Receiver, Sender};
use super::sweep::Sweep;
use super::tally::{GatewayCounters, LaneOutage, LanePulse, Tally};
use super::their_clock::TheirClock;
use super::turn::Turn;
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, ClientId, Event, Flags, InstrumentId, Nanos, NewOrder, News, Note, OrderRef, Qty,
    Question, Said, Severity, Source, Span, Stamps, StrategyId, UnixNanos, Value,
};
use crate::conn::{Close, Link, Output as LinkOutput, Read, SendError, Transport};
use crate::exchange::{AccountWord, DecodeError, OrderCodec, RequestKey};
use crate::watch::stage::Stage;
use budget::Budgets;
use line::{Line, Pending, QUEUED, REQUESTS_MAX};
use requests::{pending, send};
use std::collections::VecDeque;
use std::sync::Arc;

/// A line whose oldest request has no answer for so long is suspected: the gateway asks it for a
/// sign of life, and takes no more orders until there is one.
pub const SUSPECTED_AFTER: Span = Span::from_secs(1);
/// A request that has no answer for so long gets none. If its line has been silent for as long, the
/// gateway replaces the line.
pub const ANSWER_DEADLINE: Span = Span::from_secs(3);
/// If a logon has no answer by then, the gateway replaces the connection.
pub const LOGON_DEADLINE: Span = Span::from_secs(5);
/// A session that could not be renewed is tried again after this long.
const RENEW_AGAIN: Span = Span::from_secs(1);
/// The line that orders go by.
const TRADING: usize = 0;
/// The line for questions, and for the private stream.
const ACCOUNT: usize = 1;

/// The connections of one account.
///
/// Invariant: each line keeps its own; every id that was handed to a socket as a new order is below
/// `next_id`, so that none is handed over twice.
pub struct Gateway<S: Transport> {
    lines: [Line<S>; 2],
    codec: Box<dyn OrderCodec>,
    exchange: &'static str,
    /// Its place among the run's accounts.
    place: usize,
    requests: Receiver<Request>,
    events: Sender<Event>,
    /// Events that found the ring full. News of orders are never lost.
    backlog: VecDeque<Event>,
    words: Vec<AccountWord>,
    /// Every id below it is used up: such an order is not handed to the socket.
    next_id: u64,
    /// What was sent last: it is rehearsed.
    rehearsed: Option<NewOrder>,
    /// What was said last.
    connected: bool,
    /// The exchange's clock, as far as its answers tell: what our requests are dated by.
    clock: TheirClock,
    /// How far it is ahead of the host's, as the desk was told last.
    told_apart_ns: i64,
    budgets: Budgets,
    /// When a ban is over; [`Nanos::NEVER`] if there is none.
    unbanned: Nanos,
    /// When a refused frame is logged again.
    refusal_from: Nanos,
    counters: GatewayCounters,
    /// When it could take no orders.
    outage: Outage,
    /// Thrown by whoever kills the run.
    switch: Arc<KillSwitch>,
    /// Cancels what rests once that has happened.
    sweep: Sweep,
    sweeping: bool,
    /// What became of it was said.
    swept: bool,
}

impl<S: Transport> Gateway<S> {
    /// A gateway that takes requests off `requests` and reports on `events`. Allocates its queues
    /// here.
    pub(crate) fn new(
        mut link: Link<S>,
        codec: Box<dyn OrderCodec>,
        (exchange, place): (&'static str, usize),
        requests: Receiver<Request>,
        events: Sender<Event>,
        switch: Arc<KillSwitch>,
    ) -> Self {
        let other = link.another();
        Self {
            lines: [Line::new(link), Line::new(other)],
            budgets: Budgets::new(codec.budgets()),
            sweep: Sweep::new(codec.visibility()),
            sweeping: false,
            swept: false,
            switch,
            codec,
            exchange,
            place,
            requests,
            events,
            backlog: VecDeque::with_capacity(REQUESTS_MAX),
            words: Vec::with_capacity(REQUESTS_MAX),
            next_id: 0,
            rehearsed: None,
            connected: false,
            clock: TheirClock::default(),
            told_apart_ns: 0,
            unbanned: Nanos::NEVER,
            refusal_from: Nanos::ZERO,
            counters: GatewayCounters::default(),
            outage: Outage::new(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> GatewayCounters {
        self.counters
    }

    fn handle_opened(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        let line = &mut self.lines[at];
        assert!(!line.on, "on before a logon");
        assert!(line.pending.is_empty(), "requests of a connection before");
        line.logon_due = now + LOGON_DEADLINE;
        line.more = true;
        let peer_time = line.link.peer_time();
        let note = self.note(now, at, Severity::Info, "gateway.open");
        turn.notes
            .send(note.text(&self.lines[at].link.config().host));
        self.clock.look(now, turn.clock.unix());
        if let Some(time) = peer_time {
            self.learn_time(turn, now, time);
        }
        self.log_on(turn, now, at);
    }

    fn handle_closed(&mut self, turn: &mut Turn, now: Nanos, at: usize, why: Close) {
        let note = self
            .note(now, at, Severity::Warn, "gateway.closed")
            .with("why", Value::Word(why.name()))
            .text(self.lines[at].link.last_error());
        turn.notes.send(note);
        self.outage.down(now, why.name());
        let open = self.lines[at].closed();
        self.say_connected(turn, now);
        for pending in open {
            self.unanswered(turn, now, &pending);
        }
        self.check();
    }

    /// When nothing waits for the socket, its mark covers every request. Until then a send stamp is
    /// another's, and the request has not left.
    fn mark_flushed(&mut self, turn: &mut Turn, at: usize) {
        let line = &mut self.lines[at];
        if !line.link.is_flushed() {
            return;
        }
        let Some(mark) = line.link.tx() else { return };
        let newest_first = line.pending.iter_mut().rev();
        for pending in newest_first.take_while(|pending| pending.tx_bytes == QUEUED) {
            pending.tx_bytes = mark.bytes;
            pending.sent = pending.sent.max(mark.call);
            if let Some((receipt, _)) = pending.receipt {
                let took = pending.sent.since(receipt.admitted);
                turn.latency.record(Stage::Send, took);
            }
        }
        line.check();
    }

    /// Matches the kernel's send stamps with the orders that they belong to.
    fn take_stamps(&mut self, turn: &mut Turn, at: usize) {
        let line = &mut self.lines[at];
        let Some(stream) = line.link.stream_mut() else {
            return;
        };
        while let Some(stamp) = stream.poll_tx_stamp() {
            let covered = line
                .pending
                .iter_mut()
                .filter(|pending| pending.wired == Nanos::ZERO && pending.tx_bytes <= stamp.bytes);
            for pending in covered {
                pending.wired = stamp.at;
                if let Some((receipt, _)) = pending.receipt {
                    turn.latency
                        .record(Stage::Wire, stamp.at.since(pending.sent));
                    record_tick_to_wire(turn, &receipt, stamp.at);
                }
            }
        }
    }

    /// Says whether orders can be sent, if that has changed, and how far the clocks are apart.
    fn say_connected(&mut self, turn: &mut Turn, now: Nanos) {
        self.tell_apart(now, turn.clock.unix());
        let [trading, account] = &self.lines;
        let suspected = |line: &Line<S>| now >= line.oldest().max(line.heard) + SUSPECTED_AFTER;
        let theirs = self.clock.shows(now, turn.clock.unix());
        let banned = self.budgets.banned(theirs);
        self.unbanned = banned.map_or(Nanos::NEVER, |until| {
            now + Span((until.0 - theirs.0).unsigned_abs())
        });
        let connected = trading.on
            && !trading.leaving
            && !suspected(trading)
            && account.on
            && account.followed
            && !suspected(account)
            && banned.is_none();
        if connected == self.connected {
            return;
        }
        self.connected = connected;
        if connected {
            self.outage.up(now);
            let note = self.note(now, TRADING, Severity::Info, "gateway.ready");
            turn.notes.send(note);
        } else {
            self.outage.down(now, "not connected");
        }
        self.emit(now, InstrumentId::NONE, Body::Gateway(connected));
    }

    fn say(&mut self, now: Nanos, of: (ClientId, InstrumentId, Source, Said)) {
        let (client_id, instrument, source, said) = of;
        let news = News {
            client_id,
            instrument,
            source,
            said,
        };
        self.emit(now, instrument, Body::News(news));
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
            epoch: self.lines[TRADING].link.epoch(),
            instrument,
            flags: Flags::default(),
            body,
        };
        self.sweep.handle_event(now, &event);
        if !self.backlog.is_empty() {
            self.backlog.push_back(event);
        } else if let Err(event) = self.events.push(event) {
            self.backlog.push_back(event);
        }
    }

    fn note(&self, now: Nanos, at: usize, severity: Severity, event: &'static str) -> Note {
        let line = match at {
            TRADING => "trading",
            _ => "account",
        };
        Note::new(now, severity, event)
            .exchange(self.exchange)
            .epoch(self.lines[at].link.epoch())
            .with("line", Value::Word(line))
    }

    fn check(&self) {
        self.lines.iter().for_each(Line::check);
        debug_assert!(self.counters.bad_frames <= self.counters.frames);
    }

    /// Counts an answer that was not understood: it says nothing of any order.
    fn refuse_frame(&mut self, turn: &mut Turn, at: Nanos, line: usize, why: DecodeError) {
        self.counters.bad_frames += 1;
        self.check();
        if at >= self.refusal_from {
            self.refusal_from = at + REFUSAL_SAMPLE;
            let note = self.note(at, line, Severity::Warn, "frame.refused");
            turn.notes.send(note.with("why", Value::Word(why.name())));
        }
    }
}

impl<S: Transport> Lane<S> for Gateway<S> {
    /// The socket is readable or writable, or has a send stamp for us.
    fn handle_ready(&mut self, turn: &mut Turn, line: u8) {
        let at = usize::from(line);
        if at >= self.lines.len() {
            return;
        }
        self.take_stamps(turn, at);
        self.lines[at].more = true;
        loop {
            let mut words = std::mem::take(&mut self.words);
            let (read, heard) = match self.lines[at].link.read(turn.clock) {
                Read::Frame { text, rx: _, at } => (self.codec.decode(text, &mut words), at),
                Read::TooLong { at, .. } => (Err(DecodeError::TooLong), at),
                end => {
                    // After `Yielded` the next turn goes on.
                    self.lines[at].more = matches!(end, Read::Yielded);
                    self.words = words;
                    break;
                }
            };
            self.counters.frames += 1;
            self.lines[at].heard = heard;
            match read {
                Ok(()) => self.handle_words(turn, heard, at, &words),
                Err(why) => self.refuse_frame(turn, heard, at, why),
            }
            self.words = words;
        }
        self.lines[at].link.flush(turn.clock);
        self.mark_flushed(turn, at);
        self.say_connected(turn, turn.clock.now());
    }

    /// Makes the frame of the newest order again, and sends nothing.
    fn rehearse(&mut self, turn: &mut Turn) {
        let Some(order) = &self.rehearsed else { return };
        let theirs = self.clock.shows(turn.clock.now(), turn.clock.unix());
        let frame = self.codec.place(order, theirs);
        self.lines[TRADING].link.rehearse(frame);
    }

    /// Sends the requests that wait. Returns whether there were any.
    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(event) = self.events.push(event) {
                self.backlog.push_front(event);
                break;
            }
        }
        let mut taken = self.look_at_switch(turn);
        while let Ok(request) = self.requests.pop() {
            self.handle_request(turn, &request);
            taken = true;
        }
        taken
    }

    /// Frames are left that no readiness event will announce.
    fn wants_turn(&self) -> bool {
        !self.requests.is_empty()
            || self.has_unread()
            || !self.backlog.is_empty()
            || self.switch.is_killed() != self.sweeping
    }

    fn has_unread(&self) -> bool {
        self.lines.iter().any(|line| line.more)
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] if nothing waits.
    fn poll_timeout(&self) -> Nanos {
        let due = |line: &Line<S>| {
            let oldest = line.oldest();
            let suspected = oldest.max(line.heard) + SUSPECTED_AFTER;
            let suspects = match line.has_asked(RequestKey::Time) || oldest == Nanos::NEVER {
                true => Nanos::NEVER,
                false => suspected,
            };
            let links = line.link.poll_timeout().min(line.logon_due);
            let links = links.min(line.renewal);
            links.min(suspects).min(oldest + ANSWER_DEADLINE)
        };
        let [trading, account] = &self.lines;
        let sweeps = self.sweep.poll_timeout();
        due(trading)
            .min(due(account))
            .min(self.unbanned)
            .min(sweeps)
    }

    /// Does what is due: the links' deadlines, requests without an answer, a logon without one.
    fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        for at in [TRADING, ACCOUNT] {
            self.lines[at].link.handle_timeout(now);
            if now >= self.lines[at].logon_due {
                self.lines[at].logon_due = Nanos::NEVER;
                let note = self.note(now, at, Severity::Warn, "gateway.logon_unanswered");
                turn.notes.send(note);
                self.lines[at].link.restart(now);
            } else {
                self.give_up_answers(turn, now, at);
                self.renew(turn, now, at);
            }
        }
        self.say_connected(turn, now);
        if self.sweeping {
            self.sweep_more(turn, now);
        }
        self.check();
    }

    fn poll_output(&mut self, turn: &mut Turn, now: Nanos) -> Option<Output> {
        for at in [TRADING, ACCOUNT] {
            let line = &mut self.lines[at];
            if line.leaving && line.pending.is_empty() {
                line.leaving = false;
                line.link.restart(now);
            }
            while let Some(output) = self.lines[at].link.poll_output() {
                match output {
                    LinkOutput::Resolve => return Some(Output::Ask(Ask::Addresses)),
                    LinkOutput::Dial(address) => {
                        let line = at as u8;
                        return Some(Output::Dial { line, address });
                    }
                    LinkOutput::Opened => self.handle_opened(turn, now, at),
                    LinkOutput::Closed { reason: why } => self.handle_closed(turn, now, at, why),
                }
            }
        }
        None
    }

    /// Its own answers tell it more of the exchange's time than this does.
    fn handle_answer(&mut self, _: &mut Turn, now: Nanos, answer: Answer) {
        match answer {
            Answer::Addresses(addresses) => {
                for line in &mut self.lines {
                    line.link.handle_resolved(now, &addresses);
                }
            }
            Answer::Snapshot(..) | Answer::Instrument(_) | Answer::Time(_) => {}
        }
    }

    /// The answer to [`Output::Dial`]: a socket that is connecting, or why there is none.
    fn handle_dialed(&mut self, now: Nanos, line: u8, socket: Result<S, std::io::ErrorKind>) {
        self.lines[usize::from(line)]
            .link
            .handle_dialed(now, socket);
    }

    /// Another answer to [`Output::Dial`]: not before `until`.
    fn handle_postponed(&mut self, line: u8, until: Nanos) -> bool {
        self.lines[usize::from(line)].link.handle_postponed(until)
    }

    /// The socket, to register and to mark as empty; `None` while there is none.
    fn stream_mut(&mut self, line: u8) -> Option<&mut S> {
        self.lines.get_mut(usize::from(line))?.link.stream_mut()
    }

    /// Closes the connections for good.
    /// What has no answer by now gets none; what became of the orders is the desk's to say.
    fn shut_down(&mut self, turn: &mut Turn, now: Nanos) {
        for at in [TRADING, ACCOUNT] {
            self.lines[at].link.shutdown(now);
            for pending in self.lines[at].closed() {
                if let Some(note) = self.receipt(now, &pending, false) {
                    turn.notes.record(note);
                }
            }
        }
    }

    fn pulse(&self, _: Nanos) -> LanePulse {
        LanePulse::default()
    }

    fn books(&self, _: &mut dyn FnMut(&BookTally)) {}

    fn tally(&self, into: &mut Tally) {
        let own = self.counters();
        into.gateway.sent += own.sent;
        into.gateway.frames += own.frames;
        into.gateway.bad_frames += own.bad_frames;
        into.connects += self
            .lines
            .iter()
            .map(|line| u64::from(line.link.epoch()))
            .sum::<u64>();
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
