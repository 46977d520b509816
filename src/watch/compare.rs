//! Two runs beside each other, stage by stage: what the one measured, what the other did, and how
//! many times as long it took. Judges neither.

use super::figures::{count, ratio, span};
use super::report::STAGES;
use super::summary::{StageLatency, Summary};
use super::table::columns;

/// The heads of the wide table: a stage, both counts, and value, value and ratio of four quantiles.
pub(crate) const HEADS: [&str; 15] = [
    "stage", "count", "against", "p50", "against", "ratio", "p99", "against", "ratio", "p99.9",
    "against", "ratio", "max", "against", "ratio",
];
/// The heads of the table for a terminal.
const NARROW: [&str; 7] = [
    "stage", "p50", "against", "ratio", "p99", "against", "ratio",
];

/// A row for each stage that either run has.
pub(crate) fn rows(one: &Summary, other: &Summary) -> Vec<[String; 15]> {
    let row = |(stage, a, b): (String, Option<&StageLatency>, Option<&StageLatency>)| {
        let [count_a, count_b] = [a, b].map(|of| shown(of.map(|of| of.count), count));
        let of = |value: fn(&StageLatency) -> u64| compared(a.map(value), b.map(value));
        let [p50, p50_b, p50_r] = of(|s| s.p50_ns);
        let [p99, p99_b, p99_r] = of(|s| s.p99_ns);
        let [p999, p999_b, p999_r] = of(|s| s.p999_ns);
        let [max, max_b, max_r] = of(|s| s.max_ns);
        [
            stage, count_a, count_b, p50, p50_b, p50_r, p99, p99_b, p99_r, p999, p999_b, p999_r,
            max, max_b, max_r,
        ]
    };
    stages(one, other).into_iter().map(row).collect()
}

/// The same for a terminal.
pub(crate) fn render(one: &Summary, other: &Summary) -> String {
    let narrow = |[stage, _, _, p50, p50_b, p50_r, p99, p99_b, p99_r, ..]: [String; 15]| {
        [stage, p50, p50_b, p50_r, p99, p99_b, p99_r]
    };
    let rows: Vec<_> = rows(one, other).into_iter().map(narrow).collect();
    columns(1, &NARROW, &rows)
}

/// The stages of the road that have no value, in a sentence; nothing if all have one.
pub(crate) fn silent(summary: &Summary) -> Option<String> {
    let measured = |stage: &&&str| summary.stages.iter().any(|s| s.stage == **stage);
    let silent: Vec<&str> = STAGES.iter().filter(|s| !measured(s)).copied().collect();
    (!silent.is_empty()).then(|| format!("stages without a value: {}", silent.join(", ")))
}

fn stages<'s>(
    one: &'s Summary,
    other: &'s Summary,
) -> Vec<(String, Option<&'s StageLatency>, Option<&'s StageLatency>)> {
    let find = |of: &'s Summary, stage: &str| of.stages.iter().find(|s| s.stage == stage);
    let only_other = other.stages.iter();
    let only_other = only_other.filter(|s| find(one, &s.stage).is_none());
    let names = one.stages.iter().chain(only_other);
    names
        .map(|s| (s.stage.clone(), find(one, &s.stage), find(other, &s.stage)))
        .collect()
}

fn compared(a: Option<u64>, b: Option<u64>) -> [String; 3] {
    let times = match (a, b) {
        (Some(a), Some(b)) if b > 0 => ratio(a as f64 / b as f64),
        _ => "-".to_owned(),
    };
    [shown(a, span), shown(b, span), times]
}

fn shown(value: Option<u64>, how: fn(u64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), how)
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;

    #[test]
    fn each_stage_of_either_run_has_both_values_and_their_ratio() {
        let (one, mut other) = (example(), example());
        other.stages.iter_mut().for_each(|stage| {
            (stage.p50_ns, stage.p99_ns) = (stage.p50_ns / 2, stage.p99_ns * 4);
        });
        let mut sent = other.stages[0].clone();
        sent.stage = "send".to_owned();
        other.stages.push(sent);
        assert_eq!(
            render(&one, &other),
            "\
stage             p50  against  ratio      p99  against  ratio
------------  -------  -------  -----  -------  -------  -----
decode        1.45 µs   725 ns      2  7.25 µs  29.0 µs   0.25
tick_to_wire  13.0 µs  6.50 µs      2  65.0 µs   260 µs   0.25
send                -   725 ns      -        -  29.0 µs      -
"
        );
    }

    #[test]
    fn a_stage_without_a_value_is_said() {
        let said = silent(&example()).expect("most of them");
        assert!(
            said.starts_with("stages without a value: tick_to_wire_safe, kernel, "),
            "{said}"
        );
        assert!(!said.contains("decode"), "{said}");
    }
}
