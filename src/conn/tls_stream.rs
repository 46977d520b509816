//! TLS over a non-blocking stream: plaintext in and out, records below. Never blocks, and never
//! holds back what it has: it asks the stream for more only when no plaintext is left.

use super::tls;
use rustls::crypto::cipher::{
    AeadKey, Iv, MessageEncrypter, NONCE_LEN, OutboundChunks, OutboundPlainMessage,
};
use rustls::{Connection, ContentType, ProtocolVersion, SupportedCipherSuite};
use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// Bytes that one read may take from the stream. rustls itself asks for 4 KiB at a time: 16 system
/// calls for what one can bring.
const READ_BYTES: usize = 64 * 1024;

/// A stream with a read buffer. Stamps of the stream's newest read belong to the newest refill.
struct RxBuf<S> {
    stream: S,
    buf: Box<[u8]>,
    /// Not yet handed over: `buf[start..end]`. Invariant: `start <= end <= buf.len()`.
    start: usize,
    end: usize,
}

impl<S: Read> RxBuf<S> {
    fn new(stream: S) -> Self {
        let buf = vec![0; READ_BYTES].into_boxed_slice();
        Self {
            stream,
            buf,
            start: 0,
            end: 0,
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.start, self.end, "a refill over bytes in hand");
        (self.start, self.end) = (0, 0);
        self.end = loop {
            match self.stream.read(&mut self.buf) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        debug_assert!(self.end <= self.buf.len());
        Ok(())
    }
}

impl<S: Read> Read for RxBuf<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            self.refill()?;
        }
        let n = out.len().min(self.end - self.start);
        out[..n].copy_from_slice(&self.buf[self.start..self.start + n]);
        self.start += n;
        Ok(n)
    }
}

/// One side of a TLS connection over a non-blocking stream.
///
/// Edge-triggered polling knows nothing of bytes in here: read until `WouldBlock`, and `flush`
/// until `Ok` or the stream is writable again.
pub struct TlsStream<S> {
    tls: Connection,
    io: RxBuf<S>,
    /// What records failed on. Plaintext that came before them is given first.
    broken: Option<rustls::Error>,
    /// Of the agreed kind, with a key of its own.
    rehearses: Option<Box<dyn MessageEncrypter>>,
}

impl<S: Read + Write> TlsStream<S> {
    /// A rustls client or server connection over `stream`. The handshake is driven by
    /// `handshake`, or by the first reads and writes.
    pub fn new(tls: impl Into<Connection>, stream: S) -> Self {
        Self {
            tls: tls.into(),
            io: RxBuf::new(stream),
            broken: None,
            rehearses: None,
        }
    }

    /// The stream below.
    pub(crate) fn get_ref(&self) -> &S {
        &self.io.stream
    }

    /// The stream below, for registration and stamps; reading or writing it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.io.stream
    }

    /// Drives the handshake as far as the stream lets it. `Ok` when keys are agreed and the peer is
    /// verified, `WouldBlock` while we wait for the peer.
    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        loop {
            no_block(self.push_out())?;
            if !self.tls.is_handshaking() {
                return Ok(());
            }
            if self.pull_in()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Encrypts a record that goes nowhere, as the agreed suite does it. The connection's own keys
    /// are for what leaves. Does nothing under TLS 1.2.
    pub(crate) fn rehearse(&mut self, data: &[u8]) {
        if self.rehearses.is_none() {
            self.rehearses = self.another_key();
        }
        let record = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_2, // As TLS 1.3 writes it, RFC 8446 §5.1.
            payload: OutboundChunks::Single(data),
        };
        if let Some(encrypter) = &mut self.rehearses {
            let _ = black_box(encrypter.encrypt(record, 0));
        }
    }

    fn another_key(&self) -> Option<Box<dyn MessageEncrypter>> {
        let Some(SupportedCipherSuite::Tls13(suite)) = self.tls.negotiated_cipher_suite() else {
            return None;
        };
        let mut key = [0; 32];
        let of_this_length = suite.aead_alg.key_len() == key.len();
        let random = of_this_length && tls::provider().secure_random.fill(&mut key).is_ok();
        random.then(|| {
            suite
                .aead_alg
                .encrypter(AeadKey::from(key), Iv::new([0; NONCE_LEN]))
        })
    }

    /// Tells the peer that no more data follows. What cannot be written at once is not waited for.
    pub fn send_close_notify(&mut self) {
        self.tls.send_close_notify();
        let _ = self.push_out(); // A goodbye: there is nobody left to tell of its failure.
    }

    /// Takes one portion of records in. Zero is the end of the stream.
    fn pull_in(&mut self) -> io::Result<usize> {
        if let Some(error) = &self.broken {
            return Err(io::Error::new(ErrorKind::InvalidData, error.clone()));
        }
        let read = self.tls.read_tls(&mut self.io);
        if read.is_ok() {
            self.broken = self.tls.process_new_packets().err();
        }
        if self.tls.wants_write() {
            // Waiting bytes go out even if nothing is read: otherwise two sides that wait for room
            // would wait for ever. A failure is left to the next write, because what was received
            // before it must still be read.
            let _ = self.push_out();
        }
        let n = read?;
        Ok(n)
    }

    /// Hands records to the stream until none is left or it blocks.
    fn push_out(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.io.stream) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_with(
        &mut self,
        mut write: impl FnMut(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut taken = write(&mut self.tls.writer())?;
        no_block(self.push_out())?;
        if taken == 0 {
            taken = write(&mut self.tls.writer())?;
            no_block(self.push_out())?;
        }
        if taken == 0 {
            Err(ErrorKind::WouldBlock.into())
        } else {
            Ok(taken)
        }
    }
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
        loop {
            match self.tls.reader().read(out) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            // rustls judges the end of the stream: its reader reports it in the next round.
            self.pull_in()?;
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    /// What is taken counts as written, whether or not the stream took it yet: never write it
    /// again. `WouldBlock` only when the bounded buffer of records is full.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.write_with(|writer| writer.write(data))
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        if data.iter().all(|slice| slice.is_empty()) {
            return Ok(0);
        }
        self.write_with(|writer| writer.write_vectored(data))
    }

    /// `Ok` when all that was written is with the stream; `WouldBlock` until then.
    fn flush(&mut self) -> io::Result<()> {
        self.push_out()?;
        if self.tls.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into()); // Plaintext may wait for the keys.
        }
        self.io.stream.flush()
    }
}
