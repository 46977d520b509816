//! `tickwire drill`: every fault that the simulated exchanges know, at every one of them, over real
//! sockets: for how long a wrong book was shown, how long until that was noticed, and how long
//! until all was well.

mod judge;
mod rig;
mod seen;
mod table;

use self::judge::{Cell, Sample, Sum, judge};
use self::rig::{Ground, Rig};
use super::cli::{self, FAILED, WRONG_USE, complain};
use super::scratch::Scratch;
use super::signals::Stop;
use crate::base::{Clock as _, Nanos, Span};
use crate::exchange;
use crate::venue::faults::{MarketFault, Step, Struck};
use crate::watch::figures;
use crate::world::os::clock::OsClock;
use crate::world::os::files::write_whole;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde_json::json;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Between the faults of two exchanges in one round, so that all their clients do not connect at
/// the same moment.
const APART: Span = Span::from_millis(100);
/// How long all books must have been live, before a fault and after it.
const CALM: Span = Span::from_secs(2);
/// How long the first books may take.
const START_MAX: Span = Span::from_secs(60);
/// How long a fault may wait for something to strike.
const STRIKE_MAX: Span = Span::from_secs(20);
/// How long books may take to be live and right again after a fault.
const BACK_MAX: Span = Span::from_secs(90);
/// How often it is looked for news. Times are those of the events themselves.
const LOOK: Duration = Duration::from_millis(2);

const LONG: &str = "\
Lets faults happen to simulated exchanges, and measures what became of the engine's books.

The exchanges run in this process, all at once, and the engine follows two instruments of each \
over TLS and WebSocket on loopback. In a round, one fault happens to the first instrument of each \
exchange, or to all of its connections or requests, once all books are live. The round ends when \
they are live and right again, or after a minute and a half. Each round has an engine of its own.

For each fault at each exchange the table has
  struck       how often it happened
  wrong        the longest time for which a book was shown that the exchange never had
  noticed      from the fault on, until no book that it is about was shown, or a warning was logged
  back         from the end of the fault on, until its books were live for good
`–` means that there was nothing to notice, or that the books were live all the time; `never` \
that a book was wrong and nothing said so: some protocols cannot show that a message is missing.

The exit code is 1 if any book was ever wrong.

Example:
  tickwire drill --exchange binance,okx --faults gap,cut --repetitions 1";

/// Arguments of `tickwire drill`.
#[derive(Debug, Clone, Args)]
#[command(long_about = LONG)]
pub(crate) struct DrillArgs {
    /// At these exchanges only
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = parse_exchange)]
    pub(crate) exchange: Vec<&'static str>,
    /// These faults only
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = parse_fault)]
    pub(crate) faults: Vec<MarketFault>,
    /// Seed of the order flow: that of a round is larger by the repetitions before it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How often each fault happens to each exchange
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = RangedU64ValueParser::<u64>::new().range(1..=100))]
    pub(crate) repetitions: u64,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

fn parse_exchange(text: &str) -> Result<&'static str, String> {
    let known = exchange::by_name(text).map(|one| one.name());
    known.ok_or_else(|| {
        let names: Vec<&str> = exchange::ALL.iter().map(|one| one.name()).collect();
        format!("no exchange is called so; write {}", names.join(", "))
    })
}

fn parse_fault(text: &str) -> Result<MarketFault, String> {
    MarketFault::named(text).ok_or_else(|| {
        let names = MarketFault::ALL.map(MarketFault::name);
        format!("no fault is called so; write {}", names.join(", "))
    })
}

/// Why the command ended badly.
#[derive(Debug)]
enum Failure {
    Signals(io::Error),
    File(PathBuf, io::Error),
    /// None of the faults means anything at any of the exchanges.
    Nothing,
    Round(MarketFault, String),
    /// Where books were wrong, and for how long.
    Wrong(Vec<String>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signals(error) => write!(f, "cannot listen for Ctrl-C: {error}"),
            Self::File(path, error) => write!(f, "cannot write {}: {error}", path.display()),
            Self::Nothing => write!(
                f,
                "none of these faults can happen at these exchanges: leave --faults or --exchange \
                 out"
            ),
            Self::Round(fault, why) => write!(f, "{fault}: {why}"),
            Self::Wrong(all) => write!(f, "books were wrong:\n  {}", all.join("\n  ")),
        }
    }
}

/// Runs the drill, and prints its tables.
pub(crate) fn run(args: &DrillArgs) -> ExitCode {
    match drill(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure @ Failure::Nothing) => complain(WRONG_USE, &format!("drill: {failure}")),
        Err(failure) => complain(FAILED, &format!("drill: {failure}")),
    }
}

fn drill(args: &DrillArgs) -> Result<(), Failure> {
    let stop = Stop::listen().map_err(Failure::Signals)?;
    let mut cells = planned(args);
    if cells.is_empty() {
        return Err(Failure::Nothing);
    }
    if let Some(path) = &args.json {
        // Before anything runs: an hour's figures must not be lost at its end.
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        file.map_err(|error| Failure::File(path.clone(), error))?;
    }
    let dir = Scratch::new("drill").map_err(|(dir, error)| Failure::File(dir, error))?;
    let done = rounds(args, &stop, dir.path(), &mut cells);
    drop(dir);
    let finished = matches!(done, Ok(true));
    if let Some(path) = &args.json {
        let settings = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "seed": args.seed,
            "repetitions": args.repetitions,
            "instruments": rig::INSTRUMENTS,
        });
        let text = format!("{:#}\n", table::file(&cells, settings, finished));
        write_whole(path, text.as_bytes()).map_err(|error| Failure::File(path.clone(), error))?;
    }
    let text = table::render(&cells);
    cli::print(|out| out.write_all(text.as_bytes()));
    if !done? {
        cli::say("it was stopped before its end");
    }
    verdict(&cells)
}

/// What is to be done: a cell for each fault at each exchange where it means something.
fn planned(args: &DrillArgs) -> Vec<Cell> {
    let faults = MarketFault::ALL.into_iter();
    let faults = faults.filter(|fault| args.faults.is_empty() || args.faults.contains(fault));
    let is_asked = |name: &str| args.exchange.is_empty() || args.exchange.contains(&name);
    let cells = faults.flat_map(|fault| {
        let all = exchange::ALL.iter().copied();
        let fitting = all.filter(move |one| is_asked(one.name()) && fault.applies(*one));
        fitting.map(move |one| Cell::new(fault, one.name()))
    });
    cells.collect()
}

/// Every fault so often as is asked for. Gives `false` if somebody stopped it.
fn rounds(args: &DrillArgs, stop: &Stop, dir: &Path, cells: &mut [Cell]) -> Result<bool, Failure> {
    let mut number = 0;
    let all = cells.chunk_by_mut(|one, other| one.fault == other.fault);
    for cells in all {
        let Some(fault) = cells.first().map(|cell| cell.fault) else {
            continue;
        };
        for repetition in 0..args.repetitions {
            let names: Vec<&'static str> = cells.iter().map(|cell| cell.exchange).collect();
            let seed = args.seed.wrapping_add(number);
            number += 1;
            let samples = round(fault, &names, (seed, dir), stop);
            let Some(samples) = samples.map_err(|why| Failure::Round(fault, why))? else {
                return Ok(false);
            };
            let told = brief(&Sum::of(samples.iter()));
            let (nth, all) = (repetition + 1, args.repetitions);
            cli::say(&format!("{fault:<20} {nth} of {all}: {told}"));
            for (cell, sample) in cells.iter_mut().zip(samples) {
                cell.samples.push(sample);
            }
        }
    }
    Ok(true)
}

/// One fault at all of these exchanges: a sample of each at which it happened. `None` if it is time
/// to end.
fn round(
    fault: MarketFault,
    names: &[&'static str],
    (seed, dir): (u64, &Path),
    stop: &Stop,
) -> Result<Option<Vec<Option<Sample>>>, String> {
    let (asked, dir) = (names.to_vec(), dir.to_owned());
    let prepare = move || Ground::prepare(&asked, seed, &dir);
    let ground = stop.unless_asked("tickwire-start", prepare);
    let Some(ground) = ground.map_err(|error| format!("cannot start: {error}"))? else {
        return Ok(None);
    };
    let mut rig = Rig::start(ground?)?;
    let done = struck_and_back(&mut rig, fault, names, stop);
    let samples = match done {
        Ok(true) => {
            let audits = rig.audits()?;
            let sample = |name: &&str| {
                let all = rig.seen.struck.iter();
                let mut of = all.filter(|one| one.fault == fault && one.exchange == *name);
                of.next().map(|struck| judge(struck, &rig.seen, &audits))
            };
            Ok(Some(names.iter().map(sample).collect()))
        }
        Ok(false) => Ok(None),
        Err(why) => Err(why),
    };
    let stopped = rig.stop();
    let samples = samples?;
    stopped.map(|()| samples)
}

/// Waits until all books are live, lets the fault happen, and waits until they are live again or
/// have had their time. Gives `false` if it is time to end.
fn struck_and_back(
    rig: &mut Rig,
    fault: MarketFault,
    names: &[&str],
    stop: &Stop,
) -> Result<bool, String> {
    let calm = |rig: &Rig, now: Nanos| {
        let since = rig.seen.calm_since();
        since.is_some_and(|since| now.since(since) >= CALM) && !rig.is_wrong(now)
    };
    let since = OsClock.now();
    let is_ready = wait(rig, stop, |rig, now| {
        calm(rig, now) || now.since(since) > START_MAX
    })?;
    if !is_ready {
        return Ok(false);
    }
    if let Some(dark) = rig.seen.books.iter().find(|book| !book.is_live()) {
        let (name, symbol) = (dark.exchange, dark.symbol);
        return Err(format!("{name} {symbol} was never live"));
    }
    let began = rig.begin()?;
    for (nth, name) in names.iter().enumerate() {
        plan(rig, fault, name, APART * nth as u64)?;
    }
    let strikes_by = began + APART * names.len() as u64 + STRIKE_MAX;
    wait(rig, stop, |rig, now| {
        let struck = rig.seen.struck.iter().filter(|one| one.fault == fault);
        let all = names
            .iter()
            .all(|name| struck.clone().any(|one| one.exchange == *name));
        let over = struck.map(|one: &Struck| one.until).max().unwrap_or(began);
        let settled = now >= over + CALM && (calm(rig, now) || now >= over + BACK_MAX);
        settled && (all || now >= strikes_by)
    })
}

/// Looks until this is so. Gives `false` if it is time to end.
fn wait(rig: &mut Rig, stop: &Stop, is_over: impl Fn(&Rig, Nanos) -> bool) -> Result<bool, String> {
    loop {
        let now = rig.look()?;
        if stop.is_asked() {
            return Ok(false);
        }
        if is_over(rig, now) {
            return Ok(true);
        }
        std::thread::sleep(LOOK);
    }
}

/// The fault happens at this exchange, so much later: to its first instrument, if it is of one, and
/// with what makes it show.
fn plan(rig: &Rig, fault: MarketFault, name: &str, later: Span) -> Result<(), String> {
    let (_, lasts_ms) = fault.lasts_ms();
    let step = Step::now(fault).lasting(Span::from_millis(lasts_ms));
    let step = step.after(later).of(name);
    let mut all = rig.instruments().iter();
    let first = all.find(|one| one.exchange == name && fault.is_of_one());
    rig.plan(match first {
        Some(first) => step.on(&first.symbol),
        None => step,
    })?;
    match fault.shown_by() {
        Some(other) => rig.plan(
            Step::now(other)
                .after(later + Span::from_millis(1))
                .of(name),
        ),
        None => Ok(()),
    }
}

/// How a round went.
fn brief(sum: &Sum) -> String {
    let struck = sum.struck;
    let mut text = format!("at {struck} exchanges");
    if sum.unstruck > 0 {
        text += &format!(", at {} nothing to strike", sum.unstruck);
    }
    if sum.wrong > Span::ZERO {
        text += &format!(", WRONG for {}", figures::span(sum.wrong.0));
    }
    if let Some(noticed) = sum.noticed {
        text += &format!(", noticed within {}", figures::span(noticed.max.0));
    }
    if let Some(back) = sum.back {
        text += &format!(", back within {}", figures::span(back.max.0));
    }
    if sum.never_back > 0 {
        text += &format!(", {} NOT BACK", sum.never_back);
    }
    text
}

/// Whether any book was ever wrong.
fn verdict(cells: &[Cell]) -> Result<(), Failure> {
    let wrong = cells.iter().filter_map(|cell| {
        let sum = Sum::of(cell.samples.iter());
        let (fault, exchange) = (cell.fault, cell.exchange);
        let lasted = figures::span(sum.wrong.0);
        let words = if sum.missed > 0 {
            ", and nothing said so"
        } else {
            ""
        };
        (sum.wrong > Span::ZERO).then(|| format!("{fault} at {exchange}: for {lasted}{words}"))
    });
    let wrong: Vec<String> = wrong.collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::Wrong(wrong)),
    }
}

#[cfg(test)]
mod tests;
