use super::super::{Value, placed, sees};
use super::*;
use crate::base::{Flags, Instrument, InstrumentId, Level, Px, Stamps, Status, Symbol, UnixNanos};
use crate::market::Picture;
use proptest::{prop_assert_eq, proptest};

const COOLDOWN: Span = Span(100);

fn instrument(id: u16) -> Instrument {
    Instrument {
        id: InstrumentId(id),
        lot: Qty(10),
        qty_min: Qty(20),
        qty_max: Qty(1_000_000),
        ..Instrument::bare("binance", Symbol::from("BTCUSDT").unwrap(), (2, 5))
    }
}

fn params() -> Params {
    Params {
        depth: 2,
        threshold: 0.5,
        cooldown: COOLDOWN,
        quantity: "0.00125".into(),
    }
}

fn strategy() -> Imbalance {
    Imbalance::new(&params(), &Table::of(&[instrument(0), instrument(1)])).unwrap()
}

fn levels(best: i64, step: i64, qtys: &[u64]) -> impl Iterator<Item = Level> {
    let level = move |(i, qty): (usize, &u64)| Level {
        px: Px(best + step * i as i64),
        qty: Qty(*qty),
    };
    qtys.iter().enumerate().map(level)
}

/// Best bid 100, best ask 101, one tick between levels, `complete` of each side.
fn top(bids: &[u64], asks: &[u64], complete: usize) -> Top<EVENT_LEVELS> {
    let mut top = Top::EMPTY;
    top.set(Side::Buy, levels(100, -1, bids), complete, false);
    top.set(Side::Sell, levels(101, 1, asks), complete, false);
    top
}

fn event(body: Body) -> Event {
    Event {
        stamps: Stamps::default(),
        exch_time: UnixNanos(0),
        as_of: Nanos::ZERO,
        update_id: 77,
        epoch: 3,
        instrument: InstrumentId(0),
        flags: Flags::default(),
        body,
    }
}

fn book(bids: &[u64], asks: &[u64]) -> Event {
    event(Body::Book(top(bids, asks, 10)))
}

fn wants(strategy: &mut Imbalance, now: u64, event: &Event) -> Option<Place> {
    let mut out = Intents::new();
    let market = Picture::new(&[]); // It looks at the event alone.
    strategy.handle_event(Nanos(now), event, &sees(&market), &mut out);
    assert!(out.len() <= 1);
    out.pop().map(placed)
}

#[test]
fn many_bids_make_it_buy_at_the_best_ask_and_say_why() {
    let intent = wants(&mut strategy(), 1, &book(&[400, 400], &[100, 100])).unwrap();
    let level = |px, qty| Level {
        px: Px(px),
        qty: Qty(qty),
    };
    assert_eq!(
        intent,
        Place {
            strategy: StrategyId::NONE,
            instrument: InstrumentId(0),
            side: Side::Buy,
            px: Px(101),
            qty: Qty(120),
            order_type: OrderType::ImmediateOrCancel,
            tag: 0,
            why: Why {
                signal: "imbalance",
                value: 0.6,
                threshold: 0.5,
                update_id: 77,
                epoch: 3,
                bid: level(100, 400),
                ask: level(101, 100),
            },
        }
    );
}

#[test]
fn many_asks_make_it_sell_at_the_best_bid() {
    let intent = wants(&mut strategy(), 1, &book(&[100, 100], &[400, 400])).unwrap();
    assert_eq!(
        (intent.side, intent.px, intent.why.value),
        (Side::Sell, Px(100), -0.6)
    );
}

#[test]
fn the_threshold_itself_is_not_enough_and_a_little_more_is() {
    for (bids, asks) in [([150, 150], [50, 50]), ([50, 50], [150, 150])] {
        assert_eq!(wants(&mut strategy(), 1, &book(&bids, &asks)), None);
    }
    assert!(wants(&mut strategy(), 1, &book(&[150, 151], &[50, 50])).is_some());
    assert!(wants(&mut strategy(), 1, &book(&[50, 50], &[150, 151])).is_some());
}

#[test]
fn levels_below_the_depth_do_not_count() {
    assert_eq!(
        wants(&mut strategy(), 1, &book(&[100, 100, 9_000], &[100, 100])),
        None
    );
}

#[test]
fn an_instrument_rests_for_the_cool_down_from_its_last_intent() {
    let (mut strategy, book) = (strategy(), book(&[400, 400], &[100, 100]));
    assert!(wants(&mut strategy, 1_000, &book).is_some());
    assert_eq!(wants(&mut strategy, 1_000 + COOLDOWN.0 - 1, &book), None);
    assert!(wants(&mut strategy, 1_000 + COOLDOWN.0, &book).is_some());
    assert_eq!(wants(&mut strategy, 1_001 + COOLDOWN.0, &book), None);
}

#[test]
fn instruments_rest_each_by_itself() {
    let (mut strategy, first) = (strategy(), book(&[400, 400], &[100, 100]));
    let second = Event {
        instrument: InstrumentId(1),
        ..first
    };
    assert!(wants(&mut strategy, 1, &first).is_some());
    let intent = wants(&mut strategy, 2, &second).unwrap();
    assert_eq!(intent.instrument, InstrumentId(1));
    assert_eq!(wants(&mut strategy, 3, &first), None);
}

#[test]
fn a_book_that_is_not_complete_to_the_depth_is_not_read() {
    let body = |complete| event(Body::Book(top(&[400, 400], &[100, 100], complete)));
    assert_eq!(wants(&mut strategy(), 1, &body(1)), None);
    assert!(wants(&mut strategy(), 1, &body(2)).is_some());
}

#[test]
fn a_side_with_nothing_in_it_makes_no_intent() {
    let mut top = top(&[400, 400], &[100, 100], 2);
    top.set(Side::Sell, std::iter::empty(), 0, true);
    assert_eq!(wants(&mut strategy(), 1, &event(Body::Book(top))), None);
}

#[test]
fn a_crossed_or_locked_book_is_not_read() {
    for best_ask in [99, 100] {
        let mut top = top(&[400, 400], &[100, 100], 2);
        top.set(Side::Sell, levels(best_ask, 1, &[100, 100]), 2, false);
        assert_eq!(wants(&mut strategy(), 1, &event(Body::Book(top))), None);
    }
}

#[test]
fn a_resync_does_not_shorten_the_cool_down() {
    let (mut strategy, book) = (strategy(), book(&[400, 400], &[100, 100]));
    assert!(wants(&mut strategy, 1, &book).is_some());
    wants(&mut strategy, 2, &event(Body::Status(Status::Resyncing)));
    wants(&mut strategy, 3, &event(Body::Status(Status::Live)));
    assert_eq!(wants(&mut strategy, COOLDOWN.0, &book), None);
}

#[test]
fn events_of_no_instrument_are_passed_over() {
    let gateway = Event {
        instrument: InstrumentId::NONE,
        ..event(Body::Gateway(true))
    };
    assert_eq!(wants(&mut strategy(), 1, &gateway), None);
}

#[test]
fn an_intent_that_does_not_fit_starts_no_cool_down() {
    let (mut strategy, book) = (strategy(), book(&[400, 400], &[100, 100]));
    let other = wants(&mut self::strategy(), 1, &book).unwrap();
    let mut full = Intents::from([other.into(); super::super::INTENTS_MAX]);
    strategy.handle_event(Nanos(1), &book, &sees(&Picture::new(&[])), &mut full);
    assert!(wants(&mut strategy, 2, &book).is_some());
}

#[test]
fn the_largest_quantities_do_not_overflow() {
    let most = [i64::MAX as u64; 10];
    let params = Params {
        depth: 10,
        ..params()
    };
    let mut strategy = Imbalance::new(&params, &Table::of(&[instrument(0)])).unwrap();
    let intent = wants(&mut strategy, 1, &book(&most, &[1; 10])).unwrap();
    assert_eq!(intent.side, Side::Buy);
}

#[test]
fn parameters_out_of_range_are_refused() {
    let build = |depth, threshold| {
        let params = Params {
            depth,
            threshold,
            ..params()
        };
        Imbalance::new(&params, &Table::of(&[])).map(|_| ())
    };
    assert_eq!(build(0, 0.5), Err(StrategyError::Depth(0)));
    assert_eq!(build(11, 0.5), Err(StrategyError::Depth(11)));
    for threshold in [0.0, -0.1, 1.0, 1.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            build(5, threshold),
            Err(StrategyError::Threshold(_))
        ));
    }
    assert_eq!(build(1, f64::MIN_POSITIVE), Ok(()));
    assert_eq!(build(10, 0.999), Ok(()));
}

proptest! {
    /// The twin compares integers: `|b - a| / (b + a) > 1/2` is `2 |b - a| > b + a`.
    #[test]
    fn sides_are_those_of_integer_arithmetic_and_the_same_input_decides_the_same(
        bids in proptest::array::uniform2(1u64..1_000),
        asks in proptest::array::uniform2(1u64..1_000),
    ) {
        let (b, a) = (bids.iter().sum::<u64>(), asks.iter().sum::<u64>());
        let want = match 2 * b.abs_diff(a) > b + a {
            true if b > a => Some(Side::Buy),
            true => Some(Side::Sell),
            false => None,
        };
        let event = book(&bids, &asks);
        let first = wants(&mut strategy(), 1, &event);
        prop_assert_eq!(first.map(|intent| intent.side), want);
        prop_assert_eq!(first, wants(&mut strategy(), 1, &event));
    }
}

#[test]
fn values_that_are_set_count_from_the_next_book_on_and_change_nothing_else() {
    let all = [instrument(0), instrument(1)];
    let market = Picture::new(&all);
    let mut strategy = strategy();
    // 0.6: above the 0.5 that it was built with.
    let leans = book(&[400, 400], &[100, 100]);
    assert_eq!(wants(&mut strategy, 1, &leans).unwrap().qty, Qty(120));
    let mut values = Values::default().whole(KIND.keys);
    values.set(&THRESHOLD, Value::Ratio(0.7));
    values.set(&QUANTITY, Value::Quantity("0.0025".into()));
    values.set(&COOLDOWN_MS, Value::Int(0));
    strategy.handle_values(&mut values, &sees(&market)).unwrap();
    assert_eq!(
        wants(&mut strategy, 500, &leans),
        None,
        "0.6 is less than 0.7"
    );
    let leans = book(&[900, 900], &[100, 100]);
    assert_eq!(
        wants(&mut strategy, 50, &leans),
        None,
        "the first pause holds"
    );
    let place = wants(&mut strategy, 500, &leans).unwrap();
    assert_eq!((place.qty, place.why.threshold), (Qty(250), 0.7));
    assert!(
        wants(&mut strategy, 501, &leans).is_some(),
        "no pause after it"
    );
    // What it had goes back, for somebody else to free.
    assert_eq!(values.quantity(&QUANTITY), "0.00125");
}
