//! What was seen of each book, and what was said, while faults happened. Reads no clock.

use crate::base::{Instrument, InstrumentId, Nanos, Note, Severity, Symbol};
use crate::venue::faults::Struck;
use crate::watch::audit::Shown;

/// Warnings of one round, at most; those beyond are not needed to know the first one.
const WARNINGS_MAX: usize = 65_536;

/// A book, and when it was live.
#[derive(Debug, Clone)]
pub(super) struct Trace {
    pub(super) id: InstrumentId,
    pub(super) exchange: &'static str,
    pub(super) symbol: Symbol,
    /// Whether it was live at the beginning.
    began_live: bool,
    /// When it became live, or dark.
    changes: Vec<(Nanos, bool)>,
}

impl Trace {
    /// Whether it is live now.
    pub(super) fn is_live(&self) -> bool {
        self.changes
            .last()
            .map_or(self.began_live, |change| change.1)
    }

    /// Whether it was live at this moment.
    pub(super) fn was_live(&self, at: Nanos) -> bool {
        let before = self.changes.iter().take_while(|change| change.0 <= at);
        before.last().map_or(self.began_live, |change| change.1)
    }

    /// When it became live, or dark, for the first time from then on.
    pub(super) fn turned(&self, live: bool, from: Nanos) -> Option<Nanos> {
        let mut turns = self.changes.iter().filter(|change| change.1 == live);
        turns.find(|change| change.0 >= from).map(|change| change.0)
    }

    /// When it became live or dark for the last time.
    pub(super) fn last_change(&self) -> Option<Nanos> {
        self.changes.last().map(|change| change.0)
    }
}

/// Something that a person was warned of.
#[derive(Debug, Clone, Copy)]
struct Warning {
    at: Nanos,
    exchange: &'static str,
    instrument: InstrumentId,
}

/// All that was seen.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Books by instrument id.
    pub(super) books: Vec<Trace>,
    /// Faults that happened.
    pub(super) struck: Vec<Struck>,
    warnings: Vec<Warning>,
}

impl Seen {
    /// Nothing yet, of these instruments.
    pub(super) fn of(instruments: &[Instrument]) -> Self {
        let trace = |one: &Instrument| Trace {
            id: one.id,
            exchange: one.exchange,
            symbol: one.symbol,
            began_live: false,
            changes: Vec::new(),
        };
        Self {
            books: instruments.iter().map(trace).collect(),
            struck: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Forgets what was seen, but for how the books stand.
    pub(super) fn begin(&mut self) {
        for book in &mut self.books {
            book.began_live = book.is_live();
            book.changes.clear();
        }
        self.warnings.clear();
        self.struck.clear();
    }

    /// A book was shown, or went dark.
    pub(super) fn shown(&mut self, shown: &Shown) {
        let live = shown.top.is_some();
        if let Some(book) = self.books.get_mut(shown.instrument.index())
            && book.is_live() != live
        {
            book.changes.push((shown.at, live));
        }
    }

    /// Something was said.
    pub(super) fn note(&mut self, note: &Note) {
        if note.severity >= Severity::Warn && self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning {
                at: note.at,
                exchange: note.exchange,
                instrument: note.instrument,
            });
        }
    }

    /// When a person was first warned of this book, or of its exchange, from then on.
    pub(super) fn warned_from(&self, book: &Trace, at: Nanos) -> Option<Nanos> {
        let about = |one: &&Warning| match one.instrument {
            InstrumentId::NONE => one.exchange == book.exchange,
            id => id == book.id,
        };
        let after = self.warnings.iter().filter(|one| one.at >= at);
        after.filter(about).map(|one| one.at).min()
    }

    /// Since when all books are live and none has changed; `None` if one is dark.
    pub(super) fn calm_since(&self) -> Option<Nanos> {
        let live = self.books.iter().all(Trace::is_live);
        let changes = self.books.iter().filter_map(Trace::last_change);
        live.then(|| changes.max().unwrap_or(Nanos::ZERO))
    }
}
