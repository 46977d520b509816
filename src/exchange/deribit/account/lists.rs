//! Lists in answers, item by item. Gives an error for a list with an item that cannot be read: what
//! is left would not be all of it.

use super::orders::{Reader, numbered};
use super::standing::fill;
use crate::base::{Balance, Decimal, Px, Qty, Resting};
use crate::exchange::kit::account::amount_of;
use crate::exchange::kit::{Listed, Value, ids, keys};
use crate::exchange::{AccountWord, DecodeError};
use DecodeError::Shape;

/// Says an answer's list of trades: that of an order is a list, that of an instrument an object
/// which also says whether there are more.
pub(super) fn trades(
    listed: &Listed,
    result: Value<'_>,
    words: &mut Vec<AccountWord>,
) -> Result<(), DecodeError> {
    let list = match result.is_array() {
        true => result,
        false => result.find(b"trades"),
    };
    let mut last = None;
    for trade in list.array()? {
        let (_, order) = numbered(trade.find(b"order_id").text()?)?;
        let fill = fill(trade, listed)?;
        last = last.max(Some(fill.trade_id));
        words.push(AccountWord::Trade(listed.id, order, fill));
    }
    let more = match result.find(b"has_more").some() {
        Some(more) => more.boolean()?,
        None => false,
    };
    let more = last.filter(|_| more);
    words.push(AccountWord::TradesListed(listed.id, more));
    Ok(())
}

/// An order that rests. Of one that waits for a price to be reached there is no limit that is one.
pub(super) fn resting(reader: &Reader, order: Value<'_>) -> Result<Resting, DecodeError> {
    keys! {
        struct Order {
            symbol = "instrument_name",
            number = "order_id",
            name = "label",
            side = "direction",
            price,
            qty = "amount",
            traded = "filled_amount",
        }
    }
    let order = Order::of(order);
    let client_id = order.name.string().and_then(ids::client_id);
    let number = numbered(order.number.text()?);
    let mut resting = Resting {
        client_id,
        // That of somebody else's is nobody's business, whatever it looks like.
        exchange_id: match client_id {
            Some(_) => number?.1,
            None => number.map_or(0, |(_, number)| number),
        },
        instrument: None,
        side: order.side.side(["buy", "sell"])?,
        px: Px(0),
        qty: Qty(0),
        traded: Qty(0),
    };
    if let Some(listed) = reader.symbols.find(order.symbol.text()?) {
        resting.instrument = Some(listed.id);
        resting.px = match client_id {
            Some(_) => order.price.px(listed)?,
            None => order.price.px(listed).unwrap_or(Px(0)),
        };
        resting.qty = order.qty.qty(listed)?;
        resting.traded = match order.traded.some() {
            Some(traded) => traded.qty(listed)?,
            None => Qty(0),
        };
    }
    Ok(resting)
}

/// A currency, what of it is free, and what orders for spot pairs hold. The summary has the sum.
pub(super) fn balance(summary: Value<'_>) -> Result<AccountWord, DecodeError> {
    keys! {
        struct Summary { currency, balance, reserved = "spot_reserve" }
    }
    let summary = Summary::of(summary);
    let all = amount_of(summary.balance.text()?)?;
    let locked = match summary.reserved.some() {
        Some(reserved) => amount_of(reserved.text()?)?,
        None => Decimal { units: 0, scale: 0 },
    };
    Ok(AccountWord::Balance(Balance {
        asset: summary.currency.text()?.try_into().map_err(|_| Shape)?,
        free: less(all, locked).ok_or(Shape)?,
        locked,
    }))
}

/// `all` without `part`, if there is as much.
fn less(all: Decimal, part: Decimal) -> Option<Decimal> {
    let scale = all.scale.max(part.scale);
    let units = |amount: Decimal| {
        let more = 10u128.checked_pow(u32::from(scale - amount.scale))?;
        amount.units.checked_mul(more)
    };
    let units = units(all)?.checked_sub(units(part)?)?;
    Some(Decimal { units, scale })
}
