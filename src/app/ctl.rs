//! `tickwire kill` and `tickwire ctl`: what a person says to a run that goes on, from another
//! terminal.

use super::cli::{FAILED, WRONG_USE, complain, print_text};
use super::control::{Reply, Request, Set, Status, settings};
use super::guard;
use super::run::claim;
use crate::watch::summary::Pnl;
use crate::world::os::control::{Asking, ask};
use clap::{Args, Subcommand};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long `kill` waits until nothing works any more.
const GONE_WITHIN: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Which run is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct Whose {
    /// The run's folder [default: the only one under runs/ that goes on]
    #[arg(long, value_name = "DIR", global = true)]
    run: Option<PathBuf>,
}

/// Arguments of `tickwire kill`.
#[derive(Debug, Clone, Args)]
pub(crate) struct KillArgs {
    /// Kill this strategy alone
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Then close what is held, at the other side's best price
    #[arg(long)]
    flatten: bool,
    #[command(flatten)]
    whose: Whose,
}

/// Arguments of `tickwire ctl`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CtlArgs {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    whose: Whose,
}

/// What is asked.
#[derive(Debug, Clone, Subcommand)]
enum What {
    /// How the run stands: strategies, positions, orders
    Status {
        /// As one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// No more orders; what works stays
    Pause {
        /// Of this strategy alone
        strategy: Option<String>,
    },
    /// What the account has of an asset counts as right: its instruments may be traded again
    Accept {
        /// As the exchange writes it
        asset: String,
    },
    /// Another value of a strategy's key, until the run ends: not every key may be changed
    Set {
        /// As in its section of the configuration
        key: String,
        /// Without quotes
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Of this strategy [default: the only one]
        #[arg(long, value_name = "NAME")]
        strategy: Option<String>,
    },
    /// Orders again, also after a kill
    Resume {
        /// Of this strategy alone
        strategy: Option<String>,
    },
}

/// The command `kill`: returns when nothing works any more.
pub(crate) fn kill(args: KillArgs) -> ExitCode {
    let began = Instant::now();
    let KillArgs {
        strategy,
        flatten,
        whose,
    } = args;
    let request = Request::Kill {
        strategy: strategy.clone(),
        flatten,
    };
    let killed = connect(&whose).and_then(|(dir, mut run)| {
        said(&mut run, &request)?;
        gone(&dir, &mut run, strategy.as_deref())
    });
    match killed {
        Ok(text) => print_text(&format!("{text}, {} ms\n", began.elapsed().as_millis())),
        Err((code, why)) => complain(code, &why),
    }
}

/// The command `ctl`.
pub(crate) fn ctl(args: CtlArgs) -> ExitCode {
    let answered = connect(&args.whose).and_then(|(_, mut run)| match args.what {
        What::Status { json } => {
            let status = status(&mut run)?;
            match json {
                true => serde_json::to_string(&status)
                    .map(|text| text + "\n")
                    .map_err(|error| (FAILED, error.to_string())),
                false => Ok(table(&status)),
            }
        }
        What::Pause { strategy } => {
            said(&mut run, &Request::Pause { strategy }).map(|_| "paused\n".to_owned())
        }
        What::Accept { asset } => {
            said(&mut run, &Request::Accept { asset }).map(|_| "accepted\n".to_owned())
        }
        What::Set {
            key,
            value,
            strategy,
        } => {
            let request = Request::Set {
                key,
                value,
                strategy,
            };
            let set = said(&mut run, &request)?.set.unwrap_or_default();
            let Set {
                strategy,
                key,
                value,
                was,
            } = set;
            Ok(format!("{strategy}: {key} = {value}, was {was}\n"))
        }
        What::Resume { strategy } => {
            said(&mut run, &Request::Resume { strategy }).map(|_| "resumed\n".to_owned())
        }
    });
    match answered {
        Ok(text) => print_text(&text),
        Err((code, why)) => complain(code, &why),
    }
}

/// An exit code, and what is said.
type Failed = (u8, String);

/// Connects to the run that is meant.
fn connect(whose: &Whose) -> Result<(PathBuf, Asking), Failed> {
    let dir = match &whose.run {
        Some(dir) => dir.clone(),
        None => only_run()?,
    };
    let run = ask(&dir).map_err(|error| {
        let dir = dir.display();
        match claim::is_going_on(Path::new(&dir.to_string())) {
            true => (FAILED, format!("{dir}: {error}")),
            false => (WRONG_USE, format!("{dir}: no run goes on there")),
        }
    })?;
    Ok((dir, run))
}

/// The one run under `runs/` that goes on.
fn only_run() -> Result<PathBuf, Failed> {
    let runs = fs::read_dir(claim::RUNS).into_iter().flatten().flatten();
    let mut on: Vec<PathBuf> = runs.map(|run| run.path()).collect();
    on.retain(|dir| claim::is_going_on(dir));
    on.sort();
    match (on.pop(), on.len()) {
        (Some(dir), 0) => Ok(dir),
        (None, _) => Err((
            WRONG_USE,
            "no run goes on under runs/: name its folder with --run DIR".to_owned(),
        )),
        (Some(last), _) => {
            let all = on.iter().chain([&last]);
            let all: Vec<String> = all.map(|dir| dir.display().to_string()).collect();
            Err((
                WRONG_USE,
                format!(
                    "several runs go on: name one with --run: {}",
                    all.join(", ")
                ),
            ))
        }
    }
}

/// Asks, and wants no error.
fn said(run: &mut Asking, request: &Request) -> Result<Reply, Failed> {
    let failed = |error: String| (FAILED, format!("the run does not answer: {error}"));
    let line = serde_json::to_string(request).map_err(|error| failed(error.to_string()))?;
    let answer = run.ask(&line).map_err(|error| failed(error.to_string()))?;
    let reply: Reply = serde_json::from_str(&answer).map_err(|error| failed(error.to_string()))?;
    match reply.error {
        Some(error) => Err((FAILED, error)),
        None => Ok(reply),
    }
}

fn status(run: &mut Asking) -> Result<Status, Failed> {
    let reply = said(run, &Request::Status {})?;
    reply
        .status
        .ok_or((FAILED, "the run does not say how it stands".to_owned()))
}

/// Waits until nothing works any more, or nothing of this strategy.
fn gone(dir: &Path, run: &mut Asking, strategy: Option<&str>) -> Result<String, Failed> {
    let (began, until) = (SystemTime::now(), Instant::now() + GONE_WITHIN);
    loop {
        let status = status(run)?;
        let meant = |name: &str| strategy.is_none_or(|only| only == name);
        let works = status
            .orders
            .iter()
            .filter(|one| meant(&one.strategy))
            .count();
        let closing = status
            .strategies
            .iter()
            .any(|one| meant(&one.name) && one.closing);
        let what = strategy.map_or("killed".to_owned(), |name| format!("{name}: killed"));
        if status.answers && works == 0 && !closing {
            let mine = |one: &&Pnl| one.strategy.as_deref().is_none_or(meant);
            let held = status.pnl.iter().filter(mine);
            let held: Vec<String> = held
                .filter(|one| one.position != "0")
                .map(|one| format!("{} {}", one.position, one.instrument))
                .collect();
            return Ok(match held.is_empty() {
                true => format!("{what}: no order works, nothing is held"),
                false => format!("{what}: no order works; held: {}", held.join(", ")),
            });
        }
        let inside = status.inside.as_ref();
        let silent = match inside {
            Some((name, ms)) => {
                format!("the desk does not answer: strategy {name} has been deciding for {ms} ms")
            }
            None => "the desk does not answer".to_owned(),
        };
        let by_guard = guard::swept_since(dir, began) >= status.accounts;
        if !status.answers && strategy.is_none() && (status.clear || by_guard) {
            return Ok(format!(
                "{what}: the exchange lists no order of ours; {silent}"
            ));
        }
        if Instant::now() > until {
            let why = match status.answers {
                true => format!("{works} orders still work"),
                false => silent,
            };
            let dir = dir.display();
            return Err((FAILED, format!("{what}, and {why}; see {dir}/log.jsonl")));
        }
        thread::sleep(LOOK);
    }
}

/// How a run stands, for a person.
fn table(status: &Status) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let state = match (status.killed, status.answers, status.ready) {
        (true, _, _) => "killed",
        (false, false, _) => "the desk does not answer",
        (false, true, false) => "takes no orders yet",
        (false, true, true) => "takes orders",
    };
    line(format!(
        "pid {}: {state}; all may: {}",
        status.pid, status.may
    ));
    if let Some((name, ms)) = status.inside.as_ref().filter(|_| !status.answers) {
        line(format!("strategy {name} has been deciding for {ms} ms"));
    }
    for one in &status.strategies {
        let more = match (one.panicked, one.closing) {
            (true, _) => "  panicked",
            (false, true) => "  closing",
            (false, false) => "",
        };
        line(format!(
            "{:<16} {:<11} intents {:>8}  orders {:>7}  fills {:>7}{more}",
            one.name, one.may, one.intents, one.orders, one.fills
        ));
        for changed in &one.changed {
            let settings::Changed {
                key,
                value,
                configured,
            } = changed;
            line(format!(
                "{:<16} {key} = {value}, configured {configured}",
                ""
            ));
        }
    }
    for one in &status.pnl {
        line(format!(
            "{:<16} {:<24} position {} at {}  realised {}  unrealised {}  total {} {}",
            one.strategy.as_deref().unwrap_or("-"),
            one.instrument,
            one.position,
            one.average_px.as_deref().unwrap_or("-"),
            one.realised,
            one.unrealised.as_deref().unwrap_or("?"),
            one.total.as_deref().unwrap_or("?"),
            one.asset
        ));
    }
    for one in &status.pnl_totals {
        let fees = &one.fees;
        line(format!("{}: total {}, fees {fees}", one.asset, one.total));
    }
    for one in &status.orders {
        let doubt = if one.in_doubt { "  in doubt" } else { "" };
        line(format!(
            "{:<16} {:<24} {:<4} {} at {}, filled {}  (order {}){doubt}",
            one.strategy, one.instrument, one.side, one.qty, one.px, one.filled, one.order
        ));
    }
    out
}
