//! Our own orders, from a strategy's wish to the exchange's answer.

use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty, Side};

/// Our name for an order: unique within the run. On the wire it is `tw` and decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct ClientId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Fills what it can at once; the rest expires.
    ImmediateOrCancel,
}

/// The inputs that made a strategy want an order: they go into the decision log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Why {
    /// What was looked at, e.g. `imbalance`.
    pub signal: &'static str,
    pub value: f64,
    pub threshold: f64,
    /// The book that it was read from.
    pub update_id: u64,
    pub epoch: u32,
    pub bid: Level,
    pub ask: Level,
}

/// What a strategy wants. Becomes an order only through risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intent {
    pub instrument: InstrumentId,
    pub side: Side,
    pub px: Px,
    pub qty: Qty,
    pub tif: TimeInForce,
    pub why: Why,
}

/// What an order codec needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    pub client_id: ClientId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub px: Px,
    pub qty: Qty,
    pub tif: TimeInForce,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The exchange took it, and gave it this id.
    Acked { exchange_id: u64 },
    /// The exchange refused it with this code. It does not exist.
    Rejected { code: i32 },
    /// It never left: the order connection was not ready.
    NotSent,
    /// Nobody knows yet. Counts as filled in exposure, and is never sent again.
    Unknown,
    /// Traded this much at this price (paper fills; the private stream comes later).
    Filled { px: Px, qty: Qty },
    /// Over, with nothing more to come.
    Expired,
}

/// News of one of our orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub client_id: ClientId,
    pub instrument: InstrumentId,
    pub outcome: Outcome,
}
