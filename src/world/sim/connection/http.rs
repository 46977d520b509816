//! HTTP/1.1 on one connection: keep-alive requests and the upgrade to a WebSocket.

use super::{Cut, OUT_BYTES_MAX, Pipe};
use crate::base::{Nanos, Span};
use crate::exchange::mirror::{Call, Content, Method, Reply};
use crate::venue::directory::Venues;
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
    /// The answer is due later; whether the connection goes on after it.
    Late(Nanos, Reply, bool),
    /// A WebSocket is asked for; what follows will be frames.
    Upgrade(Upgrade),
}

/// A request for a WebSocket, not answered yet.
pub(crate) struct Upgrade {
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
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
    /// `None` if it does not say how long its body is.
    body_bytes: Option<usize>,
    method: Method,
    host: String,
    target: String,
    upgrade: bool,
    keep_alive: bool,
    headers: Vec<(String, String)>,
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
    let body_bytes = match head.body_bytes {
        Some(bytes) if bytes <= BODY_BYTES_MAX => bytes,
        Some(_) => {
            refuse(pipe, 413, "The body is too large.");
            return Err(Cut::Answered);
        }
        None => {
            refuse(pipe, 411, "The length of the body is not said.");
            return Err(Cut::Answered);
        }
    };
    let end = head.bytes + body_bytes;
    if pipe.input.len() < end {
        return Ok(None);
    }
    let body: Vec<u8> = pipe.input.drain(..end).skip(head.bytes).collect();
    let headers = head.headers.iter();
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (&**name, &**value)).collect();
    let call = Call {
        method: head.method,
        target: &head.target,
        body: &String::from_utf8_lossy(&body),
        headers: &headers,
    };
    let reply = venues.rest(now, from, &head.host, call);
    if reply.late > Span::ZERO {
        return Ok(Some(Turn::Late(now + reply.late, reply, head.keep_alive)));
    }
    write(pipe, &reply, head.keep_alive);
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
        method: Method::named(request.method.unwrap_or_default()),
        host: value("host").unwrap_or_default().to_owned(),
        target: request.path.unwrap_or("/").to_owned(),
        upgrade: is("upgrade", "websocket"),
        keep_alive: request.version == Some(1) && !is("connection", "close"),
        headers: request
            .headers
            .iter()
            .filter_map(|header| {
                let value = std::str::from_utf8(header.value).ok()?.trim();
                Some((header.name.to_owned(), value.to_owned()))
            })
            .collect(),
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
        headers: head.headers,
        response,
    }))
}

/// Refuses a request that reaches no exchange, as whatever stands before all of them; the
/// connection ends.
pub(crate) fn refuse(pipe: &mut Pipe, status: u16, why: &str) {
    write(pipe, &Reply::text(status, why, 0), false);
}

/// Writes an answer.
pub(crate) fn write(pipe: &mut Pipe, reply: &Reply, keep_alive: bool) {
    let (status, body) = (reply.status, &reply.body);
    let reason = reason(status);
    let content = match reply.content {
        Content::Json => "application/json;charset=UTF-8",
        Content::Text => "text/plain;charset=UTF-8",
    };
    let retry = match reply.retry_after_s {
        Some(seconds) => format!("Retry-After: {seconds}\r\n"),
        None => String::new(),
    };
    let further = reply.headers.iter();
    let further: String = further
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let connection = if keep_alive { "keep-alive" } else { "close" };
    // Writing into a vector cannot fail.
    let _ = write!(
        pipe.output,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content}\r\n{retry}{further}\
         Content-Length: {}\r\nConnection: {connection}\r\n\r\n{body}",
        body.len()
    );
}

/// The words that belong to a status (RFC 9110), of any other its class's.
fn reason(status: u16) -> &'static str {
    match status {
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        418 => "I'm a teapot",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => match status / 100 {
            1 => "Continue",
            2 => "OK",
            3 => "Multiple Choices",
            4 => "Bad Request",
            _ => "Internal Server Error",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_its_reason_what_it_is_and_when_to_come_back() {
        let mut pipe = Pipe::default();
        let told = |pipe: &mut Pipe| String::from_utf8(std::mem::take(&mut pipe.output)).unwrap();
        write(&mut pipe, &Reply::text(422, "no", 1), true);
        assert_eq!(
            told(&mut pipe),
            "HTTP/1.1 422 Unprocessable Content\r\nContent-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: 2\r\nConnection: keep-alive\r\n\r\nno"
        );
        write(&mut pipe, &Reply::json(429, "{}", 1).retry_after(7), false);
        assert_eq!(
            told(&mut pipe),
            "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json;charset=UTF-8\r\n\
             Retry-After: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        );
    }

    #[test]
    fn an_unusual_status_is_called_by_its_class() {
        assert_eq!(
            (reason(500), reason(599)),
            ("Internal Server Error", reason(520))
        );
        assert_eq!((reason(400), reason(451)), ("Bad Request", "Bad Request"));
    }
}
