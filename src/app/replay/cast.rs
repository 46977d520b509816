//! Which of a recording's books and instruments a configuration follows, each as it was listed.
//! Replays nothing.

use super::source::{Contents, Source, merge};
use crate::app::config::{Config, Feed};
use crate::app::universe::fits;
use crate::base::{Instrument, InstrumentId, Nanos, Symbol, instrument};
use crate::exchange::{self, Exchange};
use crate::journal::{Entry, Kind};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is followed of recordings.
pub(super) struct Cast<'a> {
    /// The run's table, by id.
    pub(super) instruments: Vec<Instrument>,
    /// The taker fee of each, in parts per million.
    pub(super) taker_fees_ppm: Vec<u32>,
    /// One per exchange that is followed.
    pub(super) sources: Vec<&'a Source>,
    /// What is not followed, for a person to read.
    pub(super) left_out: Vec<String>,
    /// When the first message came.
    pub(super) first: Nanos,
}

/// Chooses what `config` follows.
///
/// # Errors
/// In words, if that is nothing, or the recordings do not say when their messages came.
pub(super) fn cast<'a>(
    files: &[PathBuf],
    config: &Config,
    contents: &'a Contents,
) -> Result<Cast<'a>, String> {
    let Listed { first, listed } = Listed::read(files)?;
    let first = first.ok_or("does not say when its messages came: strategies have no time")?;
    let mut cast = Cast {
        instruments: Vec::new(),
        taker_fees_ppm: Vec::new(),
        sources: Vec::new(),
        left_out: Vec::new(),
        first,
    };
    for feed in &config.feeds {
        let its = |source: &&Source| source.exchange.name() == feed.exchange;
        let its: Vec<&Source> = contents.sources.iter().filter(its).collect();
        let meant = its
            .iter()
            .find(|source| source.depth.name == feed.streams.depth.name);
        let Some(source) = meant.or(its.first()).copied() else {
            let name = &feed.exchange;
            cast.left_out
                .push(format!("{name}: the recording holds no book of it"));
            continue;
        };
        cast.add(feed, source, &listed);
    }
    for source in &contents.sources {
        let (exchange, depth) = (source.exchange.name(), source.depth.name);
        let followed = |one: &&Source| std::ptr::eq(*one, source);
        if !cast.sources.iter().any(followed) {
            let why = format!("{exchange}: its depth stream \"{depth}\" is not followed");
            cast.left_out.push(why);
        }
    }
    match cast.instruments.is_empty() {
        true => Err(format!(
            "holds no instrument that the configuration follows: {}",
            recorded(contents)
        )),
        false => Ok(cast),
    }
}

/// The first few of the instruments that there are.
fn recorded(contents: &Contents) -> String {
    const SHOWN: usize = 8;
    let all = contents.sources.iter().flat_map(|source| {
        let exchange = source.exchange.name();
        source
            .instruments
            .iter()
            .map(move |one| format!("{exchange} {}", one.symbol))
    });
    let named: Vec<String> = all.clone().take(SHOWN).collect();
    let more = if all.count() > SHOWN { ", …" } else { "" };
    format!("it has {}{more}", named.join(", "))
}

impl<'a> Cast<'a> {
    fn add(&mut self, feed: &Feed, source: &'a Source, listed: &Listings) {
        let before = self.instruments.len();
        for seen in &source.instruments {
            let instrument = listed_as(source.exchange, seen, listed);
            let wanted = feed
                .instruments
                .iter()
                .any(|entry| fits(entry, &instrument));
            let known = |one: &Instrument| {
                (one.exchange, one.symbol) == (instrument.exchange, instrument.symbol)
            };
            if !wanted || self.instruments.iter().any(known) {
                continue;
            }
            let Ok(id) = u16::try_from(self.instruments.len()) else {
                break;
            };
            self.instruments.push(Instrument {
                id: InstrumentId(id),
                ..instrument
            });
            self.taker_fees_ppm.push(feed.taker_fee_ppm);
        }
        if self.instruments.len() == before {
            let name = &feed.exchange;
            self.left_out.push(format!(
                "{name}: none of its instruments is in the recording"
            ));
        } else if !self.sources.iter().any(|one| std::ptr::eq(*one, source)) {
            self.sources.push(source);
        }
    }
}

/// An instrument as its exchange listed it when it was recorded; if that was not recorded, as the
/// exchange lists one of which only the symbol is known; else at the scales of what was seen.
fn listed_as(exchange: &dyn Exchange, seen: &Instrument, listed: &Listings) -> Instrument {
    if let Some(listed) = listed.get(&(exchange.name(), seen.symbol)) {
        return *listed;
    }
    let Some(player) = exchange.mirror().player() else {
        return *seen;
    };
    let listed = player.list(&seen.symbol);
    let name = instrument::name(exchange.name(), &[&listed.base, &listed.quote]);
    match listed.base.is_empty() || listed.quote.is_empty() {
        true => listed,
        false => Instrument { name, ..listed },
    }
}

/// Listings by exchange and symbol.
type Listings = BTreeMap<(&'static str, Symbol), Instrument>;

/// What recordings say beside their books.
#[derive(Default)]
struct Listed {
    first: Option<Nanos>,
    listed: Listings,
}

impl Listed {
    fn read(files: &[PathBuf]) -> Result<Self, String> {
        let mut found = Self::default();
        let mut merge = merge(files)?;
        while let Some((_, entry)) = merge.next_entry()? {
            found.first = found.first.or(entry.ts_ns.map(Nanos));
            if entry.kind == Kind::Rest {
                found.take(&entry);
            }
        }
        Ok(found)
    }

    /// Reads the body if it answers a request for metadata. The first listing counts: the run began
    /// with it.
    fn take(&mut self, entry: &Entry<'_>) {
        let mut all = exchange::ALL.iter();
        let Some(exchange) = all.find(|exchange| exchange.owns(&entry.conn)) else {
            return;
        };
        let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
        let url = path(&entry.conn);
        let mut requests = exchange.metadata_requests(&[]).into_iter();
        if !requests.any(|request| url.ends_with(&path(&request.path))) {
            return;
        }
        for one in exchange
            .metadata(entry.raw.as_bytes())
            .unwrap_or_default()
            .instruments
        {
            self.listed
                .entry((exchange.name(), one.symbol))
                .or_insert(one);
        }
    }
}
