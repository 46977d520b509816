//! The keys of a strategy's configuration, as data, and their values. Reads no file and knows no
//! strategy.

use super::{Strategy, StrategyError};
use crate::base::{Instrument, InstrumentId};
use std::fmt;

/// A kind of strategy: one file and one line in [`super::ALL`].
pub struct Kind {
    /// Its name in configuration.
    pub name: &'static str,
    /// What it does, in one line.
    pub(crate) help: &'static str,
    /// Its configuration keys.
    pub keys: &'static [Key],
    /// The key that says how many levels per side it needs of a book; `None` if the best one is
    /// enough.
    pub(crate) levels: Option<&'static Key>,
    /// Why it must not send real orders; `None` if it may.
    pub(crate) paper_only: Option<&'static str>,
    /// Builds one for the instruments of a run.
    ///
    /// # Errors
    /// If a value does not fit the instruments. The error says what to write instead.
    pub(crate) build: fn(&Values, &Table<'_>) -> Built,
}

/// A strategy, or why there is none.
pub(crate) type Built = Result<Box<dyn Strategy>, StrategyError>;

/// A key of a strategy's section.
#[derive(Debug)]
pub struct Key {
    /// Its name in configuration.
    pub name: &'static str,
    /// What may be written, and the default.
    pub(crate) sort: Sort,
    /// What it means, in one line.
    pub(crate) help: &'static str,
}

/// What may be written for a key.
#[derive(Debug)]
pub(crate) enum Sort {
    /// A whole number.
    Int {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
        /// If nothing is written.
        default: u64,
    },
    /// A number between two others.
    Ratio {
        /// It must be above this.
        above: f64,
        /// It must be below this.
        below: f64,
        /// If nothing is written.
        default: f64,
    },
    /// The quantity of one order in the instrument's own unit: a plain decimal above zero, as text.
    Quantity {
        /// If nothing is written.
        default: &'static str,
    },
}

/// What is written for a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// For a `Sort::Int`.
    Int(u64),
    /// For a `Sort::Ratio`.
    Ratio(f64),
    /// For a `Sort::Quantity`.
    Quantity(String),
}

/// The values that configuration gave to one strategy's keys; the other keys have their defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(Vec<(&'static str, Value)>);

/// The instruments of a run, as a strategy is built for them.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Instrument `i` has the id `i`.
    pub(crate) instruments: &'a [Instrument],
    /// The taker fee of each, in parts per million; zero beyond the end.
    pub(crate) taker_fees_ppm: &'a [u32],
    /// Whether each is the strategy's own; `None` if all are.
    pub(crate) own: Option<&'a [bool]>,
}

impl<'a> Table<'a> {
    /// These instruments, without fees, all of them the strategy's own.
    pub fn of(instruments: &'a [Instrument]) -> Self {
        Self {
            instruments,
            taker_fees_ppm: &[],
            own: None,
        }
    }

    /// Whether the strategy may trade this instrument. It sees no event of another.
    pub(crate) fn owns(&self, id: InstrumentId) -> bool {
        self.own
            .is_none_or(|own| own.get(id.index()) == Some(&true))
    }
}

impl Sort {
    fn default(&self) -> Value {
        match self {
            Self::Int { default, .. } => Value::Int(*default),
            Self::Ratio { default, .. } => Value::Ratio(*default),
            Self::Quantity { default } => Value::Quantity((*default).to_owned()),
        }
    }
}

impl Values {
    /// Sets the key's value.
    pub(crate) fn set(&mut self, key: &Key, value: Value) {
        self.0.retain(|(name, _)| *name != key.name);
        self.0.push((key.name, value));
    }

    /// The key's value, or its default.
    pub fn get(&self, key: &Key) -> Value {
        let written = self.0.iter().find(|(name, _)| *name == key.name);
        written.map_or_else(|| key.sort.default(), |(_, value)| value.clone())
    }

    /// The whole number of a [`Sort::Int`].
    pub(crate) fn int(&self, key: &Key) -> u64 {
        let Value::Int(int) = self.get(key) else {
            debug_assert!(false, "{} is no whole number", key.name);
            return 0;
        };
        int
    }

    /// The number of a [`Sort::Ratio`].
    pub(crate) fn ratio(&self, key: &Key) -> f64 {
        let Value::Ratio(ratio) = self.get(key) else {
            debug_assert!(false, "{} is no ratio", key.name);
            return 0.0;
        };
        ratio
    }

    /// The text of a [`Sort::Quantity`].
    pub(crate) fn quantity(&self, key: &Key) -> String {
        let Value::Quantity(text) = self.get(key) else {
            debug_assert!(false, "{} is no quantity", key.name);
            return String::new();
        };
        text
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => write!(f, "{int}"),
            Self::Ratio(ratio) => write!(f, "{ratio}"),
            Self::Quantity(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kinds_and_the_keys_of_each_have_names_of_their_own_and_a_line_of_help() {
        let names: BTreeSet<&str> = ALL.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), ALL.len());
        for kind in ALL {
            assert!(!kind.help.is_empty(), "{kind:?}");
            let keys: BTreeSet<&str> = kind.keys.iter().map(|key| key.name).collect();
            assert_eq!(keys.len(), kind.keys.len(), "{kind:?}");
            let listed = |of: &Key| kind.keys.iter().any(|key| key.name == of.name);
            assert!(kind.levels.is_none_or(listed), "{kind:?}");
            for key in kind.keys {
                assert!(!key.help.is_empty(), "{kind:?} {}", key.name);
                let taken = ["name", "kind", "instruments"].contains(&key.name);
                assert!(!taken, "{kind:?}: every strategy has a {}", key.name);
            }
        }
    }

    #[test]
    fn the_defaults_of_each_key_are_inside_its_range() {
        for key in ALL.iter().flat_map(|kind| kind.keys) {
            let fits = match &key.sort {
                Sort::Int { min, max, default } => (min..=max).contains(&default),
                Sort::Ratio {
                    above,
                    below,
                    default,
                } => default > above && default < below,
                Sort::Quantity { default } => default.parse::<f64>().is_ok_and(|n| n > 0.0),
            };
            assert!(fits, "{}", key.name);
        }
    }

    #[test]
    fn what_is_written_counts_and_else_the_default() {
        let key = &Key {
            name: "depth",
            sort: Sort::Int {
                min: 1,
                max: 9,
                default: 5,
            },
            help: "levels",
        };
        let mut values = Values::default();
        assert_eq!(values.int(key), 5);
        values.set(key, Value::Int(7));
        values.set(key, Value::Int(8));
        assert_eq!(values.int(key), 8);
        assert_eq!(values.get(key).to_string(), "8");
    }
}
