//! One value on a tape or in a frame, and what decoders read off it alike. Every failure is a
//! [`DecodeError`].

use super::digits::Digits;
use super::raw::{Fields, Raw, RawItems};
use super::symbols::{Listed, Symbols};
use super::text::rfc3339;
use super::words::Words;
use crate::base::{DecimalError, Level, Px, Qty, Side, UnixNanos, decimal};
use crate::exchange::DecodeError;
use DecodeError::Shape;
use simd_json::{Node, StaticNode};

/// A value, on a tape or in a frame that is scanned where it lies; or a key that is absent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Value<'t>(Place<'t>);

#[derive(Debug, Clone, Copy)]
enum Place<'t> {
    /// Its node and whatever follows it on the tape. Empty stands for a key that is absent.
    Tape(&'t [Node<'t>]),
    /// A scanned text, number or word.
    One(Node<'t>),
    /// A scanned array or object.
    Raw(Raw<'t>),
}

impl Default for Place<'_> {
    fn default() -> Self {
        Self::Tape(&[])
    }
}

impl<'t> Value<'t> {
    /// The value that begins with the first of these nodes.
    pub(crate) fn new(nodes: &'t [Node<'t>]) -> Self {
        Self(Place::Tape(nodes))
    }

    /// A text, number or word of a scanned frame.
    #[inline]
    pub(crate) fn one(node: Node<'t>) -> Self {
        Self(Place::One(node))
    }

    /// An array or object of a scanned frame.
    #[inline]
    pub(crate) fn raw(raw: Raw<'t>) -> Self {
        Self(Place::Raw(raw))
    }

    /// The node of a text, number or word; and that of an array or an object of a tape.
    #[inline]
    fn node(&self) -> Option<&Node<'t>> {
        match &self.0 {
            Place::Tape(nodes) => nodes.first(),
            Place::One(node) => Some(node),
            Place::Raw(_) => None,
        }
    }

    /// This value once more: what is to be read a second time must be asked for so.
    #[inline]
    pub(crate) fn again(self) -> Self {
        if let Place::Raw(raw) = self.0 {
            raw.again();
        }
        self
    }

    /// A text, a number or a word of a scanned frame.
    #[inline]
    pub(crate) fn is_scalar(self) -> bool {
        matches!(self.0, Place::One(_))
    }

    /// The keys of an object of a scanned frame.
    #[inline]
    pub(crate) fn fields(self) -> Option<Fields<'t>> {
        match self.0 {
            Place::Raw(raw) => raw.fields(),
            Place::Tape(_) | Place::One(_) => None,
        }
    }

    /// True if the key of this value is absent.
    #[inline]
    pub(crate) fn is_absent(self) -> bool {
        matches!(self.0, Place::Tape([]))
    }

    /// `null`.
    #[inline]
    pub(crate) fn is_null(self) -> bool {
        matches!(self.node(), Some(Node::Static(StaticNode::Null)))
    }

    /// `[…]`.
    pub(crate) fn is_array(self) -> bool {
        match &self.0 {
            Place::Raw(raw) => raw.is_array(),
            Place::Tape(_) | Place::One(_) => matches!(self.node(), Some(Node::Array { .. })),
        }
    }

    /// `{…}`.
    pub(crate) fn is_object(self) -> bool {
        match &self.0 {
            Place::Raw(raw) => raw.is_object(),
            Place::Tape(_) | Place::One(_) => matches!(self.node(), Some(Node::Object { .. })),
        }
    }

    /// `None` if the key of this value is absent.
    #[inline]
    pub(crate) fn some(self) -> Option<Self> {
        (!self.is_absent()).then_some(self)
    }

    /// This value, or the other one if this one is absent.
    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        if self.is_absent() { other } else { self }
    }

    /// The nodes of a tape from this one on; none of a scanned value.
    #[inline]
    fn nodes(self) -> &'t [Node<'t>] {
        match self.0 {
            Place::Tape(nodes) => nodes,
            Place::One(_) | Place::Raw(_) => &[],
        }
    }

    /// The value that begins this many nodes further on.
    #[inline]
    fn after(self, nodes: usize) -> Self {
        Self::new(self.nodes().get(nodes..).unwrap_or_default())
    }

    /// The elements of this array, each a node or more.
    #[inline]
    pub(crate) fn array(self) -> Result<Items<'t>, DecodeError> {
        if self.is_array() {
            Ok(self.items())
        } else {
            Err(Shape)
        }
    }

    /// As [`Self::array`]; no elements if this is no array.
    #[inline]
    pub(crate) fn items(self) -> Items<'t> {
        match self.0 {
            Place::Tape([Node::Array { count, .. }, rest @ ..]) => {
                Items::Tape(rest.get(..*count).unwrap_or_default())
            }
            Place::Raw(raw) => Items::Raw(raw.items()),
            Place::Tape(_) | Place::One(_) => Items::Tape(&[]),
        }
    }

    /// The keys of this object, each with its value; nothing if this is no object of a tape.
    #[inline]
    pub(crate) fn entries(self) -> Entries<'t> {
        match self.nodes() {
            [Node::Object { count, .. }, rest @ ..] => {
                Entries(rest.get(..*count).unwrap_or_default())
            }
            _ => Entries(&[]),
        }
    }

    /// The value with this key in this object; absent if there is none, or if this is no object of
    /// a tape.
    pub(crate) fn find(self, name: &[u8]) -> Self {
        let found = self.entries().find(|(key, _)| *key == name);
        found.map_or(Self::default(), |(_, value)| value)
    }

    /// The text here, if this is one.
    #[inline]
    pub(crate) fn string(self) -> Option<&'t str> {
        match self.node() {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text here.
    #[inline]
    pub(crate) fn text(self) -> Result<&'t str, DecodeError> {
        self.string().ok_or(Shape)
    }

    /// `true` or `false`.
    #[inline]
    pub(crate) fn boolean(self) -> Result<bool, DecodeError> {
        match self.node() {
            Some(Node::Static(StaticNode::Bool(truth))) => Ok(*truth),
            _ => Err(Shape),
        }
    }

    /// A whole number that is not negative, also if it is written as a string of digits.
    #[inline]
    pub(crate) fn unsigned(self) -> Result<u64, DecodeError> {
        let number = match self.node() {
            Some(Node::Static(StaticNode::U64(number))) => Some(*number),
            Some(Node::Static(StaticNode::I64(number))) => u64::try_from(*number).ok(),
            Some(Node::String(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        number.ok_or(Shape)
    }

    /// A whole number that fits into `i64`, also if it is written as a string.
    pub(crate) fn signed(self) -> Result<i64, DecodeError> {
        let number = match self.node() {
            Some(Node::String(text)) if !text.starts_with('+') => text.parse().ok(),
            Some(Node::Static(StaticNode::I64(number))) => Some(*number),
            Some(Node::Static(StaticNode::U64(number))) => i64::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or(Shape)
    }

    /// What identifies a print: its number, or a hash of the text that an exchange has instead.
    /// Never zero, which stands for a print without an identity.
    #[inline]
    pub(crate) fn identity(self) -> Result<u64, DecodeError> {
        match (self.unsigned(), self.string()) {
            (Ok(number), _) if number != 0 => Ok(number),
            (_, Some(text)) => Ok(hash(text)),
            (_, None) => Err(Shape),
        }
    }

    /// The time here, in milliseconds since 1970.
    #[inline]
    pub(crate) fn millis(self) -> Result<UnixNanos, DecodeError> {
        self.units_since_1970(1_000_000)
    }

    /// The time here, in microseconds since 1970.
    #[inline]
    pub(crate) fn micros(self) -> Result<UnixNanos, DecodeError> {
        self.units_since_1970(1_000)
    }

    #[inline]
    fn units_since_1970(self, unit_ns: i64) -> Result<UnixNanos, DecodeError> {
        let units = i64::try_from(self.unsigned()?).map_err(|_| Shape)?;
        units.checked_mul(unit_ns).map(UnixNanos).ok_or(Shape)
    }

    /// The RFC 3339 time here.
    #[inline]
    pub(crate) fn rfc3339(self) -> Result<UnixNanos, DecodeError> {
        rfc3339(self.text()?).ok_or(Shape)
    }

    /// The instrument whose symbol is here.
    #[inline]
    pub(crate) fn listed(self, symbols: &Symbols) -> Result<&Listed, DecodeError> {
        symbols.listed(self.text()?)
    }

    /// The side that one of these two words names: that of buyers, that of sellers.
    #[inline]
    pub(crate) fn side(self, [buy, sell]: [&str; 2]) -> Result<Side, DecodeError> {
        let bought = self.is_first([buy, sell])?;
        Ok(if bought { Side::Buy } else { Side::Sell })
    }

    /// Which of two words is here: true for the first one.
    #[inline]
    pub(crate) fn is_first(self, [first, second]: [&str; 2]) -> Result<bool, DecodeError> {
        match self.text()? {
            word if word == first => Ok(true),
            word if word == second => Ok(false),
            _ => Err(Shape),
        }
    }

    /// The price here. See [`px`].
    #[inline]
    pub(crate) fn px(self, listed: &Listed) -> Result<Px, DecodeError> {
        px(self.text()?, listed)
    }

    /// The quantity here, at the instrument's scale, exactly.
    #[inline]
    pub(crate) fn qty(self, listed: &Listed) -> Result<Qty, DecodeError> {
        qty(self.text()?, listed)
    }

    /// `[["price","quantity",…],…]` into `words`. What follows the first two of each is passed
    /// over.
    #[inline]
    pub(crate) fn levels(
        self,
        listed: &Listed,
        side: Side,
        words: &mut Words,
    ) -> Result<(), DecodeError> {
        if let Place::Raw(raw) = self.0 {
            return raw.levels(listed, side, words).ok_or(Shape);
        }
        let [Node::Array { len, count }, rest @ ..] = self.nodes() else {
            return Err(Shape);
        };
        let body = rest.get(..*count).ok_or(Shape)?;
        let (pairs, rest) = body.as_chunks();
        if pairs.len() != *len || !rest.is_empty() {
            return self.wide_levels(listed, side, words);
        }
        // A level of two is three nodes in a row, and nothing but pairs of strings can be.
        let slots = words.room(side, *len)?;
        for (slot, pair) in slots.iter_mut().zip(pairs) {
            let [
                Node::Array { len: 2, .. },
                Node::String(px),
                Node::String(qty),
            ] = pair
            else {
                return Err(Shape);
            };
            *slot = level_of(px, qty, listed)?;
        }
        Ok(())
    }

    /// `[{"price":price,"qty":quantity},…]` into `words`, by the names that these two have.
    #[inline]
    pub(crate) fn named_levels(
        self,
        names: [&str; 2],
        listed: &Listed,
        side: Side,
        words: &mut Words,
    ) -> Result<(), DecodeError> {
        if let Place::Raw(raw) = self.0 {
            let read = raw.named_levels(names, listed, side, words);
            return read.ok_or(Shape);
        }
        self.array()?.try_for_each(|item| {
            let [px, qty] = item.two(names);
            words.push(side, level(px, qty, listed)?)
        })
    }

    /// What `[["price","quantity",…],…]` of a scanned frame tell of their digits.
    #[inline]
    pub(super) fn level_digits(self, digits: [&mut Digits; 2]) -> Option<()> {
        match self.0 {
            Place::Raw(raw) => raw.level_digits(digits),
            Place::Tape(_) | Place::One(_) => None,
        }
    }

    /// As [`Self::levels`], of levels with more than two elements.
    fn wide_levels(
        self,
        listed: &Listed,
        side: Side,
        words: &mut Words,
    ) -> Result<(), DecodeError> {
        self.items().try_for_each(|item| {
            let [px, qty] = item.texts()?;
            words.push(side, level(px, qty, listed)?)
        })
    }

    /// The first elements of an array that begins with this many texts, one node each. If one is
    /// no text it is no value of use, and neither are those that follow it.
    #[inline]
    pub(crate) fn texts<const N: usize>(self) -> Result<[Self; N], DecodeError> {
        if let Place::Raw(raw) = self.0 {
            return raw.texts().ok_or(Shape);
        }
        match self.node() {
            Some(Node::Array { len, .. }) if *len >= N => {
                Ok(std::array::from_fn(|n| self.after(n + 1)))
            }
            _ => Err(Shape),
        }
    }

    /// The values of two keys of this object of a tape: at once if it has nothing else, in this
    /// order.
    #[inline]
    pub(crate) fn two(self, [first, second]: [&str; 2]) -> [Self; 2] {
        match self.nodes() {
            [
                Node::Object { len: 2, .. },
                Node::String(a),
                Node::String(_),
                Node::String(b),
                ..,
            ] if *a == first && *b == second => [self.after(2), self.after(4)],
            _ => [first, second].map(|name| self.find(name.as_bytes())),
        }
    }
}

/// The elements of an array.
#[derive(Debug, Clone)]
pub(crate) enum Items<'t> {
    /// The nodes of those that are left.
    Tape(&'t [Node<'t>]),
    /// Of a scanned frame.
    Raw(RawItems<'t>),
}

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    #[inline]
    fn next(&mut self) -> Option<Value<'t>> {
        match self {
            Self::Tape(rest) => {
                let value = *rest;
                *rest = value.get(width(value.first()?)..).unwrap_or_default();
                Some(Value::new(value))
            }
            Self::Raw(items) => items.next(),
        }
    }
}

/// The keys and values of an object.
#[derive(Debug, Clone)]
pub(crate) struct Entries<'t>(&'t [Node<'t>]);

impl<'t> Iterator for Entries<'t> {
    type Item = (&'t [u8], Value<'t>);

    #[inline]
    fn next(&mut self) -> Option<(&'t [u8], Value<'t>)> {
        let [Node::String(name), value @ ..] = self.0 else {
            return None;
        };
        self.0 = value.get(width(value.first()?)..).unwrap_or_default();
        Some((name.as_bytes(), Value::new(value)))
    }
}

/// Nodes that this one and all in it take.
#[inline]
fn width(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
        Node::String(_) | Node::Static(_) => 1,
    }
}

/// FNV-1a, never zero. The exchange's own words are no attack: two of the few hundred prints that
/// are known at a time are alike once in some 10^14.
fn hash(text: &str) -> u64 {
    let mix = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix).max(1)
}

/// Price and quantity.
#[inline]
pub(crate) fn level(px: Value<'_>, qty: Value<'_>, listed: &Listed) -> Result<Level, DecodeError> {
    level_of(px.text()?, qty.text()?, listed)
}

/// A side of a quote; `None` if either part is null.
#[inline]
pub(crate) fn best(
    [px, qty]: [Value<'_>; 2],
    listed: &Listed,
) -> Result<Option<Level>, DecodeError> {
    match px.is_null() || qty.is_null() {
        true => Ok(None),
        false => level(px, qty, listed).map(Some),
    }
}

#[inline(always)]
fn level_of(px_text: &str, qty_text: &str, listed: &Listed) -> Result<Level, DecodeError> {
    let (px, qty) = (px(px_text, listed)?, qty(qty_text, listed)?);
    Ok(Level { px, qty })
}

/// A price at the instrument's scale, exactly; -1 for any price below zero, which no word keeps.
#[inline(always)] // Twice a level: a call each is 3 % of a message's instructions.
fn px(text: &str, listed: &Listed) -> Result<Px, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.px_scale) {
        Ok(units) => Ok(Px(units as i64)), // `parse` gives at most `i64::MAX`.
        Err(error) => below_zero(text, listed, error),
    }
}

/// What a price is that is no number of zero or more.
#[cold]
fn below_zero(text: &str, listed: &Listed, error: DecimalError) -> Result<Px, DecodeError> {
    let positive = text.strip_prefix('-').unwrap_or("-");
    match decimal::parse(positive.as_bytes(), listed.px_scale) {
        Err(DecimalError::Malformed) => Err(DecodeError::Number(listed.id, error)),
        _ => Ok(Px(-1)),
    }
}

#[inline(always)] // As `px`.
fn qty(text: &str, listed: &Listed) -> Result<Qty, DecodeError> {
    match decimal::parse(text.as_bytes(), listed.qty_scale) {
        Ok(units) => Ok(Qty(units)),
        Err(error) => Err(DecodeError::Number(listed.id, error)),
    }
}
