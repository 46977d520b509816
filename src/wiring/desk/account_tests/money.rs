//! Profit and loss against the exchange's own ledger.

use super::*;

/// What the account has in the beginning, at the scales of [`units`].
pub(super) const OPENING: [(&str, i128); 2] = [("BTC", 50_000), ("USDT", 100_000_000_000)];

impl World {
    /// What was gained and lost is what the exchange has more or less of each asset.
    pub(super) fn check_pnl(&self) {
        let pnl = self.desk.risk.pnl();
        for (code, opening) in OPENING {
            let asset = crate::base::Asset::from(code).unwrap();
            let brought = units(code, self.balances[code] - opening);
            assert_eq!(pnl.brought(None, None, asset), Some(brought), "{code}");
            // Nobody else trades here.
            assert_eq!(
                pnl.brought(Some(StrategyId(0)), None, asset),
                Some(brought),
                "{code}"
            );
            assert!(brought == 0 || pnl.assets(None).contains(&asset));
        }
        let fills = self.desk.risk.pnl_rows().map(|row| row.fills);
        assert_eq!(fills.sum::<u64>(), self.trades.len() as u64);
    }

    /// The run ends: what the account had before, and what its trades brought, is what the exchange
    /// says. After a kill that is from the last process on.
    pub(super) fn check_balances(&mut self) {
        self.desk_do(|desk, turn| desk.close(turn));
        assert!(self.desk.is_settling());
        self.run_to(QUIET_AT + Span::from_secs(5));
        assert!(!self.desk.has_orders());
        assert!(
            !self.desk.is_settling(),
            "{:?}",
            self.desk.ways[0].reconcile
        );
        let balances = self.desk.balances().remove(0).found.unwrap();
        for balanced in &balances {
            assert_eq!(balanced.off(), 0, "{balanced:?}");
            assert_eq!(balanced.entry, None);
            let code = balanced.asset.as_str();
            assert_eq!(balanced.after, units(code, self.balances[code]));
        }
        let traded = self.desk.risk.pnl().assets(None);
        let told = |asset| balances.iter().any(|balanced| balanced.asset == asset);
        let brought = |asset| self.desk.risk.pnl().brought(None, None, asset);
        let mut traded = traded.into_iter();
        assert!(traded.all(|asset| told(asset) || brought(asset) == Some(0)));
    }
}

/// Units of 10^-18 of what the exchange counts in thousandths of BTC, and in 10^-5 of USDT.
fn units(code: &str, amount: i128) -> i128 {
    let scale = if code == "BTC" { 3 } else { 5 };
    amount * 10i128.pow(18 - scale)
}

/// Somebody else takes something of the account: the run says of what, how much, and its name.
#[test]
fn what_the_account_lacks_at_the_end_is_named() {
    let mut world = World::new(1);
    world.run_to(QUIET_AT);
    *world.balances.get_mut("BTC").unwrap() -= 7;
    world.desk_do(|desk, turn| desk.close(turn));
    world.run_to(QUIET_AT + Span::from_secs(8));
    assert!(!world.desk.is_settling());
    let balances = world.desk.balances().remove(0).found.unwrap();
    let off: Vec<(&str, i128)> = balances
        .iter()
        .filter(|balanced| balanced.off() != 0)
        .map(|balanced| (balanced.asset.as_str(), balanced.off()))
        .collect();
    assert_eq!(off, [("BTC", units("BTC", -7))]);
    let named = balances.iter().find(|balanced| balanced.entry.is_some());
    assert_eq!(named.unwrap().asset.as_str(), "BTC");
    assert_eq!(world.desk.counters.differences, 1, "by the same name");
}

#[test]
fn an_account_that_cannot_be_asked_adds_up_to_nothing_and_may_come_back_in_a_moment() {
    let mut world = World::new(1);
    world.run_to(QUIET_AT);
    world.cut(ACCOUNT);
    world.desk_do(|desk, turn| desk.close(turn));
    assert!(world.desk.is_settling() && world.desk.settles_by() < Nanos::NEVER);
    let why = world.desk.balances().remove(0).found.unwrap_err();
    assert_eq!(why, "the order connection is down");
}
