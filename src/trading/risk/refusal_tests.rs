//! What a refusal says beside its gate.

use super::tests::{Gate, buy, risk, sell};
use super::*;
use crate::base::Qty;
use crate::market::fresh::BOOK_AGE_MAX;

const BOOK_AT: u64 = 1_000;

#[test]
fn a_gate_that_compares_numbers_says_the_limit_and_what_was_found() {
    let compared = |risk: &mut Gate, now: u64, intent: Place| {
        let refused = risk.admit(Nanos(now), intent).unwrap_err();
        let Compared { unit, limit, found } = refused.compared.unwrap();
        (refused.gate, unit, limit, found)
    };
    let mut risk = risk();
    // 1.005 % above the ask of 10,000 is 100.5 basis points: rounded up, if 100 are allowed.
    let far = Place {
        px: Px(10_101),
        ..buy()
    };
    let collar = (Refusal::PriceCollar, Unit::Bps, 100, 101);
    assert_eq!(compared(&mut risk, BOOK_AT, far), collar);
    let low = Place {
        px: Px(9_800),
        ..sell()
    };
    let collar = (Refusal::PriceCollar, Unit::Bps, 100, 102);
    assert_eq!(compared(&mut risk, BOOK_AT, low), collar);
    let large = Place {
        qty: Qty(1_001),
        ..buy()
    };
    let qty_max = (Refusal::QuantityMax, Unit::Quantity(5), 1_000, 1_001);
    assert_eq!(compared(&mut risk, BOOK_AT, large), qty_max);
    let late = BOOK_AT + BOOK_AGE_MAX.0 + 7;
    let stale = (
        Refusal::BookStale,
        Unit::Ns,
        BOOK_AGE_MAX.0.into(),
        u128::from(BOOK_AGE_MAX.0) + 7,
    );
    assert_eq!(compared(&mut risk, late, buy()), stale);
    for _ in 0..3 {
        let _open = risk.admit(Nanos(BOOK_AT), buy()).unwrap();
    }
    let rate = (Refusal::OrderRate, Unit::Orders, 3, 4);
    assert_eq!(compared(&mut risk, BOOK_AT, buy()), rate);
    assert_eq!(
        risk.refusals().shown(Refusal::PriceCollar).unwrap().1.found,
        102
    );
}

#[test]
fn an_order_goes_only_to_the_exchange_of_its_own_instrument() {
    let mut risk = risk();
    risk.trade_at(1, &[None]);
    risk.set_ready(0, true);
    let refused = risk.admit(Nanos(BOOK_AT), buy()).unwrap_err();
    assert_eq!(refused.gate, Refusal::NoAccount);
    risk.trade_at(2, &[Some(1)]);
    risk.set_ready(0, true);
    let refused = risk.admit(Nanos(BOOK_AT), buy()).unwrap_err();
    assert_eq!(refused.gate, Refusal::GatewayDown, "its own is not ready");
    risk.set_ready(1, true);
    assert!(risk.admit(Nanos(BOOK_AT), buy()).is_ok());
}
