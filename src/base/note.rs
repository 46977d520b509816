//! What workers tell the scribe. Numbers and static words only: text is made on the scribe's side.

use super::instrument::InstrumentId;
use super::level::{Px, Qty};
use super::time::Nanos;
use arrayvec::{ArrayString, ArrayVec};

/// Fields of one note, and bytes of foreign text in it, at most.
pub const NOTE_FIELDS_MAX: usize = 12;
pub const NOTE_TEXT_MAX: usize = 160;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

/// A named number. Prices and quantities are written at the scale of the note's instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Int(i64),
    Px(Px),
    Qty(Qty),
    Ratio(f64),
    Word(&'static str),
}

pub type Field = (&'static str, Value);

/// One log record on its way to the scribe. No heap, no formatting.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub at: Nanos,
    pub severity: Severity,
    /// A dotted static name, e.g. `book.gap`, `order.sent`, `link.closed`.
    pub event: &'static str,
    pub exchange: &'static str,
    pub instrument: InstrumentId,
    /// The connection's epoch; zero where no connection is meant.
    pub epoch: u32,
    pub fields: ArrayVec<Field, NOTE_FIELDS_MAX>,
    /// Text from outside (an exchange's message, an error), cut to its capacity, not yet escaped.
    pub text: ArrayString<NOTE_TEXT_MAX>,
}

impl Note {
    pub fn new(at: Nanos, severity: Severity, event: &'static str) -> Self {
        Self {
            at,
            severity,
            event,
            exchange: "",
            instrument: InstrumentId::NONE,
            epoch: 0,
            fields: ArrayVec::new(),
            text: ArrayString::new(),
        }
    }

    pub fn exchange(mut self, name: &'static str) -> Self {
        self.exchange = name;
        self
    }

    pub fn instrument(mut self, id: InstrumentId) -> Self {
        self.instrument = id;
        self
    }

    pub fn epoch(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// Adds a field; one too many is left out rather than refused.
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        let _ = self.fields.try_push((name, value));
        self
    }

    /// Keeps as much of `text` as fits, cut at a character.
    pub fn text(mut self, text: &str) -> Self {
        let end = text.floor_char_boundary(NOTE_TEXT_MAX);
        self.text.clear();
        self.text.push_str(&text[..end]);
        self
    }
}
