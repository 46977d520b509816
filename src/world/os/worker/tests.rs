//! A worker's turns with lanes that only remember what was asked of them.

use super::pulse::LatePulse;
use super::*;
use crate::base::{Body, Event, Flags, InstrumentId, Stamps, UnixNanos};
use crate::exchange::Rate;
use crate::wiring::ask::Answer;
use crate::wiring::feed::BookTally;
use crate::wiring::ring::ring;
use crate::wiring::tally::LanePulse;
use std::sync::Mutex;

/// What a stub lane saw, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saw {
    Turn,
    Timeout,
}

/// A lane whose turn takes long, with a timer that falls due meanwhile.
struct Stalling {
    saw: Arc<Mutex<Vec<Saw>>>,
    stall: Option<Duration>,
    timer: Nanos,
    /// Events that its frames make, one each, on a ring with room for one.
    frames: Option<(usize, crate::wiring::ring::Sender<Event>)>,
    /// When the desk of another worker has heard all that it waits for, and what says so.
    settles: Option<(Nanos, Arc<Ending>)>,
}

impl Lane<Socket> for Stalling {
    fn handle_ready(&mut self, _: &mut Turn, _: u8) {}

    fn handle_turn(&mut self, turn: &mut Turn) -> bool {
        self.saw.lock().unwrap().push(Saw::Turn);
        if let Some((_, ending)) = self.settles.take_if(|(at, _)| turn.clock.now() >= *at) {
            ending.say(Ending::SETTLED);
        }
        if let Some(stall) = self.stall.take() {
            // Due from now on: later than the sockets were asked, however late this thread came to
            // run.
            self.timer = turn.clock.now();
            std::thread::sleep(stall);
        }
        let Some((left, ring)) = self.frames.as_mut().filter(|(left, _)| *left > 0) else {
            return false;
        };
        *left -= 1;
        assert!(ring.push(event()).is_ok(), "the one before was not decided");
        true
    }

    fn wants_turn(&self) -> bool {
        self.frames.as_ref().is_some_and(|(left, _)| *left > 0)
    }

    fn has_unread(&self) -> bool {
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

    fn poll_output(&mut self, _: &mut Turn, _: Nanos) -> Option<Output> {
        None
    }

    fn handle_answer(&mut self, _: &mut Turn, _: Nanos, _: Answer) {}

    fn handle_postponed(&mut self, _: u8, _: Nanos) -> bool {
        false
    }
    fn handle_dialed(&mut self, _: Nanos, _: u8, _: Result<Socket, std::io::ErrorKind>) {}
    fn stream_mut(&mut self, _: u8) -> Option<&mut Socket> {
        None
    }

    fn shut_down(&mut self, _: &mut Turn, _: Nanos) {}

    fn books(&self, _: &mut dyn FnMut(&BookTally)) {}

    fn pulse(&self, _: Nanos) -> LanePulse {
        LanePulse::default()
    }

    fn tally(&self, _: &mut Tally) {}
}

fn placed(lane: Box<dyn Lane<Socket>>) -> Placed {
    Placed {
        lane,
        clerk_id: 0,
        attempts: Attempts::new(Rate {
            count: 1,
            per: Span::from_secs(1),
        }),
    }
}

fn worker(wait: Wait, feeds: Vec<Box<dyn Lane<Socket>>>) -> (Worker, crate::watch::Collector) {
    let poll = Poll::new().unwrap();
    let waker = mio::Waker::new(poll.registry(), BELL).unwrap();
    let (histograms, collector) = Histograms::new(0, &[]);
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
        histograms,
        jobs: super::super::clerk::Clerk::start(clerk, hosts, &[], &[], notes.clone())
            .unwrap()
            .jobs,
        notes,
        replies: crossbeam_channel::never(),
        pulse: Arc::default(),
        stop: Arc::default(),
        ending: Arc::default(),
    };
    (worker, collector)
}

#[test]
fn a_timer_that_falls_due_in_a_stall_fires_only_after_the_sockets_were_asked_again() {
    for wait in [Wait::Spin, Wait::Park] {
        let saw = Arc::new(Mutex::new(Vec::new()));
        let lane = Stalling {
            saw: saw.clone(),
            stall: Some(Duration::from_millis(30)),
            timer: Nanos::NEVER,
            frames: None,
            settles: None,
        };
        let (worker, _collector) = worker(wait, vec![Box::new(lane)]);
        worker.bell.wake(); // So that the first turn does not wait for the timer.
        let mut running = Running::new(worker);
        running.turn();
        running.turn();
        // A host that kept this thread from running has the worker empty its sockets, so that its
        // lane turns more often than twice: how often says nothing, what came first does.
        let saw = saw.lock().unwrap();
        let fired = saw.iter().position(|saw| *saw == Saw::Timeout);
        assert!(
            fired.is_some_and(|at| at >= 2),
            "the bytes come first: {saw:?}"
        );
    }
}

fn event() -> Event {
    Event {
        stamps: Stamps::default(),
        exch_time: UnixNanos(0),
        as_of: Nanos::ZERO,
        update_id: 0,
        epoch: 0,
        instrument: InstrumentId::NONE,
        flags: Flags::default(),
        body: Body::Gateway(true),
    }
}

#[test]
fn where_the_desk_is_beside_a_feed_each_frame_is_decided_before_the_next_is_taken() {
    let (sender, input) = ring(1, Bell::new(|| {}));
    let lane = Stalling {
        saw: Arc::default(),
        stall: None,
        timer: Nanos::NEVER,
        frames: Some((9, sender)),
        settles: None,
    };
    let (mut worker, _collector) = worker(Wait::Spin, vec![Box::new(lane)]);
    worker.desk = Some(Desk::without_strategy(vec![input]));
    let mut running = Running::new(worker);
    running.turn();
    let desk = running.worker.desk.as_ref().unwrap();
    assert_eq!(desk.counters().events, 9, "all of them in one turn");
}

#[test]
fn at_a_runs_end_a_gateway_waits_for_the_desk_of_another_worker() {
    // What the desk says at once, when it says that it is done, and for how long the gateway waits.
    let (early, late) = (LINGER + LINGER, LINGER_MAX + LINGER);
    for (says, settles, waits) in [
        (None, early, early),
        (Some(Ending::AWAITS), late, late),
        (None, LINGER_DOUBT, LINGER_MAX), // It hangs.
    ] {
        let (mut worker, _collector) = worker(Wait::Park, Vec::new());
        if let Some(says) = says {
            worker.ending.say(says);
        }
        let began = OsClock.now();
        worker.gateways.push(placed(Box::new(Stalling {
            saw: Arc::default(),
            stall: None,
            timer: Nanos::NEVER,
            frames: None,
            settles: Some((began + settles, worker.ending.clone())),
        })));
        Running::new(worker).linger();
        let waited = OsClock.now().since(began);
        let enough = waits + Span::from_secs(3);
        assert!(waits <= waited && waited < enough, "{waited:?}");
    }
}

#[test]
fn a_parked_worker_sleeps_until_its_bell_rings_and_turns_once_for_it() {
    let (worker, _collector) = worker(Wait::Park, Vec::new());
    let (bell, stop) = (worker.bell.clone(), worker.stop.clone());
    let mut running = Running::new(worker);
    running.park_max = Span::from_secs(600); // Nothing but the bell ends its sleep.
    let ringer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::SeqCst);
        bell.ring();
    });
    let stopped = running.worker.stop.clone();
    running.turn();
    assert!(
        stopped.load(Ordering::SeqCst),
        "it woke before the bell rang"
    );
    ringer.join().unwrap();
}

/// A lane with one socket, which nobody reads unless it has a ring to the desk.
struct Listening(Socket, Option<Backlog>);

/// Frames of five bytes that lie in a socket: each is an event for the desk.
struct Backlog {
    ring: crate::wiring::ring::Sender<Event>,
    unread: bool,
    /// How many events waited for the desk when a frame was read.
    waited: Arc<Mutex<Vec<usize>>>,
}

impl Listening {
    fn read_one(&mut self) -> bool {
        use std::io::Read as _;
        let Self(socket, Some(backlog)) = self else {
            return false;
        };
        backlog.unread = socket.read(&mut [0; 5]).is_ok();
        if backlog.unread {
            let room = backlog.ring.room();
            assert!(backlog.ring.push(event()).is_ok());
            backlog.waited.lock().unwrap().push(8 - room);
        }
        backlog.unread
    }

    fn is_unread(&self) -> bool {
        self.1.as_ref().is_some_and(|backlog| backlog.unread)
    }
}

impl Lane<Socket> for Listening {
    fn handle_ready(&mut self, _: &mut Turn, _: u8) {
        self.read_one();
    }

    fn handle_turn(&mut self, _: &mut Turn) -> bool {
        self.is_unread() && self.read_one()
    }

    fn wants_turn(&self) -> bool {
        self.is_unread()
    }

    fn has_unread(&self) -> bool {
        self.is_unread()
    }

    fn poll_timeout(&self) -> Nanos {
        Nanos::NEVER
    }

    fn handle_timeout(&mut self, _: &mut Turn, _: Nanos) {}

    fn handle_postponed(&mut self, _: u8, _: Nanos) -> bool {
        false
    }

    fn poll_output(&mut self, _: &mut Turn, _: Nanos) -> Option<Output> {
        None
    }

    fn handle_answer(&mut self, _: &mut Turn, _: Nanos, _: Answer) {}

    fn handle_dialed(&mut self, _: Nanos, _: u8, _: Result<Socket, std::io::ErrorKind>) {}
    fn stream_mut(&mut self, line: u8) -> Option<&mut Socket> {
        (line == 0).then_some(&mut self.0)
    }

    fn shut_down(&mut self, _: &mut Turn, _: Nanos) {}

    fn books(&self, _: &mut dyn FnMut(&BookTally)) {}

    fn pulse(&self, _: Nanos) -> LanePulse {
        LanePulse::default()
    }

    fn tally(&self, _: &mut Tally) {}
}

/// Waits until this many bytes lie in the kernel. Asks the socket's stream, so that the socket
/// itself learns nothing.
fn arrived(running: &mut Running, count: usize) {
    let socket = running.worker.feeds[0].lane.stream_mut(0).unwrap();
    let mut bytes = [0; 64];
    while !socket.stream().peek(&mut bytes).is_ok_and(|n| n >= count) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads what is there, and how long before that the socket was surely empty.
fn bound_ns(running: &mut Running) -> u64 {
    use crate::conn::Transport as _;
    use std::io::Read as _;
    let socket = running.worker.feeds[0].lane.stream_mut(0).unwrap();
    let mut bytes = [0; 1_024];
    let read = std::iter::from_fn(|| socket.read(&mut bytes).ok()).sum::<usize>();
    assert!(read > 0, "nothing came");
    let rx = socket.rx();
    rx.call.since(rx.empty).0
}

/// A worker that waits on a connection to us, and our end of it.
fn listening() -> (Running, std::net::TcpStream, crate::watch::Collector) {
    listening_for(None)
}

fn listening_for(
    backlog: Option<Backlog>,
) -> (Running, std::net::TcpStream, crate::watch::Collector) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut socket = Socket::connect(address, &SocketOptions::default(), false).unwrap();
    let (far, _) = listener.accept().unwrap();
    let (worker, collector) = {
        let (mut worker, collector) = worker(Wait::Park, Vec::new());
        let registry = worker.poll.registry();
        let interest = mio::Interest::READABLE;
        mio::event::Source::register(&mut socket, registry, token(0, 0), interest).unwrap();
        worker
            .feeds
            .push(placed(Box::new(Listening(socket, backlog))));
        (worker, collector)
    };
    (Running::new(worker), far, collector)
}

#[test]
fn a_stop_with_bytes_in_the_kernel_is_within_the_upper_bound_however_the_thread_slept() {
    use std::io::Write as _;
    let (mut running, mut far, _collector) = listening();
    // Stopped outside of its sleep, with the newest byte just come: the stamp alone shows nothing
    // of it.
    running.turn();
    let writer = std::thread::spawn(move || {
        for _ in 0..6 {
            std::thread::sleep(Duration::from_millis(50));
            far.write_all(b"frame").unwrap();
        }
        far
    });
    // All frames were written, however late their thread ran: the first one 250 ms before the last.
    let _far = writer.join().unwrap();
    arrived(&mut running, 6 * b"frame".len());
    running.poll_sockets();
    let bound = bound_ns(&mut running);
    assert!(
        bound >= 250_000_000,
        "the oldest byte lay there for longer: {bound} ns"
    );
}

/// T14: a worker that did not run for longer than its limit empties its sockets before anything is
/// decided on the oldest of what lies in them.
#[test]
fn after_a_stop_all_that_lies_in_the_sockets_is_read_before_the_desk_decides() {
    use std::io::Write as _;
    let (ring, input) = ring(8, Bell::new(|| {}));
    let waited = Arc::<Mutex<Vec<usize>>>::default();
    let (mut running, mut far, _collector) = listening_for(Some(Backlog {
        ring,
        unread: false,
        waited: waited.clone(),
    }));
    running.worker.desk = Some(Desk::without_strategy(vec![input]));
    running.turn();
    far.write_all(&b"frame".repeat(6)).unwrap();
    arrived(&mut running, 6 * b"frame".len());
    std::thread::sleep(Duration::from_nanos(STOPPED.0) * 2);
    running.turn();
    assert_eq!(*waited.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    let desk = running.worker.desk.as_ref().unwrap();
    assert_eq!(desk.counters().events, 6, "and then it decides");
}

#[test]
fn a_read_that_the_kernel_could_not_fill_left_the_socket_empty() {
    use std::io::Write as _;
    let (mut running, mut far, _collector) = listening();
    far.write_all(b"one").unwrap();
    arrived(&mut running, 3);
    std::thread::sleep(Duration::from_millis(60));
    bound_ns(&mut running);
    far.write_all(b"two").unwrap();
    arrived(&mut running, 3);
    std::thread::sleep(Duration::from_millis(5));
    let socket = running.worker.feeds[0].lane.stream_mut(0).unwrap();
    let begun = OsClock.now();
    use crate::conn::Transport as _;
    use std::io::Read as _;
    assert_eq!(socket.read(&mut [0; 2]).unwrap(), 2);
    let first = socket.rx();
    assert_eq!(socket.read(&mut [0; 2]).unwrap(), 1);
    let second = socket.rx();
    assert_eq!(
        second.empty, first.empty,
        "the first read may have left something"
    );
    assert!(second.kernel >= second.empty && second.kernel <= begun);
}

#[test]
fn late_data_is_shown_whole_however_late_it_is_and_until_it_is_not() {
    let pulse = LatePulse::default();
    assert_eq!(pulse.look(), None);
    let late = |index, delay_ns| Late {
        instrument: InstrumentId(index),
        delay_ns,
    };
    for shown in [late(0, 4_200_000_000), late(65_534, (1 << 48) - 1)] {
        pulse.show(Some(shown));
        assert_eq!(pulse.look(), Some(shown));
    }
    pulse.show(Some(late(3, u64::MAX)));
    assert_eq!(pulse.look(), Some(late(3, (1 << 48) - 1)));
    pulse.show(None);
    assert_eq!(pulse.look(), None);
}
