//! Reads every byte of a recording back, and says what is whole, what is cut and what is damaged.
//! Changes nothing.

use super::chain::{Files, segments};
use super::manifest::{self, Item, Segment};
use super::pack::Pack;
use super::scan::{Ending, scan};
use super::segment::{file_name, name_of};
use std::collections::BTreeMap;
use std::io::{self, Read as _};

/// How a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// As it was written, and as the manifest says.
    Whole,
    /// The last one of its series, never finished: this many bytes after its last whole line are
    /// of no use.
    Cut(u64),
    /// Not as it was written, and how that shows.
    Damaged(String),
}

/// A file of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Its name.
    pub(crate) file: String,
    /// How it is.
    pub(crate) state: State,
    /// Lines in it that are whole.
    pub(crate) lines: u64,
    /// The bytes of these lines.
    pub(crate) raw_bytes: u64,
}

/// What was found in a recording's folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// Its files by name: the manifest first if it is not whole.
    pub(crate) files: Vec<Verified>,
    /// The recording was ended in order.
    pub(crate) ended: bool,
    /// Messages that the recorder says are not in it.
    pub(crate) lost: u64,
}

impl Report {
    /// True if nothing is damaged. What a crash cut off is not damage.
    pub(crate) fn is_sound(&self) -> bool {
        let damaged = |file: &Verified| matches!(file.state, State::Damaged(_));
        !self.files.iter().any(damaged)
    }
}

/// Verifies the recording in a folder.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn verify(files: &dyn Files) -> io::Result<Report> {
    let found = segments(files)?;
    let (mut report, listed) = read_manifest(&manifest_bytes(files)?);
    let mut present = BTreeMap::new();
    for (series, number, name) in found {
        if let Some(other) = present.insert((series, number), name) {
            let why = "has the number of another file";
            report.files.push(damaged(other, why));
        }
    }
    let mut all: Vec<(String, u32)> = listed.keys().chain(present.keys()).cloned().collect();
    all.sort();
    all.dedup();
    for (at, key) in all.iter().enumerate() {
        let (series, number) = key;
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        let first_after = match before {
            Some((other, last)) if other == series => last + 1,
            Some(_) | None => 1,
        };
        let name = present.get(key).map(String::as_str);
        let name = name.or(listed.get(key).map(|segment| segment.file.as_str()));
        let pack = name.and_then(Pack::named).unwrap_or_default();
        for number in first_after..*number {
            let why = "is missing, and the manifest does not name it";
            let name = file_name(series, number, pack);
            report.files.push(damaged(name, why));
        }
        let last = all.get(at + 1).is_none_or(|(after, _)| after != series);
        let verified = match (listed.get(key), present.get(key)) {
            (Some(segment), None) => damaged(segment.file.clone(), "is missing"),
            (said, Some(name)) => verify_segment(files, name, said, last)?,
            (None, None) => continue,
        };
        report.files.push(verified);
    }
    Ok(report)
}

fn manifest_bytes(files: &dyn Files) -> io::Result<Vec<u8>> {
    let mut file = files.open(manifest::NAME).map_err(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            return error;
        }
        let what = format!("holds no recording: there is no {}", manifest::NAME);
        io::Error::new(error.kind(), what)
    })?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

type Listed = BTreeMap<(String, u32), Segment>;

fn read_manifest(bytes: &[u8]) -> (Report, Listed) {
    let (mut report, mut listed) = (Report::default(), Listed::new());
    // A line is appended in one write: only the last one can be half there.
    let (lines, rest) = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&[][..], bytes),
    };
    let mut state = match rest.len() {
        0 => State::Whole,
        cut => State::Cut(cut as u64),
    };
    for (n, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        let item = std::str::from_utf8(line).ok().and_then(Item::parse);
        let wrong = match item {
            Some(Item::Begin(begin)) if n == 0 && begin.recording == manifest::VERSION => None,
            Some(Item::Begin(begin)) if n == 0 => {
                Some(format!("is of version {}, not 1", begin.recording))
            }
            Some(Item::Segment(segment)) if n > 0 && !report.ended => {
                report.lost += segment.lost;
                match name_of(&segment.file) {
                    Some((series, number)) => {
                        let key = (series.to_owned(), number);
                        let twice = listed.insert(key, segment).is_some();
                        twice.then(|| format!("line {}: names a file again", n + 1))
                    }
                    None => Some(format!("line {}: names no segment", n + 1)),
                }
            }
            Some(Item::End(end)) if n > 0 && !report.ended => {
                report.ended = true;
                report.lost = end.lost;
                None
            }
            Some(_) => Some(format!("line {}: is out of place", n + 1)),
            None => Some(format!("line {}: is not as it was written", n + 1)),
        };
        if let Some(wrong) = wrong {
            state = State::Damaged(wrong);
        }
    }
    if state != State::Whole {
        report.files.push(Verified {
            file: manifest::NAME.to_owned(),
            state,
            lines: 0,
            raw_bytes: 0,
        });
    }
    (report, listed)
}

fn verify_segment(
    files: &dyn Files,
    name: &str,
    said: Option<&Segment>,
    last: bool,
) -> io::Result<Verified> {
    let found = scan(name, files.open(name)?)?;
    let segment = found.segment;
    let state = match (found.ending, said) {
        (Ending::Damaged(why), _) => State::Damaged(format!(
            "{why}, after {} bytes that are whole",
            found.whole_bytes
        )),
        (Ending::Cut, Some(said)) => State::Damaged(format!(
            "is cut: {} of {} bytes, {} of {} lines are whole",
            segment.bytes, said.bytes, segment.lines, said.lines
        )),
        (Ending::Whole, Some(said)) => match difference(&segment, said) {
            None => State::Whole,
            Some(what) => State::Damaged(format!("the manifest says another {what}")),
        },
        (Ending::Whole | Ending::Cut, None) if !last => {
            State::Damaged("is not in the manifest, and is not the last one".to_owned())
        }
        (Ending::Whole | Ending::Cut, None) => State::Cut(segment.bytes - found.whole_bytes),
    };
    Ok(Verified {
        file: segment.file,
        state,
        lines: segment.lines,
        raw_bytes: segment.raw_bytes,
    })
}

/// What of a segment differs from the manifest.
fn difference(found: &Segment, said: &Segment) -> Option<&'static str> {
    let pairs = [
        (found.bytes == said.bytes, "length"),
        (found.sha256 == said.sha256, "checksum"),
        (found.lines == said.lines, "number of lines"),
        (found.raw_bytes == said.raw_bytes, "unpacked length"),
        (found.first_ts_ns == said.first_ts_ns, "first time"),
        (found.last_ts_ns == said.last_ts_ns, "last time"),
    ];
    pairs.iter().find(|(same, _)| !same).map(|(_, what)| *what)
}

fn damaged(file: String, why: &str) -> Verified {
    Verified {
        file,
        state: State::Damaged(why.to_owned()),
        lines: 0,
        raw_bytes: 0,
    }
}
