//! Values as text that leaves the process, for every room that writes it.

use super::time::UnixNanos;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes in hexadecimal, as digests are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}"); // Writing into a string cannot fail.
    }
    text
}

/// RFC 3339 in UTC with nanoseconds: `2026-11-22T16:38:00.123456789Z`.
pub(crate) fn rfc3339(time: UnixNanos) -> String {
    humantime::format_rfc3339_nanos(UNIX_EPOCH + since_1970(time)).to_string()
}

/// As [`rfc3339`], with milliseconds.
pub(crate) fn rfc3339_millis(time: UnixNanos) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + since_1970(time)).to_string()
}

/// Zero for a time before it.
fn since_1970(time: UnixNanos) -> Duration {
    Duration::from_nanos(u64::try_from(time.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_have_two_digits_a_byte() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_eq!(hex(&[]), "");
    }

    #[test]
    fn times_are_in_utc_and_as_fine_as_is_asked_for() {
        let time = UnixNanos(1_700_000_000_123_456_789);
        assert_eq!(rfc3339(time), "2023-11-14T22:13:20.123456789Z");
        assert_eq!(rfc3339_millis(time), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339_millis(UnixNanos(-1)), "1970-01-01T00:00:00.000Z");
    }
}
