//! Text in the forms that exchanges share: JSON lists, encoded queries, RFC 3339 times. Holds no
//! protocol.

use crate::base::UnixNanos;
use std::borrow::Cow;
use std::fmt::Write;

/// A JSON array of strings.
pub(crate) fn json_list(items: &[impl AsRef<str>]) -> String {
    let items: Vec<serde_json::Value> = items.iter().map(|item| item.as_ref().into()).collect();
    serde_json::Value::from(items).to_string()
}

/// Encodes for a query: all bytes but letters, digits and `-._~`.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // Writing to a String cannot fail.
        }
    }
    out
}

/// Undoes `%xx`; what is no valid escape, or no UTF-8 afterwards, stays as it is.
pub(crate) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = |n: usize| {
            bytes
                .get(at + n)
                .and_then(|&digit| (digit as char).to_digit(16))
        };
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The value of `name` in a URL's query, as it is written there.
pub(crate) fn query_value<'u>(url: &'u str, name: &str) -> Option<&'u str> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The value of `name` in a URL's query, decoded: what [`percent_encode`] was given.
pub(crate) fn query_text<'u>(url: &'u str, name: &str) -> Option<Cow<'u, str>> {
    query_value(url, name).map(percent_decode)
}

/// All values of `name` in a URL's query, decoded: it may be there again and again, and each time
/// have several, with commas between.
pub(crate) fn query_list(url: &str, name: &str) -> Vec<String> {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let values = pairs.filter(|(key, _)| *key == name);
    let decoded = values.map(|(_, value)| percent_decode(value));
    let mut all = Vec::new();
    for list in decoded {
        let items = list.split(',').filter(|item| !item.is_empty());
        all.extend(items.map(str::to_owned));
    }
    all
}

/// The host of a URL, without its port.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or_default()
}

/// The path of a URL, without its query.
pub(crate) fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    path.split('?').next().unwrap_or_default()
}

/// `2026-01-02T03:04:05.123456Z` with any number of decimals, exactly to the nanosecond; what is
/// finer is cut off. `None` for anything else.
pub fn rfc3339(text: &str) -> Option<UnixNanos> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        let digit = |sum: i64, byte: &u8| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + i64::from(byte - b'0'))
        };
        part.iter().try_fold(0, digit)
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| bytes.get(at) != Some(&mark)) || bytes.last() != Some(&b'Z') {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let end = bytes.len() - 1;
    let nanos = match bytes.get(19)? {
        b'.' if end > 20 => {
            let shown = (end - 20).min(9);
            if !bytes[20 + shown..end].iter().all(u8::is_ascii_digit) {
                return None;
            }
            digits(20, 20 + shown)? * 10i64.pow(9 - shown as u32)
        }
        _ if end == 19 => 0,
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 in the Gregorian calendar, with years that begin in March, so that the leap
    // day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
        .map(UnixNanos)
}

/// Appends `units` of 10^-`scale` with exactly `scale` decimals: `30000.01`, `0.00100000`.
pub(crate) fn push_fixed(out: &mut String, units: u64, scale: u8) {
    let one = 10u64.pow(u32::from(scale));
    let (whole, part, width) = (units / one, units % one, usize::from(scale));
    // Writing into a `String` cannot fail.
    let _ = match scale {
        0 => write!(out, "{whole}"),
        _ => write!(out, "{whole}.{part:0width$}"),
    };
}

/// Appends `units` of 10^-`scale` without zeros at the end: `30000.01`, `0.001`, `7`.
pub(crate) fn push_plain(out: &mut String, units: u64, scale: u8) {
    out.extend(
        crate::base::decimal::encode(units, scale)
            .into_iter()
            .map(char::from),
    );
}

/// What [`push_fixed`] appends.
pub(crate) fn fixed(units: u64, scale: u8) -> String {
    let mut out = String::new();
    push_fixed(&mut out, units, scale);
    out
}

/// What [`push_plain`] appends.
pub(crate) fn plain(units: u64, scale: u8) -> String {
    let mut out = String::new();
    push_plain(&mut out, units, scale);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_to_the_nanosecond_and_anything_else_is_none() {
        let time = |text: &str| rfc3339(text).map(|time| time.0);
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(
            time("2021-04-17T16:43:30.244075Z"),
            Some(1_618_677_810_244_075_000)
        );
        assert_eq!(
            time("2024-02-29T23:59:59.123456789Z"),
            Some(1_709_251_199_123_456_789)
        );
        for finer in ["9", "99999999999999999999999999999999999999999"] {
            assert_eq!(
                time(&format!("2024-03-01T00:00:00.123456789{finer}Z")),
                Some(1_709_251_200_123_456_789)
            );
        }
        for bad in [
            "",
            "2021-04-17",
            "2021-04-17T16:43:30.Z",
            "2021-04-17T16:43:30+01:00",
            "2021-13-17T16:43:30Z",
            "2021-04-17T16:43:30.12x4Z",
            "2021-04-17T16:43:30.1234567890123x5Z",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let url = "https://api.binance.com:443/api/v3/depth?symbol=CDUSDT&limit=1000";
        assert_eq!(host(url), "api.binance.com");
        assert_eq!(path(url), "/api/v3/depth");
        assert_eq!(query_value(url, "limit"), Some("1000"));
        let url = "https://a.b/depth?symbol=%E5%B8%81-%2FUSDT&x=%zz%E5";
        assert_eq!(query_text(url, "symbol").as_deref(), Some("币-/USDT"));
        assert_eq!(query_text(url, "x").as_deref(), Some("%zz%E5"));
        assert_eq!((host("wss://a.b"), path("wss://a.b")), ("a.b", ""));
        assert_eq!(query_value("wss://a.b/x", "limit"), None);
        let url = "/x?pair=A%2FB,C&limit=5&pair=D%2cE&pair=";
        assert_eq!(query_list(url, "pair"), ["A/B", "C", "D", "E"]);
        assert_eq!(query_list("/x", "pair"), [""; 0]);
    }

    #[test]
    fn numbers_are_written_with_all_their_decimals_or_as_few_as_can_be() {
        let (mut fixed, mut plain) = (String::new(), String::new());
        for (units, scale) in [(3_000_001, 2), (7, 0), (100_000, 8)] {
            push_fixed(&mut fixed, units, scale);
            push_plain(&mut plain, units, scale);
            fixed.push(' ');
            plain.push(' ');
        }
        assert_eq!(fixed, "30000.01 7 0.00100000 ");
        assert_eq!(plain, "30000.01 7 0.001 ");
    }

    #[test]
    fn queries_are_percent_encoded() {
        assert_eq!(
            percent_encode("币-1 [\"A\"]"),
            "%E5%B8%81-1%20%5B%22A%22%5D"
        );
        assert_eq!(json_list(&["A", "B\""]), r#"["A","B\""]"#);
    }
}
