//! The sequencing machine of one instrument: diffs and snapshots in, a book that is true or not
//! shown. Guesses nothing: what it cannot prove contiguous is a gap, and a gap costs the book.

use super::book::Book;
use super::buffer::Buffer;
use super::claims::Claims;
use super::dark::Trouble;
use super::fetch::Fetch;
use super::lines::{LINES_MAX, Lines};
use super::place::Place;
use super::resubscribe::Resubscribe;
use super::rhythm::Rhythm;
use crate::base::feed::{SeqRule, SnapshotFrom};
use crate::base::{Channel, Diff, Level, Nanos, Side, Status};

/// How long a crossed book is given to heal before it is thrown away.
pub const CROSSED_NS_MAX: u64 = 1_000_000_000;
/// A live book is refreshed when a side is provably complete to fewer levels than what is needed
/// and this.
pub const DEPTH_MARGIN: usize = 64;
/// How long after a snapshot a silent stream may still bring what the snapshot has: the slowest one
/// speaks once a second. What does not come by then is lost, and the stream with it.
pub const OWED_NS_MAX: u64 = 3_000_000_000;
/// Times that a dead stream is subscribed to again before its connection is replaced.
pub const RENEWALS_MAX: u32 = 2;
/// What waited this long for a snapshot, and joins none, is not of the exchange's count any more.
pub const HELD_NS_MAX: u64 = 60_000_000_000;
/// How long a stale book is kept while the stream repeats what lies behind it.
pub const BEHIND_NS_MAX: u64 = 10_000_000_000;

/// What a builder asks of its owner. Each [`Want::Snapshot`] is answered by exactly one
/// [`BookBuilder::handle_snapshot`] or [`BookBuilder::handle_snapshot_failed`]; before that no
/// other is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Fetch a snapshot of this instrument.
    Snapshot,
    /// Unsubscribe this instrument's book and subscribe it anew, on every line: the stream starts
    /// with a whole book again, or speaks again. Needs no answer but that.
    Resubscribe,
    /// The same of its trades or quotes: they are silent.
    Renew(Channel),
    /// Replace the connection of this line: it is silent about changes although it stands, or lost
    /// some. Healthy neighbours on it come first.
    Reconnect(u8),
    /// Fetch this instrument's metadata: its stream says numbers that its scales cannot hold.
    Metadata,
}

/// What became of a diff, or of a whole book in the stream.
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
    /// Something is missing before it: it waits for another line to bring that, and the book stays.
    Held,
    /// Its checksum says that the book is wrong: the book is gone.
    Mismatch,
    /// There is no connection that it could belong to, or no book yet that it could change.
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
    /// Newer than the stale book, and no different: the stream was silent for there was nothing to
    /// say.
    Confirmed,
    /// Newer than the book: replaces it as soon as the stream is there.
    Held,
    /// The book needs none, or there is no stream that could keep it true.
    Ignored,
    /// Crossed or locked: no exchange's book is. Another one is asked for later.
    Unbelieved,
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
    /// Snapshots and whole books that were crossed or locked: none was believed.
    pub unbelieved: u64,
    /// Times that the book became crossed.
    pub crossed: u64,
    /// Times that the book became stale.
    pub stale: u64,
    /// Messages whose checksum agreed with the book.
    pub checksum_ok: u64,
    /// Messages whose checksum did not.
    pub checksum_bad: u64,
    /// Gaps of a line that another line filled.
    pub healed: u64,
    /// Diffs dropped for want of a book that the stream must send first.
    pub unsynced: u64,
    /// Diffs dropped from the full buffer while there was no book.
    pub overflow: u64,
}

/// One instrument's book with everything that keeps it true.
///
/// Calls of `applied(book, id, fresh)` come once for each update, the snapshot that starts a book
/// included, and are the canonical sequence of book states. `fresh` marks the first one of an epoch
/// or after a resync: what came before is not comparable. Whether the book may be *shown* is known
/// after the call: [`BookBuilder::live`].
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
    /// The newest id that each line brought while there was no book.
    pub(super) newest: [u64; LINES_MAX],
    /// What the last snapshot claimed of each side.
    pub(super) claims: Claims,
    /// It claims to be whole, and nobody confirmed that.
    pub(super) claimed: bool,
    /// The same of `spare`.
    pub(super) spare_claimed: bool,
    /// The book began at a snapshot of unknown age: its stream shows no losses, and brought nothing
    /// to compare with.
    pub(super) unproven: bool,
    /// Lines whose stream has said that it is there, in their connection.
    pub(super) heard: [bool; LINES_MAX],
    /// A line was refused the stream.
    pub(super) refused: bool,
    /// The stream was found dead: only its data proves the contrary.
    pub(super) doubted: bool,
    /// When messages were lost last: an answer to an older request does not have what they said.
    pub(super) lost_at: Nanos,
    /// What became of the last snapshot, where it was of no use.
    pub(super) trouble: Trouble,
    /// Applied diffs are buffered too, until a refresh replaces the live book.
    pub(super) refreshing: bool,
    pub(super) fetch: Fetch,
    pub(super) rhythm: Rhythm,
    /// When a crossed book is given up; [`Nanos::NEVER`] while it is not crossed.
    pub(super) crossed_until: Nanos,
    /// When a stream that owes what a snapshot has is given up; [`Nanos::NEVER`] while it owes
    /// nothing.
    pub(super) owed_until: Nanos,
    /// Lines that are to be connected anew.
    pub(super) reconnect: [bool; LINES_MAX],
    pub(super) scales: (u8, u8),
    /// Updates applied so far: the next id of a book whose exchange gives none.
    pub(super) counted: u64,
    pub(super) resub: Resubscribe,
    pub(super) lines: Lines,
    /// When a hole that no line filled is given up; [`Nanos::NEVER`] where the buffer holds none.
    pub(super) heal_until: Nanos,
    /// `spare` is the book as it was when its checksum last agreed.
    pub(super) shadowed: bool,
    pub(super) counters: Counters,
}

impl<const N: usize> BookBuilder<N> {
    /// A builder without a connection. `scales` are the decimals of the instrument's prices and
    /// quantities; `depth_needed` is how many levels a side its readers look at. Allocates all that
    /// it ever uses.
    pub fn new(rule: SeqRule, scales: (u8, u8), depth_needed: usize) -> Self {
        Self {
            rule,
            depth_min: depth_needed + DEPTH_MARGIN,
            status: Status::Connecting,
            epoch: 0,
            book: Book::windowed(rule.window, rule.truncates),
            at: Place::default(),
            spare: Book::windowed(rule.window, rule.truncates),
            held: None,
            buffer: Buffer::new(),
            newest: [0; LINES_MAX],
            claims: Claims::default(),
            claimed: false,
            spare_claimed: false,
            unproven: false,
            heard: [false; LINES_MAX],
            refused: false,
            doubted: false,
            lost_at: Nanos::ZERO,
            trouble: Trouble::None,
            refreshing: false,
            fetch: Fetch::new(),
            rhythm: Rhythm::new(),
            crossed_until: Nanos::NEVER,
            owed_until: Nanos::NEVER,
            reconnect: [false; LINES_MAX],
            scales,
            counted: 0,
            resub: Resubscribe::new(),
            lines: Lines::new(),
            heal_until: Nanos::NEVER,
            shadowed: false,
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

    /// A new connection is up, and is about to be subscribed. Where no other line is up the book is
    /// empty, and what comes waits for a snapshot; else the line joins those that feed it.
    pub fn handle_connected(&mut self, now: Nanos, line: u8, epoch: u32) {
        assert!(usize::from(line) < LINES_MAX, "a line too many");
        self.lines.set_up(line, false);
        let joins = self.lines.count() > 0;
        self.lines.set_up(line, true);
        (
            self.heard[usize::from(line)],
            self.newest[usize::from(line)],
        ) = (false, 0);
        if joins {
            assert!(self.rule.merges(), "lines that cannot be merged");
            return;
        }
        self.drop_book();
        self.buffer.clear();
        // Lines count their connections each by itself: a book's epochs rise all the same.
        self.epoch = epoch.max(self.epoch + 1);
        self.status = Status::Buffering;
        self.reconnect = [false; LINES_MAX];
        (self.refused, self.trouble) = (false, Trouble::None);
        self.rhythm.start(now);
        if self.doubted {
            self.owed_until = self.rhythm.reconnect_from();
        }
        match self.rule.snapshot {
            SnapshotFrom::Rest => self.fetch.stop(now),
            SnapshotFrom::Stream => self.resub.begin(now),
        }
    }

    /// The connection is gone, and with the last one that carries the stream the book.
    pub fn handle_disconnected(&mut self, now: Nanos, line: u8) {
        self.lines.set_up(line, false);
        self.heard[usize::from(line)] = false;
        if self.lines.count() > 0 {
            if !self.is_heard() && matches!(self.status, Status::Live | Status::Stale) {
                self.buffer.clear();
                self.resync(now);
                self.fetch.stop(now);
            }
            return;
        }
        self.drop_book();
        self.buffer.clear();
        self.status = Status::Connecting;
        self.reconnect = [false; LINES_MAX];
        self.fetch.stop(now);
        self.resub.rest();
    }

    /// Takes one diff with its changed bids and asks.
    pub fn handle_diff(
        &mut self,
        now: Nanos,
        line: u8,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
        applied: &mut impl FnMut(&Book<N>, u64, bool),
    ) -> DiffOutcome {
        if !self.heard[usize::from(line)] || self.doubted {
            self.hear_data(now, line);
        }
        match (self.status, self.rule.snapshot) {
            (Status::Connecting, _) => DiffOutcome::Ignored,
            (Status::Buffering | Status::Resyncing, SnapshotFrom::Rest) => {
                self.keep(now, line, diff, bids, asks);
                DiffOutcome::Buffered
            }
            (Status::Buffering | Status::Resyncing, SnapshotFrom::Stream) => {
                self.counters.unsynced += 1;
                self.tick(now);
                DiffOutcome::Ignored
            }
            (Status::Live | Status::Stale, _) => self.follow(now, line, diff, bids, asks, applied),
        }
    }

    /// Messages of the stream were lost, or not understood: the book is gone, and another one is
    /// asked for as soon as that may be. Told again and again, it asks ever later.
    pub fn handle_lost(&mut self, now: Nanos) {
        if self.status == Status::Connecting {
            return;
        }
        self.counters.gaps += 1;
        self.lost_at = now;
        self.buffer.clear();
        match (self.status, self.rule.snapshot) {
            (Status::Live | Status::Stale, _) => self.resync(now),
            (_, SnapshotFrom::Rest) => {}
            (_, SnapshotFrom::Stream) => {
                self.resub.restart(now);
                self.resub.tick(now);
            }
        }
    }

    /// As [`Self::handle_lost`], of a connection that is made anew for it.
    pub fn handle_line_lost(&mut self, now: Nanos) {
        self.handle_lost(now);
        if self.rule.snapshot == SnapshotFrom::Stream && self.status != Status::Connecting {
            self.resub.begin(now);
        }
    }

    /// The instrument is listed at other scales: starts again within the connection.
    pub fn rescale(&mut self, now: Nanos, scales: (u8, u8)) {
        self.scales = scales;
        self.buffer.clear();
        if self.status != Status::Connecting {
            self.resync(now);
            self.tick(now);
        }
    }

    /// The line that brought an update first, and how many nanoseconds before the next line, once.
    pub fn take_lead(&mut self) -> Option<(u8, u64)> {
        self.lines.take_lead()
    }

    /// What the builder wants now; call until `None` after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<Want> {
        if let Some(line) = self.reconnect.iter().position(|wanted| *wanted) {
            self.reconnect[line] = false;
            return Some(Want::Reconnect(line as u8));
        }
        if self.resub.take() {
            return Some(Want::Resubscribe);
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
        // While a hole may heal the buffer is taken: no refresh.
        let fetch = match self.heal_until == Nanos::NEVER {
            true => self.fetch.due(),
            false => Nanos::NEVER,
        };
        let timers = [
            stale,
            self.reconnect_at(),
            self.crossed_until,
            self.heal_until,
            self.resub.due(),
            fetch,
        ];
        timers.into_iter().min().unwrap_or(Nanos::NEVER)
    }

    /// Does what is due at `now`: nothing, where it is too early.
    pub fn handle_timeout(&mut self, now: Nanos) {
        if self.status == Status::Connecting {
            return;
        }
        if now >= self.heal_until {
            self.give_up(now);
        }
        if now >= self.crossed_until {
            self.resync(now);
        }
        if self.status == Status::Live && now >= self.rhythm.stale_at() {
            self.status = Status::Stale;
            self.counters.stale += 1;
            // Quiet or broken: another picture tells.
            match self.rule.snapshot {
                SnapshotFrom::Rest => self.fetch.refresh(now),
                SnapshotFrom::Stream => self.resub.renew(now),
            }
        }
        if now >= self.reconnect_at() {
            self.revive(now);
        }
        self.tick(now);
    }

    /// When the stream is given up for dead, if it does not bring what it owes.
    fn reconnect_at(&self) -> Nanos {
        self.owed_until.max(self.rhythm.reconnect_from())
    }

    /// Buffers a diff while there is no book. One that is not newer than the one before is no sign
    /// of life, and where it is older the exchange counts on from there: what is newer than it was
    /// of another count.
    pub(super) fn keep(
        &mut self,
        now: Nanos,
        line: u8,
        diff: &Diff,
        bids: &[Level],
        asks: &[Level],
    ) {
        let newest = &mut self.newest[usize::from(line)];
        let before = *newest;
        if diff.last_id > before {
            *newest = diff.last_id;
            self.rhythm.beat(now);
        }
        let steps_back = diff.last_id < before;
        let repeated = (self.lines.many() || diff.last_id <= before) && self.buffer.holds(diff);
        if !repeated {
            if steps_back {
                self.newest = self.newest.map(|newest| newest.min(diff.last_id));
                self.buffer.step_back(diff.last_id);
            }
            self.counters.buffered += 1;
            self.counters.overflow += self.buffer.push((now, line), diff, bids, asks);
        }
        self.fetch.hurry(now);
        self.tick(now);
    }

    /// The book cannot be trusted any more: starts again within the connection, from the diffs that
    /// are buffered and the next snapshot.
    pub(super) fn resync(&mut self, now: Nanos) {
        self.drop_book();
        self.status = Status::Resyncing;
        self.counters.resyncs += 1;
        match self.rule.snapshot {
            SnapshotFrom::Rest => self.fetch.restart(now),
            SnapshotFrom::Stream => {
                self.resub.restart(now);
                self.resub.tick(now);
            }
        }
    }

    fn drop_book(&mut self) {
        self.book.clear();
        self.at = Place::default();
        self.held = None;
        self.refreshing = false;
        self.crossed_until = Nanos::NEVER;
        self.owed_until = Nanos::NEVER;
        self.heal_until = Nanos::NEVER;
        self.shadowed = false;
        self.unproven = false;
        self.newest = [0; LINES_MAX];
        self.lines.clear();
    }

    /// A duplicate says that the stream is behind the book: for how long?
    pub(super) fn handle_behind(&mut self, now: Nanos) {
        let behind_until = self.rhythm.stale_at() + Nanos(BEHIND_NS_MAX);
        if self.status == Status::Stale && now >= behind_until {
            self.resync(now); // The exchange counts anew, or its snapshot was no good.
        }
    }

    /// The buffer is needed for something else.
    pub(super) fn abandon_refresh(&mut self) {
        if std::mem::take(&mut self.refreshing) {
            self.held = None;
            self.buffer.clear();
        }
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
            match self.rule.snapshot {
                SnapshotFrom::Rest if self.claimed => self.fetch.confirm(now),
                SnapshotFrom::Rest => self.fetch.refresh(now),
                // A second book replaces this one in one step.
                SnapshotFrom::Stream if self.claimed => self.resub.confirm(now),
                SnapshotFrom::Stream if self.resub.may_renew(now) => self.resync(now),
                SnapshotFrom::Stream => {}
            }
        }
        self.tick(now);
    }

    /// A side of the book is provably complete to fewer levels than are wanted, and might be to
    /// more.
    pub(super) fn thin(&self) -> bool {
        let window = self.rule.window.map_or(usize::MAX, usize::from);
        let short = self.rule.short.map_or(usize::MAX, usize::from);
        let wanted = self.depth_min.min(window).min(short);
        [Side::Buy, Side::Sell]
            .into_iter()
            .any(|side| !self.book.whole(side) && self.book.complete_depth(side) < wanted)
    }

    /// Asks for a snapshot when it is time. Of a live book that is a refresh: from now on the diffs
    /// are kept.
    pub(super) fn tick(&mut self, now: Nanos) {
        self.resub.tick(now);
        if self.heal_until == Nanos::NEVER && self.fetch.tick(now) {
            let shown = matches!(self.status, Status::Live | Status::Stale);
            if shown && !self.refreshing {
                self.buffer.begin(self.at.id);
            }
            self.refreshing |= shown;
        }
    }
}
