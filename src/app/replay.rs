//! `tickwire replay`: a recording through the same lanes as live, without sockets.

mod cast;
mod cores;
mod decide;
mod kept;
mod leads;
mod source;
mod told;
mod track;

use super::cli::{FAILED, Program, ReplayArgs, WRONG_USE, complain, print};
use super::config::Config;
use super::run::claim::Claim;
use super::run::exit_code;
use crate::base::feed::SnapshotFrom;
use crate::base::{Instrument, Nanos, Symbol};
use crate::market::Counters;
use crate::watch::audit::{Auditor, BookAudit, Shown};
use crate::watch::latency::Collector;
use crate::watch::stage::Stage;
use crate::watch::table::render_decisions;
use crate::wiring::plan::{FeedPlan, with_levels};
use crate::wiring::ring::{Bell, Receiver};
use crate::wiring::road;
use crate::world::os::recorder;
use decide::Kept;
pub(crate) use leads::Lead;
use leads::leads;
use serde::Serialize;
use source::{Contents, For, Source};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
pub(crate) use told::{Missing, Told};
use track::{Time, Track};

/// Levels per side that a book keeps, unless one says otherwise.
const DEPTH: usize = 1_024;
/// Events and shown books that one message may cause: a snapshot replays all diffs that waited for
/// it.
const RING: usize = 4_096;

/// One book of a recording, as `replay --digest` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// The file as it was named. If it was read as several lines, all their files, with a blank
    /// between.
    pub(crate) file: String,
    /// The instrument, as the exchange writes it.
    pub symbol: String,
    /// Updates that were applied, snapshots included: lines of the canonical dump.
    pub applied: u64,
    /// Times that updates were missing.
    pub gaps: u64,
    /// Messages whose checksum agreed with the book.
    pub checksums_ok: u64,
    /// Messages whose checksum did not.
    pub checksums_bad: u64,
    /// Lines whose best 20 levels were not provably the exchange's own.
    pub(crate) incomplete: u64,
    /// SHA-256 of the canonical dump.
    pub sha256: String,
    /// The exchange and its book stream, if the file has books of several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) stream: String,
}

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The digest of every book that came out.
    pub digests: Vec<Digest>,
    /// If there were several lines, how each did.
    pub leads: Vec<Lead>,
    /// What did not come out, and why.
    pub(crate) told: Told,
}

/// The command. It replays every file, also if another one cannot be read. Standard error says what
/// is not in the digests. The code is 0 only if no recorded book is missing.
pub(crate) fn run(args: ReplayArgs, program: Program<'_>) -> ExitCode {
    let mut failed = None;
    let files = args.files.iter().flat_map(|file| recorder::series_of(file));
    if let Some(path) = &args.config {
        let files: Vec<PathBuf> = files.collect();
        return decide_all(&files, path, &args, program);
    }
    let depth = args.depth.unwrap_or(DEPTH);
    let recordings: Vec<Vec<PathBuf>> = match args.lines {
        true => vec![files.collect()],
        false => files.map(|file| vec![file]).collect(),
    };
    let digest = |files: &Vec<PathBuf>| digest_lines(files, depth);
    let printed = print(|out| {
        cores::in_order(&recordings, digest, |files, replayed| {
            match replayed {
                Ok(replayed) => {
                    write_lines(out, &replayed.digests)?;
                    write_lines(out, &replayed.leads)?;
                    out.flush()?;
                    for line in replayed.told.to_string().lines() {
                        let code = complain(FAILED, &format!("{}: {line}", named(files)));
                        failed = failed.or((!replayed.told.missing.is_empty()).then_some(code));
                    }
                }
                Err(error) => failed = Some(complain(FAILED, &error)),
            }
            Ok(())
        })
    });
    failed.unwrap_or(printed)
}

/// Lets the strategies of a configuration decide on the recordings, and prints what came of it.
fn decide_all(files: &[PathBuf], path: &Path, args: &ReplayArgs, program: Program<'_>) -> ExitCode {
    let mut config = match Config::load_with(path, &program.kinds) {
        Ok(config) => config,
        Err(errors) => return complain(WRONG_USE, &errors),
    };
    config.engine.depth = args.depth.unwrap_or(config.engine.depth);
    let claim = args.out.as_deref().map(|out| Claim::take(Some(out), ""));
    let claim = match claim.transpose() {
        Ok(claim) => claim,
        Err(error) => return exit_code(Err(&error)),
    };
    let failed = |error: String| complain(FAILED, &format!("{}: {error}", named(files)));
    let file = |name: &str| -> Result<Box<dyn Write>, String> {
        Ok(match &claim {
            None => Box::new(io::sink()),
            Some(claim) => {
                let file = File::create(claim.dir().join(name));
                Box::new(BufWriter::new(
                    file.map_err(|error| format!("{name}: {error}"))?,
                ))
            }
        })
    };
    let decided = || {
        let (mut log, mut decisions) = (file("log.jsonl")?, file("decisions.jsonl")?);
        let mut kept = Kept {
            log: &mut log,
            decisions: &mut decisions,
        };
        let decided = decide::decide(files, &config, &mut kept)?;
        let flushed = log.flush().and_then(|()| decisions.flush());
        flushed.map_err(|error| format!("the replay's files: {error}"))?;
        if let Some(claim) = &claim {
            claim.write_summary(&decided.end.summary)?;
        }
        Ok(decided)
    };
    let decided = match decided() {
        Ok(decided) => decided,
        Err(error) => return failed(error),
    };
    for line in &decided.left_out {
        complain(FAILED, &format!("left out of this replay: {line}"));
    }
    let printed = print(|out| {
        write!(out, "{}", render_decisions(&decided.end.summary))?;
        writeln!(out, "decisions: sha256 {}", decided.sha256)
    });
    (program.at_end)(&decided.end);
    printed
}

/// Writes each as one JSON object per line.
fn write_lines<T: Serialize>(out: &mut dyn std::io::Write, each: &[T]) -> std::io::Result<()> {
    for one in each {
        serde_json::to_writer(&mut *out, one)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The digests of all books of `file`, kept with `depth` levels per side (256, 1,024 or 4,096).
///
/// # Errors
/// If it cannot be read, or a recorded book is missing.
pub fn digest(file: &Path, depth: usize) -> Result<Vec<Digest>, String> {
    let replayed = digest_lines(&[file.to_owned()], depth)?;
    match replayed.told.missing.is_empty() {
        true => Ok(replayed.digests),
        false => Err(replayed.told.to_string()),
    }
}

/// The digests of `files` as lines 0, 1, … of one feed, and, if there are several, each line's
/// lead.
///
/// # Errors
/// If one cannot be read, or holds nothing that this build knows.
pub fn digest_lines(files: &[PathBuf], depth: usize) -> Result<Replayed, String> {
    let failed = |error: String| format!("{}: {error}", named(files));
    let contents = Contents::survey(files).map_err(failed)?;
    let mut all = Replayed::default();
    all.told.left_out = contents.others.clone();
    for source in &contents.sources {
        let mut auditor: Option<Auditor> = None;
        let mut seen = Seen::default();
        let (books, leads) = replay_source(
            &Replaying {
                files,
                contents: &contents,
                source,
                depth,
            },
            &mut seen,
            &mut |instruments, shown| {
                auditor
                    .get_or_insert_with(|| Auditor::new(instruments, false))
                    .shown(shown);
            },
        )
        .map_err(failed)?;
        let stream = match contents.sources.len() {
            1 => String::new(),
            _ => format!("{} {}", source.exchange.name(), source.depth.name),
        };
        let digest = |(instrument, counters): (Instrument, Counters)| {
            let audit = auditor.as_ref()?.result(instrument.id)?;
            let BookAudit {
                updates, sha256, ..
            } = audit;
            // A symbol without a book (only trades were recorded) has no digest.
            (updates > 0).then_some(Digest {
                file: named(files),
                symbol: instrument.symbol.to_string(),
                applied: updates,
                gaps: counters.gaps,
                checksums_ok: counters.checksum_ok,
                checksums_bad: counters.checksum_bad,
                incomplete: counters.incomplete,
                sha256,
                stream: stream.clone(),
            })
        };
        let mut digests: Vec<Digest> = books.into_iter().filter_map(digest).collect();
        digests.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        all.told.missing.extend(missing(source, &digests, &seen));
        all.told.refused.extend(seen.told.refused);
        all.digests.extend(digests);
        all.leads.extend(leads);
    }
    Ok(all)
}

/// Recorded books of this source that have no digest, or whose digest lacks a refused message.
fn missing(source: &Source, digests: &[Digest], seen: &Seen) -> Vec<Missing> {
    let exchange = source.exchange.name();
    let why = |symbol: &Symbol| {
        let refused = seen.told.refused_of(exchange, symbol);
        let came_out = digests
            .iter()
            .any(|digest| digest.symbol == symbol.as_str());
        let by_rest = source.depth.rule.snapshot == SnapshotFrom::Rest;
        Some(match (refused, came_out) {
            (0, true) => return None,
            (1.., true) => format!("it lacks {refused} message(s) that were refused"),
            (1.., false) => format!("{refused} message(s) of it were refused, no other starts it"),
            (0, false) if by_rest && !seen.snapshots.contains(symbol) => {
                "no snapshot of it was recorded".to_owned()
            }
            (0, false) if by_rest => "none of its snapshots joins its updates".to_owned(),
            (0, false) => "the message that starts it was not recorded".to_owned(),
        })
    };
    let asked = source.asked.iter();
    let missing = asked.filter_map(|symbol| {
        Some(Missing {
            exchange,
            symbol: symbol.to_string(),
            why: why(symbol)?,
        })
    });
    missing.collect()
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
    names.join(" ")
}

/// Replays `file` and shows every book state in order. Returns the instruments with their gaps.
///
/// # Errors
/// If it cannot be read, or holds nothing that this build knows.
pub fn replay(
    file: &Path,
    depth: usize,
    each: &mut Each<'_>,
) -> Result<Vec<(Instrument, u64)>, String> {
    let files = [file.to_owned()];
    let contents = Contents::survey(&files)?;
    let mut all = Vec::new();
    for source in &contents.sources {
        let (files, contents) = (&files[..], &contents);
        let replaying = Replaying {
            files,
            contents,
            source,
            depth,
        };
        let (books, _) = replay_source(&replaying, &mut Seen::default(), each)?;
        let gaps = |(instrument, counters): (Instrument, Counters)| (instrument, counters.gaps);
        all.extend(books.into_iter().map(gaps));
    }
    Ok(all)
}

/// Receives the run's instruments and one book state.
type Each<'a> = dyn FnMut(&[Instrument], &Shown) + 'a;
/// Every book's counters, and the lines' leads if there are several.
type Books = (Vec<(Instrument, Counters)>, Vec<Lead>);

/// What is replayed, and from which files.
struct Replaying<'a> {
    files: &'a [PathBuf],
    contents: &'a Contents,
    source: &'a Source,
    depth: usize,
}

/// What a replay met on the way.
#[derive(Default)]
struct Seen {
    told: Told,
    /// Instruments with a snapshot that could be read.
    snapshots: BTreeSet<Symbol>,
}

fn replay_source(
    replaying: &Replaying<'_>,
    seen: &mut Seen,
    each: &mut Each<'_>,
) -> Result<Books, String> {
    let Replaying {
        files,
        source,
        depth,
        ..
    } = replaying;
    let files_max = Stage::LEADS.len();
    if files.len() > files_max {
        return Err(format!(
            "{} files: a book has at most {files_max} lines",
            files.len()
        ));
    }
    if files.len() > 1 && !source.depth.rule.merges() {
        return Err(format!(
            "books of {} have no ids: lines cannot be merged",
            source.exchange.name()
        ));
    }
    with_levels!(*depth, N => replay_lanes::<N>(replaying, seen, each))
}

/// Replays each lane of a recording alone, as it ran: its lines come and go without touching
/// another's books.
fn replay_lanes<const N: usize>(
    replaying: &Replaying<'_>,
    seen: &mut Seen,
    each: &mut Each<'_>,
) -> Result<Books, String> {
    let source = replaying.source;
    if replaying.files.len() > 1 || source.lanes.is_empty() {
        return Replay::<N>::new(source).run(replaying, None, seen, each);
    }
    let mut all: Vec<(Instrument, Counters)> = Vec::new();
    for lane in &source.lanes {
        let (books, _) = Replay::<N>::new(source).run(replaying, Some(*lane), seen, each)?;
        match all.is_empty() {
            true => all = books,
            false => {
                // Only one lane has an instrument's book.
                let pairs = all.iter_mut().zip(books);
                for (known, book) in pairs.filter(|(_, (_, counters))| counters.updates > 0) {
                    *known = book;
                }
            }
        }
    }
    Ok((all, Vec::new()))
}

/// The feed of a source for these instruments, which are all that the replay has.
fn feed_plan(source: &Source, instruments: &[Instrument]) -> FeedPlan {
    FeedPlan {
        events: RING,
        audits: RING,
        ..FeedPlan::new(source.exchange, source.depth, instruments)
    }
}

struct Replay<const N: usize> {
    track: Track<N>,
    events: Receiver<crate::base::Event>,
    shown: rtrb::Consumer<Shown>,
    time: Time,
    leads: Collector,
}

impl<const N: usize> Replay<N> {
    fn new(source: &Source) -> Self {
        let plan = feed_plan(source, &source.instruments);
        let ends = road::feed(&plan, Bell::new(|| {}));
        let (time, leads) = Time::unnoted();
        Self {
            track: Track::new(&plan, ends.feed),
            events: ends.events,
            shown: ends.shown,
            time,
            leads,
        }
    }

    /// Replays one lane if one is named; else every file is a line.
    fn run(
        mut self,
        replaying: &Replaying<'_>,
        lane: Option<u16>,
        seen: &mut Seen,
        each: &mut Each<'_>,
    ) -> Result<Books, String> {
        let Replaying {
            files,
            contents,
            source,
            ..
        } = replaying;
        let mut messages = contents.messages(files)?;
        let mut left = files.len();
        let mut index = 0;
        while let Some((number, entry)) = messages.next_entry()? {
            let ours = contents.is_for(source, index);
            index += 1;
            let last = self.time.now();
            self.time
                .set(entry.ts_ns.map_or(last, |ts_ns| Nanos(ts_ns).max(last)));
            let from = match (lane, entry.place) {
                (None, _) => Some((number as u8, 1)),
                (Some(lane), Some(place)) if place.lane == lane => Some((place.line, place.epoch)),
                (Some(_), _) => None, // Another lane's, or metadata.
            };
            let Some(from) = from else {
                continue;
            };
            self.track.take(&mut self.time, from, &entry, ours, seen)?;
            if lane.is_none() && messages.ended(number) {
                left -= 1;
                if left > 0 {
                    self.track.handle_disconnected(&mut self.time, from.0);
                }
            }
            while self.events.pop().is_ok() {}
            self.track.flush();
            while let Ok(shown) = self.shown.pop() {
                each(self.track.instruments(), &shown);
            }
        }
        let counters = self.track.counters();
        if counters.audit_lost > 0 {
            return Err(format!("{} book states were lost", counters.audit_lost));
        }
        let books = self.track.books().map(|book| book.counters);
        let instruments = self.track.instruments().iter().copied();
        let books = instruments.zip(books).collect();
        self.time.finish();
        let leads = match files {
            [_] => Vec::new(),
            _ => leads(files, self.leads),
        };
        Ok((books, leads))
    }
}

#[cfg(test)]
mod tests;
