//! The thread `tickwire-sim`: sockets and clocks around the simulated exchange. Parks in epoll;
//! knows no protocol.

mod thread;

use super::clock::OsClock;
use super::recorder;
use super::sys;
use crate::base::{Instrument, Nanos, Span, UnixNanos};
use crate::exchange::{self, DepthStream, Exchange};
use crate::venue::directory::{Venues, host_names};
use crate::venue::faults::{Planned, Step, Struck};
use crate::venue::market;
use crate::venue::recording::{Files, Indexed, Recording, RecordingError};
use crate::venue::simulated::{Source, Venue};
use crate::watch::audit::Truth;
use crate::world::sim::{tls, tls::Certificates};
use crossbeam_channel::Receiver;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Instant;
use thread::{Shared, Thread};

pub(crate) use crate::venue::limits::Exceeded;
pub use crate::venue::market::{Coin, coins};
pub use crate::venue::play::Speed;

/// Truths that may wait for a reader; further ones are dropped and counted.
pub(crate) const TRUTHS_MAX: usize = 4096;

/// What to start.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Decides every order of the flow.
    pub seed: u64,
    /// The exchanges that are simulated, by their names in the registry.
    pub exchanges: Vec<String>,
    /// What each exchange lists, 1 to 1,000 assets; see [`coins`].
    pub coins: Vec<Coin>,
    /// Messages in a second that all instruments of all exchanges make together, about: books (at
    /// most ten an instrument), prints and quotes. `None` leaves each as lively as it is.
    pub messages_per_s: Option<u64>,
    /// Of a million requests to accounts, so many go wrong, in ways that the seed decides.
    pub account_faults_ppm: u32,
    /// What goes wrong with market data, from the start on.
    pub market_faults: Vec<Step>,
    /// Faults of market data come by chance, too, so long apart on average at each exchange: the
    /// seed decides which.
    pub market_faults_every: Option<Span>,
    /// Tells the truth behind its books; see [`Sim::truth`].
    pub truth: bool,
    /// What it publishes.
    pub source: SimSource,
    /// It is in the process of an engine, whose workers go first if they share a CPU.
    pub beside_engine: bool,
}

impl Default for SimOptions {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen,
            seed: 1,
            exchanges: vec![exchange::unnamed().name().to_owned()],
            coins: coins(3),
            messages_per_s: None,
            account_faults_ppm: 0,
            market_faults: Vec::new(),
            market_faults_every: None,
            truth: true,
            source: SimSource::Flow,
            beside_engine: true,
        }
    }
}

/// Where its market data comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum SimSource {
    /// Seeded order flow into matching engines.
    Flow,
    /// A recording of those of the exchanges that it holds something of.
    Play {
        /// A file (JSON lines, gzip, zstd or plain), or the folder of a recording run.
        path: PathBuf,
        /// How fast.
        speed: Speed,
    },
}

/// Why the simulated exchange did not start.
#[derive(Debug)]
pub enum SimError {
    /// The address cannot be listened on: it is in use, or not ours.
    Listen(SocketAddr, io::Error),
    /// The address is not one of this host's loopback addresses.
    NotLoopback(SocketAddr),
    /// No exchange of this build is called so, or there is none at all.
    Exchange(String),
    /// The recording holds nothing of the exchanges that are to play it; what it leaves out.
    NotPlayed(PathBuf, String),
    /// The recording cannot be read.
    Recording(PathBuf, RecordingError),
    /// What is to go wrong is about nothing that is simulated.
    Faults(String),
    /// The certificates could not be made.
    Certificates(String),
    /// The system gave no thread.
    Thread(io::Error),
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(addr, error) => write!(f, "cannot listen on {addr}: {error}"),
            Self::NotLoopback(addr) => {
                write!(
                    f,
                    "{addr} is not a loopback address: the simulated exchange stays on this host"
                )
            }
            Self::Exchange(name) => write!(f, "\"{name}\": no such exchange to simulate"),
            Self::NotPlayed(path, why) => {
                let path = path.display();
                write!(
                    f,
                    "recording {path}: holds nothing that can be played here{why}"
                )
            }
            Self::Recording(path, error) => write!(f, "recording {}: {error}", path.display()),
            Self::Faults(why) => write!(f, "faults: {why}"),
            Self::Certificates(why) => write!(f, "cannot make certificates: {why}"),
            Self::Thread(error) => write!(f, "cannot start the thread tickwire-sim: {error}"),
        }
    }
}

impl std::error::Error for SimError {}

/// What the simulated exchange did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimProgress {
    /// Market data frames, over all sessions.
    pub frames_sent: u64,
    /// Every connection that a recording is played on has got it to the last byte.
    pub played_out: bool,
    /// Orders that were accepted.
    pub orders: u64,
    /// Connections that were accepted, and those open now.
    pub(crate) sessions: u64,
    /// Connections that are open now.
    pub sessions_open: u64,
    /// Clients that were cut because they read too slowly.
    pub slow_cuts: u64,
    /// Truths that found the channel full.
    pub(crate) truths_dropped: u64,
    /// Limits that clients went over, by the exchanges' own count.
    pub exceeded: Exceeded,
}

/// A simulated exchange, and what it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name in the registry.
    pub(crate) exchange: &'static str,
    /// Symbols as it writes them.
    pub(crate) symbols: Vec<String>,
    /// The instruments themselves.
    pub(crate) instruments: Vec<Instrument>,
    /// If a recording is played: the streams that brought its books.
    pub(crate) depths: Vec<&'static DepthStream>,
}

/// The running simulated exchange. Stops and joins its thread when dropped.
pub struct Sim {
    addr: SocketAddr,
    ca_pem: String,
    listed: Vec<Listed>,
    unnamed: &'static dyn Exchange,
    left_out: Vec<String>,
    truth: Receiver<Truth>,
    started: Instant,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the simulated exchange on a thread of its own.
///
/// # Errors
/// When the address cannot be listened on, or the recording cannot be played from its first line to
/// its last.
pub fn start(options: SimOptions) -> Result<Sim, SimError> {
    if !options.listen.ip().is_loopback() {
        return Err(SimError::NotLoopback(options.listen));
    }
    let listener = mio::net::TcpListener::bind(options.listen)
        .map_err(|error| SimError::Listen(options.listen, error))?;
    let addr = listener
        .local_addr()
        .map_err(|error| SimError::Listen(options.listen, error))?;
    let exchanges = exchanges(&options)?;
    let Built {
        venues,
        started,
        left_out,
    } = match &options.source {
        SimSource::Flow => flowing(&options, &exchanges),
        SimSource::Play { path, speed } => playing(path, *speed, &exchanges)?,
    };
    let mut venues: Vec<Venue> = match options.truth {
        true => venues.into_iter().map(Venue::with_truth).collect(),
        false => venues,
    };
    for venue in &mut venues {
        let faults = venue.faults.get_mut();
        faults.by_chance(options.seed, options.account_faults_ppm);
    }
    let listed = venues.iter().map(listed).collect();
    let mut venues = Venues::new(venues);
    for step in &options.market_faults {
        venues.plan(Nanos::ZERO, step).map_err(SimError::Faults)?;
    }
    if let Some(mean) = options.market_faults_every {
        venues.by_chance(Nanos::ZERO, options.seed, mean);
    }
    let names = venues.all.iter();
    let names = names.flat_map(|venue| host_names(venue.exchange));
    let Certificates { ca_pem, server } =
        tls::certificates(names, Arc::new(OsClock)).map_err(SimError::Certificates)?;
    let beside_engine = options.beside_engine;
    let (truths, truth) = crossbeam_channel::bounded(TRUTHS_MAX);
    let unnamed = venues.unnamed();
    let (mut thread, shared) =
        Thread::new(listener, venues, server, truths, started).map_err(SimError::Thread)?;
    let thread = std::thread::Builder::new()
        .name("tickwire-sim".to_owned())
        .spawn(move || {
            if beside_engine {
                sys::step_back();
            }
            thread.run()
        });
    let thread = Some(thread.map_err(SimError::Thread)?);
    Ok(Sim {
        addr,
        ca_pem,
        listed,
        unnamed,
        left_out,
        truth,
        started,
        shared,
        thread,
    })
}

impl Sim {
    /// Where it listens: market streams, REST and order entry alike.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The certificate authority that clients must trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Its exchanges, and their instruments.
    pub(crate) fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// Who is meant by its bare address.
    pub(crate) fn unnamed(&self) -> &'static dyn Exchange {
        self.unnamed
    }

    /// What a recording that is played holds and is not played, for a person to read.
    pub(crate) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The symbols of one exchange, none of one that is not simulated.
    pub fn symbols(&self, exchange: &str) -> &[String] {
        let found = self
            .listed
            .iter()
            .find(|listed| listed.exchange == exchange);
        found.map_or(&[], |listed| &listed.symbols)
    }

    /// The truth at each published update id and shown book, at the scales of the exchange's own
    /// metadata. Always sent before the bytes that it is about; a recording has none.
    pub fn truth(&self) -> &Receiver<Truth> {
        &self.truth
    }

    /// Lets something go wrong between an exchange's accounts and their clients. It holds from the
    /// next request on that the exchange reads.
    pub fn plan(&self, exchange: &str, planned: Planned) {
        self.shared.plan(exchange, planned);
    }

    /// Lets something go wrong with market data, so long from now as the step says.
    ///
    /// # Errors
    /// In words, when the step is about an exchange or an instrument that is not here.
    pub fn plan_market(&self, step: Step) -> Result<(), String> {
        let listed = self.listed.iter();
        let symbols = |one: &'_ Listed| one.instruments.iter().map(|one| one.symbol).collect();
        step.fits(listed.map(|one| (one.exchange, symbols(one))))?;
        self.shared.plan_market(step);
        Ok(())
    }

    /// Its clock, which counts from the start.
    pub(crate) fn now(&self) -> Nanos {
        thread::now(self.started)
    }

    /// The faults of market data that struck since the last call, in the order of time, by
    /// its clock.
    pub fn take_struck(&self) -> Vec<Struck> {
        self.shared.take_struck()
    }

    /// What it did so far.
    pub fn progress(&self) -> SimProgress {
        self.shared.progress()
    }

    /// True while the thread runs. If it does not although nobody stopped it, it has panicked,
    /// or cannot poll.
    pub(crate) fn is_whole(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Stops and joins the thread; gives its last counts.
    pub(crate) fn stop(mut self) -> SimProgress {
        self.join();
        self.shared.progress()
    }

    fn join(&mut self) {
        self.shared.stop.store(true, Relaxed);
        // The thread wakes within its longest park also when the waker fails.
        let _ = self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.join();
    }
}

fn exchanges(options: &SimOptions) -> Result<Vec<&'static dyn Exchange>, SimError> {
    let find =
        |name: &String| exchange::by_name(name).ok_or_else(|| SimError::Exchange(name.clone()));
    let mut found: Vec<&'static dyn Exchange> = Vec::new();
    for name in &options.exchanges {
        let exchange = find(name)?;
        if !found.iter().any(|other| other.name() == exchange.name()) {
            found.push(exchange);
        }
    }
    if found.is_empty() {
        return Err(SimError::Exchange(String::new()));
    }
    Ok(found)
}

/// The exchanges, and the moment that is their time zero.
struct Built {
    venues: Vec<Venue>,
    started: Instant,
    left_out: Vec<String>,
}

/// Exchanges with an order flow.
fn flowing(options: &SimOptions, exchanges: &[&'static dyn Exchange]) -> Built {
    let listed = |exchange: &&'static dyn Exchange| market::quotes(exchange.mirror()).count();
    let books = options.coins.len() * exchanges.iter().map(listed).sum::<usize>();
    let pause = options.messages_per_s.map(|rate| pause(rate, books as u64));
    let (epoch, started) = (unix_now(), Instant::now());
    let venue = |exchange: &&'static dyn Exchange| {
        let market = market::listed(exchange.mirror(), &options.coins, pause);
        Venue::flow(*exchange, market, options.seed, epoch)
    };
    Built {
        venues: exchanges.iter().map(venue).collect(),
        started,
        left_out: Vec::new(),
    }
}

/// Those of the exchanges that the recording holds something of.
fn playing(
    path: &Path,
    speed: Speed,
    exchanges: &[&'static dyn Exchange],
) -> Result<Built, SimError> {
    let files = recorder::series_of(path);
    let indexed = Recording::index(Files {
        count: files.len(),
        open: Box::new(move |n| recorder::open(&files[n])),
    });
    let Indexed {
        mut recordings,
        left_out,
    } = indexed.map_err(|error| SimError::Recording(path.to_owned(), error))?;
    let is_asked = |one: &Recording| {
        let mut all = exchanges.iter();
        all.any(|exchange| exchange.name() == one.exchange.name())
    };
    recordings.retain(is_asked);
    if recordings.is_empty() {
        let why = left_out.iter().map(|why| format!("; {why}")).collect();
        return Err(SimError::NotPlayed(path.to_owned(), why));
    }
    let (epoch, started) = (unix_now(), Instant::now());
    let venue = |recording| Venue::play(recording, speed, epoch);
    Ok(Built {
        venues: recordings.into_iter().map(venue).collect(),
        started,
        left_out,
    })
}

/// Prints and changes of the best bid or ask that one action makes, on average: measured.
const BESIDE: f64 = 0.5;

/// The mean time between two actions on one of `books`, which together make about this many
/// messages per second.
fn pause(messages_per_s: u64, books: u64) -> Span {
    let wanted = messages_per_s as f64 / books as f64;
    // A depth stream speaks ten times a second, if anything happened: of `x` actions in a tenth of
    // a second, the chance of none is about exp(-x). Prints and quotes come beside, as many as
    // there are actions for.
    let made = |actions: f64| 10.0 * (1.0 - (-actions / 10.0).exp()) + BESIDE * actions;
    let (mut few, mut many) = (0.01, 1e6);
    for _ in 0..60 {
        let middle = (few + many) / 2.0;
        if made(middle) < wanted {
            few = middle;
        } else {
            many = middle;
        }
    }
    Span((1e9 / many) as u64)
}

fn listed(venue: &Venue) -> Listed {
    let listings = venue.listings.iter();
    let instruments: Vec<Instrument> = listings.map(|listing| listing.instrument).collect();
    Listed {
        exchange: venue.exchange.name(),
        symbols: instruments
            .iter()
            .map(|one| one.symbol.to_string())
            .collect(),
        instruments,
        depths: match &venue.source {
            Source::Flow(_) => Vec::new(),
            Source::Play(recording, _) => recording.depths.clone(),
        },
    }
}

fn unix_now() -> UnixNanos {
    sys::realtime().max(UnixNanos(0))
}
