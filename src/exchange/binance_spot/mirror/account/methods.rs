//! What can be asked about an account, under the names that the WebSocket API and REST have for it,
//! and what it costs. Does none of it.

use super::params::Params;
use super::place;
use crate::exchange::mirror::{Asks, Method as Http};

/// What an account's owner asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// Place an order.
    Place,
    /// Check one, and forget it.
    Test,
    /// Cancel one.
    Cancel,
    /// Cancel one and place another.
    Replace,
    /// Make one smaller.
    Amend,
    /// Cancel all of a symbol.
    CancelAll,
    /// Say how one stands.
    Order,
    /// Say how all stand that rest.
    Open,
    /// Say how all stand.
    All,
    /// Say what was traded.
    Trades,
    /// Say what there is.
    Account,
    /// Say how many orders were placed.
    Counts,
    /// Say what trades cost at a symbol.
    Commission,
    /// Say what trades cost at all symbols.
    Fees,
    /// Say what the key may do.
    Rights,
    /// Say which assets there are.
    Assets,
    /// Say what can be traded on margin.
    MarginPairs,
}

/// One of them.
pub(super) struct Row {
    pub(super) ask: Ask,
    /// Empty if only REST has it.
    pub(super) method: &'static str,
    pub(super) http: Http,
    pub(super) path: &'static str,
    weight: u32,
    parameters: &'static [&'static str],
}

const fn row(
    (ask, method): (Ask, &'static str),
    (http, path): (Http, &'static str),
    weight: u32,
    parameters: &'static [&'static str],
) -> Row {
    Row {
        ask,
        method,
        http,
        path,
        weight,
        parameters,
    }
}

const ONE: &[&str] = &["symbol", "orderId", "origClientOrderId"];
const HISTORY: &[&str] = &[
    "symbol",
    "orderId",
    "startTime",
    "endTime",
    "fromId",
    "limit",
];
const REPLACES: &[&str] = &[
    "cancelReplaceMode",
    "cancelOrderId",
    "cancelOrigClientOrderId",
    "cancelNewClientOrderId",
    "cancelRestrictions",
    "orderRateLimitExceededMode",
];
/// Parameters of every signed request.
const SIGNED: [&str; 5] = [
    "apiKey",
    "signature",
    "timestamp",
    "recvWindow",
    "returnRateLimits",
];

const ROWS: &[Row] = &[
    row(
        (Ask::Place, "order.place"),
        (Http::Post, "/api/v3/order"),
        1,
        &[],
    ),
    row(
        (Ask::Test, "order.test"),
        (Http::Post, "/api/v3/order/test"),
        1,
        &["computeCommissionRates"],
    ),
    row(
        (Ask::Cancel, "order.cancel"),
        (Http::Delete, "/api/v3/order"),
        1,
        &[
            "symbol",
            "orderId",
            "origClientOrderId",
            "newClientOrderId",
            "cancelRestrictions",
        ],
    ),
    row(
        (Ask::Replace, "order.cancelReplace"),
        (Http::Post, "/api/v3/order/cancelReplace"),
        1,
        REPLACES,
    ),
    row(
        (Ask::Amend, "order.amend.keepPriority"),
        (Http::Put, "/api/v3/order/amend/keepPriority"),
        4,
        &[
            "symbol",
            "orderId",
            "origClientOrderId",
            "newClientOrderId",
            "newQty",
        ],
    ),
    row(
        (Ask::CancelAll, "openOrders.cancelAll"),
        (Http::Delete, "/api/v3/openOrders"),
        1,
        &["symbol"],
    ),
    row(
        (Ask::Order, "order.status"),
        (Http::Get, "/api/v3/order"),
        4,
        ONE,
    ),
    row(
        (Ask::Open, "openOrders.status"),
        (Http::Get, "/api/v3/openOrders"),
        6,
        &["symbol"],
    ),
    row(
        (Ask::All, "allOrders"),
        (Http::Get, "/api/v3/allOrders"),
        20,
        HISTORY,
    ),
    row(
        (Ask::Trades, "myTrades"),
        (Http::Get, "/api/v3/myTrades"),
        20,
        HISTORY,
    ),
    row(
        (Ask::Account, "account.status"),
        (Http::Get, "/api/v3/account"),
        20,
        &["omitZeroBalances"],
    ),
    row(
        (Ask::Counts, "account.rateLimits.orders"),
        (Http::Get, "/api/v3/rateLimit/order"),
        40,
        &[],
    ),
    row(
        (Ask::Commission, "account.commission"),
        (Http::Get, "/api/v3/account/commission"),
        20,
        &["symbol"],
    ),
    row(
        (Ask::Fees, ""),
        (Http::Get, "/sapi/v1/asset/tradeFee"),
        1,
        &["symbol"],
    ),
    row(
        (Ask::Rights, ""),
        (Http::Get, "/sapi/v1/account/apiRestrictions"),
        1,
        &[],
    ),
    row(
        (Ask::Assets, ""),
        (Http::Get, "/sapi/v1/capital/config/getall"),
        10,
        &[],
    ),
    row(
        (Ask::MarginPairs, ""),
        (Http::Get, "/sapi/v1/margin/allPairs"),
        1,
        &["symbol"],
    ),
    row(
        (Ask::MarginPairs, ""),
        (Http::Get, "/sapi/v1/margin/isolated/allPairs"),
        10,
        &["symbol"],
    ),
];

impl Row {
    /// What the WebSocket API calls so.
    pub(super) fn called(method: &str) -> Option<&'static Self> {
        ROWS.iter()
            .find(|row| !method.is_empty() && row.method == method)
    }

    /// All that REST has at this path.
    pub(super) fn at(path: &str) -> impl Iterator<Item = &'static Self> {
        ROWS.iter().filter(move |row| row.path == path)
    }

    /// What it weighs.
    pub(super) fn weight(&self, params: &Params) -> u32 {
        let has = |name| params.get(name).is_some();
        match self.ask {
            Ask::Open if !has("symbol") => 80,
            Ask::Trades if has("orderId") => 5,
            Ask::Test if params.flag("computeCommissionRates") => 20,
            _ => self.weight,
        }
    }

    /// Whether it weighs nothing if it succeeds.
    pub(super) fn is_free(&self) -> bool {
        match self.ask {
            Ask::Place | Ask::Cancel | Ask::Replace | Ask::CancelAll => true,
            Ask::Test
            | Ask::Amend
            | Ask::Order
            | Ask::Open
            | Ask::All
            | Ask::Trades
            | Ask::Account
            | Ask::Counts
            | Ask::Commission
            | Ask::Fees
            | Ask::Rights
            | Ask::Assets
            | Ask::MarginPairs => false,
        }
    }

    /// Whether a key needs the right to trade.
    pub(super) fn trades(&self) -> bool {
        self.is_free() || matches!(self.ask, Ask::Test | Ask::Amend)
    }

    /// What it is about.
    pub(super) fn asks(&self) -> Asks {
        match self.ask {
            Ask::Place => Asks::Place,
            Ask::Cancel | Ask::CancelAll => Asks::Cancel,
            Ask::Replace => Asks::Replace,
            Ask::Amend => Asks::Amend,
            Ask::Order | Ask::Open | Ask::All | Ask::Trades | Ask::Account => Asks::Query,
            Ask::Test
            | Ask::Counts
            | Ask::Commission
            | Ask::Fees
            | Ask::Rights
            | Ask::Assets
            | Ask::MarginPairs => Asks::Other,
        }
    }

    /// Whether it counts as an order, so that answers say how many there are.
    pub(super) fn counts(&self) -> bool {
        matches!(self.ask, Ask::Place | Ask::Replace)
    }

    /// The names of its parameters.
    pub(super) fn parameters(&self) -> Vec<&'static str> {
        let mut all = self.parameters.to_vec();
        all.extend(SIGNED);
        if self.counts() || self.ask == Ask::Test {
            all.extend(place::PARAMETERS);
        }
        all
    }
}
