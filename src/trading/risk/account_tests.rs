//! Gates that look at our own orders and positions. Cases of public failures are named by their
//! numbers.

use super::tests::{Gate, TAKEN, book, buy, event, instrument, params, refused, sell};
use super::*;
use crate::base::{Asset, End, OrderType, Qty, Said, Symbol};
use crate::trading::limits::StrategyParams;

const NOW: u64 = 1_000;
const SECOND: u64 = 1_000_000_000;
const A: InstrumentId = InstrumentId(0);

/// Two instruments of one exchange and the first one's like at another; the best bid of each is
/// 9,900, its best ask 10,000, at two decimals.
fn table() -> Vec<Instrument> {
    let one = |(id, exchange, base): (u16, &'static str, &str)| Instrument {
        exchange,
        symbol: Symbol::from(base).unwrap(),
        base: Asset::from(base).unwrap(),
        quote: Asset::from("USDT").unwrap(),
        qty_min: Qty(1),
        notional_min: 0,
        ..instrument(id)
    };
    let all = [
        (0, "binance", "BTC"),
        (1, "binance", "ETH"),
        (2, "okx", "BTC"),
    ];
    all.map(one).to_vec()
}

fn wide() -> RiskParams {
    RiskParams {
        qty_max: "1000".into(),
        notional_max: "1000000".into(),
        orders_per_s: 1_000,
        open_orders_max: 256,
        ..params()
    }
}

fn gate(params: &RiskParams) -> Gate {
    let table = table();
    let mut gate = Gate::new(params, &table, 1);
    gate.set_ready(0, true);
    for instrument in &table {
        let book = Event {
            instrument: instrument.id,
            ..book(1)
        };
        gate.handle_event(TAKEN, &book);
    }
    gate
}

fn limit(order: Place, px: i64, qty: u64) -> Place {
    Place {
        px: Px(px),
        qty: Qty(qty),
        order_type: OrderType::Limit,
        ..order
    }
}

/// The same, and it does not rest.
fn passing(order: Place, px: i64, qty: u64) -> Place {
    Place {
        order_type: OrderType::ImmediateOrCancel,
        ..limit(order, px, qty)
    }
}

fn of(strategy: u8, order: Place) -> Place {
    Place {
        strategy: StrategyId(strategy),
        ..order
    }
}

fn at(id: u16, order: Place) -> Place {
    Place {
        instrument: InstrumentId(id),
        ..order
    }
}

fn compared(gate: &mut Gate, intent: Place) -> (Refusal, u128, u128) {
    let refused = gate.admit(Nanos(NOW), intent).unwrap_err();
    let compared = refused.compared.unwrap();
    (refused.gate, compared.limit, compared.found)
}

#[test]
fn a_position_and_all_that_may_add_to_it_stay_below_its_limit() {
    let mut gate = gate(&RiskParams {
        position_max: "0.003".into(), // 300 units
        ..wide()
    });
    let id = gate.order(NOW, limit(buy(), 9_900, 200));
    assert_eq!(
        compared(&mut gate, limit(buy(), 9_900, 101)),
        (Refusal::PositionMax, 300, 301)
    );
    gate.fill(TAKEN, id, 150);
    assert_eq!(
        compared(&mut gate, limit(buy(), 9_900, 101)),
        (Refusal::PositionMax, 300, 301),
        "what was filled counts as what might have been"
    );
    // On the other side there is room for what is held and as much again; not by more than that.
    assert_eq!(
        compared(&mut gate, limit(sell(), 10_000, 451)),
        (Refusal::PositionMax, 300, 301)
    );
    assert_eq!(refused(&mut gate, NOW, limit(sell(), 10_000, 450)), None);
    assert_eq!(
        refused(&mut gate, NOW, at(1, limit(buy(), 9_900, 300))),
        None
    );
}

/// T8: what all strategies may hold at worst is one sum, and one limit is on it.
#[test]
fn orders_of_all_strategies_count_in_one_gross_exposure_at_their_worst_also_in_doubt() {
    // At 99.50 in the middle 0.01 are worth 0.995.
    let mut gate = gate(&RiskParams {
        gross_notional_max: "2.9".into(),
        strategies: vec![StrategyParams::default(); 3],
        ..wide()
    });
    let doubtful = gate.order(NOW, of(0, limit(buy(), 9_900, 1_000)));
    gate.say(TAKEN, doubtful, Said::Unanswered);
    assert!(gate.orders.get(doubtful).unwrap().in_doubt);
    let _short = gate.order(NOW, at(1, of(1, limit(sell(), 10_000, 1_000))));
    let third = at(2, of(2, limit(buy(), 9_900, 1_000)));
    assert_eq!(
        compared(&mut gate, third),
        (Refusal::GrossMax, 290_000_000, 298_500_000)
    );
    gate.say(TAKEN, doubtful, Said::NotSent);
    assert_eq!(refused(&mut gate, NOW, third), None);
}

/// T8: the net limit is one over all instruments.
#[test]
fn bought_and_sold_may_differ_by_so_much_and_what_evens_them_out_passes() {
    let mut gate = gate(&RiskParams {
        net_notional_max: "1".into(),
        ..wide()
    });
    let id = gate.order(NOW, limit(buy(), 9_900, 1_000));
    gate.fill(TAKEN, id, 1_000);
    let more = at(1, limit(buy(), 9_900, 10));
    assert_eq!(refused(&mut gate, NOW, more), Some(Refusal::NetMax));
    // Ten units of it sold would be even; the first thousand are.
    let against = at(1, limit(sell(), 10_000, 2_000));
    assert_eq!(refused(&mut gate, NOW, against), None);
    let too_far = at(1, limit(sell(), 10_000, 100));
    assert_eq!(refused(&mut gate, NOW, too_far), Some(Refusal::NetMax));
}

#[test]
fn each_exchange_has_limits_of_its_own() {
    let params = RiskParams {
        exchange_gross_notional_max: "1.5".into(),
        ..wide()
    };
    let mut gate = gate(&params);
    let _first = gate.order(NOW, limit(buy(), 9_900, 1_000));
    let second = at(1, limit(buy(), 9_900, 1_000));
    assert_eq!(
        refused(&mut gate, NOW, second),
        Some(Refusal::ExchangeGrossMax)
    );
    assert_eq!(
        refused(&mut gate, NOW, at(2, second)),
        None,
        "it is elsewhere"
    );
    let params = RiskParams {
        exchange_net_notional_max: "1.5".into(),
        ..wide()
    };
    let mut gate = self::gate(&params);
    let _first = gate.order(NOW, limit(buy(), 9_900, 1_000));
    assert_eq!(
        refused(&mut gate, NOW, second),
        Some(Refusal::ExchangeNetMax)
    );
    assert_eq!(refused(&mut gate, NOW, at(2, second)), None);
}

#[test]
fn a_strategy_may_have_tighter_limits_of_its_own() {
    let with = |own: StrategyParams| {
        gate(&RiskParams {
            strategies: vec![StrategyParams::default(), own],
            ..wide()
        })
    };
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (
            StrategyParams {
                position_max: text("0.015"),
                ..StrategyParams::default()
            },
            Refusal::StrategyPositionMax,
        ),
        (
            StrategyParams {
                gross_notional_max: text("1.5"),
                ..StrategyParams::default()
            },
            Refusal::StrategyGrossMax,
        ),
        (
            StrategyParams {
                net_notional_max: text("1.5"),
                ..StrategyParams::default()
            },
            Refusal::StrategyNetMax,
        ),
        (
            StrategyParams {
                open_orders_max: Some(1),
                ..StrategyParams::default()
            },
            Refusal::StrategyOpenOrders,
        ),
        (
            StrategyParams {
                orders_per_s: Some(1),
                ..StrategyParams::default()
            },
            Refusal::StrategyOrderRate,
        ),
        (
            StrategyParams {
                orders_per_trade_max: Some(1),
                ..StrategyParams::default()
            },
            Refusal::OrdersPerTrade,
        ),
    ];
    for (own, expected) in cases {
        let mut gate = with(own);
        for strategy in [0, 1, 2] {
            let order = of(strategy, limit(buy(), 9_900, 1_000));
            assert_eq!(refused(&mut gate, NOW, order), None);
            let limited = (strategy == 1).then_some(expected);
            assert_eq!(refused(&mut gate, NOW, order), limited, "{strategy}");
        }
    }
}

#[test]
fn what_only_reduces_passes_the_limits_of_positions_and_exposure() {
    // What is held is worth more than it may.
    let mut tight = gate(&RiskParams {
        gross_notional_max: "0.5".into(),
        net_notional_max: "0.5".into(),
        position_max: "0.001".into(),
        ..wide()
    });
    tight.restore(StrategyId(0), A, 1_000, Some(Px(9_900)));
    assert_eq!(refused(&mut tight, NOW, sell()), None);
    let more = limit(sell(), 10_000, 901);
    assert!(
        refused(&mut tight, NOW, more).is_some(),
        "it could turn the position"
    );
    assert_eq!(refused(&mut tight, NOW, limit(sell(), 10_000, 900)), None);
    let more = limit(buy(), 9_000, 1);
    assert_eq!(refused(&mut tight, NOW, more), Some(Refusal::PositionMax));
}

/// T10: a cancel that is under way frees nothing, and neither does one that was refused.
#[test]
fn an_order_whose_cancel_is_under_way_counts_until_the_exchange_says_that_it_is_over() {
    let params = RiskParams {
        position_max: "0.001".into(),
        instrument_open_orders_max: 1,
        ..wide()
    };
    let mut gate = gate(&params);
    let id = gate.order(NOW, limit(buy(), 9_900, 100));
    gate.say(TAKEN, id, Said::Taken { exchange_id: 7 });
    gate.cancel(TAKEN, id);
    // The strategy believes that it is gone, and quotes again.
    let again = limit(buy(), 9_899, 100);
    assert_eq!(refused(&mut gate, NOW, again), Some(Refusal::PositionMax));
    gate.say(TAKEN, id, Said::ChangeRefused { code: -2011 });
    assert_eq!(refused(&mut gate, NOW, again), Some(Refusal::PositionMax));
    gate.fill(TAKEN, id, 40);
    assert_eq!(refused(&mut gate, NOW, again), Some(Refusal::PositionMax));
    gate.say(TAKEN, id, Said::Ended(End::Cancelled, Some(Qty(40))));
    assert_eq!(refused(&mut gate, NOW, again), Some(Refusal::PositionMax));
    assert_eq!(refused(&mut gate, NOW, limit(buy(), 9_899, 60)), None);
}

/// Failure mode 40: until it is known that the first one is over, both count.
#[test]
fn the_successor_of_an_order_is_admitted_beside_it() {
    let mut gate = gate(&RiskParams {
        position_max: "0.0015".into(),
        ..wide()
    });
    let _old = gate.order(NOW, limit(buy(), 9_900, 100));
    assert_eq!(
        refused(&mut gate, NOW, limit(buy(), 9_899, 100)),
        Some(Refusal::PositionMax)
    );
    assert_eq!(refused(&mut gate, NOW, limit(buy(), 9_899, 50)), None);
}

/// Failure mode 35: nobody orders a second time what may be there.
#[test]
fn the_price_of_an_order_in_doubt_is_blocked_on_its_side() {
    let mut gate = gate(&wide());
    let id = gate.order(NOW, limit(buy(), 9_900, 100));
    gate.say(TAKEN, id, Said::Unanswered);
    let other = of(1, limit(buy(), 9_900, 50));
    assert_eq!(refused(&mut gate, NOW, other), Some(Refusal::SlotInDoubt));
    assert_eq!(refused(&mut gate, NOW, limit(buy(), 9_899, 50)), None);
    assert_eq!(refused(&mut gate, NOW, at(1, other)), None);
    gate.say(TAKEN, id, Said::Taken { exchange_id: 1 });
    assert_eq!(refused(&mut gate, NOW, other), None);
}

#[test]
fn no_order_meets_one_of_ours_that_rests_or_may() {
    let resting = limit(sell(), 10_000, 100);
    for in_doubt in [false, true] {
        let mut gate = gate(&wide());
        let id = gate.order(NOW, resting);
        match in_doubt {
            true => gate.say(TAKEN, id, Said::Unanswered),
            false => gate.say(TAKEN, id, Said::Taken { exchange_id: 1 }),
        }
        let meets = of(1, limit(buy(), 10_000, 50));
        assert_eq!(refused(&mut gate, NOW, meets), Some(Refusal::SelfTrade));
        assert_eq!(refused(&mut gate, NOW, limit(buy(), 9_999, 50)), None);
        let market = Place {
            order_type: OrderType::Market,
            ..limit(buy(), 9_950, 50)
        };
        assert_eq!(refused(&mut gate, NOW, market), Some(Refusal::SelfTrade));
        assert_eq!(refused(&mut gate, NOW, at(2, meets)), None);
    }
    // What cannot rest meets nobody who comes later.
    let mut gate = gate(&wide());
    let _passing = gate.order(NOW, sell());
    assert_eq!(refused(&mut gate, NOW, limit(buy(), 10_000, 50)), None);
}

#[test]
fn so_many_orders_alike_are_open_at_once() {
    let mut gate = gate(&RiskParams {
        identical_orders_max: 1,
        ..wide()
    });
    let id = gate.order(NOW, buy());
    assert_eq!(compared(&mut gate, buy()), (Refusal::Duplicate, 1, 2));
    for other in [
        of(1, buy()),
        limit(buy(), 9_999, 100),
        limit(buy(), 10_000, 101),
        at(1, buy()),
    ] {
        assert_eq!(refused(&mut gate, NOW, other), None);
    }
    gate.fill(TAKEN, id, 100);
    assert_eq!(refused(&mut gate, NOW, buy()), None);
}

#[test]
fn open_orders_are_counted_by_instrument_too() {
    let mut gate = gate(&RiskParams {
        instrument_open_orders_max: 2,
        ..wide()
    });
    for _ in 0..2 {
        let _open = gate.order(NOW, buy());
    }
    assert_eq!(
        compared(&mut gate, buy()),
        (Refusal::InstrumentOpenOrders, 2, 3)
    );
    assert_eq!(refused(&mut gate, NOW, at(1, buy())), None);
}

#[test]
fn who_cancels_too_often_gets_no_new_orders_for_a_while() {
    let mut gate = gate(&RiskParams {
        cancels_per_s: 3,
        strategies: vec![StrategyParams::default(); 2],
        ..wide()
    });
    for n in 0..5 {
        gate.handle_cancel(Nanos(NOW + n), StrategyId(1));
    }
    let order = of(1, buy());
    assert_eq!(compared(&mut gate, order), (Refusal::CancelRate, 3, 3));
    assert_eq!(refused(&mut gate, NOW, of(0, buy())), None);
    // The third newest counts, though none was stopped.
    assert_eq!(
        refused(&mut gate, NOW + SECOND + 1, order),
        Some(Refusal::CancelRate)
    );
    assert_eq!(refused(&mut gate, NOW + SECOND + 2, order), None);
}

#[test]
fn orders_are_allowed_for_the_trades_that_they_make_until_the_day_is_over() {
    let mut gate = gate(&RiskParams {
        orders_per_trade_max: 2,
        ..wide()
    });
    gate.handle_timeout(Nanos(NOW), UnixNanos(DAY_NS - 1));
    let id = gate.order(NOW, buy());
    let _second = gate.order(NOW, buy());
    assert_eq!(compared(&mut gate, buy()), (Refusal::OrdersPerTrade, 2, 3));
    gate.fill(TAKEN, id, 40);
    for _ in 0..2 {
        assert_eq!(refused(&mut gate, NOW, buy()), None);
    }
    assert_eq!(compared(&mut gate, buy()), (Refusal::OrdersPerTrade, 2, 3));
    // The next day begins when the clock says so, and not before.
    gate.handle_timeout(Nanos(NOW), UnixNanos(DAY_NS));
    assert_eq!(
        refused(&mut gate, NOW, buy()),
        Some(Refusal::OrdersPerTrade)
    );
    gate.handle_timeout(Nanos(NOW + 1), UnixNanos(DAY_NS));
    assert_eq!(refused(&mut gate, NOW + 1, buy()), None);
}

#[test]
fn a_price_that_every_other_exchange_finds_too_far_is_refused() {
    let params = RiskParams {
        reference_bps: 50,
        collar_bps: 10_000,
        ..wide()
    };
    let mut gate = gate(&params);
    // Half a percent above the other's best ask of 100.00.
    assert_eq!(refused(&mut gate, NOW, passing(buy(), 10_050, 100)), None);
    assert_eq!(
        compared(&mut gate, passing(buy(), 10_051, 100)),
        (Refusal::PriceReference, 50, 51)
    );
    assert_eq!(refused(&mut gate, NOW, passing(sell(), 9_851, 100)), None);
    assert_eq!(
        refused(&mut gate, NOW, passing(sell(), 9_850, 100)),
        Some(Refusal::PriceReference)
    );
    // Nobody else lists the second one.
    assert_eq!(
        refused(&mut gate, NOW, at(1, passing(buy(), 12_000, 100))),
        None
    );
    // A reference that is no longer live says nothing.
    let dark = Event {
        instrument: InstrumentId(2),
        ..super::tests::status(1, crate::base::Status::Stale)
    };
    gate.handle_event(TAKEN, &dark);
    assert_eq!(refused(&mut gate, NOW, passing(buy(), 10_051, 100)), None);
}

#[test]
fn a_reference_may_have_other_decimals_and_one_that_agrees_is_enough() {
    let mut table = table();
    table[2].px_scale = 8;
    table.push(Instrument {
        id: InstrumentId(3),
        exchange: "bybit",
        ..table[0]
    });
    let params = RiskParams {
        reference_bps: 50,
        collar_bps: 10_000,
        ..wide()
    };
    let mut gate = Gate::new(&params, &table, 1);
    gate.set_ready(0, true);
    let mut show = |id, bid, ask| {
        let book = Event {
            instrument: InstrumentId(id),
            ..event(1, Body::Book(super::tests::top(bid, ask, 1)))
        };
        gate.handle_event(TAKEN, &book);
    };
    show(0, 9_900, 10_000);
    show(2, 8_000_000_000, 8_100_000_000);
    show(3, 10_200, 10_300);
    assert_eq!(refused(&mut gate, NOW, passing(buy(), 10_000, 100)), None);
    assert_eq!(
        compared(&mut gate, passing(sell(), 7_900, 100)),
        (Refusal::PriceReference, 50, 125),
        "the nearest one is told"
    );
}

#[test]
fn a_clock_too_far_from_the_exchanges_stops_orders_in_both_directions() {
    let params = RiskParams {
        clock_skew_max_ms: 500,
        ..wide()
    };
    let mut gate = gate(&params);
    for (skew_ns, stops) in [
        (500_000_000, false),
        (500_000_001, true),
        (-500_000_001, true),
    ] {
        gate.set_clock_skew(0, skew_ns);
        let want = stops.then_some(Refusal::ClockSkew);
        assert_eq!(refused(&mut gate, NOW, buy()), want);
    }
    gate.set_clock_skew(0, i64::MIN);
    assert_eq!(refused(&mut gate, NOW, buy()), Some(Refusal::ClockSkew));
}

/// T4, T5: at the gate.
#[test]
fn what_is_not_explained_may_only_be_reduced_and_the_rest_trades() {
    let mut gate = gate(&wide());
    gate.restore(StrategyId::NONE, A, 150, None);
    gate.set_reduce_only(A, true);
    assert_eq!(refused(&mut gate, NOW, buy()), Some(Refusal::ReduceOnly));
    assert_eq!(refused(&mut gate, NOW, sell()), None);
    assert_eq!(
        refused(&mut gate, NOW, sell()),
        Some(Refusal::ReduceOnly),
        "both may trade"
    );
    assert_eq!(refused(&mut gate, NOW, at(1, buy())), None);
    let change = gate.poll_mode().unwrap();
    assert_eq!(
        (change.whose, change.mode),
        (Whose::Instrument(A), Mode::ReduceOnly)
    );
    gate.set_reduce_only(A, false);
    assert_eq!(refused(&mut gate, NOW, buy()), None);
}

#[test]
fn a_strategy_reduces_its_own_position_and_all_of_them_the_accounts() {
    let mut gate = gate(&RiskParams {
        strategies: vec![StrategyParams::default(); 2],
        ..wide()
    });
    gate.restore(StrategyId(0), A, 300, None);
    gate.restore(StrategyId(1), A, -300, None);
    let reducing = |strategy, order| of(strategy, order);
    gate.set_mode(Whose::Strategy(StrategyId(0)), Mode::ReduceOnly, "person");
    assert_eq!(refused(&mut gate, NOW, reducing(0, sell())), None);
    assert_eq!(
        refused(&mut gate, NOW, reducing(0, buy())),
        Some(Refusal::ReduceOnly)
    );
    assert_eq!(
        refused(&mut gate, NOW, reducing(1, sell())),
        None,
        "it is not limited"
    );
    gate.set_mode(Whose::All, Mode::ReduceOnly, "person");
    // The account has nothing, so that nothing reduces.
    assert_eq!(
        refused(&mut gate, NOW, reducing(0, sell())),
        Some(Refusal::ReduceOnly)
    );
}
