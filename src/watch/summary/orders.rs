//! What became of orders, and of the intents that risk refused.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orders {
    /// Handed to the order connection; on paper, admitted.
    pub sent: u64,
    /// Taken by the exchange, or on paper.
    pub acked: u64,
    /// Fills of all of them.
    #[serde(default)]
    pub fills: u64,
    /// Ends: filled whole.
    #[serde(default)]
    pub filled: u64,
    /// Ends: cancelled with something left.
    #[serde(default)]
    pub cancelled: u64,
    /// Ends: what was left expired, all of it or a part.
    #[serde(default)]
    pub expired: u64,
    /// Ends: refused by the exchange, or on paper.
    pub rejected: u64,
    /// Ends: never left, because the order connection was not ready.
    #[serde(default)]
    pub not_sent: u64,
    /// Ends: nobody ever said how much of it traded.
    #[serde(default)]
    pub unknown: u64,
    /// Orders that were in doubt for a time, whatever their end.
    #[serde(default)]
    pub in_doubt: u64,
    /// What was traded, an object per instrument that had fills.
    #[serde(default)]
    pub traded: Vec<Traded>,
    /// Intents that risk refused, by gate.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// The same with what each gate compared, in the order in which gates are asked.
    #[serde(default)]
    pub refusals: Vec<Refused>,
}

/// What became of one strategy's orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Strategy {
    /// Its own name among the run's strategies.
    pub name: String,
    /// The name of its kind.
    pub kind: String,
    /// What it wanted: orders, and what risk refused.
    pub intents: u64,
    /// What became of its orders. `traded` is empty: only the run's own orders have it.
    pub orders: Orders,
    /// What became of its intents, an object per instrument that it wanted something of.
    #[serde(default)]
    pub judged: Vec<Judged>,
    /// Values of its keys that a person set while it ran, in their order. They ended with the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Set>,
}

/// A value that was set while a run went on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Set {
    /// When.
    pub at: String,
    /// The strategy's key.
    pub key: String,
    /// Its value from then on.
    pub value: String,
    /// Its value before.
    pub was: String,
}

/// What became of a strategy's intents about one instrument:
/// `intents == orders + changes +` the sum of `refused`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Judged {
    /// The instrument's name in the engine; empty for intents about no instrument of the run, such
    /// as a change of an order that is over.
    pub name: String,
    /// What the strategy wanted.
    pub intents: u64,
    /// Intents that became an order.
    pub orders: u64,
    /// Cancels and reductions that went out. A cancel of all orders is one.
    pub changes: u64,
    /// Intents that were held back, by gate.
    pub refused: BTreeMap<String, u64>,
}

/// What was traded of one instrument. Numbers are decimal text, and without fees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traded {
    /// The instrument's name in the engine.
    pub name: String,
    /// Fills.
    pub fills: u64,
    /// Quantity bought.
    pub bought: String,
    /// Quantity sold.
    pub sold: String,
    /// Price times quantity of what was bought.
    pub paid: String,
    /// Price times quantity of what was sold.
    pub received: String,
}

/// What one gate of risk refused.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub gate: String,
    /// Intents that it stopped.
    pub count: u64,
    /// What `limit` and `found` are numbers of: `bps`, `ns`, `orders`, `price`, `quantity` or
    /// `notional`; absent, as they are, if the gate compares no numbers.
    pub unit: Option<String>,
    /// The limit, as decimal text.
    pub limit: Option<String>,
    /// What was found beyond it, as decimal text: the worst of the run, or the latest if
    /// instruments cannot be compared (prices, quantities, notionals).
    pub found: Option<String>,
    /// The instrument of the latest, if instruments cannot be compared.
    pub instrument: Option<String>,
}

impl Orders {
    /// Counts a record of the log by its name. Refusals are not counted: the log has only some of
    /// them.
    pub fn count(&mut self, event: &str) {
        match event {
            "order.admitted" => self.sent += 1,
            "order.acked" => self.acked += 1,
            "order.filled" => self.fills += 1,
            "order.done" => self.filled += 1,
            "order.cancelled" => self.cancelled += 1,
            "order.expired" => self.expired += 1,
            "order.in_doubt" => self.in_doubt += 1,
            "order.rejected" => self.rejected += 1,
            "order.not_sent" => self.not_sent += 1,
            "order.unknown" => self.unknown += 1,
            _ => {}
        }
    }
}
