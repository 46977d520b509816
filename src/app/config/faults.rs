//! The file that says what goes wrong with market data of the simulated exchanges, and when.
//! Refuses what no exchange of this build could do wrong.

use super::read::{Reader, Section, Text, nearest};
use super::{ConfigErrors, errors_of};
use crate::base::Span;
use crate::exchange;
use crate::venue::faults::{MarketFault, Step};

const SECTION: &str = "[[fault]]";
/// Faults of a file, at most.
const STEPS_MAX: usize = 10_000;
/// The longest time of a file: a week.
const MS_MAX: u64 = 7 * 86_400_000;

/// Checks the file and gives its steps in their order.
pub(super) fn steps(mut reader: Reader) -> Result<Vec<Step>, ConfigErrors> {
    let steps = reader.toml().map(|root| {
        let mut top = Section::new("this file", 0..0, Some(root.get_ref()));
        let steps = faults(&mut reader, &mut top);
        top.finish(&mut reader);
        steps
    });
    steps
        .filter(|_| reader.errors.is_empty())
        .ok_or_else(|| errors_of(reader))
}

fn faults(reader: &mut Reader, top: &mut Section) -> Vec<Step> {
    let example = "write [[fault]], kind = \"gap\" and at_ms = 10_000";
    let items = top
        .get("fault")
        .map(|value| (value.span(), value.get_ref().as_array()));
    let Some((span, Some(items))) = items else {
        let (span, _) = items.unwrap_or((0..0, None));
        reader.refuse(span, format!("there is no fault: {example}"));
        return Vec::new();
    };
    if items.len() > STEPS_MAX {
        let what = format!("{} faults: at most {STEPS_MAX} fit", items.len());
        reader.refuse(span, what);
    }
    let mut steps = Vec::new();
    for item in items {
        let entries = item.get_ref().as_table();
        if entries.is_none() {
            reader.refuse(item.span(), format!("fault: {example}"));
        }
        let section = Section::new(SECTION, item.span(), entries);
        steps.extend(step(reader, section));
    }
    steps
}

fn step(reader: &mut Reader, mut section: Section) -> Option<Step> {
    let fault = kind(reader, &mut section);
    let at = section.int(reader, "at_ms", 0..=MS_MAX);
    let lasts = section.int(reader, "for_ms", 0..=MS_MAX);
    let exchange = section.text(reader, "exchange", "\"binance\"");
    if let Some(Text { value, span }) = &exchange
        && exchange::by_name(value).is_none()
    {
        let known: Vec<&str> = exchange::ALL.iter().map(|one| one.name()).collect();
        let instead = format!("write {}", meant(value, &known));
        section.wrong_at(reader, "exchange", span.clone(), &instead);
    }
    let instrument = section.text(reader, "instrument", "\"BTCUSDT\"");
    if let (Some(fault), Some(Text { span, .. })) = (fault, &instrument)
        && !fault.is_of_one()
    {
        let instead = format!("a fault \"{fault}\" is of a whole exchange: leave the key out");
        section.wrong_at(reader, "instrument", span.clone(), &instead);
    }
    let taken = fault.and_then(MarketFault::amount);
    let amount = taken.map(|taken| {
        let (least, most) = taken.range;
        let amount = section.int(reader, taken.key, least..=most);
        amount.unwrap_or(taken.default)
    });
    section.finish(reader);
    let fault = fault?;
    Some(Step {
        fault,
        at: Span::from_millis(at.unwrap_or(0)),
        lasts: Span::from_millis(lasts.unwrap_or(0)),
        exchange: exchange.map(|text| text.value.to_owned()),
        instrument: instrument.map(|text| text.value.to_owned()),
        amount: amount.unwrap_or(0),
    })
}

fn kind(reader: &mut Reader, section: &mut Section) -> Option<MarketFault> {
    let Text { value, span } = section.required(reader, "kind", "\"gap\"")?;
    let found = MarketFault::named(value);
    if found.is_none() {
        let known = MarketFault::ALL.iter().map(|kind| kind.name());
        let known: Vec<&str> = known.collect();
        let instead = format!("write {}", meant(value, &known));
        section.wrong_at(reader, "kind", span, &instead);
    }
    found
}

/// The known word that somebody may have meant, or all of them.
fn meant(word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("\"{near}\""),
        None => format!("one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parse(text: &str) -> Result<Vec<Step>, ConfigErrors> {
        steps(Reader::new(Path::new("f.toml"), text))
    }

    #[test]
    fn the_example_file_is_read_as_it_says_and_has_every_kind() {
        let text = include_str!("../../../configs/faults.toml");
        let steps = parse(text).unwrap();
        for kind in MarketFault::ALL.iter().copied() {
            assert!(steps.iter().any(|step| step.fault == kind), "{kind}");
        }
        let first = Step::now(MarketFault::Gap).after(Span::from_secs(10));
        assert_eq!(steps[0], first.of("binance").on("BTCUSDT"));
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_what_to_write() {
        let cases = [
            ("", "f.toml:1:1: there is no fault: write [[fault]]"),
            ("[[fault]]\n", "f.toml:1:1: [[fault]] needs kind"),
            (
                "[[fault]]\nkind = \"gup\"\n",
                "f.toml:2:8: kind = \"gup\": write \"gap\"",
            ),
            (
                "[[fault]]\nkind = \"nothing-like-it\"\n",
                "write one of gap, duplicate",
            ),
            (
                "[[fault]]\nkind = \"gap\"\nat_ms = -1\n",
                "f.toml:3:9: at_ms = -1: write a whole number from 0",
            ),
            (
                "[[fault]]\nkind = \"gap\"\nby_ms = 3\n",
                "f.toml:3:1: unknown key \"by_ms\" in [[fault]]",
            ),
            (
                "[[fault]]\nkind = \"late\"\nby_ms = 0\n",
                "f.toml:3:9: by_ms = 0: write a whole number from 1",
            ),
            (
                "[[fault]]\nkind = \"cut\"\ninstrument = \"BTCUSDT\"\n",
                "f.toml:3:14: instrument = \"BTCUSDT\": a fault \"cut\" is of a whole exchange",
            ),
            (
                "[[fault]]\nkind = \"cut\"\nexchange = \"binanse\"\n",
                "f.toml:3:12: exchange = \"binanse\": write \"binance\"",
            ),
        ];
        for (text, wanted) in cases {
            let said = parse(text).expect_err(wanted).to_string();
            assert!(said.contains(wanted), "wanted {wanted}\ngot {said}");
        }
    }
}
