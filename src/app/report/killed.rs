//! A run that did not end, and what its files say about it. Its interval files and its log go on
//! where its last `summary.json` stops.

use crate::app::run::claim;
use crate::watch::Stage;
use crate::watch::hdr::{Point, parse_hgrm, read_hlog, write_hgrm};
use crate::watch::report::Run;
use crate::watch::summary::{Orders, StageLatency, Summary};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// What became of the run.
pub(super) fn fate(dir: &Path) -> &'static str {
    if claim::is_going_on(dir) {
        "goes on"
    } else if claim::was_left(dir) {
        "was killed"
    } else {
        "ended without being able to write its summary"
    }
}

/// Brings `summary`, the last one that the run wrote, up to date with its other files.
pub(super) fn read(dir: &Path, mut summary: Summary) -> Run {
    let mut curves = Vec::new();
    let mut stages = Vec::new();
    for stage in Stage::ALL {
        let path = dir.join("latency").join(format!("{}.hlog", stage.name()));
        let values = fs::read(path).ok().and_then(|log| read_hlog(&log));
        let Some(values) = values else { continue };
        curves.push((stage.name().to_owned(), curve(&values)));
        stages.push(StageLatency::of(stage, &values));
    }
    summary.stages = stages;
    let log = Log::read(&dir.join("log.jsonl"));
    summary.orders = log.orders;
    let until = match log.last.is_empty() {
        true => String::new(),
        false => format!(" Its log ends at {}.", log.last),
    };
    let name = format!(
        "{}: this run {}.{until} Missing: what was in memory then, refusals by gate, gaps and \
         resyncs of books.",
        dir.display(),
        fate(dir)
    );
    Run {
        name,
        summary,
        curves,
    }
}

fn curve(values: &Histogram<u64>) -> Vec<Point> {
    let mut text = Vec::new();
    let written = write_hgrm(&mut text, values);
    let text = String::from_utf8(text).unwrap_or_default();
    // Both are ours; without a curve the page has a row of the table less.
    written
        .ok()
        .and_then(|()| parse_hgrm(&text).ok())
        .unwrap_or_default()
}

/// What the log says about orders, and when it ends.
#[derive(Default)]
struct Log {
    orders: Orders,
    last: String,
}

#[derive(Deserialize)]
struct Fields {
    time: String,
    event: String,
}

impl Log {
    fn read(path: &Path) -> Self {
        let mut log = Self::default();
        let Ok(file) = File::open(path) else {
            return log;
        };
        for text in BufReader::new(file).split(b'\n').map_while(Result::ok) {
            // The last line may be half a one.
            if let Ok(line) = serde_json::from_slice::<Fields>(&text) {
                log.orders.count(&line.event);
                log.last = line.time;
            }
        }
        log
    }
}
