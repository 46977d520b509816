//! Reads and checks an order in the order in which Binance does: parameters, then filters. Places
//! nothing.

use super::super::{Fault, NOTIONAL_MAX, find};
use super::params::Params;
use crate::base::{Instrument, Px, Qty, Side};
use crate::exchange::mirror::orders::{Amount, Holdings, Life, SelfTrade, Size, Sort};
use crate::exchange::mirror::{Listing, Market, Place};

/// Open orders that one account may have in one instrument.
pub(in super::super) const OPEN_ORDERS_MAX: usize = 200;
/// How often one order may be made smaller.
pub(in super::super) const AMENDS_MAX: u32 = 10;
/// What every symbol allows, the one that holds unasked first.
pub(in super::super) const SELF_TRADE: [&str; 4] =
    ["EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE"];

/// Parameters of an order, beside those of every signed request.
pub(super) const PARAMETERS: [&str; 18] = [
    "symbol",
    "side",
    "type",
    "timeInForce",
    "price",
    "quantity",
    "quoteOrderQty",
    "newClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "pegPriceType",
    "pegOffsetType",
    "pegOffsetValue",
];

/// `newOrderRespType`: each says all that the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// That it was taken.
    Ack,
    /// How it stands.
    Result,
    /// What it traded.
    Full,
}

/// What a symbol does not have, and by which parameter somebody asks for it.
const UNSUPPORTED: [(&str, &str); 3] = [
    (
        "icebergQty",
        "Iceberg orders are not supported for this symbol.",
    ),
    (
        "trailingDelta",
        "Trailing stop orders are not supported for this symbol.",
    ),
    (
        "pegPriceType",
        "Pegged orders are not supported for this symbol.",
    ),
];

/// The listing that a request names.
pub(super) fn listing<'l>(
    params: &Params,
    listings: &'l [Listing],
) -> Result<(usize, &'l Instrument), Fault> {
    let symbol = params.need("symbol")?;
    let (n, listing) = find(listings, &symbol).ok_or_else(Fault::invalid_symbol)?;
    Ok((n, &listing.instrument))
}

/// An order, checked but for what depends on its account, and how much its answer is to say. Its
/// client id is empty if the client sent none.
pub(super) fn order(params: &Params, market: &dyn Market) -> Result<(Place, Detail), Fault> {
    let (n, instrument) = listing(params, market.listings())?;
    let side = match &*params.need("side")? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(Fault::new(400, -1117, "Invalid side.")),
    };
    let sort = sort(&params.need("type")?)?;
    let life = life(params, sort)?;
    let detail = detail(params, sort)?;
    let px = match sort {
        Sort::Market => Px(0),
        Sort::Limit | Sort::PostOnly => {
            let px = params.decimal("price", instrument.px_scale)?;
            Px(i64::try_from(px).map_err(|_| filter("PRICE_FILTER"))?)
        }
    };
    let size = size(params, sort, instrument)?;
    for (name, needless) in [
        ("price", sort == Sort::Market),
        ("stopPrice", true),
        (
            "quoteOrderQty",
            sort != Sort::Market || matches!(size, Size::Qty(_)),
        ),
    ] {
        if needless && params.get(name).is_some() {
            return Err(not_required(name));
        }
    }
    for (name, why) in UNSUPPORTED {
        if params.get(name).is_some() {
            return Err(Fault::new(400, -2010, why));
        }
    }
    if params
        .whole::<i64>("strategyType")?
        .is_some_and(|n| n < 1_000_000)
    {
        let why = "`strategyType` was less than 1000000.";
        return Err(Fault::new(400, -1134, why));
    }
    params.whole::<i64>("strategyId")?;
    let order = Place {
        listing: n,
        side,
        sort,
        px,
        size,
        life,
        client_id: params.client_id("newClientOrderId")?.unwrap_or_default(),
        meets: meets(params)?,
    };
    check_filters(instrument, &order, market)?;
    Ok((order, detail))
}

fn sort(name: &str) -> Result<Sort, Fault> {
    let stop = match name {
        "LIMIT" => return Ok(Sort::Limit),
        "LIMIT_MAKER" => return Ok(Sort::PostOnly),
        "MARKET" => return Ok(Sort::Market),
        "STOP_LOSS" => "Stop loss",
        "STOP_LOSS_LIMIT" => "Stop loss limit",
        "TAKE_PROFIT" => "Take profit",
        "TAKE_PROFIT_LIMIT" => "Take profit limit",
        _ => return Err(Fault::new(400, -1116, "Invalid orderType.")),
    };
    let why = format!("{stop} orders are not supported for this symbol.");
    Err(Fault::new(400, -2010, why))
}

fn life(params: &Params, sort: Sort) -> Result<Life, Fault> {
    match (sort, params.get("timeInForce")) {
        (Sort::Market, None) => Ok(Life::ImmediateOrCancel),
        (Sort::PostOnly, None) => Ok(Life::GoodTillCancel),
        (Sort::Market | Sort::PostOnly, Some(_)) => Err(not_required("timeInForce")),
        (Sort::Limit, _) => match &*params.need("timeInForce")? {
            "GTC" => Ok(Life::GoodTillCancel),
            "IOC" => Ok(Life::ImmediateOrCancel),
            "FOK" => Ok(Life::FillOrKill),
            _ => Err(Fault::new(400, -1115, "Invalid timeInForce.")),
        },
    }
}

fn detail(params: &Params, sort: Sort) -> Result<Detail, Fault> {
    match params.get("newOrderRespType").as_deref() {
        None if sort == Sort::PostOnly => Ok(Detail::Ack),
        None | Some("FULL") => Ok(Detail::Full),
        Some("RESULT") => Ok(Detail::Result),
        Some("ACK") => Ok(Detail::Ack),
        Some(_) => Err(Fault::illegal("newOrderRespType")),
    }
}

fn size(params: &Params, sort: Sort, instrument: &Instrument) -> Result<Size, Fault> {
    let (qty, worth) = (params.get("quantity"), params.get("quoteOrderQty"));
    match (sort, qty, worth) {
        (Sort::Market, None, None) => {
            let msg = "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!";
            Err(Fault::new(400, -1102, msg))
        }
        (Sort::Market, None, Some(_)) => {
            let units = params.decimal("quoteOrderQty", super::super::PRECISION)?;
            let worth = Amount::of(units.into(), super::super::PRECISION);
            Ok(Size::Worth(worth))
        }
        (Sort::Market | Sort::Limit | Sort::PostOnly, ..) => {
            let units = params.decimal("quantity", instrument.qty_scale)?;
            Ok(Size::Qty(Qty(units)))
        }
    }
}

fn meets(params: &Params) -> Result<SelfTrade, Fault> {
    match params.get("selfTradePreventionMode").as_deref() {
        None | Some("EXPIRE_MAKER") => Ok(SelfTrade::ExpireMaker),
        Some("EXPIRE_TAKER") => Ok(SelfTrade::ExpireTaker),
        Some("EXPIRE_BOTH") => Ok(SelfTrade::ExpireBoth),
        Some("NONE") => Ok(SelfTrade::Allowed),
        Some("DECREMENT" | "TRANSFER") => {
            let why = "This symbol does not allow the specified self-trade prevention mode.";
            Err(Fault::new(400, -1013, why))
        }
        Some(_) => Err(invalid("selfTradePreventionMode")),
    }
}

/// Checks an order against those of its account and instrument that rest.
pub(super) fn check_open(order: &Place, holdings: &Holdings) -> Result<(), Fault> {
    let rests = order.sort != Sort::Market && order.life == Life::GoodTillCancel;
    if rests && holdings.resting(order.listing).count() >= OPEN_ORDERS_MAX {
        return Err(filter("MAX_NUM_ORDERS"));
    }
    Ok(())
}

/// -1106: this parameter has no meaning here.
fn not_required(name: &str) -> Fault {
    let msg = format!("Parameter '{name}' sent when not required.");
    Fault::new(400, -1106, msg)
}

/// -1130: this parameter has no such value.
pub(super) fn invalid(name: &str) -> Fault {
    let msg = format!("Data sent for parameter '{name}' is not valid.");
    Fault::new(400, -1130, msg)
}

/// -1013: against this filter.
pub(super) fn filter(name: &str) -> Fault {
    Fault::new(400, -1013, format!("Filter failure: {name}"))
}

fn check_filters(instrument: &Instrument, order: &Place, market: &dyn Market) -> Result<(), Fault> {
    let limited = order.sort != Sort::Market;
    let px = order.px;
    if limited && (px.0 < instrument.tick.0 || px.0 % instrument.tick.0 != 0) {
        return Err(filter("PRICE_FILTER"));
    }
    if let Size::Qty(qty) = order.size {
        check_lots(instrument, qty)?;
    }
    // A market order is measured at the price that was last.
    let px = if limited {
        px
    } else {
        market.day(order.listing).last
    };
    let worth = match order.size {
        Size::Qty(qty) => u128::from(px.0.unsigned_abs()) * u128::from(qty.0),
        Size::Worth(worth) => worth.units(instrument.px_scale + instrument.qty_scale),
    };
    check_worth(instrument, worth, limited)
}

/// Whether an order may have this quantity.
pub(super) fn check_lots(instrument: &Instrument, qty: Qty) -> Result<(), Fault> {
    let sized = (instrument.qty_min..=instrument.qty_max).contains(&qty);
    if !sized || qty.0 == 0 || !qty.0.is_multiple_of(instrument.lot.0) {
        return Err(filter("LOT_SIZE"));
    }
    Ok(())
}

/// Whether an order may be worth this much, in units of price times quantity. There is no maximum
/// for market orders.
pub(super) fn check_worth(
    instrument: &Instrument,
    worth: u128,
    limited: bool,
) -> Result<(), Fault> {
    // An instrument without a minimum is listed without this filter.
    if instrument.notional_min == 0 {
        return Ok(());
    }
    let one = 10u128.pow(u32::from(instrument.px_scale + instrument.qty_scale));
    let max = u128::from(NOTIONAL_MAX) * one;
    match worth < instrument.notional_min || limited && worth > max {
        true => Err(filter("NOTIONAL")),
        false => Ok(()),
    }
}
