//! Limits that hold for the account, and tighter ones that a strategy may have of its own.

use super::{LimitError, RiskParams, amount, range};
use super::{OPEN_ORDERS_MAX, ORDERS_PER_S_MAX, parse_floor};
use crate::base::{DecimalError, Instrument};
use crate::trading::exposure::VALUE_SCALE;

/// The most orders per trade that a limit may allow.
pub(crate) const ORDERS_PER_TRADE_MAX: u32 = 1_000_000;

/// What configuration says of one strategy: `None` is what holds for the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StrategyParams {
    /// See [`RiskParams::position_max`].
    pub position_max: Option<String>,
    /// See [`RiskParams::gross_notional_max`].
    pub gross_notional_max: Option<String>,
    /// See [`RiskParams::net_notional_max`].
    pub net_notional_max: Option<String>,
    /// See [`RiskParams::daily_loss_max`].
    pub daily_loss_max: Option<String>,
    /// See [`RiskParams::drawdown_max`].
    pub drawdown_max: Option<String>,
    /// See [`RiskParams::orders_per_s`].
    pub orders_per_s: Option<u32>,
    /// See [`RiskParams::cancels_per_s`].
    pub cancels_per_s: Option<u32>,
    /// See [`RiskParams::orders_per_trade_max`].
    pub orders_per_trade_max: Option<u32>,
    /// See [`RiskParams::open_orders_max`].
    pub open_orders_max: Option<u32>,
}

/// Checked limits of the account or of one strategy. Values are at [`VALUE_SCALE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnLimits {
    /// What [`Self::position_max`] was resolved from, for an instrument whose scales change.
    position_text: String,
    /// In units of each instrument's quantity, by its id.
    position_max: Vec<u128>,
    pub(crate) gross_max: i128,
    pub(crate) net_max: i128,
    pub(crate) daily_loss_max: i128,
    pub(crate) drawdown_max: i128,
    pub(crate) orders_per_s: usize,
    pub(crate) cancels_per_s: usize,
    pub(crate) orders_per_trade_max: u64,
    pub(crate) open_orders_max: usize,
}

impl OwnLimits {
    /// The account's, or those of a strategy that has `own` ones.
    pub(super) fn parse(
        params: &RiskParams,
        own: &StrategyParams,
        instruments: &[Instrument],
    ) -> Result<Self, LimitError> {
        let text = |own: &Option<String>, all: &String| own.clone().unwrap_or(all.clone());
        let value = |key, own: &Option<String>, all: &String| worth(key, &text(own, all));
        let count = |key, own: Option<u32>, all: u32, max| {
            let count = own.unwrap_or(all);
            range(key, count, 1, max).map(|()| count)
        };
        let position_text = text(&own.position_max, &params.position_max);
        let position_max = instruments
            .iter()
            .map(|instrument| position(&position_text, instrument));
        let position_max = position_max.collect::<Result<Vec<u128>, _>>()?;
        if !position_max.is_empty() && position_max.iter().all(|max| *max == 0) {
            let key = "position_max";
            return Err(LimitError::Zero { key });
        }
        Ok(Self {
            position_text,
            position_max,
            gross_max: value(
                "gross_notional_max",
                &own.gross_notional_max,
                &params.gross_notional_max,
            )?,
            net_max: value(
                "net_notional_max",
                &own.net_notional_max,
                &params.net_notional_max,
            )?,
            daily_loss_max: value(
                "daily_loss_max",
                &own.daily_loss_max,
                &params.daily_loss_max,
            )?,
            drawdown_max: value("drawdown_max", &own.drawdown_max, &params.drawdown_max)?,
            orders_per_s: count(
                "orders_per_s",
                own.orders_per_s,
                params.orders_per_s,
                ORDERS_PER_S_MAX,
            )? as usize,
            cancels_per_s: count(
                "cancels_per_s",
                own.cancels_per_s,
                params.cancels_per_s,
                ORDERS_PER_S_MAX,
            )? as usize,
            orders_per_trade_max: count(
                "orders_per_trade_max",
                own.orders_per_trade_max,
                params.orders_per_trade_max,
                ORDERS_PER_TRADE_MAX,
            )?
            .into(),
            open_orders_max: count(
                "open_orders_max",
                own.open_orders_max,
                params.open_orders_max,
                OPEN_ORDERS_MAX,
            )? as usize,
        })
    }

    /// The largest position in the instrument at this place of the table.
    pub(crate) fn position_max(&self, index: usize) -> u128 {
        self.position_max.get(index).copied().unwrap_or(0)
    }

    /// An instrument is listed with other scales: what does not fit there allows nothing.
    pub(crate) fn relist(&mut self, index: usize, listed: &Instrument) {
        if let Some(max) = self.position_max.get_mut(index) {
            *max = position(&self.position_text, listed).unwrap_or(0);
        }
    }
}

/// A value in quote currency, whichever that is. One that is too large to be written is no limit.
pub(super) fn worth(key: &'static str, text: &str) -> Result<i128, LimitError> {
    let value = match parse_floor(text, VALUE_SCALE) {
        Ok(value) => i128::try_from(value).unwrap_or(i128::MAX),
        Err(DecimalError::TooLarge) => i128::MAX,
        Err(error) => {
            let text = text.to_owned();
            return Err(LimitError::Value { key, text, error });
        }
    };
    match value {
        0 => Err(LimitError::Zero { key }),
        value => Ok(value),
    }
}

/// A position in base currency, in units of the instrument's quantity; of inverse contracts, whose
/// base quantity depends on the price, only what they are worth is limited.
fn position(text: &str, instrument: &Instrument) -> Result<u128, LimitError> {
    let contract = instrument.contract;
    if contract.inverse {
        return Ok(u128::MAX);
    }
    let scale = instrument.qty_scale + contract.scale;
    match amount("position_max", text, instrument, scale) {
        Ok(base) => Ok(base / u128::from(contract.size.max(1))),
        // No position is as large as that.
        Err(LimitError::Decimal {
            error: DecimalError::TooLarge,
            ..
        }) => Ok(u128::MAX),
        Err(error) => Err(error),
    }
}
