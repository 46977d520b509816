//! What is said between a desk and the account that it trades with, beside its orders' own lives.

use super::decimal::Decimal;
use super::instrument::{Asset, InstrumentId};
use super::level::{Px, Qty, Side};
use super::order::{ClientId, Fill};
use super::time::{Nanos, Span};

/// One of our orders, by the names that there are of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRef {
    /// Ours.
    pub client_id: ClientId,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// The exchange's own number of it, once it is known.
    pub exchange_id: Option<u64>,
}

/// Which trades of the account are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradesOf {
    /// Those of the order with this number of the exchange's own.
    Order(u64),
    /// Those whose numbers are above this one.
    After(u64),
    /// Those of this last while.
    Last(Span),
}

/// What an exchange is asked about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// How an order stands.
    Order(OrderRef),
    /// Trades in an instrument.
    Trades(InstrumentId, TradesOf),
    /// Every order of the account that rests, whosever it is.
    OpenOrders,
    /// What the account has.
    Balances,
}

impl Question {
    /// The instrument that it is about; `None` if it is about the account.
    pub fn instrument(&self) -> Option<InstrumentId> {
        match self {
            Self::Order(order) => Some(order.instrument),
            Self::Trades(instrument, _) => Some(*instrument),
            Self::OpenOrders | Self::Balances => None,
        }
    }
}

/// What an account has of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub asset: Asset,
    /// What may be used.
    pub free: Decimal,
    /// What open orders hold.
    pub locked: Decimal,
}

/// An order of the account that rests, as a list of them has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resting {
    /// Our name for it; `None` if it is somebody else's.
    pub client_id: Option<ClientId>,
    /// The exchange's own number of it.
    pub exchange_id: u64,
    /// Its instrument; `None` if the run does not follow that.
    pub instrument: Option<InstrumentId>,
    /// Buy or sell.
    pub side: Side,
    /// Its limit; zero if the run does not follow its instrument.
    pub px: Px,
    /// How much was ordered; zero likewise.
    pub qty: Qty,
    /// How much of that traded; zero likewise.
    pub traded: Qty,
}

/// What an account says beside its orders' lives, on its way to the desk. Strategies do not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountNews {
    /// A trade, in the answer to a question.
    Trade {
        /// The exchange's own number of its order.
        exchange_id: u64,
        /// When the question left.
        asked: Nanos,
        /// The trade.
        fill: Fill,
    },
    /// Every trade of the instrument was told that the question asked for.
    TradesListed {
        /// When the question left.
        asked: Nanos,
    },
    /// An order that rests.
    Resting(Resting),
    /// Every order was told that rests.
    RestingListed {
        /// When the question left.
        asked: Nanos,
    },
    /// What there is of an asset.
    Balance(Balance),
    /// The exchange's clock is so far ahead of the host's, or behind it if that is negative.
    Clock {
        /// In nanoseconds.
        ahead_ns: i64,
    },
    /// Every balance was told.
    BalancesListed {
        /// When the question left.
        asked: Nanos,
    },
}
