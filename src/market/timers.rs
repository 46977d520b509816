//! The deadlines of one book: an enum into an array. Knows what is due, never why.

use crate::base::Nanos;

/// What a deadline ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Timer {
    /// A hole waits for another line to fill it.
    Heal,
    /// A crossed book may heal.
    Crossed,
    /// The stream owes what a snapshot has, or its first message; after that it is dead.
    Owed,
    /// Another picture of a live book, whose stream does not show every loss.
    Audit,
}

/// Deadlines by [`Timer`]; [`Nanos::NEVER`] for one that is not set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timers([Nanos; 4]);

impl Timers {
    /// None is set.
    pub(crate) const NONE: Self = Self([Nanos::NEVER; 4]);

    /// Sets a deadline, or moves it.
    pub(crate) fn set(&mut self, timer: Timer, at: Nanos) {
        self.0[timer as usize] = at;
    }

    /// Sets a deadline unless an earlier one is set.
    pub(crate) fn set_earlier(&mut self, timer: Timer, at: Nanos) {
        self.set(timer, self.0[timer as usize].min(at));
        debug_assert!(self.0[timer as usize] <= at);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, Nanos::NEVER);
        debug_assert!(!self.is_set(timer));
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Nanos::NEVER
    }

    /// Its deadline has come.
    pub(crate) fn is_due(&self, timer: Timer, now: Nanos) -> bool {
        now >= self.0[timer as usize]
    }

    /// The earliest deadline.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.0.into_iter().min().unwrap_or(Nanos::NEVER)
    }
}
