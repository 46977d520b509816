//! The account side: order entry on a connection that is logged on, and by REST, and the channels
//! of an account. Matches nothing and keeps no account.
//!
//! Simulated are spot pairs, and limit and market orders in them. An edit makes an order smaller;
//! one that would lose its place in the queue is refused. Where the exchange ends the session of
//! whoever asks for too much, this one only refuses.

mod act;
mod auth;
mod query;
mod rest;
mod words;

use super::DeribitMirror;
use super::methods::{self, Failure, Params, UNAUTHORISED};
use crate::base::{Span, UnixNanos};
use crate::exchange::mirror::orders::{Change, Fees, News};
use crate::exchange::mirror::{
    AccountSession, Accounts, Asks, Call, Happened, Market, Matcher, MirrorSession, Offence,
    Refuses, Reply, Report, Terms,
};
use crate::exchange::{Account, AccountKey, Rate};
use act::{Request, asks};
use auth::Key;
use serde_json::{Value, json};
use std::fmt::Write;
use words::Words;
use zeroize::Zeroizing;

/// Requests to the matching engine that an account may make: 5 a second, and 20 at once.
const ORDERS: [Rate; 1] = [Rate {
    count: 20,
    per: Span::from_secs(4),
}];
/// What trades cost, in millionths: of the order that rested, and of the one that came.
const FEES_PPM: (u32, u32) = (0, 500);
/// Decimals of fees and balances.
const DECIMALS: u8 = 8;
/// Channels of accounts that a connection may follow.
const CHANNELS_MAX: usize = 500;

/// Every client id opens an account of its own.
impl Accounts for DeribitMirror {
    fn path(&self) -> &'static str {
        "/ws/api/v2"
    }

    fn terms(&self) -> Terms {
        Terms {
            fees: Fees {
                maker_ppm: FEES_PPM.0,
                taker_ppm: FEES_PPM.1,
                decimals: DECIMALS,
            },
            orders: &ORDERS,
            credit: (0, 0),
        }
    }

    /// There is one path, whose connections begin as those of streams.
    fn session(&self, _: &str, _: UnixNanos) -> Option<Box<dyn AccountSession>> {
        None
    }

    /// By the first logon, or the first request that carries a token.
    fn join(
        &self,
        text: &str,
        streams: &mut Box<dyn MirrorSession>,
    ) -> Option<Box<dyn AccountSession>> {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        if request["method"] != "public/auth" && request["params"]["access_token"].is_null() {
            return None;
        }
        let empty: Box<dyn MirrorSession> = Box::new(super::session::Session::default());
        Some(Box::new(Private {
            streams: std::mem::replace(streams, empty),
            logon: None,
            channels: Vec::new(),
        }))
    }

    fn respond(&self, call: Call<'_>, market: &mut dyn Matcher) -> Option<Reply> {
        rest::answer(call, market)
    }

    fn account(&self, seed: &Zeroizing<[u8; 32]>) -> Result<Account, String> {
        let mut client_id = Zeroizing::new(String::with_capacity(64));
        for byte in seed.iter() {
            let _ = write!(client_id, "{byte:02x}");
        }
        let secret = auth::secret(&client_id);
        Ok(Account {
            api_key: client_id.into(),
            key: AccountKey::Hmac(secret.into()),
        })
    }

    fn api_key(&self) -> &'static str {
        "any text as the client id: its client secret is the text's SHA-256 digest in hex (printf \
         %s ID | sha256sum)"
    }
}

/// What a channel of an account tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Changes,
    Orders,
    Trades,
    Portfolio,
}

/// A channel that is followed: `user.changes.BTC_USDT.raw`, `user.trades.spot.any.raw`.
#[derive(Debug, Clone)]
struct Channel {
    name: String,
    told: Told,
    /// The account's.
    account: String,
}

/// One connection that may trade.
struct Private {
    /// What it follows of the market.
    streams: Box<dyn MirrorSession>,
    /// Who logged on, and until when it counts.
    logon: Option<(Key, UnixNanos)>,
    channels: Vec<Channel>,
}

impl Private {
    /// Who asks: whose token is sent, or who logged on.
    fn key(&self, params: &Value, now: UnixNanos) -> Result<Key, Failure> {
        if let Some(token) = params["access_token"].as_str() {
            return auth::holder(token, now);
        }
        let logon = self.logon.as_ref().filter(|(_, until)| now < *until);
        logon.map(|(key, _)| key.clone()).ok_or(UNAUTHORISED)
    }

    /// Answers a request, or `None` if it is about the market only.
    fn answer(
        &mut self,
        request: &Value,
        market: &mut dyn Matcher,
    ) -> Option<Result<Value, Failure>> {
        let params = &request["params"];
        let now = market.now();
        let method = request["method"].as_str().unwrap_or_default();
        if method == "public/auth" {
            let granted = auth::grant(&Params::Json(params), now);
            return Some(granted.map(|(key, answer)| {
                self.logon = Some((key, auth::until(now)));
                answer
            }));
        }
        if !method.starts_with("private/") {
            return None;
        }
        let key = match self.key(params, now) {
            Ok(key) => key,
            Err(why) => return Some(Err(why)),
        };
        Some(match method {
            "private/subscribe" => self.subscribe(true, request, &key, market),
            "private/unsubscribe" => self.subscribe(false, request, &key, market),
            "private/unsubscribe_all" => {
                self.channels.clear();
                Ok("ok".into())
            }
            "private/logout" => {
                self.logon = None;
                self.channels.clear();
                Ok("ok".into())
            }
            method => {
                let params = &Params::Json(params);
                let request = Request { key: &key, params };
                act::act(method, &request, market)
            }
        })
    }

    /// Follows or leaves channels of the account, and of the market.
    fn subscribe(
        &mut self,
        on: bool,
        request: &Value,
        key: &Key,
        market: &mut dyn Matcher,
    ) -> Result<Value, Failure> {
        let names = request["params"]["channels"].as_array();
        let names = names.ok_or(Failure::param("channels"))?;
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        market.holdings(key.account()).ok_or(UNAUTHORISED)?;
        let mut taken: Vec<String> = Vec::new();
        let (own, public): (Vec<&str>, Vec<&str>) = names
            .into_iter()
            .partition(|name| name.starts_with("user."));
        for name in own {
            let Some(told) = told(name, market) else {
                continue; // What is not known is missing from the answer.
            };
            self.channels.retain(|channel| channel.name != name);
            if on && self.channels.len() < CHANNELS_MAX {
                self.channels.push(Channel {
                    name: name.to_owned(),
                    told,
                    account: key.account().to_owned(),
                });
            }
            taken.push(name.to_owned());
        }
        if !public.is_empty() {
            let method = if on {
                "public/subscribe"
            } else {
                "public/unsubscribe"
            };
            let request = json!({"id": 0, "method": method, "params": {"channels": public}});
            let mut out = Vec::new();
            // It ends a connection that is silent only.
            let _ = self
                .streams
                .handle_text(&request.to_string(), market, &mut out);
            let answer = out
                .first()
                .and_then(|text| serde_json::from_str::<Value>(text).ok());
            let listed = answer
                .as_ref()
                .and_then(|answer| answer["result"].as_array());
            let listed = listed.into_iter().flatten().filter_map(Value::as_str);
            taken.extend(listed.map(str::to_owned));
        }
        Ok(json!(taken))
    }
}

/// What this channel of an account tells; `None` if there is none.
fn told(name: &str, market: &dyn Market) -> Option<Told> {
    let parts: Vec<&str> = name.split('.').collect();
    let interval = |interval: &str| matches!(interval, "raw" | "100ms" | "agg2");
    let sort = |sort: &str| match sort {
        "changes" => Some(Told::Changes),
        "orders" => Some(Told::Orders),
        "trades" => Some(Told::Trades),
        _ => None,
    };
    match parts[..] {
        ["user", "portfolio", _] => Some(Told::Portfolio),
        ["user", of, symbol, every] if interval(every) && market.find(symbol).is_some() => sort(of),
        ["user", of, kind, _, every] if interval(every) && methods::is_kind(kind) => sort(of),
        _ => None,
    }
}

impl Channel {
    /// Whether it tells of this listing.
    fn is_of(&self, listing: usize, market: &dyn Market) -> bool {
        let parts: Vec<&str> = self.name.split('.').collect();
        let found = &market.listings()[listing].instrument;
        match parts[..] {
            [_, _, symbol, _] => found.symbol.as_str() == symbol,
            [_, _, kind, currency, _] => methods::is_of(found, kind, currency),
            _ => false,
        }
    }

    /// What it says of this report.
    fn tell(&self, report: &Report, market: &dyn Market) -> Vec<Value> {
        match &report.news {
            News::Order(order, change) if self.told != Told::Portfolio => {
                if !self.is_of(order.asked.listing, market) {
                    return Vec::new();
                }
                let words = Words::of(market, order.asked.listing);
                let trade = match change {
                    Change::Traded(trade) => Some(words.trade(trade, Some(order))),
                    _ => None,
                };
                match (self.told, trade) {
                    (Told::Orders, _) => vec![words.order(order)],
                    (Told::Trades, Some(trade)) => vec![json!([trade])],
                    (Told::Trades, None) | (Told::Portfolio, _) => Vec::new(),
                    (Told::Changes, trade) => vec![json!({
                        "instrument_name": words.symbol(),
                        "orders": [words.order(order)],
                        "trades": trade.into_iter().collect::<Vec<_>>(),
                        "positions": [],
                    })],
                }
            }
            News::Balances(balances) if self.told == Told::Portfolio => {
                let wanted = self.name.rsplit('.').next().unwrap_or_default();
                let wanted = balances.iter().filter(|(asset, _)| {
                    wanted == "any" || asset.as_str().eq_ignore_ascii_case(wanted)
                });
                wanted
                    .map(|(asset, balance)| words::summary(asset, *balance))
                    .collect()
            }
            News::Order(..) | News::Balances(_) => Vec::new(),
        }
    }
}

/// What the exchange says to a request with which nothing is wrong.
fn injected(why: Refuses) -> Failure {
    match why {
        Refuses::Clock => act::TIMED_OUT,
        Refuses::Weight | Refuses::Orders => act::TOO_MANY,
        Refuses::Rejected => Failure::new(11_030, "other_reject"),
        Refuses::Unknown => Failure::new(11_094, "internal_server_error"),
        Refuses::Strange => Failure::new(19_999, "something_that_no_document_has"),
    }
}

impl AccountSession for Private {
    fn handle_text(&mut self, text: &str, market: &mut dyn Matcher, out: &mut Vec<String>) {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        match self.answer(&request, market) {
            Some(result) => {
                let answer = methods::answer(&request["id"], result, market);
                out.push(words::exact(answer));
            }
            // It ends a connection that is silent only.
            None => drop(self.streams.handle_text(text, market, out)),
        }
    }

    fn asks(&self, text: &str) -> Asks {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        asks(request["method"].as_str().unwrap_or_default())
    }

    fn refuse(&self, text: &str, why: Refuses, now: UnixNanos) -> String {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        methods::answer_at(&request["id"], Err(injected(why)), now)
    }

    fn handle_report(&mut self, report: &Report, market: &dyn Market, out: &mut Vec<String>) {
        let follows = |one: &&Channel| one.account == *report.account;
        for channel in self.channels.iter().filter(follows) {
            for data in channel.tell(report, market) {
                let text = super::session::notification(&channel.name, &data.to_string());
                out.push(words::exact(text));
            }
        }
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        self.streams.handle_event(event, market, out);
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        self.streams.poll_timeout()
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        self.streams.handle_timeout(now, out)
    }
}
