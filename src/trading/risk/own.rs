//! What risk keeps of one strategy, or of all of them together: its limits, its rates, its mode.

use super::{hold_if, orders};
use crate::base::{Mode, Nanos};
use crate::trading::exposure::{Sums, VALUE_SCALE};
use crate::trading::limits::OwnLimits;
use crate::trading::rate::RateWindow;
use crate::trading::refusal::{Compared, Refusal, Refused, Unit};

/// Limits, and what was used of them.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) limits: OwnLimits,
    pub(super) mode: Mode,
    rate: RateWindow,
    cancels: RateWindow,
    /// Of this day.
    orders: u64,
    trades: u64,
}

impl Own {
    pub(super) fn new(limits: OwnLimits) -> Self {
        Self {
            rate: RateWindow::new(limits.orders_per_s),
            cancels: RateWindow::new(limits.cancels_per_s),
            limits,
            mode: Mode::Trading,
            orders: 0,
            trades: 0,
        }
    }

    pub(super) fn handle_order(&mut self, now: Nanos) {
        self.rate.record(now);
        self.orders += 1;
    }

    pub(super) fn handle_cancel(&mut self, now: Nanos) {
        self.cancels.force(now);
    }

    pub(super) fn handle_trade(&mut self) {
        self.trades += 1;
    }

    pub(super) fn begin_day(&mut self) {
        (self.orders, self.trades) = (0, 0);
    }

    /// Whether one more order fits into this second.
    pub(super) fn judge_rate(&self, now: Nanos, gate: Refusal) -> Result<(), Refused> {
        let max = self.rate.max();
        hold_if(!self.rate.has_room(now), gate, || orders(max, max + 1))
    }

    /// Whether it was moderate enough to have one more order.
    pub(super) fn judge_conduct(&self, now: Nanos) -> Result<(), Refused> {
        let max = self.cancels.max();
        hold_if(!self.cancels.has_room(now), Refusal::CancelRate, || {
            orders(max, max)
        })?;
        let max = self.limits.orders_per_trade_max;
        let allowed = max.saturating_mul(self.trades.saturating_add(1));
        hold_if(self.orders >= allowed, Refusal::OrdersPerTrade, || {
            let per_trade = (self.orders + 1).div_ceil(self.trades + 1);
            (Unit::Orders, max.into(), per_trade.into())
        })
    }

    /// The limit of losses that these sums have reached.
    pub(super) fn reached(&self, sums: &Sums) -> Option<(&'static str, Compared)> {
        let limits = [
            ("daily_loss_max", self.limits.daily_loss_max, sums.loss()),
            ("drawdown_max", self.limits.drawdown_max, sums.drawdown()),
        ];
        let (key, limit, found) = limits.into_iter().find(|(_, max, found)| found >= max)?;
        let compared = Compared {
            unit: Unit::Notional(VALUE_SCALE),
            limit: limit.unsigned_abs(),
            found: found.unsigned_abs(),
        };
        Some((key, compared))
    }
}
