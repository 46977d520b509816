//! The last look at a run's end: what the account had when the run began, what our trades brought
//! since, and what the exchange says now.

use super::{Difference, Orders, Reconcile};
use crate::base::{Asset, Nanos};
use crate::trading::pnl::Pnl;
use std::collections::BTreeSet;

/// What an account has of an asset, in units of 10^-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Balanced {
    /// The asset.
    pub(crate) asset: Asset,
    /// Before the first trade that this run heard of.
    pub(crate) before: i128,
    /// What our trades and their fees brought since; below zero if they took some.
    pub(crate) brought: i128,
    /// What the exchange says.
    pub(crate) after: i128,
    /// The name of the difference, if there is one.
    pub(crate) entry: Option<u64>,
}

impl Balanced {
    /// How much more the exchange says than our trades explain.
    pub(crate) fn off(&self) -> i128 {
        let expected = self.before.saturating_add(self.brought);
        self.after.saturating_sub(expected)
    }
}

impl Reconcile {
    /// Compares once more, now that no order of ours can trade. False if it did before, or if there
    /// is nobody to ask.
    pub(crate) fn compare_last(&mut self, now: Nanos, orders: &Orders) -> bool {
        let begins = self.connected && !self.last;
        if begins {
            self.last = true;
            self.begin(now, orders);
        }
        begins
    }

    /// The exchange may still say something of the last look. A connection that is down may come
    /// back in a moment; one that never was there is not waited for.
    pub(crate) fn is_looking(&self) -> bool {
        let there = self.connected || self.was_ready;
        there && !(self.last && self.has_compared())
    }

    /// The last look is under way, and the exchange is there to answer.
    pub(crate) fn is_asking(&self) -> bool {
        self.connected && self.is_looking()
    }

    fn has_compared(&self) -> bool {
        self.connected && self.open.is_done() && !self.again
    }

    /// What `pnl` says that our trades at this exchange brought, against what the exchange says: of
    /// each asset that has something to do with it, or changed.
    ///
    /// # Errors
    /// Why there is nothing to compare, in words.
    pub(crate) fn balances(&self, pnl: &Pnl) -> Result<Vec<Balanced>, &'static str> {
        if !self.connected {
            return Err("the order connection is down");
        }
        if !self.last {
            return Err("there are orders without an end");
        }
        if !self.has_compared() {
            return Err("the exchange did not say in time what the account has");
        }
        let traded = pnl.assets(self.exchange);
        let assets: BTreeSet<Asset> = self.holdings.keys().copied().chain(traded).collect();
        let mut all = Vec::new();
        for asset in assets {
            let held = self.holdings.get(&asset).copied().unwrap_or_default();
            let after = if held.listed { held.found } else { 0 };
            let brought = pnl.brought(None, self.exchange, asset);
            let mut balanced = Balanced {
                asset,
                before: held.before.unwrap_or_default(),
                brought: brought.ok_or("a sum does not fit")?,
                after,
                entry: None,
            };
            if balanced.off() != 0 {
                let difference = Difference {
                    asset,
                    expected: balanced.before.saturating_add(balanced.brought),
                    found: after,
                };
                balanced.entry = Some(held.entry.unwrap_or_else(|| difference.name()));
            }
            if balanced.off() != 0 || balanced.brought != 0 {
                all.push(balanced);
            }
        }
        Ok(all)
    }
}
