//! One accepted connection as a value: bytes, TLS, HTTP, and then a WebSocket with a session of the
//! exchange. Owns no socket: ciphertext goes in, ciphertext comes out, and time is an argument.

mod faulty;
mod http;

use self::faulty::{Drip, Tls};
use super::tls::Servers;
use super::ws::Peer;
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{Call, Reply};
use crate::venue::directory::Venues;
use crate::venue::faults::MarketFault;
use crate::venue::limits::Meter;
use crate::venue::session::{Broken, Session};
use crate::venue::simulated::{News, Venue};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::CloseCode;

/// Bytes that may wait for a client when more come, however large a message is. One that reads
/// slower than that is cut.
pub(crate) const OUT_BYTES_MAX: usize = 4 << 20;
/// A recording goes on only while fewer bytes than this wait.
pub(crate) const PLAY_BYTES_MAX: usize = 64 * 1024;
/// A connection without a request, TLS handshake included, is closed after this.
const IDLE_MAX: Span = Span::from_secs(75);
/// A closed connection lingers so that its last bytes arrive before the socket's end does.
const LINGER_MAX: Span = Span::from_millis(500);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The client closed.
    Peer,
    /// TLS failed: a client that does not trust our authority ends here.
    Tls,
    /// Not HTTP or WebSocket as it should be.
    Protocol,
    /// An answer that ends its connection was sent.
    Answered,
    /// It was silent for too long before its request was whole.
    Idle,
    /// It did not read what was sent to it.
    SlowConsumer,
    /// It sent more messages than the exchange takes in a second.
    TooManyMessages,
    /// It subscribed to more streams than a connection may carry.
    TooManyStreams,
    /// It opened more connections than the exchange takes from one address.
    TooManyConnects,
    /// The exchange's protocol does not allow what it sent.
    Offence,
    /// It did not answer pings.
    NoPong,
    /// The connection is as old as the exchange lets one become.
    Life,
    /// The recording could not be read any further.
    Recording,
    /// A planned fault cut it.
    Fault,
    /// A planned fault cut it, and nothing is on its way any more.
    Torn,
    /// A planned fault: nobody reads or writes any more, and it stays open.
    HalfOpen,
}

impl Cut {
    /// A few words, also the reason in a close frame.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Peer => "closed by the client",
            Self::Tls => "TLS failed",
            Self::Protocol => "protocol error",
            Self::Answered => "answered",
            Self::Idle => "idle",
            Self::SlowConsumer => "slow consumer",
            Self::TooManyMessages => "Too many requests",
            Self::TooManyStreams => "too many streams",
            Self::TooManyConnects => "too many connections",
            Self::Offence => "against the protocol",
            Self::NoPong => "Pong timeout",
            Self::Life => "24 hours are over",
            Self::Recording => "the recording broke",
            Self::Fault | Self::Torn => "cut by a fault",
            Self::HalfOpen => "half-open by a fault",
        }
    }
}

/// Plaintext in both directions. Reading an empty one would block.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// From the client, decrypted.
    pub(crate) input: Vec<u8>,
    /// To the client, not yet encrypted.
    pub(crate) output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buf.len().min(self.input.len());
        buf[..n].copy_from_slice(&self.input[..n]);
        self.input.drain(..n);
        Ok(n)
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Phase {
    Http,
    Open(Box<Open>),
}

/// A WebSocket, and what the exchange says on it.
struct Open {
    peer: Peer,
    session: Session,
    /// Frames on their way from the session to the peer; empty between calls.
    out: Vec<String>,
}

impl Open {
    /// Answers the client's messages.
    fn handle_input(&mut self, now: Nanos, pipe: &mut Pipe, venue: &mut Venue) -> Result<(), Cut> {
        while let Some(text) = self.peer.read(now, pipe)? {
            let (session, out) = (&mut self.session, &mut self.out);
            let before = pipe.output.len();
            let done = session.handle_text(now, &text, venue, out);
            if session.is_account() {
                self.peer.unlimit(); // Order entry is not limited in messages.
            }
            self.send(pipe);
            self.keep(done, pipe, before)?;
        }
        Ok(())
    }

    /// Does what is due: keep-alive, heartbeats, and the recording. Gives the recording's frames.
    fn handle_timeout(
        &mut self,
        now: Nanos,
        pipe: &mut Pipe,
        venue: &Venue,
        room: usize,
    ) -> Result<u64, Cut> {
        let payload = venue.unix(now).as_millis();
        self.peer.handle_timeout(now, pipe, payload)?;
        let before = pipe.output.len();
        let done = self.session.handle_timeout(now, venue, &mut self.out);
        self.send(pipe);
        self.keep(done, pipe, before)?;
        let done = self.session.play(now, venue, room, &mut self.out);
        let frames = self.send(pipe);
        self.keep(done, pipe, before)?;
        Ok(frames)
    }

    /// Hands the session's frames to the peer; gives how many of market data went out.
    fn send(&mut self, pipe: &mut Pipe) -> u64 {
        let mut frames = 0;
        let counts = u64::from(!self.session.is_account());
        for text in self.out.drain(..) {
            frames += counts * u64::from(self.peer.send(pipe, Message::text(text)));
        }
        while let Some(frame) = self.session.poll_binary() {
            frames += counts * u64::from(self.peer.send(pipe, Message::binary(frame)));
        }
        frames
    }

    /// Ends the connection if it must end; `before` it had written this much.
    fn keep(
        &mut self,
        done: Result<(), Broken>,
        pipe: &mut Pipe,
        before: usize,
    ) -> Result<(), Cut> {
        done.map_err(|broken| match broken {
            Broken::Cut(bytes) => {
                pipe.output.truncate(before.saturating_add(bytes));
                Cut::Fault
            }
            Broken::HalfOpen => {
                pipe.output.truncate(before);
                Cut::HalfOpen
            }
            Broken::TooManyStreams => self.peer.cut(pipe, CloseCode::Policy, Cut::TooManyStreams),
            Broken::Offence(offence) => {
                self.peer.close(pipe, offence.code.into(), &offence.reason);
                Cut::Offence
            }
            Broken::Recording => Cut::Recording,
        })
    }
}

/// One connection.
///
/// Invariant: `sent <= out.len()`; bytes wait in `out` only, and at most [`OUT_BYTES_MAX`] and one
/// batch of them.
pub(crate) struct Connection {
    tls: Tls,
    pipe: Pipe,
    phase: Phase,
    out: Vec<u8>,
    sent: usize,
    last_request: Nanos,
    cut: Option<(Cut, Nanos)>,
    from: IpAddr,
    /// The exchange that it is at, once that is known.
    venue: Option<usize>,
    /// Nobody reads or writes any more.
    half_open: bool,
    /// Faults of connections that it has met, or that were before it.
    faults_seen: u64,
    /// A fault ends it after so many further bytes.
    ends_after: Option<usize>,
    /// A fault lets its client have few bytes at a time.
    drip: Option<Drip>,
    /// An answer that is late, when it is due, and whether the connection goes on after it.
    late: Option<(Nanos, Reply, bool)>,
}

impl Connection {
    /// A connection that was accepted at `now` from this address.
    pub(crate) fn new(now: Nanos, from: IpAddr, servers: Arc<Servers>) -> Self {
        Self {
            tls: Tls::new(servers),
            pipe: Pipe::default(),
            phase: Phase::Http,
            out: Vec::new(),
            sent: 0,
            last_request: now,
            cut: None,
            from,
            venue: None,
            half_open: false,
            faults_seen: 0,
            ends_after: None,
            drip: None,
            late: None,
        }
    }

    /// Takes ciphertext from the socket and answers what it asks. The markets stand at `now`.
    pub(crate) fn handle_input(&mut self, now: Nanos, mut bytes: &[u8], venues: &mut Venues) {
        if self.half_open {
            return;
        }
        let ended = |why| matches!(why, Cut::Tls | Cut::Torn);
        while !bytes.is_empty() && !self.cut.is_some_and(|(why, _)| ended(why)) {
            let input = &mut self.pipe.input;
            match self.tls.read(now, &mut bytes, venues, input, &mut self.out) {
                Ok(true) => self.drive(now, venues),
                Ok(false) => break,
                Err(why) => self.end(now, why),
            }
        }
        self.seal(now);
    }

    /// The exchange that it is at, once that is known.
    pub(crate) fn venue(&self) -> Option<usize> {
        self.venue
    }

    /// Whether it is for orders.
    pub(crate) fn is_account(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.session.is_account())
    }

    /// Publishes what its exchange did, as far as its client follows it; the market stands at these
    /// news. Gives the frames sent.
    pub(crate) fn handle_news(&mut self, venue: &Venue, news: &News) -> u64 {
        match &mut self.phase {
            Phase::Open(open) if self.cut.is_none() && !self.half_open => {
                open.session.handle_news(venue, news, &mut open.out);
                open.send(&mut self.pipe)
            }
            Phase::Open(_) | Phase::Http => 0,
        }
    }

    /// Does what is due: keep-alive, idle limits, and the recording. Gives the frames sent.
    pub(crate) fn handle_timeout(&mut self, now: Nanos, venues: &Venues) -> u64 {
        let mut frames = 0;
        self.meet_faults(now, venues);
        if self.cut.is_none() && !self.half_open {
            let venue = &venues.all[self.venue.unwrap_or(0)];
            let room = PLAY_BYTES_MAX.saturating_sub(self.queued());
            if let Err(why) = self.answer_late(now) {
                self.end(now, why);
            }
            let pipe = &mut self.pipe;
            let done = match &mut self.phase {
                Phase::Http if now >= self.last_request + IDLE_MAX => Err(Cut::Idle),
                Phase::Http => Ok(()),
                Phase::Open(open) => open
                    .handle_timeout(now, pipe, venue, room)
                    .map(|sent| frames = sent),
            };
            if let Err(why) = done {
                self.end(now, why);
            }
        }
        self.seal(now);
        frames
    }

    /// When [`Self::handle_timeout`] is wanted next.
    pub(crate) fn poll_timeout(&self, venues: &Venues) -> Nanos {
        let venue = &venues.all[self.venue.unwrap_or(0)];
        let late = self.late.as_ref().map_or(Nanos::NEVER, |(due, ..)| *due);
        let drips = self.drip.as_ref().map_or(Nanos::NEVER, Drip::poll_timeout);
        let faulty = late.min(drips);
        match (&self.cut, &self.phase) {
            _ if self.half_open => Nanos::NEVER,
            (Some((_, since)), _) => (*since + LINGER_MAX).min(faulty),
            (None, Phase::Http) => (self.last_request + IDLE_MAX).min(faulty),
            (None, Phase::Open(open)) => {
                let room = self.queued() < PLAY_BYTES_MAX;
                let session = open.session.poll_timeout(room, venue);
                session.min(open.peer.poll_timeout()).min(faulty)
            }
        }
    }

    /// Ciphertext for the socket.
    pub(crate) fn output(&self) -> &[u8] {
        let all = &self.out[self.sent..];
        let room = self.drip.as_ref().map_or(all.len(), Drip::room);
        &all[..room.min(all.len())]
    }

    /// The socket took `n` bytes of [`Self::output`].
    pub(crate) fn consume(&mut self, n: usize) {
        self.sent += n;
        if let Some(drip) = &mut self.drip {
            drip.consume(n);
        }
        assert!(self.sent <= self.out.len(), "more was sent than there was");
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Why the socket can be closed now, if it can.
    pub(crate) fn over(&self, now: Nanos) -> Option<Cut> {
        let (why, since) = self.cut?;
        // These two are gone, or must not be waited for; others get their last bytes first.
        let lingers =
            !matches!(why, Cut::Peer | Cut::SlowConsumer | Cut::Torn) && now < since + LINGER_MAX;
        (!lingers).then_some(why)
    }

    /// Whether it plays a recording, and if so, whether all of it was handed to the socket.
    pub(crate) fn played_out(&self) -> Option<bool> {
        match &self.phase {
            Phase::Open(open) => open.session.played().map(|end| end && self.queued() == 0),
            Phase::Http => None,
        }
    }

    /// Whether it is played a recording, and its client awaits snapshots of this symbol.
    pub(crate) fn awaits(&self, symbol: &str) -> bool {
        match &self.phase {
            Phase::Open(open) => open.session.awaits(symbol),
            Phase::Http => false,
        }
    }

    fn queued(&self) -> usize {
        self.out.len() - self.sent
    }

    fn end(&mut self, now: Nanos, why: Cut) {
        if why == Cut::HalfOpen {
            self.half_open = true;
        } else if self.cut.is_none() {
            self.cut = Some((why, now));
        }
    }

    /// Answers the plaintext that is there.
    fn drive(&mut self, now: Nanos, venues: &mut Venues) {
        if self.cut.is_some() {
            self.pipe.input.clear();
            return;
        }
        let done = loop {
            let pipe = &mut self.pipe;
            let at = self.venue.unwrap_or(0);
            match &mut self.phase {
                Phase::Http if self.late.is_some() => break Ok(()),
                Phase::Http => match http::answer(now, self.from, pipe, venues) {
                    Ok(None) => break Ok(()),
                    Ok(Some(http::Turn::Late(due, reply, goes_on))) => {
                        self.late = Some((due, reply, goes_on));
                    }
                    Ok(Some(http::Turn::Answered)) => self.last_request = now,
                    Ok(Some(http::Turn::Upgrade(asked))) => {
                        if let Err(why) = self.upgrade(now, &asked, venues) {
                            break Err(why);
                        }
                    }
                    Err(why) => break Err(why),
                },
                Phase::Open(open) => break open.handle_input(now, pipe, &mut venues.all[at]),
            }
        };
        if let Err(why) = done {
            let exceeded = &mut venues.all[self.venue.unwrap_or(0)].gate.exceeded;
            exceeded.messages += u64::from(why == Cut::TooManyMessages);
            exceeded.streams += u64::from(why == Cut::TooManyStreams);
            self.end(now, why);
        }
    }

    /// Answers a request for a WebSocket, and becomes one if it is granted.
    fn upgrade(
        &mut self,
        now: Nanos,
        asked: &http::Upgrade,
        venues: &mut Venues,
    ) -> Result<(), Cut> {
        let pipe = &mut self.pipe;
        let headers = asked.headers.iter();
        let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (&**name, &**value)).collect();
        let call = Call {
            headers: &headers,
            ..Call::get(&asked.target)
        };
        let (at, session) = venues.session(now, self.from, &asked.host, call);
        let venue = &mut venues.all[at];
        self.venue = Some(at);
        let limits = venue.exchange.limits();
        let session = match session {
            Ok(session) => session,
            Err(refused) => {
                http::write(pipe, &refused, false);
                return Err(Cut::Answered);
            }
        };
        if let Err(refusal) = venue.gate.admit_connect(now, self.from) {
            http::write(pipe, &venue.refuse(refusal, call), false);
            return Err(Cut::TooManyConnects);
        }
        let is_ours = !session.is_account(); // Orders have faults of their own.
        if is_ours && let Some(status) = faulty::refused(now, venue) {
            faulty::refuse(pipe, status);
            return Err(Cut::Answered);
        }
        if session.is_too_wide() {
            http::refuse(pipe, 400, "Too many streams.");
            return Err(Cut::TooManyStreams);
        }
        asked.accept(pipe);
        if is_ours
            && venue
                .strike(now, MarketFault::UpgradeClosed, None)
                .is_some()
        {
            return Err(Cut::Fault);
        }
        // Order entry is not limited in messages.
        let messages = Meter::new(limits.messages, limits.bursts.messages);
        let messages = (!session.is_account()).then_some(messages);
        let mut open = Open {
            peer: Peer::new(now, messages, limits.connection_life),
            session,
            out: Vec::new(),
        };
        self.faults_seen = venue.schedule.get_mut().begun_count();
        open.session.handle_open(venue, &mut open.out);
        open.send(pipe);
        self.phase = Phase::Open(Box::new(open));
        Ok(())
    }

    /// Encrypts what was written; cuts a client that lets too much of it wait.
    fn seal(&mut self, now: Nanos) {
        let waited = self.queued();
        self.tear(now);
        self.tls.seal(&self.pipe.output, &mut self.out);
        self.pipe.output.clear();
        if waited > OUT_BYTES_MAX {
            self.cut = Some((Cut::SlowConsumer, now));
        }
    }
}
