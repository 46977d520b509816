//! How many digits numbers have that are written as texts, before and behind the point: which scale
//! holds all of them.

use super::cursor::Value;
use crate::base::decimal;

/// Digits that fit into `i64`, whatever they are.
pub(super) const DIGITS_MAX: u8 = 18;

/// The digits of an instrument's prices and quantities: those that are known and a frame's, before
/// anybody is told of it.
#[derive(Debug, Default)]
pub(crate) struct Wide {
    pub(super) px: Digits,
    pub(super) qty: Digits,
}

/// Digits of the numbers of one sort.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digits {
    /// Most decimals, as they are written.
    written: u8,
    /// Most decimals, without zeros at the end.
    needed: u8,
    /// Most digits before the point.
    whole: u8,
}

impl Wide {
    /// A price and a quantity; `None` if one of the two is no text.
    pub(crate) fn both(&mut self, [px, qty]: [Value<'_>; 2]) -> Option<()> {
        self.px.see(px.string()?);
        self.qty.see(qty.string()?);
        Some(())
    }

    /// `[["price","quantity",…],…]` of a frame that is read where it lies.
    pub(crate) fn levels(&mut self, list: Value<'_>) -> Option<()> {
        list.level_digits([&mut self.px, &mut self.qty])
    }
}

impl Digits {
    /// `0.00100` has five decimals and needs three, `1.5e-5` has six, `7` none. At most 18 of each.
    pub(super) fn see(&mut self, text: &str) {
        if self.holds(text) {
            return;
        }
        self.see_slowly(text);
    }

    /// The length of the number that begins here and ends with a quotation mark, if it is a short
    /// one and [`Self::holds`] it: the sixteen bytes of it are looked at together.
    #[inline]
    pub(super) fn pass(&self, text: &[u8]) -> Option<usize> {
        const ONES: u128 = u128::from_le_bytes([1; 16]);
        const TOPS: u128 = ONES << 7;
        let text: &[u8; 16] = text.first_chunk()?;
        let values = u128::from_le_bytes(*text) ^ (ONES * u128::from(b'0'));
        // A top bit for each byte that is no digit; no sum carries into the next byte.
        let others = (((values & !TOPS) + ONES * (0x80 - 10)) | values) & TOPS;
        let next = |others: u128| (others.trailing_zeros() / 8) as usize;
        let whole = next(others);
        let (len, part) = match text.get(whole)? {
            b'"' => (whole, 0),
            b'.' => {
                let len = next(others & (others - 1));
                (len, len - whole - 1)
            }
            _ => return None,
        };
        let zeros = text.get(len - part + usize::from(self.needed).min(part)..len)?;
        let held = whole - usize::from(text[0] == b'0' && whole == 1) <= usize::from(self.whole)
            && part <= usize::from(self.written)
            && zeros.iter().all(|byte| *byte == b'0');
        (held && text.get(len) == Some(&b'"')).then_some(len)
    }

    fn see_slowly(&mut self, text: &str) {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent = exponent.parse::<i64>().unwrap_or(0);
        let most = i64::from(decimal::SCALE_MAX);
        let clamped = |count: i64| count.clamp(0, most) as u8;
        let decimals = |part: &str| clamped((part.len() as i64).saturating_sub(exponent));
        let whole = whole.trim_start_matches(['-', '0']).len() as i64;
        self.written = self.written.max(decimals(part));
        self.needed = self.needed.max(decimals(part.trim_end_matches('0')));
        self.whole = self.whole.max(clamped(whole.saturating_add(exponent)));
    }

    /// Whether nothing about these digits is new, as far as a glance tells: never with an exponent
    /// or a sign.
    #[inline]
    fn holds(&self, text: &str) -> bool {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let zeros = text.bytes().take_while(|byte| *byte == b'0').count();
        let text = &text.as_bytes()[zeros..];
        let whole = digits(text);
        let part = match &text[whole..] {
            [b'.', part @ ..] => part,
            [] => &[],
            _ => return false,
        };
        let needed = part.get(usize::from(self.needed)..).unwrap_or_default();
        whole <= usize::from(self.whole)
            && part.len() <= usize::from(self.written)
            && digits(part) == part.len()
            && needed.iter().all(|byte| *byte == b'0')
    }

    /// What both have.
    pub(super) fn join(&mut self, other: Self) {
        self.written = self.written.max(other.written);
        self.needed = self.needed.max(other.needed);
        self.whole = self.whole.max(other.whole);
    }

    /// They may not fit as they are written.
    pub(super) fn are_many(&self) -> bool {
        self.whole + self.written > DIGITS_MAX
    }

    /// The decimals as they are written. If they leave no room for the largest number, as many
    /// as do, and those that are needed.
    pub(super) fn scale(&self) -> u8 {
        match self.are_many() {
            false => self.written,
            true => self.needed.max(DIGITS_MAX - self.whole).min(self.written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_are_held_change_nothing() {
        let digits = Digits {
            written: 4,
            needed: 2,
            whole: 3,
        };
        let held = ["", "0", "7.5", "123.45", "000.00", "0000.4500", ".5", "1."];
        let new = [
            "1234", "1.234", "1.00000", "-1", "1e2", "1.2.3", "1..2", "x",
        ];
        for text in held.iter().chain(&new) {
            assert_eq!(digits.holds(text), held.contains(text), "{text}");
            let quoted = format!("{text}\",\"1.50\"],[\"1\",\"2\"]]");
            let passed = digits.pass(quoted.as_bytes());
            match text.starts_with("00") {
                true => assert!(passed.is_none_or(|len| len == text.len())),
                false => assert_eq!(passed, digits.holds(text).then_some(text.len()), "{text}"),
            }
            let mut seen = digits;
            seen.see(text);
            let mut slow = digits;
            slow.see_slowly(text);
            assert_eq!(format!("{seen:?}"), format!("{slow:?}"), "{text}");
        }
    }
}
