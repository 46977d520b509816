//! What an API key may do: `GET /sapi/v1/account/apiRestrictions`, which the exchange itself
//! answers and its test sites do not.

use super::sign::{Signer, checked};
use crate::base::{Secret, UnixNanos};
use crate::exchange::kit::text::percent_encode;
use crate::exchange::{Account, KeyRights, RestRequest, SignedRequest};
use serde_json::Value;

const PATH: &str = "/sapi/v1/account/apiRestrictions";
/// The most that the exchange takes: nothing depends on the question being fresh.
const WINDOW_MS: u32 = 60_000;

/// The question, signed at `now` by the exchange's clock.
pub(crate) fn request(account: &Account, now: UnixNanos) -> Result<SignedRequest, String> {
    let name = checked(account.api_key.expose())?;
    let signer = Signer::of(&account.key)?;
    let timestamp = now.as_micros() / 1_000;
    let query = format!("recvWindow={WINDOW_MS}&timestamp={timestamp}");
    let signature = signer.sign(query.as_bytes());
    let signature = percent_encode(&String::from_utf8_lossy(&signature));
    let path = format!("{PATH}?{query}&signature={signature}");
    Ok(SignedRequest {
        request: RestRequest::get(path, 1),
        header: Some(("X-MBX-APIKEY", Secret::from(name.to_owned()))),
    })
}

/// Decodes the answer.
pub(crate) fn rights(body: &[u8]) -> Result<KeyRights, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
    let said = |key: &str| answer[key].as_bool();
    let needed = |key: &str| said(key).ok_or_else(|| format!("the answer does not say {key}"));
    Ok(KeyRights {
        trade: needed("enableSpotAndMarginTrading")?,
        withdraw: needed("enableWithdrawals")?,
        address_bound: said("ipRestrict"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::AccountKey;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ed25519_dalek::pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding};
    use ed25519_dalek::{Signature, SigningKey};

    #[test]
    fn the_question_is_signed_as_it_is_sent_and_names_the_key_in_its_header() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let account = Account {
            api_key: "test-key-0001".to_owned().into(),
            key: AccountKey::Ed25519Pem(key.to_pkcs8_pem(LineEnding::LF).unwrap().into()),
        };
        let signed = request(&account, UnixNanos(1_750_000_000_123_456_789)).unwrap();
        let (name, value) = signed.header.as_ref().unwrap();
        assert_eq!((*name, value.expose()), ("X-MBX-APIKEY", "test-key-0001"));
        assert_eq!((&signed.request.body, signed.request.weight), (&None, 1));
        let (path, query) = signed.request.path.split_once('?').unwrap();
        assert_eq!(path, "/sapi/v1/account/apiRestrictions");
        let (query, signature) = query.split_once("&signature=").unwrap();
        assert_eq!(query, "recvWindow=60000&timestamp=1750000000123");
        assert!(!signature.contains(['+', '/', '=']), "{signature}");
        let signature = signature
            .replace("%2B", "+")
            .replace("%2F", "/")
            .replace("%3D", "=");
        let signature = Signature::from_slice(&STANDARD.decode(signature).unwrap()).unwrap();
        key.verifying_key()
            .verify_strict(query.as_bytes(), &signature)
            .unwrap();
        let secret = Account {
            key: AccountKey::Hmac("test-secret-0001".to_owned().into()),
            ..account
        };
        let signed = request(&secret, UnixNanos(1_750_000_000_123_456_789)).unwrap();
        let (_, signature) = signed.request.path.split_once("&signature=").unwrap();
        assert_eq!(signature.len(), 64);
        assert!(signature.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let body = r#"{"ipRestrict":false,"createTime":1750000000000,"enableReading":true,"enableSpotAndMarginTrading":true,"enableWithdrawals":false,"enableInternalTransfer":false}"#;
        let found = KeyRights {
            trade: true,
            withdraw: false,
            address_bound: Some(false),
        };
        assert_eq!(rights(body.as_bytes()), Ok(found));
        let unbound = body.replace(r#""ipRestrict":false,"#, "");
        assert_eq!(
            rights(unbound.as_bytes()).map(|rights| rights.address_bound),
            Ok(None)
        );
        for (key, written) in [
            ("enableWithdrawals", "false"),
            ("enableSpotAndMarginTrading", "true"),
        ] {
            let instead = body.replace(
                &format!("\"{key}\":{written}"),
                &format!("\"{key}\":\"no\""),
            );
            assert_eq!(
                rights(instead.as_bytes()),
                Err(format!("the answer does not say {key}"))
            );
        }
        assert!(rights(b"<html>").is_err() && rights(b"[]").is_err());
    }
}
