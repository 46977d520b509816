//! The other half of [`BookBuilder`]: how a snapshot and the diffs held become a book. Asks for nothing and waits for nothing.

use super::book::Book;
use super::buffer::Buffer;
use super::place::{Fit, Place, change};
use super::sync::{BookBuilder, OWED_NS_MAX, SnapshotOutcome};
use crate::base::{Diff, Nanos, Side, Snapshot, Status};

impl<const N: usize> BookBuilder<N> {
    /// Takes a snapshot, asked for or not.
    pub fn handle_snapshot(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> SnapshotOutcome {
        self.fetch.answered();
        let outcome = match self.status {
            Status::Connecting => SnapshotOutcome::Ignored,
            Status::Buffering | Status::Resyncing => self.start(now, snapshot, applied),
            Status::Live | Status::Stale if self.refreshing => self.refresh(now, snapshot),
            Status::Live | Status::Stale => SnapshotOutcome::Ignored,
        };
        self.tick(now);
        outcome
    }

    /// A snapshot could not be fetched: asks again, later each time.
    pub fn handle_snapshot_failed(&mut self, now: Nanos) {
        self.fetch.answered();
        self.snapshot_useless(now);
        self.tick(now);
    }

    fn snapshot_useless(&mut self, now: Nanos) {
        match self.status {
            Status::Connecting => {}
            Status::Buffering | Status::Resyncing => self.fetch.failed(now, false),
            Status::Live | Status::Stale => self.fetch.failed(now, true),
        }
    }

    fn too_old(&mut self, now: Nanos) -> SnapshotOutcome {
        self.counters.too_old += 1;
        self.snapshot_useless(now);
        SnapshotOutcome::TooOld
    }

    /// The book begins at the snapshot, and catches up with the diffs held.
    ///
    /// A snapshot may be ahead of the stream: diffs that it has already are dropped when they come.
    fn start(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> SnapshotOutcome {
        let place = Place::snapshot(snapshot.last_id);
        let many = self.lines.many();
        let gap = |diff: &Diff| place.fit(self.rule, diff) == Fit::Gap;
        // Lines mix their messages: any one that joins will do.
        let too_old = match many {
            true => self.buffer.first().is_some() && self.buffer.iter().all(|(diff, ..)| gap(diff)),
            false => self.buffer.first().is_some_and(gap),
        };
        if too_old {
            return self.too_old(now);
        }
        load(&mut self.book, snapshot);
        self.at = place;
        self.note(true, applied);
        let gap = match many {
            true => {
                self.heal(now, applied);
                (now >= self.heal_until).then_some(0)
            }
            false => self.catch_up(applied),
        };
        if let Some(gap) = gap {
            self.restart_from(now, gap);
            return SnapshotOutcome::Gap;
        }
        if self.heal_until == Nanos::NEVER {
            self.buffer.clear();
        }
        self.status = Status::Live;
        self.rhythm.rewind(now);
        self.fetch.rest();
        self.after_change(now);
        SnapshotOutcome::Live
    }

    /// Applies the diffs held; returns the number of those before the first that does not follow.
    fn catch_up(&mut self, applied: &mut impl FnMut(&Book<N>, u64, bool)) -> Option<usize> {
        let buffer = std::mem::replace(&mut self.buffer, Buffer::none());
        let mut gap = None;
        for (number, (diff, bids, asks)) in buffer.iter().enumerate() {
            match self.at.fit(self.rule, diff) {
                Fit::Gap => {
                    gap = Some(number);
                    break;
                }
                Fit::Duplicate => self.counters.duplicates += 1,
                Fit::Next => {
                    change(&mut self.book, bids, asks);
                    self.at.step(diff.last_id);
                    self.note(false, applied);
                }
            }
        }
        self.buffer = buffer;
        gap
    }

    /// The buffer has a hole before its diff `gap`: what is after it waits for the next snapshot.
    fn restart_from(&mut self, now: Nanos, gap: usize) {
        self.counters.gaps += 1;
        self.buffer.drop_first(gap);
        self.resync(now);
        self.fetch.hurry(now);
    }

    /// A newer picture of a book that is live: built beside it, so that it is never without one.
    fn refresh(&mut self, now: Nanos, snapshot: &Snapshot) -> SnapshotOutcome {
        load(&mut self.spare, snapshot);
        let place = Place::snapshot(snapshot.last_id);
        let stale = self.status == Status::Stale;
        let proves = stale && place.id >= self.at.id;
        let outcome = if place.id <= self.at.id {
            self.finish_refresh(now, place)
        } else if stale && self.agrees() {
            self.refreshed();
            SnapshotOutcome::Confirmed
        } else {
            self.held = Some(place);
            if stale {
                self.owed_until = self.owed_until.min(now + Nanos(OWED_NS_MAX));
            }
            SnapshotOutcome::Held
        };
        if let SnapshotOutcome::Refreshed | SnapshotOutcome::Confirmed = outcome {
            if proves {
                self.rhythm.quiet(self.fetch.asked());
            }
            if stale && now < self.rhythm.stale_at() {
                self.status = Status::Live;
                self.owed_until = Nanos::NEVER;
            } else if stale {
                self.fetch.refresh(now); // Asked for before the silence: it proves nothing.
            }
            self.after_change(now);
        }
        outcome
    }

    /// Book and `spare` have the same levels, as far as both are complete.
    fn agrees(&self) -> bool {
        let reach = |book: &Book<N>, side| match book.whole(side) {
            true => usize::MAX,
            false => book.complete_depth(side),
        };
        [Side::Buy, Side::Sell].into_iter().all(|side| {
            let depth = reach(&self.book, side).min(reach(&self.spare, side));
            let (ours, theirs) = (self.book.levels(side), self.spare.levels(side));
            ours.take(depth).eq(theirs.take(depth))
        })
    }

    /// The refresh is over: nothing is held, kept or asked for any more.
    fn refreshed(&mut self) {
        self.held = None;
        self.buffer.clear();
        self.refreshing = false;
        self.fetch.rest();
    }

    /// Brings `spare` from `place` to where the book is, and puts it in its place.
    pub(super) fn finish_refresh(&mut self, now: Nanos, place: Place) -> SnapshotOutcome {
        self.held = None;
        let mut place = place;
        for (diff, bids, asks) in self.buffer.iter() {
            match place.fit(self.rule, diff) {
                Fit::Gap => break,
                Fit::Duplicate => {}
                Fit::Next => {
                    change(&mut self.spare, bids, asks);
                    place.step(diff.last_id);
                }
            }
        }
        if place.id != self.at.id {
            return self.too_old(now); // The buffer does not reach back to it.
        }
        std::mem::swap(&mut self.book, &mut self.spare);
        self.counters.refreshes += 1;
        if self.thin() {
            self.snapshot_useless(now); // It did not reach deeper: no use asking at once again.
        } else {
            self.refreshed();
        }
        SnapshotOutcome::Refreshed
    }
}

fn load<const N: usize>(book: &mut Book<N>, snapshot: &Snapshot) {
    let Snapshot {
        bids,
        bids_whole,
        asks,
        asks_whole,
        ..
    } = snapshot;
    book.load(bids, *bids_whole, asks, *asks_whole);
}
