//! The price formula against a naive twin, and the limits against an exchange that does as it
//! pleases.

use super::*;
use proptest::{prop_assert, prop_assert_eq, proptest};

proptest! {
    /// The twin reckons with fractions of a common denominator, from the formula as it is written.
    #[test]
    fn prices_are_those_of_the_formula(
        bid in 1_000i64..1_000_000,
        spread in 1i64..500,
        qtys in (1u64..1_000_000, 1u64..1_000_000),
        half_ppm in 0u64..20_000,
        skews in (0u64..5_000, 0u64..5_000),
        flow in -5_000i128..5_000,
        held in -1_000_000i128..1_000_000,
        tick in 1i64..50,
    ) {
        let bid = bid - bid % tick;
        let ask = bid + spread * tick;
        let set = [
            (&HALF_SPREAD_PPM, half_ppm),
            (&FLOW_SKEW_PPM, skews.0),
            (&INVENTORY_SKEW_PPM, skews.1),
        ];
        let rules = Rules::of(&values(&set));
        let level = |px, qty| Level { px: Px(px), qty: Qty(qty) };
        let best = (level(bid, qtys.0), level(ask, qtys.1));
        let got = rules.quotes(Px(tick), best, flow, held).unwrap();
        // Over 2 * 10^12 * (bid quantity + ask quantity).
        let (bid, ask, tick) = (i128::from(bid), i128::from(ask), i128::from(tick));
        let (near, far) = (i128::from(qtys.0), i128::from(qtys.1));
        let whole = 2 * PPM * PPM * (near + far);
        let fair = (bid * far + ask * near) * 2 * PPM * PPM;
        let mid = (bid + ask) * (near + far);
        let skew = i128::from(skews.0) * flow * (PPM / MILLI) - i128::from(skews.1) * held;
        let half = mid * i128::from(half_ppm) * PPM;
        let low = fair + mid * skew - half;
        let high = fair + mid * skew + half;
        // Each rounding is by less than a millionth of a price unit, and there are four.
        let slack = 4 * whole / PPM;
        let down = |over: i128| over.div_euclid(whole * tick) * tick;
        let up = |over: i128| -(-over).div_euclid(whole * tick) * tick;
        let buy = i128::from(got.buy.0);
        prop_assert!(buy <= down(low + slack).min(ask - tick));
        prop_assert!(buy >= down(low - slack).min(ask - tick));
        let sell = i128::from(got.sell.0);
        prop_assert!(sell <= up(high + slack).max(bid + tick));
        prop_assert!(sell >= up(high - slack).max(bid + tick));
        prop_assert_eq!(buy.rem_euclid(tick) + sell.rem_euclid(tick), 0);
        prop_assert!(buy < sell || half_ppm == 0);
    }

    /// Whatever the exchange makes of its orders, and in whatever order it says so: what it holds
    /// and all that may still trade stay within the limits; `Bench::check` sees that nothing
    /// crosses.
    #[test]
    fn no_order_lets_it_hold_more_than_it_may(
        seed in 0u64..u64::MAX,
        limit in 1u64..5,
        short in 0u64..5,
        spot: bool,
    ) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let kind = match spot {
            true => InstrumentKind::Spot,
            false => InstrumentKind::Perpetual,
        };
        let mut bench = Bench::of(kind, &[
            (&POSITION_QUOTES, limit),
            (&SHORT_QUOTES, short),
            (&HALF_SPREAD_PPM, 300),
            (&INVENTORY_SKEW_PPM, 500),
            (&FLOW_SKEW_PPM, 200),
            (&PULL_PPM, 3_000),
            (&COOLDOWN_MS, 50),
            (&PULL_MS, 100),
        ]);
        let (mut mid, mut placed) = (10_000i64, 0);
        for step in 0..400 {
            bench.wait_ms(dice.u64(0..60));
            let at = dice.usize(0..bench.orders.len().max(1));
            let order = bench.orders.get(at).copied();
            let wanted = match (dice.u32(0..20), order) {
                (0..=7, _) | (_, None) => {
                    mid += dice.i64(-12..13);
                    let spread = dice.i64(1..8);
                    let qty = |dice: &mut fastrand::Rng| dice.u64(1..900);
                    let bid = (mid - spread, qty(&mut dice));
                    bench.book_of(bid, (mid + spread, qty(&mut dice)))
                }
                (8, _) => bench.event(Body::Status(Status::Stale)),
                (9, _) => bench.event(Body::Trading(dice.bool())),
                (10..=12, Some(order)) if !order.acked => bench.ack(at),
                (10..=15, Some(order)) => {
                    let left = order.remaining().0;
                    bench.fill(at, dice.u64(1..=left), None)
                }
                (16, Some(_)) => {
                    bench.orders[at].in_doubt = true;
                    bench.report(at, Outcome::InDoubt)
                }
                (17, Some(order)) if order.in_doubt => {
                    bench.orders[at].in_doubt = false;
                    bench.ack(at)
                }
                (17, Some(order)) if order.changing => {
                    let reduced = bench.reduces.iter().rev().find(|(id, _)| *id == order.client_id);
                    bench.orders[at].changing = false;
                    match reduced {
                        Some((_, qty)) if *qty > order.filled => {
                            bench.orders[at].qty = *qty;
                            bench.report(at, Outcome::Reduced)
                        }
                        _ => bench.report(at, Outcome::ChangeRefused { code: 1 }),
                    }
                }
                (_, Some(order)) if !order.acked => bench.report(at, Outcome::Rejected { code: 1 }),
                (_, Some(_)) => bench.report(at, Outcome::Cancelled),
            };
            placed += wanted.len();
            let sum = |side| {
                let own = bench.orders.iter().filter(|order| order.side == side);
                own.map(|order| i128::from(order.remaining().0)).sum::<i128>()
            };
            let (held, limit) = (bench.position.qty, i128::from(limit * QUOTE));
            let short = if spot { limit.min(i128::from(short * QUOTE)) } else { limit };
            prop_assert!(held + sum(Buy) <= limit, "seed={} step={}", seed, step);
            prop_assert!(held - sum(Sell) >= -short, "seed={} step={}", seed, step);
        }
        prop_assert!(placed > 0, "seed={}", seed);
    }
}
