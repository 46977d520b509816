//! What faults make of a frame, whatever the exchange's language is. Understands no message.

/// A frame on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A text, JSON as a rule.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// A frame that nobody can read any more: a byte of a text became one that JSON has nowhere, and of
/// binary frames the second half is missing. Another digit would be another price: TLS lets no such
/// byte through, and nothing above it could tell.
pub(super) fn corrupt(frame: &mut Frame, dice: &mut fastrand::Rng) {
    match frame {
        Frame::Text(text) => {
            let plain = |(at, c): (usize, char)| c.is_ascii().then_some(at);
            let places: Vec<usize> = text.char_indices().filter_map(plain).collect();
            if let Some(&at) = dice.choice(&places) {
                text.replace_range(at..=at, "\u{1}");
            }
        }
        Frame::Binary(bytes) => bytes.truncate(bytes.len() / 2),
    }
}
