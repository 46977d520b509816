//! An account at the simulated exchange: a fresh key pair. Registers nothing, because the API key is the public key.

use crate::exchange::Account;
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey, pkcs8::spki::der::pem::LineEnding};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Makes an account from 32 random bytes: its private key as PKCS#8 PEM, and as API key the lowercase
/// hex of the Ed25519 public key, which is what the simulated exchange verifies a logon against.
///
/// # Errors
/// When the key cannot be written as PKCS#8.
pub fn account_from(seed: &Zeroizing<[u8; 32]>) -> Result<Account, String> {
    let key = SigningKey::from_bytes(seed);
    let mut api_key = Zeroizing::new(String::with_capacity(64));
    for byte in key.verifying_key().as_bytes() {
        let _ = write!(api_key, "{byte:02x}");
    }
    let private_key_pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| error.to_string())?;
    Ok(Account {
        api_key,
        private_key_pem,
    })
}

/// Makes an account from fresh dice. For the simulated exchange only: `fastrand` is no source of secrets.
///
/// # Errors
/// As [`account_from`].
pub fn generate_account() -> Result<Account, String> {
    let mut seed = Zeroizing::new([0; 32]);
    fastrand::Rng::new().fill(&mut *seed);
    account_from(&seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::pkcs8::DecodePrivateKey;

    #[test]
    fn the_api_key_is_the_hex_of_the_public_key() {
        let account = generate_account().unwrap();
        let key = SigningKey::from_pkcs8_pem(&account.private_key_pem).unwrap();
        let public = key.verifying_key();
        let hex: String = public
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(*account.api_key, hex);
    }
}
