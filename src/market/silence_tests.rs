//! What silence of a stream means, and what a snapshot makes of it.

use super::dark::Dark;
use super::resubscribe::RESUBSCRIBE_MIN;
use super::rhythm::{PATIENCE, SILENCE_MAX, SILENCE_MIN};
use super::stream_tests;
use super::sync::{DiffOutcome, OWED_MAX, SnapshotOutcome, Want};
use super::sync_tests::{Bench, SPOT, deep, level};
use crate::base::feed::SeqRule;
use crate::base::{Qty, Snapshot, Span, Status};

#[test]
fn silence_makes_the_book_stale_and_the_next_diff_live_again() {
    let mut t = Bench::live(SPOT, 10);
    t.wait(SILENCE_MIN - Span(1));
    assert_eq!(t.status(), Status::Live);
    t.wait(Span(1));
    assert_eq!(t.status(), Status::Stale);
    assert!(t.feed.live().is_none());
    assert_eq!(t.diff(10, 10), DiffOutcome::Duplicate);
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.diff(11, 11), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.applied.last(), Some(&(11, false)));
    assert_eq!(t.feed.counters().stale, 1);
}

#[test]
fn a_stale_book_with_a_hole_behind_it_is_resynchronised() {
    let mut t = Bench::live(SPOT, 10);
    t.wait(SILENCE_MIN);
    assert_eq!(t.diff(13, 13), DiffOutcome::Gap);
    assert_eq!(t.status(), Status::Resyncing);
}

/// Failure mode 14: a stream that is silent beside a living connection makes its book stale, by its
/// own rhythm.
#[test]
fn the_threshold_follows_the_streams_own_rhythm() {
    let mut t = Bench::live(SPOT, 10);
    // One message a second: silence is suspicious after twenty.
    for id in 11..=13 {
        t.wait(Span::from_secs(1));
        t.diff(id, id);
    }
    t.wait(Span(19_999_999_999));
    assert_eq!(t.status(), Status::Live);
    t.wait(Span(1));
    assert_eq!(t.status(), Status::Stale);
    // A fast stream forgets the long gap.
    for id in 14..=600 {
        t.diff(id, id);
        t.wait(Span::from_millis(100));
    }
    t.wait(SILENCE_MIN);
    assert_eq!(t.status(), Status::Stale);
}

#[test]
fn a_quiet_book_is_live_again_when_a_snapshot_shows_that_nothing_happened() {
    let mut t = Bench::quiet(10);
    assert_eq!(t.load(&deep(10)), SnapshotOutcome::Refreshed);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.applied, [(10, true)]);
    // It is known to be quiet now, and checked once a minute.
    t.wait(SILENCE_MAX - Span(1));
    assert_eq!((t.status(), t.want()), (Status::Live, None));
    t.wait(Span(1));
    assert_eq!(
        (t.status(), t.want()),
        (Status::Stale, Some(Want::Snapshot { repeat: false }))
    );
}

#[test]
fn a_snapshot_that_is_newer_but_no_different_confirms_a_quiet_book() {
    let mut t = Bench::quiet(10);
    assert_eq!(t.load(&deep(12)), SnapshotOutcome::Confirmed);
    assert_eq!((t.status(), t.feed.last_id()), (Status::Live, 10));
    assert_eq!(t.diff(11, 12), DiffOutcome::Applied);
    assert_eq!(t.applied, [(10, true), (12, false)]);
}

/// Failure mode 14: a stream that is silent beside a living connection makes its book stale, by its
/// own rhythm.
#[test]
fn a_stream_that_owes_what_a_snapshot_has_wants_one_new_connection() {
    let mut t = Bench::quiet(10);
    assert_eq!(t.load(&changed(12)), SnapshotOutcome::Held);
    t.wait(OWED_MAX - Span(1));
    assert_eq!((t.status(), t.want()), (Status::Stale, None));
    t.wait(Span(1));
    // Its neighbours on the connection have nothing to do with it.
    assert_eq!(t.wants(), [Want::Resubscribe]);
    assert_eq!(
        (t.status(), t.feed.dark()),
        (Status::Stale, Some(Dark::Dead))
    );
    t.wait(PATIENCE);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    t.wait(PATIENCE * 2);
    assert_eq!(t.wants(), [Want::Reconnect(0)]);
    assert_eq!(t.status(), Status::Stale);
}

#[test]
fn a_stream_that_was_found_dead_is_believed_only_by_its_data() {
    let mut t = Bench::quiet(10);
    t.load(&changed(12));
    t.wait(OWED_MAX);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    t.feed.handle_started(t.now, 0);
    t.feed.handle_connected(t.now, 0, 2);
    t.feed.handle_started(t.now, 0);
    t.wait(PATIENCE - Span(1));
    assert_eq!((t.wants(), t.feed.dark()), (vec![], Some(Dark::Dead)));
    t.diff(14, 14);
    assert_eq!(t.wants(), [Want::Snapshot { repeat: false }]);
    assert_eq!(t.load(&deep(14)), SnapshotOutcome::Live);
}

#[test]
fn a_stream_that_brings_in_time_what_it_owes_keeps_its_connection() {
    let mut t = Bench::quiet(10);
    assert_eq!(t.load(&changed(12)), SnapshotOutcome::Held);
    t.wait(OWED_MAX - Span(1));
    let bids = [level(100, 7)];
    assert_eq!(t.diff_with(11, 12, &bids, &[]), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.feed.counters().refreshes, 1);
    t.wait(Span(2));
    assert_eq!(t.wants(), []);
}

#[test]
fn silence_without_a_snapshot_to_judge_it_by_never_costs_the_connection() {
    let mut t = Bench::quiet(10);
    for _ in 0..20 {
        t.feed.handle_snapshot_failed(t.now);
        t.seconds_to_want();
        assert_eq!(t.snapshot(9), SnapshotOutcome::TooOld);
        t.seconds_to_want();
    }
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.load(&deep(10)), SnapshotOutcome::Refreshed);
    assert_eq!(t.status(), Status::Live);
}

#[test]
fn a_snapshot_that_was_asked_for_before_the_silence_proves_nothing() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    t.wait(SILENCE_MIN);
    assert_eq!(t.load(&deep(11)), SnapshotOutcome::Refreshed);
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.seconds_to_want(), 2);
    assert_eq!(t.load(&deep(11)), SnapshotOutcome::Refreshed);
    assert_eq!(t.status(), Status::Live);
}

#[test]
fn a_stream_that_never_speaks_wants_new_connections_but_ever_more_patiently() {
    let mut t = Bench::connected(SPOT);
    let mut asked = Vec::new();
    t.seconds_to_want();
    assert_eq!(t.load(&deep(20)), SnapshotOutcome::Live);
    t.seconds_to_want();
    assert_eq!(t.load(&changed(21)), SnapshotOutcome::Held);
    let mut epoch = 1;
    while epoch < 5 {
        t.now = t.feed.poll_timeout();
        t.feed.handle_timeout(t.now);
        for want in t.wants() {
            asked.push((want, t.now));
            if want == Want::Reconnect(0) {
                epoch += 1;
                t.feed.handle_connected(t.now, 0, epoch);
                t.feed.handle_started(t.now, 0);
            }
        }
    }
    let waits = asked.windows(2).map(|pair| pair[1].1.since(pair[0].1));
    let patience = [10, 20, 40, 80, 160].map(Span::from_secs);
    assert_eq!(waits.collect::<Vec<_>>(), patience);
    assert_eq!(patience[0], PATIENCE);
    let wants: Vec<Want> = asked.iter().map(|(want, _)| *want).collect();
    assert_eq!(wants[..2], [Want::Resubscribe; 2]);
    assert_eq!(wants[2..], [Want::Reconnect(0); 4]);
}

#[test]
fn a_silent_book_of_the_stream_is_asked_for_as_soon_as_that_may_be() {
    let mut t = stream_tests::Bench::connected(SeqRule::STREAM);
    t.book(0, 10);
    assert_eq!(t.change(0, 12, 90), DiffOutcome::Gap);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    t.book(0, 12);
    // Silent three seconds later: two too early for another request.
    t.wait(SILENCE_MIN);
    assert_eq!((t.status(), t.wants()), (Status::Stale, vec![]));
    t.wait(RESUBSCRIBE_MIN - SILENCE_MIN);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    assert_eq!(t.book(0, 12), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
}

#[test]
fn a_stale_book_of_two_lines_is_confirmed_by_one_that_is_as_new() {
    let mut t = stream_tests::Bench::connected(SeqRule::STREAM);
    t.builder.handle_connected(t.now, 1, 2);
    t.book(0, 10);
    assert_eq!(t.book(1, 10), DiffOutcome::Duplicate);
    t.wait(SILENCE_MIN);
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.book(1, 9), DiffOutcome::Duplicate);
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.book(1, 10), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
}

/// [`deep`], but for the quantity of the best bid.
fn changed(last_id: u64) -> Snapshot {
    let mut snapshot = deep(last_id);
    snapshot.bids[0].qty = Qty(7);
    snapshot
}
