//! Any bytes as an answer of any exchange's REST service: metadata, volumes, snapshots. The first
//! byte chooses the exchange.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tickwire::base::{Instrument, Symbol};
use tickwire::exchange::ALL;

fuzz_target!(|data: &[u8]| {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let exchange = ALL[usize::from(*first) % ALL.len()];
    if let Ok(listed) = exchange.metadata(body) {
        for instrument in listed.instruments {
            assert!(
                instrument.tick.0 > 0 && instrument.lot.0 > 0,
                "{instrument:?}"
            );
            assert!(
                instrument.px_scale <= 18 && instrument.qty_scale <= 18,
                "{instrument:?}"
            );
        }
    }
    let _ = exchange.metadata_next(body);
    let _ = exchange.volumes(body);
    let one = Instrument::bare("fuzz", Symbol::from("BTCUSDT").unwrap_or_default(), (8, 8));
    if let Ok(book) = exchange.snapshot(body.to_vec(), &one, 100) {
        let levels = book.bids.iter().chain(&book.asks);
        assert!(
            levels.clone().all(|at| at.px.0 > 0 && at.qty.0 > 0),
            "{book:?}"
        );
    }
});
