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
            assert_eq!(pnl.brought(None, asset), Some(brought), "{code}");
            // Nobody else trades here.
            assert_eq!(
                pnl.brought(Some(StrategyId(0)), asset),
                Some(brought),
                "{code}"
            );
            assert!(brought == 0 || pnl.assets().contains(&asset));
        }
        let fills = self.desk.risk.pnl_rows().map(|row| row.fills);
        assert_eq!(fills.sum::<u64>(), self.trades.len() as u64);
    }
}

/// Units of 10^-18 of what the exchange counts in thousandths of BTC, and in 10^-5 of USDT.
fn units(code: &str, amount: i128) -> i128 {
    let scale = if code == "BTC" { 3 } else { 5 };
    amount * 10i128.pow(18 - scale)
}
