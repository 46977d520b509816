//! fastwebsockets and sonic-rs on one thread of tokio: a book of two maps for each pair. No
//! sequence, no snapshot, no limit.
//!
//! fastwebsockets-client ADDR CA PAIRS LOGON

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Socket = FragmentCollector<TokioIo<Upgraded>>;

#[derive(Deserialize)]
struct Envelope<'t> {
    #[serde(borrow)]
    data: Update<'t>,
}

#[derive(Deserialize)]
struct Update<'t> {
    s: &'t str,
    #[serde(borrow)]
    b: Vec<[&'t str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'t str; 2]>,
}

/// Prices as bits: those of positive floats are in their order.
#[derive(Default)]
struct Book([BTreeMap<u64, f64>; 2]);

async fn dial(addr: &str, config: &Arc<ClientConfig>, path: &str) -> Done<Socket> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let tls = TlsConnector::from(Arc::clone(config))
        .connect(name, socket)
        .await?;
    let request = Request::builder()
        .uri(path)
        .header("Host", "localhost")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(Empty::<Bytes>::new())?;
    // What hyper spawns must run on this thread.
    let (socket, _) = handshake::client(&Local, request, tls).await?;
    Ok(FragmentCollector::new(socket))
}

struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [addr, ca, pairs, logon] = &words[..] else {
        return Err("fastwebsockets-client ADDR CA PAIRS LOGON".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut orders = dial(addr, &config, "/ws-api/v3?returnRateLimits=false").await?;
    send(&mut orders, std::fs::read(logon)?).await?;
    let streams: Vec<String> = pairs
        .split(',')
        .map(|pair| pair.to_lowercase() + "@depth@100ms")
        .collect();
    let path = format!("/stream?streams={}", streams.join("/"));
    let mut market = dial(addr, &config, &path).await?;
    let mut books: HashMap<String, Book> = HashMap::new();
    let mut sent = 0u64;
    loop {
        // Reading may not be given up half-way, so that answers are read after each order.
        let frame = market.read_frame().await?;
        if frame.opcode != OpCode::Text {
            continue;
        }
        let Ok(Envelope { data }) = sonic_rs::from_slice::<Envelope<'_>>(&frame.payload) else {
            continue;
        };
        apply(&mut books, &data)?;
        let (Some([_, qty]), Some([px, _])) = (data.b.first(), data.a.first()) else {
            continue;
        };
        if qty.parse() == Ok(777.0) {
            sent += 1;
            send(&mut orders, place(data.s, px, sent)?.into_bytes()).await?;
            let answer = orders.read_frame().await?;
            let text = String::from_utf8_lossy(&answer.payload);
            if text.contains("\"error\":") {
                return Err(text.into_owned().into());
            }
        }
    }
}

async fn send(socket: &mut Socket, text: Vec<u8>) -> Done<()> {
    Ok(socket
        .write_frame(Frame::text(Payload::Owned(text)))
        .await?)
}

fn apply(books: &mut HashMap<String, Book>, update: &Update<'_>) -> Done<()> {
    if !books.contains_key(update.s) {
        books.insert(update.s.to_owned(), Book::default());
    }
    let Some(Book(sides)) = books.get_mut(update.s) else {
        return Ok(());
    };
    for (side, levels) in sides.iter_mut().zip([&update.b, &update.a]) {
        for [px, qty] in levels {
            let (px, qty): (f64, f64) = (px.parse()?, qty.parse()?);
            match qty == 0.0 {
                true => side.remove(&px.to_bits()),
                false => side.insert(px.to_bits(), qty),
            };
        }
    }
    Ok(())
}

fn place(symbol: &str, px: &str, n: u64) -> Done<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(format!(
        r#"{{"id":{n},"method":"order.place","params":{{"symbol":"{symbol}","side":"BUY","type":"LIMIT","timeInForce":"IOC","price":"{px}","quantity":"100","newClientOrderId":"p{n}","newOrderRespType":"ACK","timestamp":{now}}}}}"#
    ))
}
