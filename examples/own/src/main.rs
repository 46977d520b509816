//! A strategy of your own, with the whole command line: `cargo run -- run --for 15s`.
//!
//! It follows the order flow: it buys if much more was added to the best bid and taken from the
//! best ask since the last book than rests there now, and sells in the opposite case.

use std::process::ExitCode;
use tickwire::{
    Body, Event, InstrumentId, Intent, Intents, Key, Nanos, Ofi, OrderType, Outcome, Place, Qty,
    Side, Sort, Strategy, StrategyError, StrategyId, StrategyKind, Table, Values, View, Why,
    fitting_qty, order_qtys,
};

/// What a configuration says about it: `[strategy]` with `name = "own"` and these keys.
static KIND: StrategyKind = StrategyKind {
    name: "own",
    help: "takes the side to which more was added than taken since the last book",
    keys: &[THRESHOLD, QUANTITY],
    settable: &[THRESHOLD, QUANTITY], // By `ctl set`, while it runs.
    exchanges_min: 1,
    levels: None, // The best level of a book is enough for it.
    build: |values, table| Ok(Box::new(Own::new(values, table)?)),
};

const THRESHOLD: Key = Key {
    name: "threshold",
    sort: Sort::Ratio {
        above: 0.0,
        below: 100.0,
        default: 0.5,
    },
    help: "flow that must be exceeded, in what rests at the best prices",
};
const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.01" },
    help: "quantity of an order, in base currency",
};

struct Own {
    threshold: f64,
    /// As it is configured: decimal text.
    quantity: String,
    /// One place per instrument, whose id is its index: its order flow, and how much an order is
    /// for. Zero if the quantity does not fit the instrument.
    places: Vec<(Ofi<1>, Qty)>,
    /// Numbers of its own, for the end.
    books: u64,
    fills: u64,
}

impl Own {
    fn new(values: &Values, table: &Table<'_>) -> Result<Self, StrategyError> {
        let quantity = values.quantity(&QUANTITY);
        let places = order_qtys(&quantity, table)?.into_iter();
        Ok(Self {
            threshold: values.ratio(&THRESHOLD),
            quantity,
            places: places.map(|qty| (Ofi::new(), qty)).collect(),
            books: 0,
            fills: 0,
        })
    }
}

impl Strategy for Own {
    /// Called for every event, in order, on the desk's thread. `now` is the only clock. Do not
    /// wait, read, write or allocate here. `view` has every instrument's newest live book. What is
    /// pushed to `out` is a wish: risk decides about it next.
    fn handle_event(&mut self, _now: Nanos, event: &Event, _view: &View<'_>, out: &mut Intents) {
        let Some((ofi, qty)) = self.places.get_mut(event.instrument.index()) else {
            return; // About no instrument.
        };
        let top = match &event.body {
            Body::Book(top) => top,
            Body::Report(report) => {
                self.fills += u64::from(matches!(report.outcome, Outcome::Fill { .. }));
                return;
            }
            Body::Instrument(listed) => {
                // Listed anew: the next book may be at other scales.
                *qty = fitting_qty(&self.quantity, listed); // Zero if it does not fit.
                ofi.reset();
                return;
            }
            _ => return, // Prints, quotes, changes of state: not needed here.
        };
        self.books += 1;
        // There is no flow between books that cannot be compared: after a gap, of another
        // connection, or where the best level is not provably the exchange's.
        let Some([flow]) = ofi.update(top, event.epoch, event.flags.fresh) else {
            return;
        };
        let Some((bid, ask)) = top.best().filter(|_| *qty > Qty(0)) else {
            return;
        };
        let value = flow as f64 / (bid.qty.0 + ask.qty.0) as f64;
        let (side, px) = match value {
            v if v > self.threshold => (Side::Buy, ask.px), // Takes the other side's best price.
            v if v < -self.threshold => (Side::Sell, bid.px),
            _ => return,
        };
        let _ = out.try_push(Intent::from(Place {
            strategy: StrategyId::NONE, // The desk writes whose it is.
            instrument: event.instrument,
            side,
            px,
            qty: *qty,
            order_type: OrderType::ImmediateOrCancel,
            tag: event.update_id, // Our own name for it: each report of the order carries it.
            why: Why {
                signal: "own", // All of this goes into the decision log.
                value,
                threshold: self.threshold,
                update_id: event.update_id,
                epoch: event.epoch,
                bid,
                ask,
            },
        }));
    }

    /// Other values of its `settable` keys, between two events: `tickwire ctl set`.
    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        self.threshold = values.ratio(&THRESHOLD);
        values.swap_quantity(&QUANTITY, &mut self.quantity);
        for ((_, qty), listed) in self.places.iter_mut().zip(view.market.instruments()) {
            *qty = fitting_qty(&self.quantity, listed);
        }
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        let place = self.places.get(instrument.index());
        place.is_some_and(|(_, qty)| *qty > Qty(0))
    }
}

fn main() -> ExitCode {
    tickwire::main_with(&[&KIND], |end| {
        // The strategy comes back when a run or a replay has ended.
        if let Some(own) = end.strategy::<Own>("own") {
            println!("own: {} books seen, {} fills", own.books, own.fills);
        }
    })
}
