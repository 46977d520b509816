//! tokio-tungstenite and serde_json, as most examples have it: a task for everything on one thread,
//! typed messages, and a book of two maps for each pair. No sequence, no snapshot, no limit.
//!
//! tokio-client ADDR CA PAIRS LOGON

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

type Done<T> = Result<T, Box<dyn Error>>;

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

async fn dial(
    addr: &str,
    config: &Arc<ClientConfig>,
    path: &str,
) -> Done<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let tls = Some(Connector::Rustls(Arc::clone(config)));
    let url = format!("wss://localhost{path}");
    Ok(client_async_tls_with_config(url, socket, None, tls)
        .await?
        .0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [addr, ca, pairs, logon] = &words[..] else {
        return Err("tokio-client ADDR CA PAIRS LOGON".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut orders = dial(addr, &config, "/ws-api/v3?returnRateLimits=false").await?;
    orders
        .send(Message::text(std::fs::read_to_string(logon)?))
        .await?;
    let streams: Vec<String> = pairs
        .split(',')
        .map(|pair| pair.to_lowercase() + "@depth@100ms")
        .collect();
    let path = format!("/stream?streams={}", streams.join("/"));
    let mut market = dial(addr, &config, &path).await?;
    let mut books: HashMap<String, Book> = HashMap::new();
    let mut sent = 0u64;
    loop {
        tokio::select! {
            message = market.next() => {
                let Message::Text(text) = message.ok_or("the exchange closed")?? else { continue };
                let Ok(Envelope { data }) = serde_json::from_str(&text) else { continue };
                apply(&mut books, &data)?;
                let (Some([_, qty]), Some([px, _])) = (data.b.first(), data.a.first()) else {
                    continue;
                };
                if qty.parse() == Ok(777.0) {
                    sent += 1;
                    orders.send(Message::text(place(data.s, px, sent)?)).await?;
                }
            }
            answer = orders.next() => {
                let answer = answer.ok_or("the exchange closed")??;
                if let Message::Text(text) = answer && text.contains("\"error\":") {
                    return Err(text.to_string().into());
                }
            }
        }
    }
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
