//! Our own orders, from a strategy's wish to the exchange's answer.

use super::instrument::InstrumentId;
use super::level::{Level, Px, Qty, Side};

/// Our name for an order: unique within the run. On the wire it is `tw` and decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct ClientId(pub u64);

/// A strategy of the run: its place in the configuration, from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct StrategyId(pub u8);

impl StrategyId {
    /// No strategy.
    pub const NONE: Self = Self(u8::MAX);

    /// Its place in the run's list of strategies.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How long an order may rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Fills what it can at once; what remains expires.
    ImmediateOrCancel,
}

/// The inputs that made a strategy want an order: they go into the decision log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Why {
    /// The name of the signal, e.g. `imbalance`.
    pub signal: &'static str,
    /// The signal's value.
    pub value: f64,
    /// What the value had to exceed.
    pub threshold: f64,
    /// The update id of the book that it was read from.
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
    /// Who wants it. The desk writes it, whatever the strategy wrote.
    pub strategy: StrategyId,
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
    /// The strategy's own name for it: comes back with each report, and means nothing to anybody
    /// else.
    pub tag: u64,
    /// The inputs, for the decision log.
    pub why: Why,
}

/// What an order codec needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewOrder {
    /// Our name for the order, on the wire and in reports.
    pub client_id: ClientId,
    /// Who wanted it.
    pub strategy: StrategyId,
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

/// What became of an order: how it stands, or how it ended. After an end there is no further news
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The exchange took it, and gave it this id.
    Acked {
        /// The exchange's own number of the order.
        exchange_id: u64,
    },
    /// Traded this much at this price.
    Fill {
        /// The price of the fill.
        px: Px,
        /// How much was filled.
        qty: Qty,
    },
    /// Nobody knows at present: the order may exist, and it may have traded. It is never sent
    /// again, and keeps its place among the open orders until the exchange's own word ends it.
    InDoubt,
    /// The end: all of it was filled.
    Filled,
    /// The end: it was cancelled, with something left.
    Cancelled,
    /// The end: what is left of it expired.
    Expired,
    /// The end: the exchange refused it with this code. It does not exist.
    Rejected {
        /// The exchange's code.
        code: i32,
    },
    /// The end: it never left, because the order connection was not ready.
    NotSent,
    /// The end: risk refused the intent at this gate. There never was an order.
    Refused {
        /// The gate's name.
        gate: &'static str,
    },
    /// The end: nobody ever said how much of it traded. Either the run was over, or the exchange
    /// took an order that cannot rest and said nothing more.
    Unknown,
}

impl Outcome {
    /// A static word for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acked { .. } => "acked",
            Self::Fill { .. } => "fill",
            Self::InDoubt => "in_doubt",
            Self::Filled => "filled",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Rejected { .. } => "rejected",
            Self::NotSent => "not_sent",
            Self::Refused { .. } => "refused",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the order is over with it.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Acked { .. } | Self::Fill { .. } | Self::InDoubt => false,
            Self::Filled
            | Self::Cancelled
            | Self::Expired
            | Self::Rejected { .. }
            | Self::NotSent
            | Self::Refused { .. }
            | Self::Unknown => true,
        }
    }
}

/// What a gateway, or paper, says of an order, before it is joined with the order itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The order.
    pub client_id: ClientId,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// What became of it.
    pub outcome: Outcome,
}

/// A report to the strategy that wanted the order. Exactly one report per order carries an end
/// ([`Outcome::is_end`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The order; zero if risk refused the intent.
    pub client_id: ClientId,
    /// Who wanted it.
    pub strategy: StrategyId,
    /// The intent's tag.
    pub tag: u64,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Its limit.
    pub px: Px,
    /// How much was ordered.
    pub qty: Qty,
    /// How much of that is not filled.
    pub remaining: Qty,
    /// What became of it.
    pub outcome: Outcome,
}

impl Report {
    /// How much of it is filled.
    pub const fn filled(&self) -> Qty {
        Qty(self.qty.0 - self.remaining.0)
    }
}
