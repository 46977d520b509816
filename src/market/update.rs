//! One message of a book's stream: when it came, on which line, and what it says. Owns nothing.

use crate::base::{Diff, Level, Nanos};

/// A whole book, or the changes of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    /// When it came.
    pub(crate) now: Nanos,
    /// The line that brought it.
    pub(crate) line: u8,
    /// Its head.
    pub(crate) diff: &'a Diff,
    /// Bids, the best first if the exchange sends them so.
    pub(crate) bids: &'a [Level],
    /// Asks, as the bids.
    pub(crate) asks: &'a [Level],
}
