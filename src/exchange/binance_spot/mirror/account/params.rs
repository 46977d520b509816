//! The parameters of a request, from a JSON object or from a query and a form. Reads text only;
//! knows no method.

use super::super::Fault;
use crate::base::{DecimalError, UnixNanos, decimal};
use crate::exchange::kit::text::percent_decode;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::str::FromStr;

const RECV_WINDOW_US: i64 = 5_000_000;
const RECV_WINDOW_MS_MAX: i64 = 60_000;
/// Milliseconds reach this in the year 5138: what is larger is in microseconds.
pub(super) const MICROS_FROM: i64 = 100_000_000_000_000;

/// What a request says.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    /// Those of a WebSocket request.
    pub(super) fn object(request: &Map<String, Value>) -> Self {
        let params = request.get("params").and_then(Value::as_object);
        Self(params.cloned().unwrap_or_default())
    }

    /// Those of a query and a body, as they were sent. A query's word counts more.
    pub(super) fn form(query: &str, body: &str) -> Self {
        let mut params = Map::new();
        for pair in query.split('&').chain(body.split('&')) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !name.is_empty() && !params.contains_key(name) {
                // A form has a plus where there is a space.
                let value = percent_decode(&value.replace('+', "%20")).into_owned();
                params.insert(name.to_owned(), value.into());
            }
        }
        Self(params)
    }

    /// All of them.
    pub(super) fn map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The text of a parameter; one that is empty or null counts as not sent.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.0.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Null => None,
            other => Some(Cow::Owned(other.to_string())),
        }
    }

    /// The text of a parameter that must be sent.
    pub(super) fn need(&self, name: &str) -> Result<Cow<'_, str>, Fault> {
        self.get(name).ok_or_else(|| Fault::missing(name))
    }

    /// A whole number.
    pub(super) fn whole<N: FromStr>(&self, name: &str) -> Result<Option<N>, Fault> {
        let read = |text: Cow<'_, str>| text.parse().map_err(|_| Fault::illegal(name));
        self.get(name).map(read).transpose()
    }

    /// Whether it is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text == "true")
    }

    /// A decimal in units of 10^-`scale`.
    pub(super) fn decimal(&self, name: &str, scale: u8) -> Result<u64, Fault> {
        let digits = self.need(name)?;
        let illegal = || {
            let msg = format!(
                "Illegal characters found in parameter '{name}'; legal range is \
                 '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
            );
            Fault::new(400, -1100, msg)
        };
        let (whole, part) = digits.split_once('.').unwrap_or((&digits, "0"));
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

    /// A client id, if one was sent.
    pub(super) fn client_id(&self, name: &str) -> Result<Option<String>, Fault> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match self.get(name) {
            None => Ok(None),
            Some(id) if id.len() <= 36 && id.bytes().all(legal) => Ok(Some(id.into_owned())),
            Some(_) => {
                let msg = format!(
                    "Illegal characters found in parameter '{name}'; legal range is \
                     '^[a-zA-Z0-9-_]{{1,36}}$'."
                );
                Err(Fault::new(400, -1100, msg))
            }
        }
    }

    /// Parameters that are none of these were sent for nothing, which REST does not take.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        let read = self.0.keys().filter(|name| known.contains(&name.as_str()));
        let (read, sent) = (read.count(), self.0.len());
        if read == sent {
            return Ok(());
        }
        let msg = format!(
            "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
        );
        Err(Fault::new(400, -1104, msg))
    }

    /// Whether the request was sent about `now`: `timestamp < now + 1 s` and
    /// `now - timestamp <= recvWindow`.
    pub(super) fn check_time(&self, now: UnixNanos) -> Result<(), Fault> {
        let sent = self.whole::<i64>("timestamp")?;
        let sent = sent.ok_or_else(|| Fault::missing("timestamp"))?;
        let sent_us = match sent >= MICROS_FROM {
            true => sent,
            false => sent.saturating_mul(1000),
        };
        let window_us = match self.get("recvWindow") {
            None => RECV_WINDOW_US,
            Some(_) => i64::try_from(self.decimal("recvWindow", 3)?)
                .ok()
                .filter(|window| *window <= RECV_WINDOW_MS_MAX * 1000)
                .ok_or_else(|| Fault::new(400, -1131, "recvWindow must be less than 60000."))?,
        };
        let age_us = now.as_micros().saturating_sub(sent_us);
        if age_us <= -1_000_000 {
            let msg = "Timestamp for this request was 1000ms ahead of the server's time.";
            return Err(Fault::new(400, -1021, msg));
        }
        if age_us > window_us {
            let msg = "Timestamp for this request is outside of the recvWindow.";
            return Err(Fault::new(400, -1021, msg));
        }
        Ok(())
    }
}
