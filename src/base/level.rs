//! Prices, quantities and the levels that they make.

/// A price in units of 10^-`px_scale` of its instrument (see [`crate::base::Instrument`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Px(pub i64);

/// A quantity in units of 10^-`qty_scale` of its instrument, at most `i64::MAX`. Zero removes a
/// level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Qty(pub u64);

/// One price level: everything that rests at that price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Level {
    /// The price of all that rests here.
    pub px: Px,
    /// How much rests here.
    pub qty: Qty,
}

/// Buy or sell. In a book it means the bids or the asks, in a trade the taker's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// In a book, the bids.
    Buy,
    /// In a book, the asks.
    Sell,
}

impl Side {
    /// The other side: whom an order of this side trades with.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `buy` or `sell`, as logs write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

/// The best levels of a book by value, best first, at most `K` per side.
///
/// Invariant: `*_complete <= *_len <= K`; levels from `*_len` on are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Top<const K: usize> {
    bid: [Level; K],
    ask: [Level; K],
    bid_len: u8,
    ask_len: u8,
    bid_complete: u8,
    ask_complete: u8,
    bid_whole: bool,
    ask_whole: bool,
}

impl<const K: usize> Top<K> {
    /// No levels, and nothing known about any.
    pub const EMPTY: Self = Self {
        bid: [Level {
            px: Px(0),
            qty: Qty(0),
        }; K],
        ask: [Level {
            px: Px(0),
            qty: Qty(0),
        }; K],
        bid_len: 0,
        ask_len: 0,
        bid_complete: 0,
        ask_complete: 0,
        bid_whole: false,
        ask_whole: false,
    };

    /// Replaces one side with `levels`, best first. `complete` says how many of them are provably
    /// the best ones; `whole` that the side has no level beyond them. What exceeds `K` is left out.
    pub fn set(
        &mut self,
        side: Side,
        levels: impl Iterator<Item = Level>,
        complete: usize,
        whole: bool,
    ) {
        let (slots, len, done, all) = match side {
            Side::Buy => (
                &mut self.bid,
                &mut self.bid_len,
                &mut self.bid_complete,
                &mut self.bid_whole,
            ),
            Side::Sell => (
                &mut self.ask,
                &mut self.ask_len,
                &mut self.ask_complete,
                &mut self.ask_whole,
            ),
        };
        let mut n = 0;
        for (slot, level) in slots.iter_mut().zip(levels) {
            *slot = level;
            n += 1;
        }
        slots[n..].fill(Level::default());
        *len = n as u8;
        *done = complete.min(n) as u8;
        *all = whole && complete >= n;
        debug_assert!(*done <= *len);
    }

    /// The bids that are held, best (highest) first.
    pub fn bids(&self) -> &[Level] {
        &self.bid[..usize::from(self.bid_len)]
    }

    /// The asks that are held, best (lowest) first.
    pub fn asks(&self) -> &[Level] {
        &self.ask[..usize::from(self.ask_len)]
    }

    /// [`Self::bids`] or [`Self::asks`].
    pub fn side(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => self.bids(),
            Side::Sell => self.asks(),
        }
    }

    /// True when the best `k` levels of both sides are provably the exchange's own best `k`
    /// (or all that there are).
    pub fn complete(&self, k: usize) -> bool {
        (self.bid_whole || usize::from(self.bid_complete) >= k)
            && (self.ask_whole || usize::from(self.ask_complete) >= k)
    }

    /// Best bid and best ask; `None` if a side is empty.
    pub fn best(&self) -> Option<(Level, Level)> {
        Some((*self.bids().first()?, *self.asks().first()?))
    }

    /// Best bid at or above best ask: not tradable.
    pub fn crossed(&self) -> bool {
        self.best().is_some_and(|(bid, ask)| bid.px >= ask.px)
    }
}
