//! What this run's fills did to the account, by asset: to be compared with what the exchange says
//! that it has.

use super::{ASSET_SCALE, Pnl};
use crate::base::decimal::rescaled;
use crate::base::{Asset, StrategyId};

impl Pnl {
    /// What this run's fills and their fees brought of an asset, below zero if they took some, in
    /// units of 10^-[`ASSET_SCALE`]: by one strategy, or by all and by nobody; at one exchange, or
    /// everywhere. Instruments are taken for spot, in which assets change hands. `None` if that
    /// does not fit.
    pub(crate) fn brought(
        &self,
        by: Option<StrategyId>,
        exchange: Option<&str>,
        asset: Asset,
    ) -> Option<i128> {
        let (own, row) = (
            by.map(|strategy| self.seat(strategy)),
            self.instruments.len(),
        );
        let mut all = (0..self.books.len())
            .filter(|at| own.is_none_or(|own| at / row == own))
            .filter(|at| self.is_at(*at, exchange));
        all.try_fold(0i128, |sum, at| {
            sum.checked_add(self.brought_at(at, asset)?)
        })
    }

    /// The assets that this run's fills were of, and their fees, at one exchange or everywhere.
    pub(crate) fn assets(&self, exchange: Option<&str>) -> Vec<Asset> {
        let mut all = Vec::new();
        let books = self.books.iter().enumerate();
        for (at, book) in books.filter(|(at, _)| self.is_at(*at, exchange)) {
            let of = &self.instruments[at % self.instruments.len()];
            if book.fills > 0 {
                all.extend([of.base, of.quote]);
            }
            all.extend(book.fees().map(|charge| charge.asset));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn is_at(&self, at: usize, exchange: Option<&str>) -> bool {
        let its = &self.instruments[at % self.instruments.len()];
        exchange.is_none_or(|exchange| its.exchange == exchange)
    }

    fn brought_at(&self, at: usize, asset: Asset) -> Option<i128> {
        let (held, book) = (&self.positions[at], &self.books[at]);
        let of = &self.instruments[at % self.instruments.len()];
        let mut sum = 0i128;
        if asset == of.base {
            let qty = held.qty.checked_sub(book.before.qty)?;
            sum = sum.checked_add(rescaled(qty, of.qty_scale, ASSET_SCALE)?)?;
        }
        if asset == of.quote {
            let cash = held.cash.checked_sub(book.before.cash)?;
            sum = sum.checked_add(rescaled(cash, of.cash_scale(), ASSET_SCALE)?)?;
        }
        for charge in book.fees().filter(|charge| charge.asset == asset) {
            sum = sum.checked_sub(charge.units)?;
        }
        let concerned = sum != 0 || [of.base, of.quote].contains(&asset);
        (!book.lost || !concerned).then_some(sum)
    }
}
