//! Who sent a request: client ids, signatures and tokens. Nothing is registered: every client id
//! opens an account of its own, and both what signs for it and what it may do follow from its text.

use crate::base::{Span, UnixNanos};
use crate::exchange::deribit::mirror::methods::{Failure, Params, UNAUTHORISED};
use crate::exchange::kit::hmac::hmac_hex;
pub(super) use crate::exchange::mirror::keys::secret;
use crate::exchange::mirror::keys::{Rights, owner};
use serde_json::{Value, json};

/// How long a logon counts. Those of the exchange may be longer.
const LASTS: Span = Span::from_secs(900);
/// A signature may be older than this by no more, or newer.
const SKEW_MS: i64 = 60_000;

/// A client id whose owner is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    text: String,
    pub(super) rights: Rights,
}

impl Key {
    /// Of this client id, if it is one.
    fn of(text: &str) -> Result<Self, Failure> {
        let (_, rights) = owner(text).ok_or(INVALID)?;
        Ok(Self {
            text: text.to_owned(),
            rights,
        })
    }

    /// Whose account it is for: ids that differ only in their rights share one.
    pub(super) fn account(&self) -> &str {
        owner(&self.text).map_or("", |(account, _)| account)
    }

    fn scope(&self) -> String {
        let can = |can: bool| if can { "read_write" } else { "read" };
        format!(
            "account:read connection trade:{} wallet:{}",
            can(self.rights.trade),
            can(self.rights.withdraw)
        )
    }
}

/// Wrong credentials.
const INVALID: Failure = Failure::new(13_004, "invalid_credentials");

/// Until when a logon of `now` counts.
pub(super) fn until(now: UnixNanos) -> UnixNanos {
    UnixNanos(now.0.saturating_add(LASTS.0 as i64))
}

/// Who logs on by these parameters, and the answer to that.
pub(super) fn grant(params: &Params<'_>, now: UnixNanos) -> Result<(Key, Value), Failure> {
    let need = |name: &'static str| params.value(name).ok_or(Failure::param(name));
    let key = match &*need("grant_type")? {
        "client_credentials" => {
            let client_id = need("client_id")?;
            let key = Key::of(&client_id)?;
            (need("client_secret")? == secret(&client_id))
                .then_some(key)
                .ok_or(INVALID)?
        }
        "client_signature" => {
            let (timestamp, signature) = (need("timestamp")?, need("signature")?);
            let part = |name| params.value(name).unwrap_or_default();
            let signed = format!("{timestamp}\n{}\n{}", part("nonce"), part("data"));
            signed_by(&need("client_id")?, (&timestamp, &signed), &signature, now)?
        }
        "refresh_token" => holder(&need("refresh_token")?, now)?,
        _ => return Err(Failure::param("grant_type")),
    };
    let token = token(&key.text, until(now));
    let answer = json!({
        "access_token": token, "refresh_token": token,
        "expires_in": LASTS.0 / 1_000_000_000,
        "scope": key.scope(), "token_type": "bearer", "enabled_features": [],
    });
    Ok((key, answer))
}

/// Whoever signed this at about `now`.
pub(super) fn signed_by(
    client_id: &str,
    (timestamp, signed): (&str, &str),
    signature: &str,
    now: UnixNanos,
) -> Result<Key, Failure> {
    let key = Key::of(client_id)?;
    let sent: i64 = timestamp.parse().map_err(|_| INVALID)?;
    let timely = now.as_millis().abs_diff(sent) <= SKEW_MS.unsigned_abs();
    let good = hmac_hex(secret(client_id).as_bytes(), signed.as_bytes()) == signature;
    (timely && good).then_some(key).ok_or(INVALID)
}

/// A token says whose it is and until when, and is signed: nobody has to remember it.
fn token(client_id: &str, until: UnixNanos) -> String {
    let until = until.as_millis();
    let signed = format!("token {until} {client_id}");
    let signature = hmac_hex(secret(client_id).as_bytes(), signed.as_bytes());
    format!("{until}.{signature}.{client_id}")
}

/// Whose token this is, if it still counts.
pub(super) fn holder(text: &str, now: UnixNanos) -> Result<Key, Failure> {
    let mut parts = text.splitn(3, '.');
    let (until, _, client_id) = (parts.next(), parts.next(), parts.next());
    let until: Option<i64> = until.and_then(|until| until.parse().ok());
    let (Some(until), Some(client_id)) = (until, client_id) else {
        return Err(UNAUTHORISED);
    };
    let stamp = UnixNanos(until.saturating_mul(1_000_000));
    let good = token(client_id, stamp) == text && now < stamp;
    good.then(|| Key::of(client_id)).ok_or(UNAUTHORISED)?
}
