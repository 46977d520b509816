//! The clerk: resolves names and fetches snapshots over HTTPS, so that no worker ever blocks on either.
//! Decides nothing: when to ask again is the asker's business.
//!
//! One thread resolves, and one a host fetches: a host that does not answer holds up nobody else.

use super::sys;
use crate::base::{Instrument, InstrumentId, Nanos, Snapshot};
use crate::conn::Limiter;
use crate::conn::tls::{self, TlsSetupError};
use crate::exchange::Exchange;
use crate::wiring::ring::Bell;
use crossbeam_channel::{Receiver, Sender};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A whole request, connect to last byte, takes at most this long.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer that is read (exchangeInfo of a whole exchange is about 10 MB).
const BODY_MAX_BYTES: u64 = 32 << 20;
/// Weight of our requests to one host in any one minute. Binance bans at 6,000: the rest is for what else
/// runs behind our address.
const WEIGHT_PER_MINUTE: u32 = 5_000;
/// What a request for metadata weighs.
const METADATA_WEIGHT: u32 = 20;
/// Jobs that may wait in each queue; a worker that finds no room asks again later.
const JOBS_MAX: usize = 4_096;
/// How long a host is left alone after a 429 or 418 that does not say in seconds.
const BAN_DEFAULT: Nanos = Nanos::from_secs(60);
/// The longest ban that exchanges document is three days.
const BAN_S_MAX: u64 = 3 * 24 * 3600;

/// Why a fetch failed, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchError {
    /// The exchange answered, but not with 200.
    Status(u16, String),
    /// No answer: connect, TLS, time-out, too long.
    Transport(String),
    /// An answer that could not be decoded.
    Decode(&'static str),
    /// Our own budget for this host is spent, or the host has asked us to stay away.
    Limited,
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status, body) => write!(f, "HTTP {status}: {}", body.escape_debug()),
            Self::Transport(error) => write!(f, "{error}"),
            Self::Decode(why) => write!(f, "the answer could not be decoded: {why}"),
            Self::Limited => write!(f, "the request budget of this host is spent for now"),
        }
    }
}

/// What one host still takes from us. Feeds that share the host share it, as they share our address.
struct Budget {
    weight: Limiter,
    banned_until: Nanos,
}

impl Budget {
    fn new() -> Self {
        Self {
            weight: Limiter::new(WEIGHT_PER_MINUTE, Nanos::from_secs(60)),
            banned_until: Nanos::ZERO,
        }
    }

    fn spend(&mut self, now: Nanos, weight: u32) -> Result<(), FetchError> {
        if now < self.banned_until || self.weight.admit_weighing(now, weight).is_err() {
            return Err(FetchError::Limited);
        }
        Ok(())
    }

    /// The host sent us away; `retry_after` is what it says for how long.
    fn ban(&mut self, now: Nanos, retry_after: Option<&str>) {
        let asked_s = retry_after.and_then(|text| text.trim().parse::<u64>().ok());
        let span = asked_s.map_or(BAN_DEFAULT, |s| Nanos::from_secs(s.min(BAN_S_MAX)));
        self.banned_until = self.banned_until.max(now + span);
    }
}

/// One REST host, with its connection kept alive, its budget, and its bans.
pub struct Rest {
    agent: ureq::Agent,
    base: String,
    budget: Arc<Mutex<Budget>>,
}

impl Rest {
    /// A client for `host:port`; `extra_ca_pem` is trusted beside the public authorities.
    pub fn new(host_port: &str, extra_ca_pem: Option<&[u8]>) -> Result<Self, TlsSetupError> {
        let roots = tls::root_certs(extra_ca_pem)?
            .iter()
            .map(|cert| ureq::tls::Certificate::from_der(cert).to_owned())
            .collect::<Vec<_>>();
        let tls = ureq::tls::TlsConfig::builder()
            .provider(ureq::tls::TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(ureq::tls::RootCerts::new_with_certs(&roots))
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(REQUEST_DEADLINE))
            .user_agent(concat!("tickwire/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base: format!("https://{host_port}"),
            budget: Arc::new(Mutex::new(Budget::new())),
        })
    }

    /// The body of `GET path`, a request for metadata.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, FetchError> {
        self.get_weighing(path, METADATA_WEIGHT)
    }

    fn with_budget<T>(&self, run: impl FnOnce(&mut Budget) -> T) -> T {
        // Whoever panicked while holding it left whole numbers behind.
        run(&mut self.budget.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get_weighing(&mut self, path: &str, weight: u32) -> Result<Vec<u8>, FetchError> {
        self.with_budget(|budget| budget.spend(sys::monotonic(), weight))?;
        let transport = |error: ureq::Error| FetchError::Transport(error.to_string());
        let mut response = self
            .agent
            .get(format!("{}{path}", self.base))
            .call()
            .map_err(transport)?;
        let status = response.status().as_u16();
        if matches!(status, 418 | 429) {
            let asked = response
                .headers()
                .get("retry-after")
                .and_then(|v| v.to_str().ok());
            self.with_budget(|budget| budget.ban(sys::monotonic(), asked));
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(BODY_MAX_BYTES)
            .read_to_vec()
            .map_err(transport)?;
        if status != 200 {
            let text = String::from_utf8_lossy(&body).chars().take(200).collect();
            return Err(FetchError::Status(status, text));
        }
        Ok(body)
    }
}

/// What the clerk must know of a lane to work for it.
pub struct Client {
    /// `host:port` of the lane's WebSocket.
    pub stream: String,
    /// None for a lane that needs none.
    pub snapshots: Option<SnapshotSource>,
    /// Where answers go.
    pub replies: Sender<Reply>,
    /// Rung after each answer.
    pub bell: Arc<Bell>,
}

/// Where a lane's snapshots come from.
pub struct SnapshotSource {
    /// Index into the clerk's hosts.
    pub host: usize,
    /// Whose paths and formats are used.
    pub exchange: &'static dyn Exchange,
    /// Levels a side that are asked for.
    pub levels: u16,
}

/// A request from a lane: two words, so that asking allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Index into the clerk's clients.
    pub lane: usize,
    /// What to do.
    pub task: Task,
}

/// What the clerk is asked to do for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Addresses of the lane's stream host.
    Resolve,
    /// A snapshot of this instrument.
    Snapshot(InstrumentId),
}

/// The clerk's answer to a lane.
#[derive(Debug)]
pub struct Reply {
    /// Index into the clerk's clients.
    pub lane: usize,
    /// What came of it.
    pub answer: Answer,
}

/// What came of a task.
#[derive(Debug)]
pub enum Answer {
    /// To [`Task::Resolve`]: at least one address, or the resolver's words.
    Resolved(Result<Vec<SocketAddr>, String>),
    /// To [`Task::Snapshot`]: decoded, or why there is none.
    Snapshot(InstrumentId, Result<Box<Snapshot>, FetchError>),
}

/// The way to the clerk. Never blocks.
#[derive(Clone)]
pub struct Jobs {
    resolver: Sender<Job>,
    /// One a host.
    fetchers: Vec<Sender<Job>>,
    /// The host of each lane's snapshots.
    hosts: Arc<[Option<usize>]>,
}

impl Jobs {
    /// Hands a job over. False when it cannot be taken: then no answer follows.
    pub fn send(&self, job: Job) -> bool {
        let queue = match job.task {
            Task::Resolve => Some(&self.resolver),
            Task::Snapshot(_) => self.hosts[job.lane].map(|host| &self.fetchers[host]),
        };
        queue.is_some_and(|queue| queue.try_send(job).is_ok())
    }
}

/// The running threads. They end with it.
pub struct Clerk {
    /// The way to it.
    pub jobs: Jobs,
    stop: Arc<AtomicBool>,
}

/// What every thread of the clerk knows.
#[derive(Clone)]
struct Office {
    clients: Arc<[Client]>,
    instruments: Arc<[Instrument]>,
    stop: Arc<AtomicBool>,
}

impl Clerk {
    /// Starts the threads. `hosts` are the REST hosts that clients name by index.
    pub fn start(
        clients: Vec<Client>,
        mut hosts: Vec<Rest>,
        instruments: Arc<[Instrument]>,
    ) -> std::io::Result<Self> {
        share_budgets(&mut hosts);
        let lanes = clients
            .iter()
            .map(|client| client.snapshots.as_ref().map(|from| from.host))
            .collect();
        let office = Office {
            clients: clients.into(),
            instruments,
            stop: Arc::default(),
        };
        let stop = office.stop.clone();
        let answer =
            |office: &Office, job: Job| Answer::Resolved(resolve(&office.clients[job.lane].stream));
        let resolver = office.clone().hire("tickwire-names", answer)?;
        let mut fetchers = Vec::new();
        for mut host in hosts {
            let answer = move |office: &Office, job: Job| match job.task {
                Task::Snapshot(id) => {
                    let fetched = match &office.clients[job.lane].snapshots {
                        Some(from) => fetch(from, &mut host, &office.instruments[id.index()]),
                        None => Err(FetchError::Decode("this lane has no snapshot source")),
                    };
                    Answer::Snapshot(id, fetched)
                }
                Task::Resolve => Answer::Resolved(Err("a fetcher resolves nothing".into())),
            };
            fetchers.push(office.clone().hire("tickwire-fetch", answer)?);
        }
        let jobs = Jobs {
            resolver,
            fetchers,
            hosts: lanes,
        };
        Ok(Self { jobs, stop })
    }

    /// Ends the threads, and drops the jobs that still wait. A request that is under way is not
    /// waited for: its thread ends with it, and its answer goes nowhere.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Office {
    /// Starts a thread that answers jobs until it is told to stop, or until nobody can send one.
    fn hire(
        self,
        name: &str,
        mut answer: impl FnMut(&Self, Job) -> Answer + Send + 'static,
    ) -> std::io::Result<Sender<Job>> {
        let (jobs, inbox): (_, Receiver<Job>) = crossbeam_channel::bounded(JOBS_MAX);
        let work = move || {
            for job in inbox {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                let (lane, answer) = (job.lane, answer(&self, job));
                let client = &self.clients[lane];
                if client.replies.send(Reply { lane, answer }).is_ok() {
                    client.bell.ring();
                }
            }
        };
        std::thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(jobs)
    }
}

/// A host counts our requests by address, not by feed.
fn share_budgets(hosts: &mut [Rest]) {
    for host in 1..hosts.len() {
        let (before, rest) = hosts.split_at_mut(host);
        if let Some(same) = before.iter().find(|other| other.base == rest[0].base) {
            rest[0].budget = same.budget.clone();
        }
    }
}

fn fetch(
    from: &SnapshotSource,
    host: &mut Rest,
    instrument: &Instrument,
) -> Result<Box<Snapshot>, FetchError> {
    let path = from.exchange.snapshot_path(&instrument.symbol, from.levels);
    let weight = from.exchange.snapshot_weight(from.levels);
    let body = host.get_weighing(&path, weight)?;
    let snapshot = from.exchange.snapshot(body, instrument, from.levels);
    snapshot
        .map(Box::new)
        .map_err(|why| FetchError::Decode(why.name()))
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
