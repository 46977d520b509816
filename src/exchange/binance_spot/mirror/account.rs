//! The account side: order entry over the WebSocket API with a session that may be logged on, and
//! by REST, and the user data stream. Matches nothing and keeps no account.

mod act;
mod auth;
mod methods;
mod params;
mod place;
mod query;
mod rest;
mod words;

use super::route::{self, Upgrade};
use super::{Fault, SpotMirror, TimeUnit, market, public};
use crate::base::{Span, UnixNanos};
use crate::exchange::mirror::orders::Fees;
use crate::exchange::mirror::{
    AccountSession, Accounts, Asks, Call, Market, Matcher, Refuses, Reply, Report, Terms,
};
use crate::exchange::{Account, AccountKey, Rate};
pub(super) use act::interval;
use act::{FEES_PPM, Request, WEIGHT_MAX, act, spend};
use auth::Key;
pub(super) use auth::{is_ed25519, unauthorised};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
use methods::Row;
use params::Params;
pub(super) use place::{AMENDS_MAX, OPEN_ORDERS_MAX, SELF_TRADE};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Orders that one account may place and leave unfilled.
pub(super) const ORDERS: [Rate; 2] = [
    Rate {
        count: 100,
        per: Span::from_secs(10),
    },
    Rate {
        count: 200_000,
        per: Span::from_secs(86_400),
    },
];
/// Subscriptions that one connection may have at once, and over its life.
const SUBSCRIPTIONS_MAX: usize = 1_000;
/// See `SUBSCRIPTIONS_MAX`.
const SUBSCRIPTION_IDS_MAX: u32 = 65_535;

/// Every API key opens an account of its own.
impl Accounts for SpotMirror {
    fn path(&self) -> &'static str {
        route::API
    }

    fn terms(&self) -> Terms {
        Terms {
            fees: Fees {
                maker_ppm: FEES_PPM.0,
                taker_ppm: FEES_PPM.1,
                decimals: super::PRECISION,
            },
            orders: &ORDERS,
            credit: (5, 1),
        }
    }

    fn session(&self, target: &str, now: UnixNanos) -> Option<Box<dyn AccountSession>> {
        match route::upgrade(target)? {
            Upgrade::Api { unit, rate_limits } => {
                Some(Box::new(ApiSession::new(*self, unit, rate_limits, now)))
            }
            Upgrade::Streams { .. } => None,
        }
    }

    fn respond(&self, call: Call<'_>, market: &mut dyn Matcher) -> Option<Reply> {
        rest::answer(call, market)
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
        "the lowercase hex of its Ed25519 public key, or any text: its HMAC secret is the text's \
         SHA-256 digest in hex (printf %s KEY | sha256sum)"
    }
}

/// A user data stream on one connection.
#[derive(Debug, Clone)]
struct Subscription {
    id: u32,
    account: String,
    /// It ends with the logon.
    by_logon: bool,
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
    /// The key that logged on, and when.
    logon: Option<(Key, UnixNanos)>,
    subscriptions: Vec<Subscription>,
    /// How many there ever were.
    subscribed: u32,
}

/// An answer's content, and whose orders it counts.
type Said = (Result<Value, Fault>, Option<String>);

impl ApiSession {
    /// A connection opened at `connected` whose times are in `unit`.
    fn new(mirror: SpotMirror, unit: TimeUnit, rate_limits: bool, connected: UnixNanos) -> Self {
        Self {
            mirror,
            unit,
            rate_limits,
            connected,
            logon: None,
            subscriptions: Vec::new(),
            subscribed: 0,
        }
    }

    /// Answers one request. What else the client is told because of it is appended to `events`.
    fn answer(&mut self, text: &str, market: &mut dyn Matcher, events: &mut Vec<String>) -> String {
        let Ok(request) = serde_json::from_str::<Map<String, Value>>(text) else {
            let fault = Fault::new(400, -1135, "The field `id` or `method` is malformed.");
            return self.envelope(&Value::Null, (Err(fault), None), self.rate_limits, market);
        };
        let id = request.get("id").cloned().unwrap_or(Value::Null);
        let params = Params::object(&request);
        let limits = params
            .map()
            .get("returnRateLimits")
            .and_then(Value::as_bool);
        let method = request.get("method").and_then(Value::as_str).unwrap_or("");
        let method = method.strip_prefix("v3/").unwrap_or(method);
        let said = match Row::called(method) {
            Some(row) => self.act(row, &params, market),
            None => (self.session(method, &params, market, events), None),
        };
        self.envelope(&id, said, limits.unwrap_or(self.rate_limits), market)
    }

    /// Does what is about an account.
    fn act(&mut self, row: &Row, params: &Params, market: &mut dyn Matcher) -> Said {
        let key = match self.signer(params, market.now()) {
            Ok(key) => key,
            Err(fault) => return (Err(fault), None),
        };
        let unit = self.unit;
        let request = Request {
            key: &key,
            params,
            unit,
        };
        let done = act(row, &request, market);
        (done, row.counts().then(|| key.account().to_owned()))
    }

    /// Who sent this: whoever signed it, or else logged on.
    fn signer(&self, params: &Params, now: UnixNanos) -> Result<Key, Fault> {
        let signs = params.map().contains_key("signature");
        let key = match (&self.logon, signs) {
            (_, true) => None,
            (Some((key, _)), false) => Some(key.clone()),
            (None, false) => return Err(unauthorised()),
        };
        params.check_time(now)?;
        key.map_or_else(|| signed(params), Ok)
    }

    /// Does what is about this connection, or about nobody.
    fn session(
        &mut self,
        method: &str,
        params: &Params,
        market: &mut dyn Matcher,
        events: &mut Vec<String>,
    ) -> Result<Value, Fault> {
        let now = market.now();
        let weight = match method {
            "ping" | "time" => 1,
            "session.logon" | "session.status" | "session.logout" | "session.subscriptions" => 2,
            "userDataStream.subscribe"
            | "userDataStream.subscribe.signature"
            | "userDataStream.unsubscribe" => 2,
            _ => 0,
        };
        spend(weight, market)?;
        match method {
            "ping" => Ok(json!({})),
            "time" => Ok(market::server_time(self.unit, now)),
            "session.logon" => self.log_on(params, now),
            "session.status" => Ok(self.status(now)),
            "session.logout" => {
                self.logon = None;
                let ends = |subscription: &Subscription| subscription.by_logon;
                self.unsubscribe(ends, now, events);
                Ok(self.status(now))
            }
            "session.subscriptions" => {
                let all = self.subscriptions.iter();
                Ok(all.map(|one| json!({"subscriptionId": one.id})).collect())
            }
            "userDataStream.subscribe" => {
                let (key, _) = self.logon.as_ref().ok_or_else(unauthorised)?;
                let account = key.account().to_owned();
                self.subscribe(account, true, market)
            }
            "userDataStream.subscribe.signature" => {
                params.check_time(now)?;
                let key = signed(params)?;
                self.subscribe(key.account().to_owned(), false, market)
            }
            "userDataStream.unsubscribe" => {
                let id = params.whole::<u32>("subscriptionId")?;
                let ends = |one: &Subscription| id.is_none_or(|id| id == one.id);
                if !self.unsubscribe(ends, now, events) {
                    let why = "User Data Stream subscription not active.";
                    return Err(Fault::new(400, -2036, why));
                }
                Ok(json!({}))
            }
            method => {
                let said = public::answer(self.mirror, self.unit, method, params.map(), market);
                let Some((said, weight)) = said else {
                    let msg = "Method is not simulated or does not exist.";
                    return Err(Fault::new(400, -1, msg));
                };
                spend(weight, market)?;
                said
            }
        }
    }

    /// Only Ed25519 keys log on.
    fn log_on(&mut self, params: &Params, now: UnixNanos) -> Result<Value, Fault> {
        params.check_time(now)?;
        let key = signed(params)?;
        let by_hmac = params.need("signature")?.len() == 64;
        if by_hmac {
            let why = "Signature for this request is not valid.";
            return Err(Fault::new(400, -1022, why));
        }
        self.logon = Some((key, now));
        Ok(self.status(now))
    }

    fn status(&self, now: UnixNanos) -> Value {
        let logon = self.logon.as_ref();
        json!({
            "apiKey": logon.map(|(key, _)| &key.text),
            "authorizedSince": logon.map(|(_, since)| self.unit.of(*since)),
            "connectedSince": self.unit.of(self.connected),
            "returnRateLimits": self.rate_limits,
            "serverTime": self.unit.of(now),
            "userDataStream": !self.subscriptions.is_empty(),
        })
    }

    /// Follows an account from now on.
    fn subscribe(
        &mut self,
        account: String,
        by_logon: bool,
        market: &mut dyn Matcher,
    ) -> Result<Value, Fault> {
        if self.subscriptions.iter().any(|one| one.account == account) {
            let why = "User Data Stream subscription already active.";
            return Err(Fault::new(400, -2035, why));
        }
        if self.subscribed >= SUBSCRIPTION_IDS_MAX || self.subscriptions.len() >= SUBSCRIPTIONS_MAX
        {
            let why = "Maximum subscription ID reached for this connection.";
            return Err(Fault::new(400, -2042, why));
        }
        market.holdings(&account).ok_or_else(unauthorised)?;
        let id = self.subscribed;
        self.subscribed += 1;
        self.subscriptions.push(Subscription {
            id,
            account,
            by_logon,
        });
        Ok(json!({"subscriptionId": id}))
    }

    /// Ends some subscriptions, and tells so; false if there are none.
    fn unsubscribe(
        &mut self,
        ends: impl Fn(&Subscription) -> bool,
        now: UnixNanos,
        events: &mut Vec<String>,
    ) -> bool {
        let before = self.subscriptions.len();
        let at = self.unit.of(now);
        self.subscriptions.retain(|one| {
            let ends = ends(one);
            if ends {
                let event = json!({"e": "eventStreamTerminated", "E": at});
                events.push(json!({"subscriptionId": one.id, "event": event}).to_string());
            }
            !ends
        });
        self.subscriptions.len() < before
    }

    fn envelope(
        &self,
        id: &Value,
        (result, counted): Said,
        limits: bool,
        market: &mut dyn Matcher,
    ) -> String {
        let mut answer = match result {
            Ok(result) => json!({"id": id, "status": 200, "result": result}),
            Err(fault) => json!({"id": id, "status": fault.status, "error": fault.error()}),
        };
        if limits {
            let now = market.now();
            let holdings = counted.and_then(|account| market.holdings(&account));
            let windows = holdings.map(|holdings| holdings.windows.clone());
            let mut all: Vec<Value> = windows
                .iter()
                .flatten()
                .map(|w| act::count(w, now))
                .collect();
            all.push(
                json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
                "intervalNum": 1, "limit": WEIGHT_MAX, "count": market.spent()}),
            );
            answer["rateLimits"] = all.into();
        }
        answer.to_string()
    }
}

/// Whoever signed a request of the WebSocket API.
fn signed(params: &Params) -> Result<Key, Fault> {
    let (api_key, signature) = (params.need("apiKey")?, params.need("signature")?);
    auth::verify(&api_key, &auth::payload(params), &signature)
}

impl AccountSession for ApiSession {
    fn handle_text(&mut self, text: &str, market: &mut dyn Matcher, out: &mut Vec<String>) {
        let mut events = Vec::new();
        let answer = self.answer(text, market, &mut events);
        out.push(answer);
        out.append(&mut events);
    }

    fn asks(&self, text: &str) -> Asks {
        let request: Option<Value> = serde_json::from_str(text).ok();
        let method = request
            .as_ref()
            .and_then(|request| request["method"].as_str());
        let method = method.map(|method| method.strip_prefix("v3/").unwrap_or(method));
        method
            .and_then(Row::called)
            .map_or(Asks::Other, |row| row.asks())
    }

    fn refuse(&self, text: &str, why: Refuses, now: UnixNanos) -> String {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let fault = act::injected(why, now);
        json!({"id": request["id"], "status": fault.status, "error": fault.error()}).to_string()
    }

    fn handle_report(&mut self, report: &Report, market: &dyn Market, out: &mut Vec<String>) {
        let follows = |one: &&Subscription| one.account == *report.account;
        for one in self.subscriptions.iter().filter(follows) {
            let event = words::event(report, market, self.unit);
            out.push(json!({"subscriptionId": one.id, "event": event}).to_string());
        }
    }
}

#[cfg(test)]
mod tests;
