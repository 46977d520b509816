//! The system's allocator, counting what each thread asks of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread asked for so far.
#[derive(Clone, Copy)]
struct Asked {
    calls: u64,
    bytes: u64,
    /// Bytes that are allocated now, and the most that were at once. A thread that frees what
    /// another allocated goes below zero.
    held: i64,
    peak: i64,
}

thread_local! {
    static ASKED: Cell<Asked> = const {
        Cell::new(Asked { calls: 0, bytes: 0, held: 0, peak: 0 })
    };
}

fn count(asked_for: usize, freed: usize) {
    ASKED.with(|cell| {
        let mut asked = cell.get();
        if asked_for > 0 {
            asked.calls += 1;
            asked.bytes += asked_for as u64;
        }
        asked.held += asked_for as i64 - freed as i64;
        asked.peak = asked.peak.max(asked.held);
        cell.set(asked);
    });
}

struct Counting;

// SAFETY: every call is handed on unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's own promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's own promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's own promise.
        unsafe { System.realloc(at, layout, size) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's own promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `work` and adds what it asked of the allocator, calls and bytes, to `sum`.
pub fn counted<R>(sum: &mut (u64, u64), work: impl FnOnce() -> R) -> R {
    let before = ASKED.with(Cell::get);
    let result = work();
    let after = ASKED.with(Cell::get);
    *sum = (
        sum.0 + after.calls - before.calls,
        sum.1 + after.bytes - before.bytes,
    );
    result
}

/// Calls that `work` makes to the allocator.
pub fn allocations(work: impl FnOnce()) -> u64 {
    let mut sum = (0, 0);
    counted(&mut sum, work);
    sum.0
}

/// What `work` makes, with the bytes that are then held for it and the most that were held at once.
pub fn held<R>(work: impl FnOnce() -> R) -> (R, usize, usize) {
    let before = ASKED.with(Cell::get).held;
    ASKED.with(|cell| {
        cell.set(Asked {
            peak: before,
            ..cell.get()
        })
    });
    let result = work();
    let after = ASKED.with(Cell::get);
    let more = |bytes: i64| usize::try_from(bytes - before).expect("what it frees, it made");
    (result, more(after.held), more(after.peak))
}

#[test]
fn the_counter_counts() {
    let mut sum = (0, 0);
    counted(&mut sum, || drop(std::hint::black_box(Box::new(7u64))));
    assert_eq!(sum, (1, 8));
    let (kept, held, peak) = held(|| {
        drop(std::hint::black_box(vec![0u8; 1_000]));
        std::hint::black_box(Box::new(7u64))
    });
    assert_eq!((*kept, held, peak), (7, 8, 1_000));
}
