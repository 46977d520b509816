//! Rests an order on each side of the book and moves it along: `cargo run --example quote -- run
//! --for 15s`. It shows how orders that rest are changed, and earns nothing.

#![expect(clippy::result_large_err, reason = "a strategy is built once a run")]

use std::process::ExitCode;
use tickwire::{
    Body, Event, InstrumentId, Intent, Intents, Key, Nanos, OrderType, Place, Px, Qty, Replace,
    Side, Sort, Strategy, StrategyError, StrategyId, StrategyKind, Table, Values, View, Why,
    order_qtys,
};

pub static KIND: StrategyKind = StrategyKind {
    name: "quote",
    help: "rests an order on each side, some ticks behind the best price",
    keys: &[TICKS, QUANTITY],
    settable: &[TICKS], // By `ctl set`, while it runs.
    exchanges_min: 1,
    levels: None,
    build: |values, table| Ok(Box::new(Quote::new(values, table)?)),
};

const TICKS: Key = Key {
    name: "ticks",
    sort: Sort::Int {
        min: 1,
        max: 10_000,
        default: 20,
    },
    help: "how far behind the best price an order rests, in ticks",
};

const QUANTITY: Key = Key {
    name: "quantity",
    sort: Sort::Quantity { default: "0.01" },
    help: "quantity of an order, in base currency",
};

struct Quote {
    /// How far behind the best price an order rests.
    ticks: i64,
    /// By instrument id; zero if the quantity does not fit.
    qtys: Vec<Qty>,
}

impl Quote {
    fn new(values: &Values, table: &Table<'_>) -> Result<Self, StrategyError> {
        Ok(Self {
            ticks: i64::try_from(values.int(&TICKS)).unwrap_or(1),
            qtys: order_qtys(&values.quantity(&QUANTITY), table)?,
        })
    }
}

impl Strategy for Quote {
    fn handle_event(&mut self, _: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let Body::Book(top) = &event.body else { return };
        let id = event.instrument;
        let (Some((bid, ask)), Some(listed)) = (top.best(), view.market.instrument(id)) else {
            return;
        };
        let qty = self.qtys[id.index()];
        if qty == Qty(0) {
            return;
        }
        let why = Why {
            signal: "quote",
            value: 0.0,
            threshold: 0.0,
            update_id: event.update_id,
            epoch: event.epoch,
            bid,
            ask,
        };
        let behind = self.ticks * listed.tick.0;
        for (side, px) in [
            (Side::Buy, bid.px.0 - behind),
            (Side::Sell, ask.px.0 + behind),
        ] {
            let mut own = view
                .orders()
                .filter(|o| (o.instrument, o.side) == (id, side));
            let wish = match own.next() {
                None => Intent::from(Place {
                    strategy: StrategyId::NONE, // The desk writes whose it is.
                    instrument: id,
                    side,
                    px: Px(px),
                    qty,
                    order_type: OrderType::PostOnly,
                    tag: event.update_id,
                    why,
                }),
                // While it is being changed, or nobody knows how it stands, it is left alone.
                Some(order) if order.changing || order.in_doubt || !order.acked => continue,
                Some(order) if (order.px.0 - px).abs() <= behind / 4 => continue,
                Some(order) => Intent::from(Replace {
                    order: order.client_id,
                    px: Px(px),
                    qty,
                    why,
                }),
            };
            let _ = out.try_push(wish);
        }
    }

    fn handle_values(&mut self, values: &mut Values, _: &View<'_>) -> Result<(), &'static str> {
        self.ticks = i64::try_from(values.int(&TICKS)).unwrap_or(1);
        Ok(())
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        self.qtys[instrument.index()] > Qty(0)
    }
}

fn main() -> ExitCode {
    tickwire::main_with(&[&KIND], |_| {})
}
