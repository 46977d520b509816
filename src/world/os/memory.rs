//! Has the kernel give this process all the memory that it has asked for, before anything is
//! urgent: otherwise the first order on each page of a ring waits for a page fault. And large pages
//! for a long text.

use super::sys;
use std::io;
use std::ops::Range;

/// Touches every page of memory that is ours alone, and every page of code. Returns the bytes.
///
/// # Errors
/// If the process cannot read its own map. What the kernel does not give is left as it was: it
/// comes when it is used.
pub(super) fn touch() -> io::Result<usize> {
    let map = std::fs::read_to_string("/proc/self/maps")?;
    let places = map.lines().filter_map(place);
    Ok(places.map(|(range, what)| sys::populate(range, what)).sum())
}

/// What lies in a stretch of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Nobody else sees it.
    Data,
    /// Instructions.
    Code,
    /// A long text that is going to be written.
    Text,
}

/// Asks for large pages under this text and what it may grow to: small ones cost more in page
/// faults than it costs to write it. A system without large ones leaves it as it is.
pub(crate) fn prefer_large_pages(text: &String) {
    const LARGE: usize = 2 << 20;
    let begin = text.as_ptr().addr();
    let from = begin.next_multiple_of(LARGE);
    let to = (begin + text.capacity()) / LARGE * LARGE;
    if from < to {
        sys::populate(from..to, What::Text);
    }
}

/// A line of the map, if it is to be touched: `from-to rwxp offset device inode path` (proc(5)).
/// The main thread's stack grows by itself.
fn place(line: &str) -> Option<(Range<usize>, What)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (inode, path) = (words.nth(2)?, words.next().unwrap_or_default());
    let what = match (rights, inode, path) {
        ("rw-p", "0", "" | "[heap]") => What::Data,
        ("r-xp", inode, _) if inode != "0" => What::Code,
        _ => return None,
    };
    let (from, to) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(from)?..number(to)?, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_and_what_is_code_is_touched_and_nothing_else() {
        let of = |line| place(line).map(|(range, what)| (range.start, range.end, what));
        for (line, touched) in [
            (
                "7f00-8f00 rw-p 00000000 00:00 0 ",
                Some((0x7f00, 0x8f00, What::Data)),
            ),
            (
                "7f00-8f00 rw-p 00000000 00:00 0  [heap]",
                Some((0x7f00, 0x8f00, What::Data)),
            ),
            (
                "7f00-8f00 r-xp 0002f000 fe:00 247003  /usr/bin/a b",
                Some((0x7f00, 0x8f00, What::Code)),
            ),
            ("7f00-8f00 rw-p 00000000 00:00 0  [stack]", None),
            ("7f00-8f00 ---p 00000000 00:00 0 ", None),
            ("7f00-8f00 rw-p 00001000 fe:00 247003  /usr/bin/a", None),
            ("7f00-8f00 rw-s 00000000 00:01 5  /dev/shm/x", None),
            ("7f00-8f00 r-xp 00000000 00:00 0  [vdso]", None),
            ("nonsense", None),
        ] {
            assert_eq!(of(line), touched, "{line}");
        }
    }

    #[test]
    fn memory_that_was_touched_is_there_without_a_fault() {
        let pages = 4_096;
        let mut room: Vec<u8> = Vec::with_capacity(pages * 4_096);
        assert!(touch().unwrap() >= pages * 4_096);
        let before = sys::thread_usage().minor_faults;
        room.resize(pages * 4_096, 1);
        let faults = sys::thread_usage().minor_faults - before;
        assert!(faults < pages as u64 / 10, "{faults} faults");
        assert_eq!(room[pages], 1);
    }
}
