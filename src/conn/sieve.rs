//! Splits what a WebSocket's stream brings into frames. Hands messages of one frame over where they
//! lie (texts, and binary ones if these are wanted), and everything else to tungstenite, one frame
//! at a time. Takes messages of unusual size out: it gathers large ones itself, so that no buffer
//! stays large after them, and drops those over the limit, so that the connection lives. Answers
//! nothing and judges no protocol.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::ops::Range;

/// What is read ahead: a text that fits is handed over in place.
pub(crate) const BUFFER_BYTES: usize = 32 * 1024;
/// Whole messages from this size on are gathered here.
pub(crate) const LARGE_BYTES: usize = 256 * 1024;
/// Bytes after which the owner turns to its other connections.
pub(crate) const TURN_BYTES: usize = 512 * 1024;
/// How much of the beginning and of the end of a too long message is kept, to say what it was
/// about.
pub(crate) const EXCERPT_BYTES: usize = 1024;
/// The longest header of a frame without a mask. A server that masks breaks the rules, and
/// WebSocket says so.
const HEADER_MAX: usize = 10;

/// What was taken out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sifted {
    /// The payload of a large message, and whether it is a text.
    Large(Vec<u8>, bool),
    /// A message of this many bytes was too long; its beginning and its end.
    TooLong(u64, Vec<u8>),
    /// A message of this many bytes was too long, but its beginning has already passed on, as a
    /// message that ends where the limit was reached.
    Cut(u64),
}

/// Where the payload of the current frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Pass,
    Gather,
    Drop,
}

/// Where the payload of a whole message lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InPlace {
    /// In [`Sieve::bytes`].
    pub(crate) at: Range<usize>,
    /// Or it is a binary message.
    pub(crate) is_text: bool,
}

/// A stream of WebSocket frames without what is large.
///
/// Invariant: `start <= end <= buffer.len()`; while the payload of a frame comes in, `left` of it
/// is still to be taken out of the buffer; between frames the next one's header is at `start`.
pub(crate) struct Sieve<T> {
    stream: T,
    limit: u64,
    /// Binary messages are wanted, too.
    binary: bool,
    /// What was read and not yet taken: `buffer[start..end]`.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    left: u64,
    way: Way,
    /// The message whose next frame is awaited, if it comes in several.
    open: Option<Open>,
    /// What does not pass: the message so far, and whether the current frame is its last.
    dropped: Open,
    last: bool,
    /// The payload of a large message, or the excerpt of one that is dropped.
    gathered: Vec<u8>,
    sifted: Option<Sifted>,
    /// A text that ends too early has passed.
    cut: bool,
    /// Bytes that were read since the stream was last seen empty, or others had their turn.
    spent: usize,
    /// Bytes of a frame that is not whole yet came since [`Self::take_moved`].
    moved: bool,
}

/// A message of several frames.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    bytes: u64,
    /// Its owner reads it: it is a text, or a binary message that is wanted.
    wanted: bool,
    text: bool,
    /// Its first frames have passed.
    passed: bool,
    /// Its next ones are dropped.
    dropping: bool,
}

impl<T> Sieve<T> {
    /// Messages of more than `limit` bytes are dropped. `behind` was read already. `binary`
    /// messages are read as texts are.
    pub(crate) fn new(stream: T, behind: &[u8], limit: usize, binary: bool) -> Self {
        let mut buffer = vec![0; BUFFER_BYTES.max(behind.len())];
        buffer[..behind.len()].copy_from_slice(behind);
        Self {
            stream,
            limit: limit as u64,
            binary,
            buffer: buffer.into(),
            start: 0,
            end: behind.len(),
            left: 0,
            way: Way::Pass,
            open: None,
            dropped: Open::default(),
            last: false,
            gathered: Vec::new(),
            sifted: None,
            cut: false,
            spent: 0,
            moved: false,
        }
    }

    pub(crate) fn get_ref(&self) -> &T {
        &self.stream
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// What was taken out, once its last byte is there; reading blocks until it is fetched.
    pub(crate) fn take_sifted(&mut self) -> Option<Sifted> {
        self.sifted.take()
    }

    /// True if reading blocked only because others must have their turn.
    pub(crate) fn take_tired(&mut self) -> bool {
        let tired = self.spent >= TURN_BYTES;
        if tired {
            self.spent = 0;
        }
        tired
    }

    /// True once after the beginning of a text has passed whose rest is dropped.
    pub(crate) fn take_cut(&mut self) -> bool {
        mem::take(&mut self.cut)
    }

    /// True if bytes of a frame that was not whole came since the last call.
    pub(crate) fn take_moved(&mut self) -> bool {
        mem::take(&mut self.moved)
    }

    /// A frame begins: what of its header passes.
    fn begin(&mut self, header: &Header) -> Passes {
        (self.left, self.way) = (header.len, Way::Pass);
        let is_data = matches!(header.opcode, CONTINUATION | TEXT | BINARY);
        if header.odd || !is_data {
            return Passes::Header; // Control frames come between the frames of a message.
        }
        let before = match header.opcode {
            CONTINUATION => self.open.take().unwrap_or_default(),
            _ => Open::default(),
        };
        let bytes = before.bytes.saturating_add(header.len);
        let dropping = before.dropping || bytes > self.limit;
        let now = Open {
            bytes,
            wanted: before.wanted || self.is_wanted(header.opcode),
            text: before.text || header.opcode == TEXT,
            passed: before.passed || !dropping,
            dropping,
        };
        self.open = (!header.last).then_some(now);
        if dropping {
            (self.way, self.dropped, self.last) = (Way::Drop, now, header.last);
            let ends = before.passed && !before.dropping;
            self.cut |= ends && now.wanted;
            return match ends {
                true => Passes::End,
                false => Passes::Nothing,
            };
        }
        let alone = self.is_wanted(header.opcode) && header.last;
        if alone && bytes >= LARGE_BYTES as u64 {
            (self.way, self.dropped) = (Way::Gather, now);
            self.gathered = Vec::with_capacity(bytes as usize);
            return Passes::Nothing;
        }
        Passes::Header
    }

    #[inline]
    fn is_wanted(&self, opcode: u8) -> bool {
        opcode == TEXT || (self.binary && opcode == BINARY)
    }

    /// If the payload of a frame that does not pass is over, and its message with it, that is what
    /// was sifted out.
    fn finish(&mut self) {
        if self.left > 0 {
            return;
        }
        let sifted = match self.way {
            Way::Pass => return,
            Way::Gather => Sifted::Large(mem::take(&mut self.gathered), self.dropped.text),
            Way::Drop if !self.last => return,
            Way::Drop if self.dropped.passed => Sifted::Cut(self.dropped.bytes),
            Way::Drop => Sifted::TooLong(self.dropped.bytes, mem::take(&mut self.gathered)),
        };
        self.gathered = Vec::new();
        (self.way, self.sifted) = (Way::Pass, Some(sifted));
    }

    fn held(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn check(&self) {
        debug_assert!(self.start <= self.end);
        debug_assert!(self.end <= self.buffer.len());
        debug_assert!(self.sifted.is_none() || self.left == 0);
    }
}

impl<T: Read> Sieve<T> {
    /// Where the next message lies, if it is one of those that are wanted, in one frame that is
    /// whole there. `None` if it is something else, of which [`Read`] has the bytes.
    #[inline]
    pub(crate) fn message(&mut self) -> io::Result<Option<InPlace>> {
        if self.left > 0 || self.open.is_some() || self.sifted.is_some() {
            return Ok(None);
        }
        let mut came = false;
        loop {
            if let Some(header) = Header::parse(self.held()) {
                let whole = header.len.saturating_add(header.bytes as u64); // It may say anything.
                let plain = header.last && self.is_wanted(header.opcode) && !header.odd;
                if !plain || header.len > self.limit || whole > BUFFER_MOST {
                    return Ok(None);
                }
                let (from, whole) = (self.start + header.bytes, whole as usize);
                if self.end - self.start >= whole {
                    self.start += whole;
                    self.check();
                    return Ok(Some(InPlace {
                        at: from..self.start,
                        is_text: header.opcode == TEXT,
                    }));
                }
            }
            let before = self.end - self.start;
            match self.fill() {
                Ok(0) => return Ok(None), // The end of the stream: WebSocket judges it.
                Ok(_) => came = true,
                Err(error) => {
                    self.moved |= came && before > 0;
                    return Err(error);
                }
            }
        }
    }

    /// What [`Self::message`] names the places of; until the next call.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads more behind what is held, which is less than the buffer. Zero is the end of the
    /// stream.
    fn fill(&mut self) -> io::Result<usize> {
        if self.spent >= TURN_BYTES {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.end < self.buffer.len() / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        debug_assert!(self.end < self.buffer.len());
        match self.stream.read(&mut self.buffer[self.end..]) {
            Ok(n) => {
                self.end += n;
                self.spent += n;
                self.check();
                Ok(n)
            }
            Err(error) => {
                self.spent = 0; // Nothing waits: this connection kept nobody waiting.
                Err(error)
            }
        }
    }
}

/// For tungstenite: the bytes of at most one frame, so that it holds nothing of the next.
impl<T: Read> Read for Sieve<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        debug_assert!(out.len() >= HEADER_MAX, "room for the header of a frame");
        loop {
            if self.sifted.is_some() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let mut passed = 0;
            if self.left == 0 {
                let Some(header) = Header::parse(self.held()) else {
                    if self.fill()? == 0 {
                        return Ok(0);
                    }
                    continue;
                };
                let from = self.start;
                self.start += header.bytes;
                match self.begin(&header) {
                    Passes::Header => {
                        passed = header.bytes;
                        out[..passed].copy_from_slice(&self.buffer[from..from + passed]);
                    }
                    Passes::End => {
                        passed = END_OF_MESSAGE.len();
                        out[..passed].copy_from_slice(&END_OF_MESSAGE);
                    }
                    Passes::Nothing => {}
                }
            } else if self.start == self.end && self.fill()? == 0 {
                return Ok(0);
            }
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let mut n = left.min(self.end - self.start);
            let payload = &self.buffer[self.start..self.start + n];
            match self.way {
                Way::Pass => {
                    n = n.min(out.len() - passed);
                    out[passed..passed + n].copy_from_slice(&payload[..n]);
                    passed += n;
                }
                Way::Gather => self.gathered.extend_from_slice(payload),
                Way::Drop => excerpt(&mut self.gathered, payload),
            }
            (self.start, self.left) = (self.start + n, self.left - n as u64);
            self.moved |= self.left > 0;
            self.finish();
            self.check();
            if passed > 0 {
                return Ok(passed);
            }
        }
    }
}

impl<T: Write> Write for Sieve<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.stream.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A frame that is larger is tungstenite's: it does not fit into the buffer.
const BUFFER_MOST: u64 = BUFFER_BYTES as u64;

/// What of a frame's header passes.
enum Passes {
    Header,
    /// The header of an empty frame in its place, which ends the message.
    End,
    Nothing,
}

/// The header of a frame, as RFC 6455 §5.2 has it.
struct Header {
    bytes: usize,
    last: bool,
    opcode: u8,
    /// Reserved bits, or a mask: nothing that is ours to judge.
    odd: bool,
    len: u64,
}

impl Header {
    /// The header that `bytes` begin with, if it is whole. A mask counts as payload.
    #[inline]
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let (len, header) = match second & 0x7f {
            126 => {
                let len = bytes.get(2..4)?.try_into().ok()?;
                (u64::from(u16::from_be_bytes(len)), 4)
            }
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            len => (u64::from(len), 2),
        };
        let masked = second & 0x80 != 0;
        Some(Self {
            bytes: header,
            last: first & 0x80 != 0,
            opcode: first & 0x0f,
            odd: masked || first & 0x70 != 0,
            len: len.saturating_add(if masked { 4 } else { 0 }),
        })
    }
}

/// Adds a part of what is dropped: its first bytes stay, and its last ones.
pub(super) fn excerpt(kept: &mut Vec<u8>, part: &[u8]) {
    let head = part.len().min(EXCERPT_BYTES.saturating_sub(kept.len()));
    kept.extend_from_slice(&part[..head]);
    let rest = &part[head..];
    kept.extend_from_slice(&rest[rest.len().saturating_sub(EXCERPT_BYTES)..]);
    let over = kept.len().saturating_sub(2 * EXCERPT_BYTES);
    kept.drain(EXCERPT_BYTES.min(kept.len())..(EXCERPT_BYTES + over).min(kept.len()));
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const END_OF_MESSAGE: [u8; 2] = [0x80, 0];

#[cfg(test)]
mod tests;
