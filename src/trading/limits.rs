//! The limits that risk holds orders to: decimal text to each instrument's own integers. Rounds
//! down if an instrument is coarser than the text: a limit never allows more than it says.

mod own;

use crate::base::decimal::{self, SCALE_MAX};
use crate::base::{DecimalError, Instrument, Qty, Span, Symbol};
pub use own::StrategyParams;
pub(crate) use own::{ORDERS_PER_TRADE_MAX, OwnLimits};
use std::fmt;

/// The most orders a second that a limit may allow.
pub(crate) const ORDERS_PER_S_MAX: u32 = 1_000;
/// The most open orders that a limit may allow: they are searched one by one.
pub(crate) const OPEN_ORDERS_MAX: u32 = 256;
/// One whole, in basis points.
pub(crate) const BPS: u32 = 10_000;
/// The largest difference between clocks that a limit may allow.
pub(crate) const CLOCK_SKEW_MS_MAX: u32 = 60_000;
/// What paper takes for an amount that is not limited.
pub(crate) const GENEROUS: &str = "1000000000000";

/// What configuration says of risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskParams {
    /// Largest order quantity in base currency, as decimal text; above 0. Contracts count as what
    /// they stand for; of inverse ones, whose base quantity depends on the price, only the notional
    /// is limited.
    pub qty_max: String,
    /// Largest price times quantity of an order in quote currency, as decimal text; above 0.
    pub notional_max: String,
    /// How far beyond the opposite best price a limit price may lie, in basis points, 0 ..= 10,000.
    pub collar_bps: u32,
    /// Orders within any second, 1 ..= 1,000.
    pub orders_per_s: u32,
    /// Orders whose end is not known, 1 ..= 256.
    pub open_orders_max: u32,
    /// Largest position in an instrument, bought or sold, in base currency, with all orders that
    /// may still make it larger. Contracts count as for `qty_max`.
    pub position_max: String,
    /// The most that all positions may be worth, without their signs, in each quote currency, with
    /// all orders at their worst.
    pub gross_notional_max: String,
    /// The same with their signs: how far bought and sold may differ.
    pub net_notional_max: String,
    /// As `gross_notional_max`, of each exchange.
    pub exchange_gross_notional_max: String,
    /// As `net_notional_max`, of each exchange.
    pub exchange_net_notional_max: String,
    /// A loss of so much since 00:00 UTC, in a quote currency, halts.
    pub daily_loss_max: String,
    /// A loss of so much since the best moment of the day halts.
    pub drawdown_max: String,
    /// Cancels of one strategy within any second, 1 ..= 1,000: cancels always go, but beyond that
    /// there are no new orders.
    pub cancels_per_s: u32,
    /// Orders of one strategy per trade, 1 ..= 1,000,000, counted over the day: so many before the
    /// first trade, and so many more for each.
    pub orders_per_trade_max: u32,
    /// Orders of one instrument whose end is not known, 1 ..= 256.
    pub instrument_open_orders_max: u32,
    /// Orders of one strategy with the same instrument, side, price and quantity, 1 ..= 256.
    pub identical_orders_max: u32,
    /// How far beyond the best price of another exchange a limit price may lie, in basis points,
    /// 1 ..= 10,000, if one is followed that has the same assets.
    pub reference_bps: u32,
    /// How far our clock may be from the exchange's, in milliseconds, 1 ..= 60,000.
    pub clock_skew_max_ms: u32,
    /// What strategies have of their own, by their ids.
    pub strategies: Vec<StrategyParams>,
}

impl Default for RiskParams {
    /// What paper keeps to if nothing is written.
    fn default() -> Self {
        let generous = || GENEROUS.to_owned();
        Self {
            qty_max: "1".to_owned(),
            notional_max: "1000".to_owned(),
            collar_bps: 50,
            orders_per_s: 5,
            open_orders_max: 4,
            position_max: generous(),
            gross_notional_max: generous(),
            net_notional_max: generous(),
            exchange_gross_notional_max: generous(),
            exchange_net_notional_max: generous(),
            daily_loss_max: generous(),
            drawdown_max: generous(),
            cancels_per_s: ORDERS_PER_S_MAX,
            orders_per_trade_max: ORDERS_PER_TRADE_MAX,
            instrument_open_orders_max: OPEN_ORDERS_MAX,
            identical_orders_max: OPEN_ORDERS_MAX,
            reference_bps: BPS,
            clock_skew_max_ms: CLOCK_SKEW_MS_MAX,
            strategies: Vec::new(),
        }
    }
}

/// Checked limits, resolved for each instrument of the run.
///
/// Invariant: `collar_bps <= BPS`; every rate and number of orders is within its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RiskLimits {
    /// One per instrument, at the index of its id.
    pub(super) sizes: Vec<SizeLimit>,
    /// What they were resolved from.
    pub(super) params: RiskParams,
    pub(super) collar_bps: u32,
    pub(super) reference_bps: u32,
    /// What holds for the account.
    pub(super) all: OwnLimits,
    /// What each strategy keeps to, and last everybody else.
    pub(super) own: Vec<OwnLimits>,
    /// At [`VALUE_SCALE`](super::exposure::VALUE_SCALE).
    pub(super) exchange_gross_max: i128,
    pub(super) exchange_net_max: i128,
    pub(super) instrument_open_orders_max: usize,
    pub(super) identical_orders_max: usize,
    pub(super) clock_skew_max: Span,
}

/// The largest order of one instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeLimit {
    pub(crate) qty_max: Qty,
    /// At the instrument's `notional_scale`.
    pub(crate) notional_max: u128,
}

/// Why limits were refused, for a person to read. `key` is the field of [`RiskParams`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LimitError {
    /// No plain decimal, or one that is too large for the instrument at `scale`.
    Decimal {
        /// The field of [`RiskParams`].
        key: &'static str,
        /// What was written.
        text: String,
        /// Whose scale it is.
        symbol: Symbol,
        /// Decimals that it may have.
        scale: u8,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// No plain decimal: it is a value in quote currency.
    Value {
        /// The field of [`RiskParams`].
        key: &'static str,
        /// What was written.
        text: String,
        /// What is wrong with it.
        error: DecimalError,
    },
    /// Nothing could ever be sent, of any instrument.
    Zero {
        /// The field of [`RiskParams`].
        key: &'static str,
    },
    /// Outside `min ..= max`.
    Range {
        /// The field of [`RiskParams`].
        key: &'static str,
        /// What was written.
        value: u32,
        /// The smallest that is taken.
        min: u32,
        /// The largest that is taken.
        max: u32,
    },
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal {
                key,
                text,
                symbol,
                scale,
                error: _,
            } => write!(
                f,
                "{key} {text:?} is not a plain decimal that {symbol} can hold at {scale} decimals"
            ),
            Self::Value {
                key,
                text,
                error: _,
            } => {
                write!(f, "{key} {text:?} is not a plain decimal")
            }
            Self::Zero { key } => write!(f, "{key} is 0: no order could ever be sent"),
            Self::Range {
                key,
                value,
                min,
                max,
            } => write!(f, "{key} {value} is not within {min} to {max}"),
        }
    }
}

impl std::error::Error for LimitError {}

impl RiskLimits {
    /// Checks `params` and resolves its texts for each of `instruments`, the run's table.
    pub fn parse(params: &RiskParams, instruments: &[Instrument]) -> Result<Self, LimitError> {
        range("collar_bps", params.collar_bps, 0, BPS)?;
        range("reference_bps", params.reference_bps, 1, BPS)?;
        range(
            "instrument_open_orders_max",
            params.instrument_open_orders_max,
            1,
            OPEN_ORDERS_MAX,
        )?;
        range(
            "identical_orders_max",
            params.identical_orders_max,
            1,
            OPEN_ORDERS_MAX,
        )?;
        range(
            "clock_skew_max_ms",
            params.clock_skew_max_ms,
            1,
            CLOCK_SKEW_MS_MAX,
        )?;
        let own = |own: &StrategyParams| OwnLimits::parse(params, own, instruments);
        let all = own(&StrategyParams::default())?;
        let strategies = params.strategies.iter().map(own);
        let strategies = strategies.chain([Ok(all.clone())]);
        let strategies: Vec<OwnLimits> = strategies.collect::<Result<_, _>>()?;
        let sizes = instruments
            .iter()
            .map(|instrument| SizeLimit::parse(params, instrument));
        let sizes: Vec<SizeLimit> = sizes.collect::<Result<_, _>>()?;
        // An instrument that is too coarse for the limit is not traded; if all are, it is a
        // mistake.
        for (key, allows) in [
            (
                "qty_max",
                (|size| size.qty_max > Qty(0)) as fn(&SizeLimit) -> bool,
            ),
            ("notional_max", |size| size.notional_max > 0),
        ] {
            if !sizes.is_empty() && !sizes.iter().any(allows) {
                return Err(LimitError::Zero { key });
            }
        }
        let limits = Self {
            sizes,
            params: params.clone(),
            collar_bps: params.collar_bps,
            reference_bps: params.reference_bps,
            all,
            own: strategies,
            exchange_gross_max: own::worth(
                "exchange_gross_notional_max",
                &params.exchange_gross_notional_max,
            )?,
            exchange_net_max: own::worth(
                "exchange_net_notional_max",
                &params.exchange_net_notional_max,
            )?,
            instrument_open_orders_max: params.instrument_open_orders_max as usize,
            identical_orders_max: params.identical_orders_max as usize,
            clock_skew_max: Span::from_millis(params.clock_skew_max_ms.into()),
        };
        assert_eq!(limits.sizes.len(), instruments.len());
        limits.check();
        Ok(limits)
    }

    fn check(&self) {
        assert!(self.collar_bps <= BPS);
        assert!(self.reference_bps <= BPS);
        for own in self.own.iter().chain([&self.all]) {
            assert!(0 < own.orders_per_s);
            assert!(own.orders_per_s <= ORDERS_PER_S_MAX as usize);
            assert!(0 < own.open_orders_max);
            assert!(own.open_orders_max <= OPEN_ORDERS_MAX as usize);
        }
    }
}

fn range(key: &'static str, value: u32, min: u32, max: u32) -> Result<(), LimitError> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(LimitError::Range {
            key,
            value,
            min,
            max,
        }),
    }
}

impl SizeLimit {
    /// Resolves the texts of `params` at the scales of `instrument`.
    pub(crate) fn parse(params: &RiskParams, instrument: &Instrument) -> Result<Self, LimitError> {
        let read = |key, text: &String, scale| amount(key, text, instrument, scale);
        let contract = instrument.contract;
        let base = read(
            "qty_max",
            &params.qty_max,
            instrument.qty_scale + contract.scale,
        )?;
        let size = u128::from(contract.size.max(1));
        let qty = u64::try_from(base / size).unwrap_or(u64::MAX);
        let qty = qty.min(i64::MAX as u64);
        assert!(u128::from(qty) * size <= base, "a limit above what it says");
        let scale = instrument.notional_scale();
        Ok(Self {
            qty_max: if contract.inverse {
                instrument.qty_max
            } else {
                Qty(qty)
            },
            notional_max: read("notional_max", &params.notional_max, scale)?,
        })
    }
}

fn amount(
    key: &'static str,
    text: &str,
    instrument: &Instrument,
    scale: u8,
) -> Result<u128, LimitError> {
    parse_floor(text, scale).map_err(|error| LimitError::Decimal {
        key,
        text: text.to_owned(),
        symbol: instrument.symbol,
        scale,
        error,
    })
}

/// As [`parse_wide`]; decimals beyond the scale are cut off.
fn parse_floor(text: &str, scale: u8) -> Result<u128, DecimalError> {
    match text.split_once('.') {
        Some((whole, part)) if part.len() > usize::from(scale) && part.is_ascii() => {
            let (kept, cut) = part.split_at(usize::from(scale));
            if !cut.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(DecimalError::Malformed);
            }
            let text = if kept.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{kept}")
            };
            parse_wide(&text, scale)
        }
        _ => parse_wide(text, scale),
    }
}

/// [`decimal::parse`] for scales up to 54, as notionals have: read at the text's own scale, then
/// widened.
fn parse_wide(text: &str, scale: u8) -> Result<u128, DecimalError> {
    debug_assert!(scale <= 3 * SCALE_MAX);
    let decimals = text
        .split_once('.')
        .map_or(0, |(_, part)| part.trim_end_matches('0').len());
    let own = u8::try_from(decimals).map_err(|_| DecimalError::TooLarge)?;
    if own > scale.min(SCALE_MAX) {
        return Err(DecimalError::TooFine);
    }
    let units = decimal::parse(text.as_bytes(), own)?;
    debug_assert!(own <= scale);
    let wider = 10u128.checked_pow(u32::from(scale - own));
    wider
        .and_then(|wider| u128::from(units).checked_mul(wider))
        .ok_or(DecimalError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Contract, Px};
    use crate::trading::risk::tests::{instrument, params};
    use proptest::{prop_assert_eq, proptest};

    fn error(params: &RiskParams) -> String {
        let limits = RiskLimits::parse(params, &[instrument(0)]);
        limits.unwrap_err().to_string()
    }

    #[test]
    fn texts_become_integers_at_the_instruments_scales() {
        let limits = RiskLimits::parse(&params(), &[instrument(0)]).unwrap();
        assert_eq!(
            limits.sizes,
            [SizeLimit {
                qty_max: Qty(1_000),      // 0.01 at 5 decimals
                notional_max: 10_000_000, // 1 at 2 + 5 decimals
            }]
        );
    }

    #[test]
    fn what_an_instrument_cannot_hold_is_refused_by_name() {
        let with = |qty_max: &str, notional_max: &str| RiskParams {
            qty_max: qty_max.into(),
            notional_max: notional_max.into(),
            ..params()
        };
        assert_eq!(
            error(&with("0.000001", "1")),
            "qty_max is 0: no order could ever be sent"
        );
        for text in ["1e-8", "-1", "", "1.", ".5", "1.2.3", "1_000", "1.0000000x"] {
            assert_eq!(
                error(&with("1", text)),
                format!(
                    "notional_max {text:?} is not a plain decimal that BTCUSDT can hold at 7 \
                     decimals"
                )
            );
        }
        assert_eq!(
            error(&with("0.0", "1")),
            "qty_max is 0: no order could ever be sent"
        );
        assert_eq!(
            error(&with("1", "0")),
            "notional_max is 0: no order could ever be sent"
        );
    }

    #[test]
    fn a_limit_counts_what_contracts_stand_for_and_never_allows_more_than_it_says() {
        let contract = |size, scale, inverse| Instrument {
            contract: Contract {
                size,
                scale,
                inverse,
            },
            ..Instrument::bare("x", Symbol::from("X").unwrap(), (1, 0))
        };
        let params = RiskParams {
            qty_max: "1.999".into(),
            notional_max: "1000.55".into(),
            ..params()
        };
        // Contracts of 0.01 base, of 100 quote whatever the price, and of 3 base: too coarse for
        // the quantity.
        let all = [
            contract(1, 2, false),
            contract(100, 0, true),
            contract(3, 0, false),
        ];
        let limits = RiskLimits::parse(&params, &all).unwrap();
        let sizes: Vec<_> = limits
            .sizes
            .iter()
            .map(|s| (s.qty_max.0, s.notional_max))
            .collect();
        assert_eq!(
            sizes,
            [(199, 1_000_550), (i64::MAX as u64, 1_000), (0, 10_005)]
        );
        assert_eq!(all[0].notional(Px(10), Qty(199)), Some(1_990)); // 1.99 at 1.0, at 3 decimals
        assert_eq!(all[1].notional(Px(10), Qty(10)), Some(1_000));
        assert!(RiskLimits::parse(&params, &all[2..]).is_err());
    }

    #[test]
    fn counts_out_of_range_are_refused_by_name() {
        let refused = |params: RiskParams| error(&params);
        let base = params();
        assert_eq!(
            refused(RiskParams {
                collar_bps: 10_001,
                ..base.clone()
            }),
            "collar_bps 10001 is not within 0 to 10000"
        );
        assert_eq!(
            refused(RiskParams {
                orders_per_s: 0,
                ..base.clone()
            }),
            "orders_per_s 0 is not within 1 to 1000"
        );
        assert_eq!(
            refused(RiskParams {
                open_orders_max: 257,
                ..base
            }),
            "open_orders_max 257 is not within 1 to 256"
        );
    }

    #[test]
    fn a_notional_reaches_further_than_a_quantity_and_still_has_an_end() {
        assert_eq!(parse_wide("1000000", 16), Ok(10u128.pow(22)));
        assert_eq!(parse_wide("0.5", 36), Ok(5 * 10u128.pow(35)));
        assert_eq!(parse_wide("1000", 36), Err(DecimalError::TooLarge));
        // Listings may be this fine: what one of them cannot hold is refused, and nothing wraps.
        for scale in 39..=3 * SCALE_MAX {
            assert_eq!(parse_wide("1", scale), Err(DecimalError::TooLarge));
        }
        assert_eq!(
            parse_wide("0.0000000000000000001", 36),
            Err(DecimalError::TooFine)
        );
    }

    proptest! {
        #[test]
        fn wide_and_narrow_parsing_agree_if_both_can(
            text in "[0-9]{0,7}(\\.[0-9]{0,9})?",
            scale in 0u8..=11,
        ) {
            let narrow = decimal::parse(text.as_bytes(), scale).map(u128::from);
            let wide = parse_wide(&text, scale);
            prop_assert_eq!(wide.ok(), narrow.ok());
        }
    }
}
