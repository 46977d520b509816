//! How one diff follows another, by the rule that the exchange names. Holds an id, never a book.

use crate::base::Diff;
use crate::base::feed::{Chain, SeqRule, Splice};

/// Where a book stands in the sequence.
///
/// Invariant: `unproven` => `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    id: u64,
    /// No diff was applied since the snapshot: the rule of the splice holds, not that of the chain.
    first: bool,
    /// The snapshot is of unknown age: its stream shows no losses, and has brought nothing to
    /// compare it with.
    unproven: bool,
}

/// How a diff fits to where a book stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Next,
    Duplicate,
    Gap,
}

impl Place {
    pub(crate) fn snapshot(id: u64) -> Self {
        Self {
            id,
            first: true,
            unproven: false,
        }
    }

    /// Where a whole book of the stream stands. What follows it on its own line comes after it,
    /// also with the same number.
    pub(crate) fn of_stream(id: u64, chain: Chain) -> Self {
        Self {
            first: chain != Chain::Rising,
            ..Self::snapshot(id)
        }
    }

    pub(crate) fn id(self) -> u64 {
        self.id
    }

    pub(crate) fn is_unproven(self) -> bool {
        self.unproven
    }

    /// A diff was applied.
    pub(crate) fn step(&mut self, id: u64) {
        *self = Self {
            id,
            ..Self::default()
        };
        self.check();
    }

    /// Nothing says how old the snapshot is.
    pub(crate) fn doubt(&mut self) {
        self.unproven = true;
        self.check();
    }

    /// The snapshot has what the stream began with.
    pub(crate) fn prove(&mut self) {
        self.unproven = false;
        self.check();
    }

    pub(crate) fn fit(self, rule: SeqRule, diff: &Diff) -> Fit {
        let Self { id, first, .. } = self;
        let newer = diff.last_id > id;
        let (seen, follows) = match (first, rule.splice, rule.chain) {
            // The book counts its updates itself: each is the next one.
            (_, _, Chain::Counted) => (false, true),
            (true, Splice::Around, _) => {
                // Ids are not dense: if the snapshot's own lies between two messages, the
                // predecessor's proves that nothing is missing.
                let bridges = diff.prev_id.is_some_and(|prev| prev <= id);
                (diff.last_id < id, diff.first_id <= id || bridges)
            }
            (true, Splice::Newer, Chain::Rising) => (!newer, true),
            (true, Splice::After, Chain::Dense) | (false, _, Chain::Dense) => {
                (!newer, diff.first_id <= id.saturating_add(1))
            }
            (false, _, Chain::Rising) => (diff.last_id < id, true),
            (_, _, Chain::Previous | Chain::Dense | Chain::Rising) => match diff.prev_id {
                // Whatever its own id: one that repeats ours says that nothing happened. A smaller
                // one says that the exchange counts again from there.
                Some(prev) if prev == id => (false, true),
                Some(_) => (!newer, false),
                // A predecessor that is owed and not named proves nothing; a checksum may.
                None => (
                    !newer,
                    rule.chain != Chain::Previous || rule.checksum.is_some(),
                ),
            },
        };
        match (seen, follows) {
            (true, _) => Fit::Duplicate,
            (false, true) => Fit::Next,
            (false, false) => Fit::Gap,
        }
    }

    fn check(self) {
        debug_assert!(!self.unproven || self.first);
    }
}
