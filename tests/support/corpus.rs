//! The recordings beside the crate: which there are, what an independent checker made of them, and
//! what is in them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tickwire::base::{Diff, Instrument, Word};
use tickwire::exchange::{self, DepthStream, Exchange, Survey, Words};

/// Recordings, and what an independent checker made of them.
pub struct Corpus {
    /// Those that the checker made books of, in the order of their names.
    pub books: Vec<PathBuf>,
    /// Those of exchanges that it does not know either.
    pub others: Vec<PathBuf>,
    /// They are of real exchanges, long and deep; else small ones of our own.
    pub real: bool,
    expected: Value,
}

/// What a test is to be tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The recordings of this repository, and real ones if they are there.
    Both,
    /// Real ones only: it looks for what short recordings do not have.
    Real,
}

/// A test of recordings, by name.
pub type Test = (&'static str, On, fn(&Corpus));

/// The tests of a binary without libtest's harness, which cannot count at run time what it skips.
/// Real recordings may be missing, and then their tests are counted as ignored; in CI they must be
/// there.
pub fn run(tests: &[Test]) -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let real_is_there = folder(true).join("expected.json").exists();
    let in_ci = std::env::var_os("CI").is_some();
    let mut trials = Vec::new();
    for &(name, on, test) in tests {
        for real in [false, true] {
            if !real && on == On::Real {
                continue;
            }
            let of = if real { "real" } else { "own" };
            let body = move || {
                test(corpus(real));
                Ok(())
            };
            let trial = libtest_mimic::Trial::test(format!("{of}::{name}"), body);
            trials.push(trial.with_ignored_flag(real && !real_is_there && !in_ci));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn folder(real: bool) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join(if real {
        "../shared/corpus"
    } else {
        "tests/corpus"
    })
}

fn corpus(real: bool) -> &'static Corpus {
    static CORPORA: [OnceLock<Corpus>; 2] = [const { OnceLock::new() }; 2];
    CORPORA[usize::from(real)].get_or_init(|| Corpus::read(&folder(real), real))
}

impl Corpus {
    fn read(folder: &Path, real: bool) -> Self {
        let expected = folder.join("expected.json");
        let expected = fs::read_to_string(&expected)
            .unwrap_or_else(|error| panic!("{}: {error}", expected.display()));
        let mut corpus = Self {
            books: Vec::new(),
            others: Vec::new(),
            real,
            expected: serde_json::from_str(&expected).unwrap(),
        };
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_str().unwrap().ends_with(".jsonl.gz") {
                continue;
            }
            match corpus.symbols(&path).is_empty() {
                true => corpus.others.push(path),
                false => corpus.books.push(path),
            }
        }
        corpus.books.sort();
        corpus.others.sort();
        let files = corpus.books.len() + corpus.others.len();
        assert_eq!(files, corpus.expected.as_object().unwrap().len());
        corpus
    }

    /// The recording of this name.
    pub fn named(&self, name: &str) -> &Path {
        let mut all = self.books.iter().chain(&self.others);
        let found = all.find(|path| self::name(path) == name);
        found.unwrap_or_else(|| panic!("no recording {name}"))
    }

    /// How many messages of each kind the checker counted in it.
    pub fn kinds(&self, path: &Path) -> &Value {
        &self.expected[name(path)]["kinds"]
    }

    /// The books of this recording, by symbol.
    pub fn symbols(&self, path: &Path) -> &serde_json::Map<String, Value> {
        let expected = &self.expected[name(path)]["symbols"];
        expected
            .as_object()
            .unwrap_or_else(|| panic!("{path:?} has no expectation"))
    }
}

/// A recording's name, without what all their files end with.
pub fn name(path: &Path) -> &str {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.strip_suffix(".jsonl.gz").unwrap()
}

/// The recording itself if it has at most `lines_max` lines; else a file in `folder` with its first
/// `lines_max`.
pub fn beginning(path: &Path, folder: &Path, lines_max: usize) -> PathBuf {
    let mut lines = text_lines(path);
    let text: String = lines.by_ref().take(lines_max).collect();
    if lines.next().is_none() {
        return path.to_owned();
    }
    let short = folder.join(path.file_name().unwrap());
    super::write_gz(&short, &text);
    short
}

/// A recording as it stands in its file, with what its frames say of books.
pub struct Recording {
    pub depth: &'static DepthStream,
    pub instruments: Vec<Instrument>,
    /// As they are in the file, each with its end.
    pub lines: Vec<String>,
    /// In order.
    pub messages: Vec<Message>,
    /// True if the file has more lines than were read.
    pub cut: bool,
}

/// A message about a book.
pub struct Message {
    /// Which line of the recording it is.
    pub line: usize,
    pub diff: Diff,
    /// The whole book.
    pub whole: bool,
}

impl Recording {
    /// Reads at most `lines_max` lines of the file.
    pub fn read(path: &Path, lines_max: usize) -> Self {
        let mut file = text_lines(path);
        let lines: Vec<String> = file.by_ref().take(lines_max).collect();
        let parsed: Vec<(String, bool, String)> = lines.iter().map(|line| fields(line)).collect();
        let owner = |(conn, ..): &(String, bool, String)| {
            exchange::ALL.iter().copied().find(|known| known.owns(conn))
        };
        let exchange = parsed.iter().find_map(owner).unwrap();
        let (depth, instruments) = surveyed(exchange, &parsed);
        let mut decoder = exchange.decoder(&instruments, depth);
        let (mut words, mut messages) = (Words::new(), Vec::new());
        for (line, (conn, rest, raw)) in parsed.iter().enumerate() {
            if *rest || !exchange.owns(conn) {
                continue;
            }
            decoder.decode(raw.as_bytes(), &mut words).unwrap();
            messages.extend(words.iter().filter_map(|word| match word {
                Word::Diff(diff, ..) => Some(Message {
                    line,
                    diff,
                    whole: false,
                }),
                Word::Book(diff, ..) => Some(Message {
                    line,
                    diff,
                    whole: true,
                }),
                _ => None,
            }));
        }
        Self {
            depth,
            instruments,
            lines,
            messages,
            cut: file.next().is_some(),
        }
    }

    /// The messages about this instrument's book.
    pub fn messages_of(&self, instrument: &Instrument) -> Vec<&Message> {
        let its = |message: &&Message| message.diff.instrument == instrument.id;
        self.messages.iter().filter(its).collect()
    }

    /// Writes it without these lines.
    pub fn write_without(&self, path: &Path, left_out: &[usize]) {
        let lines = self.lines.iter().enumerate();
        let kept = lines.filter(|(line, _)| !left_out.contains(line));
        let text: String = kept.map(|(_, text)| text.as_str()).collect();
        super::write_gz(path, &text);
    }
}

fn surveyed(
    exchange: &dyn Exchange,
    lines: &[(String, bool, String)],
) -> (&'static DepthStream, Vec<Instrument>) {
    let mut survey = Survey::default();
    for (conn, rest, raw) in lines {
        match (rest, exchange.snapshot_asked(conn)) {
            (true, Some((symbol, _))) => survey.symbol(&symbol),
            (true, None) => {}
            (false, _) => exchange.survey(raw, &mut survey),
        }
    }
    let depth = survey.recorded_depth(exchange).unwrap();
    (depth, survey.instruments(exchange.name()))
}

/// The lines of a recording, each with its end.
pub fn text_lines(path: &Path) -> impl Iterator<Item = String> + use<> {
    let file = flate2::read::MultiGzDecoder::new(File::open(path).unwrap());
    BufReader::new(file)
        .lines()
        .map(|line| line.unwrap() + "\n")
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// The URL, whether it is a REST body, and the message.
fn fields(line: &str) -> (String, bool, String) {
    let mut fields: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
    let mut text = |key: &str| match fields.remove(key) {
        Some(Value::String(text)) => text,
        other => panic!("{key}: {other:?}"),
    };
    (text("conn"), text("kind") == "rest", text("raw"))
}
