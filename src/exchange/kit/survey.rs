//! What a recording tells of its instruments: their symbols, the digits that their numbers have,
//! and which streams their books came by. Cold: recordings carry no metadata, so that scales come
//! from the tokens themselves.

use super::cursor::Value;
use super::digits::{DIGITS_MAX, Digits, Wide};
use super::scan::Scan;
use super::tape::Scratch;
use crate::base::{Instrument, InstrumentId, Symbol};
use crate::exchange::{DecodeError, DepthStream, Exchange};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// What a frame was, as far as a replay must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Said {
    /// Nothing of books: a print, a quote, an answer, or what could not be read.
    #[default]
    Nothing,
    /// A message of a book, by this stream: an index into [`Survey::streams`].
    Book(usize),
    /// A message of a stream that this build does not read.
    Other,
}

/// A book stream that was recorded.
#[derive(Debug)]
pub(crate) struct Stream {
    /// As `Exchange::depth_streams` names it, or as the exchange does if this build does not
    /// know it; empty if frames do not say.
    pub(crate) name: String,
    /// It carries the quotes beside a deeper one: it counts as a book if no frame is of another.
    pub(crate) quotes: bool,
    /// Frames of it.
    pub(crate) frames: u64,
    symbols: Vec<usize>,
}

#[derive(Debug)]
struct Seen {
    symbol: Symbol,
    px: Digits,
    qty: Digits,
    /// The book stream that an answer named, for frames that do not.
    stream: Option<usize>,
}

/// Symbols in the order in which they were first seen, with the most decimals of their prices and
/// quantities; and which streams were recorded.
#[derive(Debug, Default)]
pub struct Survey {
    seen: Vec<Seen>,
    places: HashMap<Symbol, usize>,
    /// The place that was asked for last: a frame asks for its own once per level.
    last: usize,
    streams: Vec<Stream>,
    others: BTreeMap<String, u64>,
    said: Said,
    exact: bool,
    large: bool,
}

/// How [`read_texts`] shows numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As numbers. `DecodeError::Shape` asks for the same once more as texts: nothing may have been
    /// told by then but levels.
    AsTheyAre,
    /// As texts.
    Texts,
}

std::thread_local! {
    /// Kept between the frames of a recording: making one takes longer than reading a frame.
    static SCRATCH: RefCell<Scratch> = Scratch::warmed(b"{}").into();
}

/// Shows `walk` a recorded text with every number as a string. What cannot be read tells nothing;
/// it is refused and counted where it is decoded.
pub(crate) fn read(text: &str, walk: impl FnMut(Value<'_>) -> Result<(), DecodeError>) {
    let _ = SCRATCH.with_borrow_mut(|scratch| scratch.read_exact(text.as_bytes(), walk));
}

/// As [`read`], for exchanges whose prices and quantities are texts anyway: the numbers stay as
/// they are, which is shorter, unless `walk` finds that it needs one of them as a text.
pub(crate) fn read_texts(
    text: &str,
    mut walk: impl FnMut(Value<'_>, Numbers) -> Result<(), DecodeError>,
) {
    let mut numbers = Numbers::AsTheyAre;
    let mut next = || std::mem::replace(&mut numbers, Numbers::Texts);
    let text = text.as_bytes();
    let _ = SCRATCH.with_borrow_mut(|scratch| {
        match scratch.read(text, |root| walk(root, next())) {
            // A number that is none for this machine may still be a text.
            Err(DecodeError::Json) => scratch.read_exact(text, |root| walk(root, Numbers::Texts)),
            done => done,
        }
    });
}

/// Shows `look` a recorded text where it lies, by the orders of keys that its exchange is known to
/// write: see [`super::scan`]. Gives what it found once every byte of the text was checked; nothing
/// may be told before that.
pub(crate) fn scanned<'t, R>(
    scan: &'t Scan<'t>,
    look: impl FnOnce(Value<'t>) -> Option<R>,
) -> Option<R> {
    let found = look(scan.root()?)?;
    scan.is_read().then_some(found)
}

/// Whether a recorded text is what `test` looks for; one that cannot be read is not.
pub(crate) fn is(text: &str, mut test: impl FnMut(Value<'_>) -> Option<bool>) -> bool {
    let mut found = false;
    read(text, |root| {
        found = test(root).unwrap_or_default();
        Ok(())
    });
    found
}

impl Survey {
    /// One that wants to see every number: see [`Self::again`].
    pub(crate) fn exact() -> Self {
        Self {
            exact: true,
            ..Self::default()
        }
    }

    /// Every number is wanted, also if one tells the decimals of all.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Some number is so large that its written decimals may not fit beside it. The decimals that
    /// are needed are known once an [`Self::exact`] survey has seen the recording, too.
    pub(crate) fn again(&self) -> bool {
        self.large && !self.exact
    }

    /// Looks for a large number in a frame whose numbers are not told one by one.
    pub(crate) fn glance(&mut self, frame: &str, decimals: u8) {
        let most = usize::from(DIGITS_MAX.saturating_sub(decimals));
        let frame = frame.as_bytes();
        let (Some(middle), Some(points)) = (frame.get(most / 2..), frame.get(most + 1..)) else {
            return;
        };
        // Whether a point has digits where a number that is too large has some: without a branch,
        // so that the compiler looks at many bytes at once.
        let spots = frame.iter().zip(middle).zip(points);
        let may_be = spots.fold(false, |found, ((first, middle), point)| {
            found | (first.is_ascii_digit() & middle.is_ascii_digit() & (*point == b'.'))
        });
        let is_large = |(at, byte): (usize, &u8)| {
            let digits = frame[..at].iter().rev();
            *byte == b'.' && digits.take_while(|byte| byte.is_ascii_digit()).count() > most
        };
        self.large |= may_be && frame.iter().enumerate().any(is_large);
    }

    /// The body of a snapshot of this symbol: `{"bids":[["price","quantity",…],…],"asks":…}`.
    pub(crate) fn snapshot(&mut self, symbol: &str, body: &str) {
        self.symbol(symbol);
        read(body, |root| {
            self.levels(symbol, root.find(b"bids"));
            self.levels(symbol, root.find(b"asks"));
            Ok(())
        });
    }

    /// This symbol is followed, whatever it has said. A name that is too long is left out, and
    /// counted.
    pub fn symbol(&mut self, symbol: &str) {
        self.place(symbol);
    }

    /// An answer says that this symbol's book comes by this stream.
    pub(crate) fn subscribed(&mut self, symbol: &str, stream: &str) {
        if let Some(place) = self.place(symbol) {
            self.seen[place].stream = Some(self.stream(stream, false));
        }
    }

    /// The frame is of this symbol's book, by this depth stream; without a name by the one that was
    /// answered.
    pub(crate) fn book(&mut self, symbol: &str, stream: Option<&str>) {
        if let Some(place) = self.place(symbol) {
            let answered = self.seen[place].stream.filter(|_| stream.is_none());
            let at = answered.unwrap_or_else(|| self.stream(stream.unwrap_or_default(), false));
            self.book_of(place, at);
        }
    }

    /// As [`Self::book`], by a stream that carries the quotes beside a deeper one.
    pub(crate) fn best(&mut self, symbol: &str, stream: &str) {
        if let Some(place) = self.place(symbol) {
            let at = self.stream(stream, true);
            self.book_of(place, at);
        }
    }

    /// The frame is of a stream that this build does not read.
    pub(crate) fn other(&mut self, stream: &str) {
        // What an exchange calls its streams is short; garbage must not fill the memory.
        let name: String = stream.chars().take(OTHER_CHARS_MAX).collect();
        if self.others.len() < OTHERS_MAX || self.others.contains_key(&name) {
            *self.others.entry(name).or_default() += 1;
        }
        self.said = Said::Other;
    }

    /// What the last frame was; to be asked after each.
    pub(crate) fn take_said(&mut self) -> Said {
        std::mem::take(&mut self.said)
    }

    /// The book streams that were recorded, in the order in which they were first seen.
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Frames of streams that this build does not read, by name.
    pub(crate) fn others(&self) -> &BTreeMap<String, u64> {
        &self.others
    }

    /// The depth stream of this exchange that a recorded one is; none if this build does not
    /// know it.
    pub(crate) fn depth_of(
        exchange: &dyn Exchange,
        stream: &Stream,
    ) -> Option<&'static DepthStream> {
        let streams = exchange.depth_streams();
        match stream.name.as_str() {
            "" => streams.first(),
            name => streams.iter().find(|stream| stream.name == name),
        }
    }

    /// The recorded streams to make books of: those that this build knows, and quotes if there
    /// is no other.
    pub(crate) fn books(&self, exchange: &dyn Exchange) -> Vec<(usize, &'static DepthStream)> {
        let frames = |at: usize| -> u64 {
            let of_it = self.streams.iter().enumerate();
            let of_it = of_it.filter(|(other, _)| self.home(*other) == at);
            of_it.map(|(_, stream)| stream.frames).sum()
        };
        let known = |quotes: bool| {
            let streams = self.streams.iter().enumerate();
            let of_kind = streams.filter(|(at, one)| one.quotes == quotes && frames(*at) > 0);
            let known = of_kind.filter_map(|(at, one)| Some((at, Self::depth_of(exchange, one)?)));
            known.collect::<Vec<_>>()
        };
        let deep = known(false);
        if deep.is_empty() { known(true) } else { deep }
    }

    /// The stream that this one is: frames without a name are of the first that anything named.
    pub(crate) fn home(&self, stream: usize) -> usize {
        let named = |one: &Stream| !one.name.is_empty() && !one.quotes;
        match self.streams.get(stream) {
            Some(one) if one.name.is_empty() => {
                self.streams.iter().position(named).unwrap_or(stream)
            }
            Some(_) | None => stream,
        }
    }

    /// The depth stream of this exchange that was recorded first: the default one if nothing
    /// names it.
    pub fn recorded_depth(&self, exchange: &dyn Exchange) -> Option<&'static DepthStream> {
        if self.streams.is_empty() {
            return exchange.depth_streams().first();
        }
        let first = self.books(exchange).first().map(|(_, depth)| *depth);
        let mut answered = self.streams.iter();
        first.or_else(|| answered.find_map(|one| Self::depth_of(exchange, one)))
    }

    /// Symbols whose books came by this stream.
    pub(crate) fn symbols_of(&self, stream: usize) -> Vec<Symbol> {
        let all = self.streams.iter().enumerate();
        let its = all.filter(|(at, _)| self.home(*at) == stream);
        let mut places: Vec<usize> = its.flat_map(|(_, one)| one.symbols.clone()).collect();
        places.sort_unstable();
        places.dedup();
        let symbol = |place: usize| self.seen[place].symbol;
        places.into_iter().map(symbol).collect()
    }

    /// A level or a print of this symbol, as the exchange wrote its numbers.
    pub(crate) fn level(&mut self, symbol: &str, px: &str, qty: &str) {
        if let Some(place) = self.place(symbol) {
            let seen = &mut self.seen[place];
            seen.px.see(px);
            seen.qty.see(qty);
            self.large |= seen.px.are_many() || seen.qty.are_many();
        }
    }

    /// What is known of this symbol's numbers.
    pub(crate) fn known(&self, symbol: &str) -> Wide {
        let last = self.seen.get(self.last);
        let seen = last
            .filter(|seen| seen.symbol.as_str() == symbol)
            .or_else(|| {
                let place = self.places.get(&Symbol::from(symbol).ok()?)?;
                self.seen.get(*place)
            });
        seen.map_or_else(Wide::default, |seen| Wide {
            px: seen.px,
            qty: seen.qty,
        })
    }

    /// As [`Self::level`], of all numbers of a frame.
    pub(crate) fn wide(&mut self, symbol: &str, wide: &Wide) {
        if let Some(place) = self.place(symbol) {
            let seen = &mut self.seen[place];
            seen.px.join(wide.px);
            seen.qty.join(wide.qty);
            self.large |= seen.px.are_many() || seen.qty.are_many();
        }
    }

    /// As [`Self::level`]; `None` if one of the two is no text.
    pub(crate) fn both(&mut self, symbol: &str, [px, qty]: [Value<'_>; 2]) -> Option<()> {
        self.level(symbol, px.string()?, qty.string()?);
        Some(())
    }

    /// `[["price","quantity",…],…]` of this symbol; `None` if one of these is no text.
    pub(crate) fn levels(&mut self, symbol: &str, list: Value<'_>) -> Option<()> {
        let mut all = Some(());
        for level in list.items().flat_map(Value::texts) {
            all = self.both(symbol, level).and(all);
        }
        all
    }

    /// The instruments of this exchange, ids counting from zero, at scales that hold every number
    /// seen if any do.
    pub fn instruments(&self, exchange: &'static str) -> Vec<Instrument> {
        let instrument = |(n, seen): (usize, &Seen)| Instrument {
            id: InstrumentId(n as u16),
            ..Instrument::bare(exchange, seen.symbol, (seen.px.scale(), seen.qty.scale()))
        };
        self.seen
            .iter()
            .take(usize::from(u16::MAX))
            .enumerate()
            .map(instrument)
            .collect()
    }

    fn stream(&mut self, name: &str, quotes: bool) -> usize {
        let known = self.streams.iter().position(|stream| stream.name == name);
        known.unwrap_or_else(|| {
            self.streams.push(Stream {
                name: name.to_owned(),
                quotes,
                frames: 0,
                symbols: Vec::new(),
            });
            self.streams.len() - 1
        })
    }

    fn book_of(&mut self, place: usize, at: usize) {
        let stream = &mut self.streams[at];
        if self.said != Said::Book(at) {
            stream.frames += 1;
        }
        if stream.symbols.last() != Some(&place) && !stream.symbols.contains(&place) {
            stream.symbols.push(place);
        }
        self.said = Said::Book(at);
    }

    fn place(&mut self, symbol: &str) -> Option<usize> {
        let last = self.seen.get(self.last);
        if last.is_some_and(|seen| seen.symbol.as_str() == symbol) {
            return Some(self.last);
        }
        let Ok(symbol) = Symbol::from(symbol) else {
            self.other("names that are too long");
            return None;
        };
        if symbol.is_empty() {
            return None;
        }
        let next = self.seen.len();
        let place = *self.places.entry(symbol).or_insert(next);
        if place == next {
            self.seen.push(Seen {
                symbol,
                px: Digits::default(),
                qty: Digits::default(),
                stream: None,
            });
        }
        self.last = place;
        Some(place)
    }
}

/// Characters of an unknown stream's name that are kept, and how many names.
const OTHER_CHARS_MAX: usize = 48;
const OTHERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_gives_up_zeros_and_no_digit() {
        let scales = |levels: &[(&str, &str)]| {
            let mut survey = Survey::default();
            levels
                .iter()
                .for_each(|(px, qty)| survey.level("A", px, qty));
            let found = survey.instruments("x")[0];
            (found.px_scale, found.qty_scale, survey.again())
        };
        let small = ("0.00000100", "1.00000000");
        let large = ("0.00000100", "123456789012.00000000");
        assert_eq!(scales(&[small]), (8, 8, false));
        assert_eq!(scales(&[small, large]), (8, 6, true));
        assert_eq!(scales(&[large, ("0.1", "0.1234567")]), (8, 7, true));
        assert_eq!(scales(&[("1", "1e-9223372036854775808")]), (0, 18, false));
        assert_eq!(scales(&[("1", "1e9223372036854775807")]), (0, 0, false));
        let mut survey = Survey::default();
        survey.glance(
            r#"{"E":1790000000000,"b":[["0.1","9999999999.00000000"]]}"#,
            8,
        );
        assert!(!survey.again());
        survey.glance(r#"[["12345678901.00000000","1"]]"#, 8);
        assert!(survey.again() && Survey::exact().is_exact());
        let mut survey = Survey::default();
        survey.snapshot(
            "A",
            r#"{"asks":[["1.5","123456789012.00000000"]],"bids":[]}"#,
        );
        assert_eq!(
            (survey.instruments("x")[0].qty_scale, survey.again()),
            (6, true)
        );
    }

    #[test]
    fn numbers_are_texts_only_if_that_is_asked_for_or_one_is_too_large() {
        let walked = |text: &str, ask: bool| {
            let mut walked = Vec::new();
            read_texts(text, |root, numbers| {
                walked.push((numbers, root.find(b"n").string().map(str::to_owned)));
                match numbers == Numbers::AsTheyAre && ask {
                    true => Err(DecodeError::Shape),
                    false => Ok(()),
                }
            });
            walked
        };
        let is = || (Numbers::AsTheyAre, None);
        let text = |n: &str| (Numbers::Texts, Some(n.to_owned()));
        assert_eq!(walked(r#"{"n":7}"#, false), [is()]);
        assert_eq!(walked(r#"{"n":7}"#, true), [is(), text("7")]);
        let large = "123456789012345678901234567890";
        let frame = format!("{{\"n\":{large}}}");
        assert_eq!(walked(&frame, false).last(), Some(&text(large)));
        assert_eq!(walked("{", true), []);
    }

    #[test]
    fn scales_are_the_most_decimals_that_were_seen() {
        let mut survey = Survey::default();
        survey.level("B", "1.25", "7");
        survey.symbol("A");
        survey.level("B", "1.5", "0.00100");
        survey.level("A", "1e-5", "2.5E2");
        let found = survey.instruments("x");
        let found: Vec<_> = found
            .iter()
            .map(|i| (i.symbol.as_str(), i.id.0, i.px_scale, i.qty_scale))
            .collect();
        assert_eq!(found, [("B", 0, 2, 5), ("A", 1, 5, 0)]);
    }
}
