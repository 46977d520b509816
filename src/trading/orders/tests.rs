//! What orders tell, ask and count, one sentence each.

mod cases;

use super::*;
use crate::base::{End, OrderType, Px, TradesOf};
use proptest::prelude::*;

const INSTRUMENT: InstrumentId = InstrumentId(3);
const VISIBILITY: Span = Span::from_secs(5);
const START: Nanos = Nanos::from_secs(100);
const ACKED: Outcome = Outcome::Acked { exchange_id: 5 };
const TAKEN: Said = Said::Taken { exchange_id: 5 };
const REJECTED: Said = Said::Rejected { code: -1 };

fn order(id: u64, qty: u64, order_type: OrderType) -> NewOrder {
    NewOrder {
        client_id: ClientId(id),
        strategy: StrategyId(2),
        instrument: INSTRUMENT,
        side: Side::Sell,
        px: Px(100),
        qty: Qty(qty),
        order_type,
    }
}

fn fill_of(trade_id: u64, qty: u64) -> Fill {
    Fill::bare(trade_id, Side::Sell, Px(101), Qty(qty))
}

fn fill(trade_id: u64, qty: u64) -> Said {
    Said::Fill(fill_of(trade_id, qty))
}

fn ended(end: End, total: u64) -> Said {
    Said::Ended(end, Some(Qty(total)))
}

/// Orders, and the time that it is.
struct Bench {
    orders: Orders,
    now: Nanos,
}

impl Bench {
    fn new() -> Self {
        Self {
            orders: Orders::new(4, 4, VISIBILITY),
            now: START,
        }
    }

    /// One order of ten under the id 1.
    fn with(order_type: OrderType) -> Self {
        let mut bench = Self::new();
        bench.orders.open(START, &order(1, 10, order_type), 77);
        bench
    }

    fn hear_of(&mut self, id: u64, source: Source, said: Said) {
        let news = News {
            client_id: ClientId(id),
            instrument: INSTRUMENT,
            source,
            said,
        };
        self.orders.hear(self.now, &news);
    }

    fn hear(&mut self, said: Said) {
        self.hear_of(1, Source::Answer, said);
    }

    /// The answer to a question that leaves now.
    fn answered(&mut self, said: Said) {
        self.hear_of(1, Source::Query { asked: self.now }, said);
    }

    fn later(&mut self, span: Span) {
        let until = self.now + span;
        while self.orders.poll_timeout() <= until {
            self.now = self.now.max(self.orders.poll_timeout());
            self.orders.handle_timeout(self.now);
        }
        self.now = until;
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.orders.poll_output()).collect()
    }

    /// What strategies are told, and how much was left each time.
    fn told(&mut self) -> Vec<(Outcome, u64)> {
        let told = |output| match output {
            Output::Report(report) => Some((report.outcome, report.remaining.0)),
            _ => None,
        };
        self.outputs().into_iter().filter_map(told).collect()
    }

    fn asked(&mut self) -> Vec<Question> {
        let asked = |output| match output {
            Output::Ask(question) => Some(question),
            _ => None,
        };
        self.outputs().into_iter().filter_map(asked).collect()
    }

    fn pending(&self) -> u128 {
        self.orders.pending(INSTRUMENT).sell
    }
}

/// What one order of ten is told of these answers.
fn told(said: &[Said]) -> Vec<(Outcome, u64)> {
    let mut bench = Bench::with(OrderType::Limit);
    said.iter().for_each(|said| bench.hear(*said));
    bench.told()
}

fn filled(trade_id: u64, qty: u64, left: u64) -> (Outcome, u64) {
    (Outcome::Fill(fill_of(trade_id, qty)), left)
}

const DOUBT: (Outcome, u64) = (Outcome::InDoubt, 10);

#[test]
fn a_report_says_what_was_ordered_and_what_is_left_of_it() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(fill(1, 4));
    let expected = Report {
        client_id: ClientId(1),
        strategy: StrategyId(2),
        tag: 77,
        instrument: INSTRUMENT,
        side: Side::Sell,
        px: Px(100),
        qty: Qty(10),
        remaining: Qty(6),
        outcome: Outcome::Fill(fill_of(1, 4)),
    };
    assert_eq!(bench.outputs(), [Output::Report(expected)]);
}

/// T3: of an order that is over.
#[test]
fn what_is_said_after_the_end_or_twice_is_nothing_new() {
    let expired = ended(End::Expired, 4);
    let all = [
        TAKEN,
        TAKEN,
        fill(1, 4),
        fill(1, 4),
        expired,
        expired,
        fill(1, 4),
        TAKEN,
    ];
    let once = [(ACKED, 10), filled(1, 4, 6), (Outcome::Expired, 6)];
    assert_eq!(told(&all), once);
}

#[test]
fn of_an_order_that_was_filled_whole_the_end_is_that_it_was() {
    for end in [ended(End::Filled, 10), ended(End::Expired, 10), TAKEN] {
        let said = [filled(1, 4, 6), filled(2, 6, 0), (Outcome::Filled, 0)];
        assert_eq!(told(&[fill(1, 4), fill(2, 6), end]), said);
    }
}

#[test]
fn an_end_waits_for_the_trades_that_make_up_what_it_says_was_traded() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    bench.hear(ended(End::Cancelled, 7));
    assert_eq!(bench.told(), [(ACKED, 10)]);
    assert_eq!(bench.pending(), 7, "what may still trade is what did");
    bench.later(TRADES_MAX);
    let question = Question::Trades(INSTRUMENT, TradesOf::Order(5));
    assert_eq!(bench.asked(), [question]);
    bench.hear(fill(1, 3));
    assert_eq!(bench.told(), [filled(1, 3, 7)]);
    let asked = bench.now;
    bench
        .orders
        .hear_trade(bench.now, (INSTRUMENT, 9), asked, fill_of(8, 4));
    assert_eq!(bench.told(), [], "another order's");
    bench
        .orders
        .hear_trade(bench.now, (INSTRUMENT, 5), asked, fill_of(2, 4));
    assert_eq!(bench.told(), [filled(2, 4, 3), (Outcome::Cancelled, 3)]);
    assert_eq!(bench.pending(), 0);
}

#[test]
fn an_order_without_an_answer_is_in_doubt_and_asked_about_until_somebody_knows() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.later(ANSWER_MAX - Span(1));
    assert_eq!(bench.outputs(), []);
    bench.later(Span::from_secs(60));
    let outputs = bench.outputs();
    assert_eq!(outputs.len(), 1 + bench_questions(&outputs));
    let name = bench.orders.name(ClientId(1)).unwrap();
    assert!(
        outputs[1..]
            .iter()
            .all(|o| *o == Output::Ask(Question::Order(name)))
    );
    // At once, and then less and less often: never more seldom than every five seconds.
    assert!(
        (13..=18).contains(&bench_questions(&outputs)),
        "{}",
        outputs.len()
    );
    assert_eq!(
        (bench.pending(), bench.orders.len()),
        (10, 1),
        "no time ends it"
    );
    bench.answered(TAKEN);
    bench.later(Span::from_secs(60));
    assert_eq!(bench.told(), [(ACKED, 10)]);
    assert!(!bench.orders.working()[0].in_doubt);
}

fn bench_questions(outputs: &[Output]) -> usize {
    outputs
        .iter()
        .filter(|o| matches!(o, Output::Ask(_)))
        .count()
}

#[test]
fn a_denial_counts_once_the_exchange_must_know_the_order_and_its_trades_say_the_same() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    bench.answered(Said::Absent);
    bench.later(VISIBILITY - Span(1));
    bench.answered(Said::Absent);
    assert_eq!(bench.told(), [DOUBT], "too early");
    bench.later(Span(1));
    bench.answered(Said::Absent);
    bench.later(Span(1));
    let asked = bench.asked();
    let Some(Question::Trades(INSTRUMENT, TradesOf::Last(span))) = asked.last() else {
        panic!("{asked:?}");
    };
    assert!(VISIBILITY < *span);
    assert_eq!((bench.pending(), bench.orders.len()), (10, 1));
    bench.orders.hear_trades_listed(INSTRUMENT, START);
    assert_eq!(bench.told(), [], "that list is older than the denial");
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!(bench.told(), [(Outcome::NotSent, 10)]);
    assert_eq!(bench.pending(), 0);
}

#[test]
fn what_the_stream_said_and_nobody_could_read_is_asked_about() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    assert_eq!(bench.told(), [(ACKED, 10)]);
    bench.hear_of(1, Source::Stream, Said::Unanswered);
    bench.later(Span(1));
    let asked = bench.asked();
    assert!(matches!(asked[..], [Question::Order(_)]), "{asked:?}");
    bench.answered(TAKEN);
    bench.later(Span::from_secs(60));
    assert_eq!(bench.asked(), [], "the exchange has said how it stands");
}

#[test]
fn an_order_that_was_seen_is_not_denied_away() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    bench.later(Span::from_secs(60));
    bench.answered(Said::Absent);
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!(bench.told(), [(ACKED, 10), DOUBT]);
    assert_eq!(bench.pending(), 10);
}

#[test]
fn doubt_is_said_once_and_is_no_end_and_a_late_answer_ends_it() {
    let rejected = Outcome::Rejected { code: -1 };
    for (end, last) in [
        (ended(End::Expired, 0), Outcome::Expired),
        (REJECTED, rejected),
    ] {
        let said = told(&[Said::Unanswered, Said::Unanswered, end]);
        assert_eq!(said, [DOUBT, (last, 10)]);
    }
}

#[test]
fn a_word_that_contradicts_the_order_puts_it_in_doubt() {
    let other = Said::Fill(Fill::bare(1, Side::Buy, Px(101), Qty(1)));
    for lie in [
        fill(1, 11),
        fill(1, 0),
        other,
        Said::Traded(Qty(11)),
        ended(End::Expired, 11),
    ] {
        assert_eq!(told(&[lie]), [DOUBT], "{lie:?}");
    }
    let doubt = (Outcome::InDoubt, 6);
    for lie in [
        REJECTED,
        Said::NotSent,
        fill(2, 7),
        ended(End::Cancelled, 3),
    ] {
        assert_eq!(
            told(&[fill(1, 4), lie]),
            [filled(1, 4, 6), doubt],
            "{lie:?}"
        );
    }
    let other = Said::Taken { exchange_id: 6 };
    assert_eq!(told(&[TAKEN, other]), [(ACKED, 10), DOUBT]);
}

/// An exchange that said that more was filled than was ordered does not make that undone by
/// saying that the order is over: it may have traded, and keeps its place.
#[test]
fn an_order_of_which_more_was_said_than_can_be_is_not_over_while_something_is_left() {
    let ends = [
        ended(End::Cancelled, 0),
        ended(End::Expired, 0),
        Said::NotSent,
        REJECTED,
    ];
    for lie in [fill(1, 11), fill(1, 0), Said::Traded(Qty(11))] {
        for end in ends {
            assert_eq!(told(&[lie, end]), [DOUBT], "{lie:?} {end:?}");
        }
        let whole = [DOUBT, filled(2, 10, 0), (Outcome::Filled, 0)];
        assert_eq!(told(&[lie, fill(2, 10)]), whole, "{lie:?}");
    }
}

#[test]
fn an_order_that_cannot_rest_and_has_no_end_is_asked_about() {
    let mut bench = Bench::with(OrderType::ImmediateOrCancel);
    bench.hear(TAKEN);
    assert_eq!(bench.told(), [(ACKED, 10)]);
    bench.later(ANSWER_MAX);
    let name = bench.orders.name(ClientId(1)).unwrap();
    assert_eq!(bench.asked(), [Question::Order(name)]);
    bench.answered(ended(End::Expired, 0));
    assert_eq!(bench.told(), [(Outcome::Expired, 10)]);
}

/// T9, failure mode 39: a cancel races a fill, is refused, and the order counts until its end is
/// told.
#[test]
fn a_cancel_is_done_when_the_exchange_says_so_and_a_refused_one_is_a_question() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    bench.orders.change(bench.now, ClientId(1));
    assert!(bench.orders.working()[0].changing);
    assert_eq!(bench.pending(), 10, "it counts as it did");
    bench.hear(fill(1, 4));
    assert_eq!(bench.pending(), 6);
    bench.hear(Said::ChangeRefused { code: -2011 });
    let refused = (Outcome::ChangeRefused { code: -2011 }, 6);
    assert_eq!(bench.told(), [(ACKED, 10), filled(1, 4, 6), refused]);
    assert_eq!(bench.pending(), 6, "it counts as it did");
    assert!(!bench.orders.is_settled(|_| true), "it may have traded");
    let sent = bench.orders.sent(ClientId(1)).unwrap();
    let by = sent + VISIBILITY + super::ASK_AGAIN_MAX + super::ASK_AGAIN_MAX;
    assert_eq!(bench.orders.settled_by(|_| true), Some(by));
    assert_eq!(
        bench.orders.settled_by(|_| false),
        None,
        "it is another account's"
    );
    bench.later(Span(0));
    let name = bench.orders.name(ClientId(1)).unwrap();
    assert_eq!(bench.asked(), [Question::Order(name)]);
    bench.answered(ended(End::Filled, 10));
    assert_eq!(bench.told(), [], "six of its trades are missing");
    bench.hear_of(1, Source::Stream, fill(2, 6));
    assert_eq!(bench.told(), [filled(2, 6, 0), (Outcome::Filled, 0)]);
}

#[test]
fn a_cancel_that_nobody_answers_is_asked_about_though_the_orders_own_answer_came() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.orders.change(bench.now, ClientId(1));
    bench.hear(TAKEN); // The answer to the order, not to the cancel.
    bench.hear_of(1, Source::Stream, TAKEN);
    bench.later(ANSWER_MAX);
    assert_eq!(bench.told(), [(ACKED, 10), DOUBT]);
    bench.hear_of(
        1,
        Source::Query {
            asked: START - Span(1),
        },
        TAKEN,
    );
    assert!(
        bench.orders.working()[0].in_doubt,
        "that was asked before the cancel"
    );
    bench.answered(TAKEN);
    let working = bench.orders.working()[0];
    assert!(!working.in_doubt && !working.changing, "it rests as before");
}

#[test]
fn an_amended_order_counts_as_less_once_the_exchange_says_so() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    bench.orders.change(bench.now, ClientId(1));
    assert_eq!(bench.pending(), 10);
    bench.hear(Said::Reduced(Qty(6)));
    bench.hear_of(1, Source::Stream, Said::Reduced(Qty(6)));
    assert_eq!(
        (bench.told(), bench.pending()),
        (vec![(ACKED, 10), (Outcome::Reduced, 6)], 6)
    );
    bench.hear(fill(1, 6));
    assert_eq!(bench.told(), [filled(1, 6, 0), (Outcome::Filled, 0)]);
}

#[test]
fn a_trade_of_an_order_that_is_gone_is_told_once_and_not_lost() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(REJECTED);
    bench.told();
    bench.hear(fill(1, 4));
    bench.hear(fill(1, 4));
    assert_eq!(bench.outputs(), [Output::Stray(INSTRUMENT, fill_of(1, 4))]);
}

#[test]
fn at_the_end_of_the_run_what_is_left_ends_as_what_nobody_knows() {
    let mut bench = Bench::with(OrderType::Limit);
    let report = bench.orders.give_up().unwrap();
    assert_eq!(
        (report.outcome, report.remaining),
        (Outcome::Unknown, Qty(10))
    );
    assert_eq!((bench.orders.give_up(), bench.pending()), (None, 0));
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        Just(TAKEN),
        (0u64..9, 0u64..8).prop_map(|(id, qty)| fill(id, qty)),
        (0u64..12).prop_map(|qty| Said::Traded(Qty(qty))),
        (0u64..12).prop_map(|qty| Said::Reduced(Qty(qty))),
        (0u64..12).prop_map(|qty| ended(End::Filled, qty)),
        (0u64..12).prop_map(|qty| ended(End::Cancelled, qty)),
        Just(Said::Ended(End::Expired, None)),
        Just(REJECTED),
        Just(Said::NotSent),
        Just(Said::Absent),
        Just(Said::Unanswered),
        Just(Said::ChangeRefused { code: -1 }),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    let asked = |secs| Source::Query {
        asked: Nanos::from_secs(secs),
    };
    prop_oneof![
        Just(Source::Answer),
        Just(Source::Stream),
        (95u64..120).prop_map(asked),
    ]
}

proptest! {
    /// Whatever is said, in any order and of any order, lies too: each order has one end, the
    /// fills and what is left make up what was ordered, and nothing panics.
    #[test]
    fn every_order_has_exactly_one_end_and_its_parts_make_up_the_whole(
        sizes in prop::collection::vec(1u64..10, 1..4),
        words in prop::collection::vec((0u64..5, source(), said(), 0u64..3_000), 0..60),
    ) {
        let mut bench = Bench::new();
        for (id, qty) in sizes.iter().enumerate() {
            bench.orders.open(START, &order(id as u64, *qty, OrderType::Limit), id as u64);
        }
        let room = bench.orders.working.capacity();
        let mut ends = vec![0; sizes.len()];
        let mut filled = vec![0; sizes.len()];
        let mut check = |report: Report, ends: &mut Vec<u32>| {
            let id = report.tag as usize;
            assert_eq!(ends[id], 0, "news after the end");
            if let Outcome::Fill(fill) = report.outcome {
                filled[id] += fill.qty.0;
            }
            assert_eq!(filled[id] + report.remaining.0, report.qty.0);
            assert!(report.qty.0 <= sizes[id]);
            ends[id] += u32::from(report.outcome.is_end());
        };
        for (id, source, said, wait_ms) in words {
            if wait_ms == 7 {
                bench.orders.change(bench.now, ClientId(id));
            }
            bench.hear_of(id, source, said);
            bench.later(Span::from_millis(wait_ms));
            for output in bench.outputs() {
                if let Output::Report(report) = output {
                    check(report, &mut ends);
                }
            }
        }
        while let Some(report) = bench.orders.give_up() {
            check(report, &mut ends);
        }
        prop_assert!(ends.iter().all(|ends| *ends == 1), "{:?}", ends);
        prop_assert_eq!(bench.orders.working.capacity(), room);
        prop_assert_eq!(bench.pending(), 0);
    }
}
