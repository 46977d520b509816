//! Any bytes as an answer of any exchange's REST service: metadata, volumes, snapshots. The first
//! byte chooses the exchange.

use crate::base::{Instrument, Level, Symbol};
use crate::exchange::ALL;

pub(super) fn body(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    let exchange = ALL[usize::from(*first) % ALL.len()];
    if let Ok(listed) = exchange.metadata(body) {
        for instrument in listed.instruments {
            assert!(instrument.tick.0 > 0, "{instrument:?}");
            assert!(instrument.lot.0 > 0, "{instrument:?}");
            let scales = instrument.px_scale.max(instrument.qty_scale);
            assert!(scales <= 18, "{instrument:?}");
        }
    }
    let _ = exchange.metadata_next(body);
    let _ = exchange.volumes(body);
    let one = Instrument::bare("fuzz", Symbol::from("BTCUSDT").unwrap_or_default(), (8, 8));
    if let Ok(book) = exchange.snapshot(body.to_vec(), &one, 100) {
        let mut levels = book.bids.iter().chain(&book.asks);
        let is_level = |level: &Level| level.px.0 > 0 && level.qty.0 > 0;
        assert!(levels.all(is_level), "{book:?}");
    }
}
