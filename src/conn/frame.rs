//! A text message as one masked frame, for what must leave at once. Anything else is tungstenite's.

/// Texts up to this size are written here: their header has at most two bytes of length, and TLS,
/// if nothing waits there, takes four times as much at once.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1024;
/// The last frame of a text, and the bit of a mask: RFC 6455 §5.2.
const TEXT: u8 = 0x81;
const MASKED: u8 = 0x80;
const TWO_BYTES: u8 = 126;

/// Writes a client's frame with this text over `out`. Under TLS the mask hides nothing and needs no
/// secrecy: it only must be there.
pub(super) fn write_text(out: &mut Vec<u8>, text: &[u8], mask: [u8; 4]) {
    debug_assert!(text.len() <= TEXT_BYTES_MAX);
    out.clear();
    match u8::try_from(text.len()) {
        Ok(len) if len < TWO_BYTES => out.extend_from_slice(&[TEXT, MASKED | len]),
        _ => {
            let [high, low] = (text.len() as u16).to_be_bytes();
            out.extend_from_slice(&[TEXT, MASKED | TWO_BYTES, high, low]);
        }
    }
    out.extend_from_slice(&mask);
    let from = out.len();
    out.extend_from_slice(text);
    let wide = u64::from(u32::from_ne_bytes(mask));
    let wide = wide << 32 | wide;
    let (words, rest) = out[from..].as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    let masks = mask.iter().cycle();
    rest.iter_mut()
        .zip(masks)
        .for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use tungstenite::Message;
    use tungstenite::protocol::{Role, WebSocket};

    #[test]
    fn a_server_reads_what_was_written() {
        let mut out = Vec::new();
        for len in (0..300).chain([TEXT_BYTES_MAX - 1, TEXT_BYTES_MAX]) {
            let text: String = (0..len)
                .map(|n| char::from(b' ' + (n % 90) as u8))
                .collect();
            write_text(&mut out, text.as_bytes(), [1, 0x80, 0xff, len as u8]);
            let stream = Cursor::new(out.clone());
            let mut server = WebSocket::from_raw_socket(stream, Role::Server, None);
            assert_eq!(server.read().unwrap(), Message::text(text));
        }
    }
}
