//! Where an order that rests on paper stands at its price, and what a fill costs. Knows no order.

use crate::base::decimal::{divided, ten};
use crate::base::{Decimal, Fee, Instrument, Kind, Level, Px, Qty, Side, Top};

/// Decimals that a fee has at most.
const FEE_SCALE: u8 = 18;
/// Decimals of fees that are given in parts per million.
const PPM_SCALE: u8 = 6;

/// What others have at its price that came before it; `None` while nobody knows how much that is,
/// since the price was never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queue(Option<Qty>);

impl Queue {
    /// Behind all that is shown.
    pub(super) fn behind<const K: usize>(side: Side, px: Px, top: &Top<K>) -> Self {
        Self(shown(side, px, top))
    }

    /// A book shows what is there now: no more than that can be ahead.
    pub(super) fn show<const K: usize>(&mut self, side: Side, px: Px, top: &Top<K>) {
        let now = shown(side, px, top);
        self.0 = match (self.0, now) {
            (Some(ahead), Some(now)) => Some(ahead.min(now)),
            (known, now) => known.or(now),
        };
    }

    /// The price was traded through: nothing of others is left there. It is first.
    pub(super) fn clear(&mut self) -> bool {
        self.0 = Some(Qty(0));
        true
    }

    /// Takes a print in, of which so much of others' is `gone` at the price already, and this is
    /// `left`. Whether the order is first now.
    pub(super) fn take(&mut self, gone: &mut u64, left: &mut Qty) -> bool {
        let Some(ahead) = self.0 else {
            return false;
        };
        let more = ahead.0.saturating_sub(*gone).min(left.0);
        (*gone, left.0) = (*gone + more, left.0 - more);
        let ahead = ahead.0.saturating_sub(*gone);
        self.0 = Some(Qty(ahead));
        ahead == 0
    }
}

/// What a book shows at a price; `None` below its horizon.
fn shown<const K: usize>(side: Side, px: Px, top: &Top<K>) -> Option<Qty> {
    let beyond = |level: &Level| match side {
        Side::Buy => level.px < px,
        Side::Sell => level.px > px,
    };
    let levels = top.side(side);
    let at = levels
        .iter()
        .position(|level| level.px == px || beyond(level));
    let at = at.unwrap_or(levels.len());
    let known = top.complete(at + 1);
    let level = levels.get(at).filter(|level| level.px == px);
    known.then(|| level.map_or(Qty(0), |level| level.qty))
}

/// What the exchange takes of a fill; `None` if that is nothing, or does not fit.
pub(super) fn fee(of: &Instrument, side: Side, (px, qty): (Px, Qty), ppm: u32) -> Option<Fee> {
    let (asset, units, scale) = match (of.kind, side) {
        (Kind::Spot, Side::Buy) => (of.base, i128::from(qty.0), of.qty_scale),
        (Kind::Spot, Side::Sell) => {
            let worth = i128::try_from(of.notional(px, qty)?).ok()?;
            (of.quote, worth, of.notional_scale())
        }
        (Kind::Perpetual | Kind::Future | Kind::Option, _) => {
            let paid = of.paid(Side::Buy, px, qty)?.checked_abs()?;
            (of.cash_asset(), paid, of.cash_scale())
        }
    };
    let (units, scale) = (units.checked_mul(ppm.into())?, scale + PPM_SCALE);
    let (units, scale) = match scale.checked_sub(FEE_SCALE) {
        Some(finer) => (divided(units, ten(finer)?, true), FEE_SCALE),
        None => (units, scale),
    };
    let amount = Decimal {
        units: u128::try_from(units).ok()?,
        scale,
    };
    (units > 0).then_some(Fee {
        asset,
        amount,
        rebate: false,
    })
}
