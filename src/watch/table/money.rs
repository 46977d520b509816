//! Profit and loss, fees, and whether the balances add up, for people.

use super::super::figures::sum;
use super::super::summary::{Balance, Balances, Pnl, Summary};
use super::{columns, escaped};
use std::collections::BTreeMap;

/// The heads of the table for a terminal.
const HEADS: [&str; 7] = [
    "pnl",
    "position",
    "average",
    "realised",
    "unrealised",
    "fees",
    "total",
];
/// The heads of the table on a page.
pub(crate) const PAGE_HEADS: [&str; 11] = [
    "strategy",
    "instrument",
    "fills",
    "position",
    "average",
    "in",
    "realised",
    "unrealised",
    "at worst",
    "fees",
    "total",
];

/// All of it; nothing if nothing was traded and there is no account.
pub(super) fn lines(summary: &Summary) -> String {
    let mut out = String::new();
    if !summary.pnl.is_empty() {
        out += &format!("\n{}", columns(1, &HEADS, &rows(summary)));
        out += &fee_line(summary).unwrap_or_default();
    }
    let said = balances(summary).into_iter();
    let said: String = said.map(|said| format!("{}\n", escaped(said))).collect();
    if !said.is_empty() {
        out += &format!("\n{said}");
    }
    out
}

fn rows(summary: &Summary) -> Vec<[String; 7]> {
    let first = &summary.pnl[0].strategy;
    let several = summary.pnl.iter().any(|of| of.strategy != *first);
    let row = |of: &Pnl| {
        let name = match several {
            true => format!("{} {}", strategy(of), of.instrument),
            false => of.instrument.clone(),
        };
        let [realised, unrealised, total] = [
            Some(&of.realised),
            of.unrealised.as_ref(),
            of.total.as_ref(),
        ]
        .map(shown);
        [
            name,
            sum(&of.position),
            shown(of.average_px.as_ref()),
            realised,
            unrealised,
            fees(of),
            total,
        ]
    };
    let mut rows: Vec<_> = summary.pnl.iter().map(row).collect();
    if rows.len() > 1 {
        rows.extend(summary.pnl_totals.iter().map(|of| {
            let none = String::new;
            let [realised, unrealised] = [&of.realised, &of.unrealised].map(|text| sum(text));
            let [fees, total] = [&of.fees, &of.total].map(|text| sum(text));
            let name = format!("total {}", of.asset);
            [name, none(), none(), realised, unrealised, fees, total]
        }));
    }
    rows
}

/// A page's rows, then a row per asset.
pub(crate) fn page_rows(summary: &Summary) -> Vec<[String; 11]> {
    let row = |of: &Pnl| {
        let taken = of
            .fees
            .iter()
            .map(|fee| format!("{} {}", sum(&fee.amount), fee.asset));
        [
            strategy(of).to_owned(),
            of.instrument.clone(),
            of.fills.to_string(),
            of.position.clone(),
            shown(of.average_px.as_ref()),
            of.asset.clone(),
            sum(&of.realised),
            shown(of.unrealised.as_ref()),
            shown(of.unrealised_worst.as_ref()),
            taken.collect::<Vec<_>>().join(", "),
            shown(of.total.as_ref()),
        ]
    };
    let totals = summary.pnl_totals.iter().map(|of| {
        let none = String::new;
        let sums = [&of.realised, &of.unrealised, &of.unrealised_worst, &of.fees];
        let [realised, unrealised, worst, fees] = sums.map(|text| sum(text));
        let (name, total) = ("total".to_owned(), sum(&of.total));
        let asset = of.asset.clone();
        [
            name,
            none(),
            none(),
            none(),
            none(),
            asset,
            realised,
            unrealised,
            worst,
            fees,
            total,
        ]
    });
    summary.pnl.iter().map(row).chain(totals).collect()
}

fn strategy(of: &Pnl) -> &str {
    of.strategy.as_deref().unwrap_or("nobody")
}

fn shown(text: Option<&String>) -> String {
    text.map_or_else(|| "-".to_owned(), |text| sum(text))
}

/// The value of its fees.
fn fees(of: &Pnl) -> String {
    let values = of
        .fees
        .iter()
        .map(|fee| fee.value.as_deref()?.parse::<f64>().ok());
    let all: Option<f64> = values.sum();
    // The sum of nothing is a zero below zero.
    let all = all.map(|all| all + 0.0);
    all.map_or_else(|| "-".to_owned(), |all| sum(&all.to_string()))
}

/// What the exchange took of each asset.
fn fee_line(summary: &Summary) -> Option<String> {
    let mut all = BTreeMap::<&str, (f64, bool)>::new();
    for fee in summary.pnl.iter().flat_map(|of| &of.fees) {
        let (taken, valued) = all.entry(&fee.asset).or_insert((0.0, true));
        *taken += fee.amount.parse::<f64>().unwrap_or_default();
        *valued &= fee.value.is_some();
    }
    let said = all.iter().map(|(asset, (taken, valued))| {
        let value = if *valued {
            ""
        } else {
            " (no instrument of the run has its price)"
        };
        format!("{} {asset}{value}", sum(&taken.to_string()))
    });
    let said = said.collect::<Vec<_>>().join(", ");
    (!said.is_empty()).then(|| format!("\nfees: {}\n", escaped(said)))
}

/// Whether each account has what our trades explain; nothing if there is no account.
pub(crate) fn balances(summary: &Summary) -> Vec<String> {
    let several = summary.balances.len() > 1;
    let said = |of: &Balances| match several {
        true => format!("balances at {}: {}", of.exchange, compared(of)),
        false => format!("balances: {}", compared(of)),
    };
    summary.balances.iter().map(said).collect()
}

fn compared(balances: &Balances) -> String {
    let off = |of: &Balance| {
        let (less, off) = match of.off.strip_prefix('-') {
            Some(off) => ("less", off),
            None => ("more", of.off.as_str()),
        };
        let entry = of
            .entry
            .map_or_else(String::new, |entry| format!(" (entry {entry})"));
        format!("{off} {less} {}{entry}", of.asset)
    };
    match (balances.add_up, &balances.why) {
        (Some(true), _) => "they add up".to_owned(),
        (Some(false), _) => {
            let off = balances
                .assets
                .iter()
                .filter(|of| of.entry.is_some())
                .map(off);
            let off = off.collect::<Vec<_>>().join(", ");
            format!("the exchange says {off} than the start and our trades explain")
        }
        (None, Some(why)) => format!("not compared: {why}"),
        (None, None) => "not compared".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::summary::Fees;
    use super::super::super::summary::tests::example;
    use super::*;

    #[test]
    fn of_what_cost_nothing_the_fees_are_zero() {
        let mut row = example().pnl[0].clone();
        row.fees.clear();
        assert_eq!(fees(&row), "0");
    }

    #[test]
    fn several_strategies_stand_apart_and_are_added_up() {
        let mut summary = example();
        let mut other = summary.pnl[0].clone();
        other.strategy = Some("taker".to_owned());
        (other.unrealised, other.total) = (None, None);
        other.fees = vec![Fees {
            asset: "BNB".to_owned(),
            amount: "0.001".to_owned(),
            value: None,
        }];
        summary.pnl.push(other);
        assert_eq!(
            lines(&summary),
            "
pnl                     position  average  realised  unrealised  fees  total
----------------------  --------  -------  --------  ----------  ----  -----
maker binance:BTC-USDT       0.3   64,251      12.3       -3.21  32.1    -23
taker binance:BTC-USDT       0.3   64,251      12.3           -     -      -
total USDT                                     12.3       -3.21  32.1    -23

fees: 0.001 BNB (no instrument of the run has its price), 0.0005 BTC
"
        );
        let page = page_rows(&summary);
        assert_eq!(page.len(), 3);
        assert_eq!(page[1][9], "0.001 BNB");
    }

    #[test]
    fn balances_add_up_or_say_by_how_much_not_and_under_which_name_or_why_nobody_knows() {
        let mut summary = example();
        assert!(balances(&summary).is_empty(), "on paper");
        let of = |asset: &str, off: &str, entry| Balance {
            asset: asset.to_owned(),
            off: off.to_owned(),
            entry,
            ..Balance::default()
        };
        for (add_up, why, assets, said) in [
            (Some(true), None, vec![of("BTC", "0", None)], "they add up"),
            (
                Some(false),
                None,
                vec![
                    of("BTC", "-0.007", Some(17)),
                    of("USDT", "0", None),
                    of("ETH", "2", Some(4)),
                ],
                "the exchange says 0.007 less BTC (entry 17), 2 more ETH (entry 4) than the start \
                 and our trades explain",
            ),
            (
                None,
                Some("the order connection is down".to_owned()),
                Vec::new(),
                "not compared: the order connection is down",
            ),
        ] {
            summary.balances = vec![Balances {
                exchange: "binance".to_owned(),
                add_up,
                why,
                assets,
            }];
            assert_eq!(balances(&summary), [format!("balances: {said}")]);
            assert!(lines(&summary).ends_with(&format!("\nbalances: {said}\n")));
        }
        let mut other = summary.balances[0].clone();
        other.exchange = "kraken".to_owned();
        summary.balances.push(other);
        let why = "not compared: the order connection is down";
        let each = ["binance", "kraken"].map(|at| format!("balances at {at}: {why}"));
        assert_eq!(balances(&summary), each);
    }
}
