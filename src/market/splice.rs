//! The other half of [`BookBuilder`]: how a snapshot and the diffs held become a book. Asks for
//! nothing and waits for nothing.

use super::book::Book;
use super::buffer::Buffer;
use super::claims::Claims;
use super::dark::Trouble;
use super::place::{Fit, Place, change};
use super::sync::{BookBuilder, HELD_NS_MAX, OWED_NS_MAX, SnapshotOutcome};
use crate::base::{Diff, Nanos, Side, Snapshot, Status};

impl<const N: usize> BookBuilder<N> {
    /// Takes a snapshot, asked for or not. Without a stream that keeps it true it is of no use.
    pub fn handle_snapshot(
        &mut self,
        now: Nanos,
        snapshot: &Snapshot,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> SnapshotOutcome {
        let asked = self.fetch.is_open();
        self.fetch.answered();
        let dark = matches!(self.status, Status::Buffering | Status::Resyncing);
        let outcome = match self.status {
            Status::Connecting => SnapshotOutcome::Ignored,
            _ if dark && !self.is_heard() => SnapshotOutcome::Ignored,
            Status::Buffering | Status::Resyncing => self.start(now, snapshot, asked, applied),
            Status::Live | Status::Stale if self.refreshing => self.refresh(now, snapshot),
            Status::Live | Status::Stale => SnapshotOutcome::Ignored,
        };
        self.tick(now);
        outcome
    }

    /// A snapshot could not be fetched: asks again, later each time.
    pub fn handle_snapshot_failed(&mut self, now: Nanos) {
        self.fetch.answered();
        self.snapshot_useless(now, Trouble::Failed);
        self.tick(now);
    }

    fn snapshot_useless(&mut self, now: Nanos, why: Trouble) {
        match self.status {
            Status::Connecting => {}
            Status::Buffering | Status::Resyncing => {
                self.trouble = why;
                if self.is_heard() {
                    self.fetch.failed(now, false);
                }
            }
            Status::Live | Status::Stale => self.fetch.failed(now, true),
        }
    }

    fn too_old(&mut self, now: Nanos) -> SnapshotOutcome {
        self.counters.too_old += 1;
        self.snapshot_useless(now, Trouble::TooOld);
        SnapshotOutcome::TooOld
    }

    fn unbelieved(&mut self, now: Nanos) -> SnapshotOutcome {
        self.counters.unbelieved += 1;
        self.snapshot_useless(now, Trouble::Unbelieved);
        SnapshotOutcome::Unbelieved
    }

    /// True where messages between the snapshot and the first diff held may be missing.
    fn is_too_old(&self, place: Place) -> bool {
        if !self.rule.shows_losses() {
            // Nothing in a diff names the one before it: the snapshot itself must be as new as the
            // first.
            let lost = self.fetch.asked() < self.lost_at;
            return lost || self.buffer.reach().is_some_and(|first| place.id < first);
        }
        let gap = |diff: &Diff| place.fit(self.rule, diff) == Fit::Gap;
        match self.lines.many() {
            // Lines mix their messages: any one that joins will do.
            true => self.buffer.first().is_some() && self.buffer.iter().all(|(diff, ..)| gap(diff)),
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
        let place = Place::snapshot(snapshot.last_id);
        let oldest = Nanos(now.0.saturating_sub(HELD_NS_MAX));
        if self.is_too_old(place) {
            self.buffer.forget_before(oldest);
            return self.too_old(now);
        }
        load(&mut self.book, &mut self.claims, snapshot);
        if self.book.crossed() {
            self.book.clear();
            return self.unbelieved(now);
        }
        self.claimed = claims_more(&self.book, snapshot);
        self.unproven = asked && !self.rule.shows_losses() && self.buffer.first().is_none();
        self.at = place;
        self.note(true, applied);
        let gap = match self.lines.many() {
            true => {
                self.heal(now, applied);
                (now >= self.heal_until).then_some(0)
            }
            false => self.catch_up(applied),
        };
        if let Some(gap) = gap {
            self.restart_from(now, gap);
            self.buffer.forget_before(oldest);
            return SnapshotOutcome::Gap;
        }
        if self.heal_until == Nanos::NEVER {
            self.buffer.clear();
        }
        self.status = Status::Live;
        self.trouble = Trouble::None;
        self.rhythm.rewind(now);
        self.fetch.rest(now);
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
        self.trouble = Trouble::Hole;
        self.fetch.hurry(now);
    }

    /// A newer picture of a book that is live: built beside it, so that it is never without one.
    fn refresh(&mut self, now: Nanos, snapshot: &Snapshot) -> SnapshotOutcome {
        self.held = None; // The spare book becomes this one, whether or not it is believed.
        load(&mut self.spare, &mut self.claims, snapshot);
        if self.spare.crossed() {
            return self.unbelieved(now);
        }
        self.spare_claimed = claims_more(&self.spare, snapshot);
        let place = Place::snapshot(snapshot.last_id);
        let stale = self.status == Status::Stale;
        let proves = stale && place.id >= self.at.id;
        let outcome = if place.id <= self.at.id {
            self.finish_refresh(now, place)
        } else if stale && self.agrees() {
            self.refreshed(now);
            SnapshotOutcome::Confirmed
        } else {
            self.held = Some(place);
            if stale && !self.doubted {
                self.owed_until = self.owed_until.min(now + Nanos(OWED_NS_MAX));
            }
            SnapshotOutcome::Held
        };
        if let SnapshotOutcome::Refreshed | SnapshotOutcome::Confirmed = outcome {
            if proves {
                self.rhythm.quiet(self.fetch.asked());
            }
            if stale && now < self.rhythm.stale_at() && self.is_heard() {
                self.status = Status::Live;
                self.owed_until = Nanos::NEVER;
            } else if stale && self.is_heard() {
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
    fn refreshed(&mut self, now: Nanos) {
        self.held = None;
        self.buffer.clear();
        self.refreshing = false;
        self.fetch.rest(now);
    }

    /// Brings `spare` from `place` to where the book is, and puts it in its place.
    pub(super) fn finish_refresh(&mut self, now: Nanos, place: Place) -> SnapshotOutcome {
        self.held = None;
        let mut place = place;
        if !self.rule.shows_losses() && self.is_too_old(place) {
            return self.too_old(now);
        }
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
        self.claimed = self.spare_claimed;
        self.unproven = false;
        self.counters.refreshes += 1;
        if self.thin() {
            // It did not reach deeper: no use asking at once again.
            self.snapshot_useless(now, Trouble::None);
        } else {
            self.refreshed(now);
        }
        SnapshotOutcome::Refreshed
    }
}

/// A side that claims to have no more levels than these is whole once a second snapshot has said
/// so.
fn load<const N: usize>(book: &mut Book<N>, claims: &mut Claims, snapshot: &Snapshot) {
    let Snapshot {
        bids,
        bids_whole,
        asks,
        asks_whole,
        ..
    } = snapshot;
    let bids_whole = claims.confirm(Side::Buy, *bids_whole, bids.len());
    let asks_whole = claims.confirm(Side::Sell, *asks_whole, asks.len());
    book.load(bids, bids_whole, asks, asks_whole);
}

/// Some side claims to be whole, and is not believed.
fn claims_more<const N: usize>(book: &Book<N>, snapshot: &Snapshot) -> bool {
    let (bids, asks) = (snapshot.bids_whole, snapshot.asks_whole);
    (bids && !book.whole(Side::Buy)) || (asks && !book.whole(Side::Sell))
}
