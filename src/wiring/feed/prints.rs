//! Trades and quotes that several lines bring, each once. Keeps what identifies them, no history.

use crate::base::{Quote, Trade};

/// Recent trades that are known. One line may lag behind another by this many: two of the largest
/// messages that an exchange sends.
pub(crate) const TRADES_KNOWN: usize = 2_048;
/// Places of the index, twice as many as there are trades, so that a search is short.
const PLACES: usize = 2 * TRADES_KNOWN;

/// What one instrument's prints and quotes were lately.
pub(super) struct Prints {
    known: Known,
    quote: Option<Quote>,
}

impl Prints {
    pub(crate) fn new() -> Self {
        Self {
            known: Known::new(),
            quote: None,
        }
    }

    /// The instrument's numbers begin again, or it is listed at other scales.
    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// True if this trade is news. `many`: other lines bring it, too. Trades without ids are
    /// only taken from the `first` line that is up.
    pub(crate) fn is_new_trade(&mut self, trade: &Trade, many: bool, first: bool) -> bool {
        if trade.id == 0 {
            return first;
        }
        // Some exchanges' ids are unique at their time only.
        let time = trade.exch_time.0.cast_unsigned();
        let key = (trade.id ^ time.wrapping_mul(MIX)).wrapping_mul(MIX);
        if many && self.known.has(key) {
            return false;
        }
        self.known.add(key);
        true
    }

    /// True if this quote is news. Quotes without ids have no order among lines: then only those
    /// of the `first` line that is up are.
    pub(crate) fn is_new_quote(&mut self, quote: &Quote, many: bool, first: bool) -> bool {
        let older = |last: &Quote| quote.update_id < last.update_id || quote == last;
        let unordered = quote.update_id == 0 && !first;
        if many && (unordered || self.quote.as_ref().is_some_and(older)) {
            return false;
        }
        self.quote = Some(*quote);
        true
    }
}

/// An odd number without a pattern: a product with it is another one for each number.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// The last [`TRADES_KNOWN`] keys, in a ring, and where each one is.
///
/// Invariant: `next < TRADES_KNOWN`, and `next == len` until `len == TRADES_KNOWN`; every key of
/// the ring is found by a search that begins at its home and ends at a free place.
struct Known {
    ring: Box<[u64; TRADES_KNOWN]>,
    len: usize,
    /// The oldest, once the ring is full.
    next: usize,
    /// The place in the ring, from 1; 0 is free.
    index: Box<[u16; PLACES]>,
}

const _: () = assert!(PLACES.is_power_of_two() && TRADES_KNOWN < u16::MAX as usize);

impl Known {
    fn new() -> Self {
        Self {
            ring: Box::new([0; TRADES_KNOWN]),
            len: 0,
            next: 0,
            index: Box::new([0; PLACES]),
        }
    }

    fn has(&self, key: u64) -> bool {
        self.places(key).any(|at| self.key(at) == Some(key))
    }

    fn add(&mut self, key: u64) {
        if self.len == TRADES_KNOWN {
            self.forget(self.next);
        }
        self.ring[self.next] = key;
        let free = self.places(key).find(|at| self.index[*at] == 0);
        debug_assert!(free.is_some(), "half of the places are free");
        if let Some(at) = free {
            self.index[at] = self.next as u16 + 1;
        }
        self.next = (self.next + 1) % TRADES_KNOWN;
        self.len = (self.len + 1).min(TRADES_KNOWN);
        debug_assert!(self.has(key));
        self.check();
    }

    /// Looks at the ring, and at its oldest key; the others were found before.
    fn check(&self) {
        debug_assert!(self.next < TRADES_KNOWN);
        debug_assert!(self.len <= TRADES_KNOWN);
        debug_assert!(self.len == TRADES_KNOWN || self.next == self.len);
        debug_assert!(self.len < TRADES_KNOWN || self.has(self.ring[self.next]));
    }

    /// Takes what is at this place of the ring out of the index; what was moved on because of it
    /// moves back.
    fn forget(&mut self, slot: usize) {
        let mut places = self.places(self.ring[slot]);
        let Some(mut hole) = places.find(|at| self.index[*at] == slot as u16 + 1) else {
            return;
        };
        drop(places);
        let mut at = hole;
        loop {
            at = (at + 1) % PLACES;
            let Some(key) = self.key(at) else { break };
            let from_home = at.wrapping_sub(home(key)) % PLACES;
            if from_home >= at.wrapping_sub(hole) % PLACES {
                self.index[hole] = self.index[at];
                hole = at;
            }
        }
        self.index[hole] = 0;
        debug_assert_eq!(self.key(hole), None);
    }

    /// The key that the index names at this place.
    fn key(&self, at: usize) -> Option<u64> {
        let slot = usize::from(self.index[at]).checked_sub(1)?;
        Some(self.ring[slot])
    }

    /// The places at which this key may be, up to and with the first free one.
    fn places(&self, key: u64) -> impl Iterator<Item = usize> + use<'_> {
        let mut next = Some(home(key));
        std::iter::from_fn(move || {
            let at = next?;
            next = (self.index[at] != 0).then_some((at + 1) % PLACES);
            Some(at)
        })
    }
}

/// Where the search for a key begins.
fn home(key: u64) -> usize {
    (key >> (64 - PLACES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{InstrumentId, Px, Qty, Side, UnixNanos};
    use std::collections::VecDeque;

    fn print(id: u64, time: i64) -> Trade {
        Trade {
            instrument: InstrumentId(0),
            id,
            px: Px(1),
            qty: Qty(1),
            taker: Side::Buy,
            exch_time: UnixNanos(time),
        }
    }

    #[test]
    fn the_last_trades_are_known_and_no_others() {
        let (mut known, mut twin) = (Known::new(), VecDeque::new());
        let mut dice = fastrand::Rng::with_seed(1);
        for _ in 0..60_000 {
            // Few homes, so that keys are in each other's way; many of them wrap around.
            let key = (dice.u64(0..24).wrapping_sub(12) << 52) | dice.u64(0..400);
            assert_eq!(known.has(key), twin.contains(&key), "{key:x}");
            if dice.bool() {
                known.add(key);
                twin.push_back(key);
                twin.drain(..twin.len().saturating_sub(TRADES_KNOWN));
            }
        }
    }

    #[test]
    fn a_message_of_a_thousand_prints_is_known_on_the_second_line() {
        let mut prints = Prints::new();
        let mut told = 0;
        for line in [0, 1] {
            for n in 0..1_024 {
                // Every other id comes again at a later time.
                let trade = print(1 + n / 2, 1_000 * (n % 2) as i64);
                told += u32::from(prints.is_new_trade(&trade, true, line == 0));
            }
        }
        assert_eq!(told, 1_024);
    }
}
