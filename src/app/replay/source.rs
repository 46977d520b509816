//! What recordings hold. Replays nothing itself.

use super::kept::{Kept, Messages};
use crate::base::{Instrument, Nanos, Symbol};
use crate::exchange::kit::survey::Said;
use crate::exchange::{self, DepthStream, Exchange, Survey};
use crate::journal::{Entry, Merge};
use crate::venue::surveyed::{Surveyed, Whose, survey, survey_into};
use crate::world::os::recorder;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The books of one stream of one exchange among what recordings hold.
pub(super) struct Source {
    pub(crate) exchange: &'static dyn Exchange,
    pub(crate) depth: &'static DepthStream,
    /// Every recorded instrument of the exchange, whichever stream brought its book.
    pub(crate) instruments: Vec<Instrument>,
    /// Those whose books this stream brought.
    pub(crate) asked: Vec<Symbol>,
    /// The lanes that a recorder names; empty if the messages say nothing about their connections.
    pub(crate) lanes: BTreeSet<u16>,
    /// Which of the exchanges it is, and which of its streams.
    at: (u8, usize),
}

/// What recordings hold, of all exchanges.
pub(super) struct Contents {
    pub(crate) sources: Vec<Source>,
    /// Frames of streams that this build does not read, by exchange and name.
    pub(crate) others: BTreeMap<(&'static str, String), u64>,
    /// When the first message came, if the recordings say so.
    pub(super) first: Option<Nanos>,
    /// To whom each message belongs, in the order of [`Merge`].
    of: Vec<Of>,
    /// The messages, unless they are too many.
    kept: Option<Kept>,
    /// Of each exchange, by its place in [`Of`].
    found: Vec<Surveyed>,
}

/// What one reading of all messages tells.
struct Told {
    of: Vec<Of>,
    kept: Option<Kept>,
    lanes: BTreeSet<u16>,
    first: Option<Nanos>,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            of: Vec::new(),
            kept: Some(Kept::default()),
            lanes: BTreeSet::new(),
            first: None,
        }
    }
}

/// What a source does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// Take it in.
    Books,
    /// Takes only its number in: it is of a stream that is not read.
    Number,
    /// Nothing.
    Nobody,
}

/// To whom a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Of no exchange of this build.
    None,
    /// An exchange's, of a stream that is not read.
    Other(u8),
    /// An exchange's: prints, answers, snapshots, and what says nothing about books.
    Exchange(u8),
    /// A book's of this stream.
    Book(u8, u32),
}

impl Contents {
    /// Reads the recordings through, so that a bad line is known before anything is replayed.
    pub(crate) fn survey(files: &[PathBuf]) -> Result<Self, String> {
        let read = |told: &mut Told, number, entry: &Entry<'_>, whose: Option<Whose>| {
            let Told {
                of,
                kept,
                lanes,
                first,
            } = told;
            if kept.as_mut().is_some_and(|kept| !kept.keep(number, entry)) {
                *kept = None;
            }
            lanes.extend(entry.place.map(|place| place.lane));
            *first = first.or(entry.ts_ns.map(Nanos));
            of.push(match whose.map(|whose| (whose.at as u8, whose.said)) {
                None => Of::None,
                Some((at, Said::Nothing)) => Of::Exchange(at),
                Some((at, Said::Book(stream))) => Of::Book(at, stream as u32),
                Some((at, Said::Other)) => Of::Other(at),
            });
        };
        let (found, told) = survey(|| merge(files), read)?;
        if found.is_empty() {
            return Err("holds no message of an exchange of this build".into());
        }
        let mut contents = Self {
            sources: Vec::new(),
            others: BTreeMap::new(),
            first: told.first,
            of: told.of,
            kept: told.kept,
            found: Vec::new(),
        };
        for (
            at,
            Surveyed {
                exchange, survey, ..
            },
        ) in (0..).zip(&found)
        {
            for (name, count) in survey.others() {
                let name = (exchange.name(), name.clone());
                contents.others.insert(name, *count);
            }
            contents.add(at, *exchange, survey, &told.lanes);
        }
        contents.found = found;
        if contents.sources.is_empty() {
            let names = contents.found.iter().map(|one| one.exchange.name());
            let names: Vec<&str> = names.collect();
            let streams = contents.streams_left();
            let names = names.join(", ");
            return Err(format!(
                "holds no book of {names} that this build reads{streams}"
            ));
        }
        Ok(contents)
    }

    /// The messages of these files, which were surveyed.
    ///
    /// # Errors
    /// If one cannot be opened again.
    pub(super) fn messages(&self, files: &[PathBuf]) -> Result<Messages<'_>, String> {
        Ok(match &self.kept {
            Some(kept) => Messages::Kept(kept, 0),
            None => Messages::Files(merge(files)?),
        })
    }

    /// Whether message `index` is of this source's exchange, whatever it says.
    pub(super) fn is_of(&self, source: &Source, index: usize) -> bool {
        match self.of.get(index) {
            Some(Of::Other(at) | Of::Exchange(at) | Of::Book(at, _)) => *at == source.at.0,
            Some(Of::None) | None => false,
        }
    }

    /// The instruments of a source, as they were listed.
    pub(super) fn listed(&self, source: &Source) -> Vec<Instrument> {
        self.found[usize::from(source.at.0)].listed()
    }

    /// What this source does with message `index`.
    pub(crate) fn is_for(&self, source: &Source, index: usize) -> For {
        let (exchange, stream) = source.at;
        match self.of.get(index) {
            Some(Of::Exchange(at)) if *at == exchange => For::Books,
            Some(Of::Book(at, of)) if (*at, *of as usize) == (exchange, stream) => For::Books,
            // Every message of a connection that counts them has its number.
            Some(Of::Other(at) | Of::Book(at, _))
                if *at == exchange && source.depth.rule.numbered_line =>
            {
                For::Number
            }
            Some(_) | None => For::Nobody,
        }
    }

    /// `; it holds ticker (3 frames), kline_1m (1)`, or nothing.
    fn streams_left(&self) -> String {
        let each = |((_, name), count): (&(&str, String), &u64)| format!("{name} ({count})");
        let each: Vec<String> = self.others.iter().map(each).collect();
        match each.is_empty() {
            true => String::new(),
            false => format!("; frames that it does not read: {}", each.join(", ")),
        }
    }

    fn add(
        &mut self,
        at: u8,
        exchange: &'static dyn Exchange,
        survey: &Survey,
        lanes: &BTreeSet<u16>,
    ) {
        let books = survey.books(exchange);
        for of in &mut self.of {
            if let Of::Book(owner, stream) = of
                && *owner == at
            {
                *stream = survey.home(*stream as usize) as u32;
            }
        }
        for (stream, one) in survey.streams().iter().enumerate() {
            let read = books.iter().any(|(at, _)| *at == survey.home(stream));
            let beside = one.quotes && Survey::depth_of(exchange, one).is_some();
            if read || one.frames == 0 {
                continue;
            }
            // Quotes beside deeper books are no books, and are read as what they are.
            for of in &mut self.of {
                if *of == Of::Book(at, stream as u32) {
                    *of = if beside {
                        Of::Exchange(at)
                    } else {
                        Of::Other(at)
                    };
                }
            }
            if !beside {
                let name = (exchange.name(), one.name.clone());
                self.others.insert(name, one.frames);
            }
        }
        for (stream, depth) in books {
            self.sources.push(Source {
                exchange,
                depth,
                instruments: survey.instruments(exchange.name()),
                asked: survey.symbols_of(stream),
                lanes: lanes.clone(),
                at: (at, stream),
            });
        }
    }
}

/// Several recordings as one.
fn merge(files: &[PathBuf]) -> Result<Merge, String> {
    let mut merge = Merge::default();
    for file in files {
        let reader = recorder::open(file).map_err(|error| error.to_string())?;
        merge.add(reader)?;
    }
    Ok(merge)
}

/// What a recorder's lane carried.
#[derive(Default)]
pub(super) struct Carried {
    /// It had books.
    pub(super) books: bool,
    /// Its instruments.
    pub(super) symbols: BTreeSet<Symbol>,
}

/// What each lane carried, if the messages name their lanes.
pub(super) struct Lanes(BTreeMap<(&'static str, u16), Carried>);

impl Lanes {
    /// Goes through the messages.
    pub(super) fn survey(mut messages: Messages<'_>) -> Result<Self, String> {
        let mut found: BTreeMap<(&'static str, u16), (&'static dyn Exchange, Survey)> =
            BTreeMap::new();
        while let Some((_, entry)) = messages.next_entry()? {
            let mut all = exchange::ALL.iter().copied();
            let owner = all.find(|exchange| exchange.owns(&entry.conn));
            if let (Some(place), Some(owner)) = (entry.place, owner) {
                let (exchange, survey) = found
                    .entry((owner.name(), place.lane))
                    .or_insert_with(|| (owner, Survey::default()));
                survey_into(&entry, *exchange, survey);
            }
        }
        let carried = |((name, lane), (exchange, survey)): (_, (&dyn Exchange, Survey))| {
            let symbols = survey
                .instruments(name)
                .iter()
                .map(|one| one.symbol)
                .collect();
            let books = !survey.books(exchange).is_empty();
            ((name, lane), Carried { books, symbols })
        };
        Ok(Self(found.into_iter().map(carried).collect()))
    }

    /// No message names its lane.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this lane carried of the exchange; `None` if it is another one's.
    pub(super) fn of(&self, exchange: &'static str, lane: u16) -> Option<&Carried> {
        self.0.get(&(exchange, lane))
    }
}
