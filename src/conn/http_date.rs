//! The time that an HTTP answer states, and what that says about the server's clock. Reads no
//! clock.

use crate::base::{Nanos, ServerTime, UnixNanos};

/// A Date counts in seconds, and a server may read its clock only once per second.
const UNIT_NS: i64 = 2_000_000_000;

/// The time that a Date states; `None` for any other text, and for a time that no [`UnixNanos`]
/// holds.
pub(crate) fn parse(text: &str) -> Option<UnixNanos> {
    let ns = seconds_since_1970(text.trim())?.checked_mul(1_000_000_000)?;
    Some(UnixNanos(ns))
}

/// What an answer with this Date says about the server's clock.
pub(crate) fn told(shown: UnixNanos, sent: Nanos, received: Nanos) -> ServerTime {
    ServerTime {
        sent,
        received,
        shown,
        unit_ns: UNIT_NS,
    }
}

/// Seconds since 1970 of any of the three forms of RFC 9110 §5.6.7:
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
pub(super) fn seconds_since_1970(text: &str) -> Option<i64> {
    let mut words = text.split([' ', '-', ',']).filter(|word| !word.is_empty());
    let _weekday = words.next()?;
    let second = words.next()?;
    let (day, month, year, time);
    if second.starts_with(|c: char| c.is_ascii_digit()) {
        (day, month, year) = (second, words.next()?, words.next()?);
        time = words.next()?;
        if words.next()? != "GMT" {
            return None;
        }
    } else {
        (month, day, time) = (second, words.next()?, words.next()?);
        year = words.next()?;
    }
    if words.next().is_some() {
        return None;
    }
    let year: i64 = match (year.len(), year.parse().ok()?) {
        (4, year) => year,
        (2, year @ 0..70) => 2000 + year,
        (2, year) => 1900 + year,
        (_, _) => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? as i64 + 1;
    let day: i64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let mut clock = time.split(':').map(|part| part.parse::<i64>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    let valid = (0..24).contains(&h) && (0..60).contains(&m) && (0..=60).contains(&s);
    valid.then(|| days_since_1970(year, month, day) * 86_400 + h * 3_600 + m * 60 + s)
}

/// In the proleptic Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that a leap day is their last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + leap_days + of_year - DAYS_TO_1970
}

/// From the first of March of the year 0.
const DAYS_TO_1970: i64 = 719_468;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_to_the_second() {
        let of = |text: &str| parse(text).map(|time| time.0 / 1_000_000_000);
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(of("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(of(" Thu, 29 Feb 2024 23:59:59 GMT "), Some(1_709_251_199));
        assert_eq!(of("Fri, 01 Mar 2024 00:00:00 GMT"), Some(1_709_251_200));
        assert_eq!(of("Fri, 31 Dec 2100 23:59:60 GMT"), Some(4_133_980_800));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nor 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 9994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((2026, 11, 27), 20_784),
            ((1969, 12, 31), -1),
        ] {
            assert_eq!(days_since_1970(date.0, date.1, date.2), days, "{date:?}");
        }
    }
}
