//! Rules of books that come in the stream, and of windows and checksums, as sentences.

use super::checksum;
use super::dark::Dark;
use super::lines::HEAL_MAX;
use super::resubscribe::NO_BOOK;
use super::rhythm::SILENCE_MIN;
use super::sync::{BookBuilder, CROSSED_MAX, DiffOutcome, Want};
use super::sync_tests::{diff, level};
use super::{Book, Update};
use crate::base::feed::{Chain, Checksum, SeqRule, SnapshotFrom, Splice};
use crate::base::{Diff, Level, Nanos, Side, Span, Status};

pub(super) const LINKED: SeqRule = SeqRule {
    chain: Chain::Previous,
    ..SeqRule::STREAM
};
pub(super) const RISING: SeqRule = SeqRule {
    chain: Chain::Rising,
    splice: Splice::Newer,
    ..SeqRule::STREAM
};
const COUNTED: SeqRule = SeqRule {
    chain: Chain::Counted,
    window: Some(10),
    truncates: true,
    checksum: Some(Checksum::Digits10),
    ..SeqRule::STREAM
};
const TOP: SeqRule = SeqRule {
    window: Some(20),
    ..SeqRule::STREAM
};
/// Ids are times: only the checksum tells what is missing.
pub(super) const TIMED: SeqRule = SeqRule {
    chain: Chain::Previous,
    checksum: Some(Checksum::Decimals25),
    ..SeqRule::STREAM
};

#[test]
fn a_book_of_the_stream_is_live_at_once_and_what_came_before_it_is_dropped() {
    let mut t = Bench::connected(SeqRule::STREAM);
    assert_eq!(t.change(0, 5, 90), DiffOutcome::Ignored);
    assert_eq!(t.builder.counters().unsynced, 1);
    assert_eq!(t.book(0, 7), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.change(0, 7, 90), DiffOutcome::Duplicate);
    assert_eq!(t.change(0, 8, 90), DiffOutcome::Applied);
    assert_eq!(t.applied, [(7, true), (8, false)]);
    assert!(t.live().whole(Side::Buy), "the stream tells of all");
    assert_eq!(t.wants(), []);
}

/// Failure mode 5: a whole book that nobody asked for takes the place of the old one in one step.
#[test]
fn a_later_book_replaces_a_live_one_in_one_step_and_an_older_one_does_not() {
    for rule in [SeqRule::STREAM, LINKED, RISING] {
        let mut t = Bench::connected(rule);
        t.book(0, 10);
        let bids = [level(80, 1)];
        assert_eq!(t.book_of(0, 20, &bids, &[]), DiffOutcome::Applied);
        assert!(t.live().levels(Side::Buy).eq(bids));
        assert_eq!(t.live().depth(Side::Sell), 0);
        assert_eq!(t.applied, [(10, true), (20, false)]);
        assert_eq!(t.book(0, 19), DiffOutcome::Duplicate);
        assert_eq!(t.builder.last_id(), 20);
    }
}

/// Failure mode 4: an exchange that counts anew is believed, and nothing of its old count is.
#[test]
fn a_service_that_counts_from_one_again_is_believed() {
    let mut t = Bench::connected(SeqRule::STREAM);
    t.book(0, 1_000);
    assert_eq!(t.book(0, 1), DiffOutcome::Applied);
    assert_eq!(t.change(0, 2, 90), DiffOutcome::Applied);
    assert_eq!(t.builder.last_id(), 2);
}

#[test]
fn a_gap_in_the_stream_asks_for_its_book_again_ever_later() {
    let mut t = Bench::connected(SeqRule::STREAM);
    t.book(0, 10);
    assert_eq!(t.change(0, 12, 90), DiffOutcome::Gap);
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    for seconds in [5, 10, 20, 40, 60, 60] {
        assert_eq!(t.change(0, 13, 90), DiffOutcome::Ignored);
        t.wait(Span::from_secs(seconds) - Span(1));
        assert_eq!(t.wants(), []);
        t.wait(Span(1));
        assert_eq!(t.wants(), [Want::Resubscribe]);
    }
    assert_eq!(t.book(0, 5), DiffOutcome::Applied, "any book will do");
    assert_eq!(t.status(), Status::Live);
    // A gap soon after is not asked for at once, one much later is.
    t.change(0, 9, 90);
    assert_eq!(t.wants(), []);
    t.wait(Span::from_secs(60));
    assert_eq!(t.wants(), [Want::Resubscribe]);
    t.book(0, 5);
    assert_eq!(t.builder.counters().gaps, 2);
}

#[test]
fn a_stream_that_begins_with_no_book_is_subscribed_to_again() {
    let mut t = Bench::connected(LINKED);
    t.wait(NO_BOOK - Span(1));
    assert_eq!(t.wants(), []);
    t.wait(Span(1));
    assert_eq!(t.wants(), [Want::Resubscribe]);
    t.builder.handle_disconnected(t.now, 0);
    assert_eq!(t.builder.poll_timeout(), Nanos::NEVER);
}

#[test]
fn linked_messages_follow_by_their_predecessor_whatever_their_own_id() {
    let mut t = Bench::connected(LINKED);
    t.book(0, 10);
    assert_eq!(t.linked(0, 15, 10), DiffOutcome::Applied);
    assert_eq!(t.linked(0, 15, 10), DiffOutcome::Duplicate);
    // Nothing happened; and the exchange counts again from a smaller id.
    assert_eq!(t.linked(0, 15, 15), DiffOutcome::Applied);
    assert_eq!(t.linked(0, 3, 15), DiffOutcome::Applied);
    assert_eq!(t.linked(0, 4, 3), DiffOutcome::Applied);
    assert_eq!(t.linked(0, 9, 8), DiffOutcome::Gap);
}

#[test]
fn rising_ids_may_repeat_but_not_fall() {
    let mut t = Bench::connected(RISING);
    t.book(0, 10);
    assert_eq!(t.change(0, 10, 90), DiffOutcome::Applied);
    assert_eq!(t.change(0, 12, 90), DiffOutcome::Applied);
    assert_eq!(t.change(0, 12, 91), DiffOutcome::Applied);
    assert_eq!(t.change(0, 11, 92), DiffOutcome::Duplicate);
}

#[test]
fn rising_diffs_join_a_fetched_book_where_they_are_newer() {
    let rule = SeqRule {
        snapshot: SnapshotFrom::Rest,
        ..RISING
    };
    let mut t = Bench::connected(rule);
    for id in [5, 7, 9] {
        assert_eq!(t.change(0, id, 90), DiffOutcome::Buffered);
    }
    let snapshot = super::sync_tests::deep(7);
    let applied = &mut t.applied;
    let mut note = |_: &Book<256>, id, fresh| applied.push((id, fresh));
    t.builder.handle_snapshot(t.now, &snapshot, &mut note);
    assert_eq!(t.applied, [(7, true), (9, false)]);
}

#[test]
fn counted_books_number_their_updates_from_zero_over_all_connections() {
    let mut t = Bench::connected(COUNTED);
    assert_eq!(t.book(0, 0), DiffOutcome::Applied);
    assert_eq!(t.change(0, 0, 90), DiffOutcome::Applied);
    assert_eq!(t.change(0, 0, 91), DiffOutcome::Applied);
    assert_eq!(t.book(0, 0), DiffOutcome::Applied);
    t.builder.handle_disconnected(t.now, 0);
    t.builder.handle_connected(t.now, 0, 2);
    assert_eq!(t.book(0, 0), DiffOutcome::Applied);
    let ids: Vec<u64> = t.applied.iter().map(|&(id, _)| id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4]);
    assert_eq!(t.applied[3], (3, false));
    assert_eq!(t.applied[4], (4, true));
}

#[test]
#[should_panic(expected = "lines that cannot be merged")]
fn counted_books_have_one_line() {
    let mut t = Bench::connected(COUNTED);
    t.builder.handle_connected(t.now, 1, 1);
}

/// Failure mode 10: a checksum that does not agree costs the book, and is counted.
#[test]
fn a_checksum_is_verified_on_the_book_after_the_cut_and_a_bad_one_costs_it() {
    let mut t = Bench::connected(COUNTED);
    let bids: Vec<Level> = (0..12).map(|n| level(100 - n, 1)).collect();
    let asks = [level(101, 1)];
    let mut twin = Book::<256>::windowed(Some(10), true);
    twin.load(&bids, false, &asks, true);
    twin.end_message();
    let right = checksum::of(Checksum::Digits10, &twin, (0, 0));
    assert_eq!(t.checked(0, &bids, &asks, right), DiffOutcome::Applied);
    assert_eq!(t.live().depth(Side::Buy), 10);
    let wrong = right.map(|sum| sum ^ 1);
    assert_eq!(
        t.changed(0, &[level(99, 2)], &[], wrong),
        DiffOutcome::Mismatch
    );
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    let counters = t.builder.counters();
    assert_eq!((counters.checksum_ok, counters.checksum_bad), (1, 1));
    assert_eq!(t.applied.len(), 1, "a wrong book is not handed on");
}

#[test]
fn a_thin_book_of_a_stream_is_had_anew_once_a_minute_and_is_not_shown_meanwhile() {
    let mut t = Bench::connected(SeqRule::STREAM);
    let many: Vec<Level> = (0..300).map(|n| level(1_000 - n, 1)).collect();
    let asks = [level(2_000, 1)];
    assert_eq!(t.book_of(0, 10, &many, &asks), DiffOutcome::Applied);
    assert_eq!(t.live().depth(Side::Buy), 256);
    for n in 0..170 {
        assert_eq!(
            t.change_of(0, 11 + n, &[level(1_000 - n as i64, 0)]),
            DiffOutcome::Applied
        );
    }
    assert_eq!(t.wants(), []);
    for n in 170..174 {
        t.change_of(0, 11 + n, &[level(1_000 - n as i64, 0)]);
    }
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    assert_eq!(t.book_of(0, 400, &many[..50], &asks), DiffOutcome::Applied);
    assert!(t.live().whole(Side::Buy));
    assert_eq!(t.wants(), []);
}

#[test]
fn a_silent_stream_is_asked_for_its_book_and_that_makes_it_live() {
    let mut t = Bench::connected(LINKED);
    t.book(0, 10);
    t.wait(SILENCE_MIN);
    assert_eq!(t.status(), Status::Stale);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    assert_eq!(t.book(0, 10), DiffOutcome::Applied);
    assert_eq!(t.status(), Status::Live);
    // It is known to be quiet now.
    t.wait(Span::from_secs(50));
    assert_eq!((t.status(), t.wants()), (Status::Live, vec![]));
}

#[test]
fn a_crossed_book_of_a_stream_is_had_anew() {
    let mut t = Bench::connected(SeqRule::STREAM);
    t.book(0, 10);
    t.change(0, 11, 105);
    t.wait(CROSSED_MAX);
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.wants(), [Want::Resubscribe]);
}

#[test]
fn what_its_owner_saw_lost_costs_the_book_and_the_next_one_is_waited_for() {
    let mut t = Bench::connected(RISING);
    t.book(0, 10);
    t.builder.handle_line_replaced(t.now);
    assert_eq!((t.status(), t.wants()), (Status::Resyncing, vec![]));
    t.wait(NO_BOOK);
    assert_eq!(t.wants(), [Want::Resubscribe]);
}

#[test]
fn a_lost_message_of_a_stream_is_asked_for_at_once_and_garbage_ever_later() {
    let mut t = Bench::connected(SeqRule {
        chain: Chain::Counted,
        ..SeqRule::STREAM
    });
    t.book(0, 0);
    t.builder.handle_lost(t.now);
    assert_eq!(
        (t.status(), t.wants()),
        (Status::Resyncing, vec![Want::Resubscribe])
    );
    let mut asked = 0;
    for _ in 0..600 {
        t.wait(Span::from_millis(100));
        t.builder.handle_lost(t.now);
        asked += t.wants().len();
    }
    assert_eq!(asked, 3, "after 5, 10 and 20 seconds");
    assert_eq!(t.book(0, 0), DiffOutcome::Applied);
}

#[test]
fn a_crossed_or_locked_book_of_the_stream_is_never_believed() {
    for (bid, ask) in [(100, 100), (101, 100)] {
        for live in [false, true] {
            let mut t = Bench::connected(RISING);
            if live {
                t.book(0, 10);
            }
            let book = ([level(bid, 1)], [level(ask, 1)]);
            assert_eq!(t.book_of(0, 11, &book.0, &book.1), DiffOutcome::Mismatch);
            assert_eq!(
                (t.status(), t.wants()),
                (Status::Resyncing, vec![Want::Resubscribe])
            );
            assert_eq!(t.builder.dark(), Some(Dark::Unbelieved));
            assert_eq!(t.book(0, 12), DiffOutcome::Applied);
            assert_eq!(t.builder.dark(), None);
        }
    }
}

#[test]
fn an_empty_side_of_a_book_in_the_stream_is_believed_when_a_second_one_says_so() {
    for rule in [SeqRule::STREAM, TOP] {
        let mut t = Bench::connected(rule);
        let bids = [level(100, 1)];
        assert_eq!(t.book_of(0, 10, &bids, &[]), DiffOutcome::Applied);
        assert!(!t.live().whole(Side::Sell) && t.live().whole(Side::Buy));
        // What a change adds to it is not the best ask of anybody, and the book goes on meanwhile.
        assert_eq!(t.wants(), [Want::Resubscribe]);
        t.change_of(0, 11, &[level(99, 1)]);
        assert!(!t.live().top::<10>().complete(1));
        assert_eq!(t.book_of(0, 12, &bids, &[]), DiffOutcome::Applied);
        assert!(t.live().whole(Side::Sell));
        // Another connection begins with the same: that is the second word.
        t.builder.handle_disconnected(t.now, 0);
        t.builder.handle_connected(t.now, 0, 2);
        t.book_of(0, 13, &bids, &[]);
        assert!(t.live().whole(Side::Sell));
        assert_eq!(t.wants(), []);
    }
}

#[test]
fn a_second_line_joins_the_epoch_and_the_book_lives_until_the_last_one_goes() {
    let mut t = Bench::connected(SeqRule::STREAM);
    t.book(0, 10);
    t.builder.handle_connected(t.now, 1, 7);
    assert_eq!((t.status(), t.builder.epoch()), (Status::Live, 1));
    assert_eq!(t.book(1, 9), DiffOutcome::Duplicate);
    assert_eq!(t.book(1, 12), DiffOutcome::Applied);
    assert_eq!(t.change(0, 11, 90), DiffOutcome::Duplicate);
    assert_eq!(t.change(0, 13, 90), DiffOutcome::Applied);
    t.builder.handle_disconnected(t.now, 0);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.change(1, 13, 90), DiffOutcome::Duplicate);
    t.builder.handle_disconnected(t.now, 1);
    assert_eq!(t.status(), Status::Connecting);
    t.builder.handle_connected(t.now, 1, 1);
    assert_eq!(t.builder.epoch(), 2, "epochs rise");
}

#[test]
fn the_first_arrival_wins_and_its_lead_is_told_once() {
    let mut t = Bench::lines(SeqRule::STREAM, 3, 10);
    t.change(1, 11, 90);
    assert_eq!(t.builder.poll_lead(), None);
    t.wait(Span(2_000));
    assert_eq!(t.change(0, 11, 90), DiffOutcome::Duplicate);
    assert_eq!(t.builder.poll_lead(), Some((1, 2_000)));
    t.wait(Span(2_000));
    assert_eq!(t.change(2, 11, 90), DiffOutcome::Duplicate);
    assert_eq!(t.builder.poll_lead(), None);
}

#[test]
fn a_hole_of_one_line_is_filled_by_another_in_any_order() {
    let mut t = Bench::lines(SeqRule::STREAM, 2, 10);
    assert_eq!(t.change(0, 12, 82), DiffOutcome::Held);
    assert_eq!(t.change(0, 14, 84), DiffOutcome::Held);
    assert_eq!(t.change(1, 13, 83), DiffOutcome::Held);
    assert_eq!(t.status(), Status::Live);
    assert_eq!(t.applied, [(10, true)]);
    t.wait(HEAL_MAX - Span(1));
    assert_eq!(t.change(1, 11, 81), DiffOutcome::Applied);
    assert_eq!(
        t.applied[1..],
        [(11, false), (12, false), (13, false), (14, false)]
    );
    t.wait(HEAL_MAX);
    assert_eq!((t.status(), t.wants()), (Status::Live, vec![]));
    let counters = t.builder.counters();
    assert_eq!((counters.healed, counters.gaps), (1, 0));
    assert_eq!(t.change(1, 12, 82), DiffOutcome::Duplicate);
}

#[test]
fn a_hole_that_no_line_fills_in_time_costs_the_book() {
    let mut t = Bench::lines(LINKED, 2, 10);
    assert_eq!(t.linked(0, 12, 11), DiffOutcome::Held);
    t.wait(HEAL_MAX - Span(1));
    assert_eq!(t.linked(1, 12, 11), DiffOutcome::Held);
    assert_eq!(t.status(), Status::Live);
    t.wait(Span(1));
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.wants(), [Want::Resubscribe]);
    assert_eq!(t.builder.counters().gaps, 1);
}

#[test]
fn a_repeat_on_another_line_is_no_news_also_where_ids_do_not_rise() {
    let mut t = Bench::lines(LINKED, 2, 10);
    t.linked(0, 11, 10);
    t.linked(0, 11, 11);
    t.linked(0, 3, 11);
    t.linked(0, 4, 3);
    for (id, prev) in [(11, 10), (11, 11), (3, 11), (4, 3)] {
        assert_eq!(t.linked(1, id, prev), DiffOutcome::Duplicate, "{id}");
    }
    assert_eq!(t.linked(1, 5, 4), DiffOutcome::Applied);
}

#[test]
fn where_only_checksums_tell_what_is_missing_a_message_that_does_not_fit_is_undone_and_held() {
    let mut t = Bench::lines(TIMED, 2, 10);
    let bids = [level(100, 2), level(100, 3), level(99, 9)];
    let sums: Vec<Option<u32>> = {
        let mut twin = Book::<256>::new();
        twin.load(
            &[level(100, 1), level(99, 1)],
            true,
            &[level(101, 1), level(102, 1)],
            true,
        );
        let mut sum = |bid| {
            twin.set(Side::Buy, bid);
            checksum::of(Checksum::Decimals25, &twin, (0, 0))
        };
        bids.iter().map(|&bid| sum(bid)).collect()
    };
    let step = |t: &mut Bench, line, n: usize| {
        let head = Diff {
            checksum: sums[n],
            ..diff(11 + n as u64, 11 + n as u64, None)
        };
        t.take(line, false, &head, &bids[n..=n], &[])
    };
    assert_eq!(step(&mut t, 0, 2), DiffOutcome::Held);
    assert_eq!(t.live().best_bid(), Some(level(100, 1)));
    assert_eq!(
        step(&mut t, 0, 1),
        DiffOutcome::Applied,
        "it names the same price"
    );
    assert_eq!(t.live().levels(Side::Buy).last(), Some(level(99, 9)));
    assert_eq!(t.builder.last_id(), 13);
    assert_eq!(step(&mut t, 1, 0), DiffOutcome::Duplicate);
    assert_eq!(t.builder.counters().checksum_bad, 0);
    // What no line explains costs the book.
    let head = Diff {
        checksum: Some(1),
        ..diff(20, 20, None)
    };
    assert_eq!(
        t.take(1, false, &head, &[level(98, 1)], &[]),
        DiffOutcome::Held
    );
    t.wait(HEAL_MAX);
    assert_eq!(t.status(), Status::Resyncing);
    assert_eq!(t.builder.counters().checksum_bad, 1);
}

/// A builder of up to four lines, the time, and what was applied.
pub(super) struct Bench {
    pub(crate) builder: BookBuilder<256>,
    pub(crate) now: Nanos,
    pub(crate) applied: Vec<(u64, bool)>,
}

impl Bench {
    pub(crate) fn connected(rule: SeqRule) -> Self {
        let mut builder = BookBuilder::new(rule, (0, 0), 20);
        let now = Nanos::from_secs(100);
        builder.handle_connected(now, 0, 1);
        Self {
            builder,
            now,
            applied: Vec::new(),
        }
    }

    /// Live at `id` on this many lines.
    pub(crate) fn lines(rule: SeqRule, lines: u8, id: u64) -> Self {
        let mut t = Self::connected(rule);
        for line in 1..lines {
            t.builder.handle_connected(t.now, line, 1);
        }
        t.book(0, id);
        t
    }

    pub(crate) fn take(
        &mut self,
        line: u8,
        whole: bool,
        head: &Diff,
        bids: &[Level],
        asks: &[Level],
    ) -> DiffOutcome {
        let applied = &mut self.applied;
        let mut note = |_: &_, id, fresh| applied.push((id, fresh));
        let update = Update {
            now: self.now,
            line,
            diff: head,
            bids,
            asks,
        };
        match whole {
            true => self.builder.handle_book(&update, &mut note),
            false => self.builder.handle_diff(&update, &mut note),
        }
    }

    pub(super) fn book(&mut self, line: u8, id: u64) -> DiffOutcome {
        let (bids, asks) = (
            [level(100, 1), level(99, 1)],
            [level(101, 1), level(102, 1)],
        );
        self.book_of(line, id, &bids, &asks)
    }

    fn book_of(&mut self, line: u8, id: u64, bids: &[Level], asks: &[Level]) -> DiffOutcome {
        self.take(line, true, &diff(id, id, None), bids, asks)
    }

    pub(super) fn change(&mut self, line: u8, id: u64, px: i64) -> DiffOutcome {
        self.change_of(line, id, &[level(px, id + 1)])
    }

    fn change_of(&mut self, line: u8, id: u64, bids: &[Level]) -> DiffOutcome {
        self.take(line, false, &diff(id, id, None), bids, &[])
    }

    fn linked(&mut self, line: u8, id: u64, prev: u64) -> DiffOutcome {
        let head = diff(id.max(1), id, Some(prev));
        self.take(line, false, &head, &[level(90, id)], &[])
    }

    fn checked(
        &mut self,
        line: u8,
        bids: &[Level],
        asks: &[Level],
        checksum: Option<u32>,
    ) -> DiffOutcome {
        let head = Diff {
            checksum,
            ..diff(0, 0, None)
        };
        self.take(line, true, &head, bids, asks)
    }

    fn changed(
        &mut self,
        line: u8,
        bids: &[Level],
        asks: &[Level],
        checksum: Option<u32>,
    ) -> DiffOutcome {
        let head = Diff {
            checksum,
            ..diff(0, 0, None)
        };
        self.take(line, false, &head, bids, asks)
    }

    pub(super) fn wait(&mut self, span: Span) {
        self.now = self.now + span;
        self.builder.handle_timeout(self.now);
    }

    pub(super) fn wants(&mut self) -> Vec<Want> {
        std::iter::from_fn(|| self.builder.poll_output()).collect()
    }

    pub(super) fn status(&self) -> Status {
        self.builder.status()
    }

    fn live(&self) -> &Book<256> {
        self.builder.live().expect("live")
    }
}
