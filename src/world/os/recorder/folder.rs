//! A recording's folder on a disk: made once, never written into by a second recording.

use super::read::Dir;
use crate::journal::{self, Item, Sink, Store};
use crate::world::os::sys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The folder that is recorded into.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    manifest: File,
}

impl Folder {
    /// Makes the folder and begins its manifest.
    ///
    /// # Errors
    /// If it cannot be written, or holds a recording already.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
        if dir.exists() && !dir.is_dir() {
            let error = io::Error::new(io::ErrorKind::NotADirectory, "is not a folder");
            return Err(named(error));
        }
        fs::create_dir_all(dir).map_err(named)?;
        if journal::is_recording(&Dir(dir.to_owned())).map_err(named)? {
            let error = "holds a recording already: give a new folder".to_owned();
            return Err(named(io::Error::new(io::ErrorKind::AlreadyExists, error)));
        }
        let manifest = new_file(&dir.join(journal::MANIFEST)).map_err(named)?;
        let mut folder = Self {
            dir: dir.to_owned(),
            manifest,
        };
        folder.list(&Item::begin(sys::realtime()).to_line())?;
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
        write().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", journal::MANIFEST))
        })
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
