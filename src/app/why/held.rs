//! What risk held back: exact counts of the whole run from `summary.json`, examples from
//! `decisions.jsonl`. Of a part of a run the examples bound the counts: each says which one it was.

use super::lines::{Line, decisions};
use super::{WhyNotArgs, because, chosen, escaped, table, wanted};
use crate::watch::summary::{Judged, Summary};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Examples that are shown of each strategy and gate, at most.
const SHOWN_MAX: usize = 3;
/// Names that an error lists, at most.
const NAMED_MAX: usize = 12;

/// How often something was held back. They are the same if it is known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    at_least: u64,
    /// None if nobody knows.
    at_most: Option<u64>,
}

/// What one gate did to one strategy's intents.
#[derive(Debug, Default)]
struct Held {
    /// In the whole run, if that is known.
    total: Option<u64>,
    /// Of the last example before the time that was asked for.
    before: Option<u64>,
    /// Of the first one after it.
    after: Option<u64>,
    examples: Vec<(Line, String)>,
}

impl Held {
    fn times(&self, whole: bool) -> Times {
        let nth = |line: &(Line, String)| line.0.nth;
        let first = self.examples.first().and_then(nth);
        let last = self.examples.last().and_then(nth);
        let between = first
            .zip(last)
            .map(|(first, last)| last.saturating_sub(first) + 1);
        let at_least = between.unwrap_or(0);
        if let (true, Some(total)) = (whole, self.total) {
            let at_most = Some(total);
            return Times {
                at_least: total,
                at_most,
            };
        }
        let last = self
            .after
            .map(|after| after.saturating_sub(1))
            .or(self.total);
        let at_most = last.map(|last| last.saturating_sub(self.before.unwrap_or(0)));
        Times { at_least, at_most }
    }
}

/// By instrument, strategy and gate.
type All = BTreeMap<String, BTreeMap<String, BTreeMap<String, Held>>>;

/// What held an instrument back.
pub(super) fn why_not(args: &WhyNotArgs) -> Result<String, String> {
    let run = chosen(args.run.as_deref())?;
    let summary = summary(&run)?;
    let window = Window::parse(args, &summary)?;
    let meant = meant(&args.instrument, &summary, &run)?;
    let mut all = All::new();
    for strategy in &summary.strategies {
        let judged = strategy.judged.iter();
        for judged in judged.filter(|judged| meant.contains(&judged.name)) {
            let of = all.entry(judged.name.clone()).or_default();
            let of = of.entry(strategy.name.clone()).or_default();
            for (gate, count) in &judged.refused {
                of.entry(gate.clone()).or_default().total = Some(*count);
            }
        }
    }
    decisions(
        &run,
        |text| text.contains("\"refused\""),
        |line, text| {
            if line.kind == "refused" && meant.contains(&line.instrument) {
                let of = all.entry(line.instrument.clone()).or_default();
                let of = of.entry(line.strategy.clone()).or_default();
                let held = of.entry(line.gate.clone().unwrap_or_default()).or_default();
                match (line.time_ns < window.from, line.time_ns > window.to) {
                    (true, _) => held.before = line.nth,
                    (_, true) => held.after = held.after.or(line.nth),
                    _ => held.examples.push((line, text.to_owned())),
                }
            }
        },
    )?;
    for name in &meant {
        all.entry(name.clone()).or_default();
    }
    match args.json {
        true => Ok(as_json(&run, &all, &summary, &window)),
        false => Ok(as_text(&run, &all, &summary, &window)),
    }
}

fn summary(run: &Path) -> Result<Summary, String> {
    let path = run.join("summary.json");
    let json = fs::read_to_string(&path).map_err(|error| {
        format!(
            "{} is no run's directory: cannot read {}: {error}",
            run.display(),
            path.display()
        )
    })?;
    serde_json::from_str(&json)
        .map_err(|error| format!("{} is no run's summary: {error}", path.display()))
}

/// The names of the instruments that are meant. A symbol may be that of several exchanges.
fn meant(asked: &str, summary: &Summary, run: &Path) -> Result<BTreeSet<String>, String> {
    if asked == "none" {
        return Ok(BTreeSet::from([String::new()]));
    }
    let books = summary.books.iter();
    let same =
        |name: &str, symbol: &str| [name, symbol].iter().any(|n| n.eq_ignore_ascii_case(asked));
    let found = books.clone().filter(|book| same(&book.name, &book.symbol));
    let found: BTreeSet<String> = found.map(|book| book.name.clone()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let mut names: Vec<String> = books.map(|book| escaped(&book.name)).collect();
    let more = names.len() > NAMED_MAX;
    names.truncate(NAMED_MAX);
    let more = if more { ", …" } else { "" };
    Err(format!(
        "no instrument {} in {}; it has {}{more}",
        escaped(asked),
        run.display(),
        names.join(", ")
    ))
}

/// The part of the run that is asked for, in nanoseconds since 1970.
struct Window {
    from: i64,
    to: i64,
    whole: bool,
}

impl Window {
    fn parse(args: &WhyNotArgs, summary: &Summary) -> Result<Self, String> {
        let began = humantime::parse_rfc3339_weak(&summary.started).ok();
        let time = |text: &Option<String>, name: &str| {
            let text = text.as_deref();
            let parsed = text.map(|text| moment(text, began).ok_or_else(|| wrong(name, text)));
            parsed.transpose()
        };
        let (from, to) = (time(&args.from, "--from")?, time(&args.to, "--to")?);
        let window = Self {
            from: from.unwrap_or(i64::MIN),
            to: to.unwrap_or(i64::MAX),
            whole: from.is_none() && to.is_none(),
        };
        match window.from > window.to {
            true => Err("--from is later than --to".to_owned()),
            false => Ok(window),
        }
    }
}

fn wrong(name: &str, text: &str) -> String {
    format!(
        "{name} {}: write a time like 2026-11-22T16:38:00Z, or one since the run began, like 90s",
        escaped(text)
    )
}

fn moment(text: &str, began: Option<SystemTime>) -> Option<i64> {
    let time = match super::cli::parse_time(text) {
        Ok(since) => began?.checked_add(since)?,
        Err(_) => humantime::parse_rfc3339_weak(text).ok()?,
    };
    let since: Duration = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

fn judged<'s>(summary: &'s Summary, strategy: &str, name: &str) -> Option<&'s Judged> {
    let mut strategies = summary.strategies.iter();
    let told = strategies.find(|told| told.name == strategy)?;
    told.judged.iter().find(|judged| judged.name == name)
}

fn as_text(run: &Path, all: &All, summary: &Summary, window: &Window) -> String {
    let mut out = String::new();
    for (name, strategies) in all {
        if !out.is_empty() {
            out.push('\n');
        }
        let shown = match name.is_empty() {
            true => "no instrument".to_owned(),
            false => escaped(name),
        };
        let place = escaped(&run.display().to_string());
        let _ = writeln!(out, "{shown}  {place}\n");
        let mut rows = vec![["strategy", "gate", "held back"].map(str::to_owned)];
        let mut sums = String::new();
        for (strategy, gates) in strategies {
            for (gate, held) in gates {
                let times = held.times(window.whole);
                if times.at_most == Some(0) {
                    continue;
                }
                rows.push([escaped(strategy), escaped(gate), told(times)]);
            }
            if let Some(of) = judged(summary, strategy, name).filter(|_| window.whole) {
                let refused: u64 = of.refused.values().sum();
                let _ = writeln!(
                    sums,
                    "{}: {} intents = {} orders + {} changes + {refused} held back",
                    escaped(strategy),
                    of.intents,
                    of.orders,
                    of.changes
                );
            }
        }
        match rows.len() {
            1 => out.push_str("nothing was held back\n"),
            _ => table(&rows, [false, false, true], &mut out),
        }
        if !sums.is_empty() {
            let _ = write!(out, "\n{sums}");
        }
        if !summary.ended {
            out.push_str("\nthe run goes on or was killed: counts are known at its end\n");
        }
        examples(strategies, &mut out);
    }
    out
}

fn told(times: Times) -> String {
    match times.at_most {
        Some(most) if most == times.at_least => most.to_string(),
        Some(most) => format!("{} to {most}", times.at_least),
        None => format!("at least {}", times.at_least),
    }
}

fn examples(strategies: &BTreeMap<String, BTreeMap<String, Held>>, out: &mut String) {
    let mut rows = vec![
        [
            "example", "strategy", "gate", "wanted", "because", "limit", "found",
        ]
        .map(str::to_owned),
    ];
    for gates in strategies.values() {
        for held in gates.values() {
            let rest = held.examples.len().saturating_sub(SHOWN_MAX);
            for (line, _) in &held.examples[rest..] {
                rows.push(example(line));
            }
        }
    }
    if rows.len() > 1 {
        out.push_str("\nthe latest examples\n");
        table(&rows, [false, false, false, false, false, true, true], out);
    }
}

fn example(line: &Line) -> [String; 7] {
    let wanted = match line.order {
        Some(order) => format!("change order {order}"),
        None => wanted(line),
    };
    let unit = line.unit.as_deref().unwrap_or_default();
    let number = |text: &Option<String>| match text {
        None => String::new(),
        Some(text) => escaped(&format!("{text} {unit}")),
    };
    [
        escaped(&line.time),
        escaped(&line.strategy),
        escaped(line.gate.as_deref().unwrap_or_default()),
        wanted,
        because(line).unwrap_or_default(),
        number(&line.limit),
        number(&line.found),
    ]
}

fn as_json(run: &Path, all: &All, summary: &Summary, window: &Window) -> String {
    let instruments = all.iter().map(|(name, strategies)| {
        let strategies = strategies.iter().map(|(strategy, gates)| {
            let held = gates.iter().map(|(gate, held)| {
                let times = held.times(window.whole);
                let examples = held.examples.iter();
                let examples =
                    examples.map(|(_, text)| serde_json::from_str(text).unwrap_or(Value::Null));
                json!({
                    "gate": gate,
                    "at_least": times.at_least,
                    "at_most": times.at_most,
                    "examples": examples.collect::<Vec<Value>>(),
                })
            });
            let held: Vec<Value> = held.collect();
            let of = judged(summary, strategy, name).filter(|_| window.whole);
            json!({
                "strategy": strategy,
                "intents": of.map(|of| of.intents),
                "orders": of.map(|of| of.orders),
                "changes": of.map(|of| of.changes),
                "held_back": held,
            })
        });
        json!({ "instrument": name, "strategies": strategies.collect::<Vec<Value>>() })
    });
    let all = json!({
        "run": run.display().to_string(),
        "ended": summary.ended,
        "instruments": instruments.collect::<Vec<Value>>(),
    });
    all.to_string() + "\n"
}
