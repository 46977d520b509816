//! Each target over its committed seeds, and over damaged copies of them. The fuzzer looks for new
//! inputs; this keeps what it found found, on the stable toolchain.

use super::scan::damaged;
use super::{Body, TARGETS};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const SEED: u64 = 13;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

fn body(name: &str) -> Body {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("no target {name}")).1
}

/// The committed seeds of a target, by name.
fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder("seeds").join(name)).unwrap();
    let seed = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let mut all: Vec<_> = entries.map(seed).collect();
    all.sort();
    assert!(!all.is_empty(), "no seeds of {name}");
    all
}

/// Names the input on which a body panicked, and leaves it where `cargo fuzz run` takes it.
struct Input<'a>(&'a str, String, &'a [u8]);

impl Drop for Input<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let &mut Self(name, ref what, bytes) = self;
            let folder = folder("artifacts").join(name);
            let path = folder.join(what);
            let _ = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, bytes));
            println!("the input is {}: {}", path.display(), bytes.escape_ascii());
        }
    }
}

/// Calls the body with every seed, and with this many damaged ones.
fn survives(name: &str, damages: u32) {
    let (body, seeds) = (body(name), seeds(name));
    for (seed, bytes) in &seeds {
        let _input = Input(name, format!("seed-{seed}"), bytes);
        body(bytes);
    }
    let mut dice = fastrand::Rng::with_seed(SEED);
    for round in 0..damages {
        let (_, bytes) = &seeds[dice.usize(..seeds.len())];
        let bytes = match dice.u8(..4) {
            // The beginning of one and the end of another.
            0 => {
                let (_, other) = &seeds[dice.usize(..seeds.len())];
                let (to, from) = (dice.usize(..=bytes.len()), dice.usize(..=other.len()));
                [&bytes[..to], &other[from..]].concat()
            }
            _ => bytes.clone(),
        };
        let bytes = damaged(&bytes, &mut dice);
        let _input = Input(name, format!("smoke-{round}"), &bytes);
        body(&bytes);
    }
}

#[test]
fn no_frame_of_an_order_connection_says_what_it_must_not() {
    survives("account", 3_000);
}

#[test]
fn no_answer_of_a_service_lists_what_cannot_be() {
    survives("answers", 3_000);
}

#[test]
fn no_order_of_events_makes_a_book_wrong() {
    survives("book", 1_000);
}

#[test]
fn every_text_is_a_configuration_or_an_error() {
    survives("config", 500);
}

#[test]
fn no_frame_says_another_thing_where_it_lies_than_over_the_tape() {
    survives("decode", 3_000);
}

#[test]
fn whatever_a_peer_sends_is_read_the_same_in_place_and_by_tungstenite() {
    survives("frame", 1_000);
}

#[test]
fn numbers_are_written_as_they_are_read() {
    survives("numbers", 5_000);
}

#[test]
fn no_recording_is_more_than_an_error() {
    survives("recording", 1_000);
}

#[test]
fn no_damage_to_a_record_gives_plaintext_that_was_not_sent() {
    survives("tls", 200);
}

#[test]
fn every_target_has_a_binary_and_seeds_and_there_are_no_others() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let binaries = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \""));
    let binaries = binaries.filter_map(|line| line.strip_suffix('"'));
    let binaries: BTreeSet<String> = binaries.skip(1).map(str::to_owned).collect();
    assert_eq!(binaries, names);
    let seeds = fs::read_dir(folder("seeds")).unwrap();
    let seeds = seeds.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(seeds.collect::<BTreeSet<_>>(), names);
}
