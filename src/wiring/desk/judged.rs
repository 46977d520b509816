//! What became of each intent, by its instrument: an order, a change, or a refusal. Decides
//! nothing.

use crate::base::InstrumentId;
use crate::trading::refusal::Refusal;

/// What became of one strategy's intents about one instrument.
///
/// Invariant: `intents == orders + changes + refused`, and the gates add up to `refused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// What the strategy wanted.
    pub intents: u64,
    /// Intents that became an order.
    pub orders: u64,
    /// Cancels and reductions that went to the exit.
    pub changes: u64,
    refused: u64,
    gates: [u64; Refusal::ALL.len()],
}

impl Default for Judged {
    fn default() -> Self {
        Self {
            intents: 0,
            orders: 0,
            changes: 0,
            refused: 0,
            gates: [0; Refusal::ALL.len()],
        }
    }
}

impl Judged {
    /// How many intents this gate stopped.
    pub fn count(&self, gate: Refusal) -> u64 {
        self.gates[gate as usize]
    }

    /// One intent was stopped at this gate. Returns how many were by now.
    fn refuse(&mut self, gate: Refusal) -> u64 {
        self.refused += 1;
        self.gates[gate as usize] += 1;
        self.gates[gate as usize]
    }

    fn check(&self) {
        assert!(
            self.intents == self.orders + self.changes + self.refused,
            "an intent of which nothing became, or two things"
        );
        debug_assert!(self.refused == self.gates.iter().sum::<u64>());
    }
}

/// One strategy's intents. The last seat is for those about no instrument of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgements(Box<[Judged]>);

impl Judgements {
    /// Allocates a seat for each instrument.
    pub(super) fn new(instruments: usize) -> Self {
        Self(vec![Judged::default(); instruments + 1].into())
    }

    /// What became of intents about this instrument; [`InstrumentId::NONE`] are those about none.
    pub fn of(&self, instrument: InstrumentId) -> &Judged {
        &self.0[self.seat(instrument)]
    }

    pub(super) fn wanted(&mut self, instrument: InstrumentId) {
        self.0[self.seat(instrument)].intents += 1;
    }

    pub(super) fn ordered(&mut self, instrument: InstrumentId) {
        let seat = &mut self.0[self.seat(instrument)];
        seat.orders += 1;
        seat.check();
    }

    pub(super) fn changed(&mut self, instrument: InstrumentId) {
        let seat = &mut self.0[self.seat(instrument)];
        seat.changes += 1;
        seat.check();
    }

    /// Returns how many intents of this instrument the gate stopped by now.
    pub(super) fn refused(&mut self, instrument: InstrumentId, gate: Refusal) -> u64 {
        let seat = &mut self.0[self.seat(instrument)];
        let nth = seat.refuse(gate);
        seat.check();
        nth
    }

    /// How many intents there were in all. To be called when nothing is under way.
    pub(super) fn total(&self) -> u64 {
        let sums = |seat: &Judged| {
            assert!(seat.refused == seat.gates.iter().sum::<u64>());
            seat.check();
            seat.intents
        };
        self.0.iter().map(sums).sum()
    }

    fn seat(&self, instrument: InstrumentId) -> usize {
        instrument.index().min(self.0.len() - 1)
    }
}
