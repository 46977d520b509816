//! The whole road on a virtual clock: lanes and desk as `Road` builds them, and at the other end
//! of every connection a simulated exchange behind real TLS and WebSocket. One thread runs both
//! sides, nothing waits, and time jumps to whatever is due next. The same seed gives the same run.

use super::connection::Connection;
use super::exchanges::EPOCH;
pub use super::exchanges::{Exchanges, Markets, Trust};
use super::pipe::{End, pipe};
use super::tls::Servers;
use crate::base::{Clock, Instrument, InstrumentId, Nanos, Note, Snapshot, Span, UnixNanos};
use crate::exchange::Exchange;
use crate::venue::faults::{Planned, Step, Struck};
use crate::venue::kept::Kept;
use crate::venue::limits::Exceeded;
use crate::venue::{Venue, Venues};
use crate::watch::audit::{Auditor, BookAudit, Shown, Truth};
use crate::watch::latency::Histograms;
use crate::wiring::ask::{Answer, Ask};
use crate::wiring::desk::{Desk, DeskEnd};
use crate::wiring::lane::{LINES, Lane, Output};
use crate::wiring::plan::Plan;
use crate::wiring::road::{Bells, FeedRoad, Road};
use crate::wiring::tally::Tally;
use crate::wiring::turn::{Notes, Turn};
use std::cell::Cell;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Where the clock begins: whatever counts back from now stays above zero.
const START: Nanos = Nanos::from_secs(1_000);
/// Bytes that a connection holds in each direction.
const PIPE_BYTES: usize = 1 << 20;
/// Log records that may wait until the next look.
const NOTES: usize = 65_536;
/// Where every name of an exchange is: nothing is dialled for real.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 443);
/// An address at which nobody ever answers.
const DEAD: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 443);
/// Levels per side that snapshots are asked for, if the exchange gives as many.
const SNAPSHOT_LEVELS: u16 = 1_000;
/// Rounds that one moment may take before a lane counts as never coming to an end.
const ROUNDS_MAX: usize = 100_000;

/// Time that the driver sets, and how far the wall clock was set since it began.
struct VirtualClock(Cell<Nanos>, Cell<i64>);

impl Clock for VirtualClock {
    fn now(&self) -> Nanos {
        self.0.get()
    }

    fn unix(&self) -> UnixNanos {
        let right = EPOCH.0.saturating_add_unsigned(self.0.get().0);
        UnixNanos(right.saturating_add(self.1.get()))
    }
}

/// What a judge needs: the exchange had this book, or strategies were shown that one.
#[derive(Debug, Clone, Copy)]
pub enum Seen {
    /// At this time, the exchange.
    Truth(Nanos, Truth),
    /// The engine.
    Shown(Shown),
}

/// A feed lane, and what answers its requests.
struct Fed {
    road: FeedRoad<End>,
    exchange: &'static dyn Exchange,
}

/// The exchange's end of a connection, and whose it is: the feeds' in their order, then the
/// gateway's.
struct Far {
    lane: usize,
    line: u8,
    end: End,
    connection: Connection,
    gone: bool,
}

/// Both sides, and the time between them.
pub struct World {
    clock: VirtualClock,
    instruments: Arc<[Instrument]>,
    feeds: Vec<Fed>,
    desk: Desk,
    gateways: Vec<Box<dyn Lane<End>>>,
    venues: Venues,
    server: Arc<Servers>,
    far: Vec<Far>,
    auditor: Auditor,
    /// For whoever looks; nothing while nobody does.
    seen: Option<Vec<Seen>>,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<Note>,
    /// What came out of `log`: while much waits there, no order is admitted.
    told: Vec<Note>,
    buffer: Vec<u8>,
    /// Where names lead to, as the host is told.
    addresses: Vec<SocketAddr>,
    /// Answers that are late, when they come, and to which lane.
    late: Vec<(Nanos, usize, Answer)>,
    /// The engine does nothing until then.
    stopped_until: Nanos,
}

/// What a world's run leaves behind.
pub struct WorldEnd {
    /// What the lanes counted.
    pub tally: Tally,
    /// What the desk leaves behind.
    pub desk: DeskEnd,
    /// What the audit found of each book, by instrument id: every one that was shown was compared
    /// with the exchange's own.
    pub books: Vec<BookAudit>,
    /// The log, in order.
    pub notes: Vec<Note>,
    /// The faults of market data that struck and were not taken before.
    pub struck: Vec<Struck>,
    /// How often a limit was exceeded, by the exchanges' own count.
    pub exceeded: Exceeded,
}

impl World {
    /// A world in which nothing has happened yet. The plan's endpoints must be these exchanges'.
    ///
    /// # Errors
    /// In words, when the road cannot be built.
    pub fn new(exchanges: Exchanges, plan: Plan) -> Result<Self, String> {
        let instruments = plan.instruments.clone();
        let of: Vec<_> = plan.lanes.iter().map(|lane| lane.feed.exchange).collect();
        let road = Road::build(plan, &Bells::silent())?;
        let feeds = road.feeds.into_iter().zip(of);
        let (sender, log) = crossbeam_channel::bounded(NOTES);
        // Nothing takes time on a virtual clock: nobody reads what is timed.
        let (histograms, _) = Histograms::new(0, &[]);
        Ok(Self {
            clock: VirtualClock(Cell::new(START), Cell::new(0)),
            feeds: feeds
                .map(|(road, exchange)| Fed { road, exchange })
                .collect(),
            desk: road.desk,
            gateways: road.gateways,
            venues: Venues::new(exchanges.venues),
            server: exchanges.trust.server(),
            far: Vec::new(),
            auditor: Auditor::new(&instruments, true),
            seen: None,
            instruments,
            histograms,
            notes: Notes::new(sender),
            log,
            told: Vec::new(),
            buffer: vec![0; PIPE_BYTES],
            addresses: vec![ADDRESS],
            late: Vec::new(),
            stopped_until: Nanos::ZERO,
        })
    }

    /// Lets something go wrong between an exchange's accounts and their clients.
    pub fn plan(&mut self, exchange: &str, planned: Planned) {
        let of = |venue: &&mut Venue| venue.exchange.name() == exchange;
        if let Some(venue) = self.venues.all.iter_mut().find(of) {
            venue.faults.get_mut().plan(planned);
        }
    }

    /// Lets so many of a million requests to accounts of this exchange go wrong, in ways that the
    /// seed decides.
    pub fn by_chance(&mut self, exchange: &str, seed: u64, ppm: u32) {
        let of = |venue: &&mut Venue| venue.exchange.name() == exchange;
        if let Some(venue) = self.venues.all.iter_mut().find(of) {
            venue.faults.get_mut().by_chance(seed, ppm);
        }
    }

    /// Lets something go wrong with market data, so long from now as the step says.
    ///
    /// # Errors
    /// In words, when the step is about an exchange or an instrument that is not here.
    pub fn plan_market(&mut self, step: &Step) -> Result<(), String> {
        self.venues.plan(self.now(), step)
    }

    /// The faults of market data that struck since the last call, in the order of time.
    pub fn take_struck(&mut self) -> Vec<Struck> {
        self.venues.take_struck()
    }

    /// What was seen since the last call; the first call begins to keep it.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        self.seen.replace(Vec::new()).unwrap_or_default()
    }

    /// What the exchanges themselves keep of every account.
    pub fn accounts(&self) -> Vec<Kept> {
        self.venues.all.iter().flat_map(Venue::kept).collect()
    }

    /// The time that it is.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Sets the host's wall clock so far ahead of the exchanges', in nanoseconds, or behind them.
    pub fn set_clock(&mut self, ahead_ns: i64) {
        self.clock.1.set(ahead_ns);
    }

    /// Lets names lead nowhere, or to where the exchanges are again.
    pub fn lose_names(&mut self, lost: bool) {
        self.addresses = if lost { Vec::new() } else { vec![ADDRESS] };
    }

    /// Lets each name have an address in front at which nobody ever answers, or no longer.
    pub fn kill_address(&mut self, dead: bool) {
        self.addresses = match dead {
            true => vec![DEAD, ADDRESS],
            false => vec![ADDRESS],
        };
    }

    /// Stops the engine for so long, as a process is stopped; the exchanges go on.
    pub fn stop(&mut self, span: Span) {
        self.stopped_until = self.now() + span;
    }

    /// Runs for this time.
    ///
    /// # Errors
    /// In words, when one moment never comes to an end.
    pub fn run(&mut self, span: Span) -> Result<(), String> {
        let until = self.now() + span;
        loop {
            self.turn_all()?;
            self.told.extend(self.log.try_iter());
            if self.now() >= until {
                return Ok(());
            }
            // What is overdue waits for something else.
            let next = self.poll_timeout().max(self.now() + Span(1));
            self.clock.0.set(next.min(until));
        }
    }

    /// The run is over: what each part leaves behind.
    pub fn finish(mut self) -> WorldEnd {
        let now = self.now();
        let mut tally = Tally {
            at: now,
            ..Tally::default()
        };
        for lane in 0..self.lanes() {
            self.with(|lane, _| lane.tally(&mut tally), lane);
        }
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        let desk = self.desk.finish(&mut turn);
        self.auditor.finish(now);
        self.told.extend(self.log.try_iter());
        let ids = self.instruments.iter().map(|instrument| instrument.id);
        let mut exceeded = Exceeded::default();
        for venue in &self.venues.all {
            exceeded += venue.gate.exceeded;
        }
        WorldEnd {
            tally,
            desk,
            books: ids.filter_map(|id| self.auditor.result(id)).collect(),
            notes: self.told,
            struck: self.venues.take_struck(),
            exceeded,
        }
    }

    fn poll_timeout(&self) -> Nanos {
        let feeds = self.feeds.iter().map(|fed| fed.road.lane.poll_timeout());
        let gateways = self.gateways.iter().map(|lane| lane.poll_timeout());
        let far = self.far.iter();
        let far = far.map(|far| far.connection.poll_timeout(&self.venues));
        let markets = self.venues.all.iter().map(Venue::poll_timeout);
        let late = self.late.iter().map(|(due, ..)| *due);
        let ours = feeds.chain(gateways).chain(late);
        let ours = ours.chain([self.desk.poll_timeout()]).min();
        let ours = ours.unwrap_or(Nanos::NEVER).max(self.stopped_until);
        let theirs = far.chain(markets).min();
        ours.min(theirs.unwrap_or(Nanos::NEVER))
    }

    fn lanes(&self) -> usize {
        self.feeds.len() + self.gateways.len()
    }

    /// Lends the lane of this number a turn: the feeds in their order, then the gateways.
    fn with<R>(
        &mut self,
        work: impl FnOnce(&mut dyn Lane<End>, &mut Turn) -> R,
        lane: usize,
    ) -> Option<R> {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        let feeds = self.feeds.len();
        let lane = match self.feeds.get_mut(lane) {
            Some(fed) => &mut fed.road.lane,
            None => self.gateways.get_mut(lane - feeds)?,
        };
        Some(work(lane.as_mut(), &mut turn))
    }

    /// Does everything that happens at this moment, until nothing moves.
    fn turn_all(&mut self) -> Result<(), String> {
        let now = self.now();
        self.advance(now);
        if now >= self.stopped_until {
            self.answer_late(now);
        }
        for _ in 0..ROUNDS_MAX {
            let mut moved = self.turn_exchanges(now);
            if now < self.stopped_until {
                if moved {
                    continue;
                }
                return Ok(());
            }
            for lane in 0..self.lanes() {
                moved |= self.turn_lane(now, lane);
            }
            moved |= self.turn_desk();
            if !moved {
                return Ok(());
            }
        }
        Err(format!("at {} ns something never comes to an end", now.0))
    }

    /// Moves the markets up to `now`, and publishes each event while its book stands at it.
    fn advance(&mut self, now: Nanos) {
        for (at, venue) in self.venues.all.iter_mut().enumerate() {
            while venue.step(now) {
                let news = venue.take_news();
                let far = self.far.iter_mut().map(|far| &mut far.connection);
                for connection in far.filter(|one| one.venue() == Some(at)) {
                    connection.handle_news(venue, &news);
                }
            }
        }
    }

    /// The exchanges read, answer, publish and write. True if a byte moved.
    fn turn_exchanges(&mut self, now: Nanos) -> bool {
        let mut moved = false;
        for n in 0..self.far.len() {
            let far = &mut self.far[n];
            while far.end.is_readable() && !far.gone {
                match far.end.read(&mut self.buffer) {
                    Ok(0) => far.gone = true,
                    Ok(count) => {
                        let bytes = &self.buffer[..count];
                        far.connection.handle_input(now, bytes, &mut self.venues);
                        moved = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => far.gone = true,
                }
            }
            // A request by REST may have caused something too, at whichever exchange.
            for (at, venue) in self.venues.all.iter_mut().enumerate() {
                let news = venue.take_news();
                if news.is_empty() {
                    continue;
                }
                let all = self.far.iter_mut().map(|far| &mut far.connection);
                for connection in all.filter(|one| one.venue() == Some(at)) {
                    connection.handle_news(venue, &news);
                }
            }
        }
        for far in &mut self.far {
            far.connection.handle_timeout(now, &self.venues);
        }
        let truths = self.venues.all.iter_mut();
        for truth in truths.flat_map(Venue::take_truths) {
            self.auditor.truth(&truth);
            if let Some(seen) = &mut self.seen {
                seen.push(Seen::Truth(now, truth));
            }
        }
        for far in &mut self.far {
            while !far.connection.output().is_empty() && !far.gone {
                match far.end.write(far.connection.output()) {
                    Ok(count) => {
                        far.connection.consume(count);
                        moved = true;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => far.gone = true,
                }
            }
            far.gone |= far.connection.over(now).is_some();
        }
        self.far.retain(|far| !far.gone);
        moved
    }

    /// What a worker does with a lane in a turn. True if something moved.
    fn turn_lane(&mut self, now: Nanos, lane: usize) -> bool {
        let mut moved = false;
        for line in 0..LINES as u8 {
            let readable = |lane: &mut dyn Lane<End>, _: &mut Turn| {
                lane.stream_mut(line).is_some_and(|end| end.is_readable())
            };
            if self.with(readable, lane) == Some(true) {
                self.with(|lane, turn| lane.handle_ready(turn, line), lane);
                moved = true;
            }
        }
        let work = |lane: &mut dyn Lane<End>, turn: &mut Turn| {
            let worked = lane.handle_turn(turn);
            let due = lane.poll_timeout() <= now;
            if due {
                lane.handle_timeout(turn, now);
            }
            worked
        };
        moved |= self.with(work, lane) == Some(true);
        while let Some(output) = self
            .with(|lane, turn| lane.poll_output(turn, now), lane)
            .flatten()
        {
            moved = true;
            match output {
                Output::Dial { line, address } => self.dial(now, lane, line, address),
                Output::Ask(ask) => {
                    if let Some(answer) = self.answer(now, lane, ask) {
                        self.with(|lane, turn| lane.handle_answer(turn, now, answer), lane);
                    }
                }
            }
        }
        let fed = self.feeds.get_mut(lane);
        if let Some(audits) = fed.and_then(|fed| fed.road.shown.as_mut()) {
            while let Ok(shown) = audits.pop() {
                self.auditor.shown(&shown);
                if let Some(seen) = &mut self.seen {
                    seen.push(Seen::Shown(shown));
                }
            }
        }
        moved
    }

    fn turn_desk(&mut self) -> bool {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        let due = self.desk.poll_timeout() <= self.clock.now();
        if due {
            self.desk.handle_timeout(&mut turn);
        }
        due || (self.desk.has_input() && self.desk.handle_turn(&mut turn) > 0)
    }

    fn dial(&mut self, now: Nanos, lane: usize, line: u8, address: SocketAddr) {
        let (ours, theirs) = pipe(PIPE_BYTES, None);
        self.far.retain(|far| (far.lane, far.line) != (lane, line));
        let mut connection = Connection::new(now, ADDRESS.ip(), self.server.clone());
        if address == DEAD {
            connection.deafen();
        }
        self.far.push(Far {
            lane,
            line,
            end: theirs,
            connection,
            gone: false,
        });
        let open = |lane: &mut dyn Lane<End>, turn: &mut Turn| {
            lane.handle_dialed(now, line, Ok(ours));
            // A new socket is writable, which only an event would say.
            lane.handle_ready(turn, line);
        };
        self.with(open, lane);
    }

    /// What the clerk would answer.
    fn answer(&mut self, now: Nanos, lane: usize, ask: Ask) -> Option<Answer> {
        match ask {
            Ask::Addresses => Some(Answer::Addresses(self.addresses.clone())),
            Ask::Snapshot { id, .. } => self.snapshot(now, lane, id),
            // Nothing that is listed here changes.
            Ask::Instrument(id) => {
                let listed = self.instruments.get(id.index())?;
                Some(Answer::Instrument(Box::new(*listed)))
            }
        }
    }

    /// A snapshot, or that there is none; nothing, if the answer is late.
    fn snapshot(&mut self, now: Nanos, lane: usize, id: InstrumentId) -> Option<Answer> {
        let exchange = self.feeds.get(lane)?.exchange;
        let instrument = self.instruments.get(id.index())?;
        let levels = exchange.limits().snapshot_levels_max.min(SNAPSHOT_LEVELS);
        let Some(request) = exchange.snapshot_request(&instrument.symbol, levels) else {
            return Some(Answer::Snapshot(id, None));
        };
        let host = exchange.endpoints().rest;
        let reply = self.venues.rest(now, ADDRESS.ip(), &host, request.call());
        let body = (reply.status == 200).then(|| reply.body.into_bytes());
        let snapshot = body.and_then(|body| exchange.snapshot(body, instrument, levels).ok());
        let snapshot = snapshot.map(|snapshot| Snapshot {
            asked: now,
            ..snapshot
        });
        let answer = Answer::Snapshot(id, snapshot.map(Box::new));
        if reply.late == Span::ZERO {
            return Some(answer);
        }
        self.late.push((now + reply.late, lane, answer));
        None
    }

    /// Gives the lanes what was late and is due.
    fn answer_late(&mut self, now: Nanos) {
        let due: Vec<_> = self.late.extract_if(.., |(due, ..)| *due <= now).collect();
        for (_, lane, answer) in due {
            self.with(|lane, turn| lane.handle_answer(turn, now, answer), lane);
        }
    }
}
