//! The sequencing machine of one instrument: diffs and snapshots in, a book that is true or not
//! shown. Guesses nothing: what it cannot prove contiguous is a gap, and a gap costs the book.

pub(super) mod audit;
mod outcome;
mod splice;
mod stream;

use super::begun::Begun;
use super::book::Book;
use super::buffer::Buffer;
use super::claims::Claims;
use super::dark::{Dark, Trouble};
use super::fetch::Fetch;
use super::lines::Lines;
use super::refresh::Refresh;
use super::resubscribe::Resubscribe;
use super::rhythm::Rhythm;
use super::seq_book::SeqBook;
use super::timers::{Timer, Timers};
use crate::base::feed::{SeqRule, SnapshotFrom};
use crate::base::{Nanos, Span, Status};
pub use outcome::{Counters, Want};
pub(crate) use outcome::{DiffOutcome, SnapshotOutcome};

/// How long a crossed book is given to heal before it is thrown away.
pub(crate) const CROSSED_MAX: Span = Span::from_secs(1);
/// A live book is refreshed when a side is provably complete to fewer levels than what is needed
/// and this.
pub(crate) const DEPTH_MARGIN: usize = 64;
/// How long after a snapshot a silent stream may still bring what the snapshot has: the slowest one
/// speaks once a second. What does not come by then is lost, and the stream with it.
pub(crate) const OWED_MAX: Span = Span::from_secs(3);
/// Times that a dead stream is subscribed to again before its connection is replaced.
pub(crate) const RENEWALS_MAX: u32 = 2;
/// A diff that waited this long for a snapshot, and joins none, no longer belongs to the exchange's
/// count.
pub(crate) const HELD_MAX: Span = Span::from_secs(60);
/// How long a stale book is kept while the stream repeats what lies behind it.
pub(crate) const BEHIND_MAX: Span = Span::from_secs(10);

/// One instrument's book with everything that keeps it true.
///
/// Calls of `applied(book, id, fresh)` come once for each update, the snapshot that starts a book
/// included, and are the canonical sequence of book states. `fresh` marks the first one of an epoch
/// or after a resync: what came before is not comparable. Whether the book may be *shown* is known
/// after the call: [`BookBuilder::live`].
///
/// Invariant:
/// - it is connecting exactly while no line is up;
/// - without a book nothing is left of one: no level, no spare book, no cross, no hole;
/// - a book is crossed exactly while that has a deadline, and no snapshot is in trouble;
/// - diffs are held beside a book for a refresh or for a hole, never for both or for neither;
/// - a snapshot that waits for the stream is newer than the book.
#[derive(Debug)]
pub(crate) struct BookBuilder<const N: usize> {
    rule: SeqRule,
    depth_min: usize,
    scales: (u8, u8),
    status: Status,
    epoch: u32,
    /// The book, and where it stands.
    live: SeqBook<N>,
    refresh: Refresh<N>,
    /// Diffs that wait: for a snapshot, for a refresh, or for another line to fill a hole.
    buffer: Buffer,
    lines: Lines,
    begun: Begun,
    /// What the last snapshot claimed of each side.
    claims: Claims,
    /// What was wrong with the last snapshot.
    trouble: Trouble,
    fetch: Fetch,
    resub: Resubscribe,
    rhythm: Rhythm,
    timers: Timers,
    counters: Counters,
}

impl<const N: usize> BookBuilder<N> {
    /// A builder without a connection. `scales` are the decimals of the instrument's prices and
    /// quantities; `depth_needed` is how many levels per side its readers look at. Allocates what a
    /// live book uses; what waits and the spare book take memory that the thread's books share.
    pub(crate) fn new(rule: SeqRule, scales: (u8, u8), depth_needed: usize) -> Self {
        Self {
            rule,
            depth_min: depth_needed + DEPTH_MARGIN,
            scales,
            status: Status::Connecting,
            epoch: 0,
            live: SeqBook::new(rule),
            refresh: Refresh::new(rule),
            buffer: Buffer::default(),
            lines: Lines::new(),
            begun: Begun::default(),
            claims: Claims::default(),
            trouble: Trouble::None,
            fetch: Fetch::new(),
            resub: Resubscribe::new(),
            rhythm: Rhythm::new(),
            timers: Timers::NONE,
            counters: Counters::default(),
        }
    }

    /// The state of the book.
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// The connection that the book belongs to, as [`Self::handle_connected`] named it.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The update id that the book stands at; zero if there is no book.
    pub(crate) fn last_id(&self) -> u64 {
        self.live.id()
    }

    /// The book, if it may be read. It may be crossed: not tradable, and given up when it stays so.
    pub(crate) fn live(&self) -> Option<&Book<N>> {
        (self.status == Status::Live).then_some(self.live.book())
    }

    /// Why the book may not be read; `None` if it may.
    pub(crate) fn dark(&self) -> Option<Dark> {
        let of_stream = self.begun.dark();
        match self.status {
            Status::Live => None,
            Status::Connecting => Some(Dark::NoConnection),
            Status::Stale => of_stream.or(Some(Dark::Silent)),
            Status::Buffering | Status::Resyncing => of_stream.or(Some(self.awaited())),
        }
    }

    /// What a book that has not begun waits for.
    fn awaited(&self) -> Dark {
        match (self.begun.is_heard(), self.rule.snapshot, self.trouble) {
            (false, ..) => Dark::NotBegun,
            (true, SnapshotFrom::Stream, Trouble::None) => Dark::NoBook,
            (true, _, trouble) => trouble.dark(),
        }
    }

    /// What happened so far.
    #[inline]
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// A new connection is up, and is about to be subscribed. If no other line is up the book is
    /// empty, and what comes waits for a snapshot; else the line joins those that feed it.
    pub(crate) fn handle_connected(&mut self, now: Nanos, line: u8, epoch: u32) {
        let first = self.lines.handle_connected(line);
        self.begun.handle_line(line);
        if first {
            self.begin(now, epoch);
        } else {
            assert!(self.rule.merges(), "lines that cannot be merged");
        }
        self.check();
    }

    fn begin(&mut self, now: Nanos, epoch: u32) {
        self.drop_book();
        self.buffer.clear();
        // Lines count their connections each by itself: a book's epochs rise all the same.
        self.epoch = epoch.max(self.epoch + 1);
        self.status = Status::Buffering;
        self.begun.handle_first_line();
        self.trouble = Trouble::None;
        self.rhythm.start(now);
        if self.begun.is_doubted() {
            self.timers.set(Timer::Owed, self.rhythm.reconnect_from());
        }
        match self.rule.snapshot {
            SnapshotFrom::Rest => self.fetch.stop(now),
            SnapshotFrom::Stream => self.resub.begin(now),
        }
    }

    /// The connection is gone, and with the last one that carries the stream the book.
    pub(crate) fn handle_disconnected(&mut self, now: Nanos, line: u8) {
        self.begun.handle_line(line);
        if self.lines.handle_disconnected(line) {
            self.drop_book();
            self.buffer.clear();
            self.status = Status::Connecting;
            self.fetch.stop(now);
            self.resub.stop();
        } else if !self.begun.is_heard() && self.has_book() {
            self.lose(now);
            self.fetch.stop(now);
        }
        self.check();
    }

    /// The exchange confirmed the stream on this line. What was found dead must speak itself.
    pub(crate) fn handle_started(&mut self, now: Nanos, line: u8) {
        if self.lines.is_up(line) && !self.begun.is_doubted() {
            let first = self.begun.handle_confirmed(line);
            self.handle_heard(now, first);
            self.ask(now);
        }
        self.check();
    }

    /// The exchange refused the stream on this line: without another line there is no book.
    pub(crate) fn handle_refused(&mut self, now: Nanos, line: u8) {
        self.begun.handle_refused(line);
        if !self.begun.is_heard() && self.status != Status::Connecting {
            if self.has_book() {
                self.resync(now);
            }
            self.fetch.stop(now);
        }
        self.check();
    }

    /// Messages of the stream were lost, or not understood. The book is gone, and the builder asks
    /// for another one as soon as it may. If this happens again and again, it waits longer each
    /// time.
    pub(crate) fn handle_lost(&mut self, now: Nanos) {
        if self.status == Status::Connecting {
            return;
        }
        self.counters.gaps += 1;
        self.fetch.handle_lost(now);
        self.buffer.clear();
        match (self.has_book(), self.rule.snapshot) {
            (true, _) => self.resync(now),
            (false, SnapshotFrom::Rest) => {}
            (false, SnapshotFrom::Stream) => self.resubscribe(now),
        }
        self.check();
    }

    /// As [`Self::handle_lost`], if the whole connection is replaced for it.
    pub(crate) fn handle_line_replaced(&mut self, now: Nanos) {
        self.handle_lost(now);
        if self.rule.snapshot == SnapshotFrom::Stream && self.status != Status::Connecting {
            self.resub.begin(now);
        }
    }

    /// The instrument is listed at other scales: starts again within the connection.
    pub(crate) fn rescale(&mut self, now: Nanos, scales: (u8, u8)) {
        self.scales = scales;
        self.buffer.clear();
        if self.status != Status::Connecting {
            self.resync(now);
            self.ask(now);
        }
        self.check();
    }

    /// The line that brought an update first, and how many nanoseconds before the next line, once.
    pub(crate) fn poll_lead(&mut self) -> Option<(u8, u64)> {
        self.lines.poll_lead()
    }

    /// What the builder wants now; call until `None` after every `handle_*`.
    pub(crate) fn poll_output(&mut self) -> Option<Want> {
        if let Some(line) = self.lines.poll_output() {
            return Some(Want::Reconnect(line));
        }
        if self.resub.poll_output() {
            return Some(Want::Resubscribe);
        }
        let repeat = self.fetch.is_repeat();
        let wanted = self.fetch.poll_output();
        wanted.then(|| Want::Snapshot {
            repeat: repeat || self.can_wait(),
        })
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] if nothing waits.
    pub(crate) fn poll_timeout(&self) -> Nanos {
        let only = |holds: bool, at: Nanos| if holds { at } else { Nanos::NEVER };
        let stale = only(self.status == Status::Live, self.rhythm.poll_timeout());
        // While a hole may heal the buffer is taken: no refresh.
        let fetch = only(!self.is_healing(), self.fetch.poll_timeout());
        let timers = self.timers.poll_timeout();
        timers.min(stale).min(fetch).min(self.resub.poll_timeout())
    }

    /// Does what is due at `now`: nothing, if it is too early.
    pub(crate) fn handle_timeout(&mut self, now: Nanos) {
        if self.status == Status::Connecting {
            return;
        }
        if self.timers.is_due(Timer::Heal, now) {
            self.give_up(now);
        }
        if self.timers.is_due(Timer::Crossed, now) {
            self.resync(now);
        }
        if self.status == Status::Live && now >= self.rhythm.poll_timeout() {
            self.status = Status::Stale;
            self.counters.stale += 1;
            // Quiet or broken: another picture tells.
            match self.rule.snapshot {
                SnapshotFrom::Rest => self.fetch.refresh(now),
                SnapshotFrom::Stream => self.resub.renew(now),
            }
        }
        if self.timers.is_due(Timer::Owed, now) {
            match self.status {
                Status::Live => self.contradicted(now),
                _ => self.revive(now),
            }
        }
        self.audit(now);
        self.ask(now);
        self.check();
    }

    /// The stream is dead: it is subscribed to again, and if that does not help its connection
    /// is replaced, ever more patiently.
    fn revive(&mut self, now: Nanos) {
        self.begun.handle_dead();
        match self.rhythm.revive(now) < RENEWALS_MAX {
            true => self.resub.ask(),
            false => self.lines.want_reconnect(),
        }
        self.timers.set(Timer::Owed, self.rhythm.reconnect_from());
    }

    /// The stream is there; `first` says that it was on no line before.
    fn handle_heard(&mut self, now: Nanos, first: bool) {
        let waits = first && self.is_waiting();
        if waits && self.rule.snapshot == SnapshotFrom::Rest {
            self.fetch.begin(now);
        }
    }

    /// A second opinion of a book that is shown already, and deep enough, can wait for books that
    /// have none.
    fn can_wait(&self) -> bool {
        let seconds = self.live.is_claimed() || !self.live.is_thin(self.depth_min);
        self.status == Status::Live && seconds
    }

    /// Whether there is a book, shown or not.
    fn has_book(&self) -> bool {
        matches!(self.status, Status::Live | Status::Stale)
    }

    /// Whether there is a connection, and no book yet.
    fn is_waiting(&self) -> bool {
        matches!(self.status, Status::Buffering | Status::Resyncing)
    }

    /// A hole waits for another line to fill it.
    pub(super) fn is_healing(&self) -> bool {
        self.timers.is_set(Timer::Heal)
    }

    /// The book can no longer be trusted: starts again within the connection, from the diffs that
    /// are buffered and the next snapshot.
    fn resync(&mut self, now: Nanos) {
        self.drop_book();
        self.status = Status::Resyncing;
        self.counters.resyncs += 1;
        match self.rule.snapshot {
            SnapshotFrom::Rest => self.fetch.restart(now),
            SnapshotFrom::Stream => self.resubscribe(now),
        }
    }

    /// As [`Self::resync`], and what is buffered is of no use either.
    fn lose(&mut self, now: Nanos) {
        self.buffer.clear();
        self.resync(now);
    }

    fn resubscribe(&mut self, now: Nanos) {
        self.resub.restart(now);
        self.resub.handle_timeout(now);
    }

    fn drop_book(&mut self) {
        self.live.clear();
        self.refresh.end();
        self.timers = Timers::NONE;
        self.lines.clear();
    }

    /// The buffer is needed for something else.
    fn abandon_refresh(&mut self) {
        if self.refresh.is_on() {
            self.refresh.end();
            self.buffer.clear();
        }
    }

    /// Checks after each change of a live book: is it crossed, is it deep enough?
    fn after_change(&mut self, now: Nanos) {
        if self.refresh.held().is_some_and(|id| id <= self.live.id())
            && self.finish_refresh(now) == SnapshotOutcome::Contradicted
        {
            return;
        }
        if !self.live.book().crossed() {
            self.timers.stop(Timer::Crossed);
        } else if !self.timers.is_set(Timer::Crossed) {
            self.counters.crossed += 1;
            self.timers.set(Timer::Crossed, now + CROSSED_MAX);
        } else if self.timers.is_due(Timer::Crossed, now) {
            return self.resync(now);
        }
        if self.live.is_thin(self.depth_min) {
            match (self.rule.snapshot, self.live.is_claimed()) {
                (SnapshotFrom::Rest, true) => self.fetch.confirm(now),
                (SnapshotFrom::Rest, false) => self.fetch.refresh(now),
                // A second book replaces this one in one step.
                (SnapshotFrom::Stream, true) => self.resub.confirm(now),
                (SnapshotFrom::Stream, false) if self.resub.may_renew(now) => self.resync(now),
                (SnapshotFrom::Stream, false) => {}
            }
        }
        self.ask(now);
    }

    /// Asks for a snapshot when it is time. Of a live book that is a refresh: from now on the diffs
    /// are kept.
    fn ask(&mut self, now: Nanos) {
        self.resub.handle_timeout(now);
        let asks = !self.is_healing() && self.fetch.handle_timeout(now);
        if asks && self.has_book() && !self.refresh.is_on() {
            self.buffer.begin(self.live.id());
            self.refresh.begin();
        }
    }

    /// The whole invariant, to the last level.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check_all(&self) {
        self.check();
        self.buffer.check_all();
        self.live.book().check_all();
    }

    fn check(&self) {
        let (connected, book) = (self.status != Status::Connecting, self.has_book());
        let (heals, refreshes) = (self.is_healing(), self.refresh.is_on());
        debug_assert_eq!(connected, !self.lines.none());
        debug_assert!(!connected || self.epoch > 0);
        debug_assert!(connected || self.timers.poll_timeout() == Nanos::NEVER);
        debug_assert!(connected || self.buffer.is_empty());
        debug_assert!(book || self.live.is_clear());
        debug_assert!(book || self.refresh.is_idle());
        debug_assert!(book || !heals);
        debug_assert_eq!(
            self.live.book().crossed(),
            self.timers.is_set(Timer::Crossed)
        );
        debug_assert!(!book || self.trouble == Trouble::None);
        debug_assert!(!(heals && refreshes));
        debug_assert!(!book || heals || refreshes || self.buffer.is_empty());
        debug_assert!(self.refresh.held().is_none_or(|id| self.live.id() < id));
        debug_assert!(!self.live.is_unproven() || !self.rule.shows_losses());
    }
}
