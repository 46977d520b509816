//! A matching engine for one instrument: price first, then time. Correct before fast: it is the
//! exchange, not the engine. Knows whose an order is by a number only; knows no balances, no
//! filters and no clock.

use crate::base::{Level, Px, Qty, Side};
use crate::exchange::mirror::orders::SelfTrade;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// An order's id: dense, in order of arrival.
pub(crate) type OrderId = u64;

/// Whose an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner(pub(crate) u32);

impl Owner {
    /// The market's own flow: its orders may trade with each other.
    pub(crate) const NOBODY: Self = Self(0);
}

/// An order that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incoming {
    /// Buy or sell.
    pub(crate) side: Side,
    /// The limit.
    pub(crate) px: Px,
    /// How much; above zero.
    pub(crate) qty: Qty,
    /// What does not trade at once rests.
    pub(crate) rests: bool,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// What happens if it meets another one of its owner.
    pub(crate) meets: SelfTrade,
}

impl Incoming {
    /// An order of the market's own flow.
    pub(crate) fn flow(side: Side, px: Px, qty: Qty, rests: bool) -> Self {
        Self {
            side,
            px,
            qty,
            rests,
            owner: Owner::NOBODY,
            meets: SelfTrade::Allowed,
        }
    }

    /// What happens if it meets an order of this owner: nothing, if they may trade.
    fn spares(&self, maker: Owner) -> Option<SelfTrade> {
        let own = maker == self.owner && maker != Owner::NOBODY;
        (own && self.meets != SelfTrade::Allowed).then_some(self.meets)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resting {
    id: OrderId,
    qty: Qty,
    owner: Owner,
}

/// One match: a resting order was hit at its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    /// The order that rested, and whose it is.
    pub(crate) maker: OrderId,
    /// See `maker`.
    pub(crate) maker_owner: Owner,
    /// The order that came, and whose it is.
    pub(crate) taker: OrderId,
    /// See `taker`.
    pub(crate) taker_owner: Owner,
    /// The side of the order that took.
    pub(crate) taker_side: Side,
    /// The price: the resting order's.
    pub(crate) px: Px,
    /// How much.
    pub(crate) qty: Qty,
}

/// An order that met another one of its owner, and expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prevented {
    /// The order.
    pub(crate) id: OrderId,
    /// Whose it is.
    pub(crate) owner: Owner,
    /// What was left of it.
    pub(crate) left: Qty,
}

/// What one call did: fills in order, and the levels that changed (one may be named more than
/// once).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// In the order in which they happened.
    pub(crate) fills: Vec<Fill>,
    /// Side and price of each.
    pub(crate) touched: Vec<(Side, Px)>,
    /// Those that met others of their owner.
    pub(crate) prevented: Vec<Prevented>,
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

    /// The last change has this id from now on.
    pub(crate) fn renumber(&mut self, update_id: u64) {
        self.update_id = update_id;
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

    /// Matches a limit order. What is left rests in the book if it may, and expires otherwise.
    /// Gives its id.
    pub(crate) fn place(&mut self, order: Incoming, out: &mut Effects) -> OrderId {
        let Incoming { side, px, .. } = order;
        assert!(order.qty.0 > 0, "an order for nothing");
        self.orders += 1;
        let id = self.orders;
        let left = self.take(id, order, out);
        if left.0 > 0 && order.rests {
            self.places.insert(id, (side, px));
            let queue = self.queues_mut(side).entry(px).or_default();
            queue.push_back(Resting {
                id,
                qty: left,
                owner: order.owner,
            });
            self.touch(side, px, out);
        }
        self.check();
        id
    }

    /// What somebody must take to have all of this order; `None` if it does not rest.
    pub(crate) fn up_to(&self, id: OrderId) -> Option<Qty> {
        let &(side, px) = self.places.get(&id)?;
        let better = self.levels(side).take_while(|level| level.px != px);
        let better: u64 = better.map(|level| level.qty.0).sum();
        let queue = self.queues(side).get(&px)?;
        let at = queue.iter().position(|order| order.id == id)?;
        let queued: u64 = queue.iter().take(at + 1).map(|order| order.qty.0).sum();
        Some(Qty(better + queued))
    }

    /// The id of an order that never comes in.
    pub(crate) fn skip(&mut self) -> OrderId {
        self.orders += 1;
        self.orders
    }

    /// What such an order would trade with, best first, however large it is.
    pub(crate) fn reach(&self, order: Incoming) -> impl Iterator<Item = Level> + use<'_> {
        let other = order.side.opposite();
        let (bids, asks) = match other {
            Side::Buy => (Some(self.bids.iter().rev()), None),
            Side::Sell => (None, Some(self.asks.iter())),
        };
        let queues = bids.into_iter().flatten().chain(asks.into_iter().flatten());
        let within = queues.take_while(move |(px, _)| reaches(order.side, order.px, **px));
        let makers = within.flat_map(|(&px, queue)| queue.iter().map(move |maker| (px, maker)));
        let stops = move |maker: &Resting| match order.spares(maker.owner) {
            Some(SelfTrade::ExpireTaker | SelfTrade::ExpireBoth) => true,
            Some(SelfTrade::Allowed | SelfTrade::ExpireMaker) | None => false,
        };
        makers
            .take_while(move |(_, maker)| !stops(maker))
            .filter(move |(_, maker)| order.spares(maker.owner).is_none())
            .map(|(px, maker)| Level { px, qty: maker.qty })
    }

    /// Makes a resting order smaller by this much, which leaves something of it; it keeps its
    /// place. False when it does not rest, or is not larger.
    pub(crate) fn reduce(&mut self, id: OrderId, by: Qty, out: &mut Effects) -> bool {
        let Some(&(side, px)) = self.places.get(&id) else {
            return false;
        };
        let queue = self.queues_mut(side).get_mut(&px);
        let order = queue.and_then(|queue| queue.iter_mut().find(|order| order.id == id));
        match order {
            Some(order) if by.0 > 0 && by < order.qty => order.qty.0 -= by.0,
            Some(_) | None => return false,
        }
        self.touch(side, px, out);
        self.check();
        true
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

    /// Fills against the other side up to the limit; gives what is left and may rest.
    fn take(&mut self, id: OrderId, order: Incoming, out: &mut Effects) -> Qty {
        let (side, other) = (order.side, order.side.opposite());
        let mut left = order.qty;
        while left.0 > 0 {
            let best = self.best(other);
            let Some(best) = best.filter(|best| reaches(side, order.px, best.px)) else {
                break;
            };
            let Some(queue) = self.queues_mut(other).get_mut(&best.px) else {
                break;
            };
            let Some(maker) = queue.front_mut() else {
                break;
            };
            let met = *maker;
            let spared = order.spares(met.owner);
            if spared.is_none() {
                let qty = Qty(left.0.min(met.qty.0));
                maker.qty.0 -= qty.0;
                left.0 -= qty.0;
                out.fills.push(Fill {
                    maker: met.id,
                    maker_owner: met.owner,
                    taker: id,
                    taker_owner: order.owner,
                    taker_side: side,
                    px: best.px,
                    qty,
                });
            }
            let ends = matches!(spared, Some(SelfTrade::ExpireMaker | SelfTrade::ExpireBoth));
            if ends {
                out.prevented.push(Prevented {
                    id: met.id,
                    owner: met.owner,
                    left: met.qty,
                });
            }
            if ends || maker.qty.0 == 0 {
                queue.pop_front();
                if queue.is_empty() {
                    self.queues_mut(other).remove(&best.px);
                }
                self.places.remove(&met.id);
            }
            if spared != Some(SelfTrade::ExpireTaker) {
                self.touch(other, best.px, out);
            }
            if matches!(spared, Some(SelfTrade::ExpireTaker | SelfTrade::ExpireBoth)) {
                let owner = order.owner;
                out.prevented.push(Prevented { id, owner, left });
                return Qty(0);
            }
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
        orders: Vec<(OrderId, Side, Px, Qty, Owner)>,
        next: OrderId,
        update_id: u64,
    }

    impl Naive {
        fn place(&mut self, order: Incoming, out: &mut Effects) -> OrderId {
            self.next += 1;
            let Incoming { side, px, .. } = order;
            let mut qty = order.qty;
            while qty.0 > 0 {
                let makers = self.orders.iter().enumerate().filter(|(_, maker)| {
                    maker.1 != side
                        && if side == Side::Buy {
                            maker.2 <= px
                        } else {
                            maker.2 >= px
                        }
                });
                let sign = if side == Side::Buy { 1 } else { -1 };
                let Some(n) = makers
                    .min_by_key(|(_, maker)| (maker.2.0 * sign, maker.0))
                    .map(|(n, _)| n)
                else {
                    break;
                };
                let (maker, maker_side, maker_px, left, maker_owner) = self.orders[n];
                let own = maker_owner == order.owner && order.owner != Owner(0);
                if own && order.meets != SelfTrade::Allowed {
                    if order.meets != SelfTrade::ExpireTaker {
                        let owner = maker_owner;
                        let id = maker;
                        out.prevented.push(Prevented { id, owner, left });
                        self.orders.remove(n);
                        out.touched.push((maker_side, maker_px));
                        self.update_id += 1;
                    }
                    if order.meets != SelfTrade::ExpireMaker {
                        let (id, owner, left) = (self.next, order.owner, qty);
                        out.prevented.push(Prevented { id, owner, left });
                        return self.next;
                    }
                    continue;
                }
                let traded = Qty(qty.0.min(left.0));
                out.fills.push(Fill {
                    maker,
                    maker_owner,
                    taker: self.next,
                    taker_owner: order.owner,
                    taker_side: side,
                    px: maker_px,
                    qty: traded,
                });
                out.touched.push((maker_side, maker_px));
                self.update_id += 1;
                qty.0 -= traded.0;
                self.orders[n].3.0 -= traded.0;
                if self.orders[n].3.0 == 0 {
                    self.orders.remove(n);
                }
            }
            if qty.0 > 0 && order.rests {
                self.orders.push((self.next, side, px, qty, order.owner));
                out.touched.push((side, px));
                self.update_id += 1;
            }
            self.next
        }

        fn reduce(&mut self, id: OrderId, by: Qty, out: &mut Effects) -> bool {
            let Some(order) = self.orders.iter_mut().find(|order| order.0 == id) else {
                return false;
            };
            if by.0 == 0 || by >= order.3 {
                return false;
            }
            order.3.0 -= by.0;
            out.touched.push((order.1, order.2));
            self.update_id += 1;
            true
        }

        fn cancel(&mut self, id: OrderId, out: &mut Effects) -> bool {
            let Some(n) = self.orders.iter().position(|order| order.0 == id) else {
                return false;
            };
            let (_, side, px, ..) = self.orders.remove(n);
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

    fn incoming(dice: &mut fastrand::Rng) -> Incoming {
        let meets = [
            SelfTrade::Allowed,
            SelfTrade::ExpireMaker,
            SelfTrade::ExpireTaker,
            SelfTrade::ExpireBoth,
        ];
        Incoming {
            side: if dice.bool() { Side::Buy } else { Side::Sell },
            px: Px(dice.i64(90..=110)),
            qty: Qty(dice.u64(1..=9)),
            rests: dice.u8(..4) > 0,
            owner: Owner(dice.u32(..4)),
            meets: meets[dice.usize(..4)],
        }
    }

    fn plain(side: Side, px: i64, qty: u64, rests: bool) -> Incoming {
        Incoming::flow(side, Px(px), Qty(qty), rests)
    }

    #[test]
    fn the_engine_equals_its_naive_twin_on_every_step() {
        for seed in 0..40 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let (mut engine, mut naive) = (Matching::new(0), Naive::default());
            for step in 0..400 {
                let (mut got, mut want) = (Effects::default(), Effects::default());
                let id = dice.u64(0..=naive.next + 1);
                match dice.u8(..10) {
                    0..2 => assert_eq!(engine.cancel(id, &mut got), naive.cancel(id, &mut want)),
                    2..4 => {
                        let by = Qty(dice.u64(0..=9));
                        let reduced = engine.reduce(id, by, &mut got);
                        assert_eq!(reduced, naive.reduce(id, by, &mut want));
                    }
                    _ => {
                        let order = incoming(&mut dice);
                        let reached: Vec<Level> = engine.reach(order).collect();
                        let id = engine.place(order, &mut got);
                        assert_eq!(id, naive.place(order, &mut want));
                        let rests = naive.orders.iter().any(|order| order.0 == id);
                        assert_eq!(engine.rests(id), rests);
                        let mut left = order.qty.0;
                        let within = reached.iter().map(|level| {
                            let qty = left.min(level.qty.0);
                            left -= qty;
                            (level.px, Qty(qty))
                        });
                        let within: Vec<_> = within.filter(|(_, qty)| qty.0 > 0).collect();
                        let fills: Vec<_> =
                            got.fills.iter().map(|fill| (fill.px, fill.qty)).collect();
                        assert_eq!(fills, within, "seed={seed} step={step}");
                    }
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
        let first = book.place(plain(Side::Sell, 10, 2, true), &mut out);
        let second = book.place(plain(Side::Sell, 10, 2, true), &mut out);
        out = Effects::default();
        book.place(plain(Side::Buy, 12, 3, false), &mut out);
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
        let id = book.place(plain(Side::Buy, 9, 5, false), &mut out);
        assert!(!book.rests(id));
        assert_eq!((out, book.update_id()), (Effects::default(), 0));
    }
    #[test]
    fn an_order_that_was_made_smaller_keeps_its_place() {
        let (mut book, mut out) = (Matching::new(0), Effects::default());
        let first = book.place(plain(Side::Sell, 10, 5, true), &mut out);
        book.place(plain(Side::Sell, 10, 5, true), &mut out);
        assert!(book.reduce(first, Qty(3), &mut out));
        out = Effects::default();
        book.place(plain(Side::Buy, 10, 2, false), &mut out);
        assert_eq!((out.fills[0].maker, out.fills[0].qty), (first, Qty(2)));
    }
}
