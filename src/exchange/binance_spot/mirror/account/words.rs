//! How Binance words orders, trades and balances: in answers, and in the events of a user data
//! stream. Knows no request.

use super::super::{PRECISION, TimeUnit, padded};
use super::place::Detail;
use crate::base::{Instrument, Qty, Side};
use crate::exchange::mirror::Market;
use crate::exchange::mirror::orders::{
    Amount, Balance, Change, Holdings, Life, News, Order, OwnTrade, Report, SelfTrade, Size, Sort,
    Status,
};
use serde_json::{Value, json};

const NOTHING: &str = "0.00000000";

/// Eight decimals, as Binance writes amounts.
pub(super) fn amount(amount: Amount) -> String {
    let units = amount.units(PRECISION);
    let one = 10u128.pow(PRECISION.into());
    format!("{}.{:08}", units / one, units % one)
}

fn status(order: &Order) -> &'static str {
    match order.status {
        Status::New => "NEW",
        Status::PartlyFilled => "PARTIALLY_FILLED",
        Status::Filled => "FILLED",
        Status::Cancelled => "CANCELED",
        Status::Expired => "EXPIRED",
        Status::Prevented => "EXPIRED_IN_MATCH",
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

fn sort(order: &Order) -> &'static str {
    match order.asked.sort {
        Sort::Limit => "LIMIT",
        Sort::PostOnly => "LIMIT_MAKER",
        Sort::Market => "MARKET",
    }
}

/// A market order has no time in force; the documents' examples show this one.
fn life(order: &Order) -> &'static str {
    match (order.asked.sort, order.asked.life) {
        (Sort::Market, _) | (_, Life::GoodTillCancel) => "GTC",
        (_, Life::ImmediateOrCancel) => "IOC",
        (_, Life::FillOrKill) => "FOK",
    }
}

fn meets(order: &Order) -> &'static str {
    match order.asked.meets {
        SelfTrade::Allowed => "NONE",
        SelfTrade::ExpireMaker => "EXPIRE_MAKER",
        SelfTrade::ExpireTaker => "EXPIRE_TAKER",
        SelfTrade::ExpireBoth => "EXPIRE_BOTH",
    }
}

/// Why an order expired, if it did.
fn expiry(order: &Order) -> Option<&'static str> {
    match (order.status, order.asked.sort, order.asked.life) {
        (Status::Expired, Sort::Market, _) => Some("INSUFFICIENT_LIQUIDITY"),
        (Status::Expired, _, Life::FillOrKill) => Some("UNFILLED_FOK_ORDER_EXPIRED"),
        (Status::Expired, _, _) => Some("UNFILLED_IOC_QUANTITY_EXPIRED"),
        _ => None,
    }
}

/// The quote quantity that was asked for.
fn quote(order: &Order) -> String {
    match order.asked.size {
        Size::Qty(_) => NOTHING.to_owned(),
        Size::Worth(worth) => amount(worth),
    }
}

/// Words for one instrument's orders on one connection.
#[derive(Clone, Copy)]
pub(super) struct Words<'m> {
    pub(super) instrument: &'m Instrument,
    pub(super) unit: TimeUnit,
}

impl<'m> Words<'m> {
    /// Those of this listing.
    pub(super) fn of(market: &'m dyn Market, listing: usize, unit: TimeUnit) -> Self {
        let instrument = &market.listings()[listing].instrument;
        Self { instrument, unit }
    }

    fn qty(self, qty: Qty) -> String {
        padded(qty.0, self.instrument.qty_scale)
    }

    fn px(self, px: crate::base::Px) -> String {
        padded(px.0.unsigned_abs(), self.instrument.px_scale)
    }

    /// What every answer says of an order that says how it stands.
    fn standing(self, order: &Order) -> Value {
        let mut said = json!({
            "symbol": self.instrument.symbol.as_str(),
            "orderId": order.id,
            "orderListId": -1,
            "clientOrderId": order.asked.client_id,
            "price": self.px(order.asked.px),
            "origQty": self.qty(order.qty),
            "executedQty": self.qty(order.executed),
            "origQuoteOrderQty": quote(order),
            "cummulativeQuoteQty": amount(order.paid),
            "status": status(order),
            "timeInForce": life(order),
            "type": sort(order),
            "side": side(order.asked.side),
            "workingTime": self.unit.of(order.created),
            "selfTradePreventionMode": meets(order),
        });
        if let Some((number, left)) = order.prevented {
            said["preventedMatchId"] = number.into();
            said["preventedQuantity"] = self.qty(left).into();
        }
        if let Some(reason) = expiry(order) {
            said["expiryReason"] = reason.into();
        }
        said
    }

    /// The answer to an order that was taken.
    pub(super) fn placed(self, order: &Order, trades: &[OwnTrade], detail: Detail) -> Value {
        let mut said = match detail {
            Detail::Result | Detail::Full => self.standing(order),
            Detail::Ack => json!({
                "symbol": self.instrument.symbol.as_str(),
                "orderId": order.id,
                "orderListId": -1,
                "clientOrderId": order.asked.client_id,
            }),
        };
        said["transactTime"] = self.unit.of(order.created).into();
        if detail == Detail::Full {
            let fill = |trade: &OwnTrade| {
                json!({"price": self.px(trade.px), "qty": self.qty(trade.qty),
                    "commission": amount(trade.fee), "commissionAsset": trade.fee_asset.as_str(),
                    "tradeId": trade.id})
            };
            said["fills"] = trades.iter().map(fill).collect();
        }
        said
    }

    /// The answer to a cancel under this id of its own.
    pub(super) fn cancelled(self, order: &Order, by: &str) -> Value {
        let mut said = self.standing(order);
        said["origClientOrderId"] = said["clientOrderId"].take();
        said["clientOrderId"] = by.into();
        said["transactTime"] = self.unit.of(order.updated).into();
        // The documents show it for orders that are placed or queried.
        if let Some(said) = said.as_object_mut() {
            said.remove("workingTime");
        }
        said
    }

    /// The answer to an amendment; before, the order had this client id.
    pub(super) fn amended(self, order: &Order, was: &str, number: u64) -> Value {
        json!({
            "transactTime": self.unit.of(order.updated),
            "executionId": number,
            "amendedOrder": {
                "symbol": self.instrument.symbol.as_str(),
                "orderId": order.id,
                "orderListId": -1,
                "origClientOrderId": was,
                "clientOrderId": order.asked.client_id,
                "price": self.px(order.asked.px),
                "qty": self.qty(order.qty),
                "executedQty": self.qty(order.executed),
                "preventedQty": NOTHING,
                "quoteOrderQty": quote(order),
                "cumulativeQuoteQty": amount(order.paid),
                "status": status(order),
                "timeInForce": life(order),
                "type": sort(order),
                "side": side(order.asked.side),
                "workingTime": self.unit.of(order.created),
                "selfTradePreventionMode": meets(order),
            },
        })
    }

    /// How an order stands, as queries say it.
    pub(super) fn queried(self, order: &Order) -> Value {
        let mut said = self.standing(order);
        said["stopPrice"] = NOTHING.into();
        said["icebergQty"] = NOTHING.into();
        said["time"] = self.unit.of(order.created).into();
        said["updateTime"] = self.unit.of(order.updated).into();
        said["isWorking"] = true.into();
        said
    }

    /// One of an account's trades.
    pub(super) fn own_trade(self, trade: &OwnTrade) -> Value {
        json!({
            "symbol": self.instrument.symbol.as_str(),
            "id": trade.id,
            "orderId": trade.order_id,
            "orderListId": -1,
            "price": self.px(trade.px),
            "qty": self.qty(trade.qty),
            "quoteQty": amount(trade.worth),
            "commission": amount(trade.fee),
            "commissionAsset": trade.fee_asset.as_str(),
            "time": self.unit.of(trade.at),
            "isBuyer": trade.side == Side::Buy,
            "isMaker": trade.maker,
            "isBestMatch": true,
        })
    }

    /// An `executionReport`.
    fn execution(self, report: &Report, order: &Order, change: &Change) -> Value {
        let at = self.unit.of(report.at);
        let mut event = json!({
            "e": "executionReport",
            "E": at,
            "s": self.instrument.symbol.as_str(),
            "c": order.asked.client_id,
            "S": side(order.asked.side),
            "o": sort(order),
            "f": life(order),
            "q": self.qty(order.qty),
            "p": self.px(order.asked.px),
            "P": NOTHING,
            "F": NOTHING,
            "g": -1,
            "C": "",
            "x": match change {
                Change::Placed => "NEW",
                Change::Traded(_) => "TRADE",
                Change::Cancelled(_) => "CANCELED",
                Change::Amended(_) => "REPLACED",
                Change::Expired => "EXPIRED",
                Change::Prevented => "TRADE_PREVENTION",
            },
            "X": status(order),
            "r": "NONE",
            "i": order.id,
            "l": NOTHING,
            "z": self.qty(order.executed),
            "L": NOTHING,
            "n": "0",
            "N": null,
            "T": at,
            "t": -1,
            "I": report.number,
            "w": order.is_open(),
            "m": false,
            "M": false,
            "O": self.unit.of(order.created),
            "Z": amount(order.paid),
            "Y": NOTHING,
            "Q": quote(order),
            "W": self.unit.of(order.created),
            "V": meets(order),
        });
        match change {
            Change::Placed | Change::Expired => {}
            Change::Traded(trade) => {
                event["l"] = self.qty(trade.qty).into();
                event["L"] = self.px(trade.px).into();
                event["n"] = amount(trade.fee).into();
                event["N"] = trade.fee_asset.as_str().into();
                event["t"] = trade.id.into();
                event["m"] = trade.maker.into();
                event["Y"] = amount(trade.worth).into();
            }
            Change::Cancelled(id) => {
                event["C"] = event["c"].take();
                event["c"] = id.as_str().into();
            }
            Change::Amended(was) => event["C"] = was.as_str().into(),
            Change::Prevented => {
                if let Some((number, left)) = order.prevented {
                    event["v"] = number.into();
                    event["A"] = self.qty(left).into();
                    event["B"] = self.qty(left).into();
                }
            }
        }
        if let Some(reason) = expiry(order) {
            event["eR"] = reason.into();
        }
        event
    }
}

/// The event of a user data stream that says this.
pub(super) fn event(report: &Report, market: &dyn Market, unit: TimeUnit) -> Value {
    match &report.news {
        News::Order(order, change) => {
            let words = Words::of(market, order.asked.listing, unit);
            words.execution(report, order, change)
        }
        News::Balances(balances) => {
            let one = |(asset, balance): &(crate::base::Asset, Balance)| {
                json!({"a": asset.as_str(), "f": amount(balance.free),
                    "l": amount(balance.locked)})
            };
            json!({
                "e": "outboundAccountPosition",
                "E": unit.of(report.at),
                "u": unit.of(report.at),
                "B": balances.iter().map(one).collect::<Vec<_>>(),
            })
        }
    }
}

/// What an account has.
pub(super) fn account(
    holdings: &Holdings,
    (maker_ppm, taker_ppm): (u32, u32),
    unit: TimeUnit,
    (may_trade, may_withdraw, omit_zeros): (bool, bool, bool),
    uid: u64,
) -> Value {
    let rate = |ppm: u32| padded(ppm.into(), 6);
    // Older clients read it in hundredths of a percent.
    let whole = |ppm: u32| ppm / 100;
    let zero = |balance: &Balance| balance.free == Amount::ZERO && balance.locked == Amount::ZERO;
    let balances = holdings.balances.iter();
    let balances = balances.filter(|(_, balance)| !(omit_zeros && zero(balance)));
    let one = |(asset, balance): (&crate::base::Asset, &Balance)| {
        json!({"asset": asset.as_str(), "free": amount(balance.free),
            "locked": amount(balance.locked)})
    };
    json!({
        "makerCommission": whole(maker_ppm),
        "takerCommission": whole(taker_ppm),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {"maker": rate(maker_ppm), "taker": rate(taker_ppm),
            "buyer": NOTHING, "seller": NOTHING},
        "canTrade": may_trade,
        "canWithdraw": may_withdraw,
        "canDeposit": true,
        "brokered": false,
        "requireSelfTradePrevention": false,
        "preventSor": false,
        "updateTime": unit.of(holdings.updated),
        "accountType": "SPOT",
        "balances": balances.map(one).collect::<Vec<_>>(),
        "permissions": ["SPOT"],
        "uid": uid,
    })
}
