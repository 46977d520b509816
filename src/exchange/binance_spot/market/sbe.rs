//! Market frames in SBE (schema 1, version 0 of the streams) to words. Never reads beyond what a
//! frame says it has, and never applies half of one.
//!
//! All numbers are little-endian. A frame is a header, one block of fields, groups of entries, and
//! the symbol. A block or an entry may be longer than this build knows: a later version of the
//! schema appends fields, which are stepped over.
//!
//! | part | what is in it |
//! |---|---|
//! | header | length of the block, template, schema, version: `u16` each |
//! | block | by template, see below; times are in microseconds since 1970 |
//! | group | length of an entry `u16`, number of entries `u16` (of trades `u32`), the entries |
//! | symbol | its length `u8`, and its bytes |
//!
//! | template | block | groups |
//! |---|---|---|
//! | 10000, trades | event time, trade time, exponents | trades: id, price, quantity, maker |
//! | 10001, best bid and ask | event time, update id, exponents, bid, its quantity, ask, its | |
//! | 10002, best 20 levels | event time, update id, exponents | bids, asks: price, quantity |
//! | 10003, changed levels | event time, first and last update id, exponents | bids, asks |
//!
//! What has no type here is an `i64`, and exponents are two `i8`: the prices' and the quantities'.
//! A number is `mantissa * 10^exponent`. The byte `maker` is 1 if the buyer was there before.

mod survey;

use super::decode;
use crate::base::{
    Channel, DecimalError, Diff, Instrument, Level, Px, Qty, Side, Trade, UnixNanos,
};
use crate::exchange::kit::words::Strange;
use crate::exchange::kit::{Listed, Symbols};
use crate::exchange::{DecodeError, Decoder, DepthStream, Words};
use DecodeError::{Number, Shape};

pub(crate) use survey::{read, survey};

/// The depth stream of changed levels.
pub(crate) const DEPTH: &str = "sbe";
/// The depth stream of the best 20 levels per side, whole each time.
pub(crate) const TOP: &str = "sbe-20";

/// The schema that this build reads, and its version.
pub(crate) const SCHEMA: (u16, u16) = (1, 0);
pub(crate) const TRADES: u16 = 10_000;
pub(crate) const BEST: u16 = 10_001;
pub(crate) const WHOLE: u16 = 10_002;
pub(crate) const CHANGES: u16 = 10_003;

/// Whether this depth stream comes in SBE.
pub(crate) fn is_of(depth: &DepthStream) -> bool {
    matches!(depth.name, DEPTH | TOP)
}

/// Decodes the frames of a connection: events in SBE, and answers to requests as text.
pub(crate) fn decoder(instruments: &[Instrument]) -> Box<dyn Decoder> {
    Box::new(Sbe {
        answers: decode::answers(instruments),
        symbols: Symbols::new(instruments),
    })
}

struct Sbe {
    answers: Box<dyn Decoder>,
    symbols: Symbols,
}

impl Decoder for Sbe {
    #[inline]
    fn decode(&mut self, frame: &[u8], words: &mut Words) -> Result<(), DecodeError> {
        // As the length of a block these two are more than 8,000 bytes.
        if frame.starts_with(b"{\"") {
            return self.answers.decode(frame, words);
        }
        words.clear();
        message(frame, &self.symbols, words)?;
        words.set_scanned();
        words.end()
    }
}

#[inline]
fn message(frame: &[u8], symbols: &Symbols, words: &mut Words) -> Result<(), DecodeError> {
    let mut rest = Bytes(frame);
    let (block, template) = (rest.u16()?, rest.u16()?);
    let (schema, version) = (rest.u16()?, rest.u16()?);
    if schema != SCHEMA.0 {
        // A change of its number says that fields changed their meaning.
        return Err(DecodeError::Schema);
    }
    let block = rest.take(block.into())?;
    // A later version may have more behind what is known.
    let exact = version <= SCHEMA.1;
    if !exact {
        words.set_strange(Strange::Version(version));
    }
    match template {
        CHANGES => words.one(Channel::Depth, |words| {
            changes(block, rest, exact, symbols, words)
        }),
        BEST => words.one(Channel::Quotes, |words| {
            best(block, rest, exact, symbols, words)
        }),
        TRADES => trades(block, rest, exact, symbols, words),
        WHOLE => words.one(Channel::Depth, |words| {
            whole(block, rest, exact, symbols, words)
        }),
        _ => {
            words.set_strange(Strange::Template(template));
            Ok(())
        }
    }
}

#[inline]
fn changes(
    mut block: Bytes<'_>,
    mut rest: Bytes<'_>,
    exact: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (at, first, last) = (block.time()?, block.unsigned()?, block.unsigned()?);
    let exponents = block.exponents()?;
    let [bids, asks] = [rest.levels()?, rest.levels()?];
    let listed = symbols.listed(rest.symbol(exact)?)?;
    let diff = Diff {
        first_id: first,
        ..listed.head(last, at)
    };
    if diff.first_id > diff.last_id {
        return Err(Shape);
    }
    let scales = Scales::new(exponents, listed);
    scales.levels(bids, Side::Buy, words)?;
    scales.levels(asks, Side::Sell, words)?;
    words.diff(diff)
}

fn whole(
    mut block: Bytes<'_>,
    mut rest: Bytes<'_>,
    exact: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (at, id) = (block.time()?, block.unsigned()?);
    let exponents = block.exponents()?;
    let [bids, asks] = [rest.levels()?, rest.levels()?];
    let listed = symbols.listed(rest.symbol(exact)?)?;
    let scales = Scales::new(exponents, listed);
    scales.levels(bids, Side::Buy, words)?;
    scales.levels(asks, Side::Sell, words)?;
    words.book(listed.head(id, at))
}

fn best(
    mut block: Bytes<'_>,
    mut rest: Bytes<'_>,
    exact: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (_, id) = (block.time()?, block.unsigned()?);
    let exponents = block.exponents()?;
    let [bid, ask] = [[block.i64()?, block.i64()?], [block.i64()?, block.i64()?]];
    let listed = symbols.listed(rest.symbol(exact)?)?;
    let scales = Scales::new(exponents, listed);
    let (bid, ask) = (scales.level(bid)?, scales.level(ask)?);
    words.quote(listed.id, id, Some(bid), Some(ask))
}

/// Each trade stands for itself: one that does not fit takes no other along.
fn trades(
    mut block: Bytes<'_>,
    mut rest: Bytes<'_>,
    exact: bool,
    symbols: &Symbols,
    words: &mut Words,
) -> Result<(), DecodeError> {
    let (_, at) = (block.time()?, block.time()?);
    let exponents = block.exponents()?;
    let (entry, count) = (rest.u16()?, rest.u32()?);
    let entries = rest.entries(entry, count as usize, TRADE_BYTES)?;
    let listed = symbols.listed(rest.symbol(exact)?);
    for entry in entries.chunks_exact(entry.into()) {
        words.one(Channel::Trades, |words| {
            let listed = listed?;
            let scales = Scales::new(exponents, listed);
            let mut entry = Bytes(entry);
            let id = entry.unsigned()?;
            let Level { px, qty } = scales.level([entry.i64()?, entry.i64()?])?;
            let taker = match entry.u8()? {
                0 => Side::Buy,
                1 => Side::Sell, // The buyer was there before.
                _ => return Err(Shape),
            };
            if id == 0 {
                return Err(Shape);
            }
            words.trade(Trade {
                instrument: listed.id,
                id,
                px,
                qty,
                taker,
                exch_time: at,
            })
        })?;
    }
    Ok(())
}

/// Bytes of a price and a quantity.
const LEVEL_BYTES: usize = 16;
const TRADE_BYTES: usize = 25;

/// Levels as they stand in a frame: entries of this many bytes, which begin with a price and a
/// quantity.
#[derive(Clone, Copy)]
struct Levels<'f> {
    entries: &'f [u8],
    entry: usize,
}

/// What is left of a frame, or of a block of it.
#[derive(Clone, Copy)]
struct Bytes<'f>(&'f [u8]);

impl<'f> Bytes<'f> {
    #[inline]
    fn next<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (next, rest) = self.0.split_first_chunk().ok_or(Shape)?;
        self.0 = rest;
        Ok(*next)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.next().map(u8::from_le_bytes)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.next().map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.next().map(u32::from_le_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.next().map(i64::from_le_bytes)
    }

    /// A number that counts.
    #[inline]
    fn unsigned(&mut self) -> Result<u64, DecodeError> {
        u64::try_from(self.i64()?).map_err(|_| Shape)
    }

    #[inline]
    fn time(&mut self) -> Result<UnixNanos, DecodeError> {
        let micros = self.i64()?;
        let ns = micros.checked_mul(1_000).filter(|ns| *ns >= 0);
        ns.map(UnixNanos).ok_or(Shape)
    }

    /// Those of prices and of quantities.
    #[inline]
    fn exponents(&mut self) -> Result<[i8; 2], DecodeError> {
        Ok(self.next::<2>()?.map(|byte| byte as i8))
    }

    #[inline]
    fn take(&mut self, count: usize) -> Result<Self, DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Shape)?;
        self.0 = rest;
        Ok(Self(taken))
    }

    /// The entries of a group, `least` bytes each or more.
    #[inline]
    fn entries(&mut self, entry: u16, count: usize, least: usize) -> Result<&'f [u8], DecodeError> {
        let entry = usize::from(entry);
        if entry < least {
            return Err(Shape);
        }
        let bytes = entry.checked_mul(count).ok_or(Shape)?;
        Ok(self.take(bytes)?.0)
    }

    #[inline]
    fn levels(&mut self) -> Result<Levels<'f>, DecodeError> {
        let (entry, count) = (self.u16()?, self.u16()?);
        let entries = self.entries(entry, count.into(), LEVEL_BYTES)?;
        let entry = entry.into();
        Ok(Levels { entries, entry })
    }

    /// The symbol, which is the last part; `exact` if nothing may follow it.
    #[inline]
    fn symbol(&mut self, exact: bool) -> Result<&'f str, DecodeError> {
        let count = self.u8()?;
        let symbol = self.take(count.into())?.0;
        if exact && !self.0.is_empty() {
            return Err(Shape);
        }
        std::str::from_utf8(symbol).map_err(|_| Shape)
    }
}

/// How the mantissas of one message become units of its instrument.
struct Scales<'l> {
    listed: &'l Listed,
    px: Scale,
    qty: Scale,
}

impl<'l> Scales<'l> {
    #[inline]
    fn new([px, qty]: [i8; 2], listed: &'l Listed) -> Self {
        Self {
            listed,
            px: Scale::new(px, listed.px_scale),
            qty: Scale::new(qty, listed.qty_scale),
        }
    }

    /// A price below zero is one that nothing trades at, and a quantity below zero is none: as in
    /// texts.
    fn level(&self, [px, qty]: [i64; 2]) -> Result<Level, DecodeError> {
        let unfit = |why| Number(self.listed.id, why);
        let px = match px {
            ..0 => -1,
            0.. => self.px.units(px).map_err(unfit)?,
        };
        let qty = u64::try_from(qty).map_err(|_| unfit(DecimalError::Malformed))?;
        let qty = self.qty.units(qty as i64).map_err(unfit)?;
        Ok(Level {
            px: Px(px),
            qty: Qty(qty as u64),
        })
    }

    /// All levels of one side, without a branch per level: whether one of them does not fit shows
    /// at the end.
    #[inline]
    fn levels(&self, levels: Levels<'_>, side: Side, words: &mut Words) -> Result<(), DecodeError> {
        let (Scale::Times(px), Scale::Times(qty)) = (&self.px, &self.qty) else {
            return self.each(levels, side, words);
        };
        let (entries, []) = levels.entries.as_chunks::<LEVEL_BYTES>() else {
            return self.each(levels, side, words);
        };
        if levels.entry != LEVEL_BYTES {
            return self.each(levels, side, words);
        }
        let room = words.room(side, entries.len())?;
        let mut unfit = false;
        for (slot, entry) in room.iter_mut().zip(entries) {
            let [prices, quantities] = halves(entry);
            // Quantities below zero are above every limit.
            unfit |= prices > px.most || quantities as u64 > qty.most as u64;
            *slot = Level {
                px: Px(prices.max(-1).wrapping_mul(px.factor)),
                qty: Qty((quantities as u64).wrapping_mul(qty.factor as u64)),
            };
        }
        match unfit {
            false => Ok(()),
            true => self.find_unfit(levels),
        }
    }

    /// As [`Self::levels`], one by one.
    #[cold]
    fn each(&self, levels: Levels<'_>, side: Side, words: &mut Words) -> Result<(), DecodeError> {
        for entry in levels.entries.chunks_exact(levels.entry) {
            let mut entry = Bytes(entry);
            let level = self.level([entry.i64()?, entry.i64()?])?;
            words.push(side, level)?;
        }
        Ok(())
    }

    /// The first of these levels that does not fit.
    #[cold]
    fn find_unfit(&self, levels: Levels<'_>) -> Result<(), DecodeError> {
        for entry in levels.entries.chunks_exact(levels.entry) {
            let mut entry = Bytes(entry);
            self.level([entry.i64()?, entry.i64()?])?;
        }
        debug_assert!(false, "all levels fit");
        Err(Shape)
    }
}

#[inline]
fn halves(entry: &[u8; LEVEL_BYTES]) -> [i64; 2] {
    let both = u128::from_le_bytes(*entry);
    [both as i64, (both >> 64) as i64]
}

/// From a mantissa to units of 10^-scale.
enum Scale {
    Times(Times),
    /// Divided by this, without a rest.
    Over(i64),
    /// No mantissa but zero fits, for this reason.
    Nothing(DecimalError),
}

/// Multiplied.
///
/// Invariant: `most * factor <= i64::MAX`.
struct Times {
    factor: i64,
    most: i64,
}

impl Scale {
    #[inline]
    fn new(exponent: i8, scale: u8) -> Self {
        let shift = i32::from(exponent) + i32::from(scale);
        match TENS.get(shift.unsigned_abs() as usize) {
            Some(&factor) if shift >= 0 => Self::Times(Times {
                factor,
                most: i64::MAX / factor,
            }),
            Some(&divisor) => Self::Over(divisor),
            None if shift > 0 => Self::Nothing(DecimalError::TooLarge),
            None => Self::Nothing(DecimalError::TooFine),
        }
    }

    /// The units that this mantissa of zero or more is.
    fn units(&self, mantissa: i64) -> Result<i64, DecimalError> {
        debug_assert!(mantissa >= 0);
        match self {
            Self::Times(Times { factor, most }) => match mantissa <= *most {
                true => Ok(mantissa * factor),
                false => Err(DecimalError::TooLarge),
            },
            Self::Over(divisor) => match mantissa % divisor {
                0 => Ok(mantissa / divisor),
                _ => Err(DecimalError::TooFine),
            },
            Self::Nothing(why) => match mantissa {
                0 => Ok(0),
                _ => Err(*why),
            },
        }
    }
}

/// The powers of ten that fit.
const TENS: [i64; 19] = {
    let mut tens = [1; 19];
    let mut n = 1;
    while n < tens.len() {
        tens[n] = tens[n - 1] * 10;
        n += 1;
    }
    tens
};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
