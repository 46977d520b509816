//! The sequencing machine of one instrument: diffs and snapshots in, a book that is true or not shown.
//! Guesses nothing: what it cannot prove contiguous is a gap, and a gap costs the book.

use super::book::Book;
use super::buffer::Buffer;
use super::fetch::Fetch;
use super::place::{Fit, Place};
use super::rhythm::Rhythm;
use crate::base::feed::SeqRule;
use crate::base::{Diff, Level, Nanos, Side, Status};

/// How long a crossed book is given to heal before it is thrown away.
pub const CROSSED_NS_MAX: u64 = 1_000_000_000;
/// A live book is refreshed when a side is provably complete to fewer levels than what is needed and this.
pub const DEPTH_MARGIN: usize = 64;
/// How long after a snapshot a silent stream may still bring what the snapshot has: the slowest one speaks
/// once a second. What does not come by then is lost, and the stream with it.
pub const OWED_NS_MAX: u64 = 3_000_000_000;
/// How long a stale book is kept while the stream repeats what lies behind it.
pub const BEHIND_NS_MAX: u64 = 10_000_000_000;

/// What a builder asks of its owner. Each [`Want::Snapshot`] is answered by exactly one
/// [`BookBuilder::handle_snapshot`] or [`BookBuilder::handle_snapshot_failed`]; before that no other is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Fetch a snapshot of this instrument.
    Snapshot,
    /// A snapshot proves that the stream is silent about changes although the connection stands: replace it.
    Reconnect,
}

/// What became of a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffOutcome {
    /// The book changed, and was handed to `applied`.
    Applied,
    /// The book has it already.
    Duplicate,
    /// Waits for a snapshot.
    Buffered,
    /// Something is missing before it: the book is gone, and the diff waits for a snapshot.
    Gap,
    /// There is no connection that it could belong to.
    Ignored,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotOutcome {
    /// The book starts from it and is live.
    Live,
    /// Older than the oldest diff that is held: of no use. Another one is asked for later.
    TooOld,
    /// It started the book, but the diffs held do not follow one another: resynchronising.
    Gap,
    /// It replaced a live or stale book at the same update id.
    Refreshed,
    /// Newer than the stale book, and no different: the stream was silent for there was nothing to say.
    Confirmed,
    /// Newer than the book: replaces it as soon as the stream is there.
    Held,
    /// The book needs none, or there is no connection.
    Ignored,
}

/// What happened so far; never reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Calls of `applied`: snapshots that started a book, and diffs.
    pub updates: u64,
    /// Diffs that the book had already.
    pub duplicates: u64,
    /// Diffs that waited for a snapshot.
    pub buffered: u64,
    /// Times that updates were missing.
    pub gaps: u64,
    /// Books thrown away within a connection, for a gap or a lasting cross.
    pub resyncs: u64,
    /// Live books replaced by a snapshot at the same update id.
    pub refreshes: u64,
    /// Snapshots that were older than the diffs that were held.
    pub too_old: u64,
    /// Times that the book became crossed.
    pub crossed: u64,
    /// Times that the book became stale.
    pub stale: u64,
    /// Diffs dropped from the full buffer while there was no book.
    pub overflow: u64,
}

/// One instrument's book with everything that keeps it true.
///
/// Calls of `applied(book, id, fresh)` come once for each update, the snapshot that starts a book included, and are
/// the canonical sequence of book states. `fresh` marks the first one of an epoch or after a resync: what
/// came before is not comparable. Whether the book may be *shown* is known after the call: [`BookBuilder::live`].
#[derive(Debug)]
pub struct BookBuilder<const N: usize> {
    pub(super) rule: SeqRule,
    pub(super) depth_min: usize,
    pub(super) status: Status,
    pub(super) epoch: u32,
    pub(super) book: Book<N>,
    /// Where the book stands.
    pub(super) at: Place,
    /// Built beside the live book when a refresh comes; swapped with it.
    pub(super) spare: Book<N>,
    /// A refresh that is newer than the stream: `spare` holds it.
    pub(super) held: Option<Place>,
    pub(super) buffer: Buffer,
    /// Applied diffs are buffered too, until a refresh replaces the live book.
    pub(super) refreshing: bool,
    pub(super) fetch: Fetch,
    pub(super) rhythm: Rhythm,
    /// When a crossed book is given up; [`Nanos::NEVER`] while it is not crossed.
    pub(super) crossed_until: Nanos,
    /// When a stream that owes what a snapshot has is given up; [`Nanos::NEVER`] while it owes nothing.
    pub(super) owed_until: Nanos,
    pub(super) reconnect: bool,
    pub(super) counters: Counters,
}

impl<const N: usize> BookBuilder<N> {
    /// A builder without a connection. `depth_needed` is how many levels a side its readers look at.
    /// Allocates all that it ever uses.
    pub fn new(rule: SeqRule, depth_needed: usize) -> Self {
        Self {
            rule,
            depth_min: depth_needed + DEPTH_MARGIN,
            status: Status::Connecting,
            epoch: 0,
            book: Book::new(),
            at: Place::default(),
            spare: Book::new(),
            held: None,
            buffer: Buffer::new(),
            refreshing: false,
            fetch: Fetch::new(),
            rhythm: Rhythm::new(),
            crossed_until: Nanos::NEVER,
            owed_until: Nanos::NEVER,
            reconnect: false,
            counters: Counters::default(),
        }
    }

    /// The state of the book.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The connection that the book belongs to, as [`Self::handle_connected`] named it.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The update id that the book stands at; zero where there is no book.
    pub fn last_id(&self) -> u64 {
        self.at.id
    }

    /// The book, if it may be read. It may be crossed: not tradable, and given up when it stays so.
    pub fn live(&self) -> Option<&Book<N>> {
        (self.status == Status::Live).then_some(&self.book)
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The stream is subscribed to, on a new connection: an empty book, and diffs are buffered.
    pub fn handle_connected(&mut self, now: Nanos, epoch: u32) {
        self.drop_book();
        self.buffer.clear();
        self.epoch = epoch;
        self.status = Status::Buffering;
        self.reconnect = false;
        self.rhythm.start(now);
        self.fetch.begin(now);
    }

    /// The connection is gone, and the book with it.
    pub fn handle_disconnected(&mut self, _now: Nanos) {
        self.drop_book();
        self.buffer.clear();
        self.status = Status::Connecting;
        self.reconnect = false;
        self.fetch.stop();
    }

    /// Takes one diff with its changed bids and asks.
    pub fn handle_diff(
        &mut self,
        now: Nanos,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        match self.status {
            Status::Connecting => return DiffOutcome::Ignored,
            Status::Buffering | Status::Resyncing => {
                self.keep(now, diff, bids, asks);
                return DiffOutcome::Buffered;
            }
            Status::Live | Status::Stale => {}
        }
        match self.at.fit(self.rule, diff) {
            Fit::Duplicate => {
                self.counters.duplicates += 1;
                let behind_until = self.rhythm.stale_at() + Nanos(BEHIND_NS_MAX);
                if self.status == Status::Stale && now >= behind_until {
                    self.resync(now); // The exchange counts anew, or its snapshot was no good.
                }
                DiffOutcome::Duplicate
            }
            Fit::Gap => {
                self.counters.gaps += 1;
                self.buffer.clear();
                self.resync(now);
                self.keep(now, diff, bids, asks);
                DiffOutcome::Gap
            }
            Fit::Next => {
                self.book.apply(bids, asks);
                self.at.step(diff.last_id);
                if self.refreshing {
                    self.buffer.push(diff, bids, asks); // What it drops shortens its reach, no more.
                }
                self.rhythm.beat(now);
                self.status = Status::Live;
                self.owed_until = Nanos::NEVER;
                self.counters.updates += 1;
                applied(&self.book, self.at.id, false);
                self.after_change(now);
                DiffOutcome::Applied
            }
        }
    }

    /// What the builder wants now; call until `None` after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Want> {
        if std::mem::take(&mut self.reconnect) {
            return Some(Want::Reconnect);
        }
        self.fetch.take().then_some(Want::Snapshot)
    }

    /// When [`Self::handle_timeout`] is to be called; [`Nanos::NEVER`] where nothing waits.
    pub fn poll_timeout(&self) -> Nanos {
        let stale = match self.status {
            Status::Live => self.rhythm.stale_at(),
            Status::Connecting | Status::Buffering | Status::Stale | Status::Resyncing => {
                Nanos::NEVER
            }
        };
        let timers = [
            stale,
            self.reconnect_at(),
            self.crossed_until,
            self.fetch.due(),
        ];
        timers.into_iter().min().unwrap_or(Nanos::NEVER)
    }

    /// Does what is due at `now`: nothing, where it is too early.
    pub fn handle_timeout(&mut self, now: Nanos) {
        if self.status == Status::Connecting {
            return;
        }
        if now >= self.crossed_until {
            self.resync(now);
        }
        if self.status == Status::Live && now >= self.rhythm.stale_at() {
            self.status = Status::Stale;
            self.counters.stale += 1;
            self.fetch.refresh(now); // Quiet or broken: a snapshot tells.
        }
        if now >= self.reconnect_at() {
            self.owed_until = Nanos::NEVER;
            self.rhythm.reconnect(now);
            self.reconnect = true;
        }
        self.tick(now);
    }

    /// When a new connection is asked for, if the stream does not bring what it owes.
    fn reconnect_at(&self) -> Nanos {
        self.owed_until.max(self.rhythm.reconnect_from())
    }

    /// Buffers a diff while there is no book. One that is not newer than the one before is no sign of life.
    fn keep(&mut self, now: Nanos, diff: &Diff, bids: &[Level], asks: &[Level]) {
        let newest = self.buffer.last().map_or(0, |last| last.last_id);
        if diff.last_id > newest {
            self.rhythm.beat(now);
        }
        self.counters.buffered += 1;
        self.counters.overflow += self.buffer.push(diff, bids, asks);
        self.fetch.hurry(now);
        self.tick(now);
    }

    /// The book cannot be trusted any more: starts again within the connection, from the diffs that are
    /// buffered and the next snapshot.
    pub(super) fn resync(&mut self, now: Nanos) {
        self.drop_book();
        self.status = Status::Resyncing;
        self.counters.resyncs += 1;
        self.fetch.restart(now);
    }

    fn drop_book(&mut self) {
        self.book.clear();
        self.at = Place::default();
        self.held = None;
        self.refreshing = false;
        self.crossed_until = Nanos::NEVER;
        self.owed_until = Nanos::NEVER;
    }

    /// What each change of a live book may lead to.
    pub(super) fn after_change(&mut self, now: Nanos) {
        if let Some(held) = self.held
            && held.id <= self.at.id
        {
            self.finish_refresh(now, held);
        }
        if !self.book.crossed() {
            self.crossed_until = Nanos::NEVER;
        } else if self.crossed_until == Nanos::NEVER {
            self.counters.crossed += 1;
            self.crossed_until = now + Nanos(CROSSED_NS_MAX);
        } else if now >= self.crossed_until {
            self.resync(now);
            return;
        }
        if self.thin() {
            self.fetch.refresh(now);
        }
        self.tick(now);
    }

    /// A side of the book is provably complete to fewer levels than are wanted, and might be to more.
    pub(super) fn thin(&self) -> bool {
        [Side::Buy, Side::Sell]
            .into_iter()
            .any(|side| !self.book.whole(side) && self.book.complete_depth(side) < self.depth_min)
    }

    /// Asks for a snapshot when it is time. Of a live book that is a refresh: from now on the diffs are kept.
    pub(super) fn tick(&mut self, now: Nanos) {
        if self.fetch.tick(now) {
            self.refreshing |= matches!(self.status, Status::Live | Status::Stale);
        }
    }
}
