//! What is shown of profit and loss: a row per strategy and instrument, and totals per asset.

use super::{ASSET_SCALE, Charge, FEE_ASSETS, Pnl};
use crate::base::decimal::{divided, rounded, ten};
use crate::base::{Asset, Decimal, Instrument, InstrumentId, Position, Px, StrategyId};

/// A strategy and an instrument, as it stands.
///
/// Money is of [`Self::asset`], in units of 10^-[`Self::scale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Whose; [`StrategyId::NONE`] has what is nobody's.
    pub(crate) strategy: StrategyId,
    /// Of what.
    pub(crate) instrument: InstrumentId,
    /// Fills of this run.
    pub(crate) fills: u64,
    /// What is held, with what an earlier run left.
    pub(crate) position: Position,
    /// What of it can be sold: fees in the base asset took the rest. Rounded down.
    pub(crate) sellable: i128,
    /// Decimals of quantities.
    pub(crate) qty_scale: u8,
    /// What a unit of it cost on average.
    pub(crate) average: Option<Decimal>,
    /// What it is paid in.
    pub(crate) asset: Asset,
    /// Decimals of money.
    pub(crate) scale: u8,
    /// What this run gained by what is no longer held.
    pub(crate) realised: i128,
    /// What the position gained since it was bought, at the middle of the book; `None` if no book
    /// was seen.
    pub(crate) unrealised: Option<i128>,
    /// The same at the best bid if it is long, at the best ask if it is short.
    pub(crate) unrealised_worst: Option<i128>,
    /// What the exchange took in this run, by asset.
    pub(crate) fees: [Option<Charge>; FEE_ASSETS],
    /// Something did not fit, and is not in it.
    pub(crate) lost: bool,
}

impl Row {
    /// What was taken in each asset.
    pub(crate) fn fees(&self) -> impl Iterator<Item = &Charge> {
        self.fees.iter().flatten()
    }

    /// The value of all fees; `None` if one has none.
    pub(crate) fn fees_value(&self) -> Option<i128> {
        let mut values = self.fees().map(|charge| charge.value);
        values.try_fold(0i128, |sum, value| sum.checked_add(value?))
    }

    /// All that was gained or lost; `None` if something of it has no value.
    pub(crate) fn total(&self) -> Option<i128> {
        let gross = self.realised.checked_add(self.unrealised?)?;
        let net = gross.checked_sub(self.fees_value()?)?;
        (!self.lost).then_some(net)
    }
}

/// The best prices of a book.
#[derive(Debug, Clone, Copy)]
struct Touch {
    bid: i128,
    ask: i128,
}

impl Pnl {
    pub(super) fn row(
        &self,
        at: usize,
        touch: impl Fn(InstrumentId) -> Option<(Px, Px)> + Copy,
    ) -> Row {
        let of = &self.instruments[at % self.instruments.len()];
        let (book, position) = (&self.books[at], self.positions[at]);
        let touch = |id| {
            let (bid, ask) = touch(id)?;
            let (bid, ask) = (i128::from(bid.0), i128::from(ask.0));
            Some(Touch { bid, ask })
        };
        let own = touch(of.id);
        let gained = |px_doubled: fn(Touch, bool) -> i128| match position.qty {
            0 => Some(0),
            qty => {
                let worth = of.worth_at(qty, px_doubled(own?, qty > 0), false)?;
                worth.checked_sub(position.cost)
            }
        };
        let mut fees = book.fees;
        for charge in fees.iter_mut().flatten() {
            charge.value = self.value(of, charge, touch);
        }
        Row {
            strategy: self.strategy_at(at / self.instruments.len()),
            instrument: of.id,
            fills: book.fills,
            position,
            sellable: position.sellable(of),
            qty_scale: of.qty_scale,
            average: position.average(of),
            asset: of.cash_asset(),
            scale: of.cash_scale(),
            realised: position.realised().saturating_sub(book.before.realised()),
            unrealised: gained(|own, _| own.bid + own.ask),
            unrealised_worst: gained(|own, long| 2 * if long { own.bid } else { own.ask }),
            fees,
            lost: book.lost,
        }
    }

    /// What a charge is worth in what its instrument is paid in, rounded up. If it is of another
    /// asset, it is so at the price of the first instrument that has one, of the same exchange if
    /// there is one.
    fn value(
        &self,
        of: &Instrument,
        charge: &Charge,
        touch: impl Fn(InstrumentId) -> Option<Touch>,
    ) -> Option<i128> {
        if charge.asset == of.cash_asset() {
            return rounded(charge.units, ASSET_SCALE, of.cash_scale(), true);
        }
        let pair = (charge.asset, of.cash_asset());
        let all = || {
            let prices = |by: &&Instrument| {
                (by.base, by.quote) == pair && !by.contract.inverse && touch(by.id).is_some()
            };
            self.instruments.iter().filter(prices)
        };
        let same = all().find(|by| by.exchange == of.exchange);
        let by = all().find(|by| by.id == of.id).or(same);
        let by = by.or_else(|| all().next())?;
        let doubled = touch(by.id).map(|own| own.bid + own.ask)?;
        let units = charge.units.checked_mul(doubled)?;
        let (from, to) = (ASSET_SCALE + by.px_scale, of.cash_scale());
        match from.checked_sub(to) {
            Some(finer) => Some(divided(units, ten(finer)?.checked_mul(2)?, true)),
            None => Some(divided(units.checked_mul(ten(to - from)?)?, 2, true)),
        }
    }
}

/// Sums over all instruments that are paid in one asset, in units of 10^-[`ASSET_SCALE`], rounded
/// against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Total {
    /// The asset.
    pub(crate) asset: Asset,
    /// What this run gained by what is no longer held.
    pub(crate) realised: i128,
    /// What positions gained since they were bought, at the middle of their books.
    pub(crate) unrealised: i128,
    /// The same at their best bids and asks.
    pub(crate) unrealised_worst: i128,
    /// The value of the fees.
    pub(crate) fees: i128,
    /// Rows with something that has no value, and is not in it.
    pub(crate) unvalued: u32,
}

impl Total {
    /// Of one row.
    pub(crate) fn of(row: &Row) -> Self {
        let mut total = Self {
            asset: row.asset,
            ..Self::default()
        };
        total.add(row);
        total
    }

    /// All that was gained or lost.
    pub(crate) fn all(&self) -> i128 {
        let gross = self.realised.saturating_add(self.unrealised);
        gross.saturating_sub(self.fees)
    }

    /// Takes in another row that is paid in its asset.
    pub(crate) fn add(&mut self, row: &Row) {
        debug_assert_eq!(self.asset, row.asset);
        let add = |sum: &mut i128, units: Option<i128>, up| {
            let units = units.and_then(|units| rounded(units, row.scale, ASSET_SCALE, up));
            let next = units.and_then(|units| sum.checked_add(units));
            *sum = next.unwrap_or(*sum);
            next.is_some()
        };
        let mut whole = add(&mut self.realised, Some(row.realised), false);
        whole &= add(&mut self.unrealised, row.unrealised, false);
        whole &= add(&mut self.unrealised_worst, row.unrealised_worst, false);
        for charge in row.fees() {
            whole &= add(&mut self.fees, charge.value, true);
        }
        self.unvalued += u32::from(!whole || row.lost);
    }
}

/// The totals of these rows, in the order in which their assets come. Allocates.
pub(crate) fn totals<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Vec<Total> {
    let mut totals = Vec::<Total>::new();
    for row in rows {
        match totals.iter_mut().find(|total| total.asset == row.asset) {
            Some(total) => total.add(row),
            None => totals.push(Total::of(row)),
        }
    }
    totals
}
