//! One hop of a market event between two threads: our ring (rtrb and the bell), bare rtrb, and the
//! ordinary way, a crossbeam channel. Each figure is half of a round trip over two rings of the
//! same kind.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tickwire::base::{Body, Event, Flags, InstrumentId, Nanos, Stamps, Top, UnixNanos};
use tickwire::wiring::ring::{Bell, ring};

const CAPACITY: usize = 1_024;
/// Spins before a waiting side gives its CPU away: the two sides may have to share one.
const SPINS_MAX: u32 = 20_000;

fn event() -> Event {
    Event {
        stamps: Stamps::default(),
        exch_time: UnixNanos(0),
        as_of: Nanos::ZERO,
        update_id: 1,
        epoch: 1,
        instrument: InstrumentId(0),
        flags: Flags::default(),
        body: Body::Book(Top::EMPTY),
    }
}

fn wait(spins: &mut u32) {
    *spins += 1;
    if *spins > SPINS_MAX {
        std::thread::yield_now();
    } else {
        spin_loop();
    }
}

/// Sends an event there and back `rounds` times; half of the time is one hop.
fn ping_pong(
    rounds: u64,
    mut push: impl FnMut(Event) -> bool,
    mut pop: impl FnMut() -> Option<Event>,
    echo: impl FnOnce(Arc<AtomicBool>) + Send + 'static,
) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let thread = std::thread::spawn(move || echo(seen));
    let event = event();
    let mut round = || {
        assert!(
            push(event),
            "the ring cannot be full: one event is under way"
        );
        let mut spins = 0;
        loop {
            if let Some(event) = pop() {
                black_box(event.update_id);
                break;
            }
            wait(&mut spins);
        }
    };
    (0..100).for_each(|_| round());
    let begin = Instant::now();
    (0..rounds).for_each(|_| round());
    let spent = begin.elapsed();
    stop.store(true, Ordering::Relaxed);
    assert!(thread.join().is_ok());
    spent / 2
}

/// The other side: sends back what comes, until told to stop.
fn echo(
    stop: &AtomicBool,
    mut pop: impl FnMut() -> Option<Event>,
    mut push: impl FnMut(Event) -> bool,
) {
    let mut spins = 0;
    while !stop.load(Ordering::Relaxed) {
        match pop() {
            Some(event) => {
                push(event);
                spins = 0;
            }
            None => wait(&mut spins),
        }
    }
}

fn ours(rounds: u64) -> Duration {
    let (mut to, mut there) = ring(CAPACITY, Bell::new(|| {}));
    let (mut from, mut back) = ring(CAPACITY, Bell::new(|| {}));
    ping_pong(
        rounds,
        move |event| to.push(event).is_ok(),
        move || back.pop().ok(),
        move |stop| echo(&stop, || there.pop().ok(), |event| from.push(event).is_ok()),
    )
}

fn bare_rtrb(rounds: u64) -> Duration {
    let (mut to, mut there) = rtrb::RingBuffer::new(CAPACITY);
    let (mut from, mut back) = rtrb::RingBuffer::new(CAPACITY);
    ping_pong(
        rounds,
        move |event| to.push(event).is_ok(),
        move || back.pop().ok(),
        move |stop| echo(&stop, || there.pop().ok(), |event| from.push(event).is_ok()),
    )
}

fn crossbeam(rounds: u64) -> Duration {
    let (to, there) = crossbeam_channel::bounded(CAPACITY);
    let (from, back) = crossbeam_channel::bounded(CAPACITY);
    ping_pong(
        rounds,
        move |event| to.try_send(event).is_ok(),
        move || back.try_recv().ok(),
        move |stop| {
            echo(
                &stop,
                || there.try_recv().ok(),
                |event| from.try_send(event).is_ok(),
            )
        },
    )
}

fn hop(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    group.bench_function("ours", |b| b.iter_custom(ours));
    group.bench_function("bare_rtrb", |b| b.iter_custom(bare_rtrb));
    group.bench_function("ordinary", |b| b.iter_custom(crossbeam));
    group.finish();
}

criterion_group!(benches, hop);
criterion_main!(benches);
