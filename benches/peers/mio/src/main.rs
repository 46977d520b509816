//! What somebody writes in an afternoon: mio, rustls, tungstenite and simd-json, a book of plain
//! arrays for each pair, and no check of anything: no sequence, no snapshot, no limit.
//!
//! mio-client ADDR CA PAIRS LOGON spin|park

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use simd_json::prelude::*;
use simd_json::{Buffers, Tape};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::WebSocket;
use tungstenite::{Message, client};

type Done<T> = Result<T, Box<dyn Error>>;
type Socket = WebSocket<StreamOwned<ClientConnection, TcpStream>>;

/// Quantity of the best bid that asks for an order.
const TRIGGER: f64 = 777.0;

/// Prices and quantities of one side, best first.
#[derive(Default)]
struct Side(Vec<(f64, f64)>);

impl Side {
    fn set(&mut self, px: f64, qty: f64, better: impl Fn(f64, f64) -> bool) {
        let at = self.0.iter().position(|&(other, _)| !better(other, px));
        let at = at.unwrap_or(self.0.len());
        let there = self.0.get(at).is_some_and(|&(other, _)| other == px);
        match (there, qty == 0.0) {
            (true, true) => drop(self.0.remove(at)),
            (true, false) => self.0[at].1 = qty,
            (false, true) => {}
            (false, false) => self.0.insert(at, (px, qty)),
        }
    }
}

#[derive(Default)]
struct Book {
    bids: Side,
    asks: Side,
}

fn dial(addr: &str, config: &Arc<ClientConfig>, path: &str) -> Done<Socket> {
    let std = std::net::TcpStream::connect(addr)?;
    std.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let tls = ClientConnection::new(Arc::clone(config), name)?;
    // The handshakes block; afterwards nothing does.
    let socket = StreamOwned::new(tls, TcpStream::from_std(std));
    let mut shake = client(format!("wss://localhost{path}"), socket);
    loop {
        match shake {
            Ok((mut socket, _)) => {
                let tcp = &socket.get_mut().sock;
                let fd = std::os::fd::AsFd::as_fd(tcp).try_clone_to_owned()?;
                std::net::TcpStream::from(fd).set_nonblocking(true)?;
                return Ok(socket);
            }
            Err(HandshakeError::Interrupted(middle)) => shake = middle.handshake(),
            Err(HandshakeError::Failure(error)) => return Err(error.into()),
        }
    }
}

fn main() -> Done<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [addr, ca, pairs, logon, wait] = &words[..] else {
        return Err("mio-client ADDR CA PAIRS LOGON spin|park".into());
    };
    let spin = wait == "spin";
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut orders = dial(addr, &config, "/ws-api/v3?returnRateLimits=false")?;
    orders.send(Message::text(std::fs::read_to_string(logon)?))?;
    let streams: Vec<String> = pairs
        .split(',')
        .map(|pair| pair.to_lowercase() + "@depth@100ms")
        .collect();
    let path = format!("/stream?streams={}", streams.join("/"));
    let mut market = dial(addr, &config, &path)?;

    let mut poll = Poll::new()?;
    for (n, socket) in [&mut market, &mut orders].into_iter().enumerate() {
        let tcp = &mut socket.get_mut().sock;
        poll.registry()
            .register(tcp, Token(n), Interest::READABLE)?;
    }
    let mut events = Events::with_capacity(8);
    let mut books: HashMap<String, Book> = HashMap::new();
    let (mut buffers, mut scratch, mut sent) = (Buffers::default(), Vec::new(), 0u64);
    loop {
        poll.poll(&mut events, spin.then_some(Duration::ZERO))?;
        let ready = |token| events.iter().any(|event| event.token() == Token(token));
        while ready(0) {
            match market.read() {
                Ok(Message::Text(text)) => {
                    let order = handle(text.as_bytes(), &mut scratch, &mut buffers, &mut books)?;
                    if let Some((symbol, px)) = order {
                        sent += 1;
                        orders.send(Message::text(place(&symbol, &px, sent)?))?;
                    }
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        while ready(1) {
            match orders.read() {
                Ok(Message::Text(text)) if text.contains("\"error\":") => {
                    return Err(text.to_string().into());
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Takes a message in; gives the symbol and the price of the order that it asks for.
fn handle(
    text: &[u8],
    scratch: &mut Vec<u8>,
    buffers: &mut Buffers,
    books: &mut HashMap<String, Book>,
) -> Done<Option<(String, String)>> {
    scratch.clear();
    scratch.extend_from_slice(text);
    let tape: Tape<'_> = simd_json::to_tape_with_buffers(scratch, buffers)?;
    let root = tape.as_value();
    let Some(data) = root.get("data") else {
        return Ok(None);
    };
    let symbol = data.get_str("s").ok_or("no symbol")?;
    if !books.contains_key(symbol) {
        books.insert(symbol.to_owned(), Book::default());
    }
    let book = books.get_mut(symbol).ok_or("no book")?;
    let (mut first_bid, mut first_ask) = (0.0, None);
    for (key, bids) in [("b", true), ("a", false)] {
        let levels = data.get_array(key).ok_or("no levels")?;
        for (n, level) in levels.iter().enumerate() {
            let pair = level.as_array().ok_or("no level")?;
            let mut texts = pair.iter().filter_map(|text| text.into_string());
            let (px, qty) = (
                texts.next().ok_or("no price")?,
                texts.next().ok_or("no quantity")?,
            );
            let (price, quantity): (f64, f64) = (px.parse()?, qty.parse()?);
            match bids {
                true => book.bids.set(price, quantity, |a, b| a > b),
                false => book.asks.set(price, quantity, |a, b| a < b),
            }
            match (n, bids) {
                (0, true) => first_bid = quantity,
                (0, false) => first_ask = Some(px),
                _ => {}
            }
        }
    }
    let asked = first_bid == TRIGGER;
    Ok(first_ask
        .filter(|_| asked)
        .map(|px| (symbol.to_owned(), px.to_owned())))
}

fn place(symbol: &str, px: &str, n: u64) -> Done<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(format!(
        r#"{{"id":{n},"method":"order.place","params":{{"symbol":"{symbol}","side":"BUY","type":"LIMIT","timeInForce":"IOC","price":"{px}","quantity":"100","newClientOrderId":"p{n}","newOrderRespType":"ACK","timestamp":{now}}}}}"#
    ))
}
