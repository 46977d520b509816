//! A line of a recording, in buffers that are used again. Reads lines of the shape that this build
//! writes in place, with the same result as [`Entry::parse`]; any other line it leaves to that.

use super::entry::{Entry, Kind, Place, split};

/// A line, and the entry that it is.
#[derive(Default)]
pub(super) struct Line {
    /// As it stands in the file.
    pub(super) text: String,
    ts_ns: Option<u64>,
    /// The connection as a line has it that was read in place: the next line mostly has the same.
    /// Empty if the last one was not.
    origin: String,
    conn: String,
    place: Option<Place>,
    kind: Kind,
    raw: String,
}

impl Line {
    /// Reads the entry of `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(&mut self) -> Result<(), String> {
        if self.parse_known().is_some() {
            return Ok(());
        }
        self.origin.clear();
        let entry = Entry::parse(&self.text)?;
        (self.ts_ns, self.place, self.kind) = (entry.ts_ns, entry.place, entry.kind);
        for (to, from) in [(&mut self.conn, &entry.conn), (&mut self.raw, &entry.raw)] {
            to.clear();
            to.push_str(from);
        }
        Ok(())
    }

    /// The entry that was parsed last.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry {
            ts_ns: self.ts_ns,
            conn: self.conn.as_str().into(),
            place: self.place,
            kind: self.kind,
            raw: self.raw.as_str().into(),
        }
    }

    /// Reads a line with its keys in order, no blank between them, and no escape but common ones in
    /// `raw`.
    fn parse_known(&mut self) -> Option<()> {
        let rest = self.text.strip_prefix(r#"{"ts_ns":"#)?;
        let (ts_ns, rest) = rest.split_at(rest.bytes().position(|byte| byte == b',')?);
        let ts_ns = match ts_ns {
            "null" => None,
            digits => Some(whole(digits)?),
        };
        let rest = rest.strip_prefix(r#","conn":""#)?;
        let same = rest.strip_prefix(&self.origin);
        let rest = match same.filter(|rest| !self.origin.is_empty() && rest.starts_with('"')) {
            Some(rest) => rest,
            None => {
                let (origin, _) = rest.split_once('"')?;
                if origin.bytes().any(is_special) {
                    return None;
                }
                self.origin.clear();
                self.origin.push_str(origin);
                let (conn, place) = split(origin.into());
                self.place = place;
                self.conn.clear();
                self.conn.push_str(&conn);
                &rest[origin.len()..]
            }
        };
        let rest = rest.strip_prefix(r#"","kind":""#)?;
        let (kind, rest) = match rest.strip_prefix("ws\"") {
            Some(rest) => (Kind::Ws, rest),
            None => {
                let (kind, rest) = rest.split_once('"')?;
                (Kind::named(kind)?, rest)
            }
        };
        let rest = rest.strip_prefix(r#","raw":""#)?;
        let mut raw = std::mem::take(&mut self.raw).into_bytes();
        let end = unescape(rest.as_bytes(), &mut raw)?;
        self.raw = String::from_utf8(raw).ok()?;
        (self.ts_ns, self.kind) = (ts_ns, kind);
        matches!(end, b"}" | b"}\n" | b"}\r\n").then_some(())
    }
}

/// A whole number as JSON writes it.
fn whole(digits: &str) -> Option<u64> {
    let led = digits.starts_with('+') || digits.len() > 1 && digits.starts_with('0');
    (!led).then(|| digits.parse().ok())?
}

/// Makes `out` the text up to the quote that ends it, and returns what stands behind that. `None`
/// if the text does not end, or has a control character or an escape by number.
fn unescape<'t>(mut text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    out.clear();
    out.reserve(text.len());
    loop {
        let at = match text.split_first_chunk() {
            Some((word, rest)) => {
                out.extend_from_slice(word);
                let at = special(u64::from_le_bytes(*word));
                if at == word.len() {
                    text = rest;
                    continue;
                }
                out.truncate(out.len() - word.len() + at);
                at
            }
            None => {
                let at = text.iter().position(|byte| is_special(*byte))?;
                out.extend_from_slice(&text[..at]);
                at
            }
        };
        let escape = match text.get(at..)? {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escape, rest @ ..] => {
                text = rest;
                *escape
            }
            _ => return None,
        };
        out.push(match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return None,
        });
    }
}

/// A byte that JSON text cannot hold as it is.
fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// The first of these eight bytes that [`is_special`]; eight if none is. Looks at all of them at
/// once: a borrow of these subtractions marks only bytes behind the first one that is found.
fn special(word: u64) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let is = |byte: u8| {
        let zero_if_equal = word ^ (ONES * u64::from(byte));
        zero_if_equal.wrapping_sub(ONES) & !zero_if_equal
    };
    let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word;
    let found = (is(b'"') | is(b'\\') | control) & TOPS;
    found.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line as this build reads it, and whether it was read in place.
    fn read(text: &str) -> (Result<Entry<'static>, String>, bool) {
        let mut line = Line {
            text: text.to_owned(),
            raw: "what was there before".to_owned(),
            ..Line::default()
        };
        let known = line.parse_known().is_some();
        let parsed = line.parse().map(|()| line.entry().into_owned());
        (parsed, known)
    }

    fn same_both_ways(text: &str) -> bool {
        let (parsed, known) = read(text);
        let want = Entry::parse(text).map(Entry::into_owned);
        assert_eq!(parsed, want, "{text:?}");
        known
    }

    fn line(raw: &str) -> String {
        let entry = Entry {
            ts_ns: Some(1_723_161_253_937_085_768),
            conn: "wss://a.example/ws?streams=b@depth".into(),
            place: Some(Place {
                lane: 2,
                line: 1,
                epoch: 3,
            }),
            kind: Kind::Ws,
            raw: raw.into(),
        };
        let mut out = Vec::new();
        entry.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_as_this_build_writes_it_is_read_in_place() {
        for raw in [
            "",
            "{}",
            r#"{"b":[["1.50","2"],"é\\ \n/\t"]}"#,
            "\r\u{8}\u{c}",
        ] {
            let line = line(raw);
            for line in [&line, line.trim_end(), &line.replace('\n', "\r\n")] {
                assert!(same_both_ways(line), "{line}");
            }
            assert!(same_both_ways(&line.replace("#2.1.3", "")));
            assert!(same_both_ways(&line.replace("#2.1.3", "#2.1")));
            assert!(same_both_ways(&line.replace("\"ws\"", "\"rest\"")));
            assert!(same_both_ways(&line.replace("1723161253937085768", "null")));
        }
    }

    #[test]
    fn what_has_another_shape_is_read_as_json_or_refused_as_that() {
        let good = line(r#"{"a":"b"}"#);
        for (from, to) in [
            (":17", ":017"),
            (":17", ":-17"),
            (":17", ":999917"),
            ("068", "068.0"),
            ("\"ts_ns\":", "\"ts_ns\": "),
            ("\"ws\"", "\"tcp\""),
            ("wss:", "wss\\u003a"),
            ("wss:", "wss\t"),
            ("}\n", ",\"more\":1}\n"),
            ("}\n", "} \n"),
            ("}\n", "}}\n"),
            ("}\n", "\n"),
            ("\"}\n", "}\n"),
            ("\"raw\":\"", "\"raw\":\"\\u00e9"),
            ("\"raw\":\"", "\"raw\":\"\\x"),
            ("\"raw\":\"", "\"raw\":\"\u{1}"),
            ("\"raw\":\"", "\"raw\":\""),
        ] {
            let odd = good.replacen(from, to, 1);
            assert_eq!(same_both_ways(&odd), odd == good, "{odd}");
        }
    }

    #[test]
    fn a_line_owes_nothing_to_the_one_before_it_in_its_buffers() {
        let good = line("{}");
        let other = good.replace("#2.1.3", "").replace("wss", "https");
        let longer = good.replace("#2.1.3", "#2.1.31");
        let escaped = good.replace("wss:", "wss\\u003a");
        let quoted = good.replace("wss:", "\\\",\\\"");
        let lines = [&good, &other, &longer, &escaped, &quoted];
        let mut line = Line::default();
        for first in lines {
            for then in lines.into_iter().chain([first]) {
                for text in [first, then] {
                    line.text.clone_from(text);
                    line.parse().unwrap();
                }
                assert_eq!(line.entry(), Entry::parse(then).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_make_the_same_of_a_line_both_ways(
            raw in "[\"\\\\/\\[\\]{}:,0-9a-zé\u{1}\n\r]{0,60}",
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            end in any::<prop::sample::Index>(),
        ) {
            let whole = line(&raw).into_bytes();
            let mut bytes = whole.clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                // A small one stands for a byte that means something.
                bytes[at] = *br#""\{}:,/nu0 "#.get(usize::from(byte)).unwrap_or(&byte);
            }
            same_both_ways(&String::from_utf8_lossy(&bytes));
            let end = end.index(whole.len());
            same_both_ways(&String::from_utf8_lossy(&whole[..end]));
        }

        #[test]
        fn the_first_byte_that_needs_an_escape_is_found(word: [u8; 8], shift in 0u32..64) {
            let word = u64::from_le_bytes(word) >> shift;
            let naive = word.to_le_bytes().iter().position(|byte| is_special(*byte));
            prop_assert_eq!(special(word), naive.unwrap_or(8));
        }
    }
}
