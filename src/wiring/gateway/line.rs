//! One connection of a gateway: its session, and the requests on it that have no answer. Reads no
//! frame and makes none.

use super::super::desk::Receipt;
use crate::base::{InstrumentId, Nanos, StrategyId};
use crate::conn::{Link, Transport};
use crate::exchange::RequestKey;
use std::collections::VecDeque;

/// Requests without an answer, at most; risk's own limit on open orders is far below.
pub(super) const REQUESTS_MAX: usize = 512;
/// In the place of a byte count: part of the request still waits for the socket.
pub(super) const QUEUED: u64 = u64::MAX;

/// A request that was handed to the socket and has no answer yet.
///
/// Invariant: `admitted <= sent` if it has a receipt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) key: RequestKey,
    /// Whose orders or trades it is about; none if it is about no instrument.
    pub(super) instrument: InstrumentId,
    /// Just before the write call; while it is queued, before the first try.
    pub(super) sent: Nanos,
    /// The connection's byte count behind its last byte, or [`QUEUED`].
    pub(super) tx_bytes: u64,
    /// The kernel's send stamp; zero until it has come back.
    pub(super) wired: Nanos,
    /// The road of a new order, and whose it is.
    pub(super) receipt: Option<(Receipt, StrategyId)>,
    /// The order that this one takes the place of.
    pub(super) replaces: Option<crate::base::ClientId>,
}

/// One connection.
///
/// Invariant: from the front of `pending` to its back `sent` and `tx_bytes` do not fall. While it
/// is `on`, no first logon is awaited; the stream is followed, and the session renewed, only then.
pub(super) struct Line<S: Transport> {
    pub(super) link: Link<S>,
    /// When a logon without an answer is given up; [`Nanos::NEVER`] if none is awaited.
    pub(super) logon_due: Nanos,
    /// When it logs on again, before the session ends; [`Nanos::NEVER`] if it does not end.
    pub(super) renewal: Nanos,
    /// Requests may be sent.
    pub(super) on: bool,
    /// The private stream comes by it.
    pub(super) followed: bool,
    /// The exchange will cut it: the gateway replaces it when no answer is outstanding.
    pub(super) leaving: bool,
    pub(super) pending: VecDeque<Pending>,
    /// When a frame came last.
    pub(super) heard: Nanos,
    /// Frames are left that no readiness event will announce.
    pub(super) more: bool,
}

impl<S: Transport> Line<S> {
    /// Not open yet.
    pub(super) fn new(link: Link<S>) -> Self {
        Self {
            link,
            logon_due: Nanos::NEVER,
            renewal: Nanos::NEVER,
            on: false,
            followed: false,
            leaving: false,
            pending: VecDeque::with_capacity(REQUESTS_MAX),
            heard: Nanos::ZERO,
            more: false,
        }
    }

    /// Whether this request is under way.
    pub(super) fn has_asked(&self, key: RequestKey) -> bool {
        self.pending.iter().any(|pending| pending.key == key)
    }

    /// There is an answer to this request, which is no longer under way.
    pub(super) fn take(&mut self, key: RequestKey) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.key == key)?;
        self.pending.remove(at)
    }

    /// When the oldest request was sent that has no answer.
    pub(super) fn oldest(&self) -> Nanos {
        self.pending
            .front()
            .map_or(Nanos::NEVER, |first| first.sent)
    }

    /// The connection is no more: hands out what has no answer.
    pub(super) fn closed(&mut self) -> VecDeque<Pending> {
        (self.on, self.followed, self.leaving, self.more) = (false, false, false, false);
        (self.logon_due, self.renewal) = (Nanos::NEVER, Nanos::NEVER);
        std::mem::replace(&mut self.pending, VecDeque::with_capacity(REQUESTS_MAX))
    }

    pub(super) fn check(&self) {
        assert!(self.pending.len() <= REQUESTS_MAX);
        assert!(!self.on || self.logon_due == Nanos::NEVER);
        assert!(self.on || !self.followed);
        assert!(self.on || self.renewal == Nanos::NEVER);
        let all = |holds: fn(&Pending, &Pending) -> bool| {
            let behind = self.pending.iter().skip(1);
            self.pending.iter().zip(behind).all(|(a, b)| holds(a, b))
        };
        debug_assert!(all(|a, b| a.sent <= b.sent));
        debug_assert!(all(|a, b| a.tx_bytes <= b.tx_bytes));
        let road = |pending: &Pending| {
            pending
                .receipt
                .is_none_or(|(r, _)| r.admitted <= pending.sent)
        };
        debug_assert!(self.pending.iter().all(road));
    }
}
