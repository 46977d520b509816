//! The order journal, read by its description alone, to be compared with what an exchange says.
//! Amounts are in units of 10^-8.

use crate::client::units;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The number of an order that the engine named: `tw` and twenty digits. Its cancels are named
/// `tc`.
pub fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap())
}

/// An order that rests: symbol, side, price, quantity, and how much of it traded; amounts in units
/// of 10^-8.
pub type Resting = (String, String, i128, i128, i128);

/// What of the engine's there is: orders that rest, and positions.
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Standing {
    pub orders: BTreeMap<u64, Resting>,
    pub positions: BTreeMap<String, i128>,
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What the lines of an order journal come to, read by its description alone.
pub fn told(journal: &[Value]) -> Standing {
    let mut standing = Standing::default();
    let mut known: BTreeMap<u64, Resting> = BTreeMap::new();
    let mut seen: BTreeSet<(String, u64)> = BTreeSet::new();
    let mut floors: BTreeMap<String, u64> = BTreeMap::new();
    for line in journal {
        let id = line["order"].as_u64().unwrap_or(0);
        let order = || {
            let traded = ["filled", "traded"].map(|key| &line[key]);
            let traded = traded.into_iter().find(|value| value.is_string());
            let [px, qty] = ["px", "qty"].map(|key| units(&line[key]));
            let (symbol, side) = (text(&line["symbol"]), text(&line["side"]));
            (
                symbol,
                side.to_uppercase(),
                px,
                qty,
                traded.map_or(0, units),
            )
        };
        match (line["kind"].as_str().unwrap(), line["said"].as_str()) {
            ("open", _) if line["over"].is_string() => {}
            ("open" | "adopted", _) => {
                known.insert(id, order());
                standing.orders.insert(id, order());
            }
            ("admitted", _) => drop(known.insert(id, order())),
            ("heard", Some("taken")) => {
                if let Some(order) = known.get(&id) {
                    standing.orders.insert(id, order.clone());
                }
            }
            ("heard", Some("ended" | "rejected" | "not_sent" | "absent")) => {
                standing.orders.remove(&id);
                known.remove(&id);
            }
            ("heard", Some("fill")) => {
                let symbol = text(&line["symbol"]);
                let trade = line["trade_id"].as_u64().unwrap();
                let old = floors.get(&symbol).is_some_and(|floor| trade <= *floor);
                if old || !seen.insert((symbol.clone(), trade)) {
                    continue;
                }
                let qty = units(&line["qty"]);
                let signed = if line["side"] == "buy" { qty } else { -qty };
                *standing.positions.entry(symbol).or_default() += signed;
                for orders in [&mut known, &mut standing.orders] {
                    if let Some(order) = orders.get_mut(&id) {
                        order.4 += qty;
                    }
                }
            }
            ("position", _) => {
                let position = standing.positions.entry(text(&line["symbol"]));
                *position.or_default() += units(&line["qty"]);
            }
            ("seen", _) => {
                seen.insert((text(&line["symbol"]), line["trade_id"].as_u64().unwrap()));
            }
            ("seen_to", _) => {
                floors.insert(text(&line["symbol"]), line["trade_id"].as_u64().unwrap());
            }
            _ => {}
        }
    }
    standing.orders.retain(|_, (.., qty, traded)| traded < qty);
    standing.positions.retain(|_, position| *position != 0);
    standing
}
