//! Books that were late when they came, and books that nobody has changed for long: a machine that
//! was stopped must not order on what it had before (T14).

use super::tests::{BOOK_AT, TAKEN, book, buy, refused, risk};
use super::{Nanos, Refusal, Span};
use crate::base::event::LATE_MAX;
use crate::market::fresh::BOOK_AGE_MAX;

/// T14: a backlog is as old as its bytes, however quickly it is read.
#[test]
fn a_book_that_was_old_when_it_came_is_late_until_one_comes_in_time() {
    let (on_time, late) = (
        Nanos(BOOK_AT) + LATE_MAX,
        Nanos(BOOK_AT) + LATE_MAX + Span(1),
    );
    let mut risk = risk();
    risk.handle_event(late, &book(1));
    assert_eq!(refused(&mut risk, late.0, buy()), Some(Refusal::BookLate));
    assert_eq!(
        refused(&mut risk, late.0 + 1, buy()),
        Some(Refusal::BookLate)
    );
    risk.handle_event(on_time, &book(1));
    assert_eq!(refused(&mut risk, late.0, buy()), None);
}

#[test]
fn how_long_ago_a_book_was_processed_says_nothing_of_its_age() {
    let mut risk = risk();
    let now = BOOK_AT + BOOK_AGE_MAX.0 + 1;
    let mut old = book(1);
    old.stamps.book = Nanos(now);
    risk.handle_event(TAKEN, &old);
    assert_eq!(refused(&mut risk, now, buy()), Some(Refusal::BookStale));
}
