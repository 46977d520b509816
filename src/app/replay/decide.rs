//! `replay --config`: recordings through the road of a run, with its strategies, risk and paper,
//! on the recordings' own clock. Each message is decided at the time at which it was received, as
//! fast as that can be done; so a replay decides the same each time. Dials nothing.

use super::source::{Contents, For, Lanes, Source};
use super::track::{Time, Track};
use super::{Seen, cast};
use crate::app::config::Config;
use crate::app::parts::{Named, configured_strategies, risk};
use crate::app::run::{RunEnd, files};
use crate::base::text::{hex, rfc3339_millis};
use crate::base::{Channel, Instrument, Nanos, Note, UnixNanos};
use crate::journal::Entry;
use crate::watch::audit::{Auditor, Shown};
use crate::watch::decisions::Decisions;
use crate::watch::log::{Anchor, Renderer, is_record};
use crate::watch::summary::{self, Summary};
use crate::wiring::desk::Desk;
use crate::wiring::plan::{FeedPlan, with_levels};
use crate::wiring::ring::Bell;
use crate::wiring::road;
use sha2::{Digest as _, Sha256};
use std::io::Write;
use std::path::PathBuf;

/// What a replay decided.
pub(super) struct Decided {
    /// As a run leaves it.
    pub(super) end: RunEnd,
    /// SHA-256 of the records of all orders.
    pub(super) sha256: String,
    /// What is not in it, for a person to read.
    pub(super) left_out: Vec<String>,
}

/// Where the records of a replay go.
pub(super) struct Kept<'w> {
    /// `log.jsonl`, with the records of orders.
    pub(super) log: &'w mut dyn Write,
    /// `decisions.jsonl`.
    pub(super) decisions: &'w mut dyn Write,
}

impl Kept<'_> {
    fn log(&mut self, line: &str) -> Result<(), String> {
        let done = self.log.write_all(line.as_bytes());
        done.map_err(|error| format!("log.jsonl: {error}"))
    }

    fn decisions(&mut self, lines: &str) -> Result<(), String> {
        let done = self.decisions.write_all(lines.as_bytes());
        done.map_err(|error| format!("decisions.jsonl: {error}"))
    }
}

/// Replays `files` with what `config` says of feeds, strategies and risk. Writes the
/// records of orders, as a run does.
///
/// # Errors
/// In words, when a recording cannot be read, holds nothing that `config` follows, or does not say
/// when its messages came.
pub(super) fn decide(
    files: &[PathBuf],
    config: &Config,
    kept: &mut Kept<'_>,
) -> Result<Decided, String> {
    let contents = Contents::survey(files)?;
    with_levels!(config.engine.depth, N => {
        Deciding::<N>::new(files, config, &contents)?.run(files, &contents, kept)
    })
}

/// A feed of the road, and which messages are for it.
struct Part<'a, const N: usize> {
    track: Track<N>,
    shown: rtrb::Consumer<Shown>,
    source: &'a Source,
    /// The recorder's lane; `None` if the messages do not name theirs.
    lane: Option<u16>,
}

/// The road, and the time on it.
struct Deciding<'a, const N: usize> {
    instruments: Vec<Instrument>,
    parts: Vec<Part<'a, N>>,
    desk: Desk,
    time: Time,
    notes: crossbeam_channel::Receiver<Note>,
    auditor: Auditor,
    decisions: Decisions,
    head: Summary,
    left_out: Vec<String>,
    digest: Sha256,
    line: String,
}

impl<'a, const N: usize> Deciding<'a, N> {
    fn new(files: &[PathBuf], config: &Config, contents: &'a Contents) -> Result<Self, String> {
        let cast = cast::cast(config, contents)?;
        let instruments = cast.instruments;
        let taker: Vec<u32> = cast.fees_ppm.iter().map(|fees| fees.taker).collect();
        let strategies = configured_strategies(config, &instruments, &taker)?;
        let told: Vec<summary::Strategy> = strategies.iter().map(Named::told).collect();
        let lanes = Lanes::survey(contents.messages(files)?)?;
        let (mut parts, mut inputs) = (Vec::new(), Vec::new());
        for source in cast.sources {
            let exchange = source.exchange.name();
            let of = |lane| lanes.of(exchange, lane);
            let each: Vec<Option<u16>> = match lanes.is_empty() {
                true => vec![None],
                false => source.lanes.iter().map(|lane| Some(*lane)).collect(),
            };
            for lane in each {
                let ours = instruments.iter().filter(|one| one.exchange == exchange);
                let ours: Vec<Instrument> = match lane.map(of) {
                    None => ours.copied().collect(),
                    Some(None) => continue, // A lane of another exchange.
                    Some(Some(seen)) => ours
                        .filter(|one| seen.symbols.contains(&one.symbol))
                        .copied()
                        .collect(),
                };
                if ours.is_empty() {
                    continue;
                }
                let books = lane.and_then(of).is_none_or(|seen| seen.books);
                let channels = Channel::ALL.into_iter();
                let plan = FeedPlan {
                    channels: channels
                        .filter(|channel| books || *channel != Channel::Depth)
                        .collect(),
                    total: instruments.len(),
                    ..super::feed_plan(source, &ours)
                };
                let ends = road::feed::<N>(&plan, Bell::new(|| {}));
                inputs.push(ends.events);
                parts.push(Part {
                    track: Track::new(&plan, ends.feed),
                    shown: ends.shown,
                    source,
                    lane,
                });
            }
        }
        let risk = risk(config, &instruments, cast.first.0 / 1_000)?;
        let seated = strategies.into_iter().map(|named| named.seated).collect();
        let (time, notes) = Time::at(cast.first);
        let started = UnixNanos(cast.first.0 as i64);
        Ok(Self {
            desk: Desk::new(
                &instruments,
                inputs,
                seated,
                risk,
                vec![road::paper(cast.fees_ppm)],
            ),
            auditor: Auditor::new(&instruments, false),
            decisions: Decisions::default(),
            head: Summary {
                version: env!("CARGO_PKG_VERSION").into(),
                started: rfc3339_millis(started),
                mode: "paper".into(),
                left_out: cast.left_out.clone(),
                strategies: told,
                ended: true,
                ..Summary::default()
            },
            left_out: cast.left_out,
            instruments,
            parts,
            time,
            notes,
            digest: Sha256::new(),
            line: String::new(),
        })
    }

    fn run(
        mut self,
        files: &[PathBuf],
        contents: &Contents,
        kept: &mut Kept<'_>,
    ) -> Result<Decided, String> {
        let mut messages = contents.messages(files)?;
        let mut seen = Seen::default();
        let began = self.time.now();
        let mut index = 0;
        while let Some((number, entry)) = messages.next_entry()? {
            self.pass(entry.ts_ns, kept)?;
            self.take(
                number,
                &entry,
                |source| {
                    contents
                        .is_of(source, index)
                        .then(|| contents.is_for(source, index))
                },
                &mut seen,
            )?;
            self.decide_all(kept)?;
            index += 1;
        }
        let lasted = self.time.now().since(began);
        let end = self.time.turn(|turn, _| self.desk.finish(turn));
        self.keep_last(kept)?;
        let mut summary = Summary {
            duration_ns: lasted.0,
            ..self.head
        };
        files::tell_desk(&mut summary, &end, &self.instruments);
        summary.orders.sent = end.counters.admitted; // On paper it has been handed over.
        self.auditor.finish(self.time.now());
        for instrument in &self.instruments {
            let audit = self.auditor.result(instrument.id);
            let books = self.parts.iter().flat_map(|part| part.track.books());
            let told = books.filter(|told| told.instrument == instrument.id);
            let told = told.max_by_key(|told| told.counters.updates);
            let mut book = summary::Book::of(instrument, audit);
            if let Some(told) = told {
                files::tell_book(&mut book, &told, self.time.now());
            }
            summary.books.push(book);
        }
        // Of instruments that are not followed the decoders know nothing.
        let refused = seen.told.refused.into_iter();
        let refused = refused.filter(|(one, _)| one.why != "unknown_symbol");
        seen.told.refused = refused.collect();
        self.left_out
            .extend(seen.told.to_string().lines().map(str::to_owned));
        Ok(Decided {
            end: RunEnd::new(summary, self.desk.into_seats()),
            sha256: hex(&self.digest.finalize()),
            left_out: self.left_out,
        })
    }

    /// Lets the time pass until a message came: what is due by then is done at its own time.
    fn pass(&mut self, ts_ns: Option<u64>, kept: &mut Kept<'_>) -> Result<(), String> {
        let until = ts_ns.map_or(self.time.now(), |ts_ns| Nanos(ts_ns).max(self.time.now()));
        loop {
            let due = self.poll_timeout();
            if due > until {
                break;
            }
            self.time.set(due.max(self.time.now()));
            for part in &mut self.parts {
                part.track.handle_timeout(&mut self.time);
            }
            self.decide_all(kept)?;
            if self.poll_timeout() <= due {
                break; // What is overdue waits for a message.
            }
        }
        self.time.set(until);
        Ok(())
    }

    fn poll_timeout(&self) -> Nanos {
        let due = self.parts.iter().map(|part| part.track.poll_timeout());
        due.min().unwrap_or(Nanos::NEVER)
    }

    /// Hands a message to the feeds that it is for.
    fn take(
        &mut self,
        number: usize,
        entry: &Entry<'_>,
        ours: impl Fn(&Source) -> Option<For>,
        seen: &mut Seen,
    ) -> Result<(), String> {
        for part in &mut self.parts {
            let Some(ours) = ours(part.source) else {
                continue; // Another exchange's: lanes count from zero at each.
            };
            let (line, epoch) = match (part.lane, entry.place) {
                // A further file without names of connections is a further connection.
                (None, _) if ours != For::Nobody => (0, number as u32 + 1),
                (Some(lane), Some(place)) if place.lane == lane => (place.line, place.epoch),
                (None | Some(_), _) => continue,
            };
            part.track
                .take(&mut self.time, (line, epoch), entry, ours, seen)?;
        }
        Ok(())
    }

    /// Decides what the feeds have published, until nothing is left to decide at this time.
    fn decide_all(&mut self, kept: &mut Kept<'_>) -> Result<(), String> {
        loop {
            for part in &mut self.parts {
                part.track.flush();
                while let Ok(shown) = part.shown.pop() {
                    self.auditor.shown(&shown);
                }
            }
            if !self.desk.has_input() {
                break;
            }
            self.time.turn(|turn, _| self.desk.handle_turn(turn));
        }
        self.keep_notes(kept)
    }

    /// Keeps the records of orders, and the lines that they complete.
    fn keep_notes(&mut self, kept: &mut Kept<'_>) -> Result<(), String> {
        let names = names(&self.head);
        let renderer = renderer(&self.instruments, &names);
        for note in self.notes.try_iter() {
            self.line.clear();
            self.decisions.handle_note(&renderer, &note, &mut self.line);
            kept.decisions(&self.line)?;
            if is_record(note.event) {
                self.line.clear();
                renderer.json(&note, &mut self.line);
                self.digest.update(self.line.as_bytes());
                kept.log(&self.line)?;
            }
        }
        Ok(())
    }

    /// The replay is over: keeps the lines of orders that have none.
    fn keep_last(&mut self, kept: &mut Kept<'_>) -> Result<(), String> {
        self.keep_notes(kept)?;
        let names = names(&self.head);
        let renderer = renderer(&self.instruments, &names);
        self.line.clear();
        self.decisions
            .finish(&renderer, self.time.now(), &mut self.line);
        kept.decisions(&self.line)
    }
}

fn names(head: &Summary) -> Vec<String> {
    head.strategies
        .iter()
        .map(|told| told.name.clone())
        .collect()
}

/// The recording's time is the wall clock's.
fn renderer<'a>(instruments: &'a [Instrument], strategies: &'a [String]) -> Renderer<'a> {
    Renderer {
        anchor: Anchor {
            mono: Nanos::ZERO,
            unix: UnixNanos(0),
        },
        instruments,
        strategies,
    }
}
