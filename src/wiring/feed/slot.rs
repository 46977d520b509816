//! One instrument of a feed: its book, what the desk knows of it, and how its news become events.

mod carried;

use super::dark::Darkness;
use super::prints::Prints;
use super::pulse::Pulse;
use super::{BookTally, FeedCounters, Lines};
use crate::base::event::LATE_MAX;
use crate::base::{
    Body, Channel, Event, Flags, Instrument, InstrumentId, Nanos, Note, Quote, Severity, Snapshot,
    Span, Stamps, Status, Top, Trade, UnixNanos, Value,
};
use crate::market::{
    Book, BookBuilder, Counters, DiffOutcome, LINES_MAX, SnapshotOutcome, Update, Want,
};
use crate::watch::audit::Shown;
use crate::watch::stage::Stage;
use crate::wiring::publisher::Publisher;
use crate::wiring::turn::Turn;

/// From one request for an instrument's metadata to the next.
pub(crate) const METADATA_EVERY: Span = Span::from_secs(60);

/// One instrument.
///
/// Invariant: after [`Slot::tell`] the desk, the audit and the darkness know the book's status:
/// only a live book is lit, and only a live one is not dark. While the desk was not told of a live
/// book, the next one that it is shown is fresh.
pub(super) struct Slot<const N: usize> {
    pub(crate) id: InstrumentId,
    /// `None` in a feed without books.
    pub(crate) book: Option<BookBuilder<N>>,
    /// The epoch in a feed without books; a book has its own.
    epoch: u32,
    /// The part that each of its streams is in, by channel: its lines carry the stream.
    parts: [u8; Channel::ALL.len()],
    /// The status that the desk was told last.
    told: Status,
    /// The next book that is shown starts a new, incomparable series.
    fresh: bool,
    /// The audit, if there is one, was shown a book and has not been told that it went dark.
    lit: bool,
    /// Channels of each line that brought data in its epoch, one bit each.
    heard: [u8; LINES_MAX],
    /// The newest data that its stream brought in this epoch, and when the stream brought anything
    /// last.
    newest: Nanos,
    heard_at: Nanos,
    pub(crate) prints: Prints,
    /// The rhythm of its trades and quotes, and what is wanted about one that is silent.
    pulse: Pulse,
    renew: Option<Want>,
    /// Since when the book has not been live.
    pub(crate) dark: Darkness,
    metadata: bool,
    metadata_from: Nanos,
}

/// Where the news of a slot go.
pub(super) struct Outlet<'a> {
    pub(crate) publisher: &'a mut Publisher,
    /// If somebody checks what was shown.
    pub(crate) audit: Option<&'a mut rtrb::Producer<Shown>>,
    pub(crate) counters: &'a mut FeedCounters,
    pub(crate) lines: &'a mut Lines,
}

impl Outlet<'_> {
    fn audit(&mut self, shown: Shown) {
        if let Some(audit) = &mut self.audit {
            self.counters.audit_lost += u64::from(audit.push(shown).is_err());
        }
    }
}

/// A depth message: a whole book, or changes of one.
pub(super) struct Depth<'a> {
    pub(crate) whole: bool,
    /// When it was true.
    pub(crate) as_of: Nanos,
    pub(crate) update: Update<'a>,
}

impl<const N: usize> Slot<N> {
    pub(crate) fn new(id: InstrumentId, book: Option<BookBuilder<N>>) -> Self {
        let book_is_kept = book.is_some();
        Self {
            id,
            book,
            epoch: 0,
            parts: [0; Channel::ALL.len()],
            told: Status::Connecting,
            fresh: true,
            lit: false,
            heard: [0; LINES_MAX],
            newest: Nanos::ZERO,
            heard_at: Nanos::ZERO,
            prints: Prints::new(),
            pulse: Pulse::new(book_is_kept),
            renew: None,
            dark: Darkness::new(),
            metadata: false,
            metadata_from: Nanos::ZERO,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.book.as_ref().is_some_and(|book| book.live().is_some())
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.book.as_ref().map_or(self.epoch, BookBuilder::epoch)
    }

    pub(crate) fn counters(&self) -> Counters {
        let book = self.book.as_ref();
        book.map_or(Counters::default(), BookBuilder::counters)
    }

    /// Gaps, and checksums that disagreed.
    fn losses(&self) -> [u64; 2] {
        let book = self.book.as_ref();
        book.map_or([0; 2], |book| {
            [book.counters().gaps, book.counters().checksum_bad]
        })
    }

    pub(crate) fn tally(&self) -> BookTally {
        BookTally {
            instrument: self.id,
            epoch: self.epoch(),
            counters: self.counters(),
            dark: self.book.as_ref().and_then(BookBuilder::dark),
            dark_since: self.dark.since(),
        }
    }

    /// It has a book, and that one is not live.
    pub(crate) fn is_dark(&self) -> bool {
        self.book.as_ref().is_some_and(|book| book.live().is_none())
    }

    pub(crate) fn poll_timeout(&self) -> Nanos {
        match &self.book {
            Some(book) => {
                let timers = book.poll_timeout().min(self.dark.poll_timeout());
                timers.min(self.pulse.poll_timeout())
            }
            None => self.pulse.poll_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, out: &mut Outlet<'_>, turn: &mut Turn, now: Nanos) {
        // Never the connection: a market may be without trades for hours, and its neighbours are
        // not.
        if let Some((channel, _)) = self.pulse.handle_timeout(now) {
            self.renew = Some(Want::Renew(channel));
        }
        let Some(book) = &mut self.book else { return };
        if book.poll_timeout() <= now {
            book.handle_timeout(now);
            self.tell_now(out, turn, now, "silent, crossed, short or contradicted");
        }
        if let Some(ns) = self.dark.handle_timeout(now) {
            self.say_dark(turn, now, ns);
        }
    }

    /// Says for how long the book has been dark, and why.
    fn say_dark(&self, turn: &mut Turn, now: Nanos, ns: u64) {
        let tally = self.tally();
        let (Some(why), counters) = (tally.dark, tally.counters) else {
            return;
        };
        turn.notes.send(
            Note::new(now, Severity::Warn, "book.dark")
                .instrument(self.id)
                .epoch(tally.epoch)
                .with("for_s", Value::Int((ns / 1_000_000_000) as i64))
                .with("why", Value::Word(why.name()))
                .with("resyncs", Value::Int(counters.resyncs as i64))
                .with("too_old", Value::Int(counters.too_old as i64))
                .with("unbelieved", Value::Int(counters.unbelieved as i64)),
        );
    }

    /// A message that may have been its book's was not understood.
    pub(crate) fn miss(&mut self, out: &mut Outlet<'_>, turn: &mut Turn, now: Nanos) {
        self.lose(now);
        self.tell_now(out, turn, now, "a message that was not understood");
    }

    pub(crate) fn poll_want(&mut self) -> Option<Want> {
        if std::mem::take(&mut self.metadata) {
            return Some(Want::Metadata);
        }
        if let Some(want) = self.renew.take() {
            return Some(want);
        }
        self.book.as_mut()?.poll_output()
    }

    /// What its stream said is unknown from here on.
    pub(crate) fn lose(&mut self, now: Nanos) {
        if let Some(book) = &mut self.book {
            book.handle_lost(now);
        }
    }

    /// A stream says a number that does not fit: the exchange may have changed the listing. With
    /// `lost` it was a book's, which is unknown from here on; a print or a quote takes nothing
    /// along.
    pub(crate) fn unfit(&mut self, out: &mut Outlet<'_>, turn: &mut Turn, now: Nanos, lost: bool) {
        if now >= self.metadata_from {
            self.metadata = true;
            self.metadata_from = now + METADATA_EVERY;
        }
        if lost {
            self.lose(now);
            self.tell_now(out, turn, now, "a number that does not fit");
        }
    }

    /// Takes new scales: the book starts from nothing, within the connection.
    pub(crate) fn rescale(&mut self, now: Nanos, scales: (u8, u8)) {
        if let Some(book) = &mut self.book {
            book.rescale(now, scales);
        }
        self.prints.clear();
        self.metadata = false;
    }

    /// Tells the desk how the instrument is listed now.
    pub(crate) fn listed(&mut self, out: &mut Outlet<'_>, now: Nanos, instrument: &Instrument) {
        let stamps = Stamps {
            book: now,
            ..Stamps::default()
        };
        let body = Body::Instrument(*instrument);
        out.publisher.publish(&self.news(stamps, body));
    }

    /// Takes a depth message: changes the book, shows it, and says what it lacks.
    pub(crate) fn depth(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &mut Turn,
        stamps: Stamps,
        depth: &Depth<'_>,
    ) {
        if self.book.is_none() {
            return;
        }
        (self.newest, self.heard_at) = (self.newest.max(depth.as_of), stamps.decode);
        let was = self.losses();
        let mut newest = None;
        let outcome = self.sequence(out, turn, depth, &mut newest);
        if outcome == DiffOutcome::Applied {
            self.show(out, turn, stamps, depth);
        }
        if let Some(shown) = newest {
            out.audit(shown);
            self.lit = true; // Told below, if the book is gone again.
        }
        let cause = self.say_missing(turn, was, &depth.update);
        self.tell(out, turn, cause, stamps);
    }

    /// Hands the message to the book. What the book was after each update goes to the audit; the
    /// newest one is left, for it goes there after the event has gone to the desk.
    fn sequence(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &mut Turn,
        depth: &Depth<'_>,
        newest: &mut Option<Shown>,
    ) -> DiffOutcome {
        let Some(builder) = &mut self.book else {
            return DiffOutcome::Ignored;
        };
        let (instrument, at) = (self.id, depth.update.now);
        let audited = out.audit.is_some();
        let mut applied = |book: &Book<N>, update_id, _| {
            if !audited {
                return;
            }
            let shown = Shown {
                at,
                instrument,
                update_id,
                top: Some(book.top()),
                again: false,
            };
            if let Some(older) = newest.replace(shown) {
                out.audit(older);
            }
        };
        let outcome = match depth.whole {
            true => builder.handle_book(&depth.update, &mut applied),
            false => builder.handle_diff(&depth.update, &mut applied),
        };
        if let Some((line, ns)) = builder.poll_lead()
            && let Some(&stage) = Stage::LEADS.get(usize::from(line))
        {
            turn.latency.record(stage, Span(ns));
        }
        outcome
    }

    /// The desk gets the book that the message made, if it may be read.
    fn show(&mut self, out: &mut Outlet<'_>, turn: &mut Turn, stamps: Stamps, depth: &Depth<'_>) {
        let Some(book) = self.book.as_ref().and_then(BookBuilder::live) else {
            return;
        };
        let times = (depth.as_of, depth.update.diff.exch_time);
        let mut event = self.event(stamps, times, Body::Book(Top::EMPTY));
        if let Body::Book(top) = &mut event.body {
            book.copy_top(top);
            if let Some((bid, ask)) = top.best() {
                self.pulse.book((bid.px, ask.px));
            }
        }
        event.stamps.book = turn.clock.now();
        let stamps = event.stamps;
        // The ways to become live by a message: a whole book, or one that ends a silence.
        let cause = if depth.whole { "book" } else { "heard again" };
        self.tell(out, turn, cause, stamps);
        out.publisher.publish(&event);
        self.fresh = false;
        self.check();
        let took = stamps.book.since(stamps.decode);
        turn.latency.record(Stage::Book, took);
        if stamps.rx.read != Nanos::ZERO {
            let from = match stamps.rx.kernel {
                Nanos::ZERO => stamps.rx.call,
                kernel => kernel,
            };
            turn.latency.record_tick(self.id, stamps.book.since(from));
        }
    }

    /// Says what the message showed to be missing or wrong. Returns why the book is not live, if it
    /// is not.
    fn say_missing(&self, turn: &mut Turn, was: [u64; 2], update: &Update<'_>) -> &'static str {
        let is = self.losses();
        let (event, cause) = match (is[0] == was[0], is[1] == was[1]) {
            (false, _) => ("book.gap", "gap"),
            (true, false) => ("book.checksum", "checksum"),
            (true, true) => return "crossed for too long",
        };
        turn.notes.send(
            Note::new(update.now, Severity::Warn, event)
                .instrument(self.id)
                .epoch(self.epoch())
                .with("line", Value::Int(update.line.into()))
                .with("first_id", Value::Int(update.diff.first_id as i64))
                .with("last_id", Value::Int(update.diff.last_id as i64)),
        );
        cause
    }

    pub(crate) fn trade(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &Turn,
        mut stamps: Stamps,
        as_of: Nanos,
        trade: Trade,
    ) {
        self.pulse.trade(stamps.decode);
        stamps.book = turn.clock.now();
        let body = Body::Trade(trade, 0);
        out.publisher
            .publish(&self.event(stamps, (as_of, trade.exch_time), body));
    }

    pub(crate) fn quote(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &Turn,
        mut stamps: Stamps,
        as_of: Nanos,
        quote: Quote,
    ) {
        self.pulse.quote(stamps.decode);
        stamps.book = turn.clock.now();
        let body = Body::Quote(quote);
        out.publisher
            .publish(&self.event(stamps, (as_of, UnixNanos(0)), body));
    }

    pub(crate) fn trading(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &Turn,
        mut stamps: Stamps,
        on: bool,
    ) {
        stamps.book = turn.clock.now();
        out.publisher.publish(&self.news(stamps, Body::Trading(on)));
        let severity = if on { Severity::Info } else { Severity::Warn };
        turn.notes.send(
            Note::new(stamps.book, severity, "instrument.trading")
                .instrument(self.id)
                .with("trading", Value::Word(if on { "on" } else { "halted" })),
        );
    }

    pub(crate) fn snapshot(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &mut Turn,
        now: Nanos,
        snapshot: &Snapshot,
    ) {
        let id = self.id;
        let Some(builder) = &mut self.book else {
            return;
        };
        let was_dark = builder.live().is_none();
        let before = builder.counters().updates;
        let lit = &mut self.lit;
        let audited = out.audit.is_some();
        let outcome = builder.handle_snapshot(now, snapshot, &mut |book, update_id, _| {
            if !audited {
                return;
            }
            out.audit(Shown {
                at: now,
                instrument: id,
                update_id,
                top: Some(book.top()),
                again: false,
            });
            *lit = true;
        });
        let cause = match outcome {
            SnapshotOutcome::Contradicted => "another snapshot contradicts it",
            _ => "snapshot",
        };
        self.tell_now(out, turn, now, cause);
        let Some(builder) = &self.book else { return };
        let again = builder.counters().updates == before;
        if !was_dark && again {
            return;
        }
        let Some(book) = builder.live() else { return };
        if again && audited {
            out.audit(Shown {
                at: now,
                instrument: id,
                update_id: builder.last_id(),
                top: Some(book.top()),
                again,
            });
        }
        let stamps = Stamps {
            decode: now,
            book: now,
            ..Stamps::default()
        };
        let (body, as_of) = (Body::Book(book.top()), self.snapshot_as_of(now, snapshot));
        out.publisher
            .publish(&self.event(stamps, (as_of, UnixNanos(0)), body));
        self.fresh = false;
        self.check();
    }

    pub(crate) fn tell_now(
        &mut self,
        out: &mut Outlet<'_>,
        turn: &mut Turn,
        now: Nanos,
        cause: &'static str,
    ) {
        let stamps = Stamps {
            book: now,
            ..Stamps::default()
        };
        self.tell(out, turn, cause, stamps);
    }

    /// Tells the desk, the audit and the log about a change of state, once.
    fn tell(&mut self, out: &mut Outlet<'_>, turn: &mut Turn, cause: &'static str, stamps: Stamps) {
        let Some(book) = &self.book else { return };
        let (status, update_id) = (book.status(), book.last_id());
        let at = stamps.decode.max(stamps.book);
        // Also if the status did not change: a book may come and go within one snapshot's
        // catching up.
        if self.lit && status != Status::Live {
            out.audit(Shown {
                at,
                instrument: self.id,
                update_id,
                top: None,
                again: false,
            });
            self.lit = false;
        }
        match status {
            Status::Live => self.dark.end(),
            Status::Connecting | Status::Buffering | Status::Stale | Status::Resyncing => {
                self.dark.begin(at);
            }
        }
        if status == self.told {
            return self.check();
        }
        self.fresh |= status != Status::Live;
        self.told = status;
        self.check();
        out.publisher
            .publish(&self.news(stamps, Body::Status(status)));
        turn.notes.send(
            Note::new(at, severity(status), "book.status")
                .instrument(self.id)
                .epoch(self.epoch())
                .with("status", Value::Word(status_name(status)))
                .with("update_id", Value::Int(update_id as i64))
                .text(cause),
        );
    }

    fn check(&self) {
        let live = self.told == Status::Live;
        debug_assert_eq!(live, self.is_live());
        debug_assert!(live || !self.lit);
        debug_assert!(live || self.fresh);
        debug_assert_eq!(live, self.dark.since() == Nanos::NEVER);
    }

    /// The message's time is that of its data. A whole book that begins a series may carry the time
    /// of its last change, which is long ago in a quiet market and no delay.
    pub(crate) fn dates(&self, depth: &Depth<'_>) -> bool {
        !depth.whole || self.told == Status::Live
    }

    /// When a book that begins with this snapshot was true: when it was asked for, or as of the
    /// newest change that the stream brought beyond it. What a stream that is late will say of it
    /// is not known yet.
    fn snapshot_as_of(&self, now: Nanos, snapshot: &Snapshot) -> Nanos {
        let asked = match snapshot.asked {
            Nanos::ZERO => now,
            asked => asked,
        };
        match self.newest != Nanos::ZERO && self.heard_at.since(self.newest) > LATE_MAX {
            true => self.newest,
            false => self.newest.max(asked),
        }
    }

    /// An event that says what is so now.
    fn news(&self, stamps: Stamps, body: Body) -> Event {
        let now = stamps.decode.max(stamps.book);
        self.event(stamps, (now, UnixNanos(0)), body)
    }

    #[inline]
    fn event(&self, stamps: Stamps, (as_of, exch_time): (Nanos, UnixNanos), body: Body) -> Event {
        let update_id = match body {
            Body::Book(_) => self.book.as_ref().map_or(0, BookBuilder::last_id),
            Body::Trade(..) | Body::Quote(_) | Body::Status(_) => 0,
            Body::Trading(_) | Body::Instrument(_) => 0,
            // Never a feed's.
            Body::Gateway(_) | Body::News(_) | Body::Account(_) | Body::Report(_) => 0,
        };
        Event {
            stamps,
            exch_time,
            as_of,
            update_id,
            epoch: self.epoch(),
            instrument: self.id,
            flags: Flags {
                conflated: false,
                fresh: self.fresh,
            },
            body,
        }
    }
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
