//! What an account's keys must be to sign at Binance, and how they sign. Shows none of them.

use crate::exchange::AccountKey;
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};

/// What is said to a secret key.
const NO_HMAC: &str = "this build signs with an Ed25519 key only: make one with `openssl genpkey \
                       -algorithm ed25519 -out key.pem`, register its public half at Binance, and \
                       write private_key_file instead of the secret key";

/// Whether requests can carry this API key. The error does not show it.
pub(crate) fn check_api_key(key: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\"\\&=".contains(&byte);
    if key.is_empty() || !key.bytes().all(fits) {
        return Err(
            "the API key is empty or has characters that no Binance key has: copy it again from \
             the API management page, without quotes"
                .to_owned(),
        );
    }
    Ok(())
}

/// The key that signs. The error says what is wrong with it, without showing it.
pub(crate) fn signing_key(key: &AccountKey) -> Result<SigningKey, String> {
    let AccountKey::Ed25519Pem(pem) = key else {
        return Err(NO_HMAC.to_owned());
    };
    SigningKey::from_pkcs8_pem(pem.expose().trim()).map_err(|error| {
        format!(
            "the private key is not a PKCS#8 PEM of an Ed25519 key ({error}): make one with \
             `openssl genpkey -algorithm ed25519 -out key.pem` and register its public half at \
             Binance (HMAC and RSA keys cannot log on to the WebSocket API)"
        )
    })
}

/// Base64 of the signature. What is signed differs: the WebSocket API signs sorted parameters that
/// are not percent-encoded, REST the query as it is sent.
pub(crate) fn sign(key: &SigningKey, payload: &[u8]) -> String {
    STANDARD.encode(key.sign(payload).to_bytes())
}
