//! `tickwire run`: against a configured exchange, or against a simulated one in this process.
//! [`Run`] is also the way for a program of one's own to start the engine with its own strategy.

use super::cli::{FAILED, LogForm, RunArgs, Speed as CliSpeed, WRONG_USE, complain};
use super::config::{self, Config};
use super::secrets;
use super::session::{Engine, Outputs, StrategyMaker, configured_strategy};
use super::universe::Universe;
use crate::base::{Clock as _, Instrument};
use crate::exchange::{Account, DepthSpeed, Streams};
use crate::trading::refusal::Refusal;
use crate::watch::audit::Truth;
use crate::watch::summary::{self, Summary};
use crate::watch::table;
use crate::world::os::clock::OsClock;
use crate::world::os::placement::Placement;
use crate::world::os::scribe::{Console, ConsoleStyle, Scribe, ScribeInputs, ScribeTotals};
use crate::world::os::server::{self, Sim, SimOptions, SimSource};
use crate::world::os::sys;
use crate::world::os::worker::{Ended, Pulse};
use crate::world::sim::account::generate_account;
use std::io::{IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a run without a configuration lasts.
const DEMO: Duration = Duration::from_secs(15);
/// How often the main thread looks whether the run is over.
const LOOK: Duration = Duration::from_millis(50);
/// After the last frame of a recording, frames must have stopped arriving for this long.
const QUIET: Duration = Duration::from_millis(300);
/// The default seed: a run without arguments has the same order flow each time.
const SEED: u64 = 1;
/// Folder of all runs' folders, under the current one.
const RUNS: &str = "runs";

/// Why a run did not happen, or did not end as it should.
#[derive(Debug)]
pub enum RunError {
    /// The configuration or the arguments are wrong: nothing was started.
    Wrong(String),
    /// It was started, or could not be.
    Failed(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong(what) | Self::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for RunError {}

/// Whom the engine trades with.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Market {
    /// The exchanges of a configuration file.
    Configured(Config),
    /// A simulated exchange in this process, and the engine's own settings for it.
    Simulated {
        source: SimSource,
        seed: u64,
        engine: config::Engine,
    },
}

/// One run of the engine, ready to start.
///
/// ```no_run
/// # fn strategy() -> Box<dyn tickwire::strategy::Strategy> { unimplemented!() }
/// use tickwire::app::run::Run;
/// let summary = Run::simulated(1)
///     .time(std::time::Duration::from_secs(5))
///     .strategy(Box::new(|_instruments| Ok(strategy())))
///     .start()?;
/// println!("{} orders", summary.orders.sent);
/// # Ok::<(), tickwire::app::run::RunError>(())
/// ```
pub struct Run {
    market: Market,
    time: Option<Duration>,
    out: Option<PathBuf>,
    log: LogForm,
    live: bool,
    strategy: Option<StrategyMaker>,
}

impl Run {
    /// Against a simulated exchange in this process, with the order flow of `seed`, for 15 s.
    pub fn simulated(seed: u64) -> Self {
        let (source, engine) = (SimSource::Flow, config::Engine::default());
        Self::new(
            Market::Simulated {
                source,
                seed,
                engine,
            },
            Some(DEMO),
        )
    }

    /// Against the exchanges of `config`, until Ctrl-C; orders stay on paper.
    pub fn configured(config: Config) -> Self {
        Self::new(Market::Configured(config), None)
    }

    fn new(market: Market, time: Option<Duration>) -> Self {
        Self {
            market,
            time,
            out: None,
            log: LogForm::Human,
            live: false,
            strategy: None,
        }
    }

    /// Ends the run after `time`.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Puts the run's files into `dir` instead of a new folder under `runs/`.
    pub fn out(mut self, dir: PathBuf) -> Self {
        self.out = Some(dir);
        self
    }

    /// Lets this strategy decide instead of the configured one.
    pub fn strategy(mut self, make: StrategyMaker) -> Self {
        self.strategy = Some(make);
        self
    }

    /// Runs to the end, prints what happened, and gives the summary that is in `summary.json`.
    pub fn start(self) -> Result<Summary, RunError> {
        let started = SystemTime::now();
        let interrupted = interrupt_flag()?;
        let dir = run_dir(self.out.as_deref(), started)?;
        let (config, sim, account, seed) = match self.market {
            Market::Configured(config) => {
                let account = if self.live {
                    Some(live_account(&config)?)
                } else {
                    None
                };
                (config, None, account, None)
            }
            Market::Simulated {
                source,
                seed,
                engine,
            } => {
                let played = matches!(source, SimSource::Play { .. });
                let sim = start_sim(source, seed)?;
                let (config, account) = sim_config(&sim, engine, &dir)?;
                (config, Some(sim), Some(account), (!played).then_some(seed))
            }
        };
        let mode = mode(sim.as_ref(), account.is_some());
        let universe = Universe::fetch(&config).map_err(RunError::Failed)?;
        let strategy = match self.strategy {
            Some(make) => make(&universe.instruments),
            None => configured_strategy(&config, &universe.instruments),
        };
        let strategy = strategy.map_err(RunError::Wrong)?;
        let cpus = sys::affinity().map_err(|e| RunError::Failed(format!("no CPU: {e}")))?;
        let (engine, outputs) =
            Engine::start(&config, universe, strategy, account, &cpus).map_err(RunError::Failed)?;
        announce(&engine, &config, sim.as_ref(), mode, &dir);
        let begun = Instant::now();
        let truths = sim.as_ref().filter(|_| seed.is_some()).map(Sim::truth);
        let scribe = start_scribe(&engine, outputs, truths, self.log, &dir)?;
        let whole = wait_for_the_end(&engine, sim.as_ref(), self.time, &interrupted);

        let lasted = begun.elapsed();
        let (placement, instruments) = (engine.placement.clone(), engine.instruments.clone());
        let ended = engine.stop();
        let totals = scribe.stop();
        if let Some(sim) = sim {
            sim.stop();
        }
        let mut summary = summarize(&placement, &instruments, &ended, totals);
        summary.version = env!("CARGO_PKG_VERSION").into();
        summary.started = humantime::format_rfc3339_millis(started).to_string();
        summary.duration_ns = lasted.as_nanos() as u64;
        summary.mode = mode.into();
        summary.seed = seed;
        write_summary(&dir, &summary)?;
        conclude(&summary, &dir);
        if !whole {
            return Err(RunError::Failed("a worker died: its panic is above".into()));
        }
        Ok(summary)
    }
}

/// The command.
pub fn run(args: RunArgs) -> ExitCode {
    match from_args(args).and_then(Run::start) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error @ RunError::Wrong(_)) => complain(WRONG_USE, &error),
        Err(error @ RunError::Failed(_)) => complain(FAILED, &error),
    }
}

fn from_args(args: RunArgs) -> Result<Run, RunError> {
    let adjust = |engine: &mut config::Engine| {
        engine.depth = args.depth.unwrap_or(engine.depth);
        engine.wait = args.wait.unwrap_or(engine.wait);
    };
    let (market, time) = match (args.config, args.play) {
        (Some(path), _) => {
            let mut config =
                Config::load(&path).map_err(|errors| RunError::Wrong(errors.to_string()))?;
            adjust(&mut config.engine);
            (Market::Configured(config), None)
        }
        (None, play) => {
            let mut engine = config::Engine::default();
            adjust(&mut engine);
            let time = if play.is_some() { None } else { Some(DEMO) };
            let source = match play {
                Some(path) => SimSource::Play {
                    path,
                    speed: speed(args.speed),
                },
                None => SimSource::Flow,
            };
            let seed = args.seed.unwrap_or(SEED);
            (
                Market::Simulated {
                    source,
                    seed,
                    engine,
                },
                time,
            )
        }
    };
    let time = args.time.or(time);
    let (out, log, live) = (args.out, args.log, args.live);
    Ok(Run {
        market,
        time,
        out,
        log,
        live,
        strategy: None,
    })
}

/// A recording in this process is played as fast as the engine reads, unless asked otherwise.
fn speed(asked: Option<CliSpeed>) -> server::Speed {
    match asked {
        Some(CliSpeed::Recorded) => server::Speed::Recorded,
        Some(CliSpeed::Times(times)) => server::Speed::Times(times),
        Some(CliSpeed::Max) | None => server::Speed::Client,
    }
}

fn start_sim(source: SimSource, seed: u64) -> Result<Sim, RunError> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    server::start(SimOptions {
        listen,
        seed,
        source,
        cpu: None,
    })
    .map_err(|error| RunError::Failed(error.to_string()))
}

/// The settings of a run against the simulated exchange of this process: every instrument, every stream,
/// orders sent for real, to an account that exists only there.
fn sim_config(
    sim: &Sim,
    engine: config::Engine,
    dir: &Path,
) -> Result<(Config, (Account, config::Account)), RunError> {
    let ca_file = dir.join("sim-ca.pem");
    std::fs::write(&ca_file, sim.ca_pem())
        .map_err(|error| RunError::Failed(format!("{}: {error}", ca_file.display())))?;
    let at = Some(sim.addr().to_string());
    let config = Config {
        engine,
        socket: config::Socket::default(),
        feeds: vec![config::Feed {
            exchange: "binance-spot".into(),
            stream: at.clone(),
            rest: at.clone(),
            ca_file: Some(ca_file.clone()),
            instruments: sim.symbols().to_vec(),
            streams: Streams {
                depth: DepthSpeed::Ms100,
                trades: true,
                quotes: true,
            },
            snapshot_levels: 1_000,
            instruments_per_connection: 50,
        }],
        account: None,
        strategy: config::Strategy::Imbalance(config::Imbalance {
            depth: 5,
            threshold: 0.5,
            cooldown_ms: 250,
            quantity: "1".into(),
        }),
        risk: config::Risk {
            quantity_max: "1".into(),
            notional_max: "1000000".into(),
            price_collar_bps: 50,
            orders_per_s: 20,
            open_orders_max: 4,
        },
    };
    let keys = generate_account().map_err(RunError::Failed)?;
    // The keys were made here and are handed over as they are: these two name no source.
    let nowhere = || config::SecretSource::Env(String::new());
    let account = config::Account {
        exchange: "binance-spot".into(),
        orders: at,
        ca_file: Some(ca_file),
        api_key: nowhere(),
        private_key: nowhere(),
    };
    Ok((config, (keys, account)))
}

fn live_account(config: &Config) -> Result<(Account, config::Account), RunError> {
    let account = config.account.clone().ok_or_else(|| {
        RunError::Wrong("--live needs an [account] section with the files of its keys".into())
    })?;
    let keys = secrets::load(&account).map_err(|error| RunError::Wrong(error.to_string()))?;
    Ok((keys, account))
}

fn mode(sim: Option<&Sim>, orders_leave: bool) -> &'static str {
    match (sim, orders_leave) {
        (Some(_), _) => "simulated",
        (None, true) => "live",
        (None, false) => "paper",
    }
}

/// A flag that Ctrl-C or SIGTERM raises; a second Ctrl-C ends the process at once.
fn interrupt_flag() -> Result<Arc<AtomicBool>, RunError> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    let failed = |error| RunError::Failed(format!("cannot take signals: {error}"));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
            .map_err(failed)?;
        signal_hook::flag::register(signal, flag.clone()).map_err(failed)?;
    }
    Ok(flag)
}

/// The run's folder: the one that was asked for, or a new one that is named after the time.
fn run_dir(asked: Option<&Path>, started: SystemTime) -> Result<PathBuf, RunError> {
    let failed = |path: &Path, error| RunError::Failed(format!("{}: {error}", path.display()));
    if let Some(dir) = asked {
        if dir.join("summary.json").exists() {
            let what = format!("{} holds another run: give a new folder", dir.display());
            return Err(RunError::Wrong(what));
        }
        std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
        return Ok(dir.to_owned());
    }
    std::fs::create_dir_all(RUNS).map_err(|error| failed(Path::new(RUNS), error))?;
    let stamp = humantime::format_rfc3339_millis(started).to_string();
    let name = stamp.replace([':', '.'], "-");
    for attempt in 0..100 {
        let suffix = if attempt == 0 {
            String::new()
        } else {
            format!("-{attempt}")
        };
        let dir = Path::new(RUNS).join(format!("{name}{suffix}"));
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&dir, error)),
        }
    }
    Err(RunError::Failed(format!(
        "{RUNS}/{name}: taken a hundred times over"
    )))
}

fn announce(engine: &Engine, config: &Config, sim: Option<&Sim>, mode: &str, dir: &Path) {
    let mut out = std::io::stdout().lock();
    let symbols: Vec<&str> = engine
        .instruments
        .iter()
        .map(|i| i.symbol.as_str())
        .collect();
    // Nobody may be reading any more: the run goes on, its files are what counts.
    let _ = writeln!(
        out,
        "tickwire {}  orders: {mode}",
        env!("CARGO_PKG_VERSION")
    );
    if let Some(sim) = sim {
        let _ = writeln!(out, "simulated exchange: wss://{}", sim.addr());
    }
    let (n, depth) = (symbols.len(), config.engine.depth);
    let _ = writeln!(
        out,
        "instruments: {n} ({}), {depth} levels a side",
        shortened(&symbols)
    );
    let _ = write!(out, "{}", engine.placement);
    let _ = writeln!(out, "files: {}", dir.display());
}

fn shortened(symbols: &[&str]) -> String {
    const SHOWN: usize = 8;
    match symbols.len() {
        n if n > SHOWN => format!("{}, … {} more", symbols[..SHOWN].join(", "), n - SHOWN),
        _ => symbols.join(", "),
    }
}

fn start_scribe(
    engine: &Engine,
    outputs: Outputs,
    truths: Option<&crossbeam_channel::Receiver<Truth>>,
    log: LogForm,
    dir: &Path,
) -> Result<crate::world::os::scribe::ScribeHandle, RunError> {
    let style = match log {
        LogForm::Human => {
            let terminal = std::io::stderr().is_terminal();
            ConsoleStyle::Human {
                colour: terminal && std::env::var_os("NO_COLOR").is_none(),
            }
        }
        LogForm::Json => ConsoleStyle::Json,
    };
    let inputs = ScribeInputs {
        clock: Box::new(OsClock),
        instruments: engine.instruments.clone(),
        notes: outputs.notes,
        notes_lost: outputs.lost,
        shown: outputs.audits,
        truths: truths.cloned(),
        collectors: outputs.collectors,
        console: Console {
            out: Box::new(std::io::stderr()),
            style,
        },
        dir: Some(dir.to_owned()),
        // Lines for a program are all of one kind; it has the records of each second's numbers.
        status: (log == LogForm::Human).then(|| status_line(engine)),
    };
    Scribe::start(inputs).map_err(|error| RunError::Failed(format!("{}: {error}", dir.display())))
}

/// Makes the line of each second from the workers' pulses.
fn status_line(engine: &Engine) -> crate::world::os::scribe::StatusLine {
    let (pulses, books) = (engine.pulses.clone(), engine.instruments.len());
    let began = OsClock.now();
    let (mut last_at, mut last_frames) = (began, 0);
    Box::new(move |tick_to_wire| {
        let sum = |of: fn(&Pulse) -> &std::sync::atomic::AtomicU64| -> u64 {
            pulses
                .iter()
                .map(|pulse| of(pulse).load(Ordering::Relaxed))
                .sum()
        };
        let (now, frames) = (OsClock.now(), sum(|pulse| &pulse.frames));
        let span_ns = now.since(last_at).max(1);
        let per_s = (frames - last_frames) as u128 * 1_000_000_000 / u128::from(span_ns);
        (last_at, last_frames) = (now, frames);
        table::status_line(&summary::Status {
            elapsed: now - began,
            books_live: sum(|pulse| &pulse.live_books) as usize,
            books,
            messages_per_s: per_s as u64,
            orders_sent: sum(|pulse| &pulse.orders),
            tick_to_wire_ns: tick_to_wire,
        })
    })
}

/// Returns when the time is over, when somebody interrupts, or when a recording has been played and taken in.
/// False: a worker died.
fn wait_for_the_end(
    engine: &Engine,
    sim: Option<&Sim>,
    time: Option<Duration>,
    interrupted: &AtomicBool,
) -> bool {
    let begun = Instant::now();
    let frames = || -> u64 {
        engine
            .pulses
            .iter()
            .map(|p| p.frames.load(Ordering::Relaxed))
            .sum()
    };
    let (mut seen, mut seen_at) = (0, begun);
    while !interrupted.load(Ordering::Relaxed) {
        if !engine.is_whole() {
            return false;
        }
        if time.is_some_and(|time| begun.elapsed() >= time) {
            return true;
        }
        if frames() != seen {
            (seen, seen_at) = (frames(), Instant::now());
        }
        let played_out = sim.is_some_and(|sim| sim.progress().played_out);
        if played_out && seen_at.elapsed() > QUIET {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    true
}

fn summarize(
    placement: &Placement,
    instruments: &[Instrument],
    ended: &[Option<Ended>],
    totals: ScribeTotals,
) -> Summary {
    let mut summary = Summary {
        wait: placement.wait.name().into(),
        ..Summary::default()
    };
    for (index, (plan, end)) in placement.workers.iter().zip(ended).enumerate() {
        summary.placement.push(summary::Placement {
            worker: index as u8,
            cpu: end.as_ref().and_then(|end| end.pinned),
            wait: placement.wait.name().into(),
            lanes: plan.lanes(),
        });
        let Some(end) = end else { continue };
        if let Some((desk, refusals)) = &end.desk {
            summary.orders.acked = desk.acked;
            summary.orders.rejected = desk.rejected;
            summary.orders.not_sent = desk.not_sent;
            summary.orders.unknown = desk.unknown;
            let refused = Refusal::ALL
                .iter()
                .zip(refusals)
                .filter(|(_, count)| **count > 0);
            summary.orders.refused = refused
                .map(|(gate, count)| (gate.name().to_owned(), *count))
                .collect();
        }
        summary.orders.sent += end.tally.gateway.sent;
    }
    let feeds = || ended.iter().flatten().map(|end| &end.tally);
    let audit_lost: u64 = feeds().map(|tally| tally.feed.audit_lost).sum();
    for (instrument, audit) in instruments.iter().zip(totals.audits) {
        let mut book = summary::Book::of(instrument, audit);
        let counters = feeds()
            .flat_map(|tally| &tally.books)
            .find(|(id, ..)| *id == instrument.id);
        if let Some((_, epoch, counters)) = counters {
            book.epoch = *epoch;
            book.gaps = counters.gaps;
            book.resyncs = counters.resyncs;
            book.duplicates = counters.duplicates;
            book.refreshes = counters.refreshes;
        }
        summary.books.push(book);
    }
    summary.stages = totals.stages;
    summary.workers = totals.workers;
    summary.notes_lost = totals.notes_lost;
    summary.disk_errors = totals.disk_errors;
    summary.audit_lost = audit_lost;
    summary
}

fn write_summary(dir: &Path, summary: &Summary) -> Result<(), RunError> {
    let path = dir.join("summary.json");
    let failed =
        |error: &dyn std::fmt::Display| RunError::Failed(format!("{}: {error}", path.display()));
    let mut text = serde_json::to_string_pretty(summary).map_err(|error| failed(&error))?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|error| failed(&error))
}

fn conclude(summary: &Summary, dir: &Path) {
    let mut out = std::io::stdout().lock();
    // As in `announce`: a closed pipe does not undo the run.
    let _ = write!(out, "\n{}", table::render_table(summary));
    let _ = writeln!(out, "\nfiles: {}", dir.display());
}
