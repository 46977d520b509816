//! The command line: what can be asked, with which words, and which exit code answers.
//! Does none of the work itself.

use super::config::{Engine, Wait};
use super::run::RunEnd;
use super::{
    bench, check, ctl, drill, guard, orders, panics, record, replay, report, run, signals, sim, why,
};
use crate::strategy::{self, Kind};
use crate::world::os::console;
use crate::world::os::scribe::Detail;
use crate::world::os::server::Speed;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// It ran and something failed: a connection, a file, a port in use.
pub(crate) const FAILED: u8 = 1;
/// It did not run: the arguments or the configuration are wrong.
pub(crate) const WRONG_USE: u8 = 2;
/// It ran to its end, and an exchange was down for too long, or a book was not live.
pub(crate) const DOWN: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  tickwire                                      simulated exchange and engine in one, for 15 s
  tickwire check configs/binance.toml           what would run, and whether it would
  tickwire run configs/binance.toml --for 60s   real market data, paper orders
  taskset -c 2-4 tickwire run --wait spin       on these CPUs only
  tickwire record configs/binance.toml --out r  raw frames and REST bodies, until Ctrl-C
  tickwire record --verify r                    is every byte of a recording as it was written?
  tickwire replay day.jsonl.gz --digest         a recording through the same lanes, no sockets
  tickwire replay day.jsonl.gz --config my.toml strategies, risk and paper fills on its clock
  tickwire replay --lines a.jsonl.gz b.jsonl.gz one book from several connections' recordings
  tickwire orders my.toml --accept BTC          accept a difference between runs
  tickwire report runs/LAST --against runs/OLD  latency tables and curves, side by side
  tickwire why 1764285546123456                 one order of the newest run, packet to end
  tickwire why-not BTCUSDT                      which gates held its intents back, how often

Exit codes: 0 done, 1 failed while running, 2 wrong arguments or configuration,
3 an exchange was down for too long.";

/// A low-latency trading engine for crypto exchanges.
///
/// Without a command it does what `tickwire run` does without a file.
#[derive(Debug, Parser)]
#[command(name = "tickwire", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do; nothing means [`Command::Run`] without arguments.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the command line asks for.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant)] // There is one value of it a process.
pub(crate) enum Command {
    /// Run the engine: without a file against a simulated exchange of its own
    Run(RunArgs),
    /// Serve a simulated exchange, or play a recording, over TLS and WebSocket
    Sim(sim::SimArgs),
    /// Record raw frames and REST bodies of a configuration's feeds, or verify a recording
    Record(record::RecordArgs),
    /// Send recordings through the engine's lanes without sockets, and print a digest of each book
    Replay(ReplayArgs),
    /// Print the stage table of a run and write its page of percentile curves
    Report(report::ReportArgs),
    /// Print the story of one order: why it was sent, its road, what became of it
    Why(why::WhyArgs),
    /// Print what held an instrument's intents back, gate by gate
    WhyNot(why::WhyNotArgs),
    /// Print what a configuration file would run, and whether it would
    Check(CheckArgs),
    /// Print what an account's order journal knows, accept a difference or resume what is halted
    Orders(OrdersArgs),
    /// Let a run that goes on order nothing more, and cancel what works
    Kill(ctl::KillArgs),
    /// Ask a run that goes on, or tell it something
    Ctl(ctl::CtlArgs),
    /// Measure tick-to-order and the cost of a message, of this engine or of any other client
    Bench(bench::BenchArgs),
    /// Let every fault happen to every simulated exchange, and measure what the books made of it
    Drill(drill::DrillArgs),
    /// Watches over a live run, which starts it
    #[command(hide = true)]
    Guard,
}

/// Arguments of `tickwire run`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunArgs {
    /// Configuration file; without one the simulated exchange runs in this process
    pub(crate) config: Option<PathBuf>,
    /// Stop after this time, like 30s, 5m or 2h [default: 15s without a file, else never]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub(crate) time: Option<Duration>,
    /// Folder for the run's files [default: a new one under runs/]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Let simulated exchanges play this recording; with a configuration, to its feeds and its
    /// strategies
    #[arg(long, value_name = "FILE.jsonl.gz|DIR", conflicts_with_all = ["seed", "live"])]
    pub(crate) play: Option<PathBuf>,
    /// Speed of the recording: recorded, max, or how many times as fast
    #[arg(long, requires = "play")]
    pub(crate) speed: Option<Speed>,
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Log lines for people or as JSON
    #[arg(long, value_name = "FORM", default_value = "human")]
    pub(crate) log: LogForm,
    #[command(flatten)]
    pub(crate) loudness: Loudness,
    /// Send real orders of the account that the file names; without it orders are paper
    #[arg(long, requires = "config")]
    pub(crate) live: bool,
    /// Seed of the simulated order flow
    #[arg(long, conflicts_with = "config")]
    pub(crate) seed: Option<u64>,
}

/// What stands for a key of `[engine]`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Settings {
    /// Levels a side that a book keeps: 256, 1024 or 4096
    #[arg(long, value_parser = parse_depth)]
    pub(crate) depth: Option<usize>,
    /// What a worker does while idle
    #[arg(long)]
    pub(crate) wait: Option<Wait>,
    /// How long an exchange may be down: longer at any time, and the exit code is 3 [default: 3s,
    /// at the end]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) down_max: Option<Duration>,
}

impl Settings {
    pub(crate) fn adjust(&self, engine: &mut Engine) {
        engine.depth = self.depth.unwrap_or(engine.depth);
        engine.wait = self.wait.unwrap_or(engine.wait);
        engine.down_max = self.down_max.or(engine.down_max);
    }
}

/// How much of the log the console shows; `log.jsonl` has all of it.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Loudness {
    /// Show every log record whole, and the status each second
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Show warnings, errors and the tables at the end
    #[arg(short, long)]
    quiet: bool,
}

impl Loudness {
    pub(crate) fn detail(self) -> Detail {
        match (self.verbose, self.quiet) {
            (true, _) => Detail::Full,
            (false, true) => Detail::Quiet,
            (false, false) => Detail::Brief,
        }
    }
}

/// Arguments of `tickwire replay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayArgs {
    /// Recordings (JSON lines, gzip or zstd), or folders that `tickwire record` made
    #[arg(required = true, value_name = "FILE.jsonl.gz|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// Print one JSON line a book: file, symbol, applied, gaps, checksums, incomplete, sha256
    #[arg(long, required_unless_present_any = ["lines", "config"])]
    pub(crate) digest: bool,
    /// The files are connections that carry the same: one book of all of them, and each one's lead
    #[arg(long)]
    pub(crate) lines: bool,
    /// Let the strategies of this file decide on the recordings' clock, as fast as that goes: its
    /// feeds choose what is followed, its limits hold, and orders are filled on paper at once,
    /// against the book as it was recorded. There is no queue yet, and no latency
    #[arg(long, value_name = "CFG.toml", conflicts_with_all = ["digest", "lines"])]
    pub(crate) config: Option<PathBuf>,
    /// Keep the decisions in this folder: decisions.jsonl has a line per order, log.jsonl all of
    /// their records, summary.json the counts
    #[arg(long, value_name = "DIR", requires = "config")]
    pub(crate) out: Option<PathBuf>,
    /// Levels a side that a book keeps: 256, 1024 or 4096 [default: 1024, or what the file says]
    #[arg(long, value_parser = parse_depth)]
    pub(crate) depth: Option<usize>,
}

/// Arguments of `tickwire check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// Configuration file
    pub(crate) config: PathBuf,
    /// Say whether `run --live` would start
    #[arg(long)]
    pub(crate) live: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Arguments of `tickwire orders`: while an engine trades with the account, it is refused.
#[derive(Debug, Clone, Args)]
pub(crate) struct OrdersArgs {
    /// Configuration file; its [account] says where the journal is
    pub(crate) config: PathBuf,
    /// Accept what nothing explains of this asset: its instruments may be traded again
    #[arg(long, value_name = "ASSET", conflicts_with = "resume")]
    pub(crate) accept: Option<String>,
    /// Let a strategy that was halted order again; without a name, all of them together
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) resume: Option<Option<String>>,
}

/// Log lines for people, or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogForm {
    /// A line of text a record.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

/// The command line of this process, for a program that brings strategies of its own.
///
/// Configuration names them by their kinds: `[strategy]` takes their keys, `check` shows them, and
/// `run`, `replay` and the other commands treat them like those of this crate. The first of them is
/// what runs if nothing is named. When a run or a replay has ended, `at_end` gets the strategies
/// back, with the summary.
///
/// ```no_run
/// use std::process::ExitCode;
/// use tickwire::{Event, Intents, Key, Nanos, Sort, Strategy, StrategyKind, View};
///
/// const ABOVE: Key = Key {
///     name: "above",
///     sort: Sort::Ratio { above: 0.0, below: 1.0, default: 0.5 },
///     help: "imbalance that must be exceeded",
/// };
/// static KIND: StrategyKind = StrategyKind {
///     name: "watch",
///     help: "counts events, and wants nothing",
///     keys: &[ABOVE],
///     settable: &[],
///     levels: None,
///     exchanges_min: 1,
///     build: |values, _table| Ok(Box::new(Watch { above: values.ratio(&ABOVE), seen: 0 })),
/// };
///
/// struct Watch {
///     above: f64,
///     seen: u64,
/// }
///
/// impl Strategy for Watch {
///     fn handle_event(&mut self, _: Nanos, _: &Event, _: &View<'_>, _: &mut Intents) {
///         self.seen += 1;
///     }
/// }
///
/// fn main() -> ExitCode {
///     tickwire::main_with(&[&KIND], |end| {
///         if let Some(watch) = end.strategy::<Watch>("watch") {
///             println!("{} events", watch.seen);
///         }
///     })
/// }
/// ```
pub fn main_with(own: &[&'static Kind], mut at_end: impl FnMut(&RunEnd)) -> ExitCode {
    panics::keep();
    signals::survive_limits();
    let program = match strategy::with_own(own) {
        Ok(kinds) => Program {
            kinds,
            at_end: &mut at_end,
        },
        Err(why) => return complain(WRONG_USE, &why),
    };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Also where help and version come from; a closed pipe is no reason to complain.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { WRONG_USE } else { 0 });
        }
    };
    match cli.command {
        None => run::run(RunArgs::default(), program),
        Some(Command::Run(args)) => run::run(args, program),
        Some(Command::Sim(args)) => sim::run(args),
        Some(Command::Record(args)) => record::run(args, &program.kinds),
        Some(Command::Replay(args)) => replay::run(args, program),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Why(args)) => why::run(&args),
        Some(Command::WhyNot(args)) => why::run_not(&args),
        Some(Command::Check(args)) => check::run(args, &program.kinds),
        Some(Command::Orders(args)) => orders::command::run(&args, &program.kinds),
        Some(Command::Kill(args)) => ctl::kill(args),
        Some(Command::Ctl(args)) => ctl::ctl(args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Drill(args)) => drill::run(&args),
        Some(Command::Guard) => guard::run(),
    }
}

/// What the program that runs the command line brings along.
pub(crate) struct Program<'a> {
    /// The kinds of strategies that configuration may name.
    pub(crate) kinds: Vec<&'static Kind>,
    /// Gets what a run or a replay leaves behind.
    pub(crate) at_end: &'a mut dyn FnMut(&RunEnd),
}

/// Writes a command's answer to standard output. A reader that has seen enough (`| head`) ends it
/// quietly, with code 0; any other failure is reported, with code 1.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = write(&mut out).and_then(|()| out.flush());
    // What a failed flush left behind must not be written again when `out` is dropped.
    let (_, _) = out.into_parts();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(FAILED, &format!("standard output: {error}")),
    }
}

/// Says on standard error how far a command is.
pub(crate) fn say(text: &str) {
    // Whoever closed it does not want to know.
    let _ = writeln!(io::stderr(), "{text}");
}

/// As [`print`], for people: a terminal gets no line that is wider than itself.
pub(crate) fn print_text(text: &str) -> ExitCode {
    print(|out| out.write_all(console::fit_out(text).as_bytes()))
}

/// Writes `tickwire: what` to standard error and gives the exit code back.
pub(crate) fn complain(code: u8, what: &dyn std::fmt::Display) -> ExitCode {
    console::complain(what);
    ExitCode::from(code)
}

/// Bytes of a time, and digits of one number in it: their sum stays far below what a `Duration`
/// holds.
const TIME_TEXT_MAX: usize = 64;
const TIME_DIGITS_MAX: usize = 10;

pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    // Sums of what is longer overflow inside of the parser.
    let number = text
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    if text.len() > TIME_TEXT_MAX || number.is_some_and(|digits| digits > TIME_DIGITS_MAX) {
        return Err("write a shorter number with its unit, like 30s, 5m or 2h".to_owned());
    }
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        Ok(_) => Err("write a time above zero, like 30s".to_owned()),
        Err(_) => Err("write a number with its unit, like 30s, 5m or 2h".to_owned()),
    }
}

fn parse_depth(text: &str) -> Result<usize, String> {
    match text {
        "256" => Ok(256),
        "1024" => Ok(1024),
        "4096" => Ok(4096),
        _ => Err("write 256, 1024 or 4096".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_arguments_mean_run() {
        assert!(parse("").unwrap().command.is_none());
        let Some(Command::Run(args)) = parse("run").unwrap().command else {
            panic!("not a run");
        };
        assert_eq!(
            (args.log, args.live, args.settings.depth),
            (LogForm::Human, false, None)
        );
    }

    #[test]
    fn a_run_takes_all_its_words() {
        let line = "run a.toml --for 1m30s --out d --depth 256 --wait park --log json --live";
        let Some(Command::Run(args)) = parse(line).unwrap().command else {
            panic!("not a run");
        };
        assert_eq!(args.time, Some(Duration::from_secs(90)));
        assert_eq!(
            (args.settings.depth, args.settings.wait, args.live),
            (Some(256), Some(Wait::Park), true)
        );
        let Some(Command::Run(args)) = parse("run --play f --speed 2.5").unwrap().command else {
            panic!("not a run");
        };
        assert_eq!(args.speed, Some(Speed::Times(2.5)));
    }

    #[test]
    fn wrong_use_says_what_to_write() {
        for (line, what) in [
            ("run --depth 512", "write 256, 1024 or 4096"),
            ("run --for 30", "write a number with its unit"),
            ("run --for 0s", "above zero"),
            (
                "run --for 18446744073709551615s1000000000ns",
                "shorter number",
            ),
            ("run --wait fast", "possible values: spin, park, auto"),
            (
                "run --play f --speed nan",
                "write recorded, max, or how many times as fast",
            ),
            ("run --speed max", "--play"),
            ("run --live", "<CONFIG>"),
            ("run a.toml --live --play f", "cannot be used with"),
            ("replay", "--digest"),
            ("replay a", "--digest"),
            ("replay a --digest --config b.toml", "cannot be used with"),
            ("replay a --out d", "--digest"),
            ("sim --listen here", "invalid value 'here'"),
            ("orders", "<CONFIG>"),
            ("orders a --accept BTC --resume", "cannot be used with"),
            ("rum", "similar subcommand exists: 'run'"),
            ("run --api-key x", "unexpected argument"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.use_stderr(), "{line}");
            assert!(error.to_string().contains(what), "{line}: {error}");
        }
    }

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["tickwire"].into_iter().chain(line.split_whitespace()))
    }
}
