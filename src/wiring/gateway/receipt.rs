//! What the log says of an order once it is answered. Times nothing itself.

use super::*;

impl<S: Transport> Gateway<S> {
    /// An order's receipt for the log: each stretch of its own road, in nanoseconds.
    pub(super) fn receipt(&self, at: Nanos, pending: &Pending) -> Option<Note> {
        let (receipt, strategy) = pending.receipt?;
        let RequestKey::Place(client_id) = pending.key else {
            return None;
        };
        let Receipt {
            stamps,
            popped,
            decided,
            admitted,
        } = receipt;
        let span = |to: Nanos, from: Nanos| Value::Int(to.since(from).0 as i64);
        // Without the line, which is the trading line: a note has no room for more.
        let note = Note::new(at, Severity::Info, "order.receipt")
            .exchange(self.exchange)
            .epoch(self.lines[TRADING].link.epoch())
            .instrument(pending.instrument)
            .strategy(strategy)
            .with("order", Value::Int(client_id.0 as i64));
        // What was caused by no packet, or never saw a send stamp, has no such stretch.
        let note = match stamps.rx.kernel {
            Nanos::ZERO => note,
            kernel => note.with("kernel_ns", span(stamps.rx.call, kernel)),
        };
        let note = match stamps.rx.read {
            Nanos::ZERO => note,
            read => note
                .with("read_ns", span(read, stamps.rx.call))
                .with("frame_ns", span(stamps.frame, read))
                .with("decode_ns", span(stamps.decode, stamps.frame)),
        };
        let note = note
            .with("book_ns", span(stamps.book, stamps.decode))
            .with("queue_ns", span(popped, stamps.book))
            .with("decide_ns", span(decided, popped))
            .with("admit_ns", span(admitted, decided))
            .with("send_ns", span(pending.sent, admitted))
            .with("ack_ns", span(at, pending.sent));
        Some(match pending.wired {
            Nanos::ZERO => note,
            wired => note.with("wire_ns", span(wired, pending.sent)),
        })
    }
}
