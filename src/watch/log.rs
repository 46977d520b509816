//! Notes to lines: for a person at a terminal, or JSON. Trusts no text from outside: all of it is
//! escaped.

use crate::base::text::rfc3339;
use crate::base::{
    Decimal, Instrument, InstrumentId, Level, Nanos, Note, Severity, UnixNanos, Value,
};
use std::collections::HashMap;
use std::fmt::{self, Write};

/// Lines per event, instrument and second. One line counts those beyond them, so that a storm of
/// garbage does not fill the disk.
pub(crate) const REPEATS_MAX: u32 = 20;
/// Events of this name are records of an order. They are never thinned out.
const RECORD: &str = "order.";

/// Whether it is the record of an order, which has a place in the log even if other records have
/// none.
pub(crate) fn is_record(event: &str) -> bool {
    event.starts_with(RECORD)
}

/// One moment on both clocks, to convert monotonic stamps to wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The moment on the monotonic clock.
    pub(crate) mono: Nanos,
    /// The same moment on the wall clock.
    pub(crate) unix: UnixNanos,
}

impl Anchor {
    /// The wall-clock time of a stamp before or after the anchor.
    pub(crate) fn unix(&self, at: Nanos) -> UnixNanos {
        let span = i128::from(at.0) - i128::from(self.mono.0);
        let unix = i128::from(self.unix.0) + span;
        UnixNanos(i64::try_from(unix).unwrap_or(0).max(0))
    }
}

/// Writes notes as lines. Knows the run's instruments, to name them and to scale their numbers.
pub(crate) struct Renderer<'a> {
    /// Converts stamps to wall-clock times.
    pub(crate) anchor: Anchor,
    /// The run's table, by id.
    pub(crate) instruments: &'a [Instrument],
    /// The names of the run's strategies, by id.
    pub(crate) strategies: &'a [String],
}

impl Renderer<'_> {
    /// Appends a line for a person, like
    /// `16:38:00.123456 WARN book.gap binance BTCUSDT epoch=2 missing=3`.
    pub(crate) fn human(&self, note: &Note, colour: bool, out: &mut String) {
        let time = rfc3339(self.anchor.unix(note.at));
        let (name, ansi) = match note.severity {
            Severity::Debug => ("DEBUG", "\x1b[2m"),
            Severity::Info => ("INFO", "\x1b[32m"),
            Severity::Warn => ("WARN", "\x1b[33m"),
            Severity::Error => ("ERROR", "\x1b[31m"),
        };
        let (on, off) = if colour { (ansi, "\x1b[0m") } else { ("", "") };
        let clock = time.get(11..26).unwrap_or(&time); // Of a terminal's day only the time is news.
        push(
            out,
            format_args!("{clock} {on}{name:5}{off} {}", note.event),
        );
        let instrument = self.instrument(note.instrument);
        let exchange = exchange(note, instrument);
        if !exchange.is_empty() {
            push(out, format_args!(" {exchange}"));
        }
        if let Some(instrument) = instrument {
            out.push(' ');
            escape(&instrument.symbol, out);
        }
        if note.epoch > 0 {
            push(out, format_args!(" epoch={}", note.epoch));
        }
        if let Some(strategy) = self.strategies.get(note.strategy.index()) {
            out.push_str(" strategy=");
            escape(strategy, out);
        }
        for (name, value) in &note.fields {
            push(out, format_args!(" {name}={}", Shown(*value, instrument)));
        }
        if !note.text.is_empty() {
            out.push_str(" \"");
            escape(&note.text, out);
            out.push('"');
        }
        out.push('\n');
    }

    /// Appends one JSON object and a newline: `time` (RFC 3339, UTC, nanoseconds), `level`,
    /// `event`, then, if they are known, `exchange`, `instrument`, `epoch`, `strategy`, the note's
    /// own fields, and `reason`.
    ///
    /// Prices and quantities are strings of plain decimals, so that no reader makes floats of them.
    pub(crate) fn json(&self, note: &Note, out: &mut String) {
        let level = match note.severity {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        };
        let time = rfc3339(self.anchor.unix(note.at));
        push(
            out,
            format_args!("{{\"time\":\"{time}\",\"level\":\"{level}\""),
        );
        push_member(out, "event", note.event);
        let instrument = self.instrument(note.instrument);
        let exchange = exchange(note, instrument);
        if !exchange.is_empty() {
            push_member(out, "exchange", exchange);
        }
        if let Some(instrument) = instrument {
            push_member(out, "instrument", &instrument.symbol);
        }
        if note.epoch > 0 {
            push(out, format_args!(",\"epoch\":{}", note.epoch));
        }
        if let Some(strategy) = self.strategies.get(note.strategy.index()) {
            push_member(out, "strategy", strategy);
        }
        self.members(note, |_| true, out);
        self.text(note, out);
        out.push_str("}\n");
    }

    /// Appends the note's fields of these names as members of an object, each behind a comma.
    pub(super) fn members(&self, note: &Note, which: impl Fn(&str) -> bool, out: &mut String) {
        let instrument = self.instrument(note.instrument);
        for (name, value) in note.fields.iter().filter(|(name, _)| which(name)) {
            match value {
                Value::Int(number) => push(out, format_args!(",\"{name}\":{number}")),
                Value::Ratio(number) if number.is_finite() => {
                    push(out, format_args!(",\"{name}\":{number}"));
                }
                Value::Ratio(_) => push(out, format_args!(",\"{name}\":null")),
                Value::Word(word) => push_member(out, name, word),
                Value::Code(code) => push_member(out, name, code),
                Value::Px(_) | Value::Qty(_) | Value::Scaled(..) => {
                    push(
                        out,
                        format_args!(",\"{name}\":\"{}\"", Shown(*value, instrument)),
                    );
                }
                Value::Level(Level { px, qty }) => {
                    let (px, qty) = (Value::Px(*px), Value::Qty(*qty));
                    let (px, qty) = (Shown(px, instrument), Shown(qty, instrument));
                    push(
                        out,
                        format_args!(",\"{name}\":\"{px}\",\"{name}_qty\":\"{qty}\""),
                    );
                }
            }
        }
    }

    /// Appends the note's text as a member, if there is one.
    pub(super) fn text(&self, note: &Note, out: &mut String) {
        if !note.text.is_empty() {
            push_member(out, "reason", &note.text);
        }
    }

    pub(super) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())
    }
}

/// Thins out repeats: at most [`REPEATS_MAX`] notes per event, instrument and second.
///
/// Its memory is bounded by the events of the program times the instruments of the run.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    seen: HashMap<(&'static str, InstrumentId), Seen>,
}

#[derive(Debug)]
struct Seen {
    count: u32,
    severity: Severity,
    exchange: &'static str,
}

impl Repeats {
    /// Whether this note is to be written. If not, it is counted.
    pub(crate) fn admit(&mut self, note: &Note) -> bool {
        if is_record(note.event) {
            return true;
        }
        let seen = self
            .seen
            .entry((note.event, note.instrument))
            .or_insert(Seen {
                count: 0,
                severity: note.severity,
                exchange: note.exchange,
            });
        seen.count = seen.count.saturating_add(1);
        seen.severity = seen.severity.max(note.severity);
        seen.count <= REPEATS_MAX
    }

    /// Ends the second: passes on one note for each event that was thinned out, with how often as
    /// `repeated`.
    pub(crate) fn end_second(&mut self, now: Nanos, mut each: impl FnMut(&Note)) {
        for ((event, instrument), seen) in self.seen.drain() {
            let repeated = seen.count.saturating_sub(REPEATS_MAX);
            if repeated > 0 {
                let note = Note::new(now, seen.severity, event)
                    .exchange(seen.exchange)
                    .instrument(instrument)
                    .with("repeated", Value::Int(i64::from(repeated)))
                    .text(&format!("… repeated {repeated} times"));
                each(&note);
            }
        }
    }
}

/// Appends `text`, and escapes everything that could move a cursor, hide, change the direction of
/// writing or end a quoted word.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if unsafe_to_show(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// Like [`escape`], with JSON's own escapes: a parser reads back `text`.
fn escape_json(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if unsafe_to_show(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    push(out, format_args!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
}

/// Control characters, line and paragraph separators, and Unicode's invisible or direction-turning
/// ones.
fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A value as text: numbers of an unknown instrument are written as they are kept.
pub(super) struct Shown<'a>(pub(super) Value, pub(super) Option<&'a Instrument>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = |units: u64, scale: Option<u8>| Decimal {
            units: u128::from(units),
            scale: scale.unwrap_or(0),
        };
        match self.0 {
            Value::Int(number) => write!(f, "{number}"),
            Value::Ratio(number) => write!(f, "{number}"),
            Value::Word(word) => f.write_str(word),
            Value::Px(px) => {
                let sign = if px.0 < 0 { "-" } else { "" };
                let scale = self.1.map(|instrument| instrument.px_scale);
                write!(f, "{sign}{}", decimal(px.0.unsigned_abs(), scale))
            }
            Value::Qty(qty) => {
                let scale = self.1.map(|instrument| instrument.qty_scale);
                decimal(qty.0, scale).fmt(f)
            }
            Value::Level(Level { px, qty }) => {
                let (px, qty) = (Self(Value::Px(px), self.1), Self(Value::Qty(qty), self.1));
                write!(f, "{px}*{qty}")
            }
            Value::Scaled(units, scale) => {
                let sign = if units < 0 { "-" } else { "" };
                write!(f, "{sign}{}", decimal(units.unsigned_abs(), Some(scale)))
            }
            Value::Code(code) => {
                let mut text = String::new();
                escape(&code, &mut text);
                f.write_str(&text)
            }
        }
    }
}

pub(super) fn push_member(out: &mut String, name: &str, text: &str) {
    let comma = if out.ends_with('{') { "" } else { "," };
    push(out, format_args!("{comma}\"{name}\":\""));
    escape_json(text, out);
    out.push('"');
}

/// The exchange that a note is about: the one that it names, or its instrument's.
pub(super) fn exchange(note: &Note, instrument: Option<&Instrument>) -> &'static str {
    match instrument {
        Some(instrument) if note.exchange.is_empty() => instrument.exchange,
        _ => note.exchange,
    }
}

pub(super) fn push(out: &mut String, text: fmt::Arguments<'_>) {
    let _ = out.write_fmt(text); // A string takes all.
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Px, Qty, StrategyId, Symbol};
    use proptest::prelude::*;

    const BTC: InstrumentId = InstrumentId(0);

    #[test]
    fn a_human_line_says_when_what_where_and_how_much() {
        let note = Note::new(Nanos(2_500), Severity::Warn, "book.gap")
            .exchange("binance")
            .instrument(BTC)
            .epoch(2)
            .with("px", Value::Px(Px(10_050)))
            .with("qty", Value::Qty(Qty(25)))
            .with("missing", Value::Int(-3))
            .with("ratio", Value::Ratio(f64::NAN))
            .text("bad \"frame\"\x1b[31m");
        assert_eq!(
            human(&note, false),
            "22:13:20.000001 WARN  book.gap binance BTCUSDT epoch=2 px=100.5 qty=0.025 \
             missing=-3 ratio=NaN \"bad \\\"frame\\\"\\u{1b}[31m\"\n"
        );
        let bare = Note::new(Nanos(1_000), Severity::Info, "run.start");
        assert_eq!(
            human(&bare, true),
            "22:13:20.000000 \x1b[32mINFO \x1b[0m run.start\n"
        );
    }

    #[test]
    fn a_json_line_has_the_documented_keys() {
        let note = Note::new(Nanos(1_234), Severity::Error, "order.rejected")
            .exchange("binance")
            .instrument(BTC)
            .epoch(1)
            .with("px", Value::Px(Px(-5)))
            .with("value", Value::Ratio(f64::INFINITY))
            .with("side", Value::Word("buy"))
            .with("code", Value::Int(-2010))
            .text("no \u{202e}balance\n");
        assert_eq!(
            json(&note),
            "{\"time\":\"2023-11-14T22:13:20.000000234Z\",\"level\":\"error\",\
             \"event\":\"order.rejected\",\
             \"exchange\":\"binance\",\"instrument\":\"BTCUSDT\",\"epoch\":1,\"px\":\"-0.05\",\
             \"value\":null,\"side\":\"buy\",\"code\":-2010,\"reason\":\"no \
             \\u202ebalance\\u000a\"}\n"
        );
    }

    #[test]
    fn a_record_of_a_strategy_names_it() {
        let note = Note::new(Nanos(1_000), Severity::Info, "order.acked").strategy(StrategyId(1));
        assert!(human(&note, false).ends_with("order.acked strategy=fast\n"));
        assert!(json(&note).contains("\"event\":\"order.acked\",\"strategy\":\"fast\""));
        let nobodys = Note::new(Nanos(1_000), Severity::Info, "run.status");
        assert!(!human(&nobodys, false).contains("strategy"));
    }

    #[test]
    fn a_stamp_before_the_anchor_has_a_time_too() {
        assert_eq!(anchor().unix(Nanos(0)).0, anchor().unix.0 - 1_000);
        assert_eq!(anchor().unix(Nanos::NEVER), UnixNanos(0));
    }

    #[test]
    fn a_storm_of_one_event_becomes_twenty_lines_and_a_count() {
        let (mut repeats, mut summaries) = (Repeats::default(), Vec::new());
        let garbage = Note::new(Nanos(1), Severity::Warn, "decode.failed").instrument(BTC);
        let admitted = (0..1_000).filter(|_| repeats.admit(&garbage)).count();
        assert_eq!(admitted as u32, REPEATS_MAX);
        assert!(
            repeats.admit(&garbage.clone().instrument(InstrumentId(1))),
            "another instrument"
        );
        let order = Note::new(Nanos(1), Severity::Info, "order.sent");
        assert!(
            (0..1_000).all(|_| repeats.admit(&order)),
            "an order's record is kept"
        );

        repeats.end_second(Nanos(9), |note| summaries.push(note.clone()));
        let [summary] = &summaries[..] else {
            panic!("{summaries:?}");
        };
        assert_eq!(summary.text.as_str(), "… repeated 980 times");
        assert_eq!(
            (summary.event, summary.severity),
            (garbage.event, Severity::Warn)
        );
        assert!(repeats.admit(&garbage), "a new second");
        repeats.end_second(Nanos(10), |note| panic!("{note:?}"));
    }

    proptest! {
        #[test]
        fn no_text_can_move_a_cursor_or_leave_its_quotes(
            text in any::<String>(),
            more in "[\\x00-\\x9f\u{202a}-\u{202e}\u{2066}-\u{2069}\"\\\\]{0,40}",
        ) {
            let (text, mut out) = (text + &more, String::new());
            escape(&text, &mut out);
            prop_assert!(!out.chars().any(unsafe_to_show));
            let quotes = out.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!quotes.contains('"'));
        }

        #[test]
        fn a_json_parser_reads_back_the_text_that_was_noted(text in any::<String>()) {
            let note = Note::new(Nanos(1), Severity::Info, "link.closed").text(&text);
            let line = json(&note);
            prop_assert!(!line.trim_end().chars().any(unsafe_to_show));
            let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            prop_assert_eq!(value["reason"].as_str().unwrap_or_default(), note.text.as_str());
        }
    }

    fn anchor() -> Anchor {
        Anchor {
            mono: Nanos(1_000),
            unix: UnixNanos(1_700_000_000_000_000_000),
        }
    }

    fn human(note: &Note, colour: bool) -> String {
        rendered(|renderer, out| renderer.human(note, colour, out))
    }

    fn json(note: &Note) -> String {
        rendered(|renderer, out| renderer.json(note, out))
    }

    fn rendered(render: impl Fn(&Renderer<'_>, &mut String)) -> String {
        let instruments = [Instrument {
            id: BTC,
            qty_max: Qty(1_000_000),
            ..Instrument::bare("binance", Symbol::from("BTCUSDT").expect("short"), (2, 3))
        }];
        let (mut out, anchor) = (String::new(), anchor());
        render(
            &Renderer {
                anchor,
                instruments: &instruments,
                strategies: &["slow".to_owned(), "fast".to_owned()],
            },
            &mut out,
        );
        out
    }
}
