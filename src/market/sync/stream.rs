//! The part of [`BookBuilder`] for what comes in the stream itself: whole books, changes, and what
//! several lines make of each other's holes. Asks for nothing: it says when the book is lost.

use super::{BEHIND_MAX, BookBuilder, DiffOutcome};
use crate::base::feed::{Chain, SnapshotFrom};
use crate::base::{Diff, Nanos, Status};
use crate::market::book::Book;
use crate::market::dark::Trouble;
use crate::market::lines::HEAL_MAX;
use crate::market::place::Fit;
use crate::market::timers::Timer;
use crate::market::update::Update;
use std::cmp::Ordering;

/// What one pass over the held messages did.
enum Healed {
    Some,
    None,
    Mismatch,
}

impl<const N: usize> BookBuilder<N> {
    /// Takes a whole book out of the stream: it replaces what is held, in one step. One that is
    /// older than the book, if ids order, is left alone.
    pub(crate) fn handle_book(
        &mut self,
        update: &Update<'_>,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        if !self.handle_data(update) {
            return DiffOutcome::Ignored;
        }
        let outcome = match self.status {
            Status::Connecting => DiffOutcome::Ignored,
            Status::Buffering | Status::Resyncing => self.replace(update, true, applied),
            Status::Live | Status::Stale if self.is_newer_than(update.diff) => {
                self.counters.duplicates += 1;
                self.lines
                    .handle_again(update.now, update.line, update.diff);
                DiffOutcome::Duplicate
            }
            Status::Live | Status::Stale => self.replace(update, false, applied),
        };
        self.check();
        outcome
    }

    /// Takes one diff with its changed bids and asks.
    pub(crate) fn handle_diff(
        &mut self,
        update: &Update<'_>,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        if !self.handle_data(update) {
            return DiffOutcome::Ignored;
        }
        let outcome = match (self.status, self.rule.snapshot) {
            (Status::Connecting, _) => DiffOutcome::Ignored,
            (Status::Buffering | Status::Resyncing, SnapshotFrom::Rest) => {
                self.keep(update);
                DiffOutcome::Buffered
            }
            (Status::Buffering | Status::Resyncing, SnapshotFrom::Stream) => {
                self.counters.unsynced += 1;
                self.ask(update.now);
                DiffOutcome::Ignored
            }
            (Status::Live | Status::Stale, _) => self.follow(update, applied),
        };
        self.check();
        outcome
    }

    /// The stream speaks: nothing proves better that it is there. False if this line does not carry
    /// the book: another one does, and knows nothing of this line's messages.
    #[inline]
    fn handle_data(&mut self, update: &Update<'_>) -> bool {
        self.begun.is_heard_on(update.line) || self.handle_first_data(update)
    }

    #[cold]
    fn handle_first_data(&mut self, update: &Update<'_>) -> bool {
        let carries = self.lines.is_up(update.line);
        if carries {
            let first = self.begun.handle_data(update.line);
            self.handle_heard(update.now, first);
        }
        carries
    }

    /// A whole book whose id says that what is held is newer, or as new and from another line. One
    /// that is as new as a stale book was asked for, and says that there was nothing to say.
    fn is_newer_than(&self, diff: &Diff) -> bool {
        let or_equal = self.lines.many() && self.status != Status::Stale;
        self.live.is_newer_than(diff, or_equal)
    }

    /// A whole book replaces what is held, if anything is.
    fn replace(
        &mut self,
        update: &Update<'_>,
        fresh: bool,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        let Update { now, diff, .. } = *update;
        self.refresh.shadow(false, &self.live);
        self.live.load_levels(update.bids, update.asks);
        if self.live.book().crossed() {
            return self.unbelievable(now);
        }
        if !self.verify(diff) {
            return self.mismatch(now);
        }
        self.trouble = Trouble::None;
        if fresh {
            self.lines.clear();
            self.buffer.clear(); // Of a stream of changes that began before this book.
        }
        self.abandon_refresh();
        let id = self.number(diff);
        self.live.accept(update, id, &mut self.claims);
        self.resub.stop();
        self.fetch.handle_live(now);
        self.audit_later(now);
        self.handle_alive(update, fresh, applied);
        DiffOutcome::Applied
    }

    /// No exchange's book is crossed or locked: what says so is not a book of one moment.
    fn unbelievable(&mut self, now: Nanos) -> DiffOutcome {
        self.counters.unbelieved += 1;
        self.lose(now);
        self.trouble = Trouble::Unbelieved;
        DiffOutcome::Mismatch
    }

    fn mismatch(&mut self, now: Nanos) -> DiffOutcome {
        self.counters.checksum_bad += 1;
        self.lose(now);
        DiffOutcome::Mismatch
    }

    /// Buffers a diff while there is no book. One that is not newer than the one before is no sign
    /// of life, and if it is older the exchange counts on from there: what is newer than it was
    /// of another count.
    fn keep(&mut self, update: &Update<'_>) {
        let Update {
            now, line, diff, ..
        } = *update;
        let order = self.lines.handle_waiting(line, diff.last_id);
        if order == Ordering::Greater {
            self.rhythm.beat(now);
        }
        let may_repeat = self.lines.many() || order != Ordering::Greater;
        if !(may_repeat && self.buffer.holds(diff)) {
            if order == Ordering::Less {
                self.lines.step_back(diff.last_id);
                self.buffer.step_back(diff.last_id);
                self.fetch.handle_recount(now);
            }
            self.counters.buffered += 1;
            self.counters.overflow += self.buffer.push(update);
        }
        self.fetch.hurry(now);
        self.ask(now);
    }

    /// A diff for a book that there is.
    fn follow(
        &mut self,
        update: &Update<'_>,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        let Update {
            now, line, diff, ..
        } = *update;
        let many = self.lines.many();
        let fit = self.live.fit(diff);
        // What another line brought is no news, even if it repeats the book's id, or the exchange
        // counts from a smaller id again.
        let in_order = fit == Fit::Next && diff.last_id > self.live.id();
        let known = many && !in_order && self.lines.handle_again(now, line, diff);
        match fit {
            _ if known => self.handle_behind(now),
            Fit::Duplicate => self.handle_behind(now),
            // The first message after a snapshot of unknown age: is anything missing between them?
            Fit::Next if self.live.is_unproven() => {
                self.counters.too_old += 1;
                self.lose(now);
                self.trouble = Trouble::TooOld;
                self.keep(update);
                DiffOutcome::Gap
            }
            Fit::Next => self.step(update, many, applied),
            Fit::Gap if many => self.hold(update),
            Fit::Gap => {
                self.counters.gaps += 1;
                self.lose(now);
                if self.rule.snapshot == SnapshotFrom::Rest {
                    self.keep(update);
                }
                DiffOutcome::Gap
            }
        }
    }

    /// A duplicate says that the stream is behind the book: for how long? And that the snapshot has
    /// what the stream began with.
    fn handle_behind(&mut self, now: Nanos) -> DiffOutcome {
        self.counters.duplicates += 1;
        self.live.prove_age();
        let behind_until = self.rhythm.poll_timeout() + BEHIND_MAX;
        if self.status == Status::Stale && now >= behind_until {
            self.resync(now); // The exchange counts again, or its snapshot was no good.
        }
        DiffOutcome::Duplicate
    }

    /// The diff is the next one: the book changes, if its checksum agrees.
    fn step(
        &mut self,
        update: &Update<'_>,
        many: bool,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        let Update {
            diff, bids, asks, ..
        } = *update;
        let shadow = many && self.live.needs_proof(diff);
        if shadow {
            self.abandon_refresh();
        }
        self.refresh.shadow(shadow, &self.live);
        self.live.apply(bids, asks);
        if !self.verify(diff) {
            if !shadow {
                return self.mismatch(update.now);
            }
            self.refresh.undo(&mut self.live);
            return self.hold(update);
        }
        if shadow {
            self.refresh.apply(bids, asks);
        }
        if self.refresh.is_on() {
            // What it drops shortens its reach, no more.
            self.buffer.push(update);
        }
        self.live.step(self.number(diff));
        self.handle_alive(update, false, applied);
        DiffOutcome::Applied
    }

    /// The book changed: it is live, whatever it was, and what waited for this may follow.
    fn handle_alive(
        &mut self,
        update: &Update<'_>,
        fresh: bool,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) {
        let now = update.now;
        if self.status == Status::Stale {
            self.resub.stop();
        }
        self.rhythm.beat(now);
        self.status = Status::Live;
        self.timers.stop(Timer::Owed);
        self.live.show(fresh, &mut self.counters, applied);
        if self.lines.many() {
            self.lines.handle_first(now, update.line, update.diff);
        }
        if self.is_healing() {
            if !self.heal(now, applied) {
                self.mismatch(now);
                return;
            }
            self.counters.healed += u64::from(!self.is_healing());
        }
        self.after_change(now);
    }

    /// The id that the book stands at after this message.
    fn number(&self, diff: &Diff) -> u64 {
        match self.rule.chain {
            Chain::Counted => self.counters.updates,
            Chain::Dense | Chain::Previous | Chain::Rising => diff.last_id,
        }
    }

    fn verify(&mut self, diff: &Diff) -> bool {
        self.live.verify(diff, self.scales, &mut self.counters)
    }

    /// Something is missing before this message, and another line may bring it.
    fn hold(&mut self, update: &Update<'_>) -> DiffOutcome {
        self.abandon_refresh();
        if !self.buffer.holds(update.diff) {
            self.counters.overflow += self.buffer.push(update);
            let until = update.now + HEAL_MAX;
            self.timers.set_earlier(Timer::Heal, until);
        }
        DiffOutcome::Held
    }

    /// Applies what was held and follows now, in whatever order it came. False if the book
    /// proved wrong.
    pub(super) fn heal(
        &mut self,
        now: Nanos,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> bool {
        let right = loop {
            match self.heal_some(applied) {
                Healed::Some => {}
                Healed::None => break true,
                Healed::Mismatch => break false,
            }
        };
        let open = self.buffer.iter().position(|held| self.is_open(held.diff));
        match open {
            Some(place) => {
                self.buffer.drop_first(place);
                let since = self.buffer.iter().next().map_or(now, |held| held.at);
                self.timers.set(Timer::Heal, since + HEAL_MAX);
            }
            None => {
                self.buffer.clear();
                self.timers.stop(Timer::Heal);
            }
        }
        right
    }

    /// It is none of what the book has, and waits for something.
    fn is_open(&self, diff: &Diff) -> bool {
        self.live.fit(diff) != Fit::Duplicate
            && diff.last_id != self.live.id()
            && !self.lines.knows(diff)
    }

    /// Applies every held message that follows, in one pass.
    fn heal_some(&mut self, applied: &mut impl FnMut(&Book<N>, u64, bool)) -> Healed {
        let mut healed = Healed::None;
        for held in self.buffer.iter() {
            let diff = held.diff;
            if self.live.fit(diff) != Fit::Next || !self.is_open(diff) {
                continue;
            }
            let (at, line) = (held.at, held.line);
            let shadow = self.live.needs_proof(diff);
            self.refresh.shadow(shadow, &self.live);
            self.live.apply_held(held);
            if !self.live.verify(diff, self.scales, &mut self.counters) {
                if !shadow {
                    return Healed::Mismatch;
                }
                self.refresh.undo(&mut self.live);
                continue;
            }
            if shadow {
                self.refresh.follow(&self.live);
            }
            self.live.step(self.number(diff));
            self.live.show(false, &mut self.counters, applied);
            self.lines.handle_first(at, line, diff);
            healed = Healed::Some;
        }
        healed
    }

    /// The hole was filled by no line in time.
    pub(super) fn give_up(&mut self, now: Nanos) {
        let unproved = |diff: &Diff| self.live.needs_proof(diff);
        let bad = self.buffer.first().is_some_and(unproved);
        self.counters.checksum_bad += u64::from(bad);
        self.counters.gaps += u64::from(!bad);
        match self.rule.snapshot {
            SnapshotFrom::Stream => self.lose(now),
            // What was held waits for the snapshot.
            SnapshotFrom::Rest => {
                self.resync(now);
                self.fetch.hurry(now);
            }
        }
    }
}
