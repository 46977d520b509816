//! The bytes of a recording as one stream: from a file of its own, packed or not, or from the
//! segments of a series. Leaves out what a crash cut off.

use super::manifest::{self, Item};
use super::pack::Pack;
use super::scan::scan;
use super::segment::name_of;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes that are asked of a file at once.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// Bytes that are unpacked at once. Each time the decoder copies the last 32 KiB for itself.
const UNPACKED_BYTES: usize = 256 * 1024;

/// A recording from its beginning.
pub(crate) type Reader = Box<dyn BufRead + Send>;

/// A recording's folder as it is read.
pub(crate) trait Files {
    /// The names of its files, in any order.
    fn names(&self) -> io::Result<Vec<String>>;
    /// A file from its first byte on.
    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;
}

/// A segment among a folder's files: series, number and name.
pub(super) type Found = (String, u32, String);

/// The segments in a folder, by series and number.
pub(super) fn segments(files: &dyn Files) -> io::Result<Vec<Found>> {
    let names = files.names()?.into_iter();
    let segment = |name: String| {
        let (series, number) = name_of(&name)?;
        Some((series.to_owned(), number, name))
    };
    let mut found: Vec<Found> = names.filter_map(segment).collect();
    found.sort();
    Ok(found)
}

/// The names of the series in a folder.
pub(crate) fn series_names(files: &dyn Files) -> io::Result<Vec<String>> {
    let segments = segments(files)?.into_iter();
    let mut all: Vec<String> = segments.map(|(series, _, _)| series).collect();
    all.dedup();
    Ok(all)
}

/// Whether a folder holds a recording, or a part of one.
pub(crate) fn is_recording(files: &dyn Files) -> io::Result<bool> {
    let names = files.names()?;
    let ours = |name: &String| name == manifest::NAME || name_of(name).is_some();
    Ok(names.iter().any(ours))
}

/// The segments of one series as one recording; `None` if there is none of this name.
pub(crate) fn series(files: impl Files + Send + 'static, name: &str) -> io::Result<Option<Reader>> {
    let mut rest = Vec::new();
    for (series, number, file) in segments(&files)? {
        if series != name {
            continue;
        }
        let next = rest.len() as u32 + 1;
        if number != next {
            let error = format!("segment {next} of {name} is missing");
            return Err(io::Error::new(io::ErrorKind::NotFound, error));
        }
        rest.push((file, u64::MAX));
    }
    let Some((last, whole_bytes)) = rest.last_mut() else {
        return Ok(None);
    };
    if !is_listed(&files, last) {
        *whole_bytes = scan(last, files.open(last)?)?.whole_bytes;
    }
    rest.reverse();
    let chain = Chain {
        files,
        rest,
        open: None,
    };
    Ok(Some(Box::new(BufReader::with_capacity(
        UNPACKED_BYTES,
        chain,
    ))))
}

/// A file of this name, unpacked if its first bytes say gzip or zstd.
pub(crate) fn unpacked(name: &str, file: impl Read + Send + 'static) -> io::Result<Reader> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let begun = Pack::begun(file.fill_buf()?);
    match (begun, Pack::named(name)) {
        (Some(pack), _) => {
            let file = pack.unpacked(file)?;
            Ok(Box::new(BufReader::with_capacity(UNPACKED_BYTES, file)))
        }
        (None, Some(pack)) => {
            let error = format!("is named {} and is not {}", pack.end(), pack.name());
            Err(io::Error::new(io::ErrorKind::InvalidData, error))
        }
        (None, None) => Ok(Box::new(file)),
    }
}

/// Whether the manifest says that this segment was finished.
fn is_listed(files: &dyn Files, name: &str) -> bool {
    let mut manifest = String::new();
    let read = files.open(manifest::NAME);
    if read
        .and_then(|mut file| file.read_to_string(&mut manifest))
        .is_err()
    {
        return false;
    }
    let mut items = manifest.lines().filter_map(Item::parse);
    items.any(|item| matches!(item, Item::Segment(segment) if segment.file == name))
}

struct Chain<F> {
    files: F,
    /// Segments that are still to come and how many bytes of each are read, the next at the end.
    rest: Vec<(String, u64)>,
    open: Option<Box<dyn Read + Send>>,
}

impl<F: Files> Read for Chain<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(open) = &mut self.open {
                let n = open.read(into)?;
                if n > 0 || into.is_empty() {
                    return Ok(n);
                }
            }
            let Some((name, bytes)) = self.rest.pop() else {
                return Ok(0);
            };
            // No member at all: the decoder would take that for a cut one.
            self.open = match bytes {
                0 => None,
                bytes => {
                    let file = self.files.open(&name)?.take(bytes);
                    let file = BufReader::with_capacity(BUFFER_BYTES, file);
                    Some(Pack::named(&name).unwrap_or_default().unpacked(file)?)
                }
            };
        }
    }
}
