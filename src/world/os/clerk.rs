//! The clerk: resolves names and fetches snapshots and metadata over HTTPS, so that no worker ever
//! blocks on either. Fetches what matters most first, and never more than a host takes. When to ask
//! again is for the lane to decide.
//!
//! One thread resolves, and one per host fetches: a host that does not answer holds up nobody else.

mod plan;
mod rest;

use super::clock::monotonic;
use super::sys;
use crate::base::{Instrument, InstrumentId, Nanos, Note, Severity, Snapshot, Span, Value};
use crate::exchange::{Exchange, Listings, RestRequest};
use crate::wiring::ask::{Answer, Ask};
use crate::wiring::ring::Bell;
use crate::wiring::turn::Notes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
pub(crate) use plan::Plan;
use plan::{Queue, Urgency, Waiting};
pub(crate) use rest::target;
pub use rest::{FetchError, Rest};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Jobs that may wait in each queue; a worker that finds no room asks again later.
const JOBS_MAX: usize = 4_096;
/// How often an idle thread looks whether the run is over.
const LOOK: Span = Span::from_millis(500);
/// From one look at an exchange's metadata to the next. Ticks change a few times a year, and are
/// announced.
pub(crate) const METADATA_EVERY: Span = Span::from_secs(600);
/// The clerk asks at most this often for metadata that a lane misses.
const METADATA_SOONEST: Span = Span::from_secs(30);
/// A snapshot that will be asked for later than this has its time logged.
const ETA_LOGGED: Span = Span::from_secs(2);

/// What the clerk must know of a lane to work for it.
pub(crate) struct Client {
    /// `host:port` of the lane's WebSocket.
    pub(crate) stream: String,
    /// None for a lane that needs none.
    pub(crate) market: Option<MarketSource>,
    /// Where answers go.
    pub(crate) replies: Sender<Reply>,
    /// Rung after each answer.
    pub(crate) bell: Arc<Bell>,
}

/// Where a lane's snapshots and metadata come from.
pub(crate) struct MarketSource {
    /// Index into the clerk's hosts.
    pub(crate) host: usize,
    /// Whose paths and formats are used.
    pub(crate) exchange: &'static dyn Exchange,
    /// Levels a side that are asked for.
    pub(crate) levels: u16,
    /// What the lane follows.
    pub(crate) instruments: Vec<InstrumentId>,
}

/// A request from a lane: two words, so that asking allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    /// Index into the clerk's clients.
    pub(crate) lane: usize,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// The clerk's answer to a lane.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Index into the clerk's clients.
    pub(crate) lane: usize,
    /// What came of it.
    pub(crate) answer: Answer,
}

/// The way to the clerk. Never blocks.
#[derive(Clone)]
pub(crate) struct Jobs {
    resolver: Sender<Job>,
    /// One per host.
    fetchers: Vec<Sender<Job>>,
    /// The host of each lane's snapshots and metadata.
    hosts: Arc<[Option<usize>]>,
}

impl Jobs {
    /// Hands a job over. False when it cannot be taken: then no answer follows.
    pub(crate) fn send(&self, job: Job) -> bool {
        let queue = match job.ask {
            Ask::Addresses => Some(&self.resolver),
            Ask::Snapshot { .. } | Ask::Instrument(_) => {
                self.hosts[job.lane].map(|host| &self.fetchers[host])
            }
        };
        queue.is_some_and(|queue| queue.try_send(job).is_ok())
    }
}

/// How far the snapshots of a run are, over all hosts. Written by the clerk, read by whoever shows
/// it.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Snapshots that wait for their host's budget.
    pub(crate) waiting: AtomicU64,
    /// When the last of them will have been asked for, in the worker's own time; zero if none
    /// waits.
    pub(crate) done_by_ns: AtomicU64,
}

/// The running threads. They end with it.
pub(crate) struct Clerk {
    /// The way to it.
    pub(crate) jobs: Jobs,
    /// What waits at each host.
    pub(crate) backlogs: Vec<Arc<Backlog>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What every thread of the clerk knows.
#[derive(Clone)]
struct Office {
    clients: Arc<[Client]>,
    /// How urgent each instrument is, by id; 0 is the most urgent.
    ranks: Arc<[u8]>,
    notes: Notes,
    stop: Arc<AtomicBool>,
}

impl Clerk {
    /// Starts the threads. `hosts` are the REST hosts that clients name by index; `ranks` says of
    /// each instrument how urgent it is, 0 the most.
    pub(crate) fn start(
        clients: Vec<Client>,
        hosts: Vec<Rest>,
        instruments: &[Instrument],
        ranks: &[u8],
        notes: Notes,
    ) -> std::io::Result<Self> {
        debug_assert_eq!(instruments.len(), ranks.len());
        let markets = clients.iter().map(|client| client.market.as_ref());
        let lanes: Arc<[_]> = markets
            .map(|market| market.map(|market| market.host))
            .collect();
        let office = Office {
            clients: clients.into(),
            ranks: ranks.into(),
            notes,
            stop: Arc::default(),
        };
        let stop = office.stop.clone();
        let (resolver, inbox) = crossbeam_channel::bounded(JOBS_MAX);
        let names = office.clone();
        let mut threads = vec![spawn("tickwire-names", move || names.resolve_all(&inbox))?];
        let (mut fetchers, mut backlogs) = (Vec::new(), Vec::new());
        for (host, rest) in hosts.into_iter().enumerate() {
            let (jobs, inbox) = crossbeam_channel::bounded(JOBS_MAX);
            let fetcher = Fetcher::new(office.clone(), host, rest, instruments);
            backlogs.push(fetcher.backlog.clone());
            threads.push(spawn("tickwire-fetch", move || fetcher.run(&inbox))?);
            fetchers.push(jobs);
        }
        let jobs = Jobs {
            resolver,
            fetchers,
            hosts: lanes,
        };
        Ok(Self {
            jobs,
            backlogs,
            stop,
            threads,
        })
    }

    /// True while every thread runs. One that does not has panicked.
    pub(crate) fn is_whole(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Ends the threads, and drops the jobs that still wait. It does not wait for a request that is
    /// under way: that thread ends with its request, and the answer goes nowhere.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let work = move || {
        sys::step_back();
        work();
    };
    std::thread::Builder::new().name(name.into()).spawn(work)
}

impl Office {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn resolve_all(&self, inbox: &Receiver<Job>) {
        for job in inbox {
            if self.stopped() {
                return;
            }
            let found = resolve(&self.clients[job.lane].stream).unwrap_or_else(|error| {
                let note = Note::new(monotonic(), Severity::Warn, "resolve.failed");
                self.notes.send(note.text(&error));
                Vec::new()
            });
            self.reply(job.lane, Answer::Addresses(found));
        }
    }

    fn reply_snapshot(
        &self,
        lane: usize,
        id: InstrumentId,
        fetched: Result<Box<Snapshot>, FetchError>,
    ) {
        if let Err(error) = &fetched {
            let note = Note::new(monotonic(), Severity::Warn, "snapshot.failed");
            self.notes
                .send(note.instrument(id).text(&error.to_string()));
        }
        self.reply(lane, Answer::Snapshot(id, fetched.ok()));
    }

    fn reply(&self, lane: usize, answer: Answer) {
        let client = &self.clients[lane];
        if client.replies.send(Reply { lane, answer }).is_ok() {
            client.bell.ring();
        }
    }
}

/// The thread of one host.
struct Fetcher {
    office: Office,
    host: usize,
    rest: Rest,
    queue: Queue<Job>,
    backlog: Arc<Backlog>,
    /// Its own copy of the run's table: what the exchange said last.
    instruments: Vec<Instrument>,
    /// The exchanges that it serves: feeds of one exchange share its host.
    exchanges: Vec<&'static dyn Exchange>,
    metadata_due: Nanos,
    metadata_asked: Nanos,
    /// What waits and was said to.
    announced: Vec<Job>,
}

impl Fetcher {
    fn new(office: Office, host: usize, rest: Rest, instruments: &[Instrument]) -> Self {
        let mut exchanges: Vec<&'static dyn Exchange> = Vec::new();
        for market in office
            .clients
            .iter()
            .filter_map(|client| client.market.as_ref())
        {
            let known = exchanges
                .iter()
                .any(|known| known.name() == market.exchange.name());
            if market.host == host && !known {
                exchanges.push(market.exchange);
            }
        }
        let now = monotonic();
        Self {
            office,
            host,
            rest,
            queue: Queue::new(),
            backlog: Arc::default(),
            instruments: instruments.to_vec(),
            exchanges,
            metadata_due: now + METADATA_EVERY,
            metadata_asked: now,
            announced: Vec::new(),
        }
    }

    /// Runs until it is told to stop, or until nobody is left who could ask.
    fn run(mut self, inbox: &Receiver<Job>) {
        while !self.office.stopped() {
            let before = self.queue.len();
            inbox.try_iter().for_each(|job| self.take(job));
            let now = monotonic();
            if self.queue.len() > before {
                self.announce(now);
            }
            if now >= self.metadata_due {
                self.refresh_metadata(now);
                continue;
            }
            match self.queue.pop(now, &mut self.rest.plan) {
                Ok(waiting) => self.serve(waiting),
                Err(until) => {
                    let next = until.min(self.metadata_due).min(now + LOOK);
                    let span = Duration::from_nanos(next.since(now).0);
                    match inbox.recv_timeout(span) {
                        Ok(job) => {
                            self.take(job);
                            self.announce(now);
                        }
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        }
    }

    fn take(&mut self, job: Job) {
        match job.ask {
            Ask::Snapshot { id, repeat } => match self.request(job, id) {
                Some(request) => {
                    let rank = self
                        .office
                        .ranks
                        .get(id.index())
                        .copied()
                        .unwrap_or(u8::MAX);
                    let urgency = Urgency { repeat, rank };
                    self.queue.push(urgency, request.weight, job);
                }
                None => {
                    let why = FetchError::Decode("snapshots of this exchange come in its stream");
                    self.office.reply_snapshot(job.lane, id, Err(why));
                }
            },
            Ask::Instrument(_) => {
                let soonest = self.metadata_asked + METADATA_SOONEST;
                self.metadata_due = self.metadata_due.min(soonest);
            }
            Ask::Addresses => {} // The other thread's.
        }
    }

    fn request(&self, job: Job, id: InstrumentId) -> Option<RestRequest> {
        let market = self.office.clients[job.lane].market.as_ref()?;
        let instrument = self.instruments.get(id.index())?;
        market
            .exchange
            .snapshot_request(&instrument.symbol, market.levels)
    }

    /// Logs for each snapshot, once, when it will be asked for, if that is not now, and how much
    /// waits in all. A more urgent request may come later and put it off.
    fn announce(&mut self, now: Nanos) {
        let schedule = self.queue.schedule(now, &self.rest.plan);
        let last = schedule.last().map_or(0, |(_, at)| at.0);
        self.backlog.done_by_ns.store(last, Ordering::Relaxed);
        self.backlog
            .waiting
            .store(schedule.len() as u64, Ordering::Relaxed);
        for (job, at) in schedule {
            let (Ask::Snapshot { id, .. }, wait) = (job.ask, at.since(now)) else {
                continue;
            };
            if wait >= ETA_LOGGED && !self.announced.contains(&job) {
                self.announced.push(job);
                let note = Note::new(now, Severity::Info, "snapshot.planned").instrument(id);
                let wait_ms = Value::Int(wait.as_millis() as i64);
                self.office.notes.send(note.with("live_in_ms", wait_ms));
            }
        }
    }

    fn serve(&mut self, waiting: Waiting<Job>) {
        let (job, left) = (waiting.job, self.queue.len() as u64);
        self.backlog.waiting.store(left, Ordering::Relaxed);
        self.announced.retain(|told| *told != job);
        let Ask::Snapshot { id, .. } = job.ask else {
            return;
        };
        let Some(request) = self.request(job, id) else {
            return;
        };
        let asked = monotonic();
        let fetched = match self.rest.fetch_admitted(&request, None) {
            Err(FetchError::SentAway(status, body)) => {
                // It keeps its place: the host is left alone as long as it asked.
                let now = monotonic();
                let span_ms = self.rest.plan.banned_until().since(now).as_millis();
                let note = Note::new(now, Severity::Warn, "rest.sent_away")
                    .with("status", Value::Int(i64::from(status)))
                    .with("for_ms", Value::Int(span_ms as i64));
                self.office.notes.send(note.text(&body));
                self.queue.put_back(waiting);
                self.announce(now);
                return;
            }
            Err(error) => Err(error),
            Ok(body) => self.decode(job, id, &request, body).map(|mut snapshot| {
                snapshot.asked = asked;
                snapshot
            }),
        };
        if let Some(time) = self.rest.take_time() {
            self.office.reply(job.lane, Answer::Time(time));
        }
        self.office.reply_snapshot(job.lane, id, fetched);
    }

    fn decode(
        &self,
        job: Job,
        id: InstrumentId,
        request: &RestRequest,
        body: Vec<u8>,
    ) -> Result<Box<Snapshot>, FetchError> {
        let market = self.office.clients[job.lane].market.as_ref();
        let market = market.ok_or(FetchError::Decode("this lane has no market"))?;
        let instrument = &self.instruments[id.index()];
        let copy = self.rest.copy(&body);
        let snapshot = market.exchange.snapshot(body, instrument, market.levels);
        let taken_in = snapshot.is_ok().then_some(id);
        self.rest
            .keep_copy(market.exchange, request, copy, taken_in);
        snapshot
            .map(Box::new)
            .map_err(|why| FetchError::Decode(why.name()))
    }

    /// Asks every exchange of this host what it lists, and tells lanes what has changed of theirs.
    fn refresh_metadata(&mut self, now: Nanos) {
        (self.metadata_due, self.metadata_asked) = (now + METADATA_EVERY, now);
        for exchange in self.exchanges.clone() {
            let listed = match metadata(&mut self.rest, exchange, &[]) {
                Ok(listed) => listed,
                Err(why) => {
                    let note = Note::new(now, Severity::Warn, "metadata.failed");
                    self.office
                        .notes
                        .send(note.exchange(exchange.name()).text(&why.to_string()));
                    self.metadata_due = now + METADATA_SOONEST;
                    continue;
                }
            };
            for fresh in listed.instruments {
                self.compare(now, exchange, fresh);
            }
            self.tell_time();
        }
    }

    /// Tells every lane of this host what the newest answer said of the host's clock.
    fn tell_time(&mut self) {
        let Some(time) = self.rest.take_time() else {
            return;
        };
        for (lane, client) in self.office.clients.iter().enumerate() {
            let market = client.market.as_ref();
            if market.is_some_and(|market| market.host == self.host) {
                self.office.reply(lane, Answer::Time(time));
            }
        }
    }

    fn compare(&mut self, now: Nanos, exchange: &dyn Exchange, fresh: Instrument) {
        let mut known = self.instruments.iter_mut();
        let same = |known: &&mut Instrument| {
            known.exchange == exchange.name() && known.symbol == fresh.symbol
        };
        let Some(known) = known.find(same) else {
            return;
        };
        let fresh = Instrument {
            id: known.id,
            ..fresh
        };
        if fresh == *known {
            return;
        }
        *known = fresh;
        let note = Note::new(now, Severity::Info, "metadata.changed").instrument(fresh.id);
        self.office.notes.send(note);
        for (lane, client) in self.office.clients.iter().enumerate() {
            let follows = client.market.as_ref().is_some_and(|market| {
                market.host == self.host && market.instruments.contains(&fresh.id)
            });
            if follows {
                self.office.reply(lane, Answer::Instrument(Box::new(fresh)));
            }
        }
    }
}

/// What an exchange lists: of `symbols` at least, of all if there is none.
pub(crate) fn metadata(
    rest: &mut Rest,
    exchange: &dyn Exchange,
    symbols: &[&str],
) -> Result<Listings, FetchError> {
    let mut listed = Listings::default();
    for request in exchange.metadata_requests(symbols) {
        let mut next = Some(request);
        while let Some(request) = next {
            let body = rest.fetch(&request)?;
            rest.keep(exchange, &request, &body);
            listed.extend(exchange.metadata(&body).map_err(FetchError::Metadata)?);
            next = exchange.metadata_next(&body);
        }
    }
    Ok(listed)
}

fn resolve(host_port: &str) -> Result<Vec<SocketAddr>, String> {
    let addresses: Vec<SocketAddr> = host_port
        .to_socket_addrs()
        .map_err(|error| format!("{host_port}: {error}"))?
        .collect();
    if addresses.is_empty() {
        return Err(format!("{host_port}: no address"));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
