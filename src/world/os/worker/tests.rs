//! A worker's turns with lanes that only remember what was asked of them.

use super::*;
use crate::base::{Instrument, InstrumentId, ServerTime, Snapshot};
use crate::exchange::Rate;
use crate::wiring::feed::BookTally;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

/// What a stub lane saw, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saw {
    Turn,
    Timeout,
}

/// A lane whose turn takes long, with a timer that falls due meanwhile.
struct Stalling {
    saw: Arc<Mutex<Vec<Saw>>>,
    stall: Duration,
    timer: Nanos,
}

impl Lane<Socket> for Stalling {
    fn handle_ready(&mut self, _: &mut Turn, _: u8) {}

    fn handle_turn(&mut self, _: &mut Turn) -> bool {
        self.saw.lock().unwrap().push(Saw::Turn);
        std::thread::sleep(std::mem::take(&mut self.stall));
        false
    }

    fn wants_turn(&self) -> bool {
        false
    }

    fn poll_timeout(&self) -> Nanos {
        self.timer
    }

    fn handle_timeout(&mut self, _: &mut Turn, now: Nanos) {
        assert!(now >= self.timer);
        self.timer = Nanos::NEVER;
        self.saw.lock().unwrap().push(Saw::Timeout);
    }

    fn poll_ask(&mut self, _: &mut Turn, _: Nanos) -> Option<(u8, Ask)> {
        None
    }

    fn handle_resolved(&mut self, _: Nanos, _: Result<&[SocketAddr], ()>) {}
    fn handle_postponed(&mut self, _: u8, _: Nanos) -> bool {
        false
    }
    fn handle_dialed(&mut self, _: Nanos, _: u8, _: Result<Socket, std::io::ErrorKind>) {}
    fn handle_snapshot(&mut self, _: &mut Turn, _: Nanos, _: InstrumentId, _: Option<&Snapshot>) {}

    fn handle_instrument(&mut self, _: &mut Turn, _: Nanos, _: Instrument) {}

    fn handle_time(&mut self, _: &mut Turn, _: Nanos, _: ServerTime) {}

    fn stream_mut(&mut self, _: u8) -> Option<&mut Socket> {
        None
    }

    fn shut_down(&mut self, _: Nanos) {}

    fn pulse(&self) -> (u64, usize, Option<BookTally>) {
        (0, 0, None)
    }

    fn tally(&self, _: &mut Tally) {}
}

fn placed(lane: Box<dyn Lane<Socket>>) -> Placed {
    Placed {
        lane,
        clerk_id: 0,
        attempts: Attempts::new(Rate {
            count: 1,
            per: Nanos::from_secs(1),
        }),
    }
}

fn worker(wait: Wait, feeds: Vec<Box<dyn Lane<Socket>>>) -> (Worker, crate::watch::Collector) {
    let poll = Poll::new().unwrap();
    let waker = mio::Waker::new(poll.registry(), BELL).unwrap();
    let (recorder, collector) = Recorder::new(0, &[]);
    let (clerk, hosts) = (Vec::new(), Vec::new());
    let notes = Notes::new(crossbeam_channel::bounded(16).0);
    let worker = Worker {
        seat: Arc::new(Seat::new(sys::affinity().unwrap()[0], wait)),
        poll,
        bell: Bell::new(move || drop(waker.wake())),
        feeds: feeds.into_iter().map(placed).collect(),
        desk: None,
        gateways: Vec::new(),
        socket_options: SocketOptions::default(),
        recorder,
        jobs: super::super::clerk::Clerk::start(clerk, hosts, &[], &[], notes.clone())
            .unwrap()
            .jobs,
        notes,
        replies: crossbeam_channel::never(),
        pulse: Arc::default(),
        stop: Arc::default(),
    };
    (worker, collector)
}

#[test]
fn a_timer_that_falls_due_in_a_stall_fires_only_after_the_sockets_were_asked_again() {
    for wait in [Wait::Spin, Wait::Park] {
        let saw = Arc::new(Mutex::new(Vec::new()));
        let lane = Stalling {
            saw: saw.clone(),
            stall: Duration::from_millis(30),
            timer: sys::monotonic() + Nanos::from_millis(10),
        };
        let (worker, _collector) = worker(wait, vec![Box::new(lane)]);
        worker.bell.wake(); // So that the first turn does not wait for the timer.
        let mut running = Running::new(worker);
        running.turn();
        assert_eq!(*saw.lock().unwrap(), [Saw::Turn], "the bytes come first");
        running.turn();
        assert_eq!(*saw.lock().unwrap(), [Saw::Turn, Saw::Turn, Saw::Timeout]);
    }
}

#[test]
fn a_parked_worker_sleeps_until_its_bell_rings_and_turns_once_for_it() {
    let (worker, _collector) = worker(Wait::Park, Vec::new());
    let (bell, stop) = (worker.bell.clone(), worker.stop.clone());
    let mut running = Running::new(worker);
    let ringer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        bell.ring();
        stop.store(true, Ordering::Relaxed);
    });
    let begun = Instant::now();
    running.turn();
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(40), "{waited:?}");
    assert!(waited < Duration::from_nanos(PARK_MAX.0), "{waited:?}");
    ringer.join().unwrap();
}
