//! What the log says of intents and orders. Sends nothing.

use super::seats::Receipt;
use crate::base::{
    Accepter, Code, Fee, Fill, InstrumentId, Mode, Nanos, Note, Outcome, Place, Report, Resting,
    Severity, Value, Working,
};
use crate::market::Picture;
use crate::trading::reconcile::Difference;
use crate::trading::refusal::Compared;
use crate::trading::risk::{ModeChange, Whose};
use crate::trading::unexplained::Ended;

/// A line of the decision log: what was wanted, and the inputs that it was wanted for.
pub(super) fn decision(at: Nanos, event: &'static str, intent: &Place, picture: &Picture) -> Note {
    let note = Note::new(at, Severity::Info, event)
        .instrument(intent.instrument)
        .epoch(intent.why.epoch)
        .strategy(intent.strategy)
        .with("side", Value::Word(intent.side.name()))
        .with("px", Value::Px(intent.px))
        .with("qty", Value::Qty(intent.qty))
        .with("type", Value::Word(intent.order_type.name()))
        .with("tag", Value::Int(intent.tag as i64))
        .with("signal", Value::Word(intent.why.signal))
        .with("value", Value::Ratio(intent.why.value))
        .with("threshold", Value::Ratio(intent.why.threshold))
        .with("update_id", Value::Int(intent.why.update_id as i64))
        .with("best_bid", Value::Level(intent.why.bid))
        .with("best_ask", Value::Level(intent.why.ask))
        .text(intent.why.signal);
    match picture.live(intent.instrument) {
        Some(shown) => note.with("age_ns", Value::Int(shown.age(at).0 as i64)),
        None => note,
    }
}

impl Receipt {
    /// What the log says of an order's road up to its admission: each stretch in nanoseconds.
    pub(crate) fn told(&self, note: Note) -> Note {
        let stamps = self.stamps;
        let span = |to: Nanos, from: Nanos| Value::Int(to.since(from).0 as i64);
        // What was caused by no packet has no such stretch.
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
        let note = match stamps.decode {
            Nanos::ZERO => note,
            decode => note.with("book_ns", span(stamps.book, decode)),
        };
        note.with("queue_ns", span(self.popped, stamps.book))
            .with("decide_ns", span(self.decided, self.popped))
            .with("admit_ns", span(self.admitted, self.decided))
    }
}

/// The receipt of an order that went to no gateway.
pub(super) fn receipt_note(at: Nanos, place: &Place, id: i64, receipt: &Receipt) -> Note {
    let note = Note::new(at, Severity::Info, "order.receipt")
        .instrument(place.instrument)
        .strategy(place.strategy)
        .with("order", Value::Int(id));
    receipt.told(note)
}

/// A report as a log record: `order.filled` is a fill, `order.done` the end of an order that was
/// filled whole.
pub(super) fn report_note(now: Nanos, report: &Report) -> Note {
    let (severity, event) = match report.outcome {
        Outcome::Acked { .. } => (Severity::Info, "order.acked"),
        Outcome::Fill(_) => (Severity::Info, "order.filled"),
        Outcome::Reduced => (Severity::Info, "order.reduced"),
        Outcome::ChangeRefused { .. } => (Severity::Warn, "order.change_refused"),
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
        Outcome::Fill(Fill { px, qty, .. }) => (px, qty),
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
        Outcome::Fill(fill) => fill_note(note, &fill),
        Outcome::Rejected { code } | Outcome::ChangeRefused { code } => {
            note.with("code", Value::Int(code.into()))
        }
        _ => note,
    };
    match report.outcome.is_end() {
        true => note.with("end", Value::Word(report.outcome.name())),
        false => note,
    }
}

/// What is told of a fill beside its price and quantity.
fn fill_note(note: Note, fill: &Fill) -> Note {
    let note = note.with("trade_id", Value::Int(fill.trade_id as i64));
    let note = match fill.maker {
        None => note,
        Some(true) => note.with("liquidity", Value::Word("maker")),
        Some(false) => note.with("liquidity", Value::Word("taker")),
    };
    let Some(Fee {
        asset,
        amount,
        rebate,
    }) = fill.fee
    else {
        return note;
    };
    // A fee that is more than its field can say is left out rather than told wrong.
    let (Ok(units), Ok(asset)) = (i64::try_from(amount.units), Code::from(&asset)) else {
        return note;
    };
    let units = if rebate { -units } else { units };
    note.with("fee", Value::Scaled(units, amount.scale))
        .with("fee_asset", Value::Code(asset))
}

/// A cancel that was wanted.
pub(super) fn cancel_note(now: Nanos, order: &Working, why: &'static str) -> Note {
    Note::new(now, Severity::Info, "order.cancel")
        .instrument(order.instrument)
        .strategy(order.strategy)
        .with("order", Value::Int(order.client_id.0 as i64))
        .with("remaining", Value::Qty(order.remaining()))
        .with("why", Value::Word(why))
        .text(why)
}

/// A trade under our name, of an order that nobody here knows.
pub(super) fn stray_note(now: Nanos, instrument: InstrumentId, fill: &Fill) -> Note {
    Note::new(now, Severity::Error, "order.stray_fill")
        .instrument(instrument)
        .with("side", Value::Word(fill.side.name()))
        .with("px", Value::Px(fill.px))
        .with("qty", Value::Qty(fill.qty))
        .with("trade_id", Value::Int(fill.trade_id as i64))
}

/// The account is known: what is open there, of ours and of others.
pub(super) fn ready_note(
    now: Nanos,
    exchange: Option<&'static str>,
    open: usize,
    foreign: usize,
) -> Note {
    Note::new(now, Severity::Info, "account.ready")
        .exchange(exchange.unwrap_or_default())
        .with("open_orders", Value::Int(open as i64))
        .with("foreign_orders", Value::Int(foreign as i64))
}

/// An order under our name that nobody here knows.
pub(super) fn unknown_note(now: Nanos, resting: &Resting) -> Note {
    Note::new(now, Severity::Error, "order.unknown_found")
        .instrument(resting.instrument.unwrap_or(InstrumentId::NONE))
        .with(
            "order",
            Value::Int(resting.client_id.map_or(0, |id| id.0) as i64),
        )
        .with("exchange_id", Value::Int(resting.exchange_id as i64))
        .with("side", Value::Word(resting.side.name()))
        .with("px", Value::Px(resting.px))
        .with("qty", Value::Qty(resting.qty))
        .with("filled", Value::Qty(resting.traded))
}

/// What the account has and our trades do not explain.
pub(super) fn difference_note(
    now: Nanos,
    exchange: Option<&'static str>,
    difference: &Difference,
) -> Note {
    let whole = |units: i128| Value::Ratio(units as f64 / 1e18);
    Note::new(now, Severity::Error, "account.difference")
        .exchange(exchange.unwrap_or_default())
        .with("entry", Value::Int(difference.name() as i64))
        .with("expected", whole(difference.expected))
        .with("found", whole(difference.found))
        .text(&difference.asset)
}

/// Something that nobody could explain holds nothing any more.
pub(super) fn accepted_note(now: Nanos, ended: &Ended) -> Note {
    let note = Note::new(now, Severity::Info, "account.accepted");
    match ended {
        Ended::Difference(difference, by) => note
            .with("entry", Value::Int(difference.name() as i64))
            .with("amount", Value::Ratio(difference.off() as f64 / 1e18))
            .with(
                "by",
                Value::Word(match by {
                    Accepter::Rule => "rule",
                    Accepter::Person => "person",
                    Accepter::Exchange => "exchange",
                }),
            )
            .text(&difference.asset),
        Ended::Trades(instrument) => note
            .instrument(*instrument)
            .with("by", Value::Word("person"))
            .text("trades of no known order"),
    }
}

/// Who may no longer order, or may again.
pub(super) fn mode_note(now: Nanos, change: &ModeChange) -> Note {
    let (severity, event) = match change.mode {
        Mode::Trading => (Severity::Info, "risk.open"),
        Mode::ReduceOnly => (Severity::Warn, "risk.reduce_only"),
        Mode::Halted => (Severity::Error, "risk.halted"),
    };
    let note = Note::new(now, severity, event).with("why", Value::Word(change.why));
    let note = match change.whose {
        Whose::All => note.with("whose", Value::Word("all")),
        Whose::Strategy(strategy) => note
            .strategy(strategy)
            .with("whose", Value::Word("strategy")),
        Whose::Instrument(instrument) => note
            .instrument(instrument)
            .with("whose", Value::Word("instrument")),
    };
    let compared = change.compared.iter().flat_map(Compared::fields);
    let note = compared.fold(note, |note, (name, value)| note.with(name, value));
    note.text(change.why)
}
