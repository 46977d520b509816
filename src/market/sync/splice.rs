//! The part of [`BookBuilder`] for snapshots: how one and the diffs held become a book, and how a
//! live book is replaced by a newer picture. Waits for nothing.

use super::{BookBuilder, HELD_MAX, OWED_MAX, SnapshotOutcome};
use crate::base::{Diff, Nanos, Snapshot, Status};
use crate::market::book::Book;
use crate::market::dark::Trouble;
use crate::market::place::{Fit, Place};
use crate::market::seq_book::SeqBook;
use crate::market::timers::Timer;

impl<const N: usize> BookBuilder<N> {
    /// Takes a snapshot, asked for or not. Without a stream that keeps it true it is of no use.
    pub(crate) fn handle_snapshot(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> SnapshotOutcome {
        let asked = self.fetch.is_open();
        self.fetch.handle_answer();
        let outcome = match self.status {
            Status::Connecting => SnapshotOutcome::Ignored,
            _ if self.is_waiting() && !self.begun.is_heard() => SnapshotOutcome::Ignored,
            Status::Buffering | Status::Resyncing => self.start(now, snapshot, asked, applied),
            Status::Live | Status::Stale if self.refresh.is_on() => self.refresh(now, snapshot),
            Status::Live | Status::Stale => SnapshotOutcome::Ignored,
        };
        self.ask(now);
        self.check();
        outcome
    }

    /// A snapshot could not be fetched: asks again, later each time.
    pub(crate) fn handle_snapshot_failed(&mut self, now: Nanos) {
        self.fetch.handle_answer();
        self.useless(now, Trouble::Failed);
        self.ask(now);
        self.check();
    }

    fn useless(&mut self, now: Nanos, why: Trouble) {
        match self.status {
            Status::Connecting => {}
            Status::Buffering | Status::Resyncing => {
                self.trouble = why;
                if self.begun.is_heard() {
                    self.fetch.handle_useless(now, false);
                }
            }
            Status::Live | Status::Stale => self.fetch.handle_useless(now, true),
        }
    }

    fn too_old(&mut self, now: Nanos) -> SnapshotOutcome {
        self.counters.too_old += 1;
        self.useless(now, Trouble::TooOld);
        SnapshotOutcome::TooOld
    }

    fn unbelieved(&mut self, now: Nanos) -> SnapshotOutcome {
        self.counters.unbelieved += 1;
        self.useless(now, Trouble::Unbelieved);
        SnapshotOutcome::Unbelieved
    }

    /// True if messages between a snapshot at `id` and the first diff held may be missing.
    fn is_too_old(&self, id: u64) -> bool {
        if !self.rule.shows_losses() {
            // Nothing in a diff names the one before it: the snapshot itself must be as new as the
            // first.
            let reach = self.buffer.reach();
            return self.fetch.is_outdated() || reach.is_some_and(|first| id < first);
        }
        let gap = |diff: &Diff| Place::snapshot(id).fit(self.rule, diff) == Fit::Gap;
        match self.lines.many() {
            // Lines mix their messages: any one that joins will do.
            true => !self.buffer.is_empty() && self.buffer.iter().all(|held| gap(held.diff)),
            false => self.buffer.first().is_some_and(gap),
        }
    }

    /// The book begins at the snapshot, and catches up with the diffs held.
    ///
    /// A snapshot may be ahead of the stream: diffs that it has already are dropped when they come.
    fn start(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        asked: bool,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> SnapshotOutcome {
        let oldest = Nanos(now.0.saturating_sub(HELD_MAX.0));
        let another_count = asked && self.fetch.is_of_another_count();
        if another_count || self.is_too_old(snapshot.last_id) {
            self.buffer.forget_before(oldest);
            return self.too_old(now);
        }
        self.live.load_snapshot(snapshot, &mut self.claims);
        if self.live.book().crossed() {
            self.live.clear();
            return self.unbelieved(now);
        }
        if asked && !self.rule.shows_losses() && self.buffer.is_empty() {
            self.live.doubt_age();
        }
        self.live.show(true, &mut self.counters, applied);
        if let Some(gap) = self.catch_up(now, applied) {
            self.restart_from(now, gap);
            self.buffer.forget_before(oldest);
            return SnapshotOutcome::Gap;
        }
        if !self.is_healing() {
            self.buffer.clear();
        }
        self.status = Status::Live;
        self.trouble = Trouble::None;
        self.rhythm.rewind(now);
        self.fetch.handle_live(now);
        self.audit_later(now);
        self.after_change(now);
        SnapshotOutcome::Live
    }

    /// Applies the diffs held; returns the place of the first one that does not follow, and will
    /// not.
    fn catch_up(
        &mut self,
        now: Nanos,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> Option<usize> {
        if self.lines.many() {
            self.heal(now, applied);
            return self.timers.is_due(Timer::Heal, now).then_some(0);
        }
        let counters = &mut self.counters;
        self.live.catch_up(&self.buffer, |book, fit| match fit {
            Fit::Gap => {}
            Fit::Duplicate => counters.duplicates += 1,
            Fit::Next => book.show(false, counters, applied),
        })
    }

    /// The buffer has a hole before its diff `gap`: what is after it waits for the next snapshot.
    fn restart_from(&mut self, now: Nanos, gap: usize) {
        self.counters.gaps += 1;
        self.buffer.drop_first(gap);
        self.resync(now);
        self.trouble = Trouble::Hole;
        self.fetch.hurry(now);
    }

    /// A newer picture of a book that is live: built beside it, so that it is never without one.
    fn refresh(&mut self, now: Nanos, snapshot: &Snapshot) -> SnapshotOutcome {
        self.refresh.load(snapshot, &mut self.claims);
        let spare = self.refresh.spare();
        if spare.is_some_and(|spare| spare.book().crossed()) {
            return self.unbelieved(now);
        }
        let stale = self.status == Status::Stale;
        let audited = !stale && self.is_audited();
        let agrees = spare.is_some_and(|spare| (stale || audited) && self.live.agrees(spare));
        let proves = stale && snapshot.last_id >= self.live.id();
        let outcome = if snapshot.last_id <= self.live.id() {
            self.finish_refresh(now)
        } else if agrees {
            self.refreshed(now);
            SnapshotOutcome::Confirmed
        } else {
            self.refresh.hold();
            if stale && !self.begun.is_doubted() {
                let until = (now + OWED_MAX).max(self.rhythm.reconnect_from());
                self.timers.set_earlier(Timer::Owed, until);
            } else if audited {
                self.timers.set_earlier(Timer::Owed, now + OWED_MAX);
            }
            SnapshotOutcome::Held
        };
        if let SnapshotOutcome::Refreshed | SnapshotOutcome::Confirmed = outcome {
            if proves {
                self.rhythm.quiet(self.fetch.asked());
            }
            if stale && self.begun.is_heard() {
                self.end_silence(now);
            }
            self.after_change(now);
        }
        outcome
    }

    /// The stale book was confirmed: it is live again, unless that was asked for before the
    /// silence.
    fn end_silence(&mut self, now: Nanos) {
        if now < self.rhythm.poll_timeout() {
            self.status = Status::Live;
            self.timers.stop(Timer::Owed);
        } else {
            self.fetch.refresh(now);
        }
    }

    /// The refresh is over: nothing is held, kept or asked for.
    fn refreshed(&mut self, now: Nanos) {
        self.refresh.end();
        self.buffer.clear();
        self.fetch.handle_live(now);
    }

    /// Brings the refresh to where the book is, and puts it in its place.
    pub(super) fn finish_refresh(&mut self, now: Nanos) -> SnapshotOutcome {
        self.refresh.release();
        let id = self.refresh.spare().map_or(0, SeqBook::id);
        if !self.rule.shows_losses() && self.is_too_old(id) {
            return self.too_old(now);
        }
        if !self.refresh.catch_up(&self.buffer, &self.live) {
            return self.too_old(now); // The buffer does not reach back to it.
        }
        if self.is_contradicted() {
            self.contradicted(now);
            return SnapshotOutcome::Contradicted;
        }
        self.refresh.finish(&mut self.live);
        self.counters.refreshes += 1;
        if self.live.is_thin(self.depth_min) {
            // It did not reach deeper: no use asking at once again.
            self.useless(now, Trouble::None);
        } else {
            self.refreshed(now);
        }
        SnapshotOutcome::Refreshed
    }
}
