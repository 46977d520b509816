use super::*;
use crate::base::{Nanos, Span};
use crate::watch::latency::{Histograms, Totals};
use crate::watch::stage::Stage;

#[test]
fn a_book_that_the_audit_missed_has_no_digest_and_no_wrong_time() {
    let mut summary = example();
    summary.set_audit_lost(0);
    assert_eq!(summary, example());
    summary.set_audit_lost(3);
    let json = serde_json::to_value(&summary).expect("plain data");
    assert_eq!(json["audit_lost"], 3);
    assert_eq!(json["books"][0]["sha256"], "");
    assert!(json["books"][0]["wrong_ns"].is_null());
    assert!(!example().books[0].sha256.is_empty());
}

#[test]
fn a_summary_survives_its_own_json_and_has_the_promised_keys() {
    let summary = example();
    let json = serde_json::to_value(&summary).expect("plain data");
    for key in ["placement", "books", "stages", "orders", "workers"] {
        assert!(!json[key].is_null(), "{key}");
    }
    for key in [
        "name",
        "exchange",
        "symbol",
        "updates",
        "gaps",
        "resyncs",
        "wrong_ns",
        "incomplete",
        "sha256",
    ] {
        assert!(json["books"][0].get(key).is_some(), "{key}");
    }
    for key in ["late_updates", "late_ns", "delay_max_ns"] {
        assert!(json["exchanges"][0].get(key).is_some(), "{key}");
    }
    for key in [
        "stage", "count", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns",
    ] {
        assert!(json["stages"][0].get(key).is_some(), "{key}");
    }
    let back: Summary = serde_json::from_value(json).expect("its own JSON");
    assert_eq!(back, summary);
}

#[test]
fn the_page_about_the_summary_names_every_field() {
    fn fields(json: &serde_json::Value, found: &mut Vec<String>) {
        let inner: Vec<&serde_json::Value> = match json {
            serde_json::Value::Object(fields) => {
                found.extend(fields.keys().cloned());
                fields.values().collect()
            }
            serde_json::Value::Array(items) => items.iter().collect(),
            _ => Vec::new(),
        };
        inner.into_iter().for_each(|json| fields(json, found));
    }
    let page = include_str!("../../../docs/summary.md");
    let summary = Summary {
        outages: vec![Outage::default()],
        balances: vec![Balances {
            assets: vec![Balance::default()],
            ..Balances::default()
        }],
        strategies: vec![Strategy {
            orders: Orders {
                refusals: vec![Refused::default()],
                ..Orders::default()
            },
            judged: vec![Judged::default()],
            set: vec![Set::default()],
            ..Strategy::default()
        }],
        ..example()
    };
    let mut found = Vec::new();
    let json = serde_json::to_value(&summary).expect("plain data");
    fields(&json, &mut found);
    assert!(found.len() > 100, "{found:?}");
    for field in found {
        let named = [
            format!("`{field}`"),
            format!("`{field}[]`"),
            format!("## {field}\n"),
            format!("## {field}[]\n"),
        ];
        assert!(named.iter().any(|name| page.contains(name)), "{field}");
    }
}

#[test]
fn quantiles_come_from_all_values_of_the_run() {
    let (mut histograms, mut collector) = Histograms::new(2, &[Stage::Ack, Stage::Book]);
    (1..=1_000).for_each(|us| histograms.record(Stage::Ack, Span(us * 1_000)));
    histograms.finish(Nanos(1));
    let mut totals = Totals::default();
    collector.collect(&mut totals, &mut |_, _, _, _| {});
    let stages = StageLatency::all(&totals);
    let [ack] = &stages[..] else {
        panic!("only stages with values: {stages:?}");
    };
    assert_eq!((ack.stage.as_str(), ack.count), ("ack", 1_000));
    for (value, exact) in [
        (ack.p50_ns, 500_000),
        (ack.p90_ns, 900_000),
        (ack.p99_ns, 990_000),
        (ack.p999_ns, 999_000),
        (ack.max_ns, 1_000_000),
    ] {
        assert!(
            (exact..=exact + exact / 1_000).contains(&value),
            "{value} {exact}"
        );
    }
    let worker = Worker::from(&totals.workers()[0]);
    assert_eq!((worker.worker, worker.turns), (2, 0));
}

pub(crate) fn example() -> Summary {
    let latency = |stage: &str, p50_ns| StageLatency {
        stage: stage.to_owned(),
        count: 12_345,
        p50_ns,
        p90_ns: p50_ns * 2,
        p99_ns: p50_ns * 5,
        p999_ns: p50_ns * 40,
        max_ns: p50_ns * 900,
    };
    Summary {
        version: "0.1.0".to_owned(),
        started: "2026-11-22T16:38:00Z".to_owned(),
        duration_ns: 15_000_000_000,
        wait: "spin".to_owned(),
        mode: "paper".to_owned(),
        strategies: Vec::new(),
        left_out: Vec::new(),
        absent: Vec::new(),
        seed: Some(7),
        placement: vec![Placement {
            worker: 0,
            cpu: Some(1),
            wait: "spin".to_owned(),
            lanes: vec!["feed 0".to_owned(), "gateway".to_owned()],
        }],
        exchanges: vec![Exchange {
            exchange: "binance".to_owned(),
            frames: 1_510,
            connects: 1,
            books: 1,
            books_live: 1,
            ticks: 1_500,
            p50_ns: 21_000,
            p99_ns: 99_000,
            max_ns: 1_200_000,
            ..Exchange::default()
        }],
        books: vec![Book {
            name: "binance:BTC-USDT".to_owned(),
            exchange: "binance".to_owned(),
            symbol: "BTCUSDT".to_owned(),
            updates: 1_500,
            wrong_ns: Some(0),
            sha256: "ab".repeat(32),
            ..Book::default()
        }],
        stages: vec![latency("decode", 1_450), latency("tick_to_wire", 13_000)],
        orders: Orders {
            sent: 10,
            acked: 9,
            fills: 7,
            filled: 5,
            expired: 4,
            rejected: 1,
            traded: vec![Traded {
                name: "binance:BTC-USDT".to_owned(),
                fills: 7,
                bought: "0.5".to_owned(),
                sold: "0.2".to_owned(),
                paid: "32125.5".to_owned(),
                received: "12850.2".to_owned(),
            }],
            ..Orders::default()
        },
        pnl: vec![Pnl {
            strategy: Some("maker".to_owned()),
            instrument: "binance:BTC-USDT".to_owned(),
            fills: 7,
            position: "0.3".to_owned(),
            sellable: "0.2995".to_owned(),
            average_px: Some("64251".to_owned()),
            asset: "USDT".to_owned(),
            realised: "12.3456".to_owned(),
            unrealised: Some("-3.21".to_owned()),
            unrealised_worst: Some("-4.5".to_owned()),
            fees: vec![Fees {
                asset: "BTC".to_owned(),
                amount: "0.0005".to_owned(),
                value: Some("32.115".to_owned()),
            }],
            total: Some("-22.9794".to_owned()),
        }],
        pnl_totals: vec![PnlTotal {
            asset: "USDT".to_owned(),
            realised: "12.3456".to_owned(),
            unrealised: "-3.21".to_owned(),
            unrealised_worst: "-4.5".to_owned(),
            fees: "32.115".to_owned(),
            total: "-22.9794".to_owned(),
            unvalued: 0,
        }],
        balances: Vec::new(),
        outages: Vec::new(),
        too_long: Vec::new(),
        workers: vec![Worker {
            turns: 1_000_000,
            ..Worker::default()
        }],
        notes_lost: 0,
        audit_lost: 0,
        limits_exceeded: None,
        disk_errors: 0,
        console_lost: 0,
        ended: true,
    }
}
