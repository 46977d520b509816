//! Requests about an account by REST: the key in a header, parameters in the query or in a form.

use super::super::{Fault, TimeUnit};
use super::act::{Request, act, interval};
use super::auth::{self, Key};
use super::methods::Row;
use super::params::Params;
use crate::exchange::mirror::{Call, Matcher, Refusal, Reply};

/// Answers what is about an account; `None` if it is not.
pub(super) fn answer(call: Call<'_>, market: &mut dyn Matcher) -> Option<Reply> {
    let mut rows = Row::at(call.path()).peekable();
    rows.peek()?;
    let Some(row) = rows.find(|row| row.http == call.method) else {
        let fault = Fault::refusal(Refusal::NoMethod);
        return Some(Reply::json(fault.status, fault.body(), 0));
    };
    let query = call.target.split_once('?').map_or("", |(_, query)| query);
    let params = Params::form(query, call.body);
    let unit = match call.header("X-MBX-TIME-UNIT") {
        Some("MICROSECOND" | "microsecond") => TimeUnit::Micros,
        _ => TimeUnit::Millis,
    };
    let key = signed(call, &params, query, market);
    let done = key.map(|key| {
        let request = Request {
            key: &key,
            params: &params,
            unit,
        };
        let known = params.only(&row.parameters());
        let done = known.and_then(|()| act(row, &request, market));
        // Also what is refused may have counted.
        let headers = match row.counts() {
            true => counts(&key, market),
            false => Vec::new(),
        };
        (done, headers)
    });
    let (done, headers) = match done {
        Ok((done, headers)) => (done, headers),
        Err(fault) => (Err(fault), Vec::new()),
    };
    let reply = match done {
        Ok(said) => Reply::json(200, said.to_string(), 0),
        Err(fault) => {
            let reply = Reply::json(fault.status, fault.body(), 0);
            match fault.data["retryAfter"].as_i64() {
                Some(until) => {
                    let left = until.saturating_sub(market.now().as_millis()).max(0);
                    reply.retry_after(left.unsigned_abs().div_ceil(1000))
                }
                None => reply,
            }
        }
    };
    let headers = headers.into_iter();
    Some(headers.fold(reply, |reply, (name, count)| reply.header(name, count)))
}

/// Who sent this, if the signature is right and the time is.
fn signed(
    call: Call<'_>,
    params: &Params,
    query: &str,
    market: &dyn Matcher,
) -> Result<Key, Fault> {
    let api_key = call.header("X-MBX-APIKEY").unwrap_or_default();
    if api_key.is_empty() {
        return Err(Fault::new(401, -2014, "API-key format invalid."));
    }
    params.check_time(market.now())?;
    let signature = params.need("signature")?;
    auth::verify(api_key, &auth::sent(query, call.body), &signature)
}

/// How many orders the account has placed, as headers tell it.
fn counts(key: &Key, market: &mut dyn Matcher) -> Vec<(&'static str, u32)> {
    let now = market.now();
    let windows = market
        .holdings(key.account())
        .map(|has| has.windows.clone());
    let one = |window: crate::exchange::mirror::orders::Window| {
        let name = match interval(window.rate) {
            ("SECOND", 10) => "X-MBX-ORDER-COUNT-10S",
            ("DAY", 1) => "X-MBX-ORDER-COUNT-1D",
            _ => return None,
        };
        Some((name, window.count_at(now)))
    };
    windows
        .unwrap_or_default()
        .into_iter()
        .filter_map(one)
        .collect()
}
