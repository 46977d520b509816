//! Links over a pipe in memory, on a clock that the test sets: phases, delays, limits and faults.

use crate::conn_support::{Authority, TestClock};
use rustls::{HandshakeKind, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use tickwire::base::{Clock, Nanos, Span};
use tickwire::conn::{Close, Link, LinkConfig, Output, Phase, Read, SendError, Transport};
use tickwire::world::sim::pipe::{End, pipe};
use tungstenite::handshake::HandshakeError;
use tungstenite::handshake::server::{NoCallback, ServerHandshake};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

type Tls = StreamOwned<ServerConnection, End>;
type Mid = tungstenite::handshake::MidHandshake<ServerHandshake<Tls, NoCallback>>;

/// The peer, as far as it has come.
enum Peer {
    None,
    /// Holds its end and does nothing.
    Mute(#[expect(dead_code, reason = "held open")] End),
    /// Answers the request with these bytes, whatever they are.
    Http(Tls, Vec<u8>),
    Mid(Mid),
    Ws(WebSocket<Tls>),
}

/// How the peer treats the next connection.
#[derive(Clone)]
enum Manner {
    Accept,
    Mute,
    Answer(Vec<u8>),
}

struct Rig {
    clock: TestClock,
    link: Link<End>,
    authority: Authority,
    server: Arc<rustls::ServerConfig>,
    peer: Peer,
    manner: Manner,
    capacity: usize,
    seed: Option<u64>,
    /// What the resolver answers, and who refuses TCP.
    resolved: Option<Vec<SocketAddr>>,
    dead: Vec<SocketAddr>,
    /// Where TCP does not answer, and the far ends of what was dialled there.
    silent: Vec<SocketAddr>,
    held: Vec<(SocketAddr, End)>,
    /// The dialling, the words and the frames, in their order.
    dialled: Vec<SocketAddr>,
    closes: Vec<Close>,
    opened: usize,
    frames: Vec<String>,
    dropped: Vec<(u64, String)>,
    heard: Vec<Message>,
}

const START: Nanos = Nanos::from_secs(1_000_000);

fn addr(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 443))
}

fn s(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

impl Rig {
    fn new(change: impl FnOnce(&mut LinkConfig)) -> Self {
        let authority = Authority::new();
        let mut config = LinkConfig::new("localhost", 443, "/stream");
        change(&mut config);
        Self {
            clock: TestClock::at(START),
            link: Link::new(config, authority.client(), 42).unwrap(),
            server: authority.server("localhost", 2100),
            authority,
            peer: Peer::None,
            manner: Manner::Accept,
            capacity: 1 << 20,
            seed: None,
            resolved: Some(vec![addr(1)]),
            dead: Vec::new(),
            silent: Vec::new(),
            held: Vec::new(),
            dialled: Vec::new(),
            closes: Vec::new(),
            opened: 0,
            frames: Vec::new(),
            dropped: Vec::new(),
            heard: Vec::new(),
        }
    }

    fn live() -> Self {
        let mut rig = Self::new(|_| ());
        rig.run_until_idle();
        assert_eq!(rig.link.phase(), Phase::Live);
        rig
    }

    /// Both sides turn until nothing moves.
    fn run_until_idle(&mut self) {
        for _ in 0..if self.seed.is_some() { 200 } else { 12 } {
            self.turn();
        }
    }

    fn turn(&mut self) {
        loop {
            match self.link.read(&self.clock) {
                Read::Frame { text, at, .. } => {
                    assert_eq!(at, self.clock.now());
                    self.frames.push(String::from_utf8(text.to_vec()).unwrap());
                }
                Read::TooLong { bytes, excerpt, .. } => {
                    let excerpt = String::from_utf8(excerpt.to_vec()).unwrap();
                    self.dropped.push((bytes, excerpt));
                }
                Read::Yielded => {}
                Read::Blocked | Read::Closed => break,
            }
        }
        self.link.handle_timeout(self.clock.now());
        while let Some(output) = self.link.poll_output() {
            self.act(output);
        }
        self.turn_peer();
    }

    fn act(&mut self, output: Output) {
        let now = self.clock.now();
        match output {
            Output::Resolve => match &self.resolved {
                Some(addrs) => self.link.handle_resolved(now, addrs),
                None => self.link.handle_resolved(now, &[]),
            },
            Output::Dial(addr) => {
                self.dialled.push(addr);
                let refused = self.dead.contains(&addr);
                let dialed = if refused {
                    Err(ErrorKind::HostUnreachable)
                } else {
                    Ok(self.dial(addr))
                };
                self.link.handle_dialed(now, dialed);
            }
            Output::Opened => self.opened += 1,
            Output::Closed { reason } => self.closes.push(reason),
        }
    }

    fn dial(&mut self, addr: SocketAddr) -> End {
        let (mut ours, theirs) = pipe(self.capacity, self.seed);
        self.seed = self.seed.map(|seed| seed + 1);
        if self.silent.contains(&addr) {
            // A socket that is not connected takes no byte.
            ours.inject(&vec![0; self.capacity]);
            self.held.push((addr, theirs));
            return ours;
        }
        self.peer = match self.manner.clone() {
            Manner::Mute => Peer::Mute(theirs),
            Manner::Answer(answer) => Peer::Http(self.secure(theirs), answer),
            Manner::Accept => mid(tungstenite::accept(self.secure(theirs))),
        };
        ours
    }

    fn secure(&self, end: End) -> Tls {
        StreamOwned::new(ServerConnection::new(self.server.clone()).unwrap(), end)
    }

    /// TCP answers at the address that was dialled at this place of those that are silent.
    fn answer(&mut self, at: usize) {
        let (_, mut end) = self.held.remove(at);
        assert!(!is_closed(&mut end));
        self.peer = mid(tungstenite::accept(self.secure(end)));
    }

    fn turn_peer(&mut self) {
        self.peer = match std::mem::replace(&mut self.peer, Peer::None) {
            Peer::Mid(handshake) => mid(handshake.handshake()),
            Peer::Http(mut tls, answer) => {
                let mut head = [0; 4096];
                if tls.read(&mut head).is_ok_and(|n| n > 0) {
                    let _ = tls.write(&answer);
                    if answer.is_empty() {
                        tls.conn.send_close_notify();
                        let _ = tls.flush();
                    }
                }
                Peer::Http(tls, answer)
            }
            Peer::Ws(mut ws) => {
                while let Ok(message) = ws.read() {
                    self.heard.push(message);
                }
                let _ = ws.flush();
                Peer::Ws(ws)
            }
            other => other,
        };
    }

    fn ws(&mut self) -> &mut WebSocket<Tls> {
        match &mut self.peer {
            Peer::Ws(ws) => ws,
            _ => panic!("the peer has no WebSocket"),
        }
    }

    fn say(&mut self, message: Message) {
        let _ = self.ws().send(message); // What blocks is queued.
    }

    fn text(&mut self, text: &str) {
        self.say(Message::text(text.to_owned()));
    }

    /// Moves the clock to the next timeout, and gives the span.
    fn wait(&mut self) -> Span {
        let now = self.clock.now();
        let span = self.link.poll_timeout().since(now);
        self.clock.advance(span);
        self.run_until_idle();
        span
    }

    fn later(&mut self, span: Span) {
        self.clock.advance(span);
        self.run_until_idle();
    }
}

/// Reads what there is, and says what came then.
fn drain(end: &mut End) -> std::io::Result<usize> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        match end.read(&mut bytes) {
            Ok(n) if n > 0 => {}
            ended => return ended,
        }
    }
}

fn is_closed(end: &mut End) -> bool {
    drain(end).is_ok()
}

fn mid(result: Result<WebSocket<Tls>, HandshakeError<ServerHandshake<Tls, NoCallback>>>) -> Peer {
    match result {
        Ok(ws) => Peer::Ws(ws),
        Err(HandshakeError::Interrupted(mid)) => Peer::Mid(mid),
        Err(HandshakeError::Failure(_)) => Peer::None,
    }
}

fn within(span: Span, least: Span, most: Span) -> bool {
    least <= span && span <= most
}

/// Failure mode 21: symbols are in any letters, and a frame may be cut anywhere.
#[test]
fn frames_are_the_same_however_the_stream_cuts_and_blocks_them() {
    let mut sizes = fastrand::Rng::with_seed(9);
    let messages: Vec<String> = (0..40)
        .map(|i| {
            format!(
                "{i}:{}",
                "é".repeat(sizes.usize(0..if i % 9 == 0 { 12_000 } else { 200 }))
            )
        })
        .collect();
    let mut rig = Rig::new(|_| ());
    for seed in 0..20 {
        rig.seed = Some(seed * 1_000);
        rig.capacity = [100, 5_000, 1 << 20][seed as usize % 3];
        rig.link.restart(rig.clock.now());
        rig.frames.clear();
        rig.heard.clear();
        while rig.link.phase() != Phase::Live || !matches!(rig.peer, Peer::Ws(_)) {
            assert!(
                rig.closes.len() < 40,
                "{:?} {}",
                rig.closes,
                rig.link.last_error()
            );
            let waiting = rig.link.phase() == Phase::Waiting;
            rig.clock.advance(if waiting { s(1) } else { Span(1_000) });
            rig.turn();
        }
        for message in &messages {
            rig.text(message);
            rig.say(Message::Ping(message.as_bytes()[..2].to_vec().into()));
        }
        for turn in 0.. {
            assert!(turn < 3_000, "seed {seed}: stalled at {}", rig.frames.len());
            rig.turn();
            let last_pong = Message::Pong("39".into());
            if rig.frames.len() == messages.len() && rig.heard.last() == Some(&last_pong) {
                break;
            }
        }
        assert_eq!(rig.frames, messages, "seed {seed}");
    }
}

#[test]
fn a_peer_that_does_not_read_stops_our_writing_and_not_our_reading() {
    let mut rig = Rig::new(|_| ());
    rig.capacity = 3_000;
    rig.run_until_idle();
    let ours = "o".repeat(10_000);
    let mut queued = 0;
    let full = loop {
        match rig.link.send(rig.clock.now(), ours.as_bytes()) {
            Ok(sent) => {
                assert!(!sent.flushed);
                queued += 1;
            }
            Err(error) => break error,
        }
        assert!(queued < 100, "what waits is bounded");
    };
    assert_eq!(full, SendError::Full);
    // The peer writes on without reading; all of it is delivered.
    let theirs = "t".repeat(50_000);
    rig.text(&theirs);
    for _ in 0..100 {
        let _ = rig.ws().flush();
        while let Read::Frame { text, .. } = rig.link.read(&rig.clock) {
            rig.frames.push(String::from_utf8(text.to_vec()).unwrap());
        }
    }
    assert_eq!(rig.frames, [theirs]);
    // And when it reads, it gets each of ours once.
    for _ in 0..2_000 {
        rig.turn();
    }
    assert_eq!(rig.heard.len(), queued);
    assert!(
        rig.heard
            .iter()
            .all(|message| *message == Message::text(ours.clone()))
    );
    assert!(rig.link.send(rig.clock.now(), b"again").is_ok());
}

#[test]
fn data_before_a_goodbye_is_delivered_before_it() {
    // A closing frame.
    let mut rig = Rig::live();
    rig.text("one");
    rig.text("two");
    let _ = rig.ws().close(Some(CloseFrame {
        code: CloseCode::Policy,
        reason: "bye".into(),
    }));
    rig.run_until_idle();
    assert_eq!(rig.frames, ["one", "two"]);
    assert_eq!(rig.closes, [Close::PeerClosed(1008)]);
    assert_eq!(rig.link.last_error(), "closed by the peer: 1008 bye");
    // TLS's close_notify, and nothing of WebSocket's.
    let mut rig = Rig::live();
    rig.text("three");
    rig.ws().get_mut().conn.send_close_notify();
    rig.ws().get_mut().flush().unwrap();
    rig.run_until_idle();
    assert_eq!(rig.frames, ["three"]);
    assert_eq!(rig.closes, [Close::Eof]);
    // The bare end of the stream.
    let mut rig = Rig::live();
    rig.text("four");
    rig.peer = Peer::None;
    rig.run_until_idle();
    assert_eq!(rig.frames, ["four"]);
    assert_eq!(rig.closes, [Close::Eof]);
    // A record that does not decrypt, in the same packet.
    let mut rig = Rig::live();
    rig.text("five");
    rig.ws()
        .get_mut()
        .sock
        .inject(&[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    rig.ws().get_mut().sock.inject(&[0; 10]);
    rig.run_until_idle();
    assert_eq!(rig.frames, ["five"]);
    assert_eq!(rig.closes, [Close::Tls("broken TLS")]);
}

#[test]
fn each_phase_has_its_deadline() {
    // Resolving: nobody answers.
    let mut rig = Rig::new(|_| ());
    rig.link.handle_timeout(START);
    assert_eq!(rig.link.poll_output(), Some(Output::Resolve));
    assert_eq!(
        (rig.link.phase(), rig.link.poll_timeout()),
        (Phase::Resolving, START + s(5))
    );
    rig.link.handle_timeout(START + s(5) - Span(1));
    assert_eq!(rig.link.phase(), Phase::Resolving);
    rig.link.handle_timeout(START + s(5));
    let reason = Close::Deadline(Phase::Resolving);
    assert_eq!(rig.link.poll_output(), Some(Output::Closed { reason }));

    // Connecting: the socket takes no byte.
    let mut rig = Rig::new(|_| ());
    (rig.capacity, rig.manner) = (0, Manner::Mute);
    rig.run_until_idle();
    assert_eq!(rig.link.phase(), Phase::Connecting);
    assert_eq!(rig.wait(), s(3));
    assert_eq!(rig.closes, [Close::Deadline(Phase::Connecting)]);

    // Securing: TLS is not answered.
    let mut rig = Rig::new(|_| ());
    rig.manner = Manner::Mute;
    rig.run_until_idle();
    assert_eq!(rig.link.phase(), Phase::Securing);
    assert_eq!(rig.wait(), s(5));
    assert_eq!(rig.closes, [Close::Deadline(Phase::Securing)]);

    // Upgrading: the answer's head never ends.
    let mut rig = Rig::new(|_| ());
    rig.manner = Manner::Answer(b"HTTP/1.1 101 Switching Protocols\r\n".to_vec());
    rig.run_until_idle();
    assert_eq!(rig.link.phase(), Phase::Upgrading);
    assert_eq!(rig.wait(), s(5));
    assert_eq!(rig.closes, [Close::Deadline(Phase::Upgrading)]);
}

#[test]
fn a_refusal_whose_body_never_ends_is_reported_at_the_deadline() {
    let mut rig = Rig::new(|_| ());
    rig.manner =
        Manner::Answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\npart".to_vec());
    rig.run_until_idle();
    assert_eq!(rig.link.phase(), Phase::Upgrading);
    assert_eq!(rig.wait(), s(5));
    assert_eq!(rig.closes, [Close::HttpStatus(403)]);
    assert_eq!(rig.link.last_error(), "HTTP 403: part");
}

#[test]
fn an_answer_that_is_no_upgrade_is_refused() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\n";
    let answers = [
        "\u{0}\u{1}\u{2} garbage\r\n\r\n".to_owned(),
        format!("{switching}\r\n"),
        format!("{switching}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        format!(
            "{switching}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        ),
    ];
    for answer in answers {
        let mut rig = Rig::new(|_| ());
        rig.manner = Manner::Answer(answer.clone().into_bytes());
        rig.run_until_idle();
        assert_eq!(rig.closes, [Close::Protocol], "{:.60}", answer);
        assert_eq!(rig.opened, 0);
    }
    let mut rig = Rig::new(|_| ());
    rig.manner = Manner::Answer(Vec::new());
    rig.run_until_idle();
    assert_eq!(rig.closes, [Close::Eof]);
}

/// The first delay after a success.
fn is_first(span: Span) -> bool {
    within(span, Span::from_millis(350), Span::from_millis(1_050))
}

/// That, after this pause.
fn is_after(span: Span, pause: Span) -> bool {
    span >= pause && is_first(Span(span.0 - pause.0))
}

/// Failure mode 26: delays grow, and a short success does not reset them.
#[test]
fn delays_grow_to_30_s_and_a_short_success_does_not_reset_them() {
    let mut rig = Rig::live();
    let mut last = Span::from_millis(350);
    for _ in 0..8 {
        // It went live, and some data came: for less than a minute.
        assert_eq!(rig.link.phase(), Phase::Live);
        rig.text("data");
        rig.run_until_idle();
        rig.later(s(15));
        rig.text("data");
        rig.run_until_idle();
        rig.peer = Peer::None;
        rig.run_until_idle();
        let span = rig.wait();
        let most = s(30).min(last + last + last);
        assert!(
            within(span, last.min(s(15)), most),
            "{span:?} after {last:?}"
        );
        last = span;
    }
    assert!(last >= s(15), "{last:?}");
    // A minute of pings is no minute of data.
    for _ in 0..5 {
        rig.later(s(15));
        rig.say(Message::Ping("".into()));
        rig.run_until_idle();
    }
    rig.peer = Peer::None;
    rig.run_until_idle();
    assert!(rig.wait() >= s(15));
    // A minute of data resets.
    for _ in 0..5 {
        rig.text("data");
        rig.run_until_idle();
        rig.later(s(15));
    }
    rig.peer = Peer::None;
    rig.run_until_idle();
    let span = rig.wait();
    assert!(is_first(span), "{span:?}");
}

/// Failure mode 22: an exchange under maintenance is left alone for longer.
#[test]
fn a_peer_that_is_busy_or_under_maintenance_is_left_alone_for_longer() {
    let pause = |head: &str| {
        let mut rig = Rig::new(|_| ());
        rig.manner = Manner::Answer(format!("HTTP/1.1 {head}Content-Length: 0\r\n\r\n").into());
        rig.run_until_idle();
        assert_eq!(rig.closes.len(), 1);
        rig.wait()
    };
    assert!(is_first(pause("403 Forbidden\r\n")));
    for status in ["403 No", "418 Teapot", "429 Slow", "500 Oh", "503 Down"] {
        let span = pause(&format!("{status}\r\nRetry-After: 7200\r\n"));
        assert!(is_after(span, s(7_200)), "{status} {span:?}");
    }
    assert!(is_after(pause("429 Slow\r\n"), s(60)));
    assert!(is_after(pause("503 Down\r\n"), s(10)));
    assert!(is_after(pause("429 Slow\r\nRetry-After: soon\r\n"), s(60)));

    let mut rig = Rig::live();
    let _ = rig.ws().close(Some(CloseFrame {
        code: CloseCode::Restart,
        reason: "".into(),
    }));
    rig.run_until_idle();
    assert_eq!(rig.closes, [Close::PeerClosed(1012)]);
    assert!(is_after(rig.wait(), s(10)));
}

/// Failure mode 16: a peer that says nothing is pinged, and given up.
#[test]
fn a_quiet_peer_is_pinged_and_then_given_up() {
    let mut rig = Rig::live();
    assert_eq!(rig.wait(), s(20));
    assert_eq!(rig.heard, [Message::Ping("".into())]);
    // The pong was heard: all begins again.
    assert_eq!(rig.wait(), s(20));
    assert_eq!(rig.heard.len(), 2);
    assert!(rig.closes.is_empty());
    // Now it holds the line, and answers nothing.
    let silent = std::mem::replace(&mut rig.peer, Peer::None);
    assert_eq!(rig.wait(), s(20));
    assert_eq!(rig.wait(), s(20));
    assert_eq!(rig.closes, [Close::Idle]);
    drop(silent);
}

#[test]
fn any_frame_keeps_a_connection_from_being_idle() {
    let mut rig = Rig::live();
    let frames = [
        Message::text("x"),
        Message::Ping("".into()),
        Message::binary(vec![1, 2]),
    ];
    for frame in frames.into_iter().cycle().take(12) {
        rig.later(s(19));
        rig.say(frame);
        rig.run_until_idle();
    }
    assert!(!rig.heard.contains(&Message::Ping("".into())));
    assert!(rig.closes.is_empty());
    assert_eq!(rig.frames.len(), 4, "binary messages are no frames of ours");
    assert_eq!(rig.link.counters().binary_frames, 4);
}

/// Failure mode 18: pings are answered with their payload, and pongs keep to the limit of messages.
#[test]
fn the_message_limit_counts_pongs_and_keeps_room_for_them() {
    let mut rig = Rig::new(|config| config.messages = Some((5, Span::from_secs(1))));
    rig.run_until_idle();
    rig.say(Message::Ping("p".into()));
    rig.run_until_idle();
    let send = |rig: &mut Rig| rig.link.send(rig.clock.now(), b"m").map(|_| ());
    for _ in 0..3 {
        assert_eq!(send(&mut rig), Ok(()));
    }
    // One pong and three messages; the fifth place is for the next pong.
    let Err(SendError::Limited { until }) = send(&mut rig) else {
        panic!("not limited")
    };
    assert!(until >= rig.clock.now() + s(1));
    rig.say(Message::Ping("q".into()));
    rig.run_until_idle();
    assert_eq!(rig.heard.len(), 5);
    rig.clock.set(Nanos(until.0 - 1));
    assert!(send(&mut rig).is_err());
    rig.clock.set(until);
    assert_eq!(send(&mut rig), Ok(()));
}

#[test]
fn every_address_gets_its_turn_and_a_good_one_is_remembered() {
    let mut rig = Rig::new(|_| ());
    rig.resolved = Some(vec![addr(1), addr(2), addr(3)]);
    rig.dead = vec![addr(1), addr(2)];
    rig.run_until_idle();
    assert_eq!(
        rig.dialled,
        [addr(1), addr(2), addr(3)],
        "without a delay in between"
    );
    assert_eq!(rig.link.phase(), Phase::Live);
    // The resolver is down, and so is everybody: each is tried once, then there is a pause.
    rig.resolved = None;
    rig.dead.push(addr(3));
    rig.dialled.clear();
    rig.peer = Peer::None;
    rig.run_until_idle();
    rig.wait();
    let mut tried = rig.dialled.clone();
    tried.sort();
    assert_eq!(tried, [addr(1), addr(2), addr(3)]);
    assert_eq!(rig.closes[1..], [Close::Io(ErrorKind::HostUnreachable)]);
    assert!(rig.wait() >= Span::from_millis(350));
}

/// Failure mode 29: one dead address of two.
#[test]
fn an_address_that_does_not_answer_costs_half_a_second_and_the_good_one_is_first_afterwards() {
    let mut rig = Rig::new(|_| ());
    rig.resolved = Some(vec![addr(1), addr(2)]);
    rig.silent = vec![addr(1)];
    rig.run_until_idle();
    assert_eq!(rig.link.phase(), Phase::Connecting);
    assert_eq!(rig.wait(), Span::from_millis(500));
    assert_eq!(rig.link.phase(), Phase::Live);
    assert_eq!(
        (&rig.dialled[..], rig.closes.len()),
        (&[addr(1), addr(2)][..], 0)
    );
    assert!(
        is_closed(&mut rig.held[0].1),
        "the one that did not answer is let go"
    );
    for _ in 0..5 {
        rig.text("data");
        rig.run_until_idle();
        rig.later(s(15));
    }
    rig.resolved = Some(vec![addr(3), addr(1), addr(2)]);
    rig.dialled.clear();
    rig.peer = Peer::None;
    rig.run_until_idle();
    rig.wait();
    assert_eq!(
        (&rig.dialled[..], rig.link.phase()),
        (&[addr(2)][..], Phase::Live)
    );
}

#[test]
fn whichever_address_answers_first_is_taken_and_the_others_are_let_go() {
    for (first, at) in [(1, 0), (2, 1), (3, 2)] {
        let mut rig = Rig::new(|_| ());
        rig.resolved = Some((1..=3).map(addr).collect());
        rig.silent = (1..=3).map(addr).collect();
        rig.run_until_idle();
        assert_eq!([rig.wait(), rig.wait()], [Span::from_millis(500); 2]);
        rig.answer(at);
        rig.run_until_idle();
        assert_eq!(
            (rig.link.phase(), rig.link.epoch()),
            (Phase::Live, 1),
            "{first}"
        );
        assert!(
            rig.held.iter_mut().all(|(_, end)| is_closed(end)),
            "{first}"
        );
        assert_eq!(rig.dialled.len(), 3);
        rig.text("data");
        rig.run_until_idle();
        assert_eq!(rig.frames, ["data"]);
    }
}

#[test]
fn a_refusal_leaves_the_address_that_has_not_answered_yet() {
    let mut rig = Rig::new(|_| ());
    rig.resolved = Some(vec![addr(1), addr(2)]);
    (rig.silent, rig.dead) = (vec![addr(1)], vec![addr(2)]);
    rig.run_until_idle();
    rig.wait();
    assert_eq!(
        (rig.link.phase(), rig.dialled.len()),
        (Phase::Connecting, 2)
    );
    rig.answer(0);
    rig.run_until_idle();
    assert_eq!((rig.link.phase(), rig.closes.len()), (Phase::Live, 0));
}

#[test]
fn if_no_address_answers_each_was_tried_once_when_the_last_ones_deadline_is_over() {
    let mut rig = Rig::new(|_| ());
    rig.resolved = Some((1..=3).map(addr).collect());
    rig.silent = (1..=3).map(addr).collect();
    rig.run_until_idle();
    let all = [rig.wait(), rig.wait(), rig.wait()];
    assert_eq!(all, [Span::from_millis(500), Span::from_millis(500), s(3)]);
    assert_eq!(rig.closes, [Close::Deadline(Phase::Connecting)]);
    assert_eq!(rig.dialled.len(), 3);
    assert!(rig.held.iter_mut().all(|(_, end)| is_closed(end)));
}

#[test]
fn addresses_of_both_families_are_tried_in_turn() {
    let v6 = |n: u16| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, n], 443));
    let mut rig = Rig::new(|_| ());
    rig.resolved = Some(vec![v6(1), v6(2), v6(3), addr(1)]);
    rig.dead = vec![v6(1), addr(1), v6(2)];
    rig.run_until_idle();
    assert_eq!(rig.dialled, [v6(1), addr(1), v6(2), v6(3)]);
    assert_eq!(rig.link.phase(), Phase::Live);
}

#[test]
fn the_connection_after_a_cut_resumes_the_tls_session() {
    let mut rig = Rig::live();
    let kind = |rig: &mut Rig| rig.ws().get_ref().conn.handshake_kind();
    assert_eq!(kind(&mut rig), Some(HandshakeKind::Full));
    rig.text("data");
    rig.run_until_idle();
    rig.peer = Peer::None;
    rig.run_until_idle();
    rig.wait();
    assert_eq!(rig.link.epoch(), 2);
    assert_eq!(kind(&mut rig), Some(HandshakeKind::Resumed));
}

#[test]
fn an_attempt_that_finds_no_room_is_asked_for_again_and_is_no_failure() {
    let mut rig = Rig::new(|_| ());
    let link = &mut rig.link;
    link.handle_timeout(START);
    assert_eq!(link.poll_output(), Some(Output::Resolve));
    link.handle_resolved(START, &[addr(1), addr(2)]);
    for (round, first) in [(1, true), (2, false)] {
        assert_eq!(link.poll_output(), Some(Output::Dial(addr(1))));
        let until = START + s(round * 20);
        assert_eq!(link.handle_postponed(until), first);
        assert_eq!((link.poll_timeout(), link.poll_output()), (until, None));
        link.handle_timeout(until - Span(1));
        assert_eq!(link.poll_output(), None);
        link.handle_timeout(until);
    }
    rig.clock.set(START + s(40));
    rig.run_until_idle();
    assert_eq!((rig.dialled, rig.closes), (vec![addr(1)], vec![]));
    assert_eq!(rig.link.phase(), Phase::Live);
}

/// Failure mode 29: all addresses are tried, the last good one first, and a name without any is
/// asked for again.
#[test]
fn a_name_without_any_address_is_tried_again_later() {
    let mut rig = Rig::new(|_| ());
    rig.resolved = None;
    rig.run_until_idle();
    assert_eq!(rig.closes, [Close::Unresolved]);
    rig.resolved = Some(vec![addr(1)]);
    rig.wait();
    assert_eq!(rig.link.phase(), Phase::Live);
}

#[test]
fn an_old_connection_is_replaced_at_once_and_before_its_time() {
    let mut rig = Rig::new(|config| (config.life_max, config.idle_after) = (s(1_000), s(10_000)));
    rig.run_until_idle();
    let life = rig.wait();
    assert!(within(life, s(900), s(1_000)), "{life:?}");
    assert_eq!(rig.closes, [Close::Expired]);
    assert_eq!((rig.link.phase(), rig.link.epoch()), (Phase::Live, 2));
}

#[test]
fn a_shutdown_says_goodbye_and_starts_nothing() {
    let mut rig = Rig::live();
    rig.link.shutdown(rig.clock.now());
    rig.run_until_idle();
    assert!(matches!(rig.heard[..], [Message::Close(_)]));
    assert_eq!(rig.closes, [Close::Shutdown]);
    assert_eq!(rig.link.poll_timeout(), Nanos::NEVER);
    assert_eq!(
        rig.link.send(rig.clock.now(), b"x").unwrap_err(),
        SendError::NotLive
    );
    assert!(rig.link.stream_mut().is_none());
}

#[test]
fn answers_that_come_too_late_change_nothing() {
    let mut rig = Rig::live();
    let (ours, _theirs) = pipe(100, None);
    rig.link.handle_dialed(rig.clock.now(), Ok(ours));
    rig.link.handle_resolved(rig.clock.now(), &[]);
    rig.run_until_idle();
    assert_eq!((rig.link.phase(), rig.link.epoch()), (Phase::Live, 1));
    rig.text("still here");
    rig.run_until_idle();
    assert_eq!(rig.frames, ["still here"]);
}

#[test]
fn a_message_larger_than_the_limit_is_dropped_and_the_connection_lives() {
    let mut rig = Rig::live();
    let limit = rig.link.config().message_bytes_max;
    for (len, fits) in [(limit, true), (limit + 1, false), (5 << 20, false)] {
        let text = format!("head{}tail", "x".repeat(len - 8));
        rig.text("before");
        rig.text(&text);
        rig.text("behind");
        for _ in 0..len >> 15 {
            rig.turn();
        }
        let passed = std::mem::take(&mut rig.frames);
        let brief: Vec<usize> = passed.iter().map(String::len).collect();
        match fits {
            true => assert_eq!(brief, [6, len, 6]),
            false => {
                assert_eq!(brief, [6, 6]);
                let (bytes, excerpt) = rig.dropped.pop().unwrap();
                assert_eq!(bytes, len as u64);
                assert!(excerpt.starts_with("headxx"));
                assert!(excerpt.ends_with("xxtail"));
            }
        }
    }
    assert_eq!((rig.closes, rig.opened), (vec![], 1));
    assert_eq!(rig.link.counters().too_long, 2);
}

#[test]
fn a_message_that_takes_longer_than_a_silence_may_is_no_silence() {
    let mut rig = Rig::live();
    let mut header = vec![0x81, 127];
    header.extend((1u64 << 20).to_be_bytes());
    rig.ws().get_mut().write_all(&header).unwrap();
    for _ in 0..30 {
        rig.ws().get_mut().write_all(&[b'x'; 100]).unwrap();
        rig.run_until_idle();
        rig.later(s(10));
    }
    assert_eq!(rig.closes, []);
}

#[test]
fn garbage_inside_tls_ends_the_connection_and_a_new_epoch_follows() {
    let mut rig = Rig::live();
    rig.text("good");
    rig.ws().get_mut().write_all(b"\xc1\x01x").unwrap();
    rig.run_until_idle();
    assert_eq!(rig.frames, ["good"]);
    assert_eq!(rig.closes, [Close::Protocol]);
    rig.wait();
    assert_eq!((rig.opened, rig.link.epoch()), (2, 2));
    assert!(rig.link.stream_mut().unwrap().tx().bytes > 0);
    assert!(!rig.authority.pem.is_empty());
}

#[test]
fn a_peer_that_floods_with_what_is_no_text_does_not_keep_its_reader() {
    let mut rig = Rig::live();
    for _ in 0..1_024 {
        rig.say(Message::binary(vec![7]));
    }
    rig.say(Message::text("after as many as are borne"));
    rig.run_until_idle();
    assert_eq!(rig.frames, ["after as many as are borne"]);
    assert!(rig.closes.is_empty());
    for _ in 0..5_000 {
        rig.say(Message::binary(vec![7]));
    }
    let read = rig.link.read(&rig.clock);
    assert_eq!(read, Read::Closed);
    rig.run_until_idle();
    assert_eq!(rig.closes, [Close::Protocol]);
    assert_eq!(rig.link.counters().binary_frames, 2 * 1_024 + 1);
}
