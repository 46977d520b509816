//! Recordings of several lines of one book, each with holes of its own.

use super::{Digest, digest, digest_lines};
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn recordings_that_each_have_holes_make_one_book_without_any() {
    let dir = tempfile::tempdir().unwrap();
    let all = 11..=34;
    let whole = record(dir.path(), "whole", 0, all.clone());
    let first = record(dir.path(), "a", 0, all.clone().filter(|id| id % 5 != 0));
    let second = record(dir.path(), "b", 3_000_000, all.filter(|id| id % 7 != 0));
    let want = only(digest(&whole, 256).unwrap());
    assert_eq!((want.applied, want.gaps), (25, 0));
    assert!(only(digest(&first, 256).unwrap()).gaps > 0);

    let (digests, leads) = digest_lines(&[first, second], 256).unwrap();
    let merged = only(digests);
    assert_eq!((merged.applied, merged.gaps), (25, 0));
    assert_eq!(merged.sha256, want.sha256);
    assert!(merged.file.ends_with("b.jsonl.gz"), "{}", merged.file);
    // Where the first one has a hole and the second one has not, nobody was met.
    let won: Vec<u64> = leads.iter().map(|lead| lead.won).collect();
    assert!(won[0] >= 10, "{won:?}");
    assert_eq!(leads[0].lead_us_p50 / 100, 30, "three milliseconds");
    assert_eq!((leads[0].line, leads[1].line), (0, 1));
}

#[test]
fn books_without_ids_cannot_be_merged() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"ts_ns":1,"conn":"wss://ws-feed.exchange.coinbase.com","kind":"ws","raw":"{\"type\":\"snapshot\",\"product_id\":\"ADA-USD\",\"bids\":[[\"1\",\"1\"]],\"asks\":[[\"2\",\"1\"]]}"}"#;
    let files = [
        write(dir.path(), "a", &[line.to_owned()]),
        write(dir.path(), "b", &[line.to_owned()]),
    ];
    let error = digest_lines(&files, 256).unwrap_err();
    assert!(error.contains("cannot be merged"), "{error}");
    let many = vec![files[0].clone(); 5];
    let error = digest_lines(&many, 256).unwrap_err();
    assert!(error.contains("at most 4 lines"), "{error}");
}

#[test]
fn connections_of_a_recorder_come_and_go_as_they_did() {
    let dir = tempfile::tempdir().unwrap();
    let rest = |id: u64, fragment: &str| snapshot(id, id * 20_000_000, fragment);
    let ws = |ids: std::ops::RangeInclusive<u64>, fragment: &'static str| {
        ids.map(move |id| diff(id, id * 20_000_000 + 1, fragment))
    };
    // The connection ends after 15 and nothing is missed. Live, a book begins anew all the same.
    let lines: Vec<String> = [rest(10, "#0.0.1")]
        .into_iter()
        .chain(ws(11..=15, "#0.0.1"))
        .chain(ws(16..=17, "#0.0.2"))
        .chain([rest(17, "#0.0.2")])
        .chain(ws(18..=20, "#0.0.2"))
        .collect();
    let file = write(dir.path(), "one", &lines);
    let book = only(digest(&file, 256).unwrap());
    assert_eq!(
        (book.applied, book.gaps),
        (10, 0),
        "15, the snapshot again, three more"
    );

    // With a second line beside it the book goes on. What another lane does is nothing to it.
    let lines: Vec<String> = [rest(10, "#3.0.1")]
        .into_iter()
        .chain(ws(11..=15, "#3.0.1"))
        .chain(ws(14..=17, "#3.1.2"))
        .chain(ws(30..=40, "#1.0.1"))
        .chain(ws(16..=20, "#3.0.3"))
        .collect();
    let file = write(dir.path(), "two", &lines);
    let book = only(digest(&file, 256).unwrap());
    assert_eq!((book.applied, book.gaps), (11, 0));

    let file = write(dir.path(), "bad", &[diff(11, 1, "#0.9.1")]);
    let error = digest(&file, 256).unwrap_err();
    assert!(error.contains("line 9"), "{error}");
}

fn only(digests: Vec<Digest>) -> Digest {
    let [digest] = <[Digest; 1]>::try_from(digests).unwrap();
    digest
}

/// A snapshot at 10, and these updates, 20 ms apart and `late_ns` after they were sent.
fn record(dir: &Path, name: &str, late_ns: u64, ids: impl Iterator<Item = u64>) -> PathBuf {
    let mut lines = vec![snapshot(10, 0, "")];
    lines.extend(ids.map(|id| diff(id, id * 20_000_000 + late_ns, "")));
    write(dir, name, &lines)
}

fn snapshot(id: u64, after_ns: u64, fragment: &str) -> String {
    let conn = "https://api.binance.com/api/v3/depth?symbol=ADAUSDT&limit=1000";
    let raw = format!(r#"{{"lastUpdateId":{id},"bids":[["0.25","1"]],"asks":[["0.26","1"]]}}"#);
    line(after_ns, conn, fragment, "rest", &raw)
}

fn diff(id: u64, after_ns: u64, fragment: &str) -> String {
    let conn = "wss://stream.binance.com:9443/stream";
    let raw = format!(
        r#"{{"stream":"adausdt@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"ADAUSDT","U":{id},"u":{id},"b":[["0.25","{id}"]],"a":[]}}}}"#
    );
    line(after_ns, conn, fragment, "ws", &raw)
}

fn line(after_ns: u64, conn: &str, fragment: &str, kind: &str, raw: &str) -> String {
    let ts_ns = 1_700_000_000_000_000_000 + after_ns;
    let raw = raw.replace('"', "\\\"");
    format!(r#"{{"ts_ns":{ts_ns},"conn":"{conn}{fragment}","kind":"{kind}","raw":"{raw}"}}"#)
}

fn write(dir: &Path, name: &str, lines: &[String]) -> PathBuf {
    let path = dir.join(format!("{name}.jsonl.gz"));
    let file = std::fs::File::create(&path).unwrap();
    let mut out = GzEncoder::new(file, Compression::fast());
    for line in lines {
        writeln!(out, "{line}").unwrap();
    }
    out.finish().unwrap();
    path
}
