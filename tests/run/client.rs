//! A client of an account at the simulated Binance, by its WebSocket API: another program of the
//! same owner, or another trader. Shares no code with the engine's order entry.

use crate::support::Sim;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tickwire::exchange::Account;
use tungstenite::{Message, WebSocket};

type Socket = WebSocket<StreamOwned<ClientConnection, TcpStream>>;

/// A busy host may be slow to answer.
const WAIT: Duration = Duration::from_secs(60);
/// A request that was too much is sent again after this long.
const AGAIN: Duration = Duration::from_secs(2);
/// Trades and orders in one answer, at most.
const PAGE: usize = 1_000;

pub struct Client {
    addr: String,
    tls: Arc<ClientConfig>,
    api_key: String,
    key: SigningKey,
    /// `None` until something is asked, and after a connection broke.
    socket: Option<Socket>,
}

impl Client {
    pub fn new(sim: &Sim, account: &Account) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(&sim.ca_file).unwrap();
        roots.add(authority).unwrap();
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            addr: sim.addr.clone(),
            tls: Arc::new(tls),
            api_key: account.api_key.expose().to_owned(),
            key: SigningKey::from_pkcs8_pem(account.key.expose()).unwrap(),
            socket: None,
        }
    }

    /// The result of a request, or the code of its refusal. A connection that is gone is replaced
    /// first: nothing is sent twice.
    pub fn ask(&mut self, method: &str, mut params: Value) -> Result<Value, i64> {
        let ping = |socket: &mut Socket| answer(socket, "ping", json!({})).is_some();
        let mut socket = self.socket.take();
        if !socket.as_mut().is_some_and(ping) {
            socket = Some(self.log_on());
        }
        let mut socket = socket.unwrap();
        let began = Instant::now();
        let said = loop {
            params["timestamp"] = now_ms().into();
            let said = answer(&mut socket, method, params.clone());
            let mut said = said.unwrap_or_else(|| panic!("{method} was not answered"));
            match said["error"]["code"].as_i64() {
                None => break Ok(said["result"].take()),
                // The address of all clients here has asked for too much.
                Some(-1003) if began.elapsed() < WAIT => std::thread::sleep(AGAIN),
                Some(code) => break Err(code),
            }
        };
        self.socket = Some(socket);
        said
    }

    fn log_on(&self) -> Socket {
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = ClientConnection::new(self.tls.clone(), name).unwrap();
        let tcp = TcpStream::connect(&self.addr).unwrap();
        tcp.set_read_timeout(Some(WAIT)).unwrap();
        let url = format!("wss://{}/ws-api/v3?returnRateLimits=false", self.addr);
        let mut socket = tungstenite::client(url, StreamOwned::new(tls, tcp))
            .unwrap()
            .0;
        let (api_key, timestamp) = (&self.api_key, now_ms());
        let payload = format!("apiKey={api_key}&timestamp={timestamp}");
        let signature = STANDARD.encode(self.key.sign(payload.as_bytes()).to_bytes());
        let params = json!({"apiKey": api_key, "timestamp": timestamp, "signature": signature});
        let said = answer(&mut socket, "session.logon", params).unwrap();
        assert_eq!(said["status"], 200, "{said}");
        socket
    }

    /// How much this address has asked for in this minute, in the exchange's units.
    pub fn weight(&mut self) -> u64 {
        let mut socket = self.socket.take().unwrap_or_else(|| self.log_on());
        let said = answer(&mut socket, "ping", json!({"returnRateLimits": true}));
        self.socket = said.is_some().then_some(socket);
        let limits = said.map(|said| said["rateLimits"].clone());
        let limits = limits.unwrap_or_default();
        let mut limits = limits.as_array().into_iter().flatten();
        let weight = limits.find(|limit| limit["rateLimitType"] == "REQUEST_WEIGHT");
        weight.map_or(u64::MAX, |limit| limit["count"].as_u64().unwrap())
    }

    /// Places an order.
    pub fn place(&mut self, of: (&str, &str, &str), qty: &str, life: &str, name: &str) -> Value {
        let (symbol, side, price) = of;
        let order = json!({"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": life,
            "price": price, "quantity": qty, "newClientOrderId": name});
        let placed = self.ask("order.place", order);
        placed.unwrap_or_else(|code| panic!("{name} was refused: {code}"))
    }

    /// All orders that rest, or those of one symbol, which costs less.
    pub fn open_orders(&mut self, symbol: &str) -> Vec<Value> {
        let open = self.ask("openOrders.status", json!({"symbol": symbol}));
        array(open.unwrap())
    }

    /// All trades of a symbol.
    pub fn trades(&mut self, symbol: &str) -> Vec<Value> {
        self.pages("myTrades", symbol, ("fromId", "id"))
    }

    /// All orders of a symbol that there ever were.
    pub fn orders(&mut self, symbol: &str) -> Vec<Value> {
        self.pages("allOrders", symbol, ("orderId", "orderId"))
    }

    /// What there is of an asset, free and locked, in units of 10^-8.
    pub fn balance(&mut self, asset: &str) -> i128 {
        let said = self.ask("account.status", json!({})).unwrap();
        let balances = said["balances"].as_array().unwrap();
        let of = balances.iter().find(|balance| balance["asset"] == asset);
        let of = of.unwrap();
        units(&of["free"]) + units(&of["locked"])
    }

    fn pages(&mut self, method: &str, symbol: &str, (from, number): (&str, &str)) -> Vec<Value> {
        let (mut all, mut next) = (Vec::new(), 0);
        loop {
            let params = json!({"symbol": symbol, "limit": PAGE, from: next});
            let page = array(self.ask(method, params).unwrap());
            let whole = page.len() < PAGE;
            next = page
                .last()
                .map_or(0, |last| last[number].as_u64().unwrap() + 1);
            all.extend(page);
            if whole {
                return all;
            }
        }
    }
}

/// The account's own stream: what becomes of its orders shows as it happens, and nothing is asked
/// for it.
pub struct Stream {
    news: mpsc::Receiver<(Instant, Value)>,
    /// The engine's orders that work, by the exchange's number.
    working: BTreeSet<u64>,
    /// When an order began or ceased to work last.
    moved: Instant,
}

impl Stream {
    /// From here on. An order that works already is not known.
    pub fn new(client: &Client) -> Self {
        let mut socket = client.log_on();
        let said = answer(&mut socket, "userDataStream.subscribe", json!({})).unwrap();
        assert_eq!(said["status"], 200, "{said}");
        let (tell, news) = mpsc::channel();
        std::thread::spawn(move || {
            while let Ok(message) = socket.read() {
                let Message::Text(text) = message else {
                    continue;
                };
                let mut said: Value = serde_json::from_str(&text).unwrap();
                if tell.send((Instant::now(), said["event"].take())).is_err() {
                    return;
                }
            }
        });
        Self {
            news,
            working: BTreeSet::new(),
            moved: Instant::now(),
        }
    }

    /// How many orders of the engine work, and when that changed last, once nothing has changed it
    /// for this long.
    pub fn settled(&mut self, quiet: Duration) -> (usize, Instant) {
        self.take();
        while self.moved.elapsed() < quiet {
            std::thread::sleep(quiet - self.moved.elapsed().min(quiet));
            self.take();
        }
        (self.working.len(), self.moved)
    }

    fn take(&mut self) {
        while let Ok((at, event)) = self.news.try_recv() {
            if event["e"] != "executionReport" {
                continue;
            }
            let (number, status) = (event["i"].as_u64().unwrap(), event["X"].as_str().unwrap());
            let works = ["NEW", "PARTIALLY_FILLED"].contains(&status);
            // A cancel has a name of its own, and the order's beside it.
            let names = ["c", "C"].map(|name| event[name].as_str().unwrap_or_default());
            let ours = names.iter().any(|name| name.starts_with("tw"));
            let moved = match works && ours {
                true => self.working.insert(number),
                false => self.working.remove(&number),
            };
            if moved {
                self.moved = at;
            }
        }
    }
}

/// What a request is answered; `None` if the connection is gone.
fn answer(socket: &mut Socket, method: &str, params: Value) -> Option<Value> {
    let request = json!({"id": method, "method": method, "params": params});
    socket.send(Message::text(request.to_string())).ok()?;
    loop {
        if let Message::Text(text) = socket.read().ok()? {
            let said: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(said["id"], method, "{said}");
            return Some(said);
        }
    }
}

fn array(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => panic!("{other} is no list"),
    }
}

fn now_ms() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

/// A decimal's text in units of 10^-8.
pub fn units(text: &Value) -> i128 {
    let text = text.as_str().unwrap();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<8}").parse().unwrap()
}

/// The same at the simulated Deribit: asks what an account has.
pub struct DeribitClient {
    socket: Socket,
}

impl DeribitClient {
    pub fn new(sim: &Sim, account: &Account) -> Self {
        let host = "www.deribit.com";
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(&sim.ca_file).unwrap();
        roots.add(authority).unwrap();
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host).unwrap();
        let tls = ClientConnection::new(Arc::new(tls), name).unwrap();
        let tcp = TcpStream::connect(&sim.addr).unwrap();
        tcp.set_read_timeout(Some(WAIT)).unwrap();
        let url = format!("wss://{host}/ws/api/v2");
        let socket = tungstenite::client(url, StreamOwned::new(tls, tcp)).unwrap();
        let mut client = Self { socket: socket.0 };
        let keys = json!({
            "grant_type": "client_credentials", "client_id": account.api_key.expose(),
            "client_secret": account.key.expose(), "scope": "session:owner",
        });
        client.ask("public/auth", keys);
        client
    }

    /// What there is of an asset, what is locked included, in units of 10^-8.
    pub fn balance(&mut self, asset: &str) -> i128 {
        let said = self.ask("private/get_account_summaries", json!({}));
        let all = said["summaries"].as_array().unwrap();
        let of = all.iter().find(|one| one["currency"] == asset);
        // Its text: as a float the last digit of a large one would be lost.
        of.map_or(0, |of| units(&of["balance"].to_string().into()))
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let text = Message::text(request.to_string());
        self.socket.send(text).unwrap();
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                let mut said: Value = serde_json::from_str(&text).unwrap();
                if said["id"] == 1 {
                    assert!(said["error"].is_null(), "{method}: {said}");
                    return said["result"].take();
                }
            }
        }
    }
}
