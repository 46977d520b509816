//! A run, or two side by side, as one HTML page that loads nothing else. Reads and writes no file.
//!
//! It escapes everything that a run's files say: the files may come from somebody else.

use super::figures::{count, span};
use super::hdr::Point;
use super::plot::{Curve, Range, chart, nines};
use super::summary::Summary;
use super::table::{
    BOOK_HEADS, EXCHANGE_HEADS, STAGE_HEADS, book_rows, exchange_rows, refusal_lines, stage_rows,
};
use std::fmt::Write;

/// One run as it was read from its directory.
pub(crate) struct Run {
    /// What the page calls it: its directory's name.
    pub(crate) name: String,
    /// What its `summary.json` says.
    pub(crate) summary: Summary,
    /// The percentile curve of each stage of the summary that has one, in the same order.
    pub(crate) curves: Vec<(String, Vec<Point>)>,
}

/// The charts of the page, and the stages on each: spans of similar size on one side of the engine.
const CHARTS: [(&str, &[&str]); 4] = [
    ("Tick to wire", &["tick_to_wire", "tick_to_wire_safe"]),
    (
        "In: packet to book",
        &["kernel", "kernel_safe", "read", "frame", "decode", "book"],
    ),
    ("Engine: ring to order", &["queue", "decide", "admit"]),
    ("Out: order to exchange", &["send", "wire", "ack"]),
];

/// The page of one run, or of two beside each other on the same axes.
pub(crate) fn html(run: &Run, against: Option<&Run>) -> String {
    let runs: Vec<&Run> = std::iter::once(run).chain(against).collect();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>tickwire: {}</title>\n<style>{STYLE}</style></head>\n<body><h1>tickwire \
         report</h1>\n",
        text(&run.name)
    );
    if against.is_none() {
        push(&mut page, format_args!("<h2>{}</h2>\n", text(&run.name)));
    }
    columns(&mut page, &runs, facts);
    for (title, stages) in CHARTS {
        if let Some(charts) = chart_row(title, stages, &runs) {
            page += &charts;
        }
    }
    page += "<h2>Stages</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&STAGE_HEADS, &stage_rows(&run.summary))
    });
    page += "<h2>Exchanges</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&EXCHANGE_HEADS, &exchange_rows(&run.summary))
    });
    page += "<h2>Books</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&BOOK_HEADS, &book_rows(&run.summary))
    });
    if runs
        .iter()
        .any(|run| !run.summary.orders.refusals.is_empty())
    {
        page += "<h2>Refused by risk</h2>\n";
        columns(&mut page, &runs, |run| {
            let rows = refusal_lines(&run.summary).into_iter().map(|line| [line]);
            table(&["gate"], &rows.collect::<Vec<_>>())
        });
    }
    if runs.iter().any(|run| !run.summary.outages.is_empty()) {
        page += "<h2>Down</h2>\n";
        columns(&mut page, &runs, |run| {
            let outages = run.summary.outages.iter();
            let rows = outages.map(|outage| [outage.to_string()]);
            table(&["exchange"], &rows.collect::<Vec<_>>())
        });
    }
    page += "<h2>Workers</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&WORKER_HEADS, &worker_rows(&run.summary))
    });
    page += "</body></html>\n";
    page
}

/// The same chart of every run, on the same axes; `None` if no run has any of its stages.
fn chart_row(title: &str, stages: &[&str], runs: &[&Run]) -> Option<String> {
    let of = |run: &'_ Run| -> Vec<(usize, String)> {
        let known = |stage: &&str| run.curves.iter().position(|(name, _)| name == stage);
        let found = stages
            .iter()
            .filter_map(|stage| Some((known(stage)?, (*stage).to_owned())));
        found.collect()
    };
    let points: Vec<&[Point]> = runs
        .iter()
        .flat_map(|run| of(run).into_iter().map(|(at, _)| &run.curves[at].1[..]))
        .collect();
    if points.is_empty() {
        return None;
    }
    let (range, nines) = (
        Range::around(points.iter().copied()),
        nines(points.iter().copied()),
    );
    let mut out = format!("<h2>{title}</h2>\n");
    columns(&mut out, runs, |run| {
        let curves: Vec<Curve<'_>> = stages
            .iter()
            .map(|stage| Curve {
                name: stage,
                points: run
                    .curves
                    .iter()
                    .find(|(name, _)| name == stage)
                    .map_or(&[], |c| &c.1),
            })
            .collect();
        format!(
            "<figure>{}{}</figure>\n",
            legend(&curves),
            chart(title, &curves, range, nines)
        )
    });
    Some(out)
}

/// Names of the curves that have points. Each has its curve's class, and so the same colour in both
/// runs.
fn legend(curves: &[Curve<'_>]) -> String {
    let mut out = String::from("<figcaption>");
    for (number, curve) in curves.iter().enumerate() {
        if !curve.points.is_empty() {
            let name = text(curve.name);
            push(
                &mut out,
                format_args!(
                    "<span><svg class=\"key\" viewBox=\"0 0 22 8\"><path class=\"c{number}\" \
                     d=\"M1 4H21\"/></svg>{name}</span>"
                ),
            );
        }
    }
    out + "</figcaption>"
}

fn facts(run: &Run) -> String {
    let summary = &run.summary;
    let orders = &summary.orders;
    let seed = summary
        .seed
        .map_or_else(|| "-".to_owned(), |seed| seed.to_string());
    let mut out = String::from("<dl>");
    for (name, value) in [
        ("version", summary.version.clone()),
        ("started", summary.started.clone()),
        ("lasted", span(summary.duration_ns)),
        ("mode", summary.mode.clone()),
        ("wait", summary.wait.clone()),
        ("seed", seed),
        ("orders sent", count(orders.sent)),
        (
            "filled / expired / rejected",
            [orders.filled, orders.expired, orders.rejected]
                .map(count)
                .join(" / "),
        ),
        (
            "not sent / unknown",
            [orders.not_sent, orders.unknown].map(count).join(" / "),
        ),
        ("fills", count(orders.fills)),
    ] {
        push(
            &mut out,
            format_args!("<div><dt>{name}</dt><dd>{}</dd></div>", text(&value)),
        );
    }
    out + "</dl>\n"
}

const WORKER_HEADS: [&str; 8] = [
    "worker",
    "lanes",
    "turns",
    "turn p99",
    "longest turn",
    "longest gap",
    "page faults",
    "preempted",
];

fn worker_rows(summary: &Summary) -> Vec<[String; 8]> {
    let row = |worker: &super::summary::Worker| {
        let placed = summary
            .placement
            .iter()
            .find(|placed| placed.worker == worker.worker);
        [
            worker.worker.to_string(),
            placed.map_or_else(String::new, |placed| placed.lanes.join(", ")),
            count(worker.turns),
            span(worker.turn_p99_ns),
            span(worker.turn_max_ns),
            span(worker.gap_max_ns),
            count(worker.faults_minor + worker.faults_major),
            count(worker.switches_involuntary),
        ]
    };
    summary.workers.iter().map(row).collect()
}

fn table<const N: usize>(heads: &[&str; N], rows: &[[String; N]]) -> String {
    let mut out = String::from("<div class=\"wide\"><table><thead><tr>");
    for head in heads {
        push(&mut out, format_args!("<th>{head}</th>"));
    }
    out += "</tr></thead><tbody>";
    for row in rows {
        out += "<tr>";
        for cell in row {
            push(&mut out, format_args!("<td>{}</td>", text(cell)));
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div>\n"
}

/// If there are two runs, each part says whose it is: on a narrow screen the parts stand below each
/// other.
fn columns(page: &mut String, runs: &[&Run], each: impl Fn(&Run) -> String) {
    *page += "<div class=\"runs\">";
    for run in runs {
        let head = match runs {
            [_] => String::new(),
            _ => format!("<h3>{}</h3>", text(&run.name)),
        };
        push(
            page,
            format_args!("<section>{head}{}</section>\n", each(run)),
        );
    }
    *page += "</div>\n";
}

/// Text for HTML, in an element or in a quoted attribute.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c => out.push(c),
        }
    }
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // A string takes all.
}

const STYLE: &str = include_str!("report.css");

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;

    #[test]
    fn two_runs_stand_beside_each_other_and_draw_nothing_that_is_not_there() {
        let page = html(&run("one"), Some(&run("two")));
        assert_eq!(
            page.matches("<section>").count(),
            page.matches("</section>").count()
        );
        assert_eq!(
            page.matches("<figure>").count(),
            4,
            "decode and tick_to_wire, twice"
        );
        assert!(!page.contains("Out: order to exchange"));
        assert!(page.contains("<td>1.45 µs</td>"));
        // Every part says whose it is: facts, two charts, stages, exchanges, books and workers.
        assert_eq!(page.matches("<h3>one</h3>").count(), 7);
        assert_eq!(page.matches("<h3>two</h3>").count(), 7);
        let alone = html(&run("one"), None);
        assert_eq!(alone.matches(">one</h").count(), 1);
    }

    #[test]
    fn a_page_needs_nothing_from_anywhere_and_runs_nothing() {
        let mut evil = run("<script>alert(1)</script>");
        evil.summary.books[0].name = "\"><img src=x onerror='alert(1)'>".to_owned();
        evil.summary.version = "&<b>".to_owned();
        let page = html(&evil, None);
        for forbidden in [
            "<script", "<img", "<b>", "http:", "https:", "url(", "@import",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }

    fn run(name: &str) -> Run {
        let points: Vec<Point> = [(0.0, 1.0), (0.9, 2.0), (0.99, 7.5), (1.0, 1_300.0)]
            .map(|(quantile, us)| Point { quantile, us })
            .to_vec();
        Run {
            name: name.to_owned(),
            summary: example(),
            curves: ["decode", "tick_to_wire"]
                .map(|s| (s.to_owned(), points.clone()))
                .to_vec(),
        }
    }
}
