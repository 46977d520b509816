//! HTTP/1.1 on one connection: keep-alive requests and the upgrade to a WebSocket.

use super::{Cut, OUT_BYTES_MAX, Pipe};
use crate::base::Nanos;
use crate::exchange::mirror::Call;
use crate::venue::directory::Venues;
use crate::venue::limits::Refusal;
use std::io::Write;
use std::net::IpAddr;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};

/// A request head must fit into this.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request body, likewise.
const BODY_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

/// What became of one request.
pub(crate) enum Turn {
    Answered,
    /// A WebSocket is asked for; what follows will be frames.
    Upgrade(Upgrade),
}

/// A request for a WebSocket, not answered yet.
pub(crate) struct Upgrade {
    pub(crate) host: String,
    pub(crate) target: String,
    response: tungstenite::handshake::server::Response,
}

impl Upgrade {
    /// Writes the 101.
    pub(crate) fn accept(&self, pipe: &mut Pipe) {
        // Writing into a vector cannot fail, and these headers are text.
        let _ = write_response(&mut pipe.output, &self.response);
    }
}

struct Head {
    bytes: usize,
    body_bytes: Option<usize>,
    simple: bool,
    host: String,
    target: String,
    upgrade: bool,
    keep_alive: bool,
}

/// Answers the next whole request in `pipe`; `None` while there is none.
pub(crate) fn answer(
    now: Nanos,
    from: IpAddr,
    pipe: &mut Pipe,
    venues: &mut Venues,
) -> Result<Option<Turn>, Cut> {
    if pipe.output.len() > OUT_BYTES_MAX {
        // Requests that are piled up without reading their answers.
        return Err(Cut::SlowConsumer);
    }
    let head = match head(&pipe.input) {
        Ok(Some(head)) => head,
        Ok(None) if pipe.input.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(None) | Err(()) => {
            refuse(pipe, 400, "The request is malformed or too large.");
            return Err(Cut::Protocol);
        }
    };
    if head.upgrade {
        return upgrade(pipe, head).map(Some);
    }
    let body_bytes = head.body_bytes.filter(|bytes| *bytes <= BODY_BYTES_MAX);
    let (Some(body_bytes), true) = (body_bytes, head.simple) else {
        refuse(
            pipe,
            405,
            "Only GET, and POST with a short body, are simulated.",
        );
        return Err(Cut::Answered);
    };
    let end = head.bytes + body_bytes;
    if pipe.input.len() < end {
        return Ok(None);
    }
    let body: Vec<u8> = pipe.input.drain(..end).skip(head.bytes).collect();
    let call = Call {
        target: &head.target,
        body: &String::from_utf8_lossy(&body),
    };
    match venues.rest(now, from, &head.host, call) {
        Ok(reply) => write(pipe, reply.status, "", &reply.body, head.keep_alive),
        Err(refusal) => limited(pipe, refusal, head.keep_alive),
    }
    if head.keep_alive {
        Ok(Some(Turn::Answered))
    } else {
        Err(Cut::Answered)
    }
}

fn head(input: &[u8]) -> Result<Option<Head>, ()> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let bytes = match request.parse(input) {
        Ok(httparse::Status::Complete(bytes)) => bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(()),
    };
    let value = |name: &str| {
        let mut headers = request.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let is = |name: &str, word: &str| value(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
    let body_bytes = match (value("transfer-encoding"), value("content-length")) {
        (Some(_), _) => None,
        (None, None) => Some(0),
        (None, Some(length)) => length.parse().ok(),
    };
    Ok(Some(Head {
        bytes,
        body_bytes,
        simple: matches!(request.method, Some("GET" | "POST")),
        host: value("host").unwrap_or_default().to_owned(),
        target: request.path.unwrap_or("/").to_owned(),
        upgrade: is("upgrade", "websocket"),
        keep_alive: request.version == Some(1) && !is("connection", "close"),
    }))
}

fn upgrade(pipe: &mut Pipe, head: Head) -> Result<Turn, Cut> {
    let request = match Request::try_parse(&pipe.input) {
        Ok(Some((_, request))) => create_response(&request).ok(),
        Ok(None) | Err(_) => None,
    };
    pipe.input.drain(..head.bytes);
    let Some(response) = request else {
        refuse(pipe, 400, "Not a WebSocket handshake.");
        return Err(Cut::Protocol);
    };
    Ok(Turn::Upgrade(Upgrade {
        host: head.host,
        target: head.target,
        response,
    }))
}

/// Refuses a request; the connection ends.
pub(crate) fn refuse(pipe: &mut Pipe, status: u16, why: &str) {
    write(pipe, status, "", &fault(-1000, why), false);
}

/// Refuses a request for now.
pub(crate) fn limited(pipe: &mut Pipe, refusal: Refusal, keep_alive: bool) {
    let fault = fault(-1003, "Too many requests.");
    let retry = format!("Retry-After: {}\r\n", refusal.retry_after_s);
    write(pipe, refusal.status, &retry, &fault, keep_alive);
}

/// The body of a refusal by this server, which all exchanges here share.
fn fault(code: i32, why: &str) -> String {
    serde_json::json!({"code": code, "msg": why}).to_string()
}

fn write(pipe: &mut Pipe, status: u16, header: &str, body: &str, keep_alive: bool) {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        _ => "Service Unavailable",
    };
    let connection = if keep_alive { "keep-alive" } else { "close" };
    // Writing into a vector cannot fail.
    let _ = write!(
        pipe.output,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json;charset=UTF-8\r\n{header}\
         Content-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        body.len()
    );
}
