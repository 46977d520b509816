//! The files of one exchange: lines in, segments out. A segment is a row of whole gzip members, so that a
//! file that was cut is readable up to its last one. Opens no file itself.

use super::manifest::{Entry, Segment};
use crate::base::Nanos;
use crate::base::text::hex;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};

/// A segment ends once its lines have this many bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// A segment ends at this age.
pub const SEGMENT_AGE: Nanos = Nanos::from_secs(60);
/// A member ends at this age: so much a crash may cost.
pub const MEMBER_AGE: Nanos = Nanos::from_secs(1);
/// A member ends once its lines have this many bytes.
pub const MEMBER_BYTES: u64 = 4 << 20;

/// Where segments go.
pub trait Store {
    /// A new file of this name; an error where there is one.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sink>>;
    /// Appends a line to the manifest. It is on the disk when this returns.
    fn list(&mut self, line: &str) -> io::Result<()>;
}

/// A file that is written once.
pub trait Sink: Write + Send {
    /// Returns when what was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A message on its way into a file, in the order of its keys there.
#[derive(Debug, Serialize)]
pub struct Message<'m> {
    /// Receive time, in nanoseconds since 1970.
    pub ts_ns: u64,
    /// The URL of the connection or of the request.
    pub conn: &'m str,
    /// `ws` or `rest`.
    pub kind: &'static str,
    /// Exactly as it came.
    pub raw: &'m str,
}

/// What was written, of one exchange or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Finished segments.
    pub files: u64,
    /// Lines in them.
    pub lines: u64,
    /// Their bytes, unpacked.
    pub raw_bytes: u64,
    /// The files' bytes.
    pub bytes: u64,
}

/// The files of one exchange.
pub struct Series {
    name: &'static str,
    number: u32,
    open: Option<Open>,
    text: Vec<u8>,
    written: Written,
    /// Messages that are lost, and those of them that the manifest has.
    lost: (u64, u64),
}

/// The segment that is being written.
struct Open {
    sink: Box<dyn Sink>,
    segment: Segment,
    sha256: Sha256,
    began: Nanos,
    member: Option<Member>,
}

struct Member {
    gzip: GzEncoder<Vec<u8>>,
    began: Nanos,
    raw_bytes: u64,
}

impl Series {
    /// The files `<name>-00001.jsonl.gz` and so on.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            number: 0,
            open: None,
            text: Vec::new(),
            written: Written::default(),
            lost: (0, 0),
        }
    }

    /// The exchange.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What finished segments hold.
    pub fn written(&self) -> Written {
        self.written
    }

    /// So many messages are lost, since the beginning.
    pub fn set_lost(&mut self, lost: u64) {
        self.lost.0 = lost;
    }

    /// Appends a line.
    pub fn write(&mut self, store: &mut dyn Store, now: Nanos, m: &Message<'_>) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, m)?;
        self.text.push(b'\n');
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                self.number += 1;
                let file = format!("{}-{:05}.jsonl.gz", self.name, self.number);
                self.open.insert(Open::new(store, now, file)?)
            }
        };
        let segment = &mut open.segment;
        if segment.lines == 0 {
            segment.first_ts_ns = m.ts_ns;
        }
        segment.last_ts_ns = m.ts_ns;
        segment.lines += 1;
        segment.raw_bytes += self.text.len() as u64;
        let member = open.member.get_or_insert_with(|| Member::new(now));
        member.raw_bytes += self.text.len() as u64;
        member.gzip.write_all(&self.text)
    }

    /// Ends the member and the segment that are old or large enough.
    pub fn handle_time(&mut self, store: &mut dyn Store, now: Nanos) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let full = open.segment.raw_bytes >= SEGMENT_BYTES;
        if full || now.since(open.began) >= SEGMENT_AGE.0 {
            return self.finish(store);
        }
        let due = |member: &Member| {
            member.raw_bytes >= MEMBER_BYTES || now.since(member.began) >= MEMBER_AGE.0
        };
        match &open.member {
            Some(member) if due(member) => open.finish_member(),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends the segment, where there is one: on the disk, and then in the manifest.
    pub fn finish(&mut self, store: &mut dyn Store) -> io::Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.finish_member()?;
        let (total, told) = self.lost;
        let mut segment = open.segment;
        segment.sha256 = hex(&open.sha256.finalize());
        segment.lost = total - told;
        let line = Entry::Segment(segment.clone()).to_line();
        store.list(&line)?;
        self.lost.1 = total;
        self.written.files += 1;
        self.written.lines += segment.lines;
        self.written.raw_bytes += segment.raw_bytes;
        self.written.bytes += segment.bytes;
        Ok(())
    }
}

impl Open {
    fn new(store: &mut dyn Store, now: Nanos, file: String) -> io::Result<Self> {
        Ok(Self {
            sink: store.create(&file)?,
            segment: Segment {
                file,
                ..Segment::default()
            },
            sha256: Sha256::new(),
            began: now,
            member: None,
        })
    }

    /// Writes the member through to the disk, so that little is left to write when the segment ends.
    fn finish_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else {
            return Ok(());
        };
        let packed = member.gzip.finish()?;
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.segment.file))
        };
        self.sink.write_all(&packed).map_err(named)?;
        self.sink.sync().map_err(named)?;
        self.sha256.update(&packed);
        self.segment.bytes += packed.len() as u64;
        Ok(())
    }
}

impl Member {
    fn new(now: Nanos) -> Self {
        Self {
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            began: now,
            raw_bytes: 0,
        }
    }
}
