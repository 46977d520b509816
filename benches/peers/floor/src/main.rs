//! The transport floor: TLS, the length of a WebSocket frame, a search for the trigger's bytes, and
//! an order that was written beforehand. Parses no JSON, keeps no book and checks nothing: no
//! client that uses a kernel socket can be much faster.
//!
//! floor ADDR CA PAIRS LOGON spin|park

use memchr::memmem::Finder;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

type Done<T> = Result<T, Box<dyn Error>>;

/// A WebSocket over TLS.
struct Line {
    socket: TcpStream,
    tls: ClientConnection,
    /// Plaintext that is not a whole frame yet begins at `at`.
    plain: Vec<u8>,
    at: usize,
}

impl Line {
    fn open(addr: &str, config: &Arc<ClientConfig>, path: &str) -> Done<Self> {
        let socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let tls = ClientConnection::new(Arc::clone(config), name)?;
        let mut line = Self {
            socket,
            tls,
            plain: Vec::new(),
            at: 0,
        };
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        line.tls.writer().write_all(head.as_bytes())?;
        let end = Finder::new(b"\r\n\r\n");
        loop {
            line.tls.complete_io(&mut line.socket)?;
            line.take_plain();
            if let Some(at) = end.find(&line.plain) {
                if !line.plain.starts_with(b"HTTP/1.1 101") {
                    return Err(String::from_utf8_lossy(&line.plain).into_owned().into());
                }
                line.plain.drain(..at + 4);
                line.socket.set_nonblocking(true)?;
                return Ok(line);
            }
        }
    }

    fn take_plain(&mut self) {
        let _ = self.tls.reader().read_to_end(&mut self.plain); // Ends with "would block".
    }

    /// Reads what the socket has. False: nothing.
    fn read(&mut self) -> Done<bool> {
        match self.tls.read_tls(&mut self.socket) {
            Ok(0) => return Err("the exchange closed".into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.tls.process_new_packets()?;
        self.take_plain();
        Ok(true)
    }

    /// The next whole frame's payload: a server's frames have no mask.
    fn frame(&mut self) -> Option<(u8, &[u8])> {
        if self.at == self.plain.len() {
            self.plain.clear();
            self.at = 0;
        }
        let rest = &self.plain[self.at..];
        let (head, len) = match *rest.get(1)? {
            126 => (
                4,
                u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]) as usize,
            ),
            127 => (
                10,
                u64::from_be_bytes(rest.get(2..10)?.try_into().ok()?) as usize,
            ),
            short => (2, short as usize),
        };
        if rest.len() < head + len {
            self.plain.drain(..self.at);
            self.at = 0;
            return None;
        }
        let from = self.at + head;
        let opcode = self.plain[self.at] & 0x0f;
        self.at = from + len;
        Some((opcode, &self.plain[from..from + len]))
    }

    /// Sends a frame; a mask of zeros is a mask.
    fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ ..126 => frame.push(0x80 | len as u8),
            len => {
                frame.push(0x80 | 126);
                frame.extend((len as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.tls.writer().write_all(&frame)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }
}

fn main() -> Done<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [addr, ca, pairs, logon, wait] = &words[..] else {
        return Err("floor ADDR CA PAIRS LOGON spin|park".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut orders = Line::open(addr, &config, "/ws-api/v3?returnRateLimits=false")?;
    orders.send(1, &std::fs::read(logon)?)?;
    let streams: Vec<String> = pairs
        .split(',')
        .map(|pair| pair.to_lowercase() + "@depth@100ms")
        .collect();
    let mut market = Line::open(
        addr,
        &config,
        &format!("/stream?streams={}", streams.join("/")),
    )?;

    let trigger = Finder::new(br#","777.00000000"]"#);
    let (asks, symbol) = (Finder::new(br#""a":[[""#), Finder::new(br#""s":""#));
    let (mut sent, mut order) = (0u64, Vec::new());
    let mut fds = [&market, &orders].map(|line| libc::pollfd {
        fd: line.socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    let mut turns = 0u32;
    loop {
        let mut busy = market.read()?;
        while let Some((opcode, frame)) = market.frame() {
            if opcode == 9 {
                let payload = frame.to_vec();
                market.send(10, &payload)?;
                continue;
            }
            let Some(at) = trigger.find(frame) else {
                continue;
            };
            let upto = |from: usize| {
                frame[from..]
                    .iter()
                    .position(|b| *b == b'"')
                    .map(|n| &frame[from..from + n])
            };
            let px = asks.find(&frame[at..]).and_then(|n| upto(at + n + 7));
            let of = symbol.find(frame).and_then(|n| upto(n + 5));
            let (Some(px), Some(of)) = (px, of) else {
                continue;
            };
            sent += 1;
            order.clear();
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
            write!(
                order,
                r#"{{"id":{sent},"method":"order.place","params":{{"symbol":"{}","side":"BUY","type":"LIMIT","timeInForce":"IOC","price":"{}","quantity":"100","newClientOrderId":"p{sent}","newOrderRespType":"ACK","timestamp":{now}}}}}"#,
                std::str::from_utf8(of)?,
                std::str::from_utf8(px)?
            )?;
            orders.send(1, &order)?;
        }
        // Answers matter to nobody here, but must be read.
        turns = turns.wrapping_add(1);
        if wait == "park" || turns.is_multiple_of(64) {
            busy |= orders.read()?;
            while let Some((opcode, frame)) = orders.frame() {
                match opcode {
                    9 => {
                        let payload = frame.to_vec();
                        orders.send(10, &payload)?;
                    }
                    _ if frame.windows(8).any(|w| w == b"\"error\":") => {
                        return Err(String::from_utf8_lossy(frame).into_owned().into());
                    }
                    _ => {}
                }
            }
        }
        if wait == "park" && !busy {
            // SAFETY: two pollfds of ours, and their number.
            unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) };
        }
    }
}
