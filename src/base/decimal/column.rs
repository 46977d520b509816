//! Many numbers in a row. Takes those that two 64-bit words hold, up to eight digits on either side
//! of the point, and leaves every other one to [`parse`].

use super::{POWERS, SCALE_MAX, TEXT_MAX, ZEROS, digits_joined, not_digits, parse};

/// The bytes that a number takes with its end, if two words hold it: eight digits on either side,
/// the point and the byte behind them.
const REACH: usize = 18;

/// Numbers of one scale that stand in a text one after the other, each ended by the same byte: a
/// column of prices or of quantities.
///
/// Neighbours are mostly written alike. Where the last number had its point and its end is looked
/// at first, so that the next number's place does not wait for this one's digits to be counted.
///
/// Invariant: `whole < 8` and `part < 8`; `one` is 10^`kept`, where `kept` is the scale or eight;
/// `more` is what is missing to 10^`scale`; the bits and the masks are those of `whole`, `part` and
/// `kept`, each a byte a digit.
#[derive(Debug)]
pub(crate) struct Column {
    stop: u8,
    scale: u8,
    kept_bits: u32,
    /// Digits before the point and behind it in the last number, less one.
    whole: usize,
    part: usize,
    /// What the digits before the point move up by, and those behind it: so that the last one of
    /// each is the highest byte of its word, or all stand one behind the other in one word.
    whole_bits: u32,
    part_bits: u32,
    /// The bytes of the digits before the point, if all digits up to the scale fit into one word;
    /// else none.
    whole_mask: u64,
    /// The bytes of the digits behind the point, and those of them that are beyond the scale.
    part_mask: u64,
    fine_mask: u64,
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
        let mut column = Self {
            stop,
            scale,
            kept_bits: 8 * kept,
            whole: 0,
            part: 0,
            whole_bits: 0,
            whole_mask: 0,
            // At a scale of zero every digit behind the point is zero, wherever it moves to.
            part_bits: (64 - 8 * kept) % 64,
            part_mask: 0,
            fine_mask: u64::MAX.unbounded_shl(8 * kept),
            one: POWERS[kept as usize],
            more: POWERS[usize::from(scale) - kept as usize],
        };
        column.set(1, 8);
        column
    }

    /// A number has this many digits before its point and behind it, as those after it will have.
    #[inline(always)]
    fn set(&mut self, whole: usize, part: usize) {
        debug_assert!((1..=8).contains(&whole));
        debug_assert!((1..=8).contains(&part));
        (self.whole, self.part) = (whole - 1, part - 1);
        self.part_mask = u64::MAX >> (64 - 8 * part);
        let whole = 8 * whole as u32;
        (self.whole_bits, self.whole_mask) = match (64 - whole).checked_sub(self.kept_bits) {
            Some(bits) => (bits, u64::MAX >> (64 - whole)),
            None => (64 - whole, 0),
        };
    }

    /// The number that `text` begins with, as [`parse`] reads it, and how many bytes it takes;
    /// `None` if it is none that fits, or if it does not end with the column's byte.
    #[inline(always)]
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<(u64, usize)> {
        match text.first_chunk().and_then(|near| self.alike(near)) {
            Some(units) => Some((units, self.whole + self.part + 3)),
            None => self.other(text),
        }
    }

    /// The number here, if the digits, the point and the end are where the last number had them.
    #[inline(always)]
    fn alike(&self, near: &[u8; REACH]) -> Option<u64> {
        // Less than eight: so that no place needs to be compared with the reach.
        let (whole, part) = (self.whole & 7, self.part & 7);
        let head = word(near, 0) ^ ZEROS;
        let tail = (word(near, whole + 2) ^ ZEROS) & self.part_mask;
        if near[whole + 1] != b'.'
            || near[whole + part + 3] != self.stop
            || tail & self.fine_mask != 0
        {
            return None;
        }
        let tail = tail << self.part_bits;
        let units = if self.whole_mask != 0 {
            let digits = ((head & self.whole_mask) << self.whole_bits) | tail;
            (not_digits([digits, 0]) == 0).then(|| digits_joined(digits))?
        } else {
            let head = head << self.whole_bits;
            let all = not_digits([head, tail]) == 0;
            all.then(|| digits_joined(head) * self.one + digits_joined(tail))?
        };
        match self.more {
            1 => Some(units),
            more => fitting(units, more),
        }
    }

    /// A number that is written otherwise than the last one, or that ends near the end of the text.
    #[inline(never)]
    fn other(&mut self, text: &[u8]) -> Option<(u64, usize)> {
        let found = match text.first_chunk() {
            Some(near) => self.measured(near),
            None => {
                let mut near = [0; REACH]; // Nothing that a number has, and no column's end.
                near[..text.len()].copy_from_slice(text);
                self.measured(&near)
            }
        };
        found.or_else(|| self.any(text))
    }

    #[inline(always)]
    fn measured(&mut self, near: &[u8; REACH]) -> Option<(u64, usize)> {
        let whole = digits_in(word(near, 0));
        if whole == 0 {
            return None;
        }
        if near[whole] == self.stop {
            let head = (word(near, 0) ^ ZEROS) << (64 - 8 * whole);
            let units = fitting(digits_joined(head) * self.one, self.more)?;
            return Some((units, whole));
        }
        let part = digits_in(word(near, whole + 1));
        if part == 0 {
            return None;
        }
        self.set(whole, part);
        Some((self.alike(near)?, whole + 1 + part))
    }

    #[inline(never)]
    fn any(&self, text: &[u8]) -> Option<(u64, usize)> {
        let reach = &text[..text.len().min(TEXT_MAX + 1)];
        let len = reach.iter().position(|byte| *byte == self.stop)?;
        Some((parse(&text[..len], self.scale).ok()?, len))
    }
}

#[inline(never)] // No exchange's common scales are finer than what it writes.
fn fitting(units: u64, more: u64) -> Option<u64> {
    let units = units.checked_mul(more)?;
    (units <= i64::MAX as u64).then_some(units)
}

/// Eight bytes from here on, the first one lowest.
#[inline(always)]
fn word(near: &[u8; REACH], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&near[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// How many digits a word begins with.
#[inline(always)]
fn digits_in(word: u64) -> usize {
    (not_digits([word ^ ZEROS, 0]).trailing_zeros() / 8) as usize
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
