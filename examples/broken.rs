//! A strategy that breaks when it is told to: `cargo run --example broken -- run --for 60s`, and in
//! another terminal `touch hang`, `touch panic` or `touch flood` in the same folder. Until then it
//! is the strategy of `examples/quote.rs`. For trying what a run does about it.

#![expect(clippy::result_large_err, reason = "a strategy is built once a run")]

#[expect(dead_code, reason = "it has a main of its own")]
#[path = "quote.rs"]
mod quote;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tickwire::{
    Body, CancelAll, Event, InstrumentId, Intent, Intents, Nanos, Strategy, StrategyKind, Values,
    View,
};

static KIND: StrategyKind = StrategyKind {
    name: "broken",
    help: "rests an order on each side until a file tells it to break",
    keys: quote::KIND.keys,
    settable: quote::KIND.settable,
    exchanges_min: 1,
    levels: None,
    build: |values, table| {
        let well = (quote::KIND.build)(values, table)?;
        Ok(Box::new(Broken { well }))
    },
};

struct Broken {
    well: Box<dyn Strategy>,
}

impl Strategy for Broken {
    fn handle_event(&mut self, now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        if let Body::Book(_) = event.body {
            let told = |what: &str| Path::new(what).exists();
            while told("hang") {
                std::thread::sleep(Duration::from_millis(100));
            }
            assert!(!told("panic"), "told to");
            while told("flood") && !out.is_full() {
                out.push(Intent::from(CancelAll {
                    instrument: InstrumentId::NONE,
                    why: "flood",
                }));
            }
        }
        self.well.handle_event(now, event, view, out);
    }

    fn handle_values(&mut self, values: &mut Values, view: &View<'_>) -> Result<(), &'static str> {
        self.well.handle_values(values, view)
    }

    fn trades(&self, instrument: InstrumentId) -> bool {
        self.well.trades(instrument)
    }
}

fn main() -> ExitCode {
    tickwire::main_with(&[&KIND, &quote::KIND], |_| {})
}
