//! One line of a feed lane: a connection and what it is subscribed to. Knows no book and no other
//! line.

use super::subscriptions::{Desired, Subscriptions};
use crate::base::{Nanos, Span};
use crate::conn::{Close, Link, Phase, SendError, Transport};
use crate::exchange::KeepAlive;
use std::sync::Arc;

/// How long before the end of a connection's life the one that replaces it is opened.
pub(crate) const REPLACE_LEAD: Span = Span::from_secs(600);

/// A connection that was open for this long was healthy: how it ended is no pattern.
pub const HEALTHY: Span = Span::from_secs(60);
/// After this many ends for the same reason, without a healthy time in between, the log tells a
/// person; then after twice as many.
pub const SAME_ENDS_TOLD: u32 = 3;

/// What a line is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It carries the streams of its part.
    Regular,
    /// It takes the place of this line, as soon as it carries what that one does.
    Replaces(u8),
    /// It has no connection, and wants none before one is to be replaced, or full.
    Resting,
}

/// A connection and its subscriptions.
///
/// Invariant: while it is not open nothing of its connection is due: no keep-alive, no request that
/// waits for the message limit, no line to close in favour of this one. Ends are counted from one.
pub(crate) struct Line<S: Transport> {
    pub(crate) link: Link<S>,
    pub(crate) role: Role,
    /// The part of the lane's streams that it carries; of no meaning while it rests.
    pub(crate) part: u8,
    /// The exchange has confirmed something of that part on it.
    pub(crate) proven: bool,
    /// Topics that left it, for its session was full, and of which nothing was said yet.
    pub(crate) moved: usize,
    pub(crate) subscriptions: Subscriptions,
    /// The lane's epoch in which it opened; zero while it is not open.
    pub(crate) epoch: u32,
    /// The socket may hold more: the last drain ended by its budget, not by the socket.
    pub(crate) more: bool,
    /// When it is to be replaced; unset while it is not open.
    pub(crate) replace_from: Nanos,
    /// When the line that it replaces is closed: it carries the streams by now, and both did for a
    /// while.
    pub(crate) takes_over: Nanos,
    /// The exchange has said that it is about to cut the connection.
    pub(crate) leaving: bool,
    /// When it opened last, and how it has ended since it was healthy: why, and how often in a row.
    opened: Nanos,
    ends: Option<(Close, u32)>,
    keep_alive: Option<KeepAlive>,
    keep_alive_at: Nanos,
    /// When the exchange's message limit lets the next frame out.
    resume_at: Nanos,
}

impl<S: Transport> Line<S> {
    pub(crate) fn new(link: Link<S>, desired: Arc<Desired>, role: Role) -> Self {
        Self {
            link,
            role,
            part: 0,
            proven: false,
            moved: 0,
            keep_alive: desired.exchange().keep_alive(),
            subscriptions: Subscriptions::new(desired),
            epoch: 0,
            more: false,
            replace_from: Nanos::NEVER,
            takes_over: Nanos::NEVER,
            leaving: false,
            keep_alive_at: Nanos::NEVER,
            resume_at: Nanos::NEVER,
            opened: Nanos::NEVER,
            ends: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.epoch != 0
    }

    /// It carries this part, or is about to.
    pub(crate) fn is_of(&self, part: u8) -> bool {
        self.role != Role::Resting && self.part == part
    }

    /// It has no connection, and nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.role == Role::Resting && !self.is_open()
    }

    pub(crate) fn handle_opened(&mut self, now: Nanos, epoch: u32) {
        (self.epoch, self.opened) = (epoch, now);
        self.subscriptions.handle_opened();
        self.keep_alive_at = self.next_keep_alive(now);
        self.resume_at = Nanos::NEVER;
        let expires = self.link.expires();
        let lead = REPLACE_LEAD.min(expires.since(now) / 4);
        self.replace_from = expires - lead;
        self.leaving = false;
        self.more = true; // Frames may already be inside TLS.
        debug_assert!(self.is_open());
        self.check();
    }

    /// The connection ended, or could not be had. Gives how often in a row for this reason, if the
    /// log is to say it.
    pub(crate) fn handle_closed(&mut self, now: Nanos, why: Close) -> Option<u32> {
        let told = self.count_end(now, why);
        (self.epoch, self.more) = (0, false);
        self.subscriptions.handle_closed();
        (self.keep_alive_at, self.resume_at) = (Nanos::NEVER, Nanos::NEVER);
        (self.replace_from, self.takes_over) = (Nanos::NEVER, Nanos::NEVER);
        debug_assert!(!self.is_open());
        self.check();
        told
    }

    fn count_end(&mut self, now: Nanos, why: Close) -> Option<u32> {
        let healthy = self.is_open() && now.since(self.opened) >= HEALTHY;
        let before = self.ends.filter(|_| !healthy);
        if why.is_ours() {
            self.ends = before;
            return None;
        }
        let times = match before {
            Some((known, times)) if known == why => times + 1,
            Some(_) | None => 1,
        };
        self.ends = Some((why, times));
        let rounds = times / SAME_ENDS_TOLD;
        let tell = times.is_multiple_of(SAME_ENDS_TOLD) && rounds.is_power_of_two();
        tell.then_some(times)
    }

    /// Why it ends again and again, and how often in a row; `None` if it does not.
    pub(crate) fn keeps_closing(&self, now: Nanos) -> Option<(Close, u32)> {
        let healthy = self.is_open() && now.since(self.opened) >= HEALTHY;
        self.ends
            .filter(|(_, times)| !healthy && *times >= SAME_ENDS_TOLD)
    }

    /// Sends what may go out now: first what keeps the connection open, then requests.
    pub(crate) fn send_waiting(&mut self, now: Nanos) {
        if !self.is_open() || self.link.phase() != Phase::Live {
            return;
        }
        if now >= self.keep_alive_at
            && let Some(KeepAlive { text, .. }) = self.keep_alive
        {
            match self.link.send_first(now, text.as_bytes()) {
                Err(SendError::Limited { until }) => {
                    self.keep_alive_at = until; // Nothing else finds room before.
                    return;
                }
                // If the connection is gone by then, nobody loses anything.
                Ok(_) | Err(SendError::NotLive | SendError::Full | SendError::Broken) => {
                    self.keep_alive_at = self.next_keep_alive(now);
                }
            }
        }
        if now < self.resume_at && self.resume_at != Nanos::NEVER {
            return;
        }
        self.resume_at = Nanos::NEVER;
        while let Some(text) = self.subscriptions.poll_frame(now) {
            match self.link.send(now, text.as_bytes()) {
                Ok(_) => self.subscriptions.handle_sent(now),
                Err(SendError::Limited { until }) => {
                    self.resume_at = until;
                    return;
                }
                // No longer live: everything is sent again in the next epoch.
                Err(SendError::NotLive | SendError::Full | SendError::Broken) => return,
            }
        }
    }

    /// When something of the line is due: of its link, its subscriptions, or its keep-alive.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        if self.role == Role::Resting {
            return Nanos::NEVER;
        }
        self.link
            .poll_timeout()
            .min(self.subscriptions.poll_timeout())
            .min(self.resume_at)
            .min(self.keep_alive_at)
            .min(self.takes_over)
    }

    pub(super) fn check(&self) {
        let due = [self.keep_alive_at, self.resume_at, self.takes_over];
        debug_assert!(self.is_open() || due == [Nanos::NEVER; 3]);
        debug_assert!(!self.is_open() || self.opened != Nanos::NEVER);
        debug_assert!(
            self.ends
                .is_none_or(|(why, times)| times > 0 && !why.is_ours())
        );
    }

    fn next_keep_alive(&self, now: Nanos) -> Nanos {
        self.keep_alive
            .map_or(Nanos::NEVER, |keep_alive| now + keep_alive.every)
    }
}
