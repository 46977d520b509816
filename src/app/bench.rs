//! `tickwire bench`: how long this engine, or any other client, takes from a message to its order,
//! and what a message costs it. Both are measured at the exchange's end.

mod client;
mod figures;

use self::client::{Contender, OURSELVES, Running, Wait};
use self::figures::{Figures, Measure, Row, quantile};
use super::cli::{self, FAILED, WRONG_USE, complain};
use super::scratch::Scratch;
use super::signals::Stop;
use crate::exchange;
use crate::venue::market::INSTRUMENTS_MAX;
use crate::world::os::bench::{Plan, Stage, Trouble, process};
use crate::world::os::files::write_whole;
use crate::world::os::sys;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Triggers of a run that are measured. With those that warm the client up, an account may place
/// that many orders within ten seconds.
const TRIGGERS: usize = 60;
const WARM_UP: usize = 8;

const LONG: &str = "\
Measures tick-to-order and the cost of a message, at the exchange's end.

An exchange in this process, on a CPU of its own, speaks Binance spot's protocol over TLS and \
WebSocket on loopback. Its client runs on one other CPU: Tickwire itself, live, with its account, \
its journal and all of its limits, but without the kernel's send stamps (send_stamps = false), or \
any program that follows SYMBOL@depth@100ms of each pair and answers triggers.

The trigger: a depthUpdate whose first bid has the quantity 777.00000000 (no other level ever has \
it) asks for one order.place of that symbol: side BUY, type LIMIT, timeInForce IOC, and as price \
the price of the first ask of the same message. That price tells the exchange which trigger is \
answered. Every order expires.

Every frame is encrypted before its run starts and is one write at its time, whatever the client \
does (an open loop). A time is from the kernel's send stamp of the frame to the kernel's receive \
stamp of the order. The CPU time of a message is the scheduler's, of all processes of the client, \
over a flood of messages of 20 levels that it reads as fast as it can.

A client is a shell command in which are filled in:
  {addr}   host:port of streams (/stream), REST (/api/v3) and order entry (/ws-api/v3)
  {ca}     file of the certificate authority to trust
  {pairs}  symbols, with commas
  {logon}  file of a signed session.logon, to be sent first on the order connection
  {wait}   spin or park: how it is to wait; a command without it runs once, as it waits by itself
NAME=COMMAND gives it a name in the table, and the word tickwire is this program.";

/// Arguments of `tickwire bench`.
#[derive(Debug, Clone, Args)]
#[command(long_about = LONG)]
pub(crate) struct BenchArgs {
    /// The client that is measured: a command, or `tickwire`
    #[arg(long, value_name = "CMD", default_value = OURSELVES)]
    pub(crate) client: String,
    /// Clients to compare it with, in turn with it; ratios are to the first of them
    #[arg(long, value_name = "CMD", num_args = 1..)]
    pub(crate) against: Vec<String>,
    /// Messages per second of the schedule, over all pairs
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = from_to(200..=50_000))]
    pub(crate) rate: u64,
    /// One message of the schedule in so many is a trigger: the more seldom an order, the colder
    /// its way
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = from_to(2..=1_000))]
    pub(crate) every: u64,
    /// Pairs that the client follows
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = parse_pairs)]
    pub(crate) pairs: usize,
    /// Messages of the flood; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = from_to(0..=1_000_000))]
    pub(crate) flood: u64,
    /// How often each client runs
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = from_to(1..=100))]
    pub(crate) repetitions: u64,
    /// How long a client may take until it answers for the first time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = cli::parse_time)]
    pub(crate) patience: Duration,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Compare the ratios with those of a file that --json wrote: if one is more than 10 % worse in
    /// its median, and worse in every repetition, the exit code is 1
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) baseline: Option<PathBuf>,
}

fn from_to(range: RangeInclusive<u64>) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(range)
}

fn parse_pairs(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=INSTRUMENTS_MAX).contains(count));
    count.ok_or_else(|| format!("write 1 to {INSTRUMENTS_MAX}"))
}

/// Why the command ended badly.
#[derive(Debug)]
pub(crate) enum Failure {
    OneCpu(Vec<usize>),
    Cpu(usize, io::Error),
    File(String, io::Error),
    Baseline(PathBuf, String),
    Account(String),
    Start(String, io::Error),
    Names(String),
    Signals(io::Error),
    /// Which client, how it waited, what happened, and its last words.
    Client(String, &'static str, Trouble, String),
    Worse(Vec<String>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneCpu(cpus) => write!(
                f,
                "the exchange and its client take a CPU each, and this process may use {cpus:?} \
                 only: give it two (taskset, cpuset)"
            ),
            Self::Cpu(cpu, error) => write!(f, "cannot run on CPU {cpu}: {error}"),
            Self::File(path, error) => write!(f, "cannot write {path}: {error}"),
            Self::Baseline(path, why) => write!(
                f,
                "{} is no baseline for this run: {why}; write one with --json and the same \
                 --client and --against",
                path.display()
            ),
            Self::Account(why) => write!(f, "cannot make an account: {why}"),
            Self::Start(name, error) => write!(f, "cannot start {name}: {error}"),
            Self::Names(name) => write!(
                f,
                "two clients are called {name}: write NAME=CMD for one of them"
            ),
            Self::Signals(error) => write!(f, "cannot listen for Ctrl-C: {error}"),
            Self::Client(_, _, Trouble::Stopped, _) => write!(f, "{}", Trouble::Stopped),
            Self::Client(name, wait, trouble, words) => {
                write!(f, "{name} ({wait}): {trouble}")?;
                match words.is_empty() {
                    true => Ok(()),
                    false => write!(f, "\nits last words:\n  {words}"),
                }
            }
            Self::Worse(all) => write!(f, "worse than the baseline:\n  {}", all.join("\n  ")),
        }
    }
}

/// Runs the bench, and prints its table.
pub(crate) fn run(args: &BenchArgs) -> ExitCode {
    match bench(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ (Failure::Names(_) | Failure::Baseline(..))) => {
            complain(WRONG_USE, &format!("bench: {failure}"))
        }
        Err(failure) => complain(FAILED, &format!("bench: {failure}")),
    }
}

fn bench(args: &BenchArgs) -> Result<(), Failure> {
    let stop = Stop::listen().map_err(Failure::Signals)?;
    let contenders = contenders(args)?;
    let earlier = args.baseline.as_deref().map(read_baseline).transpose()?;
    if let Some(path) = &args.json {
        // Before anything runs: an hour's figures must not be lost at its end.
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|error| Failure::File(path.display().to_string(), error))?;
    }
    let cpus = sys::affinity().unwrap_or_default();
    let &[own, .., theirs] = &cpus[..] else {
        return Err(Failure::OneCpu(cpus));
    };
    sys::pin(own).map_err(|error| Failure::Cpu(own, error))?;
    let dir = Scratch::new("bench");
    let dir = dir.map_err(|(dir, error)| Failure::File(dir.display().to_string(), error))?;
    let row = |one: &Contender| Row {
        name: one.name.clone(),
        ..Row::default()
    };
    let mut rows: Vec<Row> = contenders.iter().map(row).collect();
    for repetition in 0..args.repetitions {
        for (contender, row) in contenders.iter().zip(&mut rows) {
            let mut figures = Figures::new();
            for wait in Wait::ALL {
                if wait == Wait::Spin && !contender.waits_as_told() {
                    continue;
                }
                let place = format!("{repetition}-{}-{}", row.name, wait.name());
                let one = One {
                    args,
                    stop: &stop,
                    cpus: (theirs, own),
                    dir: &dir.path().join(place.replace(' ', "-")),
                    seed: repetition + 1,
                };
                one.run(contender, wait, row, &mut figures)?;
            }
            row.runs.push(figures);
            cli::say(&format!(
                "{} of {}: {}",
                repetition + 1,
                args.repetitions,
                brief(row)
            ));
        }
    }
    drop(dir);
    let base = (rows.len() > 1).then(|| rows[1].clone());
    let settings = json!({
        "rate": args.rate, "every": args.every, "pairs": args.pairs, "flood": args.flood,
        "repetitions": args.repetitions, "triggers": TRIGGERS,
        "exchange_cpu": own, "client_cpu": theirs,
    });
    if let Some(path) = &args.json {
        let mut text = format!("{:#}", figures::file(&rows, base.as_ref(), settings));
        text.push('\n');
        write_whole(path, text.as_bytes())
            .map_err(|error| Failure::File(path.display().to_string(), error))?;
    }
    let text = figures::table(&rows, base.as_ref()) + &notes(args, &rows, (own, theirs));
    cli::print(|out| out.write_all(text.as_bytes()));
    let (Some(base), Some((path, earlier))) = (&base, &earlier) else {
        return Ok(());
    };
    let (compared, worse) = figures::regressions(&rows, base, earlier)
        .map_err(|why| Failure::Baseline((*path).to_owned(), why))?;
    if !worse.is_empty() {
        return Err(Failure::Worse(worse));
    }
    cli::say(&format!(
        "not worse than {}: {compared} ratios",
        path.display()
    ));
    Ok(())
}

fn contenders(args: &BenchArgs) -> Result<Vec<Contender>, Failure> {
    let all = [&args.client].into_iter().chain(&args.against);
    let all: Vec<Contender> = all.map(|text| Contender::of(text)).collect();
    for (n, one) in all.iter().enumerate() {
        if all[..n].iter().any(|other| other.name == one.name) {
            return Err(Failure::Names(one.name.clone()));
        }
    }
    Ok(all)
}

fn read_baseline(path: &Path) -> Result<(&Path, Value), Failure> {
    let wrong = |why: String| Failure::Baseline(path.to_owned(), why);
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok((path, value))
}

/// One run of one client.
struct One<'b> {
    args: &'b BenchArgs,
    stop: &'b Stop,
    /// The client's and our own.
    cpus: (usize, usize),
    dir: &'b Path,
    seed: u64,
}

impl One<'_> {
    fn run(
        &self,
        contender: &Contender,
        wait: Wait,
        row: &mut Row,
        figures: &mut Figures,
    ) -> Result<(), Failure> {
        let failed =
            |trouble, words| Failure::Client(contender.name.clone(), wait.name(), trouble, words);
        let open = Stage::open(exchange::unnamed(), self.args.pairs, self.seed);
        let mut stage = open.map_err(|trouble| failed(trouble, String::new()))?;
        let mut running = contender.start(&stage, wait, self.cpus, self.dir)?;
        let done = self.measure(&mut stage, &mut running, wait, row, figures);
        let words = done.as_ref().err().map(|_| running.words());
        running.end(&mut stage);
        done.map_err(|trouble| failed(trouble, words.unwrap_or_default()))
    }

    fn measure(
        &self,
        stage: &mut Stage,
        running: &mut Running,
        wait: Wait,
        row: &mut Row,
        figures: &mut Figures,
    ) -> Result<(), Trouble> {
        let (args, id) = (self.args, running.id());
        let mut watch = || match self.stop.is_asked() {
            true => Err(Trouble::Stopped),
            false => running.look(),
        };
        stage.until_ready(args.patience, &mut watch)?;
        let plan = Plan {
            rate: args.rate,
            every: args.every as usize,
            warm_up: WARM_UP,
            triggers: TRIGGERS,
            seed: self.seed,
        };
        let answers = stage.measure(&plan, &mut watch)?;
        for (measure, part) in [(Measure::P50(wait), 0.5), (Measure::P99(wait), 0.99)] {
            figures.extend(quantile(&answers.ns, part).map(|ns| (measure, ns)));
        }
        row.answered.0 += answers.ns.len();
        row.answered.1 += answers.triggers;
        row.by_kernel += answers.by_kernel;
        row.strays += answers.strays;
        row.late_ns_max = row.late_ns_max.max(answers.late_ns_max);
        if wait == Wait::Park && args.flood > 0 {
            let cpu_ns = || process::cpu_ns(id);
            let cost_ns = stage.flood(args.flood as usize, cpu_ns, &mut watch)?;
            let per_message = cost_ns as f64 / args.flood as f64;
            figures.insert(Measure::Cpu, per_message);
        }
        Ok(())
    }
}

fn brief(row: &Row) -> String {
    let mut text = row.name.clone();
    for measure in Measure::ALL {
        let last = row.runs.last().and_then(|run| run.get(&measure));
        text += &last.map_or(String::new(), |ns| {
            format!("  {} {:.2}", measure.title(), ns / 1_000.0)
        });
    }
    text
}

/// What must be known to read the table.
fn notes(args: &BenchArgs, rows: &[Row], (own, theirs): (usize, usize)) -> String {
    let late = rows.iter().map(|row| row.late_ns_max).max();
    let late_us = late.unwrap_or(0) / 1_000;
    let mut text = format!(
        "\nMedians of {} repetition(s) with their ranges, the clients in turn; ratios are of the \
         same\nrepetition. Ranked by the spinning p50, and only where no range overlaps.\n\
         {} messages/s of 20 levels over {} pair(s), one in {} a trigger, {TRIGGERS} triggers a \
         run; flood:\n{} messages. With so few triggers, the p99 of a run is its slowest answer. \
         Exchange on CPU {own},\nclient on CPU {theirs}; the exchange itself was late with a \
         message by {late_us} µs at most, which no\ntime contains.\n",
        args.repetitions, args.rate, args.pairs, args.every, args.flood
    );
    for row in rows {
        let (answered, all) = row.answered;
        if answered < all {
            text += &format!("{}: {} trigger(s) not answered\n", row.name, all - answered);
        }
        if row.by_kernel < answered {
            text += &format!(
                "{}: {} time(s) by this process's clock and not by the kernel's\n",
                row.name,
                answered - row.by_kernel
            );
        }
        if row.strays > 0 {
            text += &format!(
                "{}: {} order(s) that nothing asked for\n",
                row.name, row.strays
            );
        }
    }
    text
}
