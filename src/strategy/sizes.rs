//! How much an order is for: the configured quantity in whole lots of each instrument.

use super::{StrategyError, Table};
use crate::base::{Decimal, DecimalError, Instrument, Qty, decimal};

/// The order quantity of each instrument, by its id. Zero if the instrument is not the strategy's
/// own, or the quantity does not fit it.
///
/// # Errors
/// If the quantity fits none of the strategy's own instruments: the first one's reason.
pub fn order_qtys(text: &str, table: &Table<'_>) -> Result<Vec<Qty>, StrategyError> {
    let mut qtys = Vec::with_capacity(table.instruments.len());
    let (mut misfit, mut own) = (None, 0);
    for (index, instrument) in table.instruments.iter().enumerate() {
        assert_eq!(instrument.id.index(), index, "the table is in id order");
        if !table.owns(instrument.id) {
            qtys.push(Qty(0));
            continue;
        }
        own += 1;
        qtys.push(order_qty(text, instrument).unwrap_or_else(|error| {
            misfit.get_or_insert(error);
            Qty(0)
        }));
    }
    match misfit {
        Some(error) if qtys.iter().all(|qty| *qty == Qty(0)) => Err(match own {
            1 => error,
            _ => StrategyError::NothingFits(Box::new(error)),
        }),
        Some(_) | None => Ok(qtys),
    }
}

/// The configured quantity in whole lots of this instrument.
///
/// # Errors
/// If it is not a decimal of the instrument's scale, is less than a lot, or is less than the
/// exchange takes.
pub fn order_qty(text: &str, instrument: &Instrument) -> Result<Qty, StrategyError> {
    let symbol = instrument.symbol;
    let scale = instrument.qty_scale;
    let as_decimal = |qty: u64| Decimal {
        units: u128::from(qty),
        scale,
    };
    whole_lots(text, instrument).map_err(|misfit| match misfit {
        Misfit::Text(error) => StrategyError::Quantity {
            symbol,
            text: text.to_owned(),
            scale,
            error,
        },
        Misfit::Zero => StrategyError::QuantityZero {
            symbol,
            lot: as_decimal(instrument.lot.0),
        },
        Misfit::Small(qty) => StrategyError::QuantityMin {
            symbol,
            quantity: as_decimal(qty),
            qty_min: as_decimal(instrument.qty_min.0),
        },
    })
}

/// As [`order_qty`], and zero if it does not fit. For a strategy that runs: it allocates nothing.
pub fn fitting_qty(text: &str, instrument: &Instrument) -> Qty {
    whole_lots(text, instrument).unwrap_or(Qty(0))
}

/// Why a quantity does not fit.
enum Misfit {
    Text(DecimalError),
    Zero,
    /// So much is less than the exchange takes.
    Small(u64),
}

fn whole_lots(text: &str, instrument: &Instrument) -> Result<Qty, Misfit> {
    let units = decimal::parse(text.as_bytes(), instrument.qty_scale).map_err(Misfit::Text)?;
    assert!(instrument.lot.0 > 0, "a lot is at least 1");
    let qty = units - units % instrument.lot.0;
    match qty {
        0 => Err(Misfit::Zero),
        small if small < instrument.qty_min.0 => Err(Misfit::Small(small)),
        qty => Ok(Qty(qty)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{InstrumentId, Symbol};

    fn instrument(id: u16) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            lot: Qty(10),
            qty_min: Qty(20),
            ..Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 5))
        }
    }

    #[test]
    fn quantities_are_whole_lots_and_too_little_is_told_at_once() {
        let qty = |text: &str| order_qty(text, &instrument(0));
        assert_eq!(qty("0.00129"), Ok(Qty(120)));
        assert_eq!(qty("0.0002"), Ok(Qty(20)));
        let fits = |text: &str| fitting_qty(text, &instrument(0));
        assert_eq!((fits("0.00129"), fits("0.00019")), (Qty(120), Qty(0)));
        assert_eq!(
            qty("0.00009").unwrap_err().to_string(),
            "quantity is less than one lot of BTCUSDT, 0.0001"
        );
        assert_eq!(
            qty("0.00019").unwrap_err().to_string(),
            "quantity is 0.0001 in whole lots, less than BTCUSDT takes: at least 0.0002"
        );
        assert!(matches!(
            qty("0.000001"),
            Err(StrategyError::Quantity {
                error: DecimalError::TooFine,
                ..
            })
        ));
    }

    #[test]
    fn only_its_own_instruments_are_traded_and_only_they_must_fit() {
        let large = Instrument {
            qty_min: Qty(1_000_000),
            ..instrument(1)
        };
        let instruments = [instrument(0), large];
        let qtys = |own: &[bool]| {
            let own = Some(own);
            let all = Table::of(&instruments);
            order_qtys("0.001", &Table { own, ..all })
        };
        assert_eq!(qtys(&[true, false]), Ok(vec![Qty(100), Qty(0)]));
        assert_eq!(qtys(&[true, true]), Ok(vec![Qty(100), Qty(0)]));
        assert!(matches!(
            qtys(&[false, true]),
            Err(StrategyError::QuantityMin { .. })
        ));
        let neither = [instrument(0), instrument(1)];
        let error = order_qtys("0.0001", &Table::of(&neither));
        assert!(matches!(error, Err(StrategyError::NothingFits(_))));
    }
}
