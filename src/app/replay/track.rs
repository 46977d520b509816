//! One feed of a replay, and what the recording says of its connections. Decides nothing.

use super::told::Refused;
use super::{For, Seen};
use crate::base::{Clock, Instrument, Nanos, Note, UnixNanos};
use crate::exchange::kit::survey::Said;
use crate::exchange::{DepthStream, Exchange, Survey, Words};
use crate::journal::{Entry, Kind};
use crate::market::LINES_MAX;
use crate::watch::latency::{Collector, Histograms};
use crate::watch::stage::Stage;
use crate::wiring::feed::{Arrival, BookTally, Feed, FeedCounters};
use crate::wiring::feed_lane::OVERFLOW_PARTS;
use crate::wiring::plan::FeedPlan;
use crate::wiring::tap::{line_and_part, recorded_line};
use crate::wiring::turn::{Notes, Turn};
use std::cell::Cell;

/// Log records that may wait until the next look.
const NOTES: usize = 65_536;

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

/// What a worker would lend its lanes: the recording's time, and where notes go.
pub(super) struct Time {
    clock: RecordedTime,
    latency: Histograms,
    notes: Notes,
}

impl Time {
    /// It is `first`. The receiver gets what the log would.
    pub(super) fn at(first: Nanos) -> (Self, crossbeam_channel::Receiver<Note>) {
        let (notes, log) = crossbeam_channel::bounded(NOTES);
        (Self::noted(first, notes, &[]).0, log)
    }

    /// Nobody reads the log: what it says is in the digests. Leads are timed.
    pub(super) fn unnoted() -> (Self, Collector) {
        Self::noted(Nanos::ZERO, crossbeam_channel::bounded(0).0, &Stage::LEADS)
    }

    fn noted(
        first: Nanos,
        notes: crossbeam_channel::Sender<Note>,
        timed: &[Stage],
    ) -> (Self, Collector) {
        let (latency, collector) = Histograms::new(0, timed);
        let time = Self {
            clock: RecordedTime(Cell::new(first.0)),
            latency,
            notes: Notes::new(notes),
        };
        (time, collector)
    }

    /// The time that it is.
    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Sets it.
    pub(super) fn set(&self, now: Nanos) {
        debug_assert!(self.now() <= now, "time runs forward");
        self.clock.0.set(now.0);
    }

    /// Lends itself for a turn.
    pub(super) fn turn<R>(&mut self, work: impl FnOnce(&mut Turn, Nanos) -> R) -> R {
        let now = self.now();
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.latency,
            notes: &self.notes,
        };
        work(&mut turn, now)
    }

    /// The replay is over: hands on what was timed.
    pub(super) fn finish(self) {
        self.latency.finish(self.clock.now());
    }
}

/// A feed, and its connections as the recording has them.
pub(super) struct Track<const N: usize> {
    exchange: &'static dyn Exchange,
    depth: &'static DepthStream,
    /// Those of the feed.
    instruments: Vec<Instrument>,
    feed: Feed<N>,
    /// The connection of each line; zero if it had none yet.
    epochs: [u32; LINES_MAX],
}

impl<const N: usize> Track<N> {
    /// `feed` was built from `plan`.
    pub(super) fn new(plan: &FeedPlan, feed: Feed<N>) -> Self {
        Self {
            exchange: plan.exchange,
            depth: plan.depth,
            instruments: plan.instruments.clone(),
            feed,
            epochs: [0; LINES_MAX],
        }
    }

    /// The feed's instruments.
    pub(super) fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// What the feed counted.
    pub(super) fn counters(&self) -> FeedCounters {
        self.feed.counters()
    }

    /// What became of each book.
    pub(super) fn books(&self) -> impl Iterator<Item = BookTally> {
        self.feed.books()
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub(super) fn poll_timeout(&self) -> Nanos {
        self.feed.poll_timeout()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, time: &mut Time) {
        time.turn(|turn, now| self.feed.handle_timeout(turn, now));
    }

    /// The line has ended, and no other one begins.
    pub(super) fn handle_disconnected(&mut self, time: &mut Time, line: u8) {
        time.turn(|turn, now| self.feed.handle_disconnected(turn, now, line));
    }

    /// Nothing answers a replay's wishes: it has the books and snapshots that were recorded.
    pub(super) fn flush(&mut self) {
        while self.feed.poll_want().is_some() {}
        while self.feed.poll_heard().is_some() {}
        self.feed.flush();
    }

    /// Takes in a message of this line's connection `epoch`, as the recorder names them.
    pub(super) fn take(
        &mut self,
        time: &mut Time,
        (line, epoch): (u8, u32),
        entry: &Entry<'_>,
        ours: For,
        seen: &mut Seen,
    ) -> Result<(), String> {
        let (line, part) = line_and_part(line);
        self.connect(time, line, part, epoch)?;
        self.handle_timeout(time);
        if ours != For::Nobody {
            self.handle_entry(time, line, entry, ours, seen);
        }
        Ok(())
    }

    /// A message of this connection comes. If it is the first one, the line's last connection has
    /// ended.
    fn connect(&mut self, time: &mut Time, number: u8, part: u8, epoch: u32) -> Result<(), String> {
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
            _ => self.feed_do(time, |feed, turn, now| {
                feed.handle_disconnected(turn, now, number)
            }),
        }
        self.feed.join(number, part);
        self.feed_do(time, |feed, turn, now| {
            feed.handle_connected(turn, now, number, epoch)
        });
        self.feed_do(time, |feed, turn, now| {
            feed.handle_recorded(turn, now, number)
        });
        Ok(())
    }

    fn handle_entry(
        &mut self,
        time: &mut Time,
        number: u8,
        entry: &Entry<'_>,
        ours: For,
        seen: &mut Seen,
    ) {
        if entry.kind == Kind::Rest {
            return self.handle_rest(time, number, entry, seen);
        }
        let refused = |counters: FeedCounters| counters.bad_frames + counters.unfit;
        let before = refused(self.feed.counters());
        self.feed_do(time, |feed, turn, now| {
            let arrival = Arrival {
                frame: now,
                ..Arrival::default()
            };
            feed.handle_frame(turn, number, arrival, &entry.bytes());
        });
        // What this build does not read is counted by its stream already.
        if refused(self.feed.counters()) > before && ours != For::Number {
            self.refused(entry, seen);
        }
    }

    fn handle_rest(&mut self, time: &mut Time, number: u8, entry: &Entry<'_>, seen: &mut Seen) {
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
            Ok(mut snapshot) => {
                // No recording says when it was asked for.
                snapshot.asked = time.now();
                seen.snapshots.insert(instrument.symbol);
                let carried = entry.place.is_some_and(|place| place.epoch != 0);
                self.feed_do(time, |feed, turn, now| {
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
        let decoded = decoder.decode(&entry.bytes(), &mut words);
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

    fn feed_do(&mut self, time: &mut Time, act: impl FnOnce(&mut Feed<N>, &mut Turn, Nanos)) {
        time.turn(|turn, now| act(&mut self.feed, turn, now));
    }
}
