//! HTTP/1.1 on one connection: keep-alive GETs and the upgrade to a WebSocket. Takes no request body.

use super::super::venue::Venue;
use super::{Cut, OUT_BYTES_MAX, Pipe, streams};
use crate::base::Nanos;
use crate::exchange::binance_spot::mirror::Fault;
use crate::exchange::binance_spot::mirror::route::{self, Upgrade};
use std::io::Write;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};

/// A request head must fit into this.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// What became of one request.
pub enum Turn {
    Answered,
    /// The 101 is written; what follows is WebSocket.
    Upgraded(Upgrade),
}

struct Head {
    bytes: usize,
    get: bool,
    target: String,
    upgrade: bool,
    keep_alive: bool,
    has_body: bool,
}

/// Answers the next whole request in `pipe`; `None` while there is none.
pub fn answer(now: Nanos, pipe: &mut Pipe, venue: &mut Venue) -> Result<Option<Turn>, Cut> {
    if pipe.output.len() > OUT_BYTES_MAX {
        // Requests that are piled up without reading their answers.
        return Err(Cut::SlowConsumer);
    }
    let head = match head(&pipe.input) {
        Ok(Some(head)) => head,
        Ok(None) if pipe.input.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(None) | Err(()) => {
            let fault = Fault::new(400, -1000, "The request is malformed or too large.");
            write(pipe, fault.status, &fault.body(), false);
            return Err(Cut::Protocol);
        }
    };
    if head.upgrade {
        return upgrade(pipe, &head).map(Some);
    }
    pipe.input.drain(..head.bytes);
    if !head.get || head.has_body {
        let fault = Fault::new(405, -1000, "Only GET without a body is simulated.");
        write(pipe, fault.status, &fault.body(), false);
        return Err(Cut::Answered);
    }
    let answer = route::get(&head.target).and_then(|request| venue.get(now, request));
    match answer {
        Ok(body) => write(pipe, 200, &body, head.keep_alive),
        Err(fault) => write(pipe, fault.status, &fault.body(), head.keep_alive),
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
    let has = |name: &str, test: &dyn Fn(&str) -> bool| {
        let mut found = request
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        found.any(|header| std::str::from_utf8(header.value).is_ok_and(test))
    };
    let closes = has("connection", &|value| value.eq_ignore_ascii_case("close"));
    Ok(Some(Head {
        bytes,
        get: request.method == Some("GET"),
        target: request.path.unwrap_or("/").to_owned(),
        upgrade: has("upgrade", &|value| value.eq_ignore_ascii_case("websocket")),
        keep_alive: request.version == Some(1) && !closes,
        has_body: has("content-length", &|value| value.trim() != "0")
            || has("transfer-encoding", &|_| true),
    }))
}

fn upgrade(pipe: &mut Pipe, head: &Head) -> Result<Turn, Cut> {
    let request = match Request::try_parse(&pipe.input) {
        Ok(Some((_, request))) => create_response(&request).ok(),
        Ok(None) | Err(_) => None,
    };
    pipe.input.drain(..head.bytes);
    let allowed = |upgrade: &Upgrade| match upgrade {
        Upgrade::Streams { streams, .. } => streams.len() <= streams::STREAMS_MAX,
        Upgrade::Api { .. } => true,
    };
    let (fault, cut) = match (request, route::upgrade(&head.target)) {
        (Some(response), Some(upgrade)) if allowed(&upgrade) => {
            // Writing into a vector cannot fail, and these headers are text.
            let _ = write_response(&mut pipe.output, &response);
            return Ok(Turn::Upgraded(upgrade));
        }
        (Some(_), Some(_)) => (
            Fault::new(400, -1000, "Too many streams."),
            Cut::TooManyStreams,
        ),
        (Some(_), None) => (Fault::new(404, -1000, "No such endpoint."), Cut::Answered),
        (None, _) => (
            Fault::new(400, -1000, "Not a WebSocket handshake."),
            Cut::Protocol,
        ),
    };
    write(pipe, fault.status, &fault.body(), false);
    Err(cut)
}

fn write(pipe: &mut Pipe, status: u16, body: &str, keep_alive: bool) {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        _ => "Service Unavailable",
    };
    let connection = if keep_alive { "keep-alive" } else { "close" };
    // Writing into a vector cannot fail.
    let _ = write!(
        pipe.output,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json;charset=UTF-8\r\n\
         Content-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        body.len()
    );
}
