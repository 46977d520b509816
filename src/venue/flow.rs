//! A seeded flow of orders into one instrument's matching engine, and the market data that it
//! makes. Runs on virtual time only: the same seed gives the same events, however often and late it
//! is driven.

use super::matching::{Effects, Fill, Incoming, Matching, OrderId, Owner, Prevented};
use crate::base::shown::AUDIT_LEVELS;
use crate::base::{
    Diff, Instrument, Level, Nanos, Px, Qty, Quote, Side, Span, Top, Trade, UnixNanos,
};
use crate::exchange::mirror::{Happened, Pace};
use std::collections::BTreeSet;

/// How lively one instrument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Where the fair price starts.
    pub(crate) fair: Px,
    /// A usual order, in lots; each order has between a tenth and twice of it.
    pub(crate) lots: u64,
    /// Mean distance of a deep order from the fair price, in ticks.
    pub(crate) depth_ticks: i64,
    /// Orders that rest on each side, about.
    pub(crate) orders_per_side: usize,
    /// Between two orders, cancels or takes, on average; above zero.
    pub(crate) pause: Span,
}

/// The fair price moves in sixteenths of a tick.
const FAIR_PARTS: i64 = 16;

/// One diff stream: what changed since its last message.
#[derive(Debug, Clone)]
struct DiffStream {
    pace: Pace,
    period: Span,
    due: Nanos,
    sent_id: u64,
    /// Messages that were sent.
    number: u64,
    changed: BTreeSet<(bool, Px)>,
}

/// What became of clients' orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matched {
    /// Fills in which a client took part, with the number of the trade.
    pub(crate) fills: Vec<(u64, Fill)>,
    /// Those that met others of their owner.
    pub(crate) prevented: Vec<Prevented>,
}

/// One instrument's market.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    instrument: Instrument,
    profile: Profile,
    dice: fastrand::Rng,
    book: Matching,
    /// The flow's own resting orders, per side; some may have been filled already.
    own: [Vec<OrderId>; 2],
    /// In parts of a tick.
    fair: i64,
    epoch: UnixNanos,
    next_action: Nanos,
    diffs: [DiffStream; 2],
    trade_id: u64,
    quoted: Option<(Level, Level)>,
    effects: Effects,
    matched: Matched,
    /// Nobody rests on this side until then.
    barred: Option<(Side, Nanos)>,
    /// Until when somebody acts so often, each time with a message.
    hurried: (Nanos, Span),
}

impl Flow {
    /// A market with both sides filled, at virtual time zero, which is `epoch` on the wall clock.
    pub(crate) fn new(
        instrument: Instrument,
        profile: Profile,
        seed: u64,
        epoch: UnixNanos,
    ) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let first_id = dice.u64(1_000_000..9_000_000_000);
        // Instruments do not speak all at once: each has a beat of its own.
        let mut diff = |pace, period: Span| DiffStream {
            pace,
            period,
            due: Nanos(dice.u64(1..=period.0)),
            sent_id: 0,
            number: 0,
            changed: BTreeSet::new(),
        };
        let diffs = [
            diff(Pace::Fast, Span::from_millis(100)),
            diff(Pace::Slow, Span::from_millis(1000)),
        ];
        let mut flow = Self {
            fair: profile.fair.0 / instrument.tick.0 * FAIR_PARTS,
            book: Matching::new(first_id),
            own: [Vec::new(), Vec::new()],
            next_action: Nanos(dice.u64(0..=profile.pause.0)),
            diffs,
            trade_id: dice.u64(1_000_000..9_000_000_000),
            quoted: None,
            effects: Effects::default(),
            matched: Matched::default(),
            barred: None,
            hurried: (Nanos::ZERO, Span::ZERO),
            instrument,
            profile,
            dice,
            epoch,
        };
        flow.fill();
        flow
    }

    /// The next virtual time at which something happens.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let due = self
            .diffs
            .iter()
            .map(|diff| diff.due)
            .min()
            .unwrap_or(Nanos::NEVER);
        due.min(self.next_action)
    }

    /// Plays the one next thing, at [`Self::poll_timeout`]: an action, or the depth messages that
    /// are due.
    pub(crate) fn step(&mut self, out: &mut Vec<Happened>) {
        let at = self.poll_timeout();
        if self.next_action == at {
            self.act(at, out);
            if at < self.hurried.0 {
                self.send(Pace::Fast as usize, at, out);
            }
            return;
        }
        for n in 0..self.diffs.len() {
            let diff = &mut self.diffs[n];
            if diff.due == at {
                diff.due = diff.due + diff.period;
                self.send(n, at, out);
            }
        }
    }

    /// Sends at `now` what the depth stream of this pace has gathered, ahead of its beat.
    pub(crate) fn flush(&mut self, now: Nanos, pace: Pace, out: &mut Vec<Happened>) {
        self.send(pace as usize, now, out);
    }

    /// The book's ids and the numbers of its messages begin again.
    pub(crate) fn renumber(&mut self) {
        self.book.renumber(1);
        for diff in &mut self.diffs {
            (diff.sent_id, diff.number) = (1, 1);
        }
    }

    /// The flow's own orders of this side go at `now`, and nobody rests there until then.
    pub(crate) fn empty(&mut self, now: Nanos, side: Side, until: Nanos, out: &mut Vec<Happened>) {
        for id in std::mem::take(&mut self.own[side as usize]) {
            self.book.cancel(id, &mut self.effects);
        }
        self.barred = Some((side, until));
        self.publish(now, out);
    }

    /// Nothing happens until then.
    pub(crate) fn halt(&mut self, until: Nanos) {
        self.next_action = self.next_action.max(until);
        for diff in &mut self.diffs {
            while diff.due < until {
                diff.due = diff.due + diff.period;
            }
        }
    }

    /// From `now` until then somebody acts so often, each time with a message.
    pub(crate) fn hurry(&mut self, now: Nanos, until: Nanos, pause: Span) {
        let pause = Span(pause.0.max(1));
        self.hurried = (until, pause);
        self.next_action = self.next_action.min(now + pause);
    }

    /// Messages that the depth stream of this pace has sent.
    pub(crate) fn number(&self, pace: Pace) -> u64 {
        self.diffs[pace as usize].number
    }

    /// Puts a client's order in at `now`, at or after all that was played. Gives its id.
    pub(crate) fn place(
        &mut self,
        now: Nanos,
        order: Incoming,
        out: &mut Vec<Happened>,
    ) -> OrderId {
        let id = self.book.place(order, &mut self.effects);
        self.publish(now, out);
        id
    }

    /// The id of a client's order that never comes into the book.
    pub(crate) fn skip(&mut self) -> OrderId {
        self.book.skip()
    }

    /// Takes a client's order out at `now`.
    pub(crate) fn cancel(&mut self, now: Nanos, id: OrderId, out: &mut Vec<Happened>) {
        self.book.cancel(id, &mut self.effects);
        self.publish(now, out);
    }

    /// Makes a client's order smaller by this much at `now`.
    pub(crate) fn reduce(&mut self, now: Nanos, id: OrderId, by: Qty, out: &mut Vec<Happened>) {
        self.book.reduce(id, by, &mut self.effects);
        self.publish(now, out);
    }

    /// What became of clients' orders since the last call.
    pub(crate) fn take_matched(&mut self) -> Matched {
        std::mem::take(&mut self.matched)
    }

    /// The book as it stands.
    pub(crate) fn book(&self) -> &Matching {
        &self.book
    }

    /// The best levels as they stand: the truth at [`Matching::update_id`].
    pub(crate) fn top(&self) -> Top<AUDIT_LEVELS> {
        let mut top = Top::EMPTY;
        for side in [Side::Buy, Side::Sell] {
            let whole = self.book.levels(side).nth(AUDIT_LEVELS).is_none();
            top.set(side, self.book.levels(side), AUDIT_LEVELS, whole);
        }
        top
    }

    fn fill(&mut self) {
        for side in [Side::Buy, Side::Sell] {
            for _ in 0..self.profile.orders_per_side {
                self.rest_one(side);
            }
        }
        self.effects = Effects::default();
        for diff in &mut self.diffs {
            diff.sent_id = self.book.update_id();
        }
    }

    /// One step of the market: the fair price moves, then somebody rests, cancels or takes.
    fn act(&mut self, at: Nanos, out: &mut Vec<Happened>) {
        let (hurried_until, hurry) = self.hurried;
        self.next_action = match at < hurried_until {
            true => at + hurry,
            false => at + Span(self.dice.u64(1..=2 * self.profile.pause.0)),
        };
        let barred = self.barred.filter(|(_, until)| at < *until);
        let barred = barred.map(|(side, _)| side);
        self.fair += self.dice.i64(-8..=8);
        let side = if self.dice.bool() {
            Side::Buy
        } else {
            Side::Sell
        };
        let crowd = self.own[side as usize].len();
        let rest_below = if crowd < self.profile.orders_per_side {
            66
        } else {
            50
        };
        match self.dice.u8(..100) {
            0..14 => self.take(),
            roll if roll < rest_below && barred == Some(side) => {}
            roll if roll < rest_below => self.rest_one(side),
            _ => self.cancel_one(side),
        }
        self.publish(at, out);
    }

    /// Rests near the touch or somewhere in the depth; what crosses trades, as it does on a market.
    fn rest_one(&mut self, side: Side) {
        let depth = self.profile.depth_ticks;
        let ticks = match self.dice.u8(..10) {
            0..3 => self.dice.i64(0..=4),
            // The smaller of two dice: dense near the touch, thin in the depth.
            _ => self
                .dice
                .i64(1..=4 * depth)
                .min(self.dice.i64(1..=4 * depth)),
        };
        let fair = self.fair / FAIR_PARTS;
        let px_ticks = match side {
            Side::Buy => fair - ticks,
            Side::Sell => fair + 1 + ticks,
        };
        let px = Px(px_ticks.max(1) * self.instrument.tick.0);
        let qty = self.quantity();
        let order = Incoming::flow(side, px, qty, true);
        let id = self.book.place(order, &mut self.effects);
        if self.book.rests(id) {
            self.own[side as usize].push(id);
        }
    }

    /// Cancels one of the flow's orders. One that was filled meanwhile is only forgotten.
    fn cancel_one(&mut self, side: Side) {
        let own = &mut self.own[side as usize];
        if !own.is_empty() {
            let id = own.swap_remove(self.dice.usize(..own.len()));
            self.book.cancel(id, &mut self.effects);
        }
    }

    /// Takes liquidity, more often towards the fair price than away from it.
    fn take(&mut self) {
        let (Some(bid), Some(ask)) = (self.book.best(Side::Buy), self.book.best(Side::Sell)) else {
            return;
        };
        let above =
            self.fair * self.instrument.tick.0 / FAIR_PARTS * 2 > bid.px.0.saturating_add(ask.px.0);
        let side = if above == (self.dice.u8(..10) < 7) {
            Side::Buy
        } else {
            Side::Sell
        };
        let (best, slip) = match side {
            Side::Buy => (ask.px, self.instrument.tick.0 * 3),
            Side::Sell => (bid.px, -self.instrument.tick.0 * 3),
        };
        // A client may rest at any price that a number can hold.
        let px = Px(best.0.saturating_add(slip).max(self.instrument.tick.0));
        let qty = self.quantity();
        let order = Incoming::flow(side, px, qty, false);
        self.book.place(order, &mut self.effects);
    }

    fn quantity(&mut self) -> Qty {
        let usual = self.profile.lots;
        Qty(self.dice.u64((usual / 10).max(1)..=usual * 2) * self.instrument.lot.0)
    }

    /// Prints what the last step traded, notes what it changed, and quotes a new best.
    fn publish(&mut self, at: Nanos, out: &mut Vec<Happened>) {
        let exch_time = self.unix(at);
        for fill in self.effects.fills.drain(..) {
            self.trade_id += 1;
            if fill.maker_owner != Owner::NOBODY || fill.taker_owner != Owner::NOBODY {
                self.matched.fills.push((self.trade_id, fill));
            }
            out.push(Happened::Trade(Trade {
                instrument: self.instrument.id,
                id: self.trade_id,
                px: fill.px,
                qty: fill.qty,
                taker: fill.taker_side,
                exch_time,
            }));
        }
        self.matched.prevented.append(&mut self.effects.prevented);
        for (side, px) in self.effects.touched.drain(..) {
            for diff in &mut self.diffs {
                diff.changed.insert((side == Side::Buy, px));
            }
        }
        let (bid, ask) = (self.book.best(Side::Buy), self.book.best(Side::Sell));
        let best = bid.zip(ask);
        if best != self.quoted {
            self.quoted = best;
            if let Some((bid, ask)) = best {
                let (instrument, update_id) = (self.instrument.id, self.book.update_id());
                out.push(Happened::Quote(Quote {
                    instrument,
                    update_id,
                    bid,
                    ask,
                }));
            }
        }
    }

    /// Sends what this depth stream gathered; nothing if nothing changed.
    fn send(&mut self, n: usize, at: Nanos, out: &mut Vec<Happened>) {
        let (exch_time, last_id) = (self.unix(at), self.book.update_id());
        let stream = &mut self.diffs[n];
        let changed = std::mem::take(&mut stream.changed);
        if changed.is_empty() {
            return;
        }
        let prev_id = std::mem::replace(&mut stream.sent_id, last_id);
        stream.number += 1;
        let (pace, number) = (stream.pace, stream.number);
        let book = &self.book;
        let levels = |side: Side| {
            let of_side = changed
                .iter()
                .filter(move |(buy, _)| *buy == (side == Side::Buy));
            of_side.map(move |&(_, px)| Level {
                px,
                qty: book.qty_at(side, px),
            })
        };
        let bids = levels(Side::Buy).rev().collect();
        let asks = levels(Side::Sell).collect();
        let diff = Diff {
            instrument: self.instrument.id,
            first_id: prev_id + 1,
            last_id,
            prev_id: Some(prev_id),
            checksum: None,
            exch_time,
        };
        out.push(Happened::Depth {
            pace,
            diff,
            number,
            bids,
            asks,
        });
    }

    fn unix(&self, at: Nanos) -> UnixNanos {
        UnixNanos(self.epoch.0.saturating_add_unsigned(at.0))
    }
}

#[cfg(test)]
mod tests;
