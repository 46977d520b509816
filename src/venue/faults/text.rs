//! What faults make of a frame, whatever the exchange's language is. Understands no message.

/// A frame on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A text, JSON as a rule.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// What stands in a text in the place of JSON.
const PROSE: &str = "<html><body>Internal error: try again later</body></html>";
/// A message of a kind that nobody knows, by whichever key an exchange names kinds.
const UNKNOWN: &str = r#"{"e":"surprise","event":"surprise","type":"surprise","channel":"surprise","feed":"surprise","method":"surprise","topic":"surprise","data":{"surprise":[1,"x",null]}}"#;
/// A field that nobody knows.
const FIELD: &str = r#""surprise":[{"a":"}"},-1e-9,null]"#;

/// A frame that nobody can read any more: a byte of a text became one that JSON has nowhere, and of
/// binary frames the second half is missing. Another digit would be another price: TLS lets no such
/// byte through, and nothing above it could tell.
pub(super) fn corrupt(frame: &mut Frame, dice: &mut fastrand::Rng) {
    match frame {
        Frame::Text(text) => {
            let plain = |(at, c): (usize, char)| c.is_ascii().then_some(at);
            let places: Vec<usize> = text.char_indices().filter_map(plain).collect();
            if let Some(&at) = dice.choice(&places) {
                text.replace_range(at..=at, "\u{1}");
            }
        }
        Frame::Binary(bytes) => bytes.truncate(bytes.len() / 2),
    }
}

/// A text that is no JSON.
pub(super) fn prose() -> Frame {
    Frame::Text(PROSE.to_owned())
}

/// A message of a kind that nobody knows.
pub(super) fn unknown() -> Frame {
    Frame::Text(UNKNOWN.to_owned())
}

/// Another checksum, in a frame that has one by that name.
pub(super) fn other_checksum(frame: &mut Frame) {
    let Frame::Text(text) = frame else { return };
    let Some(key) = text.find("\"checksum\":") else {
        return;
    };
    let from = key + "\"checksum\":".len();
    let digits = text[from..].bytes().take_while(u8::is_ascii_digit).count();
    if let Ok(sum) = text[from..from + digits].parse::<u32>() {
        text.replace_range(from..from + digits, &(sum ^ 1).to_string());
    }
}

/// A field that nobody knows, at the front of every object.
pub(super) fn unknown_fields(frame: &mut Frame) {
    let Frame::Text(text) = frame else { return };
    let (mut out, mut within, mut escaped) = (String::new(), false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            '{' if !within => {
                out.push_str(FIELD);
                if rest.peek() != Some(&'}') {
                    out.push(',');
                }
            }
            _ => {}
        }
    }
    *text = out;
}

/// The text with names that nobody has in the places of these; `None` if it has none of them.
/// Exchanges write a symbol as it is, or small.
pub(crate) fn masked(text: &str, symbols: &[&str]) -> Option<String> {
    let mut out = text.to_owned();
    for symbol in symbols {
        for spelt in [(*symbol).to_owned(), symbol.to_lowercase()] {
            out = replaced(&out, &spelt, &mask(&spelt));
        }
    }
    (out != text).then_some(out)
}

/// Puts the symbols back that were masked in a text.
pub(crate) fn unmasked(text: &str, symbols: &[&str]) -> String {
    let mut out = text.to_owned();
    for symbol in symbols {
        for spelt in [(*symbol).to_owned(), symbol.to_lowercase()] {
            out = replaced(&out, &mask(&spelt), &spelt);
        }
    }
    out
}

/// Of the same length, so that no limit on lengths tells them apart. `BTC-USD` is `OGP-HFQ`.
fn mask(symbol: &str) -> String {
    let turn = |c: char, first: char| {
        let place = (c as u8 - first as u8 + 13) % 26;
        char::from(first as u8 + place)
    };
    let one = |c: char| match c {
        'A'..='Z' => turn(c, 'A'),
        'a'..='z' => turn(c, 'a'),
        '@' => '#',
        other => other,
    };
    symbol.chars().map(one).collect()
}

/// `text` with `to` for `from`, wherever no letter or digit is beside it.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        out.push_str(before);
        let alone = !is_word(out.chars().next_back()) && !is_word(after.chars().next());
        out.push_str(if alone { to } else { from });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrupt_text_is_no_json_and_its_length_stays() {
        let mut dice = fastrand::Rng::with_seed(1);
        let text = r#"{"a":"é","b":[1.5,"x"]}"#;
        for _ in 0..200 {
            let mut frame = Frame::Text(text.to_owned());
            corrupt(&mut frame, &mut dice);
            let Frame::Text(bad) = frame else {
                panic!("a text stays one");
            };
            assert_eq!(bad.len(), text.len());
            assert!(serde_json::from_str::<serde_json::Value>(&bad).is_err());
        }
    }

    #[test]
    fn unknown_fields_are_in_every_object_and_change_nothing_else() {
        let mut frame = Frame::Text(r#"{"a":"{\"{","b":[{},{"c":1}]}"#.to_owned());
        unknown_fields(&mut frame);
        let Frame::Text(text) = frame else {
            panic!("a text stays one");
        };
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for object in ["", "/b/0", "/b/1"] {
            let object = value.pointer_mut(object).unwrap().as_object_mut().unwrap();
            assert!(object.remove("surprise").is_some());
        }
        assert_eq!(value, serde_json::json!({"a": "{\"{", "b": [{}, {"c": 1}]}));
    }

    #[test]
    fn a_symbol_is_masked_as_a_word_of_its_own_and_comes_back() {
        let text = r#"["btcusdt@depth","BTCUSDT","XBTCUSDT","BTCUSDT1"]"#;
        let hidden = masked(text, &["BTCUSDT"]).unwrap();
        assert_eq!(
            hidden,
            r#"["ogphfqg@depth","OGPHFQG","XBTCUSDT","BTCUSDT1"]"#
        );
        assert_eq!(unmasked(&hidden, &["BTCUSDT"]), text);
        assert_eq!(masked(text, &["ETHUSDT"]), None);
    }

    #[test]
    fn another_checksum_is_another_number() {
        let mut frame = Frame::Text(r#"{"checksum":4294967295,"b":1}"#.to_owned());
        other_checksum(&mut frame);
        let other = r#"{"checksum":4294967294,"b":1}"#;
        assert_eq!(frame, Frame::Text(other.to_owned()));
    }
}
