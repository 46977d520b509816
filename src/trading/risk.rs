//! The gate between wanting and ordering: only what passes every check becomes [`Admitted`].
//! Believes no strategy about the market: it reads the desk's own picture of each book.

use super::limits::{self, BPS, RiskLimits, RiskParams, SizeLimit};
use super::rate::RateWindow;
use super::refusal::{Compared, Refusal, Refusals, Refused, Unit};
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, ClientId, Event, Instrument, InstrumentId, Nanos, NewOrder, Place, Px, Qty, Report, Side,
    Span,
};
use crate::market::Picture;
use crate::market::picture::Shown;

/// The oldest book that an order may be argued from, in nanoseconds from when it was true: a market
/// that is quiet for longer may have changed without our hearing of it.
pub(crate) const BOOK_AGE_MAX: Span = Span::from_secs(3);

/// An order that passed risk. Only [`Risk::admit`] makes one, and it cannot be copied: to send it
/// is to use it up.
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
/// Invariant: `open.len() <= open_orders_max <= open.capacity()`; ids rise: every open id is below
/// `next_client_id`, and each is there once; `collar_bps <= BPS`.
#[derive(Debug)]
pub struct Risk {
    killed: bool,
    gateway_ready: bool,
    /// What is admitted now will have a record.
    recorded: bool,
    /// The exit writes numbers at the scales that the run began with.
    keeps_scales: bool,
    collar_bps: u32,
    open_orders_max: usize,
    /// What was configured, for an instrument whose scales change.
    params: RiskParams,
    /// The next id to give; every id below it is used up.
    next_client_id: u64,
    /// Orders whose end is not known.
    open: Vec<ClientId>,
    rate: RateWindow,
    /// One per instrument, at the index of its id.
    seats: Vec<Seat>,
    refusals: Refusals,
}

/// What risk allows of one instrument.
///
/// Invariant: it is frozen while its limit is not at the scales that the exit writes.
#[derive(Debug)]
struct Seat {
    limit: SizeLimit,
    /// The scales that the run began with, `(px, qty)`.
    scales: (u8, u8),
    exchange: &'static str,
    /// There is an account at its exchange, or orders stay on paper.
    has_account: bool,
    /// Its scales are no longer those that its exit writes, or it cannot hold its limits.
    frozen: bool,
    /// What the account has of it is not explained: it may only become less.
    reduce_only: bool,
}

impl Risk {
    /// `limits` were resolved for the same `instruments`, the run's table; client ids count up from
    /// `first_client_id`. The gateway is down until an event says otherwise.
    pub fn new(limits: RiskLimits, instruments: &[Instrument], first_client_id: u64) -> Self {
        assert_eq!(
            limits.sizes.len(),
            instruments.len(),
            "limits of another table"
        );
        assert!(limits.collar_bps <= BPS, "a collar wider than the price");
        assert!(0 < limits.open_orders_max, "no order could ever be sent");
        let seat = |(index, (instrument, limit)): (usize, (&Instrument, &SizeLimit))| {
            assert_eq!(instrument.id.index(), index, "the table is in id order");
            Seat {
                limit: *limit,
                scales: (instrument.px_scale, instrument.qty_scale),
                exchange: instrument.exchange,
                has_account: true,
                frozen: false,
                reduce_only: false,
            }
        };
        let table = instruments.iter().zip(&limits.sizes);
        Self {
            killed: false,
            gateway_ready: false,
            recorded: true,
            keeps_scales: false,
            collar_bps: limits.collar_bps,
            open_orders_max: limits.open_orders_max,
            params: limits.params,
            next_client_id: first_client_id,
            open: Vec::with_capacity(limits.open_orders_max),
            rate: RateWindow::new(limits.orders_per_s),
            seats: table.enumerate().map(seat).collect(),
            refusals: Refusals::default(),
        }
    }

    /// Follows listings, the gateway and reports. Every event of the desk comes here before the
    /// strategies see it.
    pub fn handle_event(&mut self, event: &Event) {
        match &event.body {
            Body::Instrument(instrument) => {
                if let Some(seat) = self.seats.get_mut(event.instrument.index()) {
                    seat.replace(instrument, &self.params, self.keeps_scales);
                }
            }
            Body::Gateway(ready) => self.gateway_ready = *ready,
            Body::Report(report) => self.handle_report(report),
            Body::Book(_) | Body::Status(_) | Body::Trading(_) => {} // The picture has them.
            Body::Trade(..) | Body::Quote(_) | Body::News(_) | Body::Account(_) => {}
        }
        self.check();
    }

    /// Makes an order of `intent`, or names the first gate that it fails, in the order of
    /// [`Refusal`]'s arms. A refusal changes nothing but its counter. `view` is the desk's picture
    /// at `now`.
    pub fn admit(
        &mut self,
        now: Nanos,
        intent: Place,
        view: &Picture,
    ) -> Result<Admitted, Refused> {
        match self.judge(now, &intent, view) {
            Ok(()) => Ok(self.mint(now, intent)),
            Err(refused) => {
                self.refusals.record(intent.instrument, &refused);
                Err(refused)
            }
        }
    }

    /// Refuses an intent for a reason that its desk knows.
    pub(crate) fn refuse(&mut self, instrument: InstrumentId, gate: Refusal) -> Refused {
        let refused = Refused::from(gate);
        self.refusals.record(instrument, &refused);
        refused
    }

    /// Refuses every intent from now on. There is no way back but a new run.
    #[cfg(test)] // Nothing throws it yet.
    pub(crate) fn kill(&mut self) {
        self.killed = true;
    }

    /// Refuses orders of every other exchange's instruments: the account is at this one.
    pub(crate) fn only_at(&mut self, exchange: &str) {
        for seat in &mut self.seats {
            seat.has_account = seat.exchange == exchange;
        }
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

    /// Lets positions in this instrument only be reduced, or lifts that.
    pub(crate) fn set_reduce_only(&mut self, instrument: InstrumentId, on: bool) {
        if let Some(seat) = self.seats.get_mut(instrument.index()) {
            seat.reduce_only = on;
        }
    }

    /// Refused intents by gate, and what each gate compared.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Orders whose end is not known, those in doubt included.
    pub(crate) fn open_orders(&self) -> usize {
        self.open.len()
    }

    fn judge(&self, now: Nanos, intent: &Place, view: &Picture) -> Result<(), Refused> {
        refuse_if(self.killed, Refusal::Killed)?;
        refuse_if(!self.gateway_ready, Refusal::GatewayDown)?;
        refuse_if(!self.recorded, Refusal::Unrecorded)?;
        let seat = self.seats.get(intent.instrument.index());
        let instrument = view.instrument(intent.instrument);
        let (seat, instrument) = seat.zip(instrument).ok_or(Refusal::UnknownInstrument)?;
        seat.judge_order(intent, instrument)?;
        refuse_if(self.next_client_id == u64::MAX, Refusal::Overflow)?;
        judge_book(now, intent, view.live(intent.instrument), self.collar_bps)?;
        let orders = |limit: usize, found: usize| (Unit::Orders, limit as u128, found as u128);
        let (open, open_max) = (self.open.len(), self.open_orders_max);
        hold_if(open >= open_max, Refusal::OpenOrders, || {
            orders(open_max, open + 1)
        })?;
        let rate_max = self.rate.max();
        hold_if(!self.rate.has_room(now), Refusal::OrderRate, || {
            orders(rate_max, rate_max + 1)
        })
    }

    fn mint(&mut self, now: Nanos, intent: Place) -> Admitted {
        assert!(!self.killed, "an order after the kill switch");
        assert!(self.gateway_ready, "an order that nobody takes");
        assert!(self.recorded, "an order without a record");
        assert!(self.open.len() < self.open_orders_max, "an order too many");
        assert!(self.next_client_id < u64::MAX, "no id is left");
        let client_id = ClientId(self.next_client_id);
        self.next_client_id += 1;
        self.open.push(client_id);
        self.rate.record(now);
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

    /// Closes an order when its end is known; one in doubt keeps its slot. Reports of orders that
    /// are not open change nothing.
    fn handle_report(&mut self, report: &Report) {
        let open = self.open.iter().position(|id| *id == report.client_id);
        if let Some(at) = open.filter(|_| report.outcome.is_end()) {
            self.open.swap_remove(at);
        }
        debug_assert!(!report.outcome.is_end() || !self.open.contains(&report.client_id));
    }

    /// Orders that may be open at once.
    pub(crate) fn open_orders_max(&self) -> usize {
        self.open_orders_max
    }

    fn check(&self) {
        assert!(self.open.len() <= self.open_orders_max);
        assert!(self.open_orders_max <= self.open.capacity());
        debug_assert!(self.collar_bps <= BPS);
        debug_assert!(self.open.iter().all(|id| id.0 < self.next_client_id));
        debug_assert!(self.open.iter().all(|id| {
            let same = |other: &&ClientId| *other == id;
            self.open.iter().filter(same).count() == 1
        }));
    }
}

impl Seat {
    /// Takes the limits at the scales of the instrument as it is listed now.
    fn replace(&mut self, instrument: &Instrument, params: &RiskParams, keeps_scales: bool) {
        let rescaled = self.scales != (instrument.px_scale, instrument.qty_scale);
        self.frozen = keeps_scales && rescaled;
        match limits::SizeLimit::parse(params, instrument) {
            Ok(limit) => self.limit = limit,
            Err(_) => self.frozen = true,
        }
        assert!(self.frozen || !(keeps_scales && rescaled));
    }

    /// What was judged holds of what is sent.
    fn check_admitted(&self, intent: &Place) {
        assert!(self.has_account, "an order without an account");
        assert!(!self.frozen, "an order at other scales");
        assert!(intent.qty <= self.limit.qty_max, "an order above its limit");
    }

    /// What is wrong with an order by itself.
    fn judge_order(&self, intent: &Place, instrument: &Instrument) -> Result<(), Refused> {
        let limit = &self.limit;
        let (px, qty) = (intent.px.0, intent.qty);
        refuse_if(!self.has_account, Refusal::NoAccount)?;
        refuse_if(!instrument.trading || self.frozen, Refusal::NotTrading)?;
        refuse_if(self.reduce_only, Refusal::ReduceOnly)?;
        refuse_if(qty.0 == 0, Refusal::QuantityZero)?;
        let sized = |limit: Qty| {
            let unit = Unit::Quantity(instrument.qty_scale);
            (unit, u128::from(limit.0), u128::from(qty.0))
        };
        let qty_min = instrument.qty_min;
        hold_if(qty < qty_min, Refusal::QuantityMin, || sized(qty_min))?;
        let qty_max = instrument.qty_max.min(limit.qty_max);
        hold_if(qty > qty_max, Refusal::QuantityMax, || sized(qty_max))?;
        let in_lots = qty.0.is_multiple_of(instrument.lot.0);
        hold_if(!in_lots, Refusal::LotMultiple, || sized(instrument.lot))?;
        let tick = instrument.tick.0.unsigned_abs();
        let in_ticks = px > 0 && (px as u64).is_multiple_of(tick);
        hold_if(!in_ticks, Refusal::TickMultiple, || {
            let unit = Unit::Price(instrument.px_scale);
            (unit, u128::from(tick), u128::from(px.max(0).unsigned_abs()))
        })?;
        let notional = instrument
            .notional(intent.px, qty)
            .ok_or(Refusal::Overflow)?;
        let worth = |limit| (Unit::Notional(instrument.notional_scale()), limit, notional);
        let notional_min = instrument.notional_min;
        hold_if(notional < notional_min, Refusal::NotionalMin, || {
            worth(notional_min)
        })?;
        let notional_max = limit.notional_max;
        hold_if(notional > notional_max, Refusal::NotionalMax, || {
            worth(notional_max)
        })
    }
}

/// What the market, as we see it ourselves, says against it.
fn judge_book(
    now: Nanos,
    intent: &Place,
    shown: Option<&Shown>,
    collar_bps: u32,
) -> Result<(), Refused> {
    let shown = shown.ok_or(Refusal::BookNotLive)?;
    refuse_if(intent.why.epoch != shown.epoch, Refusal::BookMoved)?;
    let delay = shown.delay;
    hold_if(delay > LATE_MAX, Refusal::BookLate, || {
        (Unit::Ns, LATE_MAX.0.into(), delay.0.into())
    })?;
    let age = shown.age(now);
    hold_if(age > BOOK_AGE_MAX, Refusal::BookStale, || {
        (Unit::Ns, BOOK_AGE_MAX.0.into(), age.0.into())
    })?;
    refuse_if(!shown.top.complete(1), Refusal::BookIncomplete)?;
    let (bid, ask) = shown.top.best().ok_or(Refusal::BookIncomplete)?;
    let (bid, ask) = (bid.px, ask.px);
    refuse_if(bid >= ask, Refusal::BookCrossed)?;
    let (outside, best) = match intent.side {
        Side::Buy => (in_bps(intent.px, BPS) > in_bps(ask, BPS + collar_bps), ask),
        Side::Sell => (in_bps(intent.px, BPS) < in_bps(bid, BPS - collar_bps), bid),
    };
    hold_if(outside, Refusal::PriceCollar, || {
        (Unit::Bps, collar_bps.into(), bps_between(intent.px, best))
    })
}

/// How far a price is from another in basis points, rounded up.
fn bps_between(px: Px, from: Px) -> u128 {
    let (px, from) = (i128::from(px.0), i128::from(from.0));
    let away = (px - from).unsigned_abs() * u128::from(BPS);
    away.div_ceil(from.unsigned_abs().max(1))
}

/// `px * bps` without loss: 64 bits by 15 bits always fit into 128.
fn in_bps(px: Px, bps: u32) -> i128 {
    debug_assert!(bps <= 2 * BPS);
    i128::from(px.0) * i128::from(bps)
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

#[cfg(test)]
mod age_tests;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod listing_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
pub(super) mod tests;
