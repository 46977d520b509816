//! Books, intents and a risk gate for the tests of orders.

use super::{instruments, snapshot};
use tickwire::base::{
    Body, Event, Flags, InstrumentId, Level, Nanos, OrderType, Place, Px, Qty, Side, Span, Stamps,
    StrategyId, Top, UnixNanos, Why,
};
use tickwire::market::Picture;
use tickwire::trading::limits::{RiskLimits, RiskParams};
use tickwire::trading::orders::Orders;
use tickwire::trading::risk::{Admitted, Risk};

pub fn event(at: Nanos, instrument: InstrumentId, body: Body) -> Event {
    Event {
        stamps: Stamps {
            book: at,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: at,
        update_id: 7,
        epoch: 1,
        instrument,
        flags: Flags::default(),
        body,
    }
}

/// A live book: 100.00 to 100.01, ten levels of 1.000 a side.
pub fn book(at: Nanos, instrument: InstrumentId) -> Event {
    let from = snapshot(7);
    let mut top = Top::EMPTY;
    top.set(Side::Buy, from.bids.into_iter(), 10, true);
    top.set(Side::Sell, from.asks.into_iter(), 10, true);
    event(at, instrument, Body::Book(top))
}

/// Risk as configured for the tests, before any event.
pub fn risk(open_orders_max: u32) -> Risk {
    let params = RiskParams {
        qty_max: "10".to_owned(),
        notional_max: "10000000".to_owned(),
        collar_bps: 500,
        orders_per_s: 1_000,
        open_orders_max,
        ..RiskParams::default()
    };
    let limits = RiskLimits::parse(&params, &instruments()).unwrap();
    Risk::new(limits, &instruments(), 1)
}

/// Risk with a ready gateway.
pub fn ready_risk() -> Risk {
    let mut risk = risk(256);
    risk.set_ready(0, true);
    risk
}

pub fn buy(instrument: InstrumentId, qty: u64) -> Place {
    Place {
        strategy: StrategyId::NONE,
        instrument,
        side: Side::Buy,
        px: Px(10_001),
        qty: Qty(qty),
        order_type: OrderType::ImmediateOrCancel,
        tag: 0,
        why: Why {
            signal: "test",
            value: 0.5,
            threshold: 0.1,
            update_id: 7,
            epoch: 1,
            bid: Level::default(),
            ask: Level::default(),
        },
    }
}

/// An order that passed risk at `now`, whatever the age of the books.
pub fn admit(risk: &mut Risk, now: Nanos, instrument: InstrumentId) -> Admitted {
    let mut view = Picture::new(&instruments());
    view.handle_event(now, &book(now, instrument));
    let orders = Orders::new(256, instruments().len(), Span::ZERO);
    risk.admit(now, buy(instrument, 1_000), &view, &orders)
        .unwrap()
}
