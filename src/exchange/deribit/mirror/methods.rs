//! The public methods, which REST and streams share. Holds nothing.

use super::data;
use crate::base::instrument::Kind;
use crate::base::{Instrument, UnixNanos};
use crate::exchange::deribit::CURRENCIES;
use crate::exchange::mirror::{Call, Listing, Market};
use serde_json::{Value, json};

/// The parameters of a call, from a query or from a JSON-RPC request.
pub(crate) enum Params<'a> {
    Query(Call<'a>),
    Json(&'a Value),
}

impl Params<'_> {
    /// A parameter as text; `null` counts as none.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        match self {
            Self::Query(call) => call.value(name).map(std::borrow::Cow::into_owned),
            Self::Json(params) => match &params[name] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            },
        }
    }

    /// Whether it is set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value(name).as_deref() == Some("true")
    }

    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        name: &'static str,
        default: T,
    ) -> Result<T, Failure> {
        match self.value(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| Failure::param(name)),
        }
    }
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    message: &'static str,
    /// The parameter that is wrong, if one is.
    param: Option<&'static str>,
}

impl Failure {
    pub(crate) const fn new(code: i64, message: &'static str) -> Self {
        Self {
            code,
            message,
            param: None,
        }
    }

    pub(crate) const fn param(name: &'static str) -> Self {
        Self {
            code: -32_602,
            message: "Invalid params",
            param: Some(name),
        }
    }
}

/// Nobody is logged on, or not any more.
pub(crate) const UNAUTHORISED: Failure = Failure::new(13_009, "unauthorized");

/// The method's name is not known.
pub(crate) const NO_METHOD: Failure = Failure::new(-32_601, "Method not found");

/// The answer to a call: its result, or why there is none. An id is in it only if one was given.
pub(crate) fn answer(id: &Value, result: Result<Value, Failure>, market: &dyn Market) -> String {
    answer_at(id, result, market.now())
}

/// As [`answer`], at this time.
pub(crate) fn answer_at(id: &Value, result: Result<Value, Failure>, now: UnixNanos) -> String {
    let now_us = now.0 / 1_000;
    let mut answer = json!({
        "jsonrpc": "2.0",
        "usIn": now_us, "usOut": now_us, "usDiff": 0, "testnet": false,
    });
    match result {
        Ok(result) => answer["result"] = result,
        Err(why) => answer["error"] = error(&why),
    }
    if !id.is_null() {
        answer["id"] = id.clone();
    }
    answer.to_string()
}

/// The error object of JSON-RPC.
pub(crate) fn error(why: &Failure) -> Value {
    let mut error = json!({"code": why.code, "message": why.message});
    if let Some(param) = why.param {
        error["data"] = json!({"param": param, "reason": "wrong format"});
    }
    error
}

/// Calls a method that shows something: `public/ticker`.
pub(crate) fn call(
    method: &str,
    params: &Params<'_>,
    market: &dyn Market,
) -> Result<Value, Failure> {
    let each = |show: fn(&dyn Market, usize) -> Value| -> Result<Value, Failure> {
        let found = filtered(params, market)?;
        Ok(found.into_iter().map(|n| show(market, n)).collect())
    };
    match method {
        "public/test" | "public/hello" => Ok(json!({"version": "1.2.26"})),
        "public/get_time" => Ok(market.now().as_millis().into()),
        "public/status" => Ok(json!({"locked": "false", "locked_indices": []})),
        "public/get_currencies" => Ok(currencies(market)),
        "public/get_instruments" => each(|market, n| listed(&market.listings()[n], n)),
        "public/get_instrument" => {
            let n = one(params, market)?;
            Ok(listed(&market.listings()[n], n))
        }
        "public/get_book_summary_by_currency" => {
            params.value("currency").ok_or(Failure::param("currency"))?;
            each(data::summary)
        }
        "public/get_book_summary_by_instrument" => {
            Ok(json!([data::summary(market, one(params, market)?)]))
        }
        "public/ticker" => Ok(data::ticker(market, one(params, market)?)),
        "public/get_order_book" => book(params, market),
        "public/get_last_trades_by_instrument"
        | "public/get_last_trades_by_instrument_and_time" => {
            prints(params, &[one(params, market)?], market)
        }
        "public/get_last_trades_by_currency" | "public/get_last_trades_by_currency_and_time" => {
            prints(params, &filtered(params, market)?, market)
        }
        _ => Err(NO_METHOD),
    }
}

/// The one instrument that must be named.
pub(crate) fn one(params: &Params<'_>, market: &dyn Market) -> Result<usize, Failure> {
    let name = params.value("instrument_name");
    let name = name.ok_or(Failure::param("instrument_name"))?;
    market.find(&name).ok_or(Failure::param("instrument_name"))
}

/// Instruments of the currency and the kind that may be named; `any` and none are all of them.
fn filtered(params: &Params<'_>, market: &dyn Market) -> Result<Vec<usize>, Failure> {
    let currency = params.value("currency").unwrap_or_else(|| "any".to_owned());
    let kind = params.value("kind").unwrap_or_else(|| "any".to_owned());
    if !is_kind(&kind) {
        return Err(Failure::param("kind"));
    }
    let listings = market.listings();
    let is_known = CURRENCIES.contains(&currency.as_str()) || currency == "any";
    let is_listed = || {
        listings
            .iter()
            .any(|one| settles(&one.instrument, &currency))
    };
    if !is_known && !is_listed() {
        return Err(Failure::param("currency"));
    }
    if params.value("expired").as_deref() == Some("true") {
        return Ok(Vec::new());
    }
    let all = listings.iter().enumerate();
    let found = all.filter(|(_, one)| is_of(&one.instrument, &kind, &currency));
    Ok(found.map(|(n, _)| n).collect())
}

const KINDS: [&str; 7] = [
    "any",
    "future",
    "option",
    "spot",
    "future_combo",
    "option_combo",
    "combo",
];

/// Whether there is a kind of instruments that is called so; `any` is all of them.
pub(crate) fn is_kind(kind: &str) -> bool {
    KINDS.contains(&kind)
}

/// As [`is_of`]; a spot pair is in either of its currencies.
pub(crate) fn is_in(found: &Instrument, kind: &str, currency: &str) -> bool {
    let either = found.kind == Kind::Spot && found.base.as_str() == currency;
    is_of(found, kind, currency) || either && is_of(found, kind, "any")
}

fn settles(found: &Instrument, currency: &str) -> bool {
    currency == "any" || found.settle.as_str() == currency
}

/// Whether an instrument is of this kind and settles in this currency, either of which may be
/// `any`.
pub(crate) fn is_of(found: &Instrument, kind: &str, currency: &str) -> bool {
    let own = match found.kind {
        Kind::Spot => "spot",
        Kind::Perpetual | Kind::Future => "future",
        Kind::Option => "option",
    };
    (kind == "any" || kind == own) && settles(found, currency)
}

fn currencies(market: &dyn Market) -> Value {
    let mut codes: Vec<&str> = Vec::new();
    for listing in market.listings() {
        for code in [&listing.instrument.base, &listing.instrument.settle] {
            if !codes.contains(&code.as_str()) {
                codes.push(code.as_str());
            }
        }
    }
    let one = |code: &str| {
        json!({
            "currency": code, "currency_long": code, "coin_type": code,
            "min_confirmations": 1, "min_withdrawal_fee": 0.0, "withdrawal_fee": 0.0,
            "withdrawal_priorities": [], "fee_precision": 4, "decimals": 8,
            "in_cross_collateral_pool": true, "network_fee": 0.0, "apr": 0.0,
        })
    };
    codes.into_iter().map(one).collect()
}

/// What an option's name says of it: `BTC-26DEC25-90000-C`, and with `0d5` for a strike of a half.
/// Nothing of what is none.
fn right(found: &Instrument) -> Value {
    let mut parts = found.symbol.rsplit('-');
    let (right, strike) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let strike = strike.replace('d', ".").parse::<f64>();
    match (found.kind, strike) {
        (Kind::Option, Ok(strike)) => json!({
            "option_type": if right == "P" { "put" } else { "call" }, "strike": strike,
        }),
        _ => json!({}),
    }
}

/// Perpetuals are futures here that never expire.
fn listed(listing: &Listing, n: usize) -> Value {
    let found = &listing.instrument;
    let float = data::float;
    let lot = float(found.lot.0, found.qty_scale);
    let block = found.qty_min.0.saturating_mul(20_000);
    let (kind, period) = match found.kind {
        Kind::Perpetual => ("future", "perpetual"),
        Kind::Future => ("future", "month"),
        Kind::Option => ("option", "month"),
        Kind::Spot => ("spot", ""),
    };
    // An option's price is in what it settles in, and its strike in dollars.
    let counter = match found.base == found.quote {
        true => "USD",
        false => found.quote.as_str(),
    };
    let tick = float(found.tick.0.unsigned_abs(), found.px_scale);
    let mut listed = json!({
        "instrument_name": found.symbol.as_str(), "instrument_id": n + 1,
        "kind": kind, "settlement_period": period, "future_type": sort(found),
        "instrument_type": sort(found),
        "base_currency": found.base.as_str(), "quote_currency": found.quote.as_str(),
        "counter_currency": counter, "settlement_currency": found.settle.as_str(),
        "price_index": format!("{}_{}", found.base, found.quote).to_lowercase(),
        "tick_size": tick, "tick_size_steps": [],
        "contract_size": lot, "min_trade_amount": float(found.qty_min.0, found.qty_scale),
        "creation_timestamp": 1_534_167_754_000i64,
        "expiration_timestamp": 32_503_708_800_000i64,
        "is_active": found.trading, "state": if found.trading { "open" } else { "closed" },
        "maker_commission": 0.0, "taker_commission": 0.0005,
        "block_trade_commission": 0.00025, "block_trade_tick_size": float(1, found.px_scale),
        "block_trade_min_trade_amount": float(block, found.qty_scale),
        "max_leverage": 50, "max_liquidation_commission": 0.0075, "rfq": false,
    });
    for (key, value) in right(found).as_object().into_iter().flatten() {
        listed[key] = value.clone();
    }
    listed
}

const fn sort(found: &Instrument) -> &'static str {
    match found.contract.inverse {
        true => "reversed",
        false => "linear",
    }
}

/// The best levels, and what the ticker says.
fn book(params: &Params<'_>, market: &dyn Market) -> Result<Value, Failure> {
    let n = one(params, market)?;
    let count = params.number("depth", 5usize)?.clamp(1, 10_000);
    let (mut book, top) = (data::ticker(market, n), data::top(market, n, count));
    for key in ["bids", "asks", "change_id"] {
        book[key] = top[key].clone();
    }
    Ok(book)
}

/// Prints of these instruments, newest first unless `sorting` says otherwise.
fn prints(params: &Params<'_>, of: &[usize], market: &dyn Market) -> Result<Value, Failure> {
    let count = params.number("count", 10usize)?.clamp(1, 1_000);
    let from_ms = params.number("start_timestamp", i64::MIN)?;
    let to_ms = params.number("end_timestamp", i64::MAX)?;
    let (from, to) = (
        params.number("start_seq", 0u64)?,
        params.number("end_seq", u64::MAX)?,
    );
    let mut found = Vec::new();
    for &n in of {
        let instrument = &market.listings()[n].instrument;
        let asked = market.prints(n).filter(|trade| {
            let ms = trade.exch_time.as_millis();
            (from_ms..=to_ms).contains(&ms) && (from..=to).contains(&trade.id)
        });
        found.extend(asked.map(|trade| (trade.exch_time, data::print(&trade, instrument))));
    }
    found.sort_by_key(|(at, _)| *at);
    if params.value("sorting").as_deref() != Some("asc") {
        found.reverse();
    }
    let more = found.len() > count;
    let trades: Vec<Value> = found
        .into_iter()
        .take(count)
        .map(|(_, print)| print)
        .collect();
    Ok(json!({"trades": trades, "has_more": more}))
}
