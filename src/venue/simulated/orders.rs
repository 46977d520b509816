//! Orders at the simulated exchange: what the ledger and the matching engine do with one. Knows no
//! protocol.

use super::{Source, Venue};
use crate::base::{Asset, Instrument, Kind, Level, Px, Qty, Side};
use crate::exchange::Exchange;
use crate::exchange::mirror::orders::{
    Amount, Change, Fees, Life, OwnTrade, SelfTrade, Size, Sort, Terms,
};
use crate::exchange::mirror::{Denied, Holdings, Market, Matcher, Order, Place, Placed, Refusal};
use crate::venue::flow::{Flow, Matched};
use crate::venue::ledger::{Execution, Key, Ledger, needed, worth};
use crate::venue::matching::{Fill, Incoming, Owner};
use std::collections::BTreeMap;

/// What a new account has of the assets that prices are in, in whole units.
const OPENING_QUOTE: u128 = 100_000_000;
/// What it has of any other asset is worth this much at the start, or up to ten times as much: a
/// round number is easier to read.
const OPENING_WORTH: u128 = 10_000_000;
/// At an exchange without accounts nothing is counted or charged.
const NO_TERMS: Terms = Terms {
    fees: Fees {
        maker_ppm: 0,
        taker_ppm: 0,
        decimals: 0,
    },
    orders: &[],
    credit: (0, 0),
};

/// The ledger of an exchange before its prices are known.
pub(super) fn no_accounts(exchange: &dyn Exchange) -> Ledger {
    let accounts = exchange.mirror().accounts();
    let terms = accounts.map_or(NO_TERMS, |accounts| accounts.terms());
    Ledger::new(terms, [])
}

/// What an order wants of the book.
struct Wanted {
    incoming: Incoming,
    /// What it would trade with at once.
    reach: Vec<Level>,
    /// What it needs of its account.
    needs: Amount,
}

impl Venue {
    /// A ledger whose accounts begin with something of all that is listed.
    pub(super) fn open_accounts(&self) -> Ledger {
        let mut opening: BTreeMap<Asset, Amount> = BTreeMap::new();
        let spot = self.listings.iter().enumerate();
        let spot = spot.filter(|(_, listing)| listing.instrument.kind == Kind::Spot);
        for (n, listing) in spot.clone() {
            let Instrument { base, px_scale, .. } = listing.instrument;
            let px = u128::from(self.day(n).last.0.unsigned_abs()).max(1);
            let units = OPENING_WORTH * 10u128.pow(px_scale.into()) / px;
            let round = 10u128.pow(units.checked_ilog10().unwrap_or(0) + 1);
            opening.insert(base, Amount::of(round, 0));
        }
        for (_, listing) in spot {
            opening.insert(listing.instrument.quote, Amount::of(OPENING_QUOTE, 0));
        }
        let accounts = self.exchange.mirror().accounts();
        let terms = accounts.map_or(NO_TERMS, |accounts| accounts.terms());
        Ledger::new(terms, opening)
    }

    /// Whether a client that causes something is told of it before its request is answered:
    /// exchanges promise no order.
    pub(crate) fn tells_first(&mut self) -> bool {
        self.dice.bool()
    }

    /// Somebody trades with every client's order that rests: with all that is left of it, or with
    /// half.
    pub(crate) fn sweep(&mut self, half: bool) {
        let first = self.events.len();
        for order in self.ledger.all_open() {
            let Place { listing, side, .. } = order.asked;
            let lot = self.listings[listing].instrument.lot.0.max(1);
            let Source::Flow(flows) = &mut self.source else {
                return;
            };
            let flow = &mut flows.markets[listing];
            let Some(ahead) = flow.book().up_to(order.id) else {
                continue; // One before it took it along.
            };
            let spared = if half {
                order.left().0 / 2 / lot * lot
            } else {
                0
            };
            let (px, qty) = (order.asked.px, Qty(ahead.0 - spared));
            let incoming = Incoming::flow(side.opposite(), px, qty, false);
            flow.place(self.now, incoming, &mut self.events);
            self.settle(listing);
        }
        self.take_in(first);
    }

    /// Books what the market of this listing did to clients' orders.
    pub(super) fn settle(&mut self, listing: usize) {
        let matched = match &mut self.source {
            Source::Flow(flows) => flows.markets[listing].take_matched(),
            Source::Play(..) => return,
        };
        self.book(listing, &matched);
        let now = self.now();
        self.ledger.settle(now);
    }

    /// Books what was matched. Gives the taker's trades, if it is a client's.
    fn book(&mut self, listing: usize, matched: &Matched) -> Vec<OwnTrade> {
        let at = self.unix(self.now);
        let instrument = &self.listings[listing].instrument;
        let mut taken = Vec::new();
        for &(trade_id, fill) in &matched.fills {
            let Fill { px, qty, .. } = fill;
            for (owner, id, maker) in [
                (fill.taker_owner, fill.taker, false),
                (fill.maker_owner, fill.maker, true),
            ] {
                if owner == Owner::NOBODY {
                    continue;
                }
                let execution = Execution {
                    trade_id,
                    px,
                    qty,
                    maker,
                };
                let traded = self
                    .ledger
                    .trade(owner, (instrument, at), (listing, id), execution);
                taken.extend(traded.filter(|_| !maker));
            }
        }
        for met in &matched.prevented {
            let (key, change) = ((listing, met.id), Change::Prevented);
            self.ledger.end(met.owner, (instrument, at), key, change);
        }
        taken
    }

    /// What an order wants of this market, or why it cannot have it.
    fn wanted(flow: &Flow, instrument: &Instrument, owner: Owner, order: &Place) -> Option<Wanted> {
        let mut incoming = Incoming {
            side: order.side,
            px: match (order.sort, order.side) {
                (Sort::Limit | Sort::PostOnly, _) => order.px,
                (Sort::Market, Side::Buy) => Px(i64::MAX),
                (Sort::Market, Side::Sell) => Px(0),
            },
            qty: Qty(u64::MAX),
            rests: order.sort != Sort::Market && order.life == Life::GoodTillCancel,
            owner,
            meets: order.meets,
        };
        let mut reach: Vec<Level> = Vec::new();
        let mut left = order.size;
        for level in flow.book().reach(incoming) {
            let qty = match left {
                Size::Qty(left) => left.min(level.qty),
                Size::Worth(left) => lots_for(instrument, level.px, left).min(level.qty),
            };
            if qty.0 == 0 {
                break;
            }
            left = match left {
                Size::Qty(left) => Size::Qty(Qty(left.0 - qty.0)),
                Size::Worth(left) => {
                    let spent = worth(instrument, level.px, qty);
                    Size::Worth(Amount(left.0.saturating_sub(spent.0)))
                }
            };
            reach.push(Level { px: level.px, qty });
            if qty < level.qty {
                break;
            }
        }
        let reached = reach.iter().map(|level| level.qty.0).sum();
        incoming.qty = match order.size {
            Size::Qty(qty) => qty,
            Size::Worth(_) => Qty(reached),
        };
        let needs = match order.sort {
            Sort::Limit | Sort::PostOnly => needed(instrument, order.side, order.px, incoming.qty),
            Sort::Market => {
                let needs = |level: &Level| needed(instrument, order.side, level.px, level.qty).0;
                Amount(reach.iter().map(needs).sum())
            }
        };
        (incoming.qty.0 > 0).then_some(Wanted {
            incoming,
            reach,
            needs,
        })
    }

    /// The market stands at `now`. In a recording an order is taken and never trades.
    fn put(&mut self, owner: Owner, order: &Place) -> Result<Placed, Denied> {
        let at = self.unix(self.now);
        let n = order.listing;
        let instrument = &self.listings[n].instrument;
        let mut matched = Matched::default();
        let (id, rests) = match &mut self.source {
            Source::Flow(flows) => {
                let flow = &mut flows.markets[n];
                let wanted = Self::wanted(flow, instrument, owner, order);
                let Wanted {
                    incoming,
                    reach,
                    needs,
                } = wanted.ok_or(Denied::NoLiquidity)?;
                let anybody = Incoming {
                    meets: SelfTrade::Allowed,
                    ..incoming
                };
                if order.sort == Sort::PostOnly && flow.book().reach(anybody).next().is_some() {
                    return Err(Denied::WouldTake);
                }
                if !self.ledger.affords(owner, instrument, order.side, needs) {
                    return Err(Denied::Insufficient);
                }
                let reached: u64 = reach.iter().map(|level| level.qty.0).sum();
                let killed = order.life == Life::FillOrKill && reached < incoming.qty.0;
                let id = match killed {
                    true => flow.skip(),
                    false => flow.place(self.now, incoming, &mut self.events),
                };
                matched = flow.take_matched();
                let size = (incoming.qty, needs);
                self.ledger
                    .open(owner, (instrument, at), (id, order.clone()), size)?;
                (id, flow.book().rests(id))
            }
            Source::Play(..) => {
                let id = self.orders + 1;
                let qty = match order.size {
                    Size::Qty(qty) => qty,
                    Size::Worth(_) => return Err(Denied::NoLiquidity),
                };
                let needs = match order.sort {
                    Sort::Limit | Sort::PostOnly => needed(instrument, order.side, order.px, qty),
                    Sort::Market => Amount::ZERO,
                };
                self.ledger
                    .open(owner, (instrument, at), (id, order.clone()), (qty, needs))?;
                let rests = order.life == Life::GoodTillCancel && order.sort != Sort::Market;
                (id, rests)
            }
        };
        let trades = self.book(n, &matched);
        if !rests {
            let instrument = &self.listings[n].instrument;
            self.ledger
                .end(owner, (instrument, at), (n, id), Change::Expired);
        }
        let order = self.ledger.holdings(owner).and_then(|has| has.order(n, id));
        let order = order.cloned().ok_or(Denied::Unknown)?;
        Ok(Placed { order, trades })
    }

    /// An order of this account that rests, and whose it is.
    fn resting(&mut self, account: &str, key: Key) -> Result<(Owner, Order), Denied> {
        let owner = self.ledger.enter(account).ok_or(Denied::Unknown)?;
        let holdings = self.ledger.holdings(owner).ok_or(Denied::Unknown)?;
        let order = holdings.open.get(&key).ok_or(Denied::Unknown)?;
        Ok((owner, order.clone()))
    }
}

impl Matcher for Venue {
    fn spend(&mut self, weight: u32) -> Result<(), Refusal> {
        let (now, from) = (self.now, self.visitor);
        self.gate.admit_request(now, from, weight, None)
    }

    fn spent(&self) -> u32 {
        self.gate.spent(self.now, self.visitor)
    }

    fn dice(&mut self) -> u64 {
        self.dice.u64(..)
    }

    fn holdings(&mut self, account: &str) -> Option<&Holdings> {
        let owner = self.ledger.enter(account)?;
        self.ledger.holdings(owner)
    }

    fn count(&mut self, account: &str) -> Result<(), Denied> {
        let now = self.now();
        let owner = self.ledger.enter(account).ok_or(Denied::Unknown)?;
        self.ledger.count(owner, now)
    }

    fn place(&mut self, account: &str, order: &Place) -> Result<Placed, Denied> {
        self.count(account)?;
        let first = self.events.len();
        let owner = self.ledger.enter(account).ok_or(Denied::Unknown)?;
        let holdings = self.ledger.holdings(owner).ok_or(Denied::Unknown)?;
        let same = |one: &Order| one.asked.client_id == order.client_id;
        if holdings.resting(order.listing).any(same) {
            return Err(Denied::Duplicate);
        }
        let placed = self.put(owner, order)?;
        self.orders += 1;
        self.take_in(first);
        let now = self.now();
        self.ledger.settle(now);
        Ok(placed)
    }

    fn cancel(&mut self, account: &str, key: Key, by: &str) -> Result<Order, Denied> {
        let first = self.events.len();
        let (owner, _) = self.resting(account, key)?;
        if let Source::Flow(flows) = &mut self.source {
            flows.markets[key.0].cancel(self.now, key.1, &mut self.events);
        }
        let now = self.now();
        let instrument = &self.listings[key.0].instrument;
        let change = Change::Cancelled(by.to_owned());
        let ended = self.ledger.end(owner, (instrument, now), key, change);
        self.take_in(first);
        self.ledger.settle(now);
        ended.ok_or(Denied::Unknown)
    }

    fn amend(
        &mut self,
        account: &str,
        key: Key,
        qty: Qty,
        client_id: &str,
    ) -> Result<(Order, u64), Denied> {
        let first = self.events.len();
        let (owner, order) = self.resting(account, key)?;
        if qty == order.qty {
            return Err(Denied::NoChange);
        }
        if qty > order.qty || qty <= order.executed {
            return Err(Denied::NotLess);
        }
        let by = Qty(order.qty.0 - qty.0);
        if let Source::Flow(flows) = &mut self.source {
            flows.markets[key.0].reduce(self.now, key.1, by, &mut self.events);
        }
        let now = self.now();
        let instrument = &self.listings[key.0].instrument;
        let amended = self
            .ledger
            .amend(owner, (instrument, now), key, (qty, client_id));
        self.take_in(first);
        self.ledger.settle(now);
        amended.ok_or(Denied::Unknown)
    }
}

/// As many whole lots as this amount of the quote asset pays for at this price.
fn lots_for(instrument: &Instrument, px: Px, amount: Amount) -> Qty {
    let one = instrument.notional(px, Qty(1)).unwrap_or(u128::MAX).max(1);
    let units = amount.units(instrument.notional_scale()) / one;
    let units = u64::try_from(units).unwrap_or(u64::MAX);
    Qty(units / instrument.lot.0.max(1) * instrument.lot.0.max(1))
}

#[cfg(test)]
mod tests;
