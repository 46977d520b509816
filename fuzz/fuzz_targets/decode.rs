//! Any bytes as a frame of any exchange of the registry: decoder and survey. The first byte chooses
//! the exchange.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use tickwire::base::{Instrument, InstrumentId, Symbol};
use tickwire::exchange::{ALL, Decoder, Survey, Words};

/// Symbols as the golden frames have them, so that these are a corpus to begin with.
const SYMBOLS: [&str; 14] = [
    "BTCUSDT",
    "ETHUSDT",
    "SOLUSD",
    "BTCUSD_PERP",
    "ETHUSD_PERP",
    "tickusd",
    "TICKUSDT",
    "WIREUSDT",
    "ADA-USD",
    "ADA-GBP",
    "ETH-PERPETUAL",
    "BTC",
    "BTC/USD",
    "PF_XBTUSD",
];

type Warm = (Vec<Box<dyn Decoder>>, Words);

thread_local! {
    static WARM: RefCell<Warm> = RefCell::new((decoders(), Words::new()));
}

fn decoders() -> Vec<Box<dyn Decoder>> {
    let instrument = |(n, symbol): (u16, &&str)| Instrument {
        id: InstrumentId(n),
        ..Instrument::bare("fuzz", Symbol::from(symbol).unwrap_or_default(), (8, 8))
    };
    let instruments: Vec<Instrument> = (0..).zip(&SYMBOLS).map(instrument).collect();
    let streams = |exchange: &&'static dyn tickwire::exchange::Exchange| {
        let depths = exchange.depth_streams().iter();
        depths
            .map(|depth| exchange.decoder(&instruments, depth))
            .collect::<Vec<_>>()
    };
    ALL.iter().flat_map(streams).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((first, frame)) = data.split_first() else {
        return;
    };
    WARM.with_borrow_mut(|(decoders, words)| {
        let at = usize::from(*first) % decoders.len();
        if decoders[at].decode(frame, words).is_ok() {
            assert!(words.iter().count() <= tickwire::exchange::kit::words::WORDS_MAX);
        }
    });
    if let Ok(text) = std::str::from_utf8(frame) {
        ALL[usize::from(*first) % ALL.len()].survey(text, &mut Survey::default());
    }
});
