//! Who may order what from when on.

use super::Risk;
use crate::base::{InstrumentId, Mode, StrategyId};
use crate::trading::exposure::Scope;
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

impl Risk {
    /// Lets positions in this instrument only be reduced, or lifts that.
    pub(crate) fn set_reduce_only(&mut self, instrument: InstrumentId, on: bool) {
        let (mode, why) = match on {
            true => (Mode::ReduceOnly, "not_explained"),
            false => (Mode::Trading, "accepted"),
        };
        self.set_mode(Whose::Instrument(instrument), mode, why);
    }

    /// From now on only this may be ordered. What was halted by a loss and is let go again counts
    /// gains and losses from here.
    pub(crate) fn set_mode(&mut self, whose: Whose, mode: Mode, why: &'static str) {
        let was = self.change_mode(whose, mode, why, None);
        let scope = match whose {
            Whose::All => Scope::All,
            Whose::Strategy(strategy) => Scope::Strategy(strategy),
            Whose::Instrument(_) => return,
        };
        if was == Some(Mode::Halted) && mode != Mode::Halted {
            self.exposure.begin_again(scope);
        }
    }

    /// What may be ordered.
    pub(crate) fn mode(&self, whose: Whose) -> Mode {
        match whose {
            Whose::All => self.all.mode,
            Whose::Strategy(strategy) => self.own(strategy).mode,
            Whose::Instrument(id) => self.seats.get(id.index()).map_or(Mode::Halted, |s| s.mode),
        }
    }

    /// The next change of what may be ordered: for the log and the journal.
    pub(crate) fn poll_mode(&mut self) -> Option<ModeChange> {
        self.modes.pop_front()
    }

    /// Gives what it was before; `None` if there is nobody of that name.
    pub(super) fn change_mode(
        &mut self,
        whose: Whose,
        mode: Mode,
        why: &'static str,
        compared: Option<Compared>,
    ) -> Option<Mode> {
        let of = match whose {
            Whose::All => &mut self.all.mode,
            Whose::Strategy(strategy) => &mut self.own_mut(strategy).mode,
            Whose::Instrument(id) => &mut self.seats.get_mut(id.index())?.mode,
        };
        let was = std::mem::replace(of, mode);
        if was != mode {
            self.modes.push_back(ModeChange {
                whose,
                mode,
                why,
                compared,
            });
        }
        Some(was)
    }
}
