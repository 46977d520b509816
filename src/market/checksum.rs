//! The checksums that exchanges send with their books, made from ours. Never allocates, and keeps
//! nothing.

use super::book::Book;
use crate::base::feed::Checksum;
use crate::base::{Level, Side, decimal};
use arrayvec::ArrayVec;
use crc32fast::Hasher;

/// Levels per side that [`Checksum::Digits10`] is made of.
const DIGITS_LEVELS: usize = 10;
/// Levels per side that [`Checksum::Decimals25`] is made of.
const DECIMALS_LEVELS: usize = 25;

/// The checksum of the best levels of `book`, whose prices and quantities have `scales` decimals.
/// `None` if the book does not provably hold all of the levels that it is made of.
pub(crate) fn of<const N: usize>(kind: Checksum, book: &Book<N>, scales: (u8, u8)) -> Option<u32> {
    let levels = match kind {
        Checksum::Digits10 => DIGITS_LEVELS,
        Checksum::Decimals25 => DECIMALS_LEVELS,
    };
    let known = |side| book.whole(side) || book.complete_depth(side) >= levels;
    if !known(Side::Buy) || !known(Side::Sell) {
        return None;
    }
    let mut hasher = Hasher::new();
    match kind {
        Checksum::Digits10 => digits(&mut hasher, book),
        Checksum::Decimals25 => decimals(&mut hasher, book, scales),
    }
    Some(hasher.finalize())
}

/// At the instrument's own scales a level's integers are its digits, and have no leading zeros.
fn digits<const N: usize>(hasher: &mut Hasher, book: &Book<N>) {
    for side in [Side::Sell, Side::Buy] {
        for level in book.levels(side).take(DIGITS_LEVELS) {
            let mut text: ArrayVec<u8, { 2 * decimal::ENCODED_MAX }> = ArrayVec::new();
            for units in [level.px.0.unsigned_abs(), level.qty.0] {
                if units > 0 {
                    text.extend(decimal::encode(units, 0));
                }
            }
            hasher.update(&text);
        }
    }
}

fn decimals<const N: usize>(hasher: &mut Hasher, book: &Book<N>, scales: (u8, u8)) {
    let mut first = true;
    let mut add = |level: Option<Level>| {
        let Some(level) = level else { return };
        let mut text: ArrayVec<u8, { 2 * decimal::ENCODED_MAX + 3 }> = ArrayVec::new();
        if !std::mem::take(&mut first) {
            text.push(b':');
        }
        if level.px.0 < 0 {
            text.push(b'-'); // Spreads have prices below zero.
        }
        text.extend(decimal::encode(level.px.0.unsigned_abs(), scales.0));
        text.push(b':');
        text.extend(decimal::encode(level.qty.0, scales.1));
        hasher.update(&text);
    };
    let (mut bids, mut asks) = (book.levels(Side::Buy), book.levels(Side::Sell));
    for _ in 0..DECIMALS_LEVELS {
        add(bids.next());
        add(asks.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Px, Qty};

    /// Bit by bit, as the polynomial says.
    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                let carry = if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
                crc = (crc >> 1) ^ carry;
            }
        }
        !crc
    }

    fn fixed(units: u64, scale: u8) -> String {
        let width = usize::from(scale) + 1;
        let digits = format!("{units:0width$}");
        let (whole, part) = digits.split_at(digits.len() - usize::from(scale));
        if part.is_empty() {
            whole.to_owned()
        } else {
            format!("{whole}.{part}")
        }
    }

    fn plain(units: u64, scale: u8) -> String {
        let text = fixed(units, scale);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }

    fn naive<const N: usize>(kind: Checksum, book: &Book<N>, scales: (u8, u8)) -> u32 {
        let (bids, asks): (Vec<Level>, Vec<Level>) = (
            book.levels(Side::Buy).collect(),
            book.levels(Side::Sell).collect(),
        );
        let text = match kind {
            Checksum::Digits10 => {
                let bare = |text: String| text.replace('.', "").trim_start_matches('0').to_owned();
                let part = |level: &Level| {
                    bare(fixed(level.px.0 as u64, scales.0)) + &bare(fixed(level.qty.0, scales.1))
                };
                let best = asks.iter().take(10).chain(bids.iter().take(10));
                best.map(part).collect::<String>()
            }
            Checksum::Decimals25 => {
                let part = |level: &Level| {
                    [
                        plain(level.px.0 as u64, scales.0),
                        plain(level.qty.0, scales.1),
                    ]
                    .join(":")
                };
                let pairs = (0..25).flat_map(|n| [bids.get(n), asks.get(n)]);
                pairs.flatten().map(part).collect::<Vec<_>>().join(":")
            }
        };
        crc32(text.as_bytes())
    }

    #[test]
    fn both_checksums_equal_their_naive_twins_at_any_scale_and_depth() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let scales = (dice.u8(..=9), dice.u8(..=9));
            let mut book = Book::<64>::windowed(None, false);
            let (bids, asks) = (dice.usize(..40), dice.usize(..40));
            book.load(&[], true, &[], true);
            for (side, count) in [(Side::Buy, bids), (Side::Sell, asks)] {
                for _ in 0..count {
                    let (digits_px, digits_qty) = (dice.u32(1..12), dice.u32(1..15));
                    let level = Level {
                        px: Px(dice.i64(0..10i64.pow(digits_px))),
                        qty: Qty(dice.u64(1..10u64.pow(digits_qty))),
                    };
                    book.set(side, level);
                }
            }
            for kind in [Checksum::Digits10, Checksum::Decimals25] {
                assert_eq!(of(kind, &book, scales), Some(naive(kind, &book, scales)));
            }
        }
    }

    #[test]
    fn a_book_that_is_not_known_deep_enough_has_no_checksum() {
        let mut book = Book::<64>::new();
        let levels = |from: i64, step: i64| -> Vec<Level> {
            let level = |n| Level {
                px: Px(from + step * n),
                qty: Qty(1),
            };
            (0..12).map(level).collect()
        };
        book.load(&levels(100, -1), false, &levels(101, 1), false);
        assert!(of(Checksum::Digits10, &book, (0, 0)).is_some());
        assert_eq!(of(Checksum::Decimals25, &book, (0, 0)), None);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
