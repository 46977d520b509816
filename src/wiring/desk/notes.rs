//! What the log says of intents and orders. Sends nothing.

use crate::base::{Intent, Nanos, Note, Outcome, Report, Severity, Value};

/// A line of the decision log: what was wanted, and the inputs that it was wanted for.
pub(super) fn decision(
    at: Nanos,
    severity: Severity,
    event: &'static str,
    intent: &Intent,
) -> Note {
    Note::new(at, severity, event)
        .instrument(intent.instrument)
        .epoch(intent.why.epoch)
        .strategy(intent.strategy)
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

/// A report as a log record: `order.filled` is a fill, `order.done` the end of an order that was
/// filled whole.
pub(super) fn report_note(now: Nanos, report: &Report) -> Note {
    let (severity, event) = match report.outcome {
        Outcome::Acked { .. } => (Severity::Info, "order.acked"),
        Outcome::Fill { .. } => (Severity::Info, "order.filled"),
        Outcome::InDoubt => (Severity::Error, "order.in_doubt"),
        Outcome::Filled => (Severity::Info, "order.done"),
        Outcome::Cancelled => (Severity::Info, "order.cancelled"),
        Outcome::Expired => (Severity::Info, "order.expired"),
        Outcome::Rejected { .. } => (Severity::Warn, "order.rejected"),
        Outcome::NotSent => (Severity::Warn, "order.not_sent"),
        Outcome::Refused { .. } => (Severity::Info, "order.refused"),
        Outcome::Unknown => (Severity::Error, "order.unknown"),
    };
    let (px, qty) = match report.outcome {
        Outcome::Fill { px, qty } => (px, qty),
        _ => (report.px, report.qty),
    };
    let note = Note::new(now, severity, event)
        .instrument(report.instrument)
        .strategy(report.strategy)
        .with("order", Value::Int(report.client_id.0 as i64))
        .with("side", Value::Word(report.side.name()))
        .with("px", Value::Px(px))
        .with("qty", Value::Qty(qty))
        .with("remaining", Value::Qty(report.remaining))
        .with("tag", Value::Int(report.tag as i64));
    let note = match report.outcome {
        Outcome::Acked { exchange_id } => note.with("exchange_id", Value::Int(exchange_id as i64)),
        Outcome::Rejected { code } => note.with("code", Value::Int(code.into())),
        _ => note,
    };
    match report.outcome.is_end() {
        true => note.with("end", Value::Word(report.outcome.name())),
        false => note,
    }
}
