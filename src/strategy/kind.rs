//! The keys of a strategy's configuration, as data, and their values. Reads no file and knows no
//! strategy.

use super::{Strategy, StrategyError};
use crate::base::deed::KEY_NAME_MAX;
use crate::base::{Instrument, InstrumentId};
use std::fmt;

/// A kind of strategy. In this crate it is one file and one line in [`super::ALL`]; a program of
/// your own hands its kinds to [`crate::main_with`].
pub struct Kind {
    /// Its name in configuration.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Its configuration keys.
    pub keys: &'static [Key],
    /// Those of its keys that a person may change while it runs (`tickwire ctl set`). The strategy
    /// then takes them by [`Strategy::handle_values`].
    pub settable: &'static [Key],
    /// The key that says how many levels per side it needs of a book; `None` if the best one is
    /// enough.
    pub levels: Option<&'static Key>,
    /// Exchanges among its instruments, at least.
    pub exchanges_min: usize,
    /// Builds one for the instruments of a run. Values that a person sets while it runs are tried
    /// out by building another one, which is then dropped.
    ///
    /// # Errors
    /// If a value does not fit the instruments. The error says what to write instead.
    pub build: fn(&Values, &Table<'_>) -> Built,
}

/// A strategy, or why there is none.
pub type Built = Result<Box<dyn Strategy>, StrategyError>;

/// A key of a strategy's section.
#[derive(Debug)]
pub struct Key {
    /// Its name in configuration.
    pub name: &'static str,
    /// What may be written, and the default.
    pub sort: Sort,
    /// What it means, in one line.
    pub help: &'static str,
}

/// What may be written for a key.
#[derive(Debug)]
pub enum Sort {
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
    pub instruments: &'a [Instrument],
    /// The taker fee of each, in parts per million; zero beyond the end.
    pub taker_fees_ppm: &'a [u32],
    /// Whether each is the strategy's own; `None` if all are.
    pub own: Option<&'a [bool]>,
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
    pub fn owns(&self, id: InstrumentId) -> bool {
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

    fn default_fits(&self) -> bool {
        match self {
            Self::Int { min, max, default } => (min..=max).contains(&default),
            Self::Ratio {
                above,
                below,
                default,
            } => default > above && default < below,
            Self::Quantity { default } => default.parse::<f64>().is_ok_and(|n| n > 0.0),
        }
    }
}

impl Kind {
    /// Checks what configuration relies on.
    ///
    /// # Errors
    /// In words, if a name is missing, taken or used twice, or a default is outside its range.
    fn check(&self) -> Result<(), String> {
        let wrong = |what: String| Err(format!("strategy kind \"{}\": {what}", self.name));
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return wrong("its name must be of letters, digits, - and _".to_owned());
        }
        if self.help.is_empty() {
            return wrong("it has no line of help".to_owned());
        }
        for (at, key) in self.keys.iter().enumerate() {
            let name = key.name;
            if ["name", "kind", "instruments"].contains(&name) {
                return wrong(format!("every strategy has a key {name} already"));
            }
            if self.keys[..at].iter().any(|other| other.name == name) {
                return wrong(format!("two of its keys are called {name}"));
            }
            if name.len() > KEY_NAME_MAX {
                return wrong(format!("{name} has more than {KEY_NAME_MAX} letters"));
            }
            if name.is_empty() || key.help.is_empty() {
                return wrong(format!(
                    "the key \"{name}\" lacks its name or its line of help"
                ));
            }
            if !key.sort.default_fits() {
                return wrong(format!("the default of {name} is outside its range"));
            }
        }
        let listed = |of: &Key| self.keys.iter().any(|key| key.name == of.name);
        if let Some(other) = self.settable.iter().find(|key| !listed(key)) {
            return wrong(format!("{} is none of its keys", other.name));
        }
        match self.levels {
            Some(levels) if !listed(levels) => {
                wrong(format!("{} is none of its keys", levels.name))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The kinds that configuration may name: a program's own, of which the first is the default, then
/// those of this crate.
///
/// # Errors
/// In words, if a kind is not sound, or two have the same name.
pub(crate) fn with_own(own: &[&'static Kind]) -> Result<Vec<&'static Kind>, String> {
    let all: Vec<&'static Kind> = own.iter().chain(super::ALL).copied().collect();
    for (at, kind) in all.iter().enumerate() {
        kind.check()?;
        if all[..at].contains(kind) {
            return Err(format!(
                "two kinds of strategy are called \"{}\"",
                kind.name
            ));
        }
    }
    Ok(all)
}

impl Values {
    /// Sets the key's value.
    pub fn set(&mut self, key: &Key, value: Value) {
        self.0.retain(|(name, _)| *name != key.name);
        self.0.push((key.name, value));
    }

    /// These, and the defaults of those of the `keys` that have no value.
    pub(crate) fn whole(&self, keys: &[Key]) -> Self {
        let value = |key: &Key| (key.name, self.get(key));
        Self(keys.iter().map(value).collect())
    }

    /// The key's value, or its default.
    pub fn get(&self, key: &Key) -> Value {
        let written = self.0.iter().find(|(name, _)| *name == key.name);
        written.map_or_else(|| key.sort.default(), |(_, value)| value.clone())
    }

    /// The whole number of a [`Sort::Int`].
    pub fn int(&self, key: &Key) -> u64 {
        let Value::Int(int) = self.get(key) else {
            debug_assert!(false, "{} is no whole number", key.name);
            return 0;
        };
        int
    }

    /// The number of a [`Sort::Ratio`].
    pub fn ratio(&self, key: &Key) -> f64 {
        let Value::Ratio(ratio) = self.get(key) else {
            debug_assert!(false, "{} is no ratio", key.name);
            return 0.0;
        };
        ratio
    }

    /// The text of a [`Sort::Quantity`].
    pub fn quantity(&self, key: &Key) -> String {
        let Value::Quantity(text) = self.get(key) else {
            debug_assert!(false, "{} is no quantity", key.name);
            return String::new();
        };
        text
    }

    /// Puts the text of a [`Sort::Quantity`] into `text`, and what was there in its place. A
    /// strategy that takes values while it runs so copies and frees nothing.
    pub fn swap_quantity(&mut self, key: &Key, text: &mut String) {
        let mut written = self.0.iter_mut().filter(|(name, _)| *name == key.name);
        match written.next() {
            Some((_, Value::Quantity(new))) => std::mem::swap(new, text),
            Some((_, Value::Int(_) | Value::Ratio(_))) | None => {
                debug_assert!(false, "{} is no quantity with a value", key.name);
            }
        }
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

    /// A kind of another crate: sound but for what `change` makes of it.
    fn own(change: impl FnOnce(&mut Kind)) -> &'static Kind {
        let mut kind = Kind {
            name: "own",
            help: "waits",
            keys: &[],
            settable: &[],
            levels: None,
            exchanges_min: 1,
            build: |_, _| Err(StrategyError::Edge),
        };
        change(&mut kind);
        Box::leak(Box::new(kind))
    }

    const fn ratio(name: &'static str, default: f64) -> Key {
        Key {
            name,
            sort: Sort::Ratio {
                above: 0.0,
                below: 1.0,
                default,
            },
            help: "a part",
        }
    }

    #[test]
    fn every_kind_of_this_crate_is_sound_and_the_own_ones_come_first() {
        assert_eq!(with_own(&[]).unwrap(), ALL);
        let all = with_own(&[own(|_| {})]).unwrap();
        assert_eq!((all[0].name, &all[1..]), ("own", ALL));
    }

    #[test]
    fn a_kind_that_configuration_could_not_read_is_refused_with_the_reason() {
        static PART: Key = ratio("part", 0.5);
        const LONG: &str = "a_name_that_is_longer_than_a_record_of_it";
        let cases: [(&str, &'static Kind); 10] = [
            ("letters, digits", own(|kind| kind.name = "my kind")),
            ("no line of help", own(|kind| kind.help = "")),
            ("called \"imbalance\"", own(|kind| kind.name = "imbalance")),
            (
                "a key name already",
                own(|kind| kind.keys = const { &[ratio("name", 0.5)] }),
            ),
            (
                "two of its keys are called part",
                own(|kind| kind.keys = const { &[ratio("part", 0.5), ratio("part", 0.5)] }),
            ),
            (
                "outside its range",
                own(|kind| kind.keys = const { &[ratio("part", 1.0)] }),
            ),
            (
                "lacks its name",
                own(|kind| kind.keys = const { &[ratio("", 0.5)] }),
            ),
            (
                "part is none of its keys",
                own(|kind| kind.levels = Some(&PART)),
            ),
            (
                "part is none of its keys",
                own(|kind| kind.settable = const { &[ratio("part", 0.5)] }),
            ),
            (
                "more than 32 letters",
                own(|kind| kind.keys = const { &[ratio(LONG, 0.5)] }),
            ),
        ];
        for (why, kind) in cases {
            let said = with_own(&[kind]).unwrap_err();
            assert!(said.contains(why), "{said}");
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
