//! What the order journal keeps: what was done with an account's orders, and what came to be known
//! of them. Numbers only: whoever writes the journal makes text of it.

use super::account::Resting;
use super::instrument::{Asset, InstrumentId};
use super::level::{Px, Qty};
use super::order::{ClientId, End, NewOrder, News, StrategyId, Working};
use super::position::Position;
use super::time::{Nanos, Span};
use arrayvec::ArrayString;

/// One record of the order journal. All of them, in their order, make again what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A new order is about to go out.
    Admitted {
        /// The order.
        order: NewOrder,
        /// The tag of the intent that it comes from.
        tag: u64,
        /// The order whose place it takes.
        replaces: Option<ClientId>,
    },
    /// A change of an order is about to go out.
    Asked {
        /// The order.
        client_id: ClientId,
        /// Its instrument.
        instrument: InstrumentId,
        /// What is asked.
        change: Change,
    },
    /// Somebody said something of an order.
    Heard(News),
    /// The account's trades were listed whole.
    Listed {
        /// The instrument whose trades were listed.
        instrument: InstrumentId,
        /// When the question left.
        asked: Nanos,
        /// Every trade up to this number is known, if there is one.
        to: Option<u64>,
    },
    /// As of here, the trades in an instrument were never listed whole, and the first one that is
    /// not known may be as old as that.
    Unlisted {
        /// The instrument.
        instrument: InstrumentId,
        /// The age.
        age: Span,
    },
    /// An order under our name was found at the exchange that nobody here knew.
    Adopted(Resting),
    /// As of here, an order without an end.
    Open(OpenOrder),
    /// As of here, what a strategy's trades in an instrument sum up to; [`StrategyId::NONE`] has
    /// those that are nobody's.
    Position {
        /// Whose.
        strategy: StrategyId,
        /// Of what.
        instrument: InstrumentId,
        /// The sum.
        position: Position,
    },
    /// As of here, a trade that was taken in.
    Seen {
        /// Its instrument.
        instrument: InstrumentId,
        /// The exchange's number of it.
        trade_id: u64,
    },
    /// As of here, every trade up to this number counts as taken in.
    SeenTo {
        /// The instrument.
        instrument: InstrumentId,
        /// The number.
        trade_id: u64,
    },
    /// As of here, every client id up to this one is used up.
    UsedTo {
        /// The id.
        client_id: ClientId,
    },
    /// As of here, the account has this much of an asset, in units of 10^-18.
    Holds {
        /// Of what.
        asset: Asset,
        /// How much.
        units: i128,
    },
    /// As of here, the account has nothing of an asset that no record before this one is about.
    HoldsNoOther,
    /// The account had more or less of an asset than our trades explain, and what was found counts
    /// from here on. Amounts are in units of 10^-18.
    Differs {
        /// The name of the entry, which follows from its cause.
        entry: u64,
        /// Of what.
        asset: Asset,
        /// What our trades explain.
        expected: i128,
        /// What the exchange said.
        found: i128,
    },
    /// The difference of this name was accepted, or is over.
    Accepted {
        /// The name of the entry.
        entry: u64,
        /// By whom.
        by: Accepter,
    },
    /// As of here, the rule accepted so much of an asset on this day of UTC, in units of 10^-18.
    AcceptedSoFar {
        /// Of what.
        asset: Asset,
        /// How much.
        units: i128,
    },
    /// The account had trades in this instrument of no order that is known: positions may only be
    /// reduced from here on, or that is lifted.
    Held {
        /// The instrument.
        instrument: InstrumentId,
        /// False if it is lifted.
        on: bool,
    },
    /// As of here, what was gained of this day of UTC.
    Day(DayGain),
    /// As of here, the touch that what is held of an instrument was valued at last.
    Marked {
        /// The instrument.
        instrument: InstrumentId,
        /// Its best bid.
        bid: Px,
        /// Its best ask.
        ask: Px,
    },
    /// Until the run ends, a strategy goes by this value of a key, and not by its configuration's.
    Set {
        /// Whose.
        strategy: StrategyId,
        /// The key.
        key: KeyName,
        /// The value.
        value: KeyValue,
    },
    /// What may be sent from here on.
    Mode {
        /// By whom; [`StrategyId::NONE`] is everybody.
        strategy: StrategyId,
        /// The mode.
        mode: Mode,
    },
}

/// Letters in the name of a strategy's key, at most.
pub(crate) const KEY_NAME_MAX: usize = 32;
/// Letters in a value that is set while a strategy runs, at most.
pub(crate) const KEY_VALUE_MAX: usize = 48;
/// The name of a strategy's key.
pub(crate) type KeyName = ArrayString<KEY_NAME_MAX>;
/// A key's value, as it is written.
pub(crate) type KeyValue = ArrayString<KEY_VALUE_MAX>;

/// Decimals of a value in a quote asset.
pub(crate) const VALUE_SCALE: u8 = 8;

/// What was gained of a day in one quote asset, in units of 10^-8; a loss is below zero.
///
/// Invariant: `0 <= best` and `gained <= best`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayGain {
    /// By whom; [`StrategyId::NONE`] is all together.
    pub strategy: StrategyId,
    /// In which asset.
    pub quote: Asset,
    /// Since the day began.
    pub gained: i128,
    /// The most that it was.
    pub best: i128,
}

/// Who says that a difference is no reason to hold anything any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepter {
    /// The configuration, which allows so much a day.
    Rule,
    /// A person.
    Person,
    /// The exchange: what it said later takes the difference back.
    Exchange,
}

/// What is asked for an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Its end.
    Cancel,
    /// Its end, and another order in its place.
    Replace,
    /// Only so much in all, what traded included.
    Reduce(Qty),
}

/// What may be sent; the later ones allow less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Whatever risk admits.
    #[default]
    Trading,
    /// What makes positions smaller.
    ReduceOnly,
    /// Cancels.
    Halted,
}

/// An order without an end, with all that is known of it.
///
/// Invariant: `working.filled <= told`, and both are at most what was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOrder {
    /// What its strategy sees of it.
    pub working: Working,
    /// The exchange's own number of it.
    pub exchange_id: Option<u64>,
    /// The most that anybody said traded.
    pub told: Qty,
    /// It is over at the exchange: how, and how much of it traded in all if that was said.
    pub over: Option<(End, Option<Qty>)>,
    /// What was said of it cannot all be true.
    pub contradicted: bool,
    /// A cancel or a change of it was asked for.
    pub changed: bool,
    /// It went out so long ago.
    pub age: Span,
}
