//! Which of a recording's books and instruments a configuration follows, each as it was listed.
//! Replays nothing.

use super::source::{Contents, Source};
use crate::app::config::{Config, Feed};
use crate::app::universe::fits;
use crate::base::{Instrument, InstrumentId, Nanos};
use crate::venue::paper::FeesPpm;

/// What is followed of recordings.
pub(super) struct Cast<'a> {
    /// The run's table, by id.
    pub(super) instruments: Vec<Instrument>,
    /// What each one's exchange takes.
    pub(super) fees_ppm: Vec<FeesPpm>,
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
pub(super) fn cast<'a>(config: &Config, contents: &'a Contents) -> Result<Cast<'a>, String> {
    let first = contents.first;
    let first = first.ok_or("does not say when its messages came: strategies have no time")?;
    let mut cast = Cast {
        instruments: Vec::new(),
        fees_ppm: Vec::new(),
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
        cast.add(feed, source, contents.listed(source));
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
    fn add(&mut self, feed: &Feed, source: &'a Source, listed: Vec<Instrument>) {
        let before = self.instruments.len();
        for instrument in listed {
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
            self.fees_ppm.push(feed.fees_ppm);
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
