//! Decimal text to integers and back, exactly. No float on the way, and no rounding: what does not fit is an error.

use std::fmt;

/// Why a decimal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not `digits` or `digits.digits`: a sign, an exponent, a blank, nothing at all.
    Malformed,
    /// A non-zero digit beyond the instrument's scale.
    TooFine,
    /// Does not fit into `i64` at this scale, or is longer than [`TEXT_MAX`] bytes.
    TooLarge,
}

/// The longest number text that is looked at, in bytes.
pub const TEXT_MAX: usize = 40;
/// The largest scale: 10^18 is the last power of ten in an `i64`.
pub const SCALE_MAX: u8 = 18;

/// Parses `text` (`[0-9]+(\.[0-9]+)?`) into units of 10^-`scale`, at most `i64::MAX`.
pub fn parse(text: &[u8], scale: u8) -> Result<u64, DecimalError> {
    debug_assert!(scale <= SCALE_MAX);
    if text.len() > TEXT_MAX {
        return Err(DecimalError::TooLarge);
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

/// Writes `units` of 10^-`scale` as a plain decimal without trailing zeros or exponent: `0.1`, `100`, `0.00005`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    pub units: u128,
    /// 0 ..= 36 (a notional has the scales of price and quantity together).
    pub scale: u8,
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
