//! Fills orders on paper, against the picture that the desk keeps. Invents no liquidity beyond it.
//!
//! It is optimistic in three ways, which a live run is not: an order takes nothing out of the book,
//! so that the next one meets the same levels; it arrives at once; and nobody reacts to it. Levels
//! below the completeness horizon do exist at their price; a better level that is not seen there
//! would only have filled better.

use crate::base::event::EVENT_LEVELS;
use crate::base::{NewOrder, News, Outcome, Px, Qty, Side, TimeInForce, Top};
use crate::market::Picture;
use arrayvec::ArrayVec;

/// What one order causes, at most: the ack, a fill per level, the end.
pub(crate) const REPORTS_MAX: usize = EVENT_LEVELS + 2;

/// Rejected: there is no live book to fill from. Our own code, far from any exchange's.
pub(crate) const REJECTED_BOOK_NOT_LIVE: i32 = -900_001;
/// Rejected: the best bid is at or above the best ask, so that nobody could trade at these prices.
/// Our own code.
pub(crate) const REJECTED_BOOK_CROSSED: i32 = -900_002;

/// What becomes of one order, in order.
pub(crate) type Reports = ArrayVec<News, REPORTS_MAX>;

/// The exchange of a paper account.
///
/// Invariant: exchange ids rise, and each order is told one end, as the last thing.
#[derive(Debug, Default)]
pub struct Paper {
    /// The last exchange id that was given.
    exchange_id: u64,
}

impl Paper {
    /// A paper account that took no order yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a LIMIT IOC: acked, filled level by level at each level's own price up to the limit
    /// price, and then over, filled or with what is left expired; or rejected with one of the codes
    /// above.
    pub(crate) fn handle_order(&mut self, order: &NewOrder, view: &Picture) -> Reports {
        assert!(order.qty.0 > 0, "risk admits no order of nothing");
        assert!(order.px.0 > 0, "risk admits no order at no price");
        match order.tif {
            TimeInForce::ImmediateOrCancel => {}
        }
        let mut reports = Reports::new();
        let mut report = |outcome| {
            reports.push(News {
                client_id: order.client_id,
                instrument: order.instrument,
                outcome,
            });
        };
        match view.live(order.instrument).map(|shown| &shown.top) {
            None => report(Outcome::Rejected {
                code: REJECTED_BOOK_NOT_LIVE,
            }),
            Some(top) if top.crossed() => report(Outcome::Rejected {
                code: REJECTED_BOOK_CROSSED,
            }),
            Some(top) => {
                self.exchange_id += 1;
                report(Outcome::Acked {
                    exchange_id: self.exchange_id,
                });
                fill(order, top, report);
            }
        }
        check_told(order, &reports);
        reports
    }
}

/// The fills of an order are at most the order, and it ends once, as the last thing.
fn check_told(order: &NewOrder, reports: &[News]) {
    assert!(reports.last().is_some_and(|last| last.outcome.is_end()));
    let fills = reports.iter().map(|news| match news.outcome {
        Outcome::Fill { qty, .. } => qty.0,
        _ => 0,
    });
    let ends = reports.iter().filter(|news| news.outcome.is_end());
    debug_assert!(fills.sum::<u64>() <= order.qty.0);
    debug_assert_eq!(ends.count(), 1);
}

/// Walks the opposite side, best level first, and tells what was taken of each.
fn fill(order: &NewOrder, top: &Top<EVENT_LEVELS>, mut report: impl FnMut(Outcome)) {
    let mut left = order.qty;
    for level in top.side(order.side.opposite()) {
        if left.0 == 0 || !reaches(order, level.px) {
            break;
        }
        let qty = left.min(level.qty);
        debug_assert!(qty.0 > 0, "a book keeps no level of nothing");
        report(Outcome::Fill { px: level.px, qty });
        left = Qty(left.0 - qty.0);
    }
    assert!(left <= order.qty, "more was filled than was ordered");
    report(match left {
        Qty(0) => Outcome::Filled,
        Qty(_) => Outcome::Expired,
    });
}

/// Whether the order's limit allows this price.
fn reaches(order: &NewOrder, px: Px) -> bool {
    match order.side {
        Side::Buy => px <= order.px,
        Side::Sell => px >= order.px,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{
        Body, ClientId, Event, Flags, Instrument, InstrumentId, Level, Nanos, Stamps, Status,
        StrategyId, Symbol, UnixNanos,
    };
    use proptest::{collection, prop_assert, prop_assert_eq, proptest};

    fn levels(levels: &[(i64, u64)]) -> impl Iterator<Item = Level> {
        levels.iter().map(|(px, qty)| Level {
            px: Px(*px),
            qty: Qty(*qty),
        })
    }

    /// A paper account, and the picture that it fills from.
    type Bench = (Paper, Picture);

    fn dark() -> Bench {
        let symbol = Symbol::from("BTCUSDT").unwrap();
        let instrument = Instrument::bare("binance", symbol, (2, 5));
        (Paper::new(), Picture::new(&[instrument]))
    }

    fn show(bench: &mut Bench, body: Body) {
        const NOW: Nanos = Nanos::from_secs(1);
        let event = Event {
            stamps: Stamps {
                book: NOW,
                ..Stamps::default()
            },
            exch_time: UnixNanos(0),
            as_of: NOW,
            update_id: 1,
            epoch: 1,
            instrument: InstrumentId(0),
            flags: Flags::default(),
            body,
        };
        bench.1.handle_event(NOW, &event);
    }

    fn paper(bids: &[(i64, u64)], asks: &[(i64, u64)]) -> Bench {
        let mut top = Top::EMPTY;
        top.set(Side::Buy, levels(bids), bids.len(), false);
        top.set(Side::Sell, levels(asks), asks.len(), false);
        let mut bench = dark();
        show(&mut bench, Body::Book(top));
        bench
    }

    fn order(side: Side, px: i64, qty: u64) -> NewOrder {
        NewOrder {
            client_id: ClientId(9),
            strategy: StrategyId(0),
            instrument: InstrumentId(0),
            side,
            px: Px(px),
            qty: Qty(qty),
            tif: TimeInForce::ImmediateOrCancel,
        }
    }

    fn outcomes((paper, view): &mut Bench, order: &NewOrder) -> Vec<Outcome> {
        let ours = |report: &News| {
            (report.client_id, report.instrument) == (order.client_id, order.instrument)
        };
        let reports = paper.handle_order(order, view);
        assert!(reports.iter().all(ours));
        reports.iter().map(|report| report.outcome).collect()
    }

    fn acked(exchange_id: u64) -> Outcome {
        Outcome::Acked { exchange_id }
    }

    fn filled(px: i64, qty: u64) -> Outcome {
        Outcome::Fill {
            px: Px(px),
            qty: Qty(qty),
        }
    }

    const BIDS: &[(i64, u64)] = &[(100, 5), (98, 7), (95, 9)];
    const ASKS: &[(i64, u64)] = &[(101, 4), (103, 6), (104, 8)];

    #[test]
    fn a_buy_takes_each_level_at_its_own_price_up_to_its_limit_and_the_rest_expires() {
        let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Buy, 103, 20));
        assert_eq!(
            got,
            [acked(1), filled(101, 4), filled(103, 6), Outcome::Expired]
        );
    }

    #[test]
    fn a_sell_takes_the_bids_and_ends_when_it_is_filled() {
        let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Sell, 95, 12));
        assert_eq!(
            got,
            [acked(1), filled(100, 5), filled(98, 7), Outcome::Filled]
        );
    }

    #[test]
    fn an_order_that_does_not_reach_the_book_expires_whole() {
        for order in [order(Side::Buy, 100, 1), order(Side::Sell, 101, 1)] {
            let got = outcomes(&mut paper(BIDS, ASKS), &order);
            assert_eq!(got, [acked(1), Outcome::Expired]);
        }
    }

    #[test]
    fn nothing_is_filled_beyond_what_is_seen() {
        let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Buy, 1_000, 100));
        let seen = [filled(101, 4), filled(103, 6), filled(104, 8)];
        assert_eq!(got[1..4], seen);
        assert_eq!(got[4..], [Outcome::Expired]);
    }

    #[test]
    fn ten_levels_and_a_rest_are_all_reported() {
        let asks: Vec<_> = (101..111).map(|px| (px, 1)).collect();
        let got = outcomes(&mut paper(BIDS, &asks), &order(Side::Buy, 200, 11));
        assert_eq!(got.len(), REPORTS_MAX);
    }

    #[test]
    fn the_book_is_not_used_up_and_exchange_ids_count_up() {
        let (mut paper, order) = (paper(BIDS, ASKS), order(Side::Buy, 101, 4));
        for id in [1, 2] {
            let got = outcomes(&mut paper, &order);
            assert_eq!(got, [acked(id), filled(101, 4), Outcome::Filled]);
        }
    }

    #[test]
    fn without_a_live_book_an_order_is_rejected() {
        let rejected = [Outcome::Rejected {
            code: REJECTED_BOOK_NOT_LIVE,
        }];
        let order = order(Side::Buy, 101, 1);
        assert_eq!(outcomes(&mut dark(), &order), rejected);
        let mut paper = paper(BIDS, ASKS);
        show(&mut paper, Body::Status(Status::Stale));
        assert_eq!(outcomes(&mut paper, &order), rejected);
        let foreign = NewOrder {
            instrument: InstrumentId(1),
            ..order
        };
        assert_eq!(outcomes(&mut paper, &foreign), rejected);
    }

    #[test]
    fn a_crossed_book_fills_nothing() {
        assert_eq!(
            outcomes(
                &mut paper(&[(101, 7)], &[(101, 7)]),
                &order(Side::Buy, 101, 1)
            ),
            [Outcome::Rejected {
                code: REJECTED_BOOK_CROSSED
            }]
        );
    }

    proptest! {
        /// The twin takes one unit at a time from the cheapest ask that is left.
        #[test]
        fn it_fills_as_taking_unit_by_unit_does(
            qtys in collection::vec(1u64..6, 0..10),
            limit in 99i64..112,
            qty in 1u64..40,
        ) {
            let asks: Vec<_> = (101..).zip(qtys.iter().copied()).collect();
            let units = asks.iter().flat_map(|(px, n)| (0..*n).map(move |_| *px));
            let twin: Vec<i64> = units.filter(|px| *px <= limit).take(qty as usize).collect();
            let (mut taken, mut end) = (Vec::new(), None);
            for outcome in outcomes(&mut paper(BIDS, &asks), &order(Side::Buy, limit, qty)) {
                prop_assert!(end.is_none(), "news after the end");
                match outcome {
                    Outcome::Fill { px, qty } => taken.extend((0..qty.0).map(|_| px.0)),
                    other if other.is_end() => end = Some(other),
                    other => prop_assert_eq!(other, acked(1)),
                }
            }
            let whole = taken.len() == qty as usize;
            prop_assert_eq!(end, Some(if whole { Outcome::Filled } else { Outcome::Expired }));
            prop_assert_eq!(taken, twin);
        }
    }
}
