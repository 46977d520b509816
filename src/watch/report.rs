//! A run, or two side by side, as one HTML page that loads nothing else. Reads and writes no file.
//!
//! It escapes everything that a run's files say: the files may come from somebody else.

use super::compare;
use super::figures::{count, span};
use super::hdr::Point;
use super::plot::{Curve, Range, chart, nines};
use super::summary::Summary;
use super::table::{
    BOOK_HEADS, EXCHANGE_HEADS, PNL_HEADS, STAGE_HEADS, balances, book_rows, exchange_rows,
    pnl_rows, refusal_lines, stage_rows,
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

/// The stages of the road, as the charts of the page show them.
pub(crate) const STAGES: [&str; 14] = [
    "tick_to_wire",
    "tick_to_wire_safe",
    "kernel",
    "kernel_safe",
    "read",
    "frame",
    "decode",
    "book",
    "queue",
    "decide",
    "admit",
    "send",
    "wire",
    "ack",
];

/// The charts of the page, and the stages on each, by their places in [`STAGES`]: spans of similar
/// size on one side of the engine.
const CHARTS: [(&str, std::ops::Range<usize>); 4] = [
    ("Tick to wire", 0..2),
    ("In: packet to book", 2..8),
    ("Engine: ring to order", 8..11),
    ("Out: order to exchange", 11..14),
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
    page += "<div class=\"charts\">";
    for (title, stages) in CHARTS {
        page += &overlaid(title, &STAGES[stages], &runs).unwrap_or_default();
    }
    page += "</div>\n<h2>Stages</h2>\n";
    if let Some(against) = against {
        let rows = compare::rows(&run.summary, &against.summary);
        page += &table(&compare::HEADS, &rows);
    }
    columns(&mut page, &runs, |run| {
        let rows = match against {
            None => table(&STAGE_HEADS, &stage_rows(&run.summary)),
            Some(_) => String::new(), // They stand in one table.
        };
        let silent = compare::silent(&run.summary);
        rows + &silent.map_or_else(String::new, |said| format!("<p>{said}</p>\n"))
    });
    page += "<h2>Exchanges</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&EXCHANGE_HEADS, &exchange_rows(&run.summary))
    });
    page += "<h2>Books</h2>\n";
    columns(&mut page, &runs, |run| {
        table(&BOOK_HEADS, &book_rows(&run.summary))
    });
    if runs.iter().any(|run| has_money(&run.summary)) {
        page += "<h2>Profit and loss</h2>\n";
        columns(&mut page, &runs, |run| {
            let said = balances(&run.summary).into_iter();
            let said = said.map(|said| format!("<p>{}</p>\n", text(&said)));
            table(&PNL_HEADS, &pnl_rows(&run.summary)) + &said.collect::<String>()
        });
    }
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

/// One chart with the curves of every run; `None` if no run has any of its stages. A stage has the
/// same colour in both runs, and the second run's lines are thin.
fn overlaid(title: &str, stages: &[&str], runs: &[&Run]) -> Option<String> {
    let mut curves = Vec::new();
    for (nth, run) in runs.iter().enumerate() {
        for (number, stage) in stages.iter().enumerate() {
            let found = run.curves.iter().find(|(name, _)| name == stage);
            if let Some((_, points)) = found.filter(|(_, points)| !points.is_empty()) {
                let class = match nth {
                    0 => format!("c{number}"),
                    _ => format!("c{number} against"),
                };
                let name = *stage;
                curves.push(Curve {
                    name,
                    class,
                    points,
                });
            }
        }
    }
    if curves.is_empty() {
        return None;
    }
    let points = || curves.iter().map(|curve| curve.points);
    let (range, nines) = (Range::around(points()), nines(points()));
    Some(format!(
        "<section><h2>{title}</h2><figure>{}{}</figure></section>\n",
        legend(&curves, runs),
        chart(title, &curves, range, nines)
    ))
}

/// Names of the stages that have points, each in its curve's colour, and whose the thin lines are.
fn legend(curves: &[Curve<'_>], runs: &[&Run]) -> String {
    let mut out = String::from("<figcaption>");
    let mut named: Vec<&str> = Vec::new();
    for curve in curves {
        if !named.contains(&curve.name) {
            named.push(curve.name);
            let (name, class) = (text(curve.name), curve.class.replace(" against", ""));
            push(
                &mut out,
                format_args!(
                    "<span><svg class=\"key\" viewBox=\"0 0 22 8\"><path class=\"{class}\" \
                     d=\"M1 4H21\"/></svg>{name}</span>"
                ),
            );
        }
    }
    if let [run, against] = runs {
        let (run, against) = (text(&run.name), text(&against.name));
        push(
            &mut out,
            format_args!("<span>thick: {run}; thin: {against}</span>"),
        );
    }
    out + "</figcaption>"
}

fn has_money(summary: &Summary) -> bool {
    !summary.pnl.is_empty() || !summary.balances.is_empty()
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

/// Characters of a cell that stay on one line.
const CELL_MAX: usize = 40;

fn table<const N: usize>(heads: &[&str; N], rows: &[[String; N]]) -> String {
    let mut out = String::from("<div class=\"wide\"><table><thead><tr>");
    for head in heads {
        push(&mut out, format_args!("<th>{head}</th>"));
    }
    out += "</tr></thead><tbody>";
    for row in rows {
        out += "<tr>";
        for cell in row {
            let class = match cell.chars().count() {
                0..=CELL_MAX => "",
                _ => " class=\"long\"",
            };
            push(&mut out, format_args!("<td{class}>{}</td>", text(cell)));
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
            2,
            "decode and tick_to_wire"
        );
        assert_eq!(page.matches("<polyline").count(), 4, "each of both runs");
        assert_eq!(page.matches("<polyline class=\"c0 against\"").count(), 1);
        assert!(page.contains("thick: one; thin: two"));
        assert!(!page.contains("Out: order to exchange"));
        assert!(page.contains("<td>1.45 µs</td>"));
        // Every part says whose it is: facts, stages, exchanges, books, profits and workers.
        assert_eq!(page.matches("<h3>one</h3>").count(), 6);
        assert_eq!(page.matches("<h3>two</h3>").count(), 6);
        let said = page.matches("<p>stages without a value: tick_to_wire_safe, ");
        assert_eq!(said.count(), 2, "of both");
        let twice = "<td>1.45 µs</td><td>1.45 µs</td><td>1</td>";
        assert!(
            page.contains(twice),
            "values beside each other, and their ratio"
        );
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

    #[test]
    fn no_table_is_wider_than_a_page_of_1280_pixels() {
        // Of the page 1280 px, two paddings of 1.5 rem are empty. Text has 13.5 px: a digit or a
        // letter takes 8 px at most on average, a cell's padding 2 x 0.45 em.
        const ROOM_PX: usize = 1280 - 2 * 24;
        let px = |cell: usize| cell.min(CELL_MAX) * 8 + 13;
        let widest = |heads: &[&str], rows: &[Vec<String>]| -> usize {
            let column = |n: usize| {
                let cells = rows.iter().map(|row| row[n].chars().count());
                px(cells.chain([heads[n].len()]).max().unwrap_or(0))
            };
            (0..heads.len()).map(column).sum()
        };
        let mut run = run("one");
        let summary = &mut run.summary;
        let mut stage = summary.stages[0].clone();
        (stage.stage, stage.count) = ("tick_to_wire_safe".to_owned(), 1_234_567_890);
        (stage.p50_ns, stage.p99_ns) = (12_345, 12_345_678);
        summary.stages.push(stage);
        summary.books[0].name = "kraken-futures:BTC-USD-PERP-250328".to_owned();
        summary.books[0].symbol = "FI_XBTUSD_250328".to_owned();
        summary.books[0].updates = 1_234_567_890;
        let vec = |rows: Vec<[String; 15]>| rows.into_iter().map(Vec::from).collect::<Vec<_>>();
        let compared = vec(compare::rows(&run.summary, &run.summary));
        assert!(widest(&compare::HEADS, &compared) <= ROOM_PX, "stages");
        let books: Vec<Vec<String>> = book_rows(&run.summary).into_iter().map(Vec::from).collect();
        assert!(widest(&BOOK_HEADS, &books) <= ROOM_PX, "books");
        let pnl: Vec<Vec<String>> = pnl_rows(&run.summary).into_iter().map(Vec::from).collect();
        assert!(widest(&PNL_HEADS, &pnl) <= ROOM_PX, "profits");
        let long = vec!["x".repeat(200); 1];
        let workers = vec![[&long[..], &vec!["1,234,567".to_owned(); 7]].concat()];
        assert!(widest(&WORKER_HEADS, &workers) <= ROOM_PX, "workers");
        assert!(
            STYLE.contains("td.long { white-space: normal;"),
            "long cells are folded"
        );
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
