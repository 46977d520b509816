//! The HTTP upgrade of one connection to WebSocket, from the client's side. Never gives up on a
//! slow peer by itself: its owner holds the deadline.
//!
//! tungstenite's own client handshake mistakes a head in many small pieces for an attack, and drops
//! a refusal's body unless body and head came in one piece. This one reads both.

use super::close::Close;
use super::http::{Body, HEAD_BYTES_MAX, Head};
use super::http_date;
use super::retry_after::retry_after;
use super::settings::LinkConfig;
use crate::base::{Span, UnixNanos};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, ErrorKind, Read, Write};
use tungstenite::handshake::derive_accept_key;
use zeroize::Zeroizing;

const PIECE_BYTES: usize = 4 * 1024;

/// An upgrade under way over the stream `T`.
pub(super) struct Upgrade<T> {
    stream: T,
    /// It may name a key.
    request: Zeroizing<Vec<u8>>,
    /// Bytes of the request that the stream took.
    sent: usize,
    /// The answer so far: its head, or its body once it is a refusal.
    answer: Vec<u8>,
    /// Bytes of heads that announced another one (RFC 9110 §15.2).
    interim_bytes: usize,
    accept_key: String,
    refusal: Option<Refusal>,
    /// Where the refusal sends us, in words; people may want to go there.
    location: Option<String>,
    /// The Date of the answer that accepted.
    date: Option<UnixNanos>,
}

/// An answer other than 101.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(crate) status: u16,
    /// How long the peer asks us to stay away.
    pub(crate) retry_after: Option<Span>,
    body: Body,
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
    /// Asks for what `config` names; `nonce` makes the handshake's own key.
    pub(crate) fn new(stream: T, config: &LinkConfig, nonce: [u8; 16]) -> Self {
        let key = STANDARD.encode(nonce);
        let (host, path) = (config.host_header(), &config.path);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nUser-Agent: tickwire\r\n"
        );
        let (name, whose) = match &config.key {
            Some(header) => (header.name, header.key.expose()),
            None => ("", ""),
        };
        // Allocated once: growing would leave copies of the key behind that nobody wipes.
        let room = head.len() + name.len() + whose.len() + 8;
        let mut request = Zeroizing::new(Vec::with_capacity(room));
        request.extend_from_slice(head.as_bytes());
        if !name.is_empty() {
            for part in [name, ": ", whose, "\r\n"] {
                request.extend_from_slice(part.as_bytes());
            }
        }
        request.extend_from_slice(b"\r\n");
        debug_assert!(request.len() <= room);
        Self {
            stream,
            request,
            sent: 0,
            answer: Vec::new(),
            interim_bytes: 0,
            accept_key: derive_accept_key(key.as_bytes()),
            refusal: None,
            location: None,
            date: None,
        }
    }

    pub(crate) fn get_ref(&self) -> &T {
        &self.stream
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// The refusal whose body is being read, and what it says so far.
    pub(crate) fn refusal(&self) -> Option<(Refusal, String)> {
        let refusal = self.refusal?;
        let (body, _) = refusal.body.read(&self.answer);
        let mut words = String::from_utf8_lossy(&body).trim().to_owned();
        if let Some(location) = &self.location {
            words = format!("moved to {location} {words}").trim_end().to_owned();
        }
        Some((refusal, words))
    }

    /// When the peer accepted, by its own clock and to the second, if it says so.
    pub(crate) fn date(&self) -> Option<UnixNanos> {
        self.date
    }

    /// The stream, and the frame bytes that came behind the answer's head.
    pub(crate) fn into_parts(self) -> (T, Vec<u8>) {
        (self.stream, self.answer)
    }

    /// Writes and reads as far as the stream lets it. `unix` is the wall clock's time.
    pub(crate) fn advance(&mut self, unix: UnixNanos) -> Progress {
        match self.try_advance(unix) {
            Ok(progress) => progress,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Progress::Blocked,
            // A refusal's body ends as it likes.
            Err(error) => match self.refusal {
                Some(refusal) => Progress::Refused(refusal),
                None => Progress::Failed(Close::Io(error.kind()), error),
            },
        }
    }

    fn try_advance(&mut self, unix: UnixNanos) -> io::Result<Progress> {
        while self.sent < self.request.len() {
            self.sent += self.stream.write(&self.request[self.sent..])?;
        }
        match self.stream.flush() {
            // TLS holds what is not flushed, and sends it as soon as it can.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Err(_) | Ok(()) => {}
        }
        let mut piece = [0; PIECE_BYTES];
        loop {
            if let Some(refusal) = self.refusal
                && refusal.body.read(&self.answer).1
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
            match self.parse_heads(unix) {
                Ok(true) => return Ok(Progress::Done),
                Ok(false) => {}
                Err(text) => {
                    let error = io::Error::new(ErrorKind::InvalidData, text);
                    return Ok(Progress::Failed(Close::Protocol, error));
                }
            }
        }
    }

    /// True when the head is whole and accepts; a head that refuses is kept in `refusal`. Heads
    /// that only announce another one are stepped over.
    fn parse_heads(&mut self, unix: UnixNanos) -> Result<bool, String> {
        while let Some(head) = Head::parse(&self.answer)? {
            self.answer.drain(..head.bytes);
            match head.status {
                101 => {
                    self.date = head.text("date").and_then(http_date::parse);
                    return self.verify(&head).map(|()| true);
                }
                100..=199 => {
                    self.interim_bytes += head.bytes;
                    if self.interim_bytes > HEAD_BYTES_MAX {
                        return Err("the answer is announced again and again".into());
                    }
                }
                status => {
                    let asked = head.text("retry-after");
                    let span = asked.and_then(|asked| retry_after(asked, head.text("date"), unix));
                    self.refusal = Some(Refusal {
                        status,
                        retry_after: span,
                        body: head.body(),
                    });
                    self.location = head.text("location").map(str::to_owned);
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// RFC 6455 §4.1, what the client must check in an answer of 101.
    fn verify(&self, head: &Head) -> Result<(), String> {
        if head.old {
            return Err("the answer is HTTP/1.0, which cannot upgrade".into());
        }
        let is_websocket = |value: &[u8]| value.eq_ignore_ascii_case(b"websocket");
        let mut upgrades = head.all("upgrade");
        if !upgrades.next().is_some_and(is_websocket) || !upgrades.all(is_websocket) {
            return Err("the answer does not upgrade to websocket alone".into());
        }
        if !head.has_token("connection", "upgrade") {
            return Err("the answer does not upgrade the connection".into());
        }
        let mut accepts = head.all("sec-websocket-accept");
        if accepts.next() != Some(self.accept_key.as_bytes()) {
            return Err("the answer's Sec-WebSocket-Accept is not ours".into());
        }
        if accepts.next().is_some() {
            return Err("the answer has Sec-WebSocket-Accept twice".into());
        }
        // We offer neither; an answer that uses one speaks another language than we read.
        for unasked in ["sec-websocket-extensions", "sec-websocket-protocol"] {
            if head.all(unasked).any(|value| !value.is_empty()) {
                return Err(format!("the answer uses {unasked}, which was not offered"));
            }
        }
        Ok(())
    }
}
