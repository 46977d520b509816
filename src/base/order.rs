//! Our own orders, from a strategy's wish to the exchange's answer.

use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty, Side};

/// Our name for an order: unique within the run. On the wire it is `tw` and decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct ClientId(pub u64);

/// How long an order may rest.
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
    /// What the signal was.
    pub value: f64,
    /// What it had to exceed.
    pub threshold: f64,
    /// The book that it was read from.
    pub update_id: u64,
    /// The connection that the book belonged to.
    pub epoch: u32,
    /// Its best bid.
    pub bid: Level,
    /// Its best ask.
    pub ask: Level,
}

/// What a strategy wants. Becomes an order only through risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intent {
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// The limit: never a worse price than this.
    pub px: Px,
    /// How much, in whole lots.
    pub qty: Qty,
    /// How long it may rest.
    pub tif: TimeInForce,
    /// The inputs, for the decision log.
    pub why: Why,
}

/// What an order codec needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// Our name for it, on the wire and in reports.
    pub client_id: ClientId,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// The limit price, a multiple of the tick.
    pub px: Px,
    /// How much, a multiple of the lot.
    pub qty: Qty,
    /// How long it may rest.
    pub tif: TimeInForce,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The exchange took it, and gave it this id.
    Acked {
        /// The exchange's own number of the order.
        exchange_id: u64,
    },
    /// The exchange refused it with this code. It does not exist.
    Rejected {
        /// The exchange's code.
        code: i32,
    },
    /// It never left: the order connection was not ready.
    NotSent,
    /// Risk refused the intent: there never was an order. Only strategies hear of it.
    Refused,
    /// Nobody knows yet. Counts as filled in exposure, and is never sent again.
    Unknown,
    /// Traded this much at this price (paper fills; the private stream comes later).
    Filled {
        /// The price of the fill.
        px: Px,
        /// How much was filled.
        qty: Qty,
    },
    /// Over, with nothing more to come.
    Expired,
}

/// News of one of our orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The order.
    pub client_id: ClientId,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// What became of it.
    pub outcome: Outcome,
}
