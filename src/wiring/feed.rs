//! Frames of one connection to events: decode, sequence, book, publish. Knows no socket: live it is fed by
//! a [`crate::wiring::feed_lane::FeedLane`], in replay by the recording itself.

use super::publisher::{Publisher, PublisherCounters};
use super::turn::Turn;
use crate::base::{
    Body, Diff, Event, Flags, Instrument, InstrumentId, Level, Nanos, Note, Quote, RxStamps,
    Severity, Snapshot, Stamps, Status, Trade, UnixNanos, Value, Word,
};
use crate::exchange::{DecodeError, Decoder, Exchange};
use crate::market::{BookBuilder, Counters, DiffOutcome, Want};
use crate::watch::audit::Shown;
use crate::watch::stage::Stage;

/// A connection's refused frames are logged once in this time; the counters have them all. Garbage must not
/// fill the disk.
pub const REFUSAL_SAMPLE: Nanos = Nanos::from_secs(1);

/// Where and when a frame came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrival {
    /// Of the socket read that completed the frame.
    pub rx: RxStamps,
    /// TLS and WebSocket gave it up.
    pub frame: Nanos,
}

/// What a feed counted over its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedCounters {
    /// Text frames that came in.
    pub frames: u64,
    /// Frames that were refused whole; they changed nothing.
    pub bad_frames: u64,
    /// Shown books that found no room on the audit ring: digests are void.
    pub audit_lost: u64,
}

/// The answer to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Market data, or nothing of use: it was dealt with.
    Data,
    /// The exchange answered a request of ours.
    Answer {
        /// The request's number.
        id: u64,
        /// The exchange's code where it refused.
        refused: Option<i64>,
    },
    /// The exchange is about to cut this connection.
    Shutdown,
}

/// The books of one connection's instruments, with `N` levels a side.
pub struct Feed<const N: usize> {
    exchange: &'static dyn Exchange,
    decoder: Box<dyn Decoder>,
    books: Box<[Slot<N>]>,
    /// From [`InstrumentId`] to its place in `books`; `u16::MAX` for instruments of other feeds.
    places: Box<[u16]>,
    publisher: Publisher,
    audit: rtrb::Producer<Shown>,
    counters: FeedCounters,
    /// When a refused frame is logged again.
    refusal_from: Nanos,
}

struct Slot<const N: usize> {
    id: InstrumentId,
    book: BookBuilder<N>,
    /// The status that the desk was told last.
    told: Status,
    /// The next book that is shown starts a new, incomparable series.
    fresh: bool,
    /// The audit was shown a book, and has not been told that it went dark.
    lit: bool,
}

impl<const N: usize> Feed<N> {
    /// A feed of `instruments` out of the run's `instruments_total`. Snapshots are refreshed when fewer than
    /// `depth_needed` levels (and a margin) are complete.
    pub fn new(
        exchange: &'static dyn Exchange,
        instruments: &[Instrument],
        instruments_total: usize,
        depth_needed: usize,
        publisher: Publisher,
        audit: rtrb::Producer<Shown>,
    ) -> Self {
        let mut places = vec![u16::MAX; instruments_total];
        for (place, instrument) in instruments.iter().enumerate() {
            places[instrument.id.index()] = place as u16;
        }
        let slot = |instrument: &Instrument| Slot {
            id: instrument.id,
            book: BookBuilder::new(exchange.rule(), depth_needed),
            told: Status::Connecting,
            fresh: true,
            lit: false,
        };
        Self {
            exchange,
            decoder: exchange.decoder(instruments),
            books: instruments.iter().map(slot).collect(),
            places: places.into(),
            publisher,
            audit,
            counters: FeedCounters::default(),
            refusal_from: Nanos::ZERO,
        }
    }

    /// The connection is up: every book starts empty in a new epoch.
    pub fn handle_connected(&mut self, turn: &mut Turn, now: Nanos, epoch: u32) {
        for place in 0..self.books.len() {
            self.books[place].book.handle_connected(now, epoch);
            self.tell_status(turn, now, place, "connected");
        }
    }

    /// The connection ended: every book goes dark at once.
    pub fn handle_disconnected(&mut self, turn: &mut Turn, now: Nanos) {
        for place in 0..self.books.len() {
            self.books[place].book.handle_disconnected(now);
            self.tell_status(turn, now, place, "disconnected");
        }
    }

    /// One text frame.
    pub fn handle_frame(&mut self, turn: &mut Turn, arrival: Arrival, frame: &[u8]) -> Heard {
        self.counters.frames += 1;
        let decoded = self.decoder.decode(frame);
        let stamps = Stamps {
            rx: arrival.rx,
            frame: arrival.frame,
            decode: turn.clock.now(),
            book: Nanos::ZERO,
        };
        record_arrival(turn, &stamps);
        let parts = Parts {
            books: &mut self.books,
            places: &self.places,
            publisher: &mut self.publisher,
            audit: &mut self.audit,
            counters: &mut self.counters,
        };
        match decoded {
            Ok(Word::Diff(diff, bids, asks)) => parts.diff(turn, stamps, &diff, bids, asks),
            Ok(Word::Trade(trade)) => parts.trade(turn, stamps, trade),
            Ok(Word::Quote(quote)) => parts.quote(turn, stamps, quote),
            Ok(Word::Answer { id, refused }) => return Heard::Answer { id, refused },
            Ok(Word::Shutdown) => return Heard::Shutdown,
            Ok(Word::Ignored) => {}
            Err(why) => self.refuse(turn, stamps.decode, why, frame),
        }
        Heard::Data
    }

    /// A snapshot that was asked for through [`Feed::poll_want`].
    pub fn handle_snapshot(
        &mut self,
        turn: &mut Turn,
        now: Nanos,
        id: InstrumentId,
        snapshot: &Snapshot,
    ) {
        let Some(place) = self.place(id) else { return };
        let (slot, audit) = (&mut self.books[place], &mut self.audit);
        let was_dark = slot.book.live().is_none();
        let (before, lost) = (slot.book.counters().updates, &mut self.counters.audit_lost);
        let lit = &mut slot.lit;
        let _ = slot
            .book
            .handle_snapshot(now, snapshot, &mut |book, update_id, _| {
                let shown = Shown {
                    at: now,
                    instrument: id,
                    update_id,
                    top: Some(book.top()),
                    again: false,
                };
                *lost += u64::from(audit.push(shown).is_err());
                *lit = true;
            });
        self.tell_status(turn, now, place, "snapshot");
        let slot = &mut self.books[place];
        let again = slot.book.counters().updates == before;
        if (was_dark || !again)
            && let Some(book) = slot.book.live()
        {
            if again {
                let shown = Shown {
                    at: now,
                    instrument: id,
                    update_id: slot.book.last_id(),
                    top: Some(book.top()),
                    again,
                };
                self.counters.audit_lost += u64::from(self.audit.push(shown).is_err());
            }
            let stamps = Stamps {
                decode: now,
                book: now,
                ..Stamps::default()
            };
            let body = Body::Book(book.top());
            self.publisher
                .publish(slot.event(stamps, UnixNanos(0), body));
            slot.fresh = false;
        }
    }

    /// A snapshot that was asked for cannot be had; the book asks again in its own time.
    pub fn handle_snapshot_failed(&mut self, now: Nanos, id: InstrumentId) {
        if let Some(place) = self.place(id) {
            self.books[place].book.handle_snapshot_failed(now);
        }
    }

    /// The earliest timer of any book; [`Nanos::NEVER`] where none is set.
    pub fn poll_timeout(&self) -> Nanos {
        self.books
            .iter()
            .map(|slot| slot.book.poll_timeout())
            .min()
            .unwrap_or(Nanos::NEVER)
    }

    /// Does what is due for each book, and tells the desk of states that changed.
    pub fn handle_timeout(&mut self, turn: &mut Turn, now: Nanos) {
        for place in 0..self.books.len() {
            if self.books[place].book.poll_timeout() <= now {
                self.books[place].book.handle_timeout(now);
                self.tell_status(turn, now, place, "silent or crossed for too long");
            }
        }
    }

    /// What some book wants of the world, if any does.
    pub fn poll_want(&mut self) -> Option<(InstrumentId, Want)> {
        self.books
            .iter_mut()
            .find_map(|slot| slot.book.poll_output().map(|want| (slot.id, want)))
    }

    /// True while something waits for room on the ring.
    pub fn has_waiting(&self) -> bool {
        !self.publisher.is_idle()
    }

    /// Publishes what waited for room on the ring.
    pub fn flush(&mut self) {
        self.publisher.flush();
    }

    /// Books that strategies may read now.
    pub fn live_books(&self) -> usize {
        self.books
            .iter()
            .filter(|slot| slot.book.live().is_some())
            .count()
    }

    /// What was counted so far.
    pub fn counters(&self) -> FeedCounters {
        self.counters
    }

    /// What the ring to the desk met so far.
    pub fn publisher_counters(&self) -> PublisherCounters {
        self.publisher.counters()
    }

    /// Each instrument's counters and epoch.
    pub fn book_counters(&self) -> impl Iterator<Item = (InstrumentId, u32, Counters)> {
        self.books
            .iter()
            .map(|slot| (slot.id, slot.book.epoch(), slot.book.counters()))
    }

    /// Whose protocol it speaks.
    pub fn exchange(&self) -> &'static dyn Exchange {
        self.exchange
    }

    fn place(&self, id: InstrumentId) -> Option<usize> {
        self.places
            .get(id.index())
            .map(|&place| usize::from(place))
            .filter(|&p| p < self.books.len())
    }

    fn refuse(&mut self, turn: &mut Turn, now: Nanos, why: DecodeError, frame: &[u8]) {
        self.counters.bad_frames += 1;
        if now < self.refusal_from {
            return;
        }
        self.refusal_from = now + REFUSAL_SAMPLE;
        let start = &frame[..frame.len().min(crate::base::note::NOTE_TEXT_MAX)];
        let text = match std::str::from_utf8(start) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or(""),
        };
        turn.notes.send(
            Note::new(now, Severity::Warn, "frame.refused")
                .exchange(self.exchange.name())
                .with("why", Value::Word(why.name()))
                .with("bytes", Value::Int(frame.len() as i64))
                .with("so_far", Value::Int(self.counters.bad_frames as i64))
                .text(text),
        );
    }

    fn tell_status(&mut self, turn: &mut Turn, now: Nanos, place: usize, cause: &'static str) {
        let stamps = Stamps {
            book: now,
            ..Stamps::default()
        };
        let (publisher, audit) = (&mut self.publisher, &mut self.audit);
        let slot = &mut self.books[place];
        tell(
            slot,
            publisher,
            audit,
            &mut self.counters,
            turn,
            cause,
            stamps,
        );
    }
}

/// The parts of a feed that a decoded word may change, while the decoder's scratch is still borrowed.
struct Parts<'a, const N: usize> {
    books: &'a mut [Slot<N>],
    places: &'a [u16],
    publisher: &'a mut Publisher,
    audit: &'a mut rtrb::Producer<Shown>,
    counters: &'a mut FeedCounters,
}

impl<const N: usize> Parts<'_, N> {
    fn diff(
        self,
        turn: &mut Turn,
        mut stamps: Stamps,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
    ) {
        let place = usize::from(self.places[diff.instrument.index()]);
        let slot = &mut self.books[place];
        let was = slot.book.counters();
        let mut applied = None;
        let outcome = slot.book.handle_diff(
            stamps.decode,
            diff,
            bids,
            asks,
            &mut |book, update_id, _| {
                applied = Some((update_id, book.top()));
            },
        );
        if outcome == DiffOutcome::Applied
            && let Some(book) = slot.book.live()
        {
            let top = book.top();
            stamps.book = turn.clock.now();
            let event = slot.event(stamps, diff.exch_time, Body::Book(top));
            let (publisher, audit) = (&mut *self.publisher, &mut *self.audit);
            let heard = "heard again"; // The one way to become live by a diff.
            tell(slot, publisher, audit, self.counters, turn, heard, stamps);
            self.publisher.publish(event);
            slot.fresh = false;
            turn.latency
                .record(Stage::Book, stamps.book.since(stamps.decode));
        }
        if let Some((update_id, top)) = applied {
            let at = stamps.decode;
            let shown = Shown {
                at,
                instrument: slot.id,
                update_id,
                top: Some(top),
                again: false,
            };
            self.counters.audit_lost += u64::from(self.audit.push(shown).is_err());
            slot.lit = true;
        }
        let now = slot.book.counters();
        if now.gaps != was.gaps {
            turn.notes.send(
                Note::new(stamps.decode, Severity::Warn, "book.gap")
                    .instrument(slot.id)
                    .epoch(slot.book.epoch())
                    .with("first_id", Value::Int(diff.first_id as i64))
                    .with("last_id", Value::Int(diff.last_id as i64)),
            );
        }
        let cause = if now.gaps == was.gaps {
            "crossed for too long"
        } else {
            "gap"
        };
        tell(
            slot,
            self.publisher,
            self.audit,
            self.counters,
            turn,
            cause,
            stamps,
        );
    }

    fn trade(self, turn: &mut Turn, mut stamps: Stamps, trade: Trade) {
        stamps.book = turn.clock.now();
        let slot = &self.books[usize::from(self.places[trade.instrument.index()])];
        self.publisher
            .publish(slot.event(stamps, trade.exch_time, Body::Trade(trade, 0)));
    }

    fn quote(self, turn: &mut Turn, mut stamps: Stamps, quote: Quote) {
        stamps.book = turn.clock.now();
        let slot = &self.books[usize::from(self.places[quote.instrument.index()])];
        self.publisher
            .publish(slot.event(stamps, UnixNanos(0), Body::Quote(quote)));
    }
}

impl<const N: usize> Slot<N> {
    fn event(&self, stamps: Stamps, exch_time: UnixNanos, body: Body) -> Event {
        let update_id = match body {
            Body::Book(_) => self.book.last_id(),
            Body::Trade(..) | Body::Quote(_) | Body::Status(_) => 0,
            Body::Gateway(_) | Body::Report(_) => 0, // Never a feed's.
        };
        Event {
            stamps,
            exch_time,
            update_id,
            epoch: self.book.epoch(),
            instrument: self.id,
            flags: Flags {
                conflated: false,
                fresh: self.fresh,
            },
            body,
        }
    }
}

/// Tells the desk, the audit and the log about a change of state, once.
fn tell<const N: usize>(
    slot: &mut Slot<N>,
    publisher: &mut Publisher,
    audit: &mut rtrb::Producer<Shown>,
    counters: &mut FeedCounters,
    turn: &mut Turn,
    cause: &'static str,
    stamps: Stamps,
) {
    let status = slot.book.status();
    let at = stamps.decode.max(stamps.book);
    // Also where the status did not change: a book may come and go within one snapshot's catching up.
    if slot.lit && status != Status::Live {
        let dark = Shown {
            at,
            instrument: slot.id,
            update_id: slot.book.last_id(),
            top: None,
            again: false,
        };
        counters.audit_lost += u64::from(audit.push(dark).is_err());
        slot.lit = false;
    }
    if status == slot.told {
        return;
    }
    slot.fresh |= status != Status::Live;
    slot.told = status;
    publisher.publish(slot.event(stamps, UnixNanos(0), Body::Status(status)));
    turn.notes.send(
        Note::new(at, severity(status), "book.status")
            .instrument(slot.id)
            .epoch(slot.book.epoch())
            .with("status", Value::Word(status_name(status)))
            .with("update_id", Value::Int(slot.book.last_id() as i64))
            .text(cause),
    );
}

fn severity(status: Status) -> Severity {
    match status {
        Status::Stale | Status::Resyncing => Severity::Warn,
        Status::Live => Severity::Info,
        Status::Connecting | Status::Buffering => Severity::Debug,
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Connecting => "connecting",
        Status::Buffering => "buffering",
        Status::Live => "live",
        Status::Stale => "stale",
        Status::Resyncing => "resyncing",
    }
}

fn record_arrival(turn: &mut Turn, stamps: &Stamps) {
    let rx = stamps.rx;
    if rx.read == Nanos::ZERO {
        return; // A replayed frame never was in a kernel.
    }
    let empty_since = if rx.empty == Nanos::ZERO {
        0
    } else {
        rx.call.since(rx.empty)
    };
    if rx.kernel != Nanos::ZERO {
        let lower = rx.call.since(rx.kernel);
        turn.latency.record(Stage::Kernel, lower);
        turn.latency
            .record(Stage::KernelSafe, lower.max(empty_since));
    }
    turn.latency.record(Stage::Read, rx.read.since(rx.call));
    turn.latency
        .record(Stage::Frame, stamps.frame.since(rx.read));
    turn.latency
        .record(Stage::Decode, stamps.decode.since(stamps.frame));
}
