//! The part of [`BookBuilder`] for what a stream cannot reveal: a lost message, if nothing in those
//! behind it shows that. Another picture of the live book is asked for at a low rate. One by REST
//! is compared with the book at the same update id; one of the stream takes the book's place.

use super::{BookBuilder, Trouble};
use crate::base::feed::SnapshotFrom;
use crate::base::{Nanos, Span, Status};
use crate::market::timers::Timer;

/// From one snapshot by REST to the next that a live book is compared with. What was lost is found
/// within this, the time of the request, and [`super::OWED_MAX`].
pub(crate) const AUDIT_EVERY: Span = Span::from_secs(60);
/// From one whole book of the stream to the next: the largest have megabytes, and each is asked for
/// by unsubscribing and subscribing.
pub(crate) const RENEW_EVERY: Span = Span::from_secs(600);

impl<const N: usize> BookBuilder<N> {
    /// The stream does not show every loss.
    pub(super) fn is_audited(&self) -> bool {
        !self.rule.shows_all_losses()
    }

    /// A book began, or another picture took its place.
    pub(super) fn audit_later(&mut self, now: Nanos) {
        if self.is_audited() {
            let every = match self.rule.snapshot {
                SnapshotFrom::Rest => AUDIT_EVERY,
                SnapshotFrom::Stream => RENEW_EVERY,
            };
            self.timers.set(Timer::Audit, now + every);
        }
    }

    /// Asks for another picture when it is time.
    pub(super) fn audit(&mut self, now: Nanos) {
        if !self.timers.is_due(Timer::Audit, now) {
            return;
        }
        self.audit_later(now);
        match self.rule.snapshot {
            _ if self.status != Status::Live => {} // Its own trouble asks for one.
            SnapshotFrom::Rest => self.fetch.refresh(now),
            SnapshotFrom::Stream => self.resub.confirm(now),
        }
    }

    /// The refresh is where the live book is, and has other levels.
    pub(super) fn is_contradicted(&self) -> bool {
        let live = self.status == Status::Live;
        live && self.is_audited() && self.refresh.contradicts(&self.live)
    }

    /// Which of the two pictures is wrong nobody knows: the book is gone until a third one comes.
    pub(super) fn contradicted(&mut self, now: Nanos) {
        self.counters.contradicted += 1;
        self.counters.gaps += 1;
        self.lose(now);
        self.trouble = Trouble::Hole;
        self.fetch.hurry(now);
    }
}
