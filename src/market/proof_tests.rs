//! What a snapshot, a diff or a stream must prove before it is believed, and how patiently the
//! proof is asked for.

use super::dark::Dark;
use super::fetch::{FIRST_DIFF, HEALTHY, REFRESH_EVERY};
use super::sync::{CROSSED_MAX, HELD_MAX, SnapshotOutcome, Want};
use super::sync_tests::{Bench, FUTURES, RISING, SPOT, deep, level, small};
use crate::base::{Side, Snapshot, Span, Status};

#[test]
fn an_empty_or_short_snapshot_is_not_believed_before_a_second_one_says_the_same() {
    for (bids, second, believed) in [(0, 0, true), (0, 3, false), (2, 2, true), (2, 40, false)] {
        let mut t = Bench::connected(SPOT);
        t.diff(5, 6);
        let short = |last_id, bids| Snapshot {
            bids: deep(last_id).bids[..bids].to_vec(),
            bids_whole: true,
            ..deep(last_id)
        };
        t.load(&short(6, bids));
        // What a diff adds to it is not the best bid of anybody.
        t.diff_with(7, 7, &[level(50, 1)], &[]);
        let top = t.feed.live().expect("live").top::<10>();
        assert!(!top.complete(bids + 1), "{bids}");
        assert_eq!(t.next_want(), (1, true), "behind those without a book");
        t.load(&short(7, second));
        let whole = t.feed.live().expect("live").whole(Side::Buy);
        assert_eq!(whole, believed, "{bids}, then {second}");
    }
}

#[test]
fn a_crossed_or_locked_snapshot_is_never_believed() {
    for ask in [100, 99] {
        let mut t = Bench::connected(SPOT);
        t.diff(5, 6);
        assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
        let crossed = |last_id| Snapshot {
            asks: vec![level(ask, 1), level(102, 1)],
            ..small(last_id)
        };
        for seconds in [1, 2, 4] {
            assert_eq!(t.load(&crossed(6)), SnapshotOutcome::Unbelieved);
            assert_eq!(t.feed.dark(), Some(Dark::Unbelieved));
            assert_eq!(t.seconds_to_want(), seconds);
        }
        assert_eq!(t.load(&deep(6)), SnapshotOutcome::Live);
        // Nor does one replace a live book.
        let mut t = Bench::thin(10);
        assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
        assert_eq!(t.load(&crossed(11)), SnapshotOutcome::Unbelieved);
        assert_eq!((t.status(), t.feed.last_id()), (Status::Live, 11));
    }
}

#[test]
fn a_snapshot_makes_no_book_live_before_the_stream_is_confirmed_or_speaks() {
    let mut t = Bench::connected(SPOT);
    t.feed.handle_disconnected(t.now, 0);
    t.feed.handle_connected(t.now, 0, 2);
    t.wait(FIRST_DIFF * 10);
    assert_eq!((t.want(), t.feed.dark()), (None, Some(Dark::NotBegun)));
    assert_eq!(t.snapshot(5), SnapshotOutcome::Ignored);
    t.feed.handle_refused(t.now, 0);
    t.wait(FIRST_DIFF * 10);
    assert_eq!((t.want(), t.feed.dark()), (None, Some(Dark::Refused)));
    // Its data is its word, too.
    t.diff(6, 6);
    assert_eq!(
        (t.want(), t.feed.dark()),
        (
            Some(Want::Snapshot { repeat: false }),
            Some(Dark::NoSnapshot)
        )
    );
    assert_eq!(t.snapshot(5), SnapshotOutcome::Live);
    // A stream that is ended by the exchange takes the book with it.
    t.feed.handle_refused(t.now, 0);
    assert_eq!(
        (t.status(), t.feed.dark()),
        (Status::Resyncing, Some(Dark::Refused))
    );
}

#[test]
fn one_diff_with_a_far_id_is_dropped_when_the_stream_goes_on_below_it() {
    let mut t = Bench::connected(SPOT);
    t.diff(9_000_000, 9_000_001);
    t.diff(5, 6);
    assert_eq!(t.snapshot(5), SnapshotOutcome::Live);
    assert_eq!(t.feed.last_id(), 6);
    // In the middle it takes nothing with it.
    let mut t = Bench::connected(SPOT);
    for id in [5, 6, 9_000_000, 7, 8] {
        t.diff(id, id);
    }
    assert_eq!(t.snapshot(5), SnapshotOutcome::Live);
    assert_eq!(t.feed.last_id(), 8);
}

/// Failure mode 4: an exchange that counts anew is believed, and nothing of its old count is.
#[test]
fn numbers_that_begin_again_while_a_snapshot_is_awaited_are_the_ones_that_count() {
    for rule in [SPOT, FUTURES, RISING] {
        let mut t = Bench::connected(rule);
        t.linked(1_000, 1_001, 999);
        t.linked(1_002, 1_003, 1_001);
        t.linked(1, 2, 0);
        t.linked(3, 4, 2);
        assert_eq!(t.snapshot(2), SnapshotOutcome::Live, "{rule:?}");
        assert_eq!(t.feed.last_id(), 4);
    }
}

#[test]
fn what_waits_for_a_minute_and_joins_no_snapshot_is_forgotten() {
    let mut t = Bench::connected(SPOT);
    t.diff(9_000_000, 9_000_001);
    assert_eq!(t.snapshot(50), SnapshotOutcome::TooOld);
    t.wait(HELD_MAX);
    assert_eq!(t.snapshot(50), SnapshotOutcome::TooOld);
    t.wait(Span(1));
    assert_eq!(t.snapshot(50), SnapshotOutcome::TooOld);
    assert_eq!(t.snapshot(51), SnapshotOutcome::Live);
}

/// Failure mode 1: a snapshot that is older than what waits is refused, and asked for again ever
/// later.
#[test]
fn where_nothing_shows_a_loss_a_snapshot_must_be_as_new_as_the_first_diff_held() {
    let mut t = Bench::connected(RISING);
    t.linked(0, 100, 0);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    for seconds in [1, 2, 4] {
        assert_eq!(t.load(&deep(99)), SnapshotOutcome::TooOld);
        assert_eq!(t.feed.dark(), Some(Dark::TooOld));
        assert_eq!(t.seconds_to_want(), seconds);
        t.linked(0, 101 + seconds, 0);
    }
    assert_eq!(t.load(&deep(100)), SnapshotOutcome::Live);
    assert_eq!(t.feed.last_id(), 105);
    // What the full buffer dropped must be in it, too.
    let mut t = Bench::connected(RISING);
    for id in 1..=2_050 {
        t.linked(0, id, 0);
    }
    assert_eq!(t.load(&deep(1)), SnapshotOutcome::TooOld);
    assert_eq!(t.load(&deep(2)), SnapshotOutcome::Live);
}

#[test]
fn where_nothing_shows_a_loss_a_refresh_must_be_as_new_as_the_diffs_that_were_kept_for_it() {
    let mut t = Bench::connected(RISING);
    t.linked(0, 10, 0);
    t.load(&small(10));
    t.linked(0, 11, 0);
    t.wait(REFRESH_EVERY);
    assert_eq!(t.wants(), [Want::Snapshot { repeat: true }]);
    t.linked(0, 12, 0);
    // What came between the ninth and the eleventh is in nobody's hands.
    assert_eq!(t.load(&deep(9)), SnapshotOutcome::TooOld);
    assert_eq!(t.load(&deep(11)), SnapshotOutcome::Refreshed);
    assert_eq!((t.status(), t.feed.last_id()), (Status::Live, 12));
}

#[test]
fn where_nothing_shows_a_loss_the_first_message_judges_a_snapshot_that_came_before_any() {
    for (first, live) in [(9, true), (10, true), (11, false)] {
        let mut t = Bench::connected(RISING);
        t.wait(FIRST_DIFF);
        assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
        assert_eq!(t.load(&deep(10)), SnapshotOutcome::Live);
        t.linked(0, first, 0);
        assert_eq!(t.status() == Status::Live, live, "{first}");
        if !live {
            assert_eq!(t.seconds_to_want(), 1);
            assert_eq!(t.load(&deep(11)), SnapshotOutcome::Live);
        }
    }
}

#[test]
fn a_lost_message_makes_snapshots_useless_that_were_asked_for_before_it() {
    let mut t = Bench::live(RISING, 10);
    t.wait(Span::from_secs(2));
    t.linked(0, 11, 0);
    t.feed.handle_lost(t.now);
    assert_eq!((t.status(), t.feed.last_id()), (Status::Resyncing, 0));
    t.linked(0, 13, 0);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    t.wait(Span::from_millis(100));
    t.feed.handle_lost(t.now);
    t.linked(0, 15, 0);
    assert_eq!(t.load(&deep(15)), SnapshotOutcome::TooOld);
    assert_eq!(t.seconds_to_want(), 2);
    assert_eq!(t.load(&deep(15)), SnapshotOutcome::Live);
}

#[test]
fn a_snapshot_that_was_asked_for_before_the_exchange_counts_anew_is_of_no_use() {
    let mut t = Bench::connected(SPOT);
    t.diff(5_001, 5_001);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    t.wait(Span::from_millis(100));
    t.diff(11, 11);
    // By its id alone it would be ahead of the stream.
    assert_eq!(t.snapshot(5_001), SnapshotOutcome::TooOld);
    assert_eq!(t.seconds_to_want(), 1);
    assert_eq!(t.snapshot(11), SnapshotOutcome::Live);
}

#[test]
fn ids_that_go_back_drop_also_what_is_held_behind_a_hole() {
    let mut t = Bench::connected(SPOT);
    t.diff(5_001, 5_001);
    t.diff(5_003, 5_003);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: false }));
    assert_eq!(t.snapshot(5_001), SnapshotOutcome::Gap);
    t.diff(11, 11);
    t.seconds_to_want();
    assert_eq!(t.snapshot(11), SnapshotOutcome::Live);
}

#[test]
fn a_book_that_is_lost_again_and_again_is_asked_for_ever_later_until_it_was_healthy() {
    let mut t = Bench::live(SPOT, 10);
    let mut id = 10;
    for seconds in [0, 1, 2, 4, 8, 16, 30, 30] {
        // Crossed for a second, in every book that comes.
        id += 1;
        t.diff_with(id, id, &[level(150, 1)], &[]);
        t.wait(CROSSED_MAX);
        assert_eq!(t.status(), Status::Resyncing);
        id += 1;
        t.diff(id, id);
        // Every one but the first gives way to books that were healthy.
        assert_eq!(t.next_want(), (seconds, seconds > 0));
        assert_eq!(t.load(&deep(id)), SnapshotOutcome::Live);
    }
    // It outlives the connection, and ends with a healthy time.
    for _ in 0..HEALTHY.as_millis() / 1_000 {
        t.wait(Span::from_secs(1));
        id += 1;
        t.diff(id, id);
    }
    t.diff(id + 2, id + 2);
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.next_want(), (0, false));
}

#[test]
fn garbage_ten_times_a_second_asks_for_no_more_snapshots_than_any_other_lasting_loss() {
    let mut t = Bench::live(RISING, 10);
    let (mut asked, mut live_ns) = (0, 0);
    for n in 0..1_200 {
        t.feed.handle_lost(t.now);
        assert_ne!(t.status(), Status::Live, "what was lost is missing");
        t.linked(0, 11 + n, 0);
        for _ in t.wants() {
            asked += 1;
            t.load(&deep(11 + n));
        }
        live_ns += u64::from(t.status() == Status::Live) * 100_000_000;
        t.wait(Span::from_millis(100));
    }
    assert!((4..=9).contains(&asked), "{asked} in two minutes");
    assert!(live_ns < 1_000_000_000, "{live_ns}");
}

#[test]
fn a_crossed_snapshot_takes_the_place_of_no_book_when_the_stream_reaches_the_one_before_it() {
    let mut t = Bench::thin(10);
    assert_eq!(t.want(), Some(Want::Snapshot { repeat: true }));
    assert_eq!(t.load(&deep(13)), SnapshotOutcome::Held);
    t.diff(12, 12);
    assert_eq!(t.seconds_to_want(), 5);
    let crossed = Snapshot {
        bids: vec![level(150, 1)],
        ..deep(12)
    };
    assert_eq!(t.load(&crossed), SnapshotOutcome::Unbelieved);
    t.diff(13, 13);
    let book = t.feed.live().expect("live");
    assert_eq!(book.best_bid(), Some(level(100, 1)));
}
