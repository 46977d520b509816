//! Recordings with a message left out: what a sequence or a checksum shows, and what other lines
//! make good.

use crate::support::corpus::{Corpus, Message, On, Recording, Test, name};
use crate::support::folder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickwire::app::replay::{Digest, Replayed, digest, digest_lines};
use tickwire::base::Instrument;
use tickwire::base::feed::{Chain, SeqRule};

/// Lines of a recording that are looked at if a debug build would take minutes.
const LINES_MAX: usize = if cfg!(debug_assertions) {
    3_000
} else {
    30_000
};
/// Times that a recording is replayed, each time without another message of every book in it.
const ROUNDS: usize = 4;

pub const TESTS: &[Test] = &[
    (
        "a_message_that_is_left_out_is_noticed_wherever_the_protocol_shows_it",
        On::Both,
        a_message_that_is_left_out_is_noticed_wherever_the_protocol_shows_it,
    ),
    (
        "three_recorded_lines_make_one_book_that_has_every_update_once",
        On::Real,
        three_recorded_lines_make_one_book_that_has_every_update_once,
    ),
    (
        "what_one_line_lost_comes_from_the_others",
        On::Real,
        what_one_line_lost_comes_from_the_others,
    ),
];

/// What shows that this message was left out, by the rule that its exchange names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Noticed {
    /// The numbers of those that come after it.
    ByNumber,
    /// Checksums, if it changes one of the levels that they are made of, and nothing changes
    /// that again.
    ByChecksum,
    /// Nothing: the exchange sends nothing that could show it.
    Never,
}

fn noticed(rule: SeqRule, message: &Message) -> Noticed {
    let numbered = match rule.chain {
        Chain::Dense => true,
        Chain::Previous => message.diff.prev_id.is_some(),
        Chain::Rising | Chain::Counted => false,
    };
    if numbered || rule.numbered_line {
        Noticed::ByNumber
    } else if rule.checksum.is_some() && message.diff.checksum.is_some() {
        Noticed::ByChecksum
    } else {
        Noticed::Never
    }
}

fn a_message_that_is_left_out_is_noticed_wherever_the_protocol_shows_it(corpus: &Corpus) {
    let folder = folder();
    let mut all_files: BTreeMap<Noticed, (u32, u32)> = BTreeMap::new();
    for path in &corpus.books {
        let recording = Recording::read(path, LINES_MAX);
        let file = folder.path().join(path.file_name().unwrap());
        let mut found: BTreeMap<Noticed, (u32, u32)> = BTreeMap::new();
        for round in 0..ROUNDS {
            // One of each book: they know nothing of each other.
            let left_out: Vec<(&Instrument, &Message)> = recording
                .instruments
                .iter()
                .filter_map(|instrument| Some((instrument, middle(&recording, instrument, round)?)))
                .collect();
            let lines: Vec<usize> = left_out.iter().map(|(_, message)| message.line).collect();
            if lines.is_empty() {
                continue;
            }
            recording.write_without(&file, &lines);
            let digests = digest(&file, 1_024).unwrap();
            for (instrument, message) in left_out {
                let of_it = |digest: &&Digest| digest.symbol == instrument.symbol.as_str();
                let digest = digests.iter().find(of_it).unwrap();
                let (all, shown) = found
                    .entry(noticed(recording.depth.rule, message))
                    .or_default();
                *all += 1;
                *shown += u32::from(digest.gaps + digest.checksums_bad > 0);
            }
        }
        println!("{}: {found:?}", name(path));
        for (how, (all, shown)) in found {
            let right = match how {
                Noticed::ByNumber => shown == all,
                Noticed::ByChecksum => shown > 0,
                Noticed::Never => shown == 0,
            };
            assert!(right, "{}: {how:?}: {shown} of {all}", name(path));
            let sum = all_files.entry(how).or_default();
            *sum = (sum.0 + all, sum.1 + shown);
        }
    }
    println!("all of them: {all_files:?}");
    assert_eq!(all_files.len(), 3);
    let (all, shown) = all_files[&Noticed::ByChecksum];
    assert!(2 * shown > all, "{shown} of {all}");
}

/// A change of this book with others before and after it. If every message is a whole book there
/// is none, and none is needed: the next one tells all.
fn middle<'r>(
    recording: &'r Recording,
    instrument: &Instrument,
    round: usize,
) -> Option<&'r Message> {
    let messages = recording.messages_of(instrument);
    // In the second half the first book is long there.
    let place = messages.len() * (8 + round) / 16;
    let (first, after) = messages.split_at_checked(place)?;
    let [message, next, ..] = after else {
        return None;
    };
    (first.len() > 2 && !message.whole && !next.whole).then_some(message)
}

/// Three connections that were recorded at the same time, with the same subscriptions.
const LINES: &str = "okx-v5-tbt-20210722-c";

fn lines(corpus: &Corpus) -> Vec<PathBuf> {
    let lines = corpus.books.iter();
    let lines: Vec<PathBuf> = lines
        .filter(|p| name(p).starts_with(LINES))
        .cloned()
        .collect();
    assert_eq!(lines.len(), 3);
    lines
}

/// The first line began first: what all of them make together is what it would make alone.
fn assert_whole(corpus: &Corpus, first: &Path, digests: &[Digest], place: &str) {
    let wanted = corpus.symbols(first);
    assert_eq!(digests.len(), wanted.len(), "{place}");
    for got in digests {
        let (want, place) = (&wanted[&got.symbol], format!("{} {place}", got.symbol));
        assert_eq!(got.gaps + got.checksums_bad, 0, "{place}");
        assert_eq!(want["applied"], got.applied, "{place}");
        assert_eq!(want["sha256"], got.sha256, "{place}");
    }
}

fn three_recorded_lines_make_one_book_that_has_every_update_once(corpus: &Corpus) {
    let files = lines(corpus);
    let Replayed { digests, leads, .. } = digest_lines(&files, 4_096).unwrap();
    assert_whole(corpus, &files[0], &digests, "with all lines");
    // The lines of the digest are numbered, and they are those of the first line: its ids rise, and
    // no other line has an update after its first book that is not among them.
    let ids: Vec<BTreeMap<String, Vec<u64>>> = files.iter().map(|file| ids(file)).collect();
    for line in &ids {
        assert_eq!(line.len(), digests.len());
        for (symbol, of_line) in line {
            assert!(of_line.is_sorted_by(|a, b| a < b), "{symbol}");
            let applied = &ids[0][symbol];
            let covered = |id| applied.binary_search(id).is_ok();
            assert!(of_line.iter().all(covered), "{symbol}");
        }
    }
    for lead in &leads {
        println!(
            "line {} of {}: first with {} updates, {} us before the next one at the \
             median, {} us at p99",
            lead.line, lead.file, lead.won, lead.lead_us_p50, lead.lead_us_p99
        );
        assert!(lead.won > 0, "{lead:?}");
    }
}

/// Update ids in the order in which a recording has them, by symbol.
fn ids(file: &Path) -> BTreeMap<String, Vec<u64>> {
    let recording = Recording::read(file, usize::MAX);
    let of = |instrument: &Instrument| {
        let messages = recording.messages_of(instrument);
        let ids = messages.iter().map(|message| message.diff.last_id);
        (instrument.symbol.to_string(), ids.collect())
    };
    let ids: BTreeMap<String, Vec<u64>> = recording.instruments.iter().map(of).collect();
    ids.into_iter().filter(|(_, ids)| !ids.is_empty()).collect()
}

fn what_one_line_lost_comes_from_the_others(corpus: &Corpus) {
    let files = lines(corpus);
    let folder = folder();
    let mut left_out = 0;
    for (line, path) in files.iter().enumerate() {
        let recording = Recording::read(path, usize::MAX);
        let mut files = files.clone();
        files[line] = folder.path().join(path.file_name().unwrap());
        for round in 0..ROUNDS {
            let messages = recording.instruments.iter();
            let gone: Vec<usize> = messages
                .filter_map(|instrument| middle(&recording, instrument, round))
                .map(|message| message.line)
                .collect();
            recording.write_without(&files[line], &gone);
            let place = format!(
                "without {} messages of line {line}, round {round}",
                gone.len()
            );
            let digests = digest_lines(&files, 1_024).unwrap().digests;
            left_out += gone.len();
            assert_whole(corpus, &lines(corpus)[0], &digests, &place);
        }
    }
    println!("{left_out} messages left out");
    assert!(left_out > 9 * 3 * ROUNDS / 2);
}
