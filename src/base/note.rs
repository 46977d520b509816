//! What workers tell the scribe. Numbers and static words only: text is made on the scribe's side.

use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty};
use super::order::StrategyId;
use super::time::Nanos;
use arrayvec::{ArrayString, ArrayVec};

/// Fields of one note, at most.
pub(crate) const NOTE_FIELDS_MAX: usize = 16;
/// Bytes of foreign text in one note, at most.
pub(crate) const NOTE_TEXT_MAX: usize = 160;

/// A short text from outside, such as an asset.
pub type Code = ArrayString<16>;

/// How much a record matters, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For whoever looks for a fault.
    Debug,
    /// What happens in a run that goes well.
    Info,
    /// Something was lost or refused, and the engine deals with it.
    Warn,
    /// Something that a person must look at.
    Error,
}

/// A named number. Prices and quantities are written at the scale of the note's instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A count, an id or a span (its unit is in the field's name).
    Int(i64),
    /// At the price scale of the note's instrument.
    Px(Px),
    /// At the quantity scale of the note's instrument.
    Qty(Qty),
    /// A signal or a share.
    Ratio(f64),
    /// A word from a fixed set.
    Word(&'static str),
    /// A price with a quantity at it, at the scales of the note's instrument. Files have the
    /// quantity in a field of its own.
    Level(Level),
    /// A decimal: so many units, and how many decimals they have.
    Scaled(i64, u8),
    /// From outside, not yet escaped.
    Code(Code),
}

const _: () = assert!(size_of::<Value>() == 24, "a note is copied on the hot path");

/// A field's name and its value.
pub(crate) type Field = (&'static str, Value);

/// One log record on its way to the scribe. No heap, no formatting.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// When it happened.
    pub at: Nanos,
    /// How much it matters.
    pub severity: Severity,
    /// A dotted static name, e.g. `book.gap`, `order.sent`, `link.closed`.
    pub event: &'static str,
    /// The exchange that it is about; empty if it is about none.
    pub(crate) exchange: &'static str,
    /// The instrument that it is about; [`InstrumentId::NONE`] if it is about none.
    pub instrument: InstrumentId,
    /// The connection's epoch; zero if it is about no connection.
    pub(crate) epoch: u32,
    /// The strategy that it is about; [`StrategyId::NONE`] if it is about none.
    pub strategy: StrategyId,
    /// In the order in which they were added.
    pub fields: ArrayVec<Field, NOTE_FIELDS_MAX>,
    /// Text from outside (an exchange's message, an error), cut to its capacity, not yet escaped.
    pub text: ArrayString<NOTE_TEXT_MAX>,
}

impl Note {
    /// A record without fields and text, about no exchange and no instrument.
    pub fn new(at: Nanos, severity: Severity, event: &'static str) -> Self {
        Self {
            at,
            severity,
            event,
            exchange: "",
            instrument: InstrumentId::NONE,
            epoch: 0,
            strategy: StrategyId::NONE,
            fields: ArrayVec::new(),
            text: ArrayString::new(),
        }
    }

    /// Says which exchange it is about.
    pub(crate) fn exchange(mut self, name: &'static str) -> Self {
        self.exchange = name;
        self
    }

    /// Says which instrument it is about, and at whose scales its numbers are.
    pub fn instrument(mut self, id: InstrumentId) -> Self {
        self.instrument = id;
        self
    }

    /// Says which connection it is about.
    pub(crate) fn epoch(mut self, epoch: u32) -> Self {
        self.epoch = epoch;
        self
    }

    /// Says which strategy it is about.
    pub(crate) fn strategy(mut self, id: StrategyId) -> Self {
        self.strategy = id;
        self
    }

    /// Adds a field; one too many is left out rather than refused.
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        let _ = self.fields.try_push((name, value));
        self
    }

    /// Keeps as much of `text` as fits, cut at a character.
    pub(crate) fn text(mut self, text: &str) -> Self {
        let end = text.floor_char_boundary(NOTE_TEXT_MAX);
        self.text.clear();
        self.text.push_str(&text[..end]);
        self
    }
}
