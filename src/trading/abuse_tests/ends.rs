//! What must hold between the orders, risk and their twin.

use super::*;

/// Gates whose limits are out of reach here: tests of their own shut them.
pub(super) const BY_LIMITS: [Refusal; 17] = [
    Refusal::Halted,
    Refusal::ClockSkew,
    Refusal::PriceReference,
    Refusal::Duplicate,
    Refusal::PositionMax,
    Refusal::StrategyPositionMax,
    Refusal::GrossMax,
    Refusal::ExchangeGrossMax,
    Refusal::StrategyGrossMax,
    Refusal::NetMax,
    Refusal::ExchangeNetMax,
    Refusal::StrategyNetMax,
    Refusal::StrategyOpenOrders,
    Refusal::InstrumentOpenOrders,
    Refusal::CancelRate,
    Refusal::OrdersPerTrade,
    Refusal::StrategyOrderRate,
];

impl World {
    /// As a desk lets risk know of what changed. Fills at odd prices lose any amount: whoever is
    /// halted by that is let go at once.
    pub(super) fn follow(&mut self) {
        self.risk.follow(&mut self.orders);
        let all = if self.twin.killed {
            Mode::Halted
        } else {
            Mode::Trading
        };
        self.risk.set_mode(Whose::All, all, "test");
        let none = Whose::Strategy(StrategyId::NONE);
        self.risk.set_mode(none, Mode::Trading, "test");
        while self.risk.poll_mode().is_some() {}
        self.twin.settle();
    }

    pub(super) fn finish(&mut self) {
        while let Some(report) = self.orders.give_up() {
            assert_eq!(report.outcome, Outcome::Unknown);
            assert_eq!(self.twin.give_up(report.client_id), Some(report));
            self.take_in(&report);
        }
        assert!(self.orders.is_empty());
        self.follow();
        assert!(self.twin.orders.iter().all(|order| order.end.is_some()));
    }

    pub(super) fn compare(&self, when: &str) {
        let open = self.twin.open().count();
        assert_eq!(self.orders.len(), open, "{when}");
        let mut positions = Positions::new();
        for (whose, filled) in &self.filled {
            positions.entry(*whose).or_default().0 = *filled;
        }
        for (strategy, instrument, left) in self.left.values() {
            positions.entry((*strategy, *instrument)).or_default().1 += u128::from(left.0);
        }
        for instrument in (0..INSTRUMENTS).map(InstrumentId) {
            let pending = self.orders.pending(instrument);
            assert_eq!(pending, self.twin.pending(instrument), "{when}");
        }
        let mut working: Vec<_> = self.orders.working().iter().collect();
        working.sort_by_key(|order| order.client_id);
        let name = |order: &Working| self.orders.name(order.client_id).unwrap();
        let working: Vec<_> = working.iter().map(|order| (**order, name(order))).collect();
        assert_eq!(working, self.twin.working(), "{when}");
        let late_at = self.twin.late_at();
        assert!(self.orders.poll_timeout() <= late_at, "{when}: late");
        positions.retain(|_, position| *position != (0, 0));
        assert_eq!(positions, self.twin.positions(), "{when}");
        for gate in Refusal::ALL {
            let (counted, gate) = (self.risk.refusals().count(*gate), *gate as usize);
            assert_eq!(counted, self.twin.refused[gate], "{when}");
        }
    }
}
