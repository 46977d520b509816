//! The scribe: the thread that writes what workers tell. It never parks on a channel, so that no
//! worker's send ever has to wake it; it looks every 10 ms. Nor does it wait for a console. A disk
//! that fails costs files, never the run; while it takes no log line, a flag is up that keeps risk
//! from admitting orders.

mod run_dir;
mod screen;
mod steps;

use super::files::write_whole;
use super::sys;
use crate::base::{Clock, Instrument, InstrumentId, Nanos, Note, Severity, Span, Value};
use crate::watch::audit::{Auditor, BookAudit, Shown, Truth};
use crate::watch::decisions::Decisions;
use crate::watch::latency::INTERVAL;
use crate::watch::log::{Anchor, Renderer, Repeats, is_record};
use crate::watch::summary::{Book, Exchange, Orders, StageLatency, Status, Summary, Worker};
use crate::watch::{Collector, Stage, Totals};
use crossbeam_channel::Receiver;
use run_dir::RunDir;
use screen::Screen;
pub use screen::{Console, ConsoleStyle, Detail};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use steps::Steps;

/// How often the scribe looks for work. Rings to it must hold what comes in this time, and more.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// Items that are taken from one input before the next input has its turn.
const BATCH: usize = 1_024;
/// Rounds of emptying the inputs at the end: whoever still sends after them is not heard.
const LAST_ROUNDS_MAX: usize = 10_000;
/// How long whoever ends the run waits for a disk that does not answer.
const DISK_PATIENCE: Duration = Duration::from_secs(10);
/// How long the end waits for a disk that takes no log line.
const LAST_WRITES: Span = Span::from_millis(300);
/// How often what is known of the run is written, for whoever reports on one that was killed.
const PARTIAL_EVERY: Span = Span::from_secs(2);

/// What the scribe reads and where it writes.
pub struct ScribeInputs {
    /// To stamp status lines and the end of the run.
    pub clock: Box<dyn Clock + Send>,
    /// The run's instruments, by id.
    pub instruments: Arc<[Instrument]>,
    /// The names of the run's strategies, by id.
    pub strategies: Arc<[String]>,
    /// Bounded; senders use `try_send` and count what does not fit in `notes_lost`.
    pub notes: Receiver<Note>,
    /// Log records that found no room in `notes`, counted by their senders.
    pub notes_lost: Arc<AtomicU64>,
    /// Raised while the log cannot be written: risk then refuses new orders.
    pub unwritable: Arc<AtomicBool>,
    /// Shown books, one ring per feed lane; none if they are not audited.
    pub shown: Vec<rtrb::Consumer<Shown>>,
    /// What the exchange's books were, if it is a simulated one.
    pub truths: Option<Receiver<Truth>>,
    /// Histograms, one collector per worker.
    pub collectors: Vec<Collector>,
    /// Where lines for a person go.
    pub console: Console,
    /// The run's directory; made if it is not there. Gets `log.jsonl`, `decisions.jsonl` and
    /// `latency/<stage>.hlog|.hgrm`.
    pub dir: Option<PathBuf>,
    /// Tells how the run stands, for the status line of each second.
    pub status: Option<StatusOf>,
    /// Tells what became of the books so far.
    pub books: Option<TellBooks>,
    /// What is known of the run at its start. Beside what was measured since then it is in
    /// `summary.json` from the first seconds on, as a run that has not ended.
    pub head: Option<Summary>,
}

/// Adds what became of each book, by instrument id.
pub type TellBooks = Box<dyn Fn(&mut [Book]) + Send>;

/// Tells how the run stands, given p50 and p99 of tick-to-wire in nanoseconds.
pub(crate) type StatusOf = Box<dyn FnMut(Option<(u64, u64)>) -> Status + Send>;

/// What the scribe knows at the end of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScribeTotals {
    /// Stages that had a value, in road order.
    pub stages: Vec<StageLatency>,
    /// By worker number.
    pub(crate) workers: Vec<Worker>,
    /// One per exchange of the run's instruments, in their order; what only its feeds know stays
    /// zero.
    pub(crate) exchanges: Vec<Exchange>,
    /// One per instrument, by id; `None` if its books are not audited.
    pub audits: Vec<Option<BookAudit>>,
    /// Log records that did not reach the log.
    pub notes_lost: u64,
    /// Writes into the run's directory that failed.
    pub disk_errors: u64,
    /// Lines that no reader of the console took.
    pub(crate) console_lost: u64,
}

/// The running thread. Dropped without [`ScribeHandle::stop`] it ends by itself, and nobody waits
/// for it.
pub struct ScribeHandle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<ScribeTotals>>>,
}

impl ScribeHandle {
    /// True once it has ended although nobody stopped it: it panicked.
    pub fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Empties all inputs, finishes the files and ends the thread. Gives nothing if the thread
    /// panicked, or if it hangs at a disk that does not answer: then it ends with the process. Stop
    /// the workers first.
    pub fn stop(mut self) -> Option<ScribeTotals> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take()?;
        let until = Instant::now() + DISK_PATIENCE;
        while !thread.is_finished() {
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        thread.join().ok().flatten()
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
    orders: Orders,
    decisions: Decisions,
    repeats: Repeats,
    /// Read once: files follow the monotonic clock, whatever somebody does to the wall clock.
    anchor: Anchor,
    steps: Steps,
    now: Nanos,
    second_ends: Nanos,
    partial_due: Nanos,
    screen: Screen,
    /// Lines that had no room on the console when that was last said.
    console_refused: u64,
    /// The disk takes log lines.
    writable: bool,
    line: String,
}

impl Scribe {
    /// Starts the thread `tickwire-scribe`. Fails if the run's directory cannot be made, or
    /// if the system gives no thread.
    pub fn start(mut inputs: ScribeInputs) -> io::Result<ScribeHandle> {
        let anchor = Anchor {
            mono: inputs.clock.now(),
            unix: inputs.clock.unix(),
        };
        let console = Console {
            out: std::mem::replace(&mut inputs.console.out, Box::new(io::sink())),
            ..inputs.console
        };
        let scribe = Self {
            dir: inputs.dir.as_deref().map(RunDir::create).transpose()?,
            auditor: Auditor::new(&inputs.instruments, inputs.truths.is_some()),
            totals: Totals::default(),
            orders: Orders::default(),
            decisions: Decisions::default(),
            repeats: Repeats::default(),
            anchor,
            steps: Steps::new(anchor),
            now: anchor.mono,
            second_ends: anchor.mono + INTERVAL,
            partial_due: anchor.mono + PARTIAL_EVERY,
            screen: Screen::start(console)?,
            console_refused: 0,
            writable: true,
            line: String::new(),
            inputs,
        };
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let rounds = thread::Builder::new()
            .name("tickwire-scribe".to_owned())
            .spawn(move || {
                sys::step_back();
                scribe.run(&asked)
            })?;
        // The end is no longer cold: on a busy host the niceness of the rounds would make it take
        // many seconds.
        let thread = thread::Builder::new()
            .name("tickwire-files".to_owned())
            .spawn(move || rounds.join().ok().map(Self::end))?;
        Ok(ScribeHandle {
            stop,
            thread: Some(thread),
        })
    }

    /// Runs until it is told to stop.
    fn run(mut self, stop: &AtomicBool) -> Self {
        self.write_partial();
        while !stop.load(Ordering::Acquire) {
            if self.round() == 0 {
                thread::sleep(POLL);
            }
        }
        self
    }

    fn end(mut self) -> ScribeTotals {
        for _ in 0..LAST_ROUNDS_MAX {
            if self.round() == 0 {
                break;
            }
        }
        self.finish()
    }

    /// Takes what is there from every input, and says how much that was.
    fn round(&mut self) -> usize {
        self.now = self.inputs.clock.now();
        let taken = self.take_notes() + self.take_truths() + self.take_shown();
        self.take_histograms();
        if self.now >= self.second_ends {
            self.second_ends = self.now + INTERVAL;
            self.end_second();
        }
        self.write_log();
        taken
    }

    /// Writes what waits for the log, and raises or lowers the flag that says whether that went
    /// well.
    fn write_log(&mut self) {
        let Some(dir) = &mut self.dir else { return };
        let (was, writable) = (self.writable, dir.write_lines(self.now));
        if writable != was {
            self.writable = writable;
            self.inputs.unwritable.store(!writable, Ordering::Relaxed);
        }
        if let Some(error) = self.dir.as_mut().and_then(RunDir::take_error) {
            let note = Note::new(self.now, Severity::Error, "scribe.disk");
            self.write(&note.text(&error));
        }
        if writable && !was {
            self.write(&Note::new(self.now, Severity::Info, "scribe.disk_back"));
        }
    }

    fn take_notes(&mut self) -> usize {
        let mut taken = 0;
        let lost_before = self.inputs.notes_lost.load(Ordering::Relaxed);
        while taken < BATCH {
            let Ok(note) = self.inputs.notes.try_recv() else {
                self.decisions.handle_empty(lost_before);
                self.decide(self.now, None);
                break;
            };
            taken += 1;
            self.decide(note.at, Some(&note));
            if self.repeats.admit(&note) {
                self.write(&note);
            }
        }
        taken
    }

    /// Lets the decisions take in a record, or else that there was none by `now`.
    fn decide(&mut self, now: Nanos, note: Option<&Note>) {
        let Some(dir) = &mut self.dir else { return };
        let lost = self.inputs.notes_lost.load(Ordering::Relaxed);
        self.decisions.handle_lost(lost);
        self.line.clear();
        let renderer = renderer(self.anchor, &self.inputs);
        match note {
            Some(note) => self.decisions.handle_note(&renderer, note, &mut self.line),
            None => self.decisions.handle_time(&renderer, now, &mut self.line),
        }
        dir.take_decisions(&self.line);
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
                    dir.take_interval(stage, values, anchor.unix(began), ended.since(began).0);
                }
            });
        }
    }

    fn end_second(&mut self) {
        let mut notes = Vec::new();
        self.repeats
            .end_second(self.now, |note| notes.push(note.clone()));
        notes.extend(self.steps.look(&*self.inputs.clock));
        notes.iter().for_each(|note| self.write(note));
        self.tell_console_losses();
        if let Some(status) = &mut self.inputs.status {
            let ns = self.totals.stage(Stage::TickToWire).map(|values| {
                (
                    values.value_at_quantile(0.5),
                    values.value_at_quantile(0.99),
                )
            });
            let status = status(ns);
            let renderer = renderer(self.anchor, &self.inputs);
            self.screen.status(self.now, &status, &renderer);
        }
        if let Some(dir) = &mut self.dir {
            dir.write_intervals();
        }
        if self.now >= self.partial_due {
            self.partial_due = self.now + PARTIAL_EVERY;
            self.write_partial();
        }
    }

    /// Says that lines are missing on the console: to its reader, and the first time in the log.
    fn tell_console_losses(&mut self) {
        let refused = self.screen.refused();
        if refused > self.console_refused {
            let lines = refused - self.console_refused;
            let note = Note::new(self.now, Severity::Warn, "console.lost").with(
                "lines",
                Value::Int(i64::try_from(lines).unwrap_or(i64::MAX)),
            );
            match self.console_refused {
                0 => self.write(&note),
                _ => self.show(&note),
            }
            self.console_refused = refused;
        }
    }

    /// Writes a note to the run's log and to the console.
    fn write(&mut self, note: &Note) {
        self.orders.count(note.event);
        if let Some(dir) = &mut self.dir {
            self.line.clear();
            renderer(self.anchor, &self.inputs).json(note, &mut self.line);
            dir.take_line(&self.line, is_record(note.event));
        }
        self.show(note);
    }

    /// Writes a note to the console only. A console that is gone is nobody's error.
    fn show(&mut self, note: &Note) {
        let renderer = renderer(self.anchor, &self.inputs);
        self.screen.note(note, &renderer);
    }

    /// `summary.json` of a run that goes on. If that fails, the log does too, and says so.
    fn write_partial(&mut self) {
        let (Some(head), Some(dir)) = (&self.inputs.head, &self.inputs.dir) else {
            return;
        };
        let totals = self.totals();
        let books = self.inputs.instruments.iter().zip(totals.audits);
        let mut books: Vec<Book> = books.map(|(one, audit)| Book::of(one, audit)).collect();
        if let Some(tell) = &self.inputs.books {
            tell(&mut books);
        }
        let summary = Summary {
            duration_ns: self.now.since(self.anchor.mono).0,
            books,
            exchanges: totals.exchanges,
            stages: totals.stages,
            workers: totals.workers,
            orders: self.orders.clone(),
            notes_lost: totals.notes_lost,
            disk_errors: totals.disk_errors,
            console_lost: totals.console_lost,
            ended: false,
            ..head.clone()
        };
        if let Ok(text) = summary.to_json() {
            let _ = write_whole(&dir.join("summary.json"), text.as_bytes());
        }
    }

    fn finish(mut self) -> ScribeTotals {
        self.inputs.status = None;
        self.partial_due = Nanos::NEVER; // Whoever ends the run writes the whole one.
        self.end_second();
        self.auditor.finish(self.now);
        if let Some(dir) = &mut self.dir {
            self.line.clear();
            let renderer = renderer(self.anchor, &self.inputs);
            self.decisions.finish(&renderer, self.now, &mut self.line);
            dir.take_decisions(&self.line);
        }
        let until = self.now + LAST_WRITES;
        self.write_log();
        while !self.writable && self.now < until {
            thread::sleep(POLL);
            self.now = self.inputs.clock.now();
            self.write_log();
        }
        if let Some(dir) = &mut self.dir {
            dir.finish(self.now, &self.totals);
        }
        let totals = self.totals();
        ScribeTotals {
            console_lost: self.screen.finish(),
            ..totals
        }
    }

    /// What is known by now.
    fn totals(&self) -> ScribeTotals {
        let ids = (0..self.inputs.instruments.len()).map(|id| InstrumentId(id as u16));
        let audited = !self.inputs.shown.is_empty();
        let audit = |id| audited.then(|| self.auditor.result(id)).flatten();
        let lines_lost = self.dir.as_ref().map_or(0, RunDir::lines_lost);
        ScribeTotals {
            stages: StageLatency::all(&self.totals),
            workers: self.totals.workers().iter().map(Worker::from).collect(),
            exchanges: Exchange::all(&self.inputs.instruments, &self.totals),
            audits: ids.map(audit).collect(),
            notes_lost: self.inputs.notes_lost.load(Ordering::Relaxed)
                + lines_lost
                + self.decisions.untold(),
            disk_errors: self.dir.as_ref().map_or(0, RunDir::errors),
            console_lost: self.screen.refused(),
        }
    }
}

fn renderer(anchor: Anchor, inputs: &ScribeInputs) -> Renderer<'_> {
    Renderer {
        anchor,
        instruments: &inputs.instruments,
        strategies: &inputs.strategies,
    }
}
