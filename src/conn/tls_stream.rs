//! TLS of a client over a non-blocking stream: plaintext in and out, records below. Never blocks,
//! and never holds back what it has: it asks the stream for more only when no plaintext is left.

use super::records::{Opened, Records, record_bytes};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData};
use rustls::{ClientConfig, Error};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that one read may take from the stream: several records, and more than the largest.
const READ_BYTES: usize = 64 * 1024;
/// Bytes of records that may wait for the stream.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// A client's side of a TLS connection over a non-blocking stream.
///
/// Edge-triggered polling knows nothing of bytes in here: read until `WouldBlock`, and `flush`
/// until `Ok` or the stream is writable again.
///
/// Invariants: `start <= end <= rx.len()`; `plain` lies before `start`; `sent <= tx.len()`.
pub(crate) struct TlsStream<S> {
    stream: S,
    state: State,
    rx: Box<[u8]>,
    /// Came from the stream and is no plaintext yet: `rx[start..end]`.
    start: usize,
    end: usize,
    /// Plaintext of the newest record that is not handed over yet.
    plain: Range<usize>,
    /// Records for the stream, which has taken `sent` bytes of them.
    tx: Vec<u8>,
    sent: usize,
}

enum State {
    Handshake {
        tls: Box<UnbufferedClientConnection>,
        /// Of what came, rustls is shown this much: it must not take data for us.
        shown: usize,
    },
    Open(Box<Records>),
    /// The peer has said goodbye; we may still write.
    Ended(Box<Records>),
    Broken(Error),
}

/// What a step of the handshake led to.
enum Step {
    Again,
    Blocked,
    Done,
    /// An end, or data, where only the handshake may be.
    Ended,
}

impl<S: Read + Write> TlsStream<S> {
    /// A connection to `name` over `stream`. [`Self::handshake`] comes first.
    pub(crate) fn new(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        stream: S,
    ) -> Result<Self, Error> {
        let tls = Box::new(UnbufferedClientConnection::new(config, name)?);
        Ok(Self {
            stream,
            state: State::Handshake { tls, shown: 0 },
            rx: vec![0; READ_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            plain: 0..0,
            tx: Vec::new(),
            sent: 0,
        })
    }

    /// The stream below.
    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream below, for registration and stamps; reading or writing it breaks the connection.
    pub(crate) fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Drives the handshake as far as the stream lets it. `Ok` when keys are agreed and the peer is
    /// verified, `WouldBlock` while we wait for the peer.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        loop {
            no_block(self.push_out())?;
            let State::Handshake { tls, shown } = &mut self.state else {
                return self.alive();
            };
            let came = &mut self.rx[self.start..self.start + *shown];
            let (taken, step) = step(tls, came, &mut self.tx);
            (self.start, *shown) = (self.start + taken, *shown - taken);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Blocked) => {
                    let next = &self.rx[self.start + *shown..self.end];
                    match show_next(next) {
                        0 => {
                            if self.refill()? == 0 {
                                return Err(ErrorKind::UnexpectedEof.into());
                            }
                        }
                        more => *shown += more,
                    }
                }
                Ok(Step::Ended) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(Step::Done) => self.open()?,
                Err(error) => {
                    // What rustls has to say of it is in its own queue, before anything else.
                    let came = &mut self.rx[self.start..self.start + *shown];
                    let _ = self::step(tls, came, &mut self.tx);
                    return Err(self.fail(error));
                }
            }
        }
    }

    /// The handshake is over: what comes now are records.
    fn open(&mut self) -> io::Result<()> {
        let over = State::Broken(Error::HandshakeNotComplete);
        if let State::Handshake { tls, .. } = mem::replace(&mut self.state, over) {
            let records = Records::of(*tls).map_err(|error| self.fail(error))?;
            self.state = State::Open(Box::new(records));
        }
        Ok(())
    }

    fn alive(&self) -> io::Result<()> {
        match &self.state {
            State::Broken(error) => Err(invalid(error.clone())),
            _ => Ok(()),
        }
    }

    /// The connection is over for what the peer sent, and the peer is told, if that is possible.
    #[cold]
    fn fail(&mut self, error: Error) -> io::Error {
        if let State::Open(records) = &mut self.state {
            let _ = records.seal_failure(&error, &mut self.tx);
        }
        let _ = self.push_out(); // There is nobody left to tell of its failure.
        self.state = State::Broken(error.clone());
        invalid(error)
    }

    /// Encrypts a record that goes nowhere.
    pub(crate) fn rehearse(&mut self, data: &[u8]) {
        if let State::Open(records) = &mut self.state {
            records.rehearse(data);
        }
    }

    /// Tells the peer that no more data follows. What cannot be written at once is not waited for.
    pub(crate) fn send_close_notify(&mut self) {
        if let State::Open(records) | State::Ended(records) = &mut self.state {
            let _ = records.seal_close_notify(&mut self.tx);
        }
        let _ = self.push_out(); // A goodbye: there is nobody left to tell of its failure.
    }

    /// Takes more from the stream, behind what is held. Zero is the end of the stream.
    fn refill(&mut self) -> io::Result<usize> {
        debug_assert!(self.plain.is_empty(), "a refill over plaintext in hand");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.rx.len() - self.end < self.rx.len() / 2 {
            self.rx.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let n = loop {
            match self.stream.read(&mut self.rx[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.end += n;
        debug_assert!(self.end <= self.rx.len());
        Ok(n)
    }

    /// Opens the next record, which may bring plaintext. Zero is the end of the stream.
    fn next_record(&mut self) -> io::Result<usize> {
        let State::Open(records) = &mut self.state else {
            self.alive()?;
            return match self.state {
                State::Ended(_) => Ok(0),
                _ => Err(ErrorKind::WouldBlock.into()), // The handshake comes first.
            };
        };
        let held = &mut self.rx[self.start..self.end];
        let whole = match record_bytes(held) {
            Ok(Some(bytes)) if bytes <= held.len() => bytes,
            Ok(_) => {
                if self.waits() {
                    // Two sides that wait for room would wait for ever. A failure is left to the
                    // next write: what was received before it must still be read.
                    let _ = self.push_out();
                }
                return match self.refill()? {
                    0 => Err(ErrorKind::UnexpectedEof.into()),
                    n => Ok(n),
                };
            }
            Err(error) => return Err(self.fail(error)),
        };
        let opened = records.open(&mut held[..whole], &mut self.tx);
        let from = self.start;
        self.start += whole;
        match opened {
            Ok(Opened::Data(place)) => self.plain = from + place.start..from + place.end,
            Ok(Opened::Nothing) => {
                let _ = self.push_out(); // An answer, perhaps: as above.
            }
            Ok(Opened::CloseNotify) => {
                let over = State::Broken(Error::HandshakeNotComplete);
                if let State::Open(records) = mem::replace(&mut self.state, over) {
                    self.state = State::Ended(records);
                }
            }
            Err(error) => return Err(self.fail(error)),
        }
        Ok(whole)
    }

    fn waits(&self) -> bool {
        self.sent < self.tx.len()
    }

    /// Hands records to the stream until none is left or it blocks.
    fn push_out(&mut self) -> io::Result<()> {
        while self.waits() {
            match self.stream.write(&self.tx[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.tx.drain(..mem::take(&mut self.sent));
                    return Err(error);
                }
            }
        }
        self.tx.clear();
        self.sent = 0;
        Ok(())
    }
}

/// How much of what came, beyond what rustls was shown, it is shown next: one whole record, or all
/// of it if that is no record of ours to measure.
fn show_next(bytes: &[u8]) -> usize {
    match record_bytes(bytes) {
        Ok(Some(whole)) if whole <= bytes.len() => whole,
        Ok(Some(_)) if CONTENT_TYPES.contains(&bytes[0]) => 0,
        Ok(None) => 0,
        Ok(Some(_)) | Err(_) => bytes.len(),
    }
}

/// From `change_cipher_spec` to `application_data`, RFC 8446 §5.1.
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

/// One step of the handshake: how many of the bytes it is through with, and what comes next. What
/// is to be sent is added to `out`.
fn step(
    tls: &mut UnbufferedClientConnection,
    came: &mut [u8],
    out: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let status = tls.process_tls_records(came);
    let step = status.state.and_then(|state| match state {
        ConnectionState::EncodeTlsData(data) => encode(data, out).map(|()| Step::Again),
        ConnectionState::TransmitTlsData(data) => {
            data.done(); // It waits in `out`.
            Ok(Step::Again)
        }
        ConnectionState::BlockedHandshake => Ok(Step::Blocked),
        ConnectionState::WriteTraffic(_) => Ok(Step::Done),
        _ => Ok(Step::Ended),
    });
    (status.discard, step)
}

fn encode<T>(mut data: EncodeTlsData<'_, T>, out: &mut Vec<u8>) -> Result<(), Error> {
    let at = out.len();
    if let Err(EncodeError::InsufficientSize(more)) = data.encode(&mut []) {
        out.resize(at + more.required_size, 0);
    }
    match data.encode(&mut out[at..]) {
        Ok(_) | Err(EncodeError::AlreadyEncoded) => Ok(()),
        Err(error) => Err(Error::General(error.to_string())),
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn no_block(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        other => other,
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    /// Plaintext; `Ok(0)` after the peer's close_notify, `UnexpectedEof` if the stream ended
    /// without one. All data before either is given first.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.plain.is_empty() {
            if self.next_record()? == 0 {
                return Ok(0);
            }
        }
        let n = out.len().min(self.plain.len());
        out[..n].copy_from_slice(&self.rx[self.plain.start..self.plain.start + n]);
        self.plain.start += n;
        Ok(n)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    /// What is taken counts as written, whether or not the stream took it yet: never write it
    /// again. `WouldBlock` only when the bounded buffer of records is full, or before the end of
    /// the handshake.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.tx.len() - self.sent >= WAITING_BYTES_MAX {
            self.push_out()?;
        }
        let n = data.len().min(WAITING_BYTES_MAX);
        match &mut self.state {
            State::Open(records) | State::Ended(records) => {
                let sealed = records.seal(&data[..n], &mut self.tx);
                sealed.map_err(|error| self.fail(error))?;
            }
            State::Broken(error) => return Err(invalid(error.clone())),
            State::Handshake { .. } => return Err(ErrorKind::WouldBlock.into()),
        }
        no_block(self.push_out())?;
        Ok(n)
    }

    /// `Ok` when all that was written is with the stream; `WouldBlock` until then.
    fn flush(&mut self) -> io::Result<()> {
        self.push_out()?;
        self.stream.flush()
    }
}
