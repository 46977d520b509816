//! The desk lane with a strategy that does as it is told: what passes, what is refused, and who
//! hears of it.

use crate::conn_support::TestClock;
use crate::lane_support::desk::{book, buy, event, risk};
use crate::lane_support::{BTC, ETH, START, instruments};
use crossbeam_channel::Receiver as Log;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tickwire::base::{
    Body, ClientId, Contract, Event, Instrument, InstrumentId, Intent, Nanos, News, Note, Outcome,
    Px, Qty, Report, Severity, Side, Span, Status, StrategyId, Value,
};
use tickwire::market::Picture;
use tickwire::strategy::{Intents, Strategy};
use tickwire::trading::refusal::Refusal;
use tickwire::trading::risk::Risk;
use tickwire::venue::paper::Paper;
use tickwire::watch::latency::Histograms;
use tickwire::watch::stage::Stage;
use tickwire::wiring::desk::{Desk, DeskCounters, DeskEnd, Exit, Seated, Ticket};
use tickwire::wiring::ring::{Bell, Receiver, Sender, ring};
use tickwire::wiring::turn::{Notes, Turn};

/// What the strategy is to want at its next event, and all that it saw.
#[derive(Default)]
struct Script {
    wants: Vec<Intent>,
    seen: Vec<Event>,
}

struct Scripted(Arc<Mutex<Script>>);

impl Strategy for Scripted {
    fn handle_event(&mut self, _now: Nanos, event: &Event, _view: &Picture, out: &mut Intents) {
        let mut script = self.0.lock().unwrap();
        script.seen.push(*event);
        out.extend(script.wants.drain(..));
    }
}

struct Bench {
    desk: Desk,
    events: Sender<Event>,
    tickets: Option<Receiver<Ticket>>,
    script: Arc<Mutex<Script>>,
    clock: TestClock,
    histograms: Histograms,
    notes: Notes,
    log: Log<Note>,
}

fn desk(
    input: Receiver<Event>,
    strategies: Vec<Box<dyn Strategy>>,
    risk: Risk,
    exit: Exit,
) -> Desk {
    let strategies = strategies.into_iter().map(Seated::everywhere).collect();
    Desk::new(&instruments(), vec![input], strategies, risk, exit)
}

impl Bench {
    fn new(open_orders_max: u32, exit: Exit, tickets: Option<Receiver<Ticket>>) -> Self {
        let (events, input) = ring(512, Bell::new(|| {}));
        let script = Arc::<Mutex<Script>>::default();
        let strategy = Box::new(Scripted(script.clone()));
        let (sender, log) = crossbeam_channel::bounded(1_024);
        Self {
            desk: desk(input, vec![strategy], risk(open_orders_max), exit),
            events,
            tickets,
            script,
            clock: TestClock::at(START),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
        }
    }

    /// A desk whose ring to the gateway holds `room` orders; the gateway is ready.
    fn live(room: usize, open_orders_max: u32) -> Self {
        let (tickets, orders) = ring(room, Bell::new(|| {}));
        let mut bench = Self::new(open_orders_max, Exit::Gateway(tickets), Some(orders));
        bench.handle(event(START, InstrumentId::NONE, Body::Gateway(true)));
        bench
    }

    fn paper() -> Self {
        Self::new(16, Exit::Paper(Paper::new()), None)
    }

    fn turn(&mut self) -> usize {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        self.desk.handle_turn(&mut turn)
    }

    fn handle(&mut self, event: Event) {
        assert!(self.events.push(event).is_ok());
        self.turn();
    }

    /// A live book, at which the strategy wants this.
    fn want(&mut self, wants: &[Intent]) {
        self.script.lock().unwrap().wants = wants.to_vec();
        self.handle(book(self.clock_now(), BTC));
    }

    fn clock_now(&self) -> Nanos {
        tickwire::base::Clock::now(&self.clock)
    }

    fn tickets(&mut self) -> Vec<Ticket> {
        let ring = self.tickets.as_mut().unwrap();
        std::iter::from_fn(|| ring.pop().ok()).collect()
    }

    fn report(&mut self, id: u64, outcome: Outcome) {
        let news = News {
            client_id: ClientId(id),
            instrument: BTC,
            outcome,
        };
        self.handle(event(self.clock_now(), BTC, Body::News(news)));
    }

    fn finish(&mut self) -> DeskEnd {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        self.desk.finish(&mut turn)
    }

    fn refused(&self, gate: Refusal) -> u64 {
        self.desk.refusals().count(gate)
    }

    fn log(&self) -> Vec<Note> {
        self.log.try_iter().collect()
    }

    fn seen(&self) -> Vec<Event> {
        std::mem::take(&mut self.script.lock().unwrap().seen)
    }
}

fn gates(notes: &[Note]) -> Vec<Value> {
    let refused = notes.iter().filter(|note| note.event == "order.refused");
    let gate = |note: &Note| {
        note.fields
            .iter()
            .find(|(name, _)| *name == "gate")
            .unwrap()
            .1
    };
    refused.map(gate).collect()
}

#[test]
fn risk_hears_of_a_book_before_the_strategy_does() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[buy(BTC, 5)]);
    let tickets = bench.tickets();
    assert_eq!(tickets.len(), 1, "the very first book can be traded on");
    let order = tickets[0].order.order();
    assert_eq!((order.qty.0, order.px), (5, Px(10_001)));
}

#[test]
fn risk_hears_of_a_report_before_the_strategy_does() {
    let mut bench = Bench::live(8, 1);
    bench.want(&[buy(BTC, 5)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    bench.script.lock().unwrap().wants = vec![buy(BTC, 6)];
    bench.report(id, Outcome::Rejected { code: -2010 });
    assert_eq!(bench.tickets().len(), 1, "its slot is free again");
    assert_eq!(bench.refused(Refusal::OpenOrders), 0);
}

#[test]
fn every_refusal_is_counted_and_one_a_second_and_gate_is_logged_with_its_inputs() {
    let mut bench = Bench::live(8, 16);
    let large = buy(BTC, 1_000_000);
    let far = Intent {
        px: Px(20_000),
        ..buy(BTC, 5)
    };
    for _ in 0..10 {
        bench.want(&[large, far]);
    }
    assert_eq!(bench.refused(Refusal::QuantityMax), 10);
    assert_eq!(bench.refused(Refusal::PriceCollar), 10);
    let notes = bench.log();
    let words = [Value::Word("quantity_max"), Value::Word("price_collar")];
    assert_eq!(gates(&notes), words);
    let first = notes
        .iter()
        .find(|note| note.event == "order.refused")
        .unwrap();
    assert!(first.fields.contains(&("qty", Value::Qty(large.qty))));
    assert!(first.fields.contains(&("update_id", Value::Int(7))));
    assert!(first.fields.contains(&("found_qty", Value::Qty(large.qty))));
    let far = notes.iter().rfind(|note| note.event == "order.refused");
    let far = &far.unwrap().fields;
    assert!(far.contains(&("limit_bps", Value::Int(500))), "{far:?}");
    bench.clock.advance(Span::from_millis(999));
    bench.want(&[large]);
    assert!(gates(&bench.log()).is_empty());
    bench.clock.advance(Span::from_millis(1));
    bench.want(&[large]);
    assert_eq!(gates(&bench.log()), [Value::Word("quantity_max")]);
    assert!(bench.tickets().is_empty());
    assert_eq!(
        (
            bench.desk.counters().intents,
            bench.desk.counters().admitted
        ),
        (22, 0)
    );
}

#[test]
fn an_order_that_finds_the_gateways_ring_full_is_not_sent_and_frees_its_slot() {
    let mut bench = Bench::live(1, 2);
    bench.want(&[buy(BTC, 1), buy(BTC, 2), buy(BTC, 3)]);
    let counters = bench.desk.counters();
    assert_eq!((counters.admitted, counters.not_sent), (3, 2));
    assert_eq!(bench.refused(Refusal::OpenOrders), 0);
    let names: Vec<_> = bench.log().iter().map(|note| note.event).collect();
    assert_eq!(
        names
            .iter()
            .filter(|name| **name == "order.not_sent")
            .count(),
        2
    );
    let left: Vec<u64> = bench
        .tickets()
        .iter()
        .map(|t| t.order.order().qty.0)
        .collect();
    assert_eq!(left, [1], "and is not sent later");
}

#[test]
fn a_status_that_is_not_live_stops_orders_until_the_next_book() {
    for status in [
        Status::Connecting,
        Status::Buffering,
        Status::Stale,
        Status::Resyncing,
    ] {
        let mut bench = Bench::live(8, 16);
        bench.want(&[buy(BTC, 1)]);
        assert_eq!(bench.tickets().len(), 1);
        let now = bench.clock_now();
        bench.script.lock().unwrap().wants = vec![buy(BTC, 2)];
        bench.handle(event(now, BTC, Body::Status(status)));
        assert_eq!(bench.refused(Refusal::BookNotLive), 1, "{status:?}");
        bench.script.lock().unwrap().wants = vec![buy(BTC, 2)];
        bench.handle(event(now, BTC, Body::Status(Status::Live)));
        assert_eq!(
            bench.refused(Refusal::BookNotLive),
            2,
            "live, but no book yet"
        );
        bench.script.lock().unwrap().wants = vec![buy(BTC, 2)];
        bench.handle(book(now, ETH));
        assert_eq!(bench.refused(Refusal::BookNotLive), 3, "another's book");
        bench.turn(); // The strategy hears of what was refused.
        bench.want(&[buy(BTC, 3)]);
        assert_eq!(bench.tickets().len(), 1);
    }
}

#[test]
fn a_gateway_that_is_not_ready_stops_orders() {
    let mut bench = Bench::live(8, 16);
    let now = bench.clock_now();
    bench.handle(event(now, InstrumentId::NONE, Body::Gateway(false)));
    bench.want(&[buy(BTC, 1)]);
    assert_eq!(bench.refused(Refusal::GatewayDown), 1);
    bench.handle(event(now, InstrumentId::NONE, Body::Gateway(true)));
    bench.want(&[buy(BTC, 1)]);
    assert_eq!(bench.tickets().len(), 1);
}

#[test]
fn strategies_see_every_event_as_it_was_published() {
    let mut bench = Bench::live(8, 16);
    bench.seen();
    let mut sent = Vec::new();
    for (conflated, fresh) in [(false, true), (true, false), (true, true), (false, false)] {
        let mut book = book(bench.clock_now(), ETH);
        (book.flags.conflated, book.flags.fresh) = (conflated, fresh);
        book.update_id = sent.len() as u64;
        sent.push(book);
        sent.push(event(bench.clock_now(), BTC, Body::Status(Status::Stale)));
    }
    for event in &sent {
        assert!(bench.events.push(*event).is_ok());
    }
    bench.turn();
    assert_eq!(bench.seen(), sent);
}

#[test]
fn a_late_book_of_an_earlier_connection_is_shown_to_no_strategy_and_traded_on_by_none() {
    let mut bench = Bench::paper();
    let of_epoch = |epoch| Event {
        epoch,
        ..book(START, BTC)
    };
    let stale = event(START, BTC, Body::Status(Status::Stale));
    bench.handle(Event { epoch: 4, ..stale });
    bench.handle(of_epoch(3));
    bench.handle(of_epoch(4));
    let epochs: Vec<u32> = bench.seen().iter().map(|event| event.epoch).collect();
    assert_eq!(epochs, [4, 4]);
    assert_eq!(bench.desk.counters().events, 3);
}

#[test]
fn a_turn_takes_its_share_and_says_that_there_is_more() {
    let mut bench = Bench::live(8, 16);
    bench.seen();
    for _ in 0..200 {
        assert!(bench.events.push(book(START, BTC)).is_ok());
    }
    let mut turns = Vec::new();
    while bench.desk.has_input() {
        turns.push(bench.turn());
    }
    assert_eq!(turns, [64, 64, 64, 8]);
    assert_eq!(bench.seen().len(), 200);
}

/// What strategies heard of orders.
fn told(events: &[Event]) -> Vec<Report> {
    let report = |event: &Event| match event.body {
        Body::Report(report) => Some(report),
        Body::News(news) => panic!("no strategy is shown {news:?}"),
        _ => None,
    };
    events.iter().filter_map(report).collect()
}

#[test]
fn every_outcome_is_counted_and_logged_under_its_own_name_and_there_is_one_end() {
    let qty = Qty(4);
    let fill = Outcome::Fill {
        px: Px(10_000),
        qty,
    };
    let rejected = Outcome::Rejected { code: -1 };
    let acked = Outcome::Acked { exchange_id: 9 };
    for (said, names) in [
        (
            vec![acked, acked, fill, Outcome::Expired, acked],
            vec!["acked", "filled", "expired"],
        ),
        (
            vec![
                acked,
                Outcome::Fill {
                    px: Px(1),
                    qty: Qty(10),
                },
                Outcome::Filled,
            ],
            vec!["acked", "filled", "done"],
        ),
        (
            vec![Outcome::InDoubt, Outcome::InDoubt, rejected, fill],
            vec!["in_doubt", "rejected"],
        ),
        (vec![Outcome::NotSent, Outcome::NotSent], vec!["not_sent"]),
        (vec![acked, Outcome::Cancelled], vec!["acked", "cancelled"]),
        (vec![acked, Outcome::Unknown], vec!["acked", "unknown"]),
    ] {
        let mut bench = Bench::live(8, 16);
        bench.want(&[Intent {
            tag: 77,
            ..buy(BTC, 10)
        }]);
        let id = bench.tickets()[0].order.order().client_id.0;
        bench.log();
        bench.seen();
        for outcome in &said {
            bench.report(id, *outcome);
        }
        let notes = bench.log();
        let events: Vec<_> = notes.iter().map(|note| note.event.to_owned()).collect();
        let wanted: Vec<_> = names.iter().map(|name| format!("order.{name}")).collect();
        assert_eq!(events, wanted);
        let ended = |note: &&Note| note.fields.iter().any(|(name, _)| *name == "end");
        assert_eq!(notes.iter().filter(ended).count(), 1);
        let told = told(&bench.seen());
        let ends = told.iter().filter(|report| report.outcome.is_end());
        assert_eq!((told.len(), ends.count()), (names.len(), 1));
        for report in &told {
            assert_eq!(
                (report.tag, report.side, report.qty),
                (77, Side::Buy, Qty(10))
            );
        }
        let counters = bench.desk.counters();
        let counted = [
            counters.acked,
            counters.fills,
            counters.in_doubt,
            counters.filled,
            counters.cancelled,
            counters.expired,
            counters.rejected,
            counters.not_sent,
            counters.unknown,
        ];
        assert_eq!(
            counted.iter().sum::<u64>(),
            names.len() as u64,
            "each is counted once"
        );
    }
}

#[test]
fn at_the_end_of_a_run_each_order_without_an_end_gets_one_and_its_strategy_hears_of_it() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[buy(BTC, 10), buy(BTC, 20), buy(BTC, 30)]);
    let ids: Vec<u64> = bench
        .tickets()
        .iter()
        .map(|t| t.order.order().client_id.0)
        .collect();
    bench.report(ids[0], Outcome::InDoubt);
    bench.report(
        ids[1],
        Outcome::Fill {
            px: Px(10_000),
            qty: Qty(5),
        },
    );
    bench.seen();
    bench.desk.close();
    bench.script.lock().unwrap().wants = vec![buy(BTC, 1)];
    bench.report(ids[2], Outcome::Expired);
    assert!(bench.tickets().is_empty(), "nothing is decided any more");
    let ended = bench.finish();
    let ends: Vec<_> = told(&bench.seen())
        .iter()
        .map(|report| (report.client_id.0, report.outcome, report.remaining.0))
        .collect();
    let (first, second) = (
        (ids[0], Outcome::Unknown, 10),
        (ids[1], Outcome::Unknown, 15),
    );
    assert_eq!(ends[0], (ids[2], Outcome::Expired, 30));
    assert!(
        ends[1..] == [first, second] || ends[1..] == [second, first],
        "{ends:?}"
    );
    assert_eq!((ended.counters.unknown, ended.counters.in_doubt), (2, 1));
    let traded = ended.traded[BTC.index()];
    assert_eq!(
        (traded.fills, traded.qty, traded.notional),
        (1, [5, 0], [50_000, 0])
    );
}

#[test]
fn only_the_strategy_that_wanted_an_order_hears_of_it() {
    let mut bench = Bench::live(8, 16);
    let other = Arc::<Mutex<Script>>::default();
    let (tickets, orders) = ring(8, Bell::new(|| {}));
    let (events, input) = ring(512, Bell::new(|| {}));
    let strategies: Vec<Box<dyn Strategy>> = vec![
        Box::new(Scripted(other.clone())),
        Box::new(Scripted(bench.script.clone())),
    ];
    bench.desk = desk(input, strategies, risk(16), Exit::Gateway(tickets));
    (bench.events, bench.tickets) = (events, Some(orders));
    bench.handle(event(START, InstrumentId::NONE, Body::Gateway(true)));
    bench.want(&[buy(BTC, 10), buy(BTC, 1_000_000)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    bench.report(id, Outcome::Expired);
    while bench.desk.has_input() {
        bench.turn();
    }
    assert_eq!(told(&bench.seen()).len(), 2, "an end, and a refusal");
    assert!(told(&other.lock().unwrap().seen).is_empty());
}

#[test]
fn on_paper_an_order_is_filled_from_the_book_and_strategies_hear_of_it() {
    let mut bench = Bench::paper();
    bench.want(&[buy(BTC, 1_200)]); // The best ask holds 1,000 at that price; the rest expires.
    let counters = bench.desk.counters();
    assert_eq!(
        (
            counters.admitted,
            counters.acked,
            counters.fills,
            counters.expired
        ),
        (1, 1, 1, 1)
    );
    while bench.desk.has_input() {
        bench.turn();
    }
    let outcomes: Vec<Outcome> = bench
        .seen()
        .iter()
        .filter_map(|event| match event.body {
            Body::Report(report) => Some(report.outcome),
            _ => None,
        })
        .collect();
    let filled = Outcome::Fill {
        px: Px(10_001),
        qty: Qty(1_000),
    };
    let told = [Outcome::Acked { exchange_id: 1 }, filled, Outcome::Expired];
    assert_eq!(outcomes, told);
    assert_eq!(
        bench.desk.counters(),
        {
            DeskCounters {
                events: counters.events,
                ..counters
            }
        },
        "each is counted once"
    );
}

/// Answers every book and every report with an order.
struct Greedy;
impl Strategy for Greedy {
    fn handle_event(&mut self, _now: Nanos, event: &Event, _view: &Picture, out: &mut Intents) {
        if matches!(event.body, Body::Report(_) | Body::Book(_)) {
            out.push(buy(BTC, 1));
        }
    }
}

impl Bench {
    fn greedy() -> Self {
        let (events, input) = ring(8, Bell::new(|| {}));
        let mut bench = Self::paper();
        let paper = Exit::Paper(Paper::new());
        bench.desk = desk(input, vec![Box::new(Greedy)], risk(16), paper);
        bench.events = events;
        bench
    }
}

#[test]
fn a_strategy_that_answers_every_fill_with_an_order_leaves_the_desk_its_turns() {
    let mut bench = Bench::greedy();
    bench.handle(book(START, BTC));
    for _ in 0..40 {
        bench.turn();
        bench.log.try_iter().for_each(drop);
    }
    assert!(
        bench.desk.counters().admitted <= 1_000,
        "the rate limit holds"
    );
    assert!(bench.refused(Refusal::OrderRate) > 0);
}

#[test]
fn no_order_goes_out_whose_record_has_no_room_and_each_that_did_has_its_record() {
    let mut bench = Bench::greedy();
    // Whoever says much has taken all the room that is not kept for orders.
    let storm = Note::new(START, Severity::Warn, "frame.refused");
    (0..2_000).for_each(|_| bench.notes.send(storm.clone()));
    assert_eq!(bench.log.len(), 512, "half of the room");
    bench.handle(book(START, BTC));
    for _ in 0..40 {
        bench.turn();
    }
    assert!(bench.refused(Refusal::Unrecorded) > 0);
    let first = bench.desk.counters();
    assert!(first.admitted > 20, "{first:?}");
    let records: Vec<Note> = bench.log.try_iter().collect();
    let count = |event: &str| records.iter().filter(|note| note.event == event).count() as u64;
    assert_eq!(count("order.admitted"), first.admitted);
    assert_eq!(count("order.filled"), first.filled);
    // Somebody took the records: there is room again.
    bench.handle(book(START, BTC));
    assert!(bench.desk.counters().admitted > first.admitted);
}

#[test]
fn no_order_goes_out_while_the_log_cannot_be_written() {
    let mut bench = Bench::paper();
    bench.notes.unwritable().store(true, Ordering::Relaxed);
    bench.want(&[buy(BTC, 1)]);
    assert_eq!(bench.refused(Refusal::Unrecorded), 1);
    bench.notes.unwritable().store(false, Ordering::Relaxed);
    bench.want(&[buy(BTC, 1)]);
    assert_eq!(
        (
            bench.refused(Refusal::Unrecorded),
            bench.desk.counters().admitted
        ),
        (1, 1)
    );
}

#[test]
fn a_full_ring_to_the_gateway_is_told_to_strategies_too() {
    let mut bench = Bench::live(1, 4);
    bench.want(&[buy(BTC, 1), buy(BTC, 2)]);
    while bench.desk.has_input() {
        bench.turn();
    }
    let reports = bench.seen().into_iter().filter(
        |event| matches!(event.body, Body::Report(report) if report.outcome == Outcome::NotSent),
    );
    assert_eq!(reports.count(), 1);
}

/// Two strategies that do as they are told: the first one is for BTC only.
fn two() -> (Bench, [Arc<Mutex<Script>>; 2]) {
    let (events, input) = ring(8, Bell::new(|| {}));
    let mut bench = Bench::paper();
    let scripts: [Arc<Mutex<Script>>; 2] = Default::default();
    let seated = |at: usize, own: Option<&[bool]>| Seated {
        strategy: Box::new(Scripted(scripts[at].clone())) as Box<dyn Strategy>,
        own: own.map(Box::from),
    };
    let strategies = vec![seated(0, Some(&[true, false])), seated(1, None)];
    let paper = Exit::Paper(Paper::new());
    bench.desk = Desk::new(&instruments(), vec![input], strategies, risk(16), paper);
    bench.events = events;
    (bench, scripts)
}

fn wants(script: &Arc<Mutex<Script>>, intents: &[Intent]) {
    script.lock().unwrap().wants = intents.to_vec();
}

#[test]
fn a_strategy_sees_and_trades_its_own_instruments_only() {
    let (mut bench, [first, second]) = two();
    bench.handle(book(START, ETH));
    assert!(first.lock().unwrap().seen.is_empty());
    assert_eq!(second.lock().unwrap().seen.len(), 1);
    // What it is not shown it may still know of: the desk refuses it.
    wants(&first, &[buy(ETH, 1), buy(BTC, 1)]);
    bench.handle(book(START, BTC));
    assert_eq!(bench.refused(Refusal::NotItsInstrument), 1);
    assert_eq!(bench.desk.counters().admitted, 1);
}

#[test]
fn each_strategy_has_counters_of_its_own_and_records_say_whose_an_order_is() {
    let (mut bench, [first, second]) = two();
    wants(&first, &[buy(BTC, 1), buy(BTC, 0)]);
    wants(&second, &[buy(BTC, 2)]);
    bench.handle(book(START, BTC));
    while bench.desk.has_input() {
        bench.turn();
    }
    for (script, own) in [(&first, StrategyId(0)), (&second, StrategyId(1))] {
        let seen = std::mem::take(&mut script.lock().unwrap().seen);
        let reports = told(&seen);
        assert!(reports.len() >= 3, "{reports:?}");
        assert!(reports.iter().all(|report| report.strategy == own));
    }
    let records = bench.log();
    let of = |id| {
        records
            .iter()
            .filter(move |note| note.strategy == id)
            .count()
    };
    assert!(of(StrategyId(0)) >= 4 && of(StrategyId(1)) >= 3);
    let end = bench.finish();
    let [one, two] = &end.strategies[..] else {
        panic!("two strategies");
    };
    assert_eq!([one.counters.intents, two.counters.intents], [2, 1]);
    assert_eq!([one.counters.admitted, two.counters.admitted], [1, 1]);
    assert_eq!([one.refusals.total(), two.refusals.total()], [1, 0]);
    assert_eq!(end.counters.intents, 3);
    assert_eq!(end.refusals.total(), 1);
}

#[test]
fn the_refusals_of_one_strategy_do_not_silence_those_of_another() {
    let (mut bench, [first, second]) = two();
    for _ in 0..3 {
        wants(&first, &[buy(BTC, 0)]);
        wants(&second, &[buy(BTC, 0)]);
        bench.handle(book(START, BTC));
    }
    let records = bench.log();
    let refused = records.iter().filter(|note| note.event == "order.refused");
    let whose: Vec<StrategyId> = refused.map(|note| note.strategy).collect();
    assert_eq!(whose, [StrategyId(0), StrategyId(1)], "once a second each");
}

/// An exchange may say any price. What it says of is not told as less than it was.
#[test]
fn a_fill_that_is_worth_more_than_fits_stands_at_the_largest_sum() {
    let mut bench = Bench::live(8, 16);
    let contract = Contract {
        size: u64::MAX,
        scale: 18,
        inverse: false,
    };
    let listed = Instrument {
        contract,
        ..instruments()[BTC.index()]
    };
    bench.handle(event(START, BTC, Body::Instrument(listed)));
    bench.want(&[buy(BTC, 4)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    for (px, qty) in [(Px(10_000), Qty(1)), (Px(i64::MAX), Qty(3))] {
        bench.report(id, Outcome::Fill { px, qty });
    }
    let traded = bench.finish().traded[BTC.index()];
    assert_eq!((traded.fills, traded.qty), (2, [4, 0]));
    assert_eq!(traded.notional, [u128::MAX, 0]);
}
