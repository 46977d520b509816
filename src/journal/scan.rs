//! Reads a segment back, member by member: how much of it is whole, and what it holds.

use super::chain::BUFFER_BYTES;
use super::entry::{Entry, LINE_BYTES_MAX};
use super::manifest::Segment;
use super::pack::Pack;
use super::segment::MEMBER_BYTES;
use crate::base::text::hex;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader, Read};

/// The most that a member unpacks to.
const MEMBER_BYTES_MAX: u64 = 2 * LINE_BYTES_MAX;
// Its own limit, and the line that went over it.
const _: () = assert!(MEMBER_BYTES + LINE_BYTES_MAX < MEMBER_BYTES_MAX);

/// How a segment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a whole member.
    Whole,
    /// Within a member.
    Cut,
    /// With bytes that are not what was written, and what is wrong with them.
    Damaged(String),
}

/// What a segment's file holds.
///
/// Invariant: `whole_bytes <= segment.bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// What its whole members hold; checksum and length are the file's.
    pub(super) segment: Segment,
    /// Bytes of its whole members.
    pub(super) whole_bytes: u64,
    /// What comes after them.
    pub(super) ending: Ending,
}

/// Reads every byte of the segment of this name.
///
/// # Errors
/// If the file cannot be read; what is in it is never an error.
pub(super) fn scan(name: &str, file: impl Read) -> io::Result<Scan> {
    let mut bytes = Counted {
        inner: BufReader::with_capacity(BUFFER_BYTES, file),
        count: 0,
        sha256: Sha256::new(),
    };
    let mut segment = Segment {
        file: name.to_owned(),
        ..Segment::default()
    };
    let pack = Pack::named(name).unwrap_or_default();
    let (mut whole_bytes, mut text) = (0, Vec::new());
    let ending = loop {
        if bytes.fill_buf()?.is_empty() {
            break Ending::Whole;
        }
        text.clear();
        if let Err(error) = pack.unpack_member(&mut bytes, MEMBER_BYTES_MAX, &mut text) {
            break match error.kind() {
                io::ErrorKind::UnexpectedEof => Ending::Cut,
                _ => Ending::Damaged(error.to_string()),
            };
        }
        if let Err(why) = add(&mut segment, &text) {
            break Ending::Damaged(why);
        }
        whole_bytes = bytes.count;
    };
    io::copy(&mut bytes, &mut io::sink())?;
    segment.bytes = bytes.count;
    segment.sha256 = hex(&bytes.sha256.finalize());
    debug_assert!(whole_bytes <= segment.bytes);
    Ok(Scan {
        segment,
        whole_bytes,
        ending,
    })
}

/// Adds a member's lines.
fn add(segment: &mut Segment, text: &[u8]) -> Result<(), String> {
    let after = segment.lines;
    let bad = |n: u64, why: &dyn std::fmt::Display| format!("line {}: {why}", after + n + 1);
    if text.len() as u64 == MEMBER_BYTES_MAX {
        return Err(bad(0, &"a member is longer than any that is written"));
    }
    let Some(lines) = text.strip_suffix(b"\n") else {
        return Err(bad(0, &"a member does not end with a line"));
    };
    for (n, line) in (0..).zip(lines.split(|byte| *byte == b'\n')) {
        let line = std::str::from_utf8(line).map_err(|error| bad(n, &error))?;
        let entry = Entry::parse(line).map_err(|why| bad(n, &why))?;
        segment.add_line(entry.ts_ns.unwrap_or(0));
    }
    segment.raw_bytes += text.len() as u64;
    Ok(())
}

/// Counts and digests what is read through it.
struct Counted<R> {
    inner: R,
    count: u64,
    sha256: Sha256,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is consumed stands in the buffer: this reads nothing.
        if let Some(bytes) = self.inner.fill_buf().ok().and_then(|bytes| bytes.get(..n)) {
            self.sha256.update(bytes);
        }
        self.count += n as u64;
        self.inner.consume(n);
    }
}
