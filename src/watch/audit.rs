//! Books as they were shown, checked off the hot path: digests, completeness, and the exchange's truth.

use crate::base::{InstrumentId, Nanos, Top};

/// Levels a side that are audited: those of the canonical dump.
pub const AUDIT_LEVELS: usize = 20;

/// A book was shown to the strategies, or stopped being shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub at: Nanos,
    pub instrument: InstrumentId,
    pub update_id: u64,
    /// The best levels; `None` when the book went dark (it is not `Live` any more).
    pub top: Option<Top<AUDIT_LEVELS>>,
}

/// What the exchange itself had at this update id. Only a simulated exchange can tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    pub instrument: InstrumentId,
    pub update_id: u64,
    pub top: Top<AUDIT_LEVELS>,
}
