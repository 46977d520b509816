//! What recordings hold of each exchange: which streams brought its books, and as what each of its
//! instruments was listed. A replay and a played exchange both ask here. Plays and replays nothing.

use crate::base::{Instrument, Symbol};
use crate::exchange::kit::survey::Said;
use crate::exchange::{self, Exchange, Survey};
use crate::journal::{Entry, Kind, Merge, ReadError};
use std::collections::BTreeMap;

/// What recordings hold of one exchange.
pub(crate) struct Surveyed {
    pub(crate) exchange: &'static dyn Exchange,
    pub(crate) survey: Survey,
    /// What recorded metadata says.
    listed: BTreeMap<Symbol, Instrument>,
}

impl Surveyed {
    /// Every instrument that was seen, ids counting from zero: as its exchange listed it when it
    /// was recorded; if that was not recorded, as the exchange lists one of which only the symbol
    /// and the scales are known.
    pub(crate) fn listed(&self) -> Vec<Instrument> {
        let mirror = self.exchange.mirror();
        let listed = |seen: Instrument| Instrument {
            id: seen.id,
            ..match self.listed.get(&seen.symbol) {
                Some(listed) => *listed,
                None => mirror.recorded(&seen),
            }
        };
        let seen = self.survey.instruments(self.exchange.name());
        seen.into_iter().map(listed).collect()
    }

    /// Tells the survey of the message, and takes in what it lists.
    fn take(&mut self, entry: &Entry<'_>) -> Said {
        survey_into(entry, self.exchange, &mut self.survey);
        if entry.kind == Kind::Rest {
            self.list(entry);
        }
        self.survey.take_said()
    }

    /// Reads the body if it answers a request for metadata. The first listing counts: the run began
    /// with it.
    fn list(&mut self, entry: &Entry<'_>) {
        let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        let url = path(&entry.conn);
        let mut requests = self.exchange.metadata_requests(&[]).into_iter();
        if !requests.any(|request| url.ends_with(&path(&request.path))) {
            return;
        }
        let listings = self.exchange.metadata(entry.raw.as_bytes());
        for one in listings.unwrap_or_default().instruments {
            self.listed.entry(one.symbol).or_insert(one);
        }
    }
}

/// Whose a message is, and what it was.
pub(crate) struct Whose {
    /// The place of its exchange among those that were found.
    pub(crate) at: usize,
    pub(crate) exchange: &'static dyn Exchange,
    pub(crate) said: Said,
}

/// Reads recordings through, so that a bad line is known before anything is done with them. `each`
/// gets every message, with the number of its recording. Some recordings must be read twice to know
/// the scales of their numbers: `each` begins again then, with a new `T`.
///
/// # Errors
/// The first thing that is wrong with them.
pub(crate) fn survey<T: Default, E: From<ReadError>>(
    open: impl Fn() -> Result<Merge, E>,
    mut each: impl FnMut(&mut T, usize, &Entry<'_>, Option<Whose>),
) -> Result<(Vec<Surveyed>, T), E> {
    let mut read = |exact: bool| -> Result<_, E> {
        let (mut found, mut told) = (Vec::new(), T::default());
        let mut merge = open()?;
        let mut last = (String::new(), None);
        while let Some((file, entry)) = merge.next_entry()? {
            if last.0 != entry.conn {
                last = (entry.conn.to_string(), owner(&entry, &mut found, exact));
            }
            let whose = last.1.map(|at| Whose {
                at,
                exchange: found[at].exchange,
                said: found[at].take(&entry),
            });
            each(&mut told, file, &entry, whose);
        }
        Ok((found, told))
    };
    let first = read(false)?;
    match first.0.iter().any(|one| one.survey.again()) {
        true => read(true),
        false => Ok(first),
    }
}

/// Whose the message is: its place among those that were found, of which it may be a new one.
fn owner(entry: &Entry<'_>, found: &mut Vec<Surveyed>, exact: bool) -> Option<usize> {
    let known = found.iter().position(|one| one.exchange.owns(&entry.conn));
    known.or_else(|| {
        let mut all = exchange::ALL.iter().copied();
        found.push(Surveyed {
            exchange: all.find(|exchange| exchange.owns(&entry.conn))?,
            survey: match exact {
                true => Survey::exact(),
                false => Survey::default(),
            },
            listed: BTreeMap::new(),
        });
        Some(found.len() - 1)
    })
}

/// Tells the survey of its exchange of a message.
pub(crate) fn survey_into(entry: &Entry<'_>, exchange: &dyn Exchange, survey: &mut Survey) {
    match entry.kind {
        Kind::Ws | Kind::Binary => exchange.survey(&entry.raw, survey),
        Kind::Rest => {
            if let Some((symbol, _)) = exchange.snapshot_asked(&entry.conn) {
                survey.snapshot(&symbol, &entry.raw);
            }
        }
    }
}
