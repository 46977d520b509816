//! Links over real sockets on loopback, against a plain blocking server.

use crate::conn_support::Authority;
use mio::{Events, Interest, Poll, Token};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tickwire::base::{Clock, Nanos, RxStamps};
use tickwire::conn::{Close, Link, LinkConfig, Output, Phase, Read, Transport};
use tickwire::world::os::clock::OsClock;
use tickwire::world::os::socket::{Socket, SocketOptions};
use tungstenite::{Message, WebSocket};

/// How long a test waits for what must come: it may take long on a busy host, and that is no fault.
const PATIENCE: Duration = Duration::from_secs(120);

type Tls<S> = StreamOwned<ServerConnection, S>;

/// A frame as the client saw it.
struct Got {
    text: String,
    rx: RxStamps,
    at: Nanos,
}

/// The thin shell around a link that a worker is, for one link.
struct Client {
    link: Link<Socket>,
    poll: Poll,
    addr: SocketAddr,
    frames: Vec<Got>,
    outputs: Vec<Output>,
}

impl Client {
    fn new(authority: &Authority, addr: SocketAddr) -> Self {
        let config = LinkConfig::new("localhost", addr.port(), "/stream");
        let link = Link::new(config, authority.client(), 1).unwrap();
        let poll = Poll::new().unwrap();
        Self {
            link,
            poll,
            addr,
            frames: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// Turns until `done`, for [`PATIENCE`] at most.
    fn until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        let mut events = Events::with_capacity(8);
        while !done(self) {
            assert!(Instant::now() < end, "too slow: {:?}", self.outputs);
            self.turn();
            if done(self) {
                return;
            }
            let wait = self.link.poll_timeout().since(OsClock.now());
            let wait = Duration::from_nanos(wait.0).min(Duration::from_millis(500));
            self.poll.poll(&mut events, Some(wait)).unwrap();
        }
    }

    fn turn(&mut self) {
        while let Read::Frame { text, rx, at } = self.link.read(&OsClock) {
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.frames.push(Got { text, rx, at });
        }
        self.link.handle_timeout(OsClock.now());
        while let Some(output) = self.link.poll_output() {
            self.outputs.push(output);
            match output {
                Output::Resolve => self.link.handle_resolved(OsClock.now(), &[self.addr]),
                Output::Dial(addr) => {
                    let dialed = Socket::connect(addr, &SocketOptions::default(), true);
                    self.link
                        .handle_dialed(OsClock.now(), dialed.map_err(|e| e.kind()));
                    let both = Interest::READABLE | Interest::WRITABLE;
                    let socket = self.link.stream_mut().unwrap();
                    self.poll
                        .registry()
                        .register(socket, Token(0), both)
                        .unwrap();
                }
                Output::Opened | Output::Closed { .. } => {}
            }
        }
    }

    fn until_live(&mut self) {
        self.until(|client| client.link.phase() == Phase::Live);
    }

    /// Turns until the attempt is over, and gives its reason.
    fn reason(&mut self) -> Close {
        let closed = |client: &Self| {
            client.outputs.iter().find_map(|output| match output {
                Output::Closed { reason } => Some(*reason),
                _ => None,
            })
        };
        self.until(|client| closed(client).is_some());
        closed(self).unwrap()
    }
}

/// A server for one connection, on a thread of its own.
fn serve<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (
        addr,
        thread::spawn(move || serve(listener.accept().unwrap().0)),
    )
}

fn tls<S: io::Read + io::Write>(config: Arc<ServerConfig>, socket: S) -> Tls<S> {
    StreamOwned::new(ServerConnection::new(config).unwrap(), socket)
}

fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> WebSocket<Tls<TcpStream>> {
    socket.set_nodelay(true).unwrap();
    tungstenite::accept(tls(config, socket)).unwrap()
}

/// A client that is live, and the other end of it in the hands of `served`.
fn live<T: Send + 'static>(
    served: impl FnOnce(WebSocket<Tls<TcpStream>>) -> T + Send + 'static,
) -> (Client, JoinHandle<T>) {
    let authority = Authority::new();
    let config = authority.server("localhost", 2100);
    let (addr, server) = serve(move |socket| served(accept(config, socket)));
    let mut client = Client::new(&authority, addr);
    client.until_live();
    (client, server)
}

/// Failure mode 18: pings are answered with their payload, and pongs keep to the limit of messages.
#[test]
fn a_connection_goes_live_echoes_and_answers_pings_with_their_payload() {
    let (mut client, server) = live(|mut ws| {
        let hello = ws.read().unwrap();
        ws.send(hello).unwrap();
        ws.send(Message::Ping("a payload".into())).unwrap();
        ws.read().unwrap()
    });
    assert_eq!(client.link.epoch(), 1);
    let sent = client.link.send(OsClock.now(), b"hello").unwrap();
    assert!(sent.flushed);
    assert!(sent.mark.bytes > 0);
    client.until(|client| client.frames.len() == 1);
    assert_eq!(client.frames[0].text, "hello");
    assert_eq!(client.outputs[2], Output::Opened);
    client.until(|client| client.link.counters().pings == 1);
    assert_eq!(server.join().unwrap(), Message::Pong("a payload".into()));
}

/// Failure mode 30: a certificate that is not for us is refused.
#[test]
fn a_certificate_that_is_not_for_us_is_refused() {
    let refused = |server_name: &str, until: i32, trusted: bool| {
        let (ours, other) = (Authority::new(), Authority::new());
        let config = ours.server(server_name, until);
        let (addr, server) = serve(move |socket| tungstenite::accept(tls(config, socket)).is_err());
        let mut client = Client::new(if trusted { &ours } else { &other }, addr);
        let reason = client.reason();
        assert!(
            server.join().unwrap(),
            "the server must not get a WebSocket"
        );
        assert_eq!(client.link.epoch(), 0);
        reason
    };
    assert_eq!(
        refused("localhost", 2100, false),
        Close::Tls("unknown issuer")
    );
    assert_eq!(
        refused("elsewhere.example", 2100, true),
        Close::Tls("wrong name")
    );
    assert_eq!(
        refused("localhost", 2001, true),
        Close::Tls("certificate expired")
    );
}

/// Failure mode 31: handshakes may come a byte at a time, and a refusal is reported with its status
/// and text.
#[test]
fn an_answer_other_than_101_is_reported_with_its_status_and_body() {
    for (status, name) in [
        (302, "Found"),
        (403, "Forbidden"),
        (429, "Slow"),
        (503, "Down"),
    ] {
        let authority = Authority::new();
        let config = authority.server("localhost", 2100);
        let (addr, server) = serve(move |socket| {
            let mut tls = tls(config, socket);
            let mut head = [0; 4096];
            let _ = tls.read(&mut head).unwrap();
            let body = "go away, \u{1b}[31mnow";
            write!(
                tls,
                "HTTP/1.1 {status} {name}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
            .unwrap();
            tls.flush().unwrap();
            thread::sleep(Duration::from_millis(5)); // The body comes in a packet of its own.
            tls.write_all(body.as_bytes()).unwrap();
            tls.flush().unwrap();
            let _ = tls.read(&mut head);
        });
        let mut client = Client::new(&authority, addr);
        assert_eq!(client.reason(), Close::HttpStatus(status));
        let words = format!("HTTP {status}: go away, \u{1b}[31mnow");
        assert_eq!(client.link.last_error(), words);
        server.join().unwrap();
    }
}

/// Writes one byte a millisecond.
struct Dribble(TcpStream);

impl io::Read for Dribble {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl io::Write for Dribble {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        self.0.write(&data[..1])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Failure mode 31: handshakes may come a byte at a time, and a refusal is reported with its status
/// and text.
#[test]
fn a_server_that_dribbles_its_handshakes_is_waited_for() {
    let authority = Authority::new();
    let config = authority.server("localhost", 2100);
    let (addr, server) = serve(move |socket| {
        socket.set_nodelay(true).unwrap();
        let mut ws = tungstenite::accept(tls(config, Dribble(socket))).unwrap();
        ws.send(Message::text("at last")).unwrap();
        let _ = ws.read();
    });
    let mut client = Client::new(&authority, addr);
    client.until(|client| client.frames.len() == 1);
    assert_eq!(client.frames[0].text, "at last");
    client.link.shutdown(OsClock.now());
    server.join().unwrap();
}

/// Failure mode 33: the last message of a burst needs nothing behind it.
#[test]
fn the_last_message_of_a_burst_needs_no_further_traffic() {
    const BURST: usize = 3_000;
    let (mut client, server) = live(|mut ws| {
        for i in 0..BURST {
            // Many records in one packet, and messages of more than a record.
            let size = if i % 500 == 499 { 40_000 } else { i % 300 };
            ws.write(Message::text(format!("{i} {}", "x".repeat(size))))
                .unwrap();
        }
        ws.flush().unwrap();
        let _ = ws.read(); // Quiet until the client goes.
    });
    client.until(|client| client.frames.len() == BURST);
    for (i, got) in client.frames.iter().enumerate() {
        assert!(got.text.starts_with(&format!("{i} ")));
    }
    client.link.shutdown(OsClock.now());
    server.join().unwrap();
}

#[test]
fn a_reader_stalled_by_20_ms_shows_it_in_the_safe_bound() {
    const STALL: Duration = Duration::from_millis(20);
    let (go, begin) = mpsc::channel();
    let (mut client, server) = live(move |mut ws| {
        begin.recv().unwrap();
        for _ in 0..9 {
            ws.send(Message::text("tick")).unwrap();
            thread::sleep(Duration::from_micros(2_500));
        }
        begin.recv().unwrap_err();
    });
    client.turn(); // Reads until the socket is empty, and knows when that was.
    go.send(()).unwrap();
    thread::sleep(STALL + Duration::from_millis(5));
    client.until(|client| client.frames.len() >= 5);
    let first = &client.frames[0];
    let lower = first.at.since(first.rx.kernel);
    let safe = lower.max(first.at.since(first.rx.empty));
    assert_ne!(
        first.rx.kernel,
        Nanos::ZERO,
        "the kernel stamps what it receives"
    );
    assert!(safe.0 >= STALL.as_nanos() as u64, "safe {safe:?}");
    // The newest byte alone hides it, or a part of it if the host stalls the reader, too.
    assert!(lower < safe, "{lower:?} {safe:?}");
    drop(go);
    server.join().unwrap();
}

#[test]
fn stamps_of_a_read_are_in_their_order() {
    let (mut client, server) = live(|mut ws| {
        thread::sleep(Duration::from_millis(3));
        ws.send(Message::text("tick")).unwrap();
        let _ = ws.read();
    });
    client.until(|client| client.frames.len() == 1);
    let Got { rx, at, .. } = client.frames[0];
    assert!(rx.empty <= rx.call);
    assert!(
        rx.kernel > rx.empty,
        "{rx:?}: it was sent after the socket was seen empty"
    );
    assert!(rx.kernel <= rx.read);
    assert!(rx.call <= rx.read);
    assert!(rx.read <= at);
    client.link.shutdown(OsClock.now());
    server.join().unwrap();
}

#[test]
fn a_poll_without_readiness_moves_the_time_of_emptiness() {
    let (addr, server) = serve(|mut socket| {
        thread::sleep(Duration::from_millis(30));
        socket.write_all(b"late").unwrap();
    });
    let mut socket = Socket::connect(addr, &SocketOptions::default(), true).unwrap();
    let mut out = [0; 16];
    assert_eq!(
        socket.read(&mut out).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    thread::sleep(Duration::from_millis(10));
    let polled = OsClock.now();
    socket.seen_empty(polled);
    server.join().unwrap();
    assert_eq!(socket.read(&mut out).unwrap(), 4);
    assert_eq!(socket.rx().empty, polled);
}

#[test]
fn what_was_read_stays_with_the_kernel_until_the_next_read_and_resets_no_closed_connection() {
    let (addr, server) = serve(|mut socket| {
        socket.write_all(b"abc").unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).map(|_| rest)
    });
    let mut socket = Socket::connect(addr, &SocketOptions::default(), true).unwrap();
    let (mut out, mut left) = ([0; 16], [0; 16]);
    let end = Instant::now() + PATIENCE;
    let got = loop {
        match socket.read(&mut out) {
            Ok(n) => break n,
            Err(_) => assert!(Instant::now() < end, "nothing came"),
        }
    };
    assert_eq!(&out[..got], b"abc");
    assert_eq!(socket.stream().peek(&mut left).unwrap(), 3);
    let again = socket.read(&mut out).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
    let gone = socket.stream().peek(&mut left).unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::WouldBlock);
    socket.write_all(b"bye").unwrap();
    drop(socket);
    assert_eq!(server.join().unwrap().unwrap(), b"bye");
}

#[test]
fn a_socket_that_is_closed_right_behind_a_read_says_goodbye() {
    let (addr, server) = serve(|mut socket| {
        socket.write_all(b"abc").unwrap();
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).map(|_| rest)
    });
    let mut socket = Socket::connect(addr, &SocketOptions::default(), true).unwrap();
    let end = Instant::now() + PATIENCE;
    while socket.read(&mut [0; 16]).is_err() {
        assert!(Instant::now() < end, "nothing came");
    }
    socket.write_all(b"bye").unwrap();
    drop(socket);
    assert_eq!(server.join().unwrap().unwrap(), b"bye");
}

#[test]
fn the_kernel_says_when_an_order_left() {
    let (mut client, server) = live(|mut ws| (ws.read().unwrap(), ws.read().unwrap()));
    let next_stamp = |client: &mut Client| {
        let sent = client.link.send(OsClock.now(), b"an order").unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            // Those of the handshakes come first.
            match client.link.stream_mut().unwrap().poll_tx_stamp() {
                Some(stamp) if stamp.bytes == sent.mark.bytes => break (sent, stamp),
                Some(stamp) => assert!(stamp.bytes < sent.mark.bytes),
                None => assert!(Instant::now() < end, "no send stamp"),
            }
        }
    };
    for _ in 0..2 {
        let (sent, stamp) = next_stamp(&mut client);
        assert!(stamp.at >= sent.mark.call, "{sent:?} {stamp:?}");
        assert!(stamp.at <= OsClock.now());
    }
    assert_eq!(client.link.stream_mut().unwrap().poll_tx_stamp(), None);
    server.join().unwrap();
}

#[test]
fn a_closed_port_is_a_refusal() {
    let addr = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut client = Client::new(&Authority::new(), addr);
    assert_eq!(client.reason(), Close::Refused);
}

#[test]
fn options_reach_the_kernel_and_a_declined_one_is_named() {
    let (addr, server) = serve(|socket| socket);
    let options = SocketOptions {
        send_stamps: true,
        busy_poll_us: None,
        user_timeout_ms: Some(7_000),
        receive_buffer_bytes: Some(100_000),
    };
    let socket = Socket::connect(addr, &options, true).unwrap();
    assert!(socket.declined().is_empty(), "{:?}", socket.declined());
    assert!(socket.stream().nodelay().unwrap());
    server.join().unwrap();
}

#[test]
fn send_stamps_come_only_where_they_are_asked_for() {
    use std::os::fd::AsFd as _;
    use tickwire::world::os::sys;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    for (orders, send_stamps) in [(false, true), (true, false), (true, true)] {
        let options = SocketOptions {
            send_stamps,
            ..SocketOptions::default()
        };
        let asked = orders && send_stamps;
        let mut socket = Socket::connect(addr, &options, orders).unwrap();
        let _peer = listener.accept().unwrap();
        while socket.write(b"ping").is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(50));
        // What nobody takes would stay in the error queue, and count against the receive buffer.
        let stamp = || sys::recv_send_stamp(socket.stream().as_fd()).unwrap();
        let end = Instant::now() + PATIENCE;
        let mut waits = stamp();
        while asked && waits.is_none() && Instant::now() < end {
            waits = stamp();
        }
        assert_eq!(waits.is_some(), asked);
        assert!(asked || socket.poll_tx_stamp().is_none());
    }
}
