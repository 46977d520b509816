//! Each rule of sequencing as a sentence.

use super::Update;
use super::fetch::{BACKOFF_MAX, FIRST_DIFF, REFRESH_EVERY};
use super::rhythm::SILENCE_MIN;
use super::sync::{
    BEHIND_MAX, BookBuilder, CROSSED_MAX, DEPTH_MARGIN, DiffOutcome, SnapshotOutcome, Want,
};
use crate::base::feed::{Chain, SeqRule, SnapshotFrom, Splice};
use crate::base::{
    Diff, InstrumentId, Level, Nanos, Px, Qty, Side, Snapshot, Span, Status, UnixNanos,
};

pub(super) const SPOT: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::After,
    chain: Chain::Dense,
    ..SeqRule::STREAM
};
pub(super) const FUTURES: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::Around,
    chain: Chain::Previous,
    ..SeqRule::STREAM
};
/// Ids are times, and nothing shows a loss.
pub(super) const RISING: SeqRule = SeqRule {
    snapshot: SnapshotFrom::Rest,
    splice: Splice::Newer,
    chain: Chain::Rising,
    ..SeqRule::STREAM
};

#[test]
fn diffs_are_buffered_until_the_snapshot_and_replayed_over_it() {
    let mut t = Bench::connected(SPOT);
    assert_eq!(t.diff(5, 6), DiffOutcome::Buffered);
    assert_eq!(t.diff(7, 9), DiffOutcome::Buffered);
    assert_eq!(t.diff(10, 10), DiffOutcome::Buffered);
    assert!(t.feed.live().is_none());
    assert_eq!(t.snapshot(8), SnapshotOutcome::Live);
    // The first is dropped, the second straddles, the third follows.
    assert_eq!(t.applied, [(8, true), (9, false), (10, false)]);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.feed.last_id(), 10);
    assert_eq!(t.feed.counters().duplicates, 1);
}

#[test]
fn a_diff_that_the_book_has_already_is_dropped() {
    let mut t = Bench::live(SPOT, 10);
    assert_eq!(t.diff(8, 9), DiffOutcome::Duplicate);
    assert_eq!(t.diff(10, 10), DiffOutcome::Duplicate);
    assert_eq!(t.diff(11, 12), DiffOutcome::Applied);
    assert_eq!(t.diff(11, 12), DiffOutcome::Duplicate);
    assert_eq!(t.feed.counters().duplicates, 3);
    assert_eq!(t.applied, [(10, true), (12, false)]);
}

#[test]
fn a_diff_that_overlaps_the_book_is_applied() {
    let mut t = Bench::live(SPOT, 10);
    assert_eq!(t.diff(7, 12), DiffOutcome::Applied);
    assert_eq!(t.feed.last_id(), 12);
}

/// Failure mode 2: a book with a hole is not shown.
#[test]
fn a_gap_makes_the_book_unreadable_and_its_diff_the_first_of_a_new_buffer() {
    let mut t = Bench::live(SPOT, 10);
    t.wait(SILENCE_MIN - Span(1));
    assert_eq!(t.diff(12, 13), DiffOutcome::Gap);
    assert_eq!(t.status(), Status::Resyncing);
    assert!(t.feed.live().is_none());
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    assert_eq!(t.diff(14, 15), DiffOutcome::Buffered);
    assert_eq!(t.snapshot(10), SnapshotOutcome::TooOld);
    assert_eq!(t.snapshot(11), SnapshotOutcome::Live);
    assert_eq!(t.applied[1..], [(11, true), (13, false), (15, false)]);
    let counters = t.feed.counters();
    assert_eq!(
        (counters.gaps, counters.resyncs, counters.too_old),
        (1, 1, 1)
    );
}

#[test]
fn a_gap_inside_the_buffer_costs_the_book_that_the_snapshot_started() {
    let mut t = Bench::connected(SPOT);
    t.diff(5, 6);
    t.diff(8, 9);
    t.diff(10, 11);
    assert_eq!(t.snapshot(5), SnapshotOutcome::Gap);
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.applied, [(5, true), (6, false)]);
    // What came after the hole is still there.
    assert_eq!(t.snapshot(6), SnapshotOutcome::TooOld);
    assert_eq!(t.snapshot(7), SnapshotOutcome::Live);
    assert_eq!(t.applied[2..], [(7, true), (9, false), (11, false)]);
}

/// Failure mode 1: a snapshot that is older than what waits is refused, and asked for again ever
/// later.
#[test]
fn a_snapshot_older_than_the_buffer_is_refused_and_asked_for_again_ever_later() {
    let mut t = Bench::connected(SPOT);
    t.diff(10, 11);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(t.want(), None);
        assert_eq!(t.snapshot(8), SnapshotOutcome::TooOld);
        assert_eq!(t.status(), Status::Buffering);
        assert_eq!(t.seconds_to_want(), seconds);
    }
    assert_eq!(BACKOFF_MAX, Span::from_secs(30));
    assert_eq!(t.snapshot(9), SnapshotOutcome::Live);
    assert_eq!(t.feed.counters().too_old, 7);
}

#[test]
fn a_snapshot_that_fails_is_asked_for_again_ever_later() {
    let mut t = Bench::connected(SPOT);
    t.diff(10, 11);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    for seconds in [1, 2, 4] {
        t.feed.handle_snapshot_failed(t.now);
        assert_eq!(t.diff(12, 12), DiffOutcome::Buffered);
        assert_eq!(t.seconds_to_want(), seconds);
    }
}

#[test]
fn a_snapshot_that_comes_late_is_as_good_as_a_prompt_one() {
    let mut t = Bench::connected(SPOT);
    for id in 1..=1_000 {
        t.diff(id, id);
    }
    assert_eq!(t.snapshot(3), SnapshotOutcome::Live);
    assert_eq!(t.feed.last_id(), 1_000);
    assert_eq!(t.applied.len(), 998);
}

#[test]
fn a_snapshot_ahead_of_the_stream_starts_the_book_and_what_it_has_is_dropped() {
    let mut t = Bench::connected(SPOT);
    t.diff(5, 6);
    assert_eq!(t.snapshot(20), SnapshotOutcome::Live);
    assert_eq!(t.diff(7, 12), DiffOutcome::Duplicate);
    assert_eq!(t.diff(13, 20), DiffOutcome::Duplicate);
    assert_eq!(t.diff(21, 22), DiffOutcome::Applied);
    // The next stream leaves a hole after its snapshot.
    let mut t = Bench::connected(SPOT);
    assert_eq!(t.snapshot(20), SnapshotOutcome::Live);
    assert_eq!(t.diff(22, 22), DiffOutcome::Gap);
}

#[test]
fn a_snapshot_ahead_that_the_stream_never_reaches_goes_stale() {
    let mut t = Bench::live(SPOT, 1_000_000);
    for id in 1..=40 {
        t.wait(Span::from_millis(100));
        assert_eq!(t.diff(id, id), DiffOutcome::Duplicate);
    }
    assert_eq!(t.status(), Status::Stale);
    // The stream speaks of another count: the next snapshot starts a book of that.
    t.wait(BEHIND_MAX);
    assert_eq!(t.diff(41, 41), DiffOutcome::Duplicate);
    assert_eq!(t.status(), Status::Resyncing);
    t.diff(42, 42);
    assert_eq!(t.snapshot(42), SnapshotOutcome::Live);
    assert_eq!(t.diff(43, 43), DiffOutcome::Applied);
}

#[test]
fn a_snapshot_needs_no_diff_before_it_and_a_quiet_instrument_gets_one() {
    let mut t = Bench::connected(SPOT);
    assert_eq!(t.want(), None);
    assert_eq!(t.feed.poll_timeout(), t.now + FIRST_DIFF);
    t.wait(FIRST_DIFF);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    assert_eq!(t.snapshot(7), SnapshotOutcome::Live);
    assert_eq!(t.diff(8, 8), DiffOutcome::Applied);
}

#[test]
fn one_snapshot_is_in_flight_at_a_time_also_over_connections() {
    let mut t = Bench::connected(SPOT);
    t.diff(1, 1);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    t.diff(2, 2);
    assert_eq!(t.want(), None);
    t.feed.handle_disconnected(t.now, 0);
    t.feed.handle_connected(t.now, 0, 2);
    t.diff(10, 10);
    t.wait(Span::from_secs(2));
    assert_eq!(t.want(), None);
    // Too old, for it was asked for before: no fault of the exchange, so the next is due at once.
    assert_eq!(t.snapshot(1), SnapshotOutcome::TooOld);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
}

/// Failure mode 6: no level of an earlier connection is in a book.
#[test]
fn a_new_epoch_starts_with_an_empty_book_and_its_first_update_is_fresh() {
    let mut t = Bench::live(SPOT, 10);
    t.feed.handle_disconnected(t.now, 0);
    assert_eq!(t.status(), Status::Connecting);
    assert!(t.feed.live().is_none());
    assert_eq!(t.diff(11, 11), DiffOutcome::Ignored);
    assert_eq!(t.snapshot(11), SnapshotOutcome::Ignored);
    assert_eq!(t.feed.poll_timeout(), Nanos::NEVER);
    t.feed.handle_connected(t.now, 0, 2);
    assert_eq!(
        (t.status(), t.feed.epoch(), t.feed.last_id()),
        (Status::Buffering, 2, 0)
    );
    t.feed.handle_started(t.now, 0);
    // The new picture has fewer levels: nothing of the old one shines through.
    let snapshot = Snapshot {
        dropped: 0,
        last_id: 50,
        bids: vec![level(70, 1)],
        ..Snapshot::default()
    };
    t.load(&snapshot);
    assert_eq!(t.bids(), [level(70, 1)]);
    assert_eq!(t.applied.last(), Some(&(50, true)));
}

#[test]
fn a_snapshot_that_nobody_asked_for_leaves_a_live_book_alone() {
    let mut t = Bench::live(SPOT, 10);
    assert_eq!(t.snapshot(10), SnapshotOutcome::Ignored);
    assert_eq!(t.snapshot(30), SnapshotOutcome::Ignored);
    assert_eq!(t.diff(11, 11), DiffOutcome::Applied);
}

/// Failure mode 7: nobody trades on a crossed book, and one that stays so is thrown away.
#[test]
fn a_crossed_book_may_heal_but_is_given_up_after_a_second() {
    let mut t = Bench::live(SPOT, 10);
    t.diff_with(11, 11, &[level(102, 1)], &[]);
    assert!(t.feed.live().expect("live").crossed());
    t.wait(CROSSED_MAX - Span(1));
    t.diff_with(12, 12, &[level(102, 0)], &[]);
    t.wait(CROSSED_MAX);
    assert_eq!(t.status(), Status::Live);
    // Locked counts as crossed, by the timer alone and by the next diff.
    t.diff_with(13, 13, &[level(101, 1)], &[]);
    t.wait(CROSSED_MAX);
    assert_eq!(t.status(), Status::Resyncing);
    let counters = t.feed.counters();
    assert_eq!(
        (counters.crossed, counters.resyncs, counters.gaps),
        (2, 1, 0)
    );
    t.diff(14, 14);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    assert_eq!(t.snapshot(14), SnapshotOutcome::Live);
    assert_eq!(t.applied.last(), Some(&(14, true)));
}

#[test]
fn a_full_buffer_drops_its_oldest_and_asks_for_a_newer_snapshot() {
    let mut t = Bench::connected(SPOT);
    for id in 1..=2_050 {
        t.diff(id, id);
    }
    assert_eq!(t.feed.counters().overflow, 2);
    assert_eq!(t.snapshot(1), SnapshotOutcome::TooOld);
    assert_eq!(t.snapshot(2), SnapshotOutcome::Live);
    // The levels have a limit of their own, and one diff may be larger than it.
    let mut t = Bench::connected(SPOT);
    let many = vec![level(1, 1); 30_000];
    for id in 1..=3 {
        t.diff_with(id, id, &many, &[]);
    }
    assert_eq!(t.feed.counters().overflow, 1);
    t.diff_with(4, 4, &many, &[many.clone(), many.clone()].concat());
    assert_eq!(t.feed.counters().overflow, 4);
    assert_eq!(t.snapshot(3), SnapshotOutcome::Live);
    assert_eq!(t.diff(5, 5), DiffOutcome::Gap);
}

#[test]
fn futures_apply_the_diff_that_brackets_the_snapshot_and_then_follow_its_predecessors() {
    let mut t = Bench::connected(FUTURES);
    t.linked(4, 5, 3);
    t.linked(8, 9, 5);
    t.linked(12, 14, 9);
    assert_eq!(t.snapshot(9), SnapshotOutcome::Live);
    assert_eq!(t.applied, [(9, true), (9, false), (14, false)]);
    assert_eq!(t.linked(12, 14, 9), DiffOutcome::Duplicate);
    assert_eq!(t.linked(30, 31, 14), DiffOutcome::Applied);
    assert_eq!(t.linked(33, 34, 32), DiffOutcome::Gap);
}

#[test]
fn futures_accept_a_snapshot_between_two_messages_where_the_predecessor_proves_it() {
    let mut t = Bench::connected(FUTURES);
    t.linked(8, 9, 5);
    t.linked(15, 16, 9);
    assert_eq!(t.snapshot(12), SnapshotOutcome::Live);
    assert_eq!(t.applied, [(12, true), (16, false)]);
    let mut t = Bench::connected(FUTURES);
    t.linked(15, 16, 13);
    assert_eq!(t.snapshot(12), SnapshotOutcome::TooOld);
    assert_eq!(t.snapshot(13), SnapshotOutcome::Live);
    // Without a predecessor nothing is proved.
    assert_eq!(t.diff(17, 18), DiffOutcome::Gap);
}

#[test]
fn a_thin_book_is_refreshed_without_going_dark() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    for id in 12..=20 {
        assert_eq!(
            t.diff_with(id, id, &[level(100, id)], &[]),
            DiffOutcome::Applied
        );
        assert!(t.feed.live().is_some());
    }
    let updates = t.feed.counters().updates;
    assert_eq!(t.load(&deep(14)), SnapshotOutcome::Refreshed);
    let book = t.feed.live().expect("live all the time");
    assert!(book.complete_depth(Side::Buy) >= 200);
    // What the diffs said after the snapshot is in it.
    assert_eq!(book.best_bid(), Some(level(100, 20)));
    assert_eq!(t.feed.last_id(), 20);
    let counters = t.feed.counters();
    assert_eq!((counters.refreshes, counters.updates), (1, updates));
    assert_eq!(t.diff(21, 21), DiffOutcome::Applied);
    assert_eq!(t.want(), None);
}

#[test]
fn a_refresh_ahead_of_the_stream_waits_until_the_stream_is_there() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    t.diff(12, 12);
    assert_eq!(t.load(&deep(15)), SnapshotOutcome::Held);
    t.diff(13, 14);
    assert_eq!(t.feed.counters().refreshes, 0);
    t.diff(15, 16);
    assert_eq!(t.feed.counters().refreshes, 1);
    assert!(t.feed.live().expect("live").complete_depth(Side::Buy) >= 200);
    assert_eq!(t.feed.last_id(), 16);
}

#[test]
fn a_refresh_older_than_the_kept_diffs_is_refused_and_the_book_stays() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    t.diff(12, 12);
    t.diff(13, 13);
    assert_eq!(t.load(&deep(9)), SnapshotOutcome::TooOld);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.feed.last_id(), 13);
    assert_eq!(t.seconds_to_want(), 5);
    // The diffs since the first request are still there, so that a lagging exchange is caught.
    assert_eq!(t.load(&deep(10)), SnapshotOutcome::Refreshed);
}

#[test]
fn a_refresh_that_brings_no_depth_is_not_asked_for_again_at_once() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    for seconds in [5, 5, 5, 8, 16, 30, 30] {
        let last_id = t.feed.last_id();
        assert_eq!(t.snapshot(last_id), SnapshotOutcome::Refreshed);
        assert_eq!(t.diff(last_id + 1, last_id + 1), DiffOutcome::Applied);
        assert_eq!(t.seconds_to_want(), seconds);
        // The stream goes on meanwhile.
        t.diff(last_id + 2, last_id + 2);
    }
    assert_eq!(REFRESH_EVERY, Span::from_secs(5));
}

#[test]
fn a_book_is_whole_once_a_second_snapshot_says_so_and_is_never_refreshed_then() {
    let mut t = Bench::connected(SPOT);
    t.diff(5, 6);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    assert_eq!(t.load(&whole(6)), SnapshotOutcome::Live);
    let book = t.feed.live().expect("live");
    assert!(!book.whole(Side::Buy) && book.complete_depth(Side::Buy) == 2);
    assert_eq!(t.diff(7, 7), DiffOutcome::Applied);
    assert_eq!(t.seconds_to_want(), 1);
    assert_eq!(t.load(&whole(7)), SnapshotOutcome::Refreshed);
    assert!(t.feed.live().expect("live").whole(Side::Buy));
    assert_eq!(t.diff(8, 8), DiffOutcome::Applied);
    t.wait(SILENCE_MIN - Span(1));
    assert_eq!((t.status(), t.wants()), (Status::Live, vec![]));
}

#[test]
fn a_gap_during_a_refresh_makes_its_snapshot_the_start_of_the_next_book() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    assert_eq!(t.diff(15, 15), DiffOutcome::Gap);
    assert_eq!(t.want(), None);
    assert_eq!(t.load(&deep(14)), SnapshotOutcome::Live);
    assert_eq!(t.applied[t.applied.len() - 2..], [(14, true), (15, false)]);
}

/// Two levels per side, which are all there are.
fn whole(last_id: u64) -> Snapshot {
    Snapshot {
        bids_whole: true,
        asks_whole: true,
        ..small(last_id)
    }
}

/// A feed, the time, and what was applied. Diffs that say nothing set bid 90.
pub(super) struct Bench {
    pub(super) feed: BookBuilder<256>,
    pub(super) now: Nanos,
    pub(super) applied: Vec<(u64, bool)>,
}

impl Bench {
    pub(super) fn connected(rule: SeqRule) -> Self {
        let mut feed = BookBuilder::new(rule, (0, 0), 20);
        let now = Nanos::from_secs(100);
        feed.handle_connected(now, 0, 1);
        feed.handle_started(now, 0);
        Self {
            feed,
            now,
            applied: Vec::new(),
        }
    }

    /// Live at `id` from a deep snapshot that was asked for.
    pub(super) fn live(rule: SeqRule, id: u64) -> Self {
        let mut t = Self::connected(rule);
        t.feed.handle_timeout(t.now);
        assert_eq!(t.load(&deep(id)), SnapshotOutcome::Live);
        t
    }

    /// Stale at `id`, with a snapshot asked for.
    pub(super) fn quiet(id: u64) -> Self {
        let mut t = Self::live(SPOT, id);
        t.wait(SILENCE_MIN);
        assert_eq!(t.status(), Status::Stale);
        assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
        t
    }

    /// Live at `id + 1` with two levels per side; a refresh is wanted, and diffs are kept, since
    /// `id`.
    pub(super) fn thin(id: u64) -> Self {
        let mut t = Self::connected(SPOT);
        t.snapshot(id);
        assert_eq!(t.diff(id + 1, id + 1), DiffOutcome::Applied);
        t
    }

    pub(super) fn diff(&mut self, first_id: u64, last_id: u64) -> DiffOutcome {
        self.diff_with(first_id, last_id, &[level(90, 1)], &[])
    }

    pub(super) fn diff_with(
        &mut self,
        first: u64,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) -> DiffOutcome {
        self.take(&diff(first, last, None), bids, asks)
    }

    pub(super) fn linked(&mut self, first: u64, last: u64, prev: u64) -> DiffOutcome {
        self.take(&diff(first, last, Some(prev)), &[level(90, 1)], &[])
    }

    /// A diff up to `id` that changes nothing.
    pub(super) fn take_calm(&mut self, id: u64) {
        self.take(&diff(id, id, Some(id - 1)), &[], &[]);
    }

    pub(super) fn take(&mut self, diff: &Diff, bids: &[Level], asks: &[Level]) -> DiffOutcome {
        let applied = &mut self.applied;
        let mut applied = |_: &_, id, fresh| applied.push((id, fresh));
        let update = Update {
            now: self.now,
            line: 0,
            diff,
            bids,
            asks,
        };
        self.feed.handle_diff(&update, &mut applied)
    }

    pub(super) fn snapshot(&mut self, id: u64) -> SnapshotOutcome {
        self.load(&small(id))
    }

    pub(super) fn load(&mut self, snapshot: &Snapshot) -> SnapshotOutcome {
        let applied = &mut self.applied;
        let mut applied = |_: &_, id, fresh| applied.push((id, fresh));
        self.feed.handle_snapshot(self.now, snapshot, &mut applied)
    }

    pub(super) fn wait(&mut self, span: Span) {
        self.now = self.now + span;
        self.feed.handle_timeout(self.now);
    }

    pub(super) fn want(&mut self) -> Option<Want> {
        self.feed.poll_output()
    }

    pub(super) fn wants(&mut self) -> Vec<Want> {
        std::iter::from_fn(|| self.feed.poll_output()).collect()
    }

    /// Lets timers run until a snapshot is wanted; the stream stays silent.
    pub(super) fn seconds_to_want(&mut self) -> u64 {
        self.next_want().0
    }

    /// The same, and whether it is a repeat.
    pub(super) fn next_want(&mut self) -> (u64, bool) {
        let begin = self.now;
        loop {
            let wants = self.wants();
            let snapshot = wants.iter().find_map(|want| match want {
                Want::Snapshot { repeat } => Some(*repeat),
                _ => None,
            });
            if let Some(repeat) = snapshot {
                return (self.now.since(begin).as_millis() / 1_000, repeat);
            }
            self.now = self.feed.poll_timeout();
            assert_ne!(self.now, Nanos::NEVER);
            self.feed.handle_timeout(self.now);
        }
    }

    pub(super) fn status(&self) -> Status {
        self.feed.status()
    }

    pub(super) fn bids(&self) -> Vec<Level> {
        let book = self.feed.live().expect("live");
        book.levels(Side::Buy).collect()
    }
}

pub(super) fn diff(first_id: u64, last_id: u64, prev_id: Option<u64>) -> Diff {
    Diff {
        instrument: InstrumentId(0),
        first_id,
        last_id,
        prev_id,
        checksum: None,
        exch_time: UnixNanos(0),
    }
}

pub(super) fn level(px: i64, qty: u64) -> Level {
    Level {
        px: Px(px),
        qty: Qty(qty),
    }
}

/// Two levels per side, and not all there are.
pub(super) fn small(last_id: u64) -> Snapshot {
    Snapshot {
        dropped: 0,
        last_id,
        bids: vec![level(100, 1), level(99, 1)],
        asks: vec![level(101, 1), level(102, 1)],
        ..Snapshot::default()
    }
}

/// More levels than any refresh waits for, and not all there are.
pub(super) fn deep(last_id: u64) -> Snapshot {
    const { assert!(20 + DEPTH_MARGIN < 200) };
    Snapshot {
        dropped: 0,
        last_id,
        bids: (0..200).map(|n| level(100 - n, 1)).collect(),
        asks: (0..200).map(|n| level(101 + n, 1)).collect(),
        ..Snapshot::default()
    }
}
