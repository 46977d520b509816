//! What a recording tells of its instruments: their symbols, the decimals that their numbers have, and which streams
//! their books came by.
//! Cold: recordings carry no metadata, so that scales come from the tokens themselves.

use super::{DepthStream, Exchange};
use crate::base::{Instrument, InstrumentId, Symbol};
use std::collections::{BTreeMap, HashMap};

/// What a frame was, as far as a replay must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Said {
    /// Nothing of books: a print, a quote, an answer, or what could not be read.
    #[default]
    Nothing,
    /// Of a book, by this stream: an index into [`Survey::streams`].
    Book(usize),
    /// Of a stream that this build does not read.
    Other,
}

/// A book stream that was recorded.
#[derive(Debug)]
pub struct Stream {
    /// As `Exchange::depth_streams` names it, or as the exchange does where this build does not know it; empty where
    /// frames do not say.
    pub name: String,
    /// It carries the quotes beside a deeper one: it counts as a book where no frame is of another.
    pub quotes: bool,
    /// Frames of it.
    pub frames: u64,
    symbols: Vec<usize>,
}

#[derive(Debug)]
struct Seen {
    symbol: Symbol,
    px_scale: u8,
    qty_scale: u8,
    /// The book stream that an answer named, for frames that do not.
    stream: Option<usize>,
}

/// Symbols in the order in which they were first seen, with the most decimals of their prices and quantities; and
/// which streams were recorded.
#[derive(Debug, Default)]
pub struct Survey {
    seen: Vec<Seen>,
    places: HashMap<Symbol, usize>,
    streams: Vec<Stream>,
    others: BTreeMap<String, u64>,
    said: Said,
}

impl Survey {
    /// This symbol is followed, whatever it has said. A name that is too long is left out, and counted.
    pub fn symbol(&mut self, symbol: &str) {
        self.place(symbol);
    }

    /// An answer says that this symbol's book comes by this stream.
    pub fn subscribed(&mut self, symbol: &str, stream: &str) {
        if let Some(place) = self.place(symbol) {
            self.seen[place].stream = Some(self.stream(stream, false));
        }
    }

    /// The frame is of this symbol's book, by this depth stream; without a name by the one that was answered.
    pub fn book(&mut self, symbol: &str, stream: Option<&str>) {
        if let Some(place) = self.place(symbol) {
            let answered = self.seen[place].stream.filter(|_| stream.is_none());
            let at = answered.unwrap_or_else(|| self.stream(stream.unwrap_or_default(), false));
            self.book_of(place, at);
        }
    }

    /// As [`Self::book`], by a stream that carries the quotes beside a deeper one.
    pub fn best(&mut self, symbol: &str, stream: &str) {
        if let Some(place) = self.place(symbol) {
            let at = self.stream(stream, true);
            self.book_of(place, at);
        }
    }

    /// The frame is of a stream that this build does not read.
    pub fn other(&mut self, stream: &str) {
        // What an exchange calls its streams is short; garbage must not fill the memory.
        let name: String = stream.chars().take(OTHER_CHARS_MAX).collect();
        if self.others.len() < OTHERS_MAX || self.others.contains_key(&name) {
            *self.others.entry(name).or_default() += 1;
        }
        self.said = Said::Other;
    }

    /// What the last frame was; to be asked after each.
    pub fn take_said(&mut self) -> Said {
        std::mem::take(&mut self.said)
    }

    /// The book streams that were recorded, in the order in which they were first seen.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Frames of streams that this build does not read, by name.
    pub fn others(&self) -> &BTreeMap<String, u64> {
        &self.others
    }

    /// The depth stream of this exchange that a recorded one is; none where this build does not know it.
    pub fn depth_of(exchange: &dyn Exchange, stream: &Stream) -> Option<&'static DepthStream> {
        let streams = exchange.depth_streams();
        match stream.name.as_str() {
            "" => streams.first(),
            name => streams.iter().find(|stream| stream.name == name),
        }
    }

    /// The recorded streams to make books of: those that this build knows, and quotes where there is no other.
    pub fn books(&self, exchange: &dyn Exchange) -> Vec<(usize, &'static DepthStream)> {
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
    pub fn home(&self, stream: usize) -> usize {
        let named = |one: &Stream| !one.name.is_empty() && !one.quotes;
        match self.streams.get(stream) {
            Some(one) if one.name.is_empty() => {
                self.streams.iter().position(named).unwrap_or(stream)
            }
            Some(_) | None => stream,
        }
    }

    /// The depth stream of this exchange that was recorded first: the default one where nothing names it.
    pub fn recorded_depth(&self, exchange: &dyn Exchange) -> Option<&'static DepthStream> {
        if self.streams.is_empty() {
            return exchange.depth_streams().first();
        }
        let first = self.books(exchange).first().map(|(_, depth)| *depth);
        let mut answered = self.streams.iter();
        first.or_else(|| answered.find_map(|one| Self::depth_of(exchange, one)))
    }

    /// Symbols whose books came by this stream.
    pub fn symbols_of(&self, stream: usize) -> Vec<Symbol> {
        let all = self.streams.iter().enumerate();
        let its = all.filter(|(at, _)| self.home(*at) == stream);
        let mut places: Vec<usize> = its.flat_map(|(_, one)| one.symbols.clone()).collect();
        places.sort_unstable();
        places.dedup();
        let symbol = |place: usize| self.seen[place].symbol;
        places.into_iter().map(symbol).collect()
    }

    /// A level or a print of this symbol, as the exchange wrote its numbers.
    pub fn level(&mut self, symbol: &str, px: &str, qty: &str) {
        if let Some(place) = self.place(symbol) {
            let seen = &mut self.seen[place];
            seen.px_scale = seen.px_scale.max(decimals(px));
            seen.qty_scale = seen.qty_scale.max(decimals(qty));
        }
    }

    /// The instruments of this exchange, ids counting from zero, at scales that hold every number seen.
    pub fn instruments(&self, exchange: &'static str) -> Vec<Instrument> {
        let instrument = |(n, seen): (usize, &Seen)| Instrument {
            id: InstrumentId(n as u16),
            ..Instrument::bare(exchange, seen.symbol, (seen.px_scale, seen.qty_scale))
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
                px_scale: 0,
                qty_scale: 0,
                stream: None,
            });
        }
        Some(place)
    }
}

/// Characters of an unknown stream's name that are kept, and how many names.
const OTHER_CHARS_MAX: usize = 48;
const OTHERS_MAX: usize = 64;

/// Decimals that a number's text needs: `0.00100` has five, `1.5e-5` six, `7` none. At most 18.
fn decimals(text: &str) -> u8 {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let part = digits.split_once('.').map_or(0, |(_, part)| part.len()) as i64;
    let exponent = exponent.parse::<i64>().unwrap_or(0);
    (part - exponent).clamp(0, i64::from(crate::base::decimal::SCALE_MAX)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

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
