//! A TCP socket as connections use it: non-blocking, without Nagle, and with the kernel's stamps.
//! Never resolves a name and never waits: it is registered with a poll, and read when ready.

use super::clock::monotonic;
use super::sys;
use crate::base::{Nanos, RxStamps, Span, UnixNanos};
use crate::conn::{Transport, TxMark, TxStamp};
use arrayvec::ArrayVec;
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;

/// Socket options that are the operator's to choose; unset ones stay the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// The kernel says when it sent an order.
    pub send_stamps: bool,
    /// `SO_BUSY_POLL`, microseconds; workers wait at their polls likewise.
    pub busy_poll_us: Option<u32>,
    /// `TCP_USER_TIMEOUT`, milliseconds.
    pub user_timeout_ms: Option<u32>,
    /// `SO_RCVBUF`, bytes.
    pub receive_buffer_bytes: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            send_stamps: true,
            busy_poll_us: None,
            user_timeout_ms: None,
            receive_buffer_bytes: None,
        }
    }
}

/// An option that the kernel refused, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declined {
    /// Its name, as in socket(7) and tcp(7).
    pub option: &'static str,
    /// For a person.
    pub why: &'static str,
}

impl Declined {
    pub(super) fn new(option: &'static str, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => "needs CAP_NET_ADMIN",
            _ => "not in this kernel",
        };
        Self { option, why }
    }
}

/// A connecting or connected socket.
///
/// Send stamps arrive in the socket's error queue, which epoll reports as an error of the socket,
/// and which wakes its poll. Failure is what reading and writing say, not what the poll says.
pub struct Socket {
    stream: TcpStream,
    /// Stamps of the newest read that gave bytes.
    rx: RxStamps,
    /// The last time that there was nothing to read, for the next read that gives bytes.
    empty: Nanos,
    /// Bytes of the newest read that the kernel still holds.
    held: usize,
    tx: TxMark,
    /// The kernel stamps what is sent.
    stamps: bool,
    /// Bytes that the kernel has reported as sent. Invariant: `stamped <= tx.bytes`.
    stamped: u64,
    declined: ArrayVec<Declined, 4>,
}

impl Socket {
    /// Starts connecting. The socket is writable once connected; until then, and on failure,
    /// writing says which.
    ///
    /// An option that the kernel refuses is left out and told by [`declined`](Self::declined):
    /// a slower connection is better than none. `SO_RCVBUF` is set while the socket connects: Linux
    /// scales the window that it offers for the largest buffer that the host allows anyway.
    ///
    /// If it `sends_orders`, and the options ask for send stamps, the owner takes these by
    /// [`poll_tx_stamp`](Transport::poll_tx_stamp): each that is left lying takes room from the
    /// receive buffer.
    pub fn connect(
        addr: SocketAddr,
        options: &SocketOptions,
        sends_orders: bool,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let mut socket = Self {
            stream,
            rx: RxStamps::default(),
            empty: monotonic(),
            held: 0,
            tx: TxMark::default(),
            stamps: sends_orders && options.send_stamps,
            stamped: 0,
            declined: ArrayVec::new(),
        };
        socket.apply(options);
        Ok(socket)
    }

    fn apply(&mut self, options: &SocketOptions) {
        let fd = self.stream.as_fd();
        let mut declined = ArrayVec::new();
        let mut note = |option, done: Option<io::Result<()>>| {
            if let Some(Err(error)) = done {
                declined.push(Declined::new(option, &error));
            }
        };
        note("SO_TIMESTAMPING", Some(sys::enable_stamps(fd, self.stamps)));
        note(
            "SO_BUSY_POLL",
            options.busy_poll_us.map(|us| sys::set_busy_poll(fd, us)),
        );
        note(
            "TCP_USER_TIMEOUT",
            options
                .user_timeout_ms
                .map(|ms| sys::set_user_timeout(fd, ms)),
        );
        let buffer = options.receive_buffer_bytes;
        note(
            "SO_RCVBUF",
            buffer.map(|bytes| sys::set_receive_buffer(fd, bytes)),
        );
        self.declined = declined;
    }

    /// The options that the kernel refused.
    pub fn declined(&self) -> &[Declined] {
        &self.declined
    }

    /// Records that the socket was empty at `now`: a poll that was asked at `now`, or later,
    /// returned without readiness for a socket that had been read until it would block.
    pub fn seen_empty(&mut self, now: Nanos) {
        self.empty = self.empty.max(now);
    }

    /// The socket itself, to look at.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn wrote(&mut self, call: Nanos, bytes: usize) {
        self.tx = TxMark {
            bytes: self.tx.bytes + bytes as u64,
            call,
        };
    }
}

/// A kernel stamp on the monotonic scale. The offset of the scales is taken now, just after the
/// kernel returned: a step of the wall clock since the stamp shows, but never in the future.
fn to_monotonic(stamp: UnixNanos, now: Nanos) -> Nanos {
    let age_ns = sys::realtime().0.saturating_sub(stamp.0).max(0);
    now - Span(age_ns as u64)
}

impl Socket {
    /// Has the kernel forget what the newest read gave.
    fn let_go(&mut self) -> io::Result<()> {
        while self.held > 0 {
            match sys::discard(self.stream.as_fd(), self.held)? {
                0 => break, // It has none any more: the connection is over, as reading shows.
                n => self.held -= n,
            }
        }
        self.held = 0;
        Ok(())
    }
}

/// A read only looks: what it gives the kernel forgets at the next one. As soon as bytes are taken
/// off, the kernel may acknowledge them to the peer, before it returns: that would be a packet on
/// the way from a message to its order.
impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.let_go()?;
        let call = monotonic();
        match sys::peek_stamped(self.stream.as_fd(), out) {
            Ok((n, stamp)) => {
                self.held = n;
                let read = monotonic();
                // Nothing came before the socket was empty, whatever the wall clock did meanwhile.
                let kernel = stamp.map_or(Nanos::ZERO, |stamp| {
                    to_monotonic(stamp, read).max(self.empty)
                });
                self.rx = RxStamps {
                    kernel,
                    empty: self.empty,
                    call,
                    read,
                };
                if n < out.len() {
                    // The kernel gave all that it had: what comes next came later.
                    self.empty = call;
                }
                Ok(n)
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.empty = call; // Not later: bytes may have come since the kernel looked.
                }
                Err(error)
            }
        }
    }
}

/// A socket that is closed over bytes that nobody took is reset, and what was written last may be
/// lost.
impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.let_go();
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let call = monotonic();
        let n = self.stream.write(data)?;
        self.wrote(call, n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Socket {
    fn rx(&self) -> RxStamps {
        self.rx
    }

    fn tx(&self) -> TxMark {
        self.tx
    }

    /// One system call, or none if all that was written has its stamp.
    fn poll_tx_stamp(&mut self) -> Option<TxStamp> {
        if !self.stamps || self.stamped == self.tx.bytes {
            return None;
        }
        // An error here is the connection's, and shows where it is read.
        let (id, stamp) = sys::recv_send_stamp(self.stream.as_fd()).ok()??;
        // The kernel counts modulo 2³², and names the last byte rather than the count.
        let behind = (self.tx.bytes as u32).wrapping_sub(id.wrapping_add(1));
        let bytes = self.tx.bytes.checked_sub(u64::from(behind))?;
        self.stamped = self.stamped.max(bytes);
        Some(TxStamp {
            bytes,
            at: to_monotonic(stamp, monotonic()),
        })
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, want: Interest) -> io::Result<()> {
        self.stream.register(registry, token, want)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, want: Interest) -> io::Result<()> {
        self.stream.reregister(registry, token, want)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.stream.deregister(registry)
    }
}
