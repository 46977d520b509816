//! What an exchange itself keeps of an account, for whoever checks what a client believes of it.

use super::simulated::Venue;
use crate::base::{Px, Qty, Side, Symbol};
use crate::exchange::mirror::orders::{Holdings, Order, OwnTrade};

/// An account, as far as it can be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Where it is.
    pub exchange: &'static str,
    /// Names that clients gave to its orders: of those that rest.
    pub open: Vec<String>,
    /// Of those that are over.
    pub ended: Vec<String>,
    /// Its trades, oldest first.
    pub trades: Vec<KeptTrade>,
}

/// A trade of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTrade {
    /// Of what, as the exchange calls it.
    pub symbol: Symbol,
    /// The number that everybody sees.
    pub id: u64,
    /// What the account did.
    pub side: Side,
    /// The price.
    pub px: Px,
    /// How much.
    pub qty: Qty,
}

impl Venue {
    /// What it keeps of every account.
    pub(crate) fn kept(&self) -> Vec<Kept> {
        let one = |holdings: &Holdings| {
            let name = |order: &Order| order.asked.client_id.clone();
            let trade = |trade: &OwnTrade| KeptTrade {
                symbol: self.listings[trade.listing].instrument.symbol,
                id: trade.id,
                side: trade.side,
                px: trade.px,
                qty: trade.qty,
            };
            Kept {
                exchange: self.exchange.name(),
                open: holdings.open.values().map(name).collect(),
                ended: holdings.ended.values().map(name).collect(),
                trades: holdings.trades.iter().map(trade).collect(),
            }
        };
        self.ledger.all().map(one).collect()
    }
}
