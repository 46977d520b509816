use super::*;
use crate::base::{
    Code, Instrument, InstrumentId, Level, Px, Qty, Severity, StrategyId, Symbol, UnixNanos, Value,
};
use crate::watch::log::Anchor;
use serde_json::{Value as Json, json};

const BTC: InstrumentId = InstrumentId(0);
/// When the desk took the event that caused an order.
const POPPED: Nanos = Nanos(1_000_000);

#[test]
fn a_line_has_what_the_order_was_decided_from_its_road_and_all_that_became_of_it() {
    let lines = lines(&[
        admitted(7),
        receipt(7),
        at(2_000_000, "order.acked", 7).with("exchange_id", Value::Int(99)),
        at(2_100_000, "order.filled", 7)
            .with("px", Value::Px(Px(6_425_011)))
            .with("qty", Value::Qty(Qty(30)))
            .with("remaining", Value::Qty(Qty(20)))
            .with("trade_id", Value::Int(5))
            .with("liquidity", Value::Word("taker"))
            .with("fee", Value::Scaled(-12, 4))
            .with("fee_asset", Value::Code(Code::from("BNB").unwrap())),
        ended(2_200_000, 7, "order.expired", "expired"),
    ]);
    let [line] = &lines[..] else {
        panic!("{lines:#?}");
    };
    let want = json!({
        "time": "2023-11-14T22:13:20.002200000Z", "time_ns": 1_700_000_000_002_200_000i64,
        "kind": "order", "exchange": "binance", "instrument": "binance:BTC-USDT",
        "symbol": "BTCUSDT", "strategy": "weight", "order": 7, "origin": "this_run",
        "intent": "place", "replaces": null, "side": "buy", "px": "64250.11", "qty": "0.05",
        "type": "ioc", "tag": 3,
        "signal": {"name": "imbalance", "value": 0.6, "threshold": 0.5},
        "picture": {"epoch": 2, "update_id": 44, "best_bid": "64250.1", "best_bid_qty": "1",
            "best_ask": "64250.11", "best_ask_qty": "0.3", "age_ns": 250},
        "risk": "admitted", "arrived": "2023-11-14T22:13:20.000999972Z",
        "arrived_ns": 1_700_000_000_000_999_972i64,
        "stamps": {"kernel_ns": 0, "call_ns": 1, "read_ns": 3, "frame_ns": 6, "decoded_ns": 10,
            "book_ns": 15, "popped_ns": 28, "decided_ns": 35, "admitted_ns": 43, "sent_ns": 52,
            "wired_ns": 63, "acked_ns": 152},
        "events": [
            {"at_ns": 1_000_028, "what": "acked", "exchange_id": 99},
            {"at_ns": 1_100_028, "what": "fill", "px": "64250.11", "qty": "0.03",
                "remaining": "0.02", "trade_id": 5, "liquidity": "taker", "fee": "-0.0012",
                "fee_asset": "BNB"},
            {"at_ns": 1_200_028, "what": "expired"},
        ],
        "events_left_out": 0, "fills": 1, "filled": "0.03", "end": "expired", "lost": 0,
    });
    assert_eq!(*line, want, "{line:#}");
}

#[test]
fn an_order_that_ends_before_its_answer_waits_for_its_receipt_and_not_for_ever() {
    let mut joined = Joined::default();
    joined.take(&admitted(7));
    joined.take(&ended(2_000_000, 7, "order.done", "filled"));
    joined.take(&admitted(8));
    joined.take(&ended(2_000_001, 8, "order.done", "filled"));
    assert!(joined.lines().is_empty(), "the answer may still come");
    joined.take(&receipt(7));
    let lines = joined.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["stamps"]["sent_ns"], 52);
    let patience = RECEIPT_PATIENCE.0 + 2_000_001;
    joined.time(Nanos(patience - 1));
    assert!(joined.lines().is_empty());
    joined.time(Nanos(patience));
    let lines = joined.lines();
    assert_eq!(lines.len(), 1);
    let (order, stamps) = (&lines[0]["order"], &lines[0]["stamps"]);
    assert_eq!((order, stamps), (&json!(8), &Json::Null));
    assert_eq!(lines[0]["time_ns"], 1_700_000_000_002_000_001i64, "its end");
    // What comes still later begins no other line.
    joined.take(&receipt(8));
    joined.take(&at(9_000_000_000, "gateway.reject", 8));
    assert!(joined.decisions.stories.is_empty() && joined.decisions.ended.is_empty());
}

#[test]
fn what_never_left_waits_for_nothing_and_says_why() {
    let held = at(1_000_100, "gateway.not_sent", 7).with("why", Value::Word("not connected"));
    let lines = lines(&[
        admitted(7),
        held,
        ended(1_000_200, 7, "order.not_sent", "not_sent"),
    ]);
    assert_eq!(lines[0]["events"][0]["what"], "withheld");
    assert_eq!(lines[0]["events"][0]["why"], "not connected");
    assert_eq!(lines[0]["end"], "not_sent");
}

#[test]
fn what_is_said_of_an_order_before_its_admission_is_told_all_the_same() {
    let held = |order| {
        let note = at(1_000_100, "gateway.not_sent", order);
        note.with("why", Value::Word("killed"))
    };
    let mut joined = Joined::default();
    for order in 100..100 + EARLY_MAX as i64 {
        joined.take(&held(order)); // Of no order that is ever told of: it must not stay for ever.
    }
    joined.take(&receipt(7));
    joined.take(&held(7));
    joined.take(&held(8));
    joined.take(&admitted(7));
    joined.take(&ended(1_000_200, 7, "order.not_sent", "not_sent"));
    let lines = joined.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["stamps"]["admitted_ns"], 43);
    let events = lines[0]["events"].as_array().unwrap();
    let what: Vec<&Json> = events.iter().map(|event| &event["what"]).collect();
    assert_eq!(what, ["withheld", "not_sent"]);
    assert_eq!(joined.decisions.early.len(), EARLY_MAX - 2);
}

#[test]
fn a_line_says_that_records_were_lost_while_its_order_lived() {
    let mut joined = Joined::default();
    joined.decisions.handle_lost(3);
    joined.decisions.handle_empty(3);
    joined.take(&admitted(7));
    joined.take(&receipt(7));
    joined.take(&ended(2_000_000, 7, "order.done", "filled"));
    assert_eq!(joined.lines()[0]["lost"], 0, "before it began");

    joined.take(&admitted(8));
    joined.take(&receipt(8));
    joined.decisions.handle_lost(5);
    joined.take(&ended(3_000_000, 8, "order.done", "filled"));
    assert_eq!(joined.lines()[0]["lost"], 2);

    // It was lost before the channel was empty, or while this order lived: nobody knows.
    joined.take(&admitted(9));
    joined.take(&receipt(9));
    joined.take(&ended(4_000_000, 9, "order.done", "filled"));
    assert_eq!(joined.lines()[0]["lost"], 2);
}

#[test]
fn an_order_without_an_admission_is_an_earlier_runs_or_was_found_or_its_record_was_lost() {
    let mut joined = Joined::default();
    joined.take(&ended(2_000_000, 5, "order.cancelled", "cancelled"));
    let line = joined.lines().remove(0);
    assert_eq!(
        (&line["origin"], &line["end"]),
        (&json!("earlier_run"), &json!("cancelled"))
    );
    assert_eq!(
        (&line["stamps"], &line["signal"]),
        (&Json::Null, &Json::Null)
    );
    assert_eq!(line["events"][0]["at_ns"], 0);

    joined.take(&at(1_000_000, "order.unknown_found", 6).with("side", Value::Word("buy")));
    joined.take(&ended(2_000_000, 6, "order.cancelled", "cancelled"));
    assert_eq!(joined.lines()[0]["origin"], "found");

    joined.decisions.handle_lost(1);
    joined.take(&ended(2_000_000, 7, "order.cancelled", "cancelled"));
    assert_eq!(joined.lines()[0]["origin"], "lost");
}

#[test]
fn an_order_and_the_one_in_its_place_name_each_other() {
    let lines = lines(&[
        admitted(7),
        receipt(7),
        admitted(8).with("replaces", Value::Int(7)),
        receipt(8),
        ended(2_000_000, 7, "order.cancelled", "cancelled"),
        ended(3_000_000, 8, "order.done", "filled"),
    ]);
    let told = &lines[0]["events"][0];
    assert_eq!(
        (&told["what"], &told["order"]),
        (&json!("replace"), &json!(8))
    );
    assert_eq!(
        (&lines[1]["intent"], &lines[1]["replaces"]),
        (&json!("replace"), &json!(7))
    );
}

#[test]
fn what_a_gate_held_back_has_a_line_with_what_was_compared() {
    let mut intent = admitted(0);
    intent.event = "order.refused";
    intent.fields.retain(|(name, _)| *name != "order");
    let intent = intent
        .with("gate", Value::Word("quantity_max"))
        .with("nth", Value::Int(12))
        .with("limit_qty", Value::Qty(Qty(10)))
        .with("found_qty", Value::Qty(Qty(50)));
    let change = Note::new(POPPED, Severity::Info, "order.refused")
        .strategy(StrategyId(0))
        .with("order", Value::Int(7))
        .with("gate", Value::Word("order_over"))
        .with("nth", Value::Int(1));
    let lines = lines(&[intent, change]);
    let told = |line: &Json| {
        [
            "kind",
            "intent",
            "order",
            "gate",
            "nth",
            "unit",
            "limit",
            "found",
            "instrument",
            "px",
        ]
        .map(|name| line[name].clone())
    };
    let name = "binance:BTC-USDT";
    let want = json!([
        "refused",
        "place",
        null,
        "quantity_max",
        12,
        "qty",
        "0.01",
        "0.05",
        name,
        "64250.11"
    ]);
    assert_eq!(json!(told(&lines[0])), want);
    assert_eq!(lines[0]["signal"]["name"], "imbalance");
    let want = json!([
        "refused",
        "change",
        7,
        "order_over",
        1,
        null,
        null,
        null,
        "",
        null
    ]);
    assert_eq!(json!(told(&lines[1])), want);
}

#[test]
fn memory_is_bounded_and_what_is_left_out_is_counted() {
    let mut joined = Joined::default();
    joined.take(&admitted(1));
    joined.take(&receipt(1));
    for _ in 0..300 {
        joined.take(&at(2_000_000, "order.change_refused", 1).with("code", Value::Int(-1)));
    }
    joined.take(&ended(3_000_000, 1, "order.done", "filled"));
    let line = joined.lines().remove(0);
    assert_eq!(line["events"].as_array().unwrap().len(), 256);
    assert_eq!(
        (&line["events_left_out"], &line["end"]),
        (&json!(45), &json!("filled"))
    );

    for order in 0..STORIES_MAX as i64 + 10 {
        joined.take(&admitted(order));
    }
    assert_eq!(joined.decisions.stories.len(), STORIES_MAX);
    assert_eq!(joined.decisions.untold(), 10);
    let mut out = String::new();
    joined.with(|decisions, renderer| decisions.finish(renderer, Nanos(9_000_000), &mut out));
    assert_eq!(out.lines().count(), STORIES_MAX, "the run's end");
    let last: Json = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(last["end"], Json::Null);
    assert!(joined.decisions.stories.is_empty());
}

#[test]
fn the_page_about_the_decisions_names_every_field() {
    fn names(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(fields) => {
                found.extend(fields.keys().cloned());
                fields.values().for_each(|json| names(json, found));
            }
            Json::Array(items) => items.iter().for_each(|json| names(json, found)),
            _ => {}
        }
    }
    let page = include_str!("../../../docs/decisions.md");
    let mut refused = admitted(0).with("gate", Value::Word("killed"));
    refused.event = "order.refused";
    let lines = lines(&[
        admitted(7),
        receipt(7),
        at(2_000_000, "order.cancel", 7).with("why", Value::Word("run_end")),
        at(2_000_000, "gateway.reject", 7)
            .with("code", Value::Int(-2011))
            .text("Unknown order sent."),
        ended(3_000_000, 7, "order.cancelled", "cancelled"),
        refused,
    ]);
    let mut found = Vec::new();
    lines.iter().for_each(|line| names(line, &mut found));
    assert!(found.len() > 70, "{found:?}");
    for field in found {
        let named = [format!("`{field}`"), format!("`{field}[]`")];
        assert!(named.iter().any(|name| page.contains(name)), "{field}");
    }
}

/// Records go in, lines come out.
#[derive(Default)]
struct Joined {
    decisions: Decisions,
    out: String,
}

impl Joined {
    fn with<R>(&mut self, act: impl FnOnce(&mut Decisions, &Renderer<'_>) -> R) -> R {
        let strategies = ["weight".to_owned()];
        let instruments = [instrument()];
        let renderer = Renderer {
            anchor: Anchor {
                mono: Nanos::ZERO,
                unix: UnixNanos(1_700_000_000_000_000_000),
            },
            instruments: &instruments,
            strategies: &strategies,
        };
        act(&mut self.decisions, &renderer)
    }

    fn take(&mut self, note: &Note) {
        let mut out = std::mem::take(&mut self.out);
        self.with(|decisions, renderer| decisions.handle_note(renderer, note, &mut out));
        self.out = out;
    }

    fn time(&mut self, now: Nanos) {
        let mut out = std::mem::take(&mut self.out);
        self.with(|decisions, renderer| decisions.handle_time(renderer, now, &mut out));
        self.out = out;
    }

    fn lines(&mut self) -> Vec<Json> {
        let out = std::mem::take(&mut self.out);
        out.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

fn lines(notes: &[Note]) -> Vec<Json> {
    let mut joined = Joined::default();
    notes.iter().for_each(|note| joined.take(note));
    joined.lines()
}

fn at(ns: u64, event: &'static str, order: i64) -> Note {
    Note::new(Nanos(ns), Severity::Info, event)
        .instrument(BTC)
        .strategy(StrategyId(0))
        .with("order", Value::Int(order))
}

fn ended(ns: u64, order: i64, event: &'static str, end: &'static str) -> Note {
    at(ns, event, order)
        .with("side", Value::Word("buy"))
        .with("px", Value::Px(Px(6_425_011)))
        .with("qty", Value::Qty(Qty(50)))
        .with("end", Value::Word(end))
}

fn admitted(order: i64) -> Note {
    let level = |px, qty| {
        Value::Level(Level {
            px: Px(px),
            qty: Qty(qty),
        })
    };
    at(POPPED.0, "order.admitted", order)
        .epoch(2)
        .with("side", Value::Word("buy"))
        .with("px", Value::Px(Px(6_425_011)))
        .with("qty", Value::Qty(Qty(50)))
        .with("type", Value::Word("ioc"))
        .with("tag", Value::Int(3))
        .with("signal", Value::Word("imbalance"))
        .with("value", Value::Ratio(0.6))
        .with("threshold", Value::Ratio(0.5))
        .with("update_id", Value::Int(44))
        .with("best_bid", level(6_425_010, 1_000))
        .with("best_ask", level(6_425_011, 300))
        .with("age_ns", Value::Int(250))
}

fn receipt(order: i64) -> Note {
    let stretches = [
        ("kernel_ns", 1),
        ("read_ns", 2),
        ("frame_ns", 3),
        ("decode_ns", 4),
        ("book_ns", 5),
        ("queue_ns", 13),
        ("decide_ns", 7),
        ("admit_ns", 8),
        ("send_ns", 9),
        ("ack_ns", 100),
        ("wire_ns", 11),
    ];
    let note = at(1_500_000, "order.receipt", order);
    stretches
        .into_iter()
        .fold(note, |note, (name, ns)| note.with(name, Value::Int(ns)))
}

fn instrument() -> Instrument {
    Instrument {
        id: BTC,
        name: crate::base::Name::from("binance:BTC-USDT").unwrap(),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }
}
