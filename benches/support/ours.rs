//! Our way from a frame to a changed book, as a bench drives it.

use super::messages::instrument;
use tickwire::base::{Snapshot, Word};
use tickwire::exchange::{self, Decoder};
use tickwire::market::Book;

/// A decoder and the book that it feeds.
pub struct Ours {
    decoder: Box<dyn Decoder>,
    pub book: Book<1024>,
}

impl Ours {
    pub fn new() -> Self {
        let exchange = exchange::by_name("binance-spot").unwrap();
        Self {
            decoder: exchange.decoder(&[instrument()]),
            book: Book::new(),
        }
    }

    pub fn load(&mut self, snapshot: &Snapshot) {
        self.book.load(snapshot);
    }

    /// Decodes one message and applies it.
    #[inline(never)] // So that a profile has a name for it.
    pub fn handle(&mut self, frame: &[u8]) {
        let Ok(Word::Diff(_, bids, asks)) = self.decoder.decode(frame) else {
            unreachable!("the script holds depth updates");
        };
        self.book.apply(bids, asks);
    }
}
