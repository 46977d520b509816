//! Frames of one or several connections to events: decode, sequence, book, publish. Knows no
//! socket: live it is fed by a [`crate::wiring::feed_lane::FeedLane`], in replay by the recording
//! itself.

mod age;
mod arrival;
mod counters;
mod dark;
mod lines;
mod pace;
mod parts;
mod prints;
mod pulse;
mod reading;
mod refused;
mod slot;
mod touched;

use super::publisher::{Publisher, PublisherCounters};
use super::turn::Turn;
use crate::base::{
    Channel, Instrument, InstrumentId, Nanos, Note, ServerTime, Severity, Snapshot, Span, Stamps,
    Value,
};
use crate::exchange::kit::words::Strange;
use crate::exchange::{DecodeError, Decoder, DepthStream, Exchange, LARGE_BYTES, Limits, Words};
pub(crate) use crate::market::Dark;
use crate::market::{BookBuilder, LINES_MAX, Want};
use crate::watch::audit::Shown;
use crate::wiring::their_clock::clock_note;
use age::{Age, Arrived, age_note};
pub(crate) use age::{Delays, Late};
pub use arrival::Arrival;
use arrival::record_arrival;
pub(crate) use counters::{BookTally, FeedCounters};
pub(crate) use dark::DARK_SAID;
pub(crate) use lines::Heard;
use lines::Lines;
use pace::Pace;
pub use pace::SLOW_SAID;
use reading::Reading;
use refused::{Missing, ends, printable};
use slot::{Outlet, Slot};
use touched::Touched;

/// A connection's refused frames are logged once in this time; the counters have them all. Garbage
/// must not fill the disk.
pub(crate) const REFUSAL_SAMPLE: Span = Span::from_secs(1);
/// How often one sort of what this build does not read is logged.
const STRANGE_SAMPLE: Span = Span::from_secs(3_600);

/// The instruments of one or several connections that carry the same, each book with `N` levels a
/// side.
///
/// Invariant: an instrument and its slot have the same place, which `places` has at its id.
pub struct Feed<const N: usize> {
    exchange: &'static dyn Exchange,
    limits: Limits,
    depth: &'static DepthStream,
    instruments: Vec<Instrument>,
    /// Of all lines: a decoder keeps nothing from frame to frame.
    decoder: Box<dyn Decoder>,
    words: Words,
    slots: Box<[Slot<N>]>,
    /// From [`InstrumentId`] to its place in `slots`; `u16::MAX` for instruments of other feeds.
    places: Box<[u16]>,
    /// Slots whose wants and timers nobody has looked at since they changed. All other slots want
    /// nothing, and nothing of them is due before `due`.
    touched: Touched,
    due: Nanos,
    lines: Lines,
    publisher: Publisher,
    audit: Option<rtrb::Producer<Shown>>,
    counters: FeedCounters,
    age: Age,
    pace: Pace,
    /// When a refused frame is logged again.
    refusal_from: Nanos,
    /// When a template, and a version, that this build does not read may be logged again.
    strange_from: [Nanos; 2],
}

impl<const N: usize> Feed<N> {
    /// A feed of `instruments` out of the run's `instruments_total`. Snapshots are refreshed when
    /// fewer than `depth_needed` levels (and a margin) are complete. Without `books` it keeps none
    /// and sends no status; without `audit` nobody checks what was shown.
    pub(crate) fn new(
        (exchange, depth): (&'static dyn Exchange, &'static DepthStream),
        instruments: &[Instrument],
        instruments_total: usize,
        depth_needed: usize,
        books: bool,
        publisher: Publisher,
        audit: Option<rtrb::Producer<Shown>>,
    ) -> Self {
        let mut places = vec![u16::MAX; instruments_total];
        for (place, instrument) in instruments.iter().enumerate() {
            places[instrument.id.index()] = place as u16;
        }
        let slot = |instrument: &Instrument| {
            let scales = (instrument.px_scale, instrument.qty_scale);
            let book = || BookBuilder::new(depth.rule, scales, depth_needed);
            Slot::new(instrument.id, books.then(book))
        };
        let feed = Self {
            exchange,
            limits: exchange.limits(),
            depth,
            decoder: exchange.decoder(instruments, depth),
            words: Words::new(),
            slots: instruments.iter().map(slot).collect(),
            instruments: instruments.to_vec(),
            places: places.into(),
            touched: Touched::all(instruments.len()),
            due: Nanos::NEVER,
            lines: Lines::new(),
            publisher,
            audit,
            counters: FeedCounters::default(),
            age: Age::default(),
            pace: Pace::new(depth, instruments.len()),
            refusal_from: Nanos::ZERO,
            strange_from: [Nanos::ZERO; 2],
        };
        feed.check();
        feed
    }

    /// Its exchange plays a recording: what that says of the time is of another time.
    pub(crate) fn played(mut self) -> Self {
        self.age.set_played();
        self
    }

    /// One text frame of a line. [`Feed::poll_heard`] has what its owner must know of it.
    pub fn handle_frame(&mut self, turn: &mut Turn, line: u8, arrival: Arrival, frame: &[u8]) {
        if frame.len() > self.limits.message_bytes_max {
            let excerpt = ends(frame);
            let bytes = frame.len() as u64;
            return self.handle_too_long(turn, arrival.frame, line, bytes, &excerpt);
        }
        self.counters.frames += 1;
        let decoded = self.decoder.decode(frame, &mut self.words);
        let stamps = Stamps {
            rx: arrival.rx,
            frame: arrival.frame,
            decode: turn.clock.now(),
            book: Nanos::ZERO,
        };
        record_arrival(turn, &stamps);
        if let Err(why) = decoded {
            // What is about strangers was read as far as its number.
            if why == DecodeError::UnknownSymbol {
                self.handle_number(turn, stamps.decode, line);
            }
            self.refuse(turn, (stamps.decode, line), why, frame);
            return;
        }
        self.handle_number(turn, stamps.decode, line);
        let (scanned, dropped) = (self.words.scanned(), self.words.dropped());
        self.counters.count(scanned, dropped);
        if let Some(strange) = self.words.strange() {
            self.note_strange(turn, stamps.decode, strange);
        }
        let (many, first) = (self.lines.many(), self.lines.is_first(line));
        let mut reading = Reading {
            out: Outlet {
                publisher: &mut self.publisher,
                audit: self.audit.as_mut(),
                counters: &mut self.counters,
                lines: &mut self.lines,
            },
            slots: &mut self.slots,
            places: &self.places,
            touched: &mut self.touched,
            age: &mut self.age,
            pace: &mut self.pace,
            line,
            frame,
            arrived: Arrived::of(&arrival),
            stamps,
            many,
            first,
            shows_losses: self.depth.rule.shows_losses(),
            misfit: None,
        };
        for word in self.words.iter() {
            reading.handle_word(turn, word);
        }
        if let Some((instrument, channel, why)) = reading.misfit {
            self.log_refusal(stamps.decode, turn, frame, |note| {
                note.instrument(instrument)
                    .with("channel", Value::Word(channel.name()))
                    .with("why", Value::Word(why.name()))
            });
        }
        if self.age.is_due(stamps.decode) {
            self.judge_age(turn, stamps.decode);
        }
        if frame.len() > LARGE_BYTES {
            self.words.shrink();
        }
    }

    /// The exchange told its time, beside its streams.
    pub(crate) fn handle_time(&mut self, turn: &mut Turn, now: Nanos, time: ServerTime) {
        if let Some(verdict) = self.age.handle_time(time, now, turn.clock.unix()) {
            let note = clock_note(now, verdict).exchange(self.exchange.name());
            turn.notes.send(note);
        }
    }

    /// A message of a line that was longer than the exchange's limit. The instrument that it was
    /// about goes dark, and its stream is left alone for a while; the others stay.
    pub(crate) fn handle_too_long(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        line: u8,
        bytes: u64,
        excerpt: &[u8],
    ) {
        self.counters.frames += 1;
        self.lines.step_over(line);
        let named = self.instruments.iter();
        let named = named.filter(|one| refused::names(excerpt, &one.symbol));
        let named = named.max_by_key(|one| one.symbol.len()).map(|one| one.id);
        let limit = self.limits.message_bytes_max;
        let note = Note::new(now, Severity::Error, "message.too_long")
            .exchange(self.exchange.name())
            .with("line", Value::Int(line.into()))
            .with("bytes", Value::Int(bytes as i64))
            .with("limit", Value::Int(limit as i64));
        let Some(id) = named else {
            turn.notes.send(note.text(&printable(excerpt)));
            return self.refuse(turn, (now, line), DecodeError::TooLong, excerpt);
        };
        self.counters.count_bad();
        turn.notes.send(note.instrument(id));
        self.with(id, |slot, out| {
            if slot.is_in(Channel::Depth, out.lines.part(line)) {
                slot.lose(now);
                slot.tell_now(out, turn, now, "a message of it is too long");
            }
            out.lines.hear(line, Heard::TooLong { instrument: id });
        });
    }

    /// What a line said that its owner must know, oldest first; call until `None` after every
    /// frame.
    pub fn poll_heard(&mut self) -> Option<(u8, Heard)> {
        self.lines.take_heard()
    }

    /// What the exchange said with its last refusal, for a note.
    pub(crate) fn refusal_text(&self) -> std::borrow::Cow<'_, str> {
        printable(self.lines.refusal())
    }

    /// A snapshot that was asked for through [`Feed::poll_want`].
    pub fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: &Snapshot,
    ) {
        self.counters.levels_dropped += u64::from(snapshot.dropped);
        self.with(id, |slot, out| slot.snapshot(out, turn, now, snapshot));
    }

    /// A snapshot that was asked for cannot be had; the book asks again in its own time.
    pub fn handle_snapshot_failed(&mut self, now: Nanos, id: InstrumentId) {
        self.with(id, |slot, _| {
            if let Some(book) = &mut slot.book {
                book.handle_snapshot_failed(now);
            }
        });
    }

    /// The instrument as it is listed now. If its scales changed, its messages are decoded at the
    /// new ones from here on, and its book starts from nothing. The feed tells the desk. An
    /// instrument of another feed, or one that did not change, changes nothing.
    pub(crate) fn replace_instrument(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        instrument: Instrument,
    ) {
        let mut known = self.instruments.iter_mut();
        let Some(old) = known.find(|old| old.id == instrument.id && **old != instrument) else {
            return;
        };
        let rescaled = (old.px_scale, old.qty_scale) != (instrument.px_scale, instrument.qty_scale);
        *old = instrument;
        self.check();
        if rescaled {
            self.decoder = self.exchange.decoder(&self.instruments, self.depth);
        }
        turn.notes.send(
            Note::new(now, Severity::Warn, "instrument.replaced")
                .instrument(instrument.id)
                .with("px_scale", Value::Int(instrument.px_scale.into()))
                .with("qty_scale", Value::Int(instrument.qty_scale.into())),
        );
        self.with(instrument.id, |slot, out| {
            if rescaled {
                slot.rescale(now, (instrument.px_scale, instrument.qty_scale));
                slot.tell_now(out, turn, now, "listed anew");
            }
            slot.listed(out, now, &instrument);
        });
    }

    /// No timer of any book is due before; [`Nanos::NEVER`] if none is set.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let touched = self.touched.places().map(|place| &self.slots[place]);
        let timers = touched.map(Slot::poll_timeout);
        timers.min().unwrap_or(Nanos::NEVER).min(self.due)
    }

    /// Does what is due for each book, and tells the desk of states that changed.
    pub fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        if now < self.poll_timeout() {
            return;
        }
        self.each(|slot, out| {
            if slot.poll_timeout() <= now {
                slot.handle_timeout(out, turn, now);
            }
        });
    }

    /// What some book or line wants of the world, if any does. A [`Want::Reconnect`] of a whole
    /// line names no instrument.
    pub fn poll_want(&mut self) -> Option<(InstrumentId, Want)> {
        if let Some(line) = self.lines.take_reconnect() {
            return Some((InstrumentId::NONE, Want::Reconnect(line)));
        }
        while let Some(place) = self.touched.first() {
            let slot = &mut self.slots[place];
            if let Some(want) = slot.poll_want() {
                return Some((slot.id, want));
            }
            self.due = self.due.min(slot.poll_timeout());
            self.touched.leave(place);
        }
        None
    }

    /// True while something waits for room on the ring.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.publisher.is_idle()
    }

    /// Publishes what waited for room on the ring.
    pub fn flush(&mut self) {
        self.publisher.flush();
    }

    /// Books that strategies may read now.
    pub fn live_books(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_live()).count()
    }

    /// What was counted so far.
    pub fn counters(&self) -> FeedCounters {
        self.counters
    }

    /// How late the exchange's data came so far.
    pub(crate) fn delays(&self) -> Delays {
        self.age.delays()
    }

    /// How late the exchange's data comes now; `None` while it does not.
    pub(crate) fn late(&self, now: Nanos) -> Option<Late> {
        let instrument = self.instruments.first()?.id;
        let delay_ns = self.age.late_ns(now)?;
        Some(Late {
            instrument,
            delay_ns,
        })
    }

    /// What the ring to the desk met so far.
    pub fn publisher_counters(&self) -> PublisherCounters {
        self.publisher.counters()
    }

    /// What became of each instrument's book; all zero in a feed without books.
    pub fn books(&self) -> impl Iterator<Item = BookTally> {
        self.slots.iter().map(Slot::tally)
    }

    /// The book that has been dark for the longest time.
    pub(crate) fn darkest(&self) -> Option<BookTally> {
        let dark = self.slots.iter().filter(|slot| slot.is_dark());
        dark.min_by_key(|slot| slot.dark.since()).map(Slot::tally)
    }

    /// Whose protocol it speaks.
    pub(crate) fn exchange(&self) -> &'static dyn Exchange {
        self.exchange
    }

    /// Says once a second whether the exchange's data comes late, and whether the host's clock can
    /// be right.
    #[cold]
    fn judge_age(&mut self, turn: &mut Turn, now: Nanos) {
        let name = self.exchange.name();
        if let Some(news) = self.age.judge(now) {
            turn.notes.send(age_note(now, news).exchange(name));
        }
        self.age.look(now, turn.clock.unix());
        if let Some(verdict) = self.age.verdict() {
            turn.notes.send(clock_note(now, verdict).exchange(name));
        }
    }

    /// A frame changed nothing. What it may have said is missing from here on, if nothing else
    /// would show that.
    fn refuse(
        &mut self,
        turn: &mut Turn,
        (now, line): (Nanos, u8),
        why: DecodeError,
        frame: &[u8],
    ) {
        self.counters.count_bad();
        let part = self.lines.part(line);
        let missing = Missing::by(why, self.depth.rule);
        if missing != Missing::Nobodys {
            let all = missing == Missing::Named && !self.is_named(frame);
            for place in 0..self.instruments.len() {
                let instrument = self.instruments[place];
                let carried = self.slots[place].is_in(Channel::Depth, part);
                if carried && (all || refused::names(frame, &instrument.symbol)) {
                    self.with(instrument.id, |slot, out| slot.miss(out, turn, now));
                }
            }
        }
        self.log_refusal(now, turn, frame, |note| {
            note.with("why", Value::Word(why.name()))
        });
    }

    /// Logs that a frame, or a word of it, was not taken; once in [`REFUSAL_SAMPLE`].
    fn log_refusal(
        &mut self,
        now: Nanos,
        turn: &mut Turn,
        frame: &[u8],
        why: impl FnOnce(Note) -> Note,
    ) {
        if now < self.refusal_from {
            return;
        }
        self.refusal_from = now + REFUSAL_SAMPLE;
        let text = printable(frame);
        let so_far = self.counters.bad_frames + self.counters.unfit;
        let note = Note::new(now, Severity::Warn, "frame.refused").exchange(self.exchange.name());
        turn.notes.send(
            why(note)
                .with("bytes", Value::Int(frame.len() as i64))
                .with("so_far", Value::Int(so_far as i64))
                .text(&text),
        );
    }

    /// Counts what of a frame this build does not read, and logs each sort once in
    /// [`STRANGE_SAMPLE`].
    #[cold]
    fn note_strange(&mut self, turn: &mut Turn, now: Nanos, strange: Strange) {
        self.counters.strange += 1;
        let (sort, event, key, number) = match strange {
            Strange::Template(number) => (0, "frame.unknown", "template", number),
            Strange::Version(number) => (1, "schema.newer", "version", number),
        };
        if now < self.strange_from[sort] {
            return;
        }
        self.strange_from[sort] = now + STRANGE_SAMPLE;
        let note = Note::new(now, Severity::Warn, event).exchange(self.exchange.name());
        turn.notes.send(
            note.with(key, Value::Int(number.into()))
                .with("so_far", Value::Int(self.counters.strange as i64)),
        );
    }

    /// The frame names some instrument of this feed.
    fn is_named(&self, frame: &[u8]) -> bool {
        let mut instruments = self.instruments.iter();
        instruments.any(|instrument| refused::names(frame, &instrument.symbol))
    }

    /// Does `act` with the slot of this instrument, if it is one of this feed's.
    fn with(&mut self, id: InstrumentId, act: impl FnOnce(&mut Slot<N>, &mut Outlet<'_>)) {
        let place = self.places.get(id.index()).copied().unwrap_or(u16::MAX);
        let place = usize::from(place);
        if let Some(slot) = self.slots.get_mut(place) {
            self.touched.touch(place);
            act(
                slot,
                &mut Outlet {
                    publisher: &mut self.publisher,
                    audit: self.audit.as_mut(),
                    counters: &mut self.counters,
                    lines: &mut self.lines,
                },
            );
        }
    }

    /// Looks at every instrument: they change when one is listed otherwise.
    fn check(&self) {
        assert_eq!(self.instruments.len(), self.slots.len());
        for (place, (instrument, slot)) in self.instruments.iter().zip(&self.slots).enumerate() {
            assert_eq!(instrument.id, slot.id);
            assert_eq!(usize::from(self.places[slot.id.index()]), place);
        }
    }

    /// Does `act` with every slot.
    fn each(&mut self, mut act: impl FnMut(&mut Slot<N>, &mut Outlet<'_>)) {
        let mut out = Outlet {
            publisher: &mut self.publisher,
            audit: self.audit.as_mut(),
            counters: &mut self.counters,
            lines: &mut self.lines,
        };
        for slot in &mut self.slots {
            act(slot, &mut out);
        }
        self.touched.touch_all();
        self.due = Nanos::NEVER;
    }
}

#[cfg(test)]
mod tests;
