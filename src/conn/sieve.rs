//! Takes messages of unusual size out of the bytes that WebSocket reads. It gathers large ones
//! itself, so that no buffer stays large after them. It reads and drops those over the limit, so
//! that the connection lives. Answers nothing and judges no protocol: everything else passes.

use arrayvec::ArrayVec;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;

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
    /// The payload of a large text message.
    Large(Vec<u8>),
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

/// A stream of WebSocket frames without what is large.
///
/// Invariant: while the payload of a frame comes in, `left` of it is still to come; between frames
/// `held` has the beginning of the next header, and `left` is zero.
pub(crate) struct Sieve<T> {
    stream: T,
    limit: u64,
    held: ArrayVec<u8, HEADER_MAX>,
    left: u64,
    way: Way,
    /// The message whose next frame is awaited, if it comes in several.
    open: Option<Open>,
    /// What is dropped: the message so far, and whether the current frame is its last.
    dropped: Open,
    last: bool,
    /// The payload of a large message, or the excerpt of one that is dropped.
    gathered: Vec<u8>,
    sifted: Option<Sifted>,
    /// A text that ends too early has passed.
    cut: bool,
    /// Bytes that were read before: behind the handshake, or behind what was sifted out.
    behind: Vec<u8>,
    spent: usize,
    /// Bytes of a frame that is not whole yet came since [`Self::take_moved`].
    moved: bool,
}

/// A message of several frames.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    bytes: u64,
    text: bool,
    /// Its first frames have passed.
    passed: bool,
    /// Its next ones are dropped.
    dropping: bool,
}

impl<T> Sieve<T> {
    /// Messages of more than `limit` bytes are dropped. `behind` was read already.
    pub(crate) fn new(stream: T, behind: Vec<u8>, limit: usize) -> Self {
        Self {
            stream,
            limit: limit as u64,
            held: ArrayVec::new(),
            left: 0,
            way: Way::Pass,
            open: None,
            dropped: Open::default(),
            last: false,
            gathered: Vec::new(),
            sifted: None,
            cut: false,
            behind,
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

    /// Takes out of `bytes` what must not pass, and moves the rest to their beginning. Returns how
    /// many those are.
    fn sift(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut to) = (0, 0);
        while at < bytes.len() {
            if self.left > 0 {
                let n = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                match self.way {
                    Way::Pass => {
                        move_down(bytes, at, n, to);
                        to += n;
                    }
                    Way::Gather => self.gathered.extend_from_slice(&bytes[at..at + n]),
                    Way::Drop => excerpt(&mut self.gathered, &bytes[at..at + n]),
                }
                (at, self.left) = (at + n, self.left - n as u64);
            } else {
                let Some(header) = Header::parse(&bytes[at..]) else {
                    self.held.extend(bytes[at..].iter().copied());
                    return to;
                };
                match self.begin(&header) {
                    Passes::Header => {
                        move_down(bytes, at, header.bytes, to);
                        to += header.bytes;
                    }
                    Passes::End => {
                        bytes[to..to + 2].copy_from_slice(&END_OF_MESSAGE);
                        to += 2;
                    }
                    Passes::Nothing => {}
                }
                at += header.bytes;
            }
            if self.left == 0 && self.way != Way::Pass && self.finish() {
                self.behind.extend_from_slice(&bytes[at..]);
                return to;
            }
        }
        to
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
            text: before.text || header.opcode == TEXT,
            passed: before.passed || !dropping,
            dropping,
        };
        self.open = (!header.last).then_some(now);
        if dropping {
            (self.way, self.dropped, self.last) = (Way::Drop, now, header.last);
            let ends = before.passed && !before.dropping;
            self.cut |= ends && now.text;
            return match ends {
                true => Passes::End,
                false => Passes::Nothing,
            };
        }
        let alone = header.opcode == TEXT && header.last;
        if alone && bytes >= LARGE_BYTES as u64 {
            self.way = Way::Gather;
            self.gathered = Vec::with_capacity(bytes as usize);
            return Passes::Nothing;
        }
        Passes::Header
    }

    /// The payload of a frame that does not pass is over. True if its message is, too.
    fn finish(&mut self) -> bool {
        let sifted = match self.way {
            Way::Pass => return false,
            Way::Gather => Sifted::Large(mem::take(&mut self.gathered)),
            Way::Drop if !self.last => return false,
            Way::Drop if self.dropped.passed => Sifted::Cut(self.dropped.bytes),
            Way::Drop => Sifted::TooLong(self.dropped.bytes, mem::take(&mut self.gathered)),
        };
        self.gathered = Vec::new();
        (self.way, self.sifted) = (Way::Pass, Some(sifted));
        true
    }
}

impl<T: Read> Read for Sieve<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.sifted.is_some() || self.spent >= TURN_BYTES {
                return Err(ErrorKind::WouldBlock.into());
            }
            let held = self.held.len();
            debug_assert!(held < out.len(), "room for the header of a frame");
            if out.len() <= held {
                return Err(ErrorKind::InvalidInput.into());
            }
            let n = if self.behind.is_empty() {
                match self.stream.read(&mut out[held..]) {
                    Ok(n) => n,
                    Err(error) => {
                        self.spent = 0; // Nothing waits: this connection kept nobody waiting.
                        return Err(error);
                    }
                }
            } else {
                let n = self.behind.len().min(out.len() - held);
                out[held..held + n].copy_from_slice(&self.behind[..n]);
                self.behind.drain(..n);
                n
            };
            if n == 0 {
                return Ok(0);
            }
            out[..held].copy_from_slice(&self.held);
            self.held.clear();
            self.spent += n;
            let passed = self.sift(&mut out[..held + n]);
            self.moved |= self.left > 0;
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

    fn write_vectored(&mut self, data: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

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

fn move_down(bytes: &mut [u8], at: usize, n: usize, to: usize) {
    if to != at {
        bytes.copy_within(at..at + n, to);
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
mod tests {
    use super::*;
    use fastrand::Rng;
    use tungstenite::protocol::{Role, WebSocket};
    use tungstenite::{Message, Utf8Bytes};

    const LIMIT: usize = LARGE_BYTES + 1_000;

    /// A stream that gives bytes in pieces of chance, and blocks at the end.
    struct Pieces {
        bytes: Vec<u8>,
        at: usize,
        rng: Rng,
    }

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = *self.rng.choice(&[1, 3, 100, 8_192]).unwrap_or(&1);
            let n = out.len().min(self.bytes.len() - self.at).min(most);
            if n == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            out[..n].copy_from_slice(&self.bytes[self.at..self.at + n]);
            self.at += n;
            Ok(n)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..126 => frame.push(n as u8),
            n @ 126..65_536 => {
                frame.push(126);
                frame.extend((n as u16).to_be_bytes());
            }
            n => {
                frame.push(127);
                frame.extend((n as u64).to_be_bytes());
            }
        }
        [&frame, payload].concat()
    }

    /// What the reader above gets, in order: texts, and what was sifted out.
    fn read_all(bytes: Vec<u8>, seed: u64) -> Vec<String> {
        let behind = bytes[..bytes.len().min(seed as usize % 40)].to_vec();
        let pieces = Pieces {
            at: behind.len(),
            bytes,
            rng: Rng::with_seed(seed),
        };
        let sieve = Sieve::new(pieces, behind, LIMIT);
        let mut ws =
            WebSocket::from_raw_socket(sieve, Role::Client, Some(crate::conn::ws::config(LIMIT)));
        let brief = |text: &str| format!("{}:{:.3}", text.len(), text);
        let mut all = Vec::new();
        loop {
            match ws.read() {
                Ok(Message::Text(text)) => all.push(brief(&text)),
                Ok(Message::Ping(_)) => all.push("ping".into()),
                Ok(other) => all.push(format!("{other:?}")),
                Err(error) if crate::conn::ws::would_block(&error) => {
                    let sieve = ws.get_mut();
                    match sieve.take_sifted() {
                        Some(Sifted::Large(text)) => {
                            let text = Utf8Bytes::try_from(text).unwrap();
                            all.push(format!("large {}", brief(&text)));
                        }
                        Some(Sifted::TooLong(bytes, excerpt)) => {
                            let text = String::from_utf8(excerpt).unwrap();
                            let end = &text[text.len() - 3..];
                            all.push(format!("long {bytes}:{:.3}…{end}", text));
                        }
                        Some(Sifted::Cut(bytes)) => all.push(format!("cut {bytes}")),
                        None if sieve.take_tired() => {}
                        None => return all,
                    }
                }
                Err(error) => {
                    all.push(format!("{error}"));
                    return all;
                }
            }
        }
    }

    fn text(len: usize) -> Vec<u8> {
        let mut text = vec![b'.'; len];
        let n = len.min(3);
        text[..n].copy_from_slice(&b"abc"[..n]);
        text[len - n..].copy_from_slice(&b"xyz"[..n]);
        text
    }

    #[test]
    fn what_is_large_comes_out_whole_and_what_is_too_long_costs_no_neighbour() {
        let large = LARGE_BYTES + 5;
        let stream = [
            frame(0x81, b"one"),
            frame(0x81, &text(large)),
            frame(0x89, b""),
            frame(0x81, b"two"),
            frame(0x81, &text(LIMIT + 1)),
            frame(0x81, b"three"),
            frame(0x81, &text(3 << 20)),
            frame(0x81, &text(LIMIT)),
            frame(0x81, &text(70_000)),
            frame(0x82, &text(LIMIT + 9)),
            frame(0x81, b"end"),
        ];
        let wanted = [
            "3:one".to_owned(),
            format!("large {large}:abc"),
            "ping".into(),
            "3:two".into(),
            format!("long {}:abc…xyz", LIMIT + 1),
            "5:thr".into(),
            format!("long {}:abc…xyz", 3 << 20),
            format!("large {LIMIT}:abc"),
            "70000:abc".into(),
            format!("long {}:abc…xyz", LIMIT + 9),
            "3:end".into(),
        ];
        for seed in 0..40 {
            assert_eq!(read_all(stream.concat(), seed), wanted, "seed {seed}");
        }
    }

    #[test]
    fn a_message_of_many_frames_is_held_to_the_same_limit() {
        let half = text(LIMIT / 2);
        let stream = [
            frame(0x01, &half),
            frame(0x89, b""),
            frame(0x80, &half),
            frame(0x01, &half),
            frame(0x00, &half),
            frame(0x89, b""),
            frame(0x00, &half),
            frame(0x80, &half),
            frame(0x81, b"next"),
            frame(0x01, &text(LIMIT + 1)),
            frame(0x80, &half),
            frame(0x81, b"end"),
        ];
        let wanted = [
            "ping".to_owned(),
            format!("{}:abc", 2 * (LIMIT / 2)),
            "ping".into(),
            format!("{}:abc", 2 * (LIMIT / 2)),
            format!("cut {}", 4 * (LIMIT / 2)),
            "4:nex".into(),
            format!("long {}:abc…xyz", LIMIT + 1 + LIMIT / 2),
            "3:end".into(),
        ];
        for seed in 0..40 {
            assert_eq!(read_all(stream.concat(), seed), wanted, "seed {seed}");
        }
    }

    #[test]
    fn ordinary_traffic_passes_as_it_is_and_broken_rules_are_left_to_websocket() {
        let mut rng = Rng::with_seed(1);
        let lens: Vec<usize> = (0..300)
            .map(|_| *rng.choice(&[0, 1, 125, 126, 700, 65_536]).unwrap_or(&0))
            .collect();
        let stream: Vec<u8> = lens
            .iter()
            .flat_map(|len| frame(0x81, &vec![b'x'; *len]))
            .collect();
        for seed in 0..20 {
            let all = read_all(stream.clone(), seed);
            let got = all
                .iter()
                .map(|one| one.split(':').next().unwrap_or("").parse().unwrap());
            assert_eq!(got.collect::<Vec<usize>>(), lens);
        }
        for (broken, word) in [
            (frame(0xc1, b"x"), "eserved"),
            (frame(0x80, b"x"), "ontinue"),
            ([&[0x81, 0x81, 1, 2, 3, 4][..], b"x"].concat(), "masked"),
            (frame(0x83, b"x"), "invalid opcode"),
        ] {
            let said = read_all(broken, 0);
            assert!(said[0].contains(word), "{said:?}");
        }
    }
}
