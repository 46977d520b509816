//! What a server may do with TLS once the handshake is over, over a pipe in memory.

use crate::conn_support::{Authority, TestClock};
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{
    CipherSuiteCommon, ClientConfig, ConnectionTrafficSecrets, ContentType, HandshakeKind,
    ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedCipherSuite, SupportedProtocolVersion, Tls12CipherSuite, Tls13CipherSuite, version,
};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use tickwire::base::{Clock, Nanos, Span};
use tickwire::conn::{Close, Link, LinkConfig, Output, Phase, Read};
use tickwire::world::sim::pipe::{End, pipe};
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

type Tls = StreamOwned<ServerConnection, End>;

/// A live link and its server.
struct Pair {
    link: Link<End>,
    clock: TestClock,
    texts: Vec<String>,
    closed: Option<Close>,
    end: Option<End>,
}

impl Pair {
    fn connect(
        client: Arc<ClientConfig>,
        server: Arc<ServerConfig>,
        seed: Option<u64>,
    ) -> (Self, WebSocket<Tls>) {
        let (ours, theirs) = pipe(1 << 20, seed);
        let config = LinkConfig::new("localhost", 443, "/stream");
        let mut pair = Self {
            link: Link::new(config, client, 7).unwrap(),
            clock: TestClock::at(Nanos(1_700_000_000_000_000_000)),
            texts: Vec::new(),
            closed: None,
            end: Some(ours),
        };
        let tls = StreamOwned::new(ServerConnection::new(server).unwrap(), theirs);
        let mut upgraded = tungstenite::accept(tls);
        for _ in 0..100_000 {
            pair.turn();
            upgraded = match upgraded {
                Ok(ws) if pair.link.phase() == Phase::Live => return (pair, ws),
                Err(HandshakeError::Interrupted(mid)) => mid.handshake(),
                other => other,
            };
        }
        panic!("not live: {:?} {}", pair.closed, pair.link.last_error());
    }

    fn turn(&mut self) {
        self.clock.advance(Span(1_000));
        while let Read::Frame { text, .. } = self.link.read(&self.clock) {
            self.texts.push(String::from_utf8(text.to_vec()).unwrap());
        }
        let now = self.clock.now();
        self.link.handle_timeout(now);
        while let Some(output) = self.link.poll_output() {
            let address = SocketAddr::from(([10, 0, 0, 1], 443));
            match output {
                Output::Resolve => self.link.handle_resolved(now, &[address]),
                Output::Dial(_) => {
                    if let Some(end) = self.end.take() {
                        self.link.handle_dialed(now, Ok(end));
                    }
                }
                Output::Opened => {}
                Output::Closed { reason } => self.closed = Some(reason),
            }
        }
    }

    /// Turns both until the link has `count` texts.
    fn until_texts(&mut self, ws: &mut WebSocket<Tls>, count: usize) {
        for _ in 0..200_000 {
            if self.texts.len() >= count {
                return;
            }
            let _ = ws.flush();
            self.turn();
        }
        panic!(
            "{} of {count} texts: {}",
            self.texts.len(),
            self.link.last_error()
        );
    }

    /// Sends a text, and gives what the server reads.
    fn echo(&mut self, ws: &mut WebSocket<Tls>, text: &str) -> Message {
        self.link.send(self.clock.now(), text.as_bytes()).unwrap();
        for _ in 0..200_000 {
            if let Ok(message) = ws.read() {
                return message;
            }
            self.turn();
        }
        panic!("nothing came: {}", self.link.last_error());
    }

    fn until_closed(&mut self) -> Close {
        for _ in 0..1_000 {
            self.turn();
        }
        self.closed.expect("closed")
    }
}

/// Both sides' configurations for one version and, if given, one suite.
fn configs(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    suite: Option<SupportedCipherSuite>,
) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let mut provider = (*tickwire::conn::tls::provider()).clone();
    if let Some(suite) = suite {
        provider.cipher_suites = vec![suite];
    }
    let server = authority.server_with("localhost", 2100, Arc::new(provider), &[version]);
    (authority.client(), server)
}

fn suites() -> impl Iterator<Item = (SupportedCipherSuite, &'static SupportedProtocolVersion)> {
    let all = tickwire::conn::tls::provider().cipher_suites.clone();
    all.into_iter().filter_map(|suite| match suite {
        SupportedCipherSuite::Tls13(_) => Some((suite, &version::TLS13)),
        // The authority's certificates have elliptic curves.
        SupportedCipherSuite::Tls12(_) if format!("{suite:?}").contains("ECDSA") => {
            Some((suite, &version::TLS12))
        }
        SupportedCipherSuite::Tls12(_) => None,
    })
}

/// Failure mode 32: TLS carries what it is given in any pieces.
#[test]
fn every_suite_carries_texts_of_any_size_both_ways_in_any_pieces() {
    let authority = Authority::new();
    let mut seen = 0;
    for (suite, version) in suites() {
        let (client, server) = configs(&authority, version, Some(suite));
        for seed in 0..4 {
            let (mut pair, mut ws) =
                Pair::connect(client.clone(), server.clone(), (seed > 0).then_some(seed));
            let agreed = ws.get_ref().conn.negotiated_cipher_suite().unwrap();
            assert_eq!(agreed.suite(), suite.suite());
            let sizes = [0, 1, 200, 16_383, 16_384, 16_385, 33_000, 140_000];
            for size in sizes {
                let _ = ws.write(Message::text("x".repeat(size)));
            }
            pair.until_texts(&mut ws, sizes.len());
            let came: Vec<_> = pair.texts.iter().map(String::len).collect();
            assert_eq!(came, sizes, "{suite:?} {seed}");
            for size in [1, 300, 16_384, 16_385, 60_000] {
                let text = "y".repeat(size);
                assert_eq!(pair.echo(&mut ws, &text), Message::text(text));
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 6, "three suites of either version");
}

#[test]
fn a_server_may_renew_its_key_again_and_again_and_gets_one_of_ours() {
    let authority = Authority::new();
    let (client, server) = configs(&authority, &version::TLS13, None);
    let (mut pair, mut ws) = Pair::connect(client, server, Some(3));
    for round in 1..=50 {
        // Asks for a new key of ours, too.
        ws.get_mut().conn.refresh_traffic_keys().unwrap();
        let _ = ws.send(Message::text("under a new key"));
        pair.until_texts(&mut ws, round);
        assert_eq!(
            pair.echo(&mut ws, "so is this"),
            Message::text("so is this")
        );
    }
}

/// A client whose keys may seal `limit` records.
fn limited(
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    limit: u64,
) -> Arc<ClientConfig> {
    let mut provider = (*tickwire::conn::tls::provider()).clone();
    let common = |of: &CipherSuiteCommon| CipherSuiteCommon {
        suite: of.suite,
        hash_provider: of.hash_provider,
        confidentiality_limit: limit,
    };
    for suite in &mut provider.cipher_suites {
        *suite = match suite {
            SupportedCipherSuite::Tls13(of) => {
                SupportedCipherSuite::Tls13(Box::leak(Box::new(Tls13CipherSuite {
                    common: common(&of.common),
                    hkdf_provider: of.hkdf_provider,
                    aead_alg: of.aead_alg,
                    quic: of.quic,
                })))
            }
            SupportedCipherSuite::Tls12(of) => {
                SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                    common: common(&of.common),
                    prf_provider: of.prf_provider,
                    kx: of.kx,
                    sign: of.sign,
                    aead_alg: of.aead_alg,
                })))
            }
        };
    }
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

#[test]
fn a_key_of_ours_seals_no_more_records_than_it_may() {
    const LIMIT: u64 = 5;
    let authority = Authority::new();
    let (_, server) = configs(&authority, &version::TLS13, None);
    let client = limited(&authority, &version::TLS13, LIMIT);
    let (mut pair, mut ws) = Pair::connect(client, server, None);
    for _ in 0..40 {
        assert_eq!(pair.echo(&mut ws, "order"), Message::text("order"));
    }
    let StreamOwned { conn, .. } = ws.into_inner();
    let (opened, _) = conn.dangerous_extract_secrets().unwrap().rx;
    assert!(opened <= LIMIT, "{opened} records under one key");
    // TLS 1.2 has no new key to offer: the connection ends.
    let (_, server) = configs(&authority, &version::TLS12, None);
    let client = limited(&authority, &version::TLS12, LIMIT);
    let (mut pair, mut ws) = Pair::connect(client, server, None);
    let sent = (0..40).take_while(|_| pair.link.send(pair.clock.now(), b"order").is_ok());
    assert!(sent.count() < LIMIT as usize);
    assert_eq!(pair.until_closed(), Close::Tls("broken TLS"));
    let heard = std::iter::from_fn(|| ws.read().ok()).filter(Message::is_text);
    assert!(heard.count() < LIMIT as usize);
}

#[test]
fn a_ticket_shortens_the_next_handshake() {
    let authority = Authority::new();
    let (client, server) = configs(&authority, &version::TLS13, None);
    let kinds: Vec<_> = (0..3)
        .map(|_| {
            let (mut pair, mut ws) = Pair::connect(client.clone(), server.clone(), None);
            assert_eq!(pair.echo(&mut ws, "hello"), Message::text("hello"));
            ws.get_ref().conn.handshake_kind().unwrap()
        })
        .collect();
    use HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed, Resumed]);
}

/// A server that seals whatever records it likes.
struct Odd {
    sealer: Box<dyn MessageEncrypter>,
    sealed: u64,
    end: End,
}

impl Odd {
    /// Takes the connection over from rustls.
    fn of(ws: WebSocket<Tls>) -> Self {
        let StreamOwned { conn, sock: end } = ws.into_inner();
        let suite = conn.negotiated_cipher_suite().unwrap();
        let (sealed, secrets) = conn.dangerous_extract_secrets().unwrap().tx;
        let (ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv }) = secrets
        else {
            panic!("another cipher");
        };
        let sealer = match suite {
            SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
            SupportedCipherSuite::Tls12(suite) => {
                suite
                    .aead_alg
                    .encrypter(key, &iv.as_ref()[..4], &iv.as_ref()[4..])
            }
        };
        Self {
            sealer,
            sealed,
            end,
        }
    }

    fn seal(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let record = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        self.sealed += 1;
        let sealed = self.sealer.encrypt(record, self.sealed - 1).unwrap();
        sealed.encode()
    }

    fn send(&mut self, typ: ContentType, payload: &[u8]) {
        let record = self.seal(typ, payload);
        self.end.write_all(&record).unwrap();
    }

    /// A text frame that the link must still take.
    fn say(&mut self, text: &str) {
        let frame = [&[0x81, text.len() as u8], text.as_bytes()].concat();
        self.send(ContentType::ApplicationData, &frame);
    }
}

/// A live link, and a server that does as it likes.
fn odd(version: &'static SupportedProtocolVersion) -> (Pair, Odd) {
    let authority = Authority::new();
    let (client, server) = configs(&authority, version, None);
    let (mut pair, mut ws) = Pair::connect(client, server, None);
    assert_eq!(pair.echo(&mut ws, "hello"), Message::text("hello"));
    (pair, Odd::of(ws))
}

const HANDSHAKE: ContentType = ContentType::Handshake;
const DATA: ContentType = ContentType::ApplicationData;
const ALERT: ContentType = ContentType::Alert;

/// What a record that breaks the rules closes the connection with, and what came before it.
fn refused(
    version: &'static SupportedProtocolVersion,
    breaks: impl FnOnce(&mut Odd),
) -> (Vec<String>, Close) {
    let (mut pair, mut odd) = odd(version);
    odd.say("before");
    breaks(&mut odd);
    odd.say("behind");
    let closed = pair.until_closed();
    (pair.texts, closed)
}

#[test]
fn what_breaks_the_rules_of_records_ends_the_connection_behind_the_data_before_it() {
    let (tls12, tls13) = (&version::TLS12, &version::TLS13);
    type Breaks = Box<dyn FnOnce(&mut Odd)>;
    let cases: Vec<(&str, &'static SupportedProtocolVersion, Breaks)> = vec![
        (
            "a byte is another",
            tls13,
            Box::new(|odd| {
                let mut record = odd.seal(DATA, b"\x81\x01x");
                record[7] ^= 1;
                odd.end.write_all(&record).unwrap();
            }),
        ),
        (
            "a record is missing",
            tls13,
            Box::new(|odd| drop(odd.seal(DATA, b"\x81\x01x"))),
        ),
        (
            "a record is missing",
            tls12,
            Box::new(|odd| drop(odd.seal(DATA, b"\x81\x01x"))),
        ),
        (
            "a record comes twice",
            tls13,
            Box::new(|odd| {
                let record = odd.seal(DATA, b"\x81\x01x");
                odd.end.write_all(&record).unwrap();
                odd.end.write_all(&record).unwrap();
            }),
        ),
        (
            "a length beyond the limit",
            tls13,
            Box::new(|odd| {
                odd.end.write_all(&[23, 3, 3, 0x50, 0, 1, 2, 3]).unwrap();
            }),
        ),
        (
            "a record in the clear",
            tls13,
            Box::new(|odd| {
                odd.end.write_all(&[22, 3, 3, 0, 4, 24, 0, 0, 1]).unwrap();
            }),
        ),
        (
            "records without data, without end",
            tls13,
            Box::new(|odd| {
                for _ in 0..40 {
                    odd.send(DATA, b"");
                }
            }),
        ),
        (
            "wishes for a handshake, without end",
            tls12,
            Box::new(|odd| {
                for _ in 0..40 {
                    odd.send(HANDSHAKE, &[0, 0, 0, 0]);
                }
            }),
        ),
        (
            "a key update of no kind",
            tls13,
            Box::new(|odd| odd.send(HANDSHAKE, &[24, 0, 0, 1, 7])),
        ),
        (
            "a key update with more behind it",
            tls13,
            Box::new(|odd| {
                odd.send(HANDSHAKE, &[24, 0, 0, 1, 0, 4, 0, 0]);
            }),
        ),
        (
            "a key update under TLS 1.2",
            tls12,
            Box::new(|odd| {
                odd.send(HANDSHAKE, &[24, 0, 0, 1, 0]);
            }),
        ),
        (
            "a client's message",
            tls13,
            Box::new(|odd| odd.send(HANDSHAKE, &[1, 0, 0, 0])),
        ),
        (
            "a ticket that is none",
            tls13,
            Box::new(|odd| {
                odd.send(HANDSHAKE, &[4, 0, 0, 2, 1, 2]);
            }),
        ),
        (
            "a message of 16 MB",
            tls13,
            Box::new(|odd| odd.send(HANDSHAKE, &[4, 255, 0, 0])),
        ),
        (
            "data within a message",
            tls13,
            Box::new(|odd| odd.send(HANDSHAKE, &[4, 0, 1])),
        ),
        (
            "half an alert",
            tls13,
            Box::new(|odd| odd.send(ALERT, &[2])),
        ),
        (
            "a kind of record that is unknown",
            tls13,
            Box::new(|odd| {
                odd.send(ContentType::Unknown(99), b"x");
            }),
        ),
    ];
    for (what, version, breaks) in cases {
        let (mut texts, closed) = refused(version, breaks);
        if what == "a record comes twice" {
            assert_eq!(
                texts.pop().as_deref(),
                Some("x"),
                "it is whole the first time"
            );
        }
        assert_eq!(texts, ["before"], "{what}");
        assert_eq!(closed, Close::Tls("broken TLS"), "{what}");
    }
}

#[test]
fn alerts_end_the_connection_unless_they_only_warn() {
    let (texts, closed) = refused(&version::TLS13, |odd| odd.send(ALERT, &[2, 40]));
    assert_eq!(closed, Close::Tls("alert from the peer"));
    assert_eq!(texts, ["before"]);
    for version in [&version::TLS12, &version::TLS13] {
        // "User canceled".
        let (mut pair, mut odd) = odd(version);
        odd.send(ALERT, &[1, 90]);
        odd.say("behind");
        pair.turn();
        assert_eq!(pair.texts, ["behind"]);
        // "Close notify": nothing behind it counts.
        odd.say("last");
        odd.send(ALERT, &[1, 0]);
        odd.say("too late");
        assert_eq!(pair.until_closed(), Close::Eof);
        assert_eq!(pair.texts, ["behind", "last"]);
    }
}

#[test]
fn what_is_odd_and_allowed_is_borne() {
    let (mut pair, mut odd12) = odd(&version::TLS12);
    for _ in 0..30 {
        odd12.send(HANDSHAKE, &[0, 0, 0, 0]); // A wish to negotiate anew.
        odd12.send(DATA, b"");
        odd12.say("x");
    }
    pair.turn();
    assert_eq!(pair.texts.len(), 30);
    let (mut pair, mut odd13) = odd(&version::TLS13);
    // A ticket in three records: lifetime, age, nonce, ticket, no extension.
    let ticket = [0, 0, 1, 0, 0, 0, 0, 0, 1, 9, 0, 2, 5, 6, 0, 0];
    let message = [&[4, 0, 0, ticket.len() as u8], &ticket[..]].concat();
    for part in message.chunks(7) {
        odd13.send(HANDSHAKE, part);
    }
    odd13.say("behind");
    pair.turn();
    assert_eq!(pair.texts, ["behind"]);
}

#[test]
fn a_peer_is_told_why_it_is_left() {
    let authority = Authority::new();
    let (client, server) = configs(&authority, &version::TLS13, None);
    let (mut pair, mut ws) = Pair::connect(client, server, None);
    assert_eq!(pair.echo(&mut ws, "hello"), Message::text("hello"));
    ws.get_mut().sock.inject(&[
        23, 3, 3, 0, 17, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    ]);
    ws.get_mut().sock.inject(&[15, 16, 17]);
    assert_eq!(pair.until_closed(), Close::Tls("broken TLS"));
    let mut out = [0; 100];
    let error = loop {
        match ws.get_mut().read(&mut out) {
            Ok(1..) => {} // The goodbye of WebSocket, perhaps.
            Ok(0) => panic!("no word"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}
