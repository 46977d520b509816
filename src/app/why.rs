//! `tickwire why` and `tickwire why-not`: what a run's files say of one order, and of the intents
//! that risk held back. Changes nothing.

mod held;
mod lines;

use super::cli::{self, WRONG_USE};
use super::run::claim;
use crate::watch::figures;
use crate::watch::log::escape;
use clap::Args;
use lines::{Line, STAMPS, decisions};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `tickwire why`.
#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// The order, by our own number for it, as the log has it
    pub order: u64,
    /// The run's directory [default: the newest one under runs/]
    pub run: Option<PathBuf>,
    /// Print the lines of decisions.jsonl about it as they are
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `tickwire why-not`.
#[derive(Debug, Clone, Args)]
pub struct WhyNotArgs {
    /// The instrument, by its name in the engine or at its exchange; `none` for changes of orders
    /// that nobody knew
    pub instrument: String,
    /// The run's directory [default: the newest one under runs/]
    pub run: Option<PathBuf>,
    /// From this time on: RFC 3339, or a time since the run began, like 90s
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `tickwire why`.
pub(crate) fn run(args: &WhyArgs) -> ExitCode {
    answer(why(args), args.json)
}

/// `tickwire why-not`.
pub(crate) fn run_not(args: &WhyNotArgs) -> ExitCode {
    answer(held::why_not(args), args.json)
}

fn answer(text: Result<String, String>, json: bool) -> ExitCode {
    match text {
        Ok(text) if json => cli::print(|out| out.write_all(text.as_bytes())),
        Ok(text) => cli::print_text(&text),
        Err(error) => cli::complain(WRONG_USE, &error),
    }
}

/// The story of one order.
///
/// # Errors
/// In words, when there is no such run, or no such order in it.
pub fn why(args: &WhyArgs) -> Result<String, String> {
    let run = chosen(args.run.as_deref())?;
    let (mut own, mut held) = (None, Vec::new());
    let number = format!("\"order\":{}", args.order);
    decisions(
        &run,
        |text| text.contains(&number),
        |line, text| {
            if line.order != Some(args.order) {
                return;
            }
            match line.kind.as_str() {
                "order" => own = Some((line, text.to_owned())),
                _ => held.push((line, text.to_owned())),
            }
        },
    )?;
    let Some((line, text)) = own else {
        return Err(unknown(args.order, &run));
    };
    if args.json {
        let all = std::iter::once(text).chain(held.into_iter().map(|(_, text)| text));
        return Ok(all.map(|text| text + "\n").collect());
    }
    let held: Vec<Line> = held.into_iter().map(|(line, _)| line).collect();
    Ok(story(&line, &held, &run))
}

fn unknown(order: u64, run: &Path) -> String {
    let hint = match claim::was_left(run) {
        true => {
            "; the run goes on or was killed, and an order gets its line when it ends: log.jsonl \
             has its records"
        }
        false => "",
    };
    format!("no order {order} in {}{hint}", run.display())
}

/// The run that was asked for, or the newest one.
fn chosen(asked: Option<&Path>) -> Result<PathBuf, String> {
    match asked {
        Some(dir) => Ok(dir.to_owned()),
        None => claim::newest().ok_or_else(|| {
            "no run under runs/: name the directory of one, or start one with `tickwire run`"
                .to_owned()
        }),
    }
}

fn story(line: &Line, held: &[Line], run: &Path) -> String {
    let mut out = String::new();
    let order = line.order.unwrap_or_default();
    let place = escaped(&run.display().to_string());
    let _ = writeln!(out, "order {order}  {}  {place}\n", whose(line));
    for (name, text) in facts(line) {
        let _ = writeln!(out, "{name:<10} {text}");
    }
    waterfall(line, &mut out);
    happened(line, held, &mut out);
    let end = line.end.as_deref().unwrap_or("without an end");
    let (end, fills) = (escaped(&end.replace('_', " ")), line.fills);
    let filled = escaped(line.filled.as_deref().unwrap_or("0"));
    let _ = match fills {
        0 => writeln!(out, "\nend: {end}, nothing filled"),
        1 => writeln!(out, "\nend: {end}, {filled} in one fill"),
        _ => writeln!(out, "\nend: {end}, {filled} in {fills} fills"),
    };
    if line.lost > 0 {
        let _ = writeln!(
            out,
            "up to {} log record(s) were lost meanwhile: this may not be all",
            line.lost
        );
    }
    out
}

fn whose(line: &Line) -> String {
    match line.instrument.is_empty() {
        true => "no instrument".to_owned(),
        false => escaped(&line.instrument),
    }
}

fn facts(line: &Line) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let origin = match line.origin.as_deref() {
        Some("earlier_run") => Some("an earlier run left it open"),
        Some("found") => Some("found at the exchange under our name, and known to nobody here"),
        Some("lost") => Some("the record of its admission was lost"),
        _ => None,
    };
    facts.extend(origin.map(|origin| ("origin", origin.to_owned())));
    if !line.strategy.is_empty() {
        facts.push(("strategy", escaped(&line.strategy)));
    }
    facts.push(("wanted", wanted(line)));
    if let Some(old) = line.replaces {
        facts.push(("replaces", format!("order {old}")));
    }
    facts.extend(because(line).map(|because| ("because", because)));
    if let Some(picture) = &line.picture {
        let level = |px: &Option<String>, qty: &Option<String>| {
            let text = |part: &Option<String>| escaped(part.as_deref().unwrap_or("?"));
            format!("{} at {}", text(qty), text(px))
        };
        let age = picture.age_ns.map(|ns| format!(", {} µs old", us(ns)));
        facts.push((
            "picture",
            format!(
                "update {} of connection {}{}",
                picture.update_id.unwrap_or_default(),
                picture.epoch.unwrap_or_default(),
                age.unwrap_or_default()
            ),
        ));
        let (bid, ask) = (
            level(&picture.best_bid, &picture.best_bid_qty),
            level(&picture.best_ask, &picture.best_ask_qty),
        );
        facts.push(("", format!("bid {bid}, ask {ask}")));
    }
    if let Some(risk) = &line.risk {
        facts.push(("risk", escaped(risk)));
    }
    if let Some(arrived) = &line.arrived {
        facts.push(("arrived", escaped(arrived)));
    }
    facts
}

/// `buy 0.05 at 64250.11, ioc, tag 7`.
fn wanted(line: &Line) -> String {
    let text = |part: &Option<String>| escaped(part.as_deref().unwrap_or("?"));
    let mut wanted = format!(
        "{} {} at {}",
        text(&line.side),
        text(&line.qty),
        text(&line.px)
    );
    if let Some(order_type) = &line.order_type {
        let _ = write!(wanted, ", {}", escaped(order_type));
    }
    if let Some(tag) = line.tag {
        let _ = write!(wanted, ", tag {tag}");
    }
    wanted
}

fn because(line: &Line) -> Option<String> {
    let signal = line.signal.as_ref()?;
    let number = |value: Option<f64>| value.map_or("?".to_owned(), figures::ratio);
    Some(format!(
        "{} {} (threshold {})",
        escaped(&signal.name),
        number(signal.value),
        number(signal.threshold)
    ))
}

/// When the order passed each point of the road.
fn waterfall(line: &Line, out: &mut String) {
    let Some(stamps) = &line.stamps else {
        let _ = writeln!(out, "\nno receipt: nobody told when it passed which point");
        return;
    };
    let at = |name: &str| stamps.get(&format!("{name}_ns")).and_then(Value::as_i64);
    let mut rows = vec![["", "at µs", "took µs"].map(str::to_owned)];
    let mut before = None;
    for name in STAMPS {
        let Some(ns) = at(name) else { continue };
        // The send stamp and the answer both count from the write call.
        let from = match name {
            "wired" | "acked" => at("sent"),
            _ => before,
        };
        let took = from.map_or(String::new(), |from| us(ns - from));
        rows.push([name.to_owned(), us(ns), took]);
        before = Some(ns);
    }
    out.push('\n');
    table(&rows, [false, true, true], out);
}

/// All that became of it.
fn happened(line: &Line, held: &[Line], out: &mut String) {
    let mut rows = vec![["at µs", "what", ""].map(str::to_owned)];
    let mut events: Vec<(i64, [String; 3])> = Vec::new();
    for event in &line.events {
        let at = event.get("at_ns").and_then(Value::as_i64).unwrap_or(0);
        let what = event.get("what").and_then(Value::as_str).unwrap_or("?");
        events.push((at, [us(at), escaped(what), details(what, event)]));
    }
    for change in held {
        let at = change.time_ns - line.arrived_ns.unwrap_or(change.time_ns);
        let gate = escaped(change.gate.as_deref().unwrap_or("?"));
        events.push((
            at,
            [
                us(at),
                "held back".to_owned(),
                format!("a change, at {gate}"),
            ],
        ));
    }
    events.sort_by_key(|(at, _)| *at);
    rows.extend(events.into_iter().map(|(_, row)| row));
    out.push('\n');
    table(&rows, [true, false, false], out);
    if line.events_left_out > 0 {
        let _ = writeln!(out, "… and {} more", line.events_left_out);
    }
}

/// An event's other members.
fn details(what: &str, event: &Value) -> String {
    let text = |name: &str| {
        let value = event.get(name)?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(escaped(&text))
    };
    if what == "fill" {
        let mut fill = format!(
            "{} at {}, trade {}",
            text("qty").unwrap_or_default(),
            text("px").unwrap_or_default(),
            text("trade_id").unwrap_or_default()
        );
        for part in [
            text("liquidity").map(|liquidity| format!(", {liquidity}")),
            text("fee").map(|fee| format!(", fee {fee} {}", text("fee_asset").unwrap_or_default())),
            text("remaining").map(|left| format!(", {left} left")),
        ] {
            fill += &part.unwrap_or_default();
        }
        return fill;
    }
    let Some(members) = event.as_object() else {
        return String::new();
    };
    let others = members
        .keys()
        .filter(|name| !matches!(name.as_str(), "at_ns" | "what"));
    let parts = others.filter_map(|name| Some(format!("{} {}", escaped(name), text(name)?)));
    parts.collect::<Vec<_>>().join(", ")
}

/// Nanoseconds as microseconds, exactly.
fn us(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
    format!("{sign}{}.{:03}", ns / 1_000, ns % 1_000)
}

/// Columns two blanks apart; `right` are those of numbers.
fn table<const N: usize>(rows: &[[String; N]], right: [bool; N], out: &mut String) {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        let mut text = String::new();
        for (column, cell) in row.iter().enumerate() {
            let wide = widths[column];
            let _ = match right[column] {
                true => write!(text, "{cell:>wide$}  "),
                false => write!(text, "{cell:<wide$}  "),
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, &mut out);
    out
}
