//! The files of one exchange: entries in, segments out. A segment is a row of whole members, so
//! that a file that was cut is readable up to its last one. Opens no file itself.

use super::entry::Entry;
use super::manifest::{Item, Segment};
use super::pack::{Pack, Packer};
use crate::base::text::hex;
use crate::base::{Nanos, Span};
use sha2::{Digest as _, Sha256};
use std::io::{self, Write};
use std::ops::AddAssign;

/// A segment ends once its lines have this many bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A segment ends at this age.
pub(crate) const SEGMENT_AGE: Span = Span::from_secs(60);
/// A member ends at this age: a crash costs no more.
const MEMBER_AGE: Span = Span::from_secs(1);
/// A member ends once its lines have this many bytes.
pub(super) const MEMBER_BYTES: u64 = 4 << 20;

/// Where segments go.
pub(crate) trait Store {
    /// A new file of this name; an error if there is one already.
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sink>>;
    /// Appends a line to the manifest. It is on the disk when this returns.
    fn list(&mut self, line: &str) -> io::Result<()>;
}

/// A file that is written once.
pub(crate) trait Sink: Write + Send {
    /// Returns when what was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// What was written, for one exchange or for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// Finished segments.
    pub(crate) files: u64,
    /// Lines in them.
    pub(crate) lines: u64,
    /// Their bytes, unpacked.
    pub(crate) raw_bytes: u64,
    /// The files' bytes.
    pub(crate) bytes: u64,
}

impl AddAssign for Written {
    fn add_assign(&mut self, more: Self) {
        self.files += more.files;
        self.lines += more.lines;
        self.raw_bytes += more.raw_bytes;
        self.bytes += more.bytes;
    }
}

/// The name of a segment's file.
pub(super) fn file_name(series: &str, number: u32, pack: Pack) -> String {
    format!("{series}-{number:05}.jsonl{}", pack.end())
}

/// Series and number of the segment whose file has this name; `None` if it is no segment's.
pub(super) fn name_of(file: &str) -> Option<(&str, u32)> {
    let name = file.strip_suffix(Pack::named(file)?.end())?;
    let (series, number) = name.strip_suffix(".jsonl")?.rsplit_once('-')?;
    let digits = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !series.is_empty()).then(|| Some((series, number.parse().ok()?)))?
}

/// The files of one exchange.
///
/// Invariant: `told <= lost` and `written.files <= number`; the open member is not empty, and a
/// part of the open segment: `0 < member.raw_bytes <= segment.raw_bytes`.
pub(crate) struct Series {
    name: &'static str,
    pack: Pack,
    number: u32,
    open: Option<Open>,
    text: Vec<u8>,
    written: Written,
    /// Messages that are lost.
    lost: u64,
    /// Those of them that the manifest lists.
    told: u64,
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
    packer: Packer,
    began: Nanos,
    raw_bytes: u64,
}

impl Series {
    /// The files `<name>-00001.jsonl.gz` and so on, or `.jsonl.zst`.
    pub(crate) fn new(name: &'static str, pack: Pack) -> Self {
        Self {
            name,
            pack,
            number: 0,
            open: None,
            text: Vec::new(),
            written: Written::default(),
            lost: 0,
            told: 0,
        }
    }

    /// The exchange.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What finished segments hold.
    pub(crate) fn written(&self) -> Written {
        self.written
    }

    /// This many messages are lost, since the beginning.
    pub(crate) fn set_lost(&mut self, lost: u64) {
        self.lost = lost;
        self.check();
    }

    /// Appends an entry.
    pub(crate) fn write(
        &mut self,
        store: &mut dyn Store,
        now: Nanos,
        entry: &Entry<'_>,
    ) -> io::Result<()> {
        self.text.clear();
        entry.write(&mut self.text)?;
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                self.number += 1;
                let file = file_name(self.name, self.number, self.pack);
                self.open.insert(Open::new(store, now, file)?)
            }
        };
        let bytes = self.text.len() as u64;
        open.segment.add_line(entry.ts_ns.unwrap_or(0));
        open.segment.raw_bytes += bytes;
        let member = match &mut open.member {
            Some(member) => member,
            none => none.insert(Member::new(now, self.pack)?),
        };
        member.raw_bytes += bytes;
        member.packer.add(&self.text)?;
        self.check();
        Ok(())
    }

    /// Ends the member and the segment that are old or large enough.
    pub(crate) fn handle_time(&mut self, store: &mut dyn Store, now: Nanos) -> io::Result<()> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let full = open.segment.raw_bytes >= SEGMENT_BYTES;
        if full || now.since(open.began) >= SEGMENT_AGE {
            return self.finish(store);
        }
        let due = |member: &Member| {
            member.raw_bytes >= MEMBER_BYTES || now.since(member.began) >= MEMBER_AGE
        };
        match &open.member {
            Some(member) if due(member) => open.finish_member(),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends the segment, if there is one: first on the disk, then in the manifest.
    pub(crate) fn finish(&mut self, store: &mut dyn Store) -> io::Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        open.finish_member()?;
        let mut segment = open.segment;
        segment.sha256 = hex(&open.sha256.finalize());
        segment.lost = self.lost - self.told;
        let written = Written {
            files: 1,
            lines: segment.lines,
            raw_bytes: segment.raw_bytes,
            bytes: segment.bytes,
        };
        store.list(&Item::Segment(segment).to_line())?;
        self.written += written;
        self.told = self.lost;
        self.check();
        Ok(())
    }

    fn check(&self) {
        debug_assert!(self.told <= self.lost);
        debug_assert!(self.written.files <= u64::from(self.number));
        let Some(open) = &self.open else { return };
        debug_assert!(self.written.files < u64::from(self.number));
        if let Some(member) = &open.member {
            debug_assert!(0 < member.raw_bytes);
            debug_assert!(member.raw_bytes <= open.segment.raw_bytes);
        }
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

    /// Writes the member through to the disk, so that little is left to write when the segment
    /// ends.
    fn finish_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else {
            return Ok(());
        };
        let packed = member.packer.finish()?;
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
    fn new(now: Nanos, pack: Pack) -> io::Result<Self> {
        Ok(Self {
            packer: pack.begin()?,
            began: now,
            raw_bytes: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_known_by_its_name_alone() {
        for pack in Pack::ALL {
            for segment in [("okx", 7), ("binance-us", 123_456)] {
                let (series, number) = segment;
                assert_eq!(name_of(&file_name(series, number, pack)), Some(segment));
            }
        }
        for other in [
            "okx-7.jsonl.gz",
            "okx-00007.jsonl",
            "okx-00007.jsonl.gz.zst",
            "-00007.jsonl.gz",
            "okx-0000x.jsonl.gz",
        ] {
            assert_eq!(name_of(other), None, "{other}");
        }
    }
}
