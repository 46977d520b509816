//! Who sent a request: API keys, and the two sorts of signature. Nothing is registered: every key
//! opens an account of its own, and both what signs for it and what it may do follow from its text.

use super::super::Fault;
use super::params::Params;
use crate::exchange::kit::hmac::hmac_hex;
use crate::exchange::mirror::keys::{Rights, owner, secret};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;

/// An API key whose owner signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// As it was sent.
    pub(super) text: String,
    /// What it may do.
    pub(super) rights: Rights,
}

impl Key {
    /// Whose account it is for: keys that differ only in their rights share one.
    pub(super) fn account(&self) -> &str {
        owner(&self.text).map_or("", |(account, _)| account)
    }

    /// Refuses a key that may not trade.
    pub(super) fn may_trade(&self) -> Result<(), Fault> {
        match self.rights.trade {
            true => Ok(()),
            false => Err(unauthorised()),
        }
    }
}

/// Checks what was signed. A key that is the hex of an Ed25519 public key may also be used with
/// that.
pub(super) fn verify(api_key: &str, payload: &str, signature: &str) -> Result<Key, Fault> {
    let format = || Fault::new(401, -2014, "API-key format invalid.");
    let (account, rights) = owner(api_key).ok_or_else(format)?;
    let signed = match signature.len() == 64 {
        // Hex may be in capitals too.
        true => {
            hmac_hex(secret(api_key).as_bytes(), payload.as_bytes()).eq_ignore_ascii_case(signature)
        }
        false => is_signed(account, payload, signature),
    };
    match signed {
        true => Ok(Key {
            text: api_key.to_owned(),
            rights,
        }),
        false => Err(Fault::new(
            400,
            -1022,
            "Signature for this request is not valid.",
        )),
    }
}

/// Whether an Ed25519 signature is this public key's.
pub(super) fn is_signed(public_key: &str, payload: &str, signature: &str) -> bool {
    let signature = STANDARD.decode(signature).ok();
    let signature = signature.and_then(|bytes| Signature::from_slice(&bytes).ok());
    let verified = |(key, signature): (VerifyingKey, Signature)| {
        key.verify_strict(payload.as_bytes(), &signature).is_ok()
    };
    public(public_key).zip(signature).is_some_and(verified)
}

fn public(hex: &str) -> Option<VerifyingKey> {
    let mut bytes = [0; 32];
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() != 64 || !hex.bytes().all(plain) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    VerifyingKey::from_bytes(&bytes).ok()
}

/// What a WebSocket request signs: every parameter but the signature, sorted by name: `k=v&k=v`.
pub(super) fn payload(params: &Params) -> String {
    let mut pairs: Vec<_> = params.map().iter().collect();
    pairs.retain(|(name, _)| *name != "signature");
    pairs.sort_by_key(|(name, _)| name.as_str());
    let joined = pairs.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    joined.collect::<Vec<_>>().join("&")
}

/// What a REST request signs: the query and the body as they were sent, without the signature.
pub(super) fn sent(query: &str, body: &str) -> String {
    let unsigned = |text: &str| {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.starts_with("signature="));
        pairs.collect::<Vec<_>>().join("&")
    };
    unsigned(query) + &unsigned(body)
}

/// Whether this is the API key of an Ed25519 key here: the hex of its public half.
pub(in super::super) fn is_ed25519(api_key: &str) -> bool {
    owner(api_key).is_some_and(|(account, _)| public(account).is_some())
}

/// -2015: not with this key, or not with none.
pub(in super::super) fn unauthorised() -> Fault {
    let msg = "Invalid API-key, IP, or permissions for action.";
    Fault::new(401, -2015, msg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::kit::hmac::sha256_hex;
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::json;

    fn params(object: Value) -> Params {
        Params::object(json!({"params": object}).as_object().unwrap())
    }

    #[test]
    fn what_is_signed_by_websocket_is_sorted_and_not_encoded() {
        let order = params(json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT",
            "timeInForce": "GTC", "price": "30000.50", "quantity": "0.01000000",
            "recvWindow": 250, "timestamp": 1_750_000_000_123_i64,
            "apiKey": "test-key-0001", "signature": "x"}));
        assert_eq!(
            payload(&order),
            "apiKey=test-key-0001&price=30000.50&quantity=0.01000000&recvWindow=250&side=BUY\
             &symbol=BTCUSDT&timeInForce=GTC&timestamp=1750000000123&type=LIMIT"
        );
        let secret = b"test-secret-0001";
        assert_eq!(
            hmac_hex(secret, payload(&order).as_bytes()),
            "152375b053d69c359092c48bc21e6ed472c934eed5ff4a83f3ae761db8cd745f"
        );
        let query = params(json!({"symbol": "BTCUSDT", "origClientOrderId": "n17",
            "timestamp": 1_750_000_000_123_i64, "apiKey": "test-key-0001"}));
        assert_eq!(
            hmac_hex(secret, payload(&query).as_bytes()),
            "f528a3fe7c61cfcc7698b5c4d6eac5bc512b08016902b79c8bec057d1c53a8e6"
        );
    }

    #[test]
    fn an_ed25519_signature_is_that_of_the_published_vector() {
        let seed: [u8; 32] = std::array::from_fn(|n| n as u8);
        let key = SigningKey::from_bytes(&seed);
        let logon = params(json!({"apiKey": "test-key-0001", "recvWindow": 5000,
            "timestamp": 1_750_000_000_123_i64}));
        let signature = STANDARD.encode(key.sign(payload(&logon).as_bytes()).to_bytes());
        assert_eq!(
            signature,
            "ndW03Q7kq7sGU/kqptp6o/At71urtD56lwys0aWz/dGWW6s5EWH3tXiDJm7W4zwe+8YOXHLXLMhOZ/N+x8ec\
             BA=="
        );
        let public: String = key
            .verifying_key()
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(is_signed(&public, &payload(&logon), &signature));
        assert!(!is_signed(&public, "apiKey=another", &signature));
    }

    #[test]
    fn what_is_signed_by_rest_is_what_was_sent() {
        let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01\
                     &price=30000.5&recvWindow=250&timestamp=1750000000123";
        let hmac = "62c59957681190965f3fc2be7737133faafdb06888f36050d1b5eb49289a1deb";
        assert_eq!(
            hmac_hex(b"test-secret-0001", sent(query, "").as_bytes()),
            hmac
        );
        assert_eq!(sent(&format!("{query}&signature={hmac}"), ""), query);
        assert_eq!(sent("", &format!("{query}&signature={hmac}")), query);
        assert_eq!(sent("a=1&b=%2B", "signature=x&c=2"), "a=1&b=%2Bc=2");
    }

    #[test]
    fn every_key_has_a_secret_and_its_end_says_what_it_may_do() {
        let key = |text: &str| {
            let signature = hmac_hex(sha256_hex(text).as_bytes(), b"payload");
            verify(text, "payload", &signature).unwrap()
        };
        let rights = |trade, withdraw| Rights { trade, withdraw };
        assert_eq!(key("alice").rights, rights(true, false));
        assert_eq!(key("alice-withdraw").rights, rights(true, true));
        assert_eq!(key("alice-readonly").rights, rights(false, false));
        for text in ["alice", "alice-withdraw", "alice-readonly"] {
            assert_eq!(key(text).account(), "alice");
        }
        let other = hmac_hex(sha256_hex("alice").as_bytes(), b"payload");
        let code = |key: &str, signature: &str| verify(key, "payload", signature).unwrap_err().code;
        assert_eq!(code("bob", &other), -1022);
        assert_eq!(code("alice", "not hex and not base64"), -1022);
        for strange in ["", "-withdraw", "a b", "ä", &"a".repeat(129)] {
            assert_eq!(code(strange, &other), -2014, "{strange}");
        }
        let capitals = verify("alice", "payload", &other.to_uppercase());
        assert_eq!(capitals.unwrap().text, "alice");
    }
}
