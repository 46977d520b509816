//! Recordings on a disk as they are read: whole folders, single series, single files.
//! What is in them is for `journal` to say.

use crate::journal::{self, Files, Reader, Report};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A recorder's folder.
pub(super) struct Dir(pub(super) PathBuf);

impl Files for Dir {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.0.join(name))?))
    }
}

/// The series of a recording's folder, each as `DIR/<series>`.
pub(crate) fn series(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let names = journal::series_names(&Dir(dir.to_owned()))?.into_iter();
    Ok(names.map(|name| dir.join(name)).collect())
}

/// The series that a name on a command line stands for: a recorder's folder stands for all of its
/// series.
pub(crate) fn series_of(file: &Path) -> Vec<PathBuf> {
    let series = match file.is_dir() {
        true => series(file).unwrap_or_default(),
        false => Vec::new(),
    };
    // If there is none, opening it says so.
    if series.is_empty() {
        vec![file.to_owned()]
    } else {
        series
    }
}

/// Opens a recording from its beginning, unpacking gzip or zstd if its first bytes say so.
/// `DIR/binance` is the series of that name in the recorder's folder `DIR`.
pub(crate) fn open(path: &Path) -> io::Result<Reader> {
    if !path.exists()
        && let Some(series) = open_series(path)?
    {
        return Ok(series);
    }
    let name = path.file_name().unwrap_or_default();
    journal::unpacked(&name.to_string_lossy(), File::open(path)?)
}

/// `None` if there is no series `DIR/<series>`.
fn open_series(path: &Path) -> io::Result<Option<Reader>> {
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
    journal::series(Dir(dir.to_owned()), name)
}

/// Verifies the recording in `dir`.
///
/// # Errors
/// If there is none, or it cannot be read.
pub(crate) fn verify(dir: &Path) -> Result<Report, String> {
    let named = |error: io::Error| format!("{}: {error}", dir.display());
    journal::verify(&Dir(dir.to_owned())).map_err(named)
}
