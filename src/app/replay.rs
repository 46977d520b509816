//! `tickwire replay`: a recording through the same lanes as live, without sockets.

mod leads;
mod source;
mod told;

use super::cli::{FAILED, ReplayArgs, complain, print};
use crate::base::feed::SnapshotFrom;
use crate::base::{Clock, Instrument, Nanos, Symbol, UnixNanos};
use crate::exchange::kit::survey::Said;
use crate::exchange::{DepthStream, Exchange, Survey, Words};
use crate::journal::{Entry, Kind};
use crate::market::{Counters, LINES_MAX};
use crate::watch::audit::{Auditor, BookAudit, Shown};
use crate::watch::latency::{Collector, Histograms};
use crate::watch::stage::Stage;
use crate::wiring::feed::{Arrival, Feed, FeedCounters};
use crate::wiring::feed_lane::OVERFLOW_PARTS;
use crate::wiring::plan::{FeedPlan, with_levels};
use crate::wiring::ring::{Bell, Receiver};
use crate::wiring::road;
use crate::wiring::tap::{line_and_part, recorded_line};
use crate::wiring::turn::{Notes, Turn};
use crate::world::os::recorder;
pub(crate) use leads::Lead;
use leads::leads;
use serde::Serialize;
use source::{Contents, For, Source, merge};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
pub(crate) use told::{Missing, Refused, Told};

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
pub(crate) fn run(args: ReplayArgs) -> ExitCode {
    let mut failed = None;
    let files = args.files.iter().flat_map(|file| series_of(file));
    let recordings: Vec<Vec<PathBuf>> = match args.lines {
        true => vec![files.collect()],
        false => files.map(|file| vec![file]).collect(),
    };
    let printed = print(|out| {
        for files in &recordings {
            match digest_lines(files, args.depth) {
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
        }
        Ok(())
    });
    failed.unwrap_or(printed)
}

/// Writes each as one JSON object per line.
fn write_lines<T: Serialize>(out: &mut dyn std::io::Write, each: &[T]) -> std::io::Result<()> {
    for one in each {
        serde_json::to_writer(&mut *out, one)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The series that a name on the command line stands for: a recorder's folder stands for all of its
/// series.
fn series_of(file: &Path) -> Vec<PathBuf> {
    let series = match file.is_dir() {
        true => recorder::series(file).unwrap_or_default(),
        false => Vec::new(),
    };
    // If there is none, opening it says so.
    if series.is_empty() {
        vec![file.to_owned()]
    } else {
        series
    }
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
                updates,
                incomplete,
                sha256,
                ..
            } = audit;
            // A symbol without a book (only trades were recorded) has no digest.
            (updates > 0).then_some(Digest {
                file: named(files),
                symbol: instrument.symbol.to_string(),
                applied: updates,
                gaps: counters.gaps,
                checksums_ok: counters.checksum_ok,
                checksums_bad: counters.checksum_bad,
                incomplete,
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

/// A clock that shows the recording's time.
struct RecordedTime(Cell<u64>);

impl Clock for RecordedTime {
    fn now(&self) -> Nanos {
        Nanos(self.0.get())
    }

    fn unix(&self) -> UnixNanos {
        UnixNanos(self.0.get() as i64)
    }
}

struct Replay<const N: usize> {
    exchange: &'static dyn Exchange,
    depth: &'static DepthStream,
    instruments: Vec<Instrument>,
    feed: Feed<N>,
    events: Receiver<crate::base::Event>,
    shown: rtrb::Consumer<Shown>,
    clock: RecordedTime,
    latency: Histograms,
    leads: Collector,
    notes: Notes,
    /// The connection of each line; zero if it had none yet.
    epochs: [u32; LINES_MAX],
}

impl<const N: usize> Replay<N> {
    fn new(source: &Source) -> Self {
        let exchange = source.exchange;
        let plan = FeedPlan {
            events: RING,
            audits: RING,
            ..FeedPlan::new(exchange, source.depth, &source.instruments)
        };
        let ends = road::feed(&plan, Bell::new(|| {}));
        let (latency, leads) = Histograms::new(0, &Stage::LEADS);
        Self {
            exchange,
            depth: source.depth,
            instruments: plan.instruments,
            feed: ends.feed,
            events: ends.events,
            shown: ends.shown,
            clock: RecordedTime(Cell::new(0)),
            latency,
            leads,
            // Nobody reads a replay's log: what it says is in the digests.
            notes: Notes::new(crossbeam_channel::bounded(0).0),
            epochs: [0; LINES_MAX],
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
        let mut merge = merge(files)?;
        let mut left = files.len();
        let mut index = 0;
        while let Some((number, entry)) = merge.next_entry()? {
            let ours = contents.is_for(source, index);
            index += 1;
            let last = self.clock.0.get();
            self.clock.0.set(entry.ts_ns.unwrap_or(last).max(last));
            let from = match (lane, entry.place) {
                (None, _) => Some((number as u8, 1)),
                (Some(lane), Some(place)) if place.lane == lane => Some((place.line, place.epoch)),
                (Some(_), _) => None, // Another lane's, or metadata.
            };
            let Some((number, epoch)) = from else {
                continue;
            };
            let (number, part) = line_and_part(number);
            self.connect(number, part, epoch)?;
            self.feed_do(|feed, turn, now| feed.handle_timeout(turn, now));
            if ours != For::Nobody {
                self.handle_entry(number, &entry, ours, seen);
            }
            if lane.is_none() && merge.ended(usize::from(number)) {
                left -= 1;
                if left > 0 {
                    self.feed_do(|feed, turn, now| feed.handle_disconnected(turn, now, number));
                }
            }
            // Nothing answers a replay's wishes: it has the books and snapshots that were recorded.
            while self.feed.poll_want().is_some() {}
            while self.feed.poll_heard().is_some() {}
            while self.events.pop().is_ok() {}
            self.feed.flush();
            while let Ok(shown) = self.shown.pop() {
                each(&self.instruments, &shown);
            }
        }
        let counters = self.feed.counters();
        if counters.audit_lost > 0 {
            return Err(format!("{} book states were lost", counters.audit_lost));
        }
        let books = self.feed.books().map(|book| book.counters);
        let books = self.instruments.into_iter().zip(books).collect();
        self.latency.finish(Nanos(self.clock.0.get()));
        let leads = match files {
            [_] => Vec::new(),
            _ => leads(files, self.leads),
        };
        Ok((books, leads))
    }

    /// A message of this connection comes. If it is the first one, the line's last connection has
    /// ended.
    fn connect(&mut self, number: u8, part: u8, epoch: u32) -> Result<(), String> {
        let before = self.epochs.get_mut(usize::from(number));
        let before = before.filter(|_| part <= OVERFLOW_PARTS).ok_or_else(|| {
            let recorded = recorded_line(number, part);
            format!("line {recorded}: no lane has so many")
        })?;
        if epoch == 0 {
            return Ok(()); // A snapshot that came while no line was up.
        }
        match std::mem::replace(before, epoch) {
            before if before == epoch => return Ok(()),
            0 => {}
            _ => self.feed_do(|feed, turn, now| feed.handle_disconnected(turn, now, number)),
        }
        self.feed.join(number, part);
        self.feed_do(|feed, turn, now| feed.handle_connected(turn, now, number, epoch));
        self.feed_do(|feed, turn, now| feed.handle_recorded(turn, now, number));
        Ok(())
    }

    fn handle_entry(&mut self, number: u8, entry: &Entry<'_>, ours: For, seen: &mut Seen) {
        if entry.kind == Kind::Rest {
            return self.handle_rest(number, entry, seen);
        }
        let refused = |counters: FeedCounters| counters.bad_frames + counters.unfit;
        let before = refused(self.feed.counters());
        self.feed_do(|feed, turn, now| {
            let arrival = Arrival {
                frame: now,
                ..Arrival::default()
            };
            feed.handle_frame(turn, number, arrival, entry.raw.as_bytes());
        });
        // What this build does not read is counted by its stream already.
        if refused(self.feed.counters()) > before && ours != For::Number {
            self.refused(entry, seen);
        }
    }

    fn handle_rest(&mut self, number: u8, entry: &Entry<'_>, seen: &mut Seen) {
        let exchange = self.exchange;
        let Some((symbol, levels)) = exchange.snapshot_asked(&entry.conn) else {
            return;
        };
        let mut known = self.instruments.iter();
        let Some(&instrument) = known.find(|i| i.symbol.as_str() == symbol) else {
            return;
        };
        let body = entry.raw.as_bytes().to_vec();
        match exchange.snapshot(body, &instrument, levels) {
            Ok(snapshot) => {
                seen.snapshots.insert(instrument.symbol);
                let carried = entry.place.is_some_and(|place| place.epoch != 0);
                self.feed_do(|feed, turn, now| {
                    if carried {
                        feed.handle_snapshot_recorded(turn, now, number, instrument.id);
                    }
                    feed.handle_snapshot(turn, now, instrument.id, &snapshot);
                });
            }
            Err(why) => seen.told.refuse(Refused {
                exchange: exchange.name(),
                symbol,
                of_book: true,
                why: why.name(),
            }),
        }
    }

    /// Finds out what a refused frame, or a word of it, was, and why. Slow: it decodes the frame
    /// again.
    fn refused(&mut self, entry: &Entry<'_>, seen: &mut Seen) {
        let exchange = self.exchange;
        let (mut decoder, mut words) = (
            exchange.decoder(&self.instruments, self.depth),
            Words::new(),
        );
        let decoded = decoder.decode(entry.raw.as_bytes(), &mut words);
        if decoded.is_ok() {
            seen.told
                .refuse_words(exchange.name(), &self.instruments, &words);
            return;
        }
        let mut survey = Survey::default();
        exchange.survey(&entry.raw, &mut survey);
        let symbol = survey
            .instruments(exchange.name())
            .first()
            .map(|one| one.symbol);
        let of_book = symbol.is_none() || matches!(survey.take_said(), Said::Book(_));
        seen.told.refuse(Refused {
            exchange: exchange.name(),
            symbol: symbol.map(|symbol| symbol.to_string()).unwrap_or_default(),
            of_book,
            why: decoded.err().map_or("unknown", |why| why.name()),
        });
    }

    fn feed_do(&mut self, act: impl FnOnce(&mut Feed<N>, &mut Turn, Nanos)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        act(&mut self.feed, &mut turn, self.clock.now());
    }
}

#[cfg(test)]
mod tests;
