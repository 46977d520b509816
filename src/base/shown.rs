//! Books as they were shown, and as their exchange itself had them: what the audit compares.

use super::{InstrumentId, Nanos, Symbol, Top};

/// Levels per side that are audited: those of the canonical dump.
pub const AUDIT_LEVELS: usize = 20;

/// A book was shown to the strategies, or stopped being shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// When it was shown, or went dark.
    pub at: Nanos,
    /// Whose book.
    pub instrument: InstrumentId,
    /// The id that it stood at.
    pub update_id: u64,
    /// The best levels; `None` when the book went dark (it is no longer `Live`).
    pub top: Option<Top<AUDIT_LEVELS>>,
    /// The same book was shown before it went dark, and proved to be right: the dump has its line
    /// already.
    pub again: bool,
}

/// What the exchange itself had at this update id. Only a simulated exchange can tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Whose book: the exchange's name in the registry. It knows nothing of our ids.
    pub exchange: &'static str,
    /// The instrument, as that exchange calls it.
    pub symbol: Symbol,
    /// The id that it stood at; `None` if the exchange's messages show no such id. Books are then
    /// compared by content, and one that is like none of the exchange's is unverified, never wrong.
    pub update_id: Option<u64>,
    /// Its best levels.
    pub top: Top<AUDIT_LEVELS>,
}
