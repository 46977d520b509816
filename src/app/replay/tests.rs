//! Recordings of several lines of one book, each with holes of its own.

use super::{Digest, Replayed, digest, digest_lines};
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

    let Replayed { digests, leads, .. } = digest_lines(&[first, second], 256).unwrap();
    let merged = only(digests);
    assert_eq!((merged.applied, merged.gaps), (25, 0));
    assert_eq!(merged.sha256, want.sha256);
    assert!(merged.file.ends_with("b.jsonl.gz"), "{}", merged.file);
    // If the first one has a hole and the second one does not, no lead is counted.
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
    // The connection ends after 15 and nothing is missed. In a live run the book begins again all
    // the same.
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

    let file = write(dir.path(), "bad", &[diff(11, 1, "#0.99.1")]);
    let error = digest(&file, 256).unwrap_err();
    assert!(error.contains("line 99"), "{error}");
}

/// Failure mode 21: symbols are in any letters, and a frame may be cut anywhere.
#[test]
fn a_symbol_in_any_letters_replays_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let plain = |letters: &dyn Fn(&str, bool) -> String| -> Vec<String> {
        let lines = [snapshot(10, 0, ""), diff(11, 1, ""), diff(12, 2, "")];
        let spell = |line: String| {
            let rest = line.contains("\"rest\"");
            line.replace("adausdt", &letters("币安人生usdt", rest))
                .replace("ADAUSDT", &letters("币安人生USDT", rest))
        };
        lines.into_iter().map(spell).collect()
    };
    // REST writes them percent-encoded, streams as they are, and any JSON may escape them.
    let as_it_is = |text: &str, rest: bool| match rest {
        true => text.replace("币安人生", "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9F"),
        false => text.to_owned(),
    };
    let escaped = |text: &str, rest: bool| match rest {
        true => as_it_is(text, rest),
        false => text.replace("币安人生", r"\\u5e01\\u5b89\\u4eba\\u751f"),
    };
    let one = only(digest(&write(dir.path(), "a", &plain(&as_it_is)), 256).unwrap());
    let two = only(digest(&write(dir.path(), "b", &plain(&escaped)), 256).unwrap());
    assert_eq!((one.symbol.as_str(), one.applied), ("币安人生USDT", 3));
    assert_eq!((two.applied, two.sha256), (3, one.sha256));
}

#[test]
fn a_stream_that_is_not_read_hides_no_book_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let want = only(digest(&record(dir.path(), "good", 0, 11..=14), 256).unwrap());
    let conn = "wss://stream.binance.com:9443/stream";
    let levels = r#"{"lastUpdateId":12,"bids":[["0.25","9"]],"asks":[]}"#;
    let partial = format!(r#"{{"stream":"adausdt@depth20@100ms","data":{levels}}}"#);
    let kline = r#"{"stream":"adausdt@kline_1m","data":{"e":"kline","s":"ADAUSDT"}}"#;
    let mut lines = vec![line(0, conn, "", "ws", &partial), snapshot(10, 0, "")];
    lines.extend((11..=14).map(|id| diff(id, id * 20_000_000, "")));
    lines.extend([&partial, levels, kline].map(|raw| line(400_000_000, conn, "", "ws", raw)));
    let mut replayed = digest_lines(&[write(dir.path(), "beside", &lines)], 256).unwrap();
    let got = only(std::mem::take(&mut replayed.digests));
    assert_eq!((got.applied, got.sha256), (want.applied, want.sha256));
    let told = replayed.told;
    assert_eq!((told.refused.len(), told.missing.len()), (0, 0), "{told}");
    let left: Vec<(&str, u64)> = told
        .left_out
        .iter()
        .map(|((_, s), n)| (s.as_str(), *n))
        .collect();
    assert_eq!(
        left,
        [("depth20@100ms", 2), ("kline_1m", 1), ("partial depth", 1)]
    );
}

#[test]
fn levels_in_the_shape_of_a_diff_are_no_diffs() {
    let dir = tempfile::tempdir().unwrap();
    let conn = "wss://fstream.binance.com/stream";
    let event = |stream: &str, id: u64, qty: u64| {
        let raw = format!(
            r#"{{"stream":"adausdt@{stream}","data":{{"e":"depthUpdate","E":1,"T":1,"s":"ADAUSDT","U":{id},"u":{id},"pu":{},"b":[["0.25","{qty}"]],"a":[]}}}}"#,
            id - 1
        );
        line(id, conn, "", "ws", &raw)
    };
    let rest = "https://fapi.binance.com/fapi/v1/depth?symbol=ADAUSDT&limit=1000";
    let body = r#"{"lastUpdateId":10,"E":1,"T":1,"bids":[["0.25","1"]],"asks":[["0.26","1"]]}"#;
    let begin = [event("depth@100ms", 10, 1), line(0, rest, "", "rest", body)];
    let alone = [
        &begin[..],
        &[event("depth@100ms", 11, 2), event("depth@100ms", 12, 3)],
    ]
    .concat();
    let beside = [
        &begin[..],
        &[
            event("depth@100ms", 11, 2),
            event("depth5@100ms", 12, 9),
            event("depth@100ms", 12, 3),
        ],
    ]
    .concat();
    let want = only(digest(&write(dir.path(), "alone", &alone), 256).unwrap());
    let got = only(digest(&write(dir.path(), "beside", &beside), 256).unwrap());
    assert_eq!((got.applied, got.sha256), (want.applied, want.sha256));
}

#[test]
fn what_one_book_lacks_is_said_and_takes_no_other_along() {
    let dir = tempfile::tempdir().unwrap();
    let other = |text: String| {
        text.replace("ADAUSDT", "BTCUSDT")
            .replace("adausdt", "btcusdt")
    };
    let good = [snapshot(10, 0, ""), diff(11, 1, "")];
    let want = only(digest(&write(dir.path(), "good", &good), 256).unwrap());
    let lines = |beside: &[String]| [&good[..], beside].concat();
    let cases = [
        // The other book, what is wrong with it, and how much was refused of it.
        (
            vec![other(diff(11, 1, ""))],
            "no snapshot of it was recorded",
            0,
        ),
        (
            vec![other(diff(99, 0, "")), other(snapshot(10, 1, ""))],
            "none of its snapshots joins its updates",
            0,
        ),
        (
            vec![
                other(snapshot(10, 0, "")),
                other(diff(11, 1, "")).replace("0.25", "y"),
            ],
            "it lacks 1 message(s) that were refused",
            1,
        ),
        (
            vec![
                other(snapshot(10, 0, "")).replace("0.25", "x"),
                other(diff(11, 1, "")),
            ],
            "1 message(s) of it were refused",
            1,
        ),
    ];
    for (beside, why, refused) in cases {
        let file = write(dir.path(), "two", &lines(&beside));
        let replayed = digest_lines(std::slice::from_ref(&file), 256).unwrap();
        let of_ada: Vec<_> = replayed
            .digests
            .iter()
            .filter(|d| d.symbol == "ADAUSDT")
            .collect();
        assert_eq!(of_ada[0].sha256, want.sha256, "{why}");
        let [missing] = &replayed.told.missing[..] else {
            panic!("{why}: {:?}", replayed.told);
        };
        assert_eq!(missing.symbol, "BTCUSDT");
        assert!(
            missing.why.contains(why),
            "{} instead of {why}",
            missing.why
        );
        assert_eq!(
            replayed.told.refused.values().sum::<u64>(),
            refused,
            "{why}"
        );
        assert!(digest(&file, 256).unwrap_err().contains(why));
    }
    // What cannot be read may have been any book's.
    let garbage = line(2, "wss://stream.binance.com:9443/stream", "", "ws", "{");
    let replayed = digest_lines(&[write(dir.path(), "cut", &lines(&[garbage]))], 256).unwrap();
    assert_eq!(replayed.digests.len(), 1);
    assert!(
        replayed.told.missing[0].why.contains("it lacks 1 message"),
        "{}",
        replayed.told
    );
}

#[test]
fn books_of_several_exchanges_and_streams_in_one_file_all_come_out() {
    let dir = tempfile::tempdir().unwrap();
    let of = |stream: &str, symbol: &str, n: u64, kind: &str| {
        let raw = format!(
            r#"{{"topic":"{stream}.{symbol}","type":"{kind}","ts":1,"data":{{"s":"{symbol}","b":[["100","{n}"]],"a":[["101","1"]],"u":{n},"seq":{n}}},"cts":1}}"#
        );
        line(n, "wss://stream.bybit.com/v5/public/linear", "", "ws", &raw)
    };
    let lines = [
        of("orderbook.rpi", "ADAUSDT", 1, "snapshot"),
        of("orderbook.50", "ADAUSDT", 1, "snapshot"),
        of("orderbook.200", "ETHUSDT", 1, "snapshot"),
        snapshot(10, 0, ""),
        diff(11, 1, ""),
        of("orderbook.50", "ADAUSDT", 2, "delta"),
        of("orderbook.200", "ETHUSDT", 2, "delta"),
    ];
    let mut replayed = digest_lines(&[write(dir.path(), "mixed", &lines)], 256).unwrap();
    assert_eq!(replayed.told.missing, []);
    let names = |digest: Digest| (digest.stream, digest.symbol, digest.applied);
    let got: Vec<_> = std::mem::take(&mut replayed.digests)
        .into_iter()
        .map(names)
        .collect();
    let want = [
        ("bybit-linear orderbook.50", "ADAUSDT"),
        ("bybit-linear orderbook.200", "ETHUSDT"),
        ("binance 100ms", "ADAUSDT"),
    ];
    assert_eq!(
        got,
        want.map(|(stream, symbol)| (stream.to_owned(), symbol.to_owned(), 2))
    );
}

#[test]
fn a_recording_without_a_book_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let conn = "wss://stream.binance.com:9443/stream";
    let trade = r#"{"stream":"adausdt@trade","data":{"e":"trade","E":1,"s":"ADAUSDT","t":1,"p":"0.25","q":"1","T":1,"m":true}}"#;
    let kline = r#"{"stream":"adausdt@kline_1m","data":{"e":"kline","s":"ADAUSDT"}}"#;
    let lines = [trade, kline].map(|raw| line(1, conn, "", "ws", raw));
    let error = digest(&write(dir.path(), "none", &lines), 256).unwrap_err();
    assert!(error.contains("holds no book of binance"), "{error}");
    assert!(error.contains("kline_1m (1)"), "{error}");
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
