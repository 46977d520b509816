//! Profit and loss of a run, and what the account has against it. Numbers are decimal text, exact.

use serde::{Deserialize, Serialize};

/// What one strategy gained or lost in one instrument. Money is of `asset`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pnl {
    /// The strategy's name; absent for trades of no strategy of the run.
    pub strategy: Option<String>,
    /// The instrument's name in the engine.
    pub instrument: String,
    /// Fills of this run.
    pub fills: u64,
    /// What is held: above zero if it was bought. With what an earlier run left.
    pub position: String,
    /// What of it can be sold: fees in the base asset took the rest.
    pub sellable: String,
    /// What a unit of it cost on average; absent if nothing is held.
    pub average_px: Option<String>,
    /// What the instrument is paid in.
    pub asset: String,
    /// What this run gained by what is no longer held.
    pub realised: String,
    /// What the position gained since it was bought, at the middle of the last book; absent if
    /// there was none.
    pub unrealised: Option<String>,
    /// The same at the best bid if it is long, at the best ask if it is short.
    pub unrealised_worst: Option<String>,
    /// What the exchange took in this run, an object per asset.
    pub fees: Vec<Fees>,
    /// `realised` and `unrealised` less the value of the fees; absent if one of them has none.
    pub total: Option<String>,
}

/// What the exchange took in one asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fees {
    /// The asset.
    pub asset: String,
    /// How much; below zero if more was given.
    pub amount: String,
    /// What that is worth in what the instrument is paid in; absent if no instrument of the run has
    /// that price.
    pub value: Option<String>,
}

/// What was gained or lost of one asset, by all instruments that are paid in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PnlTotal {
    /// The asset.
    pub asset: String,
    /// As of each instrument, added up.
    pub realised: String,
    /// As of each instrument, added up.
    pub unrealised: String,
    /// As of each instrument, added up.
    pub unrealised_worst: String,
    /// The value of the fees.
    pub fees: String,
    /// `realised` and `unrealised` less `fees`.
    pub total: String,
    /// Strategies and instruments with something that has no value, and is not in it.
    pub unvalued: u32,
}

/// What an account has at the end, against what it had and what our trades brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balances {
    /// The account's exchange.
    pub exchange: String,
    /// Whether the exchange says of each asset what our trades explain; absent if nobody knows.
    pub add_up: Option<bool>,
    /// Why nobody knows.
    pub why: Option<String>,
    /// The assets that our trades moved, and those that do not add up.
    pub assets: Vec<Balance>,
}

/// What the account has of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// The asset.
    pub asset: String,
    /// What there was before the run's first trade.
    pub before: String,
    /// What our trades and their fees brought; below zero if they took some.
    pub brought: String,
    /// What the exchange says at the end, what is locked included.
    pub after: String,
    /// `after` less `before` and `brought`: zero if it adds up.
    pub off: String,
    /// The name of the difference in the order journal and the log; absent if it adds up.
    pub entry: Option<u64>,
}
