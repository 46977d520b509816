//! Instruments that are halted, or listed with other numbers, while a run goes on.

use super::tests::{self, TAKEN, book, buy, event, instrument, refused};
use super::{Instrument, Place, Refusal};
use crate::base::{Body, Qty};

const BOOK_AT: u64 = 1_000;

/// Failure mode 13: a halted instrument and an empty side are not traded, and divide nothing.
#[test]
fn an_instrument_that_the_exchange_halts_is_refused_until_it_resumes() {
    let mut risk = tests::risk();
    risk.handle_event(TAKEN, &event(0, Body::Trading(false)));
    assert_eq!(
        refused(&mut risk, BOOK_AT, buy()),
        Some(Refusal::NotTrading)
    );
    risk.handle_event(TAKEN, &event(0, Body::Trading(true)));
    assert_eq!(refused(&mut risk, BOOK_AT, buy()), None);
}

#[test]
fn an_instrument_that_is_listed_anew_has_its_limits_at_its_new_scales_and_no_book() {
    let mut risk = tests::risk();
    let finer = Instrument {
        qty_scale: 6,
        ..instrument(0)
    };
    risk.handle_event(TAKEN, &event(0, Body::Instrument(finer)));
    let order = |qty| Place {
        qty: Qty(qty),
        ..buy()
    };
    assert_eq!(
        refused(&mut risk, BOOK_AT, order(5_000)),
        Some(Refusal::BookNotLive)
    );
    risk.handle_event(TAKEN, &book(1));
    // The limit of 0.01 is 10,000 units now; the instrument's own is 5,000.
    assert_eq!(refused(&mut risk, BOOK_AT, order(5_000)), None);
}

#[test]
fn an_exit_that_writes_at_the_scales_of_the_beginning_is_given_no_order_at_others() {
    let mut risk = tests::risk();
    risk.keep_scales();
    let finer = Instrument {
        qty_scale: 6,
        ..instrument(0)
    };
    risk.handle_event(TAKEN, &event(0, Body::Instrument(finer)));
    risk.handle_event(TAKEN, &book(1));
    assert_eq!(
        refused(&mut risk, BOOK_AT, buy()),
        Some(Refusal::NotTrading)
    );
    risk.handle_event(TAKEN, &event(0, Body::Instrument(instrument(0))));
    risk.handle_event(TAKEN, &book(1));
    assert_eq!(refused(&mut risk, BOOK_AT, buy()), None);
}
