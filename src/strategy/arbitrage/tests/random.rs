//! Two exchanges that lose answers, refuse orders, fill parts, and tell of fills when all was over.

use super::*;
use fastrand::Rng;
use proptest::{prop_assert, proptest};

/// A fill that nobody has told of yet.
struct Late {
    at: usize,
    side: Side,
    px: Px,
    qty: Qty,
}

/// What the desk knows to be open: bought less sold, less what fees took.
fn open(bench: &Bench) -> i128 {
    let sold = |at: usize| bench.positions[at].sellable(&instrument(at as u16, "a"));
    sold(0) + sold(1)
}

/// A first leg leaves no more than the quantity open, and what closes makes it less.
fn check(bench: &Bench, wanted: &[Place]) {
    for place in wanted {
        let (open, qty) = (open(bench), i128::from(place.qty.0));
        assert!(qty > 0 && qty % 10 == 0);
        if place.why.signal == OPEN {
            assert!(open.abs() + qty <= 1_000, "{open} open, {qty} more");
        } else {
            assert!(qty <= open.abs(), "{open} open, {qty} closed");
            assert_eq!(place.side == Side::Sell, open > 0);
        }
    }
}

fn fee(side: Side, qty: u64, in_base: bool) -> Option<Fee> {
    let taken = in_base && side == Side::Buy;
    let amount = Decimal {
        units: u128::from(qty), // A thousandth.
        scale: 6,
    };
    taken.then(|| Fee {
        asset: Asset::from("BTC").unwrap(),
        amount,
        rebate: false,
    })
}

fn next_book(bench: &mut Bench, dice: &mut Rng, fair: &mut [i64; 2], calm: bool) -> Vec<Place> {
    let at = dice.usize(0..2);
    fair[at] = match calm {
        true => 10_000,
        false => (fair[at] + dice.i64(-40..41)).clamp(9_700, 10_300),
    };
    let spread = dice.i64(1..8);
    let (bid, ask) = (dice.u64(10..900), dice.u64(10..900));
    bench.book(
        at as u16,
        (fair[at] - spread, bid),
        (fair[at] + spread, ask),
    )
}

/// What becomes of the order that is out.
fn next_word(
    bench: &mut Bench,
    dice: &mut Rng,
    order: &Working,
    in_base: bool,
    late: &mut Vec<Late>,
) -> Vec<Place> {
    let (id, left) = (order.instrument.0, order.remaining().0);
    let part = dice.u64(0..=left / 10) * 10;
    match dice.u32(0..10) {
        0 => bench.report(id, Outcome::Acked { exchange_id: 1 }),
        1 => {
            bench.orders[0].in_doubt = true;
            bench.report(id, Outcome::InDoubt)
        }
        2 if order.filled == Qty(0) => bench.report(id, Outcome::Rejected { code: -1 }),
        3 if order.filled == Qty(0) => bench.report(id, Outcome::NotSent),
        4 | 5 => {
            late.extend((part > 0).then_some(Late {
                at: order.instrument.index(),
                side: order.side,
                px: order.px,
                qty: Qty(part),
            }));
            bench.report(id, Outcome::Expired)
        }
        6..=8 if part > 0 => bench.fill_with(id, order.px.0, part, fee(order.side, part, in_base)),
        _ => bench.report(id, Outcome::Expired),
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_refused_or_late_it_ends_flat(seed: u64, in_base: bool) {
        let mut dice = Rng::with_seed(seed);
        let (mut bench, mut fair, mut late) = (Bench::new(), [10_000i64; 2], Vec::new());
        let mut traded = 0;
        for _ in 0..1_500 {
            bench.wait_ms(dice.u64(1..120));
            let order = bench.orders.first().copied();
            let wanted = match order.filter(|_| dice.bool()) {
                Some(order) => next_word(&mut bench, &mut dice, &order, in_base, &mut late),
                None => next_book(&mut bench, &mut dice, &mut fair, false),
            };
            check(&bench, &wanted);
            traded += wanted.len();
            if dice.u32(0..40) == 0 && let Some(Late { at, side, px, qty }) = late.pop() {
                let fill = Fill {
                    fee: fee(side, qty.0, in_base),
                    ..Fill::bare(1, side, px, qty)
                };
                prop_assert!(bench.positions[at].add(&instrument(0, "a"), &fill));
            }
        }
        prop_assert!(traded > 0);
        // All is told, the exchanges agree on the price, and answer.
        for Late { at, side, px, qty } in late {
            let fill = Fill::bare(1, side, px, qty);
            prop_assert!(bench.positions[at].add(&instrument(0, "a"), &fill));
        }
        for _ in 0..400 {
            bench.wait_ms(60);
            let wanted = match bench.orders.first().copied() {
                Some(order) => {
                    let (id, left) = (order.instrument.0, order.remaining().0);
                    let fee = fee(order.side, left, in_base);
                    bench.fill_with(id, order.px.0, left, fee)
                }
                None => next_book(&mut bench, &mut dice, &mut fair, true),
            };
            check(&bench, &wanted);
        }
        prop_assert!(bench.orders.is_empty(), "{:?}", bench.orders);
        prop_assert!(open(&bench).abs() < 10, "{} open", open(&bench));
    }
}
