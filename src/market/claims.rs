//! What a snapshot claims about a side, "there are no more levels than these few", and whether to
//! believe it: an answer that was truncated, or made while the exchange's service started, claims
//! the same. Holds counts, never a level.

use crate::base::Side;

/// Two claims agree if their counts of levels differ by at most one part in this many of the
/// larger one.
const ALIKE: usize = 4;

/// The levels that the last snapshot called all there are; `None` if it called them no such
/// thing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Claims([Option<usize>; 2]);

impl Claims {
    /// Takes what a snapshot says of a side. True if it claims to be whole, and the one before
    /// it said the same.
    pub(crate) fn confirm(&mut self, side: Side, whole: bool, levels: usize) -> bool {
        let before = std::mem::replace(&mut self.0[side as usize], whole.then_some(levels));
        let alike = |before: usize| before.abs_diff(levels) <= before.max(levels) / ALIKE;
        whole && before.is_some_and(alike)
    }
}
