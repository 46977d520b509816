//! Real recordings through the road, offline and over TLS, against a naive reference that shares no code with
//! it: `BTreeMap` books from `serde_json`. The reference itself is held to the corpus's own digests.

mod support;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use support::{finished, folder, json_lines, summary, tickwire};
use tickwire::app::replay::replay;
use tickwire::base::{Instrument, Level};

/// Levels a side of a line.
const TOP: usize = 20;

#[test]
fn digests_of_a_replay_equal_the_references() {
    let Some(corpus) = corpus() else { return };
    let paths: Vec<&str> = corpus.spot.iter().map(|p| p.to_str().unwrap()).collect();
    let folder = folder();
    let mut command = tickwire(folder.path(), &["replay", "--digest", "--depth", "4096"]);
    command.args(&paths);
    let digests = json_lines(&finished(command).expect(0).out);

    let mut books = 0;
    for path in &corpus.spot {
        for (symbol, want) in corpus.symbols(path) {
            let of_this =
                |d: &&Value| d["file"] == path.to_str().unwrap() && d["symbol"] == *symbol;
            let got = digests.iter().find(of_this).expect("a line for each book");
            for key in ["sha256", "applied", "gaps"] {
                assert_eq!(
                    got[key],
                    want[key],
                    "{key} of {symbol} in {}",
                    path.display()
                );
            }
            books += 1;
        }
    }
    assert_eq!(digests.len(), books, "and no book besides");
}

#[test]
fn with_256_levels_what_is_called_complete_equals_the_reference() {
    bounded_books_do_not_lie(256);
}

#[test]
fn with_1024_levels_what_is_called_complete_equals_the_reference() {
    bounded_books_do_not_lie(1_024);
}

fn bounded_books_do_not_lie(depth: usize) {
    let Some(corpus) = corpus() else { return };
    for (path, reference) in corpus.spot.iter().zip(corpus.references()) {
        let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        let replayed = replay(path, depth, &mut |instruments, shown| {
            let Some(top) = &shown.top else { return };
            let instrument = &instruments[shown.instrument.index()];
            let (n, incomplete) = seen.entry(instrument.symbol.to_string()).or_default();
            let line = &reference[instrument.symbol.as_str()][*n];
            *n += 1;
            if !top.complete(TOP) {
                *incomplete += 1;
                return;
            }
            let ours = our_line(instrument, shown.update_id, top.bids(), top.asks());
            assert_eq!(
                ours,
                *line,
                "line {n} at depth {depth} of {}",
                path.display()
            );
        });
        replayed.unwrap_or_else(|error| panic!("{error}"));

        for (symbol, lines) in reference {
            let (n, incomplete) = seen[symbol];
            assert_eq!(n, lines.len(), "{symbol} in {}", path.display());
            if path.to_str().unwrap().contains("binance-spot-btcusdt") {
                assert!(
                    incomplete > 0,
                    "a deep book was cut to {depth}, and never said so"
                );
                assert!(incomplete < n, "and it was never complete");
            }
        }
    }
}

#[test]
fn a_recording_that_is_played_over_tls_arrives_to_the_bit() {
    let Some(corpus) = corpus() else { return };
    let folder = folder();
    for (n, path) in corpus.spot.iter().enumerate() {
        let out = format!("run-{n}");
        let mut command = tickwire(folder.path(), &["run", "--depth", "4096", "--out", &out]);
        command.arg("--play").arg(path);
        finished(command).expect(0);

        let summary = summary(&folder.path().join(&out));
        assert_eq!(summary["audit_lost"], 0, "{}", path.display());
        let wanted = corpus.symbols(path);
        let books = summary["books"].as_array().unwrap();
        assert_eq!(books.len(), wanted.len(), "{}", path.display());
        for book in books {
            let symbol = book["instrument"].as_str().unwrap();
            let want = &wanted[symbol];
            for (ours, theirs) in [
                ("sha256", "sha256"),
                ("updates", "applied"),
                ("gaps", "gaps"),
            ] {
                let place = format!("{ours} of {symbol} in {}", path.display());
                assert_eq!(book[ours], want[theirs], "{place}");
            }
            assert_eq!(book["epoch"], 1, "{symbol} in {}", path.display());
        }
    }
}

#[test]
fn a_recording_of_another_exchange_is_refused() {
    let Some(corpus) = corpus() else { return };
    let folder = folder();
    for name in [
        "binance-usdm-multi",
        "binance-coinm",
        "bybit-spot",
        "okx-v5-books",
    ] {
        let file = corpus.files.iter().find(|f| file_name(f).starts_with(name));
        let file = file.expect(name).to_str().unwrap();
        // All commands read a recording through the same door.
        let mut asked = vec![vec!["replay", "--digest", file]];
        if name == "binance-usdm-multi" {
            asked.push(vec!["run", "--out", "out", "--play", file]);
            asked.push(vec!["sim", "--play", file]);
        }
        for arguments in asked {
            let ran = finished(tickwire(folder.path(), &arguments)).expect(1);
            let why = "holds no message of Binance spot";
            assert!(
                ran.err.contains(why) && ran.err.contains(file),
                "{}",
                ran.err
            );
            assert!(ran.out.is_empty(), "{}", ran.out);
        }
    }
}

/// Recordings of real exchanges, and what an independent checker made of them.
struct Corpus {
    files: Vec<PathBuf>,
    /// Those of Binance's spot markets.
    spot: Vec<PathBuf>,
    expected: Value,
}

/// Lines by symbol, in order.
type Lines = BTreeMap<String, Vec<String>>;

/// None, and a word about it, where the recordings are not there; in CI they must be.
fn corpus() -> Option<&'static Corpus> {
    static CORPUS: OnceLock<Option<Corpus>> = OnceLock::new();
    let corpus = CORPUS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
        let expected = fs::read_to_string(folder.join("expected.json")).ok()?;
        let entries = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
        let mut files: Vec<PathBuf> = entries
            .filter(|p| file_name(p).ends_with(".jsonl.gz"))
            .collect();
        files.sort();
        let spot = |path: &&PathBuf| {
            ["binance-spot-", "binanceus-"]
                .iter()
                .any(|p| file_name(path).starts_with(p))
        };
        let spot: Vec<PathBuf> = files.iter().filter(spot).cloned().collect();
        assert!(spot.len() >= 4, "{spot:?}");
        Some(Corpus {
            files,
            spot,
            expected: serde_json::from_str(&expected).unwrap(),
        })
    });
    if corpus.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI needs ../shared/corpus"
        );
        println!("skipped: ../shared/corpus is not there");
    }
    corpus.as_ref()
}

impl Corpus {
    fn symbols(&self, path: &Path) -> &serde_json::Map<String, Value> {
        let name = file_name(path).strip_suffix(".jsonl.gz").unwrap();
        self.expected[name]["symbols"].as_object().unwrap()
    }

    /// One for each file of `spot`. Made once, and then held to the corpus's digests.
    fn references(&self) -> &'static [Lines] {
        static REFERENCES: OnceLock<Vec<Lines>> = OnceLock::new();
        REFERENCES.get_or_init(|| {
            let checked = |path: &PathBuf| {
                let lines = reference(path);
                let wanted = self.symbols(path);
                assert_eq!(lines.len(), wanted.len(), "{}", path.display());
                for (symbol, lines) in &lines {
                    let digest = Sha256::digest(lines.concat());
                    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(
                        wanted[symbol]["sha256"], hex,
                        "the reference is none: {symbol}"
                    );
                }
                lines
            };
            self.spot.iter().map(checked).collect()
        })
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// The naive twin: whole books in trees, decimals as text.
#[derive(Default)]
struct Naive {
    /// By price in units of 1e-18: canonical price and quantity.
    bids: BTreeMap<u128, String>,
    asks: BTreeMap<u128, String>,
    /// Of the last update; none while the book is not valid.
    id: Option<u64>,
    waiting: Vec<Value>,
    lines: Vec<String>,
}

fn reference(path: &Path) -> Lines {
    let mut books: BTreeMap<String, Naive> = BTreeMap::new();
    let file = flate2::read::GzDecoder::new(File::open(path).unwrap());
    for line in BufReader::new(file).lines() {
        let line = line.unwrap();
        let rest = line.contains(r#""kind":"rest""#);
        if !rest && !line.contains("depthUpdate") {
            continue; // Prints and quotes do not change a book; parsing them would only take time.
        }
        let line: Value = serde_json::from_str(&line).unwrap();
        let raw: Value = serde_json::from_str(line["raw"].as_str().unwrap()).unwrap();
        if rest {
            let url = line["conn"].as_str().unwrap();
            let symbol = url
                .split(['?', '&'])
                .find_map(|pair| pair.strip_prefix("symbol="));
            let symbol = symbol.unwrap();
            books
                .entry(symbol.to_owned())
                .or_default()
                .snapshot(symbol, &raw);
            continue;
        }
        let data = raw.get("data").unwrap_or(&raw);
        let symbol = data["s"].as_str().unwrap();
        books
            .entry(symbol.to_owned())
            .or_default()
            .diff(symbol, data.clone());
    }
    books
        .into_iter()
        .map(|(symbol, book)| (symbol, book.lines))
        .collect()
}

impl Naive {
    fn snapshot(&mut self, symbol: &str, snapshot: &Value) {
        let id = snapshot["lastUpdateId"].as_u64().unwrap();
        if self
            .waiting
            .first()
            .is_some_and(|first| id + 1 < first["U"].as_u64().unwrap())
        {
            return; // Older than what waits for it: updates between them are missing.
        }
        (self.bids, self.asks) = Default::default();
        self.apply(symbol, id, &snapshot["bids"], &snapshot["asks"]);
        for diff in std::mem::take(&mut self.waiting) {
            self.diff(symbol, diff);
        }
    }

    fn diff(&mut self, symbol: &str, diff: Value) {
        let Some(last) = self.id else {
            return self.waiting.push(diff);
        };
        let (first, id) = (diff["U"].as_u64().unwrap(), diff["u"].as_u64().unwrap());
        if id <= last {
            return;
        }
        if first > last + 1 {
            (self.id, self.waiting) = (None, vec![diff]);
            return;
        }
        self.apply(symbol, id, &diff["b"], &diff["a"]);
    }

    fn apply(&mut self, symbol: &str, id: u64, bids: &Value, asks: &Value) {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels.as_array().unwrap() {
                let [price, quantity] = [0, 1].map(|n| canonical(level[n].as_str().unwrap()));
                if quantity == "0" {
                    side.remove(&exact(&price));
                } else {
                    side.insert(exact(&price), format!("{price}:{quantity}"));
                }
            }
        }
        self.id = Some(id);
        let bids: Vec<&str> = self
            .bids
            .values()
            .rev()
            .take(TOP)
            .map(String::as_str)
            .collect();
        let asks: Vec<&str> = self.asks.values().take(TOP).map(String::as_str).collect();
        let (bids, asks) = (bids.join(","), asks.join(","));
        self.lines
            .push(format!("{symbol} {id} bids {bids} asks {asks}\n"));
    }
}

/// Plain decimals without zeros at the end.
fn canonical(text: &str) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    }
}

fn exact(text: &str) -> u128 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<18}").parse().unwrap()
}

fn our_line(instrument: &Instrument, id: u64, bids: &[Level], asks: &[Level]) -> String {
    let number = |units: u128, scale: u8| {
        let one = 10u128.pow(scale.into());
        let (whole, part, width) = (units / one, units % one, usize::from(scale));
        match width {
            0 => whole.to_string(),
            _ => canonical(&format!("{whole}.{part:0width$}")),
        }
    };
    let side = |levels: &[Level]| {
        let level = |level: &Level| {
            let px = number(level.px.0.try_into().unwrap(), instrument.px_scale);
            format!("{px}:{}", number(level.qty.0.into(), instrument.qty_scale))
        };
        levels.iter().map(level).collect::<Vec<_>>().join(",")
    };
    let (bids, asks) = (side(bids), side(asks));
    format!("{} {id} bids {bids} asks {asks}\n", instrument.symbol)
}
