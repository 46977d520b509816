//! A matching engine for one instrument: price first, then time. Correct before fast: it is the
//! exchange, not the engine. Knows no accounts, no filters and no clock.

use crate::base::{Level, Px, Qty, Side};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// An order's id: dense, in order of arrival.
pub(crate) type OrderId = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resting {
    id: OrderId,
    qty: Qty,
}

/// One match: a resting order was hit at its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    /// The order that rested.
    pub(crate) maker: OrderId,
    /// The side of the order that took.
    pub(crate) taker_side: Side,
    /// The price: the resting order's.
    pub(crate) px: Px,
    /// How much.
    pub(crate) qty: Qty,
}

/// What one call did: fills in order, and the levels that changed (one may be named more than
/// once).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// In the order in which they happened.
    pub(crate) fills: Vec<Fill>,
    /// Side and price of each.
    pub(crate) touched: Vec<(Side, Px)>,
}

type Queues = BTreeMap<Px, VecDeque<Resting>>;

/// The book of one instrument.
///
/// Invariant: best bid < best ask; no queue is empty; each resting order is in `places` once, with
/// a quantity above zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matching {
    bids: Queues,
    asks: Queues,
    places: HashMap<OrderId, (Side, Px)>,
    orders: OrderId,
    update_id: u64,
}

impl Matching {
    /// An empty book whose first change will have the id after `update_id`.
    pub(crate) fn new(update_id: u64) -> Self {
        Self {
            update_id,
            ..Self::default()
        }
    }

    /// The id of the last change: each change of one level's quantity counts one.
    pub(crate) fn update_id(&self) -> u64 {
        self.update_id
    }

    /// True while this order rests.
    pub(crate) fn rests(&self, id: OrderId) -> bool {
        self.places.contains_key(&id)
    }

    /// One side's levels, best first.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        let (bids, asks) = match side {
            Side::Buy => (Some(self.bids.iter().rev()), None),
            Side::Sell => (None, Some(self.asks.iter())),
        };
        let queues = bids.into_iter().flatten().chain(asks.into_iter().flatten());
        queues.map(|(&px, queue)| Level {
            px,
            qty: total(queue),
        })
    }

    /// Best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Level> {
        self.levels(side).next()
    }

    /// Everything that rests at `px`; zero if nothing does.
    pub(crate) fn qty_at(&self, side: Side, px: Px) -> Qty {
        self.queues(side).get(&px).map_or(Qty(0), total)
    }

    /// Matches a limit order. What is left rests in the book if `rests` is set, and expires
    /// otherwise. Gives its id.
    pub(crate) fn place(
        &mut self,
        side: Side,
        px: Px,
        qty: Qty,
        rests: bool,
        out: &mut Effects,
    ) -> OrderId {
        assert!(qty.0 > 0, "an order for nothing");
        self.orders += 1;
        let id = self.orders;
        let left = self.take(side, px, qty, out);
        if left.0 > 0 && rests {
            self.places.insert(id, (side, px));
            self.queues_mut(side)
                .entry(px)
                .or_default()
                .push_back(Resting { id, qty: left });
            self.touch(side, px, out);
        }
        self.check();
        id
    }

    /// Takes a resting order out; false when it does not rest.
    pub(crate) fn cancel(&mut self, id: OrderId, out: &mut Effects) -> bool {
        let Some((side, px)) = self.places.remove(&id) else {
            return false;
        };
        let queues = self.queues_mut(side);
        if let Some(queue) = queues.get_mut(&px) {
            queue.retain(|order| order.id != id);
            if queue.is_empty() {
                queues.remove(&px);
            }
        }
        self.touch(side, px, out);
        self.check();
        true
    }

    /// Fills against the other side up to the limit `px`; gives what is left.
    fn take(&mut self, side: Side, px: Px, mut left: Qty, out: &mut Effects) -> Qty {
        let other = side.opposite();
        while left.0 > 0 {
            let Some(best) = self.best(other).filter(|best| reaches(side, px, best.px)) else {
                break;
            };
            let Some(queue) = self.queues_mut(other).get_mut(&best.px) else {
                break;
            };
            let Some(maker) = queue.front_mut() else {
                break;
            };
            let (maker_id, qty) = (maker.id, Qty(left.0.min(maker.qty.0)));
            maker.qty.0 -= qty.0;
            left.0 -= qty.0;
            if maker.qty.0 == 0 {
                queue.pop_front();
                if queue.is_empty() {
                    self.queues_mut(other).remove(&best.px);
                }
                self.places.remove(&maker_id);
            }
            out.fills.push(Fill {
                maker: maker_id,
                taker_side: side,
                px: best.px,
                qty,
            });
            self.touch(other, best.px, out);
        }
        left
    }

    fn touch(&mut self, side: Side, px: Px, out: &mut Effects) {
        self.update_id += 1;
        out.touched.push((side, px));
    }

    fn queues(&self, side: Side) -> &Queues {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn queues_mut(&mut self, side: Side) -> &mut Queues {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn check(&self) {
        let best = |side| self.best(side).map(|level: Level| level.px);
        if let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) {
            debug_assert!(bid < ask, "crossed after matching");
        }
    }
}

fn total(queue: &VecDeque<Resting>) -> Qty {
    Qty(queue.iter().map(|order| order.qty.0).sum())
}

/// Whether an order of `side` with this limit may trade at `px`.
fn reaches(side: Side, limit: Px, px: Px) -> bool {
    match side {
        Side::Buy => px <= limit,
        Side::Sell => px >= limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The naive twin: one list of orders, searched in full for the best maker each time.
    #[derive(Default)]
    struct Naive {
        orders: Vec<(OrderId, Side, Px, Qty)>,
        next: OrderId,
        update_id: u64,
    }

    impl Naive {
        fn place(
            &mut self,
            side: Side,
            px: Px,
            mut qty: Qty,
            rests: bool,
            out: &mut Effects,
        ) -> OrderId {
            self.next += 1;
            while qty.0 > 0 {
                let makers = self.orders.iter().enumerate().filter(|(_, order)| {
                    order.1 != side
                        && if side == Side::Buy {
                            order.2 <= px
                        } else {
                            order.2 >= px
                        }
                });
                let sign = if side == Side::Buy { 1 } else { -1 };
                let Some(n) = makers
                    .min_by_key(|(_, order)| (order.2.0 * sign, order.0))
                    .map(|(n, _)| n)
                else {
                    break;
                };
                let maker = &mut self.orders[n];
                let traded = Qty(qty.0.min(maker.3.0));
                out.fills.push(Fill {
                    maker: maker.0,
                    taker_side: side,
                    px: maker.2,
                    qty: traded,
                });
                out.touched.push((maker.1, maker.2));
                self.update_id += 1;
                qty.0 -= traded.0;
                maker.3.0 -= traded.0;
                if maker.3.0 == 0 {
                    self.orders.remove(n);
                }
            }
            if qty.0 > 0 && rests {
                self.orders.push((self.next, side, px, qty));
                out.touched.push((side, px));
                self.update_id += 1;
            }
            self.next
        }

        fn cancel(&mut self, id: OrderId, out: &mut Effects) -> bool {
            let Some(n) = self.orders.iter().position(|order| order.0 == id) else {
                return false;
            };
            let (_, side, px, _) = self.orders.remove(n);
            out.touched.push((side, px));
            self.update_id += 1;
            true
        }

        fn levels(&self, side: Side) -> Vec<Level> {
            let mut levels = BTreeMap::new();
            for order in self.orders.iter().filter(|order| order.1 == side) {
                *levels.entry(order.2).or_insert(0) += order.3.0;
            }
            let mut levels: Vec<_> = levels
                .into_iter()
                .map(|(px, qty)| Level { px, qty: Qty(qty) })
                .collect();
            if side == Side::Buy {
                levels.reverse();
            }
            levels
        }
    }

    #[test]
    fn the_engine_equals_its_naive_twin_on_every_step() {
        for seed in 0..40 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (mut engine, mut naive) = (Matching::new(0), Naive::default());
            for step in 0..400 {
                let (mut got, mut want) = (Effects::default(), Effects::default());
                if dice.u8(..10) < 3 {
                    let id = dice.u64(0..=naive.next + 1);
                    assert_eq!(engine.cancel(id, &mut got), naive.cancel(id, &mut want));
                } else {
                    let side = if dice.bool() { Side::Buy } else { Side::Sell };
                    let (px, qty, rests) = (
                        Px(dice.i64(90..=110)),
                        Qty(dice.u64(1..=9)),
                        dice.u8(..4) > 0,
                    );
                    let id = engine.place(side, px, qty, rests, &mut got);
                    assert_eq!(id, naive.place(side, px, qty, rests, &mut want));
                    assert_eq!(
                        engine.rests(id),
                        naive.orders.iter().any(|order| order.0 == id)
                    );
                }
                assert_eq!(got, want, "seed={seed} step={step}");
                assert_eq!(engine.update_id(), naive.update_id);
                assert_eq!(engine.places.len(), naive.orders.len());
                for side in [Side::Buy, Side::Sell] {
                    let levels: Vec<_> = engine.levels(side).collect();
                    assert_eq!(levels, naive.levels(side), "seed={seed} step={step}");
                }
            }
        }
    }

    #[test]
    fn the_earlier_order_at_a_price_trades_first_and_at_its_own_price() {
        let (mut book, mut out) = (Matching::new(100), Effects::default());
        let first = book.place(Side::Sell, Px(10), Qty(2), true, &mut out);
        let second = book.place(Side::Sell, Px(10), Qty(2), true, &mut out);
        out = Effects::default();
        book.place(Side::Buy, Px(12), Qty(3), false, &mut out);
        let fills: Vec<_> = out
            .fills
            .iter()
            .map(|fill| (fill.maker, fill.px, fill.qty))
            .collect();
        assert_eq!(fills, [(first, Px(10), Qty(2)), (second, Px(10), Qty(1))]);
        assert_eq!(
            (book.qty_at(Side::Sell, Px(10)), book.update_id()),
            (Qty(1), 104)
        );
    }

    #[test]
    fn what_an_ioc_order_cannot_fill_expires() {
        let (mut book, mut out) = (Matching::new(0), Effects::default());
        let id = book.place(Side::Buy, Px(9), Qty(5), false, &mut out);
        assert!(!book.rests(id));
        assert_eq!((out, book.update_id()), (Effects::default(), 0));
    }
}
