//! Our own orders, from a strategy's wish to the exchange's answer.

use super::decimal::Decimal;
use super::instrument::{Asset, InstrumentId};
use super::level::{Level, Px, Qty, Side};
use super::time::{Nanos, UnixNanos};

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

/// What an order asks of the exchange beside its price and quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OrderType {
    /// Rests at its limit until it is filled or cancelled.
    Limit,
    /// As [`Self::Limit`], but the exchange refuses it if it would trade at once: it is a maker.
    PostOnly,
    /// Fills what it can at once; what remains expires.
    ImmediateOrCancel,
    /// Fills whole at once, or expires whole.
    FillOrKill,
    /// Fills at once at whatever price there is. Its limit does not leave this process: it is the
    /// price that risk counts it at.
    Market,
}

impl OrderType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::Limit,
        Self::PostOnly,
        Self::ImmediateOrCancel,
        Self::FillOrKill,
        Self::Market,
    ];

    /// Whether it may stay in the exchange's book.
    pub const fn rests(self) -> bool {
        match self {
            Self::Limit | Self::PostOnly => true,
            Self::ImmediateOrCancel | Self::FillOrKill | Self::Market => false,
        }
    }

    /// A word for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::PostOnly => "post_only",
            Self::ImmediateOrCancel => "ioc",
            Self::FillOrKill => "fok",
            Self::Market => "market",
        }
    }
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

/// What a strategy wants. The desk lets risk judge whatever could add to an exposure; a cancel
/// always goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Intent {
    /// A new order.
    Place(Place),
    /// Another price or quantity for one of its own orders.
    Replace(Replace),
    /// The end of one of its own orders.
    Cancel(Cancel),
    /// The end of all of its own orders.
    CancelAll(CancelAll),
}

impl From<Place> for Intent {
    fn from(place: Place) -> Self {
        Self::Place(place)
    }
}

impl From<Replace> for Intent {
    fn from(replace: Replace) -> Self {
        Self::Replace(replace)
    }
}

impl From<Cancel> for Intent {
    fn from(cancel: Cancel) -> Self {
        Self::Cancel(cancel)
    }
}

impl From<CancelAll> for Intent {
    fn from(cancel: CancelAll) -> Self {
        Self::CancelAll(cancel)
    }
}

/// A new order. Becomes one only through risk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Who wants it. The desk writes it, whatever the strategy wrote.
    pub strategy: StrategyId,
    /// What to trade.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// The limit: never a worse price than this, except for [`OrderType::Market`].
    pub px: Px,
    /// How much, in whole lots.
    pub qty: Qty,
    /// What it asks of the exchange.
    pub order_type: OrderType,
    /// The strategy's own name for it: comes back with each report, and means nothing to anybody
    /// else.
    pub tag: u64,
    /// The inputs, for the decision log.
    pub why: Why,
}

/// Another price or quantity for an order. If only its quantity falls and the exchange can amend
/// it, the order keeps its place in the queue. Else its successor is a new order with an id of its
/// own, which the exchange takes only once the first one is over: there never are two of them.
/// Where the exchange cannot do both as one, the first one is cancelled and its successor is not
/// sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Replace {
    /// The order as it is now.
    pub order: ClientId,
    /// The new limit.
    pub px: Px,
    /// How much is to be open from then on.
    pub qty: Qty,
    /// The inputs, for the decision log.
    pub why: Why,
}

/// The end of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancel {
    /// The order as it is now.
    pub order: ClientId,
    /// Why, in a word, for the decision log.
    pub why: &'static str,
}

/// The end of all orders of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelAll {
    /// Of this instrument only, unless it is [`InstrumentId::NONE`].
    pub instrument: InstrumentId,
    /// Why, in a word, for the decision log.
    pub why: &'static str,
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
    /// What it asks of the exchange.
    pub order_type: OrderType,
}

/// One trade of an order, as the exchange numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// The exchange's number of the trade: within an instrument no two trades share one, and it is
    /// what tells a fill from its repetition.
    pub trade_id: u64,
    /// What our order did.
    pub side: Side,
    /// The price.
    pub px: Px,
    /// How much.
    pub qty: Qty,
    /// What the exchange took for it, if the source says.
    pub fee: Option<Fee>,
    /// The order rested, and another one took it; `None` if the source does not say.
    pub maker: Option<bool>,
    /// When the exchange matched it; zero if the source does not say.
    pub at: UnixNanos,
}

impl Fill {
    /// A fill of which the source says no more than that.
    pub const fn bare(trade_id: u64, side: Side, px: Px, qty: Qty) -> Self {
        Self {
            trade_id,
            side,
            px,
            qty,
            fee: None,
            maker: None,
            at: UnixNanos(0),
        }
    }
}

/// What an exchange took for a trade. A rebate is `rebate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fee {
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Decimal,
    /// It was given, not taken.
    pub rebate: bool,
}

/// How an order that the exchange took ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All of it traded.
    Filled,
    /// It was cancelled.
    Cancelled,
    /// What did not trade expired.
    Expired,
}

/// Who says something of an order. Each speaks in an order of its own, and none of them knows what
/// another has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The answer to a request about the order, or the exit itself.
    Answer,
    /// The account's private stream.
    Stream,
    /// The answer to a question: what became of it.
    Query {
        /// When the question left.
        asked: Nanos,
    },
}

/// What somebody says of an order. Nothing of it is undone by what is said later: a fill happened,
/// an end is an end, and an amount that traded only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It never left this process.
    NotSent,
    /// It is in the market, or was, under this number of the exchange's own.
    Taken {
        /// The exchange's own number of the order.
        exchange_id: u64,
    },
    /// It traded.
    Fill(Fill),
    /// So much of it traded in all until then.
    Traded(Qty),
    /// It is over, and so much of it traded in all; `None` if the source does not say how much.
    Ended(End, Option<Qty>),
    /// Only so much is ordered from here on, what traded included.
    Reduced(Qty),
    /// The exchange refused it with this code: it does not exist.
    Rejected {
        /// The exchange's code.
        code: i32,
    },
    /// A cancel, or a change, was refused with this code. It says nothing of the order itself.
    ChangeRefused {
        /// The exchange's code.
        code: i32,
    },
    /// The exchange knows no such order.
    Absent,
    /// Nobody can say what became of the request: no answer came, or one that says neither yes nor
    /// no.
    Unanswered,
}

/// What a gateway, or paper, says of an order, before it is joined with the order itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The order.
    pub client_id: ClientId,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Who says it.
    pub source: Source,
    /// What is said.
    pub said: Said,
}

/// What became of an order, as its strategy is told: how it stands, or how it ended. After an end
/// there is no further report of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The exchange took it, and gave it this id.
    Acked {
        /// The exchange's own number of the order.
        exchange_id: u64,
    },
    /// It traded.
    Fill(Fill),
    /// Less is ordered from here on.
    Reduced,
    /// A cancel or a change of it was refused with this code, and it stands as before.
    ChangeRefused {
        /// The exchange's code.
        code: i32,
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
    /// The end: it never reached the exchange.
    NotSent,
    /// The end: risk refused the intent at this gate. There never was an order.
    Refused {
        /// The gate's name.
        gate: &'static str,
    },
    /// The end of the run, not of the order: nobody said what became of it before the run was over.
    Unknown,
}

impl Outcome {
    /// A static word for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acked { .. } => "acked",
            Self::Fill(_) => "fill",
            Self::Reduced => "reduced",
            Self::ChangeRefused { .. } => "change_refused",
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
            Self::Acked { .. }
            | Self::Fill(_)
            | Self::Reduced
            | Self::ChangeRefused { .. }
            | Self::InDoubt => false,
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

/// An order without an end, as its strategy sees it.
///
/// Invariant: `filled <= qty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Working {
    /// Our name for the order.
    pub client_id: ClientId,
    /// Whose it is.
    pub strategy: StrategyId,
    /// The tag of the intent that it comes from; a successor has its predecessor's.
    pub tag: u64,
    /// Its instrument.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Its limit.
    pub px: Px,
    /// How much is ordered.
    pub qty: Qty,
    /// How much of that is filled.
    pub filled: Qty,
    /// What it asks of the exchange.
    pub order_type: OrderType,
    /// The exchange said that it took it.
    pub acked: bool,
    /// Nobody knows at present what became of it, or of what was asked for it.
    pub in_doubt: bool,
    /// A cancel or a change of it is under way: it counts as it is until the exchange says that it
    /// is over.
    pub changing: bool,
}

impl Working {
    /// How much of it is not filled.
    pub const fn remaining(&self) -> Qty {
        Qty(self.qty.0 - self.filled.0)
    }
}
