//! A book and where it stands in its sequence. Reads no time and asks for nothing: it says whether
//! a message follows, and what the book is after it.

use super::book::Book;
use super::buffer::{Buffer, Held};
use super::checksum;
use super::claims::Claims;
use super::place::{Fit, Place};
use super::sync::Counters;
use super::update::Update;
use crate::base::feed::{Chain, SeqRule, SnapshotFrom};
use crate::base::shown::AUDIT_LEVELS;
use crate::base::{Diff, Level, Side, Snapshot};

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// One copy of an instrument's book.
#[derive(Debug)]
pub(crate) struct SeqBook<const N: usize> {
    rule: SeqRule,
    book: Book<N>,
    at: Place,
    /// Some side claims to be whole, and nobody has confirmed that.
    claimed: bool,
}

impl<const N: usize> SeqBook<N> {
    pub(crate) fn new(rule: SeqRule) -> Self {
        Self::of(rule, Book::windowed(rule.window, rule.truncates))
    }

    /// One for a while: see [`Book::lent`].
    pub(crate) fn lent(rule: SeqRule) -> Self {
        Self::of(rule, Book::lent(rule.window, rule.truncates))
    }

    fn of(rule: SeqRule, book: Book<N>) -> Self {
        Self {
            rule,
            book,
            at: Place::default(),
            claimed: false,
        }
    }

    /// It is over: see [`Book::give_back`].
    pub(crate) fn give_back(self) {
        self.book.give_back();
    }

    pub(crate) fn book(&self) -> &Book<N> {
        &self.book
    }

    /// The update id that it stands at; zero if there is no book.
    pub(crate) fn id(&self) -> u64 {
        self.at.id()
    }

    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// No levels, at no place.
    pub(crate) fn is_clear(&self) -> bool {
        self.at == Place::default() && SIDES.iter().all(|&side| self.book.depth(side) == 0)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.book.clear();
        (self.at, self.claimed) = (Place::default(), false);
        debug_assert!(self.is_clear());
    }

    /// Becomes a snapshot. A side that claims to be whole is believed once a second snapshot has
    /// said so.
    pub(crate) fn load_snapshot(&mut self, snapshot: &Snapshot, claims: &mut Claims) {
        let (bids, asks) = (&snapshot.bids, &snapshot.asks);
        let bids_whole = claims.confirm(Side::Buy, snapshot.bids_whole, bids.len());
        let asks_whole = claims.confirm(Side::Sell, snapshot.asks_whole, asks.len());
        self.book.load(bids, bids_whole, asks, asks_whole);
        let unconfirmed = |side, claim| claim && !self.book.whole(side);
        self.claimed = unconfirmed(Side::Buy, snapshot.bids_whole)
            || unconfirmed(Side::Sell, snapshot.asks_whole);
        self.at = Place::snapshot(snapshot.last_id);
        debug_assert!(!self.at.is_unproven());
    }

    /// Takes the levels of a whole book of the stream. Whether they are right, and where they
    /// stand, is not known yet.
    pub(crate) fn load_levels(&mut self, bids: &[Level], asks: &[Level]) {
        let window = self.rule.window.map_or(usize::MAX, usize::from);
        let short = self.rule.short.map(usize::from);
        let whole = |levels: &[Level]| levels.len() < window && short != Some(levels.len());
        self.book.load(bids, whole(bids), asks, whole(asks));
        self.book.end_message();
    }

    /// The whole book of the stream is right, and stands at `id`.
    ///
    /// A side without any level is believed once a second book has said so: until then nothing is
    /// known of it. A side that is merely short is believed at once: it comes out of the same
    /// sequence as the changes, nothing truncates it to a number of levels that were asked for, and
    /// a second one would cost another subscription of each thin market. A checksum is a second
    /// word about the same levels.
    pub(crate) fn accept(&mut self, update: &Update<'_>, id: u64, claims: &mut Claims) {
        self.claimed = false;
        if !(self.rule.checksum.is_some() && update.diff.checksum.is_some()) {
            for (side, levels) in SIDES.into_iter().zip([update.bids, update.asks]) {
                let empty = levels.is_empty();
                if !claims.confirm(side, empty, 0) && empty {
                    self.book.doubt(side);
                    self.claimed = true;
                }
            }
        }
        self.at = Place::of_stream(id, self.rule.chain);
        debug_assert!(!self.at.is_unproven());
    }

    /// Nothing says how old the snapshot is that it began with.
    pub(crate) fn doubt_age(&mut self) {
        self.at.doubt();
        debug_assert!(!self.rule.shows_losses());
    }

    /// The snapshot that it began with has what the stream began with.
    pub(crate) fn prove_age(&mut self) {
        self.at.prove();
    }

    pub(crate) fn is_unproven(&self) -> bool {
        self.at.is_unproven()
    }

    /// How a diff fits to where it stands.
    #[inline]
    pub(crate) fn fit(&self, diff: &Diff) -> Fit {
        self.at.fit(self.rule, diff)
    }

    /// A whole book whose id says that what is held is newer; `or_equal`: or as new.
    pub(crate) fn is_newer_than(&self, diff: &Diff, or_equal: bool) -> bool {
        let id = self.id();
        let equal = or_equal && diff.last_id == id;
        match self.rule.chain {
            Chain::Counted => false,
            // The exchange counts from 1 again: its service was restarted.
            Chain::Dense if diff.last_id <= 1 => equal,
            Chain::Dense | Chain::Previous | Chain::Rising => diff.last_id < id || equal,
        }
    }

    /// Applies the changes of one message. They are not believed before [`Self::step`].
    #[inline]
    pub(crate) fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        self.book.apply(bids, asks);
        self.book.end_message();
    }

    /// The same of a message that was held.
    pub(crate) fn apply_held(&mut self, held: Held<'_>) {
        self.set_held(held);
        self.book.end_message();
    }

    fn set_held(&mut self, held: Held<'_>) {
        held.bids.for_each(|level| self.book.set(Side::Buy, level));
        held.asks.for_each(|level| self.book.set(Side::Sell, level));
    }

    /// The changes that were applied are right: it stands at `id`.
    #[inline]
    pub(crate) fn step(&mut self, id: u64) {
        self.at.step(id);
        debug_assert!(!self.at.is_unproven());
    }

    /// Applies the diffs held, oldest first, and tells `told` how each one fitted. Returns the
    /// place of the first one that does not follow.
    pub(crate) fn catch_up(
        &mut self,
        buffer: &Buffer,
        mut told: impl FnMut(&Self, Fit),
    ) -> Option<usize> {
        for (number, held) in buffer.iter().enumerate() {
            let fit = self.fit(held.diff);
            match fit {
                Fit::Gap => return Some(number),
                Fit::Duplicate => {}
                Fit::Next => {
                    let id = held.diff.last_id;
                    self.set_held(held);
                    self.step(id);
                }
            }
            told(self, fit);
        }
        None
    }

    /// Becomes the newer picture of the same place.
    pub(crate) fn swap(&mut self, newer: &mut Self) {
        debug_assert_eq!(self.id(), newer.id());
        std::mem::swap(&mut self.book, &mut newer.book);
        self.claimed = newer.claimed;
        self.at.prove();
    }

    /// Has the other's levels, and stays at its place.
    pub(crate) fn copy_levels(&mut self, other: &Self) {
        self.book.copy_from(&other.book);
    }

    /// Both have the same levels, as far as both are complete.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        let reach = |book: &Book<N>, side| match book.whole(side) {
            true => usize::MAX,
            false => book.complete_depth(side),
        };
        SIDES.into_iter().all(|side| {
            let depth = reach(&self.book, side).min(reach(&other.book, side));
            let (ours, theirs) = (self.book.levels(side), other.book.levels(side));
            ours.take(depth).eq(theirs.take(depth))
        })
    }

    /// A side is provably complete to fewer levels than are wanted, and might be to more.
    pub(crate) fn is_thin(&self, depth_min: usize) -> bool {
        let window = self.rule.window.map_or(usize::MAX, usize::from);
        let short = self.rule.short.map_or(usize::MAX, usize::from);
        let wanted = depth_min.min(window).min(short);
        let thin = |side| !self.book.whole(side) && self.book.complete_depth(side) < wanted;
        thin(Side::Buy) || thin(Side::Sell)
    }

    /// Only its checksum can tell whether this message is the next one. The checksum covers only
    /// the top levels: a lost message that changed none of them shows once its levels come up.
    pub(crate) fn needs_proof(&self, diff: &Diff) -> bool {
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

    /// True unless the message's checksum says that the book is wrong.
    pub(crate) fn verify(&self, diff: &Diff, scales: (u8, u8), counters: &mut Counters) -> bool {
        let (Some(kind), Some(theirs)) = (self.rule.checksum, diff.checksum) else {
            return true;
        };
        let ours = checksum::of(kind, &self.book, scales);
        counters.checksum_ok += u64::from(ours == Some(theirs));
        ours.is_none_or(|ours| ours == theirs)
    }

    /// Counts an update, and shows the book that it made.
    #[inline]
    pub(crate) fn show(
        &self,
        fresh: bool,
        counters: &mut Counters,
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) {
        counters.updates += 1;
        counters.incomplete += u64::from(!self.book.is_complete(AUDIT_LEVELS));
        debug_assert!(counters.incomplete <= counters.updates);
        applied(&self.book, self.id(), fresh);
    }
}
