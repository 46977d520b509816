//! What was heard of one order so far. Writes nothing.

use crate::base::{Nanos, Note, Qty, Value};
use crate::watch::log::Renderer;

/// What happened to an order is told one by one up to so many; all of it is counted.
const EVENTS_MAX: usize = 256;

/// Something that happened to an order.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) at: Nanos,
    pub(super) what: &'static str,
    /// Its further members as JSON, each behind a comma.
    pub(super) members: String,
}

/// An order from its admission on.
///
/// Invariant: `events` are at most [`EVENTS_MAX`], and `left_out` counts those beyond.
#[derive(Debug)]
pub(super) struct Story {
    /// Its first record: the admission, if this run admitted it.
    pub(super) first: Note,
    pub(super) receipt: Option<Note>,
    pub(super) events: Vec<Happened>,
    pub(super) left_out: u64,
    pub(super) fills: u64,
    /// How much its fills are together, at the instrument's scale.
    pub(super) filled: Qty,
    pub(super) end: Option<&'static str>,
    /// It ended, and its receipt is waited for.
    pub(super) waiting: bool,
    /// Records that were lost before it began.
    pub(super) lost_before: u64,
}

impl Story {
    pub(super) fn new(first: &Note, lost_before: u64) -> Self {
        Self {
            first: first.clone(),
            receipt: None,
            events: Vec::new(),
            left_out: 0,
            fills: 0,
            filled: Qty(0),
            end: None,
            waiting: false,
            lost_before,
        }
    }

    /// This run admitted it.
    pub(super) fn was_admitted(&self) -> bool {
        self.first.event == "order.admitted"
    }

    /// Whether its line lacks a receipt that may still come. What never left had it before its end.
    pub(super) fn waits_for_receipt(&self) -> bool {
        self.was_admitted() && self.receipt.is_none() && self.end != Some("not_sent")
    }

    pub(super) fn handle_note(&mut self, renderer: &Renderer<'_>, note: &Note) {
        let told: &[&str] = match note.event {
            "order.receipt" => {
                self.receipt = Some(note.clone());
                return;
            }
            "order.filled" => {
                if let Some(Value::Qty(qty)) = field(note, "qty") {
                    self.fills += 1;
                    self.filled.0 += qty.0;
                }
                &[
                    "px",
                    "qty",
                    "remaining",
                    "trade_id",
                    "liquidity",
                    "fee",
                    "fee_asset",
                ]
            }
            "order.reduced" => &["qty", "remaining"],
            _ => &["exchange_id", "code", "why"],
        };
        if let Some(end) = word(note, "end") {
            self.end = Some(end);
        }
        if self.events.len() == EVENTS_MAX {
            self.left_out += 1;
            return;
        }
        let mut members = String::new();
        renderer.members(note, |name| told.contains(&name), &mut members);
        let what = match note.event {
            "order.admitted" => {
                // Another order takes its place.
                renderer.members(note, |name| name == "order", &mut members);
                "replace"
            }
            "gateway.reject" => {
                renderer.text(note, &mut members);
                "reject"
            }
            "gateway.not_sent" => "withheld",
            "order.done" => "filled",
            "order.filled" => "fill",
            event => event.rsplit('.').next().unwrap_or(event),
        };
        self.events.push(Happened {
            at: note.at,
            what,
            members,
        });
        debug_assert!(self.events.len() <= EVENTS_MAX);
    }
}

pub(super) fn field(note: &Note, name: &str) -> Option<Value> {
    let field = note.fields.iter().find(|(key, _)| *key == name);
    field.map(|(_, value)| *value)
}

pub(super) fn word(note: &Note, name: &str) -> Option<&'static str> {
    match field(note, name) {
        Some(Value::Word(word)) => Some(word),
        _ => None,
    }
}

pub(super) fn int(note: &Note, name: &str) -> Option<i64> {
    match field(note, name) {
        Some(Value::Int(int)) => Some(int),
        _ => None,
    }
}
