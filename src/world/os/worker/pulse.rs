//! What a worker shows of itself while it works: numbers that anybody may read at any time. Neither
//! side waits for the other.

use crate::base::{InstrumentId, Nanos};
use crate::watch::summary::{self, GAINS_MAX};
use crate::wiring::feed::{BookTally, Dark, Late};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What a run shows of a worker while it works. Written by it alone.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Frames of market data so far.
    pub(crate) frames: AtomicU64,
    /// Books that strategies can read now.
    pub(crate) live_books: AtomicU64,
    /// Turns so far: a worker that is well turns at least five times a second.
    pub(crate) turns: AtomicU64,
    /// Orders that risk admitted so far.
    pub(crate) orders: AtomicU64,
    /// The book that has been dark for the longest time.
    pub(crate) dark: DarkPulse,
    /// The data that is late by the most.
    pub(crate) late: LatePulse,
    /// What became of each book by instrument id, as of the last whole second; zero if its feed is
    /// not here.
    pub(crate) books: Box<[BookPulse]>,
    /// What was gained or lost, as of the last whole second.
    pub(crate) gains: [GainPulse; GAINS_MAX],
}

impl Pulse {
    /// Of a run with this many instruments.
    pub(crate) fn of(instruments: usize) -> Self {
        Self {
            books: (0..instruments).map(|_| BookPulse::default()).collect(),
            ..Self::default()
        }
    }
}

/// What became of one book. Its parts are written one after another.
#[derive(Debug, Default)]
pub(crate) struct BookPulse {
    updates: AtomicU64,
    incomplete: AtomicU64,
    gaps: AtomicU64,
    resyncs: AtomicU64,
}

impl BookPulse {
    pub(super) fn show(&self, told: &BookTally) {
        let counters = told.counters;
        self.updates.store(counters.updates, Ordering::Relaxed);
        self.incomplete
            .store(counters.incomplete, Ordering::Relaxed);
        self.gaps.store(counters.gaps, Ordering::Relaxed);
        self.resyncs.store(counters.resyncs, Ordering::Relaxed);
    }

    /// Adds what it shows.
    pub(crate) fn tell(&self, book: &mut summary::Book) {
        book.updates += self.updates.load(Ordering::Relaxed);
        book.incomplete += self.incomplete.load(Ordering::Relaxed);
        book.gaps += self.gaps.load(Ordering::Relaxed);
        book.resyncs += self.resyncs.load(Ordering::Relaxed);
    }
}

/// What was gained or lost of one asset. Its parts are written one after another: for a moment a
/// reader may see one of the asset before.
#[derive(Debug, Default)]
pub(crate) struct GainPulse {
    /// Zero if there is none; else one more than the index of an instrument that is paid in it.
    of: AtomicU64,
    /// In units of 10^-8.
    units: AtomicI64,
}

impl GainPulse {
    pub(super) fn show(&self, id: InstrumentId, units: i128) {
        let units = units / 10i128.pow(10); // Of 10^-18.
        let most = if units < 0 { i64::MIN } else { i64::MAX };
        let units = i64::try_from(units).unwrap_or(most);
        self.units.store(units, Ordering::Relaxed);
        self.of.store(id.index() as u64 + 1, Ordering::Relaxed);
    }

    /// An instrument that is paid in the asset, and units of 10^-8; `None` if there is none.
    pub(crate) fn look(&self) -> Option<(InstrumentId, i64)> {
        let index = self.of.load(Ordering::Relaxed).checked_sub(1)?;
        let units = self.units.load(Ordering::Relaxed);
        Some((InstrumentId(u16::try_from(index).ok()?), units))
    }
}

/// Late data as a worker shows it: zero if none is; else in the upper 16 bits one more than the
/// instrument's index, and below them the delay in nanoseconds, which is at most three days.
#[derive(Debug, Default)]
pub(crate) struct LatePulse(AtomicU64);

impl LatePulse {
    const DELAY_BITS: u32 = 48;
    const DELAY: u64 = (1 << Self::DELAY_BITS) - 1;

    pub(super) fn show(&self, late: Option<Late>) {
        let shown = late.map_or(
            0,
            |Late {
                 instrument,
                 delay_ns,
             }| {
                let above = instrument.index() as u64 + 1;
                above << Self::DELAY_BITS | delay_ns.min(Self::DELAY)
            },
        );
        self.0.store(shown, Ordering::Relaxed);
    }

    /// Whose data is late, and by how much; `None` if none is.
    pub(crate) fn look(&self) -> Option<Late> {
        let shown = self.0.load(Ordering::Relaxed);
        let index = (shown >> Self::DELAY_BITS).checked_sub(1)?;
        Some(Late {
            instrument: InstrumentId(u16::try_from(index).ok()?),
            delay_ns: shown & Self::DELAY,
        })
    }
}

/// A dark book as a worker shows it. Its parts are written one after another: a reader may see one
/// of the book before.
#[derive(Debug, Default)]
pub(crate) struct DarkPulse {
    /// Zero if all books are live; else one more than the instrument's index, and in the lowest
    /// byte why.
    what: AtomicU64,
    since: AtomicU64,
}

impl DarkPulse {
    pub(super) fn show(&self, book: Option<BookTally>) {
        let told = book.and_then(|book| Some((book.instrument, book.dark?, book.dark_since)));
        let what = told.map_or(0, |(id, why, since)| {
            self.since.store(since.0, Ordering::Relaxed);
            (id.index() as u64 + 1) << 8 | why as u64
        });
        self.what.store(what, Ordering::Relaxed);
    }

    /// Which book is dark, since when and why; `None` if all are live.
    pub(crate) fn look(&self) -> Option<(InstrumentId, Nanos, Dark)> {
        let what = self.what.load(Ordering::Relaxed);
        let id = u16::try_from((what >> 8).checked_sub(1)?).ok()?;
        let why = *Dark::ALL.get((what & 0xff) as usize)?;
        let since = Nanos(self.since.load(Ordering::Relaxed));
        Some((InstrumentId(id), since, why))
    }
}
