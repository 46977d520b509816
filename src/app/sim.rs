//! `tickwire sim`: the simulated exchange on its own, until Ctrl-C. Prints what a configuration
//! needs to reach it.

use super::cli::{FAILED, WRONG_USE, complain};
use super::config::{self, ConfigErrors};
use super::panics;
use super::signals::Stop;
use crate::base::{Channel, Span};
use crate::exchange;
use crate::venue::directory::host_names;
use crate::venue::faults::Struck;
use crate::venue::market::INSTRUMENTS_MAX;
use crate::world::os::console::{self, Outlet};
use crate::world::os::server::{self, Exceeded, Sim, SimOptions, SimProgress, SimSource, Speed};
use clap::Args;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

/// Symbols of an exchange that are printed.
const SYMBOLS_SHOWN: usize = 5;
/// Of a million requests to accounts, so many go wrong if any are to.
const FAULTS_PPM: u32 = 20_000;
/// Between two faults of market data at one exchange, on average.
const FAULTS_EVERY: Span = Span::from_secs(10);
/// How often a run checks whether it was told to end.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// Arguments of `tickwire sim`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SimArgs {
    /// Loopback address to listen on; without it a free port of 127.0.0.1
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Seed of the order flow: the same seed makes the same market
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What each exchange lists: so many of BTC, ETH, SOL and invented ones, or what a TOML file
    /// names with the prices at the start
    #[arg(long, default_value = "3", value_name = "N|FILE")]
    pub(crate) instruments: Instruments,
    /// Book messages a second that all instruments of all exchanges make together, about
    #[arg(long, value_name = "N")]
    pub(crate) messages_per_s: Option<u64>,
    /// Let things go wrong: `random` lets 1 in 50 requests to accounts, and market data of each
    /// exchange about every 10 s (the seed decides how), a TOML file lets market data go wrong as
    /// it says
    #[arg(long, value_name = "random|FILE")]
    pub(crate) faults: Option<Faults>,
    /// Play this recording (a file of JSON lines, gzip, zstd or plain, or a folder of `tickwire
    /// record`) instead of an order flow
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) play: Option<PathBuf>,
    /// How fast to play it: `recorded`, `max` (as fast as the client reads), or a factor such as 10
    #[arg(long, default_value = "recorded", requires = "play")]
    pub(crate) speed: Speed,
    /// Write the certificate authority to this file; without it, it is printed
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_out: Option<PathBuf>,
    /// Print the exchanges' host names, as /etc/hosts has them, with what a client needs to be sent
    /// here, and end
    #[arg(long)]
    pub(crate) hosts: bool,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Faults {
    /// What the seed decides.
    Random,
    /// What a file says.
    File(PathBuf),
}

impl FromStr for Faults {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "random" => Self::Random,
            path => Self::File(path.into()),
        })
    }
}

/// What each exchange lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Instruments {
    /// The first of the built-in assets.
    First(usize),
    /// Those of a file.
    File(PathBuf),
}

impl FromStr for Instruments {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::File(text.into()));
        }
        let count = text.parse().ok();
        let count = count.filter(|count| (1..=INSTRUMENTS_MAX).contains(count));
        count
            .map(Self::First)
            .ok_or_else(|| format!("write 1 to {INSTRUMENTS_MAX}, or a file"))
    }
}

/// Why the command ended badly.
#[derive(Debug)]
enum Failure {
    Sim(server::SimError),
    Wrong(ConfigErrors),
    Ca(PathBuf, io::Error),
    Signals(io::Error),
    Start(io::Error),
    Died(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sim(error) => write!(f, "{error}"),
            Self::Wrong(errors) => write!(f, "{errors}"),
            Self::Ca(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Signals(error) => write!(f, "cannot listen for Ctrl-C: {error}"),
            Self::Start(error) => write!(f, "cannot start: {error}"),
            Self::Died(words) => write!(f, "its thread died: {words}"),
        }
    }
}

/// Runs until Ctrl-C; success unless it could not start.
pub(crate) fn run(args: SimArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Wrong(errors)) => complain(WRONG_USE, &errors),
        Err(failure) => complain(FAILED, &format!("sim: {failure}")),
    }
}

fn serve(args: SimArgs) -> Result<(), Failure> {
    if args.hosts {
        let mut text = Vec::new();
        let _ = hosts(args.listen, args.ca_out.as_deref(), &mut text); // A vector takes all.
        let mut screen = Outlet::start("tickwire-print", io::stdout()).map_err(Failure::Start)?;
        screen.say(&String::from_utf8_lossy(&text));
        screen.finish();
        return Ok(());
    }
    // Before anything else, so that Ctrl-C ends in order from the first moment on.
    let stop = Stop::listen().map_err(Failure::Signals)?;
    let mut options = SimOptions {
        seed: args.seed,
        exchanges: exchange::ALL.iter().map(|e| e.name().to_owned()).collect(),
        coins: match &args.instruments {
            Instruments::First(count) => server::coins(*count),
            Instruments::File(path) => config::load_coins(path).map_err(Failure::Wrong)?,
        },
        messages_per_s: args.messages_per_s,
        truth: false,
        beside_engine: false,
        ..SimOptions::default()
    };
    options.listen = args.listen.unwrap_or(options.listen);
    match &args.faults {
        Some(Faults::Random) => {
            options.account_faults_ppm = FAULTS_PPM;
            options.market_faults_every = Some(FAULTS_EVERY);
        }
        Some(Faults::File(path)) => {
            options.market_faults = config::load_faults(path).map_err(Failure::Wrong)?;
        }
        None => {}
    }
    if let Some(path) = args.play {
        options.source = SimSource::Play {
            path,
            speed: args.speed,
        };
    }
    // A recording is read through before it is played, which may take long.
    let started = stop.unless_asked("tickwire-start", || server::start(options));
    let Some(started) = started.map_err(Failure::Start)? else {
        return Ok(());
    };
    let sim = started.map_err(Failure::Sim)?;
    if let Some(path) = &args.ca_out {
        std::fs::write(path, sim.ca_pem()).map_err(|error| Failure::Ca(path.clone(), error))?;
    }
    // If standard output is closed, or nobody reads it, the exchange does not end.
    let mut screen = Outlet::start("tickwire-print", io::stdout()).map_err(Failure::Start)?;
    let mut text = Vec::new();
    let _ = announce(&sim, args.ca_out.as_deref(), &mut text); // A vector takes all.
    screen.say(&console::fit_out(&String::from_utf8_lossy(&text)));
    while !stop.is_asked() {
        if !sim.is_whole() {
            return Err(Failure::Died(panics::last().unwrap_or_default()));
        }
        tell(&sim, &mut screen);
        std::thread::sleep(LOOK_PERIOD);
    }
    tell(&sim, &mut screen);
    text.clear();
    let _ = total(sim.stop(), &mut text);
    screen.say(&console::fit_out(&String::from_utf8_lossy(&text)));
    screen.finish();
    Ok(())
}

fn announce(sim: &Sim, ca_file: Option<&Path>, out: &mut impl Write) -> io::Result<()> {
    let addr = sim.addr();
    writeln!(out, "simulated exchanges on {addr}")?;
    for listed in sim.listed() {
        let symbols = &listed.symbols;
        let more = symbols.len().saturating_sub(SYMBOLS_SHOWN);
        let shown = symbols[..symbols.len() - more].join(", ");
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        writeln!(out, "  {:<16} {shown}{more}", listed.exchange)?;
    }
    for why in sim.left_out() {
        writeln!(out, "left out: {why}")?;
    }
    writeln!(out, "in each [[feed]] of a configuration: via = \"{addr}\"")?;
    let unnamed = sim.unnamed();
    let (name, accounts) = (unnamed.name(), unnamed.mirror().accounts());
    writeln!(
        out,
        "{name} is also who is meant by the bare address: stream, rest, orders = \"{addr}\""
    )?;
    let path = unnamed.stream_path(Channel::Depth);
    let path = path.split('?').next().unwrap_or_default();
    writeln!(out, "  market streams  wss://{addr}{path}")?;
    if let Some(accounts) = accounts {
        writeln!(out, "  order entry     wss://{addr}{}", accounts.path())?;
    }
    match ca_file {
        Some(path) => writeln!(out, "certificate authority: {}", path.display())?,
        None => write!(out, "certificate authority:\n{}", sim.ca_pem())?,
    }
    if let Some(accounts) = accounts {
        let key = accounts.api_key();
        writeln!(out, "a {name} account's API key is {key}")?;
    }
    writeln!(out, "Ctrl-C ends it")?;
    out.flush()
}

/// What makes a client that knows only the real exchanges reach this one: their names, the ports
/// that it dials, and whom it must trust. Lines that are no host names are comments, so that all of
/// it can stand in `/etc/hosts`.
fn hosts(
    listen: Option<SocketAddr>,
    ca_file: Option<&Path>,
    out: &mut impl Write,
) -> io::Result<()> {
    let ip = listen.map_or(IpAddr::from([127, 0, 0, 1]), |addr| addr.ip());
    let mut ports = BTreeSet::new();
    for exchange in exchange::ALL {
        let names: Vec<String> = host_names(*exchange).collect();
        writeln!(out, "{ip} {} # {}", names.join(" "), exchange.name())?;
        let at = exchange.endpoints();
        let depths = exchange.depth_streams().iter();
        let streams = depths.map(|depth| exchange.stream_host(depth));
        let dialled: Vec<String> = streams.chain([at.rest, at.orders]).collect();
        let dialled = dialled.iter().filter_map(|at| at.rsplit_once(':'));
        ports.extend(dialled.filter_map(|(_, port)| port.parse::<u16>().ok()));
    }
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let ports = ports.join(", ");
    match listen {
        Some(addr) => writeln!(out, "# port: clients dial {ports}; send them to {addr}")?,
        None => writeln!(
            out,
            "# port: clients dial {ports}; send them to the port that `tickwire sim` prints, or \
             choose it with --listen"
        )?,
    }
    let ca = ca_file.map_or("FILE".into(), Path::to_string_lossy);
    let from = if ca_file.is_none() {
        " (--ca-out FILE writes it)"
    } else {
        ""
    };
    writeln!(
        out,
        "# certificate authority{from}: SSL_CERT_FILE={ca} REQUESTS_CA_BUNDLE={ca} \
         WEBSOCKET_CLIENT_CA_BUNDLE={ca} NODE_EXTRA_CA_CERTS={ca}"
    )
}

/// Tells what went wrong by now.
fn tell(sim: &Sim, screen: &mut Outlet) {
    for struck in sim.take_struck() {
        screen.say(&console::fit_out(&line_of(&struck)));
    }
}

/// `    12.345 s  silent  binance BTCUSDT, until 17.000 s`, since the start.
fn line_of(struck: &Struck) -> String {
    let seconds = |ns: u64| format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1_000);
    let at = seconds(struck.at.0);
    let what = struck.instrument;
    let what = what.map_or(String::new(), |symbol| format!(" {symbol}"));
    let until = match struck.until > struck.at {
        true => format!(", until {}", seconds(struck.until.0)),
        false => String::new(),
    };
    let Struck {
        fault, exchange, ..
    } = struck;
    format!("{at:>12}  {fault:<14}  {exchange}{what}{until}\n")
}

fn total(progress: SimProgress, out: &mut impl Write) -> io::Result<()> {
    let SimProgress {
        frames_sent,
        orders,
        sessions,
        slow_cuts,
        exceeded,
        ..
    } = progress;
    writeln!(
        out,
        "sent {frames_sent} frames over {sessions} connections, took {orders} orders, \
         cut {slow_cuts} slow readers"
    )?;
    let Exceeded {
        requests,
        messages,
        connects,
        streams,
    } = exceeded;
    writeln!(
        out,
        "limits exceeded by the exchanges' own count: {} ({requests} requests, {messages} \
         messages, {connects} connects, {streams} streams)",
        exceeded.total()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        sim: SimArgs,
    }

    #[test]
    fn a_speed_is_only_taken_for_a_recording() {
        let parse = |line: &str| <Cli as clap::Parser>::try_parse_from(line.split(' '));
        assert_eq!(parse("sim").unwrap().sim.speed, Speed::Recorded);
        let played = parse("sim --play f.jsonl --speed 10").unwrap();
        assert_eq!(played.sim.speed, Speed::Times(10.0));
        assert!(parse("sim --speed 10").is_err());
        assert!(parse("sim --play f.jsonl --speed fast").is_err());
    }

    #[test]
    fn instruments_are_a_number_or_a_file() {
        assert_eq!("7".parse(), Ok(Instruments::First(7)));
        assert_eq!("my.toml".parse(), Ok(Instruments::File("my.toml".into())));
        for none in ["0", "1001", ""] {
            assert!(none.parse::<Instruments>().is_err(), "{none}");
        }
    }

    #[test]
    fn what_is_announced_is_what_a_configuration_needs() {
        let sim = server::start(SimOptions::default()).unwrap();
        let mut out = Vec::new();
        announce(&sim, None, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(&sim.addr().to_string()));
        assert!(text.contains("BTCUSDT, ETHUSDT, SOLUSDT"));
        assert!(text.contains("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn the_host_names_are_those_of_every_exchange_with_port_and_authority() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9443));
        let mut out = Vec::new();
        hosts(Some(listen), Some(Path::new("ca.pem")), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for exchange in exchange::ALL {
            let line = text.lines().find(|line| line.ends_with(exchange.name()));
            let names: Vec<&str> = line.unwrap().split(' ').collect();
            assert_eq!(names[0], "127.0.0.1");
            for name in host_names(*exchange) {
                assert!(names.contains(&name.as_str()), "{name}");
            }
        }
        assert!(
            text.contains("\n# port: clients dial 443, 8443, 9443; send them to 127.0.0.1:9443\n")
        );
        assert!(text.contains("NODE_EXTRA_CA_CERTS=ca.pem"));
    }

    #[test]
    fn a_start_that_fails_names_what_is_wrong() {
        let taken = server::start(SimOptions::default()).unwrap();
        let args = |listen, play: Option<&str>| SimArgs {
            listen,
            seed: 1,
            instruments: Instruments::First(3),
            messages_per_s: None,
            faults: None,
            play: play.map(PathBuf::from),
            speed: Speed::Client,
            ca_out: None,
            hosts: false,
        };
        let cases = [
            (args(Some(taken.addr()), None), "in use"),
            (
                args(Some(SocketAddr::from(([192, 0, 2, 1], 0))), None),
                "loopback",
            ),
            (
                args(None, Some("no/such/file.jsonl.gz")),
                "no/such/file.jsonl.gz",
            ),
        ];
        for (args, word) in cases {
            let said = serve(args).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
