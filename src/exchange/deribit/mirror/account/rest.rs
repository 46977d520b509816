//! Calls about an account over HTTP: a token or a signature in a header.

use super::super::methods::{self, Failure, Params, UNAUTHORISED};
use super::act::{Request, act};
use super::auth::{self, Key};
use super::words;
use crate::base::UnixNanos;
use crate::exchange::deribit::CALL_WEIGHT;
use crate::exchange::mirror::{Call, Matcher, Method, Reply};
use serde_json::Value;

/// Answers what is about an account; `None` if it is not.
pub(super) fn answer(call: Call<'_>, market: &mut dyn Matcher) -> Option<Reply> {
    let path = call.path().strip_prefix("/api/v2")?.trim_start_matches('/');
    let request: Value = match call.method {
        Method::Post => serde_json::from_str(call.body).unwrap_or_default(),
        _ => Value::Null,
    };
    let method = request["method"].as_str().unwrap_or(path);
    let params = match call.method {
        Method::Post => Params::Json(&request["params"]),
        _ => Params::Query(call),
    };
    let now = market.now();
    let (result, weight) = match method {
        "public/auth" => {
            let granted = auth::grant(&params, now);
            (granted.map(|(_, answer)| answer), CALL_WEIGHT)
        }
        method if method.starts_with("private/") => {
            let key = signed(call, now);
            let params = &params;
            let done = key.and_then(|key| act(method, &Request { key: &key, params }, market));
            (done, 0) // It spends by itself.
        }
        _ => return None,
    };
    let status = if result.is_ok() { 200 } else { 400 };
    let text = methods::answer(&request["id"], result, market);
    Some(Reply::json(status, words::exact(text), weight))
}

/// Who sent this: `Bearer TOKEN`, or `deri-hmac-sha256 id=…,ts=…,nonce=…,sig=…` over the request.
fn signed(call: Call<'_>, now: UnixNanos) -> Result<Key, Failure> {
    let header = call.header("Authorization").ok_or(UNAUTHORISED)?;
    if let Some(token) = header
        .strip_prefix("Bearer ")
        .or(header.strip_prefix("bearer "))
    {
        return auth::holder(token, now);
    }
    let parts = header
        .strip_prefix("deri-hmac-sha256 ")
        .ok_or(UNAUTHORISED)?;
    let part = |name: &str| {
        let mut parts = parts
            .split(',')
            .filter_map(|part| part.trim().split_once('='));
        let found = parts.find(|(key, _)| *key == name);
        found.map(|(_, value)| value).ok_or(UNAUTHORISED)
    };
    let (client_id, timestamp) = (part("id")?, part("ts")?);
    let method = match call.method {
        Method::Post => "POST",
        _ => "GET",
    };
    let (nonce, target, body) = (part("nonce")?, call.target, call.body);
    let signed = format!("{timestamp}\n{nonce}\n{method}\n{target}\n{body}\n");
    auth::signed_by(client_id, (timestamp, &signed), part("sig")?, now)
}
