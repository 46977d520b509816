//! How one diff follows another, by the rule that the exchange names. Holds an id, never a book.

use super::book::Book;
use crate::base::feed::{Chain, SeqRule, Splice};
use crate::base::{Diff, Level, Side};

/// Where a book stands in the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    pub id: u64,
    /// No diff was applied since the snapshot: the rule of the splice holds, not that of the chain.
    pub first: bool,
}

/// How a diff fits to where a book stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Next,
    Duplicate,
    Gap,
}

impl Place {
    pub fn snapshot(id: u64) -> Self {
        Self { id, first: true }
    }

    pub fn step(&mut self, id: u64) {
        (self.id, self.first) = (id, false);
    }

    pub fn fit(self, rule: SeqRule, diff: &Diff) -> Fit {
        let Self { id, first } = self;
        let newer = diff.last_id > id;
        let (seen, follows) = match (first, rule.splice, rule.chain) {
            // The book counts its updates itself: each is the next one.
            (_, _, Chain::Counted) => (false, true),
            (true, Splice::Around, _) => {
                // Ids are not dense: where the snapshot's own lies between two messages, the
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
                // Whatever its own id: one that repeats ours says that nothing happened, a smaller
                // one that the exchange counts anew.
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
}

/// Applies one message whole.
pub fn change<const N: usize>(
    book: &mut Book<N>,
    bids: impl Iterator<Item = Level>,
    asks: impl Iterator<Item = Level>,
) {
    for level in bids {
        book.set(Side::Buy, level);
    }
    for level in asks {
        book.set(Side::Sell, level);
    }
}
