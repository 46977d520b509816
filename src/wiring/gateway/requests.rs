//! What a gateway sends: orders, changes and questions, each by the line that is for it, and none
//! beyond what the exchange takes. Reads no answer.

use super::*;

impl<S: Transport> Gateway<S> {
    /// Nobody will say by this request's answer what became of it.
    pub(super) fn unanswered(&mut self, turn: &mut Turn, now: Nanos, pending: &Pending) {
        if let Some(note) = self.receipt(now, pending, false) {
            turn.notes.record(note);
        }
        let of = |client_id| {
            (
                client_id,
                pending.instrument,
                Source::Answer,
                Said::Unanswered,
            )
        };
        match pending.key {
            RequestKey::Place(id) => {
                self.say(now, of(id));
                if let Some(old) = pending.replaces {
                    self.say(now, of(old));
                }
            }
            RequestKey::Cancel(id) | RequestKey::Reduce(id) => self.say(now, of(id)),
            // Whoever asked asks again.
            RequestKey::Order(_)
            | RequestKey::Trades(_)
            | RequestKey::OpenOrders
            | RequestKey::Balances
            | RequestKey::Logon
            | RequestKey::Time
            | RequestKey::Follow => {}
        }
    }

    pub(super) fn handle_request(&mut self, turn: &mut Turn, request: &Request) {
        match request {
            Request::Place(ticket) => self.place(turn, ticket, None),
            Request::Replace(old, ticket) if self.codec.can_replace() => {
                self.place(turn, ticket, Some(old));
            }
            Request::Replace(old, ticket) => {
                let now = turn.clock.now();
                self.not_sent(turn, now, ticket, None, "only cancelled");
                self.change(turn, old, None);
            }
            Request::Reduce(order, qty) => self.change(turn, order, Some(*qty)),
            Request::Cancel(order) => self.change(turn, order, None),
            Request::Ask(question) => self.ask(turn, question),
        }
        self.check();
    }

    /// Sends a new order, also in the place of another one.
    pub(super) fn place(&mut self, turn: &mut Turn, ticket: &Ticket, replaces: Option<&OrderRef>) {
        let order = *ticket.order.order();
        let now = turn.clock.now();
        let theirs = self.clock.shows(now, turn.clock.unix());
        let key = RequestKey::Place(order.client_id);
        // Whoever was stopped in between sends nothing that was decided before.
        let late = now.since(ticket.receipt.admitted) > LATE_MAX;
        let line = &self.lines[TRADING];
        let room = line.pending.len() < REQUESTS_MAX;
        let why = match self.connected && room && !late {
            _ if !self.switch.lets_out() => Some("killed"),
            true => self.budgets.admit(&*self.codec, key, theirs).err(),
            false => Some("not connected"),
        };
        if let Some(why) = why {
            return self.not_sent(turn, now, ticket, replaces, why);
        }
        let frame = match replaces {
            None => self.codec.place(&order, theirs),
            Some(old) => self.codec.replace(old, &order, theirs),
        };
        if frame.is_empty() {
            return self.not_sent(turn, now, ticket, replaces, "not encoded");
        }
        assert!(self.next_id <= order.client_id.0, "an order a second time");
        assert!(
            order.client_id.0 < u64::MAX,
            "risk keeps the largest id back"
        );
        self.next_id = order.client_id.0 + 1;
        self.rehearsed = Some(order);
        let pending = Pending {
            key,
            instrument: order.instrument,
            sent: now,
            tx_bytes: QUEUED,
            wired: Nanos::ZERO,
            receipt: Some((ticket.receipt, order.strategy)),
            replaces: replaces.map(|old| old.client_id),
        };
        // A socket that would block has queued the frame: it counts as sent, and is not sent again.
        match self.lines[TRADING].link.send(now, frame) {
            Ok(_) => self.counters.sent += 1,
            Err(SendError::Broken) => return self.unanswered(turn, now, &pending),
            Err(SendError::NotLive | SendError::Limited { .. } | SendError::Full) => {
                return self.not_sent(turn, now, ticket, replaces, "not sent");
            }
        }
        self.lines[TRADING].pending.push_back(pending);
        self.mark_flushed(turn, TRADING);
        self.take_stamps(turn, TRADING);
    }

    pub(super) fn not_sent(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        ticket: &Ticket,
        replaces: Option<&OrderRef>,
        why: &'static str,
    ) {
        let order = ticket.order.order();
        turn.notes.record(self.unsent_receipt(now, ticket));
        let note = self
            .note(now, TRADING, Severity::Warn, "gateway.not_sent")
            .with("order", Value::Int(order.client_id.0 as i64))
            .with("why", Value::Word(why));
        turn.notes.send(note);
        let id = order.client_id;
        self.say(now, (id, order.instrument, Source::Answer, Said::NotSent));
        if let Some(old) = replaces {
            self.not_changed(now, old);
        }
    }

    pub(super) fn not_changed(&mut self, now: Nanos, order: &OrderRef) {
        let said = Said::ChangeRefused { code: 0 };
        self.say(
            now,
            (order.client_id, order.instrument, Source::Answer, said),
        );
    }

    /// Sends a cancel, or with a quantity a change to it. By the trading line, so that it does not
    /// overtake its order; if that is down, by the other one.
    pub(super) fn change(&mut self, turn: &mut Turn, order: &OrderRef, qty: Option<Qty>) {
        let now = turn.clock.now();
        let theirs = self.clock.shows(now, turn.clock.unix());
        let key = match qty {
            None => RequestKey::Cancel(order.client_id),
            Some(_) => RequestKey::Reduce(order.client_id),
        };
        let at = [TRADING, ACCOUNT].into_iter().find(|at| self.lines[*at].on);
        let Some(at) = at.filter(|at| self.lines[*at].pending.len() < REQUESTS_MAX) else {
            return self.not_changed(now, order);
        };
        if self.budgets.admit(&*self.codec, key, theirs).is_err() {
            return self.not_changed(now, order);
        }
        let frame = match qty {
            None => self.codec.cancel(order, theirs),
            Some(qty) => self.codec.reduce(order, qty, theirs),
        };
        let pending = pending(key, order.instrument, now);
        match send(&mut self.lines[at], frame, pending) {
            Ok(()) => self.mark_flushed(turn, at),
            Err(Some(SendError::Broken)) => self.unanswered(turn, now, &pending),
            Err(_) => self.not_changed(now, order),
        }
    }

    /// Asks, by the account line if it is up. What cannot be asked is asked again by whoever wants
    /// to know.
    pub(super) fn ask(&mut self, turn: &mut Turn, question: &Question) {
        let now = turn.clock.now();
        let theirs = self.clock.shows(now, turn.clock.unix());
        let (key, instrument) = match question {
            Question::Order(order) => (RequestKey::Order(order.client_id), order.instrument),
            Question::Trades(instrument, _) => (RequestKey::Trades(*instrument), *instrument),
            Question::OpenOrders => (RequestKey::OpenOrders, InstrumentId::NONE),
            Question::Balances => (RequestKey::Balances, InstrumentId::NONE),
        };
        let asked = self.lines.iter().any(|line| line.has_asked(key));
        let at = [ACCOUNT, TRADING].into_iter().find(|at| self.lines[*at].on);
        let at = at.filter(|at| self.lines[*at].pending.len() < REQUESTS_MAX);
        let Some(at) = at.filter(|_| !asked) else {
            return;
        };
        if self.budgets.admit(&*self.codec, key, theirs).is_ok() {
            let frame = self.codec.ask(question, theirs);
            let _ = send(&mut self.lines[at], frame, pending(key, instrument, now));
        }
    }

    /// The line's oldest requests get no answer any more; a line that is silent is replaced.
    pub(super) fn give_up_answers(&mut self, turn: &mut Turn, now: Nanos, at: usize) {
        let line = &mut self.lines[at];
        let oldest = line.oldest();
        if now >= oldest.max(line.heard) + SUSPECTED_AFTER && !line.has_asked(RequestKey::Time) {
            let time = self.codec.time().as_bytes();
            let asked = pending(RequestKey::Time, InstrumentId::NONE, now);
            let _ = send(&mut self.lines[at], time, asked);
        }
        if now < oldest + ANSWER_DEADLINE {
            return;
        }
        let line = &mut self.lines[at];
        if line.heard + ANSWER_DEADLINE <= now {
            let note = self.note(now, at, Severity::Warn, "gateway.line_silent");
            turn.notes.send(note);
            self.lines[at].link.restart(now);
            return;
        }
        while let Some(first) = self.lines[at].pending.front().copied()
            && now >= first.sent + ANSWER_DEADLINE
        {
            self.lines[at].pending.pop_front();
            self.unanswered(turn, now, &first);
            if first.key == RequestKey::Follow {
                self.follow(turn, now, at); // Nobody else wants the stream.
            }
        }
    }
}

pub(super) fn pending(key: RequestKey, instrument: InstrumentId, sent: Nanos) -> Pending {
    Pending {
        key,
        instrument,
        sent,
        tx_bytes: QUEUED,
        wired: Nanos::ZERO,
        receipt: None,
        replaces: None,
    }
}

/// Hands a frame to the socket. A frame that is empty cannot be sent at all.
pub(super) fn send<S: Transport>(
    line: &mut Line<S>,
    frame: &[u8],
    pending: Pending,
) -> Result<(), Option<SendError>> {
    if frame.is_empty() {
        return Err(None);
    }
    // A turn has one time, and an order that left in it since then has a later one.
    let before = line.pending.back().map_or(Nanos::ZERO, |last| last.sent);
    let pending = Pending {
        sent: pending.sent.max(before),
        ..pending
    };
    line.link.send(pending.sent, frame).map_err(Some)?;
    line.pending.push_back(pending);
    Ok(())
}
