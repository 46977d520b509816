//! What a desk and its account know over restarts: differences, what they hold and what ends that;
//! and what the day gained and lost.

use super::test_clock::TestClock;
use super::*;
use crate::base::{
    Accepter, Asset, Balance, Clock, DAY_NS, Decimal, Level, OrderType, Px, Side, Status, Symbol,
    Top, Why,
};
use crate::trading::limits::{RiskLimits, RiskParams, StrategyParams};
use crate::trading::recover::{Recovered, Recovery};
use crate::watch::latency::Histograms;
use crate::wiring::keep::{KeepEnd, Kept, keep};
use crate::wiring::ring::{Bell, ring};
use crate::wiring::turn::Notes;

const BTC: InstrumentId = InstrumentId(0);
const DAY: Span = Span(DAY_NS as u64);
const NOON: Nanos = Nanos(DAY.0 / 2);

fn asset(name: &str) -> Asset {
    Asset::from(name).unwrap()
}

fn table() -> Vec<Instrument> {
    vec![Instrument {
        base: asset("BTC"),
        quote: asset("USDT"),
        ..Instrument::bare("a", Symbol::from("BTCUSDT").unwrap(), (2, 3))
    }]
}

/// Wants to buy a little at each book around 100.
struct Buyer;

impl Strategy for Buyer {
    fn handle_event(&mut self, _: Nanos, event: &Event, _: &View<'_>, intents: &mut Intents) {
        let Body::Book(top) = event.body else { return };
        if top.best().is_none_or(|(bid, _)| bid.px != Px(9_999)) {
            return;
        }
        intents.push(Intent::Place(Place {
            strategy: StrategyId(0),
            instrument: BTC,
            side: Side::Buy,
            px: Px(9_999),
            qty: Qty(1),
            order_type: OrderType::Limit,
            tag: 0,
            why: Why {
                signal: "test",
                value: 0.0,
                threshold: 0.0,
                update_id: 7,
                epoch: 1,
                bid: Level::default(),
                ask: Level::default(),
            },
        }));
    }
}

/// A desk with an account of which the test says what it has.
struct Bench {
    desk: Desk,
    clock: TestClock,
    requests: Receiver<Request>,
    end: KeepEnd,
    deeds: Vec<(Nanos, Deed)>,
    histograms: Histograms,
    notes: Notes,
    log: crossbeam_channel::Receiver<Note>,
}

impl Bench {
    fn new() -> Self {
        Self::resumed(NOON, &Recovered::default(), &[])
    }

    /// With a rule that accepts so much of BTC, in thousandths.
    fn with_rule(btc: i128) -> Self {
        Self::resumed(NOON, &Recovered::default(), &[(asset("BTC"), milli(btc))])
    }

    fn resumed(now: Nanos, left: &Recovered, rule: &[(Asset, i128)]) -> Self {
        let params = RiskParams {
            qty_max: "10".into(),
            notional_max: "10000000".into(),
            orders_per_s: 1_000,
            open_orders_max: 24,
            daily_loss_max: "0.02".into(),
            drawdown_max: "0.03".into(),
            strategies: vec![StrategyParams::default()],
            ..RiskParams::default()
        };
        let limits = RiskLimits::parse(&params, &table()).unwrap();
        let (tickets, requests) = ring(256, Bell::new(|| {}));
        let rules = ExitRules {
            visibility: Span::ZERO,
            reduces: true,
        };
        let mut desk = Desk::new(
            &table(),
            Vec::new(),
            vec![Seated::everywhere(Box::new(Buyer))],
            Risk::new(limits, &table(), left.used_to + 1),
            vec![Way::only(Exit::Gateway(tickets), rules)],
        );
        let (keep, end, input) = keep(None, Bell::new(|| {}), Bell::new(|| {}), Arc::default());
        desk.ways[0].inputs.push(input);
        desk.ways[0].keep = Some(keep);
        desk.resume(now, &[(0, left)]);
        desk.accept_by_rule(0, rule.to_vec());
        let (sender, log) = crossbeam_channel::bounded(65_536);
        let mut bench = Self {
            desk,
            clock: TestClock::at(now),
            requests,
            end,
            deeds: left.deeds(now).map(|deed| (now, deed)).collect(),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
        };
        bench.tell(BTC, Body::Status(Status::Live));
        bench.tell(InstrumentId::NONE, Body::Gateway(true));
        bench
    }

    /// The process is killed, and another one goes on with this rule.
    fn restart(mut self, after: Span, rule: &[(Asset, i128)]) -> Self {
        let now = self.clock.now() + after;
        Self::resumed(now, &self.left(now), rule)
    }

    /// What the journal says.
    fn left(&mut self, now: Nanos) -> Recovered {
        self.take_kept();
        let mut recovery = Recovery::new(&table(), Span::ZERO);
        for (at, deed) in &self.deeds {
            recovery.take(*at, deed).unwrap();
        }
        recovery.finish(now)
    }

    fn take_kept(&mut self) {
        while let Ok(Kept::Deed(at, deed)) = self.end.kept.pop() {
            self.deeds.push((at, deed));
        }
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Desk, &mut Turn) -> T) -> T {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        let done = act(&mut self.desk, &mut turn);
        while self.desk.has_input() {
            self.desk.handle_turn(&mut turn);
        }
        done
    }

    fn tell(&mut self, instrument: InstrumentId, body: Body) {
        let event = Event {
            instrument,
            epoch: 1,
            update_id: 7,
            ..own_event(self.clock.now(), body)
        };
        self.act(|desk, turn| desk.handle_event(turn, 0, &event));
    }

    /// The exchange lists so much BTC, in thousandths, each time that it is asked for a while.
    fn has(&mut self, btc: u128) {
        for _ in 0..4 {
            let asked = self.clock.now();
            self.tell(
                InstrumentId::NONE,
                Body::Account(AccountNews::RestingListed { asked }),
            );
            let balance = Balance {
                asset: asset("BTC"),
                free: Decimal {
                    units: btc,
                    scale: 3,
                },
                locked: Decimal { units: 0, scale: 0 },
            };
            self.tell(
                InstrumentId::NONE,
                Body::Account(AccountNews::Balance(balance)),
            );
            let listed = AccountNews::BalancesListed { asked };
            self.tell(InstrumentId::NONE, Body::Account(listed));
            let traded = AccountNews::TradesListed { asked };
            self.tell(BTC, Body::Account(traded));
            self.clock.0.set(self.desk.poll_timeout());
            self.act(|desk, turn| desk.handle_timeout(turn));
        }
    }

    /// The touch around this price.
    fn book(&mut self, px: i64) {
        let level = |px| Level {
            px: Px(px),
            qty: Qty(1_000),
        };
        let mut top = Top::EMPTY;
        top.set(Side::Buy, [level(px - 1)].into_iter(), 1, true);
        top.set(Side::Sell, [level(px + 1)].into_iter(), 1, true);
        self.tell(BTC, Body::Book(top));
    }

    /// The strategy buys 0.001 at 99.99.
    fn buy(&mut self) {
        while self.requests.pop().is_ok() {}
        self.book(10_000);
        let Ok(Request::Place(ticket)) = self.requests.pop() else {
            panic!("no order");
        };
        let total = Some(Qty(1));
        for said in [
            Said::Fill(Fill::bare(1, Side::Buy, Px(9_999), Qty(1))),
            Said::Ended(crate::base::End::Filled, total),
        ] {
            let news = News {
                client_id: ticket.order.order().client_id,
                instrument: BTC,
                source: Source::Stream,
                said,
            };
            self.tell(BTC, Body::News(news));
        }
    }

    /// Why all together is halted.
    fn halted(&self) -> Option<&'static str> {
        let notes: Vec<Note> = self.log.try_iter().collect();
        let halted = notes.iter().find(|note| note.event == "risk.halted")?;
        match halted.fields.iter().find(|(name, _)| *name == "why") {
            Some((_, Value::Word(why))) => Some(why),
            other => panic!("{other:?}"),
        }
    }

    fn later(&mut self, span: Span) {
        self.clock.0.set(self.clock.now() + span);
    }

    /// Whether a purchase is admitted now; the exchange refuses it.
    fn may_buy(&mut self) -> bool {
        while self.requests.pop().is_ok() {}
        let held = self.desk.refusals().count(Refusal::ReduceOnly);
        self.book(10_000);
        let Ok(Request::Place(ticket)) = self.requests.pop() else {
            assert_eq!(self.desk.refusals().count(Refusal::ReduceOnly), held + 1);
            return false;
        };
        let news = News {
            client_id: ticket.order.order().client_id,
            instrument: BTC,
            source: Source::Answer,
            said: Said::Rejected { code: -1 },
        };
        self.tell(BTC, Body::News(news));
        true
    }

    fn accept(&mut self, name: &str) -> usize {
        self.act(|desk, turn| desk.accept(turn, asset(name)))
    }

    /// Who ended differences, by the log.
    fn accepted_by(&self) -> Vec<&'static str> {
        let notes = self.log.try_iter();
        let accepted = notes.filter(|note| note.event == "account.accepted");
        let by = |note: Note| match note.fields.iter().find(|(name, _)| *name == "by") {
            Some((_, Value::Word(by))) => *by,
            other => panic!("{other:?}"),
        };
        accepted.map(by).collect()
    }
}

fn milli(units: i128) -> i128 {
    units * 10i128.pow(15)
}

#[test]
fn a_person_accepts_a_difference_and_its_instruments_are_free_also_after_a_restart() {
    let mut bench = Bench::new();
    bench.has(5);
    assert!(bench.may_buy());
    bench.has(3);
    assert_eq!(bench.desk.counters().differences, 1);
    assert!(!bench.may_buy());
    // It is held after a restart, too, and nobody finds it a second time (T6).
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    bench.has(3);
    assert_eq!(bench.desk.counters().differences, 0);
    assert!(!bench.may_buy());
    assert_eq!(bench.accept("USDT"), 0, "nothing of that");
    assert!(!bench.may_buy());
    assert_eq!(bench.accept("BTC"), 1);
    assert!(bench.may_buy());
    assert_eq!(bench.accepted_by(), ["person"]);
    assert_eq!(bench.accept("BTC"), 0, "once");
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    bench.has(3);
    assert_eq!(bench.desk.counters().differences, 0);
    assert!(bench.may_buy());
}

#[test]
fn the_rule_accepts_so_much_a_day_and_a_restart_gives_it_nothing_again() {
    let rule = [(asset("BTC"), milli(5))];
    let mut bench = Bench::with_rule(5);
    bench.has(50);
    bench.has(46);
    assert!(bench.may_buy());
    assert_eq!(bench.accepted_by(), ["rule"]);
    // Twice: the second time the sum comes from the first restart's own journal.
    let bench = bench.restart(Span::from_secs(1), &rule);
    let mut bench = bench.restart(Span::from_secs(1), &rule);
    bench.has(44);
    assert!(!bench.may_buy(), "6 in all");
    assert_eq!(bench.accept("BTC"), 1);
    let mut bench = bench.restart(DAY, &rule);
    bench.has(39);
    assert!(bench.may_buy(), "another day");
    let by_rule = |deed: &&Deed| {
        let by = Accepter::Rule;
        matches!(deed, Deed::Accepted { by: of, .. } if *of == by)
    };
    bench.take_kept();
    let deeds = bench.deeds.iter().map(|(_, deed)| deed);
    assert_eq!(deeds.filter(by_rule).count(), 1);
}

#[test]
fn a_difference_that_the_exchange_takes_back_is_over() {
    let mut bench = Bench::new();
    bench.has(5);
    bench.has(3);
    assert!(!bench.may_buy());
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    bench.has(5);
    assert!(bench.may_buy());
    assert_eq!(bench.accepted_by(), ["exchange", "exchange"]);
    let now = bench.clock.now();
    assert!(bench.left(now).differences.is_empty());
}

#[test]
fn a_trade_of_no_known_order_holds_its_instrument_until_a_person_accepts_its_asset() {
    let mut bench = Bench::new();
    bench.has(5);
    let stray = News {
        client_id: ClientId(900),
        instrument: BTC,
        source: Source::Stream,
        said: Said::Fill(Fill::bare(1, Side::Buy, Px(100), Qty(2))),
    };
    bench.tell(BTC, Body::News(stray));
    assert!(!bench.may_buy());
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    bench.has(7);
    assert!(!bench.may_buy());
    assert_eq!(bench.accept("BTC"), 1);
    assert!(bench.may_buy());
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    bench.has(7);
    assert!(bench.may_buy());
}

/// A position that lost 0.011 in the morning, after it had been worth this at best.
fn lossy_morning(best: i64) -> Bench {
    let mut bench = Bench::new();
    bench.has(5);
    bench.buy();
    for px in [best, 8_900] {
        bench.later(Span::from_secs(61));
        bench.book(px);
    }
    assert_eq!(bench.halted(), None);
    bench
}

#[test]
fn a_restart_does_not_forget_what_the_day_lost() {
    // 0.009 more are lost after it, and 0.020 are the limit.
    let mut bench = lossy_morning(10_100).restart(Span::from_secs(3_600), &[]);
    bench.book(8_900);
    bench.book(8_001);
    assert_eq!(bench.halted(), None);
    bench.book(8_000);
    assert_eq!(bench.halted(), Some("daily_loss_max"));
    // A halt outlasts a restart, too, and so does the loss: nothing is lost twice.
    let mut bench = bench.restart(Span::from_secs(1), &[]);
    let now = bench.clock.now();
    let left = bench.left(now);
    assert_eq!(left.gains.last().map(|gain| gain.gained), Some(-2_000_000));
}

#[test]
fn what_prices_did_between_two_runs_of_a_day_counts() {
    let mut bench = lossy_morning(10_100).restart(Span::from_secs(3_600), &[]);
    bench.book(8_000);
    assert_eq!(bench.halted(), Some("daily_loss_max"));
}

#[test]
fn a_restart_does_not_forget_the_best_moment_of_the_day() {
    let mut bench = lossy_morning(11_500).restart(Span::from_secs(3_600), &[]);
    // 0.015 were gained at best, and nearly or just as much is lost.
    bench.book(8_501);
    assert_eq!(bench.halted(), None);
    bench.book(8_500);
    assert_eq!(bench.halted(), Some("drawdown_max"));
}

#[test]
fn a_restart_on_the_next_day_begins_that_one() {
    let mut bench = lossy_morning(10_100).restart(DAY, &[]);
    bench.book(8_000);
    assert_eq!(bench.halted(), None);
    bench.book(6_001);
    assert_eq!(bench.halted(), None);
    bench.book(6_000);
    assert_eq!(bench.halted(), Some("daily_loss_max"));
}
