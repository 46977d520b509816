use super::*;
use crate::base::{Instrument, InstrumentId, Nanos, Px, Symbol, UnixNanos};
use crate::watch::log::Anchor;

const BTC: InstrumentId = InstrumentId(0);
const TERMINAL: Look = Look {
    colour: false,
    columns: Some(80),
};
const FILE: Look = Look {
    colour: false,
    columns: None,
};

#[test]
fn an_order_is_one_line_with_its_end_its_cause_and_its_time_to_the_wire() {
    let notes = [
        admitted(7),
        record("order.receipt")
            .with("order", Value::Int(7))
            .with("kernel_ns", Value::Int(100_000))
            .with("send_ns", Value::Int(50_000))
            .with("ack_ns", Value::Int(9_000_000))
            .with("wire_ns", Value::Int(25_000)),
        report("order.acked", 1_000, None),
        report("order.filled", 780, None),
        report("order.expired", 780, Some("expired")),
    ];
    assert_eq!(
        shown(&notes, TERMINAL, &["imbalance"]),
        "22:13:20 binance BTCUSDT  sell 1 at 64250.11  22 % filled  imbalance -0.514  175 µs\n"
            .replace("  175 µs", "") // There is no room for it in 80 columns.
    );
    assert!(shown(&notes, FILE, &["imbalance"]).ends_with("  imbalance -0.514  175 µs\n"));
}

#[test]
fn an_order_of_several_strategies_says_whose_it_is() {
    let notes = [admitted(7), report("order.done", 0, Some("filled"))];
    let text = shown(&notes, FILE, &["weight", "fast"]);
    assert!(
        text.ends_with("64250.11  filled  weight  imbalance -0.514\n"),
        "{text}"
    );
    let text = shown(&notes, FILE, &["weight"]);
    assert!(
        text.ends_with("64250.11  filled  imbalance -0.514\n"),
        "{text}"
    );
}

#[test]
fn what_an_exchange_says_of_a_rejected_order_is_shown_whole() {
    let rejected = report("order.rejected", 1_000, Some("rejected"));
    let mut rejected = rejected
        .with("code", Value::Int(-2010))
        .text("Account has insufficient balance for requested action.");
    rejected.severity = Severity::Warn;
    assert_eq!(
        shown(std::slice::from_ref(&rejected), TERMINAL, &["imbalance"]),
        "22:13:20 WARN binance BTCUSDT  sell 1 at 64250.11  rejected -2010 \"Account has\n\
         \u{20}                              insufficient balance for requested action.\"\n"
    );
    let look = Look {
        colour: true,
        ..FILE
    };
    let text = shown(&[rejected], look, &["imbalance"]);
    assert!(
        text.starts_with("22:13:20 \x1b[33mWARN\x1b[0m binance"),
        "{text:?}"
    );
}

#[test]
fn an_order_in_doubt_is_shown_and_its_cause_is_kept_for_its_end() {
    let mut doubt = report("order.in_doubt", 1_000, None);
    doubt.severity = Severity::Error;
    let notes = [admitted(7), doubt, report("order.done", 0, Some("filled"))];
    let text = shown(&notes, TERMINAL, &["imbalance"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "22:13:20 ERROR binance BTCUSDT  sell 1 at 64250.11  in doubt",
            "22:13:20 binance BTCUSDT  sell 1 at 64250.11  filled  imbalance -0.514"
        ]
    );
}

#[test]
fn a_gate_is_shown_once_per_strategy() {
    let refused = record("order.refused").with("gate", Value::Word("price_collar"));
    let other = record("order.refused").with("gate", Value::Word("book_stale"));
    let notes = [refused.clone(), refused.clone(), other, refused];
    let text = shown(&notes, TERMINAL, &["imbalance"]);
    assert_eq!(text.matches("gate=price_collar").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn other_records_leave_out_what_only_a_search_needs_and_are_cut_to_the_terminal() {
    let status = record("book.status")
        .epoch(1)
        .with("status", Value::Word("live"))
        .with("update_id", Value::Int(6_329_959_384))
        .text("snapshot");
    assert_eq!(
        shown(std::slice::from_ref(&status), TERMINAL, &[]),
        "22:13:20 book.status binance BTCUSDT status=live \"snapshot\"\n"
    );
    let long = shown(&[status.text(&"x".repeat(150))], TERMINAL, &[]);
    assert_eq!(long.chars().count(), 81, "{long}");
    assert!(long.ends_with("xx…\n"), "{long}");
    let nobodys = Note::new(Nanos(1_000), Severity::Info, "scribe.disk_back");
    assert_eq!(
        shown(&[nobodys], TERMINAL, &[]),
        "22:13:20 scribe.disk_back\n"
    );
}

#[test]
fn no_text_from_outside_moves_a_cursor() {
    let evil = record("link.closed").text("\x1b[2J\u{202e}\n");
    let text = shown(&[evil], TERMINAL, &[]);
    assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
}

fn record(event: &'static str) -> Note {
    Note::new(Nanos(1_000), Severity::Info, event)
        .exchange("binance")
        .instrument(BTC)
        .strategy(StrategyId(0))
}

fn admitted(order: i64) -> Note {
    record("order.admitted")
        .with("signal", Value::Word("imbalance"))
        .with("value", Value::Ratio(-0.513_989_646_653_808_8))
        .with("order", Value::Int(order))
}

/// A report of order 7.
fn report(event: &'static str, remaining: u64, end: Option<&'static str>) -> Note {
    let note = record(event)
        .with("order", Value::Int(7))
        .with("side", Value::Word("sell"))
        .with("px", Value::Px(Px(6_425_011)))
        .with("qty", Value::Qty(Qty(1_000)))
        .with("remaining", Value::Qty(Qty(remaining)));
    match end {
        Some(end) => note.with("end", Value::Word(end)),
        None => note,
    }
}

fn shown(notes: &[Note], look: Look, strategies: &[&str]) -> String {
    let instruments = [Instrument {
        id: BTC,
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").expect("short"), (2, 3))
    }];
    let strategies: Vec<String> = strategies.iter().map(|name| name.to_string()).collect();
    let renderer = Renderer {
        anchor: Anchor {
            mono: Nanos(1_000),
            unix: UnixNanos(1_700_000_000_000_000_000),
        },
        instruments: &instruments,
        strategies: &strategies,
    };
    let (mut brief, mut out) = (Brief::default(), String::new());
    for note in notes {
        brief.write(&renderer, note, look, &mut out);
    }
    out
}
