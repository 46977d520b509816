//! Symbols of one connection, found by name without a general hasher. Never grows once built.

use crate::base::{Diff, Instrument, InstrumentId, Symbol, UnixNanos};
use crate::exchange::DecodeError;

/// What a decoder must know of an instrument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// As the exchange writes it.
    pub(crate) symbol: Symbol,
    /// Its place in the run's table.
    pub(crate) id: InstrumentId,
    /// Decimals of its prices.
    pub(crate) px_scale: u8,
    /// Decimals of its quantities.
    pub(crate) qty_scale: u8,
}

impl Listed {
    /// The head of a message about its book that stands at `id`, and says no more.
    #[inline]
    pub(crate) fn head(&self, id: u64, exch_time: UnixNanos) -> Diff {
        Diff {
            instrument: self.id,
            first_id: id,
            last_id: id,
            prev_id: None,
            checksum: None,
            exch_time,
        }
    }
}

/// An open-addressed table, at most half full: a search ends at the first empty slot.
///
/// Invariant: `2 * listed <= slots.len()`, which is a power of two.
pub(crate) struct Symbols {
    slots: Box<[Option<Listed>]>,
}

impl Symbols {
    /// A table of these instruments.
    pub(crate) fn new(instruments: &[Instrument]) -> Self {
        let len = (2 * instruments.len()).next_power_of_two().max(2);
        let mut slots = vec![None; len].into_boxed_slice();
        for instrument in instruments {
            let mut at = hash(instrument.symbol.as_bytes()) & (len - 1);
            while slots[at].is_some() {
                at = (at + 1) & (len - 1);
            }
            slots[at] = Some(Listed {
                symbol: instrument.symbol,
                id: instrument.id,
                px_scale: instrument.px_scale,
                qty_scale: instrument.qty_scale,
            });
        }
        Self { slots }
    }

    /// The instrument that the exchange calls so; an error if nobody follows it.
    #[inline]
    pub(crate) fn listed(&self, symbol: &str) -> Result<&Listed, DecodeError> {
        self.find(symbol).ok_or(DecodeError::UnknownSymbol)
    }

    /// The instrument that the exchange calls so.
    #[inline]
    pub(crate) fn find(&self, symbol: &str) -> Option<&Listed> {
        let mask = self.slots.len() - 1;
        let mut at = hash(symbol.as_bytes()) & mask;
        while let Some(listed) = &self.slots[at & mask] {
            if listed.symbol.as_bytes() == symbol.as_bytes() {
                return Some(listed);
            }
            at += 1;
        }
        None
    }
}

/// Mixes the first and last eight bytes and the length: enough to spread an exchange's few hundred
/// names, and symbols that nobody subscribed to cannot get into the table to crowd it.
#[inline]
fn hash(symbol: &[u8]) -> usize {
    let (head, tail) = match (symbol.first_chunk(), symbol.last_chunk()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (
            symbol
                .iter()
                .fold(0, |word, &byte| (word << 8) | u64::from(byte)),
            0,
        ),
    };
    let mixed =
        (head ^ tail.rotate_left(23) ^ symbol.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Symbol;

    fn test_instrument(id: u16, symbol: &str) -> Instrument {
        Instrument {
            id: InstrumentId(id),
            ..Instrument::bare("x", Symbol::from(symbol).unwrap(), (8, 8))
        }
    }
    use std::collections::HashMap;

    #[test]
    fn every_listed_symbol_is_found_and_no_other() {
        let mut names: Vec<String> = (0..300).map(|n| format!("COIN{n}USDT")).collect();
        names.extend(["BTCUSDT", "A", "币安人生USDT", "USDTBTC", ""].map(String::from));
        let instruments: Vec<Instrument> = (0..)
            .zip(&names)
            .map(|(n, name)| test_instrument(n, name))
            .collect();
        let twin: HashMap<&str, u16> = names.iter().map(String::as_str).zip(0..).collect();
        let table = Symbols::new(&instruments);
        for symbol in names
            .iter()
            .map(String::as_str)
            .chain(["COIN300USDT", "btcusdt", "B", "币"])
        {
            let found = table.find(symbol).map(|listed| listed.id.0);
            assert_eq!(found, twin.get(symbol).copied(), "{symbol}");
        }
        assert!(Symbols::new(&[]).find("BTCUSDT").is_none());
    }
}
