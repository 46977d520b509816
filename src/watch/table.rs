//! Summaries as plain text: tables for a terminal, and the status line. Writes strings only.

use super::log::escape;
use super::summary::{Status, Summary};

/// A span with three significant digits in the unit that suits it: `950 ns`, `1.45 µs`, `20.0 ms`, `3.20 s`.
pub fn span(ns: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    // 999.5 of a unit would round to 1000: it belongs to the next one.
    let fits = |(_, unit): &&(&str, f64)| (ns as f64) < 999.5 * unit;
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&UNITS[3]);
    let value = ns as f64 / unit;
    let decimals = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {name}")
}

/// A count with thousands set apart: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The heads of the stage table.
pub const STAGE_HEADS: [&str; 7] = ["stage", "count", "p50", "p90", "p99", "p99.9", "max"];
/// The heads of the books table.
pub const BOOK_HEADS: [&str; 7] = [
    "book",
    "updates",
    "gaps",
    "resyncs",
    "incomplete",
    "unverified",
    "wrong for",
];

/// The rows of the stage table.
pub fn stage_rows(summary: &Summary) -> Vec<[String; 7]> {
    let stages = summary.stages.iter();
    let row = |s: &super::summary::StageLatency| {
        let values = [s.p50_ns, s.p90_ns, s.p99_ns, s.p999_ns, s.max_ns];
        let [p50, p90, p99, p999, max] = values.map(span);
        [s.stage.clone(), count(s.count), p50, p90, p99, p999, max]
    };
    stages.map(row).collect()
}

/// The rows of the books table. A book that nobody could check is wrong for `-`.
pub fn book_rows(summary: &Summary) -> Vec<[String; 7]> {
    let books = summary.books.iter();
    let row = |b: &super::summary::Book| {
        let counts = [b.updates, b.gaps, b.resyncs, b.incomplete, b.unverified];
        let [updates, gaps, resyncs, incomplete, unverified] = counts.map(count);
        let wrong = b.wrong_ns.map_or_else(|| "-".to_owned(), span);
        [
            b.instrument.clone(),
            updates,
            gaps,
            resyncs,
            incomplete,
            unverified,
            wrong,
        ]
    };
    books.map(row).collect()
}

/// The stage table, then the books table, for a terminal.
pub fn render_table(summary: &Summary) -> String {
    let mut out = columns(&STAGE_HEADS, &stage_rows(summary));
    if !summary.books.is_empty() {
        out.push('\n');
        out += &columns(&BOOK_HEADS, &book_rows(summary));
    }
    out
}

/// One line on where a run is: `  12 s  books 3/3  2,481 msg/s  orders 14  tick-to-wire p50 13.0 µs  p99 41.2 µs`.
pub fn status_line(status: &Status) -> String {
    let latency = match status.tick_to_wire_ns {
        Some((p50, p99)) => format!("p50 {:>7}  p99 {:>7}", span(p50), span(p99)),
        None => "-".to_owned(),
    };
    format!(
        "{:>4} s  books {}/{}  {:>7} msg/s  orders {:>5}  tick-to-wire {latency}",
        status.elapsed.0 / 1_000_000_000,
        status.books_live,
        status.books,
        count(status.messages_per_s),
        count(status.orders_sent),
    )
}

/// The first column is words, set to the left; the others are numbers, set to the right.
fn columns<const N: usize>(heads: &[&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.clone().map(escaped)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = line(heads, &widths);
    out += &widths.map(|width| "-".repeat(width)).join("  ");
    out.push('\n');
    rows.iter().for_each(|row| out += &line(row, &widths));
    out
}

fn line<const N: usize>(cells: &[impl AsRef<str>; N], widths: &[usize; N]) -> String {
    let cell = |column: usize| {
        let (text, width) = (cells[column].as_ref(), widths[column]);
        match column {
            0 => format!("{text:<width$}"),
            _ => format!("{text:>width$}"),
        }
    };
    let cells: [String; N] = std::array::from_fn(cell);
    cells.join("  ") + "\n"
}

fn escaped(text: String) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;
    use crate::base::Nanos;

    #[test]
    fn a_span_has_three_digits_and_a_unit_that_suits_it() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_450, "1.45 µs"),
            (9_996, "10.0 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_600, "1.00 ms"),
            (20_000_000, "20.0 ms"),
            (3_200_000_000, "3.20 s"),
            (60_000_000_000, "60.0 s"),
            (5_000_000_000_000, "5000 s"),
        ] {
            assert_eq!(span(ns), text);
        }
    }

    #[test]
    fn a_count_has_its_thousands_set_apart() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn the_tables_stand_in_columns() {
        assert_eq!(
            render_table(&example()),
            "\
stage          count      p50      p90      p99    p99.9      max
------------  ------  -------  -------  -------  -------  -------
decode        12,345  1.45 µs  2.90 µs  7.25 µs  58.0 µs  1.30 ms
tick_to_wire  12,345  13.0 µs  26.0 µs  65.0 µs   520 µs  11.7 ms

book     updates  gaps  resyncs  incomplete  unverified  wrong for
-------  -------  ----  -------  ----------  ----------  ---------
BTCUSDT    1,500     0        0           0           0       0 ns
"
        );
    }

    #[test]
    fn a_status_line_says_nothing_of_orders_that_never_were() {
        let mut status = Status {
            elapsed: Nanos::from_secs(12),
            books_live: 2,
            books: 3,
            messages_per_s: 2_481,
            ..Status::default()
        };
        assert_eq!(
            status_line(&status),
            "  12 s  books 2/3    2,481 msg/s  orders     0  tick-to-wire -"
        );
        status.tick_to_wire_ns = Some((13_000, 41_200));
        assert!(status_line(&status).ends_with("tick-to-wire p50 13.0 µs  p99 41.2 µs"));
    }
}
