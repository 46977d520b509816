//! Signatures with a shared secret: HMAC-SHA256, as RFC 2104 has it. Keeps no key.

use sha2::{Digest, Sha256};
use std::fmt::Write;

const BLOCK: usize = 64;

/// The lowercase hex of what `secret` makes of `message`.
pub(crate) fn hmac_hex(secret: &[u8], message: &[u8]) -> String {
    let mut key = [0; BLOCK];
    match secret.len() <= BLOCK {
        true => key[..secret.len()].copy_from_slice(secret),
        false => key[..32].copy_from_slice(&Sha256::digest(secret)),
    }
    let padded = |pad: u8| key.map(|byte| byte ^ pad);
    let inner = Sha256::new_with_prefix(padded(0x36)).chain_update(message);
    let outer = Sha256::new_with_prefix(padded(0x5c)).chain_update(inner.finalize());
    hex(&outer.finalize())
}

/// The lowercase hex of the SHA-256 digest of `text`.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // Writing to a String cannot fail.
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc_come_out() {
        // RFC 4231, test cases 2 and 6: a short key, and one that is longer than a block.
        for (secret, message, hmac) in [
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hmac_hex(&secret, message.as_bytes()), hmac);
        }
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex("abc"), digest);
    }
}
