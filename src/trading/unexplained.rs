//! What an account did that nobody here can explain: balances that our trades do not make, and
//! trades of no order that we know. It says which instruments are held by that, and what ends it.
//! Compares nothing itself.

use super::reconcile::Difference;
use crate::base::{Accepter, Asset, Deed, Instrument, InstrumentId, UnixNanos};

/// Something that is not explained, and no longer holds anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A difference, and who ended it.
    Difference(Difference, Accepter),
    /// The trades of no known order in this instrument.
    Trades(InstrumentId),
}

impl Ended {
    /// Whether it held this instrument.
    pub(crate) fn held(&self, instrument: &Instrument) -> bool {
        match self {
            Self::Difference(difference, _) => difference.asset == instrument.base,
            Self::Trades(id) => *id == instrument.id,
        }
    }

    /// Its record.
    pub(crate) fn deed(&self) -> Deed {
        match self {
            Self::Difference(difference, by) => Deed::Accepted {
                entry: difference.name(),
                by: *by,
            },
            Self::Trades(instrument) => Deed::Held {
                instrument: *instrument,
                on: false,
            },
        }
    }
}

/// All of it, of one account.
///
/// Invariant: of each asset the rule accepted at most what it allows for one day; amounts are
/// above zero.
#[derive(Debug, Default)]
pub(crate) struct Unexplained {
    /// Differences that nobody accepted, the oldest first. The same one may have come twice.
    open: Vec<Difference>,
    /// Instruments with trades of no known order.
    strays: Vec<InstrumentId>,
    /// So much of an asset is accepted each day by itself, in units of 10^-18.
    rule: Vec<(Asset, i128)>,
    /// So much of it was, on this day.
    accepted: Vec<(Asset, i128)>,
    day: i64,
}

impl Unexplained {
    /// From here on up to so much of an asset is accepted each day by itself.
    pub(crate) fn set_rule(&mut self, rule: Vec<(Asset, i128)>) {
        self.rule = rule;
    }

    /// A comparison found this, or an earlier run did.
    pub(crate) fn open(&mut self, difference: Difference) {
        self.open.push(difference);
    }

    /// A trade of no known order in this instrument.
    pub(crate) fn hold(&mut self, instrument: InstrumentId) {
        if !self.strays.contains(&instrument) {
            self.strays.push(instrument);
        }
    }

    /// The trades in this instrument were accepted.
    pub(crate) fn release(&mut self, instrument: InstrumentId) {
        self.strays.retain(|held| *held != instrument);
    }

    /// The difference of this name was accepted; its newest one, if it came several times.
    pub(crate) fn settle(&mut self, at: UnixNanos, entry: u64, by: Accepter) {
        let newest = self.open.iter().rposition(|open| open.name() == entry);
        let Some(difference) = newest.map(|at| self.open.remove(at)) else {
            return;
        };
        if by == Accepter::Rule {
            self.add(at, difference.asset, difference.size());
        }
    }

    /// On the day of `at` the rule accepted so much of an asset.
    pub(crate) fn add(&mut self, at: UnixNanos, asset: Asset, units: i128) {
        self.begin_day(at);
        match self.accepted.iter_mut().find(|(of, _)| *of == asset) {
            Some((_, sum)) => *sum = sum.saturating_add(units),
            None => self.accepted.push((asset, units)),
        }
    }

    /// Judges the difference that was found last: if it takes back what was found before, all of
    /// that is over; if the rule allows so much, it is accepted; else it is left to a person.
    pub(crate) fn judge(&mut self, at: UnixNanos, asset: Asset) -> Vec<Ended> {
        let of = || self.open.iter().filter(|open| open.asset == asset);
        let sum = of().fold(0i128, |sum, open| sum.saturating_add(open.off()));
        if sum == 0 {
            return self.end_all(asset, Accepter::Exchange);
        }
        let Some(last) = of().next_back().copied() else {
            return Vec::new();
        };
        let max = self.rule.iter().find(|(of, _)| *of == asset);
        let max = max.map_or(0, |(_, max)| *max);
        if self.accepted_of(at, asset).saturating_add(last.size()) > max {
            return Vec::new();
        }
        self.settle(at, last.name(), Accepter::Rule);
        assert!(self.accepted_of(at, asset) <= max, "more than the rule");
        vec![Ended::Difference(last, Accepter::Rule)]
    }

    /// A person accepts all that is not explained of an asset: its differences, and trades of no
    /// known order in its instruments.
    pub(crate) fn accept(&mut self, asset: Asset, table: &[Instrument]) -> Vec<Ended> {
        let mut ended = self.end_all(asset, Accepter::Person);
        self.strays.retain(|stray| {
            let its = table.get(stray.index());
            let accepted = its.is_some_and(|instrument| instrument.base == asset);
            if accepted {
                ended.push(Ended::Trades(*stray));
            }
            !accepted
        });
        ended
    }

    /// Whether positions in this instrument may only be reduced by what is not explained.
    pub(crate) fn holds(&self, instrument: &Instrument) -> bool {
        let of = |open: &Difference| open.asset == instrument.base;
        debug_assert!(self.accepted.iter().all(|(_, units)| *units > 0));
        self.strays.contains(&instrument.id) || self.open.iter().any(of)
    }

    /// What nobody accepted yet.
    pub(crate) fn differences(&self) -> &[Difference] {
        &self.open
    }

    /// Instruments with trades of no known order.
    pub(crate) fn strays(&self) -> &[InstrumentId] {
        &self.strays
    }

    /// What the rule accepted on the day of `at`.
    pub(crate) fn accepted(&mut self, at: UnixNanos) -> &[(Asset, i128)] {
        self.begin_day(at);
        &self.accepted
    }

    fn accepted_of(&mut self, at: UnixNanos, asset: Asset) -> i128 {
        let mut all = self.accepted(at).iter();
        all.find(|(of, _)| *of == asset).map_or(0, |(_, sum)| *sum)
    }

    fn end_all(&mut self, asset: Asset, by: Accepter) -> Vec<Ended> {
        let of = |open: &&Difference| open.asset == asset;
        let ended = self.open.iter().filter(of);
        let ended = ended.map(|open| Ended::Difference(*open, by)).collect();
        self.open.retain(|open| open.asset != asset);
        ended
    }

    fn begin_day(&mut self, at: UnixNanos) {
        if at.day() != self.day {
            self.day = at.day();
            self.accepted.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Symbol;

    const NOON: UnixNanos = UnixNanos(43_200_000_000_000);
    const NEXT_DAY: UnixNanos = UnixNanos(86_400_000_000_000);

    fn asset(name: &str) -> Asset {
        Asset::from(name).unwrap()
    }

    fn table() -> Vec<Instrument> {
        let listed = |id: u16, base: &str| Instrument {
            id: InstrumentId(id),
            base: asset(base),
            quote: asset("USDT"),
            ..Instrument::bare("a", Symbol::from(base).unwrap(), (2, 3))
        };
        vec![listed(0, "BTC"), listed(1, "ETH"), listed(2, "BTC")]
    }

    fn held(unexplained: &Unexplained) -> Vec<u16> {
        let held = table().into_iter().filter(|one| unexplained.holds(one));
        held.map(|one| one.id.0).collect()
    }

    fn find(
        unexplained: &mut Unexplained,
        at: UnixNanos,
        (name, expected, found): (&str, i128, i128),
    ) -> Vec<Accepter> {
        unexplained.open(Difference {
            asset: asset(name),
            expected,
            found,
        });
        let by = |ended: Ended| match ended {
            Ended::Difference(_, by) => by,
            Ended::Trades(_) => panic!("{ended:?}"),
        };
        let ended = unexplained.judge(at, asset(name));
        ended.into_iter().map(by).collect()
    }

    #[test]
    fn a_difference_holds_the_instruments_of_its_asset_until_a_person_accepts_it() {
        let mut all = Unexplained::default();
        assert_eq!(find(&mut all, NOON, ("BTC", 10, 7)), []);
        assert_eq!(find(&mut all, NOON, ("ETH", 1, 2)), []);
        assert_eq!(held(&all), [0, 1, 2]);
        assert_eq!(all.accept(asset("XRP"), &table()), []);
        let ended = all.accept(asset("BTC"), &table());
        assert_eq!(ended.len(), 1);
        assert!(matches!(
            ended[0].deed(),
            Deed::Accepted {
                by: Accepter::Person,
                ..
            }
        ));
        assert_eq!(held(&all), [1]);
        assert_eq!(all.accept(asset("BTC"), &table()), [], "once");
    }

    #[test]
    fn the_rule_accepts_so_much_in_all_a_day_whichever_way_it_goes() {
        let mut all = Unexplained::default();
        all.set_rule(vec![(asset("BTC"), 5)]);
        assert_eq!(find(&mut all, NOON, ("BTC", 10, 7)), [Accepter::Rule]);
        assert_eq!(find(&mut all, NOON, ("BTC", 7, 9)), [Accepter::Rule]);
        assert!(held(&all).is_empty());
        assert_eq!(find(&mut all, NOON, ("BTC", 9, 10)), [], "it is used up");
        assert_eq!(held(&all), [0, 2]);
        // The next day's is for what is found then: what a person has to look at stays.
        assert_eq!(find(&mut all, NEXT_DAY, ("BTC", 10, 5)), [Accepter::Rule]);
        assert_eq!(held(&all), [0, 2]);
        assert_eq!(all.accepted(NEXT_DAY), [(asset("BTC"), 5)]);
        assert_eq!(find(&mut all, NOON, ("ETH", 0, 1)), [], "no rule");
    }

    #[test]
    fn what_is_taken_back_is_over_and_uses_nothing_up() {
        let mut all = Unexplained::default();
        all.set_rule(vec![(asset("BTC"), 2)]);
        assert_eq!(find(&mut all, NOON, ("BTC", 10, 5)), []);
        assert_eq!(find(&mut all, NOON, ("BTC", 5, 8)), []);
        assert_eq!(held(&all), [0, 2]);
        let over = find(&mut all, NOON, ("BTC", 8, 10));
        assert_eq!(over, [Accepter::Exchange; 3]);
        assert!(held(&all).is_empty());
        assert!(all.accepted(NOON).is_empty());
    }

    #[test]
    fn trades_of_no_known_order_hold_until_a_person_accepts_their_asset() {
        let mut all = Unexplained::default();
        all.hold(InstrumentId(0));
        all.hold(InstrumentId(0));
        find(&mut all, NOON, ("BTC", 10, 5));
        assert_eq!(find(&mut all, NOON, ("BTC", 5, 10)).len(), 2);
        assert_eq!(held(&all), [0], "the trade is still nobody's");
        assert_eq!(all.accept(asset("USDT"), &table()), []);
        let ended = all.accept(asset("BTC"), &table());
        assert_eq!(ended, [Ended::Trades(InstrumentId(0))]);
        assert!(held(&all).is_empty());
    }

    #[test]
    fn of_the_same_difference_twice_one_acceptance_ends_one() {
        let mut all = Unexplained::default();
        find(&mut all, NOON, ("BTC", 10, 9));
        find(&mut all, NOON, ("BTC", 10, 9));
        let name = all.differences()[0].name();
        all.settle(NOON, name, Accepter::Rule);
        assert_eq!(all.differences().len(), 1);
        assert_eq!(all.accepted(NOON), [(asset("BTC"), 1)]);
    }
}
