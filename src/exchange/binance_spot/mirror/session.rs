//! One market connection as the exchange sees it: which streams it follows, and what they say.
//! Counts no limit: how many streams and messages are too many is known where connections are kept.

use super::control::{self, Control};
use super::route::{self, Upgrade};
use super::{TimeUnit, market};
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace};
use std::collections::{BTreeMap, BTreeSet};

/// The streams of one instrument that say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Depth(Pace),
    Trades,
    Quotes,
}

impl Kind {
    /// Of what follows the `@`. Without a speed, depth comes once a second.
    fn of(text: &str) -> Option<Self> {
        match text {
            "depth@100ms" => Some(Self::Depth(Pace::Fast)),
            "depth" | "depth@1000ms" => Some(Self::Depth(Pace::Slow)),
            "trade" => Some(Self::Trades),
            "bookTicker" => Some(Self::Quotes),
            _ => None,
        }
    }
}

/// A market connection, raw or combined.
///
/// Invariant: every name in `follows` is in `names`.
#[derive(Debug, Clone)]
pub(crate) struct SpotSession {
    combined: bool,
    unit: TimeUnit,
    /// All that was subscribed to: a name that means nothing is accepted and stays silent.
    names: BTreeSet<String>,
    /// Those that say something, by listing.
    follows: BTreeMap<(usize, Kind), String>,
}

impl SpotSession {
    /// A connection whose upgrade asked for this path and query, with the streams that are named
    /// there.
    pub(crate) fn open(target: &str) -> Option<Self> {
        match route::upgrade(target)? {
            Upgrade::Streams {
                combined,
                streams,
                unit,
            } => Some(Self {
                combined,
                unit,
                names: streams.into_iter().collect(),
                follows: BTreeMap::new(),
            }),
            Upgrade::Api { .. } => None,
        }
    }

    fn follow(&mut self, market: &dyn Market) {
        let meaning = |name: &String| {
            let (symbol, kind) = name.split_once('@')?;
            // Stream names are in small letters; others are accepted, and silent.
            let listing = market.find(&symbol.to_uppercase())?;
            let small = symbol == market.listings()[listing].instrument.symbol.to_lowercase();
            Some(((listing, Kind::of(kind).filter(|_| small)?), name.clone()))
        };
        self.follows = self.names.iter().filter_map(meaning).collect();
    }
}

impl MirrorSession for SpotSession {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        self.follow(market);
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        out.push(match control::parse(text) {
            Ok((id, Control::Subscribe(names))) => {
                self.names.extend(names);
                self.follow(market);
                control::done(&id)
            }
            Ok((id, Control::Unsubscribe(names))) => {
                self.names.retain(|name| !names.contains(name));
                self.follow(market);
                control::done(&id)
            }
            Ok((id, Control::ListSubscriptions)) => control::list(&id, self.names.iter()),
            Err(refusal) => refusal,
        });
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let (id, kind) = match event {
            Happened::Depth { pace, diff, .. } => (diff.instrument, Kind::Depth(*pace)),
            Happened::Trade(trade) => (trade.instrument, Kind::Trades),
            Happened::Quote(quote) => (quote.instrument, Kind::Quotes),
        };
        let Some(name) = self.follows.get(&(id.index(), kind)) else {
            return;
        };
        let (instrument, unit) = (&market.listings()[id.index()].instrument, self.unit);
        let write = |text: &mut String| match event {
            Happened::Depth {
                diff, bids, asks, ..
            } => market::push_depth_update(text, instrument, unit, diff, bids, asks),
            Happened::Trade(trade) => market::push_trade(text, instrument, unit, trade),
            Happened::Quote(quote) => market::push_book_ticker(text, instrument, quote),
        };
        let mut text = String::with_capacity(512);
        match self.combined {
            true => market::push_combined(&mut text, name, write),
            false => write(&mut text),
        }
        out.push(text);
    }

    fn streams(&self) -> usize {
        self.names.len()
    }

    fn names(&self) -> Option<&BTreeSet<String>> {
        Some(&self.names)
    }
}
