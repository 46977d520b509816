//! `tickwire replay`: a recording through the same lanes as live, without sockets.

use super::cli::{FAILED, ReplayArgs, complain, print};
use crate::base::{Clock, Instrument, Nanos, UnixNanos};
use crate::exchange::{Exchange, binance_spot::BinanceSpot};
use crate::watch::audit::{AUDIT_LEVELS, Auditor, BookAudit, Shown};
use crate::watch::latency::Recorder;
use crate::wiring::feed::{Arrival, Feed};
use crate::wiring::publisher::Publisher;
use crate::wiring::ring::{Bell, Receiver, ring};
use crate::wiring::turn::{Notes, Turn};
use crate::world::os::server::opener;
use crate::world::sim::recording::{Kind, Line, Recording};
use serde::Serialize;
use std::cell::Cell;
use std::path::Path;
use std::process::ExitCode;

/// Events and shown books that one message may cause: a snapshot replays all diffs that waited for it.
const RING: usize = 4_096;

/// One book of a recording, as `replay --digest` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// The file as it was named.
    pub file: String,
    /// As the exchange writes it.
    pub symbol: String,
    /// Updates that were applied, snapshots included: lines of the canonical dump.
    pub applied: u64,
    /// Times that updates were missing.
    pub gaps: u64,
    /// Lines whose best 20 levels were not provably the exchange's own.
    pub incomplete: u64,
    /// Of the canonical dump.
    pub sha256: String,
}

/// The command. Every file is replayed; one that cannot be does not keep the others from it.
pub fn run(args: ReplayArgs) -> ExitCode {
    let mut failed = None;
    let printed = print(|out| {
        for file in &args.files {
            match digest(file, args.depth) {
                Ok(digests) => {
                    for digest in digests {
                        serde_json::to_writer(&mut *out, &digest)?;
                        out.write_all(b"\n")?;
                    }
                    out.flush()?;
                }
                Err(error) => failed = Some(complain(FAILED, &error)),
            }
        }
        Ok(())
    });
    failed.unwrap_or(printed)
}

/// The digests of all books of `file`, kept with `depth` levels a side (256, 1,024 or 4,096).
pub fn digest(file: &Path, depth: usize) -> Result<Vec<Digest>, String> {
    let mut auditor: Option<Auditor> = None;
    let replayed = replay(file, depth, &mut |instruments, shown| {
        auditor
            .get_or_insert_with(|| Auditor::new(instruments, false))
            .shown(shown);
    })?;
    let digest = |(instrument, gaps): (Instrument, u64)| {
        let audit = auditor.as_ref()?.result(instrument.id)?;
        let BookAudit {
            updates,
            incomplete,
            sha256,
            ..
        } = audit;
        let (file, symbol) = (file.display().to_string(), instrument.symbol.to_string());
        // A symbol without a book (only trades were recorded) has no digest.
        (updates > 0).then_some(Digest {
            file,
            symbol,
            applied: updates,
            gaps,
            incomplete,
            sha256,
        })
    };
    let mut digests: Vec<Digest> = replayed.into_iter().filter_map(digest).collect();
    digests.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    Ok(digests)
}

/// Replays `file` and shows every book state in order. Gives the instruments with their gaps.
pub fn replay(
    file: &Path,
    depth: usize,
    each: &mut dyn FnMut(&[Instrument], &Shown),
) -> Result<Vec<(Instrument, u64)>, String> {
    let open = || Recording::index(opener(file.to_owned()));
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let recording = open().map_err(|error| failed(&error))?;
    match depth {
        256 => Replay::<256>::new(&recording).run(&recording, each),
        1_024 => Replay::<1_024>::new(&recording).run(&recording, each),
        4_096 => Replay::<4_096>::new(&recording).run(&recording, each),
        other => Err(format!("no book of {other} levels is compiled in")),
    }
    .map_err(|error| failed(&error))
}

/// A clock that stands where the recording stands.
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
    instruments: Vec<Instrument>,
    feed: Feed<N>,
    events: Receiver<crate::base::Event>,
    shown: rtrb::Consumer<Shown>,
    clock: RecordedTime,
    latency: Recorder,
    notes: Notes,
}

impl<const N: usize> Replay<N> {
    fn new(recording: &Recording) -> Self {
        let instruments: Vec<Instrument> = recording
            .listings
            .iter()
            .map(|listing| listing.instrument.clone())
            .collect();
        let (sender, events) = ring(RING, Bell::new(|| {}));
        let (audit, shown) = rtrb::RingBuffer::new(RING);
        let publisher = Publisher::new(sender, instruments.len());
        let feed = Feed::new(
            &BinanceSpot,
            &instruments,
            instruments.len(),
            AUDIT_LEVELS,
            publisher,
            audit,
        );
        Self {
            instruments,
            feed,
            events,
            shown,
            clock: RecordedTime(Cell::new(0)),
            latency: Recorder::new(0, &[]).0,
            // Nobody reads a replay's log: what it says is in the digests.
            notes: Notes::new(crossbeam_channel::bounded(0).0),
        }
    }

    fn run(
        mut self,
        recording: &Recording,
        each: &mut dyn FnMut(&[Instrument], &Shown),
    ) -> Result<Vec<(Instrument, u64)>, String> {
        let mut lines = recording.lines().map_err(|error| error.to_string())?;
        let mut connected = false;
        while let Some(line) = lines.next_line().map_err(|error| error.to_string())? {
            let last = self.clock.0.get();
            self.clock.0.set(line.ts_ns.unwrap_or(last).max(last));
            if !std::mem::replace(&mut connected, true) {
                self.feed_do(|feed, turn, now| feed.handle_connected(turn, now, 1));
            }
            self.feed_do(|feed, turn, now| feed.handle_timeout(turn, now));
            self.handle_line(&line)?;
            // Nothing answers a replay's wishes: it has the snapshots that were recorded.
            while self.feed.poll_want().is_some() {}
            while self.events.pop().is_ok() {}
            self.feed.flush();
            while let Ok(shown) = self.shown.pop() {
                each(&self.instruments, &shown);
            }
        }
        let counters = self.feed.counters();
        if counters.bad_frames > 0 {
            return Err(format!(
                "{} frames could not be decoded",
                counters.bad_frames
            ));
        }
        if counters.audit_lost > 0 {
            return Err(format!("{} book states were lost", counters.audit_lost));
        }
        let gaps: Vec<u64> = self.feed.book_counters().map(|(_, _, c)| c.gaps).collect();
        Ok(self.instruments.into_iter().zip(gaps).collect())
    }

    fn handle_line(&mut self, line: &Line) -> Result<(), String> {
        match &line.kind {
            Kind::Stream(_) | Kind::Symbol(_) => self.feed_do(|feed, turn, now| {
                let arrival = Arrival {
                    frame: now,
                    ..Arrival::default()
                };
                feed.handle_frame(turn, arrival, line.raw.as_bytes());
            }),
            Kind::Snapshot(symbol, levels) => {
                let known = self
                    .instruments
                    .iter()
                    .find(|i| i.symbol.as_str() == symbol);
                let Some(instrument) = known.cloned() else {
                    return Ok(());
                };
                let body = line.raw.clone().into_bytes();
                let snapshot = BinanceSpot
                    .snapshot(body, &instrument, *levels)
                    .map_err(|why| format!("a snapshot of {symbol} is bad: {}", why.name()))?;
                self.feed_do(|feed, turn, now| {
                    feed.handle_snapshot(turn, now, instrument.id, &snapshot);
                });
            }
            Kind::Other => {}
        }
        Ok(())
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
