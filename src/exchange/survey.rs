//! What a recording tells of its instruments: their symbols, and the decimals that their numbers have.
//! Cold: recordings carry no metadata, so that scales come from the tokens themselves.

use super::{DepthStream, Exchange};
use crate::base::{Instrument, InstrumentId, Symbol};
use std::collections::HashMap;

/// Symbols in the order in which they were first seen, with the most decimals of their prices and quantities.
#[derive(Debug, Default)]
pub struct Survey {
    seen: Vec<(Symbol, u8, u8)>,
    places: HashMap<Symbol, usize>,
    depth: Option<String>,
    quotes: Option<String>,
}

impl Survey {
    /// This symbol is followed, whatever it has said. A name that is too long is left out.
    pub fn symbol(&mut self, symbol: &str) {
        self.place(symbol);
    }

    /// The recorded frames are of this depth stream, as `Exchange::depth_streams` names it. The first word counts.
    pub fn depth_stream(&mut self, name: &str) {
        self.depth.get_or_insert_with(|| name.to_owned());
    }

    /// The recorded frames are of this depth stream, which carries the quotes beside a deeper one: it counts where
    /// no frame is of another.
    pub fn quote_stream(&mut self, name: &str) {
        self.quotes.get_or_insert_with(|| name.to_owned());
    }

    /// The depth stream of this exchange that was recorded: the default one where nothing names it.
    pub fn recorded_depth(&self, exchange: &dyn Exchange) -> Option<&'static DepthStream> {
        let streams = exchange.depth_streams();
        match self.depth.as_ref().or(self.quotes.as_ref()) {
            None => streams.first(),
            Some(name) => streams.iter().find(|stream| stream.name == name),
        }
    }

    /// A level or a print of this symbol, as the exchange wrote its numbers.
    pub fn level(&mut self, symbol: &str, px: &str, qty: &str) {
        if let Some(place) = self.place(symbol) {
            let (_, px_scale, qty_scale) = &mut self.seen[place];
            *px_scale = (*px_scale).max(decimals(px));
            *qty_scale = (*qty_scale).max(decimals(qty));
        }
    }

    /// The instruments of this exchange, ids counting from zero, at scales that hold every number seen.
    pub fn instruments(&self, exchange: &'static str) -> Vec<Instrument> {
        let instrument = |(n, &(symbol, px, qty)): (usize, &(Symbol, u8, u8))| Instrument {
            id: InstrumentId(n as u16),
            ..Instrument::bare(exchange, symbol, (px, qty))
        };
        self.seen
            .iter()
            .take(usize::from(u16::MAX))
            .enumerate()
            .map(instrument)
            .collect()
    }

    fn place(&mut self, symbol: &str) -> Option<usize> {
        let symbol = Symbol::from(symbol).ok().filter(|s| !s.is_empty())?;
        let next = self.seen.len();
        let place = *self.places.entry(symbol).or_insert(next);
        if place == next {
            self.seen.push((symbol, 0, 0));
        }
        Some(place)
    }
}

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
