//! Answers what an account's owner asks without changing anything.

use super::super::methods::{Failure, NO_METHOD, is_in, one};
use super::act::{Request, is_labelled};
use super::words::{self, Words};
use crate::exchange::mirror::orders::{Order, OwnTrade};
use crate::exchange::mirror::{Market, Matcher};
use serde_json::{Value, json};

/// Rows of an answer when no number is named, and at most.
const ROWS: usize = 10;
const ROWS_MAX: usize = 1_000;

impl Request<'_> {
    pub(super) fn query(&self, method: &str, market: &mut dyn Matcher) -> Result<Value, Failure> {
        match method {
            "private/get_order_state" => {
                let (n, id) = self.order_key(market)?;
                let order = self.holdings(market)?.order(n, id).cloned();
                let order = order.ok_or(Failure::new(10_004, "order_not_found"))?;
                Ok(Words::of(market, n).order(&order))
            }
            "private/get_order_state_by_label" => {
                let (of, label) = (self.listings(market)?, self.label()?);
                let found = self.orders(market)?;
                let found = found.into_iter().filter(|order| {
                    of.contains(&order.asked.listing) && is_labelled(order, &label)
                });
                Ok(shown(found, market))
            }
            "private/get_open_orders" => Ok(shown(self.open(market)?.into_iter(), market)),
            "private/get_open_orders_by_instrument" => {
                let n = one(self.params, market)?;
                let open = self.open(market)?.into_iter();
                Ok(shown(open.filter(|order| order.asked.listing == n), market))
            }
            "private/get_open_orders_by_currency" => {
                let of = self.listings(market)?;
                let open = self.open(market)?.into_iter();
                let open = open.filter(|order| of.contains(&order.asked.listing));
                Ok(shown(open, market))
            }
            "private/get_open_orders_by_label" => {
                let (of, label) = (self.listings(market)?, self.label()?);
                let open = self.open(market)?.into_iter();
                let open = open.filter(|order| {
                    of.contains(&order.asked.listing) && is_labelled(order, &label)
                });
                Ok(shown(open, market))
            }
            "private/get_order_history_by_instrument" => {
                let n = one(self.params, market)?;
                self.history(&[n], market)
            }
            "private/get_order_history_by_currency" => {
                let of = self.listings(market)?;
                self.history(&of, market)
            }
            "private/get_user_trades_by_instrument"
            | "private/get_user_trades_by_instrument_and_time" => {
                let n = one(self.params, market)?;
                self.trades(market, |trade| trade.listing == n)
            }
            "private/get_user_trades_by_currency"
            | "private/get_user_trades_by_currency_and_time" => {
                let of = self.listings(market)?;
                self.trades(market, |trade| of.contains(&trade.listing))
            }
            "private/get_user_trades_by_order" => {
                let (n, id) = self.order_key(market)?;
                let trades =
                    self.trades(market, |trade| trade.listing == n && trade.order_id == id)?;
                Ok(trades["trades"].clone())
            }
            "private/get_account_summaries" => {
                let balances = self.holdings(market)?.balances.iter();
                let summaries = balances.map(|(asset, balance)| words::summary(asset, *balance));
                Ok(json!({"id": 1, "type": "main", "username": "simulated",
                    "summaries": summaries.collect::<Vec<_>>()}))
            }
            "private/get_account_summary" => {
                let currency = self.params.value("currency").unwrap_or_default();
                let balances = &self.holdings(market)?.balances;
                let found = balances
                    .iter()
                    .find(|(asset, _)| asset.as_str() == currency);
                let found = found.map(|(asset, balance)| words::summary(asset, *balance));
                found.ok_or(Failure::param("currency"))
            }
            "private/get_positions" => Ok(json!([])), // There are none of spot pairs.
            _ => Err(NO_METHOD),
        }
    }

    /// Listings of the currency or the pair that is named; either currency of a pair finds it.
    pub(super) fn listings(&self, market: &dyn Market) -> Result<Vec<usize>, Failure> {
        let pair = self.params.value("currency_pair");
        let currency = self.params.value("currency");
        let kind = self
            .params
            .value("kind")
            .unwrap_or_else(|| "any".to_owned());
        let wanted = pair.or(currency).ok_or(Failure::param("currency"))?;
        let all = market.listings().iter().enumerate();
        let found = all.filter(|(_, one)| {
            let found = &one.instrument;
            let pair = format!("{}_{}", found.base, found.quote);
            is_in(found, &kind, &wanted) || pair.eq_ignore_ascii_case(&wanted)
        });
        Ok(found.map(|(n, _)| n).collect())
    }

    /// All orders that are kept, oldest first.
    fn orders(&self, market: &mut dyn Matcher) -> Result<Vec<Order>, Failure> {
        let holdings = self.holdings(market)?;
        let all = holdings.open.values().chain(holdings.ended.values());
        let mut all: Vec<Order> = all.cloned().collect();
        all.sort_by_key(|order| (order.created, order.id));
        Ok(all)
    }

    /// Orders that ended, newest first.
    fn history(&self, of: &[usize], market: &mut dyn Matcher) -> Result<Value, Failure> {
        let unfilled = self.params.flag("include_unfilled");
        let count = self.params.number("count", 20usize)?.min(ROWS_MAX);
        let offset = self.params.number("offset", 0usize)?;
        let mut ended = self.orders(market)?;
        ended.retain(|order| {
            let traded = order.executed.0 > 0;
            !order.is_open() && of.contains(&order.asked.listing) && (unfilled || traded)
        });
        ended.reverse();
        Ok(shown(ended.into_iter().skip(offset).take(count), market))
    }

    /// These trades, newest first unless something else is asked for.
    fn trades(
        &self,
        market: &mut dyn Matcher,
        these: impl Fn(&OwnTrade) -> bool,
    ) -> Result<Value, Failure> {
        let params = self.params;
        let count = params.number("count", ROWS)?.clamp(1, ROWS_MAX);
        let seqs = params.number("start_seq", 0u64)?..=params.number("end_seq", u64::MAX)?;
        let (from, to) = (
            params.number("start_timestamp", i64::MIN)?,
            params.number("end_timestamp", i64::MAX)?,
        );
        let holdings = self.holdings(market)?;
        let asked = holdings.trades.iter().filter(|trade| {
            let at = trade.at.as_millis();
            these(trade) && seqs.contains(&trade.id) && (from..=to).contains(&at)
        });
        let mut asked: Vec<(OwnTrade, Option<Order>)> = asked
            .map(|trade| {
                (
                    *trade,
                    holdings.order(trade.listing, trade.order_id).cloned(),
                )
            })
            .collect();
        let sorting = params.value("sorting");
        let oldest_first = match sorting.as_deref() {
            Some("asc") => true,
            Some("desc") => false,
            _ => from != i64::MIN,
        };
        if !oldest_first {
            asked.reverse();
        }
        let more = asked.len() > count;
        let trades = asked
            .iter()
            .take(count)
            .map(|(trade, order)| Words::of(market, trade.listing).trade(trade, order.as_ref()));
        Ok(json!({"trades": trades.collect::<Vec<_>>(), "has_more": more}))
    }
}

fn shown(orders: impl Iterator<Item = Order>, market: &dyn Matcher) -> Value {
    orders
        .map(|order| Words::of(market, order.asked.listing).order(&order))
        .collect()
}
