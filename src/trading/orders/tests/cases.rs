//! Cases of public failures that one order's life shows, each by its number.

use super::*;

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
