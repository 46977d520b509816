//! The desk lane with a strategy that does as it is told: what passes, what is refused, and who
//! hears of it.

use crate::conn_support::TestClock;
use crate::lane_support::desk::{book, buy, event, risk};
use crate::lane_support::{BTC, ETH, START, instruments};
use crossbeam_channel::Receiver as Log;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tickwire::base::{
    AccountNews, Body, Cancel, CancelAll, ClientId, Contract, End, Event, Fill, Instrument,
    InstrumentId, Intent, Nanos, News, Note, OrderType, Outcome, Place, Position, Px, Qty, Replace,
    Report, Said, Severity, Side, Source, Span, Status, StrategyId, Value, Working,
};
use tickwire::strategy::{Intents, Strategy, View};
use tickwire::trading::refusal::Refusal;
use tickwire::trading::risk::Risk;
use tickwire::venue::paper::Paper;
use tickwire::watch::latency::Histograms;
use tickwire::watch::stage::Stage;
use tickwire::wiring::desk::{
    Desk, DeskCounters, DeskEnd, Exit, ExitRules, Request, Seated, Ticket, Way,
};
use tickwire::wiring::ring::{Bell, Receiver, Sender, ring};
use tickwire::wiring::turn::{Notes, Turn};

/// What the strategy is to want at its next event, and all that it saw.
#[derive(Default)]
struct Script {
    wants: Vec<Intent>,
    seen: Vec<Event>,
    /// Its own orders and its position in BTC when it saw the last one.
    orders: Vec<Working>,
    position: Position,
}

struct Scripted(Arc<Mutex<Script>>);

impl Strategy for Scripted {
    fn handle_event(&mut self, _now: Nanos, event: &Event, view: &View<'_>, out: &mut Intents) {
        let mut script = self.0.lock().unwrap();
        script.seen.push(*event);
        script.orders = view.orders().copied().collect();
        script.position = view.position(BTC);
        out.extend(script.wants.drain(..));
    }
}

struct Bench {
    desk: Desk,
    events: Sender<Event>,
    requests: Option<Receiver<Request>>,
    trade_id: u64,
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
    let ways = vec![Way::only(exit, RULES)];
    Desk::new(&instruments(), vec![input], strategies, risk, ways)
}

const RULES: ExitRules = ExitRules {
    visibility: Span::from_secs(5),
    reduces: true,
};

impl Bench {
    fn new(open_orders_max: u32, exit: Exit, requests: Option<Receiver<Request>>) -> Self {
        let (events, input) = ring(512, Bell::new(|| {}));
        let script = Arc::<Mutex<Script>>::default();
        let strategy = Box::new(Scripted(script.clone()));
        let (sender, log) = crossbeam_channel::bounded(1_024);
        Self {
            desk: desk(input, vec![strategy], risk(open_orders_max), exit),
            events,
            requests,
            trade_id: 0,
            script,
            clock: TestClock::at(START),
            histograms: Histograms::new(0, &Stage::ALL).0,
            notes: Notes::new(sender),
            log,
        }
    }

    /// A desk whose ring to the gateway holds `room` requests; the gateway is connected, and the
    /// account is known.
    fn live(room: usize, open_orders_max: u32) -> Self {
        let (requests, taken) = ring(room, Bell::new(|| {}));
        let mut bench = Self::new(open_orders_max, Exit::Gateway(requests), Some(taken));
        bench.connect();
        bench
    }

    /// The gateway is connected, and nothing rests or is there.
    fn connect(&mut self) {
        let asked = self.clock_now();
        let none = InstrumentId::NONE;
        self.handle(event(asked, none, Body::Gateway(true)));
        for listed in [
            AccountNews::RestingListed { asked },
            AccountNews::BalancesListed { asked },
        ] {
            self.handle(event(asked, none, Body::Account(listed)));
        }
        let listed = AccountNews::TradesListed { asked };
        self.handle(event(asked, BTC, Body::Account(listed)));
        self.requests(); // What it asked is answered.
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
    fn want<I: Into<Intent> + Copy>(&mut self, intents: &[I]) {
        wants(&self.script, intents);
        self.handle(book(self.clock_now(), BTC));
    }

    fn clock_now(&self) -> Nanos {
        tickwire::base::Clock::now(&self.clock)
    }

    fn requests(&mut self) -> Vec<Request> {
        let ring = self.requests.as_mut().unwrap();
        std::iter::from_fn(|| ring.pop().ok()).collect()
    }

    /// New orders among the requests.
    fn tickets(&mut self) -> Vec<Ticket> {
        let ticket = |request| match request {
            Request::Place(ticket) | Request::Replace(_, ticket) => Some(ticket),
            Request::Reduce(..) | Request::Cancel(_) | Request::Ask(_) => None,
        };
        self.requests().into_iter().filter_map(ticket).collect()
    }

    /// The requests in a few words.
    fn asked(&mut self) -> Vec<(&'static str, u64, u64)> {
        let word = |request: &Request| match request {
            Request::Place(new) => {
                let order = new.order.order();
                ("place", order.client_id.0, order.qty.0)
            }
            Request::Replace(old, new) => {
                let order = new.order.order();
                assert!(old.client_id < order.client_id);
                ("replace", old.client_id.0, order.qty.0)
            }
            Request::Reduce(old, qty) => ("reduce", old.client_id.0, qty.0),
            Request::Cancel(old) => ("cancel", old.client_id.0, 0),
            Request::Ask(_) => ("ask", 0, 0),
        };
        self.requests().iter().map(word).collect()
    }

    /// The gateway says this of an order.
    fn say(&mut self, id: u64, said: Said) {
        let news = News {
            client_id: ClientId(id),
            instrument: BTC,
            source: Source::Answer,
            said,
        };
        self.handle(event(self.clock_now(), BTC, Body::News(news)));
    }

    /// An order that the exchange took.
    fn resting(&mut self, qty: u64) -> u64 {
        self.want(&[limit(qty)]);
        let id = self.tickets()[0].order.order().client_id.0;
        self.say(id, Said::Taken { exchange_id: id });
        id
    }

    /// A trade that nobody told of before.
    fn bought(&mut self, px: i64, qty: u64) -> Fill {
        self.trade_id += 1;
        Fill::bare(self.trade_id, Side::Buy, Px(px), Qty(qty))
    }

    fn turn_of(&mut self, act: impl FnOnce(&mut Desk, &mut Turn)) {
        let mut turn = Turn {
            clock: &self.clock,
            latency: &mut self.histograms,
            notes: &self.notes,
        };
        act(&mut self.desk, &mut turn);
    }

    fn close(&mut self) {
        self.turn_of(Desk::close);
    }

    /// The desk looks at its clock.
    fn look(&mut self) {
        self.turn_of(Desk::handle_timeout);
    }

    /// Everything that is to be heard at the next turn is heard.
    fn settle(&mut self) {
        while self.desk.has_input() {
            self.turn();
        }
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
    wants(&bench.script, &[buy(BTC, 6)]);
    bench.say(id, Said::Rejected { code: -2010 });
    assert_eq!(bench.tickets().len(), 1, "its slot is free again");
    assert_eq!(bench.refused(Refusal::OpenOrders), 0);
}

#[test]
fn every_refusal_is_counted_and_one_a_second_and_gate_is_logged_with_its_inputs() {
    let mut bench = Bench::live(8, 16);
    let large = buy(BTC, 1_000_000);
    let far = Place {
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
fn of_each_instrument_orders_changes_and_what_each_gate_held_back_add_up_to_the_intents() {
    let mut bench = Bench::live(16, 16);
    let first = bench.resting(5);
    let cancel = |order| Cancel {
        order: ClientId(order),
        why: "test",
    };
    bench.want(&[
        buy(ETH, 1_000_000),
        buy(ETH, 1_000_000),
        buy(BTC, 1_000_000),
    ]);
    bench.want(&[cancel(first), cancel(first), cancel(9_999)]);
    let instrument = InstrumentId::NONE;
    bench.want(&[CancelAll {
        instrument,
        why: "test",
    }]);
    bench.want(&[buy(InstrumentId(999), 1)]);
    let nth = |note: &Note| note.fields.iter().find(|(name, _)| *name == "nth").copied();
    let log = bench.log();
    let refused = log.iter().filter(|note| note.event == "order.refused");
    let told: Vec<_> = refused.map(|note| (note.instrument, nth(note))).collect();
    let first_of = |id| (id, Some(("nth", Value::Int(1))));
    let unknown = first_of(InstrumentId(999));
    let over = first_of(InstrumentId::NONE);
    assert_eq!(told, [first_of(ETH), first_of(BTC), over, unknown]);

    let end = bench.finish();
    let judged = &end.strategies[0].judged;
    let told = [BTC, ETH, InstrumentId::NONE].map(|id| {
        let of = judged.of(id);
        let gates = Refusal::ALL.iter().map(|gate| of.count(*gate));
        (of.intents, of.orders, of.changes, gates.sum::<u64>())
    });
    // What is about no instrument, or about one that nobody knows, stands together.
    assert_eq!(told, [(4, 1, 1, 2), (2, 0, 0, 2), (3, 0, 1, 2)]);
    assert_eq!(judged.of(BTC).count(Refusal::OrderBusy), 1);
    assert_eq!(judged.of(BTC).count(Refusal::QuantityMax), 1);
    assert_eq!(judged.of(ETH).count(Refusal::QuantityMax), 2);
    let none = judged.of(InstrumentId::NONE);
    assert_eq!(none.count(Refusal::OrderOver), 1);
    assert_eq!(none.count(Refusal::UnknownInstrument), 1);
    let counters = end.strategies[0].counters;
    let sum = told.iter().map(|(intents, ..)| intents).sum::<u64>();
    assert_eq!(sum, counters.intents);
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
        wants(&bench.script, &[buy(BTC, 2)]);
        bench.handle(event(now, BTC, Body::Status(status)));
        assert_eq!(bench.refused(Refusal::BookNotLive), 1, "{status:?}");
        wants(&bench.script, &[buy(BTC, 2)]);
        bench.handle(event(now, BTC, Body::Status(Status::Live)));
        assert_eq!(
            bench.refused(Refusal::BookNotLive),
            2,
            "live, but no book yet"
        );
        wants(&bench.script, &[buy(BTC, 2)]);
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
    assert_eq!(bench.refused(Refusal::GatewayDown), 2, "not known yet");
    bench.connect();
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

#[test]
fn an_order_leaves_before_the_desk_sees_to_anything_else() {
    let admitted = |log: &[Note]| log.iter().any(|note| note.event == "order.admitted");
    let mut bench = Bench::live(8, 16);
    bench.seen();
    bench.log();
    wants(&bench.script, &[limit(1)]);
    for _ in 0..2 {
        assert!(bench.events.push(book(START, BTC)).is_ok());
    }
    assert_eq!(bench.turn(), 1, "the second book waits");
    assert_eq!(bench.tickets().len(), 1);
    assert_eq!(bench.seen().len(), 1);
    assert!(!admitted(&bench.log()), "and so does the record");
    assert!(bench.desk.has_input());
    assert_eq!(bench.turn(), 1);
    assert!(admitted(&bench.log()));
    assert_eq!(bench.seen().len(), 1);
    assert!(!bench.desk.has_input());
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
    let fill = |px, qty| Said::Fill(Fill::bare(1, Side::Buy, Px(px), Qty(qty)));
    let rejected = Said::Rejected { code: -1 };
    let taken = Said::Taken { exchange_id: 9 };
    for (said, names) in [
        (
            vec![
                taken,
                taken,
                fill(10_000, 4),
                ended(End::Expired, 4),
                taken,
                fill(10_000, 4),
            ],
            vec!["acked", "filled", "expired"],
        ),
        (
            vec![taken, fill(1, 10), ended(End::Filled, 10)],
            vec!["acked", "filled", "done"],
        ),
        (
            vec![Said::Unanswered, Said::Unanswered, rejected, taken],
            vec!["in_doubt", "rejected"],
        ),
        (vec![Said::NotSent, Said::NotSent], vec!["not_sent"]),
        (
            vec![taken, ended(End::Cancelled, 0)],
            vec!["acked", "cancelled"],
        ),
    ] {
        let mut bench = Bench::live(8, 16);
        bench.want(&[Place {
            tag: 77,
            ..buy(BTC, 10)
        }]);
        let id = bench.tickets()[0].order.order().client_id.0;
        bench.settle();
        bench.log();
        bench.seen();
        for said in &said {
            bench.say(id, *said);
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
    bench.say(ids[0], Said::Unanswered);
    let fill = bench.bought(10_000, 5);
    bench.say(ids[1], Said::Fill(fill));
    bench.seen();
    bench.requests();
    bench.close();
    let mut cancels: Vec<u64> = bench
        .asked()
        .iter()
        .map(|(what, id, _)| {
            assert_eq!(*what, "cancel");
            *id
        })
        .collect();
    cancels.sort_unstable();
    assert_eq!(cancels, ids, "what is open is cancelled");
    wants(&bench.script, &[buy(BTC, 1)]);
    bench.say(ids[2], ended(End::Expired, 0));
    assert!(bench.tickets().is_empty(), "nothing is decided any more");
    bench.log();
    let ended = bench.finish();
    let unknown = bench.log().into_iter();
    let unknown = unknown.filter(|note| note.event == "order.unknown");
    assert_eq!(unknown.count(), 2);
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
    let (requests, taken) = ring(8, Bell::new(|| {}));
    let (events, input) = ring(512, Bell::new(|| {}));
    let strategies: Vec<Box<dyn Strategy>> = vec![
        Box::new(Scripted(other.clone())),
        Box::new(Scripted(bench.script.clone())),
    ];
    bench.desk = desk(input, strategies, risk(16), Exit::Gateway(requests));
    (bench.events, bench.requests) = (events, Some(taken));
    bench.connect();
    bench.want(&[buy(BTC, 10), buy(BTC, 1_000_000)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    bench.say(id, ended(End::Expired, 0));
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
    let filled = Outcome::Fill(Fill {
        maker: Some(false),
        ..Fill::bare(1, Side::Buy, Px(10_001), Qty(1_000))
    });
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
    fn handle_event(&mut self, _now: Nanos, event: &Event, _view: &View<'_>, out: &mut Intents) {
        if matches!(event.body, Body::Report(_) | Body::Book(_)) {
            out.push(buy(BTC, 1).into());
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
    let table = instruments();
    let ways = vec![Way::only(paper, RULES)];
    bench.desk = Desk::new(&table, vec![input], strategies, risk(16), ways);
    bench.events = events;
    (bench, scripts)
}

fn wants<I: Into<Intent> + Copy>(script: &Arc<Mutex<Script>>, intents: &[I]) {
    let intents = intents.iter().map(|intent| (*intent).into());
    script.lock().unwrap().wants = intents.collect();
}

fn ended(end: End, total: u64) -> Said {
    Said::Ended(end, Some(Qty(total)))
}

/// An order that rests below the best ask.
fn limit(qty: u64) -> Place {
    Place {
        px: Px(10_000),
        order_type: OrderType::Limit,
        ..buy(BTC, qty)
    }
}

fn replace(order: u64, px: i64, qty: u64) -> Replace {
    Replace {
        order: ClientId(order),
        px: Px(px),
        qty: Qty(qty),
        why: limit(qty).why,
    }
}

fn cancel(order: u64) -> Cancel {
    Cancel {
        order: ClientId(order),
        why: "test",
    }
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
    bench.want(&[buy(BTC, 4)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    // Of another contract than that which is held nothing would be ordered.
    bench.handle(event(START, BTC, Body::Instrument(listed)));
    for (px, qty) in [(10_000, 1), (i64::MAX, 3)] {
        let fill = bench.bought(px, qty);
        bench.say(id, Said::Fill(fill));
    }
    let traded = bench.finish().traded[BTC.index()];
    assert_eq!((traded.fills, traded.qty), (2, [4, 0]));
    assert_eq!(traded.notional, [u128::MAX, 0]);
}

/// What the strategy sees of its own orders: id, quantity, what is filled, and whether a change is
/// under way.
fn orders(script: &Arc<Mutex<Script>>) -> Vec<(u64, u64, u64, bool)> {
    let script = script.lock().unwrap();
    let each = script.orders.iter().map(|order| {
        let (qty, filled) = (order.qty.0, order.filled.0);
        (order.client_id.0, qty, filled, order.changing)
    });
    let mut each: Vec<_> = each.collect();
    each.sort_unstable();
    each
}

#[test]
fn a_strategy_sees_its_own_working_orders_and_its_position_and_nobody_elses() {
    let (mut bench, [first, second]) = two();
    wants(&first, &[limit(10), limit(20)]);
    wants(&second, &[buy(BTC, 30)]);
    bench.handle(book(START, BTC));
    bench.settle();
    bench.handle(book(START, BTC));
    assert_eq!(orders(&first), [(1, 10, 0, false), (2, 20, 0, false)]);
    assert_eq!(orders(&second), [], "its order is filled");
    let position = |script: &Arc<Mutex<Script>>| script.lock().unwrap().position;
    assert_eq!(position(&first), Position::default());
    let bought = Position {
        qty: 30,
        cash: -30 * 10_001,
        cost: 30 * 10_001,
        taken: 0,
    };
    assert_eq!(position(&second), bought);
    // Neither can be touched by the other.
    wants(&second, &[cancel(1), cancel(2)]);
    bench.handle(book(START, BTC));
    assert_eq!(bench.refused(Refusal::OrderOver), 2);
    assert_eq!(orders(&first).len(), 2);
}

#[test]
fn a_cancelled_order_is_open_until_the_exchange_says_that_it_is_over() {
    let mut bench = Bench::live(8, 16);
    let id = bench.resting(10);
    bench.want(&[cancel(id)]);
    assert_eq!(bench.asked(), [("cancel", id, 0)]);
    let now = bench.clock_now();
    bench.handle(book(now, BTC));
    assert_eq!(orders(&bench.script), [(id, 10, 0, true)]);
    bench.want(&[cancel(id)]);
    assert_eq!(bench.refused(Refusal::OrderBusy), 1, "it is under way");
    let fill = bench.bought(10_000, 4);
    bench.say(id, Said::Fill(fill));
    bench.say(id, ended(End::Cancelled, 4));
    bench.want(&[cancel(id)]);
    assert_eq!(bench.refused(Refusal::OrderOver), 1, "it is over");
    assert_eq!(orders(&bench.script), []);
    let reports = told(&bench.seen());
    let last = reports.last().unwrap();
    assert_eq!((last.outcome, last.remaining), (Outcome::Cancelled, Qty(6)));
    let counters = bench.desk.counters();
    assert_eq!((counters.intents, counters.changes), (4, 1));
    assert_eq!(gates(&bench.log()).len(), 2, "and it is said why");
}

#[test]
fn a_refused_cancel_is_told_and_the_order_stands_and_can_be_cancelled_again() {
    let mut bench = Bench::live(8, 16);
    let id = bench.resting(10);
    bench.want(&[cancel(id)]);
    bench.requests();
    bench.seen();
    bench.say(id, Said::ChangeRefused { code: -2011 });
    let refused = Outcome::ChangeRefused { code: -2011 };
    assert_eq!(told(&bench.seen())[0].outcome, refused);
    bench.want(&[cancel(id)]);
    assert_eq!(bench.asked(), [("cancel", id, 0)]);
    assert_eq!(orders(&bench.script), [(id, 10, 0, false)]);
}

#[test]
fn what_a_replaced_order_becomes_is_one_request_and_never_two_live_orders() {
    let mut bench = Bench::live(8, 16);
    let old = bench.resting(10);
    bench.want(&[replace(old, 9_999, 12)]);
    let (new, request) = (old + 1, bench.asked());
    assert_eq!(request, [("replace", old, 12)]);
    // Until the exchange says what became of it, there is no other change of either.
    for busy in [old, new] {
        bench.want(&[replace(busy, 9_998, 3)]);
        bench.want(&[replace(busy, 10_000, 3)]);
    }
    bench.want(&[cancel(old)]);
    assert_eq!(bench.refused(Refusal::OrderBusy), 5);
    assert_eq!(bench.asked(), []);
    bench.say(old, ended(End::Cancelled, 0));
    bench.say(new, Said::Taken { exchange_id: 99 });
    bench.want(&[replace(old, 9_998, 3)]);
    assert_eq!(bench.refused(Refusal::OrderOver), 1);
    assert_eq!(orders(&bench.script), [(new, 12, 0, false)]);
    bench.want(&[replace(new, 9_998, 3)]);
    assert_eq!(bench.asked(), [("replace", new, 3)]);
}

#[test]
fn a_replacement_that_was_not_done_leaves_the_first_order_as_it_was() {
    let mut bench = Bench::live(8, 16);
    let old = bench.resting(10);
    bench.want(&[replace(old, 9_999, 12)]);
    bench.requests();
    bench.say(old, Said::ChangeRefused { code: -2021 });
    bench.say(old + 1, Said::NotSent);
    let now = bench.clock_now();
    bench.handle(book(now, BTC));
    assert_eq!(orders(&bench.script), [(old, 10, 0, false)]);
    let counters = bench.desk.counters();
    assert_eq!((counters.admitted, counters.not_sent), (2, 1));
}

#[test]
fn a_successor_has_its_predecessors_tag_side_type_and_instrument() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[Place {
        tag: 77,
        order_type: OrderType::PostOnly,
        ..limit(10)
    }]);
    let old = bench.tickets()[0].order.order().client_id.0;
    bench.say(old, Said::Taken { exchange_id: 5 });
    bench.want(&[replace(old, 9_999, 12)]);
    let tickets = bench.tickets();
    let new = tickets[0].order.order();
    assert_eq!((new.px, new.qty), (Px(9_999), Qty(12)));
    assert_eq!((new.side, new.instrument), (Side::Buy, BTC));
    assert_eq!(new.order_type, OrderType::PostOnly);
    let script = bench.script.clone();
    let now = bench.clock_now();
    bench.handle(book(now, BTC));
    assert!(script.lock().unwrap().orders.iter().all(|o| o.tag == 77));
}

#[test]
fn less_at_the_same_price_keeps_the_order_if_the_exchange_can_do_that() {
    let mut bench = Bench::live(8, 16);
    let id = bench.resting(10);
    let fill = bench.bought(10_000, 2);
    bench.say(id, Said::Fill(fill));
    bench.want(&[replace(id, 10_000, 5)]);
    assert_eq!(bench.asked(), [("reduce", id, 7)], "with what was filled");
    bench.say(id, Said::Reduced(Qty(7)));
    let now = bench.clock_now();
    bench.handle(book(now, BTC));
    assert_eq!(orders(&bench.script), [(id, 7, 2, false)]);
    // The same or more is a new order.
    bench.want(&[replace(id, 10_000, 5)]);
    assert_eq!(bench.asked(), [("replace", id, 5)]);
}

#[test]
fn where_the_exchange_cannot_reduce_less_is_a_new_order() {
    let (requests, taken) = ring(8, Bell::new(|| {}));
    let (events, input) = ring(512, Bell::new(|| {}));
    let mut bench = Bench::paper();
    let strategy = Box::new(Scripted(bench.script.clone()));
    let rules = ExitRules {
        reduces: false,
        ..RULES
    };
    let seated = vec![Seated::everywhere(strategy)];
    let exit = Exit::Gateway(requests);
    let ways = vec![Way::only(exit, rules)];
    bench.desk = Desk::new(&instruments(), vec![input], seated, risk(16), ways);
    (bench.events, bench.requests) = (events, Some(taken));
    bench.connect();
    let id = bench.resting(10);
    bench.want(&[replace(id, 10_000, 5)]);
    assert_eq!(bench.asked(), [("replace", id, 5)]);
}

/// T7: at the intent.
#[test]
fn an_order_that_is_not_known_to_stand_is_not_replaced_but_may_be_cancelled() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[limit(10)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    bench.want(&[replace(id, 9_999, 10)]);
    assert_eq!(bench.refused(Refusal::OrderBusy), 1, "no answer yet");
    bench.say(id, Said::Unanswered);
    bench.want(&[replace(id, 9_999, 10)]);
    assert_eq!(bench.refused(Refusal::OrderBusy), 2, "in doubt");
    bench.requests();
    bench.want(&[cancel(id)]);
    assert_eq!(bench.asked(), [("cancel", id, 0)]);
}

#[test]
fn an_order_may_be_in_doubt_again_and_again() {
    let mut bench = Bench::live(8, 16);
    let id = bench.resting(10);
    for times in 1..=3 {
        bench.want(&[cancel(id)]);
        bench.say(id, Said::Unanswered);
        assert_eq!(bench.desk.counters().in_doubt, times);
        bench.say(id, Said::ChangeRefused { code: -1 });
    }
    bench.say(id, ended(End::Cancelled, 0));
    assert_eq!(bench.desk.counters().cancelled, 1);
}

#[test]
fn an_order_without_an_answer_is_asked_about_after_a_second() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[limit(10)]);
    bench.requests();
    bench.clock.advance(Span::from_millis(999));
    bench.look();
    assert_eq!((bench.asked(), bench.desk.counters().in_doubt), (vec![], 0));
    bench.clock.advance(Span::from_millis(1));
    bench.look();
    assert_eq!(bench.asked(), [("ask", 0, 0)]);
    assert_eq!(bench.desk.counters().in_doubt, 1);
    assert_eq!(told(&bench.seen()).len(), 1, "the strategy hears of it");
}

#[test]
fn all_that_is_cancelled_is_the_strategys_own_and_of_the_instrument_that_it_names() {
    let (mut bench, [first, second]) = two();
    wants(&first, &[limit(10), limit(20)]);
    bench.handle(book(START, BTC));
    let other = Place {
        instrument: ETH,
        ..limit(40)
    };
    bench.settle();
    wants(&second, &[limit(30)]);
    bench.handle(book(START, BTC));
    bench.settle();
    wants(&second, &[other]);
    bench.handle(book(START, ETH));
    bench.settle();
    let all = |instrument| CancelAll {
        instrument,
        why: "test",
    };
    wants(&second, &[all(ETH)]);
    bench.handle(book(START, ETH));
    bench.settle();
    assert_eq!(orders(&second), [(3, 30, 0, false)]);
    wants(&second, &[all(InstrumentId::NONE)]);
    bench.handle(book(START, ETH));
    bench.settle();
    assert_eq!(orders(&second), []);
    bench.handle(book(START, BTC));
    assert_eq!(orders(&first).len(), 2, "they are another's");
    let counters = bench.desk.counters();
    assert_eq!((counters.cancelled, counters.changes), (2, 2));
}

#[test]
fn all_is_cancelled_but_what_is_being_changed_already() {
    let mut bench = Bench::live(16, 16);
    let ids = [bench.resting(10), bench.resting(20), bench.resting(30)];
    bench.want(&[cancel(ids[1])]);
    bench.requests();
    bench.want(&[CancelAll {
        instrument: InstrumentId::NONE,
        why: "test",
    }]);
    let mut asked = bench.asked();
    asked.sort_unstable();
    assert_eq!(asked, [("cancel", ids[0], 0), ("cancel", ids[2], 0)]);
}

#[test]
fn each_intent_is_admitted_a_change_or_refused() {
    let mut bench = Bench::live(64, 16);
    let id = bench.resting(10);
    bench.want(&[replace(id, 10_000, 5)]);
    bench.say(id, Said::Reduced(Qty(5)));
    bench.want(&[replace(id, 10_001, 1_000_000)]);
    assert_eq!(
        bench.refused(Refusal::QuantityMax),
        1,
        "risk judges it, too"
    );
    let all = CancelAll {
        instrument: InstrumentId::NONE,
        why: "test",
    };
    bench.want::<Intent>(&[cancel(id).into(), cancel(7).into(), all.into()]);
    let counters = bench.desk.counters();
    let refused = bench.desk.refusals().total();
    assert_eq!((counters.intents, counters.admitted), (6, 1));
    assert_eq!((counters.changes, refused), (3, 2));
}

#[test]
fn a_change_that_finds_the_gateways_ring_full_leaves_the_order_as_it_was() {
    let mut bench = Bench::live(1, 16);
    let id = bench.resting(10);
    bench.want(&[limit(1)]); // It fills the ring.
    bench.seen();
    bench.want::<Intent>(&[cancel(id).into()]);
    bench.settle();
    let refused = Outcome::ChangeRefused { code: 0 };
    assert_eq!(told(&bench.seen())[0].outcome, refused);
    bench.want(&[replace(id, 9_999, 12)]);
    bench.settle();
    let outcomes: Vec<Outcome> = told(&bench.seen()).iter().map(|r| r.outcome).collect();
    assert!(outcomes.contains(&Outcome::NotSent), "{outcomes:?}");
    bench.requests();
    bench.want(&[cancel(id)]);
    assert_eq!(bench.asked(), [("cancel", id, 0)]);
}

#[test]
fn a_trade_of_an_order_that_is_over_is_an_error_in_the_log_and_stops_the_instrument() {
    let mut bench = Bench::live(8, 16);
    bench.want(&[buy(BTC, 10)]);
    let id = bench.tickets()[0].order.order().client_id.0;
    bench.say(id, Said::Rejected { code: -2010 });
    bench.log();
    let fill = bench.bought(10_000, 4);
    bench.say(id, Said::Fill(fill));
    bench.say(id, Said::Fill(fill));
    let notes = bench.log();
    let stray = notes.iter().filter(|note| note.event == "order.stray_fill");
    assert!(stray.clone().all(|note| note.severity == Severity::Error));
    assert_eq!(stray.count(), 1, "once");
    bench.want(&[buy(BTC, 10)]);
    assert_eq!(bench.refused(Refusal::ReduceOnly), 1);
}

#[test]
fn on_paper_what_rests_is_filled_by_a_later_book_and_cancelled_at_the_end() {
    let mut bench = Bench::paper();
    bench.want(&[limit(10), limit(20)]);
    bench.settle();
    bench.want(&[replace(2, 9_990, 20)]);
    bench.settle();
    bench.handle(book(START, BTC));
    assert_eq!(
        orders(&bench.script),
        [(1, 10, 0, false), (3, 20, 0, false)]
    );
    let mut lower = book(START, BTC);
    if let Body::Book(top) = &mut lower.body {
        let cheap = top.side(Side::Sell).iter().map(|level| {
            let px = Px(level.px.0 - 1);
            tickwire::base::Level { px, ..*level }
        });
        let (asks, bids): (Vec<_>, Vec<_>) = (cheap.collect(), vec![]);
        top.set(Side::Sell, asks.into_iter(), 10, true);
        top.set(Side::Buy, bids.into_iter(), 0, true);
    }
    bench.handle(lower);
    bench.settle();
    assert_eq!(bench.desk.counters().filled, 1);
    let end = bench.finish();
    let counters = end.counters;
    assert_eq!((counters.cancelled, counters.unknown), (2, 0));
    let told = told(&bench.seen());
    let ends = told.iter().filter(|report| report.outcome.is_end());
    assert_eq!(
        ends.count(),
        3,
        "each has one, and the strategy heard of it"
    );
}
