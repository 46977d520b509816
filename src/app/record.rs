//! `tickwire record`: keeps what the exchanges of a configuration send, in files, and verifies such
//! files. Sends no orders.

use super::cli::{FAILED, Loudness, complain, parse_time, print_text};
use super::config::Config;
use super::run::{Run, RunEnd, RunError, exit_code};
use super::secrets;
use crate::base::{Event, Nanos};
use crate::journal::{Pack, Report, State, Verified};
use crate::strategy::{Intents, Kind, Strategy, View};
use crate::world::os::recorder;
use clap::Args;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `tickwire record`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RecordArgs {
    /// Configuration file; its feeds are recorded
    #[arg(required_unless_present = "verify")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for the recording; must not hold one yet
    #[arg(long, value_name = "DIR", required_unless_present = "verify")]
    pub(crate) out: Option<PathBuf>,
    /// Stop after this time, like 30s, 5m or 2h [default: never]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub(crate) time: Option<Duration>,
    /// Pack with zstd: a third smaller than gzip
    #[arg(long)]
    pub(crate) zstd: bool,
    #[command(flatten)]
    pub(crate) loudness: Loudness,
    /// Read a recording back instead, and say what is whole, cut and damaged
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "out", "time", "zstd"])]
    pub(crate) verify: Option<PathBuf>,
}

/// The command.
pub(crate) fn run(args: RecordArgs, kinds: &[&'static Kind]) -> ExitCode {
    if let Some(dir) = &args.verify {
        return verify(dir);
    }
    exit_code(record(args, kinds).as_ref().map(|end| &end.summary))
}

fn record(args: RecordArgs, kinds: &[&'static Kind]) -> Result<RunEnd, RunError> {
    let (Some(config), Some(out)) = (args.config, args.out) else {
        return Err(RunError::Wrong("name a configuration and --out".into()));
    };
    let config = Config::load_with(&config, kinds);
    let config = config.map_err(|errors| RunError::Wrong(errors.to_string()))?;
    // Nobody reads those of accounts: they only leave the environment.
    let variables = secrets::take(&config, false)?;
    let pack = match args.zstd {
        true => Pack::Zstd,
        false => Pack::Gzip,
    };
    let run = Run::configured(config)
        .knowing(variables)
        .recording(out)
        .packed(pack)
        .detail(args.loudness.detail());
    let run = match args.time {
        Some(time) => run.time(time),
        None => run,
    };
    run.strategy(Box::new(|_| Ok(Box::new(Watch)))).start()
}

/// A strategy that wants nothing.
pub(super) struct Watch;

impl Strategy for Watch {
    fn handle_event(&mut self, _: Nanos, _: &Event, _: &View<'_>, _: &mut Intents) {}
}

fn verify(dir: &Path) -> ExitCode {
    let report = match recorder::verify(dir) {
        Ok(report) => report,
        Err(error) => return complain(FAILED, &error),
    };
    let mut text = Vec::new();
    let _ = tell(&report, &mut text); // A vector takes all.
    let printed = print_text(&String::from_utf8_lossy(&text));
    if report.is_sound() {
        return printed;
    }
    complain(
        FAILED,
        &format!("{}: the recording is damaged", dir.display()),
    )
}

fn tell(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for Verified {
        file,
        state,
        lines,
        raw_bytes,
    } in &report.files
    {
        let holds = format!("{lines} lines, {raw_bytes} bytes");
        match state {
            State::Whole => writeln!(out, "whole    {file}  {holds}")?,
            State::Cut(0) => writeln!(out, "cut      {file}  {holds}, never finished")?,
            State::Cut(bytes) => writeln!(
                out,
                "cut      {file}  {holds} are whole, {bytes} bytes after them are of no use"
            )?,
            State::Damaged(why) => writeln!(out, "DAMAGED  {file}  {why}")?,
        }
    }
    let lines: u64 = report.files.iter().map(|file| file.lines).sum();
    let ended = match report.ended {
        true => "ended in order",
        false => "did not end in order",
    };
    writeln!(out, "{lines} lines; the recording {ended}")?;
    match report.lost {
        0 => Ok(()),
        lost => writeln!(out, "lost: {lost} messages came too fast and are not in it"),
    }
}
