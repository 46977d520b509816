//! The HTTP upgrade of one connection to WebSocket, from the client's side. Never gives up by
//! itself on a slow peer: the deadline is its owner's.
//!
//! tungstenite's own client handshake takes a head that comes in many small pieces for an attack,
//! and drops a refusal's body unless it came in one piece with its head. Here both are read.

use super::close::Close;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::handshake::client::Response;
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::http::header::{self, HeaderMap, HeaderName};

/// Bytes of a refusal's body that are kept for people to read.
pub(super) const BODY_BYTES_MAX: usize = 256;
/// Bytes that an answer's head may have.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const PIECE_BYTES: usize = 4 * 1024;

/// An upgrade under way over the stream `T`.
pub(super) struct Upgrade<T> {
    stream: T,
    request: Vec<u8>,
    /// Bytes of the request that the stream took.
    sent: usize,
    /// What was answered so far: the head, or the body once there is a refusal.
    answer: Vec<u8>,
    accept_key: String,
    refusal: Option<Refusal>,
}

/// An answer other than 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    /// Seconds that the peer asks us to stay away.
    pub retry_after_s: Option<u64>,
    /// Bytes of body that are worth waiting for.
    body_bytes: usize,
}

/// What an upgrade came to.
pub(super) enum Progress {
    Blocked,
    /// The answer was 101: frames follow.
    Done,
    Refused(Refusal),
    Failed(Close, io::Error),
}

impl<T: Read + Write> Upgrade<T> {
    /// `host` as the Host header has it, `path` with its query; `nonce` makes the key.
    pub fn new(stream: T, host: &str, path: &str, nonce: [u8; 16]) -> Self {
        let key = STANDARD.encode(nonce);
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: tickwire\r\n\r\n"
        );
        Self {
            stream,
            request: request.into_bytes(),
            sent: 0,
            answer: Vec::new(),
            accept_key: derive_accept_key(key.as_bytes()),
            refusal: None,
        }
    }

    pub fn get_ref(&self) -> &T {
        &self.stream
    }

    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The refusal whose body is being read, and as much of that as has come.
    pub fn refusal(&self) -> Option<(Refusal, &[u8])> {
        let body = &self.answer[..self.answer.len().min(BODY_BYTES_MAX)];
        self.refusal.map(|refusal| (refusal, body))
    }

    /// The stream, and the frame bytes that came behind the answer's head.
    pub fn into_parts(self) -> (T, Vec<u8>) {
        (self.stream, self.answer)
    }

    /// Writes and reads as far as the stream lets it.
    pub fn advance(&mut self) -> Progress {
        match self.try_advance() {
            Ok(progress) => progress,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Blocked,
            // A refusal's body ends as it likes.
            Err(error) => match self.refusal {
                Some(refusal) => Progress::Refused(refusal),
                None => Progress::Failed(Close::Io(error.kind()), error),
            },
        }
    }

    fn try_advance(&mut self) -> io::Result<Progress> {
        while self.sent < self.request.len() {
            self.sent += self.stream.write(&self.request[self.sent..])?;
        }
        match self.stream.flush() {
            // What is not flushed is with TLS, which sends it as soon as it can.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let mut piece = [0; PIECE_BYTES];
        loop {
            if let Some(refusal) = self.refusal
                && self.answer.len() >= refusal.body_bytes
            {
                return Ok(Progress::Refused(refusal));
            }
            let n = self.stream.read(&mut piece)?;
            if n == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(&piece[..n]);
            if self.refusal.is_some() {
                continue;
            }
            match self.parse_head() {
                Ok(true) => return Ok(Progress::Done),
                Ok(false) => {}
                Err(text) => {
                    let error = io::Error::new(ErrorKind::InvalidData, text);
                    return Ok(Progress::Failed(Close::Protocol, error));
                }
            }
        }
    }

    /// True when the head is whole and accepts; a head that refuses is kept in `refusal`.
    fn parse_head(&mut self) -> Result<bool, String> {
        let parsed = Response::try_parse(&self.answer).map_err(|error| error.to_string())?;
        let Some((head_bytes, response)) = parsed else {
            let too_long = self.answer.len() > HEAD_BYTES_MAX;
            return if too_long {
                Err("the answer's head is too long".into())
            } else {
                Ok(false)
            };
        };
        self.answer.drain(..head_bytes);
        let headers = response.headers();
        if response.status() != 101 {
            self.refusal = Some(Refusal {
                status: response.status().as_u16(),
                retry_after_s: number(headers, header::RETRY_AFTER),
                body_bytes: number(headers, header::CONTENT_LENGTH)
                    .map_or(BODY_BYTES_MAX, |n| n.min(BODY_BYTES_MAX as u64) as usize),
            });
            return Ok(false);
        }
        self.verify(headers)?;
        Ok(true)
    }

    /// RFC 6455 §4.1, what the client must check in an answer of 101.
    fn verify(&self, headers: &HeaderMap) -> Result<(), String> {
        if !has_token(headers, header::UPGRADE, "websocket") {
            return Err("the answer does not upgrade to websocket".into());
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return Err("the answer does not upgrade the connection".into());
        }
        let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
        if accept.is_none_or(|value| value.as_bytes() != self.accept_key.as_bytes()) {
            return Err("the answer's Sec-WebSocket-Accept is not ours".into());
        }
        // We offer neither; an answer that uses one speaks another language than we read.
        for unasked in [
            header::SEC_WEBSOCKET_EXTENSIONS,
            header::SEC_WEBSOCKET_PROTOCOL,
        ] {
            if headers.contains_key(&unasked) {
                return Err(format!("the answer uses {unasked}, which was not offered"));
            }
        }
        Ok(())
    }
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    let mut tokens = values
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    tokens.any(|word| word.trim().eq_ignore_ascii_case(token))
}
