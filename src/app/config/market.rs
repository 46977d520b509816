//! The file that names what the simulated exchanges list: assets, where their prices start, and
//! what a usual order of each is. Refuses what no exchange could list.

use super::read::{Reader, Section, Text};
use super::{ConfigErrors, errors_of};
use crate::base::decimal;
use crate::venue::market::{Coin, INSTRUMENTS_MAX};
use std::collections::HashSet;
use std::ops::RangeInclusive;

/// Letters and digits of an asset, at most: its symbol has the quote asset, too.
const BASE_MAX: usize = 8;
const SECTION: &str = "[[instrument]]";

/// Checks `text` and gives its assets in their order.
pub(super) fn coins(mut reader: Reader) -> Result<Vec<Coin>, ConfigErrors> {
    let coins = reader.toml().map(|root| {
        let mut top = Section::new("this file", 0..0, Some(root.get_ref()));
        let coins = instruments(&mut reader, &mut top);
        top.finish(&mut reader);
        coins
    });
    coins
        .filter(|_| reader.errors.is_empty())
        .ok_or_else(|| errors_of(reader))
}

fn instruments(reader: &mut Reader, top: &mut Section) -> Vec<Coin> {
    let example = "write [[instrument]], base = \"BTC\", price = \"64250.00\" and \
                   quantity = \"0.40000\"";
    let items = top
        .get("instrument")
        .map(|value| (value.span(), value.get_ref().as_array()));
    let Some((span, Some(items))) = items else {
        let (span, _) = items.unwrap_or((0..0, None));
        reader.refuse(span, format!("there is no instrument: {example}"));
        return Vec::new();
    };
    if items.len() > INSTRUMENTS_MAX {
        let what = format!("{} instruments: at most {INSTRUMENTS_MAX} fit", items.len());
        reader.refuse(span, what);
    }
    let mut seen = HashSet::new();
    let mut coins = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let entries = item.get_ref().as_table();
        if entries.is_none() {
            reader.refuse(item.span(), format!("instrument: {example}"));
        }
        let section = Section::new(SECTION, item.span(), entries);
        coins.extend(instrument(reader, section, n, &mut seen));
    }
    coins
}

fn instrument<'a>(
    reader: &mut Reader,
    mut section: Section<'a>,
    n: usize,
    seen: &mut HashSet<&'a str>,
) -> Option<Coin> {
    let base = base(reader, &mut section, seen);
    let price = units(reader, &mut section, "price", "\"64250.00\"", Coin::PRICES);
    let usual = units(
        reader,
        &mut section,
        "quantity",
        "\"0.40000\"",
        Coin::USUALS,
    );
    section.finish(reader);
    Some(Coin::new(n, base?, price?, usual?))
}

fn base<'a>(
    reader: &mut Reader,
    section: &mut Section<'a>,
    seen: &mut HashSet<&'a str>,
) -> Option<&'a str> {
    let Text { value, span } = section.required(reader, "base", "\"BTC\"")?;
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    if value.len() > BASE_MAX || !value.chars().all(plain) {
        let instead = format!("write an asset's code, 1 to {BASE_MAX} capital letters and digits");
        section.wrong_at(reader, "base", span, &instead);
        return None;
    }
    if !seen.insert(value) {
        section.wrong_at(
            reader,
            "base",
            span,
            "listed above already: leave one of the two out",
        );
        return None;
    }
    Some(value)
}

/// A decimal in quotes, as units of its last decimal, with its decimals: these say how finely the
/// exchanges divide it.
fn units(
    reader: &mut Reader,
    section: &mut Section,
    key: &'static str,
    example: &str,
    range: RangeInclusive<u64>,
) -> Option<(u64, u8)> {
    let Text { value, span } = section.required(reader, key, example)?;
    let decimals = value.split_once('.').map_or(0, |(_, part)| part.len());
    let scale = u8::try_from(decimals)
        .ok()
        .filter(|&scale| scale <= Coin::DECIMALS_MAX);
    let found =
        scale.and_then(|scale| Some((decimal::parse(value.as_bytes(), scale).ok()?, scale)));
    let Some((units, scale)) = found else {
        let instead = format!(
            "write a plain decimal above zero with at most {} decimals, like {key} = {example}",
            Coin::DECIMALS_MAX
        );
        section.wrong_at(reader, key, span, &instead);
        return None;
    };
    if range.contains(&units) {
        return Some((units, scale));
    }
    let (low, high) = (range.start(), range.end());
    let instead = match units < *low {
        true => format!("fewer than {low} steps of its last decimal: write more decimals"),
        false => format!("more than {high} steps of its last decimal: write fewer decimals"),
    };
    section.wrong_at(reader, key, span, &instead);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ALL;
    use crate::venue::market::listed;
    use std::path::Path;

    fn parse(text: &str) -> Result<Vec<Coin>, ConfigErrors> {
        coins(Reader::new(Path::new("my.toml"), text))
    }

    const TWO: &str = "[[instrument]]\nbase = \"BTC\"\nprice = \"70000.0\"\nquantity = \"0.100\"\n\
                       [[instrument]]\nbase = \"PEPE\"\nprice = \"0.01234\"\n\
                       quantity = \"500000\"\n";

    #[test]
    fn every_exchange_lists_what_the_file_names_at_its_prices() {
        let coins = parse(TWO).unwrap();
        for exchange in ALL {
            let market = listed(exchange.mirror(), &coins, None);
            let near = |n: usize, wanted: f64| {
                let (listing, profile): &(_, _) = &market[n];
                let scale = 10f64.powi(listing.instrument.px_scale.into());
                let start = profile.fair.0 as f64 / scale;
                (start / wanted - 1.0).abs() < 1e-6
            };
            assert!(near(0, 70_000.0), "{}", exchange.name());
            assert!(near(1, 0.012_34), "{}: {:?}", exchange.name(), market[1]);
        }
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_what_to_write() {
        let one = |base: &str, price: &str, quantity: &str| {
            format!("[[instrument]]\nbase = {base}\nprice = {price}\nquantity = {quantity}\n")
        };
        let cases = [
            (
                "".to_owned(),
                "my.toml:1:1: there is no instrument: write [[instrument]]",
            ),
            (
                one("\"btc\"", "\"1.0000\"", "\"1.0\""),
                "my.toml:2:8: base = \"btc\": write an asset",
            ),
            (
                one("\"BTC\"", "64250.0", "\"1.0\""),
                "my.toml:3:9: price = 64250.0: write a text",
            ),
            (
                one("\"BTC\"", "\"-1\"", "\"1.0\""),
                "my.toml:3:9: price = \"-1\": write a plain",
            ),
            (
                one("\"BTC\"", "\"0.01\"", "\"1.0\""),
                "my.toml:3:9: price = \"0.01\": fewer than 1000",
            ),
            (
                one("\"BTC\"", "\"9999999999\"", "\"1.0\""),
                "write fewer decimals",
            ),
            (
                one("\"BTC\"", "\"64250.00\"", "\"1\""),
                "my.toml:4:12: quantity = \"1\": fewer than 10",
            ),
            (
                format!("{TWO}tick = 1\n"),
                "my.toml:9:1: unknown key \"tick\" in [[instrument]]",
            ),
            (
                format!("{TWO}{}", one("\"BTC\"", "\"1.000\"", "\"1.0\"")),
                "my.toml:10:8: base = \"BTC\": listed",
            ),
            (
                "[[instrument]]\nbase = \"A\"\n".to_owned(),
                "my.toml:1:1: [[instrument]] needs price",
            ),
            (
                "instrument = 3".to_owned(),
                "my.toml:1:14: there is no instrument",
            ),
            ("[[instrument]".to_owned(), "not TOML"),
        ];
        for (text, wanted) in cases {
            let said = parse(&text).expect_err(wanted).to_string();
            assert!(said.contains(wanted), "wanted {wanted}\ngot {said}");
        }
    }
}
