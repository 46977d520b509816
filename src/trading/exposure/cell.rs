//! What is held and ordered of one instrument, by the account or by one strategy.

use super::seat::{Rate, Seat, VALUE_MAX};
use super::signed;
use crate::base::decimal::rounded;
use crate::base::{Fee, Fill, Px, Qty, Side};

/// What a cell adds to its sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Worth {
    pub(super) high: i128,
    pub(super) low: i128,
    pub(super) gross: i128,
    pub(super) gain: i128,
    /// It does not fit: the others are zero.
    pub(super) uncounted: bool,
}

/// What is held and ordered.
///
/// Invariant: `0 <= buy` and `0 <= sell`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cell {
    /// What was bought, less what was sold.
    qty: i128,
    /// What was taken in for that, less what was paid.
    cash: i128,
    /// What orders may still buy.
    buy: i128,
    /// What orders may still sell.
    sell: i128,
    /// What was restored of `qty` at a price that nobody knows.
    unpriced: i128,
    /// Something of it did not fit.
    lost: bool,
    worth: Worth,
}

impl Cell {
    /// What was bought, less what was sold.
    #[cfg(test)]
    pub(crate) fn qty(&self) -> i128 {
        self.qty
    }

    /// What may still trade at worst, buying and selling.
    pub(crate) fn pending(&self) -> [i128; 2] {
        [self.buy, self.sell]
    }

    /// Whether an order can only bring the position nearer to nothing, whatever else trades.
    pub(crate) fn is_reduced_by(&self, side: Side, qty: Qty) -> bool {
        let qty = i128::from(qty.0);
        match side {
            Side::Buy => self.qty + self.buy + qty <= 0,
            Side::Sell => 0 <= self.qty - self.sell - qty,
        }
    }

    /// How large the position gets at worst in the direction of such an order.
    pub(crate) fn worst_with(&self, side: Side, qty: Qty) -> u128 {
        let then = self.with(side, qty);
        let worst = match side {
            Side::Buy => then.qty + then.buy,
            Side::Sell => then.sell - then.qty,
        };
        worst.max(0).unsigned_abs()
    }

    pub(super) fn with(&self, side: Side, qty: Qty) -> Self {
        let mut then = *self;
        then.move_pending(side, Qty(0), qty);
        then
    }

    /// Nothing of it changes what it is worth when prices change.
    pub(super) fn is_idle(&self, seat: &Seat) -> bool {
        let settled = !self.worth.uncounted && self.worth.gross == 0;
        // What an inverse contract gained is worth what its base asset is.
        let floats = seat.is_inverse() && self.cash != 0;
        self.qty == 0 && !self.has_orders() && settled && !floats
    }

    pub(super) fn has_orders(&self) -> bool {
        self.buy != 0 || self.sell != 0
    }

    pub(super) fn worth(&self) -> Worth {
        self.worth
    }

    pub(super) fn move_pending(&mut self, side: Side, before: Qty, after: Qty) {
        let pending = match side {
            Side::Buy => &mut self.buy,
            Side::Sell => &mut self.sell,
        };
        *pending += i128::from(after.0) - i128::from(before.0);
        debug_assert!(self.is_sane());
    }

    pub(super) fn is_sane(&self) -> bool {
        0 <= self.buy && 0 <= self.sell
    }

    pub(super) fn add(&mut self, seat: &Seat, fill: &Fill) {
        self.qty += signed(fill.side, fill.qty.0);
        let buys = fill.side == Side::Buy;
        // Of an inverse contract a purchase brings base.
        let brings = buys == seat.is_inverse();
        match seat.cash(fill.px, fill.qty, buys) {
            Some(cash) => self.take(if brings { cash } else { -cash }),
            None => self.lost = true,
        }
        if let Some(fee) = &fill.fee {
            self.pay(seat, fill, fee);
        }
    }

    /// A fee in base or quote lessens the gain; what another asset is worth is not known here.
    fn pay(&mut self, seat: &Seat, fill: &Fill, fee: &Fee) {
        let listing = seat.listing();
        let (own, other) = match seat.is_inverse() {
            true => (listing.base, listing.quote),
            false => (listing.quote, listing.base),
        };
        let (units, scale, up) = (fee.amount.units, fee.amount.scale, !fee.rebate);
        let amount = match fee.asset {
            asset if asset == own => seat.paid(units, scale, up),
            asset if asset == other && !seat.is_inverse() => {
                let worth = u128::from(fill.px.0.unsigned_abs()).checked_mul(units);
                worth.and_then(|worth| seat.paid(worth, scale + listing.px_scale, up))
            }
            _ => return,
        };
        match amount {
            Some(amount) => self.take(if fee.rebate { amount } else { -amount }),
            None => self.lost = true,
        }
    }

    fn take(&mut self, cash: i128) {
        match self.cash.checked_add(cash) {
            Some(sum) => self.cash = sum,
            None => self.lost = true,
        }
    }

    pub(super) fn restore(&mut self, seat: &Seat, qty: i128, entry: Option<Px>) {
        let side = if qty < 0 { Side::Sell } else { Side::Buy };
        match (u64::try_from(qty.unsigned_abs()), entry) {
            (Ok(units), Some(px)) => self.add(seat, &Fill::bare(0, side, px, Qty(units))),
            _ => {
                self.qty = self.qty.saturating_add(qty);
                self.unpriced = self.unpriced.saturating_add(qty);
            }
        }
    }

    /// The units of the position are others from here on; what is cut off counts whole.
    pub(super) fn rescale(&mut self, from: u8, to: u8) {
        for qty in [&mut self.qty, &mut self.unpriced] {
            match rounded(*qty, from, to, *qty > 0) {
                Some(units) => *qty = units,
                None => self.lost = true,
            }
        }
    }

    /// Values all of it anew, and gives that.
    pub(super) fn value(&mut self, seat: &Seat) -> Worth {
        if self.unpriced != 0 && seat.is_marked() {
            // From here on it gains and loses: what it is worth now is what was paid for it.
            match seat.gain(self.unpriced, 0) {
                Some(worth) => self.take(-worth),
                None => self.lost = true,
            }
            self.unpriced = 0;
        }
        let none = Worth {
            uncounted: true,
            ..Worth::default()
        };
        self.worth = self.worth_now(seat).unwrap_or(none);
        self.worth
    }

    fn worth_now(&self, seat: &Seat) -> Option<Worth> {
        if self.lost {
            return None;
        }
        let gain = seat.gain(self.qty - self.unpriced, self.cash)?;
        if gain.unsigned_abs() > VALUE_MAX {
            return None;
        }
        match self.qty == 0 && !self.has_orders() {
            true => Some(Worth {
                gain,
                ..Worth::default()
            }),
            false => self.exposed(seat.rate()?, gain),
        }
    }

    /// What it is worth at this rate, if it gained so much.
    pub(super) fn exposed(&self, rate: Rate, gain: i128) -> Option<Worth> {
        let high = rate.value(self.qty + self.buy, true)?;
        let low = rate.value(self.qty - self.sell, false)?;
        Some(Worth {
            high,
            low,
            gross: high.abs().max(low.abs()),
            gain,
            uncounted: false,
        })
    }
}
