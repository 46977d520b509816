//! The part of [`BookBuilder`] for what comes in the stream itself: whole books, changes, and what
//! several lines make of each other's holes. Asks for nothing: it says when the book is lost.

use super::book::Book;
use super::buffer::Buffer;
use super::checksum;
use super::dark::Trouble;
use super::lines::HEAL_NS_MAX;
use super::place::{Fit, Place, change};
use super::sync::{BookBuilder, DiffOutcome};
use crate::base::feed::{Chain, SnapshotFrom};
use crate::base::{Diff, Level, Nanos, Side, Status};

/// What one pass over the held messages did.
enum Healed {
    Some,
    None,
    Mismatch,
}

impl<const N: usize> BookBuilder<N> {
    /// Takes a whole book out of the stream: it replaces what is held, in one step. One that is
    /// older than the book, where ids order, is left alone.
    pub fn handle_book(
        &mut self,
        now: Nanos,
        line: u8,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        if !self.heard[usize::from(line)] || self.doubted {
            self.hear_data(now, line);
        }
        let fresh = match self.status {
            Status::Connecting => return DiffOutcome::Ignored,
            Status::Buffering | Status::Resyncing => true,
            Status::Live | Status::Stale => false,
        };
        let many = self.lines.many();
        if !fresh && self.is_older(diff, many) {
            self.counters.duplicates += 1;
            self.lines.lost(now, line, diff.last_id, diff.prev_id);
            return DiffOutcome::Duplicate;
        }
        let whole = |levels: &[Level]| {
            let window = self.rule.window.map_or(usize::MAX, usize::from);
            levels.len() < window && self.rule.short.map(usize::from) != Some(levels.len())
        };
        let (bids_whole, asks_whole) = (whole(bids), whole(asks));
        self.book.load(bids, bids_whole, asks, asks_whole);
        self.book.end_message();
        self.shadowed = false;
        if self.book.crossed() {
            return self.unbelievable(now);
        }
        if !self.verify(diff) {
            return self.mismatch(now);
        }
        // A checksum is a second word about the same levels.
        let proved = self.rule.checksum.is_some() && diff.checksum.is_some();
        self.claimed = !proved && self.doubt_nothing(bids, asks);
        self.trouble = Trouble::None;
        if fresh {
            self.lines.clear();
            self.buffer.clear(); // Of a stream of changes that began before this book.
            self.heal_until = Nanos::NEVER;
        }
        self.abandon_refresh();
        self.at = Place::snapshot(self.number(diff));
        // What follows a book on its own line comes after it, also with the same number.
        self.at.first &= self.rule.chain != Chain::Rising;
        self.resub.rest();
        self.fetch.rest(now);
        self.alive(now, line, diff, fresh, applied);
        DiffOutcome::Applied
    }

    /// No exchange's book is crossed or locked: what says so is not a book of one moment.
    fn unbelievable(&mut self, now: Nanos) -> DiffOutcome {
        self.counters.unbelieved += 1;
        self.buffer.clear();
        self.resync(now);
        self.trouble = Trouble::Unbelieved;
        DiffOutcome::Mismatch
    }

    /// A side of a whole book without any level is believed once a second book has said so: until
    /// then nothing is known of it. True where that is so. A side that is merely short is believed
    /// at once: it comes out of the same sequence as the changes, nothing cuts it to a number of
    /// levels that were asked for, and a second one would cost another subscription of each thin
    /// market.
    fn doubt_nothing(&mut self, bids: &[Level], asks: &[Level]) -> bool {
        let mut doubted = false;
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            let empty = levels.is_empty();
            if !self.claims.confirm(side, empty, 0) && empty {
                self.book.doubt(side);
                doubted = true;
            }
        }
        doubted
    }

    /// A book whose id says that what is held is newer, or as new and from another line. One that
    /// is as new as a stale book was asked for, and says that there was nothing to say.
    fn is_older(&self, diff: &Diff, many: bool) -> bool {
        let many = many && self.status != Status::Stale;
        match self.rule.chain {
            Chain::Counted => false,
            // The exchange counts from 1 again: its service began anew.
            Chain::Dense if diff.last_id <= 1 => many && diff.last_id == self.at.id,
            Chain::Dense | Chain::Previous | Chain::Rising => {
                diff.last_id < self.at.id || (many && diff.last_id == self.at.id)
            }
        }
    }

    /// A diff for a book that there is.
    pub(super) fn follow(
        &mut self,
        now: Nanos,
        line: u8,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        let many = self.lines.many();
        let mut fit = self.at.fit(self.rule, diff);
        // What another line brought is no news, also where it repeats the book's id, or the
        // exchange counts anew.
        let unordered = fit == Fit::Gap || (fit == Fit::Next && diff.last_id <= self.at.id);
        let known = many
            && (unordered || fit == Fit::Duplicate)
            && self.lines.lost(now, line, diff.last_id, diff.prev_id);
        if known {
            fit = Fit::Duplicate;
        }
        match fit {
            Fit::Duplicate => {
                self.counters.duplicates += 1;
                self.unproven = false; // The snapshot has what the stream began with.
                self.handle_behind(now);
                DiffOutcome::Duplicate
            }
            // The first message after a snapshot of unknown age: is anything missing between them?
            Fit::Next if self.unproven => {
                self.counters.too_old += 1;
                self.buffer.clear();
                self.resync(now);
                self.trouble = Trouble::TooOld;
                self.keep(now, line, diff, bids, asks);
                DiffOutcome::Gap
            }
            Fit::Gap if many => self.hold((now, line), diff, bids, asks),
            Fit::Gap => {
                self.counters.gaps += 1;
                self.buffer.clear();
                self.resync(now);
                if self.rule.snapshot == SnapshotFrom::Rest {
                    self.keep(now, line, diff, bids, asks);
                }
                DiffOutcome::Gap
            }
            Fit::Next => {
                let shadow = many && self.has_shadow(diff);
                self.shadow(shadow);
                self.book.apply(bids, asks);
                self.book.end_message();
                if !self.verify(diff) {
                    if !shadow {
                        return self.mismatch(now);
                    }
                    self.book.copy_from(&self.spare);
                    return self.hold((now, line), diff, bids, asks);
                }
                if shadow {
                    self.spare.apply(bids, asks);
                    self.spare.end_message();
                }
                if self.refreshing {
                    // What it drops shortens its reach, no more.
                    self.buffer.push((now, line), diff, bids, asks);
                }
                self.at.step(self.number(diff));
                self.alive(now, line, diff, false, applied);
                DiffOutcome::Applied
            }
        }
    }

    /// The book changed: it is live, whatever it was, and what waited for this may follow.
    fn alive(
        &mut self,
        now: Nanos,
        line: u8,
        diff: &Diff,
        fresh: bool,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) {
        if self.status == Status::Stale {
            self.resub.rest();
        }
        self.rhythm.beat(now);
        self.status = Status::Live;
        self.owed_until = Nanos::NEVER;
        self.note(fresh, applied);
        if self.lines.many() {
            self.lines.won(now, line, diff.last_id, diff.prev_id);
        }
        if self.heal_until != Nanos::NEVER {
            if !self.heal(now, applied) {
                self.mismatch(now);
                return;
            }
            self.counters.healed += u64::from(self.heal_until == Nanos::NEVER);
        }
        self.after_change(now);
    }

    /// Counts an update, and shows the book that it made.
    pub(super) fn note(&mut self, fresh: bool, applied: &mut impl FnMut(&Book<N>, u64, bool)) {
        self.counters.updates += 1;
        self.counted += 1;
        applied(&self.book, self.at.id, fresh);
    }

    /// The id that the book stands at after this message.
    pub(super) fn number(&self, diff: &Diff) -> u64 {
        match self.rule.chain {
            Chain::Counted => self.counted,
            Chain::Dense | Chain::Previous | Chain::Rising => diff.last_id,
        }
    }

    /// True unless the message's checksum says that the book is wrong.
    pub(super) fn verify(&mut self, diff: &Diff) -> bool {
        let (Some(kind), Some(theirs)) = (self.rule.checksum, diff.checksum) else {
            return true;
        };
        match checksum::of(kind, &self.book, self.scales) {
            None => true,
            Some(ours) => {
                self.counters.checksum_ok += u64::from(ours == theirs);
                ours == theirs
            }
        }
    }

    fn mismatch(&mut self, now: Nanos) -> DiffOutcome {
        self.counters.checksum_bad += 1;
        self.buffer.clear();
        self.resync(now);
        DiffOutcome::Mismatch
    }

    /// Only its checksum can tell whether this message is the next one. It tells of the levels that
    /// it is made of: a message that changes none of them and is missing shows once its levels come
    /// up.
    fn has_shadow(&self, diff: &Diff) -> bool {
        let unnumbered = match self.rule.chain {
            Chain::Previous => diff.prev_id.is_none(),
            Chain::Rising => true,
            Chain::Dense | Chain::Counted => false,
        };
        unnumbered
            && self.rule.snapshot == SnapshotFrom::Stream
            && self.rule.checksum.is_some()
            && diff.checksum.is_some()
    }

    /// Makes sure that `spare` is the book as it is before the next message, where that is needed.
    fn shadow(&mut self, needed: bool) {
        if needed && !self.shadowed {
            self.spare.copy_from(&self.book);
        }
        self.shadowed = needed;
    }

    /// Something is missing before this message, and another line may bring it.
    fn hold(
        &mut self,
        arrival: (Nanos, u8),
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
    ) -> DiffOutcome {
        self.abandon_refresh();
        if !self.buffer.holds(diff) {
            self.counters.overflow += self.buffer.push(arrival, diff, bids, asks);
            self.heal_until = self.heal_until.min(arrival.0 + Nanos(HEAL_NS_MAX));
        }
        DiffOutcome::Held
    }

    /// Applies what was held and follows now, in whatever order it came. False where the book
    /// proved wrong.
    pub(super) fn heal(
        &mut self,
        now: Nanos,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> bool {
        let mut buffer = std::mem::replace(&mut self.buffer, Buffer::none());
        let right = loop {
            match self.heal_some(&buffer, applied) {
                Healed::Some => {}
                Healed::None => break true,
                Healed::Mismatch => break false,
            }
        };
        let open = buffer.iter().position(|(diff, ..)| self.is_open(diff));
        self.heal_until = match open {
            Some(place) => {
                buffer.drop_first(place);
                let (since, _) = buffer.arrival(0).unwrap_or((now, 0));
                since + Nanos(HEAL_NS_MAX)
            }
            None => {
                buffer.clear();
                Nanos::NEVER
            }
        };
        self.buffer = buffer;
        right
    }

    /// It is none of what the book has, and waits for something.
    fn is_open(&self, diff: &Diff) -> bool {
        self.at.fit(self.rule, diff) != Fit::Duplicate
            && diff.last_id != self.at.id
            && !self.lines.knows(diff.last_id, diff.prev_id)
    }

    /// Applies every held message that follows, in one pass.
    fn heal_some(
        &mut self,
        buffer: &Buffer,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> Healed {
        let mut healed = Healed::None;
        for (place, (diff, bids, asks)) in buffer.iter().enumerate() {
            if self.at.fit(self.rule, diff) != Fit::Next || !self.is_open(diff) {
                continue;
            }
            let shadow = self.has_shadow(diff);
            self.shadow(shadow);
            change(&mut self.book, bids, asks);
            self.book.end_message();
            if !self.verify(diff) {
                if !shadow {
                    return Healed::Mismatch;
                }
                self.book.copy_from(&self.spare);
                continue;
            }
            if shadow {
                self.spare.copy_from(&self.book);
            }
            self.at.step(self.number(diff));
            self.note(false, applied);
            let (at, line) = buffer.arrival(place).unwrap_or_default();
            self.lines.won(at, line, diff.last_id, diff.prev_id);
            healed = Healed::Some;
        }
        healed
    }

    /// The hole was filled by no line in time.
    pub(super) fn give_up(&mut self, now: Nanos) {
        self.heal_until = Nanos::NEVER;
        let first = self.buffer.iter().next().map(|(diff, ..)| *diff);
        let bad = first.is_some_and(|diff| self.has_shadow(&diff));
        self.counters.checksum_bad += u64::from(bad);
        self.counters.gaps += u64::from(!bad);
        match self.rule.snapshot {
            SnapshotFrom::Stream => {
                self.buffer.clear();
                self.resync(now);
            }
            // What was held waits for the snapshot.
            SnapshotFrom::Rest => {
                self.resync(now);
                self.fetch.hurry(now);
            }
        }
    }
}
