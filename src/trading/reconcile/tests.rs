//! What is asked after a connection, what makes an account ready, and what becomes of what does not
//! fit.

use super::*;
use crate::base::{Fee, NewOrder, News, OrderType, Px, Qty, Said, Source, StrategyId, Symbol};

const BTC: InstrumentId = InstrumentId(0);
const START: Nanos = Nanos::from_secs(100);

fn asset(name: &str) -> Asset {
    Asset::from(name).unwrap()
}

struct Bench {
    reconcile: Reconcile,
    orders: Orders,
    now: Nanos,
}

impl Bench {
    fn new() -> Self {
        let instrument = Instrument {
            base: asset("BTC"),
            quote: asset("USDT"),
            ..Instrument::bare("x", Symbol::from("BTCUSDT").unwrap(), (2, 3))
        };
        Self {
            reconcile: Reconcile::new(&[instrument], None),
            orders: Orders::new(4, 1, Span::from_secs(5)),
            now: START,
        }
    }

    fn connected() -> Self {
        let mut bench = Self::new();
        bench.reconcile.handle_connected(START, true, &bench.orders);
        bench
    }

    /// Connected, and the first lists were answered: ten of each asset.
    fn ready() -> Self {
        let mut bench = Self::connected();
        bench.list_orders(&[]);
        bench.list_balances(&[("BTC", 10), ("USDT", 10)]);
        assert_eq!(bench.outputs().last(), Some(&Output::Ready));
        bench
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.reconcile.poll_output()).collect()
    }

    fn news(&mut self, news: AccountNews) {
        self.reconcile
            .handle_news(self.now, BTC, &news, &self.orders);
    }

    fn list_orders(&mut self, ids: &[Option<u64>]) {
        for id in ids {
            self.news(AccountNews::Resting(resting(*id)));
        }
        let asked = self.now;
        self.news(AccountNews::RestingListed { asked });
    }

    fn list_balances(&mut self, all: &[(&str, u128)]) {
        for (name, whole) in all {
            let amount = |units| Decimal { units, scale: 8 };
            self.news(AccountNews::Balance(Balance {
                asset: asset(name),
                free: amount(whole * 100_000_000 - 7),
                locked: amount(7),
            }));
        }
        let asked = self.now;
        self.news(AccountNews::BalancesListed { asked });
    }

    fn later(&mut self, span: Span) {
        self.now = self.now + span;
        self.reconcile.handle_timeout(self.now, &self.orders);
    }

    /// The next comparison, as of now.
    fn compare(&mut self, all: &[(&str, u128)]) -> Vec<Output> {
        self.later(COMPARED_EVERY);
        self.list_orders(&[]);
        self.list_balances(all);
        let told = |output: &Output| !matches!(output, Output::Ask(_));
        self.outputs().into_iter().filter(told).collect()
    }

    fn order(&mut self, id: u64) {
        let order = NewOrder {
            client_id: ClientId(id),
            strategy: StrategyId(0),
            instrument: BTC,
            side: Side::Buy,
            px: Px(100),
            qty: Qty(10),
            order_type: OrderType::Limit,
        };
        self.orders.open(self.now, &order, 0);
        let news = News {
            client_id: ClientId(id),
            instrument: BTC,
            source: Source::Answer,
            said: Said::Taken {
                exchange_id: 100 + id,
            },
        };
        self.orders.hear(self.now, &news);
    }
}

fn resting(id: Option<u64>) -> Resting {
    Resting {
        client_id: id.map(ClientId),
        exchange_id: 100 + id.unwrap_or(0),
        instrument: Some(BTC),
        side: Side::Buy,
        px: Px(100),
        qty: Qty(10),
        traded: Qty(0),
    }
}

fn questions(outputs: &[Output]) -> Vec<Question> {
    let asked = |output: &Output| match output {
        Output::Ask(question) => Some(*question),
        _ => None,
    };
    outputs.iter().filter_map(asked).collect()
}

fn difference(name: &str, expected: i128, found: i128) -> Difference {
    let whole = 10i128.pow(18);
    Difference {
        asset: asset(name),
        expected: expected * whole,
        found: found * whole,
    }
}

#[test]
fn a_connection_is_ready_once_orders_and_balances_were_answered() {
    let mut bench = Bench::connected();
    let asked = bench.outputs();
    assert_eq!(
        questions(&asked),
        [Question::OpenOrders, Question::Balances]
    );
    bench.list_orders(&[]);
    assert!(!bench.reconcile.is_ready());
    bench.list_balances(&[("BTC", 10)]);
    assert_eq!(bench.outputs(), [Output::Ready]);
    bench
        .reconcile
        .handle_connected(bench.now, false, &bench.orders);
    assert!(
        !bench.reconcile.is_ready(),
        "a lost connection knows nothing"
    );
    bench.later(Span::from_secs(600));
    assert_eq!(bench.outputs(), []);
}

#[test]
fn what_is_not_answered_is_asked_again_and_an_answer_from_before_is_none() {
    let mut bench = Bench::connected();
    bench.outputs();
    let before = bench.now;
    bench.later(ASK_AGAIN);
    assert_eq!(questions(&bench.outputs()).len(), 2);
    bench.news(AccountNews::RestingListed { asked: before });
    bench.news(AccountNews::BalancesListed { asked: before });
    assert!(
        !bench.reconcile.is_ready(),
        "those left before the last questions"
    );
    bench.list_orders(&[]);
    bench.later(ASK_AGAIN);
    assert_eq!(questions(&bench.outputs()), [Question::Balances]);
}

/// T18, failure mode 42: and the last known one is the last of a list, not the last that was heard.
#[test]
fn trades_since_the_last_known_one_are_asked_for_before_it_is_ready() {
    let mut bench = Bench::new();
    bench.order(1);
    bench.later(Span::from_secs(30));
    bench
        .reconcile
        .handle_connected(bench.now, true, &bench.orders);
    let last = TradesOf::Last(Span::from_secs(30) + TRADES_MARGIN);
    assert_eq!(questions(&bench.outputs())[2], Question::Trades(BTC, last));
    bench.list_orders(&[Some(1)]);
    bench.list_balances(&[("BTC", 10)]);
    assert!(!bench.reconcile.is_ready());
    let asked = bench.now;
    let fill = |id| Fill::bare(id, Side::Buy, Px(100), Qty(4));
    bench.news(AccountNews::Trade {
        exchange_id: 101,
        asked,
        fill: fill(77),
    });
    bench.news(AccountNews::TradesListed { asked });
    assert!(bench.reconcile.is_ready());
    // That one was heard does not say that all before it were.
    bench.reconcile.handle_fill(BTC, &fill(90));
    bench
        .reconcile
        .handle_connected(bench.now, true, &bench.orders);
    let after = Question::Trades(BTC, TradesOf::After(77));
    assert_eq!(questions(&bench.outputs()).last(), Some(&after));
}

#[test]
fn an_order_that_a_list_should_name_is_missing_and_a_younger_one_is_not() {
    let mut bench = Bench::connected();
    bench.order(1);
    bench.later(Span(1));
    bench.order(2);
    bench.outputs();
    bench.list_orders(&[]);
    assert_eq!(bench.outputs(), [Output::Missing(ClientId(1))]);
}

/// T11, failure mode 45: orders of other people and programs are shown apart.
#[test]
fn an_order_under_our_name_that_nobody_knows_is_told_and_foreign_ones_are_counted() {
    let mut bench = Bench::connected();
    bench.order(1);
    bench.outputs();
    bench.list_orders(&[None, Some(1), Some(9), None]);
    assert_eq!(bench.outputs(), [Output::Unknown(resting(Some(9)))]);
    assert_eq!(bench.reconcile.foreign_orders(), 2);
}

#[test]
fn what_a_late_answer_lists_is_neither_found_nor_counted() {
    let mut bench = Bench::connected();
    let before = bench.now;
    bench.later(ASK_AGAIN);
    bench.outputs();
    // Order 9 rested when the first question was asked, and has its end since.
    for id in [None, Some(9)] {
        bench.news(AccountNews::Resting(resting(id)));
    }
    bench.news(AccountNews::RestingListed { asked: before });
    assert_eq!(bench.outputs(), []);
    bench.list_orders(&[None]);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.reconcile.foreign_orders(), 1);
}

#[test]
fn what_our_trades_explain_is_no_difference() {
    let mut bench = Bench::ready();
    // Four thousandths at 1.00 each, and a fee.
    let fee = Fee {
        asset: asset("BNB"),
        amount: Decimal { units: 1, scale: 0 },
        rebate: false,
    };
    let fill = Fill {
        fee: Some(fee),
        ..Fill::bare(1, Side::Buy, Px(100), Qty(4_000))
    };
    bench.reconcile.handle_fill(BTC, &fill);
    for _ in 0..5 {
        let told = bench.compare(&[("BTC", 14), ("USDT", 6)]);
        assert!(!told.contains(&Output::Ready));
        let of_bnb =
            |output: &Output| matches!(output, Output::Balanced(d) if d.asset == asset("BNB"));
        assert!(told.iter().all(of_bnb), "{told:?}");
    }
}

#[test]
fn what_does_not_fit_three_times_in_a_row_is_balanced_once_under_a_name_of_its_cause() {
    let mut bench = Bench::ready();
    assert_eq!(bench.compare(&[("BTC", 12), ("USDT", 10)]), []);
    assert_eq!(
        bench.compare(&[("BTC", 13), ("USDT", 10)]),
        [],
        "another one"
    );
    assert_eq!(bench.compare(&[("BTC", 13), ("USDT", 10)]), []);
    let difference = difference("BTC", 10, 13);
    let balanced = Output::Balanced(difference);
    assert_eq!(bench.compare(&[("BTC", 13), ("USDT", 10)]), [balanced]);
    for _ in 0..5 {
        assert_eq!(bench.compare(&[("BTC", 13), ("USDT", 10)]), []);
    }
    let again = Difference { ..difference };
    assert_eq!(difference.name(), again.name());
    let other = Difference {
        found: difference.found + 1,
        ..difference
    };
    assert_ne!(difference.name(), other.name());
}

#[test]
fn what_a_list_leaves_out_there_is_nothing_of_and_what_it_newly_names_was_nothing() {
    let mut bench = Bench::ready();
    for _ in 0..2 {
        assert_eq!(bench.compare(&[("BTC", 10), ("ETH", 5)]), []);
    }
    let mut told = bench.compare(&[("BTC", 10), ("ETH", 5)]);
    told.sort_by_key(|output| format!("{output:?}"));
    let eth = Output::Balanced(difference("ETH", 0, 5));
    let usdt = Output::Balanced(difference("USDT", 10, 0));
    assert_eq!(told, [eth, usdt]);
}

#[test]
fn an_account_is_compared_every_minute_and_soon_again_if_something_does_not_fit() {
    let mut bench = Bench::ready();
    bench.later(COMPARED_EVERY - Span(1));
    assert_eq!(bench.outputs(), []);
    bench.later(Span(1));
    assert_eq!(questions(&bench.outputs()).len(), 2);
    bench.list_orders(&[]);
    bench.list_balances(&[("BTC", 11), ("USDT", 10)]);
    bench.later(LOOK_AGAIN);
    assert_eq!(questions(&bench.outputs()).len(), 2);
    assert!(bench.reconcile.is_ready(), "it trades meanwhile");
}
