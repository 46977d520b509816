//! Which keys of a run's strategies a person may change while it goes on, what they are now, and
//! what was changed. It checks as the configuration does, and asks no desk.

use crate::app::config::{self, Config, value_of};
use crate::app::parts::own_instruments;
use crate::base::text::rfc3339_millis;
use crate::base::{Clock as _, Instrument, KeyValue, Nanos, StrategyId, UnixNanos, Value, decimal};
use crate::strategy::{self, Key, Kind, Table, Values};
use crate::trading::limits::RiskParams;
use crate::watch::summary;
use crate::wiring::desk::command::Setting;
use crate::world::os::clock::OsClock;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// A key that does not have the value of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Changed {
    /// The key.
    pub(crate) key: String,
    /// Its value now.
    pub(crate) value: String,
    /// The value of the configuration.
    pub(crate) configured: String,
}

/// What was set in a run, in its order, for its summary.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sets(Arc<Mutex<Vec<(StrategyId, summary::Set)>>>);

impl Sets {
    /// Adds them to the strategies, which are in the order of their ids.
    pub(crate) fn tell(&self, strategies: &mut [summary::Strategy]) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (strategy, set) in all.iter() {
            if let Some(told) = strategies.get_mut(strategy.index()) {
                told.set.push(set.clone());
            }
        }
    }
}

/// The settings of all strategies of a run.
pub(crate) struct Settings {
    /// By strategy id; empty if the program brings a strategy without a kind.
    strategies: Vec<Held>,
    risk: RiskParams,
    instruments: Arc<[Instrument]>,
    taker_fees_ppm: Vec<u32>,
    sets: Sets,
}

/// The values of one strategy.
struct Held {
    kind: &'static Kind,
    own: Option<Box<[bool]>>,
    configured: Values,
    now: Values,
}

impl Settings {
    /// What the configuration says.
    ///
    /// # Errors
    /// As for the strategies themselves.
    pub(crate) fn new(
        config: &Config,
        instruments: Arc<[Instrument]>,
        taker_fees_ppm: Vec<u32>,
    ) -> Result<Self, String> {
        let held = |strategy: &config::Strategy| {
            let kind = strategy.kind;
            let configured = strategy.values.whole(kind.keys);
            Ok(Held {
                kind,
                own: own_instruments(strategy, &instruments)?,
                now: configured.clone(),
                configured,
            })
        };
        let strategies: Result<_, String> = config.strategies.iter().map(held).collect();
        Ok(Self {
            strategies: strategies?,
            risk: config.risk.clone(),
            instruments,
            taker_fees_ppm,
            sets: Sets::default(),
        })
    }

    /// No key of any strategy may be changed.
    pub(crate) fn none() -> Self {
        Self {
            strategies: Vec::new(),
            risk: RiskParams::default(),
            instruments: Arc::default(),
            taker_fees_ppm: Vec::new(),
            sets: Sets::default(),
        }
    }

    /// What is set from here on.
    pub(crate) fn sets(&self) -> Sets {
        self.sets.clone()
    }

    /// What a desk is to hand over, so that a key has this value.
    ///
    /// # Errors
    /// In words, if the key or its value is none that may be set.
    pub(super) fn setting(
        &self,
        strategy: StrategyId,
        name: &str,
        written: &str,
    ) -> Result<Box<Setting>, String> {
        let held = self.strategies.get(strategy.index());
        let held = held.ok_or("the program's own strategy has no keys")?;
        let key = held.settable(name)?;
        let value = value_of(key, written, &self.risk)?;
        let text = value.to_string();
        let text = KeyValue::from(&text)
            .map_err(|_| format!("{name} = {text}: write it with fewer digits"))?;
        let noted = noted(&value);
        let mut values = held.now.clone();
        values.set(key, value);
        let table = Table {
            instruments: &self.instruments,
            taker_fees_ppm: &self.taker_fees_ppm,
            own: held.own.as_deref(),
        };
        // Whatever depends on the instruments, or on several keys, its builder knows.
        (held.kind.build)(&values, &table).map_err(|error| error.to_string())?;
        Ok(Box::new(Setting {
            strategy,
            key: key.name,
            value: text,
            noted,
            values,
            at: Nanos::ZERO,
        }))
    }

    /// The desk has handed it over. Says what the value was before.
    pub(super) fn take(&mut self, setting: &Setting) -> Option<String> {
        let held = self.strategies.get_mut(setting.strategy.index())?;
        let mut keys = held.kind.settable.iter();
        let key = keys.find(|key| key.name == setting.key)?;
        let was = held.now.get(key).to_string();
        let value = value_of(key, &setting.value, &self.risk).ok()?;
        held.now.set(key, value);
        let ago = OsClock.now().since(setting.at).0;
        let at = OsClock.unix().0 - i64::try_from(ago).unwrap_or(0);
        let set = summary::Set {
            at: rfc3339_millis(UnixNanos(at)),
            key: setting.key.to_owned(),
            value: setting.value.to_string(),
            was: was.clone(),
        };
        let mut sets = self.sets.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.push((setting.strategy, set));
        Some(was)
    }

    /// What is not as the configuration says.
    pub(super) fn changed(&self, strategy: StrategyId) -> Vec<Changed> {
        let held = self.strategies.get(strategy.index());
        held.map_or(Vec::new(), Held::changed)
    }
}

/// A value as the log has it.
fn noted(value: &strategy::Value) -> Value {
    match value {
        strategy::Value::Int(int) => Value::Int(i64::try_from(*int).unwrap_or(i64::MAX)),
        strategy::Value::Ratio(ratio) => Value::Ratio(*ratio),
        strategy::Value::Quantity(text) => {
            let decimals = text.split_once('.').map_or(0, |(_, part)| part.len());
            let scale = u8::try_from(decimals).unwrap_or(decimal::SCALE_MAX);
            let units = decimal::parse(text.as_bytes(), scale).unwrap_or(0);
            Value::Scaled(i64::try_from(units).unwrap_or(i64::MAX), scale)
        }
    }
}

impl Held {
    fn settable(&self, name: &str) -> Result<&'static Key, String> {
        let mut all = self.kind.settable.iter();
        if let Some(key) = all.find(|key| key.name == name) {
            return Ok(key);
        }
        let kind = self.kind.name;
        let known = self.kind.keys.iter().any(|key| key.name == name);
        let what = match known {
            true => format!("{name} of {kind} stays as it is while a run goes on"),
            false => format!("{kind} has no key {name}"),
        };
        let names: Vec<&str> = self.kind.settable.iter().map(|key| key.name).collect();
        Err(match names.is_empty() {
            true => format!("{what}; none of its keys may be changed"),
            false => format!("{what}; these may be changed: {}", names.join(", ")),
        })
    }

    fn changed(&self) -> Vec<Changed> {
        let keys = self.kind.settable.iter();
        let changed = keys.filter(|key| self.now.get(key) != self.configured.get(key));
        changed
            .map(|key| Changed {
                key: key.name.to_owned(),
                value: self.now.get(key).to_string(),
                configured: self.configured.get(key).to_string(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::config::Known;
    use crate::base::{InstrumentId, Qty, Symbol};
    use std::path::Path;

    const CONFIG: &str = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"BTCUSDT\"]\n\
                          [risk]\nquantity_max = \"0.05\"\n\
                          [[strategy]]\nname = \"imbalance\"\n\
                          threshold = 0.55\nquantity = \"0.002\"\n\
                          [[strategy]]\nname = \"order_flow\"\nquantity = \"0.003\"\n";
    const IMBALANCE: StrategyId = StrategyId(0);
    const ORDER_FLOW: StrategyId = StrategyId(1);

    fn settings() -> Settings {
        let config = Config::parse(Path::new("c.toml"), CONFIG, &Known::all());
        let instrument = Instrument {
            id: InstrumentId(0),
            lot: Qty(10),
            qty_min: Qty(20),
            ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 4))
        };
        Settings::new(&config.unwrap(), Arc::new([instrument]), Vec::new()).unwrap()
    }

    #[track_caller]
    fn refused(of: StrategyId, key: &str, value: &str) -> String {
        settings().setting(of, key, value).unwrap_err()
    }

    #[test]
    fn what_is_set_changes_one_value_and_is_told_with_what_the_configuration_has() {
        let mut settings = settings();
        let sets = settings.sets();
        let setting = settings.setting(IMBALANCE, "threshold", "0.7").unwrap();
        assert!(
            settings.changed(IMBALANCE).is_empty(),
            "the desk has it not"
        );
        assert_eq!(settings.take(&setting).as_deref(), Some("0.55"));
        let more = settings.setting(IMBALANCE, "cooldown_ms", "9").unwrap();
        let key = |name| IMBALANCE_KIND.keys.iter().find(|key| key.name == name);
        let value = |name| more.values.get(key(name).unwrap()).to_string();
        assert_eq!(
            (value("threshold"), value("cooldown_ms")),
            ("0.7".into(), "9".into())
        );
        assert_eq!(
            (value("depth"), value("quantity")),
            ("5".into(), "0.002".into())
        );
        let changed = |key: &str, value: &str, configured: &str| Changed {
            key: key.into(),
            value: value.into(),
            configured: configured.into(),
        };
        let one = [changed("threshold", "0.7", "0.55")];
        assert_eq!(settings.changed(IMBALANCE), one);
        assert!(settings.changed(ORDER_FLOW).is_empty());
        // As it was before: no longer changed, but the summary says all that was set.
        let back = settings.setting(IMBALANCE, "threshold", "0.55").unwrap();
        assert_eq!(settings.take(&back).as_deref(), Some("0.7"));
        assert!(settings.changed(IMBALANCE).is_empty());
        let mut told = vec![summary::Strategy::default(); 2];
        sets.tell(&mut told);
        let of = |at: usize| -> Vec<(&str, &str)> {
            let all = told[at].set.iter();
            all.map(|set| (&*set.was, &*set.value)).collect()
        };
        assert_eq!(of(0), [("0.55", "0.7"), ("0.7", "0.55")]);
        assert!(of(1).is_empty());
    }

    #[test]
    fn a_key_that_may_not_be_changed_is_refused_with_those_that_may() {
        let may = "these may be changed: threshold, cooldown_ms, quantity";
        assert_eq!(
            refused(IMBALANCE, "treshold", "0.7"),
            format!("imbalance has no key treshold; {may}")
        );
        assert_eq!(
            refused(IMBALANCE, "depth", "3"),
            format!("depth of imbalance stays as it is while a run goes on; {may}")
        );
        assert!(Settings::none().setting(IMBALANCE, "depth", "3").is_err());
    }

    #[test]
    fn a_value_out_of_its_range_is_refused_with_the_range() {
        for value in ["0", "1", "1.5", "-1", "nan", "much", "0.5\nx = 1", ""] {
            let why = refused(IMBALANCE, "threshold", value);
            assert!(why.contains("write a number above 0 and below 1"), "{why}");
        }
        let why = refused(IMBALANCE, "cooldown_ms", "3600001");
        let range = "cooldown_ms = 3600001: write a whole number from 0 to 3600000";
        assert_eq!(why, range);
        assert!(refused(ORDER_FLOW, "window_ms", "0").contains("from 1 to 600000"));
        let why = refused(IMBALANCE, "threshold", &format!("0.{}1", "0".repeat(60)));
        assert!(why.contains("fewer digits"), "{why}");
    }

    #[test]
    fn a_quantity_that_no_instrument_takes_or_risk_would_refuse_is_refused_with_the_reason() {
        for (value, says) in [
            ("0.00001", "not a plain decimal that BTCUSDT can hold"),
            ("0.0009", "less than one lot of BTCUSDT, 0.001"),
            ("0.0019", "less than BTCUSDT takes: at least 0.002"),
            ("0.06", "above quantity_max \"0.05\" of [risk]"),
            ("0", "a plain decimal above zero"),
            ("1e-2", "a plain decimal above zero"),
        ] {
            let why = refused(IMBALANCE, "quantity", value);
            assert!(why.contains(says), "{value}: {why}");
        }
        let mut settings = settings();
        let set = settings.setting(ORDER_FLOW, "quantity", "0.002").unwrap();
        assert_eq!(set.noted, Value::Scaled(2, 3));
        assert_eq!(settings.take(&set).as_deref(), Some("0.003"));
    }

    static IMBALANCE_KIND: &Kind = crate::strategy::ALL[0];
}
