//! The thread `tickwire-sim`: sockets and clocks around the simulated exchange. Parks in epoll; knows no protocol.

mod thread;

use crate::base::UnixNanos;
use crate::exchange::binance_spot::mirror::Listing;
use crate::watch::audit::Truth;
use crate::world::sim::recording::{Open, Reader, Recording, RecordingError};
use crate::world::sim::venue::Venue;
use crate::world::sim::{tls, tls::Certificates};
use crossbeam_channel::Receiver;
use flate2::bufread::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};
use thread::{Shared, Thread};

pub use crate::world::sim::play::Speed;

/// Truths that may wait for a reader; further ones are dropped and counted.
pub const TRUTHS_MAX: usize = 4096;

/// What to start.
#[derive(Debug, Clone)]
pub struct SimOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Decides every order of the flow.
    pub seed: u64,
    /// What it publishes.
    pub source: SimSource,
}

impl Default for SimOptions {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen,
            seed: 1,
            source: SimSource::Flow,
        }
    }
}

/// Where its market data comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum SimSource {
    /// Seeded order flow into matching engines: BTCUSDT, ETHUSDT, SOLUSDT.
    Flow,
    /// A recording (JSON lines, gzip or plain).
    Play {
        /// The file.
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
    /// The recording cannot be read.
    Recording(PathBuf, RecordingError),
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
            Self::Recording(path, error) => write!(f, "recording {}: {error}", path.display()),
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
    /// A recording was played to its end on every connection that it is played on, down to the last byte.
    pub played_out: bool,
    /// Orders that were accepted.
    pub orders: u64,
    /// Connections that were accepted, and those open now.
    pub sessions: u64,
    /// Connections that are open now.
    pub sessions_open: u64,
    /// Clients that were cut because they read too slowly.
    pub slow_cuts: u64,
    /// Truths that found the channel full.
    pub truths_dropped: u64,
}

/// The running simulated exchange. Stops and joins its thread when dropped.
pub struct Sim {
    addr: SocketAddr,
    ca_pem: String,
    symbols: Vec<String>,
    truth: Receiver<Truth>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the simulated exchange on a thread of its own.
///
/// # Errors
/// When the address cannot be listened on, or the recording cannot be played from its first line to its last.
pub fn start(options: SimOptions) -> Result<Sim, SimError> {
    if !options.listen.ip().is_loopback() {
        return Err(SimError::NotLoopback(options.listen));
    }
    let listener = mio::net::TcpListener::bind(options.listen)
        .map_err(|error| SimError::Listen(options.listen, error))?;
    let addr = listener
        .local_addr()
        .map_err(|error| SimError::Listen(options.listen, error))?;
    let (venue, started) = venue(&options)?;
    let symbol = |listing: &Listing| listing.instrument.symbol.as_str().to_owned();
    let symbols = venue.listings.iter().map(symbol).collect();
    let Certificates { ca_pem, server } = tls::certificates().map_err(SimError::Certificates)?;
    let (truths, truth) = crossbeam_channel::bounded(TRUTHS_MAX);
    let (mut thread, shared) =
        Thread::new(listener, venue, server, truths, started).map_err(SimError::Thread)?;
    let thread = std::thread::Builder::new()
        .name("tickwire-sim".to_owned())
        .spawn(move || thread.run());
    let thread = Some(thread.map_err(SimError::Thread)?);
    Ok(Sim {
        addr,
        ca_pem,
        symbols,
        truth,
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

    /// Its instruments; [`Truth::instrument`] is an index into them.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// The truth at each published update id and served snapshot, at 8 decimals of price and quantity
    /// (the precisions of `exchangeInfo`). Always sent before the bytes that it is about; a recording has none.
    pub fn truth(&self) -> &Receiver<Truth> {
        &self.truth
    }

    /// Drops the receiving end, so that no truth is made room for any more.
    pub fn ignore_truth(&mut self) {
        self.truth = crossbeam_channel::never();
    }

    /// What it did so far.
    pub fn progress(&self) -> SimProgress {
        self.shared.progress()
    }

    /// Stops and joins the thread; gives its last counts.
    pub fn stop(mut self) -> SimProgress {
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

/// The venue, and the moment that is its time zero.
fn venue(options: &SimOptions) -> Result<(Venue, Instant), SimError> {
    match &options.source {
        SimSource::Flow => {
            let (epoch, started) = (unix_now(), Instant::now());
            Ok((Venue::flow(options.seed, epoch), started))
        }
        SimSource::Play { path, speed } => {
            let recording = Recording::index(opener(path.clone()))
                .map_err(|error| SimError::Recording(path.clone(), error))?;
            let (epoch, started) = (unix_now(), Instant::now());
            Ok((Venue::play(recording, *speed, epoch), started))
        }
    }
}

fn unix_now() -> UnixNanos {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Opens this recording as often as it is asked to.
pub fn opener(path: PathBuf) -> Open {
    Box::new(move || open_recording(&path))
}

/// Opens a recording, unpacking gzip where its first bytes say so.
fn open_recording(path: &Path) -> io::Result<Reader> {
    let mut file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let packed = file.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    if packed {
        return Ok(Box::new(BufReader::with_capacity(
            64 * 1024,
            MultiGzDecoder::new(file),
        )));
    }
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "is named .gz and is not gzip",
        ));
    }
    Ok(Box::new(file))
}
