//! A strategy of your own, as a whole program: `cargo run --release --example own_strategy`.
//!
//! It follows order flow. It buys if more was added to the best bid and taken from the best ask
//! since the last book than threshold × what rests there now, and sells in the opposite case. The
//! simulated exchange answers, for 5 s.

use std::time::Duration;
use tickwire::{
    Body, Event, Instrument, Intent, Intents, Nanos, Ofi, Picture, Qty, Run, RunError, Side,
    Strategy, StrategyId, TimeInForce, Why,
};

const THRESHOLD: f64 = 0.5;

/// One place per instrument, whose id is its index: its order flow, and how much an order is for.
struct FollowFlow(Vec<(Ofi<1>, Qty)>);

impl Strategy for FollowFlow {
    /// Called for every event, in order, on the desk's thread. `now` is the only clock. Do not
    /// wait, read, write or allocate here. `view` has every instrument's newest live book. What is
    /// pushed to `out` is a wish: risk decides about it next.
    fn handle_event(&mut self, _now: Nanos, event: &Event, _view: &Picture, out: &mut Intents) {
        let Body::Book(top) = &event.body else {
            return; // Trades, quotes, changes of state, reports of orders: not needed here.
        };
        let (ofi, qty) = &mut self.0[event.instrument.index()];
        // There is no flow between books that cannot be compared: after a gap, of another
        // connection, or where the best level is not provably the exchange's.
        let Some([flow]) = ofi.update(top, event.epoch, event.flags.fresh) else {
            return;
        };
        let Some((bid, ask)) = top.best() else {
            return;
        };
        let value = flow as f64 / (bid.qty.0 + ask.qty.0) as f64;
        let (side, px) = match value {
            v if v > THRESHOLD => (Side::Buy, ask.px), // Takes the other side's best price.
            v if v < -THRESHOLD => (Side::Sell, bid.px),
            _ => return,
        };
        let _ = out.try_push(Intent {
            strategy: StrategyId::NONE, // The desk writes whose it is.
            instrument: event.instrument,
            side,
            px,
            qty: *qty,
            tif: TimeInForce::ImmediateOrCancel,
            tag: event.update_id, // Our own name for it: each report of the order carries it.
            why: Why {
                signal: "order_flow", // All of this goes into the decision log.
                value,
                threshold: THRESHOLD,
                update_id: event.update_id,
                epoch: event.epoch,
                bid,
                ask,
            },
        });
    }
}

fn main() -> Result<(), RunError> {
    // Prices and quantities are integers at the instrument's own scale: this is one unit of it.
    let one = |instrument: &Instrument| Qty(10u64.pow(instrument.qty_scale.into()));
    let end = Run::simulated(1)
        .time(Duration::from_secs(5))
        .strategy(Box::new(move |instruments| {
            let places = instruments.iter().map(|i| (Ofi::new(), one(i)));
            Ok(Box::new(FollowFlow(places.collect())))
        }))
        .start()?;
    println!("orders: {:?}", end.summary.orders);
    Ok(())
}
