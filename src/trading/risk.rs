//! The gate between wanting and ordering: only what passes every check becomes [`Admitted`].
//! Believes no strategy about the market: it reads the desk's own picture of each book.

mod account;
mod accounts;
mod book;
mod mode;
mod own;
mod seat;

use super::exposure::{Exposure, Scope};
use super::limits::{BPS, RiskLimits, RiskParams, SizeLimit};
use super::orders::{Moved, Orders};
use super::pnl::{Pnl, Row};
use super::refusal::{Compared, Refusal, Refusals, Refused, Unit};
use crate::base::{
    Body, ClientId, DAY_NS, DayGain, Deed, Event, Fill, Instrument, InstrumentId, Mode, Nanos,
    NewOrder, Place, Px, Qty, Span, StrategyId, UnixNanos,
};
use crate::market::{Fresh, Picture, Present};
use accounts::Accounts;
pub(crate) use mode::{ModeChange, Whose};
use own::Own;
use seat::Seat;
use std::collections::VecDeque;
use std::hint::black_box;

/// The wall clock is looked at so often, since it may be set.
const DAY_LOOK: Span = Span::from_secs(60);
/// Room for changes of modes, before their queue must grow.
const MODES: usize = 64;

/// An order that passed risk. Only [`Risk::admit`] makes one, with a [`Fresh`] book in hand, and it
/// cannot be copied: to send it is to use it up.
///
/// ```
/// use tickwire::base::NewOrder;
/// use tickwire::trading::risk::Admitted;
///
/// fn send(admitted: Admitted) -> NewOrder {
///     *admitted.order()
/// }
/// ```
///
/// ```compile_fail
/// use tickwire::base::NewOrder;
/// use tickwire::trading::risk::Admitted;
///
/// fn forge(order: NewOrder) -> Admitted {
///     Admitted { order }
/// }
/// ```
///
/// ```compile_fail
/// use tickwire::base::NewOrder;
/// use tickwire::trading::risk::Admitted;
///
/// fn send_twice(admitted: Admitted) -> [Admitted; 2] {
///     [admitted, admitted]
/// }
/// ```
#[derive(Debug)]
#[must_use = "an admitted order holds a slot among the open orders until it is reported on"]
pub struct Admitted {
    order: NewOrder,
}

impl Admitted {
    /// What the gateway encodes.
    pub fn order(&self) -> &NewOrder {
        &self.order
    }
}

/// Every gate of the desk, and the state that they read.
///
/// Which orders are open it asks [`Orders`] whenever it judges: it keeps no list of its own. What
/// they and the positions are worth is followed change by change.
///
/// Invariant: ids rise: every order that was admitted is below `next_client_id`;
/// `collar_bps <= BPS`.
#[derive(Debug)]
pub struct Risk {
    /// What is judged now is the desk's own, to close a position: it passes modes if it reduces.
    closing: bool,
    accounts: Accounts,
    /// What is admitted now will have a record.
    recorded: bool,
    /// The exit writes numbers at the scales that the run began with.
    keeps_scales: bool,
    collar_bps: u32,
    reference_bps: u32,
    exchange_gross_max: i128,
    exchange_net_max: i128,
    instrument_open_orders_max: usize,
    identical_orders_max: usize,
    clock_skew_max: Span,
    /// What was configured, for an instrument whose scales change.
    params: RiskParams,
    /// The next id to give; every id below it is used up.
    next_client_id: u64,
    /// Everybody together.
    all: Own,
    /// By strategy id; the last one is everybody who has none.
    own: Vec<Own>,
    exposure: Exposure,
    pnl: Pnl,
    /// The day that gains and losses are counted of, in days since 1970, and when to look again.
    day: i64,
    day_due: Nanos,
    modes: VecDeque<ModeChange>,
    /// One per instrument, at the index of its id.
    seats: Vec<Seat>,
    refusals: Refusals,
}

impl Risk {
    /// `limits` were resolved for the same `instruments`, the run's table; client ids count up from
    /// `first_client_id`. One account takes the orders of all instruments, and is not ready.
    pub fn new(limits: RiskLimits, instruments: &[Instrument], first_client_id: u64) -> Self {
        assert_eq!(
            limits.sizes.len(),
            instruments.len(),
            "limits of another table"
        );
        assert!(limits.collar_bps <= BPS, "a collar wider than the price");
        let seat = |(index, (instrument, limit)): (usize, (&Instrument, &SizeLimit))| {
            assert_eq!(instrument.id.index(), index, "the table is in id order");
            Seat {
                limit: *limit,
                scales: (instrument.px_scale, instrument.qty_scale),
                account: Some(0),
                frozen: false,
                mode: Mode::Trading,
                references: book::references(instrument, instruments),
            }
        };
        let table = instruments.iter().zip(&limits.sizes);
        Self {
            closing: false,
            accounts: Accounts::one(),
            recorded: true,
            keeps_scales: false,
            collar_bps: limits.collar_bps,
            reference_bps: limits.reference_bps,
            exchange_gross_max: limits.exchange_gross_max,
            exchange_net_max: limits.exchange_net_max,
            instrument_open_orders_max: limits.instrument_open_orders_max,
            identical_orders_max: limits.identical_orders_max,
            clock_skew_max: limits.clock_skew_max,
            params: limits.params,
            next_client_id: first_client_id,
            exposure: Exposure::new(instruments, limits.own.len() - 1),
            pnl: Pnl::new(instruments, 0),
            all: Own::new(limits.all),
            own: limits.own.into_iter().map(Own::new).collect(),
            day: 0,
            day_due: Nanos::ZERO,
            modes: VecDeque::with_capacity(MODES),
            seats: table.enumerate().map(seat).collect(),
            refusals: Refusals::default(),
        }
    }

    /// Follows books and listings. Every event of the desk comes here before the
    /// strategies see it.
    pub fn handle_event(&mut self, event: &Event) {
        let id = event.instrument;
        match &event.body {
            Body::Book(top) => {
                if self.exposure.handle_book(id, top) {
                    self.judge_losses(id);
                }
            }
            Body::Instrument(instrument) => self.relist(id, instrument),
            Body::Status(_) | Body::Trading(_) => {} // The picture has them.
            Body::Trade(..) | Body::Quote(_) => {}
            Body::Gateway(_) | Body::News(_) | Body::Account(_) => {} // The desk says what follows.
            Body::Report(_) => {} // Of orders and fills it hears by `follow`.
        }
        self.check();
    }

    /// Takes in what changed of the orders and their fills. To be called after each change of
    /// theirs, before anybody decides.
    pub fn follow(&mut self, orders: &mut Orders) {
        while let Some(moved) = orders.poll_moved() {
            self.handle_moved(&moved);
        }
    }

    /// The account traded, by no order that is known.
    pub(crate) fn handle_stray(&mut self, instrument: InstrumentId, fill: &Fill) {
        self.pnl.handle_fill(StrategyId::NONE, instrument, fill);
        self.exposure.handle_stray(instrument, fill);
        self.follow_listing(instrument);
        self.judge_losses(instrument);
    }

    /// A position that was there before, with what was paid for a unit of it, if that is known.
    pub fn restore(
        &mut self,
        strategy: StrategyId,
        instrument: InstrumentId,
        qty: i128,
        entry: Option<Px>,
    ) {
        self.exposure.restore(strategy, instrument, qty, entry);
    }

    /// What positions gained and lost.
    pub(crate) fn pnl(&self) -> &Pnl {
        &self.pnl
    }

    /// So many strategies have positions of their own, whoever has limits of its own. To be called
    /// before the first of them.
    pub(crate) fn open_positions(&mut self, instruments: &[Instrument], strategies: usize) {
        self.pnl = Pnl::new(instruments, strategies);
    }

    /// What an earlier run left of them.
    pub(crate) fn pnl_mut(&mut self) -> &mut Pnl {
        &mut self.pnl
    }

    /// What was traded or is held, by strategy, then by instrument, at the last books.
    pub(crate) fn pnl_rows(&self) -> impl Iterator<Item = Row> {
        self.pnl.rows(|id| self.exposure.touch(id))
    }

    /// Until its first book an instrument of which something is held counts at this price at least.
    pub(crate) fn hint(&mut self, instrument: InstrumentId, px: Px) {
        self.exposure.hint(instrument, px);
    }

    /// What was gained of this day of UTC, and what it was valued at: for the journal.
    pub(crate) fn day_deeds(&self) -> impl Iterator<Item = Deed> {
        let marks = self.exposure.held().filter_map(|id| self.mark_deed(id));
        marks.chain(self.exposure.days().map(Deed::Day))
    }

    /// What an instrument is valued at.
    pub(crate) fn mark_deed(&self, instrument: InstrumentId) -> Option<Deed> {
        let (bid, ask) = self.exposure.marked(instrument)?;
        Some(Deed::Marked {
            instrument,
            bid,
            ask,
        })
    }

    /// An instrument was valued at this touch by an earlier run. To be told before what was held of
    /// it is restored: that gains and loses from there.
    pub(crate) fn mark(&mut self, instrument: InstrumentId, bid: Px, ask: Px) {
        self.exposure.mark(instrument, bid, ask);
    }

    /// So much was gained of this day of UTC by earlier runs: gains and losses go on from there.
    pub(crate) fn resume_day(&mut self, day: i64, gains: &[DayGain]) {
        self.day = day;
        gains.iter().for_each(|gain| self.exposure.resume_day(gain));
    }

    /// A strategy cancels an order. That always goes; if it happens too often there are no new
    /// orders.
    pub(crate) fn handle_cancel(&mut self, now: Nanos, strategy: StrategyId) {
        self.own_mut(strategy).handle_cancel(now);
    }

    /// When [`Self::handle_timeout`] is wanted: at the latest a minute later, since wall clocks are
    /// set.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        self.day_due
    }

    /// Begins the day's counts anew if it is another day by the wall clock, in UTC.
    pub fn handle_timeout(&mut self, now: Nanos, unix: UnixNanos) {
        if now < self.day_due {
            return;
        }
        let day = unix.day();
        let left = DAY_NS - unix.0.rem_euclid(DAY_NS);
        self.day_due = now + Span(left.unsigned_abs()).min(DAY_LOOK);
        if day != self.day {
            self.day = day;
            self.all.begin_day();
            self.own.iter_mut().for_each(Own::begin_day);
            self.exposure.begin_day();
        }
    }

    /// Makes an order of `intent`, or names the first gate that it fails, in the order of
    /// [`Refusal`]'s arms. A refusal changes nothing but its counter. `view` is the desk's picture
    /// at `now`, and `orders` are all that are open: an order that this one is to replace is still
    /// among them, and counts.
    pub fn admit(
        &mut self,
        now: Nanos,
        intent: Place,
        view: &Picture,
        orders: &Orders,
    ) -> Result<Admitted, Refused> {
        debug_assert!(
            self.agrees(intent.instrument, orders),
            "orders not followed"
        );
        match self.judge(&intent, view.at(now), orders) {
            Ok(fresh) => Ok(self.mint(now, intent, fresh)),
            Err(refused) => {
                self.refusals.record(intent.instrument, &refused);
                Err(refused)
            }
        }
    }

    /// Judges an intent for the way there: nobody hears of what comes of it, and nothing is
    /// counted.
    pub(crate) fn rehearse(&self, now: Nanos, intent: &Place, view: &Picture, orders: &Orders) {
        let _ = black_box(self.judge(black_box(intent), view.at(now), orders));
    }

    /// Refuses an intent for a reason that its desk knows.
    pub(crate) fn refuse(&mut self, instrument: InstrumentId, gate: Refusal) -> Refused {
        let refused = Refused::from(gate);
        self.refusals.record(instrument, &refused);
        refused
    }

    /// As [`Self::admit`], for what the desk itself wants of a strategy's position: it passes
    /// whoever is halted, and must make both the account's position and the strategy's smaller.
    pub(crate) fn admit_closing(
        &mut self,
        now: Nanos,
        intent: Place,
        view: &Picture,
        orders: &Orders,
    ) -> Result<Admitted, Refused> {
        self.closing = true;
        let admitted = self.admit(now, intent, view, orders);
        self.closing = false;
        admitted
    }

    /// The largest order at this price.
    pub(crate) fn largest(&self, instrument: &Instrument, px: Px) -> Qty {
        let seat = self.seats.get(instrument.id.index());
        let limit = seat.map_or(Qty(0), |seat| seat.limit.qty_max);
        let unit = instrument.notional(px, Qty(1)).filter(|unit| *unit > 0);
        let worth = seat
            .zip(unit)
            .map(|(seat, unit)| seat.limit.notional_max / unit);
        let worth = worth.map_or(0, |units| u64::try_from(units).unwrap_or(u64::MAX));
        Qty(limit.0.min(instrument.qty_max.0).min(worth))
    }

    /// Refuses every intent while records of orders cannot be kept. Open orders may still be
    /// cancelled.
    pub(crate) fn set_recorded(&mut self, recorded: bool) {
        self.recorded = recorded;
    }

    /// Refuses orders of instruments whose scales are no longer those that the run began with,
    /// since the exit writes numbers at those.
    pub(crate) fn keep_scales(&mut self) {
        self.keeps_scales = true;
    }

    /// Refused intents by gate, and what each gate compared.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// It reads prices from `present` alone, which has none that are old.
    fn judge<'p>(
        &self,
        intent: &Place,
        present: Present<'p>,
        open: &Orders,
    ) -> Result<Fresh<'p>, Refused> {
        refuse_if(self.is_halted(intent), Refusal::Halted)?;
        let id = intent.instrument;
        let account = self.account_of(id);
        refuse_if(!account.ready, Refusal::GatewayDown)?;
        refuse_if(!self.recorded, Refusal::Unrecorded)?;
        let (skew, skew_max) = (account.clock_skew, self.clock_skew_max);
        hold_if(skew > skew_max, Refusal::ClockSkew, || {
            (Unit::Ns, skew_max.0.into(), skew.0.into())
        })?;
        let (seat, instrument) = (self.seats.get(id.index()), present.instrument(id));
        let (seat, instrument) = seat.zip(instrument).ok_or(Refusal::UnknownInstrument)?;
        let reach = self.reach(intent).ok_or(Refusal::UnknownInstrument)?;
        seat.judge_listing(instrument)?;
        refuse_if(!self.exposure.is_settled(id), Refusal::NotTrading)?;
        self.judge_mode(intent, &reach)?;
        seat.judge_order(intent, instrument)?;
        refuse_if(self.next_client_id == u64::MAX, Refusal::Overflow)?;
        let fresh = book::judge_book(intent, present, self.collar_bps)?;
        let (scale, references) = (instrument.px_scale, &seat.references);
        book::judge_reference(intent, scale, references, present, self.reference_bps)?;
        self.judge_account(present.now(), intent, (instrument, &reach), open)?;
        Ok(fresh)
    }

    /// Takes a fresh book: there is no order without one.
    fn mint(&mut self, now: Nanos, intent: Place, fresh: Fresh<'_>) -> Admitted {
        debug_assert!(fresh.top().best().is_some(), "an order without a price");
        assert!(
            !self.is_halted(&intent),
            "an order of somebody who is halted"
        );
        let account = self.account_of(intent.instrument);
        assert!(account.ready, "an order that nobody takes");
        assert!(self.recorded, "an order without a record");
        assert!(self.next_client_id < u64::MAX, "no id is left");
        let client_id = ClientId(self.next_client_id);
        self.next_client_id += 1;
        self.all.handle_order(now);
        self.own_mut(intent.strategy).handle_order(now);
        self.seats[intent.instrument.index()].check_admitted(&intent);
        let Place {
            strategy,
            instrument,
            side,
            px,
            qty,
            order_type,
            tag: _,
            why: _,
        } = intent;
        assert!(px.0 > 0, "an order at no price");
        assert!(qty.0 > 0, "an order of nothing");
        self.check();
        Admitted {
            order: NewOrder {
                client_id,
                strategy,
                instrument,
                side,
                px,
                qty,
                order_type,
            },
        }
    }

    fn handle_moved(&mut self, moved: &Moved) {
        // A fill is at the listing that its order was written at: the exposure takes another one
        // only when the last order is over.
        if let Some(fill) = &moved.fill {
            self.pnl.handle_fill(moved.strategy, moved.instrument, fill);
        }
        self.exposure.handle_moved(moved);
        self.follow_listing(moved.instrument);
        if moved.fill.is_some() {
            self.own_mut(moved.strategy).handle_trade();
        }
        self.judge_losses(moved.instrument);
    }

    fn relist(&mut self, id: InstrumentId, listed: &Instrument) {
        let Some(seat) = self.seats.get_mut(id.index()) else {
            return;
        };
        seat.replace(listed, &self.params, self.keeps_scales);
        for own in self.own.iter_mut().chain([&mut self.all]) {
            own.limits.relist(id.index(), listed);
        }
        self.exposure.relist(id, listed, self.keeps_scales);
        self.follow_listing(id);
    }

    /// Positions are counted at the listing at which the exposure is.
    fn follow_listing(&mut self, id: InstrumentId) {
        if let Some(listed) = self.exposure.listing(id) {
            self.pnl.relist(id, listed);
        }
    }

    /// Halts whoever reached a limit of losses, by the sums that this instrument is in.
    fn judge_losses(&mut self, id: InstrumentId) {
        if self.all.mode != Mode::Halted {
            let reached = self.all.reached(&self.exposure.sums(Scope::All, id));
            if let Some((why, compared)) = reached {
                self.change_mode(Whose::All, Mode::Halted, why, Some(compared));
            }
        }
        for at in 0..self.own.len() {
            let strategy = self.strategy_at(at);
            if self.own[at].mode == Mode::Halted {
                continue;
            }
            let sums = self.exposure.sums(Scope::Strategy(strategy), id);
            if let Some((why, compared)) = self.own[at].reached(&sums) {
                let whose = Whose::Strategy(strategy);
                self.change_mode(whose, Mode::Halted, why, Some(compared));
            }
        }
    }

    fn is_halted(&self, intent: &Place) -> bool {
        if self.closing {
            return false; // It must reduce, and that is judged.
        }
        let seat = self.seats.get(intent.instrument.index());
        let of_instrument = seat.map_or(Mode::Trading, |seat| seat.mode);
        let own = self.own(intent.strategy).mode;
        self.all.mode.max(own).max(of_instrument) == Mode::Halted
    }

    /// A strategy's own; the last one is everybody's who has none.
    fn own(&self, strategy: StrategyId) -> &Own {
        &self.own[strategy.index().min(self.own.len() - 1)]
    }

    fn own_mut(&mut self, strategy: StrategyId) -> &mut Own {
        let last = self.own.len() - 1;
        &mut self.own[strategy.index().min(last)]
    }

    fn strategy_at(&self, at: usize) -> StrategyId {
        match at + 1 < self.own.len() {
            true => StrategyId(at as u8),
            false => StrategyId::NONE,
        }
    }

    /// Whether it has the same pending amounts as the orders themselves.
    fn agrees(&self, id: InstrumentId, orders: &Orders) -> bool {
        let cells = self.exposure.cells(id, StrategyId::NONE);
        let pending = orders.pending(id);
        let theirs = [pending.buy, pending.sell].map(|units| i128::try_from(units).ok());
        cells.is_none_or(|[account, _]| account.pending().map(Some) == theirs)
    }

    /// Orders that may be open at once.
    pub(crate) fn open_orders_max(&self) -> usize {
        self.all.limits.open_orders_max
    }

    fn check(&self) {
        debug_assert!(self.collar_bps <= BPS);
        debug_assert!(!self.own.is_empty());
    }
}

fn refuse_if(refused: bool, gate: Refusal) -> Result<(), Refused> {
    match refused {
        true => Err(gate.into()),
        false => Ok(()),
    }
}

/// As [`refuse_if`], with the limit and what was found; both are made only if it refuses.
fn hold_if(
    refused: bool,
    gate: Refusal,
    compare: impl FnOnce() -> (Unit, u128, u128),
) -> Result<(), Refused> {
    if !refused {
        return Ok(());
    }
    let (unit, limit, found) = compare();
    let compared = Some(Compared { unit, limit, found });
    Err(Refused { gate, compared })
}

/// What gates of numbers of orders compare.
fn orders(limit: usize, found: usize) -> (Unit, u128, u128) {
    (Unit::Orders, limit as u128, found as u128)
}

#[cfg(test)]
mod account_tests;
#[cfg(test)]
mod age_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod listing_tests;
#[cfg(test)]
mod loss_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
pub(super) mod tests;
