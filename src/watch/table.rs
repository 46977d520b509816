//! Summaries as plain text: tables that fit a terminal of 80 columns. Writes strings only.

mod money;

use super::figures::{count, span, sum};
use super::log::escape;
use super::summary::{Refused, Set, Summary};
pub(crate) use money::{PAGE_HEADS as PNL_HEADS, balances, page_rows as pnl_rows};

/// The heads of the stage table.
pub(crate) const STAGE_HEADS: [&str; 7] = ["stage", "count", "p50", "p90", "p99", "p99.9", "max"];
/// The heads of the exchanges table.
pub(crate) const EXCHANGE_HEADS: [&str; 8] = [
    "exchange", "live", "frames", "refused", "connects", "tick p50", "p99", "max",
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

/// The heads of the table of what was traded.
const TRADED_HEADS: [&str; 6] = ["traded", "fills", "bought", "paid", "sold", "received"];

/// Columns of characters that a table may take.
const WIDTH_MAX: usize = 80;
/// A name is never cut to fewer characters.
const NAME_MIN: usize = 12;

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
    out + &order_lines(summary) + &set_lines(summary) + &money::lines(summary) + &refused(summary)
}

/// What strategies decided, for a terminal: orders, what they traded, what risk refused, and the
/// same of each strategy.
pub(crate) fn render_decisions(summary: &Summary) -> String {
    let mut out = format!("orders: admitted {}\n", count(summary.orders.sent));
    out += &order_lines(summary);
    out += &money::lines(summary);
    out += &refused(summary);
    out.push('\n');
    for told in &summary.strategies {
        let (wanted, orders) = (count(told.intents), &told.orders);
        let refused: u64 = orders.refused.values().sum();
        let line = format!(
            "{}: wanted {wanted}, admitted {}, refused {}, fills {}",
            told.name,
            count(orders.sent),
            count(refused),
            count(orders.fills)
        );
        out += &format!("{}\n", escaped(line));
    }
    out
}

/// Values that a person set while the run went on; nothing if there were none.
fn set_lines(summary: &Summary) -> String {
    let mut out = String::new();
    for told in &summary.strategies {
        for Set {
            at,
            key,
            value,
            was,
        } in &told.set
        {
            let line = format!("{}: set {key} = {value}, was {was}, at {at}", told.name);
            out += &format!("{}\n", escaped(line));
        }
    }
    out
}

/// What risk refused, under a head of its own; nothing if it refused nothing.
fn refused(summary: &Summary) -> String {
    let lines = refusal_lines(summary);
    let head = if lines.is_empty() {
        ""
    } else {
        "\nrefused by risk\n"
    };
    let lines = lines.iter().map(|line| format!("  {line}\n"));
    head.to_owned() + &lines.collect::<String>()
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
    let traded: Vec<[String; 6]> = orders
        .traded
        .iter()
        .map(|t| {
            let [bought, paid, sold, received] = [&t.bought, &t.paid, &t.sold, &t.received];
            [
                t.name.clone(),
                count(t.fills),
                sum(bought),
                sum(paid),
                sum(sold),
                sum(received),
            ]
        })
        .collect();
    if !traded.is_empty() {
        out.push('\n');
        out += &columns(1, &TRADED_HEADS, &traded);
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
    // The name says what the symbol does.
    let without_symbol = |[name, _, rest @ ..]: [String; 8]| -> [String; 7] {
        let [updates, gaps, resyncs, incomplete, unverified, wrong] = rest;
        [name, updates, gaps, resyncs, incomplete, unverified, wrong]
    };
    let [
        name,
        _,
        updates,
        gaps,
        resyncs,
        incomplete,
        unverified,
        wrong,
    ] = BOOK_HEADS;
    let heads = [name, updates, gaps, resyncs, incomplete, unverified, wrong];
    let rows: Vec<_> = rows.into_iter().map(without_symbol).collect();
    let mut out = columns(1, &heads, &rows);
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

/// Sets the first `words` columns to the left. The others are numbers, set to the right. A table
/// that would be too wide stands closer together, and if that is not enough, its first column ends
/// in `…`.
pub(super) fn columns<const N: usize>(
    words: usize,
    heads: &[&str; N],
    rows: &[[String; N]],
) -> String {
    let mut rows: Vec<[String; N]> = rows.iter().map(|row| row.clone().map(escaped)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heads[column].len()]).max().unwrap_or(0)
    };
    let mut widths: [usize; N] = std::array::from_fn(width);
    let narrowest = widths.iter().sum::<usize>() + N - 1;
    let gap = match narrowest + N - 1 <= WIDTH_MAX {
        true => "  ",
        false => " ",
    };
    let too_wide = narrowest.saturating_sub(WIDTH_MAX);
    if too_wide > 0 {
        widths[0] = widths[0]
            .saturating_sub(too_wide)
            .max(NAME_MIN.min(widths[0]));
        rows.iter_mut().for_each(|row| cut(&mut row[0], widths[0]));
    }
    let mut out = line(words, heads, &widths, gap);
    out += &widths.map(|width| "-".repeat(width)).join(gap);
    out.push('\n');
    rows.iter()
        .for_each(|row| out += &line(words, row, &widths, gap));
    out
}

fn line<const N: usize>(
    words: usize,
    cells: &[impl AsRef<str>; N],
    widths: &[usize; N],
    gap: &str,
) -> String {
    let cell = |column: usize| {
        let (text, width) = (cells[column].as_ref(), widths[column]);
        match column < words {
            true => format!("{text:<width$}"),
            false => format!("{text:>width$}"),
        }
    };
    let cells: [String; N] = std::array::from_fn(cell);
    cells.join(gap) + "\n"
}

/// Cuts a text to `width` characters, the last of which then says that something is missing.
pub(crate) fn cut(text: &mut String, width: usize) {
    if text.chars().count() > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        *text = kept + "…";
    }
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

    #[test]
    fn the_tables_stand_in_columns() {
        assert_eq!(
            render_table(&example()),
            "\
stage          count      p50      p90      p99    p99.9      max
------------  ------  -------  -------  -------  -------  -------
decode        12,345  1.45 µs  2.90 µs  7.25 µs  58.0 µs  1.30 ms
tick_to_wire  12,345  13.0 µs  26.0 µs  65.0 µs   520 µs  11.7 ms

book              updates  gaps  resyncs  incomplete  unverified  wrong for
----------------  -------  ----  -------  ----------  ----------  ---------
binance:BTC-USDT    1,500     0        0           0           0       0 ns

orders: sent 10; filled 5, expired 4, rejected 1

traded            fills  bought    paid  sold  received
----------------  -----  ------  ------  ----  --------
binance:BTC-USDT      7     0.5  32,126   0.2    12,850

pnl               position  average  realised  unrealised  fees  total
----------------  --------  -------  --------  ----------  ----  -----
binance:BTC-USDT       0.3   64,251      12.3       -3.21  32.1    -23

fees: 0.0005 BTC
"
        );
    }

    #[test]
    fn of_many_books_those_are_shown_that_have_something_to_tell() {
        let mut summary = example();
        summary.orders.traded.clear();
        summary.pnl.clear();
        let mut quiet = summary.books[0].clone();
        quiet.wrong_ns = Some(0);
        summary.books = vec![quiet; 60];
        summary.books[7].gaps = 3;
        let table = render_table(&summary);
        assert!(
            table.contains("and 59 more books, which are in summary.json\n"),
            "{table}"
        );
        assert_eq!(table.matches("binance:BTC-USDT").count(), 1);
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
exchange  live  frames  refused  connects  tick p50      p99      max
--------  ----  ------  -------  --------  --------  -------  -------
binance    1/1   1,510        0         1   21.0 µs  99.0 µs  1.20 ms
okx        0/1       0        0         0         -        -        -
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
        let halted = Refused {
            gate: "halted".to_owned(),
            count: 1,
            ..Refused::default()
        };
        let of = Some("binance:BTC-USDT".to_owned());
        summary.orders.refusals = vec![
            halted,
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
  halted 1 ×
  quantity_max 1,204 × (limit 0.01, last 1 of binance:BTC-USDT)
  book_late 1,204 × (limit 500 ms, worst 4.20 s)
  book_stale 1,204 × (limit 3.00 s, worst 7.20 s)
  price_collar 1,204 × (limit 50 bps, worst 63 bps)
"
        ));
    }

    #[test]
    fn no_table_of_long_names_and_large_counts_is_wider_than_a_terminal() {
        let mut summary = example();
        let book = &mut summary.books[0];
        book.name = "a-very-long-exchange:A-VERY-LONG-NAME-PERP".to_owned();
        (book.updates, book.unverified) = (123_456_789, 123_456_789);
        book.wrong_ns = Some(12_300_000);
        let exchange = &mut summary.exchanges[0];
        exchange.exchange = "exchange-with-a-name".to_owned();
        (exchange.books_live, exchange.books) = (1_000, 1_000);
        exchange.frames = 1_234_567_890;
        summary.exchanges.push(summary.exchanges[0].clone());
        let traded = &mut summary.orders.traded[0];
        traded.name = "a-very-long-exchange:A-VERY-LONG-NAME-PERP".to_owned();
        traded.paid = "123456789012.345678".to_owned();
        let mut pnl = summary.pnl[0].clone();
        pnl.strategy = Some("a strategy with a name".to_owned());
        pnl.instrument = "a-very-long-exchange:A-VERY-LONG-NAME-PERP".to_owned();
        pnl.realised = "-1234567890.25".to_owned();
        summary.pnl.push(pnl);
        let table = render_table(&summary);
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH_MAX, "{line}");
        }
        assert!(table.contains("…"), "{table}");
        assert!(table.contains("123,456,789,012"), "{table}");
    }
}
