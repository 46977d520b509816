//! The accounts that take orders, as risk knows them: which instruments each is for, and whether it
//! takes any now.

use super::Risk;
use crate::base::{InstrumentId, Span};

/// What is known of one account.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Account {
    /// It takes orders.
    pub(super) ready: bool,
    /// How far our clock is from its exchange's. While nothing contradicts our clock it is right:
    /// the exchange says its time before an order connection is ready.
    pub(super) clock_skew: Span,
}

/// All of them, by their places.
///
/// Invariant: there is at least one.
#[derive(Debug)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    pub(super) fn one() -> Self {
        Self(vec![Account::default()])
    }
}

impl Risk {
    /// There are so many accounts, and none is ready. `of` has the place of the account that takes
    /// the orders of each instrument, by its id; where it has none, orders are refused.
    ///
    /// # Panics
    /// If there is no account, or a place beyond the last one.
    pub fn trade_at(&mut self, accounts: usize, of: &[Option<usize>]) {
        assert!(accounts > 0, "no account");
        self.accounts = Accounts(vec![Account::default(); accounts]);
        for (seat, at) in self.seats.iter_mut().zip(of) {
            assert!(at.is_none_or(|at| at < accounts), "no such account");
            seat.account = *at;
        }
    }

    /// An account takes orders from here on, or none.
    pub fn set_ready(&mut self, account: usize, ready: bool) {
        if let Some(account) = self.accounts.0.get_mut(account) {
            account.ready = ready;
        }
    }

    /// Our clock is so far ahead of the clock of an account's exchange, or behind it, in
    /// nanoseconds.
    pub fn set_clock_skew(&mut self, account: usize, skew_ns: i64) {
        if let Some(account) = self.accounts.0.get_mut(account) {
            account.clock_skew = Span(skew_ns.unsigned_abs());
        }
    }

    /// Every account takes orders.
    pub(crate) fn is_ready(&self) -> bool {
        self.accounts.0.iter().all(|account| account.ready)
    }

    /// Who takes the orders of an instrument. Where nobody does, or nobody knows the instrument,
    /// the gates behind say so: it is as ready as all together.
    pub(super) fn account_of(&self, id: InstrumentId) -> Account {
        let at = self.seats.get(id.index()).and_then(|seat| seat.account);
        let known = at.and_then(|at| self.accounts.0.get(at)).copied();
        known.unwrap_or(Account {
            ready: self.is_ready(),
            clock_skew: Span::ZERO,
        })
    }
}
