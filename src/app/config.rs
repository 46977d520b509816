//! The configuration file: one TOML file, every key checked, every mistake named with its line.
//! Opens no connection and reads no secret; a key that it does not know is refused, never ignored.

mod feeds;
mod read;
mod sections;
mod values;

use crate::exchange::{self, Limits, Streams};
use read::Reader;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes of a configuration file, at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a run is made of. Plain data: every number is inside its documented range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How the engine runs on this host.
    pub engine: Engine,
    /// Options of every socket.
    pub socket: Socket,
    /// At least one.
    pub feeds: Vec<Feed>,
    /// Who trades: needed only for live orders.
    pub account: Option<Account>,
    /// What decides.
    pub strategy: Strategy,
    /// What every order must keep to.
    pub risk: Risk,
}

/// How the engine runs on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// What a worker does while there is nothing to do.
    pub wait: Wait,
    /// Levels a side that a book keeps: 256, 1024 or 4096.
    pub depth: usize,
}

impl Default for Engine {
    fn default() -> Self {
        let (wait, depth) = (Wait::Auto, 1024);
        Self { wait, depth }
    }
}

/// What a worker does while there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Wait {
    /// Polls without end: the shortest reaction, and a whole core.
    Spin,
    /// Sleeps in the kernel until something happens.
    Park,
    /// Spins where each spinning worker has a core of its own and one is left for the system.
    #[default]
    Auto,
}

impl Wait {
    /// As configuration and reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Park => "park",
            Self::Auto => "auto",
        }
    }
}

/// Options of every socket. What is not set keeps the host's own default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Socket {
    /// `SO_BUSY_POLL`, in microseconds.
    pub busy_poll_us: Option<u32>,
    /// `TCP_USER_TIMEOUT`, in milliseconds.
    pub user_timeout_ms: Option<u32>,
    /// `SO_RCVBUF`, in bytes.
    pub receive_buffer_bytes: Option<u32>,
}

/// Market data of one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// A name from the registry of exchanges.
    pub exchange: String,
    /// `host:port` of the market streams; `None` is the exchange's own.
    pub stream: Option<String>,
    /// `host:port` of the REST service; `None` is the exchange's own.
    pub rest: Option<String>,
    /// PEM file of one more certificate authority to trust, beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Symbols as the exchange writes them: 1 to 1,000, none twice.
    pub instruments: Vec<String>,
    /// What each instrument is followed on.
    pub streams: Streams,
    /// Levels a side that snapshots are asked for.
    pub snapshot_levels: u16,
    /// Instruments that share one connection.
    pub instruments_per_connection: usize,
}

impl Feed {
    /// Instruments of each connection, in order: the shards of this feed.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = &[String]> {
        self.instruments.chunks(self.instruments_per_connection)
    }

    /// Streams that one instrument is followed on.
    pub fn streams_per_instrument(&self) -> usize {
        1 + usize::from(self.streams.trades) + usize::from(self.streams.quotes)
    }
}

/// An account at an exchange. Where its keys are, not what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// A name from the registry of exchanges; one that has a feed.
    pub exchange: String,
    /// `host:port` of order entry; `None` is the exchange's own.
    pub orders: Option<String>,
    /// PEM file of one more certificate authority to trust on the order connection.
    pub ca_file: Option<PathBuf>,
    /// Where the API key is.
    pub api_key: SecretSource,
    /// Where the PEM of the private key is.
    pub private_key: SecretSource,
}

/// Where a secret is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file of our own with mode 0600 or stricter.
    File(PathBuf),
    /// A systemd credential (`LoadCredential=`) of this name.
    Credential(String),
    /// An environment variable of this name.
    Env(String),
}

/// Which strategy decides, and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// `imbalance`.
    Imbalance(Imbalance),
}

/// Buys or sells one quantity when one side of the book outweighs the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Imbalance {
    /// Levels a side that are weighed, 1 to 10.
    pub depth: usize,
    /// Imbalance that must be exceeded, above 0 and below 1.
    pub threshold: f64,
    /// Pause after an intent, for each instrument.
    pub cooldown_ms: u64,
    /// Quantity of an order: a plain decimal above zero, in base currency.
    pub quantity: String,
}

/// Limits that every order must keep to. Decimals are plain text and above zero: they become
/// integers once an instrument's scale is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// Largest quantity of one order, in base currency.
    pub quantity_max: String,
    /// Largest price times quantity of one order, in quote currency.
    pub notional_max: String,
    /// How far a price may be from our own book, in hundredths of a percent, 1 to 10,000.
    pub price_collar_bps: u32,
    /// Orders in any one second, 1 to 1,000.
    pub orders_per_s: u32,
    /// Orders that may be open at once, over all instruments, 1 to 256.
    pub open_orders_max: u32,
}

/// An exchange that configuration may name, and the limits that its feed must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// As configuration writes it.
    pub name: &'static str,
    /// Of its connections and snapshots.
    pub limits: Limits,
}

impl Known {
    /// The exchanges of this build.
    pub fn all() -> Vec<Self> {
        let known = |exchange: &&dyn exchange::Exchange| Self {
            name: exchange.name(),
            limits: exchange.limits(),
        };
        exchange::ALL.iter().map(known).collect()
    }
}

impl Config {
    /// Reads and checks a file. The error lists every mistake that was found.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let text = read_text(path).map_err(|what| ConfigErrors(vec![whole_file(path, what)]))?;
        Self::parse(path, &text, &Known::all())
    }

    /// Checks `text`, which came from `path`: relative paths in it start at the folder of `path`.
    pub fn parse(path: &Path, text: &str, known: &[Known]) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(path, text);
        let config = sections::config(&mut reader, known);
        match config {
            Some(config) if reader.errors.is_empty() => Ok(config),
            _ => {
                reader
                    .errors
                    .sort_by_key(|error| (error.line, error.column));
                Err(ConfigErrors(reader.errors))
            }
        }
    }
}

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One mistake, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's path, as it was given.
    pub file: String,
    /// Counts from 1; zero where the whole file is meant.
    pub line: usize,
    /// In characters, counts from 1.
    pub column: usize,
    /// The mistake and the remedy, on one line.
    pub what: String,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            what,
        } = self;
        match line {
            0 => write!(f, "{file}: {what}"),
            _ => write!(f, "{file}:{line}:{column}: {what}"),
        }
    }
}

impl std::error::Error for ConfigErrors {}

fn whole_file(path: &Path, what: String) -> ConfigError {
    let file = path.display().to_string();
    ConfigError {
        file,
        line: 0,
        column: 0,
        what,
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "longer than {FILE_BYTES_MAX} bytes: not a configuration file"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + count_lines(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        format!("not UTF-8 text at line {line}: save it as UTF-8")
    })
}

fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}
