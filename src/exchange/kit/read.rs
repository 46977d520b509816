//! What decoders do alike: values and levels off the tape. Every failure is a [`DecodeError`].

pub use super::symbols::{Listed, Symbols};
use super::tape;
pub use super::tape::{Node, Scratch, boolean, entries, find, is_null, string};
use crate::base::{DecimalError, Level, Px, Qty, Side, Snapshot, UnixNanos, Word, decimal};
use crate::exchange::{DecodeError, Words};
use DecodeError::Shape;

/// The node at `at`; zero is the root's own place and stands for a key that is absent.
#[inline]
pub fn node<'t, 'i>(nodes: &'t [Node<'i>], at: usize) -> Result<&'t Node<'i>, DecodeError> {
    if at == 0 {
        Err(Shape)
    } else {
        nodes.get(at).ok_or(Shape)
    }
}

/// The string at `at`.
#[inline]
pub fn text<'i>(nodes: &[Node<'i>], at: usize) -> Result<&'i str, DecodeError> {
    string(node(nodes, at)?).ok_or(Shape)
}

/// The whole number at `at`, written as a number or as a string of digits.
#[inline]
pub fn unsigned(nodes: &[Node<'_>], at: usize) -> Result<u64, DecodeError> {
    tape::unsigned(node(nodes, at)?).ok_or(Shape)
}

/// As [`unsigned`], with a sign.
#[inline]
pub fn signed(nodes: &[Node<'_>], at: usize) -> Result<i64, DecodeError> {
    tape::signed(node(nodes, at)?).ok_or(Shape)
}

/// What identifies a print: its number, or a hash of the text that an exchange has instead. Never zero, which stands
/// for a print without an identity.
#[inline]
pub fn identity(nodes: &[Node<'_>], at: usize) -> Result<u64, DecodeError> {
    let node = node(nodes, at)?;
    let number = tape::unsigned(node).filter(|number| *number != 0);
    match (number, string(node)) {
        (Some(number), _) => Ok(number),
        (None, Some(text)) => Ok(hash(text)),
        (None, None) => Err(Shape),
    }
}

/// FNV-1a, never zero. The exchange's own words are no attack: two of the few hundred prints that are known at a time
/// are alike once in some 10^14.
fn hash(text: &str) -> u64 {
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
}

/// The time at `at`, in milliseconds since 1970.
#[inline]
pub fn millis(nodes: &[Node<'_>], at: usize) -> Result<UnixNanos, DecodeError> {
    let ms = i64::try_from(unsigned(nodes, at)?).map_err(|_| Shape)?;
    ms.checked_mul(1_000_000).map(UnixNanos).ok_or(Shape)
}

/// The instrument whose symbol is at `at`.
#[inline]
pub fn listed<'l>(
    nodes: &[Node<'_>],
    at: usize,
    symbols: &'l Symbols,
) -> Result<&'l Listed, DecodeError> {
    let symbol = text(nodes, at)?;
    symbols.find(symbol).ok_or(DecodeError::UnknownSymbol)
}

/// A price at the instrument's scale, exactly; -1 for any price below zero, which no word keeps.
#[inline(always)] // Twice a level: a call each is 3 % of a message's instructions.
pub fn px(text: &str, listed: &Listed) -> Result<Px, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.px_scale) {
        Ok(units) => Ok(Px(units as i64)), // `parse` gives at most `i64::MAX`.
        Err(error) => below_zero(text, listed, error),
    }
}

/// What a price is that is no number of zero or more.
#[cold]
fn below_zero(text: &str, listed: &Listed, error: DecimalError) -> Result<Px, DecodeError> {
    let positive = text.strip_prefix('-').unwrap_or("-");
    match decimal::parse(positive.as_bytes(), listed.px_scale) {
        Err(DecimalError::Malformed) => Err(DecodeError::Number(listed.id, error)),
        _ => Ok(Px(-1)),
    }
}

/// A quantity at the instrument's scale, exactly.
#[inline(always)] // Twice a level: a call each is 3 % of a message's instructions.
pub fn qty(text: &str, listed: &Listed) -> Result<Qty, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.qty_scale) {
        Ok(units) => Ok(Qty(units)),
        Err(error) => Err(DecodeError::Number(listed.id, error)),
    }
}

/// Price and quantity.
#[inline(always)]
pub fn level(px_text: &str, qty_text: &str, listed: &Listed) -> Result<Level, DecodeError> {
    Ok(Level {
        px: px(px_text, listed)?,
        qty: qty(qty_text, listed)?,
    })
}

/// `[["price","quantity",…],…]` at `at` into `words`. What follows the first two of each is passed over.
#[inline]
pub fn levels(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    side: Side,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let &Node::Array { len, count } = node(nodes, at)? else {
        return Err(Shape);
    };
    let body = nodes.get(at + 1..at + 1 + count).ok_or(Shape)?;
    let (pairs, rest) = body.as_chunks();
    if pairs.len() != len || !rest.is_empty() {
        return wide_levels(nodes, at, listed, side, words);
    }
    // A level of two is three nodes in a row, and nothing but pairs of strings can be.
    let slots = words.room(side, len)?;
    for (slot, pair) in slots.iter_mut().zip(pairs) {
        let [
            Node::Array { len: 2, .. },
            Node::String(px_text),
            Node::String(qty_text),
        ] = pair
        else {
            return Err(Shape);
        };
        *slot = level(px_text, qty_text, listed)?;
    }
    Ok(())
}

/// As [`levels`], where a level has more than two elements.
fn wide_levels(
    nodes: &[Node<'_>],
    at: usize,
    listed: &Listed,
    side: Side,
    words: &mut Words,
) -> Result<(), DecodeError> {
    for item in items(nodes, at) {
        let Node::Array { len: 2.., .. } = nodes[item] else {
            return Err(Shape);
        };
        let (px_text, qty_text) = (text(nodes, item + 1)?, text(nodes, item + 2)?);
        words.push(side, level(px_text, qty_text, listed)?)?;
    }
    Ok(())
}

/// The one whole book in `words` as a snapshot that was asked for with at most `levels` a side. Sides that are not
/// sorted from the best level on are refused: a book must not begin with a lie.
pub fn snapshot(words: &Words, levels: usize) -> Result<Snapshot, DecodeError> {
    let Some(Word::Book(head, bids, asks)) = words.iter().next() else {
        return Err(Shape);
    };
    if !bids.is_sorted_by(|a, b| a.px > b.px) || !asks.is_sorted_by(|a, b| a.px < b.px) {
        return Err(Shape);
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

/// The indices of the elements of the array at `at`; none where no array is.
#[inline]
pub fn items<'t, 'i>(
    nodes: &'t [Node<'i>],
    at: usize,
) -> impl Iterator<Item = usize> + use<'t, 'i> {
    tape::items(nodes, at)
}
