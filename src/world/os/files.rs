//! Files that are whole or not there. Knows nothing of what is in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Writes a file beside its place and moves it there: a reader sees the old one or the new one,
/// whatever the disk does meanwhile.
///
/// # Errors
/// What the disk said; the old file, if there was one, is as it was.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let done = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        // It may be the disk's last bytes that half a file takes.
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // What cannot be moved into its place leaves nothing behind.
        let taken = dir.path().join("folder");
        fs::create_dir(&taken).unwrap();
        fs::write(taken.join("x"), "").unwrap();
        assert!(write_whole(&taken, b"three").is_err());
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["a.json", "folder"]);
    }
}
