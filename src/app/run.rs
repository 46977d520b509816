//! `tickwire run`: against a configured exchange, or against a simulated one in this process.
//! Programs start the engine with a strategy of their own through [`Run`], too.

use super::cli::{LogForm, Program, RunArgs};
use super::config::{self, Config};
use super::control::settings::Settings;
use super::control::{Control, Killer};
use super::guard;
use super::parts::{Named, StrategyMaker, configured_strategies, engine_parts};
use super::ready::{Ready, ready};
use super::reality::{Intended, Mode};
use super::secrets::{self, Variables};
use super::signals::Stop;
use super::universe::Universe;
use crate::base::Clock as _;
use crate::base::text::rfc3339_millis;
use crate::journal::Pack;
use crate::strategy::{self, Kind};
use crate::watch::audit::Truth;
use crate::watch::summary::{self, Summary};
use crate::world::os::clock::OsClock;
use crate::world::os::console;
use crate::world::os::container;
use crate::world::os::engine::{Engine, Outputs};
use crate::world::os::guard::Guarded;
use crate::world::os::scribe::{Console, ConsoleStyle, Detail, Scribe, ScribeHandle, ScribeInputs};
use crate::world::os::server::{self, Sim, SimSource};
use claim::Claim;
pub use end::RunEnd;
pub(super) use end::exit_code;
use end::never_began;
use overseer::Overseer;
use screen::Screen;
use start::Prepared;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use threads::Threads;

pub(crate) mod claim;
mod end;
pub(super) mod files;
pub(super) mod money;
mod overseer;
mod recording;
mod screen;
pub(super) mod simulated;
mod start;
mod threads;

/// How long a run without a configuration lasts.
const DEMO: Duration = Duration::from_secs(15);
/// The default seed: a run without arguments has the same order flow each time.
const SEED: u64 = 1;

/// Why a run did not start, or did not end as it should.
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

/// With whom the engine trades.
enum Market {
    /// The exchanges of a configuration file.
    Configured(Config),
    /// A recording, followed as a configuration file says.
    Played(Config, SimSource),
    /// A simulated exchange in this process, and the engine's own settings for it.
    Simulated {
        source: SimSource,
        seed: u64,
        engine: config::Engine,
        kinds: Vec<&'static Kind>,
    },
}

impl Market {
    /// Whether its prices are a recording's.
    fn is_played(&self) -> bool {
        match self {
            Self::Configured(_) => false,
            Self::Played(..) => true,
            Self::Simulated { source, .. } => matches!(source, SimSource::Play { .. }),
        }
    }
}

/// One run of the engine, ready to start.
///
/// ```no_run
/// use tickwire::{Event, Intents, Nanos, Run, RunError, Strategy, View};
///
/// struct Watch;
///
/// impl Strategy for Watch {
///     fn handle_event(&mut self, _: Nanos, _: &Event, _: &View<'_>, _: &mut Intents) {}
/// }
///
/// let end = Run::simulated(1)
///     .time(std::time::Duration::from_secs(5))
///     .strategy(Box::new(|_instruments| Ok(Box::new(Watch))))
///     .start()?;
/// println!("{} orders", end.summary.orders.sent);
/// # Ok::<(), RunError>(())
/// ```
pub struct Run {
    market: Market,
    time: Option<Duration>,
    out: Option<PathBuf>,
    log: LogForm,
    detail: Detail,
    live: bool,
    strategy: Option<StrategyMaker>,
    record: bool,
    /// How a recording is packed.
    pack: Pack,
    /// What was in the environment for accounts and feeds.
    variables: Variables,
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
                kinds: strategy::ALL.to_vec(),
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
            detail: Detail::default(),
            live: false,
            strategy: None,
            record: false,
            pack: Pack::default(),
            variables: Variables::default(),
        }
    }

    /// Ends the run after `time`.
    pub fn time(mut self, time: Duration) -> Self {
        self.time = Some(time);
        self
    }

    /// Also records everything that comes in into this folder, which must not hold a recording yet.
    /// The run's files go there, too.
    pub fn recording(self, dir: PathBuf) -> Self {
        Self {
            out: Some(dir),
            record: true,
            ..self
        }
    }

    /// Packs the recording so.
    pub(super) fn packed(self, pack: Pack) -> Self {
        Self { pack, ..self }
    }

    /// What was in the environment for its accounts and feeds.
    pub(super) fn knowing(self, variables: Variables) -> Self {
        Self { variables, ..self }
    }

    /// Shows this much of the log while it runs.
    pub(super) fn detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// Lets this strategy decide instead of the configured one.
    pub fn strategy(mut self, make: StrategyMaker) -> Self {
        self.strategy = Some(make);
        self
    }

    /// What this run is: decided before anything is made or dialled.
    fn ready(&self) -> Result<Ready, RunError> {
        let intended = match (self.record, self.live, &self.strategy) {
            (true, _, _) => Intended::None,
            (false, true, _) => Intended::Live,
            (false, false, Some(_)) => Intended::Own,
            (false, false, None) => Intended::Paper,
        };
        match &self.market {
            Market::Configured(config) | Market::Played(config, _) => {
                ready(config, intended, &self.variables)
            }
            // Its prices and its account are both of the exchange that it starts itself.
            Market::Simulated { .. } => Ok(Ready {
                mode: Mode::Simulated,
                accounts: Vec::new(),
                feed_keys: Vec::new(),
            }),
        }
    }

    /// Runs to the end, prints what happened, and returns the summary that is in `summary.json`,
    /// and the strategies.
    ///
    /// # Errors
    /// If it did not start, or did not end as it should: its files then say what happened.
    pub fn start(self) -> Result<RunEnd, RunError> {
        let stop = Stop::listen().map_err(failed_to("take signals"))?;
        let started = rfc3339_millis(start::wall_clock()?);
        let ready = self.ready()?;
        let recording = match &self.out {
            Some(dir) if self.record => Some(recording::Recording::create(dir, self.pack)?),
            Some(_) | None => None,
        };
        let claim = Claim::take(self.out.as_deref(), &started)?;
        let mut screen = Screen::open(claim.dir()).map_err(failed_to("print"))?;
        let head = Summary {
            version: env!("CARGO_PKG_VERSION").into(),
            started,
            mode: ready.mode.name().into(),
            ..Summary::default()
        };
        let bodies = recording.as_ref().map(|recording| recording.bodies());
        let played = self.market.is_played();
        let (market, dir) = (self.market, claim.dir().to_owned());
        let prepare = move || start::prepare(market, ready, &dir, bodies);
        let prepared = stop.unless_asked("tickwire-start", prepare);
        let Some(prepared) = prepared.map_err(failed_to("start"))? else {
            return never_began(&claim, screen, head);
        };
        let Prepared {
            config,
            mode,
            sim,
            accounts,
            seed,
            universe,
            warnings,
        } = prepared?;
        for warning in warnings {
            console::complain(&format!("warning: {warning}"));
        }
        screen.announce_universe(&universe);
        if !self.record && self.strategy.is_none() {
            screen.warn_of_shallow_books(&config);
        }
        let (left_out, absent) = (universe.left_out.clone(), universe.absent.clone());
        for (_, account) in &accounts {
            reachable(&universe, account)?;
        }
        let fees = universe.taker_fees_ppm();
        let configured = self.strategy.is_none();
        let strategies = match self.strategy {
            Some(make) => make(&universe.instruments).map(|own| vec![Named::only(own)]),
            None => configured_strategies(&config, &universe.instruments, &fees),
        };
        let strategies = strategies.map_err(RunError::Wrong)?;
        let named: Vec<summary::Strategy> = strategies.iter().map(Named::told).collect();
        let cpus = container::cpus().map_err(|e| RunError::Failed(format!("no CPU: {e}")))?;
        let mut letters = Vec::new();
        for (keys, at) in accounts.iter().filter(|_| self.live) {
            let letter = guard::letter(&config, keys, at, &universe.instruments, claim.dir());
            letters.push((letter.map_err(RunError::Failed)?, at.journal.clone()));
        }
        let parts = engine_parts(&config, universe, strategies, accounts, &cpus, self.record);
        let mut parts = parts.map_err(RunError::Failed)?;
        for lane in &mut parts.road.lanes {
            lane.feed.played = played;
            if sim.is_none() && !self.record && !config.engine.digests {
                lane.feed.audits = 0;
            }
        }
        let mut seated = Vec::new();
        for (letter, journal) in letters {
            let seat = stop.unless_asked("tickwire-seat", move || guard::seat(&journal));
            let Some(seat) = seat.map_err(failed_to("wait for a guard"))? else {
                return never_began(&claim, screen, head);
            };
            seated.push((letter, seat.map_err(RunError::Failed)?));
        }
        let orders_max = parts.road.risk.open_orders_max();
        let (mut engine, mut outputs) = Engine::start(parts).map_err(RunError::Failed)?;
        let guards = seated.into_iter().map(|(letter, seat)| {
            Guarded::start(&letter, seat, &engine.pulses, engine.kill.clone())
        });
        let guards: Result<Vec<_>, _> = guards.collect();
        let guards = guards.map_err(failed_to("start a guard"))?;
        let recorder = recording
            .map(|recording| recording.start(&mut outputs))
            .transpose()?;
        screen.announce(&engine, &config, sim.as_ref(), mode.name());
        let (begun, began) = (Instant::now(), OsClock.now());
        let (down_max, kill_file) = (config.engine.down_max, config.engine.kill_file.clone());
        let notes = outputs.notes_to.clone();
        let killer = Killer::new(engine.kill.clone(), notes.clone());
        let truths = sim.as_ref().filter(|_| seed.is_some()).map(Sim::truth);
        let head = Summary {
            mode: mode.name().into(),
            seed,
            left_out,
            absent,
            strategies: named,
            ..head
        };
        let scribe = start_scribe(
            &engine,
            outputs,
            truths,
            console(self.log, self.detail),
            claim.dir(),
            head.clone(),
        )?;
        let settings = match configured {
            true => Settings::new(&config, engine.instruments.clone(), fees),
            false => Ok(Settings::none()),
        };
        let settings = settings.map_err(RunError::Failed)?;
        let sets = settings.sets();
        let line = engine.commands.take().filter(|_| !self.record);
        let overseer = Overseer::new(killer.clone(), kill_file.clone(), &head.strategies);
        let control = line.and_then(|line| {
            let names = head.strategies.iter().map(|one| one.name.clone()).collect();
            let instruments = engine.instruments.clone();
            let named = (names, settings);
            let control = Control::new(killer, line, instruments, named, kill_file, orders_max);
            control.listen(claim.dir())
        });
        let mut threads = Threads {
            engine,
            overseer,
            control,
            sets,
            guards,
            scribe,
            sim,
            recorder,
            notes,
            began,
        };
        let died = threads.until_the_end(self.time, &stop);
        let summary = Summary {
            duration_ns: begun.elapsed().as_nanos() as u64,
            ..head
        };
        threads.conclude(summary, died, down_max, &claim, screen)
    }
}

/// The command.
pub(crate) fn run(args: RunArgs, program: Program<'_>) -> ExitCode {
    let Program { kinds, at_end } = program;
    let end = from_args(args, kinds).and_then(Run::start);
    if let Ok(end) = &end {
        at_end(end);
    }
    exit_code(end.as_ref().map(|end| &end.summary))
}

fn from_args(args: RunArgs, kinds: Vec<&'static Kind>) -> Result<Run, RunError> {
    let adjust = |engine: &mut config::Engine| args.settings.adjust(engine);
    let played = args.play.map(|path| SimSource::Play {
        path,
        // In one process there is no reason to wait, unless one is asked to.
        speed: args.speed.unwrap_or(server::Speed::Client),
    });
    let mut variables = Variables::default();
    let (market, time) = match (args.config, played) {
        (Some(path), played) => {
            let config = Config::load_with(&path, &kinds);
            let mut config = config.map_err(|errors| RunError::Wrong(errors.to_string()))?;
            adjust(&mut config.engine);
            variables = secrets::take(&config, args.live)?;
            let market = match played {
                Some(source) => Market::Played(config, source),
                None => Market::Configured(config),
            };
            (market, None)
        }
        (None, played) => {
            let mut engine = config::Engine::default();
            adjust(&mut engine);
            let time = if played.is_some() { None } else { Some(DEMO) };
            let market = Market::Simulated {
                source: played.unwrap_or(SimSource::Flow),
                seed: args.seed.unwrap_or(SEED),
                engine,
                kinds,
            };
            (market, time)
        }
    };
    let time = args.time.or(time);
    let (out, log, live) = (args.out, args.log, args.live);
    Ok(Run {
        market,
        time,
        out,
        log,
        detail: args.loudness.detail(),
        live,
        strategy: None,
        record: false,
        pack: Pack::default(),
        variables,
    })
}

/// The exchange that takes the orders must be among those whose books are followed.
fn reachable(universe: &Universe, account: &config::Account) -> Result<(), RunError> {
    let at = &account.exchange;
    match universe
        .sources
        .iter()
        .any(|source| source.exchange.name() == at)
    {
        true => Ok(()),
        false => Err(RunError::Failed(format!(
            "--live: {at} takes the orders, and none of its instruments can be followed now: {}",
            universe.left_out.join("; ")
        ))),
    }
}

/// Standard error, as it is.
fn console(log: LogForm, detail: Detail) -> Console {
    let colour = console::err_may_be_coloured();
    let style = match log {
        LogForm::Human if console::err_can_redraw() => ConsoleStyle::Terminal {
            colour,
            columns: console::err_columns,
        },
        LogForm::Human => ConsoleStyle::Lines { colour },
        LogForm::Json => ConsoleStyle::Json,
    };
    let out = Box::new(std::io::stderr());
    Console { out, style, detail }
}

fn start_scribe(
    engine: &Engine,
    outputs: Outputs,
    truths: Option<&crossbeam_channel::Receiver<Truth>>,
    console: Console,
    dir: &Path,
    head: Summary,
) -> Result<ScribeHandle, RunError> {
    let inputs = ScribeInputs {
        clock: Box::new(OsClock),
        instruments: engine.instruments.clone(),
        strategies: head.strategies.iter().map(|one| one.name.clone()).collect(),
        notes: outputs.notes,
        notes_lost: outputs.notes_to.lost(),
        unwritable: outputs.notes_to.unwritable(),
        shown: outputs.audits,
        truths: truths.cloned(),
        collectors: outputs.collectors,
        console,
        dir: Some(dir.to_owned()),
        status: Some(screen::status(engine)),
        books: Some(screen::books(engine)),
        head: Some(head),
    };
    Scribe::start(inputs)
        .map_err(|error| RunError::Failed(format!("cannot write into {}: {error}", dir.display())))
}

/// What failed, with the system's own words.
fn failed_to(what: &'static str) -> impl Fn(std::io::Error) -> RunError {
    move |error| RunError::Failed(format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests;
