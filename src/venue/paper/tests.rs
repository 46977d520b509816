use super::*;
use crate::base::{
    Asset, Body, Event, Flags, Instrument, Kind, Level, Nanos, Stamps, Status, StrategyId, Symbol,
    UnixNanos,
};
use proptest::{collection, prop_assert, prop_assert_eq, proptest};
use std::collections::HashMap;

fn levels(levels: &[(i64, u64)]) -> impl Iterator<Item = Level> {
    levels.iter().map(|(px, qty)| Level {
        px: Px(*px),
        qty: Qty(*qty),
    })
}

/// A paper account, and the picture that it fills from.
type Bench = (Paper, Picture);

const A: InstrumentId = InstrumentId(0);
const B: InstrumentId = InstrumentId(1);

fn dark() -> Bench {
    let bare = |id, symbol| Instrument {
        id,
        ..Instrument::bare("binance", Symbol::from(symbol).unwrap(), (2, 5))
    };
    let table = [bare(A, "BTCUSDT"), bare(B, "ETHUSDT")];
    (Paper::new(), Picture::new(&table))
}

/// As a desk shows an event.
fn show_of((paper, view): &mut Bench, instrument: InstrumentId, body: Body) {
    const NOW: Nanos = Nanos::from_secs(1);
    let event = Event {
        stamps: Stamps {
            book: NOW,
            ..Stamps::default()
        },
        exch_time: UnixNanos(0),
        as_of: NOW,
        update_id: 1,
        epoch: 1,
        instrument,
        flags: Flags::default(),
        body,
    };
    view.handle_event(NOW, &event);
    if let Body::Book(_) = event.body {
        paper.handle_book(instrument, view);
    }
}

fn show(bench: &mut Bench, body: Body) {
    show_of(bench, A, body);
}

/// A print of an order that took this side.
fn print((paper, view): &mut Bench, taker: Side, px: i64, qty: u64) {
    let print = Trade {
        instrument: A,
        id: 1,
        px: Px(px),
        qty: Qty(qty),
        taker,
        exch_time: UnixNanos(0),
    };
    paper.handle_print(&print, view);
}

fn top(bids: &[(i64, u64)], asks: &[(i64, u64)]) -> Body {
    let mut top = Top::EMPTY;
    top.set(Side::Buy, levels(bids), bids.len(), false);
    top.set(Side::Sell, levels(asks), asks.len(), false);
    Body::Book(top)
}

fn paper(bids: &[(i64, u64)], asks: &[(i64, u64)]) -> Bench {
    let mut bench = dark();
    show(&mut bench, top(bids, asks));
    bench
}

fn order(side: Side, px: i64, qty: u64) -> NewOrder {
    typed(OrderType::ImmediateOrCancel, side, px, qty)
}

fn typed(order_type: OrderType, side: Side, px: i64, qty: u64) -> NewOrder {
    NewOrder {
        client_id: ClientId(9),
        strategy: StrategyId(0),
        instrument: A,
        side,
        px: Px(px),
        qty: Qty(qty),
        order_type,
    }
}

fn limit(side: Side, px: i64, qty: u64) -> NewOrder {
    typed(OrderType::Limit, side, px, qty)
}

fn name(order: &NewOrder) -> OrderRef {
    OrderRef {
        client_id: order.client_id,
        instrument: order.instrument,
        exchange_id: None,
    }
}

/// What is said, and of which order.
fn heard((paper, _): &mut Bench) -> Vec<(ClientId, Said)> {
    let all = std::iter::from_fn(|| paper.poll_news());
    let each = all.map(|news| {
        assert_eq!(news.source, Source::Answer);
        (news.client_id, news.said)
    });
    each.collect()
}

/// What is said of this order, of which alone something is said.
fn said_of(bench: &mut Bench, order: &NewOrder) -> Vec<Said> {
    let (paper, _) = bench;
    let all: Vec<News> = std::iter::from_fn(|| paper.poll_news()).collect();
    let ours =
        |news: &News| (news.client_id, news.instrument) == (order.client_id, order.instrument);
    assert!(all.iter().all(ours));
    all.iter().map(|news| news.said).collect()
}

fn outcomes(bench: &mut Bench, order: &NewOrder) -> Vec<Said> {
    bench.0.handle(Wish::Place(order), &bench.1);
    said_of(bench, order)
}

fn taken(exchange_id: u64) -> Said {
    Said::Taken { exchange_id }
}

fn traded(trade_id: u64, side: Side, px: i64, qty: u64, maker: bool) -> Said {
    Said::Fill(Fill {
        maker: Some(maker),
        ..Fill::bare(trade_id, side, Px(px), Qty(qty))
    })
}

fn bought(trade_id: u64, px: i64, qty: u64) -> Said {
    traded(trade_id, Side::Buy, px, qty, false)
}

fn sold(trade_id: u64, px: i64, qty: u64) -> Said {
    traded(trade_id, Side::Sell, px, qty, false)
}

fn ended(end: End, total: u64) -> Said {
    Said::Ended(end, Some(Qty(total)))
}

const BIDS: &[(i64, u64)] = &[(100, 5), (98, 7), (95, 9)];
const ASKS: &[(i64, u64)] = &[(101, 4), (103, 6), (104, 8)];

#[test]
fn a_buy_takes_each_level_at_its_own_price_up_to_its_limit_and_the_rest_expires() {
    let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Buy, 103, 20));
    let fills = [bought(1, 101, 4), bought(2, 103, 6)];
    assert_eq!(got, [taken(1), fills[0], fills[1], ended(End::Expired, 10)]);
}

#[test]
fn a_sell_takes_the_bids_and_ends_when_it_is_filled() {
    let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Sell, 95, 12));
    let fills = [sold(1, 100, 5), sold(2, 98, 7)];
    assert_eq!(got, [taken(1), fills[0], fills[1], ended(End::Filled, 12)]);
}

#[test]
fn an_order_that_does_not_reach_the_book_expires_whole() {
    for order in [order(Side::Buy, 100, 1), order(Side::Sell, 101, 1)] {
        let got = outcomes(&mut paper(BIDS, ASKS), &order);
        assert_eq!(got, [taken(1), ended(End::Expired, 0)]);
    }
}

#[test]
fn nothing_is_filled_beyond_what_is_seen() {
    let got = outcomes(&mut paper(BIDS, ASKS), &order(Side::Buy, 1_000, 100));
    let seen = [bought(1, 101, 4), bought(2, 103, 6), bought(3, 104, 8)];
    assert_eq!(got[1..4], seen);
    assert_eq!(got[4..], [ended(End::Expired, 18)]);
}

#[test]
fn ten_levels_and_a_rest_are_all_reported() {
    let asks: Vec<_> = (101..111).map(|px| (px, 1)).collect();
    let got = outcomes(&mut paper(BIDS, &asks), &order(Side::Buy, 200, 11));
    assert_eq!(got.len(), 1 + 10 + 1, "taken, ten fills and the end");
    assert_eq!(got[11], ended(End::Expired, 10));
}

#[test]
fn the_book_is_not_used_up_and_ids_count_up() {
    let (mut paper, order) = (paper(BIDS, ASKS), order(Side::Buy, 101, 4));
    for id in [1, 2] {
        let got = outcomes(&mut paper, &order);
        assert_eq!(got, [taken(id), bought(id, 101, 4), ended(End::Filled, 4)]);
    }
}

#[test]
fn without_a_live_book_an_order_is_rejected() {
    let rejected = [Said::Rejected {
        code: REJECTED_BOOK_NOT_LIVE,
    }];
    for order_type in OrderType::ALL {
        let order = typed(order_type, Side::Buy, 101, 1);
        assert_eq!(outcomes(&mut dark(), &order), rejected);
        let mut paper = paper(BIDS, ASKS);
        show(&mut paper, Body::Status(Status::Stale));
        assert_eq!(outcomes(&mut paper, &order), rejected);
        let foreign = NewOrder {
            instrument: InstrumentId(2),
            ..order
        };
        assert_eq!(outcomes(&mut paper, &foreign), rejected);
    }
}

#[test]
fn a_crossed_book_fills_nothing() {
    for order_type in OrderType::ALL {
        assert_eq!(
            outcomes(
                &mut paper(&[(101, 7)], &[(101, 7)]),
                &typed(order_type, Side::Buy, 101, 1)
            ),
            [Said::Rejected {
                code: REJECTED_BOOK_CROSSED
            }]
        );
    }
}

#[test]
fn what_a_limit_order_does_not_fill_at_once_rests() {
    let (mut paper, order) = (paper(BIDS, ASKS), limit(Side::Buy, 103, 20));
    let got = outcomes(&mut paper, &order);
    assert_eq!(got, [taken(1), bought(1, 101, 4), bought(2, 103, 6)]);
    show(&mut paper, top(&[(103, 1)], &[(104, 9)]));
    assert_eq!(
        said_of(&mut paper, &order),
        [],
        "nobody offers at its price"
    );
    paper.0.handle(Wish::Cancel(&name(&order)), &paper.1);
    assert_eq!(said_of(&mut paper, &order), [ended(End::Cancelled, 10)]);
}

#[test]
fn what_rests_is_filled_whole_at_its_own_price_once_the_other_side_reaches_it() {
    for (side, px, reaching) in [
        (Side::Buy, 99, top(&[(90, 1)], &[(99, 1)])),
        (Side::Buy, 99, top(&[(90, 1)], &[(97, 1)])),
        (Side::Sell, 102, top(&[(102, 1)], &[(110, 1)])),
        (Side::Sell, 102, top(&[(109, 1)], &[(110, 1)])),
    ] {
        let (mut paper, order) = (paper(BIDS, ASKS), limit(side, px, 20));
        assert_eq!(outcomes(&mut paper, &order), [taken(1)]);
        show(&mut paper, top(BIDS, ASKS));
        assert_eq!(said_of(&mut paper, &order), [], "the book is as before");
        show(&mut paper, reaching);
        let fill = traded(1, side, px, 20, true);
        assert_eq!(said_of(&mut paper, &order), [fill, ended(End::Filled, 20)]);
        show(&mut paper, reaching);
        assert_eq!(said_of(&mut paper, &order), [], "it is over");
    }
}

#[test]
fn what_rests_is_not_filled_by_a_book_that_is_another_instruments_crossed_or_not_live() {
    let (mut paper, order) = (paper(BIDS, ASKS), limit(Side::Buy, 99, 5));
    assert_eq!(outcomes(&mut paper, &order), [taken(1)]);
    show_of(&mut paper, B, top(&[(90, 1)], &[(91, 1)]));
    show(&mut paper, top(&[(99, 1)], &[(98, 1)]));
    assert_eq!(heard(&mut paper), []);
    show(&mut paper, Body::Status(Status::Stale));
    paper.0.handle_book(A, &paper.1);
    assert_eq!(heard(&mut paper), []);
    show(&mut paper, top(&[(90, 1)], &[(99, 1)]));
    assert_eq!(heard(&mut paper).len(), 2);
}

#[test]
fn an_order_that_wants_to_be_a_maker_rests_or_is_rejected_if_it_would_trade() {
    for (side, takes, rests) in [(Side::Buy, 101, 100), (Side::Sell, 100, 101)] {
        let mut paper = paper(BIDS, ASKS);
        let order = typed(OrderType::PostOnly, side, takes, 1);
        let rejected = Said::Rejected {
            code: REJECTED_WOULD_TRADE,
        };
        assert_eq!(outcomes(&mut paper, &order), [rejected]);
        let order = typed(OrderType::PostOnly, side, rests, 1);
        assert_eq!(outcomes(&mut paper, &order), [taken(1)]);
        show(&mut paper, top(&[(takes - 1, 9)], &[(rests + 1, 9)]));
        paper.0.handle(Wish::Cancel(&name(&order)), &paper.1);
        assert_eq!(said_of(&mut paper, &order), [ended(End::Cancelled, 0)]);
    }
}

#[test]
fn an_order_that_fills_whole_or_not_at_all_does_so() {
    let whole = typed(OrderType::FillOrKill, Side::Buy, 103, 10);
    let got = outcomes(&mut paper(BIDS, ASKS), &whole);
    let fills = [bought(1, 101, 4), bought(2, 103, 6)];
    assert_eq!(got, [taken(1), fills[0], fills[1], ended(End::Filled, 10)]);
    let more = typed(OrderType::FillOrKill, Side::Buy, 103, 11);
    let got = outcomes(&mut paper(BIDS, ASKS), &more);
    assert_eq!(got, [taken(1), ended(End::Expired, 0)]);
}

#[test]
fn an_order_at_any_price_takes_what_there_is_whatever_its_limit() {
    for (side, px) in [(Side::Buy, 1), (Side::Sell, 1_000)] {
        let order = typed(OrderType::Market, side, px, 30);
        let got = outcomes(&mut paper(BIDS, ASKS), &order);
        let there = if side == Side::Buy { 18 } else { 21 };
        assert_eq!((got.len(), got[0]), (5, taken(1)));
        assert_eq!(got[4], ended(End::Expired, there));
    }
    let order = typed(OrderType::Market, Side::Buy, 1, 4);
    let got = outcomes(&mut paper(BIDS, ASKS), &order);
    assert_eq!(got, [taken(1), bought(1, 101, 4), ended(End::Filled, 4)]);
}

#[test]
fn a_reduced_order_is_filled_up_to_what_is_left_of_it() {
    let (mut paper, order) = (paper(BIDS, ASKS), limit(Side::Buy, 101, 20));
    let got = outcomes(&mut paper, &order);
    assert_eq!(got, [taken(1), bought(1, 101, 4)]);
    paper
        .0
        .handle(Wish::Reduce(&name(&order), Qty(10)), &paper.1);
    assert_eq!(said_of(&mut paper, &order), [Said::Reduced(Qty(10))]);
    show(&mut paper, top(BIDS, ASKS));
    let fill = traded(2, Side::Buy, 101, 6, true);
    assert_eq!(said_of(&mut paper, &order), [fill, ended(End::Filled, 10)]);
}

#[test]
fn an_order_that_is_reduced_to_what_traded_is_over_and_one_cannot_be_increased() {
    let (mut paper, order) = (paper(BIDS, ASKS), limit(Side::Buy, 101, 20));
    outcomes(&mut paper, &order);
    let refused = Said::ChangeRefused {
        code: REFUSED_NO_ORDER,
    };
    let reduce = |(paper, view): &mut Bench, qty| {
        paper.handle(Wish::Reduce(&name(&order), Qty(qty)), view);
    };
    reduce(&mut paper, 21);
    assert_eq!(said_of(&mut paper, &order), [refused]);
    reduce(&mut paper, 3);
    let over = [Said::Reduced(Qty(4)), ended(End::Filled, 4)];
    assert_eq!(said_of(&mut paper, &order), over);
    reduce(&mut paper, 1);
    assert_eq!(said_of(&mut paper, &order), [refused]);
}

#[test]
fn a_cancel_ends_what_rests_and_is_refused_if_nothing_does() {
    let (mut paper, order) = (paper(BIDS, ASKS), limit(Side::Sell, 102, 3));
    let refused = Said::ChangeRefused {
        code: REFUSED_NO_ORDER,
    };
    assert_eq!(outcomes(&mut paper, &order), [taken(1)]);
    for said in [ended(End::Cancelled, 0), refused] {
        paper.0.handle(Wish::Cancel(&name(&order)), &paper.1);
        assert_eq!(said_of(&mut paper, &order), [said]);
    }
    show(&mut paper, top(&[(102, 9)], &[(103, 9)]));
    assert_eq!(heard(&mut paper), [], "it was cancelled");
}

#[test]
fn a_successor_is_placed_once_its_predecessor_is_over_and_never_beside_it() {
    let (mut paper, old) = (paper(BIDS, ASKS), limit(Side::Buy, 99, 3));
    let (first, second) = (ClientId(10), ClientId(11));
    let new = |client_id| NewOrder {
        client_id,
        ..limit(Side::Buy, 101, 2)
    };
    outcomes(&mut paper, &old);
    let wish = new(first);
    paper.0.handle(Wish::Replace(&name(&old), &wish), &paper.1);
    let replaced = [
        (old.client_id, ended(End::Cancelled, 0)),
        (first, taken(2)),
        (first, bought(1, 101, 2)),
        (first, ended(End::Filled, 2)),
    ];
    assert_eq!(heard(&mut paper), replaced);
    let wish = new(second);
    paper.0.handle(Wish::Replace(&name(&old), &wish), &paper.1);
    let refused = Said::ChangeRefused {
        code: REFUSED_NO_ORDER,
    };
    let kept = [(old.client_id, refused), (second, Said::NotSent)];
    assert_eq!(heard(&mut paper), kept);
}

proptest! {
    /// The twin takes one unit at a time from the cheapest ask that is left.
    #[test]
    fn it_fills_as_taking_unit_by_unit_does(
        qtys in collection::vec(1u64..6, 0..10),
        limit in 99i64..112,
        qty in 1u64..40,
    ) {
        let asks: Vec<_> = (101..).zip(qtys.iter().copied()).collect();
        let units = asks.iter().flat_map(|(px, n)| (0..*n).map(move |_| *px));
        let twin: Vec<i64> = units.filter(|px| *px <= limit).take(qty as usize).collect();
        let (mut got, mut end) = (Vec::new(), None);
        for said in outcomes(&mut paper(BIDS, &asks), &order(Side::Buy, limit, qty)) {
            prop_assert!(end.is_none(), "news after the end");
            match said {
                Said::Fill(fill) => got.extend((0..fill.qty.0).map(|_| fill.px.0)),
                Said::Ended(..) => end = Some(said),
                other => prop_assert_eq!(other, taken(1)),
            }
        }
        let whole = if got.len() == qty as usize { End::Filled } else { End::Expired };
        prop_assert_eq!(end, Some(ended(whole, got.len() as u64)));
        prop_assert_eq!(got, twin);
    }

    /// Whatever is wanted and shown, an order is told one end as the last thing, its fills make up
    /// the total of that, none is at a worse price than its limit, and trade ids rise.
    #[test]
    fn whatever_is_wanted_each_order_has_one_end_that_its_fills_make_up(
        acts in collection::vec((0u8..8, 0usize..5, 95i64..106, 1u64..12, 0u64..9), 1..80),
    ) {
        let mut bench = paper(BIDS, ASKS);
        let mut placed: Vec<NewOrder> = Vec::new();
        let (mut filled, mut ends) = (HashMap::new(), HashMap::new());
        let mut last_trade = 0;
        for (act, kind, px, qty, which) in acts {
            let side = if which % 2 == 0 { Side::Buy } else { Side::Sell };
            let next = NewOrder {
                client_id: ClientId(placed.len() as u64),
                ..typed(OrderType::ALL[kind], side, px, qty)
            };
            let old = placed.len().checked_sub(1 + which as usize).map(|at| name(&placed[at]));
            match (act, old) {
                (0..2, _) | (_, None) => {
                    placed.push(next);
                    bench.0.handle(Wish::Place(&next), &bench.1);
                }
                (2, Some(old)) => {
                    placed.push(next);
                    bench.0.handle(Wish::Replace(&old, &next), &bench.1);
                }
                (3, Some(old)) => bench.0.handle(Wish::Reduce(&old, Qty(qty)), &bench.1),
                (4, Some(old)) => bench.0.handle(Wish::Cancel(&old), &bench.1),
                (_, Some(_)) => show(&mut bench, top(&[(px - 1, qty)], &[(px, qty)])),
            }
            for (id, said) in heard(&mut bench) {
                let order = &placed[id.0 as usize];
                if let Said::ChangeRefused { .. } = said {
                    continue; // Also of one that is over.
                }
                prop_assert!(!ends.contains_key(&id), "news after the end");
                let sum: &mut u64 = filled.entry(id).or_default();
                match said {
                    Said::Fill(fill) => {
                        *sum += fill.qty.0;
                        let market = order.order_type == OrderType::Market;
                        prop_assert!(market || reaches(order, fill.px));
                        prop_assert!(last_trade < fill.trade_id);
                        last_trade = fill.trade_id;
                    }
                    Said::Ended(_, total) => prop_assert_eq!(total, Some(Qty(*sum))),
                    _ => {}
                }
                prop_assert!(*sum <= order.qty.0);
                let over = matches!(said, Said::Ended(..) | Said::Rejected { .. } | Said::NotSent);
                if over {
                    ends.insert(id, ());
                }
            }
        }
        for order in &placed {
            let rests = bench.0.place_of(&name(order)).is_some();
            prop_assert!(rests != ends.contains_key(&order.client_id));
            prop_assert!(!rests || order.order_type.rests());
        }
    }
}

mod queues;
