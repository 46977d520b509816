//! Requests that a client sends on a market connection, and their answers.
//! Knows no streams: an unknown name is accepted and simply stays silent, as at the exchange.

use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a client asks for on a market connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// Follow these streams.
    Subscribe(Vec<String>),
    /// Follow these streams no more.
    Unsubscribe(Vec<String>),
    /// Name the streams that are followed.
    List,
}

/// Reads a request: its id and what it asks, or the finished refusal.
pub(crate) fn parse(text: &str) -> Result<(Value, Control), String> {
    let request: Value =
        serde_json::from_str(text).map_err(|_| refuse(3, "Invalid JSON", &Value::Null))?;
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    if !(id.is_null() || id.is_u64() || id.is_string()) {
        let why = "Invalid request: request ID must be an unsigned integer";
        return Err(refuse(2, why, &Value::Null));
    }
    let streams =
        || stream_names(&request).ok_or_else(|| refuse(2, "Invalid request: invalid stream", &id));
    let control = match request.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => Control::Subscribe(streams()?),
        Some("UNSUBSCRIBE") => Control::Unsubscribe(streams()?),
        Some("LIST_SUBSCRIPTIONS") => Control::List,
        Some(_) => return Err(refuse(2, "Invalid request: unknown variant", &id)),
        None => return Err(refuse(2, "Invalid request: missing field `method`", &id)),
    };
    Ok((id, control))
}

/// The answer to a change that was made.
pub(crate) fn done(id: &Value) -> String {
    json!({"result": null, "id": id}).to_string()
}

/// The answer to `LIST_SUBSCRIPTIONS`.
pub(crate) fn list(id: &Value, streams: &BTreeSet<String>) -> String {
    json!({"result": streams, "id": id}).to_string()
}

fn refuse(code: u8, msg: &str, id: &Value) -> String {
    json!({"code": code, "msg": msg, "id": id}).to_string()
}

/// `params` as stream names: a non-empty array of strings like `<symbol>@<kind>` or `!<name>`.
fn stream_names(request: &Value) -> Option<Vec<String>> {
    let params = request.get("params")?.as_array()?;
    let names = params.iter().map(|name| {
        let name = name.as_str()?;
        (name.contains('@') || name.starts_with('!')).then(|| name.to_owned())
    });
    let names: Option<Vec<_>> = names.collect();
    names.filter(|names| !names.is_empty())
}
