//! `tickwire drill` as a process: a short one, one that is interrupted, and wrong words.

use crate::support::{Process, finished, folder, tickwire};
use serde_json::Value;
use std::fs;

#[test]
fn a_short_drill_finds_no_wrong_book_and_tells_how_long_each_fault_took() {
    let folder = folder();
    let ran = finished(tickwire(
        folder.path(),
        &[
            "drill",
            "--exchange",
            "binance,okx",
            "--faults",
            "gap,duplicate,cut",
            "--repetitions",
            "1",
            "--json",
            "drill.json",
        ],
    ))
    .expect(0);
    // One table of all, and one of each fault.
    assert_eq!(ran.out.matches("| struck |").count(), 4, "{}", ran.out);
    let row = |name: &str| {
        let start = format!("| {name} ");
        let mut lines = ran.out.lines();
        let line = lines.find(|line| line.starts_with(&start));
        let cells = line.expect(name).trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(row("duplicate")[1..3], ["2", "0"], "{}", ran.out);
    for name in ["gap", "cut"] {
        let cells = row(name);
        assert_eq!(cells[1..3], ["2", "0"], "{}", ran.out);
        assert!(!cells.contains(&"–".to_owned()), "{}", ran.out);
    }
    let text = fs::read_to_string(folder.path().join("drill.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all["finished"], true);
    let cells = all["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 6);
    for cell in cells {
        assert_eq!(cell["struck"], 1, "{cell}");
        assert_eq!(cell["wrong_ns"], 0, "{cell}");
        assert_eq!(
            (&cell["missed"], &cell["never_back"]),
            (&0.into(), &0.into())
        );
        let goes_dark = cell["fault"] != "duplicate";
        assert_eq!(cell["noticed_ns"]["max"].is_u64(), goes_dark, "{cell}");
        assert_eq!(cell["back_ns"]["p50"].is_u64(), goes_dark, "{cell}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_interrupted_drill_ends_in_order_with_what_it_has() {
    let folder = folder();
    let line = [
        "drill",
        "--exchange",
        "binance",
        "--faults",
        "gap,cut",
        "--json",
        "a.json",
    ];
    let mut process = Process::start(tickwire(folder.path(), &line));
    process.until("a round is over", |_, err| {
        err.contains("1 of 3").then_some(())
    });
    process.signal("INT");
    let ran = process.wait().expect(0);
    assert!(ran.err.contains("stopped before its end"), "{}", ran.err);
    let text = fs::read_to_string(folder.path().join("a.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all["finished"], false);
    assert!(all["cells"][0]["struck"].as_u64() >= Some(1), "{all}");
}

#[test]
fn wrong_words_are_refused_with_those_that_fit() {
    for (words, said) in [
        ("--exchange binanse", "write binance, binance-us,"),
        ("--faults gap,gaps", "write gap, duplicate,"),
        ("--faults ", "write gap, duplicate,"),
        ("--repetitions 0", "1..=100"),
        (
            "--exchange okx --faults too-many",
            "none of these faults can happen",
        ),
    ] {
        let line: Vec<&str> = std::iter::once("drill").chain(words.split(' ')).collect();
        let ran = finished(tickwire(folder().path(), &line)).expect(2);
        assert!(ran.err.contains(said), "{words}: {}", ran.err);
    }
    let folder = folder();
    let line = ["drill", "--json", "nowhere/a.json"];
    let ran = finished(tickwire(folder.path(), &line)).expect(1);
    assert!(
        ran.err.contains("cannot write nowhere/a.json"),
        "{}",
        ran.err
    );
}
