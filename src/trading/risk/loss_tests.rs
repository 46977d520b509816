//! Losses that halt, and who lets go again.

use super::tests::{Gate, TAKEN, buy, event, instrument, params, refused, sell, top};
use super::*;
use crate::trading::exposure::VALUE_SCALE;
use crate::trading::limits::StrategyParams;

const NOW: u64 = 1_000;
const A: InstrumentId = InstrumentId(0);

fn gate(params: &RiskParams) -> Gate {
    let mut gate = Gate::new(params, &[instrument(0)], 1);
    gate.set_ready(0, true);
    show(&mut gate, 9_900, 10_000);
    gate
}

fn show(gate: &mut Gate, bid: i64, ask: i64) {
    gate.handle_event(TAKEN, &event(1, Body::Book(top(bid, ask, 1))));
}

fn losing(daily: &str, drawdown: &str) -> RiskParams {
    RiskParams {
        daily_loss_max: daily.into(),
        drawdown_max: drawdown.into(),
        orders_per_s: 100,
        open_orders_max: 100,
        ..params()
    }
}

/// The strategy has 0.01, bought at 100.
fn long(gate: &mut Gate, strategy: u8) {
    gate.restore(StrategyId(strategy), A, 1_000, Some(Px(10_000)));
}

/// T8: a loss stops everybody.
#[test]
fn a_days_loss_at_the_bid_halts_all_until_somebody_resumes() {
    let mut gate = gate(&losing("0.03", "1000"));
    long(&mut gate, 0);
    show(&mut gate, 9_701, 9_990);
    assert_eq!(refused(&mut gate, NOW, at_touch(buy(), 9_990)), None);
    show(&mut gate, 9_700, 9_990);
    let change = gate.poll_mode().unwrap();
    let compared = Compared {
        unit: Unit::Notional(VALUE_SCALE),
        limit: 3_000_000,
        found: 3_000_000,
    };
    assert_eq!(
        change,
        ModeChange {
            whose: Whose::All,
            mode: Mode::Halted,
            why: "daily_loss_max",
            compared: Some(compared),
        }
    );
    // What reduces is halted, too, and prices that come back change nothing.
    show(&mut gate, 9_900, 10_000);
    for order in [buy(), sell()] {
        assert_eq!(refused(&mut gate, NOW, order), Some(Refusal::Halted));
    }
    gate.set_mode(Whose::All, Mode::Trading, "person");
    // The other one is the strategy's own halt, by the same limit.
    gate.set_mode(Whose::Strategy(StrategyId(0)), Mode::Trading, "person");
    assert_eq!(refused(&mut gate, NOW, buy()), None);
    // Losses count from here.
    while gate.poll_mode().is_some() {}
    show(&mut gate, 9_601, 9_990);
    assert_eq!(gate.poll_mode(), None);
    show(&mut gate, 9_600, 9_990);
    assert!(gate.poll_mode().is_some());
}

fn at_touch(order: Place, px: i64) -> Place {
    Place {
        px: Px(px),
        ..order
    }
}

#[test]
fn a_gain_that_is_lost_again_is_a_drawdown() {
    let mut gate = gate(&losing("1000", "0.05"));
    long(&mut gate, 0);
    show(&mut gate, 11_000, 11_010);
    show(&mut gate, 10_501, 10_510);
    assert_eq!(gate.poll_mode(), None);
    show(&mut gate, 10_500, 10_510);
    assert_eq!(gate.poll_mode().unwrap().why, "drawdown_max");
}

#[test]
fn the_next_day_forgets_what_the_last_one_lost_and_not_that_it_was_halted() {
    for (lost_by, halted) in [(9_701, false), (9_700, true)] {
        let mut gate = gate(&losing("0.03", "1000"));
        gate.handle_timeout(Nanos(NOW), UnixNanos(DAY_NS - 1));
        long(&mut gate, 0);
        show(&mut gate, lost_by, 9_990);
        let due = gate.poll_timeout();
        gate.handle_timeout(due, UnixNanos(DAY_NS));
        show(&mut gate, lost_by - 299, 9_990);
        let order = at_touch(buy(), 9_402);
        let want = halted.then_some(Refusal::Halted);
        assert_eq!(refused(&mut gate, NOW, order), want);
    }
}

#[test]
fn the_day_begins_at_midnight_of_utc_by_a_wall_clock_that_may_be_set() {
    let mut gate = gate(&params());
    gate.handle_timeout(Nanos(NOW), UnixNanos(DAY_NS - 5));
    assert_eq!(gate.poll_timeout(), Nanos(NOW + 5), "at midnight");
    gate.handle_timeout(Nanos(NOW + 5), UnixNanos(DAY_NS));
    assert_eq!(gate.poll_timeout(), Nanos(NOW + 5) + DAY_LOOK);
}

#[test]
fn a_strategy_that_lost_too_much_is_halted_alone() {
    let own = StrategyParams {
        daily_loss_max: Some("0.01".into()),
        ..StrategyParams::default()
    };
    let mut gate = gate(&RiskParams {
        strategies: vec![StrategyParams::default(), own],
        ..losing("1000", "1000")
    });
    long(&mut gate, 0);
    long(&mut gate, 1);
    show(&mut gate, 9_900, 10_000);
    let change = gate.poll_mode().unwrap();
    assert_eq!(change.whose, Whose::Strategy(StrategyId(1)));
    assert_eq!(gate.poll_mode(), None);
    let of = |strategy| Place {
        strategy: StrategyId(strategy),
        ..buy()
    };
    assert_eq!(refused(&mut gate, NOW, of(1)), Some(Refusal::Halted));
    assert_eq!(refused(&mut gate, NOW, of(0)), None);
    // One strategy's gain does not pay for another's loss.
    gate.set_mode(Whose::Strategy(StrategyId(1)), Mode::Trading, "person");
    assert_eq!(refused(&mut gate, NOW, of(1)), None);
}

#[test]
fn a_fill_that_loses_at_once_halts_at_once() {
    let mut gate = gate(&losing("0.001", "1000"));
    let id = gate.order(NOW, buy());
    assert_eq!(refused(&mut gate, NOW, buy()), None);
    // 0.001 at 100, and the best bid is 99: a thousandth is lost.
    gate.fill(TAKEN, id, 100);
    assert_eq!(refused(&mut gate, NOW, buy()), Some(Refusal::Halted));
}
