//! Trades and quotes that several lines bring, each once. Keeps ids, no history.

use crate::base::{Quote, Trade};

/// Recent trades that are known by their ids: one line may lag behind another by so many.
pub const TRADES_KNOWN: usize = 256;

/// What one instrument's prints and quotes were lately.
pub(super) struct Prints {
    /// A ring; `next` is the oldest. Ids may be hashes, so that none orders before another.
    ids: Box<[u64; TRADES_KNOWN]>,
    len: usize,
    next: usize,
    quote: Option<Quote>,
}

impl Prints {
    pub fn new() -> Self {
        Self {
            ids: Box::new([0; TRADES_KNOWN]),
            len: 0,
            next: 0,
            quote: None,
        }
    }

    /// The instrument counts anew, or is listed at other scales.
    pub fn clear(&mut self) {
        (self.len, self.next, self.quote) = (0, 0, None);
    }

    /// True where this trade is news. `many`: other lines bring it, too. Trades without ids are only taken
    /// from the `first` line that is up.
    pub fn is_new_trade(&mut self, trade: &Trade, many: bool, first: bool) -> bool {
        if trade.id == 0 {
            return first;
        }
        if many && self.ids[..self.len].contains(&trade.id) {
            return false;
        }
        self.ids[self.next] = trade.id;
        self.next = (self.next + 1) % TRADES_KNOWN;
        self.len = (self.len + 1).min(TRADES_KNOWN);
        true
    }

    /// True where this quote is news. Quotes without ids have no order among lines: then only those of the
    /// `first` line that is up are.
    pub fn is_new_quote(&mut self, quote: &Quote, many: bool, first: bool) -> bool {
        let older = |last: &Quote| quote.update_id < last.update_id || quote == last;
        let unordered = quote.update_id == 0 && !first;
        if many && (unordered || self.quote.as_ref().is_some_and(older)) {
            return false;
        }
        self.quote = Some(*quote);
        true
    }
}
