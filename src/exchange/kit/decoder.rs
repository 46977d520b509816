//! What every exchange's decoder is made of: kept buffers, the symbols of its connection, and how
//! one frame is read; and how the body of a snapshot is. Knows no exchange's messages.

use super::cursor::Value;
use super::scan::Scan;
use super::symbols::{Listed, Symbols};
use super::tape::Scratch;
use super::words::Words;
use crate::base::{Instrument, Snapshot, Word};
use crate::exchange::{DecodeError, Decoder};

/// How an exchange writes prices and quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prices {
    /// As JSON strings.
    Texts,
    /// As JSON numbers. See [`Scratch::read_exact`].
    Numbers,
}

struct Shell<F> {
    scratch: Scratch,
    symbols: Symbols,
    prices: Prices,
    message: F,
}

/// A decoder for the frames of a connection that carries these instruments: `message` reads one
/// frame into words. No frame up to the size of `count` times `item` allocates.
pub(crate) fn warm<F>(
    instruments: &[Instrument],
    prices: Prices,
    (item, count): (&str, usize),
    message: F,
) -> Box<dyn Decoder>
where
    F: FnMut(Value<'_>, &Symbols, &mut Words) -> Result<(), DecodeError> + Send + 'static,
{
    let sample = format!("[{}]", vec![item; count].join(","));
    let mut scratch = Scratch::warmed(sample.as_bytes());
    if prices == Prices::Numbers {
        // Numbers in quotes need more room.
        let warm = scratch.read_exact(sample.as_bytes(), |_| Ok(()));
        debug_assert!(warm.is_ok());
    }
    Box::new(Shell {
        scratch,
        symbols: Symbols::new(instruments),
        prices,
        message,
    })
}

impl<F> Decoder for Shell<F>
where
    F: FnMut(Value<'_>, &Symbols, &mut Words) -> Result<(), DecodeError> + Send,
{
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        let Self {
            scratch,
            symbols,
            prices,
            message,
        } = self;
        words.clear(); // Also of a frame that nobody can read.
        let mut read = |root: Value<'_>| {
            words.clear();
            message(root, symbols, words)?;
            words.end()
        };
        let scan = Scan::new(frame, *prices == Prices::Numbers);
        if let Some(root) = scan.root()
            && read(root).is_ok()
            && scan.is_read()
        {
            words.set_scanned();
            return Ok(());
        }
        match prices {
            Prices::Texts => scratch.read(frame, read),
            Prices::Numbers => scratch.read_exact(frame, read),
        }
    }
}

/// The body of a snapshot of this instrument, which was asked for with at most `levels` a side:
/// `read` makes one whole book of it. Sides that are not sorted from the best level on are refused:
/// a book must not begin with a lie.
pub(crate) fn snapshot(
    body: &[u8],
    instrument: &Instrument,
    levels: usize,
    mut read: impl FnMut(Value<'_>, &Listed, &mut Words) -> Result<(), DecodeError>,
) -> Result<Snapshot, DecodeError> {
    let symbols = Symbols::new(std::slice::from_ref(instrument));
    let listed = symbols.listed(&instrument.symbol)?;
    let mut words = Words::new();
    Scratch::warmed(b"{}").read(body, |root| {
        words.clear();
        read(root, listed, &mut words)
    })?;
    let Some(Word::Book(head, bids, asks)) = words.iter().next() else {
        return Err(DecodeError::Shape);
    };
    if !bids.is_sorted_by(|a, b| a.px > b.px) || !asks.is_sorted_by(|a, b| a.px < b.px) {
        return Err(DecodeError::Shape);
    }
    Ok(Snapshot {
        last_id: head.last_id,
        bids: bids.to_vec(),
        asks: asks.to_vec(),
        bids_whole: bids.len() < levels,
        asks_whole: asks.len() < levels,
        dropped: words.dropped().levels,
        ..Snapshot::default()
    })
}
