//! What a fault did at one exchange, from what was seen: how long a wrong book was shown, how long
//! until that was known, how long until all was well. A value: it sees no socket and no clock.

use super::seen::{Seen, Trace};
use crate::base::{Nanos, Span};
use crate::venue::faults::{MarketFault, Struck};
use crate::watch::audit::BookAudit;

/// Whether and when a book was live again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// It was live all the time.
    Unneeded,
    /// So long after the fault was over, for good.
    After(Span),
    /// Not within the time that was left to it.
    Never,
}

/// What the audit found of one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Audited {
    /// For how long it was another one than the exchange's.
    pub(super) wrong: Span,
    /// Books that nobody could vouch for.
    pub(super) unverified: u64,
}

impl From<&BookAudit> for Audited {
    fn from(found: &BookAudit) -> Self {
        Self {
            wrong: Span(found.wrong_ns.unwrap_or(0) + found.unlike_ns),
            unverified: found.unverified,
        }
    }
}

impl Audited {
    /// What was found after `earlier`.
    pub(super) fn since(self, earlier: &Self) -> Self {
        Self {
            wrong: self.wrong - earlier.wrong,
            unverified: self.unverified - earlier.unverified,
        }
    }
}

/// What one fault did once, at one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// For how long a book was shown that the exchange never had: of the worst of its books.
    pub(super) wrong: Span,
    /// Books that nobody could vouch for. Where one change comes as several messages, some are
    /// between these.
    pub(super) unverified: u64,
    /// From the fault on, until the last of the books that it is about was not shown any more, or a
    /// person was warned. `None` if there was nothing to notice, or nobody did.
    pub(super) noticed: Option<Span>,
    /// A book was wrong, and nobody noticed.
    pub(super) missed: bool,
    /// The last of the books that it is about.
    pub(super) back: Back,
}

/// Judges a fault that struck, by what was seen until some time after it and by what the audit
/// found meanwhile, by instrument.
pub(super) fn judge(struck: &Struck, seen: &Seen, audits: &[Audited]) -> Sample {
    let of_exchange = |book: &&Trace| book.exchange == struck.exchange;
    let mut sample = Sample {
        wrong: Span::ZERO,
        unverified: 0,
        noticed: None,
        missed: false,
        back: Back::Unneeded,
    };
    for book in seen.books.iter().filter(of_exchange) {
        let audit = audits.get(book.id.index()).copied().unwrap_or_default();
        let noticed = noticed(book, struck.at, audit.wrong, seen);
        sample.missed |= audit.wrong > Span::ZERO && noticed.is_none();
        sample.wrong = sample.wrong.max(audit.wrong);
        sample.unverified += audit.unverified;
        if struck
            .instrument
            .is_some_and(|symbol| symbol != book.symbol)
        {
            continue;
        }
        sample.noticed = sample.noticed.max(noticed);
        sample.back = match (sample.back, back(book, struck)) {
            (Back::Never, _) | (_, Back::Never) => Back::Never,
            (Back::After(one), Back::After(other)) => Back::After(one.max(other)),
            (Back::Unneeded, other) | (other, Back::Unneeded) => other,
        };
    }
    sample
}

fn noticed(book: &Trace, at: Nanos, wrong: Span, seen: &Seen) -> Option<Span> {
    let from = match book.was_live(at) {
        true => at,
        // A dark book shows nothing wrong, until it is live again.
        false if wrong == Span::ZERO => return Some(Span::ZERO),
        false => book.turned(true, at)?,
    };
    let (dark, warned) = (book.turned(false, from), seen.warned_from(book, from));
    let first = dark.into_iter().chain(warned).min();
    first.map(|first| first.since(at))
}

fn back(book: &Trace, struck: &Struck) -> Back {
    if !book.is_live() {
        return Back::Never;
    }
    match book.last_change() {
        Some(live) if live >= struck.at => Back::After(live.since(struck.until)),
        Some(_) | None => Back::Unneeded,
    }
}

/// What a fault did at one exchange, over all repetitions.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// What went wrong.
    pub(super) fault: MarketFault,
    /// Where.
    pub(super) exchange: &'static str,
    /// `None` for a repetition in which the fault found nothing to strike.
    pub(super) samples: Vec<Option<Sample>>,
}

impl Cell {
    /// Before anything happened.
    pub(super) fn new(fault: MarketFault, exchange: &'static str) -> Self {
        Self {
            fault,
            exchange,
            samples: Vec::new(),
        }
    }
}

/// The median and the largest of several spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) p50: Span,
    pub(super) max: Span,
}

impl Spread {
    /// `None` of none.
    pub(super) fn of(spans: impl Iterator<Item = Span>) -> Option<Self> {
        let mut all: Vec<Span> = spans.collect();
        all.sort();
        Some(Self {
            p50: *all.get(all.len().checked_sub(1)? / 2)?,
            max: *all.last()?,
        })
    }
}

/// Several samples, as a table shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// How often the fault happened, and how often it found nothing to strike.
    pub(super) struck: usize,
    pub(super) unstruck: usize,
    /// The longest time that a book was wrong.
    pub(super) wrong: Span,
    pub(super) noticed: Option<Spread>,
    pub(super) missed: usize,
    pub(super) back: Option<Spread>,
    pub(super) never_back: usize,
}

impl Sum {
    /// Of these samples.
    pub(super) fn of<'s>(samples: impl Iterator<Item = &'s Option<Sample>> + Clone) -> Self {
        let struck = samples.clone().flatten();
        let after = |one: &Sample| match one.back {
            Back::After(span) => Some(span),
            Back::Unneeded | Back::Never => None,
        };
        Self {
            struck: struck.clone().count(),
            unstruck: samples.filter(|one| one.is_none()).count(),
            wrong: struck
                .clone()
                .map(|one| one.wrong)
                .max()
                .unwrap_or_default(),
            noticed: Spread::of(struck.clone().filter_map(|one| one.noticed)),
            missed: struck.clone().filter(|one| one.missed).count(),
            back: Spread::of(struck.clone().filter_map(after)),
            never_back: struck.filter(|one| one.back == Back::Never).count(),
        }
    }
}

#[cfg(test)]
mod tests;
