//! What a gateway makes of the exchange's answers: news of orders, and whether it takes some more.
//! Sends none.

use super::*;

impl<S: Transport> Gateway<S> {
    pub(super) fn handle_order_answer(&mut self, turn: &mut Turn, at: Nanos, answer: OrderAnswer) {
        match answer {
            // Nobody waits for it: a session that is about to end takes no more orders.
            OrderAnswer::LoggedOn if self.leaving || self.logon_due == Nanos::NEVER => {
                let note = self.note(at, Severity::Warn, "gateway.answer_unexpected");
                turn.notes.send(note.text("logon"));
            }
            OrderAnswer::LoggedOn => {
                self.logon_due = Nanos::NEVER;
                self.outage.up(at);
                self.set_ready(at, true);
                turn.notes
                    .send(self.note(at, Severity::Info, "gateway.ready"));
            }
            OrderAnswer::LogonRefused { code }
                if self.codec.blames_clock(code) && self.time_asked.is_none() =>
            {
                self.ask_time(at); // Its answer logs on again; the deadline stays.
            }
            OrderAnswer::Time(shown) => {
                if let Some(sent) = self.time_asked.take() {
                    self.told_time(turn, (sent, at), shown);
                }
                if !self.ready && self.logon_due != Nanos::NEVER {
                    self.log_on(turn, at);
                }
            }
            OrderAnswer::LogonRefused { code } | OrderAnswer::LoggedOff { code } => {
                self.handle_logged_off(turn, at, code);
            }
            OrderAnswer::Acked {
                client_id,
                exchange_id,
                exch_time,
                end,
            } => {
                let order = self.in_flight.iter().find(|o| o.client_id == client_id);
                if let Some(sent) = order.map(|order| order.sent) {
                    self.told_time(turn, (sent, at), exch_time);
                }
                self.close_acked(turn, at, client_id, exchange_id, end);
            }
            OrderAnswer::Rejected { client_id, code } => {
                self.close_rejected(turn, at, client_id, code);
            }
            OrderAnswer::Unknown { client_id, code: _ } => {
                if let Some(order) = self.close_order(turn, at, client_id)
                    && !order.overdue
                {
                    self.report(at, client_id, order.instrument, Outcome::InDoubt);
                }
            }
            OrderAnswer::Shutdown => {
                turn.notes
                    .send(self.note(at, Severity::Warn, "gateway.shutdown_announced"));
                self.set_ready(at, false);
                self.leaving = true;
            }
            OrderAnswer::Ignored => {}
        }
    }

    /// The exchange takes no more orders on this connection: there is to be another one.
    fn handle_logged_off(&mut self, turn: &mut Turn, at: Nanos, code: i32) {
        self.logon_due = Nanos::NEVER;
        self.outage.down(at, "logged off");
        self.set_ready(at, false);
        let note = self
            .note(at, Severity::Error, "gateway.logged_off")
            .with("code", Value::Int(code.into()))
            .text(self.codec.last_error());
        turn.notes.send(note);
        self.link.restart(at);
    }

    /// The exchange rejected an order.
    fn close_rejected(&mut self, turn: &mut Turn, at: Nanos, client_id: ClientId, code: i32) {
        let note = self
            .note(at, Severity::Warn, "gateway.reject")
            .with("order", Value::Int(client_id.0 as i64))
            .with("code", Value::Int(code.into()))
            .text(self.codec.last_error());
        turn.notes.send(note);
        if self.codec.blames_clock(code) {
            self.ask_time(at);
        }
        if let Some(order) = self.close_order(turn, at, client_id) {
            let rejected = Outcome::Rejected { code };
            self.report(at, client_id, order.instrument, rejected);
        }
    }

    /// The exchange took an order: what it filled of it, and how it ended.
    fn close_acked(
        &mut self,
        turn: &mut Turn,
        at: Nanos,
        client_id: ClientId,
        exchange_id: u64,
        end: Option<End>,
    ) {
        let Some(order) = self.close_order(turn, at, client_id) else {
            return;
        };
        let id = order.instrument;
        self.report(at, client_id, id, Outcome::Acked { exchange_id });
        for fill in 0..self.codec.fills().len() {
            let (px, qty) = self.codec.fills()[fill];
            self.report(at, client_id, id, Outcome::Fill { px, qty });
        }
        let end = match (end, order.tif) {
            (Some(End::Filled), _) => Outcome::Filled,
            (Some(End::Cancelled), _) => Outcome::Cancelled,
            (Some(End::Expired), _) => Outcome::Expired,
            // It cannot rest: it is over, and nobody says how much of it traded.
            (None, TimeInForce::ImmediateOrCancel) => Outcome::Unknown,
        };
        self.report(at, client_id, id, end);
    }

    /// There is an answer to one order, which is no longer in flight. An answer that nobody waits
    /// for is logged and changes nothing.
    fn close_order(&mut self, turn: &mut Turn, at: Nanos, client_id: ClientId) -> Option<InFlight> {
        let known = self.in_flight.iter().position(|o| o.client_id == client_id);
        let Some(order) = known.and_then(|index| self.in_flight.remove(index)) else {
            let note = self
                .note(at, Severity::Warn, "gateway.answer_unexpected")
                .with("order", Value::Int(client_id.0 as i64));
            turn.notes.send(note);
            return None;
        };
        turn.latency.record(Stage::Ack, at.since(order.sent));
        if order.wired == Nanos::ZERO {
            // No send stamp came back: the write call is the last that we know.
            record_tick_to_wire(turn, &order.receipt, order.sent);
        }
        self.check();
        turn.notes.record(self.receipt(at, &order));
        Some(order)
    }
}
