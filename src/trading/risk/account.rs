//! What our own orders and positions say against an order.

use super::{Risk, hold_if, orders, refuse_if};
use crate::base::{Instrument, Mode, Nanos, OrderType, Place, Side, Working};
use crate::trading::exposure::{Cell, Sums, VALUE_SCALE};
use crate::trading::orders::Orders;
use crate::trading::refusal::{Refusal, Refused, Unit};

/// What one look at all working orders finds of those that an order has to do with. A cancel or a
/// change that is under way ends none of them.
#[derive(Debug, Default)]
struct Found {
    of_strategy: usize,
    of_instrument: usize,
    identical: usize,
    meets: bool,
    in_doubt: bool,
}

impl Found {
    fn look(place: &Place, working: &[Working]) -> Self {
        let mut found = Self::default();
        for order in working {
            let own = order.strategy == place.strategy;
            found.of_strategy += usize::from(own);
            if order.instrument != place.instrument {
                continue;
            }
            found.of_instrument += 1;
            if order.side != place.side {
                found.meets |= order.order_type.rests() && meets(place, order);
                continue;
            }
            let same_px = order.px == place.px;
            found.in_doubt |= same_px && order.in_doubt;
            found.identical += usize::from(own && same_px && order.qty == place.qty);
        }
        found
    }
}

/// Whether an order would trade with one of ours that rests on the other side.
fn meets(place: &Place, resting: &Working) -> bool {
    match (place.order_type, place.side) {
        (OrderType::Market, _) => true,
        (_, Side::Buy) => place.px >= resting.px,
        (_, Side::Sell) => place.px <= resting.px,
    }
}

/// What an order can do to positions, at worst.
pub(super) struct Reach<'a> {
    account: &'a Cell,
    own: &'a Cell,
    /// It can only bring the account's position nearer to nothing.
    reduces: bool,
    /// It can only bring its strategy's position nearer to nothing.
    own_reduces: bool,
}

impl Risk {
    /// What an order can do to positions; `None` if its instrument is not in the table.
    pub(super) fn reach(&self, place: &Place) -> Option<Reach<'_>> {
        let [account, own] = self.exposure.cells(place.instrument, place.strategy)?;
        Some(Reach {
            account,
            own,
            reduces: account.is_reduced_by(place.side, place.qty),
            own_reduces: own.is_reduced_by(place.side, place.qty),
        })
    }

    /// What a twin that keeps no positions must be told: whether an order only reduces the
    /// account's, and the gate of values that it fails.
    #[cfg(test)]
    pub(crate) fn told_reach(&self, place: &Place) -> (bool, Option<Refusal>) {
        let Some(reach) = self.reach(place) else {
            return (false, None);
        };
        let failed = self.judge_values(place, &reach).err();
        (reach.reduces, failed.map(|refused| refused.gate))
    }

    /// Whether anything, or only what reduces, may be ordered.
    pub(super) fn judge_mode(&self, place: &Place, reach: &Reach<'_>) -> Result<(), Refused> {
        if self.closing {
            return refuse_if(!reach.reduces || !reach.own_reduces, Refusal::ReduceOnly);
        }
        let seat = self.seats.get(place.instrument.index());
        let of_instrument = seat.map_or(Mode::Trading, |seat| seat.mode);
        let own_mode = self.own(place.strategy).mode;
        let held = self.all.mode.max(of_instrument) == Mode::ReduceOnly && !reach.reduces;
        let own_held = own_mode == Mode::ReduceOnly && !reach.own_reduces;
        refuse_if(held || own_held, Refusal::ReduceOnly)
    }

    /// What our own orders say against it, and how large positions could get.
    pub(super) fn judge_account(
        &self,
        now: Nanos,
        place: &Place,
        (instrument, reach): (&Instrument, &Reach<'_>),
        open: &Orders,
    ) -> Result<(), Refused> {
        let found = Found::look(place, open.working());
        refuse_if(found.meets, Refusal::SelfTrade)?;
        refuse_if(found.in_doubt, Refusal::SlotInDoubt)?;
        let (max, count) = (self.identical_orders_max, found.identical);
        hold_if(count >= max, Refusal::Duplicate, || orders(max, count + 1))?;
        self.judge_positions(place, instrument, reach)?;
        self.judge_values(place, reach)?;
        let own = self.own(place.strategy);
        let counts = [
            (
                Refusal::OpenOrders,
                self.all.limits.open_orders_max,
                open.len(),
            ),
            (
                Refusal::StrategyOpenOrders,
                own.limits.open_orders_max,
                found.of_strategy,
            ),
            (
                Refusal::InstrumentOpenOrders,
                self.instrument_open_orders_max,
                found.of_instrument,
            ),
        ];
        for (gate, max, count) in counts {
            hold_if(count >= max, gate, || orders(max, count + 1))?;
        }
        own.judge_conduct(now)?;
        self.all.judge_rate(now, Refusal::OrderRate)?;
        own.judge_rate(now, Refusal::StrategyOrderRate)
    }

    fn judge_positions(
        &self,
        place: &Place,
        instrument: &Instrument,
        reach: &Reach<'_>,
    ) -> Result<(), Refused> {
        let own = self.own(place.strategy);
        let positions = [
            (
                Refusal::PositionMax,
                &self.all,
                reach.account,
                reach.reduces,
            ),
            (
                Refusal::StrategyPositionMax,
                own,
                reach.own,
                reach.own_reduces,
            ),
        ];
        for (gate, own, cell, reduces) in positions {
            let max = own.limits.position_max(place.instrument.index());
            let worst = cell.worst_with(place.side, place.qty);
            hold_if(!reduces && worst > max, gate, || {
                (Unit::Quantity(instrument.qty_scale), max, worst)
            })?;
        }
        Ok(())
    }

    fn judge_values(&self, place: &Place, reach: &Reach<'_>) -> Result<(), Refused> {
        if reach.reduces && reach.own_reduces {
            return Ok(());
        }
        let sums = self.exposure.with(place).ok_or(Refusal::Overflow)?;
        let [of_own, of_exchange, of_all] = &sums;
        let (all, own) = (&self.all.limits, &self.own(place.strategy).limits);
        let gross = |sums: &Sums| sums.gross;
        // An order can make the difference larger on its own side only.
        let net = |sums: &Sums| match place.side {
            Side::Buy => sums.high,
            Side::Sell => -sums.low,
        };
        let (account, strategy) = (!reach.reduces, !reach.own_reduces);
        let values = [
            (Refusal::GrossMax, account, all.gross_max, gross(of_all)),
            (
                Refusal::ExchangeGrossMax,
                account,
                self.exchange_gross_max,
                gross(of_exchange),
            ),
            (
                Refusal::StrategyGrossMax,
                strategy,
                own.gross_max,
                gross(of_own),
            ),
            (Refusal::NetMax, account, all.net_max, net(of_all)),
            (
                Refusal::ExchangeNetMax,
                account,
                self.exchange_net_max,
                net(of_exchange),
            ),
            (Refusal::StrategyNetMax, strategy, own.net_max, net(of_own)),
        ];
        for (gate, concerned, max, found) in values {
            hold_if(concerned && found > max, gate, || {
                let unit = Unit::Notional(VALUE_SCALE);
                (unit, max.unsigned_abs(), found.unsigned_abs())
            })?;
        }
        Ok(())
    }
}
