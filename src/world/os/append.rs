//! A file that only grows, by whole pieces. What a write could not take stays here and is tried
//! again, so that a disk that is full for a while costs nothing but time.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

/// A file that is appended to (`O_APPEND`: whoever truncates it, as log rotation does, gets no hole
/// of zeros).
#[derive(Debug)]
pub(crate) struct Append {
    path: PathBuf,
    file: Option<File>,
    waiting: Vec<u8>,
}

impl Append {
    /// A file that is made when there is something to write.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            waiting: Vec::new(),
        }
    }

    /// Makes the file now.
    pub(crate) fn open(&mut self) -> io::Result<&mut File> {
        if let Some(ref mut file) = self.file {
            return Ok(file);
        }
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.path)?;
        Ok(self.file.insert(file))
    }

    /// What is to be written; whole lines go to its end.
    pub(crate) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Writes what waits. After an error the rest of it waits on.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.open()?;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let (mut taken, mut done) = (0, Ok(()));
        while taken < self.waiting.len() && done.is_ok() {
            match file.write(&self.waiting[taken..]) {
                Ok(0) => done = Err(ErrorKind::WriteZero.into()),
                Ok(n) => taken += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => done = Err(error),
            }
        }
        self.waiting.drain(..taken);
        done
    }
}
