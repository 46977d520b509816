//! The status line: how a run stands, in one line that fits. Says also when there is news in it,
//! for readers that keep every line.

use super::figures::{count, span, sum};
use super::summary::Status;
use crate::base::{Span, Symbol};

/// How often a reader that keeps every line is told without news.
const EVERY: Span = Span::from_secs(60);

/// One line on the state of a run, at most `columns` wide:
/// `0:12  books 3/3  2,481 msg/s  orders 14  tick-to-wire 13.0 µs (p99 41.2 µs)`.
///
/// What does not fit is left out, the latencies first.
pub(crate) fn status_line(status: &Status, columns: Option<usize>) -> String {
    let columns = columns.unwrap_or(usize::MAX);
    let mut line = String::new();
    for part in parts(status) {
        let part = match line.is_empty() {
            true => part,
            false if part.starts_with('(') => format!(" {part}"),
            false => format!("  {part}"),
        };
        if line.chars().count() + part.chars().count() > columns {
            break;
        }
        line += &part;
    }
    line
}

/// In the order of their weight.
fn parts(status: &Status) -> Vec<String> {
    let books = format!("books {}/{}", status.books_live, status.books);
    let mut parts = vec![clock(status.elapsed), books];
    if let Some(in_ns) = status.snapshots_in {
        parts.push(format!("(all in {} s)", in_ns.0.div_ceil(1_000_000_000)));
    }
    if let Some(dark) = status.dark {
        let (exchange, symbol, why) = (dark.exchange, dark.symbol, dark.why);
        let dark_s = dark.span.0 / 1_000_000_000;
        parts.push(format!("dark: {exchange} {symbol} {dark_s} s {why}"));
    }
    if let Some(late) = status.late {
        parts.push(format!("late: {} {}", late.exchange, span(late.delay.0)));
    }
    parts.push(format!("{} msg/s", count(status.messages_per_s)));
    parts.push(format!("orders {}", count(status.orders_sent)));
    for (nth, (asset, units)) in status.gains.iter().flatten().enumerate() {
        let name = if nth == 0 { "P&L " } else { "" };
        let gained = sum(&(*units as f64 / 1e8).to_string());
        parts.push(format!("{name}{gained} {asset}"));
    }
    if let Some((p50, p99)) = status.tick_to_wire_ns {
        parts.push(format!("tick-to-wire {}", span(p50)));
        parts.push(format!("(p99 {})", span(p99)));
    }
    parts
}

/// `0:12`, `1:02:03`.
fn clock(elapsed: Span) -> String {
    let s = elapsed.0 / 1_000_000_000;
    match s / 3_600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

/// What a reader that keeps every line was told last.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    told: Option<State>,
    told_at: Span,
}

/// What counts as a change: which books and exchanges, and not by how much.
#[derive(Debug, PartialEq, Eq)]
struct State {
    books_live: usize,
    dark: Option<(&'static str, Symbol, &'static str)>,
    late: Option<&'static str>,
}

impl Changes {
    /// Whether the state of the run is another than the one that was told, or that is long ago.
    pub(crate) fn is_news(&mut self, status: &Status) -> bool {
        let state = State {
            books_live: status.books_live,
            dark: status
                .dark
                .map(|dark| (dark.exchange, dark.symbol, dark.why)),
            late: status.late.map(|late| late.exchange),
        };
        let due = Span(self.told_at.0.saturating_add(EVERY.0));
        let is_news = status.elapsed >= due || self.told.as_ref() != Some(&state);
        if is_news {
            (self.told, self.told_at) = (Some(state), status.elapsed);
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::LateData;
    use super::*;
    use crate::base::Nanos;

    #[test]
    fn a_status_line_says_nothing_of_orders_that_never_were() {
        let mut status = status(12);
        let line = |status: &Status| status_line(status, None);
        assert_eq!(line(&status), "0:12  books 2/3  2,481 msg/s  orders 0");
        status.snapshots_in = Some(Nanos(29_000_000_001));
        assert!(line(&status).contains("books 2/3 (all in 30 s)  "));
        status.late = Some(late(4_200_000_000));
        assert!(line(&status).contains("  late: binance 4.20 s  "));
        status.tick_to_wire_ns = Some((13_000, 41_200));
        assert!(line(&status).ends_with("tick-to-wire 13.0 µs (p99 41.2 µs)"));
        let asset = |code| crate::base::Asset::from(code).unwrap();
        status.gains[0] = Some((asset("USDT"), -123_456_789));
        status.gains[1] = Some((asset("BTC"), 5_000));
        let said = "  orders 0  P&L -1.23 USDT  0.00005 BTC  tick-to-wire 13.0 µs";
        assert!(line(&status).contains(said), "{}", line(&status));
        status.elapsed = Span::from_secs(3_723);
        assert!(line(&status).starts_with("1:02:03  books"));
    }

    #[test]
    fn a_status_line_leaves_out_what_does_not_fit_the_terminal() {
        let mut status = status(12);
        status.tick_to_wire_ns = Some((13_000, 41_200));
        let whole = status_line(&status, Some(79));
        assert!(whole.ends_with("(p99 41.2 µs)"), "{whole}");
        let less = status_line(&status, Some(whole.chars().count() - 1));
        assert!(less.ends_with("tick-to-wire 13.0 µs"), "{less}");
        for columns in 0..90 {
            let line = status_line(&status, Some(columns));
            assert!(line.chars().count() <= columns, "{line}");
        }
    }

    #[test]
    fn a_state_is_news_once_and_again_after_a_minute() {
        let (mut changes, mut told) = (Changes::default(), Vec::new());
        for second in 1..=200 {
            let mut status = status(second);
            status.late = (20..30).contains(&second).then(|| late(second));
            if changes.is_news(&status) {
                told.push(second);
            }
        }
        assert_eq!(told, [1, 20, 30, 90, 150]);
    }

    fn status(elapsed_s: u64) -> Status {
        Status {
            elapsed: Span::from_secs(elapsed_s),
            books_live: 2,
            books: 3,
            messages_per_s: 2_481,
            ..Status::default()
        }
    }

    fn late(delay_ns: u64) -> LateData {
        LateData {
            exchange: "binance",
            delay: Span(delay_ns),
        }
    }
}
