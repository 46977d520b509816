//! A secret that an exchange made, and what it signs: HMAC-SHA256 as hexadecimal digits. Keeps no
//! secret, but the hash's state behind it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Digits of a signature.
pub(crate) const HEX_DIGITS: usize = 64;

/// What signs. Has no `Debug`; it is wiped when dropped.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// By this secret; `None` if it is empty.
    pub(crate) fn of(secret: &str) -> Option<Self> {
        let secret = Some(secret.trim()).filter(|secret| !secret.is_empty())?;
        // A key of any length is taken.
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    /// The signature of what these parts are together, in lower case.
    pub(crate) fn hex(&self, parts: &[&[u8]]) -> [u8; HEX_DIGITS] {
        let mut hmac = self.0.clone();
        parts.iter().for_each(|part| hmac.update(part));
        let digest = hmac.finalize().into_bytes();
        let mut text = [0; HEX_DIGITS];
        for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
        }
        text
    }
}

fn hex(half: u8) -> u8 {
    match half {
        0..=9 => b'0' + half,
        _ => b'a' + half - 10,
    }
}
