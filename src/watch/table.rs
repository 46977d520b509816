//! Summaries as plain text: tables for a terminal, and the status line. Writes strings only.

use super::log::escape;
use super::summary::{Refused, Status, Summary};

/// A span with three significant digits in the unit that suits it: `950 ns`, `1.45 µs`, `20.0 ms`,
/// `3.20 s`.
pub(crate) fn span(ns: u64) -> String {
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
pub(crate) fn count(n: u64) -> String {
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
pub(crate) const STAGE_HEADS: [&str; 7] = ["stage", "count", "p50", "p90", "p99", "p99.9", "max"];
/// The heads of the exchanges table.
pub(crate) const EXCHANGE_HEADS: [&str; 8] = [
    "exchange",
    "live",
    "frames",
    "refused",
    "connects",
    "tick to event p50",
    "p99",
    "max",
];
/// The heads of the books table.
pub(crate) const BOOK_HEADS: [&str; 8] = [
    "book",
    "symbol",
    "updates",
    "gaps",
    "resyncs",
    "incomplete",
    "unverified",
    "wrong for",
];

/// Books that the table shows, at most.
const BOOKS_SHOWN: usize = 40;

/// The rows of the stage table.
pub(crate) fn stage_rows(summary: &Summary) -> Vec<[String; 7]> {
    let stages = summary.stages.iter();
    let row = |s: &super::summary::StageLatency| {
        let values = [s.p50_ns, s.p90_ns, s.p99_ns, s.p999_ns, s.max_ns];
        let [p50, p90, p99, p999, max] = values.map(span);
        [s.stage.clone(), count(s.count), p50, p90, p99, p999, max]
    };
    stages.map(row).collect()
}

/// The rows of the exchanges table. One whose books never had an update has `-` for its times.
pub(crate) fn exchange_rows(summary: &Summary) -> Vec<[String; 8]> {
    let row = |e: &super::summary::Exchange| {
        let time = |ns| match e.ticks {
            0 => "-".to_owned(),
            _ => span(ns),
        };
        [
            e.exchange.clone(),
            format!("{}/{}", e.books_live, e.books),
            count(e.frames),
            count(e.bad_frames),
            count(e.connects),
            time(e.p50_ns),
            time(e.p99_ns),
            time(e.max_ns),
        ]
    };
    summary.exchanges.iter().map(row).collect()
}

/// The rows of the books table. A book that nobody could check has `-` for `wrong for`.
pub(crate) fn book_rows(summary: &Summary) -> Vec<[String; 8]> {
    let books = summary.books.iter();
    let row = |b: &super::summary::Book| {
        let counts = [b.updates, b.gaps, b.resyncs, b.incomplete, b.unverified];
        let [updates, gaps, resyncs, incomplete, unverified] = counts.map(count);
        let wrong = b.wrong_ns.map_or_else(|| "-".to_owned(), span);
        [
            b.name.clone(),
            b.symbol.clone(),
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

/// The stage table, then the exchanges table if there are several, then the books table, for a
/// terminal.
pub(crate) fn render_table(summary: &Summary) -> String {
    let mut out = columns(1, &STAGE_HEADS, &stage_rows(summary));
    if summary.exchanges.len() > 1 {
        out.push('\n');
        out += &columns(1, &EXCHANGE_HEADS, &exchange_rows(summary));
    }
    if !summary.books.is_empty() {
        out.push('\n');
        out += &books(summary);
    }
    if !summary.outages.is_empty() {
        out.push('\n');
    }
    for outage in &summary.outages {
        out += &format!("{}\n", escaped(outage.to_string()));
    }
    out += &late_lines(summary);
    out += &order_lines(summary);
    let refused = refusal_lines(summary);
    if !refused.is_empty() {
        out += "\nrefused by risk\n";
        refused
            .iter()
            .for_each(|line| out += &format!("  {line}\n"));
    }
    out
}

/// How late the data of each exchange came; nothing if all of it came in time.
fn late_lines(summary: &Summary) -> String {
    let late = summary.exchanges.iter().filter(|e| e.late_updates > 0);
    let line = |e: &super::summary::Exchange| {
        let (exchange, updates) = (escaped(e.exchange.clone()), count(e.late_updates));
        match e.late_ns {
            0 => format!("{exchange}: {updates} update(s) came late\n"),
            ns => format!(
                "{exchange}: data was late for {}, at most {} ({updates} update(s))\n",
                span(ns),
                span(e.delay_max_ns)
            ),
        }
    };
    let lines: String = late.map(line).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("\n{lines}"),
    }
}

/// What became of orders, and what they traded; nothing if there were none.
fn order_lines(summary: &Summary) -> String {
    let orders = &summary.orders;
    if orders.sent + orders.not_sent == 0 {
        return String::new();
    }
    let ends = [
        ("filled", orders.filled),
        ("cancelled", orders.cancelled),
        ("expired", orders.expired),
        ("rejected", orders.rejected),
        ("not sent", orders.not_sent),
        ("unknown", orders.unknown),
    ];
    let ends = ends.iter().filter(|(_, n)| *n > 0);
    let ends: Vec<String> = ends
        .map(|(end, n)| format!("{end} {}", count(*n)))
        .collect();
    let mut out = format!(
        "\norders: sent {}; {}\n",
        count(orders.sent),
        ends.join(", ")
    );
    for t in &orders.traded {
        let fills = count(t.fills);
        let line = format!(
            "{}: {fills} fill(s), bought {} for {}, sold {} for {}",
            t.name, t.bought, t.paid, t.sold, t.received
        );
        out += &format!("  {}\n", escaped(line));
    }
    out
}

/// What risk refused, one line per gate: `price_collar 12 × (limit 50 bps, worst 63 bps)`.
pub(crate) fn refusal_lines(summary: &Summary) -> Vec<String> {
    summary.orders.refusals.iter().map(refusal_line).collect()
}

fn refusal_line(refused: &Refused) -> String {
    let mut line = format!("{} {} ×", refused.gate, count(refused.count));
    if let (Some(unit), Some(limit), Some(found)) = (&refused.unit, &refused.limit, &refused.found)
    {
        let number = |text: &str| match (unit.as_str(), text.parse()) {
            ("ns", Ok(ns)) => span(ns),
            ("bps" | "orders", _) => format!("{text} {unit}"),
            _ => text.to_owned(),
        };
        let (limit, found) = (number(limit), number(found));
        line += &match &refused.instrument {
            None => format!(" (limit {limit}, worst {found})"),
            Some(instrument) => format!(" (limit {limit}, last {found} of {instrument})"),
        };
    }
    escaped(line)
}

/// Every book, or, if they are many, only those with something to report.
fn books(summary: &Summary) -> String {
    let mut rows = book_rows(summary);
    let all = rows.len();
    if all > BOOKS_SHOWN {
        let mut told = summary.books.iter().map(|book| {
            let quiet = [book.gaps, book.resyncs, book.unverified] == [0; 3];
            !quiet
                || !book.dark.is_empty()
                || book.updates == 0
                || book.wrong_ns.is_some_and(|wrong| wrong > 0)
        });
        rows.retain(|_| told.next().unwrap_or(true));
        rows.truncate(BOOKS_SHOWN);
    }
    let left = all - rows.len();
    let mut out = columns(2, &BOOK_HEADS, &rows);
    for book in summary
        .books
        .iter()
        .filter(|book| !book.dark.is_empty())
        .take(BOOKS_SHOWN)
    {
        let (name, span, why) = (escaped(book.name.clone()), span(book.dark_ns), &book.dark);
        out += &format!("{name} is not live for {span}: {why}\n");
    }
    if left > 0 {
        out += &format!("and {left} more books, which are in summary.json\n");
    }
    out
}

/// One line on the state of a run:
/// `12 s books 3/3 2,481 msg/s orders 14 tick-to-wire p50 13.0 µs p99 41.2 µs`, in columns.
pub(crate) fn status_line(status: &Status) -> String {
    let latency = match status.tick_to_wire_ns {
        Some((p50, p99)) => format!("p50 {:>7}  p99 {:>7}", span(p50), span(p99)),
        None => "-".to_owned(),
    };
    let planned = match status.snapshots_in {
        Some(span) => format!(" (all in {} s)", span.0.div_ceil(1_000_000_000)),
        None => String::new(),
    };
    let dark = match status.dark {
        Some(dark) => format!(
            "  dark: {} {} {} s {}",
            dark.exchange,
            dark.symbol,
            dark.span.0 / 1_000_000_000,
            dark.why
        ),
        None => String::new(),
    };
    let late = match status.late {
        Some(late) => format!("  late: {} {}", late.exchange, span(late.delay.0)),
        None => String::new(),
    };
    format!(
        "{:>4} s  books {}/{}{planned}{dark}{late}  {:>7} msg/s  orders {:>5}  tick-to-wire \
         {latency}",
        status.elapsed.0 / 1_000_000_000,
        status.books_live,
        status.books,
        count(status.messages_per_s),
        count(status.orders_sent),
    )
}

/// Sets the first `words` columns to the left. The others are numbers, set to the right.
fn columns<const N: usize>(words: usize, heads: &[&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.clone().map(escaped)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = line(words, heads, &widths);
    out += &widths.map(|width| "-".repeat(width)).join("  ");
    out.push('\n');
    rows.iter()
        .for_each(|row| out += &line(words, row, &widths));
    out
}

fn line<const N: usize>(words: usize, cells: &[impl AsRef<str>; N], widths: &[usize; N]) -> String {
    let cell = |column: usize| {
        let (text, width) = (cells[column].as_ref(), widths[column]);
        match column < words {
            true => format!("{text:<width$}"),
            false => format!("{text:>width$}"),
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
    use super::super::summary::{LateData, tests::example};
    use super::*;
    use crate::base::{Nanos, Span};

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

book              symbol   updates  gaps  resyncs  incomplete  unverified  wrong for
----------------  -------  -------  ----  -------  ----------  ----------  ---------
binance:BTC-USDT  BTCUSDT    1,500     0        0           0           0       0 ns

orders: sent 10; filled 5, expired 4, rejected 1
  binance:BTC-USDT: 7 fill(s), bought 0.5 for 32125.5, sold 0.2 for 12850.2
"
        );
    }

    #[test]
    fn of_many_books_those_are_shown_that_have_something_to_tell() {
        let mut summary = example();
        summary.orders.traded.clear();
        let mut quiet = summary.books[0].clone();
        quiet.wrong_ns = Some(0);
        summary.books = vec![quiet; 60];
        summary.books[7].gaps = 3;
        let table = render_table(&summary);
        assert!(
            table.contains("and 59 more books, which are in summary.json\n"),
            "{table}"
        );
        assert_eq!(table.matches("binance:BTC-USDT  BTCUSDT").count(), 1);
    }

    #[test]
    fn an_exchange_whose_data_was_late_says_for_how_long_and_by_how_much() {
        let mut summary = example();
        assert!(!render_table(&summary).contains("late"));
        summary.exchanges[0].late_updates = 1_610;
        let table = render_table(&summary);
        assert!(
            table.contains("\n\nbinance: 1,610 update(s) came late\n\norders"),
            "{table}"
        );
        summary.exchanges[0].late_ns = 12_000_000_000;
        summary.exchanges[0].delay_max_ns = 4_200_000_000;
        let table = render_table(&summary);
        let wanted = "binance: data was late for 12.0 s, at most 4.20 s (1,610 update(s))\n";
        assert!(table.contains(wanted), "{table}");
    }

    #[test]
    fn several_exchanges_have_a_table_of_their_own() {
        let mut summary = example();
        summary.exchanges.push(super::super::summary::Exchange {
            exchange: "okx".to_owned(),
            books: 1,
            ..Default::default()
        });
        let table = render_table(&summary);
        let wanted = "\
exchange  live  frames  refused  connects  tick to event p50      p99      max
--------  ----  ------  -------  --------  -----------------  -------  -------
binance    1/1   1,510        0         1            21.0 µs  99.0 µs  1.20 ms
okx        0/1       0        0         0                  -        -        -
";
        assert!(table.contains(wanted), "{table}");
    }

    #[test]
    fn refusals_say_the_limit_and_the_worst_or_the_latest_that_was_found() {
        let mut summary = example();
        let refused = |gate: &str, unit: &str, [limit, found]: [&str; 2]| Refused {
            gate: gate.to_owned(),
            count: 1_204,
            unit: Some(unit.to_owned()),
            limit: Some(limit.to_owned()),
            found: Some(found.to_owned()),
            instrument: None,
        };
        let killed = Refused {
            gate: "killed".to_owned(),
            count: 1,
            ..Refused::default()
        };
        let of = Some("binance:BTC-USDT".to_owned());
        summary.orders.refusals = vec![
            killed,
            Refused {
                instrument: of,
                ..refused("quantity_max", "quantity", ["0.01", "1"])
            },
            refused("book_late", "ns", ["500000000", "4200000000"]),
            refused("book_stale", "ns", ["3000000000", "7204000000"]),
            refused("price_collar", "bps", ["50", "63"]),
        ];
        assert!(render_table(&summary).ends_with(
            "
refused by risk
  killed 1 ×
  quantity_max 1,204 × (limit 0.01, last 1 of binance:BTC-USDT)
  book_late 1,204 × (limit 500 ms, worst 4.20 s)
  book_stale 1,204 × (limit 3.00 s, worst 7.20 s)
  price_collar 1,204 × (limit 50 bps, worst 63 bps)
"
        ));
    }

    #[test]
    fn a_status_line_says_nothing_of_orders_that_never_were() {
        let mut status = Status {
            elapsed: Span::from_secs(12),
            books_live: 2,
            books: 3,
            messages_per_s: 2_481,
            ..Status::default()
        };
        assert_eq!(
            status_line(&status),
            "  12 s  books 2/3    2,481 msg/s  orders     0  tick-to-wire -"
        );
        status.snapshots_in = Some(Nanos(29_000_000_001));
        assert!(status_line(&status).contains("books 2/3 (all in 30 s)  "));
        status.late = Some(LateData {
            exchange: "binance",
            delay: Span(4_200_000_000),
        });
        assert!(status_line(&status).contains("  late: binance 4.20 s  "));
        status.tick_to_wire_ns = Some((13_000, 41_200));
        assert!(status_line(&status).ends_with("tick-to-wire p50 13.0 µs  p99 41.2 µs"));
    }
}
