//! Answers what an account's owner asks without changing anything.

use super::super::{Fault, padded};
use super::act::{FEES_PPM, Request, neither};
use super::params::Params;
use super::place::listing;
use super::words::{self, Words};
use crate::base::{Asset, UnixNanos};
use crate::exchange::kit::hmac::sha256_hex;
use crate::exchange::mirror::orders::{Balance, Order, OwnTrade};
use crate::exchange::mirror::{Listing, Matcher};
use serde_json::{Value, json};

/// Rows of an answer when none are named, and at most.
const ROWS: usize = 500;
const ROWS_MAX: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

impl Request<'_> {
    pub(super) fn order(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (n, _) = listing(self.params, market.listings())?;
        let (by_id, by_name) = (
            self.params.whole("orderId")?,
            self.params.get("origClientOrderId"),
        );
        let holdings = self.holdings(market)?;
        let found = match (by_id, &by_name) {
            (None, None) => return Err(neither("orderId", "origClientOrderId")),
            (Some(id), _) => holdings.order(n, id),
            (None, Some(name)) => holdings.named(n, name),
        };
        let order = found.ok_or_else(|| Fault::new(400, -2013, "Order does not exist."))?;
        if by_name.is_some_and(|name| name != order.asked.client_id) {
            let why = "Client order ID is not correct for this order ID.";
            return Err(Fault::new(400, -2039, why));
        }
        let order = order.clone();
        Ok(Words::of(market, n, self.unit).queried(&order))
    }

    pub(super) fn open(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let wanted = match self.params.get("symbol") {
            None => None,
            Some(_) => Some(listing(self.params, market.listings())?.0),
        };
        let open = self.holdings(market)?.open.values();
        let mut open: Vec<Order> = open.cloned().collect();
        open.retain(|order| wanted.is_none_or(|n| n == order.asked.listing));
        Ok(self.queried(&open, market))
    }

    fn queried(&self, orders: &[Order], market: &dyn Matcher) -> Value {
        let one = |order: &Order| {
            let words = Words::of(market, order.asked.listing, self.unit);
            words.queried(order)
        };
        orders.iter().map(one).collect()
    }

    pub(super) fn all(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (n, _) = listing(self.params, market.listings())?;
        let since = Since::read(self.params)?;
        let from = match since.timed() {
            true => None, // The documents: it is ignored then.
            false => self.params.whole::<u64>("orderId")?,
        };
        let orders = self.holdings(market)?.orders(n).into_iter();
        let orders = orders
            .filter(|order| since.has(order.updated) && from.is_none_or(|from| order.id >= from));
        let orders: Vec<Order> = orders.cloned().collect();
        let first = from.is_some() || since.from_ms.is_some();
        Ok(self.queried(since.cut(&orders, first), market))
    }

    pub(super) fn trades(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (n, _) = listing(self.params, market.listings())?;
        let since = Since::read(self.params)?;
        let order_id = self.params.whole::<u64>("orderId")?;
        let from_id = self.params.whole::<u64>("fromId")?;
        if since.timed() && (order_id.is_some() || from_id.is_some()) {
            let why = "Combination of optional parameters invalid.";
            return Err(Fault::new(400, -1128, why));
        }
        let trades = self.holdings(market)?.trades.iter();
        let trades = trades.filter(|trade| {
            trade.listing == n
                && since.has(trade.at)
                && from_id.is_none_or(|from| trade.id >= from)
                && order_id.is_none_or(|id| trade.order_id == id)
        });
        let trades: Vec<OwnTrade> = trades.copied().collect();
        let first = from_id.is_some() || since.from_ms.is_some();
        let words = Words::of(market, n, self.unit);
        let trades = since.cut(&trades, first).iter();
        Ok(trades.map(|trade| words.own_trade(trade)).collect())
    }

    pub(super) fn account(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let rights = self.key.rights;
        let omit_zeros = self.params.flag("omitZeroBalances");
        let may = (rights.trade, rights.withdraw, omit_zeros);
        let uid = sha256_hex(self.key.account());
        let uid = u64::from_str_radix(&uid[..8], 16).unwrap_or(0);
        let holdings = self.holdings(market)?;
        Ok(words::account(holdings, FEES_PPM, self.unit, may, uid))
    }

    pub(super) fn commission(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (_, instrument) = listing(self.params, market.listings())?;
        let rates = |(maker, taker): (u32, u32)| {
            json!({"maker": ppm_text(maker), "taker": ppm_text(taker),
                "buyer": ppm_text(0), "seller": ppm_text(0)})
        };
        Ok(json!({
            "symbol": instrument.symbol.as_str(),
            "standardCommission": rates(FEES_PPM),
            "specialCommission": rates((0, 0)),
            "taxCommission": rates((0, 0)),
            "discount": discount(),
        }))
    }

    pub(super) fn fees(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let wanted = match self.params.get("symbol") {
            None => None,
            Some(_) => Some(listing(self.params, market.listings())?.0),
        };
        let fee = |(_, listing): (usize, &Listing)| {
            json!({"symbol": listing.instrument.symbol.as_str(),
                "makerCommission": plain_ppm(FEES_PPM.0), "takerCommission": plain_ppm(FEES_PPM.1)})
        };
        let listings = market.listings().iter().enumerate();
        let listings = listings.filter(|(n, _)| wanted.is_none_or(|wanted| wanted == *n));
        Ok(listings.map(fee).collect())
    }

    pub(super) fn rights(&self) -> Value {
        let rights = self.key.rights;
        json!({
            "ipRestrict": false,
            "createTime": 1_750_000_000_000_i64,
            "enableReading": true,
            "enableWithdrawals": rights.withdraw,
            "enableInternalTransfer": false,
            "enableMargin": false,
            "enableFutures": false,
            "permitsUniversalTransfer": false,
            "enableVanillaOptions": false,
            "enableFixApiTrade": false,
            "enableFixReadOnly": false,
            "enableSpotAndMarginTrading": rights.trade,
            "enablePortfolioMarginTrading": false,
        })
    }

    pub(super) fn assets(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let nothing = "0";
        let balances = self.holdings(market)?.balances.iter();
        let one = |(asset, balance): (&Asset, &Balance)| {
            json!({
                "coin": asset.as_str(),
                "name": asset.as_str(),
                "free": words::amount(balance.free),
                "locked": words::amount(balance.locked),
                "freeze": nothing,
                "withdrawing": nothing,
                "ipoing": nothing,
                "ipoable": nothing,
                "storage": nothing,
                "isLegalMoney": false,
                "trading": true,
                "depositAllEnable": true,
                "withdrawAllEnable": self.key.rights.withdraw,
                "networkList": [],
            })
        };
        Ok(balances.map(one).collect())
    }
}

/// Millionths with eight decimals.
pub(super) fn ppm_text(ppm: u32) -> String {
    padded(ppm.into(), 6)
}

/// Millionths with as many decimals as they need.
fn plain_ppm(ppm: u32) -> String {
    ppm_text(ppm).trim_end_matches('0').to_owned()
}

pub(super) fn discount() -> Value {
    json!({"enabledForAccount": false, "enabledForSymbol": false, "discountAsset": "BNB",
        "discount": ppm_text(0)})
}

/// Which part of a history is asked for.
struct Since {
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    limit: usize,
}

impl Since {
    fn read(params: &Params) -> Result<Self, Fault> {
        // Times may be in either unit.
        let ms = |name| {
            let time: Option<i64> = params.whole(name)?;
            let micros = |time: i64| time >= super::params::MICROS_FROM;
            Ok::<_, Fault>(time.map(|time| if micros(time) { time / 1000 } else { time }))
        };
        let since = Self {
            from_ms: ms("startTime")?,
            until_ms: ms("endTime")?,
            limit: params.whole("limit")?.unwrap_or(ROWS).clamp(1, ROWS_MAX),
        };
        if let (Some(from), Some(until)) = (since.from_ms, since.until_ms)
            && until.saturating_sub(from) > DAY_MS
        {
            let why = "More than 24 hours between startTime and endTime.";
            return Err(Fault::new(400, -1127, why));
        }
        Ok(since)
    }

    fn timed(&self) -> bool {
        self.from_ms.is_some() || self.until_ms.is_some()
    }

    fn has(&self, at: UnixNanos) -> bool {
        let ms = at.as_millis();
        self.from_ms.is_none_or(|from| ms >= from) && self.until_ms.is_none_or(|until| ms <= until)
    }

    /// Of all that there is, oldest first, as many as are asked for: the first ones, or the newest.
    fn cut<'t, T>(&self, all: &'t [T], first: bool) -> &'t [T] {
        let count = all.len().min(self.limit);
        match first {
            true => &all[..count],
            false => &all[all.len() - count..],
        }
    }
}
