//! Any bytes as a frame of any exchange of the registry: decoder and survey. The first byte chooses
//! the stream, those of text before those of binary frames. A text that is read where it lies must
//! say what it says over the tape; a binary frame has one path, and must not panic on it.

use super::scan::{Pair, fuzzed, fuzzed_instruments, streams};
use crate::base::Word;
use crate::exchange::{ALL, Decoder, DepthStream, Exchange, Survey, Words};
use std::cell::RefCell;

/// Of text, and of binary frames with the words of the newest one.
type Warm = (Vec<Pair>, Vec<Box<dyn Decoder>>, Words);

thread_local! {
    static WARM: RefCell<Warm> = RefCell::new((fuzzed(), binary_decoders(), Words::new()));
}

/// Each depth stream of binary frames of each exchange.
pub(super) fn binary() -> impl Iterator<Item = (&'static dyn Exchange, &'static DepthStream)> {
    ALL.iter().flat_map(|exchange| {
        let depths = exchange.depth_streams().iter();
        let of_binary = depths.filter(|depth| exchange.binary(depth).is_some());
        of_binary.map(move |depth| (*exchange, depth))
    })
}

fn binary_decoders() -> Vec<Box<dyn Decoder>> {
    let decoder = |(exchange, depth): (&'static dyn Exchange, _)| {
        exchange.decoder(&fuzzed_instruments(), depth)
    };
    binary().map(decoder).collect()
}

pub(super) fn body(data: &[u8]) {
    let Some((first, frame)) = data.split_first() else {
        return;
    };
    let at = WARM.with_borrow_mut(|(pairs, binary, words)| {
        let at = usize::from(*first) % (pairs.len() + binary.len());
        match at.checked_sub(pairs.len()) {
            None => drop(pairs[at].check(frame)),
            Some(at) => {
                if binary[at].decode(frame, words).is_ok() {
                    words.iter().for_each(check);
                }
            }
        }
        at
    });
    if let (Some((exchange, _)), Ok(text)) = (streams().nth(at), std::str::from_utf8(frame)) {
        exchange.survey(text, &mut Survey::default());
    }
}

/// What a binary frame's word may say of prices and quantities.
fn check(word: Word<'_>) {
    match word {
        Word::Diff(_, bids, asks) | Word::Book(_, bids, asks) => {
            let mut levels = bids.iter().chain(asks);
            assert!(levels.all(|level| level.px.0 > 0), "{word:?}");
        }
        Word::Trade(trade) => assert!(trade.px.0 > 0 && trade.qty.0 > 0, "{word:?}"),
        Word::Quote(_)
        | Word::Unfit { .. }
        | Word::Trading(..)
        | Word::Answer { .. }
        | Word::Subscribed { .. }
        | Word::Reply(_)
        | Word::Shutdown => {}
    }
}
