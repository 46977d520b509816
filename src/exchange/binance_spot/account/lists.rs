//! Lists in answers, item by item. Gives an error for a list with an item that cannot be read: what
//! is left would not be all of it.

use super::forms::TRADES_MAX;
use super::orders::{ORDERS_10S, ORDERS_DAY, Reader, WEIGHT};
use crate::base::{Balance, Decimal, Fill, Px, Qty, Resting, Side};
use crate::exchange::binance_spot::unix_time;
use crate::exchange::kit::account::{fee, px};
use crate::exchange::kit::{Listed, Value, ids, keys};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;

/// Says an answer's list of trades.
pub(super) fn trades(
    listed: &Listed,
    result: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    keys! {
        struct Trade {
            id,
            order = "orderId",
            price,
            qty,
            commission,
            asset = "commissionAsset",
            time,
            buyer = "isBuyer",
            maker = "isMaker",
        }
    }
    let (mut count, mut last) = (0, 0);
    for item in result.array()? {
        let trade = Trade::of(item);
        let fill = Fill {
            trade_id: trade.id.unsigned()?,
            side: match trade.buyer.boolean()? {
                true => Side::Buy,
                false => Side::Sell,
            },
            px: px(trade.price, listed)?,
            qty: trade.qty.qty(listed)?,
            fee: fee(trade.commission, trade.asset)?,
            maker: Some(trade.maker.boolean()?),
            at: trade
                .time
                .unsigned()
                .ok()
                .and_then(unix_time)
                .unwrap_or_default(),
        };
        (count, last) = (count + 1, last.max(fill.trade_id));
        words.push(AccountWord::Trade(listed.id, trade.order.unsigned()?, fill));
    }
    // A full page may not be the last one.
    let full = TRADES_MAX.parse().is_ok_and(|most: usize| count >= most);
    words.push(AccountWord::TradesListed(listed.id, full.then_some(last)));
    Ok(())
}

pub(super) fn resting(reader: &Reader, order: Value<'_>) -> Result<Resting, DecodeError> {
    keys! {
        struct Order {
            symbol,
            number = "orderId",
            name = "clientOrderId",
            side,
            price,
            qty = "origQty",
            traded = "executedQty",
        }
    }
    let order = Order::of(order);
    let mut resting = Resting {
        client_id: ids::client_id(order.name.text()?),
        exchange_id: order.number.unsigned()?,
        instrument: None,
        side: order.side.side(["BUY", "SELL"])?,
        px: Px(0),
        qty: Qty(0),
        traded: Qty(0),
    };
    if let Some(listed) = reader.symbols.find(order.symbol.text()?) {
        resting.instrument = Some(listed.id);
        resting.px = order.price.px(listed)?;
        resting.qty = order.qty.qty(listed)?;
        resting.traded = order.traded.qty(listed)?;
    }
    Ok(resting)
}

/// An asset's name, what of it is free, and what is locked.
pub(super) fn balance([asset, free, locked]: [Value<'_>; 3]) -> Result<AccountWord, DecodeError> {
    let amount = |value: Value<'_>| Decimal::parse(value.text()?.as_bytes()).map_err(|_| Shape);
    Ok(AccountWord::Balance(Balance {
        asset: asset.text()?.try_into().map_err(|_| Shape)?,
        free: amount(free)?,
        locked: amount(locked)?,
    }))
}

/// How much of one of our budgets is used, if the limit is one of them.
pub(super) fn used(limit: Value<'_>) -> Option<AccountWord> {
    keys! {
        struct Limit { of = "rateLimitType", interval, number = "intervalNum", count, limit }
    }
    let limit = Limit::of(limit);
    let number = limit.number.unsigned().ok()?;
    let budget = match (limit.of.string()?, limit.interval.string()?, number) {
        ("REQUEST_WEIGHT", "MINUTE", 1) => WEIGHT,
        ("ORDERS", "SECOND", 10) => ORDERS_10S,
        ("ORDERS", "DAY", 1) => ORDERS_DAY,
        _ => return None,
    };
    let count = limit.count.unsigned().ok()?;
    let allowed = limit.limit.unsigned().ok()?;
    let fit = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Some(AccountWord::Used(budget, fit(count), fit(allowed)))
}
