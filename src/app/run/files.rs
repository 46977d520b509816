//! The files of a run: its folder, and what is known at its end.

use super::RunError;
use crate::base::{Decimal, Instrument};
use crate::trading::refusal::{Compared, Refusal, Refusals, Unit};
use crate::watch::summary::{self, Summary};
use crate::world::os::placement::Placement;
use crate::world::os::scribe::ScribeTotals;
use crate::world::os::worker::Ended;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folder of all runs' folders, under the current one.
const RUNS: &str = "runs";

/// The run's folder: the one that was asked for, or a new one that is named after the time.
pub(super) fn run_dir(asked: Option<&Path>, started: SystemTime) -> Result<PathBuf, RunError> {
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

pub(super) fn summarize(
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
            wait: end
                .as_ref()
                .map_or(placement.wait, |end| end.wait)
                .name()
                .into(),
            lanes: plan.lanes(),
        });
        let Some(end) = end else { continue };
        if let Some((desk, refusals)) = &end.desk {
            if placement.workers.iter().all(|worker| !worker.gateway) {
                // On paper an admitted order has been handed over.
                summary.orders.sent = desk.admitted;
            }
            summary.orders.acked = desk.acked;
            summary.orders.rejected = desk.rejected;
            summary.orders.not_sent = desk.not_sent;
            summary.orders.unknown += desk.unknown;
            summary.orders.refusals = refused(refusals, instruments);
            let counts = summary.orders.refusals.iter();
            let counts = counts.map(|refused| (refused.gate.clone(), refused.count));
            summary.orders.refused = counts.collect();
        }
        summary.orders.sent += end.tally.gateway.sent;
        summary.orders.unknown += end.tally.unanswered;
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
    summary.exchanges = totals.exchanges;
    for lane in feeds().flat_map(|tally| &tally.exchanges) {
        let mut exchanges = summary.exchanges.iter_mut();
        if let Some(of) = exchanges.find(|of| of.exchange == lane.exchange) {
            of.frames += lane.frames;
            of.bad_frames += lane.bad_frames;
            of.connects += lane.connects;
            of.books_live += lane.books_live;
        }
    }
    summary.stages = totals.stages;
    summary.workers = totals.workers;
    summary.notes_lost = totals.notes_lost;
    summary.disk_errors = totals.disk_errors;
    summary.set_audit_lost(audit_lost);
    summary
}

/// The gates that refused something, with the worst that each found.
fn refused(refusals: &Refusals, instruments: &[Instrument]) -> Vec<summary::Refused> {
    let refused = Refusal::ALL
        .iter()
        .filter(|gate| refusals.count(**gate) > 0);
    let of = |gate: &Refusal| {
        let plain = summary::Refused {
            gate: gate.name().to_owned(),
            count: refusals.count(*gate),
            ..Default::default()
        };
        let Some((id, Compared { unit, limit, found })) = refusals.shown(*gate) else {
            return plain;
        };
        let (unit, scale, comparable) = match unit {
            Unit::Bps => ("bps", 0, true),
            Unit::Ns => ("ns", 0, true),
            Unit::Orders => ("orders", 0, true),
            Unit::Price(scale) => ("price", scale, false),
            Unit::Quantity(scale) => ("quantity", scale, false),
            Unit::Notional(scale) => ("notional", scale, false),
        };
        let text = |units| Some(Decimal { units, scale }.to_string());
        let instrument = instruments.get(id.index()).filter(|_| !comparable);
        summary::Refused {
            unit: Some(unit.to_owned()),
            limit: text(limit),
            found: text(found),
            instrument: instrument.map(|instrument| instrument.name.to_string()),
            ..plain
        }
    };
    refused.map(of).collect()
}

pub(super) fn write_summary(dir: &Path, summary: &Summary) -> Result<(), RunError> {
    let path = dir.join("summary.json");
    let failed =
        |error: &dyn std::fmt::Display| RunError::Failed(format!("{}: {error}", path.display()));
    let mut text = serde_json::to_string_pretty(summary).map_err(|error| failed(&error))?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|error| failed(&error))
}
