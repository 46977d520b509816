//! The engine's part of the road beside the ordinary one, on depth updates of 2, 20 and 100 levels.
//!
//! `decode_apply` is a frame's text to a changed book. `road` is the whole way: frame, decode,
//! sequencing, book, event with the best levels, ring, and off the ring; with our stamps and
//! histograms, which the ordinary way does without.

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Instant;
use support::messages::instrument;
use support::{MESSAGES, Script, ordinary, ours::Ours, timed, unchecked};
use tickwire::base::event::EVENT_LEVELS;
use tickwire::base::{Clock, Event, InstrumentId, Nanos, RxStamps, Snapshot};
use tickwire::exchange::Exchange as _;
use tickwire::exchange::binance_spot::BINANCE;
use tickwire::watch::audit::Shown;
use tickwire::watch::latency::Histograms;
use tickwire::watch::stage::Stage;
use tickwire::wiring::feed::{Arrival, Feed};
use tickwire::wiring::plan::FeedPlan;
use tickwire::wiring::ring::{Bell, Receiver};
use tickwire::wiring::road;
use tickwire::wiring::turn::{Notes, Turn};
use tickwire::world::os::clock::OsClock;

const SIZES: [usize; 3] = [2, 20, 100];
const RING: usize = 1_024;

fn decode_apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_apply");
    for size in SIZES {
        let script = Script::new(size);
        group.bench_function(BenchmarkId::new("ours", size), |bencher| {
            let mut ours = Ours::new();
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut ours,
                    |ours| ours.load(&script.snapshot),
                    |ours, message| ours.handle(message.as_bytes()),
                )
            });
            black_box(ours.book.best_bid());
        });
        group.bench_function(BenchmarkId::new("ordinary", size), |bencher| {
            let mut book = ordinary::Book::default();
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut book,
                    |book| *book = ordinary::Book::new(&script.snapshot),
                    |book, message| book.apply(&ordinary::decode(message)),
                )
            });
            black_box(book.top::<1>());
        });
        group.bench_function(BenchmarkId::new("unchecked", size), |bencher| {
            let mut book = unchecked::Book::default();
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut book,
                    |book| book.load(&script.snapshot),
                    |book, message| book.handle(message.as_bytes()),
                )
            });
            black_box(book.best_bid());
        });
    }
    group.finish();
}

/// Passes of each way in [`paired`].
const PASSES: usize = 60;

/// The ways pass by pass in turn, so that a host whose speed drifts slows all: prints each
/// way's median, and the medians of the ratios of neighbouring passes.
fn paired(_: &mut Criterion) {
    for size in SIZES {
        let script = Script::new(size);
        let (mut ours, mut ordinary) = (Ours::new(), ordinary::Book::default());
        let mut unchecked = unchecked::Book::default();
        // A blank in front, and no message is scanned: all go over the tape.
        let blank: Vec<String> = (0..MESSAGES)
            .map(|n| format!(" {}", script.message(n)))
            .collect();
        let mut passes: Vec<[f64; 4]> = Vec::new();
        for _ in 0..PASSES {
            ours.load(&script.snapshot);
            let our_ns = pass(&script, |message| ours.handle(message.as_bytes()));
            ordinary = ordinary::Book::new(&script.snapshot);
            let ordinary_ns = pass(&script, |message| {
                ordinary.apply(&ordinary::decode(message))
            });
            unchecked.load(&script.snapshot);
            let unchecked_ns = pass(&script, |message| unchecked.handle(message.as_bytes()));
            ours.load(&script.snapshot);
            let mut frames = blank.iter();
            let tape_ns = pass(&script, |_| {
                ours.handle(frames.next().unwrap().as_bytes());
            });
            passes.push([our_ns, ordinary_ns, unchecked_ns, tape_ns]);
        }
        assert_eq!(
            ours.book.best_bid().map(|at| (at.px.0, at.qty.0)),
            unchecked.best_bid()
        );
        black_box(ordinary.top::<1>());
        let median = |of: fn(&[f64; 4]) -> f64| {
            let mut values: Vec<f64> = passes.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let ours_ns = median(|pass| pass[0]);
        let (ordinary_ns, unchecked_ns) = (median(|pass| pass[1]), median(|pass| pass[2]));
        let tape_ns = median(|pass| pass[3]);
        let (faster, dearer) = (
            median(|pass| pass[1] / pass[0]),
            median(|pass| pass[0] / pass[2]),
        );
        println!(
            "paired decode_apply/{size}: ordinary {ordinary_ns:.0} ns, ours {ours_ns:.0} ns (over \
             the tape {tape_ns:.0} ns), unchecked {unchecked_ns:.0} ns a message; {faster:.2} \
             times as fast as the ordinary way, {dearer:.2} times as long as the unchecked one \
             (medians of {PASSES} passes of {MESSAGES} messages each)"
        );
    }
}

/// One pass over the script: nanoseconds a message.
fn pass(script: &Script, mut handle: impl FnMut(&str)) -> f64 {
    let begin = Instant::now();
    for n in 0..MESSAGES {
        handle(script.message(n));
    }
    begin.elapsed().as_nanos() as f64 / MESSAGES as f64
}

fn road(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("road");
    for size in SIZES {
        let script = Script::new(size);
        group.bench_function(BenchmarkId::new("ours", size), |bencher| {
            let mut road = Road::new();
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut road,
                    |road| road.connect(&script.snapshot),
                    |road, message| {
                        black_box(road.handle(message));
                    },
                )
            });
        });
        group.bench_function(BenchmarkId::new("ordinary", size), |bencher| {
            let mut road = OrdinaryRoad::new();
            bencher.iter_custom(|rounds| {
                timed(
                    &script,
                    rounds,
                    &mut road,
                    |road| road.book = ordinary::Book::new(&script.snapshot),
                    |road, message| {
                        black_box(road.handle(message));
                    },
                )
            });
        });
    }
    group.finish();
}

/// Our lane without its socket, on the host's clock.
struct Road {
    feed: Feed<1024>,
    events: Receiver<Event>,
    shown: rtrb::Consumer<Shown>,
    clock: OsClock,
    latency: Histograms,
    notes: Notes,
    epoch: u32,
}

impl Road {
    fn new() -> Self {
        let plan = FeedPlan {
            events: RING,
            audits: RING,
            ..FeedPlan::new(&BINANCE, &BINANCE.depth_streams()[0], &[instrument()])
        };
        let ends = road::feed(&plan, Bell::new(|| {}));
        Self {
            feed: ends.feed,
            events: ends.events,
            shown: ends.shown,
            clock: OsClock,
            latency: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(crossbeam_channel::bounded(0).0),
            epoch: 0,
        }
    }

    /// A new connection with a live book.
    fn connect(&mut self, snapshot: &Snapshot) {
        self.epoch += 1;
        let (now, mut turn) = (
            self.clock.now(),
            Turn {
                clock: &self.clock,
                latency: &mut self.latency,
                notes: &self.notes,
            },
        );
        self.feed.handle_connected(&mut turn, now, 0, self.epoch);
        while self.feed.poll_want().is_some() {}
        self.feed
            .handle_snapshot(&mut turn, now, InstrumentId(0), snapshot);
        assert_eq!(self.feed.live_books(), 1);
        while self.events.pop().is_ok() {}
        while self.shown.pop().is_ok() {}
    }

    fn handle(&mut self, message: &str) -> Event {
        let now = self.clock.now();
        let arrival = Arrival {
            rx: RxStamps {
                kernel: now,
                empty: Nanos::ZERO,
                call: now,
                read: now,
            },
            frame: now,
        };
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        self.feed
            .handle_frame(&mut turn, 0, arrival, message.as_bytes());
        // The scribe's own thread takes these.
        assert!(self.shown.pop().is_ok());
        self.events.pop().expect("each message makes one event")
    }
}

/// The best levels per side as an ordinary client sends them around.
struct OrdinaryEvent {
    _time: u64,
    _symbol: String,
    _last_id: u64,
    _top: [[(f64, f64); EVENT_LEVELS]; 2],
}

struct OrdinaryRoad {
    book: ordinary::Book,
    sender: crossbeam_channel::Sender<OrdinaryEvent>,
    receiver: crossbeam_channel::Receiver<OrdinaryEvent>,
}

impl OrdinaryRoad {
    fn new() -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(RING);
        Self {
            book: ordinary::Book::default(),
            sender,
            receiver,
        }
    }

    fn handle(&mut self, message: &str) -> OrdinaryEvent {
        let update = ordinary::decode(message);
        self.book.apply(&update);
        let event = OrdinaryEvent {
            _time: update.time,
            _symbol: update.symbol,
            _last_id: update.last_id,
            _top: self.book.top(),
        };
        assert!(self.sender.try_send(event).is_ok());
        self.receiver.try_recv().unwrap()
    }
}

criterion_group!(benches, paired, decode_apply, road);
criterion_main!(benches);
