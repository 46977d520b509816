//! A folder for what a command needs only while it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is gone at the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// For this command of this process.
    ///
    /// # Errors
    /// With the folder, if it cannot be made.
    pub(super) fn new(command: &str) -> Result<Self, (PathBuf, io::Error)> {
        let name = format!("tickwire-{command}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        match fs::create_dir_all(&dir) {
            Ok(()) => Ok(Self(dir)),
            Err(error) => Err((dir, error)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
