//! Values that are set while a strategy runs: whoever takes them, on the desk's thread, allocates
//! and frees nothing.

use crate::counting::{counted, held};
use tickwire::base::{Asset, Instrument, InstrumentId, Qty, StrategyId, Symbol};
use tickwire::market::Picture;
use tickwire::strategy::{ALL, Sort, Table, Value, Values, View};

fn instrument(id: u16, exchange: &'static str) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        base: Asset::from("BTC").unwrap(),
        quote: Asset::from("USDT").unwrap(),
        lot: Qty(1),
        qty_min: Qty(1),
        ..Instrument::bare(exchange, Symbol::from("BTCUSDT").unwrap(), (2, 5))
    }
}

#[test]
fn every_kind_takes_the_values_that_it_says_it_takes_and_allocates_nothing() {
    // The second one takes no such quantity: whether it fits is found out without an allocation.
    let mut all = [instrument(0, "binance"), instrument(1, "okx")];
    all[1].qty_min = Qty(1_000_000);
    let picture = Picture::new(&all);
    let view = View::new(&picture, &[], &[], StrategyId(0));
    for kind in ALL.iter().filter(|kind| !kind.settable.is_empty()) {
        let mut values = Values::default();
        for key in kind.keys {
            let value = match &key.sort {
                Sort::Quantity { .. } => Value::Quantity("0.00000000000000000123".into()),
                Sort::Int { .. } | Sort::Ratio { .. } => values.get(key),
            };
            values.set(key, value);
        }
        let built = (kind.build)(&Values::default(), &Table::of(&all));
        let mut strategy = built.unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        for text in ["0.05", "0.00000000000000000123", "0.01000000000000"] {
            for key in kind.settable {
                if let Sort::Quantity { .. } = key.sort {
                    values.set(key, Value::Quantity(text.into()));
                }
            }
            let mut asked = (0, 0);
            let take = || strategy.handle_values(&mut values, &view);
            let (taken, more, _) = held(|| counted(&mut asked, take));
            assert_eq!((asked, more), ((0, 0), 0), "{} with {text}", kind.name);
            assert!(taken.is_ok() || text.len() > 20, "{}: {taken:?}", kind.name);
        }
    }
}
