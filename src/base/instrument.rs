//! What is traded, and at which scale its numbers are kept.

use super::level::{Px, Qty};
use arrayvec::ArrayString;

/// The longest symbol that is accepted, in bytes of UTF-8: two assets and what sort of contract.
pub(crate) const SYMBOL_MAX: usize = 48;
/// The longest asset code, in bytes of UTF-8: ten letters of the longest sort, Chinese ones among
/// them.
pub(crate) const ASSET_MAX: usize = 32;
/// The longest canonical name: an exchange, a colon, two assets and what sort of contract.
pub(crate) const NAME_MAX: usize = 96;

/// An instrument's name, exactly as the exchange writes it in messages.
pub type Symbol = ArrayString<SYMBOL_MAX>;
/// What is traded or paid with, like `BTC`, in capitals.
pub type Asset = ArrayString<ASSET_MAX>;
/// The engine's own name of an instrument, one spelling for all exchanges: `binance:BTC-USDT`,
/// `binance-usdm:BTC-USDT-PERP`, `okx:BTC-USDT-SWAP`.
pub type Name = ArrayString<NAME_MAX>;

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

/// What sort of thing an instrument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Assets change hands.
    Spot,
    /// A contract without an end.
    Perpetual,
    /// A contract that ends on a day.
    Future,
    /// A right, not a duty.
    Option,
}

/// What one unit of quantity stands for: `size / 10^scale` of the base asset, or of the quote asset
/// if `inverse`. It is one for spot and for contracts that count in the base asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Contract {
    /// Above zero.
    pub size: u64,
    /// Decimals of `size`, 0 ..= 18.
    pub scale: u8,
    /// Quoted in one asset, settled in the other: a contract is worth `size / price` of the base
    /// asset.
    pub inverse: bool,
}

impl Contract {
    /// One unit of quantity is one of the base asset.
    pub const ONE: Self = Self {
        size: 1,
        scale: 0,
        inverse: false,
    };
}

/// One instrument of one exchange, from the exchange's own metadata.
///
/// A price of `Px(n)` is `n / 10^px_scale` in quote currency for one unit of base currency; a
/// quantity of `Qty(n)` is `n / 10^qty_scale` units of [`Contract`]. [`Self::notional`] says what
/// they are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instrument {
    /// Its place in the run's table, and what messages between threads name it by.
    pub id: InstrumentId,
    /// The exchange's name in the registry, e.g. `binance`.
    pub exchange: &'static str,
    /// Its name at the exchange.
    pub symbol: Symbol,
    /// Its name in this engine.
    pub name: Name,
    /// What is bought and sold.
    pub base: Asset,
    /// What prices are in.
    pub quote: Asset,
    /// What profit and loss are paid in; for spot the quote asset.
    pub settle: Asset,
    /// What sort of thing it is.
    pub kind: Kind,
    /// What one unit of quantity stands for.
    pub contract: Contract,
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
    /// The least that an order must be worth, at [`Self::notional_scale`].
    pub notional_min: u128,
    /// The exchange takes orders for it now.
    pub trading: bool,
}

impl Instrument {
    /// What `qty` is worth at this price in the quote asset, in units of
    /// 10^-[`Self::notional_scale`]; `None` if that does not fit. An inverse contract is worth its
    /// size whatever the price.
    pub fn notional(&self, px: Px, qty: Qty) -> Option<u128> {
        let size = u128::from(qty.0).checked_mul(u128::from(self.contract.size))?;
        match self.contract.inverse {
            true => Some(size),
            false => size.checked_mul(u128::from(px.0.unsigned_abs())),
        }
    }

    /// Decimals of a notional, 0 ..= 54.
    pub const fn notional_scale(&self) -> u8 {
        let size = self.qty_scale + self.contract.scale;
        match self.contract.inverse {
            true => size,
            false => size + self.px_scale,
        }
    }

    /// A spot instrument for which only symbol and scales are known, as in a recording. Every price
    /// is a multiple of its tick, every quantity one of its lot, and its name is the exchange's
    /// own.
    pub fn bare(exchange: &'static str, symbol: Symbol, (px_scale, qty_scale): (u8, u8)) -> Self {
        Self {
            id: InstrumentId(0),
            exchange,
            symbol,
            name: name(exchange, &[&symbol]),
            base: Asset::new_const(),
            quote: Asset::new_const(),
            settle: Asset::new_const(),
            kind: Kind::Spot,
            contract: Contract::ONE,
            px_scale,
            qty_scale,
            tick: Px(1),
            lot: Qty(1),
            qty_min: Qty(1),
            qty_max: Qty(i64::MAX as u64),
            notional_min: 0,
            trading: true,
        }
    }
}

/// The canonical name `exchange:PART-PART`, cut if it would be too long.
pub(crate) fn name(exchange: &str, parts: &[&str]) -> Name {
    let mut name = Name::new_const();
    let mut push = |text: &str| {
        for c in text.chars() {
            let _ = name.try_push(c);
        }
    };
    push(exchange);
    for (n, part) in parts.iter().enumerate() {
        push(if n == 0 { ":" } else { "-" });
        push(part);
    }
    name
}
