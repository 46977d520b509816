//! The files of one run. A write that fails is counted and tried again; the first failure of each
//! time of failing is kept to be told.

use super::super::files::write_whole;
use crate::base::{Nanos, Span, UnixNanos};
use crate::watch::hdr::{IntervalEncoder, write_hgrm};
use crate::watch::{Stage, Totals};
use crate::world::os::append::Append;
use hdrhistogram::Histogram;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of log lines that wait for a disk that takes none; further ones are dropped and counted.
const WAITING_MAX: usize = 4 << 20;
/// As much again is for the records of orders: risk lets no new ones through meanwhile, so that
/// they are few.
const RECORDS_WAITING_MAX: usize = 2 * WAITING_MAX;
/// Bytes of one stage's intervals that wait for the disk.
const INTERVALS_WAITING_MAX: usize = 256 << 10;
/// From one try to the next while the disk takes nothing.
const AGAIN: Span = Span::from_millis(100);

/// `log.jsonl`, `decisions.jsonl` and `latency/<stage>.hlog|.hgrm` in the run's directory.
///
/// Invariant: what waits for a file of lines is whole lines, but for the rest of the first one.
pub(crate) struct RunDir {
    latency: PathBuf,
    log: Append,
    /// Made with its first line.
    decisions: Append,
    intervals: [Option<Append>; Stage::ALL.len()],
    encoder: IntervalEncoder,
    /// The last write of lines failed: not before this time is it tried again.
    again: Option<Nanos>,
    lines_lost: u64,
    errors: u64,
    error_to_tell: Option<String>,
}

impl RunDir {
    /// Makes the directory and its log.
    pub(crate) fn create(dir: &Path) -> io::Result<Self> {
        let latency = dir.join("latency");
        fs::create_dir_all(&latency).map_err(|error| named(&latency, &error))?;
        let path = dir.join("log.jsonl");
        let mut log = Append::new(path.clone());
        log.open().map_err(|error| named(&path, &error))?;
        Ok(Self {
            log,
            decisions: Append::new(dir.join("decisions.jsonl")),
            latency,
            intervals: Default::default(),
            encoder: IntervalEncoder::default(),
            again: None,
            lines_lost: 0,
            errors: 0,
            error_to_tell: None,
        })
    }

    /// Takes a whole line for the log. `record`: of an order, which is kept when others no longer
    /// are.
    pub(crate) fn take_line(&mut self, line: &str, record: bool) {
        let room = if record {
            RECORDS_WAITING_MAX
        } else {
            WAITING_MAX
        };
        self.lines_lost += take(&mut self.log, line, room);
    }

    /// Takes whole lines for the decisions.
    pub(crate) fn take_decisions(&mut self, lines: &str) {
        self.lines_lost += take(&mut self.decisions, lines, RECORDS_WAITING_MAX);
    }

    /// Writes the lines that wait. False: the disk does not take them now.
    pub(crate) fn write_lines(&mut self, now: Nanos) -> bool {
        if self.again.is_some_and(|again| now < again) {
            return false;
        }
        let decisions = self.decisions.write();
        let log = self.log.write();
        let was_failing = self.again.is_some();
        self.again = (log.is_err() || decisions.is_err()).then(|| now + AGAIN);
        for (name, done) in [("decisions.jsonl", decisions), ("log.jsonl", log)] {
            if let Err(error) = done {
                self.failed(name, &error, !was_failing);
            }
        }
        self.again.is_none()
    }

    /// Appends one interval to its stage's log, which begins with its first interval.
    pub(crate) fn take_interval(
        &mut self,
        stage: Stage,
        values: &Histogram<u32>,
        began: UnixNanos,
        length_ns: u64,
    ) {
        let (slot, encoder) = (&mut self.intervals[stage as usize], &mut self.encoder);
        let mut head = Ok(());
        let file = slot.get_or_insert_with(|| {
            let [hlog, _] = paths(&self.latency, stage);
            let mut file = Append::new(hlog);
            head = encoder.begin(file.waiting(), began, stage.name());
            file
        });
        let waiting = file.waiting();
        let done = match waiting.len() {
            0..INTERVALS_WAITING_MAX => {
                head.and_then(|()| encoder.interval(waiting, values, began, length_ns))
            }
            _ => Err(io::Error::other("an interval is lost")),
        };
        if let Err(error) = done {
            self.failed(stage.name(), &error, false);
        }
    }

    /// Writes the intervals that wait, so that a reader of the files is at most a second late.
    pub(crate) fn write_intervals(&mut self) {
        for stage in Stage::ALL {
            let file = self.intervals[stage as usize].as_mut();
            if let Some(Err(error)) = file.map(Append::write) {
                let first = self.errors == 0;
                self.failed(stage.name(), &error, first);
            }
        }
    }

    /// Writes the distributions of the whole run. The run is over; what still waits is lost.
    pub(crate) fn finish(&mut self, now: Nanos, totals: &Totals) {
        for stage in Stage::ALL {
            let Some(values) = totals.stage(stage) else {
                continue;
            };
            let [_, hgrm] = paths(&self.latency, stage);
            let mut text = Vec::new();
            let done = write_hgrm(&mut text, values).and_then(|()| write_whole(&hgrm, &text));
            if let Err(error) = done {
                let first = self.errors == 0;
                self.failed(stage.name(), &error, first);
            }
        }
        self.write_intervals();
        self.again = None;
        self.write_lines(now);
        for file in [&mut self.log, &mut self.decisions] {
            let waiting = file.waiting();
            self.lines_lost += waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
            waiting.clear();
        }
    }

    /// Writes that failed.
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }

    /// Lines that are not in their file.
    pub(crate) fn lines_lost(&self) -> u64 {
        self.lines_lost
    }

    /// The first failure since the disk last took something, once.
    pub(crate) fn take_error(&mut self) -> Option<String> {
        self.error_to_tell.take()
    }

    fn failed(&mut self, what: &str, error: &io::Error, tell: bool) {
        self.errors += 1;
        if tell {
            self.error_to_tell = Some(format!("{what}: {error}"));
        }
    }
}

/// Puts lines to what waits for this file. Returns how many found no room.
fn take(file: &mut Append, lines: &str, room: usize) -> u64 {
    let waiting = file.waiting();
    if waiting.len() + lines.len() > room {
        return lines.lines().count() as u64;
    }
    waiting.extend_from_slice(lines.as_bytes());
    0
}

/// A stage's `.hlog` and `.hgrm`.
fn paths(latency: &Path, stage: Stage) -> [PathBuf; 2] {
    ["hlog", "hgrm"].map(|ending| latency.join(format!("{}.{ending}", stage.name())))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
