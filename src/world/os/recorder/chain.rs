//! The segments of a series read as one recording. What a crash cut off is left out.

use super::folder::segments;
use super::scan::scan;
use crate::journal::manifest::{self, Entry};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The series of a recording's folder, each as `DIR/<series>`.
pub fn series(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = segments(dir)?
        .into_iter()
        .map(|(series, _, _)| dir.join(series))
        .collect();
    all.dedup();
    Ok(all)
}

/// Opens the series `DIR/<series>`; `None` where there is none of this name.
pub fn open(path: &Path) -> io::Result<Option<Box<dyn Read + Send>>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
        return Ok(None);
    };
    // `binance` has the folder `` as its parent.
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for (series, number, path) in segments(dir)? {
        if series != name {
            continue;
        }
        let next = files.len() as u32 + 1;
        if number != next {
            let error = format!("segment {next} of {name} is missing");
            return Err(io::Error::new(io::ErrorKind::NotFound, error));
        }
        files.push(path);
    }
    let Some(last) = files.pop() else {
        return Ok(None);
    };
    let listed = is_listed(dir, &last);
    let whole_bytes = if listed {
        u64::MAX
    } else {
        scan(&last)?.whole_bytes
    };
    files.reverse();
    Ok(Some(Box::new(Chain {
        files,
        last: Some((last, whole_bytes)),
        open: None,
    })))
}

/// Whether the manifest says that this segment was finished.
fn is_listed(dir: &Path, path: &Path) -> bool {
    let manifest = std::fs::read_to_string(dir.join(manifest::NAME)).unwrap_or_default();
    let file = path.file_name().and_then(|name| name.to_str());
    manifest.lines().any(|line| {
        matches!(Entry::parse(line), Some(Entry::Segment(segment)) if Some(&*segment.file) == file)
    })
}

struct Chain {
    /// What comes before the last one, the next at the end.
    files: Vec<PathBuf>,
    /// The last one, and how many bytes of it are read.
    last: Option<(PathBuf, u64)>,
    open: Option<MultiGzDecoder<BufReader<io::Take<File>>>>,
}

impl Read for Chain {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(open) = &mut self.open {
                let n = open.read(into)?;
                if n > 0 || into.is_empty() {
                    return Ok(n);
                }
            }
            let next = self.files.pop().map(|path| (path, u64::MAX));
            let Some((path, bytes)) = next.or_else(|| self.last.take()) else {
                return Ok(0);
            };
            // No member at all: the decoder would take that for a cut one.
            self.open = match bytes {
                0 => None,
                bytes => {
                    let file = File::open(&path)?.take(bytes);
                    let file = BufReader::with_capacity(64 * 1024, file);
                    Some(MultiGzDecoder::new(file))
                }
            };
        }
    }
}
