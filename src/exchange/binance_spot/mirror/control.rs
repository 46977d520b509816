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
    /// Wrap payloads with their stream's name from now on, or no longer.
    SetCombined(bool),
    /// Say whether they are wrapped.
    GetCombined,
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
        Some("SET_PROPERTY") => set_property(&request, &id)?,
        Some("GET_PROPERTY") => match request["params"][0].as_str() {
            Some("combined") => Control::GetCombined,
            Some(_) => return Err(refuse(0, "Unknown property", &id)),
            None => return Err(refuse(2, NO_NAME, &id)),
        },
        Some(_) => return Err(refuse(2, "Invalid request: unknown variant", &id)),
        None => return Err(refuse(2, "Invalid request: missing field `method`", &id)),
    };
    Ok((id, control))
}

/// The answer to a change that was made.
pub(crate) fn done(id: &Value) -> String {
    json!({"result": null, "id": id}).to_string()
}

/// The answer to `GET_PROPERTY`.
pub(crate) fn property(id: &Value, value: bool) -> String {
    json!({"result": value, "id": id}).to_string()
}

/// The answer to `LIST_SUBSCRIPTIONS`.
pub(crate) fn list<'s>(id: &Value, streams: impl Iterator<Item = &'s String>) -> String {
    json!({"result": streams.collect::<Vec<_>>(), "id": id}).to_string()
}

fn refuse(code: u8, msg: &str, id: &Value) -> String {
    json!({"code": code, "msg": msg, "id": id}).to_string()
}

const NO_NAME: &str = "Invalid request: property name must be a string";

fn set_property(request: &Value, id: &Value) -> Result<Control, String> {
    let params = &request["params"];
    match (params[0].as_str(), params[1].as_bool()) {
        (Some("combined"), Some(combined)) => Ok(Control::SetCombined(combined)),
        (Some("combined"), None) => Err(refuse(1, "Invalid value type: expected Boolean", id)),
        (Some(_), _) => Err(refuse(0, "Unknown property", id)),
        (None, _) => Err(refuse(2, NO_NAME, id)),
    }
}

/// An `i64`, a text of at most 36 characters, or null. The documents say alphanumeric; the
/// exchange's own clients send UUIDs, which have hyphens.
fn valid_id(id: &Value) -> bool {
    match id {
        Value::Null => true,
        Value::Number(number) => number.is_i64(),
        Value::String(text) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            text.len() <= 36 && text.bytes().all(plain)
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
            r#"{"method":"LIST_SUBSCRIPTIONS","id":"0123456789012345678901234567890123456"}"#,
            r#"{"method":"SET_PROPERTY","params":[true],"id":1}"#,
        ] {
            assert!(parse(bad).unwrap_err().contains(r#""code":2"#), "{bad}");
        }
    }

    #[test]
    fn ids_of_the_exchanges_own_clients_are_echoed() {
        for id in [
            r#""6a4f7c1e-90d2-4c5b-8f3a-2b1c0d9e8f76""#,
            "-3",
            "null",
            r#""a_1""#,
        ] {
            let text = format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#);
            let (echoed, control) = parse(&text).unwrap();
            assert_eq!(control, Control::ListSubscriptions);
            assert_eq!(done(&echoed), format!(r#"{{"id":{id},"result":null}}"#));
        }
    }

    #[test]
    fn the_one_property_is_set_and_read() {
        let read = |method, params| {
            parse(&format!(
                r#"{{"method":"{method}","params":{params},"id":1}}"#
            ))
        };
        let control = |method, params| read(method, params).unwrap().1;
        let set = control("SET_PROPERTY", r#"["combined",true]"#);
        assert_eq!(set, Control::SetCombined(true));
        let get = control("GET_PROPERTY", r#"["combined"]"#);
        assert_eq!(get, Control::GetCombined);
        for (method, params, code) in [
            ("SET_PROPERTY", r#"["combined",1]"#, 1),
            ("SET_PROPERTY", r#"["other",true]"#, 0),
            ("GET_PROPERTY", r#"["other"]"#, 0),
        ] {
            let refusal = read(method, params).unwrap_err();
            assert!(refusal.contains(&format!(r#""code":{code}"#)), "{refusal}");
        }
    }
}
