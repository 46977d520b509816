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
        let text = std::mem::take(&mut self.text);
        let known = self.parse_known(text.as_bytes());
        self.text = text;
        if known.is_some() {
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
    pub(super) fn parse_known(&mut self, line: &[u8]) -> Option<()> {
        let rest = line.strip_prefix(br#"{"ts_ns":"#)?;
        let (ts_ns, rest) = rest.split_at(memchr::memchr(b',', rest)?);
        let ts_ns = match ts_ns {
            b"null" => None,
            digits => Some(whole(digits)?),
        };
        let rest = rest.strip_prefix(br#","conn":""#)?;
        let same = rest.strip_prefix(self.origin.as_bytes());
        let rest = match same {
            Some(rest @ [b'"', ..]) if !self.origin.is_empty() => rest,
            Some(_) | None => {
                let (origin, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
                let text = std::str::from_utf8(origin).ok()?;
                if marks_of(origin).any(|marks| marks != 0) {
                    return None;
                }
                self.origin.clear();
                self.origin.push_str(text);
                let (conn, place) = split(text.into());
                self.place = place;
                self.conn.clear();
                self.conn.push_str(&conn);
                rest
            }
        };
        let rest = rest.strip_prefix(br#"","kind":""#)?;
        let (kind, rest) = match rest.strip_prefix(b"ws\"") {
            Some(rest) => (Kind::Ws, rest),
            None => {
                let (kind, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
                (Kind::named(std::str::from_utf8(kind).ok()?)?, &rest[1..])
            }
        };
        let rest = rest.strip_prefix(br#","raw":""#)?;
        let mut raw = std::mem::take(&mut self.raw).into_bytes();
        let end = unescape(rest, &mut raw)?;
        self.raw = String::from_utf8(raw).ok()?;
        (self.ts_ns, self.kind) = (ts_ns, kind);
        matches!(end, b"}" | b"}\n" | b"}\r\n").then_some(())
    }
}

/// A whole number as JSON writes it.
fn whole(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 1 && digits.starts_with(b"0") {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Makes `out` the text up to the quote that ends it, and returns what stands behind that. `None`
/// if the text does not end, or has a control character or an escape by number.
fn unescape<'t>(text: &'t [u8], out: &mut Vec<u8>) -> Option<&'t [u8]> {
    // Most pieces between two escapes are shorter: then this many bytes are copied whatever they
    // are, which takes less time than asking how many.
    const PIECE: usize = 16;
    out.resize(text.len() + PIECE, 0);
    // What is before `from` is in `out`, which has `to` bytes.
    let (mut from, mut to) = (0, 0);
    let mut is_escaped = false;
    for (n, mut marks) in marks_of(text).enumerate() {
        marks &= !u64::from(std::mem::take(&mut is_escaped));
        while marks != 0 {
            let bit = marks.trailing_zeros() as usize;
            let at = BLOCK * n + bit;
            let len = at - from;
            match text.get(from..from + PIECE) {
                Some(piece) if len <= PIECE => out[to..to + PIECE].copy_from_slice(piece),
                Some(_) | None => out[to..to + len].copy_from_slice(&text[from..at]),
            }
            to += len;
            match text[at] {
                b'"' => {
                    out.truncate(to);
                    return Some(&text[at + 1..]);
                }
                b'\\' => {}
                _ => return None,
            }
            // Neither this mark counts any longer nor one of the byte behind it.
            marks &= marks - 1;
            marks &= !(2 << bit);
            is_escaped = bit + 1 == BLOCK;
            from = at + 1;
            out[to] = match text.get(from)? {
                b'"' | b'\\' | b'/' => continue, // It begins the next piece.
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                _ => return None,
            };
            (from, to) = (from + 1, to + 1);
        }
    }
    None
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// A bit for each byte that JSON text cannot hold as it is, block by block.
fn marks_of(text: &[u8]) -> impl Iterator<Item = u64> {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(last);
    let last = last.map(|block| marks(&block));
    blocks.iter().map(marks).chain(last)
}

/// A bit for each of these bytes that JSON text cannot hold as it is: below a blank, a quote, a
/// backslash. Without a branch, so that the compiler looks at many bytes at once.
fn marks(block: &[u8; BLOCK]) -> u64 {
    let mut marked = [0u8; BLOCK];
    for (mark, byte) in marked.iter_mut().zip(block) {
        *mark = u8::from((*byte == b'"') | (*byte == b'\\') | (*byte < b' '));
    }
    // Brings the bits of eight bytes together.
    let bits =
        |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let eights = marked.as_chunks().0.iter().enumerate();
    eights.fold(0, |all, (n, eight)| all | (bits(eight) << (8 * n)))
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
        let known = line.parse_known(text.as_bytes()).is_some();
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
        fn the_bytes_that_need_an_escape_are_marked(
            text in prop::collection::vec(
                prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), b'\x1e'..=b'!', Just(0)],
                0..200,
            ),
        ) {
            let marked: Vec<u64> = marks_of(&text).collect();
            prop_assert_eq!(marked.len(), text.len().div_ceil(BLOCK));
            for (at, byte) in text.iter().enumerate() {
                let naive = matches!(byte, b'"' | b'\\' | 0..b' ');
                prop_assert_eq!((marked[at / BLOCK] >> (at % BLOCK)) & 1 == 1, naive);
            }
        }
    }
}
