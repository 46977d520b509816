//! A drill's cells, as people and as programs read them.

use super::judge::{Back, Cell, Sample, Spread, Sum};
use crate::app::markdown;
use crate::base::Span;
use crate::venue::faults::MarketFault;
use crate::watch::figures;
use serde_json::{Value, json};

const HEADS: [&str; 6] = ["struck", "wrong", "noticed p50", "max", "back p50", "max"];

/// The table of all faults, and one of each fault by exchange.
pub(super) fn render(cells: &[Cell]) -> String {
    let mut text = String::from("By fault, over all exchanges:\n\n");
    let mut lines = vec![heads("fault")];
    for fault in faults(cells) {
        let of = cells.iter().filter(|cell| cell.fault == fault);
        let samples = of.flat_map(|cell| &cell.samples);
        lines.push(line(fault.name(), &Sum::of(samples)));
    }
    text += &markdown::table(&lines);
    for fault in faults(cells) {
        let mut lines = vec![heads(fault.name())];
        for cell in cells.iter().filter(|cell| cell.fault == fault) {
            lines.push(line(cell.exchange, &Sum::of(cell.samples.iter())));
        }
        text += "\n";
        text += &markdown::table(&lines);
    }
    text
}

/// The kinds that there are cells of, in the order in which they happened.
fn faults(cells: &[Cell]) -> Vec<MarketFault> {
    let mut all: Vec<MarketFault> = cells.iter().map(|cell| cell.fault).collect();
    all.dedup();
    all
}

fn heads(first: &str) -> Vec<String> {
    let first = [first].into_iter();
    first.chain(HEADS).map(str::to_owned).collect()
}

fn line(name: &str, sum: &Sum) -> Vec<String> {
    let struck = match sum.unstruck {
        0 => sum.struck.to_string(),
        more => format!("{} of {}", sum.struck, sum.struck + more),
    };
    let [noticed, noticed_max] = spread(sum.noticed, sum.missed, "never");
    let [back, back_max] = spread(sum.back, sum.never_back, "not back");
    let wrong = span(sum.wrong);
    vec![
        name.to_owned(),
        struck,
        wrong,
        noticed,
        noticed_max,
        back,
        back_max,
    ]
}

/// Some may be without an end.
fn spread(known: Option<Spread>, endless: usize, word: &str) -> [String; 2] {
    let word = (endless > 0).then(|| word.to_owned());
    match known {
        None => [(); 2].map(|()| word.clone().unwrap_or("–".into())),
        Some(Spread { p50, max }) => [span(p50), word.unwrap_or_else(|| span(max))],
    }
}

fn span(span: Span) -> String {
    match span {
        Span::ZERO => "0".to_owned(),
        span => figures::span(span.0),
    }
}

/// All cells and samples, for `--json`.
pub(super) fn file(cells: &[Cell], settings: Value, finished: bool) -> Value {
    let cells = cells.iter().map(|cell| {
        let sum = Sum::of(cell.samples.iter());
        let samples = cell.samples.iter().map(|one| one.as_ref().map(sample));
        json!({
            "fault": cell.fault.name(),
            "exchange": cell.exchange,
            "struck": sum.struck,
            "wrong_ns": sum.wrong.0,
            "noticed_ns": sum.noticed.map(json_of),
            "missed": sum.missed,
            "back_ns": sum.back.map(json_of),
            "never_back": sum.never_back,
            "samples": samples.collect::<Vec<_>>(),
        })
    });
    json!({
        "version": 1,
        "settings": settings,
        "finished": finished,
        "cells": cells.collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    let back = match sample.back {
        Back::After(span) => Some(span.0),
        Back::Unneeded | Back::Never => None,
    };
    json!({
        "wrong_ns": sample.wrong.0,
        "unverified": sample.unverified,
        "noticed_ns": sample.noticed.map(|span| span.0),
        "missed": sample.missed,
        "back_ns": back,
        "back": sample.back != Back::Never,
    })
}

fn json_of(spread: Spread) -> Value {
    json!({"p50": spread.p50.0, "max": spread.max.0})
}
