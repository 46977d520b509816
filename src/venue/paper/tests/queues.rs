//! Orders that rest: where they stand, what fills them, and what that costs.

use super::*;

/// What is ahead is at most what the book shows, and only prints take from it.
#[test]
fn an_order_that_rests_waits_for_all_that_was_shown_at_its_price() {
    let mut bench = paper(BIDS, ASKS);
    let order = limit(Side::Buy, 100, 4);
    assert_eq!(outcomes(&mut bench, &order), [taken(1)]);
    // Five are ahead: three go, two are left, and of the next three one is ours.
    print(&mut bench, Side::Sell, 100, 3);
    assert_eq!(said_of(&mut bench, &order), []);
    print(&mut bench, Side::Sell, 100, 3);
    let one = traded(1, Side::Buy, 100, 1, true);
    assert_eq!(said_of(&mut bench, &order), [one]);
    // A print of a buyer, or behind us, is none of ours.
    print(&mut bench, Side::Buy, 100, 9);
    print(&mut bench, Side::Sell, 101, 9);
    assert_eq!(said_of(&mut bench, &order), []);
    print(&mut bench, Side::Sell, 100, 9);
    let rest = traded(2, Side::Buy, 100, 3, true);
    assert_eq!(said_of(&mut bench, &order), [rest, ended(End::Filled, 4)]);
}

#[test]
fn no_more_is_ahead_than_the_book_shows_and_what_comes_behind_is_not() {
    let mut bench = paper(BIDS, ASKS);
    let order = limit(Side::Sell, 103, 4);
    assert_eq!(outcomes(&mut bench, &order), [taken(1)]);
    show(&mut bench, top(BIDS, &[(101, 4), (103, 2), (104, 8)]));
    show(&mut bench, top(BIDS, &[(101, 4), (103, 60), (104, 8)]));
    print(&mut bench, Side::Buy, 103, 3);
    assert_eq!(
        said_of(&mut bench, &order),
        [traded(1, Side::Sell, 103, 1, true)]
    );
}

#[test]
fn a_print_beyond_the_price_fills_as_much_as_it_has() {
    let mut bench = paper(BIDS, ASKS);
    let order = limit(Side::Buy, 98, 4);
    assert_eq!(outcomes(&mut bench, &order), [taken(1)]);
    print(&mut bench, Side::Sell, 97, 3);
    assert_eq!(
        said_of(&mut bench, &order),
        [traded(1, Side::Buy, 98, 3, true)]
    );
}

#[test]
fn below_the_horizon_only_a_price_that_was_traded_through_fills() {
    let mut bench = paper(BIDS, ASKS);
    let order = limit(Side::Buy, 90, 4);
    assert_eq!(outcomes(&mut bench, &order), [taken(1)]);
    print(&mut bench, Side::Sell, 90, 1_000);
    assert_eq!(said_of(&mut bench, &order), []);
    // It comes into view: all that is shown there is ahead.
    show(&mut bench, top(&[(92, 1), (90, 7), (89, 1)], ASKS));
    print(&mut bench, Side::Sell, 90, 8);
    assert_eq!(
        said_of(&mut bench, &order),
        [traded(1, Side::Buy, 90, 1, true)]
    );
    print(&mut bench, Side::Sell, 89, 2);
    assert_eq!(
        said_of(&mut bench, &order),
        [traded(2, Side::Buy, 90, 2, true)]
    );
    show(&mut bench, Body::Status(Status::Stale));
    print(&mut bench, Side::Sell, 89, 2);
    assert_eq!(said_of(&mut bench, &order), [], "no book is live");
}

#[test]
fn own_orders_share_a_print_by_price_and_then_by_time() {
    let mut bench = paper(BIDS, ASKS);
    let own = |id, px| NewOrder {
        client_id: ClientId(id),
        ..limit(Side::Buy, px, 2)
    };
    for order in [own(1, 98), own(2, 99), own(3, 99)] {
        bench.0.handle(Wish::Place(&order), &bench.1);
    }
    heard(&mut bench);
    print(&mut bench, Side::Sell, 98, 5);
    let fill = |trade_id, px, qty| traded(trade_id, Side::Buy, px, qty, true);
    let got = heard(&mut bench);
    let all = [
        (ClientId(2), fill(1, 99, 2)),
        (ClientId(2), ended(End::Filled, 2)),
        (ClientId(3), fill(2, 99, 2)),
        (ClientId(3), ended(End::Filled, 2)),
    ];
    assert_eq!(
        got, all,
        "one is left of it, and seven are ahead of the first order"
    );
}

#[test]
fn a_fill_pays_the_fee_of_its_side_in_what_it_brings() {
    let asset = |text| Asset::from(text).unwrap();
    let spot = Instrument {
        base: asset("BTC"),
        quote: asset("USDT"),
        ..Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    };
    let told = |of: &Instrument, side, ppm| {
        let fee = queue::fee(of, side, (Px(10_000), Qty(500)), ppm)?;
        assert!(!fee.rebate);
        Some((fee.asset.to_string(), fee.amount.to_string()))
    };
    let some = |asset: &str, amount: &str| Some((asset.to_owned(), amount.to_owned()));
    // Half a unit at 100.00, and a thousandth of what it brings.
    assert_eq!(told(&spot, Side::Buy, 1_000), some("BTC", "0.0005"));
    assert_eq!(told(&spot, Side::Sell, 1_000), some("USDT", "0.05"));
    assert_eq!(told(&spot, Side::Sell, 0), None);
    let mut swap = spot;
    swap.kind = Kind::Perpetual;
    assert_eq!(told(&swap, Side::Buy, 1_000), some("USDT", "0.05"));
    (swap.contract.size, swap.contract.inverse) = (100, true);
    assert_eq!(told(&swap, Side::Buy, 1_000), some("BTC", "0.0005"));
    // The account takes the maker's or the taker's.
    let (_, view) = paper(BIDS, ASKS);
    let fees = FeesPpm {
        maker: 0,
        taker: 1_000,
    };
    let mut bench = (Paper::paying(vec![fees]), view);
    let got = outcomes(&mut bench, &order(Side::Buy, 101, 4));
    assert!(matches!(got[1], Said::Fill(fill) if fill.fee.is_some()));
    let rests = limit(Side::Buy, 98, 4);
    outcomes(&mut bench, &rests);
    print(&mut bench, Side::Sell, 97, 4);
    let got = said_of(&mut bench, &rests);
    assert!(matches!(got[0], Said::Fill(fill) if fill.fee.is_none()));
}

proptest! {
    /// The twin keeps each share of one price in its own place: others' and ours, in the order in
    /// which they came. Books show all of others' shares, and cancels are of the newest of them.
    #[test]
    fn one_price_fills_as_a_queue_of_single_shares_does(
        steps in collection::vec((0u8..4, 1u64..6), 1..60),
    ) {
        let mut queue: Vec<Option<u64>> = vec![None; 5];
        let mut bench = paper(BIDS, ASKS);
        let (mut wanted, mut got) = (HashMap::new(), HashMap::new());
        for (id, (step, qty)) in steps.into_iter().enumerate() {
            let id = id as u64 + 1;
            match step {
                0 => {
                    let order = NewOrder { client_id: ClientId(id), ..limit(Side::Buy, 100, qty) };
                    bench.0.handle(Wish::Place(&order), &bench.1);
                    queue.extend((0..qty).map(|_| Some(id)));
                }
                1 => {
                    for owner in queue.drain(..queue.len().min(qty as usize)).flatten() {
                        *wanted.entry(owner).or_insert(0) += 1;
                    }
                    print(&mut bench, Side::Sell, 100, qty);
                }
                2 => queue.extend((0..qty).map(|_| None)),
                _ => {
                    for _ in 0..qty {
                        let newest = queue.iter().rposition(Option::is_none);
                        newest.map(|at| queue.remove(at));
                    }
                }
            }
            let others = queue.iter().filter(|owner| owner.is_none()).count() as u64;
            let bids = [(100, others), (98, 7)];
            show(&mut bench, top(&bids[usize::from(others == 0)..], ASKS));
            for (ClientId(id), said) in heard(&mut bench) {
                if let Said::Fill(fill) = said {
                    prop_assert_eq!((fill.px, fill.maker), (Px(100), Some(true)));
                    *got.entry(id).or_insert(0) += fill.qty.0;
                }
            }
            prop_assert_eq!(&got, &wanted);
        }
    }
}
