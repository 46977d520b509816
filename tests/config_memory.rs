//! The sizes that `tickwire check` counts with are those that are allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use tickwire::app::memory::{
    BUFFER_BYTES, DECODER_BYTES, INSTRUMENT_BYTES, STAGE_BYTES, WAITING_BYTES, WORDS_BYTES,
};
use tickwire::base::{Instrument, InstrumentId, Level, Symbol};
use tickwire::exchange::{self, Exchange, Words};
use tickwire::watch::{Recorder, Stage, Totals};
use tickwire::wiring::feed::Feed;
use tickwire::wiring::publisher::Publisher;
use tickwire::wiring::ring::{Bell, ring};

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
fn what_is_allocated_is_what_check_says() {
    let depth = |exchange: &dyn Exchange| &exchange.depth_streams()[0];
    let decoders = exchange::ALL
        .iter()
        .map(|exchange| bytes_of(|| exchange.decoder(&[], depth(*exchange))));
    assert_near(
        decoders.max().unwrap_or(0),
        DECODER_BYTES,
        "largest decoder",
    );
    assert_near(bytes_of(Words::new), WORDS_BYTES, "words");

    let (one, two) = (bytes_of(|| feed(1)), bytes_of(|| feed(2)));
    let books = 2 * 2 * DEPTH * size_of::<Level>();
    let rest = two - one - books - BUFFER_BYTES;
    assert_near(rest, INSTRUMENT_BYTES, "instrument");
    let of = |instruments| bytes_of(|| Publisher::new(ring(1, Bell::new(|| {})).0, instruments));
    assert_near(of(2) - of(1), WAITING_BYTES, "news");

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
    assert_near(two - one, 2 * STAGE_BYTES, "stage");
}

/// Levels a side.
const DEPTH: usize = 256;

/// A feed of so many instruments, out of two.
fn feed(instruments: usize) -> Feed<DEPTH> {
    let exchange = exchange::by_name("okx").expect("it is in the registry");
    let one = |(id, symbol)| Instrument {
        id: InstrumentId(id),
        ..Instrument::bare("okx", Symbol::from(symbol).expect("it is short"), (2, 2))
    };
    let both: Vec<Instrument> = (0..).zip(["A-B", "C-D"]).map(one).collect();
    Feed::new(
        (exchange, &exchange.depth_streams()[0]),
        &both[..instruments],
        both.len(),
        20,
        true,
        Publisher::new(ring(1, Bell::new(|| {})).0, both.len()),
        rtrb::RingBuffer::new(1).0,
    )
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
