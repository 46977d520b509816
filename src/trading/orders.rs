//! Our open orders, from admission to their end: what the exit says of one becomes a report that
//! its strategy can read. Asks nobody, sends nothing, and believes no word that contradicts the
//! order.

use crate::base::{
    ClientId, InstrumentId, NewOrder, News, Outcome, Px, Qty, Report, Side, StrategyId,
};

/// The orders that have no end yet.
///
/// Each has exactly one end: the report that carries it removes the order, and what is heard of an
/// order that is not here makes no report. Room for all that may be open is made at once.
///
/// Invariant: ids rise: every open id is below `next_id`, and each is there once.
#[derive(Debug)]
pub(crate) struct Orders {
    open: Vec<Open>,
    /// Every id below it is used up.
    next_id: u64,
}

/// An order without an end. It only steps forward: more is filled, never less; what was acked or
/// doubted stays so.
///
/// Invariant: `0 < qty`, `filled <= qty`; what was contradicted is in doubt.
#[derive(Debug)]
struct Open {
    client_id: ClientId,
    instrument: InstrumentId,
    side: Side,
    px: Px,
    qty: Qty,
    filled: Qty,
    /// The strategy's own, from its intent.
    tag: u64,
    strategy: StrategyId,
    acked: bool,
    in_doubt: bool,
    /// What was said of it cannot all be true: only that nothing is left of it ends it.
    contradicted: bool,
}

impl Orders {
    /// No orders, and room for this many.
    pub(crate) fn with_capacity(orders: usize) -> Self {
        Self {
            open: Vec::with_capacity(orders),
            next_id: 0,
        }
    }

    /// Orders without an end.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Every order has its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// An order was admitted: it is open from here on.
    pub(crate) fn open(&mut self, order: &NewOrder, tag: u64) {
        let id = order.client_id.0;
        assert!(order.qty.0 > 0, "risk admits no order of nothing");
        assert!(order.px.0 > 0, "risk admits no order at no price");
        assert!(self.next_id <= id, "risk gives each id once");
        assert!(id < u64::MAX, "risk keeps the largest id back");
        assert!(self.open.len() < self.open.capacity(), "an order too many");
        self.next_id = id + 1;
        self.open.push(Open {
            client_id: order.client_id,
            instrument: order.instrument,
            side: order.side,
            px: order.px,
            qty: order.qty,
            filled: Qty(0),
            tag,
            strategy: order.strategy,
            acked: false,
            in_doubt: false,
            contradicted: false,
        });
        self.check();
    }

    /// Takes what the exit says. `None` if that is nothing new: the order has its end or never was
    /// here, or it is taken or doubted for a second time. A word that contradicts the order puts it
    /// in doubt. No end that leaves something of it takes that doubt away: the exchange said more
    /// of the order than we believed.
    pub(crate) fn hear(&mut self, news: &News) -> Option<Report> {
        let at = self
            .open
            .iter()
            .position(|open| open.client_id == news.client_id)?;
        let outcome = self.open[at].hear(news.outcome)?;
        let told = self.open[at].report(outcome);
        if outcome.is_end() {
            self.open.swap_remove(at);
        }
        self.check();
        Some(told)
    }

    /// The run is over: an order that has no end yet ends as one that nobody knows. To be asked
    /// until there is none.
    pub(crate) fn give_up(&mut self) -> Option<Report> {
        Some(self.open.pop()?.report(Outcome::Unknown))
    }

    /// Looks at the newest order; in debug builds at all.
    fn check(&self) {
        let below = |open: &Open| open.client_id.0 < self.next_id;
        assert!(self.open.last().is_none_or(below));
        debug_assert!(self.open.iter().all(below));
        debug_assert!(self.open.iter().all(|open| {
            let same = |other: &&Open| other.client_id == open.client_id;
            self.open.iter().filter(same).count() == 1
        }));
    }
}

impl Open {
    /// What is new in it.
    fn hear(&mut self, said: Outcome) -> Option<Outcome> {
        let left = self.remaining();
        let (untouched, whole) = (left == self.qty, left == Qty(0));
        match said {
            Outcome::Acked { .. } if self.acked => None,
            Outcome::Acked { .. } => {
                self.acked = true;
                Some(said)
            }
            Outcome::Fill { qty, .. } if qty.0 > 0 && qty <= left => {
                let before = self.filled;
                self.filled = Qty(before.0 + qty.0);
                assert!(before < self.filled, "a fill was taken back");
                self.check();
                Some(said)
            }
            // Whatever it is called: nothing of it is left.
            Outcome::Filled | Outcome::Cancelled | Outcome::Expired if whole => {
                Some(Outcome::Filled)
            }
            Outcome::Unknown => Some(said),
            Outcome::Cancelled | Outcome::Expired if !self.contradicted => Some(said),
            Outcome::Rejected { .. } | Outcome::NotSent if untouched && !self.contradicted => {
                Some(said)
            }
            Outcome::InDoubt => self.doubt(),
            Outcome::Fill { .. }
            | Outcome::Filled
            | Outcome::Cancelled
            | Outcome::Expired
            | Outcome::Rejected { .. }
            | Outcome::NotSent
            | Outcome::Refused { .. } => {
                self.contradicted = true;
                self.doubt()
            }
        }
    }

    /// Doubt is said once.
    fn doubt(&mut self) -> Option<Outcome> {
        let new = !std::mem::replace(&mut self.in_doubt, true);
        self.check();
        new.then_some(Outcome::InDoubt)
    }

    fn remaining(&self) -> Qty {
        assert!(self.filled <= self.qty, "more was filled than was ordered");
        Qty(self.qty.0 - self.filled.0)
    }

    fn report(&self, outcome: Outcome) -> Report {
        self.check_told(outcome);
        Report {
            client_id: self.client_id,
            strategy: self.strategy,
            tag: self.tag,
            instrument: self.instrument,
            side: self.side,
            px: self.px,
            qty: self.qty,
            remaining: self.remaining(),
            outcome,
        }
    }

    /// A strategy is told nothing that contradicts what it ordered and what was filled of that.
    fn check_told(&self, outcome: Outcome) {
        let left = self.remaining();
        let refused = matches!(outcome, Outcome::Refused { .. });
        assert!(!refused, "what risk refused never was an order");
        match outcome {
            Outcome::Acked { .. } => assert!(self.acked),
            Outcome::Fill { qty, .. } => {
                assert!(qty.0 > 0, "a fill of nothing");
                assert!(qty <= self.filled, "a fill that is not in the sum");
            }
            Outcome::InDoubt => assert!(self.in_doubt),
            Outcome::Filled => assert!(left == Qty(0), "filled, with something left"),
            Outcome::Cancelled | Outcome::Expired => {
                assert!(left.0 > 0, "over, and filled whole");
                assert!(!self.contradicted, "an end that is not believed");
            }
            Outcome::Rejected { .. } | Outcome::NotSent => {
                assert!(left == self.qty, "filled, and never was there");
                assert!(!self.contradicted, "an end that is not believed");
            }
            Outcome::Unknown | Outcome::Refused { .. } => {}
        }
    }

    fn check(&self) {
        assert!(0 < self.qty.0);
        assert!(self.filled <= self.qty);
        assert!(self.in_doubt || !self.contradicted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::TimeInForce;
    use proptest::prelude::*;

    fn order(id: u64, qty: u64) -> NewOrder {
        NewOrder {
            client_id: ClientId(id),
            strategy: StrategyId(2),
            instrument: InstrumentId(3),
            side: Side::Sell,
            px: Px(100),
            qty: Qty(qty),
            tif: TimeInForce::ImmediateOrCancel,
        }
    }

    fn news(id: u64, outcome: Outcome) -> News {
        News {
            client_id: ClientId(id),
            instrument: InstrumentId(3),
            outcome,
        }
    }

    fn fill(qty: u64) -> Outcome {
        Outcome::Fill {
            px: Px(101),
            qty: Qty(qty),
        }
    }

    /// What one order of 10 is told, and how much of it was left each time.
    fn told(said: &[Outcome]) -> Vec<(Outcome, u64)> {
        let mut orders = Orders::with_capacity(1);
        orders.open(&order(1, 10), 77);
        let hear = |outcome: &Outcome| orders.hear(&news(1, *outcome));
        let told: Vec<_> = said.iter().filter_map(hear).collect();
        let ours = |report: &Report| (report.strategy, report.tag) == (StrategyId(2), 77);
        assert!(told.iter().all(ours));
        let short = |report: Report| (report.outcome, report.remaining.0);
        told.into_iter().map(short).collect()
    }

    const ACKED: Outcome = Outcome::Acked { exchange_id: 5 };

    #[test]
    fn a_report_says_what_was_ordered_and_what_is_left_of_it() {
        let mut orders = Orders::with_capacity(1);
        orders.open(&order(1, 10), 77);
        let report = orders.hear(&news(1, fill(4))).unwrap();
        let expected = Report {
            client_id: ClientId(1),
            strategy: StrategyId(2),
            tag: 77,
            instrument: InstrumentId(3),
            side: Side::Sell,
            px: Px(100),
            qty: Qty(10),
            remaining: Qty(6),
            outcome: fill(4),
        };
        assert_eq!(report, expected);
    }

    #[test]
    fn what_is_said_after_the_end_or_twice_is_nothing_new() {
        let all = [
            ACKED,
            ACKED,
            fill(4),
            Outcome::Expired,
            Outcome::Expired,
            fill(6),
            ACKED,
        ];
        assert_eq!(
            told(&all),
            [(ACKED, 10), (fill(4), 6), (Outcome::Expired, 6)]
        );
    }

    #[test]
    fn of_an_order_that_was_filled_whole_the_end_is_that_it_was() {
        for end in [Outcome::Filled, Outcome::Expired, Outcome::Cancelled] {
            let said = [(fill(4), 6), (fill(6), 0), (Outcome::Filled, 0)];
            assert_eq!(told(&[fill(4), fill(6), end]), said);
        }
    }

    #[test]
    fn doubt_is_said_once_and_is_no_end_and_a_late_answer_ends_it() {
        let rejected = Outcome::Rejected { code: -1 };
        for (end, last) in [(Outcome::Expired, Outcome::Expired), (rejected, rejected)] {
            let said = told(&[Outcome::InDoubt, Outcome::InDoubt, end]);
            assert_eq!(said, [(Outcome::InDoubt, 10), (last, 10)]);
        }
    }

    #[test]
    fn a_word_that_contradicts_the_order_puts_it_in_doubt() {
        for lie in [fill(11), fill(0), Outcome::Filled] {
            assert_eq!(told(&[lie]), [(Outcome::InDoubt, 10)], "{lie:?}");
        }
        for lie in [
            Outcome::Rejected { code: -1 },
            Outcome::NotSent,
            fill(7),
            Outcome::Filled,
        ] {
            let said = [(fill(4), 6), (Outcome::InDoubt, 6)];
            assert_eq!(told(&[fill(4), lie]), said, "{lie:?}");
        }
    }

    /// An exchange that said that more was filled than was ordered does not make that undone by
    /// saying that the order is over: it may have traded, and keeps its place.
    #[test]
    fn an_order_of_which_more_was_said_than_can_be_is_not_over_while_something_is_left() {
        let ends = [
            Outcome::Cancelled,
            Outcome::Expired,
            Outcome::NotSent,
            Outcome::Rejected { code: -1 },
            Outcome::Filled,
        ];
        for lie in [fill(11), fill(0), Outcome::Filled] {
            for end in ends {
                assert_eq!(
                    told(&[lie, end]),
                    [(Outcome::InDoubt, 10)],
                    "{lie:?} {end:?}"
                );
            }
            let said = [lie, Outcome::Expired, fill(10), Outcome::Expired];
            let whole = [(Outcome::InDoubt, 10), (fill(10), 0), (Outcome::Filled, 0)];
            assert_eq!(told(&said), whole, "{lie:?}");
            let unknown = [(Outcome::InDoubt, 10), (Outcome::Unknown, 10)];
            assert_eq!(told(&[lie, Outcome::Unknown]), unknown, "{lie:?}");
        }
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(ACKED),
            (0u64..8).prop_map(fill),
            Just(Outcome::Filled),
            Just(Outcome::Cancelled),
            Just(Outcome::Expired),
            Just(Outcome::Rejected { code: -1 }),
            Just(Outcome::NotSent),
            Just(Outcome::InDoubt),
            Just(Outcome::Unknown),
        ]
    }

    proptest! {
        /// Whatever is said, in any order and of any order: each has one end, and the fills and
        /// what is left make up what was ordered.
        #[test]
        fn every_order_has_exactly_one_end_and_its_parts_make_up_the_whole(
            sizes in prop::collection::vec(1u64..10, 1..6),
            said in prop::collection::vec((0u64..7, outcome()), 0..60),
        ) {
            let mut orders = Orders::with_capacity(sizes.len());
            for (id, qty) in sizes.iter().enumerate() {
                orders.open(&order(id as u64, *qty), id as u64);
            }
            let capacity = orders.open.capacity();
            let mut ends = vec![0; sizes.len()];
            let mut filled = vec![0; sizes.len()];
            let mut check = |report: Report, ends: &mut Vec<u32>| {
                let id = report.tag as usize;
                assert_eq!(ends[id], 0, "news after the end");
                if let Outcome::Fill { qty, .. } = report.outcome {
                    filled[id] += qty.0;
                }
                assert_eq!(filled[id] + report.remaining.0, sizes[id]);
                assert_eq!(report.qty.0, sizes[id]);
                let whole = report.remaining == Qty(0);
                match report.outcome {
                    Outcome::Filled => assert!(whole),
                    Outcome::Cancelled | Outcome::Expired => assert!(!whole),
                    Outcome::Rejected { .. } | Outcome::NotSent => assert_eq!(filled[id], 0),
                    _ => {}
                }
                ends[id] += u32::from(report.outcome.is_end());
            };
            for (id, outcome) in said {
                if let Some(report) = orders.hear(&news(id, outcome)) {
                    check(report, &mut ends);
                }
            }
            while let Some(report) = orders.give_up() {
                check(report, &mut ends);
            }
            prop_assert!(ends.iter().all(|ends| *ends == 1), "{:?}", ends);
            prop_assert_eq!(orders.open.capacity(), capacity);
        }
    }
}
