//! Our way from a frame to a changed book, as a bench drives it.

use super::messages::instrument;
use tickwire::base::{Snapshot, Word};
use tickwire::exchange::{self, Decoder, Words};
use tickwire::market::Book;

/// A decoder and the book that it feeds.
pub struct Ours {
    decoder: Box<dyn Decoder>,
    words: Words,
    pub book: Book<1024>,
}

impl Ours {
    pub fn new() -> Self {
        let exchange = exchange::by_name("binance").unwrap();
        Self {
            decoder: exchange.decoder(&[instrument()], &exchange.depth_streams()[0]),
            words: Words::new(),
            book: Book::new(),
        }
    }

    /// The same for messages in SBE.
    pub fn of_sbe() -> Self {
        Self {
            decoder: super::sbe::decoder(),
            ..Self::new()
        }
    }

    pub fn load(&mut self, snapshot: &Snapshot) {
        let Snapshot {
            bids,
            asks,
            bids_whole,
            asks_whole,
            ..
        } = snapshot;
        self.book.load(bids, *bids_whole, asks, *asks_whole);
    }

    /// Decodes one message and applies it.
    #[inline(never)] // So that a profile has a name for it.
    pub fn handle(&mut self, frame: &[u8]) {
        let decoded = self.decoder.decode(frame, &mut self.words);
        assert!(decoded.is_ok(), "the script holds depth updates");
        for word in self.words.iter() {
            if let Word::Diff(_, bids, asks) = word {
                self.book.apply(bids, asks);
            }
        }
    }
}
