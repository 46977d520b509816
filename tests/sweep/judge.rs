//! Compares every book that was shown with those that the exchange had. Written without a look at
//! `market` and at the engine's own audit: a naive list of truths is its only memory.

use std::collections::HashMap;

use tickwire::base::{Instrument, Level, Nanos, Side, Span, Symbol, Top};
use tickwire::watch::audit::{Shown, Truth};
use tickwire::world::sim::driver::Seen;

const LEVELS: usize = 20;
/// Nothing may be shown that is behind the exchange for longer than that.
const BEHIND_MAX: Span = Span::from_secs(60);

/// Truths of each book that are remembered, at least: minutes of them.
const TRUTHS_MIN: usize = 4_096;

type Book = Top<LEVELS>;

/// What it found wrong.
pub type Found = String;

pub struct Judge {
    books: Vec<Watched>,
    by_symbol: HashMap<(&'static str, Symbol), usize>,
}

struct Watched {
    /// The exchange tells of every state that its messages lead through.
    vouched: bool,
    truths: Vec<(Nanos, Option<u64>, Book)>,
    showing: Option<Showing>,
    shown: u64,
    /// Levels that were compared.
    levels: u64,
    unmatched: u64,
}

struct Showing {
    id: u64,
    book: Book,
    /// The place of the truth that it is like.
    like: Option<usize>,
}

impl Judge {
    pub fn new(instruments: &[Instrument], vouched: impl Fn(&'static str) -> bool) -> Self {
        let books = instruments.iter().map(|one| Watched {
            vouched: vouched(one.exchange),
            truths: Vec::new(),
            showing: None,
            shown: 0,
            levels: 0,
            unmatched: 0,
        });
        let places = instruments.iter().enumerate();
        Self {
            books: books.collect(),
            by_symbol: places
                .map(|(n, one)| ((one.exchange, one.symbol), n))
                .collect(),
        }
    }

    pub fn see(&mut self, seen: &Seen) -> Result<(), Found> {
        match seen {
            Seen::Truth(at, truth) => self.hear(*at, truth),
            Seen::Shown(shown) => self.judge(shown),
        }
    }

    /// What is shown of this instrument: the id, and the book.
    pub fn showing(&self, n: usize) -> Option<(u64, &Book)> {
        let showing = self.books[n].showing.as_ref()?;
        Some((showing.id, &showing.book))
    }

    /// Books that were shown, levels that were compared, and books that no truth was like.
    pub fn counts(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Watched) -> u64| self.books.iter().map(of).sum::<u64>();
        (
            sum(|one| one.shown),
            sum(|one| one.levels),
            sum(|one| one.unmatched),
        )
    }

    /// Whether a book that is like none of the exchange's is wrong.
    pub fn is_vouched(&self) -> bool {
        self.books.iter().all(|watched| watched.vouched)
    }

    /// Whether all that is shown is what the exchange has; `None` if nothing is shown of one.
    pub fn is_current(&self) -> Option<bool> {
        let mut current = true;
        for watched in &self.books {
            let showing = watched.showing.as_ref()?;
            let newest = watched.truths.last();
            current &= newest.is_some_and(|(_, _, truth)| alike(&showing.book, truth).is_some());
        }
        Some(current)
    }

    fn hear(&mut self, at: Nanos, truth: &Truth) -> Result<(), Found> {
        let Some(&n) = self.by_symbol.get(&(truth.exchange, truth.symbol)) else {
            return Ok(()); // Listed there, and not followed here.
        };
        let watched = &mut self.books[n];
        let late = watched.behind(at);
        watched.truths.push((at, truth.update_id, truth.top));
        watched.forget();
        match late {
            Some(behind) => Err(format!(
                "{} of {} is shown {} ms behind the exchange",
                truth.symbol,
                truth.exchange,
                behind.0 / 1_000_000
            )),
            None => Ok(()),
        }
    }

    fn judge(&mut self, shown: &Shown) -> Result<(), Found> {
        let n = shown.instrument.index();
        let watched = &mut self.books[n];
        watched.showing = None;
        let Some(book) = &shown.top else {
            return Ok(());
        };
        watched.shown += 1;
        let id = shown.update_id;
        sound(book, watched.vouched).map_err(|why| format!("book {n} at {id} {why}: {book:?}"))?;
        let like = watched.find(id, book);
        if let Some((_, levels)) = like {
            watched.levels += levels as u64;
        }
        let like = like.map(|(place, _)| place);
        watched.showing = Some(Showing {
            id,
            book: *book,
            like,
        });
        if like.is_none() {
            watched.unmatched += 1;
            if watched.vouched {
                return Err(format!(
                    "book {n} at {id} is wrong: {}",
                    watched.nearest(id, book)
                ));
            }
        }
        Ok(())
    }
}

impl Watched {
    /// What is older than anything that may be shown.
    fn forget(&mut self) {
        if self.truths.len() < 2 * TRUTHS_MIN {
            return;
        }
        self.truths.drain(..TRUTHS_MIN);
        if let Some(showing) = &mut self.showing {
            showing.like = showing.like.and_then(|like| like.checked_sub(TRUTHS_MIN));
        }
    }

    /// The newest truth that a book is like, by its id if the exchange shows ids, and how many
    /// levels are the same.
    fn find(&self, id: u64, book: &Book) -> Option<(usize, usize)> {
        let truths = self.truths.iter().enumerate().rev();
        let mut same = truths.filter(|(_, (_, truth, _))| truth.is_none_or(|truth| truth == id));
        same.find_map(|(n, (_, _, truth))| Some((n, alike(book, truth)?)))
    }

    fn nearest(&self, id: u64, book: &Book) -> String {
        let mut truths = self.truths.iter().rev();
        match truths.find(|(_, truth, _)| *truth == Some(id)) {
            Some((_, _, truth)) => {
                let of = |side: Side| {
                    let pairs = book.side(side).iter().zip(truth.side(side));
                    pairs.enumerate().find(|(_, (ours, theirs))| ours != theirs)
                };
                format!(
                    "first differences {:?}, {:?}",
                    of(Side::Buy),
                    of(Side::Sell)
                )
            }
            None => format!("the exchange never had that: {book:?}"),
        }
    }

    /// For how long the exchange has had another book at `now` than is shown, if that is too long.
    fn behind(&self, now: Nanos) -> Option<Span> {
        let showing = self.showing.as_ref()?;
        let like = showing.like?;
        let newer = &self.truths[like + 1..];
        let (since, _, _) = newer
            .iter()
            .find(|(_, _, book)| alike(&showing.book, book).is_none())?;
        let behind = now.since(*since);
        (behind > BEHIND_MAX).then_some(behind)
    }
}

/// What is wrong with a book by itself. Where losses do not show, a crossed book is how they do.
fn sound(book: &Book, vouched: bool) -> Result<(), &'static str> {
    let rising = |levels: &[Level], sign: i64| {
        levels
            .windows(2)
            .all(|two| two[0].px.0 * sign < two[1].px.0 * sign)
    };
    if !rising(book.asks(), 1) || !rising(book.bids(), -1) {
        return Err("is not sorted");
    }
    if book
        .bids()
        .iter()
        .chain(book.asks())
        .any(|level| level.qty.0 == 0)
    {
        return Err("has a level of nothing");
    }
    match (book.bids().first(), book.asks().first()) {
        (Some(bid), Some(ask)) if vouched && bid.px >= ask.px => Err("is crossed"),
        _ => Ok(()),
    }
}

/// How many levels of both sides are the same, if all are that the book says it knows.
fn alike(book: &Book, truth: &Book) -> Option<usize> {
    let known = (0..=LEVELS)
        .rev()
        .find(|levels| book.complete(*levels))
        .unwrap_or(0);
    let mut levels = 0;
    for side in [Side::Buy, Side::Sell] {
        let cut = |book: &Book| {
            let all = book.side(side);
            all[..all.len().min(known)].to_vec()
        };
        let ours = cut(book);
        if ours != cut(truth) {
            return None;
        }
        levels += ours.len();
    }
    Some(levels)
}
