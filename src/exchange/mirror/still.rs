//! A market that stands still unless it is told to move: what the mirrors' own tests look at. Each
//! listing has prices of its own, so that no answer about one can be taken for another's.

use super::{Day, Happened, Listing, Market, Mirror, MirrorSession, Pace};
use crate::base::{Diff, Instrument, InstrumentId, Level, Px, Qty, Side, Symbol};
use crate::base::{Trade, UnixNanos};
use crate::exchange::{DepthStream, Exchange, Topic};

/// When it is, at first.
pub(crate) const NOW: UnixNanos = UnixNanos(1_790_000_000_123_456_789);

/// Levels per side.
const LEVELS: i64 = 30;

pub(crate) struct Still {
    pub(crate) listings: Vec<Listing>,
    pub(crate) now: UnixNanos,
    /// Added to all prices of all books.
    pub(crate) moved: i64,
    /// Where all books stand.
    pub(crate) id: u64,
    number: u64,
    /// It plays a recording, of which these are the snapshots, newest first.
    pub(crate) played: Option<Vec<String>>,
}

impl Still {
    /// What this exchange makes of these assets, each against its usual one.
    pub(crate) fn of(mirror: &dyn Mirror, bases: &[&str]) -> Self {
        let listed = |(n, base): (usize, &&str)| {
            let mut instrument = mirror.list(base, mirror.quote(), 2, 3);
            instrument.id = InstrumentId(n as u16);
            let volume = 9_000;
            Listing { instrument, volume }
        };
        Self {
            listings: bases.iter().enumerate().map(listed).collect(),
            now: NOW,
            moved: 0,
            id: 41,
            number: 7,
            played: None,
        }
    }

    /// A recording that shows these symbols, with one decimal of all numbers.
    pub(crate) fn played(exchange: &dyn Exchange, symbols: &[&str]) -> Self {
        let bare = |symbol: &&str| {
            let symbol = Symbol::from(symbol).unwrap();
            Instrument::bare(exchange.name(), symbol, (1, 1))
        };
        Self::playing(exchange, &symbols.iter().map(bare).collect::<Vec<_>>())
    }

    /// A recording that shows these.
    pub(crate) fn playing(exchange: &dyn Exchange, seen: &[Instrument]) -> Self {
        let listed = |(n, seen): (usize, &Instrument)| {
            let instrument = Instrument {
                id: InstrumentId(n as u16),
                ..exchange.mirror().recorded(seen)
            };
            let volume = 0;
            Listing { instrument, volume }
        };
        Self {
            listings: seen.iter().enumerate().map(listed).collect(),
            played: Some(Vec::new()),
            ..Self::of(exchange.mirror(), &[])
        }
    }

    /// A client of it that connects to this path and subscribes to these topics, as our own does.
    /// Gives what it is told.
    pub(crate) fn connect(
        &mut self,
        exchange: &dyn Exchange,
        path: &str,
        topics: &[Topic<'_>],
        depth: &'static DepthStream,
    ) -> (Box<dyn MirrorSession>, Vec<String>) {
        let mut session = exchange.mirror().session(path).unwrap();
        let mut out = Vec::new();
        session.handle_open(self, &mut out);
        for text in exchange.greeting() {
            session.handle_text(text, self, &mut out).unwrap();
        }
        for request in exchange.subscribe(topics, depth, 1) {
            session.handle_text(&request.text, self, &mut out).unwrap();
        }
        (session, out)
    }

    /// The middle of a book, in units of its price: 1000 for the first listing, 2000 for the next.
    pub(crate) fn middle(&self, listing: usize) -> i64 {
        1_000 * (listing as i64 + 1) + self.moved
    }

    /// Moves all prices up by one unit after some time, and tells of it as the book of this listing
    /// does.
    pub(crate) fn step(&mut self, listing: usize, after_ms: i64) -> Happened {
        let prev = self.id;
        self.now = UnixNanos(self.now.0 + after_ms * 1_000_000);
        (self.moved, self.id, self.number) = (self.moved + 1, self.id + 3, self.number + 1);
        Happened::Depth {
            pace: Pace::Fast,
            diff: Diff {
                instrument: InstrumentId(listing as u16),
                first_id: prev + 1,
                last_id: self.id,
                prev_id: Some(prev),
                checksum: None,
                exch_time: self.now,
            },
            number: self.number,
            bids: self.levels(listing, Side::Buy).take(1).collect(),
            asks: self.levels(listing, Side::Sell).take(1).collect(),
        }
    }

    /// One of three prints, one second apart, the last of them now: ids 11, 12 and 13 for the first
    /// listing, 21, 22 and 23 for the next.
    fn print(&self, listing: usize, n: i64) -> Trade {
        Trade {
            instrument: InstrumentId(listing as u16),
            id: 10 * (listing as u64 + 1) + n as u64,
            px: Px(self.middle(listing) - 3 + n),
            qty: Qty(n as u64),
            taker: if n == 3 { Side::Buy } else { Side::Sell },
            exch_time: UnixNanos(self.now.0 - (3 - n) * 1_000_000_000),
        }
    }
}

/// Five units of quantity.
fn level(px: i64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(5),
    }
}

impl Market for Still {
    fn now(&self) -> UnixNanos {
        self.now
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    fn is_played(&self) -> bool {
        self.played.is_some()
    }

    fn take_recorded(&mut self, _listing: usize) -> Option<Option<String>> {
        self.played.as_mut().map(Vec::pop)
    }

    fn flush(&mut self, _listing: usize, _pace: Pace) {}

    fn stands_at(&self, _listing: usize, _pace: Pace) -> (u64, u64) {
        (self.id, self.number)
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        let (middle, step) = match side {
            Side::Buy => (self.middle(listing), -1),
            Side::Sell => (self.middle(listing), 1),
        };
        Box::new((1..=LEVELS).map(move |n| level(middle + step * n)))
    }

    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new((1..=3).map(move |n| self.print(listing, n)))
    }

    /// From 800 over 750 and 1100 to 1000, for the first listing, where 450 were traded.
    fn day(&self, listing: usize) -> Day {
        let middle = self.middle(listing);
        Day {
            since: UnixNanos(self.now.0 - 86_400_000_000_000),
            open: Px(middle - 200),
            high: Px(middle + 100),
            low: Px(middle - 250),
            last: Px(middle),
            volume: 450_000,
            turnover: 450_000 * middle.unsigned_abs() as u128,
            count: 3,
        }
    }
}
