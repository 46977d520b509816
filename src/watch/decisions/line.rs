//! A line of `decisions.jsonl` as JSON: stable names, each always with the same sort of value.

use super::story::{Story, field, int, word};
use crate::base::text::rfc3339;
use crate::base::{Nanos, Note, Value};
use crate::watch::log::{Renderer, Shown, exchange, push, push_member};

/// The points of the road, and the stretch of a receipt that leads to each. The first one is where
/// the first known stretch begins.
const ROAD: [(&str, &str); 10] = [
    ("kernel", ""),
    ("call", "kernel_ns"),
    ("read", "read_ns"),
    ("frame", "frame_ns"),
    ("decoded", "decode_ns"),
    ("book", "book_ns"),
    ("popped", "queue_ns"),
    ("decided", "decide_ns"),
    ("admitted", "admit_ns"),
    ("sent", "send_ns"),
];
const POPPED: usize = 6;
const SENT: usize = 9;

/// The line of an order. `now`: when it ended, or when the run did; `lost`: how many log records
/// were lost meanwhile.
pub(super) fn order(
    renderer: &Renderer<'_>,
    order: i64,
    story: &Story,
    (now, lost): (Nanos, u64),
    out: &mut String,
) {
    let first = &story.first;
    begin(renderer, first, (now, "order"), out);
    let origin = match (first.event, lost) {
        ("order.admitted", _) => "this_run",
        ("order.unknown_found", _) => "found",
        (_, 0) => "earlier_run",
        (_, _) => "lost",
    };
    push(out, format_args!(",\"order\":{order}"));
    push_member(out, "origin", origin);
    if story.was_admitted() {
        let replaces = int(first, "replaces");
        let intent = match replaces {
            Some(_) => "replace",
            None => "place",
        };
        push_member(out, "intent", intent);
        number(out, "replaces", replaces);
        wanted(renderer, first, out);
        push_member(out, "risk", "admitted");
    } else {
        push(out, format_args!(",\"intent\":null,\"replaces\":null"));
        wanted(renderer, first, out);
        push(out, format_args!(",\"risk\":null"));
    }
    let (stamps, acked) = story.receipt.as_ref().map_or(([None; 10], None), stamps);
    // The admission is dated by when the desk took the event.
    let before = u64::try_from(stamps[POPPED].unwrap_or(0)).unwrap_or(0);
    let arrived = Nanos(first.at.0.saturating_sub(before));
    let unix = renderer.anchor.unix(arrived);
    push_member(out, "arrived", &rfc3339(unix));
    push(out, format_args!(",\"arrived_ns\":{}", unix.0));
    match &story.receipt {
        None => out.push_str(",\"stamps\":null"),
        Some(receipt) => {
            out.push_str(",\"stamps\":{");
            for ((name, _), at) in ROAD.iter().zip(stamps) {
                number(out, &format!("{name}_ns"), at);
            }
            let wired = int(receipt, "wire_ns").zip(stamps[SENT]);
            number(out, "wired_ns", wired.map(|(took, sent)| sent + took));
            number(out, "acked_ns", acked);
            out.push('}');
        }
    }
    out.push_str(",\"events\":[");
    for (nth, happened) in story.events.iter().enumerate() {
        let comma = if nth > 0 { "," } else { "" };
        let at = i128::from(happened.at.0) - i128::from(arrived.0);
        push(out, format_args!("{comma}{{\"at_ns\":{at}"));
        push_member(out, "what", happened.what);
        out.push_str(&happened.members);
        out.push('}');
    }
    let instrument = renderer.instrument(first.instrument);
    let filled = Shown(Value::Qty(story.filled), instrument);
    let (left_out, fills) = (story.left_out, story.fills);
    push(
        out,
        format_args!("],\"events_left_out\":{left_out},\"fills\":{fills},\"filled\":\"{filled}\""),
    );
    match story.end {
        Some(end) => push_member(out, "end", end),
        None => out.push_str(",\"end\":null"),
    }
    push(out, format_args!(",\"lost\":{lost}}}\n"));
}

/// The line of an intent that risk refused.
pub(super) fn refused(renderer: &Renderer<'_>, note: &Note, out: &mut String) {
    begin(renderer, note, (note.at, "refused"), out);
    let changed = int(note, "order");
    number(out, "order", changed);
    push_member(
        out,
        "intent",
        if changed.is_some() { "change" } else { "place" },
    );
    wanted(renderer, note, out);
    push_member(out, "risk", "refused");
    push_member(out, "gate", word(note, "gate").unwrap_or_default());
    number(out, "nth", int(note, "nth"));
    let instrument = renderer.instrument(note.instrument);
    let compared = |prefix: &str| {
        let mut fields = note.fields.iter();
        let (name, value) = fields.find(|(name, _)| name.starts_with(prefix))?;
        Some((name.split_at(prefix.len()).1, Shown(*value, instrument)))
    };
    match compared("limit_").zip(compared("found_")) {
        Some(((unit, limit), (_, found))) => {
            push_member(out, "unit", unit);
            push(
                out,
                format_args!(",\"limit\":\"{limit}\",\"found\":\"{found}\""),
            );
        }
        None => out.push_str(",\"unit\":null,\"limit\":null,\"found\":null"),
    }
    out.push_str("}\n");
}

fn begin(renderer: &Renderer<'_>, note: &Note, (at, kind): (Nanos, &str), out: &mut String) {
    let unix = renderer.anchor.unix(at);
    let (time, ns) = (rfc3339(unix), unix.0);
    push(out, format_args!("{{\"time\":\"{time}\",\"time_ns\":{ns}"));
    push_member(out, "kind", kind);
    let instrument = renderer.instrument(note.instrument);
    push_member(out, "exchange", exchange(note, instrument));
    let (name, symbol) = instrument.map_or(("", ""), |one| (&one.name, &one.symbol));
    push_member(out, "instrument", name);
    push_member(out, "symbol", symbol);
    let strategies = renderer.strategies;
    let strategy = strategies.get(note.strategy.index());
    push_member(out, "strategy", strategy.map_or("", String::as_str));
}

/// What was wanted, and why; null if the record does not say.
fn wanted(renderer: &Renderer<'_>, note: &Note, out: &mut String) {
    for name in ["side", "px", "qty", "type", "tag"] {
        member(renderer, note, name, out);
    }
    if word(note, "signal").is_none() {
        out.push_str(",\"signal\":null,\"picture\":null");
        return;
    }
    out.push_str(",\"signal\":{");
    push_member(out, "name", word(note, "signal").unwrap_or_default());
    member(renderer, note, "value", out);
    member(renderer, note, "threshold", out);
    out.push_str("},\"picture\":{");
    number(out, "epoch", Some(note.epoch.into()));
    for name in ["update_id", "best_bid", "best_ask", "age_ns"] {
        member(renderer, note, name, out);
    }
    out.push('}');
}

/// When the order passed each point of the road, in nanoseconds since the first one, and when its
/// answer came.
fn stamps(receipt: &Note) -> ([Option<i64>; 10], Option<i64>) {
    let mut stamps = [None; 10];
    let mut at: Option<i64> = None;
    for (point, (_, stretch)) in ROAD.iter().enumerate() {
        match (int(receipt, stretch), at) {
            (Some(took), before) => {
                let before = before.unwrap_or(0);
                stamps[point - 1] = Some(before);
                at = Some(before + took);
                stamps[point] = at;
            }
            (None, None) => {}
            (None, Some(_)) => break, // It never got there.
        }
    }
    let acked = stamps[SENT].zip(int(receipt, "ack_ns"));
    (stamps, acked.map(|(sent, took)| sent + took))
}

fn member(renderer: &Renderer<'_>, note: &Note, name: &str, out: &mut String) {
    match field(note, name) {
        Some(_) => {
            let before = out.len();
            renderer.members(note, |key| key == name, out);
            trim(out, before);
        }
        None => number(out, name, None),
    }
}

fn number(out: &mut String, name: &str, number: Option<i64>) {
    let before = out.len();
    match number {
        Some(number) => push(out, format_args!(",\"{name}\":{number}")),
        None => push(out, format_args!(",\"{name}\":null")),
    }
    trim(out, before);
}

/// The first member of an object has no comma before it.
fn trim(out: &mut String, before: usize) {
    if out[..before].ends_with('{') {
        out.remove(before);
    }
}
