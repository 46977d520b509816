pub(crate) use super::bench::Gate;
use super::*;
use crate::base::event::EVENT_LEVELS;
use crate::base::{
    End, Flags, InstrumentId, Level, OrderType, Qty, Said, Side, Span, Stamps, Status, StrategyId,
    Symbol, Top, UnixNanos, Why,
};
use crate::market::fresh::BOOK_AGE_MAX;
use crate::trading::limits::LimitError;
use proptest::{collection, prop_assert, prop_assert_eq, proptest};

pub(crate) const BOOK_AT: u64 = 1_000;
/// When the desk took the book in.
pub(crate) const TAKEN: Nanos = Nanos(BOOK_AT);
const FIRST_ID: u64 = 500;

pub(crate) fn instrument(id: u16) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        qty_min: Qty(20),
        qty_max: Qty(5_000),
        notional_min: 200_000,
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 5))
    }
}

pub(crate) fn params() -> RiskParams {
    RiskParams {
        qty_max: "0.01".into(),
        notional_max: "1".into(),
        collar_bps: 100,
        orders_per_s: 3,
        open_orders_max: 4,
        ..RiskParams::default()
    }
}

/// One level a side, `complete` of them.
pub(crate) fn top(bid: i64, ask: i64, complete: usize) -> Top<EVENT_LEVELS> {
    let level = |px| Level {
        px: Px(px),
        qty: Qty(7),
    };
    let mut top = Top::EMPTY;
    top.set(Side::Buy, [level(bid)].into_iter(), complete, false);
    top.set(Side::Sell, [level(ask)].into_iter(), complete, false);
    top
}

pub(crate) fn event(epoch: u32, body: Body) -> Event {
    Event {
        stamps: Stamps {
            book: TAKEN,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: TAKEN,
        update_id: 1,
        epoch,
        instrument: InstrumentId(0),
        flags: Flags::default(),
        body,
    }
}

/// A complete book of instrument 0: best bid 9,900, best ask 10,000.
pub(crate) fn book(epoch: u32) -> Event {
    event(epoch, Body::Book(top(9_900, 10_000, 1)))
}

pub(crate) fn status(epoch: u32, status: Status) -> Event {
    event(epoch, Body::Status(status))
}

fn risk_with(params: &RiskParams, instrument: &Instrument) -> Gate {
    let mut risk = Gate::new(params, &[*instrument], FIRST_ID);
    risk.set_ready(0, true);
    risk.handle_event(TAKEN, &book(1));
    risk
}

pub(crate) fn risk() -> Gate {
    risk_with(&params(), &instrument(0))
}

pub(crate) fn buy() -> Place {
    Place {
        strategy: StrategyId(0),
        instrument: InstrumentId(0),
        side: Side::Buy,
        px: Px(10_000),
        qty: Qty(100),
        order_type: OrderType::ImmediateOrCancel,
        tag: 0,
        why: Why {
            signal: "test",
            value: 1.0,
            threshold: 0.5,
            update_id: 1,
            epoch: 1,
            bid: Level::default(),
            ask: Level::default(),
        },
    }
}

pub(crate) fn sell() -> Place {
    Place {
        side: Side::Sell,
        px: Px(9_900),
        ..buy()
    }
}

/// Which gate refuses; the counters must tell the same.
pub(crate) fn refused(risk: &mut Gate, now: u64, intent: Place) -> Option<Refusal> {
    let (before, open) = (risk.refusals().clone(), risk.open_orders());
    let refusal = risk
        .admit(Nanos(now), intent)
        .err()
        .map(|refused| refused.gate);
    for gate in Refusal::ALL {
        let counted = risk.refusals().count(*gate) - before.count(*gate);
        assert_eq!(counted, u64::from(refusal == Some(*gate)));
    }
    assert_eq!(risk.open_orders(), open + usize::from(refusal.is_none()));
    refusal
}

/// Which gate of a fresh desk refuses.
fn fresh(intent: Place) -> Option<Refusal> {
    refused(&mut risk(), BOOK_AT, intent)
}

#[test]
fn what_passes_is_the_intent_under_an_id_of_ours() {
    let admitted = risk().admit(Nanos(BOOK_AT), buy()).unwrap();
    let Place { side, px, qty, .. } = buy();
    assert_eq!(
        *admitted.order(),
        NewOrder {
            client_id: ClientId(FIRST_ID),
            strategy: StrategyId(0),
            instrument: InstrumentId(0),
            side,
            px,
            qty,
            order_type: OrderType::ImmediateOrCancel,
        }
    );
    assert_eq!(fresh(sell()), None);
}

#[test]
fn quantities_pass_at_their_limits_and_not_beyond() {
    let qty = |qty| {
        fresh(Place {
            qty: Qty(qty),
            ..buy()
        })
    };
    assert_eq!(qty(0), Some(Refusal::QuantityZero));
    assert_eq!(qty(19), Some(Refusal::QuantityMin));
    assert_eq!(qty(20), None);
    assert_eq!(qty(1_000), None);
    assert_eq!(qty(1_001), Some(Refusal::QuantityMax));
    assert_eq!(qty(u64::MAX), Some(Refusal::QuantityMax));
}

#[test]
fn the_exchanges_largest_quantity_counts_where_it_is_the_smaller_one() {
    let instrument = Instrument {
        qty_max: Qty(600),
        ..instrument(0)
    };
    let mut risk = risk_with(&params(), &instrument);
    let qty = |qty| Place {
        qty: Qty(qty),
        ..buy()
    };
    assert_eq!(
        refused(&mut risk, BOOK_AT, qty(601)),
        Some(Refusal::QuantityMax)
    );
    assert_eq!(refused(&mut risk, BOOK_AT, qty(600)), None);
}

#[test]
fn odd_lots_and_odd_ticks_are_refused() {
    let instrument = Instrument {
        lot: Qty(10),
        tick: Px(50),
        ..instrument(0)
    };
    let with = |qty, px| {
        let intent = Place {
            qty: Qty(qty),
            px: Px(px),
            ..buy()
        };
        refused(&mut risk_with(&params(), &instrument), BOOK_AT, intent)
    };
    assert_eq!(with(100, 10_000), None);
    assert_eq!(with(101, 10_000), Some(Refusal::LotMultiple));
    assert_eq!(with(100, 10_001), Some(Refusal::TickMultiple));
    assert_eq!(with(100, 0), Some(Refusal::TickMultiple));
    assert_eq!(with(100, -50), Some(Refusal::TickMultiple));
    assert_eq!(with(100, i64::MIN), Some(Refusal::TickMultiple));
}

#[test]
fn notionals_pass_at_their_limits_and_not_beyond() {
    let with = |px, qty| {
        fresh(Place {
            px: Px(px),
            qty: Qty(qty),
            ..buy()
        })
    };
    assert_eq!(with(10_000, 20), None);
    assert_eq!(with(9_999, 20), Some(Refusal::NotionalMin));
    assert_eq!(with(10_000, 1_000), None);
    assert_eq!(with(10_001, 1_000), Some(Refusal::NotionalMax));
}

#[test]
fn the_largest_numbers_are_refused_without_a_panic() {
    let widest = RiskParams {
        qty_max: "92233720368547.75807".into(),
        notional_max: "9223372036854775807".into(),
        collar_bps: 10_000,
        ..params()
    };
    let instrument = Instrument {
        qty_max: Qty(u64::MAX),
        ..instrument(0)
    };
    let intent = Place {
        px: Px(i64::MAX),
        qty: Qty(i64::MAX as u64),
        ..buy()
    };
    let mut risk = risk_with(&widest, &instrument);
    assert_eq!(
        refused(&mut risk, BOOK_AT, intent),
        Some(Refusal::NotionalMax)
    );
    let dear = Place {
        qty: Qty(20),
        ..intent
    };
    assert_eq!(
        refused(&mut risk, BOOK_AT, dear),
        Some(Refusal::PriceCollar)
    );
    // A book at the end of the range: the collar around it lies beyond 64 bits, and is right there.
    risk.handle_event(TAKEN, &event(1, Body::Book(top(i64::MIN, i64::MAX, 1))));
    assert_eq!(refused(&mut risk, BOOK_AT, dear), None);
    assert_eq!(refused(&mut risk, BOOK_AT, sell()), None);
}

#[test]
fn when_the_ids_are_used_up_nothing_is_admitted() {
    let mut risk = risk();
    risk.next_client_id = u64::MAX - 1;
    let last = risk.admit(Nanos(BOOK_AT), buy()).unwrap();
    assert_eq!(last.order().client_id, ClientId(u64::MAX - 1));
    assert_eq!(refused(&mut risk, BOOK_AT, buy()), Some(Refusal::Overflow));
}

#[test]
fn a_buy_may_lie_above_the_best_ask_by_the_collar_and_no_tick_more() {
    let px = |px| {
        fresh(Place {
            px: Px(px),
            ..buy()
        })
    };
    assert_eq!(px(10_100), None);
    assert_eq!(px(10_101), Some(Refusal::PriceCollar));
    assert_eq!(px(9_000), None); // Too low to trade harms nobody.
}

#[test]
fn a_sell_may_lie_below_the_best_bid_by_the_collar_and_no_tick_more() {
    let px = |px| {
        fresh(Place {
            px: Px(px),
            ..sell()
        })
    };
    assert_eq!(px(9_801), None);
    assert_eq!(px(9_800), Some(Refusal::PriceCollar)); // Its limit is not a tick more than 99 %.
    assert_eq!(px(11_000), None);
}

#[test]
fn a_collar_of_nothing_is_the_opposite_best_price() {
    let params = RiskParams {
        collar_bps: 0,
        ..params()
    };
    for (intent, worse) in [(buy(), 10_001), (sell(), 9_899)] {
        let mut risk = risk_with(&params, &instrument(0));
        assert_eq!(refused(&mut risk, BOOK_AT, intent), None);
        let worse = Place {
            px: Px(worse),
            ..intent
        };
        assert_eq!(
            refused(&mut risk, BOOK_AT, worse),
            Some(Refusal::PriceCollar)
        );
    }
}

#[test]
fn only_a_live_book_is_traded_on() {
    let mut risk = risk();
    risk.handle_event(TAKEN, &status(1, Status::Stale));
    assert_eq!(
        refused(&mut risk, BOOK_AT, buy()),
        Some(Refusal::BookNotLive)
    );
    risk.handle_event(TAKEN, &status(1, Status::Live));
    assert_eq!(
        refused(&mut risk, BOOK_AT, buy()),
        Some(Refusal::BookNotLive)
    );
    risk.handle_event(TAKEN, &book(1));
    assert_eq!(refused(&mut risk, BOOK_AT, buy()), None);
}

#[test]
fn an_intent_from_another_epoch_is_refused() {
    let mut risk = risk();
    risk.handle_event(TAKEN, &book(2));
    assert_eq!(refused(&mut risk, BOOK_AT, buy()), Some(Refusal::BookMoved));
    let mut current = buy();
    current.why.epoch = 2;
    assert_eq!(refused(&mut risk, BOOK_AT, current), None);
}

#[test]
fn a_book_is_old_one_nanosecond_after_its_age() {
    let last = BOOK_AT + BOOK_AGE_MAX.0;
    assert_eq!(refused(&mut risk(), last, buy()), None);
    assert_eq!(
        refused(&mut risk(), last + 1, buy()),
        Some(Refusal::BookStale)
    );
}

/// Failure mode 7: nobody trades on a crossed book, and one that stays so is thrown away.
#[test]
fn incomplete_one_sided_and_crossed_books_are_refused() {
    let on = |top| {
        let mut risk = risk();
        risk.handle_event(TAKEN, &event(1, Body::Book(top)));
        refused(&mut risk, BOOK_AT, buy())
    };
    assert_eq!(on(top(9_900, 10_000, 0)), Some(Refusal::BookIncomplete));
    let mut one_sided = top(9_900, 10_000, 1);
    one_sided.set(Side::Sell, std::iter::empty(), 0, true);
    assert_eq!(on(one_sided), Some(Refusal::BookIncomplete));
    assert_eq!(on(top(9_999, 10_000, 1)), None);
    assert_eq!(on(top(10_000, 10_000, 1)), Some(Refusal::BookCrossed));
    assert_eq!(on(top(10_001, 10_000, 1)), Some(Refusal::BookCrossed));
}

#[test]
fn no_order_without_a_gateway_that_says_it_is_ready() {
    let mut risk = Gate::new(&params(), &[instrument(0)], FIRST_ID);
    risk.handle_event(TAKEN, &book(1));
    for (ready, gate) in [(None, true), (Some(true), false), (Some(false), true)] {
        if let Some(ready) = ready {
            risk.set_ready(0, ready);
        }
        let want = gate.then_some(Refusal::GatewayDown);
        assert_eq!(refused(&mut risk, BOOK_AT, buy()), want);
    }
}

#[test]
fn instruments_that_are_halted_or_not_ours_are_refused() {
    let halted = Instrument {
        trading: false,
        ..instrument(0)
    };
    assert_eq!(
        refused(&mut risk_with(&params(), &halted), BOOK_AT, buy()),
        Some(Refusal::NotTrading)
    );
    for instrument in [InstrumentId(1), InstrumentId::NONE] {
        let intent = Place {
            instrument,
            ..buy()
        };
        assert_eq!(fresh(intent), Some(Refusal::UnknownInstrument));
    }
}

#[test]
fn instruments_have_limits_and_books_of_their_own() {
    let finer = Instrument {
        qty_scale: 6,
        ..instrument(1)
    };
    let mut risk = Gate::new(&params(), &[instrument(0), finer], FIRST_ID);
    risk.set_ready(0, true);
    risk.handle_event(TAKEN, &book(1));
    let second = |qty| Place {
        instrument: InstrumentId(1),
        qty: Qty(qty),
        ..buy()
    };
    assert_eq!(
        refused(&mut risk, BOOK_AT, second(100)),
        Some(Refusal::BookNotLive)
    );
    risk.handle_event(
        TAKEN,
        &Event {
            instrument: InstrumentId(1),
            ..book(1)
        },
    );
    assert_eq!(refused(&mut risk, BOOK_AT, second(5_000)), None);
}

#[test]
fn an_open_order_keeps_its_slot_until_its_end_is_known() {
    let (whole, fill) = (Qty(100), Fill::bare(9, Side::Buy, Px(10_000), Qty(60)));
    let rest = Fill::bare(10, Side::Buy, Px(10_000), Qty(40));
    // What is said before, and the word that ends it.
    let lives: &[(&[Said], Said)] = &[
        (&[Said::Unanswered], Said::Rejected { code: -2010 }),
        (&[Said::Unanswered], Said::NotSent),
        (
            &[Said::Taken { exchange_id: 1 }, Said::Fill(fill)],
            Said::Fill(rest),
        ),
        (
            &[Said::Fill(fill), Said::Unanswered],
            Said::Ended(End::Cancelled, Some(Qty(60))),
        ),
        (
            &[Said::Ended(End::Filled, Some(whole)), Said::Fill(fill)],
            Said::Fill(rest),
        ),
        (
            &[Said::Ended(End::Expired, None)],
            Said::Ended(End::Expired, Some(Qty(0))),
        ),
    ];
    for (before, end) in lives {
        let one = RiskParams {
            open_orders_max: 1,
            ..params()
        };
        let mut risk = risk_with(&one, &instrument(0));
        let id = risk.order(BOOK_AT, buy());
        before.iter().for_each(|said| risk.say(TAKEN, id, *said));
        for other in [id.0 - 1, id.0 + 1] {
            let over = Said::Ended(End::Cancelled, Some(Qty(0)));
            risk.say(TAKEN, ClientId(other), over);
        }
        // Another price: the one of an order in doubt is blocked before that is looked at.
        let other = Place {
            px: Px(9_999),
            ..buy()
        };
        assert_eq!(
            refused(&mut risk, BOOK_AT, other),
            Some(Refusal::OpenOrders),
            "{before:?}"
        );
        risk.say(TAKEN, id, *end);
        risk.say(TAKEN, id, *end);
        assert_eq!(risk.open_orders(), 0, "{before:?}");
        assert_eq!(refused(&mut risk, BOOK_AT, buy()), None);
    }
}

#[test]
fn doubt_after_the_end_opens_nothing() {
    let mut risk = risk();
    let id = risk.order(BOOK_AT, buy());
    risk.say(TAKEN, id, Said::Ended(End::Expired, Some(Qty(0))));
    risk.say(TAKEN, id, Said::Unanswered);
    assert_eq!(risk.open_orders(), 0);
}

#[test]
fn as_many_orders_a_second_as_allowed_and_no_more() {
    let mut risk = risk();
    for now in [0, 1, 2] {
        assert_eq!(refused(&mut risk, BOOK_AT + now, buy()), None);
    }
    let second = 1_000_000_000;
    for now in [3, second - 1] {
        assert_eq!(
            refused(&mut risk, BOOK_AT + now, buy()),
            Some(Refusal::OrderRate)
        );
    }
    assert_eq!(refused(&mut risk, BOOK_AT + second, buy()), None);
}

#[test]
fn refused_intents_use_up_no_rate_and_no_id() {
    let mut risk = risk();
    let dear = Place {
        px: Px(10_101),
        ..buy()
    };
    for _ in 0..50 {
        assert_eq!(
            refused(&mut risk, BOOK_AT, dear),
            Some(Refusal::PriceCollar)
        );
    }
    let admitted = risk.admit(Nanos(BOOK_AT), buy()).unwrap();
    assert_eq!(admitted.order().client_id, ClientId(FIRST_ID));
}

#[test]
fn nothing_is_admitted_while_all_are_halted() {
    let mut risk = risk();
    risk.set_mode(Whose::All, Mode::Halted, "killed");
    risk.set_ready(0, true);
    risk.handle_event(TAKEN, &book(1));
    for now in [0, 1, 2_000_000_000] {
        assert_eq!(
            refused(&mut risk, BOOK_AT + now, buy()),
            Some(Refusal::Halted)
        );
    }
}

#[test]
fn limits_that_make_no_sense_never_become_a_gate() {
    let none = RiskParams {
        open_orders_max: 0,
        ..params()
    };
    assert!(matches!(
        RiskLimits::parse(&none, &[]),
        Err(LimitError::Range { .. })
    ));
}

proptest! {
    /// Whatever comes in: no panic, ids grow, and never more open or recent orders than allowed.
    #[test]
    fn limits_hold_under_any_traffic(
        acts in collection::vec((0u8..6, 0u64..400_000_000, -1i64..12_000, 0u64..1_200), 1..200),
    ) {
        let (mut risk, mut now) = (risk(), Nanos(BOOK_AT));
        let (mut times, mut ids) = (Vec::new(), Vec::<ClientId>::new());
        for (act, step, px, qty) in acts {
            now = now + Span(step);
            let mut fresh = book(1);
            fresh.as_of = now;
            risk.handle_event(now, &fresh);
            let id = ids.get(qty as usize % ids.len().max(1)).copied().unwrap_or_default();
            match act {
                0 => risk.say(now, id, Said::Unanswered),
                1 => risk.say(now, id, Said::Ended(End::Expired, Some(Qty(0)))),
                2 => risk.say(now, id, Said::Rejected { code: 1 }),
                _ => {
                    let side = [Side::Buy, Side::Sell][usize::from(act) % 2];
                    let (px, qty) = (Px(px), Qty(qty));
                    if let Ok(admitted) = risk.admit(now, Place { side, px, qty, ..buy() }) {
                        let id = admitted.order().client_id;
                        prop_assert!(ids.last().is_none_or(|last| *last < id));
                        ids.push(id);
                        times.push(now);
                    }
                }
            }
            let recent = times.iter().filter(|at| now.since(**at) < Span::from_secs(1)).count();
            prop_assert!(recent <= 3);
            prop_assert!(risk.open_orders() <= 4);
        }
        prop_assert_eq!(risk.next_client_id, FIRST_ID + ids.len() as u64);
    }
}
