//! The exchanges' half of their protocols, for the simulated exchange: what they read, and what
//! they write. Values only: holds no socket, no clock and no market; those are lent.

mod day;
pub(crate) mod keys;
pub(crate) mod orders;
mod rest;
#[cfg(test)]
pub(crate) mod still;

use super::Account;
use crate::base::{Diff, Instrument, Level, Px, Qty, Quote, Side, Symbol, Trade, UnixNanos};
pub use day::Day;
pub use orders::{Asks, Denied, Holdings, Order, Place, Placed, Refuses, Report, Terms};
pub use rest::{Ban, Call, Content, Method, Quota, Refusal, Reply};
use std::collections::{BTreeMap, HashMap};
use zeroize::Zeroizing;

/// How often a market's book stream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pace {
    /// Every 100 ms.
    Fast,
    /// Every 1,000 ms.
    Slow,
}

/// Something that happened in the simulated market. Instruments are named by their place in
/// [`Market::listings`].
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// Levels changed since the last message of this pace.
    Depth {
        /// Of which stream.
        pace: Pace,
        /// The head: ids are dense over the market's single changes, `prev_id` is the last one of
        /// the message of this pace before it.
        diff: Diff,
        /// This message's number among those of its instrument and pace, from 1, without holes.
        number: u64,
        /// Changed bids, absolute quantities, best first.
        bids: Vec<Level>,
        /// Changed asks, likewise.
        asks: Vec<Level>,
    },
    /// A print.
    Trade(Trade),
    /// The best bid and ask changed.
    Quote(Quote),
}

/// An instrument as its exchange lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The engine's own table entry: names, scales, filters. `id` is its place in the listings.
    pub instrument: Instrument,
    /// What was traded in the last 24 hours, in whole units of the quote asset.
    pub volume: u64,
}

/// The simulated market of one exchange, as its mirror sees it.
pub trait Market {
    /// The exchange's own wall clock.
    fn now(&self) -> UnixNanos;
    /// What is listed.
    fn listings(&self) -> &[Listing];
    /// Publishes what has changed in this instrument's book since its last message of this pace: a
    /// book that is shown next stands exactly at the ids that [`Self::stands_at`] gives.
    fn flush(&mut self, listing: usize, pace: Pace);
    /// The newest update id of the book, and the number of its last message of this pace.
    fn stands_at(&self, listing: usize, pace: Pace) -> (u64, u64);
    /// The book now, best level first.
    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_>;
    /// The top of the book now, without an update id; `None` if a side is empty.
    fn best(&self, listing: usize) -> Option<Quote> {
        let best = |side| self.levels(listing, side).next();
        Some(Quote {
            instrument: self.listings().get(listing)?.instrument.id,
            update_id: 0,
            bid: best(Side::Buy)?,
            ask: best(Side::Sell)?,
        })
    }
    /// The newest prints, newest last. A recording that is played has none.
    fn prints(&self, _listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new(std::iter::empty())
    }
    /// What was traded within a day.
    fn day(&self, listing: usize) -> Day {
        self.quiet_day(listing)
    }
    /// The day of a market without a print: its price always was the middle of the book, which is
    /// zero for a recording.
    fn quiet_day(&self, listing: usize) -> Day {
        let listed = &self.listings()[listing];
        let best = |side| self.levels(listing, side).next();
        let px = |level: Option<Level>| level.map_or(0, |level| level.px.0);
        let (bid, ask) = (px(best(Side::Buy)), px(best(Side::Sell)));
        let tick = listed.instrument.tick.0.max(1);
        let middle = Px(bid.midpoint(ask) / tick * tick);
        Day::quiet(listed, middle, self.now())
    }
    /// If a recording is played: the next recorded snapshot of this book, `Some(None)` when
    /// there is no further one. `None` if the book is what [`Self::levels`] says.
    fn take_recorded(&mut self, _listing: usize) -> Option<Option<String>> {
        None
    }

    /// Whether a recording is played. A session then answers requests, but shows no book, print
    /// or ticker of its own: these are in the recording.
    fn is_played(&self) -> bool {
        false
    }

    /// The listing that the exchange calls so.
    fn find(&self, symbol: &str) -> Option<usize> {
        let named = |listing: &Listing| listing.instrument.symbol.as_str() == symbol;
        self.listings().iter().position(named)
    }
}

/// A simulated market that takes orders.
pub trait Matcher: Market {
    /// Counts this much weight against the address whose request is answered, or says why it may
    /// not ask.
    fn spend(&mut self, weight: u32) -> Result<(), Refusal>;
    /// What that address has spent of its weight.
    fn spent(&self) -> u32;
    /// A number that no other call gives, the same for the same seed.
    fn dice(&mut self) -> u64;
    /// What is kept for this account, which is opened if it was never seen; `None` if there are too
    /// many.
    fn holdings(&mut self, account: &str) -> Option<&Holdings>;
    /// Puts an order of this account into its market. It counts even if it is refused.
    fn place(&mut self, account: &str, order: &Place) -> Result<Placed, Denied>;
    /// Counts an order that is not placed at all.
    fn count(&mut self, account: &str) -> Result<(), Denied>;
    /// Takes an order out, by a request of this client id, and says how it ended.
    fn cancel(&mut self, account: &str, key: (usize, u64), by: &str) -> Result<Order, Denied>;
    /// Makes a resting order smaller where it rests, and gives it this client id. Says how it
    /// stands, and the number of the report.
    fn amend(
        &mut self,
        account: &str,
        key: (usize, u64),
        qty: Qty,
        client_id: &str,
    ) -> Result<(Order, u64), Denied>;
}

/// What a client did that ends its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offence {
    /// WebSocket close code.
    pub code: u16,
    /// Why, as the exchange words it.
    pub reason: String,
}

/// The server half of one exchange.
pub trait Mirror: Sync {
    /// How the exchange would list an instrument that trades `base` for `quote`; a price of it
    /// needs `px_decimals`, a quantity `qty_decimals`. The id is left to the caller.
    fn list(&self, base: &str, quote: &str, px_decimals: u8, qty_decimals: u8) -> Instrument;
    /// What prices are in at this exchange, as a rule.
    fn quote(&self) -> &'static str {
        "USDT"
    }
    /// What prices of the spot pairs are in that it lists beside these; `None` if there are none.
    fn spot_quote(&self) -> Option<&'static str> {
        None
    }
    /// How the exchange lists an instrument of which a recording shows only the symbol and the
    /// decimals of its numbers: fills in what the symbol tells, like base, quote and kind.
    fn recorded(&self, seen: &Instrument) -> Instrument {
        *seen
    }
    /// A market connection whose upgrade asked for this path and query; `None` if nothing
    /// listens.
    fn session(&self, target: &str) -> Option<Box<dyn MirrorSession>>;
    /// The same in binary frames, if this upgrade asks for that; the error is how the exchange
    /// refuses it.
    fn binary_session(&self, _upgrade: Call<'_>) -> Option<Result<Box<dyn MirrorSession>, Reply>> {
        None
    }
    /// Streams that one connection may carry, if the exchange takes more than our own client asks
    /// of it.
    fn streams_max(&self) -> Option<usize> {
        None
    }
    /// Whether its books stand at the market's own update ids. If they do not, a client's book
    /// can be compared with the exchange's by its content only.
    fn shows_ids(&self) -> bool {
        true
    }
    /// Whether a REST request is for this exchange and not for another one at the same host.
    fn is_asked(&self, _call: Call<'_>) -> bool {
        true
    }
    /// Its accounts; `None` if no orders are simulated.
    fn accounts(&self) -> Option<&dyn Accounts> {
        None
    }
    /// Answers a REST request, whatever its method.
    fn rest(&self, call: Call<'_>, market: &mut dyn Market) -> Reply;
    /// Refuses this request in the exchange's own shape.
    fn refuse(&self, why: Refusal, call: Call<'_>) -> Reply;
    /// Headers of REST answers that tell what the address has spent of its weight.
    fn spent_headers(&self) -> &'static [&'static str] {
        &[]
    }
    /// When it locks an address out that goes on asking for too much; `None` if it never does.
    fn ban(&self) -> Option<Ban> {
        None
    }
}

/// The server half of one market connection. Frames for the client are appended to `out`.
pub trait MirrorSession: Send {
    /// The connection is open: what the exchange says unasked.
    fn handle_open(&mut self, _market: &mut dyn Market, _out: &mut Vec<String>) {}
    /// A text frame of the client.
    fn handle_text(
        &mut self,
        text: &str,
        market: &mut dyn Market,
        out: &mut Vec<String>,
    ) -> Result<(), Offence>;
    /// Something happened; whether this client follows it is for the session to know.
    fn handle_event(&mut self, event: &Happened, market: &dyn Market, out: &mut Vec<String>);
    /// The next binary frame for the client. They follow the texts of the same call.
    fn poll_binary(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// When [`Self::handle_timeout`] is wanted; `None` if nothing waits.
    fn poll_timeout(&self) -> Option<UnixNanos> {
        None
    }
    /// Does what is due: heartbeats.
    fn handle_timeout(&mut self, _now: UnixNanos, _out: &mut Vec<String>) -> Result<(), Offence> {
        Ok(())
    }
    /// Streams that it is subscribed to.
    fn streams(&self) -> usize;
    /// If a recording is played: whether this frame of it is of a stream that the client is
    /// subscribed to. An exchange that numbers all frames of a connection carries every frame, and
    /// its session then says nothing itself. A binary frame is here in Base64.
    fn carries(&self, _frame: &str) -> bool {
        false
    }
    /// If a recording is played: whether the client follows this symbol's book, and the exchange
    /// gives its snapshots by REST.
    fn awaits(&self, _symbol: &str) -> bool {
        false
    }
}

/// The account side of one exchange: who may trade, and order entry.
pub trait Accounts: Sync {
    /// Path of the WebSocket for order entry.
    fn path(&self) -> &'static str;
    /// How orders are counted and charged.
    fn terms(&self) -> Terms;
    /// An order connection whose upgrade asked for this path and query at `now`; `None` if
    /// nothing listens.
    fn session(&self, target: &str, now: UnixNanos) -> Option<Box<dyn AccountSession>>;
    /// An order connection that a connection for streams becomes by this frame of its client;
    /// `None` if it goes on as before. What it follows goes with it.
    fn join(
        &self,
        _text: &str,
        _streams: &mut Box<dyn MirrorSession>,
    ) -> Option<Box<dyn AccountSession>> {
        None
    }
    /// Answers a REST request that is about an account; `None` if it is not. It spends its weight
    /// itself, before it does anything.
    fn respond(&self, call: Call<'_>, market: &mut dyn Matcher) -> Option<Reply>;
    /// An account that may trade, made of 32 random bytes. None is registered: the keys themselves
    /// prove it.
    fn account(&self, seed: &Zeroizing<[u8; 32]>) -> Result<Account, String>;
    /// What the API key of an account is, for whoever makes one.
    fn api_key(&self) -> &'static str;
}

/// The server half of one order connection. Frames for the client are appended to `out`.
pub trait AccountSession: Send {
    /// A text frame of the client.
    fn handle_text(&mut self, text: &str, market: &mut dyn Matcher, out: &mut Vec<String>);
    /// What a frame of the client is about.
    fn asks(&self, text: &str) -> Asks;
    /// Refuses a frame of the client at `now`, whatever it asks for.
    fn refuse(&self, text: &str, why: Refuses, now: UnixNanos) -> String;
    /// Something happened to an account; whether this client follows it is for the session to know.
    fn handle_report(&mut self, report: &Report, market: &dyn Market, out: &mut Vec<String>);
    /// Something happened in the market, if streams come by this connection, too.
    fn handle_event(&mut self, _: &Happened, _: &dyn Market, _out: &mut Vec<String>) {}
    /// When [`Self::handle_timeout`] is wanted; `None` if nothing waits.
    fn poll_timeout(&self) -> Option<UnixNanos> {
        None
    }
    /// Does what is due: heartbeats.
    fn handle_timeout(&mut self, _now: UnixNanos, _out: &mut Vec<String>) -> Result<(), Offence> {
        Ok(())
    }
}

/// The listings of a recording by their symbols, as a session keeps them: it is asked without its
/// market what it carries. Empty if no recording is played.
#[derive(Debug, Clone, Default)]
pub(crate) struct Played(HashMap<Symbol, usize>);

impl Played {
    /// Those of this market.
    pub(crate) fn of(market: &dyn Market) -> Self {
        let listings = market.listings().iter().enumerate();
        let played = listings.filter(|_| market.is_played());
        Self(played.map(|(n, one)| (one.instrument.symbol, n)).collect())
    }

    /// The listing that the exchange calls so.
    pub(crate) fn find(&self, symbol: &str) -> Option<usize> {
        self.0.get(symbol).copied()
    }
}

/// The best levels of one book as a client knows them. Exchanges that keep a window themselves
/// compare with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    sides: [BTreeMap<i64, Qty>; 2],
}

impl Window {
    /// The window of `count` levels of this book, whole: bids and asks, best first.
    pub(crate) fn open(
        market: &dyn Market,
        listing: usize,
        count: usize,
    ) -> (Self, Vec<Level>, Vec<Level>) {
        let mut window = Self::default();
        let (bids, asks) = window.step(market, listing, count);
        (window, bids, asks)
    }

    /// What changed since the last look: levels that came in or changed, and with zero quantity
    /// those that were removed or left the window. Bids and asks, best first.
    pub(crate) fn step(
        &mut self,
        market: &dyn Market,
        listing: usize,
        count: usize,
    ) -> (Vec<Level>, Vec<Level>) {
        let mut changes = [Side::Buy, Side::Sell].map(|side| {
            let now: BTreeMap<i64, Qty> = market
                .levels(listing, side)
                .take(count)
                .map(|level| (level.px.0, level.qty))
                .collect();
            let before = std::mem::replace(&mut self.sides[side as usize], now);
            let now = &self.sides[side as usize];
            let level = |px: &i64, qty: Qty| Level { px: Px(*px), qty };
            let gone = before.keys().filter(|px| !now.contains_key(px));
            let gone = gone.map(|px| level(px, Qty(0)));
            let changed = now.iter().filter(|(px, qty)| before.get(px) != Some(qty));
            let mut all: Vec<Level> = gone
                .chain(changed.map(|(px, qty)| level(px, *qty)))
                .collect();
            all.sort_by_key(|level| level.px);
            all
        });
        changes[0].reverse();
        let [bids, asks] = changes;
        (bids, asks)
    }
}
