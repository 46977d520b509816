//! Any text as a decimal at any scale, and as a time. What is read is written back.

use crate::base::decimal::{SCALE_MAX, encode, parse};
use crate::exchange::kit::text::rfc3339;

pub(super) fn body(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let scale = first % (SCALE_MAX + 1);
    if let Ok(units) = parse(text, scale) {
        assert!(units <= i64::MAX as u64);
        assert_eq!(parse(&encode(units, scale), scale), Ok(units));
    }
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = rfc3339(text);
    }
}
