use super::super::market::{coins, listed};
use super::*;
use crate::exchange::by_name;
use crate::exchange::mirror::Listing;
use std::collections::BTreeMap;

const EPOCH: UnixNanos = UnixNanos(1_750_000_000_000_000_000);

fn default_market() -> Vec<(Listing, Profile)> {
    listed(by_name("binance").unwrap().mirror(), &coins(3), None)
}

fn flow(seed: u64) -> Flow {
    let (listing, profile) = default_market().swap_remove(0);
    Flow::new(listing.instrument, profile, seed, EPOCH)
}

fn events(flow: &mut Flow, until_ms: u64) -> Vec<Happened> {
    let mut out = Vec::new();
    while flow.poll_timeout() <= Nanos::from_millis(until_ms) {
        flow.step(&mut out);
    }
    out
}

#[test]
fn the_same_seed_makes_the_same_market() {
    let (mut one, mut two, mut other) = (flow(1), flow(1), flow(2));
    let want = events(&mut one, 5_000);
    assert_eq!(events(&mut two, 5_000), want);
    assert_ne!(events(&mut other, 5_000), want);
}

#[test]
fn diffs_rebuild_the_book_and_their_ids_are_dense() {
    let mut flow = flow(3);
    let mut book: [BTreeMap<Px, Qty>; 2] = [Side::Buy, Side::Sell].map(|side| {
        flow.book()
            .levels(side)
            .map(|level| (level.px, level.qty))
            .collect()
    });
    let mut last = flow.book().update_id();
    let mut messages: u64 = 0;
    let mut out = Vec::new();
    while flow.poll_timeout() <= Nanos::from_secs(10) {
        out.clear();
        flow.step(&mut out);
        // The book that is seen while an event is handled stands at that event.
        let top = flow.top();
        let fast = out.drain(..).find_map(|event| match event {
            Happened::Depth {
                pace: Pace::Fast,
                diff,
                number,
                bids,
                asks,
            } => Some((diff, number, bids, asks)),
            Happened::Depth { .. } | Happened::Trade(_) | Happened::Quote(_) => None,
        });
        let Some((diff, number, bids, asks)) = fast else {
            continue;
        };
        assert!(bids.is_sorted_by(|a, b| a.px > b.px) && asks.is_sorted_by(|a, b| a.px < b.px));
        assert_eq!((diff.first_id, diff.prev_id), (last + 1, Some(last)));
        assert_eq!(
            (number, flow.number(Pace::Fast)),
            (messages + 1, messages + 1)
        );
        assert!(diff.last_id >= diff.first_id);
        last = diff.last_id;
        for (side, levels) in book.iter_mut().zip([bids, asks]) {
            for level in levels {
                match level.qty {
                    Qty(0) => side.remove(&level.px),
                    qty => side.insert(level.px, qty),
                };
            }
        }
        let level = |(&px, &qty): (&Px, &Qty)| Level { px, qty };
        let bids: Vec<_> = book[0].iter().rev().take(AUDIT_LEVELS).map(level).collect();
        let asks: Vec<_> = book[1].iter().take(AUDIT_LEVELS).map(level).collect();
        assert_eq!((top.bids(), top.asks()), (&bids[..], &asks[..]));
        messages += 1;
    }
    assert!(messages >= 98, "{messages}");
}

#[test]
fn books_stay_between_150_and_400_levels_move_and_do_not_grow() {
    for seed in 0..2 {
        for (listing, profile) in default_market() {
            let symbol = listing.instrument.symbol;
            let mut flow = Flow::new(listing.instrument, profile, seed, EPOCH);
            let mut bests = BTreeSet::new();
            for minute in 1..=4 {
                events(&mut flow, minute * 60_000);
                for side in [Side::Buy, Side::Sell] {
                    let levels = flow.book().levels(side).count();
                    assert!(
                        (150..=400).contains(&levels),
                        "{symbol} seed={seed}: {levels}"
                    );
                }
                assert!(
                    flow.own
                        .iter()
                        .all(|own| own.len() < 2 * profile.orders_per_side)
                );
                bests.insert(flow.book().best(Side::Buy).unwrap().px);
            }
            assert!(bests.len() > 2, "{symbol} seed={seed} does not move");
        }
    }
}

#[test]
fn a_market_makes_between_100_and_330_messages_a_second() {
    let mut flow = flow(5);
    let count = events(&mut flow, 20_000).len() / 20;
    assert!((100..=330).contains(&count), "{count}");
}

#[test]
fn a_clients_order_trades_and_prints_at_once() {
    let mut flow = flow(4);
    let mut out = Vec::new();
    let now = Nanos::from_millis(50);
    events(&mut flow, 50);
    let ask = flow.book().best(Side::Sell).unwrap();
    flow.place(
        now,
        Incoming::flow(Side::Buy, ask.px, Qty(1_000), false),
        &mut out,
    );
    let Happened::Trade(trade) = &out[0] else {
        panic!("{out:?}")
    };
    assert_eq!(
        (trade.px, trade.qty, trade.taker),
        (ask.px, Qty(1_000), Side::Buy)
    );
}

#[test]
fn a_client_may_take_a_whole_side_and_rest_at_any_price() {
    let mut flow = flow(1);
    let mut out = Vec::new();
    let (all, most) = (Qty(u64::MAX / 4), Px(i64::MAX));
    flow.place(
        Nanos(1),
        Incoming::flow(Side::Buy, most, all, false),
        &mut out,
    );
    assert_eq!(flow.book().best(Side::Sell), None);
    flow.place(
        Nanos(1),
        Incoming::flow(Side::Sell, most, Qty(1), true),
        &mut out,
    );
    // The flow goes on beside it: it takes the side as it finds it, and fills it again.
    flow.take();
    events(&mut flow, 5_000);
    assert!(flow.book().best(Side::Sell).unwrap().px < most);
}
