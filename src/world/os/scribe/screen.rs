//! What the scribe shows a person, or a program, while a run goes on: records as far as they were
//! asked for, and how the run stands. Never waits for whoever reads.

use super::super::console::Outlet;
use crate::base::{Nanos, Note, Severity, Value};
use crate::watch::brief::{Brief, Look};
use crate::watch::log::Renderer;
use crate::watch::status::{Changes, status_line};
use crate::watch::summary::Status;
use std::io::{self, Write};

/// Back to the beginning of the terminal's line, which is then empty.
const CLEAR: &str = "\r\x1b[K";

/// Where lines for a person go, usually standard error.
pub struct Console {
    /// Takes whole lines.
    pub out: Box<dyn Write + Send>,
    /// How they look.
    pub style: ConsoleStyle,
    /// How many there are.
    pub detail: Detail,
}

/// How the console's lines look.
#[derive(Debug, Clone, Copy)]
pub enum ConsoleStyle {
    /// Text for a person who keeps every line, or whose terminal cannot redraw one: the status is a
    /// line of its own once a minute and whenever it changes.
    Lines {
        /// With the terminal's colours.
        colour: bool,
    },
    /// Text on a terminal: the status stays its last line.
    Terminal {
        /// With the terminal's colours.
        colour: bool,
        /// Tells how wide the terminal is now.
        columns: fn() -> usize,
    },
    /// JSON lines, the form of `log.jsonl`, and a status each second.
    Json,
}

/// How much of the log the console shows; rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Warnings and errors.
    Quiet,
    /// What happens, with one line per order.
    #[default]
    Brief,
    /// Every record whole, and a status each second.
    Full,
}

pub(super) struct Screen {
    outlet: Outlet,
    style: ConsoleStyle,
    detail: Detail,
    brief: Brief,
    changes: Changes,
    /// The status at the end of the terminal.
    standing: String,
    line: String,
}

impl Screen {
    /// Starts the thread that writes.
    pub(super) fn start(console: Console) -> io::Result<Self> {
        let Console { out, style, detail } = console;
        Ok(Self {
            outlet: Outlet::start("tickwire-console", out)?,
            style,
            detail,
            brief: Brief::default(),
            changes: Changes::default(),
            standing: String::new(),
            line: String::new(),
        })
    }

    /// Shows a record, if it is one to be shown.
    pub(super) fn note(&mut self, note: &Note, renderer: &Renderer) {
        let least = match self.detail {
            Detail::Quiet => Severity::Warn,
            Detail::Brief => Severity::Info,
            Detail::Full => Severity::Debug,
        };
        if note.severity < least {
            return;
        }
        self.line.clear();
        let look = match self.style {
            ConsoleStyle::Json => None,
            ConsoleStyle::Lines { colour } => Some((colour, None)),
            ConsoleStyle::Terminal { colour, columns } => Some((colour, Some(columns()))),
        };
        match look {
            None => renderer.json(note, &mut self.line),
            Some((colour, _)) if self.detail == Detail::Full => {
                renderer.human(note, colour, &mut self.line);
            }
            Some((colour, columns)) => {
                let look = Look { colour, columns };
                self.brief.write(renderer, note, look, &mut self.line);
            }
        }
        if self.line.is_empty() {
            return;
        }
        if !self.standing.is_empty() {
            self.line.insert_str(0, CLEAR);
            self.line.push_str(&self.standing);
        }
        self.outlet.say(&self.line);
    }

    /// Shows how the run stands at `now`.
    pub(super) fn status(&mut self, now: Nanos, status: &Status, renderer: &Renderer) {
        match (self.style, self.detail) {
            (ConsoleStyle::Json, _) => self.note(&status_note(now, status), renderer),
            (_, Detail::Quiet) => {}
            (ConsoleStyle::Terminal { columns, .. }, _) => {
                // The last column stays free: some terminals go to the next line there.
                self.standing = status_line(status, Some(columns().saturating_sub(1)));
                self.outlet.say(&format!("{CLEAR}{}", self.standing));
            }
            (ConsoleStyle::Lines { .. }, detail) => {
                if self.changes.is_news(status) || detail == Detail::Full {
                    self.outlet.say(&format!("{}\n", status_line(status, None)));
                }
            }
        }
    }

    /// Lines that found no room so far.
    pub(super) fn refused(&self) -> u64 {
        self.outlet.refused()
    }

    /// Takes the status away, waits a moment for the reader, and says how many lines it never got.
    pub(super) fn finish(mut self) -> u64 {
        if !self.standing.is_empty() {
            self.outlet.say(CLEAR);
        }
        self.outlet.finish()
    }
}

fn status_note(now: Nanos, status: &Status) -> Note {
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let note = Note::new(now, Severity::Info, "run.status")
        .with("books_live", int(status.books_live as u64))
        .with("books", int(status.books as u64))
        .with("messages_per_s", int(status.messages_per_s))
        .with("orders_sent", int(status.orders_sent));
    let note = match status.late {
        Some(late) => note
            .with("late", Value::Word(late.exchange))
            .with("late_ms", int(late.delay.0 / 1_000_000)),
        None => note,
    };
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
