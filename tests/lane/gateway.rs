//! The gateway lane's two lines over TLS in memory: logon, the private stream, orders and changes,
//! every kind of answer, and none at all.

use crate::lane_support::desk::{admit, ready_risk};
use crate::lane_support::{BTC, Rig, Tap, binance, instruments};
use std::sync::Arc;
use tickwire::base::{
    AccountNews, Body, ClientId, End, Event, Nanos, OrderRef, Qty, Question, RxStamps, Said,
    Source, Span, Stamps, TradesOf, Value,
};
use tickwire::exchange::{Account, AccountKey};
use tickwire::trading::risk::Risk;
use tickwire::watch::stage::Stage;
use tickwire::wiring::desk::{Receipt, Request, Ticket};
use tickwire::wiring::gateway::{ANSWER_DEADLINE, Gateway, LOGON_DEADLINE, SUSPECTED_AFTER};
use tickwire::wiring::kill::KillSwitch;
use tickwire::wiring::lane::Lane;
use tickwire::wiring::plan::GatewayPlan;
use tickwire::wiring::ring::{Receiver, Sender};
use tickwire::wiring::road::{self, Bells};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
const LOGGED_ON: &str = r#"{"id":"l","status":200,"result":{"apiKey":"k"}}"#;
const FOLLOWED: &str = r#"{"id":"f","status":200,"result":{"subscriptionId":0}}"#;
const LEAVES: &str = r#"{"event":{"e":"serverShutdown","E":1770000000000}}"#;
const STREAM_ENDS: &str =
    r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1770000000000}}"#;
const TRADING: usize = 0;
const ACCOUNT: usize = 1;
const BOTH: [usize; 2] = [TRADING, ACCOUNT];

struct Bench {
    rig: Rig<Gateway<Tap>>,
    requests: Sender<Request>,
    events: Receiver<Event>,
    risk: Risk,
    /// How far ahead the exchange's clock was said to be, in milliseconds.
    ahead_ms: Vec<i64>,
    switch: Arc<KillSwitch>,
}

/// A gateway whose ring to the desk holds `room` events.
fn bench(room: usize) -> Bench {
    let account = Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Ed25519Pem(KEY.to_owned().into()),
    };
    let codec = binance().order_codec(account, &instruments()).unwrap();
    let bells = Bells::silent();
    let switch = bells.switch.clone();
    let (rig, (requests, events)) = Rig::of(|endpoint| {
        let plan = GatewayPlan {
            tickets: 300,
            reports: room,
            ..GatewayPlan::new(binance(), codec, endpoint)
        };
        let ends = road::gateway(plan, &bells).unwrap();
        (ends.gateway, (ends.tickets, ends.reports))
    });
    Bench {
        rig,
        requests,
        events,
        risk: ready_risk(),
        ahead_ms: Vec::new(),
        switch,
    }
}

impl Bench {
    fn ready() -> Self {
        Self::ready_with(64)
    }

    fn ready_with(room: usize) -> Self {
        let mut bench = bench(room);
        bench.log_on();
        assert_eq!(bench.bodies(), [Body::Gateway(true)]);
        bench.rig.log();
        bench
    }

    /// Turns, a step at a time, until a line is there and has sent a request of this sort.
    fn until_asked(&mut self, line: usize, method: &str) {
        for _ in 0..400 {
            if self.rig.is_up(line) && !self.sent(line, method).is_empty() {
                return;
            }
            self.rig.later(ms(50));
        }
        panic!("no {method} on line {line}");
    }

    /// Whichever line is not on yet is.
    fn log_on(&mut self) {
        for line in BOTH {
            self.log_on_at(line);
        }
        self.follow();
    }

    fn log_on_at(&mut self, line: usize) {
        self.until_asked(line, "session.logon");
        self.rig.say_on(line, LOGGED_ON);
        self.rig.run_until_idle();
    }

    fn follow(&mut self) {
        self.until_asked(ACCOUNT, "userDataStream.subscribe");
        self.rig.say_on(ACCOUNT, FOLLOWED);
        self.rig.run_until_idle();
    }

    /// Admits an order that was caused by a packet of 1 us ago.
    fn ticket(&mut self) -> (ClientId, Ticket) {
        let now = self.rig.now();
        let order = admit(&mut self.risk, now, BTC);
        let id = order.order().client_id;
        let ago = |ns| Nanos(now.0 - ns);
        let rx = RxStamps {
            kernel: ago(1_000),
            empty: ago(1_500),
            call: ago(900),
            read: ago(800),
        };
        let receipt = Receipt {
            stamps: Stamps {
                rx,
                ..Stamps::default()
            },
            admitted: ago(100),
            ..Receipt::default()
        };
        (id, Ticket { order, receipt })
    }

    fn request(&mut self, request: Request) {
        assert!(self.requests.push(request).is_ok());
        self.rig.turn();
    }

    /// Puts an order on the ring, and lets the gateway turn.
    fn order(&mut self) -> ClientId {
        let (id, ticket) = self.ticket();
        self.request(Request::Place(ticket));
        id
    }

    /// An order that the exchange took under the number 12.
    fn resting(&mut self) -> ClientId {
        let id = self.order();
        let placed = self.placed().pop().unwrap();
        self.answer_to(id, &placed, "NEW", "0");
        self.bodies();
        id
    }

    /// The ids of the requests of this sort that a line has sent on its connection.
    fn sent(&self, line: usize, method: &str) -> Vec<String> {
        let texts = self.rig.heard_on(line).iter().map(|(_, text)| text);
        let method = format!(r#""method":"{method}""#);
        let asked = texts.filter(|text| text.contains(&method));
        asked
            .map(|text| text.split('"').nth(3).unwrap().to_owned())
            .collect()
    }

    /// The ids of the requests with orders that the exchange has heard on this connection.
    fn placed(&self) -> Vec<String> {
        assert!(self.sent(ACCOUNT, "order.place").is_empty());
        self.sent(TRADING, "order.place")
    }

    fn answer(&mut self, id: &str, status: u16, rest: &str) {
        self.answer_on(TRADING, id, status, rest);
    }

    fn answer_on(&mut self, line: usize, id: &str, status: u16, rest: &str) {
        let text = format!(r#"{{"id":"{id}","status":{status},{rest}}}"#);
        self.rig.say_on(line, &text);
        self.rig.run_until_idle();
    }

    /// The exchange's clock, in milliseconds.
    fn now_ms(&self) -> u64 {
        self.rig.now().0 / 1_000_000
    }

    /// An order as an answer has it.
    fn standing(&self, id: ClientId, status: &str, traded: &str, fills: &str) -> String {
        let now_ms = self.now_ms();
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":12,"orderListId":-1,"clientOrderId":"tw{:020}","transactTime":{now_ms},"price":"100.01","origQty":"1.000","executedQty":"{traded}","status":"{status}","timeInForce":"IOC","type":"LIMIT","side":"BUY","fills":[{fills}]}}"#,
            id.0
        )
    }

    fn answer_to(&mut self, id: ClientId, request: &str, status: &str, traded: &str) {
        let result = self.standing(id, status, traded, "");
        self.answer(request, 200, &format!(r#""result":{result}"#));
    }

    /// The order that is placed by this request expires without a trade.
    fn ack(&mut self, request: &str) {
        let number = request.get(6..).and_then(|digits| digits.parse().ok());
        self.answer_to(ClientId(number.unwrap_or(9)), request, "EXPIRED", "0.000");
    }

    /// Whoever is asked for its time says it.
    fn tell_times(&mut self) {
        for line in BOTH {
            if self.rig.is_up(line) {
                let now_ms = self.now_ms();
                let result = format!(r#""result":{{"serverTime":{now_ms}}}"#);
                self.answer_on(line, "t", 200, &result);
            }
        }
    }

    /// Time goes on while both lines show that they live.
    fn later_alive(&mut self, span: Span) {
        let until = self.rig.now() + span;
        while self.rig.now() < until {
            let step = until.since(self.rig.now()).min(ms(500));
            self.rig.later(step);
            self.tell_times();
        }
    }

    /// What the private stream says of an order.
    fn stream(&mut self, id: ClientId, execution: &str, status: &str, traded: &str) {
        let now_ms = self.now_ms();
        let text = format!(
            r#"{{"subscriptionId":0,"event":{{"e":"executionReport","E":{now_ms},"s":"BTCUSDT","c":"tw{:020}","S":"BUY","o":"LIMIT","f":"GTC","q":"1.000","p":"100.01","C":"","x":"{execution}","X":"{status}","r":"NONE","i":12,"l":"{traded}","z":"{traded}","L":"100.01","n":"0","N":null,"T":{now_ms},"t":77,"m":false}}}}"#,
            id.0
        );
        self.rig.say_on(ACCOUNT, &text);
        self.rig.run_until_idle();
    }

    /// What the desk hears, but of the clock.
    fn bodies(&mut self) -> Vec<Body> {
        let mut bodies = Vec::new();
        while let Ok(event) = self.events.pop() {
            match event.body {
                Body::Account(AccountNews::Clock { ahead_ns }) => {
                    self.ahead_ms.push(ahead_ns / 1_000_000);
                }
                body => bodies.push(body),
            }
        }
        bodies
    }

    fn reports(&mut self) -> Vec<(ClientId, Said)> {
        reports(self.bodies())
    }
    /// The count and the largest value of a stage, of values that are exact in three digits.
    fn stage(&mut self, stage: Stage) -> (u64, u64) {
        let totals = self.rig.latency();
        totals
            .stage(stage)
            .map_or((0, 0), |all| (all.len(), all.max()))
    }
}

/// What is said of orders.
fn reports(bodies: Vec<Body>) -> Vec<(ClientId, Said)> {
    let report = |body| match body {
        Body::News(news) => Some((news.client_id, news.said)),
        _ => None,
    };
    bodies.into_iter().filter_map(report).collect()
}

const TAKEN: Said = Said::Taken { exchange_id: 12 };
const EXPIRED: Said = Said::Ended(End::Expired, Some(Qty(0)));
const NOT_CHANGED: Said = Said::ChangeRefused { code: 0 };

/// What [`Bench::ack`] makes of an order.
fn taken(id: ClientId) -> [(ClientId, Said); 2] {
    [(id, TAKEN), (id, EXPIRED)]
}

fn name(client_id: ClientId) -> OrderRef {
    OrderRef {
        client_id,
        instrument: BTC,
        exchange_id: Some(12),
    }
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

#[test]
fn it_logs_on_first_and_an_order_before_that_is_not_sent() {
    let mut bench = bench(64);
    let early = bench.order();
    assert_eq!(bench.reports(), [(early, Said::NotSent)]);
    for line in BOTH {
        bench.until_asked(line, "session.logon");
        assert!(bench.rig.heard_on(line)[0].1.contains("session.logon"));
    }
    let unanswered = bench.order();
    assert_eq!(bench.reports(), [(unanswered, Said::NotSent)]);
    bench.log_on();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert!(bench.placed().is_empty(), "neither is sent later");
    let sent = bench.order();
    assert_eq!(bench.placed().len(), 1);
    assert_eq!(
        (bench.reports(), bench.rig.lane.counters().sent),
        (vec![], 1)
    );
    let id = bench.placed()[0].clone();
    bench.ack(&id);
    assert_eq!(bench.reports(), taken(sent));
}

#[test]
fn it_is_connected_once_both_lines_are_on_and_the_stream_is_followed() {
    let mut bench = bench(64);
    bench.log_on_at(TRADING);
    assert!(bench.bodies().is_empty(), "the account line is not on");
    bench.log_on_at(ACCOUNT);
    assert!(bench.bodies().is_empty(), "the stream is not followed");
    let early = bench.order();
    assert_eq!(bench.reports(), [(early, Said::NotSent)]);
    let stream = "userDataStream.subscribe";
    assert!(bench.sent(TRADING, stream).is_empty(), "one line follows");
    bench.follow();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert_eq!(bench.rig.dials, 2);
}

#[test]
fn a_logon_without_an_answer_or_with_a_refusal_is_tried_on_a_new_connection() {
    let mut bench = bench(64);
    bench.until_asked(TRADING, "session.logon");
    bench.until_asked(ACCOUNT, "session.logon");
    bench.rig.later(ANSWER_DEADLINE - ms(200));
    assert_eq!(bench.rig.dials, 2);
    bench.rig.later(ms(300));
    assert!(bench.rig.log().contains(&"gateway.line_silent"));
    bench.rig.later(ms(3_000));
    bench.until_asked(TRADING, "session.logon");
    assert!(bench.rig.dials >= 3);
    bench.answer(
        "l",
        401,
        r#""error":{"code":-2015,"msg":"Invalid API-key"}"#,
    );
    let notes = bench.rig.notes();
    let refused = notes.iter().find(|note| note.event == "gateway.logged_off");
    assert_eq!(refused.unwrap().text.as_str(), "Invalid API-key");
    assert!(bench.bodies().is_empty(), "it never was ready");
}

#[test]
fn a_line_that_lives_and_does_not_answer_the_logon_is_replaced_at_the_logons_deadline() {
    let mut bench = bench(64);
    bench.until_asked(TRADING, "session.logon");
    bench.until_asked(ACCOUNT, "session.logon");
    bench.later_alive(ANSWER_DEADLINE - ms(200));
    assert_eq!(bench.sent(TRADING, "session.logon").len(), 1, "once");
    bench.later_alive(LOGON_DEADLINE - ANSWER_DEADLINE);
    assert_eq!(bench.rig.dials, 2);
    bench.later_alive(ms(300));
    let log = bench.rig.log();
    assert!(log.contains(&"gateway.logon_unanswered"), "{log:?}");
    assert!(!log.contains(&"gateway.line_silent"), "{log:?}");
    bench.rig.later(ms(3_000));
    assert!(bench.rig.dials >= 3);
}

#[test]
fn each_answer_reports_its_own_order_whatever_their_sequence() {
    let mut bench = Bench::ready();
    let ids: Vec<ClientId> = (0..3).map(|_| bench.order()).collect();
    let placed = bench.placed();
    assert_eq!(placed.len(), 3);
    let refusal = r#""error":{"code":-2010,"msg":"Account has insufficient balance."}"#;
    bench.answer(&placed[2], 400, refusal);
    bench.answer(&placed[0], 504, r#""error":{"code":-1007,"msg":"Timeout"}"#);
    bench.ack(&placed[1]);
    let told = [
        (ids[2], Said::Rejected { code: -2010 }),
        (ids[0], Said::Unanswered),
        (ids[1], TAKEN),
        (ids[1], EXPIRED),
    ];
    assert_eq!(bench.reports(), told);
    let notes = bench.rig.notes();
    let reject = notes.iter().find(|note| note.event == "gateway.reject");
    assert_eq!(
        reject.unwrap().text.as_str(),
        "Account has insufficient balance."
    );
}

#[test]
fn the_fills_of_an_answer_come_between_its_ack_and_its_end() {
    let mut bench = Bench::ready();
    let (full, short) = (bench.order(), bench.order());
    let placed = bench.placed();
    let fills = r#"{"price":"100.01","qty":"0.4","commission":"0","commissionAsset":"BNB","tradeId":1},{"price":"100.02","qty":"0.6","commission":"0","commissionAsset":"BNB","tradeId":2}"#;
    let result = bench.standing(full, "FILLED", "1.000", fills);
    bench.answer(&placed[0], 200, &format!(r#""result":{result}"#));
    let reports = bench.reports();
    let px: Vec<i64> = reports
        .iter()
        .filter_map(|(_, said)| match said {
            Said::Fill(fill) => Some(fill.px.0),
            _ => None,
        })
        .collect();
    let filled = Said::Ended(End::Filled, Some(Qty(1_000)));
    assert_eq!((reports[0], reports[3]), ((full, TAKEN), (full, filled)));
    assert_eq!((reports.len(), px), (4, vec![10_001, 10_002]));
    // Only that it was taken, and nothing of what became of it.
    let head = r#""result":{"symbol":"BTCUSDT","orderId":12}"#;
    bench.answer(&placed[1], 200, head);
    assert_eq!(bench.reports(), [(short, TAKEN)]);
}

#[test]
fn answers_that_nobody_waits_for_and_garbage_are_logged_and_decide_nothing_here() {
    let mut bench = Bench::ready();
    let id = bench.order();
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.rig.log();
    // What they say of an order is for whoever knows that.
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.ack("p0000000000000000000009999");
    assert_eq!(bench.reports(), taken(ClientId(9_999)));
    assert_eq!(bench.rig.log(), ["gateway.answer_unexpected"; 2]);
    bench.rig.say("Pong timeout");
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.log(), ["frame.refused"]);
    assert!(bench.bodies().is_empty());
    assert_eq!(bench.rig.lane.counters().bad_frames, 1);
    let next = bench.order();
    let placed = bench.placed()[1].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(next));
}

#[test]
fn a_line_is_suspected_a_second_after_a_request_and_trusted_again_once_it_says_something() {
    let mut bench = Bench::ready();
    let id = bench.order();
    bench.rig.later(SUSPECTED_AFTER - ms(1));
    assert!(bench.bodies().is_empty());
    assert!(bench.sent(TRADING, "time").is_empty());
    bench.rig.later(ms(1));
    assert_eq!(bench.bodies(), [Body::Gateway(false)], "no more orders");
    assert_eq!(bench.sent(TRADING, "time").len(), 1, "is it there?");
    assert!(
        bench.sent(ACCOUNT, "time").is_empty(),
        "nothing is due here"
    );
    let late = bench.order();
    assert_eq!(bench.reports(), [(late, Said::NotSent)]);
    bench.tell_times();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    assert_eq!(bench.rig.dials, 2);
}

/// A turn's time is that of its beginning; orders leave at their own.
#[test]
fn a_line_is_asked_for_its_time_behind_an_order_that_left_later_in_the_same_turn() {
    let mut bench = Bench::ready();
    let first = bench.order();
    bench.rig.clock.advance(SUSPECTED_AFTER);
    let began = bench.rig.now();
    bench.rig.clock.advance(ms(1));
    let (second, ticket) = bench.ticket();
    assert!(bench.requests.push(Request::Place(ticket)).is_ok());
    bench
        .rig
        .with(|gateway, turn| while gateway.handle_turn(turn) {});
    bench
        .rig
        .with(|gateway, turn| gateway.handle_timeout(turn, began));
    bench.rig.run_until_idle();
    assert_eq!(bench.sent(TRADING, "time").len(), 1);
    bench.tell_times();
    for placed in bench.placed() {
        bench.ack(&placed);
    }
    let expected = [taken(first), taken(second)].concat();
    assert_eq!(bench.reports(), expected);
}

#[test]
fn an_answer_that_is_lost_on_a_line_that_lives_is_told_at_its_deadline_and_may_still_come() {
    let mut bench = Bench::ready();
    let first = bench.order();
    bench.later_alive(ms(1_000));
    let second = bench.order();
    bench.later_alive(ANSWER_DEADLINE - ms(1_001));
    assert!(bench.reports().is_empty());
    bench.rig.later(ms(1));
    assert_eq!(bench.reports(), [(first, Said::Unanswered)]);
    assert_eq!(bench.rig.dials, 2, "the line lives");
    let placed = bench.placed();
    bench.ack(&placed[1]);
    assert_eq!(bench.reports(), taken(second));
    bench.later_alive(ms(2_000));
    assert!(bench.reports().is_empty(), "said once");
    bench.ack(&placed[0]);
    assert_eq!(bench.reports(), taken(first), "late is better than never");
    assert_eq!(bench.placed().len(), 2, "nothing was sent again");
}

/// A line that is dead without a word: the other one knows.
#[test]
fn a_silent_line_is_replaced_and_what_was_on_it_can_be_asked_by_the_other_one() {
    let mut bench = Bench::ready();
    let id = bench.order();
    bench.rig.later(SUSPECTED_AFTER);
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    bench.rig.later(ANSWER_DEADLINE - SUSPECTED_AFTER - ms(1));
    assert!(bench.bodies().is_empty());
    bench.rig.later(ms(1));
    assert_eq!(bench.reports(), [(id, Said::Unanswered)]);
    assert!(bench.rig.log().contains(&"gateway.line_silent"));
    assert!(bench.rig.is_up(ACCOUNT), "that is another one");
    let asked = bench.rig.now();
    let order = OrderRef {
        exchange_id: None,
        ..name(id)
    };
    bench.request(Request::Ask(Question::Order(order)));
    let question = bench.sent(ACCOUNT, "order.status")[0].clone();
    let result = bench.standing(id, "FILLED", "1.000", "");
    bench.answer_on(ACCOUNT, &question, 200, &format!(r#""result":{result}"#));
    let bodies = bench.bodies();
    let from = bodies.iter().map(|body| match body {
        Body::News(news) => news.source,
        other => panic!("{other:?}"),
    });
    assert!(from.clone().all(|source| source == Source::Query { asked }));
    let filled = Said::Ended(End::Filled, Some(Qty(1_000)));
    assert_eq!(from.count(), 3);
    assert!(reports(bodies).contains(&(id, filled)));
    bench.log_on_at(TRADING);
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert!(bench.placed().is_empty(), "it is not sent again");
}

/// Failure mode 35: nothing is sent a second time.
#[test]
fn a_lost_connection_leaves_orders_in_doubt_once_and_sends_none_again() {
    let mut bench = Bench::ready();
    let overdue = bench.order();
    bench.later_alive(ANSWER_DEADLINE);
    assert_eq!(bench.reports(), [(overdue, Said::Unanswered)]);
    let (one, two) = (bench.order(), bench.order());
    bench.rig.hang_up(1_001);
    let bodies = bench.bodies();
    assert_eq!(
        bodies[0],
        Body::Gateway(false),
        "no more orders, first of all"
    );
    let said: Vec<_> = bodies[1..]
        .iter()
        .map(|body| match body {
            Body::News(news) => (news.client_id, news.said),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, [(one, Said::Unanswered), (two, Said::Unanswered)]);
    let meanwhile = bench.order();
    assert_eq!(bench.reports(), [(meanwhile, Said::NotSent)]);
    bench.later_alive(ms(20_000));
    bench.log_on_at(TRADING);
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert!(bench.placed().is_empty());
}

#[test]
fn while_the_account_line_is_down_no_order_goes_and_answers_still_come() {
    let mut bench = Bench::ready();
    let id = bench.order();
    bench.rig.hang_up_on(ACCOUNT, 1_001);
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    let meanwhile = bench.order();
    assert_eq!(bench.reports(), [(meanwhile, Said::NotSent)]);
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.log_on_at(ACCOUNT);
    assert!(bench.bodies().is_empty(), "the stream is not followed");
    bench.follow();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
}

/// Failure mode 37: a socket that would block has queued the order.
#[test]
fn an_order_at_a_socket_that_blocks_is_sent_once_when_it_takes_again() {
    let mut bench = Bench::ready();
    bench.rig.block(true);
    let id = bench.order();
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.lane.counters().sent, 1);
    assert!(bench.bodies().is_empty(), "it is on its way");
    assert!(bench.placed().is_empty());
    bench.rig.block(false);
    bench.rig.run_until_idle();
    bench.rig.later(ms(100));
    assert_eq!(bench.placed().len(), 1, "once");
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
}

#[test]
fn an_order_that_is_rehearsed_is_not_sent_and_the_next_one_is_read_as_ever() {
    let mut bench = Bench::ready();
    let rehearse = |bench: &mut Bench| bench.rig.with(|lane, turn| lane.rehearse(turn));
    rehearse(&mut bench); // Before the first order there is nothing to rehearse.
    let first = bench.order();
    let (sent, written) = (bench.rig.lane.counters(), bench.rig.tx().bytes);
    for _ in 0..3 {
        rehearse(&mut bench);
    }
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.lane.counters(), sent);
    assert_eq!(bench.rig.tx().bytes, written);
    assert_eq!(bench.placed().len(), 1);
    let second = bench.order();
    for (id, request) in [first, second].into_iter().zip(bench.placed()) {
        assert!(request.ends_with(&id.0.to_string()), "{request} is {id:?}");
        bench.ack(&request);
        assert_eq!(bench.reports(), taken(id));
    }
    assert_eq!(bench.placed().len(), 2);
}

#[test]
fn send_stamps_find_their_orders_and_the_receipt_spans_packet_to_packet() {
    let mut bench = Bench::ready();
    bench.order();
    let first = bench.rig.tx().bytes;
    bench.order();
    let second = bench.rig.tx().bytes;
    assert!(second > first);
    let now = bench.rig.now();
    bench.rig.stamp(first - 1, now + Span(90)); // An earlier packet's.
    bench.rig.stamp(first, now + Span(200));
    bench.rig.stamp(second, now + Span(500));
    bench.rig.stamp(second, now + Span(900)); // A retransmission's.
    let totals = bench.rig.latency();
    let stage = |stage| {
        let all = totals.stage(stage).unwrap();
        (all.len(), all.min(), all.max())
    };
    assert_eq!(stage(Stage::Wire), (2, 200, 500));
    assert_eq!(stage(Stage::TickToWire), (2, 1_200, 1_500));
    assert_eq!(stage(Stage::TickToWireSafe), (2, 1_700, 2_000));
    assert_eq!(stage(Stage::Send), (2, 100, 100));
    let placed = bench.placed()[1].clone();
    bench.ack(&placed);
    let notes = bench.rig.notes();
    let receipt = notes.iter().find(|note| note.event == "order.receipt");
    let fields = &receipt.unwrap().fields;
    for (name, ns) in [("kernel_ns", 100), ("send_ns", 100), ("wire_ns", 500)] {
        assert!(
            fields.contains(&(name, Value::Int(ns))),
            "{name} {fields:?}"
        );
    }
}

#[test]
fn the_road_of_an_order_that_nobody_answered_is_in_the_log_when_the_run_ends() {
    let mut bench = Bench::ready();
    bench.order();
    bench.rig.notes();
    let now = bench.rig.now();
    bench.rig.with(|lane, turn| lane.shut_down(turn, now));
    let notes = bench.rig.notes();
    let receipt = notes.iter().find(|note| note.event == "order.receipt");
    let fields: Vec<_> = receipt
        .unwrap()
        .fields
        .iter()
        .map(|(name, _)| *name)
        .collect();
    assert!(
        fields.contains(&"send_ns") && !fields.contains(&"ack_ns"),
        "{fields:?}"
    );
}

#[test]
fn a_queued_order_is_not_timed_by_the_stamp_of_the_one_before_it() {
    let mut bench = Bench::ready();
    bench.order();
    let first = bench.rig.tx().bytes;
    bench.rig.block(true);
    bench.order();
    let blocked_at = bench.rig.now();
    bench.rig.stamp(first, blocked_at + Span(300));
    bench.rig.later(Span(1_000));
    bench.rig.block(false);
    bench.rig.turn();
    bench.rig.run_until_idle();
    assert_eq!(bench.placed().len(), 2);
    let left = bench.rig.tx();
    bench.rig.stamp(left.bytes, blocked_at + Span(1_040));
    let (count, longest) = bench.stage(Stage::TickToWire);
    assert_eq!((count, longest), (2, 2_040), "the wait in our queue counts");
}

#[test]
fn without_send_stamps_a_queued_orders_wait_still_counts() {
    let mut bench = Bench::ready();
    bench.rig.block(true);
    bench.order();
    bench.rig.later(Span(800));
    bench.rig.block(false);
    bench.rig.turn();
    bench.rig.run_until_idle();
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.stage(Stage::TickToWire), (1, 1_800));
}

#[test]
fn reports_outlive_a_desk_that_is_late() {
    let mut bench = Bench::ready_with(1);
    let ids: Vec<ClientId> = (0..20).map(|_| bench.order()).collect();
    for id in bench.placed() {
        bench.ack(&id);
    }
    assert!(
        Lane::wants_turn(&bench.rig.lane),
        "a backlog keeps it awake"
    );
    bench.rig.hang_up(1_001);
    let mut bodies = Vec::new();
    for _ in 0..80 {
        bodies.extend(bench.bodies());
        bench.rig.turn();
    }
    let last = bodies.pop();
    assert_eq!(last, Some(Body::Gateway(false)));
    let acked: Vec<_> = bodies
        .iter()
        .map(|body| match body {
            Body::News(news) => (news.client_id, news.said),
            other => panic!("{other:?}"),
        })
        .collect();
    let told: Vec<_> = ids.into_iter().flat_map(taken).collect();
    assert_eq!(acked, told, "all of them, in their order");
}

#[test]
fn a_dropped_session_takes_no_more_orders_before_another_logon() {
    for line in BOTH {
        let mut bench = Bench::ready();
        let drop = r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"expired"}}"#;
        bench.rig.say_on(line, drop);
        bench.rig.run_until_idle();
        assert_eq!(bench.bodies(), [Body::Gateway(false)]);
        let id = bench.order();
        assert_eq!(bench.reports(), [(id, Said::NotSent)]);
        bench.rig.later(ms(3_000));
        bench.log_on_at(line);
        if line == ACCOUNT {
            bench.follow();
        }
        assert_eq!(
            (bench.bodies(), bench.rig.dials),
            (vec![Body::Gateway(true)], 3)
        );
    }
}

#[test]
fn an_announced_shutdown_waits_for_answers_and_then_connects_anew() {
    let mut bench = Bench::ready();
    let id = bench.order();
    bench.rig.say(LEAVES);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    bench.later_alive(ms(2_000));
    assert_eq!(bench.rig.dials, 2, "an answer is due");
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.rig.later(ms(3_000));
    bench.log_on_at(TRADING);
    assert_eq!(
        (bench.bodies(), bench.rig.dials),
        (vec![Body::Gateway(true)], 3)
    );
}

/// A session that ends takes no orders, whatever else the exchange says of it.
#[test]
fn a_logon_that_nobody_waits_for_makes_no_leaving_session_ready() {
    let mut bench = Bench::ready();
    bench.rig.say(LOGGED_ON);
    bench.rig.run_until_idle();
    let unexpected = bench.rig.log();
    assert!(!unexpected.is_empty());
    assert!(unexpected.iter().all(|e| *e == "gateway.answer_unexpected"));
    let id = bench.order();
    for text in [LEAVES, LOGGED_ON] {
        bench.rig.say(text);
        bench.rig.run_until_idle();
    }
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    let late = bench.order();
    assert_eq!(bench.reports(), [(late, Said::NotSent)]);
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
}

const OUTSIDE_WINDOW: &str =
    r#""error":{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;

/// The time that the newest request is dated by, ahead of the host's clock in milliseconds.
fn dated_ahead_ms(bench: &Bench) -> i64 {
    let (_, text) = bench.rig.heard_on(TRADING).last().unwrap();
    let (_, from) = text.split_once(r#""timestamp":"#).unwrap();
    let digits = from.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let us: i64 = digits.parse().unwrap();
    us / 1_000 - (bench.rig.now().0 / 1_000_000) as i64
}

/// The exchange tells its time, so far ahead of ours.
fn tell_time(bench: &mut Bench, ahead_ms: i64) {
    let theirs = bench.now_ms() as i64 + ahead_ms;
    bench.answer("t", 200, &format!(r#""result":{{"serverTime":{theirs}}}"#));
}

#[test]
fn an_order_that_is_refused_for_its_time_asks_for_the_exchanges_and_the_next_is_dated_by_it() {
    let mut bench = Bench::ready();
    bench.order();
    bench.rig.run_until_idle();
    assert!(
        dated_ahead_ms(&bench).abs() <= 100,
        "as long as nothing contradicts our clock"
    );
    let placed = bench.placed();
    bench.answer(&placed[0], 400, OUTSIDE_WINDOW);
    let asked = bench.rig.heard_on(TRADING).last().unwrap().1.clone();
    assert_eq!(asked, r#"{"id":"t","method":"time"}"#);
    tell_time(&mut bench, 120_000);
    let notes = bench.rig.notes();
    assert!(notes.iter().any(|note| note.event == "clock.wrong"));
    bench.order();
    bench.rig.run_until_idle();
    let ahead_ms = dated_ahead_ms(&bench);
    assert!((119_000..=120_001).contains(&ahead_ms), "{ahead_ms}");
    let reports = bench.reports();
    assert!(matches!(reports[0].1, Said::Rejected { code: -1021 }));
}

#[test]
fn how_far_the_exchanges_clock_is_from_ours_is_said_when_that_moves() {
    let mut bench = Bench::ready();
    for ahead_ms in [5_000, 5_000, 0] {
        bench.order();
        bench.rig.run_until_idle();
        let placed = bench.placed().pop().unwrap();
        bench.answer(&placed, 400, OUTSIDE_WINDOW);
        tell_time(&mut bench, ahead_ms);
        bench.bodies();
    }
    let [ahead, back] = bench.ahead_ms[..] else {
        panic!("{:?}", bench.ahead_ms);
    };
    assert!((4_000..=5_001).contains(&ahead), "{ahead}");
    assert!(back.abs() <= 1, "{back}");
}

#[test]
fn a_logon_that_is_refused_for_its_time_is_repeated_with_the_exchanges_on_the_same_connection() {
    let mut bench = bench(64);
    bench.until_asked(TRADING, "session.logon");
    bench.answer("l", 400, OUTSIDE_WINDOW);
    tell_time(&mut bench, 60_000);
    let ahead_ms = dated_ahead_ms(&bench);
    assert!((59_000..=60_001).contains(&ahead_ms), "{ahead_ms}");
    bench.log_on();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert_eq!(bench.rig.dials, 2);
}

/// T14: what was decided before a stop does not leave after it.
#[test]
fn an_order_that_waited_through_a_stop_is_not_sent() {
    let mut bench = Bench::ready();
    let (_, mut ticket) = bench.ticket();
    ticket.receipt = Receipt {
        admitted: Nanos(bench.rig.now().0 - 500_000_001),
        ..Receipt::default()
    };
    bench.request(Request::Place(ticket));
    bench.rig.run_until_idle();
    assert!(bench.placed().is_empty());
    assert!(matches!(bench.reports()[..], [(_, Said::NotSent)]));
}

#[test]
fn what_the_stream_says_of_an_order_is_told_as_the_streams() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.stream(id, "TRADE", "FILLED", "1.000");
    let bodies = bench.bodies();
    let streams = |body: &Body| matches!(body, Body::News(news) if news.source == Source::Stream);
    assert!(
        !bodies.is_empty() && bodies.iter().all(streams),
        "{bodies:?}"
    );
    let told = reports(bodies);
    let fills = told
        .iter()
        .filter(|(_, said)| matches!(said, Said::Fill(_)));
    assert_eq!(fills.count(), 1);
    let filled = Said::Ended(End::Filled, Some(Qty(1_000)));
    assert_eq!(told.last(), Some(&(id, filled)));
}

/// T16: a stream that says that it ends.
#[test]
fn a_stream_that_ends_is_followed_again_on_the_same_connection_and_no_order_goes_meanwhile() {
    let mut bench = Bench::ready();
    bench.rig.say_on(ACCOUNT, STREAM_ENDS);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    let meanwhile = bench.order();
    assert_eq!(bench.reports(), [(meanwhile, Said::NotSent)]);
    assert_eq!(bench.sent(ACCOUNT, "userDataStream.subscribe").len(), 2);
    bench.rig.say_on(ACCOUNT, FOLLOWED);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert_eq!(bench.rig.dials, 2);
}

#[test]
fn a_stream_whose_subscription_has_no_answer_is_asked_for_again() {
    let mut bench = bench(64);
    bench.log_on_at(TRADING);
    bench.log_on_at(ACCOUNT);
    bench.until_asked(ACCOUNT, "userDataStream.subscribe");
    bench.later_alive(ANSWER_DEADLINE + ms(100));
    assert_eq!(bench.sent(ACCOUNT, "userDataStream.subscribe").len(), 2);
    bench.rig.say_on(ACCOUNT, FOLLOWED);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
}

#[test]
fn a_cancel_goes_behind_its_order_and_by_the_other_line_if_that_one_is_down() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.request(Request::Cancel(name(id)));
    assert_eq!(bench.sent(TRADING, "order.cancel").len(), 1);
    assert!(bench.sent(ACCOUNT, "order.cancel").is_empty());
    bench.rig.hang_up(1_001);
    assert_eq!(bench.reports(), [(id, Said::Unanswered)], "nobody knows");
    bench.request(Request::Cancel(name(id)));
    let cancel = bench.sent(ACCOUNT, "order.cancel")[0].clone();
    let result = bench.standing(id, "CANCELED", "0.400", "");
    bench.answer_on(ACCOUNT, &cancel, 200, &format!(r#""result":{result}"#));
    let cancelled = Said::Ended(End::Cancelled, Some(Qty(400)));
    assert_eq!(bench.reports(), [(id, TAKEN), (id, cancelled)]);
    bench.rig.hang_up_on(ACCOUNT, 1_001);
    bench.bodies();
    bench.request(Request::Cancel(name(id)));
    assert_eq!(bench.reports(), [(id, NOT_CHANGED)], "both are down");
}

#[test]
fn a_refused_cancel_says_nothing_of_the_order() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.request(Request::Cancel(name(id)));
    let cancel = bench.sent(TRADING, "order.cancel")[0].clone();
    let refusal = r#""error":{"code":-2011,"msg":"Unknown order sent."}"#;
    bench.answer(&cancel, 400, refusal);
    let refused = Said::ChangeRefused { code: -2011 };
    assert_eq!(bench.reports(), [(id, refused)]);
}

#[test]
fn a_reduction_is_one_request_that_says_what_is_ordered_in_all() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.request(Request::Reduce(name(id), Qty(700)));
    let method = "order.amend.keepPriority";
    let reduce = bench.sent(TRADING, method)[0].clone();
    let sent = &bench.rig.heard_on(TRADING).last().unwrap().1;
    assert!(sent.contains("0.7"), "{sent}");
    let now_ms = bench.now_ms();
    let result = format!(
        r#""result":{{"transactTime":{now_ms},"executionId":16,"amendedOrder":{{"symbol":"BTCUSDT","orderId":12,"origClientOrderId":"tw{0:020}","clientOrderId":"tw{0:020}","price":"100.01","qty":"0.700","executedQty":"0.000","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"}}}}"#,
        id.0
    );
    bench.answer(&reduce, 200, &result);
    assert!(bench.reports().contains(&(id, Said::Reduced(Qty(700)))));
}

#[test]
fn a_replacement_is_one_request_and_its_answer_says_what_became_of_both() {
    let mut bench = Bench::ready();
    let old = bench.resting();
    let (new, ticket) = bench.ticket();
    bench.request(Request::Replace(name(old), ticket));
    let replace = bench.sent(TRADING, "order.cancelReplace")[0].clone();
    assert_eq!(bench.placed().len(), 1, "the old one's");
    let halves = format!(
        r#""result":{{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","cancelResponse":{},"newOrderResponse":{}}}"#,
        bench.standing(old, "CANCELED", "0.000", ""),
        bench.standing(new, "NEW", "0.000", ""),
    );
    bench.answer(&replace, 200, &halves);
    let cancelled = Said::Ended(End::Cancelled, Some(Qty(0)));
    assert_eq!(
        bench.reports(),
        [(old, TAKEN), (old, cancelled), (new, TAKEN)]
    );
}

#[test]
fn of_a_replacement_that_nobody_answers_both_orders_are_in_doubt() {
    let mut bench = Bench::ready();
    let old = bench.resting();
    let (new, ticket) = bench.ticket();
    bench.request(Request::Replace(name(old), ticket));
    bench.rig.hang_up(1_001);
    let mut told = bench.reports();
    told.sort_by_key(|(id, _)| *id);
    assert_eq!(told, [(old, Said::Unanswered), (new, Said::Unanswered)]);
    let (new, ticket) = bench.ticket();
    bench.request(Request::Replace(name(old), ticket));
    let mut told = bench.reports();
    told.sort_by_key(|(id, _)| *id);
    assert_eq!(told, [(old, NOT_CHANGED), (new, Said::NotSent)]);
}

#[test]
fn what_is_asked_already_is_not_asked_again_before_its_answer() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    let question = Request::Ask;
    for _ in 0..2 {
        bench.request(question(Question::Order(name(id))));
    }
    assert_eq!(bench.sent(ACCOUNT, "order.status").len(), 1);
    assert!(bench.sent(TRADING, "order.status").is_empty());
    let asked = bench.sent(ACCOUNT, "order.status")[0].clone();
    let unknown = r#""error":{"code":-2013,"msg":"Order does not exist."}"#;
    bench.answer_on(ACCOUNT, &asked, 400, unknown);
    assert_eq!(bench.reports(), [(id, Said::Absent)]);
    bench.request(question(Question::Order(name(id))));
    assert_eq!(bench.sent(ACCOUNT, "order.status").len(), 2);
}

/// T2: a question that a cut, a silence or an error of the exchange leaves open says nothing of its
/// order, and is asked again by whoever wants to know.
#[test]
fn a_question_that_fails_says_nothing_of_its_order() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    let question = || Request::Ask(Question::Order(name(id)));
    bench.request(question());
    let asked = bench.sent(ACCOUNT, "order.status")[0].clone();
    let overloaded = r#""error":{"code":-1008,"msg":"Server is currently overloaded."}"#;
    bench.answer_on(ACCOUNT, &asked, 503, overloaded);
    assert_eq!(bench.reports(), []);
    bench.request(question());
    bench.later_alive(ANSWER_DEADLINE + ms(100));
    assert_eq!(bench.reports(), [], "no answer is no word");
    bench.request(question());
    assert_eq!(bench.sent(ACCOUNT, "order.status").len(), 3);
    bench.rig.hang_up_on(ACCOUNT, 1_001);
    bench.request(question());
    assert_eq!(bench.sent(TRADING, "order.status").len(), 1);
    bench.rig.hang_up(1_001);
    assert_eq!(bench.reports(), [], "and neither is the end of both lines");
    bench.request(question());
    assert_eq!(bench.reports(), [], "nobody is there to be asked");
}

/// A page of trades as an answer lists it.
fn trades(from: u64, count: u64) -> String {
    let trade = |id: u64| {
        format!(
            r#"{{"symbol":"BTCUSDT","id":{id},"orderId":12,"orderListId":-1,"price":"100.01","qty":"0.001","quoteQty":"0.1","commission":"0","commissionAsset":"BNB","time":1000,"isBuyer":true,"isMaker":true,"isBestMatch":true}}"#
        )
    };
    let all: Vec<String> = (from..from + count).map(trade).collect();
    format!(r#""result":[{}]"#, all.join(","))
}

#[test]
fn trades_are_asked_for_page_by_page_and_listed_once_the_last_one_is_here() {
    let mut bench = Bench::ready_with(4_096);
    let question = Question::Trades(BTC, TradesOf::Last(Span::from_secs(60)));
    bench.request(Request::Ask(question));
    let first = bench.sent(ACCOUNT, "myTrades")[0].clone();
    bench.answer_on(ACCOUNT, &first, 200, &trades(1, 1_000));
    let listed = |body: &Body| {
        let Body::Account(AccountNews::TradesListed { asked }) = body else {
            return None;
        };
        Some(*asked)
    };
    let bodies = bench.bodies();
    assert_eq!(bodies.len(), 1_000, "each is told");
    assert!(bodies.iter().all(|body| listed(body).is_none()));
    assert_eq!(
        bench.sent(ACCOUNT, "myTrades").len(),
        2,
        "and the next page"
    );
    let text = &bench.rig.heard_on(ACCOUNT).last().unwrap().1;
    assert!(text.contains(r#""fromId":1001"#), "{text}");
    let second = bench.sent(ACCOUNT, "myTrades")[1].clone();
    bench.answer_on(ACCOUNT, &second, 200, &trades(1_001, 3));
    let bodies = bench.bodies();
    assert_eq!(bodies.len(), 4);
    assert!(listed(&bodies[3]).is_some(), "{bodies:?}");
    assert_eq!(bench.sent(ACCOUNT, "myTrades").len(), 2);
}

#[test]
fn lists_are_told_whole_as_of_when_they_were_asked_for() {
    let mut bench = Bench::ready();
    let asked = bench.rig.now();
    bench.request(Request::Ask(Question::OpenOrders));
    bench.request(Request::Ask(Question::Balances));
    bench.rig.later(ms(40));
    let rests = bench.standing(ClientId(7), "NEW", "0.000", "");
    bench.answer_on(ACCOUNT, "w", 200, &format!(r#""result":[{rests}]"#));
    let bodies = bench.bodies();
    assert!(matches!(
        bodies[0],
        Body::Account(AccountNews::Resting(resting)) if resting.client_id == Some(ClientId(7))
    ));
    let end = Body::Account(AccountNews::RestingListed { asked });
    assert_eq!(bodies[1..], [end]);
    let balances = r#""result":{"balances":[{"asset":"BTC","free":"1.5","locked":"0.25"}]}"#;
    bench.answer_on(ACCOUNT, "b", 200, balances);
    let bodies = bench.bodies();
    assert!(matches!(
        bodies[0],
        Body::Account(AccountNews::Balance(balance)) if balance.asset.as_str() == "BTC"
    ));
    let end = Body::Account(AccountNews::BalancesListed { asked });
    assert_eq!(bodies[1..], [end]);
}

#[test]
fn a_banned_address_sends_nothing_before_the_ban_is_over() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.request(Request::Ask(Question::Balances));
    let until = bench.now_ms() + 20_000;
    let ban = format!(
        r#""error":{{"code":-1003,"msg":"Way too much request weight used; IP banned","data":{{"serverTime":1,"retryAfter":{until}}}}}"#
    );
    bench.answer_on(ACCOUNT, "b", 418, &ban);
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    assert!(bench.rig.log().contains(&"gateway.banned"));
    let frames = bench.rig.heard.len();
    let order = bench.order();
    bench.request(Request::Cancel(name(id)));
    bench.request(Request::Ask(Question::OpenOrders));
    bench.rig.run_until_idle();
    let told = [(order, Said::NotSent), (id, NOT_CHANGED)];
    assert_eq!(bench.reports(), told);
    bench.rig.later(ms(19_000));
    assert!(bench.bodies().is_empty());
    assert_eq!(bench.rig.heard.len(), frames, "nothing was said");
    bench.rig.later(ms(1_500));
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    bench.order();
    assert_eq!(bench.placed().len(), 2);
}

/// T15: windows as the exchange counts them.
#[test]
fn orders_beyond_the_exchanges_limit_are_not_sent_and_the_next_window_takes_some_more() {
    let mut bench = Bench::ready_with(512);
    // A fresh window: it begins at whole multiples of its length, and a margin later.
    let into = bench.rig.now().0 % 10_000_000_000;
    bench.rig.later(Span(10_000_000_000 - into) + ms(200));
    for _ in 0..45 {
        bench.order();
    }
    let placed = bench.placed();
    assert_eq!(placed.len(), 45, "nine tenths of fifty");
    for request in &placed {
        bench.ack(request);
    }
    assert_eq!(bench.reports().len(), 90);
    let beyond = bench.order();
    assert_eq!(bench.reports(), [(beyond, Said::NotSent)]);
    bench.rig.later(ms(10_000));
    bench.order();
    assert_eq!(bench.placed().len(), 46);
}

/// T15: the exchange's own count says what is used of its limit, and the end of that is for what
/// makes less of our orders.
#[test]
fn near_the_end_of_a_limit_cancels_and_reductions_still_go_and_nothing_else_does() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.request(Request::Ask(Question::Balances));
    let used = r#""result":{"balances":[]},"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":5401}]"#;
    bench.answer_on(ACCOUNT, "b", 200, used);
    bench.bodies();
    let order = bench.order();
    assert_eq!(bench.reports(), [(order, Said::NotSent)]);
    bench.request(Request::Ask(Question::Order(name(id))));
    assert!(bench.sent(ACCOUNT, "order.status").is_empty());
    bench.request(Request::Reduce(name(id), Qty(700)));
    assert_eq!(bench.sent(TRADING, "order.amend.keepPriority").len(), 1);
    bench.request(Request::Cancel(name(id)));
    assert_eq!(bench.sent(TRADING, "order.cancel").len(), 1);
    bench.later_alive(ms(61_000));
    bench.bodies();
    bench.order();
    assert_eq!(bench.placed().len(), 2, "another minute");
}

/// What rests by a list of the exchange's: ours by their ids, and one of somebody else.
fn resting(ids: &[ClientId]) -> String {
    let order = |number: usize, client_id: &str| {
        format!(
            r#"{{"symbol":"BTCUSDT","orderId":{number},"orderListId":-1,"clientOrderId":"{client_id}","price":"100.01","origQty":"1.000","executedQty":"0.000","cummulativeQuoteQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","time":1,"updateTime":1,"isWorking":true}}"#
        )
    };
    let ours = ids.iter().map(|id| format!("tw{:020}", id.0));
    let all = ours.chain(["web_1".to_owned()]).enumerate();
    let all: Vec<String> = all.map(|(at, id)| order(20 + at, &id)).collect();
    format!(r#""result":[{}]"#, all.join(","))
}

#[test]
fn a_gateway_that_is_killed_lets_no_order_out_and_cancels_what_rests_of_ours_by_itself() {
    let mut bench = Bench::ready();
    let id = bench.resting();
    bench.switch.kill();
    // Whatever the desk wanted before does not leave any more.
    let late = bench.order();
    assert_eq!(bench.placed().len(), 1);
    assert!(bench.reports().contains(&(late, Said::NotSent)));
    // It asks by itself, and nobody has to tell it what rests.
    let asked = bench.sent(ACCOUNT, "openOrders.status");
    assert_eq!(asked.len(), 1);
    assert!(bench.sent(TRADING, "order.cancel").is_empty());
    bench.answer_on(ACCOUNT, &asked[0], 200, &resting(&[id]));
    let cancels = bench.sent(TRADING, "order.cancel");
    assert_eq!(cancels.len(), 1, "ours, and not the other one's");
    assert!(!bench.switch.is_clear());
    // One that is under way is not sent twice; one that is refused is.
    bench.later_alive(ms(1_100));
    let asked = bench.sent(ACCOUNT, "openOrders.status");
    assert_eq!(asked.len(), 2);
    bench.answer_on(ACCOUNT, &asked[1], 200, &resting(&[id]));
    assert_eq!(bench.sent(TRADING, "order.cancel").len(), 1);
    let error = r#""error":{"code":-1001,"msg":"x"}"#;
    bench.answer(&cancels[0], 500, error);
    bench.later_alive(ms(1_100));
    let asked = bench.sent(ACCOUNT, "openOrders.status");
    bench.answer_on(ACCOUNT, &asked[2], 200, &resting(&[id]));
    assert_eq!(bench.sent(TRADING, "order.cancel").len(), 2);
    bench.later_alive(ms(1_100));
    let asked = bench.sent(ACCOUNT, "openOrders.status");
    bench.answer_on(ACCOUNT, &asked[3], 200, &resting(&[]));
    bench.rig.turn();
    assert!(bench.switch.is_clear());
    // Resumed, it lets orders out again, and asks no more.
    bench.switch.resume();
    bench.order();
    assert_eq!(bench.placed().len(), 2);
    bench.later_alive(ms(5_000));
    assert_eq!(bench.sent(ACCOUNT, "openOrders.status").len(), 4);
}

#[test]
fn while_positions_are_closed_the_gateway_lets_orders_out_and_killed_once_more_it_does_not() {
    let mut bench = Bench::ready();
    bench.switch.kill();
    bench.order();
    assert_eq!(bench.placed().len(), 0);
    assert!(bench.switch.flatten());
    bench.order();
    assert_eq!(bench.placed().len(), 1);
    bench.switch.kill();
    bench.order();
    assert_eq!(bench.placed().len(), 1);
    bench.switch.resume();
    assert!(!bench.switch.flatten(), "nobody is killed");
    bench.order();
    assert_eq!(bench.placed().len(), 2);
}
