//! JSON text to a flat tape of nodes, in buffers that are kept. Builds no tree and copies a frame
//! once.
//!
//! A tape's numbers are binary floats, which have lost the decimals that were sent. Exchanges that
//! write prices as JSON numbers are read through [`Scratch::read_exact`], which puts every number
//! in quotes on the way.

use super::cursor::Value;
use crate::exchange::DecodeError;
use simd_json::{Buffers, INPUT_PADDING, Tape, fill_tape_padded};

/// A longer frame (a first book of some 10,000 levels) gets buffers of its own, which go with it:
/// those that are kept would stay as large for good.
pub(crate) const LARGE_BYTES: usize = 1 << 20;
/// How deep JSON may be nested. Binance's own messages need five levels.
const DEPTH_MAX: usize = 32;

/// The kept buffers: the frame with room behind it for wide loads, and what the parser needs.
pub(crate) struct Scratch {
    text: Vec<u8>,
    buffers: Buffers,
    /// Empty between frames; its lifetime ends with each one, its allocation does not.
    tape: Tape<'static>,
}

impl Scratch {
    /// Buffers that grow with the first frame.
    fn cold() -> Self {
        Self {
            text: Vec::new(),
            buffers: Buffers::with_max_depth(0, DEPTH_MAX),
            tape: Tape(Vec::new()),
        }
    }

    /// Buffers that have already parsed `sample`, so that no frame up to its size allocates.
    pub(crate) fn warmed(sample: &[u8]) -> Self {
        let mut scratch = Self {
            text: vec![0; sample.len() + INPUT_PADDING],
            buffers: Buffers::with_max_depth(sample.len(), DEPTH_MAX),
            tape: Tape(Vec::new()),
        };
        let warm = scratch.read(sample, |_| Ok(()));
        debug_assert!(warm.is_ok());
        scratch
    }

    /// Parses `frame` and shows its value to `walk`; never an absent one.
    ///
    /// Prices are strings here. If `walk` finds another shape it is shown the frame once more
    /// with every number as a string: an exchange that changes from one to the other is still
    /// understood.
    #[inline]
    pub(crate) fn read<R>(
        &mut self,
        frame: &[u8],
        mut walk: impl FnMut(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        if frame.len() > LARGE_BYTES {
            return Self::read_large(frame, walk);
        }
        let padded = frame.len() + INPUT_PADDING;
        if self.text.len() < padded {
            self.text.resize(padded, 0);
        }
        self.text[..frame.len()].copy_from_slice(frame);
        match self.parse(frame.len(), &mut walk) {
            Err(DecodeError::Shape) => self.read_exact(frame, walk),
            done => done,
        }
    }

    #[cold]
    #[inline(never)]
    fn read_large<R>(
        frame: &[u8],
        mut walk: impl FnMut(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        let mut scratch = Self::cold();
        scratch.text = Vec::with_capacity(frame.len() + INPUT_PADDING);
        scratch.text.extend_from_slice(frame);
        scratch.text.resize(frame.len() + INPUT_PADDING, 0);
        match scratch.parse(frame.len(), &mut walk) {
            Err(DecodeError::Shape) => scratch.quote_and_parse(frame, &mut walk),
            done => done,
        }
    }

    /// As [`Self::read`], with every number as a string node that holds its text.
    #[inline(never)]
    pub(crate) fn read_exact<R>(
        &mut self,
        frame: &[u8],
        mut walk: impl FnMut(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        match frame.len() > LARGE_BYTES {
            true => Self::cold().quote_and_parse(frame, &mut walk),
            false => self.quote_and_parse(frame, &mut walk),
        }
    }

    fn quote_and_parse<R>(
        &mut self,
        frame: &[u8],
        walk: &mut impl FnMut(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        // A number of one digit becomes three bytes.
        let most = 3 * frame.len() + INPUT_PADDING;
        if self.text.len() < most {
            self.text.resize(most, 0);
        }
        let len = quote_numbers(frame, &mut self.text);
        self.parse(len, walk)
    }

    /// Parses the first `len` bytes of `text`, which has padding behind them.
    #[inline]
    fn parse<R>(
        &mut self,
        len: usize,
        walk: &mut impl FnMut(Value<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, DecodeError> {
        let text = &mut self.text[..len + INPUT_PADDING];
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let result = match fill_tape_padded(text, len, &mut self.buffers, &mut tape) {
            Ok(()) => walk(Value::new(&tape.0)),
            Err(_) => Err(DecodeError::Json),
        };
        self.tape = tape.reset();
        result
    }
}

/// Copies `frame` with every number outside of strings in quotes; gives the length of the copy.
/// What is no JSON stays none.
fn quote_numbers(frame: &[u8], out: &mut [u8]) -> usize {
    let (mut at, mut to, mut in_string) = (0, 0, false);
    while at < frame.len() {
        let byte = frame[at];
        if !in_string && matches!(byte, b'-' | b'0'..=b'9') {
            let number = frame[at..].iter();
            let more = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
            let len = number.take_while(more).count();
            out[to] = b'"';
            out[to + 1..to + 1 + len].copy_from_slice(&frame[at..at + len]);
            out[to + 1 + len] = b'"';
            (at, to) = (at + len, to + len + 2);
            continue;
        }
        out[to] = byte;
        (at, to) = (at + 1, to + 1);
        if in_string && byte == b'\\' && at < frame.len() {
            out[to] = frame[at];
            (at, to) = (at + 1, to + 1);
        } else if byte == b'"' {
            in_string = !in_string;
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> Scratch {
        Scratch::warmed(b"[]")
    }

    #[test]
    fn nested_values_are_stepped_over() {
        let frame = br#"{"a":{"b":[1,{"c":2}],"d":{}},"e":[[],[3]],"f":"x"}"#;
        let keys = scratch().read(frame, |root| {
            assert_eq!(root.find(b"f").string(), Some("x"));
            assert!(root.find(b"c").is_absent());
            assert_eq!(root.find(b"e").items().count(), 2);
            Ok(root.entries().map(|(key, _)| key[0]).collect::<Vec<_>>())
        });
        assert_eq!(keys.unwrap(), b"aef");
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_an_error() {
        let mut scratch = scratch();
        let mut read = |frame: &[u8]| scratch.read(frame, |_| Ok(()));
        for frame in ["", " ", "{", "[1,]", "{\"a\":}", "[1 2]", "\u{0}"] {
            assert_eq!(read(frame.as_bytes()), Err(DecodeError::Json), "{frame:?}");
        }
        assert_eq!(read(b"[\"\xff\"]"), Err(DecodeError::Json));
        let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert_eq!(read(nested(30).as_bytes()), Ok(()));
        assert_eq!(read(nested(40).as_bytes()), Err(DecodeError::Json));
        assert_eq!(read(b"[]"), Ok(()));
    }

    #[test]
    fn a_large_frame_is_read_like_any_other_and_leaves_no_large_buffers() {
        let mut scratch = scratch();
        let large = format!("[{}7]", "\"1.50\",7,".repeat(200_000));
        for frame in [large.clone(), large.replace('"', "")] {
            let mut count = |exact| {
                let walk = |root: Value<'_>| {
                    let px = root.items().next().unwrap_or_default().text()?;
                    Ok((px.to_owned(), root.items().count()))
                };
                match exact {
                    true => scratch.read_exact(frame.as_bytes(), walk),
                    false => scratch.read(frame.as_bytes(), walk),
                }
            };
            for exact in [true, false] {
                assert_eq!(count(exact), Ok(("1.50".to_owned(), 400_001)));
            }
        }
        assert!(scratch.text.len() < 100);
    }

    #[test]
    fn every_number_is_shown_as_its_text_where_that_is_asked_for() {
        let frame = br#"{"a":[1.50,-2e-5,{"b\"3":"4\\"},true,null,7],"c":"x 8"}"#;
        let texts = scratch().read_exact(frame, |root| {
            let list = root.find(b"a");
            let object = list.items().nth(2).unwrap_or_default();
            let all = list.items().chain([object.find(b"b\"3"), root.find(b"c")]);
            Ok(all
                .filter_map(|value| value.string().map(str::to_owned))
                .collect::<Vec<_>>())
        });
        let expected = ["1.50", "-2e-5", "7", "4\\", "x 8"];
        assert_eq!(texts.unwrap(), expected);
        let none = scratch().read_exact(b"[1 2]", |_| Ok(()));
        assert_eq!(none, Err(DecodeError::Json));
    }

    #[test]
    fn a_frame_of_another_shape_is_tried_with_its_numbers_as_strings() {
        let mut scratch = scratch();
        let mut price = |frame: &[u8]| {
            scratch.read(frame, |root| {
                let [px, number] = root.texts()?;
                Ok((px.text()?.to_owned(), number.unsigned()))
            })
        };
        let both = Ok(("1.50".to_owned(), Ok(7)));
        assert_eq!(price(br#"["1.50",7]"#), both);
        assert_eq!(price(br#"[1.50,"7"]"#), both);
        assert_eq!(price(b"[true,7]"), Err(DecodeError::Shape));
    }

    #[test]
    fn numbers_of_another_kind_are_none() {
        let (mut scratch, frame) = (scratch(), b"[1.0,-1,18446744073709551615,true]");
        let read = scratch.read(frame, |root| {
            let numbers: Vec<_> = root.items().map(|item| item.unsigned().ok()).collect();
            Ok((numbers, root.items().nth(1).unwrap_or_default().signed()))
        });
        assert_eq!(read, Ok((vec![None, None, Some(u64::MAX), None], Ok(-1))));
    }
}
