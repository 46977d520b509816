//! What an API key may do: the scope in the answer to a logon (`public/auth`), which REST takes as
//! well. It says nothing of addresses.

use super::sign::{checked, millis};
use crate::base::UnixNanos;
use crate::exchange::deribit::CALL_WEIGHT;
use crate::exchange::kit::text::percent_encode;
use crate::exchange::{Account, KeyRights, RestRequest, SignedRequest};
use serde_json::Value;

const PATH: &str = "/api/v2/public/auth";

/// The question, signed at `now` by the exchange's clock.
pub(crate) fn request(account: &Account, now: UnixNanos) -> Result<SignedRequest, String> {
    let (client_id, signer) = checked(account)?;
    let (timestamp, nonce) = (millis(now).to_string(), now.0.to_string());
    let signature = signer.sign(timestamp.as_bytes(), nonce.as_bytes());
    let signature = String::from_utf8_lossy(&signature);
    let client_id = percent_encode(client_id);
    let path = format!(
        "{PATH}?grant_type=client_signature&client_id={client_id}&timestamp={timestamp}\
         &nonce={nonce}&data=&signature={signature}"
    );
    Ok(SignedRequest {
        request: RestRequest::get(path, CALL_WEIGHT),
        header: None,
    })
}

/// Decodes the answer. A key whose scope does not say whether it trades is not known to do so, and
/// not known to do no more.
pub(crate) fn rights(body: &[u8]) -> Result<KeyRights, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON")?;
    let scope = answer["result"]["scope"].as_str();
    let scope = scope.ok_or("the answer has no scope")?;
    let of = |what: &str| {
        let words = scope.split(' ').filter_map(|word| word.split_once(':'));
        let mut found = words.filter(|(key, _)| *key == what);
        found.next().map(|(_, value)| value)
    };
    let trade = of("trade").ok_or("the scope in the answer does not say trade")?;
    Ok(KeyRights {
        trade: trade == "read_write",
        withdraw: of("wallet") == Some("read_write"),
        address_bound: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::AccountKey;
    use crate::exchange::kit::hmac::hmac_hex;

    #[test]
    fn the_question_is_a_logon_that_shows_no_secret() {
        let account = Account {
            api_key: "test-key-0001".to_owned().into(),
            key: AccountKey::Hmac("test-secret-0001".to_owned().into()),
        };
        let signed = request(&account, UnixNanos(1_750_000_000_123_456_789)).unwrap();
        assert!(signed.header.is_none());
        assert_eq!((&signed.request.body, signed.request.weight), (&None, 500));
        let (path, signature) = signed.request.path.split_once("&signature=").unwrap();
        assert_eq!(
            path,
            "/api/v2/public/auth?grant_type=client_signature&client_id=test-key-0001\
             &timestamp=1750000000123&nonce=1750000000123456789&data="
        );
        let expected = hmac_hex(b"test-secret-0001", b"1750000000123\n1750000000123456789\n");
        assert_eq!(signature, expected);
    }

    #[test]
    fn an_answer_says_what_the_key_may_do_or_is_none() {
        let of = |scope: &str| {
            let body = format!(r#"{{"jsonrpc":"2.0","result":{{"scope":"{scope}"}}}}"#);
            rights(body.as_bytes())
        };
        let found = |trade, withdraw| {
            Ok(KeyRights {
                trade,
                withdraw,
                address_bound: None,
            })
        };
        assert_eq!(
            of("account:read connection trade:read_write wallet:read"),
            found(true, false)
        );
        assert_eq!(
            of("account:read_write trade:read_write wallet:read_write mainaccount"),
            found(true, true)
        );
        assert_eq!(of("trade:read wallet:none"), found(false, false));
        assert_eq!(of("trade:read_write"), found(true, false));
        assert!(of("connection mainaccount").is_err());
        for none in [&b"{}"[..], b"[]", b"<html>", br#"{"error":{"code":13004}}"#] {
            assert!(rights(none).is_err());
        }
    }
}
