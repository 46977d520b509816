//! The kill switch, and what shows that the desk is stuck. Everybody looks at the flag themselves:
//! the desk, the gateway and the journal's thread. None of them needs another one for it.

use super::ring::Bell;
use crate::base::{Nanos, Span, StrategyId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Accounts that a run has, at most: bits of a word.
pub(crate) const ACCOUNTS_MAX: usize = 16;

/// What may leave.
const TRADING: u8 = 0;
const KILLED: u8 = 1;
const FLATTENING: u8 = 2;

/// What all threads of a run share about its being killed, each on cache lines of its own.
#[derive(Debug, Default)]
pub struct KillSwitch {
    state: Apart<AtomicU8>,
    /// Which strategy is deciding, and since when; written by the desk for every event.
    inside: Apart<AtomicU64>,
    /// Since it was thrown, the exchange of the account at this place has listed what rests, and
    /// nothing of ours was on the list: a bit each, written by the gateways.
    clear: AtomicU32,
    /// How many accounts there are.
    accounts: u32,
}

/// What one thread writes often does not slow down those who read something else.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// In `inside`: above, one more than the strategy's id; below, the time in nanoseconds.
const SINCE_BITS: u32 = 55;
const SINCE: u64 = (1 << SINCE_BITS) - 1;

impl KillSwitch {
    /// A switch for so many accounts, at most [`ACCOUNTS_MAX`].
    pub(crate) fn of_accounts(accounts: usize) -> Self {
        assert!(accounts <= ACCOUNTS_MAX, "an account too many");
        Self {
            accounts: accounts as u32,
            ..Self::default()
        }
    }

    /// No new order leaves from now on, and whatever rests is cancelled. Killed once more, it
    /// stops closing positions.
    pub fn kill(&self) {
        self.clear.store(0, Ordering::Relaxed);
        self.state.0.store(KILLED, Ordering::Release);
    }

    /// Orders may leave again.
    pub fn resume(&self) {
        self.state.0.store(TRADING, Ordering::Release);
    }

    /// What rested is gone: the desk closes positions. Only the desk says so, and not if it was
    /// killed again, or resumed, in between.
    pub fn flatten(&self) -> bool {
        let from = (KILLED, FLATTENING);
        let order = (Ordering::AcqRel, Ordering::Relaxed);
        let swapped = self
            .state
            .0
            .compare_exchange(from.0, from.1, order.0, order.1);
        swapped.is_ok()
    }

    /// Strategies order nothing.
    pub fn is_killed(&self) -> bool {
        self.state.0.load(Ordering::Acquire) != TRADING
    }

    /// A gateway lets new orders out.
    pub(crate) fn lets_out(&self) -> bool {
        self.state.0.load(Ordering::Acquire) != KILLED
    }

    /// By the newest list that the gateway at this place got since, nothing of ours rests, or
    /// something does.
    pub(crate) fn set_clear(&self, account: usize, clear: bool) {
        let bit = 1 << account;
        match clear {
            true => self.clear.fetch_or(bit, Ordering::Relaxed),
            false => self.clear.fetch_and(!bit, Ordering::Relaxed),
        };
    }

    /// Whether the newest list that each exchange gave since it was thrown had nothing of ours.
    pub fn is_clear(&self) -> bool {
        let ones = self.clear.load(Ordering::Relaxed).count_ones();
        ones as usize == self.accounts()
    }

    /// How many accounts it is for.
    pub(crate) fn accounts(&self) -> usize {
        self.accounts.max(1) as usize
    }

    /// A strategy is about to decide.
    pub(crate) fn enter(&self, now: Nanos, strategy: StrategyId) {
        let who = (u64::from(strategy.0) + 1) << SINCE_BITS;
        self.inside.0.store(who | now.0 & SINCE, Ordering::Relaxed);
    }

    /// It has decided.
    pub(crate) fn leave(&self) {
        self.inside.0.store(0, Ordering::Relaxed);
    }

    /// Which strategy is deciding, and for how long.
    pub(crate) fn inside(&self, now: Nanos) -> Option<(StrategyId, Span)> {
        let inside = self.inside.0.load(Ordering::Relaxed);
        let who = u8::try_from((inside >> SINCE_BITS).checked_sub(1)?).ok()?;
        Some((StrategyId(who), now.since(Nanos(inside & SINCE))))
    }
}

/// The switch, and the bells of everybody who is to look at it at once.
#[derive(Clone)]
pub(crate) struct Kill {
    switch: Arc<KillSwitch>,
    bells: Vec<Arc<Bell>>,
}

impl Kill {
    pub(crate) fn new(switch: Arc<KillSwitch>, bells: Vec<Arc<Bell>>) -> Self {
        Self { switch, bells }
    }

    /// Kills, and wakes everybody up.
    pub(crate) fn kill(&self) {
        self.switch.kill();
        self.bells.iter().for_each(|bell| bell.wake());
    }

    /// The switch itself.
    pub(crate) fn switch(&self) -> &KillSwitch {
        &self.switch
    }
}
