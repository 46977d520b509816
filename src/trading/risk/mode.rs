//! Who may order what from when on. Data only.

use crate::base::{InstrumentId, Mode, StrategyId};
use crate::trading::refusal::Compared;

/// Of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of everybody.
    All,
    /// Of a strategy.
    Strategy(StrategyId),
    /// Of an instrument.
    Instrument(InstrumentId),
}

/// Something else may be ordered from here on: for the log and the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModeChange {
    /// Of whom.
    pub(crate) whose: Whose,
    /// What.
    pub(crate) mode: Mode,
    /// Why, in a word: the limit that was reached, or who wants it.
    pub(crate) why: &'static str,
    /// The limit, and what was found, if it was one.
    pub(crate) compared: Option<Compared>,
}
