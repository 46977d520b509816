//! Buys when the best levels hold much more to buy than to sell, and sells in the opposite case.
//! Reads no incomplete, crossed or outdated book, and keeps no position.

use super::sizes::{fitting_qty, order_qtys};
use super::{Intents, Key, Kind, Sort, Strategy, StrategyError, Table, Values, View};
use crate::base::event::EVENT_LEVELS;
use crate::base::{
    Body, Event, InstrumentId, Nanos, OrderType, Place, Qty, Side, Span, StrategyId, Top, Why,
};
use crate::market::signals;

/// The name of the signal in decision logs.
const SIGNAL: &str = "imbalance";

/// How it is configured and built.
pub(crate) const KIND: Kind = Kind {
    name: "imbalance",
    help: "takes the side on which the best levels hold much more than on the other",
    keys: &[DEPTH, THRESHOLD, COOLDOWN_MS, QUANTITY],
    settable: &[THRESHOLD, COOLDOWN_MS, QUANTITY],
    levels: Some(&DEPTH),
    exchanges_min: 1,
    build: |values, table| {
        let strategy = Imbalance::new(&Params::of(values), table)?;
        Ok(Box::new(strategy))
    },
};

const DEPTH: Key = Key {
    name: "depth",
    sort: Sort::Int {
        min: 1,
        max: EVENT_LEVELS as u64,
        default: 5,
    },
    help: "levels per side that are weighed",
};
const THRESHOLD: Key = Key {
    name: "threshold",
    sort: Sort::Ratio {
        above: 0.0,
        below: 1.0,
        default: 0.6,
    },
    help: "imbalance that must be exceeded",
};
const COOLDOWN_MS: Key = Key {
    name: "cooldown_ms",
    sort: Sort::Int {
        min: 0,
        max: 3_600_000,
        default: 500,
    },
    help: "pause after an intent, per instrument, in milliseconds",
};
const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.001" },
    help: "quantity of an order, in base currency",
};

/// Its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Params {
    /// Levels per side that the signal reads, 1 ..= 10 (what an event carries).
    pub depth: usize,
    /// The signal's absolute value that must be exceeded, above 0 and below 1.
    pub threshold: f64,
    /// Silence after an intent, separately for each instrument.
    pub cooldown: Span,
    /// Order quantity, as decimal text, in the instrument's own unit; rounded down to each
    /// instrument's lot.
    pub quantity: String,
}

/// Wants a LIMIT IOC at the opposite best price when the imbalance exceeds its threshold.
#[derive(Debug)]
pub struct Imbalance {
    depth: usize,
    threshold: f64,
    cooldown: Span,
    /// What to order, in base currency, as decimal text.
    quantity: String,
    /// One per instrument, at the index of its id.
    seats: Vec<Seat>,
}

/// What it remembers about one instrument.
#[derive(Debug, Clone, Copy)]
struct Seat {
    /// Zero if the configured quantity does not fit the instrument: it is not traded.
    qty: Qty,
    /// No intent before this. A resync does not shorten it: a flapping feed must not trade faster.
    ready_at: Nanos,
}

impl Params {
    fn of(values: &Values) -> Self {
        Self {
            depth: values.int(&DEPTH) as usize,
            threshold: values.ratio(&THRESHOLD),
            cooldown: Span::from_millis(values.int(&COOLDOWN_MS)),
            quantity: values.quantity(&QUANTITY),
        }
    }
}

impl Imbalance {
    /// Trades those instruments of the table that are its own and that the quantity fits.
    pub fn new(params: &Params, table: &Table<'_>) -> Result<Self, StrategyError> {
        if !(1..=EVENT_LEVELS).contains(&params.depth) {
            return Err(StrategyError::Depth(params.depth));
        }
        // Spelt so that NaN is refused as well. Nothing exceeds 1: it would never decide.
        if !(params.threshold > 0.0 && params.threshold < 1.0) {
            return Err(StrategyError::Threshold(params.threshold));
        }
        let seat = |qty| Seat {
            qty,
            ready_at: Nanos::ZERO,
        };
        let qtys = order_qtys(&params.quantity, table)?;
        Ok(Self {
            depth: params.depth,
            threshold: params.threshold,
            cooldown: params.cooldown,
            quantity: params.quantity.clone(),
            seats: qtys.into_iter().map(seat).collect(),
        })
    }

    /// The side that the signal wants now, and the inputs that say so.
    fn decide(&self, event: &Event, top: &Top<EVENT_LEVELS>) -> Option<(Side, Why)> {
        if !top.complete(self.depth) || top.crossed() {
            return None;
        }
        let (bid, ask) = top.best()?;
        let value = signals::imbalance(top, self.depth)?;
        let side = if value > self.threshold {
            Side::Buy
        } else if value < -self.threshold {
            Side::Sell
        } else {
            return None;
        };
        let why = Why {
            signal: SIGNAL,
            value,
            threshold: self.threshold,
            update_id: event.update_id,
            epoch: event.epoch,
            bid,
            ask,
        };
        Some((side, why))
    }
}

impl Strategy for Imbalance {
    fn handle_event(&mut self, now: Nanos, event: &Event, _view: &View<'_>, out: &mut Intents) {
        let index = event.instrument.index();
        let Some(&Seat { qty, ready_at }) = self.seats.get(index) else {
            return; // A gateway's or a timer's event.
        };
        let top = match &event.body {
            Body::Book(top) => top,
            Body::Instrument(instrument) => {
                // A quantity that it can no longer hold becomes zero: the strategy then wants
                // nothing of it.
                self.seats[index].qty = fitting_qty(&self.quantity, instrument);
                return;
            }
            Body::Trade(..)
            | Body::Quote(_)
            | Body::Status(_)
            | Body::Trading(_)
            | Body::Gateway(_)
            | Body::News(_)
            | Body::Account(_)
            | Body::Report(_) => return,
        };
        if now < ready_at || qty == Qty(0) {
            return;
        }
        let Some((side, why)) = self.decide(event, top) else {
            return;
        };
        let intent = Place {
            strategy: StrategyId::NONE, // The desk's to say.
            instrument: event.instrument,
            side,
            px: match side {
                Side::Buy => why.ask.px,
                Side::Sell => why.bid.px,
            },
            qty,
            order_type: OrderType::ImmediateOrCancel,
            tag: 0, // It forgets an order at once: the cool-down is all that it knows of one.
            why,
        };
        // What does not fit was not wanted yet: no cool-down for it.
        if out.try_push(intent.into()).is_ok() {
            self.seats[index].ready_at = now + self.cooldown;
        }
    }

    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        self.threshold = values.ratio(&THRESHOLD);
        self.cooldown = Span::from_millis(values.int(&COOLDOWN_MS));
        values.swap_quantity(&QUANTITY, &mut self.quantity);
        // Also of instruments that are not its own: no event of theirs comes here.
        for (seat, instrument) in self.seats.iter_mut().zip(view.market.instruments()) {
            seat.qty = fitting_qty(&self.quantity, instrument);
        }
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        let seat = self.seats.get(instrument.index());
        seat.is_some_and(|seat| seat.qty > Qty(0))
    }
}

#[cfg(test)]
mod tests;
