//! Answers to the upgrade as exchanges and what stands before them give them: which are accepted,
//! which are refused, and what of a refusal is understood and obeyed.

use crate::conn_support::{Authority, TestClock};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use tickwire::base::{Clock, Nanos, Span};
use tickwire::conn::{Close, Link, LinkConfig, Output, Phase, Read};
use tickwire::world::sim::pipe::{End, pipe};
use tungstenite::handshake::derive_accept_key;

/// What became of an answer.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Frames flow; these came right behind the head.
    Live(Vec<String>),
    /// The status, how many whole seconds the link stays away beyond its ordinary delay, and the
    /// words.
    Refused(u16, u64, String),
    /// HTTP's or WebSocket's rules were broken, in our words.
    Broken(String),
}

const START: Nanos = Nanos::from_secs(1_000_000);
const LINE: &str = "HTTP/1.1 101 Switching Protocols\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";

/// An answer of 101 whose parts are these, in this order; `{}` stands for the key.
fn answer(parts: &[&str]) -> String {
    let accept = "Sec-WebSocket-Accept: {}\r\n";
    format!("{}{accept}\r\n", parts.concat())
}

/// 101, with these lines behind the key.
fn with(extra: &str) -> String {
    let all = answer(&[LINE, UPGRADE, CONNECTION]);
    format!("{}{extra}\r\n", all.strip_suffix("\r\n").unwrap())
}

/// What a link makes of the answer, which comes in pieces of `piece` bytes, and of the connection's
/// end behind it.
fn outcome_in_pieces(answer: &str, behind: &[u8], piece: usize) -> Outcome {
    let (authority, clock) = (Authority::new(), TestClock::at(START));
    let config = LinkConfig::new("localhost", 443, "/stream");
    let mut link: Link<End> = Link::new(config, authority.client(), 7).unwrap();
    let (ours, theirs) = pipe(1 << 20, None);
    let mut ours = Some(ours);
    let server = ServerConnection::new(authority.server("localhost", 2100)).unwrap();
    let mut peer = Some(StreamOwned::new(server, theirs));
    let (mut frames, mut closed, mut waiting) = (Vec::new(), None, Vec::new());
    let (mut asked, mut idle) = (false, 0);
    for _ in 0..50 + (answer.len() + behind.len()) / piece {
        while let Read::Frame { text, .. } = link.read(&clock) {
            frames.push(String::from_utf8(text.to_vec()).unwrap());
        }
        link.handle_timeout(clock.now());
        while let Some(output) = link.poll_output() {
            let address = SocketAddr::from(([10, 0, 0, 1], 443));
            match output {
                Output::Resolve => link.handle_resolved(clock.now(), &[address]),
                Output::Dial(_) => link.handle_dialed(clock.now(), Ok(ours.take().unwrap())),
                Output::Opened => {}
                Output::Closed { reason } => closed = Some(reason),
            }
        }
        if closed.is_some() {
            break;
        }
        let Some(tls) = &mut peer else { continue };
        let mut head = [0; 4096];
        if let Ok(n @ 1..) = tls.read(&mut head)
            && !asked
        {
            let text = String::from_utf8_lossy(&head[..n]);
            let key = text
                .lines()
                .find_map(|l| l.strip_prefix("Sec-WebSocket-Key: "));
            let key = derive_accept_key(key.unwrap().as_bytes());
            let lower = key.to_lowercase();
            let text = answer.replace("{}", &key).replace("{lower}", &lower);
            // What is written as é here goes out as one byte that is no UTF-8.
            let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap());
            waiting = bytes.chain(behind.iter().copied()).collect();
            asked = true;
        }
        let n = waiting.len().min(piece);
        tls.write_all(&waiting.drain(..n).collect::<Vec<u8>>())
            .unwrap();
        idle += u32::from(asked && waiting.is_empty());
        if idle > 5 && link.phase() != Phase::Live {
            peer = None; // Whoever refuses hangs up.
        }
    }
    let words = link.last_error();
    match closed {
        None => Outcome::Live(frames),
        Some(Close::HttpStatus(status)) => {
            let wait = link.poll_timeout().since(START);
            Outcome::Refused(
                status,
                (wait - Span::from_millis(500)).as_millis() / 1_000,
                words.into(),
            )
        }
        Some(Close::Protocol) => Outcome::Broken(words.into()),
        Some(other) => panic!("{other:?}: {words}"),
    }
}

fn outcome(answer: &str, behind: &[u8]) -> Outcome {
    let whole = outcome_in_pieces(answer, behind, 1 << 16);
    assert_eq!(
        outcome_in_pieces(answer, behind, 7),
        whole,
        "in pieces: {answer:.80}"
    );
    whole
}

fn live() -> Outcome {
    Outcome::Live(Vec::new())
}

#[test]
fn an_answer_that_upgrades_is_accepted_however_it_is_written() {
    let cookies = |n| {
        (0..n)
            .map(|i| format!("Set-Cookie: a{i}=b\r\n"))
            .collect::<String>()
    };
    let lower = answer(&[
        LINE,
        "UPGRADE: WebSocket\r\n",
        "connection: keep-alive, upgrade\r\n",
    ])
    .replace("Sec-WebSocket-Accept", "sec-websocket-accept");
    for (name, text) in [
        ("plain", answer(&[LINE, UPGRADE, CONNECTION])),
        ("other letters", lower),
        (
            "blanks",
            answer(&[LINE, UPGRADE, CONNECTION]).replace("{}", "   {} \t "),
        ),
        (
            "no reason",
            answer(&["HTTP/1.1 101\r\n", UPGRADE, CONNECTION]),
        ),
        (
            "no reason, a blank",
            answer(&["HTTP/1.1 101 \r\n", UPGRADE, CONNECTION]),
        ),
        ("a length", with("Content-Length: 0\r\n")),
        ("chunked", with("Transfer-Encoding: chunked\r\n")),
        ("no extension", with("Sec-WebSocket-Extensions: \r\n")),
        ("no protocol", with("Sec-WebSocket-Protocol: \r\n")),
        ("a folded line", with("X-A: 1\r\n  2\r\n")),
        (
            "bare line feeds",
            answer(&[LINE, UPGRADE, CONNECTION]).replace("\r\n", "\n"),
        ),
        ("a blank before the colon", with("X-A : 1\r\n")),
        ("latin letters", with("X-A: café\r\n")),
        ("many headers", with(&cookies(110))),
        ("more headers", with(&cookies(200))),
        (
            "a long header",
            with(&format!("X-A: {}\r\n", "a".repeat(12_000))),
        ),
        (
            "a longer header",
            with(&format!("X-A: {}\r\n", "a".repeat(20_000))),
        ),
        ("an empty line ahead", format!("\r\n{}", with(""))),
    ] {
        assert_eq!(outcome(&text, b""), live(), "{name}");
    }
}

#[test]
fn answers_that_only_announce_another_one_are_stepped_over() {
    for ahead in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n",
    ] {
        assert_eq!(
            outcome(&format!("{ahead}{}", with("")), b""),
            live(),
            "{ahead}"
        );
        let refused = format!("{ahead}HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
        let wanted = Outcome::Refused(403, 0, "HTTP 403: no".into());
        assert_eq!(outcome(&refused, b""), wanted, "{ahead}");
    }
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(3_000);
    let said = outcome_in_pieces(&endless, b"", 1 << 20);
    let wanted = "upgrade: the answer is announced again and again";
    assert_eq!(said, Outcome::Broken(wanted.into()));
}

#[test]
fn frames_right_behind_the_head_are_read() {
    let frames = b"\x81\x05hello\x89\x00\x81\x05again";
    let said = outcome(&with(""), frames);
    assert_eq!(said, Outcome::Live(vec!["hello".into(), "again".into()]));
}

#[test]
fn an_answer_that_upgrades_to_something_else_is_refused_with_the_reason() {
    let twice = with("Sec-WebSocket-Accept: AAAA\r\n");
    let lowered = answer(&[LINE, UPGRADE, CONNECTION]).replace("{}", "{lower}");
    for (name, text, reason) in [
        (
            "HTTP/1.0",
            answer(&["HTTP/1.0 101 x\r\n", UPGRADE, CONNECTION]),
            "HTTP/1.0",
        ),
        (
            "compression",
            with("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            "extensions",
        ),
        (
            "a protocol",
            with("Sec-WebSocket-Protocol: v1\r\n"),
            "sec-websocket-protocol",
        ),
        ("another key", lowered, "Accept is not ours"),
        ("two keys", twice, "Accept twice"),
        ("no upgrade", answer(&[LINE, CONNECTION]), "websocket alone"),
        (
            "no connection",
            answer(&[LINE, UPGRADE]),
            "upgrade the connection",
        ),
        (
            "h2c too",
            answer(&[LINE, "Upgrade: h2c, websocket\r\n", CONNECTION]),
            "websocket alone",
        ),
        (
            "no HTTP",
            "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
            "is no HTTP",
        ),
        (
            "an endless head",
            with(&format!("X: {}\r\n", "a".repeat(70_000))),
            "is longer than",
        ),
    ] {
        let Outcome::Broken(words) = outcome(&text, b"") else {
            panic!("{name}: {:?}", outcome(&text, b""));
        };
        assert!(words.contains(reason), "{name}: {words}");
    }
}

#[test]
fn status_retry_after_and_body_of_a_refusal_are_understood_and_obeyed() {
    let page = "<html><body><h1>503 Service Unavailable</h1></body></html>";
    let from_a_proxy = format!(
        "HTTP/1.0 503 Service Unavailable\r\nCache-Control: no-cache\r\nConnection: close\r\n\
         Retry-After: 120\r\nContent-Type: text/html\r\n\r\n{page}\n"
    );
    let banned = "429 Too Many Requests\r\nRetry-After: 3600\r\nContent-Length: 6\r\n\r\nbanned";
    let chunked = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        (
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 3\r\n\r\nold".into(),
            426,
            0,
            "old",
        ),
        (format!("{chunked}5\r\nhello\r\n0\r\n\r\n"), 403, 0, "hello"),
        (format!("{chunked}5\r\nhel"), 403, 0, "hel"),
        (
            "HTTP/1.1 301 Moved\r\nLocation: wss://localhost/x\r\nContent-Length: 0\r\n\r\n".into(),
            301,
            0,
            "moved to wss://localhost/x",
        ),
        (from_a_proxy, 503, 120, page),
        (format!("HTTP/1.0 {banned}"), 429, 3_600, "banned"),
        (format!("HTTP/1.1 {banned}"), 429, 3_600, "banned"),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into(),
            401,
            0,
            "",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\ncut".into(),
            403,
            0,
            "cut",
        ),
        (
            "HTTP/1.1 500 Oh\r\nRetry-After: 5\r\n\r\nbusy".into(),
            500,
            5,
            "busy",
        ),
        (
            "HTTP/1.1 503 Down\r\nRetry-After: 5\r\n\r\nbusy".into(),
            503,
            5,
            "busy",
        ),
        (
            "HTTP/1.1 503 Down\r\nDate: Fri, 27 Nov 2026 07:00:00 GMT\r\n\
             Retry-After: Fri, 27 Nov 2026 07:00:30 GMT\r\nContent-Length: 0\r\n\r\n"
                .into(),
            503,
            30,
            "",
        ),
        ("HTTP/1.1 204 Nothing\r\n\r\n".into(), 204, 0, ""),
    ];
    for (text, status, wait_s, body) in cases {
        let text: String = text;
        let wanted = Outcome::Refused(status, wait_s, format!("HTTP {status}: {body}"));
        assert_eq!(outcome(&text, b""), wanted, "{text}");
    }
}
