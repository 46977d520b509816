use super::*;
use crate::base::{Decimal, Fee, Qty, Symbol};
use crate::trading::risk::tests::buy;

const MINE: StrategyId = StrategyId(0);
const USDT: i128 = 100_000_000;

pub(super) fn listed(
    id: u16,
    exchange: &'static str,
    (base, quote): (&str, &str),
    scales: (u8, u8),
) -> Instrument {
    let asset = |code| Asset::from(code).unwrap();
    Instrument {
        id: InstrumentId(id),
        base: asset(base),
        quote: asset(quote),
        settle: asset(quote),
        ..Instrument::bare(exchange, Symbol::from("X").unwrap(), scales)
    }
}

/// 0.01 of price, 0.00001 of quantity.
pub(super) fn spot(id: u16) -> Instrument {
    listed(id, "binance", ("BTC", "USDT"), (2, 5))
}

/// Contracts of 0.03 of the base asset.
pub(super) fn linear(id: u16) -> Instrument {
    let mut linear = listed(id, "binance", ("ETH", "USDT"), (2, 0));
    (linear.contract.size, linear.contract.scale) = (3, 2);
    linear
}

fn inverse() -> Instrument {
    let mut inverse = listed(0, "okx", ("BTC", "USD"), (1, 0));
    (inverse.contract.size, inverse.contract.inverse) = (100, true);
    inverse
}

pub(super) fn complete(bid: i64, ask: i64) -> Top<EVENT_LEVELS> {
    crate::trading::risk::tests::top(bid, ask, 1)
}

fn order(side: Side, px: i64, qty: u64) -> Moved {
    Moved {
        strategy: MINE,
        instrument: InstrumentId(0),
        side,
        px: Px(px),
        before: Qty(0),
        after: Qty(qty),
        fill: None,
    }
}

/// The whole order trades at this price.
fn traded(order: Moved, px: i64, fee: Option<Fee>) -> Moved {
    let fill = Fill {
        fee,
        ..Fill::bare(1, order.side, Px(px), order.after)
    };
    Moved {
        before: order.after,
        after: Qty(0),
        fill: Some(fill),
        ..order
    }
}

fn book_of(instrument: Instrument) -> Exposure {
    Exposure::new(&[instrument], 1)
}

fn all(book: &Exposure) -> Sums {
    let sums = book.sums(Scope::All, InstrumentId(0));
    // There is one strategy and one exchange.
    for scope in [Scope::Strategy(MINE), Scope::Exchange(InstrumentId(0))] {
        assert_eq!(book.sums(scope, InstrumentId(0)), sums);
    }
    sums
}

fn trade(book: &mut Exposure, side: Side, px: i64, qty: u64) {
    let order = order(side, px, qty);
    book.handle_moved(&order);
    book.handle_moved(&traded(order, px, None));
}

fn exposed(book: &Exposure) -> [i128; 3] {
    let sums = all(book);
    [sums.high, sums.low, sums.gross]
}

#[test]
fn orders_count_on_their_own_side_until_they_are_over_and_fills_for_good() {
    let mut book = book_of(spot(0));
    book.handle_book(InstrumentId(0), &complete(9_900, 10_100));
    // One BTC is worth 100 USDT in the middle.
    book.handle_moved(&order(Side::Buy, 9_900, 200_000));
    assert_eq!(exposed(&book), [200 * USDT, 0, 200 * USDT]);
    book.handle_moved(&order(Side::Sell, 10_100, 300_000));
    assert_eq!(exposed(&book), [200 * USDT, -300 * USDT, 300 * USDT]);
    book.handle_moved(&traded(order(Side::Buy, 9_900, 200_000), 9_900, None));
    assert_eq!(exposed(&book), [200 * USDT, -100 * USDT, 200 * USDT]);
    let over = Moved {
        before: Qty(300_000),
        after: Qty(0),
        ..order(Side::Sell, 10_100, 0)
    };
    book.handle_moved(&over);
    assert_eq!(exposed(&book), [200 * USDT, 200 * USDT, 200 * USDT]);
}

#[test]
fn a_position_is_worth_its_bid_if_long_and_its_ask_if_short() {
    for (side, gain) in [(Side::Buy, -100), (Side::Sell, -300)] {
        let mut book = book_of(spot(0));
        book.handle_book(InstrumentId(0), &complete(9_900, 10_100));
        trade(&mut book, side, 10_000, 100_000);
        assert!(book.handle_book(InstrumentId(0), &complete(9_900, 10_300)));
        assert_eq!(all(&book).gain, gain * USDT / 100);
        // The first book was the day's best moment so far.
        assert_eq!(all(&book).loss(), -gain * USDT / 100);
    }
}

#[test]
fn what_is_lost_counts_from_the_days_beginning_and_from_its_best_moment() {
    let mut book = book_of(spot(0));
    book.handle_book(InstrumentId(0), &complete(9_999, 10_000));
    trade(&mut book, Side::Buy, 10_000, 100_000);
    book.handle_book(InstrumentId(0), &complete(11_000, 11_001));
    book.handle_book(InstrumentId(0), &complete(10_500, 10_501));
    let sums = all(&book);
    assert_eq!((sums.loss(), sums.drawdown()), (-5 * USDT, 5 * USDT));
    book.begin_day();
    book.handle_book(InstrumentId(0), &complete(10_400, 10_401));
    let sums = all(&book);
    assert_eq!((sums.loss(), sums.drawdown()), (USDT, USDT));
}

#[test]
fn without_a_book_it_counts_at_the_worst_of_limits_fills_and_entry() {
    let mut book = book_of(spot(0));
    book.restore(MINE, InstrumentId(0), 100_000, Some(Px(9_000)));
    assert_eq!(exposed(&book), [90 * USDT; 3]);
    book.handle_moved(&order(Side::Sell, 9_500, 100_000));
    assert_eq!(exposed(&book), [95 * USDT, 0, 95 * USDT]);
    assert_eq!(all(&book).gain, 0);
    // Books that are crossed or not complete tell nothing.
    book.handle_book(InstrumentId(0), &complete(7_000, 7_000));
    book.handle_book(
        InstrumentId(0),
        &crate::trading::risk::tests::top(7_000, 7_001, 0),
    );
    assert_eq!(exposed(&book), [95 * USDT, 0, 95 * USDT]);
    book.handle_book(InstrumentId(0), &complete(7_000, 7_200));
    assert_eq!(exposed(&book), [71 * USDT, 0, 71 * USDT]);
    assert_eq!(all(&book).gain, -20 * USDT);
}

#[test]
fn what_was_restored_at_no_known_price_gains_and_loses_from_its_first_book_on() {
    let mut book = book_of(spot(0));
    book.restore(MINE, InstrumentId(0), -100_000, None);
    book.handle_book(InstrumentId(0), &complete(9_900, 10_000));
    assert_eq!((all(&book).gain, all(&book).low), (0, -9_950 * USDT / 100));
    book.handle_book(InstrumentId(0), &complete(10_900, 11_000));
    assert_eq!(all(&book).gain, -10 * USDT);
}

#[test]
fn fees_in_quote_and_base_lessen_the_gain_and_rebates_add_to_it() {
    let fee = |asset: &str, units, rebate| Fee {
        asset: Asset::from(asset).unwrap(),
        amount: Decimal { units, scale: 3 },
        rebate,
    };
    for (fee, gain) in [
        (fee("USDT", 100, false), -USDT / 10),
        (fee("USDT", 100, true), USDT / 10),
        (fee("BTC", 1, false), -USDT / 10), // 0.001 BTC at 100 USDT.
        (fee("BNB", 1, false), 0),          // What that is worth is not known here.
    ] {
        let mut book = book_of(spot(0));
        book.handle_book(InstrumentId(0), &complete(10_000, 10_001));
        let order = order(Side::Buy, 10_000, 100_000);
        book.handle_moved(&order);
        book.handle_moved(&traded(order, 10_000, Some(fee)));
        assert_eq!(all(&book).gain, gain);
    }
}

#[test]
fn contracts_count_as_what_they_stand_for() {
    let mut book = book_of(linear(0));
    book.handle_book(InstrumentId(0), &complete(10_000, 10_002));
    trade(&mut book, Side::Buy, 10_000, 100); // Three of the base asset.
    assert_eq!(all(&book).gross, 300 * USDT + 3 * USDT / 100);
    book.handle_book(InstrumentId(0), &complete(9_000, 9_002));
    assert_eq!(all(&book).gain, -30 * USDT);
}

#[test]
fn an_inverse_contract_is_exposed_to_its_size_and_loses_in_the_base_asset() {
    let mut book = book_of(inverse());
    book.handle_book(InstrumentId(0), &complete(500_000, 500_010));
    trade(&mut book, Side::Buy, 500_000, 10); // 1,000 USD: 0.02 BTC at 50,000.
    assert_eq!(exposed(&book), [1_000 * USDT; 3]);
    book.handle_book(InstrumentId(0), &complete(400_000, 400_010));
    // At 40,000 they are 0.025 BTC: 0.005 BTC are lost, 200 USD.
    assert_eq!(all(&book).gain, -200 * USDT);
    assert_eq!(exposed(&book), [1_000 * USDT; 3]);
    trade(&mut book, Side::Sell, 400_000, 10);
    book.handle_book(InstrumentId(0), &complete(600_000, 600_010));
    assert!((-301 * USDT..=-300 * USDT).contains(&all(&book).gain));
}

#[test]
fn what_does_not_fit_is_not_guessed_and_no_order_is_judged_by_it() {
    let place = buy();
    let mut book = book_of(spot(0));
    book.handle_book(InstrumentId(0), &complete(9_900, 10_100));
    assert!(book.with(&place).is_some());
    for n in 0..4 {
        let huge = order(Side::Buy, i64::MAX, u64::MAX / 2);
        let fill = Fill::bare(n, Side::Buy, Px(i64::MAX), Qty(u64::MAX / 2));
        book.handle_moved(&huge);
        book.handle_stray(InstrumentId(0), &fill);
        book.handle_book(InstrumentId(0), &complete(i64::MAX - 1, i64::MAX));
    }
    assert_eq!(all(&book).uncounted, 1);
    assert_eq!(book.with(&place), None);
}

#[test]
fn only_what_cannot_do_anything_else_reduces_a_position() {
    let mut book = book_of(spot(0));
    trade(&mut book, Side::Buy, 10_000, 100);
    let reduces = |book: &Exposure, side, qty| {
        let [account, own] = book.cells(InstrumentId(0), MINE).unwrap();
        let reduced = account.is_reduced_by(side, Qty(qty));
        assert_eq!(own.is_reduced_by(side, Qty(qty)), reduced);
        reduced
    };
    assert!(reduces(&book, Side::Sell, 100));
    assert!(
        !reduces(&book, Side::Sell, 101),
        "it would sell what there is not"
    );
    assert!(!reduces(&book, Side::Buy, 1));
    book.handle_moved(&order(Side::Sell, 10_000, 60));
    assert!(reduces(&book, Side::Sell, 40));
    assert!(!reduces(&book, Side::Sell, 41), "both may be filled");
    // That more may be bought changes nothing: it need not be.
    book.handle_moved(&order(Side::Buy, 9_000, 500));
    assert!(!reduces(&book, Side::Sell, 41));
}

#[test]
fn with_other_scales_positions_are_what_they_were_once_no_order_is_open() {
    let mut book = book_of(spot(0));
    book.handle_book(InstrumentId(0), &complete(9_900, 10_100));
    trade(&mut book, Side::Buy, 10_000, 100_000);
    let open = order(Side::Sell, 10_100, 50_000);
    book.handle_moved(&open);
    let before = all(&book);
    let finer = Instrument {
        px_scale: 3,
        qty_scale: 7,
        ..spot(0)
    };
    book.relist(InstrumentId(0), &finer, false);
    assert!(!book.is_settled(InstrumentId(0)));
    // Books are at the new scales: they would be taken for ten times the price.
    assert!(!book.handle_book(InstrumentId(0), &complete(99_000, 101_000)));
    assert_eq!(all(&book), before);
    // The order is at the old ones, and its fill is.
    book.handle_moved(&traded(open, 10_100, None));
    assert!(book.is_settled(InstrumentId(0)));
    let [account, _] = book.cells(InstrumentId(0), MINE).unwrap();
    assert_eq!(account.qty(), 5_000_000);
    assert_eq!(all(&book).gross, 50 * USDT);
    assert!(book.handle_book(InstrumentId(0), &complete(99_000, 101_000)));
    assert_eq!(all(&book).gross, 50 * USDT);
}

#[test]
fn another_contract_or_an_exit_that_keeps_its_scales_leaves_everything_as_it_was_counted() {
    let finer = Instrument {
        px_scale: 3,
        ..spot(0)
    };
    let mut other = spot(0);
    other.contract.size = 10;
    for (listed, keeps_scales) in [(finer, true), (other, false), (other, true)] {
        let mut book = book_of(spot(0));
        book.handle_book(InstrumentId(0), &complete(9_900, 10_100));
        trade(&mut book, Side::Buy, 10_000, 100_000);
        let before = all(&book);
        book.relist(InstrumentId(0), &listed, keeps_scales);
        assert!(!book.is_settled(InstrumentId(0)));
        assert!(!book.handle_book(InstrumentId(0), &complete(99_000, 101_000)));
        assert_eq!(all(&book), before);
        book.relist(InstrumentId(0), &spot(0), keeps_scales);
        assert!(book.is_settled(InstrumentId(0)));
    }
}

#[test]
fn quote_assets_have_sums_of_their_own() {
    let table = [spot(0), listed(1, "binance", ("ETH", "EUR"), (2, 5))];
    let mut book = Exposure::new(&table, 1);
    for (id, qty) in [(0, 100_000), (1, 200_000)] {
        let moved = Moved {
            instrument: InstrumentId(id),
            ..order(Side::Buy, 10_000, qty)
        };
        book.handle_moved(&moved);
    }
    let gross = |id| book.sums(Scope::All, InstrumentId(id)).gross;
    assert_eq!([gross(0), gross(1)], [100 * USDT, 200 * USDT]);
}
