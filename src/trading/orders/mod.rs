//! One owner of each order's life, from admission to its end. What three sources say of it, in any
//! order and any number of times, becomes reports to its strategy; what nobody says in time becomes
//! a question. Sends nothing itself, and believes no word that contradicts the order.
//!
//! What is known of an order only grows: which of its trades were seen, how much anybody said that
//! it traded, that it was taken, that it is over. So an old truth never replaces a newer one, and
//! the same words make the same of it in whatever order they come.

mod life;
mod seen;
mod settled;

#[cfg(test)]
mod lives_tests;
#[cfg(test)]
mod tests;

use crate::base::{
    ClientId, Fill, InstrumentId, Nanos, NewOrder, News, OpenOrder, OrderRef, OrderType, Outcome,
    Px, Qty, Question, Report, Resting, Said, Side, Source, Span, StrategyId, Working,
};
use life::{Life, Step};
pub(crate) use seen::Seen;
use std::collections::VecDeque;

/// A request without an answer is asked about after this long. The answer may still come.
pub(crate) const ANSWER_MAX: Span = Span::from_secs(1);
/// Trades that were told of as an amount are awaited for this long, and then asked for.
pub(crate) const TRADES_MAX: Span = Span::from_millis(500);
/// A question is asked again after this long, then after twice as long, and so on.
const ASK_AGAIN: Span = Span::from_millis(250);
/// Orders whose end is remembered, for lists that were under way when it came.
const OVER_MAX: usize = 1_024;
/// But never later than that.
pub(crate) const ASK_AGAIN_MAX: Span = Span::from_secs(5);

/// What the orders want from their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// For the strategy of the order, for risk and for the log.
    Report(Report),
    /// For the exchange.
    Ask(Question),
    /// A trade under our name, of an order that nobody here knows. It is in the position from now
    /// on.
    Stray(InstrumentId, Fill),
}

/// What an order may still trade at worst is another amount now, by what it traded or by what was
/// said of it: both at once, so that sums of positions and of pending amounts miss no fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Whose order it is.
    pub(crate) strategy: StrategyId,
    /// Its instrument.
    pub(crate) instrument: InstrumentId,
    /// Buy or sell.
    pub(crate) side: Side,
    /// Its limit.
    pub(crate) px: Px,
    /// What it might have traded.
    pub(crate) before: Qty,
    /// What it still may.
    pub(crate) after: Qty,
    /// What it traded, if that is why.
    pub(crate) fill: Option<Fill>,
}

/// What may still trade of an instrument, at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pending {
    /// Of orders that buy.
    pub(crate) buy: u128,
    /// Of orders that sell.
    pub(crate) sell: u128,
}

impl Pending {
    fn of(&mut self, side: Side) -> &mut u128 {
        match side {
            Side::Buy => &mut self.buy,
            Side::Sell => &mut self.sell,
        }
    }
}

/// The orders that have no end yet.
///
/// Each has exactly one end: the report that carries it removes the order. Room for all that may be
/// open is made at once.
///
/// Invariant: ids rise: every open id is below `next_id`, and each is there once; `working` and
/// `lives` are of the same orders, place by place; `pending` is the sum over them.
#[derive(Debug)]
pub struct Orders {
    /// What strategies see of them.
    working: Vec<Working>,
    lives: Vec<Life>,
    /// Every id below it is used up.
    next_id: u64,
    /// An exchange may not see an order of its own for this long.
    visibility: Span,
    seen: Seen,
    /// By instrument id.
    pending: Vec<Pending>,
    /// The newest orders that have their end, and when it came.
    over: VecDeque<(ClientId, Nanos)>,
    /// The time that it was last.
    now: Nanos,
    /// No order wants anything before this.
    due: Nanos,
    out: VecDeque<Output>,
    /// For whoever keeps the account's sums.
    moved: VecDeque<Moved>,
}

impl Orders {
    /// No orders, and room for so many; of a run with so many instruments. An exchange that is
    /// asked about an order less than `visibility` after it was sent may not know of it yet.
    pub fn new(orders: usize, instruments: usize, visibility: Span) -> Self {
        Self {
            working: Vec::with_capacity(orders),
            lives: Vec::with_capacity(orders),
            next_id: 0,
            visibility,
            seen: Seen::of(instruments),
            pending: vec![Pending::default(); instruments],
            over: VecDeque::with_capacity(OVER_MAX),
            now: Nanos::ZERO,
            due: Nanos::NEVER,
            out: VecDeque::with_capacity(4 * orders),
            moved: VecDeque::with_capacity(2 * orders),
        }
    }

    /// Orders without an end.
    pub fn len(&self) -> usize {
        self.working.len()
    }

    /// Every order has its end.
    pub fn is_empty(&self) -> bool {
        self.working.is_empty()
    }

    /// What strategies see of the orders without an end.
    pub(crate) fn working(&self) -> &[Working] {
        &self.working
    }

    /// The order, while it has no end.
    pub(crate) fn get(&self, client_id: ClientId) -> Option<&Working> {
        self.working.get(self.place(client_id)?)
    }

    /// The order by all its names, while it has no end.
    pub(crate) fn name(&self, client_id: ClientId) -> Option<OrderRef> {
        let at = self.place(client_id)?;
        Some(self.lives[at].name(&self.working[at]))
    }

    /// When the order's end came, as far as that is remembered.
    pub(crate) fn over(&self, client_id: ClientId) -> Option<Nanos> {
        let mut newest = self.over.iter().rev();
        newest.find(|(id, _)| *id == client_id).map(|(_, at)| *at)
    }

    /// When the order went out.
    pub(crate) fn sent(&self, client_id: ClientId) -> Option<Nanos> {
        Some(self.lives[self.place(client_id)?].sent())
    }

    /// How long ago the oldest order of this instrument went out that has no end.
    pub(crate) fn oldest(&self, instrument: InstrumentId, now: Nanos) -> Span {
        let all = self.working.iter().zip(&self.lives);
        let its = all.filter(|(working, _)| working.instrument == instrument);
        let oldest = its.map(|(_, life)| life.age(now)).max();
        oldest.unwrap_or(Span::ZERO)
    }

    /// The exchange can be asked again: whatever is in doubt is asked about at once.
    pub(crate) fn ask_now(&mut self, now: Nanos) {
        for (working, life) in self.working.iter().zip(&mut self.lives) {
            if working.in_doubt {
                life.ask_now(now);
                self.due = now;
            }
        }
        self.check();
    }

    /// The exchange is to say how the order stands: a list that should name it does not.
    pub(crate) fn doubt(&mut self, now: Nanos, client_id: ClientId) {
        if let Some(at) = self.place(client_id) {
            self.step(at, |life, working| life.question_it(now, working));
        }
        self.check();
    }

    /// An order under our name rests at the exchange that nobody here knows: it counts from now on,
    /// as nobody's. False if there is no room for it.
    pub(crate) fn adopt(&mut self, now: Nanos, resting: &Resting) -> bool {
        let (Some(client_id), Some(instrument)) = (resting.client_id, resting.instrument) else {
            return false;
        };
        let known = self.get(client_id).is_some() || self.pending.len() <= instrument.index();
        let real = resting.traded < resting.qty && 0 < resting.px.0;
        if known || !real || self.working.len() == self.working.capacity() {
            return false;
        }
        self.next_id = self.next_id.max(client_id.0.saturating_add(1));
        self.working.push(Working {
            client_id,
            strategy: StrategyId::NONE,
            tag: 0,
            instrument,
            side: resting.side,
            px: resting.px,
            qty: resting.qty,
            filled: Qty(0),
            order_type: OrderType::Limit,
            acked: true,
            in_doubt: false,
            changing: false,
        });
        self.lives.push(Life::adopted(now, resting.exchange_id));
        self.move_sum(self.working.len() - 1, Qty(0), resting.qty, None);
        // Its trades until now are asked for.
        let asked = Source::Query { asked: now };
        let at = self.working.len() - 1;
        self.hear_of(now, at, asked, Said::Traded(resting.traded));
        self.check();
        true
    }

    /// An order of an earlier run: it is in doubt, and asked about first. False if there is no room
    /// for it, or if it is none that could be open.
    pub(crate) fn resume(&mut self, now: Nanos, open: &OpenOrder) -> bool {
        let OpenOrder { working, told, .. } = *open;
        let known = self.get(working.client_id).is_some();
        let ours = working.instrument.index() < self.pending.len();
        let real = working.filled <= told && told <= working.qty && working.filled < working.qty;
        let named = working.client_id.0 < u64::MAX && 0 < working.px.0;
        if known || !ours || !real || !named || self.working.len() == self.working.capacity() {
            return false;
        }
        self.next_id = self.next_id.max(working.client_id.0 + 1);
        self.working.push(Working {
            in_doubt: false,
            ..working
        });
        let life = Life::resumed(now, open);
        let (at, worst) = (self.working.len() - 1, life.worst(&working));
        self.lives.push(life);
        self.move_sum(at, Qty(0), worst, None);
        self.step(at, |life, working| life.look(now, working));
        self.check();
        true
    }

    /// Room for so many more.
    pub(crate) fn make_room(&mut self, more: usize) {
        let all = self.working.capacity() + more;
        self.working.reserve_exact(all - self.working.len());
        self.lives.reserve_exact(all - self.lives.len());
    }

    /// Every order without an end, with all that is known of it.
    pub(crate) fn known(&self, now: Nanos) -> impl Iterator<Item = OpenOrder> {
        let all = self.working.iter().zip(&self.lives);
        all.map(move |(working, life)| life.known(now, working))
    }

    /// Every id below it is used up.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// The order that the exchange has this number for, while it has no end.
    pub(crate) fn by_exchange(&self, instrument: InstrumentId, id: u64) -> Option<ClientId> {
        let all = self.working.iter().zip(&self.lives);
        let mut its = all.filter(|(working, life)| {
            working.instrument == instrument && life.exchange_id() == Some(id)
        });
        its.next().map(|(working, _)| working.client_id)
    }

    /// The trades that were taken in.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// As [`Self::seen`], for whoever goes on from an earlier run.
    pub(crate) fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    /// What may still trade of this instrument, at worst.
    pub(crate) fn pending(&self, instrument: InstrumentId) -> Pending {
        let pending = self.pending.get(instrument.index());
        pending.copied().unwrap_or_default()
    }

    /// An order was admitted, and goes out now: it is open from here on.
    pub fn open(&mut self, now: Nanos, order: &NewOrder, tag: u64) {
        let id = order.client_id.0;
        assert!(order.qty.0 > 0, "risk admits no order of nothing");
        assert!(order.px.0 > 0, "risk admits no order at no price");
        assert!(self.next_id <= id, "risk gives each id once");
        assert!(id < u64::MAX, "risk keeps the largest id back");
        assert!(
            self.working.len() < self.working.capacity(),
            "an order too many"
        );
        self.next_id = id + 1;
        self.working.push(Working {
            client_id: order.client_id,
            strategy: order.strategy,
            tag,
            instrument: order.instrument,
            side: order.side,
            px: order.px,
            qty: order.qty,
            filled: Qty(0),
            order_type: order.order_type,
            acked: false,
            in_doubt: false,
            changing: false,
        });
        let life = Life::begin(now);
        self.due = self.due.min(life.due());
        self.lives.push(life);
        self.move_sum(self.working.len() - 1, Qty(0), order.qty, None);
        self.check();
    }

    /// A cancel or a change of the order goes out now.
    pub(crate) fn change(&mut self, now: Nanos, client_id: ClientId) {
        let Some(at) = self.place(client_id) else {
            return;
        };
        self.lives[at].change(now, &mut self.working[at]);
        self.due = self.due.min(self.lives[at].due());
        self.check();
    }

    /// Takes in what a source says. What is heard of an order that is not here is old news, unless
    /// it is a trade that nobody has seen.
    pub fn hear(&mut self, now: Nanos, news: &News) {
        self.now = self.now.max(now);
        match self.place(news.client_id) {
            Some(at) => self.hear_of(now, at, news.source, news.said),
            None => self.hear_stray(news),
        }
        self.check();
    }

    /// Takes in a trade that names its order by the exchange's own number. One of an order that is
    /// not known by that number is somebody else's, or of an order that was not answered yet:
    /// `Question::Order` finds out.
    pub(crate) fn hear_trade(
        &mut self,
        now: Nanos,
        (instrument, exchange_id): (InstrumentId, u64),
        asked: Nanos,
        fill: Fill,
    ) {
        self.now = self.now.max(now);
        let client_id = self.by_exchange(instrument, exchange_id);
        if let Some(at) = client_id.and_then(|client_id| self.place(client_id)) {
            self.hear_of(now, at, Source::Query { asked }, Said::Fill(fill));
        }
        self.check();
    }

    /// The account's trades in this instrument were listed whole, as of a question that left at
    /// `asked`: an order that the exchange denies and that did not trade never was there.
    pub(crate) fn hear_trades_listed(&mut self, instrument: InstrumentId, asked: Nanos) {
        for at in (0..self.working.len()).rev() {
            if self.working[at].instrument == instrument {
                self.step(at, |life, working| life.trades_listed(working, asked));
            }
        }
        self.check();
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.due
    }

    /// Asks what is due to be asked.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        if now < self.due {
            return;
        }
        for at in (0..self.working.len()).rev() {
            if self.lives[at].due() <= now {
                let visibility = self.visibility;
                self.step(at, |life, working| {
                    life.handle_timeout(now, working, visibility)
                });
            }
        }
        let due = self.lives.iter().map(Life::due).min();
        self.due = due.unwrap_or(Nanos::NEVER);
        self.check();
    }

    /// What is wanted next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// What changed of the sums since it was asked last.
    pub(crate) fn poll_moved(&mut self) -> Option<Moved> {
        self.moved.pop_front()
    }

    /// The run is over: an order that has no end yet ends as one that nobody knows. To be asked
    /// until there is none.
    pub(crate) fn give_up(&mut self) -> Option<Report> {
        let last = self.working.len().checked_sub(1)?;
        let worst = self.lives[last].worst(&self.working[last]);
        self.move_sum(last, worst, Qty(0), None);
        Some(self.close(last, Outcome::Unknown))
    }

    fn hear_of(&mut self, now: Nanos, at: usize, source: Source, said: Said) {
        let instrument = self.working[at].instrument;
        if let Said::Fill(fill) = said {
            if self.seen.contains(instrument, fill.trade_id) {
                return;
            }
            // What does not fit is not believed, and may be told again.
            if self.lives[at].takes(&self.working[at], &fill) {
                self.seen.insert(instrument, fill.trade_id);
            }
        }
        let visibility = self.visibility;
        self.step(at, |life, working| {
            life.hear(now, working, (source, said), visibility)
        });
    }

    fn hear_stray(&mut self, news: &News) {
        if let Said::Fill(fill) = news.said
            && fill.qty.0 > 0
            && self.seen.insert(news.instrument, fill.trade_id)
        {
            self.out.push_back(Output::Stray(news.instrument, fill));
        }
    }

    /// Lets one order take a step, and keeps the sums.
    fn step(&mut self, at: usize, act: impl FnOnce(&mut Life, &mut Working) -> Step) {
        let (working, life) = (&mut self.working[at], &mut self.lives[at]);
        let before = life.worst(working);
        let step = act(life, working);
        let after = match step.end {
            Some(_) => Qty(0),
            None => life.worst(working),
        };
        self.due = self.due.min(life.due());
        let fill = step.told.iter().find_map(|outcome| match outcome {
            Outcome::Fill(fill) => Some(*fill),
            _ => None,
        });
        self.move_sum(at, before, after, fill);
        let working = &self.working[at];
        for outcome in step.told {
            let report = report(working, outcome);
            self.out.push_back(Output::Report(report));
        }
        self.out.extend(step.ask.map(Output::Ask));
        if let Some(end) = step.end {
            let report = self.close(at, end);
            self.out.push_back(Output::Report(report));
        }
    }

    fn close(&mut self, at: usize, end: Outcome) -> Report {
        assert!(end.is_end(), "an end that is none");
        let working = self.working.swap_remove(at);
        self.lives.swap_remove(at);
        if self.over.len() == OVER_MAX {
            self.over.pop_front();
        }
        self.over.push_back((working.client_id, self.now));
        report(&working, end)
    }

    /// Keeps the sums: the order may still trade `after` at worst.
    fn move_sum(&mut self, at: usize, before: Qty, after: Qty, fill: Option<Fill>) {
        if before == after && fill.is_none() {
            return;
        }
        let Working {
            strategy,
            instrument,
            side,
            px,
            ..
        } = self.working[at];
        let sum = self.pending[instrument.index()].of(side);
        *sum = *sum + u128::from(after.0) - u128::from(before.0);
        self.moved.push_back(Moved {
            strategy,
            instrument,
            side,
            px,
            before,
            after,
            fill,
        });
    }

    fn place(&self, client_id: ClientId) -> Option<usize> {
        let mut all = self.working.iter();
        all.position(|order| order.client_id == client_id)
    }

    /// Looks at the newest order; in debug builds at all.
    fn check(&self) {
        assert_eq!(self.working.len(), self.lives.len());
        let below = |order: &Working| order.client_id.0 < self.next_id;
        assert!(self.working.last().is_none_or(below));
        debug_assert!(self.working.iter().all(below));
        debug_assert!(self.working.iter().all(|order| {
            let same = |other: &&Working| other.client_id == order.client_id;
            self.working.iter().filter(same).count() == 1
        }));
        debug_assert!(self.lives.iter().all(|life| self.due <= life.due()));
        debug_assert!(self.sums_hold());
    }

    fn sums_hold(&self) -> bool {
        self.pending.iter().enumerate().all(|(at, pending)| {
            let mut sum = Pending::default();
            for (working, life) in self.working.iter().zip(&self.lives) {
                if working.instrument.index() == at {
                    *sum.of(working.side) += u128::from(life.worst(working).0);
                }
            }
            sum == *pending
        })
    }
}

fn report(working: &Working, outcome: Outcome) -> Report {
    check_told(working, outcome);
    Report {
        client_id: working.client_id,
        strategy: working.strategy,
        tag: working.tag,
        instrument: working.instrument,
        side: working.side,
        px: working.px,
        qty: working.qty,
        remaining: working.remaining(),
        outcome,
    }
}

/// A strategy is told nothing that contradicts what it ordered and what was filled of that.
fn check_told(working: &Working, outcome: Outcome) {
    let left = working.remaining();
    assert!(working.strategy != StrategyId::NONE || working.tag == 0);
    match outcome {
        Outcome::Acked { .. } => assert!(working.acked),
        Outcome::Fill(fill) => {
            assert!(fill.qty.0 > 0, "a fill of nothing");
            assert!(fill.qty <= working.filled, "a fill that is not in the sum");
        }
        Outcome::InDoubt => assert!(working.in_doubt),
        Outcome::Filled => assert!(left == Qty(0), "filled, with something left"),
        Outcome::Cancelled | Outcome::Expired => assert!(left.0 > 0, "over, and filled whole"),
        Outcome::Rejected { .. } | Outcome::NotSent => {
            assert!(left == working.qty, "filled, and never was there");
        }
        Outcome::Refused { .. } => unreachable_refusal(),
        Outcome::Reduced | Outcome::ChangeRefused { .. } | Outcome::Unknown => {}
    }
}

fn unreachable_refusal() {
    debug_assert!(false, "what risk refused never was an order");
}
