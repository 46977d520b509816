//! Does what an account's owner asks for. Reads no envelope and checks no signature.

use super::super::{Fault, TimeUnit};
use super::auth::Key;
use super::methods::{Ask, Row};
use super::params::Params;
use super::place::{self, AMENDS_MAX, Detail, invalid, listing};
use super::query::{discount, ppm_text};
use super::words::Words;
use crate::base::{Qty, UnixNanos};
use crate::exchange::Rate;
use crate::exchange::mirror::orders::{Holdings, Order, Status, Window};
use crate::exchange::mirror::{Denied, Matcher, Place, Refusal, Refuses};
use serde_json::{Value, json};

/// Letters of an id that the exchange gives.
const ID_LETTERS: usize = 22;

/// A request of somebody who is known.
pub(super) struct Request<'r> {
    pub(super) key: &'r Key,
    pub(super) params: &'r Params,
    pub(super) unit: TimeUnit,
}

/// Does what this row asks for, as far as the address and the key may ask.
pub(super) fn act(
    row: &Row,
    request: &Request<'_>,
    market: &mut dyn Matcher,
) -> Result<Value, Fault> {
    let weight = row.weight(request.params);
    spend(if row.is_free() { 0 } else { weight }, market)?;
    let done = request.run(row, market);
    if done.is_err() && row.is_free() {
        // What failed costs what the documents say; the next request will find out.
        let _ = market.spend(weight);
    }
    done
}

/// Spends this weight, or says why not.
pub(super) fn spend(weight: u32, market: &mut dyn Matcher) -> Result<(), Fault> {
    market.spend(weight).map_err(|why| {
        let now = market.now();
        let until = |seconds: u64| now.as_millis() + i64::try_from(seconds).unwrap_or(0) * 1000;
        match why {
            Refusal::Banned { retry_after_s } => {
                let until = until(retry_after_s);
                let msg = format!(
                    "Way too much request weight used; IP banned until {until}. Please use \
                     WebSocket Streams for live updates to avoid bans."
                );
                Fault::new(418, -1003, msg).with(retry_after(now, until))
            }
            Refusal::TooMany { retry_after_s } => too_heavy(now, until(retry_after_s)),
            Refusal::NoPath | Refusal::NoMethod => Fault::refusal(why),
        }
    })
}

/// -1003: the address has spent its weight.
fn too_heavy(now: UnixNanos, until_ms: i64) -> Fault {
    let msg = format!(
        "Too much request weight used; current limit is {WEIGHT_MAX} request weight per 1 MINUTE. \
         Please use WebSocket Streams for live updates to avoid polling the API."
    );
    Fault::new(429, -1003, msg).with(retry_after(now, until_ms))
}

/// -1015: the account has placed as many orders as this.
fn too_many(rate: Rate, now: UnixNanos, until_ms: i64) -> Fault {
    let (interval, times) = interval(rate);
    let count = rate.count;
    let msg =
        format!("Too many new orders; current limit is {count} orders per {times} {interval}.");
    Fault::new(429, -1015, msg).with(retry_after(now, until_ms))
}

/// What the exchange says without a reason of the client's.
pub(super) fn injected(why: Refuses, now: UnixNanos) -> Fault {
    let ms = now.as_millis();
    match why {
        Refuses::Clock => {
            let msg = "Timestamp for this request is outside of the recvWindow.";
            Fault::new(400, -1021, msg)
        }
        Refuses::Weight => too_heavy(now, (ms / 60_000 + 1) * 60_000),
        Refuses::Orders => too_many(super::ORDERS[0], now, (ms / 10_000 + 1) * 10_000),
        Refuses::Rejected => Fault::new(400, -2010, "Market is closed."),
        Refuses::Unknown => {
            let msg = "Timeout waiting for response from backend server. Send status unknown; \
                       execution status unknown.";
            Fault::new(504, -1007, msg)
        }
        Refuses::Strange => Fault::new(400, -9_999, "Something that no document has."),
    }
}

/// Weight of requests that one address has in a minute.
pub(super) const WEIGHT_MAX: u32 = 6_000;

fn retry_after(now: UnixNanos, until_ms: i64) -> Value {
    json!({"serverTime": now.as_millis(), "retryAfter": until_ms})
}

impl Request<'_> {
    fn run(&self, row: &Row, market: &mut dyn Matcher) -> Result<Value, Fault> {
        if row.trades() {
            self.key.may_trade()?;
        }
        // The account is opened if it was never seen.
        self.holdings(market)?;
        match row.ask {
            Ask::Place => {
                let (order, detail) = self.new_order(market)?;
                self.place(&order, detail, market)
            }
            Ask::Test => self.test(market),
            Ask::Cancel => {
                self.cancel(["orderId", "origClientOrderId", "newClientOrderId"], market)
            }
            Ask::Replace => self.replace(market),
            Ask::Amend => self.amend(market),
            Ask::CancelAll => self.cancel_all(market),
            Ask::Order => self.order(market),
            Ask::Open => self.open(market),
            Ask::All => self.all(market),
            Ask::Trades => self.trades(market),
            Ask::Account => self.account(market),
            Ask::Counts => {
                let now = market.now();
                let windows = &self.holdings(market)?.windows;
                Ok(windows.iter().map(|window| count(window, now)).collect())
            }
            Ask::Commission => self.commission(market),
            Ask::Fees => self.fees(market),
            Ask::Rights => Ok(self.rights()),
            Ask::Assets => self.assets(market),
            Ask::MarginPairs => Ok(json!([])), // There is no margin trading.
        }
    }

    pub(super) fn holdings<'m>(&self, market: &'m mut dyn Matcher) -> Result<&'m Holdings, Fault> {
        let holdings = market.holdings(self.key.account());
        // The exchange has no such limit; this is what it says to keys that it does not know.
        holdings.ok_or_else(super::auth::unauthorised)
    }

    /// An order, checked in full. One without a client id is given one.
    fn new_order(&self, market: &mut dyn Matcher) -> Result<(Place, Detail), Fault> {
        let (mut order, detail) = place::order(self.params, market)?;
        place::check_open(&order, self.holdings(market)?)?;
        if order.client_id.is_empty() {
            order.client_id = new_id(market);
        }
        Ok((order, detail))
    }

    fn place(
        &self,
        order: &Place,
        detail: Detail,
        market: &mut dyn Matcher,
    ) -> Result<Value, Fault> {
        let placed = market.place(self.key.account(), order);
        let placed = placed.map_err(|why| self.denied(why, -2010, market))?;
        let words = Words::of(market, order.listing, self.unit);
        Ok(words.placed(&placed.order, &placed.trades, detail))
    }

    fn test(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        self.new_order(market)?;
        if !self.params.flag("computeCommissionRates") {
            return Ok(json!({}));
        }
        let rates = |ppm: (u32, u32)| json!({"maker": ppm_text(ppm.0), "taker": ppm_text(ppm.1)});
        Ok(json!({
            "standardCommissionForOrder": rates(FEES_PPM),
            "specialCommissionForOrder": rates((0, 0)),
            "taxCommissionForOrder": rates((0, 0)),
            "discount": discount(),
        }))
    }

    /// The open order that these two parameters name.
    fn to_change(
        &self,
        [id, client_id]: [&str; 2],
        (n, code): (usize, i32),
        market: &mut dyn Matcher,
    ) -> Result<Order, Fault> {
        let unknown = || Fault::new(400, code, "Unknown order sent.");
        let (by_id, by_name) = (self.params.whole(id)?, self.params.get(client_id));
        let holdings = self.holdings(market)?;
        let found = match (by_id, &by_name) {
            (None, None) => return Err(neither(id, client_id)),
            (Some(id), _) => holdings.order(n, id),
            (None, Some(name)) => holdings.named(n, name),
        };
        let found = found.filter(|order| order.is_open()).ok_or_else(unknown)?;
        match by_name.is_none_or(|name| name == found.asked.client_id) {
            true => Ok(found.clone()),
            false => Err(unknown()),
        }
    }

    /// Cancels the order that the first two parameters name; the third one names the cancel.
    fn cancel(
        &self,
        [id, client_id, by]: [&str; 3],
        market: &mut dyn Matcher,
    ) -> Result<Value, Fault> {
        let (n, _) = listing(self.params, market.listings())?;
        let by = self.params.client_id(by)?;
        let only = match self.params.get("cancelRestrictions").as_deref() {
            None => None,
            Some("ONLY_NEW") => Some(Status::New),
            Some("ONLY_PARTIALLY_FILLED") => Some(Status::PartlyFilled),
            Some(_) => return Err(Fault::new(400, -1145, "Invalid cancelRestrictions")),
        };
        let order = self.to_change([id, client_id], (n, -2011), market)?;
        if only.is_some_and(|only| only != order.status) {
            let why = "Order was not canceled due to cancel restrictions.";
            return Err(Fault::new(400, -2011, why));
        }
        let by = by.unwrap_or_else(|| new_id(market));
        let order = market.cancel(self.key.account(), (n, order.id), &by);
        let order = order.map_err(|why| self.denied(why, -2011, market))?;
        Ok(Words::of(market, n, self.unit).cancelled(&order, &by))
    }

    fn replace(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let stops = match &*self.params.need("cancelReplaceMode")? {
            "STOP_ON_FAILURE" => true,
            "ALLOW_FAILURE" => false,
            _ => return Err(invalid("cancelReplaceMode")),
        };
        let cancels_only = match self.params.get("orderRateLimitExceededMode").as_deref() {
            None | Some("DO_NOTHING") => false,
            Some("CANCEL_ONLY") => true,
            Some(_) => return Err(invalid("orderRateLimitExceededMode")),
        };
        let names = [
            "cancelOrderId",
            "cancelOrigClientOrderId",
            "cancelNewClientOrderId",
        ];
        if names[..2]
            .iter()
            .all(|name| self.params.get(name).is_none())
        {
            return Err(neither(names[0], names[1]));
        }
        // Filters and counts are looked at before anything is done.
        let (order, detail) = self.new_order(market)?;
        let now = market.now();
        let mut windows = self.holdings(market)?.windows.iter();
        let full = windows.position(|window| window.count_at(now) >= window.rate.count);
        if let Some(n) = full
            && !cancels_only
        {
            return Err(self.denied(Denied::TooMany(n), -2010, market));
        }
        let cancelled = self.cancel(names, market);
        let placed = match (&cancelled, stops) {
            (Err(_), true) => {
                // It counts all the same, and cannot be refused for that.
                let _ = market.count(self.key.account());
                None
            }
            _ => Some(self.place(&order, detail, market)),
        };
        replaced(cancelled, placed)
    }

    fn amend(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (n, instrument) = listing(self.params, market.listings())?;
        let instrument = *instrument;
        let qty = Qty(self.params.decimal("newQty", instrument.qty_scale)?);
        let client_id = self.params.client_id("newClientOrderId")?;
        let order = self.to_change(["orderId", "origClientOrderId"], (n, -2038), market)?;
        place::check_lots(&instrument, qty)?;
        let px = u128::from(order.asked.px.0.unsigned_abs());
        place::check_worth(&instrument, px * u128::from(qty.0), true)?;
        if order.amends >= AMENDS_MAX {
            return Err(Fault::new(
                400,
                -2038,
                "Filter failure: MAX_NUM_ORDER_AMENDS",
            ));
        }
        let client_id = client_id.unwrap_or_else(|| new_id(market));
        let holdings = self.holdings(market)?;
        let taken = |one: &Order| one.id != order.id && one.asked.client_id == client_id;
        if holdings.resting(n).any(taken) {
            return Err(Fault::new(400, -2038, "Duplicate order sent."));
        }
        let amended = market.amend(self.key.account(), (n, order.id), qty, &client_id);
        let (amended, number) = amended.map_err(|why| self.denied(why, -2038, market))?;
        let words = Words::of(market, n, self.unit);
        Ok(words.amended(&amended, &order.asked.client_id, number))
    }

    fn cancel_all(&self, market: &mut dyn Matcher) -> Result<Value, Fault> {
        let (n, _) = listing(self.params, market.listings())?;
        let open = self.holdings(market)?.resting(n);
        let open: Vec<u64> = open.map(|order| order.id).collect();
        if open.is_empty() {
            return Err(Fault::new(400, -2011, "Unknown order sent."));
        }
        let mut cancelled = Vec::new();
        for id in open {
            let by = new_id(market);
            if let Ok(order) = market.cancel(self.key.account(), (n, id), &by) {
                cancelled.push(Words::of(market, n, self.unit).cancelled(&order, &by));
            }
        }
        Ok(cancelled.into())
    }

    /// Why the matching engine refuses, under this code.
    fn denied(&self, why: Denied, code: i32, market: &mut dyn Matcher) -> Fault {
        let msg = match why {
            Denied::Unknown => "Unknown order sent.",
            Denied::Duplicate => "Duplicate order sent.",
            Denied::Insufficient => "Account has insufficient balance for requested action.",
            Denied::WouldTake => "Order would immediately match and take.",
            Denied::NoLiquidity => "Order book liquidity is less than symbol minimum quantity.",
            Denied::NotLess => "Order amend (quantity increase) is not supported.",
            Denied::NoChange => "The requested action would change no state; rejecting",
            Denied::TooMany(n) => {
                let now = market.now();
                let window = self
                    .holdings(market)
                    .ok()
                    .and_then(|has| has.windows.get(n));
                let Some(window) = window else {
                    return Fault::new(429, -1015, "Too many new orders.");
                };
                return too_many(window.rate, now, window.end(now).as_millis());
            }
        };
        Fault::new(400, code, msg)
    }
}

/// The answer to a cancel and an order; `placed` is none if it was not attempted.
fn replaced(
    cancelled: Result<Value, Fault>,
    placed: Option<Result<Value, Fault>>,
) -> Result<Value, Fault> {
    let word = |good: bool| if good { "SUCCESS" } else { "FAILURE" };
    let (cancel_good, new_good) = (cancelled.is_ok(), matches!(placed, Some(Ok(_))));
    let new_word = placed.as_ref().map_or("NOT_ATTEMPTED", |_| word(new_good));
    let said = |result: Result<Value, Fault>| result.unwrap_or_else(|fault| fault.error());
    let data = json!({
        "cancelResult": word(cancel_good),
        "newOrderResult": new_word,
        "cancelResponse": said(cancelled),
        "newOrderResponse": placed.map(said),
    });
    match (cancel_good, new_good) {
        (true, true) => Ok(data),
        (false, false) => Err(Fault::new(400, -2022, "Order cancel-replace failed.").with(data)),
        (true, false) | (false, true) => {
            let why = "Order cancel-replace partially failed.";
            Err(Fault::new(409, -2021, why).with(data))
        }
    }
}

/// What a trade costs, in millionths: of the maker and of the taker.
pub(super) const FEES_PPM: (u32, u32) = (1_000, 1_000);

pub(super) fn neither(id: &str, client_id: &str) -> Fault {
    let msg = format!("Param '{client_id}' or '{id}' must be sent, but both were empty/null!");
    Fault::new(400, -1102, msg)
}

/// An id that the exchange gives to what the client did not name.
fn new_id(market: &mut dyn Matcher) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut dice = u128::from(market.dice()) << 64 | u128::from(market.dice());
    let mut letter = || {
        let letter = LETTERS[(dice % 62) as usize];
        dice /= 62;
        char::from(letter)
    };
    (0..ID_LETTERS).map(|_| letter()).collect()
}

/// How many orders were placed within a limit.
pub(super) fn count(window: &Window, now: UnixNanos) -> Value {
    let (interval, times) = interval(window.rate);
    json!({"rateLimitType": "ORDERS", "interval": interval, "intervalNum": times,
        "limit": window.rate.count, "count": window.count_at(now)})
}

/// The unit of a limit's interval, and how many of it.
pub(crate) fn interval(rate: Rate) -> (&'static str, u64) {
    let seconds = rate.per.0 / 1_000_000_000;
    match seconds {
        0..60 => ("SECOND", seconds),
        60..3_600 => ("MINUTE", seconds / 60),
        3_600..86_400 => ("HOUR", seconds / 3_600),
        86_400.. => ("DAY", seconds / 86_400),
    }
}
