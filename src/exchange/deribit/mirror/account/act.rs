//! Does what an account's owner asks for. Reads no envelope and checks no signature.

use super::super::methods::{Failure, NO_METHOD, Params, UNAUTHORISED, one};
use super::auth::Key;
use super::words::{UNIQUE, Words, label};
use crate::base::instrument::Kind;
use crate::base::{Instrument, Px, Qty, Side, decimal};
use crate::exchange::deribit::CALL_WEIGHT;
use crate::exchange::mirror::orders::{Holdings, Life, Order, SelfTrade, Size, Sort};
use crate::exchange::mirror::{Asks, Denied, Market, Matcher, Place};
use serde_json::{Value, json};

/// The longest label.
const LABEL_MAX: usize = 64;

pub(super) const TIMED_OUT: Failure = Failure::new(13_888, "timed_out");
pub(super) const TOO_MANY: Failure = Failure::new(10_028, "too_many_requests");
const NOT_FOUND: Failure = Failure::new(10_004, "order_not_found");
const NOT_OPEN: Failure = Failure::new(11_044, "not_open_order");
const FORBIDDEN: Failure = Failure::new(13_021, "forbidden");

/// A request of somebody who is known.
pub(super) struct Request<'r> {
    pub(super) key: &'r Key,
    pub(super) params: &'r Params<'r>,
}

/// What a method is about.
pub(super) fn asks(method: &str) -> Asks {
    match method {
        "private/buy" | "private/sell" => Asks::Place,
        "private/edit" | "private/edit_by_label" => Asks::Amend,
        method if method.starts_with("private/cancel") => Asks::Cancel,
        method if method.starts_with("private/get_") => Asks::Query,
        _ => Asks::Other,
    }
}

/// Calls a method about an account, as far as its key may ask.
pub(super) fn act(
    method: &str,
    request: &Request<'_>,
    market: &mut dyn Matcher,
) -> Result<Value, Failure> {
    // The account is opened if it was never seen.
    request.holdings(market)?;
    match asks(method) {
        Asks::Place | Asks::Amend | Asks::Cancel => {
            if !request.key.rights.trade {
                return Err(FORBIDDEN);
            }
            request.change(method, market)
        }
        Asks::Query => {
            market.spend(CALL_WEIGHT).map_err(|_| TOO_MANY)?;
            request.query(method, market)
        }
        Asks::Replace | Asks::Other | Asks::Report => Err(NO_METHOD),
    }
}

impl Request<'_> {
    fn change(&self, method: &str, market: &mut dyn Matcher) -> Result<Value, Failure> {
        match method {
            "private/buy" => return self.place(Side::Buy, market),
            "private/sell" => return self.place(Side::Sell, market),
            _ => {}
        }
        // An order that is placed counts by itself.
        market.count(self.key.account()).map_err(denied)?;
        match method {
            "private/edit" => {
                let order = self.numbered(market)?;
                self.edit(&order, market)
            }
            "private/edit_by_label" => {
                let (n, _) = self.pair(market)?;
                let label = self.label()?;
                let open = self.open(market)?;
                let mut open = open
                    .iter()
                    .filter(|order| order.asked.listing == n && is_labelled(order, &label));
                match (open.next(), open.next()) {
                    (Some(order), None) => self.edit(order, market),
                    (Some(_), Some(_)) => Err(Failure::new(13_032, "non_unique_order_label")),
                    (None, _) => Err(NOT_FOUND),
                }
            }
            "private/cancel" => {
                let order = self.numbered(market)?;
                let order = self.cancel(&order, market)?;
                Ok(Words::of(market, order.asked.listing).order(&order))
            }
            "private/cancel_by_label" => {
                let label = self.label()?;
                self.cancel_all(market, |order| is_labelled(order, &label))
            }
            "private/cancel_all" => self.cancel_all(market, |_| true),
            "private/cancel_all_by_instrument" => {
                let n = one(self.params, market)?;
                self.cancel_all(market, |order| order.asked.listing == n)
            }
            "private/cancel_all_by_currency" | "private/cancel_all_by_currency_pair" => {
                let of = self.listings(market)?;
                self.cancel_all(market, |order| of.contains(&order.asked.listing))
            }
            _ => Err(NO_METHOD),
        }
    }

    pub(super) fn holdings<'m>(
        &self,
        market: &'m mut dyn Matcher,
    ) -> Result<&'m Holdings, Failure> {
        // The exchange has no such limit; this is what it says to those whom it does not know.
        market.holdings(self.key.account()).ok_or(UNAUTHORISED)
    }

    /// The orders that rest.
    pub(super) fn open(&self, market: &mut dyn Matcher) -> Result<Vec<Order>, Failure> {
        Ok(self.holdings(market)?.open.values().cloned().collect())
    }

    pub(super) fn label(&self) -> Result<String, Failure> {
        let label = self.params.value("label").unwrap_or_default();
        let legal = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        match label.len() <= LABEL_MAX && label.bytes().all(legal) {
            true => Ok(label),
            false => Err(Failure::param("label")),
        }
    }

    /// The spot pair that is named.
    fn pair(&self, market: &dyn Market) -> Result<(usize, Instrument), Failure> {
        let n = one(self.params, market)?;
        let found = market.listings()[n].instrument;
        match found.kind {
            Kind::Spot => Ok((n, found)),
            Kind::Perpetual | Kind::Future | Kind::Option => {
                Err(Failure::new(10_020, "invalid_or_unsupported_instrument"))
            }
        }
    }

    /// The listing and the number that an order's name has.
    pub(super) fn order_key(&self, market: &dyn Market) -> Result<(usize, u64), Failure> {
        let name = self.params.value("order_id");
        let name = name.ok_or(Failure::param("order_id"))?;
        let key = name
            .rsplit_once('-')
            .and_then(|(symbol, number)| Some((market.find(symbol)?, number.parse().ok()?)));
        key.ok_or(NOT_FOUND)
    }

    /// The order that is named, if it rests.
    fn numbered(&self, market: &mut dyn Matcher) -> Result<Order, Failure> {
        let (n, id) = self.order_key(market)?;
        let order = self.holdings(market)?.order(n, id).ok_or(NOT_FOUND)?;
        order.is_open().then(|| order.clone()).ok_or(NOT_OPEN)
    }

    fn amount(&self, found: &Instrument) -> Result<Qty, Failure> {
        let wrong = Failure::param("amount");
        let amount = self.params.value("amount");
        let units = match (amount, self.params.value("contracts")) {
            (Some(amount), _) => decimal::parse(amount.as_bytes(), found.qty_scale),
            (None, Some(lots)) => decimal::parse(lots.as_bytes(), 0).map(|lots| lots * found.lot.0),
            (None, None) => return Err(wrong),
        };
        let qty = Qty(units.map_err(|_| wrong.clone())?);
        if qty < found.qty_min {
            return Err(Failure::new(10_002, "qty_too_low"));
        }
        match qty.0.is_multiple_of(found.lot.0.max(1)) {
            true => Ok(qty),
            false => Err(wrong),
        }
    }

    fn price(&self, found: &Instrument) -> Result<Option<Px>, Failure> {
        let Some(price) = self.params.value("price") else {
            return Ok(None);
        };
        let units = decimal::parse(price.as_bytes(), found.px_scale);
        let px = units.ok().and_then(|units| i64::try_from(units).ok());
        let px = px.filter(|px| *px > 0 && px % found.tick.0.max(1) == 0);
        let wrong = Failure::new(10_043, "price_wrong_tick");
        px.map(|px| Some(Px(px))).ok_or(wrong)
    }

    fn place(&self, side: Side, market: &mut dyn Matcher) -> Result<Value, Failure> {
        let (n, found) = self.pair(market)?;
        let late = |until: i64| until < market.now().as_millis();
        let until = self.params.number("valid_until", i64::MAX)?;
        if late(until) {
            return Err(TIMED_OUT);
        }
        let post_only = self.params.flag("post_only");
        let sort = match self.params.value("type").as_deref() {
            None | Some("limit") if post_only => Sort::PostOnly,
            None | Some("limit") => Sort::Limit,
            Some("market") => Sort::Market,
            Some(_) => return Err(Failure::param("type")),
        };
        let life = match self.params.value("time_in_force").as_deref() {
            None | Some("good_til_cancelled" | "good_til_day") => Life::GoodTillCancel,
            Some("immediate_or_cancel") => Life::ImmediateOrCancel,
            Some("fill_or_kill") => Life::FillOrKill,
            Some(_) => return Err(Failure::param("time_in_force")),
        };
        let qty = self.amount(&found)?;
        let px = match sort {
            Sort::Market => Px(0),
            Sort::Limit | Sort::PostOnly => {
                let px = self.price(&found)?.ok_or(Failure::param("price"))?;
                match post_only && !self.params.flag("reject_post_only") {
                    true => beside(px, side, n, market),
                    false => px,
                }
            }
        };
        let unique = market.dice();
        let order = Place {
            listing: n,
            side,
            sort,
            px,
            size: Size::Qty(qty),
            life,
            client_id: format!("{}{UNIQUE}{unique:x}", self.label()?),
            meets: SelfTrade::ExpireMaker,
        };
        let placed = market.place(self.key.account(), &order).map_err(denied)?;
        let words = Words::of(market, n);
        let trade = |trade| words.trade(trade, Some(&placed.order));
        Ok(json!({
            "order": words.order(&placed.order),
            "trades": placed.trades.iter().map(trade).collect::<Vec<_>>(),
        }))
    }

    /// Makes an order smaller where it rests.
    fn edit(&self, order: &Order, market: &mut dyn Matcher) -> Result<Value, Failure> {
        let n = order.asked.listing;
        let found = market.listings()[n].instrument;
        let qty = self.amount(&found)?;
        let same = self.price(&found)?.is_none_or(|px| px == order.asked.px);
        if !same || qty > order.qty {
            return Err(Failure::new(11_030, "other_reject"));
        }
        let (account, key) = (self.key.account(), (n, order.id));
        let order = match market.amend(account, key, qty, &order.asked.client_id) {
            Ok((order, _)) => order,
            Err(Denied::NoChange) => order.clone(),
            Err(why) => return Err(denied(why)),
        };
        let words = Words::of(market, n);
        Ok(json!({"order": words.order(&order), "trades": []}))
    }

    fn cancel(&self, order: &Order, market: &mut dyn Matcher) -> Result<Order, Failure> {
        let key = (order.asked.listing, order.id);
        let cancelled = market.cancel(self.key.account(), key, "");
        cancelled.map_err(|_| NOT_OPEN)
    }

    /// Cancels all of these, and says how many, or which.
    fn cancel_all(
        &self,
        market: &mut dyn Matcher,
        these: impl Fn(&Order) -> bool,
    ) -> Result<Value, Failure> {
        let open = self.open(market)?;
        let mut cancelled = Vec::new();
        for order in open.iter().filter(|order| these(order)) {
            cancelled.extend(self.cancel(order, market));
        }
        if !self.params.flag("detailed") {
            return Ok(cancelled.len().into());
        }
        let word = |order: &Order| Words::of(market, order.asked.listing).order(order);
        Ok(cancelled.iter().map(word).collect())
    }
}

/// Whether an order carries this label.
pub(super) fn is_labelled(order: &Order, wanted: &str) -> bool {
    !wanted.is_empty() && label(&order.asked.client_id) == wanted
}

/// The price, or the best one beside it at which the order does not trade.
fn beside(px: Px, side: Side, n: usize, market: &dyn Market) -> Px {
    let tick = market.listings()[n].instrument.tick.0.max(1);
    let best = market.levels(n, side.opposite()).next();
    match (best, side) {
        (Some(best), Side::Buy) => px.min(Px(best.px.0 - tick)),
        (Some(best), Side::Sell) => px.max(Px(best.px.0 + tick)),
        (None, _) => px,
    }
}

/// Why the matching engine refuses.
fn denied(why: Denied) -> Failure {
    match why {
        Denied::Insufficient => Failure::new(10_009, "not_enough_funds"),
        Denied::WouldTake => Failure::new(11_054, "post_only_reject"),
        Denied::TooMany(_) => TOO_MANY,
        Denied::Unknown => NOT_FOUND,
        Denied::NotLess => Failure::new(10_002, "qty_too_low"),
        Denied::NoLiquidity | Denied::Duplicate | Denied::NoChange => {
            Failure::new(11_030, "other_reject")
        }
    }
}
