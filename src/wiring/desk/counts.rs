//! What a desk counts of orders, and of what they traded. Data only.

use crate::base::{Outcome, Qty, Side};

/// What was counted, of all strategies or of one.
///
/// Invariant: `ends <= admitted <= intents`, where each order has one end: filled, cancelled,
/// expired, rejected, not sent or unknown; `acked`, `in_doubt <= admitted`; `filled <= fills`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeskCounters {
    /// Events taken off the rings, or shown to the strategy.
    pub events: u64,
    /// What strategies wanted.
    pub intents: u64,
    /// What risk let through.
    pub admitted: u64,
    /// Cancels and reductions that went to the exit.
    pub changes: u64,
    /// Orders under our name that rested at the exchange, and that nobody here knew.
    pub adopted: u64,
    /// Orders of an earlier run that had no end.
    pub resumed: u64,
    /// What the account had and our trades did not explain.
    pub differences: u64,
    /// Orders that the exchange took.
    pub acked: u64,
    /// Fills.
    pub fills: u64,
    /// Orders that were filled whole.
    pub filled: u64,
    /// Orders that were cancelled with something left.
    pub cancelled: u64,
    /// Orders of which something expired.
    pub expired: u64,
    /// Orders that the exchange refused.
    pub rejected: u64,
    /// Orders that never left.
    pub not_sent: u64,
    /// Orders that are over, and nobody ever said how much of them traded.
    pub unknown: u64,
    /// Orders that were in doubt for a time, whatever their end.
    pub in_doubt: u64,
}

impl DeskCounters {
    pub(super) fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Acked { .. } => &mut self.acked,
            Outcome::Fill(_) => &mut self.fills,
            Outcome::InDoubt => &mut self.in_doubt,
            Outcome::Filled => &mut self.filled,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Expired => &mut self.expired,
            Outcome::Rejected { .. } => &mut self.rejected,
            Outcome::NotSent => &mut self.not_sent,
            Outcome::Unknown => &mut self.unknown,
            // Risk counts refusals by gate; a change was counted when it was wanted.
            Outcome::Refused { .. } | Outcome::Reduced | Outcome::ChangeRefused { .. } => return,
        };
        *counter += 1;
        self.check();
    }

    /// Orders that have their end.
    pub(super) fn ends(&self) -> u64 {
        let over = self.filled + self.cancelled + self.expired;
        over + self.rejected + self.not_sent + self.unknown
    }

    pub(super) fn check(&self) {
        assert!(self.admitted <= self.intents);
        let all = self.admitted + self.adopted + self.resumed;
        assert!(self.ends() <= all, "an order ended twice");
        assert!(self.acked <= all);
        assert!(self.filled <= self.fills);
    }
}

/// What was traded of one instrument, at its own scales.
///
/// Invariant: a fill is at least one unit, so that `fills <= qty[0] + qty[1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traded {
    /// Fills.
    pub fills: u64,
    /// How much was bought, and how much was sold.
    pub qty: [u128; 2],
    /// What was paid for that, and what was received, at the instrument's notional scale; fees are
    /// not in it. A sum that does not fit stands at the largest number.
    pub notional: [u128; 2],
}

impl Traded {
    /// Adds a fill. If its worth does not fit, it is more than any sum can say: so is the sum,
    /// since leaving it out would tell less than was traded.
    pub(super) fn add(&mut self, side: Side, qty: Qty, worth: Option<u128>) {
        assert!(qty.0 > 0, "a fill of nothing");
        let side = match side {
            Side::Buy => 0,
            Side::Sell => 1,
        };
        self.fills += 1;
        self.qty[side] += u128::from(qty.0);
        let before = self.notional[side];
        self.notional[side] = before.saturating_add(worth.unwrap_or(u128::MAX));
        self.check();
    }

    fn check(&self) {
        assert!(u128::from(self.fills) <= self.qty[0] + self.qty[1]);
    }
}
