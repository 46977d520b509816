//! What a run says of profit and loss at its end.

use crate::base::Instrument;
use crate::base::signed::text;
use crate::trading::pnl::{ASSET_SCALE, Charge, Row, Total, totals};
use crate::trading::reconcile::Balanced;
use crate::watch::summary::{self, Summary};
use crate::wiring::desk::{AccountBalances, DeskEnd};

/// Adds what was gained and lost, and whether that is what the accounts have. The strategies of the
/// run are named already.
pub(super) fn tell(summary: &mut Summary, desk: &DeskEnd, instruments: &[Instrument]) {
    let named = summary.strategies.iter().map(|of| of.name.clone());
    let strategies: Vec<String> = named.collect();
    summary.pnl = rows(&desk.pnl, &strategies, instruments);
    summary.pnl_totals = sums(&desk.pnl);
    summary.balances = desk.balances.iter().map(balances).collect();
}

/// Rows with names and decimals.
pub(crate) fn rows(
    all: &[Row],
    strategies: &[String],
    instruments: &[Instrument],
) -> Vec<summary::Pnl> {
    let row = |row: &Row| summary::Pnl {
        strategy: strategies.get(row.strategy.index()).cloned(),
        instrument: instruments
            .get(row.instrument.index())
            .map_or_else(String::new, |of| of.name.to_string()),
        fills: row.fills,
        position: text(row.position.qty, row.qty_scale),
        sellable: text(row.sellable, row.qty_scale),
        average_px: row.average.map(|average| average.to_string()),
        asset: row.asset.to_string(),
        realised: text(row.realised, row.scale),
        unrealised: row.unrealised.map(|units| text(units, row.scale)),
        unrealised_worst: row.unrealised_worst.map(|units| text(units, row.scale)),
        fees: row.fees().map(|charge| fees(charge, row.scale)).collect(),
        total: row.total().map(|units| text(units, row.scale)),
    };
    all.iter().map(row).collect()
}

/// What each asset gained or lost.
pub(crate) fn sums(rows: &[Row]) -> Vec<summary::PnlTotal> {
    totals(rows).iter().map(total).collect()
}

fn balances(of: &AccountBalances) -> summary::Balances {
    let exchange = of.exchange.unwrap_or_default().to_owned();
    match &of.found {
        Ok(all) => summary::Balances {
            exchange,
            add_up: Some(all.iter().all(|of| of.off() == 0)),
            why: None,
            assets: all.iter().map(balance).collect(),
        },
        Err(why) => summary::Balances {
            exchange,
            why: Some((*why).to_owned()),
            ..summary::Balances::default()
        },
    }
}

fn balance(of: &Balanced) -> summary::Balance {
    summary::Balance {
        asset: of.asset.to_string(),
        before: amount(of.before),
        brought: amount(of.brought),
        after: amount(of.after),
        off: amount(of.off()),
        entry: of.entry,
    }
}

fn fees(charge: &Charge, scale: u8) -> summary::Fees {
    summary::Fees {
        asset: charge.asset.to_string(),
        amount: amount(charge.units),
        value: charge.value.map(|units| text(units, scale)),
    }
}

fn total(of: &Total) -> summary::PnlTotal {
    summary::PnlTotal {
        asset: of.asset.to_string(),
        realised: amount(of.realised),
        unrealised: amount(of.unrealised),
        unrealised_worst: amount(of.unrealised_worst),
        fees: amount(of.fees),
        total: amount(of.all()),
        unvalued: of.unvalued,
    }
}

fn amount(units: i128) -> String {
    text(units, ASSET_SCALE)
}
