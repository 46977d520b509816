//! An account's folder: its order journal, and the lock that says whose it is. One engine has it at
//! a time.

use super::super::append::Append;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The journal.
const NAME: &str = "orders.jsonl";
/// A new one that is not whole yet.
const NEW: &str = "orders.jsonl.new";
/// Locked by the engine that trades, whose process id is in it.
const LOCK: &str = "lock";
/// Locked by the guard of the engine that trades, or of one that is gone and left orders.
const SEAT: &str = "guard";
/// Nobody else may read what an account does.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// An account's folder, as long as this engine has it.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Held for its lock.
    _lock: File,
}

impl Folder {
    /// Takes the folder, which is made if it is not there.
    ///
    /// # Errors
    /// In words, if another engine has it, or if it cannot be written.
    pub(crate) fn take(dir: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("order journal {}: {error}", dir.display());
        let made = DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(dir);
        made.map_err(failed)?;
        let mut lock = own_file(OpenOptions::new().read(true).write(true).create(true))
            .open(dir.join(LOCK))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = lock.read_to_string(&mut pid);
                let pid = match pid.trim() {
                    "" => String::new(),
                    pid => format!(" (pid {pid})"),
                };
                return Err(format!(
                    "another tickwire{pid} trades with this account: its orders are kept in {}",
                    dir.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let pid = format!("{}\n", std::process::id());
        let named = lock
            .set_len(0)
            .and_then(|()| lock.write_all(pid.as_bytes()));
        named.map_err(failed)?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// The journal's file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    /// What is in the journal; nothing if there is none yet.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// Puts a new journal in the place of the old one. Killed at any point, there is one of the
    /// two, and whole.
    pub(crate) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        replace(&mut Place(&self.dir), bytes)
    }

    /// The journal, to be appended to. The lock is held as long as it is open.
    pub(crate) fn into_log(self) -> KeptLog {
        KeptLog {
            log: Append::new(self.path()),
            _folder: self,
        }
    }
}

/// The lock of an account's guard, for a new one; `None` while an earlier one is at work. Whoever
/// asks has the folder.
///
/// # Errors
/// In words, if it cannot be locked.
pub(crate) fn guard_seat(dir: &Path) -> Result<Option<File>, String> {
    let failed = |error: io::Error| format!("order journal {}: {error}", dir.display());
    let seat = own_file(OpenOptions::new().write(true).create(true))
        .open(dir.join(SEAT))
        .map_err(failed)?;
    match seat.try_lock() {
        Ok(()) => Ok(Some(seat)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The journal as its thread appends to it.
#[derive(Debug)]
pub(crate) struct KeptLog {
    log: Append,
    _folder: Folder,
}

impl super::Log for KeptLog {
    fn waiting(&mut self) -> &mut Vec<u8> {
        self.log.waiting()
    }

    fn write(&mut self) -> io::Result<()> {
        self.log.write()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.log.open()?.sync_data()
    }
}

/// What replacing a file asks of a folder.
trait Disk {
    /// Makes a file, or empties it, and writes this into it.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// What was written into a file is on the disk when this returns.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Gives a file another's name; that one is gone.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Names are on the disk when this returns.
    fn sync_names(&mut self) -> io::Result<()>;
}

fn replace(disk: &mut impl Disk, bytes: &[u8]) -> io::Result<()> {
    disk.write(NEW, bytes)?;
    disk.sync(NEW)?;
    disk.rename(NEW, NAME)?;
    disk.sync_names()
}

struct Place<'p>(&'p Path);

impl Disk for Place<'_> {
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = own_file(OpenOptions::new().write(true).create(true).truncate(true))
            .open(self.0.join(name))?;
        file.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        OpenOptions::new()
            .write(true)
            .open(self.0.join(name))?
            .sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync_names(&mut self) -> io::Result<()> {
        File::open(self.0)?.sync_all()
    }
}

/// No link is followed: nobody can swap a file for another one.
fn own_file(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(FILE_MODE).custom_flags(libc::O_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    /// A disk whose power fails after so many steps; each byte of a write is one.
    #[derive(Default)]
    struct Failing {
        steps: usize,
        /// What the kernel shows, and what is on the disk for sure.
        files: BTreeMap<String, Vec<u8>>,
        synced: BTreeMap<String, usize>,
        /// The names before what is not on the disk yet.
        before: Vec<BTreeMap<String, Vec<u8>>>,
    }

    impl Failing {
        fn step(&mut self) -> io::Result<()> {
            let left = self.steps.checked_sub(1);
            self.steps = left.ok_or_else(|| io::Error::other("no power"))?;
            Ok(())
        }

        /// What may be under the journal's name once there is power again: names as they were or
        /// are, and of what was not synced any first part.
        fn found(&self) -> Vec<Vec<u8>> {
            let mut found = Vec::new();
            for names in self.before.iter().chain([&self.files]) {
                let Some(bytes) = names.get(NAME) else {
                    continue;
                };
                let sure = self.synced.get(NAME).copied().unwrap_or(bytes.len());
                found.extend((sure.min(bytes.len())..=bytes.len()).map(|n| bytes[..n].to_vec()));
            }
            found
        }
    }

    impl Disk for Failing {
        fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
            self.step()?;
            self.files.insert(name.to_owned(), Vec::new());
            self.synced.insert(name.to_owned(), 0);
            for byte in bytes {
                self.step()?;
                self.files.get_mut(name).unwrap().push(*byte);
            }
            Ok(())
        }

        fn sync(&mut self, name: &str) -> io::Result<()> {
            self.step()?;
            self.synced.insert(name.to_owned(), self.files[name].len());
            Ok(())
        }

        fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
            self.step()?;
            self.before.push(self.files.clone());
            let file = self.files.remove(from).unwrap();
            self.files.insert(to.to_owned(), file);
            let synced = self.synced.remove(from).unwrap();
            self.synced.insert(to.to_owned(), synced);
            Ok(())
        }

        fn sync_names(&mut self) -> io::Result<()> {
            self.step()?;
            self.before.clear();
            Ok(())
        }
    }

    #[test]
    fn a_journal_is_replaced_whole_wherever_the_power_fails() {
        let (old, new) = (
            b"an old one\n".to_vec(),
            b"and a new, longer one\n".to_vec(),
        );
        let mut done = false;
        for steps in 0..200 {
            let mut disk = Failing {
                steps,
                ..Failing::default()
            };
            disk.files.insert(NAME.to_owned(), old.clone());
            disk.synced.insert(NAME.to_owned(), old.len());
            let replaced = replace(&mut disk, &new);
            let found = disk.found();
            assert!(!found.is_empty(), "{steps}");
            for bytes in &found {
                assert!(*bytes == old || *bytes == new, "{steps}: {bytes:?}");
            }
            if replaced.is_ok() {
                assert!(found.iter().all(|bytes| *bytes == new), "{steps}");
                done = true;
            }
        }
        assert!(done);
    }

    #[test]
    fn a_folder_has_one_engine_at_a_time_and_is_nobody_elses_to_read() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("orders").join("a");
        let folder = Folder::take(&dir).unwrap();
        let said = Folder::take(&dir).unwrap_err();
        let expected = format!("another tickwire (pid {}) trades", std::process::id());
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(folder.read().unwrap(), b"");
        folder.replace(b"one\n").unwrap();
        folder.replace(b"two\n").unwrap();
        assert_eq!(folder.read().unwrap(), b"two\n");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&folder.path()), 0o600);
        assert_eq!(mode(&dir.join(LOCK)), 0o600);
        let mut log = folder.into_log();
        use super::super::Log as _;
        log.waiting().extend(b"three\n");
        log.write().unwrap();
        log.sync().unwrap();
        assert!(Folder::take(&dir).is_err(), "it is still being written");
        drop(log);
        assert_eq!(Folder::take(&dir).unwrap().read().unwrap(), b"two\nthree\n");
    }

    #[test]
    fn an_account_has_one_guard_at_a_time_for_as_long_as_its_process_has_the_seat() {
        let base = tempfile::tempdir().unwrap();
        let seat = guard_seat(base.path()).unwrap().unwrap();
        let mut guard = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(seat)
            .spawn()
            .unwrap();
        assert!(guard_seat(base.path()).unwrap().is_none());
        drop(guard.stdin.take());
        guard.wait().unwrap();
        assert!(guard_seat(base.path()).unwrap().is_some());
    }

    #[test]
    fn what_another_run_did_not_finish_is_no_journal() {
        let base = tempfile::tempdir().unwrap();
        let folder = Folder::take(base.path()).unwrap();
        folder.replace(b"whole\n").unwrap();
        fs::write(base.path().join(NEW), "a par").unwrap();
        assert_eq!(folder.read().unwrap(), b"whole\n");
        folder.replace(b"next\n").unwrap();
        assert_eq!(folder.read().unwrap(), b"next\n");
        assert!(!base.path().join(NEW).exists());
    }
}
