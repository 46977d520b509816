//! What an exchange lists, each listing read by itself: one that this engine cannot represent costs
//! no other. Cold: allocates freely, and makes no request.

use crate::base::instrument::{ASSET_MAX, SYMBOL_MAX, name};
use crate::base::{Asset, DecimalError, Instrument, Symbol, decimal};
use serde::Deserialize;
use serde_json::Value;

/// What one answer about metadata says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listings {
    /// What this engine can trade or follow, in the exchange's order, ids zero.
    pub instruments: Vec<Instrument>,
    /// What it would follow if it could represent it.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A listing that cannot be represented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// As the exchange names it; empty if it names it in a way of its own.
    pub(crate) symbol: String,
    /// For a person to read: `its largest order of 9e40 does not fit at 8 decimals`.
    pub(crate) why: String,
}

impl Listings {
    /// Adds one listing: an instrument, nothing if it is of a sort that nobody follows, or why
    /// it is left out.
    pub(crate) fn add(&mut self, symbol: &str, read: Result<Option<Instrument>, String>) {
        let symbol = symbol.to_owned();
        match read {
            Ok(instrument) => self.instruments.extend(instrument),
            Err(why) => self.left_out.push(LeftOut { symbol, why }),
        }
    }

    /// Adds the next page.
    pub(crate) fn extend(&mut self, next: Self) {
        self.instruments.extend(next.instruments);
        self.left_out.extend(next.left_out);
    }
}

/// Reads each of `values`, which has its symbol at `key`, as `read` does.
pub(crate) fn each<'v, L: Deserialize<'v>>(
    values: impl IntoIterator<Item = &'v Value>,
    key: &str,
    read: impl Fn(&L) -> Result<Option<Instrument>, String>,
) -> Listings {
    let mut listings = Listings::default();
    for value in values {
        let listing = L::deserialize(value)
            .map_err(|error| format!("it is not of the documented shape: {error}"));
        let symbol = value[key].as_str().unwrap_or_default();
        listings.add(symbol, listing.and_then(|listing| read(&listing)));
    }
    listings
}

/// Those of `values` that have this shape: of what only ranks, one that is odd costs no other.
pub(crate) fn shaped<'v, T: Deserialize<'v>>(
    values: impl IntoIterator<Item = &'v Value>,
) -> impl Iterator<Item = T> {
    let values = values.into_iter();
    values.filter_map(|value| T::deserialize(value).ok())
}

/// Its name at the exchange.
pub(crate) fn symbol(text: &str) -> Result<Symbol, String> {
    Symbol::from(text).map_err(|_| format!("its name is longer than {SYMBOL_MAX} bytes"))
}

/// An asset's code.
pub(crate) fn asset(text: &str) -> Result<Asset, String> {
    Asset::from(text).map_err(|_| format!("asset {text:?} is longer than {ASSET_MAX} bytes"))
}

/// The two assets of a symbol that writes them without a mark between: the first of `quotes` that
/// it ends with, and what stands in front of it. All of it is the base if it ends with none.
pub(crate) fn split<'s>(symbol: &'s str, quotes: &[&'static str]) -> (&'s str, &'s str) {
    let ends = |quote: &&str| Some(symbol.split_at(symbol.strip_suffix(*quote)?.len()));
    let mut found = quotes.iter().filter_map(ends);
    let whole = found.find(|(base, _)| !base.is_empty());
    whole.unwrap_or((symbol, ""))
}

/// What a recording shows, as a market that trades `base` for `quote`. It keeps its own name if
/// nothing says for what it is traded.
pub(crate) fn traded(seen: &Instrument, base: &str, quote: &str) -> Instrument {
    let asset = |text: &str| Asset::from(text).unwrap_or_default();
    let quote = asset(quote);
    Instrument {
        name: match quote.is_empty() {
            true => seen.name,
            false => name(seen.exchange, &[base, &quote]),
        },
        base: asset(base),
        quote,
        settle: quote,
        ..*seen
    }
}

/// The year of the century, the month and the day that `5DEC26` means.
pub(crate) fn day(text: &str) -> Option<[u8; 3]> {
    const MONTHS: [&str; 12] = [
        "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ];
    let letters = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (day, rest) = text.split_at(letters);
    let (month, year) = (rest.get(..3)?, rest.get(3..)?);
    let month = 1 + MONTHS.iter().position(|name| *name == month)? as u8;
    let day = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let digits = year.len() == 2 && year.bytes().all(|byte| byte.is_ascii_digit());
    Some([year.parse().ok().filter(|_| digits)?, month, day])
}

/// A number at this scale. `what` it is is for a person to read.
pub(crate) fn units(what: &str, text: &str, scale: u8) -> Result<u64, String> {
    decimal::parse(text.as_bytes(), scale).map_err(|error| match error {
        DecimalError::Malformed | DecimalError::Negative => {
            format!("its {what} {text:?} is no number")
        }
        DecimalError::TooFine | DecimalError::TooLarge => {
            format!("its {what} of {text} does not fit at {scale} decimals")
        }
    })
}

/// The fewest decimals that hold a step, and the step at them; above zero.
pub(crate) fn step(what: &str, text: &str) -> Result<(u8, u64), String> {
    let at = |scale| Some((scale, decimal::parse(text.as_bytes(), scale).ok()?));
    let found = (0..=decimal::SCALE_MAX).find_map(at);
    match found {
        Some((scale, units)) if units > 0 => Ok((scale, units)),
        _ => Err(format!("its {what} {text:?} is no step")),
    }
}

/// This many decimals, if they are not too many.
pub(crate) fn scale(decimals: impl Into<u32>) -> Result<u8, String> {
    let decimals = u8::try_from(decimals.into()).ok();
    decimals
        .filter(|decimals| *decimals <= decimal::SCALE_MAX)
        .ok_or_else(|| format!("its numbers have more than {} decimals", decimal::SCALE_MAX))
}

/// How much finer than their lot quantities are kept, if the exchange itself is finer: orders
/// from before the lot was made coarser may still rest.
const FINER: u8 = 2;

/// Decimals of the quantities of an instrument whose lot has `lot` of them, at an exchange that
/// keeps `precision`. Not simply the precision: a level must have room for more lots than are ever
/// traded, here for some 10^16.
pub(crate) fn qty_scale(lot: u8, precision: u8) -> u8 {
    precision.min(lot.saturating_add(FINER)).max(lot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_is_odd_costs_no_other() {
        let values: Vec<Value> =
            serde_json::from_str(r#"[{"s":"A"},{"s":"B","x":1},{"x":2},{"s":"C"},7]"#).unwrap();
        #[derive(Deserialize)]
        struct One {
            s: String,
            #[serde(default)]
            x: u8,
        }
        let found = each(&values, "s", |one: &One| match (one.s.as_str(), one.x) {
            ("C", _) => Ok(None),
            (_, 0) => Ok(Some(Instrument::bare("x", symbol(&one.s)?, (0, 0)))),
            _ => Err("odd".to_owned()),
        });
        let names: Vec<&str> = found
            .instruments
            .iter()
            .map(|i| i.symbol.as_str())
            .collect();
        assert_eq!(names, ["A"]);
        let left: Vec<(&str, &str)> = found
            .left_out
            .iter()
            .map(|one| (one.symbol.as_str(), &one.why[..3]))
            .collect();
        assert_eq!(left, [("B", "odd"), ("", "it "), ("", "it ")]);
        assert_eq!(shaped::<One>(&values).count(), 3);
    }

    #[test]
    fn a_symbol_is_split_before_the_first_quote_asset_that_it_ends_with() {
        let quotes = ["USDT", "USDC", "USD", "BTC"];
        for (symbol, base, quote) in [
            ("BTCUSDT", "BTC", "USDT"),
            ("USDTUSD", "USDT", "USD"),
            ("RENBTCUSD", "RENBTC", "USD"),
            ("BTC", "BTC", ""),
            ("", "", ""),
        ] {
            assert_eq!(split(symbol, &quotes), (base, quote), "{symbol}");
        }
        let seen = Instrument::bare("x", symbol("ethbtc").unwrap(), (5, 3));
        let made = traded(&seen, "ETH", "BTC");
        assert_eq!(
            (made.name.as_str(), made.settle.as_str()),
            ("x:ETH-BTC", "BTC")
        );
        assert_eq!(
            (made.symbol, made.px_scale, made.qty_scale),
            (seen.symbol, 5, 3)
        );
    }

    #[test]
    fn names_are_as_long_as_exchanges_write_them() {
        assert!(asset("狗狗币的小弟").is_ok());
        assert!(symbol("狗狗币的小弟狗狗币的小弟USDT").is_ok());
        assert!(asset(&"a".repeat(ASSET_MAX + 1)).is_err());
        let why = symbol(&"a".repeat(SYMBOL_MAX + 1)).unwrap_err();
        assert_eq!(why, "its name is longer than 48 bytes");
    }

    #[test]
    fn quantities_are_kept_finer_than_their_lot_and_leave_room_for_many_of_it() {
        for (lot, precision, scale) in [(5, 8, 7), (8, 8, 8), (0, 8, 2), (1, 8, 3), (3, 0, 3)] {
            assert_eq!(qty_scale(lot, precision), scale, "{lot} {precision}");
        }
        assert!(units("", "100000000000000", qty_scale(0, 8)).is_ok());
        assert!(units("", "93000000000", qty_scale(5, 8)).is_ok());
        let why = units("largest order", "9e40", 2).unwrap_err();
        assert_eq!(why, "its largest order of 9e40 does not fit at 2 decimals");
        assert_eq!(step("tick", "0.050"), Ok((2, 5)));
        assert!(step("tick", "0.0").is_err() && step("tick", "").is_err());
    }
}
