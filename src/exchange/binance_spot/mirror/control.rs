//! Requests that a client sends on a market connection, and their answers.
//! Knows no streams: an unknown name is accepted and simply stays silent, as at the exchange.

use serde_json::{Value, json};

/// What a client asks for on a market connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// Follow these streams.
    Subscribe(Vec<String>),
    /// Follow these streams no more.
    Unsubscribe(Vec<String>),
    /// Name the streams that are followed.
    ListSubscriptions,
}

/// Reads a request: its id and what it asks, or the finished refusal.
pub(crate) fn parse(text: &str) -> Result<(Value, Control), String> {
    let request: Value =
        serde_json::from_str(text).map_err(|_| refuse(3, "Invalid JSON", &Value::Null))?;
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    if !valid_id(&id) {
        return Err(refuse(
            2,
            "Invalid request: request ID is not valid",
            &Value::Null,
        ));
    }
    let streams =
        || stream_names(&request).ok_or_else(|| refuse(2, "Invalid request: invalid stream", &id));
    let control = match request.get("method").and_then(Value::as_str) {
        Some("SUBSCRIBE") => Control::Subscribe(streams()?),
        Some("UNSUBSCRIBE") => Control::Unsubscribe(streams()?),
        Some("LIST_SUBSCRIPTIONS") => Control::ListSubscriptions,
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
pub(crate) fn list<'s>(id: &Value, streams: impl Iterator<Item = &'s String>) -> String {
    json!({"result": streams.collect::<Vec<_>>(), "id": id}).to_string()
}

fn refuse(code: u8, msg: &str, id: &Value) -> String {
    json!({"code": code, "msg": msg, "id": id}).to_string()
}

/// An `i64`, an alphanumeric string of at most 36, or null.
fn valid_id(id: &Value) -> bool {
    match id {
        Value::Null => true,
        Value::Number(number) => number.is_i64(),
        Value::String(text) => {
            text.len() <= 36 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// `params` as stream names: a non-empty array of strings like `<symbol>@<kind>` or `!<name>`.
fn stream_names(request: &Value) -> Option<Vec<String>> {
    let params = request.get("params")?.as_array()?;
    let names = params.iter().map(|name| {
        let name = name.as_str()?;
        (name.contains('@') || name.starts_with('!')).then(|| name.to_owned())
    });
    names
        .collect::<Option<Vec<_>>>()
        .filter(|names| !names.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_and_answered_under_its_id() {
        let (id, control) =
            parse(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#).unwrap();
        assert_eq!(control, Control::Subscribe(vec!["btcusdt@trade".into()]));
        assert_eq!(done(&id), r#"{"id":1,"result":null}"#);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_binances_codes() {
        assert!(parse("{").unwrap_err().contains(r#""code":3"#));
        for bad in [
            r#"{"method":"SUBSCRIBE","params":[],"id":1}"#,
            r#"{"method":"SUBSCRIBE","params":["btcusdt"],"id":1}"#,
            r#"{"method":"NONSENSE","id":1}"#,
            r#"{"id":1}"#,
            r#"{"method":"LIST_SUBSCRIPTIONS","id":1.5}"#,
        ] {
            assert!(parse(bad).unwrap_err().contains(r#""code":2"#), "{bad}");
        }
    }
}
