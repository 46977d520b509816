//! The decoder's naive twin: it reads a frame field by field, by a schema that is written out here,
//! into numbers of any size, and makes words of their digits. Shares nothing with the decoder.

use crate::base::{
    Channel, DecimalError, Diff, Instrument, Level, Px, Qty, Quote, Side, Trade, UnixNanos,
};
use std::collections::HashMap;

/// A field: its name, its bytes, and whether it may be below zero.
type Field = (&'static str, usize, bool);

const BLOCKS: [(u64, &[Field]); 4] = [
    (
        10_000,
        &[
            ("eventTime", 8, true),
            ("transactTime", 8, true),
            ("priceExponent", 1, true),
            ("qtyExponent", 1, true),
        ],
    ),
    (
        10_001,
        &[
            ("eventTime", 8, true),
            ("bookUpdateId", 8, true),
            ("priceExponent", 1, true),
            ("qtyExponent", 1, true),
            ("bidPrice", 8, true),
            ("bidQty", 8, true),
            ("askPrice", 8, true),
            ("askQty", 8, true),
        ],
    ),
    (
        10_002,
        &[
            ("eventTime", 8, true),
            ("bookUpdateId", 8, true),
            ("priceExponent", 1, true),
            ("qtyExponent", 1, true),
        ],
    ),
    (
        10_003,
        &[
            ("eventTime", 8, true),
            ("firstBookUpdateId", 8, true),
            ("lastBookUpdateId", 8, true),
            ("priceExponent", 1, true),
            ("qtyExponent", 1, true),
        ],
    ),
];
const LEVEL: &[Field] = &[("price", 8, true), ("qty", 8, true)];
const TRADE: &[Field] = &[
    ("id", 8, true),
    ("price", 8, true),
    ("qty", 8, true),
    ("isBuyerMaker", 1, false),
];

/// What a frame says: words as they would be counted, with their levels.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Diff(Diff, Vec<Level>, Vec<Level>),
    Book(Diff, Vec<Level>, Vec<Level>),
    Trade(Trade),
    Quote(Quote),
    Unfit(u16, Channel, DecimalError),
}

type Fields = HashMap<&'static str, i128>;

/// The words of a frame, and how many parts of it were left out; an error if it is refused.
pub(super) fn read(frame: &[u8], instruments: &[Instrument]) -> Result<(Vec<Said>, u32), ()> {
    let mut at = 0;
    let mut number = |bytes: usize, signed: bool| -> Result<i128, ()> {
        let part = frame.get(at..at + bytes).ok_or(())?;
        at += bytes;
        let mut value = 0_i128;
        for (n, byte) in part.iter().enumerate() {
            value += i128::from(*byte) << (8 * n);
        }
        let half = 1_i128 << (8 * bytes - 1);
        Ok(if signed && value >= half {
            value - 2 * half
        } else {
            value
        })
    };
    let (block, template) = (number(2, false)?, number(2, false)?);
    let (schema, version) = (number(2, false)?, number(2, false)?);
    if schema != 1 {
        return Err(());
    }
    let mut fields_of = |fields: &[Field], whole: i128| -> Result<Fields, ()> {
        let mut found = Fields::new();
        let mut left = whole;
        for (name, bytes, signed) in fields {
            left -= *bytes as i128;
            if left < 0 {
                return Err(());
            }
            found.insert(name, number(*bytes, *signed)?);
        }
        for _ in 0..left {
            number(1, false)?;
        }
        Ok(found)
    };
    let known = BLOCKS.iter().find(|(id, _)| *id as i128 == template);
    let Some((_, known)) = known else {
        // Its block must be there all the same.
        fields_of(&[], block)?;
        return Ok((Vec::new(), 0));
    };
    let root = fields_of(known, block)?;
    let groups: &[(&[Field], usize)] = match template {
        10_000 => &[(TRADE, 4)],
        10_001 => &[],
        _ => &[(LEVEL, 2), (LEVEL, 2)],
    };
    let mut entries = Vec::new();
    for (fields, counter) in groups {
        let dims = fields_of(&[("size", 2, false)], 2)?;
        let count = match counter {
            2 => fields_of(&[("count", 2, false)], 2)?,
            _ => fields_of(&[("count", 4, false)], 4)?,
        };
        let least: usize = fields.iter().map(|field| field.1).sum();
        if dims["size"] < least as i128 {
            return Err(());
        }
        let mut all = Vec::new();
        for _ in 0..count["count"] {
            all.push(fields_of(fields, dims["size"])?);
        }
        entries.push(all);
    }
    let length = fields_of(&[("length", 1, false)], 1)?["length"];
    let mut symbol = Vec::new();
    for _ in 0..length {
        symbol.push(fields_of(&[("byte", 1, false)], 1)?["byte"] as u8);
    }
    if version <= 0 && fields_of(&[("byte", 1, false)], 1).is_ok() {
        return Err(());
    }
    let symbol = String::from_utf8(symbol).map_err(|_| ())?;
    let instrument = instruments.iter().find(|i| i.symbol.as_str() == symbol);
    words(template, &root, &entries, instrument)
}

fn words(
    template: i128,
    root: &Fields,
    entries: &[Vec<Fields>],
    instrument: Option<&Instrument>,
) -> Result<(Vec<Said>, u32), ()> {
    let time = |name: &str| {
        let ns = root[name] * 1_000;
        let fits = ns >= 0 && ns <= i128::from(i64::MAX);
        fits.then_some(UnixNanos(ns as i64)).ok_or(())
    };
    let counts = |value: i128| u64::try_from(value).map_err(|_| ());
    let (px_exp, qty_exp) = (root["priceExponent"], root["qtyExponent"]);
    let event_time = time("eventTime")?;
    let mut dropped = 0;
    let level = |of: &Fields, px: &str, qty: &str, i: &Instrument| {
        let price = match of[px] < 0 {
            true => -1,
            false => units(of[px], px_exp + i128::from(i.px_scale))?,
        };
        if of[qty] < 0 {
            return Err(DecimalError::Malformed);
        }
        let quantity = units(of[qty], qty_exp + i128::from(i.qty_scale))?;
        Ok(Level {
            px: Px(price),
            qty: Qty(quantity as u64),
        })
    };
    match template {
        10_002 | 10_003 => {
            let whole = template == 10_002;
            let names = match whole {
                true => ["bookUpdateId", "bookUpdateId"],
                false => ["firstBookUpdateId", "lastBookUpdateId"],
            };
            let (first, last) = (counts(root[names[0]])?, counts(root[names[1]])?);
            let i = instrument.ok_or(())?;
            if first > last {
                return Err(());
            }
            let diff = Diff {
                instrument: i.id,
                first_id: first,
                last_id: last,
                prev_id: None,
                checksum: None,
                exch_time: event_time,
            };
            let mut sides = [Vec::new(), Vec::new()];
            for (side, all) in sides.iter_mut().zip(entries) {
                for one in all {
                    match level(one, "price", "qty", i) {
                        Ok(level) if level.px <= Px(0) => dropped += 1,
                        Ok(level) if whole && level.qty == Qty(0) => dropped += 1,
                        Ok(level) => side.push(level),
                        Err(why) => {
                            return Ok((vec![Said::Unfit(i.id.0, Channel::Depth, why)], 0));
                        }
                    }
                }
            }
            let [bids, asks] = sides;
            let said = if whole { Said::Book } else { Said::Diff };
            Ok((vec![said(diff, bids, asks)], dropped))
        }
        10_001 => {
            let update_id = counts(root["bookUpdateId"])?;
            let i = instrument.ok_or(())?;
            let both = level(root, "bidPrice", "bidQty", i)
                .and_then(|bid| Ok((bid, level(root, "askPrice", "askQty", i)?)));
            Ok(match both {
                Err(why) => (vec![Said::Unfit(i.id.0, Channel::Quotes, why)], 0),
                Ok((bid, ask))
                    if [bid, ask]
                        .iter()
                        .any(|at| at.px <= Px(0) || at.qty == Qty(0)) =>
                {
                    (Vec::new(), 1)
                }
                Ok((bid, ask)) => {
                    let quote = Quote {
                        instrument: i.id,
                        update_id,
                        bid,
                        ask,
                    };
                    (vec![Said::Quote(quote)], 0)
                }
            })
        }
        _ => {
            let exch_time = time("transactTime")?;
            let mut said = Vec::new();
            for one in &entries[0] {
                let Some(i) = instrument else { return Err(()) };
                let id = counts(one["id"])?;
                match level(one, "price", "qty", i) {
                    Err(why) => said.push(Said::Unfit(i.id.0, Channel::Trades, why)),
                    Ok(level) => {
                        let taker = match one["isBuyerMaker"] {
                            0 => Side::Buy,
                            1 => Side::Sell,
                            _ => return Err(()),
                        };
                        if id == 0 {
                            return Err(());
                        }
                        if level.px <= Px(0) || level.qty == Qty(0) {
                            dropped += 1;
                            continue;
                        }
                        said.push(Said::Trade(Trade {
                            instrument: i.id,
                            id,
                            px: level.px,
                            qty: level.qty,
                            taker,
                            exch_time,
                        }));
                    }
                }
            }
            Ok((said, dropped))
        }
    }
}

/// A mantissa with the point moved to the right by `shift`, digit by digit.
fn units(mantissa: i128, shift: i128) -> Result<i64, DecimalError> {
    let mut digits = mantissa.to_string();
    if mantissa == 0 {
        return Ok(0);
    }
    for _ in 0..shift.max(0) {
        digits.push('0');
    }
    for _ in 0..(-shift).max(0) {
        match digits.pop() {
            Some('0') => {}
            _ => return Err(DecimalError::TooFine),
        }
    }
    digits.parse().map_err(|_| DecimalError::TooLarge)
}
