//! One market connection of a client: which streams it follows on which route, and what they say.

use super::frames::Writer;
use crate::base::{Side, UnixNanos};
use crate::exchange::binance_futures::Facts;
use crate::exchange::binance_spot::mirror::control::{self, Control};
use crate::exchange::kit::survey;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace};
use std::collections::{BTreeMap, BTreeSet};

/// Which streams a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Public,
    Market,
    All,
}

impl Route {
    /// Depth, best bid and ask, and the raw trades that nobody documents are public; all else is
    /// market.
    fn serves(self, stream: &str) -> bool {
        let public = stream.contains("@depth")
            || ["bookTicker", "@trade"]
                .iter()
                .any(|kind| stream.ends_with(kind));
        match self {
            Self::Public => public,
            Self::Market => !public,
            Self::All => true,
        }
    }
}

/// The streams of one instrument.
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
    /// The mark price, once in so many seconds.
    Mark(u8),
}

impl Kind {
    /// Of what follows the `@`. The market has two paces: the nearest one serves each speed, and
    /// has its own chain of ids.
    fn of(text: &str) -> Option<Self> {
        let (text, speed) = text.split_once('@').unwrap_or((text, ""));
        let pace = match speed {
            "" | "0ms" | "100ms" => Some(Pace::Fast),
            "500ms" => Some(Pace::Slow),
            _ => None,
        };
        match (text, speed) {
            ("depth", _) => Some(Self::Depth(pace?)),
            ("depth5", _) => Some(Self::Top(pace?, 5)),
            ("depth10", _) => Some(Self::Top(pace?, 10)),
            ("depth20", _) => Some(Self::Top(pace?, 20)),
            ("markPrice", "") => Some(Self::Mark(3)),
            ("markPrice", "1s") => Some(Self::Mark(1)),
            ("trade", "") => Some(Self::Trades),
            ("aggTrade", "") => Some(Self::Aggregates),
            ("bookTicker", "") => Some(Self::Quotes),
            ("ticker", "") => Some(Self::Ticker),
            ("miniTicker", "") => Some(Self::MiniTicker),
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
                Self::Mark(1),
                Self::Mark(3),
            ],
            Happened::Trade(_) => &[Self::Trades, Self::Aggregates],
            Happened::Quote(_) => &[Self::Quotes],
        }
    }
}

/// The streams of all instruments together. Those of quotes come one by one, the others as lists,
/// once in so many seconds.
const ALL: [(&str, Kind); 5] = [
    ("!bookTicker", Kind::Quotes),
    ("!ticker@arr", Kind::Ticker),
    ("!miniTicker@arr", Kind::MiniTicker),
    ("!markPrice@arr", Kind::Mark(3)),
    ("!markPrice@arr@1s", Kind::Mark(1)),
];

/// One market connection of a client.
pub(crate) struct Session {
    coin_margined: bool,
    streams_max: usize,
    route: Route,
    /// Payloads come in an envelope with their stream's name.
    combined: bool,
    /// What the client asked for, on whichever route, known or not: it is all acknowledged.
    streams: BTreeSet<String>,
    /// Those that say something here, by listing.
    follows: BTreeMap<(usize, Kind), BTreeSet<String>>,
    /// Those of all instruments, and when each is due.
    all: BTreeMap<Kind, (String, UnixNanos)>,
    /// What has traded since the tickers of all came last.
    traded: BTreeMap<Kind, BTreeSet<usize>>,
}

impl Session {
    /// A connection that asked for these streams at once.
    pub(crate) fn open(
        facts: &Facts,
        route: Route,
        combined: bool,
        streams: BTreeSet<String>,
    ) -> Self {
        Self {
            coin_margined: facts.coin_margined,
            streams_max: facts.streams_max,
            route,
            combined,
            streams,
            follows: BTreeMap::new(),
            all: BTreeMap::new(),
            traded: BTreeMap::new(),
        }
    }

    fn follow(&mut self, market: &dyn Market) {
        self.follows.clear();
        let before = std::mem::take(&mut self.all);
        let served = self.streams.iter().filter(|name| self.route.serves(name));
        for name in served {
            if let Some((_, kind)) = ALL.iter().find(|(all, _)| all == name) {
                let due = before.get(kind).map_or(UnixNanos(0), |(_, due)| *due);
                self.all.insert(*kind, (name.clone(), due));
            }
            let Some((symbol, kind)) = name.split_once('@') else {
                continue;
            };
            // Stream names are in small letters; others are accepted, and silent.
            let Some(listing) = market.find(&symbol.to_uppercase()) else {
                continue;
            };
            let small = market.listings()[listing].instrument.symbol.to_lowercase();
            if let Some(kind) = Kind::of(kind)
                && small == symbol
            {
                let names = self.follows.entry((listing, kind)).or_default();
                names.insert(name.clone());
            }
        }
    }

    /// Whether this stream was asked for and is served here.
    fn serves(&self, stream: &str) -> bool {
        self.route.serves(stream) && self.streams.contains(stream)
    }

    /// Whether any stream of this symbol and this kind is served here, at whichever speed.
    fn serves_kind(&self, symbol: &str, kind: &str) -> bool {
        let front = format!("{}@{kind}", symbol.to_lowercase());
        let from = self.streams.range(front.clone()..);
        let mut all = from.map_while(|name| Some((name, name.strip_prefix(&front)?)));
        all.any(|(name, speed)| {
            (speed.is_empty() || speed.starts_with('@')) && self.route.serves(name)
        })
    }

    fn say(&self, stream: &str, body: &str, out: &mut Vec<String>) {
        out.push(match self.combined {
            true => format!(r#"{{"stream":"{stream}","data":{body}}}"#),
            false => body.to_owned(),
        });
    }

    /// What a stream of this kind says of an instrument after this event; nothing if it has nothing
    /// to say of it.
    fn write(&self, kind: Kind, event: &Happened, market: &dyn Market) -> Option<String> {
        let listing = listing_of(event);
        let write = Writer {
            instrument: &market.listings()[listing].instrument,
            coin_margined: self.coin_margined,
        };
        match (kind, event) {
            (
                Kind::Depth(_),
                Happened::Depth {
                    diff, bids, asks, ..
                },
            ) => {
                let levels = (bids.iter().copied(), asks.iter().copied());
                Some(write.depth(diff, levels.0, levels.1))
            }
            (Kind::Top(_, levels), Happened::Depth { diff, .. }) => {
                let side = |side| market.levels(listing, side).take(levels.into());
                Some(write.depth(diff, side(Side::Buy), side(Side::Sell)))
            }
            (Kind::Mark(every), Happened::Depth { number, .. }) => number
                .is_multiple_of(every.into())
                .then(|| write.mark(market, listing)),
            (Kind::Aggregates, Happened::Trade(trade)) => Some(write.aggregate(trade)),
            (Kind::Trades, Happened::Trade(trade)) => Some(write.trade(trade)),
            (Kind::Quotes, Happened::Quote(quote)) => Some(write.quote(quote, market.now())),
            (Kind::Ticker, _) => Some(write.ticker(market, listing, false)),
            (Kind::MiniTicker, _) => Some(write.ticker(market, listing, true)),
            _ => None,
        }
    }

    /// Says on the streams of all instruments what is due there.
    fn say_all(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        if self.all.is_empty() {
            return;
        }
        let now = market.now();
        let kinds: Vec<Kind> = self.all.keys().copied().collect();
        for kind in kinds {
            let (name, due) = self.all[&kind].clone();
            if kind == Kind::Quotes {
                if let Some(body) = self.write(kind, event, market) {
                    self.say(&name, &body, out);
                }
                continue;
            }
            let traded = self.traded.entry(kind).or_default();
            if let Happened::Trade(trade) = event {
                traded.insert(trade.instrument.index());
            }
            let every = if let Kind::Mark(seconds) = kind {
                seconds
            } else {
                1
            };
            let listings: Vec<usize> = match kind {
                Kind::Mark(_) => (0..market.listings().len()).collect(),
                _ => traded.iter().copied().collect(),
            };
            if now < due || listings.is_empty() {
                continue;
            }
            traded.clear();
            let next = UnixNanos(now.0 + i64::from(every) * 1_000_000_000);
            self.all.insert(kind, (name.clone(), next));
            let one = |listing: usize| {
                let write = Writer {
                    instrument: &market.listings()[listing].instrument,
                    coin_margined: self.coin_margined,
                };
                match kind {
                    Kind::Mark(_) => write.mark(market, listing),
                    _ => write.ticker(market, listing, kind == Kind::MiniTicker),
                }
            };
            let bodies: Vec<String> = listings.into_iter().map(one).collect();
            self.say(&name, &format!("[{}]", bodies.join(",")), out);
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

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, _out: &mut Vec<String>) {
        self.follow(market);
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let (id, control) = match control::parse(text) {
            Ok(request) => request,
            Err(refusal) => {
                out.push(refusal);
                return Ok(());
            }
        };
        out.push(match control {
            Control::Subscribe(streams) => {
                self.streams.extend(streams);
                self.follow(market);
                control::done(&id)
            }
            Control::Unsubscribe(streams) => {
                self.streams.retain(|name| !streams.contains(name));
                self.follow(market);
                control::done(&id)
            }
            Control::ListSubscriptions => control::list(&id, self.streams.iter()),
            Control::SetCombined(combined) => {
                self.combined = combined;
                control::done(&id)
            }
            Control::GetCombined => control::property(&id, self.combined),
        });
        if self.streams.len() > self.streams_max {
            return Err(Offence {
                code: 1008,
                reason: "Too many streams".to_owned(),
            });
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let listing = listing_of(event);
        if listing >= market.listings().len() {
            return;
        }
        for &kind in Kind::told_by(event) {
            let Some(names) = self.follows.get(&(listing, kind)) else {
                continue;
            };
            if let Some(body) = self.write(kind, event, market) {
                for name in names {
                    self.say(name, &body, out);
                }
            }
        }
        self.say_all(event, market, out);
    }

    fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Frames without an envelope name no speed.
    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            if let Some(stream) = root.find(b"stream").string() {
                return Some(self.serves(stream));
            }
            let (event, symbol) = (root.find(b"e").string()?, root.find(b"s").string()?);
            let kind = if event == "depthUpdate" {
                "depth"
            } else {
                event
            };
            Some(self.serves_kind(symbol, kind))
        })
    }

    fn awaits(&self, symbol: &str) -> bool {
        self.serves_kind(symbol, "depth")
    }
}
