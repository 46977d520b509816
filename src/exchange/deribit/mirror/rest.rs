//! Calls over HTTP: a GET with a query, or a POST of JSON-RPC. Holds nothing.

use super::methods::{self, Failure, NO_METHOD, Params};
use crate::base::Span;
use crate::exchange::Rate;
use crate::exchange::deribit::CALL_WEIGHT;
use crate::exchange::mirror::{Call, Market, Method, Quota, Refusal, Reply};
use serde_json::{Value, json};

/// Instruments have a limit of their own: one request a second, and some at once.
const INSTRUMENTS: Quota = Quota {
    name: "get_instruments",
    rate: Rate {
        count: 1,
        per: Span::from_secs(1),
    },
    burst: 50,
};

/// Answers a request.
pub(crate) fn reply(call: Call<'_>, market: &dyn Market) -> Reply {
    let Some(path) = call.path().strip_prefix("/api/v2") else {
        return refuse(Refusal::NoPath);
    };
    let path = path.trim_start_matches('/');
    let (result, id, method) = match call.method {
        Method::Get => {
            let result = methods::call(path, &Params::Query(call), market);
            (result, Value::Null, path.to_owned())
        }
        Method::Post => {
            let request = serde_json::from_str::<Value>(call.body).unwrap_or_default();
            let method = request["method"].as_str().unwrap_or(path).to_owned();
            let result = methods::call(&method, &Params::Json(&request["params"]), market);
            (result, request["id"].clone(), method)
        }
        Method::Put | Method::Delete | Method::Other => return refuse(Refusal::NoMethod),
    };
    let status = match &result {
        Ok(_) => 200,
        Err(why) if *why == NO_METHOD => 404,
        Err(_) => 400,
    };
    let reply = Reply::json(status, methods::answer(&id, result, market), CALL_WEIGHT);
    match method == "public/get_instruments" {
        true => reply.within(INSTRUMENTS),
        false => reply,
    }
}

/// Refuses a request without looking at it.
pub(crate) fn refuse(why: Refusal) -> Reply {
    let (status, failure) = match why {
        Refusal::TooMany { .. } | Refusal::Banned { .. } => {
            (429, Failure::new(10_028, "too_many_requests"))
        }
        Refusal::NoPath => (404, NO_METHOD),
        Refusal::NoMethod => (405, Failure::new(-32_600, "Invalid Request")),
    };
    let body = json!({"jsonrpc": "2.0", "error": methods::error(&failure), "testnet": false});
    Reply::json(status, body.to_string(), CALL_WEIGHT)
}
