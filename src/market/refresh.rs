//! The book beside the live one: a newer picture of it that is built, or the live book as its
//! checksum proved it last. Is never shown itself, and is there only while it is used.

use super::buffer::Buffer;
use super::claims::Claims;
use super::seq_book::SeqBook;
use crate::base::feed::SeqRule;
use crate::base::{Level, Snapshot};

/// What the spare book is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Nothing,
    /// A refresh: applied diffs are kept until a snapshot replaces the live book.
    Keeping,
    /// A refresh whose snapshot is newer than the stream: the spare book holds it.
    Holding,
    /// It is the live book before a message that only a checksum can prove.
    Shadow,
}

/// The spare book, and what it is for.
///
/// Invariant: used for nothing, there is none; holding or a shadow, there is one.
#[derive(Debug)]
pub(crate) struct Refresh<const N: usize> {
    rule: SeqRule,
    spare: Option<SeqBook<N>>,
    used: Use,
}

impl<const N: usize> Refresh<N> {
    /// For a book with this rule.
    pub(crate) fn new(rule: SeqRule) -> Self {
        Self {
            rule,
            spare: None,
            used: Use::Nothing,
        }
    }

    /// A refresh is under way.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self.used, Use::Keeping | Use::Holding)
    }

    /// The spare book is used for nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.used == Use::Nothing
    }

    /// The place of the snapshot that waits for the stream.
    pub(crate) fn held(&self) -> Option<u64> {
        let held = self.spare.as_ref().filter(|_| self.used == Use::Holding);
        held.map(SeqBook::id)
    }

    /// The newer picture, once it was loaded.
    pub(crate) fn spare(&self) -> Option<&SeqBook<N>> {
        self.spare.as_ref()
    }

    /// From here on diffs are kept.
    pub(crate) fn begin(&mut self) {
        debug_assert!(!self.is_on());
        self.used = Use::Keeping;
    }

    /// Whatever it was for is over.
    pub(crate) fn end(&mut self) {
        self.used = Use::Nothing;
        if let Some(spare) = self.spare.take() {
            spare.give_back();
        }
        self.check();
    }

    /// The snapshot that was asked for; one that was held before is forgotten.
    pub(crate) fn load(&mut self, snapshot: &Snapshot, claims: &mut Claims) {
        debug_assert!(self.is_on());
        self.used = Use::Keeping;
        self.lend().load_snapshot(snapshot, claims);
        self.check();
    }

    /// The snapshot waits for the stream.
    pub(crate) fn hold(&mut self) {
        debug_assert_eq!(self.used, Use::Keeping);
        self.used = Use::Holding;
        self.check();
    }

    /// The snapshot waits no longer.
    pub(crate) fn release(&mut self) {
        debug_assert!(self.is_on());
        self.used = Use::Keeping;
    }

    /// Brings the snapshot to where `live` is, by the diffs kept. False if they do not reach
    /// there.
    pub(crate) fn catch_up(&mut self, buffer: &Buffer, live: &SeqBook<N>) -> bool {
        debug_assert_eq!(self.used, Use::Keeping);
        let spare = self.lend();
        spare.catch_up(buffer, |_, _| {});
        spare.id() == live.id()
    }

    /// The picture, brought to where `live` is, says otherwise.
    pub(crate) fn contradicts(&self, live: &SeqBook<N>) -> bool {
        debug_assert_eq!(self.used, Use::Keeping);
        self.spare.as_ref().is_some_and(|spare| !spare.agrees(live))
    }

    /// The live book becomes the newer picture.
    pub(crate) fn finish(&mut self, live: &mut SeqBook<N>) {
        debug_assert_eq!(self.used, Use::Keeping);
        live.swap(self.lend());
    }

    /// Keeps a copy of the live book as it is before the next message, if that is `needed`, so that
    /// it can be restored.
    #[inline]
    pub(crate) fn shadow(&mut self, needed: bool, live: &SeqBook<N>) {
        debug_assert!(!(needed && self.is_on()));
        match (needed, self.used) {
            (true, Use::Shadow) | (false, Use::Nothing | Use::Keeping | Use::Holding) => {}
            (true, Use::Nothing | Use::Keeping | Use::Holding) => {
                self.lend().copy_levels(live);
                self.used = Use::Shadow;
            }
            (false, Use::Shadow) => self.end(),
        }
        self.check();
    }

    /// The live book took these changes, and its checksum proved them.
    pub(crate) fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        debug_assert_eq!(self.used, Use::Shadow);
        self.lend().apply(bids, asks);
    }

    /// The same of changes that were held.
    pub(crate) fn follow(&mut self, live: &SeqBook<N>) {
        debug_assert_eq!(self.used, Use::Shadow);
        self.lend().copy_levels(live);
    }

    /// The live book as it was before a message that its checksum disproved.
    pub(crate) fn undo(&self, live: &mut SeqBook<N>) {
        debug_assert_eq!(self.used, Use::Shadow);
        if let Some(spare) = &self.spare {
            live.copy_levels(spare);
        }
    }

    /// The spare book, from now on if it was not there yet.
    #[inline]
    fn lend(&mut self) -> &mut SeqBook<N> {
        let rule = self.rule;
        self.spare.get_or_insert_with(|| SeqBook::lent(rule))
    }

    fn check(&self) {
        match self.used {
            Use::Nothing => debug_assert!(self.spare.is_none()),
            Use::Keeping => {}
            Use::Holding | Use::Shadow => debug_assert!(self.spare.is_some()),
        }
    }
}
