//! A recording's folder on a disk: made once, never written into by a second recording.

use crate::base::text::rfc3339_millis;
use crate::journal::manifest::{self, Begin, Entry};
use crate::journal::segment::{Sink, Store};
use crate::world::os::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The folder that is recorded into.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    manifest: File,
}

impl Folder {
    /// Makes the folder and begins its manifest.
    ///
    /// # Errors
    /// Where it cannot be written, or holds a recording already.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
        if dir.exists() && !dir.is_dir() {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "is not a folder");
            return Err(named(error));
        }
        fs::create_dir_all(dir).map_err(named)?;
        let path = dir.join(manifest::NAME);
        if path.exists() || !segments(dir).map_err(named)?.is_empty() {
            let error = "holds a recording already: give a new folder".to_owned();
            return Err(named(io::Error::new(io::ErrorKind::AlreadyExists, error)));
        }
        let mut folder = Self {
            dir: dir.to_owned(),
            manifest: new_file(&path).map_err(named)?,
        };
        let begin = Entry::Begin(Begin {
            recording: manifest::VERSION,
            tickwire: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339_millis(sys::realtime()),
        });
        folder.list(&begin.to_line())?;
        folder.sync().map_err(named)?;
        Ok(folder)
    }

    /// The names in it are on the disk when this returns.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

impl Store for Folder {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Sink>> {
        let file = new_file(&self.dir.join(name));
        let file = file.and_then(|file| self.sync().map(|()| file));
        match file {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(io::Error::new(error.kind(), format!("{name}: {error}"))),
        }
    }

    fn list(&mut self, line: &str) -> io::Result<()> {
        let mut write = || {
            self.manifest.write_all(line.as_bytes())?;
            self.manifest.sync_data()
        };
        write()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", manifest::NAME)))
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes a file that must not be there.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// The segments in a folder, by series and number: `(series, number, path)`.
pub fn segments(dir: &Path) -> io::Result<Vec<(String, u32, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some((series, number)) = name.and_then(segment_of) {
            found.push((series.to_owned(), number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Series and number of a file of this name, where it is a segment's.
pub fn segment_of(name: &str) -> Option<(&str, u32)> {
    let (series, number) = name.strip_suffix(".jsonl.gz")?.rsplit_once('-')?;
    let digits = number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    (digits && !series.is_empty()).then(|| Some((series, number.parse().ok()?)))?
}
