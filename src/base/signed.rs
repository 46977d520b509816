//! Exact decimals with a sign, of any scale, to text and back. Not for a hot path.

/// `units` of 10^-`scale` as a plain decimal: `-0.05`, `12`.
pub(crate) fn text(units: i128, scale: u8) -> String {
    let digits = format!(
        "{:0width$}",
        units.unsigned_abs(),
        width = usize::from(scale) + 1
    );
    let (whole, part) = digits.split_at(digits.len() - usize::from(scale));
    let part = part.trim_end_matches('0');
    let sign = if units < 0 { "-" } else { "" };
    match part.is_empty() {
        true => format!("{sign}{whole}"),
        false => format!("{sign}{whole}.{part}"),
    }
}

/// The units of 10^-`scale` that this text says; `None` if it is no decimal, or does not fit
/// exactly.
pub(crate) fn units(text: &str, scale: u8) -> Option<i128> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dot = plain.len() > whole.len();
    if whole.is_empty() || dot == part.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let part = part.trim_end_matches('0');
    let missing = usize::from(scale).checked_sub(part.len())?;
    let digits = format!("{whole}{part}{:0<missing$}", "");
    let units: i128 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_plain_and_exact() {
        for (value, scale, written) in [
            (0, 0, "0"),
            (0, 8, "0"),
            (-5, 2, "-0.05"),
            (1_200, 2, "12"),
            (1_234, 3, "1.234"),
            (7, 40, "0.0000000000000000000000000000000000000007"),
        ] {
            assert_eq!(text(value, scale), written);
            assert_eq!(units(written, scale), Some(value), "{written}");
        }
        for bad in [
            "", "-", ".5", "5.", "1.2.3", "+1", "1e3", " 1", "--1", "1.-2",
        ] {
            assert_eq!(units(bad, 4), None, "{bad}");
        }
        assert_eq!(units("0.001", 2), None, "too fine");
        assert_eq!(units("0.010", 2), Some(1));
        assert_eq!(units(&"9".repeat(60), 0), None, "too large");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any::<i128>(), scale in 0u8..=54) {
            let value = value / 2;
            prop_assert_eq!(units(&text(value, scale), scale), Some(value));
        }
    }
}
