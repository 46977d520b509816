//! Picture to intent, one file per kind of strategy. A strategy wants; it never sends.

pub(crate) mod arbitrage;
pub mod imbalance;
mod kind;
pub(crate) mod maker;
pub(crate) mod order_flow;
mod sizes;

use crate::base::{
    ClientId, Decimal, DecimalError, Event, InstrumentId, Intent, Nanos, Position, StrategyId,
    Symbol, Working,
};
use crate::market::Picture;
use arrayvec::ArrayVec;
pub(crate) use kind::with_own;
pub use kind::{Built, Key, Kind, Sort, Table, Value, Values};
pub use sizes::{fitting_qty, order_qty, order_qtys};
use std::any::Any;
use std::fmt;

/// Intents that one event may cause, at most.
pub(crate) const INTENTS_MAX: usize = 4;

/// What a strategy wants after one event.
pub type Intents = ArrayVec<Intent, INTENTS_MAX>;

/// What the desk lends a strategy while it decides.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Every instrument's newest live book.
    pub market: &'a Picture,
    /// Its own positions, by instrument id: the sums of its fills in this run.
    pub positions: &'a [Position],
    orders: &'a [Working],
    strategy: StrategyId,
}

impl<'a> View<'a> {
    /// What `strategy` sees of the market, of its own positions and of all working orders.
    pub const fn new(
        market: &'a Picture,
        positions: &'a [Position],
        orders: &'a [Working],
        strategy: StrategyId,
    ) -> Self {
        Self {
            market,
            positions,
            orders,
            strategy,
        }
    }

    /// Its own orders that have no end yet, in no order.
    pub fn orders(&self) -> impl Iterator<Item = &'a Working> {
        let strategy = self.strategy;
        let all = self.orders.iter();
        all.filter(move |order| order.strategy == strategy)
    }

    /// One of its own orders, while it has no end.
    pub fn order(&self, client_id: ClientId) -> Option<&'a Working> {
        self.orders().find(|order| order.client_id == client_id)
    }

    /// Its position in an instrument.
    pub fn position(&self, instrument: InstrumentId) -> Position {
        let position = self.positions.get(instrument.index());
        position.copied().unwrap_or_default()
    }
}

/// A strategy: a value that sees every event of the desk, in order, and may want orders.
///
/// Every [`Body::Book`](crate::base::Body::Book) that it sees is live and of the newest connection.
/// It must not block, and must decide from `now`, the events and the picture alone, so that a
/// replay decides the same.
///
/// It is [`Any`], so that whoever started a run can read its numbers at the end.
pub trait Strategy: Any + Send {
    /// Handles one event, and pushes what it wants now into `out`, which is empty at the call. If
    /// more does not fit, the strategy decides whether it keeps or forgets that. `view` already
    /// includes `event`.
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents);

    /// Takes other values of those keys that its kind has as [`Kind::settable`]; they count from
    /// the next event on. They are within their ranges, and [`Kind::build`] took them for the
    /// instruments as they were listed when the run began; `view` has them as they are listed now.
    /// It is called on the desk's thread, as [`Self::handle_event`] is, and must not allocate
    /// either: [`Values::swap_quantity`] takes a quantity without a copy.
    ///
    /// # Errors
    /// Why it does not take them, if it goes on as before.
    fn handle_values(
        &mut self,
        _values: &mut Values,
        _view: &View<'_>,
    ) -> Result<(), &'static str> {
        Err("this strategy takes no values while it runs")
    }

    /// Whether it may trade this instrument. Instruments that no strategy trades get their first
    /// snapshots last.
    fn trades(&self, _instrument: InstrumentId) -> bool {
        true
    }
}

/// Every kind of strategy of this crate. One line here and one file add another. The first one is
/// the default.
pub static ALL: &[&Kind] = &[
    &imbalance::KIND,
    &arbitrage::KIND,
    &order_flow::KIND,
    &maker::KIND,
];

/// Why a strategy was not built, for a person to read.
#[derive(Debug, Clone, PartialEq)]
pub enum StrategyError {
    /// The edge is zero: it would trade for the fees alone.
    Edge,
    /// What a strategy of another crate says about it.
    Own(String),
    /// No two exchanges of the run trade the same asset for the same other one.
    NoPair,
    /// The quantity fits no instrument of the run: the first one's reason.
    NothingFits(Box<StrategyError>),
    /// Levels outside 1 ..= 10.
    Depth(usize),
    /// Not a number above 0 and below 1.
    Threshold(f64),
    /// Not a decimal that the instrument's quantity scale can hold.
    Quantity {
        /// Whose scale it is.
        symbol: Symbol,
        /// The quantity as it was written.
        text: String,
        /// Decimals that the instrument's quantities have.
        scale: u8,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// Rounded down to whole lots, nothing is left of the quantity.
    QuantityZero {
        /// Whose lot it is.
        symbol: Symbol,
        /// The lot.
        lot: Decimal,
    },
    /// Rounded down to whole lots, the quantity is less than the exchange takes.
    QuantityMin {
        /// Who refuses it.
        symbol: Symbol,
        /// What is left of it.
        quantity: Decimal,
        /// The smallest quantity that is taken.
        qty_min: Decimal,
    },
}

impl fmt::Display for StrategyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(why) => f.write_str(why),
            Self::Edge => f.write_str("edge_min_ppm is 0: write at least 1"),
            Self::NoPair => f.write_str(
                "arbitrage needs an asset that two exchanges trade for the same other one: \
                 configure a [[feed]] of each with such instruments",
            ),
            Self::NothingFits(first) => write!(f, "{first}; nor does it fit any other instrument"),
            Self::Depth(depth) => write!(f, "depth {depth} is not within 1 to 10"),
            Self::Threshold(threshold) => {
                write!(f, "threshold {threshold} is not above 0 and below 1")
            }
            Self::Quantity {
                symbol,
                text,
                scale,
                error: _,
            } => write!(
                f,
                "quantity {text:?} is not a plain decimal that {symbol} can hold at {scale} \
                 decimals"
            ),
            Self::QuantityZero { symbol, lot } => {
                write!(f, "quantity is less than one lot of {symbol}, {lot}")
            }
            Self::QuantityMin {
                symbol,
                quantity,
                qty_min,
            } => write!(
                f,
                "quantity is {quantity} in whole lots, less than {symbol} takes: at least {qty_min}"
            ),
        }
    }
}

impl std::error::Error for StrategyError {}

/// The new order that an intent is, in tests of strategies that want nothing else.
#[cfg(test)]
fn placed(intent: Intent) -> crate::base::Place {
    match intent {
        Intent::Place(place) => place,
        Intent::Replace(_) | Intent::Cancel(_) | Intent::CancelAll(_) => panic!("{intent:?}"),
    }
}

/// What a strategy without orders and positions sees.
#[cfg(test)]
fn sees(market: &Picture) -> View<'_> {
    View::new(market, &[], &[], StrategyId(0))
}
