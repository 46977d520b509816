//! Arrays and objects of a frame that is read where it lies, each looked into once. Guesses where
//! they end, and believes no guess.
//!
//! An end is guessed by the look of the first bytes and by the key that must follow. Whoever reads
//! the value then passes every byte of it, so that a wrong guess leaves a value that cannot be read
//! to its end, and with it a frame that the tape must read.

use super::cursor::Value;
use super::digits::Digits;
use super::scan::Scan;
use super::symbols::Listed;
use super::words::Words;
use crate::base::decimal::Column;
use crate::base::{Level, Px, Qty, Side};
use simd_json::Node;

/// An array or an object that nobody has looked into yet. Where it ends is a guess.
///
/// Invariant: `at + 2 <= end <= frame.len()`; its first byte opens it and its last one closes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'t> {
    scan: &'t Scan<'t>,
    at: usize,
    end: usize,
}

impl<'t> Raw<'t> {
    /// What stands here, if its first byte and its last one are a pair.
    #[inline]
    pub(crate) fn of(scan: &'t Scan<'t>, at: usize, end: usize) -> Option<Self> {
        let [first, .., last] = scan.frame.get(at..end)? else {
            return None;
        };
        let paired = matches!((first, last), (b'[', b']') | (b'{', b'}'));
        paired.then_some(Self { scan, at, end })
    }

    #[inline]
    pub(crate) fn is_array(&self) -> bool {
        self.scan.frame[self.at] == b'['
    }

    #[inline]
    pub(crate) fn is_object(&self) -> bool {
        self.scan.frame[self.at] == b'{'
    }

    /// Hands it out once more.
    pub(crate) fn again(self) {
        self.scan.again(self.end - self.at);
    }

    /// Its keys, one by one; none if it is no object.
    #[inline]
    pub(crate) fn fields(self) -> Option<Fields<'t>> {
        self.is_object().then_some(Fields {
            raw: self,
            at: self.at,
            left: 0,
        })
    }

    /// Its elements; none if it is no array.
    pub(crate) fn items(self) -> RawItems<'t> {
        RawItems {
            raw: self,
            at: self.at,
        }
    }

    /// The first elements of an array that begins with this many texts, numbers or words and has
    /// nothing else.
    #[inline]
    pub(crate) fn texts<const N: usize>(self) -> Option<[Value<'t>; N]> {
        let mut found = [Value::default(); N];
        let (scan, mut at, mut n) = (self.scan, self.at, 0);
        loop {
            let (node, end) = scan.scalar(at + 1)?;
            if let Some(slot) = found.get_mut(n) {
                *slot = Value::one(node);
            }
            (at, n) = (end, n + 1);
            match scan.frame.get(at)? {
                b',' => {}
                b']' => break,
                _ => return None,
            }
        }
        if n < N || at + 1 != self.end || !self.is_array() {
            return None;
        }
        scan.read(self.end - self.at);
        Some(found)
    }

    /// `[["price","quantity",…],…]` into `words`.
    #[inline]
    pub(crate) fn levels(self, listed: &Listed, side: Side, words: &mut Words) -> Option<()> {
        if !self.is_array() {
            return None;
        }
        let scan = self.scan;
        let mut px = Column::new(listed.px_scale, b'"');
        let mut qty = Column::new(listed.qty_scale, b'"');
        let mut rest = scan.frame.get(self.at + 1..)?;
        if self.end - self.at > 2 {
            rest = rest.strip_prefix(b"[\"")?;
            loop {
                let (px, len) = px.read(rest)?;
                // Its quotation mark is the column's end.
                rest = rest.get(len + 1..)?.strip_prefix(b",\"")?;
                let (qty, len) = qty.read(rest)?;
                rest = rest.get(len + 1..)?;
                let level = Level {
                    px: Px(px as i64), // At most `i64::MAX`.
                    qty: Qty(qty),
                };
                words.push(side, level).ok()?;
                if let Some(next) = rest.strip_prefix(b"],[\"") {
                    rest = next;
                    continue;
                }
                while let Some(more) = rest.strip_prefix(b",") {
                    let (_, end) = scan.scalar(scan.frame.len() - more.len())?;
                    rest = scan.frame.get(end..)?;
                }
                match rest.strip_prefix(b"],[\"") {
                    Some(next) => rest = next,
                    None => break,
                }
            }
            rest = rest.strip_prefix(b"]")?;
        }
        let at = scan.frame.len() - rest.len();
        (at + 1 == self.end).then(|| scan.read(self.end - self.at))
    }

    /// What `[["price","quantity",…],…]` tell of their digits.
    #[inline]
    pub(super) fn level_digits(self, [px, qty]: [&mut Digits; 2]) -> Option<()> {
        let scan = self.scan;
        if !self.is_array() {
            return None;
        }
        let mut at = self.at + 1;
        if self.end - self.at > 2 {
            loop {
                at = scan.expect(at, b"[\"")?;
                at = scan.digits_of(at, px)?;
                at = scan.expect(at, b",\"")?;
                at = scan.digits_of(at, qty)?;
                while scan.frame.get(at) == Some(&b',') {
                    (_, at) = scan.scalar(at + 1)?;
                }
                match scan.expect(at, b"],") {
                    Some(next) => at = next,
                    None => break,
                }
            }
            at = scan.expect(at, b"]")?;
        }
        (at + 1 == self.end).then(|| scan.read(self.end - self.at))
    }

    /// `[{"price":price,"qty":quantity},…]` into `words`, by these names and in this order; both
    /// are numbers.
    #[inline]
    pub(crate) fn named_levels(
        self,
        [px_name, qty_name]: [&str; 2],
        listed: &Listed,
        side: Side,
        words: &mut Words,
    ) -> Option<()> {
        let scan = self.scan;
        if !self.is_array() || !scan.exact {
            return None;
        }
        let mut px = Column::new(listed.px_scale, b',');
        let mut qty = Column::new(listed.qty_scale, b'}');
        let mut at = self.at + 1;
        if self.end - self.at > 2 {
            loop {
                at = behind_key(scan.frame, at, b"{\"", px_name)?;
                let (px, len) = px.read(scan.frame.get(at..)?)?;
                at = behind_key(scan.frame, at + len, b",\"", qty_name)?;
                let (qty, len) = qty.read(scan.frame.get(at..)?)?;
                at += len + 1; // Its brace: the column's end.
                let level = Level {
                    px: Px(px as i64), // At most `i64::MAX`.
                    qty: Qty(qty),
                };
                words.push(side, level).ok()?;
                match scan.frame.get(at) {
                    Some(b',') => at += 1,
                    _ => break,
                }
            }
        }
        (at + 1 == self.end).then(|| scan.read(self.end - self.at))
    }
}

/// The place behind `lead` and this key.
#[inline]
fn behind_key(frame: &[u8], at: usize, lead: &[u8], name: &str) -> Option<usize> {
    let rest = frame.get(at..)?.strip_prefix(lead)?;
    let rest = rest.strip_prefix(name.as_bytes())?;
    let found = rest.starts_with(b"\":");
    found.then_some(at + lead.len() + name.len() + 2)
}

/// The keys of an object, as whoever reads it expects them.
pub(crate) struct Fields<'t> {
    raw: Raw<'t>,
    at: usize,
    /// Bytes of values that are for others to read.
    left: usize,
}

impl<'t> Fields<'t> {
    /// Passes this key, with what stands before it and its colon; false if another one is here.
    #[inline(always)]
    pub(crate) fn has<const N: usize>(&mut self, key: &[u8; N]) -> bool {
        let behind = self.raw.scan.expect(self.at, key);
        self.at = behind.unwrap_or(self.at);
        behind.is_some()
    }

    /// As [`Self::has`]; none if another key is here.
    #[inline(always)]
    pub(crate) fn key<const N: usize>(&mut self, key: &[u8; N]) -> Option<()> {
        self.has(key).then_some(())
    }

    /// This text as the value here, if it is that.
    #[inline(always)]
    pub(crate) fn word(&mut self, word: &'static str) -> Option<Value<'t>> {
        let rest = self.raw.scan.frame.get(self.at..)?;
        let rest = rest.strip_prefix(b"\"")?.strip_prefix(word.as_bytes())?;
        self.at += word.len() + 2;
        (rest.first() == Some(&b'"')).then_some(Value::one(Node::String(word)))
    }

    /// The value here. `next` is the key that must follow, with its comma and its colon; none at
    /// the end of the object.
    #[inline(always)]
    pub(crate) fn value(&mut self, next: Option<&[u8]>) -> Option<Value<'t>> {
        let (scan, limit) = (self.raw.scan, self.raw.end - 1);
        if !matches!(scan.frame.get(self.at)?, b'[' | b'{') {
            let (node, end) = scan.scalar(self.at)?;
            self.at = end;
            return Some(Value::one(node));
        }
        let end = match next {
            _ if matches!(scan.frame.get(self.at + 1)?, b']' | b'}') => self.at + 2,
            Some(next) => scan.end_before(self.at, limit, next)?,
            None => limit,
        };
        let raw = Raw::of(scan, self.at, end)?;
        self.left += end - self.at;
        self.at = end;
        Some(Value::raw(raw))
    }

    /// As [`Self::value`], of one that nobody reads: a text, number or word, or a list of such.
    #[inline(always)]
    pub(crate) fn pass(&mut self, next: Option<&[u8]>) -> Option<()> {
        let scan = self.raw.scan;
        if *scan.frame.get(self.at)? == b'"'
            && let Some(end) = scan.pass_text(self.at + 1)
        {
            self.at = end;
            return Some(());
        }
        let value = self.value(next)?;
        if !value.is_scalar() {
            // Anything else in it is left unread, and with it the frame.
            value.items().for_each(drop);
        }
        Some(())
    }

    /// The end of the object: nothing else is in it.
    #[inline(always)]
    pub(crate) fn done(self) -> Option<()> {
        let Raw { scan, at, end } = self.raw;
        (self.at + 1 == end).then(|| scan.read(end - at - self.left))
    }
}

/// The elements of an array. What is none of them shows as an absent value, ends it and stays
/// unread.
#[derive(Debug, Clone)]
pub(crate) struct RawItems<'t> {
    raw: Raw<'t>,
    at: usize,
}

impl<'t> RawItems<'t> {
    /// The next element; its absence at the end of the list, and nothing if this is no list.
    #[inline]
    fn element(&mut self) -> Option<Option<Value<'t>>> {
        let Raw {
            scan,
            at: from,
            end,
        } = self.raw;
        let (begins, list) = (self.at == from, scan.frame.get(..end)?);
        if !self.raw.is_array() {
            return None;
        }
        if begins && end - from == 2 || !begins && self.at + 1 == end {
            scan.read(end - self.at);
            self.at = end;
            return Some(None);
        }
        let (lead, at) = (if begins { b'[' } else { b',' }, self.at + 1);
        if *list.get(self.at)? != lead {
            return None;
        }
        let close = match list.get(at)? {
            b'{' => b'}',
            b'[' => b']',
            _ => {
                let (node, behind) = scan.scalar(at)?;
                scan.read(behind - self.at);
                self.at = behind;
                // The last bracket is the list's own.
                return (behind < end).then(|| Some(Value::one(node)));
            }
        };
        let mut behind = at + memchr::memchr(close, &list[at..])? + 1;
        // An object that has others in it is the only one of its list, or it is not read here.
        let (first, next) = (
            list.get(from + 1..from + 4)?,
            list.get(behind + 1..behind + 4),
        );
        if close == b'}' && behind + 1 != end && next != Some(first) {
            behind = end - 1;
        }
        scan.read(1);
        self.at = behind;
        let raw = Raw::of(scan, at, behind).filter(|_| behind < end)?;
        Some(Some(Value::raw(raw)))
    }
}

impl<'t> Iterator for RawItems<'t> {
    type Item = Value<'t>;

    #[inline]
    fn next(&mut self) -> Option<Value<'t>> {
        if self.at >= self.raw.end {
            return None;
        }
        self.element().unwrap_or_else(|| {
            // What is no element must not look like the end of the list.
            self.at = self.raw.end;
            Some(Value::default())
        })
    }
}
