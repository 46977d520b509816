//! One market connection as the exchange sees it: which streams it follows, and what they say.
//! Counts no limit: how many streams and messages are too many is known where connections are kept.

use super::control::{self, Control};
use super::recorded::{self, Of};
use super::route::{self, Upgrade};
use super::ticker::{Decimals, Ticker};
use super::{TimeUnit, market, sbe};
use crate::base::{Side, UnixNanos};
use crate::exchange::binance_spot::market::sbe as sbe_frames;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The streams of one instrument that say something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Depth(Pace),
    /// The whole of the best levels, this many a side.
    Top(Pace, u8),
    Trades,
    Aggregates,
    Quotes,
    Ticker,
    MiniTicker,
    Average,
}

impl Kind {
    /// Of what follows the `@`. Without a speed, depth comes once a second.
    fn of(text: &str) -> Option<Self> {
        let (text, pace) = match (text.strip_suffix("@100ms"), text.strip_suffix("@1000ms")) {
            (Some(text), _) => (text, Some(Pace::Fast)),
            (None, Some(text)) => (text, Some(Pace::Slow)),
            (None, None) => (text, None),
        };
        let depth = pace.unwrap_or(Pace::Slow);
        match (text, pace) {
            ("depth", _) => Some(Self::Depth(depth)),
            ("depth5", _) => Some(Self::Top(depth, 5)),
            ("depth10", _) => Some(Self::Top(depth, 10)),
            ("depth20", _) => Some(Self::Top(depth, 20)),
            ("trade", None) => Some(Self::Trades),
            ("aggTrade", None) => Some(Self::Aggregates),
            ("bookTicker", None) => Some(Self::Quotes),
            ("ticker", None) => Some(Self::Ticker),
            ("miniTicker", None) => Some(Self::MiniTicker),
            ("avgPrice", None) => Some(Self::Average),
            _ => None,
        }
    }

    /// The same of a connection in SBE. Every change of a book is there within 20 ms at the
    /// exchange, and at the market's fast pace here.
    fn of_sbe(text: &str) -> Option<Self> {
        match text {
            "depth" => Some(Self::Depth(Pace::Fast)),
            "depth20" => Some(Self::Top(Pace::Fast, 20)),
            "trade" => Some(Self::Trades),
            "bestBidAsk" => Some(Self::Quotes),
            _ => None,
        }
    }

    /// What this event is news for.
    fn told_by(event: &Happened) -> &'static [Self] {
        match event {
            Happened::Depth {
                pace: Pace::Fast, ..
            } => &[
                Self::Depth(Pace::Fast),
                Self::Top(Pace::Fast, 5),
                Self::Top(Pace::Fast, 10),
                Self::Top(Pace::Fast, 20),
            ],
            // What else comes once a second comes with it.
            Happened::Depth {
                pace: Pace::Slow, ..
            } => &[
                Self::Depth(Pace::Slow),
                Self::Top(Pace::Slow, 5),
                Self::Top(Pace::Slow, 10),
                Self::Top(Pace::Slow, 20),
                Self::Ticker,
                Self::MiniTicker,
                Self::Average,
            ],
            Happened::Trade(_) => &[Self::Trades, Self::Aggregates],
            Happened::Quote(_) => &[Self::Quotes],
        }
    }
}

/// The streams of all instruments together.
const ARRAYS: [(&str, Kind); 2] = [
    ("!ticker@arr", Kind::Ticker),
    ("!miniTicker@arr", Kind::MiniTicker),
];
/// They come once a second.
const ARRAY_NS: i64 = 1_000_000_000;

/// A market connection, raw or combined.
///
/// Invariant: every name in `follows` is in `names`.
#[derive(Debug, Clone)]
pub(crate) struct SpotSession {
    combined: bool,
    unit: TimeUnit,
    /// Frames that wait for the client, if its events come in SBE.
    sbe: Option<VecDeque<Vec<u8>>>,
    /// All that was subscribed to: a name that means nothing is accepted and stays silent.
    names: BTreeSet<String>,
    /// Those that say something, by listing.
    follows: BTreeMap<(usize, Kind), String>,
    /// What has traded since the arrays came last, and when they are due.
    traded: BTreeSet<usize>,
    arrays_at: UnixNanos,
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
                sbe: None,
                names: streams.into_iter().collect(),
                follows: BTreeMap::new(),
                traded: BTreeSet::new(),
                arrays_at: UnixNanos(0),
            }),
            Upgrade::Api { .. } => None,
        }
    }

    /// The same connection, whose events come in SBE.
    pub(crate) fn in_sbe(self) -> Self {
        Self {
            sbe: Some(VecDeque::new()),
            ..self
        }
    }

    fn kind(&self, text: &str) -> Option<Kind> {
        match self.sbe {
            Some(_) => Kind::of_sbe(text),
            None => Kind::of(text),
        }
    }

    fn follow(&mut self, market: &dyn Market) {
        let meaning = |name: &String| {
            let (symbol, kind) = name.split_once('@')?;
            // Stream names are in small letters; others are accepted, and silent.
            let listing = market.find(&symbol.to_uppercase())?;
            let small = symbol == market.listings()[listing].instrument.symbol.to_lowercase();
            Some(((listing, self.kind(kind).filter(|_| small)?), name.clone()))
        };
        self.follows = self.names.iter().filter_map(meaning).collect();
    }

    /// What follows the `@` in the names of this symbol's streams.
    fn kinds_of(&self, symbol: &str) -> impl Iterator<Item = &str> {
        let prefix = format!("{}@", symbol.to_lowercase());
        let from = self.names.range(prefix.clone()..);
        from.map_while(move |name| name.strip_prefix(&prefix))
    }

    fn say(&self, name: &str, write: impl FnOnce(&mut String), out: &mut Vec<String>) {
        let mut text = String::with_capacity(512);
        match self.combined {
            true => market::push_combined(&mut text, name, write),
            false => write(&mut text),
        }
        out.push(text);
    }

    /// What a stream says of this event.
    fn write(&self, text: &mut String, kind: Kind, event: &Happened, market: &dyn Market) {
        let listing = listing_of(event);
        let (instrument, unit) = (&market.listings()[listing].instrument, self.unit);
        let ticker = || Ticker::of(market, listing, Decimals::Eight, unit);
        let mut value = |value: Value| text.push_str(&value.to_string());
        match (kind, event) {
            (Kind::Ticker, _) => value(ticker().full_event()),
            (Kind::MiniTicker, _) => value(ticker().mini_event()),
            (Kind::Average, _) => value(market::average_event(market, listing, unit)),
            (Kind::Top(_, levels), Happened::Depth { diff, .. }) => {
                let side = |side| market.levels(listing, side).take(levels.into());
                let (bids, asks) = (side(Side::Buy), side(Side::Sell));
                text.push_str(&market::snapshot(instrument, diff.last_id, bids, asks));
            }
            (Kind::Aggregates, Happened::Trade(trade)) => {
                market::push_aggregate(text, instrument, unit, trade);
            }
            (
                _,
                Happened::Depth {
                    diff, bids, asks, ..
                },
            ) => market::push_depth_update(text, instrument, unit, diff, bids, asks),
            (_, Happened::Trade(trade)) => market::push_trade(text, instrument, unit, trade),
            (_, Happened::Quote(quote)) => market::push_book_ticker(text, instrument, quote),
        }
    }

    /// Says what all that has traded since the last time is at, once it is due.
    fn say_arrays(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let wanted = ARRAYS.iter().filter(|(name, _)| self.names.contains(*name));
        if wanted.clone().next().is_none() {
            return;
        }
        if let Happened::Trade(trade) = event {
            self.traded.insert(trade.instrument.index());
        }
        let now = market.now();
        if now < self.arrays_at || self.traded.is_empty() {
            return;
        }
        self.arrays_at = UnixNanos(now.0 + ARRAY_NS);
        let traded = std::mem::take(&mut self.traded);
        for (name, kind) in wanted {
            let ticker = |&n| Ticker::of(market, n, Decimals::Eight, self.unit);
            let tickers = traded.iter().map(ticker).map(|ticker| match kind {
                Kind::MiniTicker => ticker.mini_event(),
                _ => ticker.full_event(),
            });
            let all: Value = tickers.collect();
            self.say(name, |text| text.push_str(&all.to_string()), out);
        }
    }
}

fn listing_of(event: &Happened) -> usize {
    let id = match event {
        Happened::Depth { diff, .. } => diff.instrument,
        Happened::Trade(trade) => trade.instrument,
        Happened::Quote(quote) => quote.instrument,
    };
    id.index()
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
            Ok((id, Control::SetCombined(combined))) => {
                self.combined = combined;
                control::done(&id)
            }
            Ok((id, Control::GetCombined)) => control::property(&id, self.combined),
            Err(refusal) => refusal,
        });
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let listing = listing_of(event);
        if let Some(frames) = &mut self.sbe {
            let instrument = &market.listings()[listing].instrument;
            let told = Kind::told_by(event).iter();
            for kind in told.filter(|kind| self.follows.contains_key(&(listing, **kind))) {
                frames.push_back(match (kind, event) {
                    (Kind::Top(_, levels), Happened::Depth { diff, .. }) => {
                        let side = |side| market.levels(listing, side).take((*levels).into());
                        let sides = [Side::Buy, Side::Sell].map(|at| side(at).collect::<Vec<_>>());
                        sbe::whole(instrument, diff, [&sides[0], &sides[1]])
                    }
                    (
                        _,
                        Happened::Depth {
                            diff, bids, asks, ..
                        },
                    ) => sbe::changes(instrument, diff, [bids, asks]),
                    (_, Happened::Trade(trade)) => sbe::trade(instrument, trade),
                    (_, Happened::Quote(quote)) => sbe::best(instrument, market.now(), quote),
                });
            }
            return;
        }
        for &kind in Kind::told_by(event) {
            if let Some(name) = self.follows.get(&(listing, kind)) {
                self.say(name, |text| self.write(text, kind, event, market), out);
            }
        }
        self.say_arrays(event, market, out);
    }

    fn poll_binary(&mut self) -> Option<Vec<u8>> {
        self.sbe.as_mut()?.pop_front()
    }

    fn streams(&self) -> usize {
        self.names.len()
    }

    fn carries(&self, frame: &str) -> bool {
        if self.sbe.is_some() {
            let read = sbe_frames::read(frame);
            let name = read.map(|read| format!("{}@{}", read.symbol.to_lowercase(), read.stream));
            return name.is_some_and(|name| self.names.contains(&name));
        }
        match recorded::of(frame) {
            Of::Stream(name) => self.names.contains(&*name),
            Of::Symbol(symbol) => self.kinds_of(&symbol).next().is_some(),
            Of::None => false,
        }
    }

    fn awaits(&self, symbol: &str) -> bool {
        let mut kinds = self.kinds_of(symbol);
        kinds.any(|kind| matches!(self.kind(kind), Some(Kind::Depth(_))))
    }
}
