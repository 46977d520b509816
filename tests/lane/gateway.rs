//! The gateway lane over TLS in memory: logon, orders, every kind of answer, and none at all.

use crate::lane_support::desk::{admit, ready_risk};
use crate::lane_support::{BTC, Rig, START, Tap, binance, instruments};
use tickwire::base::{Body, ClientId, Event, Nanos, Outcome, RxStamps, Span, Stamps, Value};
use tickwire::exchange::{Account, AccountKey};
use tickwire::trading::risk::Risk;
use tickwire::watch::stage::Stage;
use tickwire::wiring::desk::{Receipt, Ticket};
use tickwire::wiring::gateway::{ANSWER_DEADLINE, Gateway, LOGON_DEADLINE};
use tickwire::wiring::lane::Lane;
use tickwire::wiring::plan::GatewayPlan;
use tickwire::wiring::ring::{Receiver, Sender};
use tickwire::wiring::road::{self, Bells};

const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n\
    -----END PRIVATE KEY-----\n";
const LOGGED_ON: &str = r#"{"id":"logon","status":200,"result":{"apiKey":"k"}}"#;

struct Bench {
    rig: Rig<Gateway<Tap>>,
    orders: Sender<Ticket>,
    events: Receiver<Event>,
    risk: Risk,
}

/// A gateway whose ring to the desk holds `room` events.
fn bench(room: usize) -> Bench {
    let account = Account {
        api_key: "test-key-0001".to_owned().into(),
        key: AccountKey::Ed25519Pem(KEY.to_owned().into()),
    };
    let codec = binance().order_codec(account, &instruments()).unwrap();
    let (rig, (orders, events)) = Rig::of(|endpoint| {
        let plan = GatewayPlan {
            tickets: 300,
            reports: room,
            ..GatewayPlan::new(binance(), codec, endpoint)
        };
        let ends = road::gateway(plan, &Bells::silent()).unwrap();
        (ends.gateway, (ends.tickets, ends.reports))
    });
    Bench {
        rig,
        orders,
        events,
        risk: ready_risk(START),
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

    fn log_on(&mut self) {
        self.rig.until_heard(1);
        self.rig.say(LOGGED_ON);
        self.rig.run_until_idle();
    }

    /// Puts an order on the ring, caused by a packet of 1 us ago, and lets the gateway turn.
    fn order(&mut self) -> ClientId {
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
        assert!(self.orders.push(Ticket { order, receipt }).is_ok());
        self.rig.turn();
        id
    }

    /// The request ids of the orders that the exchange has heard on this connection.
    fn placed(&self) -> Vec<String> {
        let texts = self.rig.heard.iter().map(|(_, text)| text);
        let orders = texts.filter(|text| text.contains("order.place"));
        let id = |text: &String| text.split('"').nth(3).unwrap().to_owned();
        orders.map(id).collect()
    }

    fn answer(&mut self, id: &str, status: u16, rest: &str) {
        self.rig
            .say(&format!(r#"{{"id":"{id}","status":{status},{rest}}}"#));
        self.rig.run_until_idle();
    }

    fn ack(&mut self, id: &str) {
        let result = r#""result":{"symbol":"BTCUSDT","orderId":12,"transactTime":1750000000123456,"status":"EXPIRED","executedQty":"0","fills":[]}"#;
        self.answer(id, 200, result);
    }

    fn bodies(&mut self) -> Vec<Body> {
        std::iter::from_fn(|| self.events.pop().ok().map(|event| event.body)).collect()
    }

    fn reports(&mut self) -> Vec<(ClientId, Outcome)> {
        let report = |body| match body {
            Body::News(report) => Some((report.client_id, report.outcome)),
            _ => None,
        };
        self.bodies().into_iter().filter_map(report).collect()
    }

    /// The count and the largest value of a stage, of values that are exact in three digits.
    fn stage(&mut self, stage: Stage) -> (u64, u64) {
        let totals = self.rig.latency();
        totals
            .stage(stage)
            .map_or((0, 0), |all| (all.len(), all.max()))
    }
}

const ACKED: Outcome = Outcome::Acked { exchange_id: 12 };

/// What [`Bench::ack`] makes of an order.
fn taken(id: ClientId) -> [(ClientId, Outcome); 2] {
    [(id, ACKED), (id, Outcome::Expired)]
}

fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

#[test]
fn it_logs_on_first_and_an_order_before_that_is_not_sent() {
    let mut bench = bench(64);
    let early = bench.order();
    assert_eq!(bench.reports(), [(early, Outcome::NotSent)]);
    bench.rig.until_heard(1);
    assert!(bench.rig.heard[0].1.contains("session.logon"));
    let unanswered = bench.order();
    assert_eq!(bench.reports(), [(unanswered, Outcome::NotSent)]);
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
fn a_logon_without_an_answer_or_with_a_refusal_is_tried_on_a_new_connection() {
    let mut bench = bench(64);
    bench.rig.until_heard(1);
    bench.rig.later(LOGON_DEADLINE - ms(100));
    assert_eq!(bench.rig.dials, 1);
    bench.rig.later(ms(200));
    assert!(bench.rig.log().contains(&"gateway.logon_unanswered"));
    bench.rig.later(ms(3_000));
    bench.rig.until_heard(1);
    assert_eq!(bench.rig.dials, 2);
    bench.answer(
        "logon",
        401,
        r#""error":{"code":-2015,"msg":"Invalid API-key"}"#,
    );
    let notes = bench.rig.notes();
    let refused = notes.iter().find(|note| note.event == "gateway.logged_off");
    assert_eq!(refused.unwrap().text.as_str(), "Invalid API-key");
    assert!(bench.bodies().is_empty(), "it never was ready");
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
    let rejected = Outcome::Rejected { code: -2010 };
    let told = [
        (ids[2], rejected),
        (ids[0], Outcome::InDoubt),
        (ids[1], ACKED),
        (ids[1], Outcome::Expired),
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
    let fills = r#""fills":[{"price":"100.01","qty":"0.4"},{"price":"100.02","qty":"0.6"}]"#;
    let head = r#""result":{"symbol":"BTCUSDT","orderId":12"#;
    let result = format!(r#"{head},"status":"FILLED","executedQty":"1.0",{fills}}}"#);
    bench.answer(&placed[0], 200, &result);
    let reports = bench.reports();
    let px: Vec<i64> = reports
        .iter()
        .filter_map(|(_, outcome)| match outcome {
            Outcome::Fill { px, .. } => Some(px.0),
            _ => None,
        })
        .collect();
    assert_eq!(
        (reports[0], reports[3]),
        ((full, ACKED), (full, Outcome::Filled))
    );
    assert_eq!((reports.len(), px), (4, vec![10_001, 10_002]));
    // It cannot rest: what is only taken is over, and nobody says how much of it traded.
    bench.answer(&placed[1], 200, &format!("{head}}}"));
    assert_eq!(bench.reports(), [(short, ACKED), (short, Outcome::Unknown)]);
}

#[test]
fn answers_that_nobody_waits_for_and_garbage_are_logged_and_change_nothing() {
    let mut bench = Bench::ready();
    let id = bench.order();
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.rig.log();
    bench.ack(&placed);
    bench.ack("tw00000000000000009999");
    assert_eq!(bench.rig.log(), ["gateway.answer_unexpected"; 2]);
    bench.answer("somebody-elses", 200, r#""result":{}"#);
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
fn an_order_without_an_answer_is_in_doubt_at_its_deadline_and_a_late_answer_settles_it() {
    let mut bench = Bench::ready();
    let (first, second) = (bench.order(), {
        bench.rig.later(ms(1_000));
        bench.order()
    });
    bench.rig.later(ANSWER_DEADLINE - ms(1_001));
    assert!(bench.bodies().is_empty());
    bench.rig.later(ms(1));
    assert_eq!(bench.reports(), [(first, Outcome::InDoubt)]);
    let placed = bench.placed();
    bench.ack(&placed[1]);
    assert_eq!(bench.reports(), taken(second));
    bench.rig.later(ms(2_000));
    assert!(bench.bodies().is_empty(), "said once");
    bench.ack(&placed[0]);
    assert_eq!(bench.reports(), taken(first), "late is better than never");
    bench.ack(&placed[0]);
    assert!(bench.bodies().is_empty());
    assert_eq!(bench.placed().len(), 2, "nothing was sent again");
}

#[test]
fn a_lost_connection_leaves_orders_in_doubt_once_and_sends_none_again() {
    let mut bench = Bench::ready();
    let overdue = bench.order();
    bench.rig.later(ANSWER_DEADLINE);
    assert_eq!(bench.reports(), [(overdue, Outcome::InDoubt)]);
    let (one, two) = (bench.order(), bench.order());
    bench.rig.hang_up(1_001);
    let bodies = bench.bodies();
    assert_eq!(
        bodies[0],
        Body::Gateway(false),
        "no more orders, first of all"
    );
    let outcomes: Vec<_> = bodies[1..]
        .iter()
        .map(|body| match body {
            Body::News(report) => (report.client_id, report.outcome),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(outcomes, [(one, Outcome::InDoubt), (two, Outcome::InDoubt)]);
    let meanwhile = bench.order();
    assert_eq!(bench.reports(), [(meanwhile, Outcome::NotSent)]);
    bench.rig.later(ms(20_000));
    bench.log_on();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert!(bench.placed().is_empty());
}

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
            Body::News(news) => (news.client_id, news.outcome),
            other => panic!("{other:?}"),
        })
        .collect();
    let told: Vec<_> = ids.into_iter().flat_map(taken).collect();
    assert_eq!(acked, told, "all of them, in their order");
}

#[test]
fn a_dropped_session_takes_no_more_orders_before_another_logon() {
    let mut bench = Bench::ready();
    bench
        .rig
        .say(r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"expired"}}"#);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    let id = bench.order();
    assert_eq!(bench.reports(), [(id, Outcome::NotSent)]);
    bench.rig.later(ms(3_000));
    bench.log_on();
    assert_eq!(
        (bench.bodies(), bench.rig.dials),
        (vec![Body::Gateway(true)], 2)
    );
}

#[test]
fn an_announced_shutdown_waits_for_answers_and_then_connects_anew() {
    let mut bench = Bench::ready();
    let id = bench.order();
    bench
        .rig
        .say(r#"{"event":{"e":"serverShutdown","E":1770000000000}}"#);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    bench.rig.later(ms(3_000));
    assert_eq!(bench.rig.dials, 1, "an answer is due");
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
    bench.rig.later(ms(3_000));
    bench.log_on();
    assert_eq!(
        (bench.bodies(), bench.rig.dials),
        (vec![Body::Gateway(true)], 2)
    );
}

/// A session that ends takes no orders, whatever else the exchange says of it.
#[test]
fn a_logon_that_nobody_waits_for_makes_no_leaving_session_ready() {
    let mut bench = Bench::ready();
    bench.rig.say(LOGGED_ON);
    bench.rig.run_until_idle();
    assert_eq!(bench.rig.log(), ["gateway.answer_unexpected"]);
    let id = bench.order();
    let leaves = r#"{"event":{"e":"serverShutdown","E":1770000000000}}"#;
    for text in [leaves, LOGGED_ON] {
        bench.rig.say(text);
        bench.rig.run_until_idle();
    }
    assert_eq!(bench.bodies(), [Body::Gateway(false)]);
    let late = bench.order();
    assert_eq!(bench.reports(), [(late, Outcome::NotSent)]);
    let placed = bench.placed()[0].clone();
    bench.ack(&placed);
    assert_eq!(bench.reports(), taken(id));
}

const OUTSIDE_WINDOW: &str =
    r#""error":{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;

/// The time that the newest request is dated by, ahead of the host's clock in milliseconds.
fn dated_ahead_ms(bench: &Bench) -> i64 {
    let (_, text) = bench.rig.heard.last().unwrap();
    let (_, from) = text.split_once(r#""timestamp":"#).unwrap();
    let digits = from.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let us: i64 = digits.parse().unwrap();
    us / 1_000 - (bench.rig.now().0 / 1_000_000) as i64
}

/// The exchange tells its time, so far ahead of ours.
fn tell_time(bench: &mut Bench, ahead_ms: i64) {
    let theirs = (bench.rig.now().0 / 1_000_000) as i64 + ahead_ms;
    bench.answer(
        "time",
        200,
        &format!(r#""result":{{"serverTime":{theirs}}}"#),
    );
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
    let asked = bench.rig.heard.last().unwrap().1.clone();
    assert_eq!(asked, r#"{"id":"time","method":"time"}"#);
    tell_time(&mut bench, 120_000);
    let notes = bench.rig.notes();
    assert!(notes.iter().any(|note| note.event == "clock.wrong"));
    bench.order();
    bench.rig.run_until_idle();
    let ahead_ms = dated_ahead_ms(&bench);
    assert!((119_000..=120_001).contains(&ahead_ms), "{ahead_ms}");
    let reports = bench.reports();
    assert!(matches!(reports[0].1, Outcome::Rejected { code: -1021 }));
}

#[test]
fn a_logon_that_is_refused_for_its_time_is_repeated_with_the_exchanges_on_the_same_connection() {
    let mut bench = bench(64);
    bench.rig.until_heard(1);
    bench.answer("logon", 400, OUTSIDE_WINDOW);
    tell_time(&mut bench, 60_000);
    let ahead_ms = dated_ahead_ms(&bench);
    assert!((59_000..=60_001).contains(&ahead_ms), "{ahead_ms}");
    bench.rig.say(LOGGED_ON);
    bench.rig.run_until_idle();
    assert_eq!(bench.bodies(), [Body::Gateway(true)]);
    assert_eq!(bench.rig.dials, 1);
}

#[test]
fn an_order_that_waited_through_a_stop_is_not_sent() {
    let mut bench = Bench::ready();
    let now = bench.rig.now();
    let order = admit(&mut bench.risk, now, BTC);
    let receipt = Receipt {
        admitted: Nanos(now.0 - 500_000_001),
        ..Receipt::default()
    };
    assert!(bench.orders.push(Ticket { order, receipt }).is_ok());
    bench.rig.run_until_idle();
    assert!(bench.placed().is_empty());
    assert!(matches!(bench.reports()[..], [(_, Outcome::NotSent)]));
}
