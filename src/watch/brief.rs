//! The log as a person follows it while a run goes on: one line per order, no more digits than one
//! reads, and nothing that only a search needs. The log file has every record whole.

use super::figures::{ratio, span};
use super::fold::fold;
use super::log::{Renderer, Shown, escape, exchange, push};
use super::table::cut;
use crate::base::text::rfc3339;
use crate::base::{Note, Qty, Severity, StrategyId, Value};
use std::collections::{HashMap, HashSet};

/// Orders whose cause is kept until they end, at most: more than may be open.
const CAUSES_MAX: usize = 4_096;
/// Fields that only a search in the log needs.
const LEFT_OUT: [&str; 5] = ["update_id", "exchange_id", "age_ns", "tag", "nth"];

/// How a console shows lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// With the terminal's colours.
    pub(crate) colour: bool,
    /// The width of a terminal; `None` if the reader keeps lines of any length.
    pub(crate) columns: Option<usize>,
}

/// Joins the records of an order to one line.
#[derive(Debug, Default)]
pub(crate) struct Brief {
    /// By order id: why there is such an order, and how long it took to the wire.
    causes: HashMap<i64, Cause>,
    /// Refusals of which the first was shown.
    refused: HashSet<(StrategyId, &'static str)>,
}

#[derive(Debug, Default)]
struct Cause {
    signal: &'static str,
    value: f64,
    tick_to_wire_ns: Option<u64>,
}

impl Brief {
    /// Appends a note's line, or nothing if the note is only a part of an order's story.
    pub(crate) fn write(&mut self, renderer: &Renderer, note: &Note, look: Look, out: &mut String) {
        let mut line = begin(renderer, note);
        match note.event {
            "order.admitted" => return self.admitted(note),
            "order.receipt" => return self.answered(note),
            "order.acked" | "order.filled" => return,
            "order.refused" => {
                let gate = word(note, "gate").unwrap_or_default();
                if !self.refused.insert((note.strategy, gate)) {
                    return;
                }
                generic(renderer, note, &mut line);
            }
            _ if note.event.starts_with("order.") && word(note, "side").is_some() => {
                self.order(renderer, note, look, &mut line);
            }
            _ => generic(renderer, note, &mut line),
        }
        if let Some(columns) = look.columns {
            match note.severity {
                Severity::Debug | Severity::Info => cut(&mut line, columns),
                // Every word of what a person must know.
                Severity::Warn | Severity::Error => line = fold(&line, columns),
            }
        }
        if look.colour {
            colour(note.severity, &mut line);
        }
        out.push_str(&line);
        out.push('\n');
    }

    fn admitted(&mut self, note: &Note) {
        if let Some(order) = int(note, "order")
            && self.causes.len() < CAUSES_MAX
        {
            let value = note.fields.iter().find_map(|field| match field {
                ("value", Value::Ratio(value)) => Some(*value),
                _ => None,
            });
            let cause = Cause {
                signal: word(note, "signal").unwrap_or_default(),
                value: value.unwrap_or_default(),
                tick_to_wire_ns: None,
            };
            self.causes.insert(order, cause);
        }
    }

    fn answered(&mut self, note: &Note) {
        let cause = int(note, "order").and_then(|order| self.causes.get_mut(&order));
        let Some(cause) = cause else { return };
        // From the packet to the wire: what no packet caused, or never left, has no such time.
        let stretches = note.fields.iter().filter_map(|field| match field {
            ("order" | "ack_ns", _) => None,
            (_, Value::Int(ns)) => u64::try_from(*ns).ok(),
            _ => None,
        });
        let caused = int(note, "kernel_ns").is_some() && int(note, "send_ns").is_some();
        cause.tick_to_wire_ns = caused.then(|| stretches.sum());
    }

    /// An order that ended, or that a person must look at: what, for how much, what became of it,
    /// then as much of the why as there is room for.
    fn order(&mut self, renderer: &Renderer, note: &Note, look: Look, line: &mut String) {
        let instrument = renderer.instrument(note.instrument);
        let shown = |name: &str| {
            let field = note.fields.iter().find(|(key, _)| *key == name);
            field.map(|(_, value)| Shown(*value, instrument).to_string())
        };
        whose(renderer, note, line);
        let (side, qty, px) = (word(note, "side"), shown("qty"), shown("px"));
        push(
            line,
            format_args!(
                "  {} {} at {}  {}",
                side.unwrap_or_default(),
                qty.unwrap_or_default(),
                px.unwrap_or_default(),
                outcome(note)
            ),
        );
        if let Some(code) = int(note, "code") {
            push(line, format_args!(" {code}"));
        }
        if !note.text.is_empty() {
            quote(note, line);
        }
        let ended = word(note, "end").is_some();
        let cause = int(note, "order").filter(|_| ended);
        let cause = cause.and_then(|order| self.causes.remove(&order));
        let Some(cause) = cause else { return };
        let mut room = |part: String| {
            let width = line.chars().count() + 2 + part.chars().count();
            if look.columns.is_none_or(|columns| width <= columns) {
                push(line, format_args!("  {part}"));
            }
        };
        if let Some(strategy) = several(renderer, note)
            && strategy != cause.signal
        {
            room(escaped(strategy));
        }
        room(format!("{} {}", cause.signal, ratio(cause.value)));
        if let Some(ns) = cause.tick_to_wire_ns {
            room(span(ns));
        }
    }
}

/// `16:38:00 `, and how bad it is if it is.
fn begin(renderer: &Renderer, note: &Note) -> String {
    let time = rfc3339(renderer.anchor.unix(note.at));
    let clock = time.get(11..19).unwrap_or(&time);
    match note.severity {
        Severity::Debug | Severity::Info => format!("{clock} "),
        Severity::Warn => format!("{clock} WARN "),
        Severity::Error => format!("{clock} ERROR "),
    }
}

/// What became of an order: its end, or how much of it traded before that.
fn outcome(note: &Note) -> String {
    let end = word(note, "end").unwrap_or_else(|| {
        let last = note.event.rsplit('.').next();
        last.unwrap_or_default()
    });
    match (qty(note, "qty"), qty(note, "remaining"), end) {
        (Some(all), Some(left), "expired" | "cancelled") if left.0 < all.0 => {
            let traded = u128::from(all.0 - left.0) * 100 / u128::from(all.0);
            format!("{traded} % filled")
        }
        _ => end.replace('_', " "),
    }
}

/// Any record: its event, whose it is, its fields and its text.
fn generic(renderer: &Renderer, note: &Note, line: &mut String) {
    line.push_str(note.event);
    whose_after(renderer, note, line);
    if let Some(strategy) = several(renderer, note) {
        line.push_str(" strategy=");
        escape(strategy, line);
    }
    let instrument = renderer.instrument(note.instrument);
    for (name, value) in &note.fields {
        match (name, value) {
            (name, _) if LEFT_OUT.contains(name) => {}
            (name, Value::Ratio(value)) => push(line, format_args!(" {name}={}", ratio(*value))),
            (name, value) => push(line, format_args!(" {name}={}", Shown(*value, instrument))),
        }
    }
    if !note.text.is_empty() {
        quote(note, line);
    }
}

fn whose_after(renderer: &Renderer, note: &Note, line: &mut String) {
    let before = line.len();
    line.push(' ');
    whose(renderer, note, line);
    if line.len() == before + 1 {
        line.pop();
    }
}

/// The exchange and the instrument.
fn whose(renderer: &Renderer, note: &Note, line: &mut String) {
    let instrument = renderer.instrument(note.instrument);
    let exchange = exchange(note, instrument);
    line.push_str(exchange);
    if let Some(instrument) = instrument {
        if !exchange.is_empty() {
            line.push(' ');
        }
        escape(&instrument.symbol, line);
    }
}

/// The strategy's name, if the run has several.
fn several<'a>(renderer: &'a Renderer, note: &Note) -> Option<&'a str> {
    let strategies = renderer.strategies;
    let name = strategies.get(note.strategy.index())?;
    (strategies.len() > 1).then_some(name)
}

fn quote(note: &Note, line: &mut String) {
    line.push_str(" \"");
    escape(&note.text, line);
    line.push('"');
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, &mut out);
    out
}

/// Colours the word that says how bad it is.
fn colour(severity: Severity, line: &mut String) {
    let (word, ansi) = match severity {
        Severity::Debug | Severity::Info => return,
        Severity::Warn => ("WARN", "\x1b[33m"),
        Severity::Error => ("ERROR", "\x1b[31m"),
    };
    *line = line.replacen(word, &format!("{ansi}{word}\x1b[0m"), 1);
}

fn word(note: &Note, name: &str) -> Option<&'static str> {
    note.fields.iter().find_map(|field| match field {
        (key, Value::Word(word)) if *key == name => Some(*word),
        _ => None,
    })
}

fn int(note: &Note, name: &str) -> Option<i64> {
    note.fields.iter().find_map(|field| match field {
        (key, Value::Int(int)) if *key == name => Some(*int),
        _ => None,
    })
}

fn qty(note: &Note, name: &str) -> Option<Qty> {
    note.fields.iter().find_map(|field| match field {
        (key, Value::Qty(qty)) if *key == name => Some(*qty),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
