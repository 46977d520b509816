//! The life of one WebSocket connection as a value: resolve, connect, secure, upgrade, live, and
//! again after a delay. Opens no socket, asks no resolver and reads no clock; its owner does.
//!
//! Polling is edge-triggered, so on any readiness the owner must run one loop: [`Link::read`] until
//! [`Read::Blocked`] or [`Read::Closed`], then [`Link::poll_output`] until `None`. The owner reads
//! before it calls [`Link::handle_timeout`]: after a stall of the host, the proof of life still
//! waits in the kernel.

mod attempt;
mod live;

use super::backoff::Backoff;
use super::close::{Close, Phase};
use super::frame;
use super::limiter::Limiter;
use super::proxy::Tunnel;
use super::settings::{LinkConfig, LinkError};
use super::sieve::{Sieve, Sifted};
use super::tls_stream::TlsStream;
use super::upgrade::{Progress, Refusal, Upgrade};
use super::{Transport, TxMark, http_date, ws};
use crate::base::{Clock, Nanos, RxStamps, ServerTime, Span, UnixNanos};
use arrayvec::{ArrayString, ArrayVec};
use attempt::Rival;
use fastrand::Rng;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt::{self, Write as _};
use std::io::ErrorKind;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, coding::CloseCode};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Bytes, Message, Utf8Bytes};

/// What the link wants, or has to say. At most three wait at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Resolve the host, and answer with [`Link::handle_resolved`].
    Resolve,
    /// Open a non-blocking socket to this address, and answer with [`Link::handle_dialed`].
    Dial(SocketAddr),
    /// Frames can be sent: [`Link::epoch`] went up, and subscriptions start from nothing.
    Opened,
    /// The attempt or the connection is over. [`Link::last_error`] has the words.
    Closed {
        /// What ended it.
        reason: Close,
    },
}

/// What a read gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read<'a> {
    /// One text message of the connection [`Link::epoch`], or a binary one if these are read.
    Frame {
        /// The payload, of a text UTF-8; borrowed until the next call.
        text: &'a [u8],
        /// Stamps of the socket read that completed the message.
        rx: RxStamps,
        /// When the message stood here, out of TLS and WebSocket.
        at: Nanos,
    },
    /// A message that was longer than [`LinkConfig::message_bytes_max`], and was dropped.
    TooLong {
        /// How many bytes it had.
        bytes: u64,
        /// Its beginning and its end, `EXCERPT_BYTES` each at most; not
        /// checked to be UTF-8.
        excerpt: &'a [u8],
        /// When its end stood here.
        at: Nanos,
    },
    /// There may be more, but other connections must have their turn: read again after it.
    Yielded,
    /// Nothing before the stream is ready again.
    Blocked,
    /// There is no stream, or no longer one.
    Closed,
}

/// A message that the connection took; it must not be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// False while some of it waits for the socket: `mark` does not cover it yet.
    pub flushed: bool,
    /// The socket's mark after the write: the message's last byte, if it was flushed.
    pub mark: TxMark,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// There is no live connection. Nothing was sent.
    NotLive,
    /// The peer's message limit; nothing was sent. There is room at `until`.
    Limited {
        /// When there will be room again.
        until: Nanos,
    },
    /// Too much waits already for a peer that does not read. Nothing was sent.
    Full,
    /// The connection broke while sending: the peer may or may not have it.
    Broken,
}

/// What came and went, over all connections of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Messages that were read.
    pub(crate) text_frames: u64,
    /// Binary messages that were ignored.
    pub binary_frames: u64,
    /// Messages that were too long, and were dropped.
    pub too_long: u64,
    /// The peer's pings, each answered.
    pub pings: u64,
    /// Attempts and connections that ended, for whatever reason.
    pub(crate) closes: u64,
}

#[expect(
    clippy::large_enum_variant,
    reason = "one a connection, and a box would cost a look-up per frame"
)]
/// The stream, wrapped as far as the connection has come.
enum Wire<S> {
    None,
    Proxy(Tunnel<S>),
    Tls(TlsStream<S>),
    Http(Upgrade<TlsStream<S>>),
    Ws(WebSocket<Sieve<TlsStream<S>>>),
}

impl<S: Transport> Wire<S> {
    fn stream(&self) -> Option<&S> {
        match self {
            Self::None => None,
            Self::Proxy(tunnel) => Some(tunnel.get_ref()),
            Self::Tls(tls) => Some(tls.get_ref()),
            Self::Http(upgrade) => Some(upgrade.get_ref().get_ref()),
            Self::Ws(ws) => Some(ws.get_ref().get_ref().get_ref()),
        }
    }
}

/// One connection, and those that follow it.
pub struct Link<S> {
    config: LinkConfig,
    server_name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    wire: Wire<S>,
    phase: Phase,
    /// The phase's deadline, or the end of waiting; unused while live.
    timer: Nanos,
    outputs: ArrayVec<Output, 4>,
    epoch: u32,
    backoff: Backoff,
    limiter: Option<Limiter>,
    rng: Rng,
    /// The resolver's last good answer, which address is next, and how many this attempt has tried.
    addrs: ArrayVec<SocketAddr, { ADDRS_MAX }>,
    next_addr: usize,
    tried: usize,
    /// Addresses of this attempt that have not answered yet; `wire` is the newest.
    rivals: Vec<Rival<S>>,
    /// The address of the latest attempt.
    dialed: Option<SocketAddr>,
    /// The owner had no room for this attempt at first.
    postponed: bool,
    /// When anything was last heard, and whether we pinged since.
    heard: Nanos,
    pinged: bool,
    /// The connection's first text message, and whether it has proven itself since.
    first_text: Nanos,
    proven: bool,
    expires: Nanos,
    /// Something of ours waits for the socket.
    unflushed: bool,
    /// The frame that was written last.
    frame: Vec<u8>,
    /// The message that the owner reads. It shares tungstenite's buffer until the next read.
    held: Bytes,
    /// In its place: a large message, or the excerpt of one that was too long.
    large: Vec<u8>,
    /// An excerpt of the beginning of a message whose rest is being dropped.
    cut: Vec<u8>,
    last_error: ArrayString<ERROR_BYTES_MAX>,
    counters: Counters,
    /// When the upgrade of the newest connection was asked for, and what its answer said about the
    /// peer's clock.
    upgrade_asked: Nanos,
    peer_time: Option<ServerTime>,
}

impl<S: Transport> Link<S> {
    /// A link that starts its first attempt at the first timeout, which is due at once.
    pub fn new(config: LinkConfig, tls: Arc<ClientConfig>, seed: u64) -> Result<Self, LinkError> {
        let server_name = config.server_name()?;
        Ok(Self::fresh(config, server_name, tls, seed))
    }

    /// A link to the same endpoint that was never opened, with dice of its own.
    pub(crate) fn another(&mut self) -> Self {
        let seed = self.rng.u64(..);
        let (config, name) = (self.config.clone(), self.server_name.clone());
        Self::fresh(config, name, self.tls.clone(), seed)
    }

    fn fresh(
        config: LinkConfig,
        server_name: ServerName<'static>,
        tls: Arc<ClientConfig>,
        seed: u64,
    ) -> Self {
        Self {
            server_name,
            limiter: config
                .messages
                .map(|(count, per)| Limiter::new(count, widened(per))),
            config,
            tls,
            wire: Wire::None,
            phase: Phase::Waiting,
            timer: Nanos::ZERO,
            outputs: ArrayVec::new(),
            epoch: 0,
            backoff: Backoff::new(seed),
            rng: Rng::with_seed(!seed),
            addrs: ArrayVec::new(),
            next_addr: 0,
            tried: 0,
            rivals: Vec::new(),
            dialed: None,
            postponed: false,
            heard: Nanos::ZERO,
            pinged: false,
            first_text: Nanos::ZERO,
            proven: false,
            expires: Nanos::NEVER,
            unflushed: false,
            frame: Vec::with_capacity(FRAME_BYTES),
            held: Bytes::new(),
            large: Vec::new(),
            cut: Vec::new(),
            last_error: ArrayString::new(),
            counters: Counters::default(),
            upgrade_asked: Nanos::ZERO,
            peer_time: None,
        }
    }

    /// The endpoint, as configured.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What the link is doing now.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The address of the connection, or of the attempt at one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self.phase {
            Phase::Waiting | Phase::Resolving => None,
            Phase::Connecting | Phase::Tunnelling => self.dialed,
            Phase::Securing | Phase::Upgrading | Phase::Live => self.dialed,
        }
    }

    /// When a live connection is closed for its age, [`LinkConfig::life_max`] or a little less
    /// after it opened.
    pub(crate) fn expires(&self) -> Nanos {
        self.expires
    }

    /// How many connections have gone live; one more with each.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What came and went so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The latest failure in words: foreign text, cut to its capacity, not escaped.
    pub fn last_error(&self) -> &str {
        &self.last_error
    }

    /// What the peer's clock showed when it accepted the newest connection, if it said so.
    pub(crate) fn peer_time(&self) -> Option<ServerTime> {
        self.peer_time
    }

    /// The socket, for registration and its send stamps.
    pub fn stream_mut(&mut self) -> Option<&mut S> {
        match &mut self.wire {
            Wire::None => None,
            Wire::Proxy(tunnel) => Some(tunnel.get_mut()),
            Wire::Tls(tls) => Some(tls.get_mut()),
            Wire::Http(upgrade) => Some(upgrade.get_mut().get_mut()),
            Wire::Ws(ws) => Some(ws.get_mut().get_mut().get_mut()),
        }
    }

    /// What the link asks of its owner, or reports to it. Call until `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_at(0)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Nanos {
        match self.phase {
            Phase::Waiting | Phase::Resolving | Phase::Connecting => self.timer,
            Phase::Tunnelling | Phase::Securing | Phase::Upgrading => self.timer,
            Phase::Live => self.expires.min(self.heard + self.quiet_max()),
        }
    }

    /// Does what is due at `now`: a deadline, a ping, the next attempt. Does nothing if it is too
    /// early.
    pub fn handle_timeout(&mut self, now: Nanos) {
        if now < self.poll_timeout() {
            return;
        }
        match self.phase {
            Phase::Waiting => {
                self.enter(Phase::Resolving, now + self.config.deadlines.resolve);
                self.say(Output::Resolve);
            }
            Phase::Resolving if !self.addrs.is_empty() => self.start_round(),
            Phase::Connecting if matches!(self.wire, Wire::None) => self.ask_to_dial(),
            Phase::Resolving | Phase::Connecting => self.time_out(now),
            Phase::Tunnelling | Phase::Securing => self.time_out(now),
            Phase::Upgrading => match self.refusal() {
                Some(refusal) => self.refused(now, refusal),
                None => self.time_out(now),
            },
            Phase::Live => self.heartbeat(now),
        }
    }

    /// The owner may not dial before `until`, and is asked again then. True if this attempt was not
    /// put off before.
    pub fn handle_postponed(&mut self, until: Nanos) -> bool {
        let awaited = self.phase == Phase::Connecting && matches!(self.wire, Wire::None);
        if awaited {
            self.timer = until;
        }
        awaited && !std::mem::replace(&mut self.postponed, true)
    }

    /// The next message. Drives the handshakes before the first. Call until `Blocked` or
    /// `Closed`; the text lives until the next call.
    pub fn read<'a>(&'a mut self, clock: &dyn Clock) -> Read<'a> {
        // Given back before the next read, so that tungstenite can use its buffer's memory again.
        self.held = Bytes::new();
        self.large = Vec::new();
        if self.phase != Phase::Live {
            self.advance(clock.now(), clock.unix());
        }
        let mut others = 0;
        loop {
            let Wire::Ws(ws) = &mut self.wire else {
                return if matches!(self.wire, Wire::None) {
                    Read::Closed
                } else {
                    Read::Blocked
                };
            };
            match ws.get_mut().message() {
                Ok(Some(place)) => return self.read_in_place(clock, place),
                Ok(None) => {} // Anything else is tungstenite's.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.flush(clock);
                    return self.sifted(clock);
                }
                Err(error) => {
                    let reason = ws::io_close(&error);
                    self.fail(clock.now(), reason, format_args!("{error}"));
                    continue;
                }
            }
            let message = match ws.read() {
                Ok(Message::Text(text)) => Ok(Ok(text.into())),
                Ok(Message::Binary(bytes)) if self.config.binary => Ok(Ok(bytes)),
                other => other.map(Err),
            };
            match message {
                Ok(Ok(bytes)) => {
                    let (at, rx) = (clock.now(), ws.get_ref().get_ref().get_ref().rx());
                    self.heard_text(at);
                    self.held = bytes;
                    if self.cut_short() {
                        continue;
                    }
                    return Read::Frame {
                        text: &self.held,
                        rx,
                        at,
                    };
                }
                Ok(Err(other)) => {
                    self.handle_other(clock.now(), other);
                    others += 1;
                    if others > OTHERS_MAX {
                        self.flood(clock.now());
                    }
                }
                Err(error) if ws::would_block(&error) => {
                    self.flush(clock);
                    return self.sifted(clock);
                }
                Err(error) => {
                    let reason = ws::close(&error);
                    self.fail(clock.now(), reason, format_args!("{error}"));
                }
            }
        }
    }

    /// Sends one text message; `text` is UTF-8. The error says whether the peer may have it.
    pub fn send(&mut self, now: Nanos, text: &[u8]) -> Result<Sent, SendError> {
        self.send_sparing(now, text, HEARTBEAT_SPARE)
    }

    /// Like [`send`](Self::send), but may also use the room that the peer's limit keeps for pings
    /// and pongs: for messages that keep the connection open.
    pub(crate) fn send_first(&mut self, now: Nanos, text: &[u8]) -> Result<Sent, SendError> {
        self.send_sparing(now, text, 0)
    }

    /// Sends what the peer asked for at once, as its pings are answered: it counts, and never waits
    /// for room.
    pub(crate) fn reply(&mut self, now: Nanos, text: &[u8]) -> Result<Sent, SendError> {
        self.count_heartbeat(now);
        self.put_text(now, text)
    }

    fn send_sparing(&mut self, now: Nanos, text: &[u8], spare: usize) -> Result<Sent, SendError> {
        if self.phase != Phase::Live {
            return Err(SendError::NotLive);
        }
        if let Some(limiter) = &mut self.limiter {
            let admitted = limiter.admit_sparing(now, spare);
            admitted.map_err(|until| SendError::Limited { until })?;
        }
        self.put_text(now, text)
    }

    fn put_text(&mut self, now: Nanos, text: &[u8]) -> Result<Sent, SendError> {
        debug_assert!(std::str::from_utf8(text).is_ok(), "text frames are UTF-8");
        if !self.unflushed && text.len() <= frame::TEXT_BYTES_MAX {
            return self.put_frame(now, text);
        }
        let payload = Bytes::copy_from_slice(text);
        let frame = Frame::message(payload, OpCode::Data(Data::Text), true);
        self.put(now, Message::Frame(frame))
    }

    /// Writes what waits for the stream. [`read`](Self::read) does this too, and alone drives the
    /// handshakes: what comes with their end must be read.
    pub(crate) fn flush(&mut self, clock: &dyn Clock) {
        if self.unflushed {
            self.push_out(clock.now());
        }
    }

    fn push_out(&mut self, now: Nanos) {
        let Wire::Ws(ws) = &mut self.wire else { return };
        match ws.flush() {
            Ok(()) => self.unflushed = false,
            Err(error) if ws::would_block(&error) => self.unflushed = true,
            Err(error) => self.fail(now, ws::close(&error), format_args!("{error}")),
        }
    }

    /// Nothing of ours waits for the socket: [`tx`](Self::tx) covers all that was sent.
    pub(crate) fn is_flushed(&self) -> bool {
        !self.unflushed
    }

    /// How far this connection has written; `None` if there is none.
    pub(crate) fn tx(&self) -> Option<TxMark> {
        self.wire.stream().map(Transport::tx)
    }

    /// Gives the connection up for a new one: its owner found it stale, or the peer announced
    /// its end. The delay is that of a failure.
    pub fn restart(&mut self, now: Nanos) {
        if self.phase != Phase::Waiting {
            self.part(CloseCode::Normal);
            self.close(now, Close::Restarted);
        }
    }

    /// Says goodbye and starts no further attempt before `start`.
    pub fn shutdown(&mut self, now: Nanos) {
        self.part(CloseCode::Normal);
        self.close(now, Close::Shutdown);
    }

    /// Ends the rest after a [`shutdown`](Self::shutdown). A delay that failures had earned is
    /// waited for.
    pub(crate) fn start(&mut self, now: Nanos) {
        if self.phase == Phase::Waiting && self.timer == Nanos::NEVER {
            self.timer = self.backoff.poll_timeout().max(now);
        }
    }
}

/// Writes as much as fits, cut at a character.
struct Capped<'a, const N: usize>(&'a mut ArrayString<N>);

impl<const N: usize> fmt::Write for Capped<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(self.0.remaining_capacity());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        Ok(())
    }
}

/// The peer counts in a span of its own, and the network bunches what we spaced: a quarter is
/// added.
fn widened(span: Span) -> Span {
    span + (span / 4).min(BUNCHING_MAX)
}

/// Room for a frame of ours from the start: orders take some 300 bytes.
const FRAME_BYTES: usize = 1_024;
/// Addresses of a host that are remembered.
const ADDRS_MAX: usize = 16;
/// Bytes of a failure's text: a refusal's body and what stands before it.
const ERROR_BYTES_MAX: usize = 320;
/// Messages that are no text, one behind the other. A peer that sends more has lost its mind, and
/// reading on would keep the owner from its other connections.
const OTHERS_MAX: usize = 1_024;
/// Text messages must flow for this long before the backoff starts again from its shortest delay.
const PROOF: Span = Span::from_secs(60);
/// The most that [`widened`] adds.
const BUNCHING_MAX: Span = Span::from_secs(1);
/// Messages of the limit that are kept for pings and pongs.
const HEARTBEAT_SPARE: usize = 1;
/// Added to the delay if the peer is under maintenance: it will take a while.
const MAINTENANCE_PAUSE: Span = Span::from_secs(10);
/// Added to the delay if the peer banned us for too many requests and did not say for how long.
const BANNED_PAUSE: Span = Span::from_secs(60);
/// "No status received", RFC 6455 §7.4.1.
const NO_CLOSE_CODE: u16 = 1005;
/// "Service restart" and "try again later", of the same registry.
const RESTARTING: u16 = 1012;
const TRY_LATER: u16 = 1013;
