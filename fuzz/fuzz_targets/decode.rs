//! Any bytes as a frame of any exchange of the registry: decoder and survey. The first byte chooses
//! the exchange. A frame that is read where it lies must say what it says over the tape.
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

/// Decoders of each exchange, and others that are shown the same frames over the tape.
struct Warm {
    decoders: [Vec<Box<dyn Decoder>>; 2],
    words: [Words; 2],
}

thread_local! {
    static WARM: RefCell<Warm> = RefCell::new(Warm {
        decoders: [decoders(), decoders()],
        words: [Words::new(), Words::new()],
    });
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
    WARM.with_borrow_mut(|Warm { decoders, words }| {
        let [ours, tape] = decoders;
        let [our_words, tape_words] = words;
        let at = usize::from(*first) % ours.len();
        let decoded = ours[at].decode(frame, our_words);
        if decoded.is_ok() {
            assert!(our_words.iter().count() <= tickwire::exchange::kit::words::WORDS_MAX);
        }
        if frame.starts_with(b"{") || frame.starts_with(b"[") {
            // Nothing scans a frame with a blank in front.
            let twin = tape[at].decode(&[b" ", frame].concat(), tape_words);
            assert_eq!(decoded, twin);
            if decoded.is_ok() {
                assert!(our_words.iter().eq(tape_words.iter()));
                assert_eq!(our_words.dropped(), tape_words.dropped());
                assert_eq!(our_words.line_seq(), tape_words.line_seq());
            }
        }
    });
    if let Ok(text) = std::str::from_utf8(frame) {
        ALL[usize::from(*first) % ALL.len()].survey(text, &mut Survey::default());
    }
});
