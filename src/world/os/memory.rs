//! Has the kernel give this process all the memory that it has asked for, before anything is
//! urgent: otherwise the first order on each page of a ring waits for a page fault. And large pages
//! for a long text.

use super::sys;
use std::io;
use std::ops::Range;

/// Touches every page of memory that is ours alone, but for stacks. Returns the bytes.
///
/// # Errors
/// If the process cannot read its own map. What the kernel does not give is left as it was: it
/// comes when it is used.
pub(super) fn touch() -> io::Result<usize> {
    let map = std::fs::read_to_string("/proc/self/maps")?;
    Ok(own(&map)
        .map(|range| sys::populate(range, What::Data))
        .sum())
}

/// What lies in a stretch of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Nobody else sees it.
    Data,
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

/// The bytes of a page, which is the guard below a thread's stack.
const PAGE: usize = 4_096;

/// What of a map is to be touched, of lines `from-to rwxp offset device inode path` (proc(5)). A
/// stack is large, and most of it is never used.
fn own(map: &str) -> impl Iterator<Item = Range<usize>> {
    let mut guard = 0..0;
    map.lines().filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let (range, rights) = (words.next()?, words.next()?);
        let (inode, path) = (words.nth(2)?, words.next().unwrap_or_default());
        let (from, to) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let range = number(from)?..number(to)?;
        let below = std::mem::replace(&mut guard, 0..0);
        if rights == "---p" {
            guard = range;
            return None;
        }
        let is_own = matches!((rights, inode, path), ("rw-p", "0", "" | "[heap]"));
        let is_stack = below.len() == PAGE && below.end == range.start;
        (is_own && !is_stack).then_some(range)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_alone_is_touched_and_no_stack() {
        let map = "\
            10000-20000 r-xp 0002f000 fe:00 247003  /usr/bin/a b\n\
            20000-30000 rw-p 00001000 fe:00 247003  /usr/bin/a\n\
            30000-40000 rw-p 00000000 00:00 0 \n\
            50000-60000 rw-p 00000000 00:00 0  [heap]\n\
            60000-90000 ---p 00000000 00:00 0 \n\
            90000-a0000 rw-p 00000000 00:00 0 \n\
            a0000-a1000 ---p 00000000 00:00 0 \n\
            a1000-c1000 rw-p 00000000 00:00 0 \n\
            c1000-c2000 ---p 00000000 00:00 0 \n\
            d0000-e0000 rw-p 00000000 00:00 0 \n\
            nonsense\n\
            e0000-f0000 rw-s 00000000 00:01 5  /dev/shm/x\n\
            f0000-ff000 rw-p 00000000 00:00 0  [stack]\n";
        let touched: Vec<_> = own(map).collect();
        let want = [
            0x30000..0x40000,
            0x50000..0x60000,
            0x90000..0xa0000,
            0xd0000..0xe0000,
        ];
        assert_eq!(touched, want);
    }

    #[test]
    fn a_threads_stack_is_told_from_what_it_allocates() {
        let thread = std::thread::spawn(|| {
            let (on_the_stack, allocated) = ([0u8; 64], vec![1u8; 4 << 20]);
            let map = std::fs::read_to_string("/proc/self/maps").unwrap();
            let is_own = |at: *const u8| own(&map).any(|range| range.contains(&at.addr()));
            (is_own(on_the_stack.as_ptr()), is_own(allocated.as_ptr()))
        });
        assert_eq!(thread.join().unwrap(), (false, true));
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
