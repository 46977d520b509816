//! The exchange's half of the protocol: what Binance itself writes and reads, for the simulated exchange.
//! Pure functions of values: holds no socket, no clock and no book.

pub mod control;
pub mod market;
pub mod orders;
pub mod route;

use crate::base::{Instrument, Qty, UnixNanos};
use std::fmt::Write;

/// Decimals that Binance pads every price and quantity to.
pub const PRECISION: u8 = 8;

/// The unit of every timestamp on one connection (`timeUnit` in its URL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// Milliseconds, the exchange's default.
    #[default]
    Millis,
    /// Microseconds, where the client asked for them.
    Micros,
}

impl TimeUnit {
    /// `at` in this unit since 1970.
    pub const fn of(self, at: UnixNanos) -> i64 {
        match self {
            Self::Millis => at.as_millis(),
            Self::Micros => at.as_micros(),
        }
    }
}

/// An instrument as the exchange lists it: the engine's own table entry, and the names of its assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Symbol, scales and filters.
    pub instrument: Instrument,
    /// The asset that is bought and sold, like `BTC`.
    pub base: String,
    /// The asset that it is paid with, like `USDT`.
    pub quote: String,
}

impl Listing {
    /// The listing called `symbol`, and its place in `listings`.
    pub fn find<'l>(listings: &'l [Self], symbol: &str) -> Option<(usize, &'l Self)> {
        let mut numbered = listings.iter().enumerate();
        numbered.find(|(_, listing)| listing.instrument.symbol.as_str() == symbol)
    }
}

/// A refusal: HTTP-like status, Binance's code, and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// HTTP status, or the `status` of a WebSocket API answer.
    pub status: u16,
    /// Binance's error code, below zero.
    pub code: i32,
    /// Binance's words for it.
    pub msg: String,
}

impl Fault {
    /// A refusal of these three.
    pub fn new(status: u16, code: i32, msg: impl Into<String>) -> Self {
        let msg = msg.into();
        Self { status, code, msg }
    }

    /// -1121: no such symbol here.
    pub fn invalid_symbol() -> Self {
        Self::new(400, -1121, "Invalid symbol.")
    }

    /// The body of a REST refusal.
    pub fn body(&self) -> String {
        serde_json::json!({"code": self.code, "msg": self.msg}).to_string()
    }
}

/// Appends `units` of 10^-`scale` with at least [`PRECISION`] decimals: `30000.01000000`.
pub fn push_padded(out: &mut String, units: u64, scale: u8) {
    let one = 10u64.pow(u32::from(scale));
    let (whole, part, width) = (units / one, units % one, usize::from(scale));
    // Writing into a `String` cannot fail.
    let _ = match scale {
        0 => write!(out, "{whole}."),
        _ => write!(out, "{whole}.{part:0width$}"),
    };
    out.extend((scale..PRECISION).map(|_| '0'));
}

fn padded(units: u64, scale: u8) -> String {
    let mut text = String::with_capacity(24);
    push_padded(&mut text, units, scale);
    text
}

/// Largest quantity of a listing's orders when nothing smaller is wanted, at `qty_scale` 8.
pub const QTY_MAX: Qty = Qty(900_000_000_000_000_000);

/// Largest worth of an order, in whole units of the quote asset.
pub const NOTIONAL_MAX: u64 = 9_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_to_eight_decimals() {
        assert_eq!(padded(3_000_001, 2), "30000.01000000");
        assert_eq!(padded(7, 0), "7.00000000");
        assert_eq!(padded(5, 8), "0.00000005");
        assert_eq!(padded(1_000_000_001, 9), "1.000000001");
    }
}
