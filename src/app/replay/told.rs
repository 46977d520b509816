//! What a replay could not take in: refused, missing, left out. Decides what the exit code says
//! about it.

use crate::base::{Channel, Instrument, Word};
use crate::exchange::Words;
use std::collections::BTreeMap;
use std::fmt;

/// Messages that were refused, all of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The exchange that sent them.
    pub(crate) exchange: &'static str,
    /// The instrument; empty if the message could not be read so far.
    pub(crate) symbol: String,
    /// Whether they were a book's, or may have been: without them the book is not the exchange's.
    pub(crate) of_book: bool,
    /// What was wrong, as logs call it.
    pub(crate) why: &'static str,
}

impl Refused {
    fn name(&self) -> String {
        match self.symbol.is_empty() {
            true => format!("{} of any instrument", self.exchange),
            false => format!("{} {}", self.exchange, self.symbol),
        }
    }
}

/// A book that is in the recording and did not come out of it, or not as the exchange had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Whose book.
    pub(crate) exchange: &'static str,
    /// Its instrument.
    pub(crate) symbol: String,
    /// Why.
    pub(crate) why: String,
}

/// What became of everything that is not in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// How many messages of each kind were refused.
    pub(crate) refused: BTreeMap<Refused, u64>,
    /// Recorded books that did not come out. If there is one, the exit code is not 0.
    pub(crate) missing: Vec<Missing>,
    /// Messages of streams that this build does not read, by exchange and stream.
    pub(crate) left_out: BTreeMap<(&'static str, String), u64>,
}

impl Told {
    pub(super) fn refuse(&mut self, one: Refused) {
        *self.refused.entry(one).or_default() += 1;
    }

    /// Notes which of these words did not fit their instrument.
    pub(super) fn refuse_words(
        &mut self,
        exchange: &'static str,
        instruments: &[Instrument],
        words: &Words,
    ) {
        for word in words.iter() {
            if let Word::Unfit {
                instrument,
                channel,
                why,
            } = word
            {
                let named = instruments.get(instrument.index());
                self.refuse(Refused {
                    exchange,
                    symbol: named.map_or_else(String::new, |one| one.symbol.to_string()),
                    of_book: channel == Channel::Depth,
                    why: why.name(),
                });
            }
        }
    }

    /// Refused messages that were of this book, or may have been.
    pub(super) fn refused_of(&self, exchange: &str, symbol: &str) -> u64 {
        let its = |one: &Refused| {
            let named = one.symbol == symbol || one.symbol.is_empty();
            one.of_book && one.exchange == exchange && named
        };
        let its = self.refused.iter().filter(|(one, _)| its(one));
        its.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Told {
    /// One line per thing, without a line feed after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        if !self.left_out.is_empty() {
            let each = |((exchange, stream), count): (&(&str, String), &u64)| {
                format!("{exchange} {stream} ({count})")
            };
            let each: Vec<String> = self.left_out.iter().map(each).collect();
            lines.push(format!(
                "left out, not read by this build: {}",
                each.join(", ")
            ));
        }
        for (one, count) in &self.refused {
            let of = if one.of_book { "book" } else { "other" };
            lines.push(format!(
                "refused {count} {of} message(s) of {}: {}",
                one.name(),
                one.why
            ));
        }
        for Missing {
            exchange,
            symbol,
            why,
        } in &self.missing
        {
            lines.push(format!("no whole book of {exchange} {symbol}: {why}"));
        }
        f.write_str(&lines.join("\n"))
    }
}
