//! The scribe: the thread that writes what workers tell. It never parks on a channel, so that no worker's send
//! ever has to wake it; it looks every 10 ms. A disk that fails costs files, never the run.

mod run_dir;

use super::sys;
use crate::base::{Clock, Instrument, InstrumentId, Nanos, Note, Severity, Value};
use crate::watch::audit::{Auditor, BookAudit, Shown, Truth};
use crate::watch::latency::INTERVAL;
use crate::watch::log::{Anchor, Renderer, Repeats};
use crate::watch::summary::{Exchange, StageLatency, Status, Worker};
use crate::watch::table::status_line;
use crate::watch::{Collector, Stage, Totals};
use crossbeam_channel::Receiver;
use run_dir::RunDir;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the scribe looks for work. Rings to it must hold what comes in this time, and more.
pub const POLL: Duration = Duration::from_millis(10);
/// Items that are taken from one input before the next input has its turn.
const BATCH: usize = 1_024;
/// Rounds of emptying the inputs at the end: whoever still sends after them is not heard.
const LAST_ROUNDS_MAX: usize = 10_000;

/// What the scribe reads and where it writes.
pub struct ScribeInputs {
    /// To stamp status lines and the end of the run.
    pub clock: Box<dyn Clock + Send>,
    /// The run's instruments, by id.
    pub instruments: Arc<[Instrument]>,
    /// Bounded; senders use `try_send` and count what does not fit in `notes_lost`.
    pub notes: Receiver<Note>,
    /// Log records that found no room in `notes`, counted by their senders.
    pub notes_lost: Arc<AtomicU64>,
    /// Shown books, one ring a feed worker.
    pub shown: Vec<rtrb::Consumer<Shown>>,
    /// What the exchange's books were, where it is a simulated one.
    pub truths: Option<Receiver<Truth>>,
    /// Histograms, one collector a worker.
    pub collectors: Vec<Collector>,
    /// Where lines for a person go.
    pub console: Console,
    /// The run's directory; made if it is not there. Gets `log.jsonl` and `latency/<stage>.hlog|.hgrm`.
    pub dir: Option<PathBuf>,
    /// Where the run is, for the status line of each second.
    pub status: Option<StatusOf>,
}

/// Says where the run is, given p50 and p99 of tick-to-wire in nanoseconds.
pub type StatusOf = Box<dyn FnMut(Option<(u64, u64)>) -> Status + Send>;

/// Where lines for a person go, usually standard error.
pub struct Console {
    /// Takes whole lines.
    pub out: Box<dyn Write + Send>,
    /// How they look.
    pub style: ConsoleStyle,
}

/// How the console's lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleStyle {
    /// A line of text a record.
    Human {
        /// With the terminal's colours.
        colour: bool,
    },
    /// JSON lines, the form of `log.jsonl`.
    Json,
}

/// What the scribe knows at the end of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ScribeTotals {
    /// Stages that had a value, in road order.
    pub stages: Vec<StageLatency>,
    /// By worker number.
    pub workers: Vec<Worker>,
    /// One an exchange of the run's instruments, in their order; what only its feeds know stays zero.
    pub exchanges: Vec<Exchange>,
    /// One an instrument, by id.
    pub audits: Vec<BookAudit>,
    /// Log records that did not reach the log.
    pub notes_lost: u64,
    /// Writes into the run's directory that failed.
    pub disk_errors: u64,
}

/// The running thread. Dropped without [`ScribeHandle::stop`] it ends by itself, and nobody waits for it.
pub struct ScribeHandle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<ScribeTotals>>,
}

impl ScribeHandle {
    /// Empties all inputs, finishes the files and ends the thread. Stop the workers first.
    pub fn stop(mut self) -> ScribeTotals {
        self.stop.store(true, Ordering::Release);
        let thread = self
            .thread
            .take()
            .expect("only `stop` takes it, and it takes `self`");
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for ScribeHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The scribe's state, on its own thread.
pub struct Scribe {
    inputs: ScribeInputs,
    dir: Option<RunDir>,
    auditor: Auditor,
    totals: Totals,
    repeats: Repeats,
    anchor: Anchor,
    second_ends: Nanos,
    line: String,
}

impl Scribe {
    /// Starts the thread `tickwire-scribe`. Fails where the run's directory cannot be made.
    pub fn start(inputs: ScribeInputs) -> io::Result<ScribeHandle> {
        let anchor = anchor(&*inputs.clock);
        let scribe = Self {
            dir: inputs.dir.as_deref().map(RunDir::create).transpose()?,
            auditor: Auditor::new(&inputs.instruments, inputs.truths.is_some()),
            totals: Totals::default(),
            repeats: Repeats::default(),
            anchor,
            second_ends: anchor.mono + INTERVAL,
            line: String::new(),
            inputs,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("tickwire-scribe".to_owned())
            .spawn(move || {
                sys::step_back();
                scribe.run(&asked)
            })?;
        Ok(ScribeHandle {
            stop,
            thread: Some(thread),
        })
    }

    fn run(mut self, stop: &AtomicBool) -> ScribeTotals {
        while !stop.load(Ordering::Acquire) {
            if self.round() == 0 {
                thread::sleep(POLL);
            }
        }
        for _ in 0..LAST_ROUNDS_MAX {
            if self.round() == 0 {
                break;
            }
        }
        self.finish()
    }

    /// Takes what is there from every input, and says how much that was.
    fn round(&mut self) -> usize {
        self.anchor = anchor(&*self.inputs.clock);
        let taken = self.take_notes() + self.take_truths() + self.take_shown();
        self.take_histograms();
        if self.anchor.mono >= self.second_ends {
            self.second_ends = self.anchor.mono + INTERVAL;
            self.end_second();
        }
        self.report_disk_error();
        taken
    }

    fn take_notes(&mut self) -> usize {
        let mut taken = 0;
        while taken < BATCH
            && let Ok(note) = self.inputs.notes.try_recv()
        {
            taken += 1;
            if self.repeats.admit(&note) {
                self.write(&note);
            }
        }
        taken
    }

    fn take_truths(&mut self) -> usize {
        let Some(truths) = &self.inputs.truths else {
            return 0;
        };
        let truths = truths.try_iter().take(BATCH);
        truths.inspect(|truth| self.auditor.truth(truth)).count()
    }

    fn take_shown(&mut self) -> usize {
        let mut taken = 0;
        for ring in &mut self.inputs.shown {
            for _ in 0..BATCH {
                let Ok(shown) = ring.pop() else { break };
                self.auditor.shown(&shown);
                taken += 1;
            }
        }
        taken
    }

    fn take_histograms(&mut self) {
        let (dir, anchor) = (&mut self.dir, self.anchor);
        for collector in &mut self.inputs.collectors {
            collector.collect(&mut self.totals, &mut |stage, values, began, ended| {
                if let Some(dir) = dir {
                    dir.write_interval(stage, values, anchor.unix(began), ended.since(began));
                }
            });
        }
    }

    fn end_second(&mut self) {
        let mut repeated = Vec::new();
        self.repeats
            .end_second(self.anchor.mono, |note| repeated.push(note.clone()));
        repeated.iter().for_each(|note| self.write(note));
        if let Some(status) = &mut self.inputs.status {
            let ns = self.totals.stage(Stage::TickToWire).map(|values| {
                (
                    values.value_at_quantile(0.5),
                    values.value_at_quantile(0.99),
                )
            });
            let status = status(ns);
            self.show_status(&status);
        }
        if let Some(dir) = &mut self.dir {
            dir.flush();
        }
    }

    /// Writes a note to the run's log and to the console.
    fn write(&mut self, note: &Note) {
        if let Some(dir) = &mut self.dir {
            self.line.clear();
            renderer(self.anchor, &self.inputs.instruments).json(note, &mut self.line);
            dir.write_log(&self.line);
        }
        self.show(note);
    }

    /// Writes a note to the console only. A console that is gone is nobody's error.
    fn show(&mut self, note: &Note) {
        self.line.clear();
        let renderer = renderer(self.anchor, &self.inputs.instruments);
        match self.inputs.console.style {
            ConsoleStyle::Human { colour } => renderer.human(note, colour, &mut self.line),
            ConsoleStyle::Json => renderer.json(note, &mut self.line),
        }
        let _ = self.inputs.console.out.write_all(self.line.as_bytes());
    }

    /// A line for a person; for a program a record like any other, so that each line stays JSON.
    fn show_status(&mut self, status: &Status) {
        match self.inputs.console.style {
            ConsoleStyle::Human { .. } => {
                let _ = writeln!(self.inputs.console.out, "{}", status_line(status)); // As in `show`.
            }
            ConsoleStyle::Json => self.show(&status_note(self.anchor.mono, status)),
        }
    }

    fn report_disk_error(&mut self) {
        if let Some(error) = self.dir.as_mut().and_then(RunDir::take_first_error) {
            let note = Note::new(self.anchor.mono, Severity::Error, "scribe.disk");
            self.show(&note.text(&error));
        }
    }

    fn finish(mut self) -> ScribeTotals {
        self.inputs.status = None;
        self.end_second();
        self.auditor.finish(self.anchor.mono);
        if let Some(dir) = &mut self.dir {
            dir.finish(&self.totals);
        }
        self.report_disk_error();
        let _ = self.inputs.console.out.flush();
        let ids = (0..self.inputs.instruments.len()).map(|id| InstrumentId(id as u16));
        ScribeTotals {
            stages: StageLatency::all(&self.totals),
            workers: self.totals.workers().iter().map(Worker::from).collect(),
            exchanges: Exchange::all(&self.inputs.instruments, &self.totals),
            audits: ids.filter_map(|id| self.auditor.result(id)).collect(),
            notes_lost: self.inputs.notes_lost.load(Ordering::Relaxed),
            disk_errors: self.dir.as_ref().map_or(0, RunDir::errors),
        }
    }
}

fn renderer(anchor: Anchor, instruments: &[Instrument]) -> Renderer<'_> {
    Renderer {
        anchor,
        instruments,
    }
}

fn status_note(now: Nanos, status: &Status) -> Note {
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let note = Note::new(now, Severity::Info, "run.status")
        .with("books_live", int(status.books_live as u64))
        .with("books", int(status.books as u64))
        .with("messages_per_s", int(status.messages_per_s))
        .with("orders_sent", int(status.orders_sent));
    let note = match status.snapshots_in {
        Some(span) => note.with("snapshots_in_ms", int(span.0 / 1_000_000)),
        None => note,
    };
    match status.tick_to_wire_ns {
        Some((p50, p99)) => note
            .with("tick_to_wire_p50_ns", int(p50))
            .with("tick_to_wire_p99_ns", int(p99)),
        None => note,
    }
}

fn anchor(clock: &(dyn Clock + Send)) -> Anchor {
    Anchor {
        mono: clock.now(),
        unix: clock.unix(),
    }
}
