//! What recorded frames tell of their instruments, and by which stream they came. Cold: a recording
//! has a frame in Base64.

use super::{BEST, Bytes, CHANGES, DEPTH, LEVEL_BYTES, SCHEMA, TOP, TRADE_BYTES, TRADES, WHOLE};
use crate::exchange::{DecodeError, Survey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A frame, as far as it does not depend on its instrument.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) symbol: String,
    /// What follows the `@` in the name of its stream.
    pub(crate) stream: &'static str,
    exponents: [i8; 2],
    /// Prices and quantities.
    pairs: Vec<[i64; 2]>,
}

/// Reads a recorded frame; `None` if it is none of SBE, or of another template.
pub(crate) fn read(recorded: &str) -> Option<Read> {
    parse(&STANDARD.decode(recorded).ok()?).ok()?
}

/// Every number of a recorded frame.
pub(crate) fn survey(recorded: &str, survey: &mut Survey) {
    let Some(read) = read(recorded) else { return };
    for pair in &read.pairs {
        let [px, qty] = [0, 1].map(|n| format!("{}e{}", pair[n].unsigned_abs(), read.exponents[n]));
        survey.level(&read.symbol, &px, &qty);
    }
    match read.stream {
        "depth" => survey.book(&read.symbol, Some(DEPTH)),
        "depth20" => survey.book(&read.symbol, Some(TOP)),
        _ => survey.symbol(&read.symbol),
    }
}

fn parse(frame: &[u8]) -> Result<Option<Read>, DecodeError> {
    let mut rest = Bytes(frame);
    let (block, template) = (rest.u16()?, rest.u16()?);
    let (schema, _) = (rest.u16()?, rest.u16()?);
    let mut block = rest.take(block.into())?;
    let stream = match template {
        CHANGES => "depth",
        WHOLE => "depth20",
        TRADES => "trade",
        BEST => "bestBidAsk",
        _ => return Ok(None),
    };
    if schema != SCHEMA.0 {
        return Ok(None);
    }
    // Times and ids.
    block.take(if template == CHANGES { 24 } else { 16 })?;
    let exponents = block.exponents()?;
    let mut pairs = Vec::new();
    let mut pair = |mut at: Bytes<'_>| -> Result<(), DecodeError> {
        pairs.push([at.i64()?, at.i64()?]);
        Ok(())
    };
    match template {
        BEST => {
            pair(block.take(LEVEL_BYTES)?)?;
            pair(block)?;
        }
        TRADES => {
            let (entry, count) = (rest.u16()?, rest.u32()?);
            let entries = rest.entries(entry, count as usize, TRADE_BYTES)?;
            for entry in entries.chunks_exact(entry.into()) {
                pair(Bytes(&entry[8..]))?; // Behind its id.
            }
        }
        _ => {
            for _ in 0..2 {
                let levels = rest.levels()?;
                for entry in levels.entries.chunks_exact(levels.entry) {
                    pair(Bytes(entry))?;
                }
            }
        }
    }
    Ok(Some(Read {
        symbol: rest.symbol(false)?.to_owned(),
        stream,
        exponents,
        pairs,
    }))
}
