//! One frame read where it lies, by the orders of keys that its exchange is known to write. Builds
//! no tape, copies nothing, and decides nothing about other JSON: whatever looks otherwise is left
//! to the tape.
//!
//! Whoever reads a value checks each of its bytes, and a frame counts as read only if every byte of
//! it was checked. Texts, numbers and words are here; arrays and objects are in [`super::raw`].

use super::cursor::Value;
use super::digits::Digits;
use super::raw::Raw;
use simd_json::{Node, StaticNode};
use std::cell::Cell;

/// A frame that is being read.
///
/// Invariant: `unread` is the bytes of all [`Raw`] values that were handed out and are not read.
#[derive(Debug)]
pub(crate) struct Scan<'t> {
    pub(super) frame: &'t [u8],
    /// The frame, if it is known to be text: so is then each text in it.
    text: Option<&'t str>,
    /// Numbers are shown as their text, as by `Scratch::read_exact`.
    pub(super) exact: bool,
    unread: Cell<usize>,
}

impl<'t> Scan<'t> {
    pub(crate) fn new(frame: &'t [u8], exact: bool) -> Self {
        Self {
            frame,
            text: None,
            exact,
            unread: Cell::new(frame.len()),
        }
    }

    /// As [`Self::new`], of a frame that is known to be text.
    pub(crate) fn of_text(text: &'t str, exact: bool) -> Self {
        Self {
            text: Some(text),
            ..Self::new(text.as_bytes(), exact)
        }
    }

    /// The whole frame; none if it is no array and no object.
    #[inline]
    pub(crate) fn root(&'t self) -> Option<Value<'t>> {
        Raw::of(self, 0, self.frame.len()).map(Value::raw)
    }

    /// Every byte of the frame was checked.
    #[inline]
    pub(crate) fn is_read(&self) -> bool {
        self.unread.get() == 0
    }

    /// So many bytes were checked.
    #[inline]
    pub(super) fn read(&self, bytes: usize) {
        self.unread.set(self.unread.get().wrapping_sub(bytes));
    }

    /// So many bytes are to be checked again.
    #[inline]
    pub(super) fn again(&self, bytes: usize) {
        self.unread.set(self.unread.get().wrapping_add(bytes));
    }

    /// The place behind these bytes, if they stand here.
    #[inline(always)]
    pub(super) fn expect<const N: usize>(&self, at: usize, bytes: &[u8; N]) -> Option<usize> {
        (self.frame.get(at..)?.first_chunk()? == bytes).then_some(at + N)
    }

    /// The text, number or word that begins here, and the place behind it.
    #[inline]
    pub(super) fn scalar(&self, at: usize) -> Option<(Node<'t>, usize)> {
        match *self.frame.get(at)? {
            b'"' => self.text(at + 1),
            b'0'..=b'9' | b'-' if self.exact => self.number_text(at),
            b'0'..=b'9' => self.number(at),
            b'-' => self.below_zero(at),
            _ => self.word(at),
        }
    }

    /// The place behind the text here, whose quotation mark is behind us, if nothing in it needs
    /// to be looked at twice.
    #[inline]
    pub(super) fn pass_text(&self, at: usize) -> Option<usize> {
        let (len, ascii) = text_len(self.frame.get(at..)?)?;
        ascii.then_some(at + len + 1)
    }

    /// A text without escapes; its quotation mark is behind us.
    #[inline]
    fn str(&self, at: usize) -> Option<(&'t str, usize)> {
        let (len, _) = text_len(self.frame.get(at..)?)?;
        let text = match self.text {
            Some(text) => text.get(at..at + len)?,
            None => std::str::from_utf8(&self.frame[at..at + len]).ok()?,
        };
        Some((text, at + len + 1))
    }

    /// Shows the text here, whose quotation mark is behind us, to `digits`. Gives the place behind
    /// it.
    #[inline]
    pub(super) fn digits_of(&self, at: usize, digits: &mut Digits) -> Option<usize> {
        if let Some(len) = digits.pass(self.frame.get(at..)?) {
            return Some(at + len + 1);
        }
        let (text, end) = self.str(at)?;
        digits.see(text);
        Some(end)
    }

    #[inline]
    fn text(&self, at: usize) -> Option<(Node<'t>, usize)> {
        self.str(at).map(|(text, end)| (Node::String(text), end))
    }

    /// A whole number of at most 18 digits; one with decimals only says that it is one.
    #[inline]
    fn number(&self, at: usize) -> Option<(Node<'t>, usize)> {
        let (number, mut end) = self.digits(at)?;
        let mut node = StaticNode::U64(number);
        if self.frame.get(end) == Some(&b'.') {
            (_, end) = self.decimals(end + 1)?;
            node = StaticNode::F64(f64::NAN);
        }
        // An exponent begins no key and ends no list: it is not expected behind a number.
        Some((Node::Static(node), end))
    }

    /// Digits without a zero before others.
    #[inline]
    fn digits(&self, at: usize) -> Option<(u64, usize)> {
        let (number, end) = self.decimals(at)?;
        (self.frame[at] != b'0' || end == at + 1).then_some((number, end))
    }

    #[inline]
    fn decimals(&self, at: usize) -> Option<(u64, usize)> {
        const DIGITS_MAX: usize = 18;
        let (mut number, mut end) = (0, at);
        while let Some(digit @ b'0'..=b'9') = self.frame.get(end) {
            number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(digit - b'0'));
            end += 1;
        }
        (1..=DIGITS_MAX)
            .contains(&(end - at))
            .then_some((number, end))
    }

    #[cold]
    fn below_zero(&self, at: usize) -> Option<(Node<'t>, usize)> {
        match self.number(at + 1)? {
            (Node::Static(StaticNode::U64(number)), end) if number != 0 => {
                let number = -i64::try_from(number).ok()?;
                Some((Node::Static(StaticNode::I64(number)), end))
            }
            _ => None,
        }
    }

    /// A number as its text: whatever may be part of one, as far as it goes.
    fn number_text(&self, at: usize) -> Option<(Node<'t>, usize)> {
        let rest = &self.frame[at..];
        let more = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        let len = rest.iter().take_while(more).count();
        let text = std::str::from_utf8(&rest[..len]).ok()?;
        Some((Node::String(text), at + len))
    }

    fn word(&self, at: usize) -> Option<(Node<'t>, usize)> {
        let (node, end) = if let Some(end) = self.expect(at, b"true") {
            (StaticNode::Bool(true), end)
        } else if let Some(end) = self.expect(at, b"false") {
            (StaticNode::Bool(false), end)
        } else {
            (StaticNode::Null, self.expect(at, b"null")?)
        };
        Some((Node::Static(node), end))
    }

    /// Where the array or the object ends that begins here and that `next` must follow, a key with
    /// its comma and its colon. A guess: see [`super::raw`].
    #[inline]
    pub(super) fn end_before(&self, at: usize, limit: usize, next: &[u8]) -> Option<usize> {
        let body = self.frame.get(at..limit)?;
        let first = body.iter().take(3).rposition(|byte| *byte == b'{');
        let mut from = 1;
        loop {
            let rest = &body[from..];
            match first {
                // Lists of texts and numbers: no colon before the one behind the next key.
                None => {
                    let colon = from + memchr::memchr(b':', rest)?;
                    let end = (colon + 1).checked_sub(next.len())?;
                    return (body[end..=colon] == *next).then_some(at + end);
                }
                Some(depth) => {
                    let close = if depth == 0 { b'}' } else { b']' };
                    let end = from + memchr::memchr(close, rest)? + 1;
                    if body[end..].starts_with(next) {
                        return Some(at + end);
                    }
                    from = end;
                }
            }
        }
    }
}

/// The length of a text up to its closing quotation mark, and whether it is ASCII as far as anybody
/// looked, which is at least to its end; `None` if it has an escape or a control character, or no
/// end.
#[inline]
fn text_len(text: &[u8]) -> Option<(usize, bool)> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    // The lowest byte that is marked is marked rightly; a borrow mismarks only bytes above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, _) = text.as_chunks();
    let mut all = 0;
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let escapes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quotes | escapes | controls;
        all |= word;
        if found != 0 {
            let len = 8 * n + (found.trailing_zeros() / 8) as usize;
            return (text[len] == b'"').then_some((len, all & HIGH == 0));
        }
    }
    let from = text.len() & !7;
    let other = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let len = from + text[from..].iter().position(other)?;
    let ascii = all & HIGH == 0 && text[from..].is_ascii();
    (text[len] == b'"').then_some((len, ascii))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The frame as a list of texts and numbers, if it is one that is scanned.
    fn list(frame: &[u8], exact: bool) -> Option<Vec<Option<String>>> {
        let scan = Scan::new(frame, exact);
        let text = |value: Value<'_>| value.string().map(str::to_owned);
        let found = scan.root()?.array().ok()?.map(text).collect();
        scan.is_read().then_some(found)
    }

    #[test]
    fn a_list_is_read_to_its_end_or_not_at_all() {
        let read = list(br#"["a",12,true,"",null,1.50,-3]"#, false).unwrap();
        assert_eq!(read.len(), 7);
        assert_eq!((&read[0], &read[1]), (&Some("a".to_owned()), &None));
        let exact = list(br#"[12,1.50,-2e5]"#, true).unwrap();
        assert_eq!(
            exact,
            ["12", "1.50", "-2e5"].map(|text| Some(text.to_owned()))
        );
        assert_eq!(list(b"[]", false), Some(Vec::new()));
        for frame in [
            "",
            "[",
            "]",
            "[1",
            "[1]]",
            "[1,]",
            "[,1]",
            "[ 1]",
            "[1 ]",
            "[1] ",
            "[01]",
            "[1.]",
            "[-0]",
            "[1e5]",
            "[\"a]",
            "[\"a\\n\"]",
            "[\"\n\"]",
            "[tru]",
            "[1 2]",
            "[1:2]",
            "[1234567890123456789]",
            "{\"a\":1}",
            "[{}]",
            "[[1]]",
            "[[1]",
            "[1}",
        ] {
            assert_eq!(list(frame.as_bytes(), false), None, "{frame}");
        }
        assert_eq!(list(b"[\"\xff\"]", false), None);
    }

    proptest! {
        #[test]
        fn a_text_ends_where_one_byte_after_the_other_says(
            text in prop::collection::vec(
                prop_oneof![
                    20 => any::<u8>(), 20 => b' '..=b'~', 1 => Just(b'"'), 1 => Just(b'\\'),
                ],
                0..40,
            ),
        ) {
            let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let naive = end.filter(|at| text[*at] == b'"');
            prop_assert_eq!(text_len(&text).map(|(len, _)| len), naive);
            if let Some((len, true)) = text_len(&text) {
                prop_assert!(text[..len].is_ascii());
            }
        }
    }
}
