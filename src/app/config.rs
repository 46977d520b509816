//! The configuration file: one TOML file, every key checked, every mistake named with its line.
//! Opens no connection and reads no secret; a key that it does not know is refused, never ignored.

mod faults;
mod feeds;
mod keys;
mod levels;
mod limits;
mod market;
mod network;
mod read;
mod sections;
mod values;

use crate::base::{Asset, UnixNanos};
use crate::conn::KeyHeader;
use crate::exchange::{self, DepthStream, Limits, Streams};
use crate::strategy::{self, Kind, Values};
use crate::trading::limits::{RiskParams, StrategyParams};
use crate::venue::faults::Step;
use crate::venue::market::Coin;
use crate::venue::paper::FeesPpm;
use crate::world::os::socket::SocketOptions;
pub(crate) use network::{Way, proxy_to};
use read::Reader;
pub(crate) use sections::value_of;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a configuration file, at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a run is made of. Plain data: every number is inside its documented range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How the engine runs on this host.
    pub engine: Engine,
    /// Options of every socket.
    pub socket: SocketOptions,
    /// How hosts are reached, unless a feed says otherwise.
    pub(crate) proxy: Way,
    /// At least one.
    pub feeds: Vec<Feed>,
    /// The exchanges that this process simulates, if it does.
    pub(crate) simulate: Option<Simulate>,
    /// Who trades, at most one at each exchange: needed only for live orders.
    pub accounts: Vec<Account>,
    /// The strategies that decide, each with a name of its own; at least one.
    pub strategies: Vec<Strategy>,
    /// What every order must keep to. What strategies have of their own stands with them.
    pub risk: RiskParams,
    /// Keys of `[strategy]` and `[risk]` that the file leaves to their defaults. Orders that leave
    /// the process need all of them written out.
    pub unwritten: Vec<ConfigError>,
}

/// How the engine runs on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// What a worker does while there is nothing to do.
    pub wait: Wait,
    /// Levels per side that a book keeps: 256, 1024 or 4096.
    pub depth: usize,
    /// How long an exchange may be without a connection, at any time of a run. If `None`, only what
    /// is down at the end counts.
    pub(crate) down_max: Option<Duration>,
    /// Whenever this file is there, the run is killed: no order leaves.
    pub(crate) kill_file: Option<PathBuf>,
    /// The summary has a digest of all books that were shown, also of a run with real prices that
    /// is no recording.
    pub(crate) digests: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            wait: Wait::Auto,
            depth: 1024,
            down_max: None,
            kill_file: None,
            digests: false,
        }
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
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Park => "park",
            Self::Auto => "auto",
        }
    }
}

/// The simulated exchanges of a run: all that have a feed without hosts of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Simulate {
    /// Decides every order of their markets.
    pub(crate) seed: u64,
    /// Instruments of each exchange, 1 to 1,000.
    pub(crate) instruments: usize,
    /// About how many messages per second they make together: books, prints and quotes.
    pub(crate) messages_per_s: Option<u64>,
}

/// Market data of one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// A name from the registry of exchanges.
    pub(crate) exchange: String,
    /// `host:port` of the market streams; `None` is the exchange's own.
    pub stream: Option<String>,
    /// `host:port` of the REST service; `None` is the exchange's own.
    pub(crate) rest: Option<String>,
    /// `host:port` to connect to instead of resolving the two; names and certificates stay theirs.
    pub(crate) via: Option<String>,
    /// How its hosts are reached; `None` is what `[network]` says.
    pub(crate) proxy: Option<Way>,
    /// PEM file of one more certificate authority to trust, beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Symbols as the exchange writes them, canonical names (`binance:BTC-USDT`), and patterns of
    /// either with `*`: 1 to 1,000, none twice.
    pub instruments: Vec<String>,
    /// How many of the most traded to follow, of those that patterns match: 1 to 1,000; `None` for
    /// all.
    pub(crate) top: Option<usize>,
    /// What the exchange takes of a trade, in parts per million of its worth: 0 to 100,000.
    pub(crate) fees_ppm: FeesPpm,
    /// The streams of each instrument.
    pub streams: Streams,
    /// How many levels per side a snapshot is to have.
    pub snapshot_levels: u16,
    /// Instruments that share one connection.
    pub instruments_per_connection: usize,
    /// How many connections carry the same streams, 1 to 3: the first arrival of an update counts.
    pub lines: usize,
    /// Where our API key is, if its depth stream needs one.
    pub(crate) api_key: Option<SecretSource>,
    /// The key itself, once a run has read it.
    pub(crate) key: Option<KeyHeader>,
}

impl Feed {
    /// Whether the section `[simulate]` applies to it: it has no hosts of its own.
    pub(crate) fn is_simulated(&self) -> bool {
        self.stream.is_none() && self.rest.is_none() && self.via.is_none()
    }

    /// How many instruments it has at most, before its exchange is asked; `None` if that depends on
    /// what patterns match.
    pub(crate) fn instruments_max(&self) -> Option<usize> {
        let patterns = self.patterns().count();
        let named = self.instruments.len() - patterns;
        match (patterns, self.top) {
            (0, _) => Some(named),
            (_, Some(top)) => Some(named + top),
            (_, None) => None,
        }
    }

    /// The entries of `instruments` that are patterns.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &str> {
        let entries = self.instruments.iter().map(String::as_str);
        entries.filter(|entry| entry.contains('*'))
    }

    /// The most connections among which its instruments are split. If only its exchange knows how
    /// many instruments it has, there may be more.
    pub(crate) fn shards(&self) -> usize {
        let instruments = self.instruments_max().unwrap_or(self.instruments.len());
        instruments.div_ceil(self.instruments_per_connection)
    }

    /// How many streams each instrument has.
    pub(crate) fn streams_per_instrument(&self) -> usize {
        1 + usize::from(self.streams.trades) + usize::from(self.streams.quotes)
    }
}

/// An account at an exchange. It says where its keys are, not what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// A name from the registry of exchanges; one that has a feed.
    pub exchange: String,
    /// `host:port` of order entry; `None` is the exchange's own.
    pub(crate) orders: Option<String>,
    /// `host:port` to connect to instead of resolving that; name and certificate stay its own.
    pub(crate) via: Option<String>,
    /// PEM file of one more certificate authority to trust on the order connection.
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the API key is.
    pub api_key: SecretSource,
    /// Where the key is that signs.
    pub key: KeySource,
    /// Orders leave although the key may withdraw, or though its exchange does not say.
    pub(crate) key_may_withdraw: bool,
    /// The folder of its order journal.
    pub(crate) journal: PathBuf,
    /// An order is on the disk before it leaves.
    pub(crate) durable: bool,
    /// Up to so much of an asset that our trades do not explain is accepted each day by itself, in
    /// units of 10^-18.
    pub(crate) accept_differences: Vec<(Asset, i128)>,
}

/// What signs an account's requests, and where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The PEM of an Ed25519 private key.
    Private(SecretSource),
    /// A secret that the exchange made (HMAC).
    Secret(SecretSource),
}

impl KeySource {
    /// Where it is, of either sort.
    pub(crate) fn source(&self) -> &SecretSource {
        match self {
            Self::Private(source) | Self::Secret(source) => source,
        }
    }
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
    /// What this program prints, given these arguments. There is no shell.
    Command {
        /// A name to be found along `PATH`, or a path.
        program: PathBuf,
        /// As they are.
        arguments: Vec<String>,
    },
}

/// A strategy, as its section configures it.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// As logs and summaries name it: letters, digits, `-` and `_`.
    pub name: String,
    /// One of [`strategy::ALL`], or of the program's own.
    pub kind: &'static Kind,
    /// The instruments that it sees and trades, as symbols, canonical names and patterns like in
    /// `[[feed]]`. If empty, all instruments of the run.
    pub(crate) instruments: Vec<String>,
    /// The values that its section gives; its kind's defaults for the other keys.
    pub values: Values,
    /// Limits of its own, beside those of `[risk]`.
    pub(crate) risk: StrategyParams,
}

/// An exchange that configuration may name, and the limits that its feed must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// As configuration writes it.
    pub name: &'static str,
    /// The limits of its connections and snapshots.
    pub limits: Limits,
    /// Its depth streams, the default first.
    pub depth_streams: &'static [DepthStream],
}

impl Known {
    /// The exchanges of this build.
    pub(crate) fn all() -> Vec<Self> {
        let known = |exchange: &&dyn exchange::Exchange| Self {
            name: exchange.name(),
            limits: exchange.limits(),
            depth_streams: exchange.depth_streams(),
        };
        exchange::ALL.iter().map(known).collect()
    }
}

impl Strategy {
    /// One of this kind with its defaults, for every instrument.
    pub(crate) fn of(kind: &'static Kind) -> Self {
        Self {
            name: kind.name.to_owned(),
            kind,
            instruments: Vec::new(),
            values: Values::default(),
            risk: StrategyParams::default(),
        }
    }
}

impl Config {
    /// What a person should know at `now` of the ends of the schemas that feeds come in.
    pub(crate) fn schema_warnings(&self, now: UnixNanos) -> Vec<String> {
        let warning = |feed: &Feed| {
            let (exchange, depth) = (exchange::by_name(&feed.exchange)?, feed.streams.depth);
            let warning = exchange.binary(depth)?.warning(depth, now)?;
            Some(format!("{}: {warning}", feed.exchange))
        };
        self.feeds.iter().filter_map(warning).collect()
    }

    /// Reads and checks a file. The error lists every mistake that was found.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_with(path, strategy::ALL)
    }

    /// Like [`Self::load`], for these kinds of strategies.
    pub(crate) fn load_with(path: &Path, kinds: &[&'static Kind]) -> Result<Self, ConfigErrors> {
        let text = read_text(path).map_err(|what| ConfigErrors(vec![whole_file(path, what)]))?;
        Self::parse_with(path, &text, &Known::all(), kinds)
    }

    /// Checks `text`, which came from `path`: relative paths in it start at the folder of `path`.
    pub fn parse(path: &Path, text: &str, known: &[Known]) -> Result<Self, ConfigErrors> {
        Self::parse_with(path, text, known, strategy::ALL)
    }

    fn parse_with(
        path: &Path,
        text: &str,
        known: &[Known],
        kinds: &[&'static Kind],
    ) -> Result<Self, ConfigErrors> {
        let mut reader = Reader::new(path, text);
        let config = sections::config(&mut reader, known, kinds);
        match config {
            Some(mut config) if reader.errors.is_empty() => {
                config.unwritten.sort_by_key(|error| error.line);
                Ok(config)
            }
            _ => Err(errors_of(reader)),
        }
    }
}

/// Reads a file that names what the simulated exchanges list.
pub(crate) fn load_coins(path: &Path) -> Result<Vec<Coin>, ConfigErrors> {
    let text = read_text(path).map_err(|what| ConfigErrors(vec![whole_file(path, what)]))?;
    parse_coins(path, &text)
}

/// Checks the text of such a file.
pub(crate) fn parse_coins(path: &Path, text: &str) -> Result<Vec<Coin>, ConfigErrors> {
    market::coins(Reader::new(path, text))
}

/// Reads a file that says what is to go wrong with market data.
pub(crate) fn load_faults(path: &Path) -> Result<Vec<Step>, ConfigErrors> {
    let text = read_text(path).map_err(|what| ConfigErrors(vec![whole_file(path, what)]))?;
    faults::steps(Reader::new(path, &text))
}

fn errors_of(mut reader: Reader) -> ConfigErrors {
    let place = |error: &ConfigError| (error.line, error.column);
    reader.errors.sort_by_key(place);
    ConfigErrors(reader.errors)
}

/// Mistakes of a file that are shown; the others are counted.
const ERRORS_SHOWN: usize = 20;

/// Everything that is wrong with a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One mistake, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's path, as it was given.
    pub file: String,
    /// Counts from 1; zero if the whole file is meant.
    pub line: usize,
    /// Counts characters from 1.
    pub column: usize,
    /// The mistake and the remedy, on one line.
    pub what: String,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().take(ERRORS_SHOWN).enumerate() {
            let separator = if n == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        match self.0.len().saturating_sub(ERRORS_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more mistakes"),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{Key, Sort, StrategyError};

    #[test]
    fn the_kinds_of_a_program_are_named_and_keyed_like_those_of_this_crate_and_come_first() {
        const PATIENCE: Key = Key {
            name: "patience",
            sort: Sort::Int {
                min: 1,
                max: 9,
                default: 3,
            },
            help: "books to wait for",
        };
        static OWN: Kind = Kind {
            name: "waits",
            help: "waits",
            keys: &[PATIENCE],
            settable: &[],
            levels: None,
            exchanges_min: 1,
            build: |_, _| Err(StrategyError::Edge),
        };
        let kinds = strategy::with_own(&[&OWN]).unwrap();
        let parse = |strategy: &str| {
            let feed = "[[feed]]\nexchange = \"binance\"\ninstruments = [\"A\"]\n";
            let text = format!("{feed}{strategy}");
            Config::parse_with(Path::new("c.toml"), &text, &Known::all(), &kinds)
        };
        let first = parse("[strategy]\npatience = 7\n").unwrap();
        let [strategy] = &first.strategies[..] else {
            panic!("one strategy");
        };
        assert_eq!((strategy.kind, strategy.values.int(&PATIENCE)), (&OWN, 7));
        let both = parse("[[strategy]]\nname = \"waits\"\n[[strategy]]\nname = \"imbalance\"\n");
        assert_eq!(both.unwrap().strategies.len(), 2);
        let wrong = parse("[strategy]\nname = \"waits\"\npatience = 10\n").unwrap_err();
        assert!(wrong.to_string().contains("from 1 to 9"), "{wrong}");
    }
}
