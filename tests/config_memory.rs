//! The sizes that `tickwire check` counts with are those that are allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use tickwire::app::memory::{DECODER_BYTES, STAGE_BYTES};
use tickwire::watch::{Recorder, Stage, Totals};

/// Bytes that are allocated now. The one test of this file is alone in its process.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_decoder_and_a_stages_histograms_take_what_check_says() {
    let exchange = tickwire::exchange::by_name("binance-spot").expect("it is in the registry");
    let decoder = bytes_of(|| exchange.decoder(&[]));
    assert_near(decoder, DECODER_BYTES, "decoder");
    let of = |stages: &[Stage]| {
        bytes_of(|| {
            let (mut recorder, mut collector) = Recorder::new(0, stages);
            stages.iter().for_each(|&stage| recorder.record(stage, 1));
            recorder.finish(tickwire::base::Nanos(1));
            let mut totals = Totals::default();
            collector.collect(&mut totals, &mut |_, _, _, _| {});
            (collector, totals)
        })
    };
    let (one, two) = (of(&[Stage::Ack]), of(&[Stage::Ack, Stage::Book]));
    assert_near(two - one, STAGE_BYTES, "stage");
}

fn bytes_of<T>(make: impl FnOnce() -> T) -> usize {
    let before = HELD.load(Ordering::Relaxed);
    let made = make();
    let bytes = HELD.load(Ordering::Relaxed) - before;
    drop(made);
    bytes
}

fn assert_near(bytes: usize, said: usize, what: &str) {
    let far = bytes.abs_diff(said);
    assert!(far < said / 20, "{what}: {bytes} bytes, check says {said}");
}
