//! The figures of a bench: medians with their ranges, ratios within each repetition, the file that
//! keeps them and the comparison with an earlier one. Runs nothing.

use super::client::Wait;
use crate::app::markdown;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    P50(Wait),
    P99(Wait),
    /// Processor time per flooded message.
    Cpu,
}

impl Measure {
    pub(super) const ALL: [Self; 5] = [
        Self::P50(Wait::Spin),
        Self::P99(Wait::Spin),
        Self::P50(Wait::Park),
        Self::P99(Wait::Park),
        Self::Cpu,
    ];

    /// The name in files.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::P50(Wait::Spin) => "spin_p50_ns",
            Self::P99(Wait::Spin) => "spin_p99_ns",
            Self::P50(Wait::Park) => "park_p50_ns",
            Self::P99(Wait::Park) => "park_p99_ns",
            Self::Cpu => "flood_cpu_ns_per_message",
        }
    }

    /// The head of a column.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::P50(Wait::Spin) => "spinning p50, µs",
            Self::P99(Wait::Spin) => "spinning p99, µs",
            Self::P50(Wait::Park) => "parked p50, µs",
            Self::P99(Wait::Park) => "parked p99, µs",
            Self::Cpu => "CPU per flooded message, µs",
        }
    }

    /// Whether a ratio of it is shown and held against a baseline. A p99 of one run is of a few
    /// answers only.
    pub(super) const fn is_compared(self) -> bool {
        matches!(self, Self::P50(_) | Self::Cpu)
    }
}

/// What one client did in one repetition, in nanoseconds.
pub(super) type Figures = BTreeMap<Measure, f64>;

/// A client's figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) name: String,
    /// One for each repetition.
    pub(super) runs: Vec<Figures>,
    /// Triggers that were measured and answered, and all that were measured.
    pub(super) answered: (usize, usize),
    /// Answers with the kernel's stamp at both ends.
    pub(super) by_kernel: usize,
    /// Orders that no trigger asked for.
    pub(super) strays: usize,
    /// How late the exchange itself was with a message, at most, in nanoseconds.
    pub(super) late_ns_max: u64,
}

/// A median and its range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Range {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut all: Vec<f64> = values.collect();
        all.sort_by(f64::total_cmp);
        let (min, max) = (*all.first()?, *all.last()?);
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        let median = f64::midpoint(low, high);
        Some(Self { min, median, max })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

impl Row {
    pub(super) fn range(&self, measure: Measure) -> Option<Range> {
        Range::of(
            self.runs
                .iter()
                .filter_map(|run| run.get(&measure).copied()),
        )
    }

    /// Its figure as a multiple of another client's, in each repetition.
    pub(super) fn ratio(&self, to: &Self, measure: Measure) -> Option<Range> {
        let pairs = self.runs.iter().zip(&to.runs);
        let ratios = pairs.filter_map(|(own, to)| Some(own.get(&measure)? / to.get(&measure)?));
        Range::of(ratios)
    }
}

/// The value of ascending ones below or at which this part of them is.
pub(super) fn quantile(ascending: &[u64], part: f64) -> Option<f64> {
    let rank = (ascending.len() as f64 * part).ceil() as usize;
    ascending.get(rank.max(1) - 1).map(|ns| *ns as f64)
}

/// The place of each row by this measure: none if its range meets that of another one.
pub(super) fn ranks(rows: &[Row], measure: Measure) -> Vec<Option<usize>> {
    let ranges: Vec<Option<Range>> = rows.iter().map(|row| row.range(measure)).collect();
    let rank = |(n, range): (usize, &Option<Range>)| {
        let own = range.as_ref()?;
        let others = ranges.iter().enumerate().filter(|(other, _)| *other != n);
        let mut others = others.filter_map(|(_, range)| range.as_ref());
        let alone = others.clone().all(|other| !other.overlaps(own));
        let before = others.by_ref().filter(|other| other.median < own.median);
        alone.then_some(before.count() + 1)
    };
    ranges.iter().enumerate().map(rank).collect()
}

/// The table, as Markdown. `base` is the row that others are multiples of.
pub(super) fn table(rows: &[Row], base: Option<&Row>) -> String {
    let mut heads = vec!["client".to_owned()];
    for measure in Measure::ALL {
        heads.push(measure.title().to_owned());
        if let (true, Some(base)) = (measure.is_compared(), base) {
            heads.push(format!("/ {}", base.name));
        }
    }
    heads.push("rank".to_owned());
    let ranks = ranks(rows, Measure::P50(Wait::Spin));
    let mut lines = vec![heads];
    for (row, rank) in rows.iter().zip(ranks) {
        let mut cells = vec![row.name.clone()];
        for measure in Measure::ALL {
            let per_us =
                |range: Range| shown(range, 1_000.0, if measure == Measure::Cpu { 2 } else { 1 });
            cells.push(row.range(measure).map_or("–".into(), per_us));
            if let (true, Some(base)) = (measure.is_compared(), base) {
                let ratio = row.ratio(base, measure);
                cells.push(ratio.map_or("–".into(), |range| shown(range, 1.0, 2)));
            }
        }
        cells.push(rank.map_or("–".into(), |rank| rank.to_string()));
        lines.push(cells);
    }
    markdown::table(&lines)
}

fn shown(range: Range, per: f64, digits: usize) -> String {
    let Range { min, median, max } = range;
    let [min, median, max] = [min, median, max].map(|value| value / per);
    match min == max {
        true => format!("{median:.digits$}"),
        false => format!("{median:.digits$} ({min:.digits$}–{max:.digits$})"),
    }
}

/// All figures, for `--json`.
pub(super) fn file(rows: &[Row], base: Option<&Row>, settings: Value) -> Value {
    let range = |range: Range| json!({"min": range.min, "median": range.median, "max": range.max});
    let rows = rows.iter().map(|row| {
        let mut figures = Map::new();
        for measure in Measure::ALL {
            let Some(all) = row.range(measure) else {
                continue;
            };
            let runs = row
                .runs
                .iter()
                .map(|run| Value::from(run.get(&measure).copied()));
            let mut figure = range(all);
            figure["runs"] = runs.collect();
            if let Some(ratio) = base.and_then(|base| row.ratio(base, measure)) {
                figure["ratio"] = range(ratio);
            }
            figures.insert(measure.key().to_owned(), figure);
        }
        json!({
            "name": row.name,
            "figures": figures,
            "answered": row.answered.0,
            "triggers": row.answered.1,
            "stamped_by_kernel": row.by_kernel,
            "strays": row.strays,
            "exchange_late_ns_max": row.late_ns_max,
        })
    });
    json!({
        "version": 1,
        "settings": settings,
        "base": base.map(|base| &base.name),
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// How much larger a ratio may be than that of the baseline, in per cent.
pub(super) const TOLERANCE_PERCENT: f64 = 10.0;

/// What is worse than in an earlier file by more than the tolerance, and how many ratios both have.
/// Nothing counts whose whole range is not above: one slow repetition is the host's.
pub(super) fn regressions(
    rows: &[Row],
    base: &Row,
    earlier: &Value,
) -> Result<(usize, Vec<String>), String> {
    let theirs = earlier["rows"].as_array().ok_or("it has no rows")?;
    if earlier["base"] != base.name.as_str() {
        return Err(format!(
            "its ratios are to {}, and these are to \"{}\"",
            earlier["base"], base.name
        ));
    }
    let (mut compared, mut worse) = (0, Vec::new());
    for row in rows.iter().filter(|row| row.name != base.name) {
        let Some(before) = theirs.iter().find(|one| one["name"] == *row.name) else {
            continue;
        };
        for measure in Measure::ALL
            .into_iter()
            .filter(|measure| measure.is_compared())
        {
            let before = before["figures"][measure.key()]["ratio"]["median"].as_f64();
            let (Some(before), Some(now)) = (before, row.ratio(base, measure)) else {
                continue;
            };
            compared += 1;
            let limit = before * (1.0 + TOLERANCE_PERCENT / 100.0);
            if now.median > limit && now.min > before {
                worse.push(format!(
                    "{}: {} is {:.2} times that of {}, and was {before:.2}",
                    row.name,
                    measure.key(),
                    now.median,
                    base.name
                ));
            }
        }
    }
    match compared {
        0 => Err("it has no ratio of a client of this run".to_owned()),
        _ => Ok((compared, worse)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P50: Measure = Measure::P50(Wait::Spin);

    fn row(name: &str, values: &[f64]) -> Row {
        let runs = values.iter().map(|value| Figures::from([(P50, *value)]));
        Row {
            name: name.to_owned(),
            runs: runs.collect(),
            ..Row::default()
        }
    }

    #[test]
    fn a_median_stands_with_its_range_and_a_quantile_is_one_of_the_values() {
        let of = |values: &[f64]| Range::of(values.iter().copied()).map(|range| range.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0]), Some(2.5));
        assert_eq!(of(&[]), None);
        let all: Vec<u64> = (1..=60).collect();
        assert_eq!(quantile(&all, 0.5), Some(30.0));
        assert_eq!(quantile(&all, 0.99), Some(60.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn ratios_are_of_the_same_repetition() {
        let (own, base) = (row("a", &[20.0, 60.0]), row("b", &[10.0, 20.0]));
        let ratio = own.ratio(&base, P50).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 2.5, 3.0));
    }

    #[test]
    fn rows_whose_ranges_overlap_are_not_ranked() {
        let rows = [
            row("a", &[10.0, 12.0]),
            row("b", &[11.0, 13.0]),
            row("c", &[20.0, 21.0]),
            row("d", &[]),
        ];
        assert_eq!(ranks(&rows, P50), [None, None, Some(3), None]);
        let text = table(&rows, Some(&rows[0]));
        assert_eq!(text.lines().count(), 6);
        assert!(
            text.contains("(20.0–21.0)") || text.contains("0.0 (0.0–0.0)"),
            "{text}"
        );
    }

    #[test]
    fn a_ratio_is_worse_only_beyond_the_tolerance_and_in_every_repetition() {
        let base = row("floor", &[10.0, 10.0, 10.0]);
        let before = [base.clone(), row("ours", &[13.0, 13.0, 14.0])];
        let earlier = file(&before, Some(&base), Value::Null);
        let judge = |values: &[f64]| {
            let rows = [base.clone(), row("ours", values)];
            regressions(&rows, &base, &earlier).unwrap().1.len()
        };
        assert_eq!(judge(&[14.0, 14.2, 14.3]), 0, "within 10 %");
        assert_eq!(judge(&[15.0, 16.0, 15.5]), 1);
        assert_eq!(judge(&[12.9, 16.0, 15.5]), 0, "one was as before");
        let other = row("other", &[10.0]);
        let why = regressions(&before, &other, &earlier).unwrap_err();
        assert!(why.contains("floor"), "{why}");
        let strange = [base.clone(), row("strange", &[10.0])];
        assert!(regressions(&strange, &base, &earlier).is_err());
        assert!(regressions(&before, &base, &Value::Null).is_err());
    }
}
