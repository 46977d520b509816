//! The header `Retry-After`, read in one place for handshakes and REST answers. Reads no clock.

use super::http_date::seconds_since_1970 as http_date;
use crate::base::{Span, UnixNanos};

/// Never obeyed for longer. The longest ban that exchanges document is three days.
pub(crate) const RETRY_AFTER_MAX: Span = Span::from_secs(3 * 24 * 3600);

/// How long the peer asks us to stay away, at most [`RETRY_AFTER_MAX`]; `None` if the value is
/// neither a number of seconds nor an HTTP date. A date counts from the answer's own `Date`, or
/// from `now` without one.
pub(crate) fn retry_after(value: &str, date: Option<&str>, now: UnixNanos) -> Option<Span> {
    let value = value.trim();
    if let Some(seconds) = seconds(value) {
        return Some(RETRY_AFTER_MAX.min(Span::from_secs(seconds)));
    }
    let until_s = http_date(value)?;
    let from_s = date
        .and_then(http_date)
        .unwrap_or(now.0.div_euclid(NS_PER_S));
    let wait_s = until_s.saturating_sub(from_s).max(0).unsigned_abs();
    Some(Span::from_secs(
        wait_s.min(RETRY_AFTER_MAX.0 / NS_PER_S as u64),
    ))
}

/// A count of seconds, rounded up; one that is absurdly long counts as three days.
fn seconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let most = RETRY_AFTER_MAX.0 / NS_PER_S as u64;
    let whole = whole.parse::<u64>().unwrap_or(most).min(most);
    Some(whole + u64::from(fraction.bytes().any(|byte| byte != b'0')))
}

const NS_PER_S: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const NOW: UnixNanos = UnixNanos(784_111_777 * NS_PER_S + 5);

    fn asked(value: &str) -> Option<u64> {
        retry_after(value, None, NOW).map(|span| span.0 / NS_PER_S as u64)
    }

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_understood() {
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("  7 "), Some(7));
        assert_eq!(asked("0"), Some(0));
        assert_eq!(asked("1.5"), Some(2));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(asked("Sunday, 06-Nov-94 08:50:37 GMT"), Some(60));
        assert_eq!(asked("Sun Nov  6 08:50:37 1994"), Some(60));
        assert_eq!(asked("Mon, 07 Nov 1994 08:49:37 GMT"), Some(86_400));
        // What is past asks for nothing, and is understood all the same.
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
    }

    #[test]
    fn nothing_is_obeyed_for_longer_than_the_longest_documented_ban() {
        let most = Some(RETRY_AFTER_MAX.0 / NS_PER_S as u64);
        assert_eq!(asked("18446744073709551615"), most);
        assert_eq!(asked("99999999999999999999999"), most);
        assert_eq!(asked("Fri, 31 Dec 9999 23:59:59 GMT"), most);
    }

    #[test]
    fn what_says_no_time_is_none() {
        for value in [
            "",
            "soon",
            "-5",
            "1e3",
            "5 s",
            ".",
            "1.",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT x",
        ] {
            assert_eq!(asked(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_date_counts_from_the_date_of_its_own_answer_whatever_our_clock_says() {
        let date = Some("Fri, 27 Nov 2026 07:00:00 GMT");
        let span = retry_after("Fri, 27 Nov 2026 07:00:05 GMT", date, NOW);
        assert_eq!(span, Some(Span::from_secs(5)));
    }
}
