//! tungstenite as we use it: its settings, and its errors in our words. Never answers for a link.

use super::close::Close;
use super::tls::failure_name;
use std::io::{self, ErrorKind};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::WebSocketConfig;

/// tungstenite zero-fills all its free buffer at each read, also at one that would block:
/// enough for several messages, and not more.
const READ_BUFFER_BYTES: usize = 8 * 1024;
/// Bytes of our own that may wait for a peer that does not read.
const WRITE_BUFFER_BYTES_MAX: usize = 256 * 1024;

/// `message_bytes_max` holds messages of several frames; the sieve below holds the others.
pub(crate) fn config(message_bytes_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(message_bytes_max))
        .max_frame_size(Some(message_bytes_max))
}

pub(crate) fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(io) if io.kind() == ErrorKind::WouldBlock)
}

/// Why the stream failed, in our words.
pub(super) fn io_close(error: &io::Error) -> Close {
    if let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return Close::Tls(failure_name(tls));
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => Close::Eof,
        ErrorKind::ConnectionRefused => Close::Refused,
        kind => Close::Io(kind),
    }
}

/// Why the WebSocket failed, in our words.
pub(crate) fn close(error: &tungstenite::Error) -> Close {
    use tungstenite::Error;
    match error {
        Error::Io(io) => io_close(io),
        Error::ConnectionClosed | Error::AlreadyClosed => Close::Eof,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Close::Eof,
        Error::Capacity(_) | Error::WriteBufferFull(_) => Close::TooLong,
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => Close::Protocol,
        Error::Tls(_) | Error::Url(_) | Error::Http(_) | Error::HttpFormat(_) => Close::Protocol,
    }
}
