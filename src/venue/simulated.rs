//! One simulated exchange that its sessions share: its listings, its markets or its recording, and
//! its accounts. Knows no connection; what it publishes waits here until the driver hands it round.

mod faulty;
mod orders;

use super::faults::account::Faults;
use super::faults::lens::{Lens, View};
use super::faults::reader::Reader;
use super::faults::schedule::Schedule;
use super::faults::{MarketFault, Step};
use super::flow::{Flow, Profile};
use super::ledger::Ledger;
use super::limits::Gate;
use super::newest::Newest;
use super::play::Speed;
use super::recording::Recording;
use crate::base::shown::{AUDIT_LEVELS, Truth};
use crate::base::{Level, Nanos, Side, Span, Symbol, Top, Trade, UnixNanos};
use crate::exchange::Exchange;
use crate::exchange::mirror::{Call, Day, Happened, Listing, Market, Pace, Refusal, Reply, Report};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// Where market data comes from.
pub(crate) enum Source {
    /// Seeded markets.
    Flow(Flows),
    /// A recording at a speed.
    Play(Recording, Speed),
}

/// One market each listing, in their order, and which of them moves next.
///
/// Invariant: `due` has every market once, at its own `poll_timeout`.
pub(crate) struct Flows {
    markets: Vec<Flow>,
    due: BinaryHeap<Reverse<(Nanos, usize)>>,
}

impl Flows {
    fn new(markets: Vec<Flow>) -> Self {
        Self {
            due: Self::due_of(&markets),
            markets,
        }
    }

    fn due_of(markets: &[Flow]) -> BinaryHeap<Reverse<(Nanos, usize)>> {
        let due = markets.iter().enumerate();
        let due = due.map(|(n, flow)| Reverse((flow.poll_timeout(), n)));
        due.collect()
    }
}

/// What the exchange knows of its books, for whoever checks them.
#[derive(Default)]
struct Truths {
    wanted: bool,
    told: Vec<Truth>,
    /// The newest id that was told, by listing.
    last: Vec<Option<u64>>,
}

/// What happened, for whoever follows it.
#[derive(Default)]
pub(crate) struct News {
    /// In the markets.
    pub(crate) events: Vec<Happened>,
    /// To accounts.
    pub(crate) reports: Vec<Report>,
}

impl News {
    /// Whether nothing happened.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.reports.is_empty()
    }
}

/// The exchange behind the sessions.
pub(crate) struct Venue {
    /// Its protocol.
    pub(crate) exchange: &'static dyn Exchange,
    /// What is traded, in the order of the markets.
    pub(crate) listings: Vec<Listing>,
    /// Where market data comes from.
    pub(crate) source: Source,
    /// What was published since the driver last took it.
    pub(crate) events: Vec<Happened>,
    /// Orders that were accepted.
    pub(crate) orders: u64,
    /// Holds clients to the exchange's limits.
    pub(crate) gate: Gate,
    /// Where the markets are.
    now: Nanos,
    /// The wall clock at [`Nanos::ZERO`].
    epoch: UnixNanos,
    /// Its accounts.
    pub(super) ledger: Ledger,
    /// What goes wrong between them and their clients.
    pub(crate) faults: RefCell<Faults>,
    /// What goes wrong with market data.
    pub(crate) schedule: RefCell<Schedule>,
    /// Reads frames for faults, once there is one.
    reader: RefCell<Option<Reader>>,
    /// Older books, oldest first, by listing, as far as a planned fault shows one.
    past: Vec<VecDeque<View>>,
    /// Whose request is answered.
    visitor: IpAddr,
    dice: fastrand::Rng,
    /// What was traded, by listing; nothing if a recording is played.
    traded: Vec<Newest>,
    truths: RefCell<Truths>,
}

impl Venue {
    /// Seeded markets of these listings; each has dice of its own.
    pub(crate) fn flow(
        exchange: &'static dyn Exchange,
        market: Vec<(Listing, Profile)>,
        seed: u64,
        epoch: UnixNanos,
    ) -> Self {
        let flows = market.iter().zip(1..).map(|((listing, profile), n)| {
            let seed = dice_seed(seed, exchange.name(), n);
            Flow::new(listing.instrument, *profile, seed, epoch)
        });
        let source = Source::Flow(Flows::new(flows.collect()));
        let listings = market.into_iter().map(|(listing, _)| listing).collect();
        Self::new(exchange, listings, source, (seed, epoch))
    }

    /// A recording, and orders that never trade. What chance there is, is the same each time.
    pub(crate) fn play(recording: Recording, speed: Speed, epoch: UnixNanos) -> Self {
        let (exchange, listings) = (recording.exchange, recording.listings.clone());
        let source = Source::Play(recording, speed);
        Self::new(exchange, listings, source, (0, epoch))
    }

    fn new(
        exchange: &'static dyn Exchange,
        listings: Vec<Listing>,
        source: Source,
        (seed, epoch): (u64, UnixNanos),
    ) -> Self {
        let truths = Truths {
            last: vec![None; listings.len()],
            ..Truths::default()
        };
        let mut venue = Self {
            exchange,
            ledger: orders::no_accounts(exchange),
            faults: RefCell::default(),
            schedule: RefCell::new(Schedule::new(
                exchange.name(),
                dice_seed(seed, exchange.name(), u64::MAX),
            )),
            reader: RefCell::default(),
            past: vec![VecDeque::new(); listings.len()],
            visitor: IpAddr::V4(Ipv4Addr::LOCALHOST),
            dice: fastrand::Rng::with_seed(dice_seed(seed, exchange.name(), 0)),
            traded: Vec::new(),
            listings,
            source,
            now: Nanos::ZERO,
            epoch,
            events: Vec::new(),
            orders: 0,
            gate: Gate::new(exchange.limits(), exchange.mirror().ban()),
            truths: RefCell::new(truths),
        };
        let all = venue.listings.len();
        venue.traded = (0..all)
            .map(|n| Newest::open(venue.quiet_day(n), all))
            .collect();
        venue.ledger = venue.open_accounts();
        venue
    }

    /// Tells the truth behind all that is published from now on.
    pub(crate) fn with_truth(mut self) -> Self {
        self.truths.get_mut().wanted = true;
        self
    }

    /// The exchange's own wall clock.
    pub(crate) fn unix(&self, now: Nanos) -> UnixNanos {
        UnixNanos(self.epoch.0.saturating_add_unsigned(now.0))
    }

    /// When this wall clock time is.
    pub(crate) fn nanos(&self, at: UnixNanos) -> Nanos {
        Nanos(u64::try_from(at.0.saturating_sub(self.epoch.0)).unwrap_or(0))
    }

    /// When the markets want to move next.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.moves_at().min(self.schedule.borrow().poll_timeout())
    }

    /// When a market moves next.
    fn moves_at(&self) -> Nanos {
        match &self.source {
            Source::Flow(flows) => flows
                .due
                .peek()
                .map_or(Nanos::NEVER, |Reverse((at, _))| *at),
            Source::Play(..) => Nanos::NEVER,
        }
    }

    /// Moves the one market on that is due next, if it is by `now`, and stands at that moment: what
    /// sessions see of its book is then as of its newest events. False: nothing is due, and it
    /// stands at `now`.
    pub(crate) fn step(&mut self, now: Nanos) -> bool {
        let turns_at = self.schedule.get_mut().poll_timeout();
        if turns_at <= now && turns_at <= self.moves_at() {
            self.now = self.now.max(turns_at);
            self.turn_faults(turns_at);
            return true;
        }
        let first = self.events.len();
        if let Source::Flow(flows) = &mut self.source
            && let Some(&Reverse((at, n))) = flows.due.peek()
            && at <= now
        {
            flows.due.pop();
            let flow = &mut flows.markets[n];
            flow.step(&mut self.events);
            flows.due.push(Reverse((flow.poll_timeout(), n)));
            self.now = at;
            self.take_in(first);
            self.settle(n);
            self.remember(n);
            return true;
        }
        self.now = now;
        false
    }

    /// Lets a script change the market of this listing; gives what that publishes. A recording has
    /// no market.
    pub(crate) fn direct(
        &mut self,
        listing: usize,
        act: impl FnOnce(&mut Flow, &mut Vec<Happened>),
    ) -> Vec<Happened> {
        let mut out = Vec::new();
        if let Source::Flow(flows) = &mut self.source {
            act(&mut flows.markets[listing], &mut out);
        }
        out
    }

    /// Stands at `now`, and moves no market.
    pub(crate) fn stand(&mut self, now: Nanos) {
        self.now = now;
    }

    /// What happened since the driver last took it.
    pub(crate) fn take_news(&mut self) -> News {
        News {
            events: std::mem::take(&mut self.events),
            reports: std::mem::take(self.ledger.reports()),
        }
    }

    /// The reports after this one that wait to be handed round.
    pub(crate) fn caused(&mut self, after: u64) -> Vec<Report> {
        let waiting = self.ledger.reports().iter();
        waiting
            .filter(|report| report.number > after)
            .cloned()
            .collect()
    }

    /// The client at this address is answered next.
    pub(crate) fn visit(&mut self, from: IpAddr) {
        self.visitor = from;
    }

    /// Answers a REST request of this address, as far as the exchange lets it ask.
    pub(crate) fn rest(&mut self, now: Nanos, from: IpAddr, call: Call<'_>) -> Reply {
        self.visit(from);
        let mirror = self.exchange.mirror();
        let accounts = mirror.accounts();
        let about_account = accounts.and_then(|accounts| accounts.respond(call, self));
        let reply = about_account.unwrap_or_else(|| {
            if let Some(refused) = self.refuse_by_fault(now, call) {
                return refused;
            }
            let reply = self.respond(now, call);
            let (weight, quota) = (reply.weight, reply.quota);
            match self.gate.admit_request(now, from, weight, quota) {
                Ok(()) => reply,
                Err(why) => self.refuse(why, call),
            }
        });
        let spent = self.gate.spent(now, from);
        let tell = |reply: Reply, name: &&'static str| reply.header(name, spent);
        mirror.spent_headers().iter().fold(reply, tell)
    }

    /// Refuses a request, as the exchange does.
    pub(crate) fn refuse(&self, why: Refusal, call: Call<'_>) -> Reply {
        self.exchange.mirror().refuse(why, call)
    }

    /// Nobody awaits snapshots of this listing now: a client that comes back is given them from the
    /// first.
    pub(crate) fn abandon(&mut self, listing: usize) {
        if let Source::Play(recording, _) = &mut self.source {
            recording.rewind(&self.listings[listing].instrument.symbol);
        }
    }

    /// The truths that were told since the driver last took them.
    pub(crate) fn take_truths(&mut self) -> std::vec::Drain<'_, Truth> {
        self.truths.get_mut().told.drain(..)
    }

    /// The best levels of a book as it stands.
    pub(crate) fn top(&self, listing: usize) -> Top<AUDIT_LEVELS> {
        match &self.source {
            Source::Flow(flows) => flows.markets[listing].top(),
            Source::Play(..) => Top::EMPTY,
        }
    }

    /// Keeps the prints among the events from `first` on, and tells the truth behind each depth
    /// message: the book stands at its id.
    fn take_in(&mut self, first: usize) {
        for event in &self.events[first..] {
            match event {
                Happened::Depth { diff, .. } => self.tell(diff.instrument.index(), diff.last_id),
                Happened::Trade(trade) => self.traded[trade.instrument.index()].take(trade),
                Happened::Quote(_) => {}
            }
        }
    }

    /// Two depth streams often end at the same id: the venue tells its truth once.
    fn tell(&self, listing: usize, update_id: u64) {
        let mut truths = self.truths.borrow_mut();
        if !truths.wanted || truths.last[listing] == Some(update_id) {
            return;
        }
        truths.last[listing] = Some(update_id);
        let instrument = &self.listings[listing].instrument;
        let truth = Truth {
            exchange: instrument.exchange,
            symbol: instrument.symbol,
            update_id: self.exchange.mirror().shows_ids().then_some(update_id),
            top: self.top(listing),
        };
        truths.told.push(truth);
    }
}

impl Market for Venue {
    fn now(&self) -> UnixNanos {
        self.unix(self.now)
    }

    fn listings(&self) -> &[Listing] {
        &self.listings
    }

    fn flush(&mut self, listing: usize, pace: Pace) {
        let first = self.events.len();
        if let Source::Flow(flows) = &mut self.source {
            flows.markets[listing].flush(self.now, pace, &mut self.events);
        }
        self.take_in(first);
    }

    /// Whoever asks will show the book, so the venue tells its truth.
    fn stands_at(&self, listing: usize, pace: Pace) -> (u64, u64) {
        match &self.source {
            Source::Flow(flows) => {
                let flow = &flows.markets[listing];
                let update_id = flow.book().update_id();
                self.tell(listing, update_id);
                (update_id, flow.number(pace))
            }
            Source::Play(..) => (0, 0),
        }
    }

    fn levels(&self, listing: usize, side: Side) -> Box<dyn Iterator<Item = Level> + '_> {
        match &self.source {
            Source::Flow(flows) => Box::new(flows.markets[listing].book().levels(side)),
            Source::Play(..) => Box::new(std::iter::empty()),
        }
    }

    fn prints(&self, listing: usize) -> Box<dyn DoubleEndedIterator<Item = Trade> + '_> {
        Box::new(self.traded[listing].prints())
    }

    fn day(&self, listing: usize) -> Day {
        self.traded[listing].day(self.now())
    }

    fn is_played(&self) -> bool {
        matches!(self.source, Source::Play(..))
    }

    fn take_recorded(&mut self, listing: usize) -> Option<Option<String>> {
        match &mut self.source {
            Source::Flow(_) => None,
            Source::Play(recording, _) => {
                let symbol = self.listings[listing].instrument.symbol;
                Some(recording.take_snapshot(symbol.as_str()))
            }
        }
    }
}

/// Each market's own: a further instrument or exchange changes none of the others.
fn dice_seed(seed: u64, exchange: &str, n: u64) -> u64 {
    // FNV-1a of the name.
    let name = exchange
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (seed ^ name)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(n)
}

#[cfg(test)]
mod tests {
    use super::super::market::{coins, listed};
    use super::*;
    use crate::exchange::by_name;

    fn venue() -> Venue {
        let exchange = by_name("binance").unwrap();
        let market = listed(exchange.mirror(), &coins(3), None);
        Venue::flow(exchange, market, 1, UnixNanos(0)).with_truth()
    }

    #[test]
    fn the_truth_is_told_for_each_published_or_shown_id_once() {
        let mut venue = venue();
        let mut told = Vec::new();
        while venue.step(Nanos::from_secs(2)) {
            venue.stands_at(1, Pace::Fast);
            let top = venue.top(0);
            for truth in venue.take_truths().collect::<Vec<_>>() {
                assert!(truth.symbol.as_str() != "BTCUSDT" || truth.top == top);
                told.push((truth.symbol, truth.update_id.unwrap()));
            }
        }
        let mut once = told.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), told.len());
        for event in &venue.events {
            if let Happened::Depth { diff, .. } = event {
                let symbol = venue.listings[diff.instrument.index()].instrument.symbol;
                assert!(told.contains(&(symbol, diff.last_id)));
            }
        }
    }

    #[test]
    fn a_flush_publishes_ahead_of_the_beat_and_a_shown_book_stands_at_its_end() {
        let mut venue = venue();
        while venue.step(Nanos::from_millis(50)) {}
        venue.events.clear();
        let (before, number) = venue.stands_at(0, Pace::Slow);
        venue.flush(0, Pace::Slow);
        let [
            Happened::Depth {
                diff, number: sent, ..
            },
        ] = &venue.events[..]
        else {
            panic!("{:?}", venue.events)
        };
        assert_eq!((diff.last_id, *sent), (before, number + 1));
        assert_eq!(venue.stands_at(0, Pace::Slow), (before, *sent));
        venue.flush(0, Pace::Slow);
        assert_eq!(venue.events.len(), 1);
    }
}
