//! A worker: one pinned thread, one poll, a list of lanes. Carries bytes, time and wishes between
//! the lanes and the operating system; what they mean is the lanes' business.

pub(crate) mod dial;
mod look;
mod pulse;
mod rehearsal;
mod scheduled;

use super::clerk::{Job, Jobs, Reply};
use super::clock::OsClock;
use super::placement::Wait;
use super::socket::{Socket, SocketOptions};
use super::sys;
use super::watcher::Seat;
use crate::base::{Clock, Nanos, Note, Severity, Span, Value};
use crate::watch::latency::{Histograms, Usage};
use crate::wiring::desk::{Desk, DeskEnd, Seated};
use crate::wiring::feed::{BookTally, Late};
use crate::wiring::feed_lane::FRAMES_PER_TURN;
use crate::wiring::lane::{LINES, Lane, Output};
use crate::wiring::ring::Bell;
use crate::wiring::tally::Tally;
use crate::wiring::turn::{Notes, Turn};
use crossbeam_channel::Receiver;
pub(crate) use dial::Attempts;
use dial::{Purpose, dial};
use mio::{Events, Poll, Token};
pub(crate) use pulse::Pulse;
use scheduled::Scheduled;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The token of the bell. Lines have the index of their lane times [`LINES`], and their own.
pub(crate) const BELL: Token = Token(usize::MAX);
/// Readiness events taken from the kernel at once.
const EVENTS_MAX: usize = 256;
/// How long a worker waits for outstanding answers when a run ends, and how often it checks whether
/// it may stop.
const LINGER: Span = Span::from_millis(150);
/// As long as orders are open, whose cancels are under way, or the account is compared for the last
/// time, it waits for so long.
const LINGER_MAX: Span = Span::from_secs(5);
/// If an exchange is about to say what became of an order in doubt, or what there is at the end, it
/// waits for that: at most so long. So does a gateway's worker, if the desk of another one says
/// that it waits: a desk that hangs says nothing.
const LINGER_DOUBT: Span = Span::from_secs(20);
/// How often a worker shows what it did, at most: looking at all of its books takes time.
const SHOW_EVERY: Span = Span::from_millis(10);
const LINGER_LOOK: Span = Span::from_millis(10);
/// A parked worker looks up at least this often. If the kernel does not say how long a thread
/// slept, what it wakes up to may be as old as that, and must not count as late for it.
const PARK_MAX: Span = Span::from_millis(200);
/// A worker that did not look at its sockets for longer empties them before its desk decides: it
/// was stopped, and newer data is in them. Far below the age at which data counts as late.
const STOPPED: Span = Span::from_millis(100);

/// A lane, and its number at the clerk.
pub(crate) struct Placed {
    /// The lane.
    pub(crate) lane: Box<dyn Lane<Socket>>,
    /// Its index among the clerk's clients.
    pub(crate) clerk_id: usize,
    /// Connections that its exchange lets us open.
    pub(crate) attempts: Attempts,
}

/// Everything that a worker is made of.
pub(crate) struct Worker {
    /// Its CPU, and what to do while there is nothing to do; both may change during the run.
    pub(crate) seat: Arc<Seat>,
    /// Its lanes' sockets, and the waker of `bell` as [`BELL`].
    pub(crate) poll: Poll,
    /// What others ring when there is something for its lanes.
    pub(crate) bell: Arc<Bell>,
    /// In the order in which they run; before the desk.
    pub(crate) feeds: Vec<Placed>,
    /// The desk, if it runs here.
    pub(crate) desk: Option<Desk>,
    /// After the desk, so that an order leaves in the turn in which it was decided.
    pub(crate) gateways: Vec<Placed>,
    /// For each socket that is dialled.
    pub(crate) socket_options: SocketOptions,
    /// The worker's side of its histograms.
    pub(crate) histograms: Histograms,
    /// The way to the scribe.
    pub(crate) notes: Notes,
    /// The way to the clerk.
    pub(crate) jobs: Jobs,
    /// The clerk's answers.
    pub(crate) replies: Receiver<Reply>,
    /// Where it shows itself.
    pub(crate) pulse: Arc<Pulse>,
    /// Raised to end it.
    pub(crate) stop: Arc<AtomicBool>,
    /// What the desk says of the run's end, to the workers that are without it.
    pub(crate) ending: Arc<Ending>,
}

/// How the end of a run goes at its desk: whoever has the desk says so.
#[derive(Default)]
pub(crate) struct Ending(AtomicU8);

impl Ending {
    /// Exchanges are about to say what became of orders in doubt, or what there is at the end.
    const AWAITS: u8 = 1;
    /// Nothing more is waited for.
    const SETTLED: u8 = 2;

    fn say(&self, what: u8) {
        self.0.store(what, Ordering::Release);
    }

    fn is(&self, what: u8) -> bool {
        self.0.load(Ordering::Acquire) == what
    }
}

/// What a worker leaves behind.
pub(crate) struct Ended {
    /// What its lanes counted.
    pub(crate) tally: Tally,
    /// What the desk leaves behind, if it ran here.
    pub(crate) desk: Option<DeskEnd>,
    /// The desk's strategies, by id.
    pub(crate) seats: Vec<Seated>,
    /// The one CPU that it could run on in the end; none if there were several.
    pub(crate) pinned: Option<usize>,
    /// How it waited in the end.
    pub(crate) wait: Wait,
}

impl Worker {
    /// Starts the thread `tickwire-w<index>`.
    pub(crate) fn start(self, index: usize) -> std::io::Result<JoinHandle<Ended>> {
        std::thread::Builder::new()
            .name(format!("tickwire-w{index}"))
            .spawn(move || Running::new(self).run())
    }
}

/// A worker on its thread.
struct Running {
    worker: Worker,
    clock: OsClock,
    events: Events,
    scheduled: Scheduled,
    /// Just before the kernel was asked for readiness. Everything that arrived earlier is read
    /// before timers are checked, so a host stall after this moment cannot expire one.
    polled: Nanos,
    /// The sockets were looked at then, by a thread that ran; unset before the first time.
    looked: Nanos,
    /// A socket that the newest poll did not tell of was empty then.
    empty_as_of: Nanos,
    /// When a stop is logged again.
    stop_logged_from: Nanos,
    /// For how long nobody looked before the last look, beyond the sleep that was asked for.
    away: Span,
    /// No lane had anything to do in this turn.
    idle: bool,
    /// Something was done that the pulse does not show yet, and when it may.
    unshown: bool,
    show_from: Nanos,
    /// When the way of an order is rehearsed again.
    rehearse_from: Nanos,
    park_max: Span,
    /// Nothing is due before; only what lanes do can move it.
    timers_due: Nanos,
    /// A CPU that the system refused to pin to.
    refused: Option<usize>,
}

impl Running {
    fn new(worker: Worker) -> Self {
        Self {
            worker,
            clock: OsClock,
            events: Events::with_capacity(EVENTS_MAX),
            scheduled: Scheduled::open(),
            polled: Nanos::ZERO,
            looked: Nanos::NEVER,
            empty_as_of: Nanos::ZERO,
            stop_logged_from: Nanos::ZERO,
            away: Span::ZERO,
            idle: false,
            unshown: false,
            show_from: Nanos::ZERO,
            rehearse_from: Nanos::ZERO,
            park_max: PARK_MAX,
            timers_due: Nanos::ZERO,
            refused: None,
        }
    }

    fn run(mut self) -> Ended {
        self.take_seat();
        dial::wait_busily(&self.worker);
        self.worker.histograms.meter().usage(usage());
        while !self.worker.stop.load(Ordering::Relaxed) {
            self.turn();
        }
        self.linger();
        self.end()
    }

    /// Pins this thread to the CPU of its seat, if it is not: a container that takes a CPU away
    /// also undoes what was pinned to it. Says once what the system refuses.
    fn take_seat(&mut self) {
        let Some(cpu) = self.worker.seat.cpu() else {
            return;
        };
        if sys::is_pinned_to(cpu) || self.refused == Some(cpu) {
            return;
        }
        let taken = sys::pin(cpu).is_ok() && sys::is_pinned_to(cpu);
        self.refused = (!taken).then_some(cpu);
        if !taken {
            let note = Note::new(self.clock.now(), Severity::Warn, "worker.not_pinned");
            self.worker
                .notes
                .send(note.with("cpu", Value::Int(cpu as i64)));
        }
    }

    /// The run is ending: no further order leaves. The worker still waits for answers to those that
    /// left.
    fn linger(&mut self) {
        let worker = &mut self.worker;
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        if let Some(desk) = &mut worker.desk {
            desk.close(&mut turn);
        }
        self.park_max = LINGER_LOOK;
        let began = self.clock.now();
        let working = |worker: &Worker| match &worker.desk {
            Some(desk) => desk.is_settling(),
            // Its answers come by this worker's lines.
            None => !worker.gateways.is_empty() && !worker.ending.is(Ending::SETTLED),
        };
        loop {
            let now = self.clock.now();
            let (waited, works) = (now.since(began), working(&self.worker));
            let doubts = match &self.worker.desk {
                Some(desk) => now < desk.settles_by(),
                None => self.worker.ending.is(Ending::AWAITS),
            };
            if doubts && self.worker.desk.is_some() {
                self.worker.ending.say(Ending::AWAITS);
            }
            let enough = if doubts { LINGER_DOUBT } else { LINGER_MAX };
            if waited >= enough || (waited >= LINGER && !works) {
                break;
            }
            self.turn();
        }
        if self.worker.desk.is_some() {
            self.worker.ending.say(Ending::SETTLED);
        }
        let (worker, now) = (&mut self.worker, self.clock.now());
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        for placed in worker.feeds.iter_mut().chain(&mut worker.gateways) {
            placed.lane.shut_down(&mut turn, now);
        }
    }

    /// One turn: what the kernel has, what the clerk has, the lanes in their order, then the
    /// timers.
    fn turn(&mut self) {
        let stopped = self.poll_sockets();
        if stopped > STOPPED {
            self.catch_up(stopped);
        }
        let begin = self.clock.now();
        self.idle = self.events.is_empty();
        self.handle_readiness(true);
        self.handle_replies();
        let Self {
            worker,
            clock,
            idle,
            ..
        } = self;
        let mut turn = Turn {
            clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        for at in 0..worker.feeds.len() {
            // Until its sockets are empty, or others are to have their turn.
            for _ in 0..FRAMES_PER_TURN {
                let lane = &mut worker.feeds[at].lane;
                *idle &= !lane.handle_turn(&mut turn);
                let more = lane.wants_turn();
                complete(&mut worker.desk, &mut worker.gateways, &mut turn);
                if !more || worker.desk.is_none() {
                    break; // Without the desk one call takes as many as that.
                }
            }
        }
        if let Some(desk) = &mut worker.desk {
            *idle &= desk.handle_turn(&mut turn) == 0;
        }
        for placed in &mut worker.gateways {
            *idle &= !placed.lane.handle_turn(&mut turn);
        }
        self.handle_timers();
        let end = self.clock.now();
        self.worker.histograms.meter().turn(begin, end);
        self.beat(end);
        if self.idle {
            self.rehearse();
        }
    }

    fn has_work(&self) -> bool {
        let worker = &self.worker;
        worker.desk.as_ref().is_some_and(Desk::has_input)
            || !worker.replies.is_empty()
            || worker
                .feeds
                .iter()
                .chain(&worker.gateways)
                .any(|placed| placed.lane.wants_turn())
    }

    fn next_timeout(&self) -> Nanos {
        let lanes = self.worker.feeds.iter().chain(&self.worker.gateways);
        lanes
            .map(|placed| placed.lane.poll_timeout())
            .chain(self.worker.desk.as_ref().map(Desk::poll_timeout))
            .min()
            .unwrap_or(Nanos::NEVER)
    }

    /// Reads what is ready. If it `decides`, then after each frame: else only once all sockets are
    /// empty.
    fn handle_readiness(&mut self, decides: bool) {
        let Self {
            worker,
            clock,
            events,
            ..
        } = self;
        let mut turn = Turn {
            clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        for event in events.iter() {
            let place = place(&mut worker.feeds, &mut worker.gateways, event.token());
            if let Some((placed, line)) = place {
                placed.lane.handle_ready(&mut turn, line);
                if decides {
                    complete(&mut worker.desk, &mut worker.gateways, &mut turn);
                }
            }
        }
    }

    fn handle_replies(&mut self) {
        while let Ok(reply) = self.worker.replies.try_recv() {
            self.idle = false;
            let now = self.clock.now();
            let worker = &mut self.worker;
            let mut turn = Turn {
                clock: &self.clock,
                latency: &mut worker.histograms,
                notes: &worker.notes,
            };
            let lanes = &mut worker.feeds.iter_mut().chain(&mut worker.gateways);
            let Some(placed) = lanes.find(|placed| placed.clerk_id == reply.lane) else {
                continue;
            };
            placed.lane.handle_answer(&mut turn, now, reply.answer);
        }
    }

    /// Timers that are due, and then what the lanes ask of the world.
    fn handle_timers(&mut self) {
        if self.idle && self.polled < self.timers_due {
            return; // Nothing was done that could have moved a timer or asked for something.
        }
        let now = self.clock.now();
        let Self {
            worker,
            clock,
            polled,
            idle,
            ..
        } = self;
        let Worker {
            feeds,
            gateways,
            desk,
            poll,
            socket_options,
            histograms,
            notes,
            jobs,
            ..
        } = worker;
        let mut turn = Turn {
            clock,
            latency: histograms,
            notes,
        };
        if let Some(desk) = desk.as_mut().filter(|desk| desk.poll_timeout() <= *polled) {
            *idle = false;
            desk.handle_timeout(&mut turn);
            for placed in gateways.iter_mut() {
                placed.lane.handle_turn(&mut turn);
            }
        }
        let market_data = feeds.len();
        for (index, placed) in feeds.iter_mut().chain(gateways).enumerate() {
            if placed.lane.poll_timeout() <= *polled {
                *idle = false;
                placed.lane.handle_timeout(&mut turn, *polled);
            }
            while let Some(output) = placed.lane.poll_output(&mut turn, now) {
                let (line, address) = match output {
                    Output::Dial { line, address } => (line, address),
                    Output::Ask(ask) => {
                        let lane = placed.clerk_id;
                        if !jobs.send(Job { lane, ask })
                            && let Some(answer) = ask.unanswered()
                        {
                            placed.lane.handle_answer(&mut turn, now, answer);
                        }
                        continue;
                    }
                };
                let purpose = if index < market_data {
                    Purpose::MarketData
                } else {
                    Purpose::Orders
                };
                if let Err(until) = placed.attempts.admit(purpose, now) {
                    if placed.lane.handle_postponed(line, until) {
                        let wait_ms = until.since(now).as_millis() as i64;
                        let note = Note::new(now, Severity::Info, "dial.postponed");
                        turn.notes.send(note.with("wait_ms", Value::Int(wait_ms)));
                    }
                    continue;
                }
                let (token, at) = (token(index, line), (&turn, now));
                let socket = dial(poll, token, address, purpose, socket_options, at);
                if let Err(error) = &socket {
                    let note = Note::new(now, Severity::Warn, "dial.failed");
                    turn.notes.send(note.text(&error.to_string()));
                }
                let socket = socket.map_err(|error| error.kind());
                placed.lane.handle_dialed(now, line, socket);
            }
        }
        self.timers_due = self.next_timeout();
    }

    /// Once a second: histograms to the scribe, the kernel's counts. Every turn: the pulse.
    fn beat(&mut self, now: Nanos) {
        let worker = &mut self.worker;
        let second_over = worker.histograms.rotate(now);
        if second_over {
            worker.histograms.meter().usage(usage());
            self.take_seat();
        }
        let worker = &mut self.worker;
        let turns = &worker.pulse.turns; // This worker alone writes it.
        turns.store(turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.unshown |= !self.idle;
        if !second_over && (!self.unshown || now < self.show_from) {
            return;
        }
        (self.unshown, self.show_from) = (false, now + SHOW_EVERY);
        let (mut frames, mut live, mut dark) = (0, 0, None::<BookTally>);
        let mut late = None::<Late>;
        for placed in &worker.feeds {
            let lane = placed.lane.pulse(now);
            (frames, live) = (frames + lane.frames, live + lane.live_books);
            let all = dark.into_iter().chain(lane.darkest);
            dark = all.min_by_key(|book| book.dark_since);
            let all = late.into_iter().chain(lane.late);
            late = all.max_by_key(|late| late.delay_ns);
        }
        worker.pulse.dark.show(dark);
        worker.pulse.late.show(late);
        worker.pulse.frames.store(frames, Ordering::Relaxed);
        worker
            .pulse
            .live_books
            .store(live as u64, Ordering::Relaxed);
        if second_over {
            for placed in &worker.feeds {
                placed.lane.books(&mut |told| {
                    if let Some(shown) = worker.pulse.books.get(told.instrument.index()) {
                        shown.show(told);
                    }
                });
            }
        }
        if let Some(desk) = worker.desk.as_ref().filter(|_| second_over) {
            for (shown, (id, total)) in worker.pulse.gains.iter().zip(desk.gains()) {
                shown.show(id, total.all());
            }
        }
        if let Some(desk) = &worker.desk {
            worker
                .pulse
                .orders
                .store(desk.counters().admitted, Ordering::Relaxed);
        }
    }

    fn end(mut self) -> Ended {
        let mut tally = Tally {
            at: self.clock.now(),
            ..Tally::default()
        };
        for placed in self.worker.feeds.iter().chain(&self.worker.gateways) {
            placed.lane.tally(&mut tally);
        }
        let Self { worker, clock, .. } = &mut self;
        let mut turn = Turn {
            clock,
            latency: &mut worker.histograms,
            notes: &worker.notes,
        };
        let desk = worker.desk.as_mut().map(|desk| desk.finish(&mut turn));
        self.worker.histograms.meter().usage(usage());
        self.worker.histograms.finish(self.clock.now());
        let seats = self.worker.desk.take().map(Desk::into_seats);
        Ended {
            tally,
            desk,
            seats: seats.unwrap_or_default(),
            pinned: sys::affinity()
                .ok()
                .filter(|cpus| cpus.len() == 1)
                .map(|cpus| cpus[0]),
            wait: self.worker.seat.wait(),
        }
    }
}

/// If the desk is on this worker: decides the events that a frame caused, and writes their orders,
/// before the next frame is decoded.
fn complete(desk: &mut Option<Desk>, gateways: &mut [Placed], turn: &mut Turn) {
    let Some(desk) = desk.as_mut().filter(|desk| desk.has_input()) else {
        return;
    };
    desk.handle_turn(turn);
    for placed in gateways {
        placed.lane.handle_turn(turn);
    }
}

/// The lane that a token stands for, and its line; `None` for the bell's.
fn place<'w>(
    feeds: &'w mut [Placed],
    gateways: &'w mut [Placed],
    Token(token): Token,
) -> Option<(&'w mut Placed, u8)> {
    let (index, line) = (token / LINES, (token % LINES) as u8);
    let placed = match index.checked_sub(feeds.len()) {
        None => feeds.get_mut(index),
        Some(gateway) => gateways.get_mut(gateway),
    };
    Some((placed?, line))
}

fn token(lane: usize, line: u8) -> Token {
    Token(lane * LINES + usize::from(line))
}

fn usage() -> Usage {
    let sys::ThreadUsage {
        minor_faults,
        major_faults,
        involuntary_switches,
        voluntary_switches: _,
    } = sys::thread_usage();
    Usage {
        faults_minor: minor_faults,
        faults_major: major_faults,
        switches_involuntary: involuntary_switches,
    }
}

#[cfg(test)]
mod tests;
