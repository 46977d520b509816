//! API keys of the simulated exchanges. None is registered: every key opens an account of its own,
//! and both what signs for it and what it may do follow from its text.

use crate::exchange::kit::hmac::sha256_hex;

/// The longest API key.
const KEY_MAX: usize = 128;
/// A key that ends so may withdraw too.
const WITHDRAWS: &str = "-withdraw";
/// A key that ends so may only read.
const READS: &str = "-readonly";

/// What a key may do beside reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Place and cancel orders.
    pub(crate) trade: bool,
    /// Take assets away.
    pub(crate) withdraw: bool,
}

/// The key's account, and what it may do; `None` if it is no key.
pub(crate) fn owner(text: &str) -> Option<(&str, Rights)> {
    let rights = |trade, withdraw| Rights { trade, withdraw };
    let (account, rights) = match (text.strip_suffix(WITHDRAWS), text.strip_suffix(READS)) {
        (Some(account), _) => (account, rights(true, true)),
        (None, Some(account)) => (account, rights(false, false)),
        (None, None) => (text, rights(true, false)),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let legal = !account.is_empty() && text.len() <= KEY_MAX && text.bytes().all(legal);
    legal.then_some((account, rights))
}

/// What signs for a key by HMAC: the lowercase hex of its SHA-256 digest.
pub(crate) fn secret(api_key: &str) -> String {
    sha256_hex(api_key)
}
