//! Binance spot. Source: the exchange's own API documentation.

pub mod mirror;

/// Binance's spot market.
pub struct BinanceSpot;
