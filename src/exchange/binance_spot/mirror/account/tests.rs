use super::*;
use ed25519_dalek::pkcs8::DecodePrivateKey;

const NOW: UnixNanos = UnixNanos(1_750_000_000_000_000_000);

#[test]
fn an_account_is_a_key_pair_and_its_api_key_the_hex_of_the_public_key() {
    let seed = Zeroizing::new([7; 32]);
    let account = SpotMirror::whole("binance").account(&seed).unwrap();
    let key = SigningKey::from_pkcs8_pem(account.key.expose()).unwrap();
    assert_eq!(key.to_bytes(), *seed);
    let public = key.verifying_key();
    let hex: String = public
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(account.api_key.expose(), hex);
}

#[test]
fn order_entry_has_a_path_of_its_own_where_it_is_simulated() {
    let listens = |path: &str| {
        let mirror = SpotMirror::whole("binance");
        let session = Accounts::session(&mirror, path, NOW);
        session.is_some()
    };
    assert!(listens("/ws-api/v3") && listens("/ws-api/v3?timeUnit=MICROSECOND"));
    assert!(!listens("/ws-api") && !listens("/stream") && !listens("/ws"));
    use crate::exchange::Mirror;
    assert!(SpotMirror::market("binance-us").accounts().is_none());
}
