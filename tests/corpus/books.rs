//! Recordings of every exchange, our own and real ones, through the road, offline and over TLS,
//! against the digests of an independent checker.

use crate::support::corpus::{Corpus, On, Test, beginning, name, text_lines};
use crate::support::{finished, folder, json_lines, summary, tickwire, write_gz};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tickwire::app::replay::{Digest, digest, replay};
use tickwire::base::Symbol;
use tickwire::exchange;
use tickwire::watch::audit::Shown;

/// Levels a side of a line of a digest.
const TOP: usize = 20;

pub const TESTS: &[Test] = &[
    (
        "digests_of_every_recording_equal_the_references",
        On::Both,
        digests_of_every_recording_equal_the_references,
    ),
    (
        "the_command_prints_a_line_for_each_book_of_several_recordings",
        On::Both,
        the_command_prints_a_line_for_each_book_of_several_recordings,
    ),
    (
        "what_books_of_fewer_levels_call_complete_equals_the_reference",
        On::Both,
        what_books_of_fewer_levels_call_complete_equals_the_reference,
    ),
    (
        "a_recording_that_is_played_over_tls_arrives_to_the_bit",
        On::Both,
        a_recording_that_is_played_over_tls_arrives_to_the_bit,
    ),
    (
        "a_recording_of_an_unknown_exchange_is_refused",
        On::Both,
        a_recording_of_an_unknown_exchange_is_refused,
    ),
];

fn digests_of_every_recording_equal_the_references(corpus: &Corpus) {
    let mut books = 0;
    for path in &corpus.books {
        let wanted = corpus.symbols(path);
        let digests = digest(path, 4_096).unwrap();
        // A symbol without a book has no digest, and none is missing.
        let symbols: Vec<&str> = digests
            .iter()
            .map(|digest| digest.symbol.as_str())
            .collect();
        let mut want: Vec<&str> = wanted.keys().map(String::as_str).collect();
        want.sort_unstable();
        assert_eq!(symbols, want, "{}", name(path));
        for got in &digests {
            let (want, place) = (&wanted[&got.symbol], (name(path), &got.symbol));
            assert_eq!(want["sha256"], got.sha256, "sha256 of {place:?}");
            assert_eq!(want["applied"], got.applied, "applied of {place:?}");
            assert_eq!(want["gaps"], got.gaps, "gaps of {place:?}");
            let verified = want["checksum_ok"].as_u64().unwrap_or(0);
            assert_eq!(verified, got.checksums_ok, "checksums of {place:?}");
            assert_eq!(got.checksums_bad, 0, "bad checksums of {place:?}");
            books += 1;
        }
    }
    println!("{books} books of {} recordings", corpus.books.len());
    // The exchanges of this build, by the file names of recordings.
    assert!(corpus.real || corpus.books.len() == exchange::ALL.len());
}

fn the_command_prints_a_line_for_each_book_of_several_recordings(corpus: &Corpus) {
    // The smallest ones: what is in the lines is compared elsewhere.
    let mut paths = corpus.books.clone();
    paths.sort_by_key(|path| path.metadata().unwrap().len());
    paths.truncate(4);
    let folder = folder();
    let mut command = tickwire(folder.path(), &["replay", "--digest", "--depth", "4096"]);
    command.args(&paths);
    let digests = json_lines(&finished(command).expect(0).out);
    let mut lines = digests.iter();
    for path in &paths {
        for got in digest(path, 4_096).unwrap() {
            assert_eq!(lines.next(), Some(&serde_json::to_value(got).unwrap()));
        }
    }
    assert_eq!(lines.next(), None);
}

/// Lines of a recording that are compared if a debug build would take minutes; all of them in a
/// release build.
const LINES_MAX: usize = if cfg!(debug_assertions) {
    12_000
} else {
    usize::MAX
};

/// The books of 4,096 levels are the reference: their digests are the checker's, see above.
fn what_books_of_fewer_levels_call_complete_equals_the_reference(corpus: &Corpus) {
    let (folder, mut counts) = (folder(), [Compared::default(); 2]);
    for path in &corpus.books {
        let path = beginning(path, folder.path(), LINES_MAX);
        let reference = books(&path, 4_096);
        for (depth, count) in [256, 1_024].into_iter().zip(&mut counts) {
            let place = format!("at depth {depth} in {}", name(&path));
            compare(&books(&path, depth), &reference, count, &place);
        }
    }
    println!("at 256 and 1,024 levels: {counts:?}");
    assert!(
        counts[0].shallow > 0 || !corpus.real,
        "a deep book was cut, and never said so"
    );
    // With 1,024 levels it takes some minutes of the longest recording.
    assert!(counts[1].shallow > 0 || LINES_MAX < usize::MAX || !corpus.real);
    assert!(counts.iter().all(|count| count.complete > count.lines / 2));
}

#[derive(Debug, Clone, Copy, Default)]
struct Compared {
    lines: u64,
    /// The book says that it knows all of the line.
    complete: u64,
    /// It does not, and the one of 4,096 levels does.
    shallow: u64,
}

fn compare(books: &Books, reference: &Books, count: &mut Compared, place: &str) {
    assert!(reference.keys().eq(books.keys()), "{place}");
    for (symbol, shown) in books {
        let reference = &reference[symbol];
        assert_eq!(shown.len(), reference.len(), "{symbol} {place}");
        for (n, (ours, theirs)) in shown.iter().zip(reference).enumerate() {
            let place = || format!("in line {n} of {symbol} {place}");
            assert_eq!(ours.update_id, theirs.update_id, "{}", place());
            let (ours, theirs) = (ours.top.unwrap(), theirs.top.unwrap());
            count.lines += 1;
            if ours.complete(TOP) {
                count.complete += 1;
                assert_eq!(ours.bids(), theirs.bids(), "bids {}", place());
                assert_eq!(ours.asks(), theirs.asks(), "asks {}", place());
            } else if theirs.complete(TOP) {
                count.shallow += 1;
            }
        }
    }
}

/// Every state of every book, by symbol.
type Books = BTreeMap<Symbol, Vec<Shown>>;

fn books(path: &Path, depth: usize) -> Books {
    let mut books = Books::new();
    let replayed = replay(path, depth, &mut |instruments, shown| {
        if shown.top.is_some() {
            let symbol = instruments[shown.instrument.index()].symbol;
            books.entry(symbol).or_default().push(*shown);
        }
    });
    replayed.unwrap_or_else(|error| panic!("{error}"));
    books
}

fn a_recording_that_is_played_over_tls_arrives_to_the_bit(corpus: &Corpus) {
    let folder = folder();
    for (played, path) in corpus.books.iter().enumerate() {
        let play = |speed: &str| {
            let out = format!("run-{played}-{speed}");
            let arguments = ["run", "--depth", "4096", "--speed", speed, "--out", &out];
            let mut command = tickwire(folder.path(), &arguments);
            command.arg("--play").arg(path);
            finished(command).expect(0);
            summary(&folder.path().join(&out))
        };
        let mut summary = play("max");
        if summary["audit_lost"] != 0 {
            summary = play("20"); // On a busy host the audit does not keep up with full speed.
        }
        assert_eq!(summary["audit_lost"], 0, "{}", name(path));
        let wanted = corpus.symbols(path);
        let renamed = renamed(path, folder.path());
        // An instrument of which only trades were recorded has no book.
        let books = summary["books"].as_array().unwrap().iter();
        let books: Vec<&Value> = books.filter(|book| book["updates"] != 0).collect();
        assert_eq!(books.len(), wanted.len(), "{}", name(path));
        for book in books {
            let symbol = book["symbol"].as_str().unwrap();
            let place = |what: &str| format!("{what} of {symbol} in {}", name(path));
            match wanted.get(symbol) {
                Some(want) => {
                    assert_eq!(book["sha256"], want["sha256"], "{}", place("sha256"));
                    assert_eq!(book["updates"], want["applied"], "{}", place("updates"));
                    assert_eq!(book["gaps"], want["gaps"], "{}", place("gaps"));
                }
                None => {
                    let mut all = renamed.iter().flatten();
                    let want = all.find(|want| want.symbol == symbol).unwrap();
                    assert_eq!(book["sha256"], want.sha256, "{}", place("sha256"));
                    assert_eq!(book["updates"], want.applied, "{}", place("updates"));
                    assert_eq!(book["gaps"], want.gaps, "{}", place("gaps"));
                }
            }
            assert_eq!(book["epoch"], 1, "{}", place("epoch"));
        }
    }
}

/// The digests under the names that Kraken itself has given since: the first version of its stream
/// writes XBT where its lists have BTC, and a live client follows what is listed. None of other
/// recordings.
fn renamed(path: &Path, folder: &Path) -> Option<Vec<Digest>> {
    let text = name(path).starts_with("kraken-spotv1").then(|| {
        let lines = text_lines(path).map(|line| line.replace("XBT", "BTC"));
        lines.collect::<String>()
    })?;
    let file = folder.join("renamed.jsonl.gz");
    write_gz(&file, &text);
    Some(digest(&file, 4_096).unwrap())
}

fn a_recording_of_an_unknown_exchange_is_refused(corpus: &Corpus) {
    let folder = folder();
    for path in &corpus.others {
        let file = path.to_str().unwrap();
        for arguments in [
            &["replay", "--digest", file][..],
            &["run", "--out", "out", "--play", file],
            &["sim", "--play", file],
        ] {
            let ran = finished(tickwire(folder.path(), arguments)).expect(1);
            let why = "holds no message of an exchange of this build";
            assert!(
                ran.err.contains(why) && ran.err.contains(file),
                "{}",
                ran.err
            );
            assert!(ran.out.is_empty(), "{}", ran.out);
        }
    }
    assert!(!corpus.others.is_empty());
}
