//! How Deribit words orders, trades and balances: in answers and in the channels of an account.
//! Knows no request.

use super::super::data;
use super::DECIMALS;
use crate::base::{Asset, Instrument, Px, Side};
use crate::exchange::mirror::Market;
use crate::exchange::mirror::orders::{Amount, Balance, Life, Order, OwnTrade, Sort, Status};
use serde_json::{Value, json};

/// Stands around a number that is to be written exactly: in an account nothing may be rounded to
/// what a binary float can hold.
const EXACT: char = '\u{7f}';
/// Between an order's label and what makes its name at the market unique: labels need not be.
pub(super) const UNIQUE: char = '\u{1f}';

/// An amount as a number of JSON, once [`exact`] has seen it.
fn amount(amount: Amount) -> Value {
    let units = amount.units(DECIMALS);
    let one = 10u128.pow(DECIMALS.into());
    let mut number = format!("{}.{:08}", units / one, units % one);
    let kept = number.trim_end_matches('0').len();
    number.truncate(kept);
    if number.ends_with('.') {
        number.push('0');
    }
    format!("{EXACT}{number}{EXACT}").into()
}

/// A text of JSON with its exact numbers as such.
pub(super) fn exact(json: String) -> String {
    match json.contains(EXACT) {
        true => json
            .replace(&format!("\"{EXACT}"), "")
            .replace(&format!("{EXACT}\""), ""),
        false => json,
    }
}

/// The label in an order's name at the market.
pub(super) fn label(client_id: &str) -> &str {
    client_id
        .split_once(UNIQUE)
        .map_or(client_id, |(label, _)| label)
}

/// Words for one instrument's orders.
#[derive(Clone, Copy)]
pub(super) struct Words<'m> {
    instrument: &'m Instrument,
}

impl<'m> Words<'m> {
    /// Those of this listing.
    pub(super) fn of(market: &'m dyn Market, listing: usize) -> Self {
        let instrument = &market.listings()[listing].instrument;
        Self { instrument }
    }

    pub(super) fn symbol(self) -> &'m str {
        self.instrument.symbol.as_str()
    }

    fn order_id(self, id: u64) -> String {
        format!("{}-{id}", self.symbol())
    }

    /// An order as it stands.
    pub(super) fn order(self, order: &Order) -> Value {
        let asked = &order.asked;
        let found = self.instrument;
        let average = self.average(order);
        let post_only = asked.sort == Sort::PostOnly;
        let mut said = json!({
            "order_id": self.order_id(order.id),
            "order_state": state(order),
            "order_type": match asked.sort {
                Sort::Limit | Sort::PostOnly => "limit",
                Sort::Market => "market",
            },
            "time_in_force": match asked.life {
                Life::GoodTillCancel => "good_til_cancelled",
                Life::ImmediateOrCancel => "immediate_or_cancel",
                Life::FillOrKill => "fill_or_kill",
            },
            "instrument_name": self.symbol(),
            "creation_timestamp": order.created.as_millis(),
            "last_update_timestamp": order.updated.as_millis(),
            "direction": direction(asked.side),
            "price": match asked.sort {
                Sort::Limit | Sort::PostOnly => data::px(found, asked.px),
                Sort::Market => average.clone(),
            },
            "label": label(&asked.client_id),
            "post_only": post_only,
            "api": true, "web": false, "mmp": false, "risk_reducing": false,
            "is_rebalance": false,
            "replaced": order.amends > 0,
            "max_show": data::qty(found, order.qty),
            "amount": data::qty(found, order.qty),
            "filled_amount": data::qty(found, order.executed),
            "average_price": average,
        });
        if post_only {
            said["reject_post_only"] = true.into();
        }
        if order.status == Status::Cancelled {
            said["cancel_reason"] = "user_request".into();
        }
        said
    }

    /// What its trades cost a unit on the average, cut off at a price's decimals.
    fn average(self, order: &Order) -> Value {
        let found = self.instrument;
        let scale = found.px_scale + found.qty_scale;
        let paid = order.paid.units(scale);
        let px = paid.checked_div(u128::from(order.executed.0)).unwrap_or(0);
        data::px(found, Px(i64::try_from(px).unwrap_or(i64::MAX)))
    }

    /// One of an account's trades; `order` is how its order stands, if that is known.
    pub(super) fn trade(self, trade: &OwnTrade, order: Option<&Order>) -> Value {
        let found = self.instrument;
        let px = data::px(found, trade.px);
        let mut said = json!({
            "trade_seq": trade.id,
            "trade_id": format!("{}-{}", self.symbol(), trade.id),
            "instrument_name": self.symbol(),
            "timestamp": trade.at.as_millis(),
            "order_id": self.order_id(trade.order_id),
            "order_type": "limit",
            "matching_id": null,
            "direction": direction(trade.side),
            "tick_direction": 0,
            "index_price": px, "mark_price": px, "price": px,
            "amount": data::qty(found, trade.qty),
            "fee": amount(trade.fee),
            "fee_currency": trade.fee_asset.as_str(),
            "liquidity": if trade.maker { "M" } else { "T" },
            "state": order.map_or("archive", state),
            "api": true, "mmp": false, "risk_reducing": false,
            "self_trade": false, "post_only": false,
        });
        if let Some(order) = order {
            let label = label(&order.asked.client_id);
            if !label.is_empty() {
                said["label"] = label.into();
            }
            said["post_only"] = (order.asked.sort == Sort::PostOnly).into();
            if order.asked.sort == Sort::Market {
                said["order_type"] = "market".into();
            }
        }
        said
    }
}

fn direction(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn state(order: &Order) -> &'static str {
    match order.status {
        Status::New | Status::PartlyFilled => "open",
        Status::Filled => "filled",
        Status::Cancelled | Status::Expired | Status::Prevented => "cancelled",
    }
}

/// What an account has of one currency.
pub(super) fn summary(asset: &Asset, balance: Balance) -> Value {
    let all = Amount(balance.free.0.saturating_add(balance.locked.0));
    let free = amount(balance.free);
    json!({
        "currency": asset.as_str(),
        "balance": amount(all), "equity": amount(all), "margin_balance": amount(all),
        "available_funds": free, "available_withdrawal_funds": free,
        "spot_reserve": amount(balance.locked),
        "additional_reserve": 0.0, "fee_balance": 0.0,
        "initial_margin": 0.0, "maintenance_margin": 0.0,
        "projected_initial_margin": 0.0, "projected_maintenance_margin": 0.0,
        "total_pl": 0.0, "session_rpl": 0.0, "session_upl": 0.0, "delta_total": 0.0,
        "margin_model": "segregated_sm", "cross_collateral_enabled": false,
        "portfolio_margining_enabled": false,
    })
}
