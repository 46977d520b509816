//! Cases of public failures that one order's life shows, each by its number
//! (`docs/order-cases.md`).

use super::*;

const HOUR: Span = Span::from_secs(3_600);

fn asked(at: Nanos) -> Source {
    Source::Query { asked: at }
}

/// T1, failure mode 35: a request that nobody answered is settled by the exchange's own word about
/// it, whether the answer or the request was lost or either is later than the question.
#[test]
fn a_request_that_nobody_answered_ends_as_the_exchange_says_and_not_before() {
    // The answer was lost.
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    bench.answered(TAKEN);
    assert_eq!(bench.told(), [DOUBT, (ACKED, 10)]);
    assert!(!bench.orders.working()[0].in_doubt);

    // The request was lost.
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    bench.later(VISIBILITY);
    bench.answered(Said::Absent);
    assert_eq!((bench.pending(), bench.told()), (10, vec![DOUBT]));
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!(bench.told(), [(Outcome::NotSent, 10)]);

    // Both came later than the question, and the answer to that later still.
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    bench.answered(Said::Absent);
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!((bench.pending(), bench.told()), (10, vec![DOUBT]));
    bench.later(Span::from_secs(2));
    bench.hear_of(1, Source::Stream, TAKEN);
    bench.hear_of(1, asked(START), Said::Absent);
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!((bench.pending(), bench.told()), (10, vec![(ACKED, 10)]));

    // The exchange denied it after all that is documented, and it traded before its trades were
    // listed.
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    bench.later(VISIBILITY);
    bench.answered(Said::Absent);
    bench.hear_of(1, Source::Stream, fill(1, 4));
    bench.orders.hear_trades_listed(INSTRUMENT, bench.now);
    assert_eq!(bench.told(), [DOUBT, filled(1, 4, 6)]);
    assert_eq!(bench.pending(), 6);
}

/// T2: polls that fail say nothing, however many of them there are and for however long.
#[test]
fn an_order_that_nobody_can_ask_about_for_days_is_neither_failed_nor_forgotten() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(Said::Unanswered);
    let mut polls = 0;
    for _ in 0..72 {
        bench.later(HOUR);
        let outputs = bench.outputs();
        polls += bench_questions(&outputs);
        let told = |output: &&Output| matches!(output, Output::Report(_));
        let told: Vec<_> = outputs.iter().filter(told).collect();
        assert!(told.len() <= 1, "doubt, once: {told:?}");
        assert_eq!((bench.pending(), bench.orders.len()), (10, 1));
    }
    let least = (72 * HOUR.0 / ASK_AGAIN_MAX.0) as usize;
    assert!(
        polls >= least,
        "{polls} polls, and somebody asks to the end"
    );
    bench.hear_of(1, Source::Stream, fill(1, 10));
    assert_eq!(bench.told(), [filled(1, 10, 0), (Outcome::Filled, 0)]);
}

/// T3: what is replayed after a reconnect is counted once, and an older word of any source brings
/// back neither an amount nor an order that was superseded.
#[test]
fn reports_that_are_told_again_in_any_order_change_nothing() {
    let mut bench = Bench::with(OrderType::Limit);
    let story = [
        TAKEN,
        fill(1, 2),
        Said::Traded(Qty(2)),
        Said::Reduced(Qty(8)),
        fill(2, 3),
        Said::Traded(Qty(5)),
    ];
    story.iter().for_each(|said| bench.hear(*said));
    let told = [
        (ACKED, 10),
        filled(1, 2, 8),
        (Outcome::Reduced, 6),
        filled(2, 3, 3),
    ];
    assert_eq!(bench.told(), told);
    let stands = bench.orders.working()[0];
    // As it was taken, with all of what was ordered first.
    let older = [&story[..], &[Said::Reduced(Qty(10))]].concat();
    let replay = |bench: &mut Bench| {
        for source in [
            Source::Stream,
            Source::Answer,
            asked(START),
            asked(bench.now),
        ] {
            for said in older.iter().chain(older.iter().rev()) {
                bench.hear_of(1, source, *said);
            }
        }
    };
    replay(&mut bench);
    assert_eq!(bench.told(), []);
    assert_eq!(
        (bench.orders.working(), bench.pending()),
        (&[stands][..], 3)
    );

    // Another order takes its place: the old one is no longer heard of.
    bench
        .orders
        .open(bench.now, &order(2, 4, OrderType::Limit), 77);
    bench.hear(ended(End::Cancelled, 5));
    bench.hear_of(2, Source::Answer, Said::Taken { exchange_id: 6 });
    let acked = Outcome::Acked { exchange_id: 6 };
    assert_eq!(bench.told(), [(Outcome::Cancelled, 3), (acked, 4)]);
    let stands = bench.orders.working()[0];
    replay(&mut bench);
    assert_eq!(bench.outputs(), [], "and no trade is a stray one");
    assert_eq!(
        (bench.orders.working(), bench.pending()),
        (&[stands][..], 4)
    );
}

/// T17: a source that is late by design, a second behind the others, overwrites nothing that an
/// earlier one said, and answers no request that it cannot know of.
#[test]
fn a_copy_of_everything_that_comes_a_second_late_changes_nothing() {
    let second = Span::from_secs(1);
    let story = [TAKEN, fill(1, 2), fill(2, 3), Said::Reduced(Qty(8))];
    let mut bench = Bench::with(OrderType::Limit);
    for said in story {
        bench.hear(said);
        bench.later(Span::from_millis(10));
    }
    bench.outputs();
    bench.orders.change(bench.now, ClientId(1)); // A cancel, which nobody answers.
    bench.hear(Said::Unanswered);
    assert_eq!(bench.told(), [(Outcome::InDoubt, 3)]);
    let stands = bench.orders.working()[0];
    assert!(stands.in_doubt && stands.changing);
    bench.later(second);
    bench.outputs();
    for said in &story[..3] {
        bench.hear_of(1, Source::Stream, *said);
        bench.later(Span::from_millis(10));
        assert_eq!(bench.told(), []);
        assert_eq!(bench.orders.working(), [stands], "{said:?}");
    }
    bench.answered(ended(End::Cancelled, 5));
    assert_eq!(bench.told(), [(Outcome::Cancelled, 3)]);
    for said in story {
        bench.hear_of(1, Source::Stream, said);
    }
    assert_eq!((bench.outputs(), bench.pending()), (vec![], 0));
}

/// T20, failure mode 46: a trade is known by the exchange's number of it, whoever tells of it and
/// in whatever form; that numbers come late and out of order loses none.
#[test]
fn a_trade_in_two_forms_is_one_trade_and_numbers_need_not_rise() {
    let mut bench = Bench::with(OrderType::Limit);
    bench.hear(TAKEN);
    let list = |bench: &mut Bench, trade: Fill| {
        let (now, of) = (bench.now, (INSTRUMENT, 5));
        bench.orders.hear_trade(now, of, now, trade);
    };
    bench.hear_of(1, Source::Stream, fill(9, 4));
    // The same, as a list has it: who made it, and when.
    let other = Fill {
        maker: Some(true),
        at: crate::base::UnixNanos(7),
        ..fill_of(9, 4)
    };
    list(&mut bench, other);
    list(&mut bench, fill_of(7, 1));
    bench.hear(fill(8, 2));
    bench.hear_of(1, Source::Stream, fill(7, 1));
    list(&mut bench, fill_of(8, 2));
    let told = [
        (ACKED, 10),
        filled(9, 4, 6),
        filled(7, 1, 5),
        filled(8, 2, 3),
    ];
    assert_eq!((bench.told(), bench.pending()), (told.to_vec(), 3));
    bench.hear_of(1, Source::Stream, fill(6, 3));
    assert_eq!(bench.told(), [filled(6, 3, 0), (Outcome::Filled, 0)]);
}
