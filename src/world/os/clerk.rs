//! The clerk thread: resolves names and fetches snapshots over HTTPS, so that no worker ever blocks on
//! either. Decides nothing: when to ask again is the asker's business.

use crate::base::{Instrument, InstrumentId, Snapshot};
use crate::conn::Limiter;
use crate::conn::tls::{self, TlsSetupError};
use crate::exchange::Exchange;
use crate::wiring::ring::Bell;
use crossbeam_channel::{Receiver, Sender};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A whole request, connect to last byte, takes at most this long.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer that is read (exchangeInfo of a whole exchange is about 10 MB).
const BODY_MAX_BYTES: u64 = 32 << 20;
/// Requests to one host in any one minute: 100 snapshots of 1,000 levels cost 5,000 of Binance's 6,000 weight.
const REQUESTS_PER_MINUTE: u32 = 100;
/// Jobs that may wait; a worker that finds no room asks again later.
const JOBS_MAX: usize = 4_096;
/// How long a host is left alone after a 429 or 418 that does not say.
const BAN_DEFAULT: Duration = Duration::from_secs(60);

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

/// One REST host, with its connection kept alive, its budget, and its bans.
pub struct Rest {
    agent: ureq::Agent,
    base: String,
    budget: Limiter,
    banned_until: Option<Instant>,
    started: Instant,
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
            budget: Limiter::new(REQUESTS_PER_MINUTE, crate::base::Nanos::from_secs(60)),
            banned_until: None,
            started: Instant::now(),
        })
    }

    /// The body of `GET path`.
    pub fn get(&mut self, path: &str) -> Result<Vec<u8>, FetchError> {
        let now = Instant::now();
        let since_start = now.duration_since(self.started).as_nanos() as u64;
        let banned = self.banned_until.is_some_and(|until| now < until);
        if banned || self.budget.admit(crate::base::Nanos(since_start)).is_err() {
            return Err(FetchError::Limited);
        }
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
            let seconds = asked.and_then(|v| v.parse().ok()).map(Duration::from_secs);
            self.banned_until = now.checked_add(seconds.unwrap_or(BAN_DEFAULT));
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
    pub bell: Arc<Bell>,
}

/// Where a lane's snapshots come from.
pub struct SnapshotSource {
    /// Index into the clerk's hosts.
    pub host: usize,
    pub exchange: &'static dyn Exchange,
    /// Levels a side that are asked for.
    pub levels: u16,
}

/// A request from a lane: two words, so that asking allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Index into the clerk's clients.
    pub lane: usize,
    pub task: Task,
}

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
    pub lane: usize,
    pub answer: Answer,
}

#[derive(Debug)]
pub enum Answer {
    Resolved(Result<Vec<SocketAddr>, String>),
    Snapshot(InstrumentId, Result<Box<Snapshot>, FetchError>),
}

/// The running thread. It ends when every sender of jobs is gone.
pub struct Clerk {
    pub jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

impl Clerk {
    /// Starts the thread. `hosts` are the REST hosts that clients name by index.
    pub fn start(
        clients: Vec<Client>,
        hosts: Vec<Rest>,
        instruments: Arc<[Instrument]>,
    ) -> std::io::Result<Self> {
        let (jobs, inbox) = crossbeam_channel::bounded(JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("tickwire-clerk".into())
            .spawn(move || work(&inbox, &clients, hosts, &instruments))?;
        Ok(Self { jobs, thread })
    }

    /// Waits for the thread's end. Jobs that still wait are dropped with their senders.
    pub fn stop(self) {
        drop(self.jobs);
        // A panic of the clerk was printed by the runtime; the run's end is orderly all the same.
        let _ = self.thread.join();
    }
}

fn work(inbox: &Receiver<Job>, clients: &[Client], mut hosts: Vec<Rest>, all: &[Instrument]) {
    for job in inbox {
        let client = &clients[job.lane];
        let answer = match job.task {
            Task::Resolve => Answer::Resolved(resolve(&client.stream)),
            Task::Snapshot(id) => {
                let fetched = match &client.snapshots {
                    Some(from) => fetch(from, &mut hosts[from.host], &all[id.index()]),
                    None => Err(FetchError::Decode("this lane has no snapshot source")),
                };
                Answer::Snapshot(id, fetched)
            }
        };
        if client
            .replies
            .send(Reply {
                lane: job.lane,
                answer,
            })
            .is_ok()
        {
            client.bell.ring();
        }
    }
}

fn fetch(
    from: &SnapshotSource,
    host: &mut Rest,
    instrument: &Instrument,
) -> Result<Box<Snapshot>, FetchError> {
    let path = from.exchange.snapshot_path(&instrument.symbol, from.levels);
    let body = host.get(&path)?;
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
