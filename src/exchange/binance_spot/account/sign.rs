//! An account's key: what it signs, and how. Shows no key, and builds no request.

use crate::exchange::AccountKey;
use crate::exchange::kit::signing::HmacKey;
use arrayvec::ArrayVec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer as _, SigningKey};

/// The longest signature as text: 64 bytes in base64. One of HMAC has 64 hexadecimal digits.
const TEXT_MAX: usize = 88;

/// A signature as the exchange reads it.
pub(super) type Signature = ArrayVec<u8, TEXT_MAX>;

/// What proves that a request is the account's. Has no `Debug`; its keys are wiped when dropped.
pub(super) enum Signer {
    /// Signs the logon of a session, and nothing after it.
    Session(Box<SigningKey>),
    /// Signs every request by itself.
    Each(HmacKey),
}

/// The API key, if requests can carry it. The error does not show it.
pub(super) fn checked(api_key: &str) -> Result<&str, String> {
    let api_key = api_key.trim();
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\&=".contains(&byte);
    match !api_key.is_empty() && api_key.bytes().all(plain) {
        true => Ok(api_key),
        false => Err(
            "the API key is empty or has characters that no Binance key has: copy it again from \
             the API management page, without quotes"
                .to_owned(),
        ),
    }
}

impl Signer {
    /// By the key of an account. The error says what is wrong, without showing it.
    pub(super) fn of(key: &AccountKey) -> Result<Self, String> {
        match key {
            AccountKey::Ed25519Pem(pem) => Self::of_private_key(pem.expose()),
            AccountKey::Hmac(secret) => Self::of_secret(secret.expose()),
        }
    }

    /// By the PKCS#8 PEM of an Ed25519 key. The error says what is wrong, without showing it.
    pub(super) fn of_private_key(pem: &str) -> Result<Self, String> {
        let key = SigningKey::from_pkcs8_pem(pem.trim()).map_err(|error| {
            format!(
                "the private key is not a PKCS#8 PEM of an Ed25519 key ({error}): make one with \
                 `openssl genpkey -algorithm ed25519 -out key.pem` and register its public half at \
                 Binance (RSA keys are not supported)"
            )
        })?;
        Ok(Self::Session(Box::new(key)))
    }

    /// By a secret that the exchange made.
    pub(super) fn of_secret(secret: &str) -> Result<Self, String> {
        let key = HmacKey::of(secret);
        key.map(Self::Each)
            .ok_or_else(|| "the secret key is empty: copy it again from Binance".to_owned())
    }

    /// Whether there is a session to log on to.
    pub(super) fn logs_on(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    /// Signs a request's parameters, sorted and not percent-encoded: `k=v&k=v`.
    pub(super) fn sign(&self, payload: &[u8]) -> Signature {
        match self {
            Self::Session(key) => {
                let mut text = [0; TEXT_MAX];
                let signature = key.sign(payload).to_bytes();
                // It fits: 88 is what 64 bytes take.
                let len = STANDARD.encode_slice(signature, &mut text).unwrap_or(0);
                text[..len].iter().copied().collect()
            }
            Self::Each(hmac) => hmac.hex(&[payload]).into_iter().collect(),
        }
    }
}
