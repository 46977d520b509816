//! TLS, a little HTTP, and the upgrade to WebSocket. Knows no exchange.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::{Role, WebSocket};

pub type Tls = StreamOwned<ServerConnection, TcpStream>;

/// How long a read waits before the connection looks at what it has to send.
const READ_WAIT: Duration = Duration::from_millis(5);
const HEAD_MAX: usize = 64 * 1024;

/// An authority's certificate as PEM, and what a server of these names accepts connections with.
pub fn certificates(names: &[&str]) -> (String, Arc<ServerConfig>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (authority.pem(), Arc::new(server))
}

/// What a client asked for.
pub struct Head {
    pub host: String,
    pub path: String,
    /// The key of an upgrade to WebSocket, if it is one.
    pub key: Option<String>,
}

/// An answer that is no upgrade.
#[derive(Clone)]
pub struct Http {
    pub status: u16,
    /// Lines of their own, without their ends: `Retry-After: 5`.
    pub headers: String,
    pub body: String,
}

impl Http {
    pub fn ok(body: String) -> Self {
        let (status, headers) = (200, String::new());
        Self {
            status,
            headers,
            body,
        }
    }
}

/// Accepts TLS and reads the head of the request, byte by byte: what follows is the body's or
/// WebSocket's.
pub fn accept(server: &Arc<ServerConfig>, tcp: TcpStream) -> io::Result<(Tls, Head)> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    let session = ServerConnection::new(server.clone()).map_err(io::Error::other)?;
    let mut tls = StreamOwned::new(session, tcp);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX {
        tls.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let value = |name: &str| {
        let of = |line: &str| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        };
        head.lines().find_map(of)
    };
    let mut body = vec![0; value("content-length").map_or(0, |text| text.parse().unwrap())];
    tls.read_exact(&mut body)?;
    let host = value("host").unwrap_or_default();
    let key = value("sec-websocket-key");
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok((tls, Head { host, path, key }))
}

/// Answers at this time of the exchange's own clock.
pub fn answer(tls: &mut Tls, http: &Http, us: i64) -> io::Result<()> {
    let date = http_date(us);
    let Http {
        status,
        headers,
        body,
    } = http;
    let lines: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    write!(
        tls,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\nDate: {date}\r\n{lines}\r\n{body}",
        body.len()
    )?;
    tls.flush()?;
    tls.conn.send_close_notify();
    tls.flush()
}

pub fn upgrade(mut tls: Tls, key: &str, us: i64) -> io::Result<WebSocket<Tls>> {
    let date = http_date(us);
    let accept = derive_accept_key(key.as_bytes());
    write!(
        tls,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nDate: {date}\r\n\r\n"
    )?;
    tls.flush()?;
    tls.sock.set_read_timeout(Some(READ_WAIT))?;
    Ok(WebSocket::from_raw_socket(tls, Role::Server, None))
}

/// Sends the first half of a text's frame, and ends the connection.
pub fn send_half(socket: &mut WebSocket<Tls>, text: &str) -> io::Result<()> {
    let length = u16::try_from(text.len()).unwrap();
    // A whole text, of a length that follows in two bytes.
    let mut frame = vec![0x81, 126];
    frame.extend(length.to_be_bytes());
    frame.extend(&text.as_bytes()[..text.len() / 2]);
    let tls = socket.get_mut();
    tls.write_all(&frame)?;
    tls.flush()?;
    tls.sock.shutdown(Shutdown::Both)
}

/// `Fri, 27 Nov 2026 08:22:01 GMT`.
fn http_date(us: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let weekday = DAYS[(us / 86_400_000_000 % 7) as usize];
    let text = rfc3339(us); // 2026-11-27T08:22:01.000000Z
    let month = MONTHS[text[5..7].parse::<usize>().unwrap() - 1];
    format!(
        "{weekday}, {} {month} {} {} GMT",
        &text[8..10],
        &text[..4],
        &text[11..19]
    )
}

/// A time as RFC 3339 writes it, to the microsecond.
pub fn rfc3339(us: i64) -> String {
    let time = UNIX_EPOCH + Duration::from_micros(us as u64);
    humantime::format_rfc3339_micros(time).to_string()
}
