//! The recorder: the thread that writes what lanes and the clerk took in, as it came, into files
//! that any tool reads. No lane ever waits for it; what it could not take in is counted, and the
//! recording says so. What a file looks like is for `journal` to say.
//!
//! Entries of an exchange stand in the order in which the engine took them in, over all its lanes.
//! So a replay sees what the books saw, snapshots included. The place of a snapshot is that of the
//! newest connection which carries the book, in the lane that took it in.

mod bodies;
mod folder;
mod read;

use super::sys;
use crate::base::{Clock, InstrumentId, Nanos, Note, Severity, Span, Value};
use crate::journal::{self, Entry, Item, Pack, Place, Series, Store, Written};
use crate::watch::log::Anchor;
use crate::wiring::tap::{Head, Kind, TapEnd};
use crate::wiring::turn::Notes;
pub(crate) use bodies::{Body, BodyEnd, BodyTap, bare, bodies};
pub(crate) use folder::Folder;
pub(crate) use read::{open, series_of, verify};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the recorder looks for work. A tap must hold what comes in this time, and while a disk
/// is slow.
const POLL: Duration = Duration::from_millis(10);
/// What is younger waits: another lane of the exchange may still bring something older.
const RIPE_AFTER: Span = Span::from_millis(20);
/// A snapshot's body waits this long for the lane to take it in.
const BODY_WAIT: Span = Span::from_secs(5);
/// How often losses are logged.
const LOST_EVERY: Span = Span::from_secs(1);

/// One lane as the recorder sees it.
pub(crate) struct LaneTap {
    /// What it took in.
    pub(crate) end: TapEnd,
    /// Whose messages these are.
    pub(crate) exchange: &'static str,
    /// URL of its connections, at the exchange's own host.
    pub(crate) conn: String,
}

/// What the recorder reads and where it writes.
pub(crate) struct Inputs {
    /// Where files go.
    pub(crate) store: Box<dyn Store + Send>,
    /// How they are packed.
    pub(crate) pack: Pack,
    /// The run's feed lanes.
    pub(crate) lanes: Vec<LaneTap>,
    /// What the clerk fetched.
    pub(crate) bodies: BodyEnd,
    /// To stamp lines, and to know when a segment ends.
    pub(crate) clock: Box<dyn Clock + Send>,
    /// Where losses are logged.
    pub(crate) notes: Notes,
}

/// What a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recorded {
    /// All its series together.
    pub(crate) written: Written,
    /// Messages that are not in it.
    pub(crate) lost: u64,
}

/// The running thread. Dropped without [`RecordingHandle::stop`] it ends by itself, and nobody
/// waits for it.
pub(crate) struct RecordingHandle {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Recorded, String>>>,
}

impl RecordingHandle {
    /// True once it has ended although nobody stopped it: a write failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Writes what waits, finishes the files and ends the thread. Stop the workers first.
    ///
    /// # Errors
    /// The write that failed.
    pub(crate) fn stop(mut self) -> Result<Recorded, String> {
        self.stop.store(true, Ordering::Release);
        let panicked = || Err("the recorder panicked".to_owned());
        let thread = self.thread.take();
        thread.map_or_else(panicked, |thread| {
            thread.join().unwrap_or_else(|_| panicked())
        })
    }
}

impl Drop for RecordingHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The recorder's state, on its own thread.
pub(crate) struct RecordingWriter {
    store: Box<dyn Store + Send>,
    pack: Pack,
    tracks: Vec<Track>,
    bodies: BodyEnd,
    clock: Box<dyn Clock + Send>,
    /// Read once: the time between two lines is what the monotonic clock says.
    anchor: Anchor,
    notes: Notes,
    /// Losses that were logged, and when the next may be.
    lost_logged: (u64, Nanos),
}

/// One exchange: what comes in, and its files.
struct Track {
    series: Series,
    lanes: Vec<LaneTap>,
    bodies: VecDeque<Body>,
    /// What cannot be written as a line: not text, or too long.
    unwritable: u64,
    bytes: Vec<u8>,
}

impl RecordingWriter {
    /// Starts the thread `tickwire-record`.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(inputs: Inputs) -> io::Result<RecordingHandle> {
        let recorder = Self::new(inputs);
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = thread::Builder::new()
            .name("tickwire-record".to_owned())
            .spawn(move || {
                sys::step_back();
                recorder.run(&asked)
            })?;
        Ok(RecordingHandle {
            stop,
            thread: Some(thread),
        })
    }

    fn new(inputs: Inputs) -> Self {
        let anchor = Anchor {
            mono: inputs.clock.now(),
            unix: inputs.clock.unix(),
        };
        let mut recorder = Self {
            store: inputs.store,
            pack: inputs.pack,
            tracks: Vec::new(),
            bodies: inputs.bodies,
            clock: inputs.clock,
            anchor,
            notes: inputs.notes,
            lost_logged: (0, Nanos::ZERO),
        };
        for lane in inputs.lanes {
            recorder.track(lane.exchange).lanes.push(lane);
        }
        recorder
    }

    fn run(mut self, stop: &AtomicBool) -> Result<Recorded, String> {
        loop {
            // Read before the round: so the round takes in all that was sent before the stop.
            let last = stop.load(Ordering::Acquire);
            let now = self.clock.now();
            let ripe = if last { Nanos::NEVER } else { now - RIPE_AFTER };
            let taken = self.round(now, ripe).map_err(|e| e.to_string())?;
            if last {
                return self.finish().map_err(|error| error.to_string());
            }
            if taken == 0 {
                thread::sleep(POLL);
            }
        }
    }

    /// Writes what came up to `ripe`, and says how much that was.
    fn round(&mut self, now: Nanos, ripe: Nanos) -> io::Result<usize> {
        while let Ok(body) = self.bodies.inbox.try_recv() {
            self.track(body.exchange).bodies.push_back(body);
        }
        let mut taken = 0;
        for track in &mut self.tracks {
            let mut out = Out {
                store: &mut *self.store,
                anchor: self.anchor,
                now,
            };
            taken += track.drain(&mut out, ripe)?;
            track.series.set_lost(track.lost());
            track.series.handle_time(out.store, now)?;
        }
        self.log_losses(now);
        Ok(taken)
    }

    fn finish(mut self) -> io::Result<Recorded> {
        let mut recorded = Recorded {
            lost: self.lost(),
            ..Recorded::default()
        };
        for track in &mut self.tracks {
            track.series.finish(&mut *self.store)?;
            recorded.written += track.series.written();
        }
        let ended = self.anchor.unix(self.clock.now());
        let end = Item::end(ended, recorded.lost);
        self.store.list(&end.to_line())?;
        Ok(recorded)
    }

    fn lost(&self) -> u64 {
        self.bodies.lost() + self.tracks.iter().map(Track::lost).sum::<u64>()
    }

    fn log_losses(&mut self, now: Nanos) {
        let (logged, from) = self.lost_logged;
        let lost = self.lost();
        if lost > logged && now >= from {
            self.lost_logged = (lost, now + LOST_EVERY);
            let note = Note::new(now, Severity::Error, "record.lost");
            self.notes
                .send(note.with("messages", Value::Int(lost as i64)));
        }
    }

    fn track(&mut self, exchange: &'static str) -> &mut Track {
        let known = self.tracks.iter().position(|t| t.series.name() == exchange);
        let at = known.unwrap_or_else(|| {
            self.tracks.push(Track::new(exchange, self.pack));
            self.tracks.len() - 1
        });
        &mut self.tracks[at]
    }
}

/// Where a track writes to, and when.
struct Out<'o> {
    store: &'o mut dyn Store,
    anchor: Anchor,
    now: Nanos,
}

impl Track {
    fn new(exchange: &'static str, pack: Pack) -> Self {
        Self {
            series: Series::new(exchange, pack),
            lanes: Vec::new(),
            bodies: VecDeque::new(),
            unwritable: 0,
            bytes: Vec::new(),
        }
    }

    fn lost(&self) -> u64 {
        self.unwritable + self.lanes.iter().map(|lane| lane.end.lost()).sum::<u64>()
    }

    /// Writes what came up to `ripe`, oldest first.
    fn drain(&mut self, out: &mut Out<'_>, ripe: Nanos) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let next = self.next().filter(|(head, _)| head.at <= ripe);
            let until = next.map_or(ripe, |(head, _)| head.at);
            taken += self.write_bodies(out, until)?;
            let Some((head, lane)) = next else {
                return Ok(taken);
            };
            taken += 1;
            let mut bytes = std::mem::take(&mut self.bytes);
            self.lanes[lane].end.take(&head, &mut bytes);
            let place = Some(Place {
                lane: lane as u16,
                line: head.line,
                epoch: head.epoch,
            });
            match head.kind {
                Kind::Frame => {
                    let conn = self.lanes[lane].conn.clone();
                    self.write(out, head.at, (&conn, place), journal::frame(&bytes))?;
                }
                Kind::Snapshot(id) => self.write_snapshot(out, head.at, place, id)?,
            }
            self.bytes = bytes;
        }
    }

    /// The oldest item of all lanes.
    fn next(&mut self) -> Option<(Head, usize)> {
        let lanes = self.lanes.iter_mut().enumerate();
        let heads = lanes.filter_map(|(n, lane)| Some((lane.end.peek()?, n)));
        heads.min_by_key(|(head, _)| head.at)
    }

    /// Writes the bodies that came up to `until`: of snapshots only those that no lane has taken in
    /// in time.
    fn write_bodies(&mut self, out: &mut Out<'_>, until: Nanos) -> io::Result<usize> {
        let mut taken = 0;
        let due = |body: &Body| match body.snapshot {
            None => body.at <= until,
            Some(_) => body.at + BODY_WAIT <= until,
        };
        while let Some(at) = self.bodies.iter().position(due) {
            let Some(body) = self.bodies.remove(at) else {
                break;
            };
            taken += 1;
            self.write_body(out, body.at, None, &body)?;
        }
        Ok(taken)
    }

    /// Writes the body of the snapshot that a lane took in at `at`.
    fn write_snapshot(
        &mut self,
        out: &mut Out<'_>,
        at: Nanos,
        place: Option<Place>,
        id: InstrumentId,
    ) -> io::Result<()> {
        let ours = |body: &Body| body.snapshot == Some(id);
        let found = self.bodies.iter().position(ours);
        match found.and_then(|found| self.bodies.remove(found)) {
            Some(body) => self.write_body(out, at, place, &body),
            None => Ok(()), // It found no room, which is counted.
        }
    }

    fn write_body(
        &mut self,
        out: &mut Out<'_>,
        at: Nanos,
        place: Option<Place>,
        body: &Body,
    ) -> io::Result<()> {
        let raw = journal::writable(&body.bytes).map(|raw| (journal::Kind::Rest, raw.into()));
        self.write(out, at, (&body.conn, place), raw)
    }

    fn write(
        &mut self,
        out: &mut Out<'_>,
        at: Nanos,
        (conn, place): (&str, Option<Place>),
        message: Option<(journal::Kind, Cow<'_, str>)>,
    ) -> io::Result<()> {
        let Some((kind, raw)) = message else {
            self.unwritable += 1;
            return Ok(());
        };
        let entry = Entry {
            ts_ns: Some(out.anchor.unix(at).0.unsigned_abs()),
            conn: conn.into(),
            place,
            kind,
            raw,
        };
        self.series.write(out.store, out.now, &entry)?;
        self.series.handle_time(out.store, out.now)
    }
}

#[cfg(test)]
mod tests;
