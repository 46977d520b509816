//! `[risk]` and `[strategy.risk]`: what orders, positions and losses are held to. On paper most of
//! it is generous; live all of it must be written out.

use super::read::{Reader, Section};
use super::sections::table;
use super::values::{decimal, units};
use crate::trading::limits::{GENEROUS, RiskParams, StrategyParams};
use std::ops::RangeInclusive;

const RATES: RangeInclusive<u64> = 1..=1000;
const ORDERS: RangeInclusive<u64> = 1..=256;
const BPS: RangeInclusive<u64> = 1..=10_000;
const ORDERS_PER_TRADE: RangeInclusive<u64> = 1..=1_000_000;
const CLOCK_SKEW_MS: RangeInclusive<u64> = 1..=60_000;

/// `[risk]`.
pub(super) fn of_all(reader: &mut Reader, top: &mut Section) -> RiskParams {
    let mut section = table(reader, top, "risk", "[risk]");
    let RiskParams {
        collar_bps,
        orders_per_s,
        open_orders_max,
        cancels_per_s,
        orders_per_trade_max,
        instrument_open_orders_max,
        identical_orders_max,
        reference_bps,
        clock_skew_max_ms,
        ..
    } = RiskParams::default();
    let mut amount = |key, default| decimal(reader, &mut section, key, default);
    let amounts = RiskParams {
        qty_max: amount("quantity_max", "1"),
        notional_max: amount("notional_max", "1000"),
        position_max: amount("position_max", GENEROUS),
        gross_notional_max: amount("gross_notional_max", GENEROUS),
        net_notional_max: amount("net_notional_max", GENEROUS),
        exchange_gross_notional_max: amount("exchange_gross_notional_max", GENEROUS),
        exchange_net_notional_max: amount("exchange_net_notional_max", GENEROUS),
        daily_loss_max: amount("daily_loss_max", GENEROUS),
        drawdown_max: amount("drawdown_max", GENEROUS),
        ..RiskParams::default()
    };
    let mut count = |key, range, default: u32| {
        let count = section.int_or(reader, key, range, default.into());
        count as u32 // Every range is far below.
    };
    let params = RiskParams {
        collar_bps: count("price_collar_bps", BPS, collar_bps),
        reference_bps: count("reference_bps", BPS, reference_bps),
        clock_skew_max_ms: count("clock_skew_max_ms", CLOCK_SKEW_MS, clock_skew_max_ms),
        orders_per_s: count("orders_per_s", RATES, orders_per_s),
        cancels_per_s: count("cancels_per_s", RATES, cancels_per_s),
        orders_per_trade_max: count(
            "orders_per_trade_max",
            ORDERS_PER_TRADE,
            orders_per_trade_max,
        ),
        open_orders_max: count("open_orders_max", ORDERS, open_orders_max),
        instrument_open_orders_max: count(
            "instrument_open_orders_max",
            ORDERS,
            instrument_open_orders_max,
        ),
        identical_orders_max: count("identical_orders_max", ORDERS, identical_orders_max),
        ..amounts
    };
    section.finish_noting(reader);
    params
}

/// `[strategy.risk]`: what it does not say is as in `[risk]`.
pub(super) fn of_strategy(reader: &mut Reader, strategy: &mut Section) -> StrategyParams {
    let mut section = table(reader, strategy, "risk", "[strategy.risk]");
    let mut amount = |key| {
        let written = section.has(key);
        let text = decimal(reader, &mut section, key, GENEROUS);
        written.then_some(text)
    };
    let amounts = StrategyParams {
        position_max: amount("position_max"),
        gross_notional_max: amount("gross_notional_max"),
        net_notional_max: amount("net_notional_max"),
        daily_loss_max: amount("daily_loss_max"),
        drawdown_max: amount("drawdown_max"),
        ..StrategyParams::default()
    };
    let mut count = |key, range| section.int(reader, key, range).map(|count| count as u32);
    let params = StrategyParams {
        orders_per_s: count("orders_per_s", RATES),
        cancels_per_s: count("cancels_per_s", RATES),
        orders_per_trade_max: count("orders_per_trade_max", ORDERS_PER_TRADE),
        open_orders_max: count("open_orders_max", ORDERS),
        ..amounts
    };
    section.finish(reader);
    params
}

/// A quantity that risk would always refuse is a mistake.
pub(super) fn allow(
    reader: &mut Reader,
    section: &Section,
    key: &str,
    quantity: &str,
    risk: &RiskParams,
) {
    if let (Some(one), Some(max)) = (units(quantity), units(&risk.qty_max))
        && one > max
    {
        let what = format!(
            "{key} \"{quantity}\" is above quantity_max \"{}\" of [risk]: every order would be \
             refused",
            risk.qty_max
        );
        reader.refuse(section.span.clone(), what);
    }
}

#[cfg(test)]
mod tests {
    use crate::app::config::{Config, Known};
    use std::path::Path;

    const FEED: &str = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n";

    fn parse(text: &str) -> Result<Config, String> {
        let text = format!("{FEED}{text}");
        Config::parse(Path::new("c.toml"), &text, &Known::all()).map_err(|e| e.to_string())
    }

    #[test]
    fn each_strategy_may_have_limits_of_its_own_and_needs_none() {
        let config = parse(
            "[[strategy]]\nname = \"imbalance\"\n[[strategy]]\nname = \"order_flow\"\n\
             [strategy.risk]\ndaily_loss_max = \"50\"\nopen_orders_max = 2\n\
             [risk]\ndaily_loss_max = \"100\"\n",
        )
        .unwrap();
        assert_eq!(config.risk.daily_loss_max, "100");
        let [none, own] = &config.strategies[..] else {
            panic!("two strategies");
        };
        assert_eq!(none.risk, Default::default());
        assert_eq!(own.risk.daily_loss_max.as_deref(), Some("50"));
        assert_eq!(own.risk.open_orders_max, Some(2));
        assert_eq!(own.risk.position_max, None);
        let asked = |key: &str| {
            config
                .unwritten
                .iter()
                .any(|wants| wants.what.contains(key))
        };
        assert!(asked("drawdown_max") && asked("reference_bps"));
        assert!(!asked("daily_loss_max") && !asked("[strategy.risk]"));
    }

    #[test]
    fn a_limit_of_nothing_or_of_another_name_is_refused_by_name() {
        for (text, says) in [
            (
                "[risk]\nposition_max = \"0\"",
                "position_max = \"0\": write",
            ),
            (
                "[risk]\ndrawdown_max = 5",
                "drawdown_max = 5: write the number in quotes",
            ),
            (
                "[risk]\ncancels_per_s = 0",
                "write a whole number from 1 to 1000",
            ),
            (
                "[strategy]\n[strategy.risk]\nquantity_max = \"1\"",
                "unknown key \"quantity_max\" in [strategy.risk]",
            ),
            (
                "[strategy]\nrisk = 5",
                "write [strategy.risk] and its keys below it",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}
