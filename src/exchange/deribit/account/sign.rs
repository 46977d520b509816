//! An account's key, and how a session is asked for with it. Shows no key, and builds no request.

use crate::base::UnixNanos;
use crate::exchange::kit::signing::{HEX_DIGITS, HmacKey};
use crate::exchange::{Account, AccountKey};

/// What proves that a logon is the account's. Has no `Debug`; it is wiped when dropped.
pub(super) struct Signer(HmacKey);

/// The client id, if requests can carry it, and what signs for it. The error shows neither.
pub(super) fn checked(account: &Account) -> Result<(&str, Signer), String> {
    let client_id = account.api_key.expose().trim();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\&=,".contains(&byte);
    if client_id.is_empty() || !client_id.bytes().all(plain) {
        return Err(
            "the client id is empty or has characters that no Deribit client id has: copy it again \
             from the API page of the account, without quotes"
                .to_owned(),
        );
    }
    let AccountKey::Hmac(secret) = &account.key else {
        return Err(
            "Deribit is traded with the client id and the client secret of an API key: give the \
             secret instead of a private key"
                .to_owned(),
        );
    };
    let key = HmacKey::of(secret.expose());
    let empty = || "the client secret is empty: copy it again from Deribit".to_owned();
    Ok((client_id, Signer(key.ok_or_else(empty)?)))
}

impl Signer {
    /// The signature of a logon at this time, in milliseconds, and with this nonce: of both and of
    /// no data, a line each (authentication: client signature).
    pub(super) fn sign(&self, timestamp: &[u8], nonce: &[u8]) -> [u8; HEX_DIGITS] {
        self.0.hex(&[timestamp, b"\n", nonce, b"\n"])
    }
}

/// Milliseconds, as requests have the time.
pub(super) fn millis(now: UnixNanos) -> u64 {
    now.0.max(0).unsigned_abs() / 1_000_000
}
