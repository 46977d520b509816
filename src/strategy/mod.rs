//! Picture to intent, one file a strategy. A strategy wants; it never sends.

pub mod imbalance;

use crate::base::{Decimal, DecimalError, Event, Instrument, Intent, Nanos, Symbol};
use arrayvec::ArrayVec;
use std::fmt;

/// Intents that one event may cause, at most.
pub const INTENTS_MAX: usize = 4;

/// What a strategy wants after one event.
pub type Intents = ArrayVec<Intent, INTENTS_MAX>;

/// A strategy: a value that sees every event of the desk, in order, and may want orders.
///
/// It sees only live books ([`crate::base::Body::Book`] is never published of another), must not block, and must
/// decide from `now` and the events alone, so that a replay decides the same.
pub trait Strategy: Send {
    /// Takes one event, and pushes what it wants now into `out`, which comes empty. What does not
    /// fit is the strategy's own to keep or forget.
    fn handle_event(&mut self, now: Nanos, event: &Event, out: &mut Intents);
}

type Build = fn(&StrategyParams, &[Instrument]) -> Result<Box<dyn Strategy>, StrategyError>;

/// Strategies that this build knows. One line here and one file add another.
static ALL: &[(&str, Build)] = &[("imbalance", imbalance::build)];

/// The names that configuration may write, in the registry's order.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Builds the strategy with this name for these instruments; instrument `i` has the id `i`.
pub fn build(
    name: &str,
    params: &StrategyParams,
    instruments: &[Instrument],
) -> Result<Box<dyn Strategy>, StrategyError> {
    match ALL.iter().find(|(known, _)| *known == name) {
        Some((_, build)) => build(params, instruments),
        None => Err(StrategyError::Unknown(name.to_owned())),
    }
}

/// What configuration says of a strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyParams {
    /// Levels a side that the signal reads, 1 ..= 10 (what an event carries).
    pub depth: usize,
    /// The signal's absolute value that must be exceeded, above 0 and below 1.
    pub threshold: f64,
    /// Nanoseconds of silence after an intent, for each instrument by itself.
    pub cooldown_ns: u64,
    /// Order quantity in base currency, as decimal text; rounded down to each instrument's lot.
    pub quantity: String,
}

/// Why a strategy was not built, for a person to read.
#[derive(Debug, Clone, PartialEq)]
pub enum StrategyError {
    /// No strategy has this name.
    Unknown(String),
    /// Levels outside 1 ..= 10.
    Depth(usize),
    /// Not above 0 and at most 1, or no number.
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
    /// Nothing is left once it is rounded down to the lot.
    QuantityZero {
        /// Whose lot it is.
        symbol: Symbol,
        /// The lot.
        lot: Decimal,
    },
    /// Less, rounded down to the lot, than the exchange takes.
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
            Self::Unknown(name) => {
                write!(f, "no strategy is called {name:?}; there are: ")?;
                for (i, name) in names().enumerate() {
                    write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
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
                "quantity {text:?} is not a plain decimal that {symbol} can hold at {scale} decimals"
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

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> StrategyParams {
        StrategyParams {
            depth: 5,
            threshold: 0.5,
            cooldown_ns: 0,
            quantity: "1".into(),
        }
    }

    #[test]
    fn every_registered_name_is_its_own_and_builds() {
        for name in names() {
            assert!(build(name, &params(), &[]).is_ok(), "{name}");
            assert_eq!(names().filter(|other| *other == name).count(), 1);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_told_which_there_are() {
        let error = build("imbalanse", &params(), &[]).err().unwrap();
        assert_eq!(
            error.to_string(),
            "no strategy is called \"imbalanse\"; there are: imbalance"
        );
    }
}
