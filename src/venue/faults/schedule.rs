//! The faults of market data at one exchange: what is planned, what is on, and what has struck.
//! Breaks nothing itself: whoever can be struck asks.

use super::market::{MarketFault, Place};
use super::plan::{Dice, Step, Struck};
use crate::base::{Nanos, Span, Symbol};
use crate::exchange::mirror::{Ban, Refusal};
use std::collections::VecDeque;

/// Faults that struck and were not read yet; further ones push the oldest out.
const STRUCK_MAX: usize = 65_536;
/// Faults of connections that are kept for those that have not seen them yet.
const BEGUN_MAX: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Entry {
    fault: MarketFault,
    /// What it is about, by listing; everything if it is none.
    on: Option<(usize, Symbol)>,
    at: Nanos,
    lasts: Span,
    amount: u64,
    struck: bool,
}

impl Entry {
    fn until(&self) -> Nanos {
        self.at + self.lasts
    }

    fn strike(&self, now: Nanos) -> Strike {
        Strike {
            fault: self.fault,
            amount: self.amount,
            until: self.until().max(now),
        }
    }

    /// Waits for the one thing that it strikes.
    fn is_single(&self) -> bool {
        self.lasts == Span::ZERO
    }

    fn is_over(&self, now: Nanos) -> bool {
        match self.is_single() {
            true => self.struck,
            false => self.until() <= now,
        }
    }
}

/// A fault of all connections that were open when it began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    number: u64,
    entry: Entry,
}

/// A fault that strikes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Strike {
    /// What goes wrong.
    pub(crate) fault: MarketFault,
    /// The number that it takes.
    pub(crate) amount: u64,
    /// When it ends; now, if it is of one thing only.
    pub(crate) until: Nanos,
}

/// The plan of one exchange, and how far it has come.
///
/// Invariant: `waiting` is in the order of time.
#[derive(Debug)]
pub(crate) struct Schedule {
    exchange: &'static str,
    waiting: VecDeque<Entry>,
    on: Vec<Entry>,
    begun: VecDeque<Begun>,
    /// How many faults of connections have begun.
    begun_count: u64,
    struck: VecDeque<Struck>,
    /// Until when a client was asked to wait, and how often it did not.
    refused: (Nanos, u32),
    dice: fastrand::Rng,
    chance: Option<Chance>,
}

/// Steps that come by chance.
#[derive(Debug)]
struct Chance {
    since: Nanos,
    steps: Dice,
    next: Option<Step>,
    listed: Vec<(usize, Symbol)>,
}

impl Chance {
    fn poll_timeout(&self) -> Nanos {
        let next = self.next.as_ref();
        next.map_or(Nanos::NEVER, |step| self.since + step.at)
    }
}

impl Schedule {
    /// Nothing is planned.
    pub(crate) fn new(exchange: &'static str, seed: u64) -> Self {
        Self {
            exchange,
            waiting: VecDeque::new(),
            on: Vec::new(),
            begun: VecDeque::new(),
            begun_count: 0,
            struck: VecDeque::new(),
            refused: (Nanos::ZERO, 0),
            dice: fastrand::Rng::with_seed(seed),
            chance: None,
        }
    }

    /// From `now` on these come, too. All listings, in their order, are these symbols.
    pub(crate) fn by_chance(&mut self, now: Nanos, mut steps: Dice, symbols: Vec<Symbol>) {
        let next = steps.next();
        self.chance = Some(Chance {
            since: now,
            steps,
            next,
            listed: symbols.into_iter().enumerate().collect(),
        });
    }

    /// Plans a step at `now`, for these listings.
    pub(crate) fn plan(&mut self, now: Nanos, step: &Step, listed: &[(usize, Symbol)]) {
        let entry = Entry {
            fault: step.fault,
            on: None,
            at: now + step.at,
            lasts: step.lasts,
            amount: step.amount,
            struck: false,
        };
        let each = match step.fault.is_of_one() {
            true => listed.iter().map(|one| Some(*one)).collect(),
            false => vec![None],
        };
        for on in each {
            let place = self.waiting.partition_point(|other| other.at <= entry.at);
            self.waiting.insert(place, Entry { on, ..entry });
        }
    }

    /// Nothing is planned, and nothing is on.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.on.is_empty() && self.chance.is_none()
    }

    /// When a fault begins or ends next.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let ends = self.on.iter().filter(|entry| !entry.is_single());
        let begins = self.waiting.front().map(|entry| entry.at);
        let chance = self.chance.as_ref().map(Chance::poll_timeout);
        ends.map(Entry::until)
            .chain(begins)
            .chain(chance)
            .min()
            .unwrap_or(Nanos::NEVER)
    }

    /// Begins what is due, and forgets what is over. Gives the faults of markets that begin now,
    /// by listing; they strike.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) -> Vec<(usize, Strike)> {
        let mut of_markets = Vec::new();
        self.on.retain(|entry| !entry.is_over(now));
        self.draw(now);
        while let Some(&entry) = self.waiting.front()
            && entry.at <= now
        {
            self.waiting.pop_front();
            match entry.fault.place() {
                Place::Market => {
                    if let Some((listing, _)) = entry.on {
                        self.record(now, &entry);
                        of_markets.push((listing, entry.strike(now)));
                    }
                    // As long as it is on, others may ask for it.
                    if !entry.is_single() {
                        let struck = true;
                        self.on.push(Entry { struck, ..entry });
                    }
                }
                Place::Open => {
                    let number = self.begun_count;
                    self.begun_count += 1;
                    self.begun.push_back(Begun { number, entry });
                    while self.begun.len() > BEGUN_MAX {
                        self.begun.pop_front();
                    }
                }
                Place::Stream | Place::Snapshot | Place::Answer | Place::Rest | Place::Connect => {
                    self.on.push(entry)
                }
            }
        }
        of_markets
    }

    /// Plans what comes by chance and is due.
    fn draw(&mut self, now: Nanos) {
        while let Some(chance) = &mut self.chance
            && chance.poll_timeout() <= now
            && let Some(step) = chance.next.take()
        {
            chance.next = chance.steps.next();
            let about = |(_, symbol): &&(usize, Symbol)| step.is_about(self.exchange, symbol);
            let listed: Vec<_> = chance.listed.iter().filter(about).copied().collect();
            let since = chance.since;
            self.plan(since, &step, &listed);
        }
    }

    /// A REST request is refused with 429, and asked to come again so much later. One that came
    /// too early more often than this exchange warns is locked out.
    pub(crate) fn refuse(&mut self, now: Nanos, retry_after_s: u64, ban: Option<Ban>) -> Refusal {
        let (until, warned) = self.refused;
        let warned = if now < until { warned + 1 } else { 0 };
        self.refused = (now + Span::from_secs(retry_after_s), warned);
        match ban {
            Some(ban) if warned > ban.warnings => Refusal::Banned { retry_after_s },
            _ => Refusal::TooMany { retry_after_s },
        }
    }

    /// If a fault of this kind is on, it strikes.
    pub(crate) fn strike(
        &mut self,
        now: Nanos,
        fault: MarketFault,
        listing: Option<usize>,
    ) -> Option<Strike> {
        let is_it = |entry: &Entry| {
            let about = entry.on.is_none_or(|(of, _)| Some(of) == listing);
            entry.fault == fault && about && entry.at <= now && !entry.is_over(now)
        };
        let n = self.on.iter().position(is_it)?;
        let entry = &mut self.on[n];
        if !std::mem::replace(&mut entry.struck, true) {
            let entry = *entry;
            self.record(now, &entry);
        }
        let entry = self.on[n];
        if entry.is_single() {
            self.on.remove(n);
        }
        Some(entry.strike(now))
    }

    /// The number of the next fault of connections: a new connection has missed those before.
    pub(crate) fn begun_count(&self) -> u64 {
        self.begun_count
    }

    /// The first fault of connections from number `seen` on, with its number; it strikes.
    pub(crate) fn strike_open(&mut self, now: Nanos, seen: u64) -> Option<(u64, Strike)> {
        let n = self.begun.iter().position(|begun| begun.number >= seen)?;
        let Begun { number, entry } = self.begun[n];
        if !std::mem::replace(&mut self.begun[n].entry.struck, true) {
            self.record(now, &entry);
        }
        Some((number, entry.strike(now)))
    }

    /// The largest number of a fault of this kind that is planned or on.
    pub(crate) fn wanted(&self, fault: MarketFault) -> Option<u64> {
        let all = self.waiting.iter().chain(&self.on);
        let of = all.filter(|entry| entry.fault == fault);
        let chance = self.chance.as_ref().and(fault.amount());
        let chance = chance.map(|amount| amount.default);
        of.map(|entry| entry.amount).chain(chance).max()
    }

    /// What struck since the last call.
    pub(crate) fn take_struck(&mut self) -> std::collections::vec_deque::Drain<'_, Struck> {
        self.struck.drain(..)
    }

    /// Chance, the same for a seed.
    pub(crate) fn dice(&mut self) -> &mut fastrand::Rng {
        &mut self.dice
    }

    fn record(&mut self, now: Nanos, entry: &Entry) {
        if self.struck.len() == STRUCK_MAX {
            self.struck.pop_front();
        }
        self.struck.push_back(Struck {
            fault: entry.fault,
            exchange: self.exchange,
            instrument: entry.on.map(|(_, symbol)| symbol),
            at: now,
            until: entry.until().max(now),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange;
    use proptest::prelude::*;

    fn listed() -> Vec<(usize, Symbol)> {
        let symbol = |text| Symbol::from(text).unwrap_or_default();
        vec![(0, symbol("A")), (1, symbol("B"))]
    }

    fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn one_without_a_length_strikes_the_next_thing_of_its_book_and_nothing_after_it() {
        let mut schedule = Schedule::new("x", 1);
        let step = Step::now(MarketFault::Gap).after(Span::from_millis(5));
        schedule.plan(at(0), &step, &listed()[1..]);
        assert_eq!(schedule.poll_timeout(), at(5));
        assert_eq!(schedule.strike(at(4), MarketFault::Gap, Some(1)), None);
        schedule.handle_timeout(at(5));
        assert_eq!(schedule.strike(at(9), MarketFault::Gap, Some(0)), None);
        assert_eq!(schedule.strike(at(9), MarketFault::Cut, Some(1)), None);
        let struck = schedule.strike(at(9), MarketFault::Gap, Some(1)).unwrap();
        assert_eq!(struck.until, at(9));
        assert_eq!(schedule.strike(at(9), MarketFault::Gap, Some(1)), None);
        assert!(schedule.is_idle());
        let told: Vec<Struck> = schedule.take_struck().collect();
        let [told] = told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((told.at, told.until), (at(9), at(9)));
        assert_eq!(told.instrument.as_deref(), Some("B"));
    }

    #[test]
    fn one_with_a_length_strikes_everything_until_it_is_over_and_is_told_once() {
        let mut schedule = Schedule::new("x", 1);
        let step = Step::now(MarketFault::Late).lasting(Span::from_millis(10));
        schedule.plan(at(0), &step.with(7), &listed());
        schedule.handle_timeout(at(0));
        for ms in [3, 9] {
            let struck = schedule.strike(at(ms), MarketFault::Late, Some(0)).unwrap();
            assert_eq!((struck.amount, struck.until), (7, at(10)));
        }
        assert_eq!(schedule.strike(at(10), MarketFault::Late, Some(0)), None);
        assert_eq!(schedule.poll_timeout(), at(10));
        schedule.handle_timeout(at(10));
        assert!(schedule.is_idle());
        let told: Vec<Struck> = schedule.take_struck().collect();
        let times: Vec<_> = told.iter().map(|one| (one.at, one.until)).collect();
        assert_eq!(times, [(at(3), at(10))], "nothing struck the other book");
    }

    #[test]
    fn each_connection_meets_the_faults_that_begin_after_it_was_made() {
        let mut schedule = Schedule::new("x", 1);
        schedule.plan(at(0), &Step::now(MarketFault::HalfOpen), &listed());
        schedule.handle_timeout(at(0));
        let later = schedule.begun_count();
        let (number, strike) = schedule.strike_open(at(1), 0).unwrap();
        assert_eq!(strike.fault, MarketFault::HalfOpen);
        assert_eq!(schedule.strike_open(at(1), number + 1), None);
        assert_eq!(schedule.strike_open(at(1), later), None);
        assert_eq!(schedule.strike_open(at(2), 0).unwrap().0, number);
        assert_eq!(schedule.take_struck().count(), 1);
    }

    #[test]
    fn who_asks_again_too_early_is_locked_out_if_the_exchange_does_that() {
        let ban = Some(Ban {
            warnings: 1,
            span: Span::from_secs(60),
        });
        let mut schedule = Schedule::new("x", 1);
        let refusals = [0, 1_000, 2_000].map(|ms| schedule.refuse(at(ms), 5, ban));
        let retry_after_s = 5;
        let (many, banned) = (
            Refusal::TooMany { retry_after_s },
            Refusal::Banned { retry_after_s },
        );
        assert_eq!(refusals, [many, many, banned]);
        assert_eq!(schedule.refuse(at(7_000), 5, ban), many, "it waited");
        let patient = [8_000, 9_000, 9_100].map(|ms| schedule.refuse(at(ms), 5, None));
        assert_eq!(patient, [many; 3]);
    }

    proptest! {
        #[test]
        fn chance_is_the_same_for_a_seed_in_the_order_of_time_and_about_as_often_as_it_is_said(
            seed: u64,
        ) {
            let exchange = exchange::ALL[seed as usize % exchange::ALL.len()];
            let dice = || Dice::new(seed, exchange, &["A", "B"], Span::from_secs(10));
            let steps: Vec<Step> = dice().take(300).collect();
            prop_assert_eq!(&steps, &dice().take(300).collect::<Vec<_>>());
            prop_assert!(steps.is_sorted_by_key(|step| step.at));
            let hours = steps.last().map_or(0, |step| step.at.0) as f64 / 3.6e12;
            prop_assert!((0.2..1.2).contains(&hours), "{hours}");
            for step in &steps {
                prop_assert!(step.fault.applies(exchange), "{:?}", step);
                prop_assert_eq!(step.instrument.is_some(), step.fault.is_of_one());
            }
        }
    }
}
