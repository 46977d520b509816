//! What a stream cannot reveal: books whose lost messages nothing shows, and how those are found.

use super::stream_tests;
use super::sync::audit::{AUDIT_EVERY, RENEW_EVERY};
use super::sync::{OWED_MAX, SnapshotOutcome, Want};
use super::sync_tests::{Bench, RISING, SPOT, deep, level};
use crate::base::feed::{Chain, Checksum, SeqRule};
use crate::base::{Snapshot, Span, Status};

/// Time passes, and the stream says each second what changes nothing.
fn pass(t: &mut Bench, span: Span, id: &mut u64) {
    for _ in 0..span.as_millis() / 1_000 {
        t.wait(Span::from_secs(1));
        *id += 1;
        t.take_calm(*id);
    }
}

/// A deep snapshot whose best bid is gone: the exchange said so in a message that was lost.
fn without_best_bid(last_id: u64) -> Snapshot {
    let mut snapshot = deep(last_id);
    snapshot.bids.remove(0);
    snapshot
}

/// Failure mode 11: a lost message that nothing shows is found within a minute.
#[test]
fn another_snapshot_shows_what_the_stream_lost_and_the_book_is_had_anew() {
    let (mut t, mut id) = (Bench::live(RISING, 10), 10);
    t.take_calm(10);
    pass(&mut t, AUDIT_EVERY, &mut id);
    assert_eq!(t.wants(), [Want::Snapshot { repeat: true }]);
    pass(&mut t, Span::from_secs(1), &mut id);
    assert_eq!(t.load(&without_best_bid(id)), SnapshotOutcome::Contradicted);
    assert_eq!(t.status(), Status::Resyncing);
    let counters = t.feed.counters();
    assert_eq!((counters.contradicted, counters.gaps), (1, 1));
    id += 1;
    t.take_calm(id);
    assert_eq!(t.seconds_to_want(), 0);
    assert_eq!(t.load(&without_best_bid(id)), SnapshotOutcome::Live);
    assert_eq!(t.bids()[0], level(99, 1));
    assert_eq!(t.applied.last(), Some(&(id, true)));
}

#[test]
fn a_snapshot_that_agrees_leaves_the_book_live_and_another_one_follows_a_minute_later() {
    let (mut t, mut id) = (Bench::live(RISING, 10), 10);
    t.take_calm(10);
    for _ in 0..3 {
        pass(&mut t, AUDIT_EVERY, &mut id);
        assert_eq!(t.wants(), [Want::Snapshot { repeat: true }]);
        // It is of a moment that the stream has passed since.
        let then = id;
        pass(&mut t, Span::from_secs(1), &mut id);
        assert_eq!(t.load(&deep(then)), SnapshotOutcome::Refreshed);
        assert_eq!((t.status(), t.feed.last_id()), (Status::Live, id));
    }
    assert_eq!(t.feed.counters().contradicted, 0);
    assert!(t.applied[1..].iter().all(|(_, fresh)| !fresh));
}

#[test]
fn what_a_newer_snapshot_has_must_come_in_the_stream_or_it_was_lost() {
    for lost in [false, true] {
        let (mut t, mut id) = (Bench::live(RISING, 10), 10);
        t.take_calm(10);
        pass(&mut t, AUDIT_EVERY, &mut id);
        assert_eq!(t.wants(), [Want::Snapshot { repeat: true }]);
        assert_eq!(t.load(&without_best_bid(id + 1)), SnapshotOutcome::Held);
        t.wait(OWED_MAX - Span(1));
        assert_eq!(t.status(), Status::Live);
        if !lost {
            t.diff_with(0, id + 1, &[level(100, 0)], &[]);
        }
        t.wait(Span(1));
        assert_eq!(t.status() == Status::Live, !lost);
        assert_eq!(t.feed.counters().contradicted, u64::from(lost));
    }
}

#[test]
fn a_newer_snapshot_that_is_no_different_confirms_a_book_of_which_nothing_came() {
    let (mut t, mut id) = (Bench::live(RISING, 10), 10);
    t.take_calm(10);
    pass(&mut t, AUDIT_EVERY, &mut id);
    assert_eq!(t.wants(), [Want::Snapshot { repeat: true }]);
    assert_eq!(t.load(&deep(id + 1)), SnapshotOutcome::Confirmed);
    t.wait(OWED_MAX);
    assert_eq!((t.status(), t.wants()), (Status::Live, vec![]));
}

#[test]
fn a_book_whose_losses_all_show_is_compared_with_nothing() {
    let (mut t, mut id) = (Bench::live(SPOT, 10), 10);
    pass(&mut t, AUDIT_EVERY * 3, &mut id);
    assert_eq!(t.wants(), []);
}

#[test]
fn a_book_of_a_stream_that_does_not_show_all_losses_is_had_anew_every_ten_minutes() {
    let counted = |checksum| SeqRule {
        chain: Chain::Counted,
        checksum,
        ..SeqRule::STREAM
    };
    let rules = [
        (counted(None), true),
        (counted(Some(Checksum::Digits10)), true),
        (SeqRule::STREAM, false),
    ];
    for (rule, renewed) in rules {
        let mut t = stream_tests::Bench::connected(rule);
        t.book(0, 1);
        for second in 1..RENEW_EVERY.as_millis() / 1_000 {
            t.wait(Span::from_secs(1));
            t.change(0, 1 + second, 90);
            assert_eq!(t.wants(), [], "{rule:?} at {second} s");
        }
        t.wait(Span::from_secs(1));
        let wanted = if renewed {
            vec![Want::Resubscribe]
        } else {
            vec![]
        };
        assert_eq!(t.wants(), wanted, "{rule:?}");
        assert_eq!(t.status(), Status::Live);
    }
}
