//! What the log says of the road of an order, when it is answered or no longer will be. Times
//! nothing itself.

use super::*;

impl<S: Transport> Gateway<S> {
    /// An order's receipt for the log: each stretch of its own road, in nanoseconds. `answered` if
    /// it ends with the exchange's answer.
    pub(super) fn receipt(&self, at: Nanos, pending: &Pending, answered: bool) -> Option<Note> {
        let (receipt, strategy) = pending.receipt?;
        let RequestKey::Place(client_id) = pending.key else {
            return None;
        };
        let span = |to: Nanos, from: Nanos| Value::Int(to.since(from).0 as i64);
        let note = self.receipt_note(at, (client_id, pending.instrument), strategy);
        let note = receipt
            .told(note)
            .with("send_ns", span(pending.sent, receipt.admitted));
        let note = match answered {
            true => note.with("ack_ns", span(at, pending.sent)),
            false => note,
        };
        Some(match pending.wired {
            Nanos::ZERO => note,
            wired => note.with("wire_ns", span(wired, pending.sent)),
        })
    }

    /// The receipt of an order that never left.
    pub(super) fn unsent_receipt(&self, at: Nanos, ticket: &Ticket) -> Note {
        let order = ticket.order.order();
        let of = (order.client_id, order.instrument);
        let note = self.receipt_note(at, of, order.strategy);
        ticket.receipt.told(note)
    }

    fn receipt_note(
        &self,
        at: Nanos,
        (client_id, instrument): (ClientId, InstrumentId),
        strategy: StrategyId,
    ) -> Note {
        // Without the line, which is the trading line.
        Note::new(at, Severity::Info, "order.receipt")
            .exchange(self.exchange)
            .epoch(self.lines[TRADING].link.epoch())
            .instrument(instrument)
            .strategy(strategy)
            .with("order", Value::Int(client_id.0 as i64))
    }
}
