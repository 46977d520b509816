//! Order entry over the WebSocket API: session logon with a real Ed25519 signature, and LIMIT
//! orders. Checks a request in full and hands it on; matches nothing itself.

use super::route::{self, Upgrade};
use super::{Fault, NOTIONAL_MAX, SpotMirror, TimeUnit, find, market, public};
use crate::base::{DecimalError, Instrument, Px, Qty, Side, UnixNanos, decimal};
use crate::exchange::mirror::{AccountSession, Accounts, Life, Listing, Matcher, Place, Placed};
use crate::exchange::{Account, AccountKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Open orders that one account may have in one instrument.
pub(crate) const OPEN_ORDERS_MAX: usize = 200;
const RECV_WINDOW_MS: i64 = 5000;
const RECV_WINDOW_MS_MAX: i64 = 60_000;

/// `newOrderRespType`: each says all that the one before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// That it was taken.
    Ack,
    /// How it stands.
    Result,
    /// What it traded.
    Full,
}

/// A key pair is an account: the API key is the public key.
impl Accounts for SpotMirror {
    fn path(&self) -> &'static str {
        route::API
    }

    fn session(&self, target: &str, now: UnixNanos) -> Option<Box<dyn AccountSession>> {
        match route::upgrade(target)? {
            Upgrade::Api { unit, rate_limits } => {
                Some(Box::new(ApiSession::new(*self, unit, rate_limits, now)))
            }
            Upgrade::Streams { .. } => None,
        }
    }

    fn account(&self, seed: &Zeroizing<[u8; 32]>) -> Result<Account, String> {
        let key = SigningKey::from_bytes(seed);
        let mut api_key = Zeroizing::new(String::with_capacity(64));
        for byte in key.verifying_key().as_bytes() {
            let _ = write!(api_key, "{byte:02x}");
        }
        let private_key_pem = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| error.to_string())?;
        Ok(Account {
            api_key: api_key.into(),
            key: AccountKey::Ed25519Pem(private_key_pem.into()),
        })
    }

    fn api_key(&self) -> &'static str {
        "the lowercase hex of its Ed25519 public key"
    }
}

/// The protocol state of one order connection.
#[derive(Debug, Clone)]
struct ApiSession {
    /// Whose market it shows.
    mirror: SpotMirror,
    /// The unit of times in its answers.
    unit: TimeUnit,
    /// Answers carry `rateLimits` unless the URL or the request says otherwise.
    rate_limits: bool,
    /// When this connection was opened.
    connected: UnixNanos,
    /// The API key that logged on, and when.
    account: Option<(String, UnixNanos)>,
}

type Params = Map<String, Value>;

impl ApiSession {
    /// A connection opened at `connected` whose times are in `unit`.
    fn new(mirror: SpotMirror, unit: TimeUnit, rate_limits: bool, connected: UnixNanos) -> Self {
        Self {
            mirror,
            unit,
            rate_limits,
            connected,
            account: None,
        }
    }

    /// Answers one request.
    fn answer(&mut self, text: &str, market: &mut dyn Matcher) -> String {
        let Ok(request) = serde_json::from_str::<Params>(text) else {
            let fault = Fault::new(400, -1135, "The field `id` or `method` is malformed.");
            return self.envelope(&Value::Null, Err(fault), self.rate_limits);
        };
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        let none = Params::new();
        let params = request
            .get("params")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let limits = params.get("returnRateLimits").and_then(Value::as_bool);
        let method = request.get("method").and_then(Value::as_str).unwrap_or("");
        let now = market.now();
        let result = match method.strip_prefix("v3/").unwrap_or(method) {
            "ping" => Ok(json!({})),
            "time" => Ok(market::server_time(self.unit, now)),
            "session.logon" => self.logon(params, now),
            "session.status" => Ok(self.status(now)),
            "session.logout" => {
                self.account = None;
                Ok(self.status(now))
            }
            "order.place" => self.place(params, now, market),
            method => public::answer(self.mirror, self.unit, method, params, market)
                .unwrap_or_else(|| {
                    let msg = "Method is not simulated or does not exist.";
                    Err(Fault::new(400, -1, msg))
                }),
        };
        self.envelope(&id, result, limits.unwrap_or(self.rate_limits))
    }

    fn logon(&mut self, params: &Params, now: UnixNanos) -> Result<Value, Fault> {
        check_time(params, now)?;
        self.account = Some((verify(params)?, now));
        Ok(self.status(now))
    }

    fn status(&self, now: UnixNanos) -> Value {
        let since = self.account.as_ref().map(|(_, since)| self.unit.of(*since));
        json!({
            "apiKey": self.account.as_ref().map(|(key, _)| key),
            "authorizedSince": since,
            "connectedSince": self.unit.of(self.connected),
            "returnRateLimits": self.rate_limits,
            "serverTime": self.unit.of(now),
            "userDataStream": false,
        })
    }

    fn place(
        &mut self,
        params: &Params,
        now: UnixNanos,
        market: &mut dyn Matcher,
    ) -> Result<Value, Fault> {
        let account = match (&self.account, params.contains_key("signature")) {
            (_, true) => verify(params)?,
            (Some((key, _)), false) => key.clone(),
            (None, false) => return Err(unauthorised()),
        };
        check_time(params, now)?;
        let (order, detail) = check_place(params, market.listings())?;
        check_open(&order, &market.resting(&account, order.listing))?;
        let placed = market.place(&account, &order);
        let instrument = &market.listings()[order.listing].instrument;
        let now = self.unit.of(now);
        Ok(answer(instrument, now, &order, detail, &placed))
    }

    fn envelope(&self, id: &Value, result: Result<Value, Fault>, limits: bool) -> String {
        let mut answer = match result {
            Ok(result) => json!({"id": id, "status": 200, "result": result}),
            Err(fault) => json!({"id": id, "status": fault.status,
                "error": {"code": fault.code, "msg": fault.msg}}),
        };
        if limits {
            answer["rateLimits"] = json!([{"rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 1}]);
        }
        answer.to_string()
    }
}

impl AccountSession for ApiSession {
    fn handle_text(&mut self, text: &str, market: &mut dyn Matcher, out: &mut Vec<String>) {
        out.push(self.answer(text, market));
    }
}

/// The result of an order that was taken.
fn answer(
    instrument: &Instrument,
    now: i64,
    order: &Place,
    detail: Detail,
    placed: &Placed,
) -> Value {
    let mut said = json!({
        "symbol": instrument.symbol.as_str(),
        "orderId": placed.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": now,
    });
    if detail == Detail::Ack {
        return said;
    }
    // Eight decimals each, as Binance writes them, however coarse the instrument is.
    let eight = |units: u128, scale: u8| {
        let one = 10u128.pow(u32::from(scale));
        let part = units % one * 100_000_000 / one;
        format!("{}.{part:08}", units / one)
    };
    let px = |px: Px| eight(px.0.unsigned_abs().into(), instrument.px_scale);
    let qty = |qty: u64| eight(qty.into(), instrument.qty_scale);
    let filled: u64 = placed.fills.iter().map(|(_, qty, _)| qty.0).sum();
    let worth = |(px, qty, _): &(Px, Qty, u64)| instrument.notional(*px, *qty).unwrap_or(0);
    let paid: u128 = placed.fills.iter().map(worth).sum();
    let status = match (filled, order.life) {
        (filled, _) if filled == order.qty.0 => "FILLED",
        (_, Life::ImmediateOrCancel) => "EXPIRED",
        (0, Life::GoodTillCancel) => "NEW",
        (_, Life::GoodTillCancel) => "PARTIALLY_FILLED",
    };
    said["price"] = px(order.px).into();
    said["origQty"] = qty(order.qty.0).into();
    said["executedQty"] = qty(filled).into();
    said["origQuoteOrderQty"] = "0.00000000".into();
    said["cummulativeQuoteQty"] = eight(paid, instrument.notional_scale()).into();
    said["status"] = status.into();
    said["timeInForce"] = match order.life {
        Life::GoodTillCancel => "GTC".into(),
        Life::ImmediateOrCancel => "IOC".into(),
    };
    said["type"] = "LIMIT".into();
    said["side"] = match order.side {
        Side::Buy => "BUY".into(),
        Side::Sell => "SELL".into(),
    };
    said["workingTime"] = said["transactTime"].clone();
    said["selfTradePreventionMode"] = "EXPIRE_MAKER".into();
    if detail == Detail::Full {
        let fill = |(at, much, id): &(Px, Qty, u64)| {
            json!({"price": px(*at), "qty": qty(much.0), "commission": "0.00000000",
                "commissionAsset": "BNB", "tradeId": id})
        };
        said["fills"] = placed.fills.iter().map(fill).collect();
    }
    said
}

fn unauthorised() -> Fault {
    Fault::new(
        401,
        -2015,
        "Invalid API-key, IP, or permissions for action.",
    )
}

fn text<'p>(params: &'p Params, name: &str) -> Result<&'p str, Fault> {
    let text = params
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.ok_or_else(|| {
        let msg =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Fault::new(400, -1102, msg)
    })
}

/// Binance's rule: `timestamp < now + 1 s` and `now - timestamp <= recvWindow`.
fn check_time(params: &Params, now: UnixNanos) -> Result<(), Fault> {
    let Some(timestamp) = params.get("timestamp").and_then(Value::as_i64) else {
        text(params, "timestamp")?;
        return Err(Fault::new(
            400,
            -1100,
            "Illegal characters found in parameter 'timestamp'.",
        ));
    };
    // Milliseconds reach 10^14 in the year 5138: what is larger is in microseconds.
    let sent_us = if timestamp >= 100_000_000_000_000 {
        timestamp
    } else {
        timestamp.saturating_mul(1000)
    };
    let window_ms = match params.get("recvWindow") {
        None => RECV_WINDOW_MS,
        Some(window) => window
            .as_i64()
            .filter(|window| (0..=RECV_WINDOW_MS_MAX).contains(window))
            .ok_or_else(|| Fault::new(400, -1131, "recvWindow must be less than 60000."))?,
    };
    let age_us = now.as_micros().saturating_sub(sent_us);
    if age_us <= -1_000_000 {
        let msg = "Timestamp for this request was 1000ms ahead of the server's time.";
        return Err(Fault::new(400, -1021, msg));
    }
    if age_us > window_ms * 1000 {
        let msg = "Timestamp for this request is outside of the recvWindow.";
        return Err(Fault::new(400, -1021, msg));
    }
    Ok(())
}

/// Checks the request's signature; gives the API key. Here a key *is* the hex of its Ed25519 public
/// key.
fn verify(params: &Params) -> Result<String, Fault> {
    let api_key = text(params, "apiKey")?;
    let key =
        public_key(api_key).ok_or_else(|| Fault::new(401, -2014, "API-key format invalid."))?;
    let invalid = || Fault::new(400, -1022, "Signature for this request is not valid.");
    let signature = STANDARD
        .decode(text(params, "signature")?)
        .map_err(|_| invalid())?;
    let signature = Signature::from_slice(&signature).map_err(|_| invalid())?;
    key.verify_strict(payload(params).as_bytes(), &signature)
        .map_err(|_| invalid())?;
    Ok(api_key.to_owned())
}

fn public_key(hex: &str) -> Option<VerifyingKey> {
    let mut bytes = [0; 32];
    if hex.len() != 64
        || !hex
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    VerifyingKey::from_bytes(&bytes).ok()
}

/// Every parameter but the signature, sorted by name: `k=v&k=v`.
fn payload(params: &Params) -> String {
    let mut pairs: Vec<_> = params
        .iter()
        .filter(|(name, _)| *name != "signature")
        .collect();
    pairs.sort_by_key(|(name, _)| name.as_str());
    let joined = pairs.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    joined.collect::<Vec<_>>().join("&")
}

/// Reads and checks an order in the order in which Binance does: parameters, then filters. Also
/// says how much the answer is to say.
fn check_place(params: &Params, listings: &[Listing]) -> Result<(Place, Detail), Fault> {
    let symbol = text(params, "symbol")?;
    let (listing, Listing { instrument, .. }) =
        find(listings, symbol).ok_or_else(Fault::invalid_symbol)?;
    let side = match text(params, "side")? {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(Fault::new(400, -1117, "Invalid side.")),
    };
    if text(params, "type")? != "LIMIT" {
        return Err(Fault::new(400, -1116, "Invalid orderType."));
    }
    let life = match text(params, "timeInForce")? {
        "GTC" => Life::GoodTillCancel,
        "IOC" => Life::ImmediateOrCancel,
        _ => return Err(Fault::new(400, -1115, "Invalid timeInForce.")),
    };
    let detail = match params.get("newOrderRespType").map(Value::as_str) {
        None | Some(Some("FULL")) => Detail::Full, // What a LIMIT order is answered with unasked.
        Some(Some("RESULT")) => Detail::Result,
        Some(Some("ACK")) => Detail::Ack,
        Some(_) => {
            return Err(Fault::new(
                400,
                -1100,
                "Illegal characters found in parameter 'newOrderRespType'.",
            ));
        }
    };
    let px = number(params, "price", instrument.px_scale)?;
    let qty = Qty(number(params, "quantity", instrument.qty_scale)?);
    let px = Px(i64::try_from(px).map_err(|_| filter("PRICE_FILTER"))?);
    let client_id = client_id(params)?;
    check_filters(instrument, px, qty)?;
    let order = Place {
        listing,
        side,
        px,
        qty,
        life,
        client_id,
    };
    Ok((order, detail))
}

/// Checks an order against those of its account and instrument that rest.
fn check_open(order: &Place, resting: &[&str]) -> Result<(), Fault> {
    if !order.client_id.is_empty() && resting.contains(&order.client_id.as_str()) {
        return Err(Fault::new(400, -2010, "Duplicate order sent."));
    }
    if order.life == Life::GoodTillCancel && resting.len() >= OPEN_ORDERS_MAX {
        return Err(filter("MAX_NUM_ORDERS"));
    }
    Ok(())
}

fn number(params: &Params, name: &str, scale: u8) -> Result<u64, Fault> {
    let digits = text(params, name)?;
    let illegal = || {
        let msg = format!(
            "Illegal characters found in parameter '{name}'; legal range is \
             '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
        );
        Fault::new(400, -1100, msg)
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    for run in [whole, part] {
        if !(1..=20).contains(&run.len()) || !run.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(illegal());
        }
    }
    decimal::parse(digits.as_bytes(), scale).map_err(|error| match error {
        DecimalError::Malformed | DecimalError::TooLarge | DecimalError::Negative => illegal(),
        DecimalError::TooFine => {
            let msg = format!("Parameter '{name}' has too much precision.");
            Fault::new(400, -1111, msg)
        }
    })
}

fn client_id(params: &Params) -> Result<String, Fault> {
    let Some(id) = params.get("newClientOrderId") else {
        return Ok(String::new());
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match id.as_str() {
        Some(id) if (1..=36).contains(&id.len()) && id.bytes().all(legal) => Ok(id.to_owned()),
        _ => {
            let msg = "Illegal characters found in parameter 'newClientOrderId'; legal range is \
                       '^[a-zA-Z0-9-_]{1,36}$'.";
            Err(Fault::new(400, -1100, msg))
        }
    }
}

fn filter(name: &str) -> Fault {
    Fault::new(400, -1013, format!("Filter failure: {name}"))
}

fn check_filters(instrument: &Instrument, px: Px, qty: Qty) -> Result<(), Fault> {
    if px.0 < instrument.tick.0 || px.0 % instrument.tick.0 != 0 {
        return Err(filter("PRICE_FILTER"));
    }
    let sized = (instrument.qty_min..=instrument.qty_max).contains(&qty);
    if !sized || qty.0 == 0 || !qty.0.is_multiple_of(instrument.lot.0) {
        return Err(filter("LOT_SIZE"));
    }
    // An instrument without a minimum is listed without this filter.
    if instrument.notional_min > 0 {
        let one = 10u128.pow(u32::from(instrument.px_scale + instrument.qty_scale));
        let worth = u128::from(px.0.unsigned_abs()) * u128::from(qty.0);
        let max = u128::from(NOTIONAL_MAX) * one;
        if !(instrument.notional_min..=max).contains(&worth) {
            return Err(filter("NOTIONAL"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
