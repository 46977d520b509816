//! How much of an exchange's limits on requests is used, by its own count where it tells. Sends
//! nothing, and keeps a reserve that only cancels may use.

use crate::base::{Span, UnixNanos};
use crate::exchange::{Budget, OrderCodec, RequestKey};

/// One part in so many of each limit is for cancels alone.
const RESERVE: u32 = 10;
/// Whose clock says that a window is over is not known better than that.
const CLOCK_MARGIN: Span = Span::from_millis(100);

/// The windows of an account.
///
/// Invariant: one window a budget; nothing but a cancel takes from the reserve.
#[derive(Debug)]
pub(super) struct Budgets {
    windows: Vec<Window>,
    /// The exchange takes nothing before this time of its clock.
    banned_until: UnixNanos,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    budget: Budget,
    /// Its number since 1970.
    number: i64,
    used: u32,
}

impl Window {
    /// Which window it is at `now`: the exchange's, as late as it may be.
    fn turn(&mut self, now: UnixNanos) {
        let per = i64::try_from(self.budget.per.0).unwrap_or(i64::MAX).max(1);
        let number = (now.0 - CLOCK_MARGIN.0 as i64).div_euclid(per);
        if number > self.number {
            (self.number, self.used) = (number, 0);
        }
    }
}

impl Budgets {
    /// Nothing is used yet.
    pub(super) fn new(budgets: &[Budget]) -> Self {
        let window = |budget: &Budget| Window {
            budget: *budget,
            number: i64::MIN,
            used: 0,
        };
        Self {
            windows: budgets.iter().map(window).collect(),
            banned_until: UnixNanos(i64::MIN),
        }
    }

    /// Whether the exchange takes this request at `now` by its clock. If so it is counted.
    pub(super) fn admit(
        &mut self,
        codec: &dyn OrderCodec,
        key: RequestKey,
        now: UnixNanos,
    ) -> Result<(), &'static str> {
        if now < self.banned_until {
            return Err("banned");
        }
        let cancels = matches!(key, RequestKey::Cancel(_) | RequestKey::Reduce(_));
        for (at, window) in self.windows.iter_mut().enumerate() {
            window.turn(now);
            let limit = window.budget.limit;
            let limit = if cancels {
                limit
            } else {
                limit - limit.div_ceil(RESERVE)
            };
            if window.used.saturating_add(codec.cost(key, at)) > limit {
                return Err(window.budget.name);
            }
        }
        for (at, window) in self.windows.iter_mut().enumerate() {
            window.used += codec.cost(key, at);
        }
        Ok(())
    }

    /// So much is used, by the exchange's own count and with what is under way, and so much is
    /// allowed. It also counts what
    /// others send for the same account or address, and gives back for what is filled.
    pub(super) fn used(&mut self, at: usize, (used, allowed): (u32, u32), now: UnixNanos) {
        if let Some(window) = self.windows.get_mut(at) {
            window.turn(now);
            (window.used, window.budget.limit) = (used, allowed);
        }
    }

    /// The exchange takes nothing before this.
    pub(super) fn ban(&mut self, until: UnixNanos) {
        self.banned_until = self.banned_until.max(until);
    }

    /// Until when it takes nothing, if that is after `now`.
    pub(super) fn banned(&self, now: UnixNanos) -> Option<UnixNanos> {
        (now < self.banned_until).then_some(self.banned_until)
    }
}
