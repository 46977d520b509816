//! How fast connections that the exchange is about to cut are replaced. Opens none itself.

use crate::base::{Nanos, Span};
use crate::conn::Backoff;

/// Announced ends of connections that are further apart than this have nothing to do with each
/// other.
const DEPARTURES_APART: Span = Span::from_secs(60);

/// When connections whose end the exchange announced are replaced: at once, but an exchange that
/// announces it again and again is asked for new ones ever less often.
pub(crate) struct Departures {
    backoff: Backoff,
    /// When the last one was announced.
    last: Option<Nanos>,
}

impl Departures {
    /// None was announced yet.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            backoff: Backoff::new(seed),
            last: None,
        }
    }

    /// An end was announced: when to open the connection that takes its place.
    pub(crate) fn next(&mut self, now: Nanos) -> Nanos {
        let calm = self
            .last
            .is_none_or(|last| now.since(last) >= DEPARTURES_APART);
        self.last = Some(now);
        if calm {
            self.backoff.reset();
            return now;
        }
        let at = self.backoff.on_failure(now);
        debug_assert!(now <= at);
        at
    }
}
