//! A client of Autobahn's cases, which `scripts/autobahn` runs: the engine's own link echoes each
//! text that it reads. `cargo run --example autobahn -- HOST:PORT AGENT [--in-pieces]`.
//!
//! The suite's server speaks no TLS and the link nothing else, so that the other end of TLS is here
//! as well. With `--in-pieces` each text of one frame comes in two, of which the second is empty:
//! no text is read in place then, and tungstenite reads them all.

use mio::{Events, Interest, Poll, Token};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use std::error::Error;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tickwire::base::{Clock, RxStamps, Span};
use tickwire::conn::{self, Close, Link, LinkConfig, Output, Read, SendError, Transport, TxMark};
use tickwire::world::os::clock::OsClock;

/// The suite's longest messages have 16 MiB.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// How long the suite may take to end a case. Its own limit is 100 s.
const CASE_MAX: Span = Span::from_secs(120);
/// A message came that the link cannot echo: if the suite is quiet for this long, the case is over.
const QUIET: Duration = Duration::from_millis(300);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, agent, rest @ ..] = arguments.as_slice() else {
        return Err("usage: autobahn HOST:PORT AGENT [--in-pieces]".into());
    };
    let suite = Suite::new(address.parse()?, rest == ["--in-pieces"])?;
    let count: usize = suite.visit("/getCaseCount")?.last.parse()?;
    for case in 1..=count {
        let Visit {
            texts,
            bytes_max,
            binary,
            refused,
            reason,
            ..
        } = suite.visit(&format!("/runCase?case={case}&agent={agent}"))?;
        println!(
            r#"{{"case":{case},"texts":{texts},"bytes_max":{bytes_max},"binary":{binary},"refused":{refused},"close":"{reason:?}"}}"#
        );
    }
    suite.visit(&format!("/updateReports?agent={agent}"))?;
    Ok(())
}

/// What a connection was like.
#[derive(Debug, Default)]
struct Visit {
    /// The text that came last.
    last: String,
    texts: usize,
    bytes_max: usize,
    /// Binary messages, which the link counts and gives to nobody.
    binary: u64,
    /// Echoes that the link does not send: it holds 256 KiB for a peer at most.
    refused: usize,
    reason: Option<Close>,
}

/// The suite's server, and both ends of TLS.
struct Suite {
    address: SocketAddr,
    in_pieces: bool,
    client: Arc<rustls::ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Suite {
    fn new(address: SocketAddr, in_pieces: bool) -> Result<Self, Box<dyn Error>> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
        let client =
            conn::tls::client_config(Some(certificate.pem().as_bytes()), Arc::new(OsClock))?;
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        let server = ServerConfig::builder_with_provider(conn::tls::provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key)?;
        Ok(Self {
            address,
            in_pieces,
            client,
            server: Arc::new(server),
        })
    }

    /// Echoes what comes until the connection is over.
    fn visit(&self, path: &str) -> Result<Visit, Box<dyn Error>> {
        let mut config = LinkConfig::new("localhost", self.address.port(), path);
        config.message_bytes_max = MESSAGE_BYTES_MAX;
        let mut link = Link::new(config, self.client.clone(), 1)?;
        let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
        let (mut visit, end) = (Visit::default(), OsClock.now() + CASE_MAX);
        let mut echo = Vec::new();
        loop {
            while let Read::Frame { text, .. } = link.read(&OsClock) {
                echo.clear();
                echo.extend_from_slice(text);
                visit.texts += 1;
                visit.bytes_max = visit.bytes_max.max(echo.len());
                if link.send(OsClock.now(), &echo) == Err(SendError::Full) {
                    visit.refused += 1;
                }
            }
            link.handle_timeout(OsClock.now());
            while let Some(output) = link.poll_output() {
                match output {
                    Output::Resolve => link.handle_resolved(OsClock.now(), &[self.address]),
                    Output::Dial(address) => {
                        let mut peer = self.dial(address)?;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut peer.plain, Token(0), both)?;
                        link.handle_dialed(OsClock.now(), Ok(peer));
                    }
                    Output::Opened => {}
                    Output::Closed { reason } => {
                        visit.binary = link.counters().binary_frames;
                        visit.last = String::from_utf8(echo)?;
                        visit.reason = Some(reason);
                        return Ok(visit);
                    }
                }
            }
            let silent = link.counters().binary_frames > 0 || visit.refused > 0;
            let wait = if silent {
                QUIET
            } else {
                Duration::from_secs(1)
            };
            poll.poll(&mut events, Some(wait))?;
            if events.is_empty() && silent || OsClock.now() > end {
                link.shutdown(OsClock.now());
            }
        }
    }

    fn dial(&self, address: SocketAddr) -> Result<Peer, Box<dyn Error>> {
        let plain = TcpStream::connect(address)?;
        plain.set_nodelay(true)?;
        plain.set_nonblocking(true)?;
        let mut tls = ServerConnection::new(self.server.clone())?;
        tls.set_buffer_limit(None);
        Ok(Peer {
            tls,
            plain: mio::net::TcpStream::from_std(plain),
            pieces: self.in_pieces.then(Pieces::default),
            ended: false,
            waiting: Vec::new(),
            written: 0,
        })
    }
}

/// A connection to the suite, with TLS on this side of it.
struct Peer {
    tls: ServerConnection,
    plain: mio::net::TcpStream,
    pieces: Option<Pieces>,
    /// Nothing more comes from the suite.
    ended: bool,
    /// What the suite has not taken yet.
    waiting: Vec<u8>,
    written: u64,
}

impl io::Read for Peer {
    fn read(&mut self, mut out: &mut [u8]) -> io::Result<usize> {
        let mut bytes = [0; 64 * 1024];
        loop {
            if self.tls.wants_write() {
                return self.tls.write_tls(&mut out);
            }
            if self.ended {
                return Ok(0);
            }
            match self.plain.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
                Ok(0) | Err(_) => {
                    self.ended = true;
                    self.tls.send_close_notify();
                }
                Ok(n) => match &mut self.pieces {
                    None => self.tls.writer().write_all(&bytes[..n])?,
                    Some(pieces) => {
                        let mut out = Vec::new();
                        pieces.pass(&bytes[..n], &mut out);
                        self.tls.writer().write_all(&out)?;
                    }
                },
            }
        }
    }
}

impl io::Write for Peer {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let taken = self.tls.read_tls(&mut &*data)?;
        self.written += taken as u64;
        let state = self.tls.process_new_packets().map_err(io::Error::other)?;
        let from = self.waiting.len();
        self.waiting
            .resize(from + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.waiting[from..])?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            Ok(()) | Err(_) => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            let n = self.plain.write(&self.waiting)?;
            self.waiting.drain(..n);
        }
        Ok(())
    }
}

impl Transport for Peer {
    fn rx(&self) -> RxStamps {
        RxStamps::default()
    }

    fn tx(&self) -> TxMark {
        TxMark {
            bytes: self.written,
            ..TxMark::default()
        }
    }

    fn poll_tx_stamp(&mut self) -> Option<conn::TxStamp> {
        None
    }
}

/// Makes two frames of each text that comes in one; everything else stays as it is.
#[derive(Default)]
struct Pieces {
    /// The answer to the upgrade is over.
    upgraded: bool,
    /// The end of that answer, or a header that is not whole.
    begun: Vec<u8>,
    /// Bytes of the payload that are to come, and whether the second piece follows.
    left: u64,
    text: bool,
}

impl Pieces {
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            if self.left > 0 {
                out.push(*byte);
                self.left -= 1;
            } else {
                self.begun.push(*byte);
                self.begin(out);
            }
            if self.left == 0 && self.text {
                out.extend_from_slice(&LAST_AND_EMPTY);
                self.text = false;
            }
        }
    }

    /// Lets go of what was begun, if it is whole.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.upgraded {
            self.upgraded = self.begun.ends_with(b"\r\n\r\n");
            if self.upgraded {
                out.append(&mut self.begun);
            }
            return;
        }
        let [first, second, more @ ..] = self.begun.as_mut_slice() else {
            return;
        };
        let len = match *second & 0x7f {
            126 => more
                .first_chunk()
                .map(|len| u64::from(u16::from_be_bytes(*len))),
            127 => more.first_chunk().map(|len| u64::from_be_bytes(*len)),
            len => Some(u64::from(len)),
        };
        let Some(len) = len else { return };
        let masked = *second & 0x80 != 0;
        self.left = len.saturating_add(if masked { 4 } else { 0 });
        self.text = *first == TEXT && !masked;
        if self.text {
            *first = TEXT_BUT_NOT_LAST;
        }
        out.append(&mut self.begun);
    }
}

/// First bytes of frames: RFC 6455 §5.2.
const TEXT: u8 = 0x81;
const TEXT_BUT_NOT_LAST: u8 = 0x01;
const LAST_AND_EMPTY: [u8; 2] = [0x80, 0];
