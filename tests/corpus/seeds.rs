//! What the fuzzer of the decoders begins with (`fuzz/seeds/decode`): of each exchange the first
//! frame of each kind that is scanned, from the recordings with other numbers, else of the golden
//! frames.

use crate::frames::Golden;
use crate::scan::kind;
use crate::scan_support::{Pair, fuzzed, streams};
use crate::support::corpus::{Corpus, On, Recording, Test};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tickwire::exchange::{ALL, Exchange};

/// Longer frames have more of the same.
const FRAME_BYTES_MAX: usize = 1_200;

pub const TESTS: &[Test] = &[(
    "seeds_of_the_fuzzer_are_frames_of_the_recordings",
    On::Real,
    seeds_of_the_fuzzer_are_frames_of_the_recordings,
)];

/// By the names of their files.
#[derive(Default)]
struct Seeds(BTreeMap<String, Vec<u8>>);

impl Seeds {
    /// Keeps the frame if it is the first one of its kind, and scanned.
    fn see(&mut self, pairs: &mut [Pair], exchange: &dyn Exchange, kind: &str, frame: &str) {
        let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = format!("{}-{kind}", exchange.name())
            .chars()
            .map(letters)
            .collect();
        if frame.len() > FRAME_BYTES_MAX || self.0.contains_key(&name) {
            return;
        }
        let its = streams()
            .zip(0..)
            .filter(|((of, _), _)| of.name() == exchange.name());
        for (_, at) in its {
            if pairs[usize::from(at)].check(frame.as_bytes()) {
                let seed = [&[at], frame.as_bytes()].concat();
                self.0.insert(name, seed);
                return;
            }
        }
    }
}

fn seeds_of_the_fuzzer_are_frames_of_the_recordings(corpus: &Corpus) {
    let (mut seeds, mut pairs) = (Seeds::default(), fuzzed());
    for path in &corpus.books {
        let recording = Recording::read(path, usize::MAX);
        for line in &recording.lines {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let (conn, raw) = (
                line["conn"].as_str().unwrap(),
                line["raw"].as_str().unwrap(),
            );
            let exchange = ALL.iter().find(|known| known.owns(conn));
            if let Some(exchange) = exchange.filter(|_| line["kind"] == "ws") {
                let kind = kind(raw, &recording.instruments);
                seeds.see(&mut pairs, *exchange, &kind, &with_other_numbers(raw));
            }
        }
    }
    for golden in Golden::all() {
        for frame in &golden.frames {
            let kind = kind(frame, &golden.instruments);
            seeds.see(&mut pairs, golden.exchange, &kind, frame);
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/decode");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, seed) in &seeds.0 {
            fs::write(folder.join(name), seed).unwrap();
        }
    }
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let there: BTreeMap<String, Vec<u8>> = fs::read_dir(&folder).unwrap().map(read).collect();
    assert!(
        there == seeds.0,
        "{} differs; UPDATE_GOLDEN=1 rewrites it, `git diff` judges it",
        folder.display()
    );
}

/// The frame with other digits in every number of three digits or more.
fn with_other_numbers(frame: &str) -> String {
    const DIGITS: &[u8; 10] = b"0471926835";
    let mut bytes = frame.as_bytes().to_vec();
    let in_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let mut from = 0;
    while from < bytes.len() {
        let len = bytes[from..].iter().take_while(|b| in_number(b)).count();
        let before = from.checked_sub(1).map(|at| bytes[at]);
        let begins = matches!(before, Some(b'"' | b':' | b',' | b'['));
        let ends = matches!(bytes.get(from + len), Some(b'"' | b',' | b']' | b'}'));
        if len > 2 && begins && ends {
            let digits = bytes[from..from + len].iter_mut();
            digits
                .filter(|byte| byte.is_ascii_digit())
                .for_each(|byte| *byte = DIGITS[usize::from(*byte - b'0')]);
        }
        from += len.max(1);
    }
    String::from_utf8(bytes).unwrap()
}
