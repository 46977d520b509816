//! The gate between wanting and ordering: only what passes every check becomes [`Admitted`].
//! Believes no strategy about the market; it reads its own picture of each book.

use super::limits::{self, BPS, RiskLimits, RiskParams, SizeLimit};
use super::picture::Picture;
use super::rate::RateWindow;
use super::refusal::{Compared, Refusal, Refusals, Refused, Unit};
use crate::base::event::{EVENT_LEVELS, LATE_NS_MAX};
use crate::base::{
    Body, ClientId, Event, Instrument, InstrumentId, Intent, Nanos, NewOrder, Px, Qty, Report,
    Side, Top, Why,
};

/// The oldest book that an order may rest on, in nanoseconds from when it was true: a market that is quiet for longer
/// may have changed without our hearing of it.
pub const BOOK_AGE_NS_MAX: u64 = 3_000_000_000;

/// An order that passed risk. Only [`Risk::admit`] makes one, and it cannot be copied: to send it
/// is to use it up.
#[derive(Debug)]
#[must_use = "an admitted order holds a slot among the open orders until it is reported on"]
pub struct Admitted {
    order: NewOrder,
    why: Why,
}

impl Admitted {
    /// What the gateway encodes.
    pub fn order(&self) -> &NewOrder {
        &self.order
    }

    /// What the strategy decided from.
    pub fn why(&self) -> &Why {
        &self.why
    }
}

/// Every gate of the desk, and the state that they read.
///
/// Invariant: `open.len() <= limits.open_orders_max <= open.capacity()`.
#[derive(Debug)]
pub struct Risk {
    killed: bool,
    gateway_ready: bool,
    /// What is admitted now will have a record.
    recorded: bool,
    collar_bps: u32,
    open_orders_max: usize,
    /// What was configured, for an instrument whose scales change.
    params: RiskParams,
    /// The next id to give; every id below it is used up.
    next_client_id: u64,
    /// Orders whose end is not known.
    open: Vec<ClientId>,
    rate: RateWindow,
    /// One an instrument, at the index of its id.
    seats: Vec<Seat>,
    refusals: Refusals,
}

/// What is known of one instrument.
#[derive(Debug)]
struct Seat {
    instrument: Instrument,
    limit: SizeLimit,
    /// The scales that the run began with, `(px, qty)`.
    scales: (u8, u8),
    /// There is an account at its exchange, or orders stay on paper.
    has_account: bool,
    /// It has other scales now than its exit writes, or limits that it cannot hold.
    frozen: bool,
    picture: Picture<Touch>,
}

/// Best bid and ask of a live book.
#[derive(Debug, Clone, Copy)]
struct Touch {
    best: Option<(Px, Px)>,
    /// Both are provably the exchange's own best.
    complete: bool,
    as_of: Nanos,
    /// How old it was when it came. Where that is much, newer data is on its way.
    delay_ns: u64,
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
        let seat = |(index, (instrument, limit)): (usize, (&Instrument, &SizeLimit))| {
            assert_eq!(instrument.id.index(), index, "the table is in id order");
            Seat {
                instrument: *instrument,
                limit: *limit,
                scales: (instrument.px_scale, instrument.qty_scale),
                has_account: true,
                frozen: false,
                picture: Picture::DARK,
            }
        };
        let table = instruments.iter().zip(&limits.sizes);
        Self {
            killed: false,
            gateway_ready: false,
            recorded: true,
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

    /// Follows books, status, the gateway and reports. Every event of the desk comes here before
    /// the strategies see it, at `now`.
    pub fn handle_event(&mut self, now: Nanos, event: &Event) {
        match &event.body {
            Body::Book(_) | Body::Status(_) => {
                if let Some(seat) = self.seats.get_mut(event.instrument.index()) {
                    let picture = &mut seat.picture;
                    picture.handle_event(event, |top| Touch::of(top, now, event.as_of));
                }
            }
            Body::Trading(on) => {
                if let Some(seat) = self.seats.get_mut(event.instrument.index()) {
                    seat.instrument.trading = *on;
                }
            }
            Body::Instrument(instrument) => {
                if let Some(seat) = self.seats.get_mut(event.instrument.index()) {
                    seat.replace(instrument, &self.params);
                    let picture = &mut seat.picture;
                    picture.handle_event(event, |top| Touch::of(top, now, event.as_of));
                }
            }
            Body::Gateway(ready) => self.gateway_ready = *ready,
            Body::Report(report) => self.handle_report(report),
            Body::Trade(..) | Body::Quote(_) | Body::News(_) => {}
        }
    }

    /// Makes an order of `intent`, or names the first gate that it fails, in the order of
    /// [`Refusal`]'s arms. A refusal changes nothing but its counter.
    pub fn admit(&mut self, now: Nanos, intent: Intent) -> Result<Admitted, Refused> {
        match self.check(now, &intent) {
            Ok(()) => Ok(self.mint(now, intent)),
            Err(refused) => {
                self.refusals.record(intent.instrument, &refused);
                Err(refused)
            }
        }
    }

    /// Refuses every intent from now on. There is no way back but a new run.
    pub fn kill(&mut self) {
        self.killed = true;
    }

    /// Refuses orders of every other exchange's instruments: the account is at this one.
    pub fn only_at(&mut self, exchange: &str) {
        for seat in &mut self.seats {
            seat.has_account = seat.instrument.exchange == exchange;
        }
    }

    /// Refuses every intent while records of orders cannot be kept. Not the cancelling of what is open.
    pub fn set_recorded(&mut self, recorded: bool) {
        self.recorded = recorded;
    }

    /// Refuses orders of an instrument whose scales are not those that the run began with: for an exit
    /// that writes numbers at those.
    pub fn halt_rescaled(&mut self, instrument: InstrumentId) {
        if let Some(seat) = self.seats.get_mut(instrument.index()) {
            let now = (seat.instrument.px_scale, seat.instrument.qty_scale);
            seat.frozen = now != seat.scales;
        }
    }

    /// Refused intents by gate, and what each gate compared.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Orders whose end is not known, those in doubt included.
    pub fn open_orders(&self) -> usize {
        self.open.len()
    }

    fn check(&self, now: Nanos, intent: &Intent) -> Result<(), Refused> {
        refuse_if(self.killed, Refusal::Killed)?;
        refuse_if(!self.gateway_ready, Refusal::GatewayDown)?;
        refuse_if(!self.recorded, Refusal::Unrecorded)?;
        let seat = self.seats.get(intent.instrument.index());
        let seat = seat.ok_or(Refusal::UnknownInstrument)?;
        seat.check_order(intent)?;
        refuse_if(self.next_client_id == u64::MAX, Refusal::Overflow)?;
        seat.check_book(now, intent, self.collar_bps)?;
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

    fn mint(&mut self, now: Nanos, intent: Intent) -> Admitted {
        assert!(!self.killed, "an order after the kill switch");
        assert!(self.open.len() < self.open_orders_max, "an order too many");
        let client_id = ClientId(self.next_client_id);
        self.next_client_id += 1; // Checked: the largest id is never given.
        self.open.push(client_id);
        self.rate.record(now);
        let Intent {
            instrument,
            side,
            px,
            qty,
            tif,
            tag: _,
            why,
        } = intent;
        assert!(px.0 > 0 && qty.0 > 0, "an order of nothing");
        Admitted {
            order: NewOrder {
                client_id,
                instrument,
                side,
                px,
                qty,
                tif,
            },
            why,
        }
    }

    /// Closes an order when its end is known; one in doubt keeps its slot. Reports of orders that are not open change
    /// nothing.
    fn handle_report(&mut self, report: &Report) {
        let open = self.open.iter().position(|id| *id == report.client_id);
        if let Some(at) = open.filter(|_| report.outcome.is_end()) {
            self.open.swap_remove(at);
        }
    }

    /// Orders that may be open at once.
    pub fn open_orders_max(&self) -> usize {
        self.open_orders_max
    }

    /// Instruments of the run's table.
    pub fn instruments(&self) -> usize {
        self.seats.len()
    }

    /// As it is listed now; `None` where it is not in the run's table.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.seats.get(id.index()).map(|seat| &seat.instrument)
    }
}

impl Touch {
    fn of(top: &Top<EVENT_LEVELS>, now: Nanos, as_of: Nanos) -> Self {
        Self {
            best: top.best().map(|(bid, ask)| (bid.px, ask.px)),
            complete: top.complete(1),
            as_of,
            delay_ns: now.since(as_of),
        }
    }
}

impl Seat {
    /// Takes the instrument as it is listed now, with its limits at its new scales.
    fn replace(&mut self, instrument: &Instrument, params: &RiskParams) {
        self.instrument = *instrument;
        match limits::SizeLimit::parse(params, instrument) {
            Ok(limit) => (self.limit, self.frozen) = (limit, false),
            Err(_) => self.frozen = true,
        }
    }

    /// What is wrong with an order by itself.
    fn check_order(&self, intent: &Intent) -> Result<(), Refused> {
        let (instrument, limit) = (&self.instrument, &self.limit);
        let (px, qty) = (intent.px.0, intent.qty);
        refuse_if(!self.has_account, Refusal::NoAccount)?;
        refuse_if(!instrument.trading || self.frozen, Refusal::NotTrading)?;
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

    /// What the market, as we see it ourselves, says against it.
    fn check_book(&self, now: Nanos, intent: &Intent, collar_bps: u32) -> Result<(), Refused> {
        let (touch, epoch) = self.picture.live().ok_or(Refusal::BookNotLive)?;
        refuse_if(intent.why.epoch != epoch, Refusal::BookMoved)?;
        let delay_ns = touch.delay_ns;
        hold_if(delay_ns > LATE_NS_MAX, Refusal::BookLate, || {
            (Unit::Ns, LATE_NS_MAX.into(), delay_ns.into())
        })?;
        let age_ns = now.since(touch.as_of);
        hold_if(age_ns > BOOK_AGE_NS_MAX, Refusal::BookStale, || {
            (Unit::Ns, BOOK_AGE_NS_MAX.into(), age_ns.into())
        })?;
        refuse_if(!touch.complete, Refusal::BookIncomplete)?;
        let (bid, ask) = touch.best.ok_or(Refusal::BookIncomplete)?;
        refuse_if(bid >= ask, Refusal::BookCrossed)?;
        let (outside, best) = match intent.side {
            Side::Buy => (in_bps(intent.px, BPS) > in_bps(ask, BPS + collar_bps), ask),
            Side::Sell => (in_bps(intent.px, BPS) < in_bps(bid, BPS - collar_bps), bid),
        };
        hold_if(outside, Refusal::PriceCollar, || {
            (Unit::Bps, collar_bps.into(), bps_between(intent.px, best))
        })
    }
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

/// As [`refuse_if`], with the limit and what was found; both are made only where it refuses.
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
mod listing_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
pub(super) mod tests;
