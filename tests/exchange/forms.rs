//! A JSON frame in other words: what an exchange may do to its messages without telling anybody.

/// Frames of no kind that any exchange has.
pub const UNKNOWN_EVENTS: [&str; 8] = [
    "{}",
    "[]",
    r#"{"event":"zz_new","data":{"s":"BTCUSDT"}}"#,
    r#"{"e":"zzNew","E":1,"s":"BTCUSDT"}"#,
    r#"{"channel":"zz_new","type":"update","data":[{"symbol":"BTC/USD"}]}"#,
    r#"{"topic":"zz_new.BTCUSDT","type":"snapshot","data":{"s":"BTCUSDT"}}"#,
    r#"{"type":"zz_new","product_id":"BTC-USD"}"#,
    r#"{"jsonrpc":"2.0","method":"zz_new","params":{}}"#,
];

/// The frame with an unknown field at the beginning of each of its objects, one at a time.
pub fn with_unknown_fields(frame: &str) -> Vec<String> {
    let mut changed = Vec::new();
    for (kind, from, to) in tokens(frame) {
        if kind == Token::Other && &frame[from..to] == "{" {
            let empty = frame[to..].trim_start().starts_with('}');
            let comma = if empty { "" } else { "," };
            let (before, after) = frame.split_at(to);
            changed.push(format!(
                r#"{before}"zz_new":{{"a":[1,"x",null]}}{comma}{after}"#
            ));
        }
    }
    changed
}

/// The frame with its numbers written otherwise.
pub fn of_numbers(frame: &str) -> Vec<(&'static str, String)> {
    let decimal = |text: &str| text.contains('.') && is_number(text);
    let whole = |text: &str| !text.contains('.') && is_number(text) && !text.starts_with('-');
    let exponent = |text: &str| match text.split_once('.') {
        Some((a, b)) if decimal(text) => format!("{a}{b}e-{}", b.len()),
        _ => text.to_owned(),
    };
    vec![
        (
            "decimals as numbers",
            rewrite(frame, |text, _| (text.to_owned(), !decimal(text))),
        ),
        (
            "decimals as strings",
            rewrite(frame, |text, was| (text.to_owned(), was || decimal(text))),
        ),
        (
            "decimals with exponents",
            rewrite(frame, |text, was| (exponent(text), was)),
        ),
        (
            "whole numbers as strings",
            rewrite(frame, |text, was| (text.to_owned(), was || whole(text))),
        ),
    ]
}

/// Writes each number, and each string that is one and no key, as `form` says: its text, and
/// whether in quotes.
fn rewrite(frame: &str, form: impl Fn(&str, bool) -> (String, bool)) -> String {
    let mut out = String::new();
    for (kind, from, to) in tokens(frame) {
        let text = &frame[from..to];
        let is_key = frame[to..].trim_start().starts_with(':');
        let inner = text.trim_matches('"');
        match kind {
            Token::String if is_number(inner) && !is_key => {
                let (text, quoted) = form(inner, true);
                // A number must not begin with a zero that means nothing.
                let quoted = quoted || !json_number(&text);
                out.push_str(&if quoted { format!("\"{text}\"") } else { text });
            }
            Token::Number => {
                let (text, quoted) = form(text, false);
                let quoted = quoted || !json_number(&text);
                out.push_str(&if quoted { format!("\"{text}\"") } else { text });
            }
            Token::String | Token::Other => out.push_str(text),
        }
    }
    out
}

fn json_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// `123` or `123.45`, with or without a sign.
pub fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    String,
    Number,
    Other,
}

/// The tokens of a JSON text with their places; single characters if they are neither string nor
/// number.
pub fn tokens(frame: &str) -> Vec<(Token, usize, usize)> {
    let (bytes, mut found, mut at) = (frame.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let from = at;
        let kind = match bytes[at] {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                Token::String
            }
            b'-' | b'0'..=b'9' => {
                let more =
                    |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
                while bytes.get(at).is_some_and(more) {
                    at += 1;
                }
                Token::Number
            }
            _ => {
                at += 1;
                while !frame.is_char_boundary(at) {
                    at += 1;
                }
                Token::Other
            }
        };
        found.push((kind, from, at.min(bytes.len())));
    }
    found
}
