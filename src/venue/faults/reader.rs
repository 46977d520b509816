//! What a frame is about that a client is sent, read by the exchange's own decoders. Only faults
//! ask: nothing is read as long as none is planned.

use super::spoil::Frame;
use crate::base::{Channel, Instrument, Word};
use crate::exchange::mirror::Listing;
use crate::exchange::{Decoder, Exchange, Words};

/// What a frame is about. Books are named by their listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A whole book.
    Book(usize),
    /// Changes of a book.
    Change(usize),
    /// An answer to a request for streams.
    Answer,
    /// Anything else.
    Other,
}

/// Reads the frames of one exchange: a decoder for each of its depth streams.
pub(crate) struct Reader {
    decoders: Vec<Box<dyn Decoder>>,
    words: Words,
}

impl Reader {
    /// For frames about these listings.
    pub(crate) fn new(exchange: &dyn Exchange, listings: &[Listing]) -> Self {
        let listings = listings.iter();
        let instruments: Vec<Instrument> = listings.map(|listing| listing.instrument).collect();
        let depths = exchange.depth_streams().iter();
        Self {
            decoders: depths
                .map(|depth| exchange.decoder(&instruments, depth))
                .collect(),
            words: Words::new(),
        }
    }

    /// What this frame is about: the first thing that it says of a book.
    pub(crate) fn about(&mut self, frame: &Frame) -> About {
        let bytes = match frame {
            Frame::Text(text) => text.as_bytes(),
            Frame::Binary(bytes) => bytes,
        };
        let words = &mut self.words;
        let mut all = self.decoders.iter_mut().filter_map(|decoder| {
            decoder.decode(bytes, words).ok()?;
            words.iter().find_map(|word| about(&word))
        });
        all.next().unwrap_or(About::Other)
    }
}

fn about(word: &Word<'_>) -> Option<About> {
    match word {
        Word::Book(diff, ..) => Some(About::Book(diff.instrument.index())),
        Word::Diff(diff, ..) => Some(About::Change(diff.instrument.index())),
        Word::Unfit {
            instrument,
            channel: Channel::Depth,
            ..
        } => Some(About::Change(instrument.index())),
        Word::Answer { .. } | Word::Subscribed { .. } => Some(About::Answer),
        Word::Unfit { .. }
        | Word::Trade(_)
        | Word::Quote(_)
        | Word::Trading(..)
        | Word::Reply(_)
        | Word::Shutdown => None,
    }
}
