//! What goes wrong between a client and its account: planned for a test, or by chance from a seed.
//! Says what is to happen to a request or a report; breaks nothing itself.

use crate::base::Span;
pub use crate::exchange::mirror::orders::{Asks, Refuses};
use std::collections::BTreeMap;

/// What happens to a request and to what it causes, on the connection that it came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It never reaches the market, and nobody answers.
    Swallowed,
    /// The exchange refuses it in its own words.
    Refused(Refuses),
    /// The market does what it asks, and the answer says something else.
    Answered(Refuses),
    /// The market does what it asks, and the answer is lost.
    AnswerLost,
    /// The answer comes so much later.
    AnswerLate(Span),
    /// The answer comes twice.
    AnswerTwice,
    /// What it causes is told before the answer.
    ReportsFirst,
    /// What it causes is not told.
    ReportsLost,
    /// What it causes is told so much later.
    ReportsLate(Span),
    /// What it causes is told twice.
    ReportsTwice,
    /// So many of the newest reports are told again.
    Replayed(usize),
    /// Somebody trades with all orders that rest, before the request is looked at.
    FilledFirst,
    /// The same, with half of what is left of each.
    HalfFilledFirst,
    /// The connection ends after so many further bytes.
    Cut(usize),
    /// Nothing is read from the connection any more, and nothing written; it stays open.
    HalfOpen,
}

/// A fault that waits for its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// What the request must ask for; anything, if it is none.
    pub asks: Option<Asks>,
    /// So many such requests pass before.
    pub after: u32,
    /// What happens then.
    pub fault: Fault,
}

impl Planned {
    /// This happens to the next request of the sort.
    pub const fn next(asks: Asks, fault: Fault) -> Self {
        Self {
            asks: Some(asks),
            after: 0,
            fault,
        }
    }
}

/// Which faults come by chance, and in how many of a hundred cases.
const CHANCES: [(Fault, u8); 15] = [
    (Fault::Swallowed, 8),
    (Fault::Refused(Refuses::Clock), 6),
    (Fault::Refused(Refuses::Orders), 6),
    (Fault::Refused(Refuses::Weight), 4),
    (Fault::Refused(Refuses::Rejected), 6),
    (Fault::Answered(Refuses::Unknown), 8),
    (Fault::Answered(Refuses::Strange), 4),
    (Fault::AnswerLost, 10),
    (Fault::AnswerLate(Span::from_secs(3)), 10),
    (Fault::AnswerTwice, 6),
    (Fault::ReportsLate(Span::from_secs(2)), 8),
    (Fault::ReportsTwice, 8),
    (Fault::FilledFirst, 6),
    (Fault::HalfFilledFirst, 5),
    (Fault::Cut(40), 5),
];

/// The faults of one exchange.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Vec<Planned>,
    /// Of a million requests, so many meet one by chance.
    chance: Option<(fastrand::Rng, u32)>,
    /// How often each has happened.
    pub(crate) done: BTreeMap<Fault, u64>,
}

impl Faults {
    /// Plans one more.
    pub(crate) fn plan(&mut self, planned: Planned) {
        self.planned.push(planned);
    }

    /// From now on, so many of a million requests meet one of all sorts.
    pub(crate) fn by_chance(&mut self, seed: u64, ppm: u32) {
        self.chance = Some((fastrand::Rng::with_seed(seed), ppm));
    }

    /// What happens to a request that asks for this. The first plan that it fits counts it.
    pub(crate) fn take(&mut self, asks: Asks) -> Option<Fault> {
        let fits = |planned: &Planned| planned.asks.is_none_or(|wanted| wanted == asks);
        let planned = self.planned.iter().position(fits);
        let fault = match planned {
            Some(n) if self.planned[n].after > 0 => {
                self.planned[n].after -= 1;
                None
            }
            Some(n) => Some(self.planned.remove(n).fault),
            None => self.dice(asks),
        };
        if let Some(fault) = fault {
            *self.done.entry(fault).or_insert(0) += 1;
        }
        fault
    }

    fn dice(&mut self, asks: Asks) -> Option<Fault> {
        let (dice, ppm) = self.chance.as_mut()?;
        if asks == Asks::Other || dice.u32(..1_000_000) >= *ppm {
            return None;
        }
        let mut roll = dice.u8(..100);
        let mut chances = CHANCES.iter();
        let found = chances.find(|(_, weight)| {
            let hit = roll < *weight;
            roll = roll.saturating_sub(*weight);
            hit
        });
        found.map(|(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_of_a_hundred() {
        let sum: u32 = CHANCES.iter().map(|(_, weight)| u32::from(*weight)).sum();
        assert_eq!(sum, 100);
    }

    #[test]
    fn a_planned_fault_waits_for_its_request_and_happens_once() {
        let mut faults = Faults::default();
        faults.plan(Planned {
            after: 1,
            ..Planned::next(Asks::Place, Fault::AnswerLost)
        });
        faults.plan(Planned::next(Asks::Cancel, Fault::Swallowed));
        assert_eq!(faults.take(Asks::Place), None);
        assert_eq!(faults.take(Asks::Query), None);
        assert_eq!(faults.take(Asks::Cancel), Some(Fault::Swallowed));
        assert_eq!(faults.take(Asks::Place), Some(Fault::AnswerLost));
        assert_eq!(faults.take(Asks::Place), None);
        assert_eq!(faults.done[&Fault::AnswerLost], 1);
    }

    #[test]
    fn chance_is_as_frequent_as_it_is_said_the_same_for_a_seed_and_of_every_sort() {
        let happened = |seed| {
            let mut faults = Faults::default();
            faults.by_chance(seed, 100_000);
            (0..20_000)
                .filter(|_| faults.take(Asks::Place).is_some())
                .count();
            faults.done
        };
        let first = happened(1);
        assert_eq!(first.len(), CHANCES.len());
        let sum: u64 = first.values().sum();
        assert!((1_800..2_200).contains(&sum), "{sum}");
        assert_eq!(happened(1), first);
        assert_ne!(happened(2), first);
        let mut faults = Faults::default();
        faults.by_chance(1, 1_000_000);
        assert_eq!(faults.take(Asks::Other), None, "a logon is left alone");
    }
}
