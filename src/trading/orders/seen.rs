//! Which trades were taken in already, by the exchange's own numbers. Forgets none that it could
//! take in twice.

use crate::base::InstrumentId;
use std::collections::{HashSet, VecDeque};

/// Trades whose numbers are kept, over all instruments: hours of a busy account.
pub(crate) const SEEN_MAX: usize = 16_384;

/// The newest trades of all instruments.
///
/// An exchange numbers the trades of an instrument upwards, so that a trade at or below the largest
/// forgotten number of its instrument counts as seen: taking none in is noticed, since the order
/// says that more of it traded; taking one in twice would not be.
///
/// Invariant: `all` and `by_age` hold the same trades, at most [`SEEN_MAX`]; each is above the
/// floor of its instrument.
#[derive(Debug)]
pub(crate) struct Seen {
    all: HashSet<(InstrumentId, u64)>,
    by_age: VecDeque<(InstrumentId, u64)>,
    /// By instrument id: every number up to it counts as seen; none if this is zero.
    floors: Vec<u64>,
}

impl Seen {
    /// None yet, of a run with so many instruments. All room is made here.
    pub(crate) fn of(instruments: usize) -> Self {
        Self {
            // Twice of it: places of removed trades never make a table grow that is half empty.
            all: HashSet::with_capacity(2 * (SEEN_MAX + 1)),
            by_age: VecDeque::with_capacity(SEEN_MAX),
            floors: vec![0; instruments],
        }
    }

    /// Whether it was seen, or is of no instrument of the run.
    pub(crate) fn contains(&self, instrument: InstrumentId, trade_id: u64) -> bool {
        let floor = self.floors.get(instrument.index()).copied();
        floor.is_none_or(|floor| floor > 0 && trade_id <= floor)
            || self.all.contains(&(instrument, trade_id))
    }

    /// True if it is a new trade, which is seen from now on.
    pub(crate) fn insert(&mut self, instrument: InstrumentId, trade_id: u64) -> bool {
        if self.contains(instrument, trade_id) {
            return false;
        }
        let one = (instrument, trade_id);
        self.all.insert(one);
        if self.by_age.len() == SEEN_MAX
            && let Some((of, oldest)) = self.by_age.pop_front()
        {
            self.all.remove(&(of, oldest));
            let floor = &mut self.floors[of.index()];
            *floor = (*floor).max(oldest);
        }
        self.by_age.push_back(one);
        self.check();
        true
    }

    /// Every trade up to this number counts as seen.
    pub(crate) fn raise(&mut self, instrument: InstrumentId, trade_id: u64) {
        if let Some(floor) = self.floors.get_mut(instrument.index()) {
            *floor = (*floor).max(trade_id);
        }
    }

    /// The numbers up to which every trade counts as seen, by instrument.
    pub(crate) fn floors(&self) -> impl Iterator<Item = (InstrumentId, u64)> {
        let floors = (0..).map(InstrumentId).zip(self.floors.iter().copied());
        floors.filter(|(_, floor)| *floor > 0)
    }

    /// The trades that are kept, the oldest first.
    pub(crate) fn trades(&self) -> impl Iterator<Item = (InstrumentId, u64)> {
        self.by_age.iter().copied()
    }

    fn check(&self) {
        assert!(self.by_age.len() <= SEEN_MAX);
        debug_assert_eq!(self.all.len(), self.by_age.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InstrumentId = InstrumentId(0);
    const B: InstrumentId = InstrumentId(1);

    #[test]
    fn a_trade_is_new_once_and_numbers_are_an_instruments_own() {
        let mut seen = Seen::of(2);
        assert!(seen.insert(A, 7) && seen.insert(B, 7) && seen.insert(A, 0));
        assert!(!seen.insert(A, 7) && !seen.insert(B, 7) && !seen.insert(A, 0));
        assert!(
            !seen.insert(InstrumentId(2), 1),
            "of no instrument of the run"
        );
    }

    #[test]
    fn what_was_forgotten_is_still_not_new_and_room_does_not_grow() {
        let mut seen = Seen::of(2);
        let room = (seen.all.capacity(), seen.by_age.capacity());
        for id in 1..=8 * SEEN_MAX as u64 {
            assert!(seen.insert(A, id));
        }
        for id in 1..=8 * SEEN_MAX as u64 {
            assert!(!seen.insert(A, id), "{id}");
        }
        assert!(seen.insert(B, 1), "another instrument's");
        // What a set has room for falls by the places of removed ones until it is tidied.
        assert!(seen.all.capacity() <= room.0, "the set grew");
        assert_eq!(seen.by_age.capacity(), room.1);
    }
}
