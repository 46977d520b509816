//! One connection of a client, whichever version of the protocol it speaks: what it follows, and
//! what it is told of it. Spells nothing; knows no JSON.

use super::request;
use crate::base::{Channel, Level, Px, Qty, Quote, Side, Trade, UnixNanos};
use crate::exchange::kit::{Value, survey};
use crate::exchange::kraken::rest::pair_name;
use crate::exchange::mirror::{Happened, Market, MirrorSession, Offence, Pace, Played, Window};
use std::collections::{BTreeMap, BTreeSet};

/// How a version of the protocol writes what both say.
pub(super) trait Spelling: Send + Sync {
    /// What a client reads first.
    fn hello(&self) -> String;
    /// That the exchange is alive.
    fn heartbeat(&self) -> String;
    /// What a client asks.
    fn read(&self, text: &str) -> Asked;
    /// The answer to a ping.
    fn pong(&self, asked: &Asked, now: UnixNanos) -> String;
    /// A request is granted, for this listing or, if there is none, for all.
    fn accept(&self, asked: &Asked, of: Option<usize>, market: &dyn Market) -> String;
    /// A request is refused, for this pair or altogether.
    fn refuse(&self, asked: &Asked, pair: Option<&str>, why: &str, now: UnixNanos) -> String;
    /// The listing that a client calls so.
    fn find(&self, pair: &str, market: &dyn Market) -> Option<usize>;
    /// Levels of a book: all that the window of this depth has, or those that changed.
    fn book(&self, new: bool, depth: u16, sides: &Sides, of: usize, market: &dyn Market) -> String;
    /// Prints, oldest first: those before a subscription, or what came just now.
    fn prints(&self, new: bool, prints: &[Trade], of: usize, market: &dyn Market) -> String;
    /// The top of the book and what was traded.
    fn ticker(&self, new: bool, quote: &Quote, market: &dyn Market) -> Option<String>;
    /// All assets and pairs; nothing if this version tells of none.
    fn instruments(&self, market: &dyn Market) -> Option<String>;
    /// The channel and the pairs of a recorded frame that clients of this version understand.
    fn recorded<'f>(&self, root: Value<'f>) -> Option<(&'f str, Vec<&'f str>)>;
}

/// Bids and asks.
pub(super) type Sides = (Vec<Level>, Vec<Level>);

/// What a client wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Subscribe,
    Unsubscribe,
    Unknown,
}

/// A request.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// The client's number of it.
    pub(super) id: Option<u64>,
    pub(super) channel: String,
    pub(super) pairs: Vec<String>,
    /// Of a book.
    pub(super) depth: u16,
    /// Whether to begin with what there is.
    pub(super) snapshot: bool,
    /// Whether a ticker is told when the top of the book changes, and not when something trades.
    pub(super) on_quotes: bool,
}

/// The exchange says that it is alive this often, once anything is subscribed to.
const HEARTBEAT_NS: i64 = 1_000_000_000;
/// A subscription to prints begins with so many, at most.
const PRINTS_MAX: usize = 50;
/// Depths that a book can be followed at.
const DEPTHS: [u16; 5] = [10, 25, 100, 500, 1_000];

/// One connection.
pub(super) struct Session {
    spelling: &'static dyn Spelling,
    /// Depth and what was shown, by listing.
    books: BTreeMap<usize, (u16, Window)>,
    trades: BTreeSet<usize>,
    /// Whether it is told when the top of the book changes, by listing.
    tickers: BTreeMap<usize, bool>,
    heartbeat_at: Option<UnixNanos>,
    played: Played,
}

impl Session {
    /// Nothing is followed yet.
    pub(super) fn new(spelling: &'static dyn Spelling) -> Self {
        Self {
            spelling,
            books: BTreeMap::new(),
            trades: BTreeSet::new(),
            tickers: BTreeMap::new(),
            heartbeat_at: None,
            played: Played::default(),
        }
    }

    /// Whether this channel of a pair is followed. The first version names the depth of a book:
    /// `book-10`.
    fn follows(&self, channel: &str, pair: &str) -> Option<bool> {
        let (name, depth) = channel.split_once('-').unwrap_or((channel, ""));
        let today = || self.played.find(&pair_name(pair)?);
        let listing = self.played.find(pair).or_else(today)?;
        Some(match request::channel_of(name)? {
            Channel::Depth => {
                let (own, _) = self.books.get(&listing)?;
                depth.is_empty() || depth.parse() == Ok(*own)
            }
            Channel::Trades => self.trades.contains(&listing),
            Channel::Quotes => self.tickers.contains_key(&listing),
        })
    }

    fn beat(&mut self, now: UnixNanos) {
        let first = UnixNanos(now.0 + HEARTBEAT_NS);
        self.heartbeat_at.get_or_insert(first);
    }

    /// One pair of a request.
    fn one(&mut self, pair: &str, asked: &Asked, market: &mut dyn Market, out: &mut Vec<String>) {
        let spelling = self.spelling;
        let now = market.now();
        let refuse = |why: &str| spelling.refuse(asked, Some(pair), why, now);
        let Some(listing) = spelling.find(pair, market) else {
            return out.push(refuse(&format!("Currency pair not supported {pair}")));
        };
        let Some(channel) = request::channel_of(&asked.channel) else {
            return out.push(refuse("Subscription name invalid"));
        };
        if channel == Channel::Depth && !DEPTHS.contains(&asked.depth) {
            return out.push(refuse("Subscription depth not supported"));
        }
        let there = match channel {
            Channel::Depth => self.books.contains_key(&listing),
            Channel::Trades => self.trades.contains(&listing),
            Channel::Quotes => self.tickers.contains_key(&listing),
        };
        match (asked.verb == Verb::Subscribe, there) {
            (true, true) => out.push(refuse("Already subscribed")),
            (false, false) => out.push(refuse("Subscription Not Found")),
            (true, false) => {
                out.push(spelling.accept(asked, Some(listing), market));
                self.begin(listing, channel, asked, market, out);
            }
            (false, true) => {
                self.end(listing, channel);
                out.push(spelling.accept(asked, Some(listing), market));
            }
        }
    }

    fn begin(
        &mut self,
        listing: usize,
        channel: Channel,
        asked: &Asked,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) {
        let spelling = self.spelling;
        match channel {
            Channel::Depth => {
                market.flush(listing, Pace::Fast);
                let levels = usize::from(asked.depth);
                let (window, bids, asks) = Window::open(market, listing, levels);
                self.books.insert(listing, (asked.depth, window));
                if asked.snapshot && !market.is_played() {
                    out.push(spelling.book(true, asked.depth, &(bids, asks), listing, market));
                }
            }
            Channel::Trades => {
                self.trades.insert(listing);
                let mut past: Vec<Trade> = market.prints(listing).rev().take(PRINTS_MAX).collect();
                past.reverse();
                if asked.snapshot && !past.is_empty() && !market.is_played() {
                    out.push(spelling.prints(true, &past, listing, market));
                }
            }
            Channel::Quotes => {
                self.tickers.insert(listing, asked.on_quotes);
                let wanted = asked.snapshot && !market.is_played();
                if let Some(quote) = market.best(listing).filter(|_| wanted) {
                    out.extend(spelling.ticker(true, &quote, market));
                }
            }
        }
    }

    fn end(&mut self, listing: usize, channel: Channel) {
        match channel {
            Channel::Depth => drop(self.books.remove(&listing)),
            Channel::Trades => drop(self.trades.remove(&listing)),
            Channel::Quotes => drop(self.tickers.remove(&listing)),
        }
    }
}

impl MirrorSession for Session {
    fn handle_open(&mut self, market: &mut dyn Market, out: &mut Vec<String>) {
        self.played = Played::of(market);
        out.push(self.spelling.hello());
    }

    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence> {
        let spelling = self.spelling;
        let asked = spelling.read(text);
        let now = market.now();
        match asked.verb {
            Verb::Ping => out.push(spelling.pong(&asked, now)),
            Verb::Subscribe | Verb::Unsubscribe if asked.channel == "heartbeat" => {
                out.push(spelling.accept(&asked, None, market));
                self.beat(now);
            }
            Verb::Subscribe | Verb::Unsubscribe if asked.channel == "instrument" => {
                let all = spelling.instruments(market);
                match &all {
                    Some(_) => out.push(spelling.accept(&asked, None, market)),
                    None => {
                        out.push(spelling.refuse(&asked, None, "Subscription name invalid", now));
                    }
                }
                out.extend(all.filter(|_| asked.verb == Verb::Subscribe && asked.snapshot));
            }
            Verb::Subscribe | Verb::Unsubscribe if !asked.pairs.is_empty() => {
                for pair in &asked.pairs {
                    self.one(pair, &asked, market, out);
                }
            }
            Verb::Subscribe | Verb::Unsubscribe | Verb::Unknown => {
                out.push(spelling.refuse(&asked, None, "Malformed request", now));
            }
        }
        if self.streams() > 0 {
            self.beat(now);
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>) {
        let spelling = self.spelling;
        match event {
            Happened::Depth { pace, diff, .. } => {
                let listing = diff.instrument.index();
                if *pace == Pace::Fast
                    && let Some((depth, window)) = self.books.get_mut(&listing)
                {
                    let sides = step(window, market, listing, *depth);
                    if !sides.0.is_empty() || !sides.1.is_empty() {
                        out.push(spelling.book(false, *depth, &sides, listing, market));
                    }
                }
            }
            Happened::Trade(trade) => {
                let listing = trade.instrument.index();
                if self.trades.contains(&listing) {
                    out.push(spelling.prints(false, &[*trade], listing, market));
                }
                if self.tickers.get(&listing) == Some(&false)
                    && let Some(quote) = market.best(listing)
                {
                    out.extend(spelling.ticker(false, &quote, market));
                }
            }
            Happened::Quote(quote) => {
                if self.tickers.get(&quote.instrument.index()) == Some(&true) {
                    out.extend(spelling.ticker(false, quote, market));
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<UnixNanos> {
        self.heartbeat_at
    }

    fn handle_timeout(&mut self, now: UnixNanos, out: &mut Vec<String>) -> Result<(), Offence> {
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            out.push(self.spelling.heartbeat());
            self.heartbeat_at = Some(UnixNanos(now.0 + HEARTBEAT_NS));
        }
        Ok(())
    }

    fn streams(&self) -> usize {
        self.books.len() + self.trades.len() + self.tickers.len()
    }

    fn carries(&self, frame: &str) -> bool {
        survey::is(frame, |root| {
            let (channel, pairs) = self.spelling.recorded(root)?;
            Some(
                pairs
                    .iter()
                    .any(|pair| self.follows(channel, pair) == Some(true)),
            )
        })
    }
}

/// What changed in the window, without deletes for levels that are still in the book behind it.
///
/// Deletes come before all else: a client may cut its side to its depth after each level, and a
/// level that came before the deletes would push out one that is still in the window.
fn step(window: &mut Window, market: &dyn Market, listing: usize, depth: u16) -> Sides {
    let (mut bids, mut asks) = window.step(market, listing, usize::from(depth));
    for (side, changes) in [(Side::Buy, &mut bids), (Side::Sell, &mut asks)] {
        if changes.iter().any(|level| level.qty == Qty(0)) {
            let alive: BTreeSet<Px> = market.levels(listing, side).map(|level| level.px).collect();
            changes.retain(|level| level.qty != Qty(0) || !alive.contains(&level.px));
            changes.sort_by_key(|level| level.qty != Qty(0)); // Stable: prices keep their order.
        }
    }
    (bids, asks)
}

/// The CRC-32 of the ten lowest asks, then the ten highest bids, each as this version writes its
/// digits.
pub(super) fn checksum(
    market: &dyn Market,
    listing: usize,
    digits: impl Fn(Level) -> String,
) -> u32 {
    let mut sum = flate2::Crc::new();
    for side in [Side::Sell, Side::Buy] {
        for level in market.levels(listing, side).take(10) {
            sum.update(digits(level).as_bytes());
        }
    }
    sum.sum()
}
