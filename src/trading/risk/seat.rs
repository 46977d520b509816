//! What risk allows of one instrument, and of an order by itself.

use super::{hold_if, refuse_if};
use crate::base::{Instrument, InstrumentId, Mode, Place, Qty};
use crate::trading::limits::{self, RiskParams, SizeLimit};
use crate::trading::refusal::{Refusal, Refused, Unit};

/// What risk allows of one instrument.
///
/// Invariant: it is frozen while its limit is not at the scales that the exit writes.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) limit: SizeLimit,
    /// The scales that the run began with, `(px, qty)`.
    pub(super) scales: (u8, u8),
    /// The place of the account that takes its orders; `None` if there is none at its exchange.
    pub(super) account: Option<usize>,
    /// Its scales are no longer those that its exit writes, or it cannot hold its limits.
    pub(super) frozen: bool,
    /// What may be ordered of it.
    pub(super) mode: Mode,
    /// Instruments of other exchanges with the same assets.
    pub(super) references: Box<[InstrumentId]>,
}

impl Seat {
    /// Takes the limits at the scales of the instrument as it is listed now.
    pub(super) fn replace(
        &mut self,
        instrument: &Instrument,
        params: &RiskParams,
        keeps_scales: bool,
    ) {
        let rescaled = self.scales != (instrument.px_scale, instrument.qty_scale);
        self.frozen = keeps_scales && rescaled;
        match limits::SizeLimit::parse(params, instrument) {
            Ok(limit) => self.limit = limit,
            Err(_) => self.frozen = true,
        }
        assert!(self.frozen || !(keeps_scales && rescaled));
    }

    /// What was judged holds of what is sent.
    pub(super) fn check_admitted(&self, intent: &Place) {
        assert!(self.account.is_some(), "an order without an account");
        assert!(!self.frozen, "an order at other scales");
        assert!(intent.qty <= self.limit.qty_max, "an order above its limit");
    }

    /// Whether there is somebody who takes orders for it.
    pub(super) fn judge_listing(&self, instrument: &Instrument) -> Result<(), Refused> {
        refuse_if(self.account.is_none(), Refusal::NoAccount)?;
        refuse_if(!instrument.trading || self.frozen, Refusal::NotTrading)
    }

    /// What is wrong with an order by itself.
    pub(super) fn judge_order(
        &self,
        intent: &Place,
        instrument: &Instrument,
    ) -> Result<(), Refused> {
        let limit = &self.limit;
        let (px, qty) = (intent.px.0, intent.qty);
        refuse_if(qty.0 == 0, Refusal::QuantityZero)?;
        let sized = |limit: Qty| {
            let unit = Unit::Quantity(instrument.qty_scale);
            (unit, u128::from(limit.0), u128::from(qty.0))
        };
        let qty_min = instrument.qty_min;
        hold_if(qty < qty_min, Refusal::QuantityMin, || sized(qty_min))?;
        let qty_max = instrument.qty_max.min(limit.qty_max);
        hold_if(qty > qty_max, Refusal::QuantityMax, || sized(qty_max))?;
        let in_lots = qty.0.is_multiple_of(instrument.lot.0);
        hold_if(!in_lots, Refusal::LotMultiple, || sized(instrument.lot))?;
        let tick = instrument.tick.0.unsigned_abs();
        let in_ticks = px > 0 && (px as u64).is_multiple_of(tick);
        hold_if(!in_ticks, Refusal::TickMultiple, || {
            let unit = Unit::Price(instrument.px_scale);
            (unit, u128::from(tick), u128::from(px.max(0).unsigned_abs()))
        })?;
        let notional = instrument
            .notional(intent.px, qty)
            .ok_or(Refusal::Overflow)?;
        let worth = |limit| (Unit::Notional(instrument.notional_scale()), limit, notional);
        let notional_min = instrument.notional_min;
        hold_if(notional < notional_min, Refusal::NotionalMin, || {
            worth(notional_min)
        })?;
        let notional_max = limit.notional_max;
        hold_if(notional > notional_max, Refusal::NotionalMax, || {
            worth(notional_max)
        })
    }
}
