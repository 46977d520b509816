//! What is known again after a run was killed, at any of its records.

use super::*;
use crate::base::{
    Accepter, Change, DAY_NS, DayGain, End, Fee, Fill, NewOrder, News, OrderType, Question,
    Resting, Said, Side, Source, Symbol,
};
use crate::trading::orders::Orders;

const VISIBILITY: Span = Span::from_secs(5);
const START: Nanos = Nanos::from_secs(1_000);
const BTC: InstrumentId = InstrumentId(0);
const ETH: InstrumentId = InstrumentId(1);
const MAKER: StrategyId = StrategyId(0);

fn listed(id: InstrumentId, symbol: &str, scales: (u8, u8)) -> Instrument {
    Instrument {
        id,
        base: Asset::from(&symbol[..3]).unwrap(),
        quote: Asset::from("USDT").unwrap(),
        ..Instrument::bare("a", Symbol::from(symbol).unwrap(), scales)
    }
}

fn table() -> Vec<Instrument> {
    vec![
        listed(BTC, "BTCUSDT", (2, 3)),
        listed(ETH, "ETHUSDT", (2, 3)),
    ]
}

fn order(id: u64, side: Side, qty: u64) -> NewOrder {
    NewOrder {
        client_id: ClientId(id),
        strategy: MAKER,
        instrument: BTC,
        side,
        px: Px(100),
        qty: Qty(qty),
        order_type: OrderType::Limit,
    }
}

fn admitted(id: u64, side: Side, qty: u64) -> Deed {
    Deed::Admitted {
        order: order(id, side, qty),
        tag: 7,
        replaces: None,
    }
}

fn heard(id: u64, source: Source, said: Said) -> Deed {
    Deed::Heard(News {
        client_id: ClientId(id),
        instrument: BTC,
        source,
        said,
    })
}

fn fill(trade_id: u64, side: Side, qty: u64) -> Fill {
    Fill::bare(trade_id, side, Px(100), Qty(qty))
}

fn taken(id: u64) -> Deed {
    let exchange_id = 100 + id;
    heard(id, Source::Answer, Said::Taken { exchange_id })
}

fn traded(id: u64, trade_id: u64, side: Side, qty: u64) -> Deed {
    heard(id, Source::Stream, Said::Fill(fill(trade_id, side, qty)))
}

fn asset(name: &str) -> Asset {
    Asset::from(name).unwrap()
}

/// A run in which everything happens.
fn run() -> Vec<Deed> {
    let cancel = |id| Deed::Asked {
        client_id: ClientId(id),
        instrument: BTC,
        change: Change::Cancel,
    };
    let found = Resting {
        client_id: Some(ClientId(5)),
        exchange_id: 105,
        instrument: Some(ETH),
        side: Side::Sell,
        px: Px(9),
        qty: Qty(9),
        traded: Qty(0),
    };
    let fee = Fee {
        asset: asset("BNB"),
        amount: crate::base::Decimal { units: 1, scale: 2 },
        rebate: false,
    };
    let paid = Fill {
        fee: Some(fee),
        ..fill(2, Side::Buy, 2)
    };
    let difference = Difference {
        asset: asset("ETH"),
        expected: 0,
        found: 5,
    };
    let small = Difference {
        asset: asset("BNB"),
        expected: 99 * 10i128.pow(16),
        found: 99 * 10i128.pow(16) - 7,
    };
    let by_rule = Deed::Accepted {
        entry: small.name(),
        by: Accepter::Rule,
    };
    let mode = |strategy, mode| Deed::Mode { strategy, mode };
    vec![
        Deed::Holds {
            asset: asset("USDT"),
            units: 10i128.pow(21),
        },
        Deed::Holds {
            asset: asset("BNB"),
            units: 10i128.pow(18),
        },
        Deed::HoldsNoOther,
        admitted(10, Side::Buy, 10),
        taken(10),
        traded(10, 1, Side::Buy, 3),
        traded(10, 1, Side::Buy, 3), // Twice.
        heard(10, Source::Answer, Said::Fill(paid)),
        Deed::Adopted(found),
        admitted(11, Side::Sell, 5),
        heard(11, Source::Answer, Said::Rejected { code: -1 }),
        admitted(12, Side::Sell, 4),
        taken(12),
        heard(12, Source::Answer, Said::Traded(Qty(2))),
        cancel(12),
        heard(
            12,
            Source::Stream,
            Said::Ended(End::Cancelled, Some(Qty(2))),
        ),
        traded(3, 9, Side::Sell, 1), // A stray one.
        Deed::Held {
            instrument: BTC,
            on: true,
        },
        difference.deed(),
        small.deed(),
        by_rule,
        mode(StrategyId::NONE, Mode::ReduceOnly),
        mode(MAKER, Mode::Halted),
        mode(StrategyId::NONE, Mode::Trading),
        Deed::Listed {
            instrument: BTC,
            asked: START,
            to: Some(9),
        },
        admitted(13, Side::Buy, 1),
        heard(13, Source::Query { asked: START }, Said::Absent),
    ]
}

/// One record each second.
fn at(n: usize) -> Nanos {
    START + Span::from_secs(1) * n as u64
}

fn recovery(deeds: &[Deed]) -> Recovery {
    let mut recovery = Recovery::new(&table(), VISIBILITY);
    for (n, deed) in deeds.iter().enumerate() {
        recovery.take(at(n), deed).unwrap();
    }
    recovery
}

fn recovered(deeds: &[Deed]) -> Recovered {
    recovery(deeds).finish(at(deeds.len()))
}

#[test]
fn everything_that_a_run_left_is_known_again() {
    let known = recovered(&run());
    let of = |id: u64| {
        let mut all = known.orders.iter();
        *all.find(|open| open.working.client_id == ClientId(id))
            .unwrap()
    };
    assert_eq!(known.orders.len(), 4);
    let first = of(10);
    assert_eq!((first.working.filled, first.told), (Qty(5), Qty(5)));
    assert_eq!((first.exchange_id, first.working.acked), (Some(110), true));
    assert_eq!(first.working.tag, 7);
    assert_eq!(first.age, Span::from_secs(24));
    let cut = of(12);
    assert_eq!((cut.working.filled, cut.told), (Qty(0), Qty(2)));
    assert_eq!(cut.over, Some((End::Cancelled, Some(Qty(2)))));
    assert_eq!(of(13).exchange_id, None);
    assert_eq!(of(5).working.strategy, StrategyId::NONE);
    let bought = Position {
        qty: 5,
        cash: -500,
        cost: 500,
        taken: 0,
    };
    let stray = Position {
        qty: -1,
        cash: 100,
        cost: -100,
        taken: 0,
    };
    let positions = [(MAKER, BTC, bought), (StrategyId::NONE, BTC, stray)];
    assert_eq!(known.positions, positions);
    assert_eq!(known.trades, [(BTC, 1), (BTC, 2), (BTC, 9)]);
    // 0.005 at 1.00 bought, 0.001 sold again.
    let units = |name| {
        let mut all = known.holdings.iter();
        all.find(|(of, _)| *of == asset(name))
            .map(|(_, units)| *units)
    };
    assert_eq!(units("USDT"), Some(10i128.pow(21) - 4 * 10i128.pow(15)));
    assert_eq!(units("BTC"), Some(4 * 10i128.pow(15)));
    assert_eq!(units("BNB"), Some(99 * 10i128.pow(16) - 7));
    assert_eq!(units("ETH"), Some(5));
    assert_eq!(known.differences.len(), 1);
    assert_eq!(
        (known.day, &known.accepted[..]),
        (0, &[(asset("BNB"), 7)][..])
    );
    assert_eq!((&known.held[..], known.used_to), (&[BTC][..], 13));
    assert_eq!(known.modes, [(MAKER, Mode::Halted)]);
}

#[test]
fn a_run_that_was_killed_at_any_record_is_known_up_to_there() {
    let all = run();
    let mut twin = Orders::new(OPEN_MAX, 2, VISIBILITY);
    for n in 0..all.len() {
        let known = recovered(&all[..n]);
        let open: Vec<OpenOrder> = twin.known(at(n)).collect();
        assert_eq!(known.orders, open, "after {n}");
        // A part of a list says nothing of what it does not name.
        assert_eq!(known.holds_no_other, n > 2, "after {n}");
        match all[n] {
            Deed::Admitted { order, tag, .. } => twin.open(at(n), &order, tag),
            Deed::Asked { client_id, .. } => twin.change(at(n), client_id),
            Deed::Heard(news) => twin.hear(at(n), &news),
            Deed::Adopted(resting) => assert!(twin.adopt(at(n), &resting)),
            _ => {}
        }
    }
}

/// T6: what is taken in a second time changes nothing.
#[test]
fn a_second_recovery_from_what_the_first_one_left_finds_the_same() {
    let all = run();
    for n in 0..all.len() {
        let mut first = recovered(&all[..n]);
        let mut again = Recovery::new(&table(), VISIBILITY);
        for deed in first.deeds(at(n)) {
            again.take(at(n), &deed).unwrap();
        }
        let mut second = again.finish(at(n));
        // Whoever takes orders over doubts them until the exchange has said how they stand.
        assert!(second.orders.iter().all(|open| open.working.in_doubt));
        for (second, first) in second.orders.iter_mut().zip(&first.orders) {
            second.working.in_doubt = first.working.in_doubt;
        }
        // Of a list only the number counts.
        for (_, to, age) in first.listed.iter_mut().chain(&mut second.listed) {
            *age = if to.is_some() { Span::ZERO } else { *age };
        }
        assert_eq!(second, first, "after {n}");
    }
}

/// Failure mode 41: a trade that was taken in before a kill is none after it, and one that came
/// while nobody listened is.
#[test]
fn trades_are_taken_in_once_over_a_restart() {
    let all = run();
    for n in 0..=all.len() {
        let known = recovered(&all[..n]);
        let mut orders = Orders::new(OPEN_MAX, 2, VISIBILITY);
        for (instrument, trade) in &known.trades {
            orders.seen_mut().insert(*instrument, *trade);
        }
        for open in &known.orders {
            assert!(orders.resume(at(n), open));
        }
        let bought: u64 = known.orders.iter().map(|open| open.working.filled.0).sum();
        for deed in &all {
            if let Deed::Heard(News {
                said: Said::Fill(_),
                ..
            }) = deed
                && let Deed::Heard(news) = deed
            {
                orders.hear(at(n), news);
            }
        }
        let filled: u64 = orders.working().iter().map(|order| order.filled.0).sum();
        let whole = known
            .orders
            .iter()
            .any(|open| open.working.client_id == ClientId(10));
        assert_eq!(filled, if whole { 5 } else { 0 }, "after {n}");
        assert!(bought <= filled, "after {n}");
    }
}

#[test]
fn an_order_that_was_taken_over_is_in_doubt_and_asked_about_first() {
    let known = recovered(&run()[..6]);
    let mut orders = Orders::new(4, 2, VISIBILITY);
    let now = Nanos::from_secs(3); // After the machine began again.
    assert!(orders.resume(now, &known.orders[0]));
    assert!(!orders.resume(now, &known.orders[0]), "twice");
    assert_eq!(orders.pending(BTC).buy, 7);
    assert_eq!(orders.oldest(BTC, now), Span::from_secs(3));
    let Some(Output::Report(report)) = orders.poll_output() else {
        panic!("its strategy is not told");
    };
    assert_eq!(
        (report.outcome, report.remaining),
        (Outcome::InDoubt, Qty(7))
    );
    orders.handle_timeout(now);
    let Some(Output::Ask(Question::Order(name))) = orders.poll_output() else {
        panic!("nobody is asked");
    };
    // Nobody was there to be asked: at the first connection it is asked again, and not later.
    let now = now + Span::from_millis(1);
    orders.handle_timeout(now);
    assert_eq!(orders.poll_output(), None);
    orders.ask_now(now);
    orders.handle_timeout(now);
    assert_eq!(
        orders.poll_output(),
        Some(Output::Ask(Question::Order(name)))
    );
    assert_eq!(
        (name.client_id, name.exchange_id),
        (ClientId(10), Some(110))
    );
    // What the exchange says of it counts as ever.
    let said = |said| News {
        client_id: ClientId(10),
        instrument: BTC,
        source: Source::Query { asked: now },
        said,
    };
    orders.hear(now, &said(Said::Fill(fill(2, Side::Buy, 2))));
    orders.hear(now, &said(Said::Ended(End::Cancelled, Some(Qty(5)))));
    assert!(orders.is_empty());
    assert_eq!(orders.next_id(), 11);
}

#[test]
fn an_order_that_may_never_have_left_is_denied_only_after_its_exchange_must_know_of_it() {
    let known = recovered(&run()[..4]);
    let mut orders = Orders::new(4, 2, VISIBILITY);
    assert!(orders.resume(START, &known.orders[0]));
    let deny = |orders: &mut Orders, asked| {
        let news = News {
            client_id: ClientId(10),
            instrument: BTC,
            source: Source::Query { asked },
            said: Said::Absent,
        };
        orders.hear(asked, &news);
        orders.hear_trades_listed(BTC, asked);
    };
    deny(&mut orders, START + Span::from_secs(4));
    assert!(!orders.is_empty());
    deny(&mut orders, START + VISIBILITY);
    assert!(orders.is_empty());
}

#[test]
fn records_that_cannot_follow_each_other_are_refused_in_words() {
    let refused = |deeds: &[Deed], last: Deed| {
        let mut recovery = recovery(deeds);
        recovery.take(at(9), &last).unwrap_err()
    };
    let first = admitted(10, Side::Buy, 1);
    assert!(refused(&[first], first).contains("there was before"));
    assert!(refused(&[first], admitted(9, Side::Buy, 1)).contains("there was before"));
    assert!(refused(&[], admitted(1, Side::Buy, 0)).contains("nobody can send"));
    assert!(refused(&[], admitted(u64::MAX, Side::Buy, 1)).contains("nobody can send"));
    let open = Deed::Open(recovered(&[first]).orders[0]);
    assert!(refused(&[open], open).contains("cannot be open"));
}

#[test]
fn ids_and_scales_of_another_run_are_those_of_the_same_symbols_and_names() {
    let (from, to) = (
        table(),
        [
            listed(BTC, "LTCUSDT", (2, 2)),
            listed(ETH, "BTCUSDT", (4, 5)),
        ],
    );
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    let (old, new) = (names(&["maker"]), names(&["other", "maker"]));
    let from = Table {
        instruments: &from,
        strategies: &old,
    };
    let known = recovered(&run()[..7]);
    let moved = |to: &[Instrument], strategies: &[String]| {
        let to = Table {
            instruments: to,
            strategies,
        };
        known.clone().into_table(from, to)
    };
    let found = moved(&to, &new).unwrap();
    let order = found.orders[0];
    assert_eq!(
        (order.working.strategy, order.working.instrument),
        (StrategyId(1), ETH)
    );
    assert_eq!(
        (order.working.px, order.working.qty),
        (Px(10_000), Qty(1_000))
    );
    assert_eq!((order.working.filled, order.told), (Qty(300), Qty(300)));
    let position = Position {
        qty: 300,
        cash: -3_000_000,
        cost: 3_000_000,
        taken: 0,
    };
    assert_eq!(found.positions, [(StrategyId(1), ETH, position)]);
    assert_eq!(found.trades, [(ETH, 1)]);
    // An order of a strategy that is gone is nobody's; a position of it is not in this run.
    let orphan = moved(&to, &new[..1]).unwrap();
    let working = orphan.orders[0].working;
    assert_eq!((working.strategy, working.tag), (StrategyId::NONE, 0));
    assert!(orphan.positions.is_empty());
    // But no order is forgotten.
    let why = moved(&to[..1], &new).unwrap_err();
    assert!(why.contains("BTCUSDT") && why.contains("[[feed]]"), "{why}");
    let why = moved(&[listed(BTC, "BTCUSDT", (2, 2))], &new).unwrap_err();
    assert!(why.contains("scales"), "{why}");
}

/// What all together and the maker gained, and the most that it was, in units of 10^-8.
fn gains(known: &Recovered) -> Vec<(StrategyId, i128, i128)> {
    let gains = known.gains.iter();
    gains
        .map(|gain| (gain.strategy, gain.gained, gain.best))
        .collect()
}

#[test]
fn what_was_gained_of_a_day_is_known_again_on_that_day_to_the_last_unit() {
    let marked = |bid, ask| Deed::Marked {
        instrument: BTC,
        bid: Px(bid),
        ask: Px(ask),
    };
    let all = StrategyId::NONE;
    // 0.010 are bought at 1.00, and worth 1.20 at best.
    let mut deeds = vec![
        admitted(10, Side::Buy, 10),
        taken(10),
        marked(100, 101),
        traded(10, 1, Side::Buy, 10),
        marked(120, 121),
        marked(90, 91),
    ];
    let (lost, best) = (-100_000, 200_000);
    let known = recovered(&deeds);
    assert_eq!(gains(&known), [(MAKER, lost, best), (all, lost, best)]);
    assert_eq!(known.marks, [(BTC, Px(90), Px(91))]);
    // The run itself saw more than its marks.
    let seen = |strategy| {
        Deed::Day(DayGain {
            strategy,
            quote: asset("USDT"),
            gained: lost,
            best: 300_000,
        })
    };
    deeds.extend([seen(all), seen(MAKER)]);
    let known = recovered(&deeds);
    assert_eq!(
        gains(&known),
        [(MAKER, lost, 300_000), (all, lost, 300_000)]
    );
    // Sold at 0.80: 0.001 more is lost, though no record says so.
    deeds.extend([
        admitted(11, Side::Sell, 10),
        marked(80, 81),
        heard(
            11,
            Source::Stream,
            Said::Fill(Fill::bare(2, Side::Sell, Px(80), Qty(10))),
        ),
    ]);
    let known = recovered(&deeds);
    let lost = lost - 100_000;
    assert_eq!(
        gains(&known),
        [(MAKER, lost, 300_000), (all, lost, 300_000)]
    );
    // A day later it is another day.
    let later = recovery(&deeds).finish(at(0) + Span(DAY_NS as u64));
    assert_eq!((gains(&later), later.marks), (vec![], vec![]));
    // Who was halted and let go counts from there.
    for mode in [Mode::Halted, Mode::Trading] {
        let strategy = MAKER;
        deeds.push(Deed::Mode { strategy, mode });
    }
    assert_eq!(gains(&recovered(&deeds)), [(all, lost, 300_000)]);
}
