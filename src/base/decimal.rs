//! Decimal text to integers and back, exactly. No float on the way, and no rounding: what does not
//! fit is an error.

mod column;

pub(crate) use column::Column;

use arrayvec::ArrayVec;
use std::fmt;

/// Why a decimal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not `digits` or `digits.digits`, with or without an exponent: a sign, a blank, nothing at
    /// all.
    Malformed,
    /// A non-zero digit beyond the instrument's scale.
    TooFine,
    /// Does not fit into `i64` at this scale, or is longer than `TEXT_MAX` bytes.
    TooLarge,
    /// A price below zero, for an instrument that may have one.
    Negative,
}

impl DecimalError {
    /// A static word for logs and counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "number_malformed",
            Self::TooFine => "number_too_fine",
            Self::TooLarge => "number_too_large",
            Self::Negative => "number_negative",
        }
    }
}

/// The longest number text that [`parse`] accepts, in bytes.
pub(crate) const TEXT_MAX: usize = 40;
/// The largest scale: 10^18 is the last power of ten in an `i64`.
pub const SCALE_MAX: u8 = 18;

/// The longest text that [`encode`] makes: `u64::MAX` with a point in it.
pub(crate) const ENCODED_MAX: usize = 21;

/// Parses `text` (`[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?`) into units of 10^-`scale`, at most
/// `i64::MAX`.
///
/// Exchanges that pad to eight decimals (`61737.63000000`) take the fast path; everything else,
/// errors above all, goes to the slow one.
#[inline]
pub fn parse(text: &[u8], scale: u8) -> Result<u64, DecimalError> {
    debug_assert!(scale <= SCALE_MAX);
    match parse_padded(text, scale) {
        Some(units) => Ok(units),
        None => parse_any(text, scale),
    }
}

/// One to eight digits, a point, eight digits: two 64-bit words, with no loop and no branch per
/// digit.
#[inline]
fn parse_padded(text: &[u8], scale: u8) -> Option<u64> {
    const PADDED: usize = 8;
    let width = text.len().wrapping_sub(PADDED + 1);
    if !(1..=8).contains(&width) || text[width] != b'.' {
        return None;
    }
    // The first eight bytes are there in any case: the shift drops what follows the whole part and
    // leaves zeros in front of it.
    let head = u64::from_le_bytes(*text.first_chunk()?) ^ ZEROS;
    let whole = head << (64 - 8 * width);
    let part = u64::from_le_bytes(*text.last_chunk()?) ^ ZEROS;
    if not_digits([whole, part]) != 0 {
        return None;
    }
    let units = digits_joined(whole) * 100_000_000 + digits_joined(part);
    if usize::from(scale) == PADDED {
        Some(units)
    } else {
        rescale(units, scale)
    }
}

/// Moves units of 10^-8 to another scale; `None` if they do not fit there exactly.
#[inline(never)] // The commonest scale is eight: this must not stand in the way of that.
fn rescale(units: u64, scale: u8) -> Option<u64> {
    /// Indexed by the scale: 10^8, 10^7, … 10.
    const STEPS: [u64; 8] = [
        100_000_000,
        10_000_000,
        1_000_000,
        100_000,
        10_000,
        1_000,
        100,
        10,
    ];
    if let Some(&step) = STEPS.get(usize::from(scale)) {
        return units.is_multiple_of(step).then(|| units / step);
    }
    let units = units.checked_mul(10u64.pow(u32::from(scale - 8)))?;
    (units <= i64::MAX as u64).then_some(units)
}

/// Turns eight ASCII digits into their values, and whatever is no digit into more than nine.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// Zero if all bytes of these words are at most nine. A sum carries only out of a byte whose own
/// top bit says that it is more.
#[inline(always)]
fn not_digits([one, other]: [u64; 2]) -> u64 {
    const TO_TOP: u64 = u64::from_le_bytes([0x80 - 10; 8]);
    let all = one | one.wrapping_add(TO_TOP) | other | other.wrapping_add(TO_TOP);
    all & u64::from_le_bytes([0x80; 8])
}

/// The number that eight digits make, the first one in the lowest byte.
#[inline(always)]
fn digits_joined(digits: u64) -> u64 {
    // Neighbours are joined in pairs, then fours, then all eight: each product adds the first one
    // to the second one's place, where no sum is too large for it, and the mask drops the others.
    const PAIRS: u64 = 1 + (10 << 8);
    const FOURS: u64 = 1 + (100 << 16);
    const ALL: u64 = 1 + (10_000 << 32);
    let pairs = (digits.wrapping_mul(PAIRS) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(FOURS) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(ALL) >> 32
}

/// 10^0 to 10^18.
const POWERS: [u64; SCALE_MAX as usize + 1] = {
    let mut powers = [1; SCALE_MAX as usize + 1];
    let mut to = 1;
    while to < powers.len() {
        powers[to] = 10 * powers[to - 1];
        to += 1;
    }
    powers
};

/// One digit at a time: any length and any exponent. It alone decides about errors. The fast path's
/// twin.
#[inline(never)]
fn parse_any(text: &[u8], scale: u8) -> Result<u64, DecimalError> {
    if text.len() > TEXT_MAX {
        return Err(DecimalError::TooLarge);
    }
    if let Some(e) = text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        return parse_any(&without_exponent(&text[..e], &text[e + 1..])?, scale);
    }
    let (mut units, mut decimals, mut seen_point, mut digits) = (0u64, 0u8, false, 0usize);
    for &byte in text {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if seen_point && decimals == scale {
                    if byte != b'0' {
                        return Err(DecimalError::TooFine);
                    }
                    continue;
                }
                decimals += u8::from(seen_point);
                units = units
                    .checked_mul(10)
                    .and_then(|units| units.checked_add(u64::from(byte - b'0')))
                    .ok_or(DecimalError::TooLarge)?;
            }
            b'.' if !seen_point && digits > 0 => {
                seen_point = true;
                digits = 0;
            }
            _ => return Err(DecimalError::Malformed),
        }
    }
    if digits == 0 {
        return Err(DecimalError::Malformed);
    }
    let units = units
        .checked_mul(10u64.pow(u32::from(scale - decimals)))
        .ok_or(DecimalError::TooLarge)?;
    if units > i64::MAX as u64 {
        Err(DecimalError::TooLarge)
    } else {
        Ok(units)
    }
}

/// The largest exponent, up and down, that can matter: beyond it no number fits any scale.
const EXPONENT_MAX: i32 = 18;

/// The plain decimal that `mantissa` times ten to the `exponent` is: the point moves, the digits
/// stay.
fn without_exponent(
    mantissa: &[u8],
    exponent: &[u8],
) -> Result<ArrayVec<u8, TEXT_MAX>, DecimalError> {
    use DecimalError::{Malformed, TooFine, TooLarge};
    let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+"));
    let digits = digits.unwrap_or(exponent);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let down = exponent.first() == Some(&b'-');
    let size = digits.iter().fold(0i32, |sum, digit| {
        (sum * 10 + i32::from(digit - b'0')).min(EXPONENT_MAX + 1)
    });
    if size > EXPONENT_MAX {
        return Err(if down { TooFine } else { TooLarge });
    }
    let point = mantissa.iter().position(|byte| *byte == b'.');
    if mantissa.first().is_none_or(|byte| *byte == b'.') || mantissa.last() == Some(&b'.') {
        return Err(Malformed);
    }
    let whole = point.unwrap_or(mantissa.len()) as i32 + if down { -size } else { size };
    let mut text = ArrayVec::new();
    let mut push = |byte| text.try_push(byte).map_err(|_| TooLarge);
    if whole <= 0 {
        push(b'0')?;
        push(b'.')?;
        for _ in whole..0 {
            push(b'0')?;
        }
    }
    let mut written = 0;
    for &byte in mantissa.iter().filter(|byte| **byte != b'.') {
        if written == whole && written > 0 {
            push(b'.')?;
        }
        push(byte)?;
        written += 1;
    }
    for _ in written..whole {
        push(b'0')?;
    }
    Ok(text)
}

/// Writes `units` of 10^-`scale` (0 ..= 18) as [`Decimal`] does, without formatting machinery.
pub fn encode(units: u64, scale: u8) -> ArrayVec<u8, ENCODED_MAX> {
    debug_assert!(scale <= SCALE_MAX);
    let one = 10u64.pow(u32::from(scale));
    let (mut part, mut width) = (units % one, usize::from(scale));
    let mut text = ArrayVec::new();
    push_digits(&mut text, units / one, 1);
    if part != 0 {
        while part.is_multiple_of(10) {
            part /= 10;
            width -= 1;
        }
        text.push(b'.');
        push_digits(&mut text, part, width);
    }
    text
}

/// Appends `value` with at least `width` digits. Twenty digits are the longest `u64`.
fn push_digits(text: &mut ArrayVec<u8, ENCODED_MAX>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value != 0 || digits.len() - start < width {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    text.extend(digits[start..].iter().copied());
}

/// `units` of 10^-`from` in units of 10^-`to`; `None` if they do not fit there exactly.
pub(crate) fn rescaled(units: i128, from: u8, to: u8) -> Option<i128> {
    match to.checked_sub(from) {
        Some(up) => units.checked_mul(ten(up)?),
        None if units == 0 => Some(0),
        None => ten(from - to)
            .filter(|step| units % step == 0)
            .map(|step| units / step),
    }
}

/// The same, rounded up or down; `None` if they are too large.
pub(crate) fn rounded(units: i128, from: u8, to: u8, up: bool) -> Option<i128> {
    match to.checked_sub(from) {
        Some(finer) => units.checked_mul(ten(finer)?),
        None => Some(divided(units, ten(from - to)?, up)),
    }
}

pub(crate) fn ten(to: u8) -> Option<i128> {
    10i128.checked_pow(u32::from(to))
}

/// Rounded up, or down; `by` is above zero.
pub(crate) fn divided(units: i128, by: i128, up: bool) -> i128 {
    debug_assert!(by > 0);
    if by == 1 {
        return units;
    }
    let (whole, part) = match (i64::try_from(units), i64::try_from(by)) {
        (Ok(units), Ok(by)) => (
            i128::from(units.div_euclid(by)),
            i128::from(units.rem_euclid(by)),
        ),
        _ => (units.div_euclid(by), units.rem_euclid(by)),
    };
    whole + i128::from(up && part != 0)
}

/// Writes `units` of 10^-`scale` as a plain decimal without trailing zeros or exponent: `0.1`,
/// `100`, `0.00005`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The number, as an integer of 10^-`scale`.
    pub units: u128,
    /// 0 ..= 36 (a notional has the scales of price and quantity together).
    pub scale: u8,
}

impl Decimal {
    /// The number that `text` (`[0-9]+(\.[0-9]+)?`) is, with as many decimals as are written, at
    /// most 36.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        use DecimalError::{Malformed, TooFine, TooLarge};
        let (mut units, mut scale, mut point, mut digits) = (0u128, 0u8, false, 0);
        for &byte in text {
            match byte {
                b'0'..=b'9' => {
                    let digit = u128::from(byte - b'0');
                    let more = units
                        .checked_mul(10)
                        .and_then(|units| units.checked_add(digit));
                    units = more.ok_or(TooLarge)?;
                    scale += u8::from(point);
                    digits += 1;
                }
                b'.' if !point && digits > 0 => (point, digits) = (true, 0),
                _ => return Err(Malformed),
            }
            if scale > 2 * SCALE_MAX {
                return Err(TooFine);
            }
        }
        if digits == 0 {
            return Err(Malformed);
        }
        Ok(Self { units, scale })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10u128.pow(u32::from(self.scale));
        let (whole, mut part, mut width) =
            (self.units / one, self.units % one, usize::from(self.scale));
        if part == 0 {
            return write!(f, "{whole}");
        }
        while part.is_multiple_of(10) {
            part /= 10;
            width -= 1;
        }
        write!(f, "{whole}.{part:0width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padded_text_becomes_units() {
        assert_eq!(parse(b"61737.63000000", 8), Ok(6_173_763_000_000));
        assert_eq!(parse(b"0.00000000", 8), Ok(0));
        assert_eq!(parse(b"99999999.99999999", 8), Ok(9_999_999_999_999_999));
        assert_eq!(parse(b"61737.63000000", 2), Ok(6_173_763));
        assert_eq!(parse(b"1.00000000", 18), Ok(1_000_000_000_000_000_000));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_rounded() {
        assert_eq!(parse(b"61737.63000001", 7), Err(DecimalError::TooFine));
        assert_eq!(parse(b"10.00000000", 18), Err(DecimalError::TooLarge));
        assert_eq!(
            parse(b"92233720368.54775808", 8),
            Err(DecimalError::TooLarge)
        );
        assert_eq!(parse(b"92233720368.54775807", 8), Ok(i64::MAX as u64));
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1.00000000",
            "+1.00000000",
            " 1.0",
            "1,00000000",
            "1.2345678/",
            "1.2345678:",
            "/.00000000",
            "1..0000000",
            "\u{661}.00000000",
        ] {
            assert_eq!(
                parse(text.as_bytes(), 8),
                Err(DecimalError::Malformed),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_decimal_keeps_the_scale_that_it_is_written_with() {
        let parse = |text: &str| Decimal::parse(text.as_bytes());
        let number = |units, scale| Ok(Decimal { units, scale });
        assert_eq!(parse("1.3447112"), number(13_447_112, 7));
        assert_eq!(parse("0"), number(0, 0));
        let many = "999999999999999999.00000000";
        assert_eq!(parse(many), number(99_999_999_999_999_999_900_000_000, 8));
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e5", "1.2.3", " 1"] {
            assert_eq!(parse(text), Err(DecimalError::Malformed), "{text:?}");
        }
        assert_eq!(parse(&"9".repeat(40)), Err(DecimalError::TooLarge));
        let fine = format!("0.{}1", "0".repeat(36));
        assert_eq!(parse(&fine), Err(DecimalError::TooFine));
    }

    #[test]
    fn an_exponent_moves_the_point() {
        let units = |text: &str| parse(text.as_bytes(), 8);
        for (text, plain) in [
            ("1e-5", "0.00001"),
            ("1.05e-5", "0.0000105"),
            ("10.5e-1", "1.05"),
            ("1.0e0", "1.0"),
            ("2.5E+3", "2500"),
            ("61737.63e2", "6173763"),
            ("12e1", "120"),
            ("1234.5e-4", "0.12345"),
            ("0e-18", "0"),
        ] {
            assert_eq!(units(text), units(plain), "{text}");
            assert!(units(text).is_ok(), "{text}");
        }
        use DecimalError::{Malformed, TooFine, TooLarge};
        assert_eq!(units("1e-9"), Err(TooFine));
        assert_eq!(units("1e-99999999999"), Err(TooFine));
        assert_eq!(units("1e18"), Err(TooLarge));
        assert_eq!(units("1e400"), Err(TooLarge));
        for bad in [
            "e5", "1e", "1e+", "1e-", "1.e5", ".1e5", "1e5e5", "1e5.0", "1e 5", "-1e5",
        ] {
            assert_eq!(units(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn another_scale_is_exact_or_none() {
        assert_eq!((rescaled(120, 3, 2), rescaled(121, 3, 2)), (Some(12), None));
        assert_eq!(
            (rescaled(-12, 2, 3), rescaled(1, 0, 60)),
            (Some(-120), None)
        );
        assert_eq!(rescaled(0, 60, 0), Some(0));
    }

    #[test]
    fn encoded_text_is_canonical() {
        let text = |units, scale| String::from_utf8(encode(units, scale).to_vec()).unwrap();
        assert_eq!(text(0, 8), "0");
        assert_eq!(text(5_000, 8), "0.00005");
        assert_eq!(text(10_000_000_000, 8), "100");
        assert_eq!(text(u64::MAX, 18), "18.446744073709551615");
        assert_eq!(text(u64::MAX, 0).len(), 20);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Near the padded form: every width, and now and then a byte that is not part of any
        /// number.
        #[test]
        fn the_fast_path_equals_the_naive_one(
            whole in "[0-9]{0,12}",
            point in prop_oneof![9 => Just("."), 1 => Just("")],
            part in prop_oneof![6 => "[0-9]{8}", 3 => "[0-9]{1,5}0{3,6}", 3 => "[0-9]{0,22}"],
            damage in proptest::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>())),
            scale in prop_oneof![4 => Just(8), 4 => 0u8..=SCALE_MAX],
        ) {
            let mut text = format!("{whole}{point}{part}").into_bytes();
            if let (Some((at, byte)), false) = (damage, text.is_empty()) {
                let at = at.index(text.len());
                text[at] = byte;
            }
            prop_assert_eq!(parse(&text, scale), parse_any(&text, scale));
        }

        #[test]
        fn any_bytes_are_read_alike(
            text in prop_oneof!["[-+.eE0-9 ]{0,45}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..45)],
            scale in 0u8..=SCALE_MAX,
        ) {
            prop_assert_eq!(parse(&text, scale), parse_any(&text, scale));
        }

        #[test]
        fn eight_bytes_are_a_number_only_when_all_are_digits(
            bytes in prop::array::uniform8(prop_oneof![12 => b'0'..=b'9', 1 => any::<u8>()]),
        ) {
            let digits = u64::from_le_bytes(bytes) ^ ZEROS;
            let all = bytes.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(not_digits([digits, 0]) == 0, all);
            prop_assert_eq!(not_digits([9, digits]) == 0, all);
            if all {
                let text = std::str::from_utf8(&bytes).unwrap();
                prop_assert_eq!(digits_joined(digits), text.parse::<u64>().unwrap());
            }
        }

        #[test]
        fn what_is_written_is_read_back_and_equals_display(
            units in prop_oneof![
                any::<u64>(),
                0u64..1_000,
                (0u64..1_000).prop_map(|n| n * 10u64.pow(15))
            ],
            scale in 0u8..=SCALE_MAX,
        ) {
            let text = encode(units, scale);
            let shown = Decimal { units: u128::from(units), scale }.to_string();
            prop_assert_eq!(std::str::from_utf8(&text).unwrap(), shown.as_str());
            if units <= i64::MAX as u64 {
                prop_assert_eq!(parse(&text, scale), Ok(units));
            }
        }
    }
}
