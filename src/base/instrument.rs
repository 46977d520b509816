//! What is traded, and at which scale its numbers are kept.

use super::level::{Px, Qty};
use arrayvec::ArrayString;

/// The longest symbol that is accepted, in bytes (UTF-8: exchanges do list non-ASCII symbols).
pub const SYMBOL_MAX: usize = 32;

/// An instrument's name, exactly as the exchange writes it in messages.
pub type Symbol = ArrayString<SYMBOL_MAX>;

/// Index of an instrument in the run's table; the same on every thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct InstrumentId(pub u16);

impl InstrumentId {
    /// An event that belongs to no instrument (a timer, a gateway's status).
    pub const NONE: Self = Self(u16::MAX);

    /// Its place in the run's table.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instrument of one exchange, from the exchange's own metadata.
///
/// A price of `Px(n)` is `n / 10^px_scale` in quote currency for one unit of base currency; a quantity of
/// `Qty(n)` is `n / 10^qty_scale` in base currency; a notional is their product, at `px_scale + qty_scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Its place in the run's table, and what messages between threads name it by.
    pub id: InstrumentId,
    /// The exchange's name in the registry, e.g. `binance-spot`.
    pub exchange: &'static str,
    /// Its name at the exchange.
    pub symbol: Symbol,
    /// Decimals that a price may have, 0 ..= 18.
    pub px_scale: u8,
    /// Decimals that a quantity may have, 0 ..= 18.
    pub qty_scale: u8,
    /// Prices of orders are multiples of this; at least 1.
    pub tick: Px,
    /// Quantities of orders are multiples of this; at least 1.
    pub lot: Qty,
    /// Smallest and largest order quantity.
    pub qty_min: Qty,
    /// See `qty_min`.
    pub qty_max: Qty,
    /// Smallest price times quantity of an order, at `px_scale + qty_scale`.
    pub notional_min: u128,
    /// The exchange takes orders for it now.
    pub trading: bool,
}
