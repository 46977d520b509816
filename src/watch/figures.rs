//! Numbers as a person reads them: three significant digits and a unit. Files keep the exact ones.

/// A span with three significant digits in the unit that suits it: `950 ns`, `1.45 µs`, `20.0 ms`,
/// `3.20 s`.
pub(crate) fn span(ns: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    // 999.5 of a unit would round to 1000: it belongs to the next one.
    let fits = |(_, unit): &&(&str, f64)| (ns as f64) < 999.5 * unit;
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
    let value = ns as f64 / unit;
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {name}")
}

/// A count with thousands set apart: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A signal or a share with three significant digits: `-0.514`, `4.27`, `70`.
pub(crate) fn ratio(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let whole = value.abs().log10().floor() as i32;
    let decimals = (2 - whole).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A sum of money or quantities, given as a plain decimal: three significant digits, and never
/// fewer than its whole part has: `0.291`, `1.73`, `111,059`. What is no number stays as it is.
pub(crate) fn sum(decimal: &str) -> String {
    match decimal.parse::<f64>() {
        Ok(value) if value.abs() >= 100.0 && value.abs() < 1e18 => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", count(value.abs().round() as u64))
        }
        Ok(value) => ratio(value),
        Err(_) => decimal.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_three_digits_and_a_unit_that_suits_it() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_450, "1.45 µs"),
            (9_996, "10.0 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_600, "1.00 ms"),
            (20_000_000, "20.0 ms"),
            (3_200_000_000, "3.20 s"),
            (60_000_000_000, "60.0 s"),
            (5_000_000_000_000, "5000 s"),
        ] {
            assert_eq!(span(ns), text);
        }
    }

    #[test]
    fn a_count_has_its_thousands_set_apart() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn a_signal_has_three_digits_at_any_size() {
        for (value, text) in [
            (0.0, "0"),
            (-0.513_989_646_653_808_8, "-0.514"),
            (0.000_123_45, "0.000123"),
            (4.272_8, "4.27"),
            (70.0, "70"),
            (1_234.5, "1234"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(ratio(value), text);
        }
    }

    #[test]
    fn a_sum_keeps_its_whole_part_and_three_digits() {
        for (decimal, text) in [
            ("0", "0"),
            ("0.29104", "0.291"),
            ("1.72855", "1.73"),
            ("95.3641", "95.4"),
            ("111059.3226344", "111,059"),
            ("-12850.7", "-12,851"),
            ("none", "none"),
        ] {
            assert_eq!(sum(decimal), text);
        }
    }
}
