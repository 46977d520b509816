//! What fills sum up to: a position, what was paid for it, and what that makes a unit cost on
//! average. Knows no market price.

use super::decimal::{Decimal, divided, rescaled, rounded, ten};
use super::instrument::{Asset, Contract, Instrument};
use super::level::{Px, Qty, Side};
use super::order::{Fee, Fill};

/// Amounts of assets are in units of 10^-18.
pub(crate) const ASSET_SCALE: u8 = 18;
/// Decimals of the base asset that cash of inverse contracts has.
const INVERSE_SCALE: u8 = 12;
/// Decimals that an average price has beyond those of its instrument.
const AVERAGE_FINER: u8 = 4;

/// What an account of positions has of an instrument: the sum of its fills, at average cost.
///
/// A fill that adds to the position adds what it cost to `cost`. One that takes from the position
/// takes the same part of `cost`: the units that are left cost on average what they did before. One
/// that turns the position round does both. This is the average cost method of IAS 2 (25), for
/// positions of both signs.
///
/// Cash of an inverse contract is of its base asset: buying one of them is owing `size / price` of
/// that at this price, so that a purchase brings cash and a sale costs it, at 12 decimals, rounded
/// against us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// How much was bought, less what was sold, at the instrument's quantity scale. Fees are not in
    /// it.
    pub qty: i128,
    /// What was received for sales, less what was paid for purchases, at
    /// [`Instrument::cash_scale`]. Fees are not in it.
    pub cash: i128,
    /// What of that the position cost: below zero if something was received for it.
    pub cost: i128,
    /// What fees took of the base asset, in units of 10^-18; below zero if more was given.
    pub taken: i128,
}

impl Position {
    /// What was gained or lost by what is no longer held, at [`Instrument::cash_scale`].
    pub const fn realised(&self) -> i128 {
        self.cash.saturating_add(self.cost)
    }

    /// What of it can be sold: fees in the base asset took the rest. Rounded down. A contract is
    /// sold whole whatever is taken for it.
    pub fn sellable(&self, of: &Instrument) -> i128 {
        let taken = match of.contract == Contract::ONE {
            true => rounded(self.taken, ASSET_SCALE, of.qty_scale, true).unwrap_or(i128::MAX),
            false => 0,
        };
        self.qty.saturating_sub(taken)
    }

    /// What a unit cost on average, rounded down; `None` if there is none, or if that is no price.
    pub fn average(&self, of: &Instrument) -> Option<Decimal> {
        let scale = of.px_scale + AVERAGE_FINER;
        let size = self.qty.checked_mul(of.contract.size.into())?;
        let contract = of.qty_scale + of.contract.scale;
        let (cost, finer) = match of.contract.inverse {
            false => (self.cost, scale + contract),
            true => (self.cost.checked_neg()?, scale + INVERSE_SCALE),
        };
        if size == 0 || cost == 0 || (size < 0) != (cost < 0) {
            return None;
        }
        let (size, cost) = (size.unsigned_abs(), cost.unsigned_abs());
        let (over, under, from) = match of.contract.inverse {
            false => (cost, size, of.cash_scale()),
            true => (size, cost, contract),
        };
        let finer = 10u128.checked_pow(u32::from(finer.checked_sub(from)?))?;
        let units = share(i128::try_from(over).ok()?, finer, under)?;
        let units = units.unsigned_abs();
        Some(Decimal { units, scale })
    }

    /// The same as a price, rounded down.
    pub(crate) fn average_px(&self, of: &Instrument) -> Option<Px> {
        let units = self.average(of)?.units / 10u128.pow(AVERAGE_FINER.into());
        i64::try_from(units).ok().map(Px)
    }

    /// The same at the scales of another listing; `None` if it does not fit there. Its cost may be
    /// a part of what was paid, and is rounded down.
    pub(crate) fn rescaled(&self, from: &Instrument, to: &Instrument) -> Option<Self> {
        let (cash_from, cash_to) = (from.cash_scale(), to.cash_scale());
        Some(Self {
            qty: rescaled(self.qty, from.qty_scale, to.qty_scale)?,
            cash: rescaled(self.cash, cash_from, cash_to)?,
            cost: rounded(self.cost, cash_from, cash_to, false)?,
            taken: self.taken,
        })
    }

    /// Adds a fill. False if it does not fit: the sums then stand at the largest number.
    pub(crate) fn add(&mut self, of: &Instrument, fill: &Fill) -> bool {
        let paid = of.paid(fill.side, fill.px, fill.qty);
        let fee = fill.fee.filter(|fee| fee.asset == of.base);
        let taken = fee.map_or(Some(0), |fee| fee.units());
        let added = paid.zip(taken).and_then(|(paid, taken)| {
            let sum = self.with(signed(fill.side, fill.qty), paid)?;
            let taken = sum.taken.checked_add(taken)?;
            Some(Self { taken, ..sum })
        });
        let fits = added.is_some();
        *self = added.unwrap_or(Self {
            qty: self.qty + signed(fill.side, fill.qty),
            cash: match fill.side {
                Side::Buy => i128::MIN,
                Side::Sell => i128::MAX,
            },
            cost: 0,
            taken: self.taken,
        });
        fits
    }

    /// With so many units more, for which so much was paid.
    fn with(&self, qty: i128, paid: i128) -> Option<Self> {
        let (held, traded) = (self.qty.unsigned_abs(), qty.unsigned_abs());
        let cost = if self.qty == 0 || (self.qty < 0) == (qty < 0) {
            self.cost.checked_add(paid)?
        } else if traded <= held {
            self.cost - share(self.cost, traded, held)?
        } else {
            paid - share(paid, held, traded)?
        };
        let sum = Self {
            qty: self.qty.checked_add(qty)?,
            cash: self.cash.checked_sub(paid)?,
            cost,
            taken: self.taken,
        };
        debug_assert!(sum.qty != 0 || sum.cost == 0, "nothing costs nothing");
        Some(sum)
    }
}

impl Instrument {
    /// Decimals of what is paid and received for it, 0 ..= 54: of the quote asset, or of the base
    /// asset if it is an inverse contract.
    pub const fn cash_scale(&self) -> u8 {
        match self.contract.inverse {
            true => INVERSE_SCALE,
            false => self.notional_scale(),
        }
    }

    /// What is paid and received for it.
    pub const fn cash_asset(&self) -> Asset {
        match self.contract.inverse {
            true => self.base,
            false => self.quote,
        }
    }

    /// What a fill costs, below zero if it brings something; rounded against us.
    pub(crate) fn paid(&self, side: Side, px: Px, qty: Qty) -> Option<i128> {
        self.worth_at(signed(side, qty), i128::from(px.0).checked_mul(2)?, true)
    }

    /// What a position of so many units is worth at half of this price, rounded up or down. A
    /// position in inverse contracts is a debt in the base asset if it is long.
    pub(crate) fn worth_at(&self, qty: i128, px_doubled: i128, up: bool) -> Option<i128> {
        let size = qty.checked_mul(i128::from(self.contract.size))?;
        if !self.contract.inverse {
            return Some(divided(size.checked_mul(px_doubled)?, 2, up));
        }
        let finer = ten(self.px_scale + INVERSE_SCALE)?.checked_mul(2)?;
        let units = size.checked_neg()?.checked_mul(finer)?;
        let per = px_doubled.checked_mul(ten(self.qty_scale + self.contract.scale)?)?;
        (per > 0).then(|| divided(units, per, up))
    }
}

impl Fee {
    /// What it takes, in units of 10^-[`ASSET_SCALE`], rounded against us; below zero if it gives.
    pub(crate) fn units(&self) -> Option<i128> {
        let units = i128::try_from(self.amount.units).ok()?;
        let taken = rounded(units, self.amount.scale, ASSET_SCALE, !self.rebate)?;
        Some(if self.rebate { -taken } else { taken })
    }
}

/// What a position of this side is: above zero if bought.
fn signed(side: Side, qty: Qty) -> i128 {
    match side {
        Side::Buy => i128::from(qty.0),
        Side::Sell => -i128::from(qty.0),
    }
}

/// `of * part / whole`, rounded towards zero.
fn share(of: i128, part: u128, whole: u128) -> Option<i128> {
    let (part, whole) = (i128::try_from(part).ok()?, i128::try_from(whole).ok()?);
    let (each, left) = (of.checked_div(whole)?, of.checked_rem(whole)?);
    let rest = left.checked_mul(part)? / whole;
    each.checked_mul(part)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Symbol;

    fn spot() -> Instrument {
        Instrument::bare("x", Symbol::from("X").unwrap(), (2, 3))
    }

    fn inverse() -> Instrument {
        let mut inverse = Instrument::bare("x", Symbol::from("X").unwrap(), (1, 0));
        (inverse.contract.size, inverse.contract.inverse) = (100, true);
        inverse
    }

    fn after(of: &Instrument, fills: &[(Side, i64, u64)]) -> Position {
        let mut position = Position::default();
        for &(side, px, qty) in fills {
            assert!(position.add(of, &Fill::bare(0, side, Px(px), Qty(qty))));
        }
        position
    }

    fn shown(position: &Position, of: &Instrument) -> String {
        position.average(of).unwrap().to_string()
    }

    use Side::{Buy, Sell};

    #[test]
    fn what_is_given_up_takes_its_part_of_the_cost_and_leaves_the_average() {
        // Two at 10.00, one at 13.00: 11.00 on average.
        let held = after(&spot(), &[(Buy, 1_000, 2_000), (Buy, 1_300, 1_000)]);
        assert_eq!((held.qty, held.cost), (3_000, 3_300_000));
        assert_eq!(shown(&held, &spot()), "11");
        let fills = [
            (Buy, 1_000, 2_000),
            (Buy, 1_300, 1_000),
            (Sell, 1_500, 1_000),
        ];
        let less = after(&spot(), &fills);
        assert_eq!(shown(&less, &spot()), "11");
        assert_eq!(less.realised(), 400_000, "one of them brought 15.00");
    }

    #[test]
    fn a_position_that_turns_round_begins_at_the_price_that_turned_it() {
        let short = after(&spot(), &[(Buy, 1_000, 1_000), (Sell, 1_200, 3_000)]);
        assert_eq!((short.qty, short.cost), (-2_000, -2_400_000));
        assert_eq!(
            (short.realised(), shown(&short, &spot())),
            (200_000, "12".to_owned())
        );
        let flat = after(&spot(), &[(Sell, 1_200, 3_000), (Buy, 1_100, 3_000)]);
        assert_eq!((flat.qty, flat.cost, flat.realised()), (0, 0, 300_000));
        assert_eq!(flat.average(&spot()), None);
    }

    #[test]
    fn an_inverse_contract_gains_in_the_base_asset() {
        // Ten contracts of 100 at 50,000: 0.02 of the base asset are owed; at 40,000 it is 0.025.
        let long = after(&inverse(), &[(Buy, 500_000, 10)]);
        assert_eq!(
            (long.cash, shown(&long, &inverse())),
            (20_000_000_000, "50000".to_owned())
        );
        let flat = after(&inverse(), &[(Buy, 500_000, 10), (Sell, 400_000, 10)]);
        assert_eq!((flat.realised(), flat.cost), (-5_000_000_000, 0));
    }

    #[test]
    fn fees_in_the_base_asset_leave_less_to_be_sold_and_others_do_not() {
        let mut of = spot();
        of.base = Asset::from("BTC").unwrap();
        let fee = |asset: &str, units, rebate| Fee {
            asset: Asset::from(asset).unwrap(),
            amount: Decimal { units, scale: 6 },
            rebate,
        };
        let sold = |of: &Instrument, fees: &[Fee]| {
            let mut position = Position::default();
            for fee in fees {
                let fill = Fill {
                    fee: Some(*fee),
                    ..Fill::bare(0, Buy, Px(1_000), Qty(1_000))
                };
                assert!(position.add(of, &fill));
            }
            (position.qty, position.sellable(of))
        };
        // A ten thousandth and a little of two whole ones: 0.000101 leaves 1.999 in thousandths.
        let both = [fee("BTC", 100, false), fee("BTC", 1, false)];
        assert_eq!(sold(&of, &both), (2_000, 1_999));
        assert_eq!(sold(&of, &[fee("USDT", 100, false)]), (1_000, 1_000));
        assert_eq!(sold(&of, &[fee("BTC", 1_500, true)]), (1_000, 1_001));
        of.contract.size = 10;
        assert_eq!(sold(&of, &both), (2_000, 2_000));
    }

    #[test]
    fn what_does_not_fit_says_so() {
        let mut huge = Position::default();
        let fill = Fill::bare(0, Buy, Px(i64::MAX), Qty(u64::MAX));
        let mut of = spot();
        of.contract.size = u64::MAX;
        assert!(!huge.add(&of, &fill));
        assert_eq!(huge.cash, i128::MIN);
    }
}
