//! Bytes to frames: TLS, WebSocket, handshakes, heartbeat, backoff, rate limits.
//! Generic over its stream and driven by `now`: it opens no socket and reads no clock.

pub mod backoff;
pub mod close;
mod http;
pub mod http_date;
pub mod limiter;
pub mod link;
pub mod proxy;
pub mod retry_after;
pub mod settings;
mod sieve;
pub mod tls;
pub mod tls_stream;
mod upgrade;
mod ws;

pub use backoff::Backoff;
pub use close::{Close, Phase};
pub use limiter::Limiter;
pub use link::{Link, Output, Read, SendError};
pub use proxy::{Proxy, Target};
pub use settings::LinkConfig;
pub use sieve::EXCERPT_BYTES;
pub use tls_stream::TlsStream;

use crate::base::{Nanos, RxStamps};
use std::io;

/// A non-blocking byte stream that knows when its bytes passed the kernel.
pub trait Transport: io::Read + io::Write + Send {
    /// Stamps of the newest read that gave bytes.
    fn rx(&self) -> RxStamps;
    /// How far writing got.
    fn tx(&self) -> TxMark;
    /// The kernel's next send stamp, if one has come back.
    fn poll_tx_stamp(&mut self) -> Option<TxStamp>;
}

/// What was handed to the socket so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TxMark {
    /// Bytes that the kernel took since the connection began.
    pub bytes: u64,
    /// Just before the last write was asked of the kernel.
    pub call: Nanos,
}

/// The kernel handed a byte to the network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxStamp {
    /// All bytes up to this count have been sent.
    pub bytes: u64,
    /// When, on the monotonic scale.
    pub at: Nanos,
}
