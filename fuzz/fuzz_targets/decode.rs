//! Any bytes as a frame of any exchange of the registry: decoder and survey. The first byte chooses
//! the stream. A frame that is read where it lies must say what it says over the tape.
//! `fuzz/seeds/decode` is a corpus to begin with.
#![no_main]

#[path = "../../tests/support/scan.rs"]
mod scan_support;

use libfuzzer_sys::fuzz_target;
use scan_support::{Pair, fuzzed, streams};
use std::cell::RefCell;
use tickwire::exchange::Survey;

thread_local! {
    static PAIRS: RefCell<Vec<Pair>> = RefCell::new(fuzzed());
}

fuzz_target!(|data: &[u8]| {
    let Some((first, frame)) = data.split_first() else {
        return;
    };
    let at = PAIRS.with_borrow_mut(|pairs| {
        let at = usize::from(*first) % pairs.len();
        pairs[at].check(frame);
        at
    });
    if let (Some((exchange, _)), Ok(text)) = (streams().nth(at), std::str::from_utf8(frame)) {
        exchange.survey(text, &mut Survey::default());
    }
});
