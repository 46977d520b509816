//! A run's folder belongs to one run. A lock says so while the run goes on, and stays behind if it
//! was killed.

use super::RunError;
use crate::watch::summary::Summary;
use crate::world::os::files::write_whole;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Folder of all runs' folders, under the current one.
pub(crate) const RUNS: &str = "runs";
/// The run locks this file, and removes it when it ends.
const LOCK: &str = "run.lock";
/// Files that show that a run was here.
const TRACES: [&str; 3] = ["summary.json", "log.jsonl", "latency"];

/// The folder of this run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    dir: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl Claim {
    /// Takes the folder that was asked for, or a new one that is named after `started`, an RFC 3339
    /// time.
    pub(crate) fn take(asked: Option<&Path>, started: &str) -> Result<Self, RunError> {
        let failed = |path: &Path, error| RunError::Failed(format!("{}: {error}", path.display()));
        if let Some(dir) = asked {
            fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
            return Self::of(dir);
        }
        fs::create_dir_all(RUNS).map_err(|error| failed(Path::new(RUNS), error))?;
        let name = started.replace([':', '.'], "-");
        for attempt in 0..100 {
            let suffix = match attempt {
                0 => String::new(),
                n => format!("-{n}"),
            };
            let dir = Path::new(RUNS).join(format!("{name}{suffix}"));
            match fs::create_dir(&dir) {
                Ok(()) => return Self::of(&dir),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&dir, error)),
            }
        }
        let taken = format!("{RUNS}/{name}: taken a hundred times over");
        Err(RunError::Failed(taken))
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes `summary.json`, whole or not at all.
    pub(crate) fn write_summary(&self, summary: &Summary) -> Result<(), String> {
        let path = self.dir.join("summary.json");
        let text = summary.to_json().map_err(io::Error::other);
        let done = text.and_then(|text| write_whole(&path, text.as_bytes()));
        done.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn of(dir: &Path) -> Result<Self, RunError> {
        let wrong = |what: &str| {
            let what = format!("{} {what}: give a new folder", dir.display());
            Err(RunError::Wrong(what))
        };
        if is_going_on(dir) {
            return wrong("belongs to a run that goes on");
        }
        if TRACES.iter().any(|name| dir.join(name).exists()) {
            return wrong("holds another run");
        }
        let path = dir.join(LOCK);
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut lock = match made {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return wrong("holds another run");
            }
            Err(error) => return Err(RunError::Failed(format!("{}: {error}", path.display()))),
        };
        // That the file was not there is the claim. A file system without locks only makes `report`
        // say less.
        let _ = lock.try_lock();
        let _ = writeln!(lock, "{}", std::process::id());
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One that stays makes `report` say that the run was killed.
        let _ = fs::remove_file(self.dir.join(LOCK));
    }
}

/// The run under `runs/` that wrote its summary last.
pub(crate) fn newest() -> Option<PathBuf> {
    let dirs = fs::read_dir(RUNS).ok()?.flatten();
    let age = |dir: PathBuf| {
        let summary = fs::metadata(dir.join(TRACES[0])).ok()?;
        Some((summary.modified().ok()?, dir))
    };
    let newest = dirs.filter_map(|dir| age(dir.path())).max();
    newest.map(|(_, dir)| dir)
}

/// Whether a run holds this folder now.
pub(crate) fn is_going_on(dir: &Path) -> bool {
    let lock = File::open(dir.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Whether a run that held this folder never let it go.
pub(crate) fn was_left(dir: &Path) -> bool {
    dir.join(LOCK).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_run_at_a_time_and_to_one_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let take = || Claim::take(Some(dir.path()), "").map_err(|error| error.to_string());
        let claim = take().unwrap();
        assert!(is_going_on(dir.path()));
        assert!(take().unwrap_err().contains("a run that goes on"));
        drop(claim);
        assert!(!is_going_on(dir.path()) && !was_left(dir.path()));
        // Nothing was written: it may be tried again.
        drop(take().unwrap());
        for trace in TRACES {
            fs::write(dir.path().join(trace), "").unwrap();
            assert!(take().unwrap_err().contains("holds another run"), "{trace}");
            fs::remove_file(dir.path().join(trace)).unwrap();
        }
        // A run that was killed lets go of the lock and leaves the file.
        fs::write(dir.path().join(LOCK), "1\n").unwrap();
        assert!(!is_going_on(dir.path()) && was_left(dir.path()));
        assert!(take().unwrap_err().contains("holds another run"));
    }
}
