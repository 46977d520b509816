//! The files of one run. A write that fails is counted, and the first failure is kept to be told; nothing else
//! changes.

use crate::base::UnixNanos;
use crate::watch::hdr::{IntervalEncoder, write_hgrm};
use crate::watch::{Stage, Totals};
use hdrhistogram::Histogram;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// `log.jsonl` and `latency/<stage>.hlog|.hgrm` in the run's directory.
pub struct RunDir {
    latency: PathBuf,
    log: BufWriter<File>,
    intervals: [Option<BufWriter<File>>; Stage::ALL.len()],
    encoder: IntervalEncoder,
    errors: u64,
    first_error: Option<String>,
}

impl RunDir {
    /// Makes the directory, and takes away latency files that an earlier run left in it.
    pub fn create(dir: &Path) -> io::Result<Self> {
        let latency = dir.join("latency");
        fs::create_dir_all(&latency).map_err(|error| named(&latency, &error))?;
        for path in Stage::ALL.iter().flat_map(|stage| paths(&latency, *stage)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(named(&path, &error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(Self {
            log: create(&dir.join("log.jsonl"))?,
            latency,
            intervals: Default::default(),
            encoder: IntervalEncoder::default(),
            errors: 0,
            first_error: None,
        })
    }

    /// Appends a whole line to the log.
    pub fn write_log(&mut self, line: &str) {
        let done = self.log.write_all(line.as_bytes());
        self.check("log.jsonl", done);
    }

    /// Appends one interval to its stage's log, which begins with its first interval.
    pub fn write_interval(
        &mut self,
        stage: Stage,
        values: &Histogram<u32>,
        began: UnixNanos,
        length_ns: u64,
    ) {
        let done = self.try_write_interval(stage, values, began, length_ns);
        self.check(stage.name(), done);
    }

    fn try_write_interval(
        &mut self,
        stage: Stage,
        values: &Histogram<u32>,
        began: UnixNanos,
        length_ns: u64,
    ) -> io::Result<()> {
        let slot = &mut self.intervals[stage as usize];
        let out = match slot {
            Some(out) => out,
            None => {
                let [hlog, _] = paths(&self.latency, stage);
                let out = slot.insert(create(&hlog)?);
                self.encoder.begin(out, began, stage.name())?;
                out
            }
        };
        self.encoder.interval(out, values, began, length_ns)
    }

    /// Hands to the system what is still in memory, so that a reader of the files is at most a second late.
    pub fn flush(&mut self) {
        let log = self.log.flush();
        self.check("log.jsonl", log);
        for stage in Stage::ALL {
            if let Some(out) = &mut self.intervals[stage as usize] {
                let done = out.flush();
                self.check(stage.name(), done);
            }
        }
    }

    /// Writes the distributions of the whole run. The run is over.
    pub fn finish(&mut self, totals: &Totals) {
        for stage in Stage::ALL {
            if let Some(values) = totals.stage(stage) {
                let [_, hgrm] = paths(&self.latency, stage);
                let done = create(&hgrm).and_then(|mut out| {
                    write_hgrm(&mut out, values)?;
                    out.flush()
                });
                self.check(stage.name(), done);
            }
        }
        self.flush();
    }

    /// Writes that failed.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The first failure, once.
    pub fn take_first_error(&mut self) -> Option<String> {
        self.first_error.take()
    }

    fn check(&mut self, what: &str, done: io::Result<()>) {
        if let Err(error) = done {
            if self.errors == 0 {
                self.first_error = Some(format!("{what}: {error}"));
            }
            self.errors += 1;
        }
    }
}

/// A stage's `.hlog` and `.hgrm`.
fn paths(latency: &Path, stage: Stage) -> [PathBuf; 2] {
    ["hlog", "hgrm"].map(|ending| latency.join(format!("{}.{ending}", stage.name())))
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let file = File::create(path).map_err(|error| named(path, &error))?;
    Ok(BufWriter::new(file))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
