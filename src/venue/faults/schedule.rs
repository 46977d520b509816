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

    /// Begins what is due, and forgets what is over.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) {
        self.on.retain(|entry| !entry.is_over(now));
        self.draw(now);
        while let Some(&entry) = self.waiting.front()
            && entry.at <= now
        {
            self.waiting.pop_front();
            match entry.fault.place() {
                Place::Connection => {
                    let number = self.begun_count;
                    self.begun_count += 1;
                    self.begun.push_back(Begun { number, entry });
                    while self.begun.len() > BEGUN_MAX {
                        self.begun.pop_front();
                    }
                }
                Place::Stream | Place::Snapshot | Place::Rest => self.on.push(entry),
            }
        }
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

    /// If a fault of this kind is on, it strikes. Gives its number, and when it ends.
    pub(crate) fn strike(
        &mut self,
        now: Nanos,
        fault: MarketFault,
        listing: Option<usize>,
    ) -> Option<(u64, Nanos)> {
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
        Some((entry.amount, entry.until().max(now)))
    }

    /// The number of the next fault of connections: a new connection has missed those before.
    pub(crate) fn begun_count(&self) -> u64 {
        self.begun_count
    }

    /// The first fault of connections from number `seen` on, with its number; it strikes.
    pub(crate) fn strike_open(&mut self, now: Nanos, seen: u64) -> Option<(u64, MarketFault, u64)> {
        let n = self.begun.iter().position(|begun| begun.number >= seen)?;
        let Begun { number, entry } = self.begun[n];
        if !std::mem::replace(&mut self.begun[n].entry.struck, true) {
            self.record(now, &entry);
        }
        Some((number, entry.fault, entry.amount))
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
