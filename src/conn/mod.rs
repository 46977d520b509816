//! Bytes to frames: TLS, WebSocket, handshakes, heartbeat, backoff, rate limits.
//! Generic over its stream and driven by `now`: it opens no socket and reads no clock.

pub(crate) mod backoff;
pub(crate) mod close;
mod frame;
mod http;
pub(crate) mod http_date;
pub(crate) mod limiter;
pub(crate) mod link;
pub(crate) mod proxy;
mod records;
pub(crate) mod retry_after;
pub(crate) mod settings;
pub(crate) mod sieve;
pub mod tls;
pub(crate) mod tls_stream;
mod upgrade;
pub(crate) mod ws;

pub(crate) use backoff::Backoff;
pub use close::{Close, Phase};
pub(crate) use limiter::Limiter;
pub use link::{Link, Output, Read, SendError};
pub(crate) use proxy::{Proxy, Target};
pub use settings::{KeyHeader, LinkConfig};
pub(crate) use sieve::EXCERPT_BYTES;

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
