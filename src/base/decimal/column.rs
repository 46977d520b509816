//! Many numbers in a row. Takes those that two 64-bit words hold, up to eight digits on either side
//! of the point, and leaves every other one to [`parse`].

use super::{SCALE_MAX, TEXT_MAX, eight_digits, not_digits, parse};

/// Numbers of one scale that stand in a text one after the other, each ended by the same byte: a
/// column of prices or of quantities.
///
/// Neighbours are mostly written alike. Where the last number had its point and its end is looked
/// at first, so that the next number's place does not wait for this one's digits to be counted.
///
/// Invariant: `1 <= whole <= 8` and `1 <= part <= 8`; `one` is 10^`kept`, where `kept` is the scale
/// or eight; `more` is what is missing to 10^`scale`.
#[derive(Debug)]
pub(crate) struct Column {
    stop: u8,
    scale: u8,
    whole: usize,
    part: usize,
    kept: u32,
    one: u64,
    more: u64,
}

impl Column {
    /// A column whose numbers are each followed by the byte `stop`, which is part of no number.
    #[inline]
    pub(crate) fn new(scale: u8, stop: u8) -> Self {
        debug_assert!(scale <= SCALE_MAX);
        debug_assert!(!stop.is_ascii_digit());
        let kept = u32::from(scale).min(8);
        Self {
            stop,
            scale,
            whole: 1,
            part: 8,
            kept,
            one: 10u64.pow(kept),
            more: 10u64.pow(u32::from(scale) - kept),
        }
    }

    /// The number that `text` begins with, as [`parse`] reads it, and how many bytes it takes;
    /// `None` if it is none that fits, or if it does not end with the column's byte.
    #[inline(always)]
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<(u64, usize)> {
        let fast = match self.is_alike(text) {
            true => self.units(text, self.whole, self.part),
            false => self.measured(text),
        };
        match fast {
            Some(found) => Some(found),
            None => self.any(text),
        }
    }

    /// The digits, the point and the end are where the last number had them.
    #[inline(always)]
    fn is_alike(&self, text: &[u8]) -> bool {
        let (Some(head), Some(tail)) = (word(text, 0), word(text, self.whole + 1)) else {
            return false;
        };
        let end = self.whole + 1 + self.part;
        let others =
            first_bytes(not_digits(head), self.whole) | first_bytes(not_digits(tail), self.part);
        text[self.whole] == b'.' && text.get(end) == Some(&self.stop) && others == 0
    }

    /// The number that has this many digits before its point and after it.
    #[inline(always)]
    fn units(&self, text: &[u8], whole: usize, part: usize) -> Option<(u64, usize)> {
        let head = eight_digits(first_bytes(word(text, 0)?, whole));
        let digits = last_bytes(first_bytes(word(text, whole + 1)?, part), part);
        // The digits of the part stand in the low bytes, in their order; zero behind them.
        let digits = digits & u64::from_le_bytes([0x0f; 8]);
        if digits.unbounded_shr(8 * self.kept) != 0 {
            return None; // Too fine.
        }
        let part_units = eight_digits(digits.unbounded_shl(64 - 8 * self.kept));
        let units = (head * self.one + part_units).checked_mul(self.more)?;
        (units <= i64::MAX as u64).then_some((units, whole + 1 + part))
    }

    /// A number that is written otherwise than the last one.
    #[inline(never)]
    fn measured(&mut self, text: &[u8]) -> Option<(u64, usize)> {
        let whole = digits_in(word(text, 0)?);
        if whole == 0 {
            return None;
        }
        if text.get(whole) == Some(&self.stop) {
            let head = eight_digits(first_bytes(word(text, 0)?, whole));
            let units = (head * self.one).checked_mul(self.more)?;
            return (units <= i64::MAX as u64).then_some((units, whole));
        }
        let part = digits_in(word(text, whole + 1)?);
        let ends = text.get(whole + 1 + part) == Some(&self.stop);
        if text.get(whole) != Some(&b'.') || part == 0 || !ends {
            return None;
        }
        (self.whole, self.part) = (whole, part);
        self.units(text, whole, part)
    }

    #[inline(never)]
    fn any(&self, text: &[u8]) -> Option<(u64, usize)> {
        let reach = &text[..text.len().min(TEXT_MAX + 1)];
        let len = reach.iter().position(|byte| *byte == self.stop)?;
        Some((parse(&text[..len], self.scale).ok()?, len))
    }
}

/// Eight bytes from here on, the first one lowest.
#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*text.get(at..)?.first_chunk()?))
}

/// The first `count` bytes of a word, at its end; zeros before them.
#[inline(always)]
fn first_bytes(word: u64, count: usize) -> u64 {
    debug_assert!((1..=8).contains(&count));
    word << (64 - 8 * count)
}

/// The last `count` bytes of a word, at its beginning; zeros behind them.
#[inline(always)]
fn last_bytes(word: u64, count: usize) -> u64 {
    debug_assert!((1..=8).contains(&count));
    word >> (64 - 8 * count)
}

/// How many digits a word begins with.
#[inline(always)]
fn digits_in(word: u64) -> usize {
    (not_digits(word).trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::super::parse_any;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Columns of numbers that are alike, and of some that are not.
        #[test]
        fn a_column_is_read_as_its_numbers_are_one_by_one(
            numbers in prop::collection::vec(
                prop_oneof![
                    6 => "[0-9]{5}\\.[0-9]{8}",
                    6 => "[0-9]{1,9}\\.[0-9]{1,9}",
                    2 => "[0-9]{1,2}\\.[0-9]{1,4}0{4,8}",
                    2 => "[0-9]{0,12}",
                    1 => "[-+.eE0-9]{0,45}",
                ],
                1..8,
            ),
            damage in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
            scale in prop_oneof![4 => Just(8), 4 => 0u8..=SCALE_MAX],
            stop in prop_oneof![Just(b'"'), Just(b','), Just(b'}')],
        ) {
            let mut column = Column::new(scale, stop);
            let mut text = Vec::new();
            for number in &numbers {
                text.extend_from_slice(number.as_bytes());
                text.push(stop);
            }
            if let Some((at, byte)) = damage {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let mut rest = &text[..];
            while let Some(len) = rest.iter().position(|byte| *byte == stop) {
                let naive = parse_any(&rest[..len], scale).ok().map(|units| (units, len));
                prop_assert_eq!(column.read(rest), naive);
                rest = &rest[len + 1..];
            }
            prop_assert_eq!(column.read(rest), None);
        }
    }
}
