//! A TLS server of rustls and a wire that cuts, blocks and, if the input says so, damages what is
//! on it. Our side must not panic, and must never give plaintext that the server did not send. If
//! nothing was damaged, all of it arrives, in both directions.

use super::Choices;
use crate::conn::tls::{client_config, provider};
use crate::conn::tls_stream::TlsStream;
use crate::world::sim::tls::certificates;
use fastrand::Rng;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, ServerConfig, ServerConnection, version};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::iter;
use std::sync::{Arc, LazyLock};

/// What an input does at most: a handshake alone takes a millisecond.
const STEPS_MAX: usize = 64;
/// New keys without data between them: a peer that has nothing else to say is left.
const RENEWED_MAX: u32 = 8;
/// Turns after which a whole connection must have brought everything.
const TURNS_MAX: usize = 20_000;
/// Lengths of data at which something changes: of a record, and of what our side lets wait.
const LENGTHS: [usize; 8] = [0, 1, 200, 1_400, 16_384, 16_385, 33_000, 70_000];

/// The client's configuration, and a server's for TLS 1.3 and one for 1.2.
static CONFIGS: LazyLock<(Arc<ClientConfig>, [Arc<ServerConfig>; 2])> = LazyLock::new(|| {
    let certificates = certificates(iter::empty(), Arc::new(DefaultTimeProvider)).unwrap();
    let pem = certificates.ca_pem.as_bytes();
    let client = client_config(Some(pem), Arc::new(DefaultTimeProvider)).unwrap();
    // One input must not change what the next one does.
    let mut client = (*client).clone();
    client.resumption = Resumption::disabled();
    let server = |versions| {
        let server = ServerConfig::builder_with_provider(provider());
        let server = server.with_protocol_versions(&[versions]).unwrap();
        let server = server.with_no_client_auth();
        Arc::new(server.with_cert_resolver(certificates.server.right().cert_resolver.clone()))
    };
    let servers = [server(&version::TLS13), server(&version::TLS12)];
    (Arc::new(client), servers)
});

pub(super) fn body(data: &[u8]) {
    let mut choices = Choices(data);
    let (flags, seed) = (choices.u8(), choices.u8());
    let mut pair = Pair::new(flags, seed.into());
    for _ in 0..STEPS_MAX {
        if choices.is_over() {
            break;
        }
        pair.step(&mut choices);
        pair.check();
    }
    pair.finish();
}

/// Both ends of a connection, and what went in and came out at each.
struct Pair {
    client: TlsStream<Wire>,
    server: ServerConnection,
    /// Why our side ended, if it did.
    ended: Option<ErrorKind>,
    open: bool,
    /// Nothing was done to the bytes on the wire.
    whole: bool,
    /// The server says no more.
    closed: bool,
    renewed: u32,
    said: Flow,
    wrote: Flow,
}

/// How much of a stream of known bytes went in, and how much came out of it.
#[derive(Default)]
struct Flow {
    sent: usize,
    came: usize,
}

impl Flow {
    /// The next bytes to be sent.
    fn next(&self, len: usize) -> Vec<u8> {
        (self.sent..self.sent + len).map(byte).collect()
    }

    /// Checks what came next.
    fn came(&mut self, bytes: &[u8]) {
        assert!(self.came + bytes.len() <= self.sent, "more than was sent");
        for got in bytes {
            assert_eq!(*got, byte(self.came), "byte {}", self.came);
            self.came += 1;
        }
    }

    fn is_whole(&self) -> bool {
        self.came == self.sent
    }
}

/// A byte of a stream, which repeats itself only after a long time.
fn byte(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

impl Pair {
    fn new(flags: u8, seed: u64) -> Self {
        let (client, servers) = &*CONFIGS;
        let wire = Wire {
            to_client: VecDeque::new(),
            to_server: Vec::new(),
            ends: false,
            dice: Rng::with_seed(seed),
            calm: flags & 2 > 0,
        };
        let name = ServerName::try_from("localhost").unwrap();
        let server = servers[usize::from(flags & 1)].clone();
        let mut server = ServerConnection::new(server).unwrap();
        server.set_buffer_limit(None);
        Self {
            client: TlsStream::new(client.clone(), name, wire).unwrap(),
            server,
            ended: None,
            open: false,
            whole: true,
            closed: false,
            renewed: 0,
            said: Flow::default(),
            wrote: Flow::default(),
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.u8() % 16 {
            0..3 => self.say(choices.one_of(&LENGTHS)),
            3..5 => self.write(choices.one_of(&LENGTHS)),
            5 if self.renewed < RENEWED_MAX => {
                let renewed = self.server.refresh_traffic_keys(); // TLS 1.2 has none.
                self.renewed += u32::from(renewed.is_ok());
            }
            6 => self.damage(choices, |wire, at, with| wire[at] ^= with.max(1)),
            7 => self.damage(choices, |wire, at, with| {
                let end = wire.len().min(at + usize::from(with) + 1);
                drop(wire.drain(at..end));
            }),
            8 => self.damage(choices, |wire, at, with| {
                let again: Vec<u8> = wire.range(at..).take(with.into()).copied().collect();
                insert(wire, at, &again);
            }),
            9 => {
                let more = choices.u8() % 64;
                let more = choices.bytes(more.into()).to_vec();
                self.damage(choices, |wire, at, _| insert(wire, at, &more));
            }
            // Before it would overtake what waits for the end of the handshake.
            10 if self.open && !self.server.is_handshaking() => {
                self.server.send_close_notify();
                self.closed = true;
            }
            11 if choices.u8() == 0 => {
                self.client.get_mut().ends = true;
                self.whole = false;
            }
            turns => (0..turns).for_each(|_| self.turn()),
        }
        self.turn();
    }

    /// The server sends this much.
    fn say(&mut self, len: usize) {
        if !self.closed {
            let data = self.said.next(len);
            self.said.sent += self.server.writer().write(&data).unwrap_or(0);
            if len > 0 {
                self.renewed = 0;
            }
        }
    }

    /// Our side sends this much.
    fn write(&mut self, len: usize) {
        let data = self.wrote.next(len);
        self.wrote.sent += self.client.write(&data).unwrap_or(0);
    }

    /// Does something to the bytes under way to our side, if there are any.
    fn damage(&mut self, choices: &mut Choices<'_>, how: impl Fn(&mut VecDeque<u8>, usize, u8)) {
        self.send();
        let (at, with) = (choices.u64() as usize, choices.u8());
        let wire = &mut self.client.get_mut().to_client;
        if !wire.is_empty() {
            let at = at % wire.len();
            how(wire, at, with);
            self.whole = false;
        }
    }

    /// Puts what the server has to say onto the wire.
    fn send(&mut self) {
        let wire = &mut self.client.get_mut().to_client;
        while self.server.wants_write() {
            let mut records = Vec::new();
            self.server.write_tls(&mut records).unwrap();
            wire.extend(records);
        }
    }

    /// Lets each side read what there is.
    fn turn(&mut self) {
        self.send();
        self.turn_client();
        let came = std::mem::take(&mut self.client.get_mut().to_server);
        let mut rest = &came[..];
        while !rest.is_empty() && self.server.read_tls(&mut rest).is_ok_and(|n| n > 0) {
            let processed = self.server.process_new_packets();
            assert!(processed.is_ok() || !self.whole, "{processed:?}");
            let mut heard = Vec::new();
            let _ = self.server.reader().read_to_end(&mut heard); // Blocks, or has ended.
            self.wrote.came(&heard);
            if processed.is_err() {
                break;
            }
        }
    }

    fn turn_client(&mut self) {
        let result = match self.open {
            false => self.client.handshake().map(|()| self.open = true),
            true => self.read(),
        };
        let result = result.and_then(|()| self.client.flush());
        if let Err(error) = result
            && error.kind() != ErrorKind::WouldBlock
        {
            self.ended = Some(error.kind());
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 3_000];
        loop {
            let n = self.client.read(&mut buffer)?;
            if n == 0 {
                assert!(self.closed, "an end that the server did not say");
                return Ok(());
            }
            let broken = self.ended == Some(ErrorKind::InvalidData);
            assert!(!broken, "plaintext behind a failure");
            self.said.came(&buffer[..n]);
        }
    }

    fn check(&self) {
        assert!(self.said.came <= self.said.sent);
        assert!(self.ended.is_none() || !self.whole, "{:?}", self.ended);
    }

    /// What is whole arrives.
    fn finish(&mut self) {
        for _ in 0..TURNS_MAX {
            let all = self.said.is_whole() && self.wrote.is_whole();
            if (self.open && all) || self.ended.is_some() {
                break;
            }
            if !self.whole && self.client.get_ref().to_client.is_empty() {
                break;
            }
            self.turn();
            self.check();
        }
        assert!(!self.whole || self.open, "no end of the handshake");
        assert!(!self.whole || self.said.is_whole(), "{}", self.said.came);
        assert!(!self.whole || self.wrote.is_whole(), "{}", self.wrote.came);
    }
}

fn insert(wire: &mut VecDeque<u8>, at: usize, bytes: &[u8]) {
    let behind = wire.split_off(at);
    wire.extend(bytes);
    wire.extend(behind);
}

/// What is below our side: bytes in both directions, in pieces of chance unless it is calm.
struct Wire {
    to_client: VecDeque<u8>,
    to_server: Vec<u8>,
    ends: bool,
    dice: Rng,
    calm: bool,
}

impl Wire {
    /// How many bytes of these pass at once.
    fn pass(&mut self, most: usize) -> io::Result<usize> {
        if self.calm {
            return Ok(most);
        }
        match self.dice.u8(..8) {
            0..2 => Err(ErrorKind::WouldBlock.into()),
            2 => Err(ErrorKind::Interrupted.into()),
            3 => Ok(most.min(1)),
            4 => Ok(most.min(7)),
            _ => Ok(most.min(self.dice.usize(1..20_000))),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = self.pass(out.len())?;
        if self.to_client.is_empty() && !self.ends {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.to_client.read(&mut out[..most])
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let most = self.pass(data.len())?;
        self.to_server.extend_from_slice(&data[..most]);
        Ok(most)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
