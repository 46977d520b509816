//! The simulated exchange from outside: real TLS, real WebSockets, and books rebuilt by a naive
//! client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use tickwire::base::decimal;
use tickwire::conn::tls;
use tickwire::exchange;
use tickwire::venue::account;
use tickwire::watch::audit::{AUDIT_LEVELS, Truth};
use tickwire::world::os::server::{self, Sim, SimOptions, SimProgress, SimSource, Speed};
use tungstenite::{Message, WebSocket};

pub(super) type Tls = StreamOwned<ClientConnection, TcpStream>;
const WAIT: Duration = Duration::from_secs(120);

pub(super) fn flow(seed: u64) -> Sim {
    server::start(SimOptions {
        seed,
        ..SimOptions::default()
    })
    .unwrap()
}

fn connect(sim: &Sim) -> Tls {
    connect_with(sim, rustls::DEFAULT_VERSIONS)
}

fn connect_with(sim: &Sim, versions: &[&'static SupportedProtocolVersion]) -> Tls {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(sim.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tcp = TcpStream::connect(sim.addr()).unwrap();
    tcp.set_read_timeout(Some(WAIT)).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp)
}

fn wait_until(sim: &Sim, reached: impl Fn(&SimProgress) -> bool) {
    let begun = Instant::now();
    while !reached(&sim.progress()) {
        assert!(begun.elapsed() < WAIT, "{:?}", sim.progress());
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn websocket(sim: &Sim, path: &str) -> WebSocket<Tls> {
    let url = format!("wss://{}{path}", sim.addr());
    tungstenite::client(url, connect(sim)).unwrap().0
}

fn next_text(socket: &mut WebSocket<Tls>) -> String {
    loop {
        if let Message::Text(text) = socket.read().unwrap() {
            return text.as_str().to_owned();
        }
    }
}

pub(super) fn next_json(socket: &mut WebSocket<Tls>) -> Value {
    serde_json::from_str(&next_text(socket)).unwrap()
}

pub(super) fn ask(socket: &mut WebSocket<Tls>, request: Value) -> Value {
    socket.send(Message::text(request.to_string())).unwrap();
    next_json(socket)
}

/// One GET by whoever this header says; gives status and body.
pub(super) fn get_as(sim: &Sim, target: &str, authorization: Option<&str>) -> (u16, Value) {
    let header = authorization.map(|value| format!("Authorization: {value}\r\n"));
    let mut stream = BufReader::new(connect(sim));
    let (status, body) = get_with(&mut stream, target, &header.unwrap_or_default());
    (status, serde_json::from_str(&body).unwrap())
}

/// One GET on a connection that stays open; gives status and body.
fn get(stream: &mut BufReader<Tls>, target: &str) -> (u16, String) {
    get_with(stream, target, "")
}

fn get_with(stream: &mut BufReader<Tls>, target: &str, headers: &str) -> (u16, String) {
    write!(
        stream.get_mut(),
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    )
    .unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            None => break,
            Some(("content-length", n)) => length = n.parse().unwrap(),
            Some(_) => (),
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// The naive book: price to quantity, prices at eight decimals.
#[derive(Default)]
struct Book {
    last: u64,
    qty_scale: u8,
    sides: [BTreeMap<u64, u64>; 2],
}

impl Book {
    fn apply(&mut self, levels: [&Value; 2]) {
        for (side, levels) in self.sides.iter_mut().zip(levels) {
            for level in levels.as_array().unwrap() {
                let number = |n: usize, scale| {
                    decimal::parse(level[n].as_str().unwrap().as_bytes(), scale).unwrap()
                };
                match number(1, self.qty_scale) {
                    0 => side.remove(&number(0, 8)),
                    qty => side.insert(number(0, 8), qty),
                };
            }
        }
    }

    fn assert_is(&self, truth: &Truth) {
        let level = |(&px, &qty): (&u64, &u64)| (px, qty);
        let bids: Vec<_> = self.sides[0]
            .iter()
            .rev()
            .take(AUDIT_LEVELS)
            .map(level)
            .collect();
        let asks: Vec<_> = self.sides[1].iter().take(AUDIT_LEVELS).map(level).collect();
        let plain = |levels: &[tickwire::base::Level]| {
            levels
                .iter()
                .map(|level| (level.px.0 as u64, level.qty.0))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (bids, asks),
            (plain(truth.top.bids()), plain(truth.top.asks()))
        );
    }
}

#[test]
fn books_rebuilt_from_snapshot_and_diffs_equal_the_truth_at_every_id() {
    let sim = flow(11);
    let mut socket = websocket(&sim, "/stream");
    let params: Vec<_> = sim
        .symbols("binance")
        .iter()
        .map(|s| format!("{}@depth@100ms", s.to_lowercase()))
        .collect();
    let answer = ask(
        &mut socket,
        json!({"method": "SUBSCRIBE", "params": params, "id": 1}),
    );
    assert_eq!(answer, json!({"result": null, "id": 1}));
    // Diffs are buffered by the socket while the snapshots are fetched.
    let mut rest = BufReader::new(connect(&sim));
    let mut books = Vec::new();
    let first = next_json(&mut socket);
    let (_, info) = get(&mut rest, "/api/v3/exchangeInfo");
    let binance = tickwire::exchange::by_name("binance").unwrap();
    let listed = binance.metadata(info.as_bytes()).unwrap().instruments;
    for symbol in sim.symbols("binance") {
        let (status, body) = get(
            &mut rest,
            &format!("/api/v3/depth?symbol={symbol}&limit=5000"),
        );
        assert_eq!(status, 200);
        let body: Value = serde_json::from_str(&body).unwrap();
        let mut book = Book {
            last: body["lastUpdateId"].as_u64().unwrap(),
            qty_scale: listed
                .iter()
                .find(|one| *one.symbol == **symbol)
                .unwrap()
                .qty_scale,
            ..Book::default()
        };
        book.apply([&body["bids"], &body["asks"]]);
        books.push(book);
    }
    let mut truths: BTreeMap<(String, u64), Truth> = BTreeMap::new();
    let (mut checked, mut message) = (0, first);
    while checked < 60 {
        let data = &message["data"];
        let n = sim
            .symbols("binance")
            .iter()
            .position(|symbol| data["s"] == **symbol)
            .unwrap();
        let (first_id, last_id) = (data["U"].as_u64().unwrap(), data["u"].as_u64().unwrap());
        let book = &mut books[n];
        if last_id > book.last {
            assert!(
                first_id <= book.last + 1,
                "a gap: {first_id} after {}",
                book.last
            );
            book.apply([&data["b"], &data["a"]]);
            book.last = last_id;
            // Told before the frame went out: nothing to wait for.
            truths.extend(
                sim.truth()
                    .try_iter()
                    .map(|t| ((t.symbol.to_string(), t.update_id.unwrap()), t)),
            );
            book.assert_is(&truths[&(data["s"].as_str().unwrap().to_owned(), last_id)]);
            checked += 1;
        }
        message = next_json(&mut socket);
    }
    assert!(sim.progress().frames_sent >= 60);
}

#[test]
fn trades_and_quotes_come_raw_or_combined_in_the_unit_that_was_asked_for() {
    let sim = flow(2);
    let mut raw = websocket(&sim, "/ws/btcusdt@bookTicker");
    let quote = next_json(&mut raw);
    assert!(quote["u"].is_u64() && quote["b"].is_string() && quote.get("e").is_none());
    let mut combined = websocket(
        &sim,
        "/stream?streams=ethusdt@trade/btcusdt@trade&timeUnit=MICROSECOND",
    );
    let trade = next_json(&mut combined);
    assert!(trade["stream"].as_str().unwrap().ends_with("@trade"));
    assert!(trade["data"]["T"].as_i64().unwrap() > 1_000_000_000_000_000);
    let listed = ask(
        &mut websocket(&sim, "/ws"),
        json!({"method": "LIST_SUBSCRIPTIONS", "id": "a1"}),
    );
    assert_eq!(listed, json!({"result": [], "id": "a1"}));
}

#[test]
fn rest_answers_several_requests_on_one_connection() {
    let sim = flow(3);
    let mut rest = BufReader::new(connect(&sim));
    let (status, body) = get(&mut rest, "/api/v3/time");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(status == 200 && body["serverTime"].as_i64().unwrap() > 1_700_000_000_000);
    let (_, body) = get(
        &mut rest,
        "/api/v3/exchangeInfo?symbols=%5B%22ETHUSDT%22%5D",
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["symbols"][0]["symbol"], "ETHUSDT");
    assert_eq!(body["symbols"][0]["filters"][0]["tickSize"], "0.01000000");
    let (_, body) = get(&mut rest, "/api/v3/depth?symbol=SOLUSDT&limit=7");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["bids"].as_array().unwrap().len(), 7);
    let missing = (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned());
    assert_eq!(get(&mut rest, "/api/v3/depth?symbol=NOPE"), missing);
    assert_eq!(get(&mut rest, "/api/v3/nothing").0, 404);
    assert_eq!(get(&mut rest, "/api/v3/ping"), (200, "{}".to_owned()));
}

#[test]
fn a_request_whose_head_or_body_is_too_large_is_refused_and_its_connection_ends() {
    let sim = flow(3);
    let head = "POST /api/v3/order HTTP/1.1\r\nHost: x\r\n";
    let long = format!("{head}X: {}", "x".repeat(16 << 10));
    for (request, status) in [
        (long, 400),
        (format!("{head}Content-Length: 65537\r\n\r\n"), 413),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n"), 411),
    ] {
        let mut rest = connect(&sim);
        rest.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = rest.read_to_string(&mut answer); // However it ends.
        let begins = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begins), "{answer}");
    }
}

#[test]
fn of_a_thousand_connections_more_the_last_ones_are_closed_and_the_others_stay() {
    let sim = flow(3);
    let mut good = websocket(&sim, "/ws/btcusdt@trade");
    let connect = |_| TcpStream::connect(sim.addr()).unwrap();
    let mut all: Vec<TcpStream> = (0..1_024).map(connect).collect();
    let last = all.last_mut().unwrap();
    last.set_read_timeout(Some(WAIT)).unwrap();
    assert_eq!(last.read(&mut [0]).unwrap(), 0, "it is closed");
    wait_until(&sim, |progress| progress.sessions_open == 1_024);
    next_text(&mut good);
}

#[test]
fn an_address_that_asks_for_too_much_is_sent_away_and_counted() {
    let sim = flow(3);
    let mut rest = BufReader::new(connect(&sim));
    let depth = "/api/v3/depth?symbol=SOLUSDT&limit=5000";
    let statuses: Vec<u16> = (0..36).map(|_| get(&mut rest, depth).0).collect();
    assert!(statuses[..24].iter().all(|status| *status == 200));
    assert!(statuses[24..34].iter().all(|status| *status == 429));
    assert_eq!(statuses[34..], [418, 418]);
    wait_until(&sim, |progress| progress.exceeded.requests == 12);
    assert_eq!(sim.progress().exceeded.total(), 12);
}

pub(super) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    since.as_millis() as i64
}

pub(super) fn logon(signer: &SigningKey, api_key: &str) -> Value {
    let timestamp = now_ms();
    let payload = format!("apiKey={api_key}&timestamp={timestamp}");
    let signature = STANDARD.encode(signer.sign(payload.as_bytes()).to_bytes());
    json!({"id": 1, "method": "session.logon",
        "params": {"apiKey": api_key, "timestamp": timestamp, "signature": signature}})
}

#[test]
fn orders_are_acked_rejected_and_refused_without_a_good_signature() {
    let sim = flow(4);
    let account = account::generate_account(exchange::unnamed()).unwrap();
    let key = SigningKey::from_pkcs8_pem(account.key.expose()).unwrap();
    let order = |price: &str| {
        json!({"id": 2, "method": "order.place", "params": {"symbol": "BTCUSDT", "side": "BUY",
            "type": "LIMIT", "timeInForce": "IOC", "price": price, "quantity": "0.00100",
            "newClientOrderId": "tw1", "newOrderRespType": "ACK", "timestamp": now_ms()}})
    };
    let mut socket = websocket(&sim, "/ws-api/v3?returnRateLimits=false");
    assert_eq!(ask(&mut socket, order("70000.00"))["status"], 401);
    let stranger = SigningKey::from_bytes(&[9; 32]);
    assert_eq!(
        ask(&mut socket, logon(&stranger, account.api_key.expose()))["error"]["code"],
        -1022
    );
    assert_eq!(
        ask(&mut socket, logon(&key, account.api_key.expose()))["status"],
        200
    );
    let acked = ask(&mut socket, order("70000.00"));
    assert_eq!((&acked["status"], &acked["id"]), (&json!(200), &json!(2)));
    assert_eq!(acked["result"]["clientOrderId"], "tw1");
    assert!(acked.get("rateLimits").is_none());
    let refused = ask(&mut socket, order("70000.005"));
    assert_eq!(
        refused["error"],
        json!({"code": -1013, "msg": "Filter failure: PRICE_FILTER"})
    );
    assert_eq!(sim.progress().orders, 1);
}

#[test]
fn a_client_that_sends_six_messages_in_a_second_is_closed_with_1008() {
    let sim = flow(5);
    let mut socket = websocket(&sim, "/ws");
    for id in 0..6 {
        socket
            .write(Message::text(
                json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string(),
            ))
            .unwrap();
    }
    socket.flush().unwrap();
    let close = loop {
        match socket.read().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            _ => continue,
        }
    };
    assert_eq!(u16::from(close.code), 1008);
}

#[test]
fn a_connection_carries_1024_streams_and_no_more() {
    let sim = flow(9);
    let names = |n: usize| (0..n).map(|n| format!("s{n}@trade")).collect::<Vec<_>>();
    let mut socket = websocket(&sim, "/stream");
    let subscribe = |n| json!({"method": "SUBSCRIBE", "params": names(n), "id": 1});
    assert_eq!(ask(&mut socket, subscribe(1024))["id"], 1);
    socket
        .send(Message::text(subscribe(1025).to_string()))
        .unwrap();
    let Message::Close(Some(close)) = socket.read().unwrap() else {
        panic!()
    };
    assert_eq!(u16::from(close.code), 1008);
}

#[test]
fn a_client_that_never_reads_is_cut_and_the_others_are_not() {
    let sim = server::start(SimOptions {
        coins: server::coins(100),
        ..SimOptions::default()
    })
    .unwrap();
    let mut good = websocket(&sim, "/ws/btcusdt@trade");
    // All metadata is asked for as often as the exchange allows, and none is read.
    let mut slow = connect(&sim);
    let request = "GET /api/v3/exchangeInfo HTTP/1.1\r\nHost: x\r\n\r\n".repeat(300);
    slow.sock.set_write_timeout(Some(WAIT)).unwrap();
    let _ = slow
        .write_all(request.as_bytes())
        .and_then(|()| slow.flush());
    wait_until(&sim, |progress| progress.slow_cuts > 0);
    next_text(&mut good);
}

#[test]
fn a_client_that_does_not_trust_the_authority_gets_no_connection() {
    let (sim, other) = (flow(7), flow(8));
    let mut stream = connect(&other);
    stream.sock = TcpStream::connect(sim.addr()).unwrap();
    assert!(
        stream
            .write_all(b"GET /api/v3/ping HTTP/1.1\r\n\r\n")
            .is_err()
    );
}

fn line(ts_ns: u64, conn: &str, kind: &str, raw: &str) -> String {
    json!({"ts_ns": ts_ns, "conn": conn, "kind": kind, "raw": raw}).to_string() + "\n"
}

fn recording() -> (String, Vec<String>) {
    let (mut text, mut frames) = (String::new(), Vec::new());
    for n in 0..500 {
        let ts = 1_000_000 * n;
        // Odd spacing and escapes must survive: the bytes are what counts.
        let wanted =
            format!(r#"{{"stream":"aausdt@depth@100ms","data":{{ "n" : {n}, "t": "\u00e9" }}}}"#);
        text += &line(ts, "wss://stream.binance.com/stream", "ws", &wanted);
        text += &line(
            ts,
            "wss://stream.binance.com/stream",
            "ws",
            r#"{"stream":"aausdt@kline_1m","data":{}}"#,
        );
        frames.push(wanted);
        if n == 20 {
            let url = "https://api.binance.com/api/v3/depth?symbol=AAUSDT&limit=1000";
            text += &line(ts, url, "rest", r#"{"lastUpdateId":7,"bids":[],"asks":[]}"#);
        }
    }
    (text, frames)
}

fn play(path: &Path, speed: Speed) -> Result<Sim, server::SimError> {
    play_of("binance", path, speed)
}

fn play_of(exchange: &str, path: &Path, speed: Speed) -> Result<Sim, server::SimError> {
    let source = SimSource::Play {
        path: path.to_owned(),
        speed,
    };
    server::start(SimOptions {
        source,
        exchanges: vec![exchange.to_owned()],
        ..SimOptions::default()
    })
}

#[test]
fn a_recording_is_played_byte_for_byte_and_waits_for_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let (text, frames) = recording();
    std::fs::write(&path, text).unwrap();
    for speed in [Speed::Client, Speed::Times(20.0)] {
        let sim = play(&path, speed).unwrap();
        assert_eq!(sim.symbols("binance"), ["AAUSDT"]);
        let mut socket = websocket(&sim, "/stream");
        let names = json!(["aausdt@depth@100ms"]);
        assert_eq!(
            ask(
                &mut socket,
                json!({"method": "SUBSCRIBE", "params": names, "id": 1})
            )["id"],
            1
        );
        let mut got: Vec<_> = (0..=20).map(|_| next_text(&mut socket)).collect();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(
            sim.progress().frames_sent,
            21,
            "went on without the snapshot"
        );
        let mut rest = BufReader::new(connect(&sim));
        let depth = "/api/v3/depth?symbol=AAUSDT&limit=1000";
        assert_eq!(
            get(&mut rest, depth),
            (200, r#"{"lastUpdateId":7,"bids":[],"asks":[]}"#.to_owned())
        );
        assert_eq!(get(&mut rest, depth).0, 503);
        got.extend((21..500).map(|_| next_text(&mut socket)));
        assert!(got == frames);
        wait_until(&sim, |progress| progress.played_out);
    }
}

#[test]
fn a_client_that_comes_back_is_played_the_whole_recording_with_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let (text, frames) = recording();
    std::fs::write(&path, text).unwrap();
    let sim = play(&path, Speed::Client).unwrap();
    let depth = "/api/v3/depth?symbol=AAUSDT&limit=1000";
    for frames_read in [100, frames.len()] {
        let mut socket = websocket(&sim, "/stream?streams=aausdt@depth@100ms");
        let mut got = vec![next_text(&mut socket)];
        let mut rest = BufReader::new(connect(&sim));
        assert_eq!(get(&mut rest, depth).0, 200);
        got.extend((1..frames_read).map(|_| next_text(&mut socket)));
        assert!(got == frames[..frames_read]);
        drop((socket, rest));
        wait_until(&sim, |progress| progress.sessions_open == 0);
    }
}

#[test]
fn a_client_of_tls_1_2_is_served() {
    let sim = flow(1);
    let mut rest = BufReader::new(connect_with(&sim, &[&rustls::version::TLS12]));
    assert_eq!(get(&mut rest, "/api/v3/ping"), (200, "{}".to_owned()));
}

#[test]
fn a_recording_that_is_missing_broken_or_no_gzip_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (text, _) = recording();
    let cases: [(PathBuf, &str); 5] = [
        (dir.path().join("none.jsonl"), "No such file"),
        (path("plain.jsonl.gz", text.as_bytes()), "not gzip"),
        (
            path("bad.jsonl", format!("{text}{{oops\n").as_bytes()),
            "line 1002 ",
        ),
        (path("empty.jsonl", b""), "no message of an exchange"),
        (
            Path::new("tests/corpus/binanceus-spot-sim.jsonl.gz").to_owned(),
            "holds nothing that can be played here",
        ),
    ];
    for (path, word) in cases {
        let said = play(&path, Speed::Client).err().unwrap().to_string();
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_recording_of_a_whole_exchange_arrives_whole_and_in_order() {
    let path = Path::new("tests/corpus/binanceus-spot-sim.jsonl.gz");
    let sim = play_of("binance-us", path, Speed::Client).unwrap();
    let mut want = Vec::new();
    let file = BufReader::new(std::fs::File::open(path).unwrap());
    for line in BufReader::new(flate2::bufread::MultiGzDecoder::new(file)).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let raw = line["raw"].as_str().unwrap();
        if line["kind"] == "ws" && (raw.contains("@depth@100ms\"") || raw.contains("@bookTicker\""))
        {
            want.push(raw.to_owned());
        }
    }
    let mut rest = BufReader::new(connect(&sim));
    let mut names = Vec::new();
    for symbol in sim.symbols("binance-us") {
        assert_eq!(
            get(
                &mut rest,
                &format!("/api/v3/depth?symbol={symbol}&limit=1000")
            )
            .0,
            200
        );
        for kind in ["depth@100ms", "bookTicker"] {
            names.push(format!("{}@{kind}", symbol.to_lowercase()));
        }
    }
    let mut socket = websocket(&sim, "/stream");
    assert_eq!(
        ask(
            &mut socket,
            json!({"method": "SUBSCRIBE", "params": names, "id": 1})
        )["id"],
        1
    );
    for want in &want {
        assert_eq!(next_text(&mut socket), *want);
    }
    wait_until(&sim, |progress| progress.played_out);
}
