//! `tickwire report`: the stage table of a run again, and its page. Changes nothing but
//! `report.html`.

mod killed;

use super::cli;
use super::run::claim;
use crate::watch::Stage;
use crate::watch::compare;
use crate::watch::hdr::{Point, parse_hgrm};
use crate::watch::report::{Run, html};
use crate::watch::summary::Summary;
use crate::watch::table::render_table;
use crate::world::os::files::write_whole;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `tickwire report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The run's directory: the one with its summary.json
    pub dir: PathBuf,
    /// Another run's directory, to be shown beside it
    #[arg(long, value_name = "DIR2")]
    pub against: Option<PathBuf>,
}

/// Prints the tables, writes `DIR/report.html`. What is wrong goes to standard error, with exit
/// code 1.
pub(crate) fn run(args: &ReportArgs) -> ExitCode {
    match report(args) {
        Ok(text) => cli::print_text(&text),
        Err(error) => cli::complain(cli::FAILED, &error),
    }
}

/// Writes the page and returns the text for the terminal.
pub fn report(args: &ReportArgs) -> Result<String, String> {
    let run = read_run(&args.dir)?;
    let against = args.against.as_deref().map(read_run).transpose()?;
    let page = args.dir.join("report.html");
    write_whole(&page, html(&run, against.as_ref()).as_bytes())
        .map_err(|error| format!("cannot write {}: {error}", page.display()))?;
    let mut text = String::new();
    if !run.summary.ended {
        text += &format!("{}\n\n", run.name);
    }
    text += &render_table(&run.summary);
    let silent = |summary: &Summary| compare::silent(summary).map(|said| format!("\n{said}\n"));
    text += &silent(&run.summary).unwrap_or_default();
    if let Some(against) = &against {
        text += &format!("\nagainst {}\n\n", against.name);
        text += &compare::render(&run.summary, &against.summary);
        text += &silent(&against.summary).unwrap_or_default();
    }
    text += &format!("\npage: {}\n", page.display());
    Ok(text)
}

fn read_run(dir: &Path) -> Result<Run, String> {
    let path = dir.join("summary.json");
    let json = fs::read_to_string(&path).map_err(|error| match claim::was_left(dir) {
        true => format!(
            "{}: the run {} while it started, and measured nothing",
            dir.display(),
            killed::fate(dir)
        ),
        false => format!(
            "{} is no run's directory: cannot read {}: {error}",
            dir.display(),
            path.display()
        ),
    })?;
    let summary: Summary = serde_json::from_str(&json)
        .map_err(|error| format!("{} is no run's summary: {error}", path.display()))?;
    if !summary.ended {
        return Ok(killed::read(dir, summary));
    }
    let curves = read_curves(dir, &summary)?;
    Ok(Run {
        name: dir.display().to_string(),
        summary,
        curves,
    })
}

/// The curve of every stage that the summary has. Names of stages are checked before they become
/// paths.
fn read_curves(dir: &Path, summary: &Summary) -> Result<Vec<(String, Vec<Point>)>, String> {
    let mut curves = Vec::new();
    for latency in &summary.stages {
        let Some(stage) = Stage::by_name(&latency.stage) else {
            continue; // Of a later version.
        };
        let path = dir.join("latency").join(format!("{}.hgrm", stage.name()));
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let points = parse_hgrm(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        curves.push((latency.stage.clone(), points));
    }
    Ok(curves)
}
