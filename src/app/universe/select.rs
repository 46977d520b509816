//! Which of an exchange's instruments a feed follows: by name, by pattern, and the most traded of
//! those. Asks nobody.

use crate::base::{Instrument, Symbol};
use crate::exchange::LeftOut;
use std::collections::{HashMap, HashSet};

/// The `instruments` of a feed, as they are written: the exchange's own symbols (`BTCUSDT`),
/// canonical names (`binance:BTC-USDT`), and patterns of either, in which `*` stands for any text
/// (`binance:*-USDT`).
pub(crate) struct Selection<'f> {
    entries: &'f [String],
}

impl<'f> Selection<'f> {
    pub(crate) fn new(entries: &'f [String]) -> Self {
        Self { entries }
    }

    /// The symbols, if all entries are the exchange's own symbols.
    pub(crate) fn symbols(&self) -> Option<Vec<&'f str>> {
        let own = |entry: &'f String| (!entry.contains([':', '*'])).then_some(entry.as_str());
        self.entries.iter().map(own).collect()
    }

    /// The listings that cannot be represented and that the entries mean, as far as their symbols
    /// show.
    pub(crate) fn left_out<'l>(&self, left_out: &'l [LeftOut]) -> Vec<&'l LeftOut> {
        let means = |one: &&LeftOut| self.entries.iter().any(|entry| names(entry, one));
        left_out.iter().filter(means).collect()
    }

    /// The instruments that the entries mean, in the order of the entries, none twice, and a
    /// sentence about what the patterns chose. With `top`, the patterns give this many of all that
    /// they match, the most traded first. An instrument that is named is there in any case, unless
    /// it is among those `left_out`.
    pub(crate) fn choose(
        &self,
        listed: &[Instrument],
        left_out: &[LeftOut],
        volumes: Option<&[(Symbol, f64)]>,
        top: Option<usize>,
    ) -> Result<(Vec<Instrument>, Option<String>), String> {
        let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
        let (mut matched, mut patterns) = (Vec::new(), Vec::new());
        for entry in self.entries {
            if entry.contains('*') {
                let fits = |i: &&Instrument| fits(entry, i) && i.trading;
                let found: Vec<Instrument> = listed.iter().filter(fits).copied().collect();
                if found.is_empty() {
                    return Err(format!(
                        "{entry} matches none of its {} instruments",
                        listed.len()
                    ));
                }
                patterns.push(format!("{entry} matches {}", found.len()));
                matched.extend(found);
            } else {
                let found = listed.iter().find(|instrument| fits(entry, instrument));
                if found.is_none() && left_out.iter().any(|one| names(entry, one)) {
                    continue;
                }
                let found = found.ok_or_else(|| self.unlisted(entry, listed))?;
                if seen.insert(found.symbol) {
                    chosen.push(*found);
                }
            }
        }
        matched.retain(|instrument| seen.insert(instrument.symbol));
        let all = matched.len();
        if let Some(top) = top {
            let volumes: HashMap<Symbol, f64> =
                volumes.unwrap_or_default().iter().copied().collect();
            let volume = |i: &Instrument| volumes.get(&i.symbol).copied().unwrap_or(0.0);
            // Names break ties, so that the same answers choose the same instruments.
            matched.sort_by(|a, b| {
                volume(b)
                    .total_cmp(&volume(a))
                    .then(a.symbol.cmp(&b.symbol))
            });
            matched.truncate(top);
        }
        let told = (!patterns.is_empty()).then(|| {
            let kept = match top {
                Some(_) if matched.len() < all => {
                    format!(", the {} most traded kept", matched.len())
                }
                _ => String::new(),
            };
            let names: Vec<&str> = matched.iter().map(|i| i.name.as_str()).collect();
            format!("{}{kept}: {}", patterns.join(", "), names.join(" "))
        });
        chosen.append(&mut matched);
        Ok((chosen, told))
    }

    fn unlisted(&self, entry: &str, listed: &[Instrument]) -> String {
        let wanted = bare(entry.rsplit(':').next().unwrap_or(entry));
        let near = listed.iter().find(|instrument| {
            let name = instrument.name.rsplit(':').next().unwrap_or_default();
            bare(&instrument.symbol) == wanted || bare(name) == wanted
        });
        match near {
            Some(near) => format!(
                "{entry}: the exchange does not list it; did you mean \"{}\" ({})?",
                near.symbol, near.name
            ),
            None => format!("{entry}: the exchange does not list it"),
        }
    }
}

/// Whether an entry means this instrument: a symbol, a canonical name, or a pattern of either.
pub(crate) fn fits(entry: &str, instrument: &Instrument) -> bool {
    let text = match entry.contains(':') {
        true => instrument.name.as_str(),
        false => instrument.symbol.as_str(),
    };
    matches(entry.as_bytes(), text.as_bytes())
}

/// Letters and digits of a name, in capitals: what symbols and canonical names have in common.
fn bare(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_uppercase).collect()
}

/// Whether an entry means this listing, whose symbol alone is known. A canonical pattern may mean
/// anything.
fn names(entry: &str, one: &LeftOut) -> bool {
    match entry.split_once(':') {
        Some((_, pattern)) if pattern.contains('*') => true,
        Some((_, name)) => bare(name) == bare(&one.symbol),
        None => matches(entry.as_bytes(), one.symbol.as_bytes()),
    }
}

/// Whether `text` has the form of `pattern`, in which `*` stands for any text, also none.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // The place of the last star, and the text that it stands for up to now.
    let mut star: Option<(usize, usize)> = None;
    while from < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, from));
            at += 1;
        } else if pattern.get(at) == Some(&text[from]) {
            (at, from) = (at + 1, from + 1);
        } else if let Some((place, taken)) = star {
            star = Some((place, taken + 1));
            (at, from) = (place + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::instrument::name;

    fn listed() -> Vec<Instrument> {
        let spot = |(base, quote): (&str, &str)| Instrument {
            name: name("x", &[base, quote]),
            ..Instrument::bare(
                "x",
                Symbol::from(&format!("{base}{quote}")).unwrap(),
                (2, 2),
            )
        };
        [
            ("BTC", "USDT"),
            ("ETH", "USDT"),
            ("ETH", "BTC"),
            ("SOL", "USDT"),
        ]
        .map(spot)
        .into()
    }

    fn choose(
        entries: &[&str],
        top: Option<usize>,
    ) -> Result<(Vec<String>, Option<String>), String> {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        let volumes = [("SOLUSDT", 5.0), ("BTCUSDT", 9.0), ("ETHUSDT", 7.0)];
        let volumes = volumes.map(|(symbol, volume)| (Symbol::from(symbol).unwrap(), volume));
        let chosen = Selection::new(&entries).choose(&listed(), &[odd()], Some(&volumes), top);
        let names = |chosen: Vec<Instrument>| chosen.iter().map(|i| i.symbol.to_string()).collect();
        chosen.map(|(chosen, told)| (names(chosen), told))
    }

    fn odd() -> LeftOut {
        LeftOut {
            symbol: "ODDUSDT".to_owned(),
            why: "it is odd".to_owned(),
        }
    }

    #[test]
    fn what_cannot_be_represented_is_named_where_it_is_meant_and_costs_no_other() {
        for entry in ["ODDUSDT", "x:ODD-USDT"] {
            assert_eq!(choose(&[entry, "ETHBTC"], None).unwrap().0, ["ETHBTC"]);
        }
        let left = [odd()];
        let named = |entry: &str| Selection::new(&[entry.to_owned()]).left_out(&left).len();
        let counts = [
            "ODDUSDT",
            "x:ODD-USDT",
            "*",
            "x:*-USDT",
            "BTCUSDT",
            "x:BTC-USDT",
        ]
        .map(named);
        assert_eq!(counts, [1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn instruments_are_chosen_by_symbol_by_name_and_by_pattern() {
        let names = |entries: &[&str]| choose(entries, None).unwrap().0;
        assert_eq!(names(&["ETHBTC", "x:BTC-USDT"]), ["ETHBTC", "BTCUSDT"]);
        assert_eq!(names(&["x:*-USDT"]), ["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
        assert_eq!(
            names(&["ETH*", "x:*-USDT"]),
            ["ETHUSDT", "ETHBTC", "BTCUSDT", "SOLUSDT"]
        );
        assert_eq!(
            names(&["SOLUSDT", "*"]),
            ["SOLUSDT", "BTCUSDT", "ETHUSDT", "ETHBTC"]
        );
    }

    #[test]
    fn the_most_traded_are_kept_and_what_was_chosen_is_told() {
        let (names, told) = choose(&["SOLUSDT", "x:*-USDT"], Some(1)).unwrap();
        assert_eq!(names, ["SOLUSDT", "BTCUSDT"]);
        let sentence = "x:*-USDT matches 3, the 1 most traded kept: x:BTC-USDT";
        assert_eq!(told.as_deref(), Some(sentence));
        assert_eq!(choose(&["SOLUSDT"], None).unwrap().1, None);
    }

    #[test]
    fn what_is_not_listed_is_named_with_what_may_be_meant() {
        let why = |entry: &str| choose(&[entry], None).unwrap_err();
        assert_eq!(why("NOPE"), "NOPE: the exchange does not list it");
        let meant =
            "btc-usdt: the exchange does not list it; did you mean \"BTCUSDT\" (x:BTC-USDT)?";
        assert_eq!(why("btc-usdt"), meant);
        assert_eq!(why("x:*-EUR"), "x:*-EUR matches none of its 4 instruments");
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*-USDT", "BTC-USDT", true),
            ("*-USDT", "BTC-USDT-PERP", false),
            ("**b*", "aab", true),
            ("", "a", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                fits,
                "{pattern} {text}"
            );
        }
    }
}
